/*
 * Pool properties (format/02 §3.1, format/03 §3.6): some in a ZAP, some in the configuration
 * (comment, compatibility), some only while the pool is open (altroot, cachefile, readonly),
 * the rest computed.
 */
#include "pool/pool_impl.h"

typedef struct pool_prop {
	const char *pp_name;
	size_t pp_offset; /* uint64_t in spa_t */
	uint64_t pp_default, pp_max;
} pool_prop_t;

/* Numbers of the ZAP that are kept in the spa. failmode is an enum, handled apart. */
static const pool_prop_t zap_props[] = {
	{ "ashift", offsetof(spa_t, spa_prop_ashift), 0, 16 },
	{ "autoexpand", offsetof(spa_t, spa_prop_autoexpand), 0, 1 },
	{ "autoreplace", offsetof(spa_t, spa_prop_autoreplace), 0, 1 },
	{ "autotrim", offsetof(spa_t, spa_prop_autotrim), 0, 1 },
	{ "bootfs", offsetof(spa_t, spa_prop_bootfs), 0, UINT64_MAX },
	{ "dedup_table_quota", offsetof(spa_t, spa_prop_dedup_table_quota), UINT64_MAX,
	    UINT64_MAX },
	{ "delegation", offsetof(spa_t, spa_prop_delegation), 1, 1 },
	{ "listsnapshots", offsetof(spa_t, spa_prop_listsnaps), 0, 1 },
	{ "multihost", offsetof(spa_t, spa_prop_multihost), 0, 1 },
};

static uint64_t *
prop_slot(spa_t *spa, const pool_prop_t *pp)
{
	return ((uint64_t *)(void *)((char *)spa + pp->pp_offset));
}

static const pool_prop_t *
prop_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(zap_props); i++)
		if (strcmp(zap_props[i].pp_name, name) == 0)
			return (&zap_props[i]);
	return (NULL);
}

static int
apply_number(spa_t *spa, const char *name, uint64_t v)
{
	const pool_prop_t *pp = prop_find(name);

	if (strcmp(name, "failmode") == 0) {
		if (v > ZIO_FAILURE_MODE_PANIC)
			return (EINVAL);
		spa->spa_failmode = (spa_failmode_t)v;
		return (0);
	}
	if (strcmp(name, "version") == 0)
		return (v == SPA_VERSION ? 0 : ENOTSUP);
	if (pp == NULL || v > pp->pp_max)
		return (EINVAL);
	if (strcmp(name, "ashift") == 0 && v != 0 && v < ASHIFT_MIN)
		return (EDOM);
	if (strcmp(name, "multihost") == 0 && v != 0)
		return (ENOTSUP);
	*prop_slot(spa, pp) = v;
	return (0);
}

static void
replace_string(char **slot, const char *value)
{
	kmem_strfree(*slot);
	*slot = value[0] == '\0' ? NULL : kmem_strdup(value);
}

static int
apply_string(spa_t *spa, const char *name, const char *v)
{
	if (strcmp(name, "comment") == 0) {
		if (strlen(v) > 32)
			return (E2BIG);
		for (const char *p = v; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e)
				return (EINVAL);
		/* Set to nothing is something else than never set. */
		kmem_strfree(spa->spa_comment);
		spa->spa_comment = kmem_strdup(v);
	} else if (strcmp(name, "compatibility") == 0) {
		replace_string(&spa->spa_compatibility, strcmp(v, "off") == 0 ? "" : v);
	} else if (strcmp(name, "altroot") == 0) {
		replace_string(&spa->spa_altroot, v);
	} else if (strcmp(name, "cachefile") == 0) {
		replace_string(&spa->spa_cachefile, v);
	} else if (strchr(name, ':') == NULL) {
		return (EINVAL);
	}
	return (0);
}

/* Take over values in memory. create: also what is only set then. */
int
pool_props_apply(spa_t *spa, const nvlist_t *props, bool create)
{
	int err = 0;

	(void)create;
	mutex_enter(&spa->spa_props_lock);
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL && err == 0;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		const char *str;
		uint64_t v;

		if (nvpair_value_string(nvp, &str) == 0)
			err = apply_string(spa, nvpair_name(nvp), str);
		else if (nvpair_value_uint64(nvp, &v) == 0)
			err = apply_number(spa, nvpair_name(nvp), v);
		else
			err = EINVAL;
	}
	mutex_exit(&spa->spa_props_lock);
	return (err);
}

static bool
prop_in_zap(const char *name)
{
	return (prop_find(name) != NULL || strcmp(name, "failmode") == 0 ||
	    strchr(name, ':') != NULL);
}

