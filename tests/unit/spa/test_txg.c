/*
 * The txg engine: groups open, drain and sync in order; what was held in a group is synced with
 * it and never before; writers are slowed down by dirty data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spa/spa.h"

#define SLOTS 4096

static struct {
	kmutex_t lock;
	uint64_t live[SLOTS]; /* transactions in txg that are not released */
	uint64_t done[SLOTS]; /* transactions that took part in txg */
	uint64_t last_synced;
	uint64_t seen; /* Σ done over synced txgs */
	uint64_t syncs;
	kcondvar_t gate_cv;
	bool gate_closed; /* the disk does not answer */
} world = {.lock = MUTEX_INITIALIZER};

static void
fake_sync(spa_t *spa, uint64_t txg)
{
	mutex_enter(&world.lock);
	while (world.gate_closed)
		cv_wait(&world.gate_cv, &world.lock);
	assert_int_equal(txg, world.last_synced + 1);
	assert_int_equal(spa->spa_syncing_txg, txg);
	assert_int_equal(world.live[txg % SLOTS], 0);
	world.seen += world.done[txg % SLOTS];
	world.last_synced = txg;
	world.syncs++;
	mutex_exit(&world.lock);
	const uint64_t dirty = __atomic_load_n(
	    &spa->spa_tx.tx_dirty_pertxg[txg & TXG_MASK], __ATOMIC_RELAXED);
	if (dirty != 0)
		txg_dirty_remove(spa, txg, dirty);
}

static const spa_upper_ops_t ops = {.suo_sync = fake_sync};

static spa_t *
start(uint64_t first)
{
	memset(world.live, 0, sizeof(world.live));
	memset(world.done, 0, sizeof(world.done));
	world.seen = world.syncs = 0;
	world.last_synced = first - 1;
	world.gate_closed = false;
	spa_t *spa = spa_alloc("txgtest", &ops);
	txg_init(spa, first);
	spa->spa_tx.tx_timeout = SEC2NSEC(3600); /* the timer plays no part */
	txg_sync_start(spa);
	return (spa);
}

static void
stop(spa_t *spa)
{
	txg_sync_stop(spa);
	spa_free(spa);
}

static void
one_transaction_reaches_the_disk(void **state)
{
	spa_t *spa = start(4);
	txg_handle_t th;

	assert_int_equal(txg_hold_open(spa, &th), 4);
	txg_rele_to_quiesce(&th);
	txg_rele_to_sync(&th);
	txg_wait_synced(spa, 4);
	assert_int_equal(world.last_synced, 4);
	assert_int_equal(txg_open_txg(spa), 5);
	txg_wait_synced(spa, 0); /* the open one, even if empty */
	assert_int_equal(world.last_synced, 5);
	stop(spa);
}

static void
a_new_group_opens_while_an_old_transaction_is_under_way(void **state)
{
	spa_t *spa = start(4);
	txg_handle_t slow, quick;

	assert_int_equal(txg_hold_open(spa, &slow), 4);
	txg_rele_to_quiesce(&slow);
	txg_wait_open(spa, 5, true);
	assert_int_equal(txg_hold_open(spa, &quick), 5);
	txg_rele_to_quiesce(&quick);
	txg_rele_to_sync(&quick);
	mutex_enter(&world.lock);
	assert_int_equal(world.last_synced, 3); /* 4 still waits for the slow one */
	mutex_exit(&world.lock);
	txg_rele_to_sync(&slow);
	txg_wait_synced(spa, 5);
	stop(spa);
}

static void
waiting_gives_up_on_a_suspended_pool(void **state)
{
	spa_t *spa = start(4);

	mutex_enter(&world.lock);
	world.gate_closed = true;
	mutex_exit(&world.lock);
	txg_kick(spa, 4);
	spa_suspend(spa, "test");
	assert_int_equal(txg_wait_synced_sig(spa, 4), EIO);

	mutex_enter(&world.lock);
	world.gate_closed = false;
	cv_broadcast(&world.gate_cv);
	mutex_exit(&world.lock);
	txg_wait_synced(spa, 4);
	spa->spa_suspended = false;
	assert_int_equal(txg_wait_synced_sig(spa, 5), 0);
	stop(spa);
}

static void
an_idle_pool_stays_idle_and_a_used_one_syncs_by_itself(void **state)
{
	spa_t *spa = start(4);
	txg_handle_t th;

	mutex_enter(&spa->spa_tx.tx_sync_lock);
	spa->spa_tx.tx_timeout = MSEC2NSEC(1);
	cv_broadcast(&spa->spa_tx.tx_sync_more_cv);
	mutex_exit(&spa->spa_tx.tx_sync_lock);
	txg_wait_synced(spa, 4); /* now the short timeout counts */
	spl_delay(MSEC2NSEC(30));
	assert_int_equal(txg_open_txg(spa), 5);

	(void)txg_hold_open(spa, &th);
	txg_rele_to_quiesce(&th);
	txg_rele_to_sync(&th);
	txg_wait_open(spa, 6, false); /* nobody asks, the timer does */
	stop(spa);
}

/* ---- many threads --------------------------------------------------------------------- */

#define THREADS 8
#define ROUNDS 2000

static void
writer(void *arg)
{
	spa_t *spa = arg;
	txg_handle_t th;

	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t txg = txg_hold_open(spa, &th);
		assert_true(txg >= txg_open_txg(spa));
		mutex_enter(&world.lock);
		assert_true(txg > world.last_synced);
		world.live[txg % SLOTS]++;
		mutex_exit(&world.lock);
		txg_rele_to_quiesce(&th);
		mutex_enter(&world.lock);
		world.done[txg % SLOTS]++;
		world.live[txg % SLOTS]--;
		mutex_exit(&world.lock);
		txg_rele_to_sync(&th);
		if (i % 200 == 199)
			txg_wait_synced(spa, txg);
		else if (i % 50 == 49)
			txg_kick(spa, txg);
	}
}

