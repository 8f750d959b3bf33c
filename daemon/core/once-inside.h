/* What the memory of writes is made of: once.c has the rules, once-table.c the clients and their rows. */
#ifndef DHT_ONCE_INSIDE_H
#define DHT_ONCE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../common/mem.h"
#include "horizon.h"
#include "once.h"

/* Exhausted memory ends the process, here as everywhere. */
#define uthash_fatal(what) mem_die(what)
#include <uthash.h>
#include <utlist.h>

/* All rows of all clients lie in one pool, and are found by one table of chains.  An array for each client, indexed by the
 * number, would be as empty as the ring is large, since a client's numbers go to all owners. */
struct row {
	struct client *client;
	uint64_t number;
	struct once_answer answer;
	uint32_t id;
	uint32_t chain; /* the next in its bucket; rows are counted from 1 */
	uint32_t later; /* the client's next, in the order in which they came; of a spare one, the next spare */
};

struct client {
	UT_hash_handle hh;
	struct client *prev, *next; /* by activity, the longest silent first */
	uint64_t hash;
	uint64_t first;
	uint64_t era; /* marks made until it was last heard */
	uint32_t oldest, newest, row_count;
	uint8_t name[ONCE_CLIENT];
};

/* The tokens of all arcs, as they were once.  Who has not been heard since has no version above them. */
struct mark {
	uint64_t era; /* it was the era'th; 0: none is made */
	uint64_t when;
	bool spent; /* the horizon has risen to it */
	struct horizon map;
};

struct once {
	struct once_limits limits;
	uint64_t secret;
	struct client *clients; /* the table */
	struct client *silent;  /* the list */
	struct row *rows;       /* 0 is not used */
	uint32_t *buckets;      /* as many as rows */
	uint32_t room, fresh, spare, row_count;
	struct horizon horizon;
	uint64_t era;
	struct mark mark, next; /* old enough; not yet */
	uint64_t forgotten, crowded_out;
	void (*changed)(void *arg, const uint8_t *client, uint64_t number);
	void *changed_arg;
};

/* Whoever keeps a picture of it elsewhere is told. number 0: of the client's entry. */
static inline void once_tell(const struct once *o, const struct client *c, uint64_t number)
{
	if (o->changed)
		o->changed(o->changed_arg, c->name, number);
}

/* Clients are found by name, and are in the order in which they were last heard. */
struct client *once_client_find(const struct once *o, const uint8_t *name);
struct client *once_client_add(struct once *o, const uint8_t *name, uint64_t first);
void once_client_touch(struct once *o, struct client *c); /* it has been heard now */
void once_client_drop(struct once *o, struct client *c);  /* and its rows */

/* Rows are numbered from 1; 0 is none. */
uint32_t once_row_find(struct once *o, const struct client *c, uint64_t number);
void once_row_add(struct once *o, struct client *c, uint64_t number, uint32_t id, const struct once_answer *answer);

/* The client's rows of which goes() says so, wherever they lie; true if there were any. */
bool once_rows_free(struct once *o, struct client *c, bool (*goes)(const struct row *r, const void *arg),
		    const void *arg);

/* The client is through with all below: those of its rows go that no later one is behind. */
void once_rows_done(struct once *o, struct client *c, uint64_t first);

void once_table_clear(struct once *o);

#endif
