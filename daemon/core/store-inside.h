/* What a store is made of, for the files that are the store: store.c changes it, store-read.c looks at it. */
#ifndef DHT_STORE_INSIDE_H
#define DHT_STORE_INSIDE_H

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../common/mem.h"
#include "heap.h"
#include "order.h"
#include "store.h"

/* Exhausted memory ends the process, here as everywhere. */
#define uthash_fatal(what) mem_die(what)
/* Of a thousand tables most are small: a few records are not to cost a kilobyte. */
#define HASH_INITIAL_NUM_BUCKETS 4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U
#include <uthash.h>

/* Numbers that never expire are the many, and have no room for what the others need: that stands behind the value. */
struct record {
	UT_hash_handle hh;
	struct version version;
	uint32_t id;
	uint32_t sum;
	uint32_t len : 25; /* STORE_VALUE_MAX included */
	uint32_t deleted : 1;
	uint32_t expires : 1; /* a struct mortal follows the value */
	uint32_t named : 1;   /* an uint32_t, its length, and the name follow that */
	uint8_t value[];
};

struct mortal {
	uint64_t at;
	uint32_t place; /* in the heap */
};

#define TABLE_BITS 10 /* of ten million records some ten thousand are in one: growing takes it about a millisecond */
#define TABLES (1u << TABLE_BITS)

struct store {
	struct record *tables[TABLES]; /* by the first bits of the id */
	uint64_t secret;
	size_t count;  /* tombstones among them */
	size_t buried; /* tombstones */
	size_t bytes, buried_bytes;
	struct heap ends;   /* of the records that expire */
	struct heap graves; /* of the tombstones */
	struct order order; /* what is being listed */
	void (*changed)(void *arg, const struct key *key);
	void *changed_arg;
};

static inline unsigned table_of(uint32_t id)
{
	return id >> (32 - TABLE_BITS);
}

/* The records of the tables that an arc touches, in the order of tables and, within one, of arrival.  The one that is at
 * hand may be taken out. */
struct walk {
	const struct store *s;
	unsigned table, left; /* the next table; how many there are */
	struct record *next;  /* in the table before */
};

static inline struct walk walk_near(const struct store *s, struct arc arc)
{
	unsigned first = table_of(arc.lo + 1), last = table_of(arc.hi);
	struct walk w = {s, first, (last - first) % TABLES + 1, NULL};

	/* It ends in the table in which it begins, behind all the others. */
	if (first == last && (arc.lo == arc.hi || arc.lo + 1 > arc.hi))
		w.left = TABLES;
	return w;
}

static inline struct walk walk_all(const struct store *s)
{
	return (struct walk){s, 0, TABLES, NULL};
}

static inline struct record *walk_next(struct walk *w)
{
	struct record *r = w->next;

	while (!r && w->left) {
		r = w->s->tables[w->table];
		w->table = (w->table + 1) % TABLES;
		w->left--;
	}
	w->next = r ? r->hh.next : NULL;
	return r;
}

static inline struct mortal mortal_of(const struct record *r)
{
	struct mortal m = {0};

	if (r->expires)
		memcpy(&m, r->value + r->len, sizeof(m));
	return m;
}

static inline struct key key_of(const struct record *r)
{
	struct key key = {.id = r->id};
	const uint8_t *p = r->value + r->len + (r->expires ? sizeof(struct mortal) : 0);

	if (r->named) {
		memcpy(&key.name_len, p, sizeof(key.name_len));
		key.name = p + sizeof(key.name_len);
	}
	return key;
}

/* Beside its own allocation a record takes its share of the table's buckets, and of a heap if it has an end; both grow by
 * doubling.  Measured (tests/bench/README.md): 134 bytes for 32 of value, of which 128 are the block. */
#define TABLE_SHARE 8
#define HEAP_SHARE 24

static inline size_t block_of(size_t len, bool expires, size_t name_len)
{
	return mem_block(sizeof(struct record) + len + (expires ? sizeof(struct mortal) : 0) +
			 (name_len ? sizeof(uint32_t) + name_len : 0)) +
	       TABLE_SHARE + (expires ? HEAP_SHARE : 0);
}

static inline size_t bytes_of(const struct record *r)
{
	return block_of(r->len, r->expires, key_of(r).name_len);
}

static inline struct store_item item_of(const struct record *r)
{
	return (struct store_item){.key = key_of(r),
				   .version = r->version,
				   .value = r->value,
				   .len = r->len,
				   .expires = mortal_of(r).at,
				   .deleted = r->deleted,
				   .sum = r->sum};
}

#endif
