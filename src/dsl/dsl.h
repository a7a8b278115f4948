/*
 * dsl: the dataset and snapshot layer. Which object sets exist, what they are
 * called, what they inherit, and who is charged for every block.
 * Source: format/03 §1–§4; format/02 §6.
 *
 * dsl_pool     the whole of it for one spa: dirty lists, sync tasks, MOS deltas
 * dsl_dir      a name in the tree, its properties and space
 * dsl_dataset  an object set (head or snapshot) with its deadlist
 *
 * Everything the dsl changes on disk is changed by the sync thread, in sync tasks
 * (dsl_sync_task), so the MOS has one writer. The namespace is protected by
 * dp_config_lock: readers look things up, the sync thread writes it while it runs
 * a task. A reader must not wait for a txg while it holds it.
 *
 * Locks, first to last: dp_config_lock > dd_lock (child before parent) > ds_lock
 * > dp_lock > dmu locks. block_born/kill run on zio threads and take dd_lock,
 * ds_lock one after the other, never nested.
 */
#ifndef TARN_DSL_H
#define TARN_DSL_H

#include "dmu/dmu.h"
#include "zap/zap.h"
#include "nvpair/nvpair.h"

#define ZFS_MAX_DATASET_NAME_LEN 256
#define ZFS_MAX_DATASET_NESTING 50
#define ORIGIN_DIR_NAME "$ORIGIN"
#define MOS_DIR_NAME "$MOS"
#define FREE_DIR_NAME "$FREE"
#define LEAK_DIR_NAME "$LEAK"

/* Names in the object directory (format/02 §3). */
#define DMU_POOL_CONFIG "config"
#define DMU_POOL_ROOT_DATASET "root_dataset"
#define DMU_POOL_SYNC_BPOBJ "sync_bplist"
#define DMU_POOL_FREE_BPOBJ "free_bpobj"
#define DMU_POOL_CREATION_VERSION "creation_version"
#define DMU_POOL_DEFLATE "deflate"
#define DMU_POOL_HISTORY "history"
#define DMU_POOL_FEATURES_FOR_READ "features_for_read"
#define DMU_POOL_FEATURES_FOR_WRITE "features_for_write"
#define DMU_POOL_FEATURE_DESCRIPTIONS "feature_descriptions"
#define DMU_POOL_FEATURE_ENABLED_TXG "feature_enabled_txg"
#define DMU_POOL_CHECKSUM_SALT "org.illumos:checksum_salt"
#define DMU_POOL_VDEV_ZAP_MAP "com.delphix:vdev_zap_map"
#define DMU_POOL_LOG_SPACEMAP_ZAP "com.delphix:log_spacemap_zap"
#define DMU_POOL_EMPTY_BPOBJ "empty_bpobj"
#define DMU_POOL_BPTREE_OBJ "bptree_obj"
#define DMU_POOL_ERRLOG_LAST "errlog_last"
#define DMU_POOL_ERRLOG_SCRUB "errlog_scrub"
#define DMU_POOL_SCAN "scan"
#define DMU_POOL_LAST_SCRUBBED_TXG "last_scrubbed_txg"
#define DMU_POOL_PROPS "pool_props"

typedef struct dsl_pool dsl_pool_t;
typedef struct dsl_dir dsl_dir_t;
typedef struct dsl_dataset dsl_dataset_t;

/* ---- block lists (bpobj.c, dsl_deadlist.c; format/02 §6) ------------------------------------ */

typedef struct bpobj {
	kmutex_t bpo_lock;
	objset_t *bpo_os;
	uint64_t bpo_object;
	dmu_buf_t *bpo_dbuf; /* bonus, held while open */
	int bpo_epb;         /* block pointers in a block of the object */
	uint64_t bpo_blksz;
	bool bpo_havecomp, bpo_havesubobj, bpo_havefreed; /* by header size */
} bpobj_t;
/* Free with bpobj_free. blocksize: 128 KiB normally. */
uint64_t bpobj_alloc(objset_t *os, int blocksize, dmu_tx_t *tx);
void bpobj_free(dsl_pool_t *dp, uint64_t obj, dmu_tx_t *tx); /* with sub-objects; not their blocks */
int bpobj_open(bpobj_t *bpo, objset_t *os, uint64_t obj);
void bpobj_close(bpobj_t *bpo);
bool bpobj_is_empty(bpobj_t *bpo);
void bpobj_space(bpobj_t *bpo, uint64_t *used, uint64_t *comp, uint64_t *uncomp);
void bpobj_enqueue(bpobj_t *bpo, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx);
void bpobj_enqueue_subobj(dsl_pool_t *dp, bpobj_t *bpo, uint64_t subobj, dmu_tx_t *tx);
typedef int bpobj_itor_t(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx);
/* From the end backwards; what func has returned 0 for is removed. Stops at an error. */
int bpobj_iterate(bpobj_t *bpo, bpobj_itor_t *func, void *arg, dmu_tx_t *tx);
int bpobj_iterate_nofree(bpobj_t *bpo, bpobj_itor_t *func, void *arg);
/* References to the shared empty bpobj (format/02 §6.2). */
uint64_t bpobj_alloc_empty(dsl_pool_t *dp, dmu_tx_t *tx);
void bpobj_decr_empty(dsl_pool_t *dp, dmu_tx_t *tx);

