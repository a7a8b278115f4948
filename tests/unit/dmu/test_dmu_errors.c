/*
 * The device fails: every read in turn. Callers get an error or the right answer,
 * transactions fail before they have changed anything, and when the device is back all
 * is as it was.
 */
#include "test_pool.h"

#define K 1024ULL

typedef struct world {
	test_pool_t *tp;
	objset_t *os;
	uint64_t file, deep, table;
} world_t;

static void
build(world_t *w)
{
	w->tp = tp_create();
	w->os = tp_objset_create(w->tp, 100, DMU_OST_OTHER);
	w->file = tp_alloc(w->os, 4 * K);
	tp_write(w->os, w->file, 0, 256 * K, 1);
	dmu_tx_t *tx = tp_tx(w->os, DMU_NEW_OBJECT);
	w->deep = dmu_object_alloc_dnsize(
	    w->os, DMU_OT_PLAIN_FILE_CONTENTS, 512, 12, DMU_OT_SA, 100, 1024, tx);
	dmu_tx_commit(tx);
	tp_write(w->os, w->deep, 0, 1024, 2);
	tp_write(w->os, w->deep, 5000 * 512, 1024, 2);
	w->table = tp_alloc(w->os, 512);
	tp_write(w->os, w->table, 0, 512, 3);
	tp_sync(w->tp);
}

static void
forget(world_t *w)
{
	tp_reopen(w->tp);
	w->os = tp_objset(w->tp, 0);
}

/* Everything one can ask of an object; an error stops it and is returned. */
static int
ask(world_t *w)
{
	uint8_t buf[8192], want[8192];
	dmu_object_info_t doi;
	dmu_buf_t *db, **dbs;
	uint64_t object = 0, off = 4096;
	int error, n;

	if ((error = dmu_object_info(w->os, w->file, &doi)) != 0)
		return (error);
	assert_int_equal(doi.doi_data_block_size, 4 * K);
	if ((error = dmu_read(w->os, w->file, 5000, 8000, buf, 0)) != 0)
		return (error);
	tp_pattern(want, 5000, 8000, 1);
	assert_memory_equal(buf, want, 8000);
	if ((error = dmu_read(w->os, w->deep, 5000 * 512, 1024, buf, 0)) != 0)
		return (error);
	tp_pattern(want, 5000 * 512, 1024, 2);
	assert_memory_equal(buf, want, 1024);
	if ((error = dmu_buf_hold(w->os, w->table, 0, NULL, &db, 0)) != 0)
		return (error);
	tp_pattern(want, 0, 512, 3);
	assert_memory_equal(db->db_data, want, 512);
	dmu_buf_rele(db, NULL);
	if ((error = dmu_buf_hold_array(
		 w->os, w->file, 100 * K, 40 * K, true, NULL, &n, &dbs)) != 0)
		return (error);
	assert_int_equal(n, 10);
	dmu_buf_rele_array(dbs, n, NULL);
	if ((error = dmu_bonus_hold(w->os, w->deep, NULL, &db)) != 0)
		return (error);
	dmu_buf_rele(db, NULL);
	if ((error = dmu_offset_next(w->os, w->deep, false, &off)) != 0)
		return (error);
	assert_int_equal(off, 5000 * 512);
	while ((error = dmu_object_next(w->os, &object, false, 0)) == 0)
		;
	return (error == ESRCH ? 0 : error);
}

/* Transactions: either all of it, or an error and nothing. */
static int
change(world_t *w)
{
	uint8_t buf[3000];
	int error;

	tp_pattern(buf, 10000, sizeof(buf), 1);
	dmu_tx_t *tx = dmu_tx_create(w->os);
	dmu_tx_hold_write(tx, w->file, 10000, sizeof(buf));
	dmu_tx_hold_write(tx, w->deep, 5000 * 512 + 10, 100);
	dmu_tx_hold_free(tx, w->file, 300 * K, DMU_OBJECT_END);
	dmu_tx_hold_free(tx, w->deep, 1000 * 512, 512);
	dmu_tx_hold_zap(tx, w->table, true, "name");
	dmu_tx_hold_bonus(tx, w->deep);
	if ((error = dmu_tx_assign(tx, DMU_TX_WAIT)) != 0) {
		dmu_tx_abort(tx);
		return (error);
	}
	/* The same content: whether it happened does not matter to what is read later.
	 */
	assert_int_equal(dmu_write(w->os, w->file, 10000, sizeof(buf), buf, tx), 0);
	dmu_tx_commit(tx);
	return (0);
}

static void
fail_each_read(world_t *w, int (*func)(world_t *), int device_error, int expect)
{
	uint64_t n;
	int error;

	for (n = 0; n < 1000; n++) {
		forget(w);
		tp_fail_reads(w->tp, device_error, n);
		error = func(w);
		tp_fail_reads(w->tp, 0, 0);
		if (error == 0)
			break;
		assert_true(error == expect || error == EIO || error == ECKSUM);
		/* The device is back: no error is remembered. */
		assert_int_equal(func(w), 0);
		assert_int_equal(ask(w), 0);
	}
	assert_true(n > 3 && n < 1000);
}

static void
every_read_fails_once(void **state)
{
	(void)state;
	world_t w;

	build(&w);
	fail_each_read(&w, ask, EIO, EIO);
	fail_each_read(&w, change, EIO, EIO);
	tp_sync(w.tp);
	tp_verify(w.tp);
	tp_destroy(w.tp);
}

static void
every_read_is_scrambled_once(void **state)
{
	(void)state;
	world_t w;

	build(&w);
	fail_each_read(&w, ask, ECKSUM, ECKSUM);
	fail_each_read(&w, change, ECKSUM, ECKSUM);
	tp_sync(w.tp);
	tp_verify(w.tp);
	tp_destroy(w.tp);
}

