/* The simulator's command line: what is asked for, and what is told about it.  The simulated world knows none of it.
 *
 *   options.c  words to arguments and back     trial.c   one run in a process of its own
 *   kept.c     the seeds that once found a flaw shrink.c  the smallest run that still fails
 *   report.c   failures, the closing table     main.c    many seeds in several processes */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

#include <sys/types.h>

#include "sim.h"

#define JOBS_MAX 64
#define FAILURES_MAX 200
#define SECONDS_MAX 120 /* real time for one seed */
#define CAMPAIGN 10000  /* seeds from which on a rare event that never came is a failure */
#define FAILURE_MAX 512

struct arguments {
	struct sim_options sim;
	uint64_t first, seeds;
	unsigned jobs, scale;
	unsigned seconds; /* as many seeds as fit; 0: `seeds` of them */
	unsigned shrink_seconds;
	unsigned svg_messages;
	unsigned sweep_only; /* case, or SWEEP_ALL */
	bool quiet, one, shrink, trace, sweep;
	const char *svg, *kept;
};

/* options.c */
void options_parse(struct arguments *a, int argc, char **argv);
/* Words that make sim run just this; allocated, caller frees. */
char *options_spec(const struct sim_options *o);

/* trial.c: what came of one run, however it ended. */
struct outcome {
	bool failed;
	char failure[FAILURE_MAX];
	uint64_t hash, published, lines, end; /* end: virtual time */
	uint64_t work;                        /* length of the first phase */
	uint32_t faults, aimed;
};
struct trial {
	struct sim_options options;
	unsigned seconds; /* of real time; 0: no limit */
	bool silent;      /* stderr too */
	const char *svg;  /* the picture's file, NULL: none */
	unsigned svg_messages;
};
void trial_run(const struct trial *t, struct outcome *out);
/* fork(2) with nothing left in the buffers of stdio, or the end of the program. */
pid_t trial_fork(void);
/* What a worker's exit status says of the seed it was at. */
void trial_death(int status, unsigned seconds, char text[FAILURE_MAX]);
double seconds_now(void); /* real */

/* shrink.c: changes o to the smallest run found that fails by the same verdict; false if o does not fail so. */
bool shrink(const struct arguments *a, struct sim_options *o, struct outcome *out);

/* kept.c: the exit status. */
int kept_run(const struct arguments *a);

/* report.c */
struct tally {
	uint64_t seeds, failed, hash;
	uint64_t stats[STAT_COUNT];
	double processor; /* seconds the workers have used: on a busy machine it says more than the time that passed */
};
void report_failure(const struct arguments *a, uint64_t seed, const char *text);
/* True if nothing is missing that a long campaign must have seen. */
bool report_table(const struct arguments *a, const struct tally *t, double seconds);

/* svg.c: draws w->story. */
bool svg_write(const struct world *w, const char *path, unsigned messages);

#endif
