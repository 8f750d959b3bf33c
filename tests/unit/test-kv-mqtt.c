/* The client on libevent, over a real Mosquitto, against a played node that owns everything. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "../../common/kv-mqtt.h"
#include "../../common/mem.h"
#include "mqtt-fixture.h"

#define OWNER 77u
#define MIB ((size_t)1 << 20)

/* ---- a program with two clients on its connection ---- */

struct program {
	struct mqtt *mqtt;
	struct kv_mqtt *kv[2];
	char client_id[32];
	unsigned granted, refused, lost, others;
	/* of results */
	unsigned done, timeout, unknown;
	enum operation_status status;
	int64_t amount;
	size_t value_len;
	char value[64];
	bool has_owner;
	uint32_t owner;
	unsigned chain; /* how many more are begun, each by the end of the one before */
};

static void identify_cb(void *arg, struct mqtt_identity *identity)
{
	identity->client_id = ((struct program *)arg)->client_id;
}

static void connected_cb(void *arg)
{
	struct program *p = arg;

	for (int i = 0; i < 2; i++)
		kv_mqtt_connected(p->kv[i]);
}

static void disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	struct program *p = arg;

	(void)why;
	(void)detail;
	(void)retry_ms;
	p->lost++;
	for (int i = 0; i < 2; i++)
		kv_mqtt_disconnected(p->kv[i]);
}

static void subscribed_cb(void *arg, const char *filter, bool granted)
{
	struct program *p = arg;

	if (!kv_mqtt_subscribed(p->kv[0], filter, granted) && !kv_mqtt_subscribed(p->kv[1], filter, granted))
		p->others++;
}

static void message_cb(void *arg, const struct mqtt_message *message)
{
	struct program *p = arg;

	if (!kv_mqtt_message(p->kv[0], message) && !kv_mqtt_message(p->kv[1], message))
		p->others++;
}

static void turn_cb(void *arg)
{
	struct program *p = arg;

	for (int i = 0; i < 2; i++)
		kv_mqtt_turn(p->kv[i]);
}

static void nothing_cb(void *arg)
{
	(void)arg;
}

static void ready_cb(void *arg, bool granted)
{
	struct program *p = arg;

	p->granted += granted;
	p->refused += !granted;
}

static void program_start(struct program *p, struct event_base *base, const struct mqtt_config *config)
{
	static const struct mqtt_callbacks callbacks = {
		.identify = identify_cb,
		.connected = connected_cb,
		.disconnected = disconnected_cb,
		.subscribed = subscribed_cb,
		.message = message_cb,
		.drained = nothing_cb,
		.turn = turn_cb,
		.stopped = nothing_cb,
	};

	(void)snprintf(p->client_id, sizeof(p->client_id), "program");
	p->mqtt = mqtt_new(base, NULL, config, &callbacks, p);
	for (int i = 0; i < 2; i++)
		p->kv[i] = kv_mqtt_new(base, p->mqtt, "", ready_cb, p);
	mqtt_start(p->mqtt);
}

static void program_end(struct program *p)
{
	for (int i = 0; i < 2; i++)
		kv_mqtt_free(p->kv[i]);
	mqtt_free(p->mqtt);
}

static void result_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct program *p = arg;
	struct operation op = {.kind = OPERATION_ADD, .key = key_number(1), .amount = 1};

	p->done += result->outcome == KV_DONE;
	p->timeout += result->outcome == KV_TIMEOUT;
	p->unknown += result->outcome == KV_UNKNOWN;
	p->has_owner = result->has_owner;
	p->owner = result->owner;
	assert_true((result->outcome == KV_DONE) == (result->answer != NULL));
	if (result->answer != NULL) {
		p->status = result->answer->status;
		p->amount = result->answer->amount;
		p->value_len = result->answer->value_len;
		if (p->value_len < sizeof(p->value))
			(void)snprintf(p->value, sizeof(p->value), "%.*s", (int)p->value_len,
				       result->answer->value ? (const char *)result->answer->value : "");
	}
	if (p->chain > 0 && p->chain--)
		assert_true(kv_mqtt_begin(p->kv[0], &op, 5000, result_cb, p));
}

