/* Settings from files: the user's, then the system's. */
#ifndef DHT_SETTINGS_H
#define DHT_SETTINGS_H

#include "../common/option.h"
#include "command.h"

/* The system's; the user's is $XDG_CONFIG_HOME/dhtctl or ~/.config/dhtctl.  $DHT_CONFIG names others in the place of
 * both, divided by ':', the strongest first; empty: none. */
#define SETTINGS_SYSTEM_FILE "/etc/dht/dhtctl.conf"
#define SETTINGS_VARIABLE "DHT_CONFIG"

/* After option_parse: what stands in neither arguments nor environment.  Fills settings->paths.
 * RC_USAGE or RC_LOCAL after an error line. */
enum exit_code settings_read_files(struct settings *settings, const struct option_table *table,
				   struct option_result *given);

void settings_free(struct settings *settings);

/* What the table cannot check: parses the broker's URL and reads the password's file.  RC_USAGE or RC_LOCAL after an error
 * line that says where it came from. */
enum exit_code settings_check(struct settings *settings, const struct option_table *table,
			      const struct option_result *given);

#endif
