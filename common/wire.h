/* The pieces that frames are made of, to and from CBOR; frame.c and operation.c say which piece stands where.  Pure; reading allocates
 * nothing. */
#ifndef DHT_WIRE_H
#define DHT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cursor.h"
#include "frame.h"

/* Where encoded bytes go.  The room was measured before: a write that does not fit ends the process, as does a value
 * that breaks its bound. */
struct wire {
	uint8_t *p;
	size_t size;
	size_t used;
};

void wire_put_uint(struct wire *w, uint64_t n);
void wire_put_int(struct wire *w, int64_t n);
void wire_put_bool(struct wire *w, bool b);
void wire_put_null(struct wire *w);
void wire_put_bytes(struct wire *w, const uint8_t *p, size_t len);
void wire_put_text(struct wire *w, const char *text);
void wire_put_array(struct wire *w, size_t count);
void wire_put_map(struct wire *w, size_t pairs);
void wire_put_conn(struct wire *w, const struct conn *conn);
void wire_put_ring(struct wire *w, const struct ring_id *ring);
void wire_put_arc(struct wire *w, const struct arc *arc);
void wire_put_member(struct wire *w, const struct member *m);
void wire_put_view(struct wire *w, const struct view *v);
void wire_put_doubt(struct wire *w, const struct frame_doubt *d);
void wire_put_check(struct wire *w, const struct frame_check *check);
void wire_put_key(struct wire *w, const struct key *key);
void wire_put_record(struct wire *w, const struct frame_record *r);
/* The head of the sums of so many; then each, big-endian. */
void wire_put_sums(struct wire *w, size_t count);
void wire_put_sum(struct wire *w, uint32_t sum);

/* What a view, a key without its name, and a record without name and value take at most: heads of 1 to 5 bytes, numbers of up to 5 or 9. */
enum {
	WIRE_MEMBER_MAX = 1 + 5 + 9 + 9 + 5,
	WIRE_VIEW_MAX = 1 + 3 * (9 + 5) + 3 * 5 + 2 * WIRE_MEMBER_MAX,
	WIRE_DOUBT_MAX = 1 + 2 * 5 + 9 + 5 + 5 + 1,
	WIRE_ARC_MAX = 1 + 5 + 5,
	WIRE_CHECK_MAX = 1 + 5 + 5 + 9 + 9,
	WIRE_KEY_MAX = 5,
	WIRE_SUM = 4,
	WIRE_RECORD_MAX = 1 + WIRE_KEY_MAX + 9 + 9 + 5 + 9 + WIRE_SUM,
};

/* The readers return false, and the cursor says why, on anything but a piece within its bounds.  What they fill is zero
 * before; it may be filled in part when they fail. */
bool wire_take_uint(struct cursor *c, uint64_t bound, uint64_t *n);
bool wire_take_u32(struct cursor *c, uint32_t *n);
bool wire_take_int(struct cursor *c, int64_t *n);
bool wire_take_bool(struct cursor *c, bool *b);
/* Steps over the next item if that is null; else false, and nothing has happened. */
bool wire_take_null(struct cursor *c);
/* Bytes of any length, borrowed.  A string is bytes, or a text taken as bytes, whatever it holds. */
bool wire_take_bytes(struct cursor *c, const uint8_t **p, size_t *len);
bool wire_take_string(struct cursor *c, const uint8_t **p, size_t *len);
/* At most size - 1 bytes of clean text (text.h), NUL-terminated. */
bool wire_take_text(struct cursor *c, char *text, size_t size);
/* The head of an array of at most `most` items, or of exactly `length`. */
bool wire_take_array(struct cursor *c, size_t most, size_t *count);
bool wire_take_tuple(struct cursor *c, size_t length);
bool wire_take_conn(struct cursor *c, struct conn *conn);
bool wire_take_ring(struct cursor *c, struct ring_id *ring);
bool wire_take_arc(struct cursor *c, struct arc *arc);
bool wire_take_member(struct cursor *c, struct member *m);
bool wire_take_view(struct cursor *c, struct view *v);
bool wire_take_doubt(struct cursor *c, struct frame_doubt *d);
bool wire_take_check(struct cursor *c, struct frame_check *check);
bool wire_take_key(struct cursor *c, struct key *key);
bool wire_take_record(struct cursor *c, struct frame_record *r);
uint32_t wire_sum(const uint8_t p[WIRE_SUM]); /* one of those that lie behind each other */

/* What all frames have in common.  The head of a map; a key, of which *seen has a bit for each below 64 so far, as those
 * must not come twice; and the version, which must be ours. */
bool wire_take_map(struct cursor *c, uint64_t *pairs);
bool wire_take_field(struct cursor *c, uint64_t *seen, uint64_t *key);
bool wire_take_version(struct cursor *c);

#endif
