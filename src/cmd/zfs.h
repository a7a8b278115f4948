/* Shared by the files of zfs. */
#ifndef TARN_CMD_ZFS_H
#define TARN_CMD_ZFS_H

#include "cmd/json.h"
#include "cmd/zprop.h"

#define TYPE_FS ZFS_TYPE_FILESYSTEM
#define TYPE_SNAP ZFS_TYPE_SNAPSHOT
#define TYPE_VOL ZFS_TYPE_VOLUME
#define TYPE_BOOK ZFS_TYPE_BOOKMARK
#define TYPE_DATASET (TYPE_FS | TYPE_VOL | TYPE_SNAP)
#define TYPE_ALL (TYPE_DATASET | TYPE_BOOK)

/* ---- names (zfs_name.c) ------------------------------------------------------------------ */

/*
 * Is it a name of that type (one of them if several)? NULL, or what is wrong in OpenZFS's words (in buf
 * or static).
 */
const char *zfs_name_why(const char *name, int types, char *buf, size_t size);
/* "filesystem", "volume", "snapshot", "bookmark" */
const char *zfs_type_word(int type);
/* Parses "filesystem,vol,all": 0 or the word that is none in bad. */
int zfs_parse_types(const char *spec, int *types, char *bad, size_t size);

/* ---- datasets (zfs_dataset.c) ------------------------------------------------------------ */

/* A dataset as its daemon described it. */
typedef struct dataset {
	list_node_t d_node;
	char d_name[2 * ZFS_MAX_DATASET_NAME_LEN];
	int d_type;
	const nvlist_t *d_entry; /* proto.h: ds entry; owned by the set */
} dataset_t;

typedef struct dataset_set {
	list_t s_list;
	nvlist_t **s_replies;
	size_t s_nreplies;
} dataset_set_t;

void datasets_init(dataset_set_t *s);
void datasets_fini(dataset_set_t *s);
/*
 * Ask for name and what lies below it down to depth (0: alone). types: which come into the set.
 * errno of the daemon; ENOENT: not there.
 */
int datasets_get(dataset_set_t *s, const char *name, uint64_t depth, int types, bool props);
/* The same for all pools, sorted by name. */
void datasets_get_all(dataset_set_t *s, uint64_t depth, int types, bool props);
/*
 * One dataset by the name the user gave; complains "cannot open …" and returns NULL. A path (leading /)
 * means the file system mounted there.
 */
const dataset_t *dataset_open(dataset_set_t *s, const char *name, int types, bool props);
/* Tree order; duplicates go. */
void datasets_sort(dataset_set_t *s);
int datasets_compare(const dataset_t *a, const dataset_t *b);
/* "cannot unmount …: permission denied" for the first mount in the way at or below name, or NULL. kmem string. */
char *zfs_mount_denied(const char *name);
/* Mounted file system that path lies on; false: complained. */
bool zfs_path_to_name(const char *path, char *name, size_t size);

/* ---- properties (zfs_prop.c, zfs_value.c) ------------------------------------------------ */

const zprop_t *zfs_prop_find(const char *name);
/* zfs_prop_at(0), (1) … in the order of `get all`; NULL after the last. */
const zprop_t *zfs_prop_at(size_t i);
void zfs_prop_usage(FILE *fp);
bool zfs_prop_is_user(const char *name);
bool zfs_prop_is_userquota(const char *name); /* userquota@, groupused@ … */
bool zfs_prop_is_written(const char *name);   /* written@, written# */
/* Does the property apply to datasets of that type? */
bool zfs_prop_valid_for(const zprop_t *zp, int type);
/* "a,b,c" → wants; complains with usage. list: shorthand "space" */
int zfs_prop_wants(const char *spec, zprop_wants_t *zws, bool list);
void zfs_prop_wants_all(zprop_wants_t *zws);

#define ZFS_VALUE_MAX 8193
/*
 * Value of a property of a dataset. False: it has none (shown as "-"). *src ZPROP_SRC_*; where: the
 * dataset it is inherited from (256 bytes). received: the received value instead.
 */
bool zfs_value(const dataset_t *d, const zprop_want_t *zw, bool literal, char *buf, size_t size,
    zprop_source_t *src, char *where);
/* The received value, or "-". */
void zfs_value_received(const dataset_t *d, const zprop_want_t *zw, char *buf, size_t size);
/* As a number for sorting and -j --json-int; false: it is a text. */
bool zfs_value_number(const dataset_t *d, const zprop_want_t *zw, uint64_t *v);

/*
 * Check a value and put it into props as the daemon wants it. type: of the dataset; create: at creation
 * (also one-time properties). 0 or EINVAL with a sentence without "cannot …: ".
 */
int zfs_prop_parse(const char *name, const char *value, int type, bool create, nvlist_t *props,
    char *why, size_t size);
/* Words for the errno of setting props: *code is the exit status of `zfs set`. */
const char *zfs_set_why(const char *prop, const char *value, int err);

/*
 * Into the set: what the arguments name (or everything) and, with recurse, what lies below down to depth.
 * types: which kinds; types_given: the user asked for them; open_types: what may be named. 1 after complaints.
 */
int zfs_gather(dataset_set_t *s, int argc, char **argv, int types, bool recurse, uint64_t depth,
    bool types_given, int open_types);

/* ---- JSON (zfs_list.c) ------------------------------------------------------------------- */

/* name, type, pool, createtxg … of a dataset. */
json_t *zfs_json_dataset(const dataset_t *d, bool as_int);
json_t *zfs_json_property(const dataset_t *d, const zprop_want_t *zw, bool literal, bool as_int);

/* ---- commands ---------------------------------------------------------------------------- */

int zfs_do_create(int argc, char **argv);
int zfs_do_destroy(int argc, char **argv);
int zfs_do_rename(int argc, char **argv);
int zfs_do_list(int argc, char **argv);
int zfs_do_get(int argc, char **argv);
int zfs_do_set(int argc, char **argv);
int zfs_do_inherit(int argc, char **argv);
int zfs_do_mount(int argc, char **argv);
int zfs_do_unmount(int argc, char **argv);
int zfs_do_upgrade(int argc, char **argv);

#endif
