/*
 * Deadlists (format/02 §6.4, format/03 §1.10): the blocks that the snapshot before a
 * dataset still needs but the dataset does not. They are sorted into one bpobj for
 * each older snapshot's txg, so that destroying a snapshot moves whole lists instead
 * of looking at every block.
 *
 * The entries are loaded into a tree on first use. dl_lock protects the tree and the
 * totals in the bonus buffer; changes are made by the sync thread.
 */
#include "dsl/dsl_impl.h"

typedef struct dsl_deadlist_entry {
	avl_node_t dle_node;
	uint64_t dle_mintxg;
	bpobj_t dle_bpobj; /* open only while it is not the shared empty one */
	uint64_t dle_obj;
} dsl_deadlist_entry_t;

static int
dle_compare(const void *a, const void *b)
{
	const dsl_deadlist_entry_t *x = a, *y = b;

	return (x->dle_mintxg < y->dle_mintxg ? -1 : x->dle_mintxg > y->dle_mintxg);
}

static dsl_deadlist_phys_t *
dl_phys(dsl_deadlist_t *dl)
{
	return (dsl_deadlist_phys_of(dl->dl_dbuf->db_data, dl->dl_dbuf->db_size));
}

uint64_t
dsl_deadlist_alloc(dsl_pool_t *dp, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;

	if (dp->dp_spa->spa_version < 26)
		return (bpobj_alloc(mos, SPA_OLD_MAXBLOCKSIZE, tx));
	return (zap_create(mos, DMU_OT_DEADLIST, DMU_OT_DEADLIST_HDR,
	    (int)sizeof (dsl_deadlist_phys_t), tx));
}

int
dsl_deadlist_open(dsl_deadlist_t *dl, dsl_pool_t *dp, uint64_t object)
{
	objset_t *mos = dp->dp_meta_objset;
	dmu_object_info_t doi;
	int err;

	memset(dl, 0, sizeof (*dl));
	if ((err = dmu_object_info(mos, object, &doi)) != 0)
		return (err);
	dl->dl_dp = dp;
	dl->dl_object = object;
	if (doi.doi_type == DMU_OT_BPOBJ) {
		dl->dl_oldfmt = true;
		if ((err = bpobj_open(&dl->dl_bpobj, mos, object)) != 0)
			return (err);
	} else {
		if (doi.doi_bonus_type != DMU_OT_DEADLIST_HDR ||
		    doi.doi_bonus_size < sizeof (dsl_deadlist_phys_t))
			return (EINVAL);
		if ((err = dmu_bonus_hold(mos, object, dl, &dl->dl_dbuf)) != 0)
			return (err);
	}
	mutex_init(&dl->dl_lock);
	avl_create(&dl->dl_tree, dle_compare, sizeof (dsl_deadlist_entry_t),
	    offsetof(dsl_deadlist_entry_t, dle_node));
	return (0);
}

static void
dle_close(dsl_deadlist_entry_t *dle)
{
	bpobj_close(&dle->dle_bpobj);
	kmem_free(dle, sizeof (*dle));
}

void
dsl_deadlist_close(dsl_deadlist_t *dl)
{
	dsl_deadlist_entry_t *dle;
	void *cookie = NULL;

	if (dl->dl_object == 0)
		return;
	while ((dle = avl_destroy_nodes(&dl->dl_tree, &cookie)) != NULL)
		dle_close(dle);
	avl_destroy(&dl->dl_tree);
	mutex_destroy(&dl->dl_lock);
	if (dl->dl_oldfmt)
		bpobj_close(&dl->dl_bpobj);
	else
		dmu_buf_rele(dl->dl_dbuf, dl);
	dl->dl_object = 0;
}

static int
dl_open_entry(dsl_deadlist_t *dl, uint64_t mintxg, uint64_t obj)
{
	dsl_deadlist_entry_t *dle = kmem_zalloc(sizeof (*dle), KM_SLEEP);
	int err = 0;

	dle->dle_mintxg = mintxg;
	dle->dle_obj = obj;
	if (obj != dl->dl_dp->dp_empty_bpobj)
		err = bpobj_open(&dle->dle_bpobj, dl->dl_dp->dp_meta_objset, obj);
	if (err == 0 && avl_find(&dl->dl_tree, dle, NULL) != NULL)
		err = EINVAL;
	if (err != 0) {
		dle_close(dle);
		return (err);
	}
	avl_add(&dl->dl_tree, dle);
	return (0);
}

static int
dl_load(dsl_deadlist_t *dl)
{
	zap_cursor_t zc;
	zap_attribute_t *za;
	int err;

	ASSERT(MUTEX_HELD(&dl->dl_lock));
	if (dl->dl_loaded || dl->dl_oldfmt)
		return (0);
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_init(&zc, dl->dl_dp->dp_meta_objset, dl->dl_object);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		uint64_t key;
		if ((err = dsl_parse_hex(za->za_name, &key)) != 0 ||
		    (err = dl_open_entry(dl, key, za->za_first_integer)) != 0)
			break;
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	if (err != ENOENT)
		return (err);
	dl->dl_loaded = true;
	return (0);
}

