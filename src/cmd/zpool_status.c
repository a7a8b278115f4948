/* zpool status. */
#include <getopt.h>
#include <time.h>
#include <unistd.h>
#include "cmd/zpool.h"
#include "vdev/vdev.h"

typedef struct status_opts {
	bool so_verbose, so_explain, so_literal, so_slow, so_init, so_trim, so_dedup,
	    so_dedup_quiet, so_errors_only, so_dio;
	bool so_json, so_json_int, so_json_guid, so_json_flat;
	int so_names, so_namewidth;
	bool so_first;
	int so_shown;
	json_t *so_pools;
} status_opts_t;

/* ---- status, action, see ----------------------------------------------------------------- */

static const struct {
	zpool_reason_t reason;
	const char *status, *action;
} texts[] = {
	{ REASON_RESILVERING,
	    "One or more devices is currently being resilvered.  The pool will\n"
	    "\tcontinue to function, possibly in a degraded state.",
	    "Wait for the resilver to complete." },
	{ REASON_MISSING_DEV_R,
	    "One or more devices could not be opened.  Sufficient replicas exist for\n"
	    "\tthe pool to continue functioning in a degraded state.",
	    "Attach the missing device and online it using 'zpool online'." },
	{ REASON_MISSING_DEV_NR,
	    "One or more devices could not be opened.  There are insufficient\n"
	    "\treplicas for the pool to continue functioning.",
	    "Attach the missing device and online it using 'zpool online'." },
	{ REASON_CORRUPT_LABEL_R,
	    "One or more devices could not be used because the label is missing or\n"
	    "\tinvalid.  Sufficient replicas exist for the pool to continue\n"
	    "\tfunctioning in a degraded state.",
	    "Replace the device using 'zpool replace'." },
	{ REASON_CORRUPT_LABEL_NR,
	    "One or more devices could not be used because the label is missing \n"
	    "\tor invalid.  There are insufficient replicas for the pool to continue\n"
	    "\tfunctioning.",
	    NULL },
	{ REASON_FAILING_DEV,
	    "One or more devices has experienced an unrecoverable error.  An\n"
	    "\tattempt was made to correct the error.  Applications are unaffected.",
	    "Determine if the device needs to be replaced, and clear the errors\n"
	    "\tusing 'zpool clear' or replace the device with 'zpool replace'." },
	{ REASON_OFFLINE_DEV,
	    "One or more devices has been taken offline by the administrator.\n"
	    "\tSufficient replicas exist for the pool to continue functioning in a\n"
	    "\tdegraded state.",
	    "Online the device using 'zpool online' or replace the device with\n"
	    "\t'zpool replace'." },
	{ REASON_REMOVED_DEV,
	    "One or more devices has been removed by the administrator.\n"
	    "\tSufficient replicas exist for the pool to continue functioning in a\n"
	    "\tdegraded state.",
	    "Online the device using zpool online' or replace the device with\n"
	    "\t'zpool replace'." },
	{ REASON_CORRUPT_DATA,
	    "One or more devices has experienced an error resulting in data\n"
	    "\tcorruption.  Applications may be affected.",
	    "Restore the file in question if possible.  Otherwise restore the\n"
	    "\tentire pool from backup." },
	{ REASON_CORRUPT_POOL,
	    "The pool metadata is corrupted and the pool cannot be opened.",
	    "Destroy and re-create the pool from\n\ta backup source." },
	{ REASON_VERSION_OLDER,
	    "The pool is formatted using a legacy on-disk format.  The pool can\n"
	    "\tstill be used, but some features are unavailable.",
	    "Upgrade the pool using 'zpool upgrade'.  Once this is done, the\n"
	    "\tpool will no longer be accessible on software that does not support\n"
	    "\tfeature flags." },
	{ REASON_FEAT_DISABLED,
	    "Some supported and requested features are not enabled on the pool.\n"
	    "\tThe pool can still be used, but some features are unavailable.",
	    "Enable all features using 'zpool upgrade'. Once this is done,\n"
	    "\tthe pool may no longer be accessible by software that does not support\n"
	    "\tthe features. See zpool-features(7) for details." },
	{ REASON_COMPATIBILITY,
	    "One or more features are enabled on the pool despite not being\n"
	    "\trequested by the 'compatibility' property.",
	    "Consider setting 'compatibility' to an appropriate value, or\n"
	    "\tadding needed features to the relevant file in\n"
	    "\t/etc/zfs/compatibility.d or /usr/share/zfs/compatibility.d." },
	{ REASON_FAULTED_DEV_R,
	    "One or more devices are faulted in response to persistent errors.\n"
	    "\tSufficient replicas exist for the pool to continue functioning in a\n"
	    "\tdegraded state.",
	    "Replace the faulted device, or use 'zpool clear' to mark the device\n"
	    "\trepaired." },
	{ REASON_FAULTED_DEV_NR,
	    "One or more devices are faulted in response to persistent errors.  There are "
	    "insufficient replicas for the pool to\n\tcontinue functioning.",
	    "Destroy and re-create the pool from a backup source.  Manually marking the device\n"
	    "\trepaired using 'zpool clear' may allow some data to be recovered." },
	{ REASON_IO_FAILURE_WAIT,
	    "One or more devices are faulted in response to IO failures.",
	    "Make sure the affected devices are connected, then run 'zpool clear'." },
	{ REASON_IO_FAILURE_CONTINUE,
	    "One or more devices are faulted in response to IO failures.",
	    "Make sure the affected devices are connected, then run 'zpool clear'." },
	{ REASON_BAD_LOG,
	    "An intent log record could not be read.\n"
	    "\tWaiting for administrator intervention to fix the faulted pool.",
	    "Either restore the affected device(s) and run 'zpool online',\n"
	    "\tor ignore the intent log records by running 'zpool clear'." },
	{ REASON_NONNATIVE_ASHIFT,
	    "One or more devices are configured to use a non-native block size.\n"
	    "\tExpect reduced performance.",
	    "Replace affected devices with devices that support the\n"
	    "\tconfigured block size, or migrate data to a properly configured\n"
	    "\tpool." },
	{ REASON_ERRATA, "Errata #1 detected.", NULL },
};