static void
opening_reports(void **state)
{
	(void)state;
	world_t w;
	objset_t *os = NULL;

	build(&w);
	const blkptr_t root = *dmu_objset_rootbp(w.os);
	spa_t *spa = w.tp->tp_spa;
	forget(&w);
	arc_flush(spa);
	tp_fail_reads(w.tp, EIO, 0);
	assert_int_equal(dmu_objset_open_impl(spa, 100, &root, NULL, NULL, &os), EIO);
	assert_null(os);
	tp_fail_reads(w.tp, 0, 0);
	/* A pointer to something else. */
	blkptr_t bp = root;
	BP_SET_TYPE(&bp, DMU_OT_DNODE);
	assert_int_equal(dmu_objset_open_impl(spa, 100, &bp, NULL, NULL, &os), EINVAL);
	bp = root;
	bp.blk_cksum.zc_word[0] ^= 1;
	BP_SET_BIRTH(&bp, BP_GET_LOGICAL_BIRTH(&bp), 77);
	assert_int_equal(dmu_objset_open_impl(spa, 100, &bp, NULL, NULL, &os), ECKSUM);
	tp_destroy(w.tp);
}

static void
read_only_means_it(void **state)
{
	(void)state;
	world_t w;

	build(&w);
	dmu_objset_set_readonly(w.os, true);
	dmu_tx_t *tx = dmu_tx_create(w.os);
	dmu_tx_hold_write(tx, w.file, 0, 10);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), EROFS);
	dmu_tx_abort(tx);
	assert_int_equal(dmu_free_long_range(w.os, w.file, 0, DMU_OBJECT_END), EROFS);
	assert_int_equal(ask(&w), 0);
	tp_destroy(w.tp);
}

/* The dsl says no, or later. */
static int refuse_with, refusals;
static int
refuse(objset_t *os, uint64_t asize, bool netfree, dmu_tx_t *tx, void **cookie)
{
	(void)os;
	(void)tx;
	assert_true(asize > 0);
	*cookie = &refusals;
	if (netfree && refuse_with == ENOSPC)
		return (0);
	if (refusals == 0)
		return (0);
	refusals--;
	return (refuse_with);
}

static void
space_is_asked_for(void **state)
{
	(void)state;
	static objset_ops_t ops;
	world_t w;

	w.tp = tp_create();
	ops = *w.tp->tp_ops;
	ops.oso_tempreserve = refuse;
	w.tp->tp_ops = &ops;
	w.os = tp_objset_create(w.tp, 100, DMU_OST_OTHER);
	w.file = tp_alloc(w.os, 4 * K);
	refuse_with = ENOSPC;
	refusals = 1;
	dmu_tx_t *tx = dmu_tx_create(w.os);
	dmu_tx_hold_write(tx, w.file, 0, 10);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), ENOSPC);
	dmu_tx_abort(tx);
	/* Who frees may go on. */
	refusals = 1;
	assert_int_equal(dmu_free_long_object(w.os, w.file), 0);
	/* "Later": with patience it comes through, without it is told so. */
	refuse_with = ERESTART;
	refusals = 3;
	tx = dmu_tx_create(w.os);
	dmu_tx_hold_bonus(tx, DMU_NEW_OBJECT);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_NOWAIT), ERESTART);
	dmu_tx_wait(tx);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	assert_int_equal(refusals, 0);
	dmu_tx_commit(tx);
	tp_sync(w.tp);
	tp_verify(w.tp);
	tp_destroy(w.tp);
}

/* A scrub meets damage: it stops, or goes on and is told. */
static int
count_nodata(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	uint64_t *n = arg;

	(void)spa;
	(void)dnp;
	(void)zb;
	n[0]++;
	if (BP_GET_LEVEL(bp) > 0 && !BP_IS_HOLE(bp) && data == NULL)
		n[1]++;
	return (0);
}

static void
traversal_over_damage(void **state)
{
	(void)state;
	world_t w;
	uint64_t good[2] = {0}, hard[2] = {0}, soft[2] = {0};

	build(&w);
	spa_t *spa = w.tp->tp_spa;
	const blkptr_t root = *dmu_objset_rootbp(w.os);
	forget(&w);
	assert_int_equal(traverse_objset_bp(spa, 100, &root, 0, NULL, TRAVERSE_PRE,
			     count_nodata, good),
	    0);
	assert_int_equal(good[1], 0);
	forget(&w);
	tp_fail_reads(w.tp, ECKSUM, 6);
	assert_int_equal(traverse_objset_bp(spa, 100, &root, 0, NULL, TRAVERSE_PRE,
			     count_nodata, soft),
	    ECKSUM);
	tp_fail_reads(w.tp, 0, 0);
	forget(&w);
	tp_fail_reads(w.tp, ECKSUM, 6);
	assert_int_equal(traverse_objset_bp(spa, 100, &root, 0, NULL,
			     TRAVERSE_PRE | TRAVERSE_HARD, count_nodata, hard),
	    0);
	tp_fail_reads(w.tp, 0, 0);
	assert_true(hard[0] < good[0] && hard[0] > soft[0]);
	assert_true(hard[1] > 0);
	tp_destroy(w.tp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_read_fails_once),
	    cmocka_unit_test(every_read_is_scrambled_once),
	    cmocka_unit_test(opening_reports),
	    cmocka_unit_test(read_only_means_it),
	    cmocka_unit_test(space_is_asked_for),
	    cmocka_unit_test(traversal_over_damage),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
