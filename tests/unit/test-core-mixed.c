/* Clients of ours beside a scripted node of the reference: what is answered stays true, whoever joins and leaves. */
#include "core-theirs.h"
#include "routed-fixture.h"

/* Theirs has asked twice, and our word is published but not back: the arc is shrunk, and an add is heard ahead of that place.
 * It is nobody's of ours, and nothing is executed without a view. */
static void a_write_amid_an_admission(void **state)
{
	for (unsigned ask = 0; ask < 2; ask++) {
		struct core *c = core_new();
		int n = ours_alone(c);
		struct operation_token token = routed_token(c, IN_THEIRS);
		struct told t;

		(void)state;
		they_ask(c);
		routed_ask(c, ask ? routed_inbox(OURS) : routed_cell(IN_THEIRS), 1, token, routed_add(IN_THEIRS + 50));
		core_run(c, 50);
		assert_int_equal(said(c, 0, n, "ack-join", "3000000000/1000000000/sucessor"), 1);
		t = routed_told(c, 1);
		assert_int_equal(t.count, 0);
		assert_int_equal(t.moved, ask);
		/* Behind that place it is held, and nobody's once they are in. */
		routed_ask(c, ask ? routed_inbox(OURS) : routed_cell(IN_THEIRS), 2, token, routed_add(IN_THEIRS + 50));
		core_run(c, 50);
		assert_int_equal(routed_told(c, 2).moved, 0);
		they_confirm(c);
		they_acknowledge(c, 2);
		core_run(c, 500);
		t = routed_told(c, 2);
		assert_int_equal(t.count, 0);
		assert_int_equal(t.moved, ask);
		core_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_amid_an_admission),
	};

	return cmocka_run_group_tests_name("core-mixed", tests, NULL, NULL);
}
