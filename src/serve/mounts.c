/*
 * Which file systems are mounted where. The kernel is the authority: a mount may vanish at
 * any time (umount(8) by somebody else); then its session tells us and it is torn down here.
 * The list is also written to `<run dir>/<pool>.mounts`, so that the mounts of a killed
 * daemon can be cleaned up.
 */
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include "serve/serve_impl.h"

void
mounts_init(serve_t *sv)
{
	mutex_init(&sv->sv_mounts_lock);
	list_create(&sv->sv_mounts, sizeof (mount_t), offsetof(mount_t, mt_node));
}

static void
mounts_write_list(serve_t *sv)
{
	char *path = kmem_asprintf("%s/%s.mounts", proto_run_dir(), sv->sv_name);
	char *tmp = kmem_asprintf("%s.tmp", path);
	FILE *fp = fopen(tmp, "we");

	if (fp != NULL) {
		for (mount_t *mt = list_head(&sv->sv_mounts); mt != NULL;
		     mt = list_next(&sv->sv_mounts, mt))
			(void)fprintf(fp, "%s%c%s%c", mt->mt_name, '\0', mt->mt_point, '\0');
		if (fclose(fp) == 0)
			(void)rename(tmp, path);
	}
	kmem_strfree(tmp);
	kmem_strfree(path);
}

static mount_t *
find_mount(serve_t *sv, const char *name)
{
	ASSERT(MUTEX_HELD(&sv->sv_mounts_lock));
	for (mount_t *mt = list_head(&sv->sv_mounts); mt != NULL;
	     mt = list_next(&sv->sv_mounts, mt))
		if (strcmp(mt->mt_name, name) == 0)
			return (mt);
	return (NULL);
}

static void
free_mount(mount_t *mt)
{
	kmem_strfree(mt->mt_point);
	kmem_strfree(mt->mt_options);
	kmem_free(mt, sizeof (*mt));
}

/* The file system below a mount that is no more: nothing can come from the kernel any longer. */
static void
tear_down(serve_t *sv, mount_t *mt)
{
	list_remove(&sv->sv_mounts, mt);
	(void)zpl_unmount(mt->mt_zfsvfs, true);
	dsl_dataset_disown(mt->mt_ds, mt);
	free_mount(mt);
}

/* Take down what the kernel has let go of. */
static void
reap_gone(serve_t *sv)
{
	mount_t *next;
	bool any = false;

	for (mount_t *mt = list_head(&sv->sv_mounts); mt != NULL; mt = next) {
		next = list_next(&sv->sv_mounts, mt);
		/* Whoever has unmounted it may be here before we are told. */
		if (!__atomic_load_n(&mt->mt_gone, __ATOMIC_ACQUIRE) &&
		    !fuse_fs_is_gone(mt->mt_fuse))
			continue;
		(void)fuse_fs_unmount(mt->mt_fuse, true);
		tear_down(sv, mt);
		any = true;
	}
	if (any)
		mounts_write_list(sv);
}

static void
reap_task(void *arg)
{
	serve_t *sv = arg;

	mutex_enter(&sv->sv_mounts_lock);
	reap_gone(sv);
	mutex_exit(&sv->sv_mounts_lock);
}

static taskq_t *reaper;

/* From a thread of the session that has just ended: somebody else has to clean up. */
static void
mount_gone(void *arg)
{
	mount_t *mt = arg;

	__atomic_store_n(&mt->mt_gone, true, __ATOMIC_RELEASE);
	taskq_dispatch(reaper, reap_task, mt->mt_serve);
}

static void
lock_mounts(serve_t *sv)
{
	mutex_enter(&sv->sv_mounts_lock);
	if (reaper == NULL)
		reaper = taskq_create("umount", 1);
	reap_gone(sv);
}

/* ---- properties ------------------------------------------------------------------------------- */

