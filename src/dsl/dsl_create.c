/*
 * Making datasets: file systems, volumes and snapshots, step by step as in
 * format/03 §4.1 and §4.2.
 */
#include "dsl/dsl_impl.h"

static uint64_t
ds_new_fsid(void)
{
	return (random_guid() >> 8 | 1);
}

/* The key of an int set is its value (format/02 §2.7); the set is made by its first use. */
static void
intset_add(objset_t *mos, uint64_t *objp, dmu_object_type_t type, uint64_t v, dmu_tx_t *tx)
{
	if (*objp == 0)
		*objp = zap_create(mos, type, DMU_OT_NONE, 0, tx);
	VERIFY0(zap_add_int(mos, *objp, v, tx));
}

/* `origin` gets one child more; both sides of clones and of $ORIGIN (format/03 §4.1, §4.3). */
static void
ds_link_origin(dsl_dir_t *dd, dsl_dataset_t *origin, uint64_t dsobj, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dd->dd_pool;
	objset_t *mos = dp->dp_meta_objset;

	dmu_buf_will_dirty(origin->ds_dbuf, tx);
	dsl_dataset_phys_t *op = dsl_dataset_phys(origin);
	op->ds_num_children++;
	uint64_t next_clones = op->ds_next_clones_obj;
	intset_add(mos, &next_clones, DMU_OT_NEXT_CLONES, dsobj, tx);
	dsl_dataset_phys(origin)->ds_next_clones_obj = next_clones;

	dmu_buf_will_dirty(origin->ds_dir->dd_dbuf, tx);
	uint64_t clones = dsl_dir_phys(origin->ds_dir)->dd_clones;
	intset_add(mos, &clones, DMU_OT_DSL_CLONES, dsobj, tx);
	dsl_dir_phys(origin->ds_dir)->dd_clones = clones;

	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	dsl_dir_phys(dd)->dd_origin_obj = origin->ds_object;
	dd->dd_origin_txg = dsl_dataset_phys(origin)->ds_creation_txg;
}

uint64_t
dsl_dataset_create_sync_dd(dsl_dir_t *dd, dsl_dataset_t *origin, uint64_t flags, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dd->dd_pool;
	objset_t *mos = dp->dp_meta_objset;
	uint64_t txg = dmu_tx_get_txg(tx);
	dmu_buf_t *db;

	if (origin == NULL)
		origin = dp->dp_origin_snap;
	uint64_t dsobj = dmu_object_alloc(
	    mos, DMU_OT_DSL_DATASET, 0, DMU_OT_DSL_DATASET, (int)sizeof (dsl_dataset_phys_t), tx);
	VERIFY0(dmu_bonus_hold(mos, dsobj, dd, &db));
	dmu_buf_will_dirty(db, tx);
	dsl_dataset_phys_t *p = dsl_dataset_phys_of(db->db_data, db->db_size);
	p->ds_dir_obj = dd->dd_object;
	p->ds_flags = flags | DS_FLAG_UNIQUE_ACCURATE;
	p->ds_fsid_guid = ds_new_fsid();
	p->ds_guid = random_guid();
	p->ds_snapnames_zapobj = zap_create_norm(mos, ZAP_NORM_TOUPPER,
	    DMU_OT_DSL_DS_SNAP_MAP, DMU_OT_NONE, 0, 0, tx);
	p->ds_creation_time = gethrestime_sec();
	p->ds_creation_txg = txg == TXG_INITIAL ? 1 : txg;

	if (origin == NULL) {
		/* $ORIGIN itself: nothing before it. */
		p->ds_deadlist_obj = dsl_deadlist_alloc(dp, tx);
	} else {
		dsl_dataset_phys_t *op = dsl_dataset_phys(origin);
		dsl_dataset_t *ohead;

		p->ds_prev_snap_obj = origin->ds_object;
		p->ds_prev_snap_txg = op->ds_creation_txg;
		p->ds_referenced_bytes = op->ds_referenced_bytes;
		p->ds_compressed_bytes = op->ds_compressed_bytes;
		p->ds_uncompressed_bytes = op->ds_uncompressed_bytes;
		p->ds_bp = op->ds_bp;
		p->ds_flags |= op->ds_flags & (DS_FLAG_INCONSISTENT | DS_FLAG_CI_DATASET);
		uint64_t maxtxg = op->ds_creation_txg;
		VERIFY0(dsl_dataset_hold_obj(
		    dp, dsl_dir_phys(origin->ds_dir)->dd_head_dataset_obj, dd, &ohead));
		uint64_t dl = dsl_deadlist_clone(&ohead->ds_deadlist, maxtxg, tx);
		dsl_dataset_rele(ohead, dd);
		p = dsl_dataset_phys_of(db->db_data, db->db_size);
		p->ds_deadlist_obj = dl;
		for (int f = 0; f < SPA_FEATURES; f++)
			if (origin->ds_features & 1ULL << f)
				dsl_dataset_activate_feature(dsobj, f, tx);
		ds_link_origin(dd, origin, dsobj, tx);
	}
	dmu_buf_rele(db, dd);
	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	dsl_dir_phys(dd)->dd_head_dataset_obj = dsobj;
	return (dsobj);
}

