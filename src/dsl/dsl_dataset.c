/*
 * Datasets: object sets with a place in history (format/03 §1.3, §2.3–§2.8). A dataset
 * is a head (the live state) or a snapshot; its record is the bonus buffer of a MOS
 * object, its handle a dsl_dataset_t found by object number in dp_datasets.
 *
 * block_born and block_kill are the accounts of everything: each block of a head is
 * charged once when its pointer becomes final and released once when the head lets go of
 * it, either by freeing it (no snapshot knows it) or by handing it to the deadlist. They
 * run on zio threads; the deadlist, which is a set of objects, is filled afterwards by the
 * sync thread from ds_pending.
 */
#include "dsl/dsl_impl.h"

typedef struct ds_pending {
	list_node_t pb_node;
	blkptr_t pb_bp;
} ds_pending_t;

dsl_dataset_phys_t *
dsl_dataset_phys(dsl_dataset_t *ds)
{
	return (dsl_dataset_phys_of(ds->ds_dbuf->db_data, ds->ds_dbuf->db_size));
}

/* ---- holds ------------------------------------------------------------------------------ */

static dsl_dataset_t *
ds_find_hold(dsl_pool_t *dp, uint64_t dsobj)
{
	dsl_dataset_t key = { .ds_object = dsobj };

	ASSERT(MUTEX_HELD(&dp->dp_lock));
	dsl_dataset_t *ds = avl_find(&dp->dp_datasets, &key, NULL);
	if (ds != NULL)
		ds->ds_holds++;
	return (ds);
}

void
dsl_dataset_add_hold(dsl_dataset_t *ds, const void *tag)
{
	(void)tag;
	mutex_enter(&ds->ds_pool->dp_lock);
	ds->ds_holds++;
	mutex_exit(&ds->ds_pool->dp_lock);
}

static void
ds_free(dsl_dataset_t *ds)
{
	if (ds->ds_objset != NULL)
		dmu_objset_close_impl(ds->ds_objset);
	if (ds->ds_deadlist_open)
		dsl_deadlist_close(&ds->ds_deadlist);
	if (ds->ds_prev != NULL)
		dsl_dataset_rele(ds->ds_prev, ds);
	if (ds->ds_dir != NULL)
		dsl_dir_rele(ds->ds_dir, ds);
	if (ds->ds_dbuf != NULL)
		dmu_buf_rele(ds->ds_dbuf, ds);
	list_destroy(&ds->ds_pending);
	mutex_destroy(&ds->ds_pending_lock);
	mutex_destroy(&ds->ds_opening_lock);
	mutex_destroy(&ds->ds_lock);
	kmem_free(ds, sizeof (*ds));
}

/* Which per-dataset features does this dataset have on disk? */
static int
ds_load_features(dsl_dataset_t *ds)
{
	objset_t *mos = ds->ds_pool->dp_meta_objset;
	dmu_object_info_t doi;
	int err = dmu_object_info(mos, ds->ds_object, &doi);

	if (err != 0 || doi.doi_type != DMU_OTN_ZAP_METADATA)
		return (err);
	for (int f = 0; f < SPA_FEATURES; f++) {
		if (!(spa_feature_table[f].fi_flags & ZFEATURE_FLAG_PER_DATASET))
			continue;
		err = zap_contains(mos, ds->ds_object, spa_feature_table[f].fi_guid);
		if (err == 0)
			ds->ds_features |= 1ULL << f;
		else if (err != ENOENT)
			return (err);
	}
	return (0);
}

