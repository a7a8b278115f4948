/*
 * Capacity (format/02 §5.10).
 *
 * Three currencies: asize (bytes allocated on the vdevs, parity included), deflated (asize scaled by
 * the vdev's deflate ratio, so that 128 KiB of data count as 128 KiB on any layout), and lsize. Datasets
 * count deflated bytes; classes count asize.
 */
#include "spa/spa.h"

#define SLOP_SHIFT 5 /* 1/32 */
#define SLOP_MAX (128ULL << 30)
#define SLOP_MIN (128ULL << 20)
/*
 * Growth in the worst case: 3 copies, twice because a block may be rewritten before the old one is
 * free; on top of it what the layout adds to a block of one sector (RAID-Z: its parities). Only a first,
 * generous check: what was really made dirty is counted exactly afterwards.
 */
#define ASIZE_INFLATION 6

static uint64_t
deflate(const spa_t *spa, const vdev_t *vd, uint64_t asize)
{
	return (spa->spa_deflate ? (asize >> SPA_MINBLOCKSHIFT) * vd->vdev_deflate_ratio
				 : asize);
}

uint64_t
spa_get_space(spa_t *spa)
{
	return (atomic_load_64(&spa->spa_normal_class->mc_space));
}

uint64_t
spa_get_alloc(spa_t *spa)
{
	return (atomic_load_64(&spa->spa_normal_class->mc_alloc));
}

/* Groups that may be allocated from; the property can change at any time. */
uint64_t
spa_get_dspace(spa_t *spa)
{
	const metaslab_class_t *mc = spa->spa_normal_class;
	uint64_t dspace = 0;

	rw_enter(&spa->spa_mg_lock, RW_READER);
	for (metaslab_group_t *mg = list_head(&mc->mc_groups); mg != NULL;
	     mg = list_next(&mc->mc_groups, mg))
		if (!mg->mg_vd->vdev_noalloc)
			dspace += deflate(spa, mg->mg_vd, mg->mg_space);
	rw_exit(&spa->spa_mg_lock);
	return (dspace);
}

uint64_t
spa_get_slop_space(spa_t *spa)
{
	const uint64_t dspace = spa_get_dspace(spa);
	const uint64_t slop = MIN(dspace >> SLOP_SHIFT, SLOP_MAX);

	return (MAX(slop, MIN(dspace / 2, SLOP_MIN)));
}

uint64_t
spa_deferred_space(spa_t *spa)
{
	const uint64_t deferred = atomic_load_64(&spa->spa_normal_class->mc_deferred);
	const uint64_t space = spa_get_space(spa);

	if (space == 0)
		return (0);
	return ((uint64_t)((__uint128_t)deferred * spa_get_dspace(spa) / space));
}

uint64_t
dva_get_dsize(spa_t *spa, const dva_t *dva)
{
	const uint64_t asize = DVA_GET_ASIZE(dva), id = DVA_GET_VDEV(dva);
	uint64_t dsize = asize;

	rw_enter(&spa->spa_mg_lock, RW_READER);
	if (id < spa->spa_mg_count && spa->spa_mg[id] != NULL)
		dsize = deflate(spa, spa->spa_mg[id]->mg_vd, asize);
	rw_exit(&spa->spa_mg_lock);
	return (dsize);
}

uint64_t
bp_get_dsize(spa_t *spa, const blkptr_t *bp)
{
	const int ndvas = BP_MAX_DVAS(bp);
	uint64_t dsize = 0;

	for (int d = 0; d < ndvas; d++)
		if (DVA_IS_VALID(&bp->blk_dva[d]))
			dsize += dva_get_dsize(spa, &bp->blk_dva[d]);
	return (dsize);
}

uint64_t
spa_get_worst_case_asize(spa_t *spa, uint64_t lsize)
{
	if (lsize == 0)
		return (0);
	return (MAX(lsize, 1ULL << spa->spa_max_ashift) * ASIZE_INFLATION *
		MAX(1, spa->spa_sector_inflation));
}

uint64_t
spa_maxblocksize(spa_t *spa)
{
	return (spa_feature_is_enabled(spa, SPA_FEATURE_LARGE_BLOCKS)
		    ? SPA_MAXBLOCKSIZE
		    : SPA_OLD_MAXBLOCKSIZE);
}

int
spa_maxdnodesize(spa_t *spa)
{
	return (spa_feature_is_enabled(spa, SPA_FEATURE_LARGE_DNODE) ? 16384 : 512);
}
