/* The reference's client: random keys and strings, put one at a time, got back and compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "../common/reference.h"
#include "client.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#define TEXT_LEN 10
#define DEMO_KEYS 100 /* if nobody says how many */

struct demo_pair {
	uint32_t key;
	char text[TEXT_LEN + 1];
};

struct demo {
	const struct settings *settings;
	struct client *client;
	char name[TEXT_LEN + 1];
	struct demo_pair *pairs;
	size_t count, stored, equal;
	const struct demo_pair *current; /* what is in flight */
	bool answered, matches;
	bool wake; /* it is answered, or a signal has come */
	struct progress progress;
};

/* Of two that differ come two that differ, and they look like any: MurmurHash3's last steps, each of which can be undone. */
static uint32_t demo_scatter(uint32_t n)
{
	n = (n ^ n >> 16) * 0x85ebca6bu;
	n = (n ^ n >> 13) * 0xc2b2ae35u;
	return n ^ n >> 16;
}

/* All keys differ, else one put would overwrite another. */
static void demo_choose(struct demo *demo)
{
	uint32_t first;

	client_random(&first, sizeof(first));
	for (size_t i = 0; i < demo->count; i++) {
		demo->pairs[i].key = demo_scatter(first + (uint32_t)i);
		client_random_text(demo->pairs[i].text, TEXT_LEN);
	}
	client_random_text(demo->name, TEXT_LEN);
}

static void demo_message_cb(void *arg, const struct mqtt_message *message)
{
	struct demo *demo = arg;
	const uint8_t *text;
	uint32_t id;
	size_t len;

	switch (topic_parse(message->topic, demo->settings->topic_prefix, &id)) {
	case TOPIC_ACK_PUT:
		if (reference_parse_ack_put(message->payload, message->len, &text, &len, &id) != NULL ||
		    len != TEXT_LEN || memcmp(text, demo->name, len) != 0)
			return;
		break;
	case TOPIC_RES_GET:
		if (demo->current == NULL ||
		    reference_parse_res_get(message->payload, message->len, &id, &text, &len) != NULL ||
		    id != demo->current->key)
			return;
		demo->matches = len == TEXT_LEN && memcmp(text, demo->current->text, len) == 0;
		break;
	default:
		return;
	}
	demo->answered = demo->wake = true;
}

static void demo_draw(struct demo *demo, size_t done)
{
	demo->progress.what = done < demo->count ? "put" : "get";
	progress_draw(&demo->progress, done, done, 2 * demo->count);
}

/* Publishes one operation and waits for its answer, or a signal; the next step begins as soon as it is here. */
static enum exit_code demo_step(struct demo *demo, enum topic_kind kind, const void *payload, size_t len)
{
	enum exit_code code;
	char timeout[32];

	demo->answered = demo->wake = false;
	code = client_publish(demo->client, kind, 0, payload, len);
	if (code == RC_OK)
		code = client_wait(demo->client, &demo->wake, client_now() + demo->settings->timeout);
	if (code != RC_TIMEOUT)
		return code;
	output_error("no answer to the %s of key %u at broker %s within %s (is a ring there? see 'dhtctl ring'; behind "
		     "an access "
		     "list of 'broker-config' demo needs its --reference)",
		     kind == TOPIC_PUT ? "put" : "get", demo->current->key, demo->settings->ring_shown,
		     client_timeout_text(demo->settings, timeout));
	return code;
}

static bool demo_goes_on(enum exit_code code)
{
	return code == RC_OK && interrupt_name() == NULL;
}

static enum exit_code demo_put_all(struct demo *demo)
{
	enum exit_code code = RC_OK;

	for (size_t i = 0; i < demo->count && demo_goes_on(code); i++) {
		size_t len;
		uint8_t *payload;

		demo->current = &demo->pairs[i];
		payload = reference_format_put((const uint8_t *)demo->name, TEXT_LEN, demo->pairs[i].key,
					       (const uint8_t *)demo->pairs[i].text, TEXT_LEN, &len);
		demo_draw(demo, i);
		code = demo_step(demo, TOPIC_PUT, payload, len);
		demo->stored += code == RC_OK && demo->answered;
		free(payload);
	}
	return code;
}

