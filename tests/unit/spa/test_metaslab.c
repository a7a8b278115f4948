/*
 * The allocator: blocks never overlap, space comes back exactly when it may, copies lie apart, vdevs
 * fill evenly, damage does not spread.
 */
#include "spa_fake.h"

#define MS_SHIFT 20
#define MS_SIZE (1ULL << MS_SHIFT)

static void
a_block_is_taken_and_comes_back_three_txgs_later(void **state)
{
	/* One metaslab with room for exactly one block: its reuse can be seen. */
	fake_pool_t *fp = fake_pool_create(1, 1, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0};

	const dva_t dva = fake_alloc(fp, MS_SIZE);
	assert_int_equal(DVA_GET_ASIZE(&dva), MS_SIZE);
	fake_sync(fp);
	assert_int_equal(spa_get_alloc(spa), MS_SIZE);

	const uint64_t freed_in = fp->fp_txg;
	fake_free(fp, &dva);
	fake_sync(fp);
	assert_int_equal(fake_free_on_disk(fp), MS_SIZE);
	assert_int_equal(
	    spa_get_alloc(spa), MS_SIZE); /* still counted while deferred */
	assert_true(spa_deferred_space(spa) != 0);
	while (fp->fp_txg < freed_in + 3) {
		assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, 4096, &bp,
				     1, fp->fp_txg, NULL, 0),
		    ENOSPC);
		assert_true(spa_has_deferred_work(spa));
		fake_sync(fp);
	}
	assert_int_equal(spa_get_alloc(spa), 0);
	assert_false(spa_has_deferred_work(spa));
	(void)fake_alloc(fp, MS_SIZE);
	fake_pool_destroy(fp);
}

static void
allocated_and_freed_in_one_txg_stands_in_both_batches(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 1, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	range_tree_t *alloc, *freed;

	const dva_t dva = fake_alloc(fp, 8192);
	fake_free(fp, &dva);
	metaslab_t *ms = txg_list_head(spa_dirty_metaslabs(spa), fp->fp_txg);
	metaslab_sync_take(ms, fp->fp_txg, &alloc, &freed);
	assert_true(range_tree_contains(alloc, DVA_GET_OFFSET(&dva), 8192));
	assert_true(range_tree_contains(freed, DVA_GET_OFFSET(&dva), 8192));
	assert_false(
	    range_tree_overlaps(ms->ms_allocatable, DVA_GET_OFFSET(&dva), 8192));
	metaslab_sync_pass_done(ms, fp->fp_txg);
	fake_sync(fp);
	assert_int_equal(range_tree_space(ms->ms_allocatable), MS_SIZE - 8192);
	fake_pool_destroy(fp);
}

static void
undoing_an_allocation_leaves_no_trace(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 1, MS_SHIFT, 12);

	const dva_t dva = fake_alloc(fp, 65536);
	metaslab_unalloc_dva(fp->fp_spa, &dva, fp->fp_txg);
	const dva_t all = fake_alloc(fp, MS_SIZE);
	assert_int_equal(DVA_GET_OFFSET(&all), 0);
	/* Undone after a pass wrote it: an ordinary free. */
	fake_sync_pass(fp, fp->fp_txg);
	metaslab_unalloc_dva(fp->fp_spa, &all, fp->fp_txg);
	fake_sync_pass(fp, fp->fp_txg);
	assert_int_equal(fake_free_on_disk(fp), MS_SIZE);
	fake_pool_destroy(fp);
}

static void
copies_go_to_different_vdevs_else_far_apart(void **state)
{
	fake_pool_t *fp = fake_pool_create(3, 16, MS_SHIFT, 9);
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0};

	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, 4096, &bp, 3,
			     fp->fp_txg, NULL, 0),
	    0);
	assert_int_not_equal(
	    DVA_GET_VDEV(&bp.blk_dva[0]), DVA_GET_VDEV(&bp.blk_dva[1]));
	assert_int_not_equal(
	    DVA_GET_VDEV(&bp.blk_dva[1]), DVA_GET_VDEV(&bp.blk_dva[2]));
	assert_int_not_equal(
	    DVA_GET_VDEV(&bp.blk_dva[0]), DVA_GET_VDEV(&bp.blk_dva[2]));
	fake_pool_destroy(fp);

	fp = fake_pool_create(1, 16, MS_SHIFT, 9);
	spa = fp->fp_spa;
	memset(&bp, 0, sizeof(bp));
	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, 4096, &bp, 3,
			     fp->fp_txg, NULL, 0),
	    0);
	for (int i = 0; i < 3; i++) {
		for (int j = i + 1; j < 3; j++) {
			const int64_t a = (int64_t)DVA_GET_OFFSET(&bp.blk_dva[i]);
			const int64_t b = (int64_t)DVA_GET_OFFSET(&bp.blk_dva[j]);
			assert_true(llabs(a - b) >= (int64_t)MS_SIZE);
		}
	}
	fake_pool_destroy(fp);

	/* No room for distance: anywhere, but never overlapping. */
	fp = fake_pool_create(1, 1, MS_SHIFT, 9);
	memset(&bp, 0, sizeof(bp));
	assert_int_equal(metaslab_alloc(fp->fp_spa, fp->fp_spa->spa_normal_class, 4096,
			     &bp, 3, fp->fp_txg, NULL, 0),
	    0);
	assert_int_not_equal(
	    DVA_GET_OFFSET(&bp.blk_dva[0]), DVA_GET_OFFSET(&bp.blk_dva[1]));
	fake_pool_destroy(fp);
}

