#include "job.h"

static enum exit_code del_exec(const struct settings *settings, char **args, size_t count)
{
	struct job job = {.settings = settings, .done = "deleted", .print = settings->verbose ? job_print_meta : NULL};

	job.op.kind = OPERATION_DELETE;
	return job_run_keys(&job, args, count);
}

const struct command command_del = {
	.name = "del",
	.arguments = "KEY...",
	.min = 1,
	.max = SIZE_MAX,
	.options = {"name", "verbose"},
	.others = "rm delete remove erase unset",
	.summary = "delete keys",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"With '-' the keys are those that standard input holds, one a line. Prints nothing when it is done, "
		"with --verbose version=7/12 owner=5; "
		"with\n"
		"--json {\"key\",\"status\",\"version\",\"owner\"}. --timeout bounds each line of '-', else all keys.\n"
		"\n"
		"Exit code 1 means that there was nothing to delete; 6 that some of several were deleted.\n",
	.exec = del_exec,
};
