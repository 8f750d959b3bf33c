/* What is written in arcs of ours goes to who keeps a copy, the owner's side (PROTOCOL.md section 7): one stream for each
 * keeper, in which a new one is first told what there is.  copy.c is the other side. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define FRAME_BYTES (64u << 10) /* of records in one frame, unless one alone is larger */
#define WINDOW_FRAMES 32        /* of a fill, unacknowledged; what is written goes out at once */
#define WINDOW_BYTES (2u << 20) /* ... unless one frame alone is larger */
#define FULL (8u << 20)         /* of what is written, unacknowledged: more is not taken on */
#define ROWS_MOST 4096          /* of a turn: then it is told before the turn ends */
#define WANTED 1000             /* ms: whoever is not asked for any more is let go */

static struct follower *follower_of(struct node *n, const struct member *m)
{
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && member_same(&f->m, m))
			return f;
	return NULL;
}

static bool keeps(const struct follower *f, uint32_t id)
{
	return arcs_have(&f->whole, id) || (f->filling && ring_contains(f->fill, id));
}

/* ---- beginning and end ---- */

static struct follower *begin(struct node *n, const struct member *m)
{
	struct follower *f = n->followers;

	while (f < n->follower_end && f->used)
		f++;
	if (f == n->followers + FOLLOWERS_MAX)
		return NULL;
	*f = (struct follower){.used = true, .m = *m, .attempt = ++n->attempts, .progress = n->now};
	f->rows = once_share_new((struct arc){0, 0});
	if (f == n->follower_end)
		n->follower_end++;
	return f;
}

static void fill_end(struct follower *f)
{
	for (size_t i = f->key_next; i < f->key_count; i++)
		key_free(&f->keys[i]);
	free(f->keys);
	f->keys = NULL;
	f->key_next = f->key_count = 0;
	once_share_free(f->picture);
	f->picture = NULL;
	f->filling = false;
}

static void end(struct node *n, struct follower *f)
{
	fill_end(f);
	for (size_t i = 0; i < f->changed_count; i++)
		key_free(&f->changed[i]);
	free(f->changed);
	once_share_free(f->rows);
	for (size_t i = 0; i < f->window_count; i++)
		free(f->window[i].bytes);
	free(f->window);
	*f = (struct follower){.used = false};
	while (n->follower_end > n->followers && !n->follower_end[-1].used)
		n->follower_end--;
	n->recheck = true;
}

void follow_end_all(struct node *n)
{
	for (struct follower *f = n->followers; f < n->followers + FOLLOWERS_MAX; f++)
		if (f->used)
			end(n, f);
}

static void flush(struct node *n, struct follower *f);

/* ---- what is written ---- */

static void changed_add(struct follower *f, const struct key *key)
{
	if (f->changed_count && key_equal(&f->changed[f->changed_count - 1], key))
		return;
	if (f->changed_count == f->changed_room) {
		f->changed_room = f->changed_room ? 2 * f->changed_room : 64;
		f->changed = xrealloc(f->changed, f->changed_room * sizeof(*f->changed));
	}
	f->changed[f->changed_count++] = key_copy(key);
}

