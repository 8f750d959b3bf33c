/* Strangers who publish nonsense on every topic, and say again what nodes said before: none of it may have any effect.
 *
 * Two things they do not do, for no ring could stand it: they invent no frame that is in order (safety needs that
 * messages are not invented, PROTOCOL.md section 1), so a frame with a flipped bit that can still be read is not sent; and they
 * do not retain nonsense in the register. */
#include <stdlib.h>
#include <string.h>

#include "../../common/frame.h"
#include "sim.h"

static void record_request(struct world *w, struct packet *p)
{
	struct packet **slot = &w->requests[w->request_count++ % RECORDED_MAX];

	packet_unref(*slot);
	*slot = packet_ref(p);
}

void strange_record(struct world *w, struct packet *p)
{
	struct packet **slot = &w->recorded[w->recorded_count % RECORDED_MAX];
	enum topic_kind said = w->topics[p->topic].kind;

	if (p->len == 0)
		return;
	if ((said == TOPIC_CELL || said == TOPIC_ASK) && p->from != NONE && p->from != w->stranger) {
		record_request(w, p);
		return;
	}
	if (p->from != NONE && w->links[p->from].client)
		return;
	if (w->topics[p->topic].kind < TOPIC_RING || w->topics[p->topic].kind > TOPIC_NODE)
		return;
	if (p->hash >> 32 & 3) /* a quarter, so that what is kept goes back further */
		return;
	packet_unref(*slot);
	*slot = packet_ref(p);
	w->recorded_count++;
}

static const struct packet *recorded(struct world *w)
{
	uint64_t n = w->recorded_count < RECORDED_MAX ? w->recorded_count : RECORDED_MAX;

	return n ? w->recorded[rng_below(&w->rng_fault, n)] : NULL;
}

static void say(struct world *w, uint32_t topic, const void *bytes, size_t len, bool retain)
{
	struct packet *p = packet_new(PACKET_PUBLISH, topic, bytes, len);
	char text[700];

	p->retain = retain;
	if (w->options.trace)
		trace(w, "stranger -> %s", trace_packet(w, p, text, sizeof(text)));
	link_send(w, w->stranger, p);
}

/* A frame from the past, as it was; the register's retained again, or not.  Not so a status: whoever writes there in
 * another's name takes away what the roll reads, and is for the broker's ACL to keep out (README, Limits). */
static void repeat(struct world *w)
{
	const struct packet *p = recorded(w);
	enum topic_kind kind;

	if (!p)
		return;
	kind = w->topics[p->topic].kind;
	/* Whoever hears of a ring that is gone yields to it, and is fenced where it was: that is no gentle life. */
	if (w->swarm.gentle && kind == TOPIC_FOUNDER)
		return;
	w->stats[STAT_REPLAYED]++;
	say(w, p->topic, p->bytes, p->len, kind == TOPIC_FOUNDER && rng_below(&w->rng_fault, 2));
}

static void noise(struct world *w)
{
	static const enum topic_kind kinds[] = {TOPIC_RING, TOPIC_FOUNDER, TOPIC_INBOX, TOPIC_CUT, TOPIC_NODE};
	enum topic_kind kind = kinds[rng_below(&w->rng_fault, sizeof(kinds) / sizeof(kinds[0]))];
	uint32_t id = w->identities[rng_below(&w->rng_fault, w->identity_count)].id;
	uint8_t bytes[64];
	size_t len = 1 + rng_below(&w->rng_fault, sizeof(bytes));

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rng_next(&w->rng_fault);
	bytes[0] |= 0xe0; /* no map: no frame */
	w->stats[STAT_GARBAGE]++;
	say(w, topic_of(w, kind, id), bytes, len, false);
}

/* A frame of somebody's, cut short or with one bit the other way round. */
static void damage(struct world *w)
{
	const struct packet *p = recorded(w);
	struct frame_room room;
	struct frame f;
	uint8_t bytes[1024];
	size_t len, bit;

	if (!p || p->len > sizeof(bytes))
		return;
	memcpy(bytes, p->bytes, p->len);
	len = p->len;
	bit = rng_below(&w->rng_fault, len * 8);
	if (rng_below(&w->rng_fault, 2))
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	if (!frame_decode(&f, &room, bytes, len))
		len = bit / 8;
	if (len == 0)
		return;
	w->stats[STAT_GARBAGE]++;
	say(w, p->topic, bytes, len, false);
}

/* The reference's words, each with something wrong (PROTOCOL.md section 9). */
static void misspell(struct world *w)
{
	static const struct {
		enum topic_kind kind;
		const char *text;
	} words[] = {
		{TOPIC_PUT, ""},
		{TOPIC_PUT, "x"},
		{TOPIC_PUT, "x/5"},
		{TOPIC_PUT, "x/y z"},
		{TOPIC_PUT, "x/-1 z"},
		{TOPIC_PUT, "x/4294967296 z"},
		{TOPIC_PUT, "x/5/6 z"},
		{TOPIC_PUT, "x /5 z"},
		{TOPIC_PUT, "\xff\xfe/5 z"},
		{TOPIC_PUT, "x/ 5 z"},
		{TOPIC_GET, ""},
		{TOPIC_GET, "x"},
		{TOPIC_GET, "-1"},
		{TOPIC_GET, "+1"},
		{TOPIC_GET, "4294967296"},
		{TOPIC_GET, "340282366920938463463374607431768211456"},
		{TOPIC_GET, "1 "},
		{TOPIC_GET, "1e3"},
		{TOPIC_JOIN, ""},
		{TOPIC_JOIN, "x"},
		{TOPIC_JOIN, "-1"},
		{TOPIC_JOIN, "4294967296"},
		{TOPIC_JOIN, "1/2"},
		{TOPIC_HAS_STARTED, ""},
		{TOPIC_LEAVE, ""},
		{TOPIC_LEAVE, "1"},
		{TOPIC_LEAVE, "1/2"},
		{TOPIC_LEAVE, "1/None/"},
		{TOPIC_LEAVE, "x/None/None"},
		{TOPIC_ACK_JOIN, ""},
		{TOPIC_ACK_JOIN, "1/2"},
		{TOPIC_ACK_JOIN, "1/2/successor"},
		{TOPIC_ACK_JOIN, "1/x/sucessor"},
		{TOPIC_ACK_JOIN, "1/2/sucessor/"},
		{TOPIC_ACK_LEAVE, ""},
		{TOPIC_ACK_LEAVE, "1"},
		{TOPIC_ACK_LEAVE, "1/x"},
	};
	uint64_t i = rng_below(&w->rng_fault, sizeof(words) / sizeof(words[0]));

	w->stats[STAT_GARBAGE]++;
	say(w, topic_of(w, words[i].kind, 0), words[i].text, strlen(words[i].text), false);
}

