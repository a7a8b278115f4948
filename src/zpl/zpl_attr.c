/*
 * getattr and setattr (format/04 §2, §6.3, §6.4).
 *
 * A setattr is checked as a whole, then done: the size first (in transactions of its
 * own, as data are freed), everything else in one transaction.
 */
#include "zpl/zpl_impl.h"

#define RDEV_MINOR_BITS 20
#define SETTABLE_FLAGS                                                                 \
	(ZPL_F_READONLY | ZPL_F_HIDDEN | ZPL_F_SYSTEM | ZPL_F_ARCHIVE |                \
	    ZPL_F_IMMUTABLE | ZPL_F_NOUNLINK | ZPL_F_APPENDONLY | ZPL_F_NODUMP |       \
	    ZPL_F_OPAQUE | ZPL_F_AV_QUARANTINED | ZPL_F_AV_MODIFIED | ZPL_F_OFFLINE |  \
	    ZPL_F_SPARSE | ZPL_F_PROJINHERIT)
/* Those that protect a file are root's to set and clear. */
#define PRIVILEGED_FLAGS                                                               \
	(ZPL_F_IMMUTABLE | ZPL_F_NOUNLINK | ZPL_F_APPENDONLY | ZPL_F_AV_QUARANTINED |  \
	    ZPL_F_AV_MODIFIED)

/* ---- getattr --------------------------------------------------------- */

static struct timespec
to_timespec(const uint64_t t[2])
{
	return ((struct timespec){
	    .tv_sec = (time_t)t[0], .tv_nsec = (long)(t[1] % NANOSEC)});
}

static void
get_rdev(const znode_t *zp, zpl_attr_t *za)
{
	/* §2.5: what does not fit Linux's form is that of illumos */
	if (zp->z_rdev > UINT32_MAX) {
		za->za_rdev_major = (uint32_t)(zp->z_rdev >> 32);
		za->za_rdev_minor = (uint32_t)zp->z_rdev;
	} else {
		za->za_rdev_major = (uint32_t)(zp->z_rdev >> RDEV_MINOR_BITS);
		za->za_rdev_minor =
		    (uint32_t)zp->z_rdev & ((1u << RDEV_MINOR_BITS) - 1);
	}
}

static void
getattr_impl(znode_t *zp, zpl_attr_t *za)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	const zpl_opts_t zo = zpl_opts_now(zv);
	uint32_t blksz;
	uint64_t nblk;

	rw_enter(&zp->z_lock, RW_READER);
	dmu_object_size_from_db(zp->z_sa.sh_bonus, &blksz, &nblk);
	*za = (zpl_attr_t){.za_object = zp->z_id,
	    .za_gen = zp->z_gen,
	    .za_mode = zp->z_type | ((uint32_t)zp->z_mode & 07777),
	    .za_nlink = zp->z_links,
	    .za_uid = (uint32_t)zp->z_uid,
	    .za_gid = (uint32_t)zp->z_gid,
	    .za_size = zp->z_size,
	    .za_atime = to_timespec(zp->z_time[ZT_ATIME]),
	    .za_mtime = to_timespec(zp->z_time[ZT_MTIME]),
	    .za_ctime = to_timespec(zp->z_time[ZT_CTIME]),
	    .za_btime = to_timespec(zp->z_time[ZT_CRTIME]),
	    .za_blksize = blksz != 0
			      ? blksz
			      : (uint32_t)dmu_objset_props(zv->zv_os)->op_recordsize,
	    .za_blocks = nblk,
	    .za_flags = zp->z_flags,
	    .za_projid = zp->z_projid};
	if (zp->z_type == S_IFCHR || zp->z_type == S_IFBLK)
		get_rdev(zp, za);
	rw_exit(&zp->z_lock);
	if (zp->z_id == zv->zv_root && zo.zo_ctldir && zo.zo_ctldir_visible)
		za->za_nlink++;
}

int
zpl_getattr(znode_t *zp, zpl_attr_t *za)
{
	const int err = zpl_enter(zp->z_zfsvfs, zp);
	if (err != 0)
		return (err);
	getattr_impl(zp, za);
	zpl_exit(zp->z_zfsvfs);
	return (0);
}

/* ---- checking -------------------------------------------------------- */

static int
check_flags(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr)
{
	const uint64_t change = (zp->z_flags ^ za->za_flags) & za->za_flags_mask;

	if (za->za_flags_mask & ~SETTABLE_FLAGS)
		return (EPERM);
	if (zp->z_zfsvfs->zv_version < ZPL_VERSION_FUID)
		return (ENOTSUP);
	if ((change & PRIVILEGED_FLAGS) && !cr->privileged)
		return (EPERM);
	if ((change & ZPL_F_PROJINHERIT) && !zp->z_zfsvfs->zv_project)
		return (ENOTSUP);
	return (zpl_cred_owns(cr, zp) ? 0 : EPERM);
}