static int
ds_open(dsl_pool_t *dp, uint64_t dsobj, bool is_prev, dsl_dataset_t **dsp)
{
	objset_t *mos = dp->dp_meta_objset;
	dmu_object_info_t doi;
	int err = dmu_object_info(mos, dsobj, &doi);

	if (err != 0)
		return (err);
	if (doi.doi_bonus_type != DMU_OT_DSL_DATASET ||
	    doi.doi_bonus_size < sizeof (dsl_dataset_phys_t))
		return (EINVAL);
	dsl_dataset_t *ds = kmem_zalloc(sizeof (*ds), KM_SLEEP);
	ds->ds_object = dsobj;
	ds->ds_pool = dp;
	ds->ds_holds = 1;
	mutex_init(&ds->ds_lock);
	mutex_init(&ds->ds_opening_lock);
	mutex_init(&ds->ds_pending_lock);
	list_create(&ds->ds_pending, sizeof (ds_pending_t), offsetof(ds_pending_t, pb_node));
	if ((err = dmu_bonus_hold(mos, dsobj, ds, &ds->ds_dbuf)) != 0)
		goto fail;
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	ds->ds_is_snapshot = p->ds_num_children != 0;
	if ((err = dsl_dir_hold_obj(dp, p->ds_dir_obj, NULL, ds, &ds->ds_dir)) != 0)
		goto fail;
	if ((err = ds_load_features(ds)) != 0)
		goto fail;
	/* A head works against its previous snapshot; that one's own past does not matter. */
	if (!ds->ds_is_snapshot && p->ds_prev_snap_obj != 0 && !is_prev &&
	    (err = dsl_dataset_hold_obj(dp, p->ds_prev_snap_obj, ds, &ds->ds_prev)) != 0)
		goto fail;
	if (p->ds_deadlist_obj != 0) {
		err = dsl_deadlist_open(&ds->ds_deadlist, dp, p->ds_deadlist_obj);
		if (err != 0)
			goto fail;
		ds->ds_deadlist_open = true;
	}

	mutex_enter(&dp->dp_lock);
	dsl_dataset_t *other = ds_find_hold(dp, dsobj);
	if (other == NULL)
		avl_add(&dp->dp_datasets, ds);
	mutex_exit(&dp->dp_lock);
	if (other != NULL) {
		ds_free(ds);
		ds = other;
	} else if (!ds->ds_is_snapshot) {
		(void)dsl_prop_get_int(ds, "refquota", &ds->ds_quota, NULL, NULL);
		(void)dsl_prop_get_int(ds, "refreservation", &ds->ds_reserved, NULL, NULL);
	}
	*dsp = ds;
	return (0);
fail:
	ds_free(ds);
	return (err);
}

int
dsl_dataset_hold_obj(dsl_pool_t *dp, uint64_t dsobj, const void *tag, dsl_dataset_t **dsp)
{
	(void)tag;
	mutex_enter(&dp->dp_lock);
	dsl_dataset_t *ds = ds_find_hold(dp, dsobj);
	mutex_exit(&dp->dp_lock);
	if (ds == NULL)
		return (ds_open(dp, dsobj, false, dsp));
	*dsp = ds;
	return (0);
}

void
dsl_dataset_rele(dsl_dataset_t *ds, const void *tag)
{
	dsl_pool_t *dp = ds->ds_pool;

	(void)tag;
	mutex_enter(&dp->dp_lock);
	ASSERT3U(ds->ds_holds, >, 0);
	if (--ds->ds_holds > 0) {
		mutex_exit(&dp->dp_lock);
		return;
	}
	avl_remove(&dp->dp_datasets, ds);
	mutex_exit(&dp->dp_lock);
	ds_free(ds);
}

int
dsl_dataset_hold(dsl_pool_t *dp, const char *name, const void *tag, dsl_dataset_t **dsp)
{
	dsl_dir_t *dd;
	const char *tail;
	dsl_dataset_t *ds;
	int err = dsl_dir_hold(dp, name, tag, &dd, &tail);

	if (err != 0)
		return (err);
	uint64_t head = dsl_dir_phys(dd)->dd_head_dataset_obj;
	const char *at = strchr(name, '@');
	if (tail != NULL && (at == NULL || tail != at))
		err = ENOENT;
	else if (head == 0)
		err = ENOENT;
	else
		err = dsl_dataset_hold_obj(dp, head, tag, &ds);
	dsl_dir_rele(dd, tag);
	if (err != 0)
		return (err);
	if (at != NULL) {
		uint64_t obj;
		dsl_dataset_t *snap;
		dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
		uint32_t mt = (p->ds_flags & DS_FLAG_CI_DATASET) ? MT_NORMALIZE : 0;

		err = zap_lookup_norm(dp->dp_meta_objset, p->ds_snapnames_zapobj, at + 1,
		    sizeof (uint64_t), 1, &obj, mt, NULL, 0, NULL);
		if (err == ENOTSUP && mt != 0)
			err = zap_lookup(dp->dp_meta_objset, p->ds_snapnames_zapobj, at + 1,
			    sizeof (uint64_t), 1, &obj);
		if (err == 0)
			err = dsl_dataset_hold_obj(dp, obj, tag, &snap);
		dsl_dataset_rele(ds, tag);
		if (err != 0)
			return (err);
		ds = snap;
	}
	*dsp = ds;
	return (0);
}

