/*
 * Attributes: of files, and of the file system.
 */
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include "serve/fuse_impl.h"

void
fuse_attr_to_stat(const zpl_attr_t *za, struct stat *st)
{
	memset(st, 0, sizeof (*st));
	st->st_ino = za->za_object;
	st->st_mode = za->za_mode;
	st->st_nlink = (nlink_t)MIN(za->za_nlink, UINT32_MAX);
	st->st_uid = za->za_uid;
	st->st_gid = za->za_gid;
	st->st_rdev = makedev(za->za_rdev_major, za->za_rdev_minor);
	st->st_size = (off_t)za->za_size;
	st->st_blksize = (blksize_t)za->za_blksize;
	st->st_blocks = (blkcnt_t)za->za_blocks;
	st->st_atim = za->za_atime;
	st->st_mtim = za->za_mtime;
	st->st_ctim = za->za_ctime;
}

/*
 * The kernel remembers: everything changes through it, and it knows what to ask again then. Except
 * st_blocks of files (fuse_settle.c); those of directories are left alone, their attributes
 * are needed for every path that leads through them.
 */
static void
told(fuse_fs_t *ff, const zpl_attr_t *za, bool settled)
{
	if (!settled && S_ISREG(za->za_mode) && (za->za_size > 0 || za->za_blocks > 1))
		fuse_settle_later(ff, za);
}

int
fuse_attr_get(fuse_fs_t *ff, znode_t *zp, zpl_attr_t *za)
{
	/* Asked first: what was settled before is so in the answer as well. */
	bool settled = zpl_settled(zp);
	int err = zpl_getattr(zp, za);

	if (err == 0)
		told(ff, za, settled);
	return (err);
}

void
fuse_entry_to_wire(const struct fuse_entry_param *e, struct fuse_entry_out *eo)
{
	const struct stat *st = &e->attr;

	eo->nodeid = e->ino;
	eo->generation = e->generation;
	eo->entry_valid = (uint64_t)e->entry_timeout;
	eo->attr_valid = (uint64_t)e->attr_timeout;
	eo->attr.ino = st->st_ino;
	eo->attr.size = (uint64_t)st->st_size;
	eo->attr.blocks = (uint64_t)st->st_blocks;
	eo->attr.atime = (uint64_t)st->st_atim.tv_sec;
	eo->attr.mtime = (uint64_t)st->st_mtim.tv_sec;
	eo->attr.ctime = (uint64_t)st->st_ctim.tv_sec;
	eo->attr.atimensec = (uint32_t)st->st_atim.tv_nsec;
	eo->attr.mtimensec = (uint32_t)st->st_mtim.tv_nsec;
	eo->attr.ctimensec = (uint32_t)st->st_ctim.tv_nsec;
	eo->attr.mode = st->st_mode;
	eo->attr.nlink = (uint32_t)st->st_nlink;
	eo->attr.uid = st->st_uid;
	eo->attr.gid = st->st_gid;
	eo->attr.rdev = (uint32_t)st->st_rdev;
	eo->attr.blksize = (uint32_t)st->st_blksize;
}

void
fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_attr_t za;
	struct stat st;
	znode_t *zp;
	int err = fuse_inode_hold(ff, ino, &zp);

	if (err == 0) {
		err = fuse_attr_get(ff, zp, &za);
		zpl_rele(zp);
	}
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	fuse_attr_to_stat(&za, &st);
	fuse_reply_attr(req, &st, FUSE_FOREVER);
}

static void
stat_to_attr(const struct stat *st, int valid, zpl_attr_t *za)
{
	memset(za, 0, sizeof (*za));
	if (valid & FUSE_SET_ATTR_MODE) {
		za->za_mask |= ZPL_AT_MODE;
		za->za_mode = st->st_mode & 07777;
	}
	if (valid & FUSE_SET_ATTR_UID) {
		za->za_mask |= ZPL_AT_UID;
		za->za_uid = st->st_uid;
	}
	if (valid & FUSE_SET_ATTR_GID) {
		za->za_mask |= ZPL_AT_GID;
		za->za_gid = st->st_gid;
	}
	if (valid & FUSE_SET_ATTR_SIZE) {
		za->za_mask |= ZPL_AT_SIZE;
		za->za_size = (uint64_t)st->st_size;
	}
	if (valid & FUSE_SET_ATTR_ATIME_NOW) {
		za->za_mask |= ZPL_AT_ATIME_NOW;
	} else if (valid & FUSE_SET_ATTR_ATIME) {
		za->za_mask |= ZPL_AT_ATIME;
		za->za_atime = st->st_atim;
	}
	if (valid & FUSE_SET_ATTR_MTIME_NOW) {
		za->za_mask |= ZPL_AT_MTIME_NOW;
	} else if (valid & FUSE_SET_ATTR_MTIME) {
		za->za_mask |= ZPL_AT_MTIME;
		za->za_mtime = st->st_mtim;
	}
	if (valid & FUSE_SET_ATTR_CTIME) {
		za->za_mask |= ZPL_AT_CTIME;
		za->za_ctime = st->st_ctim;
	}
}

