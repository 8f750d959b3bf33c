/* Records in memory: uthash tables by 32-bit id, each of an equal part of the ring, one allocation a record.  They grow one
 * by one, so that no put waits for millions of records to be moved, and what is asked about an arc looks at that arc only.
 *
 * A key is a number, the id itself, or a name whose id others have worked out; several names, and a number, may share
 * one id.  What was deleted stays as a record without a value for as long as its owner wants, so that no older copy
 * takes its place; nothing here knows the time. */
#ifndef DHT_STORE_H
#define DHT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/key.h"
#include "../../common/ring.h"
#include "../../common/version.h"

#define STORE_VALUE_MAX (16u << 20)

struct store;

/* What a caller sees of a record, and gives of one; everything in it is borrowed until the record changes. */
struct store_item {
	struct key key;
	struct version version;
	const uint8_t *value;
	size_t len;       /* at most STORE_VALUE_MAX */
	uint64_t expires; /* a time of the caller's, 0: never */
	bool deleted;     /* a tombstone: no value */
	uint32_t sum;     /* key_sum() as it was told when it was put; to put: 0, and it is worked out */
};

/* Are these the bytes that were put?  A tombstone always is. */
bool store_sound(const struct store_item *item);

/* secret keys the table's hash; nothing else depends on it. */
struct store *store_new(uint64_t secret);
void store_free(struct store *s);

/* From here on `changed` is told the key of each record that comes, changes or goes, perhaps more than once; what there is
 * by then is asked later (store_get).  To keep a picture of it elsewhere. */
void store_watch(struct store *s, void (*changed)(void *arg, const struct key *key), void *arg);
size_t store_count(const struct store *s); /* without tombstones */
bool store_empty(const struct store *s);   /* no tombstone either */

/* What all records take of memory, tombstones and the tables' share among them: a sum that depends on their keys, lengths and
 * ends alone. */
size_t store_bytes(const struct store *s);
size_t store_item_bytes(const struct store_item *item); /* what one adds to it */
/* About how much of it lies in the arc; some ten thousand records are looked at, at most. */
size_t store_arc_bytes(const struct store *s, struct arc arc);

/* True if there is a record, a tombstone among them; item may be NULL. */
bool store_get(const struct store *s, struct key key, struct store_item *item);

#define STORE_AHEAD 16

/* How far somebody has looked ahead; all zero at first. */
struct store_ahead {
	size_t next;                /* key whose hash is not known yet */
	unsigned hash[STORE_AHEAD]; /* of those before it, each at its number modulo STORE_AHEAD */
};

/* For who asks for one key after the other, of `count` that lie `stride` bytes apart: with the i-th, fetches what is on the
 * way to the records of some behind it, so that nobody waits for memory then.  Among 100,000 records that wait is most of
 * what finding one costs. */
void store_ahead(const struct store *s, struct store_ahead *a, const struct key *first, size_t stride, size_t count,
		 size_t i);

/* Puts a copy, whatever was there. */
void store_put(struct store *s, const struct store_item *item);

/* Puts a copy if there is none or an older one, or one of that version that is not sound, where this one is; true if it did. */
bool store_put_newer(struct store *s, const struct store_item *item);

void store_remove(struct store *s, struct key key);

/* Removes every record in the arc; returns how many values there were.  Most of their memory is given back by store_sweep(), so
 * many records at a time, and counts as theirs until then; true: all is. */
size_t store_purge(struct store *s, struct arc arc);
bool store_sweep(struct store *s, size_t most);

/* The ids of the arc's numbers that have a value, in no particular order; allocated (NULL if none), caller frees. */
uint32_t *store_ids(const struct store *s, struct arc arc, size_t *count);

/* All keys in the arc, tombstones among them, in no particular order; the array and every name in it are allocated (key_free). */
struct key *store_keys(const struct store *s, struct arc arc, size_t *count);

/* What is still to be looked at of an arc. */
struct store_rest {
	bool left; /* there is something */
	struct arc arc;
};

