#include "horizon.h"

#include <assert.h>
#include <string.h>

#define WHOLE ((struct arc){UINT32_MAX, UINT32_MAX})

enum change { SET, RAISE, LOWER };

void horizon_init(struct horizon *h, unsigned max, struct version version)
{
	assert(max >= 1 && max <= HORIZON_PIECES);
	h->count = 1;
	h->max = max;
	h->from[0] = 0;
	h->version[0] = version;
}

static bool same(struct version a, struct version b)
{
	return a.number == b.number && a.counter == b.counter;
}

static struct version changed(enum change change, struct version old, struct version to)
{
	switch (change) {
	case RAISE:
		return version_newer(old, to) ? old : to;
	case LOWER:
		return version_newer(to, old) ? old : to;
	case SET:
		break;
	}
	return to;
}

/* The piece that id lies in. */
static unsigned find(const struct horizon *h, uint32_t id)
{
	unsigned low = 0, high = h->count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (h->from[middle] <= id)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Its last id. */
static uint32_t end_of(const struct horizon *h, unsigned i)
{
	return i + 1 < h->count ? h->from[i + 1] - 1 : UINT32_MAX;
}

struct version horizon_at(const struct horizon *h, uint32_t id)
{
	return h->version[find(h, id)];
}

struct version horizon_greatest(const struct horizon *h, struct arc arc)
{
	uint32_t from = arc.lo + 1;
	unsigned i = find(h, from), last = find(h, arc.hi);
	struct version greatest = h->version[i];

	if (ring_size(arc) <= (uint64_t)end_of(h, i) - from + 1)
		return greatest;
	do {
		i = i + 1 < h->count ? i + 1 : 0;
		greatest = changed(RAISE, greatest, h->version[i]);
	} while (i != last);
	return greatest;
}

static void move(struct horizon *h, unsigned to, unsigned from)
{
	memmove(&h->from[to], &h->from[from], (h->count - from) * sizeof(h->from[0]));
	memmove(&h->version[to], &h->version[from], (h->count - from) * sizeof(h->version[0]));
	h->count = h->count - from + to;
}

/* A piece begins at id; which one. */
static unsigned cut(struct horizon *h, uint32_t id)
{
	unsigned i = find(h, id);

	if (h->from[i] == id)
		return i;
	move(h, i + 1, i);
	h->from[i + 1] = id;
	return i + 1;
}

/* What it costs to join a piece with the next: how many ids rise, and how far.  Writes under way bear tokens of their
 * arc's present view, so a rise within a view costs what it is long, and one out of it is avoided. */
static uint64_t loss(const struct horizon *h, unsigned i)
{
	bool up = version_newer(h->version[i + 1], h->version[i]);
	unsigned low = up ? i : i + 1;
	struct version from = h->version[low], to = h->version[up ? i + 1 : i];
	uint64_t ids = (uint64_t)end_of(h, low) - h->from[low] + 1, rise;

	if (same(to, HORIZON_UNKNOWN))
		rise = 1u << 30;
	else if (to.number != from.number)
		rise = 1u << 25;
	else
		rise = to.counter - from.counter < 1u << 24 ? to.counter - from.counter : 1u << 24;
	return ids * rise; /* below 2^63 */
}

static void join(struct horizon *h, unsigned i)
{
	h->version[i] = changed(RAISE, h->version[i], h->version[i + 1]);
	move(h, i + 1, i + 2);
}

static void tidy(struct horizon *h)
{
	for (unsigned i = 0; i + 1 < h->count;)
		if (same(h->version[i], h->version[i + 1]))
			join(h, i);
		else
			i++;
	while (h->count > h->max) {
		unsigned best = 0;

		for (unsigned i = 1; i + 1 < h->count; i++)
			if (loss(h, i) < loss(h, best))
				best = i;
		join(h, best);
	}
}

static void change_between(struct horizon *h, enum change change, uint32_t from, uint32_t to, struct version version)
{
	unsigned i = cut(h, from);

	if (to != UINT32_MAX)
		cut(h, to + 1);
	for (; i < h->count && h->from[i] <= to; i++)
		h->version[i] = changed(change, h->version[i], version);
	tidy(h);
}

static void change_arc(struct horizon *h, enum change change, struct arc arc, struct version version)
{
	uint32_t from = arc.lo + 1;

	if (arc.lo == arc.hi) {
		change_between(h, change, 0, UINT32_MAX, version);
	} else if (from <= arc.hi) {
		change_between(h, change, from, arc.hi, version);
	} else {
		change_between(h, change, from, UINT32_MAX, version);
		change_between(h, change, 0, arc.hi, version);
	}
}

void horizon_set(struct horizon *h, struct arc arc, struct version version)
{
	change_arc(h, SET, arc, version);
}

void horizon_raise(struct horizon *h, struct arc arc, struct version version)
{
	change_arc(h, RAISE, arc, version);
}

void horizon_lower(struct horizon *h, struct arc arc, struct version version)
{
	change_arc(h, LOWER, arc, version);
}

unsigned horizon_pieces(const struct horizon *h, struct arc arc, struct horizon_piece pieces[HORIZON_PIECES + 1])
{
	uint64_t left = ring_size(arc);
	uint32_t at = arc.lo; /* the last id done */
	unsigned count = 0;

	while (left) {
		unsigned i = find(h, at + 1);
		uint64_t ids = (uint64_t)end_of(h, i) - (at + 1) + 1;

		if (ids > left)
			ids = left;
		/* A piece that goes on behind 0 is one. */
		if (count && same(pieces[count - 1].version, h->version[i]))
			pieces[count - 1].arc.hi += (uint32_t)ids;
		else
			pieces[count++] = (struct horizon_piece){{at, at + (uint32_t)ids}, h->version[i]};
		at += (uint32_t)ids;
		left -= ids;
	}
	return count;
}

void horizon_copy(struct horizon *h, struct arc arc, const struct horizon *other)
{
	struct horizon_piece pieces[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(other, arc, pieces);

	for (unsigned i = 0; i < count; i++)
		horizon_set(h, pieces[i].arc, pieces[i].version);
}

void horizon_join(struct horizon *h, const struct horizon *other)
{
	struct horizon_piece pieces[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(other, WHOLE, pieces);

	for (unsigned i = 0; i < count; i++)
		horizon_raise(h, pieces[i].arc, pieces[i].version);
}
