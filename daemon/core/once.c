#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "once-inside.h"

#define WHOLE ((struct arc){0, 0})

static void forget_all(struct once *o)
{
	once_table_clear(o);
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
	once_client_drop(o, o->silent);
	return true;
}

/* Who has as many rows as are left for all others waits: however many are greedy, there is room for whoever has few.  But
 * not with its lowest open number, as its own rows go when that is done. */
static bool has_share(const struct once *o, const struct client *c, bool lowest)
{
	return o->row_count < o->limits.rows && (lowest || !c || c->row_count < o->limits.rows - o->row_count);
}

/* One that lies behind what its client is not through with has stayed. */
static bool is_done(const struct row *r, const void *none)
{
	(void)none;
	return r->number < r->client->first;
}

/* Who is remembered needs room for a row alone: behind a handover there may be more clients than that, and were all of them
 * to wait until others are silent none would be, as they ask on.  Nor does a lowest number wait for what is there too much
 * since a handover: those rows may be waiting for it. */
static bool find_room(struct once *o, struct client *c, bool lowest)
{
	uint32_t clients = c ? UINT32_MAX : o->limits.clients - 1;

	while (HASH_COUNT(o->clients) > clients || !has_share(o, c, lowest))
		if (!(lowest && c && once_rows_free(o, c, is_done, NULL)) && !forget_client(o))
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
	struct client *c = once_client_find(o, w->client);
	uint64_t first = w->first;
	uint32_t i = 0;

	assert(ring_contains(here->arc, w->id));
	settle(o, here);
	if (c) {
		once_client_touch(o, c);
		once_rows_done(o, c, first);
		first = c->first;
	}
	/* Before anything else: what `first` has passed may have been executed, and its row is gone. */
	if (!w->number || w->number < first || w->number - first >= o->limits.window)
		return ONCE_IGNORED;
	/* A row answers whatever token the write bears by now: it was good when it was executed. */
	if (c)
		i = once_row_find(o, c, w->number);
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
	struct client *c = once_client_find(o, w->client);

	if (!c)
		c = once_client_add(o, w->client, w->first);
	once_client_touch(o, c); /* a mark made since once_look would be below this write's version */
	assert(w->number >= c->first && !once_row_find(o, c, w->number));
	once_row_add(o, c, w->number, w->id, answer);
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

static bool lies_in(const struct row *r, const void *arc)
{
	return ring_contains(*(const struct arc *)arc, r->id);
}

void once_forget(struct once *o, struct arc arc)
{
	for (struct client *c = o->silent; c; c = c->next)
		(void)once_rows_free(o, c, lies_in, &arc);
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
	struct client *c = once_client_find(o, e->client);

	if (c) {
		once_rows_done(o, c, e->first);
		if (!e->silent)
			once_client_touch(o, c);
		return c;
	}
	c = once_client_add(o, e->client, e->first);
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
		once_client_drop(o, o->silent);
	}
}

void once_follow(struct once *o, const struct once_share *s)
{
	struct client **clients = xcalloc(s->entry_count, sizeof(*clients)); /* NOLINT(bugprone-sizeof-expression) */

	for (uint32_t i = 0; i < s->entry_count; i++)
		clients[i] = take_entry(o, &s->entries[i]);
	for (uint32_t i = 0; i < s->row_count; i++) {
		const struct once_row *r = &s->rows[i];
		struct client *c = clients[r->entry];

		if (r->number >= c->first && !once_row_find(o, c, r->number))
			once_row_add(o, c, r->number, r->id, &r->answer);
	}
	free(clients);
	trim(o);
}

void once_take(struct once *o, const struct once_share *s)
{
	/* In the place of whatever stood there; and the giver's silent clients may go as the silent ones here. */
	horizon_copy(&o->horizon, s->arc, &s->horizon);
	horizon_copy(&o->mark.map, s->arc, &s->mark);
	if (o->next.era)
		horizon_copy(&o->next.map, s->arc, &s->mark);
	o->mark.spent = false;
	once_follow(o, s);
}
