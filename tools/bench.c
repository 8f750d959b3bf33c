#include "bench-internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../common/mem.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

/* Of one connection; beyond, the transport would stop reading. */
#define BENCH_BYTES_MAX ((size_t)8 << 20)
/* So many go out first: their answers tell who owns what, and what follows shares frames. */
#define BENCH_WINDOW_FIRST 32
#define SECOND UINT64_C(1000000000)

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint32_t random_below(struct bench *bench, uint32_t below)
{
	return (uint32_t)((bench_mix(bench->random += BENCH_STEP) >> 32) * below >> 32);
}

static void count_answer(struct bench *bench, const struct flight *f, const struct kv_mqtt_result *result, uint64_t now)
{
	if (result->outcome != KV_DONE) {
		bench->phase.failed++;
		if (bench->phase.kind == PHASE_RUN && result->outcome == KV_TIMEOUT)
			bench->result->timeouts++;
		if (bench->phase.kind == PHASE_RUN && result->outcome == KV_UNKNOWN)
			bench->result->unknown++;
		return;
	}
	bench->heard = now;
	bench_verify(bench, f, result->answer);
	if (bench->phase.kind == PHASE_RUN)
		histogram_add(f->kind == OPERATION_PUT ? &bench->result->put : &bench->result->get, now - f->start);
}

/* Not a moment to begin another: what has come with this is still to be handed on. */
static void done_cb(void *arg, const struct kv_mqtt_result *result)
{
	struct flight *f = arg;
	struct connection *c = f->connection;
	struct bench *bench = c->bench;
	uint64_t now = clock_ns();

	count_answer(bench, f, result, now);
	c->idle[c->idle_count++] = f;
	c->window++;
	bench->phase.end = now;
	if (++bench->phase.ended == bench->phase.total)
		bench->wake = true;
	/* A ring that is gone would have each of a million operations wait for its time-out. */
	if (result->outcome != KV_DONE && now - bench->heard >= bench->plan->settings->timeout * UINT64_C(1000000) &&
	    bench->phase.kind != PHASE_CLEAN) {
		bench->result->cut = true;
		bench->wake = true;
	}
}

/* ---- asking ---- */

static uint32_t random_key(struct bench *bench)
{
	uint32_t *place = &bench->next_keys[bench->next_key++ % BENCH_AHEAD], key = *place;

	*place = random_below(bench, bench->plan->keys);
	__builtin_prefetch(&bench->known[*place]);
	return key;
}

static void choose(struct bench *bench, struct flight *f)
{
	const struct bench_plan *plan = bench->plan;

	switch (bench->phase.kind) {
	case PHASE_PRELOAD:
	case PHASE_CLEAN:
		f->key = (uint32_t)bench->phase.begun;
		f->kind = bench->phase.kind == PHASE_PRELOAD ? OPERATION_PUT : OPERATION_DELETE;
		return;
	case PHASE_WARMUP:
	case PHASE_RUN:
		f->key = random_key(bench);
		f->kind = plan->gets == 0 || (plan->puts && random_below(bench, plan->puts + plan->gets) < plan->puts)
				  ? OPERATION_PUT
				  : OPERATION_GET;
		return;
	}
}

static bool begin(struct connection *c, uint64_t start)
{
	struct bench *bench = c->bench;
	const struct bench_plan *plan = bench->plan;
	struct flight *f = c->idle[c->idle_count - 1];
	struct operation op = {0};
	char name[BENCH_NAME_MAX];

	choose(bench, f);
	f->connection = c;
	f->start = start;
	f->floor = bench->known[f->key].version;
	f->writer = 0;
	op.kind = f->kind;
	op.key = bench_key(bench, f->key, name);
	if (f->kind == OPERATION_PUT) {
		f->writer = ++bench->writers;
		bench_value(bench, bench->value, f->key, f->writer);
		op.value = bench->value;
		op.value_len = plan->value_size;
		op.life = plan->life;
	}
	if (!kv_mqtt_begin(c->kv, &op, plan->settings->timeout, done_cb, f))
		return false;
	c->idle_count--;
	bench->phase.begun++;
	return true;
}

