/*
 * Extended attributes: names, namespaces, and which of the two stores holds what
 * (format/04 §2.7). A name is in one store at most; attributes of the object itself
 * (zpl_xattr_sa.c) win over the hidden directory (zpl_xattr_dir.c).
 */
#include <sys/xattr.h>
#include "zpl/zpl_impl.h"

#define XATTR_NAME_MAX_LEN 255
#define XATTR_VALUE_MAX 65536
#define USER_PREFIX "user."

static bool
has_prefix(const char *s, const char *prefix)
{
	return (strncmp(s, prefix, strlen(prefix)) == 0);
}

/* ---- names ----------------------------------------------------------- */

/* The spelling of other platforms: without "user.". NULL: there is none. */
static const char *
unprefixed(const char *name)
{
	static const char *const taken[] = {
	    "freebsd:", "security.", "system.", "trusted.", USER_PREFIX};
	if (!has_prefix(name, USER_PREFIX) || name[strlen(USER_PREFIX)] == '\0')
		return (NULL);
	name += strlen(USER_PREFIX);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (has_prefix(name, taken[i]))
			return (NULL);
	return (name);
}

/* May this name be used at all? */
static int
check_name(zfsvfs_t *zv, const char *name, const zpl_cred_t *cr, bool write)
{
	const zpl_opts_t zo = zpl_opts_now(zv);
	const size_t len = strnlen(name, XATTR_NAME_MAX_LEN + 1);

	if (len == 0 || len > XATTR_NAME_MAX_LEN)
		return (ERANGE);
	if (has_prefix(name, USER_PREFIX))
		return (zo.zo_xattr == ZPL_XATTR_OFF ? EOPNOTSUPP : 0);
	if (has_prefix(name, "trusted."))
		return (cr->privileged ? 0 : write ? EPERM : ENODATA);
	if (has_prefix(name, "security."))
		return (0);
	if (zpl_xattr_is_acl(name))
		return (zo.zo_acltype == ZPL_ACL_POSIX ? 0 : EOPNOTSUPP);
	return (EOPNOTSUPP);
}

/* ---- one name -------------------------------------------------------- */

/* z_xattr_lock as reader with the SA store loaded, or as writer. */
static int
fetch_exact(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp)
{
	const uint8_t *v;
	size_t len;
	int err = zpl_xattr_sa_get(zp, name, &v, &len);
	if (err == ENODATA)
		return (zpl_xattr_dir_get(zp, name, buf, size, lenp));
	if (err != 0)
		return (err);
	if (size != 0 && len > size)
		return (ERANGE);
	if (size != 0 && len > 0)
		memcpy(buf, v, len);
	*lenp = len;
	return (0);
}

/* Reader lock with the parsed list at hand. */
static int
lock_loaded(znode_t *zp)
{
	rw_enter(&zp->z_xattr_lock, RW_READER);
	if (zp->z_xattr_loaded)
		return (0);
	rw_exit(&zp->z_xattr_lock);
	rw_enter(&zp->z_xattr_lock, RW_WRITER);
	const int err = zpl_xattr_sa_load(zp);
	if (err != 0)
		rw_exit(&zp->z_xattr_lock);
	return (err); /* as writer then: stronger than needed, once */
}

int
zpl_xattr_fetch(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp)
{
	int err = lock_loaded(zp);
	if (err != 0)
		return (err);
	err = fetch_exact(zp, name, buf, size, lenp);
	const char *other = unprefixed(name);
	if (err == ENODATA && other != NULL)
		err = fetch_exact(zp, other, buf, size, lenp);
	rw_exit(&zp->z_xattr_lock);
	return (err);
}

static bool
exists(znode_t *zp, const char *name)
{
	size_t len;
	return (fetch_exact(zp, name, NULL, 0, &len) == 0);
}

/* From both stores. ENODATA if it was in neither. */
static int
remove_exact(znode_t *zp, const char *name)
{
	const int err = zpl_xattr_sa_set(zp, name, NULL, 0);
	const int err2 = zpl_xattr_dir_set(zp, name, NULL, 0, &zpl_root_cred);
	if (err != 0 && err != ENODATA)
		return (err);
	if (err2 != 0 && err2 != ENODATA)
		return (err2);
	return (err == 0 || err2 == 0 ? 0 : ENODATA);
}

static int
set_exact(
    znode_t *zp, const char *name, const void *value, size_t len, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = EFBIG;

	if (zpl_opts_now(zv).zo_xattr != ZPL_XATTR_DIR &&
	    zv->zv_version >= ZPL_VERSION_SA)
		err = zpl_xattr_sa_set(zp, name, value, len);
	if (err == 0) {
		err = zpl_xattr_dir_set(zp, name, NULL, 0, cr);
		return (err == ENODATA ? 0 : err);
	}
	/* too large, or not an SA object: the directory holds anything */
	if (err != EFBIG && err != ENOTSUP)
		return (err);
	err = zpl_xattr_dir_set(zp, name, value, len, cr);
	if (err != 0)
		return (err);
	err = zpl_xattr_sa_set(zp, name, NULL, 0);
	return (err == ENODATA ? 0 : err);
}

int
zpl_xattr_store(znode_t *zp, const char *name, const void *value, size_t len, int flags,
    const zpl_cred_t *cr)
{
	const char *other = unprefixed(name);

	rw_enter(&zp->z_xattr_lock, RW_WRITER);
	int err = zpl_xattr_sa_load(zp);
	if (err != 0)
		goto out;
	const bool have_other = other != NULL && exists(zp, other);
	const bool have = have_other || exists(zp, name);
	if ((flags & XATTR_CREATE) && have)
		err = EEXIST;
	else if (((flags & XATTR_REPLACE) || value == NULL) && !have)
		err = ENODATA;
	/* the other spelling goes first, so that one is left at most */
	if (err == 0 && have_other)
		err = remove_exact(zp, other);
	if (err == 0 && value != NULL)
		err = set_exact(zp, name, value, len, cr);
	else if (err == 0 && exists(zp, name))
		err = remove_exact(zp, name);
out:
	rw_exit(&zp->z_xattr_lock);
	return (err);
}

