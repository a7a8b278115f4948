/*
 * Files in memory: the cache of znodes, loading and storing their attributes (format/04
 * §1.5–1.9, §2).
 */
#include "zpl/zpl_impl.h"

static const char znode_tag[] = "znode";

/* ---- the cache ------------------------------------------------------- */

static zpl_bucket_t *
bucket_of(zfsvfs_t *zv, uint64_t object)
{
	return (&zv->zv_buckets[(object * 0x9e3779b97f4a7c15ULL) >> 54]);
}
_Static_assert(ZPL_BUCKETS == 1 << 10, "bucket_of takes the top 10 bits");

kmutex_t *
znode_load_lock(zfsvfs_t *zv, uint64_t object)
{
	return (&zv->zv_load[object % ZPL_LOAD_LOCKS]);
}

znode_t *
znode_alloc(zfsvfs_t *zv, uint64_t object)
{
	znode_t *zp = kmem_zalloc(sizeof(*zp), KM_SLEEP);
	zp->z_zfsvfs = zv;
	zp->z_id = object;
	zp->z_refs = 1;
	rw_init(&zp->z_lock);
	mutex_init(&zp->z_names_lock);
	cv_init(&zp->z_names_cv);
	list_create(
	    &zp->z_names, sizeof(zpl_namelock_t), offsetof(zpl_namelock_t, nl_node));
	zpl_rangelock_init(&zp->z_range);
	rw_init(&zp->z_xattr_lock);
	atomic_inc_64(&zv->zv_nznodes);
	return (zp);
}

void
znode_free(znode_t *zp)
{
	if (zp->z_sa.sh_bonus != NULL)
		sa_handle_fini(&zp->z_sa, znode_tag);
	nvlist_free(zp->z_xattr_sa);
	rw_destroy(&zp->z_xattr_lock);
	zpl_rangelock_fini(&zp->z_range);
	list_destroy(&zp->z_names);
	cv_destroy(&zp->z_names_cv);
	mutex_destroy(&zp->z_names_lock);
	rw_destroy(&zp->z_lock);
	atomic_dec_64(&zp->z_zfsvfs->zv_nznodes);
	kmem_free(zp, sizeof(*zp));
}

void
znode_insert(znode_t *zp)
{
	zpl_bucket_t *b = bucket_of(zp->z_zfsvfs, zp->z_id);
	mutex_enter(&b->zb_lock);
	avl_add(&b->zb_tree, zp);
	mutex_exit(&b->zb_lock);
}

void
znode_remove(znode_t *zp)
{
	zpl_bucket_t *b = bucket_of(zp->z_zfsvfs, zp->z_id);
	mutex_enter(&b->zb_lock);
	avl_remove(&b->zb_tree, zp);
	mutex_exit(&b->zb_lock);
}

/* ENOENT: not in memory. EAGAIN: in memory, but on its way out. */
static int
cache_find(zfsvfs_t *zv, uint64_t object, znode_t **zpp)
{
	zpl_bucket_t *b = bucket_of(zv, object);
	znode_t *key = NULL;
	int err = ENOENT;
	const znode_t probe = {.z_id = object};

	mutex_enter(&b->zb_lock);
	key = avl_find(&b->zb_tree, &probe, NULL);
	if (key != NULL && key->z_reaping) {
		err = EAGAIN;
	} else if (key != NULL) {
		key->z_refs++;
		*zpp = key;
		err = 0;
	}
	mutex_exit(&b->zb_lock);
	return (err);
}

static int
load_new(zfsvfs_t *zv, uint64_t object, znode_t **zpp)
{
	dmu_buf_t *db;
	dmu_object_info_t doi;
	int err = dmu_bonus_hold(zv->zv_os, object, znode_tag, &db);
	if (err != 0)
		return (err);
	/* only what may be a file: not the master node, ACL objects … */
	dmu_object_info_from_db(db, &doi);
	znode_t *zp = znode_alloc(zv, object);
	if (doi.doi_type != DMU_OT_PLAIN_FILE_CONTENTS &&
	    doi.doi_type != DMU_OT_DIRECTORY_CONTENTS)
		err = ENOENT;
	if (err == 0)
		err = sa_handle_init(&zp->z_sa, zv->zv_sa, db, znode_tag);
	if (err != 0) {
		dmu_buf_rele(db, znode_tag);
		znode_free(zp);
		return (err == EINVAL ? ENOENT : err);
	}
	err = znode_load(zp);
	/*
	 * a directory that is no ZAP, or the other way round, cannot be used as either
	 */
	if (err == 0 && z_isdir(zp) != (doi.doi_type == DMU_OT_DIRECTORY_CONTENTS))
		err = EIO;
	if (err != 0) {
		znode_free(zp);
		return (err);
	}
	*zpp = zp;
	return (0);
}

