/* What give.c and give-stream.c share. */
#ifndef DHT_CORE_GIVE_INSIDE_H
#define DHT_CORE_GIVE_INSIDE_H

#include "core.h"

/* The records of the arc, and their sum, from here on; the next of them as far as the window goes; no more. */
void give_stream_begin(struct node *n);
void give_stream_on(struct node *n);
void give_stream_end(struct node *n);
size_t give_stream_left(const struct give *g); /* how many records are still to be sent; SIZE_MAX: nobody has counted */

/* What is known of the writes done, as of the cut; true: all of it is on its way. */
bool give_share_on(struct node *n);

void give_window_clear(struct give *g);
bool give_window_acked(struct give *g, uint64_t seq); /* true: something is */
void give_window_resend(struct node *n, uint64_t *next);

#endif
