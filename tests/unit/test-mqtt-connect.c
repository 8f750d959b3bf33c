/* The transport on its way to a connection: brokers, networks and name servers that misbehave. */
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

/* broker.test is asked for at the socket fd. */
static struct evdns_base *asks_at(struct world *w, int fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct evdns_base *dns = evdns_base_new(w->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	socklen_t len = sizeof(address);
	char text[32];

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(evdns_base_nameserver_ip_add(dns, text), 0);
	(void)snprintf(w->config.url.host, sizeof(w->config.url.host), "broker.test");
	return dns;
}

/* A name server that swallows every question: the loop goes on, and the attempt fails in time. */
static void test_silent_name_server(void **state)
{
	struct world *w = *state;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct evdns_base *dns = asks_at(w, fd);
	char question[512];

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

static void nobody_is_called_so_cb(struct evdns_server_request *request, void *arg)
{
	(void)arg;
	(void)evdns_server_request_respond(request, DNS_ERR_NOTEXIST);
}

/* The commonest mistake in a URL, told in words that say which. */
static void test_unknown_name(void **state)
{
	struct world *w = *state;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct evdns_base *dns = asks_at(w, fd);
	struct evdns_server_port *server =
		evdns_add_server_port_with_base(w->base, fd, 0, nobody_is_called_so_cb, NULL);

	user_start(&w->a, w->base, dns, &w->config);
	expect_failure(w, MQTT_UNREACHABLE, "no address for broker.test: there is no such name");
	user_end(&w->a);
	w->a.mqtt = NULL;
	loop_for(w->base, 20);
	evdns_base_free(dns, 0);
	evdns_close_server_port(server);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_accepts_and_says_nothing),
		TEST(test_speaks_something_else),
		TEST(test_closes_at_once),
		TEST(test_refusals),
		TEST(test_backoff),
		TEST(test_nobody_listens),
		TEST(test_connect_times_out),
		TEST(test_unix_queue_full),
		TEST(test_second_address),
		TEST(test_silent_name_server),
		TEST(test_unknown_name),
		TEST(test_local_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
