/* What else a client reads of what strangers say: pages of a listing, EVENTs, and where a stream stands.  Within every
 * bound, and what was understood is written and understood the same again, and from then on in the same bytes. */
#include "../../common/frame.h"
#include "../../common/operation.h"
#include "../../common/watched.h"
#include "fence.h"
#include "fuzz.h"

static void check_inside(const uint8_t *p, size_t len, const uint8_t *input, size_t size)
{
	FUZZ_CHECK(!len || (p >= input && p <= input + size && len <= (size_t)(input + size - p)));
}

static void check_key(const struct key *key, const uint8_t *input, size_t size)
{
	FUZZ_CHECK(key->name_len <= KEY_NAME_MAX);
	check_inside(key->name, key->name_len, input, size);
}

static void check_entries(const struct page_entry *entries, size_t count, const uint8_t *input, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		check_key(&entries[i].key, input, size);
		FUZZ_CHECK(entries[i].value_len <= OPERATION_VALUE_MAX);
		check_inside(entries[i].value, entries[i].value ? entries[i].value_len : 0, input, size);
	}
}

static void same_bytes(uint8_t *bytes, size_t len, uint8_t *again, size_t again_len)
{
	FUZZ_CHECK(len == again_len && memcmp(bytes, again, len) == 0);
	free(again);
	free(bytes);
}

static void page(const uint8_t *input, size_t size)
{
	static struct page_entry entries[PAGE_ENTRIES], back[PAGE_ENTRIES];
	size_t count, back_count, len, again_len;
	struct page_next next, back_next;
	uint8_t *bytes, *again;

	if (page_decode(entries, &count, &next, input, size))
		return;
	FUZZ_CHECK(count <= PAGE_ENTRIES);
	check_entries(entries, count, input, size);
	if (!next.end)
		check_key(&next.key, input, size);
	bytes = page_encode(entries, count, &next, &len);
	FUZZ_CHECK(page_decode(back, &back_count, &back_next, bytes, len) == NULL);
	FUZZ_CHECK(back_count == count && back_next.end == next.end);
	again = page_encode(back, back_count, &back_next, &again_len);
	same_bytes(bytes, len, again, again_len);
}

static void event(const uint8_t *input, size_t size)
{
	static struct page_entry changes[WATCHED_CHANGES], back_changes[WATCHED_CHANGES];
	struct watched_frame f, back;
	size_t len, again_len;
	uint8_t *bytes, *again;

	if (watched_decode(&f, changes, input, size))
		return;
	FUZZ_CHECK(f.stream && (f.number || !f.count) && f.count <= WATCHED_CHANGES);
	FUZZ_CHECK(frame_type_of(input, size) == FRAME_EVENT);
	check_entries(f.changes, f.count, input, size);
	bytes = watched_encode(&f, &len);
	FUZZ_CHECK(watched_decode(&back, back_changes, bytes, len) == NULL);
	FUZZ_CHECK(back.owner == f.owner && back.stream == f.stream && back.number == f.number);
	again = watched_encode(&back, &again_len);
	same_bytes(bytes, len, again, again_len);
}

static void place(const uint8_t *input, size_t size)
{
	struct watched_place at, back;
	uint8_t bytes[WATCHED_PLACE_MAX];
	size_t len;

	if (!watched_take_place(&at, input, size))
		return;
	len = watched_put_place(bytes, &at);
	FUZZ_CHECK(len <= sizeof(bytes) && watched_take_place(&back, bytes, len));
	FUZZ_CHECK(back.stream == at.stream && back.number == at.number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *input = fence_input(data, size);

	if (!input)
		return 0;
	page(input, size);
	event(input, size);
	place(input, size);
	return 0;
}