/* ---- what clients of ours ask ---- */

static const struct packet *recorded_request(struct world *w)
{
	uint64_t n = w->request_count < RECORDED_MAX ? w->request_count : RECORDED_MAX;

	return n ? w->requests[rng_below(&w->rng_fault, n)] : NULL;
}

/* Once more what a client asked, now or long ago: where it was asked, or of whoever has the cell. */
static void ask_again(struct world *w)
{
	const struct packet *p = recorded_request(w);
	struct operation_room room;
	struct operation_request rq;
	uint32_t topic;

	if (!p || operation_decode_request(&rq, &room, p->bytes, p->len) || !rq.count)
		return;
	w->stats[STAT_OURS_REPLAYED]++;
	topic = rng_below(&w->rng_fault, 2) ? p->topic : topic_of(w, TOPIC_CELL, rq.operations[0].key.id);
	say(w, topic, p->bytes, p->len, rng_below(&w->rng_fault, 8) == 0);
}

/* Cut short, or no map at all. */
static void ask_nonsense(struct world *w)
{
	const struct packet *p = recorded_request(w);
	struct operation_room room;
	struct operation_request rq;
	size_t len;

	if (!p)
		return;
	len = rng_below(&w->rng_fault, p->len);
	if (!operation_decode_request(&rq, &room, p->bytes, len))
		return;
	w->stats[STAT_GARBAGE]++;
	say(w, p->topic, p->bytes, len, false);
}

/* In the name of a client that is not: with no token, with one of another ring or above all that was told, and with a
 * `first` behind which everything is.  Whoever knew a token that was told could write, as any client may. */
static void ask_as_nobody(struct world *w)
{
	static const enum operation_kind kinds[] = {OPERATION_GET, OPERATION_PUT, OPERATION_DELETE, OPERATION_ADD};
	struct rng *r = &w->rng_fault;
	unsigned key = (unsigned)rng_below(r, w->swarm.keys);
	struct operation op = {.key = ours_key(w, key), .kind = kinds[rng_below(r, 4)]};
	struct operation_request rq = {.base = rng_scale(r, 1, UINT32_MAX), .operations = &op, .count = 1};
	const struct packet *p = recorded_request(w);
	struct operation_room room;
	struct operation_request told;
	uint8_t *bytes;
	size_t len;

	memset(rq.client, 0xff, sizeof(rq.client));
	rq.client[1] = (uint8_t)rng_below(r, 4);
	rq.first = rng_below(r, 2) ? rng_next(r) : 0;
	if (p && !operation_decode_request(&told, &room, p->bytes, p->len))
		rq.token = told.token;
	switch (rng_below(r, 3)) {
	case 0:
		rq.token = (struct operation_token){0};
		break;
	case 1:
		rq.token.ring ^= 1u << rng_below(r, 32);
		break;
	default:
		rq.token.number += (uint64_t)1 << rng_range(r, 40, 62);
		rq.token.counter = rng_next(r);
		break;
	}
	if (op.kind == OPERATION_PUT) {
		op.value = (const uint8_t *)"strange";
		op.value_len = 7;
	} else if (op.kind == OPERATION_ADD) {
		op.amount = 1000000;
	}
	w->stats[STAT_OURS_STRANGE] += op.kind != OPERATION_GET;
	bytes = operation_encode_request(&rq, &len);
	say(w, topic_of(w, TOPIC_CELL, op.key.id), bytes, len, false);
	free(bytes);
}

static void speak_of_ours(struct world *w)
{
	switch (rng_below(&w->rng_fault, 4)) {
	case 0:
		ask_nonsense(w);
		break;
	case 1:
		ask_as_nobody(w);
		break;
	default:
		ask_again(w);
		break;
	}
}

void strange_speak(struct world *w)
{
	link_stranger(w, &w->stranger, "stranger");
	for (uint64_t n = rng_range(&w->rng_fault, 1, 8); n > 0; n--) {
		if (w->swarm.ours && rng_below(&w->rng_fault, 2)) {
			speak_of_ours(w);
			continue;
		}
		switch (rng_below(&w->rng_fault, 4)) {
		case 0:
			repeat(w);
			break;
		case 1:
			noise(w);
			break;
		case 2:
			damage(w);
			break;
		default:
			misspell(w);
			break;
		}
	}
}

void strange_free(struct world *w)
{
	for (size_t i = 0; i < RECORDED_MAX; i++)
		packet_unref(w->recorded[i]), packet_unref(w->requests[i]);
}
