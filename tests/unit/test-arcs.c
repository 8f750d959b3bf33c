/* Sets of ids in bounded pieces, against one bit for each of the slices into which some edges part the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/core/arcs.h"
#include "random.h"

#define SLICES 96
#define ROUNDS 20000

/* Slice i is all ids behind edges[i - 1], up to edges[i].  The last one ends the numbers, so that none reaches over 0. */
static uint32_t edges[SLICES];

struct model {
	bool has[SLICES];
};

static void edges_even(void)
{
	for (unsigned i = 0; i < SLICES; i++)
		edges[i] = (uint32_t)((uint64_t)(i + 1) * (UINT64_C(1) << 32) / SLICES - 1);
}

/* Of one id each, on both sides of 0; between them lies one that is nearly all. */
static void edges_around_zero(void)
{
	for (unsigned i = 0; i < SLICES; i++)
		edges[i] = i < SLICES / 2 ? i : UINT32_MAX - (SLICES - 1 - i);
}

static bool is_edge(uint32_t id, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (edges[i] == id)
			return true;
	return id == UINT32_MAX;
}

static void edges_anywhere(struct random *r)
{
	for (unsigned count = 0; count < SLICES - 1; count++) {
		unsigned at = count;
		uint32_t id;

		do
			id = (uint32_t)random_sized(r) ^ (random_below(r, 2) ? UINT32_MAX : 0);
		while (is_edge(id, count));
		for (; at > 0 && edges[at - 1] > id; at--)
			edges[at] = edges[at - 1];
		edges[at] = id;
	}
	edges[SLICES - 1] = UINT32_MAX;
}

static uint32_t first_of(unsigned slice)
{
	return slice ? edges[slice - 1] + 1 : 0;
}

/* Of any length, but the short ones are what it takes to have many pieces. */
static struct arc random_arc(struct random *r, struct model *of)
{
	unsigned lo = (unsigned)random_below(r, SLICES);
	unsigned count = 1 + (unsigned)random_below(r, random_below(r, 32) ? 2 : SLICES);

	*of = (struct model){{false}};
	for (unsigned i = 1; i <= count; i++)
		of->has[(lo + i) % SLICES] = true;
	return (struct arc){edges[lo], edges[(lo + count) % SLICES]};
}

static unsigned pieces(const struct model *m)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SLICES; i++)
		count += m->has[i] && !(i && m->has[i - 1]);
	return count;
}

enum kind { ADD, CUT, KEEP, LIMIT, KINDS };

static struct model expected(const struct model *m, const struct model *other, enum kind kind)
{
	struct model r;

	for (unsigned i = 0; i < SLICES; i++)
		switch (kind) {
		case ADD:
			r.has[i] = m->has[i] || other->has[i];
			break;
		case CUT:
			r.has[i] = m->has[i] && !other->has[i];
			break;
		default:
			r.has[i] = m->has[i] && other->has[i];
			break;
		}
	return r;
}

/* Ascending, and something lies between two of them. */
static void check_form(const struct arcs *s)
{
	assert_in_range(s->count, 0, ARCS_MAX);
	for (unsigned i = 0; i < s->count; i++) {
		struct arc arc = arcs_piece(s, i);

		assert_true(s->piece[i].first <= s->piece[i].last);
		assert_true(!i || (uint64_t)s->piece[i - 1].last + 1 < s->piece[i].first);
		assert_int_equal(arc.lo, s->piece[i].first - 1);
		assert_int_equal(arc.hi, s->piece[i].last);
		assert_true(arcs_cover(s, arc) && arcs_touch(s, arc));
	}
}

/* What is in the set by all that it says.  No slice is in it by halves. */
static struct model read_back(const struct arcs *s)
{
	struct model m;

