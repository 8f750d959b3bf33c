/* Records as the store has them and as frames tell them.  A record's end is a time of this process's clock here, and what
 * is left of it on the wire, so that nobody needs the time of day (PROTOCOL.md section 11). */
#include <stdlib.h>

#include "core.h"

#define EXPIRE_MOST 1000 /* at once: some 100 us */
#define TERM (UINT64_C(1) << 32)

bool record_live(const struct node *n, const struct key *key, struct store_item *item)
{
	struct store_item found;

	if (!store_get(n->store, *key, &found) || found.deleted || (found.expires && found.expires <= n->now))
		return false;
	if (item)
		*item = found;
	return true;
}

void record_bury(struct node *n, const struct key *key, struct store_item *item)
{
	*item = record_tombstone(n, key, item->version);
	store_put(n->store, item);
	give_changed(n, key);
	follow_changed(n, key);
}

/* The record, if it is there.  One at its end is buried first: whoever is told that it is absent will not see it again,
 * wherever the arc goes. */
bool record_answered(struct node *n, const struct key *key, struct store_item *item)
{
	if (!store_get(n->store, *key, item) || item->deleted)
		return false;
	if (!item->expires || item->expires > n->now)
		return true;
	record_bury(n, key, item);
	watched_changed(n, key);
	return false;
}

bool record_number(const struct node *n, uint32_t id, struct store_item *item)
{
	struct key key = key_number(id);

	return record_live(n, &key, item);
}

struct frame_record record_told(const struct node *n, const struct store_item *item)
{
	struct frame_record r = {.key = item->key,
				 .number = item->version.number,
				 .counter = item->version.counter,
				 .value = item->value,
				 .value_len = item->len,
				 .deleted = item->deleted,
				 .sum = item->sum};

	if (item->expires)
		r.life = item->expires > n->now ? item->expires - n->now : 1;
	return r;
}

struct store_item record_heard(const struct node *n, const struct frame_record *r)
{
	struct store_item item = {.key = r->key,
				  .version = {r->number, r->counter},
				  .value = r->value,
				  .len = r->value_len,
				  .deleted = r->deleted,
				  .sum = r->sum};

	/* A tombstone without an end would stay for ever; a life beyond all clocks is one without an end. */
	if (r->life && r->life <= UINT64_MAX - n->now)
		item.expires = n->now + r->life;
	else if (r->deleted)
		item.expires = n->now + n->config.tombstone;
	return item;
}

struct store_item record_tombstone(const struct node *n, const struct key *key, struct version version)
{
	return (struct store_item){
		.key = *key, .version = version, .deleted = true, .expires = n->now + n->config.tombstone};
}

struct key *record_beating(const struct node *n, struct arc arc, const struct store *other, size_t *count)
{
	size_t all;
	struct key *keys = store_keys(n->store, arc, &all);
	struct store_item own, theirs;

	*count = 0;
	for (size_t i = 0; i < all; i++)
		if (store_get(n->store, keys[i], &own) &&
		    (!store_get(other, keys[i], &theirs) || store_beats(&own, &theirs)))
			keys[(*count)++] = keys[i];
		else
			key_free(&keys[i]);
	return keys;
}

void record_came_back(struct node *n, const struct entry *e, struct key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		follow_changed(n, &keys[i]);
		watched_changed(n, &keys[i]);
		record_resurfaced(n, e, &keys[i]);
		key_free(&keys[i]);
	}
	free(keys);
}

void record_resurfaced(struct node *n, const struct entry *e, const struct key *key)
{
	struct arc id = {key->id - 1, key->id};

	/* With one copy nothing is known of an arc that was lost once. */
	if (n->config.replicas > 1)
		once_own(n->once, &(struct once_arc){id, {e->v.name.number, n->counter}});
}

void record_changed(struct node *n, const struct key *key)
{
	give_changed(n, key);
	follow_changed(n, key);
	watched_changed(n, key);
}

static void gone(void *arg, const struct key *key)
{
	follow_changed(arg, key);
	watched_changed(arg, key);
}

static void renumber(struct node *n, struct store_item *item, uint64_t number)
{
	item->version.number = number;
	store_put(n->store, item);
}

uint64_t record_unkept(const struct node *n, uint64_t number, uint64_t below)
{
	bool kept = n->ring.term && number >> 32 == n->ring.term - 1;

	return kept && number + TERM < below ? number + TERM : number;
}

void record_come_back(struct node *n, struct arc arc, uint64_t below)
{
	struct store_item item;
	size_t count;
	struct key *keys = store_keys(n->store, arc, &count);

	for (size_t i = 0; i < count; i++) {
		if (keys[i].name_len && store_get(n->store, keys[i], &item))
			renumber(n, &item, record_unkept(n, item.version.number, below));
		key_free(&keys[i]);
	}
	free(keys);
}

/* Nothing that the ring writes in the arc from here on is older, whoever writes it and whatever he has heard. */
static void keep(struct node *n, struct key key)
{
	struct store_item item;

	if (n->ring.term && store_get(n->store, key, &item) && item.version.number >> 32 == n->ring.term)
		renumber(n, &item, item.version.number - TERM);
	n->names_stay = true;
	merge_soon(n);
}

size_t record_purge_numbers(struct node *n, struct arc arc, size_t *names)
{
	size_t count, purged = 0;
	struct key *keys = store_keys(n->store, arc, &count);

	*names = 0;
	for (size_t i = 0; i < count; i++) {
		bool live = record_live(n, &keys[i], NULL);

		if (!keys[i].name_len) {
			purged += live;
			store_remove(n->store, keys[i]);
		} else {
			*names += live;
			keep(n, keys[i]);
		}
		key_free(&keys[i]);
	}
	free(keys);
	return purged;
}

void record_sweep(struct node *n, uint64_t *next)
{
	bool swept = store_sweep(n->store, KEYS_AT_ONCE);

	swept &= store_sweep(n->copied, KEYS_AT_ONCE);
	swept &= store_sweep(n->replaced, KEYS_AT_ONCE);
	if (!swept)
		soonest(next, n->now + 1);
}

void record_tick(struct node *n, uint64_t *next)
{
	/* What is being handed over stays as it was told; nobody sees a record at its end, buried or not. */
	if (n->give.phase)
		return;
	(void)store_expire(n->store, n->now, n->now + n->config.tombstone, EXPIRE_MOST, gone, n);
	if (!store_forget(n->store, n->now, memory_graves(n), EXPIRE_MOST))
		soonest(next, n->now);
	soonest(next, store_next_end(n->store));
}