static void
print_reason(zpool_reason_t reason)
{
	const char *code = zpool_reason_code(reason);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].reason != reason)
			continue;
		(void)printf("status: %s\n", texts[i].status);
		if (texts[i].action != NULL)
			(void)printf("action: %s\n", texts[i].action);
	}
	if (code != NULL)
		(void)printf("   see: https://openzfs.github.io/openzfs-docs/msg/%s\n", code);
}

/* ---- scan -------------------------------------------------------------------------------- */

static void
duration(uint64_t seconds, char *buf, size_t size)
{
	uint64_t days = seconds / 86400;

	if (days > 0)
		(void)snprintf(buf, size, "%" PRIu64 " days %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
		    days, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
	else
		(void)snprintf(buf, size, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
		    seconds / 60 % 60, seconds % 60);
}

static void
nice_amount(uint64_t v, bool literal, char *buf, size_t size)
{
	if (literal)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else
		(void)cmd_nicebytes(v, buf, size);
}

static void
print_scan_progress(const pool_scan_stat_t *ps, bool literal)
{
	bool scrub = ps->pss_func == POOL_SCAN_SCRUB, paused = ps->pss_pass_pause != 0;
	char start[64], pause[64], scanned[32], issued[32], total[32], repaired[32];
	uint64_t now = (uint64_t)time(NULL);
	uint64_t elapsed = now - MIN(now, ps->pss_pass_start);

	elapsed -= MIN(elapsed, ps->pss_pass_paused_time);
	elapsed = MAX(elapsed, 1);
	(void)cmd_date(ps->pss_start_time, true, start, sizeof (start));
	if (paused)
		(void)printf("scrub paused since %s\n\tscrub started on %s\n",
		    cmd_date(ps->pss_pass_pause, true, pause, sizeof (pause)), start);
	else
		(void)printf("%s in progress since %s\n", scrub ? "scrub" : "resilver", start);
	uint64_t all = ps->pss_to_examine - MIN(ps->pss_to_examine, ps->pss_skipped);
	nice_amount(ps->pss_examined, literal, scanned, sizeof (scanned));
	nice_amount(ps->pss_issued, literal, issued, sizeof (issued));
	nice_amount(all, literal, total, sizeof (total));
	nice_amount(ps->pss_processed, literal, repaired, sizeof (repaired));
	uint64_t rate = ps->pss_pass_issued / elapsed, scan_rate = ps->pss_pass_examined / elapsed;
	(void)printf("\t%s / %s scanned", scanned, total);
	if (!paused && scan_rate > 0)
		(void)printf(" at %s/s",
		    cmd_nicebytes(scan_rate, scanned, sizeof (scanned)));
	(void)printf(", %s / %s issued", issued, total);
	if (!paused && rate > 0)
		(void)printf(" at %s/s", cmd_nicebytes(rate, issued, sizeof (issued)));
	(void)printf("\n\t%s %s, %.2f%% done", repaired, scrub ? "repaired" : "resilvered",
	    all == 0 ? 0.0 : 100.0 * (double)ps->pss_issued / (double)all);
	if (!paused && rate > 0) {
		duration((all - MIN(all, ps->pss_issued)) / rate, start, sizeof (start));
		(void)printf(", %s to go", start);
	} else if (!paused) {
		(void)printf(", no estimated completion time");
	}
	(void)printf("\n");
}

static void
print_scan(const nvlist_t *status, bool literal)
{
	pool_scan_stat_t ps = { 0 };
	const uint64_t *words;
	char buf[64], when[64], dur[64];
	size_t n;

	if (nvlist_lookup_uint64_array(status, "scan_stats", &words, &n) != 0)
		return;
	memcpy(&ps, words, MIN(n * sizeof (uint64_t), sizeof (ps)));
	if (ps.pss_func == POOL_SCAN_NONE || ps.pss_state == DSS_NONE)
		return;
	bool scrub = ps.pss_func == POOL_SCAN_SCRUB;
	(void)printf("  scan: ");
	(void)cmd_date(ps.pss_end_time, true, when, sizeof (when));
	if (ps.pss_state == DSS_FINISHED) {
		nice_amount(ps.pss_processed, literal, buf, sizeof (buf));
		duration(ps.pss_end_time - MIN(ps.pss_end_time, ps.pss_start_time), dur, sizeof (dur));
		(void)printf("%s %s in %s with %" PRIu64 " errors on %s\n",
		    scrub ? "scrub repaired" : "resilvered", buf, dur, ps.pss_errors, when);
	} else if (ps.pss_state == DSS_CANCELED) {
		(void)printf("%s canceled on %s\n", scrub ? "scrub" : "resilver", when);
	} else {
		print_scan_progress(&ps, literal);
	}
}

/* ---- config ------------------------------------------------------------------------------ */

static void
print_count(uint64_t v, bool literal)
{
	char buf[32];

	if (literal)
		(void)snprintf(buf, sizeof (buf), "%" PRIu64, v);
	else
		(void)cmd_nicenum(v, buf, sizeof (buf));
	(void)printf(" %5s", buf);
}

/* -e: only vdevs with something to tell. */
static bool
worth_showing(const nvlist_t *vd)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);

	for (size_t i = 0; i < n; i++)
		if (worth_showing(child[i]))
			return (true);
	return (zpool_vdev_stat(vd, "state") != VDEV_STATE_HEALTHY ||
	    zpool_vdev_stat(vd, "read_errors") + zpool_vdev_stat(vd, "write_errors") +
		    zpool_vdev_stat(vd, "checksum_errors") !=
		0);
}

