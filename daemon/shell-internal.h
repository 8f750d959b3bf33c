/* What shell.c and shell-broker.c share: the one is between the core and the process, the other between the core and the
 * connection to the broker. */
#ifndef DHT_SHELL_INTERNAL_H
#define DHT_SHELL_INTERNAL_H

#include "shell.h"

/* The core and libevent each have a `struct event`.  libevent's is opaque; here it goes by another name. */
#define event libevent_event
#include <event2/event.h>
#undef event

#include "fences.h"
#include "outage.h"
#include "outlet.h"
#include "service.h"
#include "teller.h"

struct shell {
	struct event_base *base;
	struct evdns_base *dns;
	struct shell_config config;
	struct teller *teller;
	struct node *node;
	struct mqtt *mqtt;
	struct outlet *outlet;
	struct fences *fences;
	struct libevent_event *start;
	struct libevent_event *timer;
	struct libevent_event *room; /* the disk's has changed */
	bool full;
	struct libevent_event *settled; /* has the connection lasted? */
	struct service *service;
	uint64_t deadline; /* the timer is set for it; UINT64_MAX: it is not */
	bool connected;    /* the core has been told so */
	bool stepping;
	bool turn;    /* the core waits for the end of what is being read */
	bool started; /* the core has had its first event */
	bool exiting; /* EFFECT_EXIT was carried out: the core gets no more events */
	bool broken;  /* no disk any more: nothing leaves */
	/* Identities given out: so far, at the last step, and how many there may be by what is kept for good. */
	uint64_t identified, identified_at_step, identities;
	int code;
	char broker[400];
	struct outage outage;
};

uint64_t shell_now(void); /* ms, monotonic */
/* The core's next event; its times are filled in, and what follows from it is carried out. */
void shell_step(struct shell *s, const struct event *event);

extern const struct mqtt_callbacks shell_broker_callbacks; /* their argument is the shell */
/* A timer's, for s->settled: has the connection lasted? */
void shell_broker_settled_cb(evutil_socket_t fd, short what, void *arg);

#endif
