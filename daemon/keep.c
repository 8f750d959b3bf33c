#include "keep.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "../common/topic.h"

_Static_assert(TOPIC_PREFIX_MAX <= DISK_RING_MAX, "a prefix fits");
_Static_assert(NAME_MAX_LEN < DISK_NAME_MAX, "a name fits");
_Static_assert(SPACE_COUNT <= DISK_SPACES_MAX, "the spaces fit");

struct disk *keep_open(const struct keep_config *config, struct node_config *node, struct disk_fault *fault)
{
	struct disk_config c = {
		.directory = config->directory,
		.durability = config->durability,
		.spaces = node_space_names,
		.space_count = SPACE_COUNT,
		.identity = {.node = node->id, .ring_len = strlen(node->topic_prefix)},
		.any_node = config->any_node,
	};
	struct disk *disk;

	(void)snprintf(c.identity.name, sizeof(c.identity.name), "%s", node->name);
	memcpy(c.identity.ring, node->topic_prefix, c.identity.ring_len);
	disk = disk_open(&c, fault);
	if (!disk)
		return NULL;
	node->id = disk_identity(disk)->node;
	(void)snprintf(node->name, sizeof(node->name), "%s", disk_identity(disk)->name);
	return disk;
}

struct restoring {
	struct node *node;
	const struct event *at;
	enum node_space space;
	unsigned damaged;
	const char *why;
};

static void restore_cb(void *arg, const struct disk_item *item)
{
	struct restoring *r = arg;

	if (item->damaged)
		r->damaged++;
	else if (!r->why)
		r->why = node_restore(r->node, r->at, r->space, item->key, item->key_len, item->value, item->value_len);
}

#define AHEAD_MOST (366 * UINT64_C(86400000)) /* ms */

#define DATE_TEXT sizeof("292278994-08-17")

static const char *date_of(uint64_t wall, char text[DATE_TEXT])
{
	time_t seconds = (time_t)(wall / 1000);
	struct tm utc;

	if (!gmtime_r(&seconds, &utc) || !strftime(text, DATE_TEXT, "%Y-%m-%d", &utc))
		(void)snprintf(text, DATE_TEXT, "?");
	return text;
}

static bool clock_is_right(const struct node *node, uint64_t wall, struct disk_fault *fault)
{
	uint64_t noted = node_noted(node);
	char now[DATE_TEXT], then[DATE_TEXT];

	if (!noted || wall < noted || wall - noted <= AHEAD_MOST)
		return true;
	fault->trouble = DISK_CLOCK;
	(void)snprintf(
		fault->text, sizeof(fault->text),
		"the clock says %s, and the data directory was last written on %s: whatever has a life would be at "
		"its end -> set the clock, or start once with --accept-clock",
		date_of(wall, now), date_of(noted, then));
	return false;
}

bool keep_restore(struct disk *disk, struct node *node, const struct event *at, bool any_clock,
		  struct disk_fault *fault)
{
	static const char advice[] = "move the data file away and start again: the node then begins empty and gets its "
				     "records from the other copies";
	struct restoring r = {.node = node, .at = at};

	for (r.space = 0; r.space < SPACE_COUNT; r.space++)
		if (!disk_load(disk, r.space, restore_cb, &r, fault))
			return false;
	if (!r.damaged && !r.why)
		return any_clock || clock_is_right(node, at->wall, fault);
	fault->trouble = DISK_DAMAGED;
	if (r.damaged)
		(void)snprintf(fault->text, sizeof(fault->text),
			       "items in the data directory whose checksums are wrong: %u -> %s", r.damaged, advice);
	else
		(void)snprintf(fault->text, sizeof(fault->text), "the data directory holds %s -> %s", r.why, advice);
	return false;
}

int keep_exit_code(enum disk_trouble trouble)
{
	switch (trouble) {
	case DISK_UNUSABLE:
		return EX_CANTCREAT;
	case DISK_BUSY:
	case DISK_CLOCK: /* which may be set any moment */
		return EX_TEMPFAIL;
	case DISK_FOREIGN:
	case DISK_NEWER:
		return EX_CONFIG;
	case DISK_DAMAGED:
	case DISK_UNTRUSTED:
		break;
	}
	return EX_DATAERR;
}
