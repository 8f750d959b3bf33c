/* Handover, the taker's side (PROTOCOL.md section 6). */
#include <string.h>

#include "core.h"
#include "durable.h"

static void take_begin(struct node *n, const struct frame *f, bool leave)
{
	struct take *t = &n->take;

	*t = (struct take){.phase = TAKE_SUBSCRIBE, .leave = leave, .giver = f->from, .arc = f->arc};
	t->attempt = f->attempt;
	t->conn = n->self.conn;
	t->staging = store_new(n->config.secret);
	durable_watch_store(n, SPACE_TAKEN, t->staging);
	t->share = once_share_new(f->arc);
	t->progress = n->now;
	out_subscribe(n, TOPIC_CUT, f->from.id, true);
}

void take_end(struct node *n)
{
	struct take *t = &n->take;

	if (t->phase && t->giver.id != n->self.id)
		out_subscribe(n, TOPIC_CUT, t->giver.id, false);
	if (t->phase)
		n->recheck = true;
	/* The giver has answered it, or will: it has called the handover off. */
	if (t->cut)
		request_drop(n, t->arc);
	durable_forget_store(n, SPACE_TAKEN, t->staging);
	store_free(t->staging);
	once_share_free(t->share);
	*t = (struct take){0};
}

static void say(struct node *n, const struct frame *about, enum frame_type type)
{
	struct frame f;

	frame_start(n, &f, type);
	f.attempt = about->attempt;
	frame_to(n, &f, &about->from);
}

/* Names the views by which it was taken: of several attempts the giver may not know which one holds. */
static void say_active(struct node *n, const struct member *to)
{
	struct frame f;

	frame_start(n, &f, FRAME_ACTIVE);
	f.attempt = n->last_taken.attempt;
	f.flag = n->config.replicas > 1; /* what was given is to be kept */
	f.view_count = n->last_taken.view_count;
	memcpy(f.views, n->last_taken.views, sizeof(n->last_taken.views));
	frame_to(n, &f, to);
}

void take_refuse(struct node *n)
{
	struct frame about = {.attempt = n->take.attempt, .from = n->take.giver};

	say(n, &about, FRAME_VOID);
	take_end(n);
}

/* A giver gives one arc at a time: what it offered before it has called off, and its word of that was lost. */
static void end_earlier(struct node *n, const struct frame *f)
{
	const struct take *t = &n->take;

	if ((t->phase == TAKE_SUBSCRIBE || t->phase == TAKE_STREAM) && member_same(&t->giver, &f->from) &&
	    f->attempt > t->attempt)
		take_end(n);
}

static bool free_to_take(const struct node *n)
{
	return !n->take.phase && !n->give.phase && !n->change.kind;
}

void on_offer(struct node *n, const struct frame *f)
{
	bool repeated = n->take.phase && n->take.attempt == f->attempt && member_same(&n->take.giver, &f->from);

	if (repeated)
		return;
	end_earlier(n, f);
	n->busy_at = n->now;
	reference_not_holding(n);
	if (!n->seek.active || n->refused || n->seek.stage != SEEK_ASK || !free_to_take(n) || n->stopping ||
	    !f->arc_set || f->arc.hi != n->self.id || ring_id_less(&f->ring, &n->seen)) {
		if (n->seek.active && ring_id_less(&f->ring, &n->seen))
			(void)founder_read(n);
		say(n, f, FRAME_BUSY);
		return;
	}
	if (!memory_fits(n, f)) {
		say(n, f, FRAME_BUSY);
		seek_sign(n, MEMORY_AGAIN);
		return;
	}
	seek_sign(n, 0);
	take_begin(n, f, false);
}

