/* A disk that is full: what makes it grow is refused by who owns the arc, whether it is his disk or that of who keeps a copy
 * (PROTOCOL.md section 7, With a disk, 10).  Everything else goes on, into the room that is kept for that. */
#include "follow-inside.h"

bool room_lacks(struct node *n)
{
	for (const struct follower *f = n->followers; f < n->follower_end; f++)
		if (f->used && f->full && follow_backup(n, f))
			return true;
	return n->no_room;
}

/* Whose copies lie here writes no more, or again; who does not hear it now hears it with the next word about his view. */
void room_changed(struct node *n, bool there)
{
	struct frame r;

	n->no_room = !there;
	for (const struct copy *c = n->copies; c < n->copies + COPIES_MAX; c++) {
		if (!c->used || !c->attempt)
			continue;
		frame_start(n, &r, FRAME_COPIED);
		r.attempt = c->attempt;
		r.full = n->no_room;
		frame_send(n, &r, TOPIC_INBOX, c->owner.id);
	}
}

void room_said(struct node *n, struct follower *f, bool full)
{
	if (!f || f->full == full)
		return;
	f->full = full;
	if (full)
		out_log(n, NOTE_PEER_FULL, ABOUT(OF_PEER(f->m.id)),
			"node %08x: its disk is full -> nothing new is written in arcs of which it keeps a copy",
			f->m.id);
	else
		out_log(n, NOTE_PEER_ROOM, ABOUT(OF_PEER(f->m.id)), "node %08x: its disk has room again", f->m.id);
}
