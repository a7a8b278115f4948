/*
 * One metaslab: its trees, loading and unloading, allocation inside, and its part of the
 * sync protocol. The essay is in metaslab.h.
 */
#include "spa/metaslab_impl.h"

metaslab_tunables_t metaslab_tunables = {
    .mt_aliquot = 768 << 10,
    .mt_slots = 0,
    .mt_unload_txgs = 64,
    .mt_first_fit_visits = 64,
    .mt_preload = 2,
    .mt_recover = false,
};

metaslab_t *
metaslab_create(metaslab_group_t *mg, uint64_t id)
{
	metaslab_t *ms = kmem_zalloc(sizeof(*ms), KM_SLEEP);

	mutex_init(&ms->ms_lock);
	cv_init(&ms->ms_load_cv);
	ms->ms_group = mg;
	ms->ms_id = id;
	ms->ms_start = id << mg->mg_vd->vdev_ms_shift;
	ms->ms_size = 1ULL << mg->mg_vd->vdev_ms_shift;
	ms->ms_new = true;
	ms->ms_slot = METASLAB_NO_SLOT;
	return (ms);
}

void
metaslab_trees_create(metaslab_t *ms)
{
	if (ms->ms_trees)
		return;
	ms->ms_allocatable = range_tree_create(true);
	for (int t = 0; t < TXG_SIZE; t++)
		ms->ms_allocating[t] = range_tree_create(false);
	ms->ms_freeing = range_tree_create(false);
	ms->ms_freed = range_tree_create(false);
	for (int t = 0; t < TXG_DEFER_SIZE; t++)
		ms->ms_defer[t] = range_tree_create(false);
	ms->ms_sync_alloc = range_tree_create(false);
	ms->ms_sync_free = range_tree_create(false);
	ms->ms_trees = true;
}

static void
tree_drop(range_tree_t **rtp)
{
	range_tree_vacate(*rtp, NULL, NULL);
	range_tree_destroy(*rtp);
	*rtp = NULL;
}

/*
 * Whatever is still in the trees belongs to a txg that will never be written (a pool that was
 * suspended, a dry run): it goes with the metaslab.
 */
void
metaslab_destroy(metaslab_t *ms)
{
	ASSERT(!ms->ms_loading && !ms->ms_syncing);
	if (ms->ms_trees) {
		tree_drop(&ms->ms_allocatable);
		for (int t = 0; t < TXG_SIZE; t++)
			tree_drop(&ms->ms_allocating[t]);
		tree_drop(&ms->ms_freeing);
		tree_drop(&ms->ms_freed);
		for (int t = 0; t < TXG_DEFER_SIZE; t++)
			tree_drop(&ms->ms_defer[t]);
		tree_drop(&ms->ms_sync_alloc);
		tree_drop(&ms->ms_sync_free);
	}
	for (int kind = 0; kind < 2; kind++)
		if (ms->ms_unflushed[kind] != NULL)
			tree_drop(&ms->ms_unflushed[kind]);
	mutex_destroy(&ms->ms_lock);
	cv_destroy(&ms->ms_load_cv);
	kmem_free(ms, sizeof(*ms));
}

void
metaslab_dirty(metaslab_t *ms, uint64_t txg)
{
	(void)txg_list_add(
	    spa_dirty_metaslabs(ms->ms_group->mg_class->mc_spa), ms, txg);
}

/* ---- counting ------------------------------------------------------------------------- */

static int64_t
metaslab_deferred(const metaslab_t *ms)
{
	int64_t space = 0;

	for (int t = 0; t < TXG_DEFER_SIZE && ms->ms_trees; t++)
		space += (int64_t)range_tree_space(ms->ms_defer[t]);
	return (space);
}

/* Bring the class's counters up to what is on disk now (and deferred). ms_lock held. */
static void
metaslab_count(metaslab_t *ms)
{
	metaslab_class_t *mc = ms->ms_group->mg_class;
	const int64_t defer = metaslab_deferred(ms);
	int64_t alloc = ms->ms_sm_alloc + ms->ms_unflushed_alloc + defer;

	/* A damaged header must not wrap the sums. */
	alloc = MAX(0, MIN(alloc, (int64_t)ms->ms_size));
	atomic_add_64(&mc->mc_alloc, (uint64_t)(alloc - ms->ms_counted_alloc));
	atomic_add_64(&mc->mc_deferred, (uint64_t)(defer - ms->ms_counted_defer));
	ms->ms_counted_alloc = alloc;
	ms->ms_counted_defer = defer;
}

