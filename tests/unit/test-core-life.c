/* A node's life: founding, one ring of many, the end; and every frame in every state. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "random.h"

/* A lone node founds after exactly 100 counted attempts, 10 ms apart. */
static void a_lone_node_founds(void **state)
{
	struct core *c = *state;
	uint64_t first = 0, last = 0;
	unsigned joins = 0;

	core_add(c, 4711);
	core_whole(c, 1, 3000);
	for (size_t i = 0; i < c->line_count; i++) {
		if (strcmp(c->lines[i].topic, "join") != 0)
			continue;
		assert_string_equal(c->lines[i].payload, "4711");
		assert_int_equal(c->lines[i - 1].frame, FRAME_HELLO);
		if (joins)
			assert_int_equal(c->lines[i].when - last, 10);
		last = c->lines[i].when;
		first = joins++ ? first : last;
	}
	assert_int_equal(joins, 100);
	assert_int_equal(last - first, 990);
	assert_int_equal(core_count(c, 0, "founder", NULL), 1);
	core_put(c, "c", 1, "v");
	core_expect(c, 1, "v");
	core_all_answered(c);
}

/* Eight nodes that start at the same moment make one ring. */
static void eight_at_once_make_one_ring(void **state)
{
	struct core *c = *state;
	struct random r = {1};

	for (int i = 0; i < 8; i++)
		core_add(c, (uint32_t)random_next(&r));
	core_whole(c, 8, 15000);
	assert_int_equal(core_count_logs(c, CORE_ANY, "founded ring"), 1);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "c%d", i);
		core_put(c, name, (uint32_t)random_next(&r), name);
		core_get(c, (uint32_t)random_next(&r));
	}
	core_run(c, 1000);
	core_all_answered(c);
}

/* A lower id that starts 990 ms after a higher one, which has almost counted out, joins its ring or founds the one. */
static void a_lower_id_starts_late(void **state)
{
	for (unsigned late = 970; late <= 1010; late += 5) {
		struct core *c = core_new();

		core_add(c, 2000000000);
		core_run(c, late);
		core_add(c, 5);
		core_whole(c, 2, 5000);
		assert_int_equal(core_count_logs(c, CORE_ANY, "founded ring"), 1);
		core_free(c);
	}
	(void)state;
}

/* An attempt whose echo is lost does not count: with no echo at all nobody founds. */
static void attempts_count_only_with_their_echo(void **state)
{
	struct core *c = *state;
	unsigned lost = 0;
	int n = core_add(c, 7);

	while (lost < 20) {
		if (!core_until(c, FRAME_HELLO, n))
			fail_msg("it asks no more");
		core_drop(c);
		lost++;
		assert_int_equal(core_count(c, 0, "founder", NULL), 0);
	}
	core_whole(c, 1, 5000);
	/* Each lost one is made again after a second, and none of them was counted. */
	assert_int_equal(core_count_frames(c, 0, FRAME_HELLO, n), 100 + lost);
}

