/* Range trees: sets of segments that merge, split and answer where something fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spa/range_tree.h"

static void
drop(range_tree_t *rt)
{
	range_tree_vacate(rt, NULL, NULL);
	range_tree_destroy(rt);
}

static void
neighbours_merge_and_holes_split(void **state)
{
	range_tree_t *rt = range_tree_create(true);

	range_tree_add(rt, 0, 100);
	range_tree_add(rt, 200, 100);
	assert_int_equal(range_tree_numsegs(rt), 2);
	range_tree_add(rt, 100, 100); /* closes the gap */
	assert_int_equal(range_tree_numsegs(rt), 1);
	assert_int_equal(range_tree_space(rt), 300);
	assert_int_equal(range_tree_max(rt), 300);

	range_tree_remove(rt, 50, 10);
	assert_int_equal(range_tree_numsegs(rt), 2);
	assert_true(range_tree_contains(rt, 0, 50));
	assert_false(range_tree_contains(rt, 0, 51));
	assert_true(range_tree_overlaps(rt, 0, 51));
	assert_false(range_tree_overlaps(rt, 50, 10));
	assert_int_equal(range_tree_first(rt)->rs_end, 50);
	drop(rt);
}

static void
contradictions_are_refused_and_change_nothing(void **state)
{
	range_tree_t *rt = range_tree_create(false);

	range_tree_add(rt, 100, 100);
	assert_int_equal(range_tree_try_add(rt, 150, 100), EINVAL);
	assert_int_equal(range_tree_try_add(rt, 0, 101), EINVAL);
	assert_int_equal(range_tree_try_add(rt, 300, 0), EINVAL);
	assert_int_equal(range_tree_try_add(rt, UINT64_MAX - 5, 100), EINVAL);
	assert_int_equal(range_tree_try_remove(rt, 150, 51), EINVAL);
	assert_int_equal(range_tree_try_remove(rt, 0, 10), EINVAL);
	assert_int_equal(range_tree_space(rt), 100);
	assert_int_equal(range_tree_numsegs(rt), 1);
	drop(rt);
}

static jmp_buf panic_jmp;

static void
leave_panic(const char *msg)
{
	longjmp(panic_jmp, 1);
}

static void
adding_twice_panics(void **state)
{
	range_tree_t *rt = range_tree_create(false);

	range_tree_add(rt, 0, 10);
	spl_panic_hook(leave_panic);
	if (setjmp(panic_jmp) == 0) {
		range_tree_add(rt, 5, 1);
		fail_msg("a double add went through");
	}
	spl_panic_hook(NULL);
	drop(rt);
}

static void
the_smallest_fit_and_the_first_fit(void **state)
{
	range_tree_t *rt = range_tree_create(true);
	uint64_t at;

	range_tree_add(rt, 1000, 64);
	range_tree_add(rt, 2000, 16);
	range_tree_add(rt, 3000, 32);
	range_tree_add(rt, 4000, 16);
	assert_int_equal(range_tree_find_fit(rt, 16)->rs_start, 2000);
	assert_int_equal(range_tree_find_fit(rt, 17)->rs_start, 3000);
	assert_null(range_tree_find_fit(rt, 65));

	assert_true(range_tree_find_from(rt, 0, 16, 10, &at));
	assert_int_equal(at, 1000);
	assert_true(range_tree_find_from(rt, 1050, 16, 10, &at));
	assert_int_equal(at, 2000); /* 14 bytes are left of the first */
	assert_true(range_tree_find_from(rt, 1010, 16, 10, &at));
	assert_int_equal(at, 1010);
	assert_false(range_tree_find_from(rt, 1064, 32, 1, &at)); /* gives up early */
	assert_true(range_tree_find_from(rt, 1064, 32, 2, &at));
	assert_int_equal(at, 3000);
	drop(rt);
}

#define MODEL 4096

static void
check_model(range_tree_t *rt, const bool *model)
{
	uint64_t space = 0, segs = 0, max = 0, run = 0;

	for (int i = 0; i <= MODEL; i++) {
		if (i < MODEL && model[i]) {
			segs += (run++ == 0);
			space++;
		} else {
			max = MAX(max, run);
			run = 0;
		}
	}
	assert_int_equal(range_tree_space(rt), space);
	assert_int_equal(range_tree_numsegs(rt), segs);
	assert_int_equal(range_tree_max(rt), max);
	uint64_t hist = 0;
	for (int i = 0; i < 64; i++)
		hist += rt->rt_histogram[i];
	assert_int_equal(hist, segs);
}

static bool
all_are(const bool *model, uint64_t start, uint64_t size, bool value)
{
	for (uint64_t i = start; i < start + size; i++)
		if (model[i] != value)
			return (false);
	return (true);
}

static void
it_behaves_like_an_array_of_flags(void **state)
{
	const char *env = getenv("TARN_SEED");
	const uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : random_guid();
	bool model[MODEL] = {false};
	range_tree_t *rt = range_tree_create(true);

	print_message("seed %" PRIu64 "\n", seed);
	spl_random_seed(seed);
	for (int n = 0; n < 20000; n++) {
		const uint64_t start = random_in_range(MODEL);
		const uint64_t size = 1 + random_in_range(MIN(64, MODEL - start));
		switch (random_in_range(4)) {
		case 0:
		case 1: {
			const bool free = all_are(model, start, size, false);
			assert_int_equal(
			    range_tree_try_add(rt, start, size), free ? 0 : EINVAL);
			for (uint64_t i = 0; i < size && free; i++)
				model[start + i] = true;
			break;
		}
		case 2: {
			const bool full = all_are(model, start, size, true);
			assert_true(full == range_tree_contains(rt, start, size));
			assert_int_equal(
			    range_tree_try_remove(rt, start, size), full ? 0 : EINVAL);
			for (uint64_t i = 0; i < size && full; i++)
				model[start + i] = false;
			break;
		}
		default:
			range_tree_clear(rt, start, size);
			for (uint64_t i = 0; i < size; i++)
				model[start + i] = false;
		}
		const uint64_t probe = random_in_range(MODEL - 8);
		assert_true(range_tree_overlaps(rt, probe, 8) ==
			    !all_are(model, probe, 8, false));
		if (n % 64 == 0)
			check_model(rt, model);
	}
	drop(rt);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(neighbours_merge_and_holes_split),
	    cmocka_unit_test(contradictions_are_refused_and_change_nothing),
	    cmocka_unit_test(adding_twice_panics),
	    cmocka_unit_test(the_smallest_fit_and_the_first_fit),
	    cmocka_unit_test(it_behaves_like_an_array_of_flags),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
