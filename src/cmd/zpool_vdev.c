/*
 * From the words after the pool's name to a tree of vdevs:
 *
 *      [mirror | raidz[123] | draid…] device…  [log | cache | spare | special | dedup] …
 *
 * Three steps, each of which may refuse: the grammar with every path resolved; devices that
 * belong to somebody else; and, unless forced, sizes and redundancy that do not match. The daemon
 * opens what comes out of this.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zpool.h"
#include "vdev/vdev_label.h"

/* Sizes that differ by less are the same (disks of one model do). */
#define SIZE_TOLERANCE (16ULL << 20)

/* ---- complaints -------------------------------------------------------------------------- */

static bool complained, forced;

/* All complaints of one kind stand below one heading. */
static void __attribute__((format(printf, 1, 2)))
complain(const char *fmt, ...)
{
	va_list ap;

	if (!complained) {
		(void)fprintf(stderr, "invalid vdev specification\n%s\n",
		    forced ? "the following errors must be manually repaired:" :
			     "use '-f' to override the following errors:");
		complained = true;
	}
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* ---- grammar ----------------------------------------------------------------------------- */

typedef struct group {
	const char *g_word; /* as typed: "raidz2" */
	const char *g_type; /* "mirror", "raidz", "draid" */
	uint64_t g_nparity;
	size_t g_min, g_max;
} group_t;

/* "raidz2:3d:5c:1s" as far as the part before the colon says. */
static bool
parse_group(const char *word, group_t *g)
{
	static const char *const parity_words[] = { "raidz", "draid" };

	memset(g, 0, sizeof (*g));
	g->g_word = word;
	g->g_max = INT_MAX;
	if (strcmp(word, "mirror") == 0) {
		g->g_type = "mirror";
		g->g_min = 2;
		return (true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parity_words); i++) {
		size_t n = strlen(parity_words[i]);
		const char *rest = word + n;
		if (strncmp(word, parity_words[i], n) != 0)
			continue;
		g->g_nparity = 1;
		if (*rest >= '1' && *rest <= '3')
			g->g_nparity = (uint64_t)(*rest++ - '0');
		if (*rest != '\0' && !(i == 1 && *rest == ':'))
			return (false);
		g->g_type = parity_words[i];
		g->g_min = g->g_nparity + 1;
		g->g_max = 255;
		return (true);
	}
	return (false);
}

static bool
is_class_word(const char *word)
{
	static const char *const words[] = { "spare", "log", "cache", "special", "dedup" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0)
			return (true);
	return (false);
}

static nvlist_t *
make_leaf(const char *arg)
{
	static const char *const dirs[] = { "/dev", "/dev/disk/by-id", "/dev/disk/by-path",
		"/dev/disk/by-uuid", "/dev/disk/by-vdev", "/dev/disk/by-partuuid", "/dev/mapper" };
	char path[PATH_MAX];
	struct stat st;

	if (arg[0] == '/') {
		if (stat(arg, &st) != 0) {
			(void)fprintf(stderr, "cannot resolve path '%s'\n", arg);
			return (NULL);
		}
		(void)snprintf(path, sizeof (path), "%s", arg);
	} else {
		bool found = false;
		for (size_t i = 0; i < ARRAY_SIZE(dirs) && !found; i++) {
			(void)snprintf(path, sizeof (path), "%s/%s", dirs[i], arg);
			found = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
		}
		if (!found) {
			(void)fprintf(stderr,
			    "cannot open '%s': no such device in /dev\n"
			    "must be a full path or shorthand device name\n",
			    arg);
			return (NULL);
		}
	}
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
		(void)fprintf(stderr, "cannot use '%s': must be a block device or regular file\n", path);
		return (NULL);
	}
	nvlist_t *vd = nvlist_create();
	fnvlist_add_string(vd, "type", S_ISBLK(st.st_mode) ? "disk" : "file");
	fnvlist_add_string(vd, "path", path);
	if (S_ISBLK(st.st_mode))
		fnvlist_add_uint64(vd, "whole_disk", 0);
	return (vd);
}

