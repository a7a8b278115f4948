/*
 * dmu: the data management unit. Object sets full of objects, objects full of
 * blocks, changed in transactions. Source: format/02 §1; format/01 §9–10 (write
 * policy).
 *
 * objset  hundreds of millions of objects, described by dnodes in the meta-dnode
 * dnode   one object: block tree, bonus buffer, spill block
 * dbuf    one block of one object in memory; dirty versions for up to three txgs
 * tx      a transaction: changes that reach the disk together, in one txg
 *
 * Who may write: tx = dmu_tx_create; holds (what will be touched); assign; change;
 * commit. Inside the sync thread: dmu_tx_create_assigned.
 *
 * Locks, from first to last: dn_struct_rwlock (shape of a dnode) > db_mtx (one dbuf)
 * > dn_mtx (dirty lists of a dnode) > os_lock. No lock of these is held across I/O
 * waits, except that a dbuf in state READ/FILL makes others wait on its cv.
 *
 * The layer above (dsl) hangs on through objset_ops_t.
 */
#ifndef TARN_DMU_H
#define TARN_DMU_H

#include "spl/spl.h"
#include "ondisk/ondisk.h"
#include "zio/zio.h"
#include "spa/spa.h"
#include "arc/arc.h"

typedef struct objset objset_t;
typedef struct dnode dnode_t;
typedef struct dmu_tx dmu_tx_t;

/* What holders see of a dbuf. */
typedef struct dmu_buf {
	uint64_t db_object;
	uint64_t db_offset; /* byte offset in the object; DMU_BONUS_BLKID etc. as blkid
			       -> offset 0 */
	uint64_t db_size;
	void *db_data; /* valid while held; metadata in host byte order */
} dmu_buf_t;

#define DMU_META_DNODE_OBJECT 0ULL
#define DMU_USERUSED_OBJECT (-1ULL)
#define DMU_GROUPUSED_OBJECT (-2ULL)
#define DMU_PROJECTUSED_OBJECT (-3ULL)
#define DMU_NEW_OBJECT (-1ULL)
#define DMU_OBJECT_END (-1ULL)
#define DMU_POOL_DIRECTORY_OBJECT 1ULL

typedef struct dmu_acct_change {
	/* One accounted dnode of a txg (format/02 §1.10): ids as found in the bonus
	 * before/after. */
	uint64_t object;
	uint64_t old_used, new_used; /* bytes */
	bool old_counted, new_counted;
	uint64_t old_uid, old_gid, old_projid, new_uid, new_gid, new_projid;
	bool old_obj_counted,
	    new_obj_counted; /* in the `obj-` entries too (dnode flag 0x8) */
} dmu_acct_change_t;

/* What the dsl does for an objset; every pointer may be NULL (MOS, tests). */
typedef struct objset_ops {
	/* First change in this txg; the dsl puts the dataset on its dirty list. Open or
	 * syncing context. */
	void (*oso_dirty)(objset_t *os, dmu_tx_t *tx);
	/* A block got its final pointer in syncing context; any thread. */
	void (*oso_block_born)(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx);
	/* The objset does not need bp any more (free it or put it on the deadlist). Any
	 * thread. */
	void (*oso_block_kill)(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx);
	/*
	 * May this transaction use that much more (bytes, worst case, copies and
	 * metadata included)? 0, ENOSPC, EDQUOT, ERESTART (wait for a txg and try
	 * again). *cookie for _clear.
	 */
	int (*oso_tempreserve)(
	    objset_t *os, uint64_t asize, bool netfree, dmu_tx_t *tx, void **cookie);
	void (*oso_tempreserve_clear)(objset_t *os, void *cookie, dmu_tx_t *tx);
	/* Read owner ids from a bonus buffer (SA/znode): false = not accounted. `bonus`
	 * host order dnode. */
	bool (*oso_owner)(objset_t *os, dmu_object_type_t bonustype, const void *bonus,
	    uint64_t len, uint64_t *uid, uint64_t *gid, uint64_t *projid);
	/* After the data of a txg is written: update the used ZAPs. n changes. */
	void (*oso_account)(
	    objset_t *os, const dmu_acct_change_t *c, size_t n, dmu_tx_t *tx);
} objset_ops_t;

