/* A node as a service: signals, the watchdog, and the sentence that a service manager shows. */
#ifndef DHT_SERVICE_H
#define DHT_SERVICE_H

#include <stddef.h>

#include "notify.h"

struct event_base;
struct service;

struct service_user {
	/* SIGTERM, SIGINT for the first time; the second one ends the process at once */
	void (*stop)(void *arg, int signal_number);
	/* SIGHUP */
	void (*reload)(void *arg);
	/* what the node is and has, for people */
	void (*describe)(void *arg, char *out, size_t size);
	/* it was to stop, and there is no broker by which it could leave; NULL: it waits for one */
	void (*abandon)(void *arg);
	void *arg;
};

/* All is borrowed but user.  systemd: NULL if there is neither a manager nor a journal. */
struct service *service_new(struct event_base *base, const struct libsystemd *systemd, struct teller *teller,
			    const struct service_user *user);
void service_free(struct service *service);
/* Something may have been told: what of it was hushed is told when its time is over, though nothing else happens then. */
void service_said(struct service *service);

struct notify *service_notify(struct service *service);
/* How long to wait before the node is started: as earlier starts came to nothing (backoff.h). */
unsigned service_wait_s(const struct service *service);
/* The node is active. */
void service_active(struct service *service);
/* There is a connection to the broker. */
void service_broker(struct service *service);
/* There is none.  A start that is not the first one waits for it for as long as it takes; the first
 * one ends as its unit says, so that nobody waits for it for ever. */
void service_no_broker(struct service *service);
/* Something has changed: tells the sentence, if there is somebody to tell and it is another one. */
void service_changed(struct service *service);

#endif