/* How many may be on their way. */
static size_t room(const struct connection *c)
{
	const struct bench_plan *plan = c->bench->plan;
	size_t most = BENCH_BYTES_MAX / (plan->value_size + 64);

	if (most > plan->inflight)
		most = plan->inflight;
	if (most > c->window)
		most = c->window;
	return most > 0 ? most : 1;
}

/* With a rate a batch counts from when it was to begin, also if there is no room for it until later. */
static bool is_paced(const struct bench *bench)
{
	return bench->plan->rate > 0 && bench->phase.kind == PHASE_RUN;
}

/* Not less than a part of all: else small frames would bring small answers, these room for few, which go out in small
 * frames, and thousands on their way would be no faster than a hundred. */
static size_t all_there_is_room_for(size_t most, size_t open)
{
	size_t least = most / 16 ? most / 16 : 1;

	return open < most && most - open > least ? most - open : least;
}

/* Whether no more are to begin, by the clock. */
static bool is_late(const struct bench *bench, uint64_t now)
{
	const struct bench_plan *plan = bench->plan;

	return plan->duration > 0 && bench->phase.kind == PHASE_RUN &&
	       now - bench->phase.start >= plan->duration * UINT64_C(1000000);
}

static void begin_batches(struct connection *c)
{
	struct bench *bench = c->bench;
	size_t most = room(c);

	while (bench->phase.begun < bench->phase.total && !bench->result->cut) {
		size_t left = bench->phase.total - bench->phase.begun, open = kv_mqtt_open(c->kv);
		size_t size = bench->plan->batch, i;
		uint64_t now = clock_ns(), start = now;

		if (is_late(bench, now)) {
			bench->phase.total = bench->phase.begun;
			bench->wake = true; /* all may have been answered */
			return;
		}
		if (size == 0)
			size = is_paced(bench) ? 1 : all_there_is_room_for(most, open);
		if (size > left)
			size = left;
		if (size > most)
			size = most;
		if (open + size > most)
			return;
		if (is_paced(bench)) {
			if (c->next_start > now)
				return;
			start = c->next_start;
			c->next_start += size * bench->count * SECOND / bench->plan->rate;
		}
		for (i = 0; i < size && begin(c, start); i++)
			;
		if (bench->plan->batch > 0)
			kv_mqtt_turn(c->kv);
		if (i < size)
			return;
	}
}

/* What has been begun shares frames, and goes out now rather than when the loop comes round. */
static void pump(struct connection *c)
{
	bench_verify_known(c->bench);
	begin_batches(c);
	kv_mqtt_turn(c->kv);
}

static void turn_cb(void *arg)
{
	pump(arg);
}

/* ---- phases ---- */

static void draw(struct bench *bench)
{
	static const char *const names[] = {"preload", "warm up", "run", "clean up"};
	char line[120], failed[48] = "";
	uint64_t now = clock_ns();

	if (!bench->bar || now - bench->drawn < SECOND / 10)
		return;
	bench->drawn = now;
	if (bench->phase.failed > 0)
		snprintf(failed, sizeof(failed), ", %" PRIu64 " without an answer", bench->phase.failed);
	if (bench->plan->duration > 0 && bench->phase.kind == PHASE_RUN)
		snprintf(line, sizeof(line), "run %" PRIu64 " s%s", (now - bench->phase.start) / SECOND, failed);
	else
		snprintf(line, sizeof(line), "%s %" PRIu64 "/%" PRIu64 "%s", names[bench->phase.kind],
			 bench->phase.ended - bench->phase.failed, bench->phase.total, failed);
	progress_line(line);
}

/* The timer wakes us for the next that is due. */
static void set_timer(struct bench *bench)
{
	uint64_t next = UINT64_MAX;
	struct itimerspec at = {0};

	for (size_t i = 0; i < bench->count; i++) {
		const struct connection *c = bench->connections[i];

		if (c->next_start < next && kv_mqtt_open(c->kv) < room(c))
			next = c->next_start;
	}
	if (next == UINT64_MAX)
		return; /* an answer comes first */
	at.it_value = (struct timespec){.tv_sec = (time_t)(next / SECOND), .tv_nsec = (long)(next % SECOND)};
	(void)timerfd_settime(bench->timer, TFD_TIMER_ABSTIME, &at, NULL);
	client_readable(bench->connections[0]->client, bench->timer, &bench->wake);
}