int
znode_get(zfsvfs_t *zv, uint64_t object, znode_t **zpp)
{
	int err = cache_find(zv, object, zpp);
	if (err != ENOENT)
		return (err == EAGAIN ? ENOENT : err);

	kmutex_t *m = znode_load_lock(zv, object);
	mutex_enter(m);
	err = cache_find(zv, object, zpp);
	if (err == ENOENT) {
		znode_t *zp;
		err = load_new(zv, object, &zp);
		if (err == 0) {
			znode_insert(zp);
			*zpp = zp;
		}
	}
	mutex_exit(m);
	return (err == EAGAIN ? ENOENT : err);
}

void
znode_hold(znode_t *zp)
{
	zpl_bucket_t *b = bucket_of(zp->z_zfsvfs, zp->z_id);
	mutex_enter(&b->zb_lock);
	ASSERT(zp->z_refs > 0);
	zp->z_refs++;
	mutex_exit(&b->zb_lock);
}

/* Write an access time that has only been noted so far. */
static void
flush_atime(znode_t *zp)
{
	dmu_tx_t *tx = dmu_tx_create(zp->z_zfsvfs->zv_os);
	zpl_tx_hold_znode(tx, zp, false);
	const int err = zpl_tx_assign(tx);
	rw_enter(&zp->z_lock, RW_WRITER);
	/* an access time that cannot be written is not worth an error */
	if (err == 0 && zp->z_atime_dirty)
		(void)znode_store(zp, ZM(SA_ATIME), tx);
	zp->z_atime_dirty = false;
	rw_exit(&zp->z_lock);
	if (err == 0)
		dmu_tx_commit(tx);
}

void
znode_rele(znode_t *zp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	zpl_bucket_t *b = bucket_of(zv, zp->z_id);

	for (;;) {
		mutex_enter(&b->zb_lock);
		ASSERT(zp->z_refs > 0);
		if (zp->z_refs > 1) {
			zp->z_refs--;
			mutex_exit(&b->zb_lock);
			return;
		}
		/* the last hold: nobody else has the znode, nobody can change these */
		const bool writable = !zpl_readonly(zv) && !zp->z_stale && !zv->zv_dead;
		if (zp->z_unlinked && writable) {
			zp->z_reaping = true;
			mutex_exit(&b->zb_lock);
			znode_reap(zp);
			return;
		}
		if (!zp->z_atime_dirty || !writable)
			break;
		mutex_exit(&b->zb_lock);
		flush_atime(zp);
	}
	avl_remove(&b->zb_tree, zp);
	mutex_exit(&b->zb_lock);
	znode_free(zp);
}

void
znode_detach(znode_t *zp)
{
	if (zp->z_sa.sh_bonus != NULL)
		sa_handle_fini(&zp->z_sa, znode_tag);
	nvlist_free(zp->z_xattr_sa);
	zp->z_xattr_sa = NULL;
	zp->z_xattr_loaded = false;
}

int
znode_reattach(znode_t *zp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	const uint64_t gen = zp->z_gen;
	dmu_buf_t *db;

	int err = dmu_bonus_hold(zv->zv_os, zp->z_id, znode_tag, &db);
	if (err != 0)
		return (err);
	err = sa_handle_init(&zp->z_sa, zv->zv_sa, db, znode_tag);
	if (err != 0) {
		dmu_buf_rele(db, znode_tag);
		return (err);
	}
	const uint32_t type = zp->z_type;
	zp->z_xattr = 0;
	zp->z_atime_dirty = false;
	err = znode_load(zp);
	if (err == 0 && (zp->z_gen != gen || zp->z_type != type))
		err = ESTALE;
	/* what is stale keeps the type its users know */
	zp->z_type = type;
	return (err);
}

/* ---- attributes ------------------------------------------------------ */

