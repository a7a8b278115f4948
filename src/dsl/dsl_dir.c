/*
 * DSL directories: the tree of names and the space charged to each (format/03 §1.2,
 * §2). A dsl_dir_t is the in-memory handle, one for each MOS object in use, found by
 * object number in dp_dirs; each holds its parent, so a handle always reaches the root.
 *
 * The numbers live in the bonus buffer and are changed only by the sync thread and the
 * zio threads working for it, under dd_lock. Charging walks up to the root taking one
 * dd_lock at a time: the sums of different levels may be seen in between, never torn.
 *
 * Space for running transactions: what a transaction may use at most is added to
 * dd_space_towrite[txg] along the path when it is assigned; when it commits, that is
 * replaced by what it has made dirty, and this is taken back when the txg has been
 * synced and the real numbers have arrived in the bonus. The promise is on
 * the high side, so it can only send a writer to the next txg (ERESTART), never give a
 * wrong ENOSPC: that is decided without the promises.
 */
#include "dsl/dsl_impl.h"

int
dsl_parse_hex(const char *s, uint64_t *v)
{
	uint64_t n = 0;

	if (*s == '\0' || strlen(s) > 16)
		return (EINVAL);
	for (; *s != '\0'; s++) {
		int d = *s >= '0' && *s <= '9' ? *s - '0' :
		    *s >= 'a' && *s <= 'f'     ? *s - 'a' + 10 :
						 -1;
		if (d < 0)
			return (EINVAL);
		n = n << 4 | (uint64_t)d;
	}
	*v = n;
	return (0);
}

dsl_dir_phys_t *
dsl_dir_phys(dsl_dir_t *dd)
{
	return (dsl_dir_phys_of(dd->dd_dbuf->db_data, dd->dd_dbuf->db_size));
}

dsl_pool_t *
dmu_tx_pool(dmu_tx_t *tx)
{
	return (dmu_tx_spa(tx)->spa_dsl_pool);
}

/* ---- holds ---------------------------------------------------------------------------- */

static dsl_dir_t *
dd_find_hold(dsl_pool_t *dp, uint64_t ddobj)
{
	dsl_dir_t key = { .dd_object = ddobj };

	ASSERT(MUTEX_HELD(&dp->dp_lock));
	dsl_dir_t *dd = avl_find(&dp->dp_dirs, &key, NULL);
	if (dd != NULL)
		dd->dd_holds++;
	return (dd);
}

static void
dd_free(dsl_dir_t *dd)
{
	mutex_destroy(&dd->dd_lock);
	if (dd->dd_dbuf != NULL)
		dmu_buf_rele(dd->dd_dbuf, dd);
	kmem_free(dd, sizeof (*dd));
}

/* The name of a dir is the entry of its parent's child map that leads to it. */
static int
dd_find_name(dsl_dir_t *dd)
{
	objset_t *mos = dd->dd_pool->dp_meta_objset;
	zap_cursor_t zc;
	zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
	int err;

	zap_cursor_init(&zc, mos, dsl_dir_phys(dd->dd_parent)->dd_child_dir_zapobj);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (za->za_first_integer == dd->dd_object)
			break;
		zap_cursor_advance(&zc);
	}
	if (err == 0 && strlen(za->za_name) >= sizeof (dd->dd_name))
		err = ENAMETOOLONG;
	if (err == 0)
		memcpy(dd->dd_name, za->za_name, strlen(za->za_name) + 1);
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (err);
}