static void begin(struct program *p, const struct operation *op, unsigned timeout_ms)
{
	assert_true(kv_mqtt_begin(p->kv[0], op, timeout_ms, result_cb, p));
}

/* ---- a node that owns everything: one number and one long value ---- */

struct node {
	struct user user;
	struct operation_room room;
	int64_t sum;
	uint64_t counter;
	size_t value_len;
	unsigned frames, with_token;
	bool silent;      /* answers nothing */
	bool silent_once; /* does what bears a token, answers it only when it comes again */
};

static void node_do(struct node *n, const struct operation_request *rq, const struct operation *op,
		    struct operation_result *r)
{
	static const uint8_t value[] = "the value";

	*r = (struct operation_result){.offset = op->offset, .status = ANSWER_DONE};
	if (op->kind == OPERATION_GET) {
		r->value = value;
		r->value_len = sizeof(value) - 1;
	} else if (rq->token.number == 0) {
		r->status = ANSWER_TOKEN;
		return;
	} else if (op->kind == OPERATION_ADD) {
		n->counter++;
		r->amount = n->sum += (int64_t)op->amount;
		r->has_amount = true;
	} else {
		n->counter++;
		n->value_len = op->value_len;
	}
	r->version = (struct version){1, n->counter};
	r->has_version = true;
}

static void node_message_cb(struct user *u, const struct mqtt_message *message)
{
	struct node *n = (struct node *)u;
	struct operation_result results[OPERATION_COUNT_MAX];
	struct operation_answer answer = {.owner = OWNER, .arc_set = true, .results = results};
	struct operation_request rq;
	char digits[2 * OPERATION_CLIENT_LEN + 1], topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	assert_null(operation_decode_request(&rq, &n->room, message->payload, message->len));
	n->frames++;
	n->with_token += rq.token.number != 0;
	if (n->silent || (n->silent_once && rq.token.number != 0)) {
		n->silent_once = false;
		return;
	}
	for (size_t i = 0; i < rq.count; i++)
		node_do(n, &rq, &rq.operations[i], &results[i]);
	for (unsigned i = 0; i < OPERATION_CLIENT_LEN; i++)
		(void)snprintf(digits + 2 * i, 3, "%02x", rq.client[i]);
	answer.base = rq.base;
	answer.count = rq.count;
	answer.token = (struct operation_token){1, n->counter, 5};
	(void)topic_format(topic, "", TOPIC_REPLY, 0, digits);
	bytes = operation_encode_answer(&answer, &len);
	(void)mqtt_publish(u->mqtt, topic, bytes, len, false);
	free(bytes);
}

static void node_subscribe(struct user *u)
{
	const char *filters[] = {"op/#", "ask/+"};

	assert_true(mqtt_subscribe(u->mqtt, filters, 2));
}

static void node_start(struct node *n, struct event_base *base, const struct mqtt_config *config)
{
	n->user.on_message = node_message_cb;
	n->user.on_connected = node_subscribe;
	user_start(&n->user, base, NULL, config);
	WAIT_FOR(base, n->user.granted > 0);
}

/* ---- the world ---- */

struct world {
	struct event_base *base;
	struct broker broker;
	struct mqtt_config config;
	struct program program;
	struct node node;
};

static int world_open(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->base = event_base_new();
	broker_start(&w->broker);
	config_for_port(&w->config, w->broker.port);
	node_start(&w->node, w->base, &w->config);
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	program_end(&w->program);
	user_end(&w->node.user);
	broker_end(&w->broker);
	event_base_free(w->base);
	free(w);
	return 0;
}

static const struct operation get_1 = {.kind = OPERATION_GET, .key = {.id = 1}};
static const struct operation add_1 = {.kind = OPERATION_ADD, .key = {.id = 1}, .amount = 1};

