/*
 * Dirty time logs: which txgs' writes a leaf has missed (format/02 §5.7).
 *
 * A set of txg ranges for each leaf, kept as disjoint, non-adjacent segments in a
 * tree. It is asked for every read of a mirror and nearly always empty, so emptiness
 * is told without the lock. A range may end at UINT64_MAX ("everything up to now"
 * of a device that has just been attached).
 */
#include "vdev/vdev_impl.h"

typedef struct dtl_seg {
	avl_node_t ds_node;
	uint64_t ds_first, ds_end; /* [first, end) */
} dtl_seg_t;

typedef struct vdev_dtl {
	kmutex_t dtl_lock;
	avl_tree_t dtl_segs;
	uint64_t dtl_nsegs; /* = number of nodes; atomic */
} vdev_dtl_t;

void (*vdev_dtl_changed)(vdev_t *leaf);

static int
dtl_seg_compare(const void *a, const void *b)
{
	const dtl_seg_t *x = a, *y = b;

	return (x->ds_first < y->ds_first ? -1 : x->ds_first > y->ds_first);
}

/* The segment that contains txg, or the next one behind it. */
static dtl_seg_t *
dtl_find(vdev_dtl_t *dtl, uint64_t txg)
{
	const dtl_seg_t key = {.ds_first = txg};
	avl_index_t where;
	dtl_seg_t *ds = avl_find(&dtl->dtl_segs, &key, &where);

	if (ds != NULL)
		return (ds);
	ds = avl_nearest(&dtl->dtl_segs, where, AVL_BEFORE);
	if (ds != NULL && ds->ds_end > txg)
		return (ds);
	return (ds != NULL ? avl_next(&dtl->dtl_segs, ds)
			   : avl_nearest(&dtl->dtl_segs, where, AVL_AFTER));
}

/* Add [first, end), joining what it touches. */
static void
dtl_add(vdev_dtl_t *dtl, uint64_t first, uint64_t end)
{
	/* A segment that ends exactly at `first` joins, too. */
	dtl_seg_t *ds = dtl_find(dtl, first == 0 ? 0 : first - 1), *next;

	for (; ds != NULL && ds->ds_first <= end; ds = next) {
		next = avl_next(&dtl->dtl_segs, ds);
		first = MIN(first, ds->ds_first);
		end = MAX(end, ds->ds_end);
		avl_remove(&dtl->dtl_segs, ds);
		kmem_free(ds, sizeof(*ds));
	}
	ds = kmem_alloc(sizeof(*ds), KM_PUSHPAGE);
	ds->ds_first = first;
	ds->ds_end = end;
	avl_add(&dtl->dtl_segs, ds);
	atomic_store_64(&dtl->dtl_nsegs, avl_numnodes(&dtl->dtl_segs));
}

static bool
dtl_covers(vdev_dtl_t *dtl, uint64_t first, uint64_t end)
{
	const dtl_seg_t *ds = dtl_find(dtl, first);

	return (ds != NULL && ds->ds_first <= first && end <= ds->ds_end);
}

void
vdev_dtl_dirty(vdev_t *leaf, uint64_t txg, uint64_t count)
{
	vdev_dtl_t *dtl = leaf->vdev_dtl;
	const uint64_t end = count > UINT64_MAX - txg ? UINT64_MAX : txg + count;

	ASSERT(leaf->vdev_ops->vop_leaf);
	if (end <= txg)
		return;
	mutex_enter(&dtl->dtl_lock);
	const bool news = !dtl_covers(dtl, txg, end);
	if (news)
		dtl_add(dtl, txg, end);
	mutex_exit(&dtl->dtl_lock);
	if (news && vdev_dtl_changed != NULL)
		vdev_dtl_changed(leaf);
}

bool
vdev_dtl_empty(vdev_t *leaf)
{
	const vdev_dtl_t *dtl = leaf->vdev_dtl;

	return (dtl == NULL || atomic_load_64(&dtl->dtl_nsegs) == 0);
}

bool
vdev_dtl_contains(vdev_t *leaf, uint64_t txg, uint64_t count)
{
	vdev_dtl_t *dtl = leaf->vdev_dtl;
	const uint64_t end = count > UINT64_MAX - txg ? UINT64_MAX : txg + count;

	if (vdev_dtl_empty(leaf))
		return (false);
	mutex_enter(&dtl->dtl_lock);
	const dtl_seg_t *ds = dtl_find(dtl, txg);
	const bool found = ds != NULL && ds->ds_first < end;
	mutex_exit(&dtl->dtl_lock);
	return (found);
}

