#include "spa_fake.h"

static int
fake_load(spa_t *spa, metaslab_t *ms)
{
	fake_pool_t *fp = spa->spa_pool;
	range_tree_t *map = fp->fp_map[ms->ms_group->mg_vd->vdev_id][ms->ms_id];

	mutex_enter(&fp->fp_lock);
	atomic_inc_64(&fp->fp_loads);
	const int error = fp->fp_load_error;
	for (range_seg_t *rs = range_tree_first(map); rs != NULL && error == 0;
	     rs = range_tree_next(map, rs))
		range_tree_add(
		    ms->ms_allocatable, rs->rs_start, rs->rs_end - rs->rs_start);
	mutex_exit(&fp->fp_lock);
	return (error);
}

static void
fake_suo_sync(spa_t *spa, uint64_t txg)
{
	panic("the fake pool has no sync thread");
}

static const spa_upper_ops_t fake_ops = {
    .suo_sync = fake_suo_sync,
    .suo_metaslab_load = fake_load,
};

static uint64_t
fake_psize_to_asize(vdev_t *vd, uint64_t psize)
{
	return (P2ROUNDUP(psize, 1ULL << vd->vdev_ashift));
}

static const vdev_ops_t fake_vdev_ops = {
    .vop_type = "file",
    .vop_leaf = true,
    .vop_psize_to_asize = fake_psize_to_asize,
};

void
fake_pool_add(fake_pool_t *fp, uint64_t ms, uint64_t ms_shift, uint64_t ashift)
{
	const uint64_t id = fp->fp_root.vdev_children++;
	vdev_t *top = &fp->fp_top[id];

	assert_true(id < FAKE_TOPS_MAX && ms <= FAKE_MS_MAX);
	top->vdev_id = id;
	top->vdev_guid = id + 1;
	top->vdev_ops = &fake_vdev_ops;
	top->vdev_parent = &fp->fp_root;
	top->vdev_top = top;
	top->vdev_owner = fp->fp_spa;
	top->vdev_ashift = ashift;
	top->vdev_asize = (ms << ms_shift) + 12345; /* a rest that is never used */
	top->vdev_ms_shift = ms_shift;
	top->vdev_state = VDEV_STATE_HEALTHY;
	mutex_init(&top->vdev_stat_lock);
	fp->fp_children[id] = top;
	for (uint64_t i = 0; i < ms; i++) {
		fp->fp_map[id][i] = range_tree_create(false);
		range_tree_add(fp->fp_map[id][i], i << ms_shift, 1ULL << ms_shift);
	}
	assert_int_equal(spa_metaslabs_init(fp->fp_spa), 0);
}

fake_pool_t *
fake_pool_create(int ntops, uint64_t ms, uint64_t ms_shift, uint64_t ashift)
{
	return (fake_pool_create_ops(&fake_ops, ntops, ms, ms_shift, ashift));
}

fake_pool_t *
fake_pool_create_ops(const spa_upper_ops_t *ops, int ntops, uint64_t ms,
    uint64_t ms_shift, uint64_t ashift)
{
	fake_pool_t *fp = kmem_zalloc(sizeof(*fp), KM_SLEEP);

	mutex_init(&fp->fp_lock);
	fp->fp_spa = spa_alloc("fake", ops);
	fp->fp_spa->spa_pool = fp;
	fp->fp_spa->spa_root_vdev = &fp->fp_root;
	fp->fp_root.vdev_child = fp->fp_children;
	fp->fp_root.vdev_ops = &vdev_root_ops;
	fp->fp_txg = 4;
	txg_init(fp->fp_spa, fp->fp_txg);
	for (int i = 0; i < ntops; i++)
		fake_pool_add(fp, ms, ms_shift, ashift);
	return (fp);
}

