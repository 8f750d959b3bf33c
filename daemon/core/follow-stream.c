/* The stream by which a keeper is told what is written in arcs of ours, and first what there is (PROTOCOL.md section 7), the
 * owner's side: its frames.  follow.c has who is told, copy-stream.c takes it in. */
#include <stdlib.h>
#include <string.h>

#include "follow-inside.h"

#define FRAME_BYTES (64u << 10) /* of records in one frame, unless one alone is larger */
#define WINDOW_FRAMES 32        /* of a fill, unacknowledged; what is written goes out at once */
#define ROWS_MOST 4096          /* of a turn: then it is told before the turn ends */
#define PACED_BYTES 8192        /* of what is asked: more is worth a packet of its own at once */

static bool keeps(const struct follower *f, uint32_t id)
{
	return arcs_have(&f->whole, id) || (f->filling && ring_contains(f->fill, id));
}

/* ---- what is written ---- */

/* Its version says that it has been told before, and it has not: merged, or what came to its end. */
static bool tells_nothing(const struct node *n, const struct follower *f, const struct key *key)
{
	struct store_item item;

	return !store_get(n->store, *key, &item) || item.version.counter <= f->safe;
}

void follow_changed(struct node *n, const struct key *key)
{
	n->written++;
	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used)
			continue;
		if (n->durable && tells_nothing(n, f, key)) {
			if (f->again && !keeps(f, key->id))
				f->safe = 0; /* of this arc it is still to be told what there is */
			f->low |= keeps(f, key->id);
		}
		if (keeps(f, key->id))
			key_list_add(&f->changed, key);
	}
}

static void row_add(struct node *n, struct follower *f, const struct once_write *w, const struct once_answer *answer)
{
	struct once_share *s = f->rows;
	struct once_entry e = {.first = w->first}, *last = s->entry_count ? &s->entries[s->entry_count - 1] : NULL;

	if (!last || last->first != w->first || memcmp(last->client, w->client, ONCE_CLIENT) != 0) {
		memcpy(e.client, w->client, ONCE_CLIENT);
		once_share_entry(s, &e);
	}
	once_share_row(s, &(struct once_row){s->entry_count - 1, w->id, w->number, *answer});
	if (s->row_count >= ROWS_MOST)
		follow_tell(n, f);
}

void follow_row(struct node *n, const struct once_write *w, const struct once_answer *answer)
{
	n->written++;
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && keeps(f, w->id))
			row_add(n, f, w, answer);
}

/* ---- frames ---- */

static void send(struct node *n, struct follower *f, struct frame *frame, bool fill)
{
	struct sent_copy *s;

	if (f->window_count == f->window_room) {
		f->window_room = f->window_room ? 2 * f->window_room : 16;
		f->window = xrealloc(f->window, f->window_room * sizeof(*f->window));
	}
	s = &f->window[f->window_count++];
	frame->attempt = f->attempt;
	frame->seq = s->seq = ++f->seq;
	frame->count = n->counter;
	frame->hash = f->m.memory; /* whoever has its id by then is not meant */
	s->written = f->flushed;   /* follow_tell() knows better of its last one */
	s->fill = fill;
	s->safe = 0;
	s->low = false;
	s->bytes = frame_encode(frame, &s->len);
	f->window_bytes += s->len;
	f->fill_frames += fill;
	/* On whichever connection it is. */
	if (f->window_count == 1)
		f->sent = f->progress = n->now;
	out_publish(n, TOPIC_INBOX, f->m.id, s->bytes, s->len, false);
}

/* As many as fit into a frame; their number. */
static size_t gather(struct node *n, const struct key *keys, size_t from, size_t count, struct frame_record *records,
		     size_t *used)
{
	struct store_ahead ahead = {.next = 0};
	size_t bytes = 0, i = from;

	for (*used = 0; i < count && *used < FRAME_RECORDS_MAX; i++) {
		struct store_item item;
		struct frame_record r;

		store_ahead(n->store, &ahead, keys, sizeof(*keys), count, i);
		if (!store_get(n->store, keys[i], &item))
			continue;
		r = record_told(n, &item);
		if (*used && bytes + frame_record_size(&r) > FRAME_BYTES)
			break;
		bytes += frame_record_size(&r);
		records[(*used)++] = r;
	}
	return i - from;
}

bool follower_told(const struct follower *f)
{
	return !f->changed.count && !f->rows->row_count;
}

#define ROWS_AT_ONCE 256 /* as many clients, at most */

