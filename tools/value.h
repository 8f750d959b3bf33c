/* Where a command's value comes from: an argument, a file, or standard input. */
#ifndef DHT_VALUE_H
#define DHT_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "command.h"

/* text: the argument, or NULL if there is none; "-" is standard input, and so is none unless --file names something.
 * On RC_OK *value is allocated; else an error line has been printed.  Never waits silently for a terminal: `usage` says
 * what to write instead. */
enum exit_code value_take(const struct settings *settings, const char *text, const char *usage, uint8_t **value,
			  size_t *len);

#endif