int
mounts_wanted(serve_t *sv, dsl_dataset_t *ds, char *buf, size_t size)
{
	char value[PATH_MAX], setpoint[ZFS_MAX_DATASET_NAME_LEN], name[ZFS_MAX_DATASET_NAME_LEN];
	const char *root = sv->sv_spa->spa_altroot != NULL ? sv->sv_spa->spa_altroot : "";
	const char *rest = "";
	zprop_source_t src;
	int err = dsl_prop_get_string(ds, "mountpoint", value, sizeof (value), &src, setpoint);

	if (err != 0)
		return (err);
	dsl_dataset_name(ds, name);
	if (strcmp(value, "none") == 0 || strcmp(value, "legacy") == 0) {
		(void)snprintf(buf, size, "%s", value);
		return (0);
	}
	/* Below where it is set, the rest of the name is the rest of the path. */
	if (src == ZPROP_SRC_DEFAULT) {
		value[0] = '\0';
		rest = name;
	} else if (src == ZPROP_SRC_INHERITED) {
		rest = name + strlen(setpoint);
		if (*rest == '/')
			rest++;
	}
	if (strcmp(value, "/") == 0)
		value[0] = '\0';
	if (strcmp(root, "/") == 0)
		root = "";
	int n = snprintf(buf, size, "%s%s%s%s", root, value, *rest != '\0' ? "/" : "", rest);
	if (n == 0)
		(void)snprintf(buf, size, "/");
	return (n < 0 || (size_t)n >= size ? ENAMETOOLONG : 0);
}

static uint64_t
prop_u64(dsl_dataset_t *ds, const char *name)
{
	uint64_t v = 0;

	(void)dsl_prop_get_int(ds, name, &v, NULL, NULL);
	return (v);
}

/* One word of a comma separated list of options. */
static bool
has_option(const char *options, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = options; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, ",");
		if (len == n && strncmp(p, word, n) == 0)
			return (true);
		p += len;
		if (*p == ',')
			p++;
	}
	return (false);
}

/* Property value unless an option says otherwise for this mount. */
static bool
opt_bool(dsl_dataset_t *ds, const char *options, const char *prop, const char *on, const char *off)
{
	bool v = prop_u64(ds, prop) != 0;

	if (has_option(options, on))
		v = true;
	if (has_option(options, off))
		v = false;
	return (v);
}

static void
mount_opts(serve_t *sv, mount_t *mt, zpl_opts_t *zo, fuse_fs_opts_t *fo)
{
	dsl_dataset_t *ds = mt->mt_ds;
	const char *o = mt->mt_options;

	zpl_opts_default(zo);
	zo->zo_readonly = opt_bool(ds, o, "readonly", "ro", "rw") ||
	    !spa_writeable(sv->sv_spa) || ds->ds_is_snapshot;
	zo->zo_atime = opt_bool(ds, o, "atime", "atime", "noatime");
	zo->zo_relatime = opt_bool(ds, o, "relatime", "relatime", "norelatime");
	zo->zo_longname = prop_u64(ds, "longname") != 0;
	zo->zo_ctldir = prop_u64(ds, "snapdir") != 2;
	zo->zo_ctldir_visible = prop_u64(ds, "snapdir") == 1;
	zo->zo_sync_always = prop_u64(ds, "sync") == 1;
	zo->zo_sync_disabled = prop_u64(ds, "sync") == 2;
	zo->zo_xattr = (zpl_xattr_mode_t)prop_u64(ds, "xattr");
	if (has_option(o, "noxattr"))
		zo->zo_xattr = ZPL_XATTR_OFF;
	zo->zo_acltype = (zpl_acltype_t)prop_u64(ds, "acltype");
	zo->zo_aclmode = (uint8_t)prop_u64(ds, "aclmode");
	zo->zo_aclinherit = (uint8_t)prop_u64(ds, "aclinherit");

	memset(fo, 0, sizeof (*fo));
	fo->ffo_source = mt->mt_name;
	fo->ffo_readonly = zo->zo_readonly;
	fo->ffo_exec = opt_bool(ds, o, "exec", "exec", "noexec");
	fo->ffo_setuid = opt_bool(ds, o, "setuid", "suid", "nosuid");
	fo->ffo_devices = opt_bool(ds, o, "devices", "dev", "nodev");
	fo->ffo_atime = zo->zo_atime;
	fo->ffo_relatime = zo->zo_relatime;
	fo->ffo_allow_other = geteuid() == 0;
	fo->ffo_posix_acl = zo->zo_acltype == ZPL_ACL_POSIX;
}

