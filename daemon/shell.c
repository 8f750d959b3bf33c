#include "shell.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* The core and libevent each have a `struct event`.  libevent's is opaque; here it goes by another name. */
#define event libevent_event
#include <event2/event.h>
#undef event

#include "../common/mem.h"
#include "notify.h"
#include "outage.h"

/* How long a fence may take; the core decides what then. */
#define SHELL_FENCE_MS 5000
/* How long the last messages may take on the way out. */
#define SHELL_FLUSH_MS 5000

struct fencing {
	struct fencing *next;
	struct shell *shell;
	struct conn conn;
	struct mqtt_fence *fence;
};

struct shell {
	struct event_base *base;
	struct evdns_base *dns;
	struct shell_config config;
	struct log *log;
	struct node *node;
	struct mqtt *mqtt;
	struct libevent_event *timer;
	struct libevent_event *settled; /* has the connection lasted? */
	struct libevent_event *terminate;
	struct libevent_event *interrupt;
	struct notify notify;
	uint64_t deadline;        /* the timer is set for it; UINT64_MAX: it is not */
	struct fencing *fencings; /* on the way */
	bool connected;           /* the core has been told so */
	bool stepping;
	bool turn;     /* the core waits for the end of what is being read */
	bool stopping; /* a signal has asked for it */
	bool exiting;  /* EFFECT_EXIT was carried out: the core gets no more events */
	int code;
	char who[NAME_MAX_LEN + 1]; /* our name in log lines */
	char broker[400];
	struct outage outage;
};

static uint64_t shell_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void shell_step(struct shell *s, const struct event *event);

/* ---- effects ---- */

static void fencing_unlink(struct fencing *f)
{
	struct fencing **at = &f->shell->fencings;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
}

static void shell_fenced_cb(void *arg, bool fenced)
{
	struct fencing *f = arg;
	struct shell *s = f->shell;
	struct event event = {.type = EVENT_FENCED, .granted = fenced, .conn = f->conn};

	fencing_unlink(f);
	free(f);
	shell_step(s, &event);
}

static void shell_fence(struct shell *s, const struct conn *conn)
{
	char client_id[CONN_TEXT];
	struct fencing *f;

	for (f = s->fencings; f; f = f->next)
		if (conn_equal(&f->conn, conn))
			return; /* its answer will do for both */
	f = xcalloc(1, sizeof(*f));
	f->shell = s;
	f->conn = *conn;
	f->next = s->fencings;
	s->fencings = f;
	conn_format(conn, client_id);
	f->fence = mqtt_fence(s->base, s->dns, &s->config.mqtt, client_id, SHELL_FENCE_MS, shell_fenced_cb, f);
}

static void shell_cancel_fences(struct shell *s)
{
	struct fencing *f;

	while ((f = s->fencings)) {
		s->fencings = f->next;
		mqtt_fence_cancel(f->fence);
		free(f);
	}
}

static void shell_tell_state(struct shell *s, const struct effect *effect)
{
	notify_status(&s->notify, effect->text ? effect->text : node_state_name(effect->state));
	if (effect->state == NODE_ACTIVE)
		notify_ready(&s->notify);
	if (effect->state == NODE_LEAVING || effect->state == NODE_LEFT)
		notify_stopping(&s->notify);
}

static void shell_exit(struct shell *s, int code)
{
	if (s->exiting)
		return;
	s->exiting = true;
	s->code = code;
	notify_stopping(&s->notify);
	shell_cancel_fences(s);
	(void)evtimer_del(s->timer);
	(void)evtimer_del(s->settled);
	mqtt_stop(s->mqtt, SHELL_FLUSH_MS);
}

/* What cannot be published or subscribed for want of a connection is dropped: EVENT_DISCONNECTED is on its way. */
static void shell_carry_out(struct shell *s, const struct effect *effect)
{
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
		shell_fence(s, &effect->conn);
		break;
	case EFFECT_LOG:
		log_line(s->log, (enum log_level)effect->level, "%s: %s", s->who, effect->text);
		break;
	case EFFECT_STATE:
		shell_tell_state(s, effect);
		break;
	case EFFECT_PROGRESS:
		notify_extend(&s->notify, shell_now());
		break;
	case EFFECT_EXIT:
		shell_exit(s, effect->code);
		break;
	}
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
	node_step(s->node, &stamped, &update);
	for (size_t i = 0; i < update.count; i++)
		shell_carry_out(s, &update.effects[i]);
	s->stepping = false;
	s->turn = update.turn;
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

