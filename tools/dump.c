#include "dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cursor.h"
#include "../common/mem.h"
#include "../common/wire.h"
#include "command.h"
#include "json.h"
#include "output.h"
#include "version-text.h"

/* What has been read of a record; borrowed from it. */
struct parts {
	struct key key;
	const uint8_t *value;
	size_t value_len;
	uint64_t life;
	struct version version; /* number 0: none */
	bool has_key, has_value, has_life, has_version;
};

static const char *dump_keep(const struct parts *parts, struct operation *op, struct version *version)
{
	if (!parts->has_key)
		return "no key in it";
	if (!parts->has_value)
		return "no value in it";
	if (parts->value_len > COMMAND_VALUE_MAX)
		return "a value larger than 16 MiB";
	op->key = key_copy(&parts->key);
	op->value = xmemdup(parts->value, parts->value_len);
	op->value_len = parts->value_len;
	op->life = parts->life;
	*version = parts->version;
	return NULL;
}

/* Of CBOR: a record's first byte, and no JSON line's. */
static bool is_array(uint8_t first)
{
	return first >> 5 == 4;
}

/* ---- JSON ---- */

static const char *json_name(struct parts *parts, struct json_field *f, bool encoded)
{
	if (parts->has_key)
		return "more than one key";
	if (encoded ? !json_base64(f) : f->kind != JSON_STRING)
		return encoded ? "a name that is no base64" : "a name that is no string";
	if (f->len == 0 || f->len > KEY_NAME_MAX)
		return "a name has 1 to 65536 bytes";
	parts->key = key_named(f->text, f->len);
	parts->has_key = true;
	return NULL;
}

static const char *json_key(struct parts *parts, struct json_field *f)
{
	uint64_t id;

	if (f->kind == JSON_STRING)
		return json_name(parts, f, false);
	if (parts->has_key)
		return "more than one key";
	if (!json_uint(f, UINT32_MAX, &id))
		return "a key is a number from 0 to 4294967295, or a string: a name";
	parts->key = key_number((uint32_t)id);
	parts->has_key = true;
	return NULL;
}

static const char *json_value(struct parts *parts, struct json_field *f, bool encoded)
{
	if (parts->has_value)
		return "more than one value";
	if (encoded ? !json_base64(f) : f->kind != JSON_STRING)
		return encoded ? "a value that is no base64" : "a value that is no string";
	parts->value = f->text;
	parts->value_len = f->len;
	parts->has_value = true;
	return NULL;
}

static const char *json_life(struct parts *parts, struct json_field *f)
{
	if (parts->has_life)
		return "more than one life";
	parts->has_life = true;
	return json_uint(f, UINT64_MAX, &parts->life) ? NULL : "a life that is no number of milliseconds";
}

/* `get --json` has null for what is absent. */
static const char *json_version(struct parts *parts, struct json_field *f)
{
	if (parts->has_version)
		return "more than one version";
	parts->has_version = true;
	if (f->kind == JSON_NULL || (f->kind == JSON_STRING && version_text_parse(f->text, f->len, &parts->version)))
		return NULL;
	return "a version that is no \"NUMBER/COUNTER\", as 'dhtctl ls -l' has it";
}

static const char *json_field(struct parts *parts, struct json_field *f)
{
	if (json_is(f, "key"))
		return json_key(parts, f);
	if (json_is(f, "name"))
		return json_name(parts, f, false);
	if (json_is(f, "name_base64") || json_is(f, "key_base64"))
		return json_name(parts, f, true);
	if (json_is(f, "value"))
		return json_value(parts, f, false);
	if (json_is(f, "value_base64"))
		return json_value(parts, f, true);
	if (json_is(f, "version"))
		return json_version(parts, f);
	return json_is(f, "life") ? json_life(parts, f) : NULL;
}

static const char *dump_read_json(uint8_t *record, size_t len, struct operation *op, struct version *version)
{
	struct parts parts = {.has_key = false};
	struct json_field f;
	const char *wrong = NULL;
	struct json j;

	if (len > 0 && is_array(record[0]))
		return "no JSON object (is it CBOR? see --format)";
	json_init(&j, record, len);
	while (!wrong && json_next(&j, &f))
		wrong = json_field(&parts, &f);
	if (!wrong)
		wrong = j.error;
	return wrong ? wrong : dump_keep(&parts, op, version);
}

