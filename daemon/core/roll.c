/* The roll: everybody whom the retained statuses name, called before an arc is taken without its owner (PROTOCOL.md
 * sections 4 and 5, rule 6).  Who the owner was is not known, nor where his own place is: those who are there are heard;
 * those who are not are fenced. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define ROLL_STEP 64
#define ROLL_IDLE 1000 /* ms */
#define DENIED_AGAIN (15 * 60000)
#define ROLL_LOST 2000 /* ms beyond the silence that it waits for */

/* node/<id> with the id for a wildcard. */
const char *roll_filter(struct node *n)
{
	char topic[TOPIC_MAX + 4];

	topic_format(topic, n->config.topic_prefix, TOPIC_NODE, 0, NULL);
	memcpy(topic + strlen(topic) - 8, "+", 2);
	return out_own(n, xstrdup(topic));
}

/* Whatever is on its way has arrived when this round trip is back. */
static void wait_round(struct node *n)
{
	n->roll.since = n->now;
	n->roll.back = false;
	n->roll.trip = trip_send(n);
}

static void subscribe(struct node *n, bool on)
{
	const char *filter = roll_filter(n);

	out_filters(n, &filter, 1, on);
}

static void begin(struct node *n, int stage, struct arc arc)
{
	roll_close(n);
	n->roll = (struct roll){.stage = stage, .arc = arc, .used = n->now};
	subscribe(n, true);
	wait_round(n);
}

/* Also called off: nobody on it is to be left unanswered. */
void roll_close(struct node *n)
{
	if (n->roll.stage != ROLL_CLOSED)
		subscribe(n, false);
	fence_roll_done(n, NULL);
	free(n->roll.names);
	n->roll = (struct roll){0};
}

/* Who may not read the statuses does not know whom to fence. */
void roll_subscribed(struct node *n, const struct event *ev)
{
	if (ev->granted || strcmp(ev->topic, roll_filter(n)) != 0)
		return;
	n->roll.denied = true;
	if (n->denied_at && n->now - n->denied_at < DENIED_AGAIN)
		return;
	n->denied_at = n->now;
	out_log(n, NOTE_ACCESS_REFUSED, ABOUT(OF_REASON(roll_filter(n))),
		"the broker refuses the subscription to %s -> no arc without an owner is taken, and no ring founded; "
		"let this node read there",
		ev->topic);
}

void roll_trip(struct node *n, uint64_t seq)
{
	if (n->roll.stage != ROLL_CLOSED && seq >= n->roll.trip)
		n->roll.back = true;
}

static void add(struct node *n, const struct member *m, bool gone)
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

/* It is on the roll by earlier connections only. */
static bool comes_back(const struct roll *r, const struct member *m)
{
	bool listed = false;

	for (size_t i = 0; i < r->count; i++)
		if (member_same(&r->names[i].m, m)) {
			if (r->names[i].m.conn.count >= m->conn.count)
				return false;
			listed = true;
		}
	return listed;
}

/* A status while the roll is open.  Who is there of whom it is to tell ends it: anybody, where a ring is to be founded;
 * else whoever has the arc, or comes back before he can have found that he is voided: what he has he need not say. */
void roll_status(struct node *n, const struct frame *f, bool retained)
{
	struct roll *r = &n->roll;
	bool gone = f->state == NODE_GONE, founding = r->stage == ROLL_FOUNDING;

	if (r->stage == ROLL_CLOSED || f->state == NODE_LEFT || member_same(&f->from, &n->self))
		return;
	/* Who has taken an arc by a roll may sleep since: what we take then is above what he has counted. */
	number_learn(n, f->seq);
	if (!retained && !gone) {
		if (founding)
			seek_heard(n);
		else if ((f->arc_set && arc_overlap(f->arc, r->arc)) ||
			 (r->stage != ROLL_FENCE && comes_back(r, &f->from)))
			hole_heard(n);
		return;
	}
	r->present |= !gone && f->state != NODE_JOINING;
	/* Voided is not fenced: whoever wrote that may have been kept from it. */
	if (!gone || f->flag || (!founding && ring_contains(r->arc, f->from.id)))
		add(n, &f->from, gone && !f->flag);
}

/* A status of a later version: whoever it is of cannot be fenced. */
void roll_foreign(struct node *n)
{
	if (n->roll.stage == ROLL_FOUNDING)
		n->roll.present = n->roll.foreign = true;
}

/* It has answered, and is left alone. */
void roll_heard(struct node *n, const struct frame *f)
{
	if (n->roll.stage != ROLL_LIST)
		return;
	for (size_t i = 0; i < n->roll.count; i++)
		if (member_same(&n->roll.names[i].m, &f->from))
			n->roll.names[i].heard = true;
}

