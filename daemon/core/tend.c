/* What to change next: looks at the views as they are and makes at most one step towards views as they should be. */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static void say_taken(struct node *n, const struct entry *e, bool sealed, bool kept)
{
	uint64_t count = store_arc_count(n->store, e->v.arc);
	char text[24];

	if (sealed)
		out_log(n, NOTE_TAKEN_BACK, ABOUT(OF_ARC(e->v.arc), OF_PEER(e->peer.id)),
			"arc %s: node %08x is out before it served -> taken back with %llu records",
			arc_text(e->v.arc, text), e->peer.id, (unsigned long long)count);
	else if (kept)
		out_log(n, NOTE_TAKEN_OVER, ABOUT(OF_ARC(e->v.arc), OF_PEER(e->peer.id)),
			"arc %s: node %08x is out -> taken over with the copy of its %llu records",
			arc_text(e->v.arc, text), e->peer.id, (unsigned long long)count);
	else
		out_log(n, NOTE_TAKEN_EMPTY, ABOUT(OF_ARC(e->v.arc), OF_PEER(e->peer.id)),
			"arc %s: node %08x is out -> taken over empty, its records are lost with it",
			arc_text(e->v.arc, text), e->peer.id);
}

/* The backup, the owner being fenced, goes on alone; with the records of a copy that is sealed here, or is kept. */
static void take_over(struct node *n, struct entry *e)
{
	struct view v = {.name = name_next(n), .base = e->v.name, .arc = e->v.arc, .owner = n->self};
	/* Nobody but us can have answered since the cut, and of what came before everything is known; unless the handover
	 * under way is another one by now. */
	bool given = e->sealed && n->give.phase && arc_equal(n->give.arc, e->v.arc);
	bool known = given && n->give.phase >= GIVE_TAIL && n->give.conn == n->self.conn.count;
	size_t back_count = 0;
	struct key *back = e->sealed ? NULL : record_beating(n, e->v.arc, n->copied, &back_count);
	bool sealed = e->sealed, kept = !sealed && copy_take(n, e);
	bool voided = !e->sealed || e->voided, newer = e->stands.count > e->peer.conn.count, doubted;

	say_taken(n, e, sealed, kept);
	if (given)
		give_end(n);
	/* A taker that never served has lost nothing, unless somebody else has taken something; and what it says of itself
	 * on a newer connection than was fenced is true. */
	if (!e->absent && (voided || !newer)) {
		struct member m = e->peer;

		if (newer)
			m.conn = e->stands;
		status_gone(n, &m, voided);
		for (struct entry *o = n->entries; o < n->entry_end; o++)
			if (o->used && !e->sealed && member_same(&o->peer, &m))
				o->voided = true; /* as will be heard in a moment */
	}
	/* At the end of a doubt others may have come to the same. */
	doubted = e->doubt != 0;
	entry_drop(n, e);
	e = entry_add(n, &v, true);
	/* At the end of a doubt it may have been left out, and its copy may be an old one. */
	record_came_back(n, e, back, back_count);
	if (!known && (!kept || doubted))
		once_own(n->once, &(struct once_arc){v.arc, {v.name.number, n->counter}});
	if (doubted || (!kept && !sealed && n->config.replicas > 1))
		e->contested = n->now;
}

static bool candidate_fits(const struct node *n, const struct entry *e)
{
	return n->candidate.memory && !member_same(&n->candidate, &e->peer) && n->now - n->candidate_at < 5000;
}

/* Does it keep what it is told, and does this node tell it? */
static bool keeps_copies(const struct node *n, uint32_t minor)
{
	return n->config.replicas > 1 && minor >= 2;
}

/* Who should be the backup, if another: of the arc that ends here who says so, of one before it who is that one's, as it is
 * to be part of it. */
