/* The judges.  Which fault suspends which of them stands here and nowhere else:
 *
 * - One owner (I1): after every step, always; where a node did nothing about what was said to everybody, after one step
 *   in four.  A key is served by at most one node that reaches the broker; so is every
 *   other probe point, looked at every fourth step.
 * - Once (I5): every put acked at most once, every get answered at most once, always; nothing answered that was not asked.
 * - A register (I3, I4): always, but when a key is served by another node than before, and the old one was killed or its
 *   connection closed by a fault, or it left as the last of its ring, its only copy may be gone: older values are
 *   excused until the next acked put (history.c).  A handover hands this on with the record, served or not.
 * - Live (I7): every operation is answered, but for those in flight when, or sent before the ring was whole again after,
 *   a fault other than a join or a leave, or sent when no node was active, or dropped by the broker.  With joins and leaves alone nothing is excused.
 * - No hole (I2): at the end, within a bound.
 * - A node gives up by itself only if another has its id or name, and never one in office. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/frame.h"
#include "../../common/mem.h"
#include "../../common/reference.h"
#include "sim.h"

#define RECENT (25 * SECOND) /* the longest until a fault shows in the states of the nodes: the keepalive */

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

/* ---- live ---- */

/* Something happened that may leave what is in flight without an answer. */
void judge_disturbed(struct world *w)
{
	w->disturbed = true;
	w->disturbed_at = w->now;
	for (size_t i = w->op_count; i > 0 && w->ops[i - 1].sent_at + w->swarm.client_timeout >= w->now; i--)
		w->ops[i - 1].excused = true;
}

bool judge_excuses(struct world *w)
{
	bool active = false;
	char why[200];

	if (w->disturbed && w->now > w->disturbed_at + RECENT && judge_whole(w, why, sizeof(why)))
		w->disturbed = false;
	for (size_t i = 0; i < w->proc_count; i++)
		active = active || (proc_reaches(w, w->procs[i]) && w->procs[i]->state == NODE_ACTIVE);
	return w->disturbed || !active;
}

/* ---- one owner ---- */

/* A seeker serves nothing by its state, so it is looked at here and there only; a member's keys are looked at always,
 * its other points one in PROBE_STRIDE a step. */
#define PROBE_STRIDE 4

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

static void probe_step(struct world *w, struct proc *p)
{
	bool seeker = p->state == NODE_CONNECTING || p->state == NODE_JOINING;
	unsigned first = (unsigned)w->stats[STAT_STEPS] % PROBE_STRIDE;

	for (unsigned i = 0; i < w->probe_count; i++) {
		bool served = p->serves >> i & 1, serves = false;

		if (!seeker && i >= w->swarm.keys && i % PROBE_STRIDE != first)
			continue;
		if (!seeker || i % 16 == first)
			serves = node_serves(p->node, w->probes[i]);
		if (serves && !served)
			serves_now(w, p, i);
		else if (!serves && served)
			serves_no_more(w, p, i);
	}
}

static uint64_t probe_all(const struct world *w, const struct proc *p)
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
	bool gave_up = !w->swarm.gentle && p->alive && (p->state == NODE_JOINING || p->state == NODE_CONNECTING);

	*died = l->state == LINK_DEAD ? l->closed : w->place;
	return p->killed || p->lonely_exit || gave_up || cut;
}

static bool same_ring(const struct ring_id *a, const struct ring_id *b)
{
	return a->term == b->term && a->nonce == b->nonce;
}

static void served_by(struct world *w, unsigned key, const struct proc *p)
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
		both = probe_all(w, p) & probe_all(w, q);
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
	probe_step(w, p);
	story_mark(w, STORY_SERVES, p->index, p->serves);
	if (!p->serves || !proc_reaches(w, p))
		return;
	for (uint64_t left = p->serves; left; left &= left - 1)
		alone_at(w, p, (unsigned)__builtin_ctzll(left));
	for (unsigned i = 0; i < w->swarm.keys; i++) {
		if (p->serves >> i & 1)
			served_by(w, i, p);
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
static uint32_t op_named(const struct world *w, char letter, const uint8_t *text, size_t len)
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
	return v < w->op_count && w->ops[v].kind == OP_PUT ? (uint32_t)v : NONE;
}

static void put_acked(struct world *w, const char *by, const struct packet *p)
{
	const uint8_t *name;
	uint32_t node, op;
	size_t len;
	const char *why = reference_parse_ack_put(p->bytes, p->len, &name, &len, &node);

	if (why) {
		fail(w, "I5: %s publishes an ack-put that no client can read: %s", by, why);
		return;
	}
	op = op_named(w, 'c', name, len);
	if (op == NONE || !w->ops[op].placed)
		fail(w, "I5: %s acks a put that nobody made: %.*s", by, (int)(len < 40 ? len : 40), (const char *)name);
	else if (w->ops[op].answered)
		fail(w, "I5: %s acks put op %u, which was acked already at place %llu", by, op,
		     (unsigned long long)w->ops[op].answered);
	else
		answered(w, &w->ops[op]);
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
	if (key == NONE || w->get_count[key] == 0) {
		fail(w, "I5: %s answers a get of %08x, and none is open", by, id);
		return;
	}
	op = &w->ops[w->gets[key][--w->get_count[key]]];
	if (len > 0) {
		put = op_named(w, 'v', value, len);
		if (put == NONE || w->ops[put].key != key || !w->ops[put].placed) {
			fail(w, "I4: %s answers a get of %08x with what nobody put there: %.*s", by, id,
			     (int)(len < 40 ? len : 40), (const char *)value);
			return;
		}
	}
	op->value = put == NONE ? 0 : put + 1;
	w->stats[STAT_GETS_ABSENT] += put == NONE;
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

		if (last->proc == giver->index && !(giver->node && node_record(giver->node, w->keys[k], &len)))
			*last = (struct served){
				.proc = (uint32_t)to, .link = w->procs[to]->last_link, .ring = last->ring};
	}
}

