/* Topics, prefixes and connection names: `prefix NUL topic`.  What is taken is exactly what we would have written. */
#include "../../common/peer.h"
#include "../../common/text.h"
#include "../../common/topic.h"
#include "fuzz.h"

static void check_topic(const char *topic, const char *prefix)
{
	char again[TOPIC_MAX];
	uint32_t id = 0;
	enum topic_kind kind = topic_parse(topic, prefix, &id);
	struct cell cell = {0, 0};

	FUZZ_CHECK(topic_is_reply(topic, prefix) == (kind == TOPIC_REPLY));
	if (topic_parse_cell_filter(topic, prefix, &cell)) {
		topic_format_cell_filter(again, prefix, cell);
		FUZZ_CHECK(strcmp(topic, again) == 0);
	}
	FUZZ_CHECK((kind == TOPIC_CELL) == (cell.depth == CELL_DIGITS));
	if (kind == TOPIC_UNKNOWN)
		return;
	FUZZ_CHECK(strlen(topic) < TOPIC_MAX);
	topic_format(again, prefix, kind, id, kind == TOPIC_REPLY ? topic + strlen(prefix) + (*prefix ? 4 : 3) : "");
	FUZZ_CHECK(strcmp(topic, again) == 0);
}

/* The same, with who has said it. */
static void check_user(const char *topic, const char *prefix)
{
	char again[TOPIC_MAX], user[TOPIC_USER_MAX + 1];
	uint32_t id = 0, plain = 0;
	enum topic_kind kind = topic_parse_from(topic, prefix, &id, user);

	if (!user[0]) {
		FUZZ_CHECK(kind == topic_parse(topic, prefix, &plain) && plain == id);
		return;
	}
	FUZZ_CHECK(topic_user_valid(user) && (kind == TOPIC_ASK || kind == TOPIC_CELL));
	FUZZ_CHECK(topic_parse(topic, prefix, &plain) == TOPIC_UNKNOWN);
	topic_format(again, prefix, kind, id, NULL);
	topic_add_user(again, kind, user);
	FUZZ_CHECK(strcmp(topic, again) == 0);
}

static void check_prefix(const char *prefix)
{
	for (int kind = TOPIC_UNKNOWN + 1; kind < TOPIC_KINDS; kind++) {
		char topic[TOPIC_MAX];
		uint32_t id = 0x89abcdef;

		topic_format(topic, prefix, (enum topic_kind)kind, id, "d0123456789abcdef000001");
		FUZZ_CHECK(topic_parse(topic, prefix, &id) == (enum topic_kind)kind);
		FUZZ_CHECK(id == (kind == TOPIC_CELL ? 0x89ab0000 : 0x89abcdef));
		FUZZ_CHECK(text_is_clean((const uint8_t *)topic, strlen(topic)) && !strpbrk(topic, "+#"));
	}
}

static void check_conn(const char *text)
{
	char again[CONN_TEXT];
	struct conn c;

	if (!conn_parse(text, &c))
		return;
	FUZZ_CHECK(c.count > 0 && c.count < CONN_COUNT_MAX);
	conn_format(&c, again);
	FUZZ_CHECK(strcmp(text, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *prefix = fuzz_text(data, size);
	size_t len = strlen(prefix);
	char *topic = len < size ? fuzz_text(data + len + 1, size - len - 1) : NULL;
	bool valid = topic_prefix_valid(prefix);

	check_topic(prefix, "");
	check_user(prefix, "");
	check_conn(prefix);
	if (valid)
		check_prefix(prefix);
	if (valid && topic) {
		check_topic(topic, prefix);
		check_user(topic, prefix);
	}
	if (text_is_clean(data, size))
		FUZZ_CHECK(len == size);
	free(topic);
	free(prefix);
	return 0;
}
