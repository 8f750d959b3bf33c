/* How much a node holds, and how much it may (PROTOCOL.md section 7, No room): the sum, the line from which writers are
 * refused, and what is said before more has to be held than that.
 *
 * The sum is what lasts, counted by lengths alone: no question to the allocator, which would answer otherwise on each
 * machine, gives back less than is freed, and would make the core's steps depend on it.  It takes no time: stores and tables
 * keep theirs. */
#include "core.h"

#define WRITERS(limit) ((limit) / 4 * 3) /* the rest: copies, handovers, deletions, and what does not last */
#define GRAVES(limit) ((limit) / 16 > GRAVES_LEAST ? (limit) / 16 : GRAVES_LEAST)
#define GRAVES_LEAST (128u << 10)          /* that of the longest name, and some thousand of short ones */
#define BELOW(line) ((line) - (line) / 32) /* ... which it ends at */
#define UNFIT_AGAIN 60000                  /* ms */
#define MIB 1048576.0

static uint64_t counted(const struct node *n)
{
	return store_bytes(n->store) + store_bytes(n->copied) + store_bytes(n->replaced) +
	       (n->take.staging ? store_bytes(n->take.staging) : 0) + n->held_bytes + once_bytes(n->once) +
	       once_bytes(n->copied_once);
}

void memory_begin(struct node *n)
{
	n->memory.empty = counted(n);
}

uint64_t node_memory_held(const struct node *n)
{
	return counted(n) - n->memory.empty;
}

bool node_has_room(const struct node *n)
{
	return !room_full(n);
}

/* A write is done if it fits below the line, so the sum comes near to it and not beyond: near is full. */
static bool filled(uint64_t held, uint64_t line, bool before)
{
	return held > BELOW(before ? BELOW(line) : line);
}

/* Beyond the line; once it was, until it is well below. */
static bool beyond(uint64_t held, uint64_t line, bool before)
{
	return held > (before ? BELOW(line) : line);
}

/* The most that one neighbour's end would bring. */
static uint64_t inherits(const struct node *n)
{
	uint64_t most = 0;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		if (e->used && !e->mine && e->inherits > most)
			most = e->inherits;
	return most;
}

/* Behind a sum of which each is bounded by somebody else's word. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static void look_full(struct node *n, uint64_t held, uint64_t line)
{
	bool full = line && filled(held, line, n->memory.full);
	bool before = room_full(n);

	if (full == n->memory.full)
		return;
	n->memory.full = full;
	if (full)
		out_log(n, NOTE_MEMORY_FULL, NULL,
			"memory: %.1f MiB are held, and writers may fill %.1f -> nothing new is written here or where "
			"a copy lies here (delete, add nodes, or raise --max-memory: a reload is enough)",
			(double)held / MIB, (double)line / MIB);
	else
		out_log(n, NOTE_MEMORY_ROOM, NULL, "memory: there is room again, %.1f MiB are held",
			(double)held / MIB);
	if (room_full(n) != before)
		room_tell(n);
}

static void look_over(struct node *n, uint64_t held, uint64_t limit)
{
	/* Said ahead of a handover it holds for that long. */
	bool over = limit && (beyond(held, limit, n->memory.over) || (n->memory.over && n->take.phase));

	if (over && !n->memory.over)
		out_log(n, NOTE_MEMORY_OVER, NULL,
			"memory: %.1f MiB are held, more than the %.1f of --max-memory -> this goes on, as nobody "
			"else may have it; add nodes, or raise it",
			(double)held / MIB, (double)limit / MIB);
	n->memory.over = over;
}

/* Who holds too much by now has said so. */
static void look_ahead(struct node *n, uint64_t held, uint64_t limit)
{
	uint64_t need = plus(held, inherits(n));
	bool cramped = limit && beyond(need, limit, n->memory.cramped);

	if (cramped && !n->memory.cramped && !n->memory.over)
		out_log(n, NOTE_MEMORY_SHORT, NULL,
			"memory: if the node ahead of this one were gone %.1f MiB would have to be held here, and "
			"--max-memory lets it hold %.1f -> add nodes, or raise it",
			(double)need / MIB, (double)limit / MIB);
	n->memory.cramped = cramped;
}

void memory_look(struct node *n)
{
	uint64_t held;

	if (!n->config.max_memory && !n->memory.full && !n->memory.over && !n->memory.cramped)
		return;
	held = node_memory_held(n);
	look_full(n, held, WRITERS(n->config.max_memory));
	look_over(n, held, n->config.max_memory);
	look_ahead(n, held, n->config.max_memory);
}

/* Several are written in one step, and one may be of 16 MiB: each is looked at by itself. */
bool memory_holds(struct node *n, const struct store_item *item, const struct store_item *old)
{
	uint64_t more, less;

	if (!n->config.max_memory)
		return true;
	more = store_item_bytes(item);
	less = old ? store_item_bytes(old) : 0;
	return more <= less || node_memory_held(n) + more - less <= WRITERS(n->config.max_memory);
}

struct store_keep memory_graves(const struct node *n)
{
	uint64_t bytes = n->config.max_memory ? GRAVES(n->config.max_memory) : SIZE_MAX;

	return (struct store_keep){n->config.tombstones, bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX};
}

/* What is owned here comes by a handover while its copy is there still; what is kept here for others but that backup itself is
 * kept there then.  Of one neighbour one of the two happens, and then the other's place is free. */
uint64_t memory_leaves(const struct node *n, const struct member *backup)
{
	uint64_t own = store_bytes(n->store), kept = store_bytes(n->copied);
	bool others = false;

	for (const struct entry *e = n->entries; e < n->entry_end; e++)
		others |= e->used && !e->mine && !member_same(&e->v.owner, backup);
	return others && kept > own ? kept : own;
}

/* A newcomer that holds nothing yet may stay out; whoever has records may be the only one. */
bool memory_fits(struct node *n, const struct frame *offer)
{
	if (!n->config.max_memory || offer->bytes <= n->config.max_memory || !store_empty(n->store) ||
	    !store_empty(n->copied))
		return true;
	if (!n->memory.unfit || n->now - n->memory.unfit >= UNFIT_AGAIN) {
		n->memory.unfit = n->now;
		out_log(n, NOTE_MEMORY_UNFIT, ABOUT(OF_PEER(offer->from.id)),
			"node %08x: offers an arc with about %.1f MiB, and --max-memory lets %.1f be held -> not "
			"taken; "
			"asking again every %u s (raise it, or add a larger node first)",
			offer->from.id, (double)offer->bytes / MIB, (double)n->config.max_memory / MIB,
			MEMORY_AGAIN / 1000);
	}
	return false;
}

void memory_takes(struct node *n, const struct frame *ask)
{
	uint64_t held = plus(node_memory_held(n), ask->bytes);

	if (!n->config.max_memory || !beyond(held, n->config.max_memory, n->memory.over) || n->memory.over)
		return;
	n->memory.over = true;
	out_log(n, NOTE_MEMORY_OVER, ABOUT(OF_PEER(ask->from.id)),
		"node %08x: leaves about %.1f MiB here, with which more is held than the %.1f of --max-memory -> taken "
		"all "
		"the same, as it goes; add nodes, or raise it",
		ask->from.id, (double)ask->bytes / MIB, (double)n->config.max_memory / MIB);
}

void memory_status(const struct node *n, struct frame *f)
{
	f->full = room_full(n);
	f->bytes = node_memory_held(n);
	f->limit = n->config.max_memory;
	if (f->limit)
		f->need = plus(f->bytes, inherits(n));
}
