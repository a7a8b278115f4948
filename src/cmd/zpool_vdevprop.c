/* Properties of vdevs: zpool get/set of a pool and vdevs. */
#include "cmd/zpool.h"
#include "vdev/vdev.h"

typedef enum vprop_kind {
	VP_STAT,    /* a number of vdev_stats, nice */
	VP_PERCENT, /* the same with a percent sign */
	VP_DASH,    /* the same, 0 is "-" */
	VP_ZERO,    /* nothing here counts it */
	VP_KEY,	    /* a number of the configuration */
	VP_TEXT,    /* special */
	VP_SET,	    /* may be set; shown with its default */
} vprop_kind_t;

/* In the order of `zpool get all POOL VDEV`. */
static const struct vprop {
	const char *name;
	vprop_kind_t kind;
	const char *from; /* the stat or key; of VP_SET the default */
	bool defaulted;	  /* source "default" */
	const char *edit, *values;
} vprops[] = {
	{ "capacity", VP_PERCENT, "capacity", false, "NO", "<size>" },
	{ "state", VP_TEXT, NULL, false, "NO", "<state>" },
	{ "guid", VP_TEXT, NULL, false, "NO", "<guid>" },
	{ "asize", VP_STAT, "asize", false, "NO", "<asize>" },
	{ "psize", VP_STAT, "rsize", false, "NO", "<psize>" },
	{ "ashift", VP_STAT, "configured_ashift", false, "NO", "<ashift>" },
	{ "size", VP_STAT, "space", false, "NO", "<size>" },
	{ "free", VP_STAT, "free", false, "NO", "<size>" },
	{ "allocated", VP_STAT, "alloc", false, "NO", "<size>" },
	{ "comment", VP_SET, "-", true, "YES", "<comment-string>" },
	{ "expandsize", VP_DASH, "esize", false, "NO", "<size>" },
	{ "fragmentation", VP_PERCENT, "fragmentation", false, "NO", "<percent>" },
	{ "bootsize", VP_ZERO, NULL, true, "NO", "<size>" },
	{ "parity", VP_KEY, "nparity", false, "NO", "<parity>" },
	{ "path", VP_TEXT, NULL, false, "YES", "<device-path>" },
	{ "devid", VP_TEXT, NULL, true, "NO", "<devid>" },
	{ "physpath", VP_TEXT, NULL, true, "NO", "<physpath>" },
	{ "encpath", VP_TEXT, NULL, true, "NO", "<encpath>" },
	{ "fru", VP_TEXT, NULL, true, "NO", "<fru>" },
	{ "parent", VP_TEXT, NULL, false, "NO", "<parent>" },
	{ "children", VP_TEXT, NULL, false, "NO", "<child[,...]>" },
	{ "numchildren", VP_TEXT, NULL, false, "NO", "<number-of-children>" },
	{ "read_errors", VP_STAT, "read_errors", false, "NO", "<errors>" },
	{ "write_errors", VP_STAT, "write_errors", false, "NO", "<errors>" },
	{ "checksum_errors", VP_STAT, "checksum_errors", false, "NO", "<errors>" },
	{ "initialize_errors", VP_ZERO, NULL, false, "NO", "<errors>" },
	{ "null_ops", VP_ZERO, NULL, false, "NO", "<operations>" },
	{ "read_ops", VP_STAT, "read_ops", false, "NO", "<operations>" },
	{ "write_ops", VP_STAT, "write_ops", false, "NO", "<operations>" },
	{ "free_ops", VP_ZERO, NULL, false, "NO", "<operations>" },
	{ "claim_ops", VP_ZERO, NULL, false, "NO", "<operations>" },
	{ "trim_ops", VP_ZERO, NULL, false, "NO", "<operations>" },
	{ "null_bytes", VP_ZERO, NULL, false, "NO", "<bytes>" },
	{ "read_bytes", VP_STAT, "read_bytes", false, "NO", "<bytes>" },
	{ "write_bytes", VP_STAT, "write_bytes", false, "NO", "<bytes>" },
	{ "free_bytes", VP_ZERO, NULL, false, "NO", "<bytes>" },
	{ "claim_bytes", VP_ZERO, NULL, false, "NO", "<bytes>" },
	{ "trim_bytes", VP_ZERO, NULL, false, "NO", "<bytes>" },
	{ "removing", VP_TEXT, NULL, false, "NO", "on | off" },
	{ "allocating", VP_TEXT, NULL, false, "YES", "on | off" },
	{ "failfast", VP_SET, "on", true, "YES", "on | off" },
	{ "checksum_n", VP_SET, "-", true, "YES", "<events>" },
	{ "checksum_t", VP_SET, "-", true, "YES", "<seconds>" },
	{ "io_n", VP_SET, "-", true, "YES", "<events>" },
	{ "io_t", VP_SET, "-", true, "YES", "<seconds>" },
	{ "slow_io_n", VP_SET, "-", true, "YES", "<events>" },
	{ "slow_io_t", VP_SET, "-", true, "YES", "<seconds>" },
	{ "trim_support", VP_TEXT, NULL, false, "NO", "on | off" },
	{ "trim_errors", VP_ZERO, NULL, false, "NO", "<errors>" },
	{ "slow_ios", VP_STAT, "slow_ios", false, "NO", "<slowios>" },
	{ "raidz_expanding", VP_TEXT, NULL, false, "NO", "on | off" },
};

