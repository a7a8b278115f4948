/* Requests about datasets (proto.h). */
#include <limits.h>
#include <unistd.h>
#include "serve/serve_impl.h"

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct list_arg {
	call_t *la_c;
	uint64_t la_types, la_depth;
	bool la_props;
	int la_err;
	uint64_t la_level;
	char la_name[ZFS_MAX_DATASET_NAME_LEN];
} list_arg_t;

static void
entry_zplprops(objset_t *os, nvlist_t *entry)
{
	static const char *const names[] = { "version", "normalization", "utf8only",
		"casesensitivity" };
	nvlist_t *nv = nvlist_create();
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (zpl_get_zplprop(os, names[i], &v) == 0)
			fnvlist_add_uint64(nv, names[i], v);
	fnvlist_add_nvlist(entry, "zplprops", nv);
	nvlist_free(nv);
}

static void
entry_numbers(const dsl_dataset_stat_t *st, nvlist_t *e)
{
	fnvlist_add_uint64(e, "type", st->dds_type);
	fnvlist_add_uint64(e, "is_snapshot", st->dds_is_snapshot);
	fnvlist_add_uint64(e, "inconsistent", st->dds_inconsistent);
	fnvlist_add_uint64(e, "object", st->dds_object);
	fnvlist_add_uint64(e, "guid", st->dds_guid);
	fnvlist_add_uint64(e, "creation_time", st->dds_creation_time);
	fnvlist_add_uint64(e, "creation_txg", st->dds_creation_txg);
	fnvlist_add_uint64(e, "used", st->dds_used);
	fnvlist_add_uint64(e, "available", st->dds_available);
	fnvlist_add_uint64(e, "referenced", st->dds_referenced);
	fnvlist_add_uint64(e, "logicalused", st->dds_logicalused);
	fnvlist_add_uint64(e, "logicalreferenced", st->dds_logicalreferenced);
	fnvlist_add_uint64(e, "usedbydataset", st->dds_usedbydataset);
	fnvlist_add_uint64(e, "usedbysnapshots", st->dds_usedbysnapshots);
	fnvlist_add_uint64(e, "usedbychildren", st->dds_usedbychildren);
	fnvlist_add_uint64(e, "usedbyrefreservation", st->dds_usedbyrefreservation);
	fnvlist_add_uint64(e, "written", st->dds_written);
	fnvlist_add_uint64(e, "unique", st->dds_unique);
	fnvlist_add_uint64(e, "compressratio", st->dds_compressratio);
	fnvlist_add_uint64(e, "refcompressratio", st->dds_refcompressratio);
	fnvlist_add_uint64(e, "num_clones", st->dds_num_clones);
	if (st->dds_origin[0] != '\0')
		fnvlist_add_string(e, "origin", st->dds_origin);
}

static void
list_one(list_arg_t *la, dsl_dataset_t *ds)
{
	serve_t *sv = la->la_c->c_sv;
	dsl_dataset_stat_t st;
	nvlist_t *e, *props;
	char name[ZFS_MAX_DATASET_NAME_LEN], point[PATH_MAX];
	objset_t *os;

	dsl_dataset_stats(ds, &st);
	uint64_t type = st.dds_is_snapshot ? ZFS_TYPE_SNAPSHOT :
	    st.dds_type == DMU_OST_ZVOL	   ? ZFS_TYPE_VOLUME :
					     ZFS_TYPE_FILESYSTEM;
	if (!(la->la_types & type))
		return;
	e = nvlist_create();
	dsl_dataset_name(ds, name);
	entry_numbers(&st, e);
	if (la->la_props) {
		if (type == ZFS_TYPE_FILESYSTEM && mounts_wanted(sv, ds, point, sizeof (point)) == 0)
			fnvlist_add_string(e, "mountpoint_wanted", point);
		if (dsl_prop_get_all(ds, &props) == 0) {
			fnvlist_add_nvlist(e, "props", props);
			nvlist_free(props);
		}
		if (type != ZFS_TYPE_VOLUME && dsl_dataset_get_objset(ds, &os) == 0)
			entry_zplprops(os, e);
	}
	(void)nvlist_add_nvlist(la->la_c->c_out, name, e);
	nvlist_free(e);
}

