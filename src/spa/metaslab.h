/*
 * Metaslabs: the space of a top-level vdev in pieces of 2^ms_shift bytes, each with a
 * tree of free segments (segregated by address and by size) that is loaded when needed.
 * Sources: format/02 §5.1–§5.6 (what must hold on disk); Bonwick & Adams 2001 and the ZFS
 * talks for the ideas. Policy is ours.
 *
 * The problem. Every block written needs a place: quickly, near its neighbours in time,
 * spread over all vdevs, never a place that an older state of the pool still needs, and
 * from many threads at once. The free space of a large pool does not fit into memory.
 *
 * The idea. Vdevs are cut into metaslabs; only those being allocated from are loaded.
 *
 *   class   vdevs of one purpose. Its rotor deals out turns: about 768 KiB to each group,
 *           more to emptier ones, so that consecutive blocks lie together and long runs
 *           stripe over all vdevs.
 *   group   one top-level vdev. A few of its metaslabs are active (slots). An allocator
 *           takes the first active one whose lock is free, so a single writer stays in one
 *           place and contention, nothing else, spreads writers out.
 *   metaslab  first fit from a cursor while there is room (sequential writes stay
 *           sequential), best fit once it is nearly full or fragmented.
 *
 * Life of a segment:  allocatable --alloc(t)--> ms_allocating[t] ... on disk
 *                     free(t): ms_freeing --end of pass--> ms_freed --end of t-->
 *                     ms_defer[t % 2] --after two more txgs--> allocatable  (format/02 §5.4)
 *
 * Invariants.
 *  - Each byte of a metaslab is in at most one of: allocatable, the four allocating
 *    trees' net effect (allocated), freeing, freed, the two defer trees.
 *  - Loaded: allocatable = free by the space map − freed − deferred − allocated since.
 *    Hence a space map is written and loaded never at the same time (ms_syncing,
 *    ms_loading exclude each other), and a load may happen at any point of a sync.
 *  - Space freed in txg t is not handed out before t + 3.
 *
 * Locks, first to last: spa_mg_lock (which groups exist; reader for every operation) >
 * mc_lock (rotor), ms_lock (trees of one metaslab) > mg_lock (slots, order by weight) >
 * lock of a txg list. ms_lock is dropped while a metaslab is loaded; at most one ms_lock is
 * held by a thread.
 *
 * What can fail. No room: ENOSPC. A space map that cannot be read or contradicts itself makes
 * its metaslab unusable for allocation, nothing more. A free of a range that cannot be
 * (outside, misaligned) comes from a damaged pointer: logged and leaked. Freeing what is free
 * already would give space out twice: that stops the process, unless metaslab_recover.
 */
#ifndef TARN_METASLAB_H
#define TARN_METASLAB_H

#include "spl/spl.h"
#include "ondisk/ondisk.h"
#include "vdev/vdev.h"
#include "spa/range_tree.h"
#include "spa/txg.h"

typedef struct metaslab metaslab_t;
typedef struct metaslab_group metaslab_group_t;
typedef struct metaslab_class metaslab_class_t;

#define METASLAB_CURSORS 3
#define METASLAB_SLOTS_MAX 8
#define METASLAB_NO_SLOT (-1)

struct metaslab {
	kmutex_t ms_lock;
	kcondvar_t ms_load_cv; /* ms_loading or ms_syncing fell */
	metaslab_group_t *ms_group;
	uint64_t ms_id, ms_start, ms_size;

	/* the space map as of the last sync pass; written by the pool room */
	uint64_t ms_sm_object;     /* in the MOS, 0: none yet */
	uint64_t ms_sm_length;     /* bytes of entries */
	int64_t ms_sm_alloc;       /* allocated bytes by the space map */
	/*
	 * What is only in log space maps (format/02 §5.5), by maptype_t: allocated, freed. Made and used
	 * by the pool room, NULL if nothing; the net of both in bytes.
	 */
	range_tree_t *ms_unflushed[2];
	int64_t ms_unflushed_alloc;
	uint64_t ms_sm_hist[SPACE_MAP_HISTOGRAM_SIZE]; /* free segments of 2^(i+ashift) */
	bool ms_sm_hist_valid;

