/* endure-client: one client of tests/soak --routed.
 *
 * It asks for all there is (put, get, delete, compare-and-set, put-if-absent, add; with lives, alone and by the batch) as
 * any program would that embeds common/kv-mqtt.h, on keys that it shares with the other clients, and writes down what it
 * saw of each operation (seen.h).  Some answers it loses, as a network does: what was done is asked again then, perhaps of a
 * new owner, and must not be done again.  SIGTERM ends it when all that is open has ended.  With --look it reads each key once
 * instead that the others may have used, and ends.  Each second it prints a line of JSON: how far it is. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "../../common/kv-mqtt.h"
#include "../../common/mem.h"
#include "../../common/option.h"
#include "../sim/random.h"
#include "endure-value.h"
#include "seen.h"

#define SECOND UINT64_C(1000000000)
#define SLOTS_MAX 256 /* of all groups */
#define TURN_MS 10
#define BATCH_MAX 24
#define OPEN_MAX 64 /* while the broker is away, say */
#define LOOKS_OPEN 256
#define OPERATIONS_OF_KEY 240 /* of all clients, in a generation: what the search bears, and a last look */

struct settings {
	char *broker, *file;
	uint32_t client, of, rate, seed, timeout, length, lose;
	uint32_t origin; /* s, of the monotonic clock: when all of them begin */
	bool look, no_lives, help;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct option_row rows[] = {
	{"broker", 0, OPTION_URL, FIELD(broker), URL_DEFAULT, "DHT_BROKER", "URL", "the broker", 0, 1000},
	{"file", 0, OPTION_TEXT, FIELD(file), NULL, NULL, "FILE", "where it writes what it sees", 0, 0},
	{"client", 0, OPTION_UNSIGNED, FIELD(client), "0", NULL, "I", "which of all it is", 0, 59},
	{"of", 0, OPTION_UNSIGNED, FIELD(of), "4", NULL, "N", "how many there are", 1, 60},
	{"rate", 0, OPTION_UNSIGNED, FIELD(rate), "250", NULL, "N", "operations a second", 1, 100000},
	{"seed", 0, OPTION_UNSIGNED, FIELD(seed), "1", NULL, "N", "of what it does, and the keys' names", 0, 0},
	{"timeout", 0, OPTION_DURATION, FIELD(timeout), "2m", NULL, "DURATION", "of each operation", 1, 0},
	{"length", 0, OPTION_DURATION, FIELD(length), "60s", NULL, "DURATION", "how long it will be, about", 1, 0},
	{"origin", 0, OPTION_UNSIGNED, FIELD(origin), "0", NULL, "S", "when all begin, on the monotonic clock", 0, 0},
	{"lose", 0, OPTION_UNSIGNED, FIELD(lose), "20", NULL, "N", "of 1000 answers, how many it does not hear", 0,
	 900},
	{"no-lives", 0, OPTION_FLAG, FIELD(no_lives), NULL, NULL, NULL, "nothing that it puts expires", 0, 0},
	{"look", 0, OPTION_FLAG, FIELD(look), NULL, NULL, NULL, "read each key once", 0, 0},
	{"help", 'h', OPTION_STOP, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
};
static const struct option_table table = {"endure-client", rows, sizeof(rows) / sizeof(rows[0])};

/* What this client has of a key of the present generation. */
struct slot {
	uint32_t generation, used;
	struct version version; /* the last it was told; number 0: none */
};

struct group {
	uint32_t slots;
	uint64_t period; /* ns; 0: as long as it all is */
	unsigned share;  /* of 100 operations */
	bool bounded;    /* its histories are searched */
	bool numbers;    /* else bytes */
};
static const struct group groups[SEEN_GROUPS] = {
	[SEEN_BYTES] = {24, 10 * SECOND, 45, true, false},
	[SEEN_NUMBERS] = {16, 10 * SECOND, 30, true, true},
	[SEEN_LASTING] = {200, 0, 10, true, false},
	[SEEN_COUNTER] = {8, 0, 15, false, true},
};

struct client {
	struct settings settings;
	struct event_base *base;
	struct mqtt *mqtt;
	struct kv_mqtt *kv;
	struct event *turn, *term, *second;
	FILE *file;
	struct rng rng, losses;
	struct slot slots[SEEN_GROUPS][SLOTS_MAX];
	uint64_t writes; /* so far: each writes another value */
	uint64_t from;   /* when it began */
	uint64_t begun, ended, unanswered, longest;
	uint64_t lost; /* answers, on purpose */
	uint64_t credit_at;
	struct {
		enum seen_group group;
		uint32_t slot, generation;
	} look;
	char client_id[64];
	bool stopping, looked;
	uint8_t value[ENDURE_VALUE_MAX];
};

struct flight {
	struct client *client;
	struct seen seen;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- keys ---- */

static uint64_t period_of(const struct client *c, enum seen_group group)
{
	return groups[group].period ? groups[group].period : (uint64_t)c->settings.length * 1000000;
}

/* Since all of them began. */
static uint64_t age(const struct client *c, uint64_t now)
{
	uint64_t origin = (uint64_t)c->settings.origin * SECOND;

	return now > origin ? now - origin : 0;
}

/* Counters are for ever. */
static uint32_t generation_of(const struct client *c, enum seen_group group, uint64_t now)
{
	return groups[group].bounded ? (uint32_t)(age(c, now) / period_of(c, group)) : 0;
}

/* Half of them are numbers. */
static struct key key_make(const struct client *c, uint64_t key, char name[64])
{
	uint32_t generation = (uint32_t)key, slot = (uint32_t)(key >> 32) & 0xffff, group = seen_group_of(key);

	if (slot % 2)
		return key_number(((generation * SEEN_GROUPS + group) * SLOTS_MAX + slot + c->settings.seed) *
				  2654435761u);
	return key_named((const uint8_t *)name,
			 (size_t)snprintf(name, 64, "endure/%x/%u/%u/%u", c->settings.seed, group, slot, generation));
}

/* ---- answers ---- */

static void fill_answer(struct seen *s, const struct operation_result *r)
{
	s->end = operation_writes(s->kind) && operation_declined(r->status) ? SEEN_REFUSED : SEEN_ANSWERED;
	s->status = (uint8_t)r->status;
	if (r->has_version)
		s->version = r->version;
	if (s->kind == OPERATION_ADD)
		s->sum = r->has_amount ? (uint64_t)r->amount : SEEN_NOBODYS;
	if (s->kind != OPERATION_GET)
		return;
	s->value = 0;
	if (r->status == ANSWER_DONE)
		s->value = groups[seen_group_of(s->key)].numbers ? value_of_number(r->value, r->value_len)
								 : value_of_bytes(r->value, r->value_len);
}

static void remember(struct client *c, const struct seen *s)
{
	struct slot *slot = &c->slots[seen_group_of(s->key)][s->key >> 32 & 0xffff];

	if (slot->generation != (uint32_t)s->key || s->end != SEEN_ANSWERED)
		return;
	if (s->status == ANSWER_ABSENT || (s->kind == OPERATION_DELETE && s->status == ANSWER_DONE))
		slot->version = (struct version){0};
	else if (s->version.number)
		slot->version = s->version;
}

static void done_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct flight *f = arg;
	struct client *c = f->client;
	struct seen *s = &f->seen;

	s->ret = clock_ns();
	if (result->outcome == KV_DONE)
		fill_answer(s, result->answer);
	else
		s->end = result->outcome == KV_TIMEOUT ? SEEN_UNDONE : SEEN_OPEN;
	c->unanswered += result->outcome != KV_DONE;
	c->ended++;
	if (s->ret - s->call > c->longest)
		c->longest = s->ret - s->call;
	remember(c, s);
	if (fwrite(s, sizeof(*s), 1, c->file) != 1)
		mem_die("what was seen cannot be written down");
	free(f);
}

/* ---- asking ---- */

static void begin(struct client *c, const struct seen *seen)
{
	struct flight *f = xmalloc(sizeof(*f));
	struct operation op = {.kind = seen->kind, .condition = seen->condition, .version = seen->expected};
	char name[64];

	*f = (struct flight){c, *seen};
	op.key = key_make(c, seen->key, name);
	op.life = seen->life;
	if (seen->kind == OPERATION_ADD) {
		op.amount = seen->value;
	} else if (seen->kind == OPERATION_PUT) {
		op.value = c->value;
		op.value_len = groups[seen_group_of(seen->key)].numbers ? number_fill(c->value, seen->value)
									: bytes_fill(c->value, seen->value);
	}
	f->seen.call = clock_ns();
	c->begun++;
	if (!kv_mqtt_begin(c->kv, &op, c->settings.timeout, done_cb, f))
		mem_die("more open than a client may have");
}

/* Another one each time, with room for what is added to it. */
static uint64_t fresh_value(struct client *c)
{
	return ((uint64_t)(c->settings.client + 1) << 40 | ++c->writes) * 1000;
}

static void choose_write(struct client *c, struct seen *s, const struct slot *slot, unsigned dice)
{
	s->kind = OPERATION_PUT;
	s->value = fresh_value(c);
	if (dice < 25) {
		s->condition = CONDITION_NONE;
	} else if (dice < 40 && slot->version.number) {
		s->condition = CONDITION_VERSION;
		s->expected = slot->version;
	} else {
		s->condition = CONDITION_ABSENT;
	}
	if (!c->settings.no_lives && seen_group_of(s->key) == SEEN_BYTES && rng_below(&c->rng, 4) == 0)
		s->life = rng_range(&c->rng, 1, 4000);
}

static void choose(struct client *c, struct seen *s, const struct slot *slot)
{
	enum seen_group group = seen_group_of(s->key);
	unsigned dice = (unsigned)rng_below(&c->rng, 100);

	s->client = (uint8_t)c->settings.client;
	if (group == SEEN_COUNTER ? dice < 85 : group == SEEN_NUMBERS && rng_below(&c->rng, 4) == 0) {
		s->kind = OPERATION_ADD;
		s->value = 1;
	} else if (group == SEEN_COUNTER || dice >= 60) {
		s->kind = OPERATION_GET;
	} else if (dice >= 50) {
		s->kind = OPERATION_DELETE;
	} else {
		choose_write(c, s, slot, dice);
	}
}

/* A history is spread over its time; what is too much now goes to a counter. */
static bool is_used_up(const struct client *c, enum seen_group group, const struct slot *slot, uint64_t now)
{
	uint64_t period = period_of(c, group), most = OPERATIONS_OF_KEY / c->settings.of;

	return groups[group].bounded && slot->used >= 1 + (most - 1) * (age(c, now) % period / 1000) / (period / 1000);
}

static void ask(struct client *c, uint64_t now)
{
	unsigned dice = (unsigned)rng_below(&c->rng, 100), group = 0;
	struct seen seen = {0};
	struct slot *slot;
	uint32_t index;

	for (; dice >= groups[group].share; group++)
		dice -= groups[group].share;
	for (;;) {
		index = (uint32_t)rng_below(&c->rng, groups[group].slots);
		slot = &c->slots[group][index];
		if (slot->generation != generation_of(c, group, now))
			*slot = (struct slot){.generation = generation_of(c, group, now)};
		if (!is_used_up(c, group, slot, now))
			break;
		group = SEEN_COUNTER;
	}
	slot->used++;
	seen.key = seen_key(group, index, slot->generation);
	choose(c, &seen, slot);
	begin(c, &seen);
}

/* At its rate, by batches of every size; what there was no room for is left out. */
static void ask_batch(struct client *c, uint64_t now)
{
	uint64_t each = SECOND / c->settings.rate, size = rng_scale(&c->rng, 1, BATCH_MAX);

	if (now - c->credit_at > SECOND / 2)
		c->credit_at = now - SECOND / 2;
	if (c->credit_at > now || (now - c->credit_at) / each < size)
		return;
	for (uint64_t i = 0; i < size && c->begun - c->ended < OPEN_MAX; i++)
		ask(c, now);
	c->credit_at += size * each;
}

/* ---- the last look ---- */

static bool look_next(struct client *c)
{
	while (c->look.group < SEEN_GROUPS) {
		if (c->look.slot < groups[c->look.group].slots)
			return true;
		c->look.slot = 0;
		if (c->look.generation++ >= generation_of(c, c->look.group, c->from)) {
			c->look.generation = 0;
			c->look.group++;
		}
	}
	return false;
}

static void look(struct client *c)
{
	/* One that waits long, behind the last fault, holds up those that are too far behind it. */
	while (c->begun - c->ended < LOOKS_OPEN && !kv_mqtt_full(c->kv) && look_next(c)) {
		struct seen seen = {.kind = OPERATION_GET, .client = SEEN_LOOKER};

		seen.key = seen_key(c->look.group, c->look.slot++, c->look.generation);
		begin(c, &seen);
	}
	c->looked = !look_next(c);
}

/* ---- the loop ---- */

static void print(const struct client *c)
{
	printf("{\"begun\": %" PRIu64 ", \"ended\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"longest\": %.3f}\n",
	       c->begun, c->ended, c->unanswered, c->lost, (double)c->longest / (double)SECOND);
	fflush(stdout);
}

static void turn_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	uint64_t now = clock_ns();

	(void)fd;
	(void)what;
	if (c->settings.look)
		look(c);
	else if (!c->stopping && now >= (uint64_t)c->settings.origin * SECOND)
		ask_batch(c, now);
	if ((c->stopping || c->looked) && c->begun == c->ended)
		event_base_loopbreak(c->base);
}

static void second_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	print(arg);
}

