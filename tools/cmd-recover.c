#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/ring.h"
#include "census.h"
#include "client.h"
#include "live.h"
#include "output.h"

#define RECOVER_PAUSE 500    /* ms between two looks */
#define RECOVER_LOOK 100     /* ... that a look takes, at least */
#define RECOVER_PATIENCE 500 /* ... for the answers to what has been said */

struct recover {
	const struct settings *settings;
	struct arc arc;
	char shown[CENSUS_ARC_TEXT];
	struct census census;
	unsigned said, answered, accepted;
	bool done;
	struct frame frame;
	struct frame_room room;
};

static bool recover_parse(const char *text, struct arc *arc)
{
	const char *digits = "0123456789abcdefABCDEF";
	size_t lo = strspn(text, digits), hi = text[lo] == '-' ? strspn(text + lo + 1, digits) : 0;

	if (strcmp(text, "all") == 0) {
		*arc = (struct arc){0, 0};
		return true;
	}
	if (lo < 1 || lo > 8 || hi < 1 || hi > 8 || text[lo + 1 + hi] != '\0')
		return false;
	arc->lo = (uint32_t)strtoul(text, NULL, 16);
	arc->hi = (uint32_t)strtoul(text + lo + 1, NULL, 16);
	return true;
}

static bool recover_meant(const struct recover *r, const struct census_node *node, const struct frame_doubt *d)
{
	return node->operated && ring_covers(r->arc, d->arc);
}

/* ---- what it may cost ---- */

static void recover_tell(const struct census_node *node, const struct frame_doubt *d)
{
	char arc[CENSUS_ARC_TEXT], waits[CENSUS_WAITS_TEXT];

	fprintf(stderr, "%s: node ", census_arc_text(d->arc, arc));
	output_line(stderr, node->name);
	fprintf(stderr, " waits for %s%s\n", census_waits_text(d, waits),
		d->copy ? ", and has a copy of all of it.\n  Lost may be what was written while it was away itself."
			: ".\n  It has no copy: all records of it may be lost.");
}

/* How many doubts there are, of those that are meant. */
static size_t recover_count(const struct recover *r, bool tell)
{
	size_t count = 0;

	for (size_t i = 0; i < r->census.count; i++) {
		const struct census_node *node = &r->census.nodes[i];

		for (unsigned j = 0; j < node->doubt_count; j++) {
			if (!recover_meant(r, node, &node->doubts[j]))
				continue;
			count++;
			if (tell)
				recover_tell(node, &node->doubts[j]);
		}
	}
	return count;
}

static enum exit_code recover_ask(const struct recover *r)
{
	char answer[16] = "";

	if (!r->settings->yes && !isatty(STDIN_FILENO)) {
		output_error("%s: give --yes to give it up where nobody can be asked", r->shown);
		return RC_USAGE;
	}
	if (!r->settings->quiet || !r->settings->yes) {
		(void)recover_count(r, true);
		fprintf(stderr, "What comes back later all the same is merged by its version.\n");
	}
	if (r->settings->yes)
		return RC_OK;
	fprintf(stderr, "Give it up? [y/N] ");
	fflush(stderr);
	if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
		return RC_OK;
	output_error("nothing is given up");
	return RC_NO;
}

/* ---- the word ---- */

static void recover_message_cb(void *arg, const struct mqtt_message *message)
{
	struct recover *r = arg;
	uint32_t id;

	if (topic_parse(message->topic, r->settings->topic_prefix, &id) != TOPIC_REPLY ||
	    frame_decode(&r->frame, &r->room, message->payload, message->len) != NULL || r->frame.type != FRAME_REPLY)
		return;
	r->answered++;
	r->accepted += r->frame.reason == REASON_NONE;
	r->done = r->answered >= r->said;
}

static enum exit_code recover_say(struct recover *r, struct client *client)
{
	enum exit_code code = RC_OK;

	r->said = r->answered = 0;
	r->done = false;
	client_listen(client, recover_message_cb, r);
	for (size_t i = 0; i < r->census.count && code == RC_OK; i++) {
		const struct census_node *node = &r->census.nodes[i];
		struct frame f = {.type = FRAME_RECOVER, .to = node->who.conn};

		for (unsigned j = 0; j < node->doubt_count; j++)
			if (recover_meant(r, node, &node->doubts[j]))
				f.doubts[f.doubt_count++] = node->doubts[j];
		if (f.doubt_count == 0)
			continue;
		r->said++;
		code = client_send(client, TOPIC_INBOX, node->who.id, &f);
	}
	if (code == RC_OK && r->said > 0)
		code = client_wait(client, &r->done, client_now() + RECOVER_PATIENCE);
	client_listen(client, NULL, NULL);
	return code == RC_TIMEOUT ? RC_OK : code;
}

