/* A tool: it asks who is there, and where an operator is needed it says for him what is given up. */
#include <stdlib.h>

#include "sim.h"

static void say(struct world *w, struct frame *f, enum topic_kind kind, uint32_t id)
{
	struct packet *p;
	uint8_t *bytes;
	size_t len;

	topic_format(f->reply, "", TOPIC_REPLY, 0, "d0000000000000001000001");
	bytes = frame_encode(f, &len);
	p = packet_new(PACKET_PUBLISH, topic_of(w, kind, id), bytes, len);
	free(bytes);
	link_stranger(w, &w->tool, "tool");
	link_send(w, w->tool, p);
}

void tool_ask(struct world *w)
{
	for (size_t i = 0; i < w->proc_count; i++)
		w->procs[i]->told = false;
	w->asked_at = w->now;
	if (!w->asked_since)
		w->asked_since = w->now;
	say(w, &(struct frame){.type = FRAME_WHO}, TOPIC_RING, 0);
}

#define STUCK (25 * SECOND)
#define LOOKS (5 * SECOND)

/* All who have something are there, and yet somebody waits for who has left, or for nobody: an operator has to say so, of
 * each arc that he is shown. */
void tool_accept(struct world *w)
{
	if (!w->swarm.faithful || w->whole_since != UINT64_MAX || w->now < w->trouble_until + STUCK)
		return;
	if (!w->accepted)
		w->stats[STAT_ACCEPTED]++;
	w->accepted = true;
	if (w->now < w->shown_at + LOOKS)
		return;
	w->shown_at = w->now;
	say(w, &(struct frame){.type = FRAME_WHO}, TOPIC_RING, 0);
}

static void give_up(struct world *w, const struct frame *shown)
{
	struct frame f = {.type = FRAME_RECOVER, .to = shown->from.conn, .doubt_count = shown->doubt_count};

	for (unsigned i = 0; i < f.doubt_count; i++)
		f.doubts[i] = shown->doubts[i];
	say(w, &f, TOPIC_INBOX, shown->from.id);
}

void tool_told(struct world *w, uint32_t proc, const struct packet *p)
{
	struct proc *by = w->procs[proc];
	struct frame_room room;
	struct frame f;

	if (frame_decode(&f, &room, p->bytes, p->len) || f.type != FRAME_STATUS)
		return;
	by->told = true;
	by->told_arc = f.arc_set ? f.arc : (struct arc){0, 0};
	by->told_predecessor = f.predecessor;
	by->told_successor = f.successor;
	if (w->accepted && f.doubt_count && f.flag)
		give_up(w, &f);
}
