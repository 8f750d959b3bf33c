/* Reading and writing on one link, and what libmosquitto says meanwhile. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <mosquitto.h>

#include "mem.h"
#include "mqtt-link.h"

/* Packets read in one go before the rest of the loop gets its turn. */
#define LINK_BURST 64
/* A sip: at most so many packets, and no more once it has made so many bytes of answers. */
#define LINK_SIP 4096
#define LINK_SIP_ANSWERS ((size_t)1 << 20)
/* So many packets are worth a cork. */
#define LINK_CORK_FROM 4
/* A packet in libmosquitto's queue costs about so much beside its bytes. */
#define LINK_PACKET_OVERHEAD 96
/* Mosquitto closes the connection on a topic of more than 200 slashes, and the client library does not know it. */
#define LINK_TOPIC_SLASHES 200
/* The size of the largest MQTT packet [MQTT 3.1.1, 2.2.3], less a topic and its frame. */
#define LINK_PAYLOAD_MAX (268435455u - 65535u - 8u)

/* ---- what libmosquitto says ---- */

static void link_connack_cb(struct mosquitto *mosq, void *arg, int code)
{
	struct mqtt_link *l = arg;

	(void)mosq;
	/* Told to the owner after the call: only then does the library take messages and the like. */
	l->accepted = code == 0;
	l->refusal = code;
}

static void link_message_cb(struct mosquitto *mosq, void *arg, const struct mosquitto_message *message)
{
	static const uint8_t nothing[1] = {0};
	struct mqtt_link *l = arg;
	struct mqtt_message m = {
		.topic = message->topic,
		.payload = message->payloadlen > 0 ? message->payload : nothing,
		.len = message->payloadlen > 0 ? (size_t)message->payloadlen : 0,
		.retained = message->retain,
	};

	(void)mosq;
	if (l->phase == PHASE_UP)
		l->callbacks->message(l->arg, &m);
	/* loop_read takes an EAGAIN left behind here for its own: every packet queued writes a byte to a socket pair
	 * that nobody drains in this mode, until it is full (lib/packet_mosq.c:packet__queue). */
	errno = 0;
}

/* The topic filter of an answered request; NULL if unknown.  The caller frees. */
static struct link_pending *link_take_pending(struct mqtt_link *l, int mid)
{
	struct link_pending **at = &l->pending;
	struct link_pending *p;

	while (*at && (*at)->mid != mid)
		at = &(*at)->next;
	p = *at;
	if (p)
		*at = p->next;
	return p;
}

/* A refusal is a granted QoS of 0x80; every return code on the way is success. */
static bool link_all_granted(const int *granted, int count, size_t asked)
{
	for (int i = 0; i < count; i++)
		if (granted[i] < 0 || granted[i] > 2)
			return false;
	return count >= 0 && (size_t)count == asked;
}

static void link_subscribe_cb(struct mosquitto *mosq, void *arg, int mid, int count, const int *granted)
{
	struct mqtt_link *l = arg;
	struct link_pending *p = link_take_pending(l, mid);

	(void)mosq;
	if (p && l->phase == PHASE_UP)
		l->callbacks->subscribed(l->arg, p->filter, link_all_granted(granted, count, p->count));
	free(p);
	errno = 0;
}

static void link_unsubscribe_cb(struct mosquitto *mosq, void *arg, int mid)
{
	(void)mosq;
	free(link_take_pending(arg, mid));
}

/* A message has left for the kernel, nothing more.  At QoS 0 they leave in the order in which they were published. */
static void link_publish_cb(struct mosquitto *mosq, void *arg, int mid)
{
	struct mqtt_link *l = arg;

	(void)mosq;
	(void)mid;
	assert(l->sizes.count > 0);
	l->backlog -= l->sizes.cost[l->sizes.head];
	l->sizes.head = (l->sizes.head + 1) & (l->sizes.room - 1);
	l->sizes.count--;
}

void link_set_callbacks(struct mqtt_link *l)
{
	mosquitto_connect_callback_set(l->mosq, link_connack_cb);
	mosquitto_message_callback_set(l->mosq, link_message_cb);
	mosquitto_publish_callback_set(l->mosq, link_publish_cb);
	mosquitto_subscribe_callback_set(l->mosq, link_subscribe_cb);
	mosquitto_unsubscribe_callback_set(l->mosq, link_unsubscribe_cb);
}

