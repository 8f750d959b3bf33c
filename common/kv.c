#include "kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kv-owners.h"
#include "mem.h"

#define NEVER UINT64_MAX
#define GROUPS_MAX 64 /* frames filled at once */
/* Without an owner an operation shares its frame with those of its cell only, and cells are many: all that is open, after
 * a stall, would be thousands of frames, which bring on the next.  So many go ahead; their answers tell whose the others
 * are, and if none comes as many more follow each time. */
#define CELLS_MAX 64
#define CELLS_PAUSE 5 /* ms */

/* An operation that has not ended. */
struct open_op {
	struct operation op; /* its name and value are ours */
	uint64_t number;
	uint64_t until;
	uint64_t first_sent, next; /* 0: never; when it goes out (again), NEVER: it waits to be sent now */
	unsigned pause;
	struct operation_token token; /* number 0: none yet */
	bool by_cell;                 /* the owner that was known has moved, or says nothing */
};

/* Operations that go out together. */
struct group {
	bool to_owner;
	uint32_t to;                  /* the owner, or any id of the cell */
	struct operation_token token; /* of its writes; reads need none */
	bool writes;
	size_t bytes, count;
	struct open_op *ops[OPERATION_COUNT_MAX];
};

struct kv {
	struct kv_config config;
	char topic[TOPIC_MAX];
	uint64_t rng;
	bool connected, ready;
	uint64_t first, following; /* the lowest open number; the next to be given */
	size_t count;              /* open */
	struct open_op **open;     /* by number, modulo KV_OPEN_MAX */
	uint64_t *due;             /* numbers to be sent now, in order */
	size_t due_count, due_room;
	uint64_t due_at;   /* when to look at them; 0: now */
	uint64_t cells_at; /* when CELLS_MAX more may go by their cells */
	unsigned cells;    /* frames that went to them meanwhile, less two for each answer */
	uint64_t delay;    /* of answers, in eighths of a millisecond: an average of the latest */
	uint64_t look_at;  /* when retries and time-outs are to be looked for */
	struct kv_owners owners;
	struct group *groups;
	size_t group_count;
	struct operation_room room;

	struct kv_effect *effects;
	size_t effect_count, effect_room;
	void **owned;
	size_t owned_count, owned_room;
};

/* ---- effects ---- */

static void out_reset(struct kv *kv)
{
	for (size_t i = 0; i < kv->owned_count; i++)
		free(kv->owned[i]);
	kv->owned_count = kv->effect_count = 0;
}

static void *out_own(struct kv *kv, void *p)
{
	if (kv->owned_count == kv->owned_room) {
		kv->owned_room = kv->owned_room ? 2 * kv->owned_room : 16;
		kv->owned = xrealloc(kv->owned, kv->owned_room * sizeof(*kv->owned));
	}
	return kv->owned[kv->owned_count++] = p;
}

static struct kv_effect *out_effect(struct kv *kv, enum kv_effect_type type)
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
static uint32_t random_below(struct kv *kv, uint32_t below)
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
	*config = (struct kv_config){
		.retry = 250, .retry_max = 2000, .token_age = 1000, .long_value = 4096, .frame_bytes = 64u << 10};
}

struct kv *kv_new(const struct kv_config *config)
{
	struct kv *kv = xcalloc(1, sizeof(*kv));
	char digits[2 * OPERATION_CLIENT_LEN + 1];

	kv->config = *config;
	kv->rng = config->seed;
	kv->first = kv->following = 1;
	kv->look_at = NEVER;
	kv->open = xcalloc(KV_OPEN_MAX, sizeof(struct open_op *));
	kv->groups = xmalloc(GROUPS_MAX * sizeof(*kv->groups));
	for (unsigned i = 0; i < OPERATION_CLIENT_LEN; i++) {
		digits[2 * i] = "0123456789abcdef"[config->name[i] >> 4];
		digits[2 * i + 1] = "0123456789abcdef"[config->name[i] & 15];
	}
	digits[2 * OPERATION_CLIENT_LEN] = '\0';
	topic_format(kv->topic, config->topic_prefix, TOPIC_REPLY, 0, digits);
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

static struct open_op *open_at(const struct kv *kv, uint64_t number)
{
	struct open_op *o = kv->open[number % KV_OPEN_MAX];

