#include "store.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../common/mem.h"

/* Exhausted memory ends the process, here as everywhere. */
#define uthash_fatal(what) mem_die(what)
#include <uthash.h>

struct record {
	UT_hash_handle hh;
	struct version version;
	size_t len;
	uint32_t id;
	uint8_t value[];
};

struct store {
	struct record *records;
	uint64_t secret;
};

/* Clients choose the ids: by a hash that they can compute they would put them all into one bucket.  Order is that of
 * arrival, uthash's own list, so that the secret decides nothing that anybody sees. */
static unsigned hash_of(const struct store *s, uint32_t id)
{
	return (unsigned)XXH3_64bits_withSeed(&id, sizeof(id), s->secret);
}

static void add(struct store *s, struct record *r)
{
	HASH_ADD_BYHASHVALUE(hh, s->records, id, sizeof(r->id), hash_of(s, r->id), r);
}

struct store *store_new(uint64_t secret)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->secret = secret;
	return s;
}

void store_free(struct store *s)
{
	struct record *r, *next;

	if (!s)
		return;
	r = s->records;
	HASH_CLEAR(hh, s->records);
	for (; r; r = next) {
		next = r->hh.next;
		free(r);
	}
	free(s);
}

size_t store_count(const struct store *s)
{
	return HASH_COUNT(s->records);
}

static struct record *find(const struct store *s, uint32_t id)
{
	struct record *r;

	HASH_FIND_BYHASHVALUE(hh, s->records, &id, sizeof(id), hash_of(s, id), r);
	return r;
}

static struct store_item item_of(const struct record *r)
{
	return (struct store_item){.id = r->id, .version = r->version, .value = r->value, .len = r->len};
}

bool store_get(const struct store *s, uint32_t id, struct store_item *item)
{
	const struct record *r = find(s, id);

	if (r && item)
		*item = item_of(r);
	return r != NULL;
}

void store_put(struct store *s, const struct store_item *item)
{
	struct record *r = find(s, item->id);

	/* A value of the same length is written in place: the usual update costs no allocation. */
	if (!r || r->len != item->len) {
		struct record *fresh = xmalloc(sizeof(*fresh) + item->len);

		fresh->id = item->id;
		fresh->len = item->len;
		if (r) {
			HASH_DEL(s->records, r);
			free(r);
		}
		add(s, fresh);
		r = fresh;
	}
	r->version = item->version;
	if (item->len)
		memcpy(r->value, item->value, item->len);
}

bool store_put_newer(struct store *s, const struct store_item *item)
{
	const struct record *r = find(s, item->id);

	if (r && !version_newer(item->version, r->version))
		return false;
	store_put(s, item);
	return true;
}

void store_remove(struct store *s, uint32_t id)
{
	struct record *r = find(s, id);

	if (r) {
		HASH_DEL(s->records, r);
		free(r);
	}
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): that HASH_DEL takes a record out of the table is beyond the analyzer. */
size_t store_purge(struct store *s, struct arc arc)
{
	struct record *r, *next;
	size_t purged = 0;

	HASH_ITER (hh, s->records, r, next) {
		if (ring_contains(arc, r->id)) {
			HASH_DEL(s->records, r);
			free(r);
			purged++;
		}
	}
	return purged;
}

void store_demote(struct store *s)
{
	for (struct record *r = s->records; r; r = r->hh.next)
		r->version.number &= UINT32_MAX;
}

uint32_t *store_ids(const struct store *s, struct arc arc, size_t *count)
{
	const struct record *r;
	uint32_t *ids = NULL;
	size_t n = 0, room = 0;

	for (r = s->records; r; r = r->hh.next) {
		if (!ring_contains(arc, r->id))
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

void store_merge(struct store *to, struct store *from)
{
	struct record *r, *next;

	if (!to->records && to->secret == from->secret) {
		to->records = from->records;
		from->records = NULL;
		return;
	}
	HASH_ITER (hh, from->records, r, next) {
		struct record *old = find(to, r->id);

		HASH_DEL(from->records, r);
		if (old && !version_newer(r->version, old->version)) {
			free(r);
			continue;
		}
		if (old) {
			HASH_DEL(to->records, old);
			free(old);
		}
		add(to, r);
	}
}

/* NOLINTEND(clang-analyzer-unix.Malloc) */

uint64_t store_item_hash(const struct store_item *item)
{
	const uint64_t head[3] = {item->id, item->version.number, item->version.counter};

	return XXH3_64bits_withSeed(item->value, item->len, XXH3_64bits(head, sizeof(head)));
}

void store_digest(const struct store *s, struct arc arc, uint64_t *count, uint64_t *hash)
{
	*count = *hash = 0;
	for (const struct record *r = s->records; r; r = r->hh.next) {
		struct store_item item = item_of(r);

		if (!ring_contains(arc, r->id))
			continue;
		++*count;
		*hash += store_item_hash(&item);
	}
}
