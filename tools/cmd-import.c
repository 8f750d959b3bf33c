#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump.h"
#include "job.h"
#include "output.h"
#include "progress.h"

struct import {
	struct job job;
	struct job_input input;
	struct progress progress;
	uint64_t size; /* of the file; 0: it has none */
};

static const char *import_parse(const struct job *job, uint8_t *line, size_t len, struct operation *op)
{
	return job->input->format->read(line, len, op);
}

static void import_progress_cb(void *arg, size_t count, uint64_t bytes)
{
	struct import *import = arg;

	progress_draw(&import->progress, count, bytes, import->size);
}

static void import_over_cb(void *arg)
{
	progress_end(&((struct import *)arg)->progress);
}

static enum exit_code import_run(struct import *import)
{
	const struct settings *settings = import->job.settings;
	struct stat status;

	if (fstat(import->input.fd, &status) == 0 && S_ISREG(status.st_mode))
		import->size = (uint64_t)status.st_size;
	progress_init(&import->progress, "importing", !settings->quiet && isatty(STDERR_FILENO));
	import->input.progress = import_progress_cb;
	import->input.over = import_over_cb;
	import->input.arg = import;
	return job_run(&import->job);
}

static enum exit_code import_exec(const struct settings *settings, char **args, size_t count)
{
	struct import import = {.job = {.settings = settings, .done = "imported", .parse = import_parse}};
	bool is_file = count > 0 && strcmp(args[0], "-") != 0;
	enum exit_code code;

	import.job.op.kind = OPERATION_PUT;
	import.job.op.condition = settings->resume ? CONDITION_ABSENT : CONDITION_NONE;
	import.job.input = &import.input;
	import.input.name = is_file ? args[0] : "standard input";
	import.input.spare = settings->resume;
	import.input.format = dump_format_find(settings->format);
	import.input.fd = is_file ? open(args[0], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (import.input.fd < 0) {
		output_error("cannot open %s: %s", args[0], output_reason(errno));
		return RC_LOCAL;
	}
	code = import_run(&import);
	if (is_file)
		(void)close(import.input.fd);
	return code;
}

const struct command command_import = {
	.name = "import",
	.arguments = "[FILE]",
	.max = 1,
	.options = {"format", "resume"},
	.summary = "store the records of a file",
	.details =
		"\n"
		"Without FILE, or with '-', those of standard input. JSON, an object a line: \"key\" (a number), or\n"
		"\"name\" or \"name_base64\"; \"value\" or \"value_base64\"; and \"life\", in milliseconds, of what is "
		"not\n"
		"for ever; or with --format cbor a sequence of [key, value, life]. 'dhtctl export' writes both.\n"
		"\n"
		"A line that is no record is counted and passed over, an empty one is passed over. Whatever ends it,\n"
		"what was stored stays: import the file again, and each record is stored once more. With --resume "
		"only\n"
		"those are stored whose keys are not there, so that nothing written since is lost: it never changes a\n"
		"value, not even one that is older than the file's, and counts what is there already by itself.\n"
		"\n"
		"Ctrl-C or SIGTERM ends it with its summary, a second one at once; so it is with 'put -' and 'del -'.\n"
		"\n"
		"--timeout bounds each record, not the whole; the first that nobody answers in time ends it. It says\n"
		"on standard error what came of it: exit code 6 if some were stored and some not. With --json it is "
		"an\n"
		"object on standard output: {\"imported\",\"present\" (--resume: there already),\"failed\",\"whole\" "
		"(the\n"
		"input was read to its end, whatever failed),\"first\" (what the first that failed had to say)}.\n",
	.exec = import_exec,
};