/* ---- what a mount asks of its dataset ----------------------------------------------------------- */

static void
ds_space(void *arg, uint64_t *refd, uint64_t *avail, uint64_t *usedobjs, uint64_t *availobjs)
{
	dsl_dataset_t *ds = arg;

	dsl_pool_config_enter(ds->ds_pool);
	dsl_dataset_space(ds, refd, avail, usedobjs, availobjs);
	dsl_pool_config_exit(ds->ds_pool);
}

static uint64_t
ds_fsid(void *arg)
{
	return (dsl_dataset_phys(arg)->ds_fsid_guid);
}

static const zpl_dataset_ops_t dataset_ops_for_zpl = {
	.zdo_space = ds_space,
	.zdo_fsid = ds_fsid,
};

/* ---- mounting -------------------------------------------------------------------------------------- */

static int
make_directories(const char *path)
{
	char *copy = kmem_strdup(path);
	int err = 0;

	for (char *p = copy + 1; err == 0; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char c = *p;
		*p = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			err = errno;
		*p = c;
		if (c == '\0')
			break;
	}
	kmem_strfree(copy);
	return (err);
}

static int
mount_objset(serve_t *sv, mount_t *mt, bool overlay)
{
	zpl_opts_t zo;
	fuse_fs_opts_t fo;
	objset_t *os;
	int err;

	dsl_pool_config_enter(sv->sv_spa->spa_dsl_pool);
	mount_opts(sv, mt, &zo, &fo);
	fo.ffo_nonempty = overlay || prop_u64(mt->mt_ds, "overlay") != 0;
	err = dsl_dataset_get_objset(mt->mt_ds, &os);
	dsl_pool_config_exit(sv->sv_spa->spa_dsl_pool);
	if (err != 0)
		return (err);
	if (dmu_objset_type(os) != DMU_OST_ZFS)
		return (EINVAL);
	if ((err = zpl_mount(os, &zo, &dataset_ops_for_zpl, mt->mt_ds, &mt->mt_zfsvfs)) != 0)
		return (err);
	err = fuse_fs_mount(mt->mt_zfsvfs, mt->mt_point, &fo, mount_gone, mt, &mt->mt_fuse);
	if (err != 0)
		(void)zpl_unmount(mt->mt_zfsvfs, true);
	return (err);
}

static int
why_not(char **why, int err, const char *name, const char *text)
{
	if (why != NULL && *why == NULL)
		*why = kmem_asprintf("cannot mount '%s': %s", name, text);
	return (err);
}

