/* What is watched, and what becomes of it (PROTOCOL.md section 11): changes of one turn leave together. */
#include <stdlib.h>
#include <string.h>

#include "../../common/watched.h"
#include "core.h"

#define WATCHED_FOR 60000 /* ms from when it was last asked */

static void forget_old(struct node *n)
{
	struct watched *w = &n->watch;

	for (unsigned i = w->count; i-- > 0;)
		if (w->pieces[i].until <= n->now)
			w->pieces[i] = w->pieces[--w->count];
}

void watched_add(struct node *n, struct arc arc, uint64_t left)
{
	struct watched *w = &n->watch;
	uint64_t until = n->now + (left < WATCHED_FOR ? left : WATCHED_FOR);

	forget_old(n);
	for (unsigned i = 0; i < w->count; i++)
		if (arc_equal(w->pieces[i].arc, arc)) {
			if (until > w->pieces[i].until)
				w->pieces[i].until = until;
			return;
		}
	if (w->count == WATCHED_MAX) { /* so many that all of it may as well be told, for as long as any of it */
		while (w->count > 0)
			if (w->pieces[--w->count].until > until)
				until = w->pieces[w->count].until;
		arc = (struct arc){0, 0};
	}
	w->pieces[w->count++] = (struct watched_piece){arc, until};
}

static uint64_t stream_of(struct node *n)
{
	while (!n->watch.stream)
		n->watch.stream = (uint64_t)node_random(n, UINT32_MAX) << 32 | node_random(n, UINT32_MAX);
	return n->watch.stream;
}

void watched_ask(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r)
{
	struct watched *w = &n->watch;
	uint8_t place[WATCHED_PLACE_MAX];

	watched_add(n, op->value_len ? e->v.arc : (struct arc){op->key.id - 1, op->key.id}, WATCHED_FOR);
	watched_flush(n); /* what came before is not behind this place */
	r->status = ANSWER_DONE;
	r->version = (struct version){e->v.name.number, n->counter};
	r->has_version = true;
	r->value_len = watched_put_place(place, &(struct watched_place){stream_of(n), w->number});
	r->value = out_own(n, xmemdup(place, r->value_len));
}

void watched_changed(struct node *n, const struct key *key)
{
	struct watched *w = &n->watch;
	bool told = false;

	for (unsigned i = 0; i < w->count && !told; i++)
		told = w->pieces[i].until > n->now && ring_contains(w->pieces[i].arc, key->id);
	if (told)
		key_list_add(&w->changed, key);
}

/* As a get: one at its end is buried before it is told.  Behind a cut it stays as it was told, with a moment left: its end is
 * the taker's to tell. */
static struct page_entry entry_of(struct node *n, const struct key *key)
{
	struct page_entry e = {.key = *key};
	struct store_item item;
	bool over;

	if (!store_get(n->store, *key, &item))
		return e;
	e.version = item.version;
	over = !item.deleted && item.expires && item.expires <= n->now;
	if (over && !give_holds(n, key->id)) {
		record_bury(n, key, &item);
	} else if (!item.deleted) {
		e.life = over ? 1 : item.expires ? item.expires - n->now : 0;
		e.value = item.value;
		e.value_len = item.len;
	}
	return e;
}

static void send(struct node *n, struct page_entry *changes, size_t count)
{
	struct watched_frame f = {.owner = n->self.id,
				  .stream = stream_of(n),
				  .number = ++n->watch.number,
				  .changes = changes,
				  .count = count};
	char topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	topic_format(topic, n->config.topic_prefix, TOPIC_EVENT, n->self.id, NULL);
	bytes = watched_encode(&f, &len);
	tell_client_own(n, topic, bytes, len);
}

/* To those who may not read statuses: these name connections. */
void watched_over(struct node *n, uint32_t owner)
{
	struct watched_frame f = {.owner = owner, .stream = 1};
	size_t len;
	uint8_t *bytes = watched_encode(&f, &len);

	out_publish(n, TOPIC_EVENT, owner, bytes, len, false);
	free(bytes);
}

void watched_flush(struct node *n)
{
	struct watched *w = &n->watch;
	struct page_entry changes[WATCHED_CHANGES];
	size_t count = 0, bytes = 0;

	for (size_t i = 0; i < w->changed.count; i++) {
		struct page_entry e = entry_of(n, &w->changed.keys[i]);

		if (count && (count == WATCHED_CHANGES || bytes + page_entry_size(&e) > WATCHED_BYTES)) {
			send(n, changes, count);
			count = bytes = 0;
		}
		changes[count++] = e;
		bytes += page_entry_size(&e);
	}
	if (count)
		send(n, changes, count);
	key_list_clear(&w->changed);
}

/* Another connection is another stream. */
void watched_forget(struct node *n)
{
	key_list_clear(&n->watch.changed);
	n->watch.stream = n->watch.number = 0;
}

void watched_free(struct node *n)
{
	watched_forget(n);
	key_list_free(&n->watch.changed);
}
