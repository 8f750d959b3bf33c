#include "backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STARTS_MAX 1000000

static bool backoff_path(const struct backoff *b, char *out, size_t size)
{
	return b->folder && b->folder[0] == '/' && snprintf(out, size, "%s/starts", b->folder) < (int)size;
}

/* Where it cannot be written, nothing is counted: that is no reason not to run. */
static void backoff_write(const struct backoff *b, unsigned starts)
{
	char path[4096];
	FILE *file = backoff_path(b, path, sizeof(path)) ? fopen(path, "we") : NULL;

	if (!file)
		return;
	(void)fprintf(file, "%u\n", starts);
	(void)fclose(file);
}

void backoff_begin(struct backoff *b, const char *folder)
{
	char path[4096], text[32];
	unsigned long starts = 0;
	FILE *file;

	*b = (struct backoff){.folder = folder};
	file = backoff_path(b, path, sizeof(path)) ? fopen(path, "re") : NULL;
	if (file) {
		b->again = true;
		if (fgets(text, sizeof(text), file))
			starts = strtoul(text, NULL, 10);
		/* what is no number of ours counts as none */
		b->starts = starts <= STARTS_MAX ? (unsigned)starts : 0;
		(void)fclose(file);
	}
	backoff_write(b, b->starts + 1);
}

unsigned backoff_wait_s(const struct backoff *b)
{
	unsigned wait = b->starts ? 1 : 0;

	for (unsigned i = 1; i < b->starts && wait < BACKOFF_MAX_S; i++)
		wait *= 2;
	return wait < BACKOFF_MAX_S ? wait : BACKOFF_MAX_S;
}

void backoff_excuse(struct backoff *b)
{
	backoff_write(b, 0);
}

void backoff_over(struct backoff *b)
{
	char path[4096];

	if (backoff_path(b, path, sizeof(path)))
		(void)unlink(path);
}
