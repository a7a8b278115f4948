/* zpool create, destroy, labelclear. */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zfs.h"
#include "cmd/zpool.h"
#include "spa/zfeature.h"
#include "vdev/vdev_label.h"

/* ---- create: options --------------------------------------------------------------------- */

typedef struct create {
	bool cr_force, cr_dryrun, cr_nofeatures;
	const char *cr_mountpoint, *cr_altroot, *cr_tname;
	nvlist_t *cr_props;   /* name -> string as given */
	nvlist_t *cr_fsprops; /* the same */
	const char *cr_pool;
} create_t;

/* "a=b" into given; complains. */
static int
add_given(nvlist_t *given, char *arg, bool fs)
{
	char *value = strchr(arg, '=');

	if (value == NULL)
		return (cmd_error("missing '=' for %s", fs ? "-O option" : "-o option"));
	*value++ = '\0';
	if (!fs) {
		const zprop_t *zp = zpool_prop_find(arg);
		bool feature = strncmp(arg, "feature@", 8) == 0;
		if (zp == NULL && !feature && strchr(arg, ':') == NULL)
			return (cmd_error("property '%s' is not a valid pool or vdev property", arg));
		if ((feature && nvlist_exists(given, "version")) ||
		    (zp != NULL && strcmp(zp->zp_name, "version") == 0 &&
			nvlist_exists(given, "feature@")))
			return (cmd_error("'feature@' and 'version' properties cannot be "
					  "specified together"));
		if (feature)
			fnvlist_add_boolean(given, "feature@");
		if (zp != NULL)
			arg = (char *)zp->zp_name;
		if (nvlist_exists(given, arg))
			return (cmd_error("property '%s' specified multiple times", arg)), EXIT_USAGE;
	} else {
		const zprop_t *zp = zfs_prop_find(arg);
		if (zp == NULL && !zfs_prop_is_user(arg) && !zfs_prop_is_userquota(arg))
			return (cmd_error("property '%s' is not a valid filesystem property", arg));
		if (zp != NULL)
			arg = (char *)zp->zp_name;
		if (nvlist_exists(given, arg))
			return (cmd_error("property '%s' specified multiple times", arg)), EXIT_USAGE;
	}
	fnvlist_add_string(given, arg, value);
	return (0);
}

static int
set_altroot(create_t *cr, const char *root)
{
	cr->cr_altroot = root;
	if (root[0] != '/')
		return (cmd_error("invalid alternate root '%s': must be an absolute path", root));
	if (!nvlist_exists(cr->cr_props, "cachefile"))
		fnvlist_add_string(cr->cr_props, "cachefile", "none");
	return (0);
}

static int
create_option(create_t *cr, int c)
{
	switch (c) {
	case 'f':
		cr->cr_force = true;
		return (0);
	case 'n':
		cr->cr_dryrun = true;
		return (0);
	case 'd':
		cr->cr_nofeatures = true;
		return (0);
	case 'B': /* how other systems lay out their boot disks */
		return (0);
	case 'm':
		cr->cr_mountpoint = optarg;
		return (0);
	case 'R':
		return (set_altroot(cr, optarg));
	case 't':
		cr->cr_tname = optarg;
		if (!nvlist_exists(cr->cr_props, "cachefile"))
			fnvlist_add_string(cr->cr_props, "cachefile", "none");
		return (0);
	case 'o':
		if (strncmp(optarg, "altroot=", 8) == 0)
			return (set_altroot(cr, optarg + 8));
		if (strncmp(optarg, "cachefile=", 10) == 0)
			(void)nvlist_remove_all(cr->cr_props, "cachefile");
		return (add_given(cr->cr_props, optarg, false));
	case 'O':
		return (add_given(cr->cr_fsprops, optarg, true));
	default:
		return (cmd_bad_option(c));
	}
}

/* ---- create: properties and features ----------------------------------------------------- */

