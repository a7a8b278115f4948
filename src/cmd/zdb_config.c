/* -C, -u, -h: configuration, uberblock, history. */
#include <time.h>
#include "cmd/zdb.h"

/* The configuration as the MOS holds it, not as an open pool would write it. */
static nvlist_t *
mos_config(spa_t *spa)
{
	objset_t *mos = spa->spa_meta_objset;
	uint64_t object, size = 0;
	nvlist_t *nvl = NULL;
	dmu_buf_t *db;

	if (zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_CONFIG, 8, 1, &object) != 0 ||
	    dmu_bonus_hold(mos, object, spa, &db) != 0)
		return (NULL);
	if (db->db_size >= sizeof(size))
		memcpy(&size, db->db_data, sizeof(size));
	dmu_buf_rele(db, spa);
	if (size == 0 || size > SPA_MAXBLOCKSIZE)
		return (NULL);
	void *packed = kmem_alloc(size, KM_SLEEP);
	if (dmu_read(mos, object, 0, size, packed, 0) != 0 ||
	    nvlist_unpack(packed, size, &nvl, NULL) != 0)
		nvl = NULL;
	kmem_free(packed, size);
	return (nvl);
}

void
zdb_print_config(zdb_t *z)
{
	if (z->z_opt['C'] > 1 && z->z_config != NULL) {
		(void)printf("\nConfiguration for import:\n");
		nvlist_print_zdb(stdout, z->z_config, 8);
	} else if (z->z_opt['C'] > 1) {
		nvlist_t *cached = NULL, *config;
		if (pool_cachefile_read(z->z_cachefile, &cached) == 0 &&
		    nvlist_lookup_nvlist(cached, z->z_spa->spa_name, &config) == 0) {
			(void)printf("\nCached configuration:\n");
			nvlist_print_zdb(stdout, config, 8);
		}
		nvlist_free(cached);
	}
	nvlist_t *mos = mos_config(z->z_spa);
	(void)printf("\nMOS Configuration:\n");
	if (mos == NULL)
		zdb_damage(z, "the configuration object cannot be read\n");
	else
		nvlist_print_zdb(stdout, mos, 8);
	nvlist_free(mos);
}

int
zdb_print_cachefile(zdb_t *z)
{
	nvlist_t *pools = NULL, *config;
	const int error = pool_cachefile_read(z->z_cachefile, &pools);

	if (error != 0) {
		(void)fprintf(
		    stderr, "cannot open '%s': %s\n", z->z_cachefile, strerror(error));
		return (1);
	}
	for (nvpair_t *nvp = nvlist_next_nvpair(pools, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(pools, nvp)) {
		if (nvpair_value_nvlist(nvp, &config) != 0)
			continue;
		(void)printf("%s:\n", nvpair_name(nvp));
		nvlist_print_zdb(stdout, config, 4);
	}
	nvlist_free(pools);
	return (0);
}

void
zdb_print_uberblock(zdb_t *z)
{
	(void)printf("\nUberblock:\n");
	uberblock_print(stdout, &z->z_spa->spa_ubsync, "\t");
	(void)printf("\n");
}

/* ---- history ------------------------------------------------------------------------------------- */

/* What an entry says in one line after its time: command, internal event, or ioctl. */
static bool
print_history_line(const nvlist_t *rec)
{
	const char *command = cmd_str(rec, "history command");
	const char *name = cmd_str(rec, "internal_name");
	const char *ioctl = cmd_str(rec, "ioctl"), *text = cmd_str(rec, "history internal str");
	const char *dsname = cmd_str(rec, "dsname");
	nvlist_t *input = cmd_list(rec, "in_nvl");

	if (command != NULL) {
		(void)printf("%s\n", command);
	} else if (name != NULL) {
		(void)printf("[txg:%" PRIu64 "] %s", cmd_u64(rec, "history txg"), name);
		if (dsname != NULL)
			(void)printf(" %s (%" PRIu64 ")", dsname, cmd_u64(rec, "dsid"));
		(void)printf(" %s\n", text != NULL ? text : "");
	} else if (ioctl != NULL) {
		(void)printf("ioctl %s\n", ioctl);
		if (input != NULL) {
			(void)printf("    input:\n");
			nvlist_print_zdb(stdout, input, 8);
		}
	} else {
		return (false);
	}
	return (true);
}

void
zdb_print_history(zdb_t *z)
{
	nvlist_t *const *rec;
	nvlist_t *all = NULL;
	size_t n = 0;
	const int error = pool_history_get(z->z_spa, &all);

	(void)printf("\nHistory:\n");
	if (error != 0) {
		zdb_damage(z, "the history cannot be read: %s\n", strerror(error));
		return;
	}
	(void)nvlist_lookup_nvlist_array(all, "history", &rec, &n);
	for (size_t i = 0; i < n; i++) {
		const time_t t = (time_t)cmd_u64(rec[i], "history time");
		struct tm tm;
		char when[32] = "";

		if (localtime_r(&t, &tm) != NULL)
			(void)strftime(when, sizeof(when), "%F.%T", &tm);
		(void)printf("%s ", when);
		if (!print_history_line(rec[i]))
			(void)printf("unrecognized record:\n");
		if (z->z_opt['h'] > 1)
			nvlist_print_zdb(stdout, rec[i], 2);
	}
	nvlist_free(all);
}
