/*
 * bpobj: a list of block pointers in an object, possibly with other lists hanging
 * below it (format/02 §6.1). Deadlists, the deferred-free list and free_bpobj are
 * made of them.
 *
 * Appending is cheap (a block of pointers is filled from the front); taking away goes
 * from the end, so that the object can be shortened as it is worked off. The header in
 * the bonus buffer carries the totals of everything below, sub-objects included.
 *
 * The shared empty bpobj (format/02 §6.2) stands for "nothing" in the many entries of
 * deadlists that never get a block; it is counted by the feature empty_bpobj.
 *
 * bpo_lock protects the header and the position; all changes are made by the sync
 * thread.
 */
#include "dsl/dsl_impl.h"

uint64_t
bpobj_alloc(objset_t *os, int blocksize, dmu_tx_t *tx)
{
	spa_t *spa = dmu_objset_spa(os);
	int size = BPOBJ_SIZE_V2;

	if (spa->spa_version < 3)
		size = BPOBJ_SIZE_V0;
	else if (spa->spa_version < 26)
		size = BPOBJ_SIZE_V1;
	else if (spa_feature_is_active(spa, SPA_FEATURE_LIVELIST))
		size = BPOBJ_SIZE_V3;
	return (dmu_object_alloc(
	    os, DMU_OT_BPOBJ, blocksize, DMU_OT_BPOBJ_HDR, size, tx));
}

uint64_t
bpobj_alloc_empty(dsl_pool_t *dp, dmu_tx_t *tx)
{
	spa_t *spa = dp->dp_spa;
	objset_t *mos = dp->dp_meta_objset;

	if (!spa_feature_is_enabled(spa, SPA_FEATURE_EMPTY_BPOBJ))
		return (bpobj_alloc(mos, SPA_OLD_MAXBLOCKSIZE, tx));
	if (!spa_feature_is_active(spa, SPA_FEATURE_EMPTY_BPOBJ)) {
		ASSERT0(dp->dp_empty_bpobj);
		dp->dp_empty_bpobj = bpobj_alloc(mos, SPA_OLD_MAXBLOCKSIZE, tx);
		VERIFY0(zap_add(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_EMPTY_BPOBJ,
		    sizeof (uint64_t), 1, &dp->dp_empty_bpobj, tx));
	}
	spa_feature_incr(spa, SPA_FEATURE_EMPTY_BPOBJ, dmu_tx_get_txg(tx));
	return (dp->dp_empty_bpobj);
}

void
bpobj_decr_empty(dsl_pool_t *dp, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;

	spa_feature_decr(dp->dp_spa, SPA_FEATURE_EMPTY_BPOBJ, dmu_tx_get_txg(tx));
	if (spa_feature_is_active(dp->dp_spa, SPA_FEATURE_EMPTY_BPOBJ))
		return;
	VERIFY0(zap_remove(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_EMPTY_BPOBJ, tx));
	VERIFY0(dmu_object_free(mos, dp->dp_empty_bpobj, tx));
	dp->dp_empty_bpobj = 0;
}

static bpobj_phys_t *
bpobj_phys(bpobj_t *bpo)
{
	return (bpobj_phys_of(bpo->bpo_dbuf->db_data, bpo->bpo_dbuf->db_size));
}

int
bpobj_open(bpobj_t *bpo, objset_t *os, uint64_t obj)
{
	dmu_object_info_t doi;
	int err;

	memset(bpo, 0, sizeof (*bpo));
	if ((err = dmu_object_info(os, obj, &doi)) != 0)
		return (err);
	if (doi.doi_type != DMU_OT_BPOBJ || doi.doi_bonus_type != DMU_OT_BPOBJ_HDR ||
	    doi.doi_bonus_size < BPOBJ_SIZE_V0)
		return (EINVAL);
	if ((err = dmu_bonus_hold(os, obj, bpo, &bpo->bpo_dbuf)) != 0)
		return (err);
	mutex_init(&bpo->bpo_lock);
	bpo->bpo_os = os;
	bpo->bpo_object = obj;
	bpo->bpo_blksz = doi.doi_data_block_size;
	bpo->bpo_epb = (int)(doi.doi_data_block_size / sizeof (blkptr_t));
	bpo->bpo_havecomp = doi.doi_bonus_size >= BPOBJ_SIZE_V1;
	bpo->bpo_havesubobj = doi.doi_bonus_size >= BPOBJ_SIZE_V2;
	bpo->bpo_havefreed = doi.doi_bonus_size >= BPOBJ_SIZE_V3;
	return (0);
}

