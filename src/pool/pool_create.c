/*
 * A new pool (format/02 §11). Everything is made in the first txg by one transaction that
 * belongs to it from the start; then the sync thread is started and writes it. Until its
 * uberblock is on the devices they carry labels with txg 0, which nobody takes for a pool.
 */
#include "pool/pool_impl.h"
#include "vdev/vdev_label.h"
#include "zpl/zpl.h"
#include <sys/utsname.h>
#include <unistd.h>

typedef struct create_fs_arg {
	const nvlist_t *cfa_props;
	spa_t *cfa_spa;
} create_fs_arg_t;

static void
create_root_fs(objset_t *os, void *arg, dmu_tx_t *tx)
{
	create_fs_arg_t *cfa = arg;
	static const char *const names[] = { "version", "normalization", "utf8only",
		"casesensitivity" };
	nvlist_t *zplprops = nvlist_create();
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (cfa->cfa_props != NULL &&
		    nvlist_lookup_uint64(cfa->cfa_props, names[i], &v) == 0)
			fnvlist_add_uint64(zplprops, names[i], v);
	fnvlist_add_boolean_value(zplprops, "project_quota",
	    spa_feature_is_enabled(cfa->cfa_spa, SPA_FEATURE_PROJECT_QUOTA));
	/* An ordinary user's pool is his to write in; root's is root's. */
	VERIFY0(zpl_create_fs(os, zplprops, geteuid(), getegid(), tx));
	nvlist_free(zplprops);
}

/* The labels before the first commit: a full config with txg 0 (format/01 §3.8). */
static nvlist_t *
initial_label(void *arg, vdev_t *leaf)
{
	spa_t *spa = arg;
	nvlist_t *nvl = spa_config_generate(spa, leaf, 0);

	fnvlist_add_uint64(nvl, "create_txg", TXG_INITIAL);
	return (nvl);
}

static void
create_identity(spa_t *spa)
{
	struct utsname u;

	spa->spa_guid = spa->spa_root_vdev->vdev_guid;
	spa->spa_load_guid = random_guid();
	spa->spa_version = SPA_VERSION;
	spa->spa_state = POOL_STATE_ACTIVE;
	spa->spa_deflate = true;
	spa->spa_hostid = spa_get_hostid();
	if (uname(&u) == 0)
		(void)snprintf(spa->spa_hostname, sizeof (spa->spa_hostname), "%s", u.nodename);
	random_get_bytes(&spa->spa_cksum_salt, sizeof (spa->spa_cksum_salt));
	memset(&spa->spa_uberblock, 0, sizeof (spa->spa_uberblock));
	spa->spa_uberblock.ub_magic = UBERBLOCK_MAGIC;
	spa->spa_uberblock.ub_version = SPA_VERSION;
}

static void
create_features(spa_t *spa, const nvlist_t *features, dmu_tx_t *tx)
{
	for (int f = 0; f < SPA_FEATURES; f++) {
		uint64_t want = spa_feature_table[f].fi_support == ZFEATURE_CREATE;
		if (features != NULL)
			(void)nvlist_lookup_uint64(
			    features, spa_feature_table[f].fi_uname, &want);
		if (want != 0)
			spa_feature_enable(spa, f, dmu_tx_get_txg(tx));
	}
}

static void
create_deferred_list(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	objset_t *mos = spa->spa_meta_objset;
	uint64_t obj = bpobj_alloc(mos, 16384, tx);

	/* Compressed, its size would change with its content and the passes not end. */
	dmu_object_set_compress(mos, obj, ZIO_COMPRESS_OFF, tx);
	pool_dir_set(spa, DMU_POOL_SYNC_BPOBJ, obj, tx);
	VERIFY0(bpobj_open(&pl->pl_deferred, mos, obj));
	pl->pl_deferred_open = true;
}

static int
create_contents(
    spa_t *spa, const nvlist_t *props, const nvlist_t *features, const nvlist_t *fsprops)
{
	dmu_tx_t *tx = dmu_tx_create_assigned(spa, TXG_INITIAL);
	create_fs_arg_t cfa = { fsprops, spa };
	int err;

	err = dmu_objset_open_impl(spa, 0, NULL, &dsl_mos_objset_ops, NULL, &spa->spa_meta_objset);
	VERIFY0(err);
	dmu_objset_create_impl(spa->spa_meta_objset, DMU_OST_META, tx);
	dsl_pool_t *dp = dsl_pool_create(spa, tx);
	pool_config_create(spa, tx);
	pool_dir_set(spa, DMU_POOL_CREATION_VERSION, SPA_VERSION, tx);
	pool_dir_set(spa, DMU_POOL_DEFLATE, 1, tx);
	create_deferred_list(spa, tx);
	pool_features_create(spa, tx);
	create_features(spa, features, tx);
	pool_of(spa)->pl_salt_missing = true;
	pool_history_create(spa, tx);
	if (props != NULL)
		pool_props_write(spa, props, tx);
	err = dsl_pool_create_root(dp, create_root_fs, &cfa, tx);
	if (err == 0 && fsprops != NULL)
		dsl_pool_set_root_props(dp, fsprops, tx);
	dmu_tx_commit(tx);
	return (err);
}

static void
set_create_txg(vdev_t *vd, uint64_t txg)
{
	vd->vdev_create_txg = txg;
	for (uint64_t i = 0; i < vd->vdev_children; i++)
		set_create_txg(vd->vdev_child[i], txg);
}

int
pool_create(const char *name, const nvlist_t *vdevs, const nvlist_t *props,
    const nvlist_t *features, const nvlist_t *fsprops, spa_t **spap, const char **why)
{
	const char *dummy;
	int err;

	if (why == NULL)
		why = &dummy;
	*why = NULL;
	if ((err = pool_name_check(name, why)) != 0)
		return (err);
	spa_t *spa = spa_alloc(name, &pool_upper_ops);
	(void)pool_alloc(spa);
	if (props != NULL && (err = pool_props_apply(spa, props, true)) != 0)
		goto fail;
	if ((err = vdev_alloc(spa, vdevs, NULL, 0, true, &spa->spa_root_vdev)) != 0)
		goto fail;
	if ((err = vdev_open(spa->spa_root_vdev, true)) != 0)
		goto fail;
	create_identity(spa);
	for (uint64_t i = 0; i < spa->spa_root_vdev->vdev_children; i++)
		set_create_txg(spa->spa_root_vdev->vdev_child[i], TXG_INITIAL);
	if ((err = spa_metaslabs_init(spa)) != 0)
		goto fail;
	if ((err = vdev_label_init(
		 spa->spa_root_vdev, &spa->spa_uberblock, initial_label, spa)) != 0)
		goto fail;
	spa->spa_first_txg = TXG_INITIAL;
	pool_of(spa)->pl_create = true;
	txg_init(spa, TXG_INITIAL);
	err = create_contents(spa, props, features, fsprops);
	VERIFY0(err);
	spa_config_mark_dirty(spa);
	txg_sync_start(spa);
	txg_wait_synced(spa, TXG_INITIAL);
	*spap = spa;
	return (0);
fail:
	pool_free(pool_of(spa));
	spa_free(spa);
	return (err);
}
