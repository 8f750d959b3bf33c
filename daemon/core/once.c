#include "once.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../common/mem.h"

/* Exhausted memory ends the process, here as everywhere. */
#define uthash_fatal(what) mem_die(what)
#include <uthash.h>
#include <utlist.h>

#define ROOM_MIN 64
#define WHOLE ((struct arc){0, 0})

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
};

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

static void forget_all(struct once *o)
{
	struct client *c = o->silent, *next;

	HASH_CLEAR(hh, o->clients);
	for (; c; c = next) {
		next = c->next;
		free(c);
	}
	o->silent = NULL;
	free(o->rows);
	free(o->buckets);
	o->rows = NULL;
	o->buckets = NULL;
	o->room = o->spare = o->row_count = 0;
	o->fresh = 1;
	horizon_init(&o->horizon, o->limits.pieces, HORIZON_UNKNOWN);
	/* The first mark stands for a time when nobody had been here: it needs no horizon to rise. */
	o->era = 1;
	o->mark = (struct mark){.era = 1};
	horizon_init(&o->mark.map, o->limits.pieces, (struct version){0, 0});
	o->next = (struct mark){0};
}

struct once *once_new(uint64_t secret, const struct once_limits *limits)
{
	struct once *o = xcalloc(1, sizeof(*o));

	o->limits = limits ? *limits : ONCE_LIMITS;
	assert(o->limits.clients && o->limits.clients <= ONCE_LIMITS.clients);
	assert(o->limits.rows && o->limits.rows <= ONCE_LIMITS.rows && o->limits.window);
	o->secret = secret;
	forget_all(o);
	return o;
}

void once_free(struct once *o)
{
	if (!o)
		return;
	forget_all(o);
	free(o);
}

void once_clear(struct once *o)
{
	forget_all(o);
}

/* Of the operations in one frame all but the first find their client at the end of the list. */
static struct client *find(const struct once *o, const uint8_t *name, uint64_t hash)
{
	struct client *c = o->silent ? o->silent->prev : NULL;

	if (c && memcmp(c->name, name, ONCE_CLIENT) == 0)
		return c;
	HASH_FIND_BYHASHVALUE(hh, o->clients, name, ONCE_CLIENT, (unsigned)hash, c);
	return c;
}

static struct client *add_client(struct once *o, const uint8_t *name, uint64_t hash, uint64_t first)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->hash = hash;
	c->first = first;
	c->era = o->era;
	memcpy(c->name, name, ONCE_CLIENT);
	HASH_ADD_BYHASHVALUE(hh, o->clients, name, ONCE_CLIENT, (unsigned)hash, c);
	DL_APPEND(o->silent, c);
	return c;
}

static void touch(struct once *o, struct client *c)
{
	c->era = o->era;
	if (c == o->silent->prev)
		return;
	DL_DELETE(o->silent, c);
	DL_APPEND(o->silent, c);
}

static uint32_t find_row(struct once *o, const struct client *c, uint64_t number)
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

static void add_row(struct once *o, struct client *c, uint64_t number, uint32_t id, const struct once_answer *answer)
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
}

