/* The horizon: a version for each id, in bounded pieces, against one that is kept for each of 64 slices of the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../daemon/core/horizon.h"
#include "random.h"

#define SLICES 64
#define WIDTH (UINT32_C(1) << 26)
#define ROUNDS 20000

#define UNKNOWN                        \
	{                              \
		UINT64_MAX, UINT64_MAX \
	}

static const struct version nothing = {0, 0};

static int compare(struct version a, struct version b)
{
	return version_newer(a, b) - version_newer(b, a);
}

static uint32_t edge(uint64_t slice)
{
	return (uint32_t)slice * WIDTH - 1; /* the last id before it */
}

static bool in_slice(struct arc arc, unsigned slice)
{
	return ring_contains(arc, slice * WIDTH);
}

enum { SET, RAISE, LOWER, COPY, JOIN, KINDS };

static struct version expected(unsigned kind, struct version old, struct version v)
{
	bool greater = version_newer(v, old);

	switch (kind) {
	case RAISE:
	case JOIN:
		return greater ? v : old;
	case LOWER:
		return greater ? old : v;
	default:
		return v;
	}
}

static void change(struct horizon *h, unsigned kind, struct arc arc, struct version v, const struct horizon *other)
{
	switch (kind) {
	case SET:
		horizon_set(h, arc, v);
		break;
	case RAISE:
		horizon_raise(h, arc, v);
		break;
	case LOWER:
		horizon_lower(h, arc, v);
		break;
	case COPY:
		horizon_copy(h, arc, other);
		break;
	default:
		horizon_join(h, other);
		break;
	}
}

/* Together they are the arc, in order, and none is like the one before. */
static void check_pieces(const struct horizon *h, struct arc arc)
{
	struct horizon_piece pieces[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(h, arc, pieces);
	struct version greatest = nothing;
	uint64_t ids = 0;

	assert_in_range(count, 1, h->max + 1);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(pieces[i].arc.lo, arc.lo + (uint32_t)ids);
		ids += ring_size(pieces[i].arc);
		assert_int_equal(compare(pieces[i].version, horizon_at(h, pieces[i].arc.lo + 1)), 0);
		assert_int_equal(compare(pieces[i].version, horizon_at(h, pieces[i].arc.hi)), 0);
		if (version_newer(pieces[i].version, greatest))
			greatest = pieces[i].version;
		if (i)
			assert_int_not_equal(compare(pieces[i].version, pieces[i - 1].version), 0);
	}
	assert_int_equal(ids, ring_size(arc));
	assert_int_equal(compare(horizon_greatest(h, arc), greatest), 0);
}

static struct version random_version(struct random *r)
{
	if (!random_below(r, 8))
		return HORIZON_UNKNOWN;
	return (struct version){random_below(r, 3), random_below(r, 20)};
}

/* With room for each slice it is exact; with less it is never below. */
static void against_slices(struct random *r, unsigned max)
{
	struct version slices[SLICES] = {{0, 0}};
	struct horizon h, other;
	bool exact = max == SLICES;

	horizon_init(&h, max, nothing);
	horizon_init(&other, SLICES, nothing);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct arc arc = {edge(random_below(r, SLICES)), edge(random_below(r, SLICES))};
		struct version v = random_version(r);
		unsigned kind = (unsigned)random_below(r, KINDS);

		horizon_set(&other, (struct arc){edge(random_below(r, SLICES)), edge(random_below(r, SLICES))}, v);
		change(&h, kind, arc, v, &other);
		for (unsigned i = 0; i < SLICES; i++) {
			uint32_t id = i * WIDTH;

			if (kind == JOIN || in_slice(arc, i))
				slices[i] = expected(kind, slices[i], kind >= COPY ? horizon_at(&other, id) : v);
			for (unsigned k = 0; k < 2; k++) {
				int sign = compare(horizon_at(&h, k ? id + WIDTH - 1 : id), slices[i]);

				assert_true(exact ? sign == 0 : sign >= 0);
			}
		}
		assert_in_range(h.count, 1, max);
		check_pieces(&h, arc);
		check_pieces(&h, (struct arc){arc.lo, arc.lo});
	}
}

static void it_is_never_below_what_was_said(void **state)
{
	static const unsigned room[] = {SLICES, 1, 2, 3, 5, 16};
	struct random r = random_new();

	(void)state;
	for (size_t i = 0; i < sizeof(room) / sizeof(room[0]); i++)
		against_slices(&r, room[i]);
}

/* Joined is what makes the fewest ids rise the least: within a view rather than across, and nothing to the unknown. */
static void the_least_is_lost(void **state)
{
	static const struct {
		struct version slice[4]; /* quarters of the ring, three pieces */
		struct version want[4];
	} cases[] = {
		{{{1, 5}, {1, 6}, {1, 9}, {1, 20}}, {{1, 6}, {1, 6}, {1, 9}, {1, 20}}},
		{{{1, 5}, {2, 0}, {2, 999}, {3, 0}}, {{1, 5}, {2, 999}, {2, 999}, {3, 0}}},
		{{{1, 5}, UNKNOWN, {3, 0}, {2, 0}}, {{1, 5}, UNKNOWN, {3, 0}, {3, 0}}},
		{{{9, 9}, {9, 1}, {9, 4}, {9, 9}}, {{9, 9}, {9, 4}, {9, 4}, {9, 9}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct horizon h;

		horizon_init(&h, 3, cases[i].slice[0]);
		for (unsigned k = 1; k < 4; k++) {
			struct arc arc = {edge(k * SLICES / 4), UINT32_MAX};

			horizon_set(&h, arc, cases[i].slice[k]);
		}
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(compare(horizon_at(&h, k * (SLICES / 4) * WIDTH), cases[i].want[k]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_never_below_what_was_said),
		cmocka_unit_test(the_least_is_lost),
	};

	return cmocka_run_group_tests_name("horizon", tests, NULL, NULL);
}