static int
parse_ashift(const create_t *cr, uint64_t *ashift)
{
	const char *s = cmd_str(cr->cr_props, "ashift");
	char *end;

	*ashift = 0;
	if (s == NULL)
		return (0);
	*ashift = strtoull(s, &end, 10);
	if (end == s || *end != '\0')
		return (cmd_error("ashift must be a number."));
	if (*ashift != 0 && (*ashift < 9 || *ashift > 16))
		return (cmd_error("invalid 'ashift=%" PRIu64 "' property: only values between "
				  "9 and 16 are allowed.", *ashift));
	return (0);
}

/* Which features the new pool has; also says what does not fit the compatibility set. */
static int
choose_features(const create_t *cr, nvlist_t *features)
{
	const char *compat = cmd_str(cr->cr_props, "compatibility");
	uint64_t set;
	char why[512];

	if (zpool_compat_features(compat != NULL ? compat : "off", &set, why, sizeof (why)) != 0)
		return (cmd_error("Error: could not read/parse feature file(s): %s", why));
	for (int f = 0; f < SPA_FEATURES; f++) {
		const zfeature_info_t *fi = &spa_feature_table[f];
		char key[128];
		(void)snprintf(key, sizeof (key), "feature@%s", fi->fi_uname);
		const char *given = cmd_str(cr->cr_props, key);
		bool want = !cr->cr_nofeatures && (set >> f & 1) != 0 &&
		    fi->fi_support == ZFEATURE_CREATE;
		if (given != NULL) {
			want = strcmp(given, "enabled") == 0;
			if (want && fi->fi_support < ZFEATURE_WRITE)
				return (cmd_unsupported("cannot create '%s': feature '%s'",
				    cr->cr_pool, fi->fi_uname));
			if (want && (set >> f & 1) == 0)
				(void)fprintf(stderr,
				    "Warning: feature \"%s\" enabled but is not in specified "
				    "'compatibility' feature set.\n", fi->fi_uname);
		}
		fnvlist_add_uint64(features, fi->fi_uname, want);
	}
	return (0);
}

