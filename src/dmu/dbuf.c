/*
 * dbufs: one block of one object in memory. This file: finding, holding, caching,
 * reading. Changing is in dbuf_dirty.c, writing in dmu_sync.c.
 *
 * A dbuf is known by (dnode, level, block id) and found through a hash table. It lives
 * as long as somebody holds it: users, the dirty records of its unsynced changes, a
 * child indirect block, a dnode in its dnode block. Without holders it waits on an LRU
 * list; when that exceeds its limit the oldest go, handing private data to the ARC.
 *
 *   UNCACHED ──read──> READ ──> CACHED <──done── FILL
 *       └───────fill────────────────────────────^
 *
 * Content comes in two kinds. Level 0 changes in open context, a copy for each txg
 * (dbuf_dirty.c). Indirect and dnode blocks change only in the sync thread, so one
 * version is enough. Clean metadata shares the ARC's buffer until it is first changed.
 * A buffer that is replaced while somebody else holds the dbuf is kept on db_stale:
 * holders that read db_data before never see memory go away.
 *
 * Locks: bucket lock (chain, 0→1 of db_holds) > LRU lock; db_mtx is independent of
 * both, but dn_dbufs_mtx > bucket lock when iterating.
 */
#include <unistd.h>

#include "dmu/dmu_impl.h"

#define DBUF_LOCKS 256
#define DBUF_SHARDS 16

typedef struct dbuf_shard {
	kmutex_t dl_lock;
	list_t dl_list; /* most recently released first */
	uint64_t dl_size;
} dbuf_shard_t;

static struct {
	uint64_t refs; /* dmu_init nests */
	dbuf_t **hash;
	uint64_t nbuckets;
	kmutex_t locks[DBUF_LOCKS];
	dbuf_shard_t shard[DBUF_SHARDS];
	uint64_t shard_max;
	kmem_cache_t *cache;
} dt;

/* ---- hash table ---------------------------------------------------------- */

static uint64_t
dbuf_hash(const dnode_t *dn, int level, uint64_t blkid)
{
	uint64_t h = (uintptr_t)dn >> 5;

	h = (h ^ blkid) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	h += (uint64_t)level * 0xbf58476d1ce4e5b9ULL;
	h *= 0xff51afd7ed558ccdULL;
	return (h ^ (h >> 32));
}

static kmutex_t *
dbuf_lock_of(uint64_t hash)
{
	return (&dt.locks[hash & (DBUF_LOCKS - 1)]);
}

/* Bucket lock held. */
static dbuf_t *
dbuf_chain_find(uint64_t hash, const dnode_t *dn, int level, uint64_t blkid)
{
	dbuf_t *db;

	for (db = dt.hash[hash & (dt.nbuckets - 1)]; db != NULL;
	     db = db->db_hash_next) {
		if (db->db_dn == dn && db->db_level == level && db->db_blkid == blkid)
			break;
	}
	return (db);
}

static void
dbuf_chain_remove(uint64_t hash, dbuf_t *db)
{
	dbuf_t **dbp = &dt.hash[hash & (dt.nbuckets - 1)];

	while (*dbp != db)
		dbp = &(*dbp)->db_hash_next;
	*dbp = db->db_hash_next;
	db->db_in_hash = false;
}

dbuf_t *
dbuf_find(dnode_t *dn, int level, uint64_t blkid)
{
	const uint64_t hash = dbuf_hash(dn, level, blkid);
	kmutex_t *lock = dbuf_lock_of(hash);

	mutex_enter(lock);
	dbuf_t *db = dbuf_chain_find(hash, dn, level, blkid);
	if (db != NULL)
		dbuf_add_ref(db);
	mutex_exit(lock);
	return (db);
}