static int
dd_open(dsl_pool_t *dp, uint64_t ddobj, const char *tail, int depth, dsl_dir_t **ddp)
{
	objset_t *mos = dp->dp_meta_objset;
	dmu_object_info_t doi;
	int err;

	/* Parents lead to the root; a circle in a damaged pool must end. */
	if (depth > 256)
		return (ELOOP);
	if ((err = dmu_object_info(mos, ddobj, &doi)) != 0)
		return (err);
	if (doi.doi_bonus_type != DMU_OT_DSL_DIR || doi.doi_bonus_size < sizeof (dsl_dir_phys_t))
		return (EINVAL);

	dsl_dir_t *dd = kmem_zalloc(sizeof (*dd), KM_SLEEP);
	dd->dd_object = ddobj;
	dd->dd_pool = dp;
	dd->dd_holds = 1;
	mutex_init(&dd->dd_lock);
	if ((err = dmu_bonus_hold(mos, ddobj, dd, &dd->dd_dbuf)) != 0)
		goto fail;
	uint64_t parent = dsl_dir_phys(dd)->dd_parent_obj;
	if (parent != 0) {
		mutex_enter(&dp->dp_lock);
		dd->dd_parent = dd_find_hold(dp, parent);
		mutex_exit(&dp->dp_lock);
		if (dd->dd_parent == NULL &&
		    (err = dd_open(dp, parent, NULL, depth + 1, &dd->dd_parent)) != 0)
			goto fail;
		if (tail != NULL)
			(void)snprintf(dd->dd_name, sizeof (dd->dd_name), "%s", tail);
		else if ((err = dd_find_name(dd)) != 0)
			goto fail;
	} else {
		(void)snprintf(dd->dd_name, sizeof (dd->dd_name), "%s", dp->dp_spa->spa_name);
	}
	/* "Is a clone" starts counting at its origin; all others at $ORIGIN's txg. */
	uint64_t origin = dsl_dir_phys(dd)->dd_origin_obj;
	if (origin != 0) {
		dmu_buf_t *odb;
		if ((err = dmu_bonus_hold(mos, origin, dd, &odb)) != 0)
			goto fail;
		dd->dd_origin_txg =
		    dsl_dataset_phys_of(odb->db_data, odb->db_size)->ds_creation_txg;
		dmu_buf_rele(odb, dd);
	}

	/* Somebody may have been faster. */
	mutex_enter(&dp->dp_lock);
	dsl_dir_t *other = dd_find_hold(dp, ddobj);
	if (other == NULL)
		avl_add(&dp->dp_dirs, dd);
	mutex_exit(&dp->dp_lock);
	if (other != NULL) {
		if (dd->dd_parent != NULL)
			dsl_dir_rele(dd->dd_parent, dd);
		dd_free(dd);
		dd = other;
	}
	*ddp = dd;
	return (0);
fail:
	if (dd->dd_parent != NULL)
		dsl_dir_rele(dd->dd_parent, dd);
	dd_free(dd);
	return (err);
}

int
dsl_dir_hold_obj(
    dsl_pool_t *dp, uint64_t ddobj, const char *tail, const void *tag, dsl_dir_t **ddp)
{
	(void)tag;
	mutex_enter(&dp->dp_lock);
	dsl_dir_t *dd = dd_find_hold(dp, ddobj);
	mutex_exit(&dp->dp_lock);
	if (dd != NULL) {
		*ddp = dd;
		return (0);
	}
	return (dd_open(dp, ddobj, tail, 0, ddp));
}

void
dsl_dir_rele(dsl_dir_t *dd, const void *tag)
{
	(void)tag;
	while (dd != NULL) {
		dsl_pool_t *dp = dd->dd_pool;
		mutex_enter(&dp->dp_lock);
		ASSERT3U(dd->dd_holds, >, 0);
		if (--dd->dd_holds > 0) {
			mutex_exit(&dp->dp_lock);
			return;
		}
		avl_remove(&dp->dp_dirs, dd);
		mutex_exit(&dp->dp_lock);
		dsl_dir_t *parent = dd->dd_parent;
		dd_free(dd);
		dd = parent;
	}
}

void
dsl_dir_name(dsl_dir_t *dd, char *buf)
{
	if (dd->dd_parent == NULL) {
		(void)snprintf(buf, ZFS_MAX_DATASET_NAME_LEN, "%s", dd->dd_name);
		return;
	}
	dsl_dir_name(dd->dd_parent, buf);
	size_t len = strlen(buf);
	(void)snprintf(buf + len, ZFS_MAX_DATASET_NAME_LEN - len, "/%s", dd->dd_name);
}

int
dsl_name_check(const char *name)
{
	size_t len = strlen(name);
	bool seen_delim = false;
	const char *comp = name;

	if (len >= ZFS_MAX_DATASET_NAME_LEN)
		return (ENAMETOOLONG);
	for (const char *p = name;; p++) {
		if (*p == '/' || *p == '@' || *p == '#' || *p == '\0') {
			size_t n = (size_t)(p - comp);
			if (n == 0 || (n == 1 && comp[0] == '.') ||
			    (n == 2 && comp[0] == '.' && comp[1] == '.'))
				return (EINVAL);
			if (*p == '\0')
				return (0);
			if (seen_delim)
				return (EINVAL);
			seen_delim = *p != '/';
			comp = p + 1;
			continue;
		}
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr("-_.: %$", *p) != NULL))
			return (EINVAL);
	}
}

