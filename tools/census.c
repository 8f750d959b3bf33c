#include "census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "../common/ring.h"

bool census_serves(const struct census_node *node)
{
	return node->has_arc && (node->state == NODE_ACTIVE || node->state == NODE_LEAVING);
}

void census_free(struct census *census)
{
	free(census->nodes);
	free(census->silent);
	free(census->problems);
	memset(census, 0, sizeof(*census));
}

static int census_compare_nodes(const void *a, const void *b)
{
	const struct member *x = &((const struct census_node *)a)->who, *y = &((const struct census_node *)b)->who;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->memory < y->memory ? -1 : x->memory > y->memory;
}

static int census_compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static size_t census_unique(uint32_t *ids, size_t count)
{
	size_t kept = 0;

	qsort(ids, count, sizeof(*ids), census_compare_ids);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || ids[kept - 1] != ids[i])
			ids[kept++] = ids[i];
	}
	return kept;
}

static const struct census_node *census_find(const struct census *census, uint32_t id)
{
	size_t low = 0, high = census->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (census->nodes[middle].who.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < census->count && census->nodes[low].who.id == id ? &census->nodes[low] : NULL;
}

const struct census_node *census_find_named(const struct census *census, const char *name)
{
	size_t digits = strspn(name, "0123456789");
	const struct census_node *found = NULL;

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		if (digits > 0 && name[digits] == '\0' && strtoull(name, NULL, 10) == node->who.id)
			return node; /* an id is stronger than another node's name that looks like one */
		if (strcmp(node->name, name) == 0)
			found = node;
	}
	return found;
}

static void census_collect_silent(struct census *census)
{
	uint32_t *ids = xmalloc(2 * census->count * sizeof(*ids));
	size_t count = 0;

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		if (node->has_arc && census_find(census, node->predecessor) == NULL)
			ids[count++] = node->predecessor;
		if (node->has_arc && census_find(census, node->successor) == NULL)
			ids[count++] = node->successor;
	}
	free(census->silent);
	census->silent = ids;
	census->silent_count = census_unique(ids, count);
}

static char *census_add_problem(struct census *census)
{
	census->problems = xrealloc(census->problems, (census->problem_count + 1) * sizeof(*census->problems));
	return census->problems[census->problem_count++].text;
}

const char *census_arc_text(struct arc arc, char out[CENSUS_ARC_TEXT])
{
	snprintf(out, CENSUS_ARC_TEXT, "(%08x, %08x], %.1f%% of the ring", arc.lo, arc.hi,
		 (double)ring_size(arc) / 42949672.96);
	return out;
}

void census_doubt_text(const struct census_node *node, const struct frame_doubt *d, const char *why, bool all,
		       char *out, size_t size)
{
	char waits[CENSUS_WAITS_TEXT], arc[32] = "all";

	census_waits_text(d, waits);
	if (!all)
		snprintf(arc, sizeof(arc), "%08x-%08x", d->arc.lo, d->arc.hi);
	if (node->operated)
		snprintf(out, size,
			 "node %s waits for %s%s -> start %s again, or see what 'dhtctl recover %s' would give up",
			 node->name, waits, why, all ? "them" : "that", arc);
	else
		snprintf(out, size, "node %s waits for %s, and goes on without it soon", node->name, waits);
}

const char *census_waits_text(const struct frame_doubt *d, char out[CENSUS_WAITS_TEXT])
{
	if (d->waits_known)
		snprintf(out, CENSUS_WAITS_TEXT, "node %u", d->waits);
	else
		snprintf(out, CENSUS_WAITS_TEXT, "whoever had it");
	return out;
}

/* What stands still stands first, with what to do. */
static void census_check_doubts(struct census *census)
{
	size_t size = sizeof(census->problems->text);

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		for (unsigned j = 0; j < node->doubt_count; j++) {
			char arc[CENSUS_ARC_TEXT], *text = census_add_problem(census);
			int used = snprintf(text, size, "%s: ", census_arc_text(node->doubts[j].arc, arc));

			census_doubt_text(node, &node->doubts[j], "", false, text + used, size - (size_t)used);
		}
	}
}

