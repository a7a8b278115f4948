/*
 * spa: the storage pool allocator. The state of one pool that everything above
 * shares: its vdev tree and config lock, transaction groups, metaslab allocator,
 * feature refcounts, capacity, error list.
 *
 * This room works in memory. What it must read from or write to the MOS (space maps,
 * features, config …) is done by the room `pool` at the top, which registers itself
 * with spa_upper_ops_t: arrows point downwards only.
 *
 *	spa.c          the object itself, registration with zio, host id
 *	spa_config.c   config lock; configurations for labels and MOS
 *	spa_space.c    capacity, deflation, slop
 *	spa_suspend.c  a pool that lost its devices waits
 *	spa_event.c    events
 *	txg*.c         transaction groups, dirty data     (txg.h)
 *	metaslab*.c    allocation                         (metaslab.h, range_tree.h)
 *	zfeature*.c    feature flags                      (zfeature.h)
 *
 * Invariants. Nothing is freed or allocated behind the metaslabs' back. spa_syncing_txg and
 * spa_sync_pass change in the sync thread alone. A read-only pool has no txg threads.
 *
 * Locks, first to last: config lock (spa_config_enter) > tx_sync_lock > spa_mg_lock > ms_lock >
 * mg_lock; spa_props_lock, spa_defer_lock, spa_suspend_lock, sf_lock and list locks are leaves:
 * nothing is called under them but log and memory. No lock but the config lock is held across
 * I/O, except spa_mg_lock (as reader) while a metaslab is loaded.
 *
 * Sources: format/01, format/02 §4, §5, §10.
 */
#ifndef TARN_SPA_H
#define TARN_SPA_H

#include "spl/spl.h"
#include "nvpair/nvpair.h"
#include "ondisk/ondisk.h"
#include "vdev/vdev.h"
#include "zio/zio.h"
#include "spa/zfeature.h"
#include "spa/txg.h"
#include "spa/metaslab.h"

struct objset; /* dmu */
struct dsl_pool;

typedef enum spa_state {
	POOL_STATE_ACTIVE = 0,
	POOL_STATE_EXPORTED,
	POOL_STATE_DESTROYED,
	POOL_STATE_SPARE,
	POOL_STATE_L2CACHE,
	POOL_STATE_UNINITIALIZED,
	POOL_STATE_UNAVAIL,
	POOL_STATE_POTENTIALLY_ACTIVE
} pool_state_t;

typedef struct spa_upper_ops {
	/* Sync thread: commit this txg (format/02 §10.2). */
	void (*suo_sync)(spa_t *spa, uint64_t txg);
	/*
	 * Load a metaslab: call range_tree_* on ms->ms_allocatable so that it holds all free
	 * space as of the last synced txg. Called without ms_lock by one thread. errno.
	 */
	int (*suo_metaslab_load)(spa_t *spa, metaslab_t *ms);
	/* A block could not be read or repaired (error log). Any context. */
	void (*suo_data_error)(spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp);
	/* An event for `zpool events`; nvl is consumed. Any context. */
	void (*suo_event)(spa_t *spa, nvlist_t *nvl);
} spa_upper_ops_t;

/*
 * The config lock: any number of readers, writers exclude all. Not bound to threads:
 * a zio enters in one and exits in another. A waiting writer keeps new readers out, but not
 * for ever: a reader inside may need to enter once more before it can leave (spa_config.c).
 */
typedef struct spa_config_lock {
	kmutex_t scl_lock;
	kcondvar_t scl_cv;
	uint64_t scl_readers;
	uint64_t scl_writers_waiting;
	bool scl_writer;
	hrtime_t scl_slice; /* start of the current closed/open turn of waiting readers */
} spa_config_lock_t;

typedef enum spa_failmode {
	ZIO_FAILURE_MODE_WAIT,
	ZIO_FAILURE_MODE_CONTINUE,
	ZIO_FAILURE_MODE_PANIC
} spa_failmode_t;

struct spa {
	char *spa_name;
	uint64_t spa_guid;      /* pool guid = guid of the root vdev */
	uint64_t spa_load_guid; /* changes with each open */
	uint64_t spa_version;   /* 5000 or 1..28 */
	pool_state_t spa_state; /* what labels will say */
	bool spa_readonly;
	char *spa_comment, *spa_compatibility, *spa_altroot, *spa_cachefile;
	uint64_t spa_errata;
	uint64_t spa_hostid; /* of this host */
	char spa_hostname[256];
	uint64_t spa_last_hostid;    /* found in the config at import */

	vdev_t *spa_root_vdev;
	spa_config_lock_t spa_config_lock;
	nvlist_t *spa_config; /* last written MOS config; spa_props_lock */
	bool spa_config_dirty; /* config object and all labels must be rewritten */
	bool spa_has_vdev_zaps;
	bool spa_dtl_dirty; /* a dirty time log or a fault must be written; atomic */

	uberblock_t spa_uberblock; /* being built by the sync thread */
	uberblock_t spa_ubsync;    /* last committed */
	uint64_t spa_first_txg;    /* first txg of this open */
	uint64_t spa_syncing_txg;
	int spa_sync_pass; /* 1… while syncing, else 0 */
	tx_state_t spa_tx;
	zio_cksum_salt_t spa_cksum_salt;

	metaslab_class_t *spa_normal_class, *spa_log_class;
	krwlock_t spa_mg_lock; /* which groups there are */
	metaslab_group_t **spa_mg; /* by top-level id; NULL: nothing to allocate there */
	uint64_t spa_mg_count;
	txg_list_t spa_dirty_ms, spa_synced_ms;
	uint64_t spa_min_ashift, spa_max_ashift; /* of the normal class */
	uint64_t spa_min_alloc;
	uint64_t spa_sector_inflation; /* sectors that a one-sector block takes at worst */