static void term_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct client *)arg)->stopping = true;
}

/* ---- the connection ---- */

static void identify_cb(void *arg, struct mqtt_identity *identity)
{
	*identity = (struct mqtt_identity){.client_id = ((struct client *)arg)->client_id};
}

static void connected_cb(void *arg)
{
	kv_mqtt_connected(((struct client *)arg)->kv);
}

static void disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	(void)why;
	(void)detail;
	(void)retry_ms;
	kv_mqtt_disconnected(((struct client *)arg)->kv);
}

static void subscribed_cb(void *arg, const char *filter, bool granted)
{
	(void)kv_mqtt_subscribed(((struct client *)arg)->kv, filter, granted);
}

static void message_cb(void *arg, const struct mqtt_message *message)
{
	struct client *c = arg;

	if (rng_below(&c->losses, 1000) < c->settings.lose)
		c->lost++;
	else
		(void)kv_mqtt_message(c->kv, message);
}

static void mqtt_turn_cb(void *arg)
{
	kv_mqtt_turn(((struct client *)arg)->kv);
}

static void ignore_cb(void *arg)
{
	(void)arg;
}

static void run(struct client *c, const struct url *url)
{
	static const struct mqtt_callbacks callbacks = {identify_cb, connected_cb, disconnected_cb, subscribed_cb,
							message_cb,  ignore_cb,    mqtt_turn_cb,    ignore_cb};
	const struct timeval turn = {.tv_usec = TURN_MS * 1000}, second = {.tv_sec = 1};
	struct mqtt_config config;

	mqtt_config_init(&config);
	config.url = *url;
	c->base = xcheck(event_base_new());
	c->mqtt = xcheck(mqtt_new(c->base, NULL, &config, &callbacks, c));
	c->kv = kv_mqtt_new(c->base, c->mqtt, "", NULL, NULL);
	c->turn = xcheck(event_new(c->base, -1, EV_PERSIST, turn_cb, c));
	c->second = xcheck(event_new(c->base, -1, EV_PERSIST, second_cb, c));
	c->term = xcheck(evsignal_new(c->base, SIGTERM, term_cb, c));
	event_add(c->turn, &turn);
	event_add(c->second, &second);
	event_add(c->term, NULL);
	mqtt_start(c->mqtt);
	event_base_dispatch(c->base);
	print(c);
	event_free(c->term);
	event_free(c->second);
	event_free(c->turn);
	kv_mqtt_free(c->kv);
	mqtt_free(c->mqtt);
	event_base_free(c->base);
}

