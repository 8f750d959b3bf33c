/* A client as the reference's: it subscribes to ack-put and res-get, hears everybody's, has one operation in flight,
 * takes the first answer that fits, never tries twice, and gives up after a while.  Some seeds have worse ones: they say
 * the same thing twice, byte for byte (a put is then one that is done, and acked, twice), or are gone amid an
 * operation, whose answer is then published for nobody. */
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "../../common/reference.h"
#include "../../common/text.h"
#include "sim.h"

void client_init(struct world *w, uint32_t client)
{
	w->clients[client] = (struct client){.index = client, .link = NONE, .op = NONE, .backoff = 50};
	rng_seed(&w->clients[client].rng, w->options.seed, STREAM_CLIENT + client);
	if (client < w->swarm.ours)
		ours_init(&w->clients[client]);
	client_connect(w, client);
}

void client_connect(struct world *w, uint32_t client)
{
	struct client *c = &w->clients[client];
	char id[CONN_TEXT];

	if (c->link != NONE)
		return;
	c->connected = false;
	c->subscribed = 0;
	snprintf(id, sizeof(id), "client%u-%u", client, c->connections++);
	c->link = link_open(w, true, client, id, NULL);
}

static void next_turn(struct world *w, struct client *c, uint64_t delay)
{
	queue_push(&w->queue, w->now + delay, ENTRY_CLIENT, c->index, ++c->gen, NULL);
}

/* Many who put what expires come back when its time is up. */
static uint64_t think(struct world *w, struct client *c)
{
	uint64_t usual = rng_exponential(&c->rng, w->swarm.think), least = 0;

	if (!c->expires || rng_below(&c->rng, 2) == 0)
		return usual;
	if (c->expires > w->now)
		least = c->expires - w->now;
	return least + rng_below(&c->rng, 20 * MS);
}

void client_think(struct world *w, struct client *c)
{
	c->op = NONE;
	next_turn(w, c, w->quiet ? MS : think(w, c));
}

static unsigned pick_key(struct world *w, struct client *c)
{
	unsigned share = w->swarm.keys / w->options.clients;

	if (w->swarm.private_keys && share > 0)
		return c->index * share + (unsigned)rng_below(&c->rng, share);
	return (unsigned)rng_below(&c->rng, w->swarm.keys);
}

#define PUT_HEAD 64 /* room for all but the dots behind the value */

static struct packet *put_packet(struct world *w, uint32_t index)
{
	char *bytes = xmalloc(PUT_HEAD + w->swarm.value_len);
	struct text t = text_in(bytes, PUT_HEAD);
	struct packet *p;

	text_add_char(&t, 'c');
	text_add_decimal(&t, index);
	text_add_char(&t, '/');
	text_add_decimal(&t, w->keys[w->ops[index].key]);
	text_add_string(&t, " v");
	text_add_decimal(&t, index);
	memset(t.to, '.', w->swarm.value_len);
	p = packet_new(PACKET_PUBLISH, topic_of(w, TOPIC_PUT, 0), bytes, text_length(&t) + w->swarm.value_len);
	free(bytes);
	return p;
}

static struct packet *get_packet(struct world *w, uint32_t index)
{
	char text[16];
	size_t n = reference_format_id(text, sizeof(text), w->keys[w->ops[index].key]);

	return packet_new(PACKET_PUBLISH, topic_of(w, TOPIC_GET, 0), text, n);
}

static uint32_t op_new(struct world *w, const struct client *c, enum op_kind kind, unsigned key)
{
	uint32_t index = (uint32_t)w->op_count;

	w->ops = sim_grow(w->ops, w->op_count, &w->op_room, sizeof(*w->ops));
	w->stats[STAT_QUIET_OPS] += w->quiet;
	w->ops[w->op_count++] = (struct op){.kind = kind,
					    .client = c->index,
					    .key = key,
					    .sent_at = w->now,
					    .excused = judge_excuses(w) || (c->kv && ours_waits(w)) ||
						       (w->swarm.memory && !w->quiet && !c->kv && kind == OP_PUT),
					    .quiet = w->quiet};
	trace(w, "client%-2u op %u: %s key %08x%s", c->index, index, judge_kind_name(kind), w->keys[key],
	      w->ops[index].excused ? " (excused)" : "");
	return index;
}