static int
mount_locked(serve_t *sv, const char *name, bool explicit, const char *options, bool overlay,
    char **why)
{
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	char point[PATH_MAX];
	dsl_dataset_t *ds;
	int err;

	if (find_mount(sv, name) != NULL)
		return (why_not(why, EBUSY, name, "filesystem already mounted"));
	mount_t *mt = kmem_zalloc(sizeof (*mt), KM_SLEEP);
	mt->mt_serve = sv;
	(void)snprintf(mt->mt_name, sizeof (mt->mt_name), "%s", name);
	if (options != NULL)
		mt->mt_options = kmem_strdup(options);
	dsl_pool_config_enter(dp);
	err = dsl_dataset_own(dp, name, mt, &ds);
	if (err == 0) {
		objset_t *os;
		mt->mt_ds = ds;
		err = dsl_dataset_get_objset(ds, &os);
		if (err == EACCES)
			(void)why_not(why, err, name, "encryption key not loaded");
		if (err == 0 && dmu_objset_type(os) != DMU_OST_ZFS)
			err = explicit ? why_not(why, EINVAL, name,
					     "operation not applicable to datasets of this type") :
					 ECANCELED;
		if (err == 0)
			err = mounts_wanted(sv, ds, point, sizeof (point));
		if (err == 0 && prop_u64(ds, "canmount") == 0)
			err = why_not(why, EINVAL, name, "'canmount' property is set to 'off'");
		else if (err == 0 && !explicit && prop_u64(ds, "canmount") != 1)
			err = ECANCELED;
		else if (err == 0 && strcmp(point, "legacy") == 0)
			err = why_not(why, EINVAL, name, "legacy mountpoint\n"
			    "use mount(8) to mount this filesystem");
		else if (err == 0 && strcmp(point, "none") == 0)
			err = why_not(why, EINVAL, name, "no mountpoint set");
	}
	dsl_pool_config_exit(dp);
	if (err == 0) {
		mt->mt_point = kmem_strdup(point);
		if ((err = make_directories(point)) != 0)
			(void)why_not(why, err, name, "failed to create mountpoint");
		else if ((err = mount_objset(sv, mt, overlay)) != 0)
			(void)why_not(why, err, name,
			    err == ENOTEMPTY ? "directory is not empty" : strerror(err));
	}
	if (err != 0) {
		if (mt->mt_ds != NULL)
			dsl_dataset_disown(mt->mt_ds, mt);
		free_mount(mt);
		return (err);
	}
	list_insert_tail(&sv->sv_mounts, mt);
	mounts_write_list(sv);
	return (0);
}

int
mounts_mount(serve_t *sv, const char *name, bool explicit, const char *options, bool overlay,
    char **why)
{
	lock_mounts(sv);
	int err = mount_locked(sv, name, explicit, options, overlay, why);
	mutex_exit(&sv->sv_mounts_lock);
	return (err);
}

typedef struct all_arg {
	serve_t *aa_sv;
	char **aa_why;
	int aa_err;
	dsl_pool_t *aa_dp;
	char aa_name[ZFS_MAX_DATASET_NAME_LEN];
	char **aa_names;
	size_t aa_n, aa_room;
} all_arg_t;

static int
collect_child(void *arg, const char *name, uint64_t ddobj)
{
	all_arg_t *aa = arg;
	size_t len = strlen(aa->aa_name);
	dsl_dir_t *dd;

	if (len + 1 + strlen(name) >= sizeof (aa->aa_name))
		return (0);
	int err = dsl_dir_hold_obj(aa->aa_dp, ddobj, name, aa, &dd);
	if (err != 0)
		return (err);
	(void)snprintf(aa->aa_name + len, sizeof (aa->aa_name) - len, "/%s", name);
	if (aa->aa_n == aa->aa_room) {
		size_t room = aa->aa_room == 0 ? 16 : aa->aa_room * 2;
		char **more = kmem_zalloc(room * sizeof (char *), KM_SLEEP);
		if (aa->aa_n > 0)
			memcpy(more, aa->aa_names, aa->aa_n * sizeof (char *));
		kmem_free(aa->aa_names, aa->aa_room * sizeof (char *));
		aa->aa_names = more;
		aa->aa_room = room;
	}
	aa->aa_names[aa->aa_n++] = kmem_strdup(aa->aa_name);
	err = dsl_dir_foreach_child(dd, collect_child, aa);
	aa->aa_name[len] = '\0';
	dsl_dir_rele(dd, aa);
	return (err);
}

