/* The sweep: trouble at every step of a change, one run each, none of it left to chance. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include <stdbool.h>

enum sweep_change { SWEEP_FOUND, SWEEP_JOIN, SWEEP_LEAVE, SWEEP_TAKEOVER, SWEEP_CHANGES };
enum sweep_party { SWEEP_SENDER, SWEEP_RECEIVER, SWEEP_THIRD, SWEEP_PARTIES };
enum sweep_trouble {
	SWEEP_CRASH,
	SWEEP_PAUSE,
	SWEEP_PAUSE_LONG, /* beyond the keepalive */
	SWEEP_PAUSE_LEFT, /* ... and the others have changed when it wakes: one has left */
	SWEEP_CUT,
	SWEEP_STOP,
	SWEEP_BROKER, /* by party: SIGTERM; killed, retained lost; killed, retained gone back */
	SWEEP_TROUBLES,
};

struct sweep {
	enum sweep_change change;
	unsigned type; /* enum frame_type */
	unsigned nth;  /* of that type since the change began, from 1 */
	enum sweep_party party;
	enum sweep_trouble trouble;
	bool delivered; /* after its receiver has read the frame; else before it reaches the broker */
};

/* All cases, or that one alone, with its story; prints what failed and a table, returns how many failed. */
#define SWEEP_ALL (~0u)
unsigned sweep_run(unsigned only, bool quiet);

#endif
