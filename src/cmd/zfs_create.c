/* zfs create, destroy, rename. */
#include <getopt.h>
#include "cmd/zfs.h"

/* ---- what create and rename have in common ----------------------------------------------- */

static bool
exists(const char *name, int *type)
{
	dataset_set_t s;
	bool found = false;

	datasets_init(&s);
	if (datasets_get(&s, name, 0, TYPE_ALL, false) == 0) {
		dataset_t *d = list_head(&s.s_list);
		found = d != NULL;
		if (found && type != NULL)
			*type = d->d_type;
	}
	datasets_fini(&s);
	return (found);
}

/* Is there a place for a dataset of this name? Complains "cannot create …". */
static int
check_parent(const char *name, bool make_parents)
{
	char pool[ZFS_MAX_DATASET_NAME_LEN], parent[2 * ZFS_MAX_DATASET_NAME_LEN];
	int type = TYPE_FS;

	(void)cmd_pool_of(name, pool);
	(void)snprintf(parent, sizeof (parent), "%s", name);
	char *slash = strrchr(parent, '/');
	if (slash == NULL)
		return (cmd_error("cannot create '%s': missing dataset name", name));
	*slash = '\0';
	if (!exists(pool, NULL))
		return (cmd_error("cannot create '%s': no such pool '%s'", name, pool));
	/* The nearest ancestor that there is. */
	while (!exists(parent, &type)) {
		if (!make_parents)
			return (cmd_error("cannot create '%s': parent does not exist", name));
		*strrchr(parent, '/') = '\0';
	}
	if (type != TYPE_FS)
		return (cmd_error("cannot create '%s': parent is not a filesystem", name));
	return (0);
}

static int
call_create(const char *name, const nvlist_t *props, bool nomount, bool history, nvlist_t **outp)
{
	nvlist_t *req = cmd_request("ds_create");
	char pool[ZFS_MAX_DATASET_NAME_LEN];

	if (!history)
		(void)nvlist_remove_all(req, "history");
	fnvlist_add_string(req, "name", name);
	fnvlist_add_uint64(req, "type", DMU_OST_ZFS);
	if (props != NULL)
		fnvlist_add_nvlist(req, "props", props);
	fnvlist_add_boolean_value(req, "nomount", nomount);
	return (cmd_call(cmd_pool_of(name, pool), req, outp, NULL));
}

static int
create_parents(const char *name, bool nomount)
{
	char path[2 * ZFS_MAX_DATASET_NAME_LEN];
	int err = 0;

	for (const char *p = strchr(name, '/'); p != NULL && err == 0; p = strchr(p + 1, '/')) {
		(void)snprintf(path, sizeof (path), "%.*s", (int)(p - name), name);
		if (!exists(path, NULL))
			err = call_create(path, NULL, nomount, false, NULL);
		if (err != 0 && err != EEXIST)
			return (cmd_error("cannot create '%s': %s", path, cmd_strerror(err)));
		err = 0;
	}
	return (0);
}

/* ---- create ------------------------------------------------------------------------------ */

typedef struct create {
	bool cr_parents, cr_dryrun, cr_nomount, cr_verbose, cr_parsable, cr_sparse;
	const char *cr_volsize, *cr_blocksize;
	nvlist_t *cr_given; /* name -> text */
} create_t;

static int
add_given(nvlist_t *given, char *arg)
{
	char *value = strchr(arg, '=');

	if (value == NULL)
		return (cmd_error("missing '=' for property=value argument"));
	*value++ = '\0';
	if (nvlist_exists(given, arg))
		return (cmd_error("property '%s' specified multiple times", arg));
	fnvlist_add_string(given, arg, value);
	return (0);
}

static int
create_option(create_t *cr, int c)
{
	switch (c) {
	case 'p':
		cr->cr_parents = true;
		return (0);
	case 'n':
		cr->cr_dryrun = true;
		return (0);
	case 'u':
		cr->cr_nomount = true;
		return (0);
	case 'v':
		cr->cr_verbose = true;
		return (0);
	case 'P':
		cr->cr_verbose = cr->cr_parsable = true;
		return (0);
	case 's':
		cr->cr_sparse = true;
		return (0);
	case 'V':
		cr->cr_volsize = optarg;
		return (0);
	case 'b':
		cr->cr_blocksize = optarg;
		return (0);
	case 'o':
		return (add_given(cr->cr_given, optarg));
	default:
		return (cmd_bad_option(c));
	}
}

