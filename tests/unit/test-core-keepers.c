/* More than two copies: who keeps those that no view names, what answers wait for, and what is left when several die
 * (PROTOCOL.md section 7, "More than two copies"). */
#include "../../daemon/core/follow-inside.h"
#include "copies-fixture.h"

#include <stdio.h>

#define KEYS 40
#define KEY(i) (11 + (uint32_t)(i)*107000003)
#define AT 1500000000u /* 1 owns it; its backup is 2, and behind that come 3, 4, ... */

static struct core *ring(void **state, unsigned replicas, int count)
{
	struct core *c = *state;
	char client[16];

	c->config.replicas = replicas;
	for (int i = 0; i < count; i++)
		core_add(c, 1000000000u + 600000000u * (uint32_t)i);
	core_whole(c, count, 20000);
	core_run(c, 30000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "k%d", i);
		core_put(c, client, KEY(i), client);
	}
	core_run(c, 1000);
	core_all_answered(c);
	return c;
}

static void everything_is_there(struct core *c)
{
	char text[16];

	core_run(c, 3000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(text, sizeof(text), "k%d", i);
		core_expect(c, KEY(i), text);
	}
}

static int holders(const struct core *c, uint32_t id)
{
	int count = 0;

	for (int n = 0; n < c->count; n++)
		count += copies_has(c, n, id);
	return count;
}

static void as_many_as_asked_for(void **state)
{
	struct core *c = ring(state, 4, 6);

	for (int i = 0; i < KEYS; i++)
		assert_int_equal(holders(c, KEY(i)), 4);
	for (int n = 1; n <= 4; n++)
		assert_true(copies_has(c, n, KEY(13))); /* 1391000050, of 1 */
}

static void fewer_nodes_than_copies(void **state)
{
	struct core *c = ring(state, 5, 3);

	for (int i = 0; i < KEYS; i++)
		assert_int_equal(holders(c, KEY(i)), 3);
	core_add(c, 3500000000u);
	core_whole(c, 4, 20000);
	core_run(c, 30000);
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(holders(c, KEY(i)), 4);
}

static void answers_wait_for_all(void **state)
{
	struct core *c = ring(state, 3, 5);

	core_put(c, "writer", AT, "kept");
	assert_true(core_until(c, FRAME_COPY, 3));
	core_drop(c);
	core_run(c, 150);
	assert_int_equal(core_acked(c, "writer"), 0);
	core_run(c, 300);
	assert_int_equal(core_acked(c, "writer"), 1);
	assert_true(copies_has(c, 2, AT) && copies_has(c, 3, AT));
}

/* Amid a handover nobody becomes a keeper, and answers wait for the backup alone.  Who becomes one behind it, with an answered
 * record still on its way to it, does not count before it has that. */
static void who_lacks_what_was_answered_does_not_count(void **state)
{
	struct core *c = ring(state, 3, 5);
	struct node *owner = c->nodes[1].node;
	struct member keepers[REPLICAS_MAX];
	int joiner = core_add(c, 1200000000u);

	assert_true(core_until(c, FRAME_OFFER, joiner));
	core_pause(c, joiner);
	core_run(c, c->config.silence - 300);
	assert_int_equal(node_get_keepers(owner, AT, keepers), 1);
	follower_of(owner, &c->nodes[3].node->self)->extra = false; /* as of one that has only just been filled */
	core_put(c, "writer", AT, "kept");
	for (int i = 0; i < 100 && core_count_logs(c, 1, "called off") == 0; i++)
		copies_deaf(c, FRAME_COPY, 3, 10);
	assert_int_equal(core_count_logs(c, 1, "called off"), 1);
	assert_int_equal(core_acked(c, "writer"), 1);
	assert_false(copies_has(c, 3, AT));
	assert_int_equal(node_get_keepers(owner, AT, keepers), 0);
	core_run(c, 1000);
	assert_true(copies_has(c, 3, AT));
	assert_int_equal(node_get_keepers(owner, AT, keepers), 1);
}

/* No view names it, so nobody need fence it; and it is shunned for a while, then has everything again. */
static void who_is_silent_is_left_out(void **state)
{
	struct core *c = ring(state, 3, 5);

	core_pause(c, 3);
	core_put(c, "writer", AT, "kept");
	core_run(c, c->config.silence - 100);
	assert_int_equal(core_acked(c, "writer"), 0);
	core_run(c, 1000);
	assert_int_equal(core_acked(c, "writer"), 1);
	assert_int_equal(core_count_logs(c, 1, "one copy less"), 1);
	assert_int_equal(core_count_logs(c, 1, "fencing"), 0);
	core_resume(c, 3);
	core_run(c, 60000);
	assert_int_equal(holders(c, AT), 3);
	everything_is_there(c);
}

static void a_leaver_says_so(void **state)
{
	struct core *c = ring(state, 3, 5);

	core_stop(c, 3);
	core_put(c, "writer", AT, "kept");
	core_run(c, 300);
	assert_int_equal(core_acked(c, "writer"), 1);
	core_whole(c, 4, 20000);
	core_run(c, 30000);
	assert_int_equal(holders(c, AT), 3);
	everything_is_there(c);
}

static void two_neighbours_die_at_once(void **state)
{
	struct core *c = ring(state, 3, 5);

	core_kill(c, 1);
	core_kill(c, 2);
	core_whole(c, 3, 60000);
	everything_is_there(c);
}

