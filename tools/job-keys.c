/* What a job is given: keys of the command line, or "-", and the keys in lines.  job.c does it. */
#include <stdlib.h>
#include <string.h>

#include "../common/mem.h"
#include "job.h"
#include "output.h"

/* For a job of given keys. */
static struct item *job_add(struct job *job, const struct key *key)
{
	struct item *item = job_item_new(job);

	item->op.key = *key;
	job->items = xrealloc(job->items, (job->count + 1) * sizeof(struct item *));
	return job->items[job->count++] = item;
}

enum exit_code job_run_one(struct job *job)
{
	enum exit_code code;

	(void)job_add(job, &job->op.key);
	code = job_run(job);
	free(job->items);
	return code;
}

bool job_is_several(const struct job *job)
{
	return job->items == NULL || job->count > 1;
}

enum exit_code job_take_key(const struct settings *settings, const char *text, struct key *key)
{
	const char *wrong = key_text_parse((const uint8_t *)text, strlen(text), settings->name, key);
	char label[KEY_LABEL_MAX];

	if (wrong != NULL) {
		output_error("invalid key %s: %s", key_text_quote((const uint8_t *)text, strlen(text), label), wrong);
		return RC_USAGE;
	}
	*key = key_copy(key);
	return RC_OK;
}

bool job_wants_lines(const struct settings *settings, const char *key)
{
	return !settings->name && strcmp(key, "-") == 0;
}

enum exit_code job_take_one_key(const struct settings *settings, const char *command, const char *text, struct key *key)
{
	if (!job_wants_lines(settings, text))
		return job_take_key(settings, text, key);
	output_error("'%s' reads no lines; for a key that is called '-' give --name", command);
	return RC_USAGE;
}

const char *job_parse_key(const struct job *job, uint8_t *text, size_t len, struct item *item)
{
	struct key key;
	const char *wrong = key_text_parse_field(text, len, job->settings->name, &key);

	if (wrong == NULL)
		item->op.key = key_copy(&key);
	return wrong;
}

static enum exit_code run_given(struct job *job, char **args, size_t count)
{
	enum exit_code code = RC_OK;
	struct key key;

	for (size_t i = 0; i < count && code == RC_OK; i++) {
		code = job_take_key(job->settings, args[i], &key);
		if (code == RC_OK)
			(void)job_add(job, &key);
	}
	if (code == RC_OK) {
		code = job_run(job);
	} else {
		for (size_t i = 0; i < job->count; i++)
			job_item_free(job->items[i]);
	}
	free(job->items);
	return code;
}

enum exit_code job_run_keys(struct job *job, char **args, size_t count)
{
	bool lines = false;

	for (size_t i = 0; i < count; i++)
		lines = lines || job_wants_lines(job->settings, args[i]);
	if (!lines)
		return run_given(job, args, count);
	if (count > 1) {
		output_error("'-' stands for the keys on standard input: no other key can stand beside it");
		return RC_USAGE;
	}
	job->parse = job_parse_key;
	return job_run(job);
}
