/* REQUESTs and ANSWERs of strangers: within every bound, and what was understood is written and understood the same
 * again, and from then on in the same bytes. */
#include "../unit/operations.h"
#include "fence.h"
#include "fuzz.h"

static void same_bytes(uint8_t *bytes, size_t len, uint8_t *again, size_t again_len)
{
	FUZZ_CHECK(len == again_len && memcmp(bytes, again, len) == 0);
	free(again);
	free(bytes);
}

static void check_request(const struct operation_request *r, const uint8_t *input, size_t size)
{
	static struct operation_room room;
	struct operation_request back;
	size_t len, again_len, bound = OPERATION_FRAME_MAX;
	uint8_t *bytes, *again;

	FUZZ_CHECK(frame_type_of(input, size) == FRAME_REQUEST);
	FUZZ_CHECK(operations_request_out_of_bounds(r, input, size) == NULL);
	bytes = operation_encode_request(r, &len);
	FUZZ_CHECK(operation_decode_request(&back, &room, bytes, len) == NULL);
	FUZZ_CHECK(operations_request_difference(r, &back) == NULL);
	for (size_t i = 0; i < r->count; i++)
		bound += operation_size(&r->operations[i]);
	FUZZ_CHECK(len <= bound);
	again = operation_encode_request(&back, &again_len);
	same_bytes(bytes, len, again, again_len);
}

static void check_answer(const struct operation_answer *a, const uint8_t *input, size_t size)
{
	static struct operation_room room;
	struct operation_answer back;
	size_t len, again_len, bound = OPERATION_FRAME_MAX;
	uint8_t *bytes, *again;

	FUZZ_CHECK(frame_type_of(input, size) == FRAME_ANSWER);
	FUZZ_CHECK(operations_answer_out_of_bounds(a, input, size) == NULL);
	bytes = operation_encode_answer(a, &len);
	FUZZ_CHECK(operation_decode_answer(&back, &room, bytes, len) == NULL);
	FUZZ_CHECK(operations_answer_difference(a, &back) == NULL);
	for (size_t i = 0; i < a->count; i++)
		bound += operation_result_size(&a->results[i]);
	FUZZ_CHECK(len <= bound);
	again = operation_encode_answer(&back, &again_len);
	same_bytes(bytes, len, again, again_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct operation_room room;
	const uint8_t *input = fence_input(data, size);
	struct operation_request r;
	struct operation_answer a;

	if (!input)
		return 0;
	if (!operation_decode_request(&r, &room, input, size))
		check_request(&r, input, size);
	if (!operation_decode_answer(&a, &room, input, size))
		check_answer(&a, input, size);
	return 0;
}
