/*
 * Destroying heads and renaming directories (format/03 §4.4, §4.5).
 *
 * A destroyed file system disappears from the namespace in one txg; its blocks are put
 * on the bptree and freed over the following txgs by the scan (format/02 §6.3), so that
 * destroying takes the same time whatever the size.
 */
#include "dsl/dsl_impl.h"

/* ---- destroy ------------------------------------------------------------------------------ */

typedef struct dsl_destroy_arg {
	dsl_pool_t *dda_dp;
	const char *dda_name;
} dsl_destroy_arg_t;

static int
one_child(void *arg, const char *name, uint64_t ddobj)
{
	(void)arg;
	(void)name;
	(void)ddobj;
	return (EEXIST);
}

static int
destroy_check(void *arg, dmu_tx_t *tx)
{
	dsl_destroy_arg_t *dda = arg;
	dsl_dataset_t *ds;
	int err = dsl_dataset_hold(dda->dda_dp, dda->dda_name, dda, &ds);

	(void)tx;
	if (err != 0)
		return (err);
	if (ds->ds_is_snapshot || ds->ds_dir->dd_parent == NULL)
		err = EINVAL;
	else if (dsl_dataset_owned(ds))
		err = EBUSY;
	else if (ds->ds_prev != NULL &&
	    dsl_dataset_phys(ds->ds_prev)->ds_next_snap_obj == ds->ds_object)
		err = EBUSY; /* own snapshots */
	else if (!spa_feature_is_enabled(dda->dda_dp->dp_spa, SPA_FEATURE_ASYNC_DESTROY))
		err = ENOTSUP; /* pools of before feature flags */
	else
		err = dsl_dir_foreach_child(ds->ds_dir, one_child, NULL);
	dsl_dataset_rele(ds, dda);
	return (err);
}

static void
ds_unlink_origin(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	objset_t *mos = ds->ds_pool->dp_meta_objset;
	dsl_dataset_t *prev = ds->ds_prev;

	if (prev == NULL)
		return;
	dmu_buf_will_dirty(prev->ds_dbuf, tx);
	dsl_dataset_phys(prev)->ds_num_children--;
	if (dsl_dataset_phys(prev)->ds_next_clones_obj != 0)
		VERIFY0(zap_remove_int(
		    mos, dsl_dataset_phys(prev)->ds_next_clones_obj, ds->ds_object, tx));
	uint64_t clones = dsl_dir_phys(prev->ds_dir)->dd_clones;
	if (clones != 0)
		VERIFY0(zap_remove_int(mos, clones, ds->ds_object, tx));
}

static void
ds_drop_features(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	objset_t *mos = ds->ds_pool->dp_meta_objset;

	for (int f = 0; f < SPA_FEATURES; f++) {
		if (!(ds->ds_features & 1ULL << f))
			continue;
		VERIFY0(zap_remove(
		    mos, ds->ds_object, spa_feature_table[f].fi_guid, tx));
		spa_feature_decr(ds->ds_pool->dp_spa, f, dmu_tx_get_txg(tx));
	}
	ds->ds_features = 0;
}

/* All the head's space now waits in $FREE for the scan to free it block by block. */
static void
ds_queue_blocks(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	dsl_pool_t *dp = ds->ds_pool;
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);

	mutex_enter(&ds->ds_dir->dd_lock);
	dsl_dir_phys_t *d = dsl_dir_phys(ds->ds_dir);
	int64_t used = (int64_t)d->dd_used_bytes, comp = (int64_t)d->dd_compressed_bytes;
	int64_t uncomp = (int64_t)d->dd_uncompressed_bytes;
	mutex_exit(&ds->ds_dir->dd_lock);
	if (!BP_IS_HOLE(&p->ds_bp))
		dsl_scan_free_queue_bptree(dp, &p->ds_bp, p->ds_prev_snap_txg, (uint64_t)used,
		    (uint64_t)comp, (uint64_t)uncomp, tx);
	dsl_dir_diduse_space(ds->ds_dir, DD_USED_HEAD, -used, -comp, -uncomp, tx);
	dsl_dir_diduse_space(dp->dp_free_dir, DD_USED_HEAD, used, comp, uncomp, tx);
}

