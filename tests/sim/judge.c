/* The judges.  Which fault suspends which of them stands here and nowhere else:
 *
 * - One owner (I1): after every step, always; where a node did nothing about what was said to everybody, after one step
 *   in four.  A key is served by at most one node that reaches the broker; so is every
 *   other probe point, looked at every fourth step, and any id in two arcs, looked at several times a second.  Of one ring,
 *   no two views of one number that share an id are said to hold with different owners, and no node makes a view with a
 *   number below one that it has made.
 * - Once (I5): every put acked at most as often as it was said, every get answered at most once, always; nothing answered
 *   that was not asked.  Without one order (disorder) doubles are counted only, until all is quiet: while an arc moves they
 *   cannot be excluded (PROTOCOL.md section 1).
 *   Of clients of ours (ours.c): a write that is answered again is answered the same, also after all losses; a client takes
 *   for the answer what somebody has said, once; nothing is done without a token, or whose client was told that it is not;
 *   the adds to a counter are done once each; nobody says that he does not know where no node was lost and none forgets.
 * - A register (I3, I4): always, but when a key is served by another node than before, and the old one was killed or its
 *   connection closed by a fault, or it left as the last of its ring, or has given its views up (not if gentle), its only
 *   copy may be gone or is yet to be merged: older values are excused until the next acked put (history.c).  A handover
 *   hands this on with the record, served or not.  Without one order only this is left: in the end each key has a value
 *   that no later acked put should have replaced.
 *   What expires is gone from then on: shown no longer by who has had it since, nor ever again.
 * - Live (I7): every operation is answered, but for those in flight when, or sent before the ring was whole again after,
 *   a fault other than a join, a leave, or what clients and strangers do; or sent when no node was active; or dropped by
 *   the broker, or by a node whose room is full.  With joins and leaves alone nothing is excused.  Without one order:
 *   the operations of the quiet phase.  Where tables have little room, of clients of ours those of the quiet phase alone.
 *   Who serves a key and has heard its cell goes on hearing it, and who is ready to take it over does.  Runs in which hardly anything was answered though the ring was whole fail too.
 * - No hole (I2): at the end, within a bound: the arcs, and what every node's retained status says of its neighbours;
 *   and no record lies with a node that does not own it.
 * - Bounded (I6): records, and bytes of held operations, at every look.
 * - A node gives up by itself only if another has its id or name, and never one in office. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/frame.h"
#include "../../common/reference.h"
#include "sim.h"

void fail(struct world *w, const char *format, ...)
{
	va_list args;

	if (w->failed)
		return;
	w->failed = true;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
	trace(w, "VIOLATION %s", w->failure);
}

static void probe(struct world *w, uint32_t id)
{
	for (unsigned i = 0; i < w->probe_count; i++) {
		if (w->probes[i] == id)
			return;
	}
	if (w->probe_count < PROBES_MAX)
		w->probes[w->probe_count++] = id;
}

void judge_init(struct world *w)
{
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		probe(w, w->keys[i]);
		w->served[i] = (struct served){.proc = NONE, .link = NONE};
	}
	probe(w, 0);
	probe(w, UINT32_MAX);
	for (size_t i = 0; i < w->identity_count && i < 12; i++) {
		probe(w, w->identities[i].id);
		probe(w, w->identities[i].id + 1);
	}
}

/* ---- one owner ---- */

/* A seeker serves nothing by its state, so it is looked at here and there only; a member's keys are looked at always,
 * its other points one in PROBE_STRIDE a step. */
#define PROBE_STRIDE 4
#define SEEKER_STRIDE 16

/* Who serves each point, so that one step need not look at all processes; who has died since is dropped by and by. */
static void serves_now(struct world *w, struct proc *p, unsigned point)
{
	w->serving[point] =
		sim_grow(w->serving[point], w->serving_count[point], &w->serving_room[point], sizeof(**w->serving));
	w->serving[point][w->serving_count[point]++] = p->index;
	p->serves |= (uint64_t)1 << point;
}

static void serves_no_more(struct world *w, struct proc *p, unsigned point)
{
	size_t i = 0;

	p->serves &= ~((uint64_t)1 << point);
	while (i < w->serving_count[point] && w->serving[point][i] != p->index)
		i++;
	if (i < w->serving_count[point])
		w->serving[point][i] = w->serving[point][--w->serving_count[point]];
}

