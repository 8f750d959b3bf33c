/* The simulated world: real cores, a broker model, clients of the reference's protocol, faults and judges, in virtual
 * time, from one seed.
 *
 * Everything that happens is an entry in one queue, ordered by time and, within one time, by the order in which it was
 * put there; nothing else decides anything, so a seed is a run, byte for byte.  Virtual time is in microseconds; the
 * cores see milliseconds, each process from an origin of its own.
 *
 *   queue.c   what happens when                      world.c   the run and its quiet end
 *   broker.c  the broker's one order                 topic.c   topics and subscriptions
 *   link.c    connections
 *   proc.c    node processes: the second shell       effect.c  what they do
 *   disk.c    ... what they keep
 *   client.c  clients of the reference's protocol, ours.c of ours
 *   swarm.c   what one seed chooses                  fault.c   what goes wrong
 *   aim.c     trouble at chosen protocol steps       sweep.c   ... at every step, one after the other
 *   strange.c strangers who publish nonsense         scale.c   a large ring without faults
 *   owner.c   one owner                              judge.c   once
 *   whole.c   no hole, live, bounded, the end        ours-judge.c what clients of ours see
 *   tool.c    who asks, and an operator
 *   history.c is a key a register?                   linear.c  ... a second opinion, by search
 *   story.c   the run kept for a picture             picture.c what of it is drawn, and where
 *   svg.c     that picture                           trace.c   the run in words and as a hash
 *
 * What is around it (command line, many seeds, shrinking) stands in command.h. */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../common/cover.h"
#include "../../common/kv.h"
#include "../../common/topic.h"
#include "../../daemon/core/node.h"
#include "choices.h"
#include "linear.h"
#include "op.h"
#include "queue.h"
#include "random.h"
#include "stats.h"
#include "story.h"
#include "sweep.h"

#define MS 1000u
#define SECOND 1000000u
#define NONE UINT32_MAX
#define CLIENTS_BEGIN (2 * SECOND) /* by then each has begun */
#define LOOK_EVERY (250 * MS)      /* how often the first phase is looked at */

/* When the broker gives up a connection that says nothing more: 1.5 times the keepalive, looked at every few seconds. */
#define KEEPALIVE_MIN (15 * SECOND)
#define KEEPALIVE_MAX (21 * SECOND)

/* ---- connections and broker ---- */

enum link_state { LINK_CONNECTING, LINK_LIVE, LINK_DEAD };

/* One connection as broker and owner see it. */
struct link {
	enum link_state state; /* as the broker sees it */
	bool client;           /* owner is a client, else a process */
	bool stranger;         /* ... or nobody who listens */
	bool refused;          /* a subscription was */
	bool clean;            /* ended by DISCONNECT */
	uint64_t closed;       /* its end's place in the order */
	uint32_t owner;
	char client_id[CONN_TEXT];
	struct rng rng;
	struct packet *will;
	uint64_t in_last, out_last; /* when the last packet arrives: order is kept */
	uint64_t in_drop, out_drop; /* packets that arrive from then on are lost */
	uint64_t in_base, in_spread, out_base, out_spread;
	uint64_t in_cost;  /* of a slow reader: time for each packet */
	uint64_t in_first; /* when the CONNACK arrives: nothing comes before it */
	size_t in_count;   /* sent and not yet read, where queues are bounded */
	size_t out_bytes;  /* sent and not yet at the broker */
	bool out_high;
	uint32_t *topics; /* subscribed */
	size_t topic_count, topic_room;
};

struct sim_topic {
	char *name;
	enum topic_kind kind;
	uint32_t id;
	bool wildcard;
	bool cells;               /* a cell, or a filter of some */
	uint32_t up[CELL_DIGITS]; /* of a cell: the filters that hear it and others too */
	uint32_t *links;          /* subscribers */
	size_t link_count, link_room;
	struct packet *retained, *retained_old;
};

/* ---- processes ---- */

struct input {
	uint32_t link;
	struct packet *packet;
};

/* A name on the ring; processes come and go under it. */
struct identity {
	uint32_t id;
	char name[NAME_MAX_LEN + 1];
	uint32_t proc; /* the latest process, NONE before the first */
	unsigned starts;
	bool twin; /* its id is somebody else's too */
};

