#include "client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/mem.h"
#include "output.h"

struct client {
	const struct settings *settings;
	struct client *first; /* whose the loop is; NULL: ours */
	struct event_base *base;
	struct evdns_base *dns;
	struct event *alarm;
	struct mqtt *mqtt;
	char client_id[CONN_TEXT];
	uint64_t deadline;
	bool connected, stopped, rang;
	enum mqtt_failure failure; /* of the only connection */
	char detail[MQTT_DETAIL_MAX];
	char awaited[TOPIC_MAX]; /* the filter whose SUBACK is awaited */
	bool answered, granted;
	struct kv_mqtt *kv;         /* NULL: not asked for */
	bool persists;              /* connects again */
	const char *const *filters; /* heard on each connection; NULL: none */
	size_t filter_count;
	void (*heard)(void *arg, bool heard);
	void *heard_arg;
	struct event *reading;
	bool *readable;
	void (*message)(void *arg, const struct mqtt_message *message);
	void *arg;
	void (*aside)(void *arg, const struct mqtt_message *message); /* of what is asked beside all else */
	void *aside_arg;
	void (*turn)(void *arg);
	void *turn_arg;
	struct sigaction on_pipe; /* before the transport took SIGPIPE */
};

uint64_t client_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t client_deadline(const struct client *client)
{
	return client->deadline;
}

struct event_base *client_base(const struct client *client)
{
	return client->base;
}

/* Callbacks ---------------------------------------------------------------------------------------------------- */

static void client_identify_cb(void *arg, struct mqtt_identity *identity)
{
	struct client *client = arg;

	memset(identity, 0, sizeof(*identity));
	identity->client_id = client->client_id;
}

static void client_connected_cb(void *arg)
{
	struct client *client = arg;

	client->connected = true;
	client->failure = MQTT_OK;
	if (client->kv != NULL)
		kv_mqtt_connected(client->kv);
	if (client->filters != NULL)
		(void)mqtt_subscribe(client->mqtt, client->filters, client->filter_count);
}

/* libmosquitto's and libc's sentences as parts of one line: "connection refused", "not authorised". */
static void client_keep_detail(struct client *client, const char *detail)
{
	static const char refused[] = "Connection Refused: ";
	size_t len;

	if (strncmp(detail, refused, sizeof(refused) - 1) == 0)
		detail += sizeof(refused) - 1;
	snprintf(client->detail, sizeof(client->detail), "%s", detail);
	len = strlen(client->detail);
	if (len > 0 && client->detail[len - 1] == '.')
		client->detail[len - 1] = '\0';
	if (!isupper((unsigned char)client->detail[0]) || !isupper((unsigned char)client->detail[1]))
		client->detail[0] = (char)tolower((unsigned char)client->detail[0]);
}

static void client_disconnected_cb(void *arg, enum mqtt_failure why, const char *detail, unsigned retry_ms)
{
	struct client *client = arg;

	(void)retry_ms;
	if (client->kv != NULL)
		kv_mqtt_disconnected(client->kv);
	if (client->filters != NULL)
		client->heard(client->heard_arg, false);
	if (client->failure != MQTT_OK) /* why the attempts after it failed says less */
		return;
	client->failure = why == MQTT_OK ? MQTT_LOST : why;
	client_keep_detail(client, detail ? detail : "no reason given");
}

static void client_subscribed_cb(void *arg, const char *filter, bool granted)
{
	struct client *client = arg;

	if (client->kv != NULL)
		(void)kv_mqtt_subscribed(client->kv, filter, granted);
	if (client->filters != NULL && granted && strcmp(filter, client->filters[0]) == 0)
		client->heard(client->heard_arg, true);
	if (strcmp(filter, client->awaited) != 0)
		return;
	client->answered = true;
	client->granted = granted;
}

static void client_message_cb(void *arg, const struct mqtt_message *message)
{
	struct client *client = arg;
	uint32_t id;

	if ((client->kv != NULL && kv_mqtt_message(client->kv, message)) || message->retained)
		return; /* what was retained answers nobody */
	if (client->aside != NULL && topic_parse(message->topic, client->settings->topic_prefix, &id) == TOPIC_REPLY)
		client->aside(client->aside_arg, message);
	else if (client->message != NULL)
		client->message(client->arg, message);
}

static void client_turn_cb(void *arg)
{
	struct client *client = arg;

	if (client->kv != NULL)
		kv_mqtt_turn(client->kv);
	if (client->turn != NULL)
		client->turn(client->turn_arg);
}

static void client_stopped_cb(void *arg)
{
	((struct client *)arg)->stopped = true;
}

static void client_ignore_cb(void *arg)
{
	(void)arg;
}

static void client_alarm_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct client *)arg)->rang = true;
}

static void client_readable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*((struct client *)arg)->readable = true;
}

/* Steps -------------------------------------------------------------------------------------------------------- */

