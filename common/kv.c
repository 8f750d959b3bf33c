#include "kv-internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mem.h"

/* ---- effects ---- */

static void out_reset(struct kv *kv)
{
	for (size_t i = 0; i < kv->owned_count; i++)
		free(kv->owned[i]);
	kv->owned_count = kv->effect_count = 0;
}

void *kv_own(struct kv *kv, void *p)
{
	if (kv->owned_count == kv->owned_room) {
		kv->owned_room = kv->owned_room ? 2 * kv->owned_room : 16;
		kv->owned = xrealloc(kv->owned, kv->owned_room * sizeof(*kv->owned));
	}
	return kv->owned[kv->owned_count++] = p;
}

struct kv_effect *kv_effect_new(struct kv *kv, enum kv_effect_type type)
{
	if (kv->effect_count == kv->effect_room) {
		kv->effect_room = kv->effect_room ? 2 * kv->effect_room : 16;
		kv->effects = xrealloc(kv->effects, kv->effect_room * sizeof(*kv->effects));
	}
	kv->effects[kv->effect_count] = (struct kv_effect){.type = type};
	return &kv->effects[kv->effect_count++];
}

static void out_done(struct kv *kv, struct kv_update *update)
{
	uint64_t deadline = kv->due_count ? kv->due_at : kv->look_at;

	*update = (struct kv_update){
		.effects = kv->effects,
		.count = kv->effect_count,
		.deadline = deadline < kv->look_at ? deadline : kv->look_at,
	};
}