/* Values of op_primarycache, as the property is stored (format/03 §3.2). */
#define ZFS_CACHE_NONE 0
#define ZFS_CACHE_METADATA 1
#define ZFS_CACHE_ALL 2

/* Properties that decide how blocks are written; changed by the dsl at any time
 * (atomics). */
typedef struct objset_props {
	uint8_t op_checksum; /* enum zio_checksum, resolved (no INHERIT); ON allowed */
	uint8_t op_compress; /* enum zio_compress; ON allowed */
	uint8_t op_complevel;
	uint8_t op_copies;
	uint8_t op_redundant_metadata; /* 0 all 1 most 2 some 3 none */
	uint8_t op_dedup, op_sync, op_logbias, op_primarycache;
	uint64_t op_recordsize;
	uint64_t op_dnodesize; /* bytes for new objects: 512…16384 */
} objset_props_t;

/* ---- object sets --------------------------------------------------------- */

/*
 * Open the object set whose root block is bp (NULL or hole: none yet; then
 * dmu_objset_create_impl must follow). `dsobj` identifies it in bookmarks (0: MOS). ops
 * may be NULL. errno: EIO, ECKSUM, EINVAL (bad header).
 */
int dmu_objset_open_impl(spa_t *spa, uint64_t dsobj, const blkptr_t *bp,
    const objset_ops_t *ops, void *dsl_private, objset_t **osp);
/* Make the in-memory object set a fresh empty one of this type, dirty in tx (syncing
 * context). */
void dmu_objset_create_impl(objset_t *os, dmu_objset_type_t type, dmu_tx_t *tx);
/* Drop it; nothing may be held or dirty. */
void dmu_objset_close_impl(objset_t *os);
/* Throw away all cached clean dbufs (rollback, export). EBUSY if some are held. */
int dmu_objset_evict(objset_t *os);

/*
 * Write everything dirty in tx's txg; issues zios below pio. When pio has completed
 * call dmu_objset_sync_done. The new root pointer is in dmu_objset_rootbp after that.
 */
void dmu_objset_sync(objset_t *os, zio_t *pio, dmu_tx_t *tx);
/* User accounting after the first write of a txg; if it dirtied anything, true: sync
 * once more. */
bool dmu_objset_do_userquota(objset_t *os, dmu_tx_t *tx);
void dmu_objset_sync_done(objset_t *os, dmu_tx_t *tx);
/* Something outside of objects changed (the ZIL header in dmu_objset_phys): write the
 * header. */
void dmu_objset_dirty(objset_t *os, dmu_tx_t *tx);
bool dmu_objset_is_dirty(objset_t *os, uint64_t txg);
const blkptr_t *dmu_objset_rootbp(objset_t *os);
objset_phys_t *dmu_objset_phys(objset_t *os); /* in-memory header (host order) */
uint64_t dmu_objset_phys_size(objset_t *os);  /* 1024, 2048 or 4096 */
uint64_t dmu_objset_fill(objset_t *os);	      /* number of objects */
/* Bytes dirtied so far in an open or syncing txg (a block counts once). */
uint64_t dmu_objset_dirty_bytes(objset_t *os, uint64_t txg);
/*
 * Per-dataset features that blocks or dnodes written since the object set was opened
 * ask for (format/03 §1.9): bit = spa_feature_t. Complete for a txg after
 * dmu_objset_sync_done.
 */
uint64_t dmu_objset_features_seen(objset_t *os);