int main(int argc, char **argv)
{
	struct client *c = xcalloc(1, sizeof(*c));
	struct option_result given;
	char error[OPTION_ERROR_MAX];
	struct url url;
	int rc = 2;

	if (!option_parse(&table, &c->settings, argc, argv, &given, error)) {
		fprintf(stderr, "endure-client: %s\n", error);
		return 2;
	}
	c->file = c->settings.file ? fopen(c->settings.file, "wb") : NULL;
	if (c->settings.help) {
		printf("usage: endure-client --file FILE [OPTIONS]\n\n");
		option_help(stdout, &table);
		rc = 0;
	} else if (c->file == NULL || url_parse(&url, c->settings.broker, error, sizeof(error))) {
		fprintf(stderr, "endure-client: a bad broker URL, or a --file that cannot be written\n");
	} else {
		c->from = clock_ns();
		rng_seed(&c->rng, c->settings.seed, 2 * c->settings.client);
		rng_seed(&c->losses, c->settings.seed, 2 * c->settings.client + 1);
		snprintf(c->client_id, sizeof(c->client_id), "endure-%d", (int)getpid());
		run(c, &url);
		rc = c->settings.look && c->unanswered ? 1 : 0;
	}
	if (c->file != NULL && fclose(c->file) != 0)
		rc = 2;
	option_free(&table, &c->settings);
	free(c);
	return rc;
}