/* ---- zfs create ---------------------------------------------------------------------------- */

typedef struct dsl_create_arg {
	dsl_pool_t *dca_dp;
	const char *dca_name;
	dmu_objset_type_t dca_type;
	const nvlist_t *dca_props;
	dsl_create_objset_func_t *dca_create;
	void *dca_arg;
	uint64_t dca_flags;
	uint64_t dca_uid;
} dsl_create_arg_t;

/* Depth and length limits of a new name (format/03 §3.8). */
static int
create_name_check(const char *name)
{
	int depth = 0;

	if (strlen(name) >= ZFS_MAX_DATASET_NAME_LEN)
		return (ENAMETOOLONG);
	if (strpbrk(name, "@%#") != NULL)
		return (EINVAL);
	for (const char *p = name; *p != '\0'; p++)
		depth += *p == '/';
	return (depth >= ZFS_MAX_DATASET_NESTING ? ENAMETOOLONG : 0);
}

/* A volume cannot have children (format/03 §4.1: WRONG_PARENT). */
static int
parent_is_fs(dsl_dir_t *dd)
{
	dsl_dataset_t *ds;
	objset_t *os;
	int err;

	if (dsl_dir_phys(dd)->dd_head_dataset_obj == 0)
		return (EINVAL);
	err = dsl_dataset_hold_obj(
	    dd->dd_pool, dsl_dir_phys(dd)->dd_head_dataset_obj, dd, &ds);
	if (err != 0)
		return (err);
	err = dsl_dataset_get_objset(ds, &os);
	if (err == 0 && dmu_objset_type(os) != DMU_OST_ZFS)
		err = ENOTDIR;
	dsl_dataset_rele(ds, dd);
	return (err);
}

static int
dsl_create_check(void *arg, dmu_tx_t *tx)
{
	dsl_create_arg_t *dca = arg;
	dsl_pool_t *dp = dca->dca_dp;
	dsl_dir_t *dd = NULL;
	const char *tail;
	int err;

	(void)tx;
	if ((err = create_name_check(dca->dca_name)) != 0)
		return (err);
	if ((err = dsl_dir_hold(dp, dca->dca_name, dca, &dd, &tail)) != 0)
		return (err);
	if (tail == NULL)
		err = EEXIST;
	else if (strchr(tail, '/') != NULL)
		err = ENOENT;
	else
		err = parent_is_fs(dd);
	dsl_dir_rele(dd, dca);
	return (err);
}

