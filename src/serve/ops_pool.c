/* Requests about the pool as a whole (proto.h). */
#include <unistd.h>
#include "serve/serve_impl.h"
#include "spl/kmem_debug.h"

static int
op_ping(call_t *c)
{
	fnvlist_add_string(c->c_out, "pool", c->c_sv->sv_name);
	fnvlist_add_uint64(c->c_out, "guid", c->c_sv->sv_spa->spa_guid);
	fnvlist_add_uint64(c->c_out, "pid", (uint64_t)getpid());
	return (0);
}

/* bootfs is stored as an object: people know it by its name. */
static void
show_bootfs(serve_t *sv, nvlist_t *props)
{
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	char name[ZFS_MAX_DATASET_NAME_LEN] = "-";
	nvlist_t *entry;
	dsl_dataset_t *ds;
	uint64_t obj = 0;

	if (nvlist_lookup_nvlist(props, "bootfs", &entry) != 0)
		return;
	(void)nvlist_lookup_uint64(entry, "value", &obj);
	dsl_pool_config_enter(dp);
	if (obj != 0 && dsl_dataset_hold_obj(dp, obj, props, &ds) == 0) {
		dsl_dataset_name(ds, name);
		dsl_dataset_rele(ds, props);
	}
	dsl_pool_config_exit(dp);
	fnvlist_add_string(entry, "value", name);
}

static int
op_pool_status(call_t *c)
{
	nvlist_t *status = pool_status(c->c_sv->sv_spa);
	nvlist_t *props = pool_props_get(c->c_sv->sv_spa);

	show_bootfs(c->c_sv, props);
	nvlist_merge(c->c_out, status);
	fnvlist_add_nvlist(c->c_out, "props", props);
	fnvlist_add_uint64(
	    c->c_out, "uptime_ns", (uint64_t)(gethrtime() - c->c_sv->sv_start));
	nvlist_free(props);
	nvlist_free(status);
	return (0);
}

/* The name of a file system (or "" for none) into its object. */
static int
take_bootfs(serve_t *sv, nvlist_t *props)
{
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	const char *name;
	dsl_dataset_t *ds;
	uint64_t obj = 0;
	int err = 0;

	if (nvlist_lookup_string(props, "bootfs", &name) != 0)
		return (0);
	if (name[0] != '\0') {
		size_t n = strlen(sv->sv_name);
		if (strncmp(name, sv->sv_name, n) != 0 || (name[n] != '\0' && name[n] != '/'))
			return (EINVAL);
		dsl_pool_config_enter(dp);
		if ((err = dsl_dataset_hold(dp, name, props, &ds)) == 0) {
			obj = ds->ds_object;
			dsl_dataset_rele(ds, props);
		}
		dsl_pool_config_exit(dp);
	}
	if (err == 0)
		fnvlist_add_uint64(props, "bootfs", obj);
	return (err);
}

static int
op_pool_set(call_t *c)
{
	nvlist_t *given, *props;
	int err;

	if (nvlist_lookup_nvlist(c->c_req, "props", &given) != 0)
		return (EINVAL);
	props = nvlist_dup(given);
	err = take_bootfs(c->c_sv, props);
	bool cachefile = nvlist_exists(props, "cachefile");
	if (err == 0 && cachefile)
		serve_uncache(c->c_sv);
	if (err == 0)
		err = pool_props_set(c->c_sv->sv_spa, props);
	if (cachefile)
		serve_cache(c->c_sv);
	nvlist_free(props);
	return (err);
}

/* The daemon's table of caches and arenas, as text. */
static int
op_kmem_stat(call_t *c)
{
	char *text = NULL;
	size_t size = 0;
	FILE *fp = open_memstream(&text, &size);

	if (fp == NULL)
		return (ENOMEM);
	kmem_stat_print(fp);
	if (fclose(fp) != 0)
		return (ENOMEM);
	fnvlist_add_string(c->c_out, "text", text);
	free(text);
	return (0);
}

