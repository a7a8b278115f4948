/*
 * dmu: the data management unit. This file: buffers and data by byte ranges; what the
 * upper layers call most.
 *
 * The problem. Many threads change many objects while what they changed a moment ago is
 * being written out, and what reaches the disk must be the state at one point in time.
 * A crash must lose whole transactions or nothing.
 *
 * The idea. Every change belongs to a transaction, every transaction to a txg. A block
 * that is changed keeps a version for each txg in flight. A txg's versions are
 * written to new places, bottom up, ending in one new root pointer; the old tree stays
 * untouched. The rooms of the room:
 *
 *   dmu_tx.c       what a transaction will touch; reservation; joining a txg
 *   dbuf.c         blocks in memory: finding, caching, reading
 *   dbuf_dirty.c   blocks in memory: versions
 *   dnode.c        objects in memory; dnode_next.c searching their trees
 *   dmu_object.c   numbers, headers, information;  dmu_bonus.c bonus and spill
 *   dmu_sync.c     the graph of writes; dnode_sync.c what one dnode contributes
 *   dmu_objset.c   object sets;  dmu_userspace.c who owns how much
 *   dmu_policy.c   how a block is written
 *   dmu_zfetch.c   reading ahead;  dmu_traverse.c walking stored trees
 *
 * Invariants.
 *  - The newest version of a block is db_data; a record's data never changes while it
 * is being written.
 *  - Pointers (indirect blocks, dnode blocks, dn_phys) change in the sync thread's txg
 * only, and the dbuf of a block whose pointer may change soon is in memory.
 *  - dn_used is the sum of dsize over the tree; births minus deaths told to the dsl are
 *    exactly the blocks reachable from the root.
 *  - An object number freed in a txg is not given out again before that txg is on disk.
 *
 * Locks, first to last: oc_lock > os_obj_lock; dn_struct_rwlock > db_mtx > dn_mtx >
 * os_lock; dnb_lock > db_mtx of a dnode block; dn_dbufs_mtx > hash bucket > LRU list.
 * None is held while waiting for I/O.
 *
 * What can fail: reading (EIO, ECKSUM), entering a txg. What is dirtied after
 * dmu_tx_assign cannot fail; a write that fails on all devices suspends the pool below
 * us.
 */
#include "dmu/dmu_impl.h"

#define DMU_READ_BATCH 32 /* blocks read in parallel by one call */

void
dmu_init(uint64_t dbuf_cache_bytes)
{
	dbuf_init(dbuf_cache_bytes);
}

void
dmu_fini(void)
{
	dbuf_fini();
}

/* ---- one buffer ---------------------------------------------------------- */

/* Block of a byte offset. Objects of odd block size have only block 0. */
static uint64_t
dnode_blkid(const dnode_t *dn, uint64_t offset)
{
	/* Also while somebody changes the size of block 0 (a growing microzap). */
	if (offset == 0)
		return (0);
	if (dn->dn_datablkshift != 0)
		return (offset >> dn->dn_datablkshift);
	return (offset / dn->dn_datablksz);
}

int
dmu_buf_hold(objset_t *os, uint64_t object, uint64_t offset, const void *tag,
    dmu_buf_t **dbp, int flags)
{
	dnode_t *dn;
	int error;

	(void)tag;
	if ((error = dnode_hold(os, object, &dn)) != 0)
		return (error);
	const uint64_t blkid = dnode_blkid(dn, offset);
	dbuf_t *db = dbuf_hold(dn, 0, blkid);
	if (flags != DMU_READ_NO_PREFETCH)
		zfetch_read(dn, blkid, 1);
	dnode_rele(dn);
	if ((error = dbuf_read(db, 0)) != 0) {
		dbuf_rele(db);
		return (error);
	}
	*dbp = &db->db;
	return (0);
}

void
dmu_buf_add_ref(dmu_buf_t *db, const void *tag)
{
	(void)tag;
	dbuf_add_ref(dbuf_of(db));
}

void
dmu_buf_rele(dmu_buf_t *db, const void *tag)
{
	(void)tag;
	dbuf_rele(dbuf_of(db));
}