static void
no_room_for_all_copies_means_none_is_allocated(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 1, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0};

	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, MS_SIZE / 2 + 4096,
			     &bp, 2, fp->fp_txg, NULL, 0),
	    ENOSPC);
	assert_true(DVA_IS_EMPTY(&bp.blk_dva[0]));
	(void)fake_alloc(fp, MS_SIZE);
	fake_pool_destroy(fp);
}

static void
sequential_writes_stay_sequential_and_stripe_over_vdevs(void **state)
{
	fake_pool_t *fp = fake_pool_create(2, 32, MS_SHIFT, 12);
	uint64_t used[2] = {0, 0}, last[2] = {0, 0};
	int jumps = 0;

	for (int i = 0; i < 300; i++) {
		const dva_t dva = fake_alloc(fp, 65536);
		const uint64_t v = DVA_GET_VDEV(&dva);
		jumps += (DVA_GET_OFFSET(&dva) != last[v]);
		last[v] = DVA_GET_OFFSET(&dva) + 65536;
		used[v] += 65536;
	}
	/* 300 blocks fill about 20 metaslabs of 16 blocks; each is one or two runs. */
	assert_true(jumps < 60);
	assert_true(used[0] < used[1] * 5 / 4 && used[1] < used[0] * 5 / 4);
	fake_pool_destroy(fp);
}

static void
an_added_vdev_catches_up(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 32, MS_SHIFT, 12);
	uint64_t fresh = 0, total = 0;

	for (int i = 0; i < 24 * 16; i++) /* three quarters */
		(void)fake_alloc(fp, 65536);
	fake_sync(fp);
	fake_pool_add(fp, 32, MS_SHIFT, 12);
	for (int i = 0; i < 16 * 16; i++) {
		const dva_t dva = fake_alloc(fp, 65536);
		fresh += DVA_GET_VDEV(&dva) == 1;
		total++;
	}
	assert_true(fresh * 3 > total * 2);
	fake_pool_destroy(fp);
}

static void
a_dead_or_forbidden_vdev_gets_nothing(void **state)
{
	fake_pool_t *fp = fake_pool_create(3, 8, MS_SHIFT, 12);

	fp->fp_top[0].vdev_state = VDEV_STATE_CANT_OPEN;
	fp->fp_top[1].vdev_noalloc = true;
	for (int i = 0; i < 40; i++) {
		const dva_t dva = fake_alloc(fp, 65536);
		assert_int_equal(DVA_GET_VDEV(&dva), 2);
	}
	fake_pool_destroy(fp);
}

static void
an_unreadable_space_map_is_avoided_until_clear(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0};

	fp->fp_load_error = EIO;
	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, 4096, &bp, 1,
			     fp->fp_txg, NULL, 0),
	    ENOSPC);
	fp->fp_load_error = 0;
	metaslab_class_retry(spa->spa_normal_class);
	(void)fake_alloc(fp, 4096);
	fake_pool_destroy(fp);
}

static dva_t
make_dva(uint64_t vdev, uint64_t offset, uint64_t asize)
{
	dva_t dva = {{0, 0}};

	DVA_SET_VDEV(&dva, vdev);
	DVA_SET_OFFSET(&dva, offset);
	DVA_SET_ASIZE(&dva, asize);
	return (dva);
}

