#include <stdio.h>
#include <string.h>

#include "../common/url.h"
#include "live.h"
#include "output.h"
#include "ring-view.h"

static const enum node_state status_states[] = {NODE_ACTIVE, NODE_JOINING, NODE_LEAVING, NODE_SUSPECT};
#define STATE_COUNT (sizeof(status_states) / sizeof(status_states[0]))

static size_t status_count(const struct census *census, enum node_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < census->count; i++)
		count += census->nodes[i].state == state;
	return count;
}

static unsigned long long status_records(const struct census *census)
{
	unsigned long long records = 0;

	for (size_t i = 0; i < census->count; i++)
		records += census->nodes[i].records;
	return records;
}

static void status_json(FILE *out, const struct settings *settings, const struct census *census, const char *trouble)
{
	char url[400], origin[OPTION_ORIGIN_MAX];

	url_format(url, sizeof(url), &settings->url);
	option_origin(settings->options, settings->given, "broker", origin);
	fprintf(out, "{\"healthy\":%s,", trouble == NULL && census->problem_count == 0 ? "true" : "false");
	output_json_bytes(out, "broker", (const uint8_t *)url, strlen(url));
	fputc(',', out);
	output_json_bytes(out, "broker_from", (const uint8_t *)origin, strlen(origin));
	fprintf(out, ",\"nodes\":%zu,\"states\":{", census->count);
	for (size_t i = 0; i < STATE_COUNT; i++)
		fprintf(out, "%s\"%s\":%zu", i ? "," : "", node_state_name(status_states[i]),
			status_count(census, status_states[i]));
	fprintf(out, "},\"silent\":%zu,\"records\":%llu,\"problems\":", census->silent_count, status_records(census));
	ring_view_json_problems(out, census, trouble, false);
	fputs("}\n", out);
}

static void status_text(FILE *out, const struct settings *settings, const struct census *census)
{
	bool whole = census->broken == 0;
	const char *mark = "";

	for (size_t i = 0; i < census->problem_count; i++)
		ring_view_problem(out, census->problems[i].text);
	if (census->problem_count > 0)
		fputc('\n', out);
	fprintf(out, "broker   %s\nring     %zu node%s, %s%s%s (", settings->broker_shown, census->count,
		census->count == 1 ? "" : "s", output_color(whole ? COLOR_GOOD : COLOR_BAD),
		whole ? "whole" : "not whole", output_color(COLOR_NONE));
	for (size_t i = 0; i < STATE_COUNT; i++) {
		size_t count = status_count(census, status_states[i]);

		if (count == 0)
			continue;
		fprintf(out, "%s%zu %s", mark, count, node_state_name(status_states[i]));
		mark = ", ";
	}
	if (census->silent_count > 0)
		fprintf(out, "%s%zu without an answer", mark, census->silent_count);
	fprintf(out, ")\nrecords  %llu\n", status_records(census));
}

static void status_show(FILE *out, const struct settings *settings, const struct census *census, const char *trouble)
{
	if (settings->json)
		status_json(out, settings, census, trouble);
	else if (trouble != NULL)
		ring_view_problem(out, trouble);
	else
		status_text(out, settings, census);
}

static enum exit_code status_exec(const struct settings *settings, char **args, size_t count)
{
	struct census census = {0};
	char trouble[LIVE_TROUBLE];
	enum exit_code code;

	(void)args;
	(void)count;
	if (settings->watch)
		return live_run(settings, status_show, false);
	code = live_look_once(settings, &census, trouble);
	if (trouble[0] != '\0') {
		output_error("%s", trouble);
		census_free(&census);
	}
	if (settings->json || (trouble[0] == '\0' && !settings->quiet))
		status_show(stdout, settings, &census, trouble[0] ? trouble : NULL);
	if (code == RC_OK && census.problem_count > 0)
		code = RC_NO;
	census_free(&census);
	return code;
}

const struct command command_status = {
	.name = "status",
	.arguments = "",
	.options = {"watch"},
	.others = "health info",
	.summary = "tell whether all is well: broker, nodes, records",
	.details =
		"\n"
		"Problems come first, those that are there when it looks a second time. Exit code 0 means that all is "
		"well, 1 that no ring answers or that something is\n"
		"wrong with it, 3 and 4 that the broker cannot be reached or refuses us. --quiet prints nothing but\n"
		"errors. --json prints\n"
		"{\"healthy\",\"broker\",\"broker_from\",\"nodes\",\"states\":{STATE:COUNT},\"silent\",\"records\","
		"\"problems\":[TEXTS]},\n"
		"also if the broker cannot be reached.\n"
		"\n" LIVE_TEXT,
	.exec = status_exec,
};
