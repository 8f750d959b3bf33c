/* What the world is told of this node. */
#include <stdio.h>
#include <string.h>

#include "core.h"

void status_fill(struct node *n, struct frame *f)
{
	const struct entry *e = entry_main(n);

	f->state = n->state;
	f->seq = n->number;
	f->since = n->now - n->state_since;
	f->count = store_count(n->store);
	memory_status(n, f);
	f->predecessor = f->successor = n->self.id;
	memcpy(f->name, n->config.name, sizeof(f->name));
	snprintf(f->software, sizeof(f->software), "%s", n->config.software);
	if (!e)
		return;
	f->arc = e->v.arc;
	f->arc_set = true;
	f->epoch = e->v.name.number;
	f->copies = room_copies(n, e);
	f->wanted = n->config.replicas;
	f->behind = follow_behind(n);
	f->predecessor = e->v.arc.lo;
	if (!reference_successor(n, &f->successor) && e->peer.memory)
		f->successor = e->peer.id;
}

/* With what it owns, or with what it is taking. */
static void publish(struct node *n, const struct arc *taking)
{
	struct frame f;

	frame_start(n, &f, FRAME_STATUS);
	status_fill(n, &f);
	if (taking) {
		f.arc = *taking;
		f.arc_set = true;
		f.predecessor = taking->lo;
	}
	frame_send(n, &f, TOPIC_NODE, n->self.id);
	n->told = true;
	echo_await(n, ECHO_NODE);
}

void status_publish(struct node *n)
{
	publish(n, NULL);
	n->announced_at = n->now;
}

/* Of a joiner that is about to store its views: it may own the arc before it knows. */
void status_taking(struct node *n, struct arc arc)
{
	publish(n, &arc);
}

/* Nothing stays retained of this node. */
void status_clear(struct node *n)
{
	out_publish(n, TOPIC_NODE, n->self.id, "", 0, true);
}

/* Of a member that is out: what it said of itself does not stand for ever.  If an arc has been taken from it, it is to
 * find that there when it comes back. */
void status_gone(struct node *n, const struct member *m, bool voided)
{
	struct frame f;

	frame_start(n, &f, FRAME_STATUS);
	f.from = *m;
	f.state = NODE_GONE;
	f.seq = n->number;
	f.flag = voided;
	frame_send(n, &f, TOPIC_NODE, m->id);
	watched_over(n, m->id);
}

static enum node_state state_now(struct node *n)
{
	bool own = false, suspect = false;

	if (n->exiting)
		return NODE_LEFT;
	for (const struct entry *e = n->entries; e < n->entry_end; e++) {
		if (!e->used || !e->mine)
			continue;
		own |= e->held || (n->been_active && n->take.phase != TAKE_STORED);
		suspect |= e->held ? e->peer.memory && !e->confirmed && !n->change.kind
				   : !change_makes(n, e) && n->take.phase != TAKE_STORED;
		suspect |= !entry_settled(n, e) && e->contested;
	}
	if (!n->connected)
		return own ? NODE_SUSPECT : NODE_CONNECTING;
	if (n->stopping)
		return NODE_LEAVING;
	if (!own)
		return node_ready(n) ? NODE_JOINING : NODE_CONNECTING;
	/* Amid a change begun on an earlier connection nobody has confirmed it on this one. */
	suspect |= n->change.kind && (n->change.conn != n->self.conn.count || n->change.doubted);
	return suspect || !node_ready(n) ? NODE_SUSPECT : NODE_ACTIVE;
}

/* One derived state, told when it changes: no flag can disagree with the views. */
void state_update(struct node *n)
{
	enum node_state s = state_now(n);
	struct effect *e;

	if (s == n->state)
		return;
	out_log(n, s == NODE_SUSPECT ? NOTE_SUSPECT : NOTE_STATE, NULL, "%s -> %s", node_state_name(n->state),
		node_state_name(s));
	n->state = s;
	n->state_since = n->now;
	if (s == NODE_ACTIVE)
		n->been_active = true;
	e = out_effect(n, EFFECT_STATE);
	e->state = s;
	/* Who is in no view any more is no sign of a ring, until he is in one again. */
	if ((s == NODE_ACTIVE || s == NODE_LEAVING) && n->entry_end > n->entries)
		status_publish(n);
	else if (s == NODE_LEAVING)
		n->restate = true;
}

/* What stands under our own name, if not what we say ourselves: a late will, of ours or of who had the id before, or
 * nothing.  It is put right (watch.c).  Who has taken our arc without us has written so here, before he fenced us (roll.c):
 * on this connection that counts if our own status was not there first. */
static void on_own_status(struct node *n, const struct frame *f)
{
	bool ours = member_same(&f->from, &n->self), here = ours && conn_equal(&f->from.conn, &n->self.conn);

	if (here)
		echo_heard(n, ECHO_NODE);
	if (here && f->state != NODE_GONE) {
		n->recheck |= !n->announced;
		n->announced = true;
		n->restate = false;
	} else if (ours && f->state == NODE_GONE && f->flag && (here || !n->announced) && n->entry_end > n->entries) {
		node_give_up(n, "its arc has been taken over while it was away");
		n->restate = n->stopping; /* a leaver may yet be a backup, and owner, again */
	} else {
		n->restate = true;
		if (ours)
			n->announced_at = 0; /* no other process says so of itself: at once */
	}
}

