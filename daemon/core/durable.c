/* After each step: what of the durable state has changed, as one group of writes (PROTOCOL.md section 7, "With a disk").
 * Records and rows are told by their tables as they change; the rest is small, and compared with what was last told. */
#include "durable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define COUNTERS 4096u /* reserved at once */
#define ATTEMPTS 256u
#define CONNS (2u * NODE_IDENTITIES)
#define WALL_ALONE 86400000u /* ms: ... and once a day with nothing else */
#define WALL_EVERY 10000u    /* ms: the time of day is noted with whatever is written then */
#define RECORD_HEAD (1 + 9 + 9 + 9 + 1 + 5)
#define ROW_MAX (1 + 5 + 9 + 9 + 2 + 9)
#define ROW_KEY (ONCE_CLIENT + 8)

const char *const node_space_names[SPACE_COUNT] = {
	[SPACE_STATE] = "state", [SPACE_RECORDS] = "records", [SPACE_COPIES] = "copies",
	[SPACE_TAKEN] = "taken", [SPACE_ROWS] = "rows",       [SPACE_COPIED_ROWS] = "copied-rows",
};

uint64_t durable_wall(const struct node *n, uint64_t time)
{
	uint64_t wall = n->durable->wall;

	if (!time)
		return 0;
	return time < UINT64_MAX - wall ? time + wall : UINT64_MAX;
}

uint64_t durable_time(const struct node *n, uint64_t wall)
{
	return wall > n->durable->wall ? wall - n->durable->wall : wall != 0;
}

/* A clock that was set back, or has forgotten the time, does not go behind what has been seen of it. */
void durable_clock(struct node *n, const struct event *at)
{
	struct durable *d = n->durable;
	uint64_t wall;

	if (!d)
		return;
	wall = at->wall > d->reserved.wall ? at->wall : d->reserved.wall;
	d->wall = wall > at->now ? wall - at->now : 0;
}

uint64_t node_noted(const struct node *n)
{
	return n->durable ? n->durable->reserved.wall : 0;
}

/* ---- what changes ---- */

static void *room_for(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? *room * 2 : 64;
	return xrealloc(items, *room * size);
}

void durable_key_changed(struct node *n, enum node_space space, const struct key *key)
{
	struct durable *d = n->durable;
	const struct durable_key *last = d->key_count ? &d->keys[d->key_count - 1] : NULL;

	if (last && last->space == space && key_equal(&last->key, key))
		return;
	d->keys = room_for(d->keys, d->key_count, &d->key_room, sizeof(*d->keys));
	d->keys[d->key_count++] = (struct durable_key){space, key_copy(key)};
}

static void record_cb(void *arg, const struct key *key)
{
	const struct durable_watch *w = arg;

	durable_key_changed(w->n, w->space, key);
}

static void row_cb(void *arg, const uint8_t *client, uint64_t number)
{
	const struct durable_watch *w = arg;
	struct durable *d = w->n->durable;
	struct durable_row *r;

	d->rows = room_for(d->rows, d->row_count, &d->row_room, sizeof(*d->rows));
	r = &d->rows[d->row_count++];
	*r = (struct durable_row){.space = w->space, .number = number};
	memcpy(r->client, client, ONCE_CLIENT);
}

void durable_watch_store(struct node *n, enum node_space space, struct store *s)
{
	if (n->durable)
		store_watch(s, record_cb, &n->durable->watches[space]);
}

void durable_watch_once(struct node *n, enum node_space space, struct once *o)
{
	if (n->durable)
		once_watch(o, row_cb, &n->durable->watches[space]);
}

struct going {
	struct node *n;
	enum node_space space;
};

static bool goes(void *arg, const struct store_item *item)
{
	const struct going *g = arg;

	durable_key_changed(g->n, g->space, &item->key);
	return true;
}

void durable_forget_store(struct node *n, enum node_space space, const struct store *s)
{
	struct going g = {n, space};

	if (n->durable && s)
		store_each(s, (struct arc){0, 0}, goes, &g);
}

/* ---- what is told ---- */

static struct node_write *write_add(struct node *n, enum node_space space, uint8_t *key, size_t key_len)
{
	struct durable *d = n->durable;

