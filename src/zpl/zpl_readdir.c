/*
 * Listing directories, and finding the path of an object (format/04 §3.1, §6.10).
 */
#include <dirent.h>
#include "zpl/zpl_impl.h"

/* Cookies below the ZAP's positions, which are larger: they count at least one cd
 * (format/02 §2.8). */
#define COOKIE_DOT 0
#define COOKIE_DOTDOT 1
#define COOKIE_FIRST 2 /* the control directory's place; then the entries */

static uint8_t
d_type_of(uint64_t de)
{
	switch (ZFS_DIRENT_TYPE(de)) {
	case DT_FIFO:
	case DT_CHR:
	case DT_DIR:
	case DT_BLK:
	case DT_REG:
	case DT_LNK:
	case DT_SOCK:
		return ((uint8_t)ZFS_DIRENT_TYPE(de));
	default:
		return (DT_UNKNOWN);
	}
}

static int
list_entries(
    znode_t *dzp, uint64_t *cookie, zpl_dirent_cb_t *emit, void *arg, bool *eof)
{
	objset_t *os = dzp->z_zfsvfs->zv_os;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int err;

	zap_cursor_init_serialized(
	    &zc, os, dzp->z_id, *cookie == COOKIE_FIRST ? 0 : *cookie);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		if (za->za_integer_length != 8 || za->za_num_integers == 0) {
			err = ENXIO;
			break;
		}
		uint64_t de = za->za_first_integer;
		zap_cursor_advance(&zc);
		const uint64_t next = zap_cursor_serialize(&zc);
		if (!emit(arg, za->za_name, strlen(za->za_name), ZFS_DIRENT_OBJ(de),
			d_type_of(de), next))
			break;
		/* whoever lists usually looks at the files next */
		dmu_prefetch_dnode(os, ZFS_DIRENT_OBJ(de));
		*cookie = next;
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	if (err == ENOENT) {
		*eof = true;
		err = 0;
	}
	return (err);
}

int
zpl_readdir(znode_t *dzp, uint64_t *cookie, zpl_dirent_cb_t *emit, void *arg, bool *eof)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	bool end = false, full = false;
	int err = zpl_enter(zv, dzp);
	if (err != 0)
		return (err);
	if (!z_isdir(dzp))
		err = ENOTDIR;
	rw_enter(&dzp->z_lock, RW_READER);
	const bool gone = dzp->z_unlinked;
	const uint64_t parent = dzp->z_parent;
	rw_exit(&dzp->z_lock);
	uint64_t c = *cookie;
	/* a removed directory is empty, also of "." */
	if (gone)
		end = true;
	if (err == 0 && !end && c == COOKIE_DOT) {
		full = !emit(arg, ".", 1, dzp->z_id, DT_DIR, COOKIE_DOTDOT);
		c = full ? c : COOKIE_DOTDOT;
	}
	if (err == 0 && !end && !full && c == COOKIE_DOTDOT) {
		full = !emit(arg, "..", 2, parent, DT_DIR, COOKIE_FIRST);
		c = full ? c : COOKIE_FIRST;
	}
	if (err == 0 && !end && !full && c >= COOKIE_FIRST)
		err = list_entries(dzp, &c, emit, arg, &end);
	if (err == 0) {
		*cookie = c;
		if (eof != NULL)
			*eof = end;
	}
	zpl_exit(zv);
	return (err);
}

/* The name in dzp of an entry for this object, into the end of buf before *pos. */
static int
prepend_name(znode_t *dzp, uint64_t object, char *buf, size_t *pos)
{
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int err;

	for (zap_cursor_init(&zc, dzp->z_zfsvfs->zv_os, dzp->z_id);
	     (err = zap_cursor_retrieve(&zc, za)) == 0; zap_cursor_advance(&zc))
		if (ZFS_DIRENT_OBJ(za->za_first_integer) == object)
			break;
	zap_cursor_fini(&zc);
	if (err == 0) {
		const size_t n = strlen(za->za_name);
		if (n + 1 > *pos) {
			err = ERANGE;
		} else {
			*pos -= n;
			memcpy(buf + *pos, za->za_name, n);
			buf[--*pos] = '/';
		}
	}
	kmem_free(za, sizeof(*za));
	return (err);
}

int
zpl_obj_to_path(zfsvfs_t *zv, uint64_t object, char *buf, size_t len)
{
	znode_t *zp, *dzp;
	size_t pos = len;
	int err = zpl_enter(zv, NULL);
	if (err != 0)
		return (err);
	if (len < 2) {
		zpl_exit(zv);
		return (ERANGE);
	}
	char *tmp = kmem_alloc(len, KM_SLEEP);
	tmp[--pos] = '\0';
	err = znode_get(zv, object, &zp);
	for (int depth = 0; err == 0 && zp->z_id != zv->zv_root; depth++) {
		rw_enter(&zp->z_lock, RW_READER);
		const uint64_t parent = zp->z_parent, id = zp->z_id;
		const bool gone = zp->z_unlinked, attr = z_isxattr(zp) && z_isdir(zp);
		rw_exit(&zp->z_lock);
		znode_rele(zp);
		if (gone || depth > 100000) {
			err = ESTALE;
			break;
		}
		err = znode_get(zv, parent, &dzp);
		if (err != 0)
			break;
		if (attr) {
			/* not an entry of its parent: shown as zdb does */
			static const char xattr[] = "/<xattrdir>";
			if (sizeof(xattr) - 1 > pos)
				err = ERANGE;
			else
				memcpy(tmp + (pos -= sizeof(xattr) - 1), xattr,
				    sizeof(xattr) - 1);
		} else {
			err = z_isdir(dzp) ? prepend_name(dzp, id, tmp, &pos) : ESTALE;
		}
		zp = dzp;
		if (err != 0)
			znode_rele(zp);
	}
	if (err == 0) {
		znode_rele(zp);
		if (tmp[pos] == '\0')
			tmp[--pos] = '/';
		memcpy(buf, tmp + pos, len - pos);
	}
	kmem_free(tmp, len);
	zpl_exit(zv);
	return (err == ENOENT ? ESTALE : err);
}