/* The same put once more: an operation of its own, with the first one's name and value. */
static void send_again(struct world *w, const struct client *c, uint32_t first)
{
	struct packet *p = put_packet(w, first);
	uint32_t index = op_new(w, c, OP_PUT, w->ops[first].key);

	w->stats[STAT_REPEATED]++;
	w->repeated[w->ops[first].key] = true;
	w->ops[index].value = first + 1;
	w->ops[first].again = index + 1;
	p->op = index + 1;
	link_send(w, c->link, p);
}

static void vanish(struct world *w, struct client *c)
{
	struct link *l = &w->links[c->link];
	uint64_t at = w->now + rng_below(&c->rng, 20 * MS);

	w->stats[STAT_VANISH]++;
	story_mark(w, STORY_CUT, story_lane(w, c->link), 0);
	trace(w, "client%-2u is gone", c->index);
	if (at < l->out_drop)
		l->out_drop = at;
	queue_push(&w->queue, at, ENTRY_LINK_DEAD, c->link, 0, NULL);
	c->link = NONE;
	c->connected = false;
	if (c->kv)
		ours_cut(w, c);
	queue_push(&w->queue, w->now + 50 * MS, ENTRY_CONNECT, 1, c->index, NULL);
	client_think(w, c);
}

/* What of all that ours can do: what a put was meant to be. */
static enum op_kind our_kind(struct world *w, struct client *c, enum op_kind kind, unsigned key)
{
	if (w->counter[key])
		return kind == OP_GET ? OP_GET : OP_ADD;
	if (kind == OP_GET || w->quiet || !rng_chance(&c->rng, 400000))
		return kind;
	w->repeated[key] = true; /* for the search alone to judge */
	return rng_below(&c->rng, 2) ? OP_CAS : OP_DELETE;
}

/* The last version that this client was told of it. */
static struct version seen(const struct world *w, const struct client *c, unsigned key)
{
	struct version v = {0};

	for (size_t i = 0; i < w->op_count; i++)
		if (w->ops[i].client == c->index && w->ops[i].key == key && w->ops[i].answered)
			v = w->ops[i].version;
	return v;
}

static void send_ours(struct world *w, struct client *c, enum op_kind kind, unsigned key)
{
	unsigned more = w->quiet || rng_below(&c->rng, 4) ? 0 : (unsigned)rng_below(&c->rng, 4);

	for (unsigned i = 0; i <= more; i++) {
		enum op_kind ours = our_kind(w, c, kind, key);
		uint32_t index = op_new(w, c, ours, key);

		if (ours == OP_PUT || ours == OP_CAS)
			w->ops[index].value = index + 1;
		if (ours == OP_CAS)
			w->ops[index].expected = seen(w, c, key);
		if (w->ops[index].value && !w->quiet && w->swarm.life_chance &&
		    rng_chance(&c->rng, w->swarm.life_chance)) {
			w->ops[index].life = rng_scale(&c->rng, 1, w->swarm.life_max);
			w->repeated[key] = true; /* for the search alone to judge */
			w->stats[STAT_OURS_LIVES]++;
			c->expires = w->now + w->ops[index].life * MS;
			c->expiring = key;
		}
		c->op = index;
		ours_begin(w, c, index);
		kind = rng_below(&c->rng, 2) ? OP_PUT : OP_GET;
		key = pick_key(w, c);
	}
	ours_tick(w, c, 0);
	if (!w->quiet && w->swarm.vanish && rng_chance(&c->rng, w->swarm.vanish))
		vanish(w, c);
}

static void send_op(struct world *w, struct client *c, enum op_kind kind, unsigned key)
{
	uint32_t index;
	struct packet *p;

	if (c->kv) {
		send_ours(w, c, kind, key);
		return;
	}
	index = op_new(w, c, kind, key);
	if (kind == OP_PUT)
		w->ops[index].value = index + 1;
	p = kind == OP_PUT ? put_packet(w, index) : get_packet(w, index);
	p->op = index + 1;
	c->op = index;
	link_send(w, c->link, p);
	next_turn(w, c, w->swarm.client_timeout);
	if (w->quiet)
		return;
	if (kind == OP_PUT && w->swarm.repeat && rng_chance(&c->rng, w->swarm.repeat))
		send_again(w, c, index);
	if (w->swarm.vanish && rng_chance(&c->rng, w->swarm.vanish))
		vanish(w, c);
}

