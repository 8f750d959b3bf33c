/* The ring's client for programs that run on libevent: get, put, delete, compare-and-set and counting, by callbacks.
 *
 * It speaks PROTOCOL.md section 11 over a connection (mqtt.h) that stays the program's, which may use it for anything
 * else beside.  What happens there is handed on, each by the function of the same name; so from the first line to an
 * answer:
 *
 *	static void hits_cb(void *arg, const struct kv_mqtt_result *result)
 *	{
 *		if (result->outcome == KV_DONE && result->answer->status == ANSWER_DONE)
 *			printf("hit number %lld\n", (long long)result->answer->amount);
 *	}
 *
 *	mqtt = mqtt_new(base, dns, &config, &callbacks, arg);  // callbacks call kv_mqtt_connected and so on
 *	kv = kv_mqtt_new(base, mqtt, "", NULL, NULL);
 *	mqtt_start(mqtt);
 *	op = (struct operation){.kind = OPERATION_ADD, .key = key_named((const uint8_t *)"hits", 4), .amount = 1};
 *	kv_mqtt_begin(kv, &op, 5000, hits_cb, NULL);
 *	event_base_dispatch(base);
 *
 * An operation may begin at any time, also before there is a connection, also from a callback; what begins within one
 * turn of the loop shares frames.  It is asked again by itself, also on the next connection, and a write is never done
 * twice for that.  Every operation ends with one callback, in its own time-out at the latest:
 *
 *   KV_DONE     it was answered: ANSWER_DONE; or ANSWER_ABSENT (get, look, delete: there is no record), ANSWER_FAILED
 *               (the condition did not hold), ANSWER_WRONG (add, sub: the record is no number, or the sum is beyond 64
 *               bits)
 *   KV_TIMEOUT  nobody answered, and nothing has been done
 *   KV_UNKNOWN  a write that may have been done, or may yet be
 *
 * Nothing here is process-wide (but mqtt.c ignores SIGPIPE): as many as one likes stand side by side, also on one
 * connection.  It is not for several threads at once.  Memory that cannot be had ends the process. */
#ifndef DHT_KV_MQTT_H
#define DHT_KV_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kv.h"
#include "mqtt.h"

/* Above so many bytes on their way to the broker nothing is added to them: it waits.  Retries of long values would pile up
 * behind a slow broker until mqtt.c gave the connection up. */
#define KV_MQTT_BACKLOG_MAX ((size_t)8 << 20)

struct kv_mqtt;

struct kv_mqtt_result {
	enum kv_outcome outcome;
	bool asked; /* false: its time was up before it could be sent, for want of a connection or behind others of its key */
	/* KV_DONE; else NULL.  Valid, with its value, until the callback returns. */
	const struct operation_result *answer;
	bool has_owner;
	uint32_t owner;        /* the id of the node that has the key, by the last answer */
	const struct arc *arc; /* KV_DONE: what that node owns there, if it said so; else NULL */
};
typedef void (*kv_mqtt_done)(void *arg, const struct kv_mqtt_result *result);

/* base and mqtt are borrowed for its life; the connection may stand already.  topic_prefix: as topic_prefix_valid has
 * it.  ready, or NULL, is told on each connection whether the broker lets us read our answers; before it does nothing
 * is sent. */
struct kv_mqtt *kv_mqtt_new(struct event_base *base, struct mqtt *mqtt, const char *topic_prefix,
			    void (*ready)(void *arg, bool granted), void *arg);
/* Not from a callback of ours.  What is open ends without one.  NULL is fine. */
void kv_mqtt_free(struct kv_mqtt *k);

/* Ahead of mqtt_stop, when nothing is open: what the nodes remember of our writes goes (kv_leave).  Nothing is lost
 * without it. */
void kv_mqtt_leave(struct kv_mqtt *k);

/* Where our answers come: what an access list has to let us read, and write (an empty word to ourselves, each time that
 * the broker has granted it), and what error lines may name.  A user name that can be a level of a topic
 * (topic_user_valid) is one in it, and in those on which we ask: the broker can bind it to who we are. */
const char *kv_mqtt_topic(const struct kv_mqtt *k);

/* Has anything come there on this connection?  Mosquitto grants a subscription whatever its access list says. */
bool kv_mqtt_hears(const struct kv_mqtt *k);

/* The connection, as struct mqtt_callbacks has it.  True: it was for us. */
void kv_mqtt_connected(struct kv_mqtt *k);
void kv_mqtt_disconnected(struct kv_mqtt *k);
bool kv_mqtt_subscribed(struct kv_mqtt *k, const char *filter, bool granted);
bool kv_mqtt_message(struct kv_mqtt *k, const struct mqtt_message *message);
void kv_mqtt_turn(struct kv_mqtt *k);

/* Begins an operation (operation.h says which has what; its offset means nothing); what it points at is copied.
 * False, and no callback, if KV_OPEN_MAX are open, or the oldest of that many is (see kv_mqtt_full). */
bool kv_mqtt_begin(struct kv_mqtt *k, const struct operation *op, uint64_t timeout_ms, kv_mqtt_done done, void *arg);

size_t kv_mqtt_open(const struct kv_mqtt *k); /* operations that have not ended */
bool kv_mqtt_full(const struct kv_mqtt *k);   /* kv_mqtt_begin would return false; from a callback of ours it may be */

#endif