static void
print_remarks(const status_opts_t *so, const nvlist_t *vd, bool leaf, uint64_t state, uint64_t aux)
{
	const char *path = cmd_str(vd, "path");

	if (cmd_u64(vd, "not_present") != 0 && path != NULL)
		(void)printf("  was %s", path);
	else if (aux != VDEV_AUX_NONE)
		(void)printf("  %s", zpool_aux_text(aux));
	if (!leaf || state < VDEV_STATE_DEGRADED)
		return;
	if (so->so_init)
		(void)printf("  (uninitialized)");
	if (so->so_trim)
		(void)printf("  (untrimmed)");
}

static void
print_vdev(const status_opts_t *so, const nvlist_t *vd, const char *pool, int depth,
    const char *class)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	uint64_t state = zpool_vdev_stat(vd, "state"), aux = zpool_vdev_stat(vd, "aux");
	char *name = zpool_vdev_name(vd, pool, so->so_names);
	bool shown = !so->so_errors_only || depth == 0 || worth_showing(vd);

	if (shown) {
		(void)printf("\t%*s%-*s  %-8s", depth, "", so->so_namewidth - depth, name,
		    zpool_state_name(state, aux));
		print_count(zpool_vdev_stat(vd, "read_errors"), so->so_literal);
		print_count(zpool_vdev_stat(vd, "write_errors"), so->so_literal);
		print_count(zpool_vdev_stat(vd, "checksum_errors"), so->so_literal);
		if (so->so_slow && n > 0)
			(void)printf(" %5s", "-");
		else if (so->so_slow)
			print_count(zpool_vdev_stat(vd, "slow_ios"), so->so_literal);
		if (so->so_dio && n > 0)
			(void)printf(" %5s", "-");
		else if (so->so_dio)
			print_count(0, so->so_literal);
		print_remarks(so, vd, n == 0, state, aux);
		(void)putchar('\n');
	}
	kmem_strfree(name);
	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]) &&
		    (class == NULL || strcmp(zpool_vdev_class(child[i]), class) == 0))
			print_vdev(so, child[i], pool, depth + 2, NULL);
}