static void
impossible_ranges_are_leaked_not_freed(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, MS_SHIFT, 12);
	const dva_t bad[] = {
	    make_dva(7, 0, 4096),	       /* no such vdev */
	    make_dva(0, 4 * MS_SIZE, 4096),    /* beyond the last metaslab */
	    make_dva(0, (1ULL << 60), 4096),   /* far beyond */
	    make_dva(0, MS_SIZE - 4096, 8192), /* across two metaslabs */
	    make_dva(0, 512, 4096),	       /* misaligned */
	    make_dva(0, 0, 512),	       /* smaller than a sector */
	    make_dva(0, 0, 0),		       /* nothing */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_free(fp, &bad[i]);
		assert_int_equal(metaslab_claim_dva(fp->fp_spa, &bad[i], 4), EINVAL);
	}
	fake_sync(fp);
	assert_int_equal(fake_free_on_disk(fp), 4 * MS_SIZE);
	fake_pool_destroy(fp);
}

static void
freeing_twice_stops_the_process_unless_told_to_recover(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, MS_SHIFT, 12);

	const dva_t dva = fake_alloc(fp, 8192);
	fake_sync(fp);
	fake_free(fp, &dva);
	metaslab_tunables.mt_recover = true;
	fake_free(fp, &dva);
	fake_sync(fp);
	fake_free(fp, &dva); /* deferred now */
	fake_sync(fp);
	fake_sync(fp);
	fake_sync(fp);
	fake_free(fp, &dva); /* allocatable now */
	fake_sync(fp);
	metaslab_tunables.mt_recover = false;
	assert_int_equal(fake_free_on_disk(fp), 4 * MS_SIZE);
	assert_true(PANICS(fake_free(fp, &dva)));
	/* The locks are still held by the dead: this pool is given up. */
}

static void
claiming_takes_exactly_what_is_free(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	const dva_t dva = make_dva(0, MS_SIZE + 8192, 8192);

	assert_int_equal(metaslab_claim_dva(spa, &dva, fp->fp_txg), 0);
	assert_int_equal(metaslab_claim_dva(spa, &dva, fp->fp_txg), ENOENT);
	for (int i = 0; i < 3 * 256; i++) {
		const dva_t other = fake_alloc(fp, 4096);
		const uint64_t o = DVA_GET_OFFSET(&other);
		assert_true(o + 4096 <= MS_SIZE + 8192 || o >= MS_SIZE + 16384);
	}
	fake_sync(fp);
	fake_pool_destroy(fp);
}

static void
idle_metaslabs_are_unloaded_and_know_their_state_when_loaded_again(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 2, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;

	const dva_t a = fake_alloc(fp, 4096), b = fake_alloc(fp, 8192);
	fake_sync(fp);
	metaslab_t *ms = metaslab_of(spa, 0, DVA_GET_OFFSET(&a));
	for (uint64_t i = 0; i <= metaslab_tunables.mt_unload_txgs + 1; i++)
		fake_sync(fp);
	assert_false(ms->ms_loaded);
	/* Freed while unloaded, then loaded in the middle of the deferral. */
	fake_free(fp, &a);
	fake_sync(fp);
	fake_free(fp, &b);
	fake_sync_pass(fp, fp->fp_txg);
	mutex_enter(&ms->ms_lock);
	assert_int_equal(metaslab_load(ms), 0);
	assert_false(range_tree_overlaps(ms->ms_allocatable, DVA_GET_OFFSET(&a), 4096));
	assert_false(range_tree_overlaps(ms->ms_allocatable, DVA_GET_OFFSET(&b), 8192));
	mutex_exit(&ms->ms_lock);
	fake_sync_done(fp, fp->fp_txg++);
	fake_sync(fp);
	assert_true(range_tree_contains(ms->ms_allocatable, DVA_GET_OFFSET(&a), 4096));
	fake_sync(fp);
	assert_int_equal(range_tree_space(ms->ms_allocatable), MS_SIZE);
	fake_pool_destroy(fp);
}

/* ---- a model ------------------------------------------------------------------------------ */

#define SECTOR 4096
#define TOPS 2
#define MSS 8
#define SECTORS (MSS * MS_SIZE / SECTOR)

/* For each sector: 0 free, 1 in use, else txg + 2 in which it was freed. */
static uint64_t model[TOPS][SECTORS];

static void
model_take(const dva_t *dva, uint64_t txg)
{
	uint64_t *m = model[DVA_GET_VDEV(dva)] + DVA_GET_OFFSET(dva) / SECTOR;

	for (uint64_t i = 0; i < DVA_GET_ASIZE(dva) / SECTOR; i++) {
		assert_int_not_equal(m[i], 1);
		assert_true(m[i] == 0 || m[i] - 2 + 3 <= txg);
		m[i] = 1;
	}
}

static void
model_give(const dva_t *dva, uint64_t txg)
{
	uint64_t *m = model[DVA_GET_VDEV(dva)] + DVA_GET_OFFSET(dva) / SECTOR;

	for (uint64_t i = 0; i < DVA_GET_ASIZE(dva) / SECTOR; i++)
		m[i] = txg + 2;
}

