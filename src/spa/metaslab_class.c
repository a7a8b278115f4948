/*
 * Metaslab classes: creation, what they do between txgs (unloading, loading ahead), and how
 * fragmented they are. See metaslab.h.
 */
#include "spa/metaslab_impl.h"

metaslab_class_t *
metaslab_class_create(spa_t *spa)
{
	metaslab_class_t *mc = kmem_zalloc(sizeof(*mc), KM_SLEEP);

	mc->mc_spa = spa;
	mutex_init(&mc->mc_lock);
	list_create(&mc->mc_groups, sizeof(metaslab_group_t),
	    offsetof(metaslab_group_t, mg_node));
	mc->mc_taskq = taskq_create("metaslab", 1);
	return (mc);
}

void
metaslab_class_destroy(metaslab_class_t *mc)
{
	metaslab_group_t *mg;

	taskq_wait(mc->mc_taskq);
	while ((mg = list_head(&mc->mc_groups)) != NULL)
		metaslab_group_destroy(mg);
	taskq_destroy(mc->mc_taskq);
	list_destroy(&mc->mc_groups);
	mutex_destroy(&mc->mc_lock);
	kmem_free(mc, sizeof(*mc));
}

/* ---- between txgs --------------------------------------------------------------------- */

static bool
is_loaded(const metaslab_t *ms)
{
	return (__atomic_load_n(&ms->ms_loaded, __ATOMIC_ACQUIRE));
}

static void
load_task(void *arg)
{
	metaslab_t *ms = arg;

	mutex_enter(&ms->ms_lock);
	(void)metaslab_load(ms);
	mutex_exit(&ms->ms_lock);
}

/*
 * The metaslabs that will be activated next are loaded now, in the background, so that the
 * writer that empties the current one need not wait for reads.
 */
static void
group_preload(metaslab_group_t *mg)
{
	metaslab_t *want[METASLAB_SLOTS_MAX];
	const int max = MIN(metaslab_tunables.mt_preload, METASLAB_SLOTS_MAX);
	int n = 0;

	mutex_enter(&mg->mg_lock);
	for (metaslab_t *ms = avl_first(&mg->mg_by_weight);
	     ms != NULL && ms->ms_weight != 0 && n < max;
	     ms = avl_next(&mg->mg_by_weight, ms))
		if (ms->ms_slot == METASLAB_NO_SLOT)
			want[n++] = ms;
	mutex_exit(&mg->mg_lock);
	for (int i = 0; i < n; i++)
		if (!is_loaded(want[i]))
			taskq_dispatch(mg->mg_class->mc_taskq, load_task, want[i]);
}

static bool
group_is_active(metaslab_group_t *mg)
{
	for (int s = 0; s < mg->mg_slots; s++)
		if (__atomic_load_n(&mg->mg_slot[s], __ATOMIC_RELAXED) != NULL)
			return (true);
	return (false);
}

static void
group_unload_idle(metaslab_group_t *mg, uint64_t txg)
{
	for (uint64_t i = 0; i < mg->mg_ms_count; i++) {
		metaslab_t *ms = mg->mg_ms[i];
		if (!is_loaded(ms))
			continue;
		mutex_enter(&ms->ms_lock);
		if (ms->ms_selected_txg + metaslab_tunables.mt_unload_txgs < txg)
			(void)metaslab_unload(ms);
		mutex_exit(&ms->ms_lock);
	}
}

void
metaslab_class_reassess(metaslab_class_t *mc, uint64_t txg)
{
	spa_t *spa = mc->mc_spa;

	rw_enter(&spa->spa_mg_lock, RW_READER);
	for (metaslab_group_t *mg = list_head(&mc->mc_groups); mg != NULL;
	     mg = list_next(&mc->mc_groups, mg)) {
		group_unload_idle(mg, txg);
		if (group_is_active(mg))
			group_preload(mg);
	}
	rw_exit(&spa->spa_mg_lock);
}

void
metaslab_class_wait(metaslab_class_t *mc)
{
	taskq_wait(mc->mc_taskq);
}

