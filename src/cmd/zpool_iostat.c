/*
 * zpool iostat: operations and bytes of vdevs; the first line since the pool was opened, the
 * next ones since the line before. What the engine does not measure (latencies, queues) is shown
 * as none.
 */
#include <getopt.h>
#include <unistd.h>
#include "cmd/zpool.h"

typedef struct iostat_opts {
	bool io_verbose, io_scripted, io_literal, io_latency, io_queues, io_hist_size, io_hist_wait,
	    io_skip, io_header_once;
	int io_names, io_timestamp;
	int io_namewidth;
	bool io_vdevs; /* the arguments name vdevs of one pool */
	int io_argc;
	char **io_argv;
} iostat_opts_t;

/* One look at the pools. */
typedef struct snapshot {
	char **ss_names;
	nvlist_t **ss_status;
	size_t ss_n;
	hrtime_t ss_time;
} snapshot_t;

/* ---- columns ----------------------------------------------------------------------------- */

typedef struct group {
	const char *g_title; /* over its columns; NULL ends */
	const char *g_cols[3];
	int g_widths;
} group_t;

static const group_t base_groups[] = { { "capacity", { "alloc", "free", NULL }, 2 },
	{ "operations", { "read", "write", NULL }, 2 },
	{ "bandwidth", { "read", "write", NULL }, 2 } };
static const group_t latency_groups[] = { { "total_wait", { "read", "write", NULL }, 2 },
	{ "disk_wait", { "read", "write", NULL }, 2 },
	{ "syncq_wait", { "read", "write", NULL }, 2 },
	{ "asyncq_wait", { "read", "write", NULL }, 2 }, { "scrub", { "wait", NULL, NULL }, 1 },
	{ "trim", { "wait", NULL, NULL }, 1 }, { "rebuild", { "wait", NULL, NULL }, 1 } };
static const group_t queue_groups[] = { { "syncq_read", { "pend", "activ", NULL }, 2 },
	{ "syncq_write", { "pend", "activ", NULL }, 2 },
	{ "asyncq_read", { "pend", "activ", NULL }, 2 },
	{ "asyncq_write", { "pend", "activ", NULL }, 2 },
	{ "scrubq_read", { "pend", "activ", NULL }, 2 },
	{ "trimq_write", { "pend", "activ", NULL }, 2 },
	{ "rebuildq_write", { "pend", "activ", NULL }, 2 } };

static void
print_titles(const group_t *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Centred over columns of 5 with 2 between. */
		int width = g[i].g_widths * 7 - 2, len = (int)strlen(g[i].g_title);
		int left = MAX((width - len + 1) / 2, 0);
		(void)printf("  %*s%s%*s", left, "", g[i].g_title, MAX(width - len - left, 0), "");
	}
}

static void
print_columns(const group_t *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < g[i].g_widths; c++)
			(void)printf("  %5s", g[i].g_cols[c]);
}

static int
column_count(const iostat_opts_t *io)
{
	return (6 + (io->io_latency ? 11 : 0) + (io->io_queues ? 14 : 0));
}

static void
print_dashes(const iostat_opts_t *io)
{
	for (int i = 0; i < io->io_namewidth; i++)
		(void)putchar('-');
	for (int i = 0; i < column_count(io); i++)
		(void)printf("  -----");
	(void)putchar('\n');
}

static void
print_header(const iostat_opts_t *io)
{
	(void)printf("%*s", io->io_namewidth, "");
	print_titles(base_groups, ARRAY_SIZE(base_groups));
	if (io->io_latency)
		print_titles(latency_groups, ARRAY_SIZE(latency_groups));
	if (io->io_queues)
		print_titles(queue_groups, ARRAY_SIZE(queue_groups));
	(void)printf("\n%-*s", io->io_namewidth, io->io_vdevs ? "vdev" : "pool");
	print_columns(base_groups, ARRAY_SIZE(base_groups));
	if (io->io_latency)
		print_columns(latency_groups, ARRAY_SIZE(latency_groups));
	if (io->io_queues)
		print_columns(queue_groups, ARRAY_SIZE(queue_groups));
	(void)putchar('\n');
	print_dashes(io);
}

