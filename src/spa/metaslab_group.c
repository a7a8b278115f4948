/*
 * Metaslab groups: one top-level vdev's metaslabs, ordered by weight, and the few of them that
 * are active. See metaslab.h.
 *
 * The way of a request: first the active metaslabs, those whose lock is free; then the best of
 * the others, which becomes active if a slot is empty; at last the active ones again, now
 * waiting for their locks. Only the second step takes the lock of the group.
 */
#include "spa/metaslab_impl.h"

/* Best first; weights that are not 0 are unique by construction. */
static int
weight_compare(const void *x, const void *y)
{
	const metaslab_t *a = x, *b = y;

	if (a->ms_weight != b->ms_weight)
		return (a->ms_weight > b->ms_weight ? -1 : 1);
	if (a->ms_id == b->ms_id)
		return (0);
	return (a->ms_id < b->ms_id ? -1 : 1);
}

/* Small vdevs get few slots: two active metaslabs of three would leave copies no distance. */
static int
group_slots(uint64_t ms_count)
{
	const int wanted =
	    metaslab_tunables.mt_slots != 0 ? metaslab_tunables.mt_slots : spl_ncpus();

	return (
	    MAX(1, MIN(MIN(wanted, METASLAB_SLOTS_MAX), (int)MIN(ms_count / 8, 64))));
}

static void
group_add_metaslabs(metaslab_group_t *mg, uint64_t count)
{
	metaslab_t **all = kmem_zalloc(MAX(1, count) * sizeof(*all), KM_SLEEP);

	if (mg->mg_ms != NULL) {
		memcpy(all, mg->mg_ms, mg->mg_ms_count * sizeof(*all));
		kmem_free(mg->mg_ms, MAX(1, mg->mg_ms_count) * sizeof(*all));
	}
	for (uint64_t i = mg->mg_ms_count; i < count; i++) {
		all[i] = metaslab_create(mg, i);
		all[i]->ms_weight = metaslab_weight(all[i]);
		avl_add(&mg->mg_by_weight, all[i]);
	}
	const uint64_t added = (count - mg->mg_ms_count) << mg->mg_vd->vdev_ms_shift;
	mg->mg_ms = all;
	mg->mg_ms_count = count;
	mg->mg_slots = group_slots(count);
	mg->mg_space += added;
	atomic_add_64(&mg->mg_class->mc_space, added);
	if (!mg->mg_vd->vdev_noalloc)
		atomic_add_64(&mg->mg_class->mc_dspace,
		    (added >> SPA_MINBLOCKSHIFT) * mg->mg_vd->vdev_deflate_ratio);
}

metaslab_group_t *
metaslab_group_create(metaslab_class_t *mc, vdev_t *top)
{
	spa_t *spa = mc->mc_spa;
	metaslab_group_t *mg = kmem_zalloc(sizeof(*mg), KM_SLEEP);

	mutex_init(&mg->mg_lock);
	mg->mg_vd = top;
	mg->mg_class = mc;
	avl_create(&mg->mg_by_weight, weight_compare, sizeof(metaslab_t),
	    offsetof(metaslab_t, ms_group_node));
	group_add_metaslabs(mg, top->vdev_asize >> top->vdev_ms_shift);

	rw_enter(&spa->spa_mg_lock, RW_WRITER);
	spa_mg_insert(spa, top->vdev_id, mg);
	mutex_enter(&mc->mc_lock);
	list_insert_tail(&mc->mc_groups, mg);
	if (mc->mc_rotor == NULL)
		mc->mc_rotor = mg;
	mutex_exit(&mc->mc_lock);
	rw_exit(&spa->spa_mg_lock);
	top->vdev_mg = mg;
	return (mg);
}

void
metaslab_group_expand(metaslab_group_t *mg)
{
	spa_t *spa = mg->mg_class->mc_spa;
	const uint64_t count = mg->mg_vd->vdev_asize >> mg->mg_vd->vdev_ms_shift;

	rw_enter(&spa->spa_mg_lock, RW_WRITER);
	mutex_enter(&mg->mg_lock);
	if (count > mg->mg_ms_count)
		group_add_metaslabs(mg, count);
	mutex_exit(&mg->mg_lock);
	rw_exit(&spa->spa_mg_lock);
}

