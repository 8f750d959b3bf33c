#include "key.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "mem.h"

struct key key_named(const uint8_t *name, size_t len)
{
	if (!name || len == 0 || len > KEY_NAME_MAX)
		mem_die("a name of no length, or beyond its bound");
	return (struct key){.id = XXH32(name, len, 0), .name_len = (uint32_t)len, .name = name};
}

bool key_equal(const struct key *a, const struct key *b)
{
	return a->id == b->id && a->name_len == b->name_len &&
	       (!a->name_len || memcmp(a->name, b->name, a->name_len) == 0);
}

uint32_t key_sum(const struct key *key, const uint8_t *value, size_t len)
{
	uint64_t seed = key->name_len ? XXH3_64bits_withSeed(key->name, key->name_len, key->id) : key->id;
	uint32_t sum = (uint32_t)XXH3_64bits_withSeed(value, len, seed);

	return sum ? sum : 1;
}

struct key key_copy(const struct key *key)
{
	struct key copy = *key;

	copy.name = key->name_len ? xmemdup(key->name, key->name_len) : NULL;
	return copy;
}

void key_free(struct key *key)
{
	free((void *)(uintptr_t)key->name);
	key->name = NULL;
}
