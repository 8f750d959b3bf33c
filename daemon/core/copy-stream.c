/* The stream by which an owner tells what is to be kept, the keeper's side (PROTOCOL.md section 7); copy.c has what becomes of
 * what came by it, follow-stream.c the other side. */
#include <stdlib.h>
#include <string.h>

#include "copy-inside.h"

/* An owner takes on no more than 8 MiB that its backup has not acknowledged (follow.c), and one value beyond it. */
#define TURN_MOST (64u << 20)

static void say(struct node *n, const struct frame *f, const struct copy *c, uint64_t seq)
{
	struct frame r;

	copied_begin(n, &r, &f->from, f->attempt);
	r.seq = seq;
	r.checked = c->checked;
	r.differ_count = c->differ_count;
	memcpy(r.differs, c->differs, sizeof(r.differs));
	frame_send(n, &r, TOPIC_INBOX, f->from.id);
}

/* c: what there is of it all the same; NULL: nothing. */
static void say_absent(struct node *n, const struct frame *f, const struct copy *c)
{
	struct frame r;

	copied_begin(n, &r, &f->from, f->attempt);
	r.reason = REASON_ABSENT;
	r.flag = c && c->again;
	frame_send(n, &r, TOPIC_INBOX, f->from.id);
}

/* Is some of the arc ours, or kept for somebody else whom we know to own it? */
static bool taken(const struct node *n, const struct member *from, struct arc arc)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && arc_overlap(e->v.arc, arc) && (e->mine || e->sealed || !member_same(&e->v.owner, from)))
			return true;
	return n->take.phase == TAKE_STORED && arc_overlap(n->take.arc, arc);
}

static bool guards(const struct node *n, const struct member *owner, bool sealed)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && e->sealed == sealed && member_same(&e->v.owner, owner))
			return true;
	return false;
}

/* With what was left, as it may come back. */
static bool covers(const struct node *n, const struct copy *c, struct arc arc)
{
	struct arcs all = c->arcs;

	for (const struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		for (unsigned i = 0; l->attempt == c->attempt && member_same(&l->owner, &c->owner) && i < l->arcs.count;
		     i++)
			(void)arcs_add(&all, arcs_piece(&l->arcs, i));
	return arcs_cover(&all, arc);
}

static struct stream *stream_of(struct node *n, const struct member *owner)
{
	for (struct stream *s = n->streams; s < n->streams + STREAMS_MAX; s++)
		if (s->memory == owner->memory)
			return s;
	return NULL;
}

/* What was given to him stays here whole until he says ACTIVE, and is his copy then. */
static bool is_sealed(const struct node *n, const struct member *owner, struct arc arc)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->sealed && member_same(&e->v.owner, owner) && arc_overlap(e->v.arc, arc))
			return true;
	return false;
}

bool copy_upto(struct node *n, const struct frame *f)
{
	struct copy *c = copy_find(n, &f->from, f->attempt);
	const struct stream *last = stream_of(n, &f->from);
	bool sealed = false;

	if (!c && !(last && last->attempt == f->attempt))
		c = copy_find(n, &f->from, 0); /* the stream has not begun here */
	for (unsigned i = 0; i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		if (is_sealed(n, &f->from, v->arc))
			sealed = true;
		else if (c && member_same(&v->owner, &f->from) && member_same(&v->backup, &n->self))
			c->broken |= !covers(n, c, v->arc);
	}
	if (c ? c->broken : !sealed)
		say_absent(n, f, c);
	/* ACTIVE comes first, which makes a copy of what is sealed: the view behind it would drop that. */
	return !sealed && (!f->flag || (c && !c->broken && c->seq >= f->seq));
}

/* Somebody else has told of some of the arc by a later view: this was said on its way there, and comes again. */
static bool is_outdated(const struct node *n, const struct frame *f)
{
	for (const struct filled *d = n->filled; d < n->filled + FILLED_MAX; d++)
		if (ring_id_same(&d->ring, &f->ring) && d->epoch > f->epoch && d->memory != f->from.memory &&
		    arc_overlap(d->arc, f->arc))
			return true;
	return false;
}

