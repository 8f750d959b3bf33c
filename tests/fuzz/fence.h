/* Inputs that end where a page begins that nobody may read: libcbor itself is not instrumented. */
#ifndef DHT_FUZZ_FENCE_H
#define DHT_FUZZ_FENCE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FENCE_INPUT_MAX = 1 << 20 };

/* A copy of the input, until the next; NULL: it is too large. */
static inline const uint8_t *fence_input(const uint8_t *data, size_t size)
{
	static uint8_t *map;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!map) {
		map = mmap(NULL, FENCE_INPUT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED || mprotect(map + FENCE_INPUT_MAX, page, PROT_NONE) != 0)
			abort();
	}
	if (size > FENCE_INPUT_MAX)
		return NULL;
	if (size)
		memcpy(map + FENCE_INPUT_MAX - size, data, size);
	return map + FENCE_INPUT_MAX - size;
}

#endif