static void
dsl_create_sync(void *arg, dmu_tx_t *tx)
{
	dsl_create_arg_t *dca = arg;
	dsl_pool_t *dp = dca->dca_dp;
	dsl_dir_t *pdd, *dd;
	dsl_dataset_t *ds;
	objset_t *os;
	const char *tail;

	VERIFY0(dsl_dir_hold(dp, dca->dca_name, dca, &pdd, &tail));
	uint64_t ddobj = dsl_dir_create_sync(dp, pdd, tail, tx);
	VERIFY0(dsl_dir_hold_obj(dp, ddobj, tail, dca, &dd));
	if (spa_feature_is_active(dp->dp_spa, SPA_FEATURE_FS_SS_LIMIT)) {
		uint64_t zero = 0;
		VERIFY0(dmu_object_set_type(
		    dp->dp_meta_objset, ddobj, DMU_OTN_ZAP_METADATA, tx));
		mzap_create_impl(dp->dp_meta_objset, ddobj, 0, 0, tx);
		spa_feature_incr(
		    dp->dp_spa, SPA_FEATURE_EXTENSIBLE_DATASET, dmu_tx_get_txg(tx));
		VERIFY0(zap_add(dp->dp_meta_objset, ddobj, "com.joyent:filesystem_count",
		    sizeof (zero), 1, &zero, tx));
		VERIFY0(zap_add(dp->dp_meta_objset, ddobj, "com.joyent:snapshot_count",
		    sizeof (zero), 1, &zero, tx));
	}
	uint64_t dsobj = dsl_dataset_create_sync_dd(dd, NULL, dca->dca_flags, tx);
	VERIFY0(dsl_dataset_hold_obj(dp, dsobj, dca, &ds));
	if (dca->dca_props != NULL)
		dsl_props_set_sync_impl(ds, dca->dca_props, tx);
	VERIFY0(dsl_dataset_get_objset(ds, &os));
	dmu_objset_create_impl(os, dca->dca_type, tx);
	if (dca->dca_type == DMU_OST_ZFS)
		dsl_dataset_init_accounting(ds, os, tx);
	dca->dca_create(os, dca->dca_arg, tx);
	dsl_log_internal(dp, "create", dca->dca_name, dsobj, tx, "");
	dsl_dataset_rele(ds, dca);
	dsl_dir_rele(dd, dca);
	dsl_dir_rele(pdd, dca);
}

int
dsl_dataset_create(dsl_pool_t *dp, const char *name, dmu_objset_type_t type,
    const nvlist_t *props, dsl_create_objset_func_t *create_fs, void *arg, uint64_t owner_uid)
{
	uint64_t ci = 0;
	dsl_create_arg_t dca = { .dca_dp = dp,
		.dca_name = name,
		.dca_type = type,
		.dca_props = props,
		.dca_create = create_fs,
		.dca_arg = arg,
		.dca_uid = owner_uid };

	/* casesensitivity=insensitive also makes snapshot names so (format/03 §1.3). */
	if (props != NULL && nvlist_lookup_uint64(props, "casesensitivity", &ci) == 0 && ci == 1)
		dca.dca_flags |= DS_FLAG_CI_DATASET;
	return (dsl_sync_task(
	    dp, dsl_create_check, dsl_create_sync, &dca, 6, ZFS_SPACE_CHECK_NORMAL));
}

/* ---- snapshots -------------------------------------------------------------------------------- */

/* Replace one dataset by another in a next_clones set, if it is there. */
static void
next_clones_replace(dsl_dataset_t *prev, uint64_t old, uint64_t new, dmu_tx_t *tx)
{
	objset_t *mos = prev->ds_pool->dp_meta_objset;
	uint64_t obj = dsl_dataset_phys(prev)->ds_next_clones_obj;

	if (obj == 0 || zap_remove_int(mos, obj, old, tx) != 0)
		return;
	VERIFY0(zap_add_int(mos, obj, new, tx));
}

