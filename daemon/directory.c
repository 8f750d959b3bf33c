#include "directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/mem.h"

/* What another service's programs start inherits that one's variables, and its directory is not for us.  systemd.exec(5):
 * the process that the manager itself has started finds its own id here. */
static bool started_by_the_manager(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");

	return !pid || strtol(pid, NULL, 10) == (long)getpid();
}

/* Two paths, that is.  An instance may have a ':', too, and systemd writes it as it is; but no '/'. */
static const char *second_path(const char *list)
{
	const char *colon = strstr(list, ":/");

	return colon ? colon + 1 : NULL;
}

bool directory_choose(const struct directory_question *q, char **path, char from[OPTION_ORIGIN_MAX], char *error)
{
	const char *state = started_by_the_manager() ? getenv(DIRECTORY_VARIABLE) : NULL;

	*path = NULL;
	(void)snprintf(from, OPTION_ORIGIN_MAX, "%s", q->origin);
	if (q->setting) {
		if (strcmp(q->setting, DIRECTORY_NONE) != 0)
			*path = xstrdup(q->setting);
	} else if (state && state[0]) {
		/* systemd sorts them by name: the first is no better than the others */
		if (second_path(state)) {
			(void)snprintf(error, OPTION_ERROR_MAX,
				       "the unit has several directories (" DIRECTORY_VARIABLE " is %.300s) -> a "
				       "setting data-dir is to say which one is the node's, or " DIRECTORY_NONE,
				       state);
			return false;
		}
		*path = xstrdup(state);
		(void)snprintf(from, OPTION_ORIGIN_MAX, "StateDirectory= of the unit");
	} else if (q->instance && q->no_node) {
		size_t size = sizeof(DIRECTORY_STATE) + 1 + strlen(q->instance);

		*path = xmalloc(size);
		(void)snprintf(*path, size, DIRECTORY_STATE "/%s", q->instance);
		(void)snprintf(from, OPTION_ORIGIN_MAX, "StateDirectory= of the unit, when systemd starts it");
	}
	return true;
}
