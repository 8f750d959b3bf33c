/* The cover of arcs against a slow model: a mark for each of the 65,536 cells, and a recursion over all blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/cover.h"
#include "random.h"

enum { CELLS = 65536, ARCS_MAX = 8 };

/* ---- the model ---- */

/* An arc touches a cell if it holds the cell's first id, or begins within the cell: lo itself is left out. */
static void mark_arc(uint8_t *marks, struct arc arc)
{
	for (uint32_t cell = 0; cell < CELLS; cell++)
		marks[cell] |= ring_contains(arc, cell << 16) || (arc.lo + 1) >> 16 == cell;
}

static void mark(uint8_t *marks, const struct arc *arcs, size_t count)
{
	memset(marks, 0, CELLS);
	for (size_t i = 0; i < count; i++)
		mark_arc(marks, arcs[i]);
}

/* How few prefixes name exactly the marked cells of the block: one if all are marked, else those of its parts. */
static size_t fewest(const uint8_t *marks, size_t size)
{
	size_t n = 0;

	if (!memchr(marks, 0, size))
		return 1;
	if (!memchr(marks, 1, size))
		return 0;
	for (size_t i = 0; i < 16; i++)
		n += fewest(marks + i * (size / 16), size / 16);
	return n;
}

static size_t cells_of(struct cell cell)
{
	return (size_t)CELLS >> 4 * cell.depth;
}

static bool same(struct cell a, struct cell b)
{
	return a.digits == b.digits && a.depth == b.depth;
}

static const char *complaint_of(const uint8_t *marks, const struct cell *cells, size_t count)
{
	static uint8_t named[CELLS];
	size_t end = 0;

	memset(named, 0, sizeof(named));
	for (size_t i = 0; i < count; i++) {
		if (cells[i].depth > CELL_DIGITS)
			return "a depth that is none";
		if (cells[i].digits % cells_of(cells[i]))
			return "digits beyond the depth";
		if (cells[i].digits < end)
			return "unsorted, or overlapping";
		end = cells[i].digits + cells_of(cells[i]);
		memset(named + cells[i].digits, 1, cells_of(cells[i]));
	}
	if (memcmp(named, marks, CELLS) != 0)
		return "not the cells that the arcs touch";
	return count != fewest(marks, CELLS) ? "not the smallest" : NULL;
}

static void fail_arcs(const char *complaint, const struct arc *arcs, size_t count)
{
	char text[ARCS_MAX * 24 + 1] = "";

	for (size_t i = 0, n = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " (%08x, %08x]", arcs[i].lo, arcs[i].hi);
	fail_msg("the cover of%s: %s", text, complaint);
}

/* The cover of the arcs is what the model says; returns how many prefixes it has. */
static size_t check(const struct arc *arcs, size_t count)
{
	static uint8_t marks[CELLS];
	struct cell cells[COVER_ROOM(ARCS_MAX)];
	size_t n = cover_arcs(arcs, count, cells, COVER_ROOM(count));
	const char *complaint;

	mark(marks, arcs, count);
	complaint = complaint_of(marks, cells, n);
	if (complaint)
		fail_arcs(complaint, arcs, count);
	return n;
}

/* ---- one arc ---- */

/* Each prefix as its digits and a *; a cell without. */
static void in_words(const struct cell *cells, size_t count, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0, n = 0; i < count && n < size; i++) {
		char digits[CELL_DIGITS + 1];

		snprintf(digits, sizeof(digits), "%04x", cells[i].digits);
		n += (size_t)snprintf(out + n, size - n, "%s%.*s%s", i ? " " : "", cells[i].depth, digits,
				      cells[i].depth < CELL_DIGITS ? "*" : "");
	}
}

