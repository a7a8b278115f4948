/*
 * The spa object, its registration with the rooms below, freeing of blocks. See spa.h.
 */
#include "spa/spa.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- host id ---------------------------------------------------------------------------- */

static bool
hostid_from_file(const char *path, uint64_t *id)
{
	FILE *fp = fopen(path, "re");
	const bool ok = fp != NULL && fscanf(fp, "%" SCNu64, id) == 1;

	if (fp != NULL)
		(void)fclose(fp);
	return (ok);
}

uint64_t
spa_get_hostid(void)
{
	const char *env = getenv("TARN_HOSTID");
	uint64_t id = 0;
	uint8_t raw[4];

	if (env != NULL)
		return (strtoull(env, NULL, 0) & UINT32_MAX);
	if (hostid_from_file("/sys/module/spl/parameters/spl_hostid", &id) && id != 0)
		return (id & UINT32_MAX);
	FILE *fp = fopen("/etc/hostid", "re");
	if (fp == NULL)
		return (0);
	if (fread(raw, 1, sizeof(raw), fp) == sizeof(raw))
		id = (uint64_t)raw[0] | (uint64_t)raw[1] << 8 | (uint64_t)raw[2] << 16 |
		     (uint64_t)raw[3] << 24;
	(void)fclose(fp);
	return (id);
}

/* ---- life ------------------------------------------------------------------------------- */

spa_t *
spa_alloc(const char *name, const spa_upper_ops_t *ops)
{
	spa_t *spa = kmem_zalloc(sizeof(*spa), KM_SLEEP);

	spa->spa_name = kmem_strdup(name);
	spa->spa_upper = ops;
	spa->spa_version = SPA_VERSION;
	spa->spa_state = POOL_STATE_UNINITIALIZED;
	spa->spa_load_guid = random_guid();
	spa->spa_hostid = spa_get_hostid();
	if (gethostname(spa->spa_hostname, sizeof(spa->spa_hostname) - 1) != 0)
		spa->spa_hostname[0] = '\0';
	spa->spa_deflate = true;
	spa->spa_min_ashift = ASHIFT_MIN;
	spa->spa_max_ashift = ASHIFT_MIN;
	spa->spa_min_alloc = SPA_MINBLOCKSIZE;
	spa->spa_prop_delegation = 1;
	spa->spa_prop_dedup_table_quota = UINT64_MAX;
	spa->spa_failmode = ZIO_FAILURE_MODE_WAIT;

	mutex_init(&spa->spa_config_lock.scl_lock);
	cv_init(&spa->spa_config_lock.scl_cv);
	mutex_init(&spa->spa_props_lock);
	mutex_init(&spa->spa_defer_lock);
	list_create(&spa->spa_defer_list, sizeof(spa_defer_free_t),
	    offsetof(spa_defer_free_t, sdf_node));
	mutex_init(&spa->spa_suspend_lock);
	cv_init(&spa->spa_suspend_cv);
	rw_init(&spa->spa_mg_lock);
	txg_list_create(&spa->spa_dirty_ms, offsetof(metaslab_t, ms_txg_node));
	txg_list_create(&spa->spa_synced_ms, offsetof(metaslab_t, ms_done_node));
	spa_features_init(spa);
	spa->spa_normal_class = metaslab_class_create(spa);
	spa->spa_log_class = metaslab_class_create(spa);
	return (spa);
}

void
spa_free(spa_t *spa)
{
	spa_defer_free_t *sdf;

	metaslab_class_destroy(spa->spa_normal_class);
	metaslab_class_destroy(spa->spa_log_class);
	if (spa->spa_mg != NULL)
		kmem_free(spa->spa_mg, spa->spa_mg_count * sizeof(*spa->spa_mg));
	if (spa->spa_root_vdev != NULL) {
		vdev_close(spa->spa_root_vdev);
		vdev_free(spa->spa_root_vdev);
	}
	if (spa->spa_tx.tx_cpu != NULL)
		txg_fini(spa);
	while ((sdf = list_remove_head(&spa->spa_defer_list)) != NULL)
		kmem_free(sdf, sizeof(*sdf));
	spa_features_fini(spa);
	txg_list_destroy(&spa->spa_dirty_ms);
	txg_list_destroy(&spa->spa_synced_ms);
	rw_destroy(&spa->spa_mg_lock);
	mutex_destroy(&spa->spa_suspend_lock);
	cv_destroy(&spa->spa_suspend_cv);
	list_destroy(&spa->spa_defer_list);
	mutex_destroy(&spa->spa_defer_lock);
	mutex_destroy(&spa->spa_props_lock);
	mutex_destroy(&spa->spa_config_lock.scl_lock);
	cv_destroy(&spa->spa_config_lock.scl_cv);
	nvlist_free(spa->spa_config);
	kmem_strfree(spa->spa_comment);
	kmem_strfree(spa->spa_compatibility);
	kmem_strfree(spa->spa_altroot);
	kmem_strfree(spa->spa_cachefile);
	kmem_strfree(spa->spa_name);
	kmem_free(spa, sizeof(*spa));
}

