/* Arcs that nobody owns: behind me, or all around me (PROTOCOL.md section 5, rule 6). */
#include "core.h"

/* What was begun about a hole is over: somebody is there, or we are not. */
void hole_forget(struct node *n)
{
	if (n->roll.stage != ROLL_FOUNDING)
		roll_close(n);
	n->hole_since = 0;
}

/* The hole is none.  A roll that was called for an arc of our own goes on. */
void hole_filled(struct node *n)
{
	n->hole_since = 0;
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && arc_equal(e->v.arc, n->roll.arc))
			return;
	hole_forget(n);
}

/* Somebody speaks whose arc was to be taken. */
void hole_heard(struct node *n)
{
	hole_forget(n);
	if (n->alone_since)
		n->alone_since = n->now;
}

static void own(struct node *n, const struct entry *base, struct arc arc)
{
	struct view v = {.name = name_next(n), .base = base->v.name, .arc = arc, .owner = n->self};

	struct entry *e;

	copy_absorb(n, arc);
	e = entry_add(n, &v, true);
	once_own(n->once, &(struct once_arc){arc, {v.name.number, n->counter}});
	/* Whoever has records of it is heard before anybody is answered. */
	if (e && n->config.replicas > 1) {
		e->contested = n->now;
		merge_await(n, e);
	}
}

/* Behind me nobody answers and nobody guards: a hole. It is asked about, and after the set time taken. */
static void tend_hole(struct node *n, uint64_t *next)
{
	struct entry *e = entry_main(n);
	uint64_t count;
	char text[24];
	struct arc hole;

	if (!e || !n->notify_since || n->now - n->notify_since < n->config.silence + n->config.grace)
		return;
	if (!n->hole_since || n->hole_answered) {
		hole_filled(n);
		n->hole_since = n->now;
		n->hole_answered = false;
		n->hole_near = n->self.id;
	}
	hole = (struct arc){n->hole_near, e->v.arc.lo};
	if (!recover_given_up(n, hole, n->hole_since)) {
		if (!n->hole_sent || n->now - n->hole_sent >= FIND_AGAIN)
			find_ask(n, hole, &n->hole_sent);
		soonest(next, n->hole_sent + FIND_AGAIN);
		return;
	}
	if (n->roll.stage == ROLL_CLOSED && n->now - n->find_echo > FIND_ECHO) {
		n->hole_since = n->now;
		return;
	}
	if (n->change.kind || n->give.phase || n->take.phase || !entry_serves(n, e) || !roll_cleared(n, hole, next))
		return;
	n->hole_since = n->notify_since = 0;
	for (const struct entry *o = n->entries; o < n->entry_end; o++)
		if (o->used && ring_distance(o->v.arc.hi, e->v.arc.lo) < ring_distance(hole.lo, e->v.arc.lo))
			hole.lo = o->v.arc.hi;
	own(n, e, hole);
	count = store_arc_count(n->store, hole);
	if (count)
		out_log(n, NOTE_HOLE_TAKEN, ABOUT(OF_ARC(hole)),
			"arc %s: nobody answers for it -> taken over with the %llu records that are here",
			arc_text(hole, text), (unsigned long long)count);
	else
		out_log(n, NOTE_HOLE_EMPTY, ABOUT(OF_ARC(hole)),
			"arc %s: nobody answers for it -> taken over empty, its records are lost",
			arc_text(hole, text));
}

/* Somebody sees to an arc behind me: is it the hole, or does the hole end where it ends? */
static void seen_to(struct node *n, struct arc arc, uint32_t lo)
{
	if (ring_contains(arc, lo))
		n->hole_answered = true;
	else if (ring_distance(arc.hi, lo) < ring_distance(n->hole_near, lo))
		n->hole_near = arc.hi;
}

