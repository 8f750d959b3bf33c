#include "watch-text.h"

#include <inttypes.h>

#include "output.h"

void watch_text_line(FILE *out, const struct page_entry *e)
{
	fputs(e->value ? "put\t" : "del\t", out);
	output_key(out, &e->key);
	if (e->value) {
		fputc('\t', out);
		output_field(out, e->value, e->value_len);
	}
	fputc('\n', out);
}

void watch_text_json(FILE *out, const struct page_entry *e)
{
	fprintf(out, "{\"event\":\"%s\",", e->value ? "put" : "del");
	output_json_key(out, &e->key);
	if (e->value) {
		fputc(',', out);
		output_json_bytes(out, "value", e->value, e->value_len);
	}
	fprintf(out, ",\"version\":\"%" PRIu64 "/%" PRIu64 "\"", e->version.number, e->version.counter);
	if (e->life > 0)
		fprintf(out, ",\"life\":%" PRIu64, e->life);
	fputs("}\n", out);
}

static const char *watch_text_todo(bool several)
{
	return several ? "list it again: dhtctl export, or ls" : "ask for it again: dhtctl get";
}

void watch_text_gap(FILE *out, bool several)
{
	fprintf(out, "gap\tsomething may have been missed; %s\n", watch_text_todo(several));
}

void watch_text_json_gap(FILE *out, bool several)
{
	fprintf(out, "{\"event\":\"gap\",\"todo\":\"%s\"}\n", watch_text_todo(several));
}