int
dsl_dataset_own(dsl_pool_t *dp, const char *name, const void *tag, dsl_dataset_t **dsp)
{
	dsl_dataset_t *ds;
	int err = dsl_dataset_hold(dp, name, tag, &ds);

	if (err != 0)
		return (err);
	mutex_enter(&dp->dp_lock);
	if (ds->ds_owner != NULL || ds->ds_dead ||
	    (dsl_dataset_phys(ds)->ds_flags & DS_FLAG_INCONSISTENT))
		err = EBUSY;
	else
		ds->ds_owner = tag;
	mutex_exit(&dp->dp_lock);
	if (err != 0) {
		dsl_dataset_rele(ds, tag);
		return (err);
	}
	*dsp = ds;
	return (0);
}

void
dsl_dataset_disown(dsl_dataset_t *ds, const void *tag)
{
	mutex_enter(&ds->ds_pool->dp_lock);
	VERIFY(ds->ds_owner == tag);
	ds->ds_owner = NULL;
	mutex_exit(&ds->ds_pool->dp_lock);
	dsl_dataset_rele(ds, tag);
}

bool
dsl_dataset_owned(dsl_dataset_t *ds)
{
	mutex_enter(&ds->ds_pool->dp_lock);
	bool owned = ds->ds_owner != NULL;
	mutex_exit(&ds->ds_pool->dp_lock);
	return (owned);
}

int
dsl_dataset_get_snapname(dsl_dataset_t *ds)
{
	dsl_pool_t *dp = ds->ds_pool;
	uint64_t head = dsl_dir_phys(ds->ds_dir)->dd_head_dataset_obj;
	zap_cursor_t zc;
	zap_attribute_t *za;
	dsl_dataset_t *hds;
	int err;

	if (!ds->ds_is_snapshot || ds->ds_snapname[0] != '\0')
		return (0);
	if ((err = dsl_dataset_hold_obj(dp, head, ds, &hds)) != 0)
		return (err);
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_init(&zc, dp->dp_meta_objset, dsl_dataset_phys(hds)->ds_snapnames_zapobj);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (za->za_first_integer == ds->ds_object) {
			(void)snprintf(ds->ds_snapname, sizeof (ds->ds_snapname), "%.*s",
			    (int)sizeof (ds->ds_snapname) - 1, za->za_name);
			break;
		}
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	dsl_dataset_rele(hds, ds);
	return (err);
}

void
dsl_dataset_name(dsl_dataset_t *ds, char *buf)
{
	dsl_dir_name(ds->ds_dir, buf);
	if (ds->ds_is_snapshot && dsl_dataset_get_snapname(ds) == 0) {
		size_t len = strlen(buf);
		(void)snprintf(
		    buf + len, ZFS_MAX_DATASET_NAME_LEN - len, "@%s", ds->ds_snapname);
	}
}

int
dsl_dataset_get_objset(dsl_dataset_t *ds, objset_t **osp)
{
	int err = 0;

	mutex_enter(&ds->ds_opening_lock);
	if (ds->ds_objset == NULL) {
		blkptr_t bp = dsl_dataset_phys(ds)->ds_bp;
		err = dmu_objset_open_impl(ds->ds_pool->dp_spa, ds->ds_object, &bp,
		    &dsl_dataset_objset_ops, ds, &ds->ds_objset);
		if (err == 0) {
			dmu_objset_set_readonly(ds->ds_objset,
			    ds->ds_is_snapshot || !spa_writeable(ds->ds_pool->dp_spa));
			dsl_dataset_load_props(ds);
		}
	}
	mutex_exit(&ds->ds_opening_lock);
	if (err == 0)
		*osp = ds->ds_objset;
	return (err);
}

/* ---- birth and death of blocks ---------------------------------------------------------- */

