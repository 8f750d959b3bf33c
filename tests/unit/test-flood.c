/* Rates: so many of a kind in so long, and what was hushed is told when its time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/flood.h"

static unsigned admitted(struct flood *flood, enum note_kind kind, unsigned times, uint64_t now)
{
	unsigned count = 0;

	for (unsigned i = 0; i < times; i++)
		count += flood_admits(flood, kind, now);
	return count;
}

static void so_many_and_no_more(void **state)
{
	struct flood flood = {0};
	enum note_kind kind;
	unsigned hushed;

	(void)state;
	assert_int_equal(admitted(&flood, NOTE_VIEW, FLOOD_MAX + 7, 1000), FLOOD_MAX);
	assert_int_equal(admitted(&flood, NOTE_VIEW, 1, 1000 + FLOOD_WINDOW_MS - 1), 0);
	/* one kind's flood is no other's */
	assert_int_equal(admitted(&flood, NOTE_LEFT, 1, 1000), 1);
	assert_false(flood_over(&flood, 1000 + FLOOD_WINDOW_MS - 1, &kind, &hushed));
	assert_int_equal(flood_next(&flood), 1000 + FLOOD_WINDOW_MS);
	assert_true(flood_over(&flood, 1000 + FLOOD_WINDOW_MS, &kind, &hushed));
	assert_int_equal(kind, NOTE_VIEW);
	assert_int_equal(hushed, 8);
	assert_false(flood_over(&flood, 1000 + FLOOD_WINDOW_MS, &kind, &hushed));
	assert_true(flood_next(&flood) == UINT64_MAX);
	assert_int_equal(admitted(&flood, NOTE_VIEW, FLOOD_MAX + 1, 1000 + FLOOD_WINDOW_MS), FLOOD_MAX);
}

static void what_was_hushed_is_not_forgotten(void **state)
{
	struct flood flood = {0};
	enum note_kind kind;
	unsigned hushed, sum = 0;

	(void)state;
	assert_int_equal(admitted(&flood, NOTE_VIEW, FLOOD_MAX + 1, 0), FLOOD_MAX);
	/* nobody asks for a long time: until its count is told the kind stays hushed */
	assert_int_equal(admitted(&flood, NOTE_VIEW, 1, 100 * FLOOD_WINDOW_MS), 0);
	assert_int_equal(admitted(&flood, NOTE_OWNER, FLOOD_MAX + 3, 100 * FLOOD_WINDOW_MS), FLOOD_MAX);
	while (flood_over(&flood, 200 * FLOOD_WINDOW_MS, &kind, &hushed))
		sum += hushed;
	assert_int_equal(sum, 2 + 3);
}

static void a_slow_trickle_is_not_hushed(void **state)
{
	struct flood flood = {0};

	(void)state;
	for (uint64_t now = 0; now < 1000 * FLOOD_WINDOW_MS; now += FLOOD_WINDOW_MS / FLOOD_MAX + 1)
		assert_true(flood_admits(&flood, NOTE_VIEW, now));
	assert_true(flood_next(&flood) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more),
		cmocka_unit_test(what_was_hushed_is_not_forgotten),
		cmocka_unit_test(a_slow_trickle_is_not_hushed),
	};

	return cmocka_run_group_tests_name("flood", tests, NULL, NULL);
}
