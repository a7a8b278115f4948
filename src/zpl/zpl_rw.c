/*
 * Reading and writing file data (format/04 §2.6, §6.3, §6.4).
 *
 * A range lock makes each read and write one step for everybody else; the size is read
 * and changed under z_lock inside of it. A long write is a row of transactions of at
 * most ZPL_WRITE_CHUNK, cut at block boundaries, each of which leaves a file that is
 * right: data, size and times of one chunk reach the disk together.
 */
#include "zpl/zpl_impl.h"

#define ZPL_WRITE_CHUNK (1ULL << 20)
#define ZPL_MAX_SIZE INT64_MAX
#define ATIME_DAY 86400

/* ---- reading --------------------------------------------------------- */

static bool
time_le(const uint64_t a[2], const uint64_t b[2])
{
	return ((int64_t)a[0] < (int64_t)b[0] || (a[0] == b[0] && a[1] <= b[1]));
}

/* Note the access; it is written with the next change, or when the file is let go. */
static bool
accessed(znode_t *zp)
{
	const zpl_opts_t zo = zpl_opts_now(zp->z_zfsvfs);
	uint64_t now[2];
	bool changed = false;

	if (!zo.zo_atime || zo.zo_readonly)
		return (false);
	zpl_now(now);
	rw_enter(&zp->z_lock, RW_WRITER);
	uint64_t *at = zp->z_time[ZT_ATIME];
	if (!zo.zo_relatime || time_le(at, zp->z_time[ZT_MTIME]) ||
	    time_le(at, zp->z_time[ZT_CTIME]) || now[0] - at[0] >= ATIME_DAY) {
		memcpy(at, now, sizeof(now));
		zp->z_atime_dirty = changed = true;
	}
	rw_exit(&zp->z_lock);
	return (changed);
}

bool
zpl_accessed(znode_t *zp)
{
	if (zpl_enter(zp->z_zfsvfs, zp) != 0)
		return (false);
	const bool changed = accessed(zp);
	zpl_exit(zp->z_zfsvfs);
	return (changed);
}

static size_t
iov_total(const struct iovec *iov, int iovcnt)
{
	size_t n = 0;
	for (int i = 0; i < iovcnt; i++)
		n += iov[i].iov_len;
	return (n);
}

static uint64_t
current_size(znode_t *zp)
{
	rw_enter(&zp->z_lock, RW_READER);
	const uint64_t size = zp->z_size;
	rw_exit(&zp->z_lock);
	return (size);
}

static int
readable(const znode_t *zp)
{
	return (zp->z_type == S_IFREG ? 0 : z_isdir(zp) ? EISDIR : EINVAL);
}

int
zpl_read(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt, size_t *donep,
    const zpl_cred_t *cr)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	const size_t len = iov_total(iov, iovcnt);
	zpl_range_t r;
	size_t done = 0;
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	err = readable(zp);
	if (err != 0 || len == 0)
		goto out;
	zpl_range_enter(&zp->z_range, &r, off, len, false);
	const uint64_t size = current_size(zp);
	const size_t want = off >= size ? 0 : MIN(len, size - off);
	for (int i = 0; i < iovcnt && done < want && err == 0; i++) {
		const size_t n = MIN(iov[i].iov_len, want - done);
		/* the bonus hold keeps the object at hand */
		err = dmu_read_by_bonus(zp->z_sa.sh_bonus, off + done, n,
		    iov[i].iov_base, DMU_READ_PREFETCH);
		if (err == 0)
			done += n;
	}
	zpl_range_exit(&zp->z_range, &r);
	/* also a read at the end is an access */
	if (err == 0)
		accessed(zp);
out:
	if (err == 0)
		*donep = done;
	zpl_exit(zv);
	return (err);
}

struct zpl_pin {
	znode_t *zn_zp;
	zpl_range_t zn_range;
	dmu_buf_t **zn_dbp;
	int zn_ndb;
};

/* The part [off, end) of the pinned blocks as an iovec; returns entries used, *bytes
 * covered. */
static int
pin_iov(zpl_pin_t *pin, uint64_t off, uint64_t end, struct iovec *iov, int room,
    size_t *bytes)
{
	int n = 0;
	*bytes = 0;
	for (int i = 0; i < pin->zn_ndb && n < room && off < end; i++) {
		dmu_buf_t *db = pin->zn_dbp[i];
		const uint64_t skip = off - db->db_offset;
		const uint64_t len = MIN(db->db_size - skip, end - off);
		iov[n++] = (struct iovec){(char *)db->db_data + skip, len};
		*bytes += len;
		off += len;
	}
	return (n);
}

