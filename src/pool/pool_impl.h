/* Shared by the files of the pool room; nobody else includes it. */
#ifndef TARN_POOL_IMPL_H
#define TARN_POOL_IMPL_H

#include <stdio.h>
#include <stdlib.h>
#include "pool/pool.h"

/* spa->spa_pool: what this room keeps for an open pool. */
typedef struct pool {
	spa_t *pl_spa;
	uint64_t pl_config_obj, pl_features_read_obj, pl_features_write_obj, pl_features_desc_obj,
	    pl_features_txg_obj, pl_history_obj, pl_props_obj, pl_errlog_last, pl_errlog_scrub;
	bpobj_t pl_deferred; /* sync_bplist */
	bool pl_deferred_open;
	bool pl_retire_logs; /* log space maps must be merged in the first txg */
	bool pl_salt_missing;
	bool pl_create; /* being created: the first txg */
	kmutex_t pl_errors_lock;
	avl_tree_t pl_errors_last, pl_errors_scrub; /* pool_error_t: new, not yet in the log */
	uint64_t pl_errors_logged;
	bool pl_errors_rotate, pl_errors_done;
	kmutex_t pl_history_lock;
} pool_t;

static inline pool_t *
pool_of(spa_t *spa)
{
	return (spa->spa_pool);
}

extern const spa_upper_ops_t pool_upper_ops;

pool_t *pool_alloc(spa_t *spa);
void pool_free(pool_t *pl);

/* pool_sync.c */
void pool_sync(spa_t *spa, uint64_t txg);

/* pool_config.c */
void pool_config_create(spa_t *spa, dmu_tx_t *tx);
void pool_config_sync(spa_t *spa, dmu_tx_t *tx);
int pool_config_read(spa_t *spa, nvlist_t **configp);
nvlist_t *pool_label_config(void *arg, vdev_t *leaf);

/* pool_feature.c */
void pool_features_create(spa_t *spa, dmu_tx_t *tx);
int pool_features_load(spa_t *spa);
void pool_features_sync(spa_t *spa, dmu_tx_t *tx);

/* pool_history.c */
void pool_history_create(spa_t *spa, dmu_tx_t *tx);
void pool_history_internal(
    spa_t *spa, const char *op, const char *dsname, uint64_t dsobj, dmu_tx_t *tx, const char *msg);

/* pool_errlog.c */
void pool_errlog_init(pool_t *pl);
void pool_errlog_fini(pool_t *pl);
int pool_errlog_load(spa_t *spa);
bool pool_errlog_pending(spa_t *spa);
void pool_errlog_sync(spa_t *spa, dmu_tx_t *tx);
void pool_data_error(spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp);
void pool_scan_finished(spa_t *spa, bool complete, dmu_tx_t *tx);

/* pool_props.c */
int pool_props_load(spa_t *spa);
int pool_props_apply(spa_t *spa, const nvlist_t *props, bool create);
void pool_props_write(spa_t *spa, const nvlist_t *props, dmu_tx_t *tx);

/* An entry of the object directory that is one number. ENOENT. */
int pool_dir_lookup(spa_t *spa, const char *name, uint64_t *v);
void pool_dir_set(spa_t *spa, const char *name, uint64_t v, dmu_tx_t *tx);

#endif
