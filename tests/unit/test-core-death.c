/* Who dies, who seems to, and who comes back: wills, grace, fences, and connections that end. */
#include "death-fixture.h"

#include <stdlib.h>

/* A will, then the grace, then the fence, then the takeover, and not before; what is asked behind the will is answered. */
static void will_grace_fence_takeover(void **state)
{
	struct core *c = *state;
	uint64_t died;

	death_ring(c, 3);
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
	death_fill(c, "w");
	assert_int_equal(death_told(c, "w"), KEYS);
}

/* Two neighbours that die together leave one hole, which closes. */
static void two_neighbours_die(void **state)
{
	struct core *c = *state;

	death_ring(c, 4);
	core_kill(c, 1);
	core_kill(c, 2);
	core_whole(c, 2, 40000);
	death_fill(c, "w");
	assert_int_equal(death_told(c, "w"), KEYS);
}

/* All but one die: it owns the whole ring. */
static void all_but_one_die(void **state)
{
	struct core *c = *state;

	death_ring(c, 4);
	core_kill(c, 0);
	core_kill(c, 2);
	core_kill(c, 3);
	core_whole(c, 1, 60000);
	death_fill(c, "w");
	assert_int_equal(death_told(c, "w"), KEYS);
}

/* Whoever comes back within the grace keeps its arc and its records, and nobody fences it. */
static void back_within_the_grace(void **state)
{
	struct core *c = *state;

	death_ring(c, 3);
	for (int n = 0; n < 3; n++) {
		core_cut_for(c, n, c->config.grace - 100);
		core_whole(c, 3, 5000);
	}
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	assert_int_equal(death_told(c, "v"), KEYS);
	core_all_answered(c);
}

/* Whoever comes back later than the grace joins again, and its records are merged: nothing that was acknowledged is lost. */
static void back_behind_the_grace(void **state)
{
	struct core *c = *state;
	uint32_t key = 1500000000;

	death_ring(c, 3);
	core_put(c, "first", key, "old");
	core_cut_for(c, 1, 8000);
	core_run(c, 6000);
	core_put(c, "second", key, "new"); /* while it is away, to whoever has taken over */
	core_run(c, 500);
	assert_int_equal(core_acked(c, "second"), 1);
	core_whole(c, 3, 30000);
	assert_int_equal(death_told(c, "v"), KEYS);
	core_expect(c, key, "new");
}

/* Nothing that was heard on one connection is answered on the next: others may have answered it meanwhile. */
static void nothing_is_answered_on_the_next_connection(void **state)
{
	struct core *c = *state;

	death_ring(c, 3);
	core_kill(c, 1);
	core_put(c, "held", 1500000000, "x"); /* its guard holds it for the grace */
	core_run(c, 100);
	core_cut(c, 2);
	core_whole(c, 2, 20000);
	core_run(c, 1000);
	assert_true(core_serves(c, 2, 1500000000));
	assert_int_equal(core_acked(c, "held"), 0);
}

/* Nor by an owner that nobody had confirmed on the one on which it heard it. */
static void nothing_of_a_suspects_is_answered_on_the_next_connection(void **state)
{
	struct core *c = *state;

	death_ring(c, 3);
	core_pause(c, 2);
	core_cut(c, 1);
	core_run(c, 200);
	assert_int_equal(core_state(c, 1), NODE_SUSPECT);
	core_put(c, "held", 1500000000, "x");
	core_run(c, 100);
	core_cut(c, 1);
	core_run(c, 200);
	core_resume(c, 2);
	core_whole(c, 3, 20000);
	core_run(c, 1000);
	assert_true(core_serves(c, 1, 1500000000));
	assert_int_equal(core_acked(c, "held"), 0);
	assert_int_equal(death_told(c, "v"), KEYS);
}

/* Silence without a will: a node that is paused is asked, fenced and taken over; when it goes on it answers nobody. */
static void silence_without_a_will(void **state)
{
	struct core *c = *state;
	size_t since;

	death_ring(c, 3);
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
	assert_int_equal(death_told(c, "v"), KEYS);
}

/* Nobody is taken for dead while one's own words do not come back either; nor right behind it, as the answers are on their
 * way. */
static void a_broker_that_hangs(void **state)
{
	struct core *c = *state;

	death_ring(c, 3);
	c->broker_hangs = true;
	core_run(c, c->config.ping + 3 * c->config.silence);
	core_put(c, "meanwhile", 1500000000, "x");
	c->broker_hangs = false;
	core_whole(c, 3, 1);
	core_run(c, 5000);
	assert_int_equal(core_count_logs(c, CORE_ANY, "fencing"), 0);
	assert_true(core_count_logs(c, CORE_ANY, "nothing came back from the broker") > 0);
	assert_int_equal(core_acked(c, "meanwhile"), 1);
	assert_int_equal(death_told(c, "v"), KEYS);
}

/* A newcomer under the id of a member that died, with another memory: the arc is taken over at once, then it is admitted. */
static void a_restart_under_the_same_id(void **state)
{
	struct core *c = *state;

	death_ring(c, 3);
	core_kill(c, 1);
	core_add(c, death_ids[1]);
	core_whole(c, 3, 20000);
	death_fill(c, "w");
	assert_int_equal(death_told(c, "w"), KEYS);
}

/* A joiner whose giver and its guard die behind its STORED keeps the copy when it gives up.  It is asked to stop before it
 * has ever been active: its copy goes to the members all the same. */
static void a_joiner_that_gave_up_leaves_its_copy(void **state)
{
	struct core *c = *state;
	int joiner;

	core_add(c, death_ids[0]);
	core_add(c, death_ids[1]);
	core_add(c, death_ids[2]);
	core_add(c, death_ids[3]);
	core_whole(c, 4, 10000);
	core_put(c, "k", 2100000000, "v"); /* of death_ids[2], guarded by death_ids[3] */
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
	int owner = core_add(c, death_ids[0]), guard;

	core_whole(c, 1, 5000);
	guard = core_add(c, death_ids[2]);
	memory = c->memory;
	core_whole(c, 2, 5000);
	core_add(c, death_ids[3]);
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

	core_add(c, death_ids[0]);
	owner = core_add(c, death_ids[1]);
	memory = c->memory;
	guard = core_add(c, death_ids[2]);
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
		core_test(nothing_of_a_suspects_is_answered_on_the_next_connection),
		core_test(a_broker_that_hangs),
		core_test(a_restart_under_the_same_id),
		core_test(a_joiner_that_gave_up_leaves_its_copy),
		core_test(a_guard_again_is_in_its_ring_again),
		core_test(a_guard_that_was_away_doubts_first),
	};

	return cmocka_run_group_tests_name("core-death", tests, NULL, NULL);
}
