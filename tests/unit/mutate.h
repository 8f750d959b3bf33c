/* Bytes that are nearly a frame. */
#ifndef DHT_TEST_MUTATE_H
#define DHT_TEST_MUTATE_H

#include <stddef.h>
#include <string.h>

#include "random.h"

/* Changes, removes, repeats or inserts some bytes; the buffer has room for 64 more. */
static inline size_t mutate(struct random *r, uint8_t *bytes, size_t len)
{
	for (uint64_t edits = 1 + random_below(r, 4); edits > 0 && len > 1; edits--) {
		size_t at = random_below(r, len);

		switch (random_below(r, 5)) {
		case 0:
			bytes[at] ^= (uint8_t)(1u << random_below(r, 8));
			break;
		case 1:
			bytes[at] = (uint8_t)random_next(r);
			break;
		case 2:
			memmove(bytes + at, bytes + at + 1, len - at - 1);
			len--;
			break;
		case 3:
			memmove(bytes + at + 1, bytes + at, len - at);
			bytes[at] = (uint8_t)random_next(r);
			len++;
			break;
		default: /* a number of 64 bits where a short one stood: lying counts */
			memmove(bytes + at + 8, bytes + at, len - at);
			bytes[at] = (uint8_t)((bytes[at] & 0xe0) | 0x1b);
			len += 8;
		}
	}
	return len;
}

#endif
