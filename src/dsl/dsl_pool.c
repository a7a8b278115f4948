/*
 * The dataset layer of one pool: opening it, making a new one, and writing one sync pass
 * (format/02 §10.2 step 4).
 *
 * A pass: all dirty datasets are written, their users accounted, and written again for
 * that; deadlists get what died; then the MOS itself. In the first pass the sync tasks run
 * last; what they change is written by the next pass. Passes repeat until the MOS stays
 * clean (the pool's loop).
 */
#include "dsl/dsl_impl.h"

void (*dsl_history_internal)(
    spa_t *, const char *, const char *, uint64_t, dmu_tx_t *, const char *);

static int
dd_compare(const void *a, const void *b)
{
	const dsl_dir_t *x = a, *y = b;

	return (x->dd_object < y->dd_object ? -1 : x->dd_object > y->dd_object);
}

static int
ds_compare(const void *a, const void *b)
{
	const dsl_dataset_t *x = a, *y = b;

	return (x->ds_object < y->ds_object ? -1 : x->ds_object > y->ds_object);
}

/* The MOS: its space is charged to $MOS in lumps, by the sync thread (format/03 §2.6). */
static void
mos_delta(objset_t *os, const blkptr_t *bp, int sign)
{
	spa_t *spa = dmu_objset_spa(os);
	dsl_pool_t *dp = spa->spa_dsl_pool;

	if (BP_IS_HOLE(bp) || dp == NULL)
		return;
	mutex_enter(&dp->dp_lock);
	dp->dp_mos_used += sign * (int64_t)bp_get_dsize(spa, bp);
	dp->dp_mos_comp += sign * (int64_t)dsl_bp_psize(bp);
	dp->dp_mos_uncomp += sign * (int64_t)BP_GET_UCSIZE(bp);
	mutex_exit(&dp->dp_lock);
}

static void
mos_born(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	(void)tx;
	mos_delta(os, bp, 1);
}

static void
mos_kill(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	mos_delta(os, bp, -1);
	if (!BP_IS_HOLE(bp))
		spa_free_block(dmu_objset_spa(os), dmu_tx_get_txg(tx), bp);
}

const objset_ops_t dsl_mos_objset_ops = {
	.oso_block_born = mos_born,
	.oso_block_kill = mos_kill,
};

static dsl_pool_t *
dp_alloc(spa_t *spa)
{
	dsl_pool_t *dp = kmem_zalloc(sizeof (*dp), KM_SLEEP);

	dp->dp_spa = spa;
	dp->dp_meta_objset = spa->spa_meta_objset;
	rw_init(&dp->dp_config_lock);
	mutex_init(&dp->dp_lock);
	avl_create(&dp->dp_dirs, dd_compare, sizeof (dsl_dir_t), offsetof(dsl_dir_t, dd_node));
	avl_create(&dp->dp_datasets, ds_compare, sizeof (dsl_dataset_t),
	    offsetof(dsl_dataset_t, ds_node));
	txg_list_create(&dp->dp_dirty_datasets, offsetof(dsl_dataset_t, ds_dirty_node));
	txg_list_create(&dp->dp_dirty_dirs, offsetof(dsl_dir_t, dd_dirty_node));
	for (int t = 0; t < TXG_SIZE; t++)
		list_create(&dp->dp_sync_tasks[t], sizeof (dsl_sync_task_t),
		    offsetof(dsl_sync_task_t, dst_node));
	spa->spa_dsl_pool = dp;
	return (dp);
}

void
dsl_pool_close(dsl_pool_t *dp)
{
	if (dp == NULL)
		return;
	dsl_scan_fini(dp);
	if (dp->dp_origin_snap != NULL)
		dsl_dataset_rele(dp->dp_origin_snap, dp);
	if (dp->dp_free_bpobj_open)
		bpobj_close(&dp->dp_free_bpobj);
	if (dp->dp_mos_dir != NULL)
		dsl_dir_rele(dp->dp_mos_dir, dp);
	if (dp->dp_free_dir != NULL)
		dsl_dir_rele(dp->dp_free_dir, dp);
	if (dp->dp_leak_dir != NULL)
		dsl_dir_rele(dp->dp_leak_dir, dp);
	if (dp->dp_root_dir != NULL)
		dsl_dir_rele(dp->dp_root_dir, dp);
	dp->dp_spa->spa_dsl_pool = NULL;
	avl_destroy(&dp->dp_datasets);
	avl_destroy(&dp->dp_dirs);
	txg_list_destroy(&dp->dp_dirty_datasets);
	txg_list_destroy(&dp->dp_dirty_dirs);
	for (int t = 0; t < TXG_SIZE; t++)
		list_destroy(&dp->dp_sync_tasks[t]);
	mutex_destroy(&dp->dp_lock);
	rw_destroy(&dp->dp_config_lock);
	kmem_free(dp, sizeof (*dp));
}

