/*
 * What the files of the dmu room share. Read dmu.h first; the essay is in dmu.c.
 */
#ifndef TARN_DMU_IMPL_H
#define TARN_DMU_IMPL_H

#include "dmu/dmu.h"
#include "spa/range_tree.h"

#define DMU_BONUS_BLKID (-1ULL)
#define DMU_SPILL_BLKID (-2ULL)

#define DNODE_SLOT DNODE_MIN_SIZE /* object numbers count slots, format/02 §1.3 */

typedef struct dbuf dbuf_t;
typedef struct dbuf_dirty dbuf_dirty_t;
typedef struct sync_node sync_node_t;
typedef struct objset_sync objset_sync_t;
typedef struct dnode_block dnode_block_t;
typedef struct zfetch zfetch_t;

/* ---- dbufs (dbuf.c, dbuf_dirty.c) ---------------------------------------- */

typedef enum dbuf_state {
	DB_UNCACHED, /* no data */
	DB_READ,     /* being read */
	DB_CACHED,   /* data is right */
	DB_FILL,     /* its dirtier is overwriting every byte */
} dbuf_state_t;

/*
 * A block changed in one txg and not yet on disk. Newest first on db_dirty. The newest
 * record's data is db_data itself, until somebody dirties the block in a later txg:
 * then the older record gets a buffer of its own.
 */
struct dbuf_dirty {
	dbuf_t *dr_db; /* held */
	uint64_t dr_txg;
	void *dr_data;
	uint64_t dr_size;
	dbuf_dirty_t *dr_older;
	bool dr_inflight; /* being written: data must not change */
	dbuf_t *dr_pin; /* held: the L1 that will get the pointer, so that sync need not
			   read */
	list_node_t dr_node; /* dn_dirty[txg], dn_mtx */
	/* while syncing */
	blkptr_t dr_bp;
	sync_node_t *dr_parent;
	objset_sync_t *dr_sync;
};

/* A buffer that was replaced while somebody may still look at it; goes with the last
 * hold. */
typedef struct dbuf_stale {
	struct dbuf_stale *ds_next;
	arc_buf_t *ds_arc;
	void *ds_data;
	uint64_t ds_size;
} dbuf_stale_t;

struct dbuf {
	dmu_buf_t db;	/* first member: what holders see */
	dnode_t *db_dn; /* held */
	uint64_t db_blkid;
	uint8_t db_level;
	bool db_in_hash, db_on_lru; /* bucket lock, LRU lock */
	uint64_t db_holds;	    /* 0→1 only under the bucket lock */

	kmutex_t db_mtx; /* what follows */
	kcondvar_t db_cv;
	dbuf_state_t db_state;
	bool db_freed_in_flight; /* freed while it was being read: zeros */
	bool db_bp_valid;
	int db_read_error;
	arc_buf_t *db_arc; /* data is shared with the ARC: must not change */
	dbuf_dirty_t *db_dirty;
	dbuf_stale_t *db_stale;
	dmu_buf_user_t *db_user;
	blkptr_t db_bp;		 /* where the clean data is on disk */
	dnode_block_t *db_dnblk; /* level 0 of the meta-dnode */

	dbuf_t *db_parent; /* indirect blocks: the one above, held; struct lock */
	dbuf_t *db_hash_next;
	list_node_t db_lru_node; /* and the cost: LRU lock */
	uint64_t db_lru_cost;
	avl_node_t db_avl; /* dn_dbufs */
};

/* The 32 slots of one dnode block. */
typedef enum dnslot { DNS_FREE, DNS_ALLOCATED, DNS_INTERIOR, DNS_INCORE } dnslot_t;
struct dnode_block {
	kmutex_t dnb_lock;
	dnode_t *dnb_dn[DNODES_PER_BLOCK]; /* at its first slot, state INCORE */
	uint8_t dnb_state[DNODES_PER_BLOCK];
};

void dbuf_init(uint64_t cache_bytes);
void dbuf_fini(void);
dbuf_t *dbuf_find(dnode_t *dn, int level, uint64_t blkid);
/* Find or create; held; data perhaps not there. Struct lock not held. */
dbuf_t *dbuf_hold(dnode_t *dn, int level, uint64_t blkid);
void dbuf_add_ref(dbuf_t *db);
void dbuf_rele(dbuf_t *db);
/* Take db from dn_dbufs iteration: held, or NULL if it is about to go. dn_dbufs_mtx
 * held. */
