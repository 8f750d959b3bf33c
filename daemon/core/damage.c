/* Records whose bytes are not what was put, by their sum: asked of whoever keeps a copy, and answered to nobody before that
 * (PROTOCOL.md section 7, "Sums"). */
#include "follow-inside.h"

#define AGAIN 1000 /* ms: the answer may have been lost */

static struct damaged *find(struct node *n, const struct key *key)
{
	for (struct damaged *d = n->damaged; d < n->damaged + DAMAGED_MAX; d++)
		if (d->used && key_equal(&d->key, key))
			return d;
	return NULL;
}

static void drop(struct damaged *d)
{
	key_free(&d->key);
	*d = (struct damaged){.used = false};
}

static bool has_it(const struct follower *f, uint32_t id)
{
	return f->used && !f->owed && arcs_have(&f->whole, id);
}

static void ask(struct node *n, struct damaged *d)
{
	d->asked = n->now;
	d->open = 0;
	for (struct follower *f = n->followers; f < n->follower_end; f++)
		if (has_it(f, d->key.id)) {
			follow_ask(n, f, &d->key);
			d->open |= 1u << (f - n->followers);
		}
}

/* One that is lost makes room: it is found anew when it is looked at. */
static struct damaged *slot(struct node *n)
{
	struct damaged *lost = NULL;

	for (struct damaged *d = n->damaged; d < n->damaged + DAMAGED_MAX; d++) {
		if (!d->used)
			return d;
		if (d->lost && (!lost || d->asked < lost->asked))
			lost = d;
	}
	if (lost)
		drop(lost);
	return lost;
}

static void settle(struct node *n, struct damaged *d)
{
	if (d->open || d->lost)
		return;
	d->lost = true;
	out_log(n, NOTE_DAMAGED_LOST, NULL,
		"record of id %08x: damaged, and no other copy of it is sound -> it is not answered until it is put "
		"anew",
		d->key.id);
}

bool damage_lost(struct node *n, const struct store_item *item)
{
	struct damaged *d = find(n, &item->key);

	if (d && version_equal(d->version, item->version))
		return d->lost;
	if (d)
		drop(d);
	else
		d = slot(n);
	if (!d)
		return false; /* these first */
	*d = (struct damaged){.used = true, .key = key_copy(&item->key), .version = item->version};
	out_log(n, NOTE_DAMAGED, NULL, "record of id %08x: its bytes are not what was put -> asking the other copies",
		item->key.id);
	ask(n, d);
	settle(n, d);
	return d->lost;
}

/* Of whom has been asked: what he has, and which of it he has not. */
void damage_told(struct node *n, const struct follower *f, const struct frame *frame)
{
	for (size_t i = 0; i < frame->record_count; i++) {
		struct damaged *d = find(n, &frame->records[i].key);
		struct store_item own, theirs = record_heard(n, &frame->records[i]);

		if (!d || !store_get(n->store, d->key, &own) || !version_equal(own.version, theirs.version) ||
		    store_sound(&own) || theirs.deleted || !theirs.sum || !store_sound(&theirs))
			continue;
		theirs.expires = own.expires;
		store_put(n->store, &theirs);
		give_changed(n, &d->key);
		follow_changed(n, &d->key); /* another keeper may have what was here */
		n->scrub.told[SCRUB_HEALED]++;
		out_log(n, NOTE_HEALED, ABOUT(OF_PEER(f->m.id)), "record of id %08x: fetched anew from node %08x",
			d->key.id, f->m.id);
		drop(d);
	}
	for (size_t i = 0; i < frame->key_count; i++) {
		struct damaged *d = find(n, &frame->keys[i]);

		if (!d)
			continue;
		d->open &= ~(1u << (f - n->followers));
		settle(n, d);
	}
}

void damage_tick(struct node *n, uint64_t *next)
{
	for (struct damaged *d = n->damaged; d < n->damaged + DAMAGED_MAX; d++) {
		struct store_item item;

		if (!d->used)
			continue;
		if (!store_get(n->store, d->key, &item) || !version_equal(item.version, d->version)) {
			drop(d); /* put anew, or gone */
			continue;
		}
		if (d->lost || !node_ready(n))
			continue;
		if (n->now - d->asked >= AGAIN) {
			ask(n, d);
			settle(n, d);
		}
		if (!d->lost)
			soonest(next, d->asked + AGAIN);
	}
}

void damage_forget(struct node *n)
{
	for (struct damaged *d = n->damaged; d < n->damaged + DAMAGED_MAX; d++)
		if (d->used)
			drop(d);
}
