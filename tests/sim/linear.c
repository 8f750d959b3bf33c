#include "linear.h"

#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "linear-register.h"
#include "linear-seen.h"

/* An operation not taken yet, in a list in the order of returns; lifted out of it while it is taken. */
struct entry {
	struct linear_op op; /* values are renamed, where nothing is added: 0 stays, the others are 1, 2, 3... */
	size_t index;
	uint64_t earliest; /* call of it and of all behind it */
	uint64_t last_get; /* call of a get of its value; 0: none */
	struct entry *prev, *next;
};

struct step {
	struct entry *taken;
	struct linear_register before;
	bool only; /* nothing else need be tried here */
};

struct search {
	struct entry head, *entries;
	struct configuration now;
	struct linear_seen memory;
	struct step *stack;
	size_t depth, open; /* taken; completed operations not taken */
	bool plain;         /* nobody compares or adds, no version is told, nothing expires */
};

/* ---- operations that are not taken ---- */

static bool reads(const struct linear_op *op)
{
	return op->kind == LINEAR_GET || op->outcome == LINEAR_DIFFERS;
}

static bool is_write(const struct linear_op *op)
{
	return op->kind != LINEAR_LOSS && !reads(op);
}

static uint64_t returns(const struct entry *e)
{
	return e->op.outcome == LINEAR_MAYBE ? UINT64_MAX : e->op.ret;
}

/* The first one from e on before whose call nobody who is not taken ended: it may be the next.  NULL: there is none. */
static struct entry *begun(const struct search *s, struct entry *e)
{
	uint64_t end = returns(s->head.next);

	while (e && e->op.call > end && e->earliest <= end)
		e = e->next;
	return e && e->op.call <= end ? e : NULL;
}

static void lift(struct search *s, struct entry *e)
{
	s->open -= e->op.outcome != LINEAR_MAYBE;
	e->prev->next = e->next;
	if (e->next)
		e->next->prev = e->prev;
}

static void unlift(struct search *s, struct entry *e)
{
	s->open += e->op.outcome != LINEAR_MAYBE;
	e->prev->next = e;
	if (e->next)
		e->next->prev = e;
}

/* ---- what need not be tried ----
 *
 * An operation is sure if, should there be a right order of all that is left, there is one that begins with it.  Whoever
 * has begun may be moved to the front of any order, as far as time goes. */

/* A get that finds the present value and changes nothing (so with a comparison that finds a difference): moved to the
 * front of a right order it is right, and nobody else notices. */
static struct entry *sure_get(const struct search *s)
{
	for (struct entry *e = begun(s, s->head.next); e; e = begun(s, e->next)) {
		struct linear_register c = s->now.content;

		if (reads(&e->op) && linear_apply(&c, &e->op) && memcmp(&c, &s->now.content, sizeof(c)) == 0)
			return e;
	}
	return NULL;
}

/* Behind some loss somebody finds the present value only because it is still there: it was not known before. */
static bool loss_keeps(const struct search *s)
{
	uint64_t value = s->now.content.value;
	const struct entry *loss = s->head.next;

	while (loss && loss->op.kind != LINEAR_LOSS)
		loss = loss->next;
	for (const struct entry *e = s->head.next; loss && e; e = e->next) {
		if (e->op.kind == LINEAR_GET && e->op.value == value && value != LINEAR_ABSENT &&
		    e->op.known >= loss->op.ret)
			return true;
	}
	return false;
}

/* Where no get is sure a right order begins with a write, or with a loss behind which nobody finds what is there now: that
 * nobody will see.  So another write may be moved before it, along with all gets of its value, if those have begun, or
 * there is none: where it stood, only they could tell it from what was there before.  (A comparison could tell too, and so
 * could who is told a version.) */
static struct entry *sure_write(const struct search *s)
{
	uint64_t end = returns(s->head.next);

	if (!s->plain || loss_keeps(s))
		return NULL;
	for (struct entry *e = begun(s, s->head.next); e; e = begun(s, e->next)) {
		if (is_write(&e->op) && e->last_get <= end)
			return e;
	}
	return NULL;
}

/* Two writes that do the same and have begun may change places in a right order if who ended first comes second. */
static bool has_twin(const struct search *s, const struct entry *e)
{
	for (const struct entry *t = begun(s, s->head.next); t != e; t = begun(s, t->next)) {
		if (is_write(&t->op) && t->op.kind == e->op.kind && t->op.value == e->op.value &&
		    t->op.version == e->op.version && t->op.expected == e->op.expected && t->op.end == e->op.end)
			return true;
	}
	return false;
}

/* ---- the search ---- */

/* What to try behind what has been tried here (NULL: nothing); NULL: no more. */
static struct entry *choose(struct search *s, const struct entry *tried)
{
	struct step *step = &s->stack[s->depth];
	struct entry *e;

	if (!tried) {
		e = sure_get(s);
		if (!e)
			e = sure_write(s);
		step->only = e != NULL;
		if (e)
			return e;
	}
	if (step->only)
		return NULL;
	e = begun(s, tried ? tried->next : s->head.next);
	while (e && is_write(&e->op) && has_twin(s, e))
		e = begun(s, e->next);
	return e;
}

static bool take(struct search *s, struct entry *e)
{
	struct configuration next = s->now;

	next.taken[e->index / 64] |= (uint64_t)1 << e->index % 64;
	if (!linear_apply(&next.content, &e->op) || !linear_seen_add(&s->memory, &next))
		return false;
	s->stack[s->depth].taken = e;
	s->stack[s->depth++].before = s->now.content;
	s->now = next;
	lift(s, e);
	return true;
}

