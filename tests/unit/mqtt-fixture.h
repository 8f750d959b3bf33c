/* What the tests of the transport share: a user of one `struct mqtt` that notes everything, a real Mosquitto on a free
 * port, and small brokers that misbehave, in the same event loop. */
#ifndef DHT_TEST_MQTT_FIXTURE_H
#define DHT_TEST_MQTT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "../../common/mqtt.h"

struct event;
struct event_base;
struct evdns_base;

/* ---- one user of the transport ---- */

struct user {
	struct event_base *base;
	struct mqtt *mqtt;
	char client_id[32];
	bool fixed_id;    /* else a fresh one for each attempt */
	unsigned not_yet; /* so many attempts have no name yet */
	const char *will;
	unsigned identified;
	unsigned connected;
	unsigned disconnected;
	enum mqtt_failure why; /* of the last disconnection */
	char detail[MQTT_DETAIL_MAX];
	unsigned retry_ms;
	unsigned granted;
	unsigned refused;
	unsigned messages;
	size_t bytes;
	char topic[64]; /* of the last message */
	char payload[64];
	bool retained;
	unsigned turns;
	unsigned drained;
	unsigned stopped;
	/* called at the end of the callback of that name, if set */
	void (*on_connected)(struct user *u);
	void (*on_disconnected)(struct user *u);
	void (*on_message)(struct user *u, const struct mqtt_message *message);
	void (*on_subscribed)(struct user *u);
	void (*on_turn)(struct user *u);
};

/* Begins to connect.  dns may be NULL. */
void user_start(struct user *u, struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config);
void user_end(struct user *u);
/* Subscribes and waits for the answer. */
void user_subscribe(struct user *u, const char *filter);
void user_publish(struct user *u, const char *topic, const char *text);

/* ---- waiting ---- */

#define WAIT_LIMIT_MS 15000

uint64_t clock_ms(void);
/* One turn of the loop, at most 10 ms; false once the time is up. */
bool loop_turn(struct event_base *base, uint64_t until);

/* Turns the loop until the condition holds; fails the test, naming it, if it never does. */
#define WAIT_FOR(base, condition)                                            \
	do {                                                                 \
		uint64_t until_ = clock_ms() + WAIT_LIMIT_MS;                \
		while (!(condition))                                         \
			if (!loop_turn(base, until_))                        \
				fail_msg("never came true: %s", #condition); \
	} while (0)

/* Turns the loop for so long; for what must NOT happen. */
void loop_for(struct event_base *base, unsigned ms);

/* ---- a real broker ---- */

struct broker {
	char dir[64];
	char socket_path[80];
	uint16_t port;
	pid_t pid;
};

uint16_t free_port(void);
/* Starts Mosquitto on broker->port (chosen if 0) and on a Unix socket; waits until it answers. */
void broker_start(struct broker *b);
void broker_stop(struct broker *b, int signal);
/* Stops and removes its directory. */
void broker_end(struct broker *b);
void config_for_port(struct mqtt_config *config, uint16_t port);

/* ---- a broker that misbehaves ---- */

struct fake {
	struct event_base *base;
	struct event *event; /* accept */
	int fd;
	uint16_t port;
	/* what it does */
	bool silent; /* accepts, says nothing */
	bool close_at_once;
	const char *greeting; /* sent instead of MQTT */
	uint8_t connack;      /* code of the CONNACK */
	uint8_t suback;       /* code of the SUBACK */
	bool deaf;            /* reads nothing after CONNECT */
	bool no_pingresp;
	bool drop_after_connack;
	/* what it saw */
	unsigned accepted;
	unsigned connects;
	unsigned pings;
	unsigned disconnects;
	size_t bytes;
	struct fake_session *sessions;
};

void fake_start(struct fake *f, struct event_base *base);
/* Reads again after `deaf`. */
void fake_listen(struct fake *f);
/* While deaf: reads one buffer from each session. */
void fake_sip(struct fake *f);
/* Sends raw bytes to all sessions. */
void fake_send(struct fake *f, const void *bytes, size_t len);
/* Sends what the only session takes now: so many bytes. */
size_t fake_offer(struct fake *f, const void *bytes, size_t len);
void fake_end(struct fake *f);

/* A listening socket on a free loopback port. */
int loopback_listener(uint16_t *port, int queue);
/* The number of open descriptors that are sockets connected to that loopback port; *fd is one of them. */
unsigned sockets_to(uint16_t port, int *fd);

#endif