static const struct member *wanted_backup(struct node *n, const struct entry *e, uint32_t *minor)
{
	const struct entry *own = entry_main(n);

	if (e->v.arc.lo == e->v.arc.hi)
		return NULL;
	if (e == own && candidate_fits(n, e) && !fence_blocks(n, &n->candidate)) {
		*minor = n->candidate_minor;
		return &n->candidate;
	}
	if (e == own || !own || !own->held || !own->peer.memory || member_same(&own->peer, &e->peer) ||
	    n->config.replicas < 2 || entry_out(n, own))
		return NULL;
	*minor = own->minor;
	return &own->peer;
}

/* Another backup: mine is out, my arc has another neighbour, or there is no neighbour any more.  A new one has everything
 * first. */
static bool tend_backup(struct node *n)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		bool alone = e->v.arc.lo == e->v.arc.hi;
		const struct member *better;
		uint32_t minor = 0;

		if (!e->used || !e->mine || !e->held)
			continue;
		better = wanted_backup(n, e, &minor);
		if (!entry_out(n, e)) {
			bool serves = entry_serves(n, e);

			/* Without what it was to keep: it is told anew where it is.  Who has lost its copy keeps answers from being
			 * said, among them those for which this node may wait before it serves. */
			if ((serves ? !better && !alone : follow_owed(n, &e->peer)) && e->peer.memory &&
			    keeps_copies(n, e->minor))
				(void)follow_want(n, &e->peer, e);
			if (!serves)
				continue;
			if (better ? keeps_copies(n, minor) && !follow_want(n, better, e) : !alone || !e->peer.memory)
				continue;
		} else if (better && keeps_copies(n, minor) && !follow_whole(n, better, e->v.arc)) {
			better = NULL;
		}
		change_begin(n, CHANGE_BACKUP, e, NULL, better);
		return true;
	}
	return false;
}

/* One arc's backup has to have the other's records as well, before both are one. */
static bool one_backup(const struct node *n, const struct entry *near, const struct entry *own)
{
	if (n->config.replicas < 2 || !own->peer.memory || near->v.arc.lo == own->v.arc.hi)
		return true;
	return member_same(&near->peer, &own->peer) || !keeps_copies(n, own->minor);
}

/* An owned arc right before one's own becomes part of it. */
static bool tend_merge(struct node *n)
{
	struct entry *own = entry_main(n);

	if (!own || !own->held || own->v.arc.lo == own->v.arc.hi || !(entry_serves(n, own) || entry_out(n, own)))
		return false;
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e != own && e->used && e->v.arc.hi == own->v.arc.lo && entry_serves(n, e) &&
		    one_backup(n, e, own)) {
			change_begin(n, CHANGE_MERGE, e, own, NULL);
			return true;
		}
	return false;
}

/* Who left its place and took over from the dead may own it again, amid an arc that ends elsewhere. */
static bool tend_split(struct node *n)
{
	struct entry *e = entry_own(n, n->self.id);

	if (!e || e->v.arc.hi == n->self.id || !entry_serves(n, e))
		return false;
	change_begin(n, CHANGE_SPLIT, e, NULL, NULL);
	return true;
}

/* An owned arc that neither ends here nor touches what does goes to the owner behind it. */
static bool tend_misplaced(struct node *n, uint64_t *next)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !e->mine || !entry_serves(n, e) || e->v.arc.hi == n->self.id)
			continue;
		/* At a time of one's own: others are woken by what wakes this node. */
		if (n->now < n->retry_at) {
			soonest(next, n->retry_at);
			return false;
		}
		for (struct entry *g = n->entries; g < n->entry_end; g++)
			if (g->used && !g->mine && g->held && g->v.arc.lo == e->v.arc.hi) {
				if (older_lately(n, &g->peer, next))
					return false;
				give_begin(n, &g->peer, e->v.arc, true);
				return true;
			}
		if (n->heir.memory && n->heir_lo == e->v.arc.hi) {
			if (older_lately(n, &n->heir, next))
				return false;
			give_begin(n, &n->heir, e->v.arc, true);
			return true;
		}
		/* Who owns what begins where it ends? */
		if (n->now - e->found >= FIND_AGAIN)
			find_ask(n, (struct arc){e->v.arc.hi, e->v.arc.hi + 1}, &e->found);
		soonest(next, e->found + FIND_AGAIN);
	}
	return false;
}

