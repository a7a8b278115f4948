/*
 * Space maps on a toy dmu: what is written can be replayed, by us and by the letter of the format; damage
 * gives an error; metaslabs survive a restart; log space maps are merged and disappear.
 */
#include "spa_fake.h"

#include "dsl/dsl.h"
#include "pool/dtl_io.h"
#include "pool/metaslab_io.h"
#include "pool/space_map.h"
#include "toy/toy_dmu.h"
#include "zap/zap.h"

#define MS_SHIFT 24
#define MS_SIZE (1ULL << MS_SHIFT)

static spa_t *the_spa;
static objset_t *the_os;

spa_t *
dmu_objset_spa(objset_t *os)
{
	return (the_spa);
}

static const spa_upper_ops_t map_ops = {.suo_metaslab_load = pool_metaslab_load};

static fake_pool_t *
open_pool(int tops, uint64_t ms)
{
	fake_pool_t *fp = fake_pool_create_ops(&map_ops, tops, ms, MS_SHIFT, 12);

	the_spa = fp->fp_spa;
	the_spa->spa_meta_objset = the_os;
	spa_feature_enable(the_spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, 4);
	spa_feature_enable(the_spa, SPA_FEATURE_SPACEMAP_V2, 4);
	return (fp);
}

static dmu_tx_t *
begin(void)
{
	dmu_tx_t *tx = dmu_tx_create(the_os);

	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	return (tx);
}

static int
setup(void **state)
{
	the_os = toy_objset_create(1);
	/* The object directory, as every MOS has it. */
	dmu_tx_t *tx = begin();
	assert_int_equal(zap_create_claim_norm(the_os, DMU_POOL_DIRECTORY_OBJECT, 0,
			     DMU_OT_OBJECT_DIRECTORY, DMU_OT_NONE, 0, tx),
	    0);
	dmu_tx_commit(tx);
	return (0);
}

static int
teardown(void **state)
{
	toy_objset_destroy(the_os);
	return (0);
}

static void
drop(range_tree_t *rt)
{
	range_tree_vacate(rt, NULL, NULL);
	range_tree_destroy(rt);
}

static void
assert_same(range_tree_t *a, range_tree_t *b)
{
	range_seg_t *y = range_tree_first(b);

	assert_int_equal(range_tree_numsegs(a), range_tree_numsegs(b));
	for (range_seg_t *x = range_tree_first(a); x != NULL;
	     x = range_tree_next(a, x)) {
		assert_int_equal(x->rs_start, y->rs_start);
		assert_int_equal(x->rs_end, y->rs_end);
		y = range_tree_next(b, y);
	}
}

static uint64_t
word(uint64_t object, uint64_t n)
{
	uint64_t w;

	assert_int_equal(
	    dmu_read(the_os, object, n * 8, 8, &w, DMU_READ_NO_PREFETCH), 0);
	return (w);
}

/* ---- the format --------------------------------------------------------------------------- */

static void
entries_are_those_of_the_format(void **state)
{
	fake_pool_t *fp = open_pool(1, 1);
	dmu_tx_t *tx = begin();
	range_tree_t *rt = range_tree_create(false);
	const uint64_t obj = space_map_alloc(the_os, 16384, tx);
	const uint64_t txg = dmu_tx_get_txg(tx);
	space_map_t sm;

	assert_int_equal(space_map_open(&sm, the_os, obj, MS_SIZE, MS_SIZE, 9), 0);
	range_tree_add(rt, MS_SIZE, 31 * 512);
	range_tree_add(rt, MS_SIZE + 32 * 512, 15 * 512);
	assert_int_equal(space_map_write(&sm, rt, SM_ALLOC, SM_NO_VDEV, 1, tx), 0);
	assert_int_equal(word(obj, 0), 0x8004000000000000ULL | txg);
	assert_int_equal(word(obj, 1), 0x1e);
	assert_int_equal(word(obj, 2), 0x20000e);
	range_tree_vacate(rt, NULL, NULL);
	range_tree_add(rt, MS_SIZE + 512, 5 * 512);
	assert_int_equal(space_map_write(&sm, rt, SM_FREE, SM_NO_VDEV, 1, tx), 0);
	assert_int_equal(word(obj, 3), 0x9004000000000000ULL | txg);
	assert_int_equal(word(obj, 4), 0x18004);
	assert_int_equal(sm.sm_phys.smp_length, 40);
	assert_int_equal(sm.sm_phys.smp_alloc, (31 + 15 - 5) * 512);
	assert_int_equal(
	    spa_feature_refcount(the_spa, SPA_FEATURE_SPACEMAP_HISTOGRAM), 1);
	assert_int_equal(space_map_free(the_os, obj, tx), 0);
	assert_int_equal(
	    spa_feature_refcount(the_spa, SPA_FEATURE_SPACEMAP_HISTOGRAM), 0);
	dmu_tx_commit(tx);
	drop(rt);
	fake_pool_destroy(fp);
}

