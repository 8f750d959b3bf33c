#include "cover.h"

#include "mem.h"

#define CELLS (UINT32_C(1) << 4 * CELL_DIGITS)
#define CELL_IDS (UINT32_C(1) << 16)

/* An arc counted in cells: the first, and how many, through cell 0.  An arc that goes around and ends in the cell in
 * which it began counts that one twice. */
struct span {
	uint32_t first, count;
};

static struct span span_of(struct arc arc)
{
	uint32_t id = arc.lo + 1;

	return (struct span){id / CELL_IDS, (uint32_t)((id % CELL_IDS + ring_size(arc) - 1) / CELL_IDS + 1)};
}

/* How many cells from one clockwise to the other. */
static uint32_t cell_distance(uint32_t from, uint32_t to)
{
	return (to - from) % CELLS;
}

/* One past the last of the cells that are touched without a gap from `at` on: `at` itself if it is not. */
static uint32_t run_end(const struct arc *arcs, size_t count, uint32_t at)
{
	for (size_t i = 0; i < count && at < CELLS;) {
		struct span s = span_of(arcs[i]);
		uint32_t before = cell_distance(s.first, at);

		if (before >= s.count) {
			i++;
			continue;
		}
		at += s.count - before;
		i = 0; /* one that was passed over may begin there */
	}
	return at < CELLS ? at : CELLS;
}

/* The first cell from `at` on at which an arc begins; CELLS or more if none does. */
static uint32_t run_start(const struct arc *arcs, size_t count, uint32_t at)
{
	uint32_t nearest = CELLS;

	for (size_t i = 0; i < count; i++) {
		uint32_t distance = cell_distance(at, span_of(arcs[i]).first);

		if (distance < nearest)
			nearest = distance;
	}
	return at + nearest;
}

/* The largest block that begins at `at`, is aligned to its size and ends by `end`.  Taken one after another these are
 * all the blocks of touched cells alone that lie in no larger one; a filter lies within one of them, and each needs
 * one, so no set of filters is smaller. */
static struct cell largest(uint32_t at, uint32_t end, uint32_t *size)
{
	uint8_t depth = 0;

	for (*size = CELLS; at % *size != 0 || *size > end - at; *size /= 16)
		depth++;
	return (struct cell){(uint16_t)at, depth};
}

size_t cover_arcs(const struct arc *arcs, size_t count, struct cell *out, size_t room)
{
	size_t n = 0;

	for (uint32_t at = 0, end, size; at < CELLS; at = run_start(arcs, count, end)) {
		for (end = run_end(arcs, count, at); at < end; at += size) {
			if (n == room)
				mem_die("a cover without room");
			out[n++] = largest(at, end, &size);
		}
	}
	return n;
}

size_t cover_arc(struct arc arc, struct cell out[COVER_MAX])
{
	return cover_arcs(&arc, 1, out, COVER_MAX);
}

/* Its place in a sorted list. */
static uint32_t rank(struct cell cell)
{
	return (uint32_t)cell.digits << 8 | cell.depth;
}

size_t cover_less(const struct cell *a, size_t a_count, const struct cell *b, size_t b_count, struct cell *out)
{
	size_t n = 0;

	for (size_t i = 0, j = 0; i < a_count; i++) {
		while (j < b_count && rank(b[j]) < rank(a[i]))
			j++;
		if (j == b_count || rank(b[j]) != rank(a[i]))
			out[n++] = a[i];
	}
	return n;
}