void follow_changed(struct node *n, const struct key *key)
{
	n->written++;
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && keeps(f, key->id))
			changed_add(f, key);
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
		flush(n, f);
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
	s->written = f->flushed;   /* flush() knows better of its last one */
	s->fill = fill;
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
	size_t bytes = 0, i = from;

	for (*used = 0; i < count && *used < FRAME_RECORDS_MAX; i++) {
		struct store_item item;
		struct frame_record r;

		store_ahead(n->store, keys, sizeof(*keys), count, i);
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

static bool changes_told(const struct follower *f)
{
	return !f->changed_count && !f->rows->row_count;
}

#define ROWS_AT_ONCE 256 /* as many clients, at most */

/* Each frame's rows with the clients that they name: a keeper takes in one frame after the other. */
static uint8_t *rows_encode(const struct node *n, const struct once_share *rows, uint32_t *from, size_t *len)
{
	struct once_share *part = once_share_new((struct arc){0, 0});
	struct share_place told = {.begun = true};
	uint32_t entry = UINT32_MAX;
	uint8_t *bytes;

	for (; *from < rows->row_count && part->row_count < ROWS_AT_ONCE; ++*from) {
		struct once_row row = rows->rows[*from];

		if (row.entry != entry)
			once_share_entry(part, &rows->entries[row.entry]);
		entry = row.entry;
		row.entry = part->entry_count - 1;
		once_share_row(part, &row);
	}
	bytes = share_encode(n, part, &told, len);
	once_share_free(part);
	return bytes;
}

/* Records and rows of a turn.  A row without its record, or the other way round, would have a write done not at all or
 * twice: so all frames but the last say that there is more. */
static void flush(struct node *n, struct follower *f)
{
	struct frame_record records[FRAME_RECORDS_MAX];
	bool more = !changes_told(f), begun = false;
	uint32_t told = 0;
	size_t from = 0;

	if (!n->connected) /* a frame says on which connection its sender is */
		return;
	while (more) {
		struct frame frame;
		uint8_t *table;

		frame_start(n, &frame, FRAME_COPY);
		frame.records = records;
		from += gather(n, f->changed, from, f->changed_count, records, &frame.record_count);
		table = rows_encode(n, f->rows, &told, &frame.table_len);
		frame.table = table;
		frame.more = more = from < f->changed_count || told < f->rows->row_count;
		if (frame.record_count || table || (begun && !more)) {
			send(n, f, &frame, false);
			begun = more;
		}
		free(table);
	}
	for (size_t i = 0; i < f->changed_count; i++)
		key_free(&f->changed[i]);
	f->changed_count = 0;
	f->rows->entry_count = f->rows->row_count = 0;
	f->flushed = n->written;
	if (f->window_count)
		f->window[f->window_count - 1].written = n->written;
}

void follow_flush(struct node *n)
{
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && !changes_told(f))
			flush(n, f);
}

/* ---- a fill ---- */

static void fill_begin(struct node *n, struct follower *f, const struct entry *e)
{
	struct frame frame;

	fill_end(f);
	flush(n, f); /* what belongs to the arc came before */
	f->filling = true;
	f->ended = false;
	f->fill = e->v.arc;
	f->keys = store_keys(n->store, f->fill, &f->key_count);
	f->key_next = 0;
	f->picture = once_give(n->once, &(struct once_arc){f->fill, {e->v.name.number, n->counter}});
	f->pictured = (struct share_place){0};
	frame_start(n, &frame, FRAME_COPY);
	frame.arc = f->fill;
	frame.arc_set = true;
	send(n, f, &frame, true);
}

static bool window_open(const struct node *n, const struct follower *f)
{
	return !n->full && f->fill_frames < WINDOW_FRAMES && f->window_bytes < WINDOW_BYTES;
}

static bool fill_told(const struct follower *f)
{
	return share_told(f->picture, &f->pictured) && f->key_next == f->key_count;
}

static void fill_further(struct node *n, struct follower *f)
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
			taken = gather(n, f->keys, f->key_next, f->key_count, records, &frame.record_count);
			for (size_t i = 0; i < taken; i++)
				key_free(&f->keys[f->key_next++]);
		}
		if (table || frame.record_count)
			send(n, f, &frame, true);
		free(table);
	}
	if (f->filling && fill_told(f) && !f->ended && node_ready(n)) {
		frame_start(n, &frame, FRAME_COPY);
		frame.last = f->ended = true;
		send(n, f, &frame, true);
	}
	if (f->filling && f->ended && !f->fill_frames) {
		if (arcs_add(&f->whole, f->fill))
			fill_end(f);
		n->recheck = true;
	}
}

