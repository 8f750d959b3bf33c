/* | key | field   | type                                      |
 * |-----|---------|-------------------------------------------|
 * |   0 | version | as in frame.c                             |
 * |   1 | type    | FRAME_EVENT                               |
 * |  30 | owner   | uint, 2^32-1                              |
 * |  32 | stream  | uint, not 0                               |
 * |  33 | number  | uint; 0: the stream is over, no changes   |
 * |  34 | changes | [[key, number, counter, life, value], ...], at most 512; value: bytes, or null */
#include "watched.h"

#include "frame.h"
#include "mem.h"
#include "operation.h"
#include "wire.h"

enum { KEY_VERSION = 0, KEY_TYPE = 1, KEY_OWNER = 30, KEY_STREAM = 32, KEY_NUMBER, KEY_CHANGES };
#define ALL_KEYS                                                                                                       \
	(UINT64_C(1) << KEY_VERSION | UINT64_C(1) << KEY_TYPE | UINT64_C(1) << KEY_OWNER | UINT64_C(1) << KEY_STREAM | \
	 UINT64_C(1) << KEY_NUMBER | UINT64_C(1) << KEY_CHANGES)

static void change_put(struct wire *w, const struct page_entry *e)
{
	wire_put_array(w, 5);
	wire_put_key(w, &e->key);
	wire_put_uint(w, e->version.number);
	wire_put_uint(w, e->version.counter);
	wire_put_uint(w, e->life);
	if (e->value)
		wire_put_bytes(w, e->value, e->value_len);
	else
		wire_put_null(w);
}

uint8_t *watched_encode(const struct watched_frame *f, size_t *len)
{
	struct wire w = {.size = 64};

	for (size_t i = 0; i < f->count; i++)
		w.size += page_entry_size(&f->changes[i]);
	w.p = xmalloc(w.size);
	wire_put_map(&w, 6);
	wire_put_uint(&w, KEY_VERSION);
	wire_put_uint(&w, FRAME_VERSION);
	wire_put_uint(&w, KEY_TYPE);
	wire_put_uint(&w, FRAME_EVENT);
	wire_put_uint(&w, KEY_OWNER);
	wire_put_uint(&w, f->owner);
	wire_put_uint(&w, KEY_STREAM);
	wire_put_uint(&w, f->stream);
	wire_put_uint(&w, KEY_NUMBER);
	wire_put_uint(&w, f->number);
	wire_put_uint(&w, KEY_CHANGES);
	wire_put_array(&w, f->count);
	for (size_t i = 0; i < f->count; i++)
		change_put(&w, &f->changes[i]);
	*len = w.used;
	return w.p;
}

static bool change_take(struct cursor *c, struct page_entry *e)
{
	*e = (struct page_entry){.life = 0};
	if (!wire_take_tuple(c, 5) || !wire_take_key(c, &e->key) ||
	    !wire_take_uint(c, UINT64_MAX, &e->version.number) || !wire_take_uint(c, UINT64_MAX, &e->version.counter) ||
	    !wire_take_uint(c, UINT64_MAX, &e->life))
		return false;
	return wire_take_null(c) || (wire_take_bytes(c, &e->value, &e->value_len) &&
				     (e->value_len <= OPERATION_VALUE_MAX || cursor_fail(c, "a value too long")));
}

static bool positive_take(struct cursor *c, uint64_t *n)
{
	return wire_take_uint(c, UINT64_MAX, n) && (*n != 0 || cursor_fail(c, "a number that is 0"));
}

static bool field_take(struct cursor *c, struct watched_frame *f, uint64_t key)
{
	uint64_t type = 0;

	switch (key) {
	case KEY_VERSION:
		return wire_take_version(c);
	case KEY_TYPE:
		return wire_take_uint(c, FRAME_TYPES - 1, &type) &&
		       (type == FRAME_EVENT || cursor_fail(c, "another type"));
	case KEY_OWNER:
		return wire_take_u32(c, &f->owner);
	case KEY_STREAM:
		return positive_take(c, &f->stream);
	case KEY_NUMBER:
		return wire_take_uint(c, UINT64_MAX, &f->number);
	case KEY_CHANGES:
		if (!wire_take_array(c, WATCHED_CHANGES, &f->count))
			return false;
		for (size_t i = 0; i < f->count; i++)
			if (!change_take(c, &f->changes[i]))
				return false;
		return true;
	default:
		return cursor_skip(c);
	}
}

const char *watched_decode(struct watched_frame *f, struct page_entry changes[WATCHED_CHANGES], const uint8_t *bytes,
			   size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};
	uint64_t pairs, key, seen = 0;

	*f = (struct watched_frame){.changes = changes};
	if (!wire_take_map(&c, &pairs))
		return c.error;
	for (; pairs > 0; pairs--)
		if (!wire_take_field(&c, &seen, &key) || !field_take(&c, f, key))
			return c.error;
	if (c.p != c.end)
		return "bytes behind the frame";
	if ((seen & ALL_KEYS) != ALL_KEYS)
		return "a field too few";
	return f->number || !f->count ? NULL : "changes without a number";
}

size_t watched_put_place(uint8_t out[WATCHED_PLACE_MAX], const struct watched_place *place)
{
	struct wire w = {.p = out, .size = WATCHED_PLACE_MAX};

	wire_put_array(&w, 2);
	wire_put_uint(&w, place->stream);
	wire_put_uint(&w, place->number);
	return w.used;
}

bool watched_take_place(struct watched_place *place, const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};

	return wire_take_tuple(&c, 2) && wire_take_uint(&c, UINT64_MAX, &place->stream) &&
	       wire_take_uint(&c, UINT64_MAX, &place->number) && c.p == c.end && place->stream != 0;
}
