#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/kv.h"
#include "../common/mem.h"
#include "bench.h"
#include "output.h"

static const struct {
	const char *name, *json;
	uint32_t of_100000;
} percentiles[] = {
	{"p50", "p50_us", 50000},    {"p95", "p95_us", 95000},  {"p99", "p99_us", 99000},
	{"p99.9", "p999_us", 99900}, {"max", "max_us", 100000},
};
#define PERCENTILE_COUNT (sizeof(percentiles) / sizeof(percentiles[0]))

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

/* "1:3", each up to 1,000, and not both 0. */
static bool take_mix(const char *text, struct bench_plan *plan)
{
	char *end;

	if (strspn(text, "0123456789:") != strlen(text) || strlen(text) > 9)
		return false;
	plan->puts = (uint32_t)strtoul(text, &end, 10);
	if (end == text || *end != ':')
		return false;
	text = end + 1;
	plan->gets = (uint32_t)strtoul(text, &end, 10);
	return end != text && *end == '\0' && plan->puts <= 1000 && plan->gets <= 1000 && plan->puts + plan->gets > 0;
}

static enum exit_code take_plan(const struct settings *s, struct bench_plan *plan)
{
	*plan = (struct bench_plan){
		.settings = s,
		.keys = s->keys ? s->keys : 10000,
		.value_size = s->value_size,
		.clients = s->clients,
		.inflight = s->inflight,
		.batch = s->batch,
		.operations = s->operations,
		.warmup = s->warmup,
		.rate = s->rate,
		.life = s->ttl,
		.seed = s->seed,
		.numbers = s->numbers,
		.no_preload = s->no_preload,
		.keep = s->keep,
	};
	if (!take_mix(s->mix, plan)) {
		output_error("invalid --mix '%.20s': expected PUTS:GETS, as 1:3, each from 0 to 1000", s->mix);
		return RC_USAGE;
	}
	if (plan->batch > plan->inflight) {
		output_error("a batch of %u needs as many in flight, not %u: raise --inflight", plan->batch,
			     plan->inflight);
		return RC_USAGE;
	}
	return RC_OK;
}

static void print_json_times(const struct histogram *h)
{
	printf("\"count\":%" PRIu64 ",\"mean_us\":%.1f", h->count, h->count ? us(h->sum) / (double)h->count : 0.0);
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(",\"%s\":%.1f", percentiles[i].json, us(histogram_at(h, percentiles[i].of_100000)));
}

static void print_json(const struct bench_plan *plan, const struct bench_result *r, const struct histogram *all)
{
	double count = (double)all->count;

	printf("{\"ops_per_s\":%.1f,\"ops\":%" PRIu64 ",\"seconds\":%.6f,", count / r->seconds, all->count, r->seconds);
	if (!plan->no_preload)
		printf("\"preload_ops_per_s\":%.1f,", plan->keys / r->preload_seconds);
	print_json_times(all);
	fputs(",\"put\":{", stdout);
	print_json_times(&r->put);
	fputs("},\"get\":{", stdout);
	print_json_times(&r->get);
	printf("},\"packets_sent_per_op\":%.4f,\"packets_received_per_op\":%.4f,\"bytes_sent_per_op\":%.1f,"
	       "\"bytes_received_per_op\":%.1f,",
	       (double)r->traffic.sent / count, (double)r->traffic.received / count,
	       (double)r->traffic.sent_bytes / count, (double)r->traffic.received_bytes / count);
	printf("\"wrong\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"cut\":%s,", r->wrong,
	       r->timeouts, r->unknown, r->cut ? "true" : "false");
	printf("\"keys\":%u,\"value_size\":%u,\"clients\":%u,\"inflight\":%u,\"batch\":%u,\"mix\":\"%u:%u\",\"rate\":%"
	       "u}\n",
	       plan->keys, plan->value_size, plan->clients, plan->inflight, plan->batch, plan->puts, plan->gets,
	       plan->rate);
}

static void print_times(const char *name, const struct histogram *h)
{
	if (h->count == 0)
		return;
	printf("%-8s %10" PRIu64, name, h->count);
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(" %10.1f", us(histogram_at(h, percentiles[i].of_100000)));
	printf("\n");
}