void
bpobj_close(bpobj_t *bpo)
{
	if (bpo->bpo_dbuf == NULL)
		return;
	dmu_buf_rele(bpo->bpo_dbuf, bpo);
	mutex_destroy(&bpo->bpo_lock);
	bpo->bpo_dbuf = NULL;
	bpo->bpo_object = 0;
}

static bool
bpobj_is_empty_locked(bpobj_t *bpo)
{
	bpobj_phys_t *p = bpobj_phys(bpo);

	return (p->bpo_num_blkptrs == 0 &&
	    (!bpo->bpo_havesubobj || p->bpo_num_subobjs == 0));
}

bool
bpobj_is_empty(bpobj_t *bpo)
{
	mutex_enter(&bpo->bpo_lock);
	bool empty = bpobj_is_empty_locked(bpo);
	mutex_exit(&bpo->bpo_lock);
	return (empty);
}

void
bpobj_space(bpobj_t *bpo, uint64_t *used, uint64_t *comp, uint64_t *uncomp)
{
	mutex_enter(&bpo->bpo_lock);
	bpobj_phys_t *p = bpobj_phys(bpo);
	*used = p->bpo_bytes;
	*comp = bpo->bpo_havecomp ? p->bpo_comp : 0;
	*uncomp = bpo->bpo_havecomp ? p->bpo_uncomp : 0;
	mutex_exit(&bpo->bpo_lock);
}

static int
bpobj_get_subobj(bpobj_t *bpo, uint64_t i, uint64_t *subobj)
{
	return (dmu_read(bpo->bpo_os, bpobj_phys(bpo)->bpo_subobjs, i * sizeof (uint64_t),
	    sizeof (uint64_t), subobj, DMU_READ_NO_PREFETCH));
}

/*
 * Free the objects of a list, not the blocks it names. Recursion is bounded, so that a
 * cycle in a damaged pool ends.
 */
static void
bpobj_free_depth(dsl_pool_t *dp, uint64_t obj, dmu_tx_t *tx, int depth)
{
	objset_t *mos = dp->dp_meta_objset;
	bpobj_t bpo;

	if (obj == dp->dp_empty_bpobj && obj != 0) {
		bpobj_decr_empty(dp, tx);
		return;
	}
	if (depth > BPOBJ_MAX_DEPTH || bpobj_open(&bpo, mos, obj) != 0)
		return;
	if (bpo.bpo_havesubobj && bpobj_phys(&bpo)->bpo_subobjs != 0) {
		uint64_t n = bpobj_phys(&bpo)->bpo_num_subobjs;
		for (uint64_t i = 0; i < n; i++) {
			uint64_t sub;
			if (bpobj_get_subobj(&bpo, i, &sub) != 0)
				break;
			bpobj_free_depth(dp, sub, tx, depth + 1);
		}
		(void)dmu_object_free(mos, bpobj_phys(&bpo)->bpo_subobjs, tx);
	}
	bpobj_close(&bpo);
	VERIFY0(dmu_object_free(mos, obj, tx));
}

void
bpobj_free(dsl_pool_t *dp, uint64_t obj, dmu_tx_t *tx)
{
	bpobj_free_depth(dp, obj, tx, 0);
}

