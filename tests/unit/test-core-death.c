/* Who dies, who seems to, and who comes back: wills, grace, fences, the broker's end, and the register. */
#include "core-fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 30
#define KEY(i) (7 + (uint32_t)(i)*140000003)

static void fill(struct core *c, const char *prefix)
{
	char client[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "%s%d", prefix, i);
		core_put(c, client, KEY(i), client);
	}
	core_run(c, 1000);
}

/* How many records are told with their value. */
static int told(struct core *c, const char *prefix)
{
	size_t since;
	char text[40];
	int count = 0;

	core_run(c, 2000); /* what has been given up is merged by now */
	since = c->line_count;
	for (int i = 0; i < KEYS; i++)
		core_get(c, KEY(i));
	core_run(c, 3000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(text, sizeof(text), "%u/%s%d", KEY(i), prefix, i);
		count += core_count(c, since, "res-get", text) == 1;
	}
	assert_int_equal(core_count(c, since, "res-get", NULL), KEYS);
	return count;
}

static const uint32_t ids[] = {1000000000, 2000000000, 3000000000, 4000000000};

static void ring(struct core *c, int count)
{
	for (int i = 0; i < count; i++)
		core_add(c, ids[i]);
	core_whole(c, count, 10000);
	fill(c, "v");
	core_all_answered(c);
}

/* A will, then the grace, then the fence, then the takeover, and not before; what is asked behind the will is answered. */
static void will_grace_fence_takeover(void **state)
{
	struct core *c = *state;
	uint64_t died;

	ring(c, 3);
	died = c->now;
	core_kill(c, 1);
	core_put(c, "behind", 1500000000, "x");
	core_get(c, 1500000001);
	core_run(c, c->config.grace - 1);
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	assert_int_equal(core_acked(c, "behind"), 0);
	core_whole(c, 2, 2000);
	assert_in_range(c->now - died, c->config.grace, c->config.grace + 1000);
	core_run(c, 1000);
	assert_int_equal(core_acked(c, "behind"), 1);
	assert_int_equal(core_told(c, 1500000001), 1);
	assert_true(core_serves(c, 2, 1500000000));
	assert_int_equal(core_count_logs(c, 2, "its records are lost with it"), 1);
	/* Everything that was not its own is there. */
	core_all_answered(c);
	fill(c, "w");
	assert_int_equal(told(c, "w"), KEYS);
}

/* Two neighbours that die together leave one hole, which closes. */
static void two_neighbours_die(void **state)
{
	struct core *c = *state;

	ring(c, 4);
	core_kill(c, 1);
	core_kill(c, 2);
	core_whole(c, 2, 40000);
	fill(c, "w");
	assert_int_equal(told(c, "w"), KEYS);
}

/* All but one die: it owns the whole ring. */
static void all_but_one_die(void **state)
{
	struct core *c = *state;

	ring(c, 4);
	core_kill(c, 0);
	core_kill(c, 2);
	core_kill(c, 3);
	core_whole(c, 1, 60000);
	fill(c, "w");
	assert_int_equal(told(c, "w"), KEYS);
}

/* Whoever comes back within the grace keeps its arc and its records, and nobody fences it. */
static void back_within_the_grace(void **state)
{
	struct core *c = *state;

	ring(c, 3);
	for (int n = 0; n < 3; n++) {
		core_cut_for(c, n, c->config.grace - 100);
		core_whole(c, 3, 5000);
	}
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	assert_int_equal(told(c, "v"), KEYS);
	core_all_answered(c);
}

/* Whoever comes back later than the grace joins again, and its records are merged: nothing that was acknowledged is lost. */
static void back_behind_the_grace(void **state)
{
	struct core *c = *state;
	uint32_t key = 1500000000;

	ring(c, 3);
	core_put(c, "first", key, "old");
	core_cut_for(c, 1, 8000);
	core_run(c, 6000);
	core_put(c, "second", key, "new"); /* while it is away, to whoever has taken over */
	core_run(c, 500);
	assert_int_equal(core_acked(c, "second"), 1);
	core_whole(c, 3, 30000);
	assert_int_equal(told(c, "v"), KEYS);
	core_expect(c, key, "new");
}

