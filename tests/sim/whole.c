/* The judges of the whole: live, bounded, no hole, and the end of a process and of the run (judge.c says what suspends
 * them). */
#include <stdlib.h>
#include <string.h>

#include "../../common/frame.h"
#include "../../common/mem.h"
#include "sim.h"

#define CALM_AFTER (5 * SECOND) /* after the last fault has been noticed: until it shows in the states of the nodes */
#define CALM_LEAST 12           /* looks: three seconds are enough for any client to be answered something ... */
#define CALM_ENOUGH 24          /* ... and twice that for all to have been busy */
#define OVERDUE (20 * SECOND)   /* no handover takes longer, with the slowest of networks */
#define ASK_AGAIN (2 * SECOND)
#define ANSWER_LIMIT (2 * ASK_AGAIN) /* clients may be slow to finish, and only then everybody is asked */
#define SETTLE_LIMIT (25 * SECOND)   /* from whole arcs to right pointers: a doubt takes 10 s, a ping as long */

/* ---- live ---- */

/* Something happened that may leave what is in flight without an answer.  What should have been answered long ago is
 * not excused by what comes now. */
void judge_disturbed(struct world *w)
{
	uint64_t overdue = (w->swarm.drift ? 2 : 1) * OVERDUE;

	w->disturbed = true;
	w->disturbed_at = w->now;
	for (size_t i = w->op_count; i > 0 && w->ops[i - 1].sent_at + overdue >= w->now; i--)
		w->ops[i - 1].excused = true;
}

bool judge_excuses(struct world *w)
{
	uint64_t last = w->disturbed_at > w->trouble_until ? w->disturbed_at : w->trouble_until;
	bool active = false;
	char why[200];

	if (w->disturbed && w->now > last + CALM_AFTER && judge_whole(w, why, sizeof(why)))
		w->disturbed = false;
	for (size_t i = 0; i < w->proc_count; i++)
		active = active || (proc_reaches(w, w->procs[i]) && w->procs[i]->state == NODE_ACTIVE);
	return w->disturbed || !active;
}

/* ---- bounded ---- */

/* A put and its name, and what the core keeps beside it. */
static size_t held_room(const struct world *w)
{
	return w->swarm.value_len + 200;
}

/* Nothing but the keys of this run is ever stored, and held operations stay within their bound.  Who is near the bound
 * may drop some: nobody can wait for those. */
static void judge_memory(struct world *w, const struct proc *p)
{
	size_t held = node_held_bytes(p->node);

	if (node_record_count(p->node) > w->swarm.keys)
		fail(w, "I6: %s has %zu records of %u keys", p->label, node_record_count(p->node), w->swarm.keys);
	if (w->swarm.held_max && held > w->swarm.held_max)
		fail(w, "I6: %s holds %zu bytes of operations, and may hold %zu", p->label, held, w->swarm.held_max);
}

/* Who had no room stores nothing new that a client asks for. */
void judge_lacked(struct world *w, const struct proc *p, const struct packet *packet, size_t records)
{
	enum topic_kind kind = packet->topic == NONE ? TOPIC_UNKNOWN : w->topics[packet->topic].kind;

	if (packet->type != PACKET_PUBLISH || (kind != TOPIC_PUT && kind != TOPIC_CELL && kind != TOPIC_ASK))
		return;
	w->stats[STAT_LACKED]++;
	if (node_record_count(p->node) > records)
		fail(w, "I6: %s had no room, and has stored one more for a client", p->label);
}

void judge_held(struct world *w, const struct proc *p)
{
	if (node_held_bytes(p->node) + held_room(w) <= w->swarm.held_max)
		return;
	w->stats[STAT_HELD_FULL]++;
	judge_disturbed(w);
}

/* A client could have asked, or awaits what must be answered (and not an answer that it has lost). */
static bool client_free(const struct world *w)
{
	for (unsigned i = 0; i < w->options.clients; i++) {
		const struct client *c = &w->clients[i];
		const struct link *l = &w->links[c->link];

		if (client_ready(c) && l->in_drop > w->now && l->out_drop > w->now &&
		    (c->op == NONE || (!w->ops[c->op].excused && !w->ops[c->op].answered)))
			return true;
	}
	return false;
}

/* Who owns a whole ring may answer nobody all the same: for half a second behind each new connection, and there are runs
 * in which none lasts for longer. */
static bool all_serve(const struct world *w)
{
	for (size_t i = 0; i < w->proc_count; i++)
		if (w->procs[i]->alive && !node_serves(w->procs[i]->node, w->procs[i]->id))
			return false;
	return true;
}

void judge_look(struct world *w)
{
	char why[200];

	if (w->quiet)
		return;
	for (size_t i = 0; i < w->proc_count; i++) {
		if (w->procs[i]->alive)
			judge_memory(w, w->procs[i]);
	}
	judge_arcs(w);
	queue_push(&w->queue, w->now + LOOK_EVERY, ENTRY_LOOK, 0, 0, NULL);
	if (w->now < CLIENTS_BEGIN)
		return;
	w->looks++;
	if (judge_whole(w, why, sizeof(why)) && all_serve(w) && client_free(w))
		w->calm++;
}

