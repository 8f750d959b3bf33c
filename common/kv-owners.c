#include "kv-owners.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The first whose arc ends at id or behind it; count: none does. */
static size_t at(const struct kv_owners *o, uint32_t id)
{
	size_t low = 0, high = o->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (o->list[middle].arc.hi < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The arc that ends behind an id holds it, or none does; behind the last end that is the first arc, through 0. */
const struct kv_owner *kv_owners_find(const struct kv_owners *o, uint32_t id)
{
	size_t i = at(o, id);

	if (!o->count)
		return NULL;
	if (i == o->count)
		i = 0;
	return ring_contains(o->list[i].arc, id) ? &o->list[i] : NULL;
}

static void remove_at(struct kv_owners *o, size_t i)
{
	memmove(&o->list[i], &o->list[i + 1], (o->count - i - 1) * sizeof(*o->list));
	o->count--;
}

void kv_owners_forget(struct kv_owners *o, uint32_t id)
{
	const struct kv_owner *found = kv_owners_find(o, id);

	if (found)
		remove_at(o, (size_t)(found - o->list));
}

static bool overlap(struct arc a, struct arc b)
{
	return ring_contains(a, b.hi) || ring_contains(b, a.hi);
}

void kv_owners_learn(struct kv_owners *o, const struct kv_owner *owner)
{
	const struct kv_owner *known = kv_owners_find(o, owner->arc.hi);
	size_t i;

	/* The usual case: a later token of what is known. */
	if (known && known->arc.lo == owner->arc.lo && known->arc.hi == owner->arc.hi && known->id == owner->id) {
		if (owner->asked >= known->asked)
			o->list[known - o->list] = *owner;
		return;
	}
	for (i = o->count; i-- > 0;)
		if (overlap(o->list[i].arc, owner->arc))
			remove_at(o, i);
	if (o->count == KV_OWNERS_MAX)
		o->count = 0; /* more than any ring has: all of it is learnt anew */
	if (o->count == o->room) {
		o->room = o->room ? 2 * o->room : 8;
		o->list = xrealloc(o->list, o->room * sizeof(*o->list));
	}
	i = at(o, owner->arc.hi);
	memmove(&o->list[i + 1], &o->list[i], (o->count - i) * sizeof(*o->list));
	o->list[i] = *owner;
	o->count++;
}

void kv_owners_free(struct kv_owners *o)
{
	free(o->list);
	*o = (struct kv_owners){0};
}
