#include "kv-mqtt-fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../common/mem.h"

/* ---- a program with two clients on its connection ---- */

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

void program_ready_cb(void *arg, bool granted)
{
	struct program *p = arg;

	p->granted += granted;
	p->refused += !granted;
}

void program_start(struct program *p, struct event_base *base, const struct mqtt_config *config)
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
		p->kv[i] = kv_mqtt_new(base, p->mqtt, "", program_ready_cb, p);
	mqtt_start(p->mqtt);
}

static void program_end(struct program *p)
{
	for (int i = 0; i < 2; i++)
		kv_mqtt_free(p->kv[i]);
	mqtt_free(p->mqtt);
}

void program_result_cb(void *arg, const struct kv_mqtt_result *result)
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
		assert_true(kv_mqtt_begin(p->kv[0], &op, 5000, program_result_cb, p));
}

void program_begin(struct program *p, const struct operation *op, unsigned timeout_ms)
{
	assert_true(kv_mqtt_begin(p->kv[0], op, timeout_ms, program_result_cb, p));
}

/* ---- a node that owns everything: one number and one long value ---- */

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

int world_open(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->base = event_base_new();
	broker_start(&w->broker);
	config_for_port(&w->config, w->broker.port);
	node_start(&w->node, w->base, &w->config);
	*state = w;
	return 0;
}

int world_close(void **state)
{
	struct world *w = *state;

	program_end(&w->program);
	user_end(&w->node.user);
	broker_end(&w->broker);
	event_base_free(w->base);
	free(w);
	return 0;
}