/* splitmix64: jitter only. */
uint32_t kv_random_below(struct kv *kv, uint32_t below)
{
	uint64_t z = (kv->rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return (uint32_t)((z >> 32) * below >> 32);
}

/* ---- life ---- */

void kv_config_init(struct kv_config *config)
{
	*config = (struct kv_config){.retry = 250,
				     .retry_max = 2000,
				     .token_age = 1000,
				     .long_value = 4096,
				     .frame_bytes = 64u << 10,
				     .leave_least = 32};
}

struct kv *kv_new(const struct kv_config *config)
{
	struct kv *kv = xcalloc(1, sizeof(*kv));
	char digits[2 * OPERATION_CLIENT_LEN + 1];

	kv->config = *config;
	kv->rng = config->seed;
	kv->first = kv->following = 1;
	kv->look_at = KV_NEVER;
	kv->allowed = SIZE_MAX;
	kv->open = xcalloc(KV_OPEN_MAX, sizeof(struct open_op *));
	kv->buckets = xcalloc((size_t)1 << KV_BUCKETS_LOG, sizeof(struct open_op *));
	kv->groups = xmalloc(KV_GROUPS_MAX * sizeof(*kv->groups));
	for (unsigned i = 0; i < OPERATION_CLIENT_LEN; i++) {
		digits[2 * i] = "0123456789abcdef"[config->name[i] >> 4];
		digits[2 * i + 1] = "0123456789abcdef"[config->name[i] & 15];
	}
	digits[2 * OPERATION_CLIENT_LEN] = '\0';
	topic_format(kv->topic, config->topic_prefix, TOPIC_REPLY, 0, digits);
	topic_add_user(kv->topic, TOPIC_REPLY, config->user);
	return kv;
}

static void open_free(struct open_op *o)
{
	key_free(&o->op.key);
	free((void *)(uintptr_t)o->op.value);
	free(o);
}

void kv_free(struct kv *kv)
{
	if (!kv)
		return;
	for (size_t i = 0; i < KV_OPEN_MAX; i++)
		if (kv->open[i])
			open_free(kv->open[i]);
	out_reset(kv);
	kv_owners_free(&kv->owners);
	free(kv->open);
	free(kv->buckets);
	free(kv->due);
	free(kv->groups);
	free(kv->effects);
	free(kv->owned);
	free(kv);
}

const char *kv_topic(const struct kv *kv)
{
	return kv->topic;
}

size_t kv_open(const struct kv *kv)
{
	return kv->count;
}

bool kv_full(const struct kv *kv)
{
	return kv->following - kv->first == KV_OPEN_MAX;
}

bool kv_owner(const struct kv *kv, uint32_t id, uint32_t *owner)
{
	const struct kv_owner *known = kv_owners_find(&kv->owners, id);

	if (known)
		*owner = known->id;
	return known != NULL;
}

/* ---- what is open ---- */

struct open_op *kv_open_at(const struct kv *kv, uint64_t number)
{
	struct open_op *o = kv->open[number % KV_OPEN_MAX];

	return o && o->number == number ? o : NULL;
}

/* Without a connection nothing leaves the list but what has ended. */
static void due_make_room(struct kv *kv)
{
	size_t kept = 0;

	for (size_t i = 0; i < kv->due_count; i++)
		if (kv_open_at(kv, kv->due[i]))
			kv->due[kept++] = kv->due[i];
	kv->due_count = kept;
	if (2 * kept < kv->due_room)
		return;
	kv->due_room = kv->due_room ? 2 * kv->due_room : 64;
	kv->due = xrealloc(kv->due, kv->due_room * sizeof(*kv->due));
}

static void make_due(struct kv *kv, struct open_op *o)
{
	if (o->waits || o->next == KV_NEVER)
		return;
	o->next = KV_NEVER;
	kv->due_at = 0;
	if (kv->due_count == kv->due_room)
		due_make_room(kv);
	kv->due[kv->due_count++] = o->number;
}

/* ---- one behind the other ---- */

/* Two operations on one key must not overtake each other: the frame of the first may be lost, or bear no token yet, while
 * that of the second is done.  So one waits until all ahead of it have ended, unless these read only, and so does it.
 * Those of an id are taken for those of a key: that two keys share one is rare, and costs them time only. */

/* Where the first of an id hangs, or would.  A table that never grows, of what is allocated anyway: who is alone on its key
 * pays next to nothing. */
static struct open_op **first_of_id(const struct kv *kv, uint32_t id)
{
	struct open_op **at = &kv->buckets[id * 2654435769u >> (32 - KV_BUCKETS_LOG)]; /* Knuth's multiplier */

	while (*at && (*at)->op.key.id != id)
		at = &(*at)->other;
	return at;
}

static bool has_its_turn(const struct open_op *first, const struct open_op *o)
{
	return o == first || (!operation_writes(o->op.kind) && !operation_writes(o->prev->op.kind) && !o->prev->waits);
}

static void line_up(const struct kv *kv, struct open_op *o)
{
	struct open_op **first = first_of_id(kv, o->op.key.id);

	DL_APPEND2(*first, o, prev, next_of_id);
	o->waits = !has_its_turn(*first, o);
}

/* It has ended: whose turn is it now? */
static void fall_out(struct kv *kv, struct open_op *o)
{
	struct open_op **first = first_of_id(kv, o->op.key.id), *behind = o->next_of_id;
	bool was_first = o == *first;

	DL_DELETE2(*first, o, prev, next_of_id);
	if (was_first && *first)
		(*first)->other = o->other;
	else if (was_first)
		*first = o->other;
	for (; behind && behind->waits && has_its_turn(*first, behind); behind = behind->next_of_id) {
		behind->waits = false;
		make_due(kv, behind);
	}
}

/* A loaded broker may take longer than that to answer: asked again by then, it would take longer still. */
static unsigned first_pause(const struct kv *kv)
{
	uint64_t pause = kv->delay / 2; /* four times the delay */

	if (pause < kv->config.retry)
		return kv->config.retry;
	return pause < kv->config.retry_max ? (unsigned)pause : kv->config.retry_max;
}

uint64_t kv_begin(struct kv *kv, const struct operation *op, uint64_t until)
{
	struct open_op *o;

	if (kv_full(kv))
		return 0;
	o = xcalloc(1, sizeof(*o));
	o->op = *op;
	o->op.key = key_copy(&op->key);
	o->op.value = op->value_len ? xmemdup(op->value, op->value_len) : NULL;
	o->op.sum = op->kind == OPERATION_PUT ? key_sum(&op->key, op->value, op->value_len) : 0;
	o->number = kv->following++;
	o->until = until;
	o->pause = first_pause(kv);
	kv->open[o->number % KV_OPEN_MAX] = o;
	kv->count++;
	kv->written += operation_writes(op->kind);
	if (until < kv->look_at)
		kv->look_at = until;
	line_up(kv, o);
	make_due(kv, o);
	return o->number;
}

static struct kv_effect *end(struct kv *kv, struct open_op *o, enum kv_outcome outcome,
			     const struct operation_result *result)
{
	struct kv_effect *e = kv_effect_new(kv, KV_RESULT);

	e->number = o->number;
	e->outcome = outcome;
	e->asked = o->first_sent != 0;
	if (result)
		e->result = *result;
	kv->open[o->number % KV_OPEN_MAX] = NULL;
	kv->count--;
	while (kv->first < kv->following && !kv->open[kv->first % KV_OPEN_MAX])
		kv->first++;
	fall_out(kv, o);
	open_free(o);
	return e;
}

/* Whoever has not answered in time may be gone: the cell finds whoever has the arc. */
static void look(struct kv *kv, uint64_t now)
{
	kv->look_at = KV_NEVER;
	for (uint64_t number = kv->first; number < kv->following; number++) {
		struct open_op *o = kv_open_at(kv, number);

		if (!o)
			continue;
		if (now >= o->until) {
			(void)end(kv, o, o->bore ? KV_UNKNOWN : KV_TIMEOUT, NULL);
			continue;
		}
		if (o->until < kv->look_at)
			kv->look_at = o->until;
		if (o->waits || o->next == KV_NEVER || !kv->ready)
			continue;
		if (kv->busy_at && o->next < kv->busy_at + o->wait)
			o->next = kv->busy_at + o->wait;
		if (now >= o->next) {
			if (!o->by_cell)
				kv_owners_forget(&kv->owners, o->op.key.id);
			o->by_cell = false;
			make_due(kv, o);
		} else if (o->next < kv->look_at) {
			kv->look_at = o->next;
		}
	}
}

void kv_tick(struct kv *kv, uint64_t now, struct kv_update *update)
{
	out_reset(kv);
	if (now >= kv->look_at)
		look(kv, now);
	kv_send_due(kv, now);
	out_done(kv, update);
	if (!kv->ready)
		update->deadline = kv->look_at; /* what is due waits for the connection */
}

void kv_leave(struct kv *kv, struct kv_update *update)
{
	out_reset(kv);
	if (kv->ready && !kv->count && kv->written >= kv->config.leave_least) {
		kv_send_leave(kv);
		kv->written = 0;
	}
	out_done(kv, update);
}

void kv_busy(struct kv *kv, uint64_t now)
{
	kv->busy_at = now;
}

void kv_allow(struct kv *kv, size_t bytes)
{
	kv->allowed = bytes;
}

/* ---- the connection ---- */

void kv_connected(struct kv *kv, uint64_t now, struct kv_update *update)
{
	(void)now;
	out_reset(kv);
	kv->connected = true;
	kv_effect_new(kv, KV_SUBSCRIBE)->topic = kv->topic;
	out_done(kv, update);
	update->deadline = kv->look_at;
}

void kv_disconnected(struct kv *kv)
{
	kv->connected = kv->ready = false;
}

void kv_subscribed(struct kv *kv, uint64_t now, struct kv_update *update)
{
	kv->ready = kv->connected;
	for (uint64_t number = kv->first; number < kv->following; number++) {
		struct open_op *o = kv_open_at(kv, number);

		if (o)
			make_due(kv, o); /* its answer may have gone with the connection before */
	}
	kv_tick(kv, now, update);
}

/* ---- answers ---- */

static void take(struct kv *kv, uint64_t now, const struct operation_answer *a, const struct operation_result *r,
		 struct open_op *o)
{
	struct kv_effect *e;

	switch (r->status) {
	case ANSWER_TOKEN:
		if (o->token.number || !operation_writes(o->op.kind))
			return; /* said to an earlier sending */
		if (!a->token.number)
			return; /* of no use, and asked again at once it would come again at once */
		o->token = a->token;
		o->token_at = now;
		make_due(kv, o);
		return;
	case ANSWER_MOVED:
		if (o->next == KV_NEVER)
			return;
		kv_owners_forget(&kv->owners, o->op.key.id);
		o->by_cell = true;
		make_due(kv, o);
		return;
	case ANSWER_UNKNOWN:
		if (o->bore)
			(void)end(kv, o, KV_UNKNOWN, NULL);
		return;
	default:
		/* Of a write without a token nothing can have been done: no answer to it. */
		if (operation_writes(o->op.kind) && !o->bore)
			return;
		/* Changed on its way: not believed, and asked again. */
		if (r->sum && r->value && r->sum != key_sum(&o->op.key, r->value, r->value_len))
			return;
		e = end(kv, o, KV_DONE, r);
		e->arc_set = a->arc_set;
		e->arc = a->arc;
		return;
	}
}

/* Others that wait may be this owner's; and for one that went by its cell two may go. */
static void learn(struct kv *kv, const struct kv_owner *owner)
{
	kv_owners_learn(&kv->owners, owner);
	kv->cells -= kv->cells < 2 ? kv->cells : 2;
	kv->due_at = 0;
}

const char *kv_message(struct kv *kv, uint64_t now, const uint8_t *payload, size_t len, struct kv_update *update)
{
	struct operation_answer a;
	const char *why = operation_decode_answer(&a, &kv->room, payload, len);
	uint64_t asked = KV_NEVER;

	out_reset(kv);
	for (size_t i = 0; !why && i < a.count; i++) {
		const struct open_op *o = kv_open_at(kv, a.base + a.results[i].offset);

		if (o && o->first_sent && o->first_sent < asked)
			asked = o->first_sent;
	}
	/* An answer to nothing that was asked teaches nothing. */
	if (!why && asked != KV_NEVER && now >= asked)
		kv->delay += now - asked - kv->delay / 8;
	if (!why && a.arc_set && asked != KV_NEVER)
		learn(kv, &(struct kv_owner){a.arc, a.owner, a.token, asked});
	for (size_t i = 0; !why && i < a.count; i++) {
		struct open_op *o = kv_open_at(kv, a.base + a.results[i].offset);

		if (o && o->first_sent)
			take(kv, now, &a, &a.results[i], o);
	}
	out_done(kv, update);
	return why;
}