int
dsl_dir_hold(dsl_pool_t *dp, const char *name, const void *tag, dsl_dir_t **ddp,
    const char **tailp)
{
	objset_t *mos = dp->dp_meta_objset;
	char comp[ZFS_MAX_DATASET_NAME_LEN];
	const char *next = name;
	size_t n = strcspn(name, "/@#");
	dsl_dir_t *dd;
	int err;

	if ((err = dsl_name_check(name)) != 0)
		return (err);
	if (n != strlen(dp->dp_spa->spa_name) || strncmp(name, dp->dp_spa->spa_name, n) != 0)
		return (EXDEV);
	if ((err = dsl_dir_hold_obj(dp, dp->dp_root_dir_obj, NULL, tag, &dd)) != 0)
		return (err);
	next += n;
	while (*next == '/') {
		const char *start = next + 1;
		uint64_t obj;
		dsl_dir_t *child;

		n = strcspn(start, "/@#");
		memcpy(comp, start, n);
		comp[n] = '\0';
		err = zap_lookup(mos, dsl_dir_phys(dd)->dd_child_dir_zapobj, comp,
		    sizeof (uint64_t), 1, &obj);
		if (err == ENOENT && tailp != NULL && start[n] == '\0')
			break; /* the last component is the caller's to make */
		if (err == 0)
			err = dsl_dir_hold_obj(dp, obj, comp, tag, &child);
		dsl_dir_rele(dd, tag);
		if (err != 0)
			return (err);
		dd = child;
		next = start + n;
	}
	if (tailp != NULL)
		*tailp = *next == '\0' ? NULL : *next == '/' ? next + 1 : next;
	else if (*next != '\0') {
		dsl_dir_rele(dd, tag);
		return (ENOENT);
	}
	*ddp = dd;
	return (0);
}

int
dsl_dir_open_special(dsl_pool_t *dp, const char *name, dsl_dir_t **ddp)
{
	uint64_t obj;
	int err = zap_lookup(dp->dp_meta_objset,
	    dsl_dir_phys(dp->dp_root_dir)->dd_child_dir_zapobj, name, sizeof (uint64_t), 1, &obj);

	if (err == 0)
		err = dsl_dir_hold_obj(dp, obj, name, dp, ddp);
	return (err);
}