void link_drop_queue(struct mqtt_link *l)
{
	struct link_pending *p;

	while ((p = l->pending)) {
		l->pending = p->next;
		free(p);
	}
	free(l->sizes.cost);
	l->sizes = (struct link_sizes){0};
	l->backlog = 0;
	l->blocked = false;
	l->unflushed = 0;
}

/* ---- writing ---- */

/* While corked the stream leaves in as few segments as it can.  Measured with an echo and 128 requests on the way: a
 * third less CPU time here than with a segment for each answer.  A few answers are not worth the two calls. */
static void link_cork(struct mqtt_link *l, int on)
{
	int fd = mosquitto_socket(l->mosq);

	if (!l->config->url.unix_socket && fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void link_watch_writes(struct mqtt_link *l)
{
	if (mosquitto_want_write(l->mosq))
		(void)event_add(l->write_event, NULL);
	else
		(void)event_del(l->write_event);
}

void link_writable(struct mqtt_link *l)
{
	l->last_out = link_now(); /* the kernel has room again: a part of a long packet has left */
	link_flush(l);
}

void link_flush(struct mqtt_link *l)
{
	size_t before = l->sizes.count;
	bool cork = l->unflushed >= LINK_CORK_FROM;
	int rc;

	l->unflushed = 0;
	if (cork)
		link_cork(l, 1);
	rc = mosquitto_loop_write(l->mosq, 1); /* all that the kernel takes, in fact */
	if (!link_check(l, rc))
		return;
	if (cork)
		link_cork(l, 0);
	link_watch_writes(l);
	l->blocked = mosquitto_want_write(l->mosq);
	if (l->sizes.count < before || !mosquitto_want_write(l->mosq))
		l->last_out = link_now();
	if (l->sizes.count < before && l->phase == PHASE_UP)
		l->callbacks->written(l->arg);
}

size_t mqtt_link_cost(const char *topic, size_t len)
{
	return LINK_PACKET_OVERHEAD + strlen(topic) + len;
}

static void link_note_cost(struct mqtt_link *l, size_t cost)
{
	struct link_sizes *s = &l->sizes;

	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		uint32_t *bigger = xmalloc(room * sizeof(*bigger));

		for (size_t i = 0; i < s->count; i++)
			bigger[i] = s->cost[(s->head + i) & (s->room - 1)];
		free(s->cost);
		*s = (struct link_sizes){.cost = bigger, .count = s->count, .room = room};
	}
	s->cost[(s->head + s->count) & (s->room - 1)] = (uint32_t)cost;
	s->count++;
	l->backlog += cost;
}

static bool link_topic_valid(const char *topic)
{
	unsigned slashes = 0;

	for (const char *c = topic; *c; c++)
		slashes += *c == '/';
	return slashes <= LINK_TOPIC_SLASHES;
}

static void link_queued(struct mqtt_link *l)
{
	if (!l->unflushed++)
		event_active(l->kick, EV_TIMEOUT, 0);
}

bool mqtt_link_publish(struct mqtt_link *l, const char *topic, const void *payload, size_t len, bool retain)
{
	int rc;

	if (!mqtt_link_is_up(l))
		return false;
	if (len > LINK_PAYLOAD_MAX || !link_topic_valid(topic))
		return false;
	rc = mosquitto_publish(l->mosq, NULL, topic, (int)len, payload, 0, retain);
	if (rc == MOSQ_ERR_NO_CONN)
		mqtt_link_fail(l, MQTT_LOST, "connection closed");
	if (rc != MOSQ_ERR_SUCCESS)
		return false;
	link_note_cost(l, mqtt_link_cost(topic, len));
	link_queued(l);
	return true;
}

bool mqtt_link_subscribe(struct mqtt_link *l, const char *const *filters, size_t count, bool subscribe)
{
	size_t size = count ? strlen(filters[0]) + 1 : 0;
	char *const *subs = (char *const *)(uintptr_t)filters; /* libmosquitto only reads them */
	struct link_pending *p;
	int rc;

	if (!mqtt_link_is_up(l) || count == 0 || count > INT_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!link_topic_valid(filters[i]))
			return false;
	p = xmalloc(sizeof(*p) + size);
	p->count = count;
	memcpy(p->filter, filters[0], size);
	rc = subscribe ? mosquitto_subscribe_multiple(l->mosq, &p->mid, (int)count, subs, 0, 0, NULL)
		       : mosquitto_unsubscribe_multiple(l->mosq, &p->mid, (int)count, subs, NULL);
	if (rc != MOSQ_ERR_SUCCESS) {
		free(p);
		return false;
	}
	p->next = l->pending;
	l->pending = p;
	link_queued(l);
	return true;
}

/* ---- reading ---- */

/* What TLS has read ahead no event tells of: the rest of a record, behind a burst that was bounded or a pause. */
static void link_wake(struct mqtt_link *l)
{
	if (l->read_event && !l->paused && link_tls_pending(l))
		event_active(l->read_event, EV_READ, 0);
}

void mqtt_link_pause(struct mqtt_link *l, bool paused)
{
	l->paused = paused;
	if (!l->read_event)
		return;
	if (paused)
		(void)event_del(l->read_event);
	else
		(void)event_add(l->read_event, NULL);
	link_wake(l);
	link_arm(l, LINK_STUCK_MS); /* a PINGRESP that waits is read before anybody asks for it */
}

static void link_rise(struct mqtt_link *l)
{
	l->phase = PHASE_UP;
	l->accepted = false;
	l->last_in = l->last_out = link_now();
	link_arm(l, l->config->keepalive_s * 1000);
	l->callbacks->up(l->arg);
}

/* A broker without set_tcp_nodelay (Mosquitto's default) keeps its next packet back until the last one is acknowledged,
 * and the kernel delays that by 40 ms where it expects an answer to carry it.  The option does not stick: it is set
 * again for each turn in which there is none; otherwise it would cost a segment of its own beside the answer's. */
static void link_acknowledge(struct mqtt_link *l)
{
#ifdef TCP_QUICKACK
	int on = 1, fd = mosquitto_socket(l->mosq);

	if (fd >= 0 && !l->config->url.unix_socket)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#else
	(void)l;
#endif
}

/* False if nothing more is to be read now: the socket is dry, or the link at its end. */
static bool link_read_packet(struct mqtt_link *l)
{
	bool dry;
	int rc;

	if (l->phase == PHASE_DEAD)
		return false;
	errno = 0;
	rc = mosquitto_loop_read(l->mosq, 1);
	/* only a hint: if it is wrong, the event fires again; but not for what has left the socket */
	dry = errno == EAGAIN && !link_tls_pending(l);
	if (!link_check(l, rc))
		return false;
	if (l->accepted && l->phase == PHASE_HANDSHAKE)
		link_rise(l);
	return !dry;
}

static void link_end_turn(struct mqtt_link *l)
{
	if (l->phase == PHASE_DEAD)
		return;
	if (l->phase == PHASE_UP)
		l->callbacks->turn(l->arg);
	if (l->phase != PHASE_DEAD && (!l->unflushed || l->blocked))
		link_acknowledge(l);
}

/* One call reads one packet, whatever number it is given (lib/loop.c:mosquitto_loop_read), so it is called until the
 * socket is dry, within a bound; the event is level-triggered and brings us back for the rest. */
void link_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_link *l = arg;

	(void)fd;
	(void)what;
	if (l->phase == PHASE_TLS) {
		link_shake(l);
		return;
	}
	for (int i = 0; i < LINK_BURST && !l->paused && link_read_packet(l); i++)
		;
	l->last_in = link_now(); /* not earlier than the library's own note of it, see link_keepalive */
	link_end_turn(l);
	link_wake(l);
}

void link_sip(struct mqtt_link *l)
{
	size_t enough = l->backlog + LINK_SIP_ANSWERS;

	for (int i = 0; i < LINK_SIP && l->backlog < enough && link_read_packet(l); i++)
		l->last_in = link_now();
	link_end_turn(l);
}