bool dbuf_try_hold(dbuf_t *db);
/* The next level-0 dbuf in memory at or after blkid (bonus and spill come last), held;
 * or NULL. */
dbuf_t *dbuf_next_held(dnode_t *dn, uint64_t blkid);
#define DBR_START 0x1 /* only start */
#define DBR_SYNC 0x2  /* sync thread: does not fail (the pool suspends) */
#define DBR_PREFETCH 0x4
int dbuf_read(dbuf_t *db, uint32_t flags);
/* Own, changeable data; db_mtx held, CACHED. */
void dbuf_make_private(dbuf_t *db);
void dbuf_drop_data(dbuf_t *db);  /* db_mtx held: to the stale list or away */
void dbuf_free_stale(dbuf_t *db); /* no other holders */
void dbuf_stale_add(dbuf_t *db, arc_buf_t *arc, void *data, uint64_t size);
/* Other holders than the dirty records? db_mtx held. `own`: holds of the caller. */
bool dbuf_held_by_others(dbuf_t *db, uint64_t own);
/* Throw out what nobody holds; true: nothing is left. */
bool dbuf_evict_dnode(dnode_t *dn);
void dbuf_evict_objset(objset_t *os);
bool dbuf_is_metadata(const dbuf_t *db);
dmu_object_type_t dbuf_type(const dbuf_t *db);
/* The content of an indirect block below a hole with a birth (format/02 §1.7). */
void dbuf_fill_holes(dnode_t *dn, int level, void *data, uint64_t size, uint64_t birth);
void dbuf_prefetch(dnode_t *dn, int level, uint64_t blkid);

/* dbuf_dirty.c */
void dbuf_will_dirty(dbuf_t *db, dmu_tx_t *tx);
void dbuf_will_fill(dbuf_t *db, dmu_tx_t *tx);
void dbuf_fill_done(dbuf_t *db, dmu_tx_t *tx);
/* Change part of the content in tx in one step that no later txg can split. */
void dbuf_write_part(dbuf_t *db, uint64_t off, uint64_t len,
    const void *src /* NULL: zeros */, dmu_tx_t *tx);
/* Blocks [start, end) read as zeros from now on in tx's txg. */
void dbuf_free_range(dnode_t *dn, uint64_t start, uint64_t end, dmu_tx_t *tx);
void dbuf_undirty(dbuf_t *db, uint64_t txg);
/* New size; dirty in tx afterwards. */
void dbuf_new_size(dbuf_t *db, uint64_t size, dmu_tx_t *tx);
dbuf_t *dbuf_pin_parent(dbuf_t *db);
dbuf_dirty_t *dbuf_dirty_find(dbuf_t *db, uint64_t txg);
/* The spill block is removed in tx: its content is void. */
void dbuf_spill_removed(dbuf_t *db, dmu_tx_t *tx);
/* The record has been written (or copied): take it off its dbuf and free it. */
void dbuf_dirty_done(dbuf_dirty_t *dr);

/* ---- dnodes -------------------------------------------------------------- */

/* Changes of the header in one txg, applied when it syncs. */
#define DNX_ALLOC 0x001
#define DNX_FREE 0x002
#define DNX_TYPE 0x004
#define DNX_BONUSTYPE 0x008
#define DNX_BONUSLEN 0x010
#define DNX_BLKSZ 0x020
#define DNX_IBS 0x040
#define DNX_CHECKSUM 0x080
#define DNX_COMPRESS 0x100
#define DNX_RMSPILL 0x200
#define DNX_TRUNC 0x400
typedef struct dnode_next {
	uint32_t nx_mask;
	uint8_t nx_type, nx_bonustype, nx_ibs, nx_checksum, nx_compress;
	uint16_t nx_bonuslen;
	uint32_t nx_blksz;
	uint64_t nx_maxblkid; /* DNX_TRUNC: as lowered */
} dnode_next_t;

