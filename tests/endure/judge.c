#include "judge.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../../common/mem.h"
#include "../sim/linear.h"

#define MS UINT64_C(1000000)
#define SEARCH_MAX 2000000 /* configurations of one key, as the simulator has it */
#define TOLD_MAX 5
#define AGAIN (250 * MS) /* the first pause of clients */
/* Clocks count whole milliseconds. */
#define EARLY (2 * MS)
/* A life is counted anew from where a record moved to, so each move may add what it took. */
#define LATE (30000 * MS)

struct judging {
	struct findings *findings;
	FILE *out;
	unsigned told;
};

/* ---- what is told ---- */

static void tell_one(FILE *out, const struct seen *s, uint64_t from)
{
	static const char *const ends[] = {"", " undone", " open", " refused"};

	fprintf(out, "  [%.3f ms, %.3f ms] client %u %s %s%s value %" PRIu64 " sum %" PRIu64,
		(double)(s->call - from) / 1e6, (double)(s->ret - from) / 1e6, s->client, operation_kind_name(s->kind),
		s->end == SEEN_ANSWERED ? operation_status_name(s->status) : "", ends[s->end], s->value, s->sum);
	fprintf(out, " version %" PRIu64 "/%" PRIu64, s->version.number, s->version.counter);
	if (s->condition != CONDITION_NONE)
		fprintf(out, " expected %" PRIu64 "/%" PRIu64, s->expected.number, s->expected.counter);
	fprintf(out, "%s\n", s->life ? " with a life" : "");
}

static void tell(struct judging *j, const struct seen *seen, size_t count, const char *what)
{
	if (j->out == NULL)
		return;
	fprintf(j->out, "key %012" PRIx64 ": %s\n", seen->key, what);
	for (size_t i = 0; i < count && i < 4 * LINEAR_OPS_MAX && j->told < TOLD_MAX; i++)
		tell_one(j->out, &seen[i], seen->call);
	j->told++;
}

/* ---- registers ---- */

/* Versions of a key in their order, as numbers from 1. */
struct ranks {
	struct version list[2 * LINEAR_OPS_MAX];
	size_t count;
};

static int by_version(const void *a, const void *b)
{
	const struct version *x = a, *y = b;

	return version_newer(*x, *y) - version_newer(*y, *x);
}

static void ranks_make(struct ranks *r, const struct seen *seen, size_t count)
{
	size_t kept = 0;

	r->count = 0;
	for (size_t i = 0; i < count; i++) {
		r->list[r->count++] = seen[i].version;
		r->list[r->count++] = seen[i].expected;
	}
	qsort(r->list, r->count, sizeof(*r->list), by_version);
	for (size_t i = 0; i < r->count; i++) {
		if (r->list[i].number && (kept == 0 || !version_equal(r->list[kept - 1], r->list[i])))
			r->list[kept++] = r->list[i];
	}
	r->count = kept;
}

static uint64_t rank_of(const struct ranks *r, struct version v)
{
	const struct version *found = v.number ? bsearch(&v, r->list, r->count, sizeof(v), by_version) : NULL;

	return found ? (uint64_t)(found - r->list) + 1 : 0;
}

/* An answer that such an operation can have: else there is no order to be looked for. */
static bool is_possible(const struct seen *s)
{
	if (s->end != SEEN_ANSWERED)
		return true;
	switch (s->kind) {
	case OPERATION_GET:
	case OPERATION_DELETE:
		return s->status == ANSWER_DONE || s->status == ANSWER_ABSENT;
	case OPERATION_PUT:
		return s->status == ANSWER_DONE || (s->status == ANSWER_FAILED && s->condition != CONDITION_NONE);
	case OPERATION_ADD:
		return s->status == ANSWER_DONE;
	default:
		return false;
	}
}

static struct linear_op linear_of(const struct seen *s, const struct ranks *ranks)
{
	struct linear_op l = {.call = s->call, .ret = s->ret, .value = s->value, .version = rank_of(ranks, s->version)};

