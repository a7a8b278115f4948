/* Metaslab arrays and space maps of metaslabs. See metaslab_io.h. */
#include "pool/metaslab_io.h"
#include "pool/dtl_io.h"
#include "pool/space_map.h"

static int
map_open(space_map_t *sm, metaslab_t *ms, uint64_t object)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;

	return (space_map_open(sm, spa->spa_meta_objset, object, ms->ms_start,
	    ms->ms_size, (int)ms->ms_group->mg_vd->vdev_ashift));
}

/* ---- loading ------------------------------------------------------------------------------ */

typedef struct merge_arg {
	range_tree_t *ma_rt;
	bool ma_add;
	int ma_error;
} merge_arg_t;

static void
merge_segment(void *arg, uint64_t start, uint64_t size)
{
	merge_arg_t *ma = arg;

	if (ma->ma_error == 0)
		ma->ma_error = ma->ma_add
				   ? range_tree_try_add(ma->ma_rt, start, size)
				   : range_tree_try_remove(ma->ma_rt, start, size);
}

/* Changes that are only in logs: allocations are not free any more, frees are free. */
static int
merge_unflushed(metaslab_t *ms, range_tree_t *free_rt)
{
	merge_arg_t ma = {.ma_rt = free_rt};

	for (int kind = SM_ALLOC; kind <= SM_FREE; kind++) {
		ma.ma_add = (kind == SM_FREE);
		if (ms->ms_unflushed[kind] != NULL)
			range_tree_walk(ms->ms_unflushed[kind], merge_segment, &ma);
	}
	return (ma.ma_error != 0 ? EIO : 0);
}

int
pool_metaslab_load(spa_t *spa, metaslab_t *ms)
{
	range_tree_t *rt = ms->ms_allocatable;
	space_map_t sm;
	int error = 0;

	ASSERT(ms->ms_loading);
	if (ms->ms_sm_object == 0) {
		range_tree_add(rt, ms->ms_start, ms->ms_size);
	} else if ((error = map_open(&sm, ms, ms->ms_sm_object)) == 0 &&
		   (error = space_map_load_length(
			&sm, ms->ms_sm_length, rt, SM_FREE)) == 0 &&
		   ms->ms_size - range_tree_space(rt) != (uint64_t)ms->ms_sm_alloc) {
		/* The header counts otherwise than the entries do. */
		error = EIO;
	}
	if (error == 0)
		error = merge_unflushed(ms, rt);
	if (error != 0)
		range_tree_vacate(rt, NULL, NULL);
	return (error);
}

/* ---- opening ------------------------------------------------------------------------------ */

static int
metaslab_io_open(metaslab_t *ms, uint64_t object)
{
	space_map_t sm;
	int64_t unflushed = 0;

	for (int kind = SM_ALLOC; kind <= SM_FREE; kind++)
		if (ms->ms_unflushed[kind] != NULL)
			unflushed += (kind == SM_ALLOC ? 1 : -1) *
				     (int64_t)range_tree_space(ms->ms_unflushed[kind]);
	if (object == 0) {
		metaslab_open(ms, 0, 0, 0, unflushed, NULL);
		return (0);
	}
	const int error = map_open(&sm, ms, object);
	if (error != 0)
		return (error == ENOENT ? EIO : error);
	if (sm.sm_phys.smp_alloc < 0 || sm.sm_phys.smp_alloc > (int64_t)ms->ms_size)
		return (EIO);
	metaslab_open(ms, object, sm.sm_phys.smp_length, sm.sm_phys.smp_alloc,
	    unflushed, sm.sm_has_histogram ? sm.sm_phys.smp_histogram : NULL);
	return (0);
}