struct dnode {
	objset_t *dn_os;
	uint64_t dn_object;
	dbuf_t *dn_blkdb; /* dnode block, held; NULL for the four in the header */
	int dn_slots;
	bool dn_dead;	   /* freed on disk: only old holders know it */
	uint64_t dn_holds; /* 0→1 only under dnb_lock */

	/*
	 * The shape: nlevels, block size, place of the block pointers. Written by the
	 * sync thread (growth) and by block size changes and extension.
	 */
	krwlock_t dn_struct_rwlock;
	uint64_t dn_maxblkid;	 /* as of the open txg */
	uint32_t dn_datablksz;	 /* bytes */
	uint8_t dn_datablkshift; /* 0: not a power of two */
	uint8_t dn_indblkshift;

	kmutex_t dn_mtx; /* the rest, and the content of dn_phys */
	uint8_t dn_type, dn_bonustype, dn_checksum, dn_compress, dn_nblkptr;
	uint16_t dn_bonuslen;
	bool dn_have_spill;
	uint64_t dn_free_txg, dn_alloc_txg;
	dnode_phys_t *dn_phys; /* as synced; own copy of 512 * dn_slots bytes; nlevels
				  also struct lock */
	dnode_next_t dn_next[TXG_SIZE];
	list_t dn_dirty[TXG_SIZE]; /* dbuf_dirty_t of level 0, bonus, spill */
	range_tree_t *dn_free_ranges[TXG_SIZE]; /* block ids; NULL: none */
	dbuf_t *dn_pin[TXG_SIZE];
	list_node_t dn_dirty_link[TXG_SIZE]; /* os_dirty_dnodes; os_lock */
	bool dn_is_dirty[TXG_SIZE];	     /* os_lock */

	kmutex_t dn_dbufs_mtx;
	avl_tree_t dn_dbufs;
	list_node_t dn_link; /* os_dnodes; os_lock */

	/* sync thread */
	avl_tree_t dn_sync_nodes;
	sync_node_t *dn_sync_node;
	bool dn_acct_taken;
	dmu_acct_change_t dn_acct;

	zfetch_t *dn_zfetch; /* dn_mtx */
};

#define DNH_ANY 0x1 /* also one freed or not yet typed (internal) */
int dnode_hold(objset_t *os, uint64_t object, dnode_t **dnp);
int dnode_hold_flags(objset_t *os, uint64_t object, uint32_t flags, dnode_t **dnp);
void dnode_add_ref(dnode_t *dn);
void dnode_rele(dnode_t *dn);
dnode_t *dnode_special_create(objset_t *os, uint64_t object, const dnode_phys_t *dnp);
void dnode_special_destroy(dnode_t *dn);
/* Claim `slots` free slots from `object` on. EEXIST/ENOSPC, EIO. The dnode is held and
 * in use. */
int dnode_claim_slots(objset_t *os, uint64_t object, int slots, dnode_t **dnp);
void dnode_allocate(dnode_t *dn, dmu_object_type_t ot, int blocksize, int ibs,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx);
void dnode_free(dnode_t *dn, dmu_tx_t *tx);
void dnode_setdirty(dnode_t *dn, dmu_tx_t *tx);
bool dnode_is_dirty(dnode_t *dn);
int dnode_set_blksz(dnode_t *dn, uint64_t size, int ibs, dmu_tx_t *tx);
void dnode_new_blkid(dnode_t *dn, uint64_t blkid);
void dnode_free_range(dnode_t *dn, uint64_t off, uint64_t len, dmu_tx_t *tx);
/* Is the block in a range freed and not yet synced? */
bool dnode_block_freed(dnode_t *dn, uint64_t blkid);
bool dnode_has_frees(dnode_t *dn); /* is there any such range? */
/* The pointer of a block as synced; a hole if there is none. May read indirect blocks.
 */
int dnode_bp_lookup(
    dnode_t *dn, int level, uint64_t blkid, blkptr_t *bp, uint32_t dbr_flags);
/* Find the next block at or after *blkid in the synced tree. ESRCH. dnode_next.c */
#define DNN_HOLE 0x1
#define DNN_NOTFULL 0x2 /* meta-dnode: a hole, or fewer dnodes than fit */
int dnode_next_block(
    dnode_t *dn, uint32_t flags, uint64_t *blkid, uint64_t mintxg, uint64_t maxfill);
