#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "output.h"
#include "progress.h"
#include "walk.h"

struct export
{
	const struct settings *settings;
	const struct dump_format *format;
	const char *path; /* NULL: standard output */
	FILE *out;
	size_t count;
	int open_errno, output_errno;
	struct progress progress;
};

/* Not before there is something to write: what the file held would be gone. */
static bool export_open(struct export *x)
{
	x->out = x->path ? fopen(x->path, "we") : stdout;
	if (x->out == NULL)
		x->open_errno = errno;
	return x->out != NULL;
}

/* Ids are spread evenly, so how far the listing has come is how much there still is. */
static bool export_use(void *arg, const struct walk_page *page)
{
	struct export *x = arg;

	if (x->out == NULL && !export_open(x))
		return false;
	for (size_t i = 0; i < page->count && !ferror(x->out); i++, x->count++)
		x->format->write(x->out, &page->entries[i]);
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
	enum exit_code code = client_open(x->settings, &client);

	progress_init(&x->progress, "exporting", !x->settings->quiet && isatty(STDERR_FILENO) && !mixed);
	if (code == RC_OK)
		code = client_keys(client, &kv);
	if (code == RC_OK)
		code = walk(client, kv, x->settings, true, NULL, export_use, x);
	progress_end(&x->progress);
	client_close(client);
	return code;
}

/* On the disk, not on its way there, when we say so; a pipe or a device has none. */
static void export_settle(struct export *x)
{
	if (x->path == NULL || x->out == NULL)
		return;
	if (x->output_errno == 0 && fsync(fileno(x->out)) != 0 && errno != EINVAL && errno != EROFS)
		x->output_errno = errno;
	if (fclose(x->out) != 0 && x->output_errno == 0)
		x->output_errno = errno;
}

static enum exit_code export_tell(const struct export *x, enum exit_code code)
{
	if (x->open_errno != 0) {
		output_error("cannot open %s: %s", x->path, output_reason(x->open_errno));
		return RC_LOCAL;
	}
	if (x->output_errno != 0 && x->path == NULL) {
		output_give_up(x->output_errno);
		return RC_LOCAL;
	}
	if (x->output_errno != 0) {
		output_error("cannot write %s: %s", x->path, output_reason(x->output_errno));
		return RC_LOCAL;
	}
	if (x->settings->json && x->path != NULL)
		printf("{\"exported\":%zu,\"whole\":%s}\n", x->count, code == RC_OK ? "true" : "false");
	else if (code == RC_OK && !x->settings->quiet)
		output_error("exported %zu", x->count);
	else if (code != RC_OK && x->count > 0)
		output_error("exported %zu, and not what follows", x->count);
	return code != RC_OK && x->count > 0 ? RC_PARTLY : code;
}

static enum exit_code export_exec(const struct settings *settings, char **args, size_t count)
{
	struct export x = {.settings = settings, .format = dump_format_find(settings->format)};
	enum exit_code code;

	if (count > 0 && strcmp(args[0], "-") != 0)
		x.path = args[0];
	if (x.path == NULL && isatty(STDOUT_FILENO) && strcmp(x.format->name, "json") != 0) {
		output_error("CBOR is not for a terminal: name a FILE, or send it to a pipe");
		return RC_USAGE;
	}
	code = export_walk(&x);
	export_settle(&x);
	return export_tell(&x, code);
}

const struct command command_export = {
	.name = "export",
	.arguments = "[FILE]",
	.max = 1,
	.options = {"format"},
	.summary = "write all records to a file",
	.details =
		"\n"
		"Without FILE, or with '-', to standard output. JSON, an object a line: \"key\" (a number) or "
		"\"name\";\n"
		"\"value\"; and \"life\", in milliseconds, of what is not for ever; \"name_base64\" and "
		"\"value_base64\" of\n"
		"bytes that are no UTF-8. Or with --format cbor a sequence of [key, value, life].\n"
		"\n"
		"What is there all the time is written once, also while nodes come and go; what is written or deleted\n"
		"meanwhile is there as it was before or after. --timeout bounds each page, not the whole. It says on\n"
		"standard error how many there were; of a FILE with --json as an object on standard output:\n"
		"{\"exported\",\"whole\" (nothing was left out)}. Exit code 6 if it broke off: the error line says\n"
		"where.\n",
	.exec = export_exec,
};
