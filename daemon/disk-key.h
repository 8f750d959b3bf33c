/* How keys and values are stored: each value behind its checksum, long keys by prefix and hash.  Pure.
 *
 * LMDB's keys have at most 511 bytes.  A key of up to 510 is stored as it is.  A longer one is stored under 511 bytes:
 * its first 495 and 16 of a keyed hash of all of it; there stands a chain of all keys that come to the same place, each
 * whole, so that equal hashes cost time and never mix keys up. */
#ifndef DHT_DISK_KEY_H
#define DHT_DISK_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_KEY_SHORT 510u /* bytes: the longest that is stored as it is */
#define DISK_KEY_STORED 511u
#define DISK_KEY_PREFIX 495u
#define DISK_SUM 8u /* bytes of the checksum in front of a value */

struct disk_bytes {
	const uint8_t *at;
	size_t len;
};

/* A space's salt, by its name. */
uint64_t disk_salt(const char *name);

/* XXH3 over space, key and value. */
uint64_t disk_sum(uint64_t salt, struct disk_bytes key, struct disk_bytes value);

/* 16 bytes; in a file of its own, so that a test can have hashes that agree. */
void disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16]);

/* Where a key above DISK_KEY_SHORT bytes is stored. */
void disk_key_store(uint64_t seed, struct disk_bytes key, uint8_t out[DISK_KEY_STORED]);

/* One entry of a chain. */
struct disk_link {
	struct disk_bytes key, value; /* borrowed from the chain */
	uint64_t sum;
};

/* Takes the first entry off; false at the end, or where the rest makes no sense (then rest->len > 0). */
bool disk_chain_next(struct disk_bytes *rest, struct disk_link *link);

/* What a chain becomes by key's new value (value NULL: removed): length in bytes of what is written to out, which has
 * room for old.len + key.len + value->len + DISK_LINK_HEAD.  Entries that make no sense are kept, at the end. */
#define DISK_LINK_HEAD 16u
size_t disk_chain_set(uint64_t salt, struct disk_bytes old, struct disk_bytes key, const struct disk_bytes *value,
		      uint8_t *out);

#endif
