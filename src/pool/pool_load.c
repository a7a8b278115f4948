/*
 * Opening a pool that exists (format/01 §12), and closing it.
 *
 * What discovery or the cache file tells is only a hint where the devices are. The
 * uberblock found on them leads to the MOS, and the configuration in the MOS says what the
 * pool is made of; the vdev tree is then built again from that, with the paths at which
 * the devices were found. Every step may meet a damaged or malicious pool: an error leaves
 * nothing behind.
 *
 * A read-only open never writes: the leaves are opened read-only and the sync threads are
 * not started.
 */
#include "pool/pool_impl.h"
#include "pool/metaslab_io.h"
#include "vdev/vdev_label.h"
#include <sys/utsname.h>

typedef struct load_arg {
	const nvlist_t *la_config;
	uint32_t la_flags;
	uint64_t la_txg_limit;
	nvlist_t **la_unsup;
} load_arg_t;

/* ---- the vdev tree ------------------------------------------------------------------------ */

static int
load_tree(spa_t *spa, const nvlist_t *tree)
{
	vdev_t *rvd;
	int err = vdev_alloc(spa, tree, NULL, 0, false, &rvd);

	if (err != 0)
		return (err);
	if (rvd->vdev_ops != &vdev_root_ops) {
		vdev_free(rvd);
		return (EINVAL);
	}
	if (spa->spa_root_vdev != NULL)
		vdev_free(spa->spa_root_vdev);
	spa->spa_root_vdev = rvd;
	return (vdev_open(rvd, spa_writeable(spa)));
}

static const char *
path_of_guid(const nvlist_t *node, uint64_t guid)
{
	nvlist_t *const *child;
	const char *path;
	uint64_t g;
	size_t n;

	if (nvlist_lookup_uint64(node, "guid", &g) == 0 && g == guid &&
	    nvlist_lookup_string(node, "path", &path) == 0)
		return (path);
	if (nvlist_lookup_nvlist_array(node, "children", &child, &n) != 0)
		return (NULL);
	for (size_t i = 0; i < n; i++)
		if ((path = path_of_guid(child[i], guid)) != NULL)
			return (path);
	return (NULL);
}

/* A copy of the MOS's tree with the paths at which the devices were found. */
static nvlist_t *
tree_with_paths(const nvlist_t *node, const nvlist_t *found)
{
	nvlist_t *copy = nvlist_dup(node);
	nvlist_t *const *child;
	const char *path;
	uint64_t guid;
	size_t n;

	if (nvlist_lookup_uint64(node, "guid", &guid) == 0 && nvlist_exists(node, "path") &&
	    (path = path_of_guid(found, guid)) != NULL)
		fnvlist_add_string(copy, "path", path);
	if (nvlist_lookup_nvlist_array(node, "children", &child, &n) == 0 && n > 0) {
		nvlist_t **copies = kmem_alloc(n * sizeof (*copies), KM_SLEEP);
		for (size_t i = 0; i < n; i++)
			copies[i] = tree_with_paths(child[i], found);
		fnvlist_add_nvlist_array(copy, "children", (const nvlist_t *const *)copies, n);
		for (size_t i = 0; i < n; i++)
			nvlist_free(copies[i]);
		kmem_free(copies, n * sizeof (*copies));
	}
	return (copy);
}

/* ---- steps of a load ------------------------------------------------------------------------- */

static int
load_uberblock(spa_t *spa, load_arg_t *la)
{
	nvlist_t *label = NULL, *features;
	uint64_t limit = la->la_txg_limit != 0 ? la->la_txg_limit : UINT64_MAX;
	int err = vdev_uberblock_load(spa->spa_root_vdev, limit, &spa->spa_uberblock, &label);

	if (err != 0)
		return (err);
	spa->spa_version = spa->spa_uberblock.ub_version;
	if (!SPA_VERSION_IS_SUPPORTED(spa->spa_version)) {
		nvlist_free(label);
		return (ENOTSUP);
	}
	/* Features without which the MOS cannot even be read. */
	if (spa->spa_version >= SPA_VERSION_FEATURES) {
		if (nvlist_lookup_nvlist(label, "features_for_read", &features) != 0) {
			nvlist_free(label);
			return (ENXIO);
		}
		for (nvpair_t *nvp = nvlist_next_nvpair(features, NULL); nvp != NULL;
		     nvp = nvlist_next_nvpair(features, nvp)) {
			spa_feature_t f;
			if (zfeature_lookup_guid(nvpair_name(nvp), &f) == 0 &&
			    spa_feature_table[f].fi_support != ZFEATURE_UNSUPPORTED)
				continue;
			if (la->la_unsup != NULL) {
				if (*la->la_unsup == NULL)
					*la->la_unsup = nvlist_create();
				fnvlist_add_string(*la->la_unsup, nvpair_name(nvp), "");
			}
			err = ENOTSUP;
		}
	}
	nvlist_free(label);
	return (err);
}

