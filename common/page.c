/* page  = [next, entries]
 * next  = null at the end, or a key: an uint, a position with all of that id; bytes, a position behind that name
 * entry = [key, number, counter, life, value]  what is missing at its end left out, but for a value that is
 * damaged: null */
#include "page.h"

#include <string.h>

#include "mem.h"
#include "operation.h"
#include "wire.h"

bool page_before(const struct key *a, const struct key *b)
{
	size_t least = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order;

	if (a->id != b->id)
		return a->id < b->id;
	if (!a->name_len || !b->name_len)
		return a->name_len > b->name_len;
	order = memcmp(a->name, b->name, least);
	return order ? order < 0 : a->name_len < b->name_len;
}

size_t page_entry_size(const struct page_entry *entry)
{
	return 1 + WIRE_KEY_MAX + 9 + 9 + 9 + 5 + entry->key.name_len + entry->value_len;
}

static void entry_put(struct wire *w, const struct page_entry *e)
{
	bool whole = e->value || e->damaged;

	wire_put_array(w, whole ? 5 : e->life ? 4 : 3);
	wire_put_key(w, &e->key);
	wire_put_uint(w, e->version.number);
	wire_put_uint(w, e->version.counter);
	if (e->life || whole)
		wire_put_uint(w, e->life);
	if (e->value)
		wire_put_bytes(w, e->value, e->value_len);
	else if (e->damaged)
		wire_put_null(w);
}

uint8_t *page_encode(const struct page_entry *entries, size_t count, const struct page_next *next, size_t *len)
{
	struct wire w = {.size = 16 + WIRE_KEY_MAX + next->key.name_len};

	for (size_t i = 0; i < count; i++)
		w.size += page_entry_size(&entries[i]);
	w.p = xmalloc(w.size);
	wire_put_array(&w, 2);
	if (next->end)
		wire_put_null(&w);
	else
		wire_put_key(&w, &next->key);
	wire_put_array(&w, count);
	for (size_t i = 0; i < count; i++)
		entry_put(&w, &entries[i]);
	*len = w.used;
	return w.p;
}

static bool entry_take(struct cursor *c, struct page_entry *e)
{
	size_t items;

	*e = (struct page_entry){.life = 0};
	if (!wire_take_array(c, 5, &items))
		return false;
	if (items < 3)
		return cursor_fail(c, "an array too short");
	if (!wire_take_key(c, &e->key) || !wire_take_uint(c, UINT64_MAX, &e->version.number) ||
	    !wire_take_uint(c, UINT64_MAX, &e->version.counter))
		return false;
	if (items > 3 && !wire_take_uint(c, UINT64_MAX, &e->life))
		return false;
	e->damaged = items > 4 && wire_take_null(c);
	return items < 5 || e->damaged ||
	       (wire_take_bytes(c, &e->value, &e->value_len) &&
		(e->value_len <= OPERATION_VALUE_MAX || cursor_fail(c, "a value too long")));
}

const char *page_decode(struct page_entry entries[PAGE_ENTRIES], size_t *count, struct page_next *next,
			const uint8_t *bytes, size_t len)
{
	struct cursor c = {bytes, bytes + len, NULL};

	*next = (struct page_next){.end = false};
	*count = 0;
	if (!wire_take_tuple(&c, 2))
		return c.error;
	next->end = wire_take_null(&c);
	if ((!next->end && !wire_take_key(&c, &next->key)) || !wire_take_array(&c, PAGE_ENTRIES, count))
		return c.error;
	for (size_t i = 0; i < *count; i++)
		if (!entry_take(&c, &entries[i]))
			return c.error;
	return c.p == c.end ? NULL : "bytes behind the page";
}