static int
op_pool_history(call_t *c)
{
	nvlist_t *records;
	int err;

	/* Command lines are nobody else's business. */
	if (c->c_uid != 0 && c->c_uid != c->c_sv->sv_uid)
		return (EPERM);
	if ((err = pool_history_get(c->c_sv->sv_spa, &records)) == 0) {
		nvlist_merge(c->c_out, records);
		nvlist_free(records);
	}
	return (err);
}

/*
 * "tank/fs:/path", "<0x12>:<0x34>" or "<metadata>:<0x34>", as zpool status -v has it. NULL: the
 * object has been freed since, and the error with it.
 */
static char *
error_line(serve_t *sv, const zbookmark_phys_t *zb)
{
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	char name[ZFS_MAX_DATASET_NAME_LEN], path[4096], point[4096];
	dsl_dataset_t *ds;
	objset_t *os;
	char *line = NULL;
	dmu_object_info_t doi;
	bool freed = false;

	if (zb->zb_objset == 0)
		return (kmem_asprintf("<metadata>:<0x%" PRIx64 ">", zb->zb_object));
	dsl_pool_config_enter(dp);
	if (dsl_dataset_hold_obj(dp, zb->zb_objset, zb, &ds) == 0) {
		dsl_dataset_name(ds, name);
		zfsvfs_t *zfsvfs = NULL;
		if (dsl_dataset_get_objset(ds, &os) == 0) {
			zfsvfs = dmu_objset_get_user(os);
			freed = zb->zb_object != 0 &&
			    dmu_object_info(os, zb->zb_object, &doi) == ENOENT;
		}
		if (freed)
			line = NULL;
		else if (zfsvfs != NULL && zpl_obj_to_path(zfsvfs, zb->zb_object, path, sizeof (path)) == 0) {
			if (!ds->ds_is_snapshot && mounts_wanted(sv, ds, point, sizeof (point)) == 0 &&
			    point[0] == '/')
				line = kmem_asprintf(
				    "%s%s", strcmp(point, "/") == 0 ? "" : point, path);
			else
				line = kmem_asprintf("%s:%s", name, path);
		} else {
			line = kmem_asprintf("%s:<0x%" PRIx64 ">", name, zb->zb_object);
		}
		dsl_dataset_rele(ds, zb);
	}
	dsl_pool_config_exit(dp);
	if (line == NULL && !freed)
		line = kmem_asprintf(
		    "<0x%" PRIx64 ">:<0x%" PRIx64 ">", zb->zb_objset, zb->zb_object);
	return (line);
}

static int
op_pool_errors(call_t *c)
{
	zbookmark_phys_t *zb;
	size_t n, lines = 0;
	int err = pool_errors_get(c->c_sv->sv_spa, &zb, &n);

	if (err != 0)
		return (err);
	char **line = kmem_zalloc(n * sizeof (*line), KM_SLEEP);
	for (size_t i = 0; i < n; i++) {
		/* Many blocks of one file are one line. */
		if (i > 0 && zb[i].zb_objset == zb[i - 1].zb_objset &&
		    zb[i].zb_object == zb[i - 1].zb_object)
			continue;
		line[lines] = error_line(c->c_sv, &zb[i]);
		lines += line[lines] != NULL;
	}
	if (lines > 0)
		fnvlist_add_string_array(
		    c->c_out, "lines", (const char *const *)line, lines);
	for (size_t i = 0; i < lines; i++)
		kmem_strfree(line[i]);
	kmem_free(line, n * sizeof (*line));
	kmem_free(zb, n * sizeof (*zb));
	return (0);
}

static int
op_pool_scrub(call_t *c)
{
	dsl_pool_t *dp = c->c_sv->sv_spa->spa_dsl_pool;
	const char *action = call_string(c, "action");

	if (action == NULL)
		return (EINVAL);
	if (strcmp(action, "start") == 0)
		return (dsl_scan_start(dp, POOL_SCAN_SCRUB));
	if (strcmp(action, "stop") == 0)
		return (dsl_scan_cancel(dp));
	if (strcmp(action, "pause") == 0)
		return (dsl_scan_pause(dp, true));
	return (EINVAL);
}

static int
op_pool_clear(call_t *c)
{
	return (pool_clear(c->c_sv->sv_spa, call_string(c, "device")));
}