	l.outcome = s->end == SEEN_OPEN ? LINEAR_MAYBE : LINEAR_DONE;
	switch (s->kind) {
	case OPERATION_GET:
		l.kind = LINEAR_GET;
		break;
	case OPERATION_DELETE:
		l.kind = LINEAR_DELETE;
		if (s->end == SEEN_ANSWERED)
			l.expected = s->status == ANSWER_ABSENT ? 2 : 1;
		break;
	case OPERATION_ADD:
		l.kind = LINEAR_ADD;
		l.expected = s->sum;
		break;
	default:
		l.kind = s->condition == CONDITION_NONE ? LINEAR_PUT : LINEAR_CAS;
		l.expected = s->condition == CONDITION_VERSION ? rank_of(ranks, s->expected) : 0;
		if (s->end == SEEN_ANSWERED && s->status == ANSWER_FAILED)
			l.outcome = LINEAR_DIFFERS;
		if (s->life)
			l.end = s->call + (s->life * MS > EARLY ? s->life * MS - EARLY : 0);
		break;
	}
	return l;
}

static bool is_write_open(const struct seen *s)
{
	return s->end == SEEN_OPEN && s->kind != OPERATION_GET;
}

/* open: with the writes of which nobody knows. */
static enum linear_verdict search(const struct seen *seen, size_t count, const struct ranks *ranks, bool open)
{
	struct linear_op ops[LINEAR_OPS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (seen[i].end == SEEN_ANSWERED || (open && is_write_open(&seen[i])))
			ops[n++] = linear_of(&seen[i], ranks);
	}
	return linear_check(ops, n, SEARCH_MAX);
}

/* What nobody knows of is tried only where there is no order without it: each would double the search. */
static enum linear_verdict search_both(const struct seen *seen, size_t count, const struct ranks *ranks)
{
	enum linear_verdict verdict = search(seen, count, ranks, false);

	return verdict == LINEAR_YES ? verdict : search(seen, count, ranks, true);
}

/* All is right but for one write that was acknowledged, and is as if it had never been. */
static bool has_lost_one(struct seen *seen, size_t count, const struct ranks *ranks)
{
	bool lost = false;

	for (size_t i = 0; i < count && !lost; i++) {
		if (!operation_writes(seen[i].kind) || seen[i].end != SEEN_ANSWERED)
			continue;
		seen[i].end = SEEN_UNDONE;
		lost = search_both(seen, count, ranks) == LINEAR_YES;
		seen[i].end = SEEN_ANSWERED;
	}
	return lost;
}

static void judge_life(struct judging *j, const struct seen *seen, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct seen *put = &seen[i];

		for (size_t k = 0; k < count && put->life && put->end == SEEN_ANSWERED; k++) {
			if (seen[k].kind != OPERATION_GET || seen[k].value != put->value ||
			    seen[k].call <= put->ret + put->life * MS + LATE)
				continue;
			j->findings->outlived++;
			tell(j, seen, count, "a value was found long after its life");
		}
	}
}

static void judge_register(struct judging *j, struct seen *seen, size_t count)
{
	static struct ranks ranks;
	enum linear_verdict verdict;

	if (count > LINEAR_OPS_MAX) {
		j->findings->undecided++;
		tell(j, seen, count, "too many operations for the search");
		return;
	}
	ranks_make(&ranks, seen, count);
	verdict = search_both(seen, count, &ranks);
	if (verdict == LINEAR_UNKNOWN)
		j->findings->undecided++;
	if (verdict == LINEAR_NO)
		j->findings->wrong++;
	if (verdict == LINEAR_NO && has_lost_one(seen, count, &ranks))
		j->findings->lost++;
	if (verdict != LINEAR_YES)
		tell(j, seen, count, linear_verdict_name(verdict));
	judge_life(j, seen, count);
}

/* ---- counters ---- */

static uint64_t reached(const struct seen *s)
{
	return s->kind == OPERATION_ADD ? s->sum : s->value;
}

