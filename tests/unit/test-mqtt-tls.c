/* TLS on the loop: what OpenSSL has read ahead never waits, however it is cut, and each failure has its own words.  The
 * broker is a child process of a few lines that blocks; one that is real is in ../integration/test_tls.py. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "../../common/tls.h"
#include "mqtt-fixture.h"

/* ---- a certificate ---- */

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

/* Signed by itself. */
static struct identity identity_new(const char *whose)
{
	struct identity id = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *name = X509_get_subject_name(id.certificate);
	X509_EXTENSION *hosts = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, whose);

	(void)X509_set_version(id.certificate, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(id.certificate), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(id.certificate), 3600);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a test", -1, -1, 0);
	(void)X509_set_issuer_name(id.certificate, name);
	(void)X509_set_pubkey(id.certificate, id.key);
	(void)X509_add_ext(id.certificate, hosts, -1);
	X509_EXTENSION_free(hosts);
	assert_true(X509_sign(id.certificate, id.key, EVP_sha256()) > 0);
	return id;
}

/* ---- a broker that blocks ---- */

static uint8_t *append(uint8_t *out, const char *topic, size_t len)
{
	size_t rest = 2 + strlen(topic) + len;

	*out++ = 0x30;
	do
		*out++ = (uint8_t)(rest % 128 | (rest > 127 ? 128 : 0));
	while (rest >>= 7);
	*out++ = 0;
	*out++ = (uint8_t)strlen(topic);
	memcpy(out, topic, strlen(topic));
	memset(out + strlen(topic), 'x', len);
	return out + strlen(topic) + len;
}

static void say(SSL *ssl, const void *bytes, size_t len)
{
	if (SSL_write(ssl, bytes, (int)len) != (int)len)
		_exit(1);
}

#define SHOTS 640
#define LONG ((size_t)3 << 20)

static const uint8_t connack[] = {0x20, 2, 0, 0};

/* For the first word all messages in one record, which holds 16 KiB: no event tells of the second and what follows. */
static void serve_together(SSL *ssl)
{
	uint8_t bytes[16384], *end = bytes;

	for (int i = 0; i < SHOTS; i++)
		end = append(end, "t", 3);
	say(ssl, connack, sizeof(connack));
	if (SSL_read(ssl, bytes + 16000, 1) == 1)
		say(ssl, bytes, (size_t)(end - bytes));
}

/* A long one, and in its last record a short one. */
static void serve_long(SSL *ssl)
{
	static uint8_t bytes[LONG + 64];
	uint8_t *end = append(append(bytes, "long", LONG), "t", 3);

	say(ssl, connack, sizeof(connack));
	if (SSL_read(ssl, end, 1) == 1)
		say(ssl, bytes, (size_t)(end - bytes));
}

/* One byte in a record. */
static void serve_crumbs(SSL *ssl)
{
	uint8_t bytes[1024], *end = bytes;

	for (int i = 0; i < 8; i++)
		end = append(end, "t", 100);
	for (size_t i = 0; i < sizeof(connack); i++)
		say(ssl, connack + i, 1);
	(void)SSL_read(ssl, bytes + 1000, 1);
	for (const uint8_t *at = bytes; at < end; at++)
		say(ssl, at, 1);
}

static void serve(int listener, const struct identity *id, void (*talk)(SSL *ssl))
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	SSL *ssl;
	static char scrap[65536];
	int fd;

	(void)SSL_CTX_use_certificate(context, id->certificate);
	(void)SSL_CTX_use_PrivateKey(context, id->key);
	for (;;) {
		fd = accept(listener, NULL, NULL);
		ssl = SSL_new(context);
		(void)SSL_set_fd(ssl, fd);
		if (talk && SSL_accept(ssl) == 1 && SSL_read(ssl, scrap, sizeof(scrap)) > 0)
			talk(ssl);
		while (talk ? SSL_read(ssl, scrap, sizeof(scrap)) > 0 : read(fd, scrap, sizeof(scrap)) > 0)
			;
		SSL_free(ssl);
		(void)close(fd);
	}
}

/* ---- the tests ---- */

struct world {
	struct event_base *base;
	struct identity id;
	char cafile[32];
	struct mqtt_config config;
	struct user a;
	pid_t broker;
};

static int open_for(void **state, const char *whose)
{
	struct world *w = calloc(1, sizeof(*w));
	char error[SECRET_ERROR_MAX];
	FILE *f;

	w->base = event_base_new();
	w->id = identity_new(whose);
	strcpy(w->cafile, "/tmp/test-mqtt-tls.XXXXXX");
	f = fdopen(mkstemp(w->cafile), "w");
	(void)PEM_write_X509(f, w->id.certificate);
	(void)fclose(f);
	(void)signal(SIGPIPE, SIG_IGN); /* the broker's, too */
	config_for_port(&w->config, 0);
	w->config.url.tls = true;
	w->config.tls = tls_new(&(struct tls_files){.cafile = w->cafile}, error);
	assert_non_null(w->config.tls);
	*state = w;
	return 0;
}