/* ---- the public face ------------------------------------------------- */

int
zpl_xattr_get(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp,
    const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	err = check_name(zv, name, cr, false);
	if (err == 0)
		err = zpl_xattr_fetch(zp, name, buf, size, lenp);
	zpl_exit(zv);
	return (err);
}

static int
check_set(znode_t *zp, const char *name, const zpl_cred_t *cr)
{
	int err = check_name(zp->z_zfsvfs, name, cr, true);
	rw_enter(&zp->z_lock, RW_READER);
	if (err == 0 && (zp->z_flags & (ZPL_F_IMMUTABLE | ZPL_F_APPENDONLY)))
		err = EPERM;
	rw_exit(&zp->z_lock);
	return (err);
}

int
zpl_xattr_set(znode_t *zp, const char *name, const void *value, size_t size, int flags,
    const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;

	if (size > XATTR_VALUE_MAX)
		return (E2BIG);
	int err = zpl_enter_write(zv, zp);
	if (err != 0)
		return (err);
	err = check_set(zp, name, cr);
	if (err == 0 && zpl_xattr_is_acl(name))
		err = zpl_posix_acl_set(zp, name, value, size, cr);
	else if (err == 0)
		err = zpl_xattr_store(zp, name, value != NULL ? value : "",
		    value != NULL ? size : 0, flags, cr);
	if (err == 0)
		zpl_maybe_wait(zv, __atomic_load_n(&zp->z_dirty_txg, __ATOMIC_RELAXED));
	zpl_exit(zv);
	return (err);
}

int
zpl_xattr_remove(znode_t *zp, const char *name, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = zpl_enter_write(zv, zp);
	if (err != 0)
		return (err);
	err = check_set(zp, name, cr);
	if (err == 0 && zpl_xattr_is_acl(name))
		err = zpl_posix_acl_set(zp, name, NULL, 0, cr);
	else if (err == 0)
		err = zpl_xattr_store(zp, name, NULL, 0, 0, cr);
	if (err == 0)
		zpl_maybe_wait(zv, __atomic_load_n(&zp->z_dirty_txg, __ATOMIC_RELAXED));
	zpl_exit(zv);
	return (err);
}

/* ---- listing --------------------------------------------------------- */

typedef struct xattr_list {
	zpl_opts_t xl_opts;
	const zpl_cred_t *xl_cr;
	char *xl_buf;
	size_t xl_size, xl_len;
} xattr_list_t;

static int
list_name(xattr_list_t *xl, const char *stored)
{
	const bool foreign =
	    !has_prefix(stored, USER_PREFIX) && !has_prefix(stored, "trusted.") &&
	    !has_prefix(stored, "security.") && !has_prefix(stored, "system.");

	if (has_prefix(stored, "freebsd:") ||
	    (has_prefix(stored, "trusted.") && !xl->xl_cr->privileged) ||
	    (zpl_xattr_is_acl(stored) && xl->xl_opts.zo_acltype != ZPL_ACL_POSIX) ||
	    ((foreign || has_prefix(stored, USER_PREFIX)) &&
		xl->xl_opts.zo_xattr == ZPL_XATTR_OFF))
		return (0);
	const size_t plen = foreign ? strlen(USER_PREFIX) : 0, n = strlen(stored) + 1;
	if (xl->xl_size != 0) {
		if (plen + n > xl->xl_size - xl->xl_len)
			return (ERANGE);
		memcpy(xl->xl_buf + xl->xl_len, USER_PREFIX, plen);
		memcpy(xl->xl_buf + xl->xl_len + plen, stored, n);
	}
	xl->xl_len += plen + n;
	return (0);
}

static int
list_dir(znode_t *zp, xattr_list_t *xl)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	znode_t *xdzp;
	zap_cursor_t zc;
	int err = zpl_xattr_dir(zp, false, xl->xl_cr, &xdzp);
	if (err != 0)
		return (err == ENOENT ? 0 : err);
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	for (zap_cursor_init(&zc, zv->zv_os, xdzp->z_id);
	     (err = zap_cursor_retrieve(&zc, za)) == 0; zap_cursor_advance(&zc))
		if ((err = list_name(xl, za->za_name)) != 0)
			break;
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	znode_rele(xdzp);
	return (err == ENOENT ? 0 : err);
}

int
zpl_xattr_list(znode_t *zp, char *buf, size_t size, size_t *lenp, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	xattr_list_t xl = {
	    .xl_opts = zpl_opts_now(zv), .xl_cr = cr, .xl_buf = buf, .xl_size = size};
	err = lock_loaded(zp);
	if (err == 0) {
		if (zp->z_xattr_sa != NULL)
			for (nvpair_t *nvp = nvlist_next_nvpair(zp->z_xattr_sa, NULL);
			     nvp != NULL && err == 0;
			     nvp = nvlist_next_nvpair(zp->z_xattr_sa, nvp))
				err = list_name(&xl, nvpair_name(nvp));
		if (err == 0)
			err = list_dir(zp, &xl);
		rw_exit(&zp->z_xattr_lock);
	}
	if (err == 0)
		*lenp = xl.xl_len;
	zpl_exit(zv);
	return (err);
}