static void probe_point(struct world *w, struct proc *p, unsigned point)
{
	bool served = p->serves >> point & 1, serves = node_serves(p->node, w->probes[point]);

	if (serves && !served)
		serves_now(w, p, point);
	else if (!serves && served)
		serves_no_more(w, p, point);
}

static void probe_step(struct world *w, struct proc *p)
{
	bool seeker = p->state == NODE_CONNECTING || p->state == NODE_JOINING;
	unsigned first = (unsigned)w->stats[STAT_STEPS] % PROBE_STRIDE;

	for (uint64_t left = seeker ? p->serves : 0; left; left &= left - 1)
		serves_no_more(w, p, (unsigned)__builtin_ctzll(left));
	for (unsigned i = 0; i < w->swarm.keys && !seeker; i++)
		probe_point(w, p, i);
	for (unsigned i = first; i < w->probe_count; i += seeker ? SEEKER_STRIDE : PROBE_STRIDE) {
		if (seeker || i >= w->swarm.keys)
			probe_point(w, p, i);
	}
}

uint64_t judge_probe(const struct world *w, const struct proc *p)
{
	uint64_t serves = 0;

	for (unsigned i = 0; i < w->probe_count; i++)
		serves |= (uint64_t)node_serves(p->node, w->probes[i]) << i;
	return serves;
}

static bool copy_died(const struct world *w, const struct served *last, uint64_t *died)
{
	const struct proc *p = w->procs[last->proc];
	const struct link *l = &w->links[last->link];
	bool cut =
		(l->state == LINK_DEAD && !l->clean) || w->now >= l->out_drop; /* also if the broker has not noticed */
	/* A leaver stays one when it gives up; without views it is in no ring. */
	bool gave_up = !w->swarm.gentle && p->alive &&
		       (p->state == NODE_JOINING || p->state == NODE_CONNECTING || !node_get_ring(p->node).term);

	*died = l->state == LINK_DEAD ? l->closed : w->place;
	return p->killed || p->lonely_exit || gave_up || cut;
}

static bool same_ring(const struct ring_id *a, const struct ring_id *b)
{
	return a->term == b->term && a->nonce == b->nonce;
}

void judge_served(struct world *w, unsigned key, const struct proc *p)
{
	struct served *last = &w->served[key];
	struct ring_id ring = node_get_ring(p->node);
	bool apart = last->proc != NONE && !same_ring(&last->ring, &ring);
	uint64_t died = w->place;

	if (last->proc == p->index && !apart) {
		w->stats[STAT_BACK] += last->link != p->link;
		last->link = p->link;
		return;
	}
	w->moves[key]++;
	if (last->proc != NONE && (copy_died(w, last, &died) || apart)) {
		w->losses[key] = sim_grow(w->losses[key], w->loss_count[key], &w->loss_room[key], sizeof(**w->losses));
		w->losses[key][w->loss_count[key]++] = (struct loss){.died = died, .served = w->place};
		w->stats[STAT_TAKEOVERS]++;
		trace(w, "judge   key %08x is served by %s, its last server's copy has died%s", w->keys[key], p->label,
		      apart ? ", or is another ring's" : "");
	} else if (last->proc != NONE) {
		w->stats[STAT_HANDOVERS]++;
		trace(w, "judge   key %08x is served by %s", w->keys[key], p->label);
	}
	*last = (struct served){.proc = p->index, .link = p->link, .ring = ring};
}

/* In two rings, as can only be after the broker has lost the register. */
static bool apart(const struct world *w, const struct proc *p, const struct proc *q)
{
	struct ring_id a = node_get_ring(p->node), b = node_get_ring(q->node);

	return !same_ring(&a, &b) && (w->stats[STAT_RETAINED_LOST] || w->stats[STAT_RETAINED_STALE]);
}

/* Nobody else serves the point and reaches the broker. */
static void alone_at(struct world *w, const struct proc *p, unsigned point)
{
	for (size_t i = w->serving_count[point]; i > 0; i--) {
		struct proc *q = w->procs[w->serving[point][i - 1]];
		uint64_t both;

		if (!q->alive)
			serves_no_more(w, q, point);
		if (q == p || !proc_reaches(w, q) || apart(w, p, q))
			continue;
		both = judge_probe(w, p) & judge_probe(w, q);
		if (both)
			fail(w, "I1: %s and %s both serve %08x and both reach the broker", p->label, q->label,
			     w->probes[__builtin_ctzll(both)]);
	}
}

