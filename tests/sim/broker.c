/* One Mosquitto: every connection has a FIFO towards the broker and one from it; the broker takes one packet at a time
 * and appends it to the FIFO of each subscriber, so that all see one order (PROTOCOL.md, section 1).  How long a packet
 * is under way, and what is lost with a connection, the seed decides. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

/* ---- topics ---- */

/* The slot of a name: its own, or the free one where it belongs. */
static size_t topic_slot(const struct world *w, const char *name)
{
	size_t mask = w->topic_slots - 1, slot = hash_bytes(name, strlen(name)) & mask;

	while (w->topic_index[slot] && strcmp(w->topics[w->topic_index[slot] - 1].name, name) != 0)
		slot = (slot + 1) & mask;
	return slot;
}

static void topic_index_grow(struct world *w)
{
	if (w->topic_count * 2 < w->topic_slots)
		return;
	free(w->topic_index);
	w->topic_slots = w->topic_slots ? w->topic_slots * 2 : 256;
	w->topic_index = xcalloc(w->topic_slots, sizeof(*w->topic_index));
	for (uint32_t i = 0; i < w->topic_count; i++)
		w->topic_index[topic_slot(w, w->topics[i].name)] = i + 1;
}

uint32_t topic_intern(struct world *w, const char *name)
{
	struct sim_topic *t;
	size_t slot;

	topic_index_grow(w);
	slot = topic_slot(w, name);
	if (w->topic_index[slot])
		return w->topic_index[slot] - 1;
	w->topics = sim_grow(w->topics, w->topic_count, &w->topic_room, sizeof(*w->topics));
	t = &w->topics[w->topic_count];
	*t = (struct sim_topic){.name = xstrdup(name), .wildcard = strpbrk(name, "+#") != NULL};
	t->kind = topic_parse(name, "", &t->id);
	w->topic_index[slot] = (uint32_t)++w->topic_count;
	if (t->wildcard) {
		w->wild = sim_grow(w->wild, w->wild_count, &w->wild_room, sizeof(*w->wild));
		w->wild[w->wild_count++] = (uint32_t)w->topic_count - 1;
	}
	return (uint32_t)w->topic_count - 1;
}

uint32_t topic_of(struct world *w, enum topic_kind kind, uint32_t id)
{
	char name[TOPIC_MAX];

	topic_format(name, "", kind, id, "");
	return topic_intern(w, name);
}

/* MQTT 3.1.1, 4.7: + is one level, # the rest, or nothing. */
static bool filter_matches(const char *filter, const char *topic)
{
	for (;;) {
		size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");

		if (filter[0] == '#')
			return true;
		if (!(f == 1 && filter[0] == '+') && (f != t || memcmp(filter, topic, f) != 0))
			return false;
		filter += f;
		topic += t;
		if (!*topic)
			return !*filter || strcmp(filter, "/#") == 0;
		if (!*filter)
			return false;
		filter++;
		topic++;
	}
}

static bool subscribed(const struct sim_topic *t, uint32_t link)
{
	for (size_t i = 0; i < t->link_count; i++) {
		if (t->links[i] == link)
			return true;
	}
	return false;
}

static void subscribe(struct world *w, uint32_t link, uint32_t topic)
{
	struct sim_topic *t = &w->topics[topic];
	struct link *l = &w->links[link];

	if (subscribed(t, link))
		return;
	t->links = sim_grow(t->links, t->link_count, &t->link_room, sizeof(*t->links));
	t->links[t->link_count++] = link;
	l->topics = sim_grow(l->topics, l->topic_count, &l->topic_room, sizeof(*l->topics));
	l->topics[l->topic_count++] = topic;
}

static void unsubscribe(struct world *w, uint32_t link, uint32_t topic)
{
	struct sim_topic *t = &w->topics[topic];

	for (size_t i = 0; i < t->link_count; i++) {
		if (t->links[i] == link) {
			memmove(&t->links[i], &t->links[i + 1], (t->link_count - i - 1) * sizeof(*t->links));
			t->link_count--;
			return;
		}
	}
}

/* ---- connections ---- */

uint64_t link_delay(struct world *w, uint32_t link, uint64_t base, uint64_t spread)
{
	struct rng *r = &w->links[link].rng;
	uint64_t delay = base + (spread ? rng_exponential(r, spread) : 0);

	if (w->swarm.tail && rng_chance(r, w->swarm.tail))
		delay += rng_scale(r, MS, w->swarm.tail_max);
	return delay;
}

