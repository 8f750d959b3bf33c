/* Times in a binary heap: which comes first.  Pure; the owner of each is told where it lies, so that it can be taken out
 * from anywhere. */
#ifndef DHT_CORE_HEAP_H
#define DHT_CORE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_entry {
	uint64_t at;
	void *owner;
};

struct heap {
	struct heap_entry *entries;
	uint32_t count, room;
	void (*moved)(void *owner, uint32_t place); /* from now on it lies there */
};

void heap_add(struct heap *h, uint64_t at, void *owner);
void heap_remove(struct heap *h, uint32_t place);
void heap_free(struct heap *h);

#endif
