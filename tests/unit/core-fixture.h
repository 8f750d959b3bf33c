/* The core driven by events alone: some nodes, an obedient broker and a clock that only the test moves.
 *
 * The broker keeps one order: what is published goes at once to the end of the one queue of deliveries, and a delivery
 * is made when the test asks for it; between them no time passes.  Nothing is random, so a failure comes again; with
 * CORE_TRACE=1 in the environment every message and every line of the log is printed.
 *
 * It watches all the time that no operation is answered more often than it was asked, and whenever nothing is under way
 * that no id is served by two.  Storms of faults are the simulator's; here each test says what happens. */
#ifndef DHT_TEST_CORE_FIXTURE_H
#define DHT_TEST_CORE_FIXTURE_H

/* What cmocka wants first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../daemon/core/node.h"

#define CORE_NODES 16
#define CORE_NEVER UINT64_MAX
#define CORE_ANY (-3)
#define CORE_CLIENT (-1) /* who publishes: the test */
#define CORE_BROKER (-2) /* ... a will */

/* One life of one process. */
struct core_node {
	struct node *node; /* NULL: killed, or it has exited */
	uint32_t id;
	bool paused;
	int exit_code; /* -1: it has not exited */
	uint64_t deadline;
	uint64_t connect_at; /* CORE_NEVER: it is connected, or stays away until core_connect */
	uint64_t away;       /* how long it stays away once it knows that its connection is lost */
	/* its connection */
	bool live;
	bool turn; /* EVENT_TURN is to come */
	char client_id[CONN_TEXT];
	char *will_topic;
	uint8_t *will;
	size_t will_len;
	char **filters;
	size_t filter_count;
};

struct core_delivery {
	struct core_delivery *next;
	int to;
	enum frame_type frame; /* FRAME_NONE: not one of ours */
	struct event event;
};

/* What was published, in the broker's order. */
struct core_line {
	uint64_t when;
	int from;
	char *topic;
	char *payload; /* with a NUL behind it */
	size_t len;
	bool retain;
	enum frame_type frame;
};

struct core_log {
	uint64_t when;
	int from, level;
	enum note_kind note;
	char *text;
};

/* How often an operation was asked and answered: puts by client, gets by key. */
struct core_tally {
	char *name;
	bool put;
	uint32_t key;
	unsigned asked, answered;
};

struct core {
	uint64_t now;
	struct node_config config; /* the next core_add takes it, but for id, name and memory */
	uint64_t memory;           /* of the next; grows by 16 */
	bool broker_down;
	bool broker_hangs;    /* it takes what is published, and delivers nothing */
	const char *denied;   /* what nodes publish on topics that begin so is thrown away; NULL: nothing is */
	int older;            /* the node that speaks as version 1.0 does; -1: none, as at first */
	uint32_t older_minor; /* ... or as 1.<that> */
	uint64_t reconnect;   /* how soon a node comes back that has lost its connection; CORE_NEVER: not by itself */
	struct core_node nodes[CORE_NODES];
	int count;
	struct core_delivery *first, **last;
	struct core_line *lines;
	size_t line_count, line_room;
	struct core_log *logs;
	size_t log_count, log_room;
	struct core_tally *tallies;
	size_t tally_count, tally_room;
	struct core_line *retained; /* in order of their first arrival; len 0: gone */
	size_t retained_count, retained_room;
	struct frame_room *room;
	size_t most; /* bytes published in one step */
	bool full;   /* after a burst no outbox drains by itself: EVENT_DRAINED is the test's to say */
	bool trace;
};

struct core *core_new(void);
void core_free(struct core *c);

/* ---- nodes ---- */
int core_add(struct core *c, uint32_t id); /* starts and connects; returns its index */
int core_add_named(struct core *c, uint32_t id, const char *name);
void core_step(struct core *c, int n, struct event event); /* an event of the test's own, to this node only */
void core_kill(struct core *c, int n);                     /* the process is gone; the broker publishes its will */
void core_cut(struct core *c, int n);                      /* its connection is; the will too; it comes back */
void core_cut_for(struct core *c, int n, uint64_t ms);
void core_connect(struct core *c, int n);
void core_pause(struct core *c, int n); /* SIGSTOP: the connection stays, nothing is read */
void core_resume(struct core *c, int n);
void core_stop(struct core *c, int n); /* SIGTERM */
void core_broker_stop(struct core *c, bool wills, bool keep_retained);
void core_broker_start(struct core *c); /* who is to come back: core_connect, or c->reconnect */

/* ---- deliveries and time ---- */
struct core_delivery *core_next(struct core *c); /* the one to be made next; NULL: nothing is under way */
bool core_deliver(struct core *c);               /* makes it */
void core_deliver_all(struct core *c);
void core_drop(struct core *c); /* loses the next one */
/* Runs until the next delivery is such a frame, to that node or CORE_ANY; false if that took more than 20 s. */
bool core_until(struct core *c, enum frame_type type, int to);
void core_run(struct core *c, uint64_t ms);
/* One delivery, or else the next moment at which somebody acts; false: nothing more happens before `end`. */
bool core_advance(struct core *c, uint64_t end);
/* Runs until exactly these many live and unpaused nodes are active and their arcs are the ring; fails after limit. */
void core_whole(struct core *c, int count, uint64_t limit_ms);
bool core_is_whole(const struct core *c, int count);

/* ---- the world ---- */
void core_publish(struct core *c, const char *topic, const char *payload);
void core_publish_bytes(struct core *c, const char *topic, const void *payload, size_t len);
void core_put(struct core *c, const char *client, uint32_t key, const char *value);
void core_get(struct core *c, uint32_t key);
void core_no_two_owners(struct core *c);
/* Every operation was answered exactly as often as it was asked, and none is held by anybody. */
void core_all_answered(struct core *c);
/* get, run a little, and exactly this answer. */
void core_expect(struct core *c, uint32_t key, const char *value);
/* How many lines, or from that line on; payload NULL: any; from CORE_ANY is everybody. */
unsigned core_count(const struct core *c, size_t since, const char *topic, const char *payload);
unsigned core_count_frames(const struct core *c, size_t since, enum frame_type type, int from);
unsigned core_count_logs(const struct core *c, int n, const char *part);
/* How often puts of that client, or gets of that key, have been answered. */
unsigned core_acked(struct core *c, const char *client);
unsigned core_told(struct core *c, uint32_t key);
enum node_state core_state(const struct core *c, int n);
bool core_serves(const struct core *c, int n, uint32_t id);

/* ---- between the files of the fixture ---- */
#define CORE_GROW(array, count, room) ((array) = core_grow((array), (count), &(room), sizeof(*(array))))
void *core_grow(void *p, size_t count, size_t *room, size_t size);
void core_trace(const struct core *c, const char *who, int n, const char *what, const char *text);
struct core_delivery *core_delivery_add(struct core *c, int to, enum event_type type);
struct core_delivery *core_delivery_take(struct core *c, struct core_delivery **at);
void core_delivery_free(struct core_delivery *d);
void core_publish_as(struct core *c, int from, const char *topic, const void *payload, size_t len, bool retained);
void core_subscribe(struct core *c, int n, const char *filter);
void core_unsubscribe(struct core_node *node, const char *filter);
void core_deliveries_drop(struct core *c, int n);
void core_link_close(struct core *c, int n, bool will);

/* Each test in a world of its own. */
int core_setup(void **state);
int core_teardown(void **state);
#define core_test(f) cmocka_unit_test_setup_teardown(f, core_setup, core_teardown)

#endif