static int
dp_lookup(dsl_pool_t *dp, const char *name, uint64_t *obj)
{
	return (zap_lookup(dp->dp_meta_objset, DMU_POOL_DIRECTORY_OBJECT, name,
	    sizeof (uint64_t), 1, obj));
}

static int
dp_open_free(dsl_pool_t *dp)
{
	uint64_t obj;
	int err;

	if (dp->dp_spa->spa_version < 26)
		return (0);
	if ((err = dsl_dir_open_special(dp, FREE_DIR_NAME, &dp->dp_free_dir)) != 0 ||
	    (err = dp_lookup(dp, DMU_POOL_FREE_BPOBJ, &obj)) != 0 ||
	    (err = bpobj_open(&dp->dp_free_bpobj, dp->dp_meta_objset, obj)) != 0)
		return (err);
	dp->dp_free_bpobj_open = true;
	return (0);
}

static int
dp_open_origin(dsl_pool_t *dp)
{
	dsl_dir_t *dd;
	dsl_dataset_t *ds;
	int err;

	if (dp->dp_spa->spa_version < 11)
		return (0);
	if ((err = dsl_dir_open_special(dp, ORIGIN_DIR_NAME, &dd)) != 0)
		return (err);
	err = dsl_dataset_hold_obj(dp, dsl_dir_phys(dd)->dd_head_dataset_obj, dp, &ds);
	if (err == 0) {
		err = dsl_dataset_hold_obj(
		    dp, dsl_dataset_phys(ds)->ds_prev_snap_obj, dp, &dp->dp_origin_snap);
		dsl_dataset_rele(ds, dp);
	}
	dsl_dir_rele(dd, dp);
	return (err);
}

int
dsl_pool_open(spa_t *spa, dsl_pool_t **dpp)
{
	dsl_pool_t *dp = dp_alloc(spa);
	int err;

	if ((err = dp_lookup(dp, DMU_POOL_ROOT_DATASET, &dp->dp_root_dir_obj)) != 0 ||
	    (err = dsl_dir_hold_obj(dp, dp->dp_root_dir_obj, NULL, dp, &dp->dp_root_dir)) != 0 ||
	    (err = dsl_dir_open_special(dp, MOS_DIR_NAME, &dp->dp_mos_dir)) != 0)
		goto fail;
	err = dsl_dir_open_special(dp, LEAK_DIR_NAME, &dp->dp_leak_dir);
	if (err != 0 && err != ENOENT)
		goto fail;
	/* Deadlists need to know the shared empty bpobj before they are opened. */
	if (spa_feature_is_active(spa, SPA_FEATURE_EMPTY_BPOBJ) &&
	    (err = dp_lookup(dp, DMU_POOL_EMPTY_BPOBJ, &dp->dp_empty_bpobj)) != 0)
		goto fail;
	if (spa_feature_is_active(spa, SPA_FEATURE_ASYNC_DESTROY) &&
	    (err = dp_lookup(dp, DMU_POOL_BPTREE_OBJ, &dp->dp_bptree_obj)) != 0)
		goto fail;
	if ((err = dp_open_free(dp)) != 0 || (err = dp_open_origin(dp)) != 0 ||
	    (err = dsl_scan_init(dp, spa->spa_first_txg)) != 0)
		goto fail;
	*dpp = dp;
	return (0);
fail:
	dsl_pool_close(dp);
	return (err);
}

/* ---- a new pool (format/02 §11) ----------------------------------------------------------- */

