/* Rule by rule: what is answered, what is remembered, and what stands where a row has gone (PROTOCOL.md section 11). */
#include "once-check.h"

#define MANY 65536

/* By its row, whatever token it bears by now. */
static void it_is_answered_as_the_first_time(void **state)
{
	struct once *o = serving(NULL);
	struct once_write w = write_of(1, 5, 150, 50);
	struct once_answer answer, want = answer_to(w);

	(void)state;
	execute(o, w);
	for (unsigned i = 0; i < 4; i++) {
		memset(&answer, 0, sizeof(answer));
		w.bears = i == 1 ? ONCE_BEARS_NONE : i == 2 ? ONCE_BEARS_ANOTHER : ONCE_BEARS_OURS;
		w.token.counter = i == 3 ? 0 : 50;
		assert_int_equal(once_look(o, &w, &near, &answer), ONCE_KNOWN);
		assert_memory_equal(&answer.version, &want.version, sizeof(want.version));
		assert_int_equal(answer.result, want.result);
		assert_int_equal(answer.status, want.status);
		assert_true(answer.has_result);
	}
	assert_int_equal(look(o, write_of(2, 5, 150, 50)), ONCE_NEW);
	assert_int_equal(look(o, write_of(1, 4, 150, 50)), ONCE_NEW);
	/* A client that uses a number twice is not told that the second was done. */
	assert_int_equal(look(o, write_of(1, 5, 151, 50)), ONCE_UNKNOWN);
	once_free(o);
}

static void a_token_is_of_this_ring_and_of_these_times(void **state)
{
	static const struct {
		uint64_t number, counter;
		enum once_verdict want;
	} cases[] = {{7, 10, ONCE_NEW},     {7, 50, ONCE_NEW},    {7, 0, ONCE_NEW},    {6, 999, ONCE_UNKNOWN},
		     {7, 51, ONCE_UNKNOWN}, {8, 0, ONCE_UNKNOWN}, {0, 0, ONCE_UNKNOWN}};
	struct once *o = serving(NULL);
	struct once_write w = write_of(1, 1, 150, 50);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.token = (struct version){cases[i].number, cases[i].counter};
		assert_int_equal(look(o, w), cases[i].want);
	}
	w.token = near.token;
	w.bears = ONCE_BEARS_NONE;
	assert_int_equal(look(o, w), ONCE_TOKEN);
	w.bears = ONCE_BEARS_ANOTHER;
	assert_int_equal(look(o, w), ONCE_UNKNOWN);
	assert_int_equal(once_count(o).clients, 0);
	once_free(o);
}

/* Who has executed nothing takes no room, and a new table knows nothing of any arc. */
static void a_look_leaves_nothing(void **state)
{
	struct once *o = once_new(1, &tight);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(look(o, write_of(i, 1, 150, 49)), ONCE_UNKNOWN);
	assert_int_equal(look(o, write_of(1, 1, 150, 50)), ONCE_NEW);
	assert_int_equal(once_count(o).clients, 0);
	once_free(o);
}

static void first_only_rises(void **state)
{
	struct once *o = serving(NULL);
	struct once_write w = write_of(1, 9, 150, 50);

	(void)state;
	for (uint64_t i = 1; i < 6; i++)
		execute(o, write_of(1, i, 150, 50));
	w.first = 4;
	assert_int_equal(look(o, w), ONCE_NEW);
	assert_int_equal(once_count(o).rows, 2);
	w.first = 2;
	assert_int_equal(look(o, w), ONCE_NEW);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(look(o, write_of(1, i, 150, 50)), i < 4 ? ONCE_IGNORED : ONCE_KNOWN);
	/* Of whom nothing is known yet as well. */
	w = write_of(2, 3, 150, 50);
	w.first = 4;
	assert_int_equal(look(o, w), ONCE_IGNORED);
	once_free(o);
}

static void nobody_keeps_more_open_than_the_window(void **state)
{
	struct once *o = serving(NULL);
	struct once_write w = write_of(1, ONCE_LIMITS.window + 1, 150, 50);

	(void)state;
	assert_int_equal(look(o, w), ONCE_IGNORED);
	for (uint64_t i = ONCE_LIMITS.window; i; i--)
		execute(o, write_of(1, i, 150, 50));
	assert_int_equal(look(o, w), ONCE_IGNORED);
	w.first = 2;
	assert_int_equal(look(o, w), ONCE_NEW);
	once_free(o);
}

