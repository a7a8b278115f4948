/*
 * Changing dbufs: a version of a block for each txg in flight.
 *
 * Up to three txgs are alive, and each must reach the disk with the content it had when
 * its last transaction committed. So a change in txg T+1 must not show in what T
 * writes. The newest version is always db_data; older ones belong to their dirty
 * records. Who gets the copy when a block with an unsynced older version is dirtied?
 *
 *  - older record not yet being written: the record gets the copy and db_data stays
 * where it is. Holders keep their pointer, and a straggler of the older txg that is
 * still writing through it loses nothing in the newest version;
 *  - older record being written: its buffer must not change any more, so db_data moves
 * to a copy. Holders re-read db_data after dbuf_will_dirty.
 *
 * dbuf_write_part copies bytes in under db_mtx, so that for file data the switch
 * of versions can never fall into the middle of one write.
 *
 * A dirty dbuf is held by its records, and pins the L1 block its new pointer will go
 * to: the sync thread finds everything it must change in memory.
 *
 * Locks: db_mtx > dn_mtx (the list of records).
 */
#include "dmu/dmu_impl.h"

dbuf_dirty_t *
dbuf_dirty_find(dbuf_t *db, uint64_t txg)
{
	dbuf_dirty_t *dr;

	ASSERT(MUTEX_HELD(&db->db_mtx));
	for (dr = db->db_dirty; dr != NULL; dr = dr->dr_older) {
		if (dr->dr_txg == txg)
			break;
	}
	return (dr);
}

dbuf_t *
dbuf_pin_parent(dbuf_t *db)
{
	dnode_t *dn = db->db_dn;
	const int epbs = dn_epbs(dn);

	if (db->db_level > 0 || db->db_blkid == DMU_BONUS_BLKID ||
	    db->db_blkid == DMU_SPILL_BLKID)
		return (NULL);
	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	const int nlevels = dn->dn_phys->dn_nlevels;
	const bool inside =
	    nlevels > 1 &&
	    db->db_blkid < dnode_capacity(dn->dn_phys->dn_nblkptr, epbs, nlevels);
	rw_exit(&dn->dn_struct_rwlock);
	if (!inside)
		return (NULL);
	dbuf_t *parent = dbuf_hold(dn, 1, db->db_blkid >> epbs);
	if (dbuf_read(parent, 0) != 0) {
		/* The transaction's hold has read it before: sync will try again. */
		dbuf_rele(parent);
		return (NULL);
	}
	return (parent);
}

/*
 * Separate db_data from the older records that share it, so that it can be changed in
 * txg.
 */
static void
dbuf_split_versions(dbuf_t *db, uint64_t txg, bool fill)
{
	const bool others = dbuf_held_by_others(db, 1);

	for (dbuf_dirty_t *dr = db->db_dirty; dr != NULL; dr = dr->dr_older) {
		if (dr->dr_txg >= txg || dr->dr_data != db->db.db_data)
			continue;
		void *copy = zio_buf_alloc(dr->dr_size);
		if (!dr->dr_inflight && (!fill || others)) {
			memcpy(copy, dr->dr_data, dr->dr_size);
			dr->dr_data = copy;
			continue;
		}
		/* The record keeps the buffer; it goes when that has been written. */
		if (!fill)
			memcpy(copy, dr->dr_data, dr->dr_size);
		for (dbuf_dirty_t *n = db->db_dirty; n != dr; n = n->dr_older) {
			if (n->dr_data == db->db.db_data)
				n->dr_data = copy;
		}
		db->db.db_data = copy;
	}
}

/*
 * A record of txg in its place among the others; db_mtx held, data private. A
 * straggler's record of an older txg shares db_data with the newer ones until it is
 * written.
 */
static dbuf_dirty_t *
dbuf_dirty_add(dbuf_t *db, uint64_t txg, dbuf_t *pin)
{
	dnode_t *dn = db->db_dn;
	dbuf_dirty_t *dr = kmem_zalloc(sizeof(*dr), KM_SLEEP), **drp = &db->db_dirty;

	while (*drp != NULL && (*drp)->dr_txg > txg)
		drp = &(*drp)->dr_older;
	ASSERT(*drp == NULL || (*drp)->dr_txg < txg);
	dbuf_add_ref(db);
	dr->dr_db = db;
	dr->dr_txg = txg;
	dr->dr_data = db->db.db_data;
	dr->dr_size = dbuf_alloc_size(db);
	dr->dr_pin = pin;
	dr->dr_older = *drp;
	*drp = dr;
	db->db_bp_valid = false;
	mutex_enter(&dn->dn_mtx);
	list_insert_tail(&dn->dn_dirty[txg & TXG_MASK], dr);
	if (db->db_blkid == DMU_SPILL_BLKID)
		dn->dn_have_spill = true;
	mutex_exit(&dn->dn_mtx);
	txg_dirty_add(dn->dn_os->os_spa, txg, dr->dr_size);
	atomic_add_64(&dn->dn_os->os_dirty_bytes[txg & TXG_MASK], dr->dr_size);
	return (dr);
}

