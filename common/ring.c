#include "ring.h"

bool ring_contains(struct arc arc, uint32_t id)
{
	/* The distances wrap as the ring does; only the whole ring looks like the empty arc and is told apart. */
	return arc.lo == arc.hi || ring_distance(id, arc.hi) < ring_distance(arc.lo, arc.hi);
}

uint64_t ring_size(struct arc arc)
{
	return arc.lo == arc.hi ? UINT64_C(1) << 32 : ring_distance(arc.lo, arc.hi);
}

bool ring_covers(struct arc outer, struct arc inner)
{
	if (outer.lo == outer.hi)
		return true;
	/* Its end lies within, and it reaches back no farther than outer's beginning. */
	return ring_contains(outer, inner.hi) && ring_size(inner) <= ring_distance(outer.lo, inner.hi);
}
