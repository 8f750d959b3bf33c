/* A set of ids, as few pieces of the ring.  Pure, a plain struct, copied by assignment. */
#ifndef DHT_CORE_ARCS_H
#define DHT_CORE_ARCS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/ring.h"

#define ARCS_MAX 16

/* Ascending, and no two of them touch.  The empty set is all zeros. */
struct arcs {
	struct {
		uint32_t first, last; /* both are in it */
	} piece[ARCS_MAX];
	unsigned count;
};

/* False, and nothing is changed: it would take more pieces than there is room for. */
bool arcs_add(struct arcs *s, struct arc arc);
/* ... then more is taken out than was asked for, so that what is in the set still is in it. */
void arcs_cut(struct arcs *s, struct arc arc);
/* What is in both stays. */
void arcs_keep(struct arcs *s, const struct arcs *other);
void arcs_limit(struct arcs *s, struct arc arc);

bool arcs_have(const struct arcs *s, uint32_t id);
bool arcs_cover(const struct arcs *s, struct arc arc); /* all of it */
bool arcs_touch(const struct arcs *s, struct arc arc); /* some of it */

/* The i-th piece, as an arc. */
struct arc arcs_piece(const struct arcs *s, unsigned i);

#endif
