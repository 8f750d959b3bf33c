/* Reading CBOR (RFC 8949) one item at a time: libcbor's streaming decoder, without its callbacks.  Pure; allocates
 * nothing, never looks behind the end, judges no meaning.
 *
 * The first thing that goes wrong stays in `error`, and from then on every function returns false. */
#ifndef DHT_CURSOR_H
#define DHT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum item_kind {
	ITEM_UINT,  /* number */
	ITEM_BYTES, /* p, number = length */
	ITEM_TEXT,  /* p, number = length; not checked to be UTF-8 */
	ITEM_ARRAY, /* number = items that follow */
	ITEM_MAP,   /* number = pairs that follow */
	ITEM_TAG,   /* one item follows */
	ITEM_BOOL,  /* number = 0 or 1 */
	ITEM_NULL,
	ITEM_SIMPLE,     /* negative numbers, floats, undefined: nothing that we use */
	ITEM_OPEN_ARRAY, /* the indefinite lengths: items follow up to a break */
	ITEM_OPEN_MAP,
	ITEM_OPEN_BYTES,
	ITEM_OPEN_TEXT,
	ITEM_BREAK,
};

struct item {
	enum item_kind kind;
	uint64_t number;
	const uint8_t *p; /* borrowed from the bytes */
};

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	const char *error; /* static; NULL: none so far */
};

/* Notes what is wrong, unless something was before.  Always false, to be returned. */
bool cursor_fail(struct cursor *c, const char *error);

/* The number in the head of the next item if that is of this major type, well-formed and all there; else false, and
 * nothing has happened: cursor_next is to say what it is.  Frames consist of these; the way through the library and its
 * callbacks takes several times as long. */
static inline bool cursor_head(struct cursor *c, unsigned major, uint64_t *number)
{
	const uint8_t *p = c->p;
	size_t left = (size_t)(c->end - p);

	if (left == 0 || p[0] >> 5 != major)
		return false;
	switch (p[0] & 31) {
	case 24:
		if (left < 2)
			return false;
		*number = p[1];
		c->p += 2;
		return true;
	case 25:
		if (left < 3)
			return false;
		*number = (uint64_t)p[1] << 8 | p[2];
		c->p += 3;
		return true;
	case 26:
		if (left < 5)
			return false;
		*number = (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 8 | p[4];
		c->p += 5;
		return true;
	case 27:
		if (left < 9)
			return false;
		*number = (uint64_t)p[1] << 56 | (uint64_t)p[2] << 48 | (uint64_t)p[3] << 40 | (uint64_t)p[4] << 32 |
			  (uint64_t)p[5] << 24 | (uint64_t)p[6] << 16 | (uint64_t)p[7] << 8 | p[8];
		c->p += 9;
		return true;
	default:
		*number = p[0] & 31;
		c->p += *number < 24;
		return *number < 24;
	}
}

/* The next item's head (and its content, for bytes and text). */
bool cursor_next(struct cursor *c, struct item *item);

/* The next item, which must be of that kind. */
bool cursor_expect(struct cursor *c, enum item_kind kind, struct item *item);

/* Steps over the next item with all that is in it: any well-formed one, nested at most CURSOR_DEPTH deep. */
#define CURSOR_DEPTH 8
bool cursor_skip(struct cursor *c);

#endif
