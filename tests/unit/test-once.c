/* Rule by rule: what is answered, what is remembered, and what stands where a row has gone (PROTOCOL.md section 11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/core/once.h"

#define MANY 65536

/* Clients 2, rows 8, window 16, silence 1000 ms. */
static const struct once_limits tight = {2, 8, 16, 16, 1000};

static const struct once_arc near = {{99, 199}, {7, 50}}, far = {{199, 299}, {3, 50}};

static const uint8_t *name(unsigned client)
{
	static uint8_t names[8][ONCE_CLIENT];

	names[client % 8][0] = (uint8_t)client;
	names[client % 8][1] = (uint8_t)(client >> 8);
	return names[client % 8];
}

/* A write with the token that its arc had at `counter`; 0: it bears none. */
static struct once_write write_of(unsigned client, uint64_t number, uint32_t id, uint64_t counter)
{
	struct once_write w = {.client = name(client), .number = number, .first = 1, .id = id};

	w.bears = counter ? ONCE_BEARS_OURS : ONCE_BEARS_NONE;
	w.token = (struct version){id < 200 ? near.token.number : far.token.number, counter};
	return w;
}

static enum once_verdict look(struct once *o, struct once_write w)
{
	struct once_answer answer;

	return once_look(o, &w, w.id < 200 ? &near : &far, &answer);
}

static struct once_answer answer_to(struct once_write w)
{
	return (struct once_answer){
		.version = {7, w.number}, .result = -(int64_t)w.number, .status = 3, .has_result = true};
}

static void execute(struct once *o, struct once_write w)
{
	struct once_answer answer = answer_to(w);

	assert_int_equal(look(o, w), ONCE_NEW);
	once_done(o, &w, &answer);
}

static struct once *serving(const struct once_limits *limits)
{
	struct once *o = once_new(1, limits);

	once_own(o, &(struct once_arc){near.arc, {7, 0}});
	once_own(o, &(struct once_arc){far.arc, {3, 0}});
	return o;
}

static void mark(struct once *o, uint64_t now, uint64_t counter)
{
	struct once_arc arcs[] = {near, far};

	arcs[0].token.counter = arcs[1].token.counter = counter;
	assert_true(once_mark_due(o, now));
	once_mark(o, now, arcs, 2);
	assert_false(once_mark_due(o, now));
}

static void assert_version(struct version v, uint64_t number, uint64_t counter)
{
	assert_int_equal(v.number, number);
	assert_int_equal(v.counter, counter);
}

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
	struct once_share *s;
	struct once_write w;

	(void)state;
	for (uint64_t i = 2; i <= 5; i++)
		execute(o, write_of(1, i, 150, 20));
	assert_int_equal(look(o, write_of(1, 6, 150, 20)), ONCE_FULL);
	execute(o, write_of(1, 1, 150, 20));
	for (uint64_t i = 2; i <= 5; i++)
		execute(giver, write_of(2, i, 250, 20));
	s = once_give(giver, &far);
	once_take(o, s);
	once_share_free(s);
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
	struct once_share *s;

	(void)state;
	for (unsigned i = 1; i <= 2; i++)
		execute(giver, write_of(i, 1, 150, 20));
	mark(giver, 0, 30);
	assert_int_equal(look(giver, write_of(2, 1, 150, 20)), ONCE_KNOWN);
	mark(giver, 1000, 40);
	s = once_give(giver, &near);
	once_take(taker, s);
	once_share_free(s);
	assert_int_equal(look(taker, write_of(1, 1, 150, 20)), ONCE_KNOWN); /* heard: not silent any more */
	once_clear(taker);
	s = once_give(giver, &near);
	once_take(taker, s);
	once_share_free(s);
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
		struct once_share *s;

		giver = serving(&tight);
		execute(giver, write_of(client++, 1, 150, 20));
		execute(giver, write_of(client++, 1, 150, 20));
		s = once_give(giver, &near);
		once_take(o, s);
		once_share_free(s);
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
		cmocka_unit_test(everything_moves_with_the_arc),
		cmocka_unit_test(silence_moves_too),
		cmocka_unit_test(a_taker_is_not_crowded),
		cmocka_unit_test(a_takeover_knows_nothing_of_before),
		cmocka_unit_test(a_full_table),
		cmocka_unit_test(a_share_is_checked),
	};

	return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