bool census_serves_arc(const struct census *census, struct arc arc)
{
	uint32_t at = arc.lo;

	for (size_t i = 0; i <= census->count; i++) {
		const struct census_node *next = NULL;

		for (size_t j = 0; j < census->count && next == NULL; j++)
			if (census_serves(&census->nodes[j]) && ring_contains(census->nodes[j].arc, at + 1))
				next = &census->nodes[j];
		if (next == NULL)
			return false;
		if (ring_contains((struct arc){at, next->arc.hi}, arc.hi))
			return true;
		at = next->arc.hi;
	}
	return false;
}

static bool census_is_silent(const struct census *census, uint32_t id)
{
	for (size_t i = 0; i < census->silent_count; i++)
		if (census->silent[i] == id)
			return true;
	return false;
}

static void census_report_arc(struct census *census, struct arc arc, size_t owners)
{
	char *text = census_add_problem(census);
	size_t size = sizeof(census->problems->text);
	char shown[CENSUS_ARC_TEXT];

	census_arc_text(arc, shown);
	if (owners > 1)
		snprintf(text, size, "%zu nodes serve %s", owners, shown);
	else if (census_is_silent(census, arc.hi))
		snprintf(text, size, "%s: node %u gives no answer (a node of the reference cannot)", shown, arc.hi);
	else
		snprintf(text, size, "nobody serves %s", shown);
}

/* The ends of all arcs, and the silent ids, cut the ring into pieces that each arc holds wholly or not at all: in ring
 * order, allocated; how many.  None where nobody serves anything.  all: also of arcs that are not served. */
static uint32_t *census_cuts(const struct census *census, bool all, size_t *cut_count)
{
	uint32_t *cuts = xmalloc((2 * census->count + census->silent_count) * sizeof(*cuts));
	size_t count = 0;

	for (size_t i = 0; i < census->count; i++) {
		if (!census_serves(&census->nodes[i]) && !(all && census->nodes[i].has_arc))
			continue;
		cuts[count++] = census->nodes[i].arc.lo;
		cuts[count++] = census->nodes[i].arc.hi;
	}
	if (count > 0 && census->silent_count > 0) {
		memcpy(cuts + count, census->silent, census->silent_count * sizeof(*cuts));
		count += census->silent_count;
	}
	*cut_count = census_unique(cuts, count);
	return cuts;
}

static struct arc census_piece(const uint32_t *cuts, size_t count, size_t index)
{
	return (struct arc){.lo = cuts[(index + count - 1) % count], .hi = cuts[index]};
}

static size_t census_owners(const struct census *census, uint32_t id)
{
	size_t owners = 0;

	for (size_t i = 0; i < census->count; i++)
		owners += census_serves(&census->nodes[i]) && ring_contains(census->nodes[i].arc, id);
	return owners;
}

static void census_check_arcs(struct census *census)
{
	size_t count;
	uint32_t *cuts = census_cuts(census, false, &count);

	for (size_t i = 0; i < count; i++) {
		struct arc piece = census_piece(cuts, count, i);
		size_t owners = census_owners(census, piece.hi);

		if (owners != 1)
			census_report_arc(census, piece, owners);
	}
	if (count == 0)
		snprintf(census_add_problem(census), sizeof(census->problems->text), "no node serves anything");
	free(cuts);
}

static void census_check_nodes(struct census *census)
{
	size_t size = sizeof(census->problems->text);

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i], *next;

		if (node->state == NODE_SUSPECT)
			snprintf(census_add_problem(census), size,
				 "node %s is suspect: it serves nothing until its neighbours confirm it", node->name);
		if (i > 0 && node[-1].who.id == node->who.id)
			snprintf(census_add_problem(census), size, "two nodes have the id %u: %s and %s", node->who.id,
				 node[-1].name, node->name);
		next = census_serves(node) ? census_find(census, node->successor) : NULL;
		if (next != NULL && census_serves(next) && next->predecessor != node->who.id)
			snprintf(census_add_problem(census), size,
				 "node %s takes %s for its successor, which has %u before it", node->name, next->name,
				 next->predecessor);
	}
}

#define MIB 1048576.0

