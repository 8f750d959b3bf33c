/* A node's data directory, from its options to what it held: the one place that knows both daemon/disk.h and what the core
 * wants kept. */
#ifndef DHT_KEEP_H
#define DHT_KEEP_H

#include <stdbool.h>

#include "core/node.h"
#include "disk.h"

struct keep_config {
	const char *directory;
	enum disk_durability durability;
	bool any_node; /* neither id nor name was asked for: those of the directory are taken */
};

/* NULL with *fault.  node has id, name and topic prefix; of a directory that has a node already, the first two are
 * compared, or set from it (any_node), and the last is compared: the ring. */
struct disk *keep_open(const struct keep_config *config, struct node_config *node, struct disk_fault *fault);

/* Reads all of it into a node that has had no event yet; of `at` now and wall are read.  False with *fault; then the node
 * is good for nothing.  Unless any_clock is set it is one if the clock is more than a year ahead of what was noted last: by
 * such a clock whatever has a life is at its end. */
bool keep_restore(struct disk *disk, struct node *node, const struct event *at, bool any_clock,
		  struct disk_fault *fault);

/* The exit code (sysexits.h) of a process that has no disk for that reason. */
int keep_exit_code(enum disk_trouble trouble);

#endif
