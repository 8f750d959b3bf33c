/* Is what all clients together saw of one key the history of one register?
 *
 * Time is the place in the broker's order: an operation begins where the broker takes it and ends where the broker
 * takes its answer.  (That is what a client without latency would see, so it is stricter than any real client's view.)
 * Every value is written once, so Gibbons and Korach's test decides exactly, without search: the write of a value and
 * the reads that returned it form a cluster; its zone runs from its first end to its last beginning.  A history is
 * linearizable if and only if no two forward zones (first end before last beginning) overlap and no backward zone
 * lies within a forward one.  A put without an answer counts as ended when its value is first read, else not at all.
 *
 * Where a key's only copy died (struct loss), one write by nobody happens between that death and the next server's
 * first moment: "any value known before, or none", and reads answered later with such a value belong to it. */
#include <inttypes.h>
#include <stdlib.h>

#include "../../common/mem.h"
#include "sim.h"

struct cluster {
	uint64_t first_end, last_begin;
	uint64_t known;    /* the place where its value was certainly there: ack or first read */
	uint32_t put, get; /* operations to name in a report, index + 1 */
	bool used;
};

static struct cluster *cluster_of(struct world *w, uint32_t key, struct cluster *all, const struct op *get)
{
	size_t era = w->loss_count[key];

	while (era > 0 && w->losses[key][era - 1].served >= get->answered)
		era--;
	if (era > 0 && all[get->value].known < w->losses[key][era - 1].served) {
		w->stats[STAT_WILD_READS]++;
		return &all[w->op_count + era];
	}
	return &all[get->value];
}

static void add_get(struct world *w, uint32_t key, struct cluster *all, const struct op *get)
{
	struct cluster *c = cluster_of(w, key, all, get);

	c->used = true;
	if (get->answered < c->first_end)
		c->first_end = get->answered;
	if (get->placed > c->last_begin) {
		c->last_begin = get->placed;
		c->get = (uint32_t)(get - w->ops) + 1;
	}
}

/* Clusters: 0 is "absent from the start", 1 + i the put i, op_count + e the e-th loss. */
static struct cluster *clusters_make(struct world *w, uint32_t key, size_t *count)
{
	struct cluster *all;

	*count = w->op_count + 1 + w->loss_count[key];
	all = xcalloc(*count, sizeof(*all));
	all[0].used = true;
	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];

		if (op->key != key || op->kind != OP_PUT || !op->placed || operation_declined(op->status))
			continue;
		all[i + 1] = (struct cluster){.first_end = op->answered ? op->answered : UINT64_MAX,
					      .last_begin = op->placed,
					      .put = i + 1,
					      .used = op->answered != 0};
		all[i + 1].known = all[i + 1].first_end;
	}
	for (uint32_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];

		if (op->key == key && op->kind == OP_GET && op->answered && op->answered < all[op->value].known)
			all[op->value].known = op->answered;
	}
	for (size_t e = 0; e < w->loss_count[key]; e++)
		all[w->op_count + 1 + e] =
			(struct cluster){.first_end = w->losses[key][e].served, .last_begin = w->losses[key][e].died};
	return all;
}

static const char *name_of(const struct world *w, const struct cluster *all, const struct cluster *c, char *text,
			   size_t size)
{
	if (c->put)
		snprintf(text, size, "the value of put op %u (placed %" PRIu64 ", acked %" PRIu64 ", %s%u%s)",
			 c->put - 1, w->ops[c->put - 1].placed, w->ops[c->put - 1].answered,
			 c->get ? "read by op " : "last op ", c->get ? c->get - 1 : c->put - 1,
			 c->get ? "" : ", never read");
	else
		snprintf(text, size, "%s (read by op %u, placed %" PRIu64 ", answered %" PRIu64 ")",
			 c == all ? "absence" : "what was there before a death", c->get ? c->get - 1 : 0,
			 c->get ? w->ops[c->get - 1].placed : 0, c->get ? w->ops[c->get - 1].answered : 0);
	return text;
}

