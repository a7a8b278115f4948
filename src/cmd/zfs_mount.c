/* zfs mount, unmount. */
#include <getopt.h>
#include <limits.h>
#include <mntent.h>
#include <unistd.h>
#include "cmd/zfs.h"

/* ---- list -------------------------------------------------------------------------------- */

/* In the order in which they were mounted, as the kernel lists them. */
static void
list_mounted(bool json)
{
	json_t *datasets = json_object();
	struct mntent *ent;
	dataset_set_t s;

	datasets_init(&s);
	datasets_get_all(&s, UINT64_MAX, TYPE_FS, false);
	FILE *fp = setmntent("/proc/self/mounts", "r");
	while (fp != NULL && (ent = getmntent(fp)) != NULL) {
		for (dataset_t *d = list_head(&s.s_list); d != NULL; d = list_next(&s.s_list, d)) {
			const char *at = cmd_str(d->d_entry, "mountpoint_now");
			if (at == NULL || strcmp(at, ent->mnt_dir) != 0 ||
			    strcmp(ent->mnt_fsname, d->d_name) != 0)
				continue;
			if (json) {
				json_t *o = json_object();
				(void)json_object_set_new(o, "filesystem", json_string(d->d_name));
				(void)json_object_set_new(o, "mountpoint", json_string(at));
				(void)json_object_set_new(datasets, d->d_name, o);
			} else {
				(void)printf("%-30s  %s\n", d->d_name, at);
			}
		}
	}
	if (fp != NULL)
		(void)endmntent(fp);
	datasets_fini(&s);
	if (json) {
		json_t *root = json_begin("zfs mount");
		(void)json_object_set(root, "datasets", datasets);
		json_end(root);
	}
	json_decref(datasets);
}

/* ---- mount ------------------------------------------------------------------------------- */

static int
call_mount(const char *pool, const char *name, bool all, const char *options, bool overlay)
{
	nvlist_t *req = cmd_request("ds_mount");
	char *why = NULL;

	(void)nvlist_remove_all(req, "history");
	if (name != NULL)
		fnvlist_add_string(req, "name", name);
	fnvlist_add_boolean_value(req, "all", all);
	fnvlist_add_boolean_value(req, "overlay", overlay);
	if (options != NULL)
		fnvlist_add_string(req, "options", options);
	int err = cmd_call(pool, req, NULL, &why);
	if (err != 0 && why != NULL && err != EPERM)
		(void)cmd_error("%s", why);
	else if (err != 0)
		(void)cmd_error("cannot mount '%s': %s", name != NULL ? name : pool,
		    err == EPERM ? "Insufficient privileges" : cmd_strerror(err));
	kmem_strfree(why);
	return (err != 0);
}

static int
mount_all(const char *options, bool overlay)
{
	char **names;
	size_t n;
	int ret = 0;

	cmd_pools(&names, &n);
	for (size_t i = 0; i < n; i++)
		ret |= call_mount(names[i], NULL, true, options, overlay);
	proto_free_names(names, n);
	return (ret);
}

static int
mount_one(const char *name, bool below, const char *options, bool overlay)
{
	char pool[ZFS_MAX_DATASET_NAME_LEN];
	dataset_set_t s;
	int ret = 1;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, name, TYPE_FS, false);
	if (d != NULL)
		ret = call_mount(cmd_pool_of(d->d_name, pool), d->d_name, below, options, overlay);
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_mount(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 } };
	bool all = false, below = false, overlay = false, json = false;
	strbuf_t options = { 0 };
	int c, ret = 0;

	while (ret == 0 && (c = getopt_long(argc, argv, ":ajRlvo:Of", longopts, NULL)) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'j':
			json = true;
			break;
		case 'R':
			below = true;
			break;
		case 'l':
		case 'v':
		case 'f':
			break;
		case 'o':
			strbuf_addf(&options, "%s%s", options.sb_len > 0 ? "," : "", optarg);
			break;
		case 'O':
			overlay = true;
			break;
		default:
			ret = cmd_bad_option(c);
			break;
		}
	}
	argc -= optind;
	argv += optind;
	if (ret == 0 && all && argc != 0)
		ret = cmd_usage("too many arguments");
	else if (ret == 0 && argc > 1)
		ret = cmd_usage("too many arguments");
	else if (ret == 0 && all)
		ret = mount_all(options.sb_s, overlay);
	else if (ret == 0 && argc == 0)
		list_mounted(json);
	else if (ret == 0)
		ret = mount_one(argv[0], below, options.sb_s, overlay);
	strbuf_fini(&options);
	return (ret);
}

