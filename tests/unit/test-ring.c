/* The ring's arithmetic against a model that walks the ids one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../common/ring.h"
#include "random.h"

#define WHOLE (UINT64_C(1) << 32)

/* (lo, hi] walked id by id on a ring of `size` ids. */
static bool slow_contains(uint64_t lo, uint64_t hi, uint64_t id, uint64_t size)
{
	uint64_t at = lo;

	do {
		at = (at + 1) % size;
		if (at == id)
			return true;
	} while (at != hi);
	return false;
}

static uint64_t slow_size(uint64_t lo, uint64_t hi, uint64_t size)
{
	uint64_t at = lo, n = 0;

	do {
		at = (at + 1) % size;
		n++;
	} while (at != hi);
	return n;
}

/* outer is (a, b], inner (c, d] */
static bool slow_covers(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t size)
{
	for (uint64_t id = 0; id < size; id++) {
		if (slow_contains(c, d, id, size) && !slow_contains(a, b, id, size))
			return false;
	}
	return true;
}

static void boundaries(void **state)
{
	static const struct {
		uint32_t lo, hi, id;
		bool in;
	} rows[] = {
		{10, 20, 10, false},
		{10, 20, 11, true},
		{10, 20, 20, true},
		{10, 20, 21, false},
		{10, 20, 9, false},
		/* through 0 */
		{UINT32_MAX, 0, 0, true},
		{UINT32_MAX, 0, UINT32_MAX, false},
		{UINT32_MAX, 0, 1, false},
		{UINT32_MAX - 1, 1, UINT32_MAX, true},
		{UINT32_MAX - 1, 1, 0, true},
		{UINT32_MAX - 1, 1, 1, true},
		{UINT32_MAX - 1, 1, 2, false},
		{0, UINT32_MAX, 0, false},
		{0, UINT32_MAX, 1, true},
		{0, UINT32_MAX, UINT32_MAX, true},
		{20, 10, 15, false},
		{20, 10, 20, false},
		{20, 10, 21, true},
		{20, 10, 10, true},
		{0x80000000, 0x7fffffff, 0x80000000, false},
		{0x80000000, 0x7fffffff, 0x7fffffff, true},
		/* one node owns everything, its own id too */
		{5, 5, 5, true},
		{5, 5, 4, true},
		{5, 5, 6, true},
		{0, 0, 0, true},
		{0, 0, UINT32_MAX, true},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX, true},
		{UINT32_MAX, UINT32_MAX, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ring_contains((struct arc){rows[i].lo, rows[i].hi}, rows[i].id) != rows[i].in)
			fail_msg("(%u, %u] and %u: not %d", rows[i].lo, rows[i].hi, rows[i].id, rows[i].in);
	}
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(ring_size((struct arc){10, 20}), 10);
	assert_int_equal(ring_size((struct arc){20, 10}), WHOLE - 10);
	assert_int_equal(ring_size((struct arc){UINT32_MAX, 0}), 1);
	assert_int_equal(ring_size((struct arc){0, UINT32_MAX}), WHOLE - 1);
	assert_int_equal(ring_size((struct arc){7, 7}), WHOLE);
	assert_int_equal(ring_size((struct arc){0, 0}), WHOLE);
	assert_int_equal(ring_distance(10, 20), 10);
	assert_int_equal(ring_distance(20, 10), UINT32_MAX - 9);
	assert_int_equal(ring_distance(UINT32_MAX, 0), 1);
	assert_int_equal(ring_distance(3, 3), 0);
}

/* A ring of 16 ids stands on the big one at every 2^28th id, so that the model can walk all of it. */
static void every_arc_of_16_ids(void **state)
{
	(void)state;
	for (uint32_t a = 0; a < 16; a++) {
		for (uint32_t b = 0; b < 16; b++) {
			struct arc outer = {a << 28, b << 28};

			if (ring_size(outer) != slow_size(a, b, 16) << 28)
				fail_msg("size of (%u, %u]", a, b);
			for (uint32_t c = 0; c < 16; c++) {
				if (ring_contains(outer, c << 28) != slow_contains(a, b, c, 16))
					fail_msg("(%u, %u] contains %u", a, b, c);
				for (uint32_t d = 0; d < 16; d++) {
					if (ring_covers(outer, (struct arc){c << 28, d << 28}) !=
					    slow_covers(a, b, c, d, 16))
						fail_msg("(%u, %u] covers (%u, %u]", a, b, c, d);
				}
			}
		}
	}
}

/* An id from the few around one place, so that edges meet. */
static uint32_t nearby(struct random *r, uint32_t place)
{
	return place + (uint32_t)random_below(r, 48) - 24;
}

