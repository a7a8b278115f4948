/*
 * The random model in a dataset of a whole pool. OpenZFS's zdb is the judge: no leaked
 * and no doubly allocated block, every count right.
 */
#include "../pool/pool_story.h"
#include "dmu_model.h"

typedef struct judged {
	world_t *j_world;
	spa_t *j_spa;
	dsl_dataset_t *j_ds;
	objset_t *j_os;
} judged_t;

static objset_t *
judged_objset(void *arg)
{
	return (((judged_t *)arg)->j_os);
}

static void
judged_hold(judged_t *j)
{
	dsl_pool_t *dp = j->j_spa->spa_dsl_pool;

	dsl_pool_config_enter(dp);
	assert_int_equal(dsl_dataset_own(dp, "tank/m", j, &j->j_ds), 0);
	assert_int_equal(dsl_dataset_get_objset(j->j_ds, &j->j_os), 0);
	dsl_pool_config_exit(dp);
}

/* Export, let the judge look, import. */
static void
judge(judged_t *j)
{
	dsl_dataset_disown(j->j_ds, j);
	assert_int_equal(pool_export(j->j_spa, POOL_STATE_EXPORTED), 0);
	world_zdb_clean(j->j_world);
	j->j_spa = world_import(j->j_world, 0);
	judged_hold(j);
}

static void
random_operations_judged(void **state)
{
	judged_t j = {.j_world = world_begin(1)};
	const char *env = getenv("TARN_STEPS");
	const uint64_t steps = env != NULL ? strtoull(env, NULL, 0) : 900;

	(void)state;
	spl_random_seed(tp_seed());
	j.j_spa = world_create(j.j_world);
	make_fs(j.j_spa, "tank/m", NULL);
	judged_hold(&j);
	model_t *m = model_create(judged_objset, &j);
	for (uint64_t i = 1; i <= steps; i++) {
		model_step(m);
		if (random_in_range(20) == 0)
			txg_wait_open(j.j_spa, 0, true);
		if (i % 300 == 0) {
			model_check(m);
			judge(&j);
			model_check(m);
		}
	}
	model_destroy(m);
	judge(&j);
	dsl_dataset_disown(j.j_ds, &j);
	assert_int_equal(pool_export(j.j_spa, POOL_STATE_EXPORTED), 0);
	world_end(j.j_world);
}

static int
setup(void **state)
{
	(void)state;
	pool_init();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pool_fini();
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_operations_judged),
	};
	return (cmocka_run_group_tests(tests, setup, teardown));
}