static enum exit_code demo_get_all(struct demo *demo)
{
	enum exit_code code = RC_OK;

	for (size_t i = 0; i < demo->count && demo_goes_on(code); i++) {
		char payload[REFERENCE_TEXT_MAX];

		demo->current = &demo->pairs[i];
		demo->matches = false;
		demo_draw(demo, demo->count + i);
		code = demo_step(demo, TOPIC_GET, payload,
				 reference_format_id(payload, sizeof(payload), demo->pairs[i].key));
		demo->equal += demo->matches;
		if (code == RC_OK && demo->answered && !demo->matches)
			output_error("key %u: another value came back", demo->pairs[i].key);
	}
	return code;
}

/* What stays in the ring of a run that did not come to its end. */
static void demo_tell_rest(const struct demo *demo)
{
	const char *signal = interrupt_name();

	if (signal != NULL || demo->stored > 0)
		output_error("%s%s%zu of %zu keys were put, and stay; %zu of them were got back and equal",
			     signal ? signal : "", signal ? " ended it: " : "", demo->stored, demo->count, demo->equal);
}

static enum exit_code demo_tell(const struct demo *demo, double seconds)
{
	if (demo->settings->json)
		printf("{\"keys\":%zu,\"equal\":%zu,\"seconds\":%.3f}\n", demo->count, demo->equal, seconds);
	else if (!demo->settings->quiet)
		printf("%zu/%zu keys put, got back and equal, in %.3f s; they stay in the ring\n", demo->equal,
		       demo->count, seconds);
	return demo->equal == demo->count ? RC_OK : RC_NO;
}

static enum exit_code demo_run(struct demo *demo)
{
	struct timespec start, end;
	enum exit_code code;

	client_renew(demo->client); /* many keys take their time */
	client_listen(demo->client, demo_message_cb, demo);
	code = client_subscribe(demo->client, TOPIC_ACK_PUT, 0);
	if (code == RC_OK)
		code = client_subscribe(demo->client, TOPIC_RES_GET, 0);
	interrupt_catch(demo->client, &demo->wake);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (code == RC_OK)
		code = demo_put_all(demo);
	if (code == RC_OK)
		code = demo_get_all(demo);
	clock_gettime(CLOCK_MONOTONIC, &end);
	interrupt_release();
	progress_end(&demo->progress);
	if (!demo_goes_on(code)) {
		demo_tell_rest(demo);
		return code;
	}
	return demo_tell(demo, (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
}

static enum exit_code demo_exec(const struct settings *settings, char **args, size_t count)
{
	struct demo demo = {.settings = settings, .count = settings->keys ? settings->keys : DEMO_KEYS};
	enum exit_code code = client_open(settings, &demo.client);

	(void)args;
	(void)count;
	if (code != RC_OK)
		return code;
	progress_init(&demo.progress, "put", !settings->quiet);
	demo.pairs = xcalloc(demo.count, sizeof(*demo.pairs));
	demo_choose(&demo);
	code = demo_run(&demo);
	free(demo.pairs);
	client_close(demo.client);
	interrupt_end();
	return code;
}

const struct command command_demo = {
	.name = "demo",
	.arguments = "",
	.options = {"keys"},
	.remedy = "apt install mosquitto, or let tools/quickstart start everything; or set --broker or DHT_BROKER",
	.others = "test try",
	.summary = "put, get and compare random keys",
	.details = "\n"
		   "Puts 100 (or --keys) random strings under random keys, one at a time, each acknowledged; then gets "
		   "each\n"
		   "back and compares. They stay in the ring, as the reference's topics have no delete, and what a "
		   "number\n"
		   "held before is overwritten: of 4294967296 each is as likely. Exit code 0 only if all are equal; if "
		   "it\n"
		   "ends before, it says how many were put. --json gives {\"keys\",\"equal\",\"seconds\"}.\n",
	.exec = demo_exec,
};
