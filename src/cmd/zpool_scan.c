/* zpool scrub, clear, sync, wait. */
#include <getopt.h>
#include <unistd.h>
#include "cmd/zpool.h"

static bool
scrub_state(const char *pool, uint64_t *func, uint64_t *state, uint64_t *paused)
{
	nvlist_t *status = zpool_get(pool, true);
	const uint64_t *ps;
	size_t n;
	bool ok = status != NULL &&
	    nvlist_lookup_uint64_array(status, "scan_stats", &ps, &n) == 0 && n >= 14;

	if (ok) {
		*func = ps[0];
		*state = ps[1];
		*paused = ps[13];
	}
	nvlist_free(status);
	return (ok);
}

static int
scrub_failed(const char *pool, const char *action, int err)
{
	const char *verb = strcmp(action, "stop") == 0 ? "cancel scrubbing" :
	    strcmp(action, "pause") == 0	       ? "pause scrubbing" :
							 "scrub";
	const char *text = cmd_strerror(err);
	uint64_t func = 0, state = 0, paused = 0;

	if (err == ENOENT) {
		text = "there is no active scrub";
	} else if (err == EBUSY && scrub_state(pool, &func, &state, &paused)) {
		if (func == POOL_SCAN_RESILVER)
			text = "currently resilvering";
		else if (paused != 0 && strcmp(action, "pause") == 0)
			text = "scrub is paused; use 'zpool scrub' to resume scrub";
		else
			text = "currently scrubbing; use 'zpool scrub -s' to cancel scrub";
	}
	return (cmd_error("cannot %s %s: %s", verb, pool, text));
}

static int
scrub_one(const char *pool, nvlist_t *status, void *arg)
{
	const char *action = arg;
	nvlist_t *req = cmd_request("pool_scrub");
	const char *health = zpool_health(status);

	if (strcmp(health, "UNAVAIL") == 0) {
		nvlist_free(req);
		return (cmd_error("cannot scan '%s': pool is currently unavailable", pool));
	}
	fnvlist_add_string(req, "action", action);
	int err = cmd_call(pool, req, NULL, NULL);
	/* Nothing to pause is no failure. */
	if (err == ENOENT && strcmp(action, "pause") == 0)
		return (0);
	return (err == 0 ? 0 : scrub_failed(pool, action, err));
}

static int
wait_for(const char *pool, const char *activity)
{
	nvlist_t *req = cmd_request("pool_wait");

	fnvlist_add_string(req, "activity", activity);
	int err = cmd_call(pool, req, NULL, NULL);
	/* The pool went away: what was waited for is over. */
	return (err == ENOENT ? 0 : err);
}

static int
wait_scrub(const char *pool, nvlist_t *status, void *arg)
{
	(void)status;
	(void)arg;
	return (wait_for(pool, "scrub"));
}