	d->writes = room_for(d->writes, d->write_count, &d->write_room, sizeof(*d->writes));
	d->writes[d->write_count] = (struct node_write){.space = space, .key = out_own(n, key), .key_len = key_len};
	return &d->writes[d->write_count++];
}

static uint8_t *text_key(const char *text)
{
	return (uint8_t *)xstrdup(text);
}

static const struct store *store_of(const struct node *n, enum node_space space)
{
	return space == SPACE_RECORDS ? n->store : space == SPACE_COPIES ? n->copied : n->take.staging;
}

static void tell_record(struct node *n, const struct durable_key *k)
{
	const struct store *s = store_of(n, k->space);
	size_t key_len = 4 + k->key.name_len;
	uint8_t *key = xmalloc(key_len);
	struct node_write *write;
	struct store_item item;
	struct wire w;

	for (unsigned i = 0; i < 4; i++)
		key[i] = (uint8_t)(k->key.id >> (24 - 8 * i));
	if (k->key.name_len)
		memcpy(key + 4, k->key.name, k->key.name_len);
	write = write_add(n, k->space, key, key_len);
	write->remove = !s || !store_get(s, k->key, &item);
	if (write->remove)
		return;
	w = (struct wire){.p = xmalloc(RECORD_HEAD + item.len), .size = RECORD_HEAD};
	wire_put_array(&w, 5);
	wire_put_uint(&w, item.version.number);
	wire_put_uint(&w, item.version.counter);
	wire_put_uint(&w, durable_wall(n, item.expires));
	wire_put_bool(&w, item.deleted);
	wire_put_uint(&w, item.sum);
	if (item.len)
		memcpy(w.p + w.used, item.value, item.len);
	write->value = out_own(n, w.p);
	write->len = w.used + item.len;
}

static void tell_row(struct node *n, const struct durable_row *r)
{
	struct once *o = r->space == SPACE_ROWS ? n->once : n->copied_once;
	uint8_t *key = xmalloc(ROW_KEY);
	struct node_write *write = write_add(n, r->space, key, r->number ? ROW_KEY : ONCE_CLIENT);
	struct once_answer answer;
	uint64_t first = 0;
	uint32_t id = 0;
	struct wire w;

	memcpy(key, r->client, ONCE_CLIENT);
	for (unsigned i = 0; i < 8; i++)
		key[ONCE_CLIENT + i] = (uint8_t)(r->number >> (56 - 8 * i));
	write->remove = r->number ? !once_row_get(o, r->client, r->number, &id, &answer)
				  : !once_entry_get(o, r->client, &first);
	if (write->remove)
		return;
	w = (struct wire){.p = xmalloc(ROW_MAX), .size = ROW_MAX};
	if (r->number) {
		wire_put_array(&w, 5);
		wire_put_uint(&w, id);
		wire_put_uint(&w, answer.version.number);
		wire_put_uint(&w, answer.version.counter);
		wire_put_uint(&w, answer.status);
		if (answer.has_result)
			wire_put_int(&w, answer.result);
		else
			wire_put_null(&w);
	} else {
		wire_put_uint(&w, first);
	}
	write->value = out_own(n, w.p);
	write->len = w.used;
}

/* A record's last change counts: the others of this step find it the same, and are told as often. */
static void tell_tables(struct node *n)
{
	struct durable *d = n->durable;

	for (size_t i = 0; i < d->key_count; i++) {
		tell_record(n, &d->keys[i]);
		key_free(&d->keys[i].key);
	}
	for (size_t i = 0; i < d->row_count; i++)
		tell_row(n, &d->rows[i]);
	d->key_count = d->row_count = 0;
}

static void tell_item(struct node *n, enum durable_item item)
{
	struct durable *d = n->durable;
	struct codec c = {.w = {.p = d->scratch, .size = DURABLE_ROOM}};
	struct node_write *write;

	durable_code(n, item, &c);
	if (d->items[item].bytes && d->items[item].len == c.w.used &&
	    memcmp(d->items[item].bytes, d->scratch, c.w.used) == 0)
		return;
	free(d->items[item].bytes);
	d->items[item].bytes = xmemdup(d->scratch, c.w.used);
	d->items[item].len = c.w.used;
	write = write_add(n, SPACE_STATE, text_key(durable_keys[item]), strlen(durable_keys[item]));
	write->value = d->items[item].bytes; /* until it changes, which is in a later step */
	write->len = c.w.used;
}