void
dmu_buf_will_dirty(dmu_buf_t *db, dmu_tx_t *tx)
{
	dbuf_will_dirty(dbuf_of(db), tx);
}

void
dmu_buf_will_fill(dmu_buf_t *db, dmu_tx_t *tx)
{
	dbuf_will_fill(dbuf_of(db), tx);
}

void
dmu_buf_fill_done(dmu_buf_t *db, dmu_tx_t *tx)
{
	dbuf_fill_done(dbuf_of(db), tx);
}

objset_t *
dmu_buf_get_objset(dmu_buf_t *db)
{
	return (dbuf_of(db)->db_dn->dn_os);
}

/* ---- users --------------------------------------------------------------- */

dmu_buf_user_t *
dmu_buf_set_user(dmu_buf_t *dbp, dmu_buf_user_t *user)
{
	dbuf_t *db = dbuf_of(dbp);

	mutex_enter(&db->db_mtx);
	dmu_buf_user_t *old = db->db_user;
	if (old == NULL)
		db->db_user = user;
	mutex_exit(&db->db_mtx);
	return (old);
}

dmu_buf_user_t *
dmu_buf_get_user(dmu_buf_t *dbp)
{
	dbuf_t *db = dbuf_of(dbp);

	mutex_enter(&db->db_mtx);
	dmu_buf_user_t *user = db->db_user;
	mutex_exit(&db->db_mtx);
	return (user);
}

dmu_buf_user_t *
dmu_buf_remove_user(dmu_buf_t *dbp, dmu_buf_user_t *user)
{
	dbuf_t *db = dbuf_of(dbp);

	mutex_enter(&db->db_mtx);
	dmu_buf_user_t *old = db->db_user;
	if (old == user)
		db->db_user = NULL;
	mutex_exit(&db->db_mtx);
	return (old);
}

/* ---- arrays of buffers --------------------------------------------------- */

/* Start all reads, then wait for each; the first error counts. */
static int
dbufs_read(dbuf_t **dbs, int n)
{
	int error = 0;

	for (int i = 0; n > 1 && i < n; i++)
		(void)dbuf_read(dbs[i], DBR_START);
	for (int i = 0; i < n; i++) {
		const int e = dbuf_read(dbs[i], 0);
		if (error == 0)
			error = e;
	}
	return (error);
}

static int
dnode_hold_array(dnode_t *dn, uint64_t offset, uint64_t length, bool read,
    int *numbufsp, dmu_buf_t ***dbpp)
{
	if (length == 0 || length > UINT64_MAX - offset)
		return (EINVAL);
	if (dn->dn_datablkshift == 0 && offset + length > dn->dn_datablksz)
		return (EIO);
	const uint64_t first = dnode_blkid(dn, offset);
	const uint64_t last = dnode_blkid(dn, offset + length - 1);
	if (last - first >= INT32_MAX / sizeof(dbuf_t *))
		return (E2BIG);
	const int n = (int)(last - first + 1);
	dbuf_t **dbs = kmem_alloc((size_t)n * sizeof(dbuf_t *), KM_SLEEP);
	for (int i = 0; i < n; i++)
		dbs[i] = dbuf_hold(dn, 0, first + (uint64_t)i);
	if (read)
		zfetch_read(dn, first, (uint64_t)n);
	const int error = read ? dbufs_read(dbs, n) : 0;
	if (error != 0) {
		for (int i = 0; i < n; i++)
			dbuf_rele(dbs[i]);
		kmem_free(dbs, (size_t)n * sizeof(dbuf_t *));
		return (error);
	}
	CTASSERT(offsetof(dbuf_t, db) == 0);
	*numbufsp = n;
	*dbpp = (dmu_buf_t **)(void *)dbs;
	return (0);
}

int
dmu_buf_hold_array(objset_t *os, uint64_t object, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp)
{
	dnode_t *dn;

	(void)tag;
	int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	error = dnode_hold_array(dn, offset, length, read, numbufsp, dbpp);
	dnode_rele(dn);
	return (error);
}

int
dmu_buf_hold_array_by_bonus(dmu_buf_t *bonus, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp)
{
	(void)tag;
	return (dnode_hold_array(
	    dbuf_of(bonus)->db_dn, offset, length, read, numbufsp, dbpp));
}

