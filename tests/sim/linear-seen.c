#include "linear-seen.h"

#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"

static uint64_t hash(const struct configuration *c)
{
	const uint64_t *words = (const uint64_t *)c;
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(*c) / sizeof(*words); i++) {
		h = (h ^ words[i]) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	return h;
}

static size_t slot_of(const struct linear_seen *m, const struct configuration *c)
{
	size_t slot = hash(c) & (m->slot_count - 1);

	while (m->slots[slot] && memcmp(&m->seen[m->slots[slot] - 1], c, sizeof(*c)) != 0)
		slot = (slot + 1) & (m->slot_count - 1);
	return slot;
}

static void grow(struct linear_seen *m)
{
	if (m->count * 2 < m->slot_count)
		return;
	m->slot_count = m->slot_count ? m->slot_count * 4 : 64;
	m->room = m->slot_count / 2;
	m->seen = xrealloc(m->seen, m->room * sizeof(*m->seen));
	free(m->slots);
	m->slots = xcalloc(m->slot_count, sizeof(*m->slots));
	for (size_t i = 0; i < m->count; i++)
		m->slots[slot_of(m, &m->seen[i])] = (uint32_t)i + 1;
}

bool linear_seen_add(struct linear_seen *m, const struct configuration *c)
{
	size_t slot;

	grow(m);
	slot = slot_of(m, c);
	if (m->slots[slot])
		return false;
	m->seen[m->count++] = *c;
	m->slots[slot] = (uint32_t)m->count;
	return true;
}

void linear_seen_free(struct linear_seen *m)
{
	free(m->seen);
	free(m->slots);
}
