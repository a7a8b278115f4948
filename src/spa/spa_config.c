/*
 * The config lock, and configurations as they stand in labels and in the MOS.
 *
 * The lock. Writers (attach, add, remove …) are rare and must get their turn against a constant
 * stream of I/O: so while one waits, new readers wait too. But a reader may have to enter a second
 * time before it can leave (a gang block's members below its header; a sync that issues I/O), on
 * another thread, so that nothing identifies it. If such a reader waited for the writer and the
 * writer for it, the pool would stand still. Therefore waiting readers are held back in turns: closed
 * for a while, in which the I/O under way drains and the writer gets in, then open for a moment, in
 * which who depends on entering gets through. Neither side can starve the other.
 */
#include "spa/spa.h"

#define CONFIG_CLOSED_NS MSEC2NSEC(200)
#define CONFIG_OPEN_NS MSEC2NSEC(20)

/* scl_lock held, a writer waits: when may readers pass again? A time in the past: now. */
static hrtime_t
readers_pass_at(spa_config_lock_t *scl, hrtime_t now)
{
	if (now - scl->scl_slice >= CONFIG_CLOSED_NS + CONFIG_OPEN_NS)
		scl->scl_slice = now;
	return (scl->scl_slice + CONFIG_CLOSED_NS);
}

static void
enter_reader(spa_config_lock_t *scl)
{
	while (scl->scl_writer || scl->scl_writers_waiting > 0) {
		/* Nobody inside: nobody whom a reader could hold up by waiting. */
		if (scl->scl_writer || scl->scl_readers == 0) {
			cv_wait(&scl->scl_cv, &scl->scl_lock);
			continue;
		}
		const hrtime_t now = gethrtime();
		const hrtime_t pass_at = readers_pass_at(scl, now);
		if (now >= pass_at)
			break;
		(void)cv_timedwait_hires(&scl->scl_cv, &scl->scl_lock, pass_at);
	}
	scl->scl_readers++;
}

static void
enter_writer(spa_config_lock_t *scl)
{
	if (scl->scl_writers_waiting++ == 0)
		scl->scl_slice = gethrtime();
	while (scl->scl_writer || scl->scl_readers > 0)
		cv_wait(&scl->scl_cv, &scl->scl_lock);
	scl->scl_writers_waiting--;
	scl->scl_writer = true;
}

void
spa_config_enter(spa_t *spa, krw_t how)
{
	spa_config_lock_t *scl = &spa->spa_config_lock;

	mutex_enter(&scl->scl_lock);
	if (how == RW_READER)
		enter_reader(scl);
	else
		enter_writer(scl);
	mutex_exit(&scl->scl_lock);
}

void
spa_config_exit(spa_t *spa, krw_t how)
{
	spa_config_lock_t *scl = &spa->spa_config_lock;

	mutex_enter(&scl->scl_lock);
	if (how == RW_READER) {
		ASSERT(scl->scl_readers > 0);
		scl->scl_readers--;
	} else {
		ASSERT(scl->scl_writer);
		scl->scl_writer = false;
	}
	if (scl->scl_readers == 0)
		cv_broadcast(&scl->scl_cv);
	mutex_exit(&scl->scl_lock);
}

void
spa_config_mark_dirty(spa_t *spa)
{
	__atomic_store_n(&spa->spa_config_dirty, true, __ATOMIC_RELEASE);
}

/* ---- configurations (format/01 §3.1) ------------------------------------------------------- */

/* Keys that labels and MOS share, in the order of the format's table. */
static void
config_add_common(spa_t *spa, nvlist_t *nv, uint64_t txg)
{
	fnvlist_add_uint64(nv, "version", spa->spa_version);
	fnvlist_add_string(nv, "name", spa->spa_name);
	fnvlist_add_uint64(nv, "state", (uint64_t)spa->spa_state);
	fnvlist_add_uint64(nv, "txg", txg);
	fnvlist_add_uint64(nv, "pool_guid", spa->spa_guid);
	fnvlist_add_uint64(nv, "errata", spa->spa_errata);
	mutex_enter(&spa->spa_props_lock);
	if (spa->spa_comment != NULL)
		fnvlist_add_string(nv, "comment", spa->spa_comment);
	if (spa->spa_compatibility != NULL)
		fnvlist_add_string(nv, "compatibility", spa->spa_compatibility);
	mutex_exit(&spa->spa_props_lock);
	if (spa->spa_hostid != 0)
		fnvlist_add_uint64(nv, "hostid", spa->spa_hostid);
	fnvlist_add_string(nv, "hostname", spa->spa_hostname);
}

static void
config_add_leaf(nvlist_t *nv, const vdev_t *leaf, uint64_t txg)
{
	const vdev_t *top = leaf->vdev_top;

	fnvlist_add_uint64(nv, "top_guid", top->vdev_guid);
	fnvlist_add_uint64(nv, "guid", leaf->vdev_guid);
	if (leaf->vdev_isspare)
		fnvlist_add_uint64(nv, "is_spare", 1);
	if (leaf == top && leaf->vdev_islog)
		fnvlist_add_uint64(nv, "is_log", 1);
	if (txg == 0)
		fnvlist_add_uint64(nv, "create_txg", leaf->vdev_create_txg);
}

static void
config_add_holes(nvlist_t *nv, const vdev_t *root)
{
	uint64_t *holes =
	    kmem_alloc(MAX(1, root->vdev_children) * sizeof(*holes), KM_SLEEP);
	size_t n = 0;

	for (uint64_t i = 0; i < root->vdev_children; i++)
		if (root->vdev_child[i]->vdev_ops == &vdev_hole_ops)
			holes[n++] = i;
	if (n > 0)
		fnvlist_add_uint64_array(nv, "hole_array", holes, n);
	kmem_free(holes, MAX(1, root->vdev_children) * sizeof(*holes));
}

nvlist_t *
spa_config_generate(spa_t *spa, vdev_t *leaf, uint64_t txg)
{
	vdev_t *root = spa->spa_root_vdev;
	vdev_t *described = leaf == NULL ? root : leaf->vdev_top;
	nvlist_t *nv = nvlist_create();

	config_add_common(spa, nv, txg);
	if (leaf != NULL)
		config_add_leaf(nv, leaf, txg);
	else if (spa->spa_has_vdev_zaps)
		fnvlist_add_boolean(nv, "com.delphix:has_per_vdev_zaps");
	config_add_holes(nv, root);
	fnvlist_add_uint64(nv, "vdev_children", root->vdev_children);
	nvlist_t *tree = vdev_config_generate(described, leaf == NULL);
	fnvlist_add_nvlist(nv, "vdev_tree", tree);
	nvlist_free(tree);
	/* Also in pools of versions without features, where it is empty. */
	nvlist_t *features = spa_features_for_label(spa);
	fnvlist_add_nvlist(nv, "features_for_read", features);
	nvlist_free(features);
	return (nv);
}
