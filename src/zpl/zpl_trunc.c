/*
 * The size of files: block size growth, truncation, holes, preallocation, seeking
 * (format/04 §2.6, §6.5).
 */
#include <unistd.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include "zpl/zpl_impl.h"

/* Frees up to this much share the transaction that changes the size. */
#define ZPL_FREE_ONE_TX (32ULL << 20)
#define ZPL_MAX_SIZE INT64_MAX

uint32_t
zpl_blksz(znode_t *zp)
{
	uint32_t blksz;
	uint64_t nblk;
	dmu_object_size_from_db(zp->z_sa.sh_bonus, &blksz, &nblk);
	return (blksz);
}

uint64_t
zpl_new_blksz(znode_t *zp, uint64_t end)
{
	const uint64_t b = zpl_blksz(zp);
	const uint64_t r = dmu_objset_props(zp->z_zfsvfs->zv_os)->op_recordsize;

	rw_enter(&zp->z_lock, RW_READER);
	const uint64_t size = zp->z_size;
	rw_exit(&zp->z_lock);
	if (size > b || end <= b || (ISP2(b) && b >= r))
		return (0);
	uint64_t limit = r;
	if (b > r) /* not a power of two: next one above */
		limit = 1ULL << highbit64(b);
	const uint64_t n = MAX(b, MIN(limit, P2ROUNDUP(end, 512)));
	return (n == b ? 0 : n);
}

/* Change the size in tx. Caller: range lock, holds. */
static int
store_size(znode_t *zp, uint64_t size, dmu_tx_t *tx)
{
	rw_enter(&zp->z_lock, RW_WRITER);
	int err = znode_upgrade(zp, tx);
	zp->z_size = size;
	if (size == 0)
		zp->z_flags &= ~ZPL_F_SPARSE;
	if (err == 0)
		err = znode_store(zp,
		    znode_touch(zp, ZM(SA_MTIME) | ZM(SA_CTIME)) | ZM(SA_SIZE) |
			ZM(SA_FLAGS),
		    tx);
	rw_exit(&zp->z_lock);
	return (err);
}

/* The whole file is range-locked. */
static int
extend(znode_t *zp, uint64_t size, uint64_t *txgp)
{
	objset_t *os = zp->z_zfsvfs->zv_os;
	const uint64_t blksz = zpl_new_blksz(zp, size);

	dmu_tx_t *tx = dmu_tx_create(os);
	zpl_tx_hold_znode(tx, zp, false);
	if (blksz != 0)
		dmu_tx_hold_write(tx, zp->z_id, 0, MIN(size, blksz));
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	*txgp = dmu_tx_get_txg(tx);
	if (blksz != 0)
		err = dmu_object_set_blocksize(os, zp->z_id, blksz, 0, tx);
	/* a block size that cannot be had is no reason not to extend */
	err = store_size(zp, size, tx);
	dmu_tx_commit(tx);
	return (err);
}

/*
 * Data go first: if it takes several transactions and they are cut off, zeros stand
 * where data will be cut away. The other order would leave data behind the end, to
 * appear when the file grows.
 */
static int
shrink(znode_t *zp, uint64_t size, uint64_t *txgp)
{
	objset_t *os = zp->z_zfsvfs->zv_os;
	int err = 0;

	const bool large = zp->z_size - size > ZPL_FREE_ONE_TX;
	if (large)
		err = dmu_free_long_range(os, zp->z_id, size, DMU_OBJECT_END);
	if (err != 0)
		return (err);
	dmu_tx_t *tx = dmu_tx_create(os);
	zpl_tx_hold_znode(tx, zp, false);
	if (!large)
		dmu_tx_hold_free(tx, zp->z_id, size, DMU_OBJECT_END);
	dmu_tx_mark_netfree(tx);
	err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	*txgp = dmu_tx_get_txg(tx);
	if (!large)
		err = dmu_free_range(os, zp->z_id, size, DMU_OBJECT_END, tx);
	if (err == 0)
		err = store_size(zp, size, tx);
	dmu_tx_commit(tx);
	return (err);
}

int
zpl_set_size(znode_t *zp, uint64_t size)
{
	zpl_range_t r;
	uint64_t txg = 0;
	int err = 0;

	if (z_isdir(zp))
		return (EISDIR);
	if (zp->z_type != S_IFREG)
		return (EINVAL);
	if (size > ZPL_MAX_SIZE)
		return (EFBIG);
	zpl_range_enter(&zp->z_range, &r, 0, UINT64_MAX, true);
	if (size > zp->z_size)
		err = extend(zp, size, &txg);
	else if (size < zp->z_size)
		err = shrink(zp, size, &txg);
	zpl_range_exit(&zp->z_range, &r);
	if (err == 0 && txg != 0)
		zpl_maybe_wait(zp->z_zfsvfs, txg);
	return (err);
}