int
zpool_do_scrub(int argc, char **argv)
{
	const char *action = "start";
	bool wait = false, errors = false;
	int c, modes = 0;

	while ((c = getopt(argc, argv, ":espCw")) != -1) {
		switch (c) {
		case 'e':
			errors = true;
			modes++;
			break;
		case 's':
			action = "stop";
			modes++;
			break;
		case 'p':
			action = "pause";
			modes++;
			break;
		case 'C':
			modes++;
			break;
		case 'w':
			wait = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	if (modes > 1)
		return (cmd_usage("invalid option combination :-s, -p, -e and -C are mutually exclusive"));
	if (wait && strcmp(action, "start") != 0)
		return (cmd_usage("invalid option combination: -w cannot be used with -p or -s"));
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing pool name argument"));
	/* The blocks of the error log are a part of all blocks. */
	(void)errors;
	int ret = zpool_foreach(argc, argv, scrub_one, (void *)action, NULL);
	if (wait && ret == 0)
		ret = zpool_foreach(argc, argv, wait_scrub, NULL, NULL);
	return (ret);
}

/* ---- clear ------------------------------------------------------------------------------- */

int
zpool_do_clear(int argc, char **argv)
{
	static const struct option longopts[] = { { "power", no_argument, NULL, 'W' },
		{ NULL, 0, NULL, 0 } };
	bool rewind = false, dryrun = false;
	int c;

	while ((c = getopt_long(argc, argv, ":FnX", longopts, NULL)) != -1) {
		switch (c) {
		case 'F':
			rewind = true;
			break;
		case 'n':
			dryrun = true;
			break;
		case 'X':
			break;
		case 'W':
			return (cmd_unsupported("zpool clear --power"));
		default:
			return (cmd_bad_option(c));
		}
	}
	if (dryrun && !rewind)
		return (cmd_usage("-n or -X only meaningful with -F"));
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing pool name"));
	if (argc > 2)
		return (cmd_usage("too many arguments"));
	nvlist_t *status = zpool_get(argv[0], false);
	if (status == NULL)
		return (1);
	nvlist_t *req = cmd_request("pool_clear");
	int err = 0;
	if (argc == 2) {
		const nvlist_t *vd = zpool_find_vdev(cmd_list(status, "vdev_tree"), argv[0], argv[1]);
		char *name = vd != NULL ?
		    kmem_asprintf("%" PRIu64, cmd_u64(vd, "guid")) : NULL;
		if (name == NULL)
			err = ENODEV;
		else
			fnvlist_add_string(req, "device", name);
		kmem_strfree(name);
	}
	nvlist_free(status);
	if (err == 0)
		err = cmd_call(argv[0], req, NULL, NULL);
	else
		nvlist_free(req);
	if (err != 0)
		return (cmd_error("cannot clear errors for %s: %s", argv[argc - 1],
		    cmd_strerror(err)));
	return (0);
}

/* ---- sync -------------------------------------------------------------------------------- */

static int
sync_one(const char *pool, nvlist_t *status, void *arg)
{
	int err = cmd_call(pool, cmd_request("pool_sync"), NULL, NULL);

	(void)status;
	(void)arg;
	if (err != 0 && err != EROFS)
		return (cmd_error("sync of '%s' failed: %s", pool, cmd_strerror(err)));
	return (0);
}

int
zpool_do_sync(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, ":f")) != -1)
		if (c != 'f')
			return (cmd_bad_option(c));
	return (zpool_foreach(argc - optind, argv + optind, sync_one, NULL, NULL));
}

/* ---- wait -------------------------------------------------------------------------------- */

static const char *const activities[] = { "discard", "free", "initialize", "replace", "remove",
	"resilver", "scrub", "trim", "raidz_expand" };

/* Bits of the activities in a list; UINT32_MAX with the bad word in bad. */
static uint32_t
parse_activities(const char *spec, char *bad, size_t size)
{
	uint32_t bits = 0;

	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		bool found = false;
		for (size_t i = 0; i < ARRAY_SIZE(activities); i++) {
			if (strlen(activities[i]) == len && strncmp(activities[i], p, len) == 0) {
				bits |= 1U << i;
				found = true;
			}
		}
		if (!found) {
			(void)snprintf(bad, size, "%.*s", (int)len, p);
			return (UINT32_MAX);
		}
		p += len + (p[len] == ',');
	}
	return (bits);
}

int
zpool_do_wait(int argc, char **argv)
{
	uint32_t bits = (1U << ARRAY_SIZE(activities)) - 1;
	char bad[128];
	int c;

	while ((c = getopt(argc, argv, ":HpT:t:")) != -1) {
		switch (c) {
		case 'H':
		case 'p':
		case 'T':
			break;
		case 't':
			bits = parse_activities(optarg, bad, sizeof (bad));
			if (bits == UINT32_MAX)
				return (cmd_usage("invalid activity '%s'", bad));
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return (cmd_usage("missing 'pool' argument"));
	if (argc > 2)
		return (cmd_usage("too many arguments"));
	nvlist_t *status = zpool_get(argv[0], false);
	if (status == NULL)
		return (1);
	nvlist_free(status);
	for (size_t i = 0; i < ARRAY_SIZE(activities); i++) {
		int err = bits & 1U << i ? wait_for(argv[0], activities[i]) : 0;
		if (err != 0)
			return (cmd_error("error waiting for '%s': %s", activities[i],
			    cmd_strerror(err)));
	}
	return (0);
}
