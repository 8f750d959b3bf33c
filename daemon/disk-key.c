#include "disk-key.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t disk_salt(const char *name)
{
	return XXH3_64bits(name, strlen(name));
}

uint64_t disk_sum(uint64_t salt, struct disk_bytes key, struct disk_bytes value)
{
	return XXH3_64bits_withSeed(value.at, value.len, XXH3_64bits_withSeed(key.at, key.len, salt));
}

void disk_key_store(uint64_t seed, struct disk_bytes key, uint8_t out[DISK_KEY_STORED])
{
	memcpy(out, key.at, DISK_KEY_PREFIX);
	disk_key_hash(seed, key, out + DISK_KEY_PREFIX);
}

bool disk_chain_next(struct disk_bytes *rest, struct disk_link *link)
{
	uint32_t key_len, value_len;

	if (rest->len < DISK_LINK_HEAD)
		return false;
	memcpy(&link->sum, rest->at, 8);
	memcpy(&key_len, rest->at + 8, 4);
	memcpy(&value_len, rest->at + 12, 4);
	if (key_len <= DISK_KEY_SHORT || (uint64_t)key_len + value_len > rest->len - DISK_LINK_HEAD)
		return false;
	link->key = (struct disk_bytes){rest->at + DISK_LINK_HEAD, key_len};
	link->value = (struct disk_bytes){link->key.at + key_len, value_len};
	rest->at = link->value.at + value_len;
	rest->len -= DISK_LINK_HEAD + (size_t)key_len + value_len;
	return true;
}

static uint8_t *append(uint8_t *out, uint64_t sum, struct disk_bytes key, struct disk_bytes value)
{
	uint32_t key_len = (uint32_t)key.len, value_len = (uint32_t)value.len;

	memcpy(out, &sum, 8);
	memcpy(out + 8, &key_len, 4);
	memcpy(out + 12, &value_len, 4);
	memcpy(out + DISK_LINK_HEAD, key.at, key.len);
	if (value.len > 0)
		memcpy(out + DISK_LINK_HEAD + key.len, value.at, value.len);
	return out + DISK_LINK_HEAD + key.len + value.len;
}

size_t disk_chain_set(uint64_t salt, struct disk_bytes old, struct disk_bytes key, const struct disk_bytes *value,
		      uint8_t *out)
{
	uint8_t *end = out;
	struct disk_link link;

	while (disk_chain_next(&old, &link))
		if (link.key.len != key.len || memcmp(link.key.at, key.at, key.len) != 0)
			end = append(end, link.sum, link.key, link.value);
	if (value)
		end = append(end, disk_sum(salt, key, *value), key, *value);
	if (old.len > 0) {
		memcpy(end, old.at, old.len);
		end += old.len;
	}
	return (size_t)(end - out);
}