/* The numbers of "draid2:4d:1s:11c"; what does not fit together is refused in OpenZFS's words. */
static int
draid_numbers(const char *word, uint64_t nparity, uint64_t children, nvlist_t *vd)
{
	uint64_t ndata = UINT64_MAX, nspares = 0, want = children;
	const char *p = strchr(word, ':');

	while (p != NULL && *p == ':') {
		char *end;
		uint64_t v = strtoull(p + 1, &end, 10);
		if (end == p + 1 || (end[1] != ':' && end[1] != '\0') ||
		    strchr("dcs", tolower((unsigned char)*end)) == NULL || *end == '\0')
			return (cmd_error("invalid dRAID syntax; expected "
					  "[:<number><c|d|s>] not '%s'", word));
		switch (tolower((unsigned char)*end)) {
		case 'd':
			ndata = v;
			break;
		case 'c':
			want = v;
			break;
		default:
			nspares = v;
			break;
		}
		p = end + 1;
	}
	if (want != children)
		return (cmd_error("invalid number of dRAID children; %" PRIu64
				  " required but %" PRIu64 " provided", want, children));
	if (nspares > 100)
		return (cmd_error("invalid number of dRAID spares %" PRIu64
				  "; additional disks would be required", nspares));
	uint64_t max = children > nspares + nparity ? children - nspares - nparity : 0;
	if (ndata == UINT64_MAX)
		ndata = MIN(max, 8);
	if (ndata == 0 || ndata > max)
		return (cmd_error("requested number of dRAID data disks per group %" PRIu64
				  " is too high,\nat most %" PRIu64 " disks are available for data",
		    ndata, max));
	fnvlist_add_uint64(vd, "draid_ndata", ndata);
	fnvlist_add_uint64(vd, "draid_nspares", nspares);
	return (0);
}

static nvlist_t *
make_group(const group_t *g, int argc, char **argv, int *used)
{
	nvlist_t **child = kmem_zalloc((size_t)argc * sizeof (*child), KM_SLEEP), *vd = NULL;
	size_t n = 0;
	group_t other;
	bool ok = true;

	for (int i = 0; i < argc && ok; i++) {
		if (is_class_word(argv[i]) || parse_group(argv[i], &other))
			break;
		ok = (child[n] = make_leaf(argv[i])) != NULL;
		n += ok;
	}
	if (ok && n < g->g_min) {
		(void)fprintf(stderr, "invalid vdev specification: %s requires at least %zu devices\n",
		    g->g_word, g->g_min);
	} else if (ok && n > g->g_max) {
		(void)fprintf(stderr, "invalid vdev specification: %s supports no more than %zu devices\n",
		    g->g_word, g->g_max);
	} else if (ok) {
		vd = nvlist_create();
		fnvlist_add_string(vd, "type", g->g_type);
		if (g->g_nparity != 0)
			fnvlist_add_uint64(vd, "nparity", g->g_nparity);
		if (strcmp(g->g_type, "draid") == 0 &&
		    draid_numbers(g->g_word, g->g_nparity, n, vd) != 0) {
			nvlist_free(vd);
			vd = NULL;
		} else {
			fnvlist_add_nvlist_array(
			    vd, "children", (const nvlist_t *const *)child, n);
		}
	}
	*used = (int)n;
	for (size_t i = 0; i < n; i++)
		nvlist_free(child[i]);
	kmem_free(child, (size_t)argc * sizeof (*child));
	return (vd);
}

typedef struct spec {
	nvlist_t **sp_top, **sp_spare, **sp_cache;
	size_t sp_ntop, sp_nspare, sp_ncache, sp_room;
} spec_t;

static void
spec_free(spec_t *sp)
{
	for (size_t i = 0; i < sp->sp_ntop; i++)
		nvlist_free(sp->sp_top[i]);
	for (size_t i = 0; i < sp->sp_nspare; i++)
		nvlist_free(sp->sp_spare[i]);
	for (size_t i = 0; i < sp->sp_ncache; i++)
		nvlist_free(sp->sp_cache[i]);
	kmem_free(sp->sp_top, sp->sp_room * sizeof (nvlist_t *));
	kmem_free(sp->sp_spare, sp->sp_room * sizeof (nvlist_t *));
	kmem_free(sp->sp_cache, sp->sp_room * sizeof (nvlist_t *));
}

static bool
class_empty(const char *class)
{
	bool one = strcmp(class, "log") == 0 || strcmp(class, "special") == 0 ||
	    strcmp(class, "dedup") == 0;

	(void)fprintf(stderr, "invalid vdev specification: %s requires at least 1 device%s\n",
	    class, one ? "" : "s");
	return (false);
}

static void
spec_add(spec_t *sp, const char *class, nvlist_t *vd)
{
	if (strcmp(class, "spare") == 0) {
		fnvlist_add_uint64(vd, "is_log", 0);
		sp->sp_spare[sp->sp_nspare++] = vd;
		return;
	}
	if (strcmp(class, "cache") == 0) {
		sp->sp_cache[sp->sp_ncache++] = vd;
		return;
	}
	fnvlist_add_uint64(vd, "is_log", strcmp(class, "log") == 0);
	if (strcmp(class, "log") == 0 || strcmp(class, "special") == 0 ||
	    strcmp(class, "dedup") == 0)
		fnvlist_add_string(vd, "alloc_bias", class);
	sp->sp_top[sp->sp_ntop++] = vd;
}