void
metaslab_class_retry(metaslab_class_t *mc)
{
	spa_t *spa = mc->mc_spa;

	rw_enter(&spa->spa_mg_lock, RW_READER);
	for (metaslab_group_t *mg = list_head(&mc->mc_groups); mg != NULL;
	     mg = list_next(&mc->mc_groups, mg)) {
		for (uint64_t i = 0; i < mg->mg_ms_count; i++) {
			metaslab_t *ms = mg->mg_ms[i];
			mutex_enter(&ms->ms_lock);
			if (ms->ms_load_error != 0 && !ms->ms_loading) {
				ms->ms_load_error = 0;
				metaslab_group_reweigh(ms);
			}
			mutex_exit(&ms->ms_lock);
		}
	}
	rw_exit(&spa->spa_mg_lock);
}

/* ---- fragmentation -------------------------------------------------------------------- */

/*
 * How bad a free segment of 512 bytes, 1 KiB … is, in percent; from 256 MiB on 0. Measured: these are
 * the values zdb shows for space maps whose histogram has only this class.
 */
static const uint8_t frag_of_class[] = {
    100, 99, 97, 93, 88, 83, 77, 71, 64, 57, 50, 43, 36, 29, 23, 17, 12, 7, 3, 1};

uint64_t
metaslab_fragmentation(const metaslab_t *ms)
{
	const int ashift = (int)ms->ms_group->mg_vd->vdev_ashift;
	uint64_t space = 0, weighted = 0;

	for (int i = 0; i < SPACE_MAP_HISTOGRAM_SIZE; i++) {
		/* From a disk: bounded, so that sums cannot wrap. */
		const int cls = i + ashift;
		const uint64_t bytes = MIN(ms->ms_sm_hist[i], ms->ms_size >> cls)
				       << cls;
		const size_t worse = (size_t)(cls - SPA_MINBLOCKSHIFT);
		space += bytes;
		if (worse < ARRAY_SIZE(frag_of_class))
			weighted += bytes * frag_of_class[worse];
	}
	return (space == 0 ? 0 : weighted / space);
}

typedef struct frag_sum {
	uint64_t fs_sum, fs_free, fs_known, fs_all;
} frag_sum_t;

/* spa_mg_lock held as reader. */
static void
group_add_fragmentation(const metaslab_group_t *mg, frag_sum_t *fs)
{
	for (uint64_t i = 0; i < mg->mg_ms_count; i++, fs->fs_all++) {
		metaslab_t *ms = mg->mg_ms[i];
		mutex_enter(&ms->ms_lock);
		const uint64_t space = ms->ms_size - MIN(ms->ms_size, (uint64_t)ms->ms_sm_alloc);
		fs->fs_known += ms->ms_sm_hist_valid || ms->ms_new;
		fs->fs_free += space;
		if (ms->ms_sm_hist_valid)
			fs->fs_sum += metaslab_fragmentation(ms) * space;
		mutex_exit(&ms->ms_lock);
	}
}

/*
 * The mean over all metaslabs, each as important as it has free space; those never written to are
 * not fragmented. Measured, as above.
 */
static uint64_t
frag_mean(const frag_sum_t *fs)
{
	if (fs->fs_all == 0)
		return (0);
	if (fs->fs_known * 2 < fs->fs_all)
		return (UINT64_MAX);
	return (fs->fs_free == 0 ? 0 : fs->fs_sum / fs->fs_free);
}

uint64_t
metaslab_class_fragmentation(metaslab_class_t *mc)
{
	spa_t *spa = mc->mc_spa;
	frag_sum_t fs = {0};

	if (!spa_feature_is_enabled(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM))
		return (UINT64_MAX);
	rw_enter(&spa->spa_mg_lock, RW_READER);
	for (metaslab_group_t *mg = list_head(&mc->mc_groups); mg != NULL;
	     mg = list_next(&mc->mc_groups, mg))
		group_add_fragmentation(mg, &fs);
	rw_exit(&spa->spa_mg_lock);
	return (frag_mean(&fs));
}

void
metaslab_vdev_space(
    spa_t *spa, uint64_t id, uint64_t *space, uint64_t *alloc, uint64_t *frag)
{
	frag_sum_t fs = {0};

	*space = *alloc = *frag = 0;
	rw_enter(&spa->spa_mg_lock, RW_READER);
	if (id < spa->spa_mg_count && spa->spa_mg[id] != NULL) {
		metaslab_group_t *mg = spa->spa_mg[id];
		*space = atomic_load_64(&mg->mg_space);
		*alloc = atomic_load_64(&mg->mg_allocated);
		group_add_fragmentation(mg, &fs);
	}
	rw_exit(&spa->spa_mg_lock);
	*frag = spa_feature_is_enabled(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM)
		    ? frag_mean(&fs)
		    : UINT64_MAX;
}
