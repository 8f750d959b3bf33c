/* The reference leaves to us, we leave to it, and it dies (PROTOCOL.md section 10). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_peer.h"

/* ---- a reference leaves to us ---- */

void reference_leave(struct node *n, const struct reference_leave *l)
{
	struct reference_peer *r = n->reference;
	uint32_t lo;

	if (!r || !entry_main(n))
		return;
	if (r->has_succ && r->succ == l->id) {
		r->has_succ = false;
		if (l->has_successor && l->successor != n->self.id)
			reference_set_succ(n, l->successor);
	}
	if (!r->has_pred || r->pred != l->id)
		return;
	lo = l->has_predecessor ? l->predecessor : n->self.id;
	if (lo == l->id || entry_over(n, (struct arc){lo, l->id}))
		return;
	reference_admit_left(n, l->id);
	r->left = (struct arc){lo, l->id};
	r->leaver = l->id;
	r->left_until = n->now + LINGER;
	out_log(n, NOTE_REFERENCE_LEFT, ABOUT(OF_PEER(l->id)), "node %08x of the reference leaves -> its arc is ours",
		l->id);
	reference_take_arc(n, r->left);
	reference_set_pred(n, lo);
}

/* ---- we leave to a reference ---- */

/* True while leaving is this file's business: the nearest behind us is the reference's. */
bool reference_quit(struct node *n)
{
	struct reference_peer *r = n->reference;
	struct entry *e = entry_main(n);
	struct reference_leave l = {.id = n->self.id, .has_successor = true, .has_predecessor = true};
	char self[16], text[REFERENCE_TEXT_MAX];

	if (!r || (!r->has_succ && !r->quit && !r->admit))
		return false;
	/* What is handed over to us has come first: it could not be told any more. */
	if (r->quit || reference_busy(n))
		return true;
	if (n->change.kind || n->give.phase || n->take.phase || n->backlog || !e || !entry_serves(n, e))
		return true;
	if (e->peer.memory) {
		change_begin(n, CHANGE_BACKUP, e, NULL, NULL); /* nobody is to guard what goes to strangers */
		return true;
	}
	/* One burst, as far as the transport takes it: a get between the word and its record kills the reference that
	 * takes over. */
	l.successor = r->succ;
	l.predecessor = e->v.arc.lo;
	out_publish(n, TOPIC_LEAVE, 0, text, reference_format_leave(text, sizeof(text), &l), false);
	snprintf(self, sizeof(self), "%u", n->self.id);
	reference_stream_begin(n, e->v.arc);
	out_log(n, NOTE_REFERENCE_HANDOVER, ABOUT(OF_PEER(r->succ)),
		"leaving to node %08x of the reference with %zu records", r->succ, r->stream.count);
	(void)reference_stream_pump(n, self);
	r->quit_acks = 0;
	r->quit_counter = n->counter;
	r->quit = QUIT_SAID;
	r->quit_progress = n->now;
	n->leave_said = true;
	n->leave_since = n->now;
	n->left_successor = l.successor;
	n->left_predecessor = l.predecessor;
	return true;
}

bool reference_quits(const struct node *n)
{
	return n->reference && n->reference->quit;
}

/* What was put and acknowledged since the burst, ahead of our `leave` in the order, goes the same way. */
static void say_changed(struct node *n)
{
	struct reference_peer *r = n->reference;
	size_t count;
	uint32_t *ids = store_ids(n->store, (struct arc){0, 0}, &count);

	for (size_t i = 0; i < count; i++) {
		struct store_item item;

		if (record_number(n, ids[i], &item) && item.version.counter > r->quit_counter)
			reference_stream_again(n, ids[i]);
	}
	free(ids);
}

/* Our own `leave` has come back: from this place on the arc is the other's. */
void reference_own_leave(struct node *n)
{
	struct reference_peer *r = n->reference;

	if (!r || r->quit != QUIT_SAID)
		return;
	r->quit = QUIT_SENT;
	r->quit_echoed = store_new(n->config.secret);
	say_changed(n);
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used)
			entry_drop(n, e);
}