static void
two_word_entries_never_straddle_a_block(void **state)
{
	fake_pool_t *fp = open_pool(1, 1);
	dmu_tx_t *tx = begin();
	const uint64_t obj = space_map_alloc(the_os, 512, tx);
	range_tree_t *rt = range_tree_create(false), *back = range_tree_create(false);
	space_map_t sm;

	assert_int_equal(space_map_open(&sm, the_os, obj, 0, 1ULL << 40, 9), 0);
	for (uint64_t i = 0; i < 500; i++)
		range_tree_add(rt, i << 20, 512);
	assert_int_equal(space_map_write(&sm, rt, SM_ALLOC, 5, 3, tx), 0);
	/* 64 words a block: debug, 31 entries, one word left. */
	assert_int_equal(word(obj, 63), SM_PADDING_WORD);
	assert_int_equal(word(obj, 64) >> 62, 3);
	assert_int_equal(word(obj, 64) & 0xffffff, 5);
	assert_int_equal(space_map_load_length(&sm, UINT64_MAX, back, SM_ALLOC), 0);
	assert_same(rt, back);
	dmu_tx_commit(tx);
	drop(rt);
	drop(back);
	fake_pool_destroy(fp);
}

static void
long_runs_are_split_or_take_two_words(void **state)
{
	fake_pool_t *fp = open_pool(1, 1);
	range_tree_t *rt = range_tree_create(false), *back = range_tree_create(false);
	space_map_t sm;

	range_tree_add(rt, 0, (3ULL << 15) * 512 + 512);
	for (int v2 = 0; v2 <= 1; v2++) {
		dmu_tx_t *tx = begin();
		the_spa->spa_features.sf_refcount[SPA_FEATURE_SPACEMAP_V2] =
		    v2 ? 1 : SPA_FEATURE_DISABLED;
		const uint64_t obj = space_map_alloc(the_os, 4096, tx);
		assert_int_equal(space_map_open(&sm, the_os, obj, 0, 1ULL << 32, 9), 0);
		assert_int_equal(
		    space_map_write(&sm, rt, SM_ALLOC, SM_NO_VDEV, 1, tx), 0);
		assert_int_equal(sm.sm_phys.smp_length, v2 ? 3 * 8 : 5 * 8);
		assert_int_equal(
		    space_map_load(the_os, obj, 0, 1ULL << 32, 9, back, SM_ALLOC), 0);
		assert_same(rt, back);
		range_tree_vacate(back, NULL, NULL);
		dmu_tx_commit(tx);
	}
	drop(rt);
	drop(back);
	fake_pool_destroy(fp);
}

static void
without_the_feature_headers_are_short(void **state)
{
	fake_pool_t *fp = open_pool(1, 1);
	dmu_tx_t *tx = begin();
	dmu_object_info_t doi;
	space_map_t sm;
	uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE] = {1};

	the_spa->spa_features.sf_refcount[SPA_FEATURE_SPACEMAP_HISTOGRAM] =
	    SPA_FEATURE_DISABLED;
	const uint64_t obj = space_map_alloc(the_os, 4096, tx);
	assert_int_equal(dmu_object_info(the_os, obj, &doi), 0);
	assert_int_equal(doi.doi_bonus_size, 24);
	assert_int_equal(space_map_open(&sm, the_os, obj, 0, MS_SIZE, 12), 0);
	assert_false(sm.sm_has_histogram);
	assert_int_equal(space_map_set_histogram(&sm, hist, tx), 0);
	assert_int_equal(space_map_free(the_os, obj, tx), 0);
	dmu_tx_commit(tx);
	fake_pool_destroy(fp);
}

/* ---- damage ------------------------------------------------------------------------------- */

