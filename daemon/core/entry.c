#include <stdio.h>
#include <string.h>

#include "core.h"

bool name_equal(const struct view_name *a, const struct view_name *b)
{
	return a->number == b->number && a->maker == b->maker;
}

/* The order in which of two views of one arc, neither in the other's history, the lower gives way. */
bool name_less(const struct view_name *a, const struct view_name *b)
{
	return a->number != b->number ? a->number < b->number : a->maker < b->maker;
}

bool arc_equal(struct arc a, struct arc b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

bool arc_overlap(struct arc a, struct arc b)
{
	return ring_contains(a, b.hi) || ring_contains(b, a.hi);
}

bool view_names(const struct view *v, const struct member *m)
{
	return member_same(&v->owner, m) || member_same(&v->backup, m);
}

const char *arc_text(struct arc arc, char out[24])
{
	snprintf(out, 24, "(%08x, %08x]", arc.lo, arc.hi);
	return out;
}

struct entry *entry_own(struct node *n, uint32_t id)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && ring_contains(e->v.arc, id))
			return e;
	return NULL;
}

bool entry_any_own(const struct node *n)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine)
			return true;
	return false;
}

struct entry *entry_main(struct node *n)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->v.arc.hi == n->self.id)
			return e;
	return NULL;
}

struct entry *entry_named(struct node *n, const struct view_name *name)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && name_equal(&e->v.name, name))
			return e;
	return NULL;
}

struct entry *entry_over(struct node *n, struct arc arc)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && arc_overlap(e->v.arc, arc))
			return e;
	return NULL;
}

/* The newest connection we know of a member, whichever view told us. */
void entry_newest_conn(const struct node *n, struct member *m)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && member_same(&e->peer, m) && e->peer.conn.count > m->conn.count)
			m->conn = e->peer.conn;
}

struct entry *entry_add(struct node *n, const struct view *v, bool held)
{
	struct entry *e = n->entries;

	while (e < n->entry_end && e->used)
		e++;
	if (e == n->entries + ENTRY_MAX) {
		out_log(n, NOTE_TOO_MANY_VIEWS, NULL, "more than %d views: one more is refused", ENTRY_MAX);
		return NULL;
	}
	*e = (struct entry){.v = *v, .mine = member_same(&v->owner, &n->self), .held = held, .heard = n->now};
	e->peer = e->mine ? v->backup : v->owner;
	if (e->peer.memory)
		entry_newest_conn(n, &e->peer);
	e->used = true;
	if (e == n->entry_end)
		n->entry_end++;
	if (v->name.number > n->number)
		n->number = v->name.number;
	n->recheck = true;
	return e;
}

void entry_past(struct node *n, const struct view *v)
{
	n->past[n->past_next++ % PAST_MAX] = (struct past){v->arc, v->name, v->base};
}

/* Another ring counts its views anew. */
void entry_past_forget(struct node *n)
{
	memset(n->past, 0, sizeof(n->past));
}

/* Of the attempts from one base one holds.  It is v: the others never did, and nothing later stands.  True if some were
 * remembered. */
bool entry_past_attempts(struct node *n, const struct view *v)
{
	bool found = false;

	for (struct past *p = n->past; p < n->past + PAST_MAX; p++)
		if (p->name.number && p->name.maker == v->name.maker && name_equal(&p->base, &v->base) &&
		    !name_equal(&p->name, &v->name) && arc_overlap(p->arc, v->arc)) {
			*p = (struct past){0};
			found = true;
		}
	return found;
}

static bool after(const struct past *p, const struct view *v, struct arc part, const struct view_name *base)
{
	return p->name.number > base->number && arc_overlap(p->arc, part) &&
	       !(p->name.maker == v->name.maker && name_equal(&p->base, &v->base));
}

/* Is v made from a view whose arc has moved on through here?  (Earlier attempts of its own do not count.) */
bool entry_outlived(const struct node *n, const struct view *v)
{
	for (const struct past *p = n->past; p < n->past + PAST_MAX; p++) {
		if (!p->name.number)
			continue;
		if (!v->far_base.number ? after(p, v, v->arc, &v->base)
					: after(p, v, (struct arc){v->arc.lo, v->split}, &v->base) ||
						  after(p, v, (struct arc){v->split, v->arc.hi}, &v->far_base))
			return true;
	}
	return false;
}

struct past entry_past_last(const struct node *n, struct arc arc)
{
	struct past last = {0};

	for (unsigned i = 0; i < PAST_MAX; i++)
		if (name_less(&last.name, &n->past[i].name) && arc_overlap(n->past[i].arc, arc))
			last = n->past[i];
	return last;
}

void entry_drop(struct node *n, struct entry *e)
{
	entry_past(n, &e->v);
	if (e->sealed)
		merge_soon(n); /* a copy whose taker never said ACTIVE: merged, or found to be older */
	e->used = false;
	while (n->entry_end > n->entries && !n->entry_end[-1].used)
		n->entry_end--;
	n->recheck = true;
}

/* Who needs nobody's confirmation still lets those speak first who may know better; so does who was away for so long that the
 * arc may have been taken over his head, and his guard's, who would confirm it.  And while somebody claims the arc
 * under a lower name he is given the time to hear of it (PROTOCOL.md section 5, rule 5). */
