/* Starts that come to nothing: each makes the next one wait for longer, so that a node which is started anew for ever
 * (Restart= of its unit) neither hammers the broker nor fills the journal.  systemd itself can do that from version 254 on.
 * They are counted in a file of the service's RuntimeDirectory, which systemd removes when the service is stopped. */
#ifndef DHT_BACKOFF_H
#define DHT_BACKOFF_H

#include <stdbool.h>

/* The longest wait. */
#define BACKOFF_MAX_S 60

struct backoff {
	const char *folder; /* borrowed; NULL: nothing is counted */
	unsigned starts;    /* that came to nothing before this one */
	bool again;         /* it is not the first one since somebody has asked for it */
};

/* Counts one more start, in $RUNTIME_DIRECTORY. */
void backoff_begin(struct backoff *backoff, const char *folder);
/* How long to wait first: 0, 1, 2, 4, ... seconds. */
unsigned backoff_wait_s(const struct backoff *backoff);
/* If it comes to nothing it is not the node's fault: the next one need not wait. */
void backoff_excuse(struct backoff *backoff);
/* It has come to something. */
void backoff_over(struct backoff *backoff);

#endif