/* It owns some of what is to be taken, and says so by itself. */
void roll_claimed(struct node *n, const struct frame *f)
{
	for (unsigned i = 0; n->roll.stage >= ROLL_LIST && i < f->view_count; i++)
		if (member_same(&f->views[i].owner, &f->from) && arc_overlap(f->views[i].arc, n->roll.arc))
			hole_heard(n);
}

/* Voids everybody on the roll at a place in the order of his own status: whoever finds this there before his own status
 * of a new connection has come back has lost what he owned. */
static void void_all(struct node *n)
{
	for (size_t i = 0; i < n->roll.count; i++)
		if (!n->roll.names[i].heard)
			status_gone(n, &n->roll.names[i].m, true);
	wait_round(n);
}

/* Fences everybody on it who may be there, a few at a time; true when all are. */
static bool fence_all(struct node *n, const char *why, uint64_t *next)
{
	struct roll *r = &n->roll;

	for (size_t i = r->next; i < r->count && i < r->next + FENCE_MAX; i++) {
		const struct roll_name *name = &r->names[i];

		if (!name->gone && !name->heard && !fence_for_roll(n, &name->m, why))
			continue;
		if (i == r->next) {
			fence_roll_done(n, &name->m);
			r->next++;
		}
	}
	if (r->next < r->count)
		soonest(next, n->now + 100);
	return r->next == r->count;
}

static bool incomplete(struct node *n, const char *what)
{
	if (n->roll.too_many)
		out_log(n, NOTE_TOO_MANY_NODES, NULL,
			"%s names more than %d nodes -> %s; clear what is retained there of nodes that are gone",
			roll_filter(n), ROLL_MAX, what);
	if (n->roll.foreign)
		out_log(n, NOTE_VERSION_LATER, NULL,
			"%s names nodes of a later version of the protocol -> %s; upgrade this one, give it another "
			"--topic-prefix, or clear what is retained there of nodes that are gone",
			roll_filter(n), what);
	return n->roll.too_many || n->roll.denied || n->roll.foreign;
}

/* ---- a ring is to be founded beside one that is registered ---- */

void roll_found(struct node *n)
{
	begin(n, ROLL_FOUNDING, (struct arc){0, 0});
}

/* Does any status, of those that are here, say that somebody is in a ring, or may none be read? */
bool roll_found_present(const struct node *n)
{
	return n->roll.present || n->roll.denied;
}

/* Who the statuses name, and the register, is to be fenced.  False: too many. */
bool roll_found_listed(struct node *n)
{
	if (n->seen.nonce)
		add(n, &n->seen_by, false);
	return !incomplete(n, "too many to fence, founding no ring");
}

bool roll_found_fence(struct node *n, uint64_t *next)
{
	return fence_all(n, "the ring that is registered does not answer", next);
}

/* ---- an arc is to be taken ---- */

/* Of the views that others had nothing is known: what follows is above any number that they can have used.  And what is
 * held here they may have answered. */
static void cleared(struct node *n)
{
	request_drop(n, n->roll.arc);
	n->number = ((n->number >> 16) + 1) << 16;
	status_publish(n); /* from where the next roll goes on */
	roll_close(n);
}

static void list(struct node *n)
{
	struct roll *r = &n->roll;

	if (!r->back || !r->asked || n->now - r->since < n->config.silence)
		return;
	if (incomplete(n, "no arc is taken")) {
		hole_heard(n);
		return;
	}
	void_all(n);
	r->stage = ROLL_VOID;
}

/* Nobody answers for the arc: whom the statuses name and who is not heard is voided and fenced first, so that nobody who
 * was only cut off goes on where he was.  True when that is done.  One arc at a time. */
bool roll_cleared(struct node *n, struct arc arc, uint64_t *next)
{
	struct roll *r = &n->roll;
	uint64_t sent;

	soonest(next, n->now + 100);
	if (r->stage == ROLL_CLOSED) {
		begin(n, ROLL_LIST, arc);
		find_ask(n, arc, &sent);
		r->find = n->finds;
	}
	if (r->stage == ROLL_FOUNDING || !arc_equal(r->arc, arc))
		return false;
	r->used = n->now;
	if (r->stage == ROLL_LIST)
		list(n);
	if (r->stage == ROLL_VOID && r->back)
		r->stage = ROLL_FENCE;
	if (r->stage == ROLL_FENCE) {
		if (!fence_all(n, "nobody guards its arc, and it does not answer", next))
			return false;
		cleared(n);
		return true;
	}
	/* What was on its way may be lost. */
	if (r->stage != ROLL_CLOSED && n->now - r->since >= ROLL_LOST + n->config.silence)
		hole_heard(n);
	return false;
}

void roll_tick(struct node *n, uint64_t *next)
{
	if (n->roll.stage < ROLL_LIST)
		return;
	/* Whoever had the roll called needs it no more: nobody on it is to be left unanswered. */
	if (n->now - n->roll.used >= ROLL_IDLE)
		hole_heard(n);
	else
		soonest(next, n->roll.used + ROLL_IDLE);
}