/* Runs the loop until *done, a failure of the connection, or `until`. */
static void client_run(struct client *client, const bool *done, uint64_t until)
{
	uint64_t now = client_now();
	uint64_t left = until > now ? until - now : 0;
	struct timeval after = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};

	client->rang = false;
	event_add(client->alarm, &after);
	while (!*done && !client->rang && (client->failure == MQTT_OK || client->persists)) {
		if (event_base_loop(client->base, EVLOOP_ONCE) != 0)
			break;
	}
	event_del(client->alarm);
}

enum exit_code client_wait_quietly(struct client *client, const bool *done, uint64_t until)
{
	client_run(client, done, until);
	if (*done)
		return RC_OK;
	return client->failure == MQTT_OK || client->persists ? RC_TIMEOUT : RC_UNREACHABLE;
}

enum exit_code client_wait(struct client *client, const bool *done, uint64_t until)
{
	enum exit_code code = client_wait_quietly(client, done, until);

	if (code == RC_UNREACHABLE)
		output_error("lost the connection to broker %s: %s", client->settings->broker_shown, client->detail);
	return code;
}

void client_renew(struct client *client)
{
	client->deadline = client_now() + client->settings->timeout;
}

const char *client_lost(const struct client *client)
{
	return client == NULL || client->failure == MQTT_OK ? NULL : client->detail;
}

void client_readable(struct client *client, int fd, bool *flag)
{
	client->readable = flag;
	if (client->reading == NULL)
		client->reading = xcheck(event_new(client->base, fd, EV_READ, client_readable_cb, client));
	event_add(client->reading, NULL);
}

static void client_make(struct client *client)
{
	static const struct mqtt_callbacks callbacks = {
		.identify = client_identify_cb,
		.connected = client_connected_cb,
		.disconnected = client_disconnected_cb,
		.subscribed = client_subscribed_cb,
		.message = client_message_cb,
		.drained = client_ignore_cb,
		.turn = client_turn_cb,
		.stopped = client_stopped_cb,
	};
	unsigned timeout = client->settings->timeout;
	struct mqtt_config config;
	struct conn conn = {.count = 1};

	sigaction(SIGPIPE, NULL, &client->on_pipe);
	client_random(&conn.nonce, sizeof(conn.nonce));
	conn_format(&conn, client->client_id);
	mqtt_config_init(&config);
	config.url = client->settings->url;
	config.tls = client->settings->tls;
	/* a little less than the whole command has, so that the transport can say which step it was that hung */
	config.connect_timeout_ms = timeout - timeout / 10;
	if (client->first != NULL) {
		client->base = client->first->base;
		client->dns = client->first->dns;
	} else {
		client->base = xcheck(event_base_new());
		client->dns = url_needs_dns(&config.url) ? mqtt_dns_new(client->base) : NULL;
	}
	client->alarm = xcheck(evtimer_new(client->base, client_alarm_cb, client));
	client->mqtt = xcheck(mqtt_new(client->base, client->dns, &config, &callbacks, client));
}

static void client_free(struct client *client)
{
	if (client->reading != NULL)
		event_free(client->reading);
	kv_mqtt_free(client->kv);
	mqtt_free(client->mqtt);
	event_free(client->alarm);
	if (client->first == NULL && client->dns != NULL)
		evdns_base_free(client->dns, 0);
	if (client->first == NULL)
		event_base_free(client->base);
	sigaction(SIGPIPE, &client->on_pipe, NULL); /* a reader of our output that goes away ends us silently */
	free(client);
}

static enum exit_code client_open_on(const struct settings *settings, struct client *first, struct client **out)
{
	struct client *client = xcalloc(1, sizeof(*client));
	enum exit_code code;

	*out = NULL;
	client->settings = settings;
	client->first = first;
	client->deadline = client_now() + settings->timeout;
	client_make(client);
	mqtt_start(client->mqtt);
	client_run(client, &client->connected, client->deadline);
	if (client->connected && client->failure == MQTT_OK) {
		*out = client;
		return RC_OK;
	}
	code = client_explain_connect(settings, client->failure, client->detail);
	client_free(client);
	return code;
}

enum exit_code client_open(const struct settings *settings, struct client **out)
{
	return client_open_on(settings, NULL, out);
}

enum exit_code client_open_beside(struct client *first, struct client **out)
{
	return client_open_on(first->settings, first, out);
}

void client_close(struct client *client)
{
	if (client == NULL)
		return;
	if (client->failure == MQTT_OK) {
		if (client->kv != NULL)
			kv_mqtt_leave(client->kv);
		mqtt_stop(client->mqtt, 100);
		client->message = client->aside = NULL;
		client->turn = NULL;
		client_run(client, &client->stopped, client_now() + 200);
	}
	client_free(client);
}

void client_listen(struct client *client, void (*message)(void *arg, const struct mqtt_message *message), void *arg)
{
	client->message = message;
	client->arg = arg;
}

void client_turns(struct client *client, void (*turn)(void *arg), void *arg)
{
	client->turn = turn;
	client->turn_arg = arg;
}

