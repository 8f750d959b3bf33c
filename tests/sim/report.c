/* What is told: a failure and the smallest run that shows it, and what happened in all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* The run once more, for its story: printed, or only counted. */
static void tell(const struct arguments *a, const struct sim_options *o, struct outcome *out)
{
	struct trial t = {.options = *o, .seconds = SECONDS_MAX, .silent = a->quiet};

	t.options.trace = a->quiet ? fopen("/dev/null", "w") : stdout;
	trial_run(&t, out);
	if (a->quiet && t.options.trace)
		fclose(t.options.trace);
}

static void draw(const struct arguments *a, const struct sim_options *o)
{
	struct trial t = {
		.options = *o, .seconds = SECONDS_MAX, .silent = false, .svg = a->svg, .svg_messages = a->svg_messages};
	struct outcome out;

	t.options.story = true;
	trial_run(&t, &out);
	if (strncmp(out.failure, "crashed", 7) == 0 || strncmp(out.failure, "endless", 7) == 0)
		puts("no picture of a run that did not come to its end");
}

void report_failure(const struct arguments *a, uint64_t seed, const char *text)
{
	struct sim_options o = a->sim;
	struct outcome out;
	bool shrunk;
	char *spec;

	o.seed = seed;
	o.trace = NULL;
	shrunk = text && a->shrink && !a->trace && shrink(a, &o, &out);
	spec = options_spec(&o);
	if (text)
		printf("replay: sim %s --trace\n", spec);
	free(spec);
	if (shrunk) {
		tell(a, &o, &out);
		printf("%" PRIu64 " messages, %" PRIu64 " lines of trace: %s\n", out.published, out.lines, out.failure);
	}
	if (a->svg)
		draw(a, &o);
}

bool report_table(const struct arguments *a, const struct tally *t, double seconds)
{
	static const struct {
		const char *text;
		bool must;
	} rows[STAT_COUNT] = {
#define X(name, what, needed) {what, needed},
		STATS(X)
#undef X
	};
	bool whole = true, campaign = t->seeds >= CAMPAIGN && a->sim.profile == PROFILE_MOSQUITTO;

	for (int i = 0; i < STAT_COUNT; i++) {
		if (!a->quiet)
			printf("%14" PRIu64 "  %s%s\n", t->stats[i], rows[i].text,
			       campaign && rows[i].must && !t->stats[i] ? "  <- never: a hole" : "");
		whole = whole && (!campaign || !rows[i].must || t->stats[i]);
	}
	if (a->seconds)
		printf("seeds %" PRIu64 " to %" PRIu64 "\n", a->first, a->first + t->seeds - 1);
	printf("%" PRIu64 " seeds, %" PRIu64
	       " failed, %.1f s, %.0f seeds/s, %.0f a second of processor time, hash %016" PRIx64 "\n",
	       t->seeds, t->failed, seconds, (double)t->seeds / seconds, (double)t->seeds / t->processor, t->hash);
	return whole;
}
