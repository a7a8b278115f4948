/*
 * Operations on names but rename: lookup, create, mkdir, mknod, symlink, link, unlink,
 * rmdir, tmpfile (format/04 §6.1, §6.2).
 */
#include <sys/sysmacros.h>
#include "zpl/zpl_impl.h"

#define RDEV_MINOR_BITS 20 /* Linux's internal form (§2.5) */

static int
check_dir(znode_t *dzp)
{
	return (z_isdir(dzp) ? 0 : ENOTDIR);
}

/* The name of the control directory in the root is taken. */
static bool
is_ctldir(znode_t *dzp, const char *name)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	return (dzp->z_id == zv->zv_root && strcmp(name, ".zfs") == 0 &&
		zpl_opts_now(zv).zo_ctldir);
}

/* ---- lookup ---------------------------------------------------------- */

static int
lookup_dot(znode_t *dzp, const char *name, znode_t **zpp)
{
	if (name[1] == '\0') {
		znode_hold(dzp);
		*zpp = dzp;
		return (0);
	}
	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t parent = dzp->z_parent;
	const bool gone = dzp->z_unlinked;
	rw_exit(&dzp->z_lock);
	return (gone ? ENOENT : znode_get(dzp->z_zfsvfs, parent, zpp));
}

int
zpl_lookup(znode_t *dzp, const char *name, const zpl_cred_t *cr, znode_t **zpp,
    char *realname, size_t rn_len)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	zpl_namelock_t nl;
	int err = zpl_enter(zv, dzp);
	if (err != 0)
		return (err);
	err = check_dir(dzp);
	if (err == 0)
		err = zpl_name_check(zv, name, false);
	if (err == 0 && zpl_name_isdot(name)) {
		err = lookup_dot(dzp, name, zpp);
		if (err == 0 && realname != NULL && rn_len > 2)
			strcpy(realname, name);
	} else if (err == 0) {
		zpl_name_lock(&nl, dzp, zpl_name_hash(zv, name), false);
		err = zpl_dirent_lookup(dzp, name, 0, zpp, realname, rn_len);
		zpl_name_unlock(&nl);
	}
	zpl_exit(zv);
	/* a name that cannot be prepared cannot be there */
	return (err == ENOTSUP ? ENOENT : err);
}

/* ---- creation -------------------------------------------------------- */

/* In one transaction: object, entry. The name is locked and free. */
static int
make_and_link(znode_t *dzp, const char *name, const zpl_newattr_t *na, znode_t **zpp)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	znode_t *zp;

	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	zpl_tx_hold_new(tx, zv);
	if (na->na_symlink != NULL)
		dmu_tx_hold_write(tx, DMU_NEW_OBJECT, 0, strlen(na->na_symlink));
	if (!na->na_tmp)
		zpl_tx_hold_dir(tx, dzp, true, name);
	dmu_tx_hold_zap(tx, zv->zv_unlinked, na->na_tmp, NULL);
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	const uint64_t txg = dmu_tx_get_txg(tx);
	err = zpl_make(zv, dzp, na, tx, &zp);
	if (err == 0 && !na->na_tmp) {
		err = zpl_link_create(dzp, name, zp, ZD_NEW, tx);
		if (err != 0)
			zpl_unmake(zp, tx);
		else
			znode_dirtied(dzp, txg);
	} else if (err != 0) {
		zp = NULL;
	}
	dmu_tx_commit(tx);
	if (err != 0) {
		if (zp != NULL)
			znode_rele(zp);
		return (err);
	}
	if (na->na_dacl != NULL)
		(void)zpl_posix_acl_inherit(zp, na);
	zpl_maybe_wait(zv, txg);
	*zpp = zp;
	return (0);
}

/* Gate passed, attributes ready: take the name. EEXIST. */
int
zpl_create_impl(
    znode_t *dzp, const char *name, const zpl_newattr_t *na, int flags, znode_t **zpp)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	zpl_namelock_t nl;
	uint64_t v;

	zpl_name_lock(&nl, dzp, zpl_name_hash(zv, name), true);
	int err = zpl_dirent_get(dzp, name, flags, &v, NULL, 0);
	if (err == 0)
		err = EEXIST;
	else if (err == ENOENT)
		err = zpl_check_add(dzp);
	if (err == 0)
		err = make_and_link(dzp, name, na, zpp);
	zpl_name_unlock(&nl);
	return (err);
}

/* Begin of all creations. */
static int
create_begin(znode_t *dzp, const char *name, uint32_t mode, const zpl_cred_t *cr,
    zpl_newattr_t *na)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	int err = zpl_enter_write(zv, dzp);
	if (err != 0)
		return (err);
	err = check_dir(dzp);
	if (err == 0 && name != NULL)
		err = zpl_name_check(zv, name, true);
	if (err == 0 && name != NULL && (zpl_name_isdot(name) || is_ctldir(dzp, name)))
		err = EEXIST;
	if (err == 0 && z_isxattr(dzp))
		err = EINVAL;
	if (err == 0)
		err = zpl_newattr_init(na, dzp, mode, cr);
	if (err != 0)
		zpl_exit(zv);
	return (err);
}