/*
 * What must be true before a record is added and cannot be done under db_mtx: the
 * object is long enough, the L1 is in memory (returned, held), the dnode is on the
 * dirty list.
 */
static dbuf_t *
dbuf_dirty_prepare(dbuf_t *db, dmu_tx_t *tx)
{
	dnode_t *dn = db->db_dn;

	ASSERT3U(tx->tx_txg, !=, 0);
	ASSERT3U(db->db_level, ==, 0);
	dmu_tx_check(tx, db);
	if (db->db_blkid < DMU_SPILL_BLKID && db->db_blkid > dn_maxblkid_get(dn))
		dnode_new_blkid(dn, db->db_blkid);
	dnode_setdirty(dn, tx);
	return (dbuf_pin_parent(db));
}

/* db_mtx held on entry and exit; the state settles. */
static void
dbuf_wait_settled(dbuf_t *db)
{
	while (db->db_state == DB_READ || db->db_state == DB_FILL)
		cv_wait(&db->db_cv, &db->db_mtx);
}

static void
dbuf_enter_cached(dbuf_t *db)
{
	mutex_enter(&db->db_mtx);
	for (;;) {
		dbuf_wait_settled(db);
		if (db->db_state == DB_CACHED)
			return;
		mutex_exit(&db->db_mtx);
		/* Holders have read it; only frees take data from a held dbuf. */
		VERIFY0(dbuf_read(db, 0));
		mutex_enter(&db->db_mtx);
	}
}

/* Returns with db_mtx held, CACHED, with a record of tx's txg. */
static void
dbuf_dirty_enter(dbuf_t *db, dmu_tx_t *tx)
{
	const uint64_t txg = tx->tx_txg;

	dbuf_enter_cached(db);
	if (dbuf_dirty_find(db, txg) != NULL)
		return;
	mutex_exit(&db->db_mtx);
	dbuf_t *pin = dbuf_dirty_prepare(db, tx);
	dbuf_enter_cached(db);
	if (dbuf_dirty_find(db, txg) == NULL) {
		dbuf_make_private(db);
		dbuf_split_versions(db, txg, false);
		(void)dbuf_dirty_add(db, txg, pin);
		return;
	}
	/* Somebody of the same txg was faster; the record cannot go while our tx lives.
	 */
	if (pin != NULL) {
		mutex_exit(&db->db_mtx);
		dbuf_rele(pin);
		dbuf_enter_cached(db);
	}
}

void
dbuf_will_dirty(dbuf_t *db, dmu_tx_t *tx)
{
	dbuf_dirty_enter(db, tx);
	mutex_exit(&db->db_mtx);
}

/*
 * The change of a straggler belongs to its own version and all newer ones. Newer
 * records that have their own buffer hold what db_data was when an even newer txg
 * began.
 */
static void
dbuf_spread(dbuf_t *db, uint64_t txg, uint64_t off, uint64_t len)
{
	const uint8_t *src = (const uint8_t *)db->db.db_data + off;

	for (dbuf_dirty_t *dr = db->db_dirty; dr != NULL && dr->dr_txg >= txg;
	     dr = dr->dr_older) {
		if (dr->dr_data != db->db.db_data && off + len <= dr->dr_size)
			memcpy((uint8_t *)dr->dr_data + off, src, len);
	}
}

void
dbuf_write_part(dbuf_t *db, uint64_t off, uint64_t len, const void *src, dmu_tx_t *tx)
{
	ASSERT3U(off + len, <=, db->db.db_size);
	dbuf_dirty_enter(db, tx);
	if (src != NULL)
		memcpy((uint8_t *)db->db.db_data + off, src, len);
	else
		memset((uint8_t *)db->db.db_data + off, 0, len);
	dbuf_spread(db, tx->tx_txg, off, len);
	mutex_exit(&db->db_mtx);
}