typedef struct dsl_deadlist {
	kmutex_t dl_lock;
	dsl_pool_t *dl_dp;
	uint64_t dl_object;
	dmu_buf_t *dl_dbuf;
	bool dl_oldfmt;
	bpobj_t dl_bpobj;  /* old form */
	avl_tree_t dl_tree; /* dsl_deadlist_entry_t by mintxg */
	bool dl_loaded;
} dsl_deadlist_t;
uint64_t dsl_deadlist_alloc(dsl_pool_t *dp, dmu_tx_t *tx);
void dsl_deadlist_free(dsl_pool_t *dp, uint64_t dlobj, dmu_tx_t *tx);
int dsl_deadlist_open(dsl_deadlist_t *dl, dsl_pool_t *dp, uint64_t object);
void dsl_deadlist_close(dsl_deadlist_t *dl);
void dsl_deadlist_insert(dsl_deadlist_t *dl, const blkptr_t *bp, dmu_tx_t *tx);
void dsl_deadlist_add_key(dsl_deadlist_t *dl, uint64_t mintxg, dmu_tx_t *tx);
/* New deadlist with the keys < maxtxg of dl, empty. */
uint64_t dsl_deadlist_clone(dsl_deadlist_t *dl, uint64_t maxtxg, dmu_tx_t *tx);
void dsl_deadlist_space(dsl_deadlist_t *dl, uint64_t *used, uint64_t *comp, uint64_t *uncomp);

/* ---- directories ---------------------------------------------------------------------------- */

struct dsl_dir {
	avl_node_t dd_node; /* dp_dirs, by object; dp_lock */
	uint64_t dd_object;
	dsl_pool_t *dd_pool;
	dsl_dir_t *dd_parent; /* held; NULL for the root */
	uint64_t dd_holds;    /* dp_lock */
	dmu_buf_t *dd_dbuf;   /* bonus */
	kmutex_t dd_lock;     /* space numbers in the bonus, the estimates below */
	char dd_name[ZFS_MAX_DATASET_NAME_LEN]; /* component; dp_config_lock */
	uint64_t dd_space_towrite[TXG_SIZE]; /* promised to transactions, until synced */
	uint64_t dd_origin_txg;
	txg_node_t dd_dirty_node;
};

struct dsl_dataset {
	avl_node_t ds_node; /* dp_datasets, by object; dp_lock */
	uint64_t ds_object;
	dsl_pool_t *ds_pool;
	dsl_dir_t *ds_dir; /* held */
	dsl_dataset_t *ds_prev; /* held; previous snapshot */
	uint64_t ds_holds;      /* dp_lock */
	const void *ds_owner;   /* dp_lock: who mounted it or works on it exclusively */
	dmu_buf_t *ds_dbuf;     /* bonus */
	kmutex_t ds_lock;       /* space numbers, refreservation */
	kmutex_t ds_opening_lock;
	objset_t *ds_objset;    /* open object set or NULL; ds_opening_lock */
	char ds_snapname[ZFS_MAX_DATASET_NAME_LEN]; /* "" for a head */
	bool ds_is_snapshot;
	uint64_t ds_quota, ds_reserved; /* refquota, refreservation */
	dsl_deadlist_t ds_deadlist;
	bool ds_deadlist_open;
	kmutex_t ds_pending_lock;
	list_t ds_pending; /* blocks killed in the syncing txg that go to the deadlist */
	txg_node_t ds_dirty_node;
	list_node_t ds_synced_node;
	uint64_t ds_promised[TXG_SIZE]; /* of dd_space_towrite: for what is dirty; ds_lock */
	uint64_t ds_features; /* per-dataset features active on disk, bit = spa_feature_t */
	bool ds_dead;
};