/* Where a cached attribute lives, and how long it is. */
static void *
cached(znode_t *zp, zpl_sa_t attr, uint32_t *len)
{
	*len = 8;
	switch (attr) {
	case SA_ATIME:
	case SA_MTIME:
	case SA_CTIME:
	case SA_CRTIME:
		*len = 16;
		return (zp->z_time[attr - SA_ATIME + ZT_ATIME]);
	case SA_MODE:
		return (&zp->z_mode);
	case SA_SIZE:
		return (&zp->z_size);
	case SA_GEN:
		return (&zp->z_gen);
	case SA_UID:
		return (&zp->z_uid);
	case SA_GID:
		return (&zp->z_gid);
	case SA_PARENT:
		return (&zp->z_parent);
	case SA_FLAGS:
		return (&zp->z_flags);
	case SA_LINKS:
		return (&zp->z_links);
	case SA_PROJID:
		return (&zp->z_projid);
	case SA_RDEV:
		return (&zp->z_rdev);
	case SA_XATTR:
		return (&zp->z_xattr);
	default:
		panic("attribute %d is not cached", attr);
	}
}
_Static_assert(SA_ATIME == 0 && SA_CRTIME == 3 && ZT_CRTIME == 3, "times are in order");

static int
load_one(znode_t *zp, zpl_sa_t attr)
{
	uint32_t len;
	void *p = cached(zp, attr, &len);
	return (sa_lookup(&zp->z_sa, attr, p, len));
}

int
znode_load(znode_t *zp)
{
	static const uint8_t required[] = {SA_MODE, SA_SIZE, SA_GEN, SA_UID, SA_GID,
	    SA_PARENT, SA_FLAGS, SA_ATIME, SA_MTIME, SA_CTIME, SA_CRTIME, SA_LINKS};
	static const uint8_t optional[] = {SA_RDEV, SA_XATTR};

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		const int err = load_one(zp, required[i]);
		if (err != 0)
			return (err == ENOENT ? EIO : err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		const int err = load_one(zp, optional[i]);
		if (err != 0 && err != ENOENT)
			return (err);
	}
	if (zp->z_flags & ZPL_F_PROJID) {
		const int err = load_one(zp, SA_PROJID);
		if (err != 0 && err != ENOENT)
			return (err);
	}
	if (zp->z_gen == 0)
		return (ENOENT);
	zp->z_type = (uint32_t)zp->z_mode & S_IFMT;
	switch (zp->z_type) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		/* an unknown type is treated as a regular file (§2.1) */
		spl_log(LOG_WARNING, "object %" PRIu64 " has unknown mode %" PRIo64,
		    zp->z_id, zp->z_mode);
		zp->z_type = S_IFREG;
	}
	zp->z_unlinked = zp->z_links == 0;
	zp->z_attrspace = (zp->z_flags & ZPL_F_XATTR) != 0;
	return (0);
}

int
znode_store(znode_t *zp, uint32_t mask, dmu_tx_t *tx)
{
	sa_change_t sc[SA_STD_ATTRS];
	int n = 0;

	ASSERT(rw_write_held(&zp->z_lock));
	for (zpl_sa_t a = 0; a < SA_STD_ATTRS; a++) {
		if (!(mask & ZM(a)))
			continue;
		sc[n].sc_attr = a;
		sc[n].sc_data = cached(zp, a, &sc[n].sc_len);
		n++;
	}
	if (mask & ZM(SA_ATIME))
		zp->z_atime_dirty = false;
	znode_dirtied(zp, dmu_tx_get_txg(tx));
	return (sa_update(&zp->z_sa, sc, n, tx));
}

void
zpl_now(uint64_t t[2])
{
	struct timespec ts;
	gethrestime(&ts);
	t[0] = (uint64_t)ts.tv_sec;
	t[1] = (uint64_t)ts.tv_nsec;
}

uint32_t
znode_touch(znode_t *zp, uint32_t times)
{
	uint32_t mask = times;
	uint64_t now[2], flags = zp->z_flags;

	zpl_now(now);
	for (int i = ZT_ATIME; i <= ZT_CTIME; i++)
		if (times & ZM(SA_ATIME + i))
			memcpy(zp->z_time[i], now, sizeof(now));
	if (zp->z_zfsvfs->zv_version >= ZPL_VERSION_FUID) {
		if (times & (ZM(SA_MTIME) | ZM(SA_CTIME)))
			flags |= ZPL_F_ARCHIVE;
		if (times & ZM(SA_MTIME))
			flags |= ZPL_F_AV_MODIFIED;
	}
	if (flags != zp->z_flags) {
		zp->z_flags = flags;
		mask |= ZM(SA_FLAGS);
	}
	if (zp->z_atime_dirty)
		mask |= ZM(SA_ATIME);
	return (mask);
}

/* ---- legacy objects -------------------------------------------------- */

static bool
wants_upgrade(const znode_t *zp)
{
	return (sa_is_legacy(&zp->z_sa) && zp->z_zfsvfs->zv_version >= ZPL_VERSION_SA &&
		zp->z_type != S_IFLNK);
}

