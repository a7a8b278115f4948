/*
 * Names: the table of operations, and those that look up, make, remove and move entries.
 *
 * The kernel checks permissions (default_permissions) before it asks. Credentials are
 * passed on for what only a file system decides: owners of new files, and checks that zpl makes again. On
 * mounts that may be id-mapped the kernel names only the creator of a new file; everything
 * else it has checked for good and asks as nobody in particular.
 */
#include <stdio.h>
#include <sys/sysmacros.h>
#include "serve/fuse_impl.h"

/* Supplementary groups of one process that are looked at; Linux allows 65536. */
#define GROUPS_MAX 65536
CTASSERT(GROUPS_MAX * sizeof (gid_t) <= FUSE_MAX_DATA);

zpl_cred_t
fuse_cred(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return ((zpl_cred_t){ .uid = ctx->uid, .gid = ctx->gid, .umask = (uint32_t)ctx->umask,
		.privileged = ctx->uid == 0 || ctx->uid == FW_INVALID_ID });
}

zpl_cred_t
fuse_cred_groups(fuse_req_t req)
{
	zpl_cred_t cr = fuse_cred(req);

	if (cr.privileged)
		return (cr);
	gid_t *groups = (gid_t *)(void *)fuse_scratch();
	int n = fuse_req_getgroups(req, GROUPS_MAX, groups);
	if (n >= 0) {
		cr.groups = groups;
		cr.ngroups = (uint32_t)MIN(n, GROUPS_MAX);
	} else {
		/* Its process is out of sight (a pid namespace): the kernel's word must do. */
		cr.privileged = true;
	}
	return (cr);
}

zpl_cred_t
fuse_cred_list(fuse_req_t req)
{
	zpl_cred_t cr = fuse_cred(req);
	char path[40];
	struct stat st;

	/* The owner of a process's directory is the user it runs as. */
	if (fuse_req_ctx(req)->uid == FW_INVALID_ID) {
		(void)snprintf(path, sizeof (path), "/proc/%d", (int)fuse_req_ctx(req)->pid);
		cr.privileged = stat(path, &st) == 0 && st.st_uid == 0;
	}
	return (cr);
}

/* ---- entries ---------------------------------------------------------------------------------- */

int
fuse_entry_fill(fuse_fs_t *ff, znode_t *zp, struct fuse_entry_param *e)
{
	zpl_attr_t za;
	int err = fuse_attr_get(ff, zp, &za);

	if (err != 0) {
		zpl_rele(zp);
		return (err);
	}
	memset(e, 0, sizeof (*e));
	fuse_attr_to_stat(&za, &e->attr);
	e->generation = zpl_gen(zp);
	e->attr_timeout = FUSE_FOREVER;
	e->entry_timeout = ff->ff_entry_timeout;
	e->ino = fuse_inode_told(ff, zp);
	return (0);
}

void
fuse_reply_znode(fuse_req_t req, znode_t *zp, struct fuse_file_info *fi)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	struct fuse_entry_param e;
	int err = fuse_entry_fill(ff, zp, &e);

	if (err != 0)
		reply_error(req, err);
	else if ((fi == NULL ? fuse_reply_entry(req, &e) : fuse_reply_create(req, &e, fi)) != 0)
		fuse_inode_forget(ff, e.ino, 1); /* nobody was there to be told */
}

bool
fuse_name_reserved(fuse_fs_t *ff, fuse_ino_t parent, const char *name)
{
	zpl_opts_t zo;

	if (parent != FUSE_ROOT_ID || strcmp(name, ".zfs") != 0)
		return (false);
	zpl_get_opts(ff->ff_zfsvfs, &zo);
	return (zo.zo_ctldir);
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	struct fuse_entry_param none = { .entry_timeout = ff->ff_entry_timeout };
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	int err = fuse_inode_hold(ff, parent, &dzp);

	if (err == 0 && strcmp(name, ".") == 0) {
		fuse_reply_znode(req, dzp, NULL);
		return;
	}
	if (err == 0) {
		err = fuse_name_reserved(ff, parent, name) ?
		    ENOENT : zpl_lookup(dzp, name, &cr, &zp, NULL, 0);
		zpl_rele(dzp);
	}
	if (err == 0)
		fuse_reply_znode(req, zp, NULL);
	else if (err == ENOENT && ff->ff_entry_timeout > 0)
		fuse_reply_entry(req, &none); /* may be remembered */
	else
		reply_error(req, err);
}

