/* Arithmetic on the ring of 2^32 ids.  Pure. */
#ifndef DHT_RING_H
#define DHT_RING_H

#include <stdbool.h>
#include <stdint.h>

/* An arc (lo, hi]: the ids behind lo up to and including hi, clockwise, wrapping through 0.  lo == hi is the whole
 * ring, never the empty arc (a lone node owns everything; Zave's between(n,x,n)). */
struct arc {
	uint32_t lo;
	uint32_t hi;
};

/* True if id lies in (lo, hi]. */
bool ring_contains(struct arc arc, uint32_t id);

/* How many ids the arc holds, 1 to 2^32. */
uint64_t ring_size(struct arc arc);

/* Clockwise distance from one id to another, 0 to 2^32-1. */
static inline uint32_t ring_distance(uint32_t from, uint32_t to)
{
	return to - from;
}

/* True if inner lies wholly within outer. */
bool ring_covers(struct arc outer, struct arc inner);

#endif
