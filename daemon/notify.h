/* What the service manager is told (sd_notify(3)); nothing happens where there is none.  Each state is told once.
 *
 * libsystemd is loaded for the moment in which something is said and not before: with the libraries that it brings along
 * it is a fifth of the memory that an idle node has resident (5.2 MB against 4.2). */
#ifndef DHT_NOTIFY_H
#define DHT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct log;

struct notify {
	struct log *log; /* borrowed: where it is said that nothing can be said */
	bool mute;       /* there is a service manager, but no way to it */
	bool ready;
	bool stopping;
	uint64_t extended; /* monotonic ms of the last request for more time; 0: none */
	char status[256];
};

void notify_init(struct notify *n, struct log *log);
void notify_ready(struct notify *n);
/* A sentence for people. */
void notify_status(struct notify *n, const char *text);
void notify_stopping(struct notify *n);
/* Asks for more time to stop; at most once a second is it passed on. */
void notify_extend(struct notify *n, uint64_t now_ms);

#endif