static void
contradictions_and_lies_are_errors(void **state)
{
	static const uint64_t bad[][2] = {
	    {0x8000, 0},			       /* frees what is free */
	    {0x0, 0x0},				       /* allocates twice */
	    {1ULL << 40, 0},			       /* far outside */
	    {(4095ULL << 16) | 1, 0},		       /* one unit over the end */
	    {0xc000000000000000ULL | (1ULL << 40), 0}, /* a run of 2^16 */
	};
	fake_pool_t *fp = open_pool(1, 1);
	dmu_tx_t *tx = begin();
	range_tree_t *rt = range_tree_create(true);
	space_map_t sm;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const uint64_t obj = space_map_alloc(the_os, 4096, tx);
		assert_int_equal(space_map_open(&sm, the_os, obj, 0, MS_SIZE, 12), 0);
		toy_poke(the_os, obj, 0, bad[i], 16);
		sm.sm_phys.smp_length = i == 1 || i == 4 ? 16 : 8;
		assert_int_equal(
		    space_map_load_length(&sm, UINT64_MAX, rt, SM_FREE), EIO);
		assert_true(range_tree_is_empty(rt));
	}
	/* Cut off in the middle of a two-word entry; other objects; impossible headers. */
	const uint64_t half = 0xc000000000000000ULL;
	const uint64_t obj = space_map_alloc(the_os, 4096, tx);
	assert_int_equal(space_map_open(&sm, the_os, obj, 0, MS_SIZE, 12), 0);
	toy_poke(the_os, obj, 0, &half, 8);
	sm.sm_phys.smp_length = 8;
	assert_int_equal(space_map_load_length(&sm, UINT64_MAX, rt, SM_FREE), EIO);

	dmu_buf_t *db;
	const uint64_t lies[] = {7, 4096 + 8, 1ULL << 62, UINT64_MAX - 7};
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		assert_int_equal(dmu_bonus_hold(the_os, obj, the_os, &db), 0);
		dmu_buf_will_dirty(db, tx);
		((space_map_phys_t *)db->db_data)->smp_length = lies[i];
		dmu_buf_rele(db, the_os);
		assert_int_equal(space_map_open(&sm, the_os, obj, 0, MS_SIZE, 12), EIO);
	}
	const uint64_t other =
	    dmu_object_alloc(the_os, DMU_OT_OBJECT_ARRAY, 512, DMU_OT_NONE, 0, tx);
	assert_int_equal(space_map_open(&sm, the_os, other, 0, MS_SIZE, 12), EIO);
	assert_int_equal(space_map_open(&sm, the_os, 999999, 0, MS_SIZE, 12), ENOENT);
	dmu_tx_commit(tx);
	drop(rt);
	fake_pool_destroy(fp);
}

static void
random_bytes_never_crash_a_load(void **state)
{
	fake_pool_t *fp = open_pool(1, 1);
	dmu_tx_t *tx = begin();
	range_tree_t *rt = range_tree_create(true);
	const uint64_t obj = space_map_alloc(the_os, 512, tx);
	uint64_t words[256];
	space_map_t sm;

	(void)test_seed();
	assert_int_equal(space_map_open(&sm, the_os, obj, 0, MS_SIZE, 12), 0);
	for (int n = 0; n < 3000; n++) {
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			words[i] = random_in_range(UINT64_MAX);
			if (random_in_range(3) != 0) /* make some plausible */
				words[i] &= 0xfff8007ULL;
		}
		assert_int_equal(
		    dmu_write(the_os, obj, 0, sizeof(words), words, tx), 0);
		sm.sm_phys.smp_length = random_in_range(257) * 8;
		const int error = space_map_load_length(
		    &sm, UINT64_MAX, rt, random_in_range(2) ? SM_FREE : SM_ALLOC);
		assert_true(error == 0 || error == EIO);
		assert_true(range_tree_space(rt) <= MS_SIZE);
		range_tree_vacate(rt, NULL, NULL);
	}
	dmu_tx_commit(tx);
	drop(rt);
	fake_pool_destroy(fp);
}

/* ---- metaslabs ---------------------------------------------------------------------------- */

#define TOPS 2
#define MSS 3

