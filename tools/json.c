#include "json.h"

#include <string.h>

#include "../common/text.h"

void json_init(struct json *j, uint8_t *line, size_t len)
{
	*j = (struct json){.p = line, .end = line + len};
}

static bool fail(struct json *j, const char *error)
{
	if (!j->error)
		j->error = error;
	return false;
}

static void skip_blanks(struct json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\r' || *j->p == '\n'))
		j->p++;
}

/* Steps over that character and the blanks around it. */
static bool take(struct json *j, uint8_t c)
{
	skip_blanks(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	skip_blanks(j);
	return true;
}

static bool take_hex(struct json *j, uint32_t *c)
{
	*c = 0;
	if (j->end - j->p < 4)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t digit = *j->p++;

		if (digit >= '0' && digit <= '9')
			*c = *c << 4 | (uint32_t)(digit - '0');
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			*c = *c << 4 | (uint32_t)((digit | 0x20) - 'a' + 10);
		else
			return false;
	}
	return true;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (uint8_t)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (uint8_t)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (uint8_t)(0xe0 | c >> 12);
		} else {
			*to++ = (uint8_t)(0xf0 | c >> 18);
			*to++ = (uint8_t)(0x80 | (c >> 12 & 63));
		}
		*to++ = (uint8_t)(0x80 | (c >> 6 & 63));
	}
	*to++ = (uint8_t)(0x80 | (c & 63));
	return to;
}

/* Behind \u; what lies beyond 0xffff is written as two of them. */
static bool take_unicode(struct json *j, uint8_t **to)
{
	uint32_t c, low;

	if (!take_hex(j, &c))
		return fail(j, "\\u without four hex digits");
	if (c >= 0xd800 && c < 0xe000) {
		if (c >= 0xdc00 || j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
			return fail(j, "half a surrogate pair");
		j->p += 2;
		if (!take_hex(j, &low) || low < 0xdc00 || low >= 0xe000)
			return fail(j, "half a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_utf8(*to, c);
	return true;
}

static bool take_escape(struct json *j, uint8_t **to)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (j->p == j->end)
		return fail(j, "a string without its end");
	if (*j->p == 'u') {
		j->p++;
		return take_unicode(j, to);
	}
	found = *j->p ? strchr(letters, *j->p) : NULL;
	if (!found)
		return fail(j, "a backslash that JSON does not know");
	j->p++;
	*(*to)++ = (uint8_t)bytes[found - letters];
	return true;
}

/* In place: no escape is shorter than what it stands for. */
static bool take_string(struct json *j, uint8_t **text, size_t *len)
{
	uint8_t *to;

	if (j->p == j->end || *j->p != '"')
		return fail(j, "no string where one has to be");
	to = *text = ++j->p;
	while (j->p < j->end && *j->p != '"') {
		size_t step = 1;

		if (*j->p == '\\') {
			j->p++;
			if (!take_escape(j, &to))
				return false;
			continue;
		}
		if (*j->p < 0x20)
			return fail(j, "a control character in a string");
		if (*j->p >= 0x80 && text_next(j->p, (size_t)(j->end - j->p), &step) < 0)
			return fail(j, "a string that is no UTF-8 (base64 holds any bytes)");
		while (step-- > 0)
			*to++ = *j->p++;
	}
	if (j->p == j->end)
		return fail(j, "a string without its end");
	j->p++;
	*len = (size_t)(to - *text);
	return true;
}

static bool take_word(struct json *j, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(j->end - j->p) < len || memcmp(j->p, word, len) != 0)
		return false;
	j->p += len;
	return true;
}

/* As far as its characters go; who wants a number looks at them. */
static bool take_number(struct json *j, struct json_field *f)
{
	f->kind = JSON_NUMBER;
	f->text = j->p;
	while (j->p < j->end && *j->p && strchr("+-.0123456789eE", *j->p))
		j->p++;
	f->len = (size_t)(j->p - f->text);
	return f->len > 0 || fail(j, "no value that JSON knows");
}

static bool take_value(struct json *j, struct json_field *f)
{
	if (j->p == j->end)
		return fail(j, "an object without its end");
	if (*j->p == '{' || *j->p == '[')
		return fail(j, "an object or array within the object");
	f->kind = JSON_STRING;
	if (*j->p == '"')
		return take_string(j, &f->text, &f->len);
	f->text = j->p;
	f->len = 0;
	if (take_word(j, "null"))
		f->kind = JSON_NULL;
	else if (take_word(j, "true"))
		f->kind = JSON_TRUE;
	else if (take_word(j, "false"))
		f->kind = JSON_FALSE;
	else
		return take_number(j, f);
	return true;
}

/* Is there one more? */
static bool more(struct json *j)
{
	bool first = !j->begun;

	if (first && !take(j, '{'))
		return fail(j, "no JSON object");
	j->begun = true;
	if (take(j, '}')) {
		j->over = true;
		return j->p == j->end ? false : fail(j, "something behind the object");
	}
	return first || take(j, ',') ||
	       fail(j, j->p == j->end ? "an object without its end" : "no comma between fields");
}

bool json_next(struct json *j, struct json_field *f)
{
	uint8_t *name;

	*f = (struct json_field){.kind = JSON_NULL};
	if (j->over || j->error || !more(j) || !take_string(j, &name, &f->name_len))
		return false;
	f->name = name;
	return (take(j, ':') || fail(j, "no colon behind a field's name")) && take_value(j, f);
}

bool json_is(const struct json_field *f, const char *name)
{
	return f->name_len == strlen(name) && memcmp(f->name, name, f->name_len) == 0;
}

bool json_uint(const struct json_field *f, uint64_t most, uint64_t *number)
{
	*number = 0;
	if (f->kind != JSON_NUMBER || (f->len > 1 && f->text[0] == '0'))
		return false;
	for (size_t i = 0; i < f->len; i++)
		if (f->text[i] < '0' || f->text[i] > '9' || __builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(f->text[i] - '0'), number))
			return false;
	return *number <= most;
}

static int digit_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool json_base64(struct json_field *f)
{
	size_t len = f->len, padding = 0, used = 0;
	uint32_t bits = 0;

	if (f->kind != JSON_STRING || len % 4 != 0)
		return false;
	while (padding < 2 && len > 0 && f->text[len - 1] == '=') {
		len--;
		padding++;
	}
	for (size_t i = 0; i < len; i++) {
		int digit = digit_of(f->text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 0)
			f->text[used++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* What is left over of the last digit has to be nothing. */
	if (padding && bits & (padding == 1 ? 3 : 15))
		return false;
	f->len = used;
	return true;
}
