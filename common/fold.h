/* Text for people, folded to the width of the terminal that shows it: --help's. */
#ifndef DHT_FOLD_H
#define DHT_FOLD_H

#include <stdio.h>

#define FOLD_MAX 100 /* wider lines are hard to read; this is what a pipe gets, too */
#define FOLD_MIN 20

/* How many columns the terminal has that out writes to, FOLD_MIN to FOLD_MAX; FOLD_MAX if it is none.  A text in
 * memory is on its way to standard output. */
unsigned fold_width(FILE *out);

/* Paragraphs, as roff_text reads them: an empty line divides them, a line that begins with two spaces stays a line of its
 * own.  A word that is wider than a line stands on one of its own; words may be broken behind a comma. */
void fold_text(FILE *out, const char *text);

/* `left`, and the text beside it, in a column of its own that begins behind the column `at`; below it, where the terminal
 * is too narrow for two columns.  With the newline. */
void fold_beside(FILE *out, const char *left, unsigned at, const char *text);

#endif