void
metaslab_open(metaslab_t *ms, uint64_t sm_object, uint64_t sm_length, int64_t sm_alloc,
    int64_t unflushed_alloc, const uint64_t *hist)
{
	mutex_enter(&ms->ms_lock);
	const int64_t before = ms->ms_counted_alloc;
	ms->ms_sm_object = sm_object;
	ms->ms_sm_length = sm_length;
	ms->ms_sm_alloc = sm_alloc;
	ms->ms_unflushed_alloc = unflushed_alloc;
	ms->ms_sm_hist_valid = (hist != NULL);
	if (hist != NULL)
		memcpy(ms->ms_sm_hist, hist, sizeof(ms->ms_sm_hist));
	ms->ms_new = (sm_object == 0 && unflushed_alloc == 0);
	metaslab_count(ms);
	atomic_add_64(
	    &ms->ms_group->mg_allocated, (uint64_t)(ms->ms_counted_alloc - before));
	metaslab_group_reweigh(ms);
	mutex_exit(&ms->ms_lock);
}

void
metaslab_set_error(metaslab_t *ms, int error)
{
	mutex_enter(&ms->ms_lock);
	ms->ms_load_error = error;
	metaslab_group_reweigh(ms);
	mutex_exit(&ms->ms_lock);
}

/* ---- weight --------------------------------------------------------------------------- */

/* log2 of the largest free segment, as well as it is known; -1: none. */
static int
metaslab_largest_class(const metaslab_t *ms, uint64_t free)
{
	const int ashift = (int)ms->ms_group->mg_vd->vdev_ashift;
	const int upper = highbit64(free) - 1;

	if (ms->ms_loaded)
		return (highbit64(range_tree_max(ms->ms_allocatable)) - 1);
	for (int i = SPACE_MAP_HISTOGRAM_SIZE - 1; i >= 0 && ms->ms_sm_hist_valid; i--)
		if (ms->ms_sm_hist[i] != 0)
			return (MIN(i + ashift, upper));
	return (upper);
}

/*
 * Order of desire: largest free segment (by power of two), then free space in 1/65536, then the
 * lower address: outer tracks of disks are faster. The id makes weights unique.
 */
uint64_t
metaslab_weight(metaslab_t *ms)
{
	const uint64_t used = (uint64_t)ms->ms_counted_alloc;
	const uint64_t free =
	    ms->ms_loaded ? range_tree_space(ms->ms_allocatable) : ms->ms_size - used;
	const int cls = metaslab_largest_class(ms, free);

	if (ms->ms_load_error != 0 || cls < (int)ms->ms_group->mg_vd->vdev_ashift)
		return (0);
	const uint64_t share = free / ((ms->ms_size >> 16) + 1);
	return ((uint64_t)(cls + 1) << 56 | MIN(share, 0xffff) << 40 |
		(0xffffffffffULL - MIN(ms->ms_id, 0xffffffffffULL)));
}

/* ---- loading -------------------------------------------------------------------------- */

/*
 * What the space map calls free but must not be handed out: freed too recently, or allocated
 * since the map was written.
 */
static void
metaslab_withhold(metaslab_t *ms)
{
	range_tree_remove_all(ms->ms_allocatable, ms->ms_freed);
	for (int t = 0; t < TXG_DEFER_SIZE; t++)
		range_tree_remove_all(ms->ms_allocatable, ms->ms_defer[t]);
	for (int t = 0; t < TXG_SIZE; t++)
		range_tree_remove_all(ms->ms_allocatable, ms->ms_allocating[t]);
}

/* Small, medium and large requests start apart, so that they fragment each other less. */
static void
metaslab_cursors_reset(metaslab_t *ms)
{
	ms->ms_cursor[0] = ms->ms_start;
	ms->ms_cursor[1] = ms->ms_start + ms->ms_size / 16;
	ms->ms_cursor[2] = ms->ms_start + ms->ms_size / 8;
}

int
metaslab_load(metaslab_t *ms)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;

	ASSERT(MUTEX_HELD(&ms->ms_lock));
	while (ms->ms_loading || (ms->ms_syncing && !ms->ms_loaded))
		cv_wait(&ms->ms_load_cv, &ms->ms_lock);
	if (ms->ms_loaded || ms->ms_load_error != 0)
		return (ms->ms_load_error);
	metaslab_trees_create(ms);
	ms->ms_loading = true;
	mutex_exit(&ms->ms_lock);

	const int error = spa->spa_upper->suo_metaslab_load(spa, ms);

	mutex_enter(&ms->ms_lock);
	ms->ms_loading = false;
	if (error == 0) {
		metaslab_withhold(ms);
		metaslab_cursors_reset(ms);
		ms->ms_selected_txg = txg_open_txg(spa);
		__atomic_store_n(&ms->ms_loaded, true, __ATOMIC_RELEASE);
	} else {
		spl_log(LOG_WARNING,
		    "%s: vdev %" PRIu64 " metaslab %" PRIu64 " cannot be loaded: %s",
		    spa->spa_name, ms->ms_group->mg_vd->vdev_id, ms->ms_id,
		    strerror(error));
		range_tree_vacate(ms->ms_allocatable, NULL, NULL);
		ms->ms_load_error = error;
	}
	metaslab_group_reweigh(ms);
	cv_broadcast(&ms->ms_load_cv);
	return (error);
}