static void filled_note(struct node *n, const struct frame *f)
{
	for (struct filled *d = n->filled; d < n->filled + FILLED_MAX; d++)
		if (d->memory == f->from.memory && arc_equal(d->arc, f->arc)) {
			d->ring = f->ring;
			d->epoch = f->epoch;
			return;
		}
	n->filled[n->filled_next++ % FILLED_MAX] = (struct filled){f->arc, f->ring, f->from.memory, f->epoch};
}

static void stream_note(struct node *n, const struct frame *f)
{
	struct stream *s = stream_of(n, &f->from);

	if (!s)
		s = &n->streams[n->stream_next++ % STREAMS_MAX];
	*s = (struct stream){f->from.memory, f->attempt};
}

void copies_leave(struct node *n)
{
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		struct frame f = {.from = c->owner, .attempt = c->attempt};

		if (c->used && !c->filling && !guards(n, &c->owner, true) && !guards(n, &c->owner, false))
			say_absent(n, &f, NULL);
	}
}

/* Of a stream that goes on with what is here of an earlier one (section 7, "With a disk"): what is whole of it stays. */
static bool may_go_on(const struct node *n, const struct copy *c, struct arc arc)
{
	return covers(n, c, arc) && !(c->filling && arc_overlap(c->fill, arc)) && (!c->broken || c->again);
}

static struct copy *stream_go_on(struct node *n, const struct frame *f)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		if (!c->used || !member_same(&c->owner, &f->from) || !may_go_on(n, c, f->arc))
			continue;
		stream_note(n, f);
		copy_unfilled(n, c);
		for (struct left *l = n->left; l < n->left + LEFT_MAX; l++)
			if (l->attempt == c->attempt && member_same(&l->owner, &c->owner))
				l->attempt = f->attempt;
		c->attempt = f->attempt;
		c->seq = c->whole_seq = c->checked = 0;
		c->differ_count = 0;
		c->broken = c->again = false;
		return c;
	}
	return NULL;
}

/* The first frame of a stream: it continues what has been kept since a handover, or begins to fill. */
static struct copy *stream_begin(struct node *n, const struct frame *f)
{
	struct copy *c = copy_find(n, &f->from, 0);

	if (f->arc_set && f->flag)
		return stream_go_on(n, f);
	if (!c && !f->arc_set)
		return NULL;
	stream_note(n, f);
	if (c) {
		c->attempt = f->attempt;
		return c;
	}
	for (c = n->copies; c < n->copies + COPIES_MAX && c->used; c++)
		;
	if (c == n->copies + COPIES_MAX)
		c = copy_slot_freed(n);
	if (c)
		*c = (struct copy){.used = true, .owner = f->from, .attempt = f->attempt};
	return c;
}

static void part_begin(struct copy *c)
{
	c->part_rows = once_share_new((struct arc){0, 0});
}

static void picture_begin(struct node *n, struct copy *c, struct arc arc)
{
	struct once_count count = once_count(n->copied_once);

	copy_picture_drop(c);
	c->picture = once_share_new(arc);
	c->fill = arc;
	c->forgotten = count.forgotten + count.crowded_out;
}

/* It is whole, but for what it may have missed; else it is not what its owner takes it for. */
static void fill_go_on(struct node *n, struct copy *c, const struct frame *f)
{
	if (c->filling || c->part_rows || !may_go_on(n, c, f->arc)) {
		c->broken = true;
		return;
	}
	picture_begin(n, c, f->arc);
	part_begin(c);
	c->going = true; /* a row is not to be here without its record, nor the other way round */
}

/* A turn that tells all of a piece. */
static void anew_begin(struct copy *c, const struct frame *f)
{
	if (!f->arc_set || c->going || c->filling || c->part_rows || !arcs_cover(&c->arcs, f->arc)) {
		c->broken = true;
		return;
	}
	c->anew = true;
	c->anew_arc = f->arc;
}

static void fill_begin(struct node *n, struct copy *c, const struct frame *f)
{
	if (is_outdated(n, f)) {
		c->broken = true;
		return;
	}
	filled_note(n, f);
	copy_moved_on(n, &f->from, f->arc);
	if (!arcs_add(&c->arcs, f->arc))
		return;
	picture_begin(n, c, f->arc);
	c->filling = true;
}

