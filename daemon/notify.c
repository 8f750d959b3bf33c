#include "notify.h"

#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

/* More than the pause between two signs of progress of a handover, less than anybody would wait for a dead one. */
#define EXTEND_US 30000000u
#define EXTEND_PAUSE_MS 1000

void notify_ready(struct notify *n)
{
	if (!n->ready)
		(void)sd_notify(0, "READY=1");
	n->ready = true;
}

void notify_status(struct notify *n, const char *text)
{
	char status[sizeof(n->status)];

	(void)snprintf(status, sizeof(status), "%s", text);
	for (char *c = status; *c; c++) /* a newline would begin another assignment */
		if ((unsigned char)*c < 0x20)
			*c = ' ';
	if (!strcmp(status, n->status))
		return;
	memcpy(n->status, status, sizeof(status));
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_stopping(struct notify *n)
{
	if (!n->stopping)
		(void)sd_notify(0, "STOPPING=1");
	n->stopping = true;
}

void notify_extend(struct notify *n, uint64_t now_ms)
{
	if (n->extended && now_ms < n->extended + EXTEND_PAUSE_MS)
		return;
	n->extended = now_ms;
	(void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%u", EXTEND_US);
}