void
pool_props_write(spa_t *spa, const nvlist_t *props, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	objset_t *mos = spa->spa_meta_objset;

	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		const char *name = nvpair_name(nvp), *str;
		uint64_t v;

		if (!prop_in_zap(name)) {
			if (!pl->pl_create &&
			    (strcmp(name, "comment") == 0 || strcmp(name, "compatibility") == 0))
				spa_config_mark_dirty(spa);
			continue;
		}
		if (pl->pl_props_obj == 0) {
			pl->pl_props_obj =
			    zap_create(mos, DMU_OT_POOL_PROPS, DMU_OT_NONE, 0, tx);
			pool_dir_set(spa, DMU_POOL_PROPS, pl->pl_props_obj, tx);
		}
		if (nvpair_value_string(nvp, &str) == 0) {
			int err = 0;
			if (str[0] == '\0')
				err = zap_remove(mos, pl->pl_props_obj, name, tx);
			else
				err = zap_update(
				    mos, pl->pl_props_obj, name, 1, strlen(str) + 1, str, tx);
			VERIFY(err == 0 || err == ENOENT);
		} else if (nvpair_value_uint64(nvp, &v) == 0) {
			VERIFY0(zap_update(mos, pl->pl_props_obj, name, 8, 1, &v, tx));
		}
	}
}

int
pool_props_load(spa_t *spa)
{
	pool_t *pl = pool_of(spa);
	uint64_t v;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(zap_props); i++)
		*prop_slot(spa, &zap_props[i]) = zap_props[i].pp_default;
	err = pool_dir_lookup(spa, DMU_POOL_PROPS, &pl->pl_props_obj);
	if (err != 0)
		return (err == ENOENT ? 0 : err);
	for (size_t i = 0; i < ARRAY_SIZE(zap_props); i++) {
		err = zap_lookup(spa->spa_meta_objset, pl->pl_props_obj, zap_props[i].pp_name, 8,
		    1, prop_slot(spa, &zap_props[i]));
		if (err != 0 && err != ENOENT)
			return (err);
	}
	err = zap_lookup(spa->spa_meta_objset, pl->pl_props_obj, "failmode", 8, 1, &v);
	if (err == 0 && v <= ZIO_FAILURE_MODE_PANIC)
		spa->spa_failmode = (spa_failmode_t)v;
	return (err == ENOENT ? 0 : err);
}

/* ---- setting -------------------------------------------------------------------------------------- */

typedef struct props_arg {
	spa_t *pa_spa;
	const nvlist_t *pa_props;
	uint64_t pa_features; /* to enable */
} props_arg_t;

static void
props_sync(void *arg, dmu_tx_t *tx)
{
	props_arg_t *pa = arg;

	for (int f = 0; f < SPA_FEATURES; f++)
		if (pa->pa_features & 1ULL << f)
			spa_feature_enable(pa->pa_spa, f, dmu_tx_get_txg(tx));
	pool_props_write(pa->pa_spa, pa->pa_props, tx);
	for (nvpair_t *nvp = nvlist_next_nvpair(pa->pa_props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(pa->pa_props, nvp))
		pool_history_internal(pa->pa_spa, "set", "", 0, tx, nvpair_name(nvp));
}

int
pool_props_set(spa_t *spa, const nvlist_t *props)
{
	nvlist_t *plain = nvlist_create();
	props_arg_t pa = { spa, plain, 0 };
	int err = 0;

	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL && err == 0;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		const char *name = nvpair_name(nvp), *str;
		spa_feature_t f;

		if (strncmp(name, "feature@", 8) != 0) {
			err = nvlist_add_nvpair(plain, nvp);
			continue;
		}
		if (zfeature_lookup_name(name + 8, &f) != 0 || nvpair_value_string(nvp, &str) != 0 ||
		    strcmp(str, "enabled") != 0)
			err = EINVAL;
		else if (spa_feature_table[f].fi_support < ZFEATURE_WRITE)
			err = ENOTSUP;
		else
			pa.pa_features |= 1ULL << f;
	}
	if (err == 0)
		err = pool_props_apply(spa, plain, false);
	if (err == 0)
		err = spa_writeable(spa) ? dsl_sync_task(spa->spa_dsl_pool, NULL, props_sync, &pa,
					       6, ZFS_SPACE_CHECK_RESERVED) :
					   EROFS;
	nvlist_free(plain);
	return (err);
}

/* ---- showing ---------------------------------------------------------------------------------------- */

static void
show_number(nvlist_t *out, const char *name, uint64_t v, const char *source)
{
	nvlist_t *nv = nvlist_create();

	fnvlist_add_uint64(nv, "value", v);
	fnvlist_add_string(nv, "source", source);
	fnvlist_add_nvlist(out, name, nv);
	nvlist_free(nv);
}

static void
show_string(nvlist_t *out, const char *name, const char *v, const char *source)
{
	nvlist_t *nv = nvlist_create();

	fnvlist_add_string(nv, "value", v);
	fnvlist_add_string(nv, "source", source);
	fnvlist_add_nvlist(out, name, nv);
	nvlist_free(nv);
}

