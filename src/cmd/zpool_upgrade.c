/* zpool upgrade: what versions and features there are, which pools lack some; enabling them. */
#include <getopt.h>
#include "cmd/zpool.h"
#include "spa/zfeature.h"

static const struct {
	int version;
	const char *text;
} versions[] = { { 1, "Initial ZFS version" }, { 2, "Ditto blocks (replicated metadata)" },
	{ 3, "Hot spares and double parity RAID-Z" }, { 4, "zpool history" },
	{ 5, "Compression using the gzip algorithm" }, { 6, "bootfs pool property" },
	{ 7, "Separate intent log devices" }, { 8, "Delegated administration" },
	{ 9, "refquota and refreservation properties" }, { 10, "Cache devices" },
	{ 11, "Improved scrub performance" }, { 12, "Snapshot properties" },
	{ 13, "snapused property" }, { 14, "passthrough-x aclinherit" },
	{ 15, "user/group space accounting" }, { 16, "stmf property support" },
	{ 17, "Triple-parity RAID-Z" }, { 18, "Snapshot user holds" }, { 19, "Log device removal" },
	{ 20, "Compression using zle (zero-length encoding)" }, { 21, "Deduplication" },
	{ 22, "Received properties" }, { 23, "Slim ZIL" }, { 24, "System attributes" },
	{ 25, "Improved scrub stats" }, { 26, "Improved snapshot deletion performance" },
	{ 27, "Improved snapshot creation performance" }, { 28, "Multiple vdev replacements" } };

static void
list_versions(void)
{
	(void)printf("The following features are supported:\n\n"
		     "FEAT DESCRIPTION\n"
		     "-------------------------------------------------------------\n");
	for (int f = 0; f < SPA_FEATURES; f++) {
		const zfeature_info_t *fi = &spa_feature_table[f];
		if (fi->fi_support == ZFEATURE_UNSUPPORTED)
			continue;
		(void)printf("%-37s%s\n     %s\n", fi->fi_uname,
		    fi->fi_flags & ZFEATURE_FLAG_READONLY_COMPAT ? " (read-only compatible)" : "",
		    fi->fi_desc);
	}
	(void)printf("\nThe following legacy versions are also supported:\n\n"
		     "VER  DESCRIPTION\n"
		     "---  --------------------------------------------------------\n");
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		(void)printf("%2d   %s\n", versions[i].version, versions[i].text);
	(void)printf("\nFor more information on a particular version, including supported\n"
		     "releases, see the ZFS Administration Guide.\n\n");
}

/* Features that the pool could have and its compatibility set asks for, bit f. */
static uint64_t
missing_features(const nvlist_t *status)
{
	const nvlist_t *props = cmd_list(status, "props");
	const char *compat = cmd_str(cmd_list(props, "compatibility"), "value");
	char key[128], why[512];
	uint64_t set, missing = 0;

	if (zpool_compat_features(compat != NULL ? compat : "off", &set, why, sizeof (why)) != 0)
		return (0);
	for (int f = 0; f < SPA_FEATURES; f++) {
		(void)snprintf(key, sizeof (key), "feature@%s", spa_feature_table[f].fi_uname);
		const char *state = cmd_str(cmd_list(props, key), "value");
		if ((state == NULL || strcmp(state, "disabled") == 0) && (set >> f & 1) != 0 &&
		    spa_feature_table[f].fi_support == ZFEATURE_CREATE)
			missing |= 1ULL << f;
	}
	return (missing);
}

typedef struct upgrade_arg {
	int ua_legacy, ua_lacking, ua_done;
	bool ua_first;
} upgrade_arg_t;

static int
show_legacy(const char *pool, nvlist_t *status, void *arg)
{
	upgrade_arg_t *ua = arg;
	uint64_t version = cmd_u64(status, "version");

	if (version >= 5000)
		return (0);
	if (ua->ua_legacy++ == 0)
		(void)printf("The following pools are formatted with legacy version numbers and can\n"
			     "be upgraded to use feature flags.  After being upgraded, these pools\n"
			     "will no longer be accessible by software that does not support feature\n"
			     "flags.\n\n"
			     "Note that setting a pool's 'compatibility' feature to 'legacy' will\n"
			     "inhibit upgrades.\n\n"
			     "VER  POOL\n"
			     "---  ------------\n");
	(void)printf("%2" PRIu64 "   %s\n", version, pool);
	return (0);
}

