/* zpool list: one line a pool, -v one line a vdev. */
#include <getopt.h>
#include <unistd.h>
#include "cmd/zpool.h"

typedef struct list_opts {
	bool lo_scripted, lo_literal, lo_verbose, lo_json, lo_json_int, lo_json_guid;
	int lo_names; /* VDEV_NAME_* */
	zprop_wants_t lo_wants;
	cmd_table_t *lo_table;
	json_t *lo_pools;
	int lo_namewidth;
} list_opts_t;

static const char default_columns[] = "name,size,allocated,free,checkpoint,expandsize,"
				      "fragmentation,capacity,dedupratio,health,altroot";

/* ---- vdevs ------------------------------------------------------------------------------- */

/* What a vdev has to say in a column; "" for none at all. */
static void
vdev_cell(const nvlist_t *vd, const char *prop, bool literal, bool top, char *buf, size_t size)
{
	size_t nchildren;
	(void)cmd_children(vd, "children", &nchildren);
	bool leaf = nchildren == 0;
	uint64_t space = zpool_vdev_stat(vd, "space"), alloc = zpool_vdev_stat(vd, "alloc");
	uint64_t v = 0;
	bool show = top;

	(void)snprintf(buf, size, "-");
	if (strcmp(prop, "size") == 0) {
		v = leaf ? zpool_vdev_stat(vd, "rsize") : space;
		show = top || leaf;
		if (v == 0)
			return;
	} else if (strcmp(prop, "allocated") == 0) {
		v = alloc;
	} else if (strcmp(prop, "free") == 0) {
		v = space - alloc;
	} else if (strcmp(prop, "expandsize") == 0) {
		v = zpool_vdev_stat(vd, "esize");
		show = v != 0;
	} else if (strcmp(prop, "fragmentation") == 0) {
		v = zpool_vdev_stat(vd, "fragmentation");
		if (top && v <= 100)
			(void)snprintf(buf, size, literal ? "%" PRIu64 : "%" PRIu64 "%%", v);
		return;
	} else if (strcmp(prop, "capacity") == 0) {
		if (!top || space == 0)
			return;
		double pct = (double)alloc * 100 / (double)space;
		if (literal)
			(void)snprintf(buf, size, "%" PRIu64, (uint64_t)pct);
		else
			(void)snprintf(buf, size, pct < 10 ? "%1.2f%%" : "%3.1f%%", pct);
		return;
	} else if (strcmp(prop, "health") == 0) {
		(void)snprintf(buf, size, "%s",
		    zpool_state_name(zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux")));
		return;
	} else {
		return;
	}
	if (show && literal)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else if (show)
		(void)cmd_nicenum(v, buf, size);
}

/* altroot and what else only pools have is left out at the end of the line. */
static bool
vdev_has_column(const char *prop)
{
	static const char *const props[] = { "size", "allocated", "free", "checkpoint",
		"expandsize", "fragmentation", "capacity", "dedupratio", "health" };

	for (size_t i = 0; i < ARRAY_SIZE(props); i++)
		if (strcmp(props[i], prop) == 0)
			return (true);
	return (false);
}

typedef struct columns {
	int *c_width; /* of each wanted property */
} columns_t;

static void
print_cell(const list_opts_t *lo, const char *s, int width, bool right, bool first)
{
	if (lo->lo_scripted)
		(void)printf("%s%s", first ? "" : "\t", s);
	else
		(void)printf(right ? "%s%*s" : "%s%-*s", first ? "" : "  ", width, s);
}

/* A line below a pool: name indented, then what the wanted columns have for it. vd NULL: a heading. */
static void
print_vdev_line(const list_opts_t *lo, const int *width, const nvlist_t *vd, const char *name,
    int depth, bool top)
{
	zprop_wants_t *zws = (zprop_wants_t *)&lo->lo_wants;
	char buf[64];
	size_t c = 0;

	if (lo->lo_scripted)
		(void)printf("%s%s", depth > 0 ? "\t" : "", name);
	else
		(void)printf("%*s%-*s", depth, "", lo->lo_namewidth - depth, name);
	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw), c++) {
		if (!vdev_has_column(zw->zw_name))
			continue;
		(void)snprintf(buf, sizeof (buf), "-");
		if (vd != NULL)
			vdev_cell(vd, zw->zw_name, lo->lo_literal, top, buf, sizeof (buf));
		print_cell(lo, buf, width[c], true, false);
	}
	(void)putchar('\n');
}