static struct entry *give_back(struct search *s)
{
	struct entry *e = s->stack[--s->depth].taken;

	s->now.content = s->stack[s->depth].before;
	s->now.taken[e->index / 64] &= ~((uint64_t)1 << e->index % 64);
	unlift(s, e);
	return e;
}

static enum linear_verdict search(struct search *s, size_t bound)
{
	struct entry *tried = NULL, *e;

	while (s->open > 0) {
		if (s->memory.count > bound)
			return LINEAR_UNKNOWN;
		e = choose(s, tried);
		if (e)
			tried = take(s, e) ? NULL : e;
		else if (s->depth == 0)
			return LINEAR_NO;
		else
			tried = give_back(s);
	}
	return LINEAR_YES;
}

static int by_return(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (returns(x) != returns(y))
		return returns(x) < returns(y) ? -1 : 1;
	if (x->op.call != y->op.call)
		return x->op.call < y->op.call ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static uint64_t written(const struct linear_op *op)
{
	return op->kind == LINEAR_DELETE ? LINEAR_ABSENT : op->value;
}

static void name_values(const struct linear_op *const *ops, struct entry *entries, size_t count)
{
	uint64_t names = LINEAR_ABSENT;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = written(ops[i]);
		size_t j = 0;

		while (j < i && written(ops[j]) != value)
			j++;
		entries[i].op.value = value == LINEAR_ABSENT ? value : j < i ? entries[j].op.value : ++names;
	}
}

/* Most registers answer in the order in which they do things: in that order they are tried. */
static void entries_link(struct search *s, size_t count)
{
	uint64_t earliest = UINT64_MAX;

	qsort(s->entries, count, sizeof(*s->entries), by_return);
	for (size_t i = count; i > 0; i--) {
		struct entry *e = &s->entries[i - 1];

		if (e->op.call < earliest)
			earliest = e->op.call;
		e->earliest = earliest;
		e->next = s->head.next;
		e->prev = &s->head;
		unlift(s, e);
	}
}

/* By the names of values. */
static void entries_last_gets(struct search *s, size_t count)
{
	uint64_t last_get[LINEAR_OPS_MAX + 1] = {0};

	for (size_t i = 0; i < count; i++) {
		const struct linear_op *op = &s->entries[i].op;

		if (op->kind == LINEAR_GET && op->call > last_get[op->value])
			last_get[op->value] = op->call;
	}
	for (size_t i = 0; i < count; i++)
		s->entries[i].last_get = last_get[s->entries[i].op.value];
}

static void entries_make(struct search *s, const struct linear_op *const *ops, size_t count)
{
	bool numbers = false;

	s->entries = xcalloc(count, sizeof(*s->entries));
	s->plain = true;
	for (size_t i = 0; i < count; i++) {
		s->entries[i] = (struct entry){.op = *ops[i], .index = i};
		numbers = numbers || ops[i]->kind == LINEAR_ADD;
		s->plain =
			s->plain && ops[i]->kind != LINEAR_CAS && !ops[i]->version && !ops[i]->expected && !ops[i]->end;
	}
	s->plain = s->plain && !numbers;
	if (!numbers) {
		name_values(ops, s->entries, count);
		entries_last_gets(s, count);
	}
	entries_link(s, count);
}

/* Somebody found the value, or that it had come to its end. */
static bool seen_by(const struct linear_op *op, const struct linear_op *get)
{
	return get->value == written(op) || (op->end && get->value == LINEAR_ABSENT);
}

/* A write of which nobody knows and of which nobody saw anything may as well never have been, where nothing compares or
 * adds. */
static bool matters(const struct linear_op *op, const struct linear_op *ops, size_t count)
{
	if (op->outcome != LINEAR_MAYBE)
		return true;
	if (op->kind == LINEAR_GET)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (ops[i].key == op->key && (ops[i].kind == LINEAR_CAS || ops[i].kind == LINEAR_ADD ||
					      (ops[i].kind == LINEAR_DELETE && ops[i].expected) ||
					      (ops[i].kind == LINEAR_GET && seen_by(op, &ops[i]))))
			return true;
	}
	return false;
}

static enum linear_verdict check_key(const struct linear_op *ops, size_t count, uint32_t key, size_t bound)
{
	const struct linear_op *of_key[LINEAR_OPS_MAX];
	enum linear_verdict verdict;
	struct search s = {0};
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (ops[i].key != key || !matters(&ops[i], ops, count))
			continue;
		if (n == LINEAR_OPS_MAX)
			return LINEAR_UNKNOWN;
		of_key[n++] = &ops[i];
	}
	if (n == 0)
		return LINEAR_YES;
	entries_make(&s, of_key, n);
	s.stack = xcalloc(n, sizeof(*s.stack));
	verdict = search(&s, bound);
	free(s.stack);
	free(s.entries);
	linear_seen_free(&s.memory);
	return verdict;
}

enum linear_verdict linear_check(const struct linear_op *ops, size_t count, size_t bound)
{
	enum linear_verdict verdict = LINEAR_YES, of_key;

	for (size_t i = 0; i < count && verdict != LINEAR_NO; i++) {
		bool first = true;

		for (size_t j = 0; j < i && first; j++)
			first = ops[j].key != ops[i].key;
		if (!first)
			continue;
		of_key = check_key(ops, count, ops[i].key, bound);
		if (of_key != LINEAR_YES)
			verdict = of_key;
	}
	return verdict;
}

const char *linear_verdict_name(enum linear_verdict verdict)
{
	static const char *const names[] = {"linearizable", "not linearizable", "not decided"};

	return names[verdict];
}