struct mqtt_traffic client_traffic(const struct client *client)
{
	return mqtt_traffic(client->mqtt);
}

/* For the broker's word on what is awaited. */
static enum exit_code client_await_grant(struct client *client)
{
	const struct settings *settings = client->settings;
	enum exit_code code = client_wait(client, &client->answered, client->deadline);
	char timeout[32];

	if (code == RC_TIMEOUT) {
		output_error("broker %s did not answer a subscription within %s", settings->broker_shown,
			     client_timeout_text(settings, timeout));
		return RC_UNREACHABLE;
	}
	if (code != RC_OK || client->granted)
		return code;
	output_error("broker %s refused the subscription to '%s': its access list does not let this user read it; "
		     "allow that ('dhtctl broker-config' makes a list that does)",
		     settings->broker_shown, client->awaited);
	return RC_REFUSED;
}

/* Of answers: with our name at the broker in it, if that can be. */
static void client_topic(const struct client *client, enum topic_kind kind, uint32_t id, char out[TOPIC_MAX])
{
	const char *user = client->settings->url.user;

	topic_format(out, client->settings->topic_prefix, kind, id, client->client_id);
	if (kind == TOPIC_REPLY && topic_user_valid(user))
		topic_add_user(out, kind, user);
}

const char *client_deaf(const struct client *client, char out[CLIENT_DEAF_MAX])
{
	out[0] = '\0';
	if (client != NULL && client->kv != NULL && client->failure == MQTT_OK && !kv_mqtt_hears(client->kv))
		snprintf(out, CLIENT_DEAF_MAX,
			 "; nor did a word to itself on '%s' come back: the broker's access list probably lets user "
			 "'%s' not read there (or not write)",
			 kv_mqtt_topic(client->kv), client->settings->url.user);
	return out;
}

enum exit_code client_subscribe(struct client *client, enum topic_kind kind, uint32_t id)
{
	const char *filter = client->awaited;

	client_topic(client, kind, id, client->awaited);
	client->answered = false;
	mqtt_subscribe(client->mqtt, &filter, 1); /* if it fails, the connection is gone, which client_wait says */
	return client_await_grant(client);
}

enum exit_code client_follow(struct client *client, const char *const *filters, size_t count,
			     void (*told)(void *arg, bool heard), void *arg)
{
	client->filters = filters;
	client->filter_count = count;
	client->heard = told;
	client->heard_arg = arg;
	client->answered = false;
	snprintf(client->awaited, sizeof(client->awaited), "%s", filters[0]);
	(void)mqtt_subscribe(client->mqtt, filters, count);
	return client_await_grant(client);
}

enum exit_code client_keys(struct client *client, struct kv_mqtt **out)
{
	enum exit_code code;

	client->answered = false;
	client->kv = kv_mqtt_new(client->base, client->mqtt, client->settings->topic_prefix, NULL, NULL);
	snprintf(client->awaited, sizeof(client->awaited), "%s", kv_mqtt_topic(client->kv));
	code = client_await_grant(client);
	client->persists = code == RC_OK;
	*out = client->kv;
	return code;
}

enum exit_code client_publish(struct client *client, enum topic_kind kind, uint32_t id, const void *payload, size_t len)
{
	char topic[TOPIC_MAX];

	client_topic(client, kind, id, topic);
	if (mqtt_publish(client->mqtt, topic, payload, len, false))
		return RC_OK;
	output_error("lost the connection to broker %s before '%s' could be sent", client->settings->broker_shown,
		     topic);
	return RC_UNREACHABLE;
}

/* Allocated. */
static uint8_t *client_encode(const struct client *client, struct frame *frame, size_t *len)
{
	char reply[TOPIC_MAX];

	client_topic(client, TOPIC_REPLY, 0, reply);
	snprintf(frame->reply, sizeof(frame->reply), "%s", reply);
	return frame_encode(frame, len);
}

enum exit_code client_send(struct client *client, enum topic_kind kind, uint32_t id, struct frame *frame)
{
	enum exit_code code;
	size_t len;
	uint8_t *bytes = client_encode(client, frame, &len);

	code = client_publish(client, kind, id, bytes, len);
	free(bytes);
	return code;
}

void client_ask_aside(struct client *client, enum topic_kind kind, struct frame *frame,
		      void (*heard)(void *arg, const struct mqtt_message *message), void *arg)
{
	char topic[TOPIC_MAX], reply[TOPIC_MAX];
	const char *filter = reply;
	size_t len;
	uint8_t *bytes = client_encode(client, frame, &len);

	client->aside = heard;
	client->aside_arg = arg;
	client_topic(client, TOPIC_REPLY, 0, reply);
	client_topic(client, kind, 0, topic);
	/* in this order, which brokers keep; if one fails, so has the connection */
	if (mqtt_subscribe(client->mqtt, &filter, 1))
		(void)mqtt_publish(client->mqtt, topic, bytes, len, false);
	free(bytes);
}

void client_end_aside(struct client *client)
{
	client->aside = NULL;
}