/* By a mark that is old enough: to its token, for all arcs alike, and no earlier. */
static void the_silent_are_forgotten_when_there_is_no_room(void **state)
{
	struct once *o = serving(&tight);

	(void)state;
	mark(o, 0, 10);
	execute(o, write_of(1, 1, 150, 20));
	execute(o, write_of(2, 1, 250, 20));
	assert_int_equal(look(o, write_of(3, 1, 150, 50)), ONCE_FULL);
	mark(o, 1000, 30);
	assert_int_equal(look(o, write_of(2, 1, 250, 20)), ONCE_KNOWN);
	assert_int_equal(look(o, write_of(3, 1, 150, 50)),
			 ONCE_FULL); /* the last mark is too young, the first too old */
	once_mark(o, 1999, &near, 1);
	assert_int_equal(look(o, write_of(3, 1, 150, 50)), ONCE_FULL);
	mark(o, 2000, 40);
	assert_version(once_horizon(o, 150), 7, 0);
	execute(o, write_of(3, 1, 150, 50));
	assert_int_equal(once_count(o).forgotten, 1);
	assert_version(once_horizon(o, 150), 7, 30);
	assert_version(once_horizon(o, 250), 3, 30);
	assert_int_equal(look(o, write_of(1, 1, 150, 20)), ONCE_UNKNOWN);
	assert_int_equal(look(o, write_of(1, 1, 150, 29)), ONCE_UNKNOWN);
	assert_int_equal(look(o, write_of(2, 1, 250, 20)), ONCE_KNOWN);
	assert_int_equal(look(o, write_of(2, 2, 250, 30)), ONCE_NEW); /* not below, and it has an entry */
	assert_int_equal(look(o, write_of(4, 1, 150, 50)), ONCE_FULL);
	once_free(o);
}

static void rows_are_bounded_as_well(void **state)
{
	struct once *o = serving(&tight);
	struct once_write w = write_of(2, 9, 150, 40);

	(void)state;
	for (uint64_t i = 2; i <= 5; i++)
		execute(o, write_of(1, i, 150, 20));
	for (uint64_t i = 1; i <= 2; i++)
		execute(o, write_of(2, i, 150, 20));
	assert_int_equal(look(o, w), ONCE_FULL);
	w.first = 2; /* its row 1 has gone */
	assert_int_equal(look(o, w), ONCE_NEW);
	execute(o, w);
	w.number = 10;
	assert_int_equal(look(o, w), ONCE_FULL);
	once_free(o);
}

/* Eight that keep as much open as they may fill no table, nor do fifty: whoever has little open finds room. */
static void nobody_is_locked_out_by_the_greedy(void **state)
{
	static const unsigned greedy[] = {1, 2, 8, 50};

	(void)state;
	for (unsigned i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++) {
		struct once *o = serving(NULL);
		uint32_t rows = 0, share;

		for (uint64_t number = 2; number <= ONCE_LIMITS.window; number++)
			for (unsigned client = 1; client <= greedy[i]; client++)
				if (look(o, write_of(client, number, 150, 50)) == ONCE_NEW)
					execute(o, write_of(client, number, 150, 50));
		rows = once_count(o).rows;
		share = rows / greedy[i];
		assert_true(share + 1 == ONCE_LIMITS.window || share >= ONCE_LIMITS.rows / (greedy[i] + 1) - 1);
		for (uint64_t number = 1; number <= share / 2; number++)
			execute(o, write_of(100, number, 150, 50));
		/* And whoever waits goes on when what it has waited for is done. */
		for (unsigned client = 1; client <= greedy[i]; client++)
			execute(o, write_of(client, 1, 150, 50));
		once_free(o);
	}
}

/* Its own later rows go when its lowest open number is done: that waits for no other, also where a handover has left more
 * rows than there is room for. */
