/* What bench.c, which asks, and bench-verify.c, which holds the answers against what is known, share. */
#ifndef DHT_BENCH_INTERNAL_H
#define DHT_BENCH_INTERNAL_H

#include <stdio.h>

#include "bench.h"
#include "client.h"

#define BENCH_AHEAD 32
#define BENCH_NAME_MAX 32

/* What has been acknowledged of a key. */
struct known {
	struct version version; /* number 0: nothing */
	uint64_t writer;        /* of the operation that wrote it; 0: unknown, or deleted */
};

/* An operation on its way. */
struct flight {
	struct connection *connection;
	uint64_t start;
	uint64_t writer;
	struct version floor; /* what was acknowledged of the key when it began */
	uint32_t key;
	enum operation_kind kind;
};

struct connection {
	struct bench *bench;
	struct client *client;
	struct kv_mqtt *kv;
	struct flight flights[KV_OPEN_MAX];
	struct flight *idle[KV_OPEN_MAX];
	size_t idle_count;
	size_t window;       /* one more for each answer, as TCP begins */
	uint64_t next_start; /* with a rate: of the next batch */
};

enum phase_kind { PHASE_PRELOAD, PHASE_WARMUP, PHASE_RUN, PHASE_CLEAN };

struct phase {
	enum phase_kind kind;
	uint64_t total, begun, ended;
	uint64_t start, end; /* of the first and the last */
	uint64_t failed;
};

/* A version that has been answered, to be held against what is known. */
struct check {
	uint32_t key;
	enum operation_kind kind;
	struct version version;
	uint64_t writer;
};

struct bench {
	const struct bench_plan *plan;
	struct bench_result *result;
	struct connection **connections;
	size_t count; /* of those that are open */
	struct known *known;
	struct phase phase;
	/* A million keys are far from the processor: each is fetched while others are seen to. */
	struct check checks[BENCH_AHEAD];
	size_t check_count;
	uint32_t next_keys[BENCH_AHEAD];
	size_t next_key;
	uint64_t random;
	uint64_t writers; /* operations that have written, so far */
	uint32_t seed;    /* of the keys' names */
	uint32_t nonce;   /* of this run's values */
	uint64_t heard;   /* when the last answer came */
	uint8_t *value, *expected;
	int timer;
	bool timing, wake;
	bool interrupted; /* by a signal */
	bool bar;
	uint64_t drawn;
};

/* splitmix64: the next of a series whose state grows by this. */
#define BENCH_STEP UINT64_C(0x9e3779b97f4a7c15)
uint64_t bench_mix(uint64_t z);

/* The index'th key of the run; a name is written to `name`. */
struct key bench_key(const struct bench *bench, uint32_t index, char name[BENCH_NAME_MAX]);

/* Writes the value of plan->value_size bytes that this writer puts for that key. */
void bench_value(const struct bench *bench, uint8_t *value, uint32_t key, uint64_t writer);

/* Says what is wrong with the answer, if anything is, and counts it. */
void bench_verify(struct bench *bench, const struct flight *f, const struct operation_result *r);

/* Enters the versions that have come into what is known of the keys: to be done before another operation begins. */
void bench_verify_known(struct bench *bench);

#endif
