/*
 * The process-wide part: rooms are started bottom up and told about each other here.
 */
#include "pool/pool_impl.h"
#include "pool/metaslab_io.h"
#include "zpl/zpl.h"

static void
pool_event(spa_t *spa, nvlist_t *nvl)
{
	(void)spa;
	nvlist_free(nvl);
}

const spa_upper_ops_t pool_upper_ops = {
	.suo_sync = pool_sync,
	.suo_metaslab_load = pool_metaslab_load,
	.suo_data_error = pool_data_error,
	.suo_event = pool_event,
};

void
pool_init(void)
{
	spl_init();
	spa_init();
	arc_init(0);
	dmu_init(0);
	dsl_bonus_owner = zpl_bonus_owner;
	dsl_history_internal = pool_history_internal;
	dsl_scan_finished = pool_scan_finished;
}

void
pool_fini(void)
{
	dmu_fini();
	arc_fini();
	spa_fini();
	spl_fini();
}

pool_t *
pool_alloc(spa_t *spa)
{
	pool_t *pl = kmem_zalloc(sizeof (*pl), KM_SLEEP);

	pl->pl_spa = spa;
	mutex_init(&pl->pl_history_lock);
	pool_errlog_init(pl);
	spa->spa_pool = pl;
	return (pl);
}

void
pool_free(pool_t *pl)
{
	pl->pl_spa->spa_pool = NULL;
	if (pl->pl_deferred_open)
		bpobj_close(&pl->pl_deferred);
	pool_errlog_fini(pl);
	mutex_destroy(&pl->pl_history_lock);
	kmem_free(pl, sizeof (*pl));
}

int
pool_name_check(const char *name, const char **why)
{
	static const char *const reserved[] = { "mirror", "raidz", "draid", "spare", "log" };
	const char *dummy;

	if (why == NULL)
		why = &dummy;
	*why = NULL;
	/* Room for the names that are made below it (format/03 §3.8). */
	if (strlen(name) >= 240) {
		*why = "name is too long";
		return (ENAMETOOLONG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		size_t n = strlen(reserved[i]);
		bool prefix = strcmp(reserved[i], "log") != 0;
		if (prefix ? strncmp(name, reserved[i], n) == 0 : strcmp(name, "log") == 0) {
			*why = "name is reserved";
			return (EINVAL);
		}
	}
	if (!((name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z'))) {
		*why = "name must begin with a letter";
		return (EINVAL);
	}
	for (const char *p = name; *p != '\0'; p++) {
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr("-_.: ", *p) != NULL)) {
			*why = "invalid character in name";
			return (EINVAL);
		}
	}
	return (0);
}
