/* The reference's payloads: every parser over the same bytes; what is taken is written, and read the same again. */
#include <stdbool.h>

#include "../../common/reference.h"
#include "fuzz.h"

static size_t slashes(const void *p, size_t len)
{
	const char *text = p;
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '/';
	return n;
}

static bool same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void check_ids(const uint8_t *p, size_t len)
{
	struct reference_ack_join join, join_again;
	char out[REFERENCE_TEXT_MAX];
	uint32_t a, b, a_again, b_again;
	size_t n;

	if (!reference_parse_id(p, len, &a)) {
		n = reference_format_id(out, sizeof(out), a);
		FUZZ_CHECK(n <= len && !reference_parse_id((uint8_t *)out, n, &a_again) && a_again == a);
	}
	if (!reference_parse_ack_join(p, len, &join)) {
		n = reference_format_ack_join(out, sizeof(out), &join);
		FUZZ_CHECK(n <= len && !reference_parse_ack_join((uint8_t *)out, n, &join_again));
		FUZZ_CHECK(join.src == join_again.src && join.dst == join_again.dst && join.side == join_again.side);
	}
	if (!reference_parse_ack_leave(p, len, &a, &b)) {
		n = reference_format_ack_leave(out, sizeof(out), a, b);
		FUZZ_CHECK(n <= len && !reference_parse_ack_leave((uint8_t *)out, n, &a_again, &b_again));
		FUZZ_CHECK(a == a_again && b == b_again);
	}
}

static void check_leave(const uint8_t *p, size_t len)
{
	struct reference_leave l, again;
	char out[REFERENCE_TEXT_MAX];
	size_t n;

	if (reference_parse_leave(p, len, &l))
		return;
	n = reference_format_leave(out, sizeof(out), &l);
	FUZZ_CHECK(n <= len && !reference_parse_leave((uint8_t *)out, n, &again));
	FUZZ_CHECK(l.id == again.id && l.successor == again.successor && l.predecessor == again.predecessor &&
		   l.has_successor == again.has_successor && l.has_predecessor == again.has_predecessor);
}

static void check_put(const uint8_t *p, size_t len)
{
	struct reference_put put, again;
	char out[REFERENCE_TEXT_MAX];
	uint8_t *text;
	size_t n;

	if (reference_parse_put(p, len, &put))
		return;
	FUZZ_CHECK(put.client_len <= REFERENCE_CLIENT_MAX && put.value + put.value_len == p + len);
	text = reference_format_put(put.client, put.client_len, put.key, put.value, put.value_len, &n);
	FUZZ_CHECK(n <= len && !reference_parse_put(text, n, &again));
	FUZZ_CHECK(put.key == again.key && same(put.client, put.client_len, again.client, again.client_len) &&
		   same(put.value, put.value_len, again.value, again.value_len));
	free(text);
	/* an acknowledgement with another number of slashes kills every client of the reference */
	n = reference_format_ack_put(out, sizeof(out), put.client, put.client_len, put.key);
	FUZZ_CHECK(n == strlen(out) && slashes(out, n) == 1);
}

static void check_answers(const uint8_t *p, size_t len)
{
	const uint8_t *part, *part_again;
	char out[REFERENCE_TEXT_MAX];
	uint32_t number, again;
	size_t part_len, again_len, n;
	uint8_t *text;

	if (!reference_parse_ack_put(p, len, &part, &part_len, &number)) {
		n = reference_format_ack_put(out, sizeof(out), part, part_len, number);
		FUZZ_CHECK(n <= len && !reference_parse_ack_put((uint8_t *)out, n, &part_again, &again_len, &again));
		FUZZ_CHECK(number == again && same(part, part_len, part_again, again_len));
	}
	if (!reference_parse_res_get(p, len, &number, &part, &part_len)) {
		text = reference_format_res_get(number, part, part_len, &n);
		FUZZ_CHECK(n <= len && slashes(text, n) == 1 + slashes(part, part_len));
		FUZZ_CHECK(!reference_parse_res_get(text, n, &again, &part_again, &again_len));
		FUZZ_CHECK(number == again && same(part, part_len, part_again, again_len));
		free(text);
	}
}

/* In every size that the input's first byte names. */
static void check_escape(const uint8_t *p, size_t len)
{
	size_t size = len ? p[0] : 0;
	char *out = malloc(size ? size : 1);

	if (!out)
		abort();
	FUZZ_CHECK(reference_escape(out, size, p, len) == out);
	if (size) {
		FUZZ_CHECK(memchr(out, '\0', size) != NULL);
		for (const char *c = out; *c; c++)
			FUZZ_CHECK(*c >= 0x20 && *c < 0x7f);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_ids(data, size);
	check_leave(data, size);
	check_put(data, size);
	check_answers(data, size);
	check_escape(data, size);
	return 0;
}
