#include "version-text.h"

#include <string.h>

static bool take_number(const uint8_t *text, size_t len, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(text[i] - '0'), number))
			return false;
	}
	return len > 0;
}

bool version_text_parse(const uint8_t *text, size_t len, struct version *version)
{
	const uint8_t *slash = len > 0 ? memchr(text, '/', len) : NULL;
	size_t before;

	if (slash == NULL)
		return false;
	before = (size_t)(slash - text);
	return take_number(text, before, &version->number) &&
	       take_number(slash + 1, len - before - 1, &version->counter);
}