static int world_open(void **state)
{
	return open_for(state, "IP:127.0.0.1");
}

static int others_open(void **state)
{
	return open_for(state, "IP:192.0.2.1,DNS:a.example,DNS:*.b.example");
}

static int world_close(void **state)
{
	struct world *w = *state;

	user_end(&w->a);
	(void)kill(w->broker, SIGKILL);
	(void)waitpid(w->broker, NULL, 0);
	tls_free(w->config.tls);
	(void)unlink(w->cafile);
	EVP_PKEY_free(w->id.key);
	X509_free(w->id.certificate);
	event_base_free(w->base);
	free(w);
	return 0;
}

static void start(struct world *w, void (*talk)(SSL *ssl))
{
	int listener = loopback_listener(&w->config.url.port, 8);

	(void)fcntl(listener, F_SETFL, 0); /* it may block */
	w->broker = fork();
	if (w->broker == 0) {
		serve(listener, &w->id, talk);
		_exit(0);
	}
	(void)close(listener);
	user_start(&w->a, w->base, NULL, &w->config);
}

static void greet_cb(struct user *u)
{
	user_publish(u, "hello", "hello");
}

/* Each message is answered: after some 280 publishes the library leaves EAGAIN behind, with the rest of the record read. */
static void answer_cb(struct user *u, const struct mqtt_message *message)
{
	assert_true(mqtt_publish(u->mqtt, "answer", message->payload, message->len, false));
}

static void test_many_in_a_record(void **state)
{
	struct world *w = *state;

	w->a.on_connected = greet_cb;
	w->a.on_message = answer_cb;
	start(w, serve_together);
	WAIT_FOR(w->base, w->a.messages == SHOTS);
	assert_int_equal(w->a.disconnected, 0);
}

static void fill_cb(struct user *u, const struct mqtt_message *message)
{
	static char block[200000];

	(void)message;
	while (u->messages == 1 && mqtt_backlog(u->mqtt) < (size_t)3 << 20)
		assert_true(mqtt_publish(u->mqtt, "t", block, sizeof(block), false));
}

/* Reading is paused with the rest of a record in OpenSSL. */
static void test_a_pause_within_a_record(void **state)
{
	struct world *w = *state;

	w->config.outbox_high = (size_t)1 << 20;
	w->a.on_connected = greet_cb;
	w->a.on_message = fill_cb;
	start(w, serve_together);
	WAIT_FOR(w->base, w->a.drained == 1);
	WAIT_FOR(w->base, w->a.messages == SHOTS);
}

static void test_a_long_one(void **state)
{
	struct world *w = *state;

	w->a.on_connected = greet_cb;
	start(w, serve_long);
	WAIT_FOR(w->base, w->a.messages == 2);
	assert_int_equal(w->a.bytes, LONG + 3);
	assert_string_equal(w->a.topic, "t");
}

static void test_crumbs(void **state)
{
	struct world *w = *state;

	w->a.on_connected = greet_cb;
	start(w, serve_crumbs);
	WAIT_FOR(w->base, w->a.messages == 8);
}

/* No busy loop while a broker thinks, neither amid the handshake nor behind it. */
static void test_silence(void **state)
{
	struct world *w = *state;
	unsigned turns = 0;
	uint64_t until;

	w->config.connect_timeout_ms = 300;
	start(w, NULL);
	until = clock_ms() + 250;
	while (clock_ms() < until) {
		(void)loop_turn(w->base, until);
		turns++;
	}
	assert_true(turns < 100);
	WAIT_FOR(w->base, w->a.disconnected == 1);
	assert_int_equal(w->a.why, MQTT_NOT_MQTT);
	assert_string_equal(w->a.detail, "connected, but no TLS answer in 300 ms");
}

/* The name is checked against what the URL says, also where that is an address. */
static void test_another_address(void **state)
{
	struct world *w = *state;

	start(w, serve_together);
	WAIT_FOR(w->base, w->a.disconnected == 1);
	assert_int_equal(w->a.why, MQTT_TLS);
	assert_string_equal(w->a.detail,
			    "its certificate is for 192.0.2.1, a.example, *.b.example and not for 127.0.0.1 "
			    "-> the URL is to have a name that it is for");
	assert_int_equal(w->a.connected, 0);
}

/* As without TLS, though libmosquitto has spoken on the socket before we could look at it. */
static void test_refused(void **state)
{
	struct world *w = *state;

	start(w, serve_together);
	user_end(&w->a);
	w->config.url.port = free_port();
	user_start(&w->a, w->base, NULL, &w->config);
	WAIT_FOR(w->base, w->a.disconnected >= 1);
	assert_int_equal(w->a.why, MQTT_UNREACHABLE);
	assert_string_equal(w->a.detail, "Connection refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_in_a_record, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_pause_within_a_record, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_long_one, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_crumbs, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_silence, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_another_address, others_open, world_close),
		cmocka_unit_test_setup_teardown(test_refused, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
