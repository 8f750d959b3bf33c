/* What is known of the keys, what their values say, and whether an answer agrees with both. */
#include <stdio.h>
#include <string.h>

#include "bench-internal.h"
#include "output.h"

#define BENCH_WRONG_SHOWN 5

/* splitmix64 */
uint64_t bench_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* ---- keys and values ---- */

/* Numbers are spread over the ring, each another; names have their place by their hash. */
struct key bench_key(const struct bench *bench, uint32_t index, char name[BENCH_NAME_MAX])
{
	if (bench->plan->numbers)
		return key_number(index * 2654435761u);
	return key_named((const uint8_t *)name,
			 (size_t)snprintf(name, BENCH_NAME_MAX, "bench:%x:%u", bench->seed, index));
}

/* 4 bytes of the run, 4 of the key, 8 of the writer, and what these make of the rest. */
void bench_value(const struct bench *bench, uint8_t *value, uint32_t key, uint64_t writer)
{
	size_t size = bench->plan->value_size, at = BENCH_VALUE_MIN;
	uint64_t word, state = writer ^ (uint64_t)key << 32 ^ bench->nonce;

	memcpy(value, &bench->nonce, 4);
	memcpy(value + 4, &key, 4);
	memcpy(value + 8, &writer, 8);
	for (; at + 8 <= size; at += 8) {
		word = bench_mix(state += BENCH_STEP);
		memcpy(value + at, &word, 8);
	}
	word = bench_mix(state + 1);
	memcpy(value + at, &word, size - at);
}

/* Who has put it for that key, or 0: nobody of this run. */
static uint64_t value_writer(const struct bench *bench, uint32_t key, const uint8_t *value, size_t len)
{
	uint64_t writer;

	if (len != bench->plan->value_size || value == NULL)
		return 0;
	memcpy(&writer, value + 8, 8);
	if (writer > bench->writers)
		return 0;
	bench_value(bench, bench->expected, key, writer);
	return memcmp(value, bench->expected, len) == 0 ? writer : 0;
}

/* ---- answers ---- */

static void tell_wrong(struct bench *bench, enum operation_kind kind, uint32_t index, const char *why)
{
	char name[BENCH_NAME_MAX];
	struct key key = bench_key(bench, index, name);

	if (bench->result->wrong++ >= BENCH_WRONG_SHOWN)
		return;
	if (bench->plan->numbers)
		output_error("wrong answer to %s %u: %s", operation_kind_name(kind), key.id, why);
	else
		output_error("wrong answer to %s %s: %s", operation_kind_name(kind), name, why);
}

/* With each version it is known what was written by whom. */
void bench_verify_known(struct bench *bench)
{
	for (size_t i = 0; i < bench->check_count; i++) {
		const struct check *c = &bench->checks[i];
		struct known *known = &bench->known[c->key];

		if (version_equal(known->version, c->version) && known->writer != c->writer)
			tell_wrong(bench, c->kind, c->key, "another value has been seen with this version");
		if (version_newer(c->version, known->version))
			*known = (struct known){c->version, c->writer};
	}
	bench->check_count = 0;
}

/* NULL, or what is wrong with that version. */
static const char *check_version(struct bench *bench, const struct flight *f, const struct operation_result *r,
				 uint64_t writer)
{
	bool writes = operation_writes(f->kind);

	if (!r->has_version)
		return "it has no version";
	if (version_newer(f->floor, r->version))
		return writes ? "its version is below an acknowledged one" : "older than what had been acknowledged";
	if (writes && version_equal(f->floor, r->version))
		return "its version is that of another write";
	if (bench->check_count == BENCH_AHEAD)
		bench_verify_known(bench);
	bench->checks[bench->check_count++] = (struct check){f->key, f->kind, r->version, writer};
	__builtin_prefetch(&bench->known[f->key]);
	return NULL;
}

/* NULL, or what is wrong with it. */
static const char *check_answer(struct bench *bench, const struct flight *f, const struct operation_result *r)
{
	uint64_t writer;

	if (f->kind == OPERATION_DELETE)
		return r->status == ANSWER_DONE || r->status == ANSWER_ABSENT ? NULL : "not deleted";
	if (r->status == ANSWER_ABSENT && f->kind == OPERATION_GET)
		return f->floor.number == 0 || bench->plan->life ? NULL : "absent, though a put had been acknowledged";
	if (r->status != ANSWER_DONE)
		return operation_status_name(r->status);
	if (f->kind == OPERATION_PUT)
		return check_version(bench, f, r, f->writer);
	writer = value_writer(bench, f->key, r->value, r->value_len);
	if (writer == 0)
		return "a value that was never put for this key";
	return check_version(bench, f, r, writer);
}

void bench_verify(struct bench *bench, const struct flight *f, const struct operation_result *r)
{
	const char *why = check_answer(bench, f, r);

	if (why != NULL)
		tell_wrong(bench, f->kind, f->key, why);
}
