/* The cover of arcs: the smallest set of topic filters that hears exactly the cells which they touch
 * (common/PROTOCOL.md, "Keys, cells, and who listens").
 *
 * A cell is all ids with the same top 16 bits.  A prefix is all cells whose first digits are the same: what one filter
 * can name.  Lists of prefixes are sorted by digits, then depth; a cover has no two that overlap.  Pure; keeps nothing
 * and allocates nothing. */
#ifndef DHT_COVER_H
#define DHT_COVER_H

#include <stddef.h>
#include <stdint.h>

#include "ring.h"

#define CELL_DIGITS 4 /* hex, each a level of a cell's topic */

/* A prefix: the first `depth` digits of a cell, the others zero; 0 = the whole ring, CELL_DIGITS = one cell. */
struct cell {
	uint16_t digits;
	uint8_t depth;
};

/* Room for the cover of so many arcs.  Proof: a prefix's parent is the whole ring or a block which a border between
 * heard and unheard cells cuts; the 2 * arcs borders cut c_d <= 2 * arcs blocks of depth d, which are no prefixes; that
 * makes (16 - c_1) + (16c_1 - c_2) + (16c_2 - c_3) + 15c_3 = 16 + 15c_1 + 15c_2 + 14c_3 <= 16 + 88 * arcs at most.
 * 1 to 8 arcs reach it, each border in a first digit of its own; more need less. */
#define COVER_ROOM(arcs) (16 + 88 * (arcs))
#define COVER_MAX COVER_ROOM(1)

/* Writes the cover of the arc, returns how many prefixes it has, at least 1. */
size_t cover_arc(struct arc arc, struct cell out[COVER_MAX]);

/* The cover of all of them together, in any order, touching or overlapping; of none: 0.  With less room than it needs
 * (COVER_ROOM(count) is always enough) the process ends: half a cover would leave a node deaf to ids that it owns. */
size_t cover_arcs(const struct arc *arcs, size_t count, struct cell *out, size_t room);

/* Writes what stands in a and not in b, filter by filter (`op/3/#` and its 16 parts are not the same), sorted, and
 * returns how many: at most a_count.  Both lists are sorted; what overlaps in them, as during a change, does no harm.
 * out may be a itself. */
size_t cover_less(const struct cell *a, size_t a_count, const struct cell *b, size_t b_count, struct cell *out);

#endif
