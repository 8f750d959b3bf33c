/* The client's half of PROTOCOL.md section 11: operations out, answers in, retries, what it has learnt of owners.
 *
 * A value and a few functions: events and the time in, effects out, like the node's core, and as pure: no I/O, no clock, no
 * random number that was not seeded from outside.  Any program with an MQTT connection can drive it; kv-mqtt.h is the
 * shell for libevent, and the simulator is another.
 *
 * Ownership: what a call points at is borrowed for the call and copied if kept; effects and what they point at are valid
 * until the next call with an update (kv_begin leaves them, so that one operation's end may begin another).  Memory that
 * cannot be had ends the process. */
#ifndef DHT_KV_H
#define DHT_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operation.h"
#include "topic.h"

/* Numbers open at once: as many as a node listens to (section 11, rule 4). */
#define KV_OPEN_MAX 8192

struct kv_config {
	char topic_prefix[TOPIC_PREFIX_MAX + 1];
	uint8_t name[OPERATION_CLIENT_LEN]; /* random, never used before by anybody */
	uint64_t seed;                      /* of the jitter of retries */
	unsigned retry;     /* 250 ms: until the first (longer where answers are slow), then twice that ... */
	unsigned retry_max; /* 2000 ms */
	unsigned token_age; /* 1000 ms: a token asked for longer ago begins no write */
	size_t long_value;  /* 4096: a value longer than that goes out with a token only */
	size_t frame_bytes; /* 65536: a frame holds as much, or one operation */
	char user[TOPIC_USER_MAX + 1]; /* by which the broker knows us; "": not in our topics */
	size_t leave_least;            /* 32: so many writes are worth a frame to each owner when the client goes */
};
void kv_config_init(struct kv_config *config);

enum kv_outcome {
	KV_DONE,    /* answered: see the result's status */
	KV_TIMEOUT, /* no answer in time; nothing has been done: a read, or a write that no frame with a token bore */
	KV_UNKNOWN, /* a write that may have been done, or may yet be */
};

enum kv_effect_type {
	KV_SUBSCRIBE, /* topic */
	KV_PUBLISH,   /* topic, payload, len */
	KV_RESULT,    /* number, outcome, result: the operation's end */
};

struct kv_effect {
	enum kv_effect_type type;
	const char *topic;
	const uint8_t *payload;
	size_t len;
	uint64_t number;
	enum kv_outcome outcome;
	bool asked;                     /* it was sent, with a token or without */
	struct operation_result result; /* KV_DONE: of this operation; offset means nothing */
	bool arc_set;
	struct arc arc; /* of the owner who said so; a listing goes on behind it */
};

struct kv_update {
	const struct kv_effect *effects;
	size_t count;
	uint64_t deadline; /* call kv_tick at this time at the latest; UINT64_MAX: no need */
};

struct kv;
struct kv *kv_new(const struct kv_config *config);
void kv_free(struct kv *kv);

/* Its reply topic, subscribed by KV_SUBSCRIBE after each kv_connected. */
const char *kv_topic(const struct kv *kv);

/* The connection.  Nothing is sent before the subscription is granted; what is open then goes out again. */
void kv_connected(struct kv *kv, uint64_t now, struct kv_update *update);
void kv_disconnected(struct kv *kv);
void kv_subscribed(struct kv *kv, uint64_t now, struct kv_update *update);
/* A message on the reply topic.  NULL, or why it was dropped, as a static text. */
const char *kv_message(struct kv *kv, uint64_t now, const uint8_t *payload, size_t len, struct kv_update *update);
/* Sends what is due: to be called at the deadline, and when all that is to be begun for now has been (what was begun since
 * the last call shares frames). */
void kv_tick(struct kv *kv, uint64_t now, struct kv_update *update);

/* The program goes, and nothing is open: tells the owners that are known that no answer is wanted again (section 11, rule
 * 4).  Nothing is lost without it, and more may be begun behind it. */
void kv_leave(struct kv *kv, struct kv_update *update);

/* What was published still waits here for the line, now: no pause counts before that is over.  What is asked again would
 * wait behind it, and take the place of what has not been asked yet. */
void kv_busy(struct kv *kv, uint64_t now);

/* So many bytes may go out from now on, until the next call; before the first there is no bound.  The operation that uses
 * them up still goes; what is due beyond it counts as not sent, and goes when more may. */
void kv_allow(struct kv *kv, size_t bytes);

/* Begins an operation (op->offset means nothing); returns its number, or 0 if KV_OPEN_MAX numbers are open.  It ends with
 * KV_RESULT, at `until` at the latest.
 *
 * Operations on one key take effect in the order in which they were begun: one that writes is not sent before all ahead of
 * it have ended, one that reads not before all ahead that write, and its time runs meanwhile.  Only what ended as KV_UNKNOWN
 * may take effect later than what was begun behind it.  Between keys there is no order. */
uint64_t kv_begin(struct kv *kv, const struct operation *op, uint64_t until);

size_t kv_open(const struct kv *kv); /* operations that have not ended */
bool kv_full(const struct kv *kv);   /* kv_begin would return 0 */

/* Whose arc an id lies in, by the last answer; false if none has told. */
bool kv_owner(const struct kv *kv, uint32_t id, uint32_t *owner);

#endif