static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	fuse_inode_forget(fuse_req_fs(req), ino, nlookup);
	fuse_reply_none(req);
}

static void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		fuse_inode_forget(fuse_req_fs(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* ---- new ones ----------------------------------------------------------------------------------- */

static void
op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	bool created;
	int err = fuse_inode_hold(ff, parent, &dzp);

	if (err == 0) {
		err = zpl_create(dzp, name, mode & 07777, (fi->flags & O_EXCL) != 0, &cr, &zp,
		    &created);
		zpl_rele(dzp);
	}
	if (err == 0 && !created && (fi->flags & O_TRUNC) != 0 &&
	    (err = zpl_truncate(zp, 0, &cr)) != 0)
		zpl_rele(zp);
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_znode(req, zp, fi);
}

static void
op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), parent, &dzp);

	if (err == 0) {
		err = zpl_mkdir(dzp, name, mode & 07777, &cr, &zp);
		zpl_rele(dzp);
	}
	if (err == 0)
		fuse_reply_znode(req, zp, NULL);
	else
		reply_error(req, err);
}

static void
op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), parent, &dzp);

	if (err == 0) {
		/* From kernel to us in its own packing: 8 + 12 + 12 bits (new_encode_dev). */
		uint64_t dev = rdev;
		uint32_t major = (uint32_t)((dev >> 8) & 0xfff);
		uint32_t minor = (uint32_t)((dev & 0xff) | ((dev >> 12) & 0xfff00));
		err = zpl_mknod(dzp, name, mode, major, minor, &cr, &zp);
		zpl_rele(dzp);
	}
	if (err == 0)
		fuse_reply_znode(req, zp, NULL);
	else
		reply_error(req, err);
}

static void
op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), parent, &dzp);

	if (err == 0) {
		err = zpl_symlink(dzp, name, target, &cr, &zp);
		zpl_rele(dzp);
	}
	if (err == 0)
		fuse_reply_znode(req, zp, NULL);
	else
		reply_error(req, err);
}

static void
op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char *buf = (char *)fuse_scratch();
	znode_t *zp;
	size_t len = 0;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_readlink(zp, buf, FUSE_MAX_DATA - 1, &len);
		zpl_rele(zp);
	}
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	buf[MIN(len, FUSE_MAX_DATA - 1)] = '\0';
	fuse_reply_readlink(req, buf);
}

static void
op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp, *zp;
	int err = fuse_inode_hold(ff, ino, &zp);

	if (err == 0 && (err = fuse_inode_hold(ff, parent, &dzp)) != 0)
		zpl_rele(zp);
	if (err == 0) {
		err = zpl_link(dzp, zp, name, &cr);
		zpl_rele(dzp);
		if (err != 0)
			zpl_rele(zp);
	}
	if (err == 0)
		fuse_reply_znode(req, zp, NULL);
	else
		reply_error(req, err);
}

