/* The pairing of libmosquitto 2.0 with libevent.  What is odd here is odd for a reason, given where it stands; what
 * libmosquitto does was read in its source (lib/FILE.c:function of 2.0.11) and is tested in ../tests/unit/test-mqtt*.c.
 *
 * Every call into libmosquitto that may close its socket (loop_read, loop_write, loop_misc) is followed by link_check.
 * Nothing that ends a link is done on the spot: mqtt_link_fail notes it, and the `kick` event does it from the loop. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <mosquitto.h>

#include "mem.h"
#include "mqtt-link.h"

uint64_t link_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void link_arm(struct mqtt_link *l, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	(void)evtimer_add(l->timer, &tv);
}

/* ---- the end ---- */

/* libmosquitto closes the descriptor before it says so, and the next socket of the process mostly gets the same number:
 * an event left behind would make libevent believe that it watches it already, and nothing would ever arrive.  So the
 * events go at once, and are made anew for every connection. */
void link_drop_events(struct mqtt_link *l)
{
	if (l->read_event)
		event_free(l->read_event);
	if (l->write_event)
		event_free(l->write_event);
	l->read_event = NULL;
	l->write_event = NULL;
}

/* Frees the handle; never from inside one of its callbacks. */
static void link_drop_handle(struct mqtt_link *l)
{
	link_drop_events(l);
	if (l->mosq)
		mosquitto_destroy(l->mosq);
	l->mosq = NULL;
	link_drop_queue(l);
}

void link_fail_text(struct mqtt_link *l, enum mqtt_failure why, const char *detail)
{
	if (l->phase == PHASE_DEAD)
		return;
	l->phase = PHASE_DEAD;
	l->why = why;
	(void)snprintf(l->detail, sizeof(l->detail), "%s", detail);
	event_active(l->kick, EV_TIMEOUT, 0);
}

void mqtt_link_fail(struct mqtt_link *l, enum mqtt_failure why, const char *format, ...)
{
	char text[sizeof(l->detail)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	link_fail_text(l, why, text);
}

/* What a libmosquitto call that may end the connection has left.  Its return code alone does not tell: some ends are
 * returned as success with no socket left, some errors leave a dead socket open. */
bool link_check(struct mqtt_link *l, int rc)
{
	int error = errno; /* of the call: close(2), which may come between, keeps it */
	enum mqtt_failure why = l->phase == PHASE_UP || l->phase == PHASE_FLUSH ? MQTT_LOST : MQTT_NOT_MQTT;

	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(l->mosq) >= 0)
		return true;
	link_drop_events(l);
	if (!l->refusal && link_tls_explain(l))
		return false;
	if (l->refusal)
		mqtt_link_fail(l, l->refusal >= 4 ? MQTT_DENIED : MQTT_REJECTED, "%s",
			       mosquitto_connack_string(l->refusal));
	else if (rc == MOSQ_ERR_KEEPALIVE)
		mqtt_link_fail(l, why, "the broker has not answered for %u s", l->config->keepalive_s);
	else if (rc == MOSQ_ERR_ERRNO && error != 0 && error != EPROTO)
		mqtt_link_fail(l, why, "%s", strerror(error));
	else if (rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_CONN_LOST || rc == MOSQ_ERR_NO_CONN ||
		 (rc == MOSQ_ERR_ERRNO && error == 0)) /* the end within a packet (lib/packet_mosq.c:packet__read) */
		mqtt_link_fail(l, why, "connection closed by the broker");
	else
		mqtt_link_fail(l, why, "%s", mosquitto_strerror(rc));
	return false;
}

/* ---- connecting ---- */

static void link_next_address(struct mqtt_link *l);

/* A failure before the connection stands: the next address may do better. */
static void link_try_failed(struct mqtt_link *l, const char *detail)
{
	link_drop_handle(l);
	if (++l->address < l->addresses.count)
		link_next_address(l);
	else
		link_fail_text(l, MQTT_UNREACHABLE, detail);
}

