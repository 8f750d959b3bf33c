/* What a run is made of: what its seed chooses (swarm.c), and what the command line leaves of it. */
#ifndef SIM_CHOICES_H
#define SIM_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../daemon/core/node.h"
#include "../../daemon/core/once.h"
#include "sweep.h"

enum fault {
	FAULT_JOIN,
	FAULT_LEAVE,
	FAULT_STOP_ALL,
	FAULT_CRASH,
	FAULT_PAUSE,
	FAULT_CUT,
	FAULT_CUT_CLIENT,
	FAULT_STALL,
	FAULT_BROKER,
	FAULT_TWIN,
	FAULT_HANG,
	FAULT_AUTOSAVE,
	FAULT_CLOCK,
	FAULT_STRANGER,
	FAULT_OPERATE,
	FAULT_POWER, /* from here on drawn apart */
	FAULT_FULL,
	FAULT_COUNT,
};

enum profile {
	PROFILE_MOSQUITTO,
	PROFILE_DROPS,
	PROFILE_GENTLE,
	PROFILE_STORM,
	PROFILE_DISORDER,
	PROFILE_REFUSED,
	PROFILE_HASTY,
	PROFILE_COUNT
};

/* Do nodes have disks, and may some be given up? */
enum disks { DISKS_NONE, DISKS_DRAWN, DISKS_USUAL, DISKS_FAITHFUL };

/* Of a broker that restarts: what becomes of its retained messages. */
enum retained_fate { RETAINED_KEPT, RETAINED_LOST, RETAINED_STALE };

struct swarm {
	uint64_t mean[FAULT_COUNT]; /* mean time between two, us; 0 = off */
	unsigned burst;             /* up to so many at once */
	bool gentle;                /* nothing but joins and leaves */
	uint64_t delay_base, delay_spread;
	uint32_t tail; /* millionths of packets that are late by up to tail_max */
	uint64_t tail_max;
	uint64_t timer_late;    /* us */
	uint32_t fence_lost;    /* millionths */
	uint32_t return_chance; /* of a crashed node */
	uint64_t pause_max, down_max;
	bool persistence; /* an orderly restart keeps what is retained, a kill goes back to the last autosave */
	uint32_t will_lost, will_late, connack_lost, suback_late, refuse; /* millionths */
	bool disorder;                                                    /* order per publisher and topic only */
	uint64_t skew_max;                                                /* how far apart they get, us */
	size_t queue_limit;   /* packets that wait for one reader before the newest are dropped; 0: no limit */
	uint32_t slow_chance; /* of a process to be a slow reader */
	bool drift;           /* clocks run at 0.5 to 2 */
	size_t held_max;      /* bytes of operations that a node may hold; 0: its default */
	unsigned ours;        /* so many of the clients, the first */
	bool tight;           /* tables of writes done have little room: */
	struct once_limits once;
	uint32_t life_chance;    /* millionths of the puts of ours that expire */
	uint64_t life_max;       /* ms */
	uint32_t vanish, repeat; /* clients: millionths of operations */
	uint32_t drop;           /* millionths */
	bool drop_control;       /* drops hit the nodes' topics too */
	uint64_t work;           /* length of the first phase, us */
	uint64_t client_timeout;
	uint64_t think; /* mean, us */
	bool private_keys;
	unsigned keys;
	unsigned put_share; /* of 100 */
	size_t value_len;
	size_t outbox_high;
	unsigned join_attempts; /* the default, or fewer: what a seed takes of real time is mostly these */
	unsigned join_interval; /* ms; the default, or more */
	unsigned aim_type;      /* enum frame_type, FRAME_NONE: no aim */
	uint32_t aim_chance;
	unsigned aim_left;
	unsigned max_nodes;
	bool disks;                      /* all nodes have one: */
	uint64_t commit_min, commit_max; /* a commit takes so long, us */
	uint32_t commit_late;            /* millionths that take much longer */
	uint32_t disk_lost;              /* ... of the crashed that come back without */
	uint64_t gap;                    /* behind a power cut, us */
	uint32_t fatal;                  /* millionths of commits amid which the process dies */
	bool faithful;                   /* no time ends a doubt: nothing may be lost */
	bool memory;                     /* has a limit, each node's its own, until all is quiet */
	struct node_config patience;     /* of all nodes; of it only the times */
};

/* Which of a kind's occurrences take place.  What is left out draws its random numbers all the same where others would
 * see different ones without. */
#define MASK_BITS 8192
struct mask {
	bool on; /* else all of them */
	uint64_t bits[MASK_BITS / 64];
};

static inline bool mask_has(const struct mask *m, uint64_t i)
{
	return !m->on || (i < MASK_BITS && m->bits[i / 64] >> i % 64 & 1);
}

/* What a seed's network and load can do without, for a run to look at: bits of sim_options.calm. */
#define CALMS(X)                                                                      \
	X(TAIL, "tail")       /* no packet is late, no process far from the broker */ \
	X(DELAYS, "delays")   /* every packet takes as long as any other */           \
	X(TIMERS, "timers")   /* no timer is late */                                  \
	X(FENCES, "fences")   /* no CONNACK of a fence is lost */                     \
	X(DROPS, "drops")     /* no full queues, no slow readers */                   \
	X(VALUES, "values")   /* short values, large outboxes, room to hold */        \
	X(JOINS, "joins")     /* few attempts until a ring is founded */              \
	X(WILLS, "wills")     /* each comes at once */                                \
	X(ANSWERS, "answers") /* no CONNACK is lost, no SUBACK late or a refusal */   \
	X(ORDER, "order")     /* one for all */                                       \
	X(CLOCKS, "clocks")   /* all run at the same rate */                          \
	X(MANNERS, "manners") /* clients say everything once, and wait */

enum calm {
#define X(name, text) CALM_##name,
	CALMS(X)
#undef X
		CALM_COUNT,
};

struct sim_options {
	uint64_t seed;
	unsigned nodes, clients, ops;
	enum profile profile;
	unsigned calm;     /* 1 << enum calm */
	uint64_t work_ms;  /* the longest first phase, 0: as drawn */
	unsigned replicas; /* 0: as drawn */
	unsigned scrub;    /* ms, 0: never */
	unsigned ping;     /* ms, 0: as the daemon's default */
	enum disks disks;  /* nodes have some */
	bool memory;       /* it has a limit, of most nodes */
	struct mask starts, clients_on, faults, aimed, turns;
	FILE *trace;               /* NULL: none */
	bool story;                /* keep what a picture of the run needs */
	const struct sweep *sweep; /* one case of the sweep; NULL: a seed as ever */
};

/* The last turns of a client, in the quiet phase, are numbered behind the ops, so many for each. */
#define FINALS_MAX 32

#endif
