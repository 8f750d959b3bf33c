#include "reference.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "text.h"

/* A piece of a payload. */
struct span {
	const uint8_t *p;
	size_t len;
};

/* Cuts *rest at its first separator: what stands before it becomes *field, what follows stays.  False if there is
 * none; *field is then the whole and *rest unchanged. */
static bool span_cut(struct span *rest, char separator, struct span *field)
{
	const uint8_t *at = rest->len ? memchr(rest->p, separator, rest->len) : NULL;

	*field = *rest;
	if (!at)
		return false;
	field->len = (size_t)(at - rest->p);
	rest->len -= field->len + 1;
	rest->p = at + 1;
	return true;
}

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

enum { NUMBER_DIGITS = 10 };

static const char *number_parse(struct span s, uint32_t *number)
{
	uint64_t v = 0;

	if (s.len == 0)
		return "a number is missing";
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return "not a decimal number";
		if (i >= NUMBER_DIGITS)
			return "a number of more than 10 digits";
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > UINT32_MAX)
		return "a number above 4294967295";
	*number = (uint32_t)v;
	return NULL;
}

/* One of the two neighbours in a `leave`. */
static const char *neighbour_parse(struct span s, uint32_t *number, bool *there)
{
	*number = 0;
	*there = !span_is(s, "None");
	return *there ? number_parse(s, number) : NULL;
}

/* A name that goes out again in an `ack-put`, where each of these would kill every client of the reference: a slash
 * and a space by its split, bytes that are not UTF-8 by its decoding.  Control characters have no business in a
 * name. */
static const char *client_parse(struct span s)
{
	if (s.len > REFERENCE_CLIENT_MAX)
		return "a client name of more than 256 bytes";
	if (s.len && (memchr(s.p, ' ', s.len) || memchr(s.p, '/', s.len)))
		return "a space or slash in the client name";
	if (!text_is_clean(s.p, s.len))
		return "a client name that is no UTF-8 or has control characters";
	return NULL;
}

const char *reference_parse_id(const uint8_t *p, size_t len, uint32_t *id)
{
	return number_parse((struct span){p, len}, id);
}

const char *reference_parse_ack_join(const uint8_t *p, size_t len, struct reference_ack_join *out)
{
	struct span rest = {p, len}, src, dst;
	struct reference_ack_join a = {.side = REFERENCE_SUCCESSOR};
	const char *why;

	if (!span_cut(&rest, '/', &src) || !span_cut(&rest, '/', &dst))
		return "not <id>/<id>/<side>";
	if ((why = number_parse(src, &a.src)) || (why = number_parse(dst, &a.dst)))
		return why;
	if (span_is(rest, "antecessor"))
		a.side = REFERENCE_PREDECESSOR;
	else if (!span_is(rest, "sucessor"))
		return "neither sucessor nor antecessor";
	*out = a;
	return NULL;
}

const char *reference_parse_put(const uint8_t *p, size_t len, struct reference_put *out)
{
	struct span rest = {p, len}, head, client, key;
	uint32_t number;
	const char *why;

	if (!span_cut(&rest, ' ', &head))
		return "no space before the value";
	key = head;
	if (!span_cut(&key, '/', &client))
		return "no slash before the key";
	if ((why = client_parse(client)) || (why = number_parse(key, &number)))
		return why;
	*out = (struct reference_put){
		.client = client.p,
		.client_len = client.len,
		.key = number,
		.value = rest.p,
		.value_len = rest.len,
	};
	return NULL;
}

const char *reference_parse_leave(const uint8_t *p, size_t len, struct reference_leave *out)
{
	struct span rest = {p, len}, id, successor;
	struct reference_leave l;
	const char *why;

	if (!span_cut(&rest, '/', &id) || !span_cut(&rest, '/', &successor))
		return "not <id>/<successor>/<predecessor>";
	if ((why = number_parse(id, &l.id)) || (why = neighbour_parse(successor, &l.successor, &l.has_successor)) ||
	    (why = neighbour_parse(rest, &l.predecessor, &l.has_predecessor)))
		return why;
	*out = l;
	return NULL;
}

const char *reference_parse_ack_leave(const uint8_t *p, size_t len, uint32_t *leaver, uint32_t *acker)
{
	struct span rest = {p, len}, first;
	uint32_t a, b;
	const char *why;

	if (!span_cut(&rest, '/', &first))
		return "not <leaver>/<acker>";
	if ((why = number_parse(first, &a)) || (why = number_parse(rest, &b)))
		return why;
	*leaver = a;
	*acker = b;
	return NULL;
}

