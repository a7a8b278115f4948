/*
 * zpool import, export. Import finds pools by the labels on devices (pool_search), or by the paths
 * in a cache file, shows them or hands one configuration to a new daemon.
 */
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zfs.h"
#include "cmd/zpool.h"
#include "ondisk/label.h"
#include "vdev/vdev.h"
#include "vdev/vdev_label.h"

typedef struct import {
	bool im_all, im_destroyed, im_force, im_nomount, im_missing_log, im_scan;
	bool im_rewind, im_dryrun, im_extreme, im_checkpoint, im_temporary;
	const char *im_cachefile, *im_mntopts;
	bool im_default_cache;
	char *im_dirs[256];
	size_t im_ndirs;
	uint64_t im_txg;
	nvlist_t *im_props;
	nvlist_t *im_found; /* guid -> config, in the order of discovery */
} import_t;

/* ---- looking for pools ------------------------------------------------------------------------ */

/* Guids of the pools that are imported already. */
static nvlist_t *
imported_guids(void)
{
	nvlist_t *out = nvlist_create(), *ping;
	char **names, key[24];
	size_t n;

	if (proto_pools(&names, &n) != 0)
		return (out);
	for (size_t i = 0; i < n; i++) {
		ping = NULL;
		if (cmd_call(names[i], cmd_request("ping"), &ping, NULL) == 0) {
			(void)snprintf(key, sizeof (key), "%" PRIu64, cmd_u64(ping, "guid"));
			fnvlist_add_boolean(out, key);
		}
		nvlist_free(ping);
	}
	proto_free_names(names, n);
	return (out);
}

typedef struct paths {
	char **p_list;
	size_t p_n, p_room;
} paths_t;

static void
paths_add(paths_t *p, const char *path)
{
	for (size_t i = 0; i < p->p_n; i++)
		if (strcmp(p->p_list[i], path) == 0)
			return;
	if (p->p_n == p->p_room) {
		size_t room = p->p_room == 0 ? 16 : p->p_room * 2;
		char **more = kmem_zalloc(room * sizeof (char *), KM_SLEEP);
		if (p->p_n > 0)
			memcpy(more, p->p_list, p->p_n * sizeof (char *));
		kmem_free(p->p_list, p->p_room * sizeof (char *));
		p->p_list = more;
		p->p_room = room;
	}
	p->p_list[p->p_n++] = kmem_strdup(path);
}

static void
paths_free(paths_t *p)
{
	for (size_t i = 0; i < p->p_n; i++)
		kmem_strfree(p->p_list[i]);
	kmem_free(p->p_list, p->p_room * sizeof (char *));
}

/* The paths of all leaves of a configuration; their directories instead if asked. */
static void
paths_of_tree(paths_t *p, const nvlist_t *vd, bool dirs)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *path = cmd_str(vd, "path");

	if (path != NULL && dirs) {
		char *copy = kmem_strdup(path);
		paths_add(p, dirname(copy));
		kmem_strfree(copy);
	} else if (path != NULL) {
		paths_add(p, path);
	}
	for (size_t i = 0; i < n; i++)
		paths_of_tree(p, child[i], dirs);
}

static void
paths_of_cachefile(paths_t *p, const nvlist_t *pools, bool dirs)
{
	nvlist_t *config;

	for (nvpair_t *nvp = nvlist_next_nvpair(pools, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(pools, nvp))
		if (nvpair_value_nvlist(nvp, &config) == 0 && cmd_list(config, "vdev_tree") != NULL)
			paths_of_tree(p, cmd_list(config, "vdev_tree"), dirs);
}

/* Where to look when nothing is said: devices, and where pools have been before. */
static void
default_paths(paths_t *p)
{
	const char *env = getenv("ZPOOL_IMPORT_PATH");
	nvlist_t *cached;

	if (env != NULL && env[0] != '\0') {
		while (*env != '\0') {
			size_t len = strcspn(env, ":");
			char *one = kmem_asprintf("%.*s", (int)len, env);
			paths_add(p, one);
			kmem_strfree(one);
			env += len + (env[len] == ':');
		}
		return;
	}
	paths_add(p, "/dev/disk/by-vdev");
	paths_add(p, "/dev/mapper");
	paths_add(p, "/dev");
	if (pool_cachefile_read(serve_cachefile(), &cached) == 0) {
		paths_of_cachefile(p, cached, true);
		nvlist_free(cached);
	}
}

static void
drop_unreadable(paths_t *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->p_n; i++) {
		if (access(p->p_list[i], R_OK) == 0)
			p->p_list[n++] = p->p_list[i];
		else
			kmem_strfree(p->p_list[i]);
	}
	p->p_n = n;
}

