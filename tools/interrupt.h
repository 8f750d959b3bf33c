/* Ctrl-C and SIGTERM, for commands that have something to say or to tidy up before they end. */
#ifndef DHT_INTERRUPT_H
#define DHT_INTERRUPT_H

#include <stdbool.h>

#include "client.h"

/* From here on the first SIGHUP, SIGINT or SIGTERM, of those that are not ignored, sets *wake inside client_wait, and
 * interrupt_name tells of it; the second ends the process at once.  Once in a process. */
void interrupt_catch(struct client *client, bool *wake);

/* The signal's name ("SIGINT") or NULL: none has come.  To be asked also where the loop does not run. */
const char *interrupt_name(void);

/* Its number if it was sent to this process, which may hand it on; 0: none has come, or it came from the terminal, which
 * sends it to all that run there. */
int interrupt_sent(void);

/* To be called ahead of closing that client: signals end the process again. */
void interrupt_release(void);

/* After that: if one came, the output is finished and the process ends by it; else it returns. */
void interrupt_end(void);

#endif
