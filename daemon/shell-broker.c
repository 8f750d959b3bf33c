/* What becomes of the connection to the broker: told to the core as events, and to people in words. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../common/mem.h"
#include "shell-internal.h"

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

void shell_broker_settled_cb(evutil_socket_t fd, short what, void *arg)
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

const struct mqtt_callbacks shell_broker_callbacks = {
	.identify = shell_identify_cb,
	.connected = shell_connected_cb,
	.disconnected = shell_disconnected_cb,
	.subscribed = shell_subscribed_cb,
	.message = shell_message_cb,
	.drained = shell_drained_cb,
	.turn = shell_turn_cb,
	.stopped = shell_stopped_cb,
};
