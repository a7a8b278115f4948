/*
 * Stories about objects and their blocks: what is written is read back, at once, after the txg, after
 * everything in memory is forgotten.
 */
#include "test_pool.h"

#define K 1024ULL
#define M (1024 * K)

static void
write_sync_reopen_read(void **state)
{
	test_pool_t *tp = tp_create();
	objset_t *os = tp_objset_create(tp, 100, DMU_OST_OTHER);
	const uint64_t obj = tp_alloc(os, 128 * K);

	tp_write(os, obj, 0, 1 * M + 123, 1);
	tp_expect(os, obj, 0, 1 * M + 123, 1);
	tp_sync(tp);
	tp_expect(os, obj, 0, 1 * M + 123, 1);
	tp_reopen(tp);
	tp_expect(tp_objset(tp, 0), obj, 0, 1 * M + 123, 1);
	tp_verify(tp);
	assert_int_equal(dmu_objset_fill(tp_objset(tp, 0)), 1);
	tp_destroy(tp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_sync_reopen_read),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