/* The last node of a ring leaves in good order, and leaves its term, but nobody, in the register. */
static void the_last_node_leaves(void **state)
{
	struct core *c = *state;
	const struct core_line *l;
	struct frame f;
	int n = core_add(c, 100), next;

	core_whole(c, 1, 3000);
	core_stop(c, n);
	core_run(c, 2000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	l = &c->retained[0];
	assert_string_equal(l->topic, "founder");
	assert_null(frame_decode(&f, c->room, (const uint8_t *)l->payload, l->len));
	assert_int_equal(f.ring.term, 1);
	assert_int_equal(f.ring.nonce, 0);
	/* The next ring takes the next term, at once. */
	next = core_add(c, 200);
	core_whole(c, 1, 3000);
	assert_int_equal(core_count_logs(c, next, "founded ring 2/"), 1);
}

/* All of a ring stopped at the same moment: every one exits with 0. */
static void all_leave_at_once(void **state)
{
	struct core *c = *state;

	for (uint32_t i = 0; i < 8; i++)
		core_add(c, i * 500000000 + 7);
	core_whole(c, 8, 15000);
	for (int n = 0; n < 8; n++)
		core_stop(c, n);
	core_run(c, 30000);
	for (int n = 0; n < 8; n++)
		assert_int_equal(c->nodes[n].exit_code, 0);
}

/* ---- every state, every frame ---- */

static void retained(struct core *c, const char *topic, const struct frame *f)
{
	size_t len;
	uint8_t *bytes = frame_encode(f, &len);

	core_publish_as(c, CORE_CLIENT, topic, bytes, len, true);
	free(bytes);
}

/* A ring is registered that nobody answers for, and so many retained statuses name nodes of it. */
static void dead_ring(struct core *c, uint32_t nodes)
{
	const struct frame found = {.type = FRAME_FOUND, .from = {1, 2, {3, 1}}, .ring = {1, 2}};

	retained(c, "founder", &found);
	for (uint32_t i = 0; i < nodes; i++) {
		struct frame status = {.type = FRAME_STATUS, .from = {i, i + 1, {i + 100000, 1}}, .state = NODE_ACTIVE};
		char topic[TOPIC_MAX];

		topic_format(topic, "", TOPIC_NODE, i, NULL);
		retained(c, topic, &status);
	}
}

/* Everybody that is named is fenced before a ring is founded anew, 4,096 of them: with more none is founded, and it is
 * said.  It goes on asking, and founds once those that are gone are cleared away. */
static void too_many_to_fence(void **state)
{
	struct core *c = *state;
	size_t since;
	int n;

	dead_ring(c, 4096); /* and the one that the register names */
	n = core_add(c, 4000000000);
	core_run(c, 40000);
	assert_int_equal(core_count_logs(c, n, "node/+ names more than 4096 nodes"), 1);
	assert_int_equal(core_count_logs(c, n, "founded ring"), 0);
	assert_int_equal(core_count_frames(c, 0, FRAME_FOUND, n), 0);
	since = c->line_count;
	core_run(c, 5000);
	assert_in_range(core_count_frames(c, since, FRAME_HELLO, n), 5, 1000);
	core_run(c, 30000);
	assert_int_equal(core_count_logs(c, n, "node/+ names more than 4096 nodes"), 2);
	for (uint32_t i = 0; i < 100; i++)
		core_publish_as(c, CORE_CLIENT, c->retained[1 + i].topic, "", 0, true);
	core_run(c, 120000);
	assert_int_equal(core_count_logs(c, n, "founded ring"), 1);
	assert_int_equal(core_count_logs(c, n, "node/+ names more than 4096 nodes"), 2);
}

/* A sign of a ring ends the search amid its fences: the next one begins with the first that is named, not where that one
 * stopped. */
static void a_search_begins_anew(void **state)
{
	struct core *c = *state;
	unsigned fences = 0;
	int n;

	dead_ring(c, 20);
	n = core_add(c, 4000000000);
	while (core_count_logs(c, n, "fencing whoever it names") == 0)
		assert_true(core_advance(c, c->now + 20000));
	while (fences < 10)
		fences += core_advance(c, c->now + 100) && core_next(c) && core_next(c)->event.type == EVENT_FENCED;
	core_publish(c, "has_started", "yes");
	core_deliver_all(c);
	fences = core_count_logs(c, n, "does not answer -> fencing it");
	core_run(c, 40000);
	assert_int_equal(core_count_logs(c, n, "fencing whoever it names"), 2);
	assert_int_equal(core_count_logs(c, n, "does not answer -> fencing it") - fences, 20 + 1);
	assert_int_equal(core_count_logs(c, n, "founded ring"), 1);
}

/* Granted and then nothing: it is said after five seconds, which topic, and rarely again, also by a connection of every
 * minute; and when it is over. */
static void a_silent_denial_is_told(void **state)
{
	static const char *const denied[][2] = {{"in/", "in/00001267: "},   {"ring", "ring: "},
						{"founder", "founder: "},   {"node/", "node/00001267: "},
						{"cut/", "cut/00001267: "}, {"ask/", "ask/00001267: "},
						{"op/", "op/0/0/0/0: "}};

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		struct core *c = core_new();
		char line[120], back[120];
		int n;

		snprintf(line, sizeof(line), "%sthe broker has granted it, but what this node publishes", denied[i][1]);
		snprintf(back, sizeof(back), "%swhat this node publishes there comes back", denied[i][1]);
		c->denied = denied[i][0];
		n = core_add(c, 4711);
		core_run(c, 4000);
		assert_int_equal(core_count_logs(c, n, "the broker has granted it"), 0);
		core_run(c, 4000);
		assert_int_equal(core_count_logs(c, n, line), 1);
		for (int minute = 0; minute < 5; minute++) {
			core_run(c, 50000);
			core_cut(c, n);
		}
		core_run(c, 10000);
		assert_int_equal(core_count_logs(c, n, line), 2);
		core_run(c, 150000);
		assert_int_equal(core_count_logs(c, n, line), 3);
		core_run(c, 3600000);
		assert_in_range(core_count_logs(c, n, line), 6, 7);
		assert_int_equal(core_count_logs(c, n, "the broker has granted it"), core_count_logs(c, n, line));
		assert_int_equal(core_count_logs(c, n, back), 0);
		c->denied = NULL;
		core_whole(c, 1, 10000);
		core_run(c, 10000);
		assert_int_equal(core_count_logs(c, n, back), 1);
		core_free(c);
	}
	(void)state;
}