static void
sync_txg(fake_pool_t *fp, int passes)
{
	dmu_tx_t *tx = begin();

	the_spa->spa_syncing_txg = fp->fp_txg;
	/* The toy numbers txgs itself; what matters is that both agree. */
	assert_int_equal(dmu_tx_get_txg(tx), fp->fp_txg);
	for (the_spa->spa_sync_pass = 1; the_spa->spa_sync_pass <= passes;
	     the_spa->spa_sync_pass++)
		pool_metaslabs_sync(the_spa, tx);
	dmu_tx_commit(tx);
	__atomic_store_n(&the_spa->spa_ubsync.ub_txg, fp->fp_txg, __ATOMIC_RELEASE);
	fp->fp_txg++;
	__atomic_store_n(&the_spa->spa_tx.tx_open_txg, fp->fp_txg, __ATOMIC_RELEASE);
	pool_metaslabs_sync_done(the_spa, fp->fp_txg - 1);
}

/* What every metaslab has free, loaded now. */
static void
free_space(range_tree_t *out[TOPS][MSS])
{
	for (int v = 0; v < TOPS; v++) {
		for (int i = 0; i < MSS; i++) {
			metaslab_t *ms = metaslab_of(the_spa, (uint64_t)v, i * MS_SIZE);
			out[v][i] = range_tree_create(false);
			mutex_enter(&ms->ms_lock);
			assert_int_equal(metaslab_load(ms), 0);
			for (range_seg_t *rs = range_tree_first(ms->ms_allocatable);
			     rs != NULL; rs = range_tree_next(ms->ms_allocatable, rs))
				range_tree_add(
				    out[v][i], rs->rs_start, rs->rs_end - rs->rs_start);
			mutex_exit(&ms->ms_lock);
		}
	}
}

static fake_pool_t *
reopen(fake_pool_t *fp)
{
	uint64_t arrays[TOPS], zaps[TOPS], txg = fp->fp_txg;

	for (int v = 0; v < TOPS; v++) {
		arrays[v] = fp->fp_top[v].vdev_ms_array;
		zaps[v] = fp->fp_top[v].vdev_top_zap;
	}
	fake_pool_destroy(fp);
	fp = open_pool(TOPS, MSS);
	for (int v = 0; v < TOPS; v++) {
		fp->fp_top[v].vdev_ms_array = arrays[v];
		fp->fp_top[v].vdev_top_zap = zaps[v];
	}
	fp->fp_txg = txg;
	__atomic_store_n(&the_spa->spa_tx.tx_open_txg, txg, __ATOMIC_RELEASE);
	assert_int_equal(pool_metaslabs_open(the_spa), 0);
	return (fp);
}

static void
metaslabs_survive_a_restart(void **state)
{
	toy_txg_length(the_os, 1); /* each transaction is a txg */
	fake_pool_t *fp = open_pool(TOPS, MSS);
	range_tree_t *before[TOPS][MSS], *after[TOPS][MSS];
	enum { N = 600 };
	dva_t *dva = kmem_alloc(N * 2 * sizeof(*dva), KM_SLEEP);
	size_t n = 0;

	(void)test_seed();
	fp->fp_txg = 5;
	/* Enough churn in small maps that they are condensed on the way. */
	for (int round = 0; round < 40; round++) {
		while (n < N)
			dva[n++] = fake_alloc(fp, 4096 << random_in_range(3));
		for (int k = 0; k < N / 2; k++) {
			const size_t i = random_in_range(n);
			fake_free(fp, &dva[i]);
			dva[i] = dva[--n];
		}
		sync_txg(fp, 2);
	}
	for (int i = 0; i < 3; i++)
		sync_txg(fp, 1); /* nothing stays deferred */
	const uint64_t alloc = spa_get_alloc(the_spa);
	uint64_t used = 0;
	for (size_t i = 0; i < n; i++)
		used += DVA_GET_ASIZE(&dva[i]);
	assert_int_equal(alloc, used);
	free_space(before);
	fp = reopen(fp);
	assert_int_equal(spa_get_alloc(the_spa), alloc);
	free_space(after);
	for (int v = 0; v < TOPS; v++) {
		for (int i = 0; i < MSS; i++) {
			assert_same(before[v][i], after[v][i]);
			drop(before[v][i]);
			drop(after[v][i]);
		}
	}
	kmem_free(dva, N * 2 * sizeof(*dva));
	fake_pool_destroy(fp);
}