void judge_step(struct world *w, struct proc *p)
{
	struct arc arc;

	p->state = node_get_state(p->node);
	p->owned = p->owned || node_get_arc(p->node, &arc);
	if (w->swarm.held_max)
		judge_held(w, p);
	probe_step(w, p);
	story_mark(w, STORY_SERVES, p->index, p->serves);
	if (!p->serves || !proc_reaches(w, p))
		return;
	for (uint64_t left = p->serves; left; left &= left - 1)
		alone_at(w, p, (unsigned)__builtin_ctzll(left));
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		if (p->serves >> i & 1)
			judge_served(w, i, p);
	}
}

/* Where two arcs meet, whatever points are probed: their ends and beginnings. */
static void judge_pair(struct world *w, const struct proc *p, const struct proc *q)
{
	struct arc a, b;

	if (!node_get_arc(p->node, &a) || !node_get_arc(q->node, &b))
		return;
	for (unsigned i = 0; i < 4; i++) {
		uint32_t id = i == 0 ? a.hi : i == 1 ? b.hi : i == 2 ? a.lo + 1 : b.lo + 1;

		if (ring_contains(a, id) && ring_contains(b, id) && node_serves(p->node, id) &&
		    node_serves(q->node, id))
			fail(w, "I1: %s and %s both serve %08x and both reach the broker", p->label, q->label, id);
	}
}

void judge_arcs(struct world *w)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		if (!proc_reaches(w, w->procs[i]))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (proc_reaches(w, w->procs[j]) && !apart(w, w->procs[i], w->procs[j]))
				judge_pair(w, w->procs[i], w->procs[j]);
		}
	}
}

/* ---- once ---- */

static uint32_t key_index(const struct world *w, uint32_t id)
{
	uint32_t key = 0;

	while (key < w->swarm.keys && w->keys[key] != id)
		key++;
	return key < w->swarm.keys ? key : NONE;
}

static void placed(struct world *w, const struct packet *p)
{
	struct op *op = &w->ops[p->op - 1];
	uint32_t k = op->key;

	op->placed = w->place;
	w->stats[STAT_OPS]++;
	if (op->kind == OP_PUT)
		return;
	w->gets[k] = sim_grow(w->gets[k], w->get_count[k], &w->get_room[k], sizeof(**w->gets));
	w->gets[k][w->get_count[k]++] = p->op - 1;
}

static void answered(struct world *w, struct op *op)
{
	op->answered = w->place;
	op->answered_at = w->now;
	w->stats[STAT_OPS_DONE]++;
}

