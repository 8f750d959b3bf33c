#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "../common/password.h"
#include "../common/topic.h"
#include "output.h"

#define SETTINGS_PATH_MAX 4096

/* A home that nobody has is no place for a file. */
static void settings_add_user_file(struct option_paths *paths)
{
	const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[SETTINGS_PATH_MAX];

	if (folder != NULL && folder[0] == '/') /* the specification: what is not absolute is to be ignored */
		snprintf(path, sizeof(path), "%s/dhtctl", folder);
	else if (home != NULL && home[0] == '/')
		snprintf(path, sizeof(path), "%s/.config/dhtctl", home);
	else
		return;
	option_paths_add(paths, path);
}

enum exit_code settings_read_files(struct settings *settings, const struct option_table *table,
				   struct option_result *given)
{
	char error[OPTION_ERROR_MAX];
	enum option_file outcome;

	if (!option_paths_from(&settings->paths, SETTINGS_VARIABLE)) {
		settings_add_user_file(&settings->paths);
		option_paths_add(&settings->paths, SETTINGS_SYSTEM_FILE);
	}
	outcome = option_read_paths(table, settings, &settings->paths, given, error);
	if (outcome == OPTION_FILE_READ)
		return RC_OK;
	output_error("%s", error);
	return outcome == OPTION_FILE_WRONG ? RC_USAGE : RC_LOCAL;
}

void settings_free(struct settings *settings)
{
	option_paths_free(&settings->paths);
	tls_free(settings->tls);
}

static enum exit_code settings_parse_url(struct settings *settings, const char *origin)
{
	char problem[SECRET_ERROR_MAX], masked[256], place[PASSWORD_PLACE_MAX];
	const char *wrong = url_parse(&settings->url, settings->broker, problem, sizeof(problem));

	if (wrong != NULL) {
		output_error("invalid broker URL '%s' (%s): %s", url_show(masked, sizeof(masked), settings->broker),
			     origin, wrong);
		return RC_USAGE;
	}
	if (password_take(&settings->url, settings->password_file, false, place, problem))
		return RC_OK;
	output_error("%s", problem);
	return RC_LOCAL;
}

static enum exit_code settings_take_tls(struct settings *settings, const struct option_table *table,
					const struct option_result *given)
{
	char problem[OPTION_ERROR_MAX];
	const char *wrong;

	if (tls_options_take(&settings->tls_files, table, given, &settings->url, false, &settings->tls, &wrong,
			     problem))
		return RC_OK;
	output_error("%s", problem);
	return wrong != NULL ? RC_USAGE : RC_LOCAL;
}

enum exit_code settings_check(struct settings *settings, const struct option_table *table,
			      const struct option_result *given)
{
	char origin[OPTION_ORIGIN_MAX], shown[400];
	enum exit_code code = settings_parse_url(settings, option_origin(table, given, "broker", origin));

	if (code == RC_OK)
		code = settings_take_tls(settings, table, given);
	if (code != RC_OK)
		return code;
	url_format(shown, sizeof(shown), &settings->url);
	snprintf(settings->broker_shown, sizeof(settings->broker_shown), "%s (%s)", shown, origin);
	if (!topic_prefix_valid(settings->topic_prefix)) {
		output_error("invalid topic prefix '%s' (%s): levels of [0-9a-z_-] divided by '/', none empty",
			     settings->topic_prefix, option_origin(table, given, "topic-prefix", origin));
		return RC_USAGE;
	}
	snprintf(settings->ring_shown, sizeof(settings->ring_shown), "%s", settings->broker_shown);
	if (settings->topic_prefix[0] != '\0')
		snprintf(settings->ring_shown, sizeof(settings->ring_shown), "%s below prefix '%s' (%s)",
			 settings->broker_shown, settings->topic_prefix,
			 option_origin(table, given, "topic-prefix", origin));
	return RC_OK;
}