static void
a_long_map_is_condensed(void **state)
{
	toy_txg_length(the_os, 1);
	fake_pool_t *fp = open_pool(1, 1);
	uint64_t longest = 0, length = 0;
	bool shrank = false;

	fp->fp_txg = 5;
	for (int round = 0; round < 60 && !shrank; round++) {
		dva_t dva[300];
		for (int i = 0; i < 300; i++)
			dva[i] = fake_alloc(fp, 4096);
		for (int i = 0; i < 300; i += 2) /* every other: no merging */
			fake_free(fp, &dva[i]);
		sync_txg(fp, 1);
		for (int i = 1; i < 300; i += 2)
			fake_free(fp, &dva[i]);
		sync_txg(fp, 1);
		length = metaslab_of(the_spa, 0, 0)->ms_sm_length;
		shrank = length < longest;
		longest = MAX(longest, length);
	}
	assert_true(shrank);
	assert_true(longest > 4 * SPACE_MAP_BLKSZ);
	fake_pool_destroy(fp);
}

static void
a_damaged_map_is_an_error_for_writers_and_a_warning_for_readers(void **state)
{
	toy_txg_length(the_os, 1);
	fake_pool_t *fp = open_pool(TOPS, MSS);
	dmu_buf_t *db;

	fp->fp_txg = 5;
	const dva_t dva = fake_alloc(fp, 4096);
	sync_txg(fp, 1);
	metaslab_t *ms = metaslab_of(the_spa, DVA_GET_VDEV(&dva), DVA_GET_OFFSET(&dva));
	assert_int_equal(pool_metaslabs_open(the_spa), 0);
	dmu_tx_t *tx = begin();
	assert_int_equal(dmu_bonus_hold(the_os, ms->ms_sm_object, the_os, &db), 0);
	dmu_buf_will_dirty(db, tx);
	((space_map_phys_t *)db->db_data)->smp_alloc = -4096;
	dmu_buf_rele(db, the_os);
	dmu_tx_commit(tx);
	assert_int_equal(pool_metaslabs_open(the_spa), EIO);
	the_spa->spa_readonly = true;
	assert_int_equal(pool_metaslabs_open(the_spa), 0);
	fake_pool_destroy(fp);
}

/* ---- log space maps ------------------------------------------------------------------------- */

static void
log_write(space_map_t *sm, maptype_t kind, uint32_t vdev, uint64_t start, uint64_t size,
    dmu_tx_t *tx)
{
	range_tree_t *rt = range_tree_create(false);

	range_tree_add(rt, start, size);
	assert_int_equal(space_map_write(sm, rt, kind, vdev, 1, tx), 0);
	drop(rt);
}