/* Each frame's rows with the clients that they name: a keeper takes in one frame after the other. */
static uint8_t *rows_encode(const struct node *n, const struct once_share *rows, uint32_t *from, size_t *len)
{
	struct once_share *part = n->told_rows;
	struct share_place told = {.begun = true};
	uint32_t entry = UINT32_MAX;

	once_share_empty(part);
	for (; *from < rows->row_count && part->row_count < ROWS_AT_ONCE; ++*from) {
		struct once_row row = rows->rows[*from];

		if (row.entry != entry)
			once_share_entry(part, &rows->entries[row.entry]);
		entry = row.entry;
		row.entry = part->entry_count - 1;
		once_share_row(part, &row);
	}
	return share_encode(n, part, &told, len);
}

/* Of nothing else need it keep anything: FORGET, or that a view holds, may have been lost. */
static void add_views(const struct node *n, struct frame *frame)
{
	bool all = !n->change.kind && !n->give.phase && !n->take.phase;

	for (const struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !e->mine)
			continue;
		all = all && frame->view_count < FRAME_VIEWS_MAX;
		if (all)
			frame->views[frame->view_count++] = e->v;
	}
	if (!all)
		frame->view_count = 0;
}

/* Records and rows of a turn.  A row without its record, or the other way round, would have a write done not at all or
 * twice: so all frames but the last say that there is more. */
void follow_tell(struct node *n, struct follower *f)
{
	struct frame_record records[FRAME_RECORDS_MAX];
	bool more = !follower_told(f), begun = false;
	uint32_t told = 0;
	size_t from = 0;

	if (!n->connected) /* a frame says on which connection its sender is */
		return;
	while (more) {
		struct frame frame;
		uint8_t *table;

		frame_start(n, &frame, FRAME_COPY);
		frame.records = records;
		from += gather(n, f->changed.keys, from, f->changed.count, records, &frame.record_count);
		table = rows_encode(n, f->rows, &told, &frame.table_len);
		frame.table = table;
		frame.more = more = from < f->changed.count || told < f->rows->row_count;
		if (n->now - f->named >= n->config.recover) {
			add_views(n, &frame);
			f->named = n->now;
		}
		if (frame.record_count || table || (begun && !more)) {
			send(n, f, &frame, false);
			begun = more;
		}
		free(table);
	}
	key_list_clear(&f->changed);
	once_share_empty(f->rows);
	f->flushed = n->written;
	if (!f->window_count)
		return;
	f->window[f->window_count - 1].written = n->written;
	f->window[f->window_count - 1].safe = n->counter;
	if (f->low)
		f->lows += !f->window[f->window_count - 1].low;
	f->window[f->window_count - 1].low |= f->low;
	f->low = false;
}

void follow_say(struct node *n, struct follower *f)
{
	struct frame frame;

	if (!n->connected)
		return;
	frame_start(n, &frame, FRAME_COPY);
	add_views(n, &frame);
	send(n, f, &frame, false);
}

void follow_flush(struct node *n)
{
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && !follower_told(f))
			follow_tell(n, f);
	n->asked_bytes = 0;
}

bool follow_told(const struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && !follower_told(f))
			return false;
	return true;
}

/* Of what comes meanwhile one frame is made, here and of its answers: packets are what costs.  Only those count for whom
 * answers wait; and no comparison does, as behind each comes the next one. */
bool follow_paced(struct node *n)
{
	if (!n->connected || n->asked_bytes >= PACED_BYTES)
		return false;
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->window_count > f->fill_frames + (f->check_seq != 0) &&
		    (f->extra || follow_backup(n, f)))
			return true;
	return false;
}

/* ---- compared ---- */

uint64_t follow_check(struct node *n, struct follower *f, const struct frame_check *checks, unsigned count)
{
	struct frame frame;

	follow_tell(n, f);
	frame_start(n, &frame, FRAME_COPY);
	add_views(n, &frame);
	frame.check_count = (uint8_t)count;
	for (unsigned i = 0; i < count; i++)
		frame.checks[i] = checks[i];
	send(n, f, &frame, false);
	return f->seq;
}

void follow_ask(struct node *n, struct follower *f, const struct key *key)
{
	struct frame frame;
	struct key wanted = *key;

	follow_tell(n, f);
	frame_start(n, &frame, FRAME_COPY);
	frame.keys = &wanted;
	frame.key_count = 1;
	send(n, f, &frame, false);
}