int
znode_upgrade(znode_t *zp, dmu_tx_t *tx)
{
	static const uint8_t order[] = {SA_MODE, SA_SIZE, SA_GEN, SA_UID, SA_GID,
	    SA_PARENT, SA_FLAGS, SA_ATIME, SA_MTIME, SA_CTIME, SA_CRTIME, SA_LINKS};
	zfs_acl_phys_t za;
	zpl_acl_t acl;
	sa_change_t sc[20];
	int n = 0;

	if (!wants_upgrade(zp))
		return (0);
	int err = sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &za, sizeof(za));
	if (err == 0)
		err = zpl_acl_get(zp, &acl);
	if (err != 0)
		return (err);

	void *aces;
	uint32_t aceslen;
	uint8_t stamp[32];
	uint64_t count = acl.a_n, flags = zp->z_flags;
	zpl_acl_pack(&acl, &aces, &aceslen);
	const bool project = zp->z_zfsvfs->zv_project &&
			     (zp->z_type == S_IFREG || zp->z_type == S_IFDIR);
	const bool scanstamp =
	    (flags & ZPL_F_BONUS_SCANSTAMP) != 0 &&
	    zp->z_sa.sh_bonus->db_size >= sizeof(znode_phys_t) + sizeof(stamp);
	if (scanstamp)
		memcpy(stamp,
		    (uint8_t *)zp->z_sa.sh_bonus->db_data + sizeof(znode_phys_t),
		    sizeof(stamp));
	zp->z_flags &= ~ZPL_F_BONUS_SCANSTAMP;
	if (project)
		zp->z_flags |= ZPL_F_PROJID;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++, n++) {
		sc[n].sc_attr = order[i];
		sc[n].sc_data = cached(zp, order[i], &sc[n].sc_len);
	}
	if (project)
		sc[n++] = (sa_change_t){SA_PROJID, &zp->z_projid, 8};
	if (zp->z_type == S_IFBLK || zp->z_type == S_IFCHR)
		sc[n++] = (sa_change_t){SA_RDEV, &zp->z_rdev, 8};
	sc[n++] = (sa_change_t){SA_DACL_COUNT, &count, 8};
	sc[n++] = (sa_change_t){SA_DACL_ACES, aces, aceslen};
	if (zp->z_xattr != 0)
		sc[n++] = (sa_change_t){SA_XATTR, &zp->z_xattr, 8};
	if (scanstamp)
		sc[n++] = (sa_change_t){SA_SCANSTAMP, stamp, sizeof(stamp)};
	err = sa_convert(&zp->z_sa, sc, n, tx);
	if (err != 0)
		zp->z_flags = flags;
	else if (za.z_acl_extern_obj != 0)
		err = dmu_object_free(zp->z_zfsvfs->zv_os, za.z_acl_extern_obj, tx);
	kmem_free(aces, aceslen);
	zpl_acl_fini(&acl);
	return (err);
}

/* ---- transactions ---------------------------------------------------- */

void
zpl_tx_hold_znode(dmu_tx_t *tx, znode_t *zp, bool grow)
{
	dmu_tx_hold_bonus(tx, zp->z_id);
	rw_enter(&zp->z_lock, RW_READER);
	zfs_acl_phys_t za;
	if (wants_upgrade(zp)) {
		grow = true;
		if (sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &za, sizeof(za)) == 0 &&
		    za.z_acl_extern_obj != 0)
			dmu_tx_hold_free(tx, za.z_acl_extern_obj, 0, DMU_OBJECT_END);
	}
	rw_exit(&zp->z_lock);
	/* what every object has is in the bonus; the rest may be, or come to be, in the
	 * spill */
	if (grow) {
		dmu_tx_hold_spill(tx, zp->z_id);
		sa_tx_hold_tables(zp->z_zfsvfs->zv_sa, tx);
	}
}

int
zpl_tx_assign(dmu_tx_t *tx)
{
	const int err = dmu_tx_assign(tx, DMU_TX_WAIT);
	if (err != 0)
		dmu_tx_abort(tx);
	return (err);
}

void
znode_lock2(znode_t *a, znode_t *b)
{
	if (a == b)
		b = NULL;
	if (a != NULL && b != NULL && b->z_id < a->z_id) {
		znode_t *t = a;
		a = b;
		b = t;
	}
	if (a != NULL)
		rw_enter(&a->z_lock, RW_WRITER);
	if (b != NULL)
		rw_enter(&b->z_lock, RW_WRITER);
}

void
znode_unlock2(znode_t *a, znode_t *b)
{
	if (a != NULL)
		rw_exit(&a->z_lock);
	if (b != NULL && b != a)
		rw_exit(&b->z_lock);
}
