/* The kinds of fields that a frame has: how each is left out, written and read.  Of frame.c, whose table says which key
 * is of which kind, and what is what on the wire. */
#ifndef DHT_FRAME_KIND_H
#define DHT_FRAME_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cursor.h"
#include "frame.h"
#include "wire.h"

struct frame_kind;

struct frame_row {
	const struct frame_kind *kind;
	size_t offset;  /* in struct frame */
	uint64_t bound; /* greatest number; size of a text's array */
};

/* empty: a field that is left out.  take: false, and the cursor knows why. */
struct frame_kind {
	bool (*empty)(const struct frame *f, const struct frame_row *row);
	void (*put)(struct wire *w, const struct frame *f, const struct frame_row *row);
	bool (*take)(struct cursor *c, struct frame *f, const struct frame_row *row);
};

extern const struct frame_kind frame_kind_version, frame_kind_u32, frame_kind_u64, frame_kind_bool, frame_kind_conn,
	frame_kind_member, frame_kind_ring, frame_kind_arc, frame_kind_text, frame_kind_views, frame_kind_doubts,
	frame_kind_records, frame_kind_keys, frame_kind_table, frame_kind_next, frame_kind_sums, frame_kind_checks,
	frame_kind_differs, frame_kind_scrub;

#endif