/* What begins before there is a connection goes out with it; an answer has its value and its owner. */
static void test_begun_before_the_connection(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	begin(p, &get_1, 5000);
	begin(p, &add_1, 5000);
	assert_int_equal(kv_mqtt_open(p->kv[0]), 2);
	WAIT_FOR(w->base, p->done == 2);
	assert_int_equal(kv_mqtt_open(p->kv[0]), 0);
	assert_int_equal(p->granted, 2);
	assert_int_equal(p->amount, 1);
	assert_true(p->has_owner);
	assert_int_equal(p->owner, OWNER);
	begin(p, &get_1, 5000);
	WAIT_FOR(w->base, p->done == 3);
	assert_string_equal(p->value, "the value");
}

/* Each begun by the callback of the one before. */
static void test_begun_from_a_callback(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	p->chain = 500;
	begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 501);
	assert_int_equal(w->node.sum, 501);
	assert_int_equal(p->amount, 501);
}

/* One frame holds what begins within one turn of the loop, and as many are open as numbers may be. */
static void test_what_begins_together_shares_frames(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;
	unsigned before;

	program_start(p, w->base, &w->config);
	begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	before = w->node.frames;
	for (unsigned i = 0; i < KV_OPEN_MAX; i++)
		begin(p, &(struct operation){.kind = OPERATION_ADD, .key = key_number(i), .amount = 1}, 5000);
	assert_true(kv_mqtt_full(p->kv[0]));
	assert_false(kv_mqtt_begin(p->kv[0], &add_1, 5000, result_cb, p));
	WAIT_FOR(w->base, p->done == 1 + KV_OPEN_MAX);
	assert_int_equal(w->node.sum, 1 + KV_OPEN_MAX);
	assert_int_equal(w->node.frames - before, KV_OPEN_MAX / OPERATION_COUNT_MAX);
	assert_false(kv_mqtt_full(p->kv[0]));
}

/* Two clients on one connection have answers of their own, and leave other messages to the program. */
static void test_two_on_one_connection(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;
	const char *filter = "something/else";

	program_start(p, w->base, &w->config);
	assert_string_not_equal(kv_mqtt_topic(p->kv[0]), kv_mqtt_topic(p->kv[1]));
	for (int i = 0; i < 10; i++)
		assert_true(kv_mqtt_begin(p->kv[i % 2], &add_1, 5000, result_cb, p));
	WAIT_FOR(w->base, p->done == 10);
	assert_int_equal(w->node.sum, 10);
	assert_int_equal(p->others, 0);
	assert_true(mqtt_subscribe(p->mqtt, &filter, 1));
	WAIT_FOR(w->base, p->others == 1);
	user_publish(&w->node.user, filter, "x");
	user_publish(&w->node.user, kv_mqtt_topic(p->kv[0]), "no answer at all");
	WAIT_FOR(w->base, p->others == 2);
	loop_for(w->base, 50);
	assert_int_equal(p->others, 2);
}

/* Nobody answers: nothing was done.  Nobody answers what bears a token: nobody knows. */
static void test_outcomes_without_an_answer(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	w->node.silent = true;
	begin(p, &get_1, 700);
	begin(p, &add_1, 700);
	WAIT_FOR(w->base, p->timeout == 2);
	assert_in_range(w->node.frames, 2, 6); /* asked again, together */
	w->node.silent = false;
	begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	w->node.silent = true;
	begin(p, &add_1, 300);
	WAIT_FOR(w->base, p->unknown == 1);
	/* Also where there is no connection. */
	broker_stop(&w->broker, SIGKILL);
	WAIT_FOR(w->base, p->lost > 0);
	begin(p, &get_1, 100);
	WAIT_FOR(w->base, p->timeout == 3);
}

/* What was open when the connection ended is answered on the next, or begins there. */
static void test_the_next_connection(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	begin(p, &add_1, 20000);
	WAIT_FOR(w->base, p->done == 1);
	for (unsigned i = 2; i < 6; i++) {
		w->node.silent_once = true;
		begin(p, &add_1, 20000);
		WAIT_FOR(w->base, !w->node.silent_once);
		broker_stop(&w->broker, SIGKILL);
		WAIT_FOR(w->base, !mqtt_is_connected(p->mqtt));
		broker_start(&w->broker);
		WAIT_FOR(w->base, p->done == i);
		assert_int_equal(p->amount, i);
	}
}

