#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define event libevent_event /* as in shell.c */
#include <event2/event.h>
#undef event

#include "../common/mem.h"
#include "backoff.h"
#include "libsystemd.h"
#include "teller.h"

/* A broker that restarts is back within that. */
#define SERVICE_ALONE_S 3
/* How old the sentence may be. */
#define SERVICE_TICK_MS 5000

struct service {
	struct service_user user;
	struct notify notify;
	struct backoff backoff;
	struct teller *teller;
	struct libevent_event *terminate, *interrupt, *hangup;
	struct libevent_event *tick;  /* NULL: there is no manager */
	struct libevent_event *hush;  /* is there something to say of what was hushed? */
	struct libevent_event *alone; /* to stop, without a broker */
	bool broker;
	bool watchdog;
	bool stopping;
};

static uint64_t service_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void service_await_broker(struct service *s)
{
	const struct timeval tv = {.tv_sec = SERVICE_ALONE_S};

	if (s->stopping && !s->broker && s->user.abandon && !evtimer_pending(s->alone, NULL))
		(void)evtimer_add(s->alone, &tv);
}

static void service_alone_cb(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	tell(s->teller, NOTE_LEFT_ALONE, NULL,
	     "there is no broker to leave by -> ending without it, with everything in the data directory");
	s->user.abandon(s->user.arg);
}

/* A service that cannot leave in good order can still be ended; who waits for it sees that it died of the signal. */
static void service_signal_cb(evutil_socket_t signal_number, short what, void *arg)
{
	struct service *s = arg;

	(void)what;
	if (!s->stopping) {
		s->stopping = true;
		notify_stopping(&s->notify);
		s->user.stop(s->user.arg, (int)signal_number);
		service_await_broker(s);
		return;
	}
	tell(s->teller, NOTE_SIGNAL_AGAIN, NULL, "a second signal %d -> ending at once, without leaving in good order",
	     (int)signal_number);
	(void)signal((int)signal_number, SIG_DFL);
	(void)raise((int)signal_number);
	_exit(128 + (int)signal_number); /* process 1 of a container survives it */
}

static void service_reload_cb(evutil_socket_t signal_number, short what, void *arg)
{
	struct service *s = arg;

	(void)signal_number;
	(void)what;
	notify_reloading(&s->notify, service_now());
	s->user.reload(s->user.arg);
	notify_reloaded(&s->notify);
	service_changed(s);
}

/* From the loop itself: what it hangs in hangs this, too. */
static void service_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	if (s->watchdog)
		notify_watchdog(&s->notify);
	service_changed(s);
}

void service_said(struct service *s)
{
	uint64_t next = teller_next(s->teller), now = service_now();
	uint64_t wait = next > now ? next - now : 0;
	struct timeval tv = {.tv_sec = (time_t)(wait / 1000) + 1};

	if (next != UINT64_MAX && !evtimer_pending(s->hush, NULL))
		(void)evtimer_add(s->hush, &tv);
}

static void service_hush_cb(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd;
	(void)what;
	teller_tick(s->teller);
	service_said(s);
}

static struct libevent_event *service_watch(struct event_base *base, int number, event_callback_fn callback,
					    struct service *s)
{
	struct libevent_event *event = evsignal_new(base, number, callback, s);

	if (!event || evsignal_add(event, NULL))
		mem_die("cannot watch signals");
	return event;
}

/* Three times in the time after which we would be taken for dead. */
static void service_begin_ticks(struct service *s, struct event_base *base)
{
	uint64_t usec = 0, ms = SERVICE_TICK_MS;
	struct timeval tv;

	if (!s->notify.systemd)
		return;
	s->watchdog = s->notify.systemd->watchdog_enabled(0, &usec) > 0;
	if (s->watchdog && usec / 3000 < ms)
		ms = usec / 3000 ? usec / 3000 : 1;
	tv = (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	s->tick = event_new(base, -1, EV_PERSIST, service_tick_cb, s);
	if (!s->tick || evtimer_add(s->tick, &tv))
		mem_die("out of memory");
	if (s->watchdog)
		notify_watchdog(&s->notify);
}

struct service *service_new(struct event_base *base, const struct libsystemd *systemd, struct teller *teller,
			    const struct service_user *user)
{
	struct service *s = xcalloc(1, sizeof(*s));

	s->user = *user;
	s->teller = teller;
	notify_init(&s->notify, systemd, teller);
	s->terminate = service_watch(base, SIGTERM, service_signal_cb, s);
	s->interrupt = service_watch(base, SIGINT, service_signal_cb, s);
	s->hangup = service_watch(base, SIGHUP, service_reload_cb, s);
	s->hush = evtimer_new(base, service_hush_cb, s);
	s->alone = evtimer_new(base, service_alone_cb, s);
	if (!s->hush || !s->alone)
		mem_die("out of memory");
	backoff_begin(&s->backoff, s->notify.systemd ? getenv("RUNTIME_DIRECTORY") : NULL);
	service_begin_ticks(s, base);
	return s;
}

struct notify *service_notify(struct service *service)
{
	return &service->notify;
}

unsigned service_wait_s(const struct service *service)
{
	return backoff_wait_s(&service->backoff);
}

void service_active(struct service *service)
{
	if (!service->notify.ready)
		backoff_over(&service->backoff);
	notify_ready(&service->notify);
}

void service_broker(struct service *service)
{
	service->broker = true;
	(void)evtimer_del(service->alone);
}

void service_no_broker(struct service *service)
{
	service->broker = false;
	service_await_broker(service);
	if (service->notify.ready)
		return;
	backoff_excuse(&service->backoff);
	if (service->backoff.again)
		notify_extend(&service->notify, service_now());
}

/* "active, 12.4 % of the ring, ...; 14:03:22 node 3fa01234: its connection ended -> ..." */
void service_changed(struct service *s)
{
	char text[sizeof(s->notify.status)], when[16];
	struct tm local;
	size_t used;

	if (!s->notify.systemd)
		return;
	s->user.describe(s->user.arg, text, sizeof(text));
	used = strlen(text);
	if (s->teller->last[0] && localtime_r(&s->teller->last_at, &local) &&
	    strftime(when, sizeof(when), "%H:%M:%S", &local))
		(void)snprintf(text + used, sizeof(text) - used, "; %s %s", when, s->teller->last);
	notify_status(&s->notify, text);
}

void service_free(struct service *s)
{
	event_free(s->terminate);
	event_free(s->interrupt);
	event_free(s->hangup);
	event_free(s->hush);
	event_free(s->alone);
	if (s->tick)
		event_free(s->tick);
	free(s);
}