static void print_text(const struct bench_plan *plan, const struct bench_result *r, const struct histogram *all)
{
	double count = (double)all->count;

	printf("%.0f ops/s: %" PRIu64 " in %.3f s, %u in flight on %u connection%s\n", count / r->seconds, all->count,
	       r->seconds, plan->inflight * plan->clients, plan->clients, plan->clients == 1 ? "" : "s");
	if (!plan->no_preload)
		printf("%.0f puts/s: the %u keys ahead of it\n", plan->keys / r->preload_seconds, plan->keys);
	printf("\n%-8s %10s", "us", "count");
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(" %10s", percentiles[i].name);
	printf("\n");
	print_times("put", &r->put);
	print_times("get", &r->get);
	if (r->put.count > 0 && r->get.count > 0)
		print_times("all", all);
	printf("\nan operation: %.3f packets and %.1f bytes there, %.3f and %.1f back\n",
	       (double)r->traffic.sent / count, (double)r->traffic.sent_bytes / count,
	       (double)r->traffic.received / count, (double)r->traffic.received_bytes / count);
	if (r->timeouts + r->unknown > 0)
		printf("without an answer: %" PRIu64 ", of which %" PRIu64 " may have been done%s\n",
		       r->timeouts + r->unknown, r->unknown, r->cut ? "; given up early" : "");
	if (r->wrong > 0)
		printf("wrong answers: %" PRIu64 "\n", r->wrong);
}

static enum exit_code bench_exec(const struct settings *settings, char **args, size_t count)
{
	struct bench_plan plan;
	struct bench_result *result;
	struct histogram *all;
	enum exit_code code = take_plan(settings, &plan);

	(void)args;
	(void)count;
	if (code != RC_OK)
		return code;
	result = xcalloc(1, sizeof(*result));
	all = xcalloc(1, sizeof(*all));
	code = bench_run(&plan, result);
	if (code == RC_OK) {
		histogram_merge(all, &result->put);
		histogram_merge(all, &result->get);
		if (settings->json)
			print_json(&plan, result, all);
		else
			print_text(&plan, result, all);
		if (result->wrong > 0)
			code = RC_NO;
		else if (result->timeouts + result->unknown > 0)
			code = RC_PARTLY;
	}
	free(all);
	free(result);
	return code;
}

const struct command command_bench = {
	.name = "bench",
	.arguments = "",
	.options = {"keys", "value-size", "clients", "inflight", "batch", "mix", "ops", "rate", "warmup", "ttl", "seed",
		    "numbers", "no-preload", "keep"},
	.others = "benchmark perf",
	.summary = "measure how fast operations are, and check them",
	.details =
		"\n"
		"Puts all keys, warms up, then times operations on random ones of them. Every answer is\n"
		"checked: a get must return a value that this run has put for that key, and none older than\n"
		"what was acknowledged, to any of its connections, before it began. At the end, also that of a\n"
		"run that failed or that Ctrl-C or SIGTERM ends, the keys are deleted again, or it says that they\n"
		"stay; a second signal ends it at once.\n"
		"\n"
		"Keys are names of this run's own, 'bench:RUN:0' and so on, where RUN is random, or --seed in\n"
		"hexadecimal; with --numbers they are numbers, spread over the ring, and what was stored under\n"
		"these is overwritten.\n"
		"\n"
		"Of each connection --inflight operations are on their way, or as many as fit in 8 MiB. Without\n"
		"--batch whatever can begin at one moment shares frames, as it does for every program that uses\n"
		"the library; with --batch B they begin B at a time, in frames of their own: 1 is one frame for\n"
		"each operation.\n"
		"\n"
		"With --rate an operation's time counts from when it was to begin, whether or not there was\n"
		"room for it then: a ring that stalls is not asked less. Times are at most 1/128 too long.\n"
		"--timeout is each operation's.\n"
		"\n"
		"--json gives one object: {\"ops_per_s\",\"ops\",\"seconds\",\"preload_ops_per_s\"}, of all, of "
		"\"put\" and\n"
		"of \"get\" {\"count\",\"mean_us\",\"p50_us\",\"p95_us\",\"p99_us\",\"p999_us\",\"max_us\"}, of MQTT\n"
		"{\"packets_sent_per_op\",\"packets_received_per_op\",\"bytes_sent_per_op\","
		"\"bytes_received_per_op\"}, how many were {\"wrong\",\"timeouts\",\"unknown\"}, whether it was\n"
		"\"cut\" short as nobody answered any more, and what was asked for, {\"keys\",\"value_size\","
		"\"clients\",\"inflight\",\"batch\",\"mix\",\"rate\"}.\n"
		"\n"
		"Exit code 1 means that an answer was wrong; 6 that operations were not answered.\n",
	.exec = bench_exec,
};
