/* The store, looked at (store.h). */
#include <stdlib.h>

#include "store-inside.h"

uint32_t *store_ids(const struct store *s, struct arc arc, size_t *count)
{
	struct walk w = walk_near(s, arc);
	uint32_t *ids = NULL;
	size_t n = 0, room = 0;

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		if (r->named || r->deleted || !ring_contains(arc, r->id))
			continue;
		if (n == room) {
			room = room ? room * 2 : 64;
			ids = xrealloc(ids, room * sizeof(*ids));
		}
		ids[n++] = r->id;
	}
	*count = n;
	return ids;
}

struct key *store_keys(const struct store *s, struct arc arc, size_t *count)
{
	struct walk w = walk_near(s, arc);
	struct key *keys = NULL;
	size_t n = 0, room = 0;

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		struct key key = key_of(r);

		if (!ring_contains(arc, r->id))
			continue;
		if (n == room) {
			room = room ? room * 2 : 64;
			keys = xrealloc(keys, room * sizeof(*keys));
		}
		keys[n++] = key_copy(&key);
	}
	*count = n;
	return keys;
}

uint32_t store_part_end(uint32_t id)
{
	return id | (UINT32_MAX >> TABLE_BITS);
}

struct store_item *store_part(const struct store *s, uint32_t from, uint32_t to, size_t *count)
{
	struct store_item *items = NULL;
	size_t n = 0, room = 0;

	for (const struct record *r = s->tables[table_of(from)]; r; r = r->hh.next) {
		if (r->id < from || r->id > to || r->deleted)
			continue;
		if (n == room) {
			room = room ? room * 2 : 64;
			items = xrealloc(items, room * sizeof(*items));
		}
		items[n++] = item_of(r);
	}
	*count = n;
	return items;
}

uint64_t store_item_hash(const struct store_item *item)
{
	/* Of a number with a value as nodes of version 1.0 compute it: we take arcs from them. */
	const uint64_t head[3] = {item->key.id, item->version.number, item->version.counter};
	uint64_t hash = XXH3_64bits_withSeed(item->value, item->len, XXH3_64bits(head, sizeof(head)));

	if (item->key.name_len)
		hash = XXH3_64bits_withSeed(item->key.name, item->key.name_len, hash);
	return item->deleted ? ~hash : hash;
}

void store_digest(const struct store *s, struct arc arc, uint64_t *count, uint64_t *hash)
{
	struct walk w = walk_near(s, arc);

	*count = *hash = 0;
	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		struct store_item item = item_of(r);

		if (!ring_contains(arc, r->id))
			continue;
		++*count;
		*hash += store_item_hash(&item);
	}
}
