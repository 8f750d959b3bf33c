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
		int high = c[0] == '\\' && c[1] == 'x' ? hex_digit(c[2]) : -1;
		int low = high >= 0 ? hex_digit(c[3]) : -1;

		if (low >= 0)
			c += 3;
		out[used++] = low >= 0 ? (char)(high << 4 | low) : *c;
	}
	out[used] = '\0';
}
