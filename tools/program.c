#include "program.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/mem.h"

#define PROGRAM_PATH "/bin:/usr/bin" /* where it is not set */

static bool program_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool program_is_there(const char *name)
{
	const char *folder = getenv("PATH");
	bool found = false;

	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return program_is_file(name);
	if (folder == NULL)
		folder = PROGRAM_PATH;
	while (!found) {
		size_t len = strcspn(folder, ":"), size = len + strlen(name) + 3;
		char *path = xmalloc(size);

		/* an empty one is where we are */
		snprintf(path, size, "%.*s/%s", len > 0 ? (int)len : 1, len > 0 ? folder : ".", name);
		found = program_is_file(path);
		free(path);
		if (folder[len] == '\0')
			break;
		folder += len + 1;
	}
	return found;
}

int program_start(pid_t *pid, char *const *words, char *const *environment, int input, const sigset_t *usual)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawnattr_setsigdefault(&attributes, usual);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(pid, words[0], &actions, &attributes, words, environment);
	if (error != 0)
		*pid = 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}
