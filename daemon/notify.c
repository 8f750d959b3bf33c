#include "notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libsystemd.h"
#include "teller.h"

/* More than the pause between two signs of progress of a handover, less than anybody would wait for a dead one. */
#define EXTEND_US "30000000"
#define EXTEND_PAUSE_MS 1000

static void notify_send(struct notify *n, const char *text)
{
	int rc = n->systemd ? n->systemd->notify(0, text) : 0;

	if (rc >= 0)
		return;
	n->systemd = NULL;
	tell(n->teller, NOTE_MANAGER, ABOUT(OF_REASON(strerror(-rc))), "service manager: %s -> it is told nothing",
	     strerror(-rc));
}

void notify_init(struct notify *n, const struct libsystemd *systemd, struct teller *teller)
{
	*n = (struct notify){.teller = teller, .systemd = libsystemd_has_manager() ? systemd : NULL};
	if (!libsystemd_has_manager() || n->systemd)
		return;
	tell(teller, NOTE_MANAGER, ABOUT(OF_REASON("libsystemd.so.0 is missing")),
	     "service manager: libsystemd.so.0 is missing -> it is told nothing");
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

void notify_watchdog(struct notify *n)
{
	notify_send(n, "WATCHDOG=1");
}

void notify_reloading(struct notify *n, uint64_t now_ms)
{
	char line[64];

	/* the time is for Type=notify-reload, of systemd 253 and later */
	(void)snprintf(line, sizeof(line), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ms * 1000);
	if (n->ready && !n->stopping)
		notify_send(n, line);
}

void notify_reloaded(struct notify *n)
{
	if (n->ready && !n->stopping)
		notify_send(n, "READY=1");
}

void notify_extend(struct notify *n, uint64_t now_ms)
{
	if ((n->ready && !n->stopping) || (n->extended && now_ms < n->extended + EXTEND_PAUSE_MS))
		return;
	n->extended = now_ms;
	notify_send(n, "EXTEND_TIMEOUT_USEC=" EXTEND_US);
}
