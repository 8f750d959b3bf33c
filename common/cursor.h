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
	ITEM_SIMPLE,     /* negative numbers (cursor_head reads them), floats, undefined */
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
	size_t left = (size_t)(c->end - p), size;
	unsigned info;

	if (left == 0 || p[0] >> 5 != major)
		return false;
	info = p[0] & 31;
	size = info < 24 ? 0
			 : (size_t)1 << (info - 24); /* bytes of the number, the most significant first: RFC 8949, 3 */
	if (info > 27 || left <= size)
		return false;
	*number = size ? 0 : info;
	for (size_t i = 1; i <= size; i++)
		*number = *number << 8 | p[i];
	c->p += 1 + size;
	return true;
}

/* The next item's head (and its content, for bytes and text). */
bool cursor_next(struct cursor *c, struct item *item);

/* The next item, which must be of that kind. */
bool cursor_expect(struct cursor *c, enum item_kind kind, struct item *item);

/* Steps over the next item with all that is in it: any well-formed one, nested at most CURSOR_DEPTH deep. */
#define CURSOR_DEPTH 8
bool cursor_skip(struct cursor *c);

#endif
