/* Storing the views that others make (PROTOCOL.md section 5, rule 2). */
#include <string.h>

#include "core.h"

static bool supersedes(const struct entry *e, const struct view *v, const struct view_name *base)
{
	return name_equal(&e->v.name, base) || base->number >= e->v.name.number ||
	       (e->v.name.maker == v->name.maker && name_equal(&e->v.base, base) && v->name.number > e->v.name.number);
}

/* A merge is judged half by half: the numbers of two arcs are not to be compared. */
static bool acceptable(const struct entry *e, const struct view *v)
{
	if (name_equal(&e->v.name, &v->name))
		return true;
	if (!v->far_base.number)
		return supersedes(e, v, &v->base);
	if (e->v.name.maker == v->name.maker && name_equal(&e->v.base, &v->base) &&
	    name_equal(&e->v.far_base, &v->far_base))
		return v->name.number > e->v.name.number;
	if (arc_overlap(e->v.arc, (struct arc){v->arc.lo, v->split}) && !supersedes(e, v, &v->base))
		return false;
	if (arc_overlap(e->v.arc, (struct arc){v->split, v->arc.hi}) && !supersedes(e, v, &v->far_base))
		return false;
	return true;
}

/* Made by others, without us.  Where the members are left out, its maker is all there is. */
bool view_foreign(const struct node *n, const struct view *v)
{
	return v->owner.memory ? !view_names(v, &n->self) : v->name.maker != name_maker(n);
}

/* Does what f brings take its place? */
static bool replaced(const struct entry *e, const struct frame *f)
{
	for (unsigned i = 0; i < f->view_count; i++)
		if (e->used && arc_overlap(e->v.arc, f->views[i].arc))
			return true;
	return false;
}

#define SPARE 4 /* of the entries: kept for views of this node's own making */

/* Is there room for what this node is named in, once what it replaces is gone? */
static bool room(const struct node *n, const struct frame *f)
{
	unsigned used = 0;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		used += e->used && !replaced(e, f);
	for (unsigned i = 0; i < f->view_count; i++)
		used += view_names(&f->views[i], &n->self);
	return used <= ENTRY_MAX - SPARE;
}

/* Named under our id with a memory that is not ours: what it stored is lost.  But whoever speaks for itself is there (a
 * leaver that still owns what it took over from the dead, after its id has been given to us), and who has the base is a
 * leaver himself, whose id is another's now. */
static bool forgotten(struct node *n, const struct view *v, const struct member *m, const struct member *from)
{
	return m->memory && m->id == n->self.id && m->memory != n->self.memory && !member_same(m, from) &&
	       !entry_named(n, &v->base) && !entry_named(n, &v->far_base);
}

/* Asked again for what is stored; by a leaver, of whom nothing is left to show, for what was. */
static bool stored(struct node *n, const struct view *v)
{
	for (const struct past *p = n->past; !view_names(v, &n->self) && p < n->past + PAST_MAX; p++)
		if (p->name.number && name_equal(&p->name, &v->name))
			return true;
	return entry_named(n, &v->name) != NULL;
}

static bool may_store(struct node *n, const struct frame *f)
{
	if (!room(n, f)) {
		out_log(n, NOTE_TOO_MANY_VIEWS, NULL, "named in more than %d views: one more is refused",
			ENTRY_MAX - SPARE);
		return false;
	}
	for (unsigned i = 0; i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		if (forgotten(n, v, &v->owner, &f->from) || forgotten(n, v, &v->backup, &f->from))
			return false;
		for (const struct entry *e = n->entries; e < n->entry_end; e++)
			if (e->used && arc_overlap(e->v.arc, v->arc) && !acceptable(e, v))
				return false;
		if (!stored(n, v) && entry_outlived(n, v))
			return false;
	}
	return true;
}

void view_refuse(struct node *n, const struct frame *f)
{
	struct past past = entry_past_last(n, f->views[0].arc);
	struct frame r;

	frame_start(n, &r, FRAME_REFUSED);
	r.views[r.view_count++] = f->views[0];
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (replaced(e, f) && r.view_count < FRAME_VIEWS_MAX)
			r.views[r.view_count++] = e->v;
	/* Stored once, and moved on. */
	if (r.view_count == 1 && past.name.number > f->views[0].base.number)
		r.views[r.view_count++] = (struct view){.arc = past.arc, .name = past.name};
	frame_to(n, &r, &f->from);
}

/* One of two arcs that become one, both of them owned and guarded by the same two: nobody else is a party. */
static bool half(const struct entry *e, const struct view *v)
{
	return e->held && !e->mine && member_same(&e->v.owner, &v->owner) && member_same(&e->v.backup, &v->backup) &&
	       (name_equal(&e->v.name, &v->base) || name_equal(&e->v.name, &v->far_base));
}

