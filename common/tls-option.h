/* The options of TLS, by the same names in both programs, on the command line, in the environment and in files; they are
 * Mosquitto's. */
#ifndef DHT_TLS_OPTION_H
#define DHT_TLS_OPTION_H

#include <stddef.h>

#include "option.h"
#include "tls.h"
#include "url.h"

struct tls_options {
	char *cafile, *certfile, *keyfile;
};

/* Rows of a table; at: where a struct tls_options lies in its target. */
#define TLS_OPTION_ROWS(at)                                                                                           \
	{"cafile",    0,                                                                                              \
	 OPTION_TEXT, (at) + offsetof(struct tls_options, cafile),                                                    \
	 NULL,        "DHT_CAFILE",                                                                                   \
	 "FILE",      "of mqtts://: the CAs by which the broker's certificate is judged; without it: the system's",   \
	 0,           0},                                                                                             \
		{"certfile",  0,                                                                                      \
		 OPTION_TEXT, (at) + offsetof(struct tls_options, certfile),                                          \
		 NULL,        "DHT_CERTFILE",                                                                         \
		 "FILE",      "of mqtts://: our own certificate, for a broker that demands one",                      \
		 0,           0},                                                                                     \
	{                                                                                                             \
		"keyfile", 0, OPTION_TEXT, (at) + offsetof(struct tls_options, keyfile), NULL, "DHT_KEYFILE", "FILE", \
			"of mqtts://: its key, for no other eyes", 0, 0                                               \
	}

/* *tls becomes NULL if the URL wants none.  False, with a line in error, if a file cannot be used, or if one is given where
 * the broker is (or beside it, in the same file or environment) and the broker is one without TLS: whoever does that
 * believes himself safe.  In *wrong stands then the name of that setting, else NULL. */
bool tls_options_take(const struct tls_options *options, const struct option_table *table,
		      const struct option_result *given, const struct url *url, bool credential, struct tls **tls,
		      const char **wrong, char error[OPTION_ERROR_MAX]);

#endif
