/* REQUESTs and ANSWERs that are nearly whole: cut off, or with some bytes changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mutate.h"
#include "operation-check.h"

/* One of either type, of `most` operations or answers at most.  The caller frees. */
static uint8_t *random_frame(struct random *r, bool answers, size_t most, const uint8_t *pool, size_t *len)
{
	static struct operation_room room;
	struct operation_request request;
	struct operation_answer answer;

	if (answers) {
		answer = operations_answer(r, &room, pool);
		answer.count = answer.count > most ? most : answer.count;
		return operation_encode_answer(&answer, len);
	}
	request = operations_request(r, &room, pool);
	request.count = request.count > most ? most : request.count;
	return operation_encode_request(&request, len);
}

static void every_truncation(void **state)
{
	struct random r = random_new();
	uint8_t *pool = operations_pool(&r);

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t len;
		uint8_t *bytes = random_frame(&r, i % 2, 4, pool, &len);

		/* a name of 65,536 bytes takes as long as all others */
		for (size_t n = 0; n < len && len < 4000; n++) {
			const char *error = (i % 2 ? decode_answer : decode_request)(bytes, n);

			if (!error)
				fail_msg("%zu bytes of %zu were taken", n, len);
			assert_string_equal(error, "truncated");
		}
		free(bytes);
	}
	free(pool);
}

static void mutations(void **state)
{
	struct random r = random_new();
	uint8_t *pool = operations_pool(&r);
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len;
		uint8_t *bytes = random_frame(&r, i % 2, 8, pool, &len);

		bytes = realloc(bytes, len + 64);
		assert_non_null(bytes);
		memset(bytes + len, 0, 64);
		len = mutate(&r, bytes, len);
		taken += !(i % 2 ? decode_answer : decode_request)(bytes, len);
		free(bytes);
	}
	/* neither all nor none: else this says nothing */
	assert_in_range(taken, 1000, 19000);
	free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests_name("operation-broken", tests, NULL, NULL);
}
