/* Manual pages: text of any kind stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../common/roff.h"

static void expect(void (*write)(FILE *out, const char *text), const char *text, const char *page)
{
	char *made = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&made, &size);

	assert_non_null(out);
	write(out, text);
	fclose(out);
	assert_string_equal(made, page);
	free(made);
}

static void test_no_text_is_a_request(void **state)
{
	(void)state;
	expect(roff_text, ".so /etc/passwd", "\\&.so /etc/passwd\n");
	expect(roff_text, "'br", "\\&\\(aqbr\n");
	expect(roff_text, "--a \\t", "\\-\\-a \\et\n");
	expect(roff_section, "A \"B\"", ".SH \"A \\(dqB\\(dq\"\n");
}

static void test_paragraphs_and_lines_as_they_stand(void **state)
{
	(void)state;
	expect(roff_text, "\na\nb\n\nc\n", "a\nb\n.PP\nc\n");
	expect(roff_text, "a\n  b\n  c\n\nd", "a\n.PP\n.EX\n  b\n  c\n.EE\n.PP\nd\n");
	expect(roff_text, "a\n\n  b", "a\n.PP\n.EX\n  b\n.EE\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_text_is_a_request),
		cmocka_unit_test(test_paragraphs_and_lines_as_they_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
