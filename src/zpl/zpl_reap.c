/*
 * Files without a name: the unlinked set, and freeing what is in it (format/04 §1.3,
 * §6.1).
 *
 * A file leaves in two steps, each of which leaves a consistent file system if nothing
 * follows: the transaction that takes its last name puts it in the set; when nobody
 * uses it any more its data are freed, in as many transactions as that takes, and in
 * the last one it leaves the set together with its object.
 */
#include <stdio.h>
#include "zpl/zpl_impl.h"

typedef struct setname {
	char s[17];
} setname_t;

static setname_t
setname(uint64_t object)
{
	setname_t n;
	(void)snprintf(n.s, sizeof(n.s), "%" PRIx64, object);
	return (n);
}

int
zpl_unlinked_add(znode_t *zp, dmu_tx_t *tx)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	ASSERT(zp->z_unlinked);
	return (zap_add(
	    zv->zv_os, zv->zv_unlinked, setname(zp->z_id).s, 8, 1, &zp->z_id, tx));
}

int
zpl_unlinked_remove(znode_t *zp, dmu_tx_t *tx)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	return (zap_remove(zv->zv_os, zv->zv_unlinked, setname(zp->z_id).s, tx));
}

/* ---- freeing one ----------------------------------------------------- */

/* Unlink every file of an xattr directory. */
static int
purge_xattr_dir(znode_t *dzp)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int err = 0;

	for (zap_cursor_init(&zc, zv->zv_os, dzp->z_id);
	     err == 0 && (err = zap_cursor_retrieve(&zc, za)) == 0;
	     zap_cursor_advance(&zc)) {
		znode_t *zp;
		err = znode_get(zv, ZFS_DIRENT_OBJ(za->za_first_integer), &zp);
		if (err != 0) {
			err = err == ENOENT ? 0 : err;
			continue;
		}
		if (zp->z_type != S_IFREG && zp->z_type != S_IFLNK) {
			znode_rele(zp); /* damage: leave it to those who repair */
			continue;
		}
		dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
		zpl_tx_hold_dir(tx, dzp, false, za->za_name);
		zpl_tx_hold_znode(tx, zp, false);
		dmu_tx_hold_zap(tx, zv->zv_unlinked, true, NULL);
		dmu_tx_mark_netfree(tx);
		err = zpl_tx_assign(tx);
		if (err == 0) {
			/* the directory itself has gone from the tree, so no locks on
			 * names */
			err = zpl_link_destroy(dzp, za->za_name, zp, ZD_EXACT, tx);
			dmu_tx_commit(tx);
		}
		znode_rele(zp);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (err == ENOENT ? 0 : err);
}

/* The last transaction of a file. */
static int
free_object(znode_t *zp, znode_t *xdzp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	zfs_acl_phys_t za;
	uint64_t acl = 0;

	if (sa_is_legacy(&zp->z_sa) &&
	    sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &za, sizeof(za)) == 0)
		acl = za.z_acl_extern_obj;
	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	dmu_tx_hold_free(tx, zp->z_id, 0, DMU_OBJECT_END);
	dmu_tx_hold_bonus(tx, zp->z_id);
	dmu_tx_hold_zap(tx, zv->zv_unlinked, xdzp != NULL, NULL);
	if (xdzp != NULL)
		zpl_tx_hold_znode(tx, xdzp, false);
	if (acl != 0)
		dmu_tx_hold_free(tx, acl, 0, DMU_OBJECT_END);
	dmu_tx_mark_netfree(tx);
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	if (xdzp != NULL) {
		rw_enter(&xdzp->z_lock, RW_WRITER);
		xdzp->z_links = 0;
		xdzp->z_unlinked = true;
		err = znode_upgrade(xdzp, tx);
		if (err == 0)
			err = znode_store(xdzp, ZM(SA_LINKS), tx);
		rw_exit(&xdzp->z_lock);
		if (err == 0)
			err = zpl_unlinked_add(xdzp, tx);
		if (err == EEXIST)
			err = 0; /* an earlier attempt came that far */
	}
	if (err == 0)
		err = zpl_unlinked_remove(zp, tx);
	if (err == ENOENT)
		err = 0; /* was only about to get there */
	if (err == 0 && acl != 0)
		(void)dmu_object_free(zv->zv_os, acl, tx);
	/* out of the cache before the number can be given out again */
	znode_remove(zp);
	if (err == 0)
		err = dmu_object_free(zv->zv_os, zp->z_id, tx);
	dmu_tx_commit(tx);
	if (err != 0)
		spl_log(LOG_WARNING, "cannot free object %" PRIu64 ": error %d",
		    zp->z_id, err);
	znode_free(zp);
	return (0);
}

void
znode_reap(znode_t *zp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	znode_t *xdzp = NULL;
	int err = 0;

	ASSERT(zp->z_unlinked && zp->z_reaping);
	if (z_isdir(zp) && z_isxattr(zp))
		err = purge_xattr_dir(zp);
	if (err == 0 && zp->z_type == S_IFREG)
		err = dmu_free_long_range(zv->zv_os, zp->z_id, 0, DMU_OBJECT_END);
	if (err == 0 && zp->z_xattr != 0 && !z_isxattr(zp)) {
		err = znode_get(zv, zp->z_xattr, &xdzp);
		if (err == ENOENT)
			err = 0;
		/* what is no xattr directory is not ours to take along */
		if (err == 0 && xdzp != NULL && !(z_isdir(xdzp) && z_isxattr(xdzp))) {
			znode_rele(xdzp);
			xdzp = NULL;
		}
	}
	if (err == 0)
		err = free_object(zp, xdzp);
	if (err != 0) {
		/* no room, no disk: it stays in the set for the next mount */
		znode_remove(zp);
		znode_free(zp);
	}
	if (xdzp != NULL)
		znode_rele(xdzp);
}

/* ---- at mount -------------------------------------------------------- */

/* Letting go of each member reaps it. */
static void
drain(void *arg)
{
	zfsvfs_t *zv = arg;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;

	for (zap_cursor_init(&zc, zv->zv_os, zv->zv_unlinked);
	     !__atomic_load_n(&zv->zv_drain_stop, __ATOMIC_RELAXED) &&
	     zap_cursor_retrieve(&zc, za) == 0;
	     zap_cursor_advance(&zc)) {
		znode_t *zp;
		if (zpl_enter_write(zv, NULL) != 0)
			break;
		/*
		 * listed but free already, or in use again by now: none of our business
		 */
		if (za->za_integer_length == 8 &&
		    znode_get(zv, za->za_first_integer, &zp) == 0) {
			rw_enter(&zp->z_lock, RW_WRITER);
			if (zp->z_links != 0 && z_isdir(zp) && z_isxattr(zp))
				zp->z_unlinked = true;
			rw_exit(&zp->z_lock);
			znode_rele(zp);
		}
		zpl_exit(zv);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
}

void
zpl_drain_start(zfsvfs_t *zv)
{
	taskq_dispatch(zv->zv_drain_tq, drain, zv);
}

void
zpl_wait_unlinked(zfsvfs_t *zv)
{
	taskq_wait(zv->zv_drain_tq);
}
