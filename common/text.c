#include "text.h"

#include <string.h>

#include "mem.h"

int32_t text_next(const uint8_t *p, size_t len, size_t *used)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	int32_t c;

	if (n == 0 || n > len)
		return -1;
	c = n == 1 ? p[0] : p[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	*used = n;
	return c;
}

bool text_is_clean(const uint8_t *p, size_t len)
{
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		int32_t c = text_next(p + i, len - i, &used);

		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return false;
	}
	return true;
}

struct text text_in(char *out, size_t size)
{
	out[0] = '\0';
	return (struct text){out, out, out + size - 1};
}

/* Where the next len bytes go, with a NUL behind them. */
static char *advance(struct text *t, size_t len)
{
	char *at = t->to;

	if (len > (size_t)(t->end - t->to))
		mem_die("a text too long");
	t->to += len;
	*t->to = '\0';
	return at;
}

void text_add(struct text *t, const void *p, size_t len)
{
	char *at = advance(t, len);

	if (len)
		memcpy(at, p, len);
}

void text_add_string(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

void text_add_char(struct text *t, char c)
{
	*advance(t, 1) = c;
}

void text_add_hex(struct text *t, uint64_t n, size_t digits)
{
	char *at = advance(t, digits);

	for (; digits > 0; n >>= 4)
		at[--digits] = "0123456789abcdef"[n & 15];
}

void text_add_decimal(struct text *t, uint32_t n)
{
	char digits[10]; /* of 2^32 - 1 */
	size_t first = sizeof(digits);

	do
		digits[--first] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	text_add(t, digits + first, sizeof(digits) - first);
}

size_t text_length(const struct text *t)
{
	return (size_t)(t->to - t->start);
}