uint32_t link_open(struct world *w, bool client, uint32_t owner, const char *client_id, struct packet *will)
{
	uint32_t index = (uint32_t)w->link_count;
	struct link *l;

	w->links = sim_grow(w->links, w->link_count, &w->link_room, sizeof(*w->links));
	l = &w->links[w->link_count++];
	*l = (struct link){
		.client = client, .owner = owner, .will = will, .in_drop = UINT64_MAX, .out_drop = UINT64_MAX};
	snprintf(l->client_id, sizeof(l->client_id), "%s", client_id);
	rng_seed(&l->rng, w->options.seed, STREAM_LINK + hash_bytes(client_id, strlen(client_id)));
	l->in_base = l->out_base = w->swarm.delay_base;
	l->in_spread = l->out_spread = w->swarm.delay_spread;
	if (!client)
		l->in_base += w->procs[owner]->latency;
	link_send(w, index, packet_new(PACKET_CONNECT, NONE, NULL, 0));
	return index;
}

void link_send(struct world *w, uint32_t link, struct packet *p)
{
	struct link *l = &w->links[link];
	uint64_t at = w->now + link_delay(w, link, l->out_base, l->out_spread);

	if (at < l->out_last)
		at = l->out_last;
	story_sent(w, link, p);
	l->out_last = at;
	l->out_bytes += p->len;
	if (l->out_bytes > w->swarm.outbox_high)
		l->out_high = true;
	queue_push(&w->queue, at, ENTRY_BROKER, link, 0, p);
}

void link_deliver(struct world *w, uint32_t link, struct packet *p)
{
	struct link *l = &w->links[link];
	uint64_t at = w->now + link_delay(w, link, l->in_base, l->in_spread);

	if (at < l->in_last)
		at = l->in_last;
	l->in_last = at;
	queue_push(&w->queue, at, ENTRY_DELIVER, link, 0, p);
}

void link_stall(struct world *w, uint32_t link, uint64_t duration)
{
	struct link *l = &w->links[link];

	if (rng_below(&w->rng_fault, 2) && l->in_last < w->now + duration)
		l->in_last = w->now + duration;
	else if (l->out_last < w->now + duration)
		l->out_last = w->now + duration;
}

static void publish(struct world *w, uint32_t from, struct packet *p);

/* The broker closes a connection.  What it had not read is thrown away; what it had sent may still arrive, or not. */
void link_close(struct world *w, uint32_t link, bool publish_will, bool tell_owner)
{
	struct link *l = &w->links[link];
	struct packet *will = l->will;

	if (l->state == LINK_DEAD)
		return;
	l->state = LINK_DEAD;
	l->closed = w->place;
	l->will = NULL;
	for (size_t i = 0; i < l->topic_count; i++)
		unsubscribe(w, link, l->topics[i]);
	l->topic_count = 0;
	story_mark(w, STORY_CLOSED, story_lane(w, link), 0);
	trace(w, "broker  closes %s%s", l->client_id, publish_will && will ? ", publishes its will" : "");
	if (publish_will && will) {
		w->stats[STAT_WILLS]++;
		publish(w, NONE, will);
	}
	packet_unref(will);
	l = &w->links[link];
	if (!tell_owner)
		return;
	if (rng_below(&l->rng, 2) && l->in_drop > w->now)
		l->in_drop = w->now + rng_below(&l->rng, l->in_last > w->now ? l->in_last - w->now + 1 : 1);
	link_deliver(w, link, packet_new(PACKET_CLOSED, NONE, NULL, 0));
}

/* ---- the one order ---- */

