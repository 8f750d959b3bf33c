/* What copy.c and copy-stream.c share. */
#ifndef DHT_CORE_COPY_INSIDE_H
#define DHT_CORE_COPY_INSIDE_H

#include "core.h"

/* attempt 0: what is kept since a handover, and no stream has begun. */
struct copy *copy_find(struct node *n, const struct member *owner, uint64_t attempt);
/* What no view names us in, and nobody fills. */
struct arcs copy_unguarded(const struct node *n, const struct copy *c);
/* Some of a copy goes: for good, or to be merged, as nobody is known to have it as well. */
void copy_forget_arc(struct node *n, struct copy *c, struct arc arc);
void copy_set_free(struct node *n, struct copy *c, struct arc arc);
/* ... of it what lies in the arc. */
void copy_common(struct node *n, struct copy *c, struct arc arc, void (*go)(struct node *, struct copy *, struct arc));
void copy_left_free(struct node *n, struct left *l);
void copy_picture_drop(struct copy *c);
void copy_part_drop(struct copy *c);
struct copy *copy_slot_freed(struct node *n); /* NULL: all of them are guarded */

/* Compared with what its owner has at this place, for its next COPIED; what he wants of it, at once (copy-check.c). */
void copy_check(struct node *n, struct copy *c, const struct frame *f);
void copy_wanted(struct node *n, const struct copy *c, const struct frame *f);

#endif
