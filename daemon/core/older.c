/* Neighbours of an earlier version of the protocol: they are given nothing (PROTOCOL.md section 3, "Versions"). */
#include "core.h"

#define OLDER_AGAIN 5000 /* ms: not tried again before */
#define OLDER_SAID 60000 /* ms between two complaints */

/* What lies here may be more than it can hold: it gets nothing. */
void older_found(struct node *n, const struct member *m, const char *what)
{
	n->older = *m;
	n->older_at = n->now;
	if (n->older_said && n->now - n->older_said < OLDER_SAID)
		return;
	n->older_said = n->now;
	out_log(n, NOTE_VERSION_EARLIER, ABOUT(OF_PEER(m->id)),
		"node %08x speaks an earlier version of the protocol: %s -> upgrade it", m->id, what);
}

/* Not asked again at once. */
bool older_lately(const struct node *n, const struct member *m, uint64_t *next)
{
	if (!member_same(&n->older, m) || n->now - n->older_at >= OLDER_AGAIN)
		return false;
	soonest(next, n->older_at + OLDER_AGAIN);
	return true;
}