bool
metaslab_unload(metaslab_t *ms)
{
	ASSERT(MUTEX_HELD(&ms->ms_lock));
	if (!ms->ms_loaded || ms->ms_syncing)
		return (false);
	for (int t = 0; t < TXG_SIZE; t++)
		if (!range_tree_is_empty(ms->ms_allocating[t]))
			return (false);
	range_tree_vacate(ms->ms_allocatable, NULL, NULL);
	__atomic_store_n(&ms->ms_loaded, false, __ATOMIC_RELEASE);
	metaslab_group_reweigh(ms);
	return (true);
}

/* ---- allocation inside ---------------------------------------------------------------- */

static int
metaslab_cursor_of(uint64_t size)
{
	return (size <= 16 << 10 ? 0 : size <= 128 << 10 ? 1 : 2);
}

/*
 * Is it time for best fit? When under 1/16 is free, or no segment is 32 times the request, the
 * run a cursor wants no longer exists and looking for it only chops up what is left.
 */
static bool
metaslab_is_tight(const metaslab_t *ms, uint64_t size)
{
	return (range_tree_space(ms->ms_allocatable) < ms->ms_size / 16 ||
		range_tree_max(ms->ms_allocatable) / 32 < size);
}

int
metaslab_block_alloc(metaslab_t *ms, uint64_t size, uint64_t txg, uint64_t *offsetp)
{
	range_tree_t *rt = ms->ms_allocatable;
	uint64_t *cursor = &ms->ms_cursor[metaslab_cursor_of(size)];
	const uint64_t visits = metaslab_tunables.mt_first_fit_visits;
	uint64_t start;

	ASSERT(MUTEX_HELD(&ms->ms_lock) && ms->ms_loaded);
	ASSERT(IS_P2ALIGNED(size, 1ULL << ms->ms_group->mg_vd->vdev_ashift));
	if (metaslab_is_tight(ms, size) ||
	    (!range_tree_find_from(rt, *cursor, size, visits, &start) &&
		!range_tree_find_from(rt, ms->ms_start, size, visits, &start))) {
		const range_seg_t *rs = range_tree_find_fit(rt, size);
		if (rs == NULL)
			return (ENOSPC);
		start = rs->rs_start;
	} else {
		*cursor = start + size;
	}
	range_tree_remove(rt, start, size);
	if (range_tree_is_empty(ms->ms_allocating[txg & TXG_MASK]))
		metaslab_dirty(ms, txg);
	range_tree_add(ms->ms_allocating[txg & TXG_MASK], start, size);
	atomic_add_64(&ms->ms_group->mg_allocated, size);
	ms->ms_selected_txg = txg;
	*offsetp = start;
	return (0);
}

/* ---- sync ----------------------------------------------------------------------------- */

void
metaslab_sync_take(
    metaslab_t *ms, uint64_t txg, range_tree_t **alloc, range_tree_t **freeing)
{
	mutex_enter(&ms->ms_lock);
	while (ms->ms_loading)
		cv_wait(&ms->ms_load_cv, &ms->ms_lock);
	ASSERT(!ms->ms_syncing);
	metaslab_trees_create(ms);
	ms->ms_syncing = true;
	range_tree_swap(&ms->ms_allocating[txg & TXG_MASK], &ms->ms_sync_alloc);
	range_tree_swap(&ms->ms_freeing, &ms->ms_sync_free);
	*alloc = ms->ms_sync_alloc;
	*freeing = ms->ms_sync_free;
	mutex_exit(&ms->ms_lock);
}

static void
add_to(void *arg, uint64_t start, uint64_t size)
{
	range_tree_add(arg, start, size);
}