/* As a turn: nobody ever keeps a piece of which some is missing. */
size_t follow_anew(struct node *n, struct follower *f, struct arc piece)
{
	struct frame_record records[FRAME_RECORDS_MAX];
	size_t count, from = 0, told = 0;
	struct key *keys = store_keys(n->store, piece, &count);

	follow_tell(n, f);
	do {
		struct frame frame;

		frame_start(n, &frame, FRAME_COPY);
		frame.anew = frame.arc_set = from == 0;
		frame.arc = piece;
		frame.records = records;
		from += gather(n, keys, from, count, records, &frame.record_count);
		frame.more = from < count;
		told += frame.record_count;
		send(n, f, &frame, false);
	} while (from < count);
	for (size_t i = 0; i < count; i++)
		key_free(&keys[i]);
	free(keys);
	return told;
}

/* ---- a fill ---- */

static void keys_free(struct follower *f)
{
	for (size_t i = f->key_next; i < f->key_count; i++)
		key_free(&f->keys[i]);
	free(f->keys);
	f->keys = NULL;
	f->key_next = f->key_count = 0;
}

void follow_fill_end(struct follower *f)
{
	keys_free(f);
	f->rest.left = false;
	once_share_free(f->picture);
	f->picture = NULL;
	f->filling = false;
}

/* What it may not have. */
static void keys_above(struct node *n, struct follower *f)
{
	struct store_item item;
	size_t all = f->key_count;

	f->key_count = 0;
	for (size_t i = 0; i < all; i++)
		if (store_get(n->store, f->keys[i], &item) && item.version.counter > f->above)
			f->keys[f->key_count++] = f->keys[i];
		else
			key_free(&f->keys[i]);
}

/* Part by part, as in a handover. */
static void keys_on(struct node *n, struct follower *f)
{
	while (f->key_next == f->key_count && f->rest.left) {
		keys_free(f);
		f->keys = store_keys_on(n->store, &f->rest, KEYS_AT_ONCE, &f->key_count);
		if (f->above)
			keys_above(n, f);
	}
}

void follow_fill(struct node *n, struct follower *f, const struct entry *e)
{
	struct frame frame;
	bool again;

	follow_fill_end(f);
	follow_tell(n, f); /* what belongs to the arc came before */
	f->filling = true;
	f->ended = false;
	f->fill = e->v.arc;
	f->rest = (struct store_rest){true, f->fill};
	/* What has come since is another thing than what it had, also where it once kept that. */
	again = f->again && arcs_cover(&f->back, e->v.arc);
	f->above = again ? f->safe : 0;
	f->picture = once_give(n->once, &(struct once_arc){f->fill, {e->v.name.number, n->counter}});
	f->pictured = (struct share_place){0};
	frame_start(n, &frame, FRAME_COPY);
	frame.arc = f->fill;
	frame.arc_set = true;
	frame.epoch = e->v.name.number;
	frame.flag = again; /* what it has of it stays */
	send(n, f, &frame, true);
}

static bool window_open(const struct node *n, const struct follower *f)
{
	return !n->full && f->fill_frames < WINDOW_FRAMES && f->window_bytes < WINDOW_BYTES;
}

static bool fill_told(const struct follower *f)
{
	return share_told(f->picture, &f->pictured) && f->key_next == f->key_count && !f->rest.left;
}

void follow_fill_on(struct node *n, struct follower *f)
{
	struct frame_record records[FRAME_RECORDS_MAX];
	struct frame frame;
	size_t taken;

	while (f->filling && !fill_told(f) && window_open(n, f)) {
		size_t len = 0;
		uint8_t *table = share_encode(n, f->picture, &f->pictured, &len);

		frame_start(n, &frame, FRAME_COPY);
		frame.records = records;
		if (table) {
			frame.table = table;
			frame.table_len = len;
			frame.flag = true;
			frame.last = share_told(f->picture, &f->pictured);
		} else {
			keys_on(n, f);
			taken = gather(n, f->keys, f->key_next, f->key_count, records, &frame.record_count);
			for (size_t i = 0; i < taken; i++)
				key_free(&f->keys[f->key_next++]);
		}
		if (table || frame.record_count)
			send(n, f, &frame, true);
		free(table);
	}
	if (f->filling && fill_told(f) && !f->ended && node_ready(n)) {
		if (n->durable)
			follow_tell(n, f);
		frame_start(n, &frame, FRAME_COPY);
		frame.last = f->ended = true;
		send(n, f, &frame, true);
		f->window[f->window_count - 1].safe = n->durable && follower_told(f) ? n->counter : 0;
	}
	if (f->filling && f->ended && !f->fill_frames) {
		if (arcs_add(&f->whole, f->fill))
			follow_fill_end(f);
		n->recheck = true;
	}
}
