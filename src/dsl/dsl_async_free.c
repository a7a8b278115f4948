/*
 * Freeing in the background: blocks of destroyed datasets (bptree, format/02 §6.3) and
 * of destroyed snapshots (free_bpobj, format/02 §6.6) are freed a slice at a time by the
 * sync thread. Both are charged to $FREE until they are really gone.
 *
 * A bptree entry is walked children first, so that the place where a slice stopped can be
 * found again: what leads there has not been freed yet.
 */
#include "dsl/dsl_impl.h"

/* As marked by others in the bookmark of an entry: no objset, a destroyed one. */
#define ZB_DESTROYED_OBJSET UINT64_MAX

/* A slice ends after this many blocks or this long; the rest of the txg wants its turn. */
#define FREE_SLICE_BLOCKS 100000
#define FREE_SLICE_TIME MSEC2NSEC(500)

typedef struct free_slice {
	dsl_pool_t *fs_dp;
	dmu_tx_t *fs_tx;
	uint64_t fs_blocks;
	hrtime_t fs_deadline;
	int64_t fs_used, fs_comp, fs_uncomp; /* freed, not yet taken off $FREE */
} free_slice_t;

static bool
slice_over(free_slice_t *fs)
{
	return (fs->fs_blocks >= FREE_SLICE_BLOCKS || gethrtime() > fs->fs_deadline);
}

static void
slice_free(free_slice_t *fs, const blkptr_t *bp)
{
	spa_t *spa = fs->fs_dp->dp_spa;

	fs->fs_blocks++;
	fs->fs_used += (int64_t)bp_get_dsize(spa, bp);
	fs->fs_comp += (int64_t)dsl_bp_psize(bp);
	fs->fs_uncomp += (int64_t)BP_GET_UCSIZE(bp);
	if (!BP_IS_EMBEDDED(bp))
		spa_free_block(spa, dmu_tx_get_txg(fs->fs_tx), bp);
}

static void
slice_charge(free_slice_t *fs)
{
	if (fs->fs_used != 0 || fs->fs_comp != 0 || fs->fs_uncomp != 0)
		dsl_dir_diduse_space(fs->fs_dp->dp_free_dir, DD_USED_HEAD, -fs->fs_used,
		    -fs->fs_comp, -fs->fs_uncomp, fs->fs_tx);
	fs->fs_used = fs->fs_comp = fs->fs_uncomp = 0;
}

/* ---- bptree ---------------------------------------------------------------------------------- */

static bptree_phys_t *
bptree_phys(dmu_buf_t *db)
{
	return (bptree_phys_of(db->db_data, db->db_size));
}

void
dsl_scan_free_queue_bptree(dsl_pool_t *dp, const blkptr_t *bp, uint64_t mintxg, uint64_t used,
    uint64_t comp, uint64_t uncomp, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;
	bptree_entry_phys_t be;
	dmu_buf_t *db;

	if (dp->dp_bptree_obj == 0) {
		dp->dp_bptree_obj = dmu_object_alloc(mos, DMU_OTN_UINT64_METADATA,
		    SPA_OLD_MAXBLOCKSIZE, DMU_OTN_UINT64_METADATA, sizeof (bptree_phys_t), tx);
		VERIFY0(zap_add(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_BPTREE_OBJ,
		    sizeof (uint64_t), 1, &dp->dp_bptree_obj, tx));
		spa_feature_incr(dp->dp_spa, SPA_FEATURE_ASYNC_DESTROY, dmu_tx_get_txg(tx));
	}
	memset(&be, 0, sizeof (be));
	be.be_bp = *bp;
	be.be_birth_txg = mintxg;
	VERIFY0(dmu_bonus_hold(mos, dp->dp_bptree_obj, dp, &db));
	dmu_buf_will_dirty(db, tx);
	VERIFY0(dmu_write(mos, dp->dp_bptree_obj, bptree_phys(db)->bt_end * sizeof (be),
	    sizeof (be), &be, tx));
	bptree_phys(db)->bt_end++;
	bptree_phys(db)->bt_bytes += used;
	bptree_phys(db)->bt_comp += comp;
	bptree_phys(db)->bt_uncomp += uncomp;
	dmu_buf_rele(db, dp);
}

static int
bptree_visit(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	free_slice_t *fs = arg;

	(void)spa;
	(void)zb;
	(void)dnp;
	(void)data;
	if (BP_IS_HOLE(bp) || BP_IS_REDACTED(bp))
		return (0);
	if (slice_over(fs))
		return (EINTR);
	slice_free(fs, bp);
	return (0);
}

