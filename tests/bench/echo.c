/* The least that an operation over this broker can cost: one packet there and one back, and nothing else.
 *
 *   echo answer --index I --of N    answers each message of its share of echo/H/H/H/H (four hex digits, the first two of
 *                                   which say whose it is), on the topic to/ASKER that its first 16 bytes name
 *   echo ask --inflight I --ops N   asks as dhtctl bench does, on random ones of these topics, and prints as JSON what
 *                                   came of it: ops_per_s, p50_us, ...
 *   echo reference --ops N          puts by the reference's topics instead, to a ring of nodes
 *
 * All by the transport that dhtctl and dht-node have, so that what is left of the difference is theirs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "../../common/mem.h"
#include "../../common/mqtt.h"
#include "../../common/option.h"
#include "../../tools/histogram.h"

#define NAME_LEN 16
#define HEAD_LEN (NAME_LEN + 8) /* who asks, and when, in nanoseconds */
#define SIZE_MAX_ASKED 65536
#define FILTERS 256

struct settings {
	char *broker, *topic_prefix;
	uint32_t index, of, inflight, operations, warmup, size, timeout;
	bool help;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct option_row rows[] = {
	{"broker", 0, OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL", "the broker", 0, 1000},
	{"topic-prefix", 0, OPTION_TEXT, FIELD(topic_prefix), "", NULL, "PREFIX", "reference: of the ring", 0, 32},
	{"index", 0, OPTION_UNSIGNED, FIELD(index), NULL, NULL, "I", "answer: which of all it is", 0, 255},
	{"of", 0, OPTION_UNSIGNED, FIELD(of), "1", NULL, "N", "answer: how many there are", 1, 256},
	{"inflight", 0, OPTION_UNSIGNED, FIELD(inflight), "1", NULL, "N", "ask: on their way", 1, 100000},
	{"ops", 0, OPTION_UNSIGNED, FIELD(operations), "10000", NULL, "N", "ask: how many", 1, 0},
	{"warmup", 0, OPTION_UNSIGNED, FIELD(warmup), "1000", NULL, "N", "ask: ahead of these", 0, 0},
	{"size", 0, OPTION_UNSIGNED, FIELD(size), "64", NULL, "BYTES", "ask: of each message", HEAD_LEN,
	 SIZE_MAX_ASKED},
	{"timeout", 0, OPTION_DURATION, FIELD(timeout), "60s", NULL, "DURATION", "ask: bounds it all", 1, 0},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
};
static const struct option_table table = {"echo", rows, sizeof(rows) / sizeof(rows[0])};

struct echo {
	struct settings settings;
	struct event_base *base;
	struct mqtt *mqtt;
	char client_id[2 * NAME_LEN + 1];
	bool asks, by_reference, granted, late;
	/* of who asks */
	uint8_t name[NAME_LEN];
	char reply[64], put_topic[64];
	uint8_t *message;
	uint64_t random;
	uint64_t begun, ended, start;
	struct histogram times;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void to_hex(char *out, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* ---- who answers ---- */

static void answer_subscribe(struct echo *e)
{
	unsigned first = e->settings.index * 256 / e->settings.of, end = (e->settings.index + 1) * 256 / e->settings.of;
	char texts[FILTERS][16];
	const char *filters[FILTERS];
	size_t count = 0;

	if (end - first == 256) {
		strcpy(texts[0], "echo/#");
		filters[count++] = texts[0];
		first = end;
	}
	while (first < end) {
		bool whole = first % 16 == 0 && end - first >= 16;

		if (whole)
			sprintf(texts[count], "echo/%x/#", first >> 4 & 15);
		else
			sprintf(texts[count], "echo/%x/%x/#", first >> 4 & 15, first & 15);
		filters[count] = texts[count];
		count++;
		first += whole ? 16 : 1;
	}
	(void)mqtt_subscribe(e->mqtt, filters, count);
}

static void answer(struct echo *e, const struct mqtt_message *m)
{
	char topic[3 + 2 * NAME_LEN + 1] = "to/";

	if (m->len < HEAD_LEN)
		return;
	to_hex(topic + 3, m->payload, NAME_LEN);
	(void)mqtt_publish(e->mqtt, topic, m->payload, m->len, false);
}

/* ---- who asks ---- */

/* "CLIENT/KEY VALUE", answered with "CLIENT/ID". */
static void ask_by_reference(struct echo *e)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "%s/%u %032u", e->client_id, (uint32_t)(e->random >> 32), 0u);

	(void)mqtt_publish(e->mqtt, e->put_topic, text, (size_t)len, false);
}

static void ask_cell(struct echo *e, uint64_t now)
{
	unsigned cell = (unsigned)(e->random >> 48);
	char topic[16];

	sprintf(topic, "echo/%x/%x/%x/%x", cell >> 12, cell >> 8 & 15, cell >> 4 & 15, cell & 15);
	memcpy(e->message, e->name, NAME_LEN);
	memcpy(e->message + NAME_LEN, &now, 8);
	(void)mqtt_publish(e->mqtt, topic, e->message, e->settings.size, false);
}

static void ask(struct echo *e)
{
	uint64_t total = (uint64_t)e->settings.warmup + e->settings.operations;

	while (e->begun < total && e->begun - e->ended < e->settings.inflight) {
		uint64_t now = clock_ns();

		e->random = e->random * 6364136223846793005u + 1442695040888963407u;
		if (e->begun == e->settings.warmup)
			e->start = now;
		e->begun++;
		if (e->by_reference)
			ask_by_reference(e);
		else
			ask_cell(e, now);
	}
}

static void ask_print(const struct echo *e)
{
	static const struct {
		const char *name;
		uint32_t of_100000;
	} percentiles[] = {
		{"p50_us", 50000}, {"p95_us", 95000}, {"p99_us", 99000}, {"p999_us", 99900}, {"max_us", 100000}};
	double seconds = (double)(clock_ns() - e->start) / 1e9;

	printf("{\"ops_per_s\":%.1f,\"ops\":%u,\"seconds\":%.6f", e->settings.operations / seconds,
	       e->settings.operations, seconds);
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		printf(",\"%s\":%.1f", percentiles[i].name,
		       (double)histogram_at(&e->times, percentiles[i].of_100000) / 1000);
	printf("}\n");
}

static void heard(struct echo *e, const struct mqtt_message *m)
{
	uint64_t start;

	if (e->by_reference) {
		if (m->len <= 2 * NAME_LEN || memcmp(m->payload, e->client_id, 2 * NAME_LEN) != 0)
			return;
	} else {
		if (m->len != e->settings.size)
			return;
		memcpy(&start, m->payload + NAME_LEN, 8);
		if (start >= e->start && e->start != 0)
			histogram_add(&e->times, clock_ns() - start);
	}
	if (++e->ended < (uint64_t)e->settings.warmup + e->settings.operations)
		return;
	ask_print(e);
	mqtt_stop(e->mqtt, 100);
}

/* ---- the connection ---- */

static void identify_cb(void *arg, struct mqtt_identity *identity)
{
	struct echo *e = arg;

	*identity = (struct mqtt_identity){.client_id = e->client_id};
}

static void connected_cb(void *arg)
{
	struct echo *e = arg;
	const char *filter = e->reply;

	if (e->asks)
		(void)mqtt_subscribe(e->mqtt, &filter, 1);
	else
		answer_subscribe(e);
}

static void disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	(void)why;
	(void)retry_ms;
	fprintf(stderr, "echo: no connection: %s\n", detail);
	event_base_loopbreak(((struct echo *)arg)->base);
}

/* Whoever starts us waits for "ready". */
static void subscribed_cb(void *arg, const char *filter, bool granted)
{
	struct echo *e = arg;

	(void)filter;
	e->granted = granted;
	if (!granted)
		event_base_loopbreak(e->base);
	else if (e->asks)
		ask(e);
	else
		puts("ready");
	fflush(stdout);
}

static void message_cb(void *arg, const struct mqtt_message *message)
{
	struct echo *e = arg;

	if (e->asks)
		heard(e, message);
	else
		answer(e, message);
}

static void turn_cb(void *arg)
{
	struct echo *e = arg;

	if (e->asks && e->granted)
		ask(e);
}

static void ignore_cb(void *arg)
{
	(void)arg;
}

static void stopped_cb(void *arg)
{
	event_base_loopbreak(((struct echo *)arg)->base);
}

static void late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct echo *e = arg;

