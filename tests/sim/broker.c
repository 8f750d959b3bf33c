/* One Mosquitto: it takes one packet at a time and appends it to the FIFO of each subscriber, so that all see one order
 * (PROTOCOL.md, section 1; pitfalls B24).  Where it may do worse than that, the clause of MQTT 3.1.1, or the number of the
 * pitfall that was seen in a real broker, stands beside it. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

/* ---- the one order ---- */

/* QoS 0 to a connected reader is dropped when it comes on top of a full queue, and nobody is told (B13, B14: snapshots
 * too); so one slow reader loses a whole stretch, the newest first.  Single drops stand for what other brokers do. */
static bool dropped(struct world *w, struct link *l)
{
	const struct swarm *s = &w->swarm;

	if (s->queue_limit && l->in_count >= s->queue_limit) {
		w->stats[STAT_OVERFLOW]++;
		return true;
	}
	if (!s->drop || !(s->drop_control || l->client) || !rng_chance(&l->rng, s->drop))
		return false;
	w->stats[STAT_DROP]++;
	return true;
}

static void append(struct world *w, uint32_t link, struct packet *p)
{
	struct link *l = &w->links[link];
	char text[256];

	if ((w->swarm.drop || w->swarm.queue_limit) && dropped(w, l)) {
		story_of(w, STORY_UNHEARD, link, p);
		if (p->op && !l->client)
			w->ops[p->op - 1].excused = true; /* nobody can answer what nobody got */
		if (w->options.trace)
			trace(w, "broker  DROPS %s for %s", trace_packet(w, p, text, sizeof(text)), l->client_id);
		return;
	}
	w->stats[STAT_DELIVERED]++;
	link_deliver(w, link, packet_ref(p));
}

static struct volume *volume_of(struct world *w, const struct packet *p)
{
	enum topic_kind kind = w->topics[p->topic].kind;

	if (kind < TOPIC_RING)
		return &w->traffic[TRAFFIC_REFERENCE];
	if (kind > TOPIC_RING)
		return &w->traffic[TRAFFIC_NODES];
	return &w->traffic[packet_frame(p) == FRAME_HELLO ? TRAFFIC_HELLO : TRAFFIC_RING];
}

/* One copy for overlapping filters (B18; [MQTT-3.3.5-1]): the first `before` filters above a cell have had theirs. */
static void append_filtered(struct world *w, const struct sim_topic *t, const struct sim_topic *f, unsigned before,
			    struct packet *p)
{
	for (size_t i = 0; i < f->link_count; i++) {
		bool had = topic_has(t, f->links[i]);

		for (unsigned j = 0; j < before && !had; j++)
			had = topic_has(&w->topics[t->up[j]], f->links[i]);
		if (!had)
			append(w, f->links[i], p);
	}
}

void broker_publish(struct world *w, uint32_t from, struct packet *p)
{
	struct sim_topic *t = &w->topics[p->topic];
	struct volume *volume = volume_of(w, p);
	uint64_t delivered = w->stats[STAT_DELIVERED];

	w->place++;
	w->stats[STAT_PUBLISHED]++;
	p->from = from;
	story_placed(w, from, p);
	if (p->retain) {
		w->cells_retained = w->cells_retained || t->cells;
		packet_unref(t->retained);
		t->retained = p->len ? packet_ref(p) : NULL;
	}
	judge_publish(w, from, p);
	if (w->swarm.mean[FAULT_STRANGER])
		strange_record(w, p);
	p->retain = false; /* to those subscribed already [MQTT-3.3.1-9] */
	for (size_t i = 0; i < t->link_count; i++)
		append(w, t->links[i], p);
	for (size_t i = 0; i < w->wild_count; i++)
		if (w->topics[w->wild[i]].link_count && topic_matches(w->topics[w->wild[i]].name, t->name))
			append_filtered(w, t, &w->topics[w->wild[i]], 0, p);
	for (unsigned i = 0; t->kind == TOPIC_CELL && i < CELL_DIGITS; i++)
		append_filtered(w, t, &w->topics[t->up[i]], i, p);
	volume->published++;
	volume->delivered += w->stats[STAT_DELIVERED] - delivered;
	if (from != NONE && w->swarm.aim_type)
		aim_look(w, from, p);
}

static void send_one_retained(struct world *w, uint32_t link, uint32_t topic)
{
	const struct packet *retained = w->topics[topic].retained;
	struct packet *copy;

	if (!retained)
		return;
	copy = packet_new(PACKET_PUBLISH, topic, retained->bytes, retained->len);
	copy->retain = true;
	append(w, link, copy);
	packet_unref(copy);
}