/* An arc that somebody sees to: is it the nearest behind me? */
static void beside(struct node *n, struct arc arc)
{
	if (ring_distance(arc.hi, n->self.id) < ring_distance(n->alone_near, n->self.id))
		n->alone_near = arc.hi;
}

/* Who left and then took over from the dead may be the last: it owns arcs, none of them its own, and nobody is left to
 * whom they could go.  It asks, and after the set time it is a member again, by the arc that ends at itself.  (Of two
 * such nodes the lower begins.) */
static void tend_alone(struct node *n, uint64_t *next)
{
	const struct entry *near = NULL;
	char text[24];
	struct arc arc;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine &&
		    (!near || ring_distance(e->v.arc.hi, n->self.id) < ring_distance(near->v.arc.hi, n->self.id)))
			near = e;
	if (!near || near->v.arc.hi == n->self.id || !entry_serves(n, near) || n->change.kind || n->give.phase ||
	    n->take.phase) {
		if (n->alone_since)
			hole_filled(n);
		n->alone_since = 0;
		return;
	}
	if (!n->alone_since) {
		n->alone_since = n->now;
		n->alone_sent = 0;
		n->alone_near = near->v.arc.hi;
	}
	arc = (struct arc){n->alone_near, n->self.id};
	if (!recover_given_up(n, arc, n->alone_since)) {
		if (!n->alone_sent || n->now - n->alone_sent >= FIND_AGAIN)
			find_ask(n, (struct arc){n->self.id, n->self.id}, &n->alone_sent);
		soonest(next, n->alone_sent + FIND_AGAIN);
		return;
	}
	if (n->roll.stage == ROLL_CLOSED && n->now - n->find_echo > FIND_ECHO) {
		n->alone_since = n->now;
		return;
	}
	if (!roll_cleared(n, arc, next))
		return;
	n->alone_since = 0;
	own(n, near, arc);
	out_log(n, NOTE_HOLE_EMPTY, ABOUT(OF_ARC(arc)),
		"arc %s: nobody is left to own it -> taken over empty, its records are lost", arc_text(arc, text));
}

/* Views of owners and guards: of whoever sees to the hole, or to what lies behind it. */
static void behind_views(struct node *n, const struct frame *f)
{
	const struct entry *e = entry_main(n);

	if (!e || !n->hole_since)
		return;
	for (unsigned i = 0; i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		number_learn(n, v->name.number);
		if (v->owner.id != n->self.id || ring_contains(v->arc, e->v.arc.lo))
			seen_to(n, v->arc, e->v.arc.lo);
	}
}

/* Views of owners: somebody owns an arc in its place, or is as badly off as I am. */
static void alone_views(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; n->alone_since && i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		number_learn(n, v->name.number);
		if (v->owner.id == n->self.id)
			continue;
		/* Whose own place is in an arc of the other's cannot begin. */
		if (v->arc.hi == v->owner.id || ring_contains(v->arc, n->self.id) ||
		    (v->owner.id < n->self.id && !entry_own(n, v->owner.id)))
			n->alone_since = n->now;
		beside(n, v->arc);
	}
}

/* Views that others tell of, in answer to FIND or in a FIND of their own. */
void hole_views(struct node *n, const struct frame *f)
{
	behind_views(n, f);
	alone_views(n, f);
}

/* An answer, of views that hold, and (arc) of one that may: whoever is in that will be in his place. */
void hole_answer(struct node *n, const struct frame *f)
{
	const struct entry *e = entry_main(n);

	if (e && n->hole_since && f->arc_set)
		seen_to(n, f->arc, e->v.arc.lo);
	if (n->alone_since && f->arc_set && ring_contains(f->arc, n->self.id))
		n->alone_since = n->now;
	else if (n->alone_since && f->arc_set)
		beside(n, f->arc);
	hole_views(n, f);
}

void hole_tick(struct node *n, uint64_t *next)
{
	tend_hole(n, next);
	tend_alone(n, next);
	roll_tick(n, next);
}