	(void)fd;
	(void)what;
	fprintf(stderr, "echo: %" PRIu64 " of %" PRIu64 " answered in time\n", e->ended, e->begun);
	e->late = true;
	event_base_loopbreak(e->base);
}

static void run(struct echo *e, const struct url *url)
{
	static const struct mqtt_callbacks callbacks = {identify_cb, connected_cb, disconnected_cb, subscribed_cb,
							message_cb,  ignore_cb,    turn_cb,         stopped_cb};
	struct timeval bound = {.tv_sec = e->settings.timeout / 1000, .tv_usec = e->settings.timeout % 1000 * 1000};
	struct mqtt_config config;
	struct evdns_base *dns;
	struct event *alarm;

	mqtt_config_init(&config);
	config.url = *url;
	e->base = xcheck(event_base_new());
	dns = mqtt_dns_new(e->base);
	e->mqtt = xcheck(mqtt_new(e->base, dns, &config, &callbacks, e));
	alarm = xcheck(evtimer_new(e->base, late_cb, e));
	if (e->asks)
		evtimer_add(alarm, &bound);
	mqtt_start(e->mqtt);
	event_base_dispatch(e->base);
	event_free(alarm);
	mqtt_free(e->mqtt);
	evdns_base_free(dns, 0);
	event_base_free(e->base);
}

