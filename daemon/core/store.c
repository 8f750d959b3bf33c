#include <stdlib.h>

#include "store-inside.h"

/* Clients choose the ids, and names that share one: by a hash that they can compute they would put them all into one
 * bucket.  Order is that of arrival, uthash's own list, so that the secret decides nothing that anybody sees. */
static unsigned hash_of(const struct store *s, const struct key *key)
{
	uint64_t hash = XXH3_64bits_withSeed(&key->id, sizeof(key->id), s->secret);

	return (unsigned)(key->name_len ? XXH3_64bits_withSeed(key->name, key->name_len, hash) : hash);
}

static bool is_of(const struct record *r, const struct key *key)
{
	struct key own;

	if (!r->named && !key->name_len)
		return r->id == key->id;
	own = key_of(r);
	return key_equal(&own, key);
}

void store_summed(struct store *s, const struct record *r, bool in)
{
	struct store_sum *sum = &s->sum;
	struct store_item item;

	if (!sum->on || !sum->begun || !ring_contains(sum->done, r->id))
		return;
	item = item_of(r);
	sum->count += in ? 1 : (uint64_t)-1;
	sum->hash += in ? store_item_hash(&item) : -store_item_hash(&item);
}

void store_tell(const struct store *s, const struct record *r)
{
	struct key key;

	if (!s->changed)
		return;
	key = key_of(r);
	s->changed(s->changed_arg, &key);
}

/* What a record adds to the sums, or takes from them. */
static void count(struct store *s, const struct record *r, bool in)
{
	struct table *t = &s->tables[table_of(r->id)];
	size_t one = in ? 1 : (size_t)-1, bytes = in ? bytes_of(r) : -bytes_of(r);

	s->count += one;
	s->bytes += bytes;
	t->bytes += bytes;
	if (r->deleted) {
		s->buried += one;
		s->buried_bytes += bytes;
		t->buried += (uint32_t)one;
		t->buried_bytes += bytes;
	}
	store_summed(s, r, in);
}

/* A record has come or gone. */
static void table_looked_up(struct table *t)
{
	t->buckets = t->records ? t->records->hh.tbl->buckets : NULL;
	t->mask = t->records ? t->records->hh.tbl->num_buckets - 1 : 0;
}

void store_add(struct store *s, struct record *r)
{
	struct table *t = &s->tables[table_of(r->id)];
	struct key key = key_of(r);

	store_tell(s, r);
	HASH_ADD_BYHASHVALUE(hh, t->records, id, sizeof(r->id), hash_of(s, &key), r);
	table_looked_up(t);
	count(s, r, true);
	if (r->expires)
		ends_add(s, r);
	if (s->order.count && !r->deleted)
		order_added(&s->order, r);
}

/* Out of the table, not freed. */
void store_take_out(struct store *s, struct record *r)
{
	struct table *t = &s->tables[table_of(r->id)];

	store_tell(s, r);
	if (s->order.count && !r->deleted)
		order_removed(&s->order, r);
	count(s, r, false);
	if (r->expires)
		ends_remove(s, r);
	HASH_DEL(t->records, r);
	table_looked_up(t);
}

struct store *store_new(uint64_t secret)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->secret = secret;
	ends_init(s);
	return s;
}

void store_watch(struct store *s, void (*changed)(void *arg, const struct key *key), void *arg)
{
	s->changed = changed;
	s->changed_arg = arg;
}

void store_free_list(struct record *r)
{
	for (struct record *next; r; r = next) {
		next = r->hh.next;
		free(r);
	}
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < TABLES; i++) {
		struct record *r = s->tables[i].records;

		HASH_CLEAR(hh, s->tables[i].records);
		store_free_list(r);
		ends_free(&s->tables[i]);
	}
	while (s->dust_count)
		store_free_list(s->dust[--s->dust_count]);
	free(s->dust);
	for (enum mortal_kind kind = MORTAL_RECORD; kind < MORTAL_KINDS; kind++)
		heap_free(&s->ends[kind]);
	order_forget(&s->order);
	free(s);
}

size_t store_count(const struct store *s)
{
	return s->count - s->buried;
}

bool store_empty(const struct store *s)
{
	return s->count == 0;
}

size_t store_bytes(const struct store *s)
{
	return s->bytes + s->dust_bytes;
}

size_t store_item_bytes(const struct store_item *item)
{
	return block_of(item->len, item->expires != 0, item->key.name_len);
}

static const UT_hash_bucket *bucket_of(const struct store *s, const struct key *key, unsigned hash)
{
	const struct table *t = &s->tables[table_of(key->id)];

	return t->buckets ? &t->buckets[hash & t->mask] : NULL;
}

/* As HASH_FIND, which compares ids alone, and begins at the first record. */
struct record *store_find(const struct store *s, const struct key *key)
{
	unsigned hash = hash_of(s, key);
	const UT_hash_bucket *bucket = bucket_of(s, key, hash);

	for (UT_hash_handle *h = bucket ? bucket->hh_head : NULL; h; h = h->hh_next) {
		struct record *r = (struct record *)(void *)((char *)h - offsetof(struct record, hh));

		if (h->hashv == hash && is_of(r, key))
			return r;
	}
	return NULL;
}

static void fetch(const UT_hash_handle *h)
{
	__builtin_prefetch(h);
	__builtin_prefetch((const char *)h + 64); /* id and value begin there */
}

#define AHEAD 4 /* keys between two steps: the bucket, its first record, its second one */
_Static_assert(3 * AHEAD < STORE_AHEAD, "hashes are needed for three steps");

static const struct key *key_at(const struct key *first, size_t stride, size_t i)
{
	return (const struct key *)(const void *)((const char *)first + i * stride);
}

