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

/* What comes to its end by the clock. */
enum mortal_kind { MORTAL_RECORD, MORTAL_GRAVE, MORTAL_KINDS };

/* ... in one table. */
struct ends {
	struct heap records;
	uint32_t place; /* behind its own among the tables of the store; 0: nothing ends */
};

/* What is counted over all of them is counted in each, and what ends is in order in each, so that a whole one comes and goes
 * at once. */
struct table {
	struct record *records;
	/* uthash's own, as they are now: the way there by the first record is three waits for memory long. */
	const UT_hash_bucket *buckets;
	unsigned mask;
	size_t bytes, buried_bytes;
	uint32_t buried; /* tombstones */
	struct ends ends[MORTAL_KINDS];
};

struct store {
	struct table tables[TABLES]; /* by the first bits of the id */
	uint64_t secret;
	size_t count;  /* tombstones among them */
	size_t buried; /* tombstones */
	size_t bytes, buried_bytes;
	struct record **dust; /* lists of what was purged and is not freed yet */
	size_t dust_count, dust_room, dust_bytes;
	struct store_sum sum;           /* of an arc, kept as its records change */
	struct heap ends[MORTAL_KINDS]; /* of tables, by what ends first in each */
	size_t graves;                  /* tombstones with an end */
	struct order order;             /* what is being listed */
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

/* Those tables themselves. */
struct tables {
	unsigned table, left; /* the present one among them */
};

static inline struct tables tables_near(struct arc arc)
{
	unsigned first = table_of(arc.lo + 1), last = table_of(arc.hi);
	struct tables t = {first, (last - first) % TABLES + 1};

	/* It ends in the table in which it begins, behind all the others. */
	if (first == last && (arc.lo == arc.hi || arc.lo + 1 > arc.hi))
		t.left = TABLES;
	return t;
}

static inline void tables_next(struct tables *t)
{
	t->table = (t->table + 1) % TABLES;
	t->left--;
}

static inline struct walk walk_near(const struct store *s, struct arc arc)
{
	struct tables t = tables_near(arc);

	return (struct walk){s, t.table, t.left, NULL};
}

static inline struct walk walk_table(const struct store *s, unsigned table)
{
	return (struct walk){s, table, 1, NULL};
}

/* Does the arc hold every id of that table? */
static inline bool is_whole(struct arc arc, unsigned table)
{
	uint32_t first = table << (32 - TABLE_BITS), last = first | (UINT32_MAX >> TABLE_BITS);

	if (arc.lo == arc.hi)
		return true;
	/* Not if it ends and begins again within. */
	return ring_contains(arc, first) && ring_contains(arc, last) &&
	       !(table_of(arc.lo) == table && table_of(arc.hi) == table);
}

static inline struct walk walk_all(const struct store *s)
{
	return (struct walk){s, 0, TABLES, NULL};
}

static inline struct record *walk_next(struct walk *w)
{
	struct record *r = w->next;

	while (!r && w->left) {
		r = w->s->tables[w->table].records;
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

/* ---- store.c ---- */
struct record *store_find(const struct store *s, const struct key *key); /* NULL: there is none */
void store_add(struct store *s, struct record *r);
void store_take_out(struct store *s, struct record *r); /* not freed */
void store_free_list(struct record *r);                 /* it and what comes behind it */
void store_tell(const struct store *s, const struct record *r);
void store_summed(struct store *s, const struct record *r, bool in);

/* ---- store-ends.c ---- */
void ends_init(struct store *s);
void ends_add(struct store *s, struct record *r); /* one that ends */
void ends_remove(struct store *s, const struct record *r);
void ends_leave(struct store *s, struct table *t); /* the whole table does, and what is in it */
void ends_come(struct store *s, struct table *t);
void ends_free(struct table *t);
struct record *ends_first(const struct store *s, enum mortal_kind kind); /* NULL: none ends */

#endif
