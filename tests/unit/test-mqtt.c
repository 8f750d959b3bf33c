/* The transport over a real Mosquitto.  Each test names the pitfall of libmosquitto, libevent or MQTT that it guards. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/event.h>

#include "mqtt-fixture.h"

struct world {
	struct event_base *base;
	struct broker broker;
	struct mqtt_config config;
	struct user a;
	struct user b;
};

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->base = event_base_new();
	broker_start(&w->broker);
	config_for_port(&w->config, w->broker.port);
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	if (w->a.mqtt)
		user_end(&w->a);
	if (w->b.mqtt)
		user_end(&w->b);
	broker_end(&w->broker);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void open_a(struct world *w, const char *filter)
{
	user_start(&w->a, w->base, NULL, &w->config);
	if (filter)
		user_subscribe(&w->a, filter);
	else
		WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
}

static void open_b(struct world *w, const char *filter)
{
	user_start(&w->b, w->base, NULL, &w->config);
	if (filter)
		user_subscribe(&w->b, filter);
	else
		WAIT_FOR(w->base, mqtt_is_connected(w->b.mqtt));
}

/* A message comes back as it went, an empty one with a payload that is not NULL, a retained one marked. */
static void test_round_trip(void **state)
{
	struct world *w = *state;

	open_a(w, "t/#");
	user_publish(&w->a, "t/1", "hello");
	WAIT_FOR(w->base, w->a.messages == 1);
	assert_string_equal(w->a.topic, "t/1");
	assert_string_equal(w->a.payload, "hello");
	assert_false(w->a.retained);
	assert_true(mqtt_publish(w->a.mqtt, "t/2", NULL, 0, false));
	WAIT_FOR(w->base, w->a.messages == 2);
	assert_string_equal(w->a.payload, "");
	assert_true(mqtt_publish(w->a.mqtt, "t/3", "kept", 4, true));
	WAIT_FOR(w->base, w->a.messages == 3);
	open_b(w, "t/3");
	WAIT_FOR(w->base, w->b.messages == 1);
	assert_true(w->b.retained);
}

/* All that arrives is read, in bounded bursts with a `turn` after each (test-mqtt-fake.c counts them exactly). */
static void test_bursts(void **state)
{
	struct world *w = *state;
	enum { COUNT = 5000 };

	open_a(w, "t/#");
	open_b(w, NULL);
	w->a.turns = 0;
	for (int i = 0; i < COUNT; i++)
		user_publish(&w->b, "t/x", "y");
	WAIT_FOR(w->base, w->a.messages == COUNT);
	assert_true(w->a.turns >= COUNT / 64);
}

static void echo_cb(struct user *u, const struct mqtt_message *message)
{
	assert_true(mqtt_publish(u->mqtt, "answer", message->payload, message->len, false));
}

/* Each message is answered from inside its callback. */
static void test_answers_from_inside_messages(void **state)
{
	struct world *w = *state;
	enum { COUNT = 3000 };

	w->a.on_message = echo_cb;
	open_a(w, "ask");
	open_b(w, "answer");
	for (int i = 0; i < COUNT; i++)
		user_publish(&w->b, "ask", "question");
	WAIT_FOR(w->base, w->b.messages == COUNT);
	assert_int_equal(w->a.messages, COUNT);
	assert_int_equal(mqtt_backlog(w->a.mqtt), 0);
}

/* Published is queued, not written on the caller's stack; the backlog tells, and falls to nothing once written. */
static void test_publish_only_queues(void **state)
{
	struct world *w = *state;

	open_a(w, "t");
	assert_int_equal(mqtt_backlog(w->a.mqtt), 0);
	user_publish(&w->a, "t", "one");
	assert_true(mqtt_backlog(w->a.mqtt) > 3);
	assert_int_equal(w->a.messages, 0);
	WAIT_FOR(w->base, mqtt_backlog(w->a.mqtt) == 0);
	WAIT_FOR(w->base, w->a.messages == 1);
}

/* Without a connection nothing is taken, so nothing can be sent later by surprise. */
static void test_nothing_is_carried_over(void **state)
{
	struct world *w = *state;
	unsigned connected;

	user_start(&w->a, w->base, NULL, &w->config);
	assert_false(mqtt_publish(w->a.mqtt, "t", "early", 5, false));
	assert_false(mqtt_subscribe(w->a.mqtt, (const char *[]){"t"}, 1));
	user_subscribe(&w->a, "t");
	assert_int_equal(w->a.messages, 0);
	connected = w->a.connected;
	broker_stop(&w->broker, SIGKILL);
	user_publish(&w->a, "t", "into the void");
	WAIT_FOR(w->base, !mqtt_is_connected(w->a.mqtt));
	assert_false(mqtt_publish(w->a.mqtt, "t", "lost", 4, false));
	assert_int_equal(mqtt_backlog(w->a.mqtt), 0);
	broker_start(&w->broker);
	WAIT_FOR(w->base, w->a.connected > connected);
	user_subscribe(&w->a, "t");
	user_publish(&w->a, "t", "new");
	WAIT_FOR(w->base, w->a.messages > 0);
	assert_string_equal(w->a.payload, "new");
	assert_int_equal(w->a.messages, 1);
}

