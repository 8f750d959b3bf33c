/* Connections: a FIFO towards the broker and one from it (MQTT 3.1.1, 4.6: what one connection carries arrives in
 * order).  How long a packet is under way, and what is lost with a connection, the seed decides. */
#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

#define LANES 8192

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
	if (!client) {
		l->in_base += w->procs[owner]->latency;
		l->in_cost = w->procs[owner]->in_cost;
	}
	link_send(w, index, packet_new(PACKET_CONNECT, NONE, NULL, 0));
	return index;
}

void link_stranger(struct world *w, uint32_t *link, const char *client_id)
{
	if (*link != NONE && w->links[*link].state != LINK_DEAD)
		return;
	*link = link_open(w, true, 0, client_id, NULL);
	w->links[*link].stranger = true;
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

/* Order per publisher, topic and QoS is all that MQTT promises [MQTT-4.6.0-6]; one Mosquitto gives more, a cluster or a
 * bridge does not.  Each (reader, publisher, topic) is a lane of its own; two lanes that share a slot only gain order. */
static uint64_t lane_time(struct world *w, uint32_t link, const struct packet *p, uint64_t at)
{
	struct rng *r = &w->links[link].rng;
	uint64_t *last;

	if (!w->lanes)
		w->lanes = xcalloc(LANES, sizeof(*w->lanes));
	last = &w->lanes[(link * 0x9e3779b1u ^ p->from * 0x85ebca6bu ^ p->topic * 0xc2b2ae35u) >> 7 & (LANES - 1)];
	if (rng_below(r, 8) == 0)
		at += rng_scale(r, MS, w->swarm.skew_max);
	if (at < *last)
		at = *last;
	*last = at;
	return at < w->links[link].in_first ? w->links[link].in_first : at;
}

void link_deliver(struct world *w, uint32_t link, struct packet *p)
{
	struct link *l = &w->links[link];
	uint64_t at = w->now + link_delay(w, link, l->in_base, l->in_spread);

	if (w->swarm.disorder && p->type == PACKET_PUBLISH) {
		at = lane_time(w, link, p, at);
	} else {
		if (at < l->in_last + l->in_cost)
			at = l->in_last + l->in_cost;
		l->in_last = at;
		if (p->type == PACKET_CONNACK)
			l->in_first = at;
	}
	if (w->swarm.queue_limit && p->type == PACKET_PUBLISH)
		l->in_count++;
	queue_push(&w->queue, at, ENTRY_DELIVER, link, 0, p);
}

/* Its owner has read it. */
void link_read(struct world *w, uint32_t link, const struct packet *p)
{
	if (w->swarm.queue_limit && p->type == PACKET_PUBLISH)
		w->links[link].in_count--;
}

/* A packet is there. */
void link_arrive(struct world *w, uint32_t link, struct packet *p)
{
	const struct link *l = &w->links[link];

	if (p->type != PACKET_CLOSED && w->now >= l->in_drop) {
		story_of(w, STORY_UNHEARD, link, p);
		link_read(w, link, p);
	} else if (!l->client) {
		proc_input(w, link, p);
	} else {
		link_read(w, link, p);
		if (!l->stranger)
			client_input(w, link, p);
	}
}

void link_stall(struct world *w, uint32_t link, uint64_t duration)
{
	struct link *l = &w->links[link];

	if (rng_below(&w->rng_fault, 2) && l->in_last < w->now + duration)
		l->in_last = w->now + duration;
	else if (l->out_last < w->now + duration)
		l->out_last = w->now + duration;
}

/* "A will was seen" proves that one connection ended; when, or that none was seen, proves nothing: a broker may defer
 * it or be killed first (3.1.2.5; pitfalls B8), delay it (B11), or drop it at a takeover (B2, B3, C4, C13). */
static void will_goes_out(struct world *w, struct rng *r, struct packet *will)
{
	uint64_t at;

	if (rng_chance(r, w->swarm.will_lost)) {
		w->stats[STAT_WILL_LOST]++;
	} else if (rng_chance(r, w->swarm.will_late)) {
		w->stats[STAT_WILL_LATE]++;
		at = w->now + rng_scale(r, 10 * MS, 30 * SECOND);
		fault_lasts(w, at);
		queue_push(&w->queue, at, ENTRY_WILL, 0, 0, packet_ref(will));
	} else {
		w->stats[STAT_WILLS]++;
		broker_publish(w, NONE, will);
	}
}

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
		topic_unsubscribe(w, link, l->topics[i]);
	l->topic_count = 0;
	story_mark(w, STORY_CLOSED, story_lane(w, link), 0);
	trace(w, "broker  closes %s%s", l->client_id, publish_will && will ? ", publishes its will" : "");
	if (publish_will && will)
		will_goes_out(w, &l->rng, will);
	packet_unref(will);
	l = &w->links[link];
	if (!tell_owner)
		return;
	if (rng_below(&l->rng, 2) && l->in_drop > w->now)
		l->in_drop = w->now + rng_below(&l->rng, l->in_last > w->now ? l->in_last - w->now + 1 : 1);
	link_deliver(w, link, packet_new(PACKET_CLOSED, NONE, NULL, 0));
}