static void
destroy_sync(void *arg, dmu_tx_t *tx)
{
	dsl_destroy_arg_t *dda = arg;
	dsl_pool_t *dp = dda->dda_dp;
	objset_t *mos = dp->dp_meta_objset;
	dsl_dataset_t *ds;
	dmu_object_info_t doi;

	VERIFY0(dsl_dataset_hold(dp, dda->dda_name, dda, &ds));
	uint64_t dsobj = ds->ds_object, ddobj = ds->ds_dir->dd_object;
	dsl_log_internal(dp, "destroy", dda->dda_name, dsobj, tx, "");
	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	dmu_buf_will_dirty(ds->ds_dir->dd_dbuf, tx);
	if (ds->ds_reserved != 0) {
		uint64_t unique = dsl_dataset_phys(ds)->ds_unique_bytes;
		if (ds->ds_reserved > unique)
			dsl_dir_diduse_space(ds->ds_dir, DD_USED_REFRSRV,
			    -(int64_t)(ds->ds_reserved - unique), 0, 0, tx);
		ds->ds_reserved = 0;
	}
	ds_drop_features(ds, tx);
	ds_unlink_origin(ds, tx);
	uint64_t dlobj = dsl_dataset_phys(ds)->ds_deadlist_obj;
	dsl_deadlist_close(&ds->ds_deadlist);
	ds->ds_deadlist_open = false;
	dsl_deadlist_free(dp, dlobj, tx);
	dsl_dataset_phys(ds)->ds_deadlist_obj = 0;
	ds_queue_blocks(ds, tx);
	dsl_dir_phys(ds->ds_dir)->dd_head_dataset_obj = 0;
	VERIFY0(zap_destroy(mos, dsl_dataset_phys(ds)->ds_snapnames_zapobj, tx));
	VERIFY0(dmu_object_info(mos, dsobj, &doi));
	if (doi.doi_type == DMU_OTN_ZAP_METADATA)
		spa_feature_decr(
		    dp->dp_spa, SPA_FEATURE_EXTENSIBLE_DATASET, dmu_tx_get_txg(tx));
	dsl_scan_dataset_destroyed(dp, dsobj, tx);
	ds->ds_dead = true;
	dsl_dataset_rele(ds, dda);
	VERIFY0(dmu_object_free(mos, dsobj, tx));
	dsl_dir_destroy_sync(ddobj, tx);
}

int
dsl_dataset_destroy(dsl_pool_t *dp, const char *name)
{
	dsl_destroy_arg_t dda = { dp, name };

	return (dsl_sync_task(
	    dp, destroy_check, destroy_sync, &dda, 6, ZFS_SPACE_CHECK_EXTRA_RESERVED));
}

/* ---- rename --------------------------------------------------------------------------------- */

typedef struct dsl_rename_arg {
	dsl_pool_t *dra_dp;
	const char *dra_old, *dra_new;
} dsl_rename_arg_t;

/* Longest name and greatest depth below dd, relative to it. */
typedef struct subtree_extent {
	dsl_pool_t *se_dp;
	size_t se_len, se_max_len;
	int se_depth, se_max_depth;
	int se_err;
} subtree_extent_t;

static int
extent_snap(void *arg, const char *name, uint64_t obj)
{
	subtree_extent_t *se = arg;

	(void)obj;
	se->se_max_len = MAX(se->se_max_len, se->se_len + 1 + strlen(name));
	return (0);
}

static int
extent_child(void *arg, const char *name, uint64_t ddobj)
{
	subtree_extent_t *se = arg;
	subtree_extent_t below = *se;
	dsl_dir_t *dd;
	dsl_dataset_t *ds;

	if (se->se_depth > 256)
		return (ELOOP);
	int err = dsl_dir_hold_obj(se->se_dp, ddobj, name, se, &dd);
	if (err != 0)
		return (err);
	below.se_len += 1 + strlen(name);
	below.se_depth++;
	below.se_max_len = MAX(below.se_max_len, below.se_len);
	below.se_max_depth = MAX(below.se_max_depth, below.se_depth);
	err = dsl_dir_foreach_child(dd, extent_child, &below);
	if (err == 0 && dsl_dir_phys(dd)->dd_head_dataset_obj != 0 &&
	    dsl_dataset_hold_obj(
		se->se_dp, dsl_dir_phys(dd)->dd_head_dataset_obj, se, &ds) == 0) {
		err = dsl_dataset_foreach_snapshot(ds, extent_snap, &below);
		dsl_dataset_rele(ds, se);
	}
	dsl_dir_rele(dd, se);
	se->se_max_len = below.se_max_len;
	se->se_max_depth = below.se_max_depth;
	return (err);
}

