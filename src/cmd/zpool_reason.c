/*
 * Why a pool is not simply well: the one reason that `zpool status` explains, and the code of
 * the knowledge article. The order of the checks is the order of importance.
 */
#include "cmd/zpool.h"
#include "spa/zfeature.h"
#include "vdev/vdev.h"

typedef bool problem_t(const nvlist_t *vd, uint64_t state, uint64_t aux);

static bool
is_faulted(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)vd;
	return (state == VDEV_STATE_FAULTED &&
	    (aux == VDEV_AUX_ERR_EXCEEDED || aux == VDEV_AUX_EXTERNAL ||
		aux == VDEV_AUX_EXTERNAL_PERSIST || aux == VDEV_AUX_NONE));
}

static bool
is_missing(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)vd;
	return (state == VDEV_STATE_CANT_OPEN && aux == VDEV_AUX_OPEN_FAILED);
}

static bool
is_broken(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)vd;
	(void)aux;
	return (state == VDEV_STATE_CANT_OPEN);
}

static bool
has_errors(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)state;
	(void)aux;
	return (zpool_vdev_stat(vd, "read_errors") + zpool_vdev_stat(vd, "write_errors") +
		zpool_vdev_stat(vd, "checksum_errors") !=
	    0);
}

static bool
is_offline(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)vd;
	(void)aux;
	return (state == VDEV_STATE_OFFLINE);
}

static bool
is_removed(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	(void)vd;
	(void)aux;
	return (state == VDEV_STATE_REMOVED);
}

static bool
is_nonnative(const nvlist_t *vd, uint64_t state, uint64_t aux)
{
	uint64_t configured = zpool_vdev_stat(vd, "configured_ashift");
	uint64_t physical = zpool_vdev_stat(vd, "physical_ashift");

	(void)state;
	(void)aux;
	return (configured != 0 && configured < physical);
}

static bool
any_leaf(const nvlist_t *vd, problem_t *problem)
{
	size_t n;
	nvlist_t *const *child = cmd_children(vd, "children", &n);

	for (size_t i = 0; i < n; i++)
		if (!zpool_vdev_is_hole(child[i]) && any_leaf(child[i], problem))
			return (true);
	return (n == 0 &&
	    problem(vd, zpool_vdev_stat(vd, "state"), zpool_vdev_stat(vd, "aux")));
}

static bool
is_resilvering(const nvlist_t *status)
{
	const uint64_t *ps;
	size_t n;

	return (nvlist_lookup_uint64_array(status, "scan_stats", &ps, &n) == 0 && n >= 2 &&
	    ps[0] == POOL_SCAN_RESILVER && ps[1] == DSS_SCANNING);
}

/* Features and the compatibility set. */
static zpool_reason_t
feature_reason(const nvlist_t *status)
{
	const nvlist_t *props = cmd_list(status, "props");
	const char *compat = cmd_str(cmd_list(props, "compatibility"), "value");
	bool missing = false, beyond = false;
	char key[128], why[512];
	uint64_t set;

	if (compat != NULL && strcmp(compat, "legacy") == 0)
		set = 0;
	else if (zpool_compat_features(compat != NULL ? compat : "off", &set, why, sizeof (why)) != 0)
		return (REASON_OK);
	for (int f = 0; f < SPA_FEATURES; f++) {
		(void)snprintf(
		    key, sizeof (key), "feature@%s", spa_feature_table[f].fi_uname);
		const char *state = cmd_str(cmd_list(props, key), "value");
		bool enabled = state != NULL && strcmp(state, "disabled") != 0;
		/* What we would not enable on new pools is not asked for either. */
		missing |= !enabled && (set >> f & 1) != 0 &&
		    spa_feature_table[f].fi_support == ZFEATURE_CREATE;
		beyond |= enabled && (set >> f & 1) == 0;
	}
	return (missing ? REASON_FEAT_DISABLED : beyond ? REASON_COMPATIBILITY : REASON_OK);
}

zpool_reason_t
zpool_reason(const nvlist_t *status)
{
	const nvlist_t *tree = cmd_list(status, "vdev_tree");
	uint64_t state = zpool_vdev_stat(tree, "state"), aux = zpool_vdev_stat(tree, "aux");
	/* Enough replicas to go on. */
	bool replicas = state > VDEV_STATE_CANT_OPEN && state != VDEV_STATE_FAULTED;

	if (is_resilvering(status))
		return (REASON_RESILVERING);
	if (aux == VDEV_AUX_BAD_GUID_SUM)
		return (REASON_BAD_GUID_SUM);
	if (cmd_u64(status, "suspended") != 0)
		return (cmd_u64(cmd_list(cmd_list(status, "props"), "failmode"), "value") == 1 ?
			REASON_IO_FAILURE_CONTINUE :
			REASON_IO_FAILURE_WAIT);
	if (aux == VDEV_AUX_BAD_LOG)
		return (REASON_BAD_LOG);
	if (any_leaf(tree, is_faulted))
		return (replicas ? REASON_FAULTED_DEV_R : REASON_FAULTED_DEV_NR);
	if (any_leaf(tree, is_missing))
		return (replicas ? REASON_MISSING_DEV_R : REASON_MISSING_DEV_NR);
	if (any_leaf(tree, is_broken))
		return (replicas ? REASON_CORRUPT_LABEL_R : REASON_CORRUPT_LABEL_NR);
	if (state == VDEV_STATE_CANT_OPEN && aux == VDEV_AUX_CORRUPT_DATA)
		return (REASON_CORRUPT_POOL);
	if (cmd_u64(status, "error_count") != 0)
		return (REASON_CORRUPT_DATA);
	if (any_leaf(tree, has_errors))
		return (REASON_FAILING_DEV);
	if (any_leaf(tree, is_offline))
		return (REASON_OFFLINE_DEV);
	if (any_leaf(tree, is_removed))
		return (REASON_REMOVED_DEV);
	if (any_leaf(tree, is_nonnative))
		return (REASON_NONNATIVE_ASHIFT);
	if (cmd_u64(status, "errata") != 0)
		return (REASON_ERRATA);
	uint64_t version = cmd_u64(status, "version");
	if (version != 0 && version < 5000)
		return (REASON_VERSION_OLDER);
	return (feature_reason(status));
}

const char *
zpool_reason_code(zpool_reason_t r)
{
	switch (r) {
	case REASON_MISSING_DEV_R:
		return ("ZFS-8000-2Q");
	case REASON_MISSING_DEV_NR:
		return ("ZFS-8000-3C");
	case REASON_CORRUPT_LABEL_R:
		return ("ZFS-8000-4J");
	case REASON_CORRUPT_LABEL_NR:
		return ("ZFS-8000-5E");
	case REASON_BAD_GUID_SUM:
		return ("ZFS-8000-6X");
	case REASON_CORRUPT_POOL:
		return ("ZFS-8000-72");
	case REASON_CORRUPT_DATA:
		return ("ZFS-8000-8A");
	case REASON_FAILING_DEV:
		return ("ZFS-8000-9P");
	case REASON_VERSION_NEWER:
		return ("ZFS-8000-A5");
	case REASON_HOSTID_MISMATCH:
		return ("ZFS-8000-EY");
	case REASON_IO_FAILURE_WAIT:
		return ("ZFS-8000-HC");
	case REASON_IO_FAILURE_CONTINUE:
		return ("ZFS-8000-JQ");
	case REASON_BAD_LOG:
		return ("ZFS-8000-K4");
	case REASON_ERRATA:
		return ("ZFS-8000-ER");
	default:
		return (NULL);
	}
}