/* Without any model: what a person would write down. */
static void covers_written_by_hand(void **state)
{
	static const struct {
		struct arc arc;
		const char *cover;
	} rows[] = {
		/* the whole ring, wherever it is cut */
		{{0, 0}, "*"},
		{{UINT32_MAX, UINT32_MAX}, "*"},
		{{0x3fa01234, 0x3fa01234}, "*"},
		/* one id */
		{{0x3fa01233, 0x3fa01234}, "3fa0"},
		{{UINT32_MAX, 0}, "0000"},
		{{0, 1}, "0000"},
		{{UINT32_MAX - 1, UINT32_MAX}, "ffff"},
		/* one cell: all of it, not its first id, not its last */
		{{0x3f9fffff, 0x3fa0ffff}, "3fa0"},
		{{0x3fa00000, 0x3fa0ffff}, "3fa0"},
		{{0x3f9fffff, 0x3fa0fffe}, "3fa0"},
		/* one id more at its end, at its beginning */
		{{0x3f9fffff, 0x3fa10000}, "3fa0 3fa1"},
		{{0x3f9ffffe, 0x3fa0ffff}, "3f9f 3fa0"},
		/* two ids across a border of each depth, and across 0 */
		{{0x0fffffff - 1, 0x10000000}, "0fff 1000"},
		{{0x00ffffff - 1, 0x01000000}, "00ff 0100"},
		{{UINT32_MAX - 1, 0}, "0000 ffff"},
		/* whole digits */
		{{UINT32_MAX, 0x0fffffff}, "0*"},
		{{0x0fffffff, 0x1fffffff}, "1*"},
		{{0x3effffff, 0x3fffffff}, "3f*"},
		{{0x3f9fffff, 0x3fafffff}, "3fa*"},
		{{0xefffffff, 0xffffffff}, "f*"},
		{{0xefffffff, 0x0fffffff}, "0* f*"},
		/* a digit, and an id more at either end */
		{{0x0ffffffe, 0x1fffffff}, "0fff 1*"},
		{{0x0fffffff, 0x20000000}, "1* 2000"},
		/* not quite a digit: only a whole cell that is left out can be told */
		{{0x10000000, 0x1ffffffe}, "1*"},
		{{0x1f00ffff, 0x1fffffff},
		 "1f01 1f02 1f03 1f04 1f05 1f06 1f07 1f08 1f09 1f0a 1f0b 1f0c 1f0d 1f0e 1f0f 1f1* 1f2* 1f3* 1f4* "
		 "1f5* 1f6* 1f7* 1f8* 1f9* 1fa* 1fb* 1fc* 1fd* 1fe* 1ff*"},
		/* all but one id, or but less than a cell: both its ends are in that cell, or nothing is left out */
		{{0, UINT32_MAX}, "*"},
		{{1, 0}, "*"},
		{{0x3fa01234, 0x3fa01233}, "*"},
		{{0x3fa0fffe, 0x3fa00000}, "*"},
		{{0x3fa0ffff, 0x3fa00000}, "*"},
		{{0xffff0000, 0xfffeffff}, "*"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cell cells[COVER_MAX];
		char words[1024];

		in_words(cells, cover_arc(rows[i].arc, cells), words, sizeof(words));
		if (strcmp(words, rows[i].cover) != 0)
			fail_msg("(%08x, %08x]: %s instead of %s", rows[i].arc.lo, rows[i].arc.hi, words,
				 rows[i].cover);
	}
}

/* The ids around each border of cells and of digits, and around 0: all arcs between any two. */
static void every_arc_between_corners(void **state)
{
	static const uint32_t borders[] = {0,          0x00010000, 0x00100000, 0x01000000, 0x10000000,
					   0x3fa00000, 0x3fa10000, 0x80000000, 0xf0000000, 0xffff0000};
	enum { CORNERS = sizeof(borders) / sizeof(borders[0]) * 4 };
	uint32_t corners[CORNERS];

	(void)state;
	for (uint32_t i = 0; i < CORNERS; i++)
		corners[i] = borders[i / 4] + i % 4 - 2;
	for (size_t a = 0; a < CORNERS; a++)
		for (size_t b = 0; b < CORNERS; b++)
			check(&(struct arc){corners[a], corners[b]}, 1);
}

/* Of any length, anywhere; the ends at a border of cells as often as not. */
static struct arc random_arc(struct random *r)
{
	struct arc arc = {.lo = (uint32_t)random_next(r)};

	if (random_below(r, 2))
		arc.lo = (arc.lo & 0xffff0000u << random_below(r, 16)) - (uint32_t)random_below(r, 3);
	arc.hi = arc.lo + (uint32_t)random_sized(r);
	if (random_below(r, 2))
		arc.hi = (arc.hi & 0xffff0000u << random_below(r, 16)) - (uint32_t)random_below(r, 3);
	return arc;
}

static void random_arcs(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct arc arc = random_arc(&r);
		struct cell one[COVER_MAX], many[COVER_MAX];
		size_t n = check(&arc, 1);

		assert_true(n > 0 && n <= COVER_MAX);
		assert_int_equal(cover_arc(arc, one), n);
		assert_int_equal(cover_arcs(&arc, 1, many, n), n); /* it needs no more room than it takes */
		for (size_t k = 0; k < n; k++)
			assert_true(same(one[k], many[k]));
	}
}

