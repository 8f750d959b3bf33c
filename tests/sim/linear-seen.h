/* Lowe's memory of configurations: which the search of linear.c has been in, so that it looks at none twice.  Pure. */
#ifndef SIM_LINEAR_SEEN_H
#define SIM_LINEAR_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linear.h"

#define WORDS (LINEAR_OPS_MAX / 64)

/* The register.  Of a write whose version was not told only a lower bound is known, until somebody is told it. */
struct cell {
	uint64_t value, version;
	uint64_t exact; /* version is its version; else a bound that it exceeds */
	uint64_t lost;  /* end of the loss behind which nothing was written; 0: none */
	uint64_t end;   /* when the value's time is up; 0: it has none */
};

/* What is remembered: which operations were taken, and what they left.  No padding: it is compared as bytes. */
struct configuration {
	uint64_t taken[WORDS];
	struct cell cell;
};
_Static_assert(sizeof(struct configuration) == (WORDS + 5) * sizeof(uint64_t), "no padding");

struct linear_seen {
	struct configuration *seen;
	size_t count, room;
	uint32_t *slots; /* index + 1 */
	size_t slot_count;
};

/* True if it is new; it is remembered then.  All zeros are an empty memory. */
bool linear_seen_add(struct linear_seen *m, const struct configuration *c);

void linear_seen_free(struct linear_seen *m);

#endif
