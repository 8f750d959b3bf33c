/* Clients of ours: common/kv.c itself, driven by the world, and what the judges see of its words.
 *
 * An operation is placed where the first of its sendings is, and answered where the first answer to its number is that says
 * what came of it.  Whatever else is said of a write must be the same. */
#include <stdlib.h>
#include <string.h>

#include "../../common/kv.h"
#include "../../common/mem.h"
#include "../../common/text.h"
#include "sim.h"

#define VALUE_HEAD 32

void ours_init(struct client *c)
{
	struct kv_config config;

	kv_config_init(&config);
	config.seed = rng_next(&c->rng);
	for (unsigned i = 0; i < sizeof(config.name); i++)
		config.name[i] = (uint8_t)rng_below(&c->rng, 256);
	config.name[0] = (uint8_t)c->index; /* whose a frame is, for the judges */
	config.token_age = (unsigned)rng_scale(&c->rng, 1, 5000);
	config.long_value = (size_t)rng_below(&c->rng, 64);
	c->kv = kv_new(&config);
}

void ours_free(struct client *c)
{
	kv_free(c->kv);
	free(c->numbers);
}

static uint64_t now_of(const struct world *w)
{
	return w->now / MS;
}

static void carry_out(struct world *w, struct client *c, const struct kv_update *u)
{
	bool all = true;

	for (size_t i = 0; i < u->count; i++) {
		const struct kv_effect *e = &u->effects[i];

		if (e->type == KV_SUBSCRIBE && c->link != NONE)
			link_send(w, c->link, packet_new(PACKET_SUBSCRIBE, topic_intern(w, e->topic), NULL, 0));
		else if (e->type == KV_PUBLISH && c->link != NONE)
			link_send(w, c->link,
				  packet_new(PACKET_PUBLISH, topic_intern(w, e->topic), e->payload, e->len));
		else if (e->type == KV_RESULT)
			w->stats[STAT_OURS_UNKNOWN] += e->outcome == KV_UNKNOWN;
	}
	all = kv_open(c->kv) == 0;
	if (c->op != NONE && all)
		client_think(w, c);
	if (u->deadline != UINT64_MAX && c->kv_at != u->deadline) {
		uint64_t at = u->deadline * MS > w->now ? u->deadline * MS : w->now + 1;

		c->kv_at = u->deadline;
		queue_push(&w->queue, at, ENTRY_KV, c->index, ++c->kv_gen, NULL);
	}
}

void ours_tick(struct world *w, struct client *c, uint32_t gen)
{
	struct kv_update u;

	if (gen && gen != c->kv_gen)
		return;
	c->kv_at = 0;
	kv_tick(c->kv, now_of(w), &u);
	carry_out(w, c, &u);
}

/* What is open may end, by its time-out, before the client is back. */
void ours_cut(struct world *w, struct client *c)
{
	kv_disconnected(c->kv);
	for (size_t i = 0; i < c->number_count; i++)
		if (!w->ops[c->numbers[i]].answered)
			w->ops[c->numbers[i]].excused = true;
}

/* What the put of that number writes: it names itself, as a reference's does. */
static size_t value_of(const struct world *w, uint32_t index, char **bytes)
{
	struct text t;

	*bytes = xmalloc(VALUE_HEAD + w->swarm.value_len);
	t = text_in(*bytes, VALUE_HEAD);
	text_add_char(&t, 'v');
	text_add_decimal(&t, index);
	memset(t.to, '.', w->swarm.value_len);
	return text_length(&t) + w->swarm.value_len;
}

struct key ours_key(const struct world *w, unsigned key)
{
	if (!w->named[key])
		return key_number(w->keys[key]);
	return key_named((const uint8_t *)w->names[key], strlen(w->names[key]));
}

