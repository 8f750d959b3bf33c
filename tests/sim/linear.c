#include "linear.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"

#define WORDS (LINEAR_OPS_MAX / 64)

/* The register.  Of a write whose version was not told only a lower bound is known, until somebody is told it. */
struct cell {
	uint64_t value, version;
	uint64_t exact; /* version is its version; else a bound that it exceeds */
	uint64_t lost;  /* end of the loss behind which nothing was written; 0: none */
};

/* What is remembered: which operations were taken, and what they left.  No padding: it is compared as bytes. */
struct configuration {
	uint64_t taken[WORDS];
	struct cell cell;
};
_Static_assert(sizeof(struct configuration) == (WORDS + 4) * sizeof(uint64_t), "no padding");

struct memory {
	struct configuration *seen;
	size_t count, room;
	uint32_t *slots; /* index + 1 */
	size_t slot_count;
};

/* A call or a return in the order of time; lifted out of the list while its operation is taken. */
struct event {
	const struct linear_op *op;
	uint64_t at;
	size_t index; /* of the operation */
	bool call;
	struct event *prev, *next, *match;
};

struct step {
	struct event *call;
	struct cell before;
};

struct search {
	struct event head, *events;
	struct configuration now;
	struct memory memory;
	struct step *stack;
	size_t depth, open; /* taken; completed operations not taken */
};

/* ---- the register ---- */

static bool writes(struct cell *c, uint64_t value, uint64_t version)
{
	if (version && version <= c->version)
		return false;
	c->value = value;
	c->lost = 0;
	c->exact = version != 0;
	if (version)
		c->version = version;
	return true;
}

/* Somebody was told that this is the version. */
static bool is_version(struct cell *c, uint64_t version)
{
	if (!version || c->lost)
		return true;
	if (c->exact ? version != c->version : version <= c->version)
		return false;
	c->version = version;
	c->exact = true;
	return true;
}

static bool finds(struct cell *c, const struct linear_op *op)
{
	if (c->lost && (op->value == LINEAR_ABSENT || op->known < c->lost))
		return true;
	return op->value == c->value && is_version(c, op->version);
}

static bool compares(struct cell *c, const struct linear_op *op)
{
	bool equal;

	if (c->lost)
		return op->outcome == LINEAR_DIFFERS || writes(c, op->value, op->version);
	if (op->outcome == LINEAR_DIFFERS) {
		if (!is_version(c, op->version))
			return false;
		return op->expected ? c->value == LINEAR_ABSENT || !c->exact || c->version != op->expected
				    : c->value != LINEAR_ABSENT;
	}
	equal = op->expected ? c->value != LINEAR_ABSENT && is_version(c, op->expected) : c->value == LINEAR_ABSENT;
	return equal && writes(c, op->value, op->version);
}

/* False if the register does not allow it now. */
static bool apply(struct cell *c, const struct linear_op *op)
{
	switch (op->kind) {
	case LINEAR_PUT:
		return writes(c, op->value, op->version);
	case LINEAR_DELETE:
		return writes(c, LINEAR_ABSENT, op->version);
	case LINEAR_GET:
		return finds(c, op);
	case LINEAR_CAS:
		return compares(c, op);
	case LINEAR_LOSS:
		c->lost = op->ret;
		c->exact = c->version = 0;
		return true;
	}
	return false;
}

/* ---- configurations seen ---- */

static uint64_t hash(const struct configuration *c)
{
	const uint64_t *words = (const uint64_t *)c;
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(*c) / sizeof(*words); i++) {
		h = (h ^ words[i]) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	return h;
}

static size_t slot_of(const struct memory *m, const struct configuration *c)
{
	size_t slot = hash(c) & (m->slot_count - 1);

	while (m->slots[slot] && memcmp(&m->seen[m->slots[slot] - 1], c, sizeof(*c)) != 0)
		slot = (slot + 1) & (m->slot_count - 1);
	return slot;
}

