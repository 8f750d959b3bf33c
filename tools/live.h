/* The ring again and again, for --watch. */
#ifndef DHT_LIVE_H
#define DHT_LIVE_H

#include <stdio.h>

#include "census.h"
#include "command.h"

/* trouble: why nothing is known of the ring, and then the census is empty; or NULL. */
typedef void live_show(FILE *out, const struct settings *settings, const struct census *census, const char *trouble);

/* Looks once a second until the process is ended.  On a terminal it redraws in place; else it prints what has changed,
 * anew and whole, with the time ahead of it, or with --json an object a line.  Trouble is shown, not the end.  copies:
 * those of each arc are shown, too. */
enum exit_code live_run(const struct settings *settings, live_show *show, bool copies);

/* census_take with an error line if no ring answers; twice, within the deadline, if the first has problems. */
enum exit_code live_look(struct client *client, const struct settings *settings, struct census *census);

/* The same over a connection of its own.  RC_NO: no ring answers.  Nothing is printed: whatever is in the way stands in
 * trouble, which is "" where nothing is. */
#define LIVE_TROUBLE 1200
enum exit_code live_look_once(const struct settings *settings, struct census *census, char trouble[LIVE_TROUBLE]);

#define LIVE_TEXT                                                                                                \
	"--watch looks once a second until Ctrl-C: on a terminal it redraws in place, in a pipe it prints the\n" \
	"whole again, under the time, whenever something has changed. A broker or ring that is away is\n"        \
	"shown, and waited for.\n"

#endif