struct proc {
	uint32_t index, identity;
	uint32_t id;
	struct rng rng;
	char label[16]; /* n2 = identity 2, n2.1 = its second process */
	struct node *node;
	bool alive; /* exists: neither killed nor gone */
	bool killed;
	bool stop_asked;
	bool paused;
	bool turn, turn_missed;        /* EVENT_TURN is to come; came while it was paused */
	bool owned;                    /* an arc ended at it, once */
	bool joined;                   /* ... and it was active */
	uint64_t forgot_at;            /* when it last was in no ring, after that */
	bool lonely_exit;              /* left as the last owner: nobody could take the records */
	bool connected;                /* the node has been told so */
	uint64_t clock_base, clock_at; /* its clock said so many ms at that virtual time */
	uint32_t clock_rate;           /* of 1024 */
	uint64_t memory;
	struct disk *disk; /* NULL: it has none */
	unsigned full;     /* it has no room: as long as one of so many faults lasts */
	uint32_t link, last_link;
	uint64_t timer_at; /* when the pending timer entry fires; UINT64_MAX: none */
	uint32_t timer_gen;
	uint64_t wanted;   /* when the node wants to be woken, by its own clock */
	uint64_t deadline; /* ... in virtual time */
	unsigned backoff;  /* ms */
	enum node_state state;
	struct ring_id ring;  /* behind its last step */
	struct input *inputs; /* arrived while paused */
	size_t input_count, input_room;
	uint64_t latency;       /* extra delay towards this process, us */
	uint64_t in_cost;       /* it reads slowly: time for each packet, us */
	struct ring_id made_in; /* the ring in which it made views, and the greatest number of those */
	uint64_t made;
	uint64_t offered; /* the attempt of its last OFFER or ASK, and of which arc */
	struct arc offered_arc;
	bool told; /* it has said who it is, in the end, and this: */
	struct arc told_arc;
	uint32_t told_predecessor, told_successor;
	uint64_t serves;      /* bit for each probe point, after its last step */
	uint64_t served;      /* ... after any of its steps */
	uint64_t reached_at;  /* when it last did something that could reach the broker */
	uint64_t returned_at; /* ... and had not for long */
};

/* Which topics a message goes by: what reaches everybody, and the rest. */
enum traffic {
	TRAFFIC_REFERENCE, /* the reference's public topics */
	TRAFFIC_HELLO,     /* HELLO on `ring` */
	TRAFFIC_RING,      /* anything else on `ring` */
	TRAFFIC_NODES,     /* inboxes, cuts, statuses, the register */
	TRAFFIC_COUNT,
};

struct volume {
	uint64_t published, delivered;
};

/* A view that somebody has said to hold. */
struct held_view {
	struct ring_id ring;
	struct view_name name;
	struct arc arc;
	struct member owner;
};

#define KEYS_MAX 16
#define PROBES_MAX 48
#define RECORDED_MAX 64

/* Who served a key last, or was handed its record since, by which connection and in which ring. */
struct served {
	uint32_t proc, link;
	struct ring_id ring;
};

/* A key's only copy died: the place of its server's end, and where the next one began to serve. */
struct loss {
	uint64_t died, served;
};

struct world {
	struct sim_options options;
	struct swarm swarm;
	struct rng rng_world, rng_node, rng_schedule, rng_aim, rng_fault;
	struct queue queue;
	uint64_t now, place, hash;
	uint64_t lines;                    /* of the trace */
	uint32_t fault_count, aimed_count; /* occurrences, left out or not */
	uint64_t stats[STAT_COUNT];
	struct story story;
	struct volume traffic[TRAFFIC_COUNT];

	struct link *links;
	size_t link_count, link_room;
	struct sim_topic *topics;
	size_t topic_count, topic_room;
	uint32_t *topic_index; /* open addressing by the name's hash, index + 1 */
	size_t topic_slots;    /* a power of two, at least twice the topics */
	uint32_t *wild;        /* topics that are filters with wildcards */
	size_t wild_count, wild_room;
	bool broker_up, hung;
	struct entry *waiting; /* what reached the broker while it hung */
	size_t waiting_count, waiting_room;
	uint64_t *lanes;         /* when the last packet of a publisher and topic reaches a reader, by hash */
	uint32_t stranger, tool; /* their links */
	struct packet *recorded[RECORDED_MAX]; /* what nodes said, for strangers to say again */
	uint64_t recorded_count;
	struct packet *requests[RECORDED_MAX]; /* ... and clients of ours */
	uint64_t request_count;
	bool cells_retained; /* they have had one retained */

