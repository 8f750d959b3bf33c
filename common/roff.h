/* Manual pages, in the macros of man(7): what the programs' tables say, as groff and mandoc read it.  For the build, not
 * for the programs. */
#ifndef DHT_ROFF_H
#define DHT_ROFF_H

#include <stdio.h>

#include "option.h"

/* The head of a page. */
void roff_page(FILE *out, const char *name, int section, const char *manual);

/* .SH and .SS */
void roff_section(FILE *out, const char *title);
void roff_subsection(FILE *out, const char *title);

/* Paragraphs: an empty line divides them, a line that begins with two spaces stays a line of its own. */
void roff_text(FILE *out, const char *text);

/* A word, and what it means, set off to the right. */
void roff_term(FILE *out, const char *term, const char *meaning);

/* What is typed, as it is typed. */
void roff_example(FILE *out, const char *what, const char *command);

/* Each row as a term: --help's words. */
void roff_options(FILE *out, const struct option_table *table);

/* The rows that can stand in a file of settings, as they do there. */
void roff_settings(FILE *out, const struct option_table *table);

/* The variables of the rows that have one. */
void roff_variables(FILE *out, const struct option_table *table);

#endif