bool follow_whole(struct node *n, const struct member *m, struct arc arc)
{
	const struct follower *f = follower_of(n, m);

	return f && arcs_cover(&f->whole, arc);
}

bool follow_owed(struct node *n, const struct member *m)
{
	const struct follower *f = follower_of(n, m);

	return f && f->owed;
}

bool follow_want(struct node *n, const struct member *m, const struct entry *e)
{
	struct follower *f = follower_of(n, m);

	if (!f)
		f = begin(n, m);
	if (!f)
		return false;
	f->wanted = n->now;
	if (arcs_cover(&f->whole, e->v.arc))
		return true;
	if (!f->filling) /* one arc after the other */
		fill_begin(n, f, e);
	fill_further(n, f);
	return arcs_cover(&f->whole, e->v.arc);
}

void follow_same(struct node *n, const struct member *m, struct arc arc)
{
	struct follower *f = follower_of(n, m);

	if (!f)
		f = begin(n, m);
	if (f && arcs_add(&f->whole, arc))
		f->wanted = n->now;
}

uint64_t follow_attempt(struct node *n, const struct member *m, uint64_t *seq)
{
	struct follower *f = follower_of(n, m);

	if (!f || (f->owed && !f->seq))
		return 0;
	flush(n, f);
	*seq = f->seq;
	return f->attempt;
}

/* ---- who has what ---- */

/* Amid a change those of before it as well, unless they are out: they may still take over. */
static bool is_backup(struct node *n, const struct follower *f)
{
	struct change *c = &n->change;
	struct party *p = c->kind ? change_party(c, &f->m) : NULL;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && member_same(&e->v.backup, &f->m))
			return true;
	for (unsigned i = 0; p && !p->out && i < 2; i++)
		if (c->base[i].name.number && member_same(&c->base[i].backup, &f->m))
			return true;
	return false;
}

/* Not all is there again of what a view names it for. */
static bool owes(struct node *n, const struct follower *f)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && member_same(&e->v.backup, &f->m) && !arcs_cover(&f->whole, e->v.arc))
			return true;
	return false;
}

static uint64_t has_upto(const struct node *n, const struct follower *f)
{
	if (f->owed)
		return f->had;
	return f->window_count || !changes_told(f) ? f->reached : n->written;
}

uint64_t follow_point(struct node *n)
{
	uint64_t point = n->written;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used)
			continue;
		f->owed = f->owed && (n->change.kind || owes(n, f));
		if (has_upto(n, f) < point && is_backup(n, f))
			point = has_upto(n, f);
	}
	return point;
}

uint64_t follow_behind(const struct node *n)
{
	uint64_t behind = 0;

	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		behind += f->used ? f->key_count - f->key_next : 0;
	return behind;
}

bool follow_full(const struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->window_bytes > FULL + WINDOW_BYTES)
			return true;
	return false;
}

/* It begins anew.  As long as a view names it, nobody may be told more than what it has had (PROTOCOL.md section 7, rule 4). */
static void lost(struct node *n, struct follower *f)
{
	struct member m = f->m;
	uint64_t had = has_upto(n, f);

	out_log(n, 4, "node %08x: has no copy of what it was sent -> it is sent all of it anew", m.id);
	end(n, f);
	f = begin(n, &m);
	f->had = had;
	f->owed = true;
	change_without(n, &m);
	tell_release(n);
}

void on_copied(struct node *n, const struct frame *frame)
{
	struct follower *f = follower_of(n, &frame->from);
	size_t acked = 0;

	if (!f || frame->attempt != f->attempt)
		return;
	if (frame->reason == REASON_ABSENT) {
		lost(n, f);
		return;
	}
	while (acked < f->window_count && f->window[acked].seq <= frame->seq) {
		const struct sent_copy *s = &f->window[acked++];

		f->reached = s->written;
		f->window_bytes -= s->len;
		f->fill_frames -= s->fill;
		free(s->bytes);
	}
	if (!acked)
		return;
	f->window_count -= acked;
	memmove(f->window, f->window + acked, f->window_count * sizeof(*f->window));
	f->progress = f->sent = n->now;
	n->recheck |= n->backlog;
	if (n->stopping)
		out_effect(n, EFFECT_PROGRESS);
	fill_further(n, f);
	tell_release(n);
}

