/* The judges, and that of once itself.  Which fault suspends which of them stands here and nowhere else:
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
 *   the broker, or by a node whose room is full; and, where memory has limits, puts on the topics that have no word for it.
 *   In the end nothing is refused for want of room.  With joins and leaves alone nothing is excused.  Without one order:
 *   the operations of the quiet phase.  Where tables have little room, of clients of ours those of the quiet phase alone.
 *   Who serves a key and has heard its cell goes on hearing it, and who is ready to take it over does.  Runs in which hardly anything was answered though the ring was whole fail too.
 * - No hole (I2): at the end, within a bound: the arcs, and what every node's retained status says of its neighbours;
 *   and no record lies with a node that does not own it.
 * - Bounded (I6): records, and bytes of held operations, at every look; where memory has limits, who had no room stores
 *   nothing new that a client asks for.
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

static bool moved(const struct frame *f, uint32_t id)
{
	for (unsigned i = 0; i < f->view_count; i++)
		if (f->views[i].owner.memory == f->from.memory && ring_contains(f->views[i].arc, id))
			return true;
	return false;
}

/* The giver has read ACTIVE and forgotten the records: they are the taker's, even if it never comes to serve them.  What it
 * has not, elsewhere, may have been deleted. */
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

		if (last->proc == giver->index && moved(&f, key.id) &&
		    !(giver->node && node_record(giver->node, &key, &len))) {
			*last = (struct served){
				.proc = (uint32_t)to, .link = w->procs[to]->last_link, .ring = last->ring};
			w->moves[k]++;
		}
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

/* The version of a reference's put, whose answer does not tell it, and may wait until another has taken its place. */
static void judge_copy(struct world *w, const struct proc *by, const struct packet *p)
{
	struct frame_room room;
	struct frame f;

	if (w->swarm.patience.replicas < 2 || packet_frame(p) != FRAME_COPY ||
	    frame_decode(&f, &room, p->bytes, p->len))
		return;
	for (size_t i = 0; i < f.record_count; i++) {
		const struct frame_record *r = &f.records[i];
		uint32_t put = judge_named(w, 'v', r->value, r->value_len);

		if (put == NONE)
			continue;
		w->ops[put].copied = (struct version){r->number, r->counter};
		w->ops[put].copier = by->index;
	}
}

/* The reference's answers tell no version: it is that of the record, or as its copies were told.  What waited for
 * a disk may be another's, where two do the same put. */
static void shown(struct world *w, uint32_t key, const struct proc *by, uint32_t put)
{
	struct key k = ours_key(w, key);
	struct version version;
	size_t len;
	const uint8_t *value = node_record(by->node, &k, &len);

	if (put == NONE || (by->disk && w->swarm.disorder) || w->ops[put].again || w->repeated[key])
		return;
	if (value && judge_named(w, 'v', value, len) == put && node_version(by->node, &k, &version))
		judge_shown(w, key, by, version);
	else if (w->ops[put].copied.number && w->ops[put].copier == by->index)
		judge_shown(w, key, by, w->ops[put].copied);
}

/* Who answers serves, if only within one step: takes an arc over, answers what it holds, and begins to change it. */
void judge_send(struct world *w, struct proc *by, const struct packet *p)
{
	enum topic_kind kind = w->topics[p->topic].kind;

	uint32_t id, node, op = NONE, key = NONE;
	const uint8_t *text;
	size_t len;

	if (kind == TOPIC_INBOX)
		judge_views(w, by, p), judge_offer(w, by, p), judge_copy(w, by, p);
	if (kind == TOPIC_RES_GET && !reference_parse_res_get(p->bytes, p->len, &id, &text, &len))
		key = key_index(w, id);
	if (kind == TOPIC_ACK_PUT && !reference_parse_ack_put(p->bytes, p->len, &text, &len, &node)) {
		op = judge_named(w, 'c', text, len);
		key = op == NONE ? NONE : w->ops[op].key;
	}
	if (key != NONE && proc_reaches(w, by)) {
		judge_answered(w, key, by);
		shown(w, key, by, kind == TOPIC_RES_GET ? judge_named(w, 'v', text, len) : op);
	}
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
		tool_told(w, w->links[link].owner, p);
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
