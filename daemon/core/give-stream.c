/* Handover, the giver's side: the records of the arc on their way, and what changes of them meanwhile.  give.c has its steps. */
#include <stdlib.h>
#include <string.h>

#include "give-inside.h"

#define FRAME_BYTES (32u << 10) /* of records in one frame, unless one alone is larger */
#define WINDOW_BYTES (2u << 20) /* unacknowledged, unless one frame alone is larger */

/* ---- the window ---- */

void give_window_clear(struct give *g)
{
	for (unsigned i = 0; i < g->window_count; i++)
		free(g->window[i].bytes);
	g->window_count = 0;
}

static void send_frame(struct node *n, struct frame *f)
{
	struct give *g = &n->give;
	struct sent_frame *s = &g->window[g->window_count++];

	f->to = g->taker.conn;
	f->attempt = g->attempt;
	f->seq = s->seq = ++g->seq;
	s->bytes = frame_encode(f, &s->len);
	g->sent = n->now;
	out_publish(n, TOPIC_INBOX, g->taker.id, s->bytes, s->len, false);
}

/* Large records fill the window by their bytes: one frame is always allowed. */
static size_t window_bytes(const struct give *g)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < g->window_count; i++)
		bytes += g->window[i].len;
	return bytes;
}

bool give_window_acked(struct give *g, uint64_t seq)
{
	unsigned acked = 0;

	while (acked < g->window_count && g->window[acked].seq <= seq)
		free(g->window[acked++].bytes);
	g->window_count -= acked;
	memmove(g->window, g->window + acked, g->window_count * sizeof(*g->window));
	return acked;
}

void give_window_resend(struct node *n, uint64_t *next)
{
	struct give *g = &n->give;

	/* What the transport has not taken yet is not lost. */
	if (n->full)
		g->sent = n->now;
	if (n->now - g->sent >= n->config.resend) {
		for (unsigned i = 0; i < g->window_count; i++)
			out_publish(n, TOPIC_INBOX, g->taker.id, g->window[i].bytes, g->window[i].len, false);
		g->sent = n->now;
	}
	soonest(next, g->sent + n->config.resend);
}

/* ---- what is to be sent ---- */

static void keys_free(struct give *g)
{
	for (size_t i = g->next; i < g->key_count; i++)
		key_free(&g->keys[i]);
	free(g->keys);
	g->keys = NULL;
	g->key_count = g->next = g->key_room = 0;
}

/* Part by part: in the time that it takes to look at all of them at once nobody is answered. */
static void keys_on(struct node *n)
{
	struct give *g = &n->give;

	while (g->next == g->key_count && g->rest.left) {
		keys_free(g);
		g->keys = store_keys_on(n->store, &g->rest, KEYS_AT_ONCE, &g->key_count);
		g->key_room = g->key_count;
		store_sum_on(n->store, g->rest.arc.lo);
	}
}

void give_stream_begin(struct node *n)
{
	n->give.rest = (struct store_rest){true, n->give.arc};
	store_sum_begin(n->store, n->give.arc);
}

void give_stream_end(struct node *n)
{
	give_window_clear(&n->give);
	keys_free(&n->give);
	store_sum_end(n->store, &n->give.count, &n->give.hash);
}

size_t give_stream_left(const struct give *g)
{
	return g->rest.left ? SIZE_MAX : g->key_count - g->next;
}

void give_changed(struct node *n, const struct key *key)
{
	struct give *g = &n->give;

	if ((g->phase != GIVE_STREAM && g->phase != GIVE_CUT) || !ring_contains(g->arc, key->id) ||
	    (g->rest.left && ring_contains(g->rest.arc, key->id)))
		return;
	if (g->key_count > g->next && key_equal(&g->keys[g->key_count - 1], key))
		return;
	if (g->key_count == g->key_room) {
		/* What is sent already makes room first, so that a hot arc does not grow us. */
		if (g->next)
			memmove(g->keys, g->keys + g->next, (g->key_count - g->next) * sizeof(*g->keys));
		g->key_count -= g->next;
		g->next = 0;
		if (g->key_count * 2 >= g->key_room) {
			g->key_room = g->key_room ? g->key_room * 2 : 64;
			g->keys = xrealloc(g->keys, g->key_room * sizeof(*g->keys));
		}
	}
	g->keys[g->key_count++] = key_copy(key);
}

/* ---- frames of it ---- */

/* One RECORDS frame out of the keys that are still to be sent. */
static void send_records(struct node *n)
{
	struct give *g = &n->give;
	struct frame_record records[FRAME_RECORDS_MAX];
	size_t count = 0, bytes = 0;
	struct frame f;

	while (g->next < g->key_count && count < FRAME_RECORDS_MAX) {
		struct store_item item;

		if (store_get(n->store, g->keys[g->next], &item)) {
			struct frame_record r = record_told(n, &item);

			if (count && bytes + frame_record_size(&r) > FRAME_BYTES)
				break;
			bytes += frame_record_size(&r);
			records[count++] = r;
		}
		key_free(&g->keys[g->next++]);
	}
	if (!count)
		return;
	frame_start(n, &f, FRAME_RECORDS);
	f.records = records;
	f.record_count = count;
	send_frame(n, &f);
}

void give_stream_on(struct node *n)
{
	struct give *g = &n->give;

	keys_on(n);
	while (g->window_count < WINDOW && g->next < g->key_count && window_bytes(g) < WINDOW_BYTES) {
		send_records(n);
		keys_on(n);
	}
}

/* False: all of it is on its way. */
static bool send_share(struct node *n)
{
	struct give *g = &n->give;
	struct frame f;
	uint8_t *bytes;

	frame_start(n, &f, FRAME_RECORDS);
	bytes = share_encode(n, g->share, &g->shared, &f.table_len);
	f.table = bytes;
	if (bytes)
		send_frame(n, &f);
	free(bytes);
	return bytes != NULL;
}

bool give_share_on(struct node *n)
{
	while (n->give.window_count < WINDOW && send_share(n))
		;
	return share_told(n->give.share, &n->give.shared);
}