/* Nothing that was heard on one connection is answered on the next: others may have answered it meanwhile. */
static void nothing_is_answered_on_the_next_connection(void **state)
{
	struct core *c = *state;

	ring(c, 3);
	core_kill(c, 1);
	core_put(c, "held", 1500000000, "x"); /* its guard holds it for the grace */
	core_run(c, 100);
	core_cut(c, 2);
	core_whole(c, 2, 20000);
	core_run(c, 1000);
	assert_true(core_serves(c, 2, 1500000000));
	assert_int_equal(core_acked(c, "held"), 0);
}

/* Silence without a will: a node that is paused is asked, fenced and taken over; when it goes on it answers nobody. */
static void silence_without_a_will(void **state)
{
	struct core *c = *state;
	size_t since;

	ring(c, 3);
	core_pause(c, 1);
	core_put(c, "asleep", 1500000000, "x"); /* reaches it, and it alone */
	core_whole(c, 2, 40000);
	assert_false(c->nodes[1].live);
	core_put(c, "awake", 1500000000, "y");
	core_run(c, 1000);
	assert_int_equal(core_acked(c, "awake"), 1);
	since = c->line_count;
	core_resume(c, 1);
	core_run(c, 40);
	assert_int_equal(core_count(c, since, "ack-put", NULL), 0);
	core_whole(c, 3, 30000);
	core_expect(c, 1500000000, "y");
	/* Its records were only asleep. */
	assert_int_equal(told(c, "v"), KEYS);
}

/* Nobody is taken for dead while one's own words do not come back either; nor right behind it, as the answers are on their
 * way. */
static void a_broker_that_hangs(void **state)
{
	struct core *c = *state;

	ring(c, 3);
	c->broker_hangs = true;
	core_run(c, c->config.ping + 3 * c->config.silence);
	core_put(c, "meanwhile", 1500000000, "x");
	c->broker_hangs = false;
	core_whole(c, 3, 1);
	core_run(c, 5000);
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	assert_true(core_count_logs(c, CORE_ANY, "nothing came back from the broker") > 0);
	assert_int_equal(core_acked(c, "meanwhile"), 1);
	assert_int_equal(told(c, "v"), KEYS);
}

/* A newcomer under the id of a member that died, with another memory: the arc is taken over at once, then it is admitted. */
static void a_restart_under_the_same_id(void **state)
{
	struct core *c = *state;

	ring(c, 3);
	core_kill(c, 1);
	core_add(c, ids[1]);
	core_whole(c, 3, 20000);
	fill(c, "w");
	assert_int_equal(told(c, "w"), KEYS);
}

/* A joiner whose giver and its guard die behind its STORED keeps the copy when it gives up.  It is asked to stop before it
 * has ever been active: its copy goes to the members all the same. */
static void a_joiner_that_gave_up_leaves_its_copy(void **state)
{
	struct core *c = *state;
	int joiner;

	core_add(c, ids[0]);
	core_add(c, ids[1]);
	core_add(c, ids[2]);
	core_add(c, ids[3]);
	core_whole(c, 4, 10000);
	core_put(c, "k", 2100000000, "v"); /* of ids[2], guarded by ids[3] */
	core_run(c, 100);
	joiner = core_add(c, 2500000000);
	assert_true(core_until(c, FRAME_STORED, 2));
	core_kill(c, 2);
	core_kill(c, 3);
	for (int i = 0; i < 300 && !core_count_logs(c, joiner, "giving up every view"); i++)
		core_run(c, 100);
	assert_int_equal(core_count_logs(c, joiner, "giving up every view"), 1);
	core_stop(c, joiner);
	core_run(c, 40000);
	core_whole(c, 2, 60000);
	core_run(c, 3000);
	core_expect(c, 2100000000, "v");
}

/* To a node alone: that its arc has been taken from it. */
static void void_node(struct core *c, int n, uint64_t memory)
{
	struct frame f = {.type = FRAME_STATUS,
			  .state = NODE_GONE,
			  .flag = true,
			  .from = {.id = c->nodes[n].id, .memory = memory}};
	char topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	assert_true(conn_parse(c->nodes[n].client_id, &f.from.conn));
	bytes = frame_encode(&f, &len);
	topic_format(topic, "", TOPIC_NODE, f.from.id, NULL);
	core_step(c, n, (struct event){.type = EVENT_MESSAGE, .topic = topic, .payload = bytes, .len = len});
	free(bytes);
}

