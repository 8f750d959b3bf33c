#include <inttypes.h>
#include <stdarg.h>
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
	{"p50", "p50_us", 50000}, {"p90", "p90_us", 90000},    {"p95", "p95_us", 95000},
	{"p99", "p99_us", 99000}, {"p99.9", "p999_us", 99900}, {"max", "max_us", 100000},
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
		.duration = s->duration,
		.warmup = s->warmup,
		.rate = s->rate,
		.life = s->ttl,
		.seed = s->seed,
		.numbers = s->numbers,
		.no_preload = s->no_preload,
		.keep = s->keep,
	};
	if (s->duration > 0 && option_source(s->options, s->given, "ops") == OPTION_DEFAULT)
		plan->operations = UINT32_MAX;
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

/* ---- for programs: fields, as one JSON object or as a line of CSV below one of their names ---- */

struct report {
	bool csv;
	const char *group; /* "put": what the next fields are of; "": of all */
	FILE *names, *values;
	char *names_text, *values_text;
	size_t names_size, values_size;
	bool begun; /* something stands there, in this object */
};

static void report_begin(struct report *report, bool csv)
{
	*report = (struct report){.csv = csv, .group = ""};
	report->names = xcheck(open_memstream(&report->names_text, &report->names_size));
	report->values = xcheck(open_memstream(&report->values_text, &report->values_size));
}

static void report_end(struct report *report)
{
	(void)fclose(report->names);
	(void)fclose(report->values);
	if (report->csv)
		printf("%s\n%s\n", report->names_text, report->values_text);
	else
		printf("{%s}\n", report->values_text);
	free(report->names_text);
	free(report->values_text);
}

static void report_group(struct report *report, const char *group)
{
	report->group = group;
	if (report->csv)
		return;
	fprintf(report->values, ",\"%s\":{", group);
	report->begun = false;
}

static void report_group_end(struct report *report)
{
	report->group = "";
	report->begun = true;
	if (!report->csv)
		fputc('}', report->values);
}

