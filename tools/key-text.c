#include "key-text.h"

#include <string.h>

#include "../common/text.h"
#include "lines.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool key_text_is_digits(const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;

	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (p == end)
		return false;
	while (p < end && is_digit(*p))
		p++;
	return p == end;
}

static bool parse_number(const uint8_t *p, size_t len, uint32_t *id)
{
	uint64_t value = 0;

	if (len > 1 && p[0] == '0') /* 01234 and 1234 would be one key, which nobody means by it */
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(p[i]))
			return false;
		value = value * 10 + (uint64_t)(p[i] - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*id = (uint32_t)value;
	return len > 0;
}

const char *key_text_parse(const uint8_t *text, size_t len, bool named, struct key *key)
{
	uint32_t id;

	if (len == 0)
		return "a key must not be empty";
	if (!named && parse_number(text, len, &id)) {
		*key = key_number(id);
		return NULL;
	}
	if (!named && key_text_is_digits(text, len))
		return "a number is a decimal from 0 to 4294967295, no zero ahead; for a name that looks like one give "
		       "--name";
	if (len > KEY_NAME_MAX)
		return "a name has at most 65536 bytes";
	*key = key_named(text, len);
	return NULL;
}

const char *key_text_parse_field(uint8_t *text, size_t len, bool named, struct key *key)
{
	const char *wrong;

	if (!key_text_is_digits(text, len)) {
		wrong = lines_unescape(text, &len);
		if (wrong != NULL)
			return wrong;
		named = true;
	}
	return key_text_parse(text, len, named, key);
}

const char *key_text_quote(const uint8_t *text, size_t len, char out[KEY_LABEL_MAX])
{
	size_t used = 0;

	while (used < len && used < 40) { /* whole characters */
		size_t step = 1;

		(void)text_next(text + used, len - used, &step);
		used += step;
	}
	/* A NUL would end the line. */
	if (memchr(text, '\0', used))
		snprintf(out, KEY_LABEL_MAX, "of %zu bytes with a NUL", len);
	else
		snprintf(out, KEY_LABEL_MAX, "'%.*s%s'", (int)used, (const char *)text, used < len ? "..." : "");
	return out;
}

const char *key_text_label(const struct key *key, char out[KEY_LABEL_MAX])
{
	if (key->name_len > 0)
		return key_text_quote(key->name, key->name_len, out);
	snprintf(out, KEY_LABEL_MAX, "%u", key->id);
	return out;
}