/* The array may be shorter than the vdev has metaslabs: what is missing was never written. */
static int
group_read_array(spa_t *spa, metaslab_group_t *mg, uint64_t *array)
{
	objset_t *mos = spa->spa_meta_objset;
	const uint64_t object = mg->mg_vd->vdev_ms_array;
	dmu_object_info_t doi;

	if (object == 0)
		return (0);
	int error = dmu_object_info(mos, object, &doi);
	if (error != 0)
		return (error == ENOENT ? EIO : error);
	if (doi.doi_type != DMU_OT_OBJECT_ARRAY)
		return (EIO);
	const uint64_t have = MIN(mg->mg_ms_count,
	    (doi.doi_maxblkid + 1) * doi.doi_data_block_size / sizeof(uint64_t));
	error =
	    dmu_read(mos, object, 0, have * sizeof(uint64_t), array, DMU_READ_PREFETCH);
	for (uint64_t i = 0; i < have && error == 0; i++)
		if (array[i] != 0)
			dmu_prefetch_dnode(mos, array[i]);
	return (error);
}

static int
group_open(spa_t *spa, metaslab_group_t *mg)
{
	const size_t bytes = MAX(1, mg->mg_ms_count) * sizeof(uint64_t);
	uint64_t *array = kmem_zalloc(bytes, KM_SLEEP);
	const int array_error = group_read_array(spa, mg, array);
	int error = 0;

	for (uint64_t i = 0; i < mg->mg_ms_count && error == 0; i++) {
		metaslab_t *ms = mg->mg_ms[i];
		error = array_error != 0 ? array_error : metaslab_io_open(ms, array[i]);
		if (error == 0)
			continue;
		spl_log(LOG_WARNING,
		    "%s: vdev %" PRIu64 " metaslab %" PRIu64
		    " has no valid space map (object %" PRIu64 "): %s",
		    spa->spa_name, mg->mg_vd->vdev_id, i, array[i], strerror(error));
		metaslab_set_error(ms, error);
		if (!spa_writeable(spa))
			error = 0;
	}
	kmem_free(array, bytes);
	return (error);
}

int
pool_metaslabs_open(spa_t *spa)
{
	int error = log_spacemap_open(spa);

	if (error != 0 && spa_writeable(spa))
		return (error);
	for (uint64_t v = 0; v < spa->spa_mg_count; v++)
		if (spa->spa_mg[v] != NULL &&
		    (error = group_open(spa, spa->spa_mg[v])) != 0)
			return (error);
	pool_dtls_open(spa);
	return (0);
}

/* ---- syncing ------------------------------------------------------------------------------ */

uint32_t
metaslab_map_blksz(spa_t *spa)
{
	return (spa_feature_is_enabled(spa, SPA_FEATURE_LOG_SPACEMAP)
		    ? SPACE_MAP_BLKSZ_LOG
		    : SPACE_MAP_BLKSZ);
}

/* Enter a map into its vdev's array; the first one makes the array. */
static void
array_set(metaslab_t *ms, uint64_t object, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;
	vdev_t *vd = ms->ms_group->mg_vd;
	objset_t *mos = spa->spa_meta_objset;

	if (vd->vdev_ms_array == 0) {
		vd->vdev_ms_array =
		    dmu_object_alloc(mos, DMU_OT_OBJECT_ARRAY, 0, DMU_OT_NONE, 0, tx);
		vd->vdev_config_dirty = true;
		spa_config_mark_dirty(spa);
	}
	POOL_MUST(spa, dmu_write(mos, vd->vdev_ms_array, ms->ms_id * sizeof(uint64_t),
			   sizeof(uint64_t), &object, tx));
}

uint64_t
metaslab_map_object(metaslab_t *ms, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;

	if (ms->ms_sm_object == 0) {
		ms->ms_sm_object =
		    space_map_alloc(spa->spa_meta_objset, metaslab_map_blksz(spa), tx);
		array_set(ms, ms->ms_sm_object, tx);
	}
	return (ms->ms_sm_object);
}

