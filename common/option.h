/* Options: one table of rows, read by parsing, defaults, environment, error lines and --help.
 *
 * A program describes each of its settings once, as a row of a const table, and gets them in a struct of its own
 * (rows name the member by its offset).  Precedence: option, then environment, then default; an option that overrides
 * the environment does so silently.  Where each setting came from is kept, because an error line has to say so.
 * Options may stand anywhere among the arguments, `--` ends them, `--x=y` and `--x y` are the same, as are `-x y` and
 * `-xy`; `-` alone and `-5` (a digit that is no option's letter) are arguments.  It never prints but in option_help. */
#ifndef DHT_OPTION_H
#define DHT_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,     /* bool; from the environment: 1, yes, true, on or 0, no, false, off */
	OPTION_STOP,     /* bool; --help and --version: once seen, mistakes in the rest are not errors */
	OPTION_TEXT,     /* char *, allocated or NULL; min and max bound its length (max 0: no bound) */
	OPTION_URL,      /* as OPTION_TEXT, but a password within is overwritten in argv */
	OPTION_UNSIGNED, /* uint32_t, decimal, min to max (0: UINT32_MAX) */
	OPTION_DURATION, /* uint32_t, milliseconds: 200ms, 5s, 2m, 1h, 0.5s; min to max in milliseconds (0: UINT32_MAX) */
	OPTION_LEVEL,    /* enum log_level: error, warn, info, debug */
};

struct option_row {
	const char *name; /* long name without the dashes */
	char letter;      /* or 0 */
	enum option_kind kind;
	size_t offset;        /* of the member in the target struct */
	const char *initial;  /* default, as one would type it; NULL: the member is left as it was */
	const char *env;      /* environment variable or NULL; an empty variable counts as not set */
	const char *argument; /* name of the argument in help ("URL"); NULL for flags */
	const char *help;     /* one line */
	uint64_t min, max;
};

#define OPTION_ROWS_MAX 48

struct option_table {
	const char *program; /* for "see 'PROGRAM --help'" */
	const struct option_row *rows;
	size_t count; /* at most OPTION_ROWS_MAX */
};

enum option_source { OPTION_DEFAULT, OPTION_ENVIRONMENT, OPTION_GIVEN };

struct option_result {
	enum option_source sources[OPTION_ROWS_MAX]; /* row by row */
	char **args;                                 /* what is no option, in order (argv itself is reordered) */
	size_t arg_count;
};

#define OPTION_ERROR_MAX 400

/* Fills target, whose text members must be NULL or allocated.  False with one line in error (lower case, no period, no
 * program name) when something is wrong; nothing is freed then. */
bool option_parse(const struct option_table *table, void *target, int argc, char **argv, struct option_result *result,
		  char error[OPTION_ERROR_MAX]);

/* Frees the text members and sets them to NULL. */
void option_free(const struct option_table *table, void *target);

/* Where a setting came from; name must be in the table. */
enum option_source option_source(const struct option_table *table, const struct option_result *result,
				 const char *name);

/* The same in words for an error line: "default", the environment variable's name, or "--name".  Returns out. */
const char *option_origin(const struct option_table *table, const struct option_result *result, const char *name,
			  char out[64]);

/* The rows as aligned lines with default and environment variable; lines that would pass 100 columns are folded. */
void option_help(FILE *out, const struct option_table *table);

/* How many letters must be added, dropped, changed or swapped to make b of a: for "did you mean".  A good guess has at
 * most option_guess_limit(word). */
unsigned option_distance(const char *a, const char *b);
unsigned option_guess_limit(const char *word);

#endif