int
zpl_read_pin(znode_t *zp, uint64_t off, size_t len, struct iovec *iov, int *iovcnt,
    size_t *donep, zpl_pin_t **pinp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	err = readable(zp);
	if (err != 0) {
		zpl_exit(zv);
		return (err);
	}
	zpl_pin_t *pin = kmem_zalloc(sizeof(*pin), KM_SLEEP);
	pin->zn_zp = zp;
	zpl_range_enter(&zp->z_range, &pin->zn_range, off, MAX(len, 1), false);
	const uint64_t size = current_size(zp);
	const size_t want = off >= size ? 0 : MIN(len, size - off);
	if (want > 0)
		err = dmu_buf_hold_array_by_bonus(zp->z_sa.sh_bonus, off, want, true,
		    pin, &pin->zn_ndb, &pin->zn_dbp);
	if (err != 0) {
		zpl_range_exit(&zp->z_range, &pin->zn_range);
		kmem_free(pin, sizeof(*pin));
		zpl_exit(zv);
		return (err);
	}
	*iovcnt = pin_iov(pin, off, off + want, iov, *iovcnt, donep);
	accessed(zp);
	/* the gate stays passed until unpin: buffers are held */
	*pinp = pin;
	return (0);
}

void
zpl_read_unpin(zpl_pin_t *pin)
{
	znode_t *zp = pin->zn_zp;
	zfsvfs_t *zv = zp->z_zfsvfs;

	if (pin->zn_dbp != NULL)
		dmu_buf_rele_array(pin->zn_dbp, pin->zn_ndb, pin);
	zpl_range_exit(&zp->z_range, &pin->zn_range);
	kmem_free(pin, sizeof(*pin));
	zpl_exit(zv);
}

/* ---- writing --------------------------------------------------------- */

/* Where we are in the caller's buffers. */
typedef struct iov_cursor {
	const struct iovec *ic_iov;
	size_t ic_skip;
} iov_cursor_t;

static int
copy_in(znode_t *zp, uint64_t off, size_t len, iov_cursor_t *ic, dmu_tx_t *tx)
{
	while (len > 0) {
		const size_t n = MIN(len, ic->ic_iov->iov_len - ic->ic_skip);
		if (n > 0) {
			const int err = dmu_write_by_bonus(zp->z_sa.sh_bonus, off, n,
			    (const char *)ic->ic_iov->iov_base + ic->ic_skip, tx);
			if (err != 0)
				return (err);
		}
		off += n;
		len -= n;
		ic->ic_skip += n;
		if (ic->ic_skip == ic->ic_iov->iov_len) {
			ic->ic_iov++;
			ic->ic_skip = 0;
		}
	}
	return (0);
}

/* §6.4: whoever may not set them loses them by writing. z_lock. */
static uint32_t
clear_setid(znode_t *zp)
{
	if ((zp->z_mode & 0111) == 0 || (zp->z_mode & (S_ISUID | S_ISGID)) == 0)
		return (0);
	zp->z_mode &= ~(uint64_t)(S_ISUID | S_ISGID);
	return (ZM(SA_MODE));
}

/* One transaction. */
static int
write_chunk(znode_t *zp, uint64_t off, size_t len, iov_cursor_t *ic, bool keep_suid,
    uint64_t *txgp)
{
	objset_t *os = zp->z_zfsvfs->zv_os;
	const uint64_t end = off + len, blksz = zpl_new_blksz(zp, end);

	rw_enter(&zp->z_lock, RW_READER);
	const uint64_t uid = zp->z_uid, gid = zp->z_gid, projid = zp->z_projid;
	rw_exit(&zp->z_lock);
	int err = zpl_quota_check(zp->z_zfsvfs, uid, gid, projid, true, false);
	if (err != 0)
		return (err);
	dmu_tx_t *tx = dmu_tx_create(os);
	zpl_tx_hold_znode(tx, zp, false);
	dmu_tx_hold_write(tx, zp->z_id, off, len);
	err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	*txgp = dmu_tx_get_txg(tx);
	/* refused when the file has blocks already; then it keeps its size */
	if (blksz != 0)
		(void)dmu_object_set_blocksize(os, zp->z_id, blksz, 0, tx);
	err = copy_in(zp, off, len, ic, tx);
	rw_enter(&zp->z_lock, RW_WRITER);
	if (err == 0)
		err = znode_upgrade(zp, tx);
	if (err == 0) {
		uint32_t mask = znode_touch(zp, ZM(SA_MTIME) | ZM(SA_CTIME));
		if (!keep_suid)
			mask |= clear_setid(zp);
		if (end > zp->z_size) {
			zp->z_size = end;
			mask |= ZM(SA_SIZE);
		}
		err = znode_store(zp, mask, tx);
	}
	rw_exit(&zp->z_lock);
	dmu_tx_commit(tx);
	return (err);
}

