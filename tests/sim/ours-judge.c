/* What the judges see of the words of clients of ours.
 *
 * An operation is placed where the first of its sendings is, and answered where the first answer to its number is that says
 * what came of it.  Whatever else is said of a write must be the same.  What its client takes for the answer must be one of
 * those that were said; where it is told that nothing was done nothing is, and nothing without a token. */
#include <string.h>

#include "../../common/kv.h"
#include "sim.h"

static struct op *op_of(struct world *w, const struct client *c, uint64_t number)
{
	return number && number <= c->number_count ? &w->ops[c->numbers[number - 1]] : NULL;
}

static bool is_write(const struct op *op)
{
	return op->kind != OP_GET;
}

static uint64_t hash_of(const struct operation_result *r)
{
	const uint64_t words[] = {r->status, r->version.number, r->version.counter, (uint64_t)r->amount};

	return hash_bytes(words, sizeof(words)) ^ (r->value ? hash_bytes(r->value, r->value_len) : 1);
}

static bool was_said(const struct op *op, uint64_t hash)
{
	for (unsigned i = 0; i < op->said_count && i < OURS_ANSWERS_MAX; i++)
		if (op->said[i] == hash)
			return true;
	return op->said_count > OURS_ANSWERS_MAX;
}

/* What the client is told in the end, once for each number. */
void ours_ended(struct world *w, const struct client *c, const struct kv_effect *e)
{
	struct op *op = op_of(w, c, e->number);
	size_t index = op ? (size_t)(op - w->ops) : 0;

	if (!op || op->ended) {
		fail(w, "I5: number %llu of client%u ends, which %s", (unsigned long long)e->number, c->index,
		     op ? "has ended" : "has not begun");
		return;
	}
	op->ended = true;
	w->stats[STAT_OURS_UNKNOWN] += e->outcome == KV_UNKNOWN;
	if (e->outcome == KV_DONE && !was_said(op, hash_of(&e->result)))
		fail(w, "I5: client%u takes for the answer to op %zu what nobody answered", c->index, index);
	if (e->outcome != KV_TIMEOUT || !is_write(op))
		return;
	op->undone = true;
	w->stats[STAT_OURS_UNDONE]++;
	/* Some clients wait for less than two fences take whose answers are lost. */
	op->excused = op->excused || w->fence_lost_at > op->sent_at;
	if (op->answered)
		fail(w, "I5: client%u is told that op %zu is not done, and it is", c->index, index);
}

/* What a client asks of one key is done in the order in which it was begun: so it asks nothing while something that goes
 * before is open. */
static void judge_order(struct world *w, const struct client *c, const struct op *op)
{
	for (uint64_t number = 1; number < op->number; number++) {
		const struct op *before = op_of(w, c, number);

		if (before->key == op->key && !before->ended && (is_write(before) || is_write(op)))
			fail(w, "I5: client%u asks op %zu while op %zu of the same key is open", c->index,
			     (size_t)(op - w->ops), (size_t)(before - w->ops));
	}
}

void ours_asked(struct world *w, const struct packet *p)
{
	struct operation_room room;
	struct operation_request rq;

	if (operation_decode_request(&rq, &room, p->bytes, p->len) || rq.client[0] >= w->options.clients)
		return;
	w->stats[STAT_OURS_FRAMES]++;
	w->stats[STAT_OURS_ASKED_OWNER] += w->topics[p->topic].kind == TOPIC_ASK;
	for (size_t i = 0; i < rq.count; i++) {
		unsigned long long number = rq.base + rq.operations[i].offset;
		struct op *op = op_of(w, &w->clients[rq.client[0]], number);

		if (!op) {
			fail(w, "I5: client%u asks number %llu, which it has not begun", rq.client[0], number);
			return;
		}
		op->bears = op->bears || rq.token.number;
		if (op->placed) {
			w->stats[STAT_OURS_RETRIED]++;
			continue;
		}
		w->stats[STAT_OPS]++;
		op->placed = w->place;
		op->placed_at = w->now;
		judge_order(w, &w->clients[rq.client[0]], op);
	}
}