static int
check_change(znode_t *zp, bool writes_below_end)
{
	int err = 0;
	rw_enter(&zp->z_lock, RW_READER);
	if (zp->z_flags & (ZPL_F_IMMUTABLE | ZPL_F_READONLY))
		err = EPERM;
	else if (writes_below_end && (zp->z_flags & ZPL_F_APPENDONLY))
		err = EPERM;
	rw_exit(&zp->z_lock);
	return (err);
}

int
zpl_truncate(znode_t *zp, uint64_t size, const zpl_cred_t *cr)
{
	const zpl_attr_t za = {.za_mask = ZPL_AT_SIZE, .za_size = size};
	return (zpl_setattr(zp, &za, cr, NULL));
}

/* ---- holes ----------------------------------------------------------- */

static int
free_space(znode_t *zp, uint64_t off, uint64_t len, uint64_t *txgp)
{
	objset_t *os = zp->z_zfsvfs->zv_os;
	zpl_range_t r;
	int err = 0;

	zpl_range_enter(&zp->z_range, &r, off, len, true);
	const bool large = len > ZPL_FREE_ONE_TX;
	if (large)
		err = dmu_free_long_range(os, zp->z_id, off, len);
	dmu_tx_t *tx = dmu_tx_create(os);
	zpl_tx_hold_znode(tx, zp, false);
	if (!large)
		dmu_tx_hold_free(tx, zp->z_id, off, len);
	if (err == 0)
		err = zpl_tx_assign(tx);
	else
		dmu_tx_abort(tx);
	if (err == 0) {
		*txgp = dmu_tx_get_txg(tx);
		if (!large)
			err = dmu_free_range(os, zp->z_id, off, len, tx);
		rw_enter(&zp->z_lock, RW_WRITER);
		if (err == 0)
			err = znode_upgrade(zp, tx);
		if (err == 0)
			err = znode_store(
			    zp, znode_touch(zp, ZM(SA_MTIME) | ZM(SA_CTIME)), tx);
		rw_exit(&zp->z_lock);
		dmu_tx_commit(tx);
	}
	zpl_range_exit(&zp->z_range, &r);
	return (err);
}

/* Nothing can be reserved: say whether it would fit, 110 % of it (§6.5). */
static int
check_room(zfsvfs_t *zv, uint64_t len)
{
	uint64_t refd, avail, used, objs;
	if (zv->zv_ops.zdo_space == NULL)
		return (0);
	zv->zv_ops.zdo_space(zv->zv_ops_arg, &refd, &avail, &used, &objs);
	return (len + len / 10 > avail ? ENOSPC : 0);
}

int
zpl_fallocate(znode_t *zp, int mode, uint64_t off, uint64_t len, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	const bool punch = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
	const bool keep = (mode & FALLOC_FL_KEEP_SIZE) != 0;
	uint64_t txg = 0;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return (EOPNOTSUPP);
	if ((mode & FALLOC_FL_PUNCH_HOLE) && (!keep || (mode & FALLOC_FL_ZERO_RANGE)))
		return (EOPNOTSUPP);
	if (len == 0)
		return (EINVAL);
	if (off > ZPL_MAX_SIZE || len > ZPL_MAX_SIZE - off)
		return (EFBIG);
	int err = zpl_enter_write(zv, zp);
	if (err != 0)
		return (err);
	if (zp->z_type != S_IFREG)
		err = z_isdir(zp) ? EISDIR : ENODEV;
	if (err == 0)
		err = check_change(zp, punch);
	if (err == 0 && !punch)
		err = check_room(zv, len);
	rw_enter(&zp->z_lock, RW_READER);
	const uint64_t size = zp->z_size;
	rw_exit(&zp->z_lock);
	if (err == 0 && punch && off < size)
		err = free_space(zp, off, MIN(len, size - off), &txg);
	if (err == 0 && !keep && off + len > size)
		err = zpl_set_size(zp, off + len);
	if (err == 0 && txg != 0)
		zpl_maybe_wait(zv, txg);
	zpl_exit(zv);
	return (err);
}

int
zpl_lseek(znode_t *zp, uint64_t off, int whence, uint64_t *resultp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	zpl_range_t r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return (EINVAL);
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	zpl_range_enter(&zp->z_range, &r, 0, UINT64_MAX, false);
	const uint64_t size = zp->z_size;
	uint64_t pos = off;
	if (zp->z_type != S_IFREG)
		err = z_isdir(zp) ? EISDIR : EINVAL;
	else if (off >= size)
		err = ENXIO;
	else
		err = dmu_offset_next(zv->zv_os, zp->z_id, whence == SEEK_HOLE, &pos);
	if (err == ESRCH) {
		/* the end of the file is a hole, and no data */
		err = whence == SEEK_HOLE ? 0 : ENXIO;
		pos = size;
	}
	if (err == 0 && pos >= size) {
		if (whence == SEEK_DATA)
			err = ENXIO;
		pos = size;
	}
	zpl_range_exit(&zp->z_range, &r);
	if (err == 0)
		*resultp = MAX(pos, off);
	zpl_exit(zv);
	return (err);
}