static int
list_snapshot(void *arg, const char *name, uint64_t dsobj)
{
	list_arg_t *la = arg;
	dsl_dataset_t *ds;

	(void)name;
	if (dsl_dataset_hold_obj(la->la_c->c_sv->sv_spa->spa_dsl_pool, dsobj, la, &ds) == 0) {
		list_one(la, ds);
		dsl_dataset_rele(ds, la);
	}
	return (0);
}

static int list_dir(list_arg_t *la, dsl_dir_t *dd);

static int
list_child(void *arg, const char *name, uint64_t ddobj)
{
	list_arg_t *la = arg;
	dsl_dir_t *dd;

	if (dsl_dir_hold_obj(la->la_c->c_sv->sv_spa->spa_dsl_pool, ddobj, name, la, &dd) != 0)
		return (0);
	la->la_level++;
	int err = list_dir(la, dd);
	la->la_level--;
	dsl_dir_rele(dd, la);
	return (err);
}

static int
list_dir(list_arg_t *la, dsl_dir_t *dd)
{
	dsl_pool_t *dp = la->la_c->c_sv->sv_spa->spa_dsl_pool;
	uint64_t head = dsl_dir_phys(dd)->dd_head_dataset_obj;
	dsl_dataset_t *ds;

	if (head != 0 && dsl_dataset_hold_obj(dp, head, la, &ds) == 0) {
		list_one(la, ds);
		/* A snapshot stands one level below its file system. */
		if ((la->la_types & ZFS_TYPE_SNAPSHOT) && la->la_level < la->la_depth)
			(void)dsl_dataset_foreach_snapshot(ds, list_snapshot, la);
		dsl_dataset_rele(ds, la);
	}
	if (la->la_level >= la->la_depth)
		return (0);
	return (dsl_dir_foreach_child(dd, list_child, la));
}

