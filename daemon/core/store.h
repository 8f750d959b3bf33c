/* Records in memory: a uthash table by 32-bit id, one allocation a record. */
#ifndef DHT_STORE_H
#define DHT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/ring.h"

struct store;

/* (view number, counter): compared in this order, greater is newer. */
struct version {
	uint64_t number;
	uint64_t counter;
};

static inline bool version_newer(struct version a, struct version b)
{
	return a.number != b.number ? a.number > b.number : a.counter > b.counter;
}

/* What a caller sees of a record; value is borrowed until the record changes. */
struct store_item {
	uint32_t id;
	struct version version;
	const uint8_t *value;
	size_t len;
};

/* secret keys the table's hash; nothing else depends on it. */
struct store *store_new(uint64_t secret);
void store_free(struct store *s);
size_t store_count(const struct store *s);

bool store_get(const struct store *s, uint32_t id, struct store_item *item);

/* Puts a copy, whatever was there. */
void store_put(struct store *s, const struct store_item *item);

/* Puts a copy if there is none or an older one; true if it did. */
bool store_put_newer(struct store *s, const struct store_item *item);

void store_remove(struct store *s, uint32_t id);

/* Removes every record in the arc; returns how many. */
size_t store_purge(struct store *s, struct arc arc);

/* The ids in the arc, in no particular order; allocated (NULL if none), caller frees. */
uint32_t *store_ids(const struct store *s, struct arc arc, size_t *count);

/* Moves every record of from into to where it is newer; from is empty afterwards. */
void store_merge(struct store *to, struct store *from);

/* Makes every version older than any of a living ring: terms are taken off, the order among them stays. */
void store_demote(struct store *s);

/* How many records the arc holds and the sum of their hashes: equal for equal copies. */
void store_digest(const struct store *s, struct arc arc, uint64_t *count, uint64_t *hash);

/* 64 bits that depend on id, version and value; sums of them compare copies of an arc whatever their order. */
uint64_t store_item_hash(const struct store_item *item);

#endif