/* Whether id is in the arc, by walking it or, where that would take too long, all that it leaves out. */
static bool walked_contains(struct arc arc, uint32_t id)
{
	if (arc.lo == arc.hi)
		return true;
	if (arc.hi - arc.lo < 1000)
		return slow_contains(arc.lo, arc.hi, id, WHOLE);
	return !slow_contains(arc.hi, arc.lo, id, WHOLE);
}

static void random_points_of_32_bits(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 20000; i++) {
		static const uint32_t corners[] = {0, UINT32_MAX, 0x7fffffff, 0x80000000};
		uint32_t place = random_below(&r, 2) ? (uint32_t)random_next(&r) : corners[random_below(&r, 4)];
		struct arc outer = {nearby(&r, place), nearby(&r, place)};
		struct arc inner = {nearby(&r, place), nearby(&r, place)};
		bool covers = true;

		for (uint32_t id = place - 30; id != place + 30; id++) {
			bool in = walked_contains(outer, id);

			if (ring_contains(outer, id) != in)
				fail_msg("(%u, %u] contains %u", outer.lo, outer.hi, id);
			covers = covers && (in || !walked_contains(inner, id));
		}
		/* Every edge lies in the window; outside it both arcs are all in or all out. */
		covers = covers && (walked_contains(outer, place + 1000) || !walked_contains(inner, place + 1000));
		if (ring_covers(outer, inner) != covers)
			fail_msg("(%u, %u] covers (%u, %u]", outer.lo, outer.hi, inner.lo, inner.hi);
	}
}

/* What Zave's proof of Chord asks of `between`. */
static void identities(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint32_t a = (uint32_t)random_sized(&r), b = (uint32_t)random_sized(&r), c = (uint32_t)random_sized(&r);
		uint32_t shift = (uint32_t)random_next(&r);
		bool in = ring_contains((struct arc){a, c}, b);

		/* between(n, x, n), for every x */
		assert_true(ring_contains((struct arc){a, a}, b));
		/* an arc has its end, and its beginning only if it is the whole ring */
		assert_true(ring_contains((struct arc){a, c}, c));
		assert_int_equal(ring_contains((struct arc){a, c}, a), a == c);
		/* only differences count */
		assert_int_equal(ring_contains((struct arc){a + shift, c + shift}, b + shift), in);
		if (a != c) {
			/* two nodes: each id is of exactly one */
			assert_int_equal(ring_contains((struct arc){c, a}, b), !in);
			assert_int_equal(ring_size((struct arc){a, c}) + ring_size((struct arc){c, a}), WHOLE);
		}
		if (a != b && b != c && a != c) {
			/* it may be turned around the ring */
			assert_int_equal(ring_contains((struct arc){b, a}, c), in);
			assert_int_equal(ring_contains((struct arc){c, b}, a), in);
			/* a newcomer splits the arc into two that it covers */
			if (in) {
				assert_true(ring_covers((struct arc){a, c}, (struct arc){a, b}));
				assert_true(ring_covers((struct arc){a, c}, (struct arc){b, c}));
				assert_int_equal(ring_size((struct arc){a, b}) + ring_size((struct arc){b, c}),
						 ring_size((struct arc){a, c}));
			}
		}
		/* a cover is exactly: all of it lies within */
		if (ring_covers((struct arc){a, b}, (struct arc){c, shift}))
			assert_true(ring_contains((struct arc){a, b}, shift));
	}
}

static void covers(void **state)
{
	static const struct arc whole = {9, 9}, other_whole = {4, 4};

	(void)state;
	assert_true(ring_covers(whole, other_whole));
	assert_true(ring_covers(whole, (struct arc){9, 10}));
	assert_true(ring_covers(whole, (struct arc){10, 9}));
	assert_false(ring_covers((struct arc){10, 9}, whole));
	assert_false(ring_covers((struct arc){10, 9}, (struct arc){9, 10}));
	assert_true(ring_covers((struct arc){10, 20}, (struct arc){10, 20}));
	assert_true(ring_covers((struct arc){10, 20}, (struct arc){10, 11}));
	assert_true(ring_covers((struct arc){10, 20}, (struct arc){19, 20}));
	assert_false(ring_covers((struct arc){10, 20}, (struct arc){9, 20}));
	assert_false(ring_covers((struct arc){10, 20}, (struct arc){10, 21}));
	/* both ends within, but the long way round */
	assert_false(ring_covers((struct arc){10, 20}, (struct arc){15, 12}));
	assert_true(ring_covers((struct arc){UINT32_MAX - 5, 5}, (struct arc){UINT32_MAX, 0}));
	assert_false(ring_covers((struct arc){UINT32_MAX, 0}, (struct arc){UINT32_MAX - 5, 5}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundaries),
		cmocka_unit_test(sizes),
		cmocka_unit_test(covers),
		cmocka_unit_test(every_arc_of_16_ids),
		cmocka_unit_test(random_points_of_32_bits),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