/* Who has given everything up and then stores a view as a guard is in its ring again: the arc may soon be its own. */
static void a_guard_again_is_in_its_ring_again(void **state)
{
	struct core *c = *state;
	uint64_t memory;
	int owner = core_add(c, ids[0]), guard;

	core_whole(c, 1, 5000);
	guard = core_add(c, ids[2]);
	memory = c->memory;
	core_whole(c, 2, 5000);
	core_add(c, ids[3]);
	assert_true(core_until(c, FRAME_STORE, guard));
	void_node(c, guard, memory);
	assert_int_equal(node_get_ring(c->nodes[guard].node).term, 0);
	core_deliver(c);
	assert_int_equal(node_get_ring(c->nodes[guard].node).term, node_get_ring(c->nodes[owner].node).term);
	core_whole(c, 3, 30000);
}

/* An owner gives its arc up to somebody whom it does not know, while its guard is away: back on a new connection that one
 * asks everybody first, and calls the roll, before it takes the arc over. */
static void a_guard_that_was_away_doubts_first(void **state)
{
	struct core *c = *state;
	uint32_t key = 1500000000;
	int owner, guard;
	uint64_t memory;

	core_add(c, ids[0]);
	owner = core_add(c, ids[1]);
	memory = c->memory;
	guard = core_add(c, ids[2]);
	core_whole(c, 3, 10000);
	core_cut_for(c, guard, 500);
	void_node(c, owner, memory);
	core_run(c, 5000);
	assert_int_equal(core_count_logs(c, guard, "left out"), 1);
	assert_int_equal(core_count_logs(c, guard, "asking everybody"), 1);
	assert_false(core_serves(c, guard, key));
	core_run(c, c->config.recover - 5000);
	assert_int_equal(core_count_logs(c, guard, "taken over empty"), 0);
	core_whole(c, 3, 10000);
	assert_int_equal(core_count_logs(c, guard, "taken over empty"), 1);
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	core_all_answered(c);
}

/* ---- the broker ---- */

static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* The broker restarts, and all come back, in every order, one of them 5 s late: the same ring with the same records. */
static void restart(const int order[3], bool wills, bool keep, uint64_t late)
{
	struct core *c = core_new();
	size_t since;

	ring(c, 3);
	c->reconnect = CORE_NEVER;
	since = c->line_count;
	core_broker_stop(c, wills, keep);
	core_run(c, 700);
	core_broker_start(c);
	for (int i = 0; i < 3; i++) {
		core_run(c, i == 2 ? late : 40);
		core_connect(c, order[i]);
		core_get(c, KEY(i));
	}
	core_whole(c, 3, 40000);
	assert_int_equal(told(c, "v"), KEYS);
	for (size_t i = since; i < c->line_count; i++) {
		struct frame f;

		if (c->lines[i].frame == FRAME_FOUND &&
		    !frame_decode(&f, c->room, (const uint8_t *)c->lines[i].payload, c->lines[i].len))
			assert_int_equal(f.ring.term, 1); /* no second founding */
	}
	core_free(c);
}

static void the_broker_restarts(void **state)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		for (int how = 0; how < 8; how++)
			restart(orders[i], how & 1, how & 2, how & 4 ? 5000 : 40);
	(void)state;
}

/* A lone node whose broker restarts keeps its records, and founds nothing. */
static void a_lone_node_and_its_broker(void **state)
{
	for (int how = 0; how < 4; how++) {
		struct core *c = core_new();

		ring(c, 1);
		core_broker_stop(c, how & 1, how & 2);
		core_broker_start(c);
		core_whole(c, 1, 5000);
		assert_int_equal(told(c, "v"), KEYS);
		assert_int_equal(core_count_logs(c, 0, "founded ring"), 1);
		core_free(c);
	}
	(void)state;
}

/* A will that arrives when its node is back already does not stay in the register of statuses. */
static void a_late_will_is_overwritten(void **state)
{
	struct core *c = *state;
	struct core_node *node;
	struct frame f;
	uint8_t will[1000];
	size_t will_len;

	ring(c, 2);
	node = &c->nodes[0];
	will_len = node->will_len;
	assert_true(will_len < sizeof(will));
	memcpy(will, node->will, will_len);
	core_cut(c, 0);
	core_whole(c, 2, 5000);
	core_publish_as(c, CORE_BROKER, node->will_topic, will, will_len, true);
	core_run(c, 1000);
	for (size_t i = 0; i < c->retained_count; i++)
		if (!strcmp(c->retained[i].topic, node->will_topic)) {
			assert_null(
				frame_decode(&f, c->room, (const uint8_t *)c->retained[i].payload, c->retained[i].len));
			assert_int_equal(f.state, NODE_ACTIVE);
		}
	assert_true(core_is_whole(c, 2));
}