static int
check_owner(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr)
{
	if (cr->privileged)
		return (0);
	if ((za->za_mask & ZPL_AT_UID) && za->za_uid != (uint32_t)zp->z_uid)
		return (EPERM);
	if ((za->za_mask & ZPL_AT_GID) && za->za_gid != (uint32_t)zp->z_gid &&
	    (!zpl_cred_owns(cr, zp) || !zpl_cred_in_group(cr, za->za_gid)))
		return (EPERM);
	return (0);
}

/* z_lock as reader. */
static int
check(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr)
{
	const uint32_t m = za->za_mask;
	int err = 0;

	if (zp->z_flags & ZPL_F_IMMUTABLE) {
		/* only its flags and the access time may change */
		if (m & ~(uint32_t)(ZPL_AT_FLAGS | ZPL_AT_ATIME | ZPL_AT_ATIME_NOW))
			return (EPERM);
	}
	if ((m & ZPL_AT_SIZE) && (zp->z_flags & (ZPL_F_READONLY | ZPL_F_APPENDONLY)))
		return (EPERM);
	if ((zp->z_flags & ZPL_F_APPENDONLY) &&
	    (m & (ZPL_AT_UID | ZPL_AT_GID | ZPL_AT_MODE)))
		return (EPERM);
	if ((m & (ZPL_AT_MODE | ZPL_AT_BTIME)) && !zpl_cred_owns(cr, zp))
		return (EPERM);
	/* times of the owner's choice; "now" is for everybody who may write */
	if ((m & (ZPL_AT_ATIME | ZPL_AT_MTIME)) && !zpl_cred_owns(cr, zp))
		return (EPERM);
	if (m & (ZPL_AT_UID | ZPL_AT_GID))
		err = check_owner(zp, za, cr);
	if (err == 0 && (m & ZPL_AT_FLAGS))
		err = check_flags(zp, za, cr);
	if (err == 0 && (m & ZPL_AT_PROJID)) {
		if (!zp->z_zfsvfs->zv_project ||
		    (zp->z_type != S_IFREG && !z_isdir(zp)))
			err = ENOTSUP;
		else if (za->za_projid >= UINT32_MAX)
			err = EINVAL;
		else if (!zpl_cred_owns(cr, zp))
			err = EPERM;
	}
	return (err);
}

/* ---- changing -------------------------------------------------------- */

/* What the transaction will write. */
typedef struct setattr_op {
	uint32_t mask; /* ZM() */
	zpl_acl_t acl; /* new ACL, if it changes */
	bool new_acl;
	bool canonical; /* PROJID gets its slot */
} setattr_op_t;

static void
set_time(znode_t *zp, int which, const struct timespec *ts)
{
	zp->z_time[which][0] = (uint64_t)ts->tv_sec;
	zp->z_time[which][1] = (uint64_t)ts->tv_nsec;
}

/* §6.4 */
static uint64_t
allowed_mode(const znode_t *zp, uint64_t mode, uint64_t gid, const zpl_cred_t *cr)
{
	mode = zp->z_type | (mode & 07777);
	if (!cr->privileged) {
		if ((mode & S_ISGID) && !z_isdir(zp) && !zpl_cred_in_group(cr, gid))
			mode &= ~(uint64_t)S_ISGID;
		if ((mode & S_ISVTX) && !z_isdir(zp))
			mode &= ~(uint64_t)S_ISVTX;
	}
	return (mode);
}

static int
change_mode(znode_t *zp, uint64_t mode, const zpl_opts_t *zo, setattr_op_t *op)
{
	zpl_acl_t old;
	int err = zpl_acl_get(zp, &old);
	if (err != 0)
		return (err);
	err = zpl_acl_chmod(&op->acl, &old, &mode, zp->z_flags, zo);
	zpl_acl_fini(&old);
	if (err != 0)
		return (err);
	op->new_acl = true;
	zp->z_mode = mode;
	op->mask |= ZM(SA_MODE) | ZM(SA_FLAGS);
	return (0);
}

/* The ACL may give the new owner other rights than the old one had. */
static int
recompute_mode(znode_t *zp, setattr_op_t *op)
{
	zpl_acl_t acl;
	int err = zpl_acl_get(zp, &acl);
	if (err != 0)
		return (err);
	zp->z_mode = zpl_acl_mode(&acl, zp->z_mode, zp->z_uid, zp->z_gid, NULL);
	zpl_acl_fini(&acl);
	op->mask |= ZM(SA_MODE);
	return (0);
}