/* ---- several ---- */

static void several_arcs(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct arc arcs[ARCS_MAX];
		size_t count = random_below(&r, ARCS_MAX + 1);

		for (size_t k = 0; k < count; k++) {
			arcs[k] = random_arc(&r);
			/* Some go on where another ends, or a few ids or cells from there. */
			if (k > 0 && random_below(&r, 2)) {
				uint32_t size = arcs[k].hi - arcs[k].lo;

				arcs[k].lo = arcs[random_below(&r, k)].hi;
				if (random_below(&r, 2))
					arcs[k].lo += (uint32_t)(random_below(&r, 5) - 2)
						      << (random_below(&r, 2) ? 16 : 0);
				arcs[k].hi = arcs[k].lo + size;
			}
		}
		check(arcs, count);
	}
}

static void of_no_arcs_nothing_is_heard(void **state)
{
	(void)state;
	assert_int_equal(cover_arcs(NULL, 0, NULL, 0), 0);
}

/* In whatever order: parts that fill a digit are the digit, and all nodes' arcs are the ring. */
static void parts_are_their_whole(void **state)
{
	struct random r = random_new();
	struct cell cells[COVER_ROOM(2)];

	(void)state;
	assert_int_equal(cover_arcs((struct arc[]){{0x17ffffff, 0x1fffffff}, {0x0fffffff, 0x17ffffff}}, 2, cells, 1),
			 1);
	assert_true(same(cells[0], (struct cell){0x1000, 1}));
	/* the one ends in the cell in which the other begins, and they do not touch */
	assert_int_equal(cover_arcs((struct arc[]){{0x0fffffff, 0x17000000}, {0x1700fffe, 0x1fffffff}}, 2, cells, 1),
			 1);
	assert_true(same(cells[0], (struct cell){0x1000, 1}));
	for (int i = 0; i < 300; i++) {
		struct arc whole = random_arc(&r), parts[ARCS_MAX];
		struct cell of_whole[COVER_MAX], of_parts[COVER_MAX];
		size_t n = 1 + random_below(&r, ARCS_MAX), of = cover_arc(whole, of_whole);

		parts[0] = whole;
		for (size_t k = 1; k < n; k++) {
			size_t split = random_below(&r, k);
			uint64_t size = ring_size(parts[split]);
			uint32_t at = parts[split].lo + (uint32_t)(1 + random_below(&r, size));

			/* An empty part would read as the whole ring. */
			parts[k] = at == parts[split].hi ? parts[split] : (struct arc){at, parts[split].hi};
			parts[split].hi = at;
		}
		assert_int_equal(cover_arcs(parts, n, of_parts, COVER_MAX), of);
		for (size_t k = 0; k < of; k++)
			assert_true(same(of_whole[k], of_parts[k]));
	}
}

