/* See test_pool.h. */
#include "test_pool.h"

#include "vdev/vdev_test.h"
#include "vdev_helper.h"

#define DEVICE_SIZE (512ULL << 20)

/* ---- the sync function --------------------------------------------------- */

static int
tp_metaslab_load(spa_t *spa, metaslab_t *ms)
{
	test_pool_t *tp = spa->spa_pool;
	range_tree_t *map = tp->tp_map[ms->ms_id];

	for (range_seg_t *rs = range_tree_first(map); rs != NULL;
	     rs = range_tree_next(map, rs))
		range_tree_add(
		    ms->ms_allocatable, rs->rs_start, rs->rs_end - rs->rs_start);
	return (0);
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

static void
tp_sync_metaslabs(test_pool_t *tp, uint64_t txg)
{
	metaslab_t *ms;

	while ((ms = txg_list_remove(spa_dirty_metaslabs(tp->tp_spa), txg)) != NULL) {
		range_tree_t *alloc, *freed;

		metaslab_sync_take(ms, txg, &alloc, &freed);
		range_tree_walk(alloc, map_remove, tp->tp_map[ms->ms_id]);
		range_tree_walk(freed, map_add, tp->tp_map[ms->ms_id]);
		ms->ms_sm_object = 1;
		ms->ms_sm_alloc +=
		    (int64_t)range_tree_space(alloc) - (int64_t)range_tree_space(freed);
		metaslab_sync_pass_done(ms, txg);
	}
}

static void
tp_sync_objsets(test_pool_t *tp, dmu_tx_t *tx)
{
	const uint64_t txg = dmu_tx_get_txg(tx);
	bool synced[TP_MAX_OBJSETS] = {false};

	zio_t *rio = zio_root(tp->tp_spa, NULL, NULL, 0);
	for (int i = 0; i < tp->tp_nos; i++) {
		objset_t *os = tp->tp_os[i].to_os;
		if ((synced[i] = dmu_objset_is_dirty(os, txg)))
			dmu_objset_sync(os, rio, tx);
	}
	VERIFY0(zio_wait(rio));
	rio = zio_root(tp->tp_spa, NULL, NULL, 0);
	for (int i = 0; i < tp->tp_nos; i++) {
		objset_t *os = tp->tp_os[i].to_os;
		if (synced[i] && dmu_objset_do_userquota(os, tx))
			dmu_objset_sync(os, rio, tx);
	}
	VERIFY0(zio_wait(rio));
	for (int i = 0; i < tp->tp_nos; i++) {
		if (synced[i])
			dmu_objset_sync_done(tp->tp_os[i].to_os, tx);
	}
}

/* Frees of later passes: the real pool writes them to a list first. */
static bool
tp_deferred_frees(test_pool_t *tp, uint64_t txg)
{
	spa_t *spa = tp->tp_spa;
	spa_defer_free_t *sdf;
	bool any = false;

	for (;;) {
		mutex_enter(&spa->spa_defer_lock);
		sdf = list_remove_head(&spa->spa_defer_list);
		mutex_exit(&spa->spa_defer_lock);
		if (sdf == NULL)
			return (any);
		VERIFY0(zio_free(spa, txg, &sdf->sdf_bp));
		kmem_free(sdf, sizeof(*sdf));
		any = true;
	}
}

static bool
tp_dirty(test_pool_t *tp, uint64_t txg)
{
	for (int i = 0; i < tp->tp_nos; i++) {
		if (dmu_objset_is_dirty(tp->tp_os[i].to_os, txg))
			return (true);
	}
	return (false);
}

static void
tp_suo_sync(spa_t *spa, uint64_t txg)
{
	test_pool_t *tp = spa->spa_pool;
	dmu_tx_t *tx = dmu_tx_create_assigned(spa, txg);
	metaslab_t *ms;
	int pass = 0;

	spa->spa_syncing_txg = txg;
	do {
		spa->spa_sync_pass = ++pass;
		VERIFY3S(pass, <, 100);
		tp_sync_objsets(tp, tx);
		if (tp->tp_after_pass != NULL)
			tp->tp_after_pass(tp, tx, pass);
		(void)tp_deferred_frees(tp, txg);
		tp_sync_metaslabs(tp, txg);
	} while (tp_dirty(tp, txg));
	tp->tp_passes = MAX(tp->tp_passes, (uint64_t)pass);
	tp->tp_txgs++;
	for (int i = 0; i < tp->tp_nos; i++)
		tp->tp_os[i].to_root = *dmu_objset_rootbp(tp->tp_os[i].to_os);
	while ((ms = txg_list_remove(spa_synced_metaslabs(spa), txg)) != NULL)
		metaslab_sync_done(ms, txg);
	metaslab_class_reassess(spa->spa_normal_class, txg);
	__atomic_store_n(&spa->spa_ubsync.ub_txg, txg, __ATOMIC_RELEASE);
	spa->spa_sync_pass = 0;
	dmu_tx_commit(tx);
	dmu_tx_callbacks_run(spa, txg, 0);
}

static const spa_upper_ops_t tp_upper = {
    .suo_sync = tp_suo_sync,
    .suo_metaslab_load = tp_metaslab_load,
};

/* ---- what the dsl would do ----------------------------------------------- */

static void
tp_born(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	tp_objset_t *to = dmu_objset_private(os);

	VERIFY3U(BP_GET_LOGICAL_BIRTH(bp), ==, dmu_tx_get_txg(tx));
	atomic_add_64(&to->to_space, BP_GET_ASIZE(bp));
}

static void
tp_kill(objset_t *os, const blkptr_t *bp, dmu_tx_t *tx)
{
	tp_objset_t *to = dmu_objset_private(os);

	VERIFY3U(atomic_load_64(&to->to_space), >=, BP_GET_ASIZE(bp));
	(void)__atomic_sub_fetch(&to->to_space, BP_GET_ASIZE(bp), __ATOMIC_RELAXED);
	spa_free_block(os->os_spa, dmu_tx_get_txg(tx), bp);
}

static const objset_ops_t tp_ops = {
    .oso_block_born = tp_born,
    .oso_block_kill = tp_kill,
};

/* ---- life ---------------------------------------------------------------- */

int
tp_group_setup(void **state)
{
	(void)state;
	spl_init();
	spa_init();
	arc_init(64ULL << 20);
	dmu_init(16ULL << 20);
	return (0);
}

int
tp_group_teardown(void **state)
{
	dmu_fini();
	arc_fini();
	spa_fini();
	(void)state;
	helper_cleanup();
	return (0);
}

test_pool_t *
tp_create(void)
{
	test_pool_t *tp = kmem_zalloc(sizeof(*tp), KM_SLEEP);
	spa_t *spa = tp->tp_spa = spa_alloc("test", &tp_upper);
	static const spa_feature_t on[] = {SPA_FEATURE_LZ4_COMPRESS,
	    SPA_FEATURE_HOLE_BIRTH, SPA_FEATURE_EMBEDDED_DATA, SPA_FEATURE_LARGE_BLOCKS,
	    SPA_FEATURE_LARGE_DNODE, SPA_FEATURE_PROJECT_QUOTA,
	    SPA_FEATURE_USEROBJ_ACCOUNTING, SPA_FEATURE_EXTENSIBLE_DATASET,
	    SPA_FEATURE_ENABLED_TXG};
	vdev_t *root;

	nvlist_t *nv = helper_node_nv(
	    "root", 1, helper_file_nv(helper_device("disk", DEVICE_SIZE)));
	assert_int_equal(vdev_alloc(spa, nv, NULL, 0, true, &root), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(root, true), 0);
	spa->spa_root_vdev = root;
	spa->spa_pool = tp;
	spa->spa_state = POOL_STATE_ACTIVE;
	for (size_t i = 0; i < ARRAY_SIZE(on); i++)
		spa->spa_features.sf_refcount[on[i]] = 1;
	root->vdev_child[0]->vdev_ms_shift = 24;
	for (uint64_t i = 0; i < root->vdev_child[0]->vdev_asize >> 24; i++) {
		tp->tp_map[i] = range_tree_create(false);
		range_tree_add(tp->tp_map[i], i << 24, 1ULL << 24);
	}
	txg_init(spa, TXG_INITIAL);
	assert_int_equal(spa_metaslabs_init(spa), 0);
	tp->tp_ops = &tp_ops;
	txg_sync_start(spa);
	return (tp);
}

void
tp_destroy(test_pool_t *tp)
{
	txg_sync_stop(tp->tp_spa);
	for (int i = 0; i < tp->tp_nos; i++)
		dmu_objset_close_impl(tp->tp_os[i].to_os);
	arc_flush(tp->tp_spa);
	spa_free(tp->tp_spa);
	for (int i = 0; i < TP_MAX_MS; i++) {
		if (tp->tp_map[i] == NULL)
			continue;
		range_tree_vacate(tp->tp_map[i], NULL, NULL);
		range_tree_destroy(tp->tp_map[i]);
	}
	kmem_free(tp, sizeof(*tp));
	helper_cleanup();
}

objset_t *
tp_objset_create(test_pool_t *tp, uint64_t dsobj, dmu_objset_type_t type)
{
	tp_objset_t *to = &tp->tp_os[tp->tp_nos];
	txg_handle_t th;
	objset_t *os;

	to->to_tp = tp;
	to->to_dsobj = dsobj;
	assert_int_equal(
	    dmu_objset_open_impl(tp->tp_spa, dsobj, NULL, tp->tp_ops, to, &os), 0);
	to->to_os = os;
	const uint64_t txg = txg_hold_open(tp->tp_spa, &th);
	dmu_tx_t *tx = dmu_tx_create_assigned(tp->tp_spa, txg);
	dmu_objset_create_impl(os, type, tx);
	tp->tp_nos++;
	dmu_tx_commit(tx);
	txg_rele_to_quiesce(&th);
	txg_rele_to_sync(&th);
	tp_sync(tp);
	return (os);
}

objset_t *
tp_objset(test_pool_t *tp, int i)
{
	return (tp->tp_os[i].to_os);
}

void
tp_sync(test_pool_t *tp)
{
	txg_wait_synced(tp->tp_spa, 0);
}

void
tp_reopen(test_pool_t *tp)
{
	txg_sync_stop(tp->tp_spa);
	for (int i = 0; i < tp->tp_nos; i++) {
		tp_objset_t *to = &tp->tp_os[i];
		const objset_props_t props = *dmu_objset_props(to->to_os);
		dmu_objset_close_impl(to->to_os);
		to->to_os = NULL;
		arc_flush(tp->tp_spa);
		assert_int_equal(dmu_objset_open_impl(tp->tp_spa, to->to_dsobj,
				     &to->to_root, tp->tp_ops, to, &to->to_os),
		    0);
		*dmu_objset_props(to->to_os) = props;
	}
	txg_sync_start(tp->tp_spa);
}

void
tp_fail_reads(test_pool_t *tp, int error, uint64_t skip)
{
	vdev_t *leaf = tp->tp_spa->spa_root_vdev->vdev_child[0];
	const vdev_fault_t vf = {
	    .vf_types = VF_TYPE(VIO_READ), .vf_error = error, .vf_skip = skip};

	vdev_fault_clear(leaf);
	if (error != 0)
		(void)vdev_fault_add(leaf, &vf);
}

/* ---- checking ------------------------------------------------------------ */

typedef struct walk {
	uint64_t w_asize;
	uint64_t w_object, w_used, w_expect; /* the object being walked */
	uint64_t w_mdn_used, w_mdn_expect;
} walk_t;

static void
walk_object_end(walk_t *w)
{
	if (w->w_object != 0 && w->w_used != w->w_expect)
		fail_msg("object %" PRIu64 " says it uses %" PRIu64
			 ", its blocks %" PRIu64,
		    w->w_object, w->w_expect, w->w_used);
	w->w_object = 0;
}

static void
walk_fill(const blkptr_t *bp, const zbookmark_phys_t *zb, const void *data)
{
	const uint64_t size = BP_GET_LSIZE(bp);
	uint64_t fill = 0;

	if (BP_GET_LEVEL(bp) > 0) {
		for (uint64_t i = 0; i < size / sizeof(blkptr_t); i++) {
			const blkptr_t *c = indirect_block_bp_const(data, size, i);
			fill += BP_IS_HOLE(c) ? 0 : BP_GET_FILL(c);
		}
	} else {
		unsigned slot = 0;
		const dnode_phys_t *dnp;
		while ((dnp = dnode_block_next((void *)(uintptr_t)data, size, &slot)) !=
		       NULL)
			fill += dnp->dn_type != DMU_OT_NONE;
	}
	if (fill != BP_GET_FILL(bp))
		fail_msg("object %" PRIu64 " level %d block %" PRIu64 ": fill %" PRIu64
			 " but %" PRIu64 " below",
		    zb->zb_object, BP_GET_LEVEL(bp), zb->zb_blkid, BP_GET_FILL(bp),
		    fill);
	assert_true(fill > 0);
}

static int
walk_cb(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	walk_t *w = arg;

	if (!BP_IS_HOLE(bp))
		w->w_asize += BP_GET_ASIZE(bp);
	if (zb->zb_level == ZB_ROOT_LEVEL) {
		const dnode_phys_t *mdn = data;
		w->w_mdn_expect = dnode_phys_used(mdn);
		return (0);
	}
	const uint64_t dsize = BP_IS_HOLE(bp) ? 0 : bp_get_dsize(spa, bp);
	if (zb->zb_object == DMU_META_DNODE_OBJECT) {
		walk_object_end(w);
		w->w_mdn_used += dsize;
	} else {
		if (zb->zb_object != w->w_object) {
			walk_object_end(w);
			w->w_object = zb->zb_object;
			w->w_used = 0;
			w->w_expect = dnode_phys_used(dnp);
		}
		w->w_used += dsize;
		if (!BP_IS_HOLE(bp) && BP_GET_LEVEL(bp) == 0 &&
		    zb->zb_blkid != DMU_SPILL_BLKID)
			assert_true(zb->zb_blkid <= dnp->dn_maxblkid);
	}
	if (data != NULL)
		walk_fill(bp, zb, data);
	return (0);
}

uint64_t
tp_walk(spa_t *spa, uint64_t dsobj, const blkptr_t *root)
{
	walk_t w = {0};

	assert_int_equal(traverse_objset_bp(spa, dsobj, root, 0, NULL,
			     TRAVERSE_PRE | TRAVERSE_PREFETCH, walk_cb, &w),
	    0);
	walk_object_end(&w);
	assert_int_equal(w.w_mdn_used, w.w_mdn_expect);
	return (w.w_asize);
}

void
tp_verify(test_pool_t *tp)
{
	spa_t *spa = tp->tp_spa;
	uint64_t total = 0;

	for (int i = 0; i < tp->tp_nos; i++) {
		tp_objset_t *to = &tp->tp_os[i];
		const uint64_t asize = tp_walk(spa, to->to_dsobj, &to->to_root);
		if (tp->tp_ops->oso_block_born == tp_born)
			assert_int_equal(asize, atomic_load_64(&to->to_space));
		total += asize;
	}
	assert_int_equal(total,
	    spa_get_alloc(spa) - atomic_load_64(&spa->spa_normal_class->mc_deferred));
}

/* ---- shortcuts ----------------------------------------------------------- */

dmu_tx_t *
tp_tx(objset_t *os, uint64_t object)
{
	dmu_tx_t *tx = dmu_tx_create(os);

	if (object == DMU_NEW_OBJECT) {
		dmu_tx_hold_write(tx, object, 0, 1 << 20);
	} else {
		dmu_tx_hold_write(tx, object, 0, 1 << 20);
		dmu_tx_hold_free(tx, object, 0, DMU_OBJECT_END);
		dmu_tx_hold_spill(tx, object);
	}
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	return (tx);
}

uint64_t
tp_alloc(objset_t *os, int blksz)
{
	dmu_tx_t *tx = tp_tx(os, DMU_NEW_OBJECT);
	const uint64_t object =
	    dmu_object_alloc(os, DMU_OT_PLAIN_FILE_CONTENTS, blksz, DMU_OT_NONE, 0, tx);

	dmu_tx_commit(tx);
	assert_true(object != 0);
	return (object);
}

/* Byte at a position: known without keeping what was written. */
void
tp_pattern(void *buf, uint64_t off, uint64_t len, uint64_t seed)
{
	uint8_t *p = buf;

	for (uint64_t i = 0; i < len; i++) {
		uint64_t x = ((off + i) / 8 + seed * 0x9e3779b97f4a7c15ULL) *
			     0xff51afd7ed558ccdULL;
		p[i] = (uint8_t)(x >> (8 * ((off + i) % 8))) | 1;
	}
}

void
tp_write(objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed)
{
	void *buf = kmem_alloc(len, KM_SLEEP);
	dmu_tx_t *tx = dmu_tx_create(os);

	tp_pattern(buf, off, len, seed);
	dmu_tx_hold_write(tx, object, off, len);
	assert_int_equal(dmu_tx_assign(tx, DMU_TX_WAIT), 0);
	assert_int_equal(dmu_write(os, object, off, len, buf, tx), 0);
	dmu_tx_commit(tx);
	kmem_free(buf, len);
}

void
tp_expect(objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed)
{
	uint8_t *buf = kmem_alloc(len, KM_SLEEP), *want = kmem_alloc(len, KM_SLEEP);

	assert_int_equal(dmu_read(os, object, off, len, buf, DMU_READ_PREFETCH), 0);
	tp_pattern(want, off, len, seed);
	assert_memory_equal(buf, want, len);
	kmem_free(buf, len);
	kmem_free(want, len);
}

void
tp_expect_zero(objset_t *os, uint64_t object, uint64_t off, uint64_t len)
{
	uint8_t *buf = kmem_alloc(len, KM_SLEEP);

	memset(buf, 0xff, len);
	assert_int_equal(dmu_read(os, object, off, len, buf, DMU_READ_PREFETCH), 0);
	for (uint64_t i = 0; i < len; i++)
		assert_int_equal(buf[i], 0);
	kmem_free(buf, len);
}

uint64_t
tp_seed(void)
{
	const char *env = getenv("TARN_SEED");
	const uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : random_guid();

	print_message("TARN_SEED=%" PRIu64 "\n", seed);
	return (seed);
}