static void
print_class(const status_opts_t *so, const nvlist_t *tree, const char *pool, const char *class,
    const char *title)
{
	size_t n;
	nvlist_t *const *child = cmd_children(tree, "children", &n);
	bool titled = false;

	for (size_t i = 0; i < n; i++) {
		if (zpool_vdev_is_hole(child[i]) ||
		    strcmp(zpool_vdev_class(child[i]), class) != 0)
			continue;
		if (!titled)
			(void)printf("\t%s\t\n", title);
		titled = true;
		print_vdev(so, child[i], pool, 2, NULL);
	}
}

static void
print_config(status_opts_t *so, const nvlist_t *status, const char *pool)
{
	const nvlist_t *tree = cmd_list(status, "vdev_tree");

	so->so_namewidth = MAX(10, zpool_name_width(tree, pool, so->so_names, 0, 0));
	(void)printf("config:\n\n\t%-*s  %-8s %5s %5s %5s", so->so_namewidth, "NAME", "STATE",
	    "READ", "WRITE", "CKSUM");
	if (so->so_slow)
		(void)printf(" %5s", "SLOW");
	if (so->so_dio)
		(void)printf(" %5s", "DIO");
	(void)putchar('\n');
	print_vdev(so, tree, pool, 0, "normal");
	print_class(so, tree, pool, "dedup", "dedup");
	print_class(so, tree, pool, "special", "special");
	print_class(so, tree, pool, "log", "logs");
}

/* ---- errors ------------------------------------------------------------------------------ */

