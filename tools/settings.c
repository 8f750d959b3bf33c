#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "../common/topic.h"
#include "output.h"

/* "" stands for a home that nobody has. */
static char *settings_user_file(void)
{
	const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[SETTINGS_PATH_MAX];

	if (folder != NULL && folder[0] == '/') /* the specification: what is not absolute is to be ignored */
		snprintf(path, sizeof(path), "%s/dhtctl", folder);
	else if (home != NULL && home[0] == '/')
		snprintf(path, sizeof(path), "%s/.config/dhtctl", home);
	else
		return NULL;
	return xstrdup(path);
}

static void settings_take_files(struct settings *settings, const char *list)
{
	size_t count = 0;

	while (*list != '\0' && count < SETTINGS_FILES_MAX) {
		size_t len = strcspn(list, ":");

		if (len > 0 && len < SETTINGS_PATH_MAX) {
			settings->files[count].path = xcalloc(1, len + 1);
			memcpy(settings->files[count++].path, list, len);
		}
		list += len + (list[len] == ':');
	}
}

static void settings_find_files(struct settings *settings, bool *named)
{
	const char *list = getenv("DHT_CONFIG");
	size_t count = 0;
	char *user;

	*named = list != NULL;
	if (list != NULL) {
		settings_take_files(settings, list);
		return;
	}
	user = settings_user_file();
	if (user != NULL)
		settings->files[count++].path = user;
	settings->files[count].path = xstrdup(SETTINGS_SYSTEM_FILE);
}

enum exit_code settings_read_files(struct settings *settings, const struct option_table *table,
				   struct option_result *given)
{
	char error[OPTION_ERROR_MAX];
	bool named;

	settings_find_files(settings, &named);
	for (size_t i = 0; i < SETTINGS_FILES_MAX && settings->files[i].path != NULL; i++) {
		struct settings_file *file = &settings->files[i];

		switch (option_read_file(table, settings, file->path, given, error)) {
		case OPTION_FILE_READ:
			file->read = true;
			break;
		case OPTION_FILE_ABSENT:
			if (!named)
				break;
			output_error("cannot read the settings in %.200s: there is no such file (DHT_CONFIG names it)",
				     file->path);
			return RC_LOCAL;
		case OPTION_FILE_UNREADABLE:
			output_error("%s", error);
			return RC_LOCAL;
		case OPTION_FILE_WRONG:
			output_error("%s", error);
			return RC_USAGE;
		}
	}
	return RC_OK;
}

void settings_free(struct settings *settings)
{
	for (size_t i = 0; i < SETTINGS_FILES_MAX; i++)
		free(settings->files[i].path);
}

bool settings_check(struct settings *settings, const struct option_table *table, const struct option_result *given)
{
	char problem[200], origin[OPTION_ORIGIN_MAX], shown[400], masked[256];
	const char *wrong = url_parse(&settings->url, settings->broker, problem, sizeof(problem));

	option_origin(table, given, "broker", origin);
	if (wrong != NULL) {
		output_error("invalid broker URL '%s' (%s): %s", url_show(masked, sizeof(masked), settings->broker),
			     origin, wrong);
		return false;
	}
	url_format(shown, sizeof(shown), &settings->url);
	snprintf(settings->broker_shown, sizeof(settings->broker_shown), "%s (%s)", shown, origin);
	if (!topic_prefix_valid(settings->topic_prefix)) {
		output_error("invalid topic prefix '%s' (%s): levels of [0-9a-z_-] divided by '/', none empty",
			     settings->topic_prefix, option_origin(table, given, "topic-prefix", origin));
		return false;
	}
	snprintf(settings->ring_shown, sizeof(settings->ring_shown), "%s", settings->broker_shown);
	if (settings->topic_prefix[0] != '\0')
		snprintf(settings->ring_shown, sizeof(settings->ring_shown), "%s below prefix '%s' (%s)",
			 settings->broker_shown, settings->topic_prefix,
			 option_origin(table, given, "topic-prefix", origin));
	return true;
}
