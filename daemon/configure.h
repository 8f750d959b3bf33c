/* What a node is told: by its command line, the environment, the files of /etc/dht-node and the service manager's
 * credential, one after the other, until everything that a shell needs is there and checked. */
#ifndef DHT_CONFIGURE_H
#define DHT_CONFIGURE_H

#include <stdio.h>

#include "../common/password.h"
#include "options.h"
#include "shell.h"

#define CONFIGURE_FOLDER "/etc/dht-node"
/* For all nodes of the machine; that of an instance, INSTANCE.conf beside it, is the stronger one. */
#define CONFIGURE_FILE CONFIGURE_FOLDER "/dht-node.conf"
/* Names other files in the place of both. */
#define CONFIGURE_VARIABLE "DHT_NODE_CONFIG"
#define CONFIGURE_ERROR_MAX (OPTION_ERROR_MAX + OPTION_ORIGIN_MAX)

struct configuration {
	struct settings settings;
	struct option_result given;
	struct option_paths paths;
	char broker_origin[OPTION_ORIGIN_MAX];
	char name_origin[OPTION_ORIGIN_MAX];
	char *directory; /* where it keeps what it has; NULL: in memory alone */
	char directory_origin[OPTION_ORIGIN_MAX];
	char password_place[PASSWORD_PLACE_MAX]; /* where it came from; "": there is none */
	struct tls *tls;                         /* NULL: the broker is without */
	struct shell_config shell;               /* complete, but for --help and --version */
};

/* Fills config, which is zeroed; EX_OK, or with a line in error (lower case, no period) EX_USAGE for what an option or the
 * environment says, EX_CONFIG for what a file does.  argv loses its passwords. */
int configure(struct configuration *config, int argc, char **argv, char error[CONFIGURE_ERROR_MAX]);

/* The settings as a file of settings, each with where it came from; passwords are masked. */
void configure_print(const struct configuration *config, FILE *out);

/* What the core may hold of the setting; 0: no limit. */
uint64_t configure_memory(const struct settings *settings);

/* Reads the files anew and takes over what can change while a node runs: the log's level, and max-memory.  EX_OK, or
 * EX_CONFIG with a line in error, and everything stays as it was.  In changed (size CONFIGURE_ERROR_MAX) stand the names of the other
 * settings that are not what they were, divided by blanks: they wait for a restart. */
int configure_again(struct configuration *config, char *changed, char error[CONFIGURE_ERROR_MAX]);

void configure_free(struct configuration *config);

#endif