static int
create_any(znode_t *dzp, const char *name, uint32_t mode, uint64_t rdev,
    const char *target, const zpl_cred_t *cr, znode_t **zpp)
{
	zpl_newattr_t na;
	int err = create_begin(dzp, name, mode, cr, &na);
	if (err != 0)
		return (err);
	na.na_rdev = rdev;
	na.na_symlink = target;
	err = zpl_create_impl(dzp, name, &na, 0, zpp);
	zpl_newattr_fini(&na);
	zpl_exit(dzp->z_zfsvfs);
	return (err);
}

/* Opening what is there instead of creating it. */
static int
open_existing(znode_t *dzp, const char *name, const zpl_cred_t *cr, znode_t **zpp)
{
	znode_t *zp;
	int err = zpl_lookup(dzp, name, cr, &zp, NULL, 0);
	if (err != 0)
		return (err);
	if (z_isdir(zp)) {
		zpl_rele(zp);
		return (EISDIR);
	}
	*zpp = zp;
	return (0);
}

int
zpl_create(znode_t *dzp, const char *name, uint32_t mode, bool excl,
    const zpl_cred_t *cr, znode_t **zpp, bool *created)
{
	bool dummy;
	bool *c = created != NULL ? created : &dummy;
	int err;

	mode = (mode & 07777) | S_IFREG;
	if (!excl) {
		/* also on a read-only file system and over quota */
		err = open_existing(dzp, name, cr, zpp);
		if (err != ENOENT) {
			*c = false;
			return (err);
		}
	}
	for (;;) {
		err = create_any(dzp, name, mode, 0, NULL, cr, zpp);
		if (err == 0) {
			*c = true;
			return (0);
		}
		if (err != EEXIST || excl)
			return (err);
		/* somebody was faster; or it is gone again by now, then try again */
		err = open_existing(dzp, name, cr, zpp);
		if (err != ENOENT) {
			*c = false;
			return (err);
		}
	}
}

int
zpl_mkdir(
    znode_t *dzp, const char *name, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp)
{
	return (create_any(dzp, name, (mode & 07777) | S_IFDIR, 0, NULL, cr, zpp));
}

int
zpl_mknod(znode_t *dzp, const char *name, uint32_t mode, uint32_t rdev_major,
    uint32_t rdev_minor, const zpl_cred_t *cr, znode_t **zpp)
{
	uint64_t rdev = 0;

	switch (mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		if (rdev_minor >= 1u << RDEV_MINOR_BITS || rdev_major >= 1u << 12)
			return (EINVAL);
		rdev = (uint64_t)rdev_major << RDEV_MINOR_BITS | rdev_minor;
		break;
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFREG:
		break;
	case 0:
		mode |= S_IFREG;
		break;
	default:
		return (EINVAL);
	}
	return (create_any(dzp, name, mode & (S_IFMT | 07777), rdev, NULL, cr, zpp));
}

int
zpl_symlink(znode_t *dzp, const char *name, const char *target, const zpl_cred_t *cr,
    znode_t **zpp)
{
	const size_t len = strnlen(target, ZPL_SYMLINK_MAX + 1);
	if (len > ZPL_SYMLINK_MAX)
		return (ENAMETOOLONG);
	if (len == 0)
		return (ENOENT);
	return (create_any(dzp, name, S_IFLNK | 0777, 0, target, cr, zpp));
}

int
zpl_tmpfile(znode_t *dzp, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp)
{
	zpl_newattr_t na;
	int err = create_begin(dzp, NULL, (mode & 07777) | S_IFREG, cr, &na);
	if (err != 0)
		return (err);
	na.na_tmp = true;
	err = zpl_check_add(dzp);
	if (err == 0)
		err = make_and_link(dzp, NULL, &na, zpp);
	zpl_newattr_fini(&na);
	zpl_exit(dzp->z_zfsvfs);
	return (err);
}

int
zpl_readlink(znode_t *zp, char *buf, size_t size, size_t *lenp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	void *target;
	uint32_t len;
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	if (zp->z_type != S_IFLNK) {
		zpl_exit(zv);
		return (EINVAL);
	}
	rw_enter(&zp->z_lock, RW_READER);
	err = sa_lookup_alloc(&zp->z_sa, SA_SYMLINK, &target, &len);
	if (err == ENOENT && zp->z_size <= ZPL_SYMLINK_MAX) {
		/* old file systems: file data */
		len = (uint32_t)zp->z_size;
		target = kmem_alloc(len, KM_SLEEP);
		err = dmu_read(zv->zv_os, zp->z_id, 0, len, target, DMU_READ_PREFETCH);
		if (err != 0)
			kmem_free(target, len);
	}
	rw_exit(&zp->z_lock);
	if (err == 0) {
		if (len > 0)
			memcpy(buf, target, MIN(size, len));
		*lenp = len;
		kmem_free(target, len);
	}
	zpl_exit(zv);
	return (err == ENOENT ? EIO : err);
}

/* ---- link ------------------------------------------------------------ */