/* A leaver gives its arc to the owner behind it: only where it touches one of ours. */
void on_ask(struct node *n, const struct frame *f)
{
	struct entry *e = f->arc_set ? entry_own(n, f->arc.hi + 1) : NULL;

	end_earlier(n, f);
	if (!free_to_take(n) || !e || !entry_serves(n, e) || f->arc.hi != e->v.arc.lo ||
	    member_same(&f->from, &n->self) || ring_contains(f->arc, e->v.arc.hi)) {
		say(n, f, FRAME_BUSY);
		return;
	}
	memory_takes(n, f);
	take_begin(n, f, true);
}

void take_subscribed(struct node *n, uint32_t id, bool granted)
{
	struct take *t = &n->take;

	if (t->phase != TAKE_SUBSCRIBE || t->giver.id != id)
		return;
	t->cut_granted = granted;
	if (!granted) {
		char topic[TOPIC_MAX];

		topic_format(topic, n->config.topic_prefix, TOPIC_CUT, id, NULL);
		out_log(n, NOTE_ACCESS_REFUSED, ABOUT(OF_REASON(topic)),
			"the broker refuses the subscription to %s, which a handover needs -> grant this node all of "
			"its topics",
			topic);
		take_refuse(n);
	}
}

/* All is heard that is held behind the cut: it may be made. */
static void accept(struct node *n)
{
	struct take *t = &n->take;
	struct frame f;

	t->phase = TAKE_STREAM;
	t->progress = n->now;
	frame_start(n, &f, FRAME_ACCEPT);
	f.attempt = t->attempt;
	frame_to(n, &f, &t->giver);
	if (!t->leave) {
		struct reference_ack_join a = {n->self.id, t->giver.id, REFERENCE_PREDECESSOR};
		char text[REFERENCE_TEXT_MAX];

		out_publish(n, TOPIC_ACK_JOIN, 0, text, reference_format_ack_join(text, sizeof(text), &a), false);
	}
}

static bool about(const struct node *n, const struct frame *f)
{
	return n->take.phase && f->attempt == n->take.attempt && member_same(&f->from, &n->take.giver);
}

/* Everything is here: store the views, and say so. */
static void complete(struct node *n)
{
	struct take *t = &n->take;
	uint64_t count, hash;
	struct frame f;

	if (!t->granted || t->seq < t->grant_seq)
		return;
	/* A greater ring than at the OFFER stands in the register: this one is to yield, and perhaps has. */
	if (n->seek.active && t->phase == TAKE_STREAM && ring_id_less(&t->ring, &n->seen)) {
		take_refuse(n);
		seek_sign(n, 50);
		return;
	}
	store_digest(t->staging, t->arc, &count, &hash);
	if (!t->cut || count != t->grant_count || hash != t->grant_hash) {
		out_log(n, NOTE_CALLED_OFF,
			ABOUT(OF_PEER(t->giver.id),
			      OF_REASON(t->cut ? "the copy is not whole" : "the cut was not seen")),
			"handover from node %08x refused: %s", t->giver.id,
			t->cut ? "the copy is not whole" : "the cut was not seen");
		take_refuse(n);
		seek_sign(n, 50);
		return;
	}
	frame_start(n, &f, FRAME_GRANT);
	f.from = t->giver;
	f.view_count = t->view_count;
	memcpy(f.views, t->views, sizeof(t->views));
	if (n->seek.active && !ring_id_same(&n->stash_ring, &t->ring))
		entry_past_forget(n);
	/* Whoever takes the arc as a hole is to find whom to fence. */
	if (!t->leave && t->phase == TAKE_STREAM)
		status_taking(n, t->arc);
	t->phase = TAKE_STORED;
	t->progress = n->now;
	if (!view_store(n, &f)) {
		take_end(n);
		seek_sign(n, 50);
		return;
	}
	/* Another ring has counted its views apart: what was written there never replaces what is written here. */
	if (n->seek.active && n->stash && n->stash_ring.term && !ring_id_same(&n->stash_ring, &t->ring))
		store_demote(n->store);
	n->ring = t->ring; /* which the register is compared with after a reconnection, and which MERGE names */
}

