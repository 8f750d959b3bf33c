/* Records that outlive their arc (PROTOCOL.md section 8): whoever serves their ids now puts them if they are newer. */
#include <stdlib.h>

#include "core.h"

#define MERGE_BYTES (32u << 10)
#define MERGE_FRAMES 16 /* at once; the next ones when these are answered */
#define MERGE_BURST (512u << 10)
#define MERGE_AGAIN 1000
#define MERGE_SLOW 5   /* doublings */
#define MERGE_ROUNDS 2 /* ends of all ids: behind them each part has had its turn */

/* Not ours to merge: an arc of ours, a sealed copy, what is being handed over. */
static bool at_home(struct node *n, uint32_t id)
{
	if (entry_own(n, id))
		return true;
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->sealed && ring_contains(e->v.arc, id))
			return true;
	return false;
}

struct search {
	struct node *n;
	bool found;
};

static bool found_one(void *arg, const struct store_item *item)
{
	struct search *s = arg;

	s->found = !at_home(s->n, item->key.id);
	return !s->found;
}

static bool is_who_asks(void *arg, const struct copy_stream *by)
{
	return member_same(&by->owner, arg);
}

/* Does some of the arc lie here that its owner may not have? */
bool merge_has(struct node *n, struct arc arc, const struct member *by)
{
	struct member who = *by;
	struct search s = {n, copy_loose(n, arc, is_who_asks, &who)};

	if (!s.found && n->stash)
		store_each(n->store, arc, found_one, &s);
	return s.found;
}

/* Who asks about an arc of which some lies here may be about to take it. */
void merge_asked(struct node *n, struct arc arc)
{
	struct search s = {n, false};

	if (n->stopping && n->stash)
		store_each(n->store, arc, found_one, &s);
	if (s.found)
		n->merge_asked = n->now;
}

static void send(struct node *n, struct frame_record *records, size_t count)
{
	struct frame f;

	frame_start(n, &f, FRAME_MERGE);
	if (!n->ring.term)
		f.ring = n->stash_ring;
	f.records = records;
	f.record_count = count;
	frame_send(n, &f, TOPIC_RING, 0);
	n->merging += count;
}

/* A whole part: who holds much of his own does not walk through it each time. */
static bool part_at_home(const struct node *n)
{
	uint32_t begin = n->merge_at, end = store_part_end(begin);

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && (e->mine || e->sealed) && ring_contains(e->v.arc, begin) &&
		    ring_contains(e->v.arc, end) && (e->v.arc.lo < begin || e->v.arc.lo >= end))
			return true;
	return false;
}

static void merge_further(struct node *n)
{
	n->merge_at = store_part_end(n->merge_at) + 1;
	n->merge_rounds += n->merge_at == 0;
}

struct offering {
	struct node *n;
	struct frame_record records[FRAME_RECORDS_MAX];
	size_t count, bytes, frames, sent;
	size_t index, from, to; /* of those of a part that are not at home: counted, and to be offered */
	bool any, full;
};

static void send_some(struct offering *o)
{
	if (!o->count)
		return;
	send(o->n, o->records, o->count);
	o->count = o->bytes = 0;
	o->full = ++o->frames == MERGE_FRAMES;
}

static bool count_one(void *arg, const struct store_item *item)
{
	struct offering *o = arg;

	o->index += !at_home(o->n, item->key.id);
	return true;
}

static bool offer_one(void *arg, const struct store_item *item)
{
	struct offering *o = arg;
	struct frame_record r;
	size_t size;

	if (at_home(o->n, item->key.id))
		return true;
	if (o->index++ < o->from)
		return true;
	if (o->index > o->to)
		return false;
	r = record_told(o->n, item);
	size = frame_record_size(&r);
	if (o->count == FRAME_RECORDS_MAX || o->bytes + size > MERGE_BYTES)
		send_some(o);
	if (o->full)
		return false;
	o->records[o->count++] = r;
	o->bytes += size;
	o->sent += size;
	o->full = o->sent >= MERGE_BURST;
	return !o->full;
}

