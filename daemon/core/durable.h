/* What of a node outlives its process, as items of bytes: durable-state.c says what, durable.c tells after each step which
 * items have changed, restore.c takes them in again (PROTOCOL.md section 7, "With a disk"). */
#ifndef DHT_CORE_DURABLE_H
#define DHT_CORE_DURABLE_H

#include "../../common/wire.h"
#include "state.h"

/* One description for both ways. */
struct codec {
	bool reading, bad;
	struct wire w;
	struct cursor r;
};

enum durable_item {
	ITEM_LIFE,
	ITEM_RESERVED,
	ITEM_ENTRIES,
	ITEM_CHANGE,
	ITEM_PAST,
	ITEM_HANDOVER,
	ITEM_COPIES,
	ITEM_KEPT, /* lazily: how far keepers have what is owned here */
	ITEM_HORIZON,
	ITEM_COPIED_HORIZON,
	DURABLE_ITEMS,
};

#define DURABLE_ROOM (64u << 10) /* bytes: no item is longer */
#define DURABLE_SHARE_KEY \
	"share%04x" /* what a taker was told of writes done, in parts; behind the item of the handover */

/* The keys stand in the directory: they are for ever. */
extern const char *const durable_keys[DURABLE_ITEMS];
void durable_code(struct node *n, enum durable_item item, struct codec *c);

struct durable_watch {
	struct node *n;
	enum node_space space;
};

struct durable_key {
	enum node_space space;
	struct key key;
};

struct durable_row {
	enum node_space space;
	uint8_t client[ONCE_CLIENT];
	uint64_t number; /* 0: the entry */
};

/* Numbers that a process may use up before it says so: no smaller one is used by the next. */
struct reserved {
	uint64_t counter, attempts, finds;
	uint32_t conns;
	uint64_t wall; /* the latest time of day seen, ms */
};

/* How far a keeper has what is owned here: restored. */
struct kept {
	struct member m;
	uint64_t safe;
};

struct durable {
	struct durable_watch watches[SPACE_COUNT];
	struct durable_key *keys; /* changed in this step, some more than once */
	size_t key_count, key_room;
	struct durable_row *rows;
	size_t row_count, row_room;
	struct node_write *writes;
	size_t write_count, write_room;
	struct {
		uint8_t *bytes; /* as last written */
		size_t len;
	} items[DURABLE_ITEMS];
	uint8_t *scratch;
	unsigned share_parts; /* written */
	struct reserved reserved;
	uint64_t wall; /* the time of day at the zero of n->now, ms */
	bool restored; /* and not begun yet */
	struct kept kept[FOLLOWERS_MAX];
	unsigned kept_count;
	size_t lost; /* items that could not be read */
};

struct durable *durable_new(struct node *n);
/* A store or table whose changes are told from now on. */
void durable_watch_store(struct node *n, enum node_space space, struct store *s);
void durable_watch_once(struct node *n, enum node_space space, struct once *o);
/* It is about to be freed with all that is in it. */
void durable_forget_store(struct node *n, enum node_space space, const struct store *s);
void durable_key_changed(struct node *n, enum node_space space, const struct key *key);
void durable_begin(struct node *n); /* the first event is here */
void durable_clock(struct node *n, const struct event *at);
void durable_tell(struct node *n, struct update *update); /* at the end of a step */
void durable_free(struct node *n);

uint64_t durable_wall(const struct node *n, uint64_t time); /* of this clock -> of day */
uint64_t durable_time(const struct node *n, uint64_t wall);

#endif
