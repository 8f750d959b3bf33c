/* A reference joins at ours (PROTOCOL.md section 10): a view of the rest, our word, its confirmation, its records. */
#include "reference_peer.h"

void reference_admit_begin(struct node *n, uint32_t id)
{
	struct reference_peer *r = reference_peer(n);
	struct entry *e = entry_main(n);

	r->admit = ADMIT_SHRINK;
	r->joiner = id;
	r->arc = (struct arc){e->v.arc.lo, id};
	r->since = n->now;
	reference_listen(n, true);
	out_log(n, NOTE_REFERENCE_JOIN, ABOUT(OF_PEER(id)), "node %08x of the reference asks to join -> admitting it",
		id);
	n->shrink_to = id;
	change_begin(n, CHANGE_SHRINK, e, NULL, NULL);
}

/* Our word, behind which the arc is the joiner's. */
static void say(struct node *n)
{
	struct reference_peer *r = n->reference;

	reference_publish_ack_join(n, n->self.id, r->joiner, REFERENCE_SUCCESSOR);
	if (r->arc.lo == n->self.id) {
		reference_publish_ack_join(n, n->self.id, r->joiner, REFERENCE_PREDECESSOR);
		reference_set_succ(n, r->joiner);
	}
	reference_set_pred(n, r->joiner);
	r->admit = ADMIT_ACK;
	r->since = n->now;
}

static void send(struct node *n)
{
	struct reference_peer *r = n->reference;

	r->admit = ADMIT_SEND;
	for (struct held *h = n->held_first; h; h = h->next)
		h->early = ring_contains(r->arc, h->key);
	r->since = n->now;
	r->acks = 0;
	reference_stream_begin(n, r->arc);
	(void)reference_stream_pump(n, "None");
}

bool reference_admit_ack_join(struct node *n, const struct reference_ack_join *a)
{
	struct reference_peer *r = n->reference;

	if (a->src == n->self.id && a->dst == r->joiner && a->side == REFERENCE_SUCCESSOR && r->admit == ADMIT_ACK) {
		/* The place where a reference would have moved its arc: before it is ours, behind it the joiner's.  Said
		 * once more, it may be long past. */
		r->answering = !r->lost;
		request_recheck(n);
		r->answering = false;
		r->admit = ADMIT_CONFIRM;
		r->since = n->now;
		return true;
	}
	if (r->admit == ADMIT_CONFIRM && a->src == r->joiner && a->dst == n->self.id &&
	    a->side == REFERENCE_PREDECESSOR) {
		send(n);
		return true;
	}
	return false;
}

static void end(struct node *n)
{
	n->reference->admit = ADMIT_NONE;
	n->reference->lost = false;
	n->recheck = true;
	reference_stream_end(n);
}

static void take_back(struct node *n)
{
	struct reference_peer *r = n->reference;

	out_log(n, NOTE_REFERENCE_SILENT, ABOUT(OF_PEER(r->joiner)),
		"node %08x of the reference was admitted and does not speak -> taking its arc back", r->joiner);
	end(n);
	reference_own_arc(n, r->arc);
	/* Whoever stands before it took it for its successor. */
	if (r->arc.lo != n->self.id)
		reference_publish_ack_join(n, n->self.id, r->arc.lo, REFERENCE_SUCCESSOR);
	if (r->has_succ && r->succ == r->joiner)
		r->has_succ = false;
}

/* What the joiner cannot have heard, and has not answered, is said again; the rest it hears for itself.  What is not said
 * on the reference's topics stays: whoever asked us will be told that the arc has moved. */
static void forward_held(struct node *n, struct arc arc)
{
	struct held **at = &n->held_first;

	while (*at) {
		struct held *h = *at;

		if (!ring_contains(arc, h->key) || (h->kind != TOPIC_PUT && h->kind != TOPIC_GET)) {
			at = &h->next;
			continue;
		}
		if (h->early)
			out_publish(n, h->kind, 0, h->payload, h->len, false);
		*at = h->next;
		n->held_bytes -= sizeof(*h) + h->len;
		free(h);
	}
	n->held_last = at;
}