/* Work on one entry: 0 done, EINTR more to do. */
static int
bptree_free_entry(free_slice_t *fs, dmu_buf_t *db, uint64_t index)
{
	dsl_pool_t *dp = fs->fs_dp;
	objset_t *mos = dp->dp_meta_objset;
	bptree_entry_phys_t be;
	int err = dmu_read(mos, dp->dp_bptree_obj, index * sizeof (be), sizeof (be), &be,
	    DMU_READ_NO_PREFETCH);

	if (err != 0)
		return (err);
	if (be.be_birth_txg == UINT64_MAX)
		return (0);
	/* What cannot be read cannot be freed: it stays allocated and ends up in $LEAK. */
	err = traverse_objset_bp(dp->dp_spa, ZB_DESTROYED_OBJSET, &be.be_bp, be.be_birth_txg,
	    &be.be_zb, TRAVERSE_POST | TRAVERSE_HARD | TRAVERSE_NO_HOLES, bptree_visit, fs);
	dmu_buf_will_dirty(db, fs->fs_tx);
	bptree_phys(db)->bt_bytes -= (uint64_t)fs->fs_used;
	bptree_phys(db)->bt_comp -= (uint64_t)fs->fs_comp;
	bptree_phys(db)->bt_uncomp -= (uint64_t)fs->fs_uncomp;
	slice_charge(fs);
	if (err == EINTR) {
		VERIFY0(dmu_write(
		    mos, dp->dp_bptree_obj, index * sizeof (be), sizeof (be), &be, fs->fs_tx));
		return (EINTR);
	}
	if (err != 0)
		spl_log(LOG_WARNING, "%s: freeing a destroyed dataset: error %d, space leaked",
		    dp->dp_spa->spa_name, err);
	return (0);
}

static void
bptree_destroy(dsl_pool_t *dp, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;

	VERIFY0(zap_remove(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_BPTREE_OBJ, tx));
	VERIFY0(dmu_object_free(mos, dp->dp_bptree_obj, tx));
	dp->dp_bptree_obj = 0;
	spa_feature_decr(dp->dp_spa, SPA_FEATURE_ASYNC_DESTROY, dmu_tx_get_txg(tx));
}

static void
free_bptree(free_slice_t *fs)
{
	dsl_pool_t *dp = fs->fs_dp;
	dmu_buf_t *db;

	if (dp->dp_bptree_obj == 0 ||
	    dmu_bonus_hold(dp->dp_meta_objset, dp->dp_bptree_obj, fs, &db) != 0)
		return;
	while (bptree_phys(db)->bt_begin < bptree_phys(db)->bt_end && !slice_over(fs)) {
		uint64_t i = bptree_phys(db)->bt_begin;
		if (bptree_free_entry(fs, db, i) != 0)
			break;
		dmu_buf_will_dirty(db, fs->fs_tx);
		bptree_phys(db)->bt_begin++;
		VERIFY0(dmu_free_range(dp->dp_meta_objset, dp->dp_bptree_obj,
		    i * sizeof (bptree_entry_phys_t), sizeof (bptree_entry_phys_t), fs->fs_tx));
	}
	bool empty = bptree_phys(db)->bt_begin == bptree_phys(db)->bt_end;
	dmu_buf_rele(db, fs);
	if (empty)
		bptree_destroy(dp, fs->fs_tx);
}

/* ---- free_bpobj --------------------------------------------------------------------------------- */

static int
free_bpobj_visit(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	free_slice_t *fs = arg;

	(void)bp_freed;
	(void)tx;
	if (slice_over(fs))
		return (EINTR);
	slice_free(fs, bp);
	return (0);
}

/* What nobody will free any more is shown as leaked, not as being freed (format/03 §2.8). */
static void
move_rest_to_leak(dsl_pool_t *dp, dmu_tx_t *tx)
{
	mutex_enter(&dp->dp_free_dir->dd_lock);
	dsl_dir_phys_t *p = dsl_dir_phys(dp->dp_free_dir);
	int64_t used = (int64_t)p->dd_used_bytes, comp = (int64_t)p->dd_compressed_bytes;
	int64_t uncomp = (int64_t)p->dd_uncompressed_bytes;
	mutex_exit(&dp->dp_free_dir->dd_lock);
	if (used == 0 && comp == 0 && uncomp == 0)
		return;
	if (dp->dp_leak_dir == NULL) {
		(void)dsl_dir_create_sync(dp, dp->dp_root_dir, LEAK_DIR_NAME, tx);
		VERIFY0(dsl_dir_open_special(dp, LEAK_DIR_NAME, &dp->dp_leak_dir));
	}
	dsl_dir_diduse_space(dp->dp_leak_dir, DD_USED_HEAD, used, comp, uncomp, tx);
	dsl_dir_diduse_space(dp->dp_free_dir, DD_USED_HEAD, -used, -comp, -uncomp, tx);
}

bool
dsl_async_free_pending(dsl_pool_t *dp)
{
	return (dp->dp_bptree_obj != 0 ||
	    (dp->dp_free_bpobj_open && !bpobj_is_empty(&dp->dp_free_bpobj)));
}

void
dsl_async_free_sync(dsl_pool_t *dp, dmu_tx_t *tx)
{
	free_slice_t fs = { .fs_dp = dp,
		.fs_tx = tx,
		.fs_deadline = gethrtime() + FREE_SLICE_TIME };

	if (!dsl_async_free_pending(dp))
		return;
	if (dp->dp_free_bpobj_open && !bpobj_is_empty(&dp->dp_free_bpobj)) {
		int err = bpobj_iterate(&dp->dp_free_bpobj, free_bpobj_visit, &fs, tx);
		if (err != 0 && err != EINTR)
			spl_log(LOG_WARNING, "%s: free list: error %d",
			    dp->dp_spa->spa_name, err);
		slice_charge(&fs);
	}
	free_bptree(&fs);
	if (!dsl_async_free_pending(dp))
		move_rest_to_leak(dp, tx);
	else
		txg_kick(dp->dp_spa, dmu_tx_get_txg(tx) + 1);
}
