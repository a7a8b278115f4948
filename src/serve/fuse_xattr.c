/*
 * Extended attributes. Names and access to namespaces have been checked by the kernel; what
 * the file system has to say to a name (system.*, xattr=off) is zpl's business.
 */
#include "serve/fuse_impl.h"

void
fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
    size_t size, int flags)
{
	/* An ACL set by somebody outside of the file's group takes the set-group-id bit away. */
	zpl_cred_t cr =
	    strncmp(name, "system.", 7) == 0 ? fuse_cred_groups(req) : fuse_cred(req);
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_xattr_set(zp, name, value, size, flags, &cr);
		zpl_rele(zp);
	}
	reply_error(req, err);
}

void
fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	zpl_cred_t cr = fuse_cred(req);
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_xattr_remove(zp, name, &cr);
		zpl_rele(zp);
	}
	reply_error(req, err);
}

/* Of a value or a list: its length if no room was given, else the bytes. */
static void
reply_sized(fuse_req_t req, int err, const void *buf, size_t size, size_t len)
{
	if (err == 0 && size > 0 && len > size)
		err = ERANGE;
	if (err != 0)
		reply_error(req, err);
	else if (size == 0)
		fuse_reply_xattr(req, len);
	else
		fuse_reply_buf(req, buf, len);
}

void
fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	zpl_cred_t cr = fuse_cred(req);
	size_t len = 0;
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_xattr_get(
		    zp, name, fuse_scratch(), MIN(size, FUSE_MAX_DATA), &len, &cr);
		zpl_rele(zp);
	}
	reply_sized(req, err, fuse_scratch(), size, len);
}

void
fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	zpl_cred_t cr = fuse_cred_list(req);
	size_t len = 0;
	znode_t *zp;
	int err = fuse_inode_hold(fuse_req_fs(req), ino, &zp);

	if (err == 0) {
		err = zpl_xattr_list(zp, (char *)fuse_scratch(), MIN(size, FUSE_MAX_DATA), &len, &cr);
		zpl_rele(zp);
	}
	reply_sized(req, err, fuse_scratch(), size, len);
}
