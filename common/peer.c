#include "peer.h"

#include "mem.h"
#include "text.h"

enum { NONCE_DIGITS = 16, COUNT_DIGITS = 6 };
_Static_assert(1 + NONCE_DIGITS + COUNT_DIGITS + 1 == CONN_TEXT, "a connection's text");

void conn_format(const struct conn *c, char text[CONN_TEXT])
{
	struct text t = text_in(text, CONN_TEXT);

	/* A counter that does not fit would name somebody else's connection, and fences go by this name. */
	if (c->count >= CONN_COUNT_MAX)
		mem_die("connection counter exhausted");
	text_add_char(&t, 'd');
	text_add_hex(&t, c->nonce, NONCE_DIGITS);
	text_add_hex(&t, c->count, COUNT_DIGITS);
}

/* Exactly `digits` lower-case hex digits. */
static bool hex_parse(const char *text, int digits, uint64_t *value)
{
	uint64_t v = 0;

	for (int i = 0; i < digits; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			v = v << 4 | (uint64_t)(text[i] - '0');
		else if (text[i] >= 'a' && text[i] <= 'f')
			v = v << 4 | (uint64_t)(text[i] - 'a' + 10);
		else
			return false;
	}
	*value = v;
	return true;
}

bool conn_parse(const char *text, struct conn *c)
{
	uint64_t nonce, count;

	/* hex_parse stops at the text's end, which is no digit. */
	if (text[0] != 'd' || !hex_parse(text + 1, NONCE_DIGITS, &nonce) ||
	    !hex_parse(text + 1 + NONCE_DIGITS, COUNT_DIGITS, &count) || text[CONN_TEXT - 1] != '\0')
		return false;
	if (count == 0 || count >= CONN_COUNT_MAX)
		return false;
	*c = (struct conn){.nonce = nonce, .count = (uint32_t)count};
	return true;
}
