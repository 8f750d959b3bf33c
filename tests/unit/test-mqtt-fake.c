/* The transport against brokers, and name servers, that misbehave. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/dns.h>
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

/* Waits for the first failure; the loop must not have stood still meanwhile. */
static void expect_failure(struct world *w, enum mqtt_failure why, const char *part)
{
	uint64_t until = clock_ms() + WAIT_LIMIT_MS;
	uint64_t longest = 0;

	while (!w->a.disconnected) {
		uint64_t before = clock_ms();

		if (!loop_turn(w->base, until))
			fail_msg("no failure was told");
		if (clock_ms() - before > longest)
			longest = clock_ms() - before;
	}
	assert_int_equal(w->a.why, why);
	if (!strstr(w->a.detail, part))
		fail_msg("\"%s\" does not say \"%s\"", w->a.detail, part);
	assert_int_equal(w->a.connected, 0);
	assert_true(longest < 200);
}

/* The library waits for a CONNACK as long as the keepalive lasts; the time-out is ours. */
static void test_accepts_and_says_nothing(void **state)
{
	struct world *w = *state;
	uint64_t begin = clock_ms();

	w->fake.silent = true;
	start(w);
	expect_failure(w, MQTT_NOT_MQTT, "no MQTT answer in 300 ms");
	assert_true(clock_ms() - begin >= 290);
	WAIT_FOR(w->base, w->fake.accepted >= 2); /* it tries again */
}

static void test_speaks_something_else(void **state)
{
	struct world *w = *state;

	w->fake.greeting =
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2 and some more bytes so that a packet of the library is "
		"complete\r\n";
	start(w);
	expect_failure(w, MQTT_NOT_MQTT, "");
}

static void test_closes_at_once(void **state)
{
	struct world *w = *state;

	w->fake.close_at_once = true;
	start(w);
	expect_failure(w, MQTT_NOT_MQTT, "");
}

static void test_refusals(void **state)
{
	static const struct {
		uint8_t code;
		enum mqtt_failure why;
		const char *part;
	} rows[] = {
		{1, MQTT_REJECTED, "protocol version"},
		{2, MQTT_REJECTED, "identifier"},
		{3, MQTT_REJECTED, "unavailable"},
		{4, MQTT_DENIED, "user name"},
		{5, MQTT_DENIED, "authori"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->fake.connack = rows[i].code;
		w->a = (struct user){0};
		start(w);
		WAIT_FOR(w->base, w->a.disconnected == 1);
		assert_int_equal(w->a.why, rows[i].why);
		if (!strstr(w->a.detail, rows[i].part))
			fail_msg("code %u: \"%s\" does not say \"%s\"", rows[i].code, w->a.detail, rows[i].part);
		assert_int_equal(w->a.connected, 0);
		user_end(&w->a);
		w->a.mqtt = NULL;
	}
}

/* A refused subscription is a return code of 0x80 inside a packet that says success. */
static void test_refused_subscription(void **state)
{
	struct world *w = *state;

	w->fake.suback = 0x80;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	assert_true(mqtt_subscribe(w->a.mqtt, "t"));
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

/* A broker that takes nothing: above the high mark nothing more is read, so that no answers pile up; when it takes
 * again, `drained` comes and what waited is read. */
static void test_back_pressure(void **state)
{
	static const uint8_t publish[] = {0x30, 6, 0, 1, 't', 'a', 'b', 'c'};
	struct world *w = *state;

	w->fake.deaf = true;
	w->config.outbox_high = 1 << 20;
	start(w);
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	fill(w, w->config.outbox_high);
	assert_true(mqtt_backlog(w->a.mqtt) > w->config.outbox_high);
	fake_send(&w->fake, publish, sizeof(publish));
	loop_for(w->base, 100);
	assert_int_equal(w->a.messages, 0);
	assert_int_equal(w->a.drained, 0);
	fake_listen(&w->fake);
	WAIT_FOR(w->base, w->a.drained == 1);
	WAIT_FOR(w->base, w->a.messages == 1);
	WAIT_FOR(w->base, mqtt_backlog(w->a.mqtt) == 0);
	assert_int_equal(w->a.drained, 1);
	assert_int_equal(w->a.disconnected, 0);
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

/* A broker that lets us in and drops us at once is not hammered: the wait doubles up to its cap, at random. */
static void test_backoff(void **state)
{
	struct world *w = *state;
	unsigned waits[8];

	w->fake.drop_after_connack = true;
	w->config.backoff_min_ms = 20;
	w->config.backoff_max_ms = 200;
	start(w);
	for (unsigned i = 0; i < 8; i++) {
		unsigned cap = 20u << i < 200 ? 20u << i : 200;

		WAIT_FOR(w->base, w->a.disconnected == i + 1);
		waits[i] = w->a.retry_ms;
		assert_in_range(waits[i], cap / 2, cap);
	}
	assert_true(waits[5] != waits[6] || waits[6] != waits[7]);
	/* once it holds, and lasts, the next wait is short again */
	w->fake.drop_after_connack = false;
	WAIT_FOR(w->base, mqtt_is_connected(w->a.mqtt));
	loop_for(w->base, 250);
	mqtt_reset(w->a.mqtt);
	WAIT_FOR(w->base, !mqtt_is_connected(w->a.mqtt) && w->a.disconnected >= 9);
	WAIT_FOR(w->base, w->a.retry_ms <= 20);
}

static void test_nobody_listens(void **state)
{
	struct world *w = *state;

	w->config.url.port = free_port();
	start(w);
	expect_failure(w, MQTT_UNREACHABLE, "Connection refused");
	assert_true(w->a.retry_ms > 0);
}

/* Fills the accept queue of a listener; further connects are left without an answer. */
static void fill_queue(const void *address, socklen_t len, int family, int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], address, len);
	}
}