spa_t *dmu_objset_spa(objset_t *os);
void *dmu_objset_private(objset_t *os); /* dsl_private */
uint64_t dmu_objset_id(objset_t *os);	/* dsobj */
dmu_objset_type_t dmu_objset_type(objset_t *os);
objset_props_t *dmu_objset_props(objset_t *os);
bool dmu_objset_is_mos(objset_t *os);
void dmu_objset_set_readonly(
    objset_t *os, bool ro); /* snapshots, read-only pools: EROFS from assign */
/* A pointer for the layer above (zfsvfs_t, zvol). */
void dmu_objset_set_user(objset_t *os, void *ptr);
void *dmu_objset_get_user(objset_t *os);

/* ---- transactions -------------------------------------------------------- */

#define DMU_TX_WAIT 0x1	  /* wait for a txg with room */
#define DMU_TX_NOWAIT 0x0 /* ERESTART instead */
#define DMU_TX_NOTHROTTLE 0x2

dmu_tx_t *dmu_tx_create(objset_t *os);
/* Sync thread: already in txg. os may be NULL. Ends with dmu_tx_commit. */
dmu_tx_t *dmu_tx_create_assigned(spa_t *spa, uint64_t txg);
void dmu_tx_hold_write(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len);
void dmu_tx_hold_free(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len);
/* add: a name will be added (may grow); object DMU_NEW_OBJECT: a new ZAP. */
void dmu_tx_hold_zap(dmu_tx_t *tx, uint64_t object, bool add, const char *name);
void dmu_tx_hold_bonus(dmu_tx_t *tx, uint64_t object);
void dmu_tx_hold_spill(dmu_tx_t *tx, uint64_t object);
void dmu_tx_hold_space(dmu_tx_t *tx, uint64_t bytes);
/* This transaction frees more than it uses: allowed into the reserved slop. */
void dmu_tx_mark_netfree(dmu_tx_t *tx);
/*
 * Enter a txg. 0; EROFS; ENOSPC; EDQUOT; EIO (suspended, failmode continue); ERESTART
 * (only without WAIT: dmu_tx_wait, abort and build it again). Hold no lock that the
 * sync thread may need.
 */
int dmu_tx_assign(dmu_tx_t *tx, uint32_t flags);
void dmu_tx_wait(dmu_tx_t *tx);
void dmu_tx_commit(dmu_tx_t *tx);
void dmu_tx_abort(dmu_tx_t *tx); /* before assign succeeded */
uint64_t dmu_tx_get_txg(dmu_tx_t *tx);
spa_t *dmu_tx_spa(dmu_tx_t *tx);
bool dmu_tx_is_syncing(dmu_tx_t *tx);
/* func(arg, error) when the txg is on disk. */
void dmu_tx_callback_register(dmu_tx_t *tx, void (*func)(void *, int), void *arg);
/*
 * Call the callbacks of all transactions up to txg of this pool. For the pool's sync
 * thread, after the uberblock is on disk (error 0), or when the pool is given up.
 */
void dmu_tx_callbacks_run(spa_t *spa, uint64_t txg, int error);

/* ---- objects ------------------------------------------------------------- */

/*
 * Allocate an object: blocksize 0 = default 512, indirect shift default; dnodesize 0 =
 * objset's. Returns its number (never 0). An object freed in this txg is not given out
 * in the same txg.
 */
uint64_t dmu_object_alloc(objset_t *os, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx);
uint64_t dmu_object_alloc_dnsize(objset_t *os, dmu_object_type_t type, int blocksize,
    int indirect_blockshift, dmu_object_type_t bonustype, int bonuslen, int dnodesize,
    dmu_tx_t *tx);
/* A given number (receive, pool creation). EEXIST. */
int dmu_object_claim(objset_t *os, uint64_t object, dmu_object_type_t type,
    int blocksize, dmu_object_type_t bonustype, int bonuslen, int dnodesize,
    dmu_tx_t *tx);
/* Free data, spill and dnode. ENOENT, EBUSY never: holders keep a dead dbuf. */
int dmu_object_free(objset_t *os, uint64_t object, dmu_tx_t *tx);
/* Next allocated object (hole: free slot) after *objectp. ESRCH: none. */
int dmu_object_next(objset_t *os, uint64_t *objectp, bool hole, uint64_t txg);
int dmu_object_set_blocksize(
    objset_t *os, uint64_t object, uint64_t size, int ibs, dmu_tx_t *tx);