struct dsl_pool {
	spa_t *dp_spa;
	objset_t *dp_meta_objset;
	uint64_t dp_root_dir_obj;
	dsl_dir_t *dp_root_dir, *dp_mos_dir, *dp_free_dir, *dp_leak_dir;
	dsl_dataset_t *dp_origin_snap;
	uint64_t dp_empty_bpobj, dp_bptree_obj;
	bpobj_t dp_free_bpobj;
	bool dp_free_bpobj_open;
	krwlock_t dp_config_lock;
	kmutex_t dp_lock; /* trees of open dirs and datasets, MOS deltas, task list */
	avl_tree_t dp_dirs, dp_datasets;
	int64_t dp_mos_used, dp_mos_comp, dp_mos_uncomp; /* deltas not yet charged */
	txg_list_t dp_dirty_datasets, dp_dirty_dirs;
	list_t dp_sync_tasks[TXG_SIZE];
	void *dp_scan;
};

/* ---- life of the pool part (called by the room `pool`) --------------------------------------- */

/* Open an existing pool's dsl (MOS open, features loaded). errno. */
int dsl_pool_open(spa_t *spa, dsl_pool_t **dpp);
/* Make root dir, $MOS, $FREE, $ORIGIN in a new MOS (format/02 §11), in tx of TXG_INITIAL. */
dsl_pool_t *dsl_pool_create(spa_t *spa, dmu_tx_t *tx);
/*
 * Root dataset of a new pool; create_fs fills the new object set. Called after the features
 * were enabled.
 */
typedef void dsl_create_objset_func_t(objset_t *os, void *arg, dmu_tx_t *tx);
/* Properties of the root dataset of a new pool, in the same tx. */
void dsl_pool_set_root_props(dsl_pool_t *dp, const nvlist_t *props, dmu_tx_t *tx);
int dsl_pool_create_root(
    dsl_pool_t *dp, dsl_create_objset_func_t *create_fs, void *arg, dmu_tx_t *tx);
void dsl_pool_close(dsl_pool_t *dp);
/* One sync pass (format/02 §10.2, step 4). */
void dsl_pool_sync(dsl_pool_t *dp, uint64_t txg);
/* After the uberblock of txg is on disk. */
void dsl_pool_sync_done(dsl_pool_t *dp, uint64_t txg);
void dsl_pool_config_enter(dsl_pool_t *dp);
void dsl_pool_config_exit(dsl_pool_t *dp);
/*
 * Owner ids in a bonus buffer (oso_owner of all datasets): the format is the zpl's, which
 * registers itself here.
 */
extern bool (*dsl_bonus_owner)(objset_t *os, dmu_object_type_t bonustype, const void *bonus,
    uint64_t len, uint64_t *uid, uint64_t *gid, uint64_t *projid);
/* ops for the MOS object set: accounts its births and frees. */
extern const objset_ops_t dsl_mos_objset_ops;
/* Bytes all datasets together may use, with slop class 0 normal, 1 half, 2 quarter, 3 none. */
uint64_t dsl_pool_adjustedsize(dsl_pool_t *dp, int slop);

/* ---- sync tasks ------------------------------------------------------------------------------- */

typedef enum zfs_space_check {
	ZFS_SPACE_CHECK_NORMAL,
	ZFS_SPACE_CHECK_RESERVED,
	ZFS_SPACE_CHECK_EXTRA_RESERVED,
	ZFS_SPACE_CHECK_NONE
} zfs_space_check_t;
typedef int dsl_checkfunc_t(void *arg, dmu_tx_t *tx);
typedef void dsl_syncfunc_t(void *arg, dmu_tx_t *tx);
/*
 * Run check in open context (early answer), then check and, if that is 0, sync in the sync
 * thread with dp_config_lock held as writer; return when the txg is on disk. check may be NULL.
 */
int dsl_sync_task(dsl_pool_t *dp, dsl_checkfunc_t *check, dsl_syncfunc_t *sync, void *arg,
    int blocks_modified, zfs_space_check_t sc);
/* The same without waiting: arg must live until sync has run; no answer. Open or syncing context. */
void dsl_sync_task_nowait(dsl_pool_t *dp, dsl_syncfunc_t *sync, void *arg, dmu_tx_t *tx);

/* ---- names, dirs, datasets ---------------------------------------------------------------------- */

/* Syntax of a dataset or snapshot name: 0, EINVAL, ENAMETOOLONG. */
int dsl_name_check(const char *name);
/* All holds: dp_config_lock held as reader (or sync task). ENOENT, EXDEV other pool, EINVAL. */
int dsl_dir_hold(dsl_pool_t *dp, const char *name, const void *tag, dsl_dir_t **ddp,
    const char **tailp /* rest that does not exist, or NULL to insist */);
