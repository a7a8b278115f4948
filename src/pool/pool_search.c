/*
 * Finding pools (format/01 §12, rows 1–2): read the labels of every candidate, group them
 * by pool, take of each top-level vdev the description with the highest txg, and put the
 * tree together. Leaves that were not found keep their old path and are marked.
 *
 * Nothing is written and nothing is locked; what is found is only a hint for the import.
 */
#include <dirent.h>
#include <sys/stat.h>
#include "pool/pool_impl.h"
#include "vdev/vdev_label.h"

#define SEARCH_MAX_DEVICES 100000

typedef struct found_dev {
	list_node_t fd_node;
	char *fd_path;
	nvlist_t *fd_label;
	uint64_t fd_guid, fd_pool, fd_top, fd_txg;
} found_dev_t;

typedef struct search {
	list_t sr_devs;
	size_t sr_count;
	bool sr_destroyed;
} search_t;

static uint64_t
lookup_u64(const nvlist_t *nvl, const char *name)
{
	uint64_t v = 0;

	(void)nvlist_lookup_uint64(nvl, name, &v);
	return (v);
}

static void
search_device(search_t *sr, const char *path)
{
	nvlist_t *label;
	found_dev_t *fd;
	int nlabels;

	if (sr->sr_count >= SEARCH_MAX_DEVICES || vdev_label_probe(path, &label, &nlabels) != 0)
		return;
	uint64_t state = lookup_u64(label, "state");
	uint64_t guid = lookup_u64(label, "guid");
	bool wanted = state <= POOL_STATE_DESTROYED && guid != 0 &&
	    lookup_u64(label, "txg") != 0 && lookup_u64(label, "pool_guid") != 0 &&
	    nvlist_exists(label, "vdev_tree") &&
	    (state == POOL_STATE_DESTROYED) == sr->sr_destroyed;
	if (!wanted) {
		nvlist_free(label);
		return;
	}
	/* One device under two names (links): the first one counts. */
	for (fd = list_head(&sr->sr_devs); fd != NULL; fd = list_next(&sr->sr_devs, fd)) {
		if (fd->fd_guid == guid && fd->fd_pool == lookup_u64(label, "pool_guid") &&
		    fd->fd_txg >= lookup_u64(label, "txg")) {
			nvlist_free(label);
			return;
		}
	}
	fd = kmem_zalloc(sizeof (*fd), KM_SLEEP);
	fd->fd_path = kmem_strdup(path);
	fd->fd_label = label;
	fd->fd_guid = guid;
	fd->fd_pool = lookup_u64(label, "pool_guid");
	fd->fd_top = lookup_u64(label, "top_guid");
	fd->fd_txg = lookup_u64(label, "txg");
	list_insert_tail(&sr->sr_devs, fd);
	sr->sr_count++;
}

static int
search_path(search_t *sr, const char *path)
{
	struct stat st;
	struct dirent **names = NULL;

	if (stat(path, &st) != 0)
		return (errno);
	if (!S_ISDIR(st.st_mode)) {
		search_device(sr, path);
		return (0);
	}
	int n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		return (errno);
	for (int i = 0; i < n; i++) {
		char *full = kmem_asprintf("%s/%s", path, names[i]->d_name);
		if (stat(full, &st) == 0 &&
		    ((S_ISREG(st.st_mode) && (uint64_t)st.st_size >= SPA_MINDEVSIZE) ||
			S_ISBLK(st.st_mode)))
			search_device(sr, full);
		kmem_strfree(full);
		free(names[i]);
	}
	free(names);
	return (0);
}

/* Put the paths where the devices are now into a tree; mark what was not found. */
static nvlist_t *
locate(search_t *sr, uint64_t pool, const nvlist_t *node)
{
	nvlist_t *copy = nvlist_dup(node);
	nvlist_t *const *child;
	uint64_t guid = lookup_u64(node, "guid");
	size_t n;

	if (nvlist_exists(node, "path")) {
		found_dev_t *fd = list_head(&sr->sr_devs);
		while (fd != NULL && !(fd->fd_guid == guid && fd->fd_pool == pool))
			fd = list_next(&sr->sr_devs, fd);
		if (fd != NULL)
			fnvlist_add_string(copy, "path", fd->fd_path);
		else
			fnvlist_add_uint64(copy, "not_found", 1);
	}
	if (nvlist_lookup_nvlist_array(node, "children", &child, &n) == 0 && n > 0) {
		nvlist_t **copies = kmem_alloc(n * sizeof (*copies), KM_SLEEP);
		for (size_t i = 0; i < n; i++)
			copies[i] = locate(sr, pool, child[i]);
		fnvlist_add_nvlist_array(copy, "children", (const nvlist_t *const *)copies, n);
		for (size_t i = 0; i < n; i++)
			nvlist_free(copies[i]);
		kmem_free(copies, n * sizeof (*copies));
	}
	return (copy);
}