static enum exit_code recover_look(struct recover *r, struct client *client)
{
	census_free(&r->census);
	return census_take(client, r->settings, &r->census);
}

/* Until it is served: one doubt may be behind another, and a word counts for a while only. */
static enum exit_code recover_until_served(struct recover *r, struct client *client)
{
	const bool never = false;
	enum exit_code code;

	for (;;) {
		code = recover_say(r, client);
		if (code == RC_OK)
			code = client_wait(client, &never, client_now() + RECOVER_PAUSE);
		if (code == RC_TIMEOUT && client_now() + RECOVER_LOOK < client_deadline(client))
			code = recover_look(r, client);
		else if (code == RC_TIMEOUT)
			return code;
		if (code != RC_OK && code != RC_TIMEOUT)
			return code;
		if (code == RC_OK && recover_count(r, false) == 0 && census_serves_arc(&r->census, r->arc))
			return RC_OK;
	}
}

static enum exit_code recover_told(const struct recover *r, enum exit_code code)
{
	char timeout[32];

	if (code == RC_TIMEOUT && r->accepted > 0)
		output_error("%s: given up, but not served within %s (see 'dhtctl ring', and say it again)", r->shown,
			     client_timeout_text(r->settings, timeout));
	else if (code == RC_TIMEOUT)
		output_error("%s: no node took the word within %s", r->shown,
			     client_timeout_text(r->settings, timeout));
	else if (code == RC_OK && r->settings->json)
		printf("{\"arc\":[%u,%u],\"given_up\":%u,\"served\":true}\n", r->arc.lo, r->arc.hi, r->accepted);
	else if (code == RC_OK && !r->settings->quiet)
		printf("%s: served again\n", r->shown);
	return code;
}

static enum exit_code recover_exec(const struct settings *settings, char **args, size_t count)
{
	struct recover *r = xcalloc(1, sizeof(*r));
	struct client *client = NULL;
	enum exit_code code = RC_USAGE;

	(void)count;
	r->settings = settings;
	if (!recover_parse(args[0], &r->arc)) {
		output_error("invalid arc '%s': two ids of up to 8 hexadecimal digits, as 40000000-80000000, or 'all'",
			     args[0]);
	} else {
		census_arc_text(r->arc, r->shown);
		code = client_open(settings, &client);
	}
	if (code == RC_OK)
		code = live_look(client, settings, &r->census);
	client_close(client); /* whoever is asked may take his time */
	client = NULL;
	if (code == RC_OK && recover_count(r, false) == 0) {
		output_error("%s: nobody waits there for a word (see 'dhtctl ring')", r->shown);
		code = RC_NO;
	}
	if (code == RC_OK)
		code = recover_ask(r);
	if (code == RC_OK)
		code = client_open(settings, &client);
	if (code == RC_OK)
		code = client_subscribe(client, TOPIC_REPLY, 0);
	if (code == RC_OK)
		code = recover_told(r, recover_until_served(r, client));
	client_close(client);
	census_free(&r->census);
	free(r);
	return code;
}

const struct command command_recover = {
	.name = "recover",
	.arguments = "ARC|all",
	.min = 1,
	.max = 1,
	.options = {"yes"},
	.summary = "give up what a node waits for, and serve the arc without it",
	.details =
		"\n"
		"Nodes with a directory (--data-dir) wait for who may have what nobody else has, and 'dhtctl ring' "
		"shows\n"
		"first which arc is not served and for whom it waits. If that one is gone for good, this says what "
		"may be\n"
		"lost with it, asks (not with --yes), and then waits until the arc is served. ARC is what 'dhtctl "
		"ring'\n"
		"names, FROM-TO in hexadecimal, or wider; all is the whole ring. What a node brings that comes back "
		"after\n"
		"all is merged by its version. Exit code 1 means that nobody waits there, or that you said no, 5 that "
		"it was\n"
		"not served in time: it takes a few seconds, at most --recover-after more if the doubt is new.\n"
		"--json gives {\"arc\",\"given_up\",\"served\"}.\n",
	.exec = recover_exec,
};
