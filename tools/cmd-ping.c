#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "histogram.h"
#include "interrupt.h"
#include "live.h"
#include "output.h"

#define PING_INTERVAL 1000 /* ms from one question to the next */

struct ping_node {
	uint32_t id;
	char name[NAME_MAX_LEN + 1];
	bool missing; /* its answer to this question */
};

struct ping {
	const struct settings *settings;
	struct client *client;
	struct ping_node *nodes;
	size_t count;
	uint32_t round;
	uint64_t asked; /* ns */
	size_t missing; /* how many answers */
	bool wake;
	size_t lost;
	int width; /* of names */
	struct histogram times;
	struct frame frame;
	struct frame_room room;
	int output_errno;
};

static uint64_t ping_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- telling ---- */

static double ping_us(uint64_t ns)
{
	return (double)ns / 1000;
}

/* A column as wide as the last question's number; whoever asks for ever ends it by Ctrl-C long before. */
static int ping_digits(uint32_t times)
{
	return times < 10 ? 1 : times < 100 ? 2 : times < 1000 ? 3 : 4;
}

/* ns 0: it is lost. */
static void ping_tell(struct ping *p, const struct ping_node *node, uint64_t ns)
{
	if (p->settings->json) {
		printf("{\"round\":%u,\"node\":%u,", p->round, node->id);
		output_json_bytes(stdout, "name", (const uint8_t *)node->name, strlen(node->name));
		if (ns > 0)
			printf(",\"us\":%.1f}\n", ping_us(ns));
		else
			puts(",\"us\":null}");
	} else if (ns > 0 && !p->settings->quiet) {
		printf("%*u  ", ping_digits(p->settings->times), p->round);
		output_line(stdout, node->name);
		printf("%*s  %7.3f ms\n", p->width - (int)strlen(node->name), "", ping_us(ns) / 1000);
	}
	if (output_flush())
		return;
	p->output_errno = errno;
	p->wake = true;
}

static void ping_sum_up_json(const struct ping *p, double p50, double max)
{
	printf("{\"answers\":%llu,\"lost\":%zu,", (unsigned long long)p->times.count, p->lost);
	if (p->times.count > 0)
		printf("\"p50_us\":%.1f,\"max_us\":%.1f}\n", p50, max);
	else
		puts("\"p50_us\":null,\"max_us\":null}");
}

static void ping_sum_up(const struct ping *p)
{
	double p50 = ping_us(histogram_at(&p->times, 50000)), max = ping_us(p->times.max);
	unsigned long long answers = p->times.count;

	if (p->settings->json)
		ping_sum_up_json(p, p50, max);
	if (p->settings->json || p->settings->quiet)
		return;
	if (interrupt_name() != NULL && output_terminal(STDOUT_FILENO))
		fputs("\r\033[K", stdout); /* the terminal shows ^C */
	printf("%llu answer%s, %zu lost", answers, answers == 1 ? "" : "s", p->lost);
	if (answers > 0)
		printf(", p50 %.3f ms, max %.3f ms", p50 / 1000, max / 1000);
	putchar('\n');
}

/* ---- asking ---- */

static void ping_message_cb(void *arg, const struct mqtt_message *message)
{
	struct ping *p = arg;
	uint64_t now = ping_clock();
	uint32_t id;

	if (topic_parse(message->topic, p->settings->topic_prefix, &id) != TOPIC_REPLY ||
	    frame_decode(&p->frame, &p->room, message->payload, message->len) != NULL || p->frame.type != FRAME_STATUS)
		return;
	for (size_t i = 0; i < p->count; i++) {
		if (!p->nodes[i].missing || p->nodes[i].id != p->frame.from.id)
			continue;
		p->nodes[i].missing = false;
		p->wake = --p->missing == 0 || p->wake;
		histogram_add(&p->times, now - p->asked);
		ping_tell(p, &p->nodes[i], now - p->asked);
	}
}

static bool ping_goes_on(const struct ping *p)
{
	return interrupt_name() == NULL && p->output_errno == 0;
}

/* Until then, or what is missing is there, or a signal. */
static enum exit_code ping_wait(struct ping *p, uint64_t until)
{
	enum exit_code code;

	p->wake = false;
	code = client_wait(p->client, &p->wake, until);
	return code == RC_TIMEOUT ? RC_OK : code;
}

static void ping_tell_lost(struct ping *p)
{
	char timeout[32];

	for (size_t i = 0; i < p->count; i++) {
		if (!p->nodes[i].missing)
			continue;
		p->nodes[i].missing = false; /* what comes now is too late, but once the next question is asked */
		p->lost++;
		ping_tell(p, &p->nodes[i], 0);
		output_error("node %s: no answer within %s", p->nodes[i].name,
			     client_timeout_text(p->settings, timeout));
	}
}