void
bpobj_enqueue(bpobj_t *bpo, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	blkptr_t stored;
	dmu_buf_t *db;

	ASSERT(!BP_IS_HOLE(bp));
	bpobj_entry_make(&stored, bp, bp_freed);
	mutex_enter(&bpo->bpo_lock);
	dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
	bpobj_phys_t *p = bpobj_phys(bpo);
	uint64_t off = p->bpo_num_blkptrs * sizeof (blkptr_t);
	/* The first pointer of a block creates it; nothing has to be read then. */
	VERIFY0(dmu_buf_hold(bpo->bpo_os, bpo->bpo_object, off, bpo, &db,
	    DMU_READ_NO_PREFETCH));
	dmu_buf_will_dirty(db, tx);
	*indirect_block_bp(db->db_data, db->db_size, (off - db->db_offset) / sizeof (blkptr_t)) =
	    stored;
	dmu_buf_rele(db, bpo);

	int sign = bp_freed ? -1 : 1;
	p = bpobj_phys(bpo);
	p->bpo_num_blkptrs++;
	p->bpo_bytes += sign * (int64_t)bp_get_dsize(dmu_objset_spa(bpo->bpo_os), bp);
	if (bpo->bpo_havecomp) {
		p->bpo_comp += sign * (int64_t)dsl_bp_psize(bp);
		p->bpo_uncomp += sign * (int64_t)BP_GET_UCSIZE(bp);
	}
	if (bp_freed) {
		ASSERT(bpo->bpo_havefreed);
		p->bpo_num_freed++;
	}
	mutex_exit(&bpo->bpo_lock);
}

void
bpobj_enqueue_subobj(dsl_pool_t *dp, bpobj_t *bpo, uint64_t subobj, dmu_tx_t *tx)
{
	objset_t *mos = bpo->bpo_os;
	bpobj_t sub;

	ASSERT(bpo->bpo_havesubobj);
	ASSERT(bpo->bpo_object != dp->dp_empty_bpobj);
	if (subobj == dp->dp_empty_bpobj) {
		bpobj_decr_empty(dp, tx);
		return;
	}
	VERIFY0(bpobj_open(&sub, mos, subobj));
	if (bpobj_is_empty(&sub)) {
		bpobj_close(&sub);
		bpobj_free(dp, subobj, tx);
		return;
	}
	uint64_t used, comp, uncomp;
	bpobj_space(&sub, &used, &comp, &uncomp);
	bpobj_close(&sub);

	mutex_enter(&bpo->bpo_lock);
	dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
	bpobj_phys_t *p = bpobj_phys(bpo);
	if (p->bpo_subobjs == 0) {
		uint64_t obj = dmu_object_alloc(
		    mos, DMU_OT_BPOBJ_SUBOBJ, SPA_OLD_MAXBLOCKSIZE, DMU_OT_NONE, 0, tx);
		p = bpobj_phys(bpo);
		p->bpo_subobjs = obj;
	}
	VERIFY0(dmu_write(mos, p->bpo_subobjs, p->bpo_num_subobjs * sizeof (uint64_t),
	    sizeof (uint64_t), &subobj, tx));
	p = bpobj_phys(bpo);
	p->bpo_num_subobjs++;
	p->bpo_bytes += used;
	p->bpo_comp += comp;
	p->bpo_uncomp += uncomp;
	mutex_exit(&bpo->bpo_lock);
}

/* One level of an iteration; `up` leads to the lists above, whose totals shrink as well. */
typedef struct bpobj_level {
	struct bpobj_level *bl_up;
	bpobj_t *bl_bpo;
	int bl_depth;
} bpobj_level_t;

static void
bpobj_subtract(bpobj_level_t *bl, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	int sign = bp_freed ? 1 : -1;

	for (; bl != NULL; bl = bl->bl_up) {
		bpobj_t *bpo = bl->bl_bpo;
		mutex_enter(&bpo->bpo_lock);
		dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
		bpobj_phys_t *p = bpobj_phys(bpo);
		p->bpo_bytes += sign * (int64_t)bp_get_dsize(dmu_objset_spa(bpo->bpo_os), bp);
		if (bpo->bpo_havecomp) {
			p->bpo_comp += sign * (int64_t)dsl_bp_psize(bp);
			p->bpo_uncomp += sign * (int64_t)BP_GET_UCSIZE(bp);
		}
		mutex_exit(&bpo->bpo_lock);
	}
}

