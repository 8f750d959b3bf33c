/* Options: one table of rows, read by parsing, defaults, environment, error lines and --help.
 *
 * A program describes each of its settings once, as a row of a const table, and gets them in a struct of its own
 * (rows name the member by its offset).  Precedence: option, then environment, then file, then default; whatever
 * overrides something does so silently.  Where each setting came from is kept, because an error line has to say so.
 * Options may stand anywhere among the arguments, `--` ends them, `--x=y` and `--x y` are the same, as are `-x y` and
 * `-xy`; `-` alone and `-5` (a digit that is no option's letter) are arguments.  It never prints but for --help. */
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
	OPTION_DURATION, /* uint32_t, milliseconds: 200ms, 0.5s, 2m, 1h, 7d; min to max in milliseconds (0: UINT32_MAX) */
	OPTION_SIZE,     /* uint64_t, bytes: 4096, 512M, 2G (of 1024), 0; else min to max (0: 1024T) */
	OPTION_LEVEL,    /* enum log_level: error, warn, info, debug */
	OPTION_CHOICE,   /* as OPTION_TEXT, and one of the words in `argument`: "auto|always|never" */
};

struct option_row {
	const char *name; /* long name without the dashes */
	char letter;      /* or 0 */
	enum option_kind kind;
	size_t offset;       /* of the member in the target struct */
	const char *initial; /* default, as one would type it; NULL: the member is left as it was */
	const char *env;     /* environment variable or NULL; an empty variable counts as not set */
	/* Name of the argument in help ("URL"); NULL for flags.  It is how a shell completes it, too: FILE is a file, DIR a
	 * folder. */
	const char *argument;
	const char *help; /* one line */
	uint64_t min, max;
};

#define OPTION_ROWS_MAX 80

struct option_table {
	const char *program; /* for "see 'PROGRAM --help'" */
	const struct option_row *rows;
	size_t count; /* at most OPTION_ROWS_MAX */
};

enum option_source { OPTION_DEFAULT, OPTION_FILE, OPTION_ENVIRONMENT, OPTION_GIVEN };

struct option_place {
	const char *file; /* as option_read_file got it, borrowed */
	unsigned line;
};

struct option_result {
	enum option_source sources[OPTION_ROWS_MAX]; /* row by row */
	struct option_place places[OPTION_ROWS_MAX]; /* of OPTION_FILE */
	char **args;                                 /* what is no option, in order (argv itself is reordered) */
	size_t arg_count;
	size_t ahead; /* how many of them stand ahead of `--`; all if there is none */
};

#define OPTION_ERROR_MAX 700

/* Fills target, whose text members must be NULL or allocated.  False with one line in error (lower case, no period, no
 * program name) when something is wrong; nothing is freed then. */
bool option_parse(const struct option_table *table, void *target, int argc, char **argv, struct option_result *result,
		  char error[OPTION_ERROR_MAX]);

/* The first word that is no option and no option's value, or NULL; nothing is set. */
const char *option_first_argument(const struct option_table *table, int argc, char **argv);

/* Frees the text members and sets them to NULL. */
void option_free(const struct option_table *table, void *target);

/* Where a setting came from; name must be in the table. */
enum option_source option_source(const struct option_table *table, const struct option_result *result,
				 const char *name);

#define OPTION_ORIGIN_MAX 320

/* The same in words for an error line: "default", "FILE:LINE", the environment variable's name, or "--name".  Returns
 * out. */
const char *option_origin(const struct option_table *table, const struct option_result *result, const char *name,
			  char out[OPTION_ORIGIN_MAX]);

enum option_file { OPTION_FILE_READ, OPTION_FILE_ABSENT, OPTION_FILE_UNREADABLE, OPTION_FILE_WRONG };

/* Reads lines `name = value` of a file, after option_parse and only what nothing else has set by then; of several files
 * the first one read wins.  '#' begins a comment, at a line's beginning or behind a blank.  What can stand there is what
 * can stand in the environment: the rows with an `env`, by their names.  Any other name, or a name that stands there
 * twice, makes the file WRONG; UNREADABLE and WRONG come with a line in error, as of option_parse.  path is to outlive
 * result. */
enum option_file option_read_file(const struct option_table *table, void *target, const char *path,
				  struct option_result *result, char error[OPTION_ERROR_MAX]);

#define OPTION_PATHS_MAX 8

/* Where settings may stand, the strongest first.  Zeroed at first; option_paths_free frees it. */
struct option_paths {
	struct option_path {
		char *path;
		bool read; /* it was there */
	} at[OPTION_PATHS_MAX];
	size_t count;
	const char *variable; /* that names them, borrowed: each has to be there; NULL: each may be absent */
};

/* One more, behind those that are there; path is copied.  There must be room. */
void option_paths_add(struct option_paths *paths, const char *path);
/* If the variable is set: those that it names, divided by ':' (none if it is empty), and true.  What is one too many is
 * dropped. */
bool option_paths_from(struct option_paths *paths, const char *variable);
void option_paths_free(struct option_paths *paths);

/* All of them; READ unless one is UNREADABLE (or absent, though a variable names it) or WRONG, with a line in error. */
enum option_file option_read_paths(const struct option_table *table, void *target, struct option_paths *paths,
				   struct option_result *result, char error[OPTION_ERROR_MAX]);

/* Do both targets have the same for this row? */
bool option_same(const struct option_row *row, const void *a, const void *b);

/* The value as one would type it, without a password; "" if there is none.  Returns out. */
const char *option_show(const struct option_row *row, const void *target, char *out, size_t size);

/* The rows with bounds, default and environment variable, one below the other, folded to the terminal (fold.h). */
void option_help(FILE *out, const struct option_table *table);

/* What an exit code of the program means. */
struct option_exit {
	int code;
	const char *meaning;
};

/* All of them, as --help has them: an empty line, and one paragraph, folded. */
void option_help_exits(FILE *out, const struct option_exit *exits, size_t count);

/* "10ms to 60m": what a number or duration may be; "" if the row does not bound it above.  Returns out. */
const char *option_bounds(const struct option_row *row, char *out, size_t size);

/* How many letters must be added, dropped, changed or swapped to make b of a: for "did you mean".  A good guess has at
 * most option_guess_limit(word). */
unsigned option_distance(const char *a, const char *b);
unsigned option_guess_limit(const char *word);

#endif