void on_status(struct node *n, const struct frame *f)
{
	if (f->from.id == n->self.id) {
		on_own_status(n, f);
		return;
	}
	reference_stands(n, f);
	number_learn(n, f->seq); /* what we may write over it tells no less */
	for (struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && member_same(&e->peer, &f->from)) {
			e->voided = f->state == NODE_GONE && f->flag;
			if (f->state != NODE_GONE)
				e->stands = f->from.conn;
		}
	if (f->state != NODE_GONE)
		return;
	/* A void says that an arc was taken; and whose connection a fence ends is watched by the fence. */
	if (!f->flag && !fence_blocks(n, &f->from))
		entry_gone(n, &f->from);
	/* That a taker lost what it once owned (roll.c) says nothing of what it takes now. */
	if (!f->flag && n->give.phase && n->give.phase < GIVE_GRANTED && conn_equal(&f->from.conn, &n->give.taker.conn))
		give_end(n);
	if ((n->take.phase == TAKE_SUBSCRIBE || n->take.phase == TAKE_STREAM) &&
	    conn_equal(&f->from.conn, &n->take.giver.conn)) {
		/* It has not called the handover off before its end: what is held since the cut may be ours to answer. */
		n->take.cut = false;
		take_end(n);
		seek_sign(n, 50);
	}
}

void on_who(struct node *n, const struct frame *f)
{
	struct frame r;

	if (!topic_is_reply(f->reply, n->config.topic_prefix))
		return;
	frame_start(n, &r, FRAME_STATUS);
	status_fill(n, &r);
	r.doubt_count = (uint8_t)recover_doubts(n, r.doubts);
	r.flag = n->config.never; /* in doubt until an operator gives it up */
	frame_reply(n, &r, f->reply);
}

void on_leave_request(struct node *n, const struct frame *f)
{
	struct frame r;

	if (!topic_is_reply(f->reply, n->config.topic_prefix))
		return;
	frame_start(n, &r, FRAME_REPLY);
	r.reason = n->state == NODE_ACTIVE || n->stopping ? REASON_LEAVING : REASON_NOT_ACTIVE;
	frame_reply(n, &r, f->reply);
	if (r.reason == REASON_LEAVING)
		node_stop(n, "asked to leave");
}

/* ---- what judges and tests may see ---- */

void node_describe(const struct node *node, char *out, size_t size)
{
	struct node *n = (struct node *)node;
	const struct entry *e = entry_main(n);
	char arc[24];

	if (!e) {
		snprintf(out, size, "%s", node_state_name(n->state));
		return;
	}
	snprintf(out, size, "%s, %.1f %% of the ring %s, %zu records %s, %u of %u copies", node_state_name(n->state),
		 100.0 * (double)ring_size(e->v.arc) / 4294967296.0, arc_text(e->v.arc, arc), store_count(n->store),
		 n->durable ? "on disk" : "in memory", room_copies(n, e), n->config.replicas);
}

enum node_state node_get_state(const struct node *n)
{
	return n->state;
}

bool node_serves(const struct node *n, uint32_t id)
{
	const struct entry *e = entry_own((struct node *)n, id);

	return e && entry_serves(n, e) && !give_holds(n, id) && !take_holds(n, id);
}

size_t node_record_count(const struct node *n)
{
	return store_count(n->store);
}

size_t node_held_bytes(const struct node *n)
{
	return n->held_bytes;
}

uint64_t node_forgotten(const struct node *n)
{
	struct once_count count = once_count(n->once);

	return count.forgotten + count.crowded_out;
}

bool node_version(const struct node *n, const struct key *key, struct version *version)
{
	const struct store *stores[] = {n->store, n->copied, n->replaced, n->take.staging};
	bool any = false;

	*version = (struct version){0};
	for (unsigned i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		struct store_item item;

		if (!stores[i] || !store_get(stores[i], *key, &item))
			continue;
		if (!any || version_newer(item.version, *version))
			*version = item.version;
		any = true;
	}
	return any;
}

const uint8_t *node_record(const struct node *n, const struct key *key, size_t *len)
{
	struct store_item item;

	if (!record_live(n, key, &item))
		return NULL;
	*len = item.len;
	return item.value;
}

struct ring_id node_get_ring(const struct node *n)
{
	return n->ring;
}

bool node_get_backup(const struct node *n, uint32_t id, struct member *backup, bool *lost)
{
	const struct entry *e = entry_own((struct node *)n, id);

	if (!e || !e->held || !e->v.backup.memory)
		return false;
	*backup = e->v.backup;
	*lost = !follow_whole((struct node *)n, backup, e->v.arc);
	return !*lost || follow_owed((struct node *)n, backup);
}

bool node_loose(const struct node *n, bool (*except)(void *arg, const struct copy_stream *by), void *arg)
{
	return copy_loose(n, (struct arc){0, 0}, except, arg);
}

bool node_get_arc(const struct node *n, struct arc *arc)
{
	const struct entry *e = entry_main((struct node *)n);

	if (e)
		*arc = e->v.arc;
	return e != NULL;
}
