/* Lowe's memory of configurations: which the search of linear.c has been in, so that it looks at none twice.  Pure. */
#ifndef SIM_LINEAR_SEEN_H
#define SIM_LINEAR_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linear-register.h"

#define WORDS (LINEAR_OPS_MAX / 64)

/* What is remembered: which operations were taken, and what they left.  No padding: it is compared as bytes. */
struct configuration {
	uint64_t taken[WORDS];
	struct linear_register content;
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