static void memory_grow(struct memory *m)
{
	if (m->count * 2 < m->slot_count)
		return;
	m->slot_count = m->slot_count ? m->slot_count * 4 : 64;
	m->room = m->slot_count / 2;
	m->seen = xrealloc(m->seen, m->room * sizeof(*m->seen));
	free(m->slots);
	m->slots = xcalloc(m->slot_count, sizeof(*m->slots));
	for (size_t i = 0; i < m->count; i++)
		m->slots[slot_of(m, &m->seen[i])] = (uint32_t)i + 1;
}

/* True if it is new. */
static bool remember(struct memory *m, const struct configuration *c)
{
	size_t slot;

	memory_grow(m);
	slot = slot_of(m, c);
	if (m->slots[slot])
		return false;
	m->seen[m->count++] = *c;
	m->slots[slot] = (uint32_t)m->count;
	return true;
}

/* ---- the search ---- */

static void lift(struct event *e)
{
	e->prev->next = e->next;
	if (e->next)
		e->next->prev = e->prev;
}

static void unlift(struct event *e)
{
	e->prev->next = e;
	if (e->next)
		e->next->prev = e;
}

static bool take(struct search *s, struct event *call)
{
	struct configuration next = s->now;

	next.taken[call->index / 64] |= (uint64_t)1 << call->index % 64;
	if (!apply(&next.cell, call->op) || !remember(&s->memory, &next))
		return false;
	s->stack[s->depth++] = (struct step){call, s->now.cell};
	s->now = next;
	lift(call);
	if (call->match) {
		lift(call->match);
		s->open--;
	}
	return true;
}

static struct event *give_back(struct search *s)
{
	struct event *call = s->stack[--s->depth].call;

	s->now.cell = s->stack[s->depth].before;
	s->now.taken[call->index / 64] &= ~((uint64_t)1 << call->index % 64);
	if (call->match) {
		unlift(call->match);
		s->open++;
	}
	unlift(call);
	return call->next;
}

static enum linear_verdict search(struct search *s, size_t bound)
{
	struct event *e = s->head.next;

	while (s->open > 0) {
		if (s->memory.count > bound)
			return LINEAR_UNKNOWN;
		if (e && e->call) {
			e = take(s, e) ? s->head.next : e->next;
			continue;
		}
		/* Behind a return that is still there nothing may be taken: it must be, before. */
		if (s->depth == 0)
			return LINEAR_NO;
		e = give_back(s);
	}
	return LINEAR_YES;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->call != y->call)
		return x->call ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Events in the order of time, linked, calls with their returns. */
static void events_make(struct search *s, const struct linear_op *const *ops, size_t count)
{
	struct event *calls[LINEAR_OPS_MAX], *last = &s->head;
	size_t n = 0;

	s->events = xcalloc(count * 2, sizeof(*s->events));
	for (size_t i = 0; i < count; i++) {
		s->events[n++] = (struct event){.op = ops[i], .at = ops[i]->call, .index = i, .call = true};
		if (ops[i]->outcome != LINEAR_MAYBE)
			s->events[n++] = (struct event){.op = ops[i], .at = ops[i]->ret, .index = i};
	}
	qsort(s->events, n, sizeof(*s->events), by_time);
	for (size_t i = 0; i < n; i++) {
		struct event *e = &s->events[i];

		e->prev = last;
		last->next = e;
		last = e;
		if (e->call) {
			calls[e->index] = e;
		} else {
			calls[e->index]->match = e;
			s->open++;
		}
	}
}

/* A write of which nobody knows and whose value nobody saw may as well never have been, where nothing compares. */
static bool matters(const struct linear_op *op, const struct linear_op *ops, size_t count)
{
	uint64_t value = op->kind == LINEAR_DELETE ? LINEAR_ABSENT : op->value;

	if (op->outcome != LINEAR_MAYBE)
		return true;
	if (op->kind == LINEAR_GET)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (ops[i].key == op->key &&
		    (ops[i].kind == LINEAR_CAS || (ops[i].kind == LINEAR_GET && ops[i].value == value)))
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
	events_make(&s, of_key, n);
	s.stack = xcalloc(n, sizeof(*s.stack));
	verdict = search(&s, bound);
	free(s.stack);
	free(s.events);
	free(s.memory.seen);
	free(s.memory.slots);
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