static int
check_write(znode_t *zp, uint64_t off)
{
	int err = 0;
	rw_enter(&zp->z_lock, RW_READER);
	if (zp->z_flags & (ZPL_F_IMMUTABLE | ZPL_F_READONLY))
		err = EPERM;
	else if ((zp->z_flags & ZPL_F_APPENDONLY) && off < zp->z_size)
		err = EPERM;
	rw_exit(&zp->z_lock);
	return (err);
}

/*
 * Lock what is written: for a file whose (single) block may still grow, everything,
 * since that moves its whole content.
 */
static uint64_t
lock_for_write(znode_t *zp, zpl_range_t *r, uint64_t off, size_t len, bool append)
{
	if (!append) {
		zpl_range_enter(&zp->z_range, r, off, len, true);
		if (zpl_new_blksz(zp, off + len) == 0)
			return (off);
		zpl_range_exit(&zp->z_range, r);
	}
	zpl_range_enter(&zp->z_range, r, 0, UINT64_MAX, true);
	if (append)
		off = current_size(zp);
	if (off <= ZPL_MAX_SIZE && len <= ZPL_MAX_SIZE - off &&
	    zpl_new_blksz(zp, off + len) == 0)
		zpl_range_reduce(&zp->z_range, r, off, len);
	return (off);
}

int
zpl_write_impl(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt,
    uint32_t flags, size_t *donep, uint64_t *offp, const zpl_cred_t *cr)
{
	const size_t len = iov_total(iov, iovcnt);
	const bool keep_suid = cr->privileged || (flags & ZPL_WRITE_KEEP_SUID);
	iov_cursor_t ic = {iov, 0};
	zpl_range_t r;
	size_t done = 0;
	uint64_t txg = 0;

	int err = readable(zp);
	if (err == 0 && !(flags & ZPL_WRITE_APPEND) &&
	    (off > ZPL_MAX_SIZE || len > ZPL_MAX_SIZE - off))
		err = EFBIG;
	if (err != 0)
		return (err);
	if (len == 0) {
		*donep = 0;
		return (0);
	}
	off = lock_for_write(zp, &r, off, len, (flags & ZPL_WRITE_APPEND) != 0);
	if (len > ZPL_MAX_SIZE - off)
		err = EFBIG;
	if (err == 0)
		err = check_write(zp, off);
	while (err == 0 && done < len) {
		/*
		 * to the next multiple of the chunk, so that blocks are written whole
		 */
		const uint64_t pos = off + done;
		const size_t n =
		    MIN(len - done, ZPL_WRITE_CHUNK - P2PHASE(pos, ZPL_WRITE_CHUNK));
		err = write_chunk(zp, pos, n, &ic, keep_suid, &txg);
		if (err == 0)
			done += n;
	}
	zpl_range_exit(&zp->z_range, &r);
	if (done == 0)
		return (err);
	*donep = done;
	if (offp != NULL)
		*offp = off;
	if (flags & ZPL_WRITE_SYNC) {
		if (!zpl_opts_now(zp->z_zfsvfs).zo_sync_disabled)
			zpl_wait_txg(zp->z_zfsvfs, txg);
	} else {
		zpl_maybe_wait(zp->z_zfsvfs, txg);
	}
	return (0);
}

int
zpl_write(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt,
    uint32_t flags, size_t *donep, uint64_t *offp, const zpl_cred_t *cr)
{
	int err = zpl_enter_write(zp->z_zfsvfs, zp);
	if (err == 0) {
		err = zpl_write_impl(zp, off, iov, iovcnt, flags, donep, offp, cr);
		zpl_exit(zp->z_zfsvfs);
	}
	return (err);
}