/* A record at its end is shown to nobody: not by who has had it since, nor long after by anybody else.  Where clocks run at
 * rates of their own its time may be up at twice that. */
static void outlived(struct world *w, const struct op *get, const struct op *put, const char *by)
{
	uint64_t life = put->life * MS * (w->swarm.drift ? 2 : 1);
	uint64_t more = put->moves == get->moves ? 2 * MS : w->swarm.gentle ? 3 * SECOND : 60 * SECOND;

	if (put->life && put->answered && !w->loss_count[get->key] && get->placed_at > put->answered_at + life + more)
		fail(w, "I4: %s shows what put op %zu wrote for %llu ms, %.3f s after it was answered", by,
		     (size_t)(put - w->ops), (unsigned long long)put->life,
		     (double)(get->placed_at - put->answered_at) / SECOND);
}

/* When what it put may have expired: the place by which its time was up, if that was before the end. */
bool ours_expires(const struct world *w, const struct op *op, uint64_t *place)
{
	/* Clocks may run at twice the rate, or jump. */
	uint64_t wait = w->stats[STAT_CLOCK] ? 0 : op->life * MS / (w->swarm.drift ? 2 : 1);
	uint64_t at = op->placed_at + (wait > 2 * MS ? wait - 2 * MS : 0);

	if (!op->life || !op->placed || op->status == ANSWER_FAILED || operation_declined(op->status))
		return false;
	*place = op->placed;
	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *o = &w->ops[i];

		if (o->answered > *place && o->answered_at <= at)
			*place = o->answered;
	}
	return true;
}

/* The last write that was answered is one that expires. */
static bool expired(const struct world *w, const struct op *get)
{
	const struct op *last = NULL;

	for (const struct op *op = w->ops; op < w->ops + w->op_count; op++)
		if (op->key == get->key && is_write(op) && op->answered && (!last || op->answered > last->answered))
			last = op;
	return last && last->life;
}

static void found(struct world *w, struct op *op, const char *by, const struct operation_result *r)
{
	uint32_t put;

	op->value = 0;
	if (!r->value) {
		w->stats[STAT_GETS_ABSENT]++;
		w->stats[STAT_OURS_EXPIRED] += expired(w, op);
		return;
	}
	if (w->counter[op->key]) {
		for (size_t i = 0; i < r->value_len; i++)
			op->amount = op->amount * 10 + (r->value[i] - '0');
		return;
	}
	put = judge_named(w, 'v', r->value, r->value_len);
	if (put == NONE || w->ops[put].key != op->key || !w->ops[put].placed)
		fail(w, "I4: %s answers a get of %08x with what nobody put there: %.*s", by, w->keys[op->key],
		     (int)(r->value_len < 40 ? r->value_len : 40), (const char *)r->value);
	else if (w->ops[put].undone || operation_declined(w->ops[put].status))
		fail(w, "I5: %s shows what put op %u wrote, whose client was told that it is not done", by, put);
	else
		outlived(w, op, &w->ops[put], by);
	op->value = put + 1;
}