static void append(struct world *w, uint32_t link, struct packet *p)
{
	struct link *l = &w->links[link];

	if (w->swarm.drop && (w->swarm.drop_control || l->client) && rng_chance(&l->rng, w->swarm.drop)) {
		char text[256];

		w->stats[STAT_DROP]++;
		story_of(w, STORY_UNHEARD, link, p);
		if (p->op && !l->client)
			w->ops[p->op - 1].excused = true; /* nobody can answer what nobody got */
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

static void publish(struct world *w, uint32_t from, struct packet *p)
{
	struct sim_topic *t = &w->topics[p->topic];
	struct volume *volume = volume_of(w, p);
	uint64_t delivered = w->stats[STAT_DELIVERED];

	w->place++;
	w->stats[STAT_PUBLISHED]++;
	story_placed(w, from, p);
	if (p->retain) {
		packet_unref(t->retained);
		t->retained = p->len ? packet_ref(p) : NULL;
	}
	judge_publish(w, from, p);
	p->retain = false; /* to those subscribed already [MQTT-3.3.1-9] */
	for (size_t i = 0; i < t->link_count; i++)
		append(w, t->links[i], p);
	for (size_t i = 0; i < w->wild_count; i++) {
		struct sim_topic *f = &w->topics[w->wild[i]];

		if (!filter_matches(f->name, t->name))
			continue;
		for (size_t j = 0; j < f->link_count; j++) {
			if (!subscribed(t, f->links[j])) /* 3.1.1: one copy (pitfalls: overlapping filters) */
				append(w, f->links[j], p);
		}
	}
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
	if (!w->topics[filter].wildcard) {
		send_one_retained(w, link, filter);
		return;
	}
	for (uint32_t i = 0; i < w->topic_count; i++) {
		if (w->topics[i].retained && filter_matches(w->topics[filter].name, w->topics[i].name))
			send_one_retained(w, link, i);
	}
}

static void answer_subscribe(struct world *w, uint32_t link, uint32_t topic)
{
	struct packet *suback = packet_new(PACKET_SUBACK, topic, NULL, 0);
	bool first = rng_below(&w->links[link].rng, 2) != 0; /* MQTT 3.1.1, 3.8.4: either may come first */

	suback->granted = true;
	subscribe(w, link, topic);
	if (first)
		link_deliver(w, link, suback);
	send_retained(w, link, topic);
	if (!first)
		link_deliver(w, link, suback);
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
	struct link *l = &w->links[link];

	drained(w, link, p);
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
		answer_subscribe(w, link, p->topic);
		break;
	case PACKET_UNSUBSCRIBE:
		unsubscribe(w, link, p->topic);
		break;
	case PACKET_PUBLISH:
		publish(w, link, p);
		break;
	case PACKET_DISCONNECT:
		l->clean = true;
		link_close(w, link, false, false);
		break;
	default:
		mem_die("a packet that no client sends");
	}
}

/* A CONNECT with somebody else's client id: that session ends before the CONNACK [MQTT-3.1.4-2]. */
void broker_fence(struct world *w, uint32_t proc, uint32_t link, struct packet *p)
{
	char id[CONN_TEXT];
	uint64_t delay = link_delay(w, link, w->swarm.delay_base, w->swarm.delay_spread);

	conn_format(&p->conn, id);
	p->granted = w->broker_up;
	if (w->broker_up) {
		w->place++;
		for (size_t i = 0; i < w->link_count; i++) {
			if (w->links[i].state != LINK_LIVE || strcmp(w->links[i].client_id, id) != 0)
				continue;
			w->stats[STAT_FENCE_HIT]++;
			if (w->swarm.gentle)
				fail(w, "gentle: %s is fenced though nothing is wrong", id);
			judge_disturbed(w);
			link_close(w, (uint32_t)i, true, true);
		}
	}
	if (p->granted && rng_chance(&w->links[link].rng, w->swarm.fence_lost)) {
		w->stats[STAT_FENCE_UNKNOWN]++;
		p->granted = false;
		delay += 5 * SECOND;
	}
	queue_push(&w->queue, w->now + delay, ENTRY_FENCED, proc, link, packet_ref(p));
}

void broker_restart(struct world *w, bool in_order, unsigned retained_fate, uint64_t down)
{
	/* SIGTERM: the will of everybody to everybody, one's own too, before any connection is closed. */
	for (size_t i = 0; in_order && i < w->link_count; i++) {
		struct packet *will = w->links[i].will;

		if (w->links[i].state == LINK_LIVE && will) {
			w->links[i].will = NULL;
			w->stats[STAT_WILLS]++;
			publish(w, NONE, will);
			packet_unref(will);
		}
	}
	for (size_t i = 0; i < w->link_count; i++) {
		if (w->links[i].state == LINK_LIVE)
			link_close(w, (uint32_t)i, false, true);
	}
	for (size_t i = 0; i < w->topic_count; i++) {
		struct sim_topic *t = &w->topics[i];

		if (retained_fate) {
			packet_unref(t->retained);
			t->retained = retained_fate == 2 && t->retained_old ? packet_ref(t->retained_old) : NULL;
		}
		packet_unref(t->retained_old);
		t->retained_old = t->retained ? packet_ref(t->retained) : NULL;
	}
	w->broker_up = false;
	story_mark(w, STORY_BROKER, NONE, false);
	queue_push(&w->queue, w->now + down, ENTRY_BROKER_UP, 0, 0, NULL);
}

void broker_free(struct world *w)
{
	for (size_t i = 0; i < w->link_count; i++) {
		packet_unref(w->links[i].will);
		free(w->links[i].topics);
	}
	free(w->links);
	for (size_t i = 0; i < w->topic_count; i++) {
		free(w->topics[i].name);
		free(w->topics[i].links);
		packet_unref(w->topics[i].retained);
		packet_unref(w->topics[i].retained_old);
	}
	free(w->topics);
	free(w->topic_index);
	free(w->wild);
}
