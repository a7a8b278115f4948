/* zpool get, set. */
#include <getopt.h>
#include <unistd.h>
#include "cmd/zpool.h"
#include "spa/zfeature.h"

typedef struct get_opts {
	bool go_scripted, go_literal, go_json, go_json_int, go_json_guid;
	get_column_t go_cols[GET_COLUMNS];
	int go_ncols;
	const char *go_spec;
	zprop_wants_t go_wants; /* unless all */
	bool go_all;
	cmd_table_t *go_table;
	json_t *go_pools;
} get_opts_t;

static void
get_header(get_opts_t *go)
{
	static const char *const titles[] = { "", "NAME", "PROPERTY", "VALUE", "RECEIVED", "SOURCE" };

	go->go_table = table_create((size_t)go->go_ncols, go->go_scripted);
	for (int i = 0; i < go->go_ncols; i++)
		table_header(go->go_table, (size_t)i, titles[go->go_cols[i]], false, 0);
}

/* Columns are as wide as the properties asked for, also if no row shows them. */
static void
widen(get_opts_t *go, const zprop_want_t *zw, const char *value)
{
	int width = MAX(zprop_width(zw->zw_prop, zw->zw_name), (int)strlen(value));

	for (int i = 0; i < go->go_ncols; i++)
		table_cell(go->go_table, "%*s", go->go_cols[i] == GET_COL_VALUE ? width : 0, "");
	table_end_hidden_row(go->go_table);
}

static void
get_row(get_opts_t *go, const char *name, const char *prop, const char *value, const char *source)
{
	for (int i = 0; i < go->go_ncols; i++) {
		const char *cell = go->go_cols[i] == GET_COL_NAME ? name :
		    go->go_cols[i] == GET_COL_PROPERTY		   ? prop :
		    go->go_cols[i] == GET_COL_VALUE		   ? value :
								     source;
		table_cell(go->go_table, "%s", cell);
	}
	table_end_row(go->go_table);
}

static int
get_one(const char *pool, nvlist_t *status, void *arg)
{
	get_opts_t *go = arg;
	zprop_wants_t all, *zws = &go->go_wants;
	char value[8192], key[24];
	const char *source;

	zprop_wants_init(&all);
	if (go->go_all) {
		zpool_prop_wants_all(&all, status);
		zws = &all;
	}
	if (go->go_json) {
		json_t *p = zpool_json_pool(status, true, go->go_json_int);
		(void)json_object_set_new(p, "properties",
		    zpool_json_props(status, zws, go->go_literal, go->go_json_int));
		(void)snprintf(key, sizeof (key), "%" PRIu64, cmd_u64(status, "pool_guid"));
		(void)json_object_set_new(go->go_pools, go->go_json_guid ? key : pool, p);
	}
	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL && !go->go_json;
	     zw = list_next(&zws->zws_list, zw)) {
		zpool_prop_value(status, zw, go->go_literal, value, sizeof (value), &source);
		if (!go->go_scripted)
			widen(go, zw, value);
		get_row(go, pool, zw->zw_name, value, source);
	}
	zprop_wants_fini(&all);
	return (0);
}

static int
get_option(get_opts_t *go, int c)
{
	const char *bad = NULL;
	size_t badlen = 0;

	switch (c) {
	case 'H':
		go->go_scripted = true;
		return (0);
	case 'p':
		go->go_literal = true;
		return (0);
	case 'j':
		go->go_json = true;
		return (0);
	case 'I':
		go->go_json_int = go->go_literal = true;
		return (0);
	case 'G':
		go->go_json_guid = true;
		return (0);
	case 'o':
		go->go_ncols = zprop_get_columns(optarg, false, go->go_cols, &bad, &badlen);
		if (go->go_ncols == 0 && bad != NULL)
			return (cmd_usage("invalid column name '%.*s'", (int)badlen, bad));
		if (go->go_ncols == 0)
			return (cmd_usage("too many fields given to -o option"));
		return (0);
	default:
		return (cmd_bad_option(c));
	}
}

int
zpool_do_get(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ "json-int", no_argument, NULL, 'I' },
		{ "json-pool-key-guid", no_argument, NULL, 'G' }, { NULL, 0, NULL, 0 } };
	get_opts_t go = { .go_cols = { GET_COL_NAME, GET_COL_PROPERTY, GET_COL_VALUE,
			      GET_COL_SOURCE },
		.go_ncols = 4 };
	int c, ret = 0, found = 0;

	while ((c = getopt_long(argc, argv, ":jHpo:", longopts, NULL)) != -1)
		if ((ret = get_option(&go, c)) != 0)
			return (ret);
	argc -= optind;
	argv += optind;
	if (!go.go_json && go.go_json_int)
		return (cmd_usage("'--json-int' only works with '-j' option"));
	if (!go.go_json && go.go_json_guid)
		return (cmd_usage("'json-pool-key-guid' only works with '-j' option"));
	if (argc < 1)
		return (cmd_usage("missing property argument"));
	/* A pool and then vdevs? */
	if (argc > 2 || (argc == 2 && strchr(argv[1], '/') != NULL)) {
		nvlist_t *status = zpool_get(argv[1], true), *second = NULL;
		bool vdevs = status != NULL && argc > 2 &&
		    (second = zpool_get(argv[2], true)) == NULL;
		nvlist_free(second);
		if (vdevs) {
			ret = zpool_get_vdevs(argv[0], argv[1], status, argc - 2, argv + 2,
			    go.go_cols, go.go_ncols, go.go_scripted, go.go_literal,
			    go.go_json, go.go_json_int);
			nvlist_free(status);
			return (ret);
		}
		nvlist_free(status);
	}
	zprop_wants_init(&go.go_wants);
	go.go_all = strcmp(argv[0], "all") == 0;
	if (!go.go_all)
		ret = zpool_prop_wants(argv[0], &go.go_wants);
	if (ret == 0 && argc == 2) {
		nvlist_t *status = zpool_get(argv[1], true);
		if (status == NULL)
			ret = cmd_error("Cannot get properties of %s: no such pool available.",
			    argv[1]);
		nvlist_free(status);
	}
	if (ret == 0) {
		get_header(&go);
		go.go_pools = json_object();
		ret = zpool_foreach(argc - 1, argv + 1, get_one, &go, &found);
		if (go.go_json && found > 0) {
			json_t *root = json_begin("zpool get");
			(void)json_object_set(root, "pools", go.go_pools);
			json_end(root);
		} else if (found > 0) {
			table_print(go.go_table, true);
		}
		json_decref(go.go_pools);
		table_free(go.go_table);
	}
	zprop_wants_fini(&go.go_wants);
	return (ret);
}

/* ---- set --------------------------------------------------------------------------------- */

static void
warn_compatibility(const char *pool, const char *value, const nvlist_t *status)
{
	char key[128], why[512];
	uint64_t set;

	if (zpool_compat_features(value, &set, why, sizeof (why)) != 0)
		return;
	for (int f = 0; f < SPA_FEATURES; f++) {
		(void)snprintf(key, sizeof (key), "feature@%s", spa_feature_table[f].fi_uname);
		const char *state = cmd_str(cmd_list(cmd_list(status, "props"), key), "value");
		if (state != NULL && strcmp(state, "disabled") != 0 && !(set >> f & 1)) {
			(void)fprintf(stderr,
			    "Warning: one or more features already enabled on pool '%s'\n"
			    "are not present in this compatibility set.\n", pool);
			return;
		}
	}
}

static const char *
set_why(const char *name, const char *value, int err, char *buf, size_t size)
{
	if (strcmp(name, "bootfs") == 0 && err == EINVAL) {
		(void)snprintf(buf, size, "'%s' is an invalid name", value);
		return (buf);
	}
	return (cmd_strerror(err));
}

static int
set_pool(const char *pool, const nvlist_t *status, const char *name, const char *value)
{
	nvlist_t *props = nvlist_create();
	char why[8400];
	uint64_t bits;
	int ret = 0;

	if (strcmp(name, "dedupditto") == 0) {
		(void)printf("Note: property '%s' no longer has any effect\n", name);
		nvlist_free(props);
		return (0);
	}
	if (strcmp(name, "compatibility") == 0 &&
	    zpool_compat_features(value, &bits, why, sizeof (why)) != 0) {
		ret = cmd_error("Error: could not read/parse feature file(s): %s", why);
	} else if (zpool_prop_parse(name, value, false, props, why, sizeof (why)) != 0) {
		ret = cmd_error("cannot set property for '%s': %s", pool, why);
	} else if (cmd_u64(props, "version") != 0) {
		if (cmd_u64(props, "version") != cmd_u64(status, "version") &&
		    cmd_u64(props, "version") < cmd_u64(status, "version"))
			ret = cmd_error("cannot set property for '%s': property 'version' number %s "
					"is invalid.", pool, value);
		else
			ret = cmd_error("cannot set property for '%s': invalid argument for this "
					"pool operation", pool);
	}
	if (ret == 0) {
		nvlist_t *req = cmd_request("pool_set");
		char *text = NULL;
		fnvlist_add_nvlist(req, "props", props);
		int err = cmd_call(pool, req, NULL, &text);
		if (err != 0)
			ret = cmd_error("cannot set property for '%s': %s", pool,
			    text != NULL ? text : set_why(name, value, err, why, sizeof (why)));
		else if (strcmp(name, "compatibility") == 0)
			warn_compatibility(pool, value, status);
		kmem_strfree(text);
	}
	nvlist_free(props);
	return (ret);
}

int
zpool_do_set(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, ":")) != -1)
		return (cmd_bad_option(c));
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing property=value argument"));
	if (argc < 2)
		return (cmd_usage("missing pool name"));
	if (argc > 3)
		return (cmd_usage("too many pool names"));
	char *value = strchr(argv[0], '=');
	if (value == NULL)
		return (cmd_usage("missing value in property=value argument"));
	*value++ = '\0';
	nvlist_t *status = zpool_get(argv[1], true);
	if (status == NULL) {
		(void)cmd_error("cannot open '%s': is not a pool", argv[1]);
		return (EINVAL);
	}
	int ret;
	if (argc == 3)
		ret = zpool_set_vdev(argv[1], status, argv[2], argv[0], value);
	else
		ret = set_pool(argv[1], status, argv[0], value);
	nvlist_free(status);
	return (ret);
}
