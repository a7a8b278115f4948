/*
 * zpool import, export. Import shows what was found (zpool_import_find.c) or hands one
 * configuration to a new daemon; export ends the daemon of a pool.
 */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>
#include "cmd/zfs.h"
#include "cmd/zpool_import.h"
#include "ondisk/label.h"
#include "vdev/vdev.h"

/* ---- importing one ----------------------------------------------------------------------- */

/* The newest uberblock in the first ring of a device: when it was written. */
static uint64_t
ring_time(const char *path, uint64_t ashift)
{
	uint8_t *ring = kmem_alloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
	size_t size = vdev_uberblock_size(ashift);
	uberblock_t ub, best = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, ring, VDEV_UBERBLOCK_RING_SIZE, VDEV_UBERBLOCK_RING_OFFSET) ==
		VDEV_UBERBLOCK_RING_SIZE) {
		for (size_t off = 0; off + size <= VDEV_UBERBLOCK_RING_SIZE; off += size)
			if (uberblock_decode(ring + off, size, VDEV_UBERBLOCK_RING_OFFSET + off,
				&ub, NULL) == 0 &&
			    uberblock_compare(&ub, &best) > 0)
				best = ub;
	}
	if (fd >= 0)
		(void)close(fd);
	kmem_free(ring, VDEV_UBERBLOCK_RING_SIZE);
	return (best.ub_timestamp);
}

/* When the pool was last written to, as its devices know. */
static uint64_t
last_access(const nvlist_t *vd, uint64_t ashift)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *path = cmd_str(vd, "path");
	uint64_t t = 0;

	if (nvlist_exists(vd, "ashift"))
		ashift = MIN(cmd_u64(vd, "ashift"), 16);
	for (size_t i = 0; i < n; i++)
		t = MAX(t, last_access(child[i], ashift));
	if (path != NULL && cmd_u64(vd, "not_found") == 0)
		t = MAX(t, ring_time(path, ashift));
	return (t);
}

static bool
missing_logs(const nvlist_t *tree)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!zpool_vdev_is_log(child[i]) ||
		    zpool_vdev_stat(child[i], "state") > VDEV_STATE_FAULTED)
			continue;
		if (!any)
			(void)printf("The devices below are missing or corrupted, use '-m' to "
				     "import the pool anyway:\n");
		any = true;
		char *name = zpool_vdev_name(child[i], NULL, 0);
		(void)printf("\t    %s [log]\n", name);
		kmem_strfree(name);
	}
	if (any)
		(void)printf("\n");
	return (any);
}

static int
import_failed(const char *name, const char *newname, int err, const nvlist_t *reply)
{
	const nvlist_t *unsup = cmd_list(reply, "unsup");
	const char *why = cmd_str(reply, "why");

	switch (err) {
	case EEXIST:
		if (newname != NULL && strcmp(name, newname) != 0)
			return (cmd_error("cannot import '%s' as '%s': pool already exists", name,
			    newname));
		return (cmd_error("cannot import '%s': a pool with that name already exists\n"
				  "use the form 'zpool import <pool | id> <newpool>' to give it a "
				  "new name", name));
	case EROFS:
	case ENOTSUP:
		if (unsup != NULL) {
			(void)printf("This pool uses the following feature(s) not supported by "
				     "this system:\n");
			for (nvpair_t *nvp = nvlist_next_nvpair(unsup, NULL); nvp != NULL;
			     nvp = nvlist_next_nvpair(unsup, nvp)) {
				const char *desc = "";
				(void)nvpair_value_string(nvp, &desc);
				(void)printf(desc[0] != '\0' ? "\t%s (%s)\n" : "\t%s\n",
				    nvpair_name(nvp), desc);
			}
			if (err == EROFS)
				(void)printf("All unsupported features are only required for "
					     "writing to the pool.\n"
					     "The pool can be imported using '-o readonly=on'.\n");
		}
		return (cmd_error("cannot import '%s': %s", name,
		    unsup != NULL ? "unsupported version or feature" :
			why != NULL ? why :
				      cmd_strerror(err)));
	case ENXIO:
	case ENOENT:
		(void)printf("\tDestroy and re-create the pool from\n\ta backup source.\n");
		return (cmd_error("cannot import '%s': no such pool or dataset", name));
	case EIO:
	case EBADF:
	case EFAULT:
		(void)printf("\tDestroy and re-create the pool from\n\ta backup source.\n");
		return (cmd_error("cannot import '%s': I/O error", name));
	default:
		return (cmd_error("cannot import '%s': %s", name, why != NULL ? why : cmd_strerror(err)));
	}
}