/* One more operation on its way; it goes out with the next tick. */
void ours_begin(struct world *w, struct client *c, uint32_t index)
{
	struct op *op = &w->ops[index];
	struct operation o = {.key = ours_key(w, op->key)};
	char *value = NULL;
	uint64_t number;

	switch (op->kind) {
	case OP_GET:
		o.kind = OPERATION_GET;
		break;
	case OP_DELETE:
		o.kind = OPERATION_DELETE;
		break;
	case OP_ADD:
		o.kind = OPERATION_ADD;
		o.amount = 1;
		break;
	case OP_CAS:
		o.condition = op->expected.number ? CONDITION_VERSION : CONDITION_ABSENT;
		o.version = op->expected;
		/* fall through */
	case OP_PUT:
		o.kind = OPERATION_PUT;
		o.value_len = value_of(w, index, &value);
		o.value = (const uint8_t *)value;
		break;
	}
	number = kv_begin(c->kv, &o, now_of(w) + w->swarm.client_timeout / MS);
	free(value);
	if (number == 0)
		mem_die("more operations open than a client may have");
	c->numbers = sim_grow(c->numbers, c->number_count, &c->number_room, sizeof(*c->numbers));
	if (number != c->number_count + 1)
		mem_die("numbers that do not count up");
	c->numbers[c->number_count++] = index;
	op->number = number;
}

void ours_input(struct world *w, struct client *c, struct packet *p)
{
	struct kv_update u;

	switch (p->type) {
	case PACKET_CONNACK:
		kv_connected(c->kv, now_of(w), &u);
		break;
	case PACKET_SUBACK:
		kv_subscribed(c->kv, now_of(w), &u);
		break;
	case PACKET_PUBLISH:
		(void)kv_message(c->kv, now_of(w), p->bytes, p->len, &u);
		carry_out(w, c, &u);
		kv_tick(c->kv, now_of(w), &u);
		break;
	default:
		return;
	}
	carry_out(w, c, &u);
}

/* ---- what the judges see ---- */

const char *judge_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_PUT] = "put", [OP_GET] = "get", [OP_DELETE] = "delete", [OP_CAS] = "cas", [OP_ADD] = "add"};

	return names[kind];
}

static struct op *op_of(struct world *w, const struct client *c, uint64_t number)
{
	return number && number <= c->number_count ? &w->ops[c->numbers[number - 1]] : NULL;
}

void ours_asked(struct world *w, const struct packet *p)
{
	struct operation_room room;
	struct operation_request rq;

	if (operation_decode_request(&rq, &room, p->bytes, p->len) || rq.client[0] >= w->options.clients)
		return;
	w->stats[STAT_OURS_FRAMES]++;
	w->stats[STAT_OURS_ASKED_OWNER] += w->topics[p->topic].kind == TOPIC_ASK;
	for (size_t i = 0; i < rq.count; i++) {
		struct op *op = op_of(w, &w->clients[rq.client[0]], rq.base + rq.operations[i].offset);

		if (!op)
			continue;
		if (op->placed)
			w->stats[STAT_OURS_RETRIED]++;
		else
			w->stats[STAT_OPS]++, op->placed = w->place;
	}
}

static void found(struct world *w, struct op *op, const char *by, const struct operation_result *r)
{
	uint32_t put;

	op->value = 0;
	if (!r->value)
		return;
	if (w->counter[op->key]) {
		for (size_t i = 0; i < r->value_len; i++)
			op->amount = op->amount * 10 + (r->value[i] - '0');
		return;
	}
	put = judge_named(w, 'v', r->value, r->value_len);
	if (put == NONE || w->ops[put].key != op->key || !w->ops[put].placed)
		fail(w, "I4: %s answers a get of %08x with what nobody put there: %.*s", by, w->keys[op->key],
		     (int)(r->value_len < 40 ? r->value_len : 40), (const char *)r->value);
	else
		op->value = put + 1;
}

static void answered(struct world *w, struct op *op, const char *by, const struct operation_result *r)
{
	bool write = op->kind != OP_GET;

	if (op->answered) {
		if (write &&
		    (op->status != r->status || !version_equal(op->version, r->version) || op->amount != r->amount))
			fail(w,
			     "I5: %s answers op %zu again, and otherwise: status %d, version %llx/%llu, then %d, "
			     "%llx/%llu",
			     by, (size_t)(op - w->ops), (int)op->status, (unsigned long long)op->version.number,
			     (unsigned long long)op->version.counter, (int)r->status,
			     (unsigned long long)r->version.number, (unsigned long long)r->version.counter);
		w->stats[STAT_OURS_AGAIN] += write;
		return;
	}
	op->answered = w->place;
	op->answered_at = w->now;
	op->status = r->status;
	op->version = r->version;
	op->amount = write ? r->amount : 0;
	w->stats[STAT_OPS_DONE]++;
	w->stats[STAT_OURS_FAILED] += r->status == ANSWER_FAILED;
	if (!write)
		found(w, op, by, r);
}

