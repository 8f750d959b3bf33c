/* Too few copies, and no room, on a disk that is full or in memory (memory.c): what makes it grow is refused by who owns the arc, whether it is he
 * who has none or who keeps a copy (PROTOCOL.md section 7, No room).  Everything else goes on, into the room that is kept for
 * that. */
#include "follow-inside.h"

bool room_full(const struct node *n)
{
	return n->disk_full || n->memory.full;
}

bool room_lacks(struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->full && (f->extra || follow_backup(n, f)))
			return true;
	return room_full(n);
}

unsigned room_copies(struct node *n, const struct entry *e)
{
	return 1 + (e->peer.memory && follow_whole(n, &e->peer, e->v.arc)) + keepers_count(n, e->v.arc);
}

/* So few of what is written now that its owner is to write nothing. */
bool room_few(struct node *n, uint32_t id)
{
	const struct entry *e = n->config.min_copies > 1 ? entry_own(n, id) : NULL;

	return e && room_copies(n, e) < n->config.min_copies;
}

/* Whose copies lie here writes no more, or again; who does not hear it now hears it with the next word about his view. */
void room_tell(struct node *n)
{
	struct frame r;

	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		if (!c->used || !c->attempt)
			continue;
		copied_begin(n, &r, &c->owner, c->attempt);
		frame_send(n, &r, TOPIC_INBOX, c->owner.id);
	}
}

/* Any other answer of a write leaves a version here that wins over what he may come back with; and it stays as it is said. */
void room_unknown(struct node *n, const struct entry *e, const struct operation *op, struct operation_result *r)
{
	struct arc id = {op->key.id - 1, op->key.id};

	*r = (struct operation_result){.offset = op->offset, .status = ANSWER_UNKNOWN};
	once_own(n->once, &(struct once_arc){id, {e->v.name.number, n->counter}});
}

void room_changed(struct node *n, bool there)
{
	bool before = room_full(n);

	n->disk_full = !there;
	if (room_full(n) != before)
		room_tell(n);
}

void room_said(struct node *n, struct follower *f, bool full)
{
	if (!f || f->full == full)
		return;
	f->full = full;
	if (full)
		out_log(n, NOTE_PEER_FULL, ABOUT(OF_PEER(f->m.id)),
			"node %08x: has no room -> nothing new is written in arcs of which it keeps a copy", f->m.id);
	else
		out_log(n, NOTE_PEER_ROOM, ABOUT(OF_PEER(f->m.id)), "node %08x: has room again", f->m.id);
}
