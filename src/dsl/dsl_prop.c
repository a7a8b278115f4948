/*
 * Dataset properties: stored values, inheritance, sources (format/03 §3.1).
 *
 * A directory's props ZAP holds, for a property P, at most: `P` (set locally), `P$recvd` (came
 * with a stream), `P$inherit` (explicitly inherited, hides the received one), `P$iuv` (the true
 * value where `P` has a harmless one for old software). A lookup walks from the dataset to the
 * root until something is found.
 *
 * Values that the dmu needs at every write are copied to the object set (dsl_dataset_load_props)
 * when it is opened and whenever a property changes anywhere.
 */
#include "dsl/dsl_impl.h"

#define ZPROP_INHERIT_SUFFIX "$inherit"
#define ZPROP_RECVD_SUFFIX "$recvd"
#define ZPROP_IUV_SUFFIX "$iuv"
#define PROP_NAME_MAX 256
#define PROP_VALUE_MAX 8192

void (*dsl_prop_changed)(dsl_pool_t *dp, const char *dsname);

/* One stored form of a property in one ZAP: ENOENT if it is not there. */
static int
prop_stored(objset_t *mos, uint64_t zapobj, const char *name, const char *suffix,
    uint64_t intsz, uint64_t num, void *buf)
{
	char key[PROP_NAME_MAX + 16];

	if (zapobj == 0)
		return (ENOENT);
	(void)snprintf(key, sizeof (key), "%s%s", name, suffix);
	return (zap_lookup(mos, zapobj, key, intsz, num, buf));
}

/* local, then (unless inherited on purpose) received. */
static int
prop_from_zap(objset_t *mos, uint64_t zapobj, const char *name, uint64_t intsz, uint64_t num,
    void *buf, zprop_source_t *src)
{
	int err;

	*src = ZPROP_SRC_LOCAL;
	if (intsz == 8 && num == 1 &&
	    prop_stored(mos, zapobj, name, ZPROP_IUV_SUFFIX, intsz, num, buf) == 0)
		return (0);
	err = prop_stored(mos, zapobj, name, "", intsz, num, buf);
	if (err != ENOENT)
		return (err);
	uint64_t dummy;
	err = prop_stored(mos, zapobj, name, ZPROP_INHERIT_SUFFIX, 8, 1, &dummy);
	if (err != ENOENT)
		return (err == 0 ? ENOENT : err);
	*src = ZPROP_SRC_RECEIVED;
	return (prop_stored(mos, zapobj, name, ZPROP_RECVD_SUFFIX, intsz, num, buf));
}

static bool
prop_inheritable(const char *name)
{
	const zfs_prop_info_t *pd = zfs_prop_lookup(name);

	return (pd == NULL ? strchr(name, ':') != NULL : pd->pd_inheritable);
}

static int
prop_get(dsl_dataset_t *ds, const char *name, uint64_t intsz, uint64_t num, void *buf,
    zprop_source_t *srcp, char *setpoint)
{
	objset_t *mos = ds->ds_pool->dp_meta_objset;
	bool inheritable = prop_inheritable(name), own = true;
	zprop_source_t src;
	int err;

	if (ds->ds_is_snapshot) {
		err = prop_from_zap(
		    mos, dsl_dataset_phys(ds)->ds_props_obj, name, intsz, num, buf, &src);
		if (err == 0 && setpoint != NULL)
			dsl_dataset_name(ds, setpoint);
		if (err != ENOENT) {
			*srcp = src;
			return (err);
		}
		if (!inheritable)
			return (ENOENT);
		own = false;
	}
	for (dsl_dir_t *dd = ds->ds_dir; dd != NULL; dd = dd->dd_parent, own = false) {
		err = prop_from_zap(
		    mos, dsl_dir_phys(dd)->dd_props_zapobj, name, intsz, num, buf, &src);
		if (err == 0 && setpoint != NULL)
			dsl_dir_name(dd, setpoint);
		if (err != ENOENT) {
			*srcp = own ? src : ZPROP_SRC_INHERITED;
			return (err);
		}
		if (!inheritable)
			break;
	}
	return (ENOENT);
}

