#include "notify.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "../common/log.h"

/* More than the pause between two signs of progress of a handover, less than anybody would wait for a dead one. */
#define EXTEND_US "30000000"
#define EXTEND_PAUSE_MS 1000

static int notify_by_library(const char *text, const char **error)
{
	void *library = dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL);
	union {
		void *object;
		__typeof__(sd_notify) *function;
	} send = {.object = library ? dlsym(library, "sd_notify") : NULL};
	int rc = send.object ? send.function(0, text) : -1;

	*error = send.object ? strerror(-rc) : "libsystemd.so.0 is missing";
	if (library)
		(void)dlclose(library);
	return rc;
}

static void notify_send(struct notify *n, const char *text)
{
	const char *error;

	if (n->mute || !getenv("NOTIFY_SOCKET") || notify_by_library(text, &error) >= 0)
		return;
	n->mute = true;
	log_line(n->log, LOG_WARN_LEVEL, "service manager: %s -> it is told nothing", error);
}

void notify_init(struct notify *n, struct log *log)
{
	*n = (struct notify){.log = log};
}

void notify_ready(struct notify *n)
{
	if (!n->ready)
		notify_send(n, "READY=1");
	n->ready = true;
}

void notify_status(struct notify *n, const char *text)
{
	char status[sizeof(n->status)];
	char line[sizeof(n->status) + 8];

	(void)snprintf(status, sizeof(status), "%s", text);
	for (char *c = status; *c; c++) /* a newline would begin another assignment */
		if ((unsigned char)*c < 0x20)
			*c = ' ';
	if (!strcmp(status, n->status))
		return;
	memcpy(n->status, status, sizeof(status));
	(void)snprintf(line, sizeof(line), "STATUS=%s", status);
	notify_send(n, line);
}

void notify_stopping(struct notify *n)
{
	if (!n->stopping)
		notify_send(n, "STOPPING=1");
	n->stopping = true;
}

void notify_extend(struct notify *n, uint64_t now_ms)
{
	if (n->extended && now_ms < n->extended + EXTEND_PAUSE_MS)
		return;
	n->extended = now_ms;
	notify_send(n, "EXTEND_TIMEOUT_USEC=" EXTEND_US);
}