static int
change_owner(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr,
    const zpl_opts_t *zo, setattr_op_t *op)
{
	if (za->za_mask & ZPL_AT_UID)
		zp->z_uid = za->za_uid;
	if (za->za_mask & ZPL_AT_GID)
		zp->z_gid = za->za_gid;
	op->mask |= ZM(SA_UID) | ZM(SA_GID);
	if (!cr->privileged && !z_isdir(zp) &&
	    (zp->z_mode & (S_ISUID | S_ISGID)) != 0) {
		zp->z_mode &= ~(uint64_t)(S_ISUID | S_ISGID);
		op->mask |= ZM(SA_MODE);
	}
	if (zo->zo_acltype == ZPL_ACL_POSIX || (za->za_mask & ZPL_AT_MODE))
		return (0);
	return (recompute_mode(zp, op));
}

/* Memory side of everything but the size. z_lock as writer. */
static int
apply(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr, const zpl_opts_t *zo,
    setattr_op_t *op)
{
	const uint32_t m = za->za_mask;
	int err = 0;

	if (m & (ZPL_AT_UID | ZPL_AT_GID))
		err = change_owner(zp, za, cr, zo, op);
	if (err == 0 && (m & ZPL_AT_MODE))
		err = change_mode(
		    zp, allowed_mode(zp, za->za_mode, zp->z_gid, cr), zo, op);
	if (err != 0)
		return (err);
	if ((m & ZPL_AT_KILL_SUID) && (zp->z_mode & 0111)) {
		zp->z_mode &= ~(uint64_t)(S_ISUID | S_ISGID);
		op->mask |= ZM(SA_MODE);
	}
	uint32_t touch = ZM(SA_CTIME);
	if (!(m & ~(uint32_t)(ZPL_AT_ATIME | ZPL_AT_ATIME_NOW)))
		touch = 0; /* an access time alone changes nothing else (§6.3) */
	if (m & ZPL_AT_MTIME_NOW)
		touch |= ZM(SA_MTIME);
	if (m & ZPL_AT_ATIME_NOW)
		touch |= ZM(SA_ATIME);
	op->mask |= znode_touch(zp, touch);
	if (m & ZPL_AT_ATIME) {
		set_time(zp, ZT_ATIME, &za->za_atime);
		op->mask |= ZM(SA_ATIME);
	}
	if (m & ZPL_AT_MTIME) {
		set_time(zp, ZT_MTIME, &za->za_mtime);
		op->mask |= ZM(SA_MTIME);
	}
	if (m & ZPL_AT_CTIME) {
		set_time(zp, ZT_CTIME, &za->za_ctime);
		op->mask |= ZM(SA_CTIME);
	}
	if (m & ZPL_AT_BTIME) {
		set_time(zp, ZT_CRTIME, &za->za_btime);
		op->mask |= ZM(SA_CRTIME);
	}
	if (m & ZPL_AT_FLAGS) {
		zp->z_flags = (zp->z_flags & ~za->za_flags_mask) |
			      (za->za_flags & za->za_flags_mask);
		op->mask |= ZM(SA_FLAGS);
	}
	if (m & ZPL_AT_PROJID) {
		op->canonical = !(zp->z_flags & ZPL_F_PROJID);
		zp->z_projid = za->za_projid;
		zp->z_flags |= ZPL_F_PROJID;
		op->mask |= ZM(SA_FLAGS) | (op->canonical ? 0 : ZM(SA_PROJID));
	}
	return (0);
}

/* Disk side. z_lock as writer. */
static int
store(znode_t *zp, setattr_op_t *op, dmu_tx_t *tx)
{
	int err = 0;

	if (op->new_acl) {
		zp->z_flags &= ~ZPL_F_ACL_ALL;
		zp->z_flags |=
		    zpl_acl_flags(&op->acl, zp->z_mode, zp->z_uid, zp->z_gid);
		op->mask |= ZM(SA_FLAGS);
		if (sa_is_legacy(&zp->z_sa)) {
			zfs_acl_phys_t za, old;
			err = sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &old, sizeof(old));
			if (err == 0)
				err = zpl_acl_pack_legacy(
				    &op->acl, zp->z_zfsvfs->zv_version, &za);
			const sa_change_t sc = {SA_ZNODE_ACL, &za, sizeof(za)};
			if (err == 0)
				err = sa_update(&zp->z_sa, &sc, 1, tx);
			if (err == 0 && old.z_acl_extern_obj != 0)
				err = dmu_object_free(
				    zp->z_zfsvfs->zv_os, old.z_acl_extern_obj, tx);
		} else {
			const uint64_t count = op->acl.a_n;
			void *aces;
			uint32_t len;
			zpl_acl_pack(&op->acl, &aces, &len);
			const sa_change_t sc[2] = {
			    {SA_DACL_COUNT, &count, 8}, {SA_DACL_ACES, aces, len}};
			err = sa_update(&zp->z_sa, sc, 2, tx);
			kmem_free(aces, len);
		}
	}
	if (err == 0 && op->canonical) {
		const sa_change_t sc = {SA_PROJID, &zp->z_projid, 8};
		err = sa_update_canonical(&zp->z_sa, &sc, 1, tx);
	}
	if (err == 0)
		err = znode_store(zp, op->mask, tx);
	return (err);
}