void
metaslab_sync_pass_done(metaslab_t *ms, uint64_t txg)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;

	mutex_enter(&ms->ms_lock);
	ASSERT(ms->ms_syncing);
	range_tree_vacate(ms->ms_sync_alloc, NULL, NULL);
	range_tree_vacate(ms->ms_sync_free, add_to, ms->ms_freed);
	ms->ms_syncing = false;
	ms->ms_new = false;
	cv_broadcast(&ms->ms_load_cv);
	mutex_exit(&ms->ms_lock);
	(void)txg_list_add(spa_synced_metaslabs(spa), ms, txg);
}

void
metaslab_sync_done(metaslab_t *ms, uint64_t txg)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;

	mutex_enter(&ms->ms_lock);
	metaslab_trees_create(ms);
	ASSERT(range_tree_is_empty(ms->ms_freeing));
	ASSERT(range_tree_is_empty(ms->ms_allocating[txg & TXG_MASK]));
	range_tree_t **defer = &ms->ms_defer[txg % TXG_DEFER_SIZE];
	atomic_add_64(&ms->ms_group->mg_allocated, -range_tree_space(*defer));
	range_tree_vacate(*defer, ms->ms_loaded ? add_to : NULL, ms->ms_allocatable);
	range_tree_swap(&ms->ms_freed, defer);
	metaslab_count(ms);
	const bool deferred = metaslab_deferred(ms) != 0;
	metaslab_group_reweigh(ms);
	mutex_exit(&ms->ms_lock);
	if (deferred)
		(void)txg_list_add(spa_synced_metaslabs(spa), ms, txg + 1);
}

void
metaslab_map_enter(metaslab_t *ms)
{
	mutex_enter(&ms->ms_lock);
	while (ms->ms_loading)
		cv_wait(&ms->ms_load_cv, &ms->ms_lock);
	ASSERT(!ms->ms_syncing);
	ms->ms_syncing = true;
	mutex_exit(&ms->ms_lock);
}

void
metaslab_map_exit(metaslab_t *ms)
{
	mutex_enter(&ms->ms_lock);
	ms->ms_syncing = false;
	metaslab_count(ms);
	cv_broadcast(&ms->ms_load_cv);
	mutex_exit(&ms->ms_lock);
}

static void
remove_from(void *arg, uint64_t start, uint64_t size)
{
	range_tree_remove(arg, start, size);
}

/* All but: free now, allocated since the map was written, or freed in it but not yet usable. */
bool
metaslab_allocated_before(metaslab_t *ms, uint64_t max_segs, range_tree_t *out)
{
	mutex_enter(&ms->ms_lock);
	ASSERT(ms->ms_syncing);
	const bool known = ms->ms_loaded && range_tree_is_empty(ms->ms_freed) &&
			   range_tree_numsegs(ms->ms_allocatable) <= max_segs;
	if (known) {
		range_tree_add(out, ms->ms_start, ms->ms_size);
		range_tree_walk(ms->ms_allocatable, remove_from, out);
		range_tree_walk(ms->ms_sync_alloc, remove_from, out);
		for (int t = 0; t < TXG_SIZE; t++)
			range_tree_walk(ms->ms_allocating[t], remove_from, out);
		for (int t = 0; t < TXG_DEFER_SIZE; t++)
			range_tree_walk(ms->ms_defer[t], remove_from, out);
	}
	mutex_exit(&ms->ms_lock);
	return (known);
}

/* ---- the histogram -------------------------------------------------------------------- */

/* Add a tree's segments; those beyond the last class count as several of it. */
static void
hist_add(const range_tree_t *rt, int shift, uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE])
{
	for (int c = shift; c < 64; c++) {
		const int i = MIN(c - shift, SPACE_MAP_HISTOGRAM_SIZE - 1);
		hist[i] += rt->rt_histogram[c] << (c - shift - i);
	}
}

void
metaslab_histogram(metaslab_t *ms, int shift, uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE])
{
	mutex_enter(&ms->ms_lock);
	memset(hist, 0, SPACE_MAP_HISTOGRAM_SIZE * sizeof(hist[0]));
	if (ms->ms_loaded) {
		hist_add(ms->ms_allocatable, shift, hist);
		hist_add(ms->ms_freeing, shift, hist);
		hist_add(ms->ms_freed, shift, hist);
		for (int t = 0; t < TXG_DEFER_SIZE; t++)
			hist_add(ms->ms_defer[t], shift, hist);
	} else {
		memcpy(hist, ms->ms_sm_hist, sizeof(ms->ms_sm_hist));
	}
	if (ms->ms_trees)
		hist_add(ms->ms_sync_free, shift, hist);
	memcpy(ms->ms_sm_hist, hist, sizeof(ms->ms_sm_hist));
	ms->ms_sm_hist_valid = true;
	mutex_exit(&ms->ms_lock);
}
