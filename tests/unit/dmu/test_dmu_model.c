/*
 * Random operations against a reference in memory. After every few txgs everything is
 * forgotten and read again; the walk of tp_verify proves that space is exact and
 * nothing leaks.
 *
 * TARN_SEED repeats a run, TARN_STEPS makes it longer.
 */
#include "dmu_model.h"

static objset_t *
pool_objset(void *arg)
{
	return (tp_objset(arg, 0));
}

static void
run_model(uint64_t dsobj, uint64_t steps)
{
	const char *env = getenv("TARN_STEPS");
	test_pool_t *tp = tp_create();
	model_t *m = model_create(pool_objset, tp);

	(void)tp_objset_create(tp, dsobj, dsobj == 0 ? DMU_OST_META : DMU_OST_OTHER);
	if (env != NULL)
		steps = strtoull(env, NULL, 0);
	for (uint64_t i = 0; i < steps; i++) {
		model_step(m);
		switch (random_in_range(60)) {
		case 0:
			tp_sync(tp);
			break;
		case 1:
		case 2:
		case 3:
			/* Let the next txg open while this one is written. */
			txg_wait_open(tp->tp_spa, 0, true);
			break;
		case 4:
			model_check(m);
			tp_sync(tp);
			tp_verify(tp);
			tp_reopen(tp);
			model_check(m);
			break;
		default:
			break;
		}
	}
	model_destroy(m);
	tp_sync(tp);
	tp_verify(tp);
	assert_int_equal(dmu_objset_fill(tp_objset(tp, 0)), 0);
	tp_destroy(tp);
}

static void
random_operations(void **state)
{
	(void)state;
	spl_random_seed(tp_seed());
	run_model(100, 3000);
}

static void
random_operations_in_an_mos(void **state)
{
	(void)state;
	spl_random_seed(tp_seed());
	run_model(0, 1500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_operations),
	    cmocka_unit_test(random_operations_in_an_mos),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
