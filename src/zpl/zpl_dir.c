/*
 * Directories: names, their locks, entries, and what an entry does to the two objects
 * it connects (format/04 §3, §2.3, §2.4).
 */
#include "zpl/zpl_impl.h"
#include "codec/crc64.h"
#include "codec/unicode.h"

/* ---- names ----------------------------------------------------------- */

int
zpl_name_check(zfsvfs_t *zv, const char *name, bool create)
{
	const size_t len = strnlen(name, ZAP_MAXNAMELEN_NEW);

	if (len >= ZAP_MAXNAMELEN_NEW)
		return (ENAMETOOLONG);
	if (len == 0)
		return (ENOENT);
	/* names made while the property was on stay usable */
	if (create && len >= ZAP_MAXNAMELEN && !zpl_opts_now(zv).zo_longname)
		return (ENAMETOOLONG);
	if (zv->zv_utf8only && u8_validate(name, len) != 0)
		return (EILSEQ);
	return (0);
}

/* Over the name as it is compared, so that all spellings of one name take one lock. */
uint64_t
zpl_name_hash(zfsvfs_t *zv, const char *name)
{
	char buf[ZAP_MAXNAMELEN_NEW];
	size_t len = strlen(name), room = sizeof(buf);

	if (zv->zv_norm != 0 &&
	    u8_textprep(name, len, (int)zv->zv_norm, buf, &room) == 0)
		return (crc64(1, buf, room));
	return (crc64(1, name, len));
}

static bool
name_conflict(znode_t *dzp, const zpl_namelock_t *nl)
{
	for (zpl_namelock_t *o = list_head(&dzp->z_names); o != nl;
	     o = list_next(&dzp->z_names, o))
		if (o->nl_hash == nl->nl_hash && (o->nl_excl || nl->nl_excl))
			return (true);
	return (false);
}

void
zpl_name_lock(zpl_namelock_t *nl, znode_t *dzp, uint64_t hash, bool excl)
{
	*nl = (zpl_namelock_t){.nl_dir = dzp, .nl_hash = hash, .nl_excl = excl};
	mutex_enter(&dzp->z_names_lock);
	list_insert_tail(&dzp->z_names, nl);
	while (name_conflict(dzp, nl))
		cv_wait(&dzp->z_names_cv, &dzp->z_names_lock);
	mutex_exit(&dzp->z_names_lock);
}

void
zpl_name_unlock(zpl_namelock_t *nl)
{
	znode_t *dzp = nl->nl_dir;
	mutex_enter(&dzp->z_names_lock);
	list_remove(&dzp->z_names, nl);
	if (!list_is_empty(&dzp->z_names))
		cv_broadcast(&dzp->z_names_cv);
	mutex_exit(&dzp->z_names_lock);
}

/* ---- entries --------------------------------------------------------- */

/* The table of §3.3. */
static uint32_t
match_type(const zfsvfs_t *zv, int flags)
{
	if (zv->zv_norm == 0)
		return (0);
	if (zv->zv_case == ZPL_CASE_MIXED ||
	    (zv->zv_case == ZPL_CASE_INSENSITIVE && (flags & ZD_EXACT)))
		return (MT_NORMALIZE | MT_MATCH_CASE);
	return (MT_NORMALIZE);
}

int
zpl_dirent_get(znode_t *dzp, const char *name, int flags, uint64_t *valuep,
    char *realname, size_t rn_len)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	const uint32_t mt = match_type(zv, flags);
	uint64_t v;
	int err;

	if (mt == 0) {
		err = zap_lookup(zv->zv_os, dzp->z_id, name, 8, 1, &v);
		if ((err == 0 || err == EOVERFLOW) && realname != NULL) {
			if (strlen(name) >= rn_len)
				return (ERANGE);
			strcpy(realname, name);
		}
	} else {
		err = zap_lookup_norm(
		    zv->zv_os, dzp->z_id, name, 8, 1, &v, mt, realname, rn_len, NULL);
	}
	/* others may keep more than one integer there: the first counts */
	if (err == 0 || err == EOVERFLOW) {
		*valuep = v;
		err = 0;
	}
	/* a name that cannot be prepared is not there, and cannot be (§3.4) */
	return (err);
}

int
zpl_dirent_lookup(znode_t *dzp, const char *name, int flags, znode_t **zpp,
    char *realname, size_t rn_len)
{
	uint64_t v;
	znode_t *zp;
	int err = zpl_dirent_get(dzp, name, flags, &v, realname, rn_len);
	if (err != 0)
		return (err);
	err = znode_get(dzp->z_zfsvfs, ZFS_DIRENT_OBJ(v), &zp);
	/* an entry without an object behind it is damage, not absence */
	if (err == ENOENT)
		return (EIO);
	if (err == 0)
		*zpp = zp;
	return (err);
}

void
zpl_tx_hold_dir(dmu_tx_t *tx, znode_t *dzp, bool add, const char *name)
{
	zpl_tx_hold_znode(tx, dzp, false);
	dmu_tx_hold_zap(tx, dzp->z_id, add, name);
}

static uint64_t
dirent_value(const znode_t *zp)
{
	const unsigned type =
	    zp->z_zfsvfs->zv_version >= 2 ? (unsigned)(zp->z_mode & S_IFMT) >> 12 : 0;
	return (ZFS_DIRENT_MAKE(type, zp->z_id));
}

/* Size, links, times of a directory after an entry came (+1) or went (-1). z_lock. */
static int
dir_changed(znode_t *dzp, int entries, int subdirs, dmu_tx_t *tx)
{
	int err = znode_upgrade(dzp, tx);
	if (err != 0)
		return (err);
	dzp->z_size += (uint64_t)entries;
	dzp->z_links += (uint64_t)subdirs;
	return (znode_store(dzp,
	    znode_touch(dzp, ZM(SA_MTIME) | ZM(SA_CTIME)) | ZM(SA_SIZE) | ZM(SA_LINKS),
	    tx));
}

