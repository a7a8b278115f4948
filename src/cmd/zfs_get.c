/* zfs get. */
#include <getopt.h>
#include "cmd/zfs.h"

typedef struct get_opts {
	bool go_scripted, go_literal, go_recurse, go_json, go_json_int, go_types_given;
	uint64_t go_depth;
	int go_types;
	int go_sources; /* ZPROP_SRC_* bits to show */
	get_column_t go_cols[GET_COLUMNS];
	int go_ncols;
	zprop_wants_t go_wants;
	cmd_table_t *go_table;
	json_t *go_datasets;
} get_opts_t;

static void
source_text(zprop_source_t src, const char *where, char *buf, size_t size)
{
	switch (src) {
	case ZPROP_SRC_DEFAULT:
		(void)snprintf(buf, size, "default");
		break;
	case ZPROP_SRC_LOCAL:
		(void)snprintf(buf, size, "local");
		break;
	case ZPROP_SRC_INHERITED:
		(void)snprintf(buf, size, "inherited from %s", where);
		break;
	case ZPROP_SRC_RECEIVED:
		(void)snprintf(buf, size, "received");
		break;
	case ZPROP_SRC_TEMPORARY:
		(void)snprintf(buf, size, "temporary");
		break;
	case ZPROP_SRC_NONE:
		(void)snprintf(buf, size, "-");
		break;
	}
}

static void
get_row(get_opts_t *go, const dataset_t *d, const zprop_want_t *zw, const char *value,
    const char *source, bool show)
{
	static char recvd[ZFS_VALUE_MAX];

	for (int i = 0; i < go->go_ncols; i++) {
		const char *cell = "";
		switch (go->go_cols[i]) {
		case GET_COL_NAME:
			cell = d->d_name;
			break;
		case GET_COL_PROPERTY:
			cell = zw->zw_name;
			break;
		case GET_COL_VALUE:
			cell = value;
			break;
		case GET_COL_RECVD:
			zfs_value_received(d, zw, recvd, sizeof (recvd));
			cell = recvd;
			break;
		case GET_COL_SOURCE:
			cell = source;
			break;
		}
		/*
		 * Numbers do not widen the VALUE column, which has its width from the property;
		 * the SOURCE column is only as wide as what is shown.
		 */
		bool fixed = go->go_cols[i] == GET_COL_VALUE && zw->zw_prop != NULL &&
		    (zw->zw_prop->zp_flags & ZP_RIGHT) && !(zw->zw_prop->zp_flags & ZP_VARIABLE);
		if (fixed)
			table_narrow_cell(go->go_table, "%s", cell);
		else
			table_cell(go->go_table, "%s",
			    show || go->go_cols[i] != GET_COL_SOURCE ? cell : "");
	}
	if (show)
		table_end_row(go->go_table);
	else
		table_end_hidden_row(go->go_table);
}

static void
get_property(get_opts_t *go, const dataset_t *d, const zprop_want_t *zw, json_t *props)
{
	static char value[ZFS_VALUE_MAX];
	char where[ZFS_MAX_DATASET_NAME_LEN], source[ZFS_MAX_DATASET_NAME_LEN + 32];
	zprop_source_t src;
	bool has = zfs_value(d, zw, go->go_literal, value, sizeof (value), &src, where);

	/* "all" leaves out what has no value. */
	if (!has && zw->zw_all)
		return;
	if (!has) {
		(void)snprintf(value, sizeof (value), "-");
		src = ZPROP_SRC_NONE;
	}
	bool show = (go->go_sources & (int)src) != 0;
	if (props != NULL) {
		if (show)
			(void)json_object_set_new(props, zw->zw_name,
			    zfs_json_property(d, zw, go->go_literal, go->go_json_int));
		return;
	}
	source_text(src, where, source, sizeof (source));
	get_row(go, d, zw, value, source, show);
}

static void
get_dataset(get_opts_t *go, const dataset_t *d)
{
	const nvlist_t *props = cmd_list(d->d_entry, "props");
	json_t *out = go->go_json ? json_object() : NULL;

	for (zprop_want_t *zw = list_head(&go->go_wants.zws_list); zw != NULL;
	     zw = list_next(&go->go_wants.zws_list, zw))
		get_property(go, d, zw, out);
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL);
	     go->go_wants.zws_all && d->d_type != TYPE_BOOK && nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp)) {
		if (strchr(nvpair_name(nvp), ':') == NULL)
			continue;
		zprop_want_t zw = { .zw_name = (char *)nvpair_name(nvp), .zw_all = true };
		get_property(go, d, &zw, out);
	}
	if (out != NULL && json_object_size(out) > 0) {
		json_t *o = zfs_json_dataset(d, go->go_json_int);
		(void)json_object_set(o, "properties", out);
		(void)json_object_set_new(go->go_datasets, d->d_name, o);
	}
	json_decref(out);
}

/* ---- options ----------------------------------------------------------------------------- */

