/* Clients of ours: common/kv.c itself, driven by the world. */
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
	config.retry = (unsigned)rng_scale(&c->rng, 20, config.retry);
	config.leave_least = 1;
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

static void effects(struct world *w, struct client *c, const struct kv_update *u)
{
	for (size_t i = 0; i < u->count; i++) {
		const struct kv_effect *e = &u->effects[i];

		if (e->type == KV_SUBSCRIBE && c->link != NONE)
			link_send(w, c->link, packet_new(PACKET_SUBSCRIBE, topic_intern(w, e->topic), NULL, 0));
		else if (e->type == KV_PUBLISH && c->link != NONE)
			link_send(w, c->link,
				  packet_new(PACKET_PUBLISH, topic_intern(w, e->topic), e->payload, e->len));
		else if (e->type == KV_RESULT)
			ours_ended(w, c, e);
	}
}

/* As a program does that has come to its end; this one thinks again. */
static void leave(struct world *w, struct client *c)
{
	struct kv_update u;

	kv_leave(c->kv, &u);
	effects(w, c, &u);
	w->stats[STAT_OURS_LEFT] += u.count > 0;
}

static void carry_out(struct world *w, struct client *c, const struct kv_update *u)
{
	effects(w, c, u);
	if (c->op != NONE && kv_open(c->kv) == 0) {
		if (rng_below(&c->rng, 8) == 0)
			leave(w, c);
		client_think(w, c);
	}
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

/* For want of room a write may have to wait until others are silent, but never for its client's own later ones. */
bool ours_waits(const struct world *w)
{
	return w->swarm.tight && !w->quiet;
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
		o.life = op->life;
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
