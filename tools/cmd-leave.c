#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "census.h"
#include "client.h"
#include "output.h"

struct leave {
	const char *prefix;
	struct census_node node;
	bool replied, gone;
	enum frame_reason reason;
	struct frame frame;
	struct frame_room room;
};

static void leave_message_cb(void *arg, const struct mqtt_message *message)
{
	struct leave *leave = arg;
	const struct frame *f = &leave->frame;
	uint32_t id = 0;
	enum topic_kind kind = topic_parse(message->topic, leave->prefix, &id);

	if (kind != TOPIC_REPLY && kind != TOPIC_NODE)
		return;
	if (kind == TOPIC_NODE && message->len == 0)
		leave->gone = leave->gone || id == leave->node.who.id;
	if (frame_decode(&leave->frame, &leave->room, message->payload, message->len) != NULL ||
	    f->from.id != leave->node.who.id)
		return;
	if (kind == TOPIC_REPLY && f->type == FRAME_REPLY) {
		leave->replied = true;
		leave->reason = f->reason;
	} else if (kind == TOPIC_NODE && f->type == FRAME_STATUS) {
		leave->gone = leave->gone || f->state == NODE_LEFT || f->state == NODE_GONE;
	}
}

/* Waits for *done; a time-out is told as `what`. */
static enum exit_code leave_wait(struct client *client, const struct settings *settings, const struct leave *leave,
				 const bool *done, const char *what)
{
	enum exit_code code = client_wait(client, done, client_deadline(client));
	char timeout[32];

	if (code == RC_TIMEOUT)
		output_error("node %s %s within %s", leave->node.name, what, client_timeout_text(settings, timeout));
	return code;
}

static enum exit_code leave_ask(struct client *client, const struct settings *settings, struct leave *leave)
{
	struct frame ask = {.type = FRAME_LEAVE};
	enum exit_code code;

	client_listen(client, leave_message_cb, leave);
	code = client_subscribe(client, TOPIC_NODE, leave->node.who.id);
	if (code == RC_OK)
		code = client_send(client, TOPIC_INBOX, leave->node.who.id, &ask);
	if (code == RC_OK)
		code = leave_wait(client, settings, leave, &leave->replied, "did not answer");
	if (code == RC_OK && leave->reason == REASON_NOT_ACTIVE) {
		output_error("node %s is %s: only an active node can leave", leave->node.name,
			     node_state_name(leave->node.state));
		return RC_REFUSED;
	}
	if (code == RC_OK)
		code = leave_wait(client, settings, leave, &leave->gone, "has begun to leave, but was not gone");
	return code;
}

/* Whom it could hand its records to: a silent neighbour may be a node of the reference. */
static bool leave_is_last(const struct census *census, const struct census_node *node)
{
	bool last = node->state == NODE_ACTIVE && census->silent_count == 0;

	for (size_t i = 0; i < census->count; i++)
		last = last && (&census->nodes[i] == node || census->nodes[i].state != NODE_ACTIVE);
	return last;
}

static enum exit_code leave_locate(struct client *client, const struct settings *settings, const char *name,
				   struct leave *leave)
{
	struct census census = {0};
	enum exit_code code = census_take(client, settings, &census);
	const struct census_node *node = census_find_named(&census, name);
	char timeout[32];

	if (node != NULL && node->records > 0 && !settings->force && leave_is_last(&census, node)) {
		output_error("node %s is the only active one, and its %" PRIu64
			     " record%s would be gone, or with a data directory out of reach until it is started "
			     "again: start another first, or save them by 'dhtctl export FILE' and give --force",
			     node->name, node->records, node->records == 1 ? "" : "s");
		code = RC_REFUSED;
	} else if (node != NULL) {
		leave->node = *node;
	} else if (code == RC_TIMEOUT) {
		output_error("no ring answers at broker %s within %s (see 'dhtctl status')", settings->ring_shown,
			     client_timeout_text(settings, timeout));
	} else if (code == RC_OK && census.silent_count > 0) {
		output_error("no node '%s' among the %zu that answer; %zu more do not (see 'dhtctl ring')", name,
			     census.count, census.silent_count);
		code = RC_TIMEOUT;
	} else if (code == RC_OK) {
		output_error("no node '%s' among the %zu that answer (see 'dhtctl ring')", name, census.count);
		code = RC_NO;
	}
	census_free(&census);
	return code;
}

static enum exit_code leave_exec(const struct settings *settings, char **args, size_t count)
{
	struct leave *leave = xcalloc(1, sizeof(*leave));
	struct client *client = NULL;
	enum exit_code code = client_open(settings, &client);

	(void)count;
	leave->prefix = settings->topic_prefix;
	if (code == RC_OK)
		code = leave_locate(client, settings, args[0], leave);
	if (code == RC_OK)
		code = leave_ask(client, settings, leave);
	client_close(client);
	if (code == RC_OK && settings->json) {
		printf("{\"id\":%u,", leave->node.who.id);
		output_json_bytes(stdout, "name", (const uint8_t *)leave->node.name, strlen(leave->node.name));
		printf(",\"left\":true}\n");
	} else if (code == RC_OK && !settings->quiet) {
		printf("node %s has left\n", leave->node.name);
	}
	free(leave);
	return code;
}

const struct command command_leave = {
	.name = "leave",
	.arguments = "NODE",
	.min = 1,
	.max = 1,
	.options = {"force"},
	.others = "stop shutdown decommission",
	.summary = "make a node hand its records over and end",
	.details =
		"\n"
		"NODE is an id or a name. Waits until the node is gone. Exit code 1 means that there is no such "
		"node, 4\n"
		"that it cannot leave in its present state, or is the only active one and holds records, which\n"
		"nobody could take (--force lets it go; its data directory keeps them, if it has one), 5 that it was\n"
		"not gone in time (it goes on leaving).\n"
		"--json gives {\"id\",\"name\",\"left\"}.\n",
	.exec = leave_exec,
};