/* ---- unmount ----------------------------------------------------------------------------- */

static int
call_unmount(const char *pool, const char *name, const char *point, bool all, bool force)
{
	nvlist_t *req = cmd_request("ds_unmount");
	char *why = NULL;

	(void)nvlist_remove_all(req, "history");
	if (name != NULL)
		fnvlist_add_string(req, "name", name);
	if (point != NULL)
		fnvlist_add_string(req, "mountpoint", point);
	fnvlist_add_boolean_value(req, "all", all);
	fnvlist_add_boolean_value(req, "force", force);
	int err = cmd_call(pool, req, NULL, &why);
	if (err != 0 && why != NULL && err != EPERM)
		(void)cmd_error("%s", why);
	else if (err != 0)
		(void)cmd_error("cannot unmount '%s': %s",
		    point != NULL	 ? point :
			name != NULL ? name :
				       pool,
		    cmd_strerror(err));
	kmem_strfree(why);
	return (err != 0);
}

/* By mount point: the daemon that serves it knows. */
static int
unmount_path(const char *path, bool force)
{
	char *real = realpath(path, NULL);
	const char *point = real != NULL ? real : path;
	char pool[ZFS_MAX_DATASET_NAME_LEN];
	dataset_set_t s;
	int ret = -1;

	datasets_init(&s);
	datasets_get_all(&s, UINT64_MAX, TYPE_FS, false);
	for (dataset_t *d = list_tail(&s.s_list); d != NULL && ret < 0; d = list_prev(&s.s_list, d)) {
		const char *at = cmd_str(d->d_entry, "mountpoint_now");
		if (at != NULL && strcmp(at, point) == 0)
			ret = call_unmount(cmd_pool_of(d->d_name, pool), NULL, at, false, force);
	}
	datasets_fini(&s);
	if (ret < 0)
		ret = cmd_error("cannot unmount '%s': not a mountpoint", path);
	free(real);
	return (ret);
}

static int
unmount_one(const char *name, bool force)
{
	char pool[ZFS_MAX_DATASET_NAME_LEN];
	dataset_set_t s;
	int ret = 1;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, name, TYPE_FS, true);
	if (d != NULL) {
		const char *wanted = cmd_str(d->d_entry, "mountpoint_wanted");
		if (wanted != NULL && strcmp(wanted, "legacy") == 0)
			ret = cmd_error("cannot unmount '%s': legacy mountpoint\n"
					"use umount(8) to unmount this filesystem", name);
		else
			ret = call_unmount(
			    cmd_pool_of(d->d_name, pool), d->d_name, NULL, false, force);
	}
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_unmount(int argc, char **argv)
{
	bool all = false, force = false;
	int c, ret = 0;

	while ((c = getopt(argc, argv, ":afu")) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'f':
			force = true;
			break;
		case 'u':
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (all && argc != 0)
		return (cmd_usage("too many arguments"));
	if (!all && argc < 1)
		return (cmd_usage("missing filesystem argument"));
	if (argc > 1)
		return (cmd_usage("too many arguments"));
	if (!all)
		return (argv[0][0] == '/' ? unmount_path(argv[0], force) :
					    unmount_one(argv[0], force));
	char **names;
	size_t n;
	cmd_pools(&names, &n);
	for (size_t i = 0; i < n; i++)
		ret |= call_unmount(names[i], NULL, NULL, true, force);
	proto_free_names(names, n);
	return (ret);
}