/* value: as JSON has it; a text in quotes has them in CSV as well. */
static void report_field(struct report *report, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void report_field(struct report *report, const char *name, const char *format, ...)
{
	const char *comma = report->begun ? "," : "";
	char value[64];
	va_list args;

	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start, above */
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	fprintf(report->names, "%s%s%s%s", comma, report->group, report->group[0] ? "_" : "", name);
	if (report->csv)
		fprintf(report->values, "%s%s", comma, value);
	else
		fprintf(report->values, "%s\"%s\":%s", comma, name, value);
	report->begun = true;
}

/* Times of nothing are not 0. */
static void report_time(struct report *report, const struct histogram *h, const char *name, double time_us)
{
	if (h->count > 0)
		report_field(report, name, "%.1f", time_us);
	else
		report_field(report, name, "%s", report->csv ? "" : "null");
}

static void report_times(struct report *report, const struct histogram *h)
{
	report_field(report, "count", "%" PRIu64, h->count);
	report_time(report, h, "mean_us", h->count ? us(h->sum) / (double)h->count : 0);
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		report_time(report, h, percentiles[i].json, us(histogram_at(h, percentiles[i].of_100000)));
}

static void report_result(struct report *report, const struct bench_result *r, double count)
{
	report_field(report, "packets_sent_per_op", "%.4f", (double)r->traffic.sent / count);
	report_field(report, "packets_received_per_op", "%.4f", (double)r->traffic.received / count);
	report_field(report, "bytes_sent_per_op", "%.1f", (double)r->traffic.sent_bytes / count);
	report_field(report, "bytes_received_per_op", "%.1f", (double)r->traffic.received_bytes / count);
	report_field(report, "wrong", "%" PRIu64, r->wrong);
	report_field(report, "timeouts", "%" PRIu64, r->timeouts);
	report_field(report, "unknown", "%" PRIu64, r->unknown);
	report_field(report, "cut", "%s", r->cut ? "true" : "false");
}

static void report_plan(struct report *report, const struct bench_plan *plan)
{
	report_field(report, "keys", "%u", plan->keys);
	report_field(report, "value_size", "%u", plan->value_size);
	report_field(report, "clients", "%u", plan->clients);
	report_field(report, "inflight", "%u", plan->inflight);
	report_field(report, "batch", "%u", plan->batch);
	report_field(report, "mix", "\"%u:%u\"", plan->puts, plan->gets);
	report_field(report, "rate", "%u", plan->rate);
	report_field(report, "duration_ms", "%u", plan->duration);
}

static void print_report(const struct bench_plan *plan, const struct bench_result *r, const struct histogram *all,
			 bool csv)
{
	double count = (double)all->count;
	struct report report;

	report_begin(&report, csv);
	report_field(&report, "ops_per_s", "%.1f", count / r->seconds);
	report_field(&report, "ops", "%" PRIu64, all->count);
	report_field(&report, "seconds", "%.6f", r->seconds);
	if (!plan->no_preload)
		report_field(&report, "preload_ops_per_s", "%.1f", plan->keys / r->preload_seconds);
	else if (csv)
		report_field(&report, "preload_ops_per_s", "%s", ""); /* the columns are the same for all runs */
	report_times(&report, all);
	report_group(&report, "put");
	report_times(&report, &r->put);
	report_group_end(&report);
	report_group(&report, "get");
	report_times(&report, &r->get);
	report_group_end(&report);
	report_result(&report, r, count);
	report_plan(&report, plan);
	report_end(&report);
}

/* ---- for people ---- */

static void print_times(const char *name, const struct histogram *h)
{
	if (h->count == 0)
		return;
	printf("%-8s %10" PRIu64, name, h->count);
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(" %9.1f", us(histogram_at(h, percentiles[i].of_100000)));
	printf("\n");
}

static void print_text(const struct bench_plan *plan, const struct bench_result *r, const struct histogram *all)
{
	double count = (double)all->count;

	printf("%.0f ops/s: %" PRIu64 " in %.*f s, %u in flight on %u connection%s\n", count / r->seconds, all->count,
	       r->seconds < 0.1 ? 6 : 3, r->seconds, plan->inflight * plan->clients, plan->clients,
	       plan->clients == 1 ? "" : "s");
	if (!plan->no_preload)
		printf("%.0f puts/s: the %u keys ahead of it\n", plan->keys / r->preload_seconds, plan->keys);
	printf("\n%-8s %10s", "us", "count");
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(" %9s", percentiles[i].name);
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

/* What stands in the environment or in a file gives way to --csv. */
static bool given_json(const struct settings *s)
{
	return s->json && option_source(s->options, s->given, "json") == OPTION_GIVEN;
}

static enum exit_code bench_exec(const struct settings *settings, char **args, size_t count)
{
	struct bench_plan plan;
	struct bench_result *result;
	struct histogram *all;
	enum exit_code code = take_plan(settings, &plan);

	(void)args;
	(void)count;
	if (code == RC_OK && settings->csv && given_json(settings)) {
		output_error("only one of --csv and --json");
		code = RC_USAGE;
	}
	if (code != RC_OK)
		return code;
	result = xcalloc(1, sizeof(*result));
	all = xcalloc(1, sizeof(*all));
	code = bench_run(&plan, result);
	if (code == RC_OK) {
		histogram_merge(all, &result->put);
		histogram_merge(all, &result->get);
		if (settings->csv || settings->json)
			print_report(&plan, result, all, settings->csv);
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
	.options = {"keys", "value-size", "clients", "inflight", "batch", "mix", "ops", "duration", "rate", "warmup",
		    "ttl", "seed", "numbers", "no-preload", "keep", "csv"},
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
		"of \"get\" "
		"{\"count\",\"mean_us\",\"p50_us\",\"p90_us\",\"p95_us\",\"p99_us\",\"p999_us\",\"max_us\"}, of MQTT\n"
		"{\"packets_sent_per_op\",\"packets_received_per_op\",\"bytes_sent_per_op\","
		"\"bytes_received_per_op\"}, how many were {\"wrong\",\"timeouts\",\"unknown\"}, whether it was\n"
		"\"cut\" short as nobody answered any more, and what was asked for, {\"keys\",\"value_size\","
		"\"clients\",\"inflight\",\"batch\",\"mix\",\"rate\",\"duration_ms\"}. Times of operations that\n"
		"there were none of are null. --csv gives the same as a line, below one of the names, those of "
		"\"put\"\n"
		"as put_count and so on; what is not known is empty, and columns are only ever added behind the last.\n"
		"\n"
		"Exit code 1 means that an answer was wrong; 6 that operations were not answered.\n",
	.exec = bench_exec,
};
