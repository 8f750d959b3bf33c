#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "once-inside.h"

#define ROOM_MIN 64

/* Clients choose their names: by a hash that they can compute they would put them all into one bucket. */
static uint64_t hash_of(const struct once *o, const uint8_t *name)
{
	return XXH3_64bits_withSeed(name, ONCE_CLIENT, o->secret);
}

/* The open numbers of a client lie side by side, those of different clients anywhere: nobody can make a chain long. */
static uint32_t *bucket(struct once *o, const struct client *c, uint64_t number)
{
	return &o->buckets[((c->hash >> 32) + number) & (o->room - 1)];
}

/* Of the operations in one frame all but the first find their client at the end of the list. */
struct client *once_client_find(const struct once *o, const uint8_t *name)
{
	struct client *c = o->silent ? o->silent->prev : NULL;
	unsigned hash;

	if (c && memcmp(c->name, name, ONCE_CLIENT) == 0)
		return c;
	hash = (unsigned)hash_of(o, name);
	HASH_FIND_BYHASHVALUE(hh, o->clients, name, ONCE_CLIENT, hash, c);
	return c;
}

struct client *once_client_add(struct once *o, const uint8_t *name, uint64_t first)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->hash = hash_of(o, name);
	c->first = first;
	c->era = o->era;
	memcpy(c->name, name, ONCE_CLIENT);
	HASH_ADD_BYHASHVALUE(hh, o->clients, name, ONCE_CLIENT, (unsigned)c->hash, c);
	DL_APPEND(o->silent, c);
	once_tell(o, c, 0);
	return c;
}

void once_client_touch(struct once *o, struct client *c)
{
	c->era = o->era;
	if (c == o->silent->prev)
		return;
	DL_DELETE(o->silent, c);
	DL_APPEND(o->silent, c);
}

uint32_t once_row_find(struct once *o, const struct client *c, uint64_t number)
{
	uint32_t i = o->room ? *bucket(o, c, number) : 0;

	while (i && (o->rows[i].number != number || o->rows[i].client != c))
		i = o->rows[i].chain;
	return i;
}

static void link_row(struct once *o, uint32_t i)
{
	uint32_t *b = bucket(o, o->rows[i].client, o->rows[i].number);

	o->rows[i].chain = *b;
	*b = i;
}

static void grow(struct once *o)
{
	o->room = o->room ? o->room * 2 : ROOM_MIN;
	o->rows = xrealloc(o->rows, ((size_t)o->room + 1) * sizeof(*o->rows));
	free(o->buckets);
	o->buckets = xcalloc(o->room, sizeof(*o->buckets));
	for (const struct client *c = o->silent; c; c = c->next)
		for (uint32_t i = c->oldest; i; i = o->rows[i].later)
			link_row(o, i);
}

void once_row_add(struct once *o, struct client *c, uint64_t number, uint32_t id, const struct once_answer *answer)
{
	uint32_t i = o->spare;

	if (i) {
		o->spare = o->rows[i].later;
	} else {
		if (o->fresh > o->room)
			grow(o);
		i = o->fresh++;
	}
	o->rows[i] = (struct row){.client = c, .number = number, .answer = *answer, .id = id};
	link_row(o, i);
	if (c->newest)
		o->rows[c->newest].later = i;
	else
		c->oldest = i;
	c->newest = i;
	c->row_count++;
	o->row_count++;
	once_tell(o, c, number);
}

/* The caller has taken it out of its client's list. */
static void free_row(struct once *o, uint32_t i)
{
	uint32_t *at = bucket(o, o->rows[i].client, o->rows[i].number);

	once_tell(o, o->rows[i].client, o->rows[i].number);
	while (*at != i)
		at = &o->rows[*at].chain;
	*at = o->rows[i].chain;
	o->rows[i].client->row_count--;
	o->rows[i].later = o->spare;
	o->spare = i;
	o->row_count--;
}

static void free_oldest(struct once *o, struct client *c)
{
	uint32_t i = c->oldest;

	c->oldest = o->rows[i].later;
	if (!c->oldest)
		c->newest = 0;
	free_row(o, i);
}

/* Rows leave in the order in which they came.  One that the client is through with stays behind one that it is not: it is
 * never asked for, and to look for it would make each write as long as what is open. */
void once_rows_done(struct once *o, struct client *c, uint64_t first)
{
	if (first <= c->first)
		return;
	c->first = first;
	once_tell(o, c, 0);
	while (c->oldest && o->rows[c->oldest].number < first)
		free_oldest(o, c);
}

bool once_rows_free(struct once *o, struct client *c, bool (*goes)(const struct row *r, const void *arg),
		    const void *arg)
{
	uint32_t *at = &c->oldest, before = c->row_count;

	c->newest = 0;
	while (*at) {
		uint32_t i = *at;

		if (goes(&o->rows[i], arg)) {
			*at = o->rows[i].later;
			free_row(o, i);
		} else {
			c->newest = i;
			at = &o->rows[i].later;
		}
	}
	return c->row_count < before;
}

void once_client_drop(struct once *o, struct client *c)
{
	while (c->oldest)
		free_oldest(o, c);
	once_tell(o, c, 0);
	/* A client that is here is in the table as well: beyond the analyzer.  NOLINTNEXTLINE(clang-analyzer-*) */
	HASH_DELETE(hh, o->clients, c);
	DL_DELETE(o->silent, c);
	free(c);
}

void once_table_clear(struct once *o)
{
	struct client *c = o->silent, *next;

	HASH_CLEAR(hh, o->clients);
	for (; c; c = next) {
		next = c->next;
		once_tell(o, c, 0);
		for (uint32_t i = c->oldest; i; i = o->rows[i].later)
			once_tell(o, c, o->rows[i].number);
		free(c);
	}
	o->silent = NULL;
	free(o->rows);
	free(o->buckets);
	o->rows = NULL;
	o->buckets = NULL;
	o->room = o->spare = o->row_count = 0;
	o->fresh = 1;
}
