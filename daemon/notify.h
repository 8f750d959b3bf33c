/* What the service manager is told (sd_notify(3)); nothing happens where there is none.  Each state is told once. */
#ifndef DHT_NOTIFY_H
#define DHT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct libsystemd;
struct teller;

struct notify {
	const struct libsystemd *systemd; /* borrowed; NULL: there is no manager, or no way to it */
	struct teller *teller;            /* borrowed: where it is said that nothing can be said */
	bool ready;
	bool stopping;
	uint64_t extended; /* monotonic ms of the last request for more time; 0: none */
	char status[1000];
};

/* systemd: NULL if it is not there. */
void notify_init(struct notify *n, const struct libsystemd *systemd, struct teller *teller);
void notify_ready(struct notify *n);
/* A sentence for people; told if it is another one than before. */
void notify_status(struct notify *n, const char *text);
void notify_stopping(struct notify *n);
/* The loop turns. */
void notify_watchdog(struct notify *n);
/* Settings are being read anew, and have been; not before the node is ready, as the end of it says that it is. */
void notify_reloading(struct notify *n, uint64_t now_ms);
void notify_reloaded(struct notify *n);
/* Asks for more time to start or to stop; at most once a second is it passed on. */
void notify_extend(struct notify *n, uint64_t now_ms);

#endif
