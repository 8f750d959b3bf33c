/* What dhtctl says of itself. */
#ifndef DHT_HELP_H
#define DHT_HELP_H

#include "command.h"

/* `help` is --help in another place, and no command with a record of its own. */
#define HELP_USAGE "help [COMMAND]"
#define HELP_SUMMARY "print this text, or that of a command"

/* --help, of a command or (NULL) of all, to standard output, and through a pager if `pages` (pager.h). */
void help_print(const struct command *command, bool pages);

/* For the first minute: what this is, and whether anything is there to talk to. */
enum exit_code help_overview(const struct settings *settings);

#endif