int
mounts_mount_all(serve_t *sv, const char *name, char **why)
{
	all_arg_t aa = { .aa_sv = sv, .aa_dp = sv->sv_spa->spa_dsl_pool };
	dsl_dir_t *dd;
	int first = 0;

	if (name == NULL)
		name = sv->sv_name;
	(void)snprintf(aa.aa_name, sizeof (aa.aa_name), "%s", name);
	dsl_pool_config_enter(aa.aa_dp);
	int err = dsl_dir_hold(aa.aa_dp, name, &aa, &dd, NULL);
	if (err == 0) {
		err = dsl_dir_foreach_child(dd, collect_child, &aa);
		dsl_dir_rele(dd, &aa);
	}
	dsl_pool_config_exit(aa.aa_dp);
	lock_mounts(sv);
	for (size_t i = 0; i <= aa.aa_n && err == 0; i++) {
		const char *ds = i == 0 ? name : aa.aa_names[i - 1];
		char *text = NULL;
		if (find_mount(sv, ds) != NULL)
			continue;
		int e = mount_locked(sv, ds, false, NULL, false, &text);
		/* Volumes, and what does not want to be mounted, are no failure. */
		if (e != 0 && e != ECANCELED && e != EINVAL && first == 0) {
			first = e;
			if (why != NULL && *why == NULL) {
				*why = text;
				text = NULL;
			}
		}
		kmem_strfree(text);
	}
	mutex_exit(&sv->sv_mounts_lock);
	for (size_t i = 0; i < aa.aa_n; i++)
		kmem_strfree(aa.aa_names[i]);
	kmem_free(aa.aa_names, aa.aa_room * sizeof (char *));
	return (err != 0 ? err : first);
}

/* ---- unmounting --------------------------------------------------------------------------------------- */

static int
unmount_locked(serve_t *sv, mount_t *mt, bool force, char **why)
{
	int err = fuse_fs_unmount(mt->mt_fuse, force);

	if (err != 0) {
		if (why != NULL && *why == NULL)
			*why = kmem_asprintf("cannot unmount '%s': %s", mt->mt_point,
			    err == EBUSY ? "pool or dataset is busy" : strerror(err));
		return (err);
	}
	tear_down(sv, mt);
	mounts_write_list(sv);
	return (0);
}

void
mounts_remove_point(serve_t *sv, const char *name)
{
	dsl_pool_t *dp = sv->sv_spa->spa_dsl_pool;
	char point[PATH_MAX] = "", value[PATH_MAX];
	zprop_source_t src = ZPROP_SRC_LOCAL;
	dsl_dataset_t *ds;

	dsl_pool_config_enter(dp);
	if (dsl_dataset_hold(dp, name, point, &ds) == 0) {
		if (dsl_prop_get_string(ds, "mountpoint", value, sizeof (value), &src, NULL) == 0)
			(void)mounts_wanted(sv, ds, point, sizeof (point));
		dsl_dataset_rele(ds, point);
	}
	dsl_pool_config_exit(dp);
	if (point[0] == '/' && (src == ZPROP_SRC_DEFAULT || src == ZPROP_SRC_INHERITED))
		(void)rmdir(point);
}

int
mounts_unmount(serve_t *sv, const char *name, bool force, char **why)
{
	int err = ENOENT;

	lock_mounts(sv);
	mount_t *mt = find_mount(sv, name);
	if (mt != NULL)
		err = unmount_locked(sv, mt, force, why);
	else if (why != NULL && *why == NULL)
		*why = kmem_asprintf("cannot unmount '%s': not currently mounted", name);
	mutex_exit(&sv->sv_mounts_lock);
	return (err);
}

int
mounts_unmount_point(serve_t *sv, const char *point, bool force, char **why)
{
	int err = ENOENT;

	lock_mounts(sv);
	for (mount_t *mt = list_tail(&sv->sv_mounts); mt != NULL;
	     mt = list_prev(&sv->sv_mounts, mt)) {
		if (strcmp(mt->mt_point, point) == 0) {
			err = unmount_locked(sv, mt, force, why);
			break;
		}
	}
	mutex_exit(&sv->sv_mounts_lock);
	return (err);
}

