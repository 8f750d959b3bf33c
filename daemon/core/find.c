/* Asking everybody (FIND), and what follows from who answers: of two views of one arc the later stands, and what nobody
 * speaks for is served after the set time (PROTOCOL.md section 5, rules 5 to 7). */
#include "core.h"

#define TWIN_PATIENCE 3000 /* ms */
#define TWIN_PAUSE 2000    /* NOTIFY is said several times a second */

static void ask(struct node *n, struct arc arc, bool records, uint64_t *sent)
{
	struct frame f;

	frame_start(n, &f, FRAME_FIND);
	f.arc = arc;
	f.arc_set = true;
	f.seq = ++n->finds;
	f.flag = records;
	/* What is asked about first: there is room for a few only. */
	for (int other = 0; other < 2; other++)
		for (const struct entry *e = n->entries; e < n->entry_end && f.view_count < FRAME_VIEWS_MAX; e++)
			if (e->used && e->mine && e->held && arc_overlap(e->v.arc, arc) != other)
				f.views[f.view_count++] = e->v;
	frame_send(n, &f, TOPIC_RING, 0);
	*sent = n->now;
}

/* Asks everybody about an arc, and tells what is owned here. */
void find_ask(struct node *n, struct arc arc, uint64_t *sent)
{
	ask(n, arc, false, sent);
}

/* Back on a new connection: whoever knows better about an arc of ours hears of it at once. */
void find_back(struct node *n)
{
	uint64_t sent;

	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		bool records = e->contested && n->config.replicas > 1;

		if (!e->used || !e->mine)
			continue;
		ask(n, e->v.arc, records, &sent);
		if (records)
			e->contested = n->now;
	}
}

/* Does v come after e, as far as names can tell?  A view of a change that does not hold yet is worth what it is made
 * from: whoever took the base over meanwhile has counted on from there. */
bool find_later(const struct node *n, const struct view *v, const struct entry *e)
{
	const struct change *c = &n->change;

	if (!arc_overlap(e->v.arc, v->arc))
		return false;
	if (!change_makes(n, e))
		return name_less(&e->v.name, &v->name);
	for (unsigned i = 0; i < 2; i++)
		if (c->base[i].name.number && arc_overlap(c->base[i].arc, v->arc) &&
		    v->name.number > c->base[i].name.number && view_foreign(n, v))
			return true;
	return false;
}

void find_superseded(struct node *n, struct entry *e, const struct view *by)
{
	char text[24];

	number_learn(n, by->name.number);
	/* What we are giving is ours still, and falls with what it is made from. */
	if (e->mine || change_makes(n, e)) {
		node_give_up(n, "a later view of the arc stands without this node");
		if (number_believed(n, by->name.number))
			entry_past(n, by); /* its guard is told that it has moved on, not that it is free */
		return;
	}
	out_log(n, NOTE_GUARD_ENDS, ABOUT(OF_ARC(e->v.arc), OF_EPOCH(by->name.number)),
		"arc %s: view %llx stands -> no longer guarded here", arc_text(e->v.arc, text),
		(unsigned long long)by->name.number);
	entry_drop(n, e);
	if (number_believed(n, by->name.number))
		entry_past(n, by); /* who asks for the earlier one is told that it has moved on */
}

/* Two views of one arc, neither in the other's history: the lower gives way, wherever it hears of the higher.  So does its
 * guard: its owner will say that it holds it no longer, and nobody is to take it over then. */
static bool give_way(struct node *n, const struct view *v)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && !change_makes(n, e) && find_later(n, v, e) && !view_names(v, &n->self))
			find_superseded(n, e, v);
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && find_later(n, v, e) && !view_names(v, &n->self) &&
		    (!change_makes(n, e) || n->change.doubt)) {
			find_superseded(n, e, v);
			return true;
		}
	return false;
}

/* The owner behind an arc of ours that is not in its place may have it, when it answers us: of two that may have an arc of
 * each other's one asks first.  Where nobody is in his place, who leaves gives to who stays, and else the higher to the
 * lower, until somebody has all. */