/* Everything after the pool's name. */
static bool
parse_spec(int argc, char **argv, spec_t *sp)
{
	const char *class = "";
	size_t in_class = 1;

	for (int i = 0; i < argc;) {
		group_t g;
		nvlist_t *vd;
		int used = 0;

		if (is_class_word(argv[i])) {
			if (in_class == 0)
				return (class_empty(class));
			class = argv[i++];
			in_class = 0;
			continue;
		}
		if (parse_group(argv[i], &g)) {
			if (strcmp(class, "spare") == 0 || strcmp(class, "cache") == 0)
				return (class_empty(class));
			if (strcmp(class, "log") == 0 && strcmp(g.g_type, "mirror") != 0) {
				(void)fprintf(stderr,
				    "invalid vdev specification: unsupported 'log' device: %s\n",
				    g.g_type);
				return (false);
			}
			vd = make_group(&g, argc - i - 1, argv + i + 1, &used);
			i += used + 1;
		} else {
			vd = make_leaf(argv[i++]);
		}
		if (vd == NULL)
			return (false);
		spec_add(sp, class, vd);
		in_class++;
	}
	return (in_class != 0 || class_empty(class));
}

/* ---- who has it? ------------------------------------------------------------------------- */

/* A label of a pool that lives, or may live. */
static bool
label_in_use(const char *path, bool force)
{
	nvlist_t *label = NULL;
	int nlabels;
	bool used = false;

	if (vdev_label_probe(path, &label, &nlabels) != 0)
		return (false);
	/* What a creation leaves that did not come to its first commit. */
	if (cmd_u64(label, "txg") == 0 && cmd_u64(label, "state") == POOL_STATE_ACTIVE) {
		nvlist_free(label);
		return (false);
	}
	const char *name = cmd_str(label, "name");
	uint64_t state = cmd_u64(label, "state");
	if (name == NULL)
		name = "?";
	if (state == POOL_STATE_ACTIVE) {
		nvlist_t *ping = NULL;
		bool active = cmd_call(name, cmd_request("ping"), &ping, NULL) == 0 &&
		    cmd_u64(ping, "guid") == cmd_u64(label, "pool_guid");
		nvlist_free(ping);
		if (active || !force) {
			complain("%s is part of %s pool '%s'", path,
			    active ? "active" : "potentially active", name);
			used = true;
		}
	} else if (state == POOL_STATE_EXPORTED && !force) {
		complain("%s is part of exported pool '%s'", path, name);
		used = true;
	} else if (state == POOL_STATE_SPARE && !force) {
		complain("%s is reserved as a hot spare for pool %s", path, name);
		used = true;
	}
	nvlist_free(label);
	return (used);
}

/* A block device that is mounted or otherwise claimed. */
static bool
device_busy(const char *path, bool force)
{
	struct stat st, mst;
	struct mntent *ent;
	bool busy = false;

	if (stat(path, &st) != 0 || !S_ISBLK(st.st_mode))
		return (false);
	FILE *fp = setmntent("/proc/self/mounts", "r");
	while (fp != NULL && !busy && (ent = getmntent(fp)) != NULL) {
		if (ent->mnt_fsname[0] == '/' && stat(ent->mnt_fsname, &mst) == 0 &&
		    S_ISBLK(mst.st_mode) && mst.st_rdev == st.st_rdev) {
			complain("%s is in use and contains a %s filesystem.", path, ent->mnt_type);
			busy = true;
		}
	}
	if (fp != NULL)
		(void)endmntent(fp);
	if (busy)
		return (true);
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY) {
		complain("%s is in use and contains a unknown filesystem.", path);
		busy = true;
	}
	if (fd >= 0)
		(void)close(fd);
	(void)force;
	return (busy);
}

static bool
in_use(nvlist_t *const *vdevs, size_t n, bool force)
{
	bool used = false;

	for (size_t i = 0; i < n; i++) {
		size_t nchildren;
		nvlist_t *const *child = cmd_children(vdevs[i], "children", &nchildren);
		const char *path = cmd_str(vdevs[i], "path");
		if (path != NULL)
			used |= device_busy(path, force) || label_in_use(path, force);
		used |= in_use(child, nchildren, force);
	}
	return (used);
}

/* ---- sizes and redundancy ---------------------------------------------------------------- */