static void
print_errors(const status_opts_t *so, const nvlist_t *status, const char *pool)
{
	uint64_t count = cmd_u64(status, "error_count");
	const char *const *line;
	nvlist_t *out = NULL;
	size_t n = 0;

	(void)printf("\n");
	if (count == 0) {
		(void)printf("errors: No known data errors\n");
		return;
	}
	if (!so->so_verbose) {
		(void)printf("errors: %" PRIu64 " data errors, use '-v' for a list\n", count);
		return;
	}
	int err = cmd_call(pool, cmd_request("pool_errors"), &out, NULL);
	if (err != 0) {
		(void)fprintf(stderr, "errors: List of errors unavailable: %s\n", cmd_strerror(err));
	} else {
		(void)printf("errors: Permanent errors have been detected in the following files:\n\n");
		(void)nvlist_lookup_string_array(out, "lines", &line, &n);
		for (size_t i = 0; i < n; i++)
			(void)printf("        %s\n", line[i]);
	}
	nvlist_free(out);
}

/* ---- JSON -------------------------------------------------------------------------------- */


static json_t *
json_amount(const status_opts_t *so, uint64_t v)
{
	char buf[32];

	if (so->so_json_int || so->so_literal)
		return (json_u64(v, so->so_json_int));
	return (json_string(cmd_nicenum(v, buf, sizeof (buf))));
}

static void json_children(const status_opts_t *so, json_t *into, const nvlist_t *vd,
    const char *pool, const char *class, const char *parent);
static void json_flatten(const status_opts_t *so, json_t *into, const nvlist_t *vd,
    const char *pool, const char *parent, int depth);

static json_t *
json_vdev(const status_opts_t *so, const nvlist_t *vd, const char *pool, const char *class,
    const char *parent, int depth)
{
	static const struct {
		const char *key, *stat;
		int where; /* 1 root, 2 top, 4 leaf */
	} stats[] = { { "alloc_space", "alloc", 3 }, { "total_space", "space", 3 },
		{ "def_space", "space", 3 }, { "rep_dev_size", "rsize", 6 },
		{ "phys_space", "rsize", 4 }, { "read_errors", "read_errors", 7 },
		{ "write_errors", "write_errors", 7 }, { "checksum_errors", "checksum_errors", 7 },
		{ "slow_ios", "slow_ios", 4 } };
	char *name = zpool_vdev_name(vd, pool, so->so_names);
	json_t *v = json_object();
	size_t n;

	(void)cmd_children(vd, "children", &n);
	(void)json_object_set_new(v, "name", json_string(name));
	(void)json_object_set_new(v, "vdev_type", json_string(cmd_str(vd, "type")));
	(void)json_object_set_new(v, "guid", json_u64(cmd_u64(vd, "guid"), so->so_json_int));
	if (cmd_str(vd, "path") != NULL)
		(void)json_object_set_new(v, "path", json_string(cmd_str(vd, "path")));
	(void)json_object_set_new(v, "class", json_string(class));
	(void)json_object_set_new(v, "state",
	    json_string(zpool_state_name(zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux"))));
	if (so->so_json_flat && parent != NULL)
		(void)json_object_set_new(v, "parent", json_string(parent));
	int where = (depth == 0 ? 1 : depth == 1 ? 2 : 0) | (n == 0 ? 4 : 0);
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++) {
		uint64_t num = zpool_vdev_stat(vd, stats[i].stat);
		if (!(stats[i].where & where) || (num == 0 && strstr(stats[i].key, "space") != NULL))
			continue;
		if (strcmp(stats[i].key, "rep_dev_size") == 0 && n > 0)
			num = zpool_vdev_stat(vd, "space");
		(void)json_object_set_new(v, stats[i].key, json_amount(so, num));
	}
	if (n > 0) {
		json_t *vdevs = json_object();
		nvlist_t *const *child = cmd_children(vd, "children", &n);
		for (size_t i = 0; i < n && so->so_json_flat; i++)
			if (!zpool_vdev_is_hole(child[i]))
				json_flatten(so, vdevs, child[i], pool, name, depth + 1);
		if (!so->so_json_flat)
			json_children(so, vdevs, vd, pool, depth == 0 ? "normal" : class, name);
		(void)json_object_set_new(v, "vdevs", vdevs);
	}
	kmem_strfree(name);
	return (v);
}

static void
json_children(const status_opts_t *so, json_t *into, const nvlist_t *vd, const char *pool,
    const char *class, const char *parent)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	const char *type = cmd_str(vd, "type");
	bool root = type != NULL && strcmp(type, "root") == 0;

	for (size_t i = 0; i < n; i++) {
		if (zpool_vdev_is_hole(child[i]) ||
		    (root && strcmp(zpool_vdev_class(child[i]), class) != 0))
			continue;
		char *name = zpool_vdev_name(child[i], pool, so->so_names);
		(void)json_object_set_new(
		    into, name, json_vdev(so, child[i], pool, class, parent, root ? 1 : 2));
		kmem_strfree(name);
	}
}

/* All vdevs side by side, children first. */
static void
json_flatten(const status_opts_t *so, json_t *into, const nvlist_t *vd, const char *pool,
    const char *parent, int depth)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);
	char *name = zpool_vdev_name(vd, pool, so->so_names);

	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]))
			json_flatten(so, into, child[i], pool, name, depth + 1);
	(void)json_object_set_new(
	    into, name, json_vdev(so, vd, pool, zpool_vdev_class(vd), parent, depth));
	kmem_strfree(name);
}

