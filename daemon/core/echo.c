/* Own words that do not come back, or empty ones that are said for nothing else (echo_ask).  A broker may grant a subscription and then deliver nothing, and throw away what may
 * not be published, both without a word: Mosquitto's access list (acl_file) does.  Only the silence can be told. */
#include <stdio.h>

#include "core.h"

#define ECHO_PATIENCE 5000 /* slow is not denied */

/* Said again after a minute, five, and then every fifteen. */
static uint64_t pause_after(unsigned said)
{
	static const unsigned minutes[] = {1, 5, 15};

	return 60000 * (uint64_t)minutes[said < 3 ? said : 2];
}

static const char *topic(struct node *n, enum echo_kind kind)
{
	static const enum topic_kind kinds[ECHO_KINDS] = {
		[ECHO_INBOX] = TOPIC_INBOX, [ECHO_RING] = TOPIC_RING, [ECHO_FOUNDER] = TOPIC_FOUNDER,
		[ECHO_NODE] = TOPIC_NODE,   [ECHO_CUT] = TOPIC_CUT,   [ECHO_ASK] = TOPIC_ASK,
		[ECHO_CELL] = TOPIC_CELL};

	return out_topic(n, kinds[kind], n->self.id);
}

void echo_await(struct node *n, enum echo_kind kind)
{
	if (n->connected && !n->echo[kind].since)
		n->echo[kind].since = n->now;
}

void echo_ask(struct node *n, enum echo_kind kind)
{
	out_publish_to(n, topic(n, kind), "", 0, false);
	n->echo[kind].asked = n->now;
	echo_await(n, kind);
}

void echo_heard(struct node *n, enum echo_kind kind)
{
	if (n->echo[kind].said)
		out_log(n, NOTE_ACCESS_BACK, ABOUT(OF_REASON(topic(n, kind))),
			"%s: what this node publishes there comes back", topic(n, kind));
	n->echo[kind] = (struct echo){0};
}

/* It is not awaited any more; what was said stands, so that no new connection says it anew. */
void echo_forget(struct node *n, enum echo_kind kind)
{
	n->echo[kind].since = 0;
}

static void complain(struct node *n, enum echo_kind kind)
{
	const char *where = topic(n, kind);

	out_log(n, NOTE_ACCESS_SILENT, ABOUT(OF_REASON(topic(n, kind))),
		"%s: the broker has granted it, but what this node publishes there has not come back for %llu s -> its "
		"access list probably lets this user not read there, or not write; allow both ('dhtctl "
		"broker-config' makes a list that does)",
		where, (unsigned long long)(n->now - n->echo[kind].since) / 1000);
}

void echo_tick(struct node *n, uint64_t *next)
{
	for (enum echo_kind kind = 0; kind < ECHO_KINDS; kind++) {
		struct echo *e = &n->echo[kind];
		uint64_t at = e->since + ECHO_PATIENCE > e->next ? e->since + ECHO_PATIENCE : e->next;

		if (!e->since)
			continue;
		if (e->asked && n->now >= e->asked + ECHO_PATIENCE)
			echo_ask(n, kind);
		if (e->asked)
			soonest(next, e->asked + ECHO_PATIENCE);
		if (n->now >= at) {
			complain(n, kind);
			at = e->next = n->now + pause_after(e->said++);
		}
		soonest(next, at);
	}
}
