/* How often one kind of entry is written: so that nobody, and no fault, can fill a journal.  No clock of its own. */
#ifndef DHT_FLOOD_H
#define DHT_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/note.h"

/* So many of a kind in so long: more than a large ring has to say while it comes together, and little to store. */
#define FLOOD_MAX 100
#define FLOOD_WINDOW_MS 10000

/* Zeroed at first. */
struct flood {
	struct {
		uint64_t since; /* monotonic ms */
		unsigned count, hushed;
	} of[NOTE_COUNT];
	unsigned kinds_hushed;
};

/* May it be written? */
bool flood_admits(struct flood *flood, enum note_kind kind, uint64_t now);
/* Of which kind some were hushed in a window that is over, and how many; false: of none. */
bool flood_over(struct flood *flood, uint64_t now, enum note_kind *kind, unsigned *hushed);
/* When to ask that again: UINT64_MAX if nothing is hushed. */
uint64_t flood_next(const struct flood *flood);

#endif