bool
dbuf_try_hold(dbuf_t *db)
{
	kmutex_t *lock = dbuf_lock_of(dbuf_hash(db->db_dn, db->db_level, db->db_blkid));

	ASSERT(MUTEX_HELD(&db->db_dn->dn_dbufs_mtx));
	mutex_enter(lock);
	const bool ok = db->db_in_hash;
	if (ok)
		dbuf_add_ref(db);
	mutex_exit(lock);
	return (ok);
}

dbuf_t *
dbuf_next_held(dnode_t *dn, uint64_t blkid)
{
	dbuf_t key = {.db_level = 0, .db_blkid = blkid};
	avl_index_t where;

	mutex_enter(&dn->dn_dbufs_mtx);
	dbuf_t *db = avl_find(&dn->dn_dbufs, &key, &where);
	if (db == NULL)
		db = avl_nearest(&dn->dn_dbufs, where, AVL_AFTER);
	while (db != NULL && db->db_level == 0 && !dbuf_try_hold(db))
		db = avl_next(&dn->dn_dbufs, db);
	if (db != NULL && db->db_level > 0)
		db = NULL;
	mutex_exit(&dn->dn_dbufs_mtx);
	return (db);
}

/* ---- life ---------------------------------------------------------------- */

bool
dbuf_is_metadata(const dbuf_t *db)
{
	return (
	    db->db_level > 0 || db->db_blkid == DMU_SPILL_BLKID ||
	    db->db_blkid == DMU_BONUS_BLKID ||
	    DMU_OT_IS_METADATA(__atomic_load_n(&db->db_dn->dn_type, __ATOMIC_RELAXED)));
}

static dbuf_t *
dbuf_create(dnode_t *dn, int level, uint64_t blkid)
{
	dbuf_t *db = kmem_cache_alloc(dt.cache, KM_SLEEP);

	memset(db, 0, sizeof(*db));
	mutex_init(&db->db_mtx);
	cv_init(&db->db_cv);
	db->db_dn = dn;
	db->db_level = (uint8_t)level;
	db->db_blkid = blkid;
	db->db_state = DB_UNCACHED;
	db->db_holds = 1;
	db->db.db_object = dn->dn_object;
	return (db);
}

void
dbuf_stale_add(dbuf_t *db, arc_buf_t *arc, void *data, uint64_t size)
{
	dbuf_stale_t *ds = kmem_alloc(sizeof(*ds), KM_SLEEP);

	ASSERT(MUTEX_HELD(&db->db_mtx));
	ds->ds_arc = arc;
	ds->ds_data = data;
	ds->ds_size = size;
	ds->ds_next = db->db_stale;
	db->db_stale = ds;
}

void
dbuf_free_stale(dbuf_t *db)
{
	dbuf_stale_t *ds;

	while ((ds = db->db_stale) != NULL) {
		db->db_stale = ds->ds_next;
		if (ds->ds_arc != NULL)
			arc_buf_rele(ds->ds_arc);
		else
			zio_buf_free(ds->ds_data, ds->ds_size);
		kmem_free(ds, sizeof(*ds));
	}
}

bool
dbuf_held_by_others(dbuf_t *db, uint64_t own)
{
	uint64_t n = own;

	ASSERT(MUTEX_HELD(&db->db_mtx));
	for (dbuf_dirty_t *dr = db->db_dirty; dr != NULL; dr = dr->dr_older)
		n++;
	return (__atomic_load_n(&db->db_holds, __ATOMIC_ACQUIRE) > n);
}

void
dbuf_drop_data(dbuf_t *db)
{
	ASSERT(MUTEX_HELD(&db->db_mtx));
	if (db->db.db_data == NULL)
		return;
	/*
	 * The caller's hold is one; anybody else may be looking at the old buffer. When
	 * nobody holds it (destruction) there is no need to keep it.
	 */
	if (dbuf_held_by_others(db, 1))
		dbuf_stale_add(db, db->db_arc, db->db.db_data, dbuf_alloc_size(db));
	else if (db->db_arc != NULL)
		arc_buf_rele(db->db_arc);
	else
		zio_buf_free(db->db.db_data, dbuf_alloc_size(db));
	db->db_arc = NULL;
	db->db.db_data = NULL;
}