static void send_retained(struct world *w, uint32_t link, uint32_t filter)
{
	if (w->topics[filter].cells && !w->cells_retained) /* mostly nothing is */
		return;
	if (!w->topics[filter].wildcard) {
		send_one_retained(w, link, filter);
		return;
	}
	for (uint32_t i = 0; i < w->topic_count; i++) {
		if (w->topics[i].retained && topic_matches(w->topics[filter].name, w->topics[i].name))
			send_one_retained(w, link, i);
	}
}

/* A broker may refuse a subscription; its SUBACK (0x80) alone says so [MQTT-3.9.3-2]. */
static bool refused(struct world *w, uint32_t link, uint32_t topic)
{
	struct packet *suback;

	if (!w->swarm.refuse || !rng_chance(&w->links[link].rng, w->swarm.refuse))
		return false;
	w->stats[STAT_REFUSED]++;
	judge_disturbed(w);
	w->links[link].refused = true;
	story_mark(w, STORY_REFUSED, story_lane(w, link), 0);
	suback = packet_new(PACKET_SUBACK, topic, NULL, 0);
	trace(w, "broker  REFUSES %s to %s", w->topics[topic].name, w->links[link].client_id);
	link_deliver(w, link, suback);
	return true;
}

/* The topics of a SUBSCRIBE or UNSUBSCRIBE behind the first, which is the packet's. */
static size_t more_topics(const struct packet *p, const uint32_t **topics)
{
	*topics = (const uint32_t *)(const void *)p->bytes;
	return p->len / sizeof(**topics);
}

void broker_subscribe(struct world *w, uint32_t link, const struct packet *p)
{
	const uint32_t *more;
	size_t count = more_topics(p, &more);

	topic_subscribe(w, link, p->topic);
	for (size_t i = 0; i < count; i++)
		topic_subscribe(w, link, more[i]);
}

static void unsubscribe_all(struct world *w, uint32_t link, const struct packet *p)
{
	const uint32_t *more;
	size_t count = more_topics(p, &more);

	topic_unsubscribe(w, link, p->topic);
	for (size_t i = 0; i < count; i++)
		topic_unsubscribe(w, link, more[i]);
}

static void send_all_retained(struct world *w, uint32_t link, const struct packet *p)
{
	const uint32_t *more;
	size_t count = more_topics(p, &more);

	send_retained(w, link, p->topic);
	for (size_t i = 0; i < count; i++)
		send_retained(w, link, more[i]);
}

static void answer_subscribe(struct world *w, uint32_t link, struct packet *p)
{
	struct rng *r = &w->links[link].rng;
	uint32_t topic = p->topic;
	struct packet *suback;
	bool first = rng_below(r, 2) != 0; /* 3.8.4: messages may come before the SUBACK, or behind it */
	bool late = w->swarm.suback_late && rng_chance(r, w->swarm.suback_late); /* ... long before it (D2) */
	uint64_t at;

	if (refused(w, link, topic))
		return;
	suback = packet_new(PACKET_SUBACK, topic, NULL, 0);
	suback->granted = true;
	at = late ? w->now + rng_scale(r, MS, w->swarm.gentle ? 500 * MS : 5 * SECOND) : w->now;
	if (late && w->swarm.disorder && first) { /* of a cluster: it is told before it acts everywhere */
		w->stats[STAT_SUBSCRIBE_LATE]++;
		link_deliver(w, link, suback);
		queue_push(&w->queue, at, ENTRY_SUBSCRIBE, link, 0, packet_ref(p));
		return;
	}
	broker_subscribe(w, link, p);
	w->stats[STAT_SUBACK_LATE] += late;
	if (late)
		queue_push(&w->queue, at, ENTRY_SUBACK, link, 0, suback);
	else if (first)
		link_deliver(w, link, suback);
	send_all_retained(w, link, p);
	if (!first && !late)
		link_deliver(w, link, suback);
}

/* No CONNACK in 5 s: its owner gives it up (A27).  Either the broker never read it, or it has a session, with a will, of
 * which its owner knows nothing. */
static void connack_lost(struct world *w, uint32_t link, bool session)
{
	struct link *l = &w->links[link];
	uint64_t at = w->now + 5 * SECOND;

	w->stats[STAT_CONNACK_LOST]++;
	story_mark(w, STORY_IGNORED, story_lane(w, link), 0);
	l->in_drop = w->now;
	l->state = session ? LINK_LIVE : LINK_DEAD;
	if (session)
		queue_push(&w->queue, at + rng_below(&l->rng, SECOND), ENTRY_LINK_DEAD, link, 0, NULL);
	queue_push(&w->queue, at, ENTRY_DELIVER, link, 0, packet_new(PACKET_CLOSED, NONE, NULL, 0));
	fault_lasts(w, at + SECOND);
}