	bool ms_loaded, ms_loading;
	bool ms_syncing;    /* between metaslab_sync_take and _pass_done */
	int ms_load_error;  /* why it cannot be allocated from, or 0 */
	bool ms_trees;      /* the trees below exist */
	range_tree_t *ms_allocatable;          /* valid while loaded */
	range_tree_t *ms_allocating[TXG_SIZE]; /* allocated in txg, not yet in the map */
	range_tree_t *ms_freeing;              /* freed in the syncing txg, this pass */
	range_tree_t *ms_freed;                /* freed in the syncing txg, earlier passes */
	range_tree_t *ms_defer[TXG_DEFER_SIZE];
	range_tree_t *ms_sync_alloc, *ms_sync_free; /* being written */
	uint64_t ms_cursor[METASLAB_CURSORS]; /* where first fit goes on, by size of request */
	uint64_t ms_selected_txg;             /* last allocated from */
	int64_t ms_counted_alloc, ms_counted_defer; /* what the class counts of it */
	bool ms_new; /* no space map and never allocated from */

	/* mg_lock */
	uint64_t ms_weight; /* 0: nothing to get here; high byte: class of largest segment + 1 */
	int ms_slot;        /* active in this slot of the group, or METASLAB_NO_SLOT */
	avl_node_t ms_group_node;

	txg_node_t ms_txg_node;  /* spa_dirty_metaslabs: has something to write */
	txg_node_t ms_done_node; /* spa_synced_metaslabs: awaits metaslab_sync_done */
};

struct metaslab_group {
	kmutex_t mg_lock;
	vdev_t *mg_vd;
	metaslab_class_t *mg_class;
	metaslab_t **mg_ms;
	uint64_t mg_ms_count;
	uint64_t mg_space;     /* bytes */
	uint64_t mg_allocated; /* bytes, in memory: counts at allocation; atomic */
	uint64_t mg_aliquot;   /* bytes allocated in this turn; atomic */
	avl_tree_t mg_by_weight; /* all metaslabs, best first */
	metaslab_t *mg_slot[METASLAB_SLOTS_MAX]; /* active ones; written under mg_lock, atomic */
	int mg_slots;
	list_node_t mg_node;
};

struct metaslab_class {
	spa_t *mc_spa;
	kmutex_t mc_lock;
	list_t mc_groups;
	metaslab_group_t *mc_rotor; /* whose turn it is; atomic */
	taskq_t *mc_taskq;          /* loads ahead of need */
	/* bytes, atomic; alloc as of the last sync and including deferred */
	uint64_t mc_alloc, mc_space, mc_dspace, mc_deferred;
};

typedef struct metaslab_tunables {
	uint64_t mt_aliquot;       /* bytes of a group's turn */
	int mt_slots;              /* active metaslabs a group; 0: by processors */
	uint64_t mt_unload_txgs;   /* unload after that many txgs without allocation */
	uint64_t mt_first_fit_visits; /* segments first fit looks at before it gives up */
	int mt_preload;            /* best metaslabs a group keeps loaded */
	bool mt_recover;           /* leak instead of panic on a double free */
} metaslab_tunables_t;
extern metaslab_tunables_t metaslab_tunables;

metaslab_class_t *metaslab_class_create(spa_t *spa);
void metaslab_class_destroy(metaslab_class_t *mc); /* and its groups */
/*
 * All metaslabs of a top-level vdev, unloaded, ms_sm_object 0; sets top->vdev_mg and counts
 * its space in the class. Config lock held as writer.
 */
metaslab_group_t *metaslab_group_create(metaslab_class_t *mc, vdev_t *top);
void metaslab_group_destroy(metaslab_group_t *mg);
/* A grown vdev (vdev_asize): new metaslabs at the end. Config lock held as writer. */
void metaslab_group_expand(metaslab_group_t *mg);
/*
 * Tell a metaslab what the MOS says about it (pool open): space map object, header values; hist
 * may be NULL. Counts the space.
 */
void metaslab_open(metaslab_t *ms, uint64_t sm_object, uint64_t sm_length, int64_t sm_alloc,
    int64_t unflushed_alloc, const uint64_t *hist);

/* Its space map cannot be used: no allocation from it. */
void metaslab_set_error(metaslab_t *ms, int error);
/*
 * Keep loads out while the space map or ms_unflushed is changed outside of the protocol below (sync
 * thread). _exit counts the space again.
 */