void
fuse_op_setattr(
    fuse_req_t req, fuse_ino_t ino, struct stat *st, int valid, struct fuse_file_info *fi)
{
	const struct fuse_setattr_in *si = fuse_raw_args(sizeof (*si));
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_attr_t za, after;
	struct stat reply;
	znode_t *zp;
	int err = fuse_inode_hold(ff, ino, &zp);

	if (err == 0 && (valid & FUSE_SET_ATTR_SIZE) && st->st_size < 0) {
		zpl_rele(zp);
		err = EINVAL;
	}
	if (err == 0) {
		stat_to_attr(st, valid, &za);
		if (si != NULL && (si->valid & FATTR_KILL_SUIDGID) != 0)
			za.za_mask |= ZPL_AT_KILL_SUID;
		/* Whose groups matter: giving a file away, and the set-group-id bit. */
		zpl_cred_t cr = (za.za_mask & (ZPL_AT_GID | ZPL_AT_MODE)) != 0 ?
		    fuse_cred_groups(req) : fuse_cred(req);
		err = zpl_setattr(zp, &za, &cr, &after);
		if (err == 0)
			told(ff, &after, false);
		zpl_rele(zp);
	}
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	fuse_attr_to_stat(&after, &reply);
	fuse_reply_attr(req, &reply, FUSE_FOREVER);
}

static struct fw_sx_time
sx_time(struct timespec t)
{
	return ((struct fw_sx_time){ .tv_sec = t.tv_sec, .tv_nsec = (uint32_t)t.tv_nsec });
}

/* statx(2) that wants to know the time of birth. */
void
fuse_raw_statx(fuse_fs_t *ff, const struct fuse_in_header *in)
{
	struct fw_statx_out out = { .flags = 0 };
	struct fw_statx *sx = &out.stat;
	zpl_attr_t za;
	znode_t *zp;
	int err = fuse_inode_hold(ff, in->nodeid, &zp);

	if (err == 0) {
		err = fuse_attr_get(ff, zp, &za);
		zpl_rele(zp);
	}
	if (err != 0) {
		fuse_raw_reply(in, err, NULL, 0);
		return;
	}
	out.attr_valid = (uint64_t)FUSE_FOREVER;
	sx->mask = STATX_BASIC_STATS | STATX_BTIME;
	sx->blksize = za.za_blksize;
	sx->nlink = (uint32_t)MIN(za.za_nlink, UINT32_MAX);
	sx->uid = za.za_uid;
	sx->gid = za.za_gid;
	sx->mode = (uint16_t)za.za_mode;
	sx->ino = za.za_object;
	sx->size = za.za_size;
	sx->blocks = za.za_blocks;
	sx->attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	sx->attributes = (za.za_flags & ZPL_F_IMMUTABLE ? STATX_ATTR_IMMUTABLE : 0) |
	    (za.za_flags & ZPL_F_APPENDONLY ? STATX_ATTR_APPEND : 0) |
	    (za.za_flags & ZPL_F_NODUMP ? STATX_ATTR_NODUMP : 0);
	sx->atime = sx_time(za.za_atime);
	sx->btime = sx_time(za.za_btime);
	sx->ctime = sx_time(za.za_ctime);
	sx->mtime = sx_time(za.za_mtime);
	sx->rdev_major = za.za_rdev_major;
	sx->rdev_minor = za.za_rdev_minor;
	fuse_raw_reply(in, 0, &out, sizeof (out));
}

void
fuse_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	struct statvfs sv = { .f_frsize = 0 };
	znode_t *zp = NULL;
	zpl_statfs_t zs;

	(void)fuse_inode_hold(ff, ino, &zp);
	int err = zpl_statfs(ff->ff_zfsvfs,
	    zp != NULL && zpl_type(zp) == S_IFDIR ? zp : NULL, &zs);
	if (zp != NULL)
		zpl_rele(zp);
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	sv.f_bsize = sv.f_frsize = zs.zs_bsize;
	sv.f_blocks = zs.zs_blocks;
	sv.f_bfree = sv.f_bavail = zs.zs_bfree;
	sv.f_files = zs.zs_files;
	sv.f_ffree = sv.f_favail = zs.zs_ffree;
	sv.f_namemax = zs.zs_namelen;
	fuse_reply_statfs(req, &sv);
}