	return o && o->number == number ? o : NULL;
}

static void make_due(struct kv *kv, struct open_op *o)
{
	if (o->next == NEVER)
		return;
	o->next = NEVER;
	kv->due_at = 0;
	if (kv->due_count == kv->due_room) {
		kv->due_room = kv->due_room ? 2 * kv->due_room : 64;
		kv->due = xrealloc(kv->due, kv->due_room * sizeof(*kv->due));
	}
	kv->due[kv->due_count++] = o->number;
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
	o->number = kv->following++;
	o->until = until;
	o->pause = first_pause(kv);
	kv->open[o->number % KV_OPEN_MAX] = o;
	kv->count++;
	if (until < kv->look_at)
		kv->look_at = until;
	make_due(kv, o);
	return o->number;
}

static struct kv_effect *end(struct kv *kv, struct open_op *o, enum kv_outcome outcome,
			     const struct operation_result *result)
{
	struct kv_effect *e = out_effect(kv, KV_RESULT);

	e->number = o->number;
	e->outcome = outcome;
	if (result)
		e->result = *result;
	kv->open[o->number % KV_OPEN_MAX] = NULL;
	kv->count--;
	while (kv->first < kv->following && !kv->open[kv->first % KV_OPEN_MAX])
		kv->first++;
	open_free(o);
	return e;
}

/* ---- sending ---- */

static bool same_token(const struct operation_token *a, const struct operation_token *b)
{
	return a->number == b->number && a->counter == b->counter && a->ring == b->ring;
}

static void group_send(struct kv *kv, struct group *g)
{
	struct operation operations[OPERATION_COUNT_MAX];
	struct operation_request rq = {.base = UINT64_MAX, .first = kv->first, .token = g->token};
	struct kv_effect *e;
	char topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	for (size_t i = 0; i < g->count; i++)
		if (g->ops[i]->number < rq.base)
			rq.base = g->ops[i]->number;
	for (size_t i = 0; i < g->count; i++) {
		operations[i] = g->ops[i]->op;
		operations[i].offset = (uint32_t)(g->ops[i]->number - rq.base);
		/* Nothing is done without a token: then its value is not needed yet. */
		if (operation_writes(operations[i].kind) && !g->ops[i]->token.number &&
		    operations[i].value_len > kv->config.long_value)
			operations[i].value_len = 0;
	}
	memcpy(rq.client, kv->config.name, sizeof(rq.client));
	rq.operations = operations;
	rq.count = g->count;
	bytes = out_own(kv, operation_encode_request(&rq, &len));
	topic_format(topic, kv->config.topic_prefix, g->to_owner ? TOPIC_ASK : TOPIC_CELL, g->to, NULL);
	e = out_effect(kv, KV_PUBLISH);
	e->topic = out_own(kv, xstrdup(topic));
	e->payload = bytes;
	e->len = len;
}

static void send_groups(struct kv *kv)
{
	for (size_t i = 0; i < kv->group_count; i++)
		group_send(kv, &kv->groups[i]);
	kv->group_count = 0;
}

static bool fits(const struct group *g, const struct open_op *o, bool to_owner, uint32_t to)
{
	return g->to_owner == to_owner && (to_owner ? g->to == to : g->to >> 16 == to >> 16) &&
	       (!operation_writes(o->op.kind) || !g->writes || same_token(&g->token, &o->token));
}

/* False: too many go by their cells already. */
static bool put_into_group(struct kv *kv, struct open_op *o, bool to_owner, uint32_t to)
{
	size_t size = operation_size(&o->op), i = 0;
	struct group *g;

	while (i < kv->group_count && !fits(&kv->groups[i], o, to_owner, to))
		i++;
	if (i == kv->group_count && !to_owner && kv->cells == CELLS_MAX)
		return false;
	if (i == GROUPS_MAX) {
		send_groups(kv);
		i = 0;
	}
	g = &kv->groups[i];
	if (i == kv->group_count) {
		*g = (struct group){.to_owner = to_owner, .to = to};
		kv->group_count++;
		kv->cells += !to_owner;
	} else if (g->count == OPERATION_COUNT_MAX || g->bytes + size > kv->config.frame_bytes) {
		group_send(kv, g);
		*g = (struct group){.to_owner = to_owner, .to = to};
	}
	if (operation_writes(o->op.kind)) {
		g->token = o->token;
		g->writes = true;
	}
	g->ops[g->count++] = o;
	g->bytes += size;
	return true;
}

/* False: too many go by their cells already. */
static bool send_one(struct kv *kv, struct open_op *o, uint64_t now)
{
	const struct kv_owner *owner = kv_owners_find(&kv->owners, o->op.key.id);
	bool to_owner = owner && !o->by_cell;
	struct operation_token before = o->token;

	/* The first sending with a token settles which. */
	if (operation_writes(o->op.kind) && !o->token.number && owner && now - owner->asked <= kv->config.token_age)
		o->token = owner->token;
	if (!put_into_group(kv, o, to_owner, to_owner ? owner->id : o->op.key.id)) {
		o->token = before;
		return false;
	}
	if (!o->first_sent)
		o->first_sent = now ? now : 1;
	o->next = now + o->pause + random_below(kv, o->pause / 4 + 1);
	o->pause = 2 * o->pause < kv->config.retry_max ? 2 * o->pause : kv->config.retry_max;
	if (o->next < kv->look_at)
		kv->look_at = o->next;
	return true;
}

/* Whoever has not answered in time may be gone: the cell finds whoever has the arc. */
static void look(struct kv *kv, uint64_t now)
{
	kv->look_at = NEVER;
	for (uint64_t number = kv->first; number < kv->following; number++) {
		struct open_op *o = open_at(kv, number);

		if (!o)
			continue;
		if (now >= o->until) {
			(void)end(kv, o, operation_writes(o->op.kind) && o->token.number ? KV_UNKNOWN : KV_TIMEOUT,
				  NULL);
			continue;
		}
		if (o->until < kv->look_at)
			kv->look_at = o->until;
		if (o->next == NEVER || !kv->ready)
			continue;
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

static void send_due(struct kv *kv, uint64_t now)
{
	size_t kept = 0;

	if (!kv->ready)
		return;
	if (now >= kv->cells_at) {
		kv->cells = 0;
		kv->cells_at = now + CELLS_PAUSE;
	}
	for (size_t i = 0; i < kv->due_count; i++) {
		struct open_op *o = open_at(kv, kv->due[i]);

		if (o && o->next == NEVER && !send_one(kv, o, now))
			kv->due[kept++] = o->number;
	}
	kv->due_count = kept;
	kv->due_at = kv->cells_at;
	send_groups(kv);
}

void kv_tick(struct kv *kv, uint64_t now, struct kv_update *update)
{
	out_reset(kv);
	if (now >= kv->look_at)
		look(kv, now);
	send_due(kv, now);
	out_done(kv, update);
	if (!kv->ready)
		update->deadline = kv->look_at; /* what is due waits for the connection */
}

/* ---- the connection ---- */

void kv_connected(struct kv *kv, uint64_t now, struct kv_update *update)
{
	(void)now;
	out_reset(kv);
	kv->connected = true;
	out_effect(kv, KV_SUBSCRIBE)->topic = kv->topic;
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
		struct open_op *o = open_at(kv, number);

		if (o)
			make_due(kv, o); /* its answer may have gone with the connection before */
	}
	kv_tick(kv, now, update);
}

/* ---- answers ---- */

static void take(struct kv *kv, const struct operation_answer *a, const struct operation_result *r, struct open_op *o)
{
	struct kv_effect *e;

	switch (r->status) {
	case ANSWER_TOKEN:
		if (o->token.number || !operation_writes(o->op.kind))
			return; /* said to an earlier sending */
		o->token = a->token;
		make_due(kv, o);
		return;
	case ANSWER_MOVED:
		if (o->next == NEVER)
			return;
		kv_owners_forget(&kv->owners, o->op.key.id);
		o->by_cell = true;
		make_due(kv, o);
		return;
	case ANSWER_UNKNOWN:
		if (o->token.number)
			(void)end(kv, o, KV_UNKNOWN, NULL);
		return;
	default:
		/* Of a write without a token nothing can have been done: no answer to it. */
		if (operation_writes(o->op.kind) && !o->token.number)
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
	uint64_t asked = NEVER;

	out_reset(kv);
	for (size_t i = 0; !why && i < a.count; i++) {
		const struct open_op *o = open_at(kv, a.base + a.results[i].offset);

		if (o && o->first_sent && o->first_sent < asked)
			asked = o->first_sent;
	}
	/* An answer to nothing that was asked teaches nothing. */
	if (!why && asked != NEVER && now >= asked)
		kv->delay += now - asked - kv->delay / 8;
	if (!why && a.arc_set && asked != NEVER)
		learn(kv, &(struct kv_owner){a.arc, a.owner, a.token, asked});
	for (size_t i = 0; !why && i < a.count; i++) {
		struct open_op *o = open_at(kv, a.base + a.results[i].offset);

		if (o && o->first_sent)
			take(kv, &a, &a.results[i], o);
	}
	out_done(kv, update);
	return why;
}
