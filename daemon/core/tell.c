/* What clients are told waits until every backup has what was written before it (PROTOCOL.md section 7), and leaves in
 * order. */
#include <stdlib.h>

#include "core.h"

#define FULL (8u << 20) /* bytes that wait: no more operations are done */

struct told {
	struct told *next;
	uint64_t written; /* up to there */
	char *topic;
	uint8_t *bytes;
	size_t len;
};

void tell_client_own(struct node *n, const char *topic, uint8_t *bytes, size_t len)
{
	struct told *t;

	if (!n->connected) {
		free(bytes);
		return;
	}
	if (!n->told_first && follow_point(n) >= n->written) {
		out_publish_own(n, topic, bytes, len);
		return;
	}
	t = xmalloc(sizeof(*t));
	*t = (struct told){.written = n->written, .topic = xstrdup(topic), .bytes = bytes, .len = len};
	*n->told_last = t;
	n->told_last = &t->next;
	n->told_bytes += len;
}

void tell_client(struct node *n, enum topic_kind kind, const void *payload, size_t len)
{
	tell_client_own(n, out_topic(n, kind, 0), xmemdup(payload, len), len);
}

static struct told *take_first(struct node *n)
{
	struct told *t = n->told_first;

	n->told_first = t->next;
	if (!n->told_first)
		n->told_last = &n->told_first;
	n->told_bytes -= t->len;
	return t;
}

void tell_release(struct node *n)
{
	uint64_t point = n->told_first ? follow_point(n) : 0;

	while (n->told_first && n->told_first->written <= point) {
		struct told *t = take_first(n);

		out_publish_own(n, t->topic, t->bytes, t->len);
		free(t->topic);
		free(t);
		n->recheck |= n->backlog;
	}
}

bool tell_waits(const struct node *n, uint64_t written)
{
	return n->told_first && n->told_first->written <= written;
}

void tell_forget(struct node *n)
{
	while (n->told_first) {
		struct told *t = take_first(n);

		free(t->topic);
		free(t->bytes);
		free(t);
	}
}

bool node_full(const struct node *n)
{
	return n->full || n->told_bytes > FULL || follow_full(n);
}