static size_t walk(struct offering *o, bool (*each)(void *, const struct store_item *), size_t from, size_t to)
{
	struct node *n = o->n;

	o->index = 0;
	o->from = from;
	o->to = to;
	if (from < to && !o->full)
		store_each(n->store, (struct arc){n->merge_at - 1, store_part_end(n->merge_at)}, each, o);
	return o->index;
}

/* Each time around from another place on: what does not fit into a burst is not always the same.  The places of Knuth's
 * multiplier are spread evenly, whatever there is. */
static void offer_part(struct offering *o)
{
	size_t count = walk(o, count_one, 0, SIZE_MAX);
	size_t first = (uint64_t)(o->n->merge_rounds * 2654435769u) * count >> 32;

	o->any |= count > 0;
	walk(o, offer_one, first, count);
	walk(o, offer_one, 0, first);
}

/* Sends some of what lies here for others, from where the last burst ended; false if nothing does. */
static bool offer(struct node *n)
{
	struct offering *o = xcalloc(1, sizeof(*o));
	uint32_t begin;
	bool any;

	o->n = n;
	if (n->merging) /* who is to have this part does not answer: not all is his */
		merge_further(n);
	n->merging = 0;
	begin = n->merge_at;
	do {
		if (!part_at_home(n))
			offer_part(o);
		if (!o->full)
			merge_further(n);
	} while (!o->full && n->merge_at != begin);
	send_some(o);
	/* Not to have been offered at all is another thing than not to be taken. */
	if (n->stopping && n->merge_rounds - n->merge_stopped < MERGE_ROUNDS)
		n->merged_at = n->now;
	any = o->any;
	free(o);
	/* To wait for who may take it is bounded by then (tend.c), and longer than some are given to stop. */
	if (any && n->stopping && n->entry_end == n->entries)
		out_effect(n, EFFECT_PROGRESS);
	return any;
}

void merge_soon(struct node *n)
{
	n->stash = true;
	n->merge_tries = 0;
	if (n->stash_at > n->now + MERGE_AGAIN)
		n->stash_at = n->now + MERGE_AGAIN;
}

void merge_tick(struct node *n, uint64_t *next)
{
	if (!n->stash || !node_ready(n) || (!entry_main(n) && !n->refused && !n->stopping && n->config.replicas < 2))
		return;
	if (n->now < n->stash_at) {
		soonest(next, n->stash_at);
		return;
	}
	/* Names of an arc of the reference's may lie here for as long as that lives. */
	n->stash_at = n->now + (MERGE_AGAIN << n->merge_tries);
	if (n->names_stay && !n->stopping && n->merge_tries < MERGE_SLOW)
		n->merge_tries++;
	if (!offer(n)) {
		n->stash = n->names_stay = false;
		out_log(n, NOTE_MERGED, NULL, "no record lies here any more that belongs to others");
		return;
	}
	soonest(next, n->stash_at);
}

/* ---- whoever offers what nobody serves ---- */

static struct offered *offered_by(struct node *n, uint64_t memory)
{
	struct offered *oldest = n->offered;

	for (struct offered *o = n->offered; o < n->offered + OFFERED_MAX; o++) {
		if (o->memory == memory)
			return o;
		if (o->awaited == oldest->awaited ? o->when < oldest->when : oldest->awaited)
			oldest = o;
	}
	*oldest = (struct offered){.memory = memory};
	return oldest;
}

static struct offered *offered_now(struct node *n, const struct member *by)
{
	struct offered *o = offered_by(n, by->memory);

	if (n->now - o->when >= n->config.recover)
		o->parts = 0;
	o->when = n->now;
	return o;
}

static void note(struct node *n, const struct member *by, uint32_t id)
{
	offered_now(n, by)->parts |= UINT64_C(1) << (id >> 26);
}