static uint64_t
device_size(const char *path)
{
	struct stat st;
	uint64_t size = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return (0);
	if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &size) != 0)
			size = 0;
	} else {
		size = (uint64_t)st.st_size;
	}
	(void)close(fd);
	return (size);
}

/* What is compared between top-level vdevs. */
typedef struct redundancy {
	const char *r_type; /* "mirror", "raidz", "disk", "file" */
	uint64_t r_parity, r_children;
} redundancy_t;

static bool
check_group(const nvlist_t *vd)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *kind = NULL, *type = cmd_str(vd, "type");
	uint64_t first = 0;
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		const char *leaf = cmd_str(child[i], "type");
		uint64_t size = device_size(cmd_str(child[i], "path"));
		if (kind != NULL && strcmp(kind, leaf) != 0) {
			complain("mismatched replication level: %s contains both files and devices",
			    type);
			return (false);
		}
		kind = leaf;
		if (size == 0)
			continue;
		if (first == 0)
			first = size;
		else if ((size > first ? size - first : first - size) > SIZE_TOLERANCE && ok) {
			complain("%s contains devices of different sizes", type);
			ok = false;
		}
	}
	return (ok);
}

static redundancy_t
redundancy_of(const nvlist_t *vd)
{
	redundancy_t r = { cmd_str(vd, "type"), 0, 1 };
	size_t n;

	(void)cmd_children(vd, "children", &n);
	if (n > 0)
		r.r_children = n;
	if (strcmp(r.r_type, "mirror") == 0)
		r.r_parity = n - 1;
	else
		r.r_parity = cmd_u64(vd, "nparity");
	return (r);
}

static bool
is_parity(const redundancy_t *r)
{
	return (strcmp(r->r_type, "raidz") == 0 || strcmp(r->r_type, "draid") == 0);
}

static bool
same_redundancy(const redundancy_t *last, const redundancy_t *r)
{
	if (strcmp(last->r_type, r->r_type) == 0) {
		if (is_parity(r) && last->r_parity != r->r_parity) {
			complain("mismatched replication level: both %" PRIu64 " and %" PRIu64
				 " device parity %s vdevs are present",
			    last->r_parity, r->r_parity, r->r_type);
			return (false);
		}
		if (last->r_children != r->r_children) {
			complain("mismatched replication level: both %" PRIu64 "-way and %" PRIu64
				 "-way %s vdevs are present",
			    last->r_children, r->r_children, r->r_type);
			return (false);
		}
		return (true);
	}
	const redundancy_t *parity = is_parity(r) ? r : last, *other = is_parity(r) ? last : r;
	if (is_parity(parity) && strcmp(other->r_type, "mirror") == 0) {
		if (parity->r_parity == other->r_parity)
			return (true);
		complain("mismatched replication level: %s and mirror vdevs with different "
			 "redundancy, %" PRIu64 " vs. %" PRIu64 " (%" PRIu64 "-way) are present",
		    parity->r_type, parity->r_parity, other->r_parity, other->r_children);
		return (false);
	}
	complain("mismatched replication level: both %s and %s vdevs are present", last->r_type,
	    r->r_type);
	return (false);
}

static bool
check_replication(const spec_t *sp)
{
	redundancy_t last = { NULL, 0, 0 };
	bool ok = true;

	/* Log devices are a matter of their own. */
	for (size_t i = 0; i < sp->sp_ntop; i++)
		if (!zpool_vdev_is_log(sp->sp_top[i]))
			ok &= check_group(sp->sp_top[i]);
	for (size_t i = 0; i < sp->sp_ntop; i++) {
		if (zpool_vdev_is_log(sp->sp_top[i]))
			continue;
		redundancy_t r = redundancy_of(sp->sp_top[i]);
		if (last.r_type != NULL && !same_redundancy(&last, &r))
			return (false);
		last = r;
	}
	return (ok);
}

/* ---- what the daemon would find wrong, in words ------------------------------------------ */

static const char *
check_leaf(const nvlist_t *root, const nvlist_t *vd, const nvlist_t *leaf)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *path = cmd_str(vd, "path"), *why = NULL;
	struct stat a, b;

	for (size_t i = 0; i < n && why == NULL; i++)
		why = check_leaf(root, child[i], leaf);
	if (path == NULL || why != NULL)
		return (why);
	if (leaf == NULL)
		return (device_size(path) < SPA_MINDEVSIZE ?
			"one or more devices is less than the minimum size (64M)" :
			check_leaf(root, root, vd));
	if (leaf != vd && stat(path, &a) == 0 && stat(cmd_str(leaf, "path"), &b) == 0 &&
	    (S_ISBLK(a.st_mode) ? S_ISBLK(b.st_mode) && a.st_rdev == b.st_rdev :
				  a.st_dev == b.st_dev && a.st_ino == b.st_ino))
		return ("one or more vdevs refer to the same device, or one of\n"
			"the devices is part of an active md or lvm device");
	return (NULL);
}