void
dmu_buf_rele_array(dmu_buf_t **dbp, int numbufs, const void *tag)
{
	(void)tag;
	if (numbufs == 0)
		return;
	for (int i = 0; i < numbufs; i++)
		dbuf_rele(dbuf_of(dbp[i]));
	kmem_free(dbp, (size_t)numbufs * sizeof(dmu_buf_t *));
}

/* ---- reading ------------------------------------------------------------- */

/* Without a dbuf: is the block certainly zeros? Saves memory for holes. */
static bool
block_is_hole(dnode_t *dn, uint64_t blkid, int *errorp)
{
	blkptr_t bp;

	if (blkid > dn_maxblkid_get(dn) || dnode_block_freed(dn, blkid))
		return (true);
	*errorp = dnode_bp_lookup(dn, 0, blkid, &bp, 0);
	return (*errorp == 0 && BP_IS_HOLE(&bp));
}

/*
 * Read up to one batch of blocks; *donep bytes were copied to buf. Blocks that are
 * there are read in parallel; data is copied under db_mtx, so that it is of one moment.
 */
static int
dnode_read_batch(
    dnode_t *dn, uint64_t offset, uint64_t size, uint8_t *buf, uint64_t *donep)
{
	const uint64_t blksz = dn->dn_datablksz, first = dnode_blkid(dn, offset);
	const uint64_t skip = offset - first * blksz;
	uint64_t done = 0;
	dbuf_t *dbs[DMU_READ_BATCH];
	int n = 0, error = 0;

	for (; n < DMU_READ_BATCH && n * blksz < skip + size && error == 0; n++) {
		dbs[n] = dbuf_find(dn, 0, first + (uint64_t)n);
		if (dbs[n] == NULL && !block_is_hole(dn, first + (uint64_t)n, &error))
			dbs[n] = dbuf_hold(dn, 0, first + (uint64_t)n);
		if (dbs[n] != NULL && error == 0)
			(void)dbuf_read(dbs[n], DBR_START);
	}
	for (int i = 0; i < n; i++) {
		const uint64_t off = i == 0 ? skip : 0,
			       len = MIN(blksz - off, size - done);
		if (dbs[i] == NULL) {
			memset(buf + done, 0, len);
			done += len;
			continue;
		}
		if (error == 0)
			error = dbuf_read(dbs[i], 0);
		if (error == 0) {
			mutex_enter(&dbs[i]->db_mtx);
			/* A free may have taken the data just now: zeros. */
			if (dbs[i]->db.db_data != NULL)
				memcpy(buf + done, (uint8_t *)dbs[i]->db.db_data + off,
				    len);
			else
				memset(buf + done, 0, len);
			mutex_exit(&dbs[i]->db_mtx);
			done += len;
		}
		dbuf_rele(dbs[i]);
	}
	*donep = done;
	return (error);
}

static int
dnode_read(dnode_t *dn, uint64_t offset, uint64_t size, void *buf, int flags)
{
	uint8_t *p = buf;

	if (size == 0)
		return (0);
	if (dn->dn_datablkshift == 0) {
		/* One block of odd size; behind it there is nothing. */
		const uint64_t in = offset < dn->dn_datablksz
					? MIN(size, dn->dn_datablksz - offset)
					: 0;
		memset(p + in, 0, size - in);
		size = in;
	}
	if (flags != DMU_READ_NO_PREFETCH && size > 0) {
		const uint64_t first = dnode_blkid(dn, offset);
		zfetch_read(dn, first, dnode_blkid(dn, offset + size - 1) - first + 1);
	}
	while (size > 0) {
		uint64_t done;
		const int error = dnode_read_batch(dn, offset, size, p, &done);
		if (error != 0)
			return (error);
		offset += done;
		p += done;
		size -= done;
	}
	return (0);
}

int
dmu_read(
    objset_t *os, uint64_t object, uint64_t offset, uint64_t size, void *buf, int flags)
{
	dnode_t *dn;

	int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	error = dnode_read(dn, offset, size, buf, flags);
	dnode_rele(dn);
	return (error);
}

