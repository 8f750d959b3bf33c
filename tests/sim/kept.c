/* Seeds that once found a flaw.  A line is `NAME | WORDS OF sim | WHAT IT FOUND`; # begins a comment. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/mem.h"
#include "command.h"

#define WORDS_MAX 40

static char *trim(char *text)
{
	text += strspn(text, " \t\n");
	for (size_t n = strlen(text); n > 0 && strchr(" \t\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

static struct sim_options words_parse(char *words)
{
	char name[] = "sim", *argv[WORDS_MAX + 2] = {name}, *rest = words;
	struct arguments a;
	int argc = 1;

	for (char *word; argc <= WORDS_MAX && (word = strsep(&rest, " ")) != NULL;) {
		if (*word)
			argv[argc++] = word;
	}
	options_parse(&a, argc, argv);
	return a.sim;
}

/* True if it is clean. */
static bool replay(const struct arguments *a, const char *name, char *words, const char *flaw)
{
	struct trial t = {.seconds = SECONDS_MAX};
	struct outcome out;

	t.options = words_parse(words);
	trial_run(&t, &out);
	if (out.failed) {
		char *spec = options_spec(&t.options);

		printf("%s: %s\n  it had found: %s\n  replay: sim %s --trace\n", name, out.failure, flaw, spec);
		free(spec);
	} else if (!a->quiet) {
		printf("%s: clean, %" PRIu64 " messages\n", name, out.published);
	}
	return !out.failed;
}

int kept_run(const struct arguments *a)
{
	FILE *in = fopen(a->kept, "r");
	unsigned count = 0, failed = 0, lines = 0;
	char *line = NULL;
	size_t room = 0;

	if (!in) {
		fprintf(stderr, "sim: cannot read %s: %s\n", a->kept, strerror(errno));
		return 2;
	}
	while (getline(&line, &room, in) >= 0) {
		char *rest = trim(line), *name, *words;

		lines++;
		if (!*rest || *rest == '#')
			continue;
		name = strsep(&rest, "|");
		words = strsep(&rest, "|");
		if (!rest) {
			fprintf(stderr, "sim: %s:%u: not NAME | WORDS | WHAT IT FOUND\n", a->kept, lines);
			return 2;
		}
		count++;
		failed += !replay(a, trim(name), words, trim(rest));
	}
	free(line);
	fclose(in);
	printf("%u kept seeds, %u failed\n", count, failed);
	return failed || !count;
}