/* In the quiet phase each client reads every key of its own part, then writes and reads one. */
static void final_turn(struct world *w, struct client *c)
{
	unsigned step = c->final++, share = (w->swarm.keys + w->options.clients - 1) / w->options.clients;
	unsigned key = c->index * share + step;
	bool skip = !mask_has(&w->options.turns, w->options.ops + c->index * FINALS_MAX + step);

	if (skip && step <= share + 1)
		next_turn(w, c, MS);
	else if (step < share && key < w->swarm.keys)
		send_op(w, c, OP_GET, key);
	else if (step <= share)
		c->final = share + 1, send_op(w, c, OP_PUT, c->index % w->swarm.keys);
	else if (step == share + 1)
		send_op(w, c, OP_GET, c->index % w->swarm.keys);
	else
		c->left = 0;
}

bool client_ready(const struct client *c)
{
	return c->connected && c->subscribed >= (c->kv ? 1 : 2);
}

void client_turn(struct world *w, uint32_t client, uint32_t gen)
{
	struct client *c = &w->clients[client];
	unsigned key, turn;
	enum op_kind kind;

	if (c->gen != gen || c->left == 0)
		return;
	if (c->op != NONE && c->kv)
		return; /* it sees to its time-out itself */
	if (c->op != NONE) {
		trace(w, "client%-2u op %u: no answer", client, c->op);
		client_think(w, c);
		return;
	}
	if (!client_ready(c)) {
		next_turn(w, c, 20 * MS);
		return;
	}
	if (w->quiet) {
		final_turn(w, c);
		return;
	}
	turn = c->index * (w->options.ops / w->options.clients) + c->turns++;
	c->left--;
	key = pick_key(w, c);
	kind = rng_below(&c->rng, 100) < w->swarm.put_share ? OP_PUT : OP_GET;
	if (c->expires && c->expires <= w->now) {
		key = c->expiring;
		kind = rng_below(&c->rng, 4) ? OP_GET : OP_PUT;
		c->expires = 0;
	}
	if (mask_has(&w->options.turns, turn))
		send_op(w, c, kind, key);
	else
		client_think(w, c);
}

void client_finish(struct world *w, uint32_t client)
{
	struct client *c = &w->clients[client];

	c->left = 1;
	c->final = 0;
	c->op = NONE;
	next_turn(w, c, MS);
}

/* Is it the name under which the put `index` was made? */
static bool is_name(const uint8_t *text, size_t len, uint32_t index)
{
	uint64_t v = 0;

	if (len < 2 || text[0] != 'c')
		return false;
	for (size_t i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || v > index)
			return false;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	return v == index;
}

static bool answers(const struct world *w, const struct op *op, enum topic_kind kind, const struct packet *p)
{
	const uint8_t *text;
	uint32_t number, node;
	size_t len;

	if (op->kind == OP_GET)
		return kind == TOPIC_RES_GET && !reference_parse_res_get(p->bytes, p->len, &number, &text, &len) &&
		       number == w->keys[op->key];
	if (kind != TOPIC_ACK_PUT || reference_parse_ack_put(p->bytes, p->len, &text, &len, &node))
		return false;
	return is_name(text, len, op->value - 1);
}

void client_input(struct world *w, uint32_t link, struct packet *p)
{
	struct client *c = &w->clients[w->links[link].owner];

	if (c->link != link)
		return;
	switch (p->type) {
	case PACKET_CONNACK:
		c->connected = true;
		c->backoff = 50;
		if (c->kv) {
			ours_input(w, c, p);
			break;
		}
		link_send(w, link, packet_new(PACKET_SUBSCRIBE, topic_of(w, TOPIC_ACK_PUT, 0), NULL, 0));
		link_send(w, link, packet_new(PACKET_SUBSCRIBE, topic_of(w, TOPIC_RES_GET, 0), NULL, 0));
		break;
	case PACKET_SUBACK:
		c->subscribed++;
		if (c->kv)
			ours_input(w, c, p);
		break;
	case PACKET_CLOSED:
		c->link = NONE;
		c->connected = false;
		if (c->kv)
			ours_cut(w, c);
		c->backoff = c->backoff < 2000 ? c->backoff * 2 : 2000;
		queue_push(&w->queue, w->now + c->backoff * MS, ENTRY_CONNECT, 1, c->index, NULL);
		if (c->op != NONE && !c->kv)
			client_think(w, c);
		break;
	case PACKET_PUBLISH:
		story_of(w, STORY_HEARD, link, p);
		if (c->kv) {
			ours_input(w, c, p);
			break;
		}
		if (c->op != NONE && answers(w, &w->ops[c->op], w->topics[p->topic].kind, p))
			client_think(w, c);
		break;
	default:
		break;
	}
}
