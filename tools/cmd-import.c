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

/* So often a record is asked for again, as its key had been written meanwhile.  Only where a key is written without a
 * pause, and its versions stay below the file's: in another ring than the file's. */
#define IMPORT_TRIES 100

struct import {
	struct job job;
	struct job_input input;
	struct progress progress;
	uint64_t size; /* of the file; 0: it has none */
};

static const char *import_parse(const struct job *job, uint8_t *line, size_t len, struct item *item)
{
	return job->input->format->read(line, len, &item->op, &item->version);
}

/* All records are put as if absent first, so that into an empty ring each takes one operation.  What is there and older
 * than the file's gives way, if it is still that; what has gone meanwhile is absent. */
static bool import_again(struct item *item, const struct operation_result *answer)
{
	if (answer->has_version && !version_newer(item->version, answer->version))
		return false;
	item->lost = item->tries++ == IMPORT_TRIES;
	item->op.condition = answer->has_version ? CONDITION_VERSION : CONDITION_ABSENT;
	item->op.version = answer->has_version ? answer->version : (struct version){0};
	return !item->lost;
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

static enum exit_code import_take_options(struct import *import)
{
	const struct settings *settings = import->job.settings;

	if (settings->resume && settings->overwrite) {
		output_error("--resume leaves alone what is there, --overwrite does not: choose one");
		return RC_USAGE;
	}
	import->job.op.kind = OPERATION_PUT;
	import->job.op.condition = settings->overwrite ? CONDITION_NONE : CONDITION_ABSENT;
	import->input.spare = !settings->overwrite;
	import->input.again = settings->overwrite || settings->resume ? NULL : import_again;
	import->input.format = dump_format_find(settings->format);
	return RC_OK;
}

static enum exit_code import_exec(const struct settings *settings, char **args, size_t count)
{
	struct import import = {.job = {.settings = settings, .done = "imported", .parse = import_parse}};
	bool is_file = count > 0 && strcmp(args[0], "-") != 0;
	enum exit_code code = import_take_options(&import);

	if (code != RC_OK)
		return code;
	import.job.input = &import.input;
	import.input.name = is_file ? args[0] : "standard input";
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
	.options = {"format", "resume", "overwrite"},
	.others = "load restore",
	.summary = "store the records of a file",
	.details =
		"\n"
		"Without FILE, or with '-', those of standard input. JSON, an object a line: \"key\" (a number), or\n"
		"\"name\" or \"name_base64\"; \"value\" or \"value_base64\"; \"life\", in milliseconds, of what is not "
		"for\n"
		"ever; and \"version\", as 'ls -l' has it; or with --format cbor a sequence of [key, value, life,\n"
		"[number, counter]]. 'dhtctl export' writes both.\n"
		"\n"
		"Nothing newer is taken away, whoever writes meanwhile: a record is stored if its key is absent, or\n"
		"if what is there has an older version than the file's; else what is there is kept. Of a record\n"
		"without a version nobody knows, so it is stored if its key is absent. With --resume only absent\n"
		"keys are stored, and no value is ever changed, not even an older one; with --overwrite all are.\n"
		"\n"
		"What was deleted since, or came to its end, is absent, and comes back. What is damaged is there:\n"
		"delete it first. What is imported is new from then on: of several files import the latest first.\n"
		"Versions compare what one ring has written. In one that was founded anew, as all of the first was\n"
		"lost, import before anything is written: into an empty ring all is stored, and if it breaks off it\n"
		"goes on with --resume. Later nobody can say which is newer: take --overwrite (the file's values) or\n"
		"--resume (the ring's).\n"
		"\n"
		"A line that is no record is counted and passed over, an empty one is passed over. Whatever ends it,\n"
		"what was stored stays: import the file again, it goes on.\n"
		"\n"
		"Ctrl-C or SIGTERM ends it with its summary, a second one at once; so it is with 'put -' and 'del -'.\n"
		"\n"
		"--timeout bounds each record, not the whole; the first that nobody answers in time ends it. It says\n"
		"on standard error what came of it: exit code 6 if some were stored and some not. With --json it is "
		"an\n"
		"object on standard output: {\"imported\",\"kept\" (what is there stayed),\"present\" (the same "
		"number, its\n"
		"older name),\"failed\",\"whole\" (the input was read to its end, whatever failed),\"first\" (what the "
		"first\n"
		"that failed had to say)}.\n",
	.exec = import_exec,
};