	struct identity *identities;
	size_t identity_count, identity_room;
	struct proc **procs;
	size_t proc_count, proc_room;
	struct client *clients;
	uint32_t keys[KEYS_MAX];
	bool named[KEYS_MAX], counter[KEYS_MAX]; /* of these only clients of ours know */
	char names[KEYS_MAX][16];

	struct op *ops;
	size_t op_count, op_room;
	uint32_t *gets[KEYS_MAX]; /* gets of each key that are placed and not answered, in order */
	size_t get_count[KEYS_MAX], get_room[KEYS_MAX];
	struct loss *losses[KEYS_MAX];
	size_t loss_count[KEYS_MAX], loss_room[KEYS_MAX];
	uint32_t probes[PROBES_MAX]; /* the keys come first */
	unsigned probe_count;
	uint32_t *serving[PROBES_MAX]; /* the processes that serve each probe point */
	size_t serving_count[PROBES_MAX], serving_room[PROBES_MAX];
	struct served served[KEYS_MAX];
	struct version shown[KEYS_MAX]; /* the greatest that an answer has told of each key */
	struct held_view *views;
	size_t view_count, view_room;
	uint32_t moves[KEYS_MAX];  /* how often it went from one node to another */
	bool repeated[KEYS_MAX];   /* a put of it was said twice */
	uint64_t looks, calm;      /* how often the first phase was looked at, and was as it should be */
	unsigned aim_seen;         /* sweep: frames of its type so far, + 1; 0: the change has not begun */
	struct packet *aim_packet; /* ... the one aimed at */
	uint32_t aim_sender;
	bool aim_hit;
	bool disturbed; /* something is broken, or was a moment ago: operations may stay unanswered */
	uint64_t disturbed_at;
	uint64_t fence_lost_at; /* the last fence whose answer was */

	bool quiet;
	uint64_t quiet_since, whole_since;
	uint64_t trouble_until;         /* when the last fault under way has been noticed by everybody it concerns */
	uint64_t asked_at, asked_since; /* when everybody was asked who it is, last and first */
	bool finals_sent;
	bool accepted;     /* an operator gives up what nobody answers for */
	uint64_t shown_at; /* ... and last asked what that is */
	bool done;
	bool failed;
	char failure[512];
};

/* Makes room for one more in a growing array. */
void *sim_grow(void *array, size_t count, size_t *room, size_t size);

/* link.c */
uint32_t link_open(struct world *w, bool client, uint32_t owner, const char *client_id, struct packet *will);
/* A connection of somebody who does not listen, if *link is none that lives. */
void link_stranger(struct world *w, uint32_t *link, const char *client_id);
void link_send(struct world *w, uint32_t link, struct packet *p);
void link_deliver(struct world *w, uint32_t link, struct packet *p);
void link_arrive(struct world *w, uint32_t link, struct packet *p);
void link_close(struct world *w, uint32_t link, bool publish_will, bool tell_owner);
void link_stall(struct world *w, uint32_t link, uint64_t duration);
void link_read(struct world *w, uint32_t link, const struct packet *p);
uint64_t link_delay(struct world *w, uint32_t link, uint64_t base, uint64_t spread);

/* topic.c */
uint32_t topic_intern(struct world *w, const char *name);
uint32_t topic_of(struct world *w, enum topic_kind kind, uint32_t id);
bool topic_matches(const char *filter, const char *topic);
bool topic_has(const struct sim_topic *t, uint32_t link);
void topic_subscribe(struct world *w, uint32_t link, uint32_t topic);
void topic_unsubscribe(struct world *w, uint32_t link, uint32_t topic);
void topics_free(struct world *w);

