/* A ring of tables for test-once-random.c: nodes that hand arcs over, split and merge them, call a handover off, take arcs
 * from the dead and from those who do not hear of it.  All that a node must tell its table is told here. */
#ifndef DHT_TEST_ONCE_RING_H
#define DHT_TEST_ONCE_RING_H

#include "../../daemon/core/once.h"
#include "random.h"

#define NODES 3
#define PIECES 8

struct piece {
	struct arc arc;
	unsigned owner, taker;
	uint64_t number;
	struct once_share *share; /* behind the cut: nobody serves it */
	bool sealed;              /* the taker owns it, and has said nothing */
};

struct ring {
	struct random random;
	uint64_t now;
	const struct once_limits *limits;
	bool deaths;   /* of nodes, and doubts */
	bool careless; /* marks leave arcs out */
	struct once *nodes[NODES];
	uint64_t counters[NODES], crowded[NODES];
	struct piece pieces[PIECES];
	unsigned piece_count;
	unsigned losses; /* that no rule but 7 explains, or that there was no room */
	struct {
		uint64_t moved, called_off, taken_back, merged, died, doubted, crowded;
	} seen;
};

static inline uint64_t ring_random(struct ring *r, uint64_t n)
{
	return random_below(&r->random, n);
}

static inline struct once_arc ring_present(const struct ring *r, const struct piece *p)
{
	return (struct once_arc){p->arc, {p->number, r->counters[p->owner]}};
}

static inline struct piece *ring_piece(struct ring *r, uint32_t id)
{
	struct piece *p = r->pieces;

	while (!ring_contains(p->arc, id))
		p++;
	return p;
}

static inline bool ring_serves(const struct piece *p)
{
	return !p->share && !p->sealed;
}

static inline unsigned ring_other(struct ring *r, unsigned node)
{
	return (node + 1 + (unsigned)ring_random(r, NODES - 1)) % NODES;
}

/* Rule 7. */
static inline void ring_take_over(struct ring *r, struct piece *p, unsigned owner)
{
	struct once_arc here;

	once_share_free(p->share);
	p->share = NULL;
	p->sealed = false;
	p->owner = owner;
	p->number += 1 + ring_random(r, 3);
	here = ring_present(r, p);
	once_own(r->nodes[owner], &here);
	r->losses++;
}

static inline void ring_die(struct ring *r, unsigned node)
{
	r->seen.died++;
	once_free(r->nodes[node]);
	r->nodes[node] = once_new(random_next(&r->random), r->limits);
	r->crowded[node] = 0;
	for (unsigned i = 0; i < r->piece_count; i++) {
		struct piece *p = &r->pieces[i];

		if (p->owner == node) {
			ring_take_over(r, p, ring_other(r, node));
		} else if (p->sealed && p->taker == node) {
			/* Who took it has answered nobody: the giver goes on with what it has. */
			r->seen.taken_back++;
			p->sealed = false;
			p->number++;
		}
	}
}

