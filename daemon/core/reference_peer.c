/* Neighbours that are the reference's (PROTOCOL.md section 10).  Nothing here touches a ring of ours alone.
 *
 * A node of the reference knows no views: it moves its arc at a public `join` or `leave`, hands records over as puts of
 * a client called `None` or by its own id, and never says that it has them all.  What it does is told by what it
 * publishes, in the broker's order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference_peer.h"

struct reference_peer *reference_peer(struct node *n)
{
	if (!n->reference)
		n->reference = xcalloc(1, sizeof(*n->reference));
	return n->reference;
}

void reference_listen(struct node *n, bool on)
{
	struct reference_peer *r = reference_peer(n);

	if (r->listening == on)
		return;
	r->listening = on;
	out_subscribe(n, TOPIC_ACK_PUT, 0, on);
	out_subscribe(n, TOPIC_RES_GET, 0, on);
}

/* An arc of nobody among ours: ours from here. */
void reference_own_arc(struct node *n, struct arc arc)
{
	struct view v = {.name = name_next(n), .arc = arc, .owner = n->self};

	copy_absorb(n, arc);
	entry_add(n, &v, true);
	once_own(n->once, &(struct once_arc){arc, {v.name.number, n->counter}});
}

void reference_take_arc(struct node *n, struct arc arc)
{
	struct reference_peer *r = reference_peer(n);

	/* Above what any of ours can have used there who is not heard, and not what another of us would choose. */
	n->number = (((n->number >> 16) + 1) << 16) + node_random(n, 1u << 16);
	reference_own_arc(n, arc);
	r->came = arc;
	r->came_number = n->number;
	record_come_back(n, arc, n->number);
}

uint64_t reference_came(const struct node *n, uint32_t id)
{
	const struct reference_peer *r = n->reference;

	return r && r->came_number && ring_contains(r->came, id) ? r->came_number : 0;
}

/* One `join` without a HELLO may only mean that we came between the two. */
static bool note_stranger(struct node *n, uint32_t id)
{
	struct reference_peer *r = reference_peer(n);
	struct stranger *s = r->strangers;

	while (s < r->strangers + STRANGERS && !(s->joins && s->id == id))
		s++;
	if (s == r->strangers + STRANGERS) {
		s = &r->strangers[r->stranger_next++ % STRANGERS];
		*s = (struct stranger){.id = id};
	}
	s->joins = n->now - s->when < STRANGER_FOR || !s->joins ? s->joins + 1 : 1;
	s->when = n->now;
	return s->joins > 1;
}

static bool is_stranger(const struct node *n, uint32_t id)
{
	const struct reference_peer *r = n->reference;

	for (unsigned i = 0; r && i < STRANGERS; i++)
		if (r->strangers[i].id == id && r->strangers[i].joins > 1 &&
		    n->now - r->strangers[i].when < STRANGER_FOR && !hello_recent(n, id))
			return true;
	return false;
}

/* ---- who is beside us ---- */

bool reference_busy(const struct node *n)
{
	return n->reference && (n->reference->filling || n->reference->left_until || n->reference->admit);
}

bool reference_predecessor(const struct node *n)
{
	return n->reference && n->reference->has_pred;
}

bool reference_successor(const struct node *n, uint32_t *id)
{
	const struct reference_peer *r = n->reference;

	if (!r || !r->has_succ)
		return false;
	*id = r->succ;
	return true;
}

void reference_set_pred(struct node *n, uint32_t id)
{
	struct reference_peer *r = reference_peer(n);

	r->pred = id;
	r->has_pred = id != n->self.id;
	r->pred_arc_known = false;
	r->unanswered = r->pinged = 0;
	r->pred_heard = n->now;
	n->notify_since = n->notify_at = 0;
	if (r->has_pred)
		reference_listen(n, true);
}

void reference_set_succ(struct node *n, uint32_t id)
{
	struct reference_peer *r = reference_peer(n);

	r->succ = id;
	r->has_succ = id != n->self.id;
	if (r->has_succ)
		reference_listen(n, true);
}

void reference_behind(struct node *n, uint32_t id)
{
	reference_set_pred(n, id);
}

/* A neighbour that turns out to be ours, or is not the nearest any more. */
static void forget_neighbours(struct node *n)
{
	struct reference_peer *r = n->reference;
	const struct entry *own = entry_main(n);

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && e->v.arc.hi == r->pred)
			r->has_pred = false;
	if (!own || (r->has_pred && own->v.arc.lo != r->pred && r->admit == ADMIT_NONE))
		r->has_pred = false;
	if (!own || (own->peer.memory && ring_distance(n->self.id, own->peer.id) <= ring_distance(n->self.id, r->succ)))
		r->has_succ = false;
}

/* ---- joining at a reference ---- */

static void reference_hold(struct node *n)
{
	struct reference_peer *r = reference_peer(n);

	if (!r->holding)
		r->overheard_count = 0;
	r->holding = true;
}