static void answered(struct world *w, struct op *op, const char *by, const struct operation_result *r)
{
	bool write = is_write(op);

	if (op->said_count < OURS_ANSWERS_MAX)
		op->said[op->said_count] = hash_of(r);
	op->said_count++;
	if (write && !op->bears)
		fail(w, "I5: %s does op %zu, which came without a token", by, (size_t)(op - w->ops));
	if (write && op->undone)
		fail(w, "I5: %s does op %zu, whose client was told that it is not done", by, (size_t)(op - w->ops));
	if (op->answered) {
		if (write &&
		    (op->status != r->status || !version_equal(op->version, r->version) || op->amount != r->amount))
			fail(w,
			     "I5: %s answers op %zu again, and otherwise: status %d, version %llx/%llu, then %d, "
			     "%llx/%llu",
			     by, (size_t)(op - w->ops), (int)op->status, (unsigned long long)op->version.number,
			     (unsigned long long)op->version.counter, (int)r->status,
			     (unsigned long long)r->version.number, (unsigned long long)r->version.counter);
		w->stats[STAT_OURS_AGAIN] += write;
		return;
	}
	op->answered = w->place;
	op->answered_at = w->now;
	op->moves = w->moves[op->key];
	op->status = r->status;
	op->version = r->version;
	op->amount = write ? r->amount : 0;
	w->stats[STAT_OPS_DONE]++;
	w->stats[STAT_OURS_FAILED] += r->status == ANSWER_FAILED;
	w->stats[STAT_OURS_FULL] += r->status == ANSWER_FULL;
	/* By a slow clock it takes longer than a full disk is waited for. */
	if (op->quiet && operation_declined(r->status) && !(w->swarm.drift && w->swarm.mean[FAULT_FULL]))
		fail(w, "I7: %s refuses op %zu for want of room, and there has been room for long", by,
		     (size_t)(op - w->ops));
	if (!write)
		found(w, op, by, r);
}

/* What came of it, and stays so. */
static bool is_final(enum operation_status status)
{
	return status <= ANSWER_WRONG || operation_declined(status);
}

static const struct client *client_of(const struct world *w, const struct packet *p)
{
	for (unsigned i = 0; i < w->options.clients; i++)
		if (w->clients[i].kv && strcmp(kv_topic(w->clients[i].kv), w->topics[p->topic].name) == 0)
			return &w->clients[i];
	return NULL;
}

/* Who says what came of an operation has served its key. */
void ours_served(struct world *w, const struct proc *by, const struct packet *p)
{
	const struct client *c = client_of(w, p);
	struct operation_room room;
	struct operation_answer a;

	if (!c || operation_decode_answer(&a, &room, p->bytes, p->len))
		return;
	for (size_t i = 0; i < a.count; i++) {
		const struct op *op = op_of(w, c, a.base + a.results[i].offset);

		if (!op || !is_final(a.results[i].status))
			continue;
		judge_answered(w, op->key, by);
		if (a.results[i].has_version)
			judge_shown(w, op->key, by, a.results[i].version);
	}
}

/* Horizons rise over what is lost with a node, or was forgotten.  In a ring that comes to no harm each row is where it
 * belongs, and nobody need say that he does not know; but who has no room for what an earlier owner may have done. */
static void not_known(struct world *w, struct op *op, const char *by)
{
	bool harmed = !w->swarm.gentle || w->swarm.memory || w->stats[STAT_STOP_ALL] || w->stats[STAT_OPERATE] ||
		      w->stats[STAT_EXIT_LAST];

	w->stats[STAT_OURS_NOT_KNOWN]++;
	op->excused = true; /* it is answered, if not as one would wish: its token was of an owner that is gone */
	if (!harmed && !w->swarm.tight)
		fail(w, "I5: %s does not know whether op %zu is done, and nothing was ever lost", by,
		     (size_t)(op - w->ops));
}

void ours_answered(struct world *w, const char *by, const struct packet *p)
{
	const struct client *c = client_of(w, p);
	struct operation_room room;
	struct operation_answer a;
	const char *why = operation_decode_answer(&a, &room, p->bytes, p->len);

	if (!c)
		return; /* a tool's */
	if (why) {
		fail(w, "I5: %s publishes an answer that no client can read: %s", by, why);
		return;
	}
	for (size_t i = 0; i < a.count && !w->failed; i++) {
		const struct operation_result *r = &a.results[i];
		unsigned long long number = a.base + r->offset;
		struct op *op = op_of(w, c, number);

		w->stats[STAT_OURS_MOVED] += r->status == ANSWER_MOVED;
		w->stats[STAT_OURS_TOKENS] += r->status == ANSWER_TOKEN;
		if (!op || !op->placed)
			fail(w, "I5: %s answers number %llu, which nobody asked", by, number);
		else if (is_final(r->status))
			answered(w, op, by, r);
		else if (r->status == ANSWER_UNKNOWN)
			not_known(w, op, by);
	}
}