static void
print_number(const iostat_opts_t *io, uint64_t v)
{
	char buf[32];

	if (io->io_literal)
		(void)snprintf(buf, sizeof (buf), "%" PRIu64, v);
	else
		(void)cmd_nicenum(v, buf, sizeof (buf));
	if (io->io_scripted)
		(void)printf("\t%s", buf);
	else
		(void)printf("  %5s", buf);
}

static void
print_none(const iostat_opts_t *io, const char *what, int n)
{
	for (int i = 0; i < n; i++)
		(void)printf(io->io_scripted ? "\t%s" : "  %5s", what);
}

/* ---- rows -------------------------------------------------------------------------------- */

/* The same vdev in the tree of before. */
static const nvlist_t *
same_vdev(const nvlist_t *tree, uint64_t guid)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	const nvlist_t *found = tree != NULL && cmd_u64(tree, "guid") == guid ? tree : NULL;

	for (size_t i = 0; i < n && found == NULL; i++)
		found = same_vdev(child[i], guid);
	return (found);
}

/* A counter of the pool is the sum of its top-level vdevs'. */
static uint64_t
counter(const nvlist_t *vd, const char *name)
{
	const char *type = cmd_str(vd, "type");
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	uint64_t sum = 0;

	if (vd == NULL)
		return (0);
	if (type == NULL || strcmp(type, "root") != 0)
		return (zpool_vdev_stat(vd, name));
	for (size_t i = 0; i < n; i++)
		sum += counter(child[i], name);
	return (sum);
}

static uint64_t
rate(const nvlist_t *now, const nvlist_t *before, const char *name, double seconds)
{
	uint64_t a = counter(now, name), b = counter(before, name);

	return (a <= b ? 0 : (uint64_t)((double)(a - b) / seconds));
}

static void
print_row(const iostat_opts_t *io, const nvlist_t *vd, const nvlist_t *before, const char *name,
    int depth, bool space, double seconds)
{
	uint64_t total = zpool_vdev_stat(vd, "space"), alloc = zpool_vdev_stat(vd, "alloc");

	if (io->io_scripted)
		(void)printf("%s", name);
	else
		(void)printf("%*s%-*s", depth, "", io->io_namewidth - depth, name);
	if (space) {
		print_number(io, alloc);
		print_number(io, total - MIN(total, alloc));
	} else {
		print_none(io, "-", 2);
	}
	print_number(io, rate(vd, before, "read_ops", seconds));
	print_number(io, rate(vd, before, "write_ops", seconds));
	print_number(io, rate(vd, before, "read_bytes", seconds));
	print_number(io, rate(vd, before, "write_bytes", seconds));
	if (io->io_latency)
		print_none(io, "-", 11);
	if (io->io_queues)
		print_none(io, "0", 14);
	(void)putchar('\n');
}

static void
print_children(const iostat_opts_t *io, const nvlist_t *vd, const nvlist_t *before,
    const char *pool, int depth, const char *class, double seconds)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);

	for (size_t i = 0; i < n; i++) {
		if (zpool_vdev_is_hole(child[i]) ||
		    (class != NULL && strcmp(zpool_vdev_class(child[i]), class) != 0))
			continue;
		char *name = zpool_vdev_name(child[i], pool, io->io_names);
		print_row(io, child[i], same_vdev(before, cmd_u64(child[i], "guid")), name, depth,
		    depth == 2, seconds);
		kmem_strfree(name);
		print_children(io, child[i], before, pool, depth + 2, NULL, seconds);
	}
}

static void
print_class(const iostat_opts_t *io, const nvlist_t *tree, const nvlist_t *before,
    const char *pool, const char *class, const char *title, double seconds)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= !zpool_vdev_is_hole(child[i]) &&
		    strcmp(zpool_vdev_class(child[i]), class) == 0;
	if (!any)
		return;
	if (io->io_scripted) {
		(void)putchar('\n');
	} else {
		(void)printf("%-*s", io->io_namewidth, title);
		print_none(io, "-", column_count(io));
		(void)putchar('\n');
	}
	print_children(io, tree, before, pool, 2, class, seconds);
}

