#include "shell.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>

/* The core and libevent each have a `struct event`.  libevent's is opaque; here it goes by another name. */
#define event libevent_event
#include <event2/event.h>
#undef event

#include "../common/mem.h"
#include "fences.h"
#include "keep.h"
#include "outage.h"
#include "outlet.h"
#include "service.h"
#include "teller.h"

/* How long the last messages may take on the way out. */
#define SHELL_FLUSH_MS 5000

struct shell {
	struct event_base *base;
	struct evdns_base *dns;
	struct shell_config config;
	struct teller *teller;
	struct node *node;
	struct mqtt *mqtt;
	struct outlet *outlet;
	struct fences *fences;
	struct libevent_event *start;
	struct libevent_event *timer;
	struct libevent_event *room; /* the disk's has changed */
	bool full;
	struct libevent_event *settled; /* has the connection lasted? */
	struct service *service;
	uint64_t deadline; /* the timer is set for it; UINT64_MAX: it is not */
	bool connected;    /* the core has been told so */
	bool stepping;
	bool turn;    /* the core waits for the end of what is being read */
	bool started; /* the core has had its first event */
	bool exiting; /* EFFECT_EXIT was carried out: the core gets no more events */
	bool broken;  /* no disk any more: nothing leaves */
	/* Identities given out: so far, at the last step, and how many there may be by what is kept for good. */
	uint64_t identified, identified_at_step, identities;
	int code;
	char broker[400];
	struct outage outage;
};

static uint64_t shell_clock(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t shell_now(void)
{
	return shell_clock(CLOCK_MONOTONIC);
}

static void shell_step(struct shell *s, const struct event *event);

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

static void shell_step(struct shell *s, const struct event *event)
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

/* ---- the transport's callbacks ---- */

static void shell_random(void *out, size_t size)
{
	if (getrandom(out, size, 0) != (ssize_t)size)
		mem_die("no random numbers");
}

static void shell_identify_cb(void *arg, struct mqtt_identity *identity)
{
	struct shell *s = arg;
	struct node_identity who;
	uint64_t nonce;

	if (s->config.disk && s->identified == s->identities)
		return; /* the next number is not reserved for good yet */
	s->identified++;
	shell_random(&nonce, sizeof(nonce));
	node_identify(s->node, nonce, &who);
	*identity = (struct mqtt_identity){
		.client_id = who.client_id,
		.will_topic = who.will_topic,
		.will_payload = who.will_payload,
		.will_len = who.will_len,
	};
}

static void shell_settled_cb(evutil_socket_t fd, short what, void *arg)
{
	struct shell *s = arg;
	char text[OUTAGE_TEXT];

	(void)fd;
	(void)what;
	if (outage_settled(&s->outage, shell_now(), text))
		tell(s->teller, NOTE_CONNECTED, NULL, "broker %s: %s", s->broker, text);
}

static void shell_connected_cb(void *arg)
{
	/* libevent may be early, by less than this */
	const struct timeval steady = {.tv_sec = OUTAGE_STEADY_MS / 1000 + 1};
	struct shell *s = arg;
	char text[OUTAGE_TEXT];

	s->connected = true;
	service_broker(s->service);
	if (outage_connected(&s->outage, shell_now(), text))
		tell(s->teller, NOTE_CONNECTED, NULL, "broker %s: %s", s->broker, text);
	else
		(void)evtimer_add(s->settled, &steady);
	shell_step(s, &(struct event){.type = EVENT_CONNECTED});
}

/* What is to be done about it. */
static const char *shell_remedy(const struct shell *s, enum mqtt_failure why, const char *detail)
{
	switch (why) {
	case MQTT_UNREACHABLE:
		if (s->config.mqtt.url.unix_socket && !strcmp(detail, strerror(EACCES)))
			return " and on (let this user in: by its group, and at every directory above)";
		if (libsystemd_has_manager() && !url_is_local(&s->config.mqtt.url))
			return " and on (is it running, and does the unit's IPAddressAllow= name it? see the drop-in "
			       "remote-broker.conf)";
		return " and on (is it running? the setting broker says where)";
	case MQTT_NOT_MQTT:
		return s->config.mqtt.url.tls ? "" : " and on (is it an MQTT broker? one with TLS is mqtts://)";
	case MQTT_DENIED:
		return " and on (the setting broker says who: mqtt://user@host, and --password-file or "
		       "/etc/credstore/dht-node.password has the password)";
	default:
		return "";
	}
}

/* Its repetitions are told only to who wants to know everything. */
static void shell_disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	struct shell *s = arg;
	char text[OUTAGE_TEXT];
	enum outage_word word = outage_failed(&s->outage, shell_now(), time(NULL), detail, text);

	(void)evtimer_del(s->settled);
	if (word == OUTAGE_REMINDER)
		tell(s->teller, NOTE_BROKER_AWAY, ABOUT(OF_REASON(detail)), "broker %s (%s): %s -> trying on",
		     s->broker, s->config.broker_origin, text);
	else
		tell(s->teller, word == OUTAGE_FAILURE ? NOTE_BROKER_LOST : NOTE_BROKER_AGAIN, ABOUT(OF_REASON(detail)),
		     "broker %s (%s): %s -> trying again in %u ms%s", s->broker, s->config.broker_origin, detail,
		     retry_ms, word == OUTAGE_FAILURE ? shell_remedy(s, why, detail) : "");
	service_no_broker(s->service);
	service_changed(s->service);
	if (s->connected) {
		s->connected = false;
		fences_cancel(s->fences);
		outlet_lost(s->outlet);
		shell_step(s, &(struct event){.type = EVENT_DISCONNECTED});
	} else if (s->config.disk && s->started) {
		shell_step(s, &(struct event){.type = EVENT_TIMER}); /* which reserves numbers for what comes */
	}
}

