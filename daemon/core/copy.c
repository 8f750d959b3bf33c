/* Copies of arcs that others own, the keeper's side (PROTOCOL.md section 7); follow.c and follow-stream.c are
 * the other.  Their records and rows lie apart from what is owned here, and are moved there when the arc is. */
#include <stdlib.h>
#include <string.h>

#include "copy-inside.h"

struct copy *copy_find(struct node *n, const struct member *owner, uint64_t attempt)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		if (c->used && member_same(&c->owner, owner) && c->attempt == attempt)
			return c;
	return NULL;
}

void copy_picture_drop(struct copy *c)
{
	once_share_free(c->picture);
	c->picture = NULL;
}

void copy_part_drop(struct copy *c)
{
	for (size_t i = 0; i < c->part_count; i++) {
		free(c->parts[i].items);
		free(c->parts[i].bytes);
	}
	free(c->parts);
	once_share_free(c->part_rows);
	c->parts = NULL;
	c->part_count = c->part_bytes = 0;
	c->part_rows = NULL;
	c->anew = false;
}

static void slot_free(struct copy *c)
{
	copy_picture_drop(c);
	copy_part_drop(c);
	*c = (struct copy){.used = false};
}

void copied_begin(struct node *n, struct frame *f, const struct member *owner, uint64_t attempt)
{
	frame_start(n, f, FRAME_COPIED);
	f->attempt = attempt;
	f->hash = owner->memory;
	f->full = room_full(n);
}

/* ---- what becomes of a copy ---- */

static void drop(struct node *n, struct arc arc)
{
	(void)store_purge(n->copied, arc);
	once_forget(n->copied_once, arc);
}

void copy_forget_arc(struct node *n, struct copy *c, struct arc arc)
{
	arcs_cut(&c->arcs, arc);
	drop(n, arc);
}

/* Nobody is known to have it as well: whoever owns the arc now puts what is newer (merge.c). */
static void set_free(struct node *n, struct arc arc)
{
	size_t count = store_move(n->store, n->copied, arc) + store_move(n->store, n->replaced, arc);
	char text[24];

	once_forget(n->copied_once, arc);
	if (!count)
		return;
	out_log(n, NOTE_MERGING, ABOUT(OF_ARC(arc)),
		"arc %s: its copy is nobody's any more -> %zu records are to be merged", arc_text(arc, text), count);
	merge_soon(n);
}

/* Another owner tells anew what is in the arc.  Until he has, and he may die before, this is what there is of it. */
static void replace(struct node *n, struct copy *c, struct arc arc)
{
	arcs_cut(&c->arcs, arc);
	(void)store_move(n->replaced, n->copied, arc);
	once_forget(n->copied_once, arc);
}

void copy_replaced(struct node *n, struct arc arc)
{
	(void)store_purge(n->replaced, arc);
}

void copy_set_free(struct node *n, struct copy *c, struct arc arc)
{
	arcs_cut(&c->arcs, arc);
	set_free(n, arc);
}

/* What `arc` and a piece of a copy have in common goes; the piece may reach further. */
void copy_common(struct node *n, struct copy *c, struct arc arc, void (*go)(struct node *, struct copy *, struct arc))
{
	struct arcs both = c->arcs;

	arcs_limit(&both, arc);
	for (unsigned i = 0; i < both.count; i++)
		go(n, c, arcs_piece(&both, i));
}

void copy_left_free(struct node *n, struct left *l)
{
	for (unsigned i = 0; i < l->arcs.count; i++)
		set_free(n, arcs_piece(&l->arcs, i));
	l->arcs.count = 0;
}

/* By clocks that differ by no more than twice. */
static bool lately(const struct node *n, uint64_t when)
{
	return n->now - when < n->config.recover / 2;
}

/* What lies here of it by an earlier stream of that owner is told anew.  What others had here has moved on to him in good
 * order, if they spoke lately; else it may be all that is left of theirs, as nobody takes an arc without its records before
 * the set time is over. */
void copy_moved_on(struct node *n, const struct member *owner, struct arc arc)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		if (c->used)
			copy_common(n, c, arc,
				    member_same(&c->owner, owner)    ? copy_forget_arc
				    : !c->old && lately(n, c->heard) ? replace
								     : copy_set_free);
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		if (arcs_touch(&l->arcs, arc) && (l->old || !lately(n, l->since)))
			copy_left_free(n, l);
		else
			arcs_cut(&l->arcs, arc);
	drop(n, arc);
}

/* A view that does not name us takes the arc: what was kept of it stays until that holds. */
void copy_leave(struct node *n, const struct view *v)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		struct arcs both = c->arcs;
		struct left *l = &n->left[n->left_next];

		arcs_limit(&both, v->arc);
		if (!c->used || !both.count)
			continue;
		n->left_next = (n->left_next + 1) % LEFT_MAX;
		copy_left_free(n, l);
		*l = (struct left){
			.name = v->name, .owner = c->owner, .attempt = c->attempt, .arcs = both, .since = n->now};
		arcs_cut(&c->arcs, v->arc);
	}
}

