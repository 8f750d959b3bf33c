/* Rings with records, for tests of who dies, and of what is left. */
#ifndef DEATH_FIXTURE_H
#define DEATH_FIXTURE_H

#include "core-fixture.h"

#include <stdio.h>

#define KEYS 30
#define KEY(i) (7 + (uint32_t)(i)*140000003)

static inline void death_fill(struct core *c, const char *prefix)
{
	char client[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(client, sizeof(client), "%s%d", prefix, i);
		core_put(c, client, KEY(i), client);
	}
	core_run(c, 1000);
}

/* How many records are told with their value. */
static inline int death_told(struct core *c, const char *prefix)
{
	size_t since;
	char text[40];
	int count = 0;

	core_run(c, 2000); /* what has been given up is merged by now */
	since = c->line_count;
	for (int i = 0; i < KEYS; i++)
		core_get(c, KEY(i));
	core_run(c, 3000);
	for (int i = 0; i < KEYS; i++) {
		snprintf(text, sizeof(text), "%u/%s%d", KEY(i), prefix, i);
		count += core_count(c, since, "res-get", text) == 1;
	}
	assert_int_equal(core_count(c, since, "res-get", NULL), KEYS);
	return count;
}

static const uint32_t death_ids[] = {1000000000, 2000000000, 3000000000, 4000000000};

static inline void death_ring(struct core *c, int count)
{
	for (int i = 0; i < count; i++)
		core_add(c, death_ids[i]);
	core_whole(c, count, 10000);
	death_fill(c, "v");
	core_all_answered(c);
}

#endif
