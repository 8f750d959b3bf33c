#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "census.h"
#include "client.h"
#include "live.h"
#include "output.h"
#include "progress.h"

#define SCRUB_PAUSE 100 /* ms between two questions to a node */

struct scrubbed {
	const struct census_node *node;
	bool heard, done, none;          /* it has answered; it is through; it owns nothing */
	uint64_t heard_at;               /* when it last answered */
	uint64_t numbers[SCRUB_NUMBERS]; /* as REPLY has them */
};

struct scrub {
	const struct settings *settings;
	struct census census;
	struct scrubbed *nodes; /* as many */
	uint64_t attempt;
	size_t left;
	bool over;
	struct progress progress;
	struct frame frame;
	struct frame_room room;
};

static void scrub_message_cb(void *arg, const struct mqtt_message *message)
{
	struct scrub *s = arg;
	uint32_t id;

	if (topic_parse(message->topic, s->settings->topic_prefix, &id) != TOPIC_REPLY ||
	    frame_decode(&s->frame, &s->room, message->payload, message->len) != NULL || s->frame.type != FRAME_REPLY)
		return;
	for (size_t i = 0; i < s->census.count; i++) {
		struct scrubbed *n = &s->nodes[i];

		if (!member_same(&n->node->who, &s->frame.from) || n->done)
			continue;
		n->heard = true;
		n->heard_at = client_now();
		n->none = s->frame.reason != REASON_NONE;
		if (n->none || (s->frame.attempt == s->attempt && s->frame.scrub_count == SCRUB_NUMBERS)) {
			memcpy(n->numbers, s->frame.scrub, sizeof(n->numbers));
			n->done = n->none || !s->frame.flag;
		}
		s->left -= n->done;
	}
	s->over = s->left == 0;
}

static enum exit_code scrub_ask(struct scrub *s, struct client *client)
{
	enum exit_code code = RC_OK;

	for (size_t i = 0; i < s->census.count && code == RC_OK; i++) {
		struct frame f = {.type = FRAME_SCRUB, .attempt = s->attempt};

		if (!s->nodes[i].done)
			code = client_send(client, TOPIC_INBOX, s->nodes[i].node->who.id, &f);
	}
	return code;
}

static void scrub_draw(struct scrub *s)
{
	uint64_t records = 0, done = 0;

	for (size_t i = 0; i < s->census.count; i++) {
		records += s->nodes[i].numbers[SCRUB_RECORDS];
		done += s->nodes[i].done ? 1000 : s->nodes[i].numbers[SCRUB_DONE];
	}
	progress_draw(&s->progress, records, done, 1000 * s->census.count);
}

/* How long it takes is the records' to say; a node that does not answer at all is what the time-out bounds. */
static bool scrub_waits(const struct scrub *s)
{
	uint64_t now = client_now();

	for (size_t i = 0; i < s->census.count; i++)
		if (!s->nodes[i].done && now - s->nodes[i].heard_at < s->settings->timeout)
			return true;
	return false;
}

static enum exit_code scrub_run(struct scrub *s, struct client *client)
{
	enum exit_code code;

	client_listen(client, scrub_message_cb, s);
	do {
		code = scrub_ask(s, client);
		if (code == RC_OK)
			code = client_wait(client, &s->over, client_now() + SCRUB_PAUSE);
		scrub_draw(s);
		if (code == RC_TIMEOUT && !scrub_waits(s))
			return RC_PARTLY;
	} while (code == RC_TIMEOUT);
	return code;
}

/* ---- what came of it ---- */

static void scrub_add(const struct scrub *s, uint64_t all[SCRUB_NUMBERS])
{
	memset(all, 0, SCRUB_NUMBERS * sizeof(*all));
	for (size_t i = 0; i < s->census.count; i++)
		for (unsigned k = 0; k < SCRUB_NUMBERS; k++)
			all[k] += s->nodes[i].numbers[k];
}

static void scrub_tell_json(const struct scrubbed *n)
{
	const uint64_t *k = n->numbers;

	printf("{\"node\":%u,\"name\":", n->node->who.id);
	output_json_string(stdout, (const uint8_t *)n->node->name, strlen(n->node->name));
	printf(",\"done\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"copies\":%" PRIu64 ",\"differed\":%" PRIu64
	       ",\"sent\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"healed\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
	       n->done ? "true" : "false", k[SCRUB_RECORDS], k[SCRUB_BYTES], k[SCRUB_COPIES], k[SCRUB_DIFFERED],
	       k[SCRUB_SENT], k[SCRUB_DAMAGED], k[SCRUB_HEALED], k[SCRUB_LOST]);
}