static void wait_a_while(struct bench *bench)
{
	uint64_t expirations;

	if (is_paced(bench) && bench->phase.begun < bench->phase.total)
		set_timer(bench);
	(void)client_wait(bench->connections[0]->client, &bench->wake, client_now() + 100);
	bench->wake = false;
	if (is_paced(bench) && read(bench->timer, &expirations, sizeof(expirations)) < 0)
		return; /* woken by something else */
}

/* A signal ends the phase as soon as what is on its way has been answered, and what would follow but for the last. */
static void heed_signals(struct bench *bench)
{
	if (interrupt_name() == NULL || bench->phase.kind == PHASE_CLEAN)
		return;
	bench->phase.total = bench->phase.begun;
	if (!bench->interrupted)
		output_error("%s ended it, nothing was measured%s", interrupt_name(),
			     bench->plan->keep ? "" : "; its keys are deleted now (the next signal leaves them)");
	bench->interrupted = true;
}

static void run_phase(struct bench *bench, enum phase_kind kind, uint64_t total)
{
	bench->phase = (struct phase){.kind = kind, .total = total, .start = clock_ns()};
	bench->heard = bench->phase.end = bench->phase.start;
	for (size_t i = 0; i < bench->count && bench->plan->rate > 0; i++) {
		uint32_t batch = bench->plan->batch ? bench->plan->batch : 1;

		bench->connections[i]->next_start = bench->phase.start + i * batch * SECOND / bench->plan->rate;
	}
	heed_signals(bench);
	while (bench->phase.ended < bench->phase.total && !bench->result->cut) {
		for (size_t i = 0; i < bench->count; i++)
			pump(bench->connections[i]);
		wait_a_while(bench);
		heed_signals(bench);
		draw(bench);
	}
	bench_verify_known(bench);
	if (bench->bar)
		progress_wipe();
}

static double phase_seconds(const struct phase *phase)
{
	return (double)(phase->end - phase->start) / (double)SECOND;
}

static struct mqtt_traffic traffic(const struct bench *bench)
{
	struct mqtt_traffic sum = {0};

	for (size_t i = 0; i < bench->count; i++) {
		struct mqtt_traffic one = client_traffic(bench->connections[i]->client);

		sum.sent += one.sent;
		sum.sent_bytes += one.sent_bytes;
		sum.received += one.received;
		sum.received_bytes += one.received_bytes;
	}
	return sum;
}

static enum exit_code no_answer(const struct bench *bench, const char *what)
{
	const struct settings *settings = bench->plan->settings;
	const char *lost = client_lost(bench->connections[0]->client);
	char timeout[32];

	if (lost != NULL) {
		output_error("lost the connection to broker %s: %s", settings->broker_shown, lost);
		return RC_UNREACHABLE;
	}
	output_error("no answer to %s at broker %s within %s (is a ring there? see 'dhtctl ring')", what,
		     settings->ring_shown, client_timeout_text(settings, timeout));
	return RC_TIMEOUT;
}

static bool has_put(const struct bench *bench)
{
	for (uint32_t i = 0; i < bench->plan->keys; i++) {
		if (bench->known[i].version.number > 0)
			return true;
	}
	return false;
}

/* What has been put is deleted again if anybody answers; else it is said that it stays. */
static void clean_up(struct bench *bench)
{
	const struct bench_plan *plan = bench->plan;
	uint64_t put = bench->phase.kind == PHASE_PRELOAD ? bench->phase.begun : plan->keys;

	if (plan->keep || !has_put(bench))
		return;
	if (!bench->result->cut)
		run_phase(bench, PHASE_CLEAN, put);
	if (!bench->result->cut && bench->phase.failed == 0)
		return;
	if (plan->numbers)
		output_error("the keys that were put stay: up to %u numbers", plan->keys);
	else
		output_error("the keys that were put stay: 'dhtctl ls bench:%x: | dhtctl del -' deletes them",
			     bench->seed);
}

/* What is timed, and what must be ahead of it. */
static enum exit_code measure(struct bench *bench)
{
	const struct bench_plan *plan = bench->plan;
	struct mqtt_traffic before, after;