void on_records(struct node *n, const struct frame *f)
{
	struct take *t = &n->take;
	const char *why;
	struct frame r;

	if (!about(n, f) || t->phase != TAKE_STREAM)
		return;
	if (f->seq == t->seq + 1) {
		for (size_t i = 0; i < f->record_count; i++) {
			struct store_item item = record_heard(n, &f->records[i]);

			if (ring_contains(t->arc, item.key.id))
				store_put(t->staging, &item);
		}
		t->shared |= f->table_len != 0;
		why = f->table_len ? share_decode(t->share, t->watched, &t->watched_count, f->table, f->table_len)
				   : NULL;
		if (why) {
			out_log(n, NOTE_PEER_WRONG, ABOUT(OF_PEER(t->giver.id), OF_REASON(why)),
				"handover from node %08x: what it tells of writes done: %s", t->giver.id, why);
			take_refuse(n);
			seek_sign(n, 50);
			return;
		}
		t->seq = f->seq;
		t->progress = n->now;
		if (!n->been_active)
			out_effect(n, EFFECT_PROGRESS);
	}
	frame_start(n, &r, FRAME_RACK);
	r.attempt = t->attempt;
	r.seq = t->seq;
	frame_to(n, &r, &t->giver);
	complete(n);
}

void on_grant(struct node *n, const struct frame *f)
{
	struct take *t = &n->take;

	if (!f->view_count || f->view_count > 2)
		return;
	if (!about(n, f)) {
		/* Stored already, and the giver has not heard; taken and perhaps changed since; or never, and then never. */
		if (entry_named(n, &f->views[0].name))
			view_store(n, f);
		else if (n->last_taken.attempt == f->attempt && member_same(&n->last_taken.from, &f->from))
			say_active(n, &f->from);
		else if (entry_past_last(n, f->views[0].arc).name.number >= f->views[0].name.number)
			view_refuse(n, f);
		else
			say(n, f, FRAME_VOID);
		return;
	}
	if (t->phase != TAKE_STREAM && t->phase != TAKE_STORED)
		return;
	/* Of an attempt that has been followed by another, said again. */
	if (t->phase == TAKE_STORED && name_less(&f->views[0].name, &t->views[0].name)) {
		view_refuse(n, f);
		return;
	}
	t->granted = true;
	t->grant_seq = f->seq;
	t->grant_count = f->count;
	t->grant_hash = f->hash;
	t->view_count = f->view_count;
	t->ring = f->ring;
	t->reference_behind = f->flag;
	t->minor = f->minor;
	memcpy(t->views, f->views, sizeof(t->views));
	t->giver.conn = f->from.conn;
	complete(n);
}

/* An arc that came from the one who guards it: whoever serves it has said ACTIVE first, on each connection anew, as the
 * last one may have died with the word. */
void take_say_active(struct node *n, const struct entry *e)
{
	if (n->last_taken.attempt && member_same(&e->peer, &n->last_taken.from))
		say_active(n, &e->peer);
}

/* Stored, and it is not known whether the views hold: the giver may be gone, and with it its copy. */
void take_give_up(struct node *n)
{
	if (n->take.phase == TAKE_STORED) {
		store_merge(n->store, n->take.staging);
		if (n->seek.active)
			n->stash_ring = n->take.ring;
	}
	take_end(n);
}