/* Between the owner's word and ours it may have admitted others behind us, who wait for a word from us. */
static void admit_overheard(struct node *n, uint32_t owner)
{
	struct reference_peer *r = reference_peer(n);
	uint32_t succ = owner;

	for (unsigned i = 0; i < r->overheard_count; i++) {
		const struct reference_ack_join *a = &r->overheard[i];

		if (a->src != owner || a->dst == succ || !ring_contains((struct arc){n->self.id, succ}, a->dst))
			continue;
		succ = a->dst;
		reference_publish_ack_join(n, n->self.id, succ, REFERENCE_PREDECESSOR);
	}
	r->overheard_count = 0;
	if (succ != owner)
		reference_set_succ(n, succ);
}

static void overhear(struct node *n, const struct reference_ack_join *a)
{
	struct reference_peer *r = n->reference;

	if (r && r->holding && a->side == REFERENCE_SUCCESSOR && r->overheard_count < OVERHEARD)
		r->overheard[r->overheard_count++] = *a;
}

static void admitted(struct node *n)
{
	struct reference_peer *r = reference_peer(n);
	uint32_t succ = r->ack[REFERENCE_SUCCESSOR], pred = r->ack[REFERENCE_PREDECESSOR];

	if (!n->seen.nonce) {
		n->seen = (struct ring_id){n->seen.term + 1, n->self.memory};
		n->ring = n->seen;
		n->repair_at = n->now;
	}
	n->ring = n->seen;
	if (n->number < (uint64_t)n->ring.term << 32)
		n->number = (uint64_t)n->ring.term << 32;
	seek_end(n);
	reference_take_arc(n, (struct arc){pred, n->self.id});
	reference_set_succ(n, succ);
	reference_set_pred(n, pred);
	r->holding = false;
	r->asked_since = 0;
	r->acked[0] = r->acked[1] = false;
	r->filling = n->now + QUIET;
	out_log(n, NOTE_REFERENCE_ADMITTED, ABOUT(OF_PEER(succ)), "admitted by node %08x of the reference, behind %08x",
		succ, pred);
	reference_publish_ack_join(n, n->self.id, succ, REFERENCE_PREDECESSOR);
	admit_overheard(n, succ);
}

static void not_theirs(struct node *n)
{
	n->reference->asked_since = 0;
	n->reference->acked[0] = n->reference->acked[1] = false;
	n->busy_at = n->now;
	reference_not_holding(n);
}

void reference_found(struct node *n, const struct frame *f)
{
	struct reference_peer *r = n->reference;

	bool owned = f->arc_set && ring_contains(f->arc, n->self.id);

	for (unsigned i = 0; i < f->view_count; i++)
		owned |= ring_contains(f->views[i].arc, n->self.id);
	if (r && r->asked_since && owned)
		not_theirs(n);
}

/* Whose admission is to be believed: if a status stands under its id. */
bool reference_asks(const struct node *n, uint32_t *id)
{
	if (!n->reference || !n->reference->asked_since)
		return false;
	*id = n->reference->ack[REFERENCE_SUCCESSOR];
	return true;
}

/* Whoever admits has a status: it is ours, though its OFFER was lost and it sleeps.  One of the reference may have the id of
 * who is gone and not buried, for which such a one gets its time. */
void reference_stands(struct node *n, const struct frame *f)
{
	uint32_t id;

	if (!reference_asks(n, &id) || f->from.id != id || f->state == NODE_GONE || f->state == NODE_LEFT)
		return;
	if (!n->seek.beside)
		n->seek.beside = n->now;
	if (n->now - n->seek.beside < seek_patience(n))
		not_theirs(n);
}

/* What was said while we slept is still to be read. */
void reference_overslept(struct node *n, uint64_t by, uint64_t now)
{
	struct reference_peer *r = n->reference;

	if (!r)
		return;
	later(&r->since, by, now);
	later(&r->quit_progress, by, now);
	later(&r->pinged, by, now);
	later(&r->unanswered, by, now);
}

