/* zfs set, inherit; zfs upgrade. */
#include <getopt.h>
#include "cmd/zfs.h"

/* ---- set --------------------------------------------------------------------------------- */

static const char *
set_why(const nvlist_t *props, int err)
{
	static const char *const lower[] = { "quota", "refquota" };
	static const char *const upper[] = { "reservation", "refreservation", "volsize" };

	if (err == ENOSPC || err == EDQUOT) {
		for (size_t i = 0; i < ARRAY_SIZE(lower); i++)
			if (nvlist_exists(props, lower[i]))
				return ("size is less than current used or reserved space");
		for (size_t i = 0; i < ARRAY_SIZE(upper); i++)
			if (nvlist_exists(props, upper[i]))
				return ("size is greater than available space");
	}
	if (err == ENOTSUP)
		return ("pool and or dataset must be upgraded to set this property or value");
	return (cmd_strerror(err));
}

/* The version of a file system cannot go back; forth is what `upgrade` does. */
static int
check_version(const dataset_t *d, nvlist_t *props, char *why, size_t size)
{
	uint64_t want, now = cmd_u64(cmd_list(d->d_entry, "zplprops"), "version");

	if (nvlist_lookup_uint64(props, "version", &want) != 0)
		return (0);
	if (want < now) {
		(void)snprintf(why, size, "Can not downgrade; already at version %" PRIu64, now);
		return (EINVAL);
	}
	if (want > now) {
		(void)snprintf(why, size, "upgrading file systems is not supported yet");
		return (EINVAL);
	}
	(void)nvlist_remove_all(props, "version");
	return (0);
}

static int
set_one(const char *name, char **given, int n, bool nomount)
{
	static char why[ZFS_VALUE_MAX + 512];
	char pool[ZFS_MAX_DATASET_NAME_LEN], prop[1024], *text = NULL;
	nvlist_t *props = nvlist_create();
	dataset_set_t s;
	int err = 0, ret = 0;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, name, TYPE_DATASET, true);
	if (d == NULL)
		ret = 1;
	for (int i = 0; i < n && ret == 0; i++) {
		char *value = strchr(given[i], '=');
		(void)snprintf(prop, sizeof (prop), "%.*s", (int)(value - given[i]), given[i]);
		if (strcmp(prop, "special_small_blocks") == 0)
			(void)fprintf(stderr, "special_small_blocks: property requires a special "
					      "device in the pool\n");
		err = zfs_prop_parse(prop, value + 1, d->d_type, false, props, why, sizeof (why));
		if (err == 0)
			err = check_version(d, props, why, sizeof (why));
		if (err != 0) {
			(void)cmd_error("cannot set property for '%s': %s", d->d_name, why);
			ret = EXIT_MINUS_ONE;
		}
	}
	if (ret == 0 && !nvlist_empty(props)) {
		nvlist_t *req = cmd_request("ds_set");
		fnvlist_add_string(req, "name", d->d_name);
		fnvlist_add_nvlist(req, "props", props);
		fnvlist_add_boolean_value(req, "nomount", nomount);
		err = cmd_call(cmd_pool_of(d->d_name, pool), req, NULL, &text);
		if (err != 0) {
			if (text != NULL && err != EPERM)
				(void)cmd_error("%s", text);
			else
				(void)cmd_error("cannot set property for '%s': %s", d->d_name,
				    set_why(props, err));
			ret = EXIT_MINUS_ONE;
		}
	}
	kmem_strfree(text);
	nvlist_free(props);
	datasets_fini(&s);
	return (ret);
}