/* All goes on, but not for ever. */
static void census_check_room(struct census *census)
{
	size_t size = sizeof(census->problems->text);

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		if (node->full && node->limit > 0 && node->bytes > node->limit / 2)
			snprintf(census_add_problem(census), size,
				 "node %s has no room: %.1f MiB of memory are held, and writers may fill %.1f (three "
				 "quarters of max-memory less 8M); what is written there is refused -> delete, add "
				 "nodes, or raise it",
				 node->name, (double)node->bytes / MIB, (double)node->limit / 4 * 3 / MIB);
		else if (node->full)
			snprintf(census_add_problem(census), size,
				 "node %s has no room: its disk is full, and what is written there is refused",
				 node->name);
		else if (node->limit > 0 && node->need > node->limit)
			snprintf(census_add_problem(census), size,
				 "node %s would hold up to %.1f MiB of memory if the one before it were gone, more "
				 "than the %.1f of max-memory less 8M -> add nodes, or raise it",
				 node->name, (double)node->need / MIB, (double)node->limit / MIB);
	}
}

/* Who has an arc may have copies, too, unless it is of a version that has none. */
static unsigned census_keepers(const struct census *census)
{
	unsigned count = 0;

	for (size_t i = 0; i < census->count; i++)
		count += census_serves(&census->nodes[i]) && census->nodes[i].copies > 0;
	return count;
}

unsigned census_too_few(const struct census *census)
{
	unsigned wanted = 0;

	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		if (census_serves(node) && node->copies > 0 && node->wanted > wanted)
			wanted = node->wanted;
	}
	return wanted > census_keepers(census) ? wanted : 0;
}

bool census_lacks_copies(const struct census *census, const struct census_node *node)
{
	unsigned keepers = census_keepers(census);

	return census_serves(node) && node->copies > 0 &&
	       node->copies < (node->wanted < keepers ? node->wanted : keepers);
}

void census_judge(struct census *census)
{
	free(census->problems);
	census->problems = NULL;
	census->problem_count = 0;
	if (census->count > 0)
		qsort(census->nodes, census->count, sizeof(*census->nodes), census_compare_nodes);
	census_collect_silent(census);
	census_check_doubts(census);
	census_check_arcs(census);
	census_check_nodes(census);
	census->broken = census->problem_count;
	census_check_room(census);
}

/* Why nobody serves an id -------------------------------------------------------------------------------------- */

/* That which ends by a word alone is what there is to do. */
static void census_find_doubt(const struct census *census, uint32_t id, struct census_gap *gap)
{
	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		for (unsigned j = 0; j < node->doubt_count; j++) {
			if (!ring_contains(node->doubts[j].arc, id) ||
			    (gap->doubt != NULL && (gap->node->operated || !node->operated)))
				continue;
			gap->node = node;
			gap->doubt = &node->doubts[j];
			gap->arc = node->doubts[j].arc;
		}
	}
}

static void census_find_piece(const struct census *census, uint32_t id, struct census_gap *gap)
{
	size_t count;
	uint32_t *cuts = census_cuts(census, true, &count);

	gap->arc = (struct arc){0, 0};
	for (size_t i = 0; i < count; i++)
		if (ring_contains(census_piece(cuts, count, i), id))
			gap->arc = census_piece(cuts, count, i);
	gap->silent = count > 0 && census_is_silent(census, gap->arc.hi);
	free(cuts);
}

/* Of several away in a row the last one's arc is in doubt first, and those ahead of it once that has ended: the next doubt
 * clockwise. */
static void census_find_other(const struct census *census, struct census_gap *gap)
{
	for (size_t i = 0; i < census->count; i++) {
		const struct census_node *node = &census->nodes[i];

		for (unsigned j = 0; j < node->doubt_count; j++) {
			const struct frame_doubt *d = &node->doubts[j];

			if (gap->doubt != NULL &&
			    ring_distance(gap->arc.hi, d->arc.lo) >= ring_distance(gap->arc.hi, gap->doubt->arc.lo))
				continue;
			gap->node = node;
			gap->doubt = d;
			gap->other = true;
		}
	}
}

bool census_find_gap(const struct census *census, uint32_t id, struct census_gap *gap)
{
	memset(gap, 0, sizeof(*gap));
	if (census->count == 0 || census_owners(census, id) > 0)
		return false;
	census_find_doubt(census, id, gap);
	for (size_t i = 0; i < census->count && gap->node == NULL; i++) {
		const struct census_node *node = &census->nodes[i];

		if (node->state == NODE_SUSPECT && node->has_arc && ring_contains(node->arc, id)) {
			gap->node = node;
			gap->arc = node->arc;
		}
	}
	if (gap->node == NULL) {
		census_find_piece(census, id, gap);
		census_find_other(census, gap);
	}
	return true;
}
