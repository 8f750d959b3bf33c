#include "topic.h"

#include <string.h>

#include "mem.h"
#include "peer.h"
#include "text.h"

enum argument { ARGUMENT_NONE, ARGUMENT_ID, ARGUMENT_CLIENT, ARGUMENT_CELL };

#define NAME(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	size_t length;
	enum argument argument;
} topics[TOPIC_KINDS] = {
	[TOPIC_JOIN] = {NAME("join"), ARGUMENT_NONE},
	[TOPIC_HAS_STARTED] = {NAME("has_started"), ARGUMENT_NONE},
	[TOPIC_ACK_JOIN] = {NAME("ack-join"), ARGUMENT_NONE},
	[TOPIC_PUT] = {NAME("put"), ARGUMENT_NONE},
	[TOPIC_ACK_PUT] = {NAME("ack-put"), ARGUMENT_NONE},
	[TOPIC_GET] = {NAME("get"), ARGUMENT_NONE},
	[TOPIC_RES_GET] = {NAME("res-get"), ARGUMENT_NONE},
	[TOPIC_LEAVE] = {NAME("leave"), ARGUMENT_NONE},
	[TOPIC_ACK_LEAVE] = {NAME("ack-leave"), ARGUMENT_NONE},
	[TOPIC_RING] = {NAME("ring"), ARGUMENT_NONE},
	[TOPIC_FOUNDER] = {NAME("founder"), ARGUMENT_NONE},
	[TOPIC_INBOX] = {NAME("in"), ARGUMENT_ID},
	[TOPIC_CUT] = {NAME("cut"), ARGUMENT_ID},
	[TOPIC_NODE] = {NAME("node"), ARGUMENT_ID},
	[TOPIC_ASK] = {NAME("ask"), ARGUMENT_ID},
	[TOPIC_EVENT] = {NAME("ev"), ARGUMENT_ID},
	[TOPIC_REPLY] = {NAME("to"), ARGUMENT_CLIENT},
	[TOPIC_CELL] = {NAME("op"), ARGUMENT_CELL},
};

static bool is_portable(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

/* Length of what a user's name can be, from there on. */
static size_t user_length(const char *text)
{
	size_t n = 0;

	while (is_portable(text[n]) || (text[n] >= 'A' && text[n] <= 'Z'))
		n++;
	return n;
}

/* Length of the portable level that the text begins with. */
static size_t level_length(const char *text)
{
	size_t n = 0;

	while (is_portable(text[n]))
		n++;
	return n;
}

/* The prefix and the topic's name. */
static struct text begin(char out[TOPIC_MAX], const char *prefix, enum topic_kind kind)
{
	struct text t = text_in(out, TOPIC_MAX);

	if (prefix[0]) {
		text_add_string(&t, prefix);
		text_add_char(&t, '/');
	}
	text_add(&t, topics[kind].name, topics[kind].length);
	return t;
}

/* The first digits of a cell, each a level. */
static void add_digits(struct text *t, uint32_t digits, unsigned count)
{
	for (unsigned i = 1; i <= count; i++) {
		text_add_char(t, '/');
		text_add_hex(t, digits >> 4 * (CELL_DIGITS - i), 1);
	}
}

size_t topic_format(char out[TOPIC_MAX], const char *prefix, enum topic_kind kind, uint32_t id, const char *client)
{
	struct text t;

	if (kind <= TOPIC_UNKNOWN || kind >= TOPIC_KINDS)
		mem_die("a topic of no kind");
	t = begin(out, prefix, kind);
	switch (topics[kind].argument) {
	case ARGUMENT_NONE:
		break;
	case ARGUMENT_ID:
		text_add_char(&t, '/');
		text_add_hex(&t, id, 8);
		break;
	case ARGUMENT_CLIENT:
		text_add_char(&t, '/');
		text_add_string(&t, client);
		break;
	case ARGUMENT_CELL:
		add_digits(&t, id >> 16, CELL_DIGITS);
		break;
	}
	return text_length(&t);
}

size_t topic_format_cell_filter(char out[TOPIC_MAX], const char *prefix, struct cell cell)
{
	struct text t = begin(out, prefix, TOPIC_CELL);

	if (cell.depth > CELL_DIGITS)
		mem_die("a cell too deep");
	add_digits(&t, cell.digits, cell.depth);
	if (cell.depth < CELL_DIGITS)
		text_add_string(&t, "/#");
	return text_length(&t);
}

/* The value of a lower-case hex digit, -1 of anything else, the text's end included. */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly 8 of them. */
static bool id_parse(const char *text, uint32_t *id)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 8; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		v = v << 4 | (uint32_t)digit;
	}
	if (text[i] != '\0')
		return false;
	*id = v;
	return true;
}

/* A connection's text, or a client's digits. */
static bool client_valid(const char *text)
{
	size_t n = level_length(text);

	if (n == 0 || text[n] != '\0')
		return false;
	if (n < CONN_TEXT)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (hex_digit(text[i]) < 0)
			return false;
	}
	return n == TOPIC_CLIENT_DIGITS;
}