static void
json_status(status_opts_t *so, const char *pool, const nvlist_t *status)
{
	static const struct {
		const char *class, *key;
	} classes[] = { { "dedup", "dedup" }, { "special", "special" }, { "log", "logs" } };
	const nvlist_t *tree = cmd_list(status, "vdev_tree");
	json_t *p = zpool_json_pool(status, false, so->so_json_int), *vdevs = json_object();
	char key[24];

	if (so->so_json_flat)
		json_flatten(so, vdevs, tree, pool, NULL, 0);
	else
		(void)json_object_set_new(
		    vdevs, pool, json_vdev(so, tree, pool, "normal", NULL, 0));
	(void)json_object_set_new(p, "vdevs", vdevs);
	for (size_t i = 0; i < ARRAY_SIZE(classes) && !so->so_json_flat; i++) {
		json_t *list = json_object();
		json_children(so, list, tree, pool, classes[i].class, NULL);
		if (json_object_size(list) > 0)
			(void)json_object_set_new(p, classes[i].key, list);
		else
			json_decref(list);
	}
	(void)json_object_set_new(
	    p, "error_count", json_u64(cmd_u64(status, "error_count"), so->so_json_int));
	(void)snprintf(key, sizeof (key), "%" PRIu64, cmd_u64(status, "pool_guid"));
	(void)json_object_set_new(so->so_pools, so->so_json_guid ? key : pool, p);
}

/* ---- the command ------------------------------------------------------------------------- */

static int
status_one(const char *pool, nvlist_t *status, void *arg)
{
	status_opts_t *so = arg;
	zpool_reason_t reason = zpool_reason(status);
	const char *health = zpool_health(status);

	so->so_shown++;
	if (so->so_json) {
		json_status(so, pool, status);
		return (0);
	}
	/* -x: what only could be newer is healthy. */
	if (so->so_explain &&
	    (reason == REASON_OK || reason == REASON_VERSION_OLDER ||
		reason == REASON_FEAT_DISABLED || reason == REASON_COMPATIBILITY))
		return (0);
	if (!so->so_first)
		(void)printf("\n");
	so->so_first = false;
	(void)printf("  pool: %s\n state: %s\n", pool, health);
	print_reason(reason);
	print_scan(status, so->so_literal);
	print_config(so, status, pool);
	print_errors(so, status, pool);
	if (so->so_dedup)
		(void)printf("\n dedup: no DDT entries\n");
	return (0);
}