/* The part of a change of `unique` that the refreservation does not already cover. */
static int64_t
ds_refrsrv_delta(dsl_dataset_t *ds, int64_t used)
{
	uint64_t unique = dsl_dataset_phys(ds)->ds_unique_bytes;

	if (ds->ds_reserved == 0)
		return (used);
	return ((int64_t)(MAX(unique + (uint64_t)used, ds->ds_reserved) -
	    MAX(unique, ds->ds_reserved)));
}

void
dsl_dataset_block_born(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx)
{
	if (BP_IS_HOLE(bp) || BP_IS_REDACTED(bp))
		return;
	int64_t used = (int64_t)bp_get_dsize(ds->ds_pool->dp_spa, bp);
	int64_t comp = (int64_t)dsl_bp_psize(bp);
	int64_t uncomp = (int64_t)BP_GET_UCSIZE(bp);

	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	mutex_enter(&ds->ds_lock);
	int64_t delta = ds_refrsrv_delta(ds, used);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	p->ds_referenced_bytes += (uint64_t)used;
	p->ds_compressed_bytes += (uint64_t)comp;
	p->ds_uncompressed_bytes += (uint64_t)uncomp;
	p->ds_unique_bytes += (uint64_t)used;
	mutex_exit(&ds->ds_lock);
	dsl_dir_transfer_space(
	    ds->ds_dir, delta, comp, uncomp, used, DD_USED_REFRSRV, DD_USED_HEAD, tx);
}

static void
ds_kill_unshared(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx)
{
	int64_t used = (int64_t)bp_get_dsize(ds->ds_pool->dp_spa, bp);
	int64_t comp = (int64_t)dsl_bp_psize(bp);
	int64_t uncomp = (int64_t)BP_GET_UCSIZE(bp);

	mutex_enter(&ds->ds_lock);
	int64_t delta = ds_refrsrv_delta(ds, -used);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	p->ds_unique_bytes -= (uint64_t)used;
	mutex_exit(&ds->ds_lock);
	dsl_dir_transfer_space(
	    ds->ds_dir, delta, -comp, -uncomp, -used, DD_USED_REFRSRV, DD_USED_HEAD, tx);
	spa_free_block(ds->ds_pool->dp_spa, dmu_tx_get_txg(tx), bp);
}

static void
ds_kill_shared(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx)
{
	uint64_t used = bp_get_dsize(ds->ds_pool->dp_spa, bp);
	ds_pending_t *pb = kmem_alloc(sizeof (*pb), KM_SLEEP);

	pb->pb_bp = *bp;
	mutex_enter(&ds->ds_pending_lock);
	list_insert_tail(&ds->ds_pending, pb);
	mutex_exit(&ds->ds_pending_lock);

	/* It is now the snapshot's alone, unless an older one or a clone has it, too. */
	dsl_dataset_t *prev = ds->ds_prev;
	if (dsl_dataset_phys(prev)->ds_next_snap_obj == ds->ds_object &&
	    BP_GET_BIRTH(bp) > dsl_dataset_phys(prev)->ds_prev_snap_txg) {
		dmu_buf_will_dirty(prev->ds_dbuf, tx);
		mutex_enter(&prev->ds_lock);
		dsl_dataset_phys(prev)->ds_unique_bytes += used;
		mutex_exit(&prev->ds_lock);
	}
	if (BP_GET_BIRTH(bp) > ds->ds_dir->dd_origin_txg)
		dsl_dir_shift_space(
		    ds->ds_dir, (int64_t)used, DD_USED_HEAD, DD_USED_SNAP, tx);
}

void
dsl_dataset_block_kill(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx)
{
	if (BP_IS_HOLE(bp) || BP_IS_REDACTED(bp))
		return;
	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	if (BP_GET_BIRTH(bp) > dsl_dataset_phys(ds)->ds_prev_snap_txg)
		ds_kill_unshared(ds, bp, tx);
	else
		ds_kill_shared(ds, bp, tx);
	mutex_enter(&ds->ds_lock);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	p->ds_referenced_bytes -= bp_get_dsize(ds->ds_pool->dp_spa, bp);
	p->ds_compressed_bytes -= dsl_bp_psize(bp);
	p->ds_uncompressed_bytes -= BP_GET_UCSIZE(bp);
	mutex_exit(&ds->ds_lock);
}