	check_form(s);
	for (unsigned i = 0; i < SLICES; i++) {
		m.has[i] = arcs_have(s, first_of(i));
		assert_int_equal(arcs_have(s, edges[i]), m.has[i]);
		assert_int_equal(arcs_have(s, first_of(i) + (edges[i] - first_of(i)) / 2), m.has[i]);
	}
	return m;
}

static void check_asked(const struct arcs *s, const struct model *m, struct arc arc, const struct model *of)
{
	bool all = true, some = false;

	for (unsigned i = 0; i < SLICES; i++) {
		all &= m->has[i] || !of->has[i];
		some |= m->has[i] && of->has[i];
	}
	assert_int_equal(arcs_cover(s, arc), all);
	assert_int_equal(arcs_touch(s, arc), some);
}

/* Nothing but what ought to be: of what is taken out more may go. */
static void check_within(const struct model *m, const struct model *most)
{
	for (unsigned i = 0; i < SLICES; i++)
		assert_true(!m->has[i] || most->has[i]);
}

/* Of an arc over 0 what lies before it is added first, and there has to be room for that. */
static bool has_room(const struct model *m, struct arc arc, const struct model *of)
{
	struct model before = *m, whole = expected(m, of, ADD);

	for (unsigned i = 0; i < SLICES; i++)
		before.has[i] |= of->has[i] && (arc.hi > arc.lo || edges[i] > arc.lo);
	return pieces(&whole) <= ARCS_MAX && (arc.lo == arc.hi || pieces(&before) <= ARCS_MAX);
}

static unsigned refused, crowded;

static void change(struct random *r, struct arcs *s, struct arcs *other)
{
	enum kind kind = (enum kind)random_below(r, KINDS);
	struct model before = read_back(s), of, want, after;
	struct arc arc = random_arc(r, &of);
	struct arcs old = *s, other_old = *other;
	bool fits, done = true;

	/* Mostly added to, or there never is much. */
	kind = random_below(r, 16) < 14 ? ADD : kind;
	if (kind == KEEP)
		of = read_back(other);
	want = expected(&before, &of, kind);
	fits = pieces(&want) <= ARCS_MAX;
	switch (kind) {
	case ADD:
		fits = has_room(&before, arc, &of);
		done = arcs_add(s, arc);
		break;
	case CUT:
		arcs_cut(s, arc);
		break;
	case KEEP:
		/* Between two of them there may be more than in the end. */
		fits = old.count + other->count <= ARCS_MAX;
		arcs_keep(s, other);
		break;
	default:
		fits = old.count + 2 <= ARCS_MAX;
		arcs_limit(s, arc);
		break;
	}
	after = read_back(s);
	if (kind == ADD) {
		assert_int_equal(done, fits);
		if (!done)
			assert_memory_equal(s, &old, sizeof(old));
		refused += !done;
		want = done ? want : before;
	}
	crowded += kind != ADD && !fits;
	check_within(&after, &want);
	if (fits || kind == ADD)
		assert_memory_equal(&after, &want, sizeof(want));
	assert_memory_equal(other, &other_old, sizeof(*other));
	arc = random_arc(r, &of);
	check_asked(s, &after, arc, &of);
}

static void against_slices(struct random *r)
{
	struct arcs s[2] = {{.count = 0}, {.count = 0}};

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned k = (unsigned)random_below(r, 2);

		change(r, &s[k], &s[!k]);
	}
}

static void it_is_as_slices_are(void **state)
{
	struct random r = random_new();

	(void)state;
	refused = crowded = 0;
	edges_even();
	against_slices(&r);
	edges_around_zero();
	against_slices(&r);
	for (unsigned i = 0; i < 8; i++) {
		edges_anywhere(&r);
		against_slices(&r);
	}
	assert_true(refused > 100 && crowded > 100);
}

static const struct arc all = {7, 7};

