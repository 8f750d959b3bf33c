/* The broker's end, and its register: who comes back, to which ring. */
#include "death-fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- the broker ---- */

static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* The broker restarts, and all come back, in every order, one of them 5 s late: the same ring with the same records. */
static void restart(const int order[3], bool wills, bool keep, uint64_t late)
{
	struct core *c = core_new();
	size_t since;

	death_ring(c, 3);
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
	assert_int_equal(death_told(c, "v"), KEYS);
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

/* An owner that waits for its backup cannot admit anybody; who asks it is not to ask as fast as it answers. */
static void an_owner_in_doubt_is_asked_seldom(void **state)
{
	struct core *c = *state;
	int seeker;
	size_t since;

	death_ring(c, 2);
	core_pause(c, 1);
	core_cut(c, 0);
	core_run(c, 1000);
	assert_int_equal(core_state(c, 0), NODE_SUSPECT);
	seeker = core_add(c, c->nodes[0].id - 1);
	core_run(c, 1000);
	since = c->line_count;
	core_run(c, 5000);
	assert_int_equal(core_state(c, 0), NODE_SUSPECT);
	assert_in_range(core_count_frames(c, since, FRAME_HELLO, seeker), 5, 5000 / 300);
	core_run(c, 12000);
	assert_int_equal(core_state(c, seeker), NODE_ACTIVE); /* it was not forgotten */
}

/* A lone node whose broker restarts keeps its records, and founds nothing. */
static void a_lone_node_and_its_broker(void **state)
{
	for (int how = 0; how < 4; how++) {
		struct core *c = core_new();

		death_ring(c, 1);
		core_broker_stop(c, how & 1, how & 2);
		core_broker_start(c);
		core_whole(c, 1, 5000);
		assert_int_equal(death_told(c, "v"), KEYS);
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

	death_ring(c, 2);
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

	death_ring(c, 2);
	put_found(c, 1, 1);
	core_run(c, 500);
	assert_true(core_is_whole(c, 2));
	registered(c, 1, c->memory - 16); /* the first's memory */
	put_found(c, 1, 0);
	core_run(c, 500);
	registered(c, 1, c->memory - 16);
	assert_int_equal(death_told(c, "v"), KEYS);
}

/* An emptied register is filled again by those who know what stood there. */
static void an_empty_register_is_repaired(void **state)
{
	struct core *c = *state;

	death_ring(c, 2);
	core_publish_as(c, CORE_CLIENT, "founder", "", 0, true);
	core_run(c, 500);
	registered(c, 1, c->memory - 16);
	assert_true(core_is_whole(c, 2));
}

/* A greater term wins at its place: every member of the lesser ring gives up there and serves nobody behind it. */
static void a_greater_term_wins(void **state)
{
	struct core *c = *state;

	death_ring(c, 2);
	put_found(c, 5, 9);
	core_deliver_all(c);
	for (int n = 0; n < 2; n++)
		assert_false(core_serves(c, n, KEY(1)) || core_serves(c, n, KEY(20)));
	/* Nobody is in that ring: after the time a death takes they found a greater one, and the records come back. */
	core_whole(c, 2, 60000);
	registered(c, 6, 0);
	assert_int_equal(death_told(c, "v"), KEYS);
}

/* Two rings, founded while neither could hear of the other, become one, and no record of either is lost. */
static void two_rings_become_one(void **state)
{
	struct core *c = *state;

	death_ring(c, 1);
	c->reconnect = CORE_NEVER;
	core_broker_stop(c, true, false); /* it forgets the first ring */
	core_broker_start(c);
	core_add(c, death_ids[2]);
	core_run(c, 3000);
	core_put(c, "other", 5, "of the other ring");
	core_run(c, 100);
	assert_int_equal(core_acked(c, "other"), 1);
	core_connect(c, 0);
	core_whole(c, 2, 30000);
	assert_int_equal(death_told(c, "v"), KEYS);
	core_expect(c, 5, "of the other ring");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(the_broker_restarts),           core_test(a_lone_node_and_its_broker),
		core_test(a_late_will_is_overwritten),    core_test(a_lesser_ring_is_overwritten),
		core_test(an_empty_register_is_repaired), core_test(a_greater_term_wins),
		core_test(two_rings_become_one),          core_test(an_owner_in_doubt_is_asked_seldom),
	};

	return cmocka_run_group_tests_name("core-back", tests, NULL, NULL);
}
