/* A page of a listing: the value that answers `list` and `dump` (PROTOCOL.md section 11).  Pure.
 *
 * Listings go by position: ascending by id from 0 to 2^32-1; of one id its names, as bytes, ahead of its number. */
#ifndef DHT_PAGE_H
#define DHT_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key.h"
#include "version.h"

#define PAGE_BYTES (48u << 10) /* of entries in a page, unless one alone is longer */
#define PAGE_ENTRIES 1024

struct page_entry {
	struct key key; /* its name is borrowed */
	struct version version;
	uint64_t life;        /* milliseconds left; 0: for ever */
	const uint8_t *value; /* borrowed; NULL: it was not asked for */
	size_t value_len;
	bool damaged; /* in the value's place: no node has it as it was put */
};

/* Where the listing goes on. */
struct page_next {
	bool end;       /* at the end of the arc, or of the ring where that ends in it */
	struct key key; /* a number: with all of that id; a name: behind it */
};

/* Is a ahead of b? */
bool page_before(const struct key *a, const struct key *b);

/* At most that many bytes of a page. */
size_t page_entry_size(const struct page_entry *entry);

/* Allocated; *len its length. */
uint8_t *page_encode(const struct page_entry *entries, size_t count, const struct page_next *next, size_t *len);

/* NULL, or why not; *count entries, which borrow from bytes. */
const char *page_decode(struct page_entry entries[PAGE_ENTRIES], size_t *count, struct page_next *next,
			const uint8_t *bytes, size_t len);

#endif