/* Words that mount understands; others make mounting fail. */
static bool
good_mount_options(const char *options)
{
	static const char *const words[] = { "ro", "rw", "atime", "noatime", "relatime",
		"norelatime", "exec", "noexec", "suid", "nosuid", "setuid", "nosetuid", "dev",
		"nodev", "devices", "nodevices", "xattr", "noxattr", "mand", "nomand", "defaults",
		"remount" };

	for (const char *p = options; *p != '\0';) {
		size_t len = strcspn(p, ",");
		bool good = false;
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			good |= strlen(words[i]) == len && strncmp(p, words[i], len) == 0;
		if (!good)
			return (false);
		p += len + (p[len] == ',');
	}
	return (true);
}

static int
start_import(import_t *im, const nvlist_t *config, const char *name, const char *newname)
{
	nvlist_t *req = nvlist_create(), *props = nvlist_dup(im->im_props), *reply = NULL;
	uint64_t readonly = cmd_u64(props, "readonly");
	int64_t err = 0;
	int ret = 0;

	(void)nvlist_remove_all(props, "readonly");
	fnvlist_add_string(req, "op", "import");
	fnvlist_add_string(req, "name", newname != NULL ? newname : name);
	fnvlist_add_nvlist(req, "config", config);
	fnvlist_add_boolean_value(req, "readonly", readonly != 0);
	fnvlist_add_boolean_value(req, "force", im->im_force);
	fnvlist_add_boolean_value(req, "missing_log", im->im_missing_log);
	bool badopts = im->im_mntopts != NULL && !good_mount_options(im->im_mntopts);
	fnvlist_add_boolean_value(req, "nomount", im->im_nomount || badopts);
	fnvlist_add_nvlist(req, "props", props);
	fnvlist_add_string(req, "history", cmd_history());
	int e = daemon_start(req, &reply);
	if (e != 0)
		err = e;
	else
		(void)nvlist_lookup_int64(reply, "errno", &err);
	if (err != 0) {
		ret = import_failed(name, newname, (int)err, reply);
	} else {
		const char *why = cmd_str(reply, "mount_why");
		if (badopts && !im->im_nomount)
			(void)fprintf(stderr, "cannot mount '%s': Invalid argument\n",
			    newname != NULL ? newname : name);
		else if (why != NULL)
			(void)fprintf(stderr, "%s\n", why);
		if (why != NULL || (badopts && !im->im_nomount))
			(void)fprintf(stderr,
			    "Import was successful, but unable to mount some datasets\n");
	}
	nvlist_free(reply);
	nvlist_free(props);
	nvlist_free(req);
	return (ret);
}

static int
import_one(import_t *im, nvlist_t *config, const char *newname)
{
	const char *name = cmd_str(config, "name"), *why;
	nvlist_t *tree = cmd_list(config, "vdev_tree"), *status;
	char buf[128], when[64];

	import_tree_state(tree);
	uint64_t state = zpool_vdev_stat(tree, "state");
	const char *target = newname != NULL ? newname : name;
	if (newname != NULL && (why = zpool_name_why(newname, false, buf, sizeof (buf))) != NULL)
		return (cmd_error("cannot import '%s': %s", newname, why));
	if ((status = zpool_get(target, true)) != NULL) {
		nvlist_free(status);
		return (import_failed(name, newname, EEXIST, NULL));
	}
	if (import_other_host(config) && !im->im_force) {
		const char *host = cmd_str(config, "hostname");
		return (cmd_error("cannot import '%s': pool was previously in use from another "
				  "system.\nLast accessed by %s (hostid=%" PRIx64 ") at %s\n"
				  "The pool can be imported, use 'zpool import -f' to import the "
				  "pool.",
		    name, host != NULL ? host : "<unknown>", cmd_u64(config, "hostid"),
		    cmd_date(last_access(tree, 9), true, when, sizeof (when))));
	}
	if (im->im_txg != 0 || im->im_checkpoint || (im->im_rewind && im->im_extreme))
		return (cmd_unsupported("cannot import '%s': rewinding a pool", name));
	if (!im->im_missing_log && state > VDEV_STATE_FAULTED && missing_logs(tree))
		return (cmd_error("cannot import '%s': one or more devices is currently unavailable",
		    name));
	/* Without enough devices nobody needs to try. */
	if (state == VDEV_STATE_CANT_OPEN)
		return (import_failed(name, newname, ENXIO, NULL));
	return (start_import(im, config, name, newname));
}

