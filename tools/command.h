/* dhtctl's commands: one command, one file, one const record.
 *
 * dhtctl.c parses options, finds the record and checks the number of arguments; exec does the rest and returns the exit
 * code.  Results go to standard output, everything else to standard error as one line that names the cause. */
#ifndef DHT_COMMAND_H
#define DHT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/url.h"

/* Scripts rely on these. */
enum exit_code {
	RC_OK = 0,
	RC_NO = 1,          /* the answer is no (absent, not equal, no such node); nothing else ever gives 1 */
	RC_USAGE = 2,       /* a bad option, command or value */
	RC_UNREACHABLE = 3, /* no broker there, or the connection was lost */
	RC_REFUSED = 4,     /* the broker or the node refused */
	RC_TIMEOUT = 5,     /* no answer in time */
	RC_LOCAL = 7,       /* a file of this machine: unreadable input, output that cannot be written */
};

/* What the options say. */
struct settings {
	char *broker;
	char *topic_prefix;
	uint32_t timeout; /* ms */
	uint32_t keys;
	bool json, quiet, help, version;
	struct url url;         /* broker, parsed */
	char broker_shown[512]; /* "mqtt://host:1883 (default)": masked, and where it came from */
	const char *remedy;     /* what to do if no broker is there */
};

struct command {
	const char *name;
	const char *arguments; /* as usage shows them; "" = none */
	size_t min, max;
	const char *option; /* the long name of the option that only this command knows, or NULL */
	const char *remedy; /* what to do if no broker is there; NULL: what is said by default */
	const char *summary;
	const char *details; /* the rest of `dhtctl NAME --help` */
	enum exit_code (*exec)(const struct settings *settings, char **args, size_t count);
};

extern const struct command command_put;
extern const struct command command_get;
extern const struct command command_ring;
extern const struct command command_leave;
extern const struct command command_demo;

#define COMMAND_VALUE_MAX (16u << 20)

/* A raw id of the reference: decimal, 0 to 2^32-1.  False after an error line that names the range. */
bool command_parse_key(const char *text, uint32_t *key);

#endif