int
dsl_prop_get_int(dsl_dataset_t *ds, const char *name, uint64_t *v, zprop_source_t *srcp,
    char *setpoint)
{
	zprop_source_t src = ZPROP_SRC_DEFAULT;
	uint64_t value;
	int err = prop_get(ds, name, sizeof (uint64_t), 1, &value, &src, setpoint);

	if (err == ENOENT) {
		const zfs_prop_info_t *pd = zfs_prop_lookup(name);
		if (pd == NULL)
			return (ENOENT);
		value = pd->pd_numdefault;
		src = ZPROP_SRC_DEFAULT;
		if (setpoint != NULL)
			setpoint[0] = '\0';
	} else if (err != 0) {
		return (err);
	}
	*v = value;
	if (srcp != NULL)
		*srcp = src;
	return (0);
}

int
dsl_prop_get_string(dsl_dataset_t *ds, const char *name, char *buf, size_t size,
    zprop_source_t *srcp, char *setpoint)
{
	zprop_source_t src = ZPROP_SRC_DEFAULT;
	int err;

	memset(buf, 0, size);
	err = prop_get(ds, name, 1, size - 1, buf, &src, setpoint);
	if (err == ENOENT) {
		const zfs_prop_info_t *pd = zfs_prop_lookup(name);
		if (pd == NULL || pd->pd_strdefault == NULL)
			return (ENOENT);
		(void)snprintf(buf, size, "%s", pd->pd_strdefault);
		src = ZPROP_SRC_DEFAULT;
		if (setpoint != NULL)
			setpoint[0] = '\0';
	} else if (err != 0) {
		return (err);
	}
	if (srcp != NULL)
		*srcp = src;
	return (0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

typedef struct prop_collect {
	objset_t *pc_mos;
	nvlist_t *pc_out;
	const char *pc_setpoint;
	bool pc_own;       /* the dataset's own ZAP */
	bool pc_snapshot_dir; /* a snapshot looking at its dir: not its own */
} prop_collect_t;

static void
collect_one(prop_collect_t *pc, uint64_t zapobj, const char *name, const zap_attribute_t *za,
    zprop_source_t src)
{
	nvlist_t *nv;
	uint64_t v = za->za_first_integer;

	if (nvlist_exists(pc->pc_out, name))
		return;
	if (!pc->pc_own && !prop_inheritable(name))
		return;
	nv = nvlist_create();
	if (za->za_integer_length == 1) {
		char *buf = kmem_zalloc(za->za_num_integers + 1, KM_SLEEP);
		if (zap_lookup(pc->pc_mos, zapobj, za->za_name, 1, za->za_num_integers, buf) == 0)
			(void)nvlist_add_string(nv, "value", buf);
		kmem_free(buf, za->za_num_integers + 1);
	} else {
		(void)prop_stored(pc->pc_mos, zapobj, name, ZPROP_IUV_SUFFIX, 8, 1, &v);
		fnvlist_add_uint64(nv, "value", v);
	}
	fnvlist_add_string(nv, "source",
	    src == ZPROP_SRC_RECEIVED && pc->pc_own ? ZPROP_RECVD_SUFFIX : pc->pc_setpoint);
	(void)nvlist_add_nvlist(pc->pc_out, name, nv);
	nvlist_free(nv);
}

/* Local values first, then received ones that nothing hides. */
static int
collect_zap(prop_collect_t *pc, uint64_t zapobj)
{
	zap_attribute_t *za;
	zap_cursor_t zc;
	int err = 0;

	if (zapobj == 0)
		return (0);
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	for (int received = 0; received <= 1 && (err == 0 || err == ENOENT); received++) {
		zap_cursor_init(&zc, pc->pc_mos, zapobj);
		while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
			char name[PROP_NAME_MAX];
			uint64_t dummy;
			char *dollar = strchr(za->za_name, '$');

			zap_cursor_advance(&zc);
			if (strlen(za->za_name) >= sizeof (name) || za->za_name[0] == '$')
				continue;
			if (received == 0 && dollar == NULL)
				collect_one(pc, zapobj, za->za_name, za, ZPROP_SRC_LOCAL);
			if (received == 0 || dollar == NULL ||
			    strcmp(dollar, ZPROP_RECVD_SUFFIX) != 0)
				continue;
			(void)snprintf(name, sizeof (name), "%.*s",
			    (int)(dollar - za->za_name), za->za_name);
			if (prop_stored(pc->pc_mos, zapobj, name, ZPROP_INHERIT_SUFFIX, 8, 1,
				&dummy) == ENOENT)
				collect_one(pc, zapobj, name, za, ZPROP_SRC_RECEIVED);
		}
		zap_cursor_fini(&zc);
	}
	kmem_free(za, sizeof (*za));
	return (err == ENOENT ? 0 : err);
}

int
dsl_prop_get_all(dsl_dataset_t *ds, nvlist_t **nvlp)
{
	char setpoint[ZFS_MAX_DATASET_NAME_LEN];
	prop_collect_t pc = { .pc_mos = ds->ds_pool->dp_meta_objset,
		.pc_out = nvlist_create(),
		.pc_setpoint = setpoint,
		.pc_own = true };
	int err = 0;

	if (ds->ds_is_snapshot) {
		dsl_dataset_name(ds, setpoint);
		err = collect_zap(&pc, dsl_dataset_phys(ds)->ds_props_obj);
		pc.pc_own = false;
	}
	for (dsl_dir_t *dd = ds->ds_dir; dd != NULL && err == 0; dd = dd->dd_parent) {
		dsl_dir_name(dd, setpoint);
		err = collect_zap(&pc, dsl_dir_phys(dd)->dd_props_zapobj);
		pc.pc_own = false;
	}
	if (err != 0) {
		nvlist_free(pc.pc_out);
		return (err);
	}
	*nvlp = pc.pc_out;
	return (0);
}

/* ---- what the dmu needs ------------------------------------------------------------------------ */

static uint64_t
prop_int(dsl_dataset_t *ds, const char *name)
{
	uint64_t v = 0;

	(void)dsl_prop_get_int(ds, name, &v, NULL, NULL);
	return (v);
}

void
dsl_dataset_load_props(dsl_dataset_t *ds)
{
	objset_props_t *op = dmu_objset_props(ds->ds_objset);
	uint64_t comp = prop_int(ds, "compression");
	uint64_t dnodesize = prop_int(ds, "dnodesize");
	uint64_t recordsize = prop_int(ds, "recordsize");

	if (dnodesize == 0)
		dnodesize = 512;
	else if (dnodesize == 1)
		dnodesize = 1024;
	if (!spa_feature_is_enabled(ds->ds_pool->dp_spa, SPA_FEATURE_LARGE_DNODE))
		dnodesize = 512;
	if (recordsize < 512 || !ISP2(recordsize))
		recordsize = SPA_OLD_MAXBLOCKSIZE;
	__atomic_store_n(&op->op_checksum, (uint8_t)prop_int(ds, "checksum"), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_compress, (uint8_t)(comp & 0x7f), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_complevel, (uint8_t)(comp >> 7), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_copies, (uint8_t)prop_int(ds, "copies"), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_redundant_metadata,
	    (uint8_t)prop_int(ds, "redundant_metadata"), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_sync, (uint8_t)prop_int(ds, "sync"), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_logbias, (uint8_t)prop_int(ds, "logbias"), __ATOMIC_RELAXED);
	__atomic_store_n(
	    &op->op_primarycache, (uint8_t)prop_int(ds, "primarycache"), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_recordsize,
	    MIN(recordsize, spa_maxblocksize(ds->ds_pool->dp_spa)), __ATOMIC_RELAXED);
	__atomic_store_n(&op->op_dnodesize, dnodesize, __ATOMIC_RELAXED);
}

/* Sync thread (or opening): all open object sets take their properties anew. */
void
dsl_props_refresh_all(dsl_pool_t *dp)
{
	uint64_t last = 0;

	for (;;) {
		dsl_dataset_t key = { .ds_object = last + 1 }, *ds;
		avl_index_t where;

		mutex_enter(&dp->dp_lock);
		ds = avl_find(&dp->dp_datasets, &key, &where);
		if (ds == NULL)
			ds = avl_nearest(&dp->dp_datasets, where, AVL_AFTER);
		if (ds != NULL)
			ds->ds_holds++;
		mutex_exit(&dp->dp_lock);
		if (ds == NULL)
			return;
		last = ds->ds_object;
		mutex_enter(&ds->ds_opening_lock);
		if (ds->ds_objset != NULL)
			dsl_dataset_load_props(ds);
		mutex_exit(&ds->ds_opening_lock);
		dsl_dataset_rele(ds, dp);
	}
}

/* ---- setting ------------------------------------------------------------------------------------- */

static void
zap_remove_form(objset_t *mos, uint64_t zapobj, const char *name, const char *suffix, dmu_tx_t *tx)
{
	char key[PROP_NAME_MAX + 16];

	(void)snprintf(key, sizeof (key), "%s%s", name, suffix);
	int err = zap_remove(mos, zapobj, key, tx);
	VERIFY(err == 0 || err == ENOENT);
}

static void
zap_set_form(objset_t *mos, uint64_t zapobj, const char *name, const char *suffix,
    const nvpair_t *value, dmu_tx_t *tx)
{
	char key[PROP_NAME_MAX + 16];
	const char *str;
	uint64_t num = 0;

	(void)snprintf(key, sizeof (key), "%s%s", name, suffix);
	if (value != NULL && nvpair_value_string(value, &str) == 0) {
		VERIFY0(zap_update(mos, zapobj, key, 1, strlen(str) + 1, str, tx));
		return;
	}
	if (value != NULL)
		VERIFY0(nvpair_value_uint64(value, &num));
	VERIFY0(zap_update(mos, zapobj, key, sizeof (num), 1, &num, tx));
}

/* The ZAP that a dataset's own properties are in; a snapshot's is made by the first one. */
static uint64_t
props_zap_for_write(dsl_dataset_t *ds, dmu_tx_t *tx)
{
	if (!ds->ds_is_snapshot)
		return (dsl_dir_phys(ds->ds_dir)->dd_props_zapobj);
	if (dsl_dataset_phys(ds)->ds_props_obj == 0) {
		uint64_t obj = zap_create(
		    ds->ds_pool->dp_meta_objset, DMU_OT_DSL_PROPS, DMU_OT_NONE, 0, tx);
		dmu_buf_will_dirty(ds->ds_dbuf, tx);
		dsl_dataset_phys(ds)->ds_props_obj = obj;
	}
	return (dsl_dataset_phys(ds)->ds_props_obj);
}

/* Was anything ever received here or above ($hasrecvd is looked up like a user property)? */
static bool
has_received(dsl_dataset_t *ds)
{
	uint64_t dummy;

	for (dsl_dir_t *dd = ds->ds_dir; dd != NULL; dd = dd->dd_parent)
		if (zap_lookup(ds->ds_pool->dp_meta_objset, dsl_dir_phys(dd)->dd_props_zapobj,
			"$hasrecvd", sizeof (dummy), 1, &dummy) == 0)
			return (true);
	return (false);
}

/* Values that old software must not see are hidden behind `$iuv`. */
static bool
prop_needs_iuv(const char *name, const nvpair_t *value)
{
	uint64_t v;

	if (nvpair_value_uint64(value, &v) != 0)
		return (false);
	return ((strcmp(name, "redundant_metadata") == 0 && v >= 2) ||
	    (strcmp(name, "snapdir") == 0 && v == 2));
}

void
dsl_prop_set_sync_impl(
    dsl_dataset_t *ds, const char *name, zprop_source_t src, const nvpair_t *value, dmu_tx_t *tx)
{
	objset_t *mos = ds->ds_pool->dp_meta_objset;
	uint64_t zapobj = props_zap_for_write(ds, tx);

	switch (src) {
	case ZPROP_SRC_LOCAL:
		zap_remove_form(mos, zapobj, name, ZPROP_INHERIT_SUFFIX, tx);
		if (prop_needs_iuv(name, value)) {
			uint64_t def = zfs_prop_lookup(name)->pd_numdefault;
			zap_set_form(mos, zapobj, name, ZPROP_IUV_SUFFIX, value, tx);
			VERIFY0(zap_update(mos, zapobj, name, sizeof (def), 1, &def, tx));
		} else {
			zap_remove_form(mos, zapobj, name, ZPROP_IUV_SUFFIX, tx);
			zap_set_form(mos, zapobj, name, "", value, tx);
		}
		break;
	case ZPROP_SRC_INHERITED:
		zap_remove_form(mos, zapobj, name, "", tx);
		zap_remove_form(mos, zapobj, name, ZPROP_IUV_SUFFIX, tx);
		if (has_received(ds))
			zap_set_form(mos, zapobj, name, ZPROP_INHERIT_SUFFIX, NULL, tx);
		break;
	case ZPROP_SRC_NONE: /* back to what was received */
		zap_remove_form(mos, zapobj, name, "", tx);
		zap_remove_form(mos, zapobj, name, ZPROP_INHERIT_SUFFIX, tx);
		break;
	case ZPROP_SRC_RECEIVED:
		zap_set_form(mos, zapobj, name, ZPROP_RECVD_SUFFIX, value, tx);
		break;
	default:
		panic("property source %d", (int)src);
	}
}

/* Space limits stand in the records, too, and change what parents are charged. */
static void
set_reservation(dsl_dir_t *dd, uint64_t value, dmu_tx_t *tx)
{
	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	mutex_enter(&dd->dd_lock);
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	int64_t delta = (int64_t)(MAX(p->dd_used_bytes, value) -
	    MAX(p->dd_used_bytes, p->dd_reserved));
	p->dd_reserved = value;
	mutex_exit(&dd->dd_lock);
	if (dd->dd_parent != NULL && delta != 0)
		dsl_dir_diduse_space(dd->dd_parent, DD_USED_CHILD_RSRV, delta, 0, 0, tx);
}

static void
set_refreservation(dsl_dataset_t *ds, uint64_t value, dmu_tx_t *tx)
{
	mutex_enter(&ds->ds_lock);
	uint64_t unique = dsl_dataset_phys(ds)->ds_unique_bytes, old = ds->ds_reserved;
	int64_t delta = (int64_t)((value > unique ? value - unique : 0) -
	    (old > unique ? old - unique : 0));
	ds->ds_reserved = value;
	mutex_exit(&ds->ds_lock);
	if (delta != 0)
		dsl_dir_diduse_space(ds->ds_dir, DD_USED_REFRSRV, delta, 0, 0, tx);
}

static void
prop_apply(dsl_dataset_t *ds, const char *name, dmu_tx_t *tx)
{
	if (ds->ds_is_snapshot)
		return;
	uint64_t v = prop_int(ds, name);
	if (strcmp(name, "quota") == 0) {
		dmu_buf_will_dirty(ds->ds_dir->dd_dbuf, tx);
		mutex_enter(&ds->ds_dir->dd_lock);
		dsl_dir_phys(ds->ds_dir)->dd_quota = v;
		mutex_exit(&ds->ds_dir->dd_lock);
	} else if (strcmp(name, "reservation") == 0) {
		set_reservation(ds->ds_dir, v, tx);
	} else if (strcmp(name, "refquota") == 0) {
		ds->ds_quota = v;
	} else if (strcmp(name, "refreservation") == 0) {
		set_refreservation(ds, v, tx);
	} else if (strcmp(name, "compression") == 0 && (v & 0x7f) == ZIO_COMPRESS_ZSTD &&
	    !(ds->ds_features & 1ULL << SPA_FEATURE_ZSTD_COMPRESS)) {
		/* format/03 §3.5: at once, not with the first such block. */
		dsl_dataset_activate_feature(ds->ds_object, SPA_FEATURE_ZSTD_COMPRESS, tx);
		ds->ds_features |= 1ULL << SPA_FEATURE_ZSTD_COMPRESS;
	}
}

/* Properties of the master node or the volume are not kept in the props ZAP (format/03 §3.3). */
static bool
prop_stored_elsewhere(const char *name)
{
	static const char *const names[] = { "version", "normalization", "utf8only",
		"casesensitivity", "volsize", "volblocksize" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (true);
	return (false);
}

void
dsl_props_set_sync_impl(dsl_dataset_t *ds, const nvlist_t *props, dmu_tx_t *tx)
{
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		const char *name = nvpair_name(nvp);
		if (prop_stored_elsewhere(name))
			continue;
		dsl_prop_set_sync_impl(ds, name,
		    nvpair_type(nvp) == DATA_TYPE_BOOLEAN ? ZPROP_SRC_INHERITED :
							    ZPROP_SRC_LOCAL,
		    nvp, tx);
		prop_apply(ds, name, tx);
	}
}

/* ---- checks (format/03 §2.7, §3.5) -------------------------------------------------------------- */

static int
check_space_prop(dsl_dataset_t *ds, const char *name, uint64_t v)
{
	dsl_dir_phys_t *d = dsl_dir_phys(ds->ds_dir);
	dsl_dataset_phys_t *p = dsl_dataset_phys(ds);

	if (strcmp(name, "quota") == 0) {
		if (v != 0 && (v < d->dd_reserved || v < d->dd_used_bytes))
			return (ENOSPC);
	} else if (strcmp(name, "refquota") == 0) {
		if (v != 0 && (v < p->ds_referenced_bytes || v < ds->ds_reserved))
			return (ENOSPC);
	} else if (strcmp(name, "reservation") == 0) {
		uint64_t now = MAX(d->dd_used_bytes, d->dd_reserved);
		uint64_t then = MAX(d->dd_used_bytes, v);
		if (then > now) {
			uint64_t avail = ds->ds_dir->dd_parent != NULL ?
			    dsl_dir_space_available(ds->ds_dir->dd_parent, NULL, 0, false) :
			    dsl_dir_space_available(ds->ds_dir, NULL, 0, false);
			if (then - now > avail || (d->dd_quota != 0 && v > d->dd_quota))
				return (ENOSPC);
		}
	} else if (strcmp(name, "refreservation") == 0) {
		uint64_t now = MAX(p->ds_unique_bytes, ds->ds_reserved);
		uint64_t then = MAX(p->ds_unique_bytes, v);
		if (then > now &&
		    (then - now > dsl_dir_space_available(ds->ds_dir, NULL, 0, false) ||
			(ds->ds_quota != 0 && v > ds->ds_quota)))
			return (ENOSPC);
	}
	return (0);
}

static int
check_feature_prop(spa_t *spa, const char *name, uint64_t v)
{
	if (strcmp(name, "compression") == 0) {
		if ((v & 0x7f) == ZIO_COMPRESS_LZ4 &&
		    !spa_feature_is_enabled(spa, SPA_FEATURE_LZ4_COMPRESS))
			return (ENOTSUP);
		if ((v & 0x7f) == ZIO_COMPRESS_ZSTD &&
		    !spa_feature_is_enabled(spa, SPA_FEATURE_ZSTD_COMPRESS))
			return (ENOTSUP);
	} else if (strcmp(name, "checksum") == 0 && v < ZIO_CHECKSUM_FUNCTIONS) {
		const char *guid = zio_checksum_table[v].ci_feature;
		spa_feature_t f;
		if (guid != NULL &&
		    (zfeature_lookup_guid(guid, &f) != 0 || !spa_feature_is_enabled(spa, f)))
			return (ENOTSUP);
	} else if (strcmp(name, "recordsize") == 0) {
		if (v < 512 || !ISP2(v) || v > 16ULL << 20)
			return (ERANGE);
		if (v > spa_maxblocksize(spa))
			return (ENOTSUP);
	} else if (strcmp(name, "dnodesize") == 0 && v != 0) {
		if (!spa_feature_is_enabled(spa, SPA_FEATURE_LARGE_DNODE))
			return (ENOTSUP);
	} else if (strcmp(name, "dedup") == 0 && v != ZIO_CHECKSUM_OFF) {
		return (ENOTSUP); /* writing dedup tables is not supported yet */
	} else if (strcmp(name, "longname") == 0 && v != 0 &&
	    !spa_feature_is_enabled(spa, SPA_FEATURE_LONGNAME)) {
		return (ENOTSUP);
	}
	return (0);
}

int
dsl_props_check(dsl_dataset_t *ds, const nvlist_t *props)
{
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		const char *name = nvpair_name(nvp), *str;
		const zfs_prop_info_t *pd = zfs_prop_lookup(name);
		uint64_t v;
		int err = 0;

		if (strlen(name) >= PROP_NAME_MAX)
			return (ENAMETOOLONG);
		if (pd == NULL && strchr(name, ':') == NULL)
			return (EINVAL);
		if (ds->ds_is_snapshot && pd != NULL)
			return (EINVAL); /* only user properties on snapshots */
		if (nvpair_type(nvp) == DATA_TYPE_BOOLEAN)
			continue;
		if (nvpair_value_string(nvp, &str) == 0) {
			if (pd != NULL && pd->pd_type != PROP_TYPE_STRING)
				return (EINVAL);
			if (strlen(str) >= PROP_VALUE_MAX)
				return (E2BIG);
			continue;
		}
		if (nvpair_value_uint64(nvp, &v) != 0 || pd == NULL ||
		    pd->pd_type == PROP_TYPE_STRING)
			return (EINVAL);
		if ((err = check_feature_prop(ds->ds_pool->dp_spa, pd->pd_name, v)) != 0 ||
		    (err = check_space_prop(ds, pd->pd_name, v)) != 0)
			return (err);
	}
	return (0);
}

