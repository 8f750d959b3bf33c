/* A census's asking: WHO to everybody, and their STATUS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "census.h"

#define CENSUS_QUIET_MS 100 /* after a whole ring: a joiner may still answer */

struct census_poll {
	struct census *census;
	const char *prefix;
	struct frame frame;
	struct frame_room room;
	bool news;
};

static struct census_node *census_slot(struct census *census, const struct member *who)
{
	for (size_t i = 0; i < census->count; i++) {
		if (member_same(&census->nodes[i].who, who))
			return &census->nodes[i];
	}
	if (census->count == CENSUS_NODES_MAX)
		return NULL;
	if ((census->count & (census->count - 1)) == 0)
		census->nodes =
			xrealloc(census->nodes, (census->count ? 2 * census->count : 1) * sizeof(*census->nodes));
	return &census->nodes[census->count++];
}

struct census_poll *census_poll_new(const struct settings *settings, struct census *census)
{
	struct census_poll *poll = xcalloc(1, sizeof(*poll));

	poll->census = census;
	poll->prefix = settings->topic_prefix;
	return poll;
}

void census_poll_free(struct census_poll *poll)
{
	free(poll);
}

void census_poll_message(void *arg, const struct mqtt_message *message)
{
	struct census_poll *poll = arg;
	const struct frame *f = &poll->frame;
	struct census_node *node;
	uint32_t id;

	if (topic_parse(message->topic, poll->prefix, &id) != TOPIC_REPLY ||
	    frame_decode(&poll->frame, &poll->room, message->payload, message->len) != NULL || f->type != FRAME_STATUS)
		return;
	node = census_slot(poll->census, &f->from);
	if (node == NULL)
		return;
	memset(node, 0, sizeof(*node));
	node->who = f->from;
	node->state = f->state;
	node->has_arc = f->arc_set;
	node->arc = f->arc;
	node->predecessor = f->predecessor;
	node->successor = f->successor;
	node->records = f->count;
	node->since = f->since;
	node->epoch = f->epoch;
	node->behind = f->behind;
	node->copies = f->copies;
	node->wanted = f->wanted;
	node->doubt_count = f->doubt_count;
	memcpy(node->doubts, f->doubts, sizeof(node->doubts));
	node->operated = f->flag;
	node->full = f->full;
	node->bytes = f->bytes;
	node->limit = f->limit;
	node->need = f->need;
	memcpy(node->software, f->software, sizeof(node->software));
	if (f->name[0] != '\0')
		memcpy(node->name, f->name, sizeof(node->name));
	else
		snprintf(node->name, sizeof(node->name), "%u", f->from.id);
	poll->news = true;
}

static enum exit_code census_collect(struct client *client, struct census_poll *poll)
{
	uint64_t deadline = client_deadline(client), news_at = client_now();

	while (client_now() < deadline) {
		uint64_t until = client_now() + CENSUS_QUIET_MS;
		enum exit_code code;

		poll->news = false;
		code = client_wait(client, &poll->news, until < deadline ? until : deadline);
		if (code == RC_OK)
			news_at = client_now();
		else if (code != RC_TIMEOUT)
			return code;
		if (code == RC_OK || poll->census->count == 0)
			continue;
		census_judge(poll->census);
		if (poll->census->broken + poll->census->silent_count == 0 ||
		    client_now() - news_at >= CENSUS_PATIENCE_MS)
			break;
	}
	if (poll->census->count == 0)
		return RC_TIMEOUT;
	census_judge(poll->census);
	return RC_OK;
}

enum exit_code census_take(struct client *client, const struct settings *settings, struct census *census)
{
	struct census_poll *poll = census_poll_new(settings, census);
	struct frame who = {.type = FRAME_WHO};
	enum exit_code code;

	client_listen(client, census_poll_message, poll);
	code = client_subscribe(client, TOPIC_REPLY, 0);
	if (code == RC_OK)
		code = client_send(client, TOPIC_RING, 0, &who);
	if (code == RC_OK)
		code = census_collect(client, poll);
	client_listen(client, NULL, NULL);
	census_poll_free(poll);
	return code;
}