static int
parse_sources(const char *spec, int *sources)
{
	static const struct {
		const char *word;
		int src;
	} words[] = { { "local", ZPROP_SRC_LOCAL }, { "default", ZPROP_SRC_DEFAULT },
		{ "inherited", ZPROP_SRC_INHERITED }, { "received", ZPROP_SRC_RECEIVED },
		{ "temporary", ZPROP_SRC_TEMPORARY }, { "none", ZPROP_SRC_NONE } };

	*sources = 0;
	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		bool found = false;
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			if (strlen(words[i].word) == len && strncmp(words[i].word, p, len) == 0) {
				*sources |= words[i].src;
				found = true;
			}
		}
		if (!found)
			return (cmd_usage("invalid source '%.*s'", (int)len, p));
		p += len + (p[len] == ',');
	}
	return (0);
}

static int
get_option(get_opts_t *go, int c)
{
	const char *bad = NULL;
	size_t badlen = 0;
	char word[128], *end;

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
	case 'r':
		go->go_recurse = true;
		return (0);
	case 'd':
		go->go_recurse = true;
		go->go_depth = strtoull(optarg, &end, 10);
		if (*end != '\0' || end == optarg)
			return (cmd_usage("%s is not an integer", optarg));
		return (0);
	case 'o':
		go->go_ncols = zprop_get_columns(optarg, true, go->go_cols, &bad, &badlen);
		if (go->go_ncols == 0 && bad != NULL)
			return (cmd_usage("invalid column name '%.*s'", (int)badlen, bad));
		if (go->go_ncols == 0)
			return (cmd_usage("too many fields given to -o option"));
		return (0);
	case 's':
		return (parse_sources(optarg, &go->go_sources));
	case 't':
		go->go_types_given = true;
		if (zfs_parse_types(optarg, &go->go_types, word, sizeof (word)) != 0)
			return (cmd_usage("invalid type '%s'", word));
		return (0);
	default:
		return (cmd_bad_option(c));
	}
}

static void
get_header(get_opts_t *go)
{
	static const char *const titles[] = { "", "NAME", "PROPERTY", "VALUE", "RECEIVED", "SOURCE" };

	go->go_table = table_create((size_t)go->go_ncols, go->go_scripted);
	for (int i = 0; i < go->go_ncols; i++) {
		int width = 0;
		for (zprop_want_t *zw = list_head(&go->go_wants.zws_list);
		     zw != NULL && go->go_cols[i] == GET_COL_VALUE;
		     zw = list_next(&go->go_wants.zws_list, zw))
			width = MAX(width, zprop_width(zw->zw_prop, zw->zw_name));
		for (zprop_want_t *zw = list_head(&go->go_wants.zws_list);
		     zw != NULL && go->go_cols[i] == GET_COL_PROPERTY;
		     zw = list_next(&go->go_wants.zws_list, zw))
			width = MAX(width, (int)strlen(zw->zw_name));
		table_header(go->go_table, (size_t)i, titles[go->go_cols[i]], false, width);
	}
}

static int
get_run(get_opts_t *go, int argc, char **argv)
{
	dataset_set_t s;
	int ret = 0;

	datasets_init(&s);
	if (argc == 0)
		datasets_get_all(&s, UINT64_MAX, go->go_types, true);
	else
		ret = zfs_gather(&s, argc, argv, go->go_types, go->go_recurse, go->go_depth,
		    go->go_types_given, TYPE_ALL);
	datasets_sort(&s);
	get_header(go);
	if (go->go_json)
		go->go_datasets = json_object();
	for (dataset_t *d = list_head(&s.s_list); d != NULL; d = list_next(&s.s_list, d))
		get_dataset(go, d);
	if (go->go_json && list_head(&s.s_list) != NULL) {
		json_t *root = json_begin("zfs get");
		(void)json_object_set(root, "datasets", go->go_datasets);
		json_end(root);
	} else if (!go->go_json && list_head(&s.s_list) != NULL) {
		table_print(go->go_table, true);
	}
	json_decref(go->go_datasets);
	table_free(go->go_table);
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_get(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ "json-int", no_argument, NULL, 'I' }, { NULL, 0, NULL, 0 } };
	get_opts_t go = { .go_types = TYPE_ALL,
		.go_depth = UINT64_MAX,
		.go_sources = 0xff,
		.go_cols = { GET_COL_NAME, GET_COL_PROPERTY, GET_COL_VALUE, GET_COL_SOURCE },
		.go_ncols = 4 };
	int c, ret = 0;

	zprop_wants_init(&go.go_wants);
	while (ret == 0 && (c = getopt_long(argc, argv, ":jd:o:s:rt:Hp", longopts, NULL)) != -1)
		ret = get_option(&go, c);
	argc -= optind;
	argv += optind;
	if (ret == 0 && go.go_json_int && !go.go_json)
		ret = cmd_usage("'--json-int' only works with '-j' option");
	if (ret == 0 && argc < 1)
		ret = cmd_usage("missing property argument");
	if (ret == 0 && strcmp(argv[0], "all") == 0)
		zfs_prop_wants_all(&go.go_wants);
	else if (ret == 0)
		ret = zfs_prop_wants(argv[0], &go.go_wants, false);
	if (ret == 0)
		ret = get_run(&go, argc - 1, argv + 1);
	zprop_wants_fini(&go.go_wants);
	return (ret);
}