bool
vdev_dtl_stale(vdev_t *vd, uint64_t txg)
{
	if (txg == 0)
		return (false);
	if (vd->vdev_ops->vop_leaf)
		return (vdev_dtl_contains(vd, txg, 1));
	/* An interior node can serve the block if one of its children can. */
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		vdev_t *child = vd->vdev_child[c];
		if (vdev_readable(child) && !vdev_dtl_stale(child, txg))
			return (false);
	}
	return (vd->vdev_children > 0);
}

void
vdev_dtl_clear(vdev_t *leaf)
{
	vdev_dtl_t *dtl = leaf->vdev_dtl;
	dtl_seg_t *ds;
	void *cookie = NULL;

	mutex_enter(&dtl->dtl_lock);
	const bool news = !avl_is_empty(&dtl->dtl_segs);
	while ((ds = avl_destroy_nodes(&dtl->dtl_segs, &cookie)) != NULL)
		kmem_free(ds, sizeof(*ds));
	atomic_store_64(&dtl->dtl_nsegs, 0);
	mutex_exit(&dtl->dtl_lock);
	if (news && vdev_dtl_changed != NULL)
		vdev_dtl_changed(leaf);
}

void
vdev_dtl_excise(vdev_t *leaf, uint64_t txg, uint64_t count)
{
	vdev_dtl_t *dtl = leaf->vdev_dtl;
	const uint64_t end = count > UINT64_MAX - txg ? UINT64_MAX : txg + count;
	dtl_seg_t *ds, *next;
	bool news = false;

	mutex_enter(&dtl->dtl_lock);
	for (ds = dtl_find(dtl, txg); ds != NULL && ds->ds_first < end; ds = next) {
		const uint64_t first = ds->ds_first, last = ds->ds_end;

		next = avl_next(&dtl->dtl_segs, ds);
		avl_remove(&dtl->dtl_segs, ds);
		kmem_free(ds, sizeof(*ds));
		if (first < txg)
			dtl_add(dtl, first, txg);
		if (last > end)
			dtl_add(dtl, end, last);
		news = true;
	}
	atomic_store_64(&dtl->dtl_nsegs, avl_numnodes(&dtl->dtl_segs));
	mutex_exit(&dtl->dtl_lock);
	if (news && vdev_dtl_changed != NULL)
		vdev_dtl_changed(leaf);
}

void
vdev_dtl_walk(vdev_t *leaf, void (*func)(void *, uint64_t, uint64_t), void *arg)
{
	vdev_dtl_t *dtl = leaf->vdev_dtl;
	uint64_t n = 0, i = 0;

	/* func may do I/O or take locks: it gets a copy. */
	mutex_enter(&dtl->dtl_lock);
	n = avl_numnodes(&dtl->dtl_segs);
	uint64_t(*seg)[2] = kmem_alloc(n * sizeof(*seg), KM_SLEEP);
	for (dtl_seg_t *ds = avl_first(&dtl->dtl_segs); ds != NULL;
	     ds = avl_next(&dtl->dtl_segs, ds), i++) {
		seg[i][0] = ds->ds_first;
		seg[i][1] = ds->ds_end - ds->ds_first;
	}
	mutex_exit(&dtl->dtl_lock);
	for (i = 0; i < n; i++)
		func(arg, seg[i][0], seg[i][1]);
	kmem_free(seg, n * sizeof(*seg));
}

void
vdev_dtl_init(vdev_t *vd)
{
	vdev_dtl_t *dtl = kmem_zalloc(sizeof(*dtl), KM_SLEEP);

	mutex_init(&dtl->dtl_lock);
	avl_create(&dtl->dtl_segs, dtl_seg_compare, sizeof(dtl_seg_t),
	    offsetof(dtl_seg_t, ds_node));
	vd->vdev_dtl = dtl;
}

void
vdev_dtl_fini(vdev_t *vd)
{
	vdev_dtl_t *dtl = vd->vdev_dtl;
	dtl_seg_t *ds;
	void *cookie = NULL;

	if (dtl == NULL)
		return;
	while ((ds = avl_destroy_nodes(&dtl->dtl_segs, &cookie)) != NULL)
		kmem_free(ds, sizeof(*ds));
	avl_destroy(&dtl->dtl_segs);
	mutex_destroy(&dtl->dtl_lock);
	kmem_free(dtl, sizeof(*dtl));
	vd->vdev_dtl = NULL;
}