static bool conflict(const struct cluster *a, const struct cluster *b)
{
	bool a_forward = a->first_end < a->last_begin, b_forward = b->first_end < b->last_begin;

	if (!a_forward)
		return false;
	if (b_forward)
		return a->first_end < b->last_begin && b->first_end < a->last_begin;
	return a->first_end < b->last_begin && b->first_end < a->last_begin;
}

bool history_check(struct world *w, uint32_t key, char *why, size_t size)
{
	size_t count, n = 0;
	struct cluster *all = clusters_make(w, key, &count);
	uint32_t *used = xmalloc(count * sizeof(*used));
	char one[200], other[200];
	bool right = true;

	for (uint32_t i = 0; i < w->op_count; i++) {
		if (w->ops[i].key == key && w->ops[i].kind == OP_GET && w->ops[i].answered)
			add_get(w, key, all, &w->ops[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (all[i].used)
			used[n++] = i;
	}
	for (size_t i = 0; i < n && right; i++) {
		const struct cluster *a = &all[used[i]];

		for (size_t j = 0; j < n && right; j++) {
			const struct cluster *b = &all[used[j]];

			if (i == j || !conflict(a, b))
				continue;
			right = false;
			snprintf(why, size, "linearizable: key %08x: %s does not go with %s", w->keys[key],
				 name_of(w, all, a, one, sizeof(one)), name_of(w, all, b, other, sizeof(other)));
		}
	}
	free(used);
	free(all);
	return right;
}

const char *judge_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_PUT] = "put", [OP_GET] = "get", [OP_DELETE] = "delete", [OP_CAS] = "cas", [OP_ADD] = "add"};

	return names[kind];
}

/* ---- a second opinion ---- */

#define SEARCH_MAX 2000000 /* configurations of one key */

/* By value: the place from which it was certainly there, its ack or the first get that found it. */
static uint64_t *known_make(const struct world *w)
{
	uint64_t *known = xmalloc((w->op_count + 1) * sizeof(*known));

	known[0] = 0;
	for (size_t i = 0; i < w->op_count; i++)
		known[i + 1] = UINT64_MAX;
	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];

		if (op->answered && op->answered < known[op->value] && op->status != ANSWER_FAILED &&
		    !operation_declined(op->status))
			known[op->value] = op->answered;
	}
	return known;
}

/* Versions of a key in their order, as numbers from 1. */
struct ranks {
	struct version *list;
	size_t count;
};

static int compare_versions(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	return version_newer(*x, *y) - version_newer(*y, *x);
}

static struct ranks ranks_make(const struct world *w, uint32_t key)
{
	struct ranks r = {.list = xmalloc((2 * w->op_count + 1) * sizeof(*r.list))};

	for (size_t i = 0; i < w->op_count; i++) {
		if (w->ops[i].key != key)
			continue;
		r.list[r.count++] = w->ops[i].version;
		r.list[r.count++] = w->ops[i].expected;
	}
	qsort(r.list, r.count, sizeof(*r.list), compare_versions);
	return r;
}

/* 0: none. */
static uint64_t rank_of(const struct ranks *r, struct version v)
{
	uint64_t rank = 0;

	for (size_t i = 0; i < r->count && !version_newer(r->list[i], v); i++)
		rank += i == 0 ? v.number != 0 : !version_equal(r->list[i], r->list[i - 1]);
	return v.number ? rank : 0;
}

static struct linear_op linear_of(const struct op *op, const uint64_t *known, const struct ranks *ranks)
{
	static const enum linear_kind kinds[] = {
		[OP_PUT] = LINEAR_PUT, [OP_GET] = LINEAR_GET, [OP_DELETE] = LINEAR_DELETE, [OP_CAS] = LINEAR_CAS};
	struct linear_op l = {.call = op->placed, .ret = op->answered, .value = op->value};

	l.kind = kinds[op->kind];
	l.outcome = op->answered ? LINEAR_DONE : LINEAR_MAYBE;
	if (op->kind == OP_CAS && op->status == ANSWER_FAILED)
		l.outcome = LINEAR_DIFFERS;
	if (op->kind == OP_DELETE && op->answered)
		l.expected = op->status == ANSWER_ABSENT ? 2 : 1;
	if (op->kind == OP_GET)
		l.known = known[op->value];
	l.version = rank_of(ranks, op->version);
	if (op->kind == OP_CAS)
		l.expected = rank_of(ranks, op->expected);
	return l;
}

