#include <assert.h>
#include <sysexits.h>
#include <time.h>

#include "../common/mem.h"
#include "keep.h"
#include "shell-internal.h"

/* How long the last messages may take on the way out. */
#define SHELL_FLUSH_MS 5000

static uint64_t shell_clock(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t shell_now(void)
{
	return shell_clock(CLOCK_MONOTONIC);
}

/* ---- effects ---- */

static void shell_fenced_cb(void *arg, const struct conn *conn, bool fenced)
{
	shell_step(arg, &(struct event){.type = EVENT_FENCED, .granted = fenced, .conn = *conn});
}

static void shell_tell_state(struct shell *s, enum node_state state)
{
	if (state == NODE_ACTIVE)
		service_active(s->service);
	if (state == NODE_LEAVING || state == NODE_LEFT)
		notify_stopping(service_notify(s->service));
	service_changed(s->service);
}

static void shell_exit(struct shell *s, int code)
{
	if (s->exiting)
		return;
	s->exiting = true;
	s->code = code;
	notify_stopping(service_notify(s->service));
	fences_cancel(s->fences);
	(void)evtimer_del(s->start);
	(void)evtimer_del(s->timer);
	(void)evtimer_del(s->settled);
	mqtt_stop(s->mqtt, SHELL_FLUSH_MS);
}

/* What cannot be published or subscribed for want of a connection is dropped: EVENT_DISCONNECTED is on its way. */
static void shell_carry_out_cb(void *arg, const struct effect *effect)
{
	struct shell *s = arg;

	if (s->broken)
		return;
	switch (effect->type) {
	case EFFECT_SUBSCRIBE:
		(void)mqtt_subscribe(s->mqtt, effect->filters, effect->filter_count);
		break;
	case EFFECT_UNSUBSCRIBE:
		(void)mqtt_unsubscribe(s->mqtt, effect->filters, effect->filter_count);
		break;
	case EFFECT_PUBLISH:
		(void)mqtt_publish(s->mqtt, effect->topic, effect->payload, effect->len, effect->retain);
		break;
	case EFFECT_FENCE:
		fences_begin(s->fences, &effect->conn);
		break;
	case EFFECT_LOG:
		tell(s->teller, effect->note, effect->about, "%s", effect->text);
		break;
	case EFFECT_STATE:
		shell_tell_state(s, effect->state);
		break;
	case EFFECT_PROGRESS:
		notify_extend(service_notify(s->service), shell_now());
		break;
	case EFFECT_EXIT:
		shell_exit(s, effect->code);
		break;
	}
}

/* ---- the disk ---- */

/* Nothing more is to be done, and not in good order: the broker is to say so. */
static void shell_break(struct shell *s, int code)
{
	s->exiting = s->broken = true;
	s->code = code;
	(void)event_base_loopexit(s->base, NULL);
}

static void shell_committed_cb(void *arg)
{
	struct shell *s = arg;

	if (s->exiting || !outlet_idle(s->outlet))
		return;
	s->identities = s->identified_at_step + NODE_IDENTITIES;
	mqtt_start(s->mqtt); /* at the first time */
}

static void shell_crowded_cb(void *arg, bool crowded)
{
	struct shell *s = arg;

	mqtt_pause(s->mqtt, crowded);
}

static void shell_trouble_cb(void *arg, enum disk_state state, const char *text)
{
	struct shell *s = arg;

	tell(s->teller,
	     state == DISK_FAILED ? NOTE_DISK_FAILED
	     : state == DISK_FULL ? NOTE_DISK_FULL
				  : NOTE_DISK_ROOM,
	     ABOUT(OF_REASON(text)), "%s", text);
	if (state == DISK_FAILED)
		shell_break(s, EX_IOERR);
	s->full = state == DISK_FULL;
	event_active(s->room, 0, 0); /* it may be amid a step */
}

static void shell_room_cb(evutil_socket_t fd, short what, void *arg)
{
	struct shell *s = arg;

	(void)fd;
	(void)what;
	shell_step(s, &(struct event){.type = EVENT_ROOM, .granted = !s->full});
}

/* ---- events ---- */

static void shell_set_timer(struct shell *s, uint64_t deadline, uint64_t now)
{
	uint64_t wait = deadline > now ? deadline - now : 0;
	struct timeval tv = {.tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000) * 1000};

	if (deadline == s->deadline)
		return;
	s->deadline = deadline;
	if (deadline == UINT64_MAX)
		(void)evtimer_del(s->timer);
	else
		(void)evtimer_add(s->timer, &tv);
}

void shell_step(struct shell *s, const struct event *event)
{
	struct event stamped = *event;
	struct update update = {.deadline = UINT64_MAX};

	if (s->exiting)
		return;
	assert(!s->stepping);
	s->stepping = true;
	stamped.now = shell_now();
	stamped.wall = shell_clock(CLOCK_REALTIME);
	s->identified_at_step = s->identified;
	node_step(s->node, &stamped, &update);
	s->teller->state = node_get_state(s->node);
	outlet_take(s->outlet, &update, s->connected);
	s->stepping = false;
	service_said(s->service);
	s->turn = update.turn;
	shell_committed_cb(s);
	if (!s->exiting)
		shell_set_timer(s, update.deadline, stamped.now);
}

