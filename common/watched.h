/* EVENT: what has become of records that somebody watches (PROTOCOL.md section 11).  Pure. */
#ifndef DHT_WATCHED_H
#define DHT_WATCHED_H

#include "page.h"

#define WATCHED_BYTES (64u << 10) /* of changes in a frame, unless one alone is longer */
#define WATCHED_CHANGES 512

struct watched_frame {
	uint32_t owner;
	uint64_t stream;            /* of one connection of its owner's; not 0 */
	uint64_t number;            /* in the stream, from 1; 0: others say that it is over, and there are no changes */
	struct page_entry *changes; /* value NULL: the record is gone; decode: points into the caller's array */
	size_t count;
};

/* Where a stream stands: what `watch` finds. */
struct watched_place {
	uint64_t stream, number;
};

/* Allocated; *len its length. */
uint8_t *watched_encode(const struct watched_frame *f, size_t *len);
/* NULL, or why not; borrows from bytes and changes. */
const char *watched_decode(struct watched_frame *f, struct page_entry changes[WATCHED_CHANGES], const uint8_t *bytes,
			   size_t len);

/* A place, at most WATCHED_PLACE_MAX bytes; returns how many. */
#define WATCHED_PLACE_MAX 24
size_t watched_put_place(uint8_t out[WATCHED_PLACE_MAX], const struct watched_place *place);
bool watched_take_place(struct watched_place *place, const uint8_t *bytes, size_t len);

#endif