int
dmu_read_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, void *buf, int flags)
{
	return (dnode_read(dbuf_of(bonus)->db_dn, offset, size, buf, flags));
}

/* ---- writing ------------------------------------------------------------- */

static int
dnode_write(dnode_t *dn, uint64_t offset, uint64_t size, const void *buf, dmu_tx_t *tx)
{
	const uint8_t *p = buf;

	if (size == 0)
		return (0);
	if (dn->dn_datablkshift == 0 && offset + size > dn->dn_datablksz)
		return (EIO);
	while (size > 0) {
		const uint64_t blksz = dn->dn_datablksz,
			       blkid = dnode_blkid(dn, offset);
		const uint64_t off = offset - blkid * blksz,
			       len = MIN(blksz - off, size);
		dbuf_t *db = dbuf_hold(dn, 0, blkid);

		if (len == blksz) {
			dbuf_will_fill(db, tx);
			memcpy(db->db.db_data, p, len);
			dbuf_fill_done(db, tx);
		} else {
			const int error = dbuf_read(db, 0);
			if (error != 0) {
				dbuf_rele(db);
				return (error);
			}
			dbuf_write_part(db, off, len, p, tx);
		}
		dbuf_rele(db);
		offset += len;
		p += len;
		size -= len;
	}
	return (0);
}

int
dmu_write(objset_t *os, uint64_t object, uint64_t offset, uint64_t size,
    const void *buf, dmu_tx_t *tx)
{
	dnode_t *dn;

	int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	error = dnode_write(dn, offset, size, buf, tx);
	dnode_rele(dn);
	return (error);
}

int
dmu_write_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, const void *buf, dmu_tx_t *tx)
{
	return (dnode_write(dbuf_of(bonus)->db_dn, offset, size, buf, tx));
}

/* ---- freeing ------------------------------------------------------------- */

int
dmu_free_range(
    objset_t *os, uint64_t object, uint64_t offset, uint64_t size, dmu_tx_t *tx)
{
	dnode_t *dn;

	const int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	if (size > DMU_OBJECT_END - offset)
		size = DMU_OBJECT_END - offset;
	dnode_free_range(dn, offset, size, tx);
	dnode_rele(dn);
	return (0);
}

/*
 * The part of [offset, end) to free in one transaction, from the end of the object: as
 * many L1 blocks as can be read and changed in one txg without stalling others; more if
 * there is nothing in them.
 */
static uint64_t
free_chunk_start(dnode_t *dn, uint64_t offset, uint64_t end)
{
	const uint64_t blksz = dn->dn_datablksz;
	uint64_t bytes = (256ULL << MAX(dn_epbs(dn), 0)) * blksz;

	while (end - offset > bytes) {
		const uint64_t start = (end - bytes) / blksz;
		uint64_t data = start;
		if (dnode_next_block(dn, 0, &data, 0, 0) == 0 &&
		    data < start + bytes / blksz / 2)
			return (MAX(offset, start * blksz));
		if (bytes > UINT64_MAX / 4)
			break;
		bytes *= 2;
	}
	return (offset);
}

int
dmu_free_long_range(objset_t *os, uint64_t object, uint64_t offset, uint64_t size)
{
	dnode_t *dn;
	int error = dnode_hold(os, object, &dn);

	if (error != 0)
		return (error);
	const uint64_t objend = (dn_maxblkid_get(dn) + 1) * dn->dn_datablksz;
	bool to_end = size >= DMU_OBJECT_END - offset || offset + size >= objend;
	uint64_t end = to_end ? objend : offset + size;
	while (offset < end) {
		const uint64_t start = free_chunk_start(dn, offset, end);
		const uint64_t len = to_end ? DMU_OBJECT_END - start : end - start;
		dmu_tx_t *tx = dmu_tx_create(os);
		dmu_tx_hold_free(tx, object, start, len);
		dmu_tx_mark_netfree(tx);
		if ((error = dmu_tx_assign(tx, DMU_TX_WAIT)) != 0) {
			dmu_tx_abort(tx);
			break;
		}
		dnode_free_range(dn, start, len, tx);
		dmu_tx_commit(tx);
		end = start;
	}
	dnode_rele(dn);
	return (error);
}