static void
dp_create_origin(dsl_pool_t *dp, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;
	dsl_dir_t *dd;
	dsl_dataset_t *ds;

	uint64_t ddobj = dsl_dir_create_sync(dp, dp->dp_root_dir, ORIGIN_DIR_NAME, tx);
	VERIFY0(dsl_dir_hold_obj(dp, ddobj, ORIGIN_DIR_NAME, dp, &dd));
	uint64_t dsobj = dsl_dataset_create_sync_dd(dd, NULL, 0, tx);
	dsl_dir_rele(dd, dp);
	VERIFY0(dsl_dataset_hold_obj(dp, dsobj, dp, &ds));
	dsl_dataset_snapshot_sync_impl(ds, ORIGIN_DIR_NAME, NULL, tx);
	VERIFY0(dsl_dataset_hold_obj(
	    dp, dsl_dataset_phys(ds)->ds_prev_snap_obj, dp, &dp->dp_origin_snap));
	dsl_dataset_rele(ds, dp);
	(void)mos;
}

dsl_pool_t *
dsl_pool_create(spa_t *spa, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dp_alloc(spa);
	objset_t *mos = dp->dp_meta_objset;

	VERIFY0(zap_create_claim_norm(mos, DMU_POOL_DIRECTORY_OBJECT, 0,
	    DMU_OT_OBJECT_DIRECTORY, DMU_OT_NONE, 0, tx));
	VERIFY0(dsl_scan_init(dp, dmu_tx_get_txg(tx)));
	dp->dp_root_dir_obj = dsl_dir_create_sync(dp, NULL, NULL, tx);
	VERIFY0(dsl_dir_hold_obj(dp, dp->dp_root_dir_obj, NULL, dp, &dp->dp_root_dir));
	(void)dsl_dir_create_sync(dp, dp->dp_root_dir, MOS_DIR_NAME, tx);
	VERIFY0(dsl_dir_open_special(dp, MOS_DIR_NAME, &dp->dp_mos_dir));
	(void)dsl_dir_create_sync(dp, dp->dp_root_dir, FREE_DIR_NAME, tx);
	VERIFY0(dsl_dir_open_special(dp, FREE_DIR_NAME, &dp->dp_free_dir));
	uint64_t obj = bpobj_alloc(mos, SPA_OLD_MAXBLOCKSIZE, tx);
	VERIFY0(zap_add(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_FREE_BPOBJ, sizeof (uint64_t),
	    1, &obj, tx));
	VERIFY0(bpobj_open(&dp->dp_free_bpobj, mos, obj));
	dp->dp_free_bpobj_open = true;
	dp_create_origin(dp, tx);
	return (dp);
}

int
dsl_pool_create_root(
    dsl_pool_t *dp, dsl_create_objset_func_t *create_fs, void *arg, dmu_tx_t *tx)
{
	dsl_dataset_t *ds;
	objset_t *os;
	uint64_t obj = dsl_dataset_create_sync_dd(dp->dp_root_dir, NULL, 0, tx);

	VERIFY0(dsl_dataset_hold_obj(dp, obj, dp, &ds));
	VERIFY0(dsl_dataset_get_objset(ds, &os));
	dmu_objset_create_impl(os, DMU_OST_ZFS, tx);
	dsl_dataset_init_accounting(ds, os, tx);
	create_fs(os, arg, tx);
	dsl_dataset_rele(ds, dp);
	return (0);
}

/* ---- sync ------------------------------------------------------------------------------------- */

void
dsl_pool_config_enter(dsl_pool_t *dp)
{
	rw_enter(&dp->dp_config_lock, RW_READER);
}

void
dsl_pool_config_exit(dsl_pool_t *dp)
{
	rw_exit(&dp->dp_config_lock);
}

static void
dp_sync_mos_deltas(dsl_pool_t *dp, dmu_tx_t *tx)
{
	mutex_enter(&dp->dp_lock);
	int64_t used = dp->dp_mos_used, comp = dp->dp_mos_comp, uncomp = dp->dp_mos_uncomp;
	dp->dp_mos_used = dp->dp_mos_comp = dp->dp_mos_uncomp = 0;
	mutex_exit(&dp->dp_lock);
	if (used != 0 || comp != 0 || uncomp != 0)
		dsl_dir_diduse_space(
		    dp->dp_mos_dir, DD_USED_HEAD, used, comp, uncomp, tx);
}

