/* Several files of settings, one stronger than the next. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "option.h"

#define OPTION_PATH_MAX 4096

void option_paths_add(struct option_paths *paths, const char *path)
{
	assert(paths->count < OPTION_PATHS_MAX);
	paths->at[paths->count++] = (struct option_path){.path = xstrdup(path)};
}

bool option_paths_from(struct option_paths *paths, const char *variable)
{
	const char *list = getenv(variable);
	char path[OPTION_PATH_MAX];

	if (list == NULL)
		return false;
	paths->variable = variable;
	while (*list != '\0' && paths->count < OPTION_PATHS_MAX) {
		size_t len = strcspn(list, ":");

		if (len > 0 && len < sizeof(path)) {
			memcpy(path, list, len);
			path[len] = '\0';
			option_paths_add(paths, path);
		}
		list += len + (list[len] == ':');
	}
	return true;
}

void option_paths_free(struct option_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->at[i].path);
	*paths = (struct option_paths){0};
}

enum option_file option_read_paths(const struct option_table *table, void *target, struct option_paths *paths,
				   struct option_result *result, char error[OPTION_ERROR_MAX])
{
	for (size_t i = 0; i < paths->count; i++) {
		struct option_path *at = &paths->at[i];
		enum option_file outcome = option_read_file(table, target, at->path, result, error);

		at->read = outcome == OPTION_FILE_READ;
		if (outcome == OPTION_FILE_UNREADABLE || outcome == OPTION_FILE_WRONG)
			return outcome;
		if (outcome == OPTION_FILE_ABSENT && paths->variable != NULL) {
			snprintf(error, OPTION_ERROR_MAX,
				 "cannot read the settings in %.200s: there is no such file (%s names it)", at->path,
				 paths->variable);
			return OPTION_FILE_UNREADABLE;
		}
	}
	return OPTION_FILE_READ;
}
