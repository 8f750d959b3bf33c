/* dhtctl's commands: one command, one file, one const record.
 *
 * dhtctl.c parses options, finds the record and checks the number of arguments; exec does the rest and returns the exit
 * code.  Results go to standard output, everything else to standard error as one line that names the cause. */
#ifndef DHT_COMMAND_H
#define DHT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/option.h"
#include "../common/tls-option.h"
#include "../common/url.h"

/* Scripts rely on these. */
enum exit_code {
	RC_OK = 0,
	RC_NO = 1,          /* the answer is no (absent, exists, another version); nothing else ever gives 1 */
	RC_USAGE = 2,       /* a bad option, command or value */
	RC_UNREACHABLE = 3, /* no broker there, or the connection was lost */
	RC_REFUSED = 4,     /* the broker or the node refused */
	RC_TIMEOUT = 5,     /* no answer in time */
	RC_PARTLY = 6,      /* of several, some were done */
	RC_LOCAL = 7,       /* a file of this machine: unreadable or wrong input, output that cannot be written */
	RC_WRONG = 8,       /* the ring answered that it cannot be done (not a number, no room) */
};

/* What the options say. */
struct settings {
	char *broker, *password_file;
	struct tls_options tls_files;
	char *topic_prefix;
	uint32_t timeout; /* ms */
	char *file, *output, *expected, *format, *color;
	uint32_t keys, ttl;          /* keys: 0: not given; ttl: ms; 0: for ever */
	uint32_t duration;           /* ms; 0: none */
	uint32_t limit, count, idle; /* 0: none; idle: ms */
	uint32_t times;
	char *mix;
	char *since, *directory;
	uint32_t lines;
	char *nodes, *users, *operators, *server_cert, *server_key;
	uint32_t port; /* 0: the usual one */
	uint32_t value_size, clients, inflight, batch, operations, warmup, rate, seed;
	bool numbers, no_preload, keep, force, yes, reference;
	bool no_pager, no_color, utc, json, csv, quiet, verbose, help, version, name, meta, absent, if_absent, columns,
		nul, resume, overwrite, initial, watch, follow;
	struct url url;         /* broker, parsed */
	struct tls *tls;        /* NULL: without */
	char broker_shown[768]; /* "mqtt://host:1883 (default)": masked, and where it came from */
	char ring_shown[1400];  /* the same, and below which prefix, if one is set: where nobody answers */
	const struct option_table *options;
	const struct option_result *given;
	char *const *run;          /* of a command that runs one: it and its arguments, NULL behind them; or NULL */
	struct option_paths paths; /* where settings may stand */
	const char *remedy;        /* what to do if no broker is there */
};

#define COMMAND_OPTIONS_MAX 24

struct command {
	const char *name;
	/* As usage shows them; "" = none.  It is how a shell completes them, too: KEY and PREFIX are names in the ring, NODE
	 * is a node, FILE a file, and what is divided by '|' in lower case are the words to choose from. */
	const char *arguments;
	size_t min, max;
	const char *options[COMMAND_OPTIONS_MAX]; /* long names of those that not every command knows */
	bool bare;                                /* asks no broker and wants no settings: wrong ones do not matter */
	bool runs;                                /* what stands behind `--` is a command of the machine's, to be run */
	bool local;                               /* asks no broker: what is set for one may be wrong */
	const char *remedy;                       /* what to do if no broker is there; NULL: what is said by default */
	const char *others; /* what other tools call it, divided by blanks: for guesses; or NULL */
	const char *summary;
	const char *details; /* the rest of `dhtctl NAME --help` */
	enum exit_code (*exec)(const struct settings *settings, char **args, size_t count);
};

extern const struct command command_put;
extern const struct command command_get;
extern const struct command command_del;
extern const struct command command_cas;
extern const struct command command_incr;
extern const struct command command_export;
extern const struct command command_import;
extern const struct command command_ls;
extern const struct command command_watch;
extern const struct command command_count;
extern const struct command command_check;
extern const struct command command_ping;
extern const struct command command_ring;
extern const struct command command_leave;
extern const struct command command_recover;
extern const struct command command_scrub;
extern const struct command command_log;
extern const struct command command_demo;
extern const struct command command_bench;
extern const struct command command_status;
extern const struct command command_config;
extern const struct command command_completion;
extern const struct command command_broker_config;

#define COMMAND_VALUE_MAX (16u << 20)

/* Of --help. */
#define COMMAND_KEY_TEXT                                                                                        \
	"KEY is a decimal number from 0 to 4294967295, as the reference's clients have it, or a name of 1 to\n" \
	"65536 bytes: whatever is no number. --name makes a name of a number, too.\n"

#endif