/* A number written in decimal behind one letter; NONE if it is none. */
uint32_t judge_named(const struct world *w, char letter, const uint8_t *text, size_t len)
{
	uint64_t v = 0;
	size_t i;

	if (len < 2 || text[0] != (uint8_t)letter)
		return NONE;
	for (i = 1; i < len && text[i] >= '0' && text[i] <= '9' && v < w->op_count; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	for (; i < len; i++) {
		if (text[i] != '.')
			return NONE;
	}
	return v < w->op_count && (w->ops[v].kind == OP_PUT || w->ops[v].kind == OP_CAS) ? (uint32_t)v : NONE;
}

static void put_acked(struct world *w, const char *by, const struct packet *p)
{
	const uint8_t *name;
	uint32_t node, op, again;
	size_t len;
	const char *why = reference_parse_ack_put(p->bytes, p->len, &name, &len, &node);

	if (why) {
		fail(w, "I5: %s publishes an ack-put that no client can read: %s", by, why);
		return;
	}
	op = judge_named(w, 'c', name, len);
	if (op == NONE || !w->ops[op].placed) {
		fail(w, "I5: %s acks a put that nobody made: %.*s", by, (int)(len < 40 ? len : 40), (const char *)name);
		return;
	}
	/* Of equal puts the first one not acked: they were done in the order in which they were placed. */
	for (again = op; w->ops[again].answered && w->ops[again].again; again = w->ops[again].again - 1)
		;
	if (!w->ops[again].answered && w->ops[again].placed)
		answered(w, &w->ops[again]);
	else if (w->swarm.disorder && !w->ops[again].quiet)
		w->stats[STAT_DOUBLES]++;
	else
		fail(w, "I5: %s acks put op %u, which was acked already at place %llu", by, op,
		     (unsigned long long)w->ops[op].answered);
}

/* Of equal gets it cannot be told whose the answer is: where it may be that of one that had no excuse, the one that is
 * answered so no longer needs its own. */
static void pass_excuse(struct world *w, uint32_t key, struct op *op)
{
	size_t i = 0;

	while (i < w->get_count[key] && w->ops[w->gets[key][i]].excused)
		i++;
	if (!op->excused || i == w->get_count[key])
		return;
	w->ops[w->gets[key][i]].excused = true;
	op->excused = false;
}

/* Which get does it answer?  In a right ring each answer fits the youngest one that is open (whatever was acked before
 * that one was asked, is in it), so that is what it must stand up to. */
static void get_answered(struct world *w, const char *by, const struct packet *p)
{
	uint32_t id, put = NONE, key;
	const uint8_t *value;
	size_t len;
	struct op *op;

	if (reference_parse_res_get(p->bytes, p->len, &id, &value, &len)) {
		fail(w, "I5: %s publishes a res-get that no client can read", by);
		return;
	}
	key = key_index(w, id);
	if (key != NONE && w->get_count[key] == 0 && w->swarm.disorder && !w->finals_sent) {
		w->stats[STAT_DOUBLES]++;
		return;
	}
	if (key == NONE || w->get_count[key] == 0) {
		fail(w, "I5: %s answers a get of %08x, and none is open", by, id);
		return;
	}
	op = &w->ops[w->gets[key][--w->get_count[key]]];
	if (len > 0) {
		put = judge_named(w, 'v', value, len);
		if (put == NONE || w->ops[put].key != key || !w->ops[put].placed) {
			fail(w, "I4: %s answers a get of %08x with what nobody put there: %.*s", by, id,
			     (int)(len < 40 ? len : 40), (const char *)value);
			return;
		}
	}
	op->value = put == NONE ? 0 : put + 1;
	w->stats[STAT_GETS_ABSENT] += put == NONE;
	pass_excuse(w, key, op);
	answered(w, op);
}

/* The giver has read ACTIVE and forgotten the records: they are the taker's, even if it never comes to serve them. */
void judge_received(struct world *w, const struct proc *giver, const struct packet *p)
{
	struct frame_room room;
	struct frame f;
	size_t len, to = 0;

	if (w->topics[p->topic].kind != TOPIC_INBOX || packet_frame(p) != FRAME_ACTIVE ||
	    frame_decode(&f, &room, p->bytes, p->len))
		return;
	while (to < w->proc_count && w->procs[to]->memory != f.from.memory)
		to++;
	for (unsigned k = 0; k < w->swarm.keys && to < w->proc_count; k++) {
		struct served *last = &w->served[k];

		struct key key = ours_key(w, k);

		if (last->proc == giver->index && !(giver->node && node_record(giver->node, &key, &len))) {
			*last = (struct served){
				.proc = (uint32_t)to, .link = w->procs[to]->last_link, .ring = last->ring};
			w->moves[k]++;
		}
	}
}

/* Two who each came to the end of a doubt have leapt to where the other may have counted (PROTOCOL.md section 5, rule 6):
 * that matters only while both are there. */
static bool beyond_leap(const struct world *w, const struct held_view *h)
{
	if (!(h->name.number >> 16 & 0xffff))
		return false;
	for (size_t i = 0; i < w->proc_count; i++)
		if (w->procs[i]->memory == h->owner.memory)
			return !w->procs[i]->alive;
	return false;
}

/* What a node says to hold, holds; no other view of that number may, of any of its ids, with another owner. */
static void view_holds(struct world *w, const struct proc *by, const struct frame *f, const struct view *v)
{
	struct held_view *h;

	for (size_t i = w->view_count; i > 0; i--) {
		h = &w->views[i - 1];
		if (h->name.number != v->name.number || h->ring.term != f->ring.term ||
		    h->ring.nonce != f->ring.nonce ||
		    !(ring_contains(h->arc, v->arc.hi) || ring_contains(v->arc, h->arc.hi)) || beyond_leap(w, h))
			continue;
		if (!member_same(&h->owner, &v->owner) || h->name.maker != v->name.maker)
			fail(w,
			     "I1: %s says that view %llx of %08x, owned by %08x, holds, and so does that of %08x, of "
			     "%08x",
			     by->label, (unsigned long long)v->name.number, v->name.maker, v->owner.id, h->name.maker,
			     h->owner.id);
		return;
	}
	w->views = sim_grow(w->views, w->view_count, &w->view_room, sizeof(*w->views));
	w->views[w->view_count++] =
		(struct held_view){.ring = f->ring, .name = v->name, .arc = v->arc, .owner = v->owner};
}

/* The numbers of the views that a node makes in one ring never go back (but for the two of one change). */
static void view_made(struct world *w, struct proc *by, const struct frame *f, const struct view *v)
{
	if (v->name.maker != by->id || !f->ring.term)
		return;
	if (by->made_in.term != f->ring.term || by->made_in.nonce != f->ring.nonce) {
		by->made_in = f->ring;
		by->made = 0;
	}
	if (v->name.number + 1 < by->made)
		fail(w, "I1: %s makes view %llx, and has made %llx before", by->label,
		     (unsigned long long)v->name.number, (unsigned long long)by->made);
	if (v->name.number > by->made)
		by->made = v->name.number;
}

static void judge_views(struct world *w, struct proc *by, const struct packet *p)
{
	enum frame_type type = packet_frame(p);
	struct frame_room room;
	struct frame f;

	if ((type != FRAME_HOLDS && type != FRAME_STORE) || frame_decode(&f, &room, p->bytes, p->len))
		return;
	for (unsigned i = 0; i < f.view_count; i++) {
		if (type == FRAME_HOLDS)
			view_holds(w, by, &f, &f.views[i]);
		else
			view_made(w, by, &f, &f.views[i]);
	}
}

/* Who is offered an arc accepts it once it hears what is said there. */
static void judge_offer(struct world *w, struct proc *by, const struct packet *p)
{
	enum frame_type type = packet_frame(p);
	struct frame_room room;
	char to[CONN_TEXT];
	struct frame f;

	if ((type != FRAME_OFFER && type != FRAME_ASK && type != FRAME_ACCEPT) ||
	    frame_decode(&f, &room, p->bytes, p->len))
		return;
	if (type != FRAME_ACCEPT) {
		by->offered = f.attempt;
		by->offered_arc = f.arc;
		return;
	}
	conn_format(&f.to, to);
	for (size_t i = 0; i < w->proc_count; i++)
		if (w->procs[i]->link != NONE && strcmp(w->links[w->procs[i]->link].client_id, to) == 0 &&
		    w->procs[i]->offered == f.attempt)
			ours_heard(w, by, w->procs[i]->offered_arc);
}

/* Who answers serves, if only within one step: takes an arc over, answers what it holds, and begins to change it. */
void judge_send(struct world *w, struct proc *by, const struct packet *p)
{
	enum topic_kind kind = w->topics[p->topic].kind;

	uint32_t id, node, op, key = NONE;
	const uint8_t *text;
	size_t len;

	if (kind == TOPIC_INBOX)
		judge_views(w, by, p), judge_offer(w, by, p);
	if (kind == TOPIC_RES_GET && !reference_parse_res_get(p->bytes, p->len, &id, &text, &len))
		key = key_index(w, id);
	if (kind == TOPIC_ACK_PUT && !reference_parse_ack_put(p->bytes, p->len, &text, &len, &node)) {
		op = judge_named(w, 'c', text, len);
		key = op == NONE ? NONE : w->ops[op].key;
	}
	if (key != NONE && proc_reaches(w, by))
		judge_served(w, key, by);
	if (kind == TOPIC_REPLY && packet_frame(p) == FRAME_ANSWER && proc_reaches(w, by))
		ours_served(w, by, p);
}

void judge_publish(struct world *w, uint32_t link, const struct packet *p)
{
	const char *by = link == NONE            ? "a will"
			 : w->links[link].client ? "a client"
						 : w->procs[w->links[link].owner]->label;

	if (p->op)
		placed(w, p);
	else if (w->topics[p->topic].kind == TOPIC_ACK_PUT)
		put_acked(w, by, p);
	else if (w->topics[p->topic].kind == TOPIC_RES_GET)
		get_answered(w, by, p);
	else if (w->topics[p->topic].kind == TOPIC_CELL || w->topics[p->topic].kind == TOPIC_ASK)
		ours_asked(w, p);
	else if (w->topics[p->topic].kind == TOPIC_REPLY && packet_frame(p) == FRAME_ANSWER)
		ours_answered(w, by, p);
	else if (w->topics[p->topic].kind == TOPIC_REPLY && link != NONE && !w->links[link].client)
		judge_told(w, w->links[link].owner, p);
}

void judge_free(struct world *w)
{
	for (unsigned k = 0; k < KEYS_MAX; k++) {
		free(w->gets[k]);
		free(w->losses[k]);
	}
	for (unsigned i = 0; i < PROBES_MAX; i++)
		free(w->serving[i]);
	free(w->ops);
	free(w->views);
}
