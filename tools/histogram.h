/* How often which time was measured, from a nanosecond to centuries, in 58 KiB, each time at most 1/128 too long: a
 * doubling is cut in 128 equal parts, as Gil Tene's HdrHistogram does it (which Debian has for Java and Go only). */
#ifndef DHT_HISTOGRAM_H
#define DHT_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_PARTS (1u << HISTOGRAM_BITS)

struct histogram {
	uint64_t count, sum, min, max;
	uint64_t counts[(64 - HISTOGRAM_BITS + 1) * HISTOGRAM_PARTS];
};

/* All zero is empty. */
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The least time that so many of 100,000 did not pass; exact at 100,000, and 0 if nothing was measured. */
uint64_t histogram_at(const struct histogram *h, uint32_t of_100000);

#endif