int dnode_bonus_capacity(const dnode_t *dn);
void dnode_block_destroy(dbuf_t *db);
/* The dnode block of an object, read and held. */
int dnode_block_hold(objset_t *os, uint64_t object, dbuf_t **dbp);
/* First run of `slots` free slots from `slot` on in a held, read dnode block; 32: none.
 */
unsigned dnode_block_free_run(dbuf_t *db, unsigned slot, int slots);
/* First object (hole: free slot) at or after *slotp. */
bool dnode_block_find(dbuf_t *db, unsigned *slotp, bool hole);
/* Freed on disk: the slots are free again, old holders keep a dead dnode. */
void dnode_retire(dnode_t *dn);

static inline int
dn_epbs(const dnode_t *dn)
{
	return (dn->dn_indblkshift - 7);
}
/* One of the four in the object set header. */
static inline bool
dn_is_special(const dnode_t *dn)
{
	return (dn->dn_blkdb == NULL);
}
static inline uint64_t
dn_maxblkid_get(dnode_t *dn)
{
	return (__atomic_load_n(&dn->dn_maxblkid, __ATOMIC_RELAXED));
}
/* Blocks that nlevels levels can address; saturates. */
uint64_t dnode_capacity(int nblkptr, int epbs, int nlevels);

/* ---- object sets --------------------------------------------------------- */

typedef struct os_alloc_chunk {
	kmutex_t oc_lock;
	uint64_t oc_next, oc_end;
} os_alloc_chunk_t;

typedef struct os_kill {
	struct os_kill *ok_next;
	uint32_t ok_count;
	blkptr_t ok_bp[62];
} os_kill_t;

struct objset {
	uint64_t os_dirty_bytes[TXG_SIZE]; /* dirtied in that txg; atomic */
	spa_t *os_spa;
	uint64_t os_dsobj;
	const objset_ops_t *os_ops;
	void *os_private, *os_user;
	objset_props_t os_props;
	bool os_readonly;
	uint64_t os_features;	/* atomic bits: seen at birth */
	objset_phys_t *os_phys; /* host order, the size of the largest version */
	uint64_t os_phys_size;	/* as read */
	blkptr_t os_rootbp;
	dnode_t *os_mdn;
	dnode_t *os_acct[3]; /* user, group, project */

	kmutex_t os_lock;
	list_t os_dnodes;
	kcondvar_t os_dnodes_cv;
	list_t os_dirty_dnodes[TXG_SIZE];
	bool os_dirty[TXG_SIZE]; /* oso_dirty was called */

	kmutex_t os_obj_lock; /* allocation: the next chunk */
	uint64_t os_obj_next, os_obj_restart_txg, os_obj_freed;
	int os_nchunks;
	os_alloc_chunk_t *os_chunk;

	objset_sync_t *os_sync;
	kmutex_t os_kill_lock;
	os_kill_t *os_kills;
	/* accounting of the txg being synced */
	dmu_acct_change_t *os_changes;
	size_t os_nchanges, os_changes_max;
};

void dmu_objset_setdirty(objset_t *os, dmu_tx_t *tx);
/* Largest header the pool allows (format/02 §1.9). */
uint64_t objset_phys_size(objset_t *os);
void dmu_feature_seen(objset_t *os, spa_feature_t f);

/* ---- sync (dmu_sync.c, dnode_sync.c) ------------------------------------- */

typedef enum sync_kind { SN_OBJSET, SN_DNODE, SN_BLOCK } sync_kind_t;

/*
 * Something that waits for the pointers of what is below it: an indirect or dnode
 * block, a dnode, the object set header. sn_pending counts them, plus one for the sync
 * thread until it has added all.
 */
struct sync_node {
	sync_kind_t sn_kind;
	objset_sync_t *sn_sync;
	sync_node_t *sn_parent;
	uint64_t sn_pending;
	dnode_t *sn_dn;
	dbuf_t *sn_db; /* BLOCK: held, private data */
	int sn_level;
	uint64_t sn_blkid, sn_fill;
	zio_t *sn_zio; /* own write; DNODE: its parent's */
	blkptr_t sn_bp;
	avl_node_t sn_node;
	list_node_t sn_link;
};

