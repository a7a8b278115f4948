/* What the commands of zpool have in common: pools by name, states in words, names of vdevs. */
#include <libgen.h>
#include <limits.h>
#include <ctype.h>
#include "cmd/zpool.h"
#include "vdev/vdev.h"

nvlist_t *
zpool_get(const char *pool, bool quiet)
{
	char why[128];
	nvlist_t *status = NULL;
	const char *bad = zpool_name_why(pool, true, why, sizeof (why));
	int err = ENOENT;

	if (bad == NULL && !cmd_pool_hidden(pool))
		err = cmd_call(pool, cmd_request("pool_status"), &status, NULL);
	if (err == 0)
		return (status);
	nvlist_free(status);
	if (!quiet)
		(void)fprintf(stderr, "cannot open '%s': %s\n", pool,
		    bad != NULL	      ? bad :
			err == ENOENT ? "no such pool" :
					cmd_strerror(err));
	return (NULL);
}

int
zpool_foreach(int argc, char **argv, zpool_func_t *func, void *arg, int *found)
{
	char **names = argv;
	size_t n = (size_t)argc;
	int ret = 0, count = 0;

	if (argc == 0)
		cmd_pools(&names, &n);
	for (size_t i = 0; i < n; i++) {
		nvlist_t *status = zpool_get(names[i], argc == 0);
		if (status == NULL) {
			/* A pool that was exported meanwhile is no error when nobody named it. */
			ret |= argc != 0;
			continue;
		}
		count++;
		ret |= func(names[i], status, arg) != 0;
		nvlist_free(status);
	}
	if (argc == 0)
		proto_free_names(names, n);
	if (found != NULL)
		*found = count;
	return (ret);
}

const char *
zpool_state_name(uint64_t state, uint64_t aux)
{
	switch ((vdev_state_t)state) {
	case VDEV_STATE_CLOSED:
	case VDEV_STATE_OFFLINE:
		return ("OFFLINE");
	case VDEV_STATE_REMOVED:
		return ("REMOVED");
	case VDEV_STATE_CANT_OPEN:
		if (aux == VDEV_AUX_CORRUPT_DATA || aux == VDEV_AUX_BAD_LOG)
			return ("FAULTED");
		return (aux == VDEV_AUX_SPLIT_POOL ? "SPLIT" : "UNAVAIL");
	case VDEV_STATE_FAULTED:
		return ("FAULTED");
	case VDEV_STATE_DEGRADED:
		return ("DEGRADED");
	case VDEV_STATE_HEALTHY:
		return ("ONLINE");
	case VDEV_STATE_UNKNOWN:
		break;
	}
	return ("UNKNOWN");
}

const char *
zpool_aux_text(uint64_t aux)
{
	switch ((vdev_aux_t)aux) {
	case VDEV_AUX_OPEN_FAILED:
		return ("cannot open");
	case VDEV_AUX_CORRUPT_DATA:
		return ("corrupted data");
	case VDEV_AUX_NO_REPLICAS:
		return ("insufficient replicas");
	case VDEV_AUX_BAD_GUID_SUM:
		return ("missing device");
	case VDEV_AUX_TOO_SMALL:
		return ("one or more devices is too small");
	case VDEV_AUX_BAD_LABEL:
		return ("invalid label");
	case VDEV_AUX_VERSION_NEWER:
		return ("newer version");
	case VDEV_AUX_UNSUP_FEAT:
		return ("unsupported feature(s)");
	case VDEV_AUX_SPARED:
		return ("currently in use");
	case VDEV_AUX_ERR_EXCEEDED:
		return ("too many errors");
	case VDEV_AUX_IO_FAILURE:
		return ("experienced I/O failures");
	case VDEV_AUX_BAD_LOG:
		return ("bad intent log");
	case VDEV_AUX_EXTERNAL:
		return ("external device fault");
	case VDEV_AUX_EXTERNAL_PERSIST:
		return ("external device fault (persistent)");
	case VDEV_AUX_SPLIT_POOL:
		return ("split into new pool");
	case VDEV_AUX_ACTIVE:
		return ("currently in use");
	case VDEV_AUX_CHILDREN_OFFLINE:
		return ("all children offline");
	case VDEV_AUX_BAD_ASHIFT:
	case VDEV_AUX_ASHIFT_TOO_BIG:
		return ("unsupported minimum blocksize");
	default:
		return ("corrupted data");
	}
}

uint64_t
zpool_vdev_stat(const nvlist_t *vdev, const char *name)
{
	return (cmd_u64(cmd_list(vdev, "vdev_stats"), name));
}

const char *
zpool_health(const nvlist_t *status)
{
	const nvlist_t *tree = cmd_list(status, "vdev_tree");

	if (cmd_u64(status, "suspended") != 0)
		return ("SUSPENDED");
	return (zpool_state_name(zpool_vdev_stat(tree, "state"), zpool_vdev_stat(tree, "aux")));
}

const char *
zpool_name_why(const char *name, bool open, char *buf, size_t size)
{
	static const char *const reserved[] = { "mirror", "raidz", "draid", "spare" };

	/* Existing pools may have names that are reserved today. */
	if (!open) {
		for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
			if (strncmp(name, reserved[i], strlen(reserved[i])) == 0)
				return ("name is reserved");
		if (strcmp(name, "log") == 0)
			return ("name is reserved");
	}
	if (strlen(name) >= ZFS_MAX_DATASET_NAME_LEN)
		return ("name is too long");
	for (const char *p = name; *p != '\0'; p++) {
		if (isalnum((unsigned char)*p) || strchr("-_.: ", *p) != NULL)
			continue;
		(void)snprintf(buf, size, "invalid character '%c' in pool name", *p);
		return (buf);
	}
	if (!isalpha((unsigned char)name[0]))
		return ("name must begin with a letter");
	return (NULL);
}