static void
print_vdevs(const list_opts_t *lo, const int *width, const nvlist_t *parent, const char *pool,
    int depth, const char *class)
{
	size_t n;
	nvlist_t *const *child = cmd_children(parent, "children", &n);

	for (size_t i = 0; i < n; i++) {
		if (zpool_vdev_is_hole(child[i]) ||
		    (class != NULL && strcmp(zpool_vdev_class(child[i]), class) != 0))
			continue;
		char *name = zpool_vdev_name(child[i], pool, lo->lo_names);
		print_vdev_line(lo, width, child[i], name, depth, depth == 2);
		kmem_strfree(name);
		print_vdevs(lo, width, child[i], pool, depth + 2, NULL);
	}
}

static bool
has_class(const nvlist_t *tree, const char *class)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);

	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]) &&
		    strcmp(zpool_vdev_class(child[i]), class) == 0)
			return (true);
	return (false);
}

static void
print_tree(const list_opts_t *lo, const int *width, const nvlist_t *status, const char *pool)
{
	static const struct {
		const char *class, *title;
	} classes[] = { { "dedup", "dedup" }, { "special", "special" }, { "log", "logs" } };
	const nvlist_t *tree = cmd_list(status, "vdev_tree");

	print_vdevs(lo, width, tree, pool, 2, "normal");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (!has_class(tree, classes[i].class))
			continue;
		print_vdev_line(lo, width, NULL, classes[i].title, 0, false);
		print_vdevs(lo, width, tree, pool, 2, classes[i].class);
	}
}

/* ---- pools ------------------------------------------------------------------------------- */

typedef struct pool_row {
	list_node_t pr_node;
	char *pr_name;
	nvlist_t *pr_status;
} pool_row_t;

static int
collect(const char *pool, nvlist_t *status, void *arg)
{
	list_t *rows = arg;
	pool_row_t *pr = kmem_zalloc(sizeof (*pr), KM_SLEEP);

	pr->pr_name = kmem_strdup(pool);
	pr->pr_status = nvlist_dup(status);
	list_insert_tail(rows, pr);
	return (0);
}

static int *
column_widths(const list_opts_t *lo, list_t *rows, size_t n)
{
	zprop_wants_t *zws = (zprop_wants_t *)&lo->lo_wants;
	int *width = kmem_zalloc(n * sizeof (int), KM_SLEEP);
	char buf[8192];
	const char *source;
	size_t c = 0;

	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw), c++) {
		width[c] = zprop_width(zw->zw_prop, zw->zw_name);
		for (pool_row_t *pr = list_head(rows); pr != NULL; pr = list_next(rows, pr)) {
			zpool_prop_value(
			    pr->pr_status, zw, lo->lo_literal, buf, sizeof (buf), &source);
			width[c] = MAX(width[c], (int)strlen(buf));
		}
		if (strcmp(zw->zw_name, "name") == 0)
			width[c] = MAX(width[c], lo->lo_namewidth);
	}
	return (width);
}

static void
print_header(const list_opts_t *lo, const int *width)
{
	zprop_wants_t *zws = (zprop_wants_t *)&lo->lo_wants;
	char title[256];
	size_t c = 0;

	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw), c++) {
		bool right = zw->zw_prop != NULL && (zw->zw_prop->zp_flags & ZP_RIGHT);
		bool last = list_next(&zws->zws_list, zw) == NULL;
		(void)snprintf(title, sizeof (title), "%s",
		    zw->zw_prop != NULL ? zw->zw_prop->zp_column : zw->zw_name);
		for (char *p = title; zw->zw_prop == NULL && *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		print_cell(lo, title, last && !right ? 0 : width[c], right, c == 0);
	}
	(void)putchar('\n');
}

static void
print_row(const list_opts_t *lo, const int *width, const pool_row_t *pr)
{
	zprop_wants_t *zws = (zprop_wants_t *)&lo->lo_wants;
	char buf[8192];
	const char *source;
	size_t c = 0;

	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw), c++) {
		bool right = zw->zw_prop != NULL && (zw->zw_prop->zp_flags & ZP_RIGHT);
		bool last = list_next(&zws->zws_list, zw) == NULL;
		zpool_prop_value(pr->pr_status, zw, lo->lo_literal, buf, sizeof (buf), &source);
		print_cell(lo, buf, last && !right ? 0 : width[c], right, c == 0);
	}
	(void)putchar('\n');
	if (lo->lo_verbose)
		print_tree(lo, width, pr->pr_status, pr->pr_name);
}