/* broker.c */
void broker_receive(struct world *w, uint32_t link, struct packet *p);
void broker_fence(struct world *w, uint32_t proc, uint32_t link, struct packet *p);
void broker_publish(struct world *w, uint32_t from, struct packet *p);
void broker_subscribe(struct world *w, uint32_t link, const struct packet *p);
void broker_restart(struct world *w, bool in_order, enum retained_fate fate, uint64_t down);
void broker_autosave(struct world *w);
/* Then it goes on, or is killed and away for `down`. */
void broker_hang(struct world *w, uint64_t duration, uint32_t down);
void broker_unhang(struct world *w, uint32_t down);
void broker_wait(struct world *w, const struct entry *e);
void broker_free(struct world *w);

/* proc.c */
uint32_t proc_start(struct world *w, uint32_t identity);
void proc_connect(struct world *w, uint32_t proc);
void proc_input(struct world *w, uint32_t link, struct packet *p);
void proc_fenced(struct world *w, uint32_t proc, uint32_t link, struct packet *p);
void proc_timer(struct world *w, uint32_t proc, uint32_t gen);
void proc_turn(struct world *w, uint32_t proc);
void proc_room(struct world *w, uint32_t proc, bool there); /* on its disk */
void proc_unlimit(struct world *w, uint32_t proc);          /* its memory has no limit any more */
void proc_stop(struct world *w, uint32_t proc);
void proc_kill(struct world *w, uint32_t proc);
void proc_pause(struct world *w, uint32_t proc, uint64_t duration);
void proc_resume(struct world *w, uint32_t proc);
void proc_clock(struct world *w, uint32_t proc, uint64_t jump);
void proc_free(struct proc *p);
void proc_carry_out(struct world *w, struct proc *p, const struct effect *e);
void proc_end(struct proc *p); /* its node is freed, if it has exited */
bool proc_reaches(const struct world *w, const struct proc *p);

/* disk.c */
struct disk *disk_new(void);
void disk_free(struct disk *d);
bool disk_empty(const struct disk *d);
bool disk_has_records(const struct disk *d);
void disk_write(struct world *w, struct proc *p, const struct update *u);
bool disk_holds(struct proc *p, const struct effect *e); /* it leaves later */
void disk_committed(struct world *w, uint32_t proc, uint32_t gen);
void disk_died(struct world *w, struct proc *p);
void disk_restore(struct world *w, struct proc *p, const struct event *at);

/* client.c */
void client_init(struct world *w, uint32_t client);
void client_connect(struct world *w, uint32_t client);
void client_input(struct world *w, uint32_t link, struct packet *p);
void client_turn(struct world *w, uint32_t client, uint32_t gen);
void client_finish(struct world *w, uint32_t client);
bool client_ready(const struct client *c); /* connected, and all it needs is subscribed */
void client_think(struct world *w, struct client *c);

/* ours.c */
void ours_init(struct client *c);
void ours_free(struct client *c);
void ours_cut(struct world *w, struct client *c); /* its connection is gone */
bool ours_waits(const struct world *w);           /* it may stay unanswered */
void ours_begin(struct world *w, struct client *c, uint32_t index);
void ours_tick(struct world *w, struct client *c, uint32_t gen); /* 0: now */
void ours_input(struct world *w, struct client *c, struct packet *p);
struct key ours_key(const struct world *w, unsigned key);

/* ours-judge.c */
void ours_ended(struct world *w, const struct client *c, const struct kv_effect *e);
void ours_served(struct world *w, const struct proc *by, const struct packet *p);
void ours_asked(struct world *w, const struct packet *p);
void ours_answered(struct world *w, const char *by, const struct packet *p);
void ours_judge_counter(struct world *w, uint32_t key);
bool ours_expires(const struct world *w, const struct op *op, uint64_t *place);
/* It gives filters back: none that alone hears what it serves. */
void ours_deaf(struct world *w, const struct proc *p, const uint32_t *filters, size_t count);
/* It is ready to take the arc over: it hears the keys there. */
void ours_heard(struct world *w, const struct proc *p, struct arc arc);

/* swarm.c */
void swarm_draw(struct world *w);
uint64_t swarm_memory(const struct world *w, uint32_t identity); /* what it may hold; 0: no limit */

