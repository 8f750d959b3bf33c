/* What a job says of an operation that has ended, and of all of them.  Of job.c. */
#ifndef DHT_JOB_TELL_H
#define DHT_JOB_TELL_H

#include "job.h"

struct client;
struct silence;

#define JOB_CODES (RC_WRONG + 1)

struct job_count {
	const struct client *client; /* over which they are asked; NULL: that is over */
	struct silence *silence;     /* likewise */
	size_t by_code[JOB_CODES];   /* how many came to that */
	size_t spared;               /* of those that are done: nothing was to be done */
	size_t unversioned;          /* of these: the file has no version, so nobody knows which is newer */
	char first[1400];            /* what the first that failed had to say */
	bool reasons_told;           /* why nobody may have answered */
};

bool job_is_write(const struct operation *op);

void job_tell(const struct job *job, struct job_count *count, const struct item *item);

/* That the input cannot be read behind so many lines or records (0: at all), with an errno; EMSGSIZE: too long a line. */
void job_tell_unreadable(const struct job *job, size_t number, int error);

/* The summary of lines, and the exit code.  cut: what ended it before all of the input was read; or NULL. */
enum exit_code job_tell_all(const struct job *job, const struct job_count *count, const char *cut);

#endif
