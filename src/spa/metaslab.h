/*
 * Metaslabs: the space of a top-level vdev in pieces of 2^ms_shift bytes, each with a
 * tree of free segments (segregated by address and by size) that is loaded when needed.
 * Sources: format/02 §5.1–§5.6 (what must hold on disk); Bonwick & Adams 2001 and the ZFS
 * talks for the ideas. Policy is ours.
 *
 * Life of a segment:  allocatable --alloc(t)--> ms_allocating[t] ... on disk
 *                     free(t): ms_freeing --end of t--> ms_freed → ms_defer[t % 2]
 *                     --after two more txgs--> allocatable  (format/02 §5.4)
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

struct metaslab {
	kmutex_t ms_lock;
	kcondvar_t ms_load_cv;
	metaslab_group_t *ms_group;
	uint64_t ms_id, ms_start, ms_size;
	uint64_t ms_sm_object; /* space map in the MOS, 0: none yet */
	uint64_t ms_sm_length; /* its header values as of the last sync; owned by the pool room */
	int64_t ms_sm_alloc;   /* allocated bytes by the space map (synced) */
	bool ms_loaded, ms_loading;
	range_tree_t *ms_allocatable;          /* valid while loaded */
	range_tree_t *ms_allocating[TXG_SIZE]; /* allocated in txg */
	range_tree_t *ms_freeing;              /* freed in the syncing txg, this pass */
	range_tree_t *ms_freed;                /* freed in the syncing txg, earlier passes */
	range_tree_t *ms_defer[TXG_DEFER_SIZE];
	uint64_t ms_weight; /* 0: nothing to get here */
	uint64_t ms_selected_txg;
	txg_node_t ms_txg_node; /* on the spa's list of dirty metaslabs */
	bool ms_new;            /* no space map and never allocated from */
};

struct metaslab_group {
	kmutex_t mg_lock;
	vdev_t *mg_vd;
	metaslab_class_t *mg_class;
	metaslab_t **mg_ms;
	uint64_t mg_ms_count;
	uint64_t mg_allocated; /* bytes, atomic */
	list_node_t mg_node;
};

struct metaslab_class {
	spa_t *mc_spa;
	kmutex_t mc_lock;
	list_t mc_groups;
	metaslab_group_t *mc_rotor;
	uint64_t mc_alloc, mc_space, mc_dspace, mc_deferred; /* bytes, atomic */
};

metaslab_class_t *metaslab_class_create(spa_t *spa);
void metaslab_class_destroy(metaslab_class_t *mc);
/* All metaslabs of a top-level vdev, unloaded, ms_sm_object 0. */
metaslab_group_t *metaslab_group_create(metaslab_class_t *mc, vdev_t *top);
void metaslab_group_destroy(metaslab_group_t *mg);

/*
 * The metaslabs that have changes in txg; the pool syncs each: metaslab_sync_begin … _done.
 */
txg_list_t *spa_dirty_metaslabs(spa_t *spa);

/*
 * Allocation for zio (zio_spa_ops_t). Segments of one bp never overlap and prefer different
 * top-level vdevs. ENOSPC.
 */
int metaslab_alloc(spa_t *spa, metaslab_class_t *mc, uint64_t psize, blkptr_t *bp, int ndvas,
    uint64_t txg, const blkptr_t *hint, uint32_t flags);
void metaslab_unalloc_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
void metaslab_free_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
int metaslab_claim_dva(spa_t *spa, const dva_t *dva, uint64_t txg);
/* Load now (calls suo_metaslab_load); ms_lock held on entry and exit. */
int metaslab_load(metaslab_t *ms);
metaslab_t *metaslab_of(spa_t *spa, uint64_t vdev, uint64_t offset);

/*
 * Protocol of one sync pass, driven by the pool for every dirty metaslab (sync thread only):
 *   metaslab_sync_take(ms, txg, &alloc, &freeing) hands out the trees with this pass's allocations
 *   and frees (to be written as two batches; the trees stay the metaslab's) and
 *   metaslab_sync_pass_done(ms, txg) empties them (allocating) and moves freeing to freed.
 * After the uberblock: metaslab_sync_done(ms, txg): freed becomes deferred, what was deferred two
 * txgs ago becomes allocatable, weight is recomputed.
 */
void metaslab_sync_take(
    metaslab_t *ms, uint64_t txg, range_tree_t **alloc, range_tree_t **freeing);
void metaslab_sync_pass_done(metaslab_t *ms, uint64_t txg);
void metaslab_sync_done(metaslab_t *ms, uint64_t txg);
/* Free segment counts by size class for the space map's histogram (format/02 §5.2). */
void metaslab_histogram(metaslab_t *ms, int shift, uint64_t hist[32]);
/* 0..100 as `zpool list` FRAG; UINT64_MAX unknown. */
uint64_t metaslab_class_fragmentation(metaslab_class_t *mc);

#endif