void
fake_pool_destroy(fake_pool_t *fp)
{
	fp->fp_spa->spa_root_vdev = NULL; /* not the spa's to free */
	spa_free(fp->fp_spa);
	for (int v = 0; v < FAKE_TOPS_MAX; v++) {
		for (int i = 0; i < FAKE_MS_MAX; i++) {
			if (fp->fp_map[v][i] == NULL)
				continue;
			range_tree_vacate(fp->fp_map[v][i], NULL, NULL);
			range_tree_destroy(fp->fp_map[v][i]);
		}
		if (fp->fp_children[v] != NULL)
			mutex_destroy(&fp->fp_top[v].vdev_stat_lock);
	}
	mutex_destroy(&fp->fp_lock);
	kmem_free(fp, sizeof(*fp));
}

static void
map_remove(void *map, uint64_t start, uint64_t size)
{
	range_tree_remove(map, start, size);
}

static void
map_add(void *map, uint64_t start, uint64_t size)
{
	range_tree_add(map, start, size);
}

void
fake_sync_pass(fake_pool_t *fp, uint64_t txg)
{
	spa_t *spa = fp->fp_spa;
	metaslab_t *ms;

	spa->spa_syncing_txg = txg;
	while ((ms = txg_list_remove(spa_dirty_metaslabs(spa), txg)) != NULL) {
		range_tree_t *map = fp->fp_map[ms->ms_group->mg_vd->vdev_id][ms->ms_id];
		range_tree_t *alloc, *freed;
		metaslab_sync_take(ms, txg, &alloc, &freed);
		mutex_enter(&fp->fp_lock);
		range_tree_walk(alloc, map_remove, map);
		range_tree_walk(freed, map_add, map);
		mutex_exit(&fp->fp_lock);
		ms->ms_sm_object = 1;
		ms->ms_sm_alloc +=
		    (int64_t)range_tree_space(alloc) - (int64_t)range_tree_space(freed);
		uint64_t hist[32];
		metaslab_histogram(ms, (int)ms->ms_group->mg_vd->vdev_ashift, hist);
		metaslab_sync_pass_done(ms, txg);
	}
}

void
fake_sync_done(fake_pool_t *fp, uint64_t txg)
{
	spa_t *spa = fp->fp_spa;
	metaslab_t *ms;

	__atomic_store_n(&spa->spa_ubsync.ub_txg, txg, __ATOMIC_RELEASE);
	__atomic_store_n(&spa->spa_tx.tx_open_txg, txg + 1, __ATOMIC_RELEASE);
	while ((ms = txg_list_remove(spa_synced_metaslabs(spa), txg)) != NULL)
		metaslab_sync_done(ms, txg);
	metaslab_class_reassess(spa->spa_normal_class, txg);
}

void
fake_sync(fake_pool_t *fp)
{
	fake_sync_pass(fp, fp->fp_txg);
	fake_sync_done(fp, fp->fp_txg);
	fp->fp_txg++;
}

uint64_t
fake_free_on_disk(fake_pool_t *fp)
{
	uint64_t space = 0;

	for (int v = 0; v < FAKE_TOPS_MAX; v++)
		for (int i = 0; i < FAKE_MS_MAX; i++)
			if (fp->fp_map[v][i] != NULL)
				space += range_tree_space(fp->fp_map[v][i]);
	return (space);
}

dva_t
fake_alloc(fake_pool_t *fp, uint64_t size)
{
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0};

	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, size, &bp, 1,
			     fp->fp_txg, NULL, 0),
	    0);
	return (bp.blk_dva[0]);
}

void
fake_free(fake_pool_t *fp, const dva_t *dva)
{
	fp->fp_spa->spa_syncing_txg = fp->fp_txg;
	metaslab_free_dva(fp->fp_spa, dva, fp->fp_txg);
}

uint64_t
test_seed(void)
{
	const char *env = getenv("TARN_SEED");
	const uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : random_guid();

	print_message("seed %" PRIu64 "\n", seed);
	spl_random_seed(seed);
	return (seed);
}

jmp_buf test_panic_jmp;

void
test_panic_leave(const char *msg)
{
	longjmp(test_panic_jmp, 1);
}
