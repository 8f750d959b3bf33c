#include "text.h"

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
