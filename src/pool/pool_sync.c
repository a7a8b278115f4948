/*
 * Writing a txg (format/02 §10.2, format/01 §2.6).
 *
 * Passes: each writes what the one before has dirtied in the MOS. The first pass writes all
 * datasets and then the MOS; freeing the blocks that this replaced and recording the
 * allocations dirties space maps, hence a second pass, and so on. It ends because from the
 * second pass on blocks of this txg are rewritten in place and what is freed goes to the
 * deferred list instead of the space maps. When the MOS stays clean, everything is flushed
 * and the uberblock is written: only then does the txg exist.
 */
#include "pool/pool_impl.h"
#include "pool/metaslab_io.h"
#include "vdev/vdev_label.h"

static int
free_deferred(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	(void)bp_freed;
	return (zio_free(arg, dmu_tx_get_txg(tx), bp));
}

/* Blocks freed in late passes of the last txg are freed now (format/02 §6.6). */
static void
sync_deferred_frees(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	if (!bpobj_is_empty(&pl->pl_deferred))
		VERIFY0(bpobj_iterate(&pl->pl_deferred, free_deferred, spa, tx));
}

/* What has been freed in this late pass waits for the next txg. */
static void
sync_defer_list(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	spa_defer_free_t *sdf;

	for (;;) {
		mutex_enter(&spa->spa_defer_lock);
		sdf = list_remove_head(&spa->spa_defer_list);
		mutex_exit(&spa->spa_defer_lock);
		if (sdf == NULL)
			return;
		bpobj_enqueue(&pl->pl_deferred, &sdf->sdf_bp, false, tx);
		kmem_free(sdf, sizeof (*sdf));
	}
}

static void
sync_salt(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	if (!pl->pl_salt_missing)
		return;
	VERIFY0(zap_add(spa->spa_meta_objset, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_CHECKSUM_SALT,
	    1, sizeof (spa->spa_cksum_salt.zcs_bytes), spa->spa_cksum_salt.zcs_bytes, tx));
	pl->pl_salt_missing = false;
}

static void
sync_first_pass(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	sync_salt(spa, tx);
	if (pl->pl_retire_logs) {
		VERIFY0(log_spacemap_retire(spa, tx));
		pl->pl_retire_logs = false;
	}
	dsl_scan_sync(spa->spa_dsl_pool, tx);
}

static bool
pass_left_work(spa_t *spa, uint64_t txg)
{
	bool defer;

	mutex_enter(&spa->spa_defer_lock);
	defer = !list_is_empty(&spa->spa_defer_list);
	mutex_exit(&spa->spa_defer_lock);
	return (defer || __atomic_load_n(&spa->spa_dtl_dirty, __ATOMIC_ACQUIRE) ||
	    dmu_objset_is_dirty(spa->spa_meta_objset, txg) ||
	    !txg_list_empty(spa_dirty_metaslabs(spa), txg) ||
	    !txg_list_empty(&spa->spa_dsl_pool->dp_dirty_datasets, txg));
}

/*
 * Is there anything to do at all? An idle pool must not write. Deferred frees are no reason: freeing them
 * rewrites blocks of the MOS, whose old places are deferred again, and so on for ever; they wait
 * for the next txg that has something to say.
 */
static bool
txg_is_empty(spa_t *spa, uint64_t txg)
{
	dsl_pool_t *dp = spa->spa_dsl_pool;

	mutex_enter(&dp->dp_lock);
	bool tasks = !list_is_empty(&dp->dp_sync_tasks[txg & TXG_MASK]);
	mutex_exit(&dp->dp_lock);
	return (!tasks && !spa->spa_config_dirty && !pass_left_work(spa, txg) &&
	    txg_list_empty(&dp->dp_dirty_dirs, txg) && !dsl_scan_active(dp) &&
	    !pool_errlog_pending(spa));
}

static void
sync_passes(spa_t *spa, uint64_t txg)
{
	dmu_tx_t *tx = dmu_tx_create_assigned(spa, txg);

	do {
		int pass = ++spa->spa_sync_pass;

		/* Passes shrink what is left to do; if they do not, something is badly wrong. */
		VERIFY3S(pass, <, 1000);
		if (spa->spa_config_dirty)
			pool_config_sync(spa, tx);
		pool_errlog_sync(spa, tx);
		dsl_pool_sync(spa->spa_dsl_pool, txg);
		if (pass == 1) {
			sync_deferred_frees(spa, tx);
			sync_first_pass(spa, tx);
		}
		sync_defer_list(spa, tx);
		pool_features_sync(spa, tx);
		pool_metaslabs_sync(spa, tx);
	} while (pass_left_work(spa, txg) || spa->spa_config_dirty);
	dmu_tx_commit(tx);
}

/* All top-level vdevs that may carry the uberblock (format/01 §2.6). */
static void
write_uberblock(spa_t *spa, uint64_t txg)
{
	vdev_t *rvd = spa->spa_root_vdev;
	uberblock_t *ub = &spa->spa_uberblock;
	vdev_t **tops = kmem_alloc(rvd->vdev_children * sizeof (*tops), KM_SLEEP);
	int n = 0, err;

	for (uint64_t i = 0; i < rvd->vdev_children; i++) {
		vdev_t *vd = rvd->vdev_child[i];
		if (vd->vdev_ms_array != 0 && !vd->vdev_islog)
			tops[n++] = vd;
	}
	ub->ub_magic = UBERBLOCK_MAGIC;
	ub->ub_txg = txg;
	ub->ub_guid_sum = vdev_guid_sum(rvd);
	ub->ub_timestamp = gethrestime_sec();
	ub->ub_software_version = SPA_VERSION;
	ub->ub_mmp_magic = MMP_MAGIC;
	ub->ub_mmp_delay = 0;
	ub->ub_mmp_config = 0;
	ub->ub_checkpoint_txg = 0;
	for (;;) {
		spa_config_enter(spa, RW_READER);
		err = vdev_config_sync(
		    rvd, tops, n, ub, false, pool_label_config, spa);
		spa_config_exit(spa, RW_READER);
		if (err == 0)
			break;
		/* Not one uberblock reached a disk: everybody waits until the devices are back. */
		spa_suspend_wait(spa, "the uberblock could not be written");
	}
	kmem_free(tops, rvd->vdev_children * sizeof (*tops));
	for (uint64_t i = 0; i < rvd->vdev_children; i++)
		rvd->vdev_child[i]->vdev_config_dirty = false;
}

static void
sync_done(spa_t *spa, uint64_t txg)
{
	uint64_t ubtxg = spa->spa_uberblock.ub_txg;

	pool_metaslabs_sync_done(spa, txg);
	dsl_pool_sync_done(spa->spa_dsl_pool, txg);
	spa->spa_ubsync = spa->spa_uberblock;
	__atomic_store_n(&spa->spa_ubsync.ub_txg, ubtxg, __ATOMIC_RELEASE);
	pool_of(spa)->pl_create = false;
}

void
pool_sync(spa_t *spa, uint64_t txg)
{
	VERIFY(spa_writeable(spa));
	spa->spa_syncing_txg = txg;
	if (!txg_is_empty(spa, txg)) {
		sync_passes(spa, txg);
		write_uberblock(spa, txg);
	}
	/* Also an empty txg moves deferred space one step on. */
	sync_done(spa, txg);
	spa->spa_sync_pass = 0;
	dmu_tx_callbacks_run(spa, txg, 0);
}
