/*
 * Permissions that only a file system can know: flags of files, sticky directories,
 * ownership (format/04 §6.2, §6.4). Mode bits are the server's business.
 */
#include "zpl/zpl_impl.h"

/* Owners with a domain (upper half) are known by their low 32 bits here (§4.6). */
bool
zpl_cred_owns(const zpl_cred_t *cr, const znode_t *zp)
{
	return (cr->privileged || cr->uid == (uint32_t)zp->z_uid);
}

bool
zpl_cred_in_group(const zpl_cred_t *cr, uint64_t gid)
{
	if (cr->gid == (uint32_t)gid)
		return (true);
	for (uint32_t i = 0; i < cr->ngroups; i++)
		if (cr->groups[i] == (uint32_t)gid)
			return (true);
	return (false);
}

static bool
may_write(const zpl_cred_t *cr, const znode_t *zp)
{
	if (cr->uid == (uint32_t)zp->z_uid)
		return ((zp->z_mode & S_IWUSR) != 0);
	if (zpl_cred_in_group(cr, zp->z_gid))
		return ((zp->z_mode & S_IWGRP) != 0);
	return ((zp->z_mode & S_IWOTH) != 0);
}

int
zpl_check_add(znode_t *dzp)
{
	int err = 0;
	rw_enter(&dzp->z_lock, RW_READER);
	if (dzp->z_unlinked)
		err = ENOENT;
	else if (dzp->z_flags & ZPL_F_IMMUTABLE)
		err = EPERM;
	rw_exit(&dzp->z_lock);
	return (err);
}

int
zpl_check_remove(znode_t *dzp, znode_t *zp, const zpl_cred_t *cr)
{
	int err = 0;

	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t dmode = dzp->z_mode, dflags = dzp->z_flags;
	const bool owns_dir = zpl_cred_owns(cr, dzp);
	rw_exit(&dzp->z_lock);
	if (dflags & (ZPL_F_IMMUTABLE | ZPL_F_APPENDONLY))
		return (EPERM);
	rw_enter(&zp->z_lock, RW_READER);
	if (zp->z_flags & (ZPL_F_IMMUTABLE | ZPL_F_NOUNLINK | ZPL_F_APPENDONLY))
		err = EPERM;
	/* write access to the entry counts for regular files only: a directory's means
	 * something else */
	else if ((dmode & S_ISVTX) && !owns_dir && !zpl_cred_owns(cr, zp) &&
		 !(zp->z_type == S_IFREG && may_write(cr, zp)))
		err = EPERM;
	rw_exit(&zp->z_lock);
	return (err);
}
