/* Who is silent, who is gone, who confirms (PROTOCOL.md section 5, rules 3 to 6). */
#include <string.h>

#include "core.h"
#include "follow-inside.h"

#define RESTATE 1000 /* ms: two of one id do not talk each other down any faster */

static void send_sync(struct node *n, struct entry *e)
{
	struct frame f;

	frame_start(n, &f, FRAME_SYNC);
	f.views[f.view_count++] = e->v;
	f.peer = e->peer.conn;
	f.flag = e->held;
	f.full = room_full(n);
	if (e->mine)
		f.bytes = memory_leaves(n, &e->peer);
	f.last = n->durable && e->sealed && !entry_unserved(n, e); /* ACTIVE may have been lost */
	/* What is taken for kept there: it may have given that up while this node slept, and nothing is written since. */
	if (e->mine && e->held && follow_whole(n, &e->peer, e->v.arc))
		f.attempt = follow_attempt(n, &e->peer, &f.seq);
	/* To whoever has the inbox: its connection may be a new one. */
	frame_send(n, &f, TOPIC_INBOX, e->peer.id);
	e->asked = n->now;
	if (!e->silent)
		e->silent = n->now;
}

void watch_say_holds(struct node *n, const struct entry *e, const struct member *to)
{
	struct frame f;

	frame_start(n, &f, FRAME_HOLDS);
	f.views[f.view_count++] = e->v;
	frame_to(n, &f, to);
}

/* Amid a split whose maker is fenced: the joiner's word decides, or its fence. */
static void resolve(struct node *n, struct entry *e, uint64_t *next)
{
	struct frame f;

	if (!e->other.name.number || fence_done(n, &e->other.owner)) {
		/* It goes back in the step in which it is taken over: the maker may have heard that it was stored. */
		if (n->change.kind || (n->give.phase > GIVE_STREAM && n->give.phase < GIVE_SEALED))
			return;
		/* A fence hits the connection that the view names; behind a newer one it may serve.  Then its part is left
		 * to whoever finds a hole there. */
		if (e->prev.name.number && !e->other.name.number) {
			e->v = e->prev;
			e->peer = e->prev.owner;
			e->prev.name.number = 0;
		} else if (!e->other.name.number) {
			/* New here, and not known to hold: the old backup may have taken the arc over. */
			out_log(n, NOTE_UNGUARDED, ABOUT(OF_PEER(e->peer.id)),
				"node %08x is out amid a change -> its arc is not known to be guarded here",
				e->peer.id);
			entry_drop(n, e);
			return;
		}
		e->held = true;
		e->prev.name.number = e->other.name.number = 0;
		return;
	}
	if (!e->other_asked)
		e->other_asked = n->now;
	/* What it has stored may be on its disk alone. */
	if (!recover_waits(n, e->v.arc) && line_waited(n, e->other_asked, n->config.silence, next))
		fence_want(n, &e->other.owner, "does not say whether it has stored its view");
	if (n->now - e->found >= n->config.resend) {
		frame_start(n, &f, FRAME_SYNC);
		f.views[f.view_count++] = e->other;
		frame_send(n, &f, TOPIC_INBOX, e->other.owner.id);
		e->found = n->now;
	}
	soonest(next, e->found + n->config.resend);
}

#define COPIED 4 /* of the grace, one in so many */

/* Who may come back with the only copy is waited for; where there are two, those who wait for an answer are not to. */
uint64_t watch_grace(struct node *n, const struct entry *e)
{
	bool copied = e->mine ? follow_whole(n, &e->peer, e->v.arc) : copy_whole(n, e);

	return copied ? n->config.grace / COPIED : n->config.grace;
}

static bool suspicious(struct node *n, const struct entry *e, uint64_t *next)
{
	/* The backup waits a little longer than the owner: of two that suspect each other one should win. */
	uint64_t rank = e->mine ? 0 : 300;

	if (e->gone)
		return line_waited(n, e->gone, watch_grace(n, e), next);
	return e->silent && line_waited(n, e->silent, n->config.silence + rank, next);
}

static void watch_entry(struct node *n, struct entry *e, uint64_t *next)
{
	uint64_t ping = e->mine ? n->config.ping : n->config.ping + n->config.ping / 2;
	bool asking = !e->held || !e->confirmed || e->gone || e->silent || n->now - e->heard >= ping;
	/* Who has been silent for long is asked less often. */
	uint64_t pause = e->silent && n->now - e->silent > 2000 ? 1000 : n->config.resend;
	bool orphan = e->mine && !e->held && !change_makes(n, e) && n->take.phase != TAKE_STORED;

	if (e->absent || fence_done(n, &e->peer)) {
		if (!e->mine && !entry_out(n, e))
			find_doubt(n, e, next);
		else if (!e->held && !e->mine)
			resolve(n, e, next);
		else if (orphan)
			find_orphan(n, e, true, next);
		return;
	}
	if (change_makes(n, e))
		return;
	if (orphan)
		find_orphan(n, e, false, next);
	if (!asking) {
		soonest(next, e->heard + ping);
		return;
	}
	if (!e->asked || n->now - e->asked >= pause)
		send_sync(n, e);
	soonest(next, e->asked + pause);
	if (!suspicious(n, e, next))
		return;
	if (e->mine && !e->held && !orphan)
		return; /* the taker's own business: take.c */
	if (e->confirmed && !entry_waits(n, e))
		fence_want(n, &e->peer, e->gone ? "did not come back" : "does not answer");
	else
		find_doubt(n, e, next);
}