static const struct client *client_of(const struct world *w, const struct packet *p)
{
	for (unsigned i = 0; i < w->options.clients; i++)
		if (w->clients[i].kv && strcmp(kv_topic(w->clients[i].kv), w->topics[p->topic].name) == 0)
			return &w->clients[i];
	return NULL;
}

/* Who says what came of an operation has served its key. */
void ours_served(struct world *w, const struct proc *by, const struct packet *p)
{
	const struct client *c = client_of(w, p);
	struct operation_room room;
	struct operation_answer a;

	if (!c || operation_decode_answer(&a, &room, p->bytes, p->len))
		return;
	for (size_t i = 0; i < a.count; i++) {
		const struct op *op = op_of(w, c, a.base + a.results[i].offset);

		if (op && a.results[i].status <= ANSWER_WRONG)
			judge_served(w, op->key, by);
	}
}

void ours_answered(struct world *w, const char *by, const struct packet *p)
{
	const struct client *c = client_of(w, p);
	struct operation_room room;
	struct operation_answer a;
	const char *why = operation_decode_answer(&a, &room, p->bytes, p->len);

	if (!c)
		return; /* a tool's */
	if (why) {
		fail(w, "I5: %s publishes an answer that no client can read: %s", by, why);
		return;
	}
	for (size_t i = 0; i < a.count && !w->failed; i++) {
		const struct operation_result *r = &a.results[i];
		struct op *op = op_of(w, c, a.base + r->offset);

		w->stats[STAT_OURS_MOVED] += r->status == ANSWER_MOVED;
		w->stats[STAT_OURS_TOKENS] += r->status == ANSWER_TOKEN;
		if (!op || !op->placed)
			fail(w, "I5: %s answers number %llu, which nobody asked", by,
			     (unsigned long long)(a.base + r->offset));
		else if (r->status <= ANSWER_WRONG)
			answered(w, op, by, r);
	}
}

/* Of all adds those that came to less than this, or may have. */
static void judge_value(struct world *w, uint32_t key, const struct op *get)
{
	int64_t least = 0, most = 0;

	for (size_t i = 0; i < w->op_count; i++) {
		const struct op *op = &w->ops[i];

		if (op->key != key || op->kind != OP_ADD || !op->placed)
			continue;
		least += op->answered && op->answered < get->placed;
		most += op->placed < get->answered;
	}
	w->stats[STAT_OURS_COUNTERS] += get->quiet;
	if (get->amount < least || get->amount > most)
		fail(w,
		     "I5: get op %zu finds %lld in counter %08x, behind %lld adds that were answered and %lld placed",
		     (size_t)(get - w->ops), (long long)get->amount, w->keys[key], (long long)least, (long long)most);
}

/* A counter: each add is done once, so that no two come to the same, and all in order. */
void ours_judge_counter(struct world *w, uint32_t key)
{
	for (size_t i = 0; i < w->op_count && !w->failed && !w->loss_count[key]; i++) {
		const struct op *op = &w->ops[i];

		if (op->key != key || !op->answered)
			continue;
		if (op->kind == OP_GET)
			judge_value(w, key, op);
		for (size_t j = 0; j < w->op_count && op->kind == OP_ADD; j++) {
			const struct op *other = &w->ops[j];

			if (j == i || other->key != key || other->kind != OP_ADD || !other->answered)
				continue;
			if (other->amount == op->amount || (other->answered < op->placed && other->amount > op->amount))
				fail(w, "I5: adds op %zu and %zu of %08x came to %lld and %lld", i, j, w->keys[key],
				     (long long)op->amount, (long long)other->amount);
		}
	}
}
