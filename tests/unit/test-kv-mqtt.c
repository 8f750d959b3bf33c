/* The client on libevent, over a real Mosquitto, against a played node that owns everything. */
#include <signal.h>
#include <stdlib.h>

#include "../../common/mem.h"
#include "kv-mqtt-fixture.h"

static const struct operation get_1 = {.kind = OPERATION_GET, .key = {.id = 1}};
static const struct operation add_1 = {.kind = OPERATION_ADD, .key = {.id = 1}, .amount = 1};

/* What begins before there is a connection goes out with it; an answer has its value and its owner. */
static void test_begun_before_the_connection(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	program_begin(p, &get_1, 5000);
	program_begin(p, &add_1, 5000);
	assert_int_equal(kv_mqtt_open(p->kv[0]), 2);
	WAIT_FOR(w->base, p->done == 2);
	assert_int_equal(kv_mqtt_open(p->kv[0]), 0);
	assert_int_equal(p->granted, 2);
	assert_int_equal(p->amount, 1);
	assert_true(p->has_owner);
	assert_int_equal(p->owner, OWNER);
	program_begin(p, &get_1, 5000);
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
	program_begin(p, &add_1, 5000);
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
	program_begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	before = w->node.frames;
	for (unsigned i = 0; i < KV_OPEN_MAX; i++)
		program_begin(p, &(struct operation){.kind = OPERATION_ADD, .key = key_number(i), .amount = 1}, 5000);
	assert_true(kv_mqtt_full(p->kv[0]));
	assert_false(kv_mqtt_begin(p->kv[0], &add_1, 5000, program_result_cb, p));
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
		assert_true(kv_mqtt_begin(p->kv[i % 2], &add_1, 5000, program_result_cb, p));
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
	program_begin(p, &get_1, 700);
	program_begin(p, &add_1, 700);
	WAIT_FOR(w->base, p->timeout == 2);
	assert_in_range(w->node.frames, 2, 6); /* asked again, together */
	w->node.silent = false;
	program_begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	w->node.silent = true;
	program_begin(p, &add_1, 300);
	WAIT_FOR(w->base, p->unknown == 1);
	/* Also where there is no connection. */
	broker_stop(&w->broker, SIGKILL);
	WAIT_FOR(w->base, p->lost > 0);
	program_begin(p, &get_1, 100);
	WAIT_FOR(w->base, p->timeout == 3);
}

/* What was open when the connection ended is answered on the next, or begins there. */
static void test_the_next_connection(void **state)
{
	struct world *w = *state;
	struct program *p = &w->program;

	program_start(p, w->base, &w->config);
	program_begin(p, &add_1, 20000);
	WAIT_FOR(w->base, p->done == 1);
	for (unsigned i = 2; i < 6; i++) {
		w->node.silent_once = true;
		program_begin(p, &add_1, 20000);
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
	program_begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	assert_int_equal(kill(w->broker.pid, SIGSTOP), 0);
	for (int i = 0; i < 5; i++)
		program_begin(p, &put, 30000);
	put.key.id = 2;
	program_begin(p, &put, 1000);
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
	program_begin(p, &add_1, 5000);
	WAIT_FOR(w->base, p->done == 1);
	before = w->node.with_token;
	assert_int_equal(kill(w->broker.pid, SIGSTOP), 0);
	while (!mqtt_is_blocked(p->mqtt)) {
		put.key.id++;
		program_begin(p, &put, 30000);
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
	program_begin(p, &add_1, 300);
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
	program_begin(p, &add_1, 5000);
	kv_mqtt_free(p->kv[0]);
	p->kv[0] = kv_mqtt_new(w->base, p->mqtt, "", program_ready_cb, p);
	WAIT_FOR(w->base, p->granted == 2);
	loop_for(w->base, 50);
	assert_int_equal(p->done, 0);
	/* One that is made while the connection stands subscribes at once. */
	kv_mqtt_free(p->kv[1]);
	p->kv[1] = kv_mqtt_new(w->base, p->mqtt, "", program_ready_cb, p);
	assert_true(kv_mqtt_begin(p->kv[1], &add_1, 5000, program_result_cb, p));
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