/* Take its metaslabs out of the counters of the class and off the lists of dirty ones. */
static void
group_forget_metaslab(metaslab_group_t *mg, metaslab_t *ms)
{
	metaslab_class_t *mc = mg->mg_class;

	for (int t = 0; t < TXG_SIZE; t++) {
		(void)txg_list_remove_this(
		    spa_dirty_metaslabs(mc->mc_spa), ms, (uint64_t)t);
		(void)txg_list_remove_this(
		    spa_synced_metaslabs(mc->mc_spa), ms, (uint64_t)t);
	}
	atomic_add_64(&mc->mc_alloc, (uint64_t)-ms->ms_counted_alloc);
	atomic_add_64(&mc->mc_deferred, (uint64_t)-ms->ms_counted_defer);
}

void
metaslab_group_destroy(metaslab_group_t *mg)
{
	metaslab_class_t *mc = mg->mg_class;
	spa_t *spa = mc->mc_spa;

	taskq_wait(mc->mc_taskq);
	rw_enter(&spa->spa_mg_lock, RW_WRITER);
	mutex_enter(&mc->mc_lock);
	list_remove(&mc->mc_groups, mg);
	if (mc->mc_rotor == mg)
		mc->mc_rotor = list_head(&mc->mc_groups);
	mutex_exit(&mc->mc_lock);
	spa_mg_insert(spa, mg->mg_vd->vdev_id, NULL);
	rw_exit(&spa->spa_mg_lock);
	mg->mg_vd->vdev_mg = NULL;

	atomic_add_64(&mc->mc_space, -mg->mg_space);
	if (!mg->mg_vd->vdev_noalloc)
		atomic_add_64(&mc->mc_dspace, -((mg->mg_space >> SPA_MINBLOCKSHIFT) *
						  mg->mg_vd->vdev_deflate_ratio));
	for (uint64_t i = 0; i < mg->mg_ms_count; i++) {
		group_forget_metaslab(mg, mg->mg_ms[i]);
		avl_remove(&mg->mg_by_weight, mg->mg_ms[i]);
		metaslab_destroy(mg->mg_ms[i]);
	}
	kmem_free(mg->mg_ms, MAX(1, mg->mg_ms_count) * sizeof(*mg->mg_ms));
	avl_destroy(&mg->mg_by_weight);
	mutex_destroy(&mg->mg_lock);
	kmem_free(mg, sizeof(*mg));
}

uint64_t
metaslab_group_free_permille(const metaslab_group_t *mg)
{
	const uint64_t used = MIN(atomic_load_64(&mg->mg_allocated), mg->mg_space);

	return ((mg->mg_space - used) / (mg->mg_space / 1000 + 1));
}

/* ---- order by weight, slots ------------------------------------------------------------- */

static void
slot_set(metaslab_group_t *mg, int slot, metaslab_t *ms)
{
	__atomic_store_n(&mg->mg_slot[slot], ms, __ATOMIC_RELEASE);
}

static metaslab_t *
slot_get(metaslab_group_t *mg, int slot)
{
	return (__atomic_load_n(&mg->mg_slot[slot], __ATOMIC_ACQUIRE));
}

/* mg_lock held. */
static void
group_deactivate(metaslab_t *ms)
{
	if (ms->ms_slot != METASLAB_NO_SLOT) {
		slot_set(ms->ms_group, ms->ms_slot, NULL);
		ms->ms_slot = METASLAB_NO_SLOT;
	}
}

/* mg_lock held: the best metaslab that is not active. */
static metaslab_t *
group_best_inactive(metaslab_group_t *mg)
{
	metaslab_t *ms = avl_first(&mg->mg_by_weight);

	while (ms != NULL && ms->ms_slot != METASLAB_NO_SLOT)
		ms = avl_next(&mg->mg_by_weight, ms);
	return (ms);
}

/*
 * An active metaslab stays active until what it has left is far worse than what another one
 * offers: a quarter of the largest run. Changing at every small difference would scatter
 * writes over all metaslabs.
 */
void
metaslab_group_reweigh(metaslab_t *ms)
{
	metaslab_group_t *mg = ms->ms_group;
	const uint64_t weight = metaslab_weight(ms);

	ASSERT(MUTEX_HELD(&ms->ms_lock));
	mutex_enter(&mg->mg_lock);
	if (weight != ms->ms_weight) {
		avl_remove(&mg->mg_by_weight, ms);
		ms->ms_weight = weight;
		avl_add(&mg->mg_by_weight, ms);
	}
	if (ms->ms_slot != METASLAB_NO_SLOT) {
		const metaslab_t *best = group_best_inactive(mg);
		if (weight == 0 || !ms->ms_loaded ||
		    (best != NULL && metaslab_weight_class(best->ms_weight) >
					 metaslab_weight_class(weight) + 2))
			group_deactivate(ms);
	}
	mutex_exit(&mg->mg_lock);
}

