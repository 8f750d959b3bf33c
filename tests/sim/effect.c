/* What a node's process does to the world around it: its effects become packets. */
#include <assert.h>
#include <stdlib.h>

#include "../../common/mem.h"
#include "sim.h"

/* The first topic is the packet's, the others stand in it. */
static void send_filters(struct world *w, struct proc *p, enum packet_type type, const struct effect *e)
{
	uint32_t *rest = xcalloc(e->filter_count, sizeof(*rest));

	for (size_t i = 0; i < e->filter_count; i++) {
		rest[i] = topic_intern(w, e->filters[i]);
		trace(w, "%-7s -> %s %s", p->label, type == PACKET_SUBSCRIBE ? "subscribe" : "unsubscribe",
		      e->filters[i]);
	}
	if (p->link != NONE && p->connected) {
		if (type == PACKET_UNSUBSCRIBE)
			ours_deaf(w, p, rest, e->filter_count);
		link_send(w, p->link, packet_new(type, rest[0], rest + 1, (e->filter_count - 1) * sizeof(*rest)));
	}
	free(rest);
}

static void send_publish(struct world *w, struct proc *p, const struct effect *e)
{
	struct packet *packet;
	char text[700];

	if (p->link == NONE || !p->connected)
		return;
	packet = packet_new(PACKET_PUBLISH, topic_intern(w, e->topic), e->payload, e->len);
	packet->retain = e->retain;
	hash_mix(w, packet->hash);
	if (w->options.trace)
		trace(w, "%-7s -> %s", p->label, trace_packet(w, packet, text, sizeof(text)));
	judge_send(w, p, packet);
	link_send(w, p->link, packet);
}

static void send_fence(struct world *w, struct proc *p, const struct effect *e)
{
	struct packet *packet;
	uint64_t delay;
	char text[CONN_TEXT];

	if (p->link == NONE || !p->connected)
		return;
	delay = link_delay(w, p->link, w->swarm.delay_base * 2, w->swarm.delay_spread * 2);
	conn_format(&e->conn, text);
	story_fence(w, p->index, text);
	trace(w, "%-7s -> fence %s", p->label, text);
	w->stats[STAT_FENCES]++;
	packet = packet_new(PACKET_FENCE, NONE, NULL, 0);
	packet->conn = e->conn;
	queue_push(&w->queue, w->now + delay, ENTRY_FENCE, p->index, p->link, packet);
}

static void end(struct world *w, struct proc *p, int code)
{
	story_mark(w, STORY_EXIT, p->index, (uint64_t)code);
	trace(w, "%-7s exits, code %d", p->label, code);
	judge_exit(w, p, code);
	p->alive = false;
	if (p->link != NONE) {
		link_send(w, p->link, packet_new(PACKET_DISCONNECT, NONE, NULL, 0));
		p->link = NONE;
	}
}

void proc_carry_out(struct world *w, struct proc *p, const struct effect *e)
{
	hash_mix(w, (uint64_t)e->type << 32 | (uint64_t)e->state);
	switch (e->type) {
	case EFFECT_SUBSCRIBE:
		send_filters(w, p, PACKET_SUBSCRIBE, e);
		break;
	case EFFECT_UNSUBSCRIBE:
		send_filters(w, p, PACKET_UNSUBSCRIBE, e);
		break;
	case EFFECT_PUBLISH:
		send_publish(w, p, e);
		break;
	case EFFECT_FENCE:
		send_fence(w, p, e);
		break;
	case EFFECT_LOG:
		assert(note_complete(e->note, e->about));
		trace(w, "%-7s log %d: %s", p->label, note_rows[e->note].level, e->text);
		if (e->note == NOTE_COPY_DIFFERS || e->note == NOTE_DAMAGED)
			fail(w, "%s: %s", p->label, e->text);
		w->stats[STAT_SCRUBBED] += e->note == NOTE_SCRUBBED;
		break;
	case EFFECT_STATE:
		story_mark(w, STORY_STATE, p->index, e->state);
		trace(w, "%-7s is %s", p->label, node_state_name(e->state));
		break;
	case EFFECT_PROGRESS:
		break;
	case EFFECT_EXIT:
		end(w, p, e->code);
		break;
	}
}
