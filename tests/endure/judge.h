/* Were all operations of all clients those of one ring that neither loses nor doubles anything?
 *
 * Each key's history is searched for an order by the simulator's checker (../sim/linear.h).  Counters have too many
 * operations for a search and need none: what each add came to is its place in the order.  Pure. */
#ifndef ENDURE_JUDGE_H
#define ENDURE_JUDGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "seen.h"

struct findings {
	uint64_t operations, keys;
	uint64_t done[OPERATION_KINDS]; /* answered, by kind */
	uint64_t conditions, failed;    /* puts with a condition that were answered, and of which it did not hold */
	uint64_t lives;                 /* puts with a life that were done */
	uint64_t again;                 /* writes that took longer than a client waits until it sends them again */
	uint64_t adds;                  /* to counters, that were acknowledged */
	uint64_t total;                 /* of all counters, as they were found in the end */
	uint64_t open;                  /* writes of which nobody knows */
	uint64_t refused;               /* writes that were answered full or few */
	uint64_t undone;                /* operations without an answer of which it is known that they did nothing */
	/* Adds that the counters lack, and keys that would be right had one acknowledged write never been. */
	uint64_t lost;
	uint64_t doubled;   /* adds that the counters have too many */
	uint64_t wrong;     /* keys whose history has no order */
	uint64_t undecided; /* ... that is too long or too wild for the search */
	uint64_t outlived;  /* gets that found what should have expired long ago */
	uint64_t strange;   /* answers that no such operation can have */
	uint64_t unlooked;  /* counters at which nobody looked in the end */
};

/* Puts seen in order of keys.  `out` is told of each key that is not right, of the first few with all that was seen of
 * it; NULL: nobody. */
void judge(struct seen *seen, size_t count, struct findings *findings, FILE *out);

#endif