/* ---- what the dmu asks ------------------------------------------------------------------- */

static void
dsl_os_dirty(objset_t *os, dmu_tx_t *tx)
{
	dsl_dataset_t *ds = dmu_objset_private(os);

	VERIFY(!ds->ds_is_snapshot);
	if (txg_list_add(&ds->ds_pool->dp_dirty_datasets, ds, dmu_tx_get_txg(tx)))
		dsl_dataset_add_hold(ds, &ds->ds_pool->dp_dirty_datasets);
}

static void
dsl_os_born(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	dsl_dataset_block_born(dmu_objset_private(os), bp, tx);
}

static void
dsl_os_kill(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	dsl_dataset_block_kill(dmu_objset_private(os), bp, tx);
}

/* Blocks as they will lie on the devices, with copies and metadata: on the high side. */
#define DIRTY_INFLATION 2

/*
 * The transaction has committed: what it was promised is replaced by what is dirty.
 */
static void
dsl_os_tempreserve_clear(objset_t *os, void *cookie, dmu_tx_t *tx)
{
	dsl_dataset_t *ds = dmu_objset_private(os);
	uint64_t txg = dmu_tx_get_txg(tx);
	uint64_t copies = __atomic_load_n(&dmu_objset_props(os)->op_copies, __ATOMIC_RELAXED);
	uint64_t dirty = dmu_objset_dirty_bytes(os, txg) * DIRTY_INFLATION * MAX(copies, 1);
	uint64_t more = 0;

	mutex_enter(&ds->ds_lock);
	if (dirty > ds->ds_promised[txg & TXG_MASK]) {
		more = dirty - ds->ds_promised[txg & TXG_MASK];
		ds->ds_promised[txg & TXG_MASK] = dirty;
	}
	mutex_exit(&ds->ds_lock);
	dsl_pool_config_enter(ds->ds_pool);
	dsl_dir_unpromise(ds->ds_dir, (uint64_t)(uintptr_t)cookie, more, txg);
	dsl_pool_config_exit(ds->ds_pool);
}

static int
dsl_os_tempreserve(objset_t *os, uint64_t asize, bool netfree, dmu_tx_t *tx, void **cookie)
{
	dsl_dataset_t *ds = dmu_objset_private(os);

	*cookie = (void *)(uintptr_t)asize;
	if (ds->ds_quota != 0 && !netfree) {
		mutex_enter(&ds->ds_lock);
		uint64_t refd = dsl_dataset_phys(ds)->ds_referenced_bytes;
		mutex_exit(&ds->ds_lock);
		mutex_enter(&ds->ds_dir->dd_lock);
		uint64_t inflight = 0;
		for (int i = 0; i < TXG_SIZE; i++)
			inflight += ds->ds_dir->dd_space_towrite[i];
		mutex_exit(&ds->ds_dir->dd_lock);
		if (refd + inflight + asize > ds->ds_quota)
			return (refd < ds->ds_quota && inflight > 0 ? ERESTART : EDQUOT);
	}
	/* A rename may move the dir to another parent meanwhile. */
	dsl_pool_config_enter(ds->ds_pool);
	int err = dsl_dir_tempreserve(ds->ds_dir, asize, netfree, dmu_tx_get_txg(tx));
	dsl_pool_config_exit(ds->ds_pool);
	return (err);
}

bool (*dsl_bonus_owner)(objset_t *, dmu_object_type_t, const void *, uint64_t, uint64_t *,
    uint64_t *, uint64_t *);

static bool
dsl_os_owner(objset_t *os, dmu_object_type_t bonustype, const void *bonus, uint64_t len,
    uint64_t *uid, uint64_t *gid, uint64_t *projid)
{
	if (dsl_bonus_owner == NULL)
		return (false);
	return (dsl_bonus_owner(os, bonustype, bonus, len, uid, gid, projid));
}

static void
ds_account_id(objset_t *os, uint64_t zapobj, uint64_t id, int64_t used, int64_t objs,
    bool count_objects, dmu_tx_t *tx)
{
	char name[32];

	if (used != 0)
		VERIFY0(zap_increment_int(os, zapobj, id, used, tx));
	if (objs != 0 && count_objects) {
		(void)snprintf(name, sizeof (name), "obj-%" PRIx64, id);
		VERIFY0(zap_increment(os, zapobj, name, objs, tx));
	}
}