static void name_reference_topics(struct echo *e)
{
	const char *prefix = e->settings.topic_prefix, *slash = prefix[0] ? "/" : "";

	snprintf(e->reply, sizeof(e->reply), "%s%sack-put", prefix, slash);
	snprintf(e->put_topic, sizeof(e->put_topic), "%s%sput", prefix, slash);
}

int main(int argc, char **argv)
{
	struct echo *e = xcalloc(1, sizeof(*e));
	struct option_result given;
	char error[OPTION_ERROR_MAX];
	struct url url;
	int rc = 2;

	if (!option_parse(&table, &e->settings, argc, argv, &given, error)) {
		fprintf(stderr, "echo: %s\n", error);
		return 2;
	}
	e->by_reference = given.arg_count == 1 && strcmp(given.args[0], "reference") == 0;
	e->asks = e->by_reference || (given.arg_count == 1 && strcmp(given.args[0], "ask") == 0);
	if (e->settings.help) {
		printf("usage: echo answer|ask|reference [OPTIONS]\n\n");
		option_help(stdout, &table);
		rc = 0;
	} else if (given.arg_count != 1 || (!e->asks && strcmp(given.args[0], "answer") != 0) ||
		   e->settings.index >= e->settings.of || url_parse(&url, e->settings.broker, error, sizeof(error))) {
		fprintf(stderr, "echo: a bad broker URL, or none of 'answer', 'ask', 'reference'; see --help\n");
	} else if (getrandom(e->name, NAME_LEN, 0) == NAME_LEN) {
		to_hex(e->client_id, e->name, NAME_LEN);
		if (e->by_reference)
			name_reference_topics(e);
		else
			sprintf(e->reply, "to/%s", e->client_id);
		e->message = xcalloc(1, e->settings.size);
		e->random = clock_ns();
		run(e, &url);
		rc = e->asks && !e->late && e->ended == e->begun && e->ended > e->settings.warmup ? 0 : 1;
	}
	option_free(&table, &e->settings);
	free(e->message);
	free(e);
	return rc;
}
