/* What moves with an arc beside its records, as a stranger may tell it instead of a giver: within every bound, and what
 * was understood is told and understood the same again. */
#include "../../daemon/core/core.h"
#include "fence.h"
#include "fuzz.h"

#define ARC ((struct arc){1000, 0x80000000})

static void check_bounds(const struct take *t)
{
	const struct once_share *s = t->share;

	FUZZ_CHECK(t->watched_count <= WATCHED_MAX);
	FUZZ_CHECK(s->horizon.count <= s->horizon.max && s->mark.count <= s->mark.max);
	for (uint32_t i = 0; i < s->row_count; i++) {
		FUZZ_CHECK(s->rows[i].entry < s->entry_count && ring_contains(ARC, s->rows[i].id));
		FUZZ_CHECK(s->rows[i].answer.status < ANSWER_STATUSES);
	}
}

static void check_same(const struct once_share *a, const struct once_share *b)
{
	static struct horizon_piece p[HORIZON_PIECES + 1], q[HORIZON_PIECES + 1];
	unsigned count = horizon_pieces(&a->horizon, ARC, p);

	FUZZ_CHECK(horizon_pieces(&b->horizon, ARC, q) == count);
	for (unsigned i = 0; i < count; i++)
		FUZZ_CHECK(arc_equal(p[i].arc, q[i].arc) && version_equal(p[i].version, q[i].version));
	FUZZ_CHECK(a->entry_count == b->entry_count && a->row_count == b->row_count);
	for (uint32_t i = 0; i < a->entry_count; i++)
		FUZZ_CHECK(a->entries[i].first == b->entries[i].first && a->entries[i].silent == b->entries[i].silent &&
			   memcmp(a->entries[i].client, b->entries[i].client, ONCE_CLIENT) == 0);
	for (uint32_t i = 0; i < a->row_count; i++) {
		const struct once_row *r = &a->rows[i], *s = &b->rows[i];

		FUZZ_CHECK(r->entry == s->entry && r->id == s->id && r->number == s->number);
		FUZZ_CHECK(version_equal(r->answer.version, s->answer.version));
		FUZZ_CHECK(r->answer.status == s->answer.status && r->answer.has_result == s->answer.has_result &&
			   r->answer.result == s->answer.result);
	}
}

static void told_again(const struct node *n, const struct once_share *told)
{
	static struct take back;
	struct share_place at = {0};
	uint8_t *bytes;
	size_t len;

	back = (struct take){.share = once_share_new(ARC)};
	while ((bytes = share_encode(n, told, &at, &len)) != NULL) {
		FUZZ_CHECK(share_decode(back.share, back.watched, &back.watched_count, bytes, len) == NULL);
		free(bytes);
	}
	check_bounds(&back);
	check_same(told, back.share);
	once_share_free(back.share);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct node n; /* nobody watches */
	static struct take t;
	const uint8_t *input = fence_input(data, size);

	if (!input)
		return 0;
	t = (struct take){.share = once_share_new(ARC)};
	if (share_decode(t.share, t.watched, &t.watched_count, input, size) == NULL) {
		check_bounds(&t);
		told_again(&n, t.share);
	} else {
		check_bounds(&t);
	}
	once_share_free(t.share);
	return 0;
}