static void
eight_writers_lose_nothing(void **state)
{
	spa_t *spa = start(4);
	kthread_t *t[THREADS];

	for (int i = 0; i < THREADS; i++)
		t[i] = thread_create("writer", writer, spa);
	for (int i = 0; i < THREADS; i++)
		thread_join(t[i]);
	txg_wait_synced(spa, 0);
	assert_int_equal(world.seen, THREADS * ROUNDS);
	assert_true(world.syncs >= ROUNDS / 200);
	stop(spa);
}

/* ---- dirty data ----------------------------------------------------------------------- */

static void
delay_grows_with_dirty_data(void **state)
{
	const uint64_t max = 1000000;

	assert_int_equal(txg_dirty_delay(0, max), 0);
	assert_int_equal(txg_dirty_delay(max * 6 / 10, max), 0);
	hrtime_t last = 0;
	for (uint64_t d = max * 6 / 10 + 1; d <= max; d += 1000) {
		const hrtime_t now = txg_dirty_delay(d, max);
		assert_true(now >= last);
		last = now;
	}
	assert_int_equal(txg_dirty_delay(max, max), MSEC2NSEC(100));
	assert_true(txg_dirty_max_default() > 0);
	assert_true(txg_dirty_max_default() <= 4ULL << 30);
}

static void
a_fifth_of_the_limit_starts_a_sync(void **state)
{
	spa_t *spa = start(4);
	txg_handle_t th;

	spa->spa_tx.tx_dirty_max = 1000000;
	const uint64_t txg = txg_hold_open(spa, &th);
	txg_dirty_add(spa, txg, 100000);
	txg_dirty_add(spa, txg, 150000);
	txg_rele_to_quiesce(&th);
	txg_rele_to_sync(&th);
	txg_wait_open(spa, txg + 1, false);
	txg_wait_synced(spa, txg);
	assert_int_equal(txg_dirty_total(spa), 0);
	stop(spa);
}

static bool passed;

static void
blocked_writer(void *arg)
{
	txg_dirty_throttle(arg);
	__atomic_store_n(&passed, true, __ATOMIC_RELEASE);
}

static void
a_writer_stops_at_the_limit_until_data_is_written(void **state)
{
	spa_t *spa = start(4);

	spa->spa_tx.tx_dirty_max = 1000000;
	mutex_enter(&world.lock);
	world.gate_closed = true;
	mutex_exit(&world.lock);
	passed = false;
	txg_dirty_add(spa, 4, 2000000);
	kthread_t *t = thread_create("blocked", blocked_writer, spa);
	txg_wait_open(spa, 5, false); /* the throttle pushed the group out */
	assert_false(__atomic_load_n(&passed, __ATOMIC_ACQUIRE));
	mutex_enter(&world.lock);
	world.gate_closed = false;
	cv_broadcast(&world.gate_cv);
	mutex_exit(&world.lock);
	thread_join(t);
	assert_true(passed);
	stop(spa);
}

/* ---- lists ---------------------------------------------------------------------------- */

typedef struct thing {
	int id;
	txg_node_t node;
} thing_t;

static void
lists_hold_an_object_once_for_each_txg(void **state)
{
	txg_list_t tl;
	thing_t a = {.id = 1}, b = {.id = 2}, c = {.id = 3};

	txg_list_create(&tl, offsetof(thing_t, node));
	assert_true(txg_list_add(&tl, &a, 7));
	assert_false(txg_list_add(&tl, &a, 7));
	assert_true(txg_list_add(&tl, &a, 8));
	assert_true(txg_list_add(&tl, &b, 7));
	assert_true(txg_list_add_tail(&tl, &c, 7));
	assert_ptr_equal(txg_list_head(&tl, 7), &b);
	assert_ptr_equal(txg_list_next(&tl, &b, 7), &a);
	assert_ptr_equal(txg_list_next(&tl, &a, 7), &c);
	assert_null(txg_list_next(&tl, &c, 7));
	assert_ptr_equal(txg_list_remove_this(&tl, &a, 7), &a);
	assert_null(txg_list_remove_this(&tl, &a, 7));
	assert_false(txg_list_member(&tl, &a, 7));
	assert_true(txg_list_member(&tl, &a, 8));
	assert_ptr_equal(txg_list_remove(&tl, 7), &b);
	assert_ptr_equal(txg_list_remove(&tl, 7), &c);
	assert_null(txg_list_remove(&tl, 7));
	assert_ptr_equal(txg_list_remove(&tl, 8), &a);
	assert_true(txg_list_empty(&tl, 8));
	txg_list_destroy(&tl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_transaction_reaches_the_disk),
	    cmocka_unit_test(a_new_group_opens_while_an_old_transaction_is_under_way),
	    cmocka_unit_test(waiting_gives_up_on_a_suspended_pool),
	    cmocka_unit_test(an_idle_pool_stays_idle_and_a_used_one_syncs_by_itself),
	    cmocka_unit_test(eight_writers_lose_nothing),
	    cmocka_unit_test(delay_grows_with_dirty_data),
	    cmocka_unit_test(a_fifth_of_the_limit_starts_a_sync),
	    cmocka_unit_test(a_writer_stops_at_the_limit_until_data_is_written),
	    cmocka_unit_test(lists_hold_an_object_once_for_each_txg),
	};

	spl_init();
	cv_init(&world.gate_cv);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