static int
parse_props(const create_t *cr, const char *name, nvlist_t *props)
{
	char why[ZFS_VALUE_MAX + 256];
	uint64_t utf8 = 1;

	for (nvpair_t *nvp = nvlist_next_nvpair(cr->cr_given, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(cr->cr_given, nvp)) {
		const char *value;
		(void)nvpair_value_string(nvp, &value);
		if (zfs_prop_parse(nvpair_name(nvp), value, TYPE_FS, true, props, why,
			sizeof (why)) != 0)
			return (cmd_error("cannot create '%s': %s", name, why));
	}
	if (cmd_u64(props, "normalization") != 0) {
		(void)nvlist_lookup_uint64(props, "utf8only", &utf8);
		if (utf8 == 0)
			return (cmd_error("cannot create '%s': 'utf8only' must be set 'on' if "
					  "normalization chosen", name));
		fnvlist_add_uint64(props, "utf8only", 1);
	}
	return (0);
}

static void
announce(const create_t *cr, const char *name)
{
	const char *would = cr->cr_dryrun ? "would " : "";

	if (!cr->cr_verbose)
		return;
	if (cr->cr_parsable) {
		(void)printf("create\t%s\n", name);
		for (nvpair_t *nvp = nvlist_next_nvpair(cr->cr_given, NULL); nvp != NULL;
		     nvp = nvlist_next_nvpair(cr->cr_given, nvp)) {
			const char *value;
			(void)nvpair_value_string(nvp, &value);
			(void)printf("property\t%s\t%s\n", nvpair_name(nvp), value);
		}
		return;
	}
	if (cr->cr_parents)
		(void)printf("%screate ancestors of %s\n", would, name);
	(void)printf("%screate %s\n", would, name);
}

static int
create_volume(const create_t *cr, const char *name)
{
	char why[256];
	uint64_t size;

	if (cmd_parse_size_why(cr->cr_volsize, &size, why, sizeof (why)) != 0)
		return (cmd_error("bad volume size '%s': %s", cr->cr_volsize, why));
	return (cmd_unsupported("cannot create '%s': volumes", name));
}

static int
create_filesystem(const create_t *cr, const char *name)
{
	nvlist_t *props = nvlist_create(), *out = NULL;
	char buf[ZFS_MAX_DATASET_NAME_LEN + 64];
	const char *why = zfs_name_why(name, TYPE_FS, buf, sizeof (buf));
	int ret = 0;

	if (why != NULL)
		ret = cmd_error("cannot create '%s': %s", name, why);
	if (ret == 0)
		ret = check_parent(name, cr->cr_parents);
	if (ret == 0 && exists(name, NULL)) {
		nvlist_free(props);
		/* Made already: as mkdir -p has it. */
		return (cr->cr_parents ? 0 :
					 cmd_error("cannot create '%s': dataset already exists", name));
	}
	if (ret == 0)
		ret = parse_props(cr, name, props);
	if (ret == 0)
		announce(cr, name);
	if (ret == 0 && !cr->cr_dryrun && cr->cr_parents)
		ret = create_parents(name, cr->cr_nomount);
	if (ret == 0 && !cr->cr_dryrun) {
		int err = call_create(name, props, cr->cr_nomount, true, &out);
		if (err != 0)
			ret = cmd_error("cannot create '%s': %s", name, cmd_strerror(err));
		else if (cmd_str(out, "mount_why") != NULL)
			ret = cmd_error("%s\nfilesystem successfully created, but not mounted",
			    cmd_str(out, "mount_why"));
	}
	nvlist_free(out);
	nvlist_free(props);
	return (ret);
}

int
zfs_do_create(int argc, char **argv)
{
	create_t cr = { .cr_given = nvlist_create() };
	int c, ret = 0;

	while (ret == 0 && (c = getopt(argc, argv, ":PnV:b:so:puv")) != -1)
		ret = create_option(&cr, c);
	argc -= optind;
	argv += optind;
	if (ret == 0 && argc < 1)
		ret = cmd_usage("missing %s argument",
		    cr.cr_volsize != NULL ? "volume" : "filesystem");
	else if (ret == 0 && argc > 1)
		ret = cmd_usage("too many arguments");
	if (ret == 0)
		ret = cr.cr_volsize != NULL ? create_volume(&cr, argv[0]) :
					      create_filesystem(&cr, argv[0]);
	nvlist_free(cr.cr_given);
	return (ret);
}

/* ---- destroy ----------------------------------------------------------------------------- */

typedef struct destroy {
	bool de_force, de_recurse, de_clones, de_dryrun, de_verbose, de_parsable, de_defer;
} destroy_t;

/* Snapshots come first, then children; a parent is destroyed after what is below it. */
static void
list_below(const dataset_set_t *s, const char *top, const destroy_t *de, bool with_top)
{
	list_t *l = (list_t *)&s->s_list;

	for (dataset_t *d = list_head(l); d != NULL; d = list_next(l, d)) {
		if (strcmp(d->d_name, top) == 0)
			continue;
		if (!with_top)
			(void)fprintf(stderr, "%s\n", d->d_name);
	}
	for (dataset_t *d = with_top ? list_tail(l) : NULL; d != NULL; d = list_prev(l, d)) {
		if (de->de_parsable)
			(void)printf("destroy\t%s\n", d->d_name);
		else
			(void)printf("%s destroy %s\n", de->de_dryrun ? "would" : "will", d->d_name);
	}
}

static int
destroy_failed(const char *name, int err, const char *why)
{
	if (why != NULL)
		return (cmd_error("%s", why));
	return (cmd_error("cannot destroy '%s': %s", name,
	    err == EBUSY ? "dataset is busy" : cmd_strerror(err)));
}

static int
call_destroy(const char *name, const destroy_t *de)
{
	nvlist_t *req = cmd_request("ds_destroy");
	char pool[ZFS_MAX_DATASET_NAME_LEN], *why = NULL;

	fnvlist_add_string(req, "name", name);
	fnvlist_add_boolean_value(req, "recursive", de->de_recurse);
	fnvlist_add_boolean_value(req, "force", de->de_force);
	int err = cmd_call(cmd_pool_of(name, pool), req, NULL, &why);
	if (err == EPERM) {
		kmem_strfree(why);
		why = zfs_mount_denied(name);
	}
	int ret = err == 0 ? 0 : destroy_failed(name, err, why);
	kmem_strfree(why);
	return (ret);
}

static int
destroy_dataset(const char *name, const destroy_t *de)
{
	dataset_set_t s;
	size_t n = 0;
	int ret = 0;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, name, TYPE_FS | TYPE_VOL, false);
	if (d == NULL) {
		datasets_fini(&s);
		return (1);
	}
	datasets_fini(&s);
	if (!de->de_recurse && strchr(name, '/') == NULL)
		return (cmd_error("cannot destroy '%s': operation does not apply to pools\n"
				  "use 'zfs destroy -r %s' to destroy all datasets in the pool\n"
				  "use 'zpool destroy %s' to destroy the pool itself",
		    name, name, name));
	datasets_init(&s);
	(void)datasets_get(&s, name, UINT64_MAX, TYPE_DATASET, false);
	for (dataset_t *p = list_head(&s.s_list); p != NULL; p = list_next(&s.s_list, p))
		n++;
	if (n > 1 && !de->de_recurse) {
		(void)fprintf(stderr,
		    "cannot destroy '%s': filesystem has children\n"
		    "use '-r' to destroy the following datasets:\n", name);
		list_below(&s, name, de, false);
		ret = 1;
	}
	if (ret == 0 && de->de_verbose)
		list_below(&s, name, de, true);
	if (ret == 0 && !de->de_dryrun)
		ret = call_destroy(name, de);
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_destroy(int argc, char **argv)
{
	destroy_t de = { 0 };
	int c;

	while ((c = getopt(argc, argv, ":vpndfrR")) != -1) {
		switch (c) {
		case 'v':
			de.de_verbose = true;
			break;
		case 'p':
			de.de_verbose = de.de_parsable = true;
			break;
		case 'n':
			de.de_dryrun = true;
			break;
		case 'd':
			de.de_defer = true;
			break;
		case 'f':
			de.de_force = true;
			break;
		case 'r':
			de.de_recurse = true;
			break;
		case 'R':
			de.de_recurse = de.de_clones = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing dataset argument"));
	if (argc > 1)
		return (cmd_usage("too many arguments"));
	if (strchr(argv[0], '@') != NULL || strchr(argv[0], '#') != NULL)
		return (cmd_unsupported("cannot destroy '%s': snapshots and bookmarks", argv[0]));
	return (destroy_dataset(argv[0], &de));
}

/* ---- rename ------------------------------------------------------------------------------ */

static int
rename_failed(const char *from, const char *to, int err, const char *why)
{
	if (why != NULL)
		return (cmd_error("%s", why));
	switch (err) {
	case EEXIST:
		return (cmd_error("cannot rename '%s': dataset already exists", from));
	case EXDEV:
		return (cmd_error("cannot rename to '%s': datasets must be within same pool", to));
	default:
		return (cmd_error("cannot rename '%s': %s", from, cmd_strerror(err)));
	}
}

static int
rename_filesystem(const char *from, const char *to, bool parents, bool force, bool nomount)
{
	char buf[ZFS_MAX_DATASET_NAME_LEN + 64], pool[ZFS_MAX_DATASET_NAME_LEN],
	    other[ZFS_MAX_DATASET_NAME_LEN];
	size_t n = strlen(from);
	dataset_set_t s;
	char *why = NULL;
	int ret;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, from, TYPE_FS | TYPE_VOL, false);
	datasets_fini(&s);
	if (d == NULL)
		return (1);
	if (strcmp(from, to) == 0)
		return (0);
	const char *bad = zfs_name_why(to, TYPE_FS, buf, sizeof (buf));
	if (bad != NULL)
		return (cmd_error("cannot rename to '%s': %s", to, bad));
	if (strncmp(from, to, n) == 0 && to[n] == '/')
		return (cmd_error("cannot rename to '%s': New dataset name cannot be a descendant "
				  "of current dataset name", to));
	if ((ret = check_parent(to, parents)) != 0)
		return (ret);
	if (strcmp(cmd_pool_of(from, pool), cmd_pool_of(to, other)) != 0)
		return (rename_failed(from, to, EXDEV, NULL));
	if (parents && (ret = create_parents(to, false)) != 0)
		return (ret);
	nvlist_t *req = cmd_request("ds_rename");
	fnvlist_add_string(req, "name", from);
	fnvlist_add_string(req, "to", to);
	fnvlist_add_boolean_value(req, "force", force);
	fnvlist_add_boolean_value(req, "nomount", nomount);
	int err = cmd_call(pool, req, NULL, &why);
	ret = err == 0 ? 0 : rename_failed(from, to, err, why);
	kmem_strfree(why);
	return (ret);
}

int
zfs_do_rename(int argc, char **argv)
{
	bool parents = false, recurse = false, force = false, nomount = false;
	int c;

	while ((c = getopt(argc, argv, ":pruf")) != -1) {
		switch (c) {
		case 'p':
			parents = true;
			break;
		case 'r':
			recurse = true;
			break;
		case 'u':
			nomount = true;
			break;
		case 'f':
			force = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing source dataset argument"));
	if (argc < 2)
		return (cmd_usage("missing target dataset argument"));
	if (argc > 2)
		return (cmd_usage("too many arguments"));
	if (recurse && strchr(argv[0], '@') == NULL)
		return (cmd_usage("source dataset for recursive rename must be a snapshot"));
	if (nomount && parents)
		return (cmd_usage("-u and -p options are mutually exclusive"));
	if (strchr(argv[0], '@') != NULL) {
		dataset_set_t s;
		datasets_init(&s);
		bool there = dataset_open(&s, argv[0], TYPE_SNAP, false) != NULL;
		datasets_fini(&s);
		return (there ? cmd_unsupported("cannot rename '%s': snapshots", argv[0]) : 1);
	}
	return (rename_filesystem(argv[0], argv[1], parents, force, nomount));
}
