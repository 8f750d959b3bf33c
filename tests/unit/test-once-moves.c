/* What moves with an arc, what a taker bears, and what is known behind a takeover (PROTOCOL.md section 11, rules 6, 7). */
#include "once-check.h"

/* Rule 6, and rule 4 of what has moved. */
static void everything_moves_with_the_arc(void **state)
{
	struct once *giver = serving(NULL), *taker = once_new(2, NULL);
	struct once_write w = write_of(1, 3, 150, 20);
	struct once_share *s;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		execute(giver, write_of(1, i, i == 4 ? 250 : 150, 20));
	w.first = 2;
	assert_int_equal(look(giver, w), ONCE_KNOWN);
	execute(taker, write_of(1, 5, 250, 50));
	s = once_give(giver, &near);
	assert_int_equal(s->entry_count, 1);
	assert_int_equal(s->row_count, 2);
	once_take(taker, s);
	once_share_free(s);
	once_forget(giver, near.arc);
	assert_int_equal(look(taker, write_of(1, 1, 150, 20)), ONCE_IGNORED);
	assert_int_equal(look(taker, write_of(1, 2, 150, 20)), ONCE_KNOWN);
	assert_int_equal(look(taker, write_of(1, 3, 150, 20)), ONCE_KNOWN);
	assert_int_equal(look(taker, write_of(1, 6, 150, 10)), ONCE_NEW);
	assert_version(once_horizon(taker, 150), 7, 0);
	assert_int_equal(look(giver, write_of(1, 1, 250, 20)), ONCE_IGNORED);
	assert_int_equal(look(giver, write_of(1, 4, 250, 20)), ONCE_KNOWN);
	assert_int_equal(once_count(giver).rows, 1);
	assert_int_equal(look(giver, write_of(1, 3, 150, 49)), ONCE_UNKNOWN);
	once_clear(taker);
	assert_int_equal(once_count(taker).clients, 0);
	assert_int_equal(look(taker, write_of(1, 3, 150, 49)), ONCE_UNKNOWN);
	once_free(giver);
	once_free(taker);
}

/* Who has been silent for long is so for the taker too: else nobody could write for a while behind each handover. */
static void silence_moves_too(void **state)
{
	struct once *giver = serving(&tight), *taker = once_new(2, &tight);

	(void)state;
	for (unsigned i = 1; i <= 2; i++)
		execute(giver, write_of(i, 1, 150, 20));
	mark(giver, 0, 30);
	assert_int_equal(look(giver, write_of(2, 1, 150, 20)), ONCE_KNOWN);
	mark(giver, 1000, 40);
	tell_all(giver, taker, &near);
	assert_int_equal(look(taker, write_of(1, 1, 150, 20)), ONCE_KNOWN); /* heard: not silent any more */
	once_clear(taker);
	tell_all(giver, taker, &near);
	execute(taker, write_of(3, 1, 150, 30));
	assert_version(once_horizon(taker, 150), 7, 30);
	assert_int_equal(look(taker, write_of(1, 1, 150, 20)), ONCE_UNKNOWN);
	assert_int_equal(look(taker, write_of(2, 1, 150, 20)), ONCE_KNOWN);
	assert_int_equal(look(taker, write_of(4, 1, 150, 50)), ONCE_FULL);
	once_free(giver);
	once_free(taker);
}

/* Behind a handover twice the bounds are borne, and old clients are served; beyond, nothing is known. */
static void a_taker_is_not_crowded(void **state)
{
	struct once *o = serving(&tight), *giver;
	unsigned client = 3;

	(void)state;
	execute(o, write_of(1, 1, 250, 20));
	for (unsigned i = 0; i < 2; i++) {
		giver = serving(&tight);
		execute(giver, write_of(client++, 1, 150, 20));
		execute(giver, write_of(client++, 1, 150, 20));
		tell_all(giver, o, &near);
		once_free(giver);
		if (i == 0) {
			assert_int_equal(once_count(o).clients, 3);
			assert_int_equal(look(o, write_of(7, 1, 150, 50)), ONCE_FULL);
			execute(o, write_of(3, 2, 150, 20));
		}
	}
	assert_int_equal(once_count(o).clients, 4);
	assert_int_equal(once_count(o).crowded_out, 1);
	assert_int_equal(look(o, write_of(1, 1, 250, 49)), ONCE_UNKNOWN);
	assert_int_equal(look(o, write_of(3, 2, 150, 20)), ONCE_KNOWN);
	assert_int_equal(look(o, write_of(3, 3, 150, 50)), ONCE_NEW);
	once_free(o);
}

/* Rule 7, also where some is known of the arc: it rises to the view, and never sinks for that. */
static void a_takeover_knows_nothing_of_before(void **state)
{
	struct once *o = serving(&tight);

	(void)state;
	for (unsigned i = 1; i <= 2; i++)
		execute(o, write_of(i, 1, 150, 20));
	mark(o, 0, 30);
	mark(o, 1000, 40);
	execute(o, write_of(3, 1, 150, 40));
	assert_version(once_horizon(o, 150), 7, 30);
	once_own(o, &near);
	assert_version(once_horizon(o, 150), 7, 30);
	once_own(o, &(struct once_arc){near.arc, {9, 50}});
	assert_version(once_horizon(o, 150), 9, 0);
	assert_version(once_horizon(o, 250), 3, 30);
	once_free(o);
}

/* What no node sends: rows of nobody, or from elsewhere. */
static void a_share_is_checked(void **state)
{
	struct once_share *s = once_share_new(near.arc);
	struct once_entry e = {.first = 1};
	struct once_row r = {.id = 150, .number = 1};

	(void)state;
	assert_false(once_share_row(s, &r));
	for (unsigned i = 0; i < 2 * ONCE_LIMITS.clients; i++)
		assert_true(once_share_entry(s, &e));
	assert_false(once_share_entry(s, &e));
	assert_true(once_share_row(s, &r));
	r.id = 250;
	assert_false(once_share_row(s, &r));
	once_share_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_moves_with_the_arc),
		cmocka_unit_test(silence_moves_too),
		cmocka_unit_test(a_taker_is_not_crowded),
		cmocka_unit_test(a_takeover_knows_nothing_of_before),
		cmocka_unit_test(a_share_is_checked),
	};

	return cmocka_run_group_tests_name("once-moves", tests, NULL, NULL);
}
