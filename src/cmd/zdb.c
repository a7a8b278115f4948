/* Options, opening the pool, order of the reports. The essay is in zdb.h. */
#include <getopt.h>
#include "cmd/zdb.h"

/* What a plain `zdb pool` reports, one level up as if -v were given. */
#define DEFAULT_REPORTS "CubdcDTmMihs"
/* Reports, in the sense that asking for one silences the others. */
#define ALL_REPORTS "CubdcDTmMihslRESBOrky"
#define NOT_SUPPORTED "BIKNOkorSVxXyYZ"

static int
usage(void)
{
	(void)fprintf(stderr,
	    "Usage:\tzdb [-AbcdDFGhiLmMPsTuv] [-e [-p <path> ...]] [-t <txg>] [-U <cache>]\n"
	    "\t\t[<poolname>[/<dataset | objset id>] [<object | range> ...]]\n"
	    "\tzdb -C [-A] [-U <cache>] [<poolname>]\n"
	    "\tzdb -l [-Aqu] <device>\n"
	    "\tzdb -m [-ALP] [-e [-p <path> ...]] [-t <txg>] [-U <cache>]\n"
	    "\t\t<poolname> [<vdev> [<metaslab> ...]]\n"
	    "\tzdb -R [-A] [-e [-p <path> ...]] [-U <cache>]\n"
	    "\t\t<poolname> <vdev>:<offset>:<size>[:<flags>]\n"
	    "\tzdb -E [-A] word0:word1:...:word15\n\n"
	    "    Dataset name must include at least one separator character '/' or '@'\n"
	    "    If dataset name is specified, only that dataset is dumped\n"
	    "    If object numbers or object number ranges are specified, only those\n"
	    "    objects or ranges are dumped.\n\n"
	    "    Object ranges take the form <start>:<end>\n"
	    "        start    Starting object number\n"
	    "        end      Ending object number, or -1 for no upper bound\n\n"
	    "    Options to control amount of output:\n"
	    "        -b --block-stats             block statistics\n"
	    "        -c --checksum                checksum all metadata (twice for all data) blocks\n"
	    "        -C --config                  config (or cachefile if alone)\n"
	    "        -d --datasets                dataset(s)\n"
	    "        -D --dedup-stats             dedup statistics\n"
	    "        -E --embedded-block-pointer=INTEGER\n"
	    "                                     decode and display block from an embedded block "
	    "pointer\n"
	    "        -h --history                 pool history\n"
	    "        -i --intent-logs             intent logs\n"
	    "        -l --label                   read label contents\n"
	    "        -L --disable-leak-tracking   disable leak tracking (do not load spacemaps)\n"
	    "        -m --metaslabs               metaslabs\n"
	    "        -M --metaslab-groups         metaslab groups\n"
	    "        -R --read-block              read and display block from a device\n"
	    "        -T --brt-stats               BRT statistics\n"
	    "        -v --verbose                 verbose (applies to all others)\n\n"
	    "    Below options are intended for use with other options:\n"
	    "        -A --ignore-assertions       accepted: damage never ends zdb\n"
	    "        -e --exported                pool is exported/destroyed/has altroot/not in a "
	    "cachefile\n"
	    "        -p --path=PATH               use one or more with -e to specify path to vdev dir\n"
	    "        -P --parseable               print numbers in parseable form\n"
	    "        -q --skip-label              don't print label contents\n"
	    "        -t --txg=INTEGER             highest txg to use when searching for uberblocks\n"
	    "        -u --uberblock               uberblock\n"
	    "        -U --cachefile=PATH          use alternate cachefile\n"
	    "Specify an option more than once (e.g. -bb) to make only that option verbose\n"
	    "Default is to dump everything non-verbosely\n");
	return (1);
}