static int
show_lacking(const char *pool, nvlist_t *status, void *arg)
{
	upgrade_arg_t *ua = arg;
	uint64_t missing = missing_features(status);

	if (cmd_u64(status, "version") < 5000 || missing == 0)
		return (0);
	if (ua->ua_lacking++ == 0)
		(void)printf("\nSome supported features are not enabled on the following pools. Once a\n"
			     "feature is enabled the pool may become incompatible with software\n"
			     "that does not support the feature. See zpool-features(7) for details.\n\n"
			     "Note that the pool 'compatibility' feature can be used to inhibit\n"
			     "feature upgrades.\n\n"
			     "POOL  FEATURE\n"
			     "---------------\n");
	(void)printf("%s\n", pool);
	for (int f = 0; f < SPA_FEATURES; f++)
		if (missing >> f & 1)
			(void)printf("      %s\n", spa_feature_table[f].fi_uname);
	(void)printf("\n");
	return (0);
}

static int
show_pools(void)
{
	upgrade_arg_t ua = { 0 };
	int ret = zpool_foreach(0, NULL, show_legacy, &ua, NULL);

	if (ua.ua_legacy == 0)
		(void)printf("All pools are formatted using feature flags.\n\n");
	else
		(void)printf("\nUse 'zpool upgrade -v' for a list of available legacy versions.\n");
	ret |= zpool_foreach(0, NULL, show_lacking, &ua, NULL);
	if (ua.ua_lacking == 0)
		(void)printf("Every feature flags pool has all supported and requested features "
			     "enabled.\n");
	return (ret);
}

static int
upgrade_one(const char *pool, nvlist_t *status, void *arg)
{
	upgrade_arg_t *ua = arg;
	uint64_t missing = missing_features(status);
	nvlist_t *props;
	char key[128];

	if (cmd_u64(status, "version") < 5000)
		return (cmd_unsupported("cannot upgrade '%s': pools of version %" PRIu64, pool,
		    cmd_u64(status, "version")));
	if (missing == 0) {
		if (!ua->ua_first)
			(void)printf("Pool '%s' already has all supported and requested features "
				     "enabled.\n", pool);
		return (0);
	}
	props = nvlist_create();
	for (int f = 0; f < SPA_FEATURES; f++) {
		(void)snprintf(key, sizeof (key), "feature@%s", spa_feature_table[f].fi_uname);
		if (missing >> f & 1)
			fnvlist_add_string(props, key, "enabled");
	}
	nvlist_t *req = cmd_request("pool_set");
	fnvlist_add_nvlist(req, "props", props);
	nvlist_free(props);
	int err = cmd_call(pool, req, NULL, NULL);
	if (err != 0)
		return (cmd_error("cannot set property for '%s': %s", pool, cmd_strerror(err)));
	(void)printf("Enabled the following features on '%s':\n", pool);
	for (int f = 0; f < SPA_FEATURES; f++)
		if (missing >> f & 1)
			(void)printf("  %s\n", spa_feature_table[f].fi_uname);
	(void)printf("\n");
	ua->ua_done++;
	return (0);
}

static int
check_version_option(const char *version, int argc, char **argv)
{
	char *end;
	uint64_t v = strtoull(version, &end, 10);

	if (*end != '\0' || v == 0 || (v > 28 && v != 5000))
		return (cmd_usage("invalid version '%s'", version));
	(void)printf("This system supports ZFS pool feature flags.\n\n");
	for (int i = 0; i < argc; i++) {
		nvlist_t *status = zpool_get(argv[i], false);
		if (status == NULL)
			return (1);
		(void)printf("Pool '%s' is already formatted using more current version '%" PRIu64
			     "'.\n\n", argv[i], cmd_u64(status, "version"));
		nvlist_free(status);
	}
	return (0);
}

int
zpool_do_upgrade(int argc, char **argv)
{
	upgrade_arg_t ua = { 0 };
	bool all = false, show = false;
	const char *version = NULL;
	int c;

	while ((c = getopt(argc, argv, ":avV:")) != -1) {
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'v':
			show = true;
			break;
		case 'V':
			version = optarg;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (show && (all || argc != 0))
		return (cmd_usage("-v option is incompatible with other arguments"));
	if (all && argc != 0)
		return (cmd_usage("-a option should not be used along with a pool name"));
	if (version != NULL && strcmp(version, "5000") != 0)
		return (check_version_option(version, argc, argv));
	(void)printf("This system supports ZFS pool feature flags.\n\n");
	if (show) {
		list_versions();
		return (0);
	}
	if (!all && argc == 0)
		return (show_pools());
	ua.ua_first = all;
	int ret = zpool_foreach(argc, argv, upgrade_one, &ua, NULL);
	if (all && ua.ua_done == 0 && ret == 0)
		(void)printf("All pools are already formatted using feature flags.\n\n"
			     "Every feature flags pool already has all supported and requested "
			     "features enabled.\n");
	return (ret);
}