int dsl_dir_hold_obj(dsl_pool_t *dp, uint64_t ddobj, const char *tail, const void *tag,
    dsl_dir_t **ddp);
void dsl_dir_rele(dsl_dir_t *dd, const void *tag);
void dsl_dir_name(dsl_dir_t *dd, char *buf /* ZFS_MAX_DATASET_NAME_LEN */);
int dsl_dataset_hold(dsl_pool_t *dp, const char *name, const void *tag, dsl_dataset_t **dsp);
int dsl_dataset_hold_obj(
    dsl_pool_t *dp, uint64_t dsobj, const void *tag, dsl_dataset_t **dsp);
void dsl_dataset_rele(dsl_dataset_t *ds, const void *tag);
/* Exclusive use (mounting, destroying): EBUSY if owned, or INCONSISTENT. */
int dsl_dataset_own(dsl_pool_t *dp, const char *name, const void *tag, dsl_dataset_t **dsp);
void dsl_dataset_disown(dsl_dataset_t *ds, const void *tag);
void dsl_dataset_name(dsl_dataset_t *ds, char *buf);
/* The object set; stays open as long as the dataset is held. */
int dsl_dataset_get_objset(dsl_dataset_t *ds, objset_t **osp);
dsl_dir_phys_t *dsl_dir_phys(dsl_dir_t *dd);
dsl_dataset_phys_t *dsl_dataset_phys(dsl_dataset_t *ds);

/* Children of a dir by name; func returns non-zero to stop. Names with $ and % are left out. */
int dsl_dir_foreach_child(dsl_dir_t *dd, int (*func)(void *arg, const char *name, uint64_t ddobj),
    void *arg);
int dsl_dataset_foreach_snapshot(dsl_dataset_t *ds,
    int (*func)(void *arg, const char *name, uint64_t dsobj), void *arg);

/* ---- operations (each a sync task; waits for its txg) --------------------------------------------- */

/*
 * Create a file system or volume. props: name -> uint64/string, set as local. EEXIST, ENOENT (parent), EINVAL,
 * ENAMETOOLONG, ENOSPC, EDQUOT, ENOTSUP.
 */
int dsl_dataset_create(dsl_pool_t *dp, const char *name, dmu_objset_type_t type,
    const nvlist_t *props, dsl_create_objset_func_t *create_fs, void *arg, uint64_t owner_uid);
int dsl_dataset_destroy(dsl_pool_t *dp, const char *name);
int dsl_dir_rename(dsl_pool_t *dp, const char *oldname, const char *newname);

/* ---- properties (dsl_prop.c; format/03 §3) ---------------------------------------------------------- */

typedef enum zprop_source {
	ZPROP_SRC_NONE = 0x1,
	ZPROP_SRC_DEFAULT = 0x2,
	ZPROP_SRC_TEMPORARY = 0x4,
	ZPROP_SRC_LOCAL = 0x8,
	ZPROP_SRC_INHERITED = 0x10,
	ZPROP_SRC_RECEIVED = 0x20
} zprop_source_t;

typedef enum zprop_type { PROP_TYPE_NUMBER, PROP_TYPE_STRING, PROP_TYPE_INDEX } zprop_type_t;
typedef struct zprop_index {
	const char *pi_name;
	uint64_t pi_value;
} zprop_index_t;
#define ZFS_TYPE_FILESYSTEM 0x1
#define ZFS_TYPE_SNAPSHOT 0x2
#define ZFS_TYPE_VOLUME 0x4
#define ZFS_TYPE_BOOKMARK 0x20
/* One native dataset property stored in the props ZAP (format/03 §3.2). */
typedef struct zfs_prop_info {
	const char *pd_name;
	zprop_type_t pd_type;
	bool pd_inheritable;
	int pd_types; /* where valid */
	uint64_t pd_numdefault;
	const char *pd_strdefault;
	const zprop_index_t *pd_index; /* ends with NULL name; first match of a value is shown */
} zfs_prop_info_t;
extern const zfs_prop_info_t zfs_prop_table[];
extern const size_t zfs_prop_count;
const zfs_prop_info_t *zfs_prop_lookup(const char *name); /* NULL unknown; aliases resolved */

/* Value and source (`setpoint`: 256 bytes, the dataset it is inherited from; may be NULL). */
int dsl_prop_get_int(dsl_dataset_t *ds, const char *name, uint64_t *v, zprop_source_t *src,
    char *setpoint);
int dsl_prop_get_string(dsl_dataset_t *ds, const char *name, char *buf, size_t size,
    zprop_source_t *src, char *setpoint);
/*
 * Every stored or inherited property, native and user: nvlist name -> nvlist {value: uint64|string,
 * source: string (setpoint name, "$recvd", or "" for default)}.
 */
