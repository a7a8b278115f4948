/* Shared by the files of the dsl room; nobody else includes it. */
#ifndef TARN_DSL_IMPL_H
#define TARN_DSL_IMPL_H

#include <stdio.h>
#include "dsl/dsl.h"

#ifndef SPA_OLD_MAXBLOCKSIZE
#define SPA_OLD_MAXBLOCKSIZE 131072
#endif

#define BPOBJ_MAX_DEPTH 64 /* of sub-objects below sub-objects: more is damage */

/* psize as space accounting counts it: an embedded block occupies nothing (format/03). */
static inline uint64_t
dsl_bp_psize(const blkptr_t *bp)
{
	return (BP_IS_EMBEDDED(bp) ? 0 : BP_GET_PSIZE(bp));
}

/* Integer-named ZAP entries: hex without prefix. EINVAL. */
int dsl_parse_hex(const char *s, uint64_t *v);

/* dsl_dir.c */
int dsl_dir_open_special(dsl_pool_t *dp, const char *name, dsl_dir_t **ddp);
uint64_t dsl_dir_create_sync(
    dsl_pool_t *dp, dsl_dir_t *parent, const char *name, dmu_tx_t *tx);
void dsl_dir_destroy_sync(uint64_t ddobj, dmu_tx_t *tx);
int dsl_dir_tempreserve(dsl_dir_t *dd, uint64_t asize, bool netfree, uint64_t txg);
void dsl_dir_sync(dsl_dir_t *dd, dmu_tx_t *tx);
void dsl_dir_willuse(dsl_dir_t *dd, uint64_t bytes, uint64_t txg);
/* Take back a promise of `bytes`, except for `keep` of new dirty data. */
void dsl_dir_unpromise(dsl_dir_t *dd, uint64_t bytes, uint64_t keep, uint64_t txg);
dsl_pool_t *dmu_tx_pool(dmu_tx_t *tx);
void dsl_dir_adjust_counts(dsl_dir_t *dd, int64_t fs, int64_t snaps, dmu_tx_t *tx);

/* dsl_dataset.c */
extern const objset_ops_t dsl_dataset_objset_ops;
uint64_t dsl_dataset_create_sync_dd(
    dsl_dir_t *dd, dsl_dataset_t *origin, uint64_t flags, dmu_tx_t *tx);
void dsl_dataset_snapshot_sync_impl(
    dsl_dataset_t *ds, const char *snapname, const nvlist_t *props, dmu_tx_t *tx);
void dsl_dataset_block_born(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx);
void dsl_dataset_block_kill(dsl_dataset_t *ds, const blkptr_t *bp, dmu_tx_t *tx);
void dsl_dataset_sync(dsl_dataset_t *ds, zio_t *rio, dmu_tx_t *tx);
void dsl_dataset_sync_done(dsl_dataset_t *ds, dmu_tx_t *tx);
void dsl_dataset_load_props(dsl_dataset_t *ds);
int dsl_dataset_get_snapname(dsl_dataset_t *ds);
bool dsl_dataset_owned(dsl_dataset_t *ds);
/* Hold without the name rules, for lists of open datasets. */
void dsl_dataset_add_hold(dsl_dataset_t *ds, const void *tag);

/* dsl_synctask.c */
typedef struct dsl_sync_task {
	list_node_t dst_node;
	dsl_pool_t *dst_pool;
	uint64_t dst_txg;
	int dst_space; /* bytes a task may use */
	zfs_space_check_t dst_space_check;
	dsl_checkfunc_t *dst_check;
	dsl_syncfunc_t *dst_sync;
	void *dst_arg;
	int dst_error;
	bool dst_nowait;
} dsl_sync_task_t;
void dsl_sync_task_run(dsl_sync_task_t *dst, dmu_tx_t *tx);

/* dsl_prop.c */
void dsl_props_refresh_all(dsl_pool_t *dp);
void dsl_prop_set_sync_impl(
    dsl_dataset_t *ds, const char *name, zprop_source_t src, const nvpair_t *value, dmu_tx_t *tx);
int dsl_props_check(dsl_dataset_t *ds, const nvlist_t *props);
void dsl_props_set_sync_impl(dsl_dataset_t *ds, const nvlist_t *props, dmu_tx_t *tx);

/* dsl_async_free.c */
bool dsl_async_free_pending(dsl_pool_t *dp);
void dsl_async_free_sync(dsl_pool_t *dp, dmu_tx_t *tx);

/* dsl_scan.c */
void dsl_scan_dataset_destroyed(dsl_pool_t *dp, uint64_t dsobj, dmu_tx_t *tx);
void dsl_scan_free_queue_bptree(dsl_pool_t *dp, const blkptr_t *bp, uint64_t mintxg,
    uint64_t used, uint64_t comp, uint64_t uncomp, dmu_tx_t *tx);

#define dsl_log_internal(dp, op, name, obj, tx, msg) \
	do { \
		if (dsl_history_internal != NULL) \
			dsl_history_internal((dp)->dp_spa, op, name, obj, tx, msg); \
	} while (0)

#endif
