#include <stdio.h>

#include "live.h"
#include "output.h"
#include "ring-view.h"

/* All that is wrong, a line each. */
static void check_tell(const struct census *census)
{
	char text[RING_VIEW_NOTE];
	size_t at = 0;

	for (size_t i = 0; i < census->problem_count; i++)
		output_error("%s", census->problems[i].text);
	while (ring_view_next_note(census, &at, text))
		output_error("%s", text);
}

static void check_json(const struct census *census, const char *trouble, bool well)
{
	printf("{\"healthy\":%s,\"nodes\":%zu,\"problems\":", well ? "true" : "false", census->count);
	ring_view_json_problems(stdout, census, trouble, true);
	puts("}");
}

static enum exit_code check_exec(const struct settings *settings, char **args, size_t count)
{
	struct census census = {0};
	char trouble[LIVE_TROUBLE], text[RING_VIEW_NOTE];
	enum exit_code code = live_look_once(settings, &census, trouble);
	size_t at = 0;
	bool well;

	(void)args;
	(void)count;
	well = code == RC_OK && census.problem_count == 0 && !ring_view_next_note(&census, &at, text);
	if (trouble[0] != '\0' && !(code == RC_NO && settings->quiet))
		output_error("%s", trouble);
	if (settings->json)
		check_json(&census, trouble[0] ? trouble : NULL, well);
	else if (code == RC_OK && !settings->quiet)
		check_tell(&census);
	census_free(&census);
	return code == RC_OK && !well ? RC_NO : code;
}

const struct command command_check = {
	.name = "check",
	.arguments = "",
	.others = "healthcheck",
	.summary = "end with 0 if all is well and all copies are there, for scripts",
	.details =
		"\n"
		"Prints nothing then. Exit code 1 means that no ring answers, that something is wrong with it, also "
		"when\n"
		"it looks a second time, or that there are fewer copies of something than are asked for (--replicas),\n"
		"which 'status' takes for well: standard error has a line for each, with --quiet none. 3 and 4 mean "
		"that\n"
		"the broker cannot be reached or refuses us, which is told in any case. --json prints "
		"{\"healthy\",\"nodes\",\"problems\":[TEXTS]} on\n"
		"standard output, also if the broker cannot be reached. In a loop it waits for the ring:\n"
		"\n"
		"  until dhtctl check --quiet; do sleep 1; done\n",
	.exec = check_exec,
};