/* ---- the end of a process, and of the run ---- */

/* Others may still believe in an arc that has been taken over from them; they serve nothing. */
static bool nobody_serves(const struct world *w, const struct proc *but)
{
	for (size_t i = 0; i < w->proc_count; i++) {
		const struct proc *q = w->procs[i];

		if (q != but && proc_reaches(w, q) && judge_probe(w, q))
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

static int by_place(const void *a, const void *b)
{
	const struct proc *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

struct seat {
	const struct world *w;
	const struct proc *p;
};

/* With more than two copies it may be a keeper, which no view names: does the owner tell it what he writes, in that stream,
 * and remind it every quarter of the set time?  Of two clocks that drift one takes four times as long as the other. */
static bool is_told(void *arg, const struct copy_stream *by)
{
	const struct seat *s = arg;
	const struct member keeper = {.id = s->p->id, .memory = s->p->memory};

	if (s->w->swarm.patience.replicas < 3 ||
	    by->silence >= (uint64_t)s->w->swarm.patience.recover / 2 * (s->w->swarm.drift ? 4 : 1))
		return false;
	for (uint32_t i = 0; i < s->w->proc_count; i++) {
		const struct proc *p = s->w->procs[i];

		if (p->alive && p->memory == by->owner.memory)
			return node_tells(p->node, &keeper, by->attempt);
	}
	return false;
}

/* Records that outlive their arc go to whoever owns it now: in the end none lies anywhere else. */
static bool stray(const struct world *w, const struct proc *p, struct arc arc, char *why, size_t size)
{
	size_t len;

	/* Candidates are filled, and let go, as long as the ring lives. */
	if (!w->finals_sent && node_loose(p->node, is_told, &(struct seat){w, p})) {
		snprintf(why, size, "%s keeps a copy for nobody", p->label);
		return true;
	}
	for (unsigned k = 0; k < w->swarm.keys; k++) {
		struct key key = ours_key(w, k);

		if (!ring_contains(arc, w->keys[k]) && node_record(p->node, &key, &len)) {
			snprintf(why, size, "%s still has a record of key %08x, which is not in its arc", p->label,
				 w->keys[k]);
			return true;
		}
	}
	return false;
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
		if (stray(w, p, arcs[*count], why, size))
			return false;
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

/* The pointers of a node agree with its neighbours' (I2). */
static bool agrees(const struct proc *p, const struct proc *before, const struct proc *behind, char *why, size_t size)
{
	if (p->told && p->told_predecessor == before->id && p->told_successor == behind->id &&
	    p->told_arc.lo == before->id && p->told_arc.hi == p->id)
		return true;
	if (!p->told)
		snprintf(why, size, "%s does not answer who it is", p->label);
	else
		snprintf(why, size, "%s stands between %08x and %08x, and says %08x and %08x", p->label, before->id,
			 behind->id, p->told_predecessor, p->told_successor);
	return false;
}

/* Its retained status names its present connection: who founds anew fences by it. */
static bool is_retained(struct world *w, const struct proc *p, char *why, size_t size)
{
	const struct packet *s = w->topics[topic_of(w, TOPIC_NODE, p->id)].retained;
	char text[CONN_TEXT];
	struct frame_room room;
	struct frame f;

	if (!s || frame_decode(&f, &room, s->bytes, s->len)) {
		snprintf(why, size, "%s has no retained status", p->label);
		return false;
	}
	conn_format(&f.from.conn, text);
	if (f.from.memory == p->memory && f.state != NODE_GONE && strcmp(text, w->links[p->link].client_id) == 0)
		return true;
	snprintf(why, size, "the retained status of %s says that %016llx, connection %s, is %s", p->label,
		 (unsigned long long)f.from.memory, text, node_state_name(f.state));
	return false;
}

/* Strangers may have said anything in a node's name. */
static bool statuses_retained(struct world *w, char *why, size_t size)
{
	bool right = true;

	for (size_t i = 0; i < w->proc_count && right && !w->swarm.mean[FAULT_STRANGER]; i++)
		right = !w->procs[i]->alive || is_retained(w, w->procs[i], why, size);
	return right;
}

static bool pointers_agree(struct world *w, char *why, size_t size)
{
	const struct proc *ring[256];
	size_t count = 0;
	bool agree = true;

	for (size_t i = 0; i < w->proc_count && count < sizeof(ring) / sizeof(ring[0]); i++) {
		if (w->procs[i]->alive)
			ring[count++] = w->procs[i];
	}
	qsort(ring, count, sizeof(ring[0]), by_place); /* NOLINT(bugprone-sizeof-expression): pointers are meant */
	for (size_t i = 0; i < count && agree; i++)
		agree = agrees(ring[i], ring[(i + count - 1) % count], ring[(i + 1) % count], why, size);
	return agree;
}

/* The arcs may be right while a change of backups goes on, which somebody's silence or doubt may hold up: not for ever.
 * True once every pointer is right, and what is retained. */
bool judge_settled(struct world *w)
{
	uint64_t limit = (w->swarm.drift ? 2 : 1) * SETTLE_LIMIT;
	char why[200];

	if (w->asked_at && pointers_agree(w, why, sizeof(why)) && statuses_retained(w, why, sizeof(why)))
		return true;
	if (w->asked_at && w->now > w->whole_since + limit && w->now > w->asked_since + ANSWER_LIMIT)
		fail(w, "I2: the arcs have been whole for %llu s, and %s", (unsigned long long)(limit / SECOND), why);
	if (!w->asked_at || w->now >= w->asked_at + ASK_AGAIN)
		tool_ask(w);
	return false;
}

/* ---- the end ---- */

/* Two judges who know nothing of each other; puts said twice only the search can judge, and where it comes to no verdict
 * that fails the run. */
static void judge_history(struct world *w, uint32_t key)
{
	enum linear_verdict verdict = LINEAR_UNKNOWN;
	bool again = w->repeated[key], right;
	/* Then several may bring what they had, one after the other; of what was lost zones know one cluster (seed 100256442). */
	bool rings = w->loss_count[key] && (w->stats[STAT_RETAINED_LOST] || w->stats[STAT_RETAINED_STALE]);
	char why[512];

	if (w->swarm.disorder) {
		history_lost(w, key);
		return;
	}
	if (w->counter[key]) {
		ours_judge_counter(w, key);
		return;
	}
	right = again || history_check(w, key, why, sizeof(why));
	if (!history_search(w, key, &verdict))
		w->stats[STAT_LINEAR_LONG]++;
	else if ((again && verdict == LINEAR_UNKNOWN) || (right && verdict == LINEAR_NO))
		fail(w, "linearizable: key %08x: by search it is %s%s", w->keys[key], linear_verdict_name(verdict),
		     again || verdict == LINEAR_UNKNOWN ? "" : "; by zones it is: one of the two judges is wrong");
	else if (!right && verdict == LINEAR_YES && rings)
		right = true;
	else if (!right && verdict == LINEAR_YES)
		fail(w, "%s; by search it is linearizable: one of the two judges is wrong", why);
	else if (right)
		w->stats[again ? STAT_LINEAR_ONLY : STAT_LINEAR_YES]++;
	if (!right)
		fail(w, "%s", why);
	if (w->failed && w->options.trace)
		history_tell(w, key);
	w->stats[STAT_LINEAR_UNKNOWN] += verdict == LINEAR_UNKNOWN;
}

/* Of equal puts it cannot be told which one was not answered. */
static bool excused(const struct world *w, size_t op)
{
	for (size_t i = w->ops[op].kind == OP_PUT ? w->ops[op].value - 1 : op;; i = w->ops[i].again - 1) {
		if (w->ops[i].excused)
			return true;
		if (!w->ops[i].again)
			return false;
	}
}

static void judge_answers(struct world *w)
{
	for (size_t i = 0; i < w->op_count && !w->failed; i++) {
		const struct op *op = &w->ops[i];

		w->stats[STAT_OPS_EXCUSED] += op->placed && op->excused;
		if (!op->placed || op->answered)
			continue;
		if (excused(w, i) || (w->swarm.disorder && !op->quiet))
			w->stats[STAT_OPS_OPEN]++;
		else
			fail(w, "I7: op %zu, a %s of %08x placed at %llu (%.3f s), was never answered", i,
			     judge_kind_name(op->kind), w->keys[op->key], (unsigned long long)op->placed,
			     (double)op->sent_at / SECOND);
	}
}

/* A run in which next to nothing was answered proves nothing, if it could have been.  Of one from which something was
 * left out too little is known. */
static void judge_floor(struct world *w)
{
	unsigned least = w->options.ops / 16 > 3 ? w->options.ops / 16 : 3, done = 0;

	for (size_t i = 0; i < w->op_count; i++)
		done += w->ops[i].answered && !w->ops[i].quiet;
	w->stats[STAT_CALM] += w->calm;
	if (w->calm < CALM_ENOUGH)
		least = least * (unsigned)w->calm / CALM_ENOUGH;
	if (w->options.turns.on || w->options.clients_on.on || w->options.ops < 2 * least)
		return;
	if (w->calm * 2 > w->looks && w->calm > CALM_LEAST && done < least)
		fail(w, "I7: %u of %u operations were answered, though the ring was whole at %llu of %llu looks", done,
		     w->options.ops, (unsigned long long)w->calm, (unsigned long long)w->looks);
}

void judge_end(struct world *w)
{
	for (uint32_t k = 0; k < w->swarm.keys && !w->failed; k++)
		judge_history(w, k);
	judge_answers(w);
	judge_floor(w);
}