static const struct vprop *
vprop_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(vprops); i++)
		if (strlen(vprops[i].name) == len && strncmp(vprops[i].name, name, len) == 0)
			return (&vprops[i]);
	return (NULL);
}

static int
by_edit(const void *a, const void *b)
{
	const struct vprop *va = *(const struct vprop *const *)a;
	const struct vprop *vb = *(const struct vprop *const *)b;
	int c = strcmp(va->edit, vb->edit);

	return (c != 0 ? c : strcmp(va->name, vb->name));
}

void
vdev_prop_usage(FILE *fp)
{
	const struct vprop *sorted[ARRAY_SIZE(vprops)];

	for (size_t i = 0; i < ARRAY_SIZE(vprops); i++)
		sorted[i] = &vprops[i];
	qsort(sorted, ARRAY_SIZE(vprops), sizeof (sorted[0]), by_edit);
	(void)fprintf(fp, "\nthe following properties are supported:\n\n"
			  "\tPROPERTY             EDIT   VALUES\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(vprops); i++)
		(void)fprintf(fp, "\t%-19s   %3s   %s\n", sorted[i]->name, sorted[i]->edit,
		    sorted[i]->values);
}

/* ---- values ------------------------------------------------------------------------------ */

/* Space is counted where it is allocated: by top-level vdevs and the pool. */
static uint64_t
number_of(const nvlist_t *vd, const char *stat)
{
	bool top = nvlist_exists(vd, "metaslab_array") || nvlist_exists(vd, "is_root");
	uint64_t space = top ? zpool_vdev_stat(vd, "space") : 0;
	uint64_t alloc = top ? zpool_vdev_stat(vd, "alloc") : 0;

	if (strcmp(stat, "space") == 0)
		return (space);
	if (strcmp(stat, "alloc") == 0)
		return (alloc);
	if (strcmp(stat, "fragmentation") == 0 && !top)
		return (0);
	if (strcmp(stat, "asize") == 0 && !nvlist_exists(cmd_list(vd, "vdev_stats"), "asize"))
		return (zpool_vdev_stat(vd, "space"));
	if (strcmp(stat, "configured_ashift") == 0)
		return (zpool_vdev_stat(vd, stat));
	if (strcmp(stat, "capacity") == 0)
		return (space == 0 ? 0 : alloc * 100 / space);
	if (strcmp(stat, "free") == 0)
		return (space - MIN(space, alloc));
	return (zpool_vdev_stat(vd, stat));
}

static void
text_of(const nvlist_t *vd, const nvlist_t *parent, const char *pool, const char *prop, char *buf,
    size_t size)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *type = cmd_str(vd, "type"), *s = NULL;
	bool root = type != NULL && strcmp(type, "root") == 0;
	char *name = NULL;

	(void)snprintf(buf, size, "-");
	if (strcmp(prop, "state") == 0) {
		s = zpool_state_name(zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux"));
	} else if (strcmp(prop, "guid") == 0) {
		(void)snprintf(buf, size, "%" PRIu64, cmd_u64(vd, "guid"));
	} else if (strcmp(prop, "path") == 0 || strcmp(prop, "devid") == 0) {
		s = cmd_str(vd, prop);
	} else if (strcmp(prop, "physpath") == 0) {
		s = cmd_str(vd, "phys_path");
	} else if (strcmp(prop, "parent") == 0 && parent != NULL) {
		name = zpool_vdev_name(parent, NULL, 0);
		s = name;
	} else if (strcmp(prop, "children") == 0) {
		strbuf_t sb = { 0 };
		for (size_t i = 0; i < n; i++) {
			char *c = zpool_vdev_name(child[i], pool, 0);
			strbuf_addf(&sb, "%s%s", i > 0 ? "," : "", c);
			kmem_strfree(c);
		}
		if (n > 0)
			(void)snprintf(buf, size, "%s", sb.sb_s);
		strbuf_fini(&sb);
	} else if (strcmp(prop, "numchildren") == 0) {
		(void)snprintf(buf, size, "%zu", n);
	} else if (strcmp(prop, "removing") == 0 || strcmp(prop, "raidz_expanding") == 0) {
		s = "off";
	} else if (strcmp(prop, "trim_support") == 0) {
		s = root || n > 0 ? "off" : "on";
	} else if (strcmp(prop, "allocating") == 0 && parent != NULL &&
	    strcmp(cmd_str(parent, "type"), "root") == 0) {
		s = cmd_u64(vd, "non_allocating") != 0 ? "off" : "on";
	}
	if (s != NULL)
		(void)snprintf(buf, size, "%s", s);
	kmem_strfree(name);
}

static void
vprop_value(const nvlist_t *vd, const nvlist_t *parent, const char *pool, const struct vprop *vp,
    bool literal, char *buf, size_t size, const char **source)
{
	uint64_t v = 0;

	*source = vp->defaulted ? "default" : "-";
	switch (vp->kind) {
	case VP_STAT:
	case VP_PERCENT:
	case VP_DASH:
		v = number_of(vd, vp->from);
		break;
	case VP_KEY:
		v = cmd_u64(vd, vp->from);
		break;
	case VP_ZERO:
		break;
	case VP_TEXT:
		text_of(vd, parent, pool, vp->name, buf, size);
		if (strcmp(vp->name, "children") == 0 && strcmp(buf, "-") == 0)
			*source = "default";
		if (strcmp(vp->name, "allocating") == 0 && strcmp(buf, "-") != 0)
			*source = "default";
		return;
	case VP_SET:
		(void)snprintf(buf, size, "%s", vp->from);
		return;
	}
	if (vp->kind == VP_DASH && v == 0)
		(void)snprintf(buf, size, "-");
	else if (vp->kind == VP_PERCENT)
		(void)snprintf(buf, size, literal ? "%" PRIu64 : "%" PRIu64 "%%",
		    v == UINT64_MAX ? 0 : v);
	else if (literal)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else
		(void)cmd_nicenum(v, buf, size);
}

/* ---- get --------------------------------------------------------------------------------- */

typedef struct vget {
	const char *vg_pool;
	const char *vg_spec;
	get_column_t *vg_cols;
	int vg_ncols;
	bool vg_literal, vg_json_int;
	cmd_table_t *vg_table;
	json_t *vg_vdevs;
} vget_t;

static void
vget_value(vget_t *vg, const char *name, const char *prop, const char *value, const char *source,
    json_t *props)
{
	if (props != NULL) {
		(void)json_object_set_new(props, prop,
		    json_property(json_string(value), zpool_json_source(source), "-"));
		return;
	}
	for (int i = 0; i < vg->vg_ncols; i++)
		table_cell(vg->vg_table, "%s",
		    vg->vg_cols[i] == GET_COL_NAME	       ? name :
			vg->vg_cols[i] == GET_COL_PROPERTY ? prop :
			vg->vg_cols[i] == GET_COL_VALUE    ? value :
							     source);
	table_end_row(vg->vg_table);
}

static void
vget_one(vget_t *vg, const nvlist_t *vd, const nvlist_t *parent)
{
	const char *type = cmd_str(vd, "type"), *source;
	char *name = strcmp(type, "root") == 0 ? kmem_strdup("root-0") : zpool_vdev_name(vd, NULL, 0);
	char value[4096];
	json_t *props = vg->vg_vdevs != NULL ? json_object() : NULL;
	bool all = strcmp(vg->vg_spec, "all") == 0;

	for (size_t i = 0; all && i < ARRAY_SIZE(vprops); i++) {
		if (strcmp(vprops[i].name, "raidz_expanding") == 0 && strcmp(type, "raidz") != 0)
			continue;
		vprop_value(vd, parent, vg->vg_pool, &vprops[i], vg->vg_literal, value,
		    sizeof (value), &source);
		vget_value(vg, name, vprops[i].name, value, source, props);
	}
	for (const char *p = vg->vg_spec; !all && *p != '\0';) {
		size_t len = strcspn(p, ",");
		const struct vprop *vp = vprop_find(p, len);
		char prop[256];
		(void)snprintf(prop, sizeof (prop), "%.*s", (int)len, p);
		if (vp != NULL)
			vprop_value(vd, parent, vg->vg_pool, vp, vg->vg_literal, value,
			    sizeof (value), &source);
		else
			source = strcpy(value, "-");
		vget_value(vg, name, prop, value, source, props);
		p += len + (p[len] == ',');
	}
	if (props != NULL) {
		json_t *v = json_object();
		(void)json_object_set_new(v, "name", json_string(name));
		(void)json_object_set_new(v, "type", json_string("VDEV"));
		(void)json_object_set_new(v, "vdev_type", json_string(type));
		(void)json_object_set_new(v, "guid", json_u64(cmd_u64(vd, "guid"), vg->vg_json_int));
		if (cmd_str(vd, "path") != NULL)
			(void)json_object_set_new(v, "path", json_string(cmd_str(vd, "path")));
		(void)json_object_set_new(v, "class", json_string(zpool_vdev_class(vd)));
		(void)json_object_set_new(v, "state",
		    json_string(zpool_state_name(
			zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux"))));
		(void)json_object_set_new(v, "properties", props);
		(void)json_object_set_new(vg->vg_vdevs, name, v);
	}
	kmem_strfree(name);
}

static void
vget_tree(vget_t *vg, const nvlist_t *vd, const nvlist_t *parent)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);

	vget_one(vg, vd, parent);
	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]))
			vget_tree(vg, child[i], vd);
}

