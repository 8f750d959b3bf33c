/* The transport once connected, against brokers that misbehave. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "mqtt-fixture.h"

struct world {
	struct event_base *base;
	struct fake fake;
	struct mqtt_config config;
	struct user a;
};

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->base = event_base_new();
	fake_start(&w->fake, w->base);
	config_for_port(&w->config, w->fake.port);
	w->config.connect_timeout_ms = 300;
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	if (w->a.mqtt)
		user_end(&w->a);
	fake_end(&w->fake);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void start(struct world *w)
{
	user_start(&w->a, w->base, NULL, &w->config);
}

/* A refused subscription is a return code of 0x80 inside a packet that says success. */
static void test_refused_subscription(void **state)
{
	struct world *w = *state;

	w->fake.suback = 0x80;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	assert_true(mqtt_subscribe(w->a.mqtt, (const char *[]){"t"}, 1));
	WAIT_FOR(w->base, w->a.refused == 1);
	assert_int_equal(w->a.granted, 0);
	assert_true(mqtt_is_connected(w->a.mqtt));
}

#define SHOTS 640

/* Sends that many messages in one piece and waits until they are read. */
static void shoot(struct world *w)
{
	static const uint8_t publish[] = {0x30, 6, 0, 1, 't', 'a', 'b', 'c'};
	uint8_t bytes[SHOTS * sizeof(publish)];

	for (size_t i = 0; i < SHOTS; i++)
		memcpy(bytes + i * sizeof(publish), publish, sizeof(publish));
	w->a.messages = 0;
	w->a.turns = 0;
	fake_send(&w->fake, bytes, sizeof(bytes));
	WAIT_FOR(w->base, w->a.messages == SHOTS);
}

/* One call of the library reads one packet.  What arrives together is read 64 packets at a time, and each burst ends with
 * one `turn`. */
static void test_bursts_are_bounded(void **state)
{
	struct world *w = *state;

	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	shoot(w);
	assert_in_range(w->a.turns, SHOTS / 64, SHOTS / 64 + 2);
}

static void answer_cb(struct user *u, const struct mqtt_message *message)
{
	assert_true(mqtt_publish(u->mqtt, "answer", message->payload, message->len, false));
}

/* The same when each message is answered: after some 280 publishes the library leaves EAGAIN behind, which must not be
 * taken for a dry socket. */
static void test_bursts_with_answers(void **state)
{
	struct world *w = *state;

	w->a.on_message = answer_cb;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	shoot(w);
	shoot(w);
	assert_in_range(w->a.turns, SHOTS / 64, SHOTS / 64 + 2);
}

/* A packet that arrives in two parts is one message, and no busy loop between them. */
static void test_packet_in_two_parts(void **state)
{
	static const uint8_t publish[] = {0x30, 6, 0, 1, 't', 'a', 'b', 'c'};
	struct world *w = *state;

	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	for (size_t cut = 1; cut < sizeof(publish); cut++) {
		fake_send(&w->fake, publish, cut);
		loop_for(w->base, 20);
		assert_int_equal(w->a.messages, cut - 1);
		w->a.turns = 0;
		loop_for(w->base, 20);
		assert_int_equal(w->a.turns, 0);
		fake_send(&w->fake, publish + cut, sizeof(publish) - cut);
		WAIT_FOR(w->base, w->a.messages == cut);
		assert_string_equal(w->a.payload, "abc");
	}
}

