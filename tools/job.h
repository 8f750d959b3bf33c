/* A command's operations: begun, waited for, told in the order in which they were asked.
 *
 * One key is a job of one, and several are a job of so many; a command that reads lines makes its operations as they
 * come, and has many on their way at once: as many as the broker and this process can hold, by number and by bytes.
 * A connection that is lost is made anew within the time-out, and what was asked is asked again; no write is done twice
 * for that (common/PROTOCOL.md, section 11). */
#ifndef DHT_JOB_H
#define DHT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "../common/kv.h"
#include "command.h"
#include "key-text.h"

struct dump_format;
struct work;

/* One operation and what came of it. */
struct item {
	struct work *work;   /* of job.c */
	struct operation op; /* its name and value are allocated */
	size_t line;         /* of the input; 0: none */
	/* Of a file's record: the version that it had where it was written, number 0: none; how often it was asked again;
	 * and others were quicker each time. */
	struct version version;
	unsigned tries;
	bool lost;
	uint64_t begun, until; /* once it is: when, and its time-out */
	const char *mistake;   /* what is wrong with that line: it was not asked; else NULL */
	bool ended;
	bool asked; /* it was sent, if maybe not answered */
	bool late;  /* it ended by the time-out */
	bool cut;   /* it has not ended: a signal ends us */
	enum kv_outcome outcome;
	struct operation_result result; /* its value is allocated */
	bool has_owner;
	uint32_t owner;
	/* Of job.c: the next of its id, which waits for it; the neighbours in a list; the table that it is in. */
	struct item *behind, *prev, *next;
	UT_hash_handle hh;
};

struct job_input {
	int fd;
	const char *name; /* "standard input", or the file's */
	const struct dump_format *format;
	bool spare; /* a condition that did not hold is no failure, unless it is lost */
	/* A condition did not hold, and the answer (of ANSWER_FAILED) says why.  True: item->op is what is to be asked in
	 * its place; false: that was all.  NULL: it always is. */
	bool (*again)(struct item *item, const struct operation_result *answer);
	/* Told as it goes on: how many have been told, how many bytes of the input read. */
	void (*progress)(void *arg, size_t count, uint64_t bytes);
	void (*over)(void *arg); /* ahead of the summary */
	void *arg;
};

struct job {
	const struct settings *settings;
	const char *done;    /* "stored": the word of the summary, and of "it may have been ..." */
	struct operation op; /* what is asked, but for what the lines of standard input give */
	struct item **items; /* of given keys; NULL: lines */
	size_t count;
	/* Makes an item's operation of a line, which may be written to, without its newline: NULL, or the mistake in it.
	 * --timeout bounds each line's operation, and the first that nobody answers in time ends the job; of given keys it
	 * bounds all. */
	const char *(*parse)(const struct job *job, uint8_t *line, size_t len, struct item *item);
	/* Of what is read, if it is records rather than lines of standard input. */
	const struct job_input *input;
	/* Writes what was answered with ANSWER_DONE to standard output, if it is not to be JSON; or NULL. */
	void (*print)(const struct job *job, const struct item *item);
	void *arg; /* print's */
};

/* Does it all, and prints what is to be said.  The items are gone then. */
enum exit_code job_run(struct job *job);

/* One of the job's operation, and what is allocated of it; for who gives a job its items. */
struct item *job_item_new(const struct job *job);
void job_item_free(struct item *item);

/* Prints: version, life and owner as far as they are known, behind the key if there are several. */
void job_print_meta(const struct job *job, const struct item *item);

/* ---- job-keys.c ---- */

/* The same for job->op alone; its name and value are gone then. */
enum exit_code job_run_one(struct job *job);

/* For a command whose arguments are keys, or "-": the keys are lines. */
enum exit_code job_run_keys(struct job *job, char **args, size_t count);

/* Whether each result has to say whose it is. */
bool job_is_several(const struct job *job);

/* "-" as key stands for lines, unless --name says that it is one. */
bool job_wants_lines(const struct settings *settings, const char *key);

/* Reads a key from the command line: RC_OK, or RC_USAGE after an error line.  The name is allocated. */
enum exit_code job_take_key(const struct settings *settings, const char *text, struct key *key);
/* The same for a command that reads no lines: '-' is refused, as elsewhere it stands for them. */
enum exit_code job_take_one_key(const struct settings *settings, const char *command, const char *text,
				struct key *key);
/* Reads one from a line, escapes and all: NULL, or what is wrong. */
const char *job_parse_key(const struct job *job, uint8_t *text, size_t len, struct item *item);

#endif
