/*
 * Records of the dataset layer in the MOS. Source: format/03 §1.
 */
#ifndef TARN_ONDISK_DSL_H
#define TARN_ONDISK_DSL_H

#include "ondisk/blkptr.h"

/* Bonus of type 12 (§1.2). */
enum dd_used {
	DD_USED_HEAD,
	DD_USED_SNAP,
	DD_USED_CHILD,
	DD_USED_CHILD_RSRV,
	DD_USED_REFRSRV,
	DD_USED_NUM
};
typedef enum dd_used dd_used_t;

typedef struct dsl_dir_phys {
	uint64_t dd_creation_time;
	uint64_t dd_head_dataset_obj;
	uint64_t dd_parent_obj;
	uint64_t dd_origin_obj;
	uint64_t dd_child_dir_zapobj;
	uint64_t dd_used_bytes;
	uint64_t dd_compressed_bytes;
	uint64_t dd_uncompressed_bytes;
	uint64_t dd_quota;
	uint64_t dd_reserved;
	uint64_t dd_props_zapobj;
	uint64_t dd_deleg_zapobj;
	uint64_t dd_flags;
	uint64_t dd_used_breakdown[DD_USED_NUM];
	uint64_t dd_clones;
	uint64_t dd_pad[13];
} dsl_dir_phys_t;
_Static_assert(sizeof(dsl_dir_phys_t) == 256, "dsl_dir_phys_t");
extern const ondisk_table_t od_dsl_dir;
#define DD_FLAG_USED_BREAKDOWN 0x1ULL

/* Bonus of type 16 (§1.3). */
typedef struct dsl_dataset_phys {
	uint64_t ds_dir_obj;
	uint64_t ds_prev_snap_obj;
	uint64_t ds_prev_snap_txg;
	uint64_t ds_next_snap_obj;
	uint64_t ds_snapnames_zapobj;
	uint64_t ds_num_children; /* != 0: a snapshot */
	uint64_t ds_creation_time;
	uint64_t ds_creation_txg;
	uint64_t ds_deadlist_obj;
	uint64_t ds_referenced_bytes;
	uint64_t ds_compressed_bytes;
	uint64_t ds_uncompressed_bytes;
	uint64_t ds_unique_bytes;
	uint64_t ds_fsid_guid;
	uint64_t ds_guid;
	uint64_t ds_flags;
	blkptr_t ds_bp;
	uint64_t ds_next_clones_obj;
	uint64_t ds_props_obj;
	uint64_t ds_userrefs_obj;
	uint64_t ds_pad[5];
} dsl_dataset_phys_t;
_Static_assert(sizeof(dsl_dataset_phys_t) == 320, "dsl_dataset_phys_t");
extern const ondisk_table_t od_dsl_dataset;
#define DS_FLAG_INCONSISTENT 0x1ULL
#define DS_FLAG_NOPROMOTE 0x2ULL
#define DS_FLAG_UNIQUE_ACCURATE 0x4ULL
#define DS_FLAG_DEFER_DESTROY 0x8ULL
#define DS_FLAG_CI_DATASET (1ULL << 16)

/* Value of a bookmark (§1.8): the first 3 words, or all 12. */
typedef struct zfs_bookmark_phys {
	uint64_t zbm_guid;
	uint64_t zbm_creation_txg;
	uint64_t zbm_creation_time;
	uint64_t zbm_redaction_obj;
	uint64_t zbm_flags;
	uint64_t zbm_referenced_bytes_refd;
	uint64_t zbm_compressed_bytes_refd;
	uint64_t zbm_uncompressed_bytes_refd;
	uint64_t zbm_referenced_freed_before_next_snap;
	uint64_t zbm_compressed_freed_before_next_snap;
	uint64_t zbm_uncompressed_freed_before_next_snap;
	uint64_t zbm_ivset_guid;
} zfs_bookmark_phys_t;
_Static_assert(sizeof(zfs_bookmark_phys_t) == 96, "zfs_bookmark_phys_t");
extern const ondisk_table_t od_zfs_bookmark;
#define BOOKMARK_PHYS_SIZE_V1 24
#define BOOKMARK_PHYS_SIZE_V2 96
#define ZBM_FLAG_HAS_FBN 0x1ULL
#define ZBM_FLAG_SNAPSHOT_EXISTS 0x2ULL

/*
 * A bonus buffer in host order as one of these records: NULL if it is shorter. The
 * record lives in the buffer.
 */
dsl_dir_phys_t *dsl_dir_phys_of(void *bonus, size_t len);
dsl_dataset_phys_t *dsl_dataset_phys_of(void *bonus, size_t len);

#endif