void find_heir(struct node *n, const struct view *v, const struct member *from)
{
	bool may = v->arc.hi == from->id || (!entry_main(n) && (n->stopping || from->id < n->self.id));

	for (const struct entry *e = n->entries; may && e < n->entry_end; e++)
		if (e->used && e->mine && e->held && e->v.arc.hi != n->self.id && e->v.arc.hi == v->arc.lo &&
		    member_same(&v->owner, from)) {
			n->heir = *from;
			n->heir_lo = e->v.arc.hi;
		}
}

void on_find(struct node *n, const struct frame *f)
{
	struct frame r;

	if (member_same(&f->from, &n->self) && conn_equal(&f->from.conn, &n->self.conn)) {
		n->find_echo = n->now;
		n->roll.asked |= f->seq == n->roll.find;
	}
	if (!f->arc_set || member_same(&f->from, &n->self))
		return;
	/* There is a ring, and who came back to it may not have heard us ask: he is asked at once. */
	if (f->ring.term && !ring_id_less(&f->ring, &n->seen))
		seek_sign(n, 20);
	hole_views(n, f); /* what it owns, it sees to */
	if (f->flag)
		copy_asked(n, f->arc, &f->from);
	merge_asked(n, f->arc);
	roll_claimed(n, f);
	for (unsigned i = 0; i < f->view_count && !founder_lesser(n, f); i++)
		if (give_way(n, &f->views[i]))
			return;
	frame_start(n, &r, FRAME_CONFIRM);
	r.seq = n->number; /* a new line of views is to begin above all that went before */
	r.count = f->flag && merge_has(n, f->arc, &f->from);
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->held && r.view_count < FRAME_VIEWS_MAX - 1 && arc_overlap(e->v.arc, f->arc))
			r.views[r.view_count++] = e->v;
	for (unsigned i = 0; i < 2 && r.view_count < FRAME_VIEWS_MAX - 1; i++) {
		const struct view *base = change_base(n, i, f->arc, &f->from);

		if (base)
			r.views[r.view_count++] = *base;
	}
	for (unsigned i = 0; i < f->view_count && r.view_count < FRAME_VIEWS_MAX - 1; i++) {
		const struct view *base = change_base_beyond(n, &f->views[i]);

		if (base)
			r.views[r.view_count++] = *base;
	}
	/* What is ours elsewhere shows how far a hole reaches: arcs that are not in their place too. */
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->held && r.view_count < FRAME_VIEWS_MAX && !arc_overlap(e->v.arc, f->arc))
			r.views[r.view_count++] = e->v;
	/* Not known to hold, and yet seen to: no hole.  A frame for each but the first. */
	for (const struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || e->held || !arc_overlap(e->v.arc, f->arc))
			continue;
		if (r.arc_set) {
			frame_to(n, &r, &f->from);
			r.view_count = 0;
		}
		r.arc = e->v.arc;
		r.arc_set = true;
	}
	/* Who has nothing there says so too: he is there. */
	if (n->entry_end > n->entries || n->told)
		frame_to(n, &r, &f->from);
}

/* Another process under our backup's very id, which is not known to be gone: strangers may say again what one before it
 * said, once.  Who goes on saying it is there, and the backup is about to leave. */
static bool twin_waits(struct node *n, const struct entry *own, const struct member *m)
{
	if (!own->peer.memory || own->peer.id != m->id || member_same(&own->peer, m) || own->gone || own->silent)
		return false;
	if (!member_same(&n->twin, m) || n->now - n->twin_heard > TWIN_PAUSE)
		n->twin_since = n->now;
	n->twin = *m;
	n->twin_heard = n->now;
	return n->now - n->twin_since < TWIN_PATIENCE;
}

void on_notify(struct node *n, const struct frame *f)
{
	struct entry *own;
	struct frame r;

	if (!f->view_count || f->views[0].arc.lo != n->self.id || !member_same(&f->views[0].owner, &f->from) ||
	    member_same(&f->from, &n->self))
		return;
	if (founder_lesser(n, f) || give_way(n, &f->views[0]) || !entry_main(n))
		return;
	own = entry_main(n);
	if (twin_waits(n, own, &f->from))
		own->heard = 0; /* it is asked itself */
	else if ((f->views[0].name.number >= n->candidate_number || n->now - n->candidate_at > 5000 ||
		  member_same(&n->candidate, &f->from))) {
		n->candidate = f->from;
		n->candidate_minor = f->minor;
		n->candidate_at = n->now;
		n->candidate_number = f->views[0].name.number;
	}
	frame_start(n, &r, FRAME_CONFIRM);
	/* It is heard, no more: only who guards a view confirms it. */
	r.arc = entry_main(n)->v.arc;
	r.arc_set = true;
	frame_to(n, &r, &f->from);
}

