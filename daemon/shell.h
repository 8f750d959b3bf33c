/* Where the two worlds meet: the transport's callbacks, the timer and the signals become events of the node's core; its
 * effects become calls.  The shell decides nothing about the ring.
 *
 * Nothing it calls to carry out an effect calls back before it returns (common/mqtt.h), so node_step is never entered
 * twice and needs no queue. */
#ifndef DHT_SHELL_H
#define DHT_SHELL_H

#include "../common/mqtt.h"
#include "core/node.h"

struct event_base;
struct disk;
struct evdns_base;
struct libsystemd;
struct teller;
struct shell;

struct shell_config {
	struct node_config node; /* complete, with id, memory and seed */
	struct mqtt_config mqtt;
	bool any_clock;            /* the clock is right, however far ahead it is of what the disk holds */
	struct disk *disk;         /* borrowed; NULL: everything is in memory alone, and node.durable is false */
	const char *broker_origin; /* where the URL came from, for error lines: "--broker", "DHT_BROKER", "default" */
	void (*reload)(void *arg); /* SIGHUP: reads the settings anew, and says what came of it */
	void *arg;
};

/* All is borrowed but config, which is copied.  systemd: NULL if there is neither a service manager nor a journal. */
struct shell *shell_new(struct event_base *base, struct evdns_base *dns, const struct shell_config *config,
			const struct libsystemd *systemd, struct teller *teller);

/* Starts the node, soon, with what the disk holds.  When it has left, or must not run, the loop is ended; a second SIGTERM
 * or SIGINT ends the process at once by that signal. */
void shell_start(struct shell *s);

/* From here on, as config.node.max_memory. */
void shell_limit(struct shell *s, uint64_t max_memory);

/* After the loop: the exit code that the core asked for. */
int shell_exit_code(const struct shell *s);

void shell_free(struct shell *s);

#endif