static int
status_scripts(const char *arg)
{
	if (arg == NULL) {
		(void)printf("Available 'zpool status -c' commands:\n");
		return (0);
	}
	if (geteuid() == 0 && getenv("ZPOOL_SCRIPTS_AS_ROOT") == NULL)
		return (cmd_error("Can't run -c with root privileges unless "
				  "ZPOOL_SCRIPTS_AS_ROOT is set."));
	return (cmd_unsupported("zpool status -c"));
}

static int
status_once(status_opts_t *so, int argc, char **argv)
{
	so->so_first = true;
	so->so_shown = 0;
	so->so_pools = json_object();
	int ret = zpool_foreach(argc, argv, status_one, so, NULL);
	if (so->so_json && so->so_shown > 0) {
		json_t *root = json_begin("zpool status");
		(void)json_object_set_new(root, "pools", so->so_pools);
		json_end(root);
		return (ret);
	}
	json_decref(so->so_pools);
	if (so->so_shown == 0 && argc == 0)
		(void)fprintf(stderr, "no pools available\n");
	else if (so->so_explain && so->so_first && argc == 0)
		(void)printf("all pools are healthy\n");
	else if (so->so_explain && so->so_first && ret == 0)
		for (int i = 0; i < argc; i++)
			(void)printf("pool '%s' is healthy\n", argv[i]);
	return (ret);
}

int
zpool_do_status(int argc, char **argv)
{
	static const struct option longopts[] = { { "power", no_argument, NULL, 'W' },
		{ "json", no_argument, NULL, 'j' }, { "json-int", no_argument, NULL, 'I' },
		{ "json-flat-vdevs", no_argument, NULL, 'F' },
		{ "json-pool-key-guid", no_argument, NULL, 'G' }, { NULL, 0, NULL, 0 } };
	status_opts_t so = { 0 };
	unsigned long count;
	double interval;
	int c, timestamp = 0, ret;

	while ((c = getopt_long(argc, argv, ":c:jdDegiLpPstT:vx", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			return (status_scripts(optarg));
		case 'W':
			return (cmd_unsupported("zpool status --power"));
		case 'j':
			so.so_json = true;
			break;
		case 'I':
			so.so_json_int = so.so_literal = true;
			break;
		case 'F':
			so.so_json_flat = true;
			break;
		case 'G':
			so.so_json_guid = true;
			break;
		case 'd':
			so.so_dio = true;
			break;
		case 'D':
			so.so_dedup = true;
			break;
		case 'e':
			so.so_errors_only = true;
			break;
		case 'g':
			so.so_names |= VDEV_NAME_GUID;
			break;
		case 'i':
			so.so_init = true;
			break;
		case 'L':
			so.so_names |= VDEV_NAME_FOLLOW;
			break;
		case 'p':
			so.so_literal = true;
			break;
		case 'P':
			so.so_names |= VDEV_NAME_PATH;
			break;
		case 's':
			so.so_slow = true;
			break;
		case 't':
			so.so_trim = true;
			break;
		case 'T':
			timestamp = optarg[0];
			break;
		case 'v':
			so.so_verbose = true;
			break;
		case 'x':
			so.so_explain = true;
			break;
		case ':':
			if (optopt == 'c')
				return (status_scripts(NULL));
			/* FALLTHROUGH */
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (!so.so_json && so.so_json_int)
		return (cmd_usage("'--json-int' only works with '-j' option"));
	if (!so.so_json && so.so_json_flat)
		return (cmd_usage("'--json-flat-vdevs' only works with '-j' option"));
	if (!so.so_json && so.so_json_guid)
		return (cmd_usage("'json-pool-key-guid' only works with '-j' option"));
	if ((ret = cmd_interval(&argc, argv, &interval, &count)) != 0)
		return (ret);
	for (unsigned long i = 0;; i++) {
		cmd_timestamp(timestamp);
		ret = status_once(&so, argc, argv);
		if (interval == 0 || (count != 0 && i + 1 >= count))
			break;
		(void)fflush(stdout);
		(void)usleep((useconds_t)(interval * 1e6));
	}
	return (ret);
}