/* Of all adds those that came to less than this, or may have. */
static void judge_value(struct world *w, uint32_t key, const struct op *get)
{
	int64_t least = 0, most = 0;

	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];

		if (op->key != key || op->kind != OP_ADD || !op->placed || operation_declined(op->status))
			continue;
		least += op->answered && op->answered < get->placed;
		most += op->placed < get->answered;
	}
	w->stats[STAT_OURS_COUNTERS] += get->quiet;
	if (get->amount < least || get->amount > most)
		fail(w,
		     "I5: get op %zu finds %lld in counter %08x, behind %lld adds that were answered and %lld placed",
		     (size_t)(get - w->ops), (long long)get->amount, w->keys[key], (long long)least, (long long)most);
}

/* A counter: each add is done once, so that no two come to the same, and all in order. */
void ours_judge_counter(struct world *w, uint32_t key)
{
	for (size_t i = 0; i < w->op_count && !w->failed && !w->loss_count[key]; i++) {
		const struct op *op = &w->ops[i];

		if (op->key != key || !op->answered)
			continue;
		if (op->kind == OP_GET)
			judge_value(w, key, op);
		for (size_t j = 0; j < w->op_count && op->kind == OP_ADD; j++) {
			const struct op *other = &w->ops[j];

			if (j == i || other->key != key || other->kind != OP_ADD || !other->answered ||
			    operation_declined(op->status) || operation_declined(other->status))
				continue;
			if (other->amount == op->amount || (other->answered < op->placed && other->amount > op->amount))
				fail(w, "I5: adds op %zu and %zu of %08x came to %lld and %lld", i, j, w->keys[key],
				     (long long)op->amount, (long long)other->amount);
		}
	}
}

/* ---- who hears what ---- */

static bool hears(struct world *w, uint32_t link, uint32_t key, const uint32_t *but, size_t count)
{
	uint32_t cell = topic_of(w, TOPIC_CELL, w->keys[key]);

	for (unsigned i = 0; i <= CELL_DIGITS; i++) {
		uint32_t filter = i < CELL_DIGITS ? w->topics[cell].up[i] : cell;
		size_t j = 0;

		while (j < count && but[j] != filter)
			j++;
		if (j == count && topic_has(&w->topics[filter], link))
			return true;
	}
	return false;
}

/* Who serves a key and hears its cell goes on hearing it. */
void ours_deaf(struct world *w, const struct proc *p, const uint32_t *filters, size_t count)
{
	for (unsigned k = 0; k < w->swarm.keys && proc_reaches(w, p) && !w->swarm.disorder; k++) {
		if (!node_serves(p->node, w->keys[k]))
			continue;
		w->stats[STAT_OURS_GIVEN_BACK]++;
		if (hears(w, p->link, k, NULL, 0) && !hears(w, p->link, k, filters, count))
			fail(w, "I7: %s serves %08x and gives back what it hears its cell by", p->label, w->keys[k]);
	}
}

/* ACCEPT is said when all is heard that may be held behind the cut. */
void ours_heard(struct world *w, const struct proc *p, struct arc arc)
{
	for (unsigned k = 0; k < w->swarm.keys && proc_reaches(w, p) && !w->swarm.disorder; k++) {
		if (!ring_contains(arc, w->keys[k]))
			continue;
		w->stats[STAT_OURS_COVERED]++;
		if (!hears(w, p->link, k, NULL, 0))
			fail(w, "I7: %s is ready to take over %08x, and does not hear its cell", p->label, w->keys[k]);
	}
}
