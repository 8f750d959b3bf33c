/* No step says more than the transport takes: answers to what was held go out a burst at a time, in order, each exactly
 * once. */
#include "core-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 2000
#define VALUE 300                /* bytes, about */
#define STEP (BURST + 2 * VALUE) /* a burst is over with the message that fills it; some small words may follow */

#define LOW 1000u
#define HIGH 3000000000u
#define KEY 2000000000u

static const char *value(int i)
{
	static char text[VALUE];

	snprintf(text, sizeof(text), "%d-%0*d", i, VALUE - 20, 0);
	return text;
}

static void drained(struct core *c, int n)
{
	c->most = 0;
	core_step(c, n, (struct event){.type = EVENT_DRAINED});
	assert_in_range(c->most, 0, STEP);
	core_run(c, 1);
}

/* ---- what is held ---- */

#define PAIRS 100

static void ask(struct core *c, uint32_t key, int from, int to)
{
	for (int i = from; i < to; i++) {
		char client[16];

		snprintf(client, sizeof(client), "c%d", i);
		core_put(c, client, key, value(i));
		core_get(c, key);
	}
}

/* A joiner gets the arc, and behind the cut this many operations. */
static int taker_with_much_to_answer(struct core *c)
{
	int n;

	c->config.burst = BURST;
	core_add(c, LOW);
	core_whole(c, 1, 3000);
	n = core_add(c, HIGH);
	assert_true(core_until(c, FRAME_CUT, CORE_ANY));
	ask(c, KEY, 0, PAIRS);
	c->full = true;
	c->most = 0;
	core_whole(c, 2, 3000);
	assert_in_range(c->most, BURST, STEP);
	assert_in_range(core_told(c, KEY), 1, PAIRS / 2);
	return n;
}

/* Each get was answered with the put just before it. */
static void in_order(const struct core *c, int count)
{
	int next = 0;

	for (size_t i = 0; i < c->line_count; i++)
		if (!strcmp(c->lines[i].topic, "res-get"))
			assert_int_equal(atoi(strchr(c->lines[i].payload, '/') + 1), next++);
	assert_int_equal(next, count);
}

/* In turns, and what is asked meanwhile waits for its own. */
static void held_operations_are_answered_in_turns(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c), turns = 0;
	unsigned told = core_told(c, KEY);

	core_run(c, 5000);
	assert_int_equal(core_told(c, KEY), told);
	ask(c, KEY, PAIRS, PAIRS + 5);
	core_run(c, 100);
	assert_int_equal(core_told(c, KEY), told);
	for (; core_told(c, KEY) < PAIRS + 5; turns++) {
		told = core_told(c, KEY);
		drained(c, n);
		assert_true(core_told(c, KEY) > told);
	}
	assert_in_range(turns, PAIRS * VALUE / STEP, PAIRS * VALUE / BURST + 2);
	in_order(c, PAIRS + 5);
	core_all_answered(c);
	/* From here at once again. */
	ask(c, KEY, PAIRS + 5, PAIRS + 6);
	core_run(c, 1);
	in_order(c, PAIRS + 6);
}

/* The arc is not handed on before all is answered that was asked of its owner. */
static void nobody_leaves_with_a_backlog(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);

	core_stop(c, n);
	core_run(c, 5000);
	assert_int_equal(c->nodes[n].exit_code, -1);
	assert_true(core_serves(c, n, KEY));
	while (core_told(c, KEY) < PAIRS)
		drained(c, n);
	core_run(c, 3000);
	assert_int_equal(c->nodes[n].exit_code, 0);
	in_order(c, PAIRS);
	core_all_answered(c);
	core_expect(c, KEY, value(PAIRS - 1));
}

/* Nor to one who joins: what was asked before the cut is the giver's. */
static void nobody_joins_at_a_backlog(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);

	core_add(c, KEY + 1);
	core_run(c, 2000);
	assert_true(core_serves(c, n, KEY));
	while (core_told(c, KEY) < PAIRS)
		drained(c, n);
	core_whole(c, 3, 5000);
	assert_false(core_serves(c, n, KEY));
	in_order(c, PAIRS);
	core_all_answered(c);
	core_expect(c, KEY, value(PAIRS - 1));
}

/* The last node of a ring answers what it holds before it takes everything with it. */
static void the_last_node_answers_first(void **state)
{
	struct core *c = *state;
	const uint32_t key = 500;
	int low, high;

	c->config.burst = BURST;
	low = core_add(c, LOW);
	high = core_add(c, HIGH);
	core_whole(c, 2, 5000);
	core_stop(c, low);
	assert_true(core_until(c, FRAME_CUT, CORE_ANY));
	ask(c, key, 0, PAIRS);
	c->full = true;
	core_run(c, 3000);
	assert_int_equal(c->nodes[low].exit_code, 0);
	core_stop(c, high);
	core_run(c, 3000);
	assert_int_equal(c->nodes[high].exit_code, -1);
	while (core_told(c, key) < PAIRS) {
		assert_non_null(c->nodes[high].node);
		core_step(c, high, (struct event){.type = EVENT_DRAINED});
	}
	core_run(c, 1000);
	assert_int_equal(c->nodes[high].exit_code, 0);
	in_order(c, PAIRS);
	core_all_answered(c);
}

/* Nothing heard on one connection is answered on the next, neither in turns. */
static void a_lost_connection_ends_the_turns(void **state)
{
	struct core *c = *state;
	int n = taker_with_much_to_answer(c);
	unsigned told = core_told(c, KEY);

	core_cut(c, n);
	core_whole(c, 2, 5000);
	drained(c, n);
	core_run(c, 1000);
	assert_int_equal(core_told(c, KEY), told);
	ask(c, KEY, PAIRS, PAIRS + 1);
	core_run(c, 1);
	assert_int_equal(core_told(c, KEY), told + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		core_test(held_operations_are_answered_in_turns),
		core_test(nobody_leaves_with_a_backlog),
		core_test(nobody_joins_at_a_backlog),
		core_test(the_last_node_answers_first),
		core_test(a_lost_connection_ends_the_turns),
	};

	return cmocka_run_group_tests_name("core-pace", tests, NULL, NULL);
}