/*
 * Before the entry is made: the directory lives and will not be removed meanwhile, and
 * the object has a link in memory for it, so that a concurrent unlink of its last name
 * does not take it for nameless.
 */
static int
link_begin(znode_t *dzp, znode_t *zp, int flags, bool *was_unlinked)
{
	int err = 0;

	znode_lock2(dzp, zp);
	*was_unlinked = zp->z_unlinked;
	if (dzp->z_unlinked)
		err = ENOENT;
	else if (z_isdir(zp) && dzp->z_links >= ZPL_LINK_MAX)
		err = EMLINK;
	else if (!(flags & (ZD_NEW | ZD_RENAMING)) && zp->z_unlinked && !zp->z_linkable)
		err = ENOENT;
	else if (!(flags & (ZD_NEW | ZD_RENAMING)) && zp->z_links >= ZPL_LINK_MAX)
		err = EMLINK;
	if (err == 0) {
		dzp->z_adding++;
		if (!(flags & (ZD_NEW | ZD_RENAMING))) {
			zp->z_links++;
			zp->z_unlinked = false;
		}
	}
	znode_unlock2(dzp, zp);
	return (err);
}

static void
link_undo(znode_t *dzp, znode_t *zp, int flags, bool was_unlinked, dmu_tx_t *tx)
{
	znode_lock2(dzp, zp);
	dzp->z_adding--;
	if (!(flags & (ZD_NEW | ZD_RENAMING))) {
		zp->z_links--;
		zp->z_unlinked = was_unlinked;
		/* somebody else may have written the link that is not there */
		(void)znode_store(zp, ZM(SA_LINKS), tx);
	}
	znode_unlock2(dzp, zp);
}

int
zpl_link_create(znode_t *dzp, const char *name, znode_t *zp, int flags, dmu_tx_t *tx)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	const uint64_t v = dirent_value(zp);
	bool was_unlinked;
	int err = link_begin(dzp, zp, flags, &was_unlinked);
	if (err != 0)
		return (err);
	err = zap_add(zv->zv_os, dzp->z_id, name, 8, 1, &v, tx);
	if (err != 0) {
		link_undo(dzp, zp, flags, was_unlinked, tx);
		return (err);
	}
	if (strlen(name) >= ZAP_MAXNAMELEN && zv->zv_ops.zdo_activate_feature != NULL)
		zv->zv_ops.zdo_activate_feature(
		    zv->zv_ops_arg, SPA_FEATURE_LONGNAME, tx);

	znode_lock2(dzp, zp);
	if (!(flags & ZD_NEW)) {
		err = znode_upgrade(zp, tx);
		zp->z_parent = dzp->z_id;
		uint32_t mask =
		    znode_touch(zp, ZM(SA_CTIME)) | ZM(SA_LINKS) | ZM(SA_PARENT);
		if ((flags & ZD_RENAMING) && zv->zv_version >= ZPL_VERSION_FUID) {
			zp->z_flags |= ZPL_F_AV_MODIFIED;
			mask |= ZM(SA_FLAGS);
		}
		if (err == 0)
			err = znode_store(zp, mask, tx);
	}
	if (err == 0)
		err = dir_changed(dzp, 1, z_isdir(zp) ? 1 : 0, tx);
	dzp->z_adding--;
	znode_unlock2(dzp, zp);
	if (err == 0 && was_unlinked && !(flags & (ZD_NEW | ZD_RENAMING)))
		err = zpl_unlinked_remove(zp, tx);
	return (err);
}

/* A directory that is to go: nothing in it, nothing on its way in. z_lock of zp. */
static int
check_empty(znode_t *zp)
{
	uint64_t n;
	const int err = zap_count(zp->z_zfsvfs->zv_os, zp->z_id, &n);
	if (err != 0)
		return (err);
	return (n != 0 || zp->z_adding != 0 ? ENOTEMPTY : 0);
}

int
zpl_link_destroy(znode_t *dzp, const char *name, znode_t *zp, int flags, dmu_tx_t *tx)
{
	zfsvfs_t *zv = dzp->z_zfsvfs;
	const bool renaming = (flags & ZD_RENAMING) != 0;
	const int subdir = z_isdir(zp) ? -1 : 0;
	bool last = false;
	int err = 0;

	if (!renaming) {
		rw_enter(&zp->z_lock, RW_WRITER);
		if (z_isdir(zp)) {
			err = check_empty(zp);
			last = true;
		} else {
			last = zp->z_links <= 1;
		}
		if (err == 0 && last)
			zp->z_unlinked = true; /* from here on nothing is added */
		rw_exit(&zp->z_lock);
		if (err != 0)
			return (err);
	}
	err = zap_remove_norm(zv->zv_os, dzp->z_id, name, match_type(zv, flags), tx);
	if (err != 0) {
		rw_enter(&zp->z_lock, RW_WRITER);
		if (last)
			zp->z_unlinked = false;
		rw_exit(&zp->z_lock);
		return (err);
	}
	znode_lock2(dzp, zp);
	if (!renaming) {
		err = znode_upgrade(zp, tx);
		zp->z_links = last ? 0 : zp->z_links - 1;
		if (err == 0)
			err = znode_store(
			    zp, znode_touch(zp, ZM(SA_CTIME)) | ZM(SA_LINKS), tx);
	}
	if (err == 0)
		err = dir_changed(dzp, -1, subdir, tx);
	znode_unlock2(dzp, zp);
	if (err == 0 && last)
		err = zpl_unlinked_add(zp, tx);
	return (err);
}
