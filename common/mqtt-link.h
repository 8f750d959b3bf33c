/* The inside of a link: what mqtt-link.c (life, from look-up to end) and mqtt-io.c (reading and writing) share. */
#ifndef DHT_MQTT_LINK_H
#define DHT_MQTT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqtt-internal.h"

/* While reading is paused and nothing is taken, a sip is read so often. */
#define LINK_STUCK_MS 1000

struct event;
struct mosquitto;

enum link_phase {
	PHASE_LOOKUP,    /* waiting for a name server */
	PHASE_CONNECT,   /* waiting for TCP */
	PHASE_TLS,       /* waiting for the end of its handshake */
	PHASE_HANDSHAKE, /* waiting for CONNACK */
	PHASE_UP,
	PHASE_FLUSH,  /* finishing: waiting until the outbox is written */
	PHASE_LINGER, /* finishing: DISCONNECT is written, waiting for the broker to close */
	PHASE_DEAD,   /* `down` is due or done */
};

struct link_pending { /* a SUBSCRIBE or UNSUBSCRIBE without its answer */
	struct link_pending *next;
	int mid;
	size_t count;  /* of filters */
	char filter[]; /* the first */
};

struct link_sizes { /* what each queued message cost, oldest first; a ring of `room` entries, a power of two */
	uint32_t *cost;
	size_t head;
	size_t count;
	size_t room;
};

struct mqtt_link {
	struct event_base *base;
	struct evdns_base *dns;
	const struct mqtt_config *config;
	const struct mqtt_link_callbacks *callbacks;
	void *arg;
	char *client_id;
	char *will_topic;
	void *will_payload;
	size_t will_len;
	bool will_retain;

	enum link_phase phase;
	struct mqtt_lookup *lookup;
	struct mqtt_addresses addresses;
	unsigned address; /* the one being tried */
	struct mosquitto *mosq;
	struct event *read_event;
	struct event *write_event;
	struct event *kick;  /* flush, and the end */
	struct event *timer; /* the phase's time-out, or keepalive */
	int linger_fd;       /* PHASE_LINGER: our duplicate of the socket, else -1 */

	bool paused;
	bool accepted; /* CONNACK 0 was read, `up` not yet told */
	int refusal;   /* CONNACK code that is not 0, else 0 */
	/* TLS: why the broker's certificate was refused (""); what alert it sent (0: none); it wanted a certificate */
	char verdict[MQTT_DETAIL_MAX];
	int alert;
	bool asked;
	uint64_t last_in; /* monotonic ms */
	uint64_t last_out;
	uint64_t checked; /* when loop_misc was last called; 0: never */
	size_t unflushed; /* packets queued since the last flush */
	size_t backlog;
	bool blocked; /* the kernel did not take all of it when it was last asked */
	struct link_sizes sizes;
	struct link_pending *pending;

	enum mqtt_failure why; /* of PHASE_DEAD */
	char detail[MQTT_DETAIL_MAX];
};

uint64_t link_now(void);
/* Fires link_timer_cb, whatever the phase then is. */
void link_arm(struct mqtt_link *l, unsigned ms);
void link_fail_text(struct mqtt_link *l, enum mqtt_failure why, const char *detail);
void link_drop_events(struct mqtt_link *l);
/* What a libmosquitto call that may end the connection has left: false if it did. */
bool link_check(struct mqtt_link *l, int rc);

/* One step of the handshake of TLS, and what follows. */
void link_shake(struct mqtt_link *l);

/* In mqtt-io.c. */
void link_set_callbacks(struct mqtt_link *l);
void link_read_cb(int fd, short what, void *arg);
/* Reads a little though reading is paused.  Each side may be waiting for the other: a broker that writes before it reads,
 * or the kernel: Linux 6.17 and later drop what comes beyond a full receive queue together with the acknowledgement it
 * carries (LINUX_MIB_BEYOND_WINDOW), and then nothing of ours counts as taken before we have read. */
void link_sip(struct mqtt_link *l);
void link_flush(struct mqtt_link *l);
/* The kernel takes more. */
void link_writable(struct mqtt_link *l);
/* Forgets what was queued or asked for. */
void link_drop_queue(struct mqtt_link *l);

/* In mqtt-tls.c.  Ahead of the connect; between it and the handshake; the handshake, one step. */
void link_tls_options(struct mqtt_link *l, struct mosquitto *mosq);
void link_tls_begin(struct mqtt_link *l);
/* libmosquitto's first word, from within its connect, has taken the socket's error, if that was there at once: then it was
 * a refusal, as what else can be known at once connect(2) says itself. */
bool link_tls_refused(struct mqtt_link *l);
enum link_shake { SHAKE_DONE, SHAKE_READ, SHAKE_WRITE, SHAKE_FAILED };
enum link_shake link_tls_shake(struct mqtt_link *l);
/* Something is read and decrypted, and no event will tell. */
bool link_tls_pending(const struct mqtt_link *l);
/* The connection has ended: if that was for TLS, fails the link with the reason. */
bool link_tls_explain(struct mqtt_link *l);

#endif
