/* A progress bar on standard error, with a rate and what is left: on a terminal that obeys, and not with --quiet. */
#ifndef DHT_PROGRESS_H
#define DHT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	const char *what; /* "exporting" */
	bool shown;
	uint64_t begun, drawn; /* in client_now's time */
};

void progress_init(struct progress *p, const char *what, bool shown);
/* done of all, in whatever unit; all 0: nobody knows how much that is.  Draws a few times a second. */
void progress_draw(struct progress *p, size_t records, uint64_t done, uint64_t all);
/* Takes it away. */
void progress_end(struct progress *p);

/* For who counts something else: a line in the place of the one that was there, cut where the terminal ends; and none.
 * Standard error has to be a terminal that obeys. */
void progress_line(const char *text);
void progress_wipe(void);

#endif
