/*
 * New objects: who owns them, what they start with, in which order (format/04 §1.6,
 * §4.5, §5.4, §6.4).
 */
#include "zpl/zpl_impl.h"

#define LEGACY_BONUS sizeof(znode_phys_t)

/* ---- attributes of the newcomer -------------------------------------- */

int
zpl_newattr_init(zpl_newattr_t *na, znode_t *dzp, uint32_t mode, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	const zpl_opts_t zo = zpl_opts_now(zv);
	const bool proj_type = S_ISREG(mode) || S_ISDIR(mode);

	*na = (zpl_newattr_t){.na_mode = mode, .na_uid = cr->uid, .na_gid = cr->gid};
	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t dmode = dzp->z_mode, dgid = dzp->z_gid, dflags = dzp->z_flags,
		       dproj = dzp->z_projid;
	rw_exit(&dzp->z_lock);
	if (dmode & S_ISGID) {
		na->na_gid = dgid;
		if (S_ISDIR(mode))
			na->na_mode |= S_ISGID;
		else if (!cr->privileged && !zpl_cred_in_group(cr, dgid))
			na->na_mode &= ~(uint32_t)S_ISGID;
	}
	na->na_project = zv->zv_project && proj_type;
	if (proj_type && (dflags & ZPL_F_PROJINHERIT)) {
		na->na_flags |= ZPL_F_PROJINHERIT;
		na->na_projid = na->na_project ? dproj : 0;
	}
	int err = ENOENT;
	if (zo.zo_acltype == ZPL_ACL_POSIX && !S_ISLNK(mode))
		err = zpl_posix_acl_default(dzp, &na->na_dacl, &na->na_dacl_len);
	if (err != 0 && err != ENOENT)
		return (err);
	if (S_ISLNK(mode)) {
		/* permissions of a symlink mean nothing */
	} else if (zo.zo_acltype != ZPL_ACL_POSIX) {
		na->na_mode &= ~(cr->umask & 0777);
	} else if (err == ENOENT) {
		na->na_umask = cr->umask & 0777;
	}
	err = zpl_quota_check(zv, na->na_uid, na->na_gid, na->na_projid, true, true);
	if (err != 0)
		zpl_newattr_fini(na);
	return (err);
}

void
zpl_newattr_fini(zpl_newattr_t *na)
{
	kmem_free(na->na_dacl, na->na_dacl_len);
	na->na_dacl = NULL;
	na->na_dacl_len = 0;
}

void
zpl_tx_hold_new(dmu_tx_t *tx, zfsvfs_t *zv)
{
	dmu_tx_hold_bonus(tx, DMU_NEW_OBJECT);
	sa_tx_hold_tables(zv->zv_sa, tx);
}

/* ---- making ---------------------------------------------------------- */

static uint64_t
alloc_object(zfsvfs_t *zv, const zpl_newattr_t *na, dmu_tx_t *tx)
{
	objset_t *os = zv->zv_os;
	const bool legacy = zv->zv_version < ZPL_VERSION_SA;
	const uint64_t dnsize = MAX(dmu_objset_props(os)->op_dnodesize, 512);
	dmu_object_type_t bonustype = legacy ? DMU_OT_ZNODE : DMU_OT_SA;
	int bonuslen = (int)(dnsize - 192);

	if (legacy) {
		bonuslen = LEGACY_BONUS;
		if (na->na_symlink != NULL &&
		    LEGACY_BONUS + strlen(na->na_symlink) <= 320)
			bonuslen += (int)strlen(na->na_symlink);
	}
	if (S_ISDIR(na->na_mode))
		return (zap_create_norm(os, (int)zv->zv_norm, DMU_OT_DIRECTORY_CONTENTS,
		    bonustype, bonuslen, legacy ? 512 : (int)dnsize, tx));
	return (dmu_object_alloc_dnsize(os, DMU_OT_PLAIN_FILE_CONTENTS, 0, 0, bonustype,
	    bonuslen, legacy ? 512 : (int)dnsize, tx));
}