static void
a_long_random_life_keeps_every_rule(void **state)
{
	fake_pool_t *fp = fake_pool_create(TOPS, MSS, MS_SHIFT, 12);
	spa_t *spa = fp->fp_spa;
	const uint64_t capacity = TOPS * MSS * MS_SIZE;
	size_t n = 0, cap = TOPS * SECTORS;
	dva_t *live = kmem_alloc(cap * sizeof(*live), KM_SLEEP);
	uint64_t used = 0, refused = 0;

	(void)test_seed();
	memset(model, 0, sizeof(model));
	metaslab_tunables.mt_unload_txgs = 3;
	for (int round = 0; round < 300; round++) {
		const bool filling = (round / 40) % 2 == 0;
		for (int i = 0; i < 40; i++) {
			if (n > 0 && random_in_range(10) < (filling ? 2 : 7)) {
				const size_t k = random_in_range(n);
				fake_free(fp, &live[k]);
				model_give(&live[k], fp->fp_txg);
				used -= DVA_GET_ASIZE(&live[k]);
				live[k] = live[--n];
				continue;
			}
			blkptr_t bp = {0};
			const uint64_t size = SECTOR << random_in_range(6);
			const int copies = 1 + (int)random_in_range(3);
			if (metaslab_alloc(spa, spa->spa_normal_class, size, &bp,
				copies, fp->fp_txg, NULL, 0) != 0) {
				refused++;
				continue;
			}
			for (int d = 0; d < copies; d++) {
				model_take(&bp.blk_dva[d], fp->fp_txg);
				used += DVA_GET_ASIZE(&bp.blk_dva[d]);
				live[n++] = bp.blk_dva[d];
			}
			if (random_in_range(20) == 0) {
				const dva_t dva = live[--n];
				metaslab_unalloc_dva(spa, &dva, fp->fp_txg);
				memset(model[DVA_GET_VDEV(&dva)] +
					   DVA_GET_OFFSET(&dva) / SECTOR,
				    0, DVA_GET_ASIZE(&dva) / SECTOR * sizeof(uint64_t));
				used -= DVA_GET_ASIZE(&dva);
			}
			if (random_in_range(15) == 0)
				fake_sync_pass(fp, fp->fp_txg);
		}
		fake_sync(fp);
		assert_int_equal(fake_free_on_disk(fp), capacity - used);
		assert_int_equal(
		    spa_get_alloc(spa) -
			atomic_load_64(&spa->spa_normal_class->mc_deferred),
		    used);
	}
	print_message("%" PRIu64 " loads, %" PRIu64 " refused\n",
	    atomic_load_64(&fp->fp_loads), refused);
	/* All of it comes back. */
	while (n > 0) {
		fake_free(fp, &live[--n]);
	}
	for (int i = 0; i < 4; i++)
		fake_sync(fp);
	assert_int_equal(spa_get_alloc(spa), 0);
	assert_int_equal(fake_free_on_disk(fp), capacity);
	assert_false(spa_has_deferred_work(spa));
	metaslab_tunables.mt_unload_txgs = 64;
	kmem_free(live, cap * sizeof(*live));
	fake_pool_destroy(fp);
}

/* ---- threads ------------------------------------------------------------------------------ */

#define THREADS 8
#define EACH 400
static dva_t taken[THREADS][EACH];
static fake_pool_t *shared_pool;

static void
allocate_many(void *arg)
{
	dva_t *out = arg;

	for (int i = 0; i < EACH; i++) {
		out[i] = fake_alloc(shared_pool, (i % 3 + 1) * 4096);
		if (i % 10 == 9)
			metaslab_unalloc_dva(
			    shared_pool->fp_spa, &out[i], shared_pool->fp_txg);
	}
}

static void
eight_allocators_never_get_the_same_space(void **state)
{
	kthread_t *t[THREADS];
	range_tree_t *seen[2] = {range_tree_create(false), range_tree_create(false)};

	metaslab_tunables.mt_slots = 4;
	shared_pool = fake_pool_create(2, 32, MS_SHIFT, 12);
	for (int i = 0; i < THREADS; i++)
		t[i] = thread_create("alloc", allocate_many, taken[i]);
	for (int i = 0; i < THREADS; i++)
		thread_join(t[i]);
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < EACH; k++)
			if (k % 10 != 9)
				range_tree_add(seen[DVA_GET_VDEV(&taken[i][k])],
				    DVA_GET_OFFSET(&taken[i][k]),
				    DVA_GET_ASIZE(&taken[i][k]));
	const uint64_t sum = range_tree_space(seen[0]) + range_tree_space(seen[1]);
	fake_sync(shared_pool);
	assert_int_equal(spa_get_alloc(shared_pool->fp_spa), sum);
	for (int v = 0; v < 2; v++) {
		range_tree_vacate(seen[v], NULL, NULL);
		range_tree_destroy(seen[v]);
	}
	fake_pool_destroy(shared_pool);
	metaslab_tunables.mt_slots = 0;
}