bool
zpool_vdev_is_log(const nvlist_t *vdev)
{
	return (cmd_u64(vdev, "is_log") != 0);
}

bool
zpool_vdev_is_hole(const nvlist_t *vdev)
{
	const char *type = cmd_str(vdev, "type");

	return (cmd_u64(vdev, "is_hole") != 0 || (type != NULL && strcmp(type, "indirect") == 0));
}

const char *
zpool_vdev_class(const nvlist_t *vdev)
{
	const char *bias = cmd_str(vdev, "alloc_bias");

	return (zpool_vdev_is_log(vdev) ? "log" : bias != NULL ? bias : "normal");
}

/* How a disk is called in short: without its directory and the partition zfs made. */
static char *
short_path(const nvlist_t *vdev, const char *path, int flags)
{
	char buf[PATH_MAX];
	const char *type = cmd_str(vdev, "type");

	if (flags & VDEV_NAME_FOLLOW) {
		char *real = realpath(path, NULL);
		if (real != NULL) {
			(void)snprintf(buf, sizeof (buf), "%s", real);
			free(real);
			path = buf;
		}
	}
	if (type == NULL || strcmp(type, "disk") != 0 || (flags & VDEV_NAME_PATH) ||
	    strncmp(path, "/dev/", 5) != 0)
		return (kmem_strdup(path));
	char name[PATH_MAX];
	(void)snprintf(name, sizeof (name), "%s", strrchr(path, '/') + 1);
	if (cmd_u64(vdev, "whole_disk") == 1) {
		size_t n = strlen(name);
		if (n > 6 && strcmp(name + n - 6, "-part1") == 0)
			name[n - 6] = '\0';
		else if (n > 2 && name[n - 1] == '1' && name[n - 2] == 'p' &&
		    isdigit((unsigned char)name[n - 3]))
			name[n - 2] = '\0';
		else if (n > 1 && name[n - 1] == '1' && isalpha((unsigned char)name[n - 2]))
			name[n - 1] = '\0';
	}
	return (kmem_strdup(name));
}

char *
zpool_vdev_name(const nvlist_t *vdev, const char *pool, int flags)
{
	const char *type = cmd_str(vdev, "type"), *path = cmd_str(vdev, "path");
	uint64_t guid = cmd_u64(vdev, "guid");

	if (type == NULL)
		type = "unknown";
	if (strcmp(type, "root") == 0)
		return (kmem_strdup(pool != NULL ? pool : "root-0"));
	if ((flags & VDEV_NAME_GUID) || cmd_u64(vdev, "not_present") != 0)
		return (kmem_asprintf("%" PRIu64, guid));
	if (path != NULL)
		return (short_path(vdev, path, flags));
	if (strcmp(type, "disk") == 0 || strcmp(type, "file") == 0)
		return (kmem_asprintf("%" PRIu64, guid));
	char buf[64];
	(void)snprintf(buf, sizeof (buf), "%s", type);
	if (strcmp(type, "raidz") == 0)
		(void)snprintf(buf, sizeof (buf), "raidz%" PRIu64, cmd_u64(vdev, "nparity"));
	else if (strcmp(type, "draid") == 0) {
		size_t n;
		(void)cmd_children(vdev, "children", &n);
		(void)snprintf(buf, sizeof (buf),
		    "draid%" PRIu64 ":%" PRIu64 "d:%zuc:%" PRIu64 "s", cmd_u64(vdev, "nparity"),
		    cmd_u64(vdev, "draid_ndata"), n, cmd_u64(vdev, "draid_nspares"));
	}
	return (kmem_asprintf("%s-%" PRIu64, buf, cmd_u64(vdev, "id")));
}

int
zpool_name_width(const nvlist_t *vdev, const char *pool, int flags, int depth, int width)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vdev, "children", &n);
	char *name = zpool_vdev_name(vdev, pool, flags);

	width = MAX(width, depth + (int)strlen(name));
	kmem_strfree(name);
	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]))
			width = zpool_name_width(child[i], pool, flags, depth + 2, width);
	return (width);
}

static bool
vdev_called(const nvlist_t *vdev, const char *pool, const char *name)
{
	static const int flags[] = { 0, VDEV_NAME_PATH, VDEV_NAME_GUID };
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && !found; i++) {
		char *s = zpool_vdev_name(vdev, pool, flags[i]);
		found = strcmp(s, name) == 0;
		kmem_strfree(s);
	}
	if (!found && cmd_u64(vdev, "whole_disk") == 1) {
		/* /dev/sdb for its first partition. */
		nvlist_t *copy = nvlist_dup(vdev);
		const char *path = cmd_str(vdev, "path");
		char *s = zpool_vdev_name(copy, pool, 0);
		const char *base = strrchr(name, '/');
		found = path != NULL && base != NULL && strcmp(base + 1, s) == 0 &&
		    strncmp(path, name, strlen(name)) == 0;
		kmem_strfree(s);
		nvlist_free(copy);
	}
	return (found);
}

const nvlist_t *
zpool_find_vdev(const nvlist_t *tree, const char *pool, const char *name)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	const nvlist_t *found = vdev_called(tree, pool, name) ? tree : NULL;

	for (size_t i = 0; i < n && found == NULL; i++)
		if (!zpool_vdev_is_hole(child[i]))
			found = zpool_find_vdev(child[i], pool, name);
	return (found);
}