/* At the end of a doubt, once: whoever has the arc by now may be named in no view that is known here. */
static bool cleared(struct node *n, struct entry *e, uint64_t *next)
{
	if (!e->cleared)
		e->cleared = roll_cleared(n, e->v.arc, next);
	return e->cleared;
}

/* Not confirmed and no answer: ask everybody, and after the set time go on as if confirmed. */
void find_doubt(struct node *n, struct entry *e, uint64_t *next)
{
	char text[24];

	if (!e->doubt) {
		e->doubt = n->now;
		e->cleared = false;
		out_log(n, NOTE_ARC_DOUBT, ABOUT(OF_ARC(e->v.arc), OF_PEER(e->peer.id)),
			"arc %s: node %08x does not confirm it -> asking everybody for %u s", arc_text(e->v.arc, text),
			e->peer.id, n->config.recover / 1000);
	}
	if (recover_given_up(n, e->v.arc, e->doubt)) {
		if (cleared(n, e, next) && !e->absent)
			fence_want(n, &e->peer, "nobody has confirmed its arc in the set time");
		return;
	}
	if (n->now - e->found >= FIND_AGAIN)
		find_ask(n, e->v.arc, &e->found);
	soonest(next, e->found + FIND_AGAIN);
	if (!recover_waits(n, e->v.arc))
		soonest(next, e->doubt + n->config.recover);
}

/* Mine, not known to hold, and its maker has given up or forgotten it: whoever knows better is asked; after the set time
 * it holds if my backup has it as well, or is out. */
void find_orphan(struct node *n, struct entry *e, bool alone, uint64_t *next)
{
	char text[24];

	if (!e->orphan) {
		e->orphan = n->now;
		e->cleared = false;
		out_log(n, NOTE_ARC_DOUBT, ABOUT(OF_ARC(e->v.arc)),
			"arc %s: nobody says whether its view holds -> asking everybody for %u s",
			arc_text(e->v.arc, text), n->config.recover / 1000);
	}
	if (recover_given_up(n, e->v.arc, e->orphan) && (alone || e->confirmed)) {
		if (!cleared(n, e, next))
			return;
		e->held = true;
		e->orphan = 0;
		once_own(n->once, &(struct once_arc){
					  e->v.arc, {e->v.name.number, n->counter}}); /* others may have had it since */
		n->recheck = true;
		if (e->peer.memory)
			watch_say_holds(n, e, &e->peer);
		return;
	}
	if (n->now - e->found >= FIND_AGAIN)
		find_ask(n, e->v.arc, &e->found);
	soonest(next, e->found + FIND_AGAIN);
}

/* Another owner speaks of an arc of ours: until he has given it up nobody is answered here. */
void find_claimed(struct node *n, struct entry *e, const struct member *by)
{
	char text[24];

	if (!e->contested)
		out_log(n, NOTE_CONTESTED, ABOUT(OF_ARC(e->v.arc), OF_PEER(by->id)),
			"arc %s: node %08x claims it too, under a lower view -> not serving until it gives way",
			arc_text(e->v.arc, text), by->id);
	e->contested = n->now;
}

/* Somebody has records of an arc that was taken without: until they are merged nobody is answered. */
void find_records(struct node *n)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->contested)
			e->contested = n->now;
}

/* Somebody claims it too, under a lower name: he is told until he is silent. */
void find_contested(struct node *n, struct entry *e, uint64_t *next)
{
	if (entry_settled(n, e)) {
		e->contested = e->awaited = 0;
		n->recheck = true;
		return;
	}
	if (n->now - e->found >= n->config.resend)
		ask(n, e->v.arc, n->config.replicas > 1, &e->found);
	soonest(next, e->found + n->config.resend);
	soonest(next, e->awaited ? e->awaited + n->config.recover : e->contested + SETTLE);
}
