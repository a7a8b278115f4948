/*
 * Data of regular files.
 *
 * Writes go through: write(2) returns when zpl has the bytes, so that quotas, a full pool and
 * sync=always are felt where they belong. The kernel keeps what was written and read in its
 * page cache; only shared mappings are written back later.
 *
 * Opening. Nothing here needs an open file: the kernel's inode holds the znode. But cached reads never
 * reach us, so on mounts that keep access times an OPEN for reading counts as the access.
 * Without access times OPEN is answered ENOSYS, and the kernel never asks again.
 */
#include <limits.h>
#include <unistd.h>
#include "serve/fuse_impl.h"

/* zpl's blocks of one read; a read in more pieces is copied. writev(2) allows 1024. */
#define READ_IOVS 512

void
fuse_note_access(fuse_fs_t *ff, fuse_ino_t ino, znode_t *zp)
{
	/* Attributes only: no pages are touched, so this cannot wait for ourselves. */
	if (zpl_accessed(zp))
		(void)fuse_lowlevel_notify_inval_inode(ff->ff_session, ino, -1, 0);
}

void
fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct fuse_open_in *oi = fuse_raw_args(sizeof (*oi));
	fuse_fs_t *ff = fuse_req_fs(req);
	znode_t *zp;
	int err;

	if (ff->ff_no_open) {
		reply_error(req, ENOSYS);
		return;
	}
	if ((err = fuse_inode_hold(ff, ino, &zp)) == 0) {
		if ((fi->flags & O_TRUNC) != 0) {
			zpl_cred_t cr = fuse_cred(req);
			zpl_attr_t za = { .za_mask = ZPL_AT_SIZE };
			if (oi != NULL && (oi->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0)
				za.za_mask |= ZPL_AT_KILL_SUID;
			err = zpl_setattr(zp, &za, &cr, NULL);
		}
		if (err == 0 && (fi->flags & O_ACCMODE) != O_WRONLY &&
		    (fi->flags & O_NOATIME) == 0)
			fuse_note_access(ff, ino, zp);
		zpl_rele(zp);
	}
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

/* ---- reading ---------------------------------------------------------------------------- */

void
fuse_op_read(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct iovec iov[READ_IOVS];
	int iovcnt = READ_IOVS;
	zpl_cred_t cr = fuse_cred(req);
	zpl_pin_t *pin;
	size_t done;
	znode_t *zp;

	if (off < 0 || size > FUSE_MAX_DATA) {
		reply_error(req, EINVAL);
		return;
	}
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);
	if (err != 0) {
		reply_error(req, err);
		return;
	}
	err = zpl_read_pin(zp, (uint64_t)off, size, iov, &iovcnt, &done, &pin);
	if (err == 0 && (done == size || iovcnt < READ_IOVS)) {
		fuse_reply_iov(req, iov, iovcnt);
		zpl_read_unpin(pin);
	} else {
		/* Tiny blocks: a short answer would mean the end of the file. */
		struct iovec whole = { fuse_scratch(), size };
		if (err == 0)
			zpl_read_unpin(pin);
		err = zpl_read(zp, (uint64_t)off, &whole, 1, &done, &cr);
		if (err == 0)
			fuse_reply_buf(req, whole.iov_base, done);
		else
			reply_error(req, err);
	}
	zpl_rele(zp);
}

/* ---- writing ------------------------------------------------------------------------------ */

/*
 * A write that takes set-id bits away changes the mode behind the kernel's back. Most files
 * have none: looking is cheaper than telling.
 */
static bool
has_setid(znode_t *zp)
{
	zpl_attr_t za;

	return (zpl_getattr(zp, &za) == 0 && (za.za_mode & (S_ISUID | S_ISGID)) != 0);
}

void
fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	const struct fuse_write_in *wi = fuse_raw_args(sizeof (*wi));
	struct iovec iov = { (void *)(uintptr_t)buf, size };
	fuse_fs_t *ff = fuse_req_fs(req);
	zpl_cred_t cr = fuse_cred(req);
	uint32_t flags = ZPL_WRITE_KEEP_SUID;
	bool setid = false;
	size_t done = 0;
	znode_t *zp;
	int err = off < 0 ? EINVAL : fuse_inode_hold(ff, ino, &zp);

	if (err != 0) {
		reply_error(req, err);
		return;
	}
	/* The kernel knows who has CAP_FSETID; without KILLPRIV_V2 it has dropped the bits itself. */
	if (wi != NULL && (wi->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0 && has_setid(zp)) {
		flags = 0;
		cr.privileged = false;
		setid = true;
	}
	err = zpl_write(zp, (uint64_t)off, &iov, 1, flags, &done, NULL, &cr);
	if (setid)
		(void)fuse_lowlevel_notify_inval_inode(ff->ff_session, ino, -1, 0);
	zpl_rele(zp);
	if (err != 0)
		reply_error(req, err);
	else
		fuse_reply_write(req, done);
}