static void
ds_account_one(objset_t *os, uint64_t zapobj, bool objs, bool had, uint64_t oldid,
    uint64_t oldused, bool has, uint64_t newid, uint64_t newused, dmu_tx_t *tx)
{
	const uint64_t dnode = 512; /* charged for every object, whatever its size */

	if (had && has && oldid == newid) {
		ds_account_id(
		    os, zapobj, oldid, (int64_t)(newused - oldused), 0, objs, tx);
		return;
	}
	if (had)
		ds_account_id(os, zapobj, oldid, -(int64_t)(oldused + dnode), -1, objs, tx);
	if (has)
		ds_account_id(os, zapobj, newid, (int64_t)(newused + dnode), 1, objs, tx);
}

/* format/02 §1.10. The accounting dnodes are made by the first use. */
static void
dsl_os_account(objset_t *os, const dmu_acct_change_t *c, size_t n, dmu_tx_t *tx)
{
	const uint64_t flags = dmu_objset_phys(os)->os_flags;
	const bool objs = (flags & OBJSET_FLAG_USEROBJACCOUNTING_COMPLETE) != 0;
	const bool proj = (flags & OBJSET_FLAG_PROJECTQUOTA_COMPLETE) != 0;
	static const uint64_t zaps[] = { DMU_USERUSED_OBJECT, DMU_GROUPUSED_OBJECT,
		DMU_PROJECTUSED_OBJECT };

	for (int k = 0; k < (proj ? 3 : 2); k++) {
		int err = zap_create_claim_norm(
		    os, zaps[k], 0, DMU_OT_USERGROUP_USED, DMU_OT_NONE, 0, tx);
		VERIFY(err == 0 || err == EEXIST);
	}
	for (size_t i = 0; i < n; i++, c++) {
		ds_account_one(os, DMU_USERUSED_OBJECT, objs, c->old_counted, c->old_uid,
		    c->old_used, c->new_counted, c->new_uid, c->new_used, tx);
		ds_account_one(os, DMU_GROUPUSED_OBJECT, objs, c->old_counted, c->old_gid,
		    c->old_used, c->new_counted, c->new_gid, c->new_used, tx);
		if (proj)
			ds_account_one(os, DMU_PROJECTUSED_OBJECT, objs, c->old_counted,
			    c->old_projid, c->old_used, c->new_counted, c->new_projid,
			    c->new_used, tx);
	}
}

const objset_ops_t dsl_dataset_objset_ops = {
	.oso_dirty = dsl_os_dirty,
	.oso_block_born = dsl_os_born,
	.oso_block_kill = dsl_os_kill,
	.oso_tempreserve = dsl_os_tempreserve,
	.oso_tempreserve_clear = dsl_os_tempreserve_clear,
	.oso_owner = dsl_os_owner,
	.oso_account = dsl_os_account,
};

/* ---- sync --------------------------------------------------------------------------------- */

void
dsl_dataset_sync(dsl_dataset_t *ds, zio_t *rio, dmu_tx_t *tx)
{
	mutex_enter(&ds->ds_lock);
	ds->ds_promised[dmu_tx_get_txg(tx) & TXG_MASK] = 0;
	mutex_exit(&ds->ds_lock);
	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	dmu_objset_sync(ds->ds_objset, rio, tx);
}

static void
ds_activate_features(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	uint64_t seen = dmu_objset_features_seen(ds->ds_objset) & ~ds->ds_features;

	for (int f = 0; seen != 0 && f < SPA_FEATURES; f++) {
		if (!(seen & 1ULL << f))
			continue;
		dsl_dataset_activate_feature(ds->ds_object, f, tx);
		ds->ds_features |= 1ULL << f;
		seen &= ~(1ULL << f);
	}
}

void
dsl_dataset_sync_done(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	ds_pending_t *pb;

	dmu_objset_sync_done(ds->ds_objset, tx);
	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	dsl_dataset_phys(ds)->ds_bp = *dmu_objset_rootbp(ds->ds_objset);
	while ((pb = list_remove_head(&ds->ds_pending)) != NULL) {
		dsl_deadlist_insert(&ds->ds_deadlist, &pb->pb_bp, tx);
		kmem_free(pb, sizeof (*pb));
	}
	ds_activate_features(ds, tx);
}

