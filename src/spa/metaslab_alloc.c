/*
 * Allocating, freeing and claiming by DVA: which vdev gets the next block, and what to make of
 * ranges that come back. See metaslab.h.
 */
#include "spa/metaslab_impl.h"

metaslab_t *
metaslab_of(spa_t *spa, uint64_t vdev, uint64_t offset)
{
	const metaslab_group_t *mg =
	    vdev < spa->spa_mg_count ? spa->spa_mg[vdev] : NULL;

	if (mg == NULL || offset >> mg->mg_vd->vdev_ms_shift >= mg->mg_ms_count)
		return (NULL);
	return (mg->mg_ms[offset >> mg->mg_vd->vdev_ms_shift]);
}

/* ---- which group ---------------------------------------------------------------------- */

/* May blocks be put there at all? */
static bool
group_usable(const metaslab_group_t *mg)
{
	return (mg->mg_ms_count > 0 && !mg->mg_vd->vdev_noalloc &&
		!vdev_is_dead(mg->mg_vd));
}

static uint64_t
class_free_permille(const metaslab_class_t *mc)
{
	uint64_t used = 0, space = 0;

	for (const metaslab_group_t *mg = list_head(&mc->mc_groups); mg != NULL;
	     mg = list_next(&mc->mc_groups, (void *)mg)) {
		if (!group_usable(mg))
			continue;
		used += MIN(atomic_load_64(&mg->mg_allocated), mg->mg_space);
		space += mg->mg_space;
	}
	return ((space - used) / (space / 1000 + 1));
}

static metaslab_group_t *
group_after(metaslab_class_t *mc, metaslab_group_t *mg)
{
	metaslab_group_t *next = list_next(&mc->mc_groups, mg);

	return (next != NULL ? next : list_head(&mc->mc_groups));
}

/*
 * Charge an allocation to the group's turn; when the turn is over the rotor goes on. A turn is
 * scaled by how empty the group is compared to its class, so that vdevs added later catch up:
 * between an eighth and four times the normal.
 */
static void
rotor_advance(metaslab_class_t *mc, metaslab_group_t *mg, uint64_t size)
{
	if (__atomic_load_n(&mc->mc_rotor, __ATOMIC_RELAXED) != mg ||
	    atomic_add_64(&mg->mg_aliquot, size) < metaslab_tunables.mt_aliquot / 8)
		return;
	const uint64_t normal = metaslab_tunables.mt_aliquot;
	const uint64_t turn = normal * (metaslab_group_free_permille(mg) + 1) /
			      (class_free_permille(mc) + 1);
	if (atomic_load_64(&mg->mg_aliquot) < MAX(normal / 8, MIN(turn, normal * 4)))
		return;
	mutex_enter(&mc->mc_lock);
	if (mc->mc_rotor == mg) {
		atomic_store_64(&mg->mg_aliquot, 0);
		__atomic_store_n(&mc->mc_rotor, group_after(mc, mg), __ATOMIC_RELAXED);
	}
	mutex_exit(&mc->mc_lock);
}

static bool
group_has_copy(const metaslab_group_t *mg, const blkptr_t *bp, int d)
{
	for (int i = 0; i < d; i++)
		if (DVA_GET_VDEV(&bp->blk_dva[i]) == mg->mg_vd->vdev_id)
			return (true);
	return (false);
}

/* ---- one DVA -------------------------------------------------------------------------- */

/*
 * Copies on one vdev go far apart (an eighth of it), else into different metaslabs, else
 * anywhere: a scratch on a disk should not take all of them.
 */
static int
group_alloc_dva(metaslab_group_t *mg, uint64_t psize, blkptr_t *bp, int d, uint64_t txg)
{
	const vdev_t *vd = mg->mg_vd;
	const uint64_t asize = vdev_psize_to_asize(mg->mg_vd, psize);
	const bool shares = group_has_copy(mg, bp, d);
	const uint64_t far = MAX(vd->vdev_asize / 8, 1ULL << vd->vdev_ms_shift);
	uint64_t offset;

	if ((!shares ||
		metaslab_group_alloc(mg, asize, txg, bp, d, far, &offset) != 0) &&
	    (!shares || metaslab_group_alloc(mg, asize, txg, bp, d,
			    1ULL << vd->vdev_ms_shift, &offset) != 0) &&
	    metaslab_group_alloc(mg, asize, txg, bp, d, 0, &offset) != 0)
		return (ENOSPC);
	dva_t *dva = &bp->blk_dva[d];
	memset(dva, 0, sizeof(*dva));
	DVA_SET_VDEV(dva, vd->vdev_id);
	DVA_SET_OFFSET(dva, offset);
	DVA_SET_ASIZE(dva, asize);
	return (0);
}

