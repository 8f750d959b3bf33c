#include "tls-option.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

static size_t row_of(const struct option_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return i;
	mem_die("a setting that is not in the table");
}

/* A file may say once how to reach one broker, and the command line then name another. */
static bool is_meant(const struct option_table *table, const struct option_result *given, const char *name)
{
	size_t row = row_of(table, name), broker = row_of(table, "broker");

	if (given->sources[row] != given->sources[broker])
		return given->sources[row] > given->sources[broker];
	return given->sources[row] != OPTION_FILE || given->places[row].file == given->places[broker].file;
}

static bool check_plain(const struct tls_options *options, const struct option_table *table,
			const struct option_result *given, const struct url *url, const char **wrong, char *error)
{
	const char *names[] = {"cafile", "certfile", "keyfile"};
	const char *values[] = {options->cafile, options->certfile, options->keyfile};
	char origin[OPTION_ORIGIN_MAX], shown[400];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (values[i] == NULL || values[i][0] == '\0' || !is_meant(table, given, names[i]))
			continue;
		url_format(shown, sizeof(shown), url);
		(void)snprintf(error, OPTION_ERROR_MAX,
			       "'%s' (%s) is for brokers with TLS, and %.200s is without: mqtts://", names[i],
			       option_origin(table, given, names[i], origin), shown);
		*wrong = names[i];
		return false;
	}
	return true;
}

bool tls_options_take(const struct tls_options *options, const struct option_table *table,
		      const struct option_result *given, const struct url *url, bool credential, struct tls **tls,
		      const char **wrong, char error[OPTION_ERROR_MAX])
{
	const struct tls_files files = {options->cafile, options->certfile, options->keyfile, credential};

	*tls = NULL;
	*wrong = NULL;
	if (!url->tls)
		return check_plain(options, table, given, url, wrong, error);
	*tls = tls_new(&files, error);
	return *tls != NULL;
}