/* ---- metaslabs of the vdev tree --------------------------------------------------------- */

txg_list_t *
spa_dirty_metaslabs(spa_t *spa)
{
	return (&spa->spa_dirty_ms);
}

txg_list_t *
spa_synced_metaslabs(spa_t *spa)
{
	return (&spa->spa_synced_ms);
}

void
spa_mg_insert(spa_t *spa, uint64_t id, metaslab_group_t *mg)
{
	if (id >= spa->spa_mg_count) {
		if (mg == NULL)
			return;
		metaslab_group_t **all = kmem_zalloc((id + 1) * sizeof(*all), KM_SLEEP);
		if (spa->spa_mg != NULL) {
			memcpy(all, spa->spa_mg, spa->spa_mg_count * sizeof(*all));
			kmem_free(spa->spa_mg, spa->spa_mg_count * sizeof(*all));
		}
		spa->spa_mg = all;
		spa->spa_mg_count = id + 1;
	}
	spa->spa_mg[id] = mg;
}

/* Only a vdev that stores blocks has metaslabs. */
static bool
top_has_metaslabs(const vdev_t *top)
{
	return (top->vdev_ops != &vdev_hole_ops && top->vdev_ops != &vdev_missing_ops &&
		strcmp(top->vdev_ops->vop_type, "indirect") != 0);
}

/* Geometry that is chosen once and then stands in the configuration. */
static int
top_prepare(vdev_t *top)
{
	const uint64_t old_max = SPA_OLD_MAXBLOCKSIZE;

	if (top->vdev_ms_shift == 0)
		top->vdev_ms_shift = vdev_default_ms_shift(top->vdev_asize);
	if (top->vdev_ms_shift >= 63 || top->vdev_ms_shift < top->vdev_ashift ||
	    top->vdev_asize >> top->vdev_ms_shift == 0)
		return (EINVAL);
	if (top->vdev_deflate_ratio == 0) {
		const uint64_t asize = vdev_psize_to_asize(top, old_max);
		top->vdev_deflate_ratio = old_max / (asize >> SPA_MINBLOCKSHIFT);
	}
	return (0);
}

int
spa_metaslabs_init(spa_t *spa)
{
	vdev_t *root = spa->spa_root_vdev;
	uint64_t min = UINT64_MAX, max = 0;

	for (uint64_t i = 0; i < root->vdev_children; i++) {
		vdev_t *top = root->vdev_child[i];
		if (!top_has_metaslabs(top))
			continue;
		if (top->vdev_mg == NULL) {
			const int error = top_prepare(top);
			if (error != 0)
				return (error);
			(void)metaslab_group_create(top->vdev_islog
							? spa->spa_log_class
							: spa->spa_normal_class,
			    top);
		}
		if (!top->vdev_islog) {
			min = MIN(min, top->vdev_ashift);
			max = MAX(max, top->vdev_ashift);
			spa->spa_sector_inflation = MAX(spa->spa_sector_inflation,
			    vdev_psize_to_asize(top, 1ULL << top->vdev_ashift) >>
				top->vdev_ashift);
		}
	}
	if (max != 0) {
		spa->spa_min_ashift = min;
		spa->spa_max_ashift = max;
		spa->spa_min_alloc = 1ULL << min;
	}
	return (0);
}

/* ---- freeing ------------------------------------------------------------------------------ */

/*
 * From pass 2 on a free would dirty the space maps again, whose new blocks free their old ones,
 * and so on: those frees wait on a list for the next txg (format/02 §6.6).
 */
void
spa_free_block(spa_t *spa, uint64_t txg, const blkptr_t *bp)
{
	ASSERT3U(txg, ==, spa->spa_syncing_txg);
	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return;
	if (spa->spa_sync_pass <= 1) {
		const int error = zio_free(spa, txg, bp);
		if (error != 0)
			spl_log(LOG_WARNING, "%s: a block could not be freed: %s",
			    spa->spa_name, strerror(error));
		return;
	}
	spa_defer_free_t *sdf = kmem_alloc(sizeof(*sdf), KM_SLEEP);
	list_link_init(&sdf->sdf_node);
	sdf->sdf_bp = *bp;
	mutex_enter(&spa->spa_defer_lock);
	list_insert_tail(&spa->spa_defer_list, sdf);
	mutex_exit(&spa->spa_defer_lock);
}

