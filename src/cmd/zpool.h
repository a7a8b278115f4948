/* Shared by the files of zpool. */
#ifndef TARN_CMD_ZPOOL_H
#define TARN_CMD_ZPOOL_H

#include "cmd/json.h"
#include "cmd/zprop.h"

/* ---- pools (zpool_pool.c) ---------------------------------------------------------------- */

/*
 * Status of an imported pool (proto.h: pool_status), or NULL: then "cannot open …" was said
 * (quiet: nothing).
 */
nvlist_t *zpool_get(const char *pool, bool quiet);
/*
 * Call func for the named pools in their order, or for all (argc 0). Those that cannot be opened are complained
 * about. Returns 1 if any was missing or any call returned non-zero. *found (may be NULL): how many there were.
 */
typedef int zpool_func_t(const char *pool, nvlist_t *status, void *arg);
int zpool_foreach(int argc, char **argv, zpool_func_t *func, void *arg, int *found);
/* "ONLINE", "SUSPENDED" … of an imported pool. */
const char *zpool_health(const nvlist_t *status);
const char *zpool_state_name(uint64_t state, uint64_t aux);
const char *zpool_aux_text(uint64_t aux);
/* Is the name fit for a pool? NULL, or what is wrong with it. open: for an existing one. */
const char *zpool_name_why(const char *name, bool open, char *buf, size_t size);

#define VDEV_NAME_GUID 0x1
#define VDEV_NAME_FOLLOW 0x2
#define VDEV_NAME_PATH 0x4
#define VDEV_NAME_TYPE_ID 0x8
/* "mirror-0", "/tmp/d/a", "sda", "12345"; kmem string. */
char *zpool_vdev_name(const nvlist_t *vdev, const char *pool, int flags);
uint64_t zpool_vdev_stat(const nvlist_t *vdev, const char *name);
bool zpool_vdev_is_log(const nvlist_t *vdev);
bool zpool_vdev_is_hole(const nvlist_t *vdev);
/* "normal", "log", "special", "dedup" */
const char *zpool_vdev_class(const nvlist_t *vdev);
/* Widest name in the tree including its indentation. */
int zpool_name_width(const nvlist_t *vdev, const char *pool, int flags, int depth, int width);
/* The vdev called so (path, short name, guid, mirror-0), or NULL. */
const nvlist_t *zpool_find_vdev(const nvlist_t *tree, const char *pool, const char *name);

/* ---- properties (zpool_prop.c) ----------------------------------------------------------- */

const zprop_t *zpool_prop_find(const char *name);
void zpool_prop_usage(FILE *fp);
void vdev_prop_usage(FILE *fp);
/* "-o a,b,c" → wants; on a bad one the sentence and usage are printed. */
int zpool_prop_wants(const char *spec, zprop_wants_t *zws);
void zpool_prop_wants_all(zprop_wants_t *zws, const nvlist_t *status);
/* Value as text; *source "-", "default", "local". status from zpool_get. */
void zpool_prop_value(const nvlist_t *status, const zprop_want_t *zw, bool literal, char *buf,
    size_t size, const char **source);
/*
 * Check value and put it into props as the daemon wants it. create: at creation or import.
 * 0 or EINVAL with a sentence (without "cannot …: ").
 */
int zpool_prop_parse(const char *name, const char *value, bool create, nvlist_t *props, char *why,
    size_t size);

/* ---- compatibility (zpool_compat.c) ------------------------------------------------------ */

/* Which features may be enabled: bit f. EINVAL: *why names the files that cannot be read. */
int zpool_compat_features(const char *value, uint64_t *bits, char *why, size_t size);

/* ---- vdev specifications (zpool_vdev.c) -------------------------------------------------- */

/* The tree for `create`; on errors everything has been said and NULL is returned. */
nvlist_t *zpool_make_root(int argc, char **argv, uint64_t ashift, bool force);
/* Devices too small or named twice: the sentence, or NULL. */
const char *zpool_check_devices(const nvlist_t *root);
/* The layout as `create -n` shows it. */
void zpool_print_layout(const char *pool, const nvlist_t *root);

/* ---- what status says (zpool_reason.c) --------------------------------------------------- */

typedef enum zpool_reason {
	REASON_OK,
	REASON_RESILVERING,
	REASON_IO_FAILURE_WAIT,
	REASON_IO_FAILURE_CONTINUE,
	REASON_BAD_LOG,
	REASON_FAULTED_DEV_R,
	REASON_FAULTED_DEV_NR,
	REASON_MISSING_DEV_R,
	REASON_MISSING_DEV_NR,
	REASON_CORRUPT_LABEL_R,
	REASON_CORRUPT_LABEL_NR,
	REASON_CORRUPT_POOL,
	REASON_CORRUPT_DATA,
	REASON_FAILING_DEV,
	REASON_OFFLINE_DEV,
	REASON_REMOVED_DEV,
	REASON_VERSION_OLDER,
	REASON_VERSION_NEWER,
	REASON_FEAT_DISABLED,
	REASON_UNSUP_FEAT_READ,
	REASON_UNSUP_FEAT_WRITE,
	REASON_HOSTID_MISMATCH,
	REASON_HOSTID_ACTIVE,
	REASON_COMPATIBILITY,
	REASON_BAD_GUID_SUM,
	REASON_ERRATA,
	REASON_NONNATIVE_ASHIFT,
} zpool_reason_t;
/* Of an imported pool: status from zpool_get; the tree's numbers decide. */
zpool_reason_t zpool_reason(const nvlist_t *status);
/* "ZFS-8000-2Q" or NULL. */
const char *zpool_reason_code(zpool_reason_t r);

/* ---- properties of vdevs (zpool_vdevprop.c) ---------------------------------------------- */

/* `zpool get spec pool vdev…`; "all-vdevs" for all. Exit status. */
int zpool_get_vdevs(const char *spec, const char *pool, const nvlist_t *status, int argc, char **argv,
    get_column_t *cols, int ncols, bool scripted, bool literal, bool json, bool json_int);
int zpool_set_vdev(const char *pool, const nvlist_t *status, const char *vdev, const char *name,
    const char *value);

/* ---- JSON (zpool_json.c) ----------------------------------------------------------------- */

/* name, state, guid … of a pool; type: also "type": "POOL". as_int: numbers as numbers. */
json_t *zpool_json_pool(const nvlist_t *status, bool type, bool as_int);
json_t *zpool_json_props(const nvlist_t *status, zprop_wants_t *zws, bool literal, bool as_int);
const char *zpool_json_source(const char *source);

/* ---- commands ---------------------------------------------------------------------------- */

int zpool_do_create(int argc, char **argv);
int zpool_do_destroy(int argc, char **argv);
int zpool_do_labelclear(int argc, char **argv);
int zpool_do_import(int argc, char **argv);
int zpool_do_export(int argc, char **argv);
int zpool_do_list(int argc, char **argv);
int zpool_do_status(int argc, char **argv);
int zpool_do_iostat(int argc, char **argv);
int zpool_do_get(int argc, char **argv);
int zpool_do_set(int argc, char **argv);
int zpool_do_history(int argc, char **argv);
int zpool_do_scrub(int argc, char **argv);
int zpool_do_clear(int argc, char **argv);
int zpool_do_sync(int argc, char **argv);
int zpool_do_wait(int argc, char **argv);
int zpool_do_upgrade(int argc, char **argv);

#endif