/* A device that was away when the pool was opened goes by its guid until it is back. */
static void
note_absence(vdev_t *vd, void *arg)
{
	(void)arg;
	if (vd->vdev_state == VDEV_STATE_CANT_OPEN && vd->vdev_aux == VDEV_AUX_OPEN_FAILED)
		vd->vdev_not_present = true;
	else if (vd->vdev_state > VDEV_STATE_FAULTED)
		vd->vdev_not_present = false;
}

static int
load_mos(spa_t *spa, const nvlist_t *hint)
{
	nvlist_t *config = NULL, *tree, *found = NULL;
	int err = dmu_objset_open_impl(spa, 0, &spa->spa_uberblock.ub_rootbp, &dsl_mos_objset_ops,
	    NULL, &spa->spa_meta_objset);

	if (err != 0)
		return (err);
	dmu_objset_set_readonly(spa->spa_meta_objset, !spa_writeable(spa));
	if ((err = pool_config_read(spa, &config)) != 0)
		return (err);
	if (nvlist_lookup_nvlist(config, "vdev_tree", &tree) != 0 ||
	    nvlist_lookup_nvlist(hint, "vdev_tree", &found) != 0) {
		nvlist_free(config);
		return (EIO);
	}
	const char *str;
	uint64_t v;
	if (nvlist_lookup_string(config, "comment", &str) == 0)
		spa->spa_comment = kmem_strdup(str);
	if (nvlist_lookup_string(config, "compatibility", &str) == 0)
		spa->spa_compatibility = kmem_strdup(str);
	if (nvlist_lookup_uint64(config, "errata", &v) == 0)
		spa->spa_errata = v;
	if (nvlist_lookup_uint64(config, "hostid", &v) == 0)
		spa->spa_last_hostid = v;
	spa->spa_has_vdev_zaps = nvlist_exists(config, "com.delphix:has_per_vdev_zaps");
	nvlist_t *merged = tree_with_paths(tree, found);
	err = load_tree(spa, merged);
	nvlist_free(merged);
	if (err == 0)
		vdev_foreach_leaf(spa->spa_root_vdev, note_absence, NULL);
	if (err == 0 && vdev_guid_sum(spa->spa_root_vdev) != spa->spa_uberblock.ub_guid_sum)
		err = ENXIO;
	nvlist_free(spa->spa_config);
	spa->spa_config = config;
	return (err);
}

static int
load_features(spa_t *spa, load_arg_t *la)
{
	nvlist_t *why = NULL;
	int err = pool_features_load(spa);

	if (err != 0)
		return (err);
	zfeature_support_t level = spa_features_support(spa, &why);
	if (level == ZFEATURE_UNSUPPORTED)
		err = ENOTSUP;
	else if (level < ZFEATURE_WRITE && spa_writeable(spa))
		err = EROFS;
	if (err != 0 && la->la_unsup != NULL) {
		if (*la->la_unsup != NULL)
			nvlist_free(*la->la_unsup);
		*la->la_unsup = why;
	} else {
		nvlist_free(why);
	}
	return (err);
}

static int
load_directory(spa_t *spa)
{
	pool_t *pl = pool_of(spa);
	uint64_t obj = 0, v = 0;
	int err;

	err = zap_lookup(spa->spa_meta_objset, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_CHECKSUM_SALT,
	    1, sizeof (spa->spa_cksum_salt.zcs_bytes), spa->spa_cksum_salt.zcs_bytes);
	if (err == ENOENT) {
		random_get_bytes(&spa->spa_cksum_salt, sizeof (spa->spa_cksum_salt));
		pl->pl_salt_missing = true;
	} else if (err != 0) {
		return (err);
	}
	spa->spa_deflate = pool_dir_lookup(spa, DMU_POOL_DEFLATE, &v) == 0 && v != 0;
	if ((err = pool_dir_lookup(spa, DMU_POOL_SYNC_BPOBJ, &obj)) != 0 ||
	    (err = bpobj_open(&pl->pl_deferred, spa->spa_meta_objset, obj)) != 0)
		return (err == ENOENT ? EIO : err);
	pl->pl_deferred_open = true;
	err = pool_dir_lookup(spa, DMU_POOL_HISTORY, &pl->pl_history_obj);
	if (err != 0 && err != ENOENT)
		return (err);
	if ((err = pool_errlog_load(spa)) != 0 || (err = pool_props_load(spa)) != 0)
		return (err);
	return (0);
}

/*
 * Intent logs that a crash left behind hold writes that were promised: until they can be
 * replayed, such a pool is not opened for writing (nothing of them may be lost).
 */
