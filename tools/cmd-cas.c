#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "output.h"
#include "value.h"
#include "version-text.h"

static enum exit_code cas_take_condition(const struct settings *settings, struct operation *op)
{
	if ((settings->expected != NULL) == settings->absent) {
		output_error("cas needs either --version N/C, which 'dhtctl get --meta' tells, or --absent");
		return RC_USAGE;
	}
	if (settings->absent) {
		op->condition = CONDITION_ABSENT;
		return RC_OK;
	}
	op->condition = CONDITION_VERSION;
	if (version_text_parse((const uint8_t *)settings->expected, strlen(settings->expected), &op->version))
		return RC_OK;
	output_error("invalid --version '%.60s': expected NUMBER/COUNTER as 'dhtctl get --meta' prints it",
		     settings->expected);
	return RC_USAGE;
}

static enum exit_code cas_exec(const struct settings *settings, char **args, size_t count)
{
	struct job job = {.settings = settings, .done = "stored", .print = settings->verbose ? job_print_meta : NULL};
	uint8_t *value = NULL;
	enum exit_code code;

	job.op.kind = OPERATION_PUT;
	job.op.life = settings->ttl;
	code = cas_take_condition(settings, &job.op);
	if (code == RC_OK)
		code = job_take_one_key(settings, "cas", args[0], &job.op.key);
	if (code != RC_OK)
		return code;
	code = value_take(settings, count > 1 ? args[1] : NULL,
			  settings->absent ? "dhtctl cas --absent KEY NEW" : "dhtctl cas --version N/C KEY NEW", &value,
			  &job.op.value_len);
	if (code != RC_OK) {
		key_free(&job.op.key);
		return code;
	}
	job.op.value = value;
	return job_run_one(&job);
}

const struct command command_cas = {
	.name = "cas",
	.arguments = "KEY [NEW]",
	.min = 1,
	.max = 2,
	.options = {"name", "version", "absent", "ttl", "file", "verbose"},
	.others = "compare-and-set compare-and-swap",
	.summary = "store a value if nobody else has since",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"cas --version N/C KEY NEW stores NEW only if the key still has that version, which 'get --meta' and\n"
		"'get --json' tell; cas --absent KEY NEW only if there is none. NEW is taken as put takes its VALUE.\n"
		"Prints nothing when it is done, with --verbose version=7/12 owner=5; with --json "
		"{\"key\",\"status\",\"version\",\"owner\"}, where the "
		"version is\n"
		"the new one, or, if the status is \"failed\", the one that is there.\n"
		"\n"
		"Exit code 1 means that somebody else has; 5 that nobody answered in time: if it says \"unknown\", it "
		"may\n"
		"have been stored.\n",
	.exec = cas_exec,
};
