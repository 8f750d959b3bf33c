/* REQUEST: what clients of ours ask.  Done by who serves the id, once for its number; held by who may come to; left alone
 * by all others, or answered moved where it was asked of this node alone (PROTOCOL.md section 11). */
#include <stdlib.h>
#include <string.h>

#include "core.h"

struct operation_token request_token(const struct node *n, const struct entry *e)
{
	return (struct operation_token){e->v.name.number, n->counter, (uint32_t)n->ring.nonce};
}

static struct once_write once_write_of(const struct node *n, const struct operation_request *rq,
				       const struct operation *op)
{
	struct once_write w = {.client = rq->client,
			       .number = rq->base + op->offset,
			       .first = rq->first,
			       .id = op->key.id,
			       .token = {rq->token.number, rq->token.counter}};

	if (rq->token.number)
		w.bears = rq->token.ring == (uint32_t)n->ring.nonce ? ONCE_BEARS_OURS : ONCE_BEARS_ANOTHER;
	return w;
}

/* Row and record in one step. */
static void write_now(struct node *n, const struct entry *e, const struct once_write *w, const struct operation *op,
		      struct operation_result *r)
{
	struct once_answer answer = {0};

	operate_write(n, op, (struct version){e->v.name.number, ++n->counter}, r);
	if (operation_declined(r->status) && w->token.number < e->v.name.number) {
		room_unknown(n, e, op, r);
		return;
	}
	answer.status = (uint8_t)r->status;
	answer.version = r->version;
	answer.has_result = r->has_amount;
	answer.result = r->amount;
	once_done(n->once, w, &answer);
	follow_row(n, w, &answer);
}

/* From where on clients may be forgotten that are silent. */
static void mark(struct node *n)
{
	struct once_arc arcs[ENTRY_MAX];
	size_t count = 0;

	if (!once_mark_due(n->once, n->now))
		return;
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && (e->mine || e->sealed))
			arcs[count++] = (struct once_arc){e->v.arc, {e->v.name.number, n->counter}};
	once_mark(n->once, n->now, arcs, count);
}

static void write_once(struct node *n, const struct entry *e, const struct operation_request *rq,
		       const struct operation *op, struct operation_result *r)
{
	struct once_write w = once_write_of(n, rq, op);
	struct once_arc here = {e->v.arc, {e->v.name.number, n->counter}};
	struct once_answer answer;

	mark(n);
	switch (once_look(n->once, &w, &here, &answer)) {
	case ONCE_NEW:
		if (operate_waits(n, op))
			break; /* no answer yet */
		write_now(n, e, &w, op, r);
		break;
	case ONCE_KNOWN:
		r->status = (enum operation_status)answer.status;
		r->version = answer.version; /* of nothing there is none */
		r->has_version = answer.version.number || answer.version.counter;
		r->has_amount = answer.has_result;
		r->amount = answer.result;
		break;
	case ONCE_IGNORED:
	case ONCE_FULL:
		break; /* no answer */
	case ONCE_UNKNOWN:
		r->status = ANSWER_UNKNOWN;
		break;
	case ONCE_TOKEN:
		r->status = ANSWER_TOKEN;
		break;
	}
}

static void execute(struct node *n, const struct entry *e, const struct operation_request *rq,
		    const struct operation *op)
{
	struct operation_result r = {.offset = op->offset};

	if (operation_writes(op->kind))
		write_once(n, e, rq, op, &r);
	else if (op->kind == OPERATION_WATCH)
		watched_ask(n, e, op, &r);
	else if (op->kind == OPERATION_LIST || op->kind == OPERATION_DUMP)
		list_page(n, e, op, &r);
	else
		operate_read(n, op, &r);
	r.offset = op->offset;
	if (r.value && !r.sum)
		r.sum = key_sum(&op->key, r.value, r.value_len); /* of a page */
	if (r.status != ANSWER_NONE)
		answer_add(n, rq, e, &r);
}