static void the_lowest_number_does_not_wait(void **state)
{
	struct once *o = serving(&tight), *giver = serving(&tight);
	struct once_write w;

	(void)state;
	for (uint64_t i = 2; i <= 5; i++)
		execute(o, write_of(1, i, 150, 20));
	assert_int_equal(look(o, write_of(1, 6, 150, 20)), ONCE_FULL);
	execute(o, write_of(1, 1, 150, 20));
	for (uint64_t i = 2; i <= 5; i++)
		execute(giver, write_of(2, i, 250, 20));
	tell_all(giver, o, &far);
	assert_int_equal(once_count(o).rows, 9);
	assert_int_equal(look(o, write_of(2, 6, 250, 20)), ONCE_FULL);
	execute(o, write_of(2, 1, 250, 20));
	assert_int_equal(look(o, write_of(3, 1, 250, 20)), ONCE_FULL); /* a third client */
	w = write_of(2, 6, 250, 20);
	w.first = 6;
	execute(o, w);
	assert_int_equal(once_count(o).rows, 6);
	once_free(o);
	once_free(giver);
}

/* What a mark did not name rises to the present token, when it is next served; and no more than once a mark. */
static void an_arc_without_a_mark_is_not_forgotten(void **state)
{
	struct once *o = serving(&tight);

	(void)state;
	for (unsigned i = 1; i <= 2; i++)
		execute(o, write_of(i, 1, 150, 20));
	once_mark(o, 0, &far, 1);
	once_mark(o, 1000, &far, 1);
	execute(o, write_of(3, 1, 250, 50));
	assert_int_equal(look(o, write_of(1, 1, 150, 49)), ONCE_UNKNOWN);
	assert_int_equal(look(o, write_of(3, 2, 150, 50)), ONCE_NEW);
	assert_version(once_horizon(o, 150), 7, 50);
	once_free(o);
}

/* The row of the third stays ahead of the first's, which is done with, and between them they have all room there is. */
static void what_is_done_with_is_looked_for(void **state)
{
	static const struct once_limits one = {1, 1, 16, 16, 1000};
	struct once *o = serving(&one);
	struct once_write second = write_of(1, 2, 150, 20);

	(void)state;
	execute(o, write_of(1, 3, 150, 20));
	execute(o, write_of(1, 1, 150, 20));
	assert_int_equal(look(o, second), ONCE_FULL);
	second.first = 2;
	execute(o, second);
	assert_int_equal(once_count(o).rows, 2);
	assert_int_equal(look(o, write_of(1, 3, 150, 20)), ONCE_KNOWN);
	once_free(o);
}

/* What a node tells is as it came, whatever its secret; and 65,536 rows are found as one is. */
static void a_full_table(void **state)
{
	struct once *o = serving(NULL), *other = once_new(12345, NULL);
	struct once_share *s, *again;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		execute(o, write_of(i % 512, 128 - i / 512, 100 + i % 100, 50)); /* the lowest last */
	assert_int_equal(look(o, write_of(0, 200, 150, 50)), ONCE_FULL);
	assert_int_equal(once_count(o).rows, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(look(o, write_of(i % 512, 128 - i / 512, 100 + i % 100, 50)), ONCE_KNOWN);
	s = once_give(o, &near);
	once_take(other, s);
	again = once_give(other, &near);
	assert_int_equal(again->entry_count, 512);
	assert_int_equal(again->row_count, MANY);
	for (unsigned i = 0; i < 512; i++)
		assert_memory_equal(again->entries[i].client, s->entries[i].client, ONCE_CLIENT);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(again->rows[i].number, s->rows[i].number);
		assert_int_equal(again->rows[i].id, s->rows[i].id);
	}
	print_message("# %u rows of 512 clients: %zu bytes\n", MANY, once_bytes(o));
	assert_in_range(once_bytes(o), MANY * sizeof(struct once_answer), MANY * 80);
	once_share_free(s);
	once_share_free(again);
	once_free(o);
	once_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_answered_as_the_first_time),
		cmocka_unit_test(a_token_is_of_this_ring_and_of_these_times),
		cmocka_unit_test(a_look_leaves_nothing),
		cmocka_unit_test(first_only_rises),
		cmocka_unit_test(nobody_keeps_more_open_than_the_window),
		cmocka_unit_test(the_silent_are_forgotten_when_there_is_no_room),
		cmocka_unit_test(rows_are_bounded_as_well),
		cmocka_unit_test(nobody_is_locked_out_by_the_greedy),
		cmocka_unit_test(the_lowest_number_does_not_wait),
		cmocka_unit_test(an_arc_without_a_mark_is_not_forgotten),
		cmocka_unit_test(what_is_done_with_is_looked_for),
		cmocka_unit_test(a_full_table),
	};

	return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