/* What it has not been told is not its own: that waits for one of ours (tend.c). */
static void quit_done(struct node *n)
{
	struct reference_peer *r = n->reference;
	size_t names;

	r->quit = QUIT_NONE;
	reference_stream_end(n);
	r->has_succ = false;
	(void)record_purge_numbers(n, (struct arc){n->left_predecessor, n->self.id}, &names);
	store_free(r->quit_echoed);
	r->quit_echoed = NULL;
	if (names)
		out_log(n, NOTE_REFERENCE_NAMES, ABOUT(OF_PEER(n->left_successor)),
			"%zu names lie here that node %08x of the reference cannot hold", names, n->left_successor);
	if (store_count(n->store))
		merge_soon(n);
	n->merged_at = n->now;
}

static void quit_tick(struct node *n, uint64_t *next)
{
	struct reference_peer *r = n->reference;
	char self[16];

	if (!r->quit)
		return;
	snprintf(self, sizeof(self), "%u", n->self.id);
	/* While the transport is full the acks are not read either. */
	if (reference_stream_pump(n, self) || n->full)
		r->quit_progress = n->now;
	if (r->quit == QUIT_SENT && reference_stream_done(n, r->quit_acks) && n->leave_acks >= 1) {
		quit_done(n);
		return; /* tend.c goes on */
	}
	if (n->now - r->quit_progress < PATIENCE) {
		soonest(next, r->quit_progress + PATIENCE);
		return;
	}
	out_log(n, NOTE_REFERENCE_SILENT, ABOUT(OF_PEER(r->succ)),
		"node %08x of the reference does not take the records -> keeping the arc", r->succ);
	if (r->quit_echoed) {
		store_merge(n->store, r->quit_echoed);
		store_free(r->quit_echoed);
		r->quit_echoed = NULL;
	}
	r->quit = QUIT_NONE;
	n->recheck = true;
	reference_stream_end(n);
	r->has_succ = false;
	n->leave_said = false;
	if (!entry_main(n))
		reference_own_arc(n, (struct arc){n->left_predecessor, n->self.id});
}

/* ---- a reference that does not answer any more ---- */

/* Harmless to a living one: both words together change nothing, and it says `ack-leave`. */
static void ping(struct node *n)
{
	struct reference_peer *r = n->reference;
	const struct entry *e = entry_main(n);
	struct reference_leave l = {n->self.id, e->peer.memory ? e->peer.id : n->self.id, n->self.id, true, true};
	char text[REFERENCE_TEXT_MAX];

	if (r->has_succ)
		l.successor = r->succ;
	/* A third node that hears two equal ids takes itself for alone. */
	if (l.successor == l.predecessor)
		return;
	out_publish(n, TOPIC_LEAVE, 0, text, reference_format_leave(text, sizeof(text), &l), false);
	reference_publish_ack_join(n, n->self.id, r->pred, REFERENCE_SUCCESSOR);
	r->pinged = n->now;
	out_log(n, NOTE_REFERENCE_SILENT, ABOUT(OF_PEER(r->pred)),
		"node %08x of the reference does not answer for its arc -> asking it", r->pred);
}

void reference_pong(struct node *n, uint32_t acker)
{
	struct reference_peer *r = n->reference;

	if (r && r->pinged && r->has_pred && acker == r->pred)
		r->pinged = r->unanswered = 0;
	if (r && r->has_pred && acker == r->pred)
		r->pred_heard = n->now;
}

static void watch_pred(struct node *n, uint64_t *next)
{
	struct reference_peer *r = n->reference;

	if (!r->has_pred || !r->pred_arc_known || !entry_main(n) || n->stopping || r->admit)
		return;
	if (!r->pinged) {
		uint64_t suspect = r->pred_heard + SILENT;

		if (r->unanswered && r->unanswered + PATIENCE < suspect)
			suspect = r->unanswered + PATIENCE;
		if (n->now >= suspect)
			ping(n);
		else
			soonest(next, suspect);
		if (!r->pinged)
			return;
	}
	if (n->now - r->pinged < PATIENCE / 2) {
		soonest(next, r->pinged + PATIENCE / 2);
		return;
	}
	out_log(n, NOTE_REFERENCE_DEAD, ABOUT(OF_PEER(r->pred)),
		"node %08x of the reference is dead -> taking its arc over empty, its records are lost", r->pred);
	reference_take_arc(n, r->pred_arc);
	reference_publish_ack_join(n, n->self.id, r->pred_arc.lo, REFERENCE_SUCCESSOR);
	if (r->has_succ && r->succ == r->pred)
		r->has_succ = false;
	reference_set_pred(n, r->pred_arc.lo);
}

void reference_leave_tick(struct node *n, uint64_t *next)
{
	quit_tick(n, next);
	watch_pred(n, next);
}
