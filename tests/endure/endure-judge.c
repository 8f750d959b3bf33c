/* endure-judge FILE...: judges what the clients of tests/soak --routed wrote down, and prints what it found as JSON; on
 * standard error the keys that are not right.  Exit: 0, whatever it found; 2 if a file cannot be read. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../common/mem.h"
#include "judge.h"

static bool load(const char *path, struct seen **seen, size_t *count)
{
	FILE *f = fopen(path, "rb");
	size_t room = *count, got;

	if (f == NULL) {
		perror(path);
		return false;
	}
	do {
		if (*count == room) {
			room = room * 2 + 65536;
			*seen = xrealloc(*seen, room * sizeof(**seen));
		}
		got = fread(*seen + *count, sizeof(**seen), room - *count, f);
		*count += got;
	} while (got > 0);
	if (ferror(f))
		perror(path);
	got = (size_t)ferror(f);
	fclose(f);
	return got == 0;
}

static void print(const struct findings *f)
{
	const struct {
		const char *name;
		uint64_t count;
	} rows[] = {
		{"operations", f->operations},
		{"keys", f->keys},
		{"gets", f->done[OPERATION_GET]},
		{"puts", f->done[OPERATION_PUT]},
		{"with a condition", f->conditions},
		{"that did not hold", f->failed},
		{"with a life", f->lives},
		{"deletes", f->done[OPERATION_DELETE]},
		{"adds", f->done[OPERATION_ADD]},
		{"writes sent again", f->again},
		{"acked increments", f->adds},
		{"counters", f->total},
		{"open", f->open},
		{"undone", f->undone},
		{"refused", f->refused},
		{"lost", f->lost},
		{"doubled", f->doubled},
		{"wrong", f->wrong},
		{"undecided", f->undecided},
		{"outlived", f->outlived},
		{"strange", f->strange},
		{"unlooked", f->unlooked},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "{", rows[i].name, rows[i].count);
	puts("}");
}

int main(int argc, char **argv)
{
	struct findings findings;
	struct seen *seen = NULL;
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		if (!load(argv[i], &seen, &count))
			return 2;
	}
	judge(seen, count, &findings, stderr);
	print(&findings);
	free(seen);
	return 0;
}