static found_dev_t *
best_of(search_t *sr, uint64_t pool, uint64_t id, bool any)
{
	found_dev_t *best = NULL;
	nvlist_t *tree;

	for (found_dev_t *fd = list_head(&sr->sr_devs); fd; fd = list_next(&sr->sr_devs, fd)) {
		if (fd->fd_pool != pool ||
		    nvlist_lookup_nvlist(fd->fd_label, "vdev_tree", &tree) != 0)
			continue;
		if (!any && lookup_u64(tree, "id") != id)
			continue;
		if (best == NULL || fd->fd_txg > best->fd_txg)
			best = fd;
	}
	return (best);
}

static bool
in_hole_array(const nvlist_t *label, uint64_t id)
{
	const uint64_t *holes;
	size_t n;

	if (nvlist_lookup_uint64_array(label, "hole_array", &holes, &n) != 0)
		return (false);
	for (size_t i = 0; i < n; i++)
		if (holes[i] == id)
			return (true);
	return (false);
}

static nvlist_t *
placeholder(const char *type, uint64_t id)
{
	nvlist_t *nv = nvlist_create();

	fnvlist_add_string(nv, "type", type);
	fnvlist_add_uint64(nv, "id", id);
	fnvlist_add_uint64(nv, "guid", 0);
	if (strcmp(type, "hole") == 0)
		fnvlist_add_uint64(nv, "is_hole", 1);
	return (nv);
}

/* The whole configuration of one pool from the labels of its devices. */
static nvlist_t *
assemble(search_t *sr, uint64_t pool)
{
	found_dev_t *newest = best_of(sr, pool, 0, true);
	uint64_t ntops = lookup_u64(newest->fd_label, "vdev_children");
	nvlist_t *config = nvlist_dup(newest->fd_label), *root = nvlist_create();

	/* A hostile label could ask for any number of top-levels. */
	if (ntops == 0 || ntops > SEARCH_MAX_DEVICES)
		ntops = 1;
	nvlist_t **tops = kmem_alloc(ntops * sizeof (*tops), KM_SLEEP);
	for (uint64_t id = 0; id < ntops; id++) {
		found_dev_t *fd = best_of(sr, pool, id, false);
		nvlist_t *tree;
		if (fd != NULL && nvlist_lookup_nvlist(fd->fd_label, "vdev_tree", &tree) == 0)
			tops[id] = locate(sr, pool, tree);
		else
			tops[id] = placeholder(
			    in_hole_array(newest->fd_label, id) ? "hole" : "missing", id);
	}
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_uint64(root, "guid", pool);
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)tops, ntops);
	for (uint64_t id = 0; id < ntops; id++)
		nvlist_free(tops[id]);
	kmem_free(tops, ntops * sizeof (*tops));
	fnvlist_add_nvlist(config, "vdev_tree", root);
	nvlist_free(root);
	/* These speak of one device, not of the pool. */
	(void)nvlist_remove_all(config, "guid");
	(void)nvlist_remove_all(config, "top_guid");
	return (config);
}

int
pool_search(const char *const *paths, size_t npaths, bool destroyed, nvlist_t **outp)
{
	search_t sr = { .sr_destroyed = destroyed };
	nvlist_t *out = nvlist_create();
	found_dev_t *fd;
	int err = 0;

	list_create(&sr.sr_devs, sizeof (found_dev_t), offsetof(found_dev_t, fd_node));
	for (size_t i = 0; i < npaths && err == 0; i++) {
		/* The daemon works elsewhere: paths in configurations are absolute. */
		char *full = paths[i][0] == '/' ? NULL : realpath(paths[i], NULL);
		err = search_path(&sr, full != NULL ? full : paths[i]);
		free(full);
	}
	for (fd = list_head(&sr.sr_devs); fd != NULL && err == 0;
	     fd = list_next(&sr.sr_devs, fd)) {
		char key[24];
		(void)snprintf(key, sizeof (key), "%" PRIu64, fd->fd_pool);
		if (nvlist_exists(out, key))
			continue;
		nvlist_t *config = assemble(&sr, fd->fd_pool);
		fnvlist_add_nvlist(out, key, config);
		nvlist_free(config);
	}
	while ((fd = list_remove_head(&sr.sr_devs)) != NULL) {
		kmem_strfree(fd->fd_path);
		nvlist_free(fd->fd_label);
		kmem_free(fd, sizeof (*fd));
	}
	if (err != 0) {
		nvlist_free(out);
		return (err);
	}
	*outp = out;
	return (0);
}