/* A pool that is imported, or is not in the cache file that was named, is none of the candidates. */
static void
filter_found(import_t *im, nvlist_t *all, const nvlist_t *cached)
{
	nvlist_t *imported = imported_guids(), *config, *entry;
	nvlist_t *out = nvlist_create();

	for (nvpair_t *nvp = nvlist_prev_nvpair(all, NULL); nvp != NULL;
	     nvp = nvlist_prev_nvpair(all, nvp)) {
		bool wanted = cached == NULL;
		if (nvpair_value_nvlist(nvp, &config) != 0 ||
		    nvlist_exists(imported, nvpair_name(nvp)) ||
		    cmd_pool_hidden(cmd_str(config, "name") != NULL ? cmd_str(config, "name") : ""))
			continue;
		for (nvpair_t *c = nvlist_next_nvpair(cached, NULL); !wanted && c != NULL;
		     c = nvlist_next_nvpair(cached, c))
			wanted = nvpair_value_nvlist(c, &entry) == 0 &&
			    cmd_u64(entry, "pool_guid") == cmd_u64(config, "pool_guid");
		if (wanted)
			fnvlist_add_nvlist(out, nvpair_name(nvp), config);
	}
	nvlist_free(imported);
	im->im_found = out;
}

static int
search(import_t *im)
{
	nvlist_t *cached = NULL, *all = NULL;
	paths_t p = { 0 };
	int err = 0;

	if (im->im_cachefile != NULL) {
		err = pool_cachefile_read(im->im_cachefile, &cached);
		if (err == ENOENT && im->im_default_cache)
			return (0); /* nothing was imported */
		if (err != 0)
			return (cmd_error("failed to open cache file: %s",
			    err == EFAULT || err == EINVAL ? "invalid or corrupt cache file contents" :
							     strerror(err)));
		paths_of_cachefile(&p, cached, false);
	} else if (im->im_ndirs > 0) {
		for (size_t i = 0; i < im->im_ndirs; i++)
			paths_add(&p, im->im_dirs[i]);
	} else {
		default_paths(&p);
	}
	drop_unreadable(&p);
	err = pool_search((const char *const *)p.p_list, p.p_n, im->im_destroyed, &all);
	paths_free(&p);
	if (err == 0)
		filter_found(im, all, cached);
	nvlist_free(all);
	nvlist_free(cached);
	return (err == 0 ? 0 : cmd_error("cannot discover pools: %s", cmd_strerror(err)));
}

/* ---- states before import ------------------------------------------------------------------------- */

static void
set_state(nvlist_t *vd, uint64_t state, uint64_t aux)
{
	nvlist_t *stats = nvlist_create();

	fnvlist_add_uint64(stats, "state", state);
	fnvlist_add_uint64(stats, "aux", aux);
	fnvlist_add_nvlist(vd, "vdev_stats", stats);
	nvlist_free(stats);
}

/* A device that was not among those searched may still be where the pool knew it. */
static bool
found_at_path(const nvlist_t *vd, uint64_t pool_guid)
{
	nvlist_t *label = NULL;
	int nlabels;
	bool found = cmd_str(vd, "path") != NULL &&
	    vdev_label_probe(cmd_str(vd, "path"), &label, &nlabels) == 0 &&
	    cmd_u64(label, "guid") == cmd_u64(vd, "guid") &&
	    cmd_u64(label, "pool_guid") == pool_guid;

	nvlist_free(label);
	return (found);
}

static void
leaf_state(nvlist_t *vd, uint64_t pool_guid)
{
	const char *path = cmd_str(vd, "path");
	struct stat st;

	if (cmd_u64(vd, "not_found") != 0 && found_at_path(vd, pool_guid))
		(void)nvlist_remove_all(vd, "not_found");
	/* Away at the last import, here again. */
	if (cmd_u64(vd, "not_found") == 0)
		(void)nvlist_remove_all(vd, "not_present");

	if (cmd_u64(vd, "offline") != 0)
		set_state(vd, VDEV_STATE_OFFLINE, VDEV_AUX_NONE);
	else if (cmd_u64(vd, "faulted") != 0)
		set_state(vd, VDEV_STATE_FAULTED, VDEV_AUX_ERR_EXCEEDED);
	else if (cmd_u64(vd, "not_found") == 0)
		set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
	else if (path != NULL && stat(path, &st) == 0)
		set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_BAD_LABEL);
	else
		set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_OPEN_FAILED);
}