static void shell_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct shell *s = arg;
	uint64_t deadline = s->deadline;
	uint64_t now = shell_now();

	(void)fd;
	(void)what;
	s->deadline = UINT64_MAX; /* it has fired */
	/* libevent counts from the start of its turn and by a coarse clock: it may be early */
	if (now < deadline)
		shell_set_timer(s, deadline, now);
	else
		shell_step(s, &(struct event){.type = EVENT_TIMER});
}

static void shell_stop_cb(void *arg, int signal_number)
{
	struct shell *s = arg;

	tell(s->teller, NOTE_SIGNAL, NULL, "signal %d -> leaving the ring", signal_number);
	if (!s->started) {
		shell_exit(s, EX_OK);
		return;
	}
	shell_step(s, &(struct event){.type = EVENT_STOP});
}

static void shell_reload_cb(void *arg)
{
	struct shell *s = arg;

	s->config.reload(s->config.arg);
}

static void shell_describe_cb(void *arg, char *out, size_t size)
{
	struct shell *s = arg;

	node_describe(s->node, out, size);
}

/* What is written counts, and nothing else has been said to anybody (PROTOCOL.md section 7, With a disk). */
static void shell_abandon_cb(void *arg)
{
	shell_exit(arg, EX_OK);
}

/* ---- life ---- */

static void shell_start_cb(evutil_socket_t fd, short what, void *arg)
{
	struct shell *s = arg;
	struct event at = {.now = shell_now(), .wall = shell_clock(CLOCK_REALTIME)};
	struct disk_fault fault;

	(void)fd;
	(void)what;
	if (s->config.disk && !keep_restore(s->config.disk, s->node, &at, s->config.any_clock, &fault)) {
		tell(s->teller, NOTE_DISK_REFUSED, ABOUT(OF_REASON(fault.text)), "%s", fault.text);
		shell_break(s, keep_exit_code(fault.trouble));
		return;
	}
	s->started = true;
	shell_step(s, &(struct event){.type = EVENT_START});
	shell_step(s, &(struct event){.type = EVENT_LIMIT,
				      .limit = s->config.node.max_memory}); /* a reload may have been */
}

struct shell *shell_new(struct event_base *base, struct evdns_base *dns, const struct shell_config *config,
			const struct libsystemd *systemd, struct teller *teller)
{
	static const struct outlet_callbacks outlet_callbacks = {
		.carry_out = shell_carry_out_cb,
		.committed = shell_committed_cb,
		.crowded = shell_crowded_cb,
		.trouble = shell_trouble_cb,
	};
	struct shell *s = xcalloc(1, sizeof(*s));
	struct service_user user = {shell_stop_cb, shell_reload_cb, shell_describe_cb,
				    config->disk ? shell_abandon_cb : NULL, s};

	s->base = base;
	s->dns = dns;
	s->config = *config;
	s->config.node.burst = config->mqtt.outbox_high; /* beyond it `drained` is sure to come */
	s->teller = teller;
	s->deadline = UINT64_MAX;
	teller_name(teller, config->node.name, config->node.id);
	url_format(s->broker, sizeof(s->broker), &config->mqtt.url);
	s->node = node_new(&s->config.node);
	s->mqtt = mqtt_new(base, dns, &s->config.mqtt, &shell_broker_callbacks, s);
	s->fences = fences_new(base, dns, &s->config.mqtt, shell_fenced_cb, s);
	s->outlet = outlet_new(base, config->disk, &outlet_callbacks, s);
	s->timer = evtimer_new(base, shell_timer_cb, s);
	s->settled = evtimer_new(base, shell_broker_settled_cb, s);
	s->start = evtimer_new(base, shell_start_cb, s);
	s->room = event_new(base, -1, 0, shell_room_cb, s);
	if (!s->timer || !s->settled || !s->start || !s->room)
		mem_die("out of memory");
	s->service = service_new(base, systemd, teller, &user);
	return s;
}

void shell_start(struct shell *s)
{
	const struct timeval wait = {.tv_sec = (time_t)service_wait_s(s->service)};

	if (wait.tv_sec)
		tell(s->teller, NOTE_PAUSE, NULL, "earlier starts came to nothing -> waiting for %u s",
		     service_wait_s(s->service));
	(void)evtimer_add(s->start, &wait);
	service_changed(s->service);
}

void shell_limit(struct shell *s, uint64_t max_memory)
{
	if (max_memory == s->config.node.max_memory)
		return;
	s->config.node.max_memory = max_memory;
	if (s->started)
		shell_step(s, &(struct event){.type = EVENT_LIMIT, .limit = max_memory});
}

int shell_exit_code(const struct shell *s)
{
	return s->code;
}

void shell_free(struct shell *s)
{
	fences_free(s->fences);
	outlet_free(s->outlet);
	mqtt_free(s->mqtt);
	node_free(s->node);
	event_free(s->timer);
	event_free(s->settled);
	event_free(s->room);
	event_free(s->start);
	service_free(s->service);
	free(s);
}
