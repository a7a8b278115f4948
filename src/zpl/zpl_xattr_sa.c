/*
 * Extended attributes inside of the object: one packed list in the attribute DXATTR
 * (format/04 §2.7). The unpacked list is kept with the znode; z_xattr_lock protects it.
 */
#include "zpl/zpl_impl.h"

#define SA_XATTR_VALUE_MAX 32768
#define SA_XATTR_LIST_MAX 65536 /* before the change */
#define SA_XATTR_RESULT_MAX 65535

int
zpl_xattr_sa_load(znode_t *zp)
{
	nvlist_t *nvl = NULL;
	void *packed;
	uint32_t len;

	if (zp->z_xattr_loaded)
		return (0);
	rw_enter(&zp->z_lock, RW_READER);
	int err = sa_lookup_alloc(&zp->z_sa, SA_DXATTR, &packed, &len);
	rw_exit(&zp->z_lock);
	if (err == 0) {
		if (len > 0 && nvlist_unpack(packed, len, &nvl, NULL) != 0) {
			spl_log(LOG_WARNING,
			    "object %" PRIu64 ": damaged extended attributes",
			    zp->z_id);
			err = EIO;
		}
		kmem_free(packed, len);
	}
	if (err != 0 && err != ENOENT)
		return (err);
	zp->z_xattr_sa = nvl;
	zp->z_xattr_loaded = true;
	return (0);
}

int
zpl_xattr_sa_get(znode_t *zp, const char *name, const uint8_t **valuep, size_t *lenp)
{
	ASSERT(zp->z_xattr_loaded);
	if (zp->z_xattr_sa == NULL ||
	    nvlist_lookup_byte_array(zp->z_xattr_sa, name, valuep, lenp) != 0)
		return (ENODATA);
	return (0);
}

static int
store_list(znode_t *zp, const nvlist_t *nvl)
{
	uint8_t *packed;
	size_t len;

	nvlist_pack(nvl, NV_ENCODE_XDR, &packed, &len);
	int err = len > SA_XATTR_RESULT_MAX ? EFBIG : 0;
	if (err == 0) {
		dmu_tx_t *tx = dmu_tx_create(zp->z_zfsvfs->zv_os);
		zpl_tx_hold_znode(tx, zp, true);
		err = zpl_tx_assign(tx);
		if (err == 0) {
			const sa_change_t sc = {SA_DXATTR, packed, (uint32_t)len};
			rw_enter(&zp->z_lock, RW_WRITER);
			err = znode_upgrade(zp, tx);
			if (err == 0)
				err = sa_update(&zp->z_sa, &sc, 1, tx);
			if (err == 0)
				err =
				    znode_store(zp, znode_touch(zp, ZM(SA_CTIME)), tx);
			rw_exit(&zp->z_lock);
			dmu_tx_commit(tx);
		}
	}
	kmem_free(packed, len);
	return (err);
}

int
zpl_xattr_sa_set(znode_t *zp, const char *name, const void *value, size_t len)
{
	nvlist_t *old = zp->z_xattr_sa;
	int err = 0;

	ASSERT(zp->z_xattr_loaded);
	if (value == NULL && (old == NULL || !nvlist_exists(old, name)))
		return (ENODATA);
	if (value != NULL && len > SA_XATTR_VALUE_MAX)
		return (EFBIG);
	if (value != NULL && old != NULL &&
	    nvlist_size(old, NV_ENCODE_XDR) > SA_XATTR_LIST_MAX)
		return (EFBIG);
	nvlist_t *nvl = old != NULL ? nvlist_dup(old) : nvlist_create();
	if (value == NULL)
		err = nvlist_remove_all(nvl, name);
	else
		err = nvlist_add_byte_array(nvl, name, value, len);
	if (err == 0)
		err = store_list(zp, nvl);
	if (err != 0) {
		nvlist_free(nvl);
		return (err);
	}
	zp->z_xattr_sa = nvl;
	nvlist_free(old);
	return (0);
}
