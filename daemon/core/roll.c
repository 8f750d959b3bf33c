/* The roll: everybody whom the retained statuses name, called before an arc is taken without its owner (PROTOCOL.md
 * sections 4 and 5, rule 6).  Who the owner was is not known, nor where his own place is: those who are there are heard;
 * those who are not are fenced. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define ROLL_STEP 64

/* node/<id> with the id for a wildcard. */
const char *roll_filter(struct node *n)
{
	char topic[TOPIC_MAX + 4];

	topic_format(topic, n->config.topic_prefix, TOPIC_NODE, 0, NULL);
	memcpy(topic + strlen(topic) - 8, "+", 2);
	return out_own(n, xstrdup(topic));
}

void roll_open(struct node *n, struct arc arc, bool gone)
{
	roll_close(n);
	n->roll = (struct roll){.open = true, .arc = arc, .gone = gone};
	out_effect(n, EFFECT_SUBSCRIBE)->topic = roll_filter(n);
	roll_wait(n);
}

void roll_close(struct node *n)
{
	if (n->roll.open && n->connected)
		out_effect(n, EFFECT_UNSUBSCRIBE)->topic = roll_filter(n);
	free(n->roll.names);
	n->roll = (struct roll){0};
}

/* Whatever is on its way has arrived when this round trip is back. */
void roll_wait(struct node *n)
{
	n->roll.waited = n->now;
	n->roll.back = false;
	n->roll.trip = trip_send(n);
}

void roll_trip(struct node *n, uint64_t seq)
{
	if (n->roll.open && seq >= n->roll.trip)
		n->roll.back = true;
}

void roll_add(struct node *n, const struct member *m, bool gone)
{
	struct roll *r = &n->roll;

	if (!m->memory || !m->conn.count || member_same(m, &n->self))
		return;
	for (size_t i = 0; i < r->count; i++)
		if (member_same(&r->names[i].m, m) && conn_equal(&r->names[i].m.conn, &m->conn))
			return;
	if (r->count == ROLL_MAX) {
		r->too_many = true;
		return;
	}
	if (r->count % ROLL_STEP == 0)
		r->names = xrealloc(r->names, (r->count + ROLL_STEP) * sizeof(*r->names));
	r->names[r->count++] = (struct roll_name){.m = *m, .gone = gone};
}

/* A status while the roll is open.  True: he is there of whom the roll is to tell: anybody, or whoever has the arc. */
bool roll_status(struct node *n, const struct frame *f, bool retained)
{
	struct roll *r = &n->roll;
	bool gone = f->state == NODE_GONE;

	if (!r->open || f->state == NODE_LEFT || f->state == NODE_JOINING || f->state == NODE_CONNECTING ||
	    member_same(&f->from, &n->self))
		return false;
	if (!retained && !gone)
		return !r->gone || (f->arc_set && arc_overlap(f->arc, r->arc));
	/* Voided is not fenced: whoever wrote that may have been kept from it. */
	if (!gone || f->flag || (r->gone && ring_contains(r->arc, f->from.id)))
		roll_add(n, &f->from, gone && !f->flag);
	return false;
}

/* It has answered, and is left alone. */
void roll_heard(struct node *n, const struct member *m)
{
	for (size_t i = 0; i < n->roll.count; i++)
		if (member_same(&n->roll.names[i].m, m))
			n->roll.names[i].heard = true;
}

/* Voids everybody on the roll at a place in the order of his own status: whoever finds this there before his own status
 * of a new connection has come back has lost what he owned. */
void roll_void(struct node *n)
{
	for (size_t i = 0; i < n->roll.count; i++) {
		struct frame f;

		if (n->roll.names[i].heard)
			continue;
		frame_start(n, &f, FRAME_STATUS);
		f.from = n->roll.names[i].m;
		f.state = NODE_GONE;
		f.flag = true;
		frame_send(n, &f, TOPIC_NODE, f.from.id);
	}
	roll_wait(n);
}

/* Fences everybody on it who may be there, a few at a time; true when all are. */
bool roll_fence(struct node *n, const char *why, uint64_t *next)
{
	struct roll *r = &n->roll;

	while (r->next < r->count &&
	       (r->names[r->next].gone || r->names[r->next].heard || fence_done(n, &r->names[r->next].m)))
		fence_drop(n, &r->names[r->next++].m);
	for (size_t i = r->next; i < r->count && i < r->next + FENCE_MAX; i++)
		if (!r->names[i].gone && !r->names[i].heard)
			fence_want(n, &r->names[i].m, why);
	if (r->next < r->count)
		soonest(next, n->now + 100);
	return r->next == r->count;
}
