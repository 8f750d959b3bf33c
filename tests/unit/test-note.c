/* What can be said: each kind has a name, an id of its own, and words for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../common/note.h"

static void every_kind_is_told_apart(void **state)
{
	(void)state;
	for (int i = 0; i < NOTE_COUNT; i++) {
		const struct note_row *row = &note_rows[i];

		assert_non_null(row->name);
		assert_true(strlen(row->name) > 0 &&
			    strspn(row->name, "abcdefghijklmnopqrstuvwxyz-") == strlen(row->name));
		assert_int_equal(strlen(row->id), 32);
		assert_int_equal(strspn(row->id, "0123456789abcdef"), 32);
		assert_true(row->level == 3 || row->level == 4 || row->level == 6 || row->level == 7);
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(row->name, note_rows[j].name);
			assert_string_not_equal(row->id, note_rows[j].id);
		}
	}
}

static void a_kind_is_found_by_its_id(void **state)
{
	(void)state;
	assert_ptr_equal(note_find(note_rows[NOTE_MANAGER].id), &note_rows[NOTE_MANAGER]);
	assert_null(note_find(""));
	assert_null(note_find("2c29fa0874b34ae191be76573aa61ea9"));
}

static void are_sentences(const char *text)
{
	assert_true(strlen(text) >= 8);
	assert_true(text[strlen(text) - 1] == '.' || text[strlen(text) - 1] == '?');
	assert_null(strchr(text, '\n'));
	/* what stands between two '@' is a field */
	for (const char *at = text; (at = strchr(at, '@')) != NULL; at = strchr(at + 1, '@') + 1)
		assert_true(!strncmp(at, "@DHT_PEER@", 10) || !strncmp(at, "@DHT_ARC@", 9) ||
			    !strncmp(at, "@DHT_EPOCH@", 11) || !strncmp(at, "@DHT_REASON@", 12) ||
			    !strncmp(at, "@DHT_ID@", 8));
}

static void every_kind_is_explained(void **state)
{
	(void)state;
	for (int i = 0; i < NOTE_COUNT; i++) {
		are_sentences(note_rows[i].means);
		are_sentences(note_rows[i].advice);
	}
}

static void what_the_texts_name_has_to_be_there(void **state)
{
	(void)state;
	assert_true(note_complete(NOTE_LEFT, ABOUT(OF_EPOCH(0))));
	assert_false(note_complete(NOTE_NODE_LOST, ABOUT(OF_REASON("why"))));
	assert_true(note_complete(NOTE_NODE_LOST, ABOUT(OF_PEER(7))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_told_apart),
		cmocka_unit_test(a_kind_is_found_by_its_id),
		cmocka_unit_test(every_kind_is_explained),
		cmocka_unit_test(what_the_texts_name_has_to_be_there),
	};

	return cmocka_run_group_tests_name("note", tests, NULL, NULL);
}
