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

/* The second key of a frame that the core has made (frame.c: version, then type). */
static enum frame_type peek(const struct packet *p)
{
	static const uint8_t start[] = {0, FRAME_VERSION, 1};

	if (p->len < 6 || p->bytes[0] >> 5 != 5 || memcmp(p->bytes + 1, start, sizeof(start)) != 0)
		return FRAME_NONE;
	return (enum frame_type)(p->bytes[4] < 24 ? p->bytes[4] : p->bytes[5]);
}

enum frame_type packet_frame(const struct packet *p)
{
	enum frame_type type = peek(p);

	return type < FRAME_TYPES ? type : FRAME_NONE;
}

/* ---- a timing wheel (Varghese and Lauck 1987) ----
 *
 * An entry stands in the level of the highest digit (to the base of 64) in which its time differs from now, and there in the slot that this
 * digit names.  So the lowest level that holds anything holds what comes first; a slot of level 0 is one microsecond, one
 * of a higher level is dealt out unless there is but one entry in it.  Lists keep the order of arrival, and what has one
 * time is always in one list. */

static uint32_t slot_of(uint64_t at, unsigned level)
{
	return at >> level * WHEEL_BITS & (WHEEL_SLOTS - 1);
}

static void append(struct queue *q, uint32_t index)
{
	uint64_t differ = q->entries[index].at ^ q->now;
	unsigned level = differ ? (63 - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS : 0;
	uint32_t slot;

	if (q->entries[index].at < q->now || level >= WHEEL_LEVELS)
		mem_die("an event in the past, or in another age");
	slot = slot_of(q->entries[index].at, level);
	q->entries[index].next = NONE;
	if (q->taken[level] >> slot & 1)
		q->entries[q->slots[level][slot].last].next = index;
	else
		q->slots[level][slot].first = index;
	q->slots[level][slot].last = index;
	q->taken[level] |= (uint64_t)1 << slot;
	q->levels |= 1u << level;
}

/* The first slot that is taken; there is one. */
static uint32_t first_taken(const struct queue *q, unsigned *level)
{
	*level = (unsigned)__builtin_ctz(q->levels);
	return (uint32_t)__builtin_ctzll(q->taken[*level]);
}

/* Empties a slot and moves now to where it begins. */
static uint32_t take_slot(struct queue *q, unsigned level, uint32_t slot)
{
	uint64_t below = ((uint64_t)1 << level * WHEEL_BITS) - 1, here = (uint64_t)(WHEEL_SLOTS - 1)
									 << level * WHEEL_BITS;

	q->taken[level] &= ~((uint64_t)1 << slot);
	q->levels &= ~((uint32_t)(q->taken[level] == 0) << level);
	q->now = (q->now & ~here & ~below) | (uint64_t)slot << level * WHEEL_BITS;
	return q->slots[level][slot].first;
}

void queue_push(struct queue *q, uint64_t at, enum entry_type type, uint32_t a, uint32_t b, struct packet *packet)
{
	uint32_t index = q->free;

	if (q->count == q->used) {
		q->entries = sim_grow(q->entries, q->used, &q->room, sizeof(*q->entries));
		index = (uint32_t)q->used++;
	} else {
		q->free = q->entries[index].next;
	}
	q->count++;
	q->entries[index] = (struct entry){.at = at, .packet = packet, .a = a, .b = b, .type = type};
	append(q, index);
}

/* Deals a slot out to the levels below. */
static void deal(struct queue *q, unsigned level, uint32_t slot)
{
	uint32_t index = take_slot(q, level, slot);

	while (index != NONE) {
		uint32_t next = q->entries[index].next;

		append(q, index);
		index = next;
	}
}

bool queue_pop(struct queue *q, struct entry *out)
{
	uint32_t slot, index;
	unsigned level;

	if (q->count == 0)
		return false;
	slot = first_taken(q, &level);
	while (level > 0 && q->slots[level][slot].first != q->slots[level][slot].last) {
		deal(q, level, slot);
		slot = first_taken(q, &level);
	}
	index = q->slots[level][slot].first;
	*out = q->entries[index];
	q->slots[level][slot].first = out->next;
	if (out->next == NONE)
		(void)take_slot(q, level, slot);
	q->now = out->at;
	q->entries[index].next = q->free;
	q->free = index;
	q->count--;
	return true;
}

void queue_free(struct queue *q)
{
	struct entry e;

	while (queue_pop(q, &e))
		packet_unref(e.packet);
	free(q->entries);
}