static void
fragmentation_tells_small_pieces_from_large(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, 24, 12);
	metaslab_class_t *mc = fp->fp_spa->spa_normal_class;
	uint64_t before, hist[32];

	assert_int_equal(metaslab_class_fragmentation(mc), UINT64_MAX); /* no feature */
	spa_feature_enable(fp->fp_spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, 4);
	assert_int_equal(metaslab_class_fragmentation(mc), 0);
	dva_t *dva = kmem_alloc(4 * 4096 * sizeof(*dva), KM_SLEEP);
	for (int i = 0; i < 4 * 4096; i++)
		dva[i] = fake_alloc(fp, 4096);
	fake_sync(fp);
	for (int i = 0; i < 4 * 4096; i += 2)
		fake_free(fp, &dva[i]);
	for (int i = 0; i < 4; i++)
		fake_sync(fp);
	before = metaslab_class_fragmentation(mc);
	assert_true(before > 70 && before <= 100);
	metaslab_histogram(metaslab_of(fp->fp_spa, 0, 0), 12, hist);
	assert_int_equal(hist[0], 2048);
	kmem_free(dva, 4 * 4096 * sizeof(*dva));
	fake_pool_destroy(fp);
}

static void
capacity_is_deflated_and_keeps_a_reserve(void **state)
{
	fake_pool_t *fp = fake_pool_create(2, 64, 24, 12);
	spa_t *spa = fp->fp_spa;
	const uint64_t space = 2 * 64 * (1ULL << 24);
	blkptr_t bp = {0};

	assert_int_equal(spa_get_space(spa), space);
	assert_int_equal(spa_get_dspace(spa), space); /* plain disks: ratio 512 */
	assert_int_equal(spa_get_slop_space(spa), 128ULL << 20);
	fp->fp_top[0].vdev_deflate_ratio = 341; /* 3-wide raidz1 */
	assert_int_equal(spa_get_dspace(spa), space / 2 + (space / 2 >> 9) * 341);
	bp.blk_dva[0] = make_dva(0, 0, 196608);
	bp.blk_dva[1] = make_dva(1, 0, 131072);
	BP_SET_LSIZE(&bp, 131072);
	BP_SET_PSIZE(&bp, 131072);
	assert_int_equal(bp_get_dsize(spa, &bp), 384 * 341 + 131072);
	fp->fp_top[1].vdev_noalloc = true;
	assert_int_equal(spa_get_dspace(spa), (space / 2 >> 9) * 341);
	assert_int_equal(spa_get_worst_case_asize(spa, 512), 6 * 4096);
	assert_int_equal(spa_get_worst_case_asize(spa, 100000), 6 * 100000);
	assert_int_equal(spa_get_worst_case_asize(spa, 0), 0);
	fake_pool_destroy(fp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_block_is_taken_and_comes_back_three_txgs_later),
	    cmocka_unit_test(allocated_and_freed_in_one_txg_stands_in_both_batches),
	    cmocka_unit_test(undoing_an_allocation_leaves_no_trace),
	    cmocka_unit_test(copies_go_to_different_vdevs_else_far_apart),
	    cmocka_unit_test(no_room_for_all_copies_means_none_is_allocated),
	    cmocka_unit_test(sequential_writes_stay_sequential_and_stripe_over_vdevs),
	    cmocka_unit_test(an_added_vdev_catches_up),
	    cmocka_unit_test(a_dead_or_forbidden_vdev_gets_nothing),
	    cmocka_unit_test(an_unreadable_space_map_is_avoided_until_clear),
	    cmocka_unit_test(impossible_ranges_are_leaked_not_freed),
	    cmocka_unit_test(claiming_takes_exactly_what_is_free),
	    cmocka_unit_test(
		idle_metaslabs_are_unloaded_and_know_their_state_when_loaded_again),
	    cmocka_unit_test(a_long_random_life_keeps_every_rule),
	    cmocka_unit_test(eight_allocators_never_get_the_same_space),
	    cmocka_unit_test(fragmentation_tells_small_pieces_from_large),
	    cmocka_unit_test(capacity_is_deflated_and_keeps_a_reserve),
	    cmocka_unit_test(freeing_twice_stops_the_process_unless_told_to_recover),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