static int
op_pool_sync(call_t *c)
{
	int err = spa_writeable(c->c_sv->sv_spa) ? txg_wait_synced_sig(c->c_sv->sv_spa, 0) : EROFS;

	if (err == 0)
		mounts_settle(c->c_sv);
	return (err);
}

static bool
activity_running(serve_t *sv, const char *activity)
{
	pool_scan_stat_t ps;
	nvlist_t *props;
	bool busy = false;

	if (strcmp(activity, "scrub") == 0 || strcmp(activity, "resilver") == 0) {
		dsl_scan_stat(sv->sv_spa->spa_dsl_pool, &ps);
		return (ps.pss_state == DSS_SCANNING && ps.pss_pass_pause == 0 &&
		    ps.pss_func == (strcmp(activity, "scrub") == 0 ? POOL_SCAN_SCRUB :
								      POOL_SCAN_RESILVER));
	}
	if (strcmp(activity, "free") == 0) {
		nvlist_t *v;
		uint64_t freeing = 0;
		props = pool_props_get(sv->sv_spa);
		if (nvlist_lookup_nvlist(props, "freeing", &v) == 0)
			(void)nvlist_lookup_uint64(v, "value", &freeing);
		nvlist_free(props);
		busy = freeing != 0;
	}
	return (busy);
}

static int
op_pool_wait(call_t *c)
{
	const char *activity = call_string(c, "activity");

	if (activity == NULL)
		return (EINVAL);
	while (activity_running(c->c_sv, activity)) {
		mutex_enter(&c->c_sv->sv_lock);
		bool ending = c->c_sv->sv_ending;
		mutex_exit(&c->c_sv->sv_lock);
		if (ending)
			return (ENOENT);
		spl_delay(MSEC2NSEC(50));
	}
	return (0);
}

static int
op_pool_export(call_t *c)
{
	serve_t *sv = c->c_sv;
	bool destroy = call_bool(c, "destroy");
	int err;

	if (destroy && !spa_writeable(sv->sv_spa))
		return (EROFS);
	mutex_enter(&sv->sv_lock);
	bool already = sv->sv_ending;
	sv->sv_ending = true;
	mutex_exit(&sv->sv_lock);
	if (already)
		return (ENOENT);
	char **mounted;
	size_t n;
	mounts_below(sv, NULL, &mounted, &n);
	err = mounts_unmount_below(sv, NULL, call_bool(c, "force"), &c->c_why);
	for (size_t i = n; i > 0 && err == 0; i--)
		mounts_remove_point(sv, mounted[i - 1]);
	proto_free_names(mounted, n);
	if (err != 0) {
		mutex_enter(&sv->sv_lock);
		sv->sv_ending = false;
		mutex_exit(&sv->sv_lock);
		/* What is still there is mounted again. */
		(void)mounts_mount_all(sv, NULL, NULL);
		return (err);
	}
	const char *history = call_string(c, "history");
	if (history != NULL && !destroy && spa_writeable(sv->sv_spa))
		(void)pool_history_command(sv->sv_spa, history, c->c_uid);
	/* The file is the daemon's to keep only while the pool is imported. */
	serve_uncache(sv);
	(void)pool_export(sv->sv_spa, destroy ? POOL_STATE_DESTROYED : POOL_STATE_EXPORTED);
	sv->sv_closed = true;
	mounts_forget(sv);
	daemon_release_name(sv);
	(void)!write(sv->sv_wake[1], "x", 1);
	return (0);
}

const op_t pool_ops[] = {
	{ "ping", op_ping, false },
	{ "kmem_stat", op_kmem_stat, false },
	{ "pool_status", op_pool_status, false },
	{ "pool_set", op_pool_set, true },
	{ "pool_history", op_pool_history, false },
	{ "pool_errors", op_pool_errors, false },
	{ "pool_scrub", op_pool_scrub, true },
	{ "pool_clear", op_pool_clear, true },
	{ "pool_sync", op_pool_sync, false },
	{ "pool_wait", op_pool_wait, false },
	{ "pool_export", op_pool_export, true },
	{ NULL, NULL, false },
};