/* From the leaves upwards, as opening them would find it. A log that is missing only degrades. */
static void
tree_state(nvlist_t *vd, uint64_t pool_guid)
{
	const char *type = cmd_str(vd, "type");
	size_t n, broken = 0, degraded = 0;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	bool root = type != NULL && strcmp(type, "root") == 0, missing = false;

	if (root)
		pool_guid = cmd_u64(vd, "guid");
	if (type != NULL && (strcmp(type, "hole") == 0 || strcmp(type, "indirect") == 0)) {
		set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
		return;
	}
	if (type != NULL && strcmp(type, "missing") == 0) {
		set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_OPEN_FAILED);
		return;
	}
	if (n == 0) {
		leaf_state(vd, pool_guid);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const char *ctype = cmd_str(child[i], "type");
		tree_state(child[i], pool_guid);
		uint64_t state = zpool_vdev_stat(child[i], "state");
		bool bad = state <= VDEV_STATE_FAULTED;
		if (bad && !(root && zpool_vdev_is_log(child[i])))
			broken++;
		else if (state < VDEV_STATE_HEALTHY)
			degraded++;
		missing |= ctype != NULL && strcmp(ctype, "missing") == 0;
	}
	size_t tolerated = root ? 0 : type != NULL && strncmp(type, "raidz", 5) == 0 ? cmd_u64(vd, "nparity") :
	    type != NULL && strcmp(type, "draid") == 0 ? cmd_u64(vd, "nparity") :
							 n - 1;
	if (root && missing)
		set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_BAD_GUID_SUM);
	else if (broken > tolerated)
		set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_NO_REPLICAS);
	else
		set_state(vd, broken + degraded > 0 ? VDEV_STATE_DEGRADED : VDEV_STATE_HEALTHY,
		    VDEV_AUX_NONE);
}

static bool
other_host(const nvlist_t *config)
{
	uint64_t hostid = cmd_u64(config, "hostid");

	return (cmd_u64(config, "state") == POOL_STATE_ACTIVE && hostid != 0 &&
	    hostid != spa_get_hostid());
}

/* ---- showing what was found -------------------------------------------------------------------------- */

static void
list_vdev(const nvlist_t *vd, const char *pool, int depth, int width, const char *class)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	uint64_t state = zpool_vdev_stat(vd, "state"), aux = zpool_vdev_stat(vd, "aux");
	char *name = zpool_vdev_name(vd, pool, 0);

	(void)printf("\t%*s%-*s  %s", depth, "", width - depth, name, zpool_state_name(state, aux));
	if (aux != VDEV_AUX_NONE)
		(void)printf("  %s", zpool_aux_text(aux));
	(void)putchar('\n');
	kmem_strfree(name);
	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]) &&
		    (class == NULL || strcmp(zpool_vdev_class(child[i]), class) == 0))
			list_vdev(child[i], pool, depth + 2, width, NULL);
}

static void
list_class(const nvlist_t *tree, const char *pool, int width, const char *class, const char *title)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	bool titled = false;

	for (size_t i = 0; i < n; i++) {
		if (zpool_vdev_is_hole(child[i]) || strcmp(zpool_vdev_class(child[i]), class) != 0)
			continue;
		if (!titled)
			(void)printf("\t%s\t\n", title);
		titled = true;
		list_vdev(child[i], pool, 2, width, NULL);
	}
}

static const struct {
	zpool_reason_t reason;
	const char *status, *action[2];
} texts[] = {
	{ REASON_OK, NULL,
	    { "The pool can be imported using its name or numeric identifier.", NULL } },
	{ REASON_MISSING_DEV_R, "One or more devices are missing from the system.",
	    { "The pool can be imported despite missing or damaged devices.  The",
		"fault tolerance of the pool may be compromised if imported." } },
	{ REASON_MISSING_DEV_NR, "One or more devices are missing from the system.",
	    { "The pool cannot be imported. Attach the missing", "devices and try again." } },
	{ REASON_BAD_GUID_SUM, "One or more devices are missing from the system.",
	    { "The pool cannot be imported. Attach the missing", "devices and try again." } },
	{ REASON_CORRUPT_LABEL_R, "One or more devices contains corrupted data.",
	    { "The pool can be imported despite missing or damaged devices.  The",
		"fault tolerance of the pool may be compromised if imported." } },
	{ REASON_CORRUPT_LABEL_NR, "One or more devices contains corrupted data.",
	    { "The pool cannot be imported due to damaged devices or data.", NULL } },
	{ REASON_FAULTED_DEV_R, "One or more devices are faulted.",
	    { "The pool can be imported despite missing or damaged devices.  The",
		"fault tolerance of the pool may be compromised if imported." } },
	{ REASON_FAULTED_DEV_NR, "One or more devices are faulted.",
	    { "The pool cannot be imported due to damaged devices or data.", NULL } },
	{ REASON_OFFLINE_DEV, "One or more devices were being resilvered or are offlined.",
	    { "The pool can be imported despite missing or damaged devices.  The",
		"fault tolerance of the pool may be compromised if imported." } },
	{ REASON_HOSTID_MISMATCH, "The pool was last accessed by another system.",
	    { "The pool can be imported using its name or numeric identifier and",
		"the '-f' flag." } },
};

