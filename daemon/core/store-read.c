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

struct keys {
	struct key *keys; /* copies */
	size_t count, room;
};

static void keys_in(struct keys *k, const struct store *s, struct arc arc)
{
	struct walk w = walk_near(s, arc);

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		struct key key = key_of(r);

		if (!ring_contains(arc, r->id))
			continue;
		if (k->count == k->room) {
			k->room = k->room ? k->room * 2 : 64;
			k->keys = xrealloc(k->keys, k->room * sizeof(*k->keys));
		}
		k->keys[k->count++] = key_copy(&key);
	}
}

struct key *store_keys(const struct store *s, struct arc arc, size_t *count)
{
	struct keys k = {NULL, 0, 0};

	keys_in(&k, s, arc);
	*count = k.count;
	return k.keys;
}

struct key *store_keys_on(const struct store *s, struct store_rest *rest, size_t least, size_t *count)
{
	struct keys k = {NULL, 0, 0};

	while (rest->left && k.count < least) {
		uint32_t end = store_part_end(rest->arc.lo + 1);
		struct arc piece = rest->arc;

		/* It may end in the part in which it begins, behind all others. */
		if (piece.lo == piece.hi || ring_distance(piece.lo, end) < ring_distance(piece.lo, piece.hi))
			piece.hi = end;
		rest->left = piece.hi != rest->arc.hi;
		rest->arc.lo = piece.hi;
		keys_in(&k, s, piece);
	}
	*count = k.count;
	return k.keys;
}

void store_each(const struct store *s, struct arc arc, bool (*each)(void *arg, const struct store_item *item),
		void *arg)
{
	struct walk w = walk_near(s, arc);

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		struct store_item item;

		if (!ring_contains(arc, r->id))
			continue;
		item = item_of(r);
		if (!each(arg, &item))
			return;
	}
}

#define SAMPLE 8192 /* records of a table that an arc begins or ends in */

/* How many of a table are in the arc: as many as of those that came first. */
static size_t sampled(const struct record *table, struct arc arc)
{
	size_t seen = 0, in = 0;

	for (const struct record *r = table; r && seen < SAMPLE; r = r->hh.next, seen++)
		in += ring_contains(arc, r->id);
	return seen ? HASH_COUNT(table) * in / seen : 0;
}

size_t store_arc_bytes(const struct store *s, struct arc arc)
{
	size_t count = 0;

	for (unsigned t = 0; t < TABLES; t++) {
		if (t == table_of(arc.lo) || t == table_of(arc.hi))
			count += sampled(s->tables[t].records, arc);
		else if (ring_contains(arc, t << (32 - TABLE_BITS)))
			count += HASH_COUNT(s->tables[t].records);
	}
	return count ? s->bytes / s->count * count : 0;
}

uint64_t store_arc_count(const struct store *s, struct arc arc)
{
	uint64_t count = 0;

	for (unsigned t = 0; t < TABLES; t++) {
		struct walk w = walk_table(s, t);

		if (is_whole(arc, t)) {
			count += HASH_COUNT(s->tables[t].records);
			continue;
		}
		if (t != table_of(arc.lo) && t != table_of(arc.hi))
			continue;
		for (const struct record *r; (r = walk_next(&w)) != NULL;)
			count += ring_contains(arc, r->id);
	}
	return count;
}

uint32_t store_part_end(uint32_t id)
{
	return id | (UINT32_MAX >> TABLE_BITS);
}

struct key order_key(const struct record *r)
{
	return key_of(r);
}

static bool begins(const struct key *key, const struct store_range *range)
{
	return !range->prefix_len ||
	       (key->name_len >= range->prefix_len && memcmp(key->name, range->prefix, range->prefix_len) == 0);
}

static void pick(const struct store *s, const struct store_range *range, uint32_t to, struct order_pick *p)
{
	for (struct record *r = s->tables[table_of(range->from.id)].records; r; r = r->hh.next) {
		struct key key;

		if (r->deleted || r->id > to || r->id < range->from.id)
			continue;
		key = key_of(r);
		if (order_behind(&range->from, &key) && begins(&key, range))
			order_offer(p, r);
	}
	order_sort(p);
}

/* Many in one part, as numbers one behind the other are: what a pass has put in order serves the next pages too. */
static const struct stretch *stretch_of(struct store *s, const struct store_range *range, size_t *at, size_t *looked)
{
	struct stretch *found = order_find(&s->order, &range->from, at);
	struct order_pick p = {.most = ORDER_KEPT};
	uint32_t end = store_part_end(range->from.id);

	if (found)
		return found;
	*at = 0;
	*looked += HASH_COUNT(s->tables[table_of(range->from.id)].records);
	p.entries = xmalloc(ORDER_KEPT * sizeof(*p.entries));
	pick(s, range, end, &p);
	return order_keep(&s->order, &range->from, end, &p);
}

static size_t kept(struct store *s, const struct store_range *range, struct store_item *items, size_t most, bool *all,
		   size_t *looked)
{
	size_t at, count = 0;
	const struct stretch *kept = stretch_of(s, range, &at, looked);

	for (; count < most && at < kept->count && kept->entries[at].id <= range->to; at++)
		items[count++] = item_of(kept->entries[at].record);
	*all = at < kept->count ? kept->entries[at].id > range->to : kept->whole;
	*looked += count;
	return count;
}

size_t store_part(struct store *s, const struct store_range *range, struct store_item *items, size_t most, bool *all,
		  size_t *looked)
{
	struct order_entry entries[STORE_PART_MAX];
	struct order_pick p = {.entries = entries, .most = most < STORE_PART_MAX ? most : STORE_PART_MAX};
	size_t here = HASH_COUNT(s->tables[table_of(range->from.id)].records);

	if (here > STORE_PART_MANY && !range->prefix_len)
		return kept(s, range, items, most, all, looked);
	*looked += here;
	pick(s, range, range->to, &p);
	for (size_t i = 0; i < p.count; i++)
		items[i] = item_of(entries[i].record);
	*all = !p.left;
	return p.count;
}

void store_unlisted(struct store *s)
{
	order_forget(&s->order);
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

bool store_sound(const struct store_item *item)
{
	return item->deleted || !item->sum || item->sum == key_sum(&item->key, item->value, item->len);
}

struct store_checked store_check(const struct store *s, struct arc arc,
				 void (*bad)(void *arg, const struct store_item *item), void *arg)
{
	struct store_checked checked = {0};
	struct walk w = walk_near(s, arc);

	for (struct record *r; (r = walk_next(&w)) != NULL;) {
		struct store_item item;
		uint64_t head[4];

		if (r->deleted || !ring_contains(arc, r->id))
			continue;
		item = item_of(r);
		head[0] = item.key.id;
		head[1] = item.version.number;
		head[2] = item.version.counter;
		head[3] = key_sum(&item.key, item.value, item.len);
		checked.count++;
		checked.bytes += item.len + item.key.name_len;
		checked.hash += XXH3_64bits(head, sizeof(head));
		if (head[3] == item.sum)
			continue;
		checked.bad++;
		if (bad)
			bad(arg, &item);
	}
	return checked;
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