/* By what it came to; who found it so comes behind who made it so. */
static int by_sum(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (reached(x) != reached(y))
		return reached(x) < reached(y) ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind == OPERATION_ADD ? -1 : 1;
	return x->call < y->call ? -1 : x->call > y->call;
}

/* No two adds came to the same, and whoever ended before another began came to less. */
static const char *fault_of_order(const struct seen *seen, size_t count)
{
	uint64_t call = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && seen[i].kind == OPERATION_ADD && reached(&seen[i - 1]) == reached(&seen[i]))
			return "two adds came to the same";
		if (seen[i].ret < call)
			return "not linearizable: less than before";
		if (seen[i].call > call)
			call = seen[i].call;
	}
	return NULL;
}

/* The number that was found in the end against what was acknowledged; some that nobody knows of may be in it too. */
static void judge_sum(struct judging *j, const struct seen *seen, size_t count, uint64_t adds, uint64_t open)
{
	const struct seen *last = NULL;
	uint64_t sum;

	for (size_t i = 0; i < count; i++) {
		if (seen[i].client == SEEN_LOOKER)
			last = &seen[i];
	}
	if (last == NULL) {
		j->findings->unlooked++;
		tell(j, seen, count, "nobody has looked at it in the end");
		return;
	}
	sum = last->value;
	j->findings->total += sum;
	if (sum < adds)
		j->findings->lost += adds - sum;
	if (sum > adds + open)
		j->findings->doubled += sum - adds - open;
	if (sum < adds || sum > adds + open)
		tell(j, seen, count, "it does not hold what was added to it");
}

static void judge_counter(struct judging *j, struct seen *seen, size_t count)
{
	uint64_t adds = 0, open = 0;
	const char *fault;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		open += is_write_open(&seen[i]);
		adds += seen[i].kind == OPERATION_ADD && seen[i].end == SEEN_ANSWERED;
		if (seen[i].end == SEEN_ANSWERED)
			seen[n++] = seen[i];
	}
	if (n == 0)
		return;
	j->findings->adds += adds;
	qsort(seen, n, sizeof(*seen), by_sum);
	fault = fault_of_order(seen, n);
	if (fault) {
		j->findings->wrong++;
		tell(j, seen, n, fault);
	}
	judge_sum(j, seen, n, adds, open);
}

/* ---- all ---- */

static int by_key(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->call < y->call ? -1 : x->call > y->call;
}

static void count_one(struct findings *f, const struct seen *s)
{
	bool answered = s->end == SEEN_ANSWERED;

	f->open += is_write_open(s);
	f->undone += s->end == SEEN_UNDONE;
	f->refused += s->end == SEEN_REFUSED;
	f->done[s->kind] += answered;
	f->conditions += answered && s->condition != CONDITION_NONE;
	f->failed += answered && s->status == ANSWER_FAILED;
	f->lives += answered && s->life && s->status == ANSWER_DONE;
	f->again += operation_writes(s->kind) && s->ret - s->call > AGAIN;
}

static void judge_key(struct judging *j, struct seen *seen, size_t count)
{
	j->findings->keys++;
	for (size_t i = 0; i < count; i++)
		count_one(j->findings, &seen[i]);
	for (size_t i = 0; i < count; i++) {
		if (is_possible(&seen[i]))
			continue;
		j->findings->strange++;
		tell(j, seen, count, "an answer that this operation cannot have");
		return;
	}
	if (seen_group_of(seen->key) == SEEN_COUNTER)
		judge_counter(j, seen, count);
	else
		judge_register(j, seen, count);
}

void judge(struct seen *seen, size_t count, struct findings *findings, FILE *out)
{
	struct judging j = {.findings = findings, .out = out};
	size_t first = 0;

	*findings = (struct findings){.operations = count};
	qsort(seen, count, sizeof(*seen), by_key);
	for (size_t i = 1; i <= count; i++) {
		if (i < count && seen[i].key == seen[first].key)
			continue;
		judge_key(&j, &seen[first], i - first);
		first = i;
	}
}
