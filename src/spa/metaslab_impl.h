/* What the files of the metaslab allocator share. */
#ifndef TARN_METASLAB_IMPL_H
#define TARN_METASLAB_IMPL_H

#include "spa/spa.h"

/* metaslab.c */
metaslab_t *metaslab_create(metaslab_group_t *mg, uint64_t id);
void metaslab_destroy(metaslab_t *ms);
/* Forget the free trees of a loaded metaslab; ms_lock held. False: it is in use. */
bool metaslab_unload(metaslab_t *ms);
/* Create the trees, before the first change; ms_lock held. */
void metaslab_trees_create(metaslab_t *ms);
/* Bytes at *offsetp (absolute); ms_lock held, loaded. ENOSPC. */
int metaslab_block_alloc(metaslab_t *ms, uint64_t size, uint64_t txg, uint64_t *offsetp);
/* Note a change in txg (after adding to a tree); ms_lock held. */
void metaslab_dirty(metaslab_t *ms, uint64_t txg);
/* What ms_weight should be now; ms_lock held. */
uint64_t metaslab_weight(metaslab_t *ms);
/* The class of the largest free segment (its power of two) that a weight promises, -1 none. */
static inline int
metaslab_weight_class(uint64_t weight)
{
	return ((int)(weight >> 56) - 1);
}

/* metaslab_alloc.c; spa_mg_lock held as reader */
void metaslab_unalloc_dva_locked(spa_t *spa, const dva_t *dva, uint64_t txg);

/* metaslab_group.c */
/* Recompute the weight and the place among the group's metaslabs; ms_lock held. */
void metaslab_group_reweigh(metaslab_t *ms);
/*
 * size bytes somewhere in the group, at least `distance` bytes from the d DVAs of bp that lie
 * on the same vdev. ENOSPC.
 */
int metaslab_group_alloc(metaslab_group_t *mg, uint64_t size, uint64_t txg,
    const blkptr_t *bp, int d, uint64_t distance, uint64_t *offsetp);
uint64_t metaslab_group_free_permille(const metaslab_group_t *mg);

#endif