/* It holds. */
void copy_left(struct node *n, const struct view_name *name)
{
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++) {
		if (!l->arcs.count || !name_equal(&l->name, name))
			continue;
		for (unsigned i = 0; i < l->arcs.count; i++)
			drop(n, arcs_piece(&l->arcs, i));
		l->arcs.count = 0;
	}
}

/* Named again, by a later attempt of the same owner: as if it had not been left. */
void copy_return(struct node *n, const struct view *v)
{
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++) {
		struct copy *c = l->arcs.count ? copy_find(n, &l->owner, l->attempt) : NULL;
		struct arcs both = l->arcs;

		if (!c || !member_same(&c->owner, &v->owner))
			continue;
		arcs_limit(&both, v->arc);
		for (unsigned i = 0; i < both.count; i++)
			if (arcs_add(&c->arcs, arcs_piece(&both, i)))
				arcs_cut(&l->arcs, arcs_piece(&both, i));
	}
}

void copy_forget_all(struct node *n)
{
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		l->arcs.count = 0;
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		if (c->used)
			slot_free(c);
	set_free(n, (struct arc){0, 0});
	once_clear(n->copied_once);
}

void copy_unfilled(struct node *n, struct copy *c)
{
	copy_picture_drop(c);
	copy_part_drop(c);
	if (c->filling)
		copy_common(n, c, c->fill, copy_forget_arc);
	if (c->filling || c->going)
		c->broken = c->again = true; /* its stream goes on behind what is lost */
	c->filling = c->going = false;
}

/* ---- taking over, and keeping on ---- */

/* Whatever was kept of it, for whom and since when: it is another's, or ours. */
static void unclaim(struct node *n, struct arc arc)
{
	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		arcs_cut(&c->arcs, arc);
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		arcs_cut(&l->arcs, arc);
}

static bool has_all(const struct copy *c, const struct entry *e)
{
	return c->used && member_same(&c->owner, &e->peer) && arcs_cover(&c->arcs, e->v.arc) &&
	       !(c->filling && arc_overlap(c->fill, e->v.arc));
}

/* What is owned from here on.  False: there is no copy of all of it. */
bool copy_take(struct node *n, const struct entry *e)
{
	struct once_arc here = {e->v.arc, {e->v.name.number, 0}};
	struct once_share *share;
	bool all = false;

	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		if (has_all(c, e)) {
			all = true;
			here.token.counter = c->counter;
		}
	}
	unclaim(n, e->v.arc);
	(void)store_move(n->store, n->copied, e->v.arc);
	if (!all) {
		(void)store_move(n->store, n->replaced, e->v.arc);
	} else {
		copy_replaced(n, e->v.arc);
		if (here.token.counter > n->counter)
			n->counter = here.token.counter;
		share = once_give(n->copied_once, &here);
		once_take(n->once, share);
		once_share_free(share);
	}
	once_forget(n->copied_once, e->v.arc);
	return all;
}

bool copy_whole(struct node *n, const struct entry *e)
{
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		if (has_all(c, e))
			return true;
	return false;
}

/* What nobody answers for is ours: whatever was kept of it is, too. */
void copy_absorb(struct node *n, struct arc arc)
{
	unclaim(n, arc);
	(void)store_move(n->store, n->copied, arc);
	(void)store_move(n->store, n->replaced, arc);
	once_forget(n->copied_once, arc);
}

/* What no view names us in, and nobody fills. */
struct arcs copy_unguarded(const struct node *n, const struct copy *c)
{
	struct arcs rest = c->arcs;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && member_same(&e->v.owner, &c->owner))
			arcs_cut(&rest, e->v.arc);
	return rest;
}

/* Whatever is kept for nobody whom we guard goes, the longest silent first. */
struct copy *copy_slot_freed(struct node *n)
{
	struct copy *oldest = NULL;
	struct arcs rest;

	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		rest = copy_unguarded(n, c);
		if (memcmp(&rest, &c->arcs, sizeof(rest)) == 0 && (!oldest || c->heard < oldest->heard))
			oldest = c;
	}
	if (!oldest)
		return NULL;
	for (rest = oldest->arcs; rest.count; arcs_cut(&rest, arcs_piece(&rest, 0)))
		copy_set_free(n, oldest, arcs_piece(&rest, 0));
	slot_free(oldest);
	return oldest;
}

static struct copy *slot_for(struct node *n, const struct member *owner)
{
	struct copy *spare = NULL, *last = NULL;

	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		if (!c->used)
			spare = spare ? spare : c;
		else if (member_same(&c->owner, owner) && (!last || c->attempt > last->attempt))
			last = c;
	}
	if (last)
		return last;
	if (!spare)
		spare = copy_slot_freed(n);
	if (spare)
		*spare = (struct copy){.used = true, .owner = *owner};
	return spare;
}