void
dbuf_will_fill(dbuf_t *db, dmu_tx_t *tx)
{
	const uint64_t txg = tx->tx_txg;
	dbuf_t *pin = NULL;

	if (db->db_blkid == DMU_BONUS_BLKID) {
		dbuf_will_dirty(db, tx);
		return;
	}
	mutex_enter(&db->db_mtx);
	dbuf_wait_settled(db);
	if (dbuf_dirty_find(db, txg) == NULL) {
		mutex_exit(&db->db_mtx);
		pin = dbuf_dirty_prepare(db, tx);
		mutex_enter(&db->db_mtx);
		dbuf_wait_settled(db);
	}
	if (db->db_arc != NULL)
		dbuf_drop_data(db);
	if (db->db.db_data == NULL)
		db->db.db_data = zio_buf_alloc(db->db.db_size);
	if (dbuf_dirty_find(db, txg) == NULL) {
		dbuf_split_versions(db, txg, true);
		(void)dbuf_dirty_add(db, txg, pin);
		pin = NULL;
	}
	db->db_state = DB_FILL;
	mutex_exit(&db->db_mtx);
	if (pin != NULL)
		dbuf_rele(pin);
}

void
dbuf_fill_done(dbuf_t *db, dmu_tx_t *tx)
{
	if (db->db_blkid == DMU_BONUS_BLKID)
		return;
	mutex_enter(&db->db_mtx);
	ASSERT3U(db->db_state, ==, DB_FILL);
	dbuf_spread(db, tx->tx_txg, 0, db->db.db_size);
	db->db_state = DB_CACHED;
	cv_broadcast(&db->db_cv);
	mutex_exit(&db->db_mtx);
}

/* ---- undoing ------------------------------------------------------------- */

/*
 * Take the record off its dbuf. If it owned its buffer that goes with it, unless
 * holders might still look at what was db_data once.
 */
static void
dbuf_dirty_unlink(dbuf_dirty_t *dr)
{
	dbuf_t *db = dr->dr_db;
	dbuf_dirty_t **drp = &db->db_dirty;
	bool shared = dr->dr_data == db->db.db_data;

	ASSERT(MUTEX_HELD(&db->db_mtx));
	while (*drp != dr)
		drp = &(*drp)->dr_older;
	*drp = dr->dr_older;
	for (dbuf_dirty_t *o = db->db_dirty; o != NULL; o = o->dr_older)
		shared |= o->dr_data == dr->dr_data;
	if (!shared) {
		/* Holds now: the other records', and this one's. */
		if (dbuf_held_by_others(db, 1))
			dbuf_stale_add(db, NULL, dr->dr_data, dr->dr_size);
		else
			zio_buf_free(dr->dr_data, dr->dr_size);
	}
}

/* Give back what the record holds. No locks. */
static void
dbuf_dirty_free(dbuf_dirty_t *dr)
{
	dbuf_t *db = dr->dr_db, *pin = dr->dr_pin;

	txg_dirty_remove(db->db_dn->dn_os->os_spa, dr->dr_txg, dr->dr_size);
	kmem_free(dr, sizeof(*dr));
	if (pin != NULL)
		dbuf_rele(pin);
	dbuf_rele(db);
}

void
dbuf_dirty_done(dbuf_dirty_t *dr)
{
	dbuf_t *db = dr->dr_db;

	mutex_enter(&db->db_mtx);
	dbuf_dirty_unlink(dr);
	if (db->db_dirty == NULL && db->db_blkid != DMU_BONUS_BLKID &&
	    db->db_state == DB_CACHED) {
		db->db_bp = dr->dr_bp;
		db->db_bp_valid = true;
	}
	cv_broadcast(&db->db_cv);
	mutex_exit(&db->db_mtx);
	dbuf_dirty_free(dr);
}

/* db_mtx held; the record is returned to be freed without it. */
static dbuf_dirty_t *
dbuf_undirty_locked(dbuf_t *db, uint64_t txg)
{
	dnode_t *dn = db->db_dn;
	dbuf_dirty_t *dr = dbuf_dirty_find(db, txg);

	if (dr == NULL)
		return (NULL);
	VERIFY(!dr->dr_inflight);
	mutex_enter(&dn->dn_mtx);
	list_remove(&dn->dn_dirty[txg & TXG_MASK], dr);
	mutex_exit(&dn->dn_mtx);
	dbuf_dirty_unlink(dr);
	return (dr);
}

