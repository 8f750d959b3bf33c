/* What a node says: an entry with its fields to a journal, else the same text as a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/teller.h"

/* A journal that keeps the last entry, its fields each on a line. */
static char entry[8192];
static unsigned entries;
static int answer;

static int take_entry(const struct iovec *fields, int count)
{
	size_t used = 0;

	entry[0] = '\0';
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(entry + used, sizeof(entry) - used, "%.*s\n", (int)fields[i].iov_len,
					 (const char *)fields[i].iov_base);
	entries++;
	return answer;
}

static bool has(const char *field)
{
	char line[600];

	snprintf(line, sizeof(line), "%s\n", field);
	for (const char *at = entry; (at = strstr(at, line)) != NULL; at++)
		if (at == entry || at[-1] == '\n')
			return true;
	return false;
}

struct world {
	struct log log;
	struct libsystemd systemd;
	struct teller teller;
	char text[8192];
};

static const char *lines(struct world *w)
{
	ssize_t len = pread(w->log.fd, w->text, sizeof(w->text) - 1, 0);

	assert_true(len >= 0);
	w->text[len] = '\0';
	return w->text;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[] = "/tmp/test-teller-XXXXXX";

	assert_non_null(w);
	w->log = (struct log){.level = LOG_INFO_LEVEL, .prefixed = true, .fd = mkstemp(path)};
	assert_true(w->log.fd >= 0);
	unlink(path);
	w->systemd.journal_sendv = take_entry;
	teller_init(&w->teller, &w->log, NULL);
	teller_name(&w->teller, "kitchen", 0x3fa01234);
	entries = 0;
	answer = 0;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->log.fd);
	free(w);
	return 0;
}

static void an_entry_has_all_its_fields(void **state)
{
	struct world *w = *state;
	char id[64];

	w->teller.journal = &w->systemd;
	w->teller.state = NODE_ACTIVE;
	tell(&w->teller, NOTE_VIEW,
	     ABOUT(OF_PEER(7), OF_ARC(((struct arc){1, 0xffffffff})), OF_EPOCH(0x1f), OF_REASON("a\nb")), "view of %s",
	     "it");
	assert_true(has("MESSAGE=kitchen: view of it") && has("PRIORITY=6"));
	snprintf(id, sizeof(id), "MESSAGE_ID=%s", note_rows[NOTE_VIEW].id);
	assert_true(has(id));
	assert_true(has("DHT_NODE=kitchen") && has("DHT_ID=3fa01234") && has("DHT_STATE=active"));
	assert_true(has("DHT_PEER=00000007") && has("DHT_ARC=(00000001, ffffffff]") && has("DHT_EPOCH=1f"));
	assert_true(has("DHT_REASON=a\nb")); /* its length is told: no field can be forged */
	assert_string_equal(lines(w), "");
	tell(&w->teller, NOTE_LEFT, NULL, "left");
	assert_true(has("MESSAGE=kitchen: left") && !strstr(entry, "DHT_PEER") && !strstr(entry, "DHT_ARC"));
	assert_true(!strstr(entry, "DHT_EPOCH") && !strstr(entry, "DHT_REASON"));
}

static void elsewhere_it_is_the_same_text(void **state)
{
	struct world *w = *state;

	tell(&w->teller, NOTE_NODE_LOST, ABOUT(OF_PEER(7)), "node %08x: gone", 7);
	assert_string_equal(lines(w), "<4>kitchen: node 00000007: gone\n");
	assert_int_equal(entries, 0);
	teller_name(&w->teller, "", 42);
	tell(&w->teller, NOTE_LEFT, NULL, "left");
	assert_non_null(strstr(lines(w), "<6>42: left\n"));
}

static void a_journal_that_takes_nothing(void **state)
{
	struct world *w = *state;

	w->teller.journal = &w->systemd;
	answer = -5;
	tell(&w->teller, NOTE_LEFT, NULL, "left");
	assert_int_equal(entries, 1);
	assert_string_equal(lines(w), "<6>kitchen: left\n");
}