static void predecessor_known(struct node *n)
{
	n->notify_since = 0;
	if (n->hole_since)
		hole_filled(n);
}

/* The node my arc begins at should name me as its backup. */
static void watch_predecessor(struct node *n, uint64_t *next)
{
	struct entry *e = entry_main(n);
	struct frame f;

	if (!e || !e->held || e->v.arc.lo == n->self.id) {
		predecessor_known(n);
		return;
	}
	for (const struct entry *g = n->entries; g < n->entry_end; g++)
		if (g->used && g->v.arc.hi == e->v.arc.lo) {
			predecessor_known(n);
			n->notify_at = n->now;
			return;
		}
	if (n->now < n->notify_at) {
		soonest(next, n->notify_at);
		return;
	}
	frame_start(n, &f, FRAME_NOTIFY);
	f.views[f.view_count++] = e->v;
	frame_send(n, &f, TOPIC_INBOX, e->v.arc.lo);
	/* A reference does not answer, and is no hole; it is only asked in case it is ours after all. */
	if (reference_predecessor(n)) {
		n->notify_at = n->now + n->config.ping;
		soonest(next, n->notify_at);
		return;
	}
	if (!n->notify_since)
		n->notify_since = n->now;
	n->notify_at = n->now + n->config.resend + node_random(n, n->config.resend);
	soonest(next, n->notify_at);
}

/* Our status of this connection, until it has come back; and again if something else stands there. */
static void watch_own_status(struct node *n, uint64_t *next)
{
	bool waits = !n->announced && n->self.conn.count > 1;
	uint64_t pause = waits ? n->config.resend : RESTATE;

	if ((!waits && !n->restate) || n->entry_end == n->entries)
		return;
	if (n->now - n->announced_at >= pause)
		status_publish(n);
	soonest(next, n->announced_at + pause);
}

void watch_tick(struct node *n, uint64_t *next)
{
	const struct entry *own = entry_main(n);
	bool settles = own && (!own->peer.memory || n->away);

	if (!node_ready(n))
		return;
	if (settles && n->now - n->connected_at < SETTLE)
		soonest(next, n->connected_at + SETTLE);
	if (settles && n->now - n->connected_at < 2 * SETTLE && entry_serves(n, own) && n->held_first)
		n->recheck = true;
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (e->used && e->contested)
			find_contested(n, e, next);
		if (e->used && e->peer.memory)
			watch_entry(n, e, next);
		else if (e->used && e->mine && !e->held && !change_makes(n, e))
			find_orphan(n, e, true, next);
	}
	watch_own_status(n, next);
	watch_predecessor(n, next);
	hole_tick(n, next);
}

/* Keeps the subscriptions to statuses equal to who matters. */
void watch_statuses(struct node *n)
{
	uint32_t want[WATCH_MAX];
	unsigned count = 0;

	for (const struct entry *e = n->entries; e < n->entry_end && count < WATCH_MAX - 4; e++)
		if (e->used && e->peer.memory)
			want[count++] = e->peer.id;
	if (n->give.phase)
		want[count++] = n->give.taker.id;
	if (n->take.phase)
		want[count++] = n->take.giver.id;
	count += reference_asks(n, &want[count]);
	for (unsigned i = 0; i < n->watched_count; i++) {
		bool wanted = false;

		for (unsigned j = 0; j < count; j++)
			wanted |= want[j] == n->watched[i];
		if (!wanted) {
			out_subscribe(n, TOPIC_NODE, n->watched[i], false);
			n->watched[i--] = n->watched[--n->watched_count];
		}
	}
	for (unsigned j = 0; j < count; j++) {
		bool have = want[j] == n->self.id; /* always: a neighbour may have had our very id */

		for (unsigned i = 0; i < n->watched_count; i++)
			have |= want[j] == n->watched[i];
		if (!have) {
			out_subscribe(n, TOPIC_NODE, want[j], true);
			n->watched[n->watched_count++] = want[j];
		}
	}
}

static void say_store(struct node *n, const struct entry *e)
{
	struct frame f;

	frame_start(n, &f, FRAME_STORE);
	f.views[f.view_count++] = e->v;
	frame_to(n, &f, &e->peer);
}