static int
bpobj_iterate_blkptrs(
    bpobj_level_t *bl, bpobj_itor_t *func, void *arg, bool take, dmu_tx_t *tx)
{
	bpobj_t *bpo = bl->bl_bpo;
	dmu_buf_t *db = NULL;
	int err = 0;
	uint64_t i = bpobj_phys(bpo)->bpo_num_blkptrs;

	while (i > 0 && err == 0) {
		uint64_t off = (i - 1) * sizeof (blkptr_t);
		if (db == NULL || off < db->db_offset) {
			if (db != NULL)
				dmu_buf_rele(db, bpo);
			db = NULL;
			err = dmu_buf_hold(bpo->bpo_os, bpo->bpo_object, off, bpo, &db,
			    DMU_READ_NO_PREFETCH);
			if (err != 0)
				break;
		}
		blkptr_t bp = *indirect_block_bp(
		    db->db_data, db->db_size, (off - db->db_offset) / sizeof (blkptr_t));
		bool bp_freed = bpobj_entry_freed(&bp);
		err = func(arg, &bp, bp_freed, tx);
		if (err != 0)
			break;
		i--;
		if (take) {
			dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
			bpobj_phys(bpo)->bpo_num_blkptrs--;
			if (bp_freed && bpo->bpo_havefreed)
				bpobj_phys(bpo)->bpo_num_freed--;
			bpobj_subtract(bl, &bp, bp_freed, tx);
		}
	}
	if (db != NULL)
		dmu_buf_rele(db, bpo);
	if (take) {
		/* Blocks that hold no pointer any more go back. */
		uint64_t keep = P2ROUNDUP(i * sizeof (blkptr_t), bpo->bpo_blksz);
		VERIFY0(dmu_free_range(
		    bpo->bpo_os, bpo->bpo_object, keep, DMU_OBJECT_END, tx));
	}
	return (err);
}

static int bpobj_iterate_level(
    bpobj_level_t *bl, bpobj_itor_t *func, void *arg, bool take, dmu_tx_t *tx);

static int
bpobj_iterate_subobjs(
    bpobj_level_t *bl, bpobj_itor_t *func, void *arg, bool take, dmu_tx_t *tx)
{
	bpobj_t *bpo = bl->bl_bpo;
	int err = 0;

	if (!bpo->bpo_havesubobj || bpobj_phys(bpo)->bpo_subobjs == 0)
		return (0);
	if (bl->bl_depth >= BPOBJ_MAX_DEPTH)
		return (ELOOP);
	for (uint64_t i = bpobj_phys(bpo)->bpo_num_subobjs; i > 0; i--) {
		uint64_t obj;
		bpobj_t sub;
		bpobj_level_t below = { bl, &sub, bl->bl_depth + 1 };

		if ((err = bpobj_get_subobj(bpo, i - 1, &obj)) != 0)
			return (err);
		if ((err = bpobj_open(&sub, bpo->bpo_os, obj)) != 0)
			return (err);
		err = bpobj_iterate_level(&below, func, arg, take, tx);
		bool empty = bpobj_is_empty(&sub);
		bpobj_close(&sub);
		if (err != 0)
			return (err);
		if (take && empty) {
			VERIFY0(dmu_object_free(bpo->bpo_os, obj, tx));
			dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
			bpobj_phys(bpo)->bpo_num_subobjs--;
		}
	}
	if (take && bpobj_phys(bpo)->bpo_num_subobjs == 0) {
		dmu_buf_will_dirty(bpo->bpo_dbuf, tx);
		VERIFY0(dmu_object_free(bpo->bpo_os, bpobj_phys(bpo)->bpo_subobjs, tx));
		bpobj_phys(bpo)->bpo_subobjs = 0;
	}
	return (0);
}

static int
bpobj_iterate_level(
    bpobj_level_t *bl, bpobj_itor_t *func, void *arg, bool take, dmu_tx_t *tx)
{
	int err = bpobj_iterate_blkptrs(bl, func, arg, take, tx);

	if (err == 0)
		err = bpobj_iterate_subobjs(bl, func, arg, take, tx);
	return (err);
}

int
bpobj_iterate(bpobj_t *bpo, bpobj_itor_t *func, void *arg, dmu_tx_t *tx)
{
	bpobj_level_t top = { NULL, bpo, 0 };

	return (bpobj_iterate_level(&top, func, arg, true, tx));
}

int
bpobj_iterate_nofree(bpobj_t *bpo, bpobj_itor_t *func, void *arg)
{
	bpobj_level_t top = { NULL, bpo, 0 };

	return (bpobj_iterate_level(&top, func, arg, false, NULL));
}