static void the_full_circle(void **state)
{
	struct arcs s = {.count = 0};

	(void)state;
	assert_false(arcs_touch(&s, all) || arcs_cover(&s, all));
	for (uint32_t lo = 0; lo < 3; lo++) {
		struct arc arc = {lo - 1, lo - 1};

		assert_true(arcs_add(&s, arc));
		assert_int_equal(s.count, 1);
		assert_true(arcs_cover(&s, all) && arcs_have(&s, 0) && arcs_have(&s, UINT32_MAX));
		/* As an arc it is the full circle again. */
		assert_int_equal(arcs_piece(&s, 0).lo, arcs_piece(&s, 0).hi);
		arcs_cut(&s, (struct arc){4, 5});
		assert_false(arcs_cover(&s, all) || arcs_have(&s, 5));
		assert_true(arcs_cover(&s, (struct arc){5, 4}) && arcs_touch(&s, all));
		arcs_limit(&s, arc);
		assert_int_equal(s.count, 2);
		arcs_cut(&s, arc);
		assert_int_equal(s.count, 0);
	}
}

static void the_empty_one(void **state)
{
	struct arcs s = {.count = 0}, none = {.count = 0};

	(void)state;
	arcs_cut(&s, (struct arc){UINT32_MAX - 1, 1});
	arcs_limit(&s, all);
	assert_memory_equal(&s, &none, sizeof(s));
	assert_true(arcs_add(&s, (struct arc){UINT32_MAX - 1, 1}));
	assert_int_equal(s.count, 2); /* it reaches over 0 */
	arcs_keep(&s, &none);
	assert_int_equal(s.count, 0);
	assert_true(arcs_add(&s, (struct arc){UINT32_MAX, 0}));
	assert_true(arcs_have(&s, 0) && !arcs_have(&s, 1) && !arcs_have(&s, UINT32_MAX));
	assert_true(arcs_add(&s, (struct arc){UINT32_MAX - 1, UINT32_MAX}));
	assert_true(arcs_have(&s, UINT32_MAX));
	assert_int_equal(s.count, 2);
}

/* No room for one more piece: but for what joins two of those that are there. */
static void the_full_one(void **state)
{
	struct arcs s = {.count = 0}, old;

	(void)state;
	for (uint32_t i = 0; i < ARCS_MAX; i++)
		assert_true(arcs_add(&s, (struct arc){10 * i + 10, 10 * i + 15}));
	assert_int_equal(s.count, ARCS_MAX);
	old = s;
	assert_false(arcs_add(&s, (struct arc){1000, 1001}));
	assert_false(arcs_add(&s, (struct arc){2, 3}));
	assert_false(arcs_add(&s, (struct arc){17, 18}));
	assert_false(arcs_add(&s, (struct arc){UINT32_MAX - 1, 1}));
	assert_memory_equal(&s, &old, sizeof(s));
	/* Of a hole in one of them nothing is kept that was to go. */
	arcs_cut(&s, (struct arc){11, 12});
	assert_int_equal(s.count, ARCS_MAX);
	assert_false(arcs_have(&s, 12));
	for (uint32_t id = 0; id < 1000; id++)
		assert_true(!arcs_have(&s, id) || arcs_have(&old, id));
	s = old;
	assert_true(arcs_add(&s, (struct arc){15, 20}));
	assert_int_equal(s.count, ARCS_MAX - 1);
	assert_true(arcs_cover(&s, (struct arc){10, 25}));
	assert_true(arcs_add(&s, (struct arc){1000, 1001}));
	/* Over 0, and into what is there on both sides: no more pieces than before. */
	assert_true(arcs_add(&s, (struct arc){1001, 10}));
	assert_true(arcs_have(&s, UINT32_MAX) && arcs_have(&s, 0));
	assert_int_equal(s.count, ARCS_MAX);
	assert_true(arcs_add(&s, all));
	assert_int_equal(s.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_as_slices_are),
		cmocka_unit_test(the_full_circle),
		cmocka_unit_test(the_empty_one),
		cmocka_unit_test(the_full_one),
	};

	return cmocka_run_group_tests_name("arcs", tests, NULL, NULL);
}
