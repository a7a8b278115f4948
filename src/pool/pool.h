/*
 * pool: a pool as a whole. Creating, finding, importing, exporting; writing a txg; and all
 * that lives in the MOS for the pool itself: config, features, properties, space maps,
 * history, error log. It stands above the rooms that it connects (spa knows txgs and
 * metaslabs, dsl the datasets, zpl the files) and registers itself with them.
 *
 * One process holds one imported pool (DESIGN §1), but nothing here depends on that.
 *
 * Sources: format/01 §2.6–§3, §12; format/02 §3, §4, §9, §10, §11.
 */
#ifndef TARN_POOL_H
#define TARN_POOL_H

#include "dsl/dsl.h"
#include "nvpair/nvpair.h"
#include "spa/spa.h"

/* Start/stop all rooms below. Once per process. */
void pool_init(void);
void pool_fini(void);

/* ---- creating ------------------------------------------------------------------------------ */

/*
 * vdevs: a `root` node with `children` (format/01 §3.3; guids are drawn, `ashift` may be given
 * on top-levels). props: pool properties, uint64 or string (`ashift`, `comment`, …);
 * features: name -> uint64 0/1 (missing: all that tarn creates); fsprops: dataset and zpl
 * properties of the root dataset. Devices are overwritten: in-use checks are the caller's.
 * errno; *why (may be NULL): static text for the person.
 */
int pool_create(const char *name, const nvlist_t *vdevs, const nvlist_t *props,
    const nvlist_t *features, const nvlist_t *fsprops, spa_t **spap, const char **why);

/* ---- finding --------------------------------------------------------------------------------- */

/*
 * Look at the labels of every file and block device in these directories (or at these
 * devices themselves) and put together the pools found: *outp maps the decimal pool guid to a
 * configuration with name, pool_guid, state, txg, hostid, hostname, vdev_tree (root; absent top-levels
 * are of type `missing`, leaves not found carry `not_found`). Writes nothing. `destroyed`: only destroyed ones.
 */
int pool_search(const char *const *paths, size_t npaths, bool destroyed, nvlist_t **outp);
/* One pool's configuration from the cache file (all: name -> config). ENOENT. */
int pool_cachefile_read(const char *path, nvlist_t **poolsp);
/* Enter or remove (config NULL) a pool; rewrites the file, removes it when empty. Locked against others. */
int pool_cachefile_update(const char *path, const char *name, const nvlist_t *config);

/* ---- opening and closing ----------------------------------------------------------------------- */

#define POOL_IMPORT_READONLY 0x1
#define POOL_IMPORT_FORCE 0x2  /* state ACTIVE of another host */
#define POOL_IMPORT_CACHED 0x4 /* from the cache file: label state must be ACTIVE */
#define POOL_IMPORT_MISSING_LOG 0x8
/*
 * Import. config as from pool_search or the cache file. newname NULL: its own. txg_limit 0: newest.
 * EEXIST, ENXIO (devices), ENOTSUP (features or version: *unsup = nvlist of guid -> text; with read-only
 * possible: EROFS), EBUSY (device in use), EREMOTEIO, EBADF, EIO.
 */
int pool_import(const nvlist_t *config, const char *newname, uint32_t flags, uint64_t txg_limit,
    const nvlist_t *props, spa_t **spap, nvlist_t **unsup);
/* Nothing may be mounted or held. newstate EXPORTED, DESTROYED, or ACTIVE (just close). EBUSY. */
int pool_export(spa_t *spa, pool_state_t newstate);

/* ---- state ---------------------------------------------------------------------------------------- */

/*
 * For `zpool status`, `list`, `iostat`: name, pool_guid, state, txg, vdev_tree with the status keys of
 * vdev_status_generate, scan_stats (pool_scan_stat_t words), error_count, props, features, sizes.
 */
nvlist_t *pool_status(spa_t *spa);
/* name -> { value, source } of every pool property incl. computed ones and feature@… (as strings/uint64). */
nvlist_t *pool_props_get(spa_t *spa);
/* EINVAL unknown or bad value, ENOTSUP, EROFS. feature@x -> string "enabled". */
int pool_props_set(spa_t *spa, const nvlist_t *props);
/* `zpool clear`: errors of a device (NULL: all), resumes a suspended pool. */
int pool_clear(spa_t *spa, const char *device);

/* ---- history (format/02 §9.5) ----------------------------------------------------------------------- */

/* A command line, as `zpool history` shows it. */
int pool_history_command(spa_t *spa, const char *cmd, uint64_t uid);
/* All records in order: nvlist array "history". */
int pool_history_get(spa_t *spa, nvlist_t **outp);

/* ---- permanent errors (format/02 §9.4) --------------------------------------------------------------- */

/* Each: dataset object, object, level, blkid. */
int pool_errors_get(spa_t *spa, zbookmark_phys_t **zbp, size_t *np); /* free with kmem_free(n * sizeof) */
uint64_t pool_errors_count(spa_t *spa);

/* ---- names --------------------------------------------------------------------------------------------- */

/* 0 or EINVAL/ENAMETOOLONG; *why: text as zpool prints it. */
int pool_name_check(const char *name, const char **why);

#endif