/* Does the whole subtree keep within the limits of names below its new place? */
static int
rename_check_extent(dsl_dir_t *dd, const char *newname)
{
	subtree_extent_t se = { .se_dp = dd->dd_pool };
	dsl_dataset_t *ds;
	int depth = 0, olddepth = 0, err;

	err = dsl_dir_foreach_child(dd, extent_child, &se);
	if (err == 0 && dsl_dir_phys(dd)->dd_head_dataset_obj != 0 &&
	    dsl_dataset_hold_obj(
		dd->dd_pool, dsl_dir_phys(dd)->dd_head_dataset_obj, &se, &ds) == 0) {
		se.se_len = 0;
		err = dsl_dataset_foreach_snapshot(ds, extent_snap, &se);
		dsl_dataset_rele(ds, &se);
	}
	if (err != 0)
		return (err);
	for (const char *p = newname; *p != '\0'; p++)
		depth += *p == '/';
	for (dsl_dir_t *d = dd; d->dd_parent != NULL; d = d->dd_parent)
		olddepth++;
	if (strlen(newname) + se.se_max_len >= ZFS_MAX_DATASET_NAME_LEN)
		return (ENAMETOOLONG);
	if (depth > olddepth && depth + se.se_max_depth >= ZFS_MAX_DATASET_NESTING)
		return (ENAMETOOLONG);
	return (0);
}

static bool
dir_is_ancestor(const dsl_dir_t *anc, const dsl_dir_t *dd)
{
	for (; dd != NULL; dd = dd->dd_parent)
		if (dd == anc)
			return (true);
	return (false);
}

/* Room under the new parent, as if the common ancestor had got the space back. */
static int
rename_check_space(dsl_dir_t *dd, dsl_dir_t *newparent)
{
	dsl_dir_t *anc = dd->dd_parent;

	while (!dir_is_ancestor(anc, newparent))
		anc = anc->dd_parent;
	mutex_enter(&dd->dd_lock);
	uint64_t need = MAX(dsl_dir_phys(dd)->dd_used_bytes, dsl_dir_phys(dd)->dd_reserved);
	mutex_exit(&dd->dd_lock);
	return (dsl_dir_space_available(newparent, anc, (int64_t)need, false) < need ? ENOSPC :
										       0);
}

static int
rename_check(void *arg, dmu_tx_t *tx)
{
	dsl_rename_arg_t *dra = arg;
	dsl_pool_t *dp = dra->dra_dp;
	dsl_dir_t *dd, *newparent;
	const char *tail;
	int err;

	(void)tx;
	if (strpbrk(dra->dra_new, "@%#") != NULL)
		return (EINVAL);
	if ((err = dsl_dir_hold(dp, dra->dra_old, dra, &dd, NULL)) != 0)
		return (err);
	if ((err = dsl_dir_hold(dp, dra->dra_new, &tail, &newparent, &tail)) != 0) {
		dsl_dir_rele(dd, dra);
		return (err);
	}
	if (dd->dd_parent == NULL)
		err = EINVAL;
	else if (tail == NULL)
		err = EEXIST;
	else if (strchr(tail, '/') != NULL)
		err = ENOENT;
	else if (dir_is_ancestor(dd, newparent))
		err = EINVAL;
	else if ((err = rename_check_extent(dd, dra->dra_new)) == 0 &&
	    newparent != dd->dd_parent)
		err = rename_check_space(dd, newparent);
	dsl_dir_rele(newparent, &tail);
	dsl_dir_rele(dd, dra);
	return (err);
}