/* fault.c */
void fault_start(struct world *w);
#define TOLD_BY (20 * SECOND) /* an owner asks its keeper anew, where it has not heard that there is room */
void fault_lasts(struct world *w, uint64_t until);
void fault_happens(struct world *w, enum fault kind);
void fault_crash(struct world *w, uint32_t proc);
void fault_pause(struct world *w, uint32_t proc);
void fault_pause_for(struct world *w, uint32_t proc, uint64_t duration);
void fault_cut(struct world *w, uint32_t link);
void fault_leave(struct world *w, uint32_t proc);
void fault_broker(struct world *w, bool in_order, uint64_t down);
void fault_stop(struct world *w, uint32_t identity);
uint32_t identity_new(struct world *w, uint32_t id);

/* aim.c */
void aim_look(struct world *w, uint32_t link, const struct packet *p);
void aim_commit(struct world *w, uint32_t proc);

/* strange.c */
void strange_record(struct world *w, struct packet *p);
void strange_speak(struct world *w);
void strange_free(struct world *w);

/* sweep.c */
void sweep_draw(struct world *w);
void sweep_start(struct world *w);
void sweep_change(struct world *w);
void sweep_before(struct world *w, uint32_t link, struct packet *p);
void sweep_after(struct world *w, uint32_t by, const struct packet *p);

/* owner.c */
void judge_init(struct world *w);
void judge_step(struct world *w, struct proc *p);
void judge_answered(struct world *w, unsigned key, const struct proc *by);
void judge_shown(struct world *w, unsigned key, const struct proc *by, struct version version);
void judge_arcs(struct world *w);
uint64_t judge_probe(const struct world *w, const struct proc *p);
/* What it says of views, in HOLDS and STORE. */
void judge_views(struct world *w, struct proc *by, const struct packet *p);

/* judge.c */
void judge_received(struct world *w, const struct proc *giver, const struct packet *p);
void judge_send(struct world *w, struct proc *by, const struct packet *p);
/* The operation that wrote a value, or acks by its name: the number behind the letter; NONE: nobody made it. */
uint32_t judge_named(const struct world *w, char letter, const uint8_t *text, size_t len);
const char *judge_kind_name(enum op_kind kind);
void judge_publish(struct world *w, uint32_t link, const struct packet *p);
void judge_free(struct world *w);

/* whole.c */
void judge_disturbed(struct world *w);
bool judge_excuses(struct world *w);
void judge_exit(struct world *w, struct proc *p, int code);
bool judge_whole(struct world *w, char *why, size_t size);
void judge_look(struct world *w);
bool judge_settled(struct world *w);
void judge_held(struct world *w, const struct proc *p);
void judge_lacked(struct world *w, const struct proc *p, const struct packet *packet, size_t records);
void judge_end(struct world *w);
void fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* history.c: is what clients saw of one key a register, when values written before a loss may come or go? */
bool history_check(struct world *w, uint32_t key, char *why, size_t size);
bool history_search(struct world *w, uint32_t key, enum linear_verdict *verdict);
void history_tell(struct world *w, uint32_t key); /* in the trace */
void history_lost(struct world *w, uint32_t key);

/* tool.c */
void tool_ask(struct world *w); /* everybody, who it is; the answers are read where they reach the broker: */
void tool_told(struct world *w, uint32_t proc, const struct packet *p);
void tool_accept(struct world *w);

/* trace.c */
void trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *trace_packet(struct world *w, const struct packet *p, char *text, size_t size);
void hash_mix(struct world *w, uint64_t word);
uint64_t hash_bytes(const void *bytes, size_t len);

/* story.c: all do nothing unless options.story. */
void story_sent(struct world *w, uint32_t link, struct packet *p);
void story_placed(struct world *w, uint32_t link, struct packet *p);
void story_of(struct world *w, enum story_type type, uint32_t link, const struct packet *p);
void story_mark(struct world *w, enum story_type type, uint32_t lane, uint64_t value);
uint32_t story_lane(const struct world *w, uint32_t link);
void story_fence(struct world *w, uint32_t proc, const char *client_id);
void story_free(struct world *w);

/* world.c */
void world_new(struct world *w, const struct sim_options *options);
/* One event; false: there is none, or the run has ended. */
bool world_next(struct world *w);
void world_run(struct world *w, const struct sim_options *options);
void world_free(struct world *w);

/* scale.c: a ring of so many nodes without faults; prints what it costs.  True: it was whole and answered everything. */
bool scale_run(const struct sim_options *options, unsigned nodes);

#endif
