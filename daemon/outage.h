/* What is said while there is no connection to the broker: each kind of failure once, at once; then reminders, after a
 * minute, five, and every fifteen; one line when it is back.  A connection that does not last ends nothing, so that a
 * broker which accepts and drops us is not told of at each turn.  No line for each attempt, and no clock of its own. */
#ifndef DHT_OUTAGE_H
#define DHT_OUTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A connection that has lasted so long has ended the outage. */
#define OUTAGE_STEADY_MS 10000
#define OUTAGE_KINDS 8 /* of failures remembered; what comes after them is left to the reminders */
#define OUTAGE_TEXT 300

struct outage {
	bool away;      /* it has begun, and no connection has lasted since */
	uint64_t since; /* monotonic ms */
	time_t began;   /* the same for people */
	unsigned tries;
	char kinds[OUTAGE_KINDS][128];
	unsigned kind_count;
	unsigned reminders;
	uint64_t next;     /* reminder */
	bool up, returned; /* a connection is there; one was told of in this outage */
	uint64_t up_at;
};

/* A connection or an attempt at one has failed.  What to say now: 0 nothing, 1 the failure itself, 2 the reminder in
 * out. */
enum outage_word { OUTAGE_NOTHING, OUTAGE_FAILURE, OUTAGE_REMINDER };
enum outage_word outage_failed(struct outage *o, uint64_t now, time_t wall, const char *detail, char out[OUTAGE_TEXT]);

/* There is a connection.  True: out is to be said; false: outage_settled is to be asked, OUTAGE_STEADY_MS from now. */
bool outage_connected(struct outage *o, uint64_t now, char out[OUTAGE_TEXT]);
/* True: the connection has lasted after all, and out is to be said. */
bool outage_settled(struct outage *o, uint64_t now, char out[OUTAGE_TEXT]);

#endif
