#include "fold.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FOLD_TWO_COLUMNS 60 /* from this width on */
#define FOLD_BELOW 7        /* where a text begins that stands below its term */

struct fold {
	FILE *out;
	unsigned width, indent, column;
};

unsigned fold_width(FILE *out)
{
	struct winsize screen = {0};
	int fd = fileno(out);

	if (ioctl(fd < 0 ? STDOUT_FILENO : fd, TIOCGWINSZ, &screen) != 0 || screen.ws_col == 0 ||
	    screen.ws_col > FOLD_MAX)
		return FOLD_MAX;
	return screen.ws_col < FOLD_MIN ? FOLD_MIN : screen.ws_col;
}

/* Of what may not be divided. */
static void fold_piece(struct fold *f, const char *piece, size_t len, bool blank)
{
	bool first = f->column <= f->indent;

	if (!first && f->column + blank + len > f->width) {
		fprintf(f->out, "\n%*s", (int)f->indent, "");
		f->column = f->indent;
	} else if (!first && blank) {
		fputc(' ', f->out);
		f->column++;
	}
	fwrite(piece, 1, len, f->out);
	f->column += (unsigned)len;
}

/* Of one line of the text. */
static void fold_words(struct fold *f, const char *text, size_t len)
{
	const char *end = text + len;
	bool blank = true;

	while (text < end) {
		size_t piece = 0, left = (size_t)(end - text);

		if (*text == ' ') {
			blank = true;
			text++;
			continue;
		}
		while (piece < left && text[piece] != ' ') {
			if (text[piece++] == ',')
				break;
		}
		fold_piece(f, text, piece, blank);
		blank = false;
		text += piece;
	}
}

void fold_text(FILE *out, const char *text)
{
	struct fold f = {.out = out, .width = fold_width(out)};

	for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
		bool fixed = strncmp(text, "  ", 2) == 0;

		len = strcspn(text, "\n");
		if ((len == 0 || fixed) && f.column > 0) {
			fputc('\n', out);
			f.column = 0;
		}
		if (len == 0)
			fputc('\n', out);
		else if (fixed)
			fprintf(out, "%.*s\n", (int)len, text);
		else
			fold_words(&f, text, len);
	}
	if (f.column > 0)
		fputc('\n', out);
}

void fold_beside(FILE *out, const char *left, unsigned at, const char *text)
{
	struct fold f = {.out = out, .width = fold_width(out), .indent = at, .column = at};
	size_t len = strlen(left);

	if (f.width < FOLD_TWO_COLUMNS)
		f.indent = f.column = FOLD_BELOW;
	fputs(left, out);
	/* a blank between the two at least */
	if (f.width < FOLD_TWO_COLUMNS || len >= at)
		fprintf(out, "\n%*s", (int)f.indent, "");
	else
		fprintf(out, "%*s", (int)(at - len), "");
	fold_words(&f, text, strlen(text));
	fputc('\n', out);
}
