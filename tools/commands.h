/* The table of commands and options, and how to find something in it. */
#ifndef DHT_COMMANDS_H
#define DHT_COMMANDS_H

#include "../common/option.h"
#include "command.h"

/* One after the other, in the order of --help; NULL behind the last. */
const struct command *commands_at(size_t index);

/* The command of that name, or NULL. */
const struct command *commands_find(const char *name);
/* The one that was perhaps meant, or NULL. */
const struct command *commands_guess(const char *name);

/* Whether the command has an option that not every command has. */
bool command_has(const struct command *command, const char *option);
/* Whether the row is such an option. */
bool commands_special(const struct option_row *row);

/* How many words of what was given are the command's, with its name; *run: of a command that runs another, that one and
 * its arguments, NULL behind them; or NULL. */
size_t commands_words(const struct command *command, const struct option_result *given, char *const **run);

/* To parse with: all rows, as this command (or NULL) knows them.  By what stands in argv, for when it is not yet known. */
const struct option_table *commands_options(const struct command *command);
const struct option_table *commands_choose(int argc, char **argv);

/* To show: the rows that this command (or NULL) has, or those of them that every command has, or no other.  How many. */
enum commands_part { COMMANDS_ALL, COMMANDS_GENERAL, COMMANDS_OWN };
size_t commands_rows(const struct command *command, enum commands_part part, struct option_row rows[OPTION_ROWS_MAX]);

/* What each exit code means. */
const struct option_exit *commands_exits(size_t *count);

#endif