/* A map made by other software may have other block sizes than ours: make a new object. */
static void
condense_into_new(space_map_t *sm, metaslab_t *ms, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;
	objset_t *mos = spa->spa_meta_objset;

	POOL_MUST(spa, space_map_free(mos, ms->ms_sm_object, tx));
	ms->ms_sm_object = space_map_alloc(mos, metaslab_map_blksz(spa), tx);
	array_set(ms, ms->ms_sm_object, tx);
	POOL_MUST(spa, map_open(sm, ms, ms->ms_sm_object));
}

/*
 * Rewrite the map as what was allocated before this txg, if that makes it half as long and gives
 * blocks back. Only in the first pass: later ones could not tell this txg's changes, which are in the
 * map already, from older ones.
 */
static void
condense(space_map_t *sm, metaslab_t *ms, int pass, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;
	const uint64_t max_segs = sm->sm_phys.smp_length / 2 / sizeof(uint64_t);
	const bool histogram =
	    spa_feature_is_enabled(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM);

	if (sm->sm_phys.smp_length <= 4 * (uint64_t)sm->sm_blksz)
		return;
	range_tree_t *allocated = range_tree_create(false);
	if (metaslab_allocated_before(ms, max_segs, allocated)) {
		VERIFY3U(range_tree_space(allocated), ==, sm->sm_phys.smp_alloc);
		if (sm->sm_blksz != metaslab_map_blksz(spa) ||
		    sm->sm_has_histogram != histogram)
			condense_into_new(sm, ms, tx);
		else
			POOL_MUST(spa, space_map_truncate(sm, tx));
		POOL_MUST(spa,
		    space_map_write(sm, allocated, SM_ALLOC, SM_NO_VDEV, pass, tx));
	}
	range_tree_vacate(allocated, NULL, NULL);
	range_tree_destroy(allocated);
}

static void
metaslab_io_sync(metaslab_t *ms, int pass, dmu_tx_t *tx)
{
	spa_t *spa = ms->ms_group->mg_class->mc_spa;
	const uint64_t txg = dmu_tx_get_txg(tx);
	uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE];
	range_tree_t *alloc, *freeing;
	space_map_t sm;

	metaslab_sync_take(ms, txg, &alloc, &freeing);
	if (!range_tree_is_empty(alloc) || !range_tree_is_empty(freeing)) {
		const uint64_t object = metaslab_map_object(ms, tx);
		POOL_MUST(spa, map_open(&sm, ms, object));
		if (pass == 1)
			condense(&sm, ms, pass, tx);
		POOL_MUST(
		    spa, space_map_write(&sm, alloc, SM_ALLOC, SM_NO_VDEV, pass, tx));
		POOL_MUST(
		    spa, space_map_write(&sm, freeing, SM_FREE, SM_NO_VDEV, pass, tx));
		metaslab_histogram(ms, sm.sm_shift, hist);
		POOL_MUST(spa, space_map_set_histogram(&sm, hist, tx));
		ms->ms_sm_length = sm.sm_phys.smp_length;
		ms->ms_sm_alloc = sm.sm_phys.smp_alloc;
	}
	metaslab_sync_pass_done(ms, txg);
}

void
pool_metaslabs_sync(spa_t *spa, dmu_tx_t *tx)
{
	const uint64_t txg = dmu_tx_get_txg(tx);
	metaslab_t *ms;

	pool_dtls_sync(spa, tx);
	while ((ms = txg_list_remove(spa_dirty_metaslabs(spa), txg)) != NULL)
		metaslab_io_sync(ms, spa->spa_sync_pass, tx);
}

void
pool_metaslabs_sync_done(spa_t *spa, uint64_t txg)
{
	metaslab_t *ms;

	while ((ms = txg_list_remove(spa_synced_metaslabs(spa), txg)) != NULL)
		metaslab_sync_done(ms, txg);
	metaslab_class_reassess(spa->spa_normal_class, txg);
	metaslab_class_reassess(spa->spa_log_class, txg);
}