	spa_features_t spa_features;

	struct objset *spa_meta_objset; /* the MOS */
	struct dsl_pool *spa_dsl_pool;
	void *spa_pool; /* private of the room `pool` */

	kmutex_t spa_props_lock; /* the settings below, comment, config */
	spa_failmode_t spa_failmode;
	uint64_t spa_prop_ashift, spa_prop_autoexpand, spa_prop_autotrim,
	    spa_prop_delegation, spa_prop_listsnaps, spa_prop_multihost,
	    spa_prop_autoreplace, spa_prop_bootfs, spa_prop_dedup_table_quota;
	bool spa_deflate;

	/* frees of sync passes > 1, waiting for the deferred list (format/02 §6.6) */
	kmutex_t spa_defer_lock;
	list_t spa_defer_list; /* spa_defer_free_t */

	/* a write failed everywhere: everything waits here until `zpool clear` */
	kmutex_t spa_suspend_lock;
	kcondvar_t spa_suspend_cv;
	bool spa_suspended;
	uint64_t spa_suspend_generation; /* counts suspensions */

	uint64_t spa_data_errors; /* permanent errors known */
	const spa_upper_ops_t *spa_upper;
};

typedef struct spa_defer_free {
	list_node_t sdf_node;
	blkptr_t sdf_bp;
} spa_defer_free_t;

/* Start vdev and zio and register with them. Once per process; spl_init comes first. */
void spa_init(void);
void spa_fini(void);

/* An empty spa; name is copied. The caller then sets root vdev and upper ops. */
spa_t *spa_alloc(const char *name, const spa_upper_ops_t *ops);
void spa_free(spa_t *spa); /* closes and frees the vdev tree; txg engine must be stopped */

void spa_config_enter(spa_t *spa, krw_t how);
void spa_config_exit(spa_t *spa, krw_t how);

/*
 * Pool-wide keys + tree (format/01 §3.1). vd NULL: the whole tree as in the MOS; a leaf: its label.
 * txg is the value of the key `txg`.
 */
nvlist_t *spa_config_generate(spa_t *spa, vdev_t *leaf_or_null, uint64_t txg);

/* Mark the config dirty: rewritten with the next txg. */
void spa_config_mark_dirty(spa_t *spa);

/* The table behind metaslab_of; mg NULL removes. spa_mg_lock held as writer. */
void spa_mg_insert(spa_t *spa, uint64_t id, metaslab_group_t *mg);

/*
 * Create metaslab groups/metaslabs of all top-level vdevs that have none yet (after open, ms_array/ms_shift known;
 * a new top-level gets its ms_shift here) and activate their classes.
 */
int spa_metaslabs_init(spa_t *spa);

/* Capacity in bytes (format/02 §5.10). */
uint64_t spa_get_space(spa_t *spa);     /* normal class size */
uint64_t spa_get_alloc(spa_t *spa);     /* allocated, incl. deferred */
uint64_t spa_get_dspace(spa_t *spa);    /* deflated, as datasets count */
uint64_t spa_get_slop_space(spa_t *spa);
uint64_t spa_deferred_space(spa_t *spa); /* freed but not yet reusable, deflated */
/* Σ deflated asize over the DVAs (format/02 conventions: dsize). */
uint64_t bp_get_dsize(spa_t *spa, const blkptr_t *bp);
uint64_t dva_get_dsize(spa_t *spa, const dva_t *dva);
/* Worst case asize of lsize bytes of data, all copies (for reservations). */
uint64_t spa_get_worst_case_asize(spa_t *spa, uint64_t lsize);
uint64_t spa_maxblocksize(spa_t *spa); /* 128 KiB or 16 MiB */
int spa_maxdnodesize(spa_t *spa);      /* 512 or 16384 */

/*
 * Free a block in the syncing txg: at once in pass 1 (zio_free), later passes put it on
 * spa_defer_list, which the pool writes to `sync_bplist`.
 */
void spa_free_block(spa_t *spa, uint64_t txg, const blkptr_t *bp);

/* Suspend/resume after fatal I/O errors. */
void spa_suspend(spa_t *spa, const char *why);
int spa_resume(spa_t *spa); /* EIO if it suspends again at once */
bool spa_is_suspended(spa_t *spa);
/* Suspend and wait until resumed (a zio that must not fail). */
void spa_suspend_wait(spa_t *spa, const char *why);
/* Is space deferred or anything else left that only needs further txgs? */
bool spa_has_deferred_work(spa_t *spa);

/* 32 bits: TARN_HOSTID, the spl module's parameter, /etc/hostid; 0 if there is none. */
uint64_t spa_get_hostid(void);

/* A new event of this class about the pool; add more and post it. */
nvlist_t *spa_event_create(spa_t *spa, const char *class);
/* Hand it to the upper room; nvl is consumed. Any context. */
void spa_event_post(spa_t *spa, nvlist_t *nvl);
/* For vdev_ereport (set by spa_init). */
void spa_vdev_ereport(vdev_t *vd, const char *cls, const vdev_io_t *vio, int error);
static inline uint64_t
spa_last_synced_txg(spa_t *spa)
{
	return (__atomic_load_n(&spa->spa_ubsync.ub_txg, __ATOMIC_ACQUIRE));
}
static inline bool
spa_writeable(const spa_t *spa)
{
	return (!spa->spa_readonly);
}

#endif