/* A member that comes back and may not say its ring again. */
static void a_member_that_may_not_speak_any_more(void **state)
{
	struct core *c = *state;
	int n = core_add(c, 4711);

	core_whole(c, 1, 3000);
	core_broker_stop(c, true, false);
	core_run(c, 100);
	c->denied = "founder";
	core_broker_start(c);
	core_connect(c, n);
	core_run(c, 8000);
	assert_int_equal(core_count_logs(c, n, "founder: the broker has granted it"), 1);
	c->denied = NULL;
	core_whole(c, 1, 5000);
	assert_int_equal(core_count_logs(c, n, "founder: what this node publishes there comes back"), 1);
}

static const enum topic_kind topics[] = {TOPIC_RING, TOPIC_FOUNDER, TOPIC_INBOX, TOPIC_CUT, TOPIC_NODE};

#define KEY 1500 /* asked for ahead of everything that is fed */

/* To this node alone, on every topic, as if a stranger had published it. */
static void feed(struct core *c, int n, const struct frame *f)
{
	size_t len;
	uint8_t *bytes = frame_encode(f, &len);

	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]) && c->nodes[n].node; i++) {
		bool served = core_serves(c, n, KEY);
		size_t since = c->line_count;
		char topic[TOPIC_MAX];

		topic_format(topic, "", topics[i], c->nodes[n].id, NULL);
		core_step(c, n, (struct event){.type = EVENT_MESSAGE, .topic = topic, .payload = bytes, .len = len});
		if (!served && core_count(c, since, "ack-put", NULL) + core_count(c, since, "res-get", NULL))
			fail_msg("%s on %s makes a node answer clients that serves nobody", frame_type_name(f->type),
				 topic);
	}
	free(bytes);
}

/* Random ones, and ones that say what a neighbour could: its id, its arc, our id. */
static void feed_type(struct core *c, int n, enum frame_type type)
{
	struct frame_room *room = malloc(sizeof(*room));
	uint8_t values[FRAMES_VALUE_MAX] = {0};
	struct random r = {(uint64_t)type};
	uint32_t id = c->nodes[n].id, other = c->nodes[!n].id;

	assert_non_null(room);
	for (int round = 0; round < 16; round++) {
		struct frame f = frames_random(&r, room, values);

		f.type = type;
		if (round & 1)
			f.to = (struct conn){0};
		if (!f.from.memory)
			f.from.memory = 1;
		if (type == FRAME_FOUND)
			f.ring = (struct ring_id){0, 1}; /* a greater one would rightly end the ring */
		feed(c, n, &f);
		f.arc = (struct arc){other, id};
		f.arc_set = true;
		f.attempt = 1;
		if (f.view_count) {
			f.views[0].arc = f.arc;
			f.views[0].owner.id = id;
		}
		if (round & 2)
			f.from.id = other;
		feed(c, n, &f);
	}
	free(room);
}

static void ask(struct core *c)
{
	core_put(c, "early", KEY, "x");
	core_get(c, KEY);
}

/* Makes a node that is in that state and has been asked; returns its index. */
static int make_state(struct core *c, enum node_state state)
{
	int n = core_add(c, 1000);

	if (state == NODE_CONNECTING) {
		ask(c);
		assert_true(core_deliver(c));
		return n;
	}
	if (state == NODE_JOINING) {
		core_run(c, 100);
		ask(c);
		core_run(c, 50);
		return n;
	}
	n = core_add(c, 2000);
	core_whole(c, 2, 5000);
	if (state == NODE_ACTIVE)
		return n;
	core_pause(c, 0); /* its neighbour does not answer now */
	if (state == NODE_SUSPECT)
		core_cut(c, n);
	else
		core_stop(c, n);
	core_run(c, 200);
	ask(c);
	core_deliver_all(c);
	return n;
}