static void control_bytes_and_long_texts(void **state)
{
	struct world *w = *state;
	char longest[3000];

	w->teller.journal = &w->systemd;
	tell(&w->teller, NOTE_LEFT, NULL, "a\x1b[31mb\nMESSAGE=forged");
	assert_true(has("MESSAGE=kitchen: a\\x1b[31mb\\x0aMESSAGE=forged"));
	memset(longest, '\n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	tell(&w->teller, NOTE_LEFT, ABOUT(OF_REASON(longest)), "%s", longest);
	assert_int_equal(entries, 2);
	assert_true(strlen(strchr(entry, '=')) > 4 * (LOG_TEXT_MAX - 9));
}

static void below_the_level_nothing_is_told(void **state)
{
	struct world *w = *state;

	w->teller.journal = &w->systemd;
	tell(&w->teller, NOTE_BROKER_AGAIN, NULL, "again");
	assert_int_equal(entries, 0);
	w->log.level = LOG_DEBUG_LEVEL;
	tell(&w->teller, NOTE_BROKER_AGAIN, NULL, "again");
	assert_int_equal(entries, 1);
	w->log.level = LOG_ERROR_LEVEL;
	tell(&w->teller, NOTE_NODE_LOST, ABOUT(OF_PEER(1)), "lost");
	assert_int_equal(entries, 1);
}

static void a_flood_is_counted(void **state)
{
	struct world *w = *state;

	w->teller.journal = &w->systemd;
	for (int i = 0; i < FLOOD_MAX + 5; i++)
		tell(&w->teller, NOTE_LEFT, NULL, "left");
	assert_int_equal(entries, FLOOD_MAX);
	assert_true(teller_next(&w->teller) != UINT64_MAX);
	teller_tick(&w->teller); /* not yet */
	assert_int_equal(entries, FLOOD_MAX);
	w->teller.flood.of[NOTE_LEFT].since -= FLOOD_WINDOW_MS;
	teller_tick(&w->teller);
	assert_int_equal(entries, FLOOD_MAX + 1);
	assert_true(has("MESSAGE=kitchen: 5 more entries of the kind 'left' were not written"));
}

static void the_last_event_is_no_state(void **state)
{
	struct world *w = *state;

	tell(&w->teller, NOTE_STATE, NULL, "joining -> active");
	assert_string_equal(w->teller.last, "");
	tell(&w->teller, NOTE_FOUNDED, NULL, "founded");
	tell(&w->teller, NOTE_STATE, NULL, "joining -> active");
	assert_string_equal(w->teller.last, "founded");
}

/* Inherited by who has another standard error, it says nothing. */
static void a_journal_is_known_by_its_stream(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(libsystemd_has_journal());
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(libsystemd_has_journal());
	stream[strlen(stream) - 1] = 'x';
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(libsystemd_has_journal());
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_false(libsystemd_has_journal());
	setenv("JOURNAL_STREAM", "", 1);
	assert_false(libsystemd_has_journal());
	unsetenv("JOURNAL_STREAM");
}

static void the_library_is_there(void **state)
{
	struct libsystemd systemd;

	(void)state;
	assert_true(libsystemd_load(&systemd));
	assert_non_null(systemd.notify);
	assert_non_null(systemd.watchdog_enabled);
	assert_non_null(systemd.journal_sendv);
	libsystemd_free(&systemd);
	assert_null(systemd.library);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_has_all_its_fields),      TEST(elsewhere_it_is_the_same_text),
		TEST(a_journal_that_takes_nothing),     TEST(control_bytes_and_long_texts),
		TEST(below_the_level_nothing_is_told),  TEST(a_flood_is_counted),
		TEST(the_last_event_is_no_state),       cmocka_unit_test(a_journal_is_known_by_its_stream),
		cmocka_unit_test(the_library_is_there),
	};

	return cmocka_run_group_tests_name("teller", tests, NULL, NULL);
}