/* Each border in a first digit of its own, at the cell that leaves fifteen of each depth beside it. */
static void the_bound_is_reached(void **state)
{
	struct arc arcs[ARCS_MAX];
	struct cell cells[COVER_MAX];

	(void)state;
	assert_int_equal(COVER_MAX, 104);
	assert_int_equal(COVER_ROOM(8), 720);
	assert_int_equal(cover_arc((struct arc){0x0000ffff, 0xfffeffff}, cells), COVER_MAX);
	for (uint32_t count = 1; count <= ARCS_MAX; count++) {
		for (uint32_t i = 0; i < count; i++)
			arcs[i] = (struct arc){(2 * i << 28) + 0xffff, ((2 * i + 1) << 28) + 0x0ffeffff};
		arcs[count - 1].hi = 0xfffeffff;
		assert_int_equal(check(arcs, count), COVER_ROOM(count));
	}
}

/* ---- differences ---- */

static bool stands_in(struct cell cell, const struct cell *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (same(list[i], cell))
			return true;
	}
	return false;
}

static void check_less(const struct cell *a, size_t a_count, const struct cell *b, size_t b_count)
{
	struct cell out[COVER_ROOM(ARCS_MAX)], in_place[COVER_ROOM(ARCS_MAX)] = {{0, 0}};
	size_t n = cover_less(a, a_count, b, b_count, out), at = 0;

	for (size_t i = 0; i < a_count; i++) {
		if (stands_in(a[i], b, b_count))
			continue;
		/* all of them, in a's order, and nothing else */
		assert_true(at < n && same(out[at], a[i]));
		at++;
	}
	assert_int_equal(at, n);
	memcpy(in_place, a, a_count * sizeof(*a));
	assert_int_equal(cover_less(in_place, a_count, b, b_count, in_place), n);
	for (size_t i = 0; i < n; i++)
		assert_true(same(in_place[i], out[i]));
}

/* What is new is subscribed first and the rest dropped: always only what changes. */
static void differences_of_covers(void **state)
{
	struct random r = random_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct arc before = random_arc(&r), after = before;
		struct cell a[COVER_MAX], b[COVER_MAX];
		size_t a_count, b_count;

		if (random_below(&r, 2))
			after.lo += (uint32_t)random_sized(&r);
		else
			after = random_arc(&r);
		a_count = cover_arc(before, a);
		b_count = cover_arc(after, b);
		check_less(a, a_count, b, b_count);
		check_less(b, b_count, a, a_count);
		check_less(a, a_count, a, a_count);
		check_less(a, a_count, b, 0);
		check_less(a, 0, b, b_count);
	}
}

/* Filters of which one lies within the other are two, and both are kept while the arcs change. */
static void differences_of_lists_that_overlap(void **state)
{
	static const struct cell all[] = {{0, 0},      {0, 1},      {0, 2},      {0, 3},      {0, 4},      {1, 4},
					  {0x3000, 1}, {0x3f00, 2}, {0x3fa0, 3}, {0x3fa0, 4}, {0x3fa1, 4}, {0xffff, 4}};
	enum { ALL = sizeof(all) / sizeof(all[0]) };

	(void)state;
	for (uint32_t sets = 0; sets < 1u << ALL; sets++) {
		struct random r = {sets};
		uint64_t other = random_next(&r);
		struct cell a[ALL], b[ALL];
		size_t a_count = 0, b_count = 0;

		for (size_t i = 0; i < ALL; i++) {
			if (sets >> i & 1)
				a[a_count++] = all[i];
			if (other >> i & 1)
				b[b_count++] = all[i];
		}
		check_less(a, a_count, b, b_count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covers_written_by_hand),
		cmocka_unit_test(every_arc_between_corners),
		cmocka_unit_test(random_arcs),
		cmocka_unit_test(several_arcs),
		cmocka_unit_test(of_no_arcs_nothing_is_heard),
		cmocka_unit_test(parts_are_their_whole),
		cmocka_unit_test(the_bound_is_reached),
		cmocka_unit_test(differences_of_covers),
		cmocka_unit_test(differences_of_lists_that_overlap),
	};

	return cmocka_run_group_tests_name("cover", tests, NULL, NULL);
}