static int
check_intent_logs(spa_t *spa)
{
	objset_t *mos = spa->spa_meta_objset;
	uint64_t obj = 0;

	while (dmu_object_next(mos, &obj, false, 0) == 0) {
		dmu_object_info_t doi;
		dsl_dataset_t *ds;
		objset_t *os;

		if (dmu_object_info(mos, obj, &doi) != 0 ||
		    doi.doi_bonus_type != DMU_OT_DSL_DATASET)
			continue;
		if (dsl_dataset_hold_obj(spa->spa_dsl_pool, obj, spa, &ds) != 0)
			continue;
		bool pending = !ds->ds_is_snapshot &&
		    !BP_IS_HOLE(&dsl_dataset_phys(ds)->ds_bp) &&
		    dsl_dataset_get_objset(ds, &os) == 0 &&
		    !BP_IS_HOLE(&dmu_objset_phys(os)->os_zil_header.zh_log);
		dsl_dataset_rele(ds, spa);
		if (pending)
			return (ENOTSUP);
	}
	return (0);
}

static int
load_writable(spa_t *spa)
{
	pool_t *pl = pool_of(spa);
	int err;

	if ((err = check_intent_logs(spa)) != 0)
		return (err);
	if ((err = spa_metaslabs_init(spa)) != 0 || (err = pool_metaslabs_open(spa)) != 0)
		return (err);
	pl->pl_retire_logs = spa_feature_is_active(spa, SPA_FEATURE_LOG_SPACEMAP);
	spa->spa_first_txg = spa->spa_uberblock.ub_txg + 1;
	spa->spa_state = POOL_STATE_ACTIVE;
	txg_init(spa, spa->spa_first_txg);
	spa_config_mark_dirty(spa);
	txg_sync_start(spa);
	return (0);
}

static int
load(spa_t *spa, load_arg_t *la)
{
	nvlist_t *tree;
	int err;

	if (nvlist_lookup_nvlist(la->la_config, "vdev_tree", &tree) != 0 ||
	    nvlist_lookup_uint64(la->la_config, "pool_guid", &spa->spa_guid) != 0)
		return (EINVAL);
	if ((err = load_tree(spa, tree)) != 0 || (err = load_uberblock(spa, la)) != 0 ||
	    (err = load_mos(spa, la->la_config)) != 0 || (err = load_features(spa, la)) != 0 ||
	    (err = load_directory(spa)) != 0)
		return (err);
	spa->spa_ubsync = spa->spa_uberblock;
	dsl_pool_t *dp;
	if ((err = dsl_pool_open(spa, &dp)) != 0)
		return (err);
	if (spa_writeable(spa))
		return (load_writable(spa));
	return (spa_metaslabs_init(spa) != 0 ? EIO : pool_metaslabs_open(spa));
}

static void
unload(spa_t *spa)
{
	pool_t *pl = pool_of(spa);

	if (pl->pl_deferred_open) {
		bpobj_close(&pl->pl_deferred);
		pl->pl_deferred_open = false;
	}
	dsl_pool_close(spa->spa_dsl_pool);
	if (spa->spa_meta_objset != NULL)
		dmu_objset_close_impl(spa->spa_meta_objset);
	spa->spa_meta_objset = NULL;
	arc_flush(spa);
	pool_free(pl);
	spa_free(spa);
}

int
pool_import(const nvlist_t *config, const char *newname, uint32_t flags, uint64_t txg_limit,
    const nvlist_t *props, spa_t **spap, nvlist_t **unsup)
{
	load_arg_t la = { config, flags, txg_limit, unsup };
	struct utsname u;
	const char *name;
	int err;

	if (nvlist_lookup_string(config, "name", &name) != 0)
		return (EINVAL);
	if (newname != NULL)
		name = newname;
	if ((err = pool_name_check(name, NULL)) != 0)
		return (err);
	spa_t *spa = spa_alloc(name, &pool_upper_ops);
	(void)pool_alloc(spa);
	spa->spa_readonly = (flags & POOL_IMPORT_READONLY) != 0;
	spa->spa_load_guid = random_guid();
	spa->spa_hostid = spa_get_hostid();
	if (uname(&u) == 0)
		(void)snprintf(spa->spa_hostname, sizeof (spa->spa_hostname), "%s", u.nodename);
	if ((err = load(spa, &la)) == 0 && props != NULL)
		err = pool_props_apply(spa, props, false);
	if (err != 0) {
		if (spa->spa_tx.tx_sync_thread != NULL) {
			txg_sync_stop(spa);
			txg_fini(spa);
		}
		unload(spa);
		return (err);
	}
	/* The labels name this host and a pool in use before anything else is changed. */
	if (spa_writeable(spa))
		txg_wait_synced(spa, 0);
	*spap = spa;
	return (0);
}

int
pool_export(spa_t *spa, pool_state_t newstate)
{
	if (spa_writeable(spa)) {
		if (newstate != POOL_STATE_ACTIVE) {
			/* What is still being freed in the background goes on after the import. */
			txg_wait_synced(spa, 0);
			spa->spa_state = newstate;
			spa_config_mark_dirty(spa);
		}
		txg_wait_synced(spa, 0);
		txg_sync_stop(spa);
		txg_fini(spa);
	}
	unload(spa);
	return (0);
}