/* Write every dataset that is dirty in this txg; they stay on `synced`, held. */
static void
dp_sync_datasets(dsl_pool_t *dp, dmu_tx_t *tx)
{
	uint64_t txg = dmu_tx_get_txg(tx);
	list_t synced;
	dsl_dataset_t *ds;

	list_create(&synced, sizeof (dsl_dataset_t), offsetof(dsl_dataset_t, ds_synced_node));
	zio_t *rio = zio_root(dp->dp_spa, NULL, NULL, 0);
	while ((ds = txg_list_remove(&dp->dp_dirty_datasets, txg)) != NULL) {
		list_insert_tail(&synced, ds);
		dsl_dataset_sync(ds, rio, tx);
	}
	VERIFY0(zio_wait(rio));

	/* User accounting needs the final sizes, and is written in the same txg. */
	rio = zio_root(dp->dp_spa, NULL, NULL, 0);
	for (ds = list_head(&synced); ds != NULL; ds = list_next(&synced, ds)) {
		if (dmu_objset_do_userquota(ds->ds_objset, tx))
			dsl_dataset_sync(ds, rio, tx);
		/* The second write must not put it on the list of a later pass. */
		if (txg_list_remove_this(&dp->dp_dirty_datasets, ds, txg) != NULL)
			dsl_dataset_rele(ds, &dp->dp_dirty_datasets);
	}
	VERIFY0(zio_wait(rio));

	while ((ds = list_remove_head(&synced)) != NULL) {
		dsl_dataset_sync_done(ds, tx);
		dsl_dataset_rele(ds, &dp->dp_dirty_datasets);
	}
	list_destroy(&synced);
}

void
dsl_pool_sync(dsl_pool_t *dp, uint64_t txg)
{
	spa_t *spa = dp->dp_spa;
	dmu_tx_t *tx = dmu_tx_create_assigned(spa, txg);
	dsl_dir_t *dd;
	dsl_sync_task_t *dst;

	dp_sync_datasets(dp, tx);
	while ((dd = txg_list_remove(&dp->dp_dirty_dirs, txg)) != NULL)
		dsl_dir_sync(dd, tx);
	dp_sync_mos_deltas(dp, tx);
	if (dmu_objset_is_dirty(dp->dp_meta_objset, txg)) {
		zio_t *rio = zio_root(spa, NULL, NULL, 0);
		dmu_objset_sync(dp->dp_meta_objset, rio, tx);
		VERIFY0(zio_wait(rio));
		dmu_objset_sync_done(dp->dp_meta_objset, tx);
		spa->spa_uberblock.ub_rootbp = *dmu_objset_rootbp(dp->dp_meta_objset);
	}
	if (spa->spa_sync_pass == 1) {
		for (;;) {
			mutex_enter(&dp->dp_lock);
			dst = list_remove_head(&dp->dp_sync_tasks[txg & TXG_MASK]);
			mutex_exit(&dp->dp_lock);
			if (dst == NULL)
				break;
			dsl_sync_task_run(dst, tx);
		}
	}
	dmu_tx_commit(tx);
}

void
dsl_pool_sync_done(dsl_pool_t *dp, uint64_t txg)
{
	(void)dp;
	(void)txg;
}

uint64_t
dsl_pool_adjustedsize(dsl_pool_t *dp, int slop)
{
	spa_t *spa = dp->dp_spa;
	uint64_t space = spa_get_dspace(spa);
	uint64_t gone = spa_deferred_space(spa);

	if (slop < 3)
		gone += spa_get_slop_space(spa) >> slop;
	return (space > gone ? space - gone : 0);
}

void
dsl_pool_set_root_props(dsl_pool_t *dp, const nvlist_t *props, dmu_tx_t *tx)
{
	dsl_dataset_t *ds;

	VERIFY0(dsl_dataset_hold_obj(
	    dp, dsl_dir_phys(dp->dp_root_dir)->dd_head_dataset_obj, dp, &ds));
	dsl_props_set_sync_impl(ds, props, tx);
	dsl_props_refresh_all(dp);
	dsl_dataset_rele(ds, dp);
}
