/* What follow.c, follow-stream.c and follow-return.c share. */
#ifndef DHT_CORE_FOLLOW_INSIDE_H
#define DHT_CORE_FOLLOW_INSIDE_H

#include "core.h"

#define WINDOW_BYTES (2u << 20) /* of a fill, unacknowledged, unless one frame alone is larger */

struct follower *follower_of(struct node *n, const struct member *m);  /* NULL: there is none */
struct follower *follow_begin(struct node *n, const struct member *m); /* NULL: there are too many */
bool follow_backup(struct node *n, const struct follower *f); /* a view names it, or one before a change under way */
/* What was written since the last frame goes out, in one turn. */
void follow_tell(struct node *n, struct follower *f);
void follow_end(struct node *n, struct follower *f);
void follow_say(struct node *n, struct follower *f);                 /* that its owner is there */
bool follower_told(const struct follower *f);                        /* nothing was */
bool follow_proved(const struct follower *f);                        /* it was there since keepers_doubt() */
uint64_t follow_has(const struct node *n, const struct follower *f); /* up to there of what was written it has it */
/* It is told what there is in the arc of e, as far as the window goes; on with that; no more of it. */
void follow_fill(struct node *n, struct follower *f, const struct entry *e);
void follow_fill_on(struct node *n, struct follower *f);
void follow_fill_end(struct follower *f);

/* For scrub.c and damage.c: pieces to be compared, and the number of that frame; all that there is of a piece, and how many
 * records that is; a record is wanted. */
uint64_t follow_check(struct node *n, struct follower *f, const struct frame_check *checks, unsigned count);
size_t follow_anew(struct node *n, struct follower *f, struct arc piece);
void follow_ask(struct node *n, struct follower *f, const struct key *key);

#endif