typedef struct dsl_props_arg {
	dsl_pool_t *dpa_dp;
	const char *dpa_name;
	const nvlist_t *dpa_props;
	const char *dpa_inherit;
	bool dpa_received;
} dsl_props_arg_t;

static int
props_set_check(void *arg, dmu_tx_t *tx)
{
	dsl_props_arg_t *dpa = arg;
	dsl_dataset_t *ds;
	int err = dsl_dataset_hold(dpa->dpa_dp, dpa->dpa_name, dpa, &ds);

	(void)tx;
	if (err != 0)
		return (err);
	if (dpa->dpa_props != NULL)
		err = dsl_props_check(ds, dpa->dpa_props);
	dsl_dataset_rele(ds, dpa);
	return (err);
}

static void
props_set_sync(void *arg, dmu_tx_t *tx)
{
	dsl_props_arg_t *dpa = arg;
	dsl_dataset_t *ds;

	VERIFY0(dsl_dataset_hold(dpa->dpa_dp, dpa->dpa_name, dpa, &ds));
	if (dpa->dpa_props != NULL) {
		dsl_props_set_sync_impl(ds, dpa->dpa_props, tx);
		for (nvpair_t *nvp = nvlist_next_nvpair(dpa->dpa_props, NULL); nvp != NULL;
		     nvp = nvlist_next_nvpair(dpa->dpa_props, nvp))
			dsl_log_internal(dpa->dpa_dp, "set", dpa->dpa_name, ds->ds_object, tx,
			    nvpair_name(nvp));
	} else {
		dsl_prop_set_sync_impl(ds, dpa->dpa_inherit,
		    dpa->dpa_received ? ZPROP_SRC_NONE : ZPROP_SRC_INHERITED, NULL, tx);
		prop_apply(ds, dpa->dpa_inherit, tx);
		dsl_log_internal(dpa->dpa_dp, "inherit", dpa->dpa_name, ds->ds_object, tx,
		    dpa->dpa_inherit);
	}
	dsl_props_refresh_all(dpa->dpa_dp);
	dsl_dataset_rele(ds, dpa);
}

static int
props_task(dsl_props_arg_t *dpa)
{
	int err = dsl_sync_task(dpa->dpa_dp, props_set_check, props_set_sync, dpa, 2,
	    ZFS_SPACE_CHECK_RESERVED);

	if (err == 0 && dsl_prop_changed != NULL)
		dsl_prop_changed(dpa->dpa_dp, dpa->dpa_name);
	return (err);
}

int
dsl_props_set(dsl_pool_t *dp, const char *dsname, const nvlist_t *props)
{
	dsl_props_arg_t dpa = { dp, dsname, props, NULL, false };

	return (props_task(&dpa));
}

int
dsl_prop_inherit(dsl_pool_t *dp, const char *dsname, const char *propname, bool received)
{
	dsl_props_arg_t dpa = { dp, dsname, NULL, propname, received };

	if (strlen(propname) >= PROP_NAME_MAX)
		return (ENAMETOOLONG);
	return (props_task(&dpa));
}