static void fill(struct world *w, size_t limit)
{
	static char block[10000];

	while (mqtt_backlog(w->a.mqtt) <= limit && mqtt_publish(w->a.mqtt, "t", block, sizeof(block), false))
		(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static const uint8_t abc[] = {0x30, 6, 0, 1, 't', 'a', 'b', 'c'};

/* Connected to a broker that takes nothing, with more than the high mark of 1 MiB in the outbox; and it says "abc". */
static void stuck(struct world *w)
{
	w->fake.deaf = true;
	w->config.outbox_high = 1 << 20;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fill(w, w->config.outbox_high);
	assert_true(mqtt_backlog(w->a.mqtt) > w->config.outbox_high);
	fake_send(&w->fake, abc, sizeof(abc));
}

/* A broker that takes nothing: above the high mark nothing more is read, so that no answers pile up; when it takes
 * again, `drained` comes and what waited is read. */
static void test_back_pressure(void **state)
{
	struct world *w = *state;
	uint64_t begin = clock_ms();

	stuck(w);
	loop_for(w->base, 100);
	assert_true(w->a.messages == 0 || clock_ms() - begin >= 1000); /* after a second a sip */
	assert_int_equal(w->a.drained, 0);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.drained == 1);
	WAIT_FOR(w->base, w->a.messages == 1);
	WAIT_FOR(w->base, mqtt_backlog(w->a.mqtt) == 0);
	assert_int_equal(w->a.drained, 1);
	assert_int_equal(w->a.disconnected, 0);
}

/* Paused, nothing is read, whatever the outbox does; then what waited is. */
static void test_pause(void **state)
{
	struct world *w = *state;
	uint64_t begin;

	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	begin = clock_ms();
	mqtt_pause(w->a.mqtt, true);
	fake_send(&w->fake, abc, sizeof(abc));
	user_publish(&w->a, "t", "x");
	WAIT_FOR(w->base, mqtt_backlog(w->a.mqtt) == 0);
	loop_for(w->base, 100);
	assert_true(w->a.messages == 0 || clock_ms() - begin >= 1000); /* after a second a sip */
	mqtt_pause(w->a.mqtt, false);
	WAIT_FOR(w->base, w->a.messages == 1);
	assert_int_equal(w->a.disconnected, 0);
}

/* The outbox drains while reading is paused for another reason: it stays so, and a pause that ends while it is full does
 * not begin to read. */
static void test_pause_and_back_pressure(void **state)
{
	struct world *w = *state;
	uint64_t begin = clock_ms();

	stuck(w);
	mqtt_pause(w->a.mqtt, true);
	mqtt_pause(w->a.mqtt, false);
	loop_for(w->base, 50);
	assert_true(w->a.messages == 0 || clock_ms() - begin >= 1000);
	mqtt_pause(w->a.mqtt, true);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.drained == 1);
	loop_for(w->base, 50);
	assert_true(w->a.messages == 0 || clock_ms() - begin >= 1000);
	mqtt_pause(w->a.mqtt, false);
	WAIT_FOR(w->base, w->a.messages == 1);
}

/* Who has no name yet is asked again, and nobody is told of a failure. */
static void test_no_name_yet(void **state)
{
	struct world *w = *state;

	w->a.not_yet = 3;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	assert_int_equal(w->a.identified, 4);
	assert_int_equal(w->fake.connects, 1);
	assert_int_equal(w->a.disconnected, 0);
}

/* A broker that takes nothing before what it says is read: neither side waits for the other for ever. */
static void test_each_waits_for_the_other(void **state)
{
	struct world *w = *state;

	stuck(w);
	WAIT_FOR(w->base, w->a.messages == 1);
	assert_true(mqtt_backlog(w->a.mqtt) > w->config.outbox_high);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.drained == 1);
	assert_int_equal(w->a.disconnected, 0);
}

/* The same at the end: what a leaver has still to say is taken by a broker that wants to be read, and what it says then is
 * nobody's business any more. */
static void test_stop_waits_for_each_other(void **state)
{
	static char talk[16 << 20];
	struct world *w = *state;
	size_t taken;

	/* PUBLISH packets of 16 KiB, topic "t". */
	for (size_t i = 0; i < sizeof(talk); i += 16384)
		memcpy(talk + i, "\x30\xfd\x7f\0\1t", 6);
	w->fake.deaf = true;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fill(w, 1 << 20);
	mqtt_stop(w->a.mqtt, WAIT_LIMIT_MS);
	taken = 0;
	WAIT_FOR(w->base, (taken += fake_offer(&w->fake, talk + taken, sizeof(talk) - taken)) == sizeof(talk));
	assert_int_equal(w->a.stopped, 0);
	assert_int_equal(w->a.messages, 0);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.stopped == 1);
	WAIT_FOR(w->base, w->fake.disconnects == 1);
}

static void stop_at_message_cb(struct user *u, const struct mqtt_message *message)
{
	(void)message;
	mqtt_stop(u->mqtt, WAIT_LIMIT_MS);
}

/* What is read while nothing is taken may be what ends the node: its last words have the time that the stop gives them. */
static void test_stop_amid_a_sip(void **state)
{
	struct world *w = *state;

	stuck(w);
	w->a.on_message = stop_at_message_cb;
	WAIT_FOR(w->base, w->a.messages == 1);
	loop_for(w->base, 1500);
	assert_int_equal(w->a.stopped, 0);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.stopped == 1);
	WAIT_FOR(w->base, w->fake.disconnects == 1);
}

/* The library's own queue has no bound and no length; ours has both. */
static void test_overflow(void **state)
{
	struct world *w = *state;

	w->fake.deaf = true;
	w->config.outbox_high = 1 << 20;
	w->config.outbox_hard = 4 << 20;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fill(w, (size_t)1 << 30);
	assert_false(mqtt_is_connected(w->a.mqtt));
	assert_true(mqtt_backlog(w->a.mqtt) <= w->config.outbox_hard);
	assert_int_equal(w->a.disconnected, 0); /* not on the caller's stack */
	WAIT_FOR(w->base, w->a.disconnected == 1);
	assert_int_equal(w->a.why, MQTT_OVERFLOW);
	assert_int_equal(mqtt_backlog(w->a.mqtt), 0);
	WAIT_FOR(w->base, w->a.connected == 2);
	assert_true(mqtt_publish(w->a.mqtt, "t", "x", 1, false));
}