void
dbuf_undirty(dbuf_t *db, uint64_t txg)
{
	mutex_enter(&db->db_mtx);
	dbuf_dirty_t *dr = dbuf_undirty_locked(db, txg);
	mutex_exit(&db->db_mtx);
	if (dr != NULL)
		dbuf_dirty_free(dr);
}

/*
 * db's block is freed in txg: its change of this txg is void, what newer txgs have
 * becomes zero, older versions stay as they are. Whoever holds it sees zeros; without
 * holders the data goes, and the next reader finds the block in the dnode's free
 * ranges.
 */
static void
dbuf_free_one(dbuf_t *db, uint64_t txg)
{
	dmu_buf_user_t *user = NULL;
	dbuf_dirty_t *dr;

	mutex_enter(&db->db_mtx);
	while (db->db_state == DB_FILL)
		cv_wait(&db->db_cv, &db->db_mtx);
	if (db->db_state == DB_READ) {
		db->db_freed_in_flight = true;
		mutex_exit(&db->db_mtx);
		return;
	}
	dr = dbuf_undirty_locked(db, txg);
	db->db_bp_valid = false;
	if (db->db_state == DB_CACHED) {
		dbuf_split_versions(db, txg, true);
		const bool newer = db->db_dirty != NULL && db->db_dirty->dr_txg > txg;
		if (newer || dbuf_held_by_others(db, dr != NULL ? 2 : 1)) {
			dbuf_make_private(db);
			memset(db->db.db_data, 0, db->db.db_size);
			dbuf_spread(db, txg, 0, db->db.db_size);
		} else {
			dbuf_drop_data(db);
			db->db_state = DB_UNCACHED;
			user = db->db_user;
			db->db_user = NULL;
		}
	}
	mutex_exit(&db->db_mtx);
	if (dr != NULL)
		dbuf_dirty_free(dr);
	if (user != NULL)
		user->dbu_evict(user);
}

void
dbuf_free_range(dnode_t *dn, uint64_t start, uint64_t end, dmu_tx_t *tx)
{
	dbuf_t *db = dbuf_next_held(dn, start), *next;

	end = MIN(end, DMU_SPILL_BLKID);
	for (; db != NULL && db->db_blkid < end; db = next) {
		dbuf_free_one(db, tx->tx_txg);
		next = dbuf_next_held(dn, db->db_blkid + 1);
		dbuf_rele(db);
	}
	if (db != NULL)
		dbuf_rele(db);
}

/* A larger or smaller copy of one buffer of db. */
static void *
dbuf_resized(const void *old, uint64_t oldsize, uint64_t size)
{
	void *data = zio_buf_alloc(size);

	memcpy(data, old, MIN(oldsize, size));
	if (size > oldsize)
		memset((uint8_t *)data + oldsize, 0, size - oldsize);
	return (data);
}

void
dbuf_new_size(dbuf_t *db, uint64_t size, dmu_tx_t *tx)
{
	spa_t *spa = db->db_dn->dn_os->os_spa;

	dbuf_dirty_enter(db, tx);
	const uint64_t oldsize = db->db.db_size;
	void *old = db->db.db_data, *new = dbuf_resized(old, oldsize, size);
	for (dbuf_dirty_t *dr = db->db_dirty; dr != NULL && dr->dr_txg >= tx->tx_txg;
	     dr = dr->dr_older) {
		if (dr->dr_data == old) {
			dr->dr_data = new;
		} else {
			void *own = dbuf_resized(dr->dr_data, dr->dr_size, size);
			zio_buf_free(dr->dr_data, dr->dr_size);
			dr->dr_data = own;
		}
		txg_dirty_add(spa, dr->dr_txg, size);
		txg_dirty_remove(spa, dr->dr_txg, dr->dr_size);
		dr->dr_size = size;
	}
	dbuf_drop_data(db);
	db->db.db_data = new;
	db->db.db_size = size;
	mutex_exit(&db->db_mtx);
}

void
dbuf_spill_removed(dbuf_t *db, dmu_tx_t *tx)
{
	dbuf_dirty_t *dr;

	mutex_enter(&db->db_mtx);
	dbuf_wait_settled(db);
	dr = dbuf_undirty_locked(db, tx->tx_txg);
	db->db_bp_valid = false;
	if (db->db_state == DB_CACHED) {
		/* Older versions keep their buffer until they are written. */
		dbuf_split_versions(db, tx->tx_txg, true);
		dbuf_drop_data(db);
		db->db_state = DB_UNCACHED;
	}
	mutex_exit(&db->db_mtx);
	if (dr != NULL)
		dbuf_dirty_free(dr);
}