/* Long values don't pile up until the connection is given up: they are 16 MiB each, its bound is 64.  What has to wait for
 * that until its time is up has not been done, for certain. */
static void test_long_values_at_a_broker_that_takes_nothing(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;
	struct operation put = {.kind = OPERATION_PUT, .key = key_number(1), .value_len = 16 * MIB};
	uint8_t *value = xcalloc(1, put.value_len);

	put.value = value;
	program_start(p, w->base, &w->config);
	begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	assert_int_equal(kill(w->broker.pid, SIGSTOP), 0);
	for (int i = 0; i < 5; i++)
		begin(p, &put, 30000);
	put.key.id = 2;
	begin(p, &put, 1000);
	loop_for(w->base, 2500);
	assert_int_equal(p->timeout, 1);
	assert_in_range(mqtt_backlog(p->mqtt), MIB, KV_MQTT_BACKLOG_MAX + 17 * MIB);
	assert_int_equal(kill(w->broker.pid, SIGCONT), 0);
	WAIT_FOR(w->base, p->done == 6);
	assert_int_equal(p->lost, 0);
	assert_int_equal(w->node.value_len, put.value_len);
	free(value);
}

/* What waits here for a slow line is not asked again, however long that takes: in 2.5 s each would be three times.  From
 * then on a pause counts, and the machine may be slow. */
static void test_nothing_is_asked_again_while_the_line_is_busy(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;
	struct operation put = {.kind = OPERATION_PUT, .value_len = MIB / 2};
	uint8_t *value = xcalloc(1, put.value_len);
	unsigned before;

	put.value = value;
	program_start(p, w->base, &w->config);
	begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	before = w->node.with_token;
	assert_int_equal(kill(w->broker.pid, SIGSTOP), 0);
	while (!mqtt_is_blocked(p->mqtt)) {
		put.key.id++;
		begin(p, &put, 30000);
		loop_for(w->base, 1);
	}
	loop_for(w->base, 2500);
	assert_int_equal(kill(w->broker.pid, SIGCONT), 0);
	WAIT_FOR(w->base, p->done == 1 + put.key.id);
	loop_for(w->base, 50);
	assert_in_range(w->node.with_token - before, put.key.id, 2 * put.key.id);
	free(value);
}

/* A broker that lets us read no answers: said, nothing sent, and what has begun ends. */
static void test_a_refused_subscription(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;
	struct fake fake = {.suback = 0x80};
	size_t bytes;

	fake_start(&fake, w->base);
	config_for_port(&w->config, fake.port);
	program_start(p, w->base, &w->config);
	WAIT_FOR(w->base, p->refused == 2);
	bytes = fake.bytes;
	begin(p, &add_1, 300);
	WAIT_FOR(w->base, p->timeout == 1);
	assert_int_equal(fake.bytes, bytes);
	assert_false(p->has_owner);
	fake_end(&fake);
}

/* Freed with operations open: no callback. */
static void test_freed_while_open(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	begin(p, &add_1, 5000);
	kv_mqtt_free(p->kv[0]);
	p->kv[0] = kv_mqtt_new(w->base, p->mqtt, "", ready_cb, p);
	WAIT_FOR(w->base, p->granted == 2);
	loop_for(w->base, 50);
	assert_int_equal(p->done, 0);
	/* One that is made while the connection stands subscribes at once. */
	kv_mqtt_free(p->kv[1]);
	p->kv[1] = kv_mqtt_new(w->base, p->mqtt, "", ready_cb, p);
	assert_true(kv_mqtt_begin(p->kv[1], &add_1, 5000, result_cb, p));
	WAIT_FOR(w->base, p->done == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begun_before_the_connection),
		TEST(test_begun_from_a_callback),
		TEST(test_what_begins_together_shares_frames),
		TEST(test_two_on_one_connection),
		TEST(test_outcomes_without_an_answer),
		TEST(test_the_next_connection),
		TEST(test_long_values_at_a_broker_that_takes_nothing),
		TEST(test_nothing_is_asked_again_while_the_line_is_busy),
		TEST(test_a_refused_subscription),
		TEST(test_freed_while_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