static bool offers(const struct offered *o, struct arc arc)
{
	for (uint32_t part = 0; part < 64; part++)
		if (o->parts >> part & 1 && arc_overlap(arc, (struct arc){(part << 26) - 1, (part << 26 | 0x3ffffff)}))
			return true;
	return false;
}

/* Nobody has served the arc for that time, so nobody has taken it from them. */
void merge_await(struct node *n, struct entry *e)
{
	for (struct offered *o = n->offered; o < n->offered + OFFERED_MAX; o++)
		if (o->memory && n->now - o->when < n->config.recover && offers(o, e->v.arc)) {
			o->awaited = true;
			e->awaited = n->now;
		}
}

/* Until he has merged it, as he may be cut off or put to sleep just now. */
void merge_some(struct node *n, const struct member *m)
{
	bool taken = false;

	find_records(n);
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->contested) {
			e->awaited = n->now;
			taken = true;
		}
	if (taken)
		offered_now(n, m)->awaited = true;
}

/* Then he has heard us ask, and says for how long he has more. */
void merge_heard(struct node *n, const struct member *m)
{
	bool was = false, any = false;

	for (struct offered *o = n->offered; o < n->offered + OFFERED_MAX; o++) {
		was |= o->awaited && o->memory == m->memory;
		o->awaited &= o->memory != m->memory;
		any |= o->awaited;
	}
	if (was)
		find_records(n);
	for (struct entry *e = n->entries; was && !any && e < n->entry_end; e++)
		e->awaited = 0;
}

void on_merge(struct node *n, const struct frame *f)
{
	/* Another ring has counted its views apart: what was written there fills gaps only. */
	uint64_t mask = f->ring.term && !ring_id_same(&f->ring, &n->ring) ? UINT32_MAX : UINT64_MAX;
	struct key keys[FRAME_KEYS_MAX];
	size_t newer = 0, len;
	struct frame r;
	uint8_t *bytes;

	if (member_same(&f->from, &n->self))
		return;
	merge_heard(n, &f->from);
	frame_start(n, &r, FRAME_MERGED);
	r.keys = keys;
	for (size_t i = 0; i < f->record_count && r.key_count < FRAME_KEYS_MAX; i++) {
		struct store_item item = record_heard(n, &f->records[i]);
		struct entry *e = entry_own(n, item.key.id);

		if (!e && n->config.replicas > 1)
			note(n, &f->from, item.key.id);
		item.version.number &= mask;
		/* Under the cut like any operation: what is not acknowledged comes again. */
		if (!e || !(entry_serves(n, e) || (e->held && e->contested)) || give_holds(n, item.key.id) ||
		    reference_quits(n))
			continue;
		if (mask == UINT64_MAX && item.key.name_len)
			item.version.number = record_unkept(n, item.version.number, reference_came(n, item.key.id));
		if (store_put_newer(n->store, &item)) {
			record_changed(n, &item.key);
			record_resurfaced(n, e, &item.key);
			newer++;
		}
		keys[r.key_count++] = item.key;
	}
	if (!r.key_count)
		return;
	r.to = f->from.conn;
	bytes = frame_encode(&r, &len);
	tell_client_own(n, out_topic(n, TOPIC_INBOX, f->from.id), bytes, len); /* it forgets them then */
	if (newer)
		out_log(n, NOTE_MERGED, ABOUT(OF_PEER(f->from.id)),
			"node %08x: %zu of its records were newer -> merged", f->from.id, newer);
}

void on_merged(struct node *n, const struct frame *f)
{
	for (size_t i = 0; i < f->key_count; i++)
		if (n->stash && !at_home(n, f->keys[i].id)) {
			store_remove(n->store, f->keys[i]);
			n->merged_at = n->now;
			n->merge_tries = 0;
		}
	/* The next ones when all of these are answered; else when the time has come. */
	n->merging = n->merging > f->key_count ? n->merging - f->key_count : 0;
	if (n->stash && !n->merging)
		n->stash_at = n->now;
}
