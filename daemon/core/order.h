/* Records in the order of a listing, for a store (store.h): the smallest of many, found in one pass, and stretches of a part
 * that are being listed, kept in order until nobody wants them any more.  What is kept is exact: whoever adds a record to
 * the store, or takes one out, says so. */
#ifndef DHT_ORDER_H
#define DHT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/key.h"

struct record;

struct order_entry {
	uint32_t id; /* the record's: mostly it alone decides */
	struct record *record;
};

#define ORDER_KEPT 32768 /* records in a stretch: 512 KiB */
#define ORDER_STRETCHES 4

struct stretch {
	struct order_entry *entries; /* ascending; room for ORDER_KEPT */
	size_t count;
	struct key from; /* a position; its name is allocated */
	uint32_t end;    /* the last id of its part */
	bool whole;      /* up to there; else up to the last entry */
	uint64_t used;
};

/* All zero: none is kept. */
struct order {
	struct stretch stretches[ORDER_STRETCHES];
	unsigned count;
	uint64_t uses;
};

/* The store's. */
struct key order_key(const struct record *r);

/* Does a key lie behind a position: is it of that number's id or a later one, or behind that name? */
bool order_behind(const struct key *position, const struct key *key);

/* The `most` smallest of what is offered; they stand in entries, which the caller gives, ascending once it is sorted. */
struct order_pick {
	struct order_entry *entries;
	size_t count, most;
	bool left; /* there were more */
};
void order_offer(struct order_pick *p, struct record *r);
void order_sort(struct order_pick *p);

/* The stretch in which what lies behind a position begins, at entry *at; NULL: it is to be made, by order_keep, of the
 * smallest ORDER_KEPT, as allocated entries that it takes over, up to id `end`. */
struct stretch *order_find(struct order *o, const struct key *position, size_t *at);
struct stretch *order_keep(struct order *o, const struct key *position, uint32_t end, const struct order_pick *p);
void order_forget(struct order *o);

/* A record with a value has come, or is to go. */
void order_added(struct order *o, struct record *r);
void order_removed(struct order *o, struct record *r);

#endif
