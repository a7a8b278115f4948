/* Reading and writing dirty time logs. See dtl_io.h. */
#include "pool/dtl_io.h"
#include "pool/metaslab_io.h"
#include "pool/space_map.h"

/* Txgs as "bytes" of a space map: start 0, unit 1. */
#define DTL_SIZE (1ULL << 62)

static int
dtl_map_open(space_map_t *sm, spa_t *spa, uint64_t object)
{
	return (space_map_open(sm, spa->spa_meta_objset, object, 0, DTL_SIZE, 0));
}

/* ---- opening ------------------------------------------------------------------------------ */

static void
dtl_segment(void *arg, uint64_t txg, uint64_t count)
{
	vdev_dtl_dirty(arg, txg, count);
}

static void
dtl_open(vdev_t *leaf, void *arg)
{
	spa_t *spa = arg;
	space_map_t sm;

	if (leaf->vdev_dtl_object == 0)
		return;
	range_tree_t *rt = range_tree_create(false);
	int error = dtl_map_open(&sm, spa, leaf->vdev_dtl_object);
	if (error == 0)
		error = space_map_load_length(&sm, UINT64_MAX, rt, SM_ALLOC);
	if (error == 0) {
		range_tree_walk(rt, dtl_segment, leaf);
	} else {
		spl_log(LOG_WARNING, "%s: the dirty time log of %s cannot be read: %s",
		    spa->spa_name, leaf->vdev_path != NULL ? leaf->vdev_path : "?",
		    strerror(error));
		vdev_dtl_dirty(leaf, TXG_INITIAL, spa->spa_ubsync.ub_txg);
	}
	range_tree_vacate(rt, NULL, NULL);
	range_tree_destroy(rt);
}

void
pool_dtls_open(spa_t *spa)
{
	vdev_foreach_leaf(spa->spa_root_vdev, dtl_open, spa);
}

/* ---- syncing ------------------------------------------------------------------------------ */

typedef struct wanted_arg {
	range_tree_t *wa_rt;
	uint64_t wa_end; /* txgs beyond are not yet written by anybody */
} wanted_arg_t;

/* "Everything from now on" (a device just attached) ends with the txgs that can be under way. */
static void
wanted_segment(void *arg, uint64_t txg, uint64_t count)
{
	const wanted_arg_t *wa = arg;
	const uint64_t end =
	    count > wa->wa_end - MIN(txg, wa->wa_end) ? wa->wa_end : txg + count;

	if (txg < end)
		range_tree_add(wa->wa_rt, txg, end - txg);
}

static bool
same_segments(range_tree_t *a, range_tree_t *b)
{
	range_seg_t *x = range_tree_first(a), *y = range_tree_first(b);

	while (x != NULL && y != NULL && x->rs_start == y->rs_start &&
	       x->rs_end == y->rs_end) {
		x = range_tree_next(a, x);
		y = range_tree_next(b, y);
	}
	return (x == NULL && y == NULL);
}

static void
dtl_write(spa_t *spa, vdev_t *leaf, space_map_t *sm, range_tree_t *wanted, dmu_tx_t *tx)
{
	POOL_MUST(spa, space_map_truncate(sm, tx));
	POOL_MUST(spa,
	    space_map_write(sm, wanted, SM_ALLOC, SM_NO_VDEV, spa->spa_sync_pass, tx));
}

typedef struct sync_arg {
	spa_t *sa_spa;
	dmu_tx_t *sa_tx;
} sync_arg_t;

static void
dtl_sync(vdev_t *leaf, void *arg)
{
	const sync_arg_t *sa = arg;
	spa_t *spa = sa->sa_spa;
	range_tree_t *wanted = range_tree_create(false),
		     *stored = range_tree_create(false);
	wanted_arg_t wa = {wanted, dmu_tx_get_txg(sa->sa_tx) + TXG_CONCURRENT_STATES};
	space_map_t sm;
	bool same = true;

	vdev_dtl_walk(leaf, wanted_segment, &wa);
	if (leaf->vdev_dtl_object == 0 && !range_tree_is_empty(wanted)) {
		leaf->vdev_dtl_object = space_map_alloc(
		    spa->spa_meta_objset, SPACE_MAP_BLKSZ_DTL, sa->sa_tx);
		spa_config_mark_dirty(spa);
	}
	if (leaf->vdev_dtl_object != 0) {
		POOL_MUST(spa, dtl_map_open(&sm, spa, leaf->vdev_dtl_object));
		/* Damaged: write it anew. */
		same = space_map_load_length(&sm, UINT64_MAX, stored, SM_ALLOC) == 0 &&
		       same_segments(wanted, stored);
	}
	if (!same)
		dtl_write(spa, leaf, &sm, wanted, sa->sa_tx);
	range_tree_vacate(wanted, NULL, NULL);
	range_tree_destroy(wanted);
	range_tree_vacate(stored, NULL, NULL);
	range_tree_destroy(stored);
}

/* The node of a vdev in a configuration. */
static const nvlist_t *
node_of_guid(const nvlist_t *node, uint64_t guid)
{
	nvlist_t *const *child;
	const nvlist_t *found = NULL;
	uint64_t g;
	size_t n;

	if (nvlist_lookup_uint64(node, "guid", &g) == 0 && g == guid)
		return (node);
	if (nvlist_lookup_nvlist_array(node, "children", &child, &n) == 0)
		for (size_t i = 0; i < n && found == NULL; i++)
			found = node_of_guid(child[i], guid);
	return (found);
}

/* Does the stored configuration know about the leaf's fault? */
static void
check_fault(vdev_t *leaf, void *arg)
{
	spa_t *spa = arg;
	nvlist_t *tree;

	mutex_enter(&spa->spa_props_lock);
	const nvlist_t *node =
	    spa->spa_config != NULL &&
		    nvlist_lookup_nvlist(spa->spa_config, "vdev_tree", &tree) == 0
		? node_of_guid(tree, leaf->vdev_guid)
		: NULL;
	const bool differs =
	    node != NULL &&
	    (nvlist_exists(node, "faulted") != leaf->vdev_faulted ||
		nvlist_exists(node, "degraded") != leaf->vdev_degraded ||
		nvlist_exists(node, "removed") != leaf->vdev_removed);
	mutex_exit(&spa->spa_props_lock);
	if (differs)
		spa_config_mark_dirty(spa);
}

void
pool_dtls_sync(spa_t *spa, dmu_tx_t *tx)
{
	sync_arg_t sa = {spa, tx};

	/* The flag first: what changes from now on sets it again. */
	if (!__atomic_exchange_n(&spa->spa_dtl_dirty, false, __ATOMIC_ACQ_REL))
		return;
	vdev_foreach_leaf(spa->spa_root_vdev, dtl_sync, &sa);
	vdev_foreach_leaf(spa->spa_root_vdev, check_fault, spa);
}

void
pool_dtl_destroy(spa_t *spa, vdev_t *leaf, dmu_tx_t *tx)
{
	if (leaf->vdev_dtl_object == 0)
		return;
	POOL_MUST(spa, space_map_free(spa->spa_meta_objset, leaf->vdev_dtl_object, tx));
	leaf->vdev_dtl_object = 0;
}