/* The same, behind a user's level or not. */
static bool reply_valid(const char *text)
{
	size_t n = user_length(text);

	if (text[n] == '/' && n > 0 && n <= TOPIC_USER_MAX)
		text += n + 1;
	return client_valid(text);
}

/* Digits, each a level, and `#` for those that are not said. */
static bool cell_parse(const char *text, struct cell *cell)
{
	struct cell c = {0, 0};

	for (; strcmp(text, "#") != 0; text += 2) {
		int digit = hex_digit(text[0]);

		if (digit < 0)
			return false;
		c.depth++;
		c.digits |= (uint16_t)(digit << 4 * (CELL_DIGITS - c.depth));
		if (c.depth == CELL_DIGITS) {
			if (text[1] != '\0')
				return false;
			break;
		}
		if (text[1] != '/')
			return false;
	}
	*cell = c;
	return true;
}

/* What follows the topic's name and its slash. */
static bool argument_parse(enum argument argument, const char *text, uint32_t *id)
{
	struct cell cell;

	if (argument == ARGUMENT_ID)
		return id_parse(text, id);
	if (argument == ARGUMENT_CLIENT)
		return reply_valid(text);
	if (!cell_parse(text, &cell) || cell.depth < CELL_DIGITS)
		return false;
	*id = (uint32_t)cell.digits << 16;
	return true;
}

/* The topic without the prefix; NULL if it stands under another. */
static const char *behind_prefix(const char *topic, const char *prefix)
{
	size_t n = strlen(prefix);

	if (n == 0)
		return topic;
	return strncmp(topic, prefix, n) == 0 && topic[n] == '/' ? topic + n + 1 : NULL;
}

enum topic_kind topic_parse(const char *topic, const char *prefix, uint32_t *id)
{
	size_t n;

	topic = behind_prefix(topic, prefix);
	if (!topic)
		return TOPIC_UNKNOWN;
	for (n = 0; topic[n] && topic[n] != '/';)
		n++;
	for (int kind = TOPIC_UNKNOWN + 1; kind < TOPIC_KINDS; kind++) {
		enum argument argument = topics[kind].argument;

		if (topics[kind].length != n || memcmp(topics[kind].name, topic, n) != 0)
			continue;
		if (argument == ARGUMENT_NONE ? topic[n] == '\0'
					      : topic[n] == '/' && argument_parse(argument, topic + n + 1, id))
			return (enum topic_kind)kind;
		return TOPIC_UNKNOWN;
	}
	return TOPIC_UNKNOWN;
}

enum topic_kind topic_parse_from(const char *topic, const char *prefix, uint32_t *id, char user[TOPIC_USER_MAX + 1])
{
	enum topic_kind kind = topic_parse(topic, prefix, id);
	const char *last = strrchr(topic, '/');
	char rest[TOPIC_MAX];
	uint32_t found = 0;

	user[0] = '\0';
	if (kind != TOPIC_UNKNOWN || !last || last - topic >= TOPIC_MAX || !topic_user_valid(last + 1))
		return kind;
	memcpy(rest, topic, (size_t)(last - topic));
	rest[last - topic] = '\0';
	kind = topic_parse(rest, prefix, &found);
	if (kind != TOPIC_ASK && kind != TOPIC_CELL)
		return TOPIC_UNKNOWN;
	*id = found;
	memcpy(user, last + 1, strlen(last + 1) + 1);
	return kind;
}

void topic_add_user(char topic[TOPIC_MAX], enum topic_kind kind, const char *user)
{
	size_t len = strlen(topic), user_len = strlen(user);
	char *at = topic + len;

	if (!user_len)
		return;
	if (len + user_len + 2 > TOPIC_MAX)
		mem_die("a topic too long");
	if (kind == TOPIC_REPLY) {
		at = strrchr(topic, '/'); /* ahead of the client */
		memmove(at + user_len + 1, at, strlen(at) + 1);
	} else {
		at[user_len + 1] = '\0';
	}
	at[0] = '/';
	memcpy(at + 1, user, user_len);
}

bool topic_user_valid(const char *user)
{
	size_t n = user_length(user);

	return n > 0 && n <= TOPIC_USER_MAX && user[n] == '\0';
}

bool topic_parse_cell_filter(const char *filter, const char *prefix, struct cell *cell)
{
	size_t n = topics[TOPIC_CELL].length;

	filter = behind_prefix(filter, prefix);
	return filter && strncmp(filter, topics[TOPIC_CELL].name, n) == 0 && filter[n] == '/' &&
	       cell_parse(filter + n + 1, cell);
}

bool topic_prefix_valid(const char *prefix)
{
	size_t n;

	if (prefix[0] == '\0')
		return true;
	if (strlen(prefix) > TOPIC_PREFIX_MAX)
		return false;
	for (;; prefix += n + 1) {
		n = level_length(prefix);
		if (n == 0)
			return false;
		if (prefix[n] == '\0')
			return true;
		if (prefix[n] != '/')
			return false;
	}
}

bool topic_is_reply(const char *topic, const char *prefix)
{
	uint32_t id;

	return topic_parse(topic, prefix, &id) == TOPIC_REPLY;
}
