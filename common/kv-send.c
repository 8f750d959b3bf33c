/* Which operations share a frame, to whom it goes, and with which token (PROTOCOL.md section 11). */
#include <string.h>

#include "kv-internal.h"
#include "mem.h"

/* Without an owner an operation shares its frame with those of its cell only, and cells are many: all that is open, after
 * a stall, would be thousands of frames, which bring on the next.  So many go ahead; their answers tell whose the others
 * are, and if none comes as many more follow each time. */
#define CELLS_MAX 64
#define CELLS_PAUSE 5 /* ms */

static bool same_token(const struct operation_token *a, const struct operation_token *b)
{
	return a->number == b->number && a->counter == b->counter && a->ring == b->ring;
}

/* Nothing is done without a token: then a long value is not needed yet. */
static size_t value_to_send(const struct kv *kv, const struct open_op *o)
{
	bool bare = operation_writes(o->op.kind) && !o->token.number;

	return bare && o->op.value_len > kv->config.long_value ? 0 : o->op.value_len;
}

static void publish(struct kv *kv, struct operation_request *rq, enum topic_kind kind, uint32_t to)
{
	struct kv_effect *e;
	char topic[TOPIC_MAX];
	uint8_t *bytes;
	size_t len;

	rq->first = kv->first;
	memcpy(rq->client, kv->config.name, sizeof(rq->client));
	bytes = kv_own(kv, operation_encode_request(rq, &len));
	topic_format(topic, kv->config.topic_prefix, kind, to, NULL);
	topic_add_user(topic, kind, kv->config.user);
	e = kv_effect_new(kv, KV_PUBLISH);
	e->topic = kv_own(kv, xstrdup(topic));
	e->payload = bytes;
	e->len = len;
}

static void group_send(struct kv *kv, struct group *g)
{
	struct operation operations[OPERATION_COUNT_MAX];
	struct operation_request rq = {.base = UINT64_MAX, .token = g->token};

	for (size_t i = 0; i < g->count; i++)
		if (g->ops[i]->number < rq.base)
			rq.base = g->ops[i]->number;
	for (size_t i = 0; i < g->count; i++) {
		operations[i] = g->ops[i]->op;
		operations[i].offset = (uint32_t)(g->ops[i]->number - rq.base);
		operations[i].value_len = value_to_send(kv, g->ops[i]);
		if (operations[i].value_len != g->ops[i]->op.value_len)
			operations[i].sum = 0; /* that is of the whole value */
	}
	rq.operations = operations;
	rq.count = g->count;
	publish(kv, &rq, g->to_owner ? TOPIC_ASK : TOPIC_CELL, g->to);
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
	if (i == KV_GROUPS_MAX) {
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

/* The first sending with a token settles which: until then none that has grown old is kept. */
static void choose_token(const struct kv *kv, struct open_op *o, const struct kv_owner *owner, uint64_t now)
{
	if (o->token.number && now - o->token_at > kv->config.token_age)
		o->token = (struct operation_token){0};
	if (!o->token.number && owner && now - owner->asked <= kv->config.token_age) {
		o->token = owner->token;
		o->token_at = owner->asked;
	}
}

/* It goes out with the size that operation_size gives, but for its value. */
static void use_up(struct kv *kv, const struct open_op *o)
{
	size_t size = operation_size(&o->op) - o->op.value_len + value_to_send(kv, o);

	kv->allowed -= size < kv->allowed ? size : kv->allowed;
}

/* False: too many go by their cells already, or too much. */
static bool send_one(struct kv *kv, struct open_op *o, uint64_t now)
{
	const struct kv_owner *owner = kv_owners_find(&kv->owners, o->op.key.id);
	bool to_owner = owner && !o->by_cell;

	if (!kv->allowed)
		return false;
	if (operation_writes(o->op.kind) && !o->bore)
		choose_token(kv, o, owner, now);
	if (!put_into_group(kv, o, to_owner, to_owner ? owner->id : o->op.key.id))
		return false;
	use_up(kv, o);
	o->bore = o->token.number != 0;
	if (!o->first_sent)
		o->first_sent = now ? now : 1;
	o->wait = o->pause + kv_random_below(kv, o->pause / 4 + 1);
	o->next = now + o->wait;
	o->pause = 2 * o->pause < kv->config.retry_max ? 2 * o->pause : kv->config.retry_max;
	if (o->next < kv->look_at)
		kv->look_at = o->next;
	return true;
}

void kv_send_due(struct kv *kv, uint64_t now)
{
	size_t kept = 0;

	if (!kv->ready)
		return;
	if (now >= kv->cells_at) {
		kv->cells = 0;
		kv->cells_at = now + CELLS_PAUSE;
	}
	for (size_t i = 0; i < kv->due_count; i++) {
		struct open_op *o = kv_open_at(kv, kv->due[i]);

		if (o && o->next == KV_NEVER && !send_one(kv, o, now))
			kv->due[kept++] = o->number;
	}
	kv->due_count = kept;
	kv->due_at = kv->cells_at;
	send_groups(kv);
}

void kv_send_leave(struct kv *kv)
{
	for (size_t i = 0; i < kv->owners.count; i++) {
		const struct kv_owner *owner = &kv->owners.list[i];
		/* A write, as only these have rows; below `first` and without a token it is never done. */
		struct operation nothing = {.kind = OPERATION_ADD, .key = key_number(owner->arc.hi)};
		struct operation_request rq = {.base = 1, .operations = &nothing, .count = 1};

		publish(kv, &rq, TOPIC_ASK, owner->id);
	}
}
