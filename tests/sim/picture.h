/* A space-time diagram before it is drawn: which lanes there are and how far down each event of the story stands.  Time
 * runs downwards, but not to scale: each event worth a look has its row, so that no two labels meet. */
#ifndef SIM_PICTURE_H
#define SIM_PICTURE_H

#include "sim.h"

#define LANE_WIDTH 170
#define LANES_LEFT 170 /* where the first one stands: times and places are written left of it */

struct lane {
	uint32_t id; /* as in story_event */
	uint32_t position;
	char name[40];
	int x;
};

/* A line of the left column, or routine traffic counted beside a lane. */
struct note {
	int y;
	uint32_t lane; /* index; NONE: the left column */
	char text[48];
};

#define REACH_NOBODY (-1)
#define REACH_LOST (-2)

struct picture {
	const struct world *w;
	struct lane *lanes;
	unsigned lane_count;
	size_t from;         /* the first event */
	size_t skip, resume; /* what lies between is left out as well */
	int *y;              /* of each event; of one that is not drawn: of the last before it */
	bool *drawn;         /* each event */
	int *sent_y;         /* of each message; -1: not drawn */
	int *reach;          /* of each message: the index of the last lane that hears it, or REACH_ */
	struct note *notes;
	size_t note_count, note_room;
	int *headers; /* where the names of the lanes stand once more */
	size_t header_count, header_room;
	int top, bottom; /* of the lanes */
	uint64_t serves; /* the bits of proc.serves that the failure is about */
	char key[16];    /* ... in words */
};

void picture_lay_out(struct picture *p, const struct world *w, unsigned messages, int top);
/* Is it where the broker takes an operation that the failure names, or its answer? */
bool picture_accuses(const struct world *w, const struct story_message *m);
/* The index of a lane; NONE: it is not in the picture. */
uint32_t picture_lane(const struct picture *p, uint32_t id);
void picture_free(struct picture *p);

#endif