/* A service that cannot leave in good order can still be ended; who waits for it sees that it died of the signal. */
static void shell_signal_cb(evutil_socket_t signal_number, short what, void *arg)
{
	struct shell *s = arg;

	(void)what;
	if (!s->stopping) {
		s->stopping = true;
		notify_stopping(&s->notify);
		log_line(s->log, LOG_INFO_LEVEL, "%s: signal %d -> leaving the ring", s->who, (int)signal_number);
		shell_step(s, &(struct event){.type = EVENT_STOP});
		return;
	}
	log_line(s->log, LOG_WARN_LEVEL, "%s: a second signal %d -> ending at once, without leaving in good order",
		 s->who, (int)signal_number);
	(void)signal(signal_number, SIG_DFL);
	(void)raise(signal_number);
	_exit(128 + (int)signal_number); /* process 1 of a container survives it */
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
		log_line(s->log, LOG_INFO_LEVEL, "%s: broker %s: %s", s->who, s->broker, text);
}

static void shell_connected_cb(void *arg)
{
	/* libevent may be early, by less than this */
	const struct timeval steady = {.tv_sec = OUTAGE_STEADY_MS / 1000 + 1};
	struct shell *s = arg;
	char text[OUTAGE_TEXT];

	s->connected = true;
	if (outage_connected(&s->outage, shell_now(), text))
		log_line(s->log, LOG_INFO_LEVEL, "%s: broker %s: %s", s->who, s->broker, text);
	else
		(void)evtimer_add(s->settled, &steady);
	shell_step(s, &(struct event){.type = EVENT_CONNECTED});
}

/* What is to be done about it. */
static const char *shell_remedy(enum mqtt_failure why)
{
	switch (why) {
	case MQTT_UNREACHABLE:
		return " and on (is it running? --broker or DHT_BROKER say where)";
	case MQTT_DENIED:
		return " and on (--broker or DHT_BROKER say who: mqtt://user:password@host)";
	default:
		return "";
	}
}

/* Its repetitions are told only to who wants to know everything. */
static void shell_disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	struct shell *s = arg;
	char text[OUTAGE_TEXT], status[256];
	enum outage_word word = outage_failed(&s->outage, shell_now(), time(NULL), detail, text);

	(void)evtimer_del(s->settled);
	if (word == OUTAGE_REMINDER)
		log_line(s->log, LOG_WARN_LEVEL, "%s: broker %s (%s): %s -> trying on", s->who, s->broker,
			 s->config.broker_origin, text);
	else
		log_line(s->log, word == OUTAGE_FAILURE ? LOG_WARN_LEVEL : LOG_DEBUG_LEVEL,
			 "%s: broker %s (%s): %s -> trying again in %u ms%s", s->who, s->broker,
			 s->config.broker_origin, detail, retry_ms, word == OUTAGE_FAILURE ? shell_remedy(why) : "");
	(void)snprintf(status, sizeof(status), "no connection to %.100s: %.100s", s->broker, detail);
	notify_status(&s->notify, status);
	if (s->connected) {
		s->connected = false;
		shell_cancel_fences(s);
		shell_step(s, &(struct event){.type = EVENT_DISCONNECTED});
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

static struct libevent_event *shell_watch_signal(struct shell *s, int number)
{
	struct libevent_event *event = evsignal_new(s->base, number, shell_signal_cb, s);

	if (!event || evsignal_add(event, NULL))
		mem_die("cannot watch signals");
	return event;
}

struct shell *shell_new(struct event_base *base, struct evdns_base *dns, const struct shell_config *config,
			struct log *log)
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
	struct shell *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->dns = dns;
	s->config = *config;
	s->config.node.burst = config->mqtt.outbox_high; /* beyond it `drained` is sure to come */
	s->log = log;
	s->deadline = UINT64_MAX;
	notify_init(&s->notify, log);
	if (config->node.name[0])
		(void)snprintf(s->who, sizeof(s->who), "%s", config->node.name);
	else
		(void)snprintf(s->who, sizeof(s->who), "%" PRIu32, config->node.id);
	url_format(s->broker, sizeof(s->broker), &config->mqtt.url);
	s->node = node_new(&s->config.node);
	s->mqtt = mqtt_new(base, dns, &s->config.mqtt, &callbacks, s);
	s->timer = evtimer_new(base, shell_timer_cb, s);
	s->settled = evtimer_new(base, shell_settled_cb, s);
	if (!s->timer || !s->settled)
		mem_die("out of memory");
	s->terminate = shell_watch_signal(s, SIGTERM);
	s->interrupt = shell_watch_signal(s, SIGINT);
	return s;
}

void shell_start(struct shell *s)
{
	shell_step(s, &(struct event){.type = EVENT_START});
	if (!s->exiting)
		mqtt_start(s->mqtt);
}

int shell_exit_code(const struct shell *s)
{
	return s->code;
}

void shell_free(struct shell *s)
{
	shell_cancel_fences(s);
	mqtt_free(s->mqtt);
	node_free(s->node);
	event_free(s->timer);
	event_free(s->settled);
	event_free(s->terminate);
	event_free(s->interrupt);
	free(s);
}