void store_ahead(const struct store *s, struct store_ahead *a, const struct key *first, size_t stride, size_t count,
		 size_t i)
{
	const UT_hash_bucket *bucket;

	if (a->next < i)
		a->next = i;
	for (; a->next < count && a->next <= i + (size_t)3 * AHEAD; a->next++) {
		const struct key *key = key_at(first, stride, a->next);

		bucket = bucket_of(s, key, a->hash[a->next % STORE_AHEAD] = hash_of(s, key));
		__builtin_prefetch(bucket);
	}
	for (unsigned step = 2; step >= 1; step--) {
		size_t at = i + (size_t)step * AHEAD;

		if (at >= count)
			continue;
		bucket = bucket_of(s, key_at(first, stride, at), a->hash[at % STORE_AHEAD]);
		if (!bucket || !bucket->hh_head)
			continue;
		if (step == 2)
			fetch(bucket->hh_head);
		else if (bucket->hh_head->hh_next)
			fetch(bucket->hh_head->hh_next);
	}
}

bool store_get(const struct store *s, struct key key, struct store_item *item)
{
	const struct record *r = store_find(s, &key);

	if (r && item)
		*item = item_of(r);
	return r != NULL;
}

static struct record *record_new(const struct store_item *item)
{
	size_t tail = (item->expires ? sizeof(struct mortal) : 0) +
		      (item->key.name_len ? sizeof(item->key.name_len) + item->key.name_len : 0);
	struct record *r = xmalloc(sizeof(*r) + item->len + tail);
	uint8_t *p = r->value + item->len;

	r->id = item->key.id;
	r->len = item->len & ((1u << 25) - 1);
	r->deleted = item->deleted;
	r->expires = item->expires != 0;
	r->named = item->key.name_len != 0;
	if (r->expires) {
		memcpy(p, &(struct mortal){.at = item->expires}, sizeof(struct mortal));
		p += sizeof(struct mortal);
	}
	if (r->named) {
		memcpy(p, &item->key.name_len, sizeof(item->key.name_len));
		memcpy(p + sizeof(item->key.name_len), item->key.name, item->key.name_len);
	}
	return r;
}

static uint32_t sum_of(const struct store_item *item)
{
	return item->deleted ? 0 : item->sum ? item->sum : key_sum(&item->key, item->value, item->len);
}

void store_put(struct store *s, const struct store_item *item)
{
	struct record *r = store_find(s, &item->key);

	if (item->len > STORE_VALUE_MAX || item->key.name_len > KEY_NAME_MAX)
		mem_die("a record beyond its bounds");
	/* A value of the same length is written in place: the usual update costs no allocation. */
	if (!r || r->len != item->len || r->deleted || item->deleted || r->expires || item->expires) {
		struct record *fresh = record_new(item);

		if (item->len)
			memcpy(fresh->value, item->value, item->len); /* which may be the old one's */
		fresh->version = item->version;
		fresh->sum = sum_of(item);
		if (r) {
			store_take_out(s, r);
			free(r);
		}
		store_add(s, fresh);
		return;
	}
	store_summed(s, r, false);
	r->version = item->version;
	r->sum = sum_of(item);
	if (item->len)
		memmove(r->value, item->value, item->len);
	store_summed(s, r, true);
	store_tell(s, r);
}

static bool heals(const struct store_item *item, const struct record *r)
{
	struct store_item own = item_of(r);

	return version_equal(item->version, r->version) && !store_sound(&own) && store_sound(item);
}

bool store_put_newer(struct store *s, const struct store_item *item)
{
	const struct record *r = store_find(s, &item->key);

	if (r && !version_newer(item->version, r->version) && !heals(item, r))
		return false;
	store_put(s, item);
	return true;
}

void store_remove(struct store *s, struct key key)
{
	struct record *r = store_find(s, &key);

	if (r) {
		store_take_out(s, r);
		free(r);
	}
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): that HASH_DEL takes a record out of the table is beyond the analyzer. */
bool store_beats(const struct store_item *one, const struct store_item *other)
{
	if (version_newer(one->version, other->version))
		return true;
	return one->deleted && !other->deleted && !version_newer(other->version, one->version);
}

static void bury(struct store *s, struct record *r, uint64_t until)
{
	struct store_item item = item_of(r);
	struct record *fresh;

	item.value = NULL;
	item.len = 0;
	item.expires = until;
	item.deleted = true;
	fresh = record_new(&item);
	fresh->sum = 0;
	fresh->version = r->version;
	store_take_out(s, r);
	free(r);
	store_add(s, fresh);
}

size_t store_expire(struct store *s, uint64_t now, uint64_t until, size_t most,
		    void (*gone)(void *arg, const struct key *key), void *arg)
{
	struct record *r;
	size_t done = 0;

	for (; done < most && (r = ends_first(s, MORTAL_RECORD)) && mortal_of(r).at <= now; done++) {
		struct key old = key_of(r), key = key_copy(&old);

		bury(s, r, until);
		gone(arg, &key);
		key_free(&key);
	}
	return done;
}

bool store_forget(struct store *s, uint64_t now, struct store_keep keep, size_t most)
{
	struct record *r;

	while ((r = ends_first(s, MORTAL_GRAVE)) &&
	       (s->graves > keep.count || s->buried_bytes > keep.bytes || mortal_of(r).at <= now)) {
		if (!most--)
			return false;
		store_take_out(s, r);
		free(r);
	}
	return true;
}

uint64_t store_next_end(const struct store *s)
{
	const struct heap *ends = &s->ends[MORTAL_RECORD], *graves = &s->ends[MORTAL_GRAVE];
	uint64_t end = ends->count ? ends->entries[0].at : UINT64_MAX;

	return graves->count && graves->entries[0].at < end ? graves->entries[0].at : end;
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */
