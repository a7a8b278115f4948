/* zfs list: datasets as a table, sorted. */
#include <getopt.h>
#include "cmd/zfs.h"

typedef struct sort_key {
	list_node_t sk_node;
	zprop_want_t sk_want;
	bool sk_reverse;
} sort_key_t;

typedef struct list_opts {
	bool lo_scripted, lo_literal, lo_recurse, lo_json, lo_json_int, lo_types_given;
	uint64_t lo_depth;
	bool lo_depth_given;
	int lo_types;
	list_t lo_sort;
	zprop_wants_t lo_wants;
} list_opts_t;

/* ---- sorting ----------------------------------------------------------------------------- */

static list_opts_t *sort_opts;

static int
by_key(const sort_key_t *sk, const dataset_t *a, const dataset_t *b)
{
	static char va[ZFS_VALUE_MAX], vb[ZFS_VALUE_MAX];
	char where[ZFS_MAX_DATASET_NAME_LEN];
	zprop_source_t src;
	uint64_t na, nb;
	int c;

	if (sk->sk_want.zw_prop != NULL && strcmp(sk->sk_want.zw_name, "name") == 0) {
		c = strcmp(a->d_name, b->d_name);
		return (sk->sk_reverse ? -c : c);
	}
	bool ha = zfs_value(a, &sk->sk_want, true, va, sizeof (va), &src, where);
	bool hb = zfs_value(b, &sk->sk_want, true, vb, sizeof (vb), &src, where);
	/* What has no value comes last, however sorted. */
	if (!ha || !hb)
		return ((int)hb - (int)ha);
	if (zfs_value_number(a, &sk->sk_want, &na) && zfs_value_number(b, &sk->sk_want, &nb))
		c = na < nb ? -1 : na > nb;
	else
		c = strcmp(va, vb);
	return (sk->sk_reverse ? -c : c);
}

static int
compare(const void *x, const void *y)
{
	const dataset_t *a = *(const dataset_t *const *)x, *b = *(const dataset_t *const *)y;

	for (sort_key_t *sk = list_head(&sort_opts->lo_sort); sk != NULL;
	     sk = list_next(&sort_opts->lo_sort, sk)) {
		int c = by_key(sk, a, b);
		if (c != 0)
			return (c);
	}
	return (datasets_compare(a, b));
}

static int
add_sort(list_opts_t *lo, const char *name, bool reverse)
{
	const zprop_t *zp = zfs_prop_find(name);

	if (zp == NULL && !zfs_prop_is_user(name))
		return (cmd_usage("invalid property '%s'", name));
	sort_key_t *sk = kmem_zalloc(sizeof (*sk), KM_SLEEP);
	sk->sk_want.zw_prop = zp;
	sk->sk_want.zw_name = kmem_strdup(zp != NULL ? zp->zp_name : name);
	sk->sk_reverse = reverse;
	list_insert_tail(&lo->lo_sort, sk);
	return (0);
}

/* The array of datasets, each once, in order; free with kmem_free(n * sizeof). */
static dataset_t **
sorted(list_opts_t *lo, dataset_set_t *s, size_t *np, size_t *roomp)
{
	size_t room = 0, n = 0;
	dataset_t *d;

	for (d = list_head(&s->s_list); d != NULL; d = list_next(&s->s_list, d))
		room++;
	dataset_t **v = kmem_zalloc(room * sizeof (*v), KM_SLEEP);
	for (d = list_head(&s->s_list); d != NULL; d = list_next(&s->s_list, d))
		if (d->d_type & lo->lo_types)
			v[n++] = d;
	sort_opts = lo;
	if (n > 1)
		qsort(v, n, sizeof (*v), compare);
	size_t unique = 0;
	for (size_t i = 0; i < n; i++)
		if (unique == 0 || strcmp(v[unique - 1]->d_name, v[i]->d_name) != 0)
			v[unique++] = v[i];
	*np = unique;
	*roomp = room;
	return (v);
}

/* ---- table ------------------------------------------------------------------------------- */

static void
cell_of(const list_opts_t *lo, const dataset_t *d, const zprop_want_t *zw, char *buf, size_t size)
{
	char where[ZFS_MAX_DATASET_NAME_LEN];
	zprop_source_t src;

	if (!zfs_value(d, zw, lo->lo_literal, buf, size, &src, where))
		(void)snprintf(buf, size, "-");
}

static void
print_table(list_opts_t *lo, dataset_t **v, size_t n)
{
	static char buf[ZFS_VALUE_MAX];
	char title[512];
	size_t ncols = 0, col = 0;
	zprop_want_t *zw;

	for (zw = list_head(&lo->lo_wants.zws_list); zw != NULL;
	     zw = list_next(&lo->lo_wants.zws_list, zw))
		ncols++;
	cmd_table_t *t = table_create(ncols, lo->lo_scripted);
	for (zw = list_head(&lo->lo_wants.zws_list); zw != NULL;
	     zw = list_next(&lo->lo_wants.zws_list, zw), col++) {
		const zprop_t *zp = zw->zw_prop;
		(void)snprintf(title, sizeof (title), "%s", zp != NULL ? zp->zp_column : zw->zw_name);
		for (char *p = title; zp == NULL && *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		table_header(t, col, title, zp != NULL && (zp->zp_flags & ZP_RIGHT),
		    zp != NULL && !lo->lo_scripted ? zp->zp_width : 0);
	}
	for (size_t i = 0; i < n; i++) {
		for (zw = list_head(&lo->lo_wants.zws_list); zw != NULL;
		     zw = list_next(&lo->lo_wants.zws_list, zw)) {
			cell_of(lo, v[i], zw, buf, sizeof (buf));
			table_cell(t, "%s", buf);
		}
		table_end_row(t);
	}
	table_print(t, true);
	table_free(t);
}

/* ---- JSON -------------------------------------------------------------------------------- */

json_t *
zfs_json_dataset(const dataset_t *d, bool as_int)
{
	static const struct {
		int type;
		const char *word;
	} words[] = { { TYPE_FS, "FILESYSTEM" }, { TYPE_VOL, "VOLUME" },
		{ TYPE_SNAP, "SNAPSHOT" }, { TYPE_BOOK, "BOOKMARK" } };
	char pool[ZFS_MAX_DATASET_NAME_LEN];
	json_t *o = json_object();
	const char *at = strchr(d->d_name, '@');

	(void)json_object_set_new(o, "name", json_string(d->d_name));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].type == d->d_type)
			(void)json_object_set_new(o, "type", json_string(words[i].word));
	(void)json_object_set_new(o, "pool", json_string(cmd_pool_of(d->d_name, pool)));
	(void)json_object_set_new(
	    o, "createtxg", json_u64(cmd_u64(d->d_entry, "creation_txg"), as_int));
	if (at != NULL) {
		(void)json_object_set_new(
		    o, "dataset", json_stringn(d->d_name, (size_t)(at - d->d_name)));
		(void)json_object_set_new(o, "snapshot_name", json_string(at + 1));
	}
	return (o);
}

json_t *
zfs_json_property(const dataset_t *d, const zprop_want_t *zw, bool literal, bool as_int)
{
	static char buf[ZFS_VALUE_MAX];
	char where[ZFS_MAX_DATASET_NAME_LEN], *end;
	zprop_source_t src;

	if (!zfs_value(d, zw, literal, buf, sizeof (buf), &src, where)) {
		(void)snprintf(buf, sizeof (buf), "-");
		src = ZPROP_SRC_NONE;
	}
	uint64_t v = strtoull(buf, &end, 10);
	bool number = as_int && zw->zw_prop != NULL && (zw->zw_prop->zp_flags & ZP_RIGHT) &&
	    end != buf && *end == '\0';
	const char *type = src == ZPROP_SRC_DEFAULT ? "DEFAULT" :
	    src == ZPROP_SRC_LOCAL			? "LOCAL" :
	    src == ZPROP_SRC_INHERITED			? "INHERITED" :
	    src == ZPROP_SRC_RECEIVED			? "RECEIVED" :
	    src == ZPROP_SRC_TEMPORARY			? "TEMPORARY" :
							  "NONE";
	return (json_property(number ? json_u64(v, true) : json_string(buf), type,
	    src == ZPROP_SRC_INHERITED ? where : "-"));
}

static void
print_json(list_opts_t *lo, dataset_t **v, size_t n)
{
	json_t *root = json_begin("zfs list"), *datasets = json_object();

	for (size_t i = 0; i < n; i++) {
		json_t *o = zfs_json_dataset(v[i], lo->lo_json_int), *props = json_object();
		for (zprop_want_t *zw = list_head(&lo->lo_wants.zws_list); zw != NULL;
		     zw = list_next(&lo->lo_wants.zws_list, zw))
			if (strcmp(zw->zw_name, "name") != 0)
				(void)json_object_set_new(props, zw->zw_name,
				    zfs_json_property(
					v[i], zw, lo->lo_literal, lo->lo_json_int));
		(void)json_object_set_new(o, "properties", props);
		(void)json_object_set_new(datasets, v[i]->d_name, o);
	}
	(void)json_object_set_new(root, "datasets", datasets);
	json_end(root);
}

/* ---- the command ------------------------------------------------------------------------- */

/*
 * Into the set: what the user named (or everything) down to the depth. A name without -r stands for
 * itself; for its snapshots if only those are asked for.
 */
int
zfs_gather(dataset_set_t *s, int argc, char **argv, int types, bool recurse, uint64_t depth,
    bool types_given, int open_types)
{
	int ret = 0;

	if (argc == 0) {
		datasets_get_all(s, recurse ? depth : UINT64_MAX, types, true);
		return (0);
	}
	bool below = types_given && !(types & (TYPE_FS | TYPE_VOL));
	for (int i = 0; i < argc; i++) {
		dataset_set_t probe;
		datasets_init(&probe);
		const dataset_t *d = dataset_open(&probe, argv[i], open_types, false);
		int err = d == NULL ? ENOENT : 0;
		bool leaf = d != NULL && d->d_type != TYPE_FS && d->d_type != TYPE_VOL;
		if (d != NULL && !recurse && !below && !(d->d_type & types) && types_given) {
			(void)cmd_error("cannot open '%s': operation not applicable to datasets of "
					"this type", argv[i]);
			err = EINVAL;
		}
		if (err == 0)
			err = datasets_get(s, d->d_name,
			    recurse		? depth :
				below && !leaf ? 1 :
						 0,
			    leaf	? TYPE_ALL :
				recurse ? types :
				below	? types :
					  TYPE_FS | TYPE_VOL,
			    true);
		datasets_fini(&probe);
		ret |= err != 0;
	}
	return (ret);
}

static int
list_option(list_opts_t *lo, int c, const char **spec)
{
	char bad[128], *end;

	switch (c) {
	case 'H':
		lo->lo_scripted = true;
		return (0);
	case 'p':
		lo->lo_literal = true;
		return (0);
	case 'j':
		lo->lo_json = true;
		return (0);
	case 'I':
		lo->lo_json_int = lo->lo_literal = true;
		return (0);
	case 'r':
		lo->lo_recurse = true;
		return (0);
	case 'd':
		lo->lo_recurse = lo->lo_depth_given = true;
		lo->lo_depth = strtoull(optarg, &end, 10);
		if (*end != '\0' || end == optarg)
			return (cmd_usage("%s is not an integer", optarg));
		return (0);
	case 'o':
		*spec = optarg;
		return (0);
	case 's':
	case 'S':
		return (add_sort(lo, optarg, c == 'S'));
	case 't':
		lo->lo_types_given = true;
		if (zfs_parse_types(optarg, &lo->lo_types, bad, sizeof (bad)) != 0)
			return (cmd_usage("invalid type '%s'", bad));
		return (0);
	default:
		return (cmd_bad_option(c));
	}
}

static int
list_run(list_opts_t *lo, int argc, char **argv)
{
	dataset_set_t s;
	size_t n, room;

	datasets_init(&s);
	int open_types = TYPE_FS | TYPE_VOL | TYPE_SNAP;
	int types = lo->lo_types;
	/* Snapshots that are named are shown without being asked for. */
	if (!lo->lo_types_given)
		lo->lo_types |= argc > 0 ? TYPE_SNAP : 0;
	int ret = zfs_gather(&s, argc, argv, types, lo->lo_recurse, lo->lo_depth, lo->lo_types_given,
	    open_types);
	dataset_t **v = sorted(lo, &s, &n, &room);
	if (n == 0 && ret == 0)
		(void)fprintf(stderr, "no datasets available\n");
	else if (n > 0 && lo->lo_json)
		print_json(lo, v, n);
	else if (n > 0)
		print_table(lo, v, n);
	kmem_free(v, room * sizeof (*v));
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_list(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ "json-int", no_argument, NULL, 'I' }, { NULL, 0, NULL, 0 } };
	const char *spec = "name,used,available,referenced,mountpoint";
	list_opts_t lo = { .lo_types = TYPE_FS | TYPE_VOL, .lo_depth = UINT64_MAX };
	sort_key_t *sk;
	int c, ret = 0;

	list_create(&lo.lo_sort, sizeof (sort_key_t), offsetof(sort_key_t, sk_node));
	zprop_wants_init(&lo.lo_wants);
	while (ret == 0 && (c = getopt_long(argc, argv, ":jHS:d:o:prs:t:", longopts, NULL)) != -1)
		ret = list_option(&lo, c, &spec);
	if (ret == 0 && lo.lo_json_int && !lo.lo_json)
		ret = cmd_usage("'--json-int' only works with '-j' option");
	if (ret == 0 && strcmp(spec, "all") == 0) {
		(void)zprop_wants_add(&lo.lo_wants, zfs_prop_find("name"), NULL);
		zfs_prop_wants_all(&lo.lo_wants);
	} else if (ret == 0) {
		ret = zfs_prop_wants(spec, &lo.lo_wants, true);
	}
	if (ret == 0)
		ret = list_run(&lo, argc - optind, argv + optind);
	while ((sk = list_remove_head(&lo.lo_sort)) != NULL) {
		kmem_strfree(sk->sk_want.zw_name);
		kmem_free(sk, sizeof (*sk));
	}
	list_destroy(&lo.lo_sort);
	zprop_wants_fini(&lo.lo_wants);
	return (ret);
}
