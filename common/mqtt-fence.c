/* The fence: a short second connection under somebody else's client id. */
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>
#include <mosquitto.h>

#include "mem.h"
#include "mqtt-internal.h"

/* Between two attempts, while the time lasts. */
#define FENCE_PAUSE_MS 100

struct mqtt_fence {
	struct event_base *base;
	struct evdns_base *dns;
	struct mqtt_config config;
	char *client_id;
	void (*done)(void *arg, bool fenced);
	void *arg;
	struct mqtt_link *link;
	struct event *deadline;
	struct event *again;
};

static void fence_end(struct mqtt_fence *f, bool fenced)
{
	void (*done)(void *, bool) = f->done;
	void *arg = f->arg;

	mqtt_fence_cancel(f);
	done(arg, fenced);
}

static void fence_up_cb(void *arg)
{
	struct mqtt_fence *f = arg;

	mqtt_link_hang_up(f->link); /* `down` follows, with MQTT_OK */
}

static void fence_down_cb(void *arg, enum mqtt_failure why, const char *detail)
{
	struct mqtt_fence *f = arg;
	struct timeval pause = {.tv_usec = FENCE_PAUSE_MS * 1000};

	(void)detail;
	if (why == MQTT_OK || why == MQTT_DENIED) {
		fence_end(f, why == MQTT_OK);
		return;
	}
	mqtt_link_free(f->link);
	f->link = NULL;
	(void)evtimer_add(f->again, &pause);
}

static void fence_message_cb(void *arg, const struct mqtt_message *message)
{
	(void)arg;
	(void)message; /* it subscribes to nothing */
}

static void fence_subscribed_cb(void *arg, const char *filter, bool granted)
{
	(void)arg;
	(void)filter;
	(void)granted;
}

static void fence_ignore_cb(void *arg)
{
	(void)arg;
}

static const struct mqtt_link_callbacks fence_callbacks = {
	.up = fence_up_cb,
	.down = fence_down_cb,
	.message = fence_message_cb,
	.subscribed = fence_subscribed_cb,
	.turn = fence_ignore_cb,
	.written = fence_ignore_cb,
};

static void fence_try_cb(evutil_socket_t fd, short what, void *arg)
{
	struct mqtt_fence *f = arg;
	struct mqtt_identity identity = {.client_id = f->client_id}; /* no will: its end means nothing */

	(void)fd;
	(void)what;
	f->link = mqtt_link_new(f->base, f->dns, &f->config, &identity, &fence_callbacks, f);
}

static void fence_deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fence_end(arg, false);
}

struct mqtt_fence *mqtt_fence(struct event_base *base, struct evdns_base *dns, const struct mqtt_config *config,
			      const char *client_id, unsigned timeout_ms, void (*done)(void *arg, bool fenced),
			      void *arg)
{
	struct mqtt_fence *f = xcalloc(1, sizeof(*f));
	struct timeval deadline = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	struct timeval now = {0};

	(void)mosquitto_lib_init();
	(void)signal(SIGPIPE, SIG_IGN);
	f->base = base;
	f->dns = dns;
	f->config = *config;
	f->client_id = xstrdup(client_id);
	f->done = done;
	f->arg = arg;
	f->deadline = evtimer_new(base, fence_deadline_cb, f);
	f->again = evtimer_new(base, fence_try_cb, f);
	if (!f->deadline || !f->again)
		mem_die("out of memory");
	(void)evtimer_add(f->deadline, &deadline);
	(void)evtimer_add(f->again, &now);
	return f;
}

void mqtt_fence_cancel(struct mqtt_fence *f)
{
	if (f->link)
		mqtt_link_free(f->link);
	event_free(f->deadline);
	event_free(f->again);
	free(f->client_id);
	free(f);
	(void)mosquitto_lib_cleanup();
}