/* A host that does not answer at all: the kernel would try for two minutes. */
static void test_connect_times_out(void **state)
{
	struct world *w = *state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fds[4];
	int listener = loopback_listener(&w->config.url.port, 0);

	address.sin_port = htons(w->config.url.port);
	fill_queue(&address, sizeof(address), AF_INET, fds, 4);
	loop_for(w->base, 20);
	start(w);
	expect_failure(w, MQTT_UNREACHABLE, "timed out");
	for (unsigned i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(listener);
}

/* connect(2) to a Unix socket whose queue is full sleeps, and the library does not ask it not to. */
static void test_unix_queue_full(void **state)
{
	struct world *w = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[4];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test-mqtt-%d.socket", (int)getpid());
	(void)unlink(address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	fill_queue(&address, sizeof(address), AF_UNIX, fds, 4);
	w->config.url.unix_socket = true;
	(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "%s", address.sun_path);
	start(w);
	expect_failure(w, MQTT_UNREACHABLE, "queue is full");
	for (unsigned i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(listener);
	(void)unlink(address.sun_path);
}

/* ---- names ---- */

/* Two addresses for one name, the first of which answers nothing: the second is tried. */
static void test_second_address(void **state)
{
	struct world *w = *state;
	char path[64];
	struct evdns_base *dns = evdns_base_new(w->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	FILE *hosts;

	(void)snprintf(path, sizeof(path), "/tmp/test-mqtt-%d.hosts", (int)getpid());
	hosts = fopen(path, "w");
	assert_non_null(hosts);
	(void)fprintf(hosts, "127.0.0.9 broker.test\n127.0.0.1 broker.test\n");
	(void)fclose(hosts);
	assert_int_equal(evdns_base_load_hosts(dns, path), 0);
	(void)unlink(path);
	(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "broker.test");
	user_start(&w->a, w->base, dns, &w->config);
	WAIT_FOR(w->base, w->a.connected == 1);
	assert_int_equal(w->a.disconnected, 0);
	assert_int_equal(w->a.identified, 1);
	user_end(&w->a);
	w->a.mqtt = NULL;
	evdns_base_free(dns, 0);
}

/* A name server that swallows every question: the loop goes on, and the attempt fails in time. */
static void test_silent_name_server(void **state)
{
	struct world *w = *state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct evdns_base *dns = evdns_base_new(w->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[32];
	char question[512];

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(evdns_base_nameserver_ip_add(dns, text), 0);
	(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "broker.test");
	user_start(&w->a, w->base, dns, &w->config);
	expect_failure(w, MQTT_UNREACHABLE, "no name server answered for broker.test in 300 ms");
	assert_true(recv(fd, question, sizeof(question), 0) > 0); /* it was asked */
	WAIT_FOR(w->base, w->a.disconnected == 2);                /* and again, with the first question cancelled */
	user_end(&w->a);
	w->a.mqtt = NULL;
	loop_for(w->base, 20); /* evdns frees what was cancelled from the loop */
	evdns_base_free(dns, 0);
	(void)close(fd);
}

/* Without resolv.conf's servers /etc/hosts must do, and a numeric address needs neither. */
static void test_local_names(void **state)
{
	struct world *w = *state;
	struct evdns_base *dns = mqtt_dns_new(w->base);
	static const char *const hosts[] = {"localhost", "127.0.0.1"};

	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "%s", hosts[i]);
		w->a = (struct user){0};
		user_start(&w->a, w->base, dns, &w->config);
		WAIT_FOR(w->base, w->a.connected == 1);
		user_end(&w->a);
		w->a.mqtt = NULL;
	}
	evdns_base_free(dns, 0);
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
		TEST(test_accepts_and_says_nothing),
		TEST(test_speaks_something_else),
		TEST(test_closes_at_once),
		TEST(test_refusals),
		TEST(test_refused_subscription),
		TEST(test_bursts_are_bounded),
		TEST(test_bursts_with_answers),
		TEST(test_packet_in_two_parts),
		TEST(test_back_pressure),
		TEST(test_overflow),
		TEST(test_stop_is_bounded),
		TEST(test_stop_without_connection),
		TEST(test_stop_disconnects),
		TEST(test_peer_goes_while_we_publish),
		TEST(test_backoff),
		TEST(test_nobody_listens),
		TEST(test_connect_times_out),
		TEST(test_unix_queue_full),
		TEST(test_second_address),
		TEST(test_silent_name_server),
		TEST(test_local_names),
		TEST(test_fence_fails),
		TEST(test_fence_disconnects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