static bool tend_takeover(struct node *n)
{
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && e->held && entry_out(n, e) && !entry_waits(n, e)) {
			take_over(n, e);
			return true;
		}
	return false;
}

/* ---- leaving ---- */

static void say_leave(struct node *n)
{
	struct reference_leave l = {n->self.id, n->left_successor, n->left_predecessor, true, true};
	char text[REFERENCE_TEXT_MAX];

	out_publish(n, TOPIC_LEAVE, 0, text, reference_format_leave(text, sizeof(text), &l), false);
	n->leave_said = true;
	n->leave_since = n->now;
}

static void exit_now(struct node *n)
{
	struct frame f;

	copies_leave(n);
	frame_start(n, &f, FRAME_STATUS);
	status_fill(n, &f);
	f.state = NODE_LEFT;
	if (n->connected && n->told) {
		size_t len;
		uint8_t *bytes = frame_encode(&f, &len);

		/* The farewell for those who listen. */
		out_publish(n, TOPIC_NODE, n->self.id, bytes, len, false);
		status_clear(n);
		free(bytes);
	}
	n->exiting = true;
	out_effect(n, EFFECT_EXIT)->code = n->exit_code;
}

static bool named_anywhere(const struct node *n)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used)
			return true;
	return false;
}

/* Records that lie here for others go to them first, if anybody takes them. */
static bool merges_first(struct node *n, uint64_t *next)
{
	/* Their ids may be in a hole, which is noticed and asked about before it is taken, and first somebody may have to
	 * found a ring, or to come to the end of a doubt.  Whose connection was lost begins anew: we hear him ask. */
	uint64_t patience = 2 * ((uint64_t)n->config.silence + n->config.grace + n->config.recover) + n->config.ping;

	if (!n->stash || store_empty(n->store))
		return false;
	if (!node_ready(n))
		return true;
	if (n->merge_asked && n->now - n->merge_asked < FIND_ECHO) {
		soonest(next, n->merge_asked + FIND_ECHO);
		patience *= 2;
	}
	if (n->now - n->merged_at >= patience) {
		out_log(n, NOTE_RECORDS_LOST, NULL,
			"nobody takes the %zu records that lie here for others: they are gone with this node",
			store_count(n->store));
		n->stash = false;
		return false;
	}
	soonest(next, n->merged_at + patience);
	return true;
}

static void tend_leaving(struct node *n, uint64_t *next)
{
	struct entry *e = entry_main(n);

	if (n->exiting)
		return;
	if (!named_anywhere(n)) {
		if (reference_quit(n) || merges_first(n, next))
			return;
		if (n->take.phase || n->give.phase)
			take_end(n);
		if (!n->been_active || !node_ready(n) || n->seek.active) {
			out_log(n, NOTE_LEFT, NULL, "leaving without an arc");
			exit_now(n);
		} else if (!n->leave_said) {
			say_leave(n);
		} else if (n->leave_acks >= 2 || n->now - n->leave_since >= 500) {
			out_log(n, NOTE_LEFT, NULL, "left the ring in good order");
			follow_leave(n);
			exit_now(n);
		}
		soonest(next, n->leave_since + 500);
		return;
	}
	if (reference_quit(n) || !e || n->give.phase || n->take.phase || n->change.kind || n->backlog ||
	    !entry_serves(n, e))
		return;
	if (n->now < n->retry_at) {
		soonest(next, n->retry_at);
		return;
	}
	if (e->peer.memory && older_lately(n, &e->peer, next))
		return;
	n->left_predecessor = e->v.arc.lo;
	if (e->peer.memory) {
		n->left_successor = e->peer.id;
		give_begin(n, &e->peer, e->v.arc, true);
	} else if (e->v.arc.lo == n->self.id) {
		/* Whom we have fenced may be there, and is back in a moment. */
		if (store_count(n->store) && n->fenced_at && n->now - n->fenced_at < 2 * (uint64_t)n->config.grace) {
			soonest(next, n->fenced_at + 2 * (uint64_t)n->config.grace);
			return;
		}
		n->left_successor = n->left_predecessor = n->self.id;
		if (n->durable) {
			out_log(n, NOTE_LAST_KEPT, NULL,
				"the last node leaves: %zu records stay in its directory, and the ring with them",
				store_count(n->store));
			exit_now(n);
			return;
		}
		if (store_count(n->store))
			out_log(n, NOTE_LAST_LEFT, NULL, "the last node leaves: %zu records are gone with it",
				store_count(n->store));
		founder_clear(n);
		entry_drop(n, e);
		exit_now(n);
	}
}