static void shell_subscribed_cb(void *arg, const char *filter, bool granted)
{
	shell_step(arg, &(struct event){.type = EVENT_SUBSCRIBED, .topic = filter, .granted = granted});
}

static void shell_message_cb(void *arg, const struct mqtt_message *message)
{
	shell_step(arg, &(struct event){
				.type = EVENT_MESSAGE,
				.topic = message->topic,
				.payload = message->payload,
				.len = message->len,
				.retained = message->retained,
			});
}

static void shell_drained_cb(void *arg)
{
	shell_step(arg, &(struct event){.type = EVENT_DRAINED});
}

static void shell_turn_cb(void *arg)
{
	struct shell *s = arg;

	if (s->turn)
		shell_step(s, &(struct event){.type = EVENT_TURN});
}

static void shell_stopped_cb(void *arg)
{
	struct shell *s = arg;

	(void)event_base_loopexit(s->base, NULL);
}

/* ---- life ---- */

static void shell_start_cb(evutil_socket_t fd, short what, void *arg)
{
	struct shell *s = arg;
	struct event at = {.now = shell_now(), .wall = shell_clock(CLOCK_REALTIME)};
	struct disk_fault fault;

	(void)fd;
	(void)what;
	if (s->config.disk && !keep_restore(s->config.disk, s->node, &at, &fault)) {
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
	static const struct mqtt_callbacks callbacks = {
		.identify = shell_identify_cb,
		.connected = shell_connected_cb,
		.disconnected = shell_disconnected_cb,
		.subscribed = shell_subscribed_cb,
		.message = shell_message_cb,
		.drained = shell_drained_cb,
		.turn = shell_turn_cb,
		.stopped = shell_stopped_cb,
	};
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
	s->mqtt = mqtt_new(base, dns, &s->config.mqtt, &callbacks, s);
	s->fences = fences_new(base, dns, &s->config.mqtt, shell_fenced_cb, s);
	s->outlet = outlet_new(base, config->disk, &outlet_callbacks, s);
	s->timer = evtimer_new(base, shell_timer_cb, s);
	s->settled = evtimer_new(base, shell_settled_cb, s);
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
