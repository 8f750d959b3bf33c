/* What option.c, option-value.c and option-file.c share. */
#ifndef DHT_OPTION_INTERNAL_H
#define DHT_OPTION_INTERNAL_H

#include "option.h"

/* The first row of that name (len bytes), or NULL. */
const struct option_row *option_find(const struct option_table *table, const char *name, size_t len);

void *option_member(const struct option_row *row, void *target);

/* Sets the member, or says in expected what was expected instead. */
bool option_set(const struct option_row *row, void *target, const char *text, char expected[OPTION_ERROR_MAX]);

#define OPTION_SHOWN_MAX 101

/* The beginning of a value for an error line, without a password.  Returns out. */
const char *option_quote(const struct option_row *row, const char *text, char out[OPTION_SHOWN_MAX]);

/* "2m", "5s", "200ms". */
void option_format_duration(char *out, size_t size, uint64_t ms);

/* "512M", "1000". */
void option_format_size(char *out, size_t size, uint64_t bytes);
#define OPTION_SIZE_MAX (UINT64_C(1) << 50)

#endif