/* Replaces what overlaps; remembers what it was, in case the attempt dies with its maker. */
static void replace_entries(struct node *n, const struct frame *f)
{
	struct view prev = {0};
	struct member confirmer = {0};
	unsigned halves = 0;

	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!replaced(e, f))
			continue;
		halves += f->view_count == 1 && half(e, &f->views[0]);
		if (e->mine) {
			merge_soon(n); /* whatever is not handed over by this very view */
			/* Its giver has thought better of it: nobody will say that what was taken holds. */
			if (n->take.phase == TAKE_STORED && name_equal(&n->take.views[0].name, &e->v.name))
				take_give_up(n);
		} else {
			prev = e->held ? e->v : e->prev;
			if (e->confirmed)
				confirmer = e->peer;
		}
		entry_drop(n, e);
	}
	for (unsigned i = 0; i < f->view_count; i++) {
		struct entry *e;

		if (!view_names(&f->views[i], &n->self)) {
			entry_past(n, &f->views[i]);
			copy_leave(n, &f->views[i]);
			continue;
		}
		copy_return(n, &f->views[i]);
		e = entry_add(n, &f->views[i], false);
		e->prev = prev;
		e->held = halves == 2; /* the maker has stored it as well */
		e->confirmed = !e->mine && member_same(&e->peer, &confirmer);
		if (f->view_count == 2 && !e->mine && !member_same(&f->views[!i].owner, &n->self) &&
		    !member_same(&f->views[!i].owner, &f->views[i].owner))
			e->other = f->views[!i];
	}
}

bool view_store(struct node *n, const struct frame *f)
{
	struct frame r;
	bool known = true;

	/* Who is new to an arc is its backup when it has all of it, and says nothing until then. */
	if (f->type == FRAME_STORE && f->attempt && !copy_upto(n, f))
		return false;
	if (!may_store(n, f)) {
		view_refuse(n, f);
		return false;
	}
	for (unsigned i = 0; i < f->view_count; i++)
		known &= view_names(&f->views[i], &n->self) ? entry_named(n, &f->views[i].name) != NULL
							    : !entry_over(n, f->views[i].arc);
	if (!known) {
		for (unsigned i = 0; i < f->view_count; i++)
			change_ends(n, &f->views[i]);
		replace_entries(n, f);
	}
	frame_start(n, &r, FRAME_STORED);
	r.views[r.view_count++] = f->views[0];
	frame_to(n, &r, &f->from);
	return true;
}

/* Who has given everything up may still be named by others of that ring, and is in it again with the first view that it
 * stores.  Into another ring it comes by a handover; a lesser one than stands in the register is to yield. */
static bool returns(const struct node *n, const struct frame *f)
{
	return !n->ring.term && f->ring.term && ring_id_same(&f->ring, &n->stash_ring) &&
	       !ring_id_less(&f->ring, &n->seen);
}

void on_store(struct node *n, const struct frame *f)
{
	bool named = false, back = returns(n, f);

	for (unsigned i = 0; i < f->view_count; i++) {
		named |= view_names(&f->views[i], &n->self);
		/* An arc comes with its records, by GRANT, or not at all. */
		if (member_same(&f->views[i].owner, &n->self) && !entry_named(n, &f->views[i].name)) {
			view_refuse(n, f);
			return;
		}
	}
	if (named && !n->ring.term && !back)
		view_refuse(n, f);
	else if (f->view_count && view_store(n, f) && named && back)
		n->ring = f->ring;
}

/* Left for a later attempt of its maker, which has taken it up again: it is guarded here. */
static struct entry *taken_up(struct node *n, const struct frame *f, const struct view *v)
{
	struct past last;

	if (!n->ring.term && !returns(n, f))
		return NULL;
	if (!entry_past_attempts(n, v) || !member_same(&v->backup, &n->self) || entry_over(n, v->arc))
		return NULL;
	last = entry_past_last(n, v->arc);
	if (!name_equal(&last.name, &v->name))
		return NULL;
	if (!n->ring.term)
		n->ring = f->ring;
	copy_return(n, v);
	return entry_add(n, v, true);
}

void on_holds(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; i < f->view_count; i++) {
		struct entry *e = entry_named(n, &f->views[i].name);

		copy_left(n, &f->views[i].name);
		if (!e)
			e = taken_up(n, f, &f->views[i]);
		if (!e)
			continue;
		e->held = true;
		e->prev.name.number = e->other.name.number = 0;
		if (member_same(&e->peer, &f->from))
			e->confirmed = true;
		n->recheck = true;
		if (e->mine)
			take_held(n);
	}
}