static enum exit_code ping_round(struct ping *p)
{
	struct frame who = {.type = FRAME_WHO};
	uint64_t begun = client_now();
	enum exit_code code;

	p->round++;
	p->missing = p->count;
	for (size_t i = 0; i < p->count; i++)
		p->nodes[i].missing = true;
	p->asked = ping_clock();
	code = client_send(p->client, TOPIC_RING, 0, &who);
	if (code == RC_OK)
		code = ping_wait(p, begun + p->settings->timeout);
	if (code != RC_OK || !ping_goes_on(p))
		return code;
	ping_tell_lost(p);
	return p->round < p->settings->times ? ping_wait(p, begun + PING_INTERVAL) : RC_OK;
}

static enum exit_code ping_run(struct ping *p)
{
	enum exit_code code = RC_OK;

	client_listen(p->client, ping_message_cb, p);
	interrupt_catch(p->client, &p->wake);
	while (code == RC_OK && p->round < p->settings->times && ping_goes_on(p))
		code = ping_round(p);
	if (p->output_errno == 0)
		ping_sum_up(p);
	interrupt_release();
	if (code == RC_OK && p->lost > 0)
		code = p->times.count > 0 ? RC_PARTLY : RC_TIMEOUT;
	return code;
}

static void ping_add(struct ping *p, uint32_t id, const char *name)
{
	struct ping_node *node = &p->nodes[p->count++];

	node->id = id;
	snprintf(node->name, sizeof(node->name), "%s", name);
	if ((int)strlen(name) > p->width)
		p->width = (int)strlen(name);
}

/* Who is to answer: all who are there and their neighbours, or of these the one that is meant. */
static enum exit_code ping_choose(struct ping *p, const struct census *census, const char *name)
{
	char digits[12];

	p->nodes = xcalloc(census->count + census->silent_count, sizeof(*p->nodes));
	for (size_t i = 0; i < census->count; i++)
		if (name == NULL || census_find_named(census, name) == &census->nodes[i])
			ping_add(p, census->nodes[i].who.id, census->nodes[i].name);
	for (size_t i = 0; i < census->silent_count; i++) {
		snprintf(digits, sizeof(digits), "%u", census->silent[i]);
		if (name == NULL || strcmp(name, digits) == 0)
			ping_add(p, census->silent[i], digits);
	}
	if (p->count > 0)
		return RC_OK;
	output_error("no answer from node '%s', but from %zu other%s (see 'dhtctl ring')", name, census->count,
		     census->count == 1 ? "" : "s");
	return RC_TIMEOUT;
}

static enum exit_code ping_exec(const struct settings *settings, char **args, size_t count)
{
	struct ping *p = xcalloc(1, sizeof(*p));
	struct census census = {0};
	int output_errno;
	enum exit_code code;

	p->settings = settings;
	code = client_open(settings, &p->client);
	if (code == RC_OK)
		code = live_look(p->client, settings, &census);
	if (code == RC_OK)
		code = ping_choose(p, &census, count > 0 ? args[0] : NULL);
	census_free(&census);
	if (code == RC_OK)
		code = ping_run(p);
	client_close(p->client);
	output_errno = p->output_errno;
	free(p->nodes);
	free(p);
	if (output_errno != 0) {
		output_give_up(output_errno);
		return RC_LOCAL;
	}
	interrupt_end();
	return code;
}

const struct command command_ping = {
	.name = "ping",
	.arguments = "[NODE]",
	.max = 1,
	.options = {"times"},
	.others = "latency rtt",
	.summary = "tell how long nodes take to answer",
	.details =
		"\n"
		"Of NODE, an id or a name, or without it of each node of the ring at the beginning: over the broker "
		"to\n"
		"the node and back, and nothing is looked up there. A line for each answer: of which question it is,\n"
		"the node, and the time. With --times it asks so often, once a second while all answer. At the end,\n"
		"or by Ctrl-C, how many there were, and how long half of them (at most 1/128 more is said) and all of\n"
		"them took at most. --quiet prints nothing but errors. --json gives "
		"{\"round\",\"node\",\"name\",\"us\" (null: no answer)}, and at the "
		"end\n"
		"{\"answers\",\"lost\",\"p50_us\",\"max_us\"} (null if there are none).\n"
		"\n"
		"--timeout bounds each question. Exit code 5 means that nobody answered, or not NODE; 6 that answers\n"
		"are missing.\n",
	.exec = ping_exec,
};