/* The caller has taken it out of its client's list. */
static void free_row(struct once *o, uint32_t i)
{
	uint32_t *at = bucket(o, o->rows[i].client, o->rows[i].number);

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
static void raise_first(struct once *o, struct client *c, uint64_t first)
{
	if (first <= c->first)
		return;
	c->first = first;
	while (c->oldest && o->rows[c->oldest].number < first)
		free_oldest(o, c);
}

/* Where nothing else makes room it is looked for all the same; true if there was any. */
static bool free_done(struct once *o, struct client *c)
{
	uint32_t *at = &c->oldest, before = c->row_count;

	c->newest = 0;
	while (*at) {
		uint32_t i = *at;

		if (o->rows[i].number >= c->first) {
			c->newest = i;
			at = &o->rows[i].later;
			continue;
		}
		*at = o->rows[i].later;
		free_row(o, i);
	}
	return c->row_count < before;
}

static void drop_client(struct once *o, struct client *c)
{
	while (c->oldest)
		free_oldest(o, c);
	/* A client that is here is in the table as well: beyond the analyzer.  NOLINTNEXTLINE(clang-analyzer-*) */
	HASH_DELETE(hh, o->clients, c);
	DL_DELETE(o->silent, c);
	free(c);
}

static bool over(const struct once *o, uint32_t clients, uint32_t rows)
{
	return HASH_COUNT(o->clients) > clients || o->row_count > rows;
}

/* The client silent longest goes, if it has been silent since the mark. */
static bool forget_client(struct once *o)
{
	if (!o->silent || o->silent->era >= o->mark.era)
		return false;
	if (!o->mark.spent)
		horizon_join(&o->horizon, &o->mark.map);
	o->mark.spent = true;
	o->forgotten++;
	drop_client(o, o->silent);
	return true;
}

/* Who has as many rows as are left for all others waits: however many are greedy, there is room for whoever has few.  But
 * not with its lowest open number, as its own rows go when that is done. */
static bool has_share(const struct once *o, const struct client *c, bool lowest)
{
	return o->row_count < o->limits.rows && (lowest || !c || c->row_count < o->limits.rows - o->row_count);
}

/* Who is remembered needs room for a row alone: behind a handover there may be more clients than that, and were all of them
 * to wait until others are silent none would be, as they ask on.  Nor does a lowest number wait for what is there too much
 * since a handover: those rows may be waiting for it. */
static bool find_room(struct once *o, struct client *c, bool lowest)
{
	uint32_t clients = c ? UINT32_MAX : o->limits.clients - 1;

	while (HASH_COUNT(o->clients) > clients || !has_share(o, c, lowest))
		if (!(lowest && c && free_done(o, c)) && !forget_client(o))
			return HASH_COUNT(o->clients) <= clients && lowest && o->row_count < 2 * o->limits.rows;
	return true;
}

/* All that was executed in the arc is not above its present token, so no horizon there need be; one is that was raised to
 * what nobody knows, or joined with a neighbour's.  Before a token is told of the arc: it is to be good for all of it. */
static void settle(struct once *o, const struct once_arc *here)
{
	if (version_newer(horizon_greatest(&o->horizon, here->arc), here->token))
		horizon_lower(&o->horizon, here->arc, here->token);
}

/* Against a horizon that could not come down either, for want of pieces, the present token stands. */
static bool good(const struct once *o, const struct once_write *w, const struct once_arc *here)
{
	/* A token above the present one was not told here: a version given out for the write need not be above it. */
	return w->bears == ONCE_BEARS_OURS && !version_newer(w->token, here->token) &&
	       (!version_newer(here->token, w->token) || !version_newer(horizon_at(&o->horizon, w->id), w->token));
}

enum once_verdict once_look(struct once *o, const struct once_write *w, const struct once_arc *here,
			    struct once_answer *answer)
{
	struct client *c = find(o, w->client, hash_of(o, w->client));
	uint64_t first = w->first;
	uint32_t i = 0;

	assert(ring_contains(here->arc, w->id));
	settle(o, here);
	if (c) {
		touch(o, c);
		raise_first(o, c, first);
		first = c->first;
	}
	/* Before anything else: what `first` has passed may have been executed, and its row is gone. */
	if (!w->number || w->number < first || w->number - first >= o->limits.window)
		return ONCE_IGNORED;
	/* A row answers whatever token the write bears by now: it was good when it was executed. */
	if (c)
		i = find_row(o, c, w->number);
	if (i && o->rows[i].id != w->id)
		return ONCE_UNKNOWN; /* a number used twice: that client is past help */
	if (i) {
		*answer = o->rows[i].answer;
		return ONCE_KNOWN;
	}
	if (w->bears == ONCE_BEARS_NONE)
		return ONCE_TOKEN;
	if (!good(o, w, here))
		return ONCE_UNKNOWN;
	return find_room(o, c, w->number == first) ? ONCE_NEW : ONCE_FULL;
}

void once_done(struct once *o, const struct once_write *w, const struct once_answer *answer)
{
	uint64_t hash = hash_of(o, w->client);
	struct client *c = find(o, w->client, hash);

	if (!c)
		c = add_client(o, w->client, hash, w->first);
	touch(o, c); /* a mark made since once_look would be below this write's version */
	assert(w->number >= c->first && !find_row(o, c, w->number));
	add_row(o, c, w->number, w->id, answer);
}

bool once_mark_due(const struct once *o, uint64_t now)
{
	return !o->next.era || now - o->next.when >= o->limits.silence;
}

void once_mark(struct once *o, uint64_t now, const struct once_arc *arcs, size_t count)
{
	if (!once_mark_due(o, now))
		return;
	if (o->next.era)
		o->mark = o->next;
	o->next = (struct mark){.era = ++o->era, .when = now};
	horizon_init(&o->next.map, o->limits.pieces, HORIZON_UNKNOWN);
	for (size_t i = 0; i < count; i++)
		horizon_set(&o->next.map, arcs[i].arc, arcs[i].token);
}

void once_own(struct once *o, const struct once_arc *here)
{
	horizon_raise(&o->horizon, here->arc, (struct version){here->token.number, 0});
	horizon_lower(&o->horizon, here->arc, here->token);
	/* Whoever is forgotten by a mark that did not name the arc has no version above this token either. */
	horizon_lower(&o->mark.map, here->arc, here->token);
	if (o->next.era)
		horizon_lower(&o->next.map, here->arc, here->token);
}

void once_forget(struct once *o, struct arc arc)
{
	for (struct client *c = o->silent; c; c = c->next) {
		uint32_t *at = &c->oldest;

		c->newest = 0;
		while (*at) {
			uint32_t i = *at;

			if (ring_contains(arc, o->rows[i].id)) {
				*at = o->rows[i].later;
				free_row(o, i);
			} else {
				c->newest = i;
				at = &o->rows[i].later;
			}
		}
	}
	horizon_set(&o->horizon, arc, HORIZON_UNKNOWN);
}

struct version once_horizon(const struct once *o, uint32_t id)
{
	return horizon_at(&o->horizon, id);
}

struct once_count once_count(const struct once *o)
{
	return (struct once_count){HASH_COUNT(o->clients), o->row_count, o->forgotten, o->crowded_out};
}

size_t once_bytes(const struct once *o)
{
	size_t rows = o->room ? (o->room + (size_t)1) * sizeof(*o->rows) + o->room * sizeof(*o->buckets) : 0;

	return sizeof(*o) + HASH_COUNT(o->clients) * sizeof(*o->clients) + HASH_OVERHEAD(hh, o->clients) + rows;
}

struct once_share *once_give(const struct once *o, const struct once_arc *here)
{
	struct once_share *s = once_share_new(here->arc);

	for (const struct client *c = o->silent; c; c = c->next) {
		struct once_entry entry = {.first = c->first, .silent = c->era < o->mark.era};
		uint32_t index = s->entry_count;

		memcpy(entry.client, c->name, ONCE_CLIENT);
		once_share_entry(s, &entry);
		for (uint32_t i = c->oldest; i; i = o->rows[i].later) {
			const struct row *r = &o->rows[i];

			if (r->number >= c->first && ring_contains(here->arc, r->id))
				once_share_row(s, &(struct once_row){index, r->id, r->number, r->answer});
		}
	}
	horizon_copy(&s->horizon, here->arc, &o->horizon);
	horizon_lower(&s->horizon, here->arc, here->token);
	horizon_copy(&s->mark, here->arc, &o->mark.map);
	horizon_lower(&s->mark, here->arc, here->token);
	return s;
}

/* Who is heard now, or was lately by the giver, may not be forgotten by a mark that is made already. */
static struct client *take_entry(struct once *o, const struct once_entry *e)
{
	uint64_t hash = hash_of(o, e->client);
	struct client *c = find(o, e->client, hash);

	if (c) {
		raise_first(o, c, e->first);
		if (!e->silent)
			touch(o, c);
		return c;
	}
	c = add_client(o, e->client, hash, e->first);
	if (e->silent) {
		c->era = o->mark.era - 1;
		DL_DELETE(o->silent, c);
		DL_PREPEND(o->silent, c);
	}
	return c;
}

/* Rows that come cannot be ignored until there is room, as writes are: twice the bounds are borne, until clients have been
 * silent for long enough.  Beyond, clients go that have not. */
static void trim(struct once *o)
{
	while (over(o, o->limits.clients, o->limits.rows) && forget_client(o))
		;
	while (over(o, 2 * o->limits.clients, 2 * o->limits.rows)) {
		horizon_set(&o->horizon, WHOLE, HORIZON_UNKNOWN);
		o->crowded_out++;
		drop_client(o, o->silent);
	}
}

void once_take(struct once *o, const struct once_share *s)
{
	struct client **clients = xcalloc(s->entry_count, sizeof(*clients)); /* NOLINT(bugprone-sizeof-expression) */

	/* In the place of whatever stood there; and the giver's silent clients may go as the silent ones here. */
	horizon_copy(&o->horizon, s->arc, &s->horizon);
	horizon_copy(&o->mark.map, s->arc, &s->mark);
	if (o->next.era)
		horizon_copy(&o->next.map, s->arc, &s->mark);
	o->mark.spent = false;
	for (uint32_t i = 0; i < s->entry_count; i++)
		clients[i] = take_entry(o, &s->entries[i]);
	for (uint32_t i = 0; i < s->row_count; i++) {
		const struct once_row *r = &s->rows[i];
		struct client *c = clients[r->entry];

		if (r->number >= c->first && !find_row(o, c, r->number))
			add_row(o, c, r->number, r->id, &r->answer);
	}
	free(clients);
	trim(o);
}