static void
logs_are_merged_and_disappear(void **state)
{
	toy_txg_length(the_os, 1);
	fake_pool_t *fp = open_pool(TOPS, MSS);
	space_map_t log7, log8;
	uint64_t zap, unflushed, hidden;

	fp->fp_txg = 5;

	/* On disk: [0, 64K) of vdev 0 allocated in its own map. */
	const dva_t base = {{16 << 12 >> 9, 0}};
	assert_int_equal(DVA_GET_ASIZE(&base), 65536);
	assert_int_equal(metaslab_claim_dva(the_spa, &base, 5), 0);
	sync_txg(fp, 1);

	/* Logged: 7: alloc 64K..128K, free 0..16K; 8: free 64K..80K again; and vdev 1. */
	dmu_tx_t *tx = begin();
	zap = zap_create(the_os, DMU_OTN_ZAP_METADATA, DMU_OT_NONE, 0, tx);
	assert_int_equal(zap_add(the_os, DMU_POOL_DIRECTORY_OBJECT,
			     DMU_POOL_LOG_SPACEMAP_ZAP, 8, 1, &zap, tx),
	    0);
	uint64_t obj = space_map_alloc(the_os, SPACE_MAP_BLKSZ_LOG, tx);
	assert_int_equal(zap_add_int_key(the_os, zap, 7, obj, tx), 0);
	assert_int_equal(space_map_open(&log7, the_os, obj, 0, 1ULL << 63, 9), 0);
	obj = space_map_alloc(the_os, SPACE_MAP_BLKSZ_LOG, tx);
	assert_int_equal(zap_add_int_key(the_os, zap, 8, obj, tx), 0);
	assert_int_equal(space_map_open(&log8, the_os, obj, 0, 1ULL << 63, 9), 0);
	log_write(&log7, SM_ALLOC, 0, 64 << 10, 64 << 10, tx);
	log_write(&log7, SM_FREE, 0, 0, 16 << 10, tx);
	log_write(&log7, SM_ALLOC, 1, 2 * MS_SIZE, 4096, tx); /* flushed already */
	log_write(&log8, SM_FREE, 0, 64 << 10, 16 << 10, tx);
	log_write(&log8, SM_ALLOC, 1, MS_SIZE + 8192, 8192, tx);
	log_write(&log8, SM_ALLOC, 6, 0, 4096, tx); /* a vdev that is gone */
	for (int v = 0; v < TOPS; v++) {
		const uint64_t txgs[MSS] = {7, 7, v == 1 ? 8 : 7};
		unflushed = dmu_object_alloc(
		    the_os, DMU_OTN_UINT64_METADATA, 131072, DMU_OT_NONE, 0, tx);
		fp->fp_top[v].vdev_top_zap =
		    zap_create(the_os, DMU_OTN_ZAP_METADATA, DMU_OT_NONE, 0, tx);
		assert_int_equal(
		    zap_add(the_os, fp->fp_top[v].vdev_top_zap,
			"com.delphix:ms_unflushed_phys_txgs", 8, 1, &unflushed, tx),
		    0);
		assert_int_equal(
		    dmu_write(the_os, unflushed, 0, sizeof(txgs), txgs, tx), 0);
	}
	dmu_tx_commit(tx);
	fp->fp_txg = 7;

	fp = reopen(fp);
	const uint64_t expect = 65536 + 65536 - 16384 - 16384 + 8192;
	assert_int_equal(spa_get_alloc(the_spa), expect);
	for (int after_retire = 0; after_retire < 3; after_retire++) {
		metaslab_t *ms = metaslab_of(the_spa, 0, 0);
		mutex_enter(&ms->ms_lock);
		assert_int_equal(metaslab_load(ms), 0);
		assert_true(range_tree_contains(ms->ms_allocatable, 0, 16384));
		assert_false(range_tree_overlaps(ms->ms_allocatable, 16384, 49152));
		assert_true(range_tree_contains(ms->ms_allocatable, 65536, 16384));
		assert_false(range_tree_overlaps(ms->ms_allocatable, 81920, 49152));
		mutex_exit(&ms->ms_lock);
		ms = metaslab_of(the_spa, 1, MS_SIZE);
		mutex_enter(&ms->ms_lock);
		assert_int_equal(metaslab_load(ms), 0);
		assert_false(
		    range_tree_overlaps(ms->ms_allocatable, MS_SIZE + 8192, 8192));
		mutex_exit(&ms->ms_lock);
		assert_int_equal(spa_get_alloc(the_spa), expect);
		if (after_retire == 0) {
			tx = begin();
			assert_int_equal(log_spacemap_retire(the_spa, tx), 0);
			dmu_tx_commit(tx);
			fp->fp_txg = 8;
		} else if (after_retire == 1) {
			fp = reopen(fp);
		}
	}
	uint64_t count, txgs[MSS];
	assert_int_equal(zap_count(the_os, zap, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(zap_lookup(the_os, fp->fp_top[1].vdev_top_zap,
			     "com.delphix:ms_unflushed_phys_txgs", 8, 1, &hidden),
	    0);
	assert_int_equal(
	    dmu_read(the_os, hidden, 0, sizeof(txgs), txgs, DMU_READ_NO_PREFETCH), 0);
	assert_int_equal(txgs[0] | txgs[1] | txgs[2], 0);
	fake_pool_destroy(fp);
}

/* ---- dirty time logs -------------------------------------------------------------------------- */

static nvlist_t *
mirror_config(uint64_t dtl_object)
{
	nvlist_t *root = nvlist_create(), *mirror = nvlist_create();
	nvlist_t *leaf[2] = {nvlist_create(), nvlist_create()};

	for (uint64_t i = 0; i < 2; i++) {
		fnvlist_add_string(leaf[i], "type", "file");
		fnvlist_add_string(leaf[i], "path", "/nowhere");
		fnvlist_add_uint64(leaf[i], "guid", 100 + i);
		if (i == 1 && dtl_object != 0)
			fnvlist_add_uint64(leaf[i], "DTL", dtl_object);
	}
	fnvlist_add_string(mirror, "type", "mirror");
	fnvlist_add_nvlist_array(mirror, "children", (const nvlist_t *const *)leaf, 2);
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)&mirror, 1);
	nvlist_free(leaf[0]);
	nvlist_free(leaf[1]);
	nvlist_free(mirror);
	return (root);
}