/* ---- choosing ---------------------------------------------------------------------------- */

static int
import_named(import_t *im, const char *which, const char *newname)
{
	nvlist_t *config, *chosen = NULL;
	char *end;
	uint64_t guid = strtoull(which, &end, 10);
	int matches = 0;

	if (*end != '\0')
		guid = 0;
	for (nvpair_t *nvp = nvlist_next_nvpair(im->im_found, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(im->im_found, nvp)) {
		(void)nvpair_value_nvlist(nvp, &config);
		const char *name = cmd_str(config, "name");
		if ((guid != 0 && cmd_u64(config, "pool_guid") == guid) ||
		    (guid == 0 && name != NULL && strcmp(name, which) == 0)) {
			chosen = config;
			matches++;
		}
	}
	if (matches > 1)
		return (cmd_error("cannot import '%s': more than one matching pool\n"
				  "import by numeric ID instead", which));
	if (chosen != NULL)
		return (import_one(im, chosen, newname));
	/* An imported pool of that name is why it is not among the candidates. */
	nvlist_t *status = newname == NULL ? zpool_get(which, true) : NULL;
	if (status != NULL) {
		nvlist_free(status);
		return (import_failed(which, NULL, EEXIST, NULL));
	}
	return (cmd_error("cannot import '%s': no such pool available", which));
}

static int
import_listed(import_t *im)
{
	nvlist_t *config;
	bool first = true;
	int ret = 0;

	for (nvpair_t *nvp = nvlist_next_nvpair(im->im_found, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(im->im_found, nvp)) {
		(void)nvpair_value_nvlist(nvp, &config);
		if (cmd_str(config, "name") == NULL || cmd_list(config, "vdev_tree") == NULL)
			continue;
		if (im->im_all)
			ret |= import_one(im, config, NULL) != 0;
		else
			import_show(config, first);
		first = false;
	}
	if (first)
		(void)fprintf(stderr, "no pools available to import\n");
	return (ret);
}

/* ---- the command ------------------------------------------------------------------------- */

/* -o: a property, or options for mounting. 1: stop with success, as OpenZFS does. */
static int
import_property(import_t *im, char *arg)
{
	char *value = strchr(arg, '='), why[512];

	if (value == NULL) {
		im->im_mntopts = arg;
		return (0);
	}
	*value++ = '\0';
	if (zpool_prop_find(arg) == NULL && strchr(arg, ':') == NULL &&
	    strncmp(arg, "feature@", 8) != 0) {
		(void)cmd_error("property '%s' is not a valid pool or vdev property", arg);
		return (-1);
	}
	if (strcmp(arg, "version") == 0) {
		(void)snprintf(why, sizeof (why), "invalid vdev configuration");
		fnvlist_add_string(im->im_props, "bad", why);
		return (0);
	}
	if (zpool_prop_parse(arg, value, true, im->im_props, why, sizeof (why)) != 0)
		fnvlist_add_string(im->im_props, "bad", why);
	return (0);
}

static int
import_option(import_t *im, int c)
{
	switch (c) {
	case 'a':
		im->im_all = true;
		return (0);
	case 'c':
		im->im_cachefile = optarg;
		return (0);
	case 'd':
		if (im->im_ndirs < ARRAY_SIZE(im->im_dirs))
			im->im_dirs[im->im_ndirs++] = optarg;
		return (0);
	case 'D':
		im->im_destroyed = true;
		return (0);
	case 'f':
		im->im_force = true;
		return (0);
	case 'F':
		im->im_rewind = true;
		return (0);
	case 'l':
		return (0);
	case 'm':
		im->im_missing_log = true;
		return (0);
	case 'n':
		im->im_dryrun = true;
		return (0);
	case 'N':
		im->im_nomount = true;
		return (0);
	case 'o':
		return (import_property(im, optarg));
	case 'R':
		if (optarg[0] != '/')
			return (cmd_error("invalid alternate root '%s': must be an absolute path",
			    optarg));
		fnvlist_add_string(im->im_props, "altroot", optarg);
		if (!nvlist_exists(im->im_props, "cachefile"))
			fnvlist_add_string(im->im_props, "cachefile", "none");
		return (0);
	case 's':
		im->im_scan = true;
		return (0);
	case 't':
		im->im_temporary = true;
		if (!nvlist_exists(im->im_props, "cachefile"))
			fnvlist_add_string(im->im_props, "cachefile", "none");
		return (0);
	case 'T':
		im->im_txg = strtoull(optarg, NULL, 0);
		im->im_rewind = true;
		return (0);
	case 'X':
		im->im_extreme = true;
		return (0);
	case ':':
		/* `import -a -c`, as a boot unit says it: this instance's own cache file. */
		if (optopt != 'c')
			return (cmd_bad_option(c));
		im->im_cachefile = serve_cachefile();
		im->im_default_cache = true;
		return (0);
	case 'C':
		im->im_checkpoint = true;
		return (0);
	case 'V':
		return (0);
	default:
		return (cmd_bad_option(c));
	}
}

static int
import_checked(import_t *im, int argc, char **argv)
{
	int ret;

	if (im->im_cachefile != NULL && im->im_ndirs != 0)
		return (cmd_usage("-c is incompatible with -d"));
	if (im->im_dryrun && !im->im_rewind)
		return (cmd_usage("-n or -X only meaningful with -F"));
	if (im->im_extreme && !im->im_rewind)
		return (cmd_usage("-n or -X only meaningful with -F"));
	if (im->im_all && argc != 0)
		return (cmd_usage("too many arguments"));
	if (argc > 2)
		return (cmd_usage("too many arguments"));
	if ((ret = import_search(im)) != 0)
		return (ret);
	if (argc == 0)
		return (import_listed(im));
	if (cmd_str(im->im_props, "bad") != NULL)
		return (cmd_error("cannot import '%s': %s", argv[0], cmd_str(im->im_props, "bad")));
	return (import_named(im, argv[0], argc == 2 ? argv[1] : NULL));
}

int
zpool_do_import(int argc, char **argv)
{
	static const struct option longopts[] = { { "rewind-to-checkpoint", no_argument, NULL,
						      'C' },
		{ NULL, 0, NULL, 0 } };
	import_t im = { .im_props = nvlist_create() };
	int c, ret = 0;

	while (ret == 0 &&
	    (c = getopt_long(argc, argv, ":aCc:d:DEfFlmnNo:R:stT:VX", longopts, NULL)) != -1)
		ret = import_option(&im, c);
	if (ret == -1)
		ret = 0;
	else if (ret == 0)
		ret = import_checked(&im, argc - optind, argv + optind);
	nvlist_free(im.im_found);
	nvlist_free(im.im_props);
	return (ret);
}

/* ---- export ------------------------------------------------------------------------------ */

typedef struct export_arg {
	bool ea_force;
} export_arg_t;

static int
export_one(const char *pool, nvlist_t *status, void *arg)
{
	export_arg_t *ea = arg;
	nvlist_t *req = cmd_request("pool_export");
	char *why = NULL;

	(void)status;
	fnvlist_add_boolean_value(req, "destroy", false);
	fnvlist_add_boolean_value(req, "force", ea->ea_force);
	int err = cmd_call(pool, req, NULL, &why);
	if (err == EPERM) {
		kmem_strfree(why);
		why = zfs_mount_denied(pool);
	}
	if (err != 0 && why != NULL)
		(void)fprintf(stderr, "%s\n", why);
	else if (err != 0)
		(void)fprintf(stderr, "cannot export '%s': %s\n", pool,
		    err == EBUSY ? "pool is busy" : cmd_strerror(err));
	kmem_strfree(why);
	return (err != 0);
}

int
zpool_do_export(int argc, char **argv)
{
	export_arg_t ea = { false };
	bool all = false;
	int c;

	while ((c = getopt(argc, argv, ":aFf")) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'f':
		case 'F':
			ea.ea_force = true;
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
		return (cmd_usage("missing pool argument"));
	return (zpool_foreach(argc, argv, export_one, &ea, NULL));
}
