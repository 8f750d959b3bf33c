/* Whether the others are silent, or this node's own line: round trips to oneself while somebody owes an answer. */
#include "core.h"

#define LATE 500 /* ms that a round trip may take beyond what it usually does before the broker counts as hanging */

static bool late(const struct node *n)
{
	const struct line *l = &n->line;

	return l->seq && n->now - l->sent > l->usual + LATE;
}

bool line_waited(struct node *n, uint64_t since, uint64_t limit, uint64_t *next)
{
	struct line *l = &n->line;
	uint64_t doubtful = since + n->config.resend;

	if (n->now >= doubtful)
		l->wanted = true;
	else
		soonest(next, doubtful);
	if (n->now < since + limit) {
		soonest(next, since + limit);
		return false;
	}
	/* Else the round trip comes back, and whoever asks is asked again then. */
	return l->proved >= since && !late(n);
}

void line_trip(struct node *n, uint64_t seq)
{
	struct line *l = &n->line;
	uint64_t took = n->now - l->sent;

	if (!l->seq || seq < l->seq)
		return;
	l->seq = 0;
	l->proved = l->sent;
	if (took > l->usual + LATE) {
		out_log(n, NOTE_BROKER_HUNG, NULL,
			"nothing came back from the broker for %u.%u s -> the silence of others counts from now",
			(unsigned)(took / 1000), (unsigned)(took % 1000 / 100));
		node_overslept(n, took - l->usual, n->now);
		node_silence(n, took - l->usual, n->now);
	}
	if (took < l->usual)
		l->usual = took;
	else
		l->usual += (took - l->usual) / 8;
}

void line_tick(struct node *n, uint64_t *next)
{
	struct line *l = &n->line;
	uint64_t seq;

	if (!l->wanted || !node_ready(n))
		return;
	l->wanted = false;
	if (!l->said || n->now - l->said >= n->config.resend) {
		l->said = n->now;
		seq = trip_send(n);
		/* One that was lost on the way is said again; the first that comes back will do. */
		if (!l->seq) {
			l->seq = seq;
			l->sent = n->now;
		}
	}
	soonest(next, l->said + n->config.resend);
}

void line_forget(struct node *n)
{
	n->line = (struct line){.usual = n->line.usual};
}