static void four_neighbours_die_at_once(void **state)
{
	struct core *c = ring(state, 5, 6);

	for (int n = 1; n <= 4; n++)
		core_kill(c, n);
	core_whole(c, 2, 90000);
	everything_is_there(c);
}

/* The second dies while it tells the third what it has taken over from the first. */
static void one_after_the_other(void **state)
{
	static struct frame_room room;
	struct core *c = ring(state, 3, 5);
	struct frame f;

	core_kill(c, 1);
	do {
		assert_true(core_until(c, FRAME_COPY, 3));
		assert_null(frame_decode(&f, &room, core_next(c)->event.payload, core_next(c)->event.len));
		core_deliver(c);
	} while (!f.arc_set || !ring_contains(f.arc, AT));
	core_kill(c, 2);
	copies_deaf(c, FRAME_COPY, 3, 100); /* what it had sent is lost with it */
	core_whole(c, 3, 60000);
	everything_is_there(c);
}

/* The second dies amid its fence of the first, and when it has just taken over: the third has everything. */
static void who_takes_over_dies(void **state)
{
	(void)state;
	for (int taken = 0; taken < 2; taken++) {
		struct core *c = core_new();
		void *own = c;

		(void)ring(&own, 3, 5);
		core_kill(c, 1);
		while (!core_count_logs(c, 2, taken ? "taken over with the copy" : "did not come back -> fencing it"))
			assert_true(core_advance(c, CORE_NEVER));
		core_kill(c, 2);
		core_whole(c, 3, 60000);
		everything_is_there(c);
		core_free(c);
	}
}

/* As somebody who is in no ring would, and has a record of 1's arc. */
static void offer(struct core *c)
{
	struct frame_record r = {
		.key = key_number(AT), .number = UINT32_MAX, .counter = 1, .value = (const uint8_t *)"his"};
	struct frame f = copies_frame(c, 0, FRAME_MERGE);
	size_t len;
	uint8_t *bytes;

	f.from = (struct member){17, 0x77000, {0x78000, 1}};
	r.value_len = 3;
	f.records = &r;
	f.record_count = 1;
	bytes = frame_encode(&f, &len);
	core_publish_bytes(c, "ring", bytes, len);
	free(bytes);
}

/* Owner and guard are gone, and so, just before the hole is taken, is who has offered a record of it all the time. */
static struct core *taken_unheard(void **state)
{
	struct core *c = ring(state, 2, 5);

	core_kill(c, 1);
	core_kill(c, 2);
	for (int i = 0; i < 120 && !core_count_logs(c, 3, "nobody answers for it"); i++) {
		offer(c);
		core_run(c, 500);
	}
	assert_int_equal(core_count_logs(c, 3, "nobody answers for it"), 1);
	return c;
}

static void who_offered_is_waited_for(void **state)
{
	struct core *c = taken_unheard(state);

	core_run(c, 5000);
	assert_false(core_serves(c, 3, AT));
	offer(c);
	core_run(c, 400);
	assert_false(core_serves(c, 3, AT)); /* he may have more */
	core_run(c, 600);
	assert_true(core_serves(c, 3, AT));
	core_expect(c, AT, "his");
}

/* He may be put to sleep, or cut off, between that word and his records. */
static void who_says_that_he_has_some_is_waited_for(void **state)
{
	struct core *c = taken_unheard(state);
	struct frame f = copies_frame(c, 0, FRAME_CONFIRM);
	size_t len;
	uint8_t *bytes;

	f.from = (struct member){17, 0x77000, {0x78000, 1}};
	f.count = 1;
	bytes = frame_encode(&f, &len);
	core_publish_bytes(c, copies_inbox(c, 3), bytes, len);
	free(bytes);
	core_run(c, 5000);
	assert_false(core_serves(c, 3, AT));
	offer(c);
	core_run(c, 1000);
	assert_true(core_serves(c, 3, AT));
	core_expect(c, AT, "his");
}

static void as_long_as_the_set_time(void **state)
{
	struct core *c = taken_unheard(state);

	core_run(c, c->config.recover - 1000);
	assert_false(core_serves(c, 3, AT));
	core_run(c, 2000);
	assert_true(core_serves(c, 3, AT));
}

/* Whoever offered something of another arc is not. */
static void nobody_else_is_waited_for(void **state)
{
	struct core *c = ring(state, 2, 5);
	uint64_t taken;

	core_kill(c, 2);
	core_kill(c, 3);
	for (int i = 0; i < 120 && !core_count_logs(c, 4, "nobody answers for it"); i++) {
		offer(c);
		core_run(c, 500);
	}
	taken = c->now;
	while (!core_serves(c, 4, 2000000000u))
		core_run(c, 100);
	assert_in_range(c->now - taken, 0, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(as_many_as_asked_for),       core_test(fewer_nodes_than_copies),
		core_test(answers_wait_for_all),       core_test(who_lacks_what_was_answered_does_not_count),
		core_test(who_is_silent_is_left_out),  core_test(a_leaver_says_so),
		core_test(two_neighbours_die_at_once), core_test(four_neighbours_die_at_once),
		core_test(one_after_the_other),        cmocka_unit_test(who_takes_over_dies),
		core_test(who_offered_is_waited_for),  core_test(who_says_that_he_has_some_is_waited_for),
		core_test(as_long_as_the_set_time),    core_test(nobody_else_is_waited_for),
	};

	return cmocka_run_group_tests_name("keepers", tests, NULL, NULL);
}