/* From any thread, in the middle of I/O: only a note for the sync thread. */
static void
spa_dtl_changed(vdev_t *leaf)
{
	spa_t *spa = leaf->vdev_owner;

	if (spa != NULL && spa_writeable(spa))
		__atomic_store_n(&spa->spa_dtl_dirty, true, __ATOMIC_RELEASE);
}

bool
spa_has_deferred_work(spa_t *spa)
{
	return (__atomic_load_n(&spa->spa_dtl_dirty, __ATOMIC_ACQUIRE) ||
		atomic_load_64(&spa->spa_normal_class->mc_deferred) != 0 ||
		atomic_load_64(&spa->spa_log_class->mc_deferred) != 0);
}

/* ---- what zio asks ------------------------------------------------------------------------- */

/* Log blocks go to log devices while these have room. */
static int
zso_alloc(spa_t *spa, uint64_t psize, blkptr_t *bp, int ndvas, uint64_t txg,
    const blkptr_t *hint, uint32_t flags, const zio_prop_t *zp)
{
	if (zp != NULL && zp->zp_type == DMU_OT_INTENT_LOG &&
	    metaslab_alloc(
		spa, spa->spa_log_class, psize, bp, ndvas, txg, hint, flags) == 0)
		return (0);
	return (metaslab_alloc(
	    spa, spa->spa_normal_class, psize, bp, ndvas, txg, hint, flags));
}

static vdev_t *
zso_top(spa_t *spa, uint64_t id)
{
	const vdev_t *root = spa->spa_root_vdev;

	return (root != NULL && id < root->vdev_children ? root->vdev_child[id] : NULL);
}

static void
zso_config_enter(spa_t *spa)
{
	spa_config_enter(spa, RW_READER);
}

static void
zso_config_exit(spa_t *spa)
{
	spa_config_exit(spa, RW_READER);
}

static const zio_cksum_salt_t *
zso_salt(spa_t *spa)
{
	return (&spa->spa_cksum_salt);
}

static bool
zso_writeable(spa_t *spa)
{
	return (spa_writeable(spa));
}

static uint64_t
zso_min_alloc(spa_t *spa)
{
	return (spa->spa_min_alloc);
}

static bool
zso_embedded_ok(spa_t *spa)
{
	return (spa_feature_is_enabled(spa, SPA_FEATURE_EMBEDDED_DATA));
}

static bool
zso_hole_birth(spa_t *spa)
{
	return (spa_feature_is_active(spa, SPA_FEATURE_HOLE_BIRTH));
}

static void
zso_data_error(spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp, int error)
{
	if (spa->spa_upper != NULL && spa->spa_upper->suo_data_error != NULL)
		spa->spa_upper->suo_data_error(spa, zb, bp);
}

static void
zso_suspend(spa_t *spa, zio_t *zio)
{
	spa_suspend_wait(spa, "a write failed on all devices");
}

static int
zso_sync_pass(spa_t *spa)
{
	return (spa->spa_sync_pass);
}

static const zio_spa_ops_t spa_zio_ops = {
    .zso_alloc = zso_alloc,
    .zso_unalloc = metaslab_unalloc_dva,
    .zso_free_dva = metaslab_free_dva,
    .zso_claim_dva = metaslab_claim_dva,
    .zso_top = zso_top,
    .zso_config_enter = zso_config_enter,
    .zso_config_exit = zso_config_exit,
    .zso_salt = zso_salt,
    .zso_writeable = zso_writeable,
    .zso_min_alloc = zso_min_alloc,
    .zso_embedded_ok = zso_embedded_ok,
    .zso_hole_birth = zso_hole_birth,
    .zso_data_error = zso_data_error,
    .zso_suspend = zso_suspend,
    .zso_sync_pass = zso_sync_pass,
};

void
spa_init(void)
{
	vdev_init();
	vdev_dtl_changed = spa_dtl_changed;
	vdev_ereport = spa_vdev_ereport;
	zio_init(&spa_zio_ops);
}

void
spa_fini(void)
{
	zio_fini();
	vdev_dtl_changed = NULL;
	vdev_ereport = NULL;
	vdev_fini();
}