bool entry_settled(const struct node *n, const struct entry *e)
{
	if ((!e->peer.memory || n->away) && n->self.conn.count > 1 && n->now - n->connected_at < SETTLE)
		return false;
	if (e->awaited && n->now - e->awaited < n->config.recover)
		return false;
	return !e->contested || n->now - e->contested >= SETTLE;
}

bool entry_serves(const struct node *n, const struct entry *e)
{
	if (!entry_settled(n, e) || (!n->announced && n->self.conn.count > 1))
		return false;
	return e->used && e->mine && e->held && (!e->peer.memory || e->confirmed) && node_ready(n);
}

/* Is the other member out?  Who holds no view any more may have given it up to somebody whom he does not know: a guard to
 * whom it was not confirmed on this connection may have slept through all that, and doubts first (rule 5). */
bool entry_out(struct node *n, const struct entry *e)
{
	bool absent = e->absent && (e->mine || e->confirmed || e->cleared);

	return e->peer.memory && (absent || fence_done(n, &e->peer));
}

/* The taker of what is sealed here has served nobody: all that it has said since GRANT has been heard.  Else its ACTIVE may
 * have been lost with a connection, or with a process. */
bool entry_unserved(const struct node *n, const struct entry *e)
{
	return e->sealed && n->give.phase && arc_equal(n->give.arc, e->v.arc) && n->give.conn == n->self.conn.count;
}

bool entry_waits(struct node *n, const struct entry *e)
{
	return recover_waits(n, e->v.arc) && !e->mine && !entry_unserved(n, e) && !e->absent && !copy_whole(n, e);
}

/* Beyond the term of our ring, and of the one that is registered, nobody has counted: it is of a ring that is gone, or a
 * stranger's word. */
bool number_believed(const struct node *n, uint64_t number)
{
	return number >> 32 <= n->seen.term || number >> 32 <= n->ring.term;
}

void number_learn(struct node *n, uint64_t number)
{
	if (number > n->number && number_believed(n, number))
		n->number = number;
}

/* Two processes of one id are not to make two views of one name. */
uint32_t name_maker(const struct node *n)
{
	return (uint32_t)n->self.memory;
}

struct view_name name_next(struct node *n)
{
	return (struct view_name){++n->number, name_maker(n)};
}

/* Whoever is dealt with under an older connection has a new one. */
static void heard_elsewhere(struct node *n, const struct member *from)
{
	for (unsigned i = 0; n->change.kind && i < n->change.party_count; i++) {
		struct party *p = &n->change.party[i];

		if (member_same(&p->m, from) && from->conn.count > p->m.conn.count) {
			p->m.conn = from->conn;
			p->stored = false;
			n->change.sent = 0;
		}
	}
	if (n->give.phase && member_same(&n->give.taker, from) && from->conn.count > n->give.taker.conn.count)
		n->give.taker.conn = from->conn;
	if (member_same(&n->heir, from) && from->conn.count > n->heir.conn.count)
		n->heir.conn = from->conn;
	if (n->take.phase && member_same(&n->take.giver, from) && from->conn.count > n->take.giver.conn.count)
		n->take.giver.conn = from->conn;
}

void entry_heard(struct node *n, const struct frame *f)
{
	const struct member *from = &f->from;

	heard_elsewhere(n, from);
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !member_same(&e->peer, from) || from->conn.count < e->peer.conn.count)
			continue;
		if (from->conn.count > e->peer.conn.count) {
			e->peer.conn = from->conn;
			e->gone = 0;
			n->recheck = true;
		}
		n->recheck |= e->gone != 0;
		e->minor = f->minor;
		e->gone = 0; /* heard behind its will, in the one order: the will was not its own */
		e->silent = 0;
	}
}

void entry_gone(struct node *n, const struct member *who)
{
	uint64_t grace = 0;
	bool said = true;

	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || e->gone || !member_same(&e->peer, who) || !conn_equal(&e->peer.conn, &who->conn))
			continue;
		e->gone = n->now;
		e->asked = 0;
		n->recheck = true;
		said = false;
		if (watch_grace(n, e) > grace)
			grace = watch_grace(n, e);
	}
	if (!said) /* once, also of who is a neighbour on both sides */
		out_log(n, NOTE_NODE_LOST, ABOUT(OF_PEER(who->id)),
			"node %08x: its connection ended -> it has %u ms to come back", who->id, (unsigned)grace);
}

void node_give_up(struct node *n, const char *why)
{
	take_give_up(n);
	out_log(n, NOTE_OUSTED, ABOUT(OF_REASON(why)),
		"giving up every view: %s -> joining again with %zu records, to be merged", why, store_count(n->store));
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used)
			entry_drop(n, e);
	n->change.kind = CHANGE_NONE;
	give_end(n);
	follow_end_all(n);
	tell_forget(n); /* nobody may have what it would say */
	copy_forget_all(n);
	once_clear(n->once);
	fence_void(n);
	hole_forget(n);
	request_forget(n);
	n->candidate.memory = 0;
	if (n->ring.term)
		n->stash_ring = n->ring;
	n->ring = (struct ring_id){0};
	merge_soon(n);
	n->stash_at = n->merged_at = n->now;
	seek_begin(n);
}