	if (!plan->no_preload) {
		run_phase(bench, PHASE_PRELOAD, plan->keys);
		if (bench->phase.failed > 0 || bench->result->cut)
			return no_answer(bench, "what was put first");
		if (bench->interrupted)
			return RC_PARTLY;
		bench->result->preload_seconds = phase_seconds(&bench->phase);
	}
	run_phase(bench, PHASE_WARMUP, plan->warmup);
	if (bench->result->cut)
		return no_answer(bench, "the warm-up");
	before = traffic(bench);
	run_phase(bench, PHASE_RUN, plan->operations);
	bench->result->seconds = phase_seconds(&bench->phase);
	if (bench->interrupted)
		return RC_PARTLY;
	after = traffic(bench);
	bench->result->traffic = (struct mqtt_traffic){
		.sent = after.sent - before.sent,
		.sent_bytes = after.sent_bytes - before.sent_bytes,
		.received = after.received - before.received,
		.received_bytes = after.received_bytes - before.received_bytes,
	};
	if (bench->result->put.count + bench->result->get.count == 0)
		return no_answer(bench, "anything");
	return RC_OK;
}

static enum exit_code run_phases(struct bench *bench)
{
	enum exit_code code;

	interrupt_catch(bench->connections[0]->client, &bench->wake);
	code = measure(bench);
	clean_up(bench);
	interrupt_release();
	return code;
}

/* ---- life ---- */

static enum exit_code connect_one(struct bench *bench)
{
	struct connection *c = xcalloc(1, sizeof(*c));
	struct client *first = bench->count > 0 ? bench->connections[0]->client : NULL;
	enum exit_code code;

	c->bench = bench;
	c->window = BENCH_WINDOW_FIRST;
	for (size_t i = 0; i < KV_OPEN_MAX; i++)
		c->idle[c->idle_count++] = &c->flights[KV_OPEN_MAX - 1 - i];
	code = first ? client_open_beside(first, &c->client) : client_open(bench->plan->settings, &c->client);
	if (code != RC_OK) {
		free(c);
		return code;
	}
	bench->connections[bench->count++] = c;
	code = client_keys(c->client, &c->kv);
	if (code == RC_OK)
		client_turns(c->client, turn_cb, c);
	return code;
}

static void close_all(struct bench *bench)
{
	for (size_t i = 0; i < bench->count; i++)
		client_turns(bench->connections[i]->client, NULL, NULL);
	while (bench->count > 0) {
		struct connection *c = bench->connections[--bench->count];

		client_close(c->client);
		free(c);
	}
}

static enum exit_code prepare(struct bench *bench)
{
	const struct bench_plan *plan = bench->plan;
	enum exit_code code = RC_OK;

	bench->seed = plan->seed;
	if (bench->seed == 0)
		client_random(&bench->seed, sizeof(bench->seed));
	bench->random = bench->seed;
	client_random(&bench->nonce, sizeof(bench->nonce));
	bench->bar = !plan->settings->quiet && output_terminal(STDERR_FILENO);
	bench->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (bench->timer < 0) {
		output_error("the kernel gives no timer");
		return RC_LOCAL;
	}
	for (size_t i = 0; i < BENCH_AHEAD; i++)
		bench->next_keys[i] = random_below(bench, plan->keys);
	bench->known = xcalloc(plan->keys, sizeof(*bench->known));
	bench->connections = xcalloc(plan->clients, sizeof(struct connection *));
	bench->value = xmalloc(plan->value_size);
	bench->expected = xmalloc(plan->value_size);
	for (uint32_t i = 0; i < plan->clients && code == RC_OK; i++)
		code = connect_one(bench);
	return code;
}

enum exit_code bench_run(const struct bench_plan *plan, struct bench_result *result)
{
	struct bench bench = {.plan = plan, .result = result, .timer = -1};
	enum exit_code code = prepare(&bench);

	if (code == RC_OK)
		code = run_phases(&bench);
	close_all(&bench);
	if (bench.timer >= 0)
		close(bench.timer);
	free(bench.known);
	free(bench.connections);
	free(bench.value);
	free(bench.expected);
	interrupt_end();
	return code;
}