void
fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_fsync(zp, datasync != 0);
		zpl_rele(zp);
	}
	reply_error(req, err);
}

void
fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
    struct fuse_file_info *fi)
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *zp;
	int err = off < 0 || len <= 0 || off > INT64_MAX - len ?
	    EINVAL : fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_fallocate(zp, mode, (uint64_t)off, (uint64_t)len, &cr);
		zpl_rele(zp);
	}
	reply_error(req, err);
}

void
fuse_op_lseek(
    fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	uint64_t result = 0;
	znode_t *zp;
	int err = off < 0 ? ENXIO : fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_lseek(zp, (uint64_t)off, whence, &result);
		zpl_rele(zp);
	}
	if (err == 0)
		fuse_reply_lseek(req, (off_t)result);
	else
		reply_error(req, err);
}

/* ---- copying inside ------------------------------------------------------------------------- */

/*
 * From one file to another without a detour through the caller. Through a buffer, not from pinned blocks:
 * two files copied onto each other would wait for each other's ranges for ever.
 */
static int
copy_range(fuse_fs_t *ff, fuse_ino_t from, off_t off_in, fuse_ino_t to, off_t off_out,
    uint64_t len, const zpl_cred_t *cr, uint64_t *donep)
{
	struct iovec iov = { .iov_base = fuse_scratch() };
	znode_t *src, *dst;
	uint64_t done = 0;
	int err;

	if (off_in < 0 || off_out < 0)
		return (EINVAL);
	len = MIN(len, (uint64_t)(INT64_MAX - MAX(off_in, off_out)));
	if ((err = fuse_inode_hold(ff, from, &src)) != 0)
		return (err);
	if ((err = fuse_inode_hold(ff, to, &dst)) != 0) {
		zpl_rele(src);
		return (err);
	}
	while (done < len) {
		size_t got = 0, put = 0;
		iov.iov_len = MIN(len - done, FUSE_MAX_DATA);
		err = zpl_read(src, (uint64_t)off_in + done, &iov, 1, &got, cr);
		if (err != 0 || got == 0)
			break;
		iov.iov_len = got;
		err = zpl_write(dst, (uint64_t)off_out + done, &iov, 1, ZPL_WRITE_KEEP_SUID, &put,
		    NULL, cr);
		if (err != 0 || put == 0)
			break;
		done += put;
	}
	zpl_rele(dst);
	zpl_rele(src);
	if (err != 0 && done == 0)
		return (err);
	*donep = done;
	return (0);
}

void
fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
    struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
    struct fuse_file_info *fi_out, size_t len, int flags)
{
	zpl_cred_t cr = fuse_cred(req);
	uint64_t done = 0;
	int err;

	/* The result of this request has 32 bits, page aligned below that. */
	len = MIN(len, (size_t)(UINT32_MAX & ~4095U));
	err = copy_range(fuse_req_fs(req), ino_in, off_in, ino_out, off_out, len, &cr, &done);
	if (err == 0)
		fuse_reply_write(req, (size_t)done);
	else
		reply_error(req, err);
}

void
fuse_raw_copy_file_range(fuse_fs_t *ff, const struct fuse_in_header *in)
{
	const struct fuse_copy_file_range_in *ci = fuse_raw_args(sizeof (*ci));
	struct fw_copy_file_range_out out;
	uint64_t done = 0;
	int err = EINVAL;

	if (ci != NULL && ci->off_in <= INT64_MAX && ci->off_out <= INT64_MAX)
		err = copy_range(ff, in->nodeid, (off_t)ci->off_in, ci->nodeid_out,
		    (off_t)ci->off_out, ci->len, &zpl_root_cred, &done);
	out.bytes_copied = done;
	fuse_raw_reply(in, err, &out, sizeof (out));
}
