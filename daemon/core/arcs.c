#include "arcs.h"

/* The one or two pieces of an arc, which may reach over 0. */
static unsigned split(struct arc arc, uint32_t first[2], uint32_t last[2])
{
	uint32_t begin = arc.lo + 1;

	if (arc.lo == arc.hi) {
		first[0] = 0;
		last[0] = UINT32_MAX;
		return 1;
	}
	first[0] = begin;
	last[0] = arc.hi;
	if (begin <= arc.hi)
		return 1;
	last[0] = UINT32_MAX;
	first[1] = 0;
	last[1] = arc.hi;
	return 2;
}

static bool add(struct arcs *s, uint32_t first, uint32_t last)
{
	struct arcs r = {.count = 0};
	bool placed = false;

	for (unsigned i = 0; i <= s->count; i++) {
		bool end = i == s->count;
		uint32_t f = end ? 0 : s->piece[i].first, l = end ? 0 : s->piece[i].last;

		/* It touches, or overlaps: one of both. */
		if (!end && (uint64_t)f <= (uint64_t)last + 1 && (uint64_t)first <= (uint64_t)l + 1) {
			first = f < first ? f : first;
			last = l > last ? l : last;
			continue;
		}
		if (!placed && (end || f > last)) {
			if (r.count == ARCS_MAX)
				return false;
			r.piece[r.count].first = first;
			r.piece[r.count++].last = last;
			placed = true;
		}
		if (end)
			break;
		if (r.count == ARCS_MAX)
			return false;
		r.piece[r.count++] = s->piece[i];
	}
	*s = r;
	return true;
}

bool arcs_add(struct arcs *s, struct arc arc)
{
	uint32_t first[2], last[2];
	unsigned count = split(arc, first, last);
	struct arcs r = *s;

	for (unsigned i = 0; i < count; i++)
		if (!add(&r, first[i], last[i]))
			return false;
	*s = r;
	return true;
}

static void put(struct arcs *s, uint32_t first, uint32_t last)
{
	if (s->count == ARCS_MAX)
		return;
	s->piece[s->count].first = first;
	s->piece[s->count++].last = last;
}

static void cut(struct arcs *s, uint32_t first, uint32_t last)
{
	struct arcs r = {.count = 0};

	for (unsigned i = 0; i < s->count; i++) {
		uint32_t f = s->piece[i].first, l = s->piece[i].last;

		if (l < first || f > last) {
			put(&r, f, l);
			continue;
		}
		if (f < first)
			put(&r, f, first - 1);
		if (l > last)
			put(&r, last + 1, l);
	}
	*s = r;
}

void arcs_cut(struct arcs *s, struct arc arc)
{
	uint32_t first[2], last[2];
	unsigned count = split(arc, first, last);

	for (unsigned i = 0; i < count; i++)
		cut(s, first[i], last[i]);
}

void arcs_keep(struct arcs *s, const struct arcs *other)
{
	uint64_t at = 0;

	/* What lies between the other's pieces goes. */
	for (unsigned i = 0; i <= other->count; i++) {
		uint64_t first = i < other->count ? other->piece[i].first : (uint64_t)UINT32_MAX + 1;

		if (at < first)
			cut(s, (uint32_t)at, (uint32_t)(first - 1));
		at = i < other->count ? (uint64_t)other->piece[i].last + 1 : first;
	}
}

void arcs_limit(struct arcs *s, struct arc arc)
{
	struct arcs only = {.count = 0};

	(void)arcs_add(&only, arc);
	arcs_keep(s, &only);
}

bool arcs_have(const struct arcs *s, uint32_t id)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->piece[i].first <= id && id <= s->piece[i].last)
			return true;
	return false;
}

bool arcs_cover(const struct arcs *s, struct arc arc)
{
	uint32_t first[2], last[2];
	unsigned count = split(arc, first, last), covered = 0;

	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < s->count; j++)
			covered += s->piece[j].first <= first[i] && last[i] <= s->piece[j].last;
	return covered == count;
}

bool arcs_touch(const struct arcs *s, struct arc arc)
{
	uint32_t first[2], last[2];
	unsigned count = split(arc, first, last);

	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < s->count; j++)
			if (s->piece[j].first <= last[i] && first[i] <= s->piece[j].last)
				return true;
	return false;
}

struct arc arcs_piece(const struct arcs *s, unsigned i)
{
	return (struct arc){s->piece[i].first - 1, s->piece[i].last};
}