void
dsl_dataset_activate_feature(uint64_t dsobj, spa_feature_t f, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dmu_tx_pool(tx);
	objset_t *mos = dp->dp_meta_objset;
	dmu_object_info_t doi;
	uint64_t zero = 0;

	VERIFY0(dmu_object_info(mos, dsobj, &doi));
	if (doi.doi_type != DMU_OTN_ZAP_METADATA) {
		VERIFY0(dmu_object_set_type(mos, dsobj, DMU_OTN_ZAP_METADATA, tx));
		mzap_create_impl(mos, dsobj, 0, 0, tx);
		spa_feature_incr(
		    dp->dp_spa, SPA_FEATURE_EXTENSIBLE_DATASET, dmu_tx_get_txg(tx));
	}
	VERIFY0(zap_add(mos, dsobj, spa_feature_table[f].fi_guid, sizeof (zero), 1, &zero, tx));
	spa_feature_incr(dp->dp_spa, f, dmu_tx_get_txg(tx));
}

/*
 * A new file system counts all that the pool allows, from its first object on, so its counts are
 * complete (format/04 §5.1).
 */
void
dsl_dataset_init_accounting(dsl_dataset_t *ds, objset_t *os, dmu_tx_t *tx)
{
	static const struct {
		spa_feature_t feature;
		uint64_t flag;
	} kinds[] = {
		{ SPA_FEATURE_USEROBJ_ACCOUNTING, OBJSET_FLAG_USEROBJACCOUNTING_COMPLETE },
		{ SPA_FEATURE_PROJECT_QUOTA, OBJSET_FLAG_PROJECTQUOTA_COMPLETE },
	};
	spa_t *spa = ds->ds_pool->dp_spa;

	if (spa->spa_version < 15 || dmu_objset_phys_size(os) < 2048)
		return; /* no room for the counts */
	dmu_objset_phys(os)->os_flags |= OBJSET_FLAG_USERACCOUNTING_COMPLETE;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!spa_feature_is_enabled(spa, kinds[i].feature) ||
		    dmu_objset_phys_size(os) < sizeof (objset_phys_t))
			continue;
		dmu_objset_phys(os)->os_flags |= kinds[i].flag;
		if (!(ds->ds_features & 1ULL << kinds[i].feature))
			dsl_dataset_activate_feature(ds->ds_object, kinds[i].feature, tx);
		ds->ds_features |= 1ULL << kinds[i].feature;
	}
}

/* ---- numbers --------------------------------------------------------------------------------- */

static uint64_t
ratio(uint64_t uncomp, uint64_t comp)
{
	return (comp == 0 ? 100 : (uint64_t)((__uint128_t)uncomp * 100 / comp));
}

static uint64_t
ds_written(dsl_dataset_t *ds)
{
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	uint64_t written = p->ds_referenced_bytes, used = 0, comp, uncomp;
	dsl_dataset_t *prev = NULL;

	if (p->ds_prev_snap_obj == 0 ||
	    dsl_dataset_hold_obj(ds->ds_pool, p->ds_prev_snap_obj, ds, &prev) != 0)
		return (written);
	if (ds->ds_deadlist_open)
		dsl_deadlist_space(&ds->ds_deadlist, &used, &comp, &uncomp);
	written = written - dsl_dataset_phys(prev)->ds_referenced_bytes + used;
	dsl_dataset_rele(prev, ds);
	return (written);
}

