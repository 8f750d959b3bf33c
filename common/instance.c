#include "instance.h"

#include <string.h>

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

void instance_name(const char *instance, char *out, size_t size)
{
	size_t used = 0;

	for (const char *c = instance; *c && used + 1 < size; c++) {
		if (c[0] == '\\' && c[1] == 'x' && hex_digit(c[2]) >= 0 && hex_digit(c[3]) >= 0) {
			out[used++] = (char)(hex_digit(c[2]) << 4 | hex_digit(c[3]));
			c += 3;
		} else {
			out[used++] = *c;
		}
	}
	out[used] = '\0';
}