/* ---- JSON -------------------------------------------------------------------------------- */


static json_t *
vdev_json(const list_opts_t *lo, const nvlist_t *vd, const char *pool, const char *class, bool top)
{
	zprop_wants_t *zws = (zprop_wants_t *)&lo->lo_wants;
	json_t *v = json_object(), *props = json_object();
	char *name = zpool_vdev_name(vd, pool, lo->lo_names), buf[64];
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);

	(void)json_object_set_new(v, "name", json_string(name));
	(void)json_object_set_new(v, "vdev_type", json_string(cmd_str(vd, "type")));
	(void)json_object_set_new(v, "guid", json_u64(cmd_u64(vd, "guid"), lo->lo_json_int));
	if (cmd_str(vd, "path") != NULL)
		(void)json_object_set_new(v, "path", json_string(cmd_str(vd, "path")));
	(void)json_object_set_new(v, "class", json_string(class));
	(void)json_object_set_new(v, "state",
	    json_string(zpool_state_name(zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux"))));
	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw)) {
		if (!vdev_has_column(zw->zw_name))
			continue;
		vdev_cell(vd, zw->zw_name, lo->lo_literal, top, buf, sizeof (buf));
		char *end;
		uint64_t num = strtoull(buf, &end, 10);
		bool number = lo->lo_json_int && end != buf && *end == '\0';
		(void)json_object_set_new(props, zw->zw_name,
		    json_property(number ? json_u64(num, true) : json_string(buf), "NONE", "-"));
	}
	(void)json_object_set_new(v, "properties", props);
	if (n > 0) {
		json_t *vdevs = json_object();
		for (size_t i = 0; i < n; i++) {
			char *cn = zpool_vdev_name(child[i], pool, lo->lo_names);
			(void)json_object_set_new(
			    vdevs, cn, vdev_json(lo, child[i], pool, class, false));
			kmem_strfree(cn);
		}
		(void)json_object_set_new(v, "vdevs", vdevs);
	}
	kmem_strfree(name);
	return (v);
}

static void
json_tree(const list_opts_t *lo, json_t *pool, const nvlist_t *status, const char *name)
{
	static const struct {
		const char *class, *key;
	} classes[] = { { "normal", "vdevs" }, { "dedup", "dedup" }, { "special", "special" },
		{ "log", "logs" } };
	const nvlist_t *tree = cmd_list(status, "vdev_tree");
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);

	for (size_t c = 0; c < ARRAY_SIZE(classes); c++) {
		if (!has_class(tree, classes[c].class))
			continue;
		json_t *vdevs = json_object();
		for (size_t i = 0; i < n; i++) {
			if (zpool_vdev_is_hole(child[i]) ||
			    strcmp(zpool_vdev_class(child[i]), classes[c].class) != 0)
				continue;
			char *vname = zpool_vdev_name(child[i], name, lo->lo_names);
			(void)json_object_set_new(vdevs, vname,
			    vdev_json(lo, child[i], name, classes[c].class, true));
			kmem_strfree(vname);
		}
		(void)json_object_set_new(pool, classes[c].key, vdevs);
	}
}


static void
json_row(list_opts_t *lo, const pool_row_t *pr)
{
	json_t *pool = zpool_json_pool(pr->pr_status, true, lo->lo_json_int);
	char key[24];

	(void)json_object_set_new(pool, "properties",
	    zpool_json_props(pr->pr_status, &lo->lo_wants, lo->lo_literal, lo->lo_json_int));
	if (lo->lo_verbose)
		json_tree(lo, pool, pr->pr_status, pr->pr_name);
	(void)snprintf(key, sizeof (key), "%" PRIu64, cmd_u64(pr->pr_status, "pool_guid"));
	(void)json_object_set_new(lo->lo_pools, lo->lo_json_guid ? key : pr->pr_name, pool);
}

/* ---- the command ------------------------------------------------------------------------- */