int
zfs_do_set(int argc, char **argv)
{
	bool nomount = false;
	int c, n = 0, ret = 0;

	while ((c = getopt(argc, argv, ":u")) != -1) {
		if (c != 'u')
			return (cmd_bad_option(c));
		nomount = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing arguments"));
	while (n < argc && strchr(argv[n], '=') != NULL)
		n++;
	if (n == argc)
		return (cmd_usage("missing dataset name(s)"));
	for (int i = 0; i < n; i++) {
		size_t len = strcspn(argv[i], "=");
		for (int k = 0; k < i; k++)
			if (strcspn(argv[k], "=") == len && strncmp(argv[k], argv[i], len) == 0)
				return (cmd_error("property '%.*s' specified multiple times",
				    (int)len, argv[i]));
	}
	for (int i = n; i < argc && ret == 0; i++)
		ret = set_one(argv[i], argv, n, nomount);
	return (ret);
}

/* ---- inherit ----------------------------------------------------------------------------- */

static int
inherit_one(const char *name, const char *prop, bool recurse, bool received)
{
	char pool[ZFS_MAX_DATASET_NAME_LEN], *why = NULL;
	dataset_set_t s;

	datasets_init(&s);
	const dataset_t *d = dataset_open(&s, name, TYPE_DATASET, false);
	if (d == NULL) {
		datasets_fini(&s);
		return (1);
	}
	nvlist_t *req = cmd_request("ds_inherit");
	fnvlist_add_string(req, "name", d->d_name);
	fnvlist_add_string(req, "prop", prop);
	fnvlist_add_boolean_value(req, "recursive", recurse);
	fnvlist_add_boolean_value(req, "received", received);
	int err = cmd_call(cmd_pool_of(d->d_name, pool), req, NULL, &why);
	if (err != 0)
		(void)cmd_error("cannot inherit %s for '%s': %s", prop, d->d_name,
		    cmd_strerror(err));
	kmem_strfree(why);
	datasets_fini(&s);
	return (err != 0);
}

int
zfs_do_inherit(int argc, char **argv)
{
	bool recurse = false, received = false;
	int c, ret = 0;

	while ((c = getopt(argc, argv, ":rS")) != -1) {
		switch (c) {
		case 'r':
			recurse = true;
			break;
		case 'S':
			received = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing property argument"));
	if (argc < 2)
		return (cmd_usage("missing dataset argument"));
	const char *prop = argv[0];
	const zprop_t *zp = zfs_prop_find(prop);
	if (zp != NULL) {
		prop = zp->zp_name;
		if (zp->zp_flags & (ZP_RO | ZP_ONETIME))
			return (cmd_error("%s property is read-only", prop));
		if (!(zp->zp_flags & ZP_INHERIT) && !received) {
			(void)cmd_error("'%s' property cannot be inherited", prop);
			if (strcmp(prop, "quota") == 0 || strcmp(prop, "reservation") == 0 ||
			    strcmp(prop, "refquota") == 0 || strcmp(prop, "refreservation") == 0)
				(void)fprintf(stderr,
				    "use 'zfs set %s=none' to clear\n"
				    "use 'zfs inherit -S %s' to revert to received value\n",
				    prop, prop);
			return (1);
		}
	} else if (!zfs_prop_is_user(prop)) {
		return (cmd_usage("invalid property '%s'", prop));
	}
	for (int i = 1; i < argc; i++)
		ret |= inherit_one(argv[i], prop, recurse, received);
	return (ret);
}

/* ---- upgrade ----------------------------------------------------------------------------- */

#define ZPL_VERSION_NOW 5

static const char *const versions[] = { "Initial ZFS filesystem version",
	"Enhanced directory entries", "Case insensitive and filesystem user identifier (FUID)",
	"userquota, groupquota properties", "System attributes" };

static int
upgrade_list(void)
{
	dataset_set_t s;
	int old = 0;

	(void)printf("This system is currently running ZFS filesystem version %d.\n\n",
	    ZPL_VERSION_NOW);
	datasets_init(&s);
	datasets_get_all(&s, UINT64_MAX, TYPE_FS, true);
	for (dataset_t *d = list_head(&s.s_list); d != NULL; d = list_next(&s.s_list, d)) {
		uint64_t v = cmd_u64(cmd_list(d->d_entry, "zplprops"), "version");
		if (v == 0 || v >= ZPL_VERSION_NOW)
			continue;
		if (old++ == 0)
			(void)printf("The following filesystems are out of date, and can be upgraded.  "
				     "After being\nupgraded, these filesystems (and any 'zfs send' "
				     "streams generated from\nsubsequent snapshots) will no longer be "
				     "accessible by older software versions.\n\n\n"
				     "VER  FILESYSTEM\n---  ------------\n");
		(void)printf("%2" PRIu64 "   %s\n", v, d->d_name);
	}
	datasets_fini(&s);
	if (old == 0)
		(void)printf("All filesystems are formatted with the current version.\n");
	return (0);
}

static int
upgrade_all(int argc, char **argv, bool all, bool recurse, uint64_t version)
{
	uint64_t already = 0, failed = 0;
	dataset_set_t s;
	int ret = 0;

	datasets_init(&s);
	if (all)
		datasets_get_all(&s, UINT64_MAX, TYPE_FS, true);
	else
		ret = zfs_gather(&s, argc, argv, TYPE_FS, recurse, UINT64_MAX, false, TYPE_FS);
	for (dataset_t *d = list_head(&s.s_list); d != NULL; d = list_next(&s.s_list, d)) {
		uint64_t v = cmd_u64(cmd_list(d->d_entry, "zplprops"), "version");
		if (v > version) {
			(void)printf("%s: can not be downgraded; it is already at version %" PRIu64 "\n",
			    d->d_name, v);
			ret = 1;
		} else if (v < version) {
			(void)cmd_unsupported("%s: upgrading file systems", d->d_name);
			failed++;
			ret = 1;
		} else {
			already++;
		}
	}
	(void)printf("0 filesystems upgraded\n");
	if (already != 0)
		(void)printf("%" PRIu64 " filesystems already at this version\n", already);
	datasets_fini(&s);
	(void)failed;
	return (ret);
}

int
zfs_do_upgrade(int argc, char **argv)
{
	bool all = false, recurse = false, show = false, given = false;
	uint64_t version = ZPL_VERSION_NOW;
	char *end;
	int c;

	while ((c = getopt(argc, argv, ":rvV:a")) != -1) {
		switch (c) {
		case 'r':
			recurse = true;
			break;
		case 'v':
			show = true;
			break;
		case 'a':
			all = true;
			break;
		case 'V':
			given = true;
			version = strtoull(optarg, &end, 10);
			if (strcmp(optarg, "current") == 0)
				version = ZPL_VERSION_NOW;
			else if (*end != '\0' || version < 1 || version > ZPL_VERSION_NOW)
				return (cmd_usage("invalid version %s", optarg));
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if ((!all && argc == 0) && (recurse || given))
		return (cmd_usage("missing filesystem argument"));
	if (show) {
		(void)printf("The following filesystem versions are supported:\n\n"
			     "VER  DESCRIPTION\n"
			     "---  --------------------------------------------------------\n");
		for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
			(void)printf("%2zu   %s\n", i + 1, versions[i]);
		(void)printf("\nFor more information on a particular version, including supported "
			     "releases,\nsee the ZFS Administration Guide.\n\n");
		return (0);
	}
	if (!all && argc == 0)
		return (upgrade_list());
	return (upgrade_all(argc, argv, all, recurse, version));
}
