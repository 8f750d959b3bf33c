/* Who is in the ring: asks everybody (WHO) and judges the answers.  Pure but for the asking (census-ask.c). */
#ifndef DHT_CENSUS_H
#define DHT_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/frame.h"
#include "client.h"

#define CENSUS_NODES_MAX 16384

struct census_node {
	struct member who;
	enum node_state state;
	bool has_arc;
	struct arc arc;
	uint32_t predecessor, successor; /* meaningful with has_arc */
	uint64_t records, since;
	uint64_t epoch, behind;                      /* as STATUS has them */
	uint32_t copies, wanted;                     /* 0: an earlier version, which does not say */
	struct frame_doubt doubts[FRAME_DOUBTS_MAX]; /* arcs that it does not serve, as it waits for somebody */
	unsigned doubt_count;
	bool full;                   /* it has no room for what is written */
	uint64_t bytes, limit, need; /* of memory, as STATUS has them */
	bool operated;               /* ... until an operator says a word */
	char name[NAME_MAX_LEN + 1]; /* never "": the id in decimal if it has none */
	char software[32];
};

struct census_problem {
	char text[320];
};

struct census {
	struct census_node *nodes; /* in ring order */
	size_t count;
	uint32_t *silent; /* neighbours of those who answered that did not: in ring order */
	size_t silent_count;
	struct census_problem *problems;
	size_t problem_count;
	size_t broken; /* of the problems, the first: what is not answered, or not agreed on; the others are of room */
};

/* The judgement alone, for nodes in any order: sorts them and fills silent and problems. */
void census_judge(struct census *census);

void census_free(struct census *census);

/* The node of that id in decimal, else of that name; NULL: none that has answered. */
const struct census_node *census_find_named(const struct census *census, const char *name);

/* How many copies somebody asks for, if there are fewer nodes than that; else 0. */
unsigned census_too_few(const struct census *census);

/* True if there are fewer copies of the node's arc than it asks for, and than there are nodes for. */
bool census_lacks_copies(const struct census *census, const struct census_node *node);

/* Every id of the arc is answered for by somebody. */
bool census_serves_arc(const struct census *census, struct arc arc);

/* "(40000000, 80000000], 25.0% of the ring". */
#define CENSUS_ARC_TEXT 64
const char *census_arc_text(struct arc arc, char out[CENSUS_ARC_TEXT]);

/* Of a doubt: "node 123" or "whoever had it"; and "node kitchen waits for node 123 -> start that again, ..." with what to do,
 * where `why` is put in behind whom it waits for if only an operator ends it.  all: it is not the only one that matters. */
#define CENSUS_WAITS_TEXT 32
const char *census_waits_text(const struct frame_doubt *d, char out[CENSUS_WAITS_TEXT]);
void census_doubt_text(const struct census_node *node, const struct frame_doubt *d, const char *why, bool all,
		       char *out, size_t size);

/* Why nobody serves an id, as far as the census tells. */
struct census_gap {
	struct arc arc;                  /* what is not served with it */
	const struct census_node *node;  /* who is in doubt, or has the arc and is suspect; or NULL */
	const struct frame_doubt *doubt; /* NULL: nobody is in doubt */
	bool other;                      /* it is about another arc, behind this one: that is to be served first */
	bool silent;                     /* the node at the arc's end has not answered */
};

/* Of a judged census, from which *gap borrows.  False: somebody serves it, or nobody has answered. */
bool census_find_gap(const struct census *census, uint32_t id, struct census_gap *gap);

/* True if the node answers operations on its arc. */
bool census_serves(const struct census_node *node);

/* ---- census-ask.c ---- */

#define CENSUS_PATIENCE_MS 500 /* for the answers: longer than a broker and a busy node need */

/* Subscribes the client's reply topic, asks, and collects until the arcs of those who serve partition the ring, all
 * their neighbours have answered and it is quiet, else until nobody new has answered for a while, or the client's
 * deadline.  RC_TIMEOUT, and nothing printed, if nobody answered.  census must be zeroed; free it in any case. */
enum exit_code census_take(struct client *client, const struct settings *settings, struct census *census);

/* The collecting alone, for who asks (WHO) and waits by himself: hand it what comes on the reply topic, and judge the
 * census before it is used.  It lives until the poll is freed at least.  census_poll_message: arg is the poll. */
struct census_poll *census_poll_new(const struct settings *settings, struct census *census);
void census_poll_free(struct census_poll *poll); /* NULL is fine */
void census_poll_message(void *arg, const struct mqtt_message *message);

#endif