static int
list_once(list_opts_t *lo, int argc, char **argv, bool header)
{
	pool_row_t *pr;
	list_t rows;
	int found = 0;
	size_t n = 0;

	list_create(&rows, sizeof (pool_row_t), offsetof(pool_row_t, pr_node));
	int ret = zpool_foreach(argc, argv, collect, &rows, &found);
	for (zprop_want_t *zw = list_head(&lo->lo_wants.zws_list); zw != NULL;
	     zw = list_next(&lo->lo_wants.zws_list, zw))
		n++;
	lo->lo_namewidth = 0;
	for (pr = list_head(&rows); lo->lo_verbose && pr != NULL; pr = list_next(&rows, pr))
		lo->lo_namewidth = zpool_name_width(cmd_list(pr->pr_status, "vdev_tree"),
		    pr->pr_name, lo->lo_names, 0, lo->lo_namewidth);
	if (lo->lo_verbose) /* as `status` has it */
		lo->lo_namewidth = MAX(lo->lo_namewidth, 10);
	int *width = column_widths(lo, &rows, n);
	if (lo->lo_json && found > 0) {
		json_t *root = json_begin("zpool list");
		lo->lo_pools = json_object();
		for (pr = list_head(&rows); pr != NULL; pr = list_next(&rows, pr))
			json_row(lo, pr);
		(void)json_object_set_new(root, "pools", lo->lo_pools);
		json_end(root);
	} else if (found > 0) {
		if (header && !lo->lo_scripted)
			print_header(lo, width);
		for (pr = list_head(&rows); pr != NULL; pr = list_next(&rows, pr))
			print_row(lo, width, pr);
	} else if (argc == 0) {
		(void)printf("no pools available\n");
	}
	while ((pr = list_remove_head(&rows)) != NULL) {
		kmem_strfree(pr->pr_name);
		nvlist_free(pr->pr_status);
		kmem_free(pr, sizeof (*pr));
	}
	list_destroy(&rows);
	kmem_free(width, n * sizeof (int));
	/* A table with something in it is success. */
	return (found > 0 ? 0 : ret);
}

int
zpool_do_list(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ "json-int", no_argument, NULL, 'I' },
		{ "json-pool-key-guid", no_argument, NULL, 'G' }, { NULL, 0, NULL, 0 } };
	const char *spec = default_columns;
	list_opts_t lo = { 0 };
	unsigned long count;
	double interval;
	int c, timestamp = 0, ret = 0;

	while ((c = getopt_long(argc, argv, ":gjHLo:pPT:v", longopts, NULL)) != -1) {
		switch (c) {
		case 'g':
			lo.lo_names |= VDEV_NAME_GUID;
			break;
		case 'j':
			lo.lo_json = true;
			break;
		case 'I':
			lo.lo_json_int = lo.lo_literal = true;
			break;
		case 'G':
			lo.lo_json_guid = true;
			break;
		case 'H':
			lo.lo_scripted = true;
			break;
		case 'L':
			lo.lo_names |= VDEV_NAME_FOLLOW;
			break;
		case 'P':
			lo.lo_names |= VDEV_NAME_PATH;
			break;
		case 'o':
			spec = optarg;
			break;
		case 'p':
			lo.lo_literal = true;
			break;
		case 'T':
			timestamp = optarg[0];
			break;
		case 'v':
			lo.lo_verbose = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	if (!lo.lo_json && lo.lo_json_int)
		return (cmd_usage("'--json-int' only works with '-j' option"));
	if (!lo.lo_json && lo.lo_json_guid)
		return (cmd_usage("'json-pool-key-guid' only works with '-j' option"));
	argc -= optind;
	argv += optind;
	if ((ret = cmd_interval(&argc, argv, &interval, &count)) != 0)
		return (ret);
	zprop_wants_init(&lo.lo_wants);
	if ((ret = zpool_prop_wants(spec, &lo.lo_wants)) == 0) {
		for (unsigned long i = 0;; i++) {
			if (timestamp != 0 && !lo.lo_json)
				cmd_timestamp(timestamp);
			ret = list_once(&lo, argc, argv, i == 0);
			if (interval == 0 || (count != 0 && i + 1 >= count))
				break;
			(void)fflush(stdout);
			(void)usleep((useconds_t)(interval * 1e6));
		}
	}
	zprop_wants_fini(&lo.lo_wants);
	return (ret);
}
