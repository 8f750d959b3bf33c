#include "kv-mqtt.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <event2/event.h>

#include "mem.h"

#define NEVER UINT64_MAX

/* Who waits for a number. */
struct waiting {
	kv_mqtt_done done;
	void *arg;
	uint32_t id;
};

struct kv_mqtt {
	struct mqtt *mqtt;
	struct kv *kv;
	struct event *timer;
	uint64_t deadline; /* when kv_tick is to be called; the timer is set to it */
	bool heard;        /* on this connection: anything on our topic */
	void (*ready)(void *arg, bool granted);
	void *arg;
	/* By number.  Twice as many as may be open: when the callback of one result begins another, what ended with that
	 * result has its number free already, and waits to be told. */
	struct waiting waiting[2 * KV_OPEN_MAX];
};

static uint64_t clock_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void set_deadline(struct kv_mqtt *k, uint64_t deadline)
{
	uint64_t now, left;
	struct timeval after;

	if (deadline == k->deadline)
		return;
	k->deadline = deadline;
	if (deadline == NEVER) {
		(void)evtimer_del(k->timer);
		return;
	}
	now = clock_now();
	left = deadline > now ? deadline - now : 0;
	after = (struct timeval){.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};
	(void)evtimer_add(k->timer, &after);
}

/* ---- effects ---- */

static struct waiting *waiting_for(struct kv_mqtt *k, uint64_t number)
{
	return &k->waiting[number % (2 * KV_OPEN_MAX)];
}

static void tell(struct kv_mqtt *k, const struct kv_effect *e)
{
	struct waiting *w = waiting_for(k, e->number);
	struct waiting who = *w;
	struct kv_mqtt_result result = {
		.outcome = e->outcome, .asked = e->asked, .answer = e->outcome == KV_DONE ? &e->result : NULL};

	w->done = NULL;
	if (e->outcome == KV_DONE && e->arc_set)
		result.arc = &e->arc;
	result.has_owner = kv_owner(k->kv, who.id, &result.owner);
	who.done(who.arg, &result);
}

static void carry_out(struct kv_mqtt *k, const struct kv_update *update)
{
	set_deadline(k, update->deadline); /* ahead of the callbacks, which may begin something */
	for (size_t i = 0; i < update->count; i++) {
		const struct kv_effect *e = &update->effects[i];

		switch (e->type) {
		case KV_SUBSCRIBE:
			(void)mqtt_subscribe(k->mqtt, &e->topic, 1); /* if it fails, so has the connection */
			break;
		case KV_PUBLISH:
			(void)mqtt_publish(k->mqtt, e->topic, e->payload, e->len, false);
			break;
		case KV_RESULT:
			tell(k, e);
			break;
		}
	}
}

static void look_at_line(struct kv_mqtt *k)
{
	size_t backlog = mqtt_backlog(k->mqtt);

	kv_allow(k->kv, backlog < KV_MQTT_BACKLOG_MAX ? KV_MQTT_BACKLOG_MAX - backlog : 0);
	if (mqtt_is_blocked(k->mqtt))
		kv_busy(k->kv, clock_now());
}

static void tick(struct kv_mqtt *k)
{
	struct kv_update update;

	k->deadline = NEVER;
	(void)evtimer_del(k->timer);
	look_at_line(k);
	kv_tick(k->kv, clock_now(), &update);
	carry_out(k, &update);
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick(arg);
}

/* ---- the connection ---- */

void kv_mqtt_connected(struct kv_mqtt *k)
{
	struct kv_update update;

	k->heard = false;
	kv_connected(k->kv, clock_now(), &update);
	carry_out(k, &update);
}

void kv_mqtt_disconnected(struct kv_mqtt *k)
{
	kv_disconnected(k->kv);
}

bool kv_mqtt_subscribed(struct kv_mqtt *k, const char *filter, bool granted)
{
	struct kv_update update;

	if (strcmp(filter, kv_topic(k->kv)) != 0)
		return false;
	if (granted) {
		look_at_line(k);
		(void)mqtt_publish(k->mqtt, filter, "", 0, false); /* to ourselves: does the broker mean it? */
		kv_subscribed(k->kv, clock_now(), &update);
		carry_out(k, &update);
	}
	if (k->ready)
		k->ready(k->arg, granted);
	return true;
}

bool kv_mqtt_message(struct kv_mqtt *k, const struct mqtt_message *message)
{
	struct kv_update update;

	if (strcmp(message->topic, kv_topic(k->kv)) != 0)
		return false;
	/* What was retained answers nobody; what is no answer is dropped by kv_message. */
	if (message->retained)
		return true;
	k->heard = true;
	if (message->len == 0)
		return true;
	(void)kv_message(k->kv, clock_now(), message->payload, message->len, &update);
	carry_out(k, &update);
	return true;
}

void kv_mqtt_turn(struct kv_mqtt *k)
{
	look_at_line(k);
	if (k->deadline != NEVER && k->deadline <= clock_now())
		tick(k);
}

void kv_mqtt_leave(struct kv_mqtt *k)
{
	struct kv_update update;

	kv_leave(k->kv, &update);
	carry_out(k, &update);
}

bool kv_mqtt_hears(const struct kv_mqtt *k)
{
	return k->heard;
}

const char *kv_mqtt_topic(const struct kv_mqtt *k)
{
	return kv_topic(k->kv);
}

/* ---- operations ---- */

bool kv_mqtt_begin(struct kv_mqtt *k, const struct operation *op, uint64_t timeout_ms, kv_mqtt_done done, void *arg)
{
	uint64_t number = kv_begin(k->kv, op, clock_now() + timeout_ms);

	if (number == 0)
		return false;
	*waiting_for(k, number) = (struct waiting){done, arg, op->key.id};
	set_deadline(k, 0); /* with the end of this turn of the loop */
	return true;
}

size_t kv_mqtt_open(const struct kv_mqtt *k)
{
	return kv_open(k->kv);
}

bool kv_mqtt_full(const struct kv_mqtt *k)
{
	return kv_full(k->kv);
}

/* ---- life ---- */

static void fill_random(void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len)
		mem_die("the kernel gives no random numbers");
}

struct kv_mqtt *kv_mqtt_new(struct event_base *base, struct mqtt *mqtt, const char *topic_prefix,
			    void (*ready)(void *arg, bool granted), void *arg)
{
	struct kv_mqtt *k = xcalloc(1, sizeof(*k));
	struct kv_config config;

	assert(topic_prefix_valid(topic_prefix));
	kv_config_init(&config);
	(void)snprintf(config.topic_prefix, sizeof(config.topic_prefix), "%s", topic_prefix);
	if (topic_user_valid(mqtt_user(mqtt)))
		(void)snprintf(config.user, sizeof(config.user), "%s", mqtt_user(mqtt));
	fill_random(config.name, sizeof(config.name));
	fill_random(&config.seed, sizeof(config.seed));
	k->mqtt = mqtt;
	k->kv = kv_new(&config);
	k->timer = xcheck(evtimer_new(base, timer_cb, k));
	k->deadline = NEVER;
	k->ready = ready;
	k->arg = arg;
	if (mqtt_is_connected(mqtt))
		kv_mqtt_connected(k);
	return k;
}

void kv_mqtt_free(struct kv_mqtt *k)
{
	if (!k)
		return;
	event_free(k->timer);
	kv_free(k->kv);
	free(k);
}