static void accept_connection(struct world *w, uint32_t link)
{
	struct link *l = &w->links[link];

	if (!w->broker_up) {
		l->state = LINK_DEAD;
		packet_unref(l->will);
		l->will = NULL;
		link_deliver(w, link, packet_new(PACKET_CLOSED, NONE, NULL, 0));
		return;
	}
	if (w->swarm.connack_lost && rng_chance(&l->rng, w->swarm.connack_lost)) {
		connack_lost(w, link, rng_below(&l->rng, 2) != 0);
		return;
	}
	l->state = LINK_LIVE;
	link_deliver(w, link, packet_new(PACKET_CONNACK, NONE, NULL, 0));
}

/* The outbox has fallen from above its high mark to empty. */
static void drained(struct world *w, uint32_t link, const struct packet *p)
{
	struct link *l = &w->links[link];

	l->out_bytes -= p->len;
	if (l->out_high && l->out_bytes == 0) {
		l->out_high = false;
		queue_push(&w->queue, w->now, ENTRY_DELIVER, link, 0, packet_new(PACKET_DRAINED, NONE, NULL, 0));
	}
}

/* Borrows p. */
void broker_receive(struct world *w, uint32_t link, struct packet *p)
{
	const struct link *l;

	drained(w, link, p);
	if (w->options.sweep)
		sweep_before(w, link, p);
	l = &w->links[link];
	if (l->state == LINK_DEAD || w->now >= l->out_drop) {
		w->stats[STAT_UNHEARD]++;
		story_of(w, STORY_UNSENT, link, p);
		return;
	}
	switch (p->type) {
	case PACKET_CONNECT:
		accept_connection(w, link);
		break;
	case PACKET_SUBSCRIBE:
		answer_subscribe(w, link, p);
		break;
	case PACKET_UNSUBSCRIBE:
		unsubscribe_all(w, link, p);
		break;
	case PACKET_PUBLISH:
		broker_publish(w, link, p);
		break;
	case PACKET_DISCONNECT:
		w->links[link].clean = true;
		link_close(w, link, false, false);
		break;
	default:
		mem_die("a packet that no client sends");
	}
}

/* The last owner has left, and this one lingers with a record that nobody takes: to who founds a ring anew it is what the
 * register names. */
static bool lingers(const struct world *w, const struct link *l)
{
	const struct proc *p = w->procs[l->owner];
	struct arc arc;

	return !l->client && !l->stranger && p->alive && p->stop_asked && !node_get_arc(p->node, &arc);
}

/* A CONNECT with somebody else's client id: that session ends before the CONNACK [MQTT-3.1.4-2]; when its will comes is
 * another matter (B2, B3, C4). */
static void take_over(struct world *w, const struct conn *conn)
{
	char id[CONN_TEXT];

	conn_format(conn, id);
	w->place++;
	for (uint32_t i = 0; i < w->link_count; i++) {
		if (w->links[i].state != LINK_LIVE || strcmp(w->links[i].client_id, id) != 0)
			continue;
		w->stats[STAT_FENCE_HIT]++;
		if (w->swarm.gentle && !lingers(w, &w->links[i]))
			fail(w, "gentle: %s is fenced though nothing is wrong", id);
		judge_disturbed(w);
		link_close(w, i, true, true);
	}
}

void broker_fence(struct world *w, uint32_t proc, uint32_t link, struct packet *p)
{
	uint64_t delay = link_delay(w, link, w->swarm.delay_base, w->swarm.delay_spread);

	p->granted = w->broker_up;
	if (w->broker_up)
		take_over(w, &p->conn);
	if (p->granted && rng_chance(&w->links[link].rng, w->swarm.fence_lost)) {
		w->stats[STAT_FENCE_UNKNOWN]++;
		w->fence_lost_at = w->now;
		p->granted = false;
		delay += 5 * SECOND;
	}
	queue_push(&w->queue, w->now + delay, ENTRY_FENCED, proc, link, packet_ref(p));
}

/* ---- the broker as a process ---- */

/* Persistence writes now and then, not at each change (B25). */
void broker_autosave(struct world *w)
{
	for (size_t i = 0; i < w->topic_count; i++) {
		struct sim_topic *t = &w->topics[i];

		packet_unref(t->retained_old);
		t->retained_old = t->retained ? packet_ref(t->retained) : NULL;
	}
}

static void forget(struct world *w, enum retained_fate fate)
{
	for (size_t i = 0; i < w->topic_count && fate != RETAINED_KEPT; i++) {
		struct sim_topic *t = &w->topics[i];

		packet_unref(t->retained);
		t->retained = fate == RETAINED_STALE && t->retained_old ? packet_ref(t->retained_old) : NULL;
	}
	broker_autosave(w);
}