/* As frames carry it. */
static inline struct once_share *ring_sent(const struct once_share *s)
{
	struct once_share *copy = once_share_new(s->arc);
	struct horizon_piece pieces[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(&s->horizon, s->arc, pieces);

	for (unsigned i = 0; i < count; i++)
		horizon_set(&copy->horizon, pieces[i].arc, pieces[i].version);
	count = horizon_pieces(&s->mark, s->arc, pieces);
	for (unsigned i = 0; i < count; i++)
		horizon_set(&copy->mark, pieces[i].arc, pieces[i].version);
	for (uint32_t i = 0; i < s->entry_count; i++)
		assert_true(once_share_entry(copy, &s->entries[i]));
	for (uint32_t i = 0; i < s->row_count; i++)
		assert_true(once_share_row(copy, &s->rows[i]));
	return copy;
}

/* The part of an arc up to an id, or all of it, goes to another node: the cut. */
static inline void ring_give(struct ring *r, struct piece *p)
{
	struct once_share *s;
	struct once_arc here;

	if (r->piece_count < PIECES && ring_size(p->arc) > 4 && ring_random(r, 2)) {
		struct piece *rest = &r->pieces[r->piece_count++];
		uint32_t at = p->arc.lo + (uint32_t)(1 + ring_random(r, ring_size(p->arc) - 1));

		*rest = *p;
		rest->arc.lo = p->arc.hi = at;
	}
	p->taker = ring_other(r, p->owner);
	here = ring_present(r, p);
	s = once_give(r->nodes[p->owner], &here);
	p->share = ring_sent(s);
	once_share_free(s);
}

/* The taker owns it; or it is called off. */
static inline void ring_settle(struct ring *r, struct piece *p)
{
	struct once_share *s = p->share;

	p->share = NULL;
	p->number += 1 + ring_random(r, 2);
	if (ring_random(r, 4)) {
		once_take(r->nodes[p->taker], s);
		p->sealed = true;
	} else {
		r->seen.called_off++;
	}
	once_share_free(s);
}

/* The giver hears that the taker serves. */
static inline void ring_active(struct ring *r, struct piece *p)
{
	r->seen.moved++;
	p->sealed = false;
	once_forget(r->nodes[p->owner], p->arc);
	p->owner = p->taker;
}

static inline void ring_merge(struct ring *r, struct piece *p)
{
	struct piece *q = r->pieces;

	while (q->arc.lo != p->arc.hi)
		q++;
	if (p == q || p->owner != q->owner || !ring_serves(q))
		return;
	r->seen.merged++;
	q->arc.lo = p->arc.lo;
	q->number = (p->number > q->number ? p->number : q->number) + 1;
	*p = r->pieces[--r->piece_count];
}

static inline void ring_turn(struct ring *r)
{
	struct piece *p = &r->pieces[ring_random(r, r->piece_count)];

	if (p->share)
		ring_settle(r, p);
	else if (p->sealed)
		ring_active(r, p);
	else if (ring_random(r, 2))
		ring_give(r, p);
	else
		ring_merge(r, p);
	if (!r->deaths || ring_random(r, 16))
		return;
	p = &r->pieces[ring_random(r, r->piece_count)];
	if (ring_random(r, 2)) {
		ring_die(r, (unsigned)ring_random(r, NODES));
	} else if (ring_serves(p)) {
		/* The owner does not hear of it, and what it remembers stays; or it was in doubt, and remembers all. */
		r->seen.doubted++;
		ring_take_over(r, p, (unsigned)ring_random(r, NODES));
	}
}

static inline void ring_mark(struct ring *r, unsigned node)
{
	struct once_arc arcs[PIECES];
	size_t count = 0;

	if (!once_mark_due(r->nodes[node], r->now))
		return;
	for (unsigned i = 0; i < r->piece_count; i++) {
		const struct piece *p = &r->pieces[i];

		if ((p->owner == node || (p->sealed && p->taker == node)) && (!r->careless || ring_random(r, 3)))
			arcs[count++] = (struct once_arc){p->arc, {p->number, r->counters[node]}};
	}
	once_mark(r->nodes[node], r->now, arcs, count);
}

static inline void ring_step(struct ring *r)
{
	r->now += ring_random(r, 8);
	for (unsigned i = 0; i < NODES; i++)
		ring_mark(r, i);
	if (!ring_random(r, 12))
		ring_turn(r);
	for (unsigned i = 0; i < NODES; i++) {
		uint64_t crowded = once_count(r->nodes[i]).crowded_out;

		r->seen.crowded += crowded - r->crowded[i];
		r->losses += crowded != r->crowded[i];
		r->crowded[i] = crowded;
	}
}

static inline void ring_begin(struct ring *r)
{
	r->now = 1;
	r->piece_count = 1;
	for (unsigned i = 0; i < NODES; i++)
		r->nodes[i] = once_new(random_next(&r->random), r->limits);
	r->pieces[0] = (struct piece){.arc = {7, 7}};
	ring_take_over(r, &r->pieces[0], 0);
}

static inline void ring_end(struct ring *r)
{
	for (unsigned i = 0; i < NODES; i++)
		once_free(r->nodes[i]);
	for (unsigned i = 0; i < r->piece_count; i++)
		once_share_free(r->pieces[i].share);
}

#endif
