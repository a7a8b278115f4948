/*
 * File flags through ioctl(2), as chattr(1), lsattr(1), chproject and xfs_io speak them. The
 * kernel's part has checked ownership and CAP_LINUX_IMMUTABLE before we are asked.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include "serve/fuse_impl.h"

/* The same thing under three names. */
static const struct flag_name {
	uint64_t fl_zpl;
	uint32_t fl_attr;  /* FS_IOC_GETFLAGS */
	uint32_t fl_xflag; /* FS_IOC_FSGETXATTR */
} flag_names[] = {
	{ ZPL_F_IMMUTABLE, FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE },
	{ ZPL_F_APPENDONLY, FS_APPEND_FL, FS_XFLAG_APPEND },
	{ ZPL_F_NODUMP, FS_NODUMP_FL, FS_XFLAG_NODUMP },
	{ ZPL_F_PROJINHERIT, FS_PROJINHERIT_FL, FS_XFLAG_PROJINHERIT },
};

static uint32_t
flags_out(uint64_t flags, bool xflags)
{
	uint32_t out = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if ((flags & flag_names[i].fl_zpl) != 0)
			out |= xflags ? flag_names[i].fl_xflag : flag_names[i].fl_attr;
	return (out);
}

/* EOPNOTSUPP: one that ZFS does not have. */
static int
flags_in(uint32_t in, bool xflags, zpl_attr_t *za)
{
	za->za_mask |= ZPL_AT_FLAGS;
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		uint32_t bit = xflags ? flag_names[i].fl_xflag : flag_names[i].fl_attr;
		za->za_flags_mask |= flag_names[i].fl_zpl;
		if ((in & bit) != 0)
			za->za_flags |= flag_names[i].fl_zpl;
		in &= ~bit;
	}
	return (in == 0 ? 0 : EOPNOTSUPP);
}

static int
get_flags(znode_t *zp, bool xflags, struct fsxattr *fx, uint32_t *flags)
{
	zpl_attr_t za;
	int err = zpl_getattr(zp, &za);

	if (err != 0)
		return (err);
	memset(fx, 0, sizeof (*fx));
	*flags = flags_out(za.za_flags, xflags);
	fx->fsx_xflags = *flags;
	fx->fsx_projid = (uint32_t)za.za_projid;
	return (0);
}

static int
set_flags(znode_t *zp, uint32_t flags, const zpl_cred_t *cr)
{
	zpl_attr_t za = { .za_mask = 0 };
	int err = flags_in(flags, false, &za);

	return (err != 0 ? err : zpl_setattr(zp, &za, cr, NULL));
}

static int
set_fsxattr(znode_t *zp, const struct fsxattr *fx, const zpl_cred_t *cr)
{
	zpl_attr_t za = { .za_mask = 0 }, old;
	int err = flags_in(fx->fsx_xflags, true, &za);

	if (err == 0 && (err = zpl_getattr(zp, &old)) == 0) {
		if (fx->fsx_extsize != 0 || fx->fsx_cowextsize != 0)
			err = EOPNOTSUPP;
		if (fx->fsx_projid != (uint32_t)old.za_projid) {
			za.za_mask |= ZPL_AT_PROJID;
			za.za_projid = fx->fsx_projid;
		}
	}
	return (err != 0 ? err : zpl_setattr(zp, &za, cr, NULL));
}

void
fuse_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
    struct fuse_file_info *fi, unsigned flags, const void *in, size_t insize, size_t outsize)
{
	zpl_cred_t cr = fuse_cred(req);
	struct fsxattr fx;
	uint32_t bits = 0;
	const void *out = NULL;
	size_t outlen = 0;
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err != 0) {
		reply_error(req, err);
		return;
	}
	/* 32 bit programs differ in the command's size field only. */
	if (cmd == FS_IOC_GETFLAGS || cmd == FS_IOC32_GETFLAGS) {
		err = get_flags(zp, false, &fx, &bits);
		out = &bits;
		outlen = MIN(outsize, sizeof (bits));
	} else if (cmd == FS_IOC_SETFLAGS || cmd == FS_IOC32_SETFLAGS) {
		if (insize >= sizeof (bits))
			memcpy(&bits, in, sizeof (bits));
		err = insize < sizeof (bits) ? EINVAL : set_flags(zp, bits, &cr);
	} else if (cmd == FS_IOC_FSGETXATTR) {
		err = get_flags(zp, true, &fx, &bits);
		out = &fx;
		outlen = MIN(outsize, sizeof (fx));
	} else if (cmd == FS_IOC_FSSETXATTR) {
		if (insize >= sizeof (fx))
			memcpy(&fx, in, sizeof (fx));
		err = insize < sizeof (fx) ? EINVAL : set_fsxattr(zp, &fx, &cr);
	} else {
		err = ENOTTY;
	}
	zpl_rele(zp);
	if (err != 0)
		reply_error(req, err);
	else
		fuse_reply_ioctl(req, 0, out, outlen);
}