static spa_t *
open_mirror(uint64_t dtl_object)
{
	nvlist_t *nv = mirror_config(dtl_object);

	the_spa = spa_alloc("mirror", &map_ops);
	the_spa->spa_meta_objset = the_os;
	spa_feature_enable(the_spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, 4);
	assert_int_equal(
	    vdev_alloc(the_spa, nv, NULL, 0, true, &the_spa->spa_root_vdev), 0);
	nvlist_free(nv);
	return (the_spa);
}

static void
write_dtls(void)
{
	dmu_tx_t *tx = begin();

	the_spa->spa_dtl_dirty = true;
	pool_dtls_sync(the_spa, tx);
	dmu_tx_commit(tx);
}

static void
what_a_device_missed_is_remembered(void **state)
{
	spa_t *spa = open_mirror(0);
	vdev_t *leaf = spa->spa_root_vdev->vdev_child[0]->vdev_child[1];
	uint64_t now = 0;

	toy_txg_length(the_os, 1);
	while (now < 70000) {
		dmu_tx_t *tx = begin();
		now = dmu_tx_get_txg(tx);
		dmu_tx_commit(tx);
	}
	write_dtls();
	assert_int_equal(
	    leaf->vdev_dtl_object, 0); /* nothing missed, nothing written */
	assert_false(spa->spa_config_dirty);
	vdev_dtl_dirty(leaf, 10, 5);
	vdev_dtl_dirty(
	    leaf, 100, UINT64_MAX); /* several entries; ends with the present */
	write_dtls();
	const uint64_t object = leaf->vdev_dtl_object;
	assert_int_not_equal(object, 0);
	assert_true(spa->spa_config_dirty); /* the labels must name it */
	assert_int_equal(spa_feature_refcount(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM), 1);
	spa_free(spa);

	spa = open_mirror(object);
	leaf = spa->spa_root_vdev->vdev_child[0]->vdev_child[1];
	pool_dtls_open(spa);
	assert_false(vdev_dtl_contains(leaf, 4, 6));
	assert_true(vdev_dtl_contains(leaf, 10, 1));
	assert_true(vdev_dtl_contains(leaf, 14, 1));
	assert_false(vdev_dtl_contains(leaf, 15, 85));
	assert_true(vdev_dtl_contains(leaf, 100, 1));
	assert_true(vdev_dtl_contains(leaf, now + 1, 1));
	assert_false(vdev_dtl_contains(leaf, now + 10, 1000000));
	assert_true(vdev_dtl_empty(spa->spa_root_vdev->vdev_child[0]->vdev_child[0]));
	/* Resilvered: the log is empty, and stays an object. */
	vdev_dtl_clear(leaf);
	spa_feature_incr(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM, 5);
	write_dtls();
	space_map_t sm;
	assert_int_equal(space_map_open(&sm, the_os, object, 0, 1ULL << 62, 0), 0);
	assert_int_equal(sm.sm_phys.smp_length, 0);
	dmu_tx_t *tx = begin();
	pool_dtl_destroy(spa, leaf, tx);
	dmu_tx_commit(tx);
	assert_int_equal(spa_feature_refcount(spa, SPA_FEATURE_SPACEMAP_HISTOGRAM), 0);
	spa_free(spa);
}

static void
a_log_that_cannot_be_read_means_everything_was_missed(void **state)
{
	spa_t *spa = open_mirror(4242);
	vdev_t *leaf = spa->spa_root_vdev->vdev_child[0]->vdev_child[1];

	spa->spa_ubsync.ub_txg = 50;
	pool_dtls_open(spa);
	assert_true(vdev_dtl_contains(leaf, 4, 1));
	assert_true(vdev_dtl_contains(leaf, 50, 1));
	spa_free(spa);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		entries_are_those_of_the_format, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		two_word_entries_never_straddle_a_block, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		long_runs_are_split_or_take_two_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		without_the_feature_headers_are_short, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		contradictions_and_lies_are_errors, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		random_bytes_never_crash_a_load, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		metaslabs_survive_a_restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_long_map_is_condensed, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_damaged_map_is_an_error_for_writers_and_a_warning_for_readers, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		logs_are_merged_and_disappear, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		what_a_device_missed_is_remembered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_log_that_cannot_be_read_means_everything_was_missed, setup, teardown),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