/* What was told of writes done lies beside the copy that is not ours yet. */
static void tell_share(struct node *n)
{
	struct durable *d = n->durable;
	struct share_place at = {0};
	bool stored = n->take.phase == TAKE_STORED;
	char key[16];

	if (stored == (d->share_parts != 0))
		return;
	for (; !stored && d->share_parts; d->share_parts--) {
		snprintf(key, sizeof(key), DURABLE_SHARE_KEY, d->share_parts - 1);
		write_add(n, SPACE_STATE, text_key(key), strlen(key))->remove = true;
	}
	while (stored) {
		size_t len;
		uint8_t *bytes = share_encode(n, n->take.share, &at, &len);
		struct node_write *write;

		if (!bytes)
			break;
		snprintf(key, sizeof(key), DURABLE_SHARE_KEY, d->share_parts++);
		write = write_add(n, SPACE_STATE, text_key(key), strlen(key));
		write->value = out_own(n, bytes);
		write->len = len;
	}
}

/* What has been used up, or nearly, is reserved anew; it leaves with this step at the earliest. */
static void reserve(struct node *n)
{
	struct reserved *r = &n->durable->reserved;
	uint64_t wall = durable_wall(n, n->now);

	if (n->counter > r->counter)
		r->counter = n->counter + COUNTERS;
	if (n->attempts > r->attempts)
		r->attempts = n->attempts + ATTEMPTS;
	if (n->finds > r->finds)
		r->finds = n->finds + ATTEMPTS;
	if (n->next_conn.count + CONNS / 2 > r->conns)
		r->conns = n->next_conn.count + CONNS;
	if (wall >= r->wall + (n->durable->write_count ? WALL_EVERY : WALL_ALONE))
		r->wall = wall;
}

void durable_tell(struct node *n, struct update *update)
{
	struct durable *d = n->durable;
	bool low;

	update->writes = NULL;
	update->write_count = 0;
	if (!d)
		return;
	d->write_count = 0;
	tell_tables(n);
	tell_share(n);
	for (enum durable_item item = 0; item < DURABLE_ITEMS; item++)
		if (item != ITEM_KEPT && item != ITEM_RESERVED)
			tell_item(n, item);
	low = follow_low(n);
	if (d->write_count || low)
		tell_item(n, ITEM_KEPT);
	reserve(n);
	tell_item(n, ITEM_RESERVED);
	update->writes = d->writes;
	update->write_count = d->write_count;
}

/* ---- life ---- */

struct durable *durable_new(struct node *n)
{
	struct durable *d = xcalloc(1, sizeof(*d));

	for (enum node_space space = 0; space < SPACE_COUNT; space++)
		d->watches[space] = (struct durable_watch){n, space};
	d->scratch = xmalloc(DURABLE_ROOM);
	return d;
}

void durable_begin(struct node *n)
{
	struct durable *d = n->durable;

	if (!d)
		return;
	durable_watch_store(n, SPACE_RECORDS, n->store);
	durable_watch_store(n, SPACE_COPIES, n->copied);
	durable_watch_once(n, SPACE_ROWS, n->once);
	durable_watch_once(n, SPACE_COPIED_ROWS, n->copied_once);
	if (n->take.staging)
		durable_watch_store(n, SPACE_TAKEN, n->take.staging);
	if (d->restored)
		restore_begin(n);
	d->restored = false;
}

void durable_free(struct node *n)
{
	struct durable *d = n->durable;

	if (!d)
		return;
	for (size_t i = 0; i < d->key_count; i++)
		key_free(&d->keys[i].key);
	for (enum durable_item item = 0; item < DURABLE_ITEMS; item++)
		free(d->items[item].bytes);
	free(d->keys);
	free(d->rows);
	free(d->writes);
	free(d->scratch);
	free(d);
}