/* In whatever state a node is, no frame of a stranger makes it crash, or answer clients where it does not serve. */
static void every_frame_in_every_state(void **unused)
{
	static const enum node_state states[] = {NODE_CONNECTING, NODE_JOINING, NODE_ACTIVE, NODE_SUSPECT,
						 NODE_LEAVING};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		for (int type = 1; type < FRAME_TYPES; type++) {
			struct core *c = core_new();
			int n = make_state(c, states[i]);

			assert_int_equal(core_state(c, n), states[i]);
			feed_type(c, n, (enum frame_type)type);
			core_deliver_all(c);
			core_resume(c, 0);
			core_run(c, 20000);
			core_free(c);
		}
	(void)unused;
}

/* No message of the reference's topics makes a node answer clients where it does not serve. */
static void every_word_in_every_state(void **unused)
{
	static const enum node_state states[] = {NODE_CONNECTING, NODE_JOINING, NODE_SUSPECT};
	static const char *const words[][2] = {
		{"join", "1700"},
		{"join", "2000"},
		{"has_started", "yes"},
		{"ack-join", "1700/2000/antecessor"},
		{"ack-join", "1700/2000/sucessor"},
		{"ack-join", "2000/1700/sucessor"},
		{"put", "1000/1500 z"},
		{"put", "None/1500 z"},
		{"leave", "1000/2000/2000"},
		{"ack-leave", "2000/1000"},
		{"ack-leave", "2000/1700"},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++) {
			struct core *c = core_new();
			int n = make_state(c, states[i]);

			for (int round = 0; round < 3; round++)
				core_step(c, n,
					  (struct event){.type = EVENT_MESSAGE,
							 .topic = words[j][0],
							 .payload = (const uint8_t *)words[j][1],
							 .len = strlen(words[j][1])});
			assert_int_equal(core_count(c, 0, "ack-put", NULL) + core_count(c, 0, "res-get", NULL), 0);
			core_free(c);
		}
	(void)unused;
}

/* Its guard confirms at once that nothing was taken from it, but may have slept as long: over both their heads an arc can be
 * taken, if for long.  Then those who know may speak first. */
static void who_was_away_for_long_is_not_hasty(void **unused)
{
	static const uint64_t outages[] = {1000, 4000, 6000, 60000};

	for (size_t i = 0; i < sizeof(outages) / sizeof(outages[0]); i++) {
		struct core *c = core_new();
		bool at_once = outages[i] < c->config.recover / 2;

		core_add(c, 1000000000);
		core_add(c, 3000000000);
		core_whole(c, 2, 5000);
		c->reconnect = CORE_NEVER;
		core_broker_stop(c, false, true);
		core_run(c, outages[i]);
		core_broker_start(c);
		for (int n = 0; n < 2; n++)
			core_connect(c, n);
		core_run(c, 50);
		core_put(c, "a", 500000000, "one");
		core_run(c, 350);
		assert_int_equal(node_serves(c->nodes[0].node, 500000000), at_once);
		core_run(c, 200);
		assert_true(node_serves(c->nodes[0].node, 500000000));
		core_put(c, "b", 500000000, "two");
		core_run(c, 600);
		core_all_answered(c);
		core_free(c);
	}
	(void)unused;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(who_was_away_for_long_is_not_hasty),
		core_test(a_lone_node_founds),
		core_test(eight_at_once_make_one_ring),
		core_test(a_lower_id_starts_late),
		core_test(attempts_count_only_with_their_echo),
		core_test(the_last_node_leaves),
		core_test(all_leave_at_once),
		core_test(every_frame_in_every_state),
		core_test(every_word_in_every_state),
		core_test(too_many_to_fence),
		core_test(a_search_begins_anew),
		core_test(a_silent_denial_is_told),
		core_test(a_member_that_may_not_speak_any_more),
	};

	return cmocka_run_group_tests_name("core-life", tests, NULL, NULL);
}
