/* A node out of what its directory held (PROTOCOL.md section 7, "With a disk"): what is read here is nobody's guess but
 * what some process of this very memory has written, yet disks err: whatever does not read is refused, not guessed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "durable.h"

/* ---- items ---- */

static const char *restore_item(struct node *n, enum durable_item item, const uint8_t *value, size_t len)
{
	struct durable *d = n->durable;
	struct codec c = {.reading = true, .r = {.p = value, .end = value + len}};

	durable_code(n, item, &c);
	if (c.bad || c.r.p != c.r.end)
		return "an item of the node's state that cannot be read";
	d->items[item].bytes = xmemdup(value, len);
	d->items[item].len = len;
	return NULL;
}

static const char *restore_share(struct node *n, const uint8_t *value, size_t len)
{
	struct watched_piece watched[WATCHED_MAX];
	struct take *t = &n->take;
	unsigned told = 0;

	n->durable->share_parts++;
	if (t->phase != TAKE_STORED)
		return NULL; /* it goes with the first step */
	if (!t->share)
		t->share = once_share_new(t->arc);
	return share_decode(t->share, watched, &told, value, len);
}

static bool begins_share(const uint8_t *key, size_t len)
{
	return len > 5 && memcmp(key, DURABLE_SHARE_KEY, 5) == 0;
}

static const char *restore_state(struct node *n, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	if (begins_share(key, key_len))
		return restore_share(n, value, len);
	for (enum durable_item item = 0; item < DURABLE_ITEMS; item++)
		if (strlen(durable_keys[item]) == key_len && memcmp(durable_keys[item], key, key_len) == 0)
			return restore_item(n, item, value, len);
	return "an item of the node's state that is not known";
}

/* ---- records and rows ---- */

static struct store *store_for(struct node *n, enum node_space space)
{
	if (space != SPACE_TAKEN)
		return space == SPACE_RECORDS ? n->store : n->copied;
	if (!n->take.staging && n->take.phase == TAKE_STORED)
		n->take.staging = store_new(n->config.secret);
	return n->take.staging;
}

static const char *restore_record(struct node *n, enum node_space space, const uint8_t *key, size_t key_len,
				  const uint8_t *value, size_t len)
{
	struct store *s = store_for(n, space);
	struct cursor c = {.p = value, .end = value + len};
	struct store_item item = {0};
	uint64_t wall = 0;
	size_t items;

	if (key_len < 4 || key_len - 4 > KEY_NAME_MAX)
		return "a record whose key is too short or too long";
	for (unsigned i = 0; i < 4; i++)
		item.key.id = item.key.id << 8 | key[i];
	item.key.name_len = (uint32_t)key_len - 4;
	item.key.name = key_len > 4 ? key + 4 : NULL;
	if (!wire_take_array(&c, 5, &items) || items < 4 || !wire_take_uint(&c, UINT64_MAX, &item.version.number) ||
	    !wire_take_uint(&c, UINT64_MAX, &item.version.counter) || !wire_take_uint(&c, UINT64_MAX, &wall) ||
	    !wire_take_bool(&c, &item.deleted) || (items > 4 && !wire_take_u32(&c, &item.sum)))
		return "a record that cannot be read";
	item.value = c.p;
	item.len = (size_t)(c.end - c.p);
	if (item.len > STORE_VALUE_MAX || (item.deleted && item.len))
		return "a record longer than records are";
	item.expires = durable_time(n, wall);
	/* Of a handover that came to nothing: forgotten, there as well. */
	if (!s)
		durable_key_changed(n, space, &item.key);
	else
		store_put(s, &item);
	return NULL;
}