static const char *scrub_plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void scrub_tell_node(const struct scrubbed *n)
{
	const uint64_t *k = n->numbers;

	output_line(stdout, n->node->name);
	printf(": %" PRIu64 " record%s, %s", k[SCRUB_RECORDS], scrub_plural(k[SCRUB_RECORDS]),
	       n->none                ? "as it owns nothing now"
	       : !n->done             ? "and then no answer"
	       : k[SCRUB_COPIES] == 0 ? "of which nobody keeps a copy"
				      : "");
	if (k[SCRUB_COPIES] > 0)
		printf("compared with %" PRIu64 " %s: ", k[SCRUB_COPIES], k[SCRUB_COPIES] == 1 ? "copy" : "copies");
	else if (k[SCRUB_DAMAGED] > 0)
		fputs("; ", stdout);
	if (k[SCRUB_DIFFERED] > 0)
		printf("%" PRIu64 " piece%s differed and %s sent anew (%" PRIu64 " record%s)%s", k[SCRUB_DIFFERED],
		       scrub_plural(k[SCRUB_DIFFERED]), k[SCRUB_DIFFERED] == 1 ? "was" : "were", k[SCRUB_SENT],
		       scrub_plural(k[SCRUB_SENT]), k[SCRUB_DAMAGED] > 0 ? "; " : "");
	if (k[SCRUB_DAMAGED] > 0)
		printf("%" PRIu64 " damaged here: %" PRIu64 " fetched anew, %s%" PRIu64 " lost%s", k[SCRUB_DAMAGED],
		       k[SCRUB_HEALED], output_color(k[SCRUB_LOST] > 0 ? COLOR_BAD : COLOR_NONE), k[SCRUB_LOST],
		       output_color(COLOR_NONE));
	if (k[SCRUB_COPIES] > 0 && k[SCRUB_DIFFERED] + k[SCRUB_DAMAGED] == 0)
		fputs("the same", stdout);
	putchar('\n');
}

static enum exit_code scrub_tell(const struct scrub *s, enum exit_code code)
{
	uint64_t all[SCRUB_NUMBERS];
	char timeout[32];

	scrub_add(s, all);
	for (size_t i = 0; i < s->census.count; i++)
		if (s->settings->json)
			scrub_tell_json(&s->nodes[i]);
		else if (!s->settings->quiet)
			scrub_tell_node(&s->nodes[i]);
	for (size_t i = 0; i < s->census.count && code == RC_PARTLY; i++)
		if (!s->nodes[i].done)
			output_error("node %s: no answer within %s%s", s->nodes[i].node->name,
				     client_timeout_text(s->settings, timeout),
				     s->nodes[i].heard ? "" : " (a node of an earlier version compares nothing)");
	if (all[SCRUB_LOST] == 1)
		output_error("1 record is damaged in all copies -> put it anew, or delete it; 'dhtctl export' says "
			     "which it is");
	else if (all[SCRUB_LOST] > 0)
		output_error("%" PRIu64 " records are damaged in all copies -> put them anew, or delete them; "
			     "'dhtctl export' says which they are",
			     all[SCRUB_LOST]);
	return code == RC_OK && all[SCRUB_LOST] > 0 ? RC_NO : code;
}

static enum exit_code scrub_exec(const struct settings *settings, char **args, size_t count)
{
	struct scrub *s = xcalloc(1, sizeof(*s));
	struct client *client = NULL;
	enum exit_code code;

	(void)args;
	(void)count;
	s->settings = settings;
	progress_init(&s->progress, "comparing", !settings->quiet);
	code = client_open(settings, &client);
	if (code == RC_OK)
		code = live_look(client, settings, &s->census);
	if (code == RC_OK) {
		client_random(&s->attempt, sizeof(s->attempt));
		s->attempt |= 1;
		s->nodes = xcalloc(s->census.count + 1, sizeof(*s->nodes));
		for (size_t i = 0; i < s->census.count; i++)
			s->nodes[i] = (struct scrubbed){.node = &s->census.nodes[i], .heard_at = client_now()};
		s->left = s->census.count;
		code = scrub_run(s, client);
	}
	progress_end(&s->progress);
	if (code == RC_OK || code == RC_PARTLY)
		code = scrub_tell(s, code);
	client_close(client);
	census_free(&s->census);
	free(s->nodes);
	free(s);
	return code;
}

const struct command command_scrub = {
	.name = "scrub",
	.arguments = "",
	.others = "repair verify fsck",
	.summary = "compare all copies of all records, and mend what differs",
	.details = "\n"
		   "Each node compares its arc with every copy of it, piece by piece, while everything goes on; a copy "
		   "that\n"
		   "differs is sent that piece anew. Each record carries a sum that the client who put it has made: "
		   "where\n"
		   "the bytes at its owner do not fit that any more, it is fetched from another copy. Nodes do the "
		   "same by\n"
		   "themselves once a day (dht-node's --scrub).\n"
		   "\n"
		   "A line for each node says what was found; with --json an object: "
		   "{\"node\",\"name\",\"done\",\"records\","
		   "\"bytes\",\"copies\",\"differed\" (pieces),\"sent\" (records told "
		   "anew),\"damaged\",\"healed\",\"lost\"}.\n"
		   "--timeout bounds how long a node may be silent, not the whole. Exit code 1 means that records are\n"
		   "damaged in all copies, 6 that a node did not answer.\n",
	.exec = scrub_exec,
};
