/* One connection to a broker, from the name look-up to its end: what mqtt.c and mqtt-fence.c are made of.
 *
 * A link is one libmosquitto handle on a libevent loop.  It connects once, never again; its owner decides what comes
 * after.  Names are in mqtt-resolve.c, the pairing of the two libraries in mqtt-link.c, and nowhere else.
 *
 * libmosquitto is told that threads are used (though there are none): then it never writes to the socket from inside
 * mosquitto_publish, which would cost one turn of the broker for each message, call back re-entrantly and leave a failed
 * connection half open.  All that one turn of the loop has published is written together at the end of that turn. */
#ifndef DHT_MQTT_INTERNAL_H
#define DHT_MQTT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqtt.h"

struct event_base;
struct evdns_base;
struct mqtt_link;

/* All of them run from the loop.  In `message` and `subscribed` libmosquitto is on the stack and the link must not be
 * freed; in the others it may be. */
struct mqtt_link_callbacks {
	void (*up)(void *arg);
	/* once, and the last one; MQTT_OK after mqtt_link_finish */
	void (*down)(void *arg, enum mqtt_failure why, const char *detail);
	void (*message)(void *arg, const struct mqtt_message *message);
	void (*subscribed)(void *arg, const char *filter, bool granted);
	void (*turn)(void *arg);
	/* the kernel took something */
	void (*written)(void *arg);
};

/* Begins to connect.  base, dns, config, callbacks and arg are borrowed for the link's life, identity is copied. */
struct mqtt_link *mqtt_link_new(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
				const struct mqtt_identity *identity, const struct mqtt_link_callbacks *callbacks,
				void *arg);

/* Closes the socket as it is: for the broker a lost connection. */
void mqtt_link_free(struct mqtt_link *l);

/* The connection has failed: `down` follows from the loop, nothing else does.  The first reason given stands. */
void mqtt_link_fail(struct mqtt_link *l, enum mqtt_failure why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* True from CONNACK 0 to failure or finish. */
bool mqtt_link_is_up(const struct mqtt_link *l);
bool mqtt_link_publish(struct mqtt_link *l, const char *topic, const void *payload, size_t len, bool retain);
/* In one packet; its answer names the first filter, and says whether all are granted. */
bool mqtt_link_subscribe(struct mqtt_link *l, const char *const *filters, size_t count, bool subscribe);
size_t mqtt_link_backlog(const struct mqtt_link *l);
bool mqtt_link_is_blocked(const struct mqtt_link *l);
/* What a message of this topic and size adds to the backlog. */
size_t mqtt_link_cost(const char *topic, size_t len);
/* Stops and resumes reading. */
void mqtt_link_pause(struct mqtt_link *l, bool paused);

/* Writes what is queued, DISCONNECTs, and waits until the broker has closed its side, i.e. has read it all; `down`
 * follows after at most timeout_ms. */
void mqtt_link_finish(struct mqtt_link *l, unsigned timeout_ms);

/* DISCONNECTs at once and does not wait. */
void mqtt_link_hang_up(struct mqtt_link *l);

/* Numeric addresses of a host, looked up without blocking the loop. */
struct mqtt_lookup;
#define MQTT_ADDRESSES_MAX 8
struct mqtt_addresses {
	unsigned count;
	char text[MQTT_ADDRESSES_MAX][64]; /* with the scope of a link-local one */
};
/* done is called once, from the loop or before mqtt_lookup returns (then NULL is returned); error is NULL on success.
 * No addresses without an error do not happen. */
typedef void (*mqtt_lookup_cb)(void *arg, const struct mqtt_addresses *addresses, const char *error);
struct mqtt_lookup *mqtt_lookup(struct evdns_base *dns, const char *host, mqtt_lookup_cb done, void *arg);
/* done will not be called. */
void mqtt_lookup_cancel(struct mqtt_lookup *lookup);

#endif