/* A party that a view does not name as its backup forgets what it had, and what is somebody else's is told by him. */
void follow_holds(struct node *n)
{
	struct change *c = &n->change;

	for (struct follower *f = n->followers; f < n->follower_end; f++)
		for (unsigned i = 0; f->used && i < c->made_count; i++) {
			const struct view *v = &c->made[i];
			bool ours = member_same(&v->owner, &n->self);

			if (ours && (member_same(&v->backup, &f->m) || !change_party(c, &f->m)))
				continue;
			arcs_cut(&f->whole, v->arc);
			if (f->filling && arc_overlap(f->fill, v->arc))
				fill_end(f);
		}
}

/* ---- by the clock ---- */

static void forget(struct node *n, const struct follower *f, const struct arc *arc)
{
	struct frame frame;

	frame_start(n, &frame, FRAME_FORGET);
	frame.attempt = f->attempt;
	frame.hash = f->m.memory;
	if (arc) {
		frame.arc = *arc;
		frame.arc_set = true;
	}
	frame_send(n, &frame, TOPIC_INBOX, f->m.id);
}

/* What is not ours any more it need not keep for us; amid a change it may come back. */
static void trim(struct node *n, struct follower *f)
{
	struct arcs own = {.count = 0}, gone = f->whole;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine)
			(void)arcs_add(&own, e->v.arc);
	for (unsigned i = 0; i < own.count; i++)
		arcs_cut(&gone, arcs_piece(&own, i));
	for (unsigned i = 0; i < gone.count; i++) {
		struct arc arc = arcs_piece(&gone, i);

		arcs_cut(&f->whole, arc);
		forget(n, f, &arc);
	}
	if (f->filling && !arcs_cover(&own, f->fill)) {
		forget(n, f, &f->fill);
		fill_end(f);
	}
}

static void resend(struct node *n, struct follower *f, uint64_t *next)
{
	/* What the transport has not taken yet is not lost; but others fill it as well, again and again. */
	if (n->full && n->now - f->sent > n->config.resend / 2)
		f->sent = n->now - n->config.resend / 2;
	if (!n->full && n->now - f->sent >= n->config.resend) {
		for (size_t i = 0; i < f->window_count && !n->full; i++)
			out_publish(n, TOPIC_INBOX, f->m.id, f->window[i].bytes, f->window[i].len, false);
		f->sent = n->now;
		/* Whoever is answered waits for it: is it there? */
		for (struct entry *e = n->entries; e < n->entry_end; e++)
			if (e->used && e->mine && member_same(&e->peer, &f->m) && !e->silent)
				e->heard = 0;
	}
	soonest(next, f->sent + n->config.resend);
}

void follow_due(const struct node *n, uint64_t *next)
{
	for (const struct follower *f = n->followers; node_ready(n) && f < n->follower_end; f++)
		if (f->used && f->window_count)
			soonest(next, f->sent + n->config.resend);
}

void follow_tick(struct node *n, uint64_t *next)
{
	bool settled = !n->change.kind && !n->give.phase && !n->take.phase;

	for (struct follower *f = n->followers; f < n->follower_end; f++) {
		if (!f->used)
			continue;
		if (settled)
			trim(n, f);
		if (settled && !is_backup(n, f) && n->now - f->wanted >= WANTED) {
			forget(n, f, NULL);
			end(n, f);
			continue;
		}
		if (!is_backup(n, f))
			soonest(next, f->wanted + WANTED);
		if (!node_ready(n))
			continue;
		fill_further(n, f);
		if (f->window_count)
			resend(n, f, next);
	}
	tell_release(n);
}