int
dsl_dir_foreach_child(dsl_dir_t *dd, int (*func)(void *, const char *, uint64_t), void *arg)
{
	zap_cursor_t zc;
	zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
	int err, ret = 0;

	zap_cursor_init(
	    &zc, dd->dd_pool->dp_meta_objset, dsl_dir_phys(dd)->dd_child_dir_zapobj);
	while (ret == 0 && (err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (za->za_name[0] != '$' && za->za_name[0] != '%')
			ret = func(arg, za->za_name, za->za_first_integer);
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (ret != 0 ? ret : err == ENOENT ? 0 : err);
}

/* ---- making and destroying (sync thread) -------------------------------------------------- */

uint64_t
dsl_dir_create_sync(dsl_pool_t *dp, dsl_dir_t *parent, const char *name, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;
	dmu_buf_t *db;
	uint64_t obj = dmu_object_alloc(
	    mos, DMU_OT_DSL_DIR, 0, DMU_OT_DSL_DIR, (int)sizeof (dsl_dir_phys_t), tx);

	if (parent != NULL) {
		VERIFY0(zap_add(mos, dsl_dir_phys(parent)->dd_child_dir_zapobj, name,
		    sizeof (uint64_t), 1, &obj, tx));
		if (name[0] != '$')
			dsl_dir_adjust_counts(parent, 1, 0, tx);
	} else {
		VERIFY0(zap_add(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_ROOT_DATASET,
		    sizeof (uint64_t), 1, &obj, tx));
	}
	VERIFY0(dmu_bonus_hold(mos, obj, dp, &db));
	dmu_buf_will_dirty(db, tx);
	dsl_dir_phys_t *p = dsl_dir_phys_of(db->db_data, db->db_size);
	p->dd_creation_time = gethrestime_sec();
	p->dd_parent_obj = parent != NULL ? parent->dd_object : 0;
	p->dd_props_zapobj = zap_create(mos, DMU_OT_DSL_PROPS, DMU_OT_NONE, 0, tx);
	p->dd_child_dir_zapobj =
	    zap_create(mos, DMU_OT_DSL_DIR_CHILD_MAP, DMU_OT_NONE, 0, tx);
	if (dp->dp_spa->spa_version >= 13)
		p->dd_flags |= DD_FLAG_USED_BREAKDOWN;
	dmu_buf_rele(db, dp);
	return (obj);
}

/* Is the MOS object zapified, i.e. does it carry extra keys (format/03 §1.1)? */
static bool
dsl_is_zapified(objset_t *mos, uint64_t obj)
{
	dmu_object_info_t doi;

	return (dmu_object_info(mos, obj, &doi) == 0 && doi.doi_type == DMU_OTN_ZAP_METADATA);
}

void
dsl_dir_destroy_sync(uint64_t ddobj, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dmu_tx_pool(tx);
	objset_t *mos = dp->dp_meta_objset;
	dsl_dir_t *dd;
	char name[ZFS_MAX_DATASET_NAME_LEN];

	VERIFY0(dsl_dir_hold_obj(dp, ddobj, NULL, &ddobj, &dd));
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	ASSERT0(p->dd_head_dataset_obj);
	dsl_dir_adjust_counts(dd->dd_parent, -1, 0, tx);
	/* An unused reservation is given back to the parent. */
	if (p->dd_reserved > p->dd_used_bytes)
		dsl_dir_diduse_space(dd->dd_parent, DD_USED_CHILD_RSRV,
		    -(int64_t)(p->dd_reserved - p->dd_used_bytes), 0, 0, tx);
	VERIFY0(zap_destroy(mos, p->dd_child_dir_zapobj, tx));
	VERIFY0(zap_destroy(mos, p->dd_props_zapobj, tx));
	if (p->dd_clones != 0)
		VERIFY0(zap_destroy(mos, p->dd_clones, tx));
	if (p->dd_deleg_zapobj != 0) {
		zap_cursor_t zc;
		zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
		zap_cursor_init(&zc, mos, p->dd_deleg_zapobj);
		while (zap_cursor_retrieve(&zc, za) == 0) {
			VERIFY0(zap_destroy(mos, za->za_first_integer, tx));
			zap_cursor_advance(&zc);
		}
		zap_cursor_fini(&zc);
		kmem_free(za, sizeof (*za));
		VERIFY0(zap_destroy(mos, p->dd_deleg_zapobj, tx));
	}
	(void)snprintf(name, sizeof (name), "%s", dd->dd_name);
	VERIFY0(zap_remove(
	    mos, dsl_dir_phys(dd->dd_parent)->dd_child_dir_zapobj, name, tx));
	if (dsl_is_zapified(mos, ddobj))
		spa_feature_decr(
		    dp->dp_spa, SPA_FEATURE_EXTENSIBLE_DATASET, dmu_tx_get_txg(tx));
	dsl_dir_rele(dd, &ddobj);
	VERIFY0(dmu_object_free(mos, ddobj, tx));
}

/*
 * Counts for filesystem_limit/snapshot_limit exist from the dir upwards on which a limit
 * was set first; stop at the first dir without them (format/03 §2.9).
 */
void
dsl_dir_adjust_counts(dsl_dir_t *dd, int64_t fs, int64_t snaps, dmu_tx_t *tx)
{
	objset_t *mos = dd->dd_pool->dp_meta_objset;

	if (!spa_feature_is_active(dd->dd_pool->dp_spa, SPA_FEATURE_FS_SS_LIMIT))
		return;
	for (; dd != NULL; dd = dd->dd_parent) {
		if (!dsl_is_zapified(mos, dd->dd_object) ||
		    zap_contains(mos, dd->dd_object, "com.joyent:filesystem_count") != 0)
			return;
		if (fs != 0)
			VERIFY0(zap_increment(
			    mos, dd->dd_object, "com.joyent:filesystem_count", fs, tx));
		if (snaps != 0)
			VERIFY0(zap_increment(
			    mos, dd->dd_object, "com.joyent:snapshot_count", snaps, tx));
	}
}

/* ---- space --------------------------------------------------------------------------------- */

/* How much a parent sees of a child: what it uses, at least its reservation. */
static int64_t
parent_delta(uint64_t used, uint64_t reserved, int64_t delta)
{
	return ((int64_t)(MAX(used + (uint64_t)delta, reserved) - MAX(used, reserved)));
}

void
dsl_dir_diduse_space(dsl_dir_t *dd, dd_used_t type, int64_t used, int64_t compressed,
    int64_t uncompressed, dmu_tx_t *tx)
{
	ASSERT(dmu_tx_is_syncing(tx));
	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	mutex_enter(&dd->dd_lock);
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	int64_t accounted = parent_delta(p->dd_used_bytes, p->dd_reserved, used);
	VERIFY(used >= 0 || p->dd_used_bytes >= (uint64_t)-used);
	p->dd_used_bytes += (uint64_t)used;
	p->dd_compressed_bytes += (uint64_t)compressed;
	p->dd_uncompressed_bytes += (uint64_t)uncompressed;
	if (p->dd_flags & DD_FLAG_USED_BREAKDOWN)
		p->dd_used_breakdown[type] += (uint64_t)used;
	mutex_exit(&dd->dd_lock);
	if (dd->dd_parent != NULL)
		dsl_dir_transfer_space(dd->dd_parent, accounted, compressed, uncompressed, used,
		    DD_USED_CHILD_RSRV, DD_USED_CHILD, tx);
}

void
dsl_dir_transfer_space(dsl_dir_t *dd, int64_t delta, int64_t compressed,
    int64_t uncompressed, int64_t tonew, dd_used_t oldtype, dd_used_t newtype, dmu_tx_t *tx)
{
	for (; dd != NULL; dd = dd->dd_parent) {
		dmu_buf_will_dirty(dd->dd_dbuf, tx);
		mutex_enter(&dd->dd_lock);
		dsl_dir_phys_t *p = dsl_dir_phys(dd);
		int64_t accounted = parent_delta(p->dd_used_bytes, p->dd_reserved, delta);
		VERIFY(delta >= 0 || p->dd_used_bytes >= (uint64_t)-delta);
		p->dd_used_bytes += (uint64_t)delta;
		p->dd_compressed_bytes += (uint64_t)compressed;
		p->dd_uncompressed_bytes += (uint64_t)uncompressed;
		if (p->dd_flags & DD_FLAG_USED_BREAKDOWN) {
			p->dd_used_breakdown[oldtype] -= (uint64_t)(tonew - delta);
			p->dd_used_breakdown[newtype] += (uint64_t)tonew;
		}
		mutex_exit(&dd->dd_lock);
		tonew = delta;
		delta = accounted;
		oldtype = DD_USED_CHILD_RSRV;
		newtype = DD_USED_CHILD;
	}
}

void
dsl_dir_shift_space(
    dsl_dir_t *dd, int64_t delta, dd_used_t oldtype, dd_used_t newtype, dmu_tx_t *tx)
{
	dmu_buf_will_dirty(dd->dd_dbuf, tx);
	mutex_enter(&dd->dd_lock);
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	if (p->dd_flags & DD_FLAG_USED_BREAKDOWN) {
		p->dd_used_breakdown[oldtype] -= (uint64_t)delta;
		p->dd_used_breakdown[newtype] += (uint64_t)delta;
	}
	mutex_exit(&dd->dd_lock);
}

static uint64_t
dd_inflight(dsl_dir_t *dd)
{
	uint64_t sum = 0;

	for (int i = 0; i < TXG_SIZE; i++)
		sum += dd->dd_space_towrite[i];
	return (sum);
}

/*
 * What dd may still use (format/03 §2.5). With `ancestor`, computed as if that dir used
 * `delta` less. ondisk: without what running transactions have been promised.
 */
uint64_t
dsl_dir_space_available(dsl_dir_t *dd, const dsl_dir_t *ancestor, int64_t delta, bool ondisk)
{
	uint64_t parentspace = UINT64_MAX, quota = UINT64_MAX, avail;

	if (dd->dd_parent != NULL)
		parentspace = dsl_dir_space_available(dd->dd_parent, ancestor, delta, ondisk);
	mutex_enter(&dd->dd_lock);
	dsl_dir_phys_t *p = dsl_dir_phys(dd);
	uint64_t used = p->dd_used_bytes, reserved = p->dd_reserved;
	if (p->dd_quota != 0)
		quota = p->dd_quota;
	if (!ondisk)
		used += dd_inflight(dd);
	mutex_exit(&dd->dd_lock);
	if (dd->dd_parent == NULL)
		quota = MIN(quota, dsl_pool_adjustedsize(dd->dd_pool, 0));
	if (dd == ancestor)
		used = (uint64_t)delta <= used ? used - (uint64_t)delta : 0;
	if (reserved > used && parentspace != UINT64_MAX)
		parentspace += reserved - used;
	avail = used > quota ? 0 : MIN(parentspace, quota - used);
	return (avail);
}

/*
 * May a transaction use `asize` more below dd? If it fits, it is promised on the whole
 * path until its txg has been synced.
 */
static int
dd_check_space(dsl_dir_t *dd, uint64_t asize, bool netfree)
{
	dsl_pool_t *dp = dd->dd_pool;

	for (; dd != NULL; dd = dd->dd_parent) {
		uint64_t quota = UINT64_MAX;
		bool ispool = dd->dd_parent == NULL;

		mutex_enter(&dd->dd_lock);
		dsl_dir_phys_t *p = dsl_dir_phys(dd);
		uint64_t used = p->dd_used_bytes;
		uint64_t inflight = dd_inflight(dd);
		if (p->dd_quota != 0 && !netfree)
			quota = p->dd_quota;
		uint64_t reserved = p->dd_reserved;
		mutex_exit(&dd->dd_lock);
		uint64_t poolsize = 0;
		if (ispool) {
			/* Freeing must work in a full pool: it may use half of the slop. */
			poolsize = dsl_pool_adjustedsize(dp, netfree ? 1 : 0);
			quota = MIN(quota, poolsize);
		}
		if (quota != UINT64_MAX && used + inflight + asize > quota) {
			if (used < quota && inflight > 0)
				return (ERESTART);
			return (ispool && quota == poolsize ? ENOSPC : EDQUOT);
		}
		/* Inside its reservation a dir takes nothing new from its parent. */
		if (used + inflight + asize <= reserved)
			break;
	}
	return (0);
}

int
dsl_dir_tempreserve(dsl_dir_t *dd, uint64_t asize, bool netfree, uint64_t txg)
{
	int err = dd_check_space(dd, asize, netfree);

	if (err == 0)
		dsl_dir_willuse(dd, asize, txg);
	return (err);
}

void
dsl_dir_willuse(dsl_dir_t *dd, uint64_t bytes, uint64_t txg)
{
	for (; dd != NULL; dd = dd->dd_parent) {
		mutex_enter(&dd->dd_lock);
		dd->dd_space_towrite[txg & TXG_MASK] += bytes;
		mutex_exit(&dd->dd_lock);
		/* The list keeps a hold, so that the handle is there when the txg ends. */
		if (txg_list_add(&dd->dd_pool->dp_dirty_dirs, dd, txg)) {
			mutex_enter(&dd->dd_pool->dp_lock);
			dd->dd_holds++;
			mutex_exit(&dd->dd_pool->dp_lock);
		}
	}
}

void
dsl_dir_unpromise(dsl_dir_t *dd, uint64_t bytes, uint64_t keep, uint64_t txg)
{
	for (; dd != NULL; dd = dd->dd_parent) {
		mutex_enter(&dd->dd_lock);
		uint64_t *towrite = &dd->dd_space_towrite[txg & TXG_MASK];
		*towrite = *towrite + keep > bytes ? *towrite + keep - bytes : 0;
		mutex_exit(&dd->dd_lock);
	}
}

/* The txg is being written: the real numbers replace the promises. */
void
dsl_dir_sync(dsl_dir_t *dd, dmu_tx_t *tx)
{
	mutex_enter(&dd->dd_lock);
	dd->dd_space_towrite[dmu_tx_get_txg(tx) & TXG_MASK] = 0;
	mutex_exit(&dd->dd_lock);
	dsl_dir_rele(dd, tx);
}