static void
rename_move_charges(dsl_dir_t *dd, dsl_dir_t *newparent, dmu_tx_t *tx)
{
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	int64_t used = (int64_t)p->dd_used_bytes, comp = (int64_t)p->dd_compressed_bytes;
	int64_t uncomp = (int64_t)p->dd_uncompressed_bytes;
	int64_t rsrv =
	    p->dd_reserved > p->dd_used_bytes ? (int64_t)(p->dd_reserved - p->dd_used_bytes) : 0;

	dsl_dir_diduse_space(dd->dd_parent, DD_USED_CHILD, -used, -comp, -uncomp, tx);
	dsl_dir_diduse_space(newparent, DD_USED_CHILD, used, comp, uncomp, tx);
	if (rsrv != 0) {
		dsl_dir_diduse_space(dd->dd_parent, DD_USED_CHILD_RSRV, -rsrv, 0, 0, tx);
		dsl_dir_diduse_space(newparent, DD_USED_CHILD_RSRV, rsrv, 0, 0, tx);
	}
}

/* Counts for limits move with the subtree (format/03 §2.9). */
static void
rename_move_counts(dsl_dir_t *dd, dsl_dir_t *newparent, dmu_tx_t *tx)
{
	objset_t *mos = dd->dd_pool->dp_meta_objset;
	uint64_t fs = 0, snaps = 0;

	if (!spa_feature_is_active(dd->dd_pool->dp_spa, SPA_FEATURE_FS_SS_LIMIT))
		return;
	(void)zap_lookup(mos, dd->dd_object, "com.joyent:filesystem_count", 8, 1, &fs);
	(void)zap_lookup(mos, dd->dd_object, "com.joyent:snapshot_count", 8, 1, &snaps);
	dsl_dir_adjust_counts(dd->dd_parent, -(int64_t)(fs + 1), -(int64_t)snaps, tx);
	dsl_dir_adjust_counts(newparent, (int64_t)(fs + 1), (int64_t)snaps, tx);
}

static void
rename_sync(void *arg, dmu_tx_t *tx)
{
	dsl_rename_arg_t *dra = arg;
	dsl_pool_t *dp = dra->dra_dp;
	objset_t *mos = dp->dp_meta_objset;
	dsl_dir_t *dd, *newparent;
	const char *tail;

	VERIFY0(dsl_dir_hold(dp, dra->dra_old, dra, &dd, NULL));
	VERIFY0(dsl_dir_hold(dp, dra->dra_new, &tail, &newparent, &tail));
	dsl_log_internal(
	    dp, "rename", dra->dra_old, dsl_dir_phys(dd)->dd_head_dataset_obj, tx, dra->dra_new);
	if (newparent != dd->dd_parent) {
		rename_move_charges(dd, newparent, tx);
		rename_move_counts(dd, newparent, tx);
	}
	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	VERIFY0(zap_remove(
	    mos, dsl_dir_phys(dd->dd_parent)->dd_child_dir_zapobj, dd->dd_name, tx));
	(void)snprintf(dd->dd_name, sizeof (dd->dd_name), "%s", tail);
	dsl_dir_phys(dd)->dd_parent_obj = newparent->dd_object;
	if (newparent != dd->dd_parent) {
		/* The handle keeps its parent held: exchange that, too. */
		dsl_dir_t *oldparent = dd->dd_parent, *hold;
		VERIFY0(dsl_dir_hold_obj(dp, newparent->dd_object, NULL, dd, &hold));
		dd->dd_parent = hold;
		dsl_dir_rele(oldparent, dd);
	}
	VERIFY0(zap_add(mos, dsl_dir_phys(newparent)->dd_child_dir_zapobj, dd->dd_name,
	    sizeof (uint64_t), 1, &dd->dd_object, tx));
	/* Inherited properties may differ at the new place. */
	dsl_props_refresh_all(dp);
	dsl_dir_rele(newparent, &tail);
	dsl_dir_rele(dd, dra);
}

int
dsl_dir_rename(dsl_pool_t *dp, const char *oldname, const char *newname)
{
	dsl_rename_arg_t dra = { dp, oldname, newname };

	if (strlen(newname) >= ZFS_MAX_DATASET_NAME_LEN)
		return (ENAMETOOLONG);
	return (dsl_sync_task(
	    dp, rename_check, rename_sync, &dra, 3, ZFS_SPACE_CHECK_RESERVED));
}