/* Private data of a clean block whose place is known is worth a place in the ARC. */
static void
dbuf_data_to_arc(dbuf_t *db)
{
	objset_t *os = db->db_dn->dn_os;

	if (db->db.db_data == NULL || db->db_arc != NULL || !db->db_bp_valid ||
	    db->db_state != DB_CACHED || BP_IS_HOLE(&db->db_bp) ||
	    BP_IS_EMBEDDED(&db->db_bp) || db->db_dn->dn_dead)
		return;
	/* 2: nothing, 1: only metadata is wanted in the cache. */
	const uint8_t pc =
	    __atomic_load_n(&os->os_props.op_primarycache, __ATOMIC_RELAXED);
	if (pc == ZFS_CACHE_NONE || (pc == ZFS_CACHE_METADATA && !dbuf_is_metadata(db)))
		return;
	if (arc_cached(os->os_spa, &db->db_bp))
		return;
	arc_insert(os->os_spa, &db->db_bp, db->db.db_data, db->db.db_size, true);
	db->db.db_data = NULL;
}

/* Out of the hash, unheld, clean. */
static void
dbuf_destroy(dbuf_t *db)
{
	dnode_t *dn = db->db_dn;
	dmu_buf_user_t *user = db->db_user;

	ASSERT(!db->db_in_hash && !db->db_on_lru && db->db_dirty == NULL);
	mutex_enter(&dn->dn_dbufs_mtx);
	avl_remove(&dn->dn_dbufs, db);
	mutex_exit(&dn->dn_dbufs_mtx);
	if (user != NULL) {
		db->db_user = NULL;
		user->dbu_evict(user);
	}
	if (db->db_dnblk != NULL)
		dnode_block_destroy(db);
	dbuf_data_to_arc(db);
	mutex_enter(&db->db_mtx);
	dbuf_drop_data(db);
	mutex_exit(&db->db_mtx);
	dbuf_free_stale(db);
	if (db->db_parent != NULL)
		dbuf_rele(db->db_parent);
	cv_destroy(&db->db_cv);
	mutex_destroy(&db->db_mtx);
	kmem_cache_free(dt.cache, db);
	dnode_rele(dn);
}

/*
 * Insert the fresh db (held once); if another thread was faster, its dbuf is returned.
 * The caller holds the struct lock: the size cannot change meanwhile.
 */
static dbuf_t *
dbuf_insert(dbuf_t *db)
{
	const uint64_t hash = dbuf_hash(db->db_dn, db->db_level, db->db_blkid);
	kmutex_t *lock = dbuf_lock_of(hash);
	dbuf_t **bucket = &dt.hash[hash & (dt.nbuckets - 1)];

	mutex_enter(lock);
	dbuf_t *other = dbuf_chain_find(hash, db->db_dn, db->db_level, db->db_blkid);
	if (other != NULL) {
		dbuf_add_ref(other);
		mutex_exit(lock);
		return (other);
	}
	dnode_add_ref(db->db_dn);
	db->db_hash_next = *bucket;
	*bucket = db;
	db->db_in_hash = true;
	mutex_exit(lock);
	mutex_enter(&db->db_dn->dn_dbufs_mtx);
	avl_add(&db->db_dn->dn_dbufs, db);
	mutex_exit(&db->db_dn->dn_dbufs_mtx);
	return (db);
}

static void
dbuf_set_place(dbuf_t *db)
{
	dnode_t *dn = db->db_dn;

	if (db->db_blkid == DMU_BONUS_BLKID) {
		db->db.db_size = dn->dn_bonuslen;
	} else if (db->db_blkid == DMU_SPILL_BLKID) {
		/* Known when it is read or created. */
		db->db.db_size = 0;
	} else if (db->db_level > 0) {
		db->db.db_size = 1ULL << dn->dn_indblkshift;
	} else {
		db->db.db_size = dn->dn_datablksz;
		db->db.db_offset = db->db_blkid * dn->dn_datablksz;
	}
}

