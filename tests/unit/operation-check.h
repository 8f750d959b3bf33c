/* What the tests of operation.c share; to be included behind cmocka.h. */
#ifndef DHT_TEST_OPERATION_CHECK_H
#define DHT_TEST_OPERATION_CHECK_H

#include "operations.h"

static inline struct operation_room *operations_rooms(size_t count)
{
	struct operation_room *rooms = calloc(count, sizeof(*rooms));

	assert_non_null(rooms);
	return rooms;
}

/* Names and values of any bytes. */
static inline uint8_t *operations_pool(struct random *r)
{
	uint8_t *pool = malloc(OPERATIONS_POOL);

	assert_non_null(pool);
	for (size_t i = 0; i < OPERATIONS_POOL; i++)
		pool[i] = (uint8_t)random_next(r);
	return pool;
}

/* A copy that ends where its memory ends, so that a sanitizer sees a read behind it. */
static inline uint8_t *operations_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

static inline void assert_request_round_trip(const struct operation_request *r)
{
	struct operation_room *room = operations_rooms(1);
	struct operation_request back;
	size_t len, bound = OPERATION_FRAME_MAX;
	uint8_t *bytes = operation_encode_request(r, &len), *copy = operations_copy(bytes, len);
	const char *error = operation_decode_request(&back, room, copy, len), *difference;

	if (error)
		fail_msg("a request: %s", error);
	difference = operations_request_difference(r, &back);
	if (difference)
		fail_msg("a request: %s differs", difference);
	assert_null(operations_request_out_of_bounds(&back, copy, len));
	for (size_t i = 0; i < r->count; i++)
		bound += operation_size(&r->operations[i]);
	assert_in_range(len, 1, bound);
	assert_int_equal(frame_type_of(copy, len), FRAME_REQUEST);
	free(copy);
	free(bytes);
	free(room);
}

static inline void assert_answer_round_trip(const struct operation_answer *a)
{
	struct operation_room *room = operations_rooms(1);
	struct operation_answer back;
	size_t len, bound = OPERATION_FRAME_MAX;
	uint8_t *bytes = operation_encode_answer(a, &len), *copy = operations_copy(bytes, len);
	const char *error = operation_decode_answer(&back, room, copy, len), *difference;

	if (error)
		fail_msg("an answer: %s", error);
	difference = operations_answer_difference(a, &back);
	if (difference)
		fail_msg("an answer: %s differs", difference);
	assert_null(operations_answer_out_of_bounds(&back, copy, len));
	for (size_t i = 0; i < a->count; i++)
		bound += operation_result_size(&a->results[i]);
	assert_in_range(len, 1, bound);
	assert_int_equal(frame_type_of(copy, len), FRAME_ANSWER);
	free(copy);
	free(bytes);
	free(room);
}

/* Decodes what a stranger wrote: why not, or NULL, and then it keeps to all that operation.h promises. */
static inline const char *decode_request(const uint8_t *bytes, size_t len)
{
	static struct operation_room room;
	uint8_t *copy = operations_copy(bytes, len);
	struct operation_request r;
	const char *error = operation_decode_request(&r, &room, copy, len), *out;

	out = error ? NULL : operations_request_out_of_bounds(&r, copy, len);
	if (out)
		fail_msg("taken, but %s is out of bounds", out);
	if (!error)
		assert_request_round_trip(&r);
	free(copy);
	return error;
}

static inline const char *decode_answer(const uint8_t *bytes, size_t len)
{
	static struct operation_room room;
	uint8_t *copy = operations_copy(bytes, len);
	struct operation_answer a;
	const char *error = operation_decode_answer(&a, &room, copy, len), *out;

	out = error ? NULL : operations_answer_out_of_bounds(&a, copy, len);
	if (out)
		fail_msg("taken, but %s is out of bounds", out);
	if (!error)
		assert_answer_round_trip(&a);
	free(copy);
	return error;
}

#endif