/*
 * Starting with the group whose turn it is (or the one after the previous copy's) try all:
 * first those without a copy of this block and not much fuller than the others, then any.
 */
static int
class_alloc_dva(metaslab_class_t *mc, uint64_t psize, blkptr_t *bp, int d, uint64_t txg)
{
	metaslab_group_t *first = __atomic_load_n(&mc->mc_rotor, __ATOMIC_RELAXED);

	if (first == NULL)
		return (ENOSPC);
	if (d > 0) {
		spa_t *spa = mc->mc_spa;
		const uint64_t vdev = DVA_GET_VDEV(&bp->blk_dva[d - 1]);
		if (vdev < spa->spa_mg_count && spa->spa_mg[vdev] != NULL &&
		    spa->spa_mg[vdev]->mg_class == mc)
			first = group_after(mc, spa->spa_mg[vdev]);
	}
	const uint64_t crowded = class_free_permille(mc) / 4;
	for (int picky = 1; picky >= 0; picky--) {
		metaslab_group_t *mg = first;
		do {
			if (group_usable(mg) &&
			    (!picky ||
				(!group_has_copy(mg, bp, d) &&
				    metaslab_group_free_permille(mg) >= crowded)) &&
			    group_alloc_dva(mg, psize, bp, d, txg) == 0) {
				if (d == 0)
					rotor_advance(
					    mc, mg, DVA_GET_ASIZE(&bp->blk_dva[0]));
				return (0);
			}
			mg = group_after(mc, mg);
		} while (mg != first);
	}
	return (ENOSPC);
}

int
metaslab_alloc(spa_t *spa, metaslab_class_t *mc, uint64_t psize, blkptr_t *bp,
    int ndvas, uint64_t txg, const blkptr_t *hint, uint32_t flags)
{
	int error = 0;

	ASSERT(ndvas >= 1 && ndvas <= SPA_DVAS_PER_BP && psize > 0);
	ASSERT3U(txg, >, spa_last_synced_txg(spa));
	rw_enter(&spa->spa_mg_lock, RW_READER);
	for (int d = 0; d < ndvas && error == 0; d++) {
		error = class_alloc_dva(mc, psize, bp, d, txg);
		if (error != 0) {
			while (--d >= 0) {
				metaslab_unalloc_dva_locked(spa, &bp->blk_dva[d], txg);
				memset(&bp->blk_dva[d], 0, sizeof(dva_t));
			}
			break;
		}
	}
	rw_exit(&spa->spa_mg_lock);
	return (error);
}

/* ---- coming back ------------------------------------------------------------------------ */

/* The metaslab that wholly contains the range, or NULL: no allocation of ours looks so. */
static metaslab_t *
metaslab_of_dva(spa_t *spa, const dva_t *dva)
{
	const uint64_t offset = DVA_GET_OFFSET(dva), size = DVA_GET_ASIZE(dva);
	metaslab_t *ms = metaslab_of(spa, DVA_GET_VDEV(dva), offset);

	if (ms == NULL || size == 0 || size > ms->ms_start + ms->ms_size - offset)
		return (NULL);
	const uint64_t unit = 1ULL << ms->ms_group->mg_vd->vdev_ashift;
	return (IS_P2ALIGNED(offset, unit) && IS_P2ALIGNED(size, unit) ? ms : NULL);
}

static void
log_leak(spa_t *spa, const dva_t *dva, const char *why)
{
	spl_log(LOG_WARNING,
	    "%s: not freeing vdev %" PRIu64 " offset %" PRIx64 " size %" PRIx64
	    ": %s; the space is leaked",
	    spa->spa_name, DVA_GET_VDEV(dva), DVA_GET_OFFSET(dva), DVA_GET_ASIZE(dva),
	    why);
}

