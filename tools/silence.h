/* Why an operation has had no answer.  Who waits for it long asks everybody (WHO) beside it, once, and then knows whom
 * the arc of its key waits for.  It costs no time: an operation ends as it would without. */
#ifndef DHT_SILENCE_H
#define DHT_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client.h"

struct silence;

/* Both are borrowed for its life.  notes: a note on standard error, once, as soon as it is known, if that is worth
 * the while: the time-out is long. */
struct silence *silence_new(struct client *client, const struct settings *settings, bool notes);
void silence_free(struct silence *s); /* ahead of client_close; NULL is fine */

/* To be called while the operation that has waited longest, for that key, is from `begun` to `until` (client_now's
 * time).  Returns when it wants to be called again. */
uint64_t silence_watch(struct silence *s, const struct key *key, uint64_t begun, uint64_t until);

/* "its arc (40000000, 80000000] is in doubt: ..." with what to do, in out; false: nothing is known, as nobody has
 * answered, or been asked, or somebody serves that id. */
#define SILENCE_TEXT 500
bool silence_text(struct silence *s, uint32_t id, char out[SILENCE_TEXT]);

/* The same for programs: `,"doubt":{...}`, or nothing if the arc is in no doubt. */
void silence_json(FILE *out, struct silence *s, uint32_t id);

#endif
