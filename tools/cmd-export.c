#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump-file.h"
#include "dump.h"
#include "output.h"
#include "progress.h"
#include "walk.h"

struct export
{
	const struct settings *settings;
	const struct dump_format *format;
	const char *path; /* NULL: standard output */
	struct dump_file file;
	FILE *out;
	size_t count, damaged;
	int output_errno;
	struct progress progress;
};

/* No node has it as it was put. */
static void export_damaged(struct export *x, const struct key *key)
{
	progress_end(&x->progress);
	x->damaged++;
	fputs("dhtctl: key ", stderr);
	output_key(stderr, key);
	fputs(": damaged in all copies, left out -> put it anew, or delete it\n", stderr);
}

/* Ids are spread evenly, so how far the listing has come is how much there still is. */
static bool export_use(void *arg, const struct walk_page *page)
{
	struct export *x = arg;

	for (size_t i = 0; i < page->count && !ferror(x->out); i++) {
		if (page->entries[i].damaged) {
			export_damaged(x, &page->entries[i].key);
			continue;
		}
		x->format->write(x->out, &page->entries[i]);
		x->count++;
	}
	if (fflush(x->out) != 0 || ferror(x->out))
		x->output_errno = errno;
	if (page->count > 0)
		progress_draw(&x->progress, x->count, page->entries[page->count - 1].key.id, UINT32_MAX);
	return x->output_errno == 0;
}

static enum exit_code export_walk(struct export *x)
{
	bool mixed = x->path == NULL && isatty(STDOUT_FILENO);
	struct client *client;
	struct kv_mqtt *kv;
	enum exit_code code;

	progress_init(&x->progress, "exporting", !x->settings->quiet && !mixed);
	code = client_open(x->settings, &client);
	if (code == RC_OK)
		code = client_keys(client, &kv);
	if (code == RC_OK)
		code = walk(client, kv, x->settings, true, NULL, export_use, x);
	progress_end(&x->progress);
	client_close(client);
	return code;
}

/* What has gone out already, to a pipe or the like, is there; a file is whole or as it was. */
static enum exit_code export_tell(const struct export *x, enum exit_code code, bool replaces)
{
	bool partly = code != RC_OK && x->count > 0 && !replaces;

	if (x->output_errno != 0 && x->path == NULL) {
		output_give_up(x->output_errno);
		return RC_LOCAL;
	}
	if (x->output_errno != 0) {
		output_error("cannot write %s: %s%s", x->path, output_reason(x->output_errno),
			     replaces ? "; nothing was written, the file is as it was" : "");
		return RC_LOCAL;
	}
	if (code != RC_OK && x->count > 0 && replaces)
		output_error("nothing was written to %s: %zu had come, and not what follows", x->path, x->count);
	if (x->settings->json && x->path != NULL)
		printf("{\"exported\":%zu,\"whole\":%s}\n", code == RC_OK || partly ? x->count : 0,
		       code == RC_OK && !x->damaged ? "true" : "false");
	else if (code == RC_OK && !x->settings->quiet)
		output_error("exported %zu", x->count);
	else if (partly)
		output_error("exported %zu, and not what follows", x->count);
	return partly || (code == RC_OK && x->damaged > 0) ? RC_PARTLY : code;
}

static enum exit_code export_exec(const struct settings *settings, char **args, size_t count)
{
	struct export x = {.settings = settings, .format = dump_format_find(settings->format), .out = stdout};
	bool replaces = false;
	enum exit_code code;
	int error;

	if (count > 0 && strcmp(args[0], "-") != 0)
		x.path = args[0];
	if (x.path == NULL && isatty(STDOUT_FILENO) && strcmp(x.format->name, "json") != 0) {
		output_error("CBOR is not for a terminal: name a FILE, or send it to a pipe");
		return RC_USAGE;
	}
	if (x.path != NULL) {
		error = dump_file_open(&x.file, x.path);
		if (error != 0) {
			output_error("cannot open %s: %s", x.path, output_reason(error));
			return RC_LOCAL;
		}
		x.out = x.file.out;
		replaces = x.file.target != NULL;
	}
	code = export_walk(&x);
	if (x.path != NULL) {
		error = dump_file_close(&x.file, code == RC_OK && x.output_errno == 0);
		x.output_errno = x.output_errno ? x.output_errno : error;
	}
	return export_tell(&x, code, replaces);
}

const struct command command_export = {
	.name = "export",
	.arguments = "[FILE]",
	.max = 1,
	.options = {"format"},
	.others = "dump backup",
	.summary = "write all records to a file",
	.details =
		"\n"
		"Without FILE, or with '-', to standard output. JSON, an object a line: \"key\" (a number) or "
		"\"name\";\n"
		"\"value\"; \"life\", in milliseconds, of what is not for ever; and \"version\", as 'ls -l' has it;\n"
		"\"name_base64\" and \"value_base64\" of bytes that are no UTF-8. Or with --format cbor a sequence of\n"
		"[key, value, life, [number, counter]].\n"
		"\n"
		"What was acknowledged before it began and is not changed before it ends is in it, once, also while "
		"nodes\n"
		"come and go; what is written or deleted meanwhile is there as it was before or after. A page (48 KiB, "
		"or\n"
		"1,024 records) is of one moment of its owner, two pages are not of one moment: of two keys that are\n"
		"written one after the other the second may be in it without the first.\n"
		"\n"
		"--timeout bounds each page, not the whole. It says on standard error how many there were; of a FILE "
		"with\n"
		"--json as an object on standard output: {\"exported\",\"whole\" (nothing was left out)}.\n"
		"\n"
		"FILE is whole or as it was: the records are written beside it, and take its place at the end. If it\n"
		"broke off the error line says where; what has gone to a pipe or to standard output is there then, "
		"and\n"
		"the exit code 6.\n",
	.exec = export_exec,
};
