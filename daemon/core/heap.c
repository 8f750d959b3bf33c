#include "heap.h"

#include <stdlib.h>

#include "../../common/mem.h"

static void put(struct heap *h, uint32_t place, struct heap_entry entry)
{
	h->entries[place] = entry;
	h->moved(entry.owner, place);
}

static void rise(struct heap *h, uint32_t place, struct heap_entry entry)
{
	while (place && h->entries[(place - 1) / 2].at > entry.at) {
		put(h, place, h->entries[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(h, place, entry);
}

static void sink(struct heap *h, uint32_t place, struct heap_entry entry)
{
	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child + 1 < h->count && h->entries[child + 1].at < h->entries[child].at)
			child++;
		if (child >= h->count || h->entries[child].at >= entry.at)
			break;
		put(h, place, h->entries[child]);
		place = child;
	}
	put(h, place, entry);
}

void heap_add(struct heap *h, uint64_t at, void *owner)
{
	if (h->count == h->room) {
		h->room = h->room ? 2 * h->room : 4;
		h->entries = xrealloc(h->entries, h->room * sizeof(*h->entries));
	}
	rise(h, h->count++, (struct heap_entry){at, owner});
}

void heap_remove(struct heap *h, uint32_t place)
{
	struct heap_entry last = h->entries[--h->count];

	if (place == h->count)
		return;
	if (place && h->entries[(place - 1) / 2].at > last.at)
		rise(h, place, last);
	else
		sink(h, place, last);
}

void heap_free(struct heap *h)
{
	free(h->entries);
	h->entries = NULL;
	h->count = h->room = 0;
}