/* Without the config lock, which comes after that of the mounts. */
static void
list_mounted(call_t *c)
{
	char point[PATH_MAX];
	nvlist_t *e;

	for (nvpair_t *nvp = nvlist_next_nvpair(c->c_out, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(c->c_out, nvp)) {
		if (nvpair_value_nvlist(nvp, &e) != 0)
			continue;
		bool mounted = mounts_find(c->c_sv, nvpair_name(nvp), point, sizeof (point));
		fnvlist_add_uint64(e, "mounted", mounted);
		if (mounted)
			fnvlist_add_string(e, "mountpoint_now", point);
	}
}

static int
op_ds_list(call_t *c)
{
	dsl_pool_t *dp = c->c_sv->sv_spa->spa_dsl_pool;
	const char *name = call_string(c, "name");
	list_arg_t la = { .la_c = c,
		.la_types = ZFS_TYPE_FILESYSTEM | ZFS_TYPE_VOLUME,
		.la_depth = UINT64_MAX,
		.la_props = call_bool(c, "props") };
	dsl_dataset_t *ds;
	dsl_dir_t *dd;
	int err;

	(void)nvlist_lookup_uint64(c->c_req, "types", &la.la_types);
	(void)nvlist_lookup_uint64(c->c_req, "depth", &la.la_depth);
	if (name == NULL)
		name = c->c_sv->sv_name;
	dsl_pool_config_enter(dp);
	if (strchr(name, '@') != NULL) {
		if ((err = dsl_dataset_hold(dp, name, c, &ds)) == 0) {
			list_one(&la, ds);
			dsl_dataset_rele(ds, c);
		}
	} else if ((err = dsl_dir_hold(dp, name, c, &dd, NULL)) == 0) {
		err = list_dir(&la, dd);
		dsl_dir_rele(dd, c);
	}
	dsl_pool_config_exit(dp);
	list_mounted(c);
	return (err);
}

/* ---- creating, destroying, renaming ---------------------------------------------------------------- */

typedef struct create_arg {
	const nvlist_t *ca_props;
	nvlist_t *ca_zplprops;
	spa_t *ca_spa;
	uint32_t ca_uid;
} create_arg_t;

static void
create_fs(objset_t *os, void *arg, dmu_tx_t *tx)
{
	create_arg_t *ca = arg;

	VERIFY0(zpl_create_fs(os, ca->ca_zplprops, geteuid(), getegid(), tx));
}

/* What the new file system's master node says: given, else as the parent's (format/04 §1.1). */
static int
child_zplprops(call_t *c, const char *name, const nvlist_t *props, nvlist_t *zplprops)
{
	static const char *const names[] = { "normalization", "utf8only", "casesensitivity" };
	dsl_pool_t *dp = c->c_sv->sv_spa->spa_dsl_pool;
	char parent[ZFS_MAX_DATASET_NAME_LEN];
	dsl_dataset_t *ds;
	objset_t *os;
	uint64_t v;

	(void)snprintf(parent, sizeof (parent), "%s", name);
	char *slash = strrchr(parent, '/');
	if (slash == NULL)
		return (EINVAL);
	*slash = '\0';
	dsl_pool_config_enter(dp);
	int err = dsl_dataset_hold(dp, parent, c, &ds);
	if (err == 0) {
		err = dsl_dataset_get_objset(ds, &os);
		for (size_t i = 0; err == 0 && i < ARRAY_SIZE(names); i++) {
			if ((props != NULL && nvlist_lookup_uint64(props, names[i], &v) == 0) ||
			    zpl_get_zplprop(os, names[i], &v) == 0)
				fnvlist_add_uint64(zplprops, names[i], v);
		}
		dsl_dataset_rele(ds, c);
	}
	dsl_pool_config_exit(dp);
	if (err == 0 && props != NULL && nvlist_lookup_uint64(props, "version", &v) == 0)
		fnvlist_add_uint64(zplprops, "version", v);
	fnvlist_add_boolean_value(zplprops, "project_quota",
	    spa_feature_is_enabled(c->c_sv->sv_spa, SPA_FEATURE_PROJECT_QUOTA));
	return (err);
}

/*
 * Promises about space are made after the dataset exists, when they can be checked against
 * what is there; a dataset that cannot have what was asked for goes again.
 */
static int
set_space_props(dsl_pool_t *dp, const char *name, const nvlist_t *space)
{
	int err = nvlist_empty(space) ? 0 : dsl_props_set(dp, name, space);

	if (err != 0)
		(void)dsl_dataset_destroy(dp, name);
	return (err);
}

static void
split_props(const nvlist_t *props, nvlist_t *plain, nvlist_t *space)
{
	static const char *const names[] = { "quota", "reservation", "refquota", "refreservation" };

	for (nvpair_t *nvp = props != NULL ? nvlist_next_nvpair(props, NULL) : NULL; nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		bool is_space = false;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			is_space |= strcmp(nvpair_name(nvp), names[i]) == 0;
		(void)nvlist_add_nvpair(is_space ? space : plain, nvp);
	}
}

static int
op_ds_create(call_t *c)
{
	serve_t *sv = c->c_sv;
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	const char *name = call_string(c, "name");
	uint64_t type = DMU_OST_ZFS;
	nvlist_t *props = NULL;
	create_arg_t ca = { .ca_spa = sv->sv_spa, .ca_uid = c->c_uid };
	int err;

	(void)nvlist_lookup_uint64(c->c_req, "type", &type);
	(void)nvlist_lookup_nvlist(c->c_req, "props", &props);
	if (name == NULL)
		return (EINVAL);
	if (type != DMU_OST_ZFS)
		return (call_fail(c, ENOTSUP, "cannot create '%s': volumes are not supported yet", name));
	nvlist_t *plain = nvlist_create(), *space = nvlist_create();
	split_props(props, plain, space);
	ca.ca_props = plain;
	ca.ca_zplprops = nvlist_create();
	err = child_zplprops(c, name, props, ca.ca_zplprops);
	/* The checks of dsl_dataset_create say more exactly what is wrong with a name. */
	if (err == 0 || err == ENOENT || err == EINVAL)
		err = dsl_dataset_create(
		    dp, name, DMU_OST_ZFS, plain, create_fs, &ca, c->c_uid);
	if (err == 0)
		err = set_space_props(dp, name, space);
	nvlist_free(plain);
	nvlist_free(space);
	nvlist_free(ca.ca_zplprops);
	if (err == 0 && !call_bool(c, "nomount")) {
		char *why = NULL;
		int e = mounts_mount(sv, name, false, NULL, false, &why);
		if (e != 0 && e != ECANCELED && e != EINVAL) {
			fnvlist_add_int64(c->c_out, "mount_errno", e);
			if (why != NULL)
				fnvlist_add_string(c->c_out, "mount_why", why);
		}
		kmem_strfree(why);
	}
	return (err);
}

/* All names below, deepest first. */
static int
names_below(serve_t *sv, const char *name, nvlist_t *out)
{
	nvlist_t *req = nvlist_create();
	call_t sub = { .c_sv = sv, .c_req = req, .c_out = out };

	fnvlist_add_string(req, "name", name);
	int err = op_ds_list(&sub);
	nvlist_free(req);
	return (err);
}

static bool
was_mounted(const nvpair_t *nvp)
{
	nvlist_t *entry;
	uint64_t mounted = 0;

	if (nvpair_value_nvlist(nvp, &entry) == 0)
		(void)nvlist_lookup_uint64(entry, "mounted", &mounted);
	return (mounted != 0);
}

/* Unmounted already. If it stays after all, it is mounted again. */
static int
destroy_one(serve_t *sv, const char *name, bool mounted)
{
	if (mounted)
		mounts_remove_point(sv, name);
	int err = dsl_dataset_destroy(sv->sv_spa->spa_dsl_pool, name);
	if (err != 0 && mounted)
		(void)mounts_mount(sv, name, true, NULL, false, NULL);
	return (err);
}

static int
op_ds_destroy(call_t *c)
{
	serve_t *sv = c->c_sv;
	const char *name = call_string(c, "name");
	nvlist_t *names;
	int err;

	if (name == NULL)
		return (EINVAL);
	if (!call_bool(c, "recursive")) {
		bool mounted = mounts_find(sv, name, NULL, 0);
		err = mounted ? mounts_unmount(sv, name, call_bool(c, "force"), &c->c_why) : 0;
		return (err != 0 ? err : destroy_one(sv, name, mounted));
	}
	names = nvlist_create();
	err = names_below(sv, name, names);
	if (err == 0)
		err = mounts_unmount_below(sv, name, call_bool(c, "force"), &c->c_why);
	for (nvpair_t *nvp = nvlist_prev_nvpair(names, NULL); nvp != NULL && err == 0;
	     nvp = nvlist_prev_nvpair(names, nvp))
		err = destroy_one(sv, nvpair_name(nvp), was_mounted(nvp));
	nvlist_free(names);
	return (err);
}

/* Mount again what was mounted, under new names if the top has been renamed. */
static void
remount(serve_t *sv, char **names, size_t n, const char *from, const char *to, char **why)
{
	for (size_t i = 0; i < n; i++) {
		char name[2 * ZFS_MAX_DATASET_NAME_LEN];
		(void)snprintf(name, sizeof (name), "%s%s", to, names[i] + strlen(from));
		(void)mounts_mount(sv, name, true, NULL, false, why);
	}
}

static int
op_ds_rename(call_t *c)
{
	serve_t *sv = c->c_sv;
	const char *name = call_string(c, "name"), *to = call_string(c, "to");
	char **mounted;
	size_t n;
	int err;

	if (name == NULL || to == NULL)
		return (EINVAL);
	mounts_below(sv, name, &mounted, &n);
	err = mounts_unmount_below(sv, name, call_bool(c, "force"), &c->c_why);
	for (size_t i = n; i > 0 && err == 0; i--)
		mounts_remove_point(sv, mounted[i - 1]);
	if (err == 0)
		err = dsl_dir_rename(sv->sv_spa->spa_dsl_pool, name, to);
	if (!call_bool(c, "nomount") || err != 0)
		remount(sv, mounted, n, name, err == 0 ? to : name, NULL);
	proto_free_names(mounted, n);
	return (err);
}

/* ---- properties ---------------------------------------------------------------------------------------- */

/* Does a change of this property move mounts? */
static bool
moves_mounts(const nvlist_t *props)
{
	return (nvlist_exists(props, "mountpoint") || nvlist_exists(props, "canmount"));
}

static int
change_props(call_t *c, const char *name, const nvlist_t *props)
{
	serve_t *sv = c->c_sv;
	char **mounted = NULL, point[PATH_MAX] = "";
	dsl_dataset_t *ds;
	uint64_t canmount = 1;
	size_t n = 0;
	int err;

	if (!moves_mounts(props) || call_bool(c, "nomount"))
		return (dsl_props_set(sv->sv_spa->spa_dsl_pool, name, props));
	mounts_below(sv, name, &mounted, &n);
	err = mounts_unmount_below(sv, name, false, &c->c_why);
	if (err == 0)
		err = dsl_props_set(sv->sv_spa->spa_dsl_pool, name, props);
	dsl_pool_config_enter(sv->sv_spa->spa_dsl_pool);
	if (dsl_dataset_hold(sv->sv_spa->spa_dsl_pool, name, c, &ds) == 0) {
		(void)mounts_wanted(sv, ds, point, sizeof (point));
		(void)dsl_prop_get_int(ds, "canmount", &canmount, NULL, NULL);
		dsl_dataset_rele(ds, c);
	}
	dsl_pool_config_exit(sv->sv_spa->spa_dsl_pool);
	/* What was mounted is mounted where it now belongs; setting a mountpoint mounts. */
	if (point[0] == '/' && canmount != 0)
		remount(sv, mounted, n, name, name, NULL);
	if (err == 0 && nvlist_exists(props, "mountpoint"))
		(void)mounts_mount_all(sv, name, NULL);
	proto_free_names(mounted, n);
	return (err);
}

static int
op_ds_set(call_t *c)
{
	const char *name = call_string(c, "name");
	nvlist_t *props;

	if (name == NULL || nvlist_lookup_nvlist(c->c_req, "props", &props) != 0)
		return (EINVAL);
	return (change_props(c, name, props));
}

static int
inherit_one(call_t *c, const char *name, const char *prop)
{
	nvlist_t *props;
	int err;

	if (call_bool(c, "received"))
		return (dsl_prop_inherit(c->c_sv->sv_spa->spa_dsl_pool, name, prop, true));
	props = nvlist_create();
	fnvlist_add_boolean(props, prop);
	err = change_props(c, name, props);
	nvlist_free(props);
	return (err);
}

static int
op_ds_inherit(call_t *c)
{
	const char *name = call_string(c, "name"), *prop = call_string(c, "prop");
	nvlist_t *names;
	int err;

	if (name == NULL || prop == NULL)
		return (EINVAL);
	if (!call_bool(c, "recursive"))
		return (inherit_one(c, name, prop));
	names = nvlist_create();
	err = names_below(c->c_sv, name, names);
	for (nvpair_t *nvp = nvlist_next_nvpair(names, NULL); nvp != NULL && err == 0;
	     nvp = nvlist_next_nvpair(names, nvp))
		err = inherit_one(c, nvpair_name(nvp), prop);
	nvlist_free(names);
	return (err);
}

/* ---- mounts -------------------------------------------------------------------------------------------- */

static int
op_ds_mount(call_t *c)
{
	const char *name = call_string(c, "name");

	if (call_bool(c, "all"))
		return (mounts_mount_all(c->c_sv, name, &c->c_why));
	if (name == NULL)
		return (EINVAL);
	return (mounts_mount(c->c_sv, name, true, call_string(c, "options"),
	    call_bool(c, "overlay"), &c->c_why));
}

static int
op_ds_unmount(call_t *c)
{
	const char *name = call_string(c, "name"), *point = call_string(c, "mountpoint");
	bool force = call_bool(c, "force");

	if (call_bool(c, "all"))
		return (mounts_unmount_below(c->c_sv, name, force, &c->c_why));
	if (point != NULL)
		return (mounts_unmount_point(c->c_sv, point, force, &c->c_why));
	if (name == NULL)
		return (EINVAL);
	return (mounts_unmount(c->c_sv, name, force, &c->c_why));
}

const op_t dataset_ops[] = {
	{ "ds_list", op_ds_list, false },
	{ "ds_create", op_ds_create, true },
	{ "ds_destroy", op_ds_destroy, true },
	{ "ds_rename", op_ds_rename, true },
	{ "ds_set", op_ds_set, true },
	{ "ds_inherit", op_ds_inherit, true },
	{ "ds_mount", op_ds_mount, true },
	{ "ds_unmount", op_ds_unmount, true },
	{ NULL, NULL, false },
};
