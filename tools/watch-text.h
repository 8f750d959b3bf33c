/* What `watch` tells of a change, and of a gap: for people a line of its fields, for programs an object in a line. */
#ifndef DHT_WATCH_TEXT_H
#define DHT_WATCH_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "../common/page.h"

void watch_text_line(FILE *out, const struct page_entry *e);
void watch_text_json(FILE *out, const struct page_entry *e);

/* Something may have been missed; several: of more than one key, which says what to do about it. */
void watch_text_gap(FILE *out, bool several);
void watch_text_json_gap(FILE *out, bool several);

#endif
