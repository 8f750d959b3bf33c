/* What the fixture is asked, and what it watches by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../daemon/core/core.h"
#include "core-fixture.h"

void core_publish_bytes(struct core *c, const char *topic, const void *payload, size_t len)
{
	core_publish_as(c, CORE_CLIENT, topic, payload, len, false);
}

void core_publish(struct core *c, const char *topic, const char *payload)
{
	core_publish_bytes(c, topic, payload, strlen(payload));
}

void core_put(struct core *c, const char *client, uint32_t key, const char *value)
{
	char text[400];

	snprintf(text, sizeof(text), "%s/%" PRIu32 " %s", client, key, value);
	core_publish(c, "put", text);
}

void core_get(struct core *c, uint32_t key)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, key);
	core_publish(c, "get", text);
}

enum node_state core_state(const struct core *c, int n)
{
	return c->nodes[n].node ? node_get_state(c->nodes[n].node) : NODE_LEFT;
}

bool core_serves(const struct core *c, int n, uint32_t id)
{
	return c->nodes[n].node && node_serves(c->nodes[n].node, id);
}

static void one_owner_of(const struct core *c, uint32_t id)
{
	int owner = -1;

	for (int n = 0; n < c->count; n++) {
		if (!c->nodes[n].live || c->nodes[n].paused || !core_serves(c, n, id))
			continue;
		if (owner >= 0)
			fail_msg("nodes %d and %d both serve %" PRIu32, owner, n, id);
		owner = n;
	}
}

/* Only what reads at this moment counts: whoever is paused or cut off answers nobody before it hears the rest. */
void core_no_two_owners(struct core *c)
{
	for (int n = 0; n < c->count; n++)
		one_owner_of(c, c->nodes[n].id);
	for (size_t i = 0; i < c->tally_count; i++)
		one_owner_of(c, c->tallies[i].key);
}

bool core_is_whole(const struct core *c, int count)
{
	uint64_t sum = 0;
	int active = 0;

	for (int n = 0; n < c->count; n++) {
		struct arc arc;
		bool neighbour = false;

		if (!c->nodes[n].node || c->nodes[n].paused)
			continue;
		if (core_state(c, n) != NODE_ACTIVE || !node_get_arc(c->nodes[n].node, &arc) ||
		    arc.hi != c->nodes[n].id || !core_serves(c, n, arc.hi))
			return false;
		for (int m = 0; m < c->count; m++)
			neighbour |= c->nodes[m].node && !c->nodes[m].paused && c->nodes[m].id == arc.lo;
		if (!neighbour)
			return false;
		sum += ring_size(arc);
		active++;
	}
	return active == count && sum == (uint64_t)1 << 32;
}

void core_all_answered(struct core *c)
{
	for (const struct core_tally *t = c->tallies; t < c->tallies + c->tally_count; t++)
		if (t->answered != t->asked)
			fail_msg("%s %s%" PRIu32 ": asked %u times, answered %u", t->put ? "put" : "get", t->name,
				 t->key, t->asked, t->answered);
	for (int n = 0; n < c->count; n++)
		if (c->nodes[n].node && c->nodes[n].node->held_first)
			fail_msg("node %d still holds operations", n);
}

void core_expect(struct core *c, uint32_t key, const char *value)
{
	size_t since = c->line_count;
	char text[400];

	core_get(c, key);
	core_run(c, 2000);
	snprintf(text, sizeof(text), "%" PRIu32 "/%s", key, value);
	for (size_t i = since; i < c->line_count; i++)
		if (!strcmp(c->lines[i].topic, "res-get")) {
			assert_string_equal(c->lines[i].payload, text);
			return;
		}
	fail_msg("nobody answers a get of %" PRIu32, key);
}

unsigned core_count(const struct core *c, size_t since, const char *topic, const char *payload)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += !strcmp(c->lines[i].topic, topic) && (!payload || !strcmp(c->lines[i].payload, payload));
	return count;
}

unsigned core_count_frames(const struct core *c, size_t since, enum frame_type type, int from)
{
	unsigned count = 0;

	for (size_t i = since; i < c->line_count; i++)
		count += c->lines[i].frame == type && (from == CORE_ANY || c->lines[i].from == from);
	return count;
}

unsigned core_count_logs(const struct core *c, int n, const char *part)
{
	unsigned count = 0;

	for (size_t i = 0; i < c->log_count; i++)
		count += (n == CORE_ANY || c->logs[i].from == n) && strstr(c->logs[i].text, part);
	return count;
}

unsigned core_acked(struct core *c, const char *client)
{
	for (const struct core_tally *t = c->tallies; t < c->tallies + c->tally_count; t++)
		if (t->put && !strcmp(t->name, client))
			return t->answered;
	return 0;
}

unsigned core_told(struct core *c, uint32_t key)
{
	for (const struct core_tally *t = c->tallies; t < c->tallies + c->tally_count; t++)
		if (!t->put && t->key == key)
			return t->answered;
	return 0;
}