dbuf_t *
dbuf_hold(dnode_t *dn, int level, uint64_t blkid)
{
	dbuf_t *db = dbuf_find(dn, level, blkid), *found;

	if (db != NULL)
		return (db);
	db = dbuf_create(dn, level, blkid);
	for (;;) {
		/* An indirect block pins the one above: see dbuf_dirty_t's dr_pin. */
		rw_enter(&dn->dn_struct_rwlock, RW_READER);
		const bool need_parent =
		    level > 0 && level + 1 < dn->dn_phys->dn_nlevels;
		if (!need_parent || db->db_parent != NULL)
			break;
		rw_exit(&dn->dn_struct_rwlock);
		db->db_parent = dbuf_hold(dn, level + 1, blkid >> dn_epbs(dn));
	}
	dbuf_set_place(db);
	found = dbuf_insert(db);
	rw_exit(&dn->dn_struct_rwlock);
	if (found != db) {
		if (db->db_parent != NULL)
			dbuf_rele(db->db_parent);
		cv_destroy(&db->db_cv);
		mutex_destroy(&db->db_mtx);
		kmem_cache_free(dt.cache, db);
	}
	return (found);
}

void
dbuf_add_ref(dbuf_t *db)
{
	(void)__atomic_add_fetch(&db->db_holds, 1, __ATOMIC_RELAXED);
}

/* ---- LRU ----------------------------------------------------------------- */

static dbuf_shard_t *
dbuf_shard(const dbuf_t *db)
{
	return (&dt.shard[((uintptr_t)db >> 8) & (DBUF_SHARDS - 1)]);
}

/* Remembered, because the size of a held dbuf may change while it is still listed. */
static void
dbuf_lru_insert(dbuf_shard_t *dl, dbuf_t *db)
{
	list_insert_head(&dl->dl_list, db);
	db->db_lru_cost = sizeof(*db) + db->db.db_size;
	dl->dl_size += db->db_lru_cost;
	db->db_on_lru = true;
}

/* LRU lock held. */
static void
dbuf_lru_remove(dbuf_shard_t *dl, dbuf_t *db)
{
	list_remove(&dl->dl_list, db);
	dl->dl_size -= db->db_lru_cost;
	db->db_on_lru = false;
}

/* The oldest one nobody holds, taken out of hash and list; NULL: below the limit. */
static dbuf_t *
dbuf_lru_victim(dbuf_shard_t *dl, uint64_t limit)
{
	dbuf_t *db = NULL;

	mutex_enter(&dl->dl_lock);
	for (int tries = 0; tries < 32 && dl->dl_size > limit; tries++) {
		db = list_tail(&dl->dl_list);
		if (db == NULL)
			break;
		const uint64_t hash = dbuf_hash(db->db_dn, db->db_level, db->db_blkid);
		kmutex_t *lock = dbuf_lock_of(hash);
		if (!mutex_tryenter(lock)) {
			/* The other order: perhaps it is being taken. Look at the next.
			 */
			list_remove(&dl->dl_list, db);
			list_insert_head(&dl->dl_list, db);
			db = NULL;
			continue;
		}
		dbuf_lru_remove(dl, db);
		/* A held one comes back to the list when it is released. */
		const bool victim =
		    __atomic_load_n(&db->db_holds, __ATOMIC_ACQUIRE) == 0;
		if (victim)
			dbuf_chain_remove(hash, db);
		mutex_exit(lock);
		if (victim)
			break;
		db = NULL;
	}
	mutex_exit(&dl->dl_lock);
	return (db);
}