void on_sync(struct node *n, const struct frame *f)
{
	const struct view *v = &f->views[0];
	const struct view *base = change_base_beyond(n, v);
	struct past past = entry_past_last(n, v->arc);
	bool overlap = false, later = false;
	struct entry *e;
	struct frame r;

	if (!f->view_count)
		return;
	e = entry_named(n, &v->name);
	frame_start(n, &r, FRAME_CONFIRM);
	r.peer = f->from.conn;
	if (e) {
		if (member_same(&e->peer, &f->from) && f->from.conn.count < e->peer.conn.count)
			return;
		if (member_same(&e->peer, &f->from))
			e->heard = n->now;
		if (member_same(&e->peer, &f->from) && !e->held && f->flag) {
			e->held = true;
			/* Sent to whoever has the inbox: it confirms the connection that it names, no other. */
			e->confirmed |= conn_equal(&f->peer, &n->self.conn);
			n->recheck = true;
			if (e->mine)
				take_held(n);
		}
		if (!e->mine && member_same(&e->peer, &f->from))
			e->inherits = f->bytes;
		if (f->attempt)
			(void)copy_upto(n, f);
		if (e->mine && member_same(&e->peer, &f->from))
			room_said(n, follower_of(n, &f->from), f->full);
		if (f->last && e->mine && e->held)
			take_say_active(n, e);
		r.flag = true;
		r.full = room_full(n);
		r.views[r.view_count++] = e->v;
		keepers_tell(n, &r);
		frame_to(n, &r, &f->from);
		if (e->held && !f->flag)
			watch_say_holds(n, e, &f->from);
		return;
	}
	for (const struct entry *o = n->entries; o < n->entry_end; o++) {
		if (!o->used || !arc_overlap(o->v.arc, v->arc))
			continue;
		overlap = true;
		if (o->held && name_less(&v->name, &o->v.name) && r.view_count < FRAME_VIEWS_MAX) {
			later = true;
			r.views[r.view_count++] = o->v;
			if (o->mine && member_same(&o->peer, &f->from))
				say_store(n, o); /* it had it, as ours holds; it is to have it again */
		}
	}
	if (overlap && !later && base) {
		later = true;
		r.views[r.view_count++] = *base;
	}
	if (overlap && !later)
		return; /* the maker of the later one will tell whom it concerns */
	if (!overlap && name_less(&v->name, &past.name)) {
		/* It has moved on through here; whoever has it now tells where it stands.  Of that arc, as what was asked may
		 * be long past where the question was said again. */
		r.views[r.view_count++] = (struct view){.arc = past.arc, .name = past.name};
	} else if (!overlap) {
		/* Never stored, and now never to be stored. */
		if (n->take.phase == TAKE_STREAM && member_same(&n->take.giver, &v->backup))
			take_end(n);
		r.views[r.view_count++] = *v;
		r.reason = REASON_ABSENT;
	}
	frame_to(n, &r, &f->from);
}

/* The joiner of an unheld split has spoken: has it stored its view, or will it never? */
static void on_other(struct node *n, const struct frame *f, bool stored)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || e->held || !name_equal(&e->other.name, &f->views[0].name) ||
		    !member_same(&e->other.owner, &f->from))
			continue;
		e->other.name.number = 0;
		if (stored) { /* so have both, and the split holds without its maker */
			e->held = true;
			e->prev.name.number = 0;
		}
	}
}

void on_confirm(struct node *n, const struct frame *f)
{
	const struct entry *own = entry_main(n);
	struct entry *e;

	/* The answer to NOTIFY, not to SYNC: the node behind us may be there and own nothing. */
	if (own && f->arc_set && f->arc.hi == own->v.arc.lo)
		predecessor_known(n);
	number_learn(n, f->seq);
	if (f->count)
		merge_some(n, &f->from);
	else
		merge_heard(n, &f->from);
	roll_heard(n, f);
	hole_answer(n, f);
	reference_found(n, f);
	for (unsigned i = 0; i < f->view_count; i++)
		find_heir(n, &f->views[i], &f->from);
	if (!f->view_count)
		return;
	e = entry_named(n, &f->views[0].name);
	if (e && !member_same(&e->peer, &f->from))
		e = NULL;
	if (f->flag && e) {
		if (e->mine && !e->confirmed)
			take_say_active(n, e);
		if (e == own)
			keepers_told(n, f);
		e->confirmed = true;
		e->heard = n->now;
		e->doubt = 0;
		if (e->mine)
			room_said(n, follower_of(n, &f->from), f->full);
		n->recheck = true;
	} else if (f->reason == REASON_ABSENT && e) {
		if ((e->held || !e->mine) && !change_makes(n, e) && !e->absent) {
			e->absent = true;
			out_log(n, NOTE_LEFT_OUT, ABOUT(OF_PEER(f->from.id)),
				"node %08x: holds no view of the arc any more -> left out", f->from.id);
		}
	} else if (f->flag || f->reason == REASON_ABSENT) {
		on_other(n, f, f->flag);
	} else if (!founder_lesser(n, f)) { /* which has counted apart */
		for (e = n->entries; e < n->entry_end; e++)
			for (unsigned i = 0; e->used && i < f->view_count; i++)
				if (find_later(n, &f->views[i], e) && !view_names(&f->views[i], &n->self))
					find_superseded(n, e, &f->views[i]);
				else if (e->mine && arc_overlap(e->v.arc, f->views[i].arc) &&
					 member_same(&f->views[i].owner, &f->from))
					find_claimed(n, e, &f->from);
	}
}