static void link_say_hello(struct mqtt_link *l)
{
	(void)event_del(l->write_event); /* while the descriptor is open: libevent speaks up if one of two goes later */
	l->phase = PHASE_HANDSHAKE;
	link_arm(l, l->config->connect_timeout_ms);
	(void)event_add(l->read_event, NULL);
	link_flush(l);
}

void link_shake(struct mqtt_link *l)
{
	(void)event_del(l->write_event);
	switch (link_tls_shake(l)) {
	case SHAKE_DONE:
		link_say_hello(l);
		break;
	case SHAKE_READ:
		break;
	case SHAKE_WRITE:
		(void)event_add(l->write_event, NULL);
		break;
	case SHAKE_FAILED:
		link_drop_events(l);
		break;
	}
}

static void link_connected(struct mqtt_link *l)
{
	if (!l->config->url.tls) {
		link_say_hello(l);
		return;
	}
	l->phase = PHASE_TLS;
	link_arm(l, l->config->connect_timeout_ms);
	(void)event_add(l->read_event, NULL);
	link_shake(l);
}

static void link_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_link *l = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (l->phase == PHASE_DEAD)
		return;
	if (l->phase == PHASE_TLS) {
		link_shake(l);
		return;
	}
	if (l->phase != PHASE_CONNECT) {
		link_writable(l);
		if (l->phase == PHASE_FLUSH)
			event_active(l->kick, EV_TIMEOUT, 0);
		return;
	}
	/* Asked before the library does, which would report a plain write error later. */
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error && l->config->url.tls && link_tls_refused(l))
		error = ECONNREFUSED;
	if (error == ECONNRESET && l->config->url.tls)
		error = 0; /* connected, and over: libmosquitto began the handshake in its connect, which will say so */
	if (error)
		link_try_failed(l, strerror(error));
	else
		link_connected(l);
}

static struct mosquitto *link_handle(struct mqtt_link *l)
{
	const struct url *url = &l->config->url;
	struct mosquitto *mosq = mosquitto_new(l->client_id, true, l);
	int rc = MOSQ_ERR_SUCCESS;

	if (!mosq)
		mem_die("out of memory");
	rc |= mosquitto_threaded_set(mosq, true); /* the header says why */
	rc |= mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
	if (!url->unix_socket)
		rc |= mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
	if (l->will_topic)
		rc |= mosquitto_will_set(mosq, l->will_topic, (int)l->will_len, l->will_payload, 0, l->will_retain);
	if (url->user[0])
		rc |= mosquitto_username_pw_set(mosq, url->user, url->has_password ? url->password : NULL);
	assert(rc == MOSQ_ERR_SUCCESS);
	if (url->tls)
		link_tls_options(l, mosq);
	return mosq;
}

/* What connect(2) says at once. */
static const char *link_strerror(int error)
{
	return error == EAGAIN ? "the socket's queue is full" : strerror(error); /* a Unix socket's */
}

static void link_next_address(struct mqtt_link *l)
{
	const struct url *url = &l->config->url;
	const char *host = url->unix_socket ? url->host : l->addresses.text[l->address];
	int fd;
	int rc;

	l->phase = PHASE_CONNECT;
	l->mosq = link_handle(l);
	link_set_callbacks(l);
	/* Port 0 means a Unix socket.  Keepalive: the library takes 5 s or more. */
	rc = mosquitto_connect_async(l->mosq, host, url->unix_socket ? 0 : url->port, (int)l->config->keepalive_s);
	fd = mosquitto_socket(l->mosq);
	if (url->tls)
		link_tls_begin(l);
	if (rc == MOSQ_ERR_TLS && link_tls_explain(l))
		return;
	if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
		link_try_failed(l, rc == MOSQ_ERR_ERRNO ? link_strerror(errno) : mosquitto_strerror(rc));
		return;
	}
	/* Else a child would hold the connection open after our end, and the will would wait for the keepalive. */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	l->read_event = event_new(l->base, fd, EV_READ | EV_PERSIST, link_read_cb, l);
	l->write_event = event_new(l->base, fd, EV_WRITE | EV_PERSIST, link_write_cb, l);
	(void)event_add(l->write_event, NULL);
	link_arm(l, l->config->connect_timeout_ms);
}