static int
parse_pool_props(const create_t *cr, nvlist_t *props)
{
	char why[512];

	for (nvpair_t *nvp = nvlist_next_nvpair(cr->cr_props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(cr->cr_props, nvp)) {
		const char *name = nvpair_name(nvp), *value;
		nvlist_t *parsed = nvlist_create();

		if (nvpair_value_string(nvp, &value) != 0) {
			nvlist_free(parsed);
			continue;
		}
		int err = zpool_prop_parse(name, value, true, parsed, why, sizeof (why));
		if (err == 0 && strncmp(name, "feature@", 8) != 0)
			nvlist_merge(props, parsed);
		nvlist_free(parsed);
		if (err != 0)
			return (cmd_error("cannot create '%s': %s", cr->cr_pool, why));
	}
	return (0);
}

static int
parse_fs_props(const create_t *cr, nvlist_t *fsprops)
{
	char why[ZFS_VALUE_MAX];

	for (nvpair_t *nvp = nvlist_next_nvpair(cr->cr_fsprops, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(cr->cr_fsprops, nvp)) {
		const char *value;
		(void)nvpair_value_string(nvp, &value);
		if (zfs_prop_parse(nvpair_name(nvp), value, TYPE_FS, true, fsprops, why,
			sizeof (why)) != 0)
			return (cmd_error("cannot create '%s': %s", cr->cr_pool, why));
	}
	if (cr->cr_mountpoint != NULL)
		fnvlist_add_string(fsprops, "mountpoint", cr->cr_mountpoint);
	return (0);
}

/* ---- create: where it will be mounted ---------------------------------------------------- */

static bool
directory_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	bool empty = true;

	if (dir == NULL)
		return (true);
	while (empty && (de = readdir(dir)) != NULL)
		empty = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;
	(void)closedir(dir);
	return (empty);
}

static int
check_mountpoint(create_t *cr)
{
	const char *mp = cr->cr_mountpoint, *root = cr->cr_altroot != NULL ? cr->cr_altroot : "";
	char path[8192];
	struct stat st;

	if (mp == NULL)
		mp = cmd_str(cr->cr_fsprops, "mountpoint");
	if (mp != NULL && mp[0] != '/' && strcmp(mp, "none") != 0 && strcmp(mp, "legacy") != 0)
		return (cmd_error("invalid mountpoint '%s': must be an absolute path, "
				  "'legacy', or 'none'", mp));
	if (mp != NULL && mp[0] != '/')
		return (0);
	if (mp != NULL)
		(void)snprintf(path, sizeof (path), "%s%s", root, mp);
	else
		(void)snprintf(path, sizeof (path), "%s/%s", root, cr->cr_pool);
	if (stat(path, &st) != 0) {
		if (errno == ENOENT)
			return (0);
		return (cmd_error("mountpoint '%s' : %s\n"
				  "use '-m' option to provide a different default",
		    path, strerror(errno)));
	}
	if (!directory_empty(path))
		return (cmd_error("mountpoint '%s' exists and is not empty\n"
				  "use '-m' option to provide a different default", path));
	return (0);
}

/* ---- create: doing it -------------------------------------------------------------------- */

static int
create_failed(const create_t *cr, int err, const char *why)
{
	const char *text = why != NULL ? why : cmd_strerror(err);

	switch (err) {
	case EEXIST:
		text = "pool already exists";
		break;
	case EBUSY:
		text = "one or more vdevs refer to the same device, or one of\n"
		       "the devices is part of an active md or lvm device";
		break;
	case ENOSPC:
		text = "one or more devices is out of space";
		break;
	default:
		break;
	}
	return (cmd_error("cannot create '%s': %s", cr->cr_pool, text));
}

/* What cannot be created yet is said before anything is written. */
static int
check_supported(const create_t *cr, const nvlist_t *root)
{
	static const char *const types[] = { "raidz", "draid" };
	size_t n;
	nvlist_t *const *child = cmd_children(root, "children", &n);

	for (size_t i = 0; i < n; i++) {
		const char *class = zpool_vdev_class(child[i]);
		for (size_t t = 0; t < ARRAY_SIZE(types); t++)
			if (strcmp(cmd_str(child[i], "type"), types[t]) == 0)
				return (cmd_unsupported(
				    "cannot create '%s': %s vdevs", cr->cr_pool, types[t]));
		if (strcmp(class, "normal") != 0)
			return (cmd_unsupported(
			    "cannot create '%s': %s devices", cr->cr_pool, class));
	}
	if (nvlist_exists(root, "spares"))
		return (cmd_unsupported("cannot create '%s': spare devices", cr->cr_pool));
	if (nvlist_exists(root, "l2cache"))
		return (cmd_unsupported("cannot create '%s': cache devices", cr->cr_pool));
	return (0);
}

static int
create_pool(const create_t *cr, const nvlist_t *root)
{
	nvlist_t *req = nvlist_create(), *props = nvlist_create(), *fsprops = nvlist_create();
	nvlist_t *features = nvlist_create(), *reply = NULL;
	int64_t err = 0;
	int ret = parse_pool_props(cr, props);

	if (ret == 0)
		ret = parse_fs_props(cr, fsprops);
	if (ret == 0)
		ret = choose_features(cr, features);
	if (ret == 0 && cmd_u64(props, "version") != 0 && cmd_u64(props, "version") != 5000)
		ret = cmd_unsupported("cannot create '%s': pools of version %" PRIu64, cr->cr_pool,
		    cmd_u64(props, "version"));
	if (ret == 0)
		ret = check_supported(cr, root);
	if (ret == 0 && zpool_check_devices(root) != NULL)
		ret = cmd_error("cannot create '%s': %s", cr->cr_pool, zpool_check_devices(root));
	if (ret == 0) {
		(void)nvlist_remove_all(props, "version");
		if (cr->cr_altroot != NULL)
			fnvlist_add_string(props, "altroot", cr->cr_altroot);
		fnvlist_add_string(req, "op", "create");
		fnvlist_add_string(req, "name", cr->cr_tname != NULL ? cr->cr_tname : cr->cr_pool);
		fnvlist_add_nvlist(req, "vdevs", root);
		fnvlist_add_nvlist(req, "props", props);
		fnvlist_add_nvlist(req, "fsprops", fsprops);
		fnvlist_add_nvlist(req, "features", features);
		fnvlist_add_string(req, "history", cmd_history());
		int e = daemon_start(req, &reply);
		if (e != 0)
			err = e;
		else
			(void)nvlist_lookup_int64(reply, "errno", &err);
		if (err != 0)
			ret = create_failed(cr, (int)err, cmd_str(reply, "why"));
		else if (cmd_str(reply, "mount_why") != NULL)
			ret = cmd_error("%s", cmd_str(reply, "mount_why"));
	}
	nvlist_free(reply);
	nvlist_free(req);
	nvlist_free(props);
	nvlist_free(fsprops);
	nvlist_free(features);
	return (ret);
}

static int
create_checked(create_t *cr, int argc, char **argv)
{
	char buf[128];
	uint64_t ashift;
	int ret;

	/* A dataset's name is a common slip. */
	size_t n = strcspn(cr->cr_pool, "/@%");
	if (cr->cr_pool[n] != '\0')
		return (cmd_error("cannot create '%s': invalid character '%c' in pool name\n%s",
		    cr->cr_pool, cr->cr_pool[n],
		    cr->cr_pool[n] == '/' ? "use 'zfs create' to create a dataset" :
					    "pool name may have been omitted"));
	const char *version = cmd_str(cr->cr_props, "version");
	if (version != NULL && strtoull(version, NULL, 10) > 5000)
		return (cmd_error("'feature@' and 'version' properties cannot be "
				  "specified together")), EXIT_USAGE;
	if ((ret = parse_ashift(cr, &ashift)) != 0)
		return (ret);
	nvlist_t *root = zpool_make_root(argc, argv, ashift, cr->cr_force);
	if (root == NULL)
		return (1);
	if ((ret = check_mountpoint(cr)) == 0 && cr->cr_dryrun) {
		zpool_print_layout(cr->cr_pool, root);
	} else if (ret == 0) {
		const char *why = zpool_name_why(
		    cr->cr_tname != NULL ? cr->cr_tname : cr->cr_pool, false, buf, sizeof (buf));
		if (why == NULL)
			why = zpool_name_why(cr->cr_pool, false, buf, sizeof (buf));
		nvlist_t *existing = why == NULL ? zpool_get(cr->cr_pool, true) : NULL;
		if (why != NULL)
			ret = cmd_error("cannot create '%s': %s\npool name may have been omitted",
			    cr->cr_pool, why);
		else if (existing != NULL)
			ret = create_failed(cr, EEXIST, NULL);
		else
			ret = create_pool(cr, root);
		nvlist_free(existing);
	}
	nvlist_free(root);
	return (ret);
}

int
zpool_do_create(int argc, char **argv)
{
	create_t cr = { .cr_props = nvlist_create(), .cr_fsprops = nvlist_create() };
	int c, ret = 0;

	while (ret == 0 && (c = getopt(argc, argv, ":fndBR:m:o:O:t:")) != -1)
		ret = create_option(&cr, c);
	argc -= optind;
	argv += optind;
	if (ret == 0 && argc < 1)
		ret = cmd_usage("missing pool name argument");
	else if (ret == 0 && argc < 2)
		ret = cmd_usage("missing vdev specification");
	if (ret == 0) {
		cr.cr_pool = argv[0];
		ret = create_checked(&cr, argc - 1, argv + 1);
	}
	nvlist_free(cr.cr_props);
	nvlist_free(cr.cr_fsprops);
	return (ret);
}

/* ---- destroy ----------------------------------------------------------------------------- */

int
zpool_do_destroy(int argc, char **argv)
{
	bool force = false;
	char *why = NULL;
	int c;

	while ((c = getopt(argc, argv, ":f")) != -1) {
		if (c != 'f')
			return (cmd_bad_option(c));
		force = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing pool argument"));
	if (argc > 1)
		return (cmd_usage("too many arguments"));
	nvlist_t *status = zpool_get(argv[0], false);
	if (status == NULL) {
		if (strchr(argv[0], '/') != NULL)
			(void)fprintf(stderr, "use 'zfs destroy' to destroy a dataset\n");
		return (1);
	}
	nvlist_free(status);
	nvlist_t *req = cmd_request("pool_export");
	fnvlist_add_boolean_value(req, "destroy", true);
	fnvlist_add_boolean_value(req, "force", force);
	int err = cmd_call(argv[0], req, NULL, &why);
	if (err == EPERM) {
		kmem_strfree(why);
		why = zfs_mount_denied(argv[0]);
	}
	if (err != 0 && why != NULL)
		(void)fprintf(stderr, "%s\ncould not destroy '%s': could not unmount datasets\n", why,
		    argv[0]);
	else if (err != 0)
		(void)fprintf(stderr, "cannot destroy '%s': %s\n", argv[0], cmd_strerror(err));
	kmem_strfree(why);
	return (err != 0);
}

/* ---- labelclear -------------------------------------------------------------------------- */

static bool
pool_is_imported(const nvlist_t *label)
{
	const char *name = cmd_str(label, "name");
	nvlist_t *ping = NULL;
	bool yes = name != NULL && cmd_call(name, cmd_request("ping"), &ping, NULL) == 0 &&
	    cmd_u64(ping, "guid") == cmd_u64(label, "pool_guid");

	nvlist_free(ping);
	return (yes);
}

static int
labelclear_refused(const char *path, const nvlist_t *label, bool force)
{
	uint64_t state = cmd_u64(label, "state");
	const char *name = cmd_str(label, "name") != NULL ? cmd_str(label, "name") : "";

	if (state == POOL_STATE_ACTIVE && pool_is_imported(label)) {
		(void)printf("\n");
		(void)fprintf(stderr, "%s is a member (%s) of pool \"%s\"", path, "ACTIVE", name);
		return (1);
	}
	if (force || state == POOL_STATE_DESTROYED)
		return (0);
	const char *what = state == POOL_STATE_EXPORTED ? "exported" :
	    state == POOL_STATE_SPARE			 ? "spare of" :
							   "potentially active";
	return (cmd_error("use '-f' to override the following error:\n"
			  "%s is a member of %s pool \"%s\"", path, what, name));
}

int
zpool_do_labelclear(int argc, char **argv)
{
	nvlist_t *label = NULL;
	bool force = false;
	char path[4096];
	int c, nlabels, ret = 0;

	while ((c = getopt(argc, argv, ":f")) != -1) {
		if (c != 'f')
			return (cmd_bad_option(c));
		force = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing vdev name"));
	if (argc > 1)
		return (cmd_usage("too many arguments"));
	(void)snprintf(path, sizeof (path), "%s%s", strchr(argv[0], '/') == NULL ? "/dev/" : "",
	    argv[0]);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return (cmd_error("failed to open %s: %s", path, strerror(errno)));
	(void)close(fd);
	if (vdev_label_probe(path, &label, &nlabels) == 0) {
		ret = labelclear_refused(path, label, force);
	} else if (!force) {
		(void)cmd_error("failed to clear label for %s", path);
		ret = EXIT_MINUS_ONE;
	}
	nvlist_free(label);
	if (ret == 0 && vdev_label_clear(path, true) != 0)
		ret = cmd_error("failed to clear label for %s", path);
	return (ret);
}