/* All of it is here. */
static void picture_take(struct node *n, struct copy *c)
{
	struct once_count count = once_count(n->copied_once);

	once_take(n->copied_once, c->picture);
	/* Clients that were forgotten meanwhile may have written there meanwhile. */
	if (c->forgotten != count.forgotten + count.crowded_out)
		once_own(n->copied_once, &(struct once_arc){c->fill, {n->number, c->counter}});
	copy_picture_drop(c);
}

static const char *take_table(struct node *n, struct copy *c, const struct frame *f)
{
	struct watched_piece watched[WATCHED_MAX];
	struct once_share *rows = n->told_rows;
	unsigned told = 0;
	const char *why;

	if (!f->table_len)
		return NULL;
	if (f->flag) {
		if (!c->picture)
			return "rows of no fill";
		why = share_decode(c->picture, watched, &told, f->table, f->table_len);
		if (!why && f->last && !c->going)
			picture_take(n, c);
		return why;
	}
	once_share_empty(rows);
	why = share_decode(rows, watched, &told, f->table, f->table_len);
	if (!why && c->part_rows)
		why = once_share_add(c->part_rows, rows) ? NULL : "too many of one turn";
	else if (!why)
		once_follow(n->copied_once, rows);
	return why;
}

static void mark(struct node *n)
{
	struct once_arc arcs[COPIES_MAX * ARCS_MAX];
	size_t count = 0;

	if (!once_mark_due(n->copied_once, n->now))
		return;
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		for (unsigned i = 0; c->used && i < c->arcs.count; i++)
			arcs[count++] = (struct once_arc){arcs_piece(&c->arcs, i), {n->number, c->counter}};
	once_mark(n->copied_once, n->now, arcs, count);
}

