/* One link after the other, for ever: backoff, the bounds of the outbox, and the way out.  What happens inside one
 * connection is mqtt-link.c's. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>
#include <event2/util.h>
#include <mosquitto.h>

#include "mem.h"
#include "mqtt-internal.h"

enum state {
	STATE_IDLE,    /* not started */
	STATE_WAITING, /* until the next attempt */
	STATE_TRYING,
	STATE_UP,
	STATE_STOPPING,
	STATE_STOPPED,
};

struct mqtt {
	struct event_base *base;
	struct evdns_base *dns;
	struct mqtt_config config;
	struct mqtt_callbacks callbacks;
	void *arg;
	enum state state;
	struct mqtt_link *link; /* NULL: none */
	struct event *timer;    /* WAITING: the next attempt; STOPPING without a link: `stopped` */
	unsigned backoff_ms;    /* upper bound of the next wait */
	struct timespec since;  /* when UP began */
	bool full;              /* the outbox went above its high mark and has not drained */
	bool paused;            /* by mqtt_pause */
	struct mqtt_traffic traffic;
};

void mqtt_config_init(struct mqtt_config *config)
{
	*config = (struct mqtt_config){
		.keepalive_s = 10,
		.connect_timeout_ms = 5000,
		.backoff_min_ms = 50,
		.backoff_max_ms = 2000,
		.outbox_high = (size_t)8 << 20,
		.outbox_hard = (size_t)64 << 20,
	};
	(void)url_parse(&config->url, URL_DEFAULT, NULL, 0);
}

static void mqtt_arm(struct mqtt *m, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	(void)evtimer_add(m->timer, &tv);
}

/* ---- backoff ---- */

/* The next wait: at random between half the bound and the bound, so that nodes that lost one broker together do not come
 * back together: its listen queue holds 100. */
static unsigned mqtt_next_wait(struct mqtt *m)
{
	unsigned bound = m->backoff_ms;
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	m->backoff_ms = bound > m->config.backoff_max_ms / 2 ? m->config.backoff_max_ms : bound * 2;
	return bound - (unsigned)((uint64_t)random * (bound / 2) >> 32);
}

/* A connection that lasted earns a quick return; one that the broker accepts and drops at once does not, or the two
 * would do nothing else. */
static void mqtt_judge(struct mqtt *m)
{
	struct timespec now;
	int64_t ms;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (int64_t)(now.tv_sec - m->since.tv_sec) * 1000 + (now.tv_nsec - m->since.tv_nsec) / 1000000;
	if (ms >= m->config.backoff_max_ms)
		m->backoff_ms = m->config.backoff_min_ms;
}

/* ---- what the link says ---- */

static void mqtt_up_cb(void *arg)
{
	struct mqtt *m = arg;

	m->state = STATE_UP;
	if (m->paused)
		mqtt_link_pause(m->link, true);
	(void)clock_gettime(CLOCK_MONOTONIC, &m->since);
	m->callbacks.connected(m->arg);
}

static void mqtt_down_cb(void *arg, enum mqtt_failure why, const char *detail)
{
	struct mqtt *m = arg;
	char text[MQTT_DETAIL_MAX];
	unsigned wait;

	(void)snprintf(text, sizeof(text), "%s", detail);
	mqtt_link_free(m->link);
	m->link = NULL;
	m->full = false;
	if (m->state == STATE_STOPPING) {
		m->state = STATE_STOPPED;
		m->callbacks.stopped(m->arg);
		return;
	}
	if (m->state == STATE_UP)
		mqtt_judge(m);
	wait = mqtt_next_wait(m);
	m->state = STATE_WAITING;
	mqtt_arm(m, wait);
	m->callbacks.disconnected(m->arg, why, text, wait);
}

/* Of a PUBLISH of QoS 0: its first byte, the length of what follows (7 bits a byte), the topic behind its length. */
static size_t mqtt_packet_size(const char *topic, size_t len)
{
	size_t rest = 2 + strlen(topic) + len, size = 2 + rest;

	for (rest >>= 7; rest > 0; rest >>= 7)
		size++;
	return size;
}

static void mqtt_message_cb(void *arg, const struct mqtt_message *message)
{
	struct mqtt *m = arg;

	m->traffic.received++;
	m->traffic.received_bytes += mqtt_packet_size(message->topic, message->len);
	m->callbacks.message(m->arg, message);
}

static void mqtt_subscribed_cb(void *arg, const char *filter, bool granted)
{
	struct mqtt *m = arg;

	m->callbacks.subscribed(m->arg, filter, granted);
}

static void mqtt_turn_cb(void *arg)
{
	struct mqtt *m = arg;

	m->callbacks.turn(m->arg);
}

static void mqtt_written_cb(void *arg)
{
	struct mqtt *m = arg;

	if (!m->full || mqtt_link_backlog(m->link) >= m->config.outbox_high / 2)
		return;
	m->full = false;
	if (!m->paused)
		mqtt_link_pause(m->link, false);
	m->callbacks.drained(m->arg);
}