static nvlist_t *
pool_tree(const nvlist_t *status)
{
	nvlist_t *tree = nvlist_dup(cmd_list(status, "vdev_tree"));
	nvlist_t *stats = cmd_list(tree, "vdev_stats");

	/* The pool's own numbers leave out logs. */
	if (stats != NULL) {
		fnvlist_add_uint64(stats, "space", cmd_u64(status, "size"));
		fnvlist_add_uint64(stats, "alloc", cmd_u64(status, "alloc"));
	}
	return (tree);
}

static void
print_pool(const iostat_opts_t *io, const char *pool, const nvlist_t *status,
    const nvlist_t *before, double seconds)
{
	nvlist_t *tree = pool_tree(status);
	const nvlist_t *old = cmd_list(before, "vdev_tree");

	if (io->io_vdevs) {
		for (int i = 1; i < io->io_argc; i++) {
			const nvlist_t *vd = zpool_find_vdev(tree, pool, io->io_argv[i]);
			if (vd == NULL)
				continue;
			char *name = zpool_vdev_name(vd, pool, io->io_names);
			print_row(io, vd, same_vdev(old, cmd_u64(vd, "guid")), name, 0, true, seconds);
			kmem_strfree(name);
		}
	} else {
		print_row(io, tree, old, pool, 0, true, seconds);
		if (io->io_verbose) {
			print_children(io, tree, old, pool, 2, "normal", seconds);
			print_class(io, tree, old, pool, "dedup", "dedup", seconds);
			print_class(io, tree, old, pool, "special", "special", seconds);
			print_class(io, tree, old, pool, "log", "logs", seconds);
		}
	}
	nvlist_free(tree);
	if (io->io_vdevs && !io->io_scripted)
		(void)printf("\n\n");
	if ((io->io_verbose || io->io_vdevs) && !io->io_scripted)
		print_dashes(io);
}

/* ---- histograms -------------------------------------------------------------------------- */

/* Requests by size and by time waited are not counted: empty histograms of OpenZFS's shape. */
static void
print_histogram(const iostat_opts_t *io, const char *pool)
{
	static const char *const sizes[] = { "512", "1K", "2K", "4K", "8K", "16K", "32K", "64K",
		"128K", "256K", "512K", "1M", "2M", "4M", "8M", "16M" };
	static const char *const size_titles[] = { "sync_read", "sync_write", "async_read",
		"async_write", "scrub", "trim", "rebuild" };
	char name[32];

	if (io->io_hist_size) {
		(void)printf("\n%-*s", io->io_namewidth, pool);
		for (size_t i = 0; i < ARRAY_SIZE(size_titles); i++) {
			int len = (int)strlen(size_titles[i]), left = (13 - len) / 2;
			(void)printf("  %*s%s%*s", left, "", size_titles[i], 12 - len - left, "");
		}
		(void)printf("\n%-*s", io->io_namewidth, "req_size");
		for (size_t i = 0; i < ARRAY_SIZE(size_titles); i++)
			(void)printf("  %5s  %5s", "ind", "agg");
		(void)putchar('\n');
		for (int i = 0; i < io->io_namewidth; i++)
			(void)putchar('-');
		for (size_t i = 0; i < 2 * ARRAY_SIZE(size_titles); i++)
			(void)printf("  -----");
		(void)putchar('\n');
		for (size_t r = 0; r < ARRAY_SIZE(sizes); r++) {
			(void)printf("%-*s", io->io_namewidth, sizes[r]);
			print_none(io, "0", 14);
			(void)putchar('\n');
		}
		for (int i = 0; i < io->io_namewidth + 14 * 7; i++)
			(void)putchar('-');
		(void)putchar('\n');
		return;
	}
	(void)printf("\n%-*s", io->io_namewidth, pool);
	print_titles(latency_groups, 4);
	(void)printf("\n%-*s", io->io_namewidth, "latency");
	print_columns(latency_groups, 4);
	(void)printf("  %5s  %5s  %5s\n", "scrub", "trim", "rebuild");
	for (int i = 0; i < io->io_namewidth; i++)
		(void)putchar('-');
	for (int i = 0; i < 11; i++)
		(void)printf("  -----");
	(void)putchar('\n');
	for (int bit = 1; bit <= 37; bit++) {
		(void)cmd_nicetime((1ULL << bit) - 1, name, sizeof (name));
		(void)printf("%-*s", io->io_namewidth, name);
		print_none(io, "0", 11);
		(void)putchar('\n');
	}
	for (int i = 0; i < io->io_namewidth + 11 * 7; i++)
		(void)putchar('-');
	(void)putchar('\n');
}