/* The next connection mostly gets the same descriptor number: events of the old one would make it deaf.  And the client
 * id is asked for anew each time. */
static void test_restarts_of_the_broker(void **state)
{
	struct world *w = *state;
	int first = -1;
	int fd = -1;
	unsigned same = 0;

	open_a(w, "t");
	assert_int_equal(sockets_to(w->broker.port, &first), 1);
	for (unsigned i = 1; i <= 4; i++) {
		unsigned identified = w->a.identified;

		broker_stop(&w->broker, i % 2 ? SIGTERM : SIGKILL);
		WAIT_FOR(w->base, !mqtt_is_connected(w->a.mqtt));
		broker_start(&w->broker);
		WAIT_FOR(w->base, w->a.connected == i + 1);
		assert_true(w->a.identified > identified);
		user_subscribe(&w->a, "t");
		user_publish(&w->a, "t", "alive");
		WAIT_FOR(w->base, w->a.messages == i);
		assert_int_equal(sockets_to(w->broker.port, &fd), 1);
		same += fd == first;
	}
	assert_true(same > 0); /* else the test has tested nothing */
}

/* Small requests and answers must not wait for Nagle; no child may inherit the connection. */
static void test_socket_options(void **state)
{
	struct world *w = *state;
	int fd = -1;
	int nodelay = 0;
	socklen_t len = sizeof(nodelay);

	open_a(w, NULL);
	assert_int_equal(sockets_to(w->broker.port, &fd), 1);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
	assert_int_equal(nodelay, 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void subscribe_and_publish_cb(struct user *u)
{
	assert_true(mqtt_subscribe(u->mqtt, (const char *[]){"more", "most"}, 2));
	assert_true(mqtt_unsubscribe(u->mqtt, (const char *[]){"less"}, 1));
	user_publish(u, "t", "from a callback");
}

static void publish_once_cb(struct user *u)
{
	if (u->messages < 8)
		user_publish(u, "t", "from a callback");
}

/* Calls from inside callbacks must neither hang (the library's mutexes are not recursive) nor re-enter. */
static void test_calls_from_callbacks(void **state)
{
	struct world *w = *state;

	w->a.on_connected = subscribe_and_publish_cb;
	w->a.on_subscribed = publish_once_cb;
	w->a.on_turn = publish_once_cb;
	open_a(w, "t");
	WAIT_FOR(w->base, w->a.messages >= 8);
	assert_true(w->a.granted >= 2);
}

static void reset_cb(struct user *u, const struct mqtt_message *message)
{
	(void)message;
	mqtt_reset(u->mqtt);
	assert_false(mqtt_is_connected(u->mqtt));
	assert_false(mqtt_publish(u->mqtt, "t", "x", 1, false));
}

/* A reset ends the connection at once as if lost: no further message, the will goes out, and it connects anew. */
static void test_reset_inside_a_message(void **state)
{
	struct world *w = *state;

	open_b(w, "will");
	w->a.will = "will";
	w->a.on_message = reset_cb;
	open_a(w, "t");
	for (int i = 0; i < 10; i++)
		user_publish(&w->a, "t", "x");
	WAIT_FOR(w->base, w->a.disconnected == 1);
	assert_int_equal(w->a.why, MQTT_LOST);
	assert_int_equal(w->a.messages, 1);
	WAIT_FOR(w->base, w->a.connected == 2);
	WAIT_FOR(w->base, w->b.messages == 1);
	assert_string_equal(w->b.payload, "dead");
}

static void stop_cb(struct user *u, const struct mqtt_message *message)
{
	(void)message;
	if (u->messages == 100) {
		user_publish(u, "last", "words");
		mqtt_stop(u->mqtt, 5000);
		assert_false(mqtt_publish(u->mqtt, "last", "too late", 8, false));
	}
}

/* A stop in the midst of incoming messages: what was published arrives, no will does, `stopped` comes once and no message
 * after it.  (A PUBLISH read after the library's disconnect is an error to it and fires the will; and a close with bytes
 * unread sends a reset that can overtake the last words.) */
static void test_stop_under_fire(void **state)
{
	struct world *w = *state;

	open_b(w, "last");
	w->a.will = "last";
	w->a.on_message = stop_cb;
	open_a(w, "t");
	for (int i = 0; i < 20000; i++)
		user_publish(&w->b, "t", "a shot that may well not be read any more");
	WAIT_FOR(w->base, w->a.stopped == 1);
	assert_int_equal(w->a.messages, 100);
	WAIT_FOR(w->base, w->b.messages >= 1);
	loop_for(w->base, 100);
	assert_int_equal(w->b.messages, 1);
	assert_string_equal(w->b.payload, "words");
	assert_int_equal(w->a.stopped, 1);
	assert_int_equal(w->a.disconnected, 0);
}

/* A stop writes all of a large outbox first. */
static void test_stop_flushes(void **state)
{
	struct world *w = *state;
	enum { COUNT = 200, SIZE = 50000 };
	char *block = calloc(1, SIZE);

	open_b(w, "t");
	open_a(w, NULL);
	for (int i = 0; i < COUNT; i++)
		assert_true(mqtt_publish(w->a.mqtt, "t", block, SIZE, false));
	free(block);
	mqtt_stop(w->a.mqtt, 10000);
	WAIT_FOR(w->base, w->a.stopped == 1);
	WAIT_FOR(w->base, w->b.messages == COUNT);
	assert_int_equal(w->b.bytes, (size_t)COUNT * SIZE);
}

/* What the broker would answer by closing the connection is not sent. */
static void test_invalid_topics(void **state)
{
	struct world *w = *state;
	char deep[512];

	open_a(w, NULL);
	memset(deep, '/', 201);
	deep[201] = '\0';
	assert_false(mqtt_publish(w->a.mqtt, deep, "x", 1, false));
	assert_false(mqtt_subscribe(w->a.mqtt, (const char *[]){"ok", deep}, 2));
	assert_false(mqtt_publish(w->a.mqtt, "a/+", "x", 1, false));
	assert_false(mqtt_publish(w->a.mqtt, "\xff", "x", 1, false));
	assert_false(mqtt_publish(w->a.mqtt, "", "x", 1, false));
	assert_false(mqtt_subscribe(w->a.mqtt, (const char *[]){"a/#/b"}, 1));
	deep[200] = '\0';
	assert_true(mqtt_publish(w->a.mqtt, deep, "x", 1, false));
	user_subscribe(&w->a, "t");
	assert_int_equal(w->a.disconnected, 0);
}

static void fenced_cb(void *arg, bool fenced)
{
	*(int *)arg = fenced;
}

/* When the fence's CONNACK is here, the broker has closed the fenced session; the fence itself leaves no will. */
static void test_fence(void **state)
{
	struct world *w = *state;
	int fenced = -1;
	char id[32];

	w->a.will = "will/a";
	open_a(w, "t");
	open_b(w, "will/#");
	(void)snprintf(id, sizeof(id), "%s", w->a.client_id);
	(void)mqtt_fence(w->base, NULL, &w->config, id, 5000, fenced_cb, &fenced);
	WAIT_FOR(w->base, fenced >= 0);
	assert_int_equal(fenced, 1);
	WAIT_FOR(w->base, w->a.disconnected == 1);
	assert_int_equal(w->a.why, MQTT_LOST);
	WAIT_FOR(w->base, w->b.messages == 1);
	WAIT_FOR(w->base, w->a.connected == 2); /* under a fresh id */
	assert_string_not_equal(w->a.client_id, id);
	loop_for(w->base, 100);
	assert_int_equal(w->b.messages, 1);
	assert_int_equal(w->a.connected, 2);
}

/* Cancelled at any moment it leaves nothing behind (the sanitizers look). */
static void test_fence_cancelled(void **state)
{
	struct world *w = *state;
	int fenced = -1;

	for (unsigned turns = 0; turns < 6; turns++) {
		struct mqtt_fence *f = mqtt_fence(w->base, NULL, &w->config, "nobody", 5000, fenced_cb, &fenced);

		for (unsigned i = 0; i < turns && fenced < 0; i++)
			(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
		if (fenced < 0)
			mqtt_fence_cancel(f);
		else
			break;
	}
}

static void test_unix_socket(void **state)
{
	struct world *w = *state;
	int fenced = -1;
	unsigned before;

	w->config.url.unix_socket = true;
	w->config.url.port = 0;
	(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "%s", w->broker.socket_path);
	open_a(w, "t");
	user_publish(&w->a, "t", "by file");
	user_publish(&w->a, "t", "by file");
	WAIT_FOR(w->base, w->a.messages == 2);
	before =
		w->a.disconnected; /* the broker opens its TCP port first, so the first attempt may have been too early */
	(void)mqtt_fence(w->base, NULL, &w->config, w->a.client_id, 5000, fenced_cb, &fenced);
	WAIT_FOR(w->base, fenced == 1 && w->a.disconnected == before + 1);
	broker_stop(&w->broker, SIGKILL);
	WAIT_FOR(w->base, w->a.why == MQTT_UNREACHABLE);
	(void)unlink(w->broker.socket_path);
	WAIT_FOR(w->base, strcmp(w->a.detail, "No such file or directory") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_bursts),
		TEST(test_answers_from_inside_messages),
		TEST(test_publish_only_queues),
		TEST(test_nothing_is_carried_over),
		TEST(test_restarts_of_the_broker),
		TEST(test_socket_options),
		TEST(test_calls_from_callbacks),
		TEST(test_reset_inside_a_message),
		TEST(test_stop_under_fire),
		TEST(test_stop_flushes),
		TEST(test_invalid_topics),
		TEST(test_fence),
		TEST(test_fence_cancelled),
		TEST(test_unix_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
