#include "histogram.h"

#include <stddef.h>

static size_t place(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_PARTS)
		return value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
	return (size_t)(shift + 1) * HISTOGRAM_PARTS + (size_t)(value >> shift) - HISTOGRAM_PARTS;
}

/* The greatest value of a place. */
static uint64_t edge(size_t at)
{
	size_t shift = at / HISTOGRAM_PARTS;
	uint64_t part = at % HISTOGRAM_PARTS;

	if (shift == 0)
		return part;
	return ((part + HISTOGRAM_PARTS) << (shift - 1)) + ((UINT64_C(1) << (shift - 1)) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	h->counts[place(value)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	if (from->count > 0 && (to->count == 0 || from->min < to->min))
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
	for (size_t i = 0; i < sizeof(to->counts) / sizeof(to->counts[0]); i++)
		to->counts[i] += from->counts[i];
}

uint64_t histogram_at(const struct histogram *h, uint32_t of_100000)
{
	uint64_t wanted = h->count / 100000 * of_100000 + (h->count % 100000 * of_100000 + 99999) / 100000, seen = 0;

	if (h->count == 0)
		return 0;
	for (size_t i = 0; i < sizeof(h->counts) / sizeof(h->counts[0]); i++) {
		seen += h->counts[i];
		if (seen >= wanted && seen > 0)
			return edge(i) < h->max ? edge(i) : h->max;
	}
	return h->max;
}
