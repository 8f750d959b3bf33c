/* A load on the ring, and what came of it: operations of many connections at once, each answer checked and timed.
 *
 * Values say themselves for which key they were put, and by which operation of this run; of each key is kept which
 * version was last acknowledged to any of the connections, and by what it was written.  An answer is wrong if its value
 * was never put for its key by this run, or if it is older than what was acknowledged before the operation began: by
 * this client or another, as one process sees them all. */
#ifndef DHT_BENCH_H
#define DHT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/mqtt.h"
#include "command.h"
#include "histogram.h"

#define BENCH_VALUE_MIN 16 /* what a value says of itself */

struct bench_plan {
	const struct settings *settings;
	uint32_t keys;
	uint32_t value_size;
	uint32_t clients;  /* connections */
	uint32_t inflight; /* operations of a connection */
	uint32_t batch;    /* begun together, in frames that they share with no others; 0: whatever there is room for */
	uint32_t puts, gets; /* their shares */
	uint32_t operations, warmup;
	uint32_t duration; /* ms; operations begin no later; 0: however long it takes */
	uint32_t rate;     /* operations a second, of all connections; 0: as fast as it goes */
	uint32_t life;     /* of what is put, ms; 0: for ever */
	uint32_t seed;     /* of the keys' names, and of which is next; 0: random */
	bool numbers;      /* keys are numbers */
	bool no_preload, keep;
};

struct bench_result {
	double preload_seconds, seconds;
	struct histogram put, get; /* nanoseconds */
	struct mqtt_traffic traffic;
	uint64_t timeouts, unknown; /* operations without an answer */
	uint64_t wrong;             /* answers that cannot be true */
	bool cut;                   /* given up: nothing was answered any more */
};

/* Does it all.  RC_OK: the result stands, whatever it says; else an error line has been printed.  Results are large:
 * not for the stack. */
enum exit_code bench_run(const struct bench_plan *plan, struct bench_result *result);

#endif