/* It may come back, with all that was written until then. */
static bool left_has(const struct node *n, const struct copy *c, uint32_t id)
{
	for (const struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		if (l->attempt == c->attempt && member_same(&l->owner, &c->owner) && arcs_have(&l->arcs, id))
			return true;
	return false;
}

static void take_record(struct node *n, struct copy *c, const struct store_item *item)
{
	if (arcs_have(&c->arcs, item->key.id) || left_has(n, c, item->key.id))
		store_put(n->copied, item);
	else
		c->broken = true; /* taken for kept */
}

static uint8_t *part_bytes(uint8_t *to, const uint8_t **from, size_t len)
{
	if (len)
		memcpy(to, *from, len);
	*from = to;
	return to + len;
}

/* What a frame tells, kept as it is: it is not its turn's last. */
static void part_add(struct node *n, struct copy *c, const struct frame *f)
{
	struct copy_part *p;
	size_t size = 0;
	uint8_t *to;

	for (size_t i = 0; i < f->record_count; i++)
		size += f->records[i].key.name_len + f->records[i].value_len;
	c->parts = xrealloc(c->parts, (c->part_count + 1) * sizeof(*c->parts));
	p = &c->parts[c->part_count++];
	*p = (struct copy_part){.items = xmalloc((f->record_count + 1) * sizeof(*p->items)),
				.bytes = xmalloc(size + 1)};
	to = p->bytes;
	c->part_bytes += size;
	for (; p->count < f->record_count; p->count++) {
		struct store_item *item = &p->items[p->count];

		*item = record_heard(n, &f->records[p->count]);
		to = part_bytes(to, &item->key.name, item->key.name_len);
		to = part_bytes(to, &item->value, item->len);
	}
}

/* What was told before the last frame of a turn. */
static void parts_take(struct node *n, struct copy *c)
{
	if (c->anew)
		(void)store_purge(n->copied, c->anew_arc);
	c->anew = false;
	for (size_t i = 0; i < c->part_count; i++) {
		const struct copy_part *p = &c->parts[i];
		struct store_ahead ahead = {.next = 0};

		for (size_t k = 0; k < p->count; k++) {
			store_ahead(n->copied, &ahead, &p->items->key, sizeof(*p->items), p->count, k);
			take_record(n, c, &p->items[k]);
		}
	}
	once_follow(n->copied_once, c->part_rows);
	copy_part_drop(c);
}

static void records_take(struct node *n, struct copy *c, const struct frame *f)
{
	struct store_ahead ahead = {.next = 0};

	for (size_t i = 0; i < f->record_count; i++) {
		struct store_item item = record_heard(n, &f->records[i]);

		store_ahead(n->copied, &ahead, &f->records->key, sizeof(*f->records), f->record_count, i);
		take_record(n, c, &item);
	}
}

/* All that its owner has: it keeps nothing else for him, but what it guards. */
static void keep_only(struct node *n, struct copy *c, const struct frame *f)
{
	struct arcs rest = copy_unguarded(n, c);

	for (unsigned i = 0; i < f->view_count; i++)
		arcs_cut(&rest, f->views[i].arc);
	for (unsigned i = 0; f->view_count && i < rest.count; i++)
		copy_forget_arc(n, c, arcs_piece(&rest, i));
}

static void take_in(struct node *n, struct copy *c, const struct frame *f)
{
	const char *why;

	mark(n);
	keep_only(n, c, f);
	if (f->anew)
		anew_begin(c, f);
	else if (f->arc_set && f->flag)
		fill_go_on(n, c, f);
	else if (f->arc_set)
		fill_begin(n, c, f);
	if ((f->more || c->anew) && !c->part_rows)
		part_begin(c);
	if (c->part_rows)
		part_add(n, c, f);
	else
		records_take(n, c, f);
	if (f->count > c->counter)
		c->counter = f->count;
	why = take_table(n, c, f);
	if (!why && c->part_bytes > TURN_MOST && !c->going)
		why = "more of one turn than an owner takes on";
	if (f->last && !f->flag) {
		if (c->going && !why)
			picture_take(n, c);
		if (c->filling && !c->broken)
			copy_replaced(n, c->fill);
		c->filling = c->going = false;
	}
	if (c->part_rows && !f->more && !c->going && !why)
		parts_take(n, c);
	if (f->check_count && !c->part_rows)
		copy_check(n, c, f);
	c->broken |= why != NULL;
	if (why)
		out_log(n, NOTE_PEER_WRONG, ABOUT(OF_PEER(c->owner.id), OF_REASON(why)),
			"copy for node %08x: what it tells of writes done: %s", c->owner.id, why);
}

void on_copy(struct node *n, const struct frame *f)
{
	struct copy *c = copy_find(n, &f->from, f->attempt);
	const struct stream *last;

	/* What is somebody else's by what is known here will be told apart by others; and of an arc that is still sealed
	 * here its owner's ACTIVE is to come first. */
	if (!f->attempt || f->hash != n->self.memory ||
	    ((!c || f->seq == c->seq + 1) && f->arc_set && taken(n, &f->from, f->arc)) ||
	    (!c && guards(n, &f->from, true)))
		return;
	last = stream_of(n, &f->from);
	if (!c && last && f->attempt < last->attempt)
		return;
	if (!c && f->seq == 1 && !(last && f->attempt == last->attempt))
		c = stream_begin(n, f);
	if (!c || c->broken) {
		say_absent(n, f, c);
		return;
	}
	c->heard = n->now;
	c->old = false;
	if (f->seq == c->seq + 1) {
		take_in(n, c, f);
		c->seq = f->seq;
	}
	if (!c->part_rows)
		c->whole_seq = c->seq;
	if (f->key_count)
		copy_wanted(n, c, f);
	if (c->broken)
		say_absent(n, f, c);
	else
		say(n, f, c, n->durable && !c->going ? c->whole_seq : c->seq);
}

/* It keeps nothing here any more, but what we guard for it. */
void on_forget(struct node *n, const struct frame *f)
{
	struct copy *c = copy_find(n, &f->from, f->attempt);

	struct arcs rest;

	if (!c || !f->attempt || f->hash != n->self.memory)
		return;
	rest = copy_unguarded(n, c);
	if (f->arc_set)
		arcs_limit(&rest, f->arc);
	for (unsigned i = 0; i < rest.count; i++) {
		copy_forget_arc(n, c, arcs_piece(&rest, i));
		copy_replaced(n, arcs_piece(&rest, i));
	}
}