int
dmu_free_long_object(objset_t *os, uint64_t object)
{
	int error = dmu_free_long_range(os, object, 0, DMU_OBJECT_END);

	if (error != 0)
		return (error);
	dmu_tx_t *tx = dmu_tx_create(os);
	dmu_tx_hold_bonus(tx, object);
	dmu_tx_hold_free(tx, object, 0, DMU_OBJECT_END);
	dmu_tx_mark_netfree(tx);
	if ((error = dmu_tx_assign(tx, DMU_TX_WAIT)) != 0) {
		dmu_tx_abort(tx);
		return (error);
	}
	error = dmu_object_free(os, object, tx);
	dmu_tx_commit(tx);
	return (error);
}

/* ---- data and holes ------------------------------------------------------ */

/* Is the block data as of now? -1: look at the synced tree. */
static int
block_dirty_state(dnode_t *dn, uint64_t blkid)
{
	dbuf_t *db = dbuf_find(dn, 0, blkid);
	int state = -1;

	if (db != NULL) {
		mutex_enter(&db->db_mtx);
		if (db->db_dirty != NULL && db->db_state != DB_UNCACHED)
			state = 1;
		mutex_exit(&db->db_mtx);
		dbuf_rele(db);
	}
	if (state < 0 && dnode_block_freed(dn, blkid))
		state = 0;
	return (state);
}

/* The first block at or after *blkid that is dirty in memory; UINT64_MAX: none. */
static uint64_t
next_dirty_block(dnode_t *dn, uint64_t blkid)
{
	dbuf_t *db = dbuf_next_held(dn, blkid), *next;

	for (; db != NULL && db->db_blkid < DMU_SPILL_BLKID; db = next) {
		const uint64_t id = db->db_blkid;
		mutex_enter(&db->db_mtx);
		const bool dirty = db->db_dirty != NULL && db->db_state != DB_UNCACHED;
		mutex_exit(&db->db_mtx);
		if (dirty) {
			dbuf_rele(db);
			return (id);
		}
		next = dbuf_next_held(dn, id + 1);
		dbuf_rele(db);
	}
	if (db != NULL)
		dbuf_rele(db);
	return (UINT64_MAX);
}

static int
dnode_offset_next(dnode_t *dn, bool hole, uint64_t *blkidp)
{
	uint64_t blkid = *blkidp;
	const uint64_t maxblkid = dn_maxblkid_get(dn);

	while (blkid <= maxblkid) {
		/* What is dirty first: what stops being dirty meanwhile is in the tree.
		 */
		const uint64_t dirty = hole ? 0 : next_dirty_block(dn, blkid);
		uint64_t found = blkid;
		const int error =
		    dnode_next_block(dn, hole ? DNN_HOLE : 0, &found, 0, 0);
		if (error != 0 && error != ESRCH)
			return (error);
		if (error == ESRCH)
			found = UINT64_MAX;
		if (!hole) {
			/* Synced data counts unless it was freed since. */
			if (dirty <= found)
				found = dirty;
			else if (dnode_block_freed(dn, found)) {
				blkid = found + 1;
				continue;
			}
		} else {
			/* A block freed and not yet synced comes perhaps earlier. */
			if (!dnode_has_frees(dn))
				blkid = found;
			while (blkid < found && block_dirty_state(dn, blkid) != 0)
				blkid++;
			if (blkid == found && block_dirty_state(dn, found) == 1) {
				blkid++;
				continue;
			}
			found = blkid;
		}
		if (found > maxblkid)
			break;
		*blkidp = found;
		return (0);
	}
	return (ESRCH);
}

int
dmu_offset_next(objset_t *os, uint64_t object, bool hole, uint64_t *off)
{
	dnode_t *dn;
	int error = dnode_hold(os, object, &dn);

	if (error != 0)
		return (error);
	const uint64_t blksz = dn->dn_datablksz, start = *off / blksz;
	uint64_t blkid = start;
	error = dnode_offset_next(dn, hole, &blkid);
	if (error == 0 && blkid != start)
		*off = blkid * blksz;
	dnode_rele(dn);
	return (error);
}