void dmu_object_set_checksum(
    objset_t *os, uint64_t object, uint8_t checksum, dmu_tx_t *tx);
void dmu_object_set_compress(
    objset_t *os, uint64_t object, uint8_t compress, dmu_tx_t *tx);
/* Change the dnode's type in place (zapify, format/02 §2.9). */
int dmu_object_set_type(
    objset_t *os, uint64_t object, dmu_object_type_t type, dmu_tx_t *tx);

typedef struct dmu_object_info {
	uint32_t doi_data_block_size, doi_metadata_block_size;
	dmu_object_type_t doi_type, doi_bonus_type;
	uint64_t doi_bonus_size, doi_dnodesize;
	uint8_t doi_indirection, doi_checksum, doi_compress, doi_nblkptr, doi_flags;
	uint64_t
	    doi_physical_blocks_512; /* as st_blocks, incl. dnode: format/04 §2.6 */
	uint64_t doi_max_offset, doi_fill_count, doi_used_bytes, doi_maxblkid;
} dmu_object_info_t;
int dmu_object_info(objset_t *os, uint64_t object, dmu_object_info_t *doi); /* ENOENT */
/* Space as st_blksize/st_blocks without a lookup: by a held buffer. */
void dmu_object_size_from_db(dmu_buf_t *db, uint32_t *blksize, uint64_t *nblk512);
void dmu_object_info_from_db(dmu_buf_t *db, dmu_object_info_t *doi);
/* Copy of the dnode as it stands in memory (zdb, send). */
int dmu_object_phys(
    objset_t *os, uint64_t object, dnode_phys_t *dnp /* 512 bytes header part */);

/* ---- buffers ------------------------------------------------------------- */

/* Held until dmu_buf_rele; tag documents the holder. Errors ENOENT, EIO, ECKSUM. */
int dmu_bonus_hold(objset_t *os, uint64_t object, const void *tag, dmu_buf_t **dbp);
int dmu_spill_hold(
    dmu_buf_t *bonus, const void *tag, dmu_buf_t **dbp); /* ENOENT: no spill */
/* Create (size bytes, multiple of 512) or get the spill block for writing. */
int dmu_spill_hold_create(
    dmu_buf_t *bonus, uint64_t size, const void *tag, dmu_tx_t *tx, dmu_buf_t **dbp);
int dmu_spill_remove(dmu_buf_t *bonus, dmu_tx_t *tx);
int dmu_set_bonus(dmu_buf_t *bonus, int newsize, dmu_tx_t *tx);
int dmu_set_bonustype(dmu_buf_t *bonus, dmu_object_type_t type, dmu_tx_t *tx);
dmu_object_type_t dmu_get_bonustype(dmu_buf_t *bonus);
int dmu_bonus_max(
    dmu_buf_t *bonus); /* capacity with one block pointer, no spill: 512*S-192 */

#define DMU_READ_PREFETCH 0
#define DMU_READ_NO_PREFETCH 1
/* The block that contains `offset`. */
int dmu_buf_hold(objset_t *os, uint64_t object, uint64_t offset, const void *tag,
    dmu_buf_t **dbp, int flags);
/*
 * All blocks of a range; read in parallel. Free with dmu_buf_rele_array. With read = false
 * nothing is read: then only dmu_buf_will_fill is safe, as dmu_buf_will_dirty would have
 * to read and cannot report an error. EIO: beyond the block of an object of odd block size.
 */
int dmu_buf_hold_array(objset_t *os, uint64_t object, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp);
int dmu_buf_hold_array_by_bonus(dmu_buf_t *bonus, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp);
void dmu_buf_rele_array(dmu_buf_t **dbp, int numbufs, const void *tag);
void dmu_buf_add_ref(dmu_buf_t *db, const void *tag);
void dmu_buf_rele(dmu_buf_t *db, const void *tag);
/*
 * Before changing db_data in tx (db_data may move: read it again). db was held by a
 * function that reads.
 */