static int
check_quota(znode_t *zp, const zpl_attr_t *za)
{
	const uint32_t m = za->za_mask;
	if (!(m & (ZPL_AT_UID | ZPL_AT_GID | ZPL_AT_PROJID)))
		return (0);
	/* only the new ids are asked; UINT64_MAX is nobody */
	return (zpl_quota_check(zp->z_zfsvfs,
	    (m & ZPL_AT_UID) && za->za_uid != zp->z_uid ? za->za_uid : UINT64_MAX,
	    (m & ZPL_AT_GID) && za->za_gid != zp->z_gid ? za->za_gid : UINT64_MAX,
	    (m & ZPL_AT_PROJID) && za->za_projid != zp->z_projid ? za->za_projid : 0,
	    true, true));
}

/* The external ACL of an old file goes when it gets a new one. */
static void
hold_legacy_acl(dmu_tx_t *tx, znode_t *zp)
{
	zfs_acl_phys_t za;
	rw_enter(&zp->z_lock, RW_READER);
	if (sa_is_legacy(&zp->z_sa) &&
	    sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &za, sizeof(za)) == 0 &&
	    za.z_acl_extern_obj != 0)
		dmu_tx_hold_free(tx, za.z_acl_extern_obj, 0, DMU_OBJECT_END);
	rw_exit(&zp->z_lock);
}

/* An xattr directory belongs to its file's owner and project. */
static void
follow_xattr_dir(znode_t *zp, const zpl_attr_t *za)
{
	znode_t *xdzp;
	zpl_attr_t xa = *za;

	xa.za_mask &= ZPL_AT_UID | ZPL_AT_GID | ZPL_AT_PROJID;
	/* attributes have none themselves, whatever a damaged object says */
	if (xa.za_mask == 0 || z_isxattr(zp) ||
	    zpl_xattr_dir(zp, false, &zpl_root_cred, &xdzp) != 0)
		return;
	(void)zpl_setattr_impl(xdzp, &xa, &zpl_root_cred);
	znode_rele(xdzp);
}

int
zpl_setattr_impl(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr)
{
	const zpl_opts_t zo = zpl_opts_now(zp->z_zfsvfs);
	const uint32_t rest = za->za_mask & ~(uint32_t)ZPL_AT_SIZE;
	setattr_op_t op = {0};

	rw_enter(&zp->z_lock, RW_READER);
	int err = check(zp, za, cr);
	rw_exit(&zp->z_lock);
	if (err == 0)
		err = check_quota(zp, za);
	if (err == 0 && (za->za_mask & ZPL_AT_SIZE))
		err = zpl_set_size(zp, za->za_size);
	if (err != 0 || rest == 0)
		return (err);

	dmu_tx_t *tx = dmu_tx_create(zp->z_zfsvfs->zv_os);
	zpl_tx_hold_znode(tx, zp, (rest & (ZPL_AT_MODE | ZPL_AT_PROJID)) != 0);
	if (rest & ZPL_AT_MODE)
		hold_legacy_acl(tx, zp);
	err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	const uint64_t txg = dmu_tx_get_txg(tx);
	rw_enter(&zp->z_lock, RW_WRITER);
	err = znode_upgrade(zp, tx);
	if (err == 0)
		err = apply(zp, za, cr, &zo, &op);
	if (err == 0)
		err = store(zp, &op, tx);
	if (err != 0)
		(void)znode_load(zp); /* back to what is stored */
	rw_exit(&zp->z_lock);
	dmu_tx_commit(tx);
	if (op.new_acl)
		zpl_acl_fini(&op.acl);
	if (err == 0) {
		follow_xattr_dir(zp, za);
		if ((rest & ZPL_AT_MODE) && zo.zo_acltype == ZPL_ACL_POSIX)
			err = zpl_posix_acl_chmod(zp, za->za_mode);
		zpl_maybe_wait(zp->z_zfsvfs, txg);
	}
	return (err);
}

int
zpl_setattr(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr, zpl_attr_t *after)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = zpl_enter_write(zv, zp);
	if (err != 0)
		return (err);
	err = zpl_setattr_impl(zp, za, cr);
	if (err == 0 && after != NULL)
		getattr_impl(zp, after);
	zpl_exit(zv);
	return (err);
}