void broker_restart(struct world *w, bool in_order, enum retained_fate fate, uint64_t down)
{
	/* SIGTERM: the will of everybody to everybody, one's own too, before any connection is closed (B7); at a crash
	 * no will at all (B8). */
	for (size_t i = 0; in_order && i < w->link_count; i++) {
		struct packet *will = w->links[i].will;

		if (w->links[i].state == LINK_LIVE && will) {
			w->links[i].will = NULL;
			w->stats[STAT_WILLS]++;
			broker_publish(w, NONE, will);
			packet_unref(will);
		}
	}
	for (size_t i = 0; i < w->link_count; i++) {
		if (w->links[i].state == LINK_LIVE)
			link_close(w, (uint32_t)i, false, true);
	}
	forget(w, fate);
	w->broker_up = false;
	story_mark(w, STORY_BROKER, NONE, false);
	queue_push(&w->queue, w->now + down, ENTRY_BROKER_UP, 0, 0, NULL);
}

/* It has one thread (B22, C15): a full disk, a stopped process, a slow name server, and it accepts nothing and answers
 * nothing; the kernel takes what comes.  Who misses its PINGRESP for too long goes, and the broker reads of that later. */
void broker_hang(struct world *w, uint64_t duration, uint32_t down)
{
	uint64_t patience;

	w->hung = true;
	trace(w, "broker  HANGS for %llu ms%s", (unsigned long long)(duration / MS), down ? " and is killed" : "");
	story_mark(w, STORY_HANGS, NONE, 0);
	queue_push(&w->queue, w->now + duration, ENTRY_UNHANG, down, 0, NULL);
	for (uint32_t i = 0; i < w->link_count; i++) {
		if (w->links[i].state != LINK_LIVE)
			continue;
		patience = rng_range(&w->rng_fault, 10 * SECOND, 20 * SECOND);
		if (patience >= duration)
			continue;
		queue_push(&w->queue, w->now + patience, ENTRY_DELIVER, i, 0, packet_new(PACKET_CLOSED, NONE, NULL, 0));
		queue_push(&w->queue, w->now + patience, ENTRY_LINK_DEAD, i, 0, NULL);
	}
}

#define PATIENCE (5 * SECOND) /* nobody waits longer for a CONNACK */

/* Something reached it while it hung: it acts later, though its sender may have given up. */
void broker_wait(struct world *w, const struct entry *e)
{
	w->waiting = sim_grow(w->waiting, w->waiting_count, &w->waiting_room, sizeof(*w->waiting));
	w->waiting[w->waiting_count] = *e;
	w->waiting[w->waiting_count++].at = w->now;
	if (!e->packet)
		return;
	packet_ref(e->packet);
	if (e->type == ENTRY_FENCE) {
		struct packet *unknown = packet_new(PACKET_FENCE, NONE, NULL, 0);

		unknown->conn = e->packet->conn;
		queue_push(&w->queue, w->now + PATIENCE, ENTRY_FENCE_VAIN, e->a, e->b, unknown);
	} else if (e->packet->type == PACKET_CONNECT) {
		queue_push(&w->queue, w->now + PATIENCE, ENTRY_CONNECT_VAIN, e->a, 0, NULL);
	}
}

static void waited(struct world *w, const struct entry *e)
{
	if (e->type == ENTRY_LINK_DEAD)
		link_close(w, e->a, true, true);
	else if (e->type == ENTRY_BROKER)
		broker_receive(w, e->a, e->packet);
	else if (w->now < e->at + PATIENCE)
		broker_fence(w, e->a, e->b, e->packet);
	else
		take_over(w, &e->packet->conn);
}

void broker_unhang(struct world *w, uint32_t down)
{
	struct entry *waiting = w->waiting;
	size_t count = w->waiting_count;

	w->hung = false;
	story_mark(w, STORY_BROKER, NONE, true);
	w->waiting = NULL;
	w->waiting_count = w->waiting_room = 0;
	trace(w, "broker  goes on%s, %zu packets waited", down ? " no more" : "", count);
	for (size_t i = 0; i < count; i++) {
		if (!down)
			waited(w, &waiting[i]);
		else if (waiting[i].type == ENTRY_BROKER && w->links[waiting[i].a].state == LINK_CONNECTING)
			link_close(w, waiting[i].a, false, true);
		packet_unref(waiting[i].packet);
	}
	free(waiting);
	if (down)
		fault_broker(w, false, down);
}

void broker_free(struct world *w)
{
	for (size_t i = 0; i < w->waiting_count; i++)
		packet_unref(w->waiting[i].packet);
	free(w->waiting);
	free(w->lanes);
	strange_free(w);
	for (size_t i = 0; i < w->link_count; i++) {
		packet_unref(w->links[i].will);
		free(w->links[i].topics);
	}
	free(w->links);
	topics_free(w);
}