static void dump_write_json(FILE *out, const struct page_entry *e)
{
	fputc('{', out);
	if (e->key.name_len > 0)
		output_json_bytes(out, "name", e->key.name, e->key.name_len);
	else
		fprintf(out, "\"key\":%u", e->key.id);
	fputc(',', out);
	output_json_bytes(out, "value", e->value, e->value_len);
	if (e->life > 0)
		fprintf(out, ",\"life\":%" PRIu64, e->life);
	fprintf(out, ",\"version\":\"%" PRIu64 "/%" PRIu64 "\"}\n", e->version.number, e->version.counter);
}

/* ---- CBOR ---- */

/* How long the first item is; 0: it is not all there, or (*broken) none.  The '{' of JSON begins a text of CBOR that is
 * longer than any input: it is not waited for. */
static size_t cbor_length(const uint8_t *bytes, size_t len, bool *broken)
{
	struct cursor c = {bytes, bytes + len, NULL};

	*broken = false;
	if (cursor_skip(&c))
		return (size_t)(c.p - bytes);
	*broken = strcmp(c.error, "truncated") != 0 || !is_array(bytes[0]);
	return 0;
}

static enum lines_state dump_next_cbor(struct lines *lines, uint8_t **record, size_t *len)
{
	for (;;) {
		size_t there = lines->end - lines->start;
		bool broken = false;
		size_t length = there ? cbor_length(lines->bytes + lines->start, there, &broken) : 0;
		enum lines_state state;

		if (length > 0)
			return lines_give(lines, length, 0, record, len);
		if (broken)
			lines->over = true; /* nobody knows where the next one would begin */
		if (lines->over)
			return there > 0 ? lines_give(lines, there, 0, record, len) : LINES_END;
		state = lines_more(lines);
		if (state != LINES_ONE)
			return state;
	}
}

static bool cbor_version(struct cursor *c, struct version *version)
{
	return wire_take_null(c) || (wire_take_tuple(c, 2) && wire_take_uint(c, UINT64_MAX, &version->number) &&
				     wire_take_uint(c, UINT64_MAX, &version->counter));
}

static const char *dump_read_cbor(uint8_t *record, size_t len, struct operation *op, struct version *version)
{
	struct cursor c = {record, record + len, NULL};
	struct parts parts = {.has_key = true, .has_value = true};
	size_t items = 0;
	bool broken;

	if (cbor_length(record, len, &broken) != len)
		return broken ? "no CBOR: what is behind it cannot be read (is it JSON lines? see --format)"
			      : "cut short: the input ends in it";
	if (!wire_take_array(&c, 4, &items) || items < 2)
		return "no array of key, value and perhaps life and version";
	if (!wire_take_key(&c, &parts.key))
		return "a key is a number from 0 to 4294967295, or a name of 1 to 65536 bytes";
	if (!wire_take_string(&c, &parts.value, &parts.value_len))
		return "a value that is no bytes";
	if (items > 2 && !wire_take_null(&c) && !wire_take_uint(&c, UINT64_MAX, &parts.life))
		return "a life that is no number of milliseconds";
	if (items > 3 && !cbor_version(&c, &parts.version))
		return "a version that is no [number, counter]";
	return dump_keep(&parts, op, version);
}

static void dump_write_cbor(FILE *out, const struct page_entry *e)
{
	struct wire w = {.size = page_entry_size(e) + 1}; /* the version is an array here */

	w.p = xmalloc(w.size);
	wire_put_array(&w, 4);
	wire_put_key(&w, &e->key);
	wire_put_bytes(&w, e->value, e->value_len);
	wire_put_uint(&w, e->life);
	wire_put_array(&w, 2);
	wire_put_uint(&w, e->version.number);
	wire_put_uint(&w, e->version.counter);
	fwrite(w.p, 1, w.used, out);
	free(w.p);
}

/* ---- both ---- */

static const struct dump_format formats[] = {
	{"json", "line", lines_next, dump_read_json, dump_write_json},
	{"cbor", "record", dump_next_cbor, dump_read_cbor, dump_write_cbor},
};

const struct dump_format *dump_format_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
