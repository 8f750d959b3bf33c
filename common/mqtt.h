/* libmosquitto on a libevent loop: one connection to the broker at a time, made anew for ever.
 *
 * The module owns every pitfall of that pairing (../tests/unit/test-mqtt.c has one test for each): new events at every connect,
 * bounded bursts of reads, no blocking name look-up or connect, time-outs for connect and CONNACK, capped exponential
 * backoff with jitter, keepalive, failed subscriptions seen, a bounded outbox.  Nothing is carried from one connection
 * to the next: what was not written is gone, subscriptions are the user's to make again.
 * Portable MQTT 3.1.1, clean sessions, QoS 0.  It never decides what a message means.
 *
 * Callbacks run from the loop, never from inside mqtt_publish, mqtt_subscribe or mqtt_stop.  Every function may be
 * called from a callback, but mqtt_free. */
#ifndef DHT_MQTT_H
#define DHT_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "url.h"

struct event_base;
struct evdns_base;
struct mqtt;

/* Who this connection is; filled by the user before every attempt.  All fields are borrowed until the callback's
 * caller has read them, i.e. they must outlive the callback's return by one loop turn; keep them in your struct. */
struct mqtt_identity {
	const char *client_id;
	const char *will_topic; /* NULL: no will */
	const void *will_payload;
	size_t will_len;
	bool will_retain;
};

enum mqtt_failure {
	MQTT_OK,
	MQTT_UNREACHABLE, /* name not found, refused, no route, socket missing, time-out of the connect */
	MQTT_NOT_MQTT,    /* connected, but no CONNACK in time, or no MQTT at all */
	MQTT_DENIED,      /* CONNACK 4 or 5: bad user name or password, not authorised */
	MQTT_TLS,         /* the broker's certificate does not hold, or it speaks no TLS */
	MQTT_CERTIFICATE, /* it demands a certificate of ours, or refuses the one it was shown */
	MQTT_REJECTED,    /* CONNACK 1 to 3: version, client id, unavailable */
	MQTT_LOST,        /* an established connection ended */
	MQTT_OVERFLOW,    /* the hard bound of the outbox was hit: we gave the connection up */
};

/* Room for what `disconnected` is told, with its NUL. */
#define MQTT_DETAIL_MAX 300

struct mqtt_message {
	const char *topic;      /* NUL-terminated */
	const uint8_t *payload; /* never NULL; valid until the callback returns */
	size_t len;
	bool retained; /* sent because we subscribed, not because somebody published now */
};

struct mqtt_callbacks {
	/* before each attempt; client_id left NULL: not now, it asks again after the backoff */
	void (*identify)(void *arg, struct mqtt_identity *identity);
	void (*connected)(void *arg);
	/* after `connected`, or after each failed attempt; detail is a static or borrowed English text such as
	 * "connection refused"; retry_ms: when the next attempt is made */
	void (*disconnected)(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms);
	/* the broker answered the subscription of that filter, and of those asked for with it */
	void (*subscribed)(void *arg, const char *filter, bool granted);
	void (*message)(void *arg, const struct mqtt_message *message);
	/* the outbox fell from above its high mark to below its low mark */
	void (*drained)(void *arg);
	/* one turn of reading is over: everything that arrived together has been given to `message` */
	void (*turn)(void *arg);
	/* mqtt_stop has finished (flushed and disconnected, or given up) */
	void (*stopped)(void *arg);
};

struct tls;

struct mqtt_config {
	struct url url;
	struct tls *tls;             /* borrowed; url.tls takes one (tls_new), else it means nothing */
	unsigned keepalive_s;        /* 5 or more; default 10 */
	unsigned connect_timeout_ms; /* name look-up, connect and CONNACK, each; default 5000 */
	unsigned backoff_min_ms;     /* default 50 */
	unsigned backoff_max_ms;     /* default 2000 */
	/* bytes; above it reading stops, so that answers cannot pile up, but for a sip a second while the broker takes
	 * nothing; default 8 MiB */
	size_t outbox_high;
	size_t outbox_hard; /* bytes; a publish beyond it ends the connection; default 64 MiB */
};
/* Fills the defaults and url = URL_DEFAULT. */
void mqtt_config_init(struct mqtt_config *config);

/* Name look-up on the loop, by resolv.conf and /etc/hosts, also where the former is missing.  Free it with
 * evdns_base_free(dns, 0), after every mqtt and fence that uses it. */
struct evdns_base *mqtt_dns_new(struct event_base *base);

/* base, dns and arg are borrowed for the life of the object; config and callbacks are copied.  dns may be NULL if
 * url.host is numeric or a socket. */
struct mqtt *mqtt_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
		      const struct mqtt_callbacks *callbacks, void *arg);

/* Begins to connect, and to connect again whenever the connection ends, until mqtt_stop. */
void mqtt_start(struct mqtt *m);

/* Queues one QoS 0 message; payload is copied.  True if it is in the outbox; false if there is no connection, or the
 * topic or size is invalid (a bug of the caller's), or the hard bound is hit (the connection is then given
 * up: `disconnected` follows). */
bool mqtt_publish(struct mqtt *m, const char *topic, const void *payload, size_t len, bool retain);

/* Asks for subscriptions (QoS 0), all in one packet; the answer comes as one `subscribed`, which names the first filter
 * and says whether all are granted.  False without a connection, or if a filter is invalid. */
bool mqtt_subscribe(struct mqtt *m, const char *const *filters, size_t count);
bool mqtt_unsubscribe(struct mqtt *m, const char *const *filters, size_t count);

/* Bytes accepted by mqtt_publish and not yet taken by the kernel, about. */
size_t mqtt_backlog(const struct mqtt *m);
/* Some of them were left when they were last offered to the kernel: the line is the slower, and not this turn of the loop. */
bool mqtt_is_blocked(const struct mqtt *m);
bool mqtt_is_connected(const struct mqtt *m);
/* By which name the broker knows us, as the URL has it; "": none. */
const char *mqtt_user(const struct mqtt *m);

/* Messages so far, and their MQTT packets' bytes, over all connections: what was accepted by mqtt_publish, and what was
 * handed to `message`. */
struct mqtt_traffic {
	uint64_t sent, sent_bytes;
	uint64_t received, received_bytes;
};
struct mqtt_traffic mqtt_traffic(const struct mqtt *m);

/* Reads nothing more until it is called with false, but for a sip a second, on whatever connection; one on which nothing
 * leaves either is given up after a time. */
void mqtt_pause(struct mqtt *m, bool paused);

/* Ends the connection now, as if it were lost, and connects anew after the backoff. */
void mqtt_reset(struct mqtt *m);

/* Writes what is queued, for at most timeout_ms, then DISCONNECTs (no will) and never connects again; `stopped`
 * follows.  Without a connection `stopped` follows at once. */
void mqtt_stop(struct mqtt *m, unsigned timeout_ms);

/* Not from a callback. */
void mqtt_free(struct mqtt *m);

/* A fence: connects once with somebody else's client id, so that the broker closes that session before it sends the
 * CONNACK (MQTT 3.1.1 [MQTT-3.1.4-2]; Mosquitto: handle_connect.c), then disconnects cleanly.  done(arg, true) once the
 * CONNACK is here; done(arg, false) if it did not come within timeout_ms.  Frees itself; mqtt_fence_cancel before `done`
 * frees it early.  config's url, user and password are used. */
struct mqtt_fence;
struct mqtt_fence *mqtt_fence(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
			      const char *client_id, unsigned timeout_ms, void (*done)(void *arg, bool fenced),
			      void *arg);
void mqtt_fence_cancel(struct mqtt_fence *f);

#endif