static void link_lookup_cb(void *arg, const struct mqtt_addresses *addresses, const char *error)
{
	struct mqtt_link *l = arg;

	l->lookup = NULL;
	if (l->phase != PHASE_LOOKUP)
		return;
	if (error) {
		mqtt_link_fail(l, MQTT_UNREACHABLE, "no address for %s: %s", l->config->url.host, error);
		return;
	}
	l->addresses = *addresses;
	link_next_address(l);
}

static void link_begin(struct mqtt_link *l)
{
	const struct url *url = &l->config->url;

	if (url->unix_socket) {
		l->addresses.count = 1;
		link_next_address(l);
		return;
	}
	link_arm(l, l->config->connect_timeout_ms);
	l->lookup = mqtt_lookup(l->dns, url->host, link_lookup_cb, l);
}

/* ---- time ---- */

/* When loop_misc, which sends PINGREQ and sees that none was answered, has something to do: not every second.  Asked again
 * before a whole interval is over it would do nothing, and a dead broker would be found an interval later. */
static uint64_t link_due(const struct mqtt_link *l)
{
	uint64_t interval = (uint64_t)l->config->keepalive_s * 1000;
	uint64_t oldest = l->last_in < l->last_out ? l->last_in : l->last_out;

	return (oldest > l->checked ? oldest : l->checked) + interval;
}

/* While reading is paused no PINGRESP can be seen: then what the broker takes is its sign of life. */
static void link_watch_paused(struct mqtt_link *l)
{
	uint64_t limit = 2 * (uint64_t)l->config->keepalive_s * 1000;
	uint64_t idle = link_now() - l->last_out;

	if (idle >= limit) {
		mqtt_link_fail(l, MQTT_LOST, "the broker takes nothing");
		return;
	}
	/* Ahead of the sip, which may be the last: what it makes of the link has its own limit. */
	link_arm(l, limit - idle < LINK_STUCK_MS ? (unsigned)(limit - idle) : LINK_STUCK_MS);
	/* Its answers must find room, or a stuck connection would be a lost one. */
	if (idle >= LINK_STUCK_MS && l->backlog < l->config->outbox_hard / 2)
		link_sip(l);
}

static void link_keepalive(struct mqtt_link *l)
{
	unsigned interval = l->config->keepalive_s * 1000;
	uint64_t now = link_now();
	uint64_t due = link_due(l);

	if (now < due) {
		link_arm(l, (unsigned)(due - now));
		return;
	}
	l->checked = now;
	link_arm(l, interval);
	if (link_check(l, mosquitto_loop_misc(l->mosq)))
		link_flush(l);
}

static void link_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_link *l = arg;

	(void)fd;
	(void)what;
	switch (l->phase) {
	case PHASE_LOOKUP:
		mqtt_link_fail(l, MQTT_UNREACHABLE, "no name server answered for %s in %u ms", l->config->url.host,
			       l->config->connect_timeout_ms);
		break;
	case PHASE_CONNECT:
		link_try_failed(l, "connection timed out");
		break;
	case PHASE_TLS:
		mqtt_link_fail(l, MQTT_NOT_MQTT, "connected, but no TLS answer in %u ms",
			       l->config->connect_timeout_ms);
		break;
	case PHASE_HANDSHAKE:
		mqtt_link_fail(l, MQTT_NOT_MQTT, "connected, but no MQTT answer in %u ms",
			       l->config->connect_timeout_ms);
		break;
	case PHASE_UP:
		if (l->paused)
			link_watch_paused(l);
		else
			link_keepalive(l);
		break;
	case PHASE_FLUSH:
	case PHASE_LINGER:
		mqtt_link_fail(l, MQTT_LOST, "the broker did not take everything in time");
		break;
	case PHASE_DEAD:
		break;
	}
}

/* ---- finishing ---- */

static void link_linger_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_link *l = arg;
	char scrap[4096];
	ssize_t n;

	(void)what;
	do
		n = read(fd, scrap, sizeof(scrap));
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		link_fail_text(l, MQTT_OK, "");
}