static void say_moved(struct node *n, const struct operation_request *rq, const struct operation *op)
{
	answer_add(n, rq, NULL, &(struct operation_result){.offset = op->offset, .status = ANSWER_MOVED});
}

/* By itself: of what came with it others may be somebody else's. */
static void hold_one(struct node *n, enum topic_kind kind, const struct operation_request *rq,
		     const struct operation *op)
{
	struct operation_request one = *rq;
	struct operation copy = *op;
	uint8_t *bytes;
	size_t len;

	one.operations = &copy;
	one.count = 1;
	bytes = operation_encode_request(&one, &len);
	request_hold(n, kind, rq->user, op->key.id, bytes, len);
	free(bytes);
}

/* As the reference's: what needs a record that may still be on its way waits like a get (section 10). */
static enum topic_kind needs(const struct operation *op)
{
	return op->kind == OPERATION_PUT && op->condition == CONDITION_NONE ? TOPIC_PUT : TOPIC_GET;
}

/* What is the reference's alone is answered ahead of its place by who has no view of it any more (section 10): there are no
 * rows, no token and no arc to tell. */
static enum request_verdict judge(struct node *n, const struct operation *op, struct entry **own)
{
	enum request_verdict verdict = request_judge(n, needs(op), op->key.id, own);

	if (verdict == REQUEST_ANSWER && !ring_contains((*own)->v.arc, op->key.id))
		return REQUEST_IGNORE;
	return verdict == REQUEST_ANSWER && reference_holds(n, op) ? REQUEST_HOLD : verdict;
}

/* Not what the client has put: it says it again. */
static bool is_damaged(struct node *n, const struct operation *op)
{
	if (!op->sum || op->sum == key_sum(&op->key, op->value, op->value_len))
		return false;
	out_complain(n, "put", "its sum is not that of its bytes", NULL, op->value_len);
	return true;
}

static void judge_one(struct node *n, enum topic_kind kind, const struct operation_request *rq,
		      const struct operation *op)
{
	struct entry *e;

	switch (judge(n, op, &e)) {
	case REQUEST_ANSWER:
		n->backlog |= node_full(n); /* no more than the transport takes */
		if (n->backlog)
			hold_one(n, kind, rq, op); /* in order */
		else
			execute(n, e, rq, op);
		break;
	case REQUEST_HOLD:
		hold_one(n, kind, rq, op);
		break;
	case REQUEST_IGNORE:
		if (kind == TOPIC_ASK)
			say_moved(n, rq, op);
		break;
	}
}

void routed(struct node *n, enum topic_kind kind, const char *user, const uint8_t *payload, size_t len)
{
	struct operation_request rq;
	const char *why = operation_decode_request(&rq, n->operations, payload, len);
	struct store_ahead ahead = {.next = 0};

	if (why) {
		out_complain(n, "request", why, NULL, len);
		return;
	}
	rq.user = user;
	for (size_t i = 0; i < rq.count; i++) {
		store_ahead(n->store, &ahead, &rq.operations->key, sizeof(*rq.operations), rq.count, i);
		if (!is_damaged(n, &rq.operations[i]))
			judge_one(n, kind, &rq, &rq.operations[i]);
	}
}

enum request_verdict routed_again(struct node *n, const struct held *h)
{
	enum request_verdict verdict;
	struct operation_request rq;
	struct entry *e;

	if (operation_decode_request(&rq, n->operations, h->payload, h->len))
		return REQUEST_IGNORE;
	rq.user = h->user;
	verdict = judge(n, &rq.operations[0], &e);
	if (verdict == REQUEST_HOLD || (verdict == REQUEST_ANSWER && node_full(n)))
		return verdict;
	if (verdict == REQUEST_ANSWER)
		execute(n, e, &rq, &rq.operations[0]);
	else if (h->kind == TOPIC_ASK)
		say_moved(n, &rq, &rq.operations[0]);
	return REQUEST_IGNORE;
}