static void
fill_znode(znode_t *zp, znode_t *dzp, const zpl_newattr_t *na, dmu_tx_t *tx)
{
	const bool dir = S_ISDIR(na->na_mode);
	zfsvfs_t *zv = zp->z_zfsvfs;

	zp->z_type = na->na_mode & S_IFMT;
	zp->z_mode = na->na_mode & ~na->na_umask;
	zp->z_gen = dmu_tx_get_txg(tx);
	zp->z_size = dir ? 2 : na->na_symlink != NULL ? strlen(na->na_symlink) : 0;
	zp->z_links = na->na_tmp ? 0 : dir ? 2 : 1;
	zp->z_uid = na->na_uid;
	zp->z_gid = na->na_gid;
	zp->z_parent = dzp != NULL ? dzp->z_id : zp->z_id;
	zp->z_rdev = na->na_rdev;
	zp->z_projid = na->na_projid;
	zp->z_unlinked = zp->z_linkable = na->na_tmp;
	zp->z_flags |= na->na_flags;
	zp->z_attrspace = (na->na_flags & ZPL_F_XATTR) != 0;
	if (zv->zv_version >= ZPL_VERSION_FUID)
		zp->z_flags |= ZPL_F_ARCHIVE | ZPL_F_AV_MODIFIED;
	if (na->na_project)
		zp->z_flags |= ZPL_F_PROJID;
	zpl_now(zp->z_time[ZT_ATIME]);
	for (int i = ZT_MTIME; i < ZT_TIMES; i++)
		memcpy(zp->z_time[i], zp->z_time[ZT_ATIME], sizeof(zp->z_time[i]));
	zp->z_dirty_txg = zp->z_gen;
}

/* The long targets of old file systems are file data (§1.9). */
static int
store_legacy_symlink(znode_t *zp, const char *target, dmu_tx_t *tx)
{
	objset_t *os = zp->z_zfsvfs->zv_os;
	const uint32_t len = (uint32_t)strlen(target);

	if (LEGACY_BONUS + len <= zp->z_sa.sh_bonus->db_size) {
		const sa_change_t sc = {SA_SYMLINK, target, len};
		return (sa_update(&zp->z_sa, &sc, 1, tx));
	}
	int err = 0;
	if (len > 512)
		err = dmu_object_set_blocksize(
		    os, zp->z_id, P2ROUNDUP((uint64_t)len, 512), 0, tx);
	if (err == 0)
		err = dmu_write(os, zp->z_id, 0, len, target, tx);
	return (err);
}

static int
store_legacy(znode_t *zp, const zpl_newattr_t *na, const zpl_acl_t *acl, dmu_tx_t *tx)
{
	zfs_acl_phys_t za;
	const uint32_t mask = ZM(SA_MODE) | ZM(SA_SIZE) | ZM(SA_GEN) | ZM(SA_UID) |
			      ZM(SA_GID) | ZM(SA_PARENT) | ZM(SA_FLAGS) | ZM(SA_ATIME) |
			      ZM(SA_MTIME) | ZM(SA_CTIME) | ZM(SA_CRTIME) |
			      ZM(SA_LINKS) | ZM(SA_RDEV) | ZM(SA_XATTR);
	int err = zpl_acl_pack_legacy(acl, zp->z_zfsvfs->zv_version, &za);
	if (err != 0)
		return (err);
	const sa_change_t sc = {SA_ZNODE_ACL, &za, sizeof(za)};
	rw_enter(&zp->z_lock, RW_WRITER);
	err = znode_store(zp, mask, tx);
	if (err == 0)
		err = sa_update(&zp->z_sa, &sc, 1, tx);
	if (err == 0 && na->na_symlink != NULL)
		err = store_legacy_symlink(zp, na->na_symlink, tx);
	rw_exit(&zp->z_lock);
	return (err);
}