void on_ack_leave(struct node *n, const uint8_t *p, size_t len)
{
	uint32_t leaver, acker;
	const char *why = reference_parse_ack_leave(p, len, &leaver, &acker);

	if (why)
		out_complain(n, "ack-leave", why, p, len);
	else if (leaver == n->self.id)
		reference_pong(n, acker);
	if (!why && n->leave_said && leaver == n->self.id)
		n->leave_acks += n->left_successor == n->left_predecessor ? 2 : 1;
}

/* The arc has already moved; the public words only inform. */
void on_leave_public(struct node *n, const uint8_t *p, size_t len)
{
	struct reference_leave l;
	const char *why = reference_parse_leave(p, len, &l);
	char text[REFERENCE_TEXT_MAX];

	if (why) {
		out_complain(n, "leave", why, p, len);
		return;
	}
	if (l.id == n->self.id)
		reference_own_leave(n);
	if (l.id == n->self.id || !entry_main(n))
		return;
	/* Each side that it names and that is us; twice where we are both. */
	for (int side = 0; side < 2; side++)
		if (side ? l.has_predecessor && l.predecessor == n->self.id
			 : l.has_successor && l.successor == n->self.id)
			out_publish(n, TOPIC_ACK_LEAVE, 0, text,
				    reference_format_ack_leave(text, sizeof(text), l.id, n->self.id), false);
	reference_leave(n, &l);
	/* A guard of ours that goes away is asked, whoever says so. */
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->peer.memory && e->peer.id == l.id && !e->silent)
			e->heard = 0;
}

static bool owns_what_holds(const struct node *n)
{
	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && e->mine && e->held)
			return true;
	return false;
}

void tend(struct node *n, uint64_t *next)
{
	bool frozen = n->give.phase > GIVE_STREAM && n->give.phase < GIVE_SEALED;

	if (!node_ready(n))
		goto leaving;
	if (!n->change.kind && !frozen) {
		if (tend_takeover(n) || tend_backup(n) || tend_split(n) || tend_merge(n)) {
			soonest(next, n->now);
			return;
		}
	}
	if (!n->change.kind && !n->give.phase && !n->take.phase)
		if (tend_misplaced(n, next) || (!n->stopping && n->now >= n->retry_at && waiting_offer(n)))
			return;
	/* It came back amid a handover that gave its last arc, and has that again, or has taken one over. */
	if (n->seek.active && !n->refused && owns_what_holds(n))
		seek_end(n);
	if (n->been_active && !n->seek.active && !n->stopping && !entry_any_own(n) && !n->take.phase) {
		out_log(n, NOTE_REJOIN, NULL, "owns no arc any more -> joining again");
		seek_begin(n);
		soonest(next, n->now);
	}
leaving:
	if (n->stopping)
		tend_leaving(n, next);
}