/* all: those as well of which nobody has heard, neither by an answer nor by their value. */
static size_t linear_gather(const struct world *w, uint32_t key, bool all, const struct ranks *ranks,
			    const uint64_t *known, struct linear_op *ops)
{
	size_t count = 0;
	uint64_t end;

	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];
		bool heard = op->answered || (op->value && op->kind != OP_GET && known[op->value] != UINT64_MAX);

		if (op->key != key || !op->placed || op->undone || operation_declined(op->status) ||
		    !(heard || (all && op->kind != OP_GET)))
			continue;
		ops[count] = linear_of(op, known, ranks);
		if (ours_expires(w, op, &end))
			ops[count].end = end;
		count++;
	}
	for (size_t e = 0; e < w->loss_count[key]; e++)
		ops[count++] = (struct linear_op){
			.kind = LINEAR_LOSS, .call = w->losses[key][e].died, .ret = w->losses[key][e].served};
	return count;
}

/* The same by search, which also knows what to do with a value that was written twice.  False: too long a history.
 *
 * A write of which nobody has heard may as well never have been: only where there is no order without those are they tried,
 * each of which would double the search; a condition may have failed for one, say. */
bool history_search(struct world *w, uint32_t key, enum linear_verdict *verdict)
{
	struct linear_op *ops = xmalloc((w->op_count + w->loss_count[key] + 1) * sizeof(*ops));
	struct ranks ranks = ranks_make(w, key);
	uint64_t *known = known_make(w);
	bool fits = true;

	*verdict = LINEAR_UNKNOWN;
	for (int all = 0; all < 2 && fits && *verdict != LINEAR_YES; all++) {
		size_t count = linear_gather(w, key, all, &ranks, known, ops);

		fits = count <= LINEAR_OPS_MAX;
		if (fits)
			*verdict = linear_check(ops, count, SEARCH_MAX);
	}
	free(ranks.list);
	free(known);
	free(ops);
	return fits;
}

void history_tell(struct world *w, uint32_t key)
{
	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];
		uint64_t end = 0;

		if (op->key != key || !op->placed)
			continue;
		(void)ours_expires(w, op, &end);
		trace(w,
		      "op %-4zu %-6s [%" PRIu64 ", %" PRIu64 "] status %d value %u version %" PRIx64 "/%" PRIu64
		      ", expected %" PRIx64 "/%" PRIu64 ", end %" PRIu64 "%s",
		      i, judge_kind_name(op->kind), op->placed, op->answered, (int)op->status, op->value,
		      op->version.number, op->version.counter, op->expected.number, op->expected.counter, end,
		      op->undone ? ", undone" : "");
	}
	for (size_t e = 0; e < w->loss_count[key]; e++)
		trace(w, "loss    [%" PRIu64 ", %" PRIu64 "]", w->losses[key][e].died, w->losses[key][e].served);
}

/* ---- without one order ---- */

/* What two clients see of a moving key need not be one register then, but no living ring forgets: nobody finds in the end
 * what an acked put replaced that was asked, by the clock, after the value found was acked and had reached everybody. */
void history_lost(struct world *w, uint32_t key)
{
	const struct op *get = NULL;

	for (size_t i = 0; i < w->op_count; i++) {
		if (w->ops[i].key == key && w->ops[i].quiet && w->ops[i].kind == OP_GET && w->ops[i].answered && !get)
			get = &w->ops[i];
	}
	if (!get || w->loss_count[key])
		return;
	w->stats[STAT_NOT_LOST]++;
	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *put = &w->ops[i], *found = get->value ? &w->ops[get->value - 1] : NULL;

		if (put->key != key || put->kind != OP_PUT || !put->answered || put->quiet)
			continue;
		if (!found || (found->answered && found->answered_at + w->swarm.skew_max < put->sent_at))
			fail(w, "I3: key %08x: get op %zu finds %s in the end, and put op %zu was acked %s",
			     w->keys[key], (size_t)(get - w->ops), found ? "an older value" : "nothing", i,
			     found ? "after that" : "and never replaced");
	}
}
