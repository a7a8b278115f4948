/*
 * Sync tasks: every change of the dataset tree is a pair of functions, `check` and
 * `sync`. Check runs in open context for an early answer and again, binding, in the
 * sync thread; if it agrees, sync changes the MOS and must not fail. The caller waits
 * until the txg is on disk, so "success" means durable. Source: format/03 §4.0.
 */
#include "dsl/dsl_impl.h"

/* Worst case of a changed MOS block, three copies (format/03 §4.0). */
#define DST_BLOCK_COST (3 << 14)

static bool
dst_has_space(dsl_sync_task_t *dst)
{
	dsl_pool_t *dp = dst->dst_pool;

	if (dst->dst_space_check == ZFS_SPACE_CHECK_NONE)
		return (true);
	mutex_enter(&dp->dp_root_dir->dd_lock);
	uint64_t used = dsl_dir_phys(dp->dp_root_dir)->dd_used_bytes;
	mutex_exit(&dp->dp_root_dir->dd_lock);
	return (used + (uint64_t)dst->dst_space <=
	    dsl_pool_adjustedsize(dp, (int)dst->dst_space_check));
}

void
dsl_sync_task_run(dsl_sync_task_t *dst, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dst->dst_pool;

	ASSERT0(dst->dst_error);
	if (!dst_has_space(dst)) {
		dst->dst_error = ENOSPC;
	} else {
		rw_enter(&dp->dp_config_lock, RW_WRITER);
		if (dst->dst_check != NULL)
			dst->dst_error = dst->dst_check(dst->dst_arg, tx);
		if (dst->dst_error == 0)
			dst->dst_sync(dst->dst_arg, tx);
		rw_exit(&dp->dp_config_lock);
	}
	if (dst->dst_nowait)
		kmem_free(dst, sizeof (*dst));
}

static int
dsl_sync_task_once(dsl_pool_t *dp, dsl_checkfunc_t *check, dsl_syncfunc_t *sync, void *arg,
    int blocks_modified, zfs_space_check_t sc, uint64_t *txgp)
{
	dsl_sync_task_t dst = { .dst_pool = dp,
		.dst_space = blocks_modified * DST_BLOCK_COST,
		.dst_space_check = sc,
		.dst_check = check,
		.dst_sync = sync,
		.dst_arg = arg };
	dmu_tx_t *tx = dmu_tx_create(dp->dp_meta_objset);
	int err = dmu_tx_assign(tx, DMU_TX_WAIT | DMU_TX_NOTHROTTLE);

	if (err != 0) {
		dmu_tx_abort(tx);
		return (err);
	}
	if (check != NULL) {
		dsl_pool_config_enter(dp);
		err = check(arg, tx);
		dsl_pool_config_exit(dp);
		if (err != 0) {
			dmu_tx_commit(tx);
			return (err);
		}
	}
	dst.dst_txg = *txgp = dmu_tx_get_txg(tx);
	mutex_enter(&dp->dp_lock);
	list_insert_tail(&dp->dp_sync_tasks[dst.dst_txg & TXG_MASK], &dst);
	mutex_exit(&dp->dp_lock);
	dmu_tx_commit(tx);
	txg_wait_synced(dp->dp_spa, dst.dst_txg);
	return (dst.dst_error);
}

int
dsl_sync_task(dsl_pool_t *dp, dsl_checkfunc_t *check, dsl_syncfunc_t *sync, void *arg,
    int blocks_modified, zfs_space_check_t sc)
{
	uint64_t txg = 0;
	int err;

	if (!spa_writeable(dp->dp_spa))
		return (EROFS);
	while ((err = dsl_sync_task_once(
		    dp, check, sync, arg, blocks_modified, sc, &txg)) == EAGAIN)
		txg_wait_synced(dp->dp_spa, txg + TXG_DEFER_SIZE);
	return (err);
}

void
dsl_sync_task_nowait(dsl_pool_t *dp, dsl_syncfunc_t *sync, void *arg, dmu_tx_t *tx)
{
	dsl_sync_task_t *dst = kmem_zalloc(sizeof (*dst), KM_SLEEP);

	dst->dst_pool = dp;
	dst->dst_txg = dmu_tx_get_txg(tx);
	dst->dst_space_check = ZFS_SPACE_CHECK_NONE;
	dst->dst_sync = sync;
	dst->dst_arg = arg;
	dst->dst_nowait = true;
	mutex_enter(&dp->dp_lock);
	list_insert_tail(&dp->dp_sync_tasks[dst->dst_txg & TXG_MASK], dst);
	mutex_exit(&dp->dp_lock);
}
