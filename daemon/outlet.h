/* Output commit: what a step of the core says leaves, in its order, when what the step has changed is on the disk
 * (core/node.h, struct update; common/PROTOCOL.md section 7, "With a disk").
 *
 * It knows nothing of the transport: whoever makes it carries effects out, and says when the connection is lost. */
#ifndef DHT_OUTLET_H
#define DHT_OUTLET_H

#include <stdbool.h>

#include "core/node.h"
#include "disk.h"

struct event_base;
struct outlet;

/* None of them may call the outlet, but outlet_idle. */
struct outlet_callbacks {
	/* Now, and before anything that comes behind it; effect is borrowed. */
	void (*carry_out)(void *arg, const struct effect *effect);
	/* Some was committed, and what waited for it has been carried out; from the loop. */
	void (*committed)(void *arg);
	/* More waits than is good (OUTLET_HIGH): nothing is to be read until it is over. */
	void (*crowded)(void *arg, bool crowded);
	/* The disk is full, or is so no more, or has failed for good; text is for people. */
	void (*trouble)(void *arg, enum disk_state state, const char *text);
};

#define OUTLET_HIGH ((size_t)8 << 20) /* bytes, of what waits to be written and of what waits to be said */

/* disk may be NULL: then everything is carried out at once.  base, disk and arg are borrowed. */
struct outlet *outlet_new(struct event_base *base, struct disk *disk, const struct outlet_callbacks *callbacks,
			  void *arg);

/* What one step has come to.  connected: there is a connection that its words can leave on. */
void outlet_take(struct outlet *o, const struct update *update, bool connected);

/* The connection is lost: what waits to be said on it is dropped; what was to be written is written. */
void outlet_lost(struct outlet *o);

/* Is all committed that steps have changed so far? */
bool outlet_idle(const struct outlet *o);

/* What still waits is dropped. */
void outlet_free(struct outlet *o);

#endif
