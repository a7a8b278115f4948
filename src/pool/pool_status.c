/*
 * What `zpool status`, `list` and `iostat` show, as one nvlist; and `zpool clear`.
 */
#include "pool/pool_impl.h"

static void
add_scan(spa_t *spa, nvlist_t *nv)
{
	pool_scan_stat_t ps;

	dsl_scan_stat(spa->spa_dsl_pool, &ps);
	fnvlist_add_uint64_array(
	    nv, "scan_stats", (const uint64_t *)&ps, sizeof (ps) / sizeof (uint64_t));
}

/* The pool and its top-level vdevs: what of them is used. A pool opened read-only has no metaslabs in memory. */
static void
add_space(spa_t *spa, nvlist_t *tree)
{
	nvlist_t *const *child, *stats;
	uint64_t space, alloc, frag;
	size_t n;

	if (nvlist_lookup_nvlist(tree, "vdev_stats", &stats) == 0) {
		fnvlist_add_uint64(stats, "space", spa_get_space(spa));
		fnvlist_add_uint64(stats, "alloc", spa_get_alloc(spa));
		fnvlist_add_uint64(
		    stats, "fragmentation", metaslab_class_fragmentation(spa->spa_normal_class));
	}
	if (nvlist_lookup_nvlist_array(tree, "children", &child, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (nvlist_lookup_nvlist(child[i], "vdev_stats", &stats) != 0)
			continue;
		/* The size of its devices is told, too, in another member. */
		if (nvlist_lookup_uint64(stats, "space", &space) == 0)
			fnvlist_add_uint64(stats, "asize", space);
		metaslab_vdev_space(spa, i, &space, &alloc, &frag);
		fnvlist_add_uint64(stats, "space", space);
		fnvlist_add_uint64(stats, "alloc", alloc);
		fnvlist_add_uint64(stats, "fragmentation", frag);
	}
}

nvlist_t *
pool_status(spa_t *spa)
{
	nvlist_t *nv = nvlist_create(), *sub;

	fnvlist_add_string(nv, "name", spa->spa_name);
	fnvlist_add_uint64(nv, "pool_guid", spa->spa_guid);
	fnvlist_add_uint64(nv, "version", spa->spa_version);
	fnvlist_add_uint64(nv, "state", spa->spa_state);
	fnvlist_add_uint64(nv, "txg", spa_last_synced_txg(spa));
	fnvlist_add_uint64(nv, "errata", spa->spa_errata);
	fnvlist_add_uint64(nv, "suspended", spa_is_suspended(spa));
	fnvlist_add_uint64(nv, "readonly", !spa_writeable(spa));
	fnvlist_add_uint64(nv, "error_count", pool_errors_count(spa));
	fnvlist_add_uint64(nv, "size", spa_get_space(spa));
	fnvlist_add_uint64(nv, "alloc", spa_get_alloc(spa));
	add_scan(spa, nv);
	spa_config_enter(spa, RW_READER);
	sub = vdev_status_generate(spa->spa_root_vdev);
	spa_config_exit(spa, RW_READER);
	add_space(spa, sub);
	fnvlist_add_nvlist(nv, "vdev_tree", sub);
	nvlist_free(sub);
	return (nv);
}

/* A device that was given up gets another chance: close it and open it again. */
static void
clear_leaf(vdev_t *vd, void *arg)
{
	spa_t *spa = arg;

	vd->vdev_faulted = vd->vdev_degraded = false;
	if (vd->vdev_state == VDEV_STATE_HEALTHY || vd->vdev_offline)
		return;
	vdev_close(vd);
	(void)vdev_open(vd, spa_writeable(spa));
}

int
pool_clear(spa_t *spa, const char *device)
{
	vdev_t *vd = spa->spa_root_vdev;

	if (device != NULL && (vd = vdev_lookup_by_name(vd, device)) == NULL)
		return (ENODEV);
	spa_config_enter(spa, RW_WRITER);
	vdev_clear_stats(vd);
	vdev_foreach_leaf(vd, clear_leaf, spa);
	vdev_propagate_state(spa->spa_root_vdev);
	spa_config_exit(spa, RW_WRITER);
	return (spa_is_suspended(spa) ? spa_resume(spa) : 0);
}