/* ---- looking ----------------------------------------------------------------------------- */

static int
collect(const char *pool, nvlist_t *status, void *arg)
{
	snapshot_t *ss = arg;
	size_t n = ss->ss_n;
	char **names = kmem_alloc((n + 1) * sizeof (*names), KM_SLEEP);
	nvlist_t **list = kmem_alloc((n + 1) * sizeof (*list), KM_SLEEP);

	if (n > 0) {
		memcpy(names, ss->ss_names, n * sizeof (*names));
		memcpy(list, ss->ss_status, n * sizeof (*list));
		kmem_free(ss->ss_names, n * sizeof (*names));
		kmem_free(ss->ss_status, n * sizeof (*list));
	}
	names[n] = kmem_strdup(pool);
	list[n] = nvlist_dup(status);
	ss->ss_names = names;
	ss->ss_status = list;
	ss->ss_n = n + 1;
	return (0);
}

static void
snapshot_free(snapshot_t *ss)
{
	for (size_t i = 0; i < ss->ss_n; i++) {
		kmem_strfree(ss->ss_names[i]);
		nvlist_free(ss->ss_status[i]);
	}
	kmem_free(ss->ss_names, ss->ss_n * sizeof (*ss->ss_names));
	kmem_free(ss->ss_status, ss->ss_n * sizeof (*ss->ss_status));
	memset(ss, 0, sizeof (*ss));
}

static const nvlist_t *
snapshot_find(const snapshot_t *ss, const char *pool)
{
	for (size_t i = 0; i < ss->ss_n; i++)
		if (strcmp(ss->ss_names[i], pool) == 0)
			return (ss->ss_status[i]);
	return (NULL);
}

static void
take(const iostat_opts_t *io, snapshot_t *ss)
{
	ss->ss_time = gethrtime();
	(void)zpool_foreach(
	    io->io_vdevs ? MIN(io->io_argc, 1) : io->io_argc, io->io_argv, collect, ss, NULL);
}

static void
print_snapshot(iostat_opts_t *io, const snapshot_t *now, const snapshot_t *before, bool header)
{
	double since = (double)(now->ss_time - before->ss_time) / 1e9;

	io->io_namewidth = 10;
	for (size_t i = 0; i < now->ss_n; i++) {
		io->io_namewidth = MAX(io->io_namewidth, (int)strlen(now->ss_names[i]));
		if (io->io_verbose || io->io_vdevs)
			io->io_namewidth = zpool_name_width(cmd_list(now->ss_status[i], "vdev_tree"),
			    now->ss_names[i], io->io_names, 0, io->io_namewidth);
	}
	cmd_timestamp(io->io_timestamp);
	if (io->io_hist_size || io->io_hist_wait) {
		for (size_t i = 0; i < now->ss_n; i++)
			print_histogram(io, now->ss_names[i]);
		return;
	}
	if (header && !io->io_scripted)
		print_header(io);
	for (size_t i = 0; i < now->ss_n; i++) {
		const nvlist_t *old = snapshot_find(before, now->ss_names[i]);
		double seconds = old != NULL ?
		    since :
		    (double)cmd_u64(now->ss_status[i], "uptime_ns") / 1e9;
		print_pool(io, now->ss_names[i], now->ss_status[i], old, MAX(seconds, 0.001));
	}
	(void)fflush(stdout);
}

/* ---- the command ------------------------------------------------------------------------- */

