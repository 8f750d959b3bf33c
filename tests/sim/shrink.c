/* The smallest run that still fails by the same verdict, found by leaving out: first what makes the whole run gentler or
 * shorter, then faults, operations, nodes and clients, in halves, quarters and so on down to single ones (Zeller's
 * ddmin, its complements only: what is wanted is a small run, and no proof that it is the smallest). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/mem.h"
#include "command.h"

#define TRIAL_SECONDS 10

struct shrinker {
	struct sim_options best;
	struct outcome out;
	double until;
	uint64_t trials;
	char verdict[FAILURE_MAX];
	bool progress;
};

/* The words up to the first colon: the invariant. */
static void verdict_of(const char *failure, char verdict[FAILURE_MAX])
{
	snprintf(verdict, FAILURE_MAX, "%.*s", (int)strcspn(failure, ":"), failure);
}

static bool out_of_time(const struct shrinker *s)
{
	return seconds_now() >= s->until;
}

static bool fails(struct shrinker *s, const struct sim_options *o)
{
	struct trial t = {.options = *o, .seconds = TRIAL_SECONDS, .silent = true};
	char verdict[FAILURE_MAX];
	struct outcome out;

	if (out_of_time(s))
		return false;
	s->trials++;
	trial_run(&t, &out);
	if (s->progress)
		fprintf(stderr, "\rshrinking: %" PRIu64 " runs, %" PRIu64 " messages left ", s->trials,
			s->out.published);
	verdict_of(out.failure, verdict);
	if (!out.failed || strcmp(verdict, s->verdict) != 0)
		return false;
	s->best = *o;
	s->out = out;
	return true;
}

/* ---- the whole run ---- */

static bool fewer(struct shrinker *s, size_t offset, unsigned min)
{
	bool gained = false;

	for (unsigned n = min;;) {
		struct sim_options o = s->best;
		unsigned *value = (unsigned *)(void *)((char *)&o + offset), now = *value;

		if (n >= now || out_of_time(s))
			return gained;
		*value = n;
		if (fails(s, &o))
			return true;
		n += n / 4 + 1;
	}
}

static bool calmer(struct shrinker *s)
{
	bool gained = false;
	struct sim_options o = s->best;

	o.calm = (1u << CALM_COUNT) - 1;
	if (s->best.calm != o.calm && fails(s, &o))
		return true;
	for (unsigned i = 0; i < CALM_COUNT; i++) {
		o = s->best;
		o.calm |= 1u << i;
		gained = (o.calm != s->best.calm && fails(s, &o)) || gained;
	}
	return gained;
}

/* Only what fails in the quiet phase can fail sooner by it. */
static bool shorter(struct shrinker *s)
{
	static const unsigned eighths[] = {1, 4, 6, 7};
	bool gained = false;

	for (size_t i = 0; i < sizeof(eighths) / sizeof(eighths[0]); i++) {
		struct sim_options o = s->best;

		o.work_ms = s->out.work / MS * eighths[i] / 8;
		if (s->out.end > s->out.work && o.work_ms >= 100)
			gained = fails(s, &o) || gained;
	}
	return gained;
}

/* ---- sets ---- */

static struct mask *mask_at(struct sim_options *o, size_t offset)
{
	return (struct mask *)(void *)((char *)o + offset);
}

static unsigned collect(struct sim_options *o, size_t offset, unsigned count, uint32_t *items)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (mask_has(mask_at(o, offset), i))
			items[n++] = i;
	}
	return n;
}

static bool without(struct shrinker *s, size_t offset, const uint32_t *items, unsigned n, unsigned from, unsigned size)
{
	struct sim_options o = s->best;
	struct mask *m = mask_at(&o, offset);

	*m = (struct mask){.on = true};
	for (unsigned i = 0; i < n; i++) {
		if (i < from || i >= from + size)
			m->bits[items[i] / 64] |= (uint64_t)1 << items[i] % 64;
	}
	return fails(s, &o);
}

/* Leaves out of the set at `offset`, of `count` that there can be, what is not needed. */
static bool sparser(struct shrinker *s, size_t offset, unsigned count)
{
	uint32_t *items;
	bool gained = false;
	unsigned n;

	if (count > MASK_BITS)
		return false;
	items = xcalloc(count, sizeof(*items));
	n = collect(&s->best, offset, count, items);
	for (unsigned size = n; size > 0; size = size > 1 ? (size + 1) / 2 : 0) {
		for (unsigned from = 0; from < n && !out_of_time(s);) {
			if (without(s, offset, items, n, from, size)) {
				gained = true;
				n = collect(&s->best, offset, count, items);
			} else {
				from += size;
			}
		}
	}
	free(items);
	return gained;
}

static bool pass(struct shrinker *s)
{
	bool gained = calmer(s);
	const struct sim_options *o = &s->best;

	gained = fewer(s, offsetof(struct sim_options, nodes), 1) || gained;
	gained = fewer(s, offsetof(struct sim_options, clients), 1) || gained;
	gained = fewer(s, offsetof(struct sim_options, ops), o->clients) || gained;
	gained = sparser(s, offsetof(struct sim_options, faults), s->out.faults) || gained;
	gained = sparser(s, offsetof(struct sim_options, aimed), s->out.aimed) || gained;
	gained = sparser(s, offsetof(struct sim_options, starts), o->nodes) || gained;
	gained = sparser(s, offsetof(struct sim_options, clients_on), o->clients) || gained;
	gained = sparser(s, offsetof(struct sim_options, turns), o->ops + o->clients * FINALS_MAX) || gained;
	gained = shorter(s) || gained;
	return gained;
}

bool shrink(const struct arguments *a, struct sim_options *o, struct outcome *out)
{
	struct shrinker s = {.best = *o, .progress = !a->quiet && isatty(STDERR_FILENO)};
	struct trial t = {.options = *o, .seconds = SECONDS_MAX, .silent = true};
	double from = seconds_now();

	trial_run(&t, &s.out);
	verdict_of(s.out.failure, s.verdict);
	if (!s.out.failed || strcmp(s.verdict, "endless") == 0)
		return false;
	s.until = from + a->shrink_seconds;
	while (pass(&s))
		;
	if (s.progress)
		fputs("\r\033[K", stderr);
	*o = s.best;
	*out = s.out;
	printf("shrunk by %" PRIu64 " runs in %.1f s%s\n", s.trials, seconds_now() - from,
	       out_of_time(&s) ? ", when the time was over" : "");
	return true;
}