/* libmosquitto closes the socket the moment DISCONNECT is written.  With data still unread in it the kernel then sends a
 * reset, which may overtake our last messages and the DISCONNECT itself: lost answers, and a will for a clean exit.  A
 * duplicate keeps the connection open until the broker, having read everything, closes its side. */
static void link_say_goodbye(struct mqtt_link *l)
{
	l->linger_fd = fcntl(mosquitto_socket(l->mosq), F_DUPFD_CLOEXEC, 0);
	link_drop_events(l);
	(void)mosquitto_disconnect(l->mosq);
	(void)mosquitto_loop_write(l->mosq, 1);
	link_drop_handle(l);
	if (l->linger_fd < 0) {
		link_fail_text(l, MQTT_OK, "");
		return;
	}
	(void)shutdown(l->linger_fd, SHUT_WR);
	l->phase = PHASE_LINGER;
	l->read_event = event_new(l->base, l->linger_fd, EV_READ | EV_PERSIST, link_linger_cb, l);
	(void)event_add(l->read_event, NULL);
}

void mqtt_link_finish(struct mqtt_link *l, unsigned timeout_ms)
{
	if (!mqtt_link_is_up(l)) {
		link_fail_text(l, MQTT_OK, "");
		return;
	}
	l->phase = PHASE_FLUSH;
	mqtt_link_pause(l, false); /* read and forgotten: see link_sip */
	link_arm(l, timeout_ms);
	event_active(l->kick, EV_TIMEOUT, 0);
}

void mqtt_link_hang_up(struct mqtt_link *l)
{
	link_drop_events(l);
	(void)mosquitto_disconnect(l->mosq);
	(void)mosquitto_loop_write(l->mosq, 1);
	link_fail_text(l, MQTT_OK, "");
}

static void link_kick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_link *l = arg;

	(void)fd;
	(void)what;
	if (l->mosq && (l->phase == PHASE_UP || l->phase == PHASE_FLUSH) && l->unflushed)
		link_flush(l);
	if (l->phase == PHASE_FLUSH && !mosquitto_want_write(l->mosq))
		link_say_goodbye(l);
	if (l->phase == PHASE_DEAD) {
		link_drop_handle(l);
		(void)evtimer_del(l->timer);
		l->callbacks->down(l->arg, l->why, l->detail); /* may free l */
	}
}

/* ---- life ---- */

bool mqtt_link_is_up(const struct mqtt_link *l)
{
	return l->phase == PHASE_UP;
}

bool mqtt_link_is_blocked(const struct mqtt_link *l)
{
	return l->blocked;
}

size_t mqtt_link_backlog(const struct mqtt_link *l)
{
	return l->backlog;
}

struct mqtt_link *mqtt_link_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
				const struct mqtt_identity *identity, const struct mqtt_link_callbacks *callbacks,
				void *arg)
{
	struct mqtt_link *l = xcalloc(1, sizeof(*l));

	l->base = base;
	l->dns = dns;
	l->config = config;
	l->callbacks = callbacks;
	l->arg = arg;
	l->client_id = xstrdup(identity->client_id);
	if (identity->will_topic) {
		l->will_topic = xstrdup(identity->will_topic);
		l->will_payload = xmemdup(identity->will_payload, identity->will_len);
		l->will_len = identity->will_len;
		l->will_retain = identity->will_retain;
	}
	l->linger_fd = -1;
	l->kick = event_new(base, -1, 0, link_kick_cb, l);
	l->timer = evtimer_new(base, link_timer_cb, l);
	if (!l->kick || !l->timer)
		mem_die("out of memory");
	link_begin(l);
	return l;
}

void mqtt_link_free(struct mqtt_link *l)
{
	if (l->lookup)
		mqtt_lookup_cancel(l->lookup);
	link_drop_handle(l);
	if (l->linger_fd >= 0)
		(void)close(l->linger_fd);
	event_free(l->kick);
	event_free(l->timer);
	free(l->client_id);
	free(l->will_topic);
	free(l->will_payload);
	free(l);
}
