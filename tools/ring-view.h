/* What a census found, for people and for programs. */
#ifndef DHT_RING_VIEW_H
#define DHT_RING_VIEW_H

#include <stdio.h>

#include "census.h"
#include "command.h"

/* Problems first, then (unless --quiet) what lacks copies and the drawing, then the nodes. */
void ring_view_print(FILE *out, const struct settings *settings, const struct census *census);

/* The same as an object and a newline. */
void ring_view_json(FILE *out, const struct census *census);

/* A part of that: what a node says that it waits for. */
void ring_view_json_doubt(FILE *out, const struct census_node *node, const struct frame_doubt *d);

/* What is served, but in fewer places than it is to be: one after the other, with *at 0 ahead of the first; false: no
 * more. */
#define RING_VIEW_NOTE 320
bool ring_view_next_note(const struct census *census, size_t *at, char text[RING_VIEW_NOTE]);

/* Parts of both: a line; an array, of what else is wrong (or NULL), of the census' problems, and of such notes or not. */
void ring_view_problem(FILE *out, const char *text);
void ring_view_json_problems(FILE *out, const struct census *census, const char *trouble, bool notes);

#endif