/* Are the arguments pools, or a pool and its vdevs? 0, or the exit status after complaining. */
static int
sort_arguments(iostat_opts_t *io)
{
	int pools = 0;

	for (int i = 0; i < io->io_argc; i++) {
		nvlist_t *status = zpool_get(io->io_argv[i], true);
		pools += status != NULL;
		if (status == NULL && i == 0) {
			(void)fprintf(stderr, "Unable to parse pools/vdevs list.\n\n");
			return (1);
		}
		nvlist_free(status);
	}
	if (pools == io->io_argc)
		return (0);
	nvlist_t *status = zpool_get(io->io_argv[0], true);
	const nvlist_t *tree = cmd_list(status, "vdev_tree");
	int unknown = 0;
	for (int i = 1; i < io->io_argc; i++)
		unknown += zpool_find_vdev(tree, io->io_argv[0], io->io_argv[i]) == NULL;
	if (unknown > 0) {
		(void)fprintf(stderr,
		    "Expected either a list of pools, or list of vdevs in \"%s\", but got:\n",
		    io->io_argv[0]);
		for (int i = 1; i < io->io_argc; i++)
			if (zpool_find_vdev(tree, io->io_argv[0], io->io_argv[i]) == NULL)
				(void)fprintf(stderr, "\t%s (unknown)\n", io->io_argv[i]);
	}
	nvlist_free(status);
	if (unknown > 0)
		return (cmd_usage("%s", ""));
	io->io_vdevs = true;
	return (0);
}

static int
iostat_loop(iostat_opts_t *io, double interval, unsigned long count)
{
	snapshot_t now = { 0 }, before = { 0 };
	bool skip = io->io_skip && interval > 0;

	if (skip) {
		take(io, &before);
		(void)usleep((useconds_t)(interval * 1e6));
	}
	for (unsigned long i = 0;; i++) {
		take(io, &now);
		if (now.ss_n == 0 && interval == 0) {
			(void)fprintf(stderr, "no pools available\n");
			return (1);
		}
		print_snapshot(io, &now, &before, i == 0 || (io->io_verbose && !io->io_header_once));
		snapshot_free(&before);
		before = now;
		memset(&now, 0, sizeof (now));
		if (interval == 0 || (count != 0 && i + 1 >= count))
			break;
		(void)usleep((useconds_t)(interval * 1e6));
	}
	snapshot_free(&before);
	return (0);
}

int
zpool_do_iostat(int argc, char **argv)
{
	iostat_opts_t io = { 0 };
	unsigned long count;
	double interval;
	int c, ret;

	while ((c = getopt(argc, argv, ":c:gLPT:vyhplqrwnH")) != -1) {
		switch (c) {
		case 'c':
			if (geteuid() == 0 && getenv("ZPOOL_SCRIPTS_AS_ROOT") == NULL)
				return (cmd_error("Can't run -c with root privileges unless "
						  "ZPOOL_SCRIPTS_AS_ROOT is set."));
			return (cmd_unsupported("zpool iostat -c"));
		case 'g':
			io.io_names |= VDEV_NAME_GUID;
			break;
		case 'L':
			io.io_names |= VDEV_NAME_FOLLOW;
			break;
		case 'P':
			io.io_names |= VDEV_NAME_PATH;
			break;
		case 'T':
			io.io_timestamp = optarg[0];
			break;
		case 'v':
			io.io_verbose = true;
			break;
		case 'p':
			io.io_literal = true;
			break;
		case 'l':
			io.io_latency = true;
			break;
		case 'q':
			io.io_queues = true;
			break;
		case 'H':
			io.io_scripted = true;
			break;
		case 'w':
			io.io_hist_wait = true;
			break;
		case 'r':
			io.io_hist_size = true;
			break;
		case 'y':
			io.io_skip = true;
			break;
		case 'n':
			io.io_header_once = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if ((ret = cmd_interval(&argc, argv, &interval, &count)) != 0)
		return (ret);
	if (io.io_hist_size && io.io_hist_wait)
		return (cmd_usage("Only one of [-r|-w] can be passed at a time"));
	if ((io.io_hist_size || io.io_hist_wait) && (io.io_latency || io.io_queues))
		return (cmd_usage("[-r|-w] isn't allowed with [-c|-l|-q]"));
	io.io_argc = argc;
	io.io_argv = argv;
	if ((ret = sort_arguments(&io)) != 0)
		return (ret);
	return (iostat_loop(&io, interval, count));
}
