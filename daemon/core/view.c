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
	if (arc_overlap(e->v.arc, (struct arc){v->arc.lo, v->split}) && !supersedes(e, v, &v->base))
		return false;
	if (arc_overlap(e->v.arc, (struct arc){v->split, v->arc.hi}) && !supersedes(e, v, &v->far_base))
		return false;
	return true;
}

static bool may_store(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		if ((v->owner.id == n->self.id && v->owner.memory != n->self.memory) ||
		    (v->backup.id == n->self.id && v->backup.memory && v->backup.memory != n->self.memory))
			return false;
		for (const struct entry *e = n->entries; e < n->entry_end; e++)
			if (e->used && arc_overlap(e->v.arc, v->arc) && !acceptable(e, v))
				return false;
	}
	return true;
}

void view_refuse(struct node *n, const struct frame *f)
{
	uint64_t past = entry_past_number(n, f->views[0].arc);
	struct frame r;

	frame_start(n, &r, FRAME_REFUSED);
	r.views[r.view_count++] = f->views[0];
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		for (unsigned i = 0; i < f->view_count; i++)
			if (e->used && r.view_count < FRAME_VIEWS_MAX && arc_overlap(e->v.arc, f->views[i].arc)) {
				r.views[r.view_count++] = e->v;
				break;
			}
	if (r.view_count == 1 && past >= f->views[0].name.number) {
		/* Stored once, and moved on. */
		r.views[r.view_count] = (struct view){.arc = f->views[0].arc};
		r.views[r.view_count++].name = (struct view_name){past, n->self.id};
	}
	frame_to(n, &r, &f->from);
}

/* Replaces what overlaps; remembers what it was, in case the attempt dies with its maker. */
static void replace_entries(struct node *n, const struct frame *f)
{
	struct view prev = {0};
	struct member confirmer = {0};

	for (struct entry *e = n->entries; e < n->entry_end; e++)
		for (unsigned i = 0; e->used && i < f->view_count; i++)
			if (arc_overlap(e->v.arc, f->views[i].arc)) {
				if (e->mine) {
					n->stash = true; /* whatever is not handed over by this very view */
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
			entry_past(n, f->views[i].arc, f->views[i].name.number);
			continue;
		}
		e = entry_add(n, &f->views[i], false);
		if (!e)
			continue;
		e->prev = prev;
		e->confirmed = !e->mine && member_same(&e->peer, &confirmer);
		if (f->view_count == 2 && !e->mine && !member_same(&f->views[!i].owner, &n->self))
			e->other = f->views[!i];
	}
}

bool view_store(struct node *n, const struct frame *f)
{
	struct frame r;
	bool known = true;

	if (!may_store(n, f)) {
		view_refuse(n, f);
		return false;
	}
	for (unsigned i = 0; i < f->view_count; i++)
		if (view_names(&f->views[i], &n->self) && !entry_named(n, &f->views[i].name))
			known = false;
		else if (!view_names(&f->views[i], &n->self))
			for (const struct entry *e = n->entries; e < n->entry_end; e++)
				if (e->used && arc_overlap(e->v.arc, f->views[i].arc))
					known = false;
	if (!known) {
		for (unsigned i = 0; i < f->view_count; i++)
			change_cancel(n, f->views[i].arc);
		replace_entries(n, f);
	}
	frame_start(n, &r, FRAME_STORED);
	r.views[r.view_count++] = f->views[0];
	frame_to(n, &r, &f->from);
	return true;
}

void on_store(struct node *n, const struct frame *f)
{
	/* An arc comes with its records, by GRANT, or not at all. */
	for (unsigned i = 0; i < f->view_count; i++)
		if (member_same(&f->views[i].owner, &n->self) && !entry_named(n, &f->views[i].name)) {
			view_refuse(n, f);
			return;
		}
	if (f->view_count)
		view_store(n, f);
}

void on_holds(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; i < f->view_count; i++) {
		struct entry *e = entry_named(n, &f->views[i].name);

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
