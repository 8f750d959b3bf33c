#include "libsystemd.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "../common/library.h"

bool libsystemd_load(struct libsystemd *systemd)
{
	*systemd = (struct libsystemd){.library = dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL)};
	if (library_find(systemd->library, "sd_notify", &systemd->notify) &&
	    library_find(systemd->library, "sd_watchdog_enabled", &systemd->watchdog_enabled) &&
	    library_find(systemd->library, "sd_journal_sendv", &systemd->journal_sendv))
		return true;
	libsystemd_free(systemd);
	return false;
}

void libsystemd_free(struct libsystemd *systemd)
{
	if (systemd->library)
		(void)dlclose(systemd->library);
	*systemd = (struct libsystemd){0};
}

bool libsystemd_has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	(void)snprintf(ours, sizeof(ours), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(stream, ours);
}

bool libsystemd_has_manager(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* The header's types are those that we call by. */
_Static_assert(__builtin_types_compatible_p(__typeof__(sd_notify), int(int, const char *)), "sd_notify");
_Static_assert(__builtin_types_compatible_p(__typeof__(sd_watchdog_enabled), int(int, uint64_t *)),
	       "sd_watchdog_enabled");