struct objset_sync {
	objset_t *ss_os;
	spa_t *ss_spa;
	dmu_tx_t *ss_tx;
	uint64_t ss_txg;
	list_t ss_nodes;  /* parents before children */
	list_t ss_dnodes; /* dn_dirty_link */
	sync_node_t *ss_root;
	void *ss_buf; /* header being written */
	uint64_t ss_bufsize;
	bool ss_acct;
};

sync_node_t *sync_node_dnode(objset_sync_t *ss, dnode_t *dn, sync_node_t *parent);
sync_node_t *sync_node_block(objset_sync_t *ss, dnode_t *dn, int level, uint64_t blkid);
/* Where dn's pointer (level, blkid) is kept as of now: the node above must exist. */
void sync_bp_get(dnode_t *dn, int level, uint64_t blkid, blkptr_t *bp);
void sync_bp_put(dnode_t *dn, int level, uint64_t blkid, const blkptr_t *bp);
void sync_leaf(objset_sync_t *ss, dbuf_dirty_t *dr);
/* Births and deaths of one pointer: dn_used, features, the dsl. defer: kill when the
 * sync is done. */
void sync_block_changed(objset_sync_t *ss, dnode_t *dn, const blkptr_t *old,
    const blkptr_t *new, bool defer);
void sync_dnode(objset_sync_t *ss, dnode_t *dn);
void sync_grow(objset_sync_t *ss, dnode_t *dn, uint64_t maxblkid);
void sync_hole_bp(objset_sync_t *ss, const blkptr_t *old, dmu_object_type_t type,
    int level, uint64_t lsize, blkptr_t *bp);
bool dmu_objset_accounting(objset_t *os);
void sync_acct_before(objset_sync_t *ss, dnode_t *dn);
void sync_acct_flags(objset_sync_t *ss, dnode_t *dn);
void sync_acct_after(objset_sync_t *ss, dnode_t *dn);

void dmu_write_policy(objset_t *os, dnode_t *dn, dmu_object_type_t type, int level,
    bool spill, uint64_t lsize, zio_prop_t *zp);

/* ---- transactions -------------------------------------------------------- */

typedef enum dmu_tx_hold_type {
	THT_WRITE,
	THT_FREE,
	THT_ZAP,
	THT_BONUS,
	THT_SPILL,
	THT_SPACE,
	THT_NEWOBJECT
} dmu_tx_hold_type_t;
typedef struct dmu_tx_hold {
	list_node_t txh_node;
	dmu_tx_hold_type_t txh_type;
	uint64_t txh_object;
	uint64_t txh_off, txh_len;
	dbuf_t *txh_pin[2];
} dmu_tx_hold_t;
typedef struct dmu_tx_callback {
	list_node_t dcb_node;
	void (*dcb_func)(void *, int);
	void *dcb_arg;
} dmu_tx_callback_t;
struct dmu_tx {
	objset_t *tx_os;
	spa_t *tx_spa;
	uint64_t tx_txg; /* 0: not assigned */
	txg_handle_t tx_th;
	bool tx_syncing, tx_netfree, tx_reserved, tx_throttle;
	int tx_err;
	uint64_t tx_space, tx_wait_txg;
	list_t tx_holds, tx_callbacks;
	void *tx_cookie;
};
/* Debug: panics if tx does not hold what it dirties. */
void dmu_tx_check(dmu_tx_t *tx, dbuf_t *db);
void dmu_tx_callbacks_fini(void);

/* ---- prefetch ------------------------------------------------------------ */
void zfetch_read(dnode_t *dn, uint64_t blkid, uint64_t nblks);
void zfetch_destroy(dnode_t *dn);

/* Bytes behind db_data: a bonus has room for all its dnode can hold. */
static inline uint64_t
dbuf_alloc_size(const dbuf_t *db)
{
	return (db->db_blkid == DMU_BONUS_BLKID
		    ? (uint64_t)dnode_bonus_capacity(db->db_dn)
		    : db->db.db_size);
}

static inline dbuf_t *
dbuf_of(dmu_buf_t *db)
{
	return ((dbuf_t *)(void *)db);
}

#endif