void dmu_buf_will_dirty(dmu_buf_t *db, dmu_tx_t *tx);
/* The same when every byte will be overwritten: no read. */
void dmu_buf_will_fill(dmu_buf_t *db, dmu_tx_t *tx);
void dmu_buf_fill_done(dmu_buf_t *db, dmu_tx_t *tx);

/*
 * A user object attached to a dbuf (zap, znode, sa handle): evict is called once when
 * the dbuf's data goes; it must not block on dmu locks. dmu_buf_set_user returns the
 * one already there.
 */
typedef struct dmu_buf_user {
	void (*dbu_evict)(struct dmu_buf_user *dbu);
	taskq_ent_t dbu_ent;
} dmu_buf_user_t;
dmu_buf_user_t *dmu_buf_set_user(dmu_buf_t *db, dmu_buf_user_t *user);
dmu_buf_user_t *dmu_buf_get_user(dmu_buf_t *db);
dmu_buf_user_t *dmu_buf_remove_user(dmu_buf_t *db, dmu_buf_user_t *user);
objset_t *dmu_buf_get_objset(dmu_buf_t *db);

/* ---- data ---------------------------------------------------------------- */

int dmu_read(objset_t *os, uint64_t object, uint64_t offset, uint64_t size, void *buf,
    int flags);
int dmu_read_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, void *buf, int flags);
/* The ranges must be held in tx. */
int dmu_write(objset_t *os, uint64_t object, uint64_t offset, uint64_t size,
    const void *buf, dmu_tx_t *tx);
int dmu_write_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, const void *buf, dmu_tx_t *tx);
/* Free (punch) a range in tx; whole blocks become holes, edges are zeroed.
 * DMU_OBJECT_END. */
int dmu_free_range(
    objset_t *os, uint64_t object, uint64_t offset, uint64_t size, dmu_tx_t *tx);
/* The same in as many own transactions as it takes (large files). */
int dmu_free_long_range(objset_t *os, uint64_t object, uint64_t offset, uint64_t size);
int dmu_free_long_object(objset_t *os, uint64_t object);
void dmu_prefetch(objset_t *os, uint64_t object, uint64_t offset, uint64_t len);
void dmu_prefetch_dnode(objset_t *os, uint64_t object);
/*
 * Next data (hole: next hole) at or after *off, also in dirty state. ESRCH: none.
 */
int dmu_offset_next(objset_t *os, uint64_t object, bool hole, uint64_t *off);

/* ---- walking stored blocks (scrub, zdb, send, destroy) ------------------- */

typedef int blkptr_cb_t(void *arg, spa_t *spa, const blkptr_t *bp,
    const zbookmark_phys_t *zb, const dnode_phys_t *dnp /* NULL for the objset block */,
    const void *data /* metadata content or NULL */);
#define TRAVERSE_PRE 0x1
#define TRAVERSE_POST 0x2
#define TRAVERSE_PREFETCH 0x4
#define TRAVERSE_HARD                                                                  \
	0x8 /* go on after read errors (callback hears of them with data NULL) */
#define TRAVERSE_NO_HOLES 0x10
#define TRAVERSE_VISIT_SKIP (-1)
/*
 * Every pointer below the objset block `root` with birth > mintxg, in object order,
 * reading metadata through the ARC from committed state. resume: start at/after it and
 * leave the place of a stop (EINTR from func) in it; may be NULL.
 */
int traverse_objset_bp(spa_t *spa, uint64_t dsobj, const blkptr_t *root,
    uint64_t mintxg, zbookmark_phys_t *resume, int flags, blkptr_cb_t *func, void *arg);

void dmu_init(uint64_t dbuf_cache_bytes); /* 0: default */
void dmu_fini(void);

#endif