/* True if the word is part of a neighbourhood with the reference, and done with. */
bool reference_ack_join(struct node *n, const struct reference_ack_join *a)
{
	struct reference_peer *r = n->reference;

	if (n->seek.active && a->dst != n->self.id)
		overhear(n, a);
	if (n->seek.active && a->dst == n->self.id && a->src != n->self.id) {
		/* Where a node of ours owns the position, it alone admits. */
		if (!r || !r->holding || n->take.phase || (a->side == REFERENCE_SUCCESSOR && hello_recent(n, a->src)) ||
		    (n->busy_at && n->now - n->busy_at < 1000))
			return true;
		r->acked[a->side] = true;
		r->ack[a->side] = a->src;
		if (r->acked[0] && r->acked[1] && !r->asked_since) {
			/* Before believing it, ask whether one of ours owns the position; and see, ahead of where that
			 * comes back, whether it is one of ours that says so. */
			r->asked_since = n->now;
			watch_statuses(n);
			find_ask(n, (struct arc){n->self.id - 1, n->self.id}, &r->asked_since);
			r->asked_again = r->asked_since;
		}
		return true;
	}
	if (r && reference_admit_ack_join(n, a))
		return true;
	/* Our successor has admitted a reference between us. */
	if (a->side == REFERENCE_SUCCESSOR && entry_main(n) && a->dst != n->self.id && a->src != n->self.id &&
	    (is_stranger(n, a->dst) || (r && r->has_succ && r->succ == a->src))) {
		const struct entry *e = entry_main(n);
		uint32_t succ;

		if (!reference_successor(n, &succ))
			succ = e->peer.memory ? e->peer.id : n->self.id;
		if (a->src == succ && ring_contains((struct arc){n->self.id, succ}, a->dst)) {
			reference_publish_ack_join(n, n->self.id, a->dst, REFERENCE_PREDECESSOR);
			reference_set_succ(n, a->dst);
			return true;
		}
	}
	/* A reference heals: it names itself, or another, as our neighbour. */
	if (r && a->dst == n->self.id && a->side == REFERENCE_SUCCESSOR && r->has_succ)
		reference_set_succ(n, a->src);
	return false;
}

/* ---- a reference joins here ---- */

void reference_join(struct node *n, const uint8_t *p, size_t len)
{
	const struct entry *e = entry_main(n);
	uint32_t id;
	const char *why = reference_parse_id(p, len, &id);
	const struct reference_peer *r = n->reference;

	if (why) {
		out_complain(n, "join", why, p, len);
		return;
	}
	if (id == n->self.id) {
		/* Ours, and not a twin's: our HELLO has come back ahead of it. */
		if (n->seek.active && n->seek.heard && !n->take.phase && (!n->busy_at || n->now - n->busy_at >= 1000))
			reference_hold(n);
		return;
	}
	/* Amid our subscriptions the HELLO ahead of it may have gone unheard, each time. */
	if (hello_recent(n, id) || !e || !node_ready(n) || !note_stranger(n, id))
		return;
	out_publish(n, TOPIC_HAS_STARTED, 0, "yes", 3, false);
	if ((r && ((r->has_pred && r->pred == id) || (r->has_succ && r->succ == id) || r->admit)) || n->stopping ||
	    n->change.kind || n->give.phase || n->take.phase || !entry_serves(n, e) || !ring_contains(e->v.arc, id))
		return;
	reference_admit_begin(n, id);
}

/* ---- life ---- */

void reference_tick(struct node *n, uint64_t *next)
{
	struct reference_peer *r = n->reference;

	/* In a ring of ours alone there is none of all this to see to. */
	if (!r || !node_ready(n) ||
	    !(r->listening || r->has_pred || r->has_succ || r->asked_since || r->filling || r->admit || r->left_until ||
	      r->quit))
		return;
	if (r->asked_since && !n->seek.active)
		r->asked_since = 0;
	if (r->asked_since && n->now - r->asked_since >= ASK_FOR && n->find_echo >= r->asked_since) {
		admitted(n);
	} else if (r->asked_since) { /* a question may get lost, for one of us or for all */
		if (n->now - r->asked_again >= ASK_FOR / 4)
			find_ask(n, (struct arc){n->self.id - 1, n->self.id}, &r->asked_again);
		soonest(next, r->asked_again + ASK_FOR / 4);
	}
	forget_neighbours(n);
	reference_listen(n, r->has_pred || r->has_succ || r->admit || r->quit || r->left_until);
	reference_admit_tick(n, next);
	reference_leave_tick(n, next);
	if (r->filling && n->now >= r->filling) {
		r->filling = 0;
		n->recheck = true;
	} else if (r->filling) {
		soonest(next, r->filling);
	}
	if (r->left_until && n->now >= r->left_until) {
		r->left_until = 0;
		n->recheck = true;
	} else if (r->left_until) {
		soonest(next, r->left_until);
	}
}

/* What was under way on the old connection is not known to have happened: what can be kept is kept. */
void reference_disconnected(struct node *n)
{
	struct reference_peer *r = n->reference;

	if (!r)
		return;
	reference_admit_disconnected(n);
	r->listening = r->holding = false;
	r->acked[0] = r->acked[1] = false;
	r->pred_heard = 0; /* it never subscribes again: a connection that ended with ours has made it deaf */
	r->filling = r->left_until = r->unanswered = r->pinged = r->asked_since = 0;
}

/* Ours has answered: what was held for the case that a reference owns the position is not ours. */
void reference_not_holding(struct node *n)
{
	if (n->reference && n->reference->holding) {
		n->reference->holding = false;
		n->recheck = true;
	}
}

void reference_free(struct node *n)
{
	if (!n->reference)
		return;
	reference_stream_end(n);
	store_free(n->reference->quit_echoed);
	free(n->reference);
}