/* ---- the register ---- */

static struct frame found(uint32_t term, uint64_t nonce)
{
	return (struct frame){.type = FRAME_FOUND, .from = {77, 78, {79, 1}}, .ring = {term, nonce}};
}

static void registered(struct core *c, uint32_t term, uint64_t nonce)
{
	struct frame f;

	assert_string_equal(c->retained[0].topic, "founder");
	assert_null(frame_decode(&f, c->room, (const uint8_t *)c->retained[0].payload, c->retained[0].len));
	assert_int_equal(f.ring.term, term);
	if (nonce)
		assert_int_equal(f.ring.nonce, nonce);
}

static void put_found(struct core *c, uint32_t term, uint64_t nonce)
{
	struct frame f = found(term, nonce);
	size_t len;
	uint8_t *bytes = frame_encode(&f, &len);

	core_publish_as(c, CORE_CLIENT, "founder", bytes, len, true);
	free(bytes);
}

/* A lesser ring in the register is overwritten by those who know the greater one, and nobody moves. */
static void a_lesser_ring_is_overwritten(void **state)
{
	struct core *c = *state;

	ring(c, 2);
	put_found(c, 1, 1);
	core_run(c, 500);
	assert_true(core_is_whole(c, 2));
	registered(c, 1, c->memory - 16); /* the first's memory */
	put_found(c, 1, 0);
	core_run(c, 500);
	registered(c, 1, c->memory - 16);
	assert_int_equal(told(c, "v"), KEYS);
}

/* An emptied register is filled again by those who know what stood there. */
static void an_empty_register_is_repaired(void **state)
{
	struct core *c = *state;

	ring(c, 2);
	core_publish_as(c, CORE_CLIENT, "founder", "", 0, true);
	core_run(c, 500);
	registered(c, 1, c->memory - 16);
	assert_true(core_is_whole(c, 2));
}

/* A greater term wins at its place: every member of the lesser ring gives up there and serves nobody behind it. */
static void a_greater_term_wins(void **state)
{
	struct core *c = *state;

	ring(c, 2);
	put_found(c, 5, 9);
	core_deliver_all(c);
	for (int n = 0; n < 2; n++)
		assert_false(core_serves(c, n, KEY(1)) || core_serves(c, n, KEY(20)));
	/* Nobody is in that ring: after the time a death takes they found a greater one, and the records come back. */
	core_whole(c, 2, 60000);
	registered(c, 6, 0);
	assert_int_equal(told(c, "v"), KEYS);
}

/* Two rings, founded while neither could hear of the other, become one, and no record of either is lost. */
static void two_rings_become_one(void **state)
{
	struct core *c = *state;

	ring(c, 1);
	c->reconnect = CORE_NEVER;
	core_broker_stop(c, true, false); /* it forgets the first ring */
	core_broker_start(c);
	core_add(c, ids[2]);
	core_run(c, 3000);
	core_put(c, "other", 5, "of the other ring");
	core_run(c, 100);
	assert_int_equal(core_acked(c, "other"), 1);
	core_connect(c, 0);
	core_whole(c, 2, 30000);
	assert_int_equal(told(c, "v"), KEYS);
	core_expect(c, 5, "of the other ring");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(will_grace_fence_takeover),
		core_test(two_neighbours_die),
		core_test(all_but_one_die),
		core_test(back_within_the_grace),
		core_test(back_behind_the_grace),
		core_test(silence_without_a_will),
		core_test(nothing_is_answered_on_the_next_connection),
		core_test(a_broker_that_hangs),
		core_test(a_restart_under_the_same_id),
		core_test(a_joiner_that_gave_up_leaves_its_copy),
		core_test(a_guard_again_is_in_its_ring_again),
		core_test(a_guard_that_was_away_doubts_first),
		core_test(the_broker_restarts),
		core_test(a_lone_node_and_its_broker),
		core_test(a_late_will_is_overwritten),
		core_test(a_lesser_ring_is_overwritten),
		core_test(an_empty_register_is_repaired),
		core_test(a_greater_term_wins),
		core_test(two_rings_become_one),
	};

	return cmocka_run_group_tests_name("core-death", tests, NULL, NULL);
}