void
dsl_dataset_stats(dsl_dataset_t *ds, dsl_dataset_stat_t *st)
{
	dsl_dir_t *dd = ds->ds_dir;
	objset_t *os;

	memset(st, 0, sizeof (*st));
	mutex_enter(&ds->ds_lock);
	dsl_dataset_phys_t p = *dsl_dataset_phys(ds);
	mutex_exit(&ds->ds_lock);
	mutex_enter(&dd->dd_lock);
	dsl_dir_phys_t d = *dsl_dir_phys(dd);
	mutex_exit(&dd->dd_lock);

	st->dds_is_snapshot = ds->ds_is_snapshot;
	st->dds_inconsistent = (p.ds_flags & DS_FLAG_INCONSISTENT) != 0;
	st->dds_object = ds->ds_object;
	st->dds_guid = p.ds_guid;
	st->dds_creation_time = p.ds_creation_time;
	st->dds_creation_txg = p.ds_creation_txg;
	st->dds_fsid_guid = p.ds_fsid_guid;
	st->dds_referenced = p.ds_referenced_bytes;
	st->dds_logicalreferenced = p.ds_uncompressed_bytes;
	st->dds_unique = p.ds_unique_bytes;
	st->dds_refcompressratio = ratio(p.ds_uncompressed_bytes, p.ds_compressed_bytes);
	st->dds_written = ds_written(ds);
	if (ds->ds_is_snapshot) {
		st->dds_used = p.ds_unique_bytes;
		st->dds_compressratio = st->dds_refcompressratio;
		st->dds_num_clones = p.ds_num_children - 1;
	} else {
		st->dds_used = d.dd_used_bytes;
		st->dds_logicalused = d.dd_uncompressed_bytes;
		st->dds_compressratio = ratio(d.dd_uncompressed_bytes, d.dd_compressed_bytes);
		st->dds_usedbydataset = d.dd_used_breakdown[DD_USED_HEAD];
		st->dds_usedbysnapshots = d.dd_used_breakdown[DD_USED_SNAP];
		st->dds_usedbychildren = d.dd_used_breakdown[DD_USED_CHILD] +
		    d.dd_used_breakdown[DD_USED_CHILD_RSRV];
		st->dds_usedbyrefreservation = d.dd_used_breakdown[DD_USED_REFRSRV];
		uint64_t refd, objused, objavail;
		dsl_dataset_space(ds, &refd, &st->dds_available, &objused, &objavail);
		st->dds_objects = objused;
		dsl_dataset_t *origin;
		if (d.dd_origin_obj != 0 && ds->ds_pool->dp_origin_snap != NULL &&
		    d.dd_origin_obj != ds->ds_pool->dp_origin_snap->ds_object &&
		    dsl_dataset_hold_obj(ds->ds_pool, d.dd_origin_obj, st, &origin) == 0) {
			dsl_dataset_name(origin, st->dds_origin);
			dsl_dataset_rele(origin, st);
		}
	}
	st->dds_type = DMU_OST_NONE;
	if (dsl_dataset_get_objset(ds, &os) == 0)
		st->dds_type = dmu_objset_type(os);
}

void
dsl_dataset_space(dsl_dataset_t *ds, uint64_t *refd, uint64_t *avail, uint64_t *objused,
    uint64_t *objavail)
{
	mutex_enter(&ds->ds_lock);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	*refd = p->ds_referenced_bytes;
	uint64_t unique = p->ds_unique_bytes;
	*objused = BP_IS_HOLE(&p->ds_bp) ? 0 : BP_GET_FILL(&p->ds_bp);
	mutex_exit(&ds->ds_lock);
	*avail = dsl_dir_space_available(ds->ds_dir, NULL, 0, true);
	if (ds->ds_reserved > unique)
		*avail += ds->ds_reserved - unique;
	if (ds->ds_quota != 0)
		*avail = MIN(*avail, ds->ds_quota > *refd ? ds->ds_quota - *refd : 0);
	*objavail = (1ULL << 48) - 1 - *objused;
	/* As with other file systems: what fits, at one block each. */
	*objavail = MIN(*objavail, *avail >> 9);
}

int
dsl_dataset_foreach_snapshot(
    dsl_dataset_t *ds, int (*func)(void *, const char *, uint64_t), void *arg)
{
	uint64_t zapobj = dsl_dataset_phys(ds)->ds_snapnames_zapobj;
	zap_cursor_t zc;
	zap_attribute_t *za;
	int err = 0, ret = 0;

	if (zapobj == 0)
		return (0);
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_init(&zc, ds->ds_pool->dp_meta_objset, zapobj);
	while (ret == 0 && (err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (za->za_name[0] != '%')
			ret = func(arg, za->za_name, za->za_first_integer);
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (ret != 0 ? ret : err == ENOENT ? 0 : err);
}
