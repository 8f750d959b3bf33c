/* Where a node keeps what it has: where its settings say, else in the state directory that systemd has made for its unit,
 * else nowhere: in memory alone. */
#ifndef DHT_DIRECTORY_H
#define DHT_DIRECTORY_H

#include <stdbool.h>

#include "../common/option.h"

/* Of --data-dir: in memory alone, whatever the unit has.  A folder of that name is ./none. */
#define DIRECTORY_NONE "none"
/* Where the unit's StateDirectory= is, as shipped. */
#define DIRECTORY_STATE "/var/lib/dht-node"
/* systemd's variable */
#define DIRECTORY_VARIABLE "STATE_DIRECTORY"

struct directory_question {
	const char *setting;  /* NULL: nobody has said anything */
	const char *origin;   /* of the setting, in words */
	const char *instance; /* NULL: no unit's */
	bool no_node;         /* it is only asked what a node would do (--check-config) */
};

/* Sets *path, allocated, or NULL for in memory alone, and in words where that comes from.  False with a line in error
 * (OPTION_ERROR_MAX) if the variable names several. */
bool directory_choose(const struct directory_question *q, char **path, char from[OPTION_ORIGIN_MAX], char *error);

#endif