/* ms_lock held: is some of the range free (or being freed) already? */
static bool
is_free_already(metaslab_t *ms, uint64_t offset, uint64_t size)
{
	if (ms->ms_loaded && range_tree_overlaps(ms->ms_allocatable, offset, size))
		return (true);
	for (int t = 0; t < TXG_DEFER_SIZE; t++)
		if (range_tree_overlaps(ms->ms_defer[t], offset, size))
			return (true);
	return (range_tree_overlaps(ms->ms_freeing, offset, size) ||
		range_tree_overlaps(ms->ms_freed, offset, size) ||
		range_tree_overlaps(ms->ms_sync_free, offset, size));
}

static void
metaslab_free_range(metaslab_t *ms, const dva_t *dva, uint64_t txg)
{
	const uint64_t offset = DVA_GET_OFFSET(dva), size = DVA_GET_ASIZE(dva);

	ASSERT(MUTEX_HELD(&ms->ms_lock));
	metaslab_trees_create(ms);
	if (is_free_already(ms, offset, size)) {
		if (!metaslab_tunables.mt_recover)
			panic("vdev %" PRIu64 " offset %" PRIx64 " size %" PRIx64
			      " freed twice",
			    DVA_GET_VDEV(dva), offset, size);
		log_leak(ms->ms_group->mg_class->mc_spa, dva, "it is free already");
		return;
	}
	if (range_tree_is_empty(ms->ms_freeing))
		metaslab_dirty(ms, txg);
	range_tree_add(ms->ms_freeing, offset, size);
}

void
metaslab_free_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	rw_enter(&spa->spa_mg_lock, RW_READER);
	metaslab_t *ms = metaslab_of_dva(spa, dva);
	if (ms == NULL) {
		log_leak(spa, dva, "there is no such place");
	} else {
		mutex_enter(&ms->ms_lock);
		metaslab_free_range(ms, dva, txg);
		mutex_exit(&ms->ms_lock);
	}
	rw_exit(&spa->spa_mg_lock);
}

/*
 * Normally the allocation is not written to the space map yet and just disappears. If a sync
 * pass has written it meanwhile, it is freed like any other.
 */
void
metaslab_unalloc_dva_locked(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	const uint64_t offset = DVA_GET_OFFSET(dva), size = DVA_GET_ASIZE(dva);
	metaslab_t *ms = metaslab_of_dva(spa, dva);

	VERIFY(ms != NULL);
	mutex_enter(&ms->ms_lock);
	metaslab_trees_create(ms);
	if (range_tree_try_remove(ms->ms_allocating[txg & TXG_MASK], offset, size) ==
	    0) {
		if (ms->ms_loaded)
			range_tree_add(ms->ms_allocatable, offset, size);
		atomic_add_64(&ms->ms_group->mg_allocated, -size);
	} else {
		metaslab_free_range(ms, dva, txg);
	}
	mutex_exit(&ms->ms_lock);
}

void
metaslab_unalloc_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	rw_enter(&spa->spa_mg_lock, RW_READER);
	metaslab_unalloc_dva_locked(spa, dva, txg);
	rw_exit(&spa->spa_mg_lock);
}

int
metaslab_claim_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	const uint64_t offset = DVA_GET_OFFSET(dva), size = DVA_GET_ASIZE(dva);
	int error = EINVAL;

	rw_enter(&spa->spa_mg_lock, RW_READER);
	metaslab_t *ms = metaslab_of_dva(spa, dva);
	if (ms != NULL) {
		mutex_enter(&ms->ms_lock);
		error = metaslab_load(ms);
		if (error == 0 &&
		    range_tree_try_remove(ms->ms_allocatable, offset, size) != 0)
			error = ENOENT;
		if (error == 0) {
			if (range_tree_is_empty(ms->ms_allocating[txg & TXG_MASK]))
				metaslab_dirty(ms, txg);
			range_tree_add(ms->ms_allocating[txg & TXG_MASK], offset, size);
			atomic_add_64(&ms->ms_group->mg_allocated, size);
			metaslab_group_reweigh(ms);
		}
		mutex_exit(&ms->ms_lock);
	}
	rw_exit(&spa->spa_mg_lock);
	return (error);
}