/* Who answers serves, if only within one step: takes an arc over, answers what it holds, and begins to change it. */
void judge_send(struct world *w, const struct proc *by, const struct packet *p)
{
	uint32_t id, node, op, key = NONE;
	const uint8_t *text;
	size_t len;

	if (w->topics[p->topic].kind == TOPIC_RES_GET && !reference_parse_res_get(p->bytes, p->len, &id, &text, &len))
		key = key_index(w, id);
	if (w->topics[p->topic].kind == TOPIC_ACK_PUT &&
	    !reference_parse_ack_put(p->bytes, p->len, &text, &len, &node)) {
		op = op_named(w, 'c', text, len);
		key = op == NONE ? NONE : w->ops[op].key;
	}
	if (key != NONE && proc_reaches(w, by))
		served_by(w, key, by);
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
}

/* ---- the end of a process, and of the run ---- */

/* Others may still believe in an arc that has been taken over from them; they serve nothing. */
static bool nobody_serves(const struct world *w, const struct proc *but)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		const struct proc *q = w->procs[i];

		if (q != but && proc_reaches(w, q) && probe_all(w, q))
			return false;
	}
	return true;
}

void judge_exit(struct world *w, struct proc *p, int code)
{
	if (!p->stop_asked) {
		w->stats[STAT_EXIT_OTHER]++;
		if (p->state == NODE_ACTIVE || !w->identities[p->identity].twin)
			fail(w, "gives up: %s, which was %s, exits by itself with code %d", p->label,
			     node_state_name(p->state), code);
		return;
	}
	w->stats[STAT_EXIT_STOP]++;
	if (p->owned && nobody_serves(w, p)) {
		w->stats[STAT_EXIT_LAST]++;
		p->lonely_exit = true;
		judge_disturbed(w);
	}
}

static int by_end(const void *a, const void *b)
{
	const struct arc *x = a, *y = b;

	return x->hi < y->hi ? -1 : x->hi > y->hi;
}

static bool arcs_whole(struct arc *arcs, size_t count, char *why, size_t size)
{
	uint64_t sum = 0;

	qsort(arcs, count, sizeof(*arcs), by_end);
	for (size_t i = 0; i < count; i++) {
		const struct arc *before = &arcs[(i + count - 1) % count];

		sum += ring_size(arcs[i]);
		if (arcs[i].lo != before->hi) {
			snprintf(why, size, "the arc (%08x, %08x] does not begin where the one before it ends, at %08x",
				 arcs[i].lo, arcs[i].hi, before->hi);
			return false;
		}
	}
	snprintf(why, size, "%zu arcs hold %llu ids", count, (unsigned long long)sum);
	return sum == (uint64_t)1 << 32;
}

/* Gathers the arcs of all that live; false: somebody has none, or is not active. */
static bool arcs_gather(const struct world *w, struct arc *arcs, size_t *count, char *why, size_t size)
{

	for (size_t i = 0; i < w->proc_count; i++) {
		const struct proc *p = w->procs[i];

		if (!p->alive)
			continue;
		if (p->stop_asked || p->paused || node_get_state(p->node) != NODE_ACTIVE) {
			snprintf(why, size, "%s is %s%s", p->label, node_state_name(node_get_state(p->node)),
				 p->stop_asked ? ", though asked to leave"
				 : p->paused   ? ", stopped"
					       : "");
			return false;
		}
		if (!node_get_arc(p->node, &arcs[*count]) || arcs[*count].hi != p->id) {
			snprintf(why, size, "%s is active and its arc does not end at itself", p->label);
			return false;
		}
		++*count;
	}
	return *count > 0;
}

bool judge_whole(struct world *w, char *why, size_t size)
{
	struct arc *arcs = xmalloc(w->proc_count * sizeof(*arcs));
	size_t count = 0;
	bool whole = arcs_gather(w, arcs, &count, why, size) && arcs_whole(arcs, count, why, size);

	free(arcs);
	return whole;
}

void judge_end(struct world *w)
{
	for (uint32_t k = 0; k < w->swarm.keys; k++)
		history_check(w, k);
	for (size_t i = 0; i < w->op_count && !w->failed; i++) {
		const struct op *op = &w->ops[i];

		if (!op->placed || op->answered)
			continue;
		if (op->excused)
			w->stats[STAT_OPS_OPEN]++;
		else
			fail(w, "I7: op %zu, a %s of %08x placed at %llu (%.3f s), was never answered", i,
			     op->kind == OP_PUT ? "put" : "get", w->keys[op->key], (unsigned long long)op->placed,
			     (double)op->sent_at / SECOND);
	}
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
}