/* So many of its keys at least, if there are, as it takes long to look at all of a large one. */
struct key *store_keys_on(const struct store *s, struct store_rest *rest, size_t least, size_t *count);

/* How many records the arc holds, tombstones among them. */
uint64_t store_arc_count(const struct store *s, struct arc arc);

/* Each record in the arc, tombstones among them, in no particular order, until one call says false.  Nothing may be changed
 * meanwhile. */
void store_each(const struct store *s, struct arc arc, bool (*each)(void *arg, const struct store_item *item),
		void *arg);

/* Ids are in parts, each a table: the last id of its part. */
uint32_t store_part_end(uint32_t id);

/* Some of what is in one part: behind a position (of a number with all of its id; behind a name) and up to an id, both in
 * that part. */
struct store_range {
	struct key from;
	uint32_t to;
	const uint8_t *prefix; /* of names; numbers are left out then */
	size_t prefix_len;     /* 0: none, and everything is meant */
};

#define STORE_PART_MAX 1024
#define STORE_PART_MANY 8192 /* of so many in a part some are kept in order while they are listed */

/* The smallest of them that have a value, ascending as listings are (page.h), at most `most` and STORE_PART_MAX; their
 * number.  *all: there are no others, else they lie behind the last one, which is there.  *looked is raised by how many
 * records it took.  One pass over the part at most, and nothing is allocated for a record. */
size_t store_part(struct store *s, const struct store_range *range, struct store_item *items, size_t most, bool *all,
		  size_t *looked);

/* Nobody lists any more: what is kept in order goes, 2 MiB at most. */
void store_unlisted(struct store *s);

/* Does one take the place of another of its key, where copies meet?  Of one version the tombstone has been told. */
bool store_beats(const struct store_item *one, const struct store_item *other);

/* Moves every record of from into to where it beats what is there; from is empty afterwards. */
void store_merge(struct store *to, struct store *from);

/* ... of every record in the arc, and the others stay; returns how many there were. */
size_t store_move(struct store *to, struct store *from, struct arc arc);

/* Makes every version older than any of a living ring: terms are taken off, the order among them stays. */
void store_demote(struct store *s);

/* How many records the arc holds, tombstones among them, and the sum of their hashes: equal for equal copies.  When a
 * record expires is not part of it: each node counts by its own clock. */
void store_digest(const struct store *s, struct arc arc, uint64_t *count, uint64_t *hash);

/* The same of one arc while its records change: from its beginning on, up to one id behind the other, and told when the last
 * is its end. */
struct store_sum {
	bool on, begun;
	struct arc done;
	uint64_t count, hash;
};
void store_sum_begin(struct store *s, struct arc arc);
void store_sum_on(struct store *s, uint32_t hi);
void store_sum_end(struct store *s, uint64_t *count, uint64_t *hash);

/* The same over what has a value, by the bytes that are there now; and how many of these are not sound, of each of which bad()
 * is told (nothing may be changed meanwhile). */
struct store_checked {
	uint64_t count, bytes, hash, bad;
};
struct store_checked store_check(const struct store *s, struct arc arc,
				 void (*bad)(void *arg, const struct store_item *item), void *arg);

/* 64 bits that depend on key, version and value; sums of them compare copies of an arc whatever their order. */
uint64_t store_item_hash(const struct store_item *item);

/* Of the records whose time is up, at most so many, the earliest first: they become tombstones until `until`, of which
 * gone() is told.  Returns how many there were. */
size_t store_expire(struct store *s, uint64_t now, uint64_t until, size_t most,
		    void (*gone)(void *arg, const struct key *key), void *arg);

/* How many tombstones are to stay, and how much they may take. */
struct store_keep {
	size_t count, bytes;
};

/* Of the tombstones whose time is up or that are more than `keep`, at most so many go, the earliest first.  False: there
 * are more of these. */
bool store_forget(struct store *s, uint64_t now, struct store_keep keep, size_t most);
uint64_t store_next_end(const struct store *s); /* of a record or a tombstone; UINT64_MAX: none */

#endif
