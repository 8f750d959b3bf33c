/* A version for each id of the ring, the same over long stretches: how far back rows are remembered there.
 *
 * Of the writes to an id that are remembered no more, none had a version above the id's.  So it may be raised at any time;
 * it is lowered only by who owns the arc, to what has been given out in it (PROTOCOL.md section 11, rule 2).  Pieces are
 * bounded: beyond, neighbours are joined at the greater of their versions.  Pure, a plain struct. */
#ifndef DHT_CORE_HORIZON_H
#define DHT_CORE_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/ring.h"
#include "store.h"

#define HORIZON_PIECES 64 /* 16 arcs (ENTRY_MAX), the gaps between them, and what merged arcs bring along */

/* Nothing is known of the id: it lies above every version. */
#define HORIZON_UNKNOWN ((struct version){UINT64_MAX, UINT64_MAX})

struct horizon {
	unsigned count, max;
	uint32_t from[HORIZON_PIECES + 2]; /* the first id of each piece, ascending from 0; a change cuts two more */
	struct version version[HORIZON_PIECES + 2];
};

struct horizon_piece {
	struct arc arc;
	struct version version;
};

/* One version everywhere.  max: pieces, 1 to HORIZON_PIECES. */
void horizon_init(struct horizon *h, unsigned max, struct version version);

struct version horizon_at(const struct horizon *h, uint32_t id);
struct version horizon_greatest(const struct horizon *h, struct arc arc);

void horizon_set(struct horizon *h, struct arc arc, struct version version);

/* To the greater, to the lesser. */
void horizon_raise(struct horizon *h, struct arc arc, struct version version);
void horizon_lower(struct horizon *h, struct arc arc, struct version version);

/* The arc cut into pieces of one version each, from its beginning on; returns how many, at most HORIZON_PIECES + 1. */
unsigned horizon_pieces(const struct horizon *h, struct arc arc, struct horizon_piece pieces[HORIZON_PIECES + 1]);

/* In the arc what other says; everywhere the greater of both. */
void horizon_copy(struct horizon *h, struct arc arc, const struct horizon *other);
void horizon_join(struct horizon *h, const struct horizon *other);

#endif