/* A stop whose flush the broker does not take ends all the same. */
static void test_stop_is_bounded(void **state)
{
	struct world *w = *state;
	uint64_t begin;

	w->fake.deaf = true;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fill(w, 8 << 20);
	begin = clock_ms();
	mqtt_stop(w->a.mqtt, 200);
	WAIT_FOR(w->base, w->a.stopped == 1);
	assert_in_range(clock_ms() - begin, 190, 2000);
}

/* A stop in every phase before the connection stands: `stopped` once, from the loop, and no more attempts. */
static void test_stop_without_connection(void **state)
{
	struct world *w = *state;

	w->fake.silent = true;
	for (unsigned turns = 0; turns < 8; turns++) {
		unsigned accepted;

		w->a = (struct user){0};
		start(w);
		for (unsigned i = 0; i < turns; i++)
			(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
		mqtt_stop(w->a.mqtt, 1000);
		assert_int_equal(w->a.stopped, 0);
		WAIT_FOR(w->base, w->a.stopped == 1);
		loop_for(w->base, 10); /* the fake accepts what is on the way */
		accepted = w->fake.accepted;
		loop_for(w->base, 60);
		assert_int_equal(w->fake.accepted, accepted);
		assert_int_equal(w->a.disconnected, 0);
		user_end(&w->a);
		w->a.mqtt = NULL;
	}
}

/* A clean stop says DISCONNECT, once. */
static void test_stop_disconnects(void **state)
{
	struct world *w = *state;

	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	mqtt_stop(w->a.mqtt, 1000);
	WAIT_FOR(w->base, w->a.stopped == 1);
	assert_int_equal(w->fake.disconnects, 1);
}

/* Failed writes are told by nobody but the next read or write call: a peer that goes while we publish is noticed. */
static void test_peer_goes_while_we_publish(void **state)
{
	struct world *w = *state;
	uint64_t until = clock_ms() + WAIT_LIMIT_MS;

	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fake_end(&w->fake);
	while (!w->a.disconnected) {
		(void)mqtt_publish(w->a.mqtt, "t", "x", 1, false);
		assert_true(loop_turn(w->base, until));
	}
	assert_int_equal(w->a.why, MQTT_LOST);
	fake_start(&w->fake, w->base);
}

/* ---- the fence ---- */

static void fenced_cb(void *arg, bool fenced)
{
	*(int *)arg = fenced;
}

/* No CONNACK, no fence; whatever the reason. */
static void test_fence_fails(void **state)
{
	struct world *w = *state;
	uint64_t begin = clock_ms();
	int fenced = -1;

	w->fake.silent = true;
	(void)mqtt_fence(w->base, NULL, &w->config, "dnobody", 500, fenced_cb, &fenced);
	WAIT_FOR(w->base, fenced >= 0);
	assert_int_equal(fenced, 0);
	assert_in_range(clock_ms() - begin, 480, 2000);
	w->fake.silent = false;
	w->fake.connack = 5;
	fenced = -1;
	(void)mqtt_fence(w->base, NULL, &w->config, "dnobody", 5000, fenced_cb, &fenced);
	WAIT_FOR(w->base, fenced >= 0);
	assert_int_equal(fenced, 0);
}

/* A fence says DISCONNECT: its end must not look like anybody's death. */
static void test_fence_disconnects(void **state)
{
	struct world *w = *state;
	int fenced = -1;

	(void)mqtt_fence(w->base, NULL, &w->config, "dnobody", 5000, fenced_cb, &fenced);
	WAIT_FOR(w->base, fenced == 1 && w->fake.disconnects == 1);
	assert_int_equal(w->fake.connects, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused_subscription),
		TEST(test_bursts_are_bounded),
		TEST(test_bursts_with_answers),
		TEST(test_packet_in_two_parts),
		TEST(test_back_pressure),
		TEST(test_pause),
		TEST(test_pause_and_back_pressure),
		TEST(test_no_name_yet),
		TEST(test_each_waits_for_the_other),
		TEST(test_stop_waits_for_each_other),
		TEST(test_stop_amid_a_sip),
		TEST(test_overflow),
		TEST(test_stop_is_bounded),
		TEST(test_stop_without_connection),
		TEST(test_stop_disconnects),
		TEST(test_peer_goes_while_we_publish),
		TEST(test_fence_fails),
		TEST(test_fence_disconnects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