const char *reference_parse_ack_put(const uint8_t *p, size_t len, const uint8_t **client, size_t *client_len,
				    uint32_t *node)
{
	struct span rest = {p, len}, first;
	uint32_t id;
	const char *why;

	if (!span_cut(&rest, '/', &first))
		return "not <client>/<node>";
	if ((why = client_parse(first)) || (why = number_parse(rest, &id)))
		return why;
	*client = first.p;
	*client_len = first.len;
	*node = id;
	return NULL;
}

const char *reference_parse_res_get(const uint8_t *p, size_t len, uint32_t *key, const uint8_t **value,
				    size_t *value_len)
{
	struct span rest = {p, len}, first;
	const char *why;

	if (!span_cut(&rest, '/', &first))
		return "not <key>/<value>";
	why = number_parse(first, key);
	if (why)
		return why;
	*value = rest.p;
	*value_len = rest.len;
	return NULL;
}

size_t reference_format_id(char *out, size_t size, uint32_t id)
{
	struct text t = text_in(out, size);

	text_add_decimal(&t, id);
	return text_length(&t);
}

/* Two numbers with a slash between them. */
static struct text two_numbers(char *out, size_t size, uint32_t first, uint32_t second)
{
	struct text t = text_in(out, size);

	text_add_decimal(&t, first);
	text_add_char(&t, '/');
	text_add_decimal(&t, second);
	return t;
}

size_t reference_format_ack_join(char *out, size_t size, const struct reference_ack_join *a)
{
	struct text t = two_numbers(out, size, a->src, a->dst);

	text_add_string(&t, a->side == REFERENCE_SUCCESSOR ? "/sucessor" : "/antecessor");
	return text_length(&t);
}

size_t reference_format_ack_put(char *out, size_t size, const uint8_t *client, size_t client_len, uint32_t node)
{
	struct text t = text_in(out, size);

	if (client_len > REFERENCE_CLIENT_MAX)
		mem_die("a client name too long");
	text_add(&t, client, client_len);
	text_add_char(&t, '/');
	text_add_decimal(&t, node);
	return text_length(&t);
}

/* One of the two neighbours in a `leave`. */
static void neighbour_add(struct text *t, uint32_t number, bool there)
{
	text_add_char(t, '/');
	if (there)
		text_add_decimal(t, number);
	else
		text_add_string(t, "None");
}

size_t reference_format_leave(char *out, size_t size, const struct reference_leave *l)
{
	struct text t = text_in(out, size);

	text_add_decimal(&t, l->id);
	neighbour_add(&t, l->successor, l->has_successor);
	neighbour_add(&t, l->predecessor, l->has_predecessor);
	return text_length(&t);
}

size_t reference_format_ack_leave(char *out, size_t size, uint32_t leaver, uint32_t acker)
{
	struct text t = two_numbers(out, size, leaver, acker);

	return text_length(&t);
}

/* head and value, one behind the other. */
static uint8_t *with_value(const char *head, size_t head_len, const uint8_t *value, size_t value_len, size_t *len)
{
	uint8_t *p = xmalloc(head_len + value_len);

	memcpy(p, head, head_len);
	if (value_len)
		memcpy(p + head_len, value, value_len);
	*len = head_len + value_len;
	return p;
}

uint8_t *reference_format_put(const uint8_t *client, size_t client_len, uint32_t key, const uint8_t *value,
			      size_t value_len, size_t *len)
{
	char head[REFERENCE_TEXT_MAX];
	size_t n = reference_format_ack_put(head, sizeof(head), client, client_len, key); /* <client>/<number> too */

	head[n++] = ' ';
	return with_value(head, n, value, value_len, len);
}

uint8_t *reference_format_res_get(uint32_t key, const uint8_t *value, size_t value_len, size_t *len)
{
	char head[NUMBER_DIGITS + 2];
	size_t n = reference_format_id(head, sizeof(head), key);

	head[n++] = '/';
	return with_value(head, n, value, value_len, len);
}

char *reference_escape(char *out, size_t size, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t most = size >= 8 ? size / 4 - 1 : 0; /* a byte takes up to 4, the mark and the NUL the last 4 */
	char *to = out;

	if (size < 4) {
		if (size)
			out[0] = '\0';
		return out;
	}
	for (size_t i = 0; i < len && i < most; i++) {
		if (p[i] >= 0x20 && p[i] < 0x7f) {
			*to++ = (char)p[i];
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = digits[p[i] >> 4];
			*to++ = digits[p[i] & 15];
		}
	}
	(void)snprintf(to, size - (size_t)(to - out), "%s", len > most ? "..." : "");
	return out;
}