/* The views hold: the copy is ours. ACTIVE goes out ahead of any answer, on the same connection. */
void take_held(struct node *n)
{
	struct take *t = &n->take;
	struct entry *e = t->phase == TAKE_STORED ? entry_named(n, &t->views[0].name) : NULL;
	char text[24];
	size_t count, back_count;
	struct key *back;

	if (!e) {
		/* HOLDS again: the giver has missed our ACTIVE. */
		for (e = n->entries; e < n->entry_end; e++)
			if (e->used && e->mine && e->held)
				take_say_active(n, e);
		return;
	}
	e->held = true;
	/* Named by this very connection, which nobody has cut: whoever wants the arc must fence it first. */
	if (conn_equal(&t->conn, &n->self.conn))
		e->confirmed = n->announced = true;
	count = store_count(t->staging);
	for (unsigned i = 0; i < t->watched_count; i++)
		watched_add(n, t->watched[i].arc, t->watched[i].until); /* which is what is left of it, so far */
	if (n->config.replicas > 1 && t->minor >= 2)
		follow_same(n, &t->giver, t->arc);
	copy_moved_on(n, &t->giver, t->arc);
	copy_replaced(n, t->arc);
	back = record_beating(n, t->arc, t->staging, &back_count);
	store_merge(n->store, t->staging);
	once_take(n->once, t->share);
	/* Nobody knows what was written there: the giver was to be asked by others, or is of a version that did not count. */
	if (t->cleared || !t->shared)
		once_own(n->once, &(struct once_arc){e->v.arc, {e->v.name.number, n->counter}});
	record_came_back(n, e, back, back_count);
	n->ring = t->ring;
	if (t->reference_behind)
		reference_behind(n, t->arc.lo);
	n->last_taken.attempt = t->attempt;
	n->last_taken.from = t->giver;
	n->last_taken.view_count = t->view_count;
	memcpy(n->last_taken.views, t->views, sizeof(t->views));
	say_active(n, &t->giver);
	out_log(n, NOTE_RECEIVED, ABOUT(OF_ARC(e->v.arc), OF_PEER(t->giver.id)),
		"arc %s: taken over from node %08x with %zu records", arc_text(e->v.arc, text), t->giver.id, count);
	t->cut = false; /* what is held since is ours to answer */
	take_end(n);
	if (n->seek.active)
		seek_end(n);
	n->recheck = true;
}

bool take_holds(const struct node *n, uint32_t id)
{
	return n->take.phase && n->take.cut && ring_contains(n->take.arc, id);
}

/* The giver is silent behind its grant: whether its views hold is for its backup to say.  Without one all who had to store
 * them have, and only whoever has found a hole here meanwhile knows better: nobody could tell him of us. */
static void ask_backup(struct node *n, uint64_t *next)
{
	struct take *t = &n->take;
	struct frame f;

	if (t->view_count < 2 || !t->views[1].backup.memory || member_same(&t->views[1].backup, &n->self)) {
		t->cleared = roll_cleared(n, t->arc, next);
		if (t->cleared)
			take_held(n);
		return;
	}
	frame_start(n, &f, FRAME_STORE);
	f.view_count = t->view_count;
	memcpy(f.views, t->views, sizeof(t->views));
	frame_send(n, &f, TOPIC_INBOX, t->views[1].backup.id);
}

void take_tick(struct node *n, uint64_t *next)
{
	struct take *t = &n->take;
	uint64_t patience = 2 * (uint64_t)n->config.silence;

	if (!t->phase || !node_ready(n))
		return;
	if (t->phase == TAKE_SUBSCRIBE && t->cut_granted && cells_settled(n))
		accept(n);
	if (t->phase != TAKE_STORED) {
		if (n->now - t->progress >= patience) {
			out_log(n, NOTE_CALLED_OFF, ABOUT(OF_PEER(t->giver.id), OF_REASON("no progress")),
				"handover from node %08x: no progress -> given up", t->giver.id);
			take_refuse(n);
			seek_sign(n, 50);
			return;
		}
		soonest(next, t->progress + patience);
		return;
	}
	/* watch.c asks the giver meanwhile; grace and silence are its to judge, here only their sum. */
	if (recover_given_up(n, t->arc, t->progress + patience)) {
		node_give_up(n, "neither the giver nor its backup says whether the views hold");
		return;
	}
	if (n->now - t->progress >= patience && n->now - t->sent >= n->config.resend) {
		t->sent = n->now;
		ask_backup(n, next);
		if (!n->take.phase)
			return;
	}
	soonest(next, (t->sent ? t->sent : t->progress + patience) + n->config.resend);
}
