/*
 * Records of the dataset layer (format/03 §1).
 */
#include "ondisk/dsl.h"

#include "ondisk/table_impl.h"

static const ondisk_field_t dsl_dir_fields[] = {
    OD_FIELD(dsl_dir_phys_t, dd_creation_time, 0x00, OD_TIME),
    OD_FIELD(dsl_dir_phys_t, dd_head_dataset_obj, 0x08, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_parent_obj, 0x10, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_origin_obj, 0x18, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_child_dir_zapobj, 0x20, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_used_bytes, 0x28, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_compressed_bytes, 0x30, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_uncompressed_bytes, 0x38, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_quota, 0x40, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_reserved, 0x48, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_props_zapobj, 0x50, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_deleg_zapobj, 0x58, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_flags, 0x60, OD_HEX),
    OD_ARRAY(dsl_dir_phys_t, dd_used_breakdown, 0x68, DD_USED_NUM, OD_DEC),
    OD_FIELD(dsl_dir_phys_t, dd_clones, 0x90, OD_DEC),
    OD_ARRAY(dsl_dir_phys_t, dd_pad, 0x98, 13, OD_PAD),
};
OD_TABLE(od_dsl_dir, dsl_dir_phys_t, dsl_dir_fields, NULL);

static const ondisk_field_t dsl_dataset_fields[] = {
    OD_FIELD(dsl_dataset_phys_t, ds_dir_obj, 0x00, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_prev_snap_obj, 0x08, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_prev_snap_txg, 0x10, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_next_snap_obj, 0x18, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_snapnames_zapobj, 0x20, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_num_children, 0x28, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_creation_time, 0x30, OD_TIME),
    OD_FIELD(dsl_dataset_phys_t, ds_creation_txg, 0x38, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_deadlist_obj, 0x40, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_referenced_bytes, 0x48, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_compressed_bytes, 0x50, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_uncompressed_bytes, 0x58, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_unique_bytes, 0x60, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_fsid_guid, 0x68, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_guid, 0x70, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_flags, 0x78, OD_HEX),
    OD_SUB(dsl_dataset_phys_t, ds_bp, 0x80, &od_blkptr),
    OD_FIELD(dsl_dataset_phys_t, ds_next_clones_obj, 0x100, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_props_obj, 0x108, OD_DEC),
    OD_FIELD(dsl_dataset_phys_t, ds_userrefs_obj, 0x110, OD_DEC),
    OD_ARRAY(dsl_dataset_phys_t, ds_pad, 0x118, 5, OD_PAD),
};
OD_TABLE(od_dsl_dataset, dsl_dataset_phys_t, dsl_dataset_fields, NULL);

static const ondisk_field_t zfs_bookmark_fields[] = {
    OD_FIELD(zfs_bookmark_phys_t, zbm_guid, 0, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_creation_txg, 8, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_creation_time, 16, OD_TIME),
    OD_FIELD(zfs_bookmark_phys_t, zbm_redaction_obj, 24, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_flags, 32, OD_HEX),
    OD_FIELD(zfs_bookmark_phys_t, zbm_referenced_bytes_refd, 40, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_compressed_bytes_refd, 48, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_uncompressed_bytes_refd, 56, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_referenced_freed_before_next_snap, 64, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_compressed_freed_before_next_snap, 72, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_uncompressed_freed_before_next_snap, 80, OD_DEC),
    OD_FIELD(zfs_bookmark_phys_t, zbm_ivset_guid, 88, OD_DEC),
};
OD_TABLE(od_zfs_bookmark, zfs_bookmark_phys_t, zfs_bookmark_fields, NULL);

dsl_dir_phys_t *
dsl_dir_phys_of(void *bonus, size_t len)
{
	return (len < sizeof(dsl_dir_phys_t) ? NULL : bonus);
}

dsl_dataset_phys_t *
dsl_dataset_phys_of(void *bonus, size_t len)
{
	return (len < sizeof(dsl_dataset_phys_t) ? NULL : bonus);
}
