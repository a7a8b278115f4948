/* Shared by the files of the serve room; nobody else includes it. */
#ifndef TARN_SERVE_IMPL_H
#define TARN_SERVE_IMPL_H

#include <stdio.h>
#include <stdlib.h>
#include "serve/fuse_fs.h"
#include "serve/serve.h"

typedef struct serve {
	spa_t *sv_spa;
	char *sv_name;
	uid_t sv_uid;
	int sv_listen;
	kmutex_t sv_lock; /* connections, ending */
	kcondvar_t sv_cv;
	uint64_t sv_connections;
	bool sv_ending;         /* no new requests */
	bool sv_closed;         /* the pool is closed; serve_loop returns */
	int sv_wake[2];         /* pipe: ends the accept loop */
	kmutex_t sv_mounts_lock;
	list_t sv_mounts; /* mount_t */
	bool sv_cached;   /* the pool is in the cache file */
	hrtime_t sv_start; /* when the pool was opened */
} serve_t;

typedef struct mount {
	list_node_t mt_node;
	serve_t *mt_serve;
	char mt_name[ZFS_MAX_DATASET_NAME_LEN];
	char *mt_point;
	dsl_dataset_t *mt_ds;
	zfsvfs_t *mt_zfsvfs;
	fuse_fs_t *mt_fuse;
	bool mt_gone; /* the kernel has let go of it; must be torn down */
	char *mt_options; /* temporary ones, or NULL */
} mount_t;

/* mounts.c */
void mounts_init(serve_t *sv);
/* Mount one; explicit: also canmount=noauto. *why: text for the person (kmem string) or NULL. */
int mounts_mount(serve_t *sv, const char *name, bool explicit, const char *options, bool overlay,
    char **why);
/* All that canmount=on wants below name (NULL: the pool), parents first. First error. */
int mounts_mount_all(serve_t *sv, const char *name, char **why);
int mounts_unmount(serve_t *sv, const char *name, bool force, char **why);
int mounts_unmount_point(serve_t *sv, const char *point, bool force, char **why);
/* Everything at and below name (NULL: all), children first. */
int mounts_unmount_below(serve_t *sv, const char *name, bool force, char **why);
/*
 * Remove the directory that a file system was mounted on, if it is empty and follows from names
 * (not chosen by the person).
 */
void mounts_remove_point(serve_t *sv, const char *name);
/* Where name is mounted now; false if it is not. */
bool mounts_find(serve_t *sv, const char *name, char *point, size_t size);
/* Names mounted at or below name, parents first; free with proto_free_names. */
void mounts_below(serve_t *sv, const char *name, char ***namesp, size_t *np);
/* Properties below name changed: take them over. */
void mounts_refresh(serve_t *sv, const char *name);
/* Everything is on disk: files show the space they take. */
void mounts_settle(serve_t *sv);
/* The mountpoint a dataset wants: absolute path (with altroot), or "none", "legacy". */
int mounts_wanted(serve_t *sv, dsl_dataset_t *ds, char *buf, size_t size);
void mounts_forget(serve_t *sv);
void mounts_fini(serve_t *sv);

/* daemon.c */
/* The pool enters or leaves the cache file. */
void serve_cache(serve_t *sv);
void serve_uncache(serve_t *sv);
void daemon_release_name(serve_t *sv);

/* control.c */
int control_start(serve_t *sv);
void control_loop(serve_t *sv); /* until the pool is closed */
void control_stop(serve_t *sv);

/* ops_pool.c, ops_dataset.c */
typedef struct call {
	serve_t *c_sv;
	const nvlist_t *c_req;
	nvlist_t *c_out;
	char *c_why; /* kmem string */
	uid_t c_uid;
} call_t;
typedef struct op {
	const char *op_cmd;
	int (*op_func)(call_t *c);
	bool op_changes; /* only for the owner; recorded in the history */
} op_t;
extern const op_t pool_ops[], dataset_ops[];
const char *call_string(call_t *c, const char *name); /* NULL if missing */
bool call_bool(call_t *c, const char *name);
int call_fail(call_t *c, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