void
dsl_deadlist_free(dsl_pool_t *dp, uint64_t dlobj, dmu_tx_t *tx)
{
	objset_t *mos = dp->dp_meta_objset;
	dsl_deadlist_t dl;
	dsl_deadlist_entry_t *dle;

	VERIFY0(dsl_deadlist_open(&dl, dp, dlobj));
	if (dl.dl_oldfmt) {
		dsl_deadlist_close(&dl);
		bpobj_free(dp, dlobj, tx);
		return;
	}
	mutex_enter(&dl.dl_lock);
	VERIFY0(dl_load(&dl));
	for (dle = avl_first(&dl.dl_tree); dle != NULL; dle = avl_next(&dl.dl_tree, dle)) {
		bpobj_close(&dle->dle_bpobj);
		bpobj_free(dp, dle->dle_obj, tx);
	}
	mutex_exit(&dl.dl_lock);
	dsl_deadlist_close(&dl);
	VERIFY0(zap_destroy(mos, dlobj, tx));
}

/* An entry that still shares the empty bpobj gets one of its own. */
static void
dle_make_private(dsl_deadlist_t *dl, dsl_deadlist_entry_t *dle, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dl->dl_dp;

	if (dle->dle_obj != dp->dp_empty_bpobj || dp->dp_empty_bpobj == 0)
		return;
	uint64_t obj = bpobj_alloc(dp->dp_meta_objset, SPA_OLD_MAXBLOCKSIZE, tx);
	bpobj_decr_empty(dp, tx);
	dle->dle_obj = obj;
	VERIFY0(bpobj_open(&dle->dle_bpobj, dp->dp_meta_objset, obj));
	VERIFY0(zap_update_int_key(
	    dp->dp_meta_objset, dl->dl_object, dle->dle_mintxg, obj, tx));
}

void
dsl_deadlist_insert(dsl_deadlist_t *dl, const blkptr_t *bp, dmu_tx_t *tx)
{
	if (dl->dl_oldfmt) {
		bpobj_enqueue(&dl->dl_bpobj, bp, false, tx);
		return;
	}
	mutex_enter(&dl->dl_lock);
	VERIFY0(dl_load(dl));
	dmu_buf_will_dirty(dl->dl_dbuf, tx);
	dl_phys(dl)->dl_used += bp_get_dsize(dl->dl_dp->dp_spa, bp);
	dl_phys(dl)->dl_comp += dsl_bp_psize(bp);
	dl_phys(dl)->dl_uncomp += BP_GET_UCSIZE(bp);

	dsl_deadlist_entry_t key = { .dle_mintxg = BP_GET_BIRTH(bp) };
	avl_index_t where;
	dsl_deadlist_entry_t *dle = avl_find(&dl->dl_tree, &key, &where);
	dle = dle == NULL ? avl_nearest(&dl->dl_tree, where, AVL_BEFORE) :
			    avl_prev(&dl->dl_tree, dle);
	if (dle == NULL)
		panic("deadlist %" PRIu64 ": no entry below birth %" PRIu64, dl->dl_object,
		    BP_GET_BIRTH(bp));
	dle_make_private(dl, dle, tx);
	bpobj_enqueue(&dle->dle_bpobj, bp, false, tx);
	mutex_exit(&dl->dl_lock);
}

void
dsl_deadlist_add_key(dsl_deadlist_t *dl, uint64_t mintxg, dmu_tx_t *tx)
{
	if (dl->dl_oldfmt)
		return;
	mutex_enter(&dl->dl_lock);
	VERIFY0(dl_load(dl));
	uint64_t obj = bpobj_alloc_empty(dl->dl_dp, tx);
	VERIFY0(zap_add_int_key(
	    dl->dl_dp->dp_meta_objset, dl->dl_object, mintxg, obj, tx));
	VERIFY0(dl_open_entry(dl, mintxg, obj));
	mutex_exit(&dl->dl_lock);
}

uint64_t
dsl_deadlist_clone(dsl_deadlist_t *dl, uint64_t maxtxg, dmu_tx_t *tx)
{
	dsl_pool_t *dp = dl->dl_dp;
	uint64_t newobj = dsl_deadlist_alloc(dp, tx);

	if (dl->dl_oldfmt)
		return (newobj);
	mutex_enter(&dl->dl_lock);
	VERIFY0(dl_load(dl));
	for (dsl_deadlist_entry_t *dle = avl_first(&dl->dl_tree);
	     dle != NULL && dle->dle_mintxg < maxtxg; dle = avl_next(&dl->dl_tree, dle)) {
		uint64_t obj = bpobj_alloc_empty(dp, tx);
		VERIFY0(zap_add_int_key(
		    dp->dp_meta_objset, newobj, dle->dle_mintxg, obj, tx));
	}
	mutex_exit(&dl->dl_lock);
	return (newobj);
}

void
dsl_deadlist_space(dsl_deadlist_t *dl, uint64_t *used, uint64_t *comp, uint64_t *uncomp)
{
	if (dl->dl_oldfmt) {
		bpobj_space(&dl->dl_bpobj, used, comp, uncomp);
		return;
	}
	mutex_enter(&dl->dl_lock);
	*used = dl_phys(dl)->dl_used;
	*comp = dl_phys(dl)->dl_comp;
	*uncomp = dl_phys(dl)->dl_uncomp;
	mutex_exit(&dl->dl_lock);
}