const char *
zpool_check_devices(const nvlist_t *root)
{
	return (check_leaf(root, root, NULL));
}

/* ---- all of it --------------------------------------------------------------------------- */

static void
set_ashift(nvlist_t *vd, uint64_t ashift)
{
	if (ashift != 0)
		fnvlist_add_uint64(vd, "ashift", ashift);
}

nvlist_t *
zpool_make_root(int argc, char **argv, uint64_t ashift, bool force)
{
	spec_t sp = { .sp_room = (size_t)argc };
	nvlist_t *root = NULL;
	size_t size = sp.sp_room * sizeof (nvlist_t *), data = 0;

	complained = false;
	forced = force;
	sp.sp_top = kmem_zalloc(size, KM_SLEEP);
	sp.sp_spare = kmem_zalloc(size, KM_SLEEP);
	sp.sp_cache = kmem_zalloc(size, KM_SLEEP);
	bool ok = parse_spec(argc, argv, &sp);
	if (ok) {
		bool used = in_use(sp.sp_top, sp.sp_ntop, force);
		used |= in_use(sp.sp_spare, sp.sp_nspare, force);
		used |= in_use(sp.sp_cache, sp.sp_ncache, force);
		ok = !used;
	}
	for (size_t i = 0; i < sp.sp_ntop; i++)
		data += !zpool_vdev_is_log(sp.sp_top[i]);
	if (ok && data == 0) {
		complain("at least one general top-level vdev must be specified");
		ok = false;
	}
	if (ok && !force)
		ok = check_replication(&sp);
	if (ok) {
		root = nvlist_create();
		fnvlist_add_string(root, "type", "root");
		for (size_t i = 0; i < sp.sp_ntop; i++)
			set_ashift(sp.sp_top[i], ashift);
		fnvlist_add_nvlist_array(
		    root, "children", (const nvlist_t *const *)sp.sp_top, sp.sp_ntop);
		if (sp.sp_nspare > 0)
			fnvlist_add_nvlist_array(
			    root, "spares", (const nvlist_t *const *)sp.sp_spare, sp.sp_nspare);
		if (sp.sp_ncache > 0)
			fnvlist_add_nvlist_array(
			    root, "l2cache", (const nvlist_t *const *)sp.sp_cache, sp.sp_ncache);
	}
	spec_free(&sp);
	return (root);
}

static void
print_vdev(const nvlist_t *vd, int indent)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *type = cmd_str(vd, "type"), *path = cmd_str(vd, "path");

	if (path != NULL) {
		char *name = zpool_vdev_name(vd, NULL, 0);
		(void)printf("\t%*s%s\n", indent, "", name);
		kmem_strfree(name);
	} else if (cmd_u64(vd, "nparity") != 0) {
		(void)printf("\t%*s%s%" PRIu64 "\n", indent, "", type, cmd_u64(vd, "nparity"));
	} else {
		(void)printf("\t%*s%s\n", indent, "", type);
	}
	for (size_t i = 0; i < n; i++)
		print_vdev(child[i], indent + 2);
}

void
zpool_print_layout(const char *pool, const nvlist_t *root)
{
	static const struct {
		const char *class, *title;
	} classes[] = { { "normal", NULL }, { "dedup", "dedup" }, { "special", "special" },
		{ "log", "logs" } };
	static const struct {
		const char *key, *title;
	} lists[] = { { "l2cache", "cache" }, { "spares", "spares" } };
	size_t n;
	nvlist_t *const *child = cmd_children(root, "children", &n);

	(void)printf("would create '%s' with the following layout:\n\n\t%s\n", pool, pool);
	for (size_t c = 0; c < ARRAY_SIZE(classes); c++) {
		bool title = classes[c].title == NULL;
		for (size_t i = 0; i < n; i++) {
			if (strcmp(zpool_vdev_class(child[i]), classes[c].class) != 0)
				continue;
			if (!title)
				(void)printf("\t%s\n", classes[c].title);
			title = true;
			print_vdev(child[i], 2);
		}
	}
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		child = cmd_children(root, lists[l].key, &n);
		if (n > 0)
			(void)printf("\t%s\n", lists[l].title);
		for (size_t i = 0; i < n; i++)
			print_vdev(child[i], 2);
	}
}
