#include <string.h>

#include "../../common/mem.h"
#include "sim.h"

void *sim_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? *room * 2 : 8;
	return xrealloc(array, *room * size);
}

struct packet *packet_new(enum packet_type type, uint32_t topic, const void *bytes, size_t len)
{
	struct packet *p = xmalloc(sizeof(*p) + len);

	memset(p, 0, sizeof(*p));
	p->type = type;
	p->refs = 1;
	p->topic = topic;
	p->len = len;
	if (len > 0)
		memcpy(p->bytes, bytes, len);
	p->hash = hash_bytes(p->bytes, len);
	return p;
}

struct packet *packet_ref(struct packet *p)
{
	p->refs++;
	return p;
}

void packet_unref(struct packet *p)
{
	if (p && --p->refs == 0)
		free(p);
}

static bool before(const struct entry *a, const struct entry *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void queue_push(struct queue *q, uint64_t at, enum entry_type type, uint32_t a, uint32_t b, struct packet *packet)
{
	struct entry e = {.at = at, .seq = q->seq++, .type = type, .a = a, .b = b, .packet = packet};
	size_t i;

	q->entries = sim_grow(q->entries, q->count, &q->room, sizeof(*q->entries));
	for (i = q->count++; i > 0; i = (i - 1) / 4) {
		if (!before(&e, &q->entries[(i - 1) / 4]))
			break;
		q->entries[i] = q->entries[(i - 1) / 4];
	}
	q->entries[i] = e;
}

bool queue_pop(struct queue *q, struct entry *out)
{
	struct entry *e = q->entries, last;
	size_t i = 0;

	if (q->count == 0)
		return false;
	*out = e[0];
	last = e[--q->count];
	for (;;) {
		size_t child = i * 4 + 1, best = child, end = child + 4 < q->count ? child + 4 : q->count;

		if (child >= q->count)
			break;
		for (size_t c = child + 1; c < end; c++) {
			if (before(&e[c], &e[best]))
				best = c;
		}
		if (!before(&e[best], &last))
			break;
		e[i] = e[best];
		i = best;
	}
	e[i] = last;
	return true;
}

void queue_free(struct queue *q)
{
	for (size_t i = 0; i < q->count; i++)
		packet_unref(q->entries[i].packet);
	free(q->entries);
	*q = (struct queue){0};
}
