#include "disk-key.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void disk_key_hash(uint64_t seed, struct disk_bytes key, uint8_t out[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(key.at, key.len, seed));
	memcpy(out, canonical.digest, 16);
}