static zpool_reason_t
import_reason(const nvlist_t *config)
{
	nvlist_t *status = nvlist_create();
	zpool_reason_t reason;

	fnvlist_add_nvlist(status, "vdev_tree", cmd_list(config, "vdev_tree"));
	fnvlist_add_uint64(status, "version", cmd_u64(config, "version"));
	reason = zpool_reason(status);
	nvlist_free(status);
	if ((reason == REASON_OK || reason == REASON_FEAT_DISABLED) && other_host(config))
		return (REASON_HOSTID_MISMATCH);
	/* What concerns features is found out by opening the pool. */
	if (reason == REASON_FEAT_DISABLED || reason == REASON_COMPATIBILITY)
		return (REASON_OK);
	return (reason);
}

static void
show_pool(nvlist_t *config, bool first)
{
	nvlist_t *tree = cmd_list(config, "vdev_tree");
	const char *comment = cmd_str(config, "comment"), *name = cmd_str(config, "name");
	/* With a comment all titles move one to the right. */
	const char *pad = comment != NULL ? " " : "";

	tree_state(tree, 0);
	zpool_reason_t reason = import_reason(config);
	if (!first)
		(void)printf("\n");
	(void)printf("%s  pool: %s\n%s    id: %" PRIu64 "\n%s state: %s%s\n", pad, name, pad,
	    cmd_u64(config, "pool_guid"), pad,
	    zpool_state_name(zpool_vdev_stat(tree, "state"), zpool_vdev_stat(tree, "aux")),
	    cmd_u64(config, "state") == POOL_STATE_DESTROYED ? " (DESTROYED)" : "");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].reason != reason)
			continue;
		if (texts[i].status != NULL)
			(void)printf("%sstatus: %s\n", pad, texts[i].status);
		(void)printf("%saction: %s\n", pad, texts[i].action[0]);
		if (texts[i].action[1] != NULL)
			(void)printf("\t%s%s\n", pad, texts[i].action[1]);
	}
	if (comment != NULL)
		(void)printf("comment: %s\n", comment);
	if (zpool_reason_code(reason) != NULL)
		(void)printf("%s   see: https://openzfs.github.io/openzfs-docs/msg/%s\n", pad,
		    zpool_reason_code(reason));
	int width = MAX(10, zpool_name_width(tree, name, 0, 0, 0));
	(void)printf("%sconfig:\n\n", pad);
	list_vdev(tree, name, 0, width, "normal");
	list_class(tree, name, width, "dedup", "dedup");
	list_class(tree, name, width, "special", "special");
	list_class(tree, name, width, "log", "logs");
}

/* ---- importing one ---------------------------------------------------------------------------------------- */

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

	tree_state(tree, 0);
	uint64_t state = zpool_vdev_stat(tree, "state");
	const char *target = newname != NULL ? newname : name;
	if (newname != NULL && (why = zpool_name_why(newname, false, buf, sizeof (buf))) != NULL)
		return (cmd_error("cannot import '%s': %s", newname, why));
	if ((status = zpool_get(target, true)) != NULL) {
		nvlist_free(status);
		return (import_failed(name, newname, EEXIST, NULL));
	}
	if (other_host(config) && !im->im_force) {
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

/* ---- choosing --------------------------------------------------------------------------------------------------- */

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
			show_pool(config, first);
		first = false;
	}
	if (first)
		(void)fprintf(stderr, "no pools available to import\n");
	return (ret);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

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
	if ((ret = search(im)) != 0)
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

/* ---- export ---------------------------------------------------------------------------------------- */

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
