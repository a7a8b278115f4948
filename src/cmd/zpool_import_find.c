/*
 * Finding pools that could be imported: by the labels on devices (pool_search), or by the paths
 * in a cache file; and showing them.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zpool_import.h"
#include "vdev/vdev.h"
#include "vdev/vdev_label.h"

/* ---- looking for pools ------------------------------------------------------------------- */

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
		char copy[PATH_MAX];
		(void)snprintf(copy, sizeof (copy), "%s", path);
		paths_add(p, dirname(copy));
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

int
import_search(import_t *im)
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

/* ---- states before import ---------------------------------------------------------------- */

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

bool
import_other_host(const nvlist_t *config)
{
	uint64_t hostid = cmd_u64(config, "hostid");

	return (cmd_u64(config, "state") == POOL_STATE_ACTIVE && hostid != 0 &&
	    hostid != spa_get_hostid());
}

void
import_tree_state(nvlist_t *tree)
{
	tree_state(tree, 0);
}

/* ---- showing what was found -------------------------------------------------------------- */

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
	if ((reason == REASON_OK || reason == REASON_FEAT_DISABLED) && import_other_host(config))
		return (REASON_HOSTID_MISMATCH);
	/* What concerns features is found out by opening the pool. */
	if (reason == REASON_FEAT_DISABLED || reason == REASON_COMPATIBILITY)
		return (REASON_OK);
	return (reason);
}

void
import_show(nvlist_t *config, bool first)
{
	nvlist_t *tree = cmd_list(config, "vdev_tree");
	const char *comment = cmd_str(config, "comment"), *name = cmd_str(config, "name");
	/* With a comment all titles move one to the right. */
	const char *pad = comment != NULL ? " " : "";

	import_tree_state(tree);
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
