#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "dump-file.h"
#include "job.h"
#include "output.h"

static void get_print(const struct job *job, const struct item *item)
{
	const struct operation_result *r = &item->result;

	if (job_is_several(job)) {
		output_key(stdout, &item->op.key);
		putchar('\t');
		output_field(stdout, r->value, r->value_len);
		putchar('\n');
	} else if (isatty(STDOUT_FILENO)) {
		output_escaped(stdout, r->value, r->value_len);
		if (r->value_len == 0 || r->value[r->value_len - 1] != '\n')
			putchar('\n');
	} else {
		fwrite(r->value, 1, r->value_len, stdout);
	}
}

struct get_file {
	const char *path;
	enum exit_code code;
};

static void get_print_file(const struct job *job, const struct item *item)
{
	const struct operation_result *r = &item->result;
	struct get_file *get = job->arg;
	struct dump_file file;
	int error = dump_file_open(&file, get->path), closed;

	if (error == 0) {
		if (fwrite(r->value, 1, r->value_len, file.out) != r->value_len || fflush(file.out) != 0)
			error = errno;
		closed = dump_file_close(&file, error == 0);
		error = error ? error : closed;
	}
	if (error == 0)
		return;
	output_error("cannot write %s: %s", get->path, output_reason(error));
	get->code = RC_LOCAL;
}

static enum exit_code get_into_file(struct job *job, char **args, size_t count)
{
	const struct settings *settings = job->settings;
	struct get_file file = {.path = settings->output, .code = RC_OK};
	enum exit_code code;

	if (count > 1 || job_wants_lines(settings, args[0]) || settings->meta || settings->json) {
		output_error("--output takes the value of one KEY: no second one, no '-', no --meta, no --json");
		return RC_USAGE;
	}
	job->print = get_print_file;
	job->arg = &file;
	code = job_run_keys(job, args, count);
	return code == RC_OK ? file.code : code;
}

static enum exit_code get_exec(const struct settings *settings, char **args, size_t count)
{
	struct job job = {.settings = settings, .done = "found", .print = get_print};

	job.op.kind = OPERATION_GET;
	if (settings->output != NULL)
		return get_into_file(&job, args, count);
	if (settings->meta) {
		job.op.kind = OPERATION_LOOK;
		job.print = job_print_meta;
	}
	return job_run_keys(&job, args, count);
}

const struct command command_get = {
	.name = "get",
	.arguments = "KEY...",
	.min = 1,
	.max = SIZE_MAX,
	.options = {"name", "meta", "output"},
	.others = "read fetch cat show",
	.summary = "print the value of a key",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"Of one key the value and nothing else, byte for byte; on a terminal, control bytes are escaped and "
		"the\n"
		"line is ended. Of several keys, or with '-' of those that standard input holds, one a line, it "
		"prints\n"
		"lines KEY<TAB>VALUE in the order asked, where \\\\ \\t \\n stand for backslash, tab and newline; 'put "
		"-'\n"
		"reads them. --meta prints version, how long it will live (if not for ever) and owner instead, as\n"
		"version=7/12 life=29500ms owner=5. --json gives {\"key\",\"status\",\"value\" (or\n"
		"\"value_base64\" of bytes that are no UTF-8),\"version\",\"owner\"}, with --meta\n"
		"\"life\" (in ms) for the value, one object a line.\n"
		"With --output the value of one key goes into FILE, which is whole then, or, if there is no value, as "
		"it\n"
		"was. --timeout bounds each line of '-', else all keys.\n"
		"\n"
		"Exit code 1 means absent; 6 that some of several were found.\n",
	.exec = get_exec,
};