static const nvlist_t *
find_with_parent(const nvlist_t *vd, const nvlist_t *want, const nvlist_t *up)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const nvlist_t *found = NULL;

	if (vd == want)
		return (up);
	for (size_t i = 0; i < n && found == NULL; i++)
		found = find_with_parent(child[i], want, vd);
	return (found);
}

static const nvlist_t *
find_vdev(const nvlist_t *tree, const char *pool, const char *name)
{
	return (strcmp(name, "root-0") == 0 ? tree : zpool_find_vdev(tree, pool, name));
}

static int
check_spec(const char *spec)
{
	for (const char *p = spec; *p != '\0' && strcmp(spec, "all") != 0;) {
		size_t len = strcspn(p, ",");
		char word[256];
		(void)snprintf(word, sizeof (word), "%.*s", (int)len, p);
		if (vprop_find(p, len) == NULL && strchr(word, ':') == NULL &&
		    strcmp(word, "name") != 0) {
			(void)fprintf(stderr, "bad property list: invalid property '%s'\n", word);
			return (EXIT_USAGE);
		}
		p += len + (p[len] == ',');
	}
	return (0);
}

/* How a property's title is when it heads a column. */
static int
title_width(const char *prop, size_t len)
{
	if (strncmp(prop, "checksum_", 9) == 0)
		return ((int)len - 3);
	return ((int)len);
}

