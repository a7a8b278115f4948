/*
 * Extended attributes as files in a hidden directory (format/04 §2.7). The base file's
 * z_xattr_lock stands for the locks on names in there.
 */
#include "zpl/zpl_impl.h"

#define XATTR_VALUE_MAX 65536

/* Owner and project of the base file. */
static void
child_attr(znode_t *zp, uint32_t mode, zpl_newattr_t *na)
{
	rw_enter(&zp->z_lock, RW_READER);
	*na = (zpl_newattr_t){.na_mode = mode,
	    .na_uid = zp->z_uid,
	    .na_gid = zp->z_gid,
	    .na_projid = zp->z_projid,
	    .na_flags = ZPL_F_XATTR | (zp->z_flags & ZPL_F_PROJINHERIT),
	    .na_project = zp->z_zfsvfs->zv_project};
	if (!na->na_project)
		na->na_projid = 0;
	rw_exit(&zp->z_lock);
}

static int
make_dir(znode_t *zp, znode_t **xdpp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	zpl_newattr_t na;
	znode_t *xdzp = NULL;

	child_attr(zp, S_IFDIR | 01777, &na);
	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	zpl_tx_hold_new(tx, zv);
	zpl_tx_hold_znode(tx, zp, true);
	dmu_tx_hold_zap(tx, zv->zv_unlinked, true, NULL);
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	err = zpl_make(zv, zp, &na, tx, &xdzp);
	if (err == 0) {
		rw_enter(&zp->z_lock, RW_WRITER);
		err = znode_upgrade(zp, tx);
		zp->z_xattr = xdzp->z_id;
		if (err == 0)
			err = znode_store(zp, ZM(SA_XATTR), tx);
		if (err != 0)
			zp->z_xattr = 0;
		rw_exit(&zp->z_lock);
		if (err != 0)
			zpl_unmake(xdzp, tx);
	}
	dmu_tx_commit(tx);
	if (err == 0)
		*xdpp = xdzp;
	else if (xdzp != NULL)
		znode_rele(xdzp);
	return (err);
}

int
zpl_xattr_dir(znode_t *zp, bool create, const zpl_cred_t *cr, znode_t **xdpp)
{
	rw_enter(&zp->z_lock, RW_READER);
	const uint64_t obj = zp->z_xattr;
	rw_exit(&zp->z_lock);
	if (obj == 0)
		return (create ? make_dir(zp, xdpp) : ENOENT);
	znode_t *xdzp;
	int err = znode_get(zp->z_zfsvfs, obj, &xdzp);
	if (err != 0)
		return (err == ENOENT ? EIO : err);
	if (!z_isdir(xdzp) || !z_isxattr(xdzp)) {
		znode_rele(xdzp);
		return (EIO);
	}
	*xdpp = xdzp;
	return (0);
}

static int
lookup_value(znode_t *xdzp, const char *name, znode_t **xzpp)
{
	int err = zpl_dirent_lookup(xdzp, name, ZD_EXACT, xzpp, NULL, 0);
	if (err == 0 && (*xzpp)->z_type != S_IFREG) {
		znode_rele(*xzpp);
		err = EINVAL;
	}
	return (err == ENOENT ? ENODATA : err);
}

int
zpl_xattr_dir_get(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp)
{
	znode_t *xdzp, *xzp;
	int err = zpl_xattr_dir(zp, false, &zpl_root_cred, &xdzp);
	if (err != 0)
		return (err == ENOENT ? ENODATA : err);
	err = lookup_value(xdzp, name, &xzp);
	znode_rele(xdzp);
	if (err != 0)
		return (err);
	rw_enter(&xzp->z_lock, RW_READER);
	const uint64_t len = xzp->z_size;
	rw_exit(&xzp->z_lock);
	if (len > XATTR_VALUE_MAX)
		err = E2BIG; /* other platforms have longer ones; Linux cannot show them
			      */
	else if (size != 0 && len > size)
		err = ERANGE;
	else if (size != 0 && len > 0)
		err = dmu_read_by_bonus(
		    xzp->z_sa.sh_bonus, 0, len, buf, DMU_READ_PREFETCH);
	if (err == 0)
		*lenp = len;
	znode_rele(xzp);
	return (err);
}

static int
write_value(znode_t *xzp, const void *value, size_t len)
{
	const struct iovec iov = {(void *)(uintptr_t)value, len};
	size_t done = 0;
	int err = zpl_set_size(xzp, 0);
	if (err == 0)
		err = zpl_write_impl(xzp, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred);
	return (err == 0 && done != len ? ENOSPC : err);
}

/* Setting an attribute changes the file it belongs to. */
static int
touch_base(znode_t *zp)
{
	dmu_tx_t *tx = dmu_tx_create(zp->z_zfsvfs->zv_os);
	zpl_tx_hold_znode(tx, zp, false);
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	rw_enter(&zp->z_lock, RW_WRITER);
	err = znode_upgrade(zp, tx);
	if (err == 0)
		err = znode_store(zp, znode_touch(zp, ZM(SA_CTIME)), tx);
	rw_exit(&zp->z_lock);
	dmu_tx_commit(tx);
	return (err);
}

int
zpl_xattr_dir_set(
    znode_t *zp, const char *name, const void *value, size_t len, const zpl_cred_t *cr)
{
	zpl_newattr_t na;
	znode_t *xdzp, *xzp;
	int err = zpl_xattr_dir(zp, value != NULL, cr, &xdzp);
	if (err != 0)
		return (err == ENOENT ? ENODATA : err);
	if (value == NULL) {
		err = zpl_unlink_impl(xdzp, name, false, &zpl_root_cred);
		znode_rele(xdzp);
		return (err == ENOENT ? ENODATA : err == 0 ? touch_base(zp) : err);
	}
	err = lookup_value(xdzp, name, &xzp);
	if (err == ENODATA) {
		child_attr(zp, S_IFREG | 0644, &na);
		err = zpl_create_impl(xdzp, name, &na, ZD_EXACT, &xzp);
	}
	znode_rele(xdzp);
	if (err != 0)
		return (err);
	err = write_value(xzp, value, len);
	znode_rele(xzp);
	return (err == 0 ? touch_base(zp) : err);
}