/* In the canonical order (§1.6). */
static int
store_sa(znode_t *zp, const zpl_newattr_t *na, const zpl_acl_t *acl, dmu_tx_t *tx)
{
	const uint64_t count = acl->a_n;
	uint32_t aceslen;
	void *aces;
	sa_change_t sc[20];
	int n = 0;

	zpl_acl_pack(acl, &aces, &aceslen);
	sc[n++] = (sa_change_t){SA_MODE, &zp->z_mode, 8};
	sc[n++] = (sa_change_t){SA_SIZE, &zp->z_size, 8};
	sc[n++] = (sa_change_t){SA_GEN, &zp->z_gen, 8};
	sc[n++] = (sa_change_t){SA_UID, &zp->z_uid, 8};
	sc[n++] = (sa_change_t){SA_GID, &zp->z_gid, 8};
	sc[n++] = (sa_change_t){SA_PARENT, &zp->z_parent, 8};
	sc[n++] = (sa_change_t){SA_FLAGS, &zp->z_flags, 8};
	for (int i = 0; i < ZT_TIMES; i++)
		sc[n++] = (sa_change_t){SA_ATIME + (zpl_sa_t)i, zp->z_time[i], 16};
	sc[n++] = (sa_change_t){SA_LINKS, &zp->z_links, 8};
	if (na->na_project)
		sc[n++] = (sa_change_t){SA_PROJID, &zp->z_projid, 8};
	if (S_ISCHR(na->na_mode) || S_ISBLK(na->na_mode))
		sc[n++] = (sa_change_t){SA_RDEV, &zp->z_rdev, 8};
	sc[n++] = (sa_change_t){SA_DACL_COUNT, &count, 8};
	sc[n++] = (sa_change_t){SA_DACL_ACES, aces, aceslen};
	if (na->na_symlink != NULL)
		sc[n++] = (sa_change_t){
		    SA_SYMLINK, na->na_symlink, (uint32_t)strlen(na->na_symlink)};
	const int err = sa_create(&zp->z_sa, sc, n, tx);
	kmem_free(aces, aceslen);
	return (err);
}

int
zpl_make(
    zfsvfs_t *zv, znode_t *dzp, const zpl_newattr_t *na, dmu_tx_t *tx, znode_t **zpp)
{
	static const char tag[] = "znode";
	const zpl_opts_t zo = zpl_opts_now(zv);
	zpl_newattr_t a = *na;
	zpl_acl_t acl;
	uint64_t mode = na->na_mode;
	dmu_buf_t *db;

	int err =
	    zpl_acl_create(&acl, dzp, &mode, (na->na_flags & ZPL_F_XATTR) != 0, &zo);
	if (err != 0)
		return (err);
	a.na_mode = (uint32_t)mode;
	a.na_flags |= zpl_acl_flags(&acl, mode, na->na_uid, na->na_gid);
	const uint64_t object = alloc_object(zv, &a, tx);
	/*
	 * Whoever asks for this number from here on waits until the znode is in the
	 * cache; who asked before has seen an object without attributes, that is none.
	 */
	kmutex_t *m = znode_load_lock(zv, object);
	mutex_enter(m);
	znode_t *zp = znode_alloc(zv, object);
	/* the object was made in this transaction: its bonus is in memory */
	VERIFY0(dmu_bonus_hold(zv->zv_os, object, tag, &db));
	VERIFY0(sa_handle_init(&zp->z_sa, zv->zv_sa, db, tag));
	fill_znode(zp, dzp, &a, tx);
	if (sa_is_legacy(&zp->z_sa))
		err = store_legacy(zp, &a, &acl, tx);
	else
		err = store_sa(zp, &a, &acl, tx);
	zpl_acl_fini(&acl);
	if (err == 0 && na->na_tmp)
		err = zpl_unlinked_add(zp, tx);
	if (err == 0) {
		znode_insert(zp);
		*zpp = zp;
	} else {
		VERIFY0(dmu_object_free(zv->zv_os, object, tx));
		znode_free(zp);
	}
	mutex_exit(m);
	return (err);
}

void
zpl_unmake(znode_t *zp, dmu_tx_t *tx)
{
	rw_enter(&zp->z_lock, RW_WRITER);
	zp->z_links = 0;
	zp->z_unlinked = true;
	int err = znode_store(zp, ZM(SA_LINKS), tx);
	rw_exit(&zp->z_lock);
	if (err == 0)
		err = zpl_unlinked_add(zp, tx);
	if (err != 0)
		spl_log(LOG_WARNING,
		    "object %" PRIu64 " is left without a name: error %d", zp->z_id,
		    err);
}