static const struct option long_options[] = {
	{ "ignore-assertions", no_argument, NULL, 'A' },
	{ "block-stats", no_argument, NULL, 'b' },
	{ "checksum", no_argument, NULL, 'c' },
	{ "config", no_argument, NULL, 'C' },
	{ "datasets", no_argument, NULL, 'd' },
	{ "dedup-stats", no_argument, NULL, 'D' },
	{ "exported", no_argument, NULL, 'e' },
	{ "embedded-block-pointer", no_argument, NULL, 'E' },
	{ "automatic-rewind", no_argument, NULL, 'F' },
	{ "dump-debug-msg", no_argument, NULL, 'G' },
	{ "history", no_argument, NULL, 'h' },
	{ "intent-logs", no_argument, NULL, 'i' },
	{ "label", no_argument, NULL, 'l' },
	{ "disable-leak-tracking", no_argument, NULL, 'L' },
	{ "metaslabs", no_argument, NULL, 'm' },
	{ "metaslab-groups", no_argument, NULL, 'M' },
	{ "path", required_argument, NULL, 'p' },
	{ "parseable", no_argument, NULL, 'P' },
	{ "skip-label", no_argument, NULL, 'q' },
	{ "read-block", no_argument, NULL, 'R' },
	{ "io-stats", no_argument, NULL, 's' },
	{ "simulate-dedup", no_argument, NULL, 'S' },
	{ "txg", required_argument, NULL, 't' },
	{ "brt-stats", no_argument, NULL, 'T' },
	{ "uberblock", no_argument, NULL, 'u' },
	{ "cachefile", required_argument, NULL, 'U' },
	{ "verbose", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static int
parse_option(zdb_t *z, int c)
{
	char *end;

	switch (c) {
	case 'e': z->z_exported = true; break;
	case 'L': z->z_skip_leaks = true; break;
	case 'P': z->z_parseable = true; break;
	case 'q': z->z_quiet_labels = true; break;
	case 'v': z->z_verbose++; break;
	case 'A':
	case 'F':
	case 'G': break; /* nothing to ignore; the newest usable state is taken anyway */
	case 'p': z->z_paths[z->z_npaths++] = optarg; break;
	case 'U': z->z_cachefile = optarg; break;
	case 't':
		errno = 0;
		z->z_txg = strtoull(optarg, &end, 0);
		if (errno != 0 || *end != '\0' || z->z_txg < TXG_INITIAL) {
			(void)fprintf(stderr, "incorrect txg specified: %s\n", optarg);
			return (1);
		}
		break;
	default:
		if (c == '?' || c >= 128)
			return (usage());
		if (strchr(NOT_SUPPORTED, c) != NULL) {
			(void)fprintf(stderr, "zdb: option -%c is not supported\n", c);
			return (1);
		}
		if (z->z_opt[c] < UINT8_MAX)
			z->z_opt[c]++;
		break;
	}
	return (0);
}

static int
parse_options(zdb_t *z, int argc, char **argv)
{
	bool all = true;
	int c, error;

	optind = 0;
	while ((c = getopt_long(argc, argv, "+AbBcCdDeEFGhiI:kK:lLmMNo:Op:PqrRsSt:TuU:vVx:XyYZ",
		    long_options, NULL)) != -1)
		if ((error = parse_option(z, c)) != 0)
			return (error);
	for (const char *p = ALL_REPORTS; *p != '\0'; p++)
		all = all && z->z_opt[(int)*p] == 0;
	for (const char *p = DEFAULT_REPORTS; *p != '\0' && all; p++)
		z->z_opt[(int)*p] = 1;
	if (all && z->z_verbose == 0)
		z->z_verbose = 1;
	for (const char *p = ALL_REPORTS; *p != '\0'; p++)
		if (z->z_opt[(int)*p] > 0)
			z->z_opt[(int)*p] = (uint8_t)MIN(z->z_opt[(int)*p] + z->z_verbose, UINT8_MAX);
	if (z->z_npaths > 0 && !z->z_exported) {
		(void)fprintf(stderr, "-p option requires use of -e\n");
		return (usage());
	}
	return (0);
}

/* "5" or "5:9" or "5:-1"; flags behind a second colon are not supported. */
static int
parse_range(zdb_t *z, const char *word)
{
	zdb_range_t *zr = &z->z_ranges[z->z_nranges];
	char *end;

	errno = 0;
	zr->zr_start = zr->zr_end = strtoull(word, &end, 0);
	if (end != word && *end == ':') {
		const char *second = end + 1;
		zr->zr_end = strcmp(second, "-1") == 0 ? UINT64_MAX : strtoull(second, &end, 0);
		if (strcmp(second, "-1") == 0)
			end = (char *)(uintptr_t)"";
	} else if (word[0] == '-') {
		zr->zr_end = zr->zr_start; /* -1 … -3: user accounting */
	}
	if (errno != 0 || end == word || *end != '\0' || zr->zr_end < zr->zr_start) {
		(void)fprintf(stderr, "Bad object number '%s'\n", word);
		return (1);
	}
	z->z_nranges++;
	return (0);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The configuration whose pool has this name or decimal guid. */
static nvlist_t *
find_config(const nvlist_t *pools, const char *pool)
{
	nvlist_t *config;

	for (nvpair_t *nvp = nvlist_next_nvpair(pools, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(pools, nvp)) {
		const char *name;
		uint64_t guid;
		char number[24] = "";

		if (nvpair_value_nvlist(nvp, &config) != 0)
			continue;
		if (nvlist_lookup_uint64(config, "pool_guid", &guid) == 0)
			(void)snprintf(number, sizeof(number), "%" PRIu64, guid);
		if (nvlist_lookup_string(config, "name", &name) == 0 &&
		    (strcmp(name, pool) == 0 || strcmp(number, pool) == 0))
			return (config);
	}
	return (NULL);
}

static int
search(zdb_t *z, const char *pool)
{
	static const char *const everywhere[] = { "/dev/disk/by-id", "/dev" };
	nvlist_t *pools = NULL, *config = NULL;
	int error;

	if (z->z_exported)
		error = z->z_npaths > 0 ? pool_search(z->z_paths, z->z_npaths, false, &pools)
					: pool_search(everywhere, ARRAY_SIZE(everywhere), false, &pools);
	else
		error = pool_cachefile_read(z->z_cachefile, &pools);
	if (error == 0)
		config = find_config(pools, pool);
	if (config != NULL)
		z->z_config = nvlist_dup(config);
	nvlist_free(pools);
	/* A pool that is destroyed can be looked at, too. */
	if (config == NULL && z->z_npaths > 0 &&
	    pool_search(z->z_paths, z->z_npaths, true, &pools) == 0) {
		if ((config = find_config(pools, pool)) != NULL)
			z->z_config = nvlist_dup(config);
		nvlist_free(pools);
	}
	return (z->z_config != NULL ? 0 : ENOENT);
}

static const char *
open_error(int error)
{
	switch (error) {
	case ENOTSUP: return ("Operation not supported");
	case EBADF:
	case ECKSUM: return ("Invalid exchange");
	default: return (strerror(error));
	}
}

static int
open_pool(zdb_t *z, const char *target)
{
	nvlist_t *unsup = NULL;
	char pool[256];
	int error = search(z, cmd_pool_of(target, pool));

	if (error == 0)
		error = pool_import(
		    z->z_config, NULL, POOL_IMPORT_READONLY | POOL_IMPORT_FORCE, z->z_txg, NULL,
		    &z->z_spa, &unsup);
	if (error == 0 && spa_writeable(z->z_spa)) {
		(void)pool_export(z->z_spa, POOL_STATE_ACTIVE);
		error = EROFS; /* never: but this is the promise of this program */
	}
	if (error != 0) {
		(void)fprintf(stderr, "zdb: can't open '%s': %s\n", target, open_error(error));
		for (nvpair_t *nvp = unsup != NULL ? nvlist_next_nvpair(unsup, NULL) : NULL;
		     nvp != NULL; nvp = nvlist_next_nvpair(unsup, nvp))
			(void)fprintf(stderr, "\tfeature %s is not supported\n", nvpair_name(nvp));
	}
	nvlist_free(unsup);
	return (error);
}

/* ---- reports --------------------------------------------------------------------------------------------- */

static void
report_checkpoint(zdb_t *z)
{
	uint64_t words[UBERBLOCK_WORDS] = { 0 }, width, n;
	objset_t *mos = z->z_spa->spa_meta_objset;
	uberblock_t ub;

	if (zap_length(mos, DMU_POOL_DIRECTORY_OBJECT, "com.delphix:zpool_checkpoint", &width, &n) !=
		0 ||
	    width != 8)
		return;
	n = MIN(n, UBERBLOCK_WORDS);
	const int error = zap_lookup(
	    mos, DMU_POOL_DIRECTORY_OBJECT, "com.delphix:zpool_checkpoint", 8, n, words);
	if ((error != 0 && error != EOVERFLOW) || uberblock_from_words(words, n, &ub) != 0)
		return;
	(void)printf("\nCheckpointed uberblock found:\n");
	uberblock_print(stdout, &ub, "\t");
	(void)printf("\n");
}

static void
report_pool(zdb_t *z, int argc, char **argv)
{
	const uint8_t *opt = z->z_opt;

	if (opt['C'] > 0)
		zdb_print_config(z);
	if (opt['u'] > 0)
		zdb_print_uberblock(z);
	if (opt['D'] > 0)
		zdb_ddt(z);
	if (opt['T'] > 0)
		zdb_brt(z);
	if (opt['m'] > 0 || opt['d'] > 2)
		zdb_metaslabs(z, opt['m'] > 0 ? argc : 0, argv);
	if (opt['M'] > 0)
		zdb_metaslab_groups(z);
	if (opt['m'] > 0 || opt['M'] > 0 || opt['d'] > 2)
		zdb_log_space_maps(z);
	if (opt['d'] > 0 || opt['i'] > 0)
		zdb_datasets(z);
	if (opt['b'] > 0 || opt['c'] > 0)
		zdb_traverse(z);
	if (opt['h'] > 0)
		zdb_print_history(z);
	report_checkpoint(z);
}

static int
run_on_pool(zdb_t *z, int argc, char **argv)
{
	const char *target = argv[0];
	const bool dataset = strpbrk(target, "/@") != NULL;
	int error = 0;

	if (z->z_opt['R'] > 0)
		return (argc == 2 ? zdb_read_block(z, argv[1]) : usage());
	if (z->z_opt['m'] == 0) {
		z->z_ranges = kmem_zalloc((size_t)argc * sizeof(zdb_range_t), KM_SLEEP);
		for (int i = 1; i < argc && error == 0; i++)
			error = parse_range(z, argv[i]);
	}
	if (error == 0 && dataset)
		error = zdb_dataset(z, target);
	else if (error == 0)
		report_pool(z, argc - 1, argv + 1);
	kmem_free(z->z_ranges, z->z_ranges == NULL ? 0 : (size_t)argc * sizeof(zdb_range_t));
	return (error != 0 ? 1 : z->z_error);
}

static int
run(zdb_t *z, int argc, char **argv)
{
	if (z->z_opt['l'] > 0)
		return (argc == 1 ? zdb_labels(z, argv[0]) : usage());
	if (z->z_opt['E'] > 0)
		return (argc == 1 ? zdb_embedded(argv[0]) : usage());
	if (argc == 0 && !z->z_exported &&
	    (z->z_opt['C'] > 0 || z->z_cachefile != NULL || z->z_opt['b'] > 0)) {
		if (z->z_opt['d'] == 0 || z->z_opt['u'] > 0)
			return (zdb_print_cachefile(z));
	}
	if (argc == 0)
		return (usage());
	if (open_pool(z, argv[0]) != 0)
		return (1);
	const int status = run_on_pool(z, argc, argv);
	(void)pool_export(z->z_spa, POOL_STATE_ACTIVE);
	return (status);
}

int
zdb_main(int argc, char **argv)
{
	zdb_t z = { .z_cachefile = serve_cachefile() };
	const size_t room = (size_t)argc * sizeof(char *);

	z.z_paths = kmem_zalloc(room, KM_SLEEP);
	int status = parse_options(&z, argc, argv);
	if (status == 0) {
		pool_init();
		status = run(&z, argc - optind, argv + optind);
		(void)fflush(stdout);
		if (ferror(stdout))
			status = MAX(status, 1);
	}
	nvlist_free(z.z_config);
	kmem_free(z.z_paths, room);
	return (status);
}