/* O_TMPFILE: as CREATE, but the name in the request means nothing. */
void
fuse_raw_tmpfile(fuse_fs_t *ff, const struct fuse_in_header *in)
{
	const struct fuse_create_in *ci = fuse_raw_args(sizeof (*ci));
	struct {
		struct fuse_entry_out eo;
		struct fuse_open_out oo;
	} out;
	struct fuse_entry_param e;
	znode_t *dzp, *zp;

	if (ci == NULL) {
		fuse_raw_reply(in, EINVAL, NULL, 0);
		return;
	}
	zpl_cred_t cr = { .uid = in->uid, .gid = in->gid, .umask = ci->umask,
		.privileged = in->uid == 0 || in->uid == FW_INVALID_ID };
	int err = fuse_inode_hold(ff, in->nodeid, &dzp);
	if (err == 0) {
		err = zpl_tmpfile(dzp, ci->mode & 07777, &cr, &zp);
		zpl_rele(dzp);
	}
	if (err == 0)
		err = fuse_entry_fill(ff, zp, &e);
	if (err != 0) {
		fuse_raw_reply(in, err, NULL, 0);
		return;
	}
	memset(&out, 0, sizeof (out));
	fuse_entry_to_wire(&e, &out.eo);
	out.oo.open_flags =
	    FOPEN_KEEP_CACHE | FW_OPEN_NOFLUSH | FW_OPEN_PARALLEL_DIRECT_WRITES;
	if (fuse_raw_reply(in, 0, &out, sizeof (out)) != 0)
		fuse_inode_forget(ff, e.ino, 1);
}

/* ---- away and elsewhere ----------------------------------------------------------------------------- */

static void
remove_entry(fuse_req_t req, fuse_ino_t parent, const char *name,
    int (*func)(znode_t *dzp, const char *name, const zpl_cred_t *cr))
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *dzp;
	int err = fuse_inode_hold(fuse_req_fs(req), parent, &dzp);

	if (err == 0) {
		err = func(dzp, name, &cr);
		zpl_rele(dzp);
	}
	reply_error(req, err);
}

static void
op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_entry(req, parent, name, zpl_unlink);
}

static void
op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_entry(req, parent, name, zpl_rmdir);
}

static void
op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
    const char *newname, unsigned int flags)
{
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_cred_t cr = fuse_cred(req);
	znode_t *sdzp, *tdzp;
	int err = fuse_inode_hold(ff, parent, &sdzp);

	if (err == 0) {
		err = fuse_inode_hold(ff, newparent, &tdzp);
		if (err == 0) {
			err = zpl_rename(sdzp, name, tdzp, newname, flags, &cr);
			zpl_rele(tdzp);
		}
		zpl_rele(sdzp);
	}
	reply_error(req, err);
}

/* ---- the table ------------------------------------------------------------------------------------------ */

static void
op_init(void *userdata, struct fuse_conn_info *conn)
{
	fuse_fs_t *ff = userdata;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_DONT_MASK |
	    FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_IOCTL_DIR | FUSE_CAP_READDIRPLUS |
	    FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
	    FUSE_CAP_EXPLICIT_INVAL_DATA;

	/* O_TRUNC within OPEN; where there is no OPEN, the kernel sends a SETATTR. */
	if (!ff->ff_no_open)
		want |= FUSE_CAP_ATOMIC_O_TRUNC;
	if (ff->ff_posix_acl)
		want |= FUSE_CAP_POSIX_ACL;
	conn->want = want & conn->capable;
	conn->max_write = FUSE_MAX_DATA;
	conn->max_readahead = FUSE_MAX_DATA;
	/* Readahead and direct I/O in flight before the kernel makes callers wait. */
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
}

const struct fuse_lowlevel_ops fuse_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = fuse_op_getattr,
	.setattr = fuse_op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	.open = fuse_op_open,
	.read = fuse_op_read,
	.write = fuse_op_write,
	.fsync = fuse_op_fsync,
	.fallocate = fuse_op_fallocate,
	.lseek = fuse_op_lseek,
	.copy_file_range = fuse_op_copy_file_range,
	.opendir = fuse_op_opendir,
	.readdir = fuse_op_readdir,
	.readdirplus = fuse_op_readdirplus,
	.fsyncdir = fuse_op_fsync,
	.statfs = fuse_op_statfs,
	.setxattr = fuse_op_setxattr,
	.getxattr = fuse_op_getxattr,
	.listxattr = fuse_op_listxattr,
	.removexattr = fuse_op_removexattr,
	.ioctl = fuse_op_ioctl,
};