int dsl_prop_get_all(dsl_dataset_t *ds, nvlist_t **nvlp);
/* Set several (uint64/string values) as local; a nvlist boolean value means inherit. */
int dsl_props_set(dsl_pool_t *dp, const char *dsname, const nvlist_t *props);
int dsl_prop_inherit(dsl_pool_t *dp, const char *dsname, const char *propname, bool received);
/* Called after a property changed anywhere in the tree below dsname; set once by the server. */
extern void (*dsl_prop_changed)(dsl_pool_t *dp, const char *dsname);

/* ---- numbers ------------------------------------------------------------------------------------------- */

typedef struct dsl_dataset_stat {
	bool dds_is_snapshot, dds_inconsistent;
	uint64_t dds_object, dds_guid, dds_creation_time, dds_creation_txg, dds_fsid_guid;
	uint64_t dds_used, dds_available, dds_referenced, dds_logicalused, dds_logicalreferenced;
	uint64_t dds_usedbydataset, dds_usedbysnapshots, dds_usedbychildren, dds_usedbyrefreservation;
	uint64_t dds_written, dds_unique, dds_compressratio, dds_refcompressratio; /* ×100 */
	uint64_t dds_objects; /* in the object set */
	uint64_t dds_num_clones;
	dmu_objset_type_t dds_type;
	char dds_origin[ZFS_MAX_DATASET_NAME_LEN];
} dsl_dataset_stat_t;
void dsl_dataset_stats(dsl_dataset_t *ds, dsl_dataset_stat_t *st);
/* For statfs. */
void dsl_dataset_space(dsl_dataset_t *ds, uint64_t *refd, uint64_t *avail, uint64_t *objused,
    uint64_t *objavail);
uint64_t dsl_dir_space_available(dsl_dir_t *dd, const dsl_dir_t *ancestor, int64_t delta, bool ondisk);
void dsl_dir_diduse_space(dsl_dir_t *dd, dd_used_t type, int64_t used, int64_t compressed,
    int64_t uncompressed, dmu_tx_t *tx);
void dsl_dir_transfer_space(dsl_dir_t *dd, int64_t delta, int64_t compressed, int64_t uncompressed,
    int64_t tonew, dd_used_t oldtype, dd_used_t newtype, dmu_tx_t *tx);
void dsl_dir_shift_space(dsl_dir_t *dd, int64_t delta, dd_used_t oldtype, dd_used_t newtype,
    dmu_tx_t *tx);

/* Set a per-dataset feature's attribute (zapifies; format/03 §1.9). Syncing context. */
void dsl_dataset_activate_feature(uint64_t dsobj, spa_feature_t f, dmu_tx_t *tx);
/* The new object set of a file system: count users, objects, projects. Syncing context. */
void dsl_dataset_init_accounting(dsl_dataset_t *ds, objset_t *os, dmu_tx_t *tx);

/* ---- scan: scrub (dsl_scan.c; format/02 §9.1) ------------------------------------------------------------ */

typedef struct pool_scan_stat {
	uint64_t pss_func, pss_state, pss_start_time, pss_end_time, pss_to_examine, pss_examined,
	    pss_skipped, pss_processed, pss_errors, pss_pass_start, pss_pass_examined,
	    pss_pass_issued, pss_issued, pss_pass_pause, pss_pass_paused_time, pss_pass_resumed;
} pool_scan_stat_t;
int dsl_scan_init(dsl_pool_t *dp, uint64_t txg);
void dsl_scan_fini(dsl_pool_t *dp);
/* A slice of work in the sync thread: async destroys, scrub. */
void dsl_scan_sync(dsl_pool_t *dp, dmu_tx_t *tx);
int dsl_scan_start(dsl_pool_t *dp, enum pool_scan_func func); /* EBUSY; resumes a paused one */
int dsl_scan_cancel(dsl_pool_t *dp); /* ENOENT */
int dsl_scan_pause(dsl_pool_t *dp, bool pause);
bool dsl_scan_active(dsl_pool_t *dp); /* wants more txgs */
void dsl_scan_stat(dsl_pool_t *dp, pool_scan_stat_t *ps);
/* Called when a scan ends (error logs rotate); set by the pool. */
extern void (*dsl_scan_finished)(spa_t *spa, bool complete, dmu_tx_t *tx);
/* Record in the pool's history; set by the pool, may be NULL. Syncing context. */
extern void (*dsl_history_internal)(
    spa_t *spa, const char *op, const char *dsname, uint64_t dsobj, dmu_tx_t *tx, const char *msg);

#endif
