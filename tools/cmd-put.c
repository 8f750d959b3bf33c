#include <stdio.h>
#include <string.h>

#include "../common/mem.h"
#include "job.h"
#include "lines.h"
#include "output.h"
#include "value.h"

/* KEY<TAB>VALUE */
static const char *put_parse(const struct job *job, uint8_t *line, size_t len, struct item *item)
{
	uint8_t *tab = memchr(line, '\t', len), *value;
	size_t key_len, value_len;
	const char *wrong;

	if (tab == NULL)
		return "no tab between key and value";
	value = tab + 1;
	key_len = (size_t)(tab - line);
	value_len = len - key_len - 1;
	wrong = lines_unescape(value, &value_len);
	if (wrong == NULL && value_len > COMMAND_VALUE_MAX)
		wrong = "a value larger than 16 MiB";
	if (wrong == NULL)
		wrong = job_parse_key(job, line, key_len, item);
	if (wrong != NULL)
		return wrong;
	item->op.value = xmemdup(value, value_len);
	item->op.value_len = value_len;
	return NULL;
}

static enum exit_code put_lines(struct job *job, size_t count)
{
	if (count > 1 || job->settings->file != NULL) {
		output_error("'put -' reads lines KEY<TAB>VALUE from standard input: no VALUE, no --file");
		return RC_USAGE;
	}
	job->parse = put_parse;
	return job_run(job);
}

static enum exit_code put_exec(const struct settings *settings, char **args, size_t count)
{
	struct job job = {.settings = settings, .done = "stored", .print = settings->verbose ? job_print_meta : NULL};
	uint8_t *value = NULL;
	char usage[120], key[60];
	enum exit_code code;

	job.op.kind = OPERATION_PUT;
	job.op.life = settings->ttl;
	job.op.condition = settings->if_absent ? CONDITION_ABSENT : CONDITION_NONE;
	if (job_wants_lines(settings, args[0]))
		return put_lines(&job, count);
	code = job_take_key(settings, args[0], &job.op.key);
	if (code != RC_OK)
		return code;
	snprintf(key, sizeof(key), "%s", args[0]);
	snprintf(usage, sizeof(usage), "dhtctl put %s VALUE", key);
	code = value_take(settings, count > 1 ? args[1] : NULL, usage, &value, &job.op.value_len);
	if (code != RC_OK) {
		key_free(&job.op.key);
		return code;
	}
	job.op.value = value;
	return job_run_one(&job);
}

const struct command command_put = {
	.name = "put",
	.arguments = "KEY [VALUE]",
	.min = 1,
	.max = 2,
	.options = {"name", "ttl", "if-absent", "file", "verbose"},
	.others = "set store save write insert update",
	.summary = "store a value under a key",
	.details =
		"\n" COMMAND_KEY_TEXT "\n"
		"Without VALUE, or with '-', the value is what --file or standard input holds, byte for byte, up to\n"
		"16 MiB. Prints nothing when it is done, with --verbose version=7/12 owner=5; with --json "
		"{\"key\",\"status\",\"version\",\"owner\"}.\n"
		"'put -' stores lines KEY<TAB>VALUE of standard input, many at once; \\\\ \\t \\n in them stand for "
		"backslash,\n"
		"tab and newline, and \\xHH for any byte. It says on standard error what came of them. --timeout "
		"bounds\n"
		"each line, not the whole; the first that nobody answers in time ends it.\n"
		"\n"
		"Exit code 1 means that the key was there (--if-absent); 5 that nobody answered in time: if it says\n"
		"\"unknown\", it may have been stored; 6 that some of the lines were stored.\n",
	.exec = put_exec,
};