void metaslab_map_enter(metaslab_t *ms);
void metaslab_map_exit(metaslab_t *ms);
/*
 * The space that the map had allocated before the syncing txg changed it, into `out` (empty). Between
 * _take and _pass_done of the first pass. False: not known (not loaded, or a later pass), or its free
 * space has more than max_segs segments.
 */
bool metaslab_allocated_before(metaslab_t *ms, uint64_t max_segs, range_tree_t *out);

/*
 * The metaslabs that have changes in txg; the pool syncs each: metaslab_sync_take … _pass_done.
 */
txg_list_t *spa_dirty_metaslabs(spa_t *spa);
/* Those that need metaslab_sync_done(txg) after the uberblock of txg. */
txg_list_t *spa_synced_metaslabs(spa_t *spa);

/*
 * Allocation for zio (zio_spa_ops_t). Fills the DVAs of bp; segments of one bp never overlap
 * and prefer different top-level vdevs, then distant metaslabs. ENOSPC: nothing is allocated.
 * May wait for a metaslab to be loaded (reads of MOS blocks), so the threads that complete
 * reads must not be the ones that allocate.
 */
int metaslab_alloc(spa_t *spa, metaslab_class_t *mc, uint64_t psize, blkptr_t *bp, int ndvas,
    uint64_t txg, const blkptr_t *hint, uint32_t flags);
/* Give back what was allocated in this same txg and is referenced by nothing. */
void metaslab_unalloc_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
/* Free in the syncing txg. */
void metaslab_free_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
/*
 * Take a given range (intent log blocks at open). ENOENT it is not free, EINVAL there is no such
 * place, else errors of loading.
 */
int metaslab_claim_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
/* Load now (calls suo_metaslab_load); ms_lock held on entry and exit, dropped between. */
int metaslab_load(metaslab_t *ms);
/* The metaslab of a byte of a top-level vdev; NULL if there is none. */
metaslab_t *metaslab_of(spa_t *spa, uint64_t vdev, uint64_t offset);

/*
 * Protocol of one sync pass, driven by the pool for every dirty metaslab (sync thread only):
 *   metaslab_sync_take(ms, txg, &alloc, &freeing) hands out the trees with this pass's allocations
 *   and frees (to be written as two batches; the trees stay the metaslab's; loads wait) and
 *   metaslab_sync_pass_done(ms, txg) empties them (allocating) and moves freeing to freed.
 * After the uberblock: metaslab_sync_done(ms, txg): freed becomes deferred, what was deferred two
 * txgs ago becomes allocatable, weight is recomputed. While space is deferred the metaslab stays on
 * spa_synced_metaslabs of the next txg.
 */
void metaslab_sync_take(
    metaslab_t *ms, uint64_t txg, range_tree_t **alloc, range_tree_t **freeing);
void metaslab_sync_pass_done(metaslab_t *ms, uint64_t txg);
void metaslab_sync_done(metaslab_t *ms, uint64_t txg);
/* After all metaslab_sync_done of a txg: unload idle metaslabs, load the next best ahead. */
void metaslab_class_reassess(metaslab_class_t *mc, uint64_t txg);
/* Until no load is under way in the background. */
void metaslab_class_wait(metaslab_class_t *mc);
/* Try again to load what failed to (after `zpool clear`). */
void metaslab_class_retry(metaslab_class_t *mc);
/*
 * Free segment counts by size class for the space map's histogram (format/02 §5.2). Between
 * _take and _pass_done. Of an unloaded metaslab: the last known plus what is being freed.
 */
void metaslab_histogram(metaslab_t *ms, int shift, uint64_t hist[32]);
/* 0..100 as `zpool list` FRAG; UINT64_MAX unknown (no histograms in this pool). */
uint64_t metaslab_class_fragmentation(metaslab_class_t *mc);
/* Of one metaslab, 0..100, as of its last sync. ms_lock held. */
uint64_t metaslab_fragmentation(const metaslab_t *ms);
/* Of one top-level vdev: bytes in its metaslabs, allocated ones, fragmentation as above. */
void metaslab_vdev_space(
    spa_t *spa, uint64_t id, uint64_t *space, uint64_t *alloc, uint64_t *frag);

#endif
