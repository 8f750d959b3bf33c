/* Fences: one short connection with somebody's client id, then a round trip on our own unbroken connection
 * (PROTOCOL.md section 5, rule 4). */
#include <string.h>

#include "core.h"

static struct fence *fence_find(struct node *n, const struct member *m)
{
	for (struct fence *f = n->fences; f < n->fence_end; f++)
		if (f->state != FENCE_FREE && member_same(&f->m, m))
			return f;
	return NULL;
}

bool fence_done(struct node *n, const struct member *m)
{
	const struct fence *f = fence_find(n, m);

	return f && f->state == FENCE_DONE && !f->roll;
}

bool fence_blocks(const struct node *n, const struct member *m)
{
	return fence_find((struct node *)n, m) != NULL;
}

static void connect(struct node *n, struct fence *f)
{
	f->state = FENCE_CONNECT;
	f->when = n->now;
	out_effect(n, EFFECT_FENCE)->conn = f->m.conn;
}

static void want(struct node *n, const struct member *m, bool roll, const char *why)
{
	if (!m->memory || member_same(m, &n->self) || fence_find(n, m) || !node_ready(n))
		return;
	for (struct fence *f = n->fences; f < n->fences + FENCE_MAX; f++) {
		if (f->state != FENCE_FREE)
			continue;
		f->m = *m;
		f->roll = roll;
		entry_newest_conn(n, &f->m);
		out_log(n, NOTE_FENCING, ABOUT(OF_PEER(m->id), OF_REASON(why)), "node %08x: %s -> fencing it", m->id,
			why);
		connect(n, f);
		if (f == n->fence_end)
			n->fence_end++;
		return;
	}
}

void fence_want(struct node *n, const struct member *m, const char *why)
{
	want(n, m, false, why);
}

bool fence_for_roll(struct node *n, const struct member *m, const char *why)
{
	struct fence *f = fence_find(n, m);

	if (f && f->m.conn.count < m->conn.count)
		f->state = FENCE_FREE;
	else if (f)
		return f->state == FENCE_DONE;
	want(n, m, true, why);
	return false;
}

void fence_roll_done(struct node *n, const struct member *m)
{
	for (struct fence *f = n->fences; f < n->fence_end; f++)
		if (f->roll && (!m || member_same(&f->m, m)))
			f->state = FENCE_FREE;
}

/* A reconnection of one's own voids all fences: what proved them is gone. */
void fence_void(struct node *n)
{
	memset(n->fences, 0, sizeof(n->fences));
	n->fence_end = n->fences;
}

void fence_event(struct node *n, const struct conn *conn, bool fenced)
{
	for (struct fence *f = n->fences; f < n->fence_end; f++) {
		if (f->state != FENCE_CONNECT || !conn_equal(&f->m.conn, conn))
			continue;
		f->when = n->now;
		if (fenced) {
			f->state = FENCE_TRIP;
			f->seq = trip_send(n);
		} else {
			f->state = FENCE_RETRY;
			f->when += 200 + node_random(n, 300);
		}
	}
}

uint64_t trip_send(struct node *n)
{
	struct frame f;

	frame_start(n, &f, FRAME_TRIP);
	f.seq = ++n->trips;
	frame_to(n, &f, &n->self);
	echo_await(n, ECHO_INBOX);
	return f.seq;
}

void fence_trip(struct node *n, uint64_t seq)
{
	for (struct fence *f = n->fences; f < n->fence_end; f++)
		if (f->state == FENCE_TRIP && f->seq <= seq) {
			f->state = FENCE_DONE;
			f->when = n->fenced_at = n->now;
		}
}

static bool named(struct node *n, const struct member *m)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !entry_waits(n, e) &&
		    (member_same(&e->peer, m) || (e->other.name.number && member_same(&e->other.owner, m))))
			return true;
	for (unsigned i = 0; n->change.kind && i < n->change.party_count; i++)
		if (member_same(&n->change.party[i].m, m))
			return true;
	for (size_t i = n->roll.next; i < n->roll.count; i++)
		if (member_same(&n->roll.names[i].m, m))
			return true;
	return false;
}

void fence_tick(struct node *n, uint64_t *next)
{
	for (struct fence *f = n->fences; f < n->fence_end; f++) {
		if (f->state == FENCE_RETRY && n->now >= f->when)
			connect(n, f);
		else if (f->state == FENCE_RETRY)
			soonest(next, f->when);
		else if (f->state == FENCE_TRIP && n->now - f->when >= n->config.resend) {
			(void)trip_send(n); /* lost on the way, or slow: the first that comes back will do */
			f->when = n->now;
		}
		if (f->state == FENCE_TRIP)
			soonest(next, f->when + n->config.resend);
		/* Once nothing names it, it may be answered again. */
		if (f->state == FENCE_DONE && !named(n, &f->m))
			f->state = FENCE_FREE;
	}
	while (n->fence_end > n->fences && n->fence_end[-1].state == FENCE_FREE)
		n->fence_end--;
}