void
dsl_dataset_snapshot_sync_impl(
    dsl_dataset_t *ds, const char *snapname, const nvlist_t *props, dmu_tx_t *tx)
{
	dsl_pool_t *dp = ds->ds_pool;
	objset_t *mos = dp->dp_meta_objset;
	uint64_t txg = dmu_tx_get_txg(tx);
	uint64_t crtxg = txg == TXG_INITIAL ? 1 : txg;
	dmu_buf_t *db;

	dsl_dir_adjust_counts(ds->ds_dir, 0, 1, tx);
	uint64_t snapobj = dmu_object_alloc(
	    mos, DMU_OT_DSL_DATASET, 0, DMU_OT_DSL_DATASET, (int)sizeof (dsl_dataset_phys_t), tx);
	VERIFY0(dmu_bonus_hold(mos, snapobj, ds, &db));
	dmu_buf_will_dirty(db, tx);
	dmu_buf_will_dirty(ds->ds_dbuf, tx);
	dsl_dataset_phys_t *s = dsl_dataset_phys_of(db->db_data, db->db_size);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);
	s->ds_dir_obj = p->ds_dir_obj;
	s->ds_fsid_guid = ds_new_fsid();
	s->ds_guid = random_guid();
	s->ds_prev_snap_obj = p->ds_prev_snap_obj;
	s->ds_prev_snap_txg = p->ds_prev_snap_txg;
	s->ds_next_snap_obj = ds->ds_object;
	s->ds_num_children = 1;
	s->ds_creation_time = gethrestime_sec();
	s->ds_creation_txg = crtxg;
	s->ds_deadlist_obj = p->ds_deadlist_obj;
	s->ds_referenced_bytes = p->ds_referenced_bytes;
	s->ds_compressed_bytes = p->ds_compressed_bytes;
	s->ds_uncompressed_bytes = p->ds_uncompressed_bytes;
	s->ds_flags = p->ds_flags;
	s->ds_bp = p->ds_bp;
	dmu_buf_rele(db, ds);
	for (int f = 0; f < SPA_FEATURES; f++)
		if (ds->ds_features & 1ULL << f)
			dsl_dataset_activate_feature(snapobj, f, tx);

	if (ds->ds_prev != NULL) {
		dmu_buf_will_dirty(ds->ds_prev->ds_dbuf, tx);
		if (dsl_dataset_phys(ds->ds_prev)->ds_next_snap_obj == ds->ds_object)
			dsl_dataset_phys(ds->ds_prev)->ds_next_snap_obj = snapobj;
		else
			next_clones_replace(ds->ds_prev, ds->ds_object, snapobj, tx);
	}
	/* The refreservation must from now on cover a full rewrite again. */
	if (ds->ds_reserved != 0)
		dsl_dir_diduse_space(ds->ds_dir, DD_USED_REFRSRV,
		    (int64_t)MIN(dsl_dataset_phys(ds)->ds_unique_bytes, ds->ds_reserved), 0, 0,
		    tx);

	uint64_t old_prev_txg = dsl_dataset_phys(ds)->ds_prev_snap_txg;
	uint64_t dl = dsl_deadlist_clone(&ds->ds_deadlist, UINT64_MAX, tx);
	dsl_deadlist_close(&ds->ds_deadlist);
	VERIFY0(dsl_deadlist_open(&ds->ds_deadlist, dp, dl));
	dsl_deadlist_add_key(&ds->ds_deadlist, old_prev_txg, tx);
	p = dsl_dataset_phys(ds);
	p->ds_deadlist_obj = dl;
	p->ds_prev_snap_obj = snapobj;
	p->ds_prev_snap_txg = crtxg;
	p->ds_unique_bytes = 0;
	p->ds_flags |= DS_FLAG_UNIQUE_ACCURATE;
	VERIFY0(zap_add(
	    mos, p->ds_snapnames_zapobj, snapname, sizeof (uint64_t), 1, &snapobj, tx));
	if (ds->ds_prev != NULL)
		dsl_dataset_rele(ds->ds_prev, ds);
	VERIFY0(dsl_dataset_hold_obj(dp, snapobj, ds, &ds->ds_prev));
	if (props != NULL)
		dsl_props_set_sync_impl(ds->ds_prev, props, tx);
}