static const char *restore_row(struct node *n, enum node_space space, const uint8_t *key, size_t key_len,
			       const uint8_t *value, size_t len)
{
	struct once *o = space == SPACE_ROWS ? n->once : n->copied_once;
	struct cursor c = {.p = value, .end = value + len};
	struct once_answer answer = {0};
	uint64_t number = 0, status;
	uint32_t id;

	if (key_len == ONCE_CLIENT) {
		if (!wire_take_uint(&c, UINT64_MAX, &number) || !once_restore_entry(o, key, number))
			return "a client that cannot be read";
		return NULL;
	}
	if (key_len != ONCE_CLIENT + 8)
		return "a write done whose key is too short or too long";
	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | key[ONCE_CLIENT + i];
	if (!wire_take_tuple(&c, 5) || !wire_take_u32(&c, &id) ||
	    !wire_take_uint(&c, UINT64_MAX, &answer.version.number) ||
	    !wire_take_uint(&c, UINT64_MAX, &answer.version.counter) || !wire_take_uint(&c, UINT8_MAX, &status))
		return "a write done that cannot be read";
	answer.status = (uint8_t)status;
	answer.has_result = !wire_take_null(&c);
	if (answer.has_result && !wire_take_int(&c, &answer.result))
		return "a write done whose result cannot be read";
	return once_restore_row(o, key, number, id, &answer) ? NULL : "a write done of no client";
}

const char *node_restore(struct node *n, const struct event *at, enum node_space space, const uint8_t *key,
			 size_t key_len, const uint8_t *value, size_t len)
{
	n->durable->restored = true;
	durable_clock(n, at); /* which knows better when the latest time seen has been read */
	switch (space) {
	case SPACE_STATE:
		return restore_state(n, key, key_len, value, len);
	case SPACE_RECORDS:
	case SPACE_COPIES:
	case SPACE_TAKEN:
		return restore_record(n, space, key, key_len, value, len);
	case SPACE_ROWS:
	case SPACE_COPIED_ROWS:
		return restore_row(n, space, key, key_len, value, len);
	case SPACE_COUNT:
		break;
	}
	return "a space that is not known";
}

/* ---- the first step ---- */

static void begin_entries(struct node *n)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		e->heard = n->now;
		if (e->contested)
			e->contested = n->now;
	}
}

static void begin_handovers(struct node *n)
{
	struct take *t = &n->take;

	n->give.progress = n->give.sent = n->now;
	if (t->phase != TAKE_STORED)
		return;
	t->progress = n->now;
	if (!t->staging)
		t->staging = store_new(n->config.secret);
	if (!t->share)
		t->share = once_share_new(t->arc);
}

/* What was not whole is nothing. */
static void begin_copies(struct node *n)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		c->old = c->used;
		if (c->used)
			copy_unfilled(n, c);
	}
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++) {
		l->since = n->now;
		l->old = true;
	}
}

/* Who is named in no view keeps nothing for others, and is in no ring: what lies here is of the one that he was in. */
static void outside(struct node *n)
{
	copy_forget_all(n);
	if (n->ring.term)
		n->stash_ring = n->ring;
	n->ring = (struct ring_id){0};
}

void restore_begin(struct node *n)
{
	struct durable *d = n->durable;
	bool seeks = n->seek.active || !entry_any_own(n); /* it was leaving, or has left in good order */

	n->counter = d->reserved.counter;
	n->attempts = d->reserved.attempts;
	n->finds = d->reserved.finds;
	n->next_conn.count = d->reserved.conns;
	begin_entries(n);
	begin_handovers(n);
	begin_copies(n);
	for (unsigned i = 0; i < n->change.party_count; i++)
		n->change.party[i].waited = n->now;
	/* Nobody has heard of this node for longer than it can know. */
	n->away = n->now ? n->now : 1;
	n->in_since = n->now;
	n->seek = (struct seek){0};
	if (seeks)
		seek_begin(n);
	follow_restore(n, d->kept, d->kept_count);
	if (n->entry_end == n->entries)
		outside(n);
	if (!store_empty(n->store))
		merge_soon(n);
	n->recheck = true;
	out_log(n, NOTE_RETURNED, NULL, "back with what its directory holds: %zu records, %zu kept for others",
		store_count(n->store), copy_count(n));
}