/* ---- allocation --------------------------------------------------------------------------- */

/* Is ms at least `distance` from the first d DVAs of bp that lie on this vdev? */
static bool
far_enough(const metaslab_t *ms, const blkptr_t *bp, int d, uint64_t distance)
{
	const vdev_t *vd = ms->ms_group->mg_vd;

	for (int i = 0; i < d && distance > 0; i++) {
		if (DVA_GET_VDEV(&bp->blk_dva[i]) != vd->vdev_id)
			continue;
		const uint64_t other =
		    P2ALIGN(DVA_GET_OFFSET(&bp->blk_dva[i]), 1ULL << vd->vdev_ms_shift);
		const uint64_t gap =
		    other > ms->ms_start ? other - ms->ms_start : ms->ms_start - other;
		if (gap < distance)
			return (false);
	}
	return (true);
}

/* Can a metaslab of this weight hold `size` bytes in one piece, as far as one knows? */
static bool
may_fit(uint64_t weight, uint64_t size)
{
	return (weight != 0 && metaslab_weight_class(weight) >= highbit64(size) - 1);
}

/* ms_lock held: load if need be and allocate; if it cannot, put it where it belongs now. */
static int
try_metaslab(metaslab_t *ms, uint64_t size, uint64_t txg, uint64_t *offsetp)
{
	int error = ms->ms_loaded ? 0 : metaslab_load(ms);

	if (error == 0)
		error = metaslab_block_alloc(ms, size, txg, offsetp);
	if (error != 0)
		metaslab_group_reweigh(ms);
	return (error);
}

/* Step one and three: the active metaslabs. */
static int
try_active(metaslab_group_t *mg, bool wait, uint64_t size, uint64_t txg,
    const blkptr_t *bp, int d, uint64_t distance, uint64_t *offsetp)
{
	for (int s = 0; s < mg->mg_slots; s++) {
		metaslab_t *ms = slot_get(mg, s);
		if (ms == NULL || !far_enough(ms, bp, d, distance))
			continue;
		if (wait)
			mutex_enter(&ms->ms_lock);
		else if (!mutex_tryenter(&ms->ms_lock))
			continue;
		const bool ready = ms->ms_loaded || wait;
		const int error = ready ? try_metaslab(ms, size, txg, offsetp) : ENOSPC;
		mutex_exit(&ms->ms_lock);
		if (error == 0)
			return (0);
	}
	return (ENOSPC);
}

/*
 * The best inactive metaslab lighter than *below that may do; it becomes active if the request
 * has no special wishes and a slot is empty. Weights only fall while a request looks around, so
 * going down from *below ends.
 */
static metaslab_t *
group_select(metaslab_group_t *mg, uint64_t size, const blkptr_t *bp, int d,
    uint64_t distance, uint64_t *below)
{
	metaslab_t *ms;

	mutex_enter(&mg->mg_lock);
	for (ms = avl_first(&mg->mg_by_weight); ms != NULL;
	     ms = avl_next(&mg->mg_by_weight, ms)) {
		if (!may_fit(ms->ms_weight, size)) {
			ms = NULL;
			break;
		}
		if (ms->ms_weight < *below && ms->ms_slot == METASLAB_NO_SLOT &&
		    far_enough(ms, bp, d, distance))
			break;
	}
	if (ms != NULL) {
		*below = ms->ms_weight;
		for (int s = 0; s < mg->mg_slots && d == 0; s++) {
			if (mg->mg_slot[s] == NULL) {
				ms->ms_slot = s;
				slot_set(mg, s, ms);
				break;
			}
		}
	}
	mutex_exit(&mg->mg_lock);
	return (ms);
}

int
metaslab_group_alloc(metaslab_group_t *mg, uint64_t size, uint64_t txg,
    const blkptr_t *bp, int d, uint64_t distance, uint64_t *offsetp)
{
	uint64_t below = UINT64_MAX;
	metaslab_t *ms;

	if (try_active(mg, false, size, txg, bp, d, distance, offsetp) == 0)
		return (0);
	while ((ms = group_select(mg, size, bp, d, distance, &below)) != NULL) {
		mutex_enter(&ms->ms_lock);
		const int error = try_metaslab(ms, size, txg, offsetp);
		if (error != 0) {
			mutex_enter(&mg->mg_lock);
			group_deactivate(ms);
			mutex_exit(&mg->mg_lock);
		}
		mutex_exit(&ms->ms_lock);
		if (error == 0)
			return (0);
	}
	return (try_active(mg, true, size, txg, bp, d, distance, offsetp));
}