/* What was owned until now is kept for who owns it: nothing need be sent.  Returns how many values. */
size_t copy_keep(struct node *n, const struct member *owner, struct arc arc)
{
	struct once_arc here = {arc, {n->number, n->counter}};
	struct once_share *share = once_give(n->once, &here);
	struct copy *c = slot_for(n, owner);
	size_t count = store_count(n->store);

	unclaim(n, arc);
	drop(n, arc);
	copy_replaced(n, arc);
	if (c) {
		(void)store_move(n->copied, n->store, arc);
		once_take(n->copied_once, share);
		c->heard = n->now;
		if (n->counter > c->counter)
			c->counter = n->counter;
		(void)arcs_add(&c->arcs, arc);
	} else {
		(void)store_purge(n->store, arc); /* its owner is told so, and begins anew */
	}
	once_share_free(share);
	once_forget(n->once, arc);
	return count - store_count(n->store);
}

size_t copy_count(const struct node *n)
{
	return store_count(n->copied);
}

/* ---- by the clock ---- */

/* Somebody looks for who has something of it: what is kept for an owner who is said to have it himself may be all there is. */
void copy_asked(struct node *n, struct arc arc, const struct member *by)
{
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		l->asked |= arcs_touch(&l->arcs, arc) && !member_same(&l->owner, by);
}

static bool stop(void *arg, const struct store_item *item)
{
	(void)item;
	*(bool *)arg = true;
	return false;
}

bool copy_loose(const struct node *n, struct arc arc, bool (*except)(void *arg, const struct copy_stream *by),
		void *arg)
{
	struct arcs loose = {.count = 0};
	bool any = false;

	store_each(n->replaced, arc, stop, &any);
	if (any || store_empty(n->copied))
		return any;
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		struct arcs rest = copy_unguarded(n, c);

		if (!c->used || except(arg, &(struct copy_stream){c->owner, c->attempt, n->now - c->heard}))
			continue;
		for (unsigned i = 0; i < rest.count; i++)
			(void)arcs_add(&loose, arcs_piece(&rest, i));
	}
	for (const struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		for (unsigned i = 0;
		     i < l->arcs.count && !except(arg, &(struct copy_stream){l->owner, l->attempt, n->now - l->since});
		     i++)
			(void)arcs_add(&loose, arcs_piece(&l->arcs, i));
	arcs_limit(&loose, arc);
	for (unsigned i = 0; i < loose.count && !any; i++)
		store_each(n->copied, arcs_piece(&loose, i), stop, &any);
	return any;
}

/* Was some of it left, it may return. */
static bool left_of(const struct node *n, const struct copy *c)
{
	for (const struct left *l = n->left; l < n->left + LEFT_MAX; l++)
		if (l->arcs.count && l->attempt == c->attempt && member_same(&l->owner, &c->owner))
			return true;
	return false;
}

static void copy_end(struct node *n, struct copy *c)
{
	struct arcs rest = copy_unguarded(n, c);

	for (unsigned i = 0; i < rest.count; i++)
		copy_set_free(n, c, arcs_piece(&rest, i));
	if (!c->arcs.count && !left_of(n, c))
		slot_free(c);
}

/* Who was to tell it anew does so no more: it is offered to whoever owns the arc. */
static void replaced_tick(struct node *n)
{
	struct arcs rest = {.count = 0};

	if (store_empty(n->replaced))
		return;
	(void)arcs_add(&rest, (struct arc){0, 0});
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++)
		if (c->used && c->filling)
			arcs_cut(&rest, c->fill);
	for (unsigned i = 0; i < rest.count; i++)
		if (store_move(n->store, n->replaced, arcs_piece(&rest, i)))
			merge_soon(n);
}

void copy_tick(struct node *n, uint64_t *next)
{
	uint64_t patience = 2 * (uint64_t)n->config.silence + n->config.recover;

	for (struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		struct arcs rest;

		if (!c->used)
			continue;
		rest = copy_unguarded(n, c);
		if (!rest.count && (c->arcs.count || left_of(n, c))) {
			c->idle = 0;
			continue;
		}
		if (!c->idle)
			c->idle = n->now;
		if (!c->arcs.count || (n->now - c->idle >= patience && n->now - c->heard >= patience)) {
			copy_end(n, c);
			continue;
		}
		soonest(next, (c->idle > c->heard ? c->idle : c->heard) + patience);
	}
	for (struct left *l = n->left; l < n->left + LEFT_MAX; l++) {
		if (!l->arcs.count)
			continue;
		if (l->asked || n->now - l->since >= patience)
			copy_left_free(n, l);
		else
			soonest(next, l->since + patience);
	}
	replaced_tick(n);
	(void)store_forget(n->copied, n->now, memory_graves(n), 1000);
}