static void admit_done(struct node *n)
{
	struct reference_peer *r = n->reference;
	size_t numbers, names;

	end(n);
	forward_held(n, r->arc);
	reference_set_pred(n, r->joiner);
	r->pred_arc = r->arc;
	r->pred_arc_known = true;
	once_forget(n->once, r->arc);
	numbers = record_purge_numbers(n, r->arc, &names);
	out_log(n, NOTE_REFERENCE_JOIN, ABOUT(OF_PEER(r->joiner)),
		"node %08x of the reference has joined with %zu records; %zu names stay here", r->joiner, numbers,
		names);
}

/* The connection was lost, and what it carried; the joiner has its place all the same. */
static void resume(struct node *n)
{
	struct reference_peer *r = n->reference;

	reference_stream_resume(n, r->acks);
	r->acks = 0;
	r->since = n->now;
	out_log(n, NOTE_REFERENCE_JOIN, ABOUT(OF_PEER(r->joiner)),
		"connected again -> going on with the records for node %08x of the reference", r->joiner);
}

static void send_on(struct node *n, uint64_t *next)
{
	struct reference_peer *r = n->reference;

	if (r->stream.broken)
		resume(n);
	/* What the transport has not taken yet the joiner cannot acknowledge, and its acks are not read meanwhile. */
	if (reference_stream_pump(n, "None") || n->full)
		r->since = n->now;
	if (reference_stream_done(n, r->acks) && (r->stream.said || n->now - r->since >= 100)) {
		admit_done(n);
		return;
	}
	if (!r->stream.said)
		soonest(next, r->since + 100);
}

void reference_admit_tick(struct node *n, uint64_t *next)
{
	struct reference_peer *r = n->reference;
	const struct entry *e = entry_main(n);

	if (r->admit == ADMIT_NONE)
		return;
	/* The change that makes room ends by itself; on a new connection others may have taken the arc meanwhile. */
	if (e && (r->admit == ADMIT_SHRINK || r->stream.broken || r->admit == ADMIT_SAY) &&
	    (n->change.kind || !entry_serves(n, e)))
		return;
	if (!e || e->v.arc.lo != r->joiner) {
		end(n);
		return;
	}
	switch (r->admit) {
	case ADMIT_SHRINK:
	case ADMIT_SAY:
		say(n);
		break;
	case ADMIT_CONFIRM:
		if (r->lost && n->now - r->since >= CONFIRMED)
			send(n);
		else if (r->lost)
			soonest(next, r->since + CONFIRMED);
		break;
	case ADMIT_SEND:
		send_on(n, next);
		break;
	case ADMIT_NONE:
	case ADMIT_ACK:
		break;
	}
	if (r->admit == ADMIT_SEND && n->now - r->since >= PATIENCE && reference_stream_acked(n, r->acks))
		admit_done(n); /* a word of ours has not come back; all the same the joiner has everything */
	else if (r->admit && n->now - r->since >= PATIENCE)
		take_back(n);
	else if (r->admit)
		soonest(next, r->since + PATIENCE);
}

void reference_admit_left(struct node *n, uint32_t id)
{
	if (n->reference->admit && n->reference->joiner == id)
		end(n);
}

/* Behind our word the joiner is the owner by everyone's, so we do not take the arc back: it is said again, as nobody knows
 * whether it was heard, and the records go out where they stood. */
void reference_admit_disconnected(struct node *n)
{
	struct reference_peer *r = n->reference;

	if (r->admit == ADMIT_ACK || r->admit == ADMIT_CONFIRM) {
		r->admit = ADMIT_SAY;
		r->lost = true;
	}
	reference_stream_break(n);
	if (r->admit == ADMIT_SHRINK)
		r->admit = ADMIT_NONE;
}