static const struct mqtt_link_callbacks link_callbacks = {
	.up = mqtt_up_cb,
	.down = mqtt_down_cb,
	.message = mqtt_message_cb,
	.subscribed = mqtt_subscribed_cb,
	.turn = mqtt_turn_cb,
	.written = mqtt_written_cb,
};

/* ---- attempts ---- */

static void mqtt_try(struct mqtt *m)
{
	struct mqtt_identity identity = {0};

	m->state = STATE_TRYING;
	m->callbacks.identify(m->arg, &identity);
	if (!identity.client_id) {
		m->state = STATE_WAITING;
		mqtt_arm(m, mqtt_next_wait(m));
		return;
	}
	m->link = mqtt_link_new(m->base, m->dns, &m->config, &identity, &link_callbacks, m);
}

static void mqtt_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt *m = arg;

	(void)fd;
	(void)what;
	if (m->state == STATE_WAITING) {
		mqtt_try(m);
	} else if (m->state == STATE_STOPPING) {
		m->state = STATE_STOPPED;
		m->callbacks.stopped(m->arg);
	}
}

/* ---- the interface ---- */

struct mqtt *mqtt_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
		      const struct mqtt_callbacks *callbacks, void *arg)
{
	struct mqtt *m = xcalloc(1, sizeof(*m));

	(void)mosquitto_lib_init();     /* counts its users */
	(void)signal(SIGPIPE, SIG_IGN); /* libmosquitto writes with write(2) */
	m->base = base;
	m->dns = dns;
	m->config = *config;
	m->callbacks = *callbacks;
	m->arg = arg;
	m->backoff_ms = config->backoff_min_ms;
	m->timer = evtimer_new(base, mqtt_timer_cb, m);
	if (!m->timer)
		mem_die("out of memory");
	return m;
}

void mqtt_start(struct mqtt *m)
{
	if (m->state != STATE_IDLE)
		return;
	m->state = STATE_WAITING;
	mqtt_arm(m, 0);
}

bool mqtt_publish(struct mqtt *m, const char *topic, const void *payload, size_t len, bool retain)
{
	size_t backlog;

	if (m->state != STATE_UP)
		return false;
	backlog = mqtt_link_backlog(m->link);
	if (len > m->config.outbox_hard || backlog + mqtt_link_cost(topic, len) > m->config.outbox_hard) {
		mqtt_link_fail(m->link, MQTT_OVERFLOW, "%zu bytes wait for the broker, the limit is %zu", backlog,
			       m->config.outbox_hard);
		return false;
	}
	if (!mqtt_link_publish(m->link, topic, payload, len, retain))
		return false;
	m->traffic.sent++;
	m->traffic.sent_bytes += mqtt_packet_size(topic, len);
	if (!m->full && mqtt_link_backlog(m->link) > m->config.outbox_high) {
		m->full = true;
		mqtt_link_pause(m->link, true);
	}
	return true;
}

bool mqtt_subscribe(struct mqtt *m, const char *const *filters, size_t count)
{
	return m->state == STATE_UP && mqtt_link_subscribe(m->link, filters, count, true);
}

bool mqtt_unsubscribe(struct mqtt *m, const char *const *filters, size_t count)
{
	return m->state == STATE_UP && mqtt_link_subscribe(m->link, filters, count, false);
}

bool mqtt_is_blocked(const struct mqtt *m)
{
	return m->link && mqtt_link_is_blocked(m->link);
}

size_t mqtt_backlog(const struct mqtt *m)
{
	return m->link ? mqtt_link_backlog(m->link) : 0;
}

const char *mqtt_user(const struct mqtt *m)
{
	return m->config.url.user;
}

struct mqtt_traffic mqtt_traffic(const struct mqtt *m)
{
	return m->traffic;
}

bool mqtt_is_connected(const struct mqtt *m)
{
	return m->state == STATE_UP && mqtt_link_is_up(m->link);
}

void mqtt_pause(struct mqtt *m, bool paused)
{
	m->paused = paused;
	if (m->state == STATE_UP && !m->full)
		mqtt_link_pause(m->link, paused);
}

void mqtt_reset(struct mqtt *m)
{
	if (m->state == STATE_UP || m->state == STATE_TRYING)
		mqtt_link_fail(m->link, MQTT_LOST, "given up");
}

void mqtt_stop(struct mqtt *m, unsigned timeout_ms)
{
	if (m->state == STATE_STOPPING || m->state == STATE_STOPPED)
		return;
	m->state = STATE_STOPPING;
	if (m->link)
		mqtt_link_finish(m->link, timeout_ms);
	else
		mqtt_arm(m, 0);
}

void mqtt_free(struct mqtt *m)
{
	if (m->link)
		mqtt_link_free(m->link);
	event_free(m->timer);
	free(m);
	(void)mosquitto_lib_cleanup();
}