static void
show_opt_string(nvlist_t *out, const char *name, const char *v, const char *none)
{
	show_string(out, name, v != NULL ? v : none, v != NULL ? "local" : "default");
}

static void
show_features(spa_t *spa, nvlist_t *out)
{
	char name[80];

	if (spa->spa_version < SPA_VERSION_FEATURES)
		return;
	for (int f = 0; f < SPA_FEATURES; f++) {
		const char *state = spa_feature_is_active(spa, f) ? "active" :
		    spa_feature_is_enabled(spa, f)		  ? "enabled" :
								    "disabled";
		(void)snprintf(
		    name, sizeof (name), "feature@%s", spa_feature_table[f].fi_uname);
		show_string(out, name, state, "local");
	}
}

static void
show_user(spa_t *spa, nvlist_t *out)
{
	pool_t *pl = pool_of(spa);
	zap_attribute_t *za;
	zap_cursor_t zc;

	if (pl->pl_props_obj == 0)
		return;
	za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_init(&zc, spa->spa_meta_objset, pl->pl_props_obj);
	while (zap_cursor_retrieve(&zc, za) == 0) {
		zap_cursor_advance(&zc);
		if (strchr(za->za_name, ':') == NULL || za->za_integer_length != 1)
			continue;
		char *buf = kmem_zalloc(za->za_num_integers + 1, KM_SLEEP);
		if (zap_lookup(spa->spa_meta_objset, pl->pl_props_obj, za->za_name, 1,
			za->za_num_integers, buf) == 0)
			show_string(out, za->za_name, buf, "local");
		kmem_free(buf, za->za_num_integers + 1);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
}

static uint64_t
freeing_bytes(dsl_pool_t *dp, dsl_dir_t *dd)
{
	(void)dp;
	if (dd == NULL)
		return (0);
	mutex_enter(&dd->dd_lock);
	uint64_t v = dsl_dir_phys(dd)->dd_used_bytes;
	mutex_exit(&dd->dd_lock);
	return (v);
}

/* What the devices have grown by, beyond what the pool uses. */
static uint64_t
expand_bytes(spa_t *spa)
{
	uint64_t sum = 0;

	spa_config_enter(spa, RW_READER);
	for (uint64_t i = 0; i < spa->spa_root_vdev->vdev_children; i++) {
		const vdev_t *vd = spa->spa_root_vdev->vdev_child[i];
		if (vd->vdev_max_asize > vd->vdev_asize && vd->vdev_ms_shift != 0)
			sum += P2ALIGN(vd->vdev_max_asize - vd->vdev_asize,
			    1ULL << vd->vdev_ms_shift);
	}
	spa_config_exit(spa, RW_READER);
	return (sum);
}

nvlist_t *
pool_props_get(spa_t *spa)
{
	dsl_pool_t *dp = spa->spa_dsl_pool;
	nvlist_t *out = nvlist_create();
	uint64_t size = spa_get_space(spa), alloc = spa_get_alloc(spa), v;

	show_number(out, "size", size, "-");
	show_number(out, "capacity", size == 0 ? 0 : alloc * 100 / size, "-");
	show_number(out, "guid", spa->spa_guid, "-");
	show_number(out, "load_guid", spa->spa_load_guid, "-");
	show_number(out, "free", size - alloc, "-");
	show_number(out, "allocated", alloc, "-");
	show_number(out, "fragmentation", metaslab_class_fragmentation(spa->spa_normal_class), "-");
	show_number(out, "expandsize", expand_bytes(spa), "-");
	show_number(out, "freeing", freeing_bytes(dp, dp->dp_free_dir), "-");
	show_number(out, "leaked", freeing_bytes(dp, dp->dp_leak_dir), "-");
	show_number(out, "readonly", !spa_writeable(spa), "-");
	show_number(out, "version", spa->spa_version, "default");
	if (pool_dir_lookup(spa, DMU_POOL_LAST_SCRUBBED_TXG, &v) != 0)
		v = 0;
	show_number(out, "last_scrubbed_txg", v, "-");
	mutex_enter(&spa->spa_props_lock);
	show_opt_string(out, "altroot", spa->spa_altroot, "-");
	show_opt_string(out, "comment", spa->spa_comment, "-");
	show_opt_string(out, "compatibility", spa->spa_compatibility, "off");
	show_opt_string(out, "cachefile", spa->spa_cachefile, "-");
	for (size_t i = 0; i < ARRAY_SIZE(zap_props); i++) {
		v = *prop_slot(spa, &zap_props[i]);
		show_number(out, zap_props[i].pp_name, v,
		    v == zap_props[i].pp_default ? "default" : "local");
	}
	show_number(out, "failmode", spa->spa_failmode,
	    spa->spa_failmode == ZIO_FAILURE_MODE_WAIT ? "default" : "local");
	mutex_exit(&spa->spa_props_lock);
	show_features(spa, out);
	show_user(spa, out);
	return (out);
}