/* The NAME column is as wide as the first vdev, the VALUE column as the titles ask for. */
static void
vget_header(vget_t *vg, const char *first)
{
	static const char *const titles[] = { "", "NAME", "PROPERTY", "VALUE", "RECEIVED", "SOURCE" };

	for (int i = 0; i < vg->vg_ncols; i++) {
		int width = 0;
		if (vg->vg_cols[i] == GET_COL_NAME)
			width = (int)strlen(first);
		for (const char *p = vg->vg_spec;
		     vg->vg_cols[i] == GET_COL_VALUE && *p != '\0' && strcmp(vg->vg_spec, "all") != 0;) {
			size_t len = strcspn(p, ",");
			width = MAX(width, title_width(p, len));
			p += len + (p[len] == ',');
		}
		table_header(vg->vg_table, (size_t)i, titles[vg->vg_cols[i]], false, width);
		if (vg->vg_cols[i] == GET_COL_NAME)
			table_fixed(vg->vg_table, (size_t)i);
	}
}

int
zpool_get_vdevs(const char *spec, const char *pool, const nvlist_t *status, int argc, char **argv,
    get_column_t *cols, int ncols, bool scripted, bool literal, bool json, bool json_int)
{
	const nvlist_t *tree = cmd_list(status, "vdev_tree");
	vget_t vg = { pool, spec, cols, ncols, literal, json_int, NULL, NULL };
	bool every = strcmp(argv[0], "all-vdevs") == 0;
	int ret;

	for (int i = 0; i < argc && !every; i++) {
		if (find_vdev(tree, pool, argv[i]) != NULL)
			continue;
		(void)fprintf(stderr, "Expected a list of vdevs in \"%s\", but got:\n", pool);
		for (int k = 0; k < argc; k++)
			if (find_vdev(tree, pool, argv[k]) == NULL)
				(void)fprintf(stderr, "\t%s (unknown)\n", argv[k]);
		return (cmd_usage("%s", ""));
	}
	if ((ret = check_spec(spec)) != 0) {
		cmd_print_usage_only(stderr);
		vdev_prop_usage(stderr);
		return (ret);
	}
	vg.vg_table = table_create((size_t)ncols, scripted);
	vget_header(&vg, every ? "root-0" : argv[0]);
	if (json)
		vg.vg_vdevs = json_object();
	if (every)
		vget_tree(&vg, tree, NULL);
	for (int i = 0; i < argc && !every; i++) {
		const nvlist_t *vd = find_vdev(tree, pool, argv[i]);
		vget_one(&vg, vd, find_with_parent(tree, vd, NULL));
	}
	if (json) {
		json_t *root = json_begin("zpool get");
		json_t *p = zpool_json_pool(status, false, json_int);
		(void)json_object_set_new(root, "pool", p);
		(void)json_object_set_new(root, "vdevs", vg.vg_vdevs);
		json_end(root);
	} else {
		table_print(vg.vg_table, true);
	}
	table_free(vg.vg_table);
	return (0);
}

/* ---- set --------------------------------------------------------------------------------- */

int
zpool_set_vdev(const char *pool, const nvlist_t *status, const char *vdev, const char *name,
    const char *value)
{
	const struct vprop *vp = vprop_find(name, strlen(name));

	(void)value;
	if (find_vdev(cmd_list(status, "vdev_tree"), pool, vdev) == NULL)
		return (cmd_error("cannot set property %s for %s on %s: no such device in pool",
		    name, vdev, pool));
	if (vp == NULL && strchr(name, ':') == NULL)
		return (cmd_error("cannot set property %s for %s on %s: invalid property '%s'", name,
		    vdev, pool, name));
	if (vp != NULL && strcmp(vp->edit, "NO") == 0)
		return (cmd_error("cannot set property %s for %s on %s: '%s' is readonly", name,
		    vdev, pool, name));
	return (cmd_unsupported("cannot set property %s for %s on %s: properties of vdevs", name,
	    vdev, pool));
}
