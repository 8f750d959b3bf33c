/* Arcs that nobody owns: behind me, or all around me (PROTOCOL.md section 5, rule 6). */
#include "core.h"

/* That nobody answers means something only while our own questions come back. */
#define ECHO 2500

/* Behind me nobody answers and nobody guards: a hole. It is asked about, and after the set time taken. */
static void tend_hole(struct node *n, uint64_t *next)
{
	struct entry *e = entry_main(n);
	char text[24];
	struct arc hole;

	if (!e || !n->notify_since || n->now - n->notify_since < n->config.silence + n->config.grace)
		return;
	if (!n->hole_since || n->hole_answered) {
		n->hole_since = n->now;
		n->hole_answered = false;
		n->hole_near = n->self.id;
		n->hole_member.memory = 0;
	}
	hole = (struct arc){n->hole_near, e->v.arc.lo};
	if (n->now - n->hole_since < n->config.recover) {
		if (!n->hole_sent || n->now - n->hole_sent >= 1000)
			watch_find(n, (struct arc){e->v.arc.lo - 1, e->v.arc.lo}, &n->hole_sent);
		soonest(next, n->hole_sent + 1000);
		return;
	}
	if (n->now - n->find_echo > ECHO) {
		n->hole_since = n->now;
		return;
	}
	if (n->change.kind || n->give.phase || n->take.phase || !entry_serves(n, e))
		return;
	if (n->hole_member.memory && !fence_done(n, &n->hole_member)) {
		fence_want(n, &n->hole_member, "nobody guards its arc, and it does not answer");
		return;
	}
	fence_drop(n, &n->hole_member);
	n->hole_member.memory = 0;
	n->hole_since = n->notify_since = 0;
	for (const struct entry *o = n->entries; o < n->entry_end; o++)
		if (o->used && o->mine && ring_distance(o->v.arc.hi, e->v.arc.lo) < ring_distance(hole.lo, e->v.arc.lo))
			hole.lo = o->v.arc.hi;
	/* Of the views that were there nothing is known: leap over any number they can have had. */
	n->number = ((n->number >> 16) + 1) << 16;
	entry_add(n,
		  &(struct view){.name = {++n->number, n->self.id}, .base = e->v.name, .arc = hole, .owner = n->self},
		  true);
	out_log(n, 4, "arc %s: nobody answers for it -> taken over empty, its records are lost", arc_text(hole, text));
}

/* An answer to FIND about the hole behind me: is anybody responsible, and who is the nearest behind it? */
static void answer_hole(struct node *n, const struct frame *f)
{
	const struct entry *e = entry_main(n);

	if (!e || !n->hole_since)
		return;
	if (f->arc_set && ring_contains(f->arc, e->v.arc.lo))
		n->hole_answered = true;
	for (unsigned i = 0; i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		if (ring_contains(v->arc, e->v.arc.lo))
			n->hole_answered = true;
		if (v->name.number > n->number)
			n->number = v->name.number;
		if (v->owner.id == f->from.id && v->owner.id != n->self.id &&
		    ring_distance(v->arc.hi, e->v.arc.lo) < ring_distance(n->hole_near, e->v.arc.lo))
			n->hole_near = v->arc.hi;
	}
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
		n->alone_since = 0;
		return;
	}
	if (!n->alone_since) {
		n->alone_since = n->now;
		n->alone_sent = 0;
		n->alone_near = near->v.arc.hi;
	}
	if (n->now - n->alone_since < n->config.recover) {
		if (!n->alone_sent || n->now - n->alone_sent >= 1000)
			watch_find(n, (struct arc){n->self.id, n->self.id}, &n->alone_sent);
		soonest(next, n->alone_sent + 1000);
		return;
	}
	if (n->now - n->find_echo > ECHO) {
		n->alone_since = n->now;
		return;
	}
	arc = (struct arc){n->alone_near, n->self.id};
	n->alone_since = 0;
	n->number = ((n->number >> 16) + 1) << 16;
	entry_add(n,
		  &(struct view){.name = {++n->number, n->self.id}, .base = near->v.name, .arc = arc, .owner = n->self},
		  true);
	out_log(n, 4, "arc %s: nobody is left to own it -> taken over empty, its records are lost",
		arc_text(arc, text));
}

/* An answer: somebody owns an arc in its place, or is as badly off as I am. */
static void answer_alone(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; n->alone_since && i < f->view_count; i++) {
		const struct view *v = &f->views[i];

		if (v->name.number > n->number)
			n->number = v->name.number;
		if (v->owner.id != f->from.id)
			continue;
		/* Whose own place is in an arc of the other's cannot begin. */
		if (v->arc.hi == v->owner.id || ring_contains(v->arc, n->self.id) ||
		    (v->owner.id < n->self.id && !entry_own(n, v->owner.id)))
			n->alone_since = n->now;
		if (ring_distance(v->arc.hi, n->self.id) < ring_distance(n->alone_near, n->self.id))
			n->alone_near = v->arc.hi;
	}
}

void hole_answer(struct node *n, const struct frame *f)
{
	answer_hole(n, f);
	answer_alone(n, f);
}

void hole_tick(struct node *n, uint64_t *next)
{
	tend_hole(n, next);
	tend_alone(n, next);
}
