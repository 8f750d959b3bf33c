/* Who owns what, by the latest word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "../../common/kv-owners.h"
#include "random.h"

static void learn(struct kv_owners *o, uint32_t lo, uint32_t hi, uint32_t id, uint64_t asked)
{
	kv_owners_learn(o, &(struct kv_owner){.arc = {lo, hi}, .id = id, .asked = asked});
}

/* 0: nobody. */
static uint32_t owner_of(const struct kv_owners *o, uint32_t id)
{
	const struct kv_owner *found = kv_owners_find(o, id);

	return found ? found->id : 0;
}

static void test_arcs(void **state)
{
	struct kv_owners o = {0};

	(void)state;
	assert_int_equal(owner_of(&o, 5), 0);
	learn(&o, 10, 20, 1, 1);
	learn(&o, 20, 30, 2, 1);
	assert_int_equal(owner_of(&o, 10), 0);
	assert_int_equal(owner_of(&o, 11), 1);
	assert_int_equal(owner_of(&o, 20), 1);
	assert_int_equal(owner_of(&o, 21), 2);
	assert_int_equal(owner_of(&o, 30), 2);
	assert_int_equal(owner_of(&o, 31), 0);
	/* Through 0. */
	learn(&o, 30, 10, 3, 1);
	assert_int_equal(owner_of(&o, 31), 3);
	assert_int_equal(owner_of(&o, UINT32_MAX), 3);
	assert_int_equal(owner_of(&o, 0), 3);
	assert_int_equal(owner_of(&o, 10), 3);
	assert_int_equal(o.count, 3);
	kv_owners_free(&o);
	assert_int_equal(owner_of(&o, 5), 0);
}

static void test_what_overlaps_goes(void **state)
{
	struct kv_owners o = {0};

	(void)state;
	learn(&o, 10, 20, 1, 1);
	learn(&o, 20, 30, 2, 1);
	learn(&o, 30, 10, 3, 1);
	learn(&o, 15, 25, 4, 1); /* some of two */
	assert_int_equal(owner_of(&o, 12), 0);
	assert_int_equal(owner_of(&o, 16), 4);
	assert_int_equal(owner_of(&o, 28), 0);
	assert_int_equal(owner_of(&o, 5), 3);
	learn(&o, 17, 18, 5, 1); /* within one */
	assert_int_equal(owner_of(&o, 16), 0);
	assert_int_equal(owner_of(&o, 18), 5);
	learn(&o, 7, 7, 6, 1); /* everything */
	assert_int_equal(o.count, 1);
	assert_int_equal(owner_of(&o, 7), 6);
	assert_int_equal(owner_of(&o, 8), 6);
	learn(&o, 7, 8, 7, 1);
	assert_int_equal(o.count, 1);
	kv_owners_free(&o);
}

/* Of one owner's words of one arc the later asked counts; of another's, or of another arc, the later heard. */
static void test_older_words(void **state)
{
	struct kv_owners o = {0};

	(void)state;
	learn(&o, 10, 20, 1, 5);
	learn(&o, 10, 20, 1, 4);
	assert_int_equal(kv_owners_find(&o, 15)->asked, 5);
	learn(&o, 10, 20, 1, 5);
	learn(&o, 10, 20, 1, 6);
	assert_int_equal(kv_owners_find(&o, 15)->asked, 6);
	learn(&o, 10, 20, 2, 4);
	assert_int_equal(owner_of(&o, 15), 2);
	learn(&o, 10, 19, 2, 3);
	assert_int_equal(owner_of(&o, 20), 0);
	kv_owners_free(&o);
}

static void test_forget(void **state)
{
	struct kv_owners o = {0};

	(void)state;
	learn(&o, 10, 20, 1, 1);
	learn(&o, 30, 5, 2, 1);
	kv_owners_forget(&o, 25);
	assert_int_equal(o.count, 2);
	kv_owners_forget(&o, 0);
	assert_int_equal(owner_of(&o, 31), 0);
	assert_int_equal(owner_of(&o, 20), 1);
	kv_owners_forget(&o, 20);
	assert_int_equal(o.count, 0);
	kv_owners_forget(&o, 20);
	kv_owners_free(&o);
}

static void test_bound(void **state)
{
	struct kv_owners o = {0};

	(void)state;
	for (uint32_t i = 0; i < KV_OWNERS_MAX; i++)
		learn(&o, i * 10, i * 10 + 10, i + 1, 1);
	assert_int_equal(o.count, KV_OWNERS_MAX);
	assert_int_equal(owner_of(&o, 10 * KV_OWNERS_MAX), KV_OWNERS_MAX);
	learn(&o, 10 * KV_OWNERS_MAX, 10 * KV_OWNERS_MAX + 1, 9, 1);
	assert_int_equal(o.count, 1);
	assert_int_equal(owner_of(&o, 10 * KV_OWNERS_MAX + 1), 9);
	kv_owners_free(&o);
}

/* Against a list of all ids of a small ring: whatever is learnt and forgotten, each id has the owner that was told last. */
static void test_random_words(void **state)
{
	struct random r = {5};

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		struct kv_owners o = {0};
		uint32_t told[64] = {0}, names = 0;

		for (unsigned i = 0; i < 30; i++) {
			struct arc arc = {(uint32_t)random_below(&r, 64), (uint32_t)random_below(&r, 64)};
			uint32_t id = (uint32_t)random_below(&r, 64), gone = owner_of(&o, id);
			bool forgets = random_below(&r, 4) == 0;

			/* The list ends at 63: there the ring goes on as if it were whole. */
			if (!forgets)
				kv_owners_learn(&o, &(struct kv_owner){.arc = arc, .id = ++names, .asked = i});
			else
				kv_owners_forget(&o, id);
			/* Whose word overlaps with it, or is to be forgotten: all of that goes. */
			for (uint32_t k = 0; k < 64; k++) {
				uint32_t hit = forgets ? gone : ring_contains(arc, k) ? told[k] : 0;

				for (uint32_t j = 0; j < 64 && hit; j++)
					told[j] = told[j] == hit ? 0 : told[j];
			}
			for (uint32_t k = 0; k < 64 && !forgets; k++)
				if (ring_contains(arc, k))
					told[k] = names;
			for (uint32_t k = 0; k < 64; k++)
				assert_int_equal(owner_of(&o, k), told[k]);
		}
		kv_owners_free(&o);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arcs),        cmocka_unit_test(test_what_overlaps_goes),
		cmocka_unit_test(test_older_words), cmocka_unit_test(test_forget),
		cmocka_unit_test(test_bound),       cmocka_unit_test(test_random_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