static void
dbuf_lru_trim(dbuf_shard_t *dl, uint64_t limit)
{
	dbuf_t *db;

	while ((db = dbuf_lru_victim(dl, limit)) != NULL)
		dbuf_destroy(db);
}

void
dbuf_rele(dbuf_t *db)
{
	uint64_t n = __atomic_load_n(&db->db_holds, __ATOMIC_RELAXED);

	ASSERT3U(n, >, 0);
	while (n > 1) {
		if (__atomic_compare_exchange_n(&db->db_holds, &n, n - 1, false,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	}
	const uint64_t hash = dbuf_hash(db->db_dn, db->db_level, db->db_blkid);
	kmutex_t *lock = dbuf_lock_of(hash);
	dbuf_shard_t *dl = dbuf_shard(db);
	bool destroy = false;

	mutex_enter(lock);
	if (__atomic_sub_fetch(&db->db_holds, 1, __ATOMIC_ACQ_REL) != 0) {
		mutex_exit(lock);
		return;
	}
	/* Nobody can find it now: the bucket is locked. */
	dbuf_free_stale(db);
	mutex_enter(&dl->dl_lock);
	if (db->db_on_lru)
		dbuf_lru_remove(dl, db);
	if (db->db_state == DB_UNCACHED ||
	    __atomic_load_n(&db->db_dn->dn_dead, __ATOMIC_ACQUIRE)) {
		dbuf_chain_remove(hash, db);
		destroy = true;
	} else {
		dbuf_lru_insert(dl, db);
	}
	const bool over = dl->dl_size > dt.shard_max;
	mutex_exit(&dl->dl_lock);
	mutex_exit(lock);
	if (destroy)
		dbuf_destroy(db);
	else if (over)
		dbuf_lru_trim(dl, dt.shard_max);
}

/* Take db out if nobody holds it. dn_dbufs_mtx held. */
static bool
dbuf_evict_try(dbuf_t *db)
{
	const uint64_t hash = dbuf_hash(db->db_dn, db->db_level, db->db_blkid);
	kmutex_t *lock = dbuf_lock_of(hash);
	dbuf_shard_t *dl = dbuf_shard(db);
	bool victim = false;

	mutex_enter(lock);
	if (db->db_in_hash && __atomic_load_n(&db->db_holds, __ATOMIC_ACQUIRE) == 0) {
		mutex_enter(&dl->dl_lock);
		if (db->db_on_lru)
			dbuf_lru_remove(dl, db);
		mutex_exit(&dl->dl_lock);
		dbuf_chain_remove(hash, db);
		victim = true;
	}
	mutex_exit(lock);
	return (victim);
}

bool
dbuf_evict_dnode(dnode_t *dn)
{
	bool again;

	dnode_add_ref(dn);
	/* Children first: an indirect block is held by those below it. */
	do {
		again = false;
		mutex_enter(&dn->dn_dbufs_mtx);
		dbuf_t *db = avl_first(&dn->dn_dbufs);
		while (db != NULL && !dbuf_evict_try(db))
			db = avl_next(&dn->dn_dbufs, db);
		mutex_exit(&dn->dn_dbufs_mtx);
		if (db != NULL) {
			dbuf_destroy(db);
			again = true;
		}
	} while (again);
	mutex_enter(&dn->dn_dbufs_mtx);
	const bool empty = avl_is_empty(&dn->dn_dbufs);
	mutex_exit(&dn->dn_dbufs_mtx);
	dnode_rele(dn);
	return (empty);
}

/* One unheld dbuf of os from this list, taken out; NULL: none (or *again: look once
 * more). */
static dbuf_t *
dbuf_lru_of_objset(dbuf_shard_t *dl, const objset_t *os, bool *again)
{
	dbuf_t *db;

	mutex_enter(&dl->dl_lock);
	for (db = list_head(&dl->dl_list); db != NULL;
	     db = list_next(&dl->dl_list, db)) {
		if (db->db_dn->dn_os != os ||
		    __atomic_load_n(&db->db_holds, __ATOMIC_ACQUIRE) != 0)
			continue;
		const uint64_t hash = dbuf_hash(db->db_dn, db->db_level, db->db_blkid);
		kmutex_t *lock = dbuf_lock_of(hash);
		if (!mutex_tryenter(lock)) {
			*again = true;
			continue;
		}
		const bool victim =
		    __atomic_load_n(&db->db_holds, __ATOMIC_ACQUIRE) == 0;
		if (victim) {
			dbuf_lru_remove(dl, db);
			dbuf_chain_remove(hash, db);
		}
		mutex_exit(lock);
		if (victim)
			break;
	}
	mutex_exit(&dl->dl_lock);
	return (db);
}

void
dbuf_evict_objset(objset_t *os)
{
	bool again;

	/* Each may set free what it held: its parent, its dnode's block. */
	do {
		again = false;
		for (int i = 0; i < DBUF_SHARDS; i++) {
			dbuf_t *db;
			while ((db = dbuf_lru_of_objset(&dt.shard[i], os, &again)) !=
			       NULL) {
				dbuf_destroy(db);
				again = true;
			}
		}
	} while (again);
}

/* ---- reading ------------------------------------------------------------- */

void
dbuf_make_private(dbuf_t *db)
{
	ASSERT(MUTEX_HELD(&db->db_mtx));
	if (db->db_arc == NULL)
		return;
	void *data = zio_buf_alloc(db->db.db_size);
	memcpy(data, db->db.db_data, db->db.db_size);
	dbuf_drop_data(db);
	db->db.db_data = data;
}

void
dbuf_fill_holes(dnode_t *dn, int level, void *data, uint64_t size, uint64_t birth)
{
	memset(data, 0, size);
	if (birth == 0)
		return;
	const uint64_t lsize =
	    level == 1 ? dn->dn_datablksz : 1ULL << dn->dn_indblkshift;
	for (uint64_t i = 0; i < size / sizeof(blkptr_t); i++) {
		BP_SET_HOLE(indirect_block_bp(data, size, i), lsize, dn->dn_type,
		    level - 1, birth);
	}
}

/* State READ → CACHED (or UNCACHED with an error). Nobody else touches the data
 * meanwhile. */
static void
dbuf_read_end(dbuf_t *db, void *data, arc_buf_t *arc, int error)
{
	mutex_enter(&db->db_mtx);
	ASSERT3U(db->db_state, ==, DB_READ);
	if (error == 0 && db->db_freed_in_flight) {
		if (arc != NULL) {
			data = zio_buf_alloc(db->db.db_size);
			arc_buf_rele(arc);
			arc = NULL;
		}
		memset(data, 0, db->db.db_size);
		db->db_bp_valid = false;
	}
	db->db_freed_in_flight = false;
	if (error == 0) {
		db->db.db_data = data;
		db->db_arc = arc;
		db->db_state = DB_CACHED;
	} else {
		db->db_bp_valid = false;
		db->db_read_error = error;
		db->db_state = DB_UNCACHED;
	}
	cv_broadcast(&db->db_cv);
	mutex_exit(&db->db_mtx);
}

static void
dbuf_read_done(void *private, const blkptr_t *bp, arc_buf_t *buf, int error)
{
	dbuf_t *db = private;
	void *data = NULL;

	(void)bp;
	if (error == 0 && buf->b_size != db->db.db_size) {
		arc_buf_rele(buf);
		error = ECKSUM;
	}
	if (error == 0 && !dbuf_is_metadata(db)) {
		/* File data will be copied in and out: own it from the start. */
		if ((data = arc_buf_steal(buf)) == NULL) {
			data = zio_buf_alloc(db->db.db_size);
			memcpy(data, buf->b_data, db->db.db_size);
			arc_buf_rele(buf);
		}
		buf = NULL;
	} else if (error == 0) {
		data = buf->b_data;
	}
	dbuf_read_end(db, data, buf, error);
	dbuf_rele(db);
}

/* The bonus is part of the dnode, which is in memory. */
static void
dbuf_read_bonus(dbuf_t *db)
{
	dnode_t *dn = db->db_dn;
	uint32_t max;

	/* One buffer for the whole capacity, so that it need not move when it grows. */
	void *data = zio_buf_alloc(dbuf_alloc_size(db));
	memset(data, 0, dbuf_alloc_size(db));
	mutex_enter(&dn->dn_mtx);
	const void *bonus = dnode_phys_bonus_const(dn->dn_phys, &max);
	if (bonus != NULL && dn->dn_phys->dn_type != DMU_OT_NONE)
		memcpy(data, bonus, MIN(max, (uint32_t)dnode_bonus_capacity(dn)));
	mutex_exit(&dn->dn_mtx);
	dbuf_read_end(db, data, NULL, 0);
}

static bool
dbuf_reads_as_freed(dbuf_t *db)
{
	dnode_t *dn = db->db_dn;

	if (db->db_level > 0)
		return (false);
	if (db->db_blkid == DMU_SPILL_BLKID) {
		mutex_enter(&dn->dn_mtx);
		const bool gone = !dn->dn_have_spill;
		mutex_exit(&dn->dn_mtx);
		return (gone);
	}
	return (dnode_block_freed(dn, db->db_blkid));
}

static void
dbuf_read_hole(dbuf_t *db, const blkptr_t *bp)
{
	void *data = zio_buf_alloc(db->db.db_size);

	if (db->db_level > 0)
		dbuf_fill_holes(db->db_dn, db->db_level, data, db->db.db_size,
		    BP_GET_LOGICAL_BIRTH(bp));
	else
		memset(data, 0, db->db.db_size);
	dbuf_read_end(db, data, NULL, 0);
}

/* Does the pointer describe the block we look for? What hostile pools get wrong. */
static int
dbuf_check_bp(dbuf_t *db, const blkptr_t *bp)
{
	const uint64_t lsize = BP_GET_LSIZE(bp);

	if (db->db_blkid == DMU_SPILL_BLKID) {
		if (lsize < SPA_MINBLOCKSIZE || lsize > SPA_OLD_MAXBLOCKSIZE ||
		    lsize % SPA_MINBLOCKSIZE != 0)
			return (ECKSUM);
		db->db.db_size = lsize; /* state READ: nobody looks */
	}
	if (BP_GET_LEVEL(bp) != db->db_level || lsize != db->db.db_size)
		return (ECKSUM);
	return (0);
}

static uint32_t
dbuf_arc_flags(const dbuf_t *db)
{
	switch (__atomic_load_n(
	    &db->db_dn->dn_os->os_props.op_primarycache, __ATOMIC_RELAXED)) {
	case ZFS_CACHE_NONE:
		return (ARC_FLAG_UNCACHED);
	case ZFS_CACHE_METADATA:
		return (ARC_FLAG_METADATA_ONLY);
	default:
		return (0);
	}
}

/* State is READ, nothing locked. Ends the read or has started it. */
static void
dbuf_read_impl(dbuf_t *db, uint32_t flags)
{
	dnode_t *dn = db->db_dn;
	objset_t *os = dn->dn_os;
	zbookmark_phys_t zb;
	blkptr_t bp;
	int error;

	if (db->db_blkid == DMU_BONUS_BLKID) {
		dbuf_read_bonus(db);
		return;
	}
	/* First the pending frees, then the pointer: the sync thread goes the other
	 * way. */
	const bool freed = dbuf_reads_as_freed(db);
	error = dnode_bp_lookup(dn, db->db_level, db->db_blkid, &bp, flags);
	if (error == 0 && !freed && !BP_IS_HOLE(&bp))
		error = dbuf_check_bp(db, &bp);
	if (error == 0 && db->db_blkid == DMU_SPILL_BLKID && (freed || BP_IS_HOLE(&bp)))
		error = ENOENT;
	if (error != 0) {
		dbuf_read_end(db, NULL, NULL, error);
		return;
	}
	if (freed || BP_IS_HOLE(&bp)) {
		if (freed)
			BP_ZERO(&bp);
		dbuf_read_hole(db, &bp);
		return;
	}
	db->db_bp = bp;
	db->db_bp_valid = true;
	SET_BOOKMARK(&zb, os->os_dsobj, dn->dn_object, db->db_level, db->db_blkid);
	dbuf_add_ref(db);
	arc_read(NULL, os->os_spa, &bp, dbuf_read_done, db, ZIO_PRIORITY_SYNC_READ,
	    flags & DBR_SYNC ? 0 : ZIO_FLAG_CANFAIL, dbuf_arc_flags(db), &zb);
}

/*
 * Make the data be there. A failed read leaves the dbuf UNCACHED, so that each waiter
 * tries once itself.
 */
int
dbuf_read(dbuf_t *db, uint32_t flags)
{
	bool tried = false;

	mutex_enter(&db->db_mtx);
	for (;;) {
		if (db->db_state == DB_CACHED) {
			mutex_exit(&db->db_mtx);
			return (0);
		}
		if (db->db_state == DB_UNCACHED) {
			if (tried) {
				const int error = db->db_read_error;
				mutex_exit(&db->db_mtx);
				return (error);
			}
			db->db_state = DB_READ;
			tried = true;
			mutex_exit(&db->db_mtx);
			dbuf_read_impl(db, flags);
			if (flags & DBR_START)
				return (0);
			mutex_enter(&db->db_mtx);
			continue;
		}
		if (flags & DBR_START) {
			mutex_exit(&db->db_mtx);
			return (0);
		}
		cv_wait(&db->db_cv, &db->db_mtx);
	}
}

/* ---- init ---------------------------------------------------------------- */

void
dbuf_init(uint64_t cache_bytes)
{
	if (dt.refs++ != 0)
		return;
	const uint64_t memory =
	    (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (cache_bytes == 0)
		cache_bytes = MAX(16ULL << 20, MIN(memory / 32, 512ULL << 20));
	dt.shard_max = cache_bytes / DBUF_SHARDS;
	dt.nbuckets = 4096;
	while (dt.nbuckets * 4096 < cache_bytes)
		dt.nbuckets <<= 1;
	dt.hash = kmem_zalloc(dt.nbuckets * sizeof(dbuf_t *), KM_SLEEP);
	for (int i = 0; i < DBUF_LOCKS; i++)
		mutex_init(&dt.locks[i]);
	for (int i = 0; i < DBUF_SHARDS; i++) {
		mutex_init(&dt.shard[i].dl_lock);
		list_create(&dt.shard[i].dl_list, sizeof(dbuf_t),
		    offsetof(dbuf_t, db_lru_node));
		dt.shard[i].dl_size = 0;
	}
	dt.cache = kmem_cache_create(
	    "dbuf", sizeof(dbuf_t), 0, NULL, NULL, NULL, NULL, NULL, 0);
}

void
dbuf_fini(void)
{
	ASSERT3U(dt.refs, >, 0);
	if (--dt.refs != 0)
		return;
	for (int i = 0; i < DBUF_SHARDS; i++) {
		list_destroy(&dt.shard[i].dl_list);
		mutex_destroy(&dt.shard[i].dl_lock);
	}
	for (int i = 0; i < DBUF_LOCKS; i++)
		mutex_destroy(&dt.locks[i]);
	kmem_cache_destroy(dt.cache);
	kmem_free(dt.hash, dt.nbuckets * sizeof(dbuf_t *));
	dt.hash = NULL;
}