static int
check_link(znode_t *dzp, znode_t *zp)
{
	int err = 0;

	if (z_isdir(zp))
		return (EPERM);
	if (zp->z_zfsvfs != dzp->z_zfsvfs)
		return (EXDEV);
	if (z_isxattr(zp) != z_isxattr(dzp))
		return (EINVAL);
	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t dflags = dzp->z_flags, dproj = dzp->z_projid;
	rw_exit(&dzp->z_lock);
	rw_enter(&zp->z_lock, RW_READER);
	if ((dflags & ZPL_F_PROJINHERIT) && dproj != zp->z_projid)
		err = EXDEV;
	else if (zp->z_flags & (ZPL_F_IMMUTABLE | ZPL_F_APPENDONLY))
		err = EPERM;
	else if (zp->z_unlinked && !zp->z_linkable)
		err = ENOENT;
	rw_exit(&zp->z_lock);
	return (err);
}

int
zpl_link(znode_t *dzp, znode_t *zp, const char *name, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	zpl_namelock_t nl;
	uint64_t v, txg = 0;
	int err = zpl_enter_write(zv, dzp);
	if (err != 0)
		return (err);
	err = check_dir(dzp);
	if (err == 0)
		err = zp->z_stale ? ESTALE : zpl_name_check(zv, name, true);
	if (err == 0 && (zpl_name_isdot(name) || is_ctldir(dzp, name)))
		err = EEXIST;
	if (err == 0)
		err = check_link(dzp, zp);
	if (err != 0) {
		zpl_exit(zv);
		return (err);
	}
	zpl_name_lock(&nl, dzp, zpl_name_hash(zv, name), true);
	err = zpl_dirent_get(dzp, name, 0, &v, NULL, 0);
	if (err == 0)
		err = EEXIST;
	else if (err == ENOENT)
		err = zpl_check_add(dzp);
	if (err == 0) {
		dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
		zpl_tx_hold_dir(tx, dzp, true, name);
		zpl_tx_hold_znode(tx, zp, false);
		dmu_tx_hold_zap(tx, zv->zv_unlinked, false, NULL);
		err = zpl_tx_assign(tx);
		if (err == 0) {
			txg = dmu_tx_get_txg(tx);
			err = zpl_link_create(dzp, name, zp, 0, tx);
			dmu_tx_commit(tx);
		}
	}
	zpl_name_unlock(&nl);
	if (err == 0)
		zpl_maybe_wait(zv, txg);
	zpl_exit(zv);
	return (err);
}

/* ---- unlink, rmdir --------------------------------------------------- */

static int
remove_entry(znode_t *dzp, const char *name, znode_t *zp, uint64_t *txgp)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	zpl_tx_hold_dir(tx, dzp, false, name);
	zpl_tx_hold_znode(tx, zp, false);
	dmu_tx_hold_zap(tx, zv->zv_unlinked, true, NULL);
	/* what follows gives back more than this takes */
	dmu_tx_mark_netfree(tx);
	int err = zpl_tx_assign(tx);
	if (err == 0) {
		*txgp = dmu_tx_get_txg(tx);
		err = zpl_link_destroy(dzp, name, zp, 0, tx);
		dmu_tx_commit(tx);
	}
	return (err);
}

int
zpl_unlink_impl(znode_t *dzp, const char *name, bool rmdir, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	zpl_namelock_t nl;
	znode_t *zp = NULL;
	uint64_t txg = 0;

	zpl_name_lock(&nl, dzp, zpl_name_hash(zv, name), true);
	int err = zpl_dirent_lookup(dzp, name, 0, &zp, NULL, 0);
	if (err == 0)
		err = zpl_check_remove(dzp, zp, cr);
	if (err == 0 && rmdir && !z_isdir(zp))
		err = ENOTDIR;
	if (err == 0 && !rmdir && z_isdir(zp))
		err = EISDIR;
	if (err == 0)
		err = remove_entry(dzp, name, zp, &txg);
	zpl_name_unlock(&nl);
	/* perhaps the last hold: frees the file */
	if (zp != NULL)
		znode_rele(zp);
	if (err == 0)
		zpl_maybe_wait(zv, txg);
	return (err == ENOTSUP ? ENOENT : err);
}

static int
unlink_any(znode_t *dzp, const char *name, bool rmdir, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	int err = zpl_enter_write(zv, dzp);
	if (err != 0)
		return (err);
	err = check_dir(dzp);
	if (err == 0)
		err = zpl_name_check(zv, name, false);
	if (err == 0 && zpl_name_isdot(name))
		err = !rmdir ? EISDIR : name[1] == '\0' ? EINVAL : ENOTEMPTY;
	if (err == 0)
		err = zpl_unlink_impl(dzp, name, rmdir, cr);
	zpl_exit(zv);
	return (err);
}

int
zpl_unlink(znode_t *dzp, const char *name, const zpl_cred_t *cr)
{
	return (unlink_any(dzp, name, false, cr));
}

int
zpl_rmdir(znode_t *dzp, const char *name, const zpl_cred_t *cr)
{
	return (unlink_any(dzp, name, true, cr));
}