static bool
is_at_or_below(const char *name, const char *top)
{
	size_t n = top == NULL ? 0 : strlen(top);

	return (top == NULL ||
	    (strncmp(name, top, n) == 0 && (name[n] == '\0' || name[n] == '/')));
}

int
mounts_unmount_below(serve_t *sv, const char *name, bool force, char **why)
{
	mount_t *prev;
	int err = 0;

	lock_mounts(sv);
	/* Later mounts may lie inside earlier ones. */
	for (mount_t *mt = list_tail(&sv->sv_mounts); mt != NULL && err == 0; mt = prev) {
		prev = list_prev(&sv->sv_mounts, mt);
		if (is_at_or_below(mt->mt_name, name))
			err = unmount_locked(sv, mt, force, why);
	}
	mutex_exit(&sv->sv_mounts_lock);
	return (err);
}

bool
mounts_find(serve_t *sv, const char *name, char *point, size_t size)
{
	lock_mounts(sv);
	mount_t *mt = find_mount(sv, name);
	if (mt != NULL && point != NULL)
		(void)snprintf(point, size, "%s", mt->mt_point);
	mutex_exit(&sv->sv_mounts_lock);
	return (mt != NULL);
}

void
mounts_below(serve_t *sv, const char *name, char ***namesp, size_t *np)
{
	size_t n = 0, i = 0;
	mount_t *mt;

	lock_mounts(sv);
	for (mt = list_head(&sv->sv_mounts); mt; mt = list_next(&sv->sv_mounts, mt))
		n += is_at_or_below(mt->mt_name, name);
	*namesp = kmem_zalloc(n * sizeof (char *), KM_SLEEP);
	*np = n;
	for (mt = list_head(&sv->sv_mounts); mt; mt = list_next(&sv->sv_mounts, mt))
		if (is_at_or_below(mt->mt_name, name))
			(*namesp)[i++] = kmem_strdup(mt->mt_name);
	mutex_exit(&sv->sv_mounts_lock);
}

void
mounts_refresh(serve_t *sv, const char *name)
{
	zpl_opts_t zo;
	fuse_fs_opts_t fo;

	lock_mounts(sv);
	for (mount_t *mt = list_head(&sv->sv_mounts); mt; mt = list_next(&sv->sv_mounts, mt)) {
		if (!is_at_or_below(mt->mt_name, name))
			continue;
		dsl_pool_config_enter(sv->sv_spa->spa_dsl_pool);
		mount_opts(sv, mt, &zo, &fo);
		dsl_pool_config_exit(sv->sv_spa->spa_dsl_pool);
		zpl_set_opts(mt->mt_zfsvfs, &zo);
		(void)fuse_fs_remount(mt->mt_fuse, &fo);
	}
	mutex_exit(&sv->sv_mounts_lock);
}

/* Nothing is mounted any more: no list for anybody to clean up. */
void
mounts_forget(serve_t *sv)
{
	char *path = kmem_asprintf("%s/%s.mounts", proto_run_dir(), sv->sv_name);

	(void)unlink(path);
	kmem_strfree(path);
}

void
mounts_settle(serve_t *sv)
{
	lock_mounts(sv);
	for (mount_t *mt = list_head(&sv->sv_mounts); mt; mt = list_next(&sv->sv_mounts, mt))
		fuse_fs_settle(mt->mt_fuse);
	mutex_exit(&sv->sv_mounts_lock);
}

void
mounts_fini(serve_t *sv)
{
	if (reaper != NULL)
		taskq_destroy(reaper);
	reaper = NULL;
	if (!sv->sv_closed)
		mounts_forget(sv);
	list_destroy(&sv->sv_mounts);
	mutex_destroy(&sv->sv_mounts_lock);
}
