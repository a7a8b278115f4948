/*
 * Records of pool-wide objects (format/02 §7–§9, format/01 §7, §11.1).
 */
#include "ondisk/poolobj.h"

#include "ondisk/table_impl.h"

static const ondisk_field_t zio_gbh_fields[] = {
    OD_SUBS(zio_gbh_phys_t, zg_blkptr, 0, SPA_GBH_NBLKPTRS, &od_blkptr),
    OD_ARRAY(zio_gbh_phys_t, zg_filler, 384, 11, OD_PAD),
    OD_FIELD(zio_gbh_phys_t, zg_eck_magic, 472, OD_HEX),
    OD_SUB(zio_gbh_phys_t, zg_eck_cksum, 480, &od_zio_cksum),
};
OD_TABLE(od_zio_gbh, zio_gbh_phys_t, zio_gbh_fields, NULL);

/* ---- scan ---- */

static const ondisk_field_t dsl_scan_fields[] = {
    OD_FIELD(dsl_scan_phys_t, scn_func, 0, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_state, 8, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_queue_obj, 16, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_min_txg, 24, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_max_txg, 32, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_cur_min_txg, 40, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_cur_max_txg, 48, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_start_time, 56, OD_TIME),
    OD_FIELD(dsl_scan_phys_t, scn_end_time, 64, OD_TIME),
    OD_FIELD(dsl_scan_phys_t, scn_to_examine, 72, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_examined, 80, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_skipped, 88, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_processed, 96, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_errors, 104, OD_DEC),
    OD_FIELD(dsl_scan_phys_t, scn_ddt_class_max, 112, OD_DEC),
    OD_ARRAY(dsl_scan_phys_t, scn_ddt_bookmark, 120, 4, OD_HEX),
    OD_SUB(dsl_scan_phys_t, scn_bookmark, 152, &od_zbookmark),
    OD_FIELD(dsl_scan_phys_t, scn_flags, 184, OD_HEX),
};
OD_TABLE(od_dsl_scan, dsl_scan_phys_t, dsl_scan_fields, NULL);

static const ondisk_field_t dsl_errorscrub_fields[] = {
    OD_FIELD(dsl_errorscrub_phys_t, dep_func, 0, OD_DEC),
    OD_FIELD(dsl_errorscrub_phys_t, dep_state, 8, OD_DEC),
    OD_FIELD(dsl_errorscrub_phys_t, dep_cursor, 16, OD_HEX),
    OD_FIELD(dsl_errorscrub_phys_t, dep_start_time, 24, OD_TIME),
    OD_FIELD(dsl_errorscrub_phys_t, dep_end_time, 32, OD_TIME),
    OD_FIELD(dsl_errorscrub_phys_t, dep_to_examine, 40, OD_DEC),
    OD_FIELD(dsl_errorscrub_phys_t, dep_examined, 48, OD_DEC),
    OD_FIELD(dsl_errorscrub_phys_t, dep_errors, 56, OD_DEC),
    OD_FIELD(dsl_errorscrub_phys_t, dep_paused_flags, 64, OD_HEX),
};
OD_TABLE(od_dsl_errorscrub, dsl_errorscrub_phys_t, dsl_errorscrub_fields, NULL);

static const ondisk_field_t vdev_rebuild_fields[] = {
    OD_FIELD(vdev_rebuild_phys_t, vrp_rebuild_state, 0, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_last_offset, 8, OD_HEX),
    OD_FIELD(vdev_rebuild_phys_t, vrp_min_txg, 16, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_max_txg, 24, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_start_time, 32, OD_TIME),
    OD_FIELD(vdev_rebuild_phys_t, vrp_end_time, 40, OD_TIME),
    OD_FIELD(vdev_rebuild_phys_t, vrp_scan_time_ms, 48, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_bytes_scanned, 56, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_bytes_issued, 64, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_bytes_rebuilt, 72, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_bytes_est, 80, OD_DEC),
    OD_FIELD(vdev_rebuild_phys_t, vrp_errors, 88, OD_DEC),
};
OD_TABLE(od_vdev_rebuild, vdev_rebuild_phys_t, vdev_rebuild_fields, NULL);

/* ---- history ---- */

static const ondisk_field_t spa_history_fields[] = {
    OD_FIELD(spa_history_phys_t, sh_pool_create_len, 0, OD_DEC),
    OD_FIELD(spa_history_phys_t, sh_phys_max_off, 8, OD_DEC),
    OD_FIELD(spa_history_phys_t, sh_bof, 16, OD_DEC),
    OD_FIELD(spa_history_phys_t, sh_eof, 24, OD_DEC),
    OD_FIELD(spa_history_phys_t, sh_records_lost, 32, OD_DEC),
};
OD_TABLE(od_spa_history, spa_history_phys_t, spa_history_fields, NULL);

uint64_t
spa_history_log_to_phys(const spa_history_phys_t *sh, uint64_t log_off)
{
	const uint64_t fixed = sh->sh_pool_create_len;

	if (log_off < fixed || sh->sh_phys_max_off <= fixed)
		return (log_off);
	return (fixed + (log_off - fixed) % (sh->sh_phys_max_off - fixed));
}

/* ---- removal ---- */

static const ondisk_field_t spa_removing_fields[] = {
    OD_FIELD(spa_removing_phys_t, sr_state, 0, OD_DEC),
    OD_FIELD(spa_removing_phys_t, sr_removing_vdev, 8, OD_SDEC),
    OD_FIELD(spa_removing_phys_t, sr_prev_indirect_vdev, 16, OD_SDEC),
    OD_FIELD(spa_removing_phys_t, sr_start_time, 24, OD_TIME),
    OD_FIELD(spa_removing_phys_t, sr_end_time, 32, OD_TIME),
    OD_FIELD(spa_removing_phys_t, sr_to_copy, 40, OD_DEC),
    OD_FIELD(spa_removing_phys_t, sr_copied, 48, OD_DEC),
};
OD_TABLE(od_spa_removing, spa_removing_phys_t, spa_removing_fields, NULL);

static const ondisk_field_t condensing_fields[] = {
    OD_FIELD(spa_condensing_indirect_phys_t, scip_vdev, 0, OD_DEC),
    OD_FIELD(spa_condensing_indirect_phys_t, scip_prev_obsolete_sm_object, 8, OD_DEC),
    OD_FIELD(spa_condensing_indirect_phys_t, scip_next_mapping_object, 16, OD_DEC),
};
OD_TABLE(od_spa_condensing_indirect, spa_condensing_indirect_phys_t, condensing_fields,
    NULL);

static const ondisk_field_t mapping_fields[] = {
    OD_FIELD(vdev_indirect_mapping_phys_t, vimp_max_offset, 0, OD_HEX),
    OD_FIELD(vdev_indirect_mapping_phys_t, vimp_bytes_mapped, 8, OD_HEX),
    OD_FIELD(vdev_indirect_mapping_phys_t, vimp_num_entries, 16, OD_DEC),
    OD_FIELD(vdev_indirect_mapping_phys_t, vimp_counts_object, 24, OD_DEC),
};
OD_TABLE(od_vdev_indirect_mapping, vdev_indirect_mapping_phys_t, mapping_fields, NULL);

static const ondisk_field_t mapping_entry_fields[] = {
    OD_FIELD(vdev_indirect_mapping_entry_phys_t, vimep_src, 0, OD_HEX),
    OD_SUB(vdev_indirect_mapping_entry_phys_t, vimep_dst, 8, &od_dva),
};
OD_TABLE(od_vdev_indirect_mapping_entry, vdev_indirect_mapping_entry_phys_t,
    mapping_entry_fields, NULL);

static const ondisk_field_t birth_fields[] = {
    OD_FIELD(vdev_indirect_birth_phys_t, vib_count, 0, OD_DEC),
};
OD_TABLE(od_vdev_indirect_birth, vdev_indirect_birth_phys_t, birth_fields, NULL);

static const ondisk_field_t birth_entry_fields[] = {
    OD_FIELD(vdev_indirect_birth_entry_phys_t, vibe_offset, 0, OD_HEX),
    OD_FIELD(vdev_indirect_birth_entry_phys_t, vibe_phys_birth_txg, 8, OD_DEC),
};
OD_TABLE(od_vdev_indirect_birth_entry, vdev_indirect_birth_entry_phys_t,
    birth_entry_fields, NULL);

/* ---- dedup ---- */

static const ondisk_field_t ddt_key_fields[] = {
    OD_SUB(ddt_key_t, ddk_cksum, 0, &od_zio_cksum),
    OD_FIELD(ddt_key_t, ddk_prop, 32, OD_HEX),
};
OD_TABLE(od_ddt_key, ddt_key_t, ddt_key_fields, NULL);

uint64_t
ddt_key_prop_make(uint64_t lsize, uint64_t psize, enum zio_compress c, bool crypt)
{
	uint64_t prop = bf64_set(0, 0, 16, (lsize >> SPA_MINBLOCKSHIFT) - 1);

	prop = bf64_set(prop, 16, 16, (psize >> SPA_MINBLOCKSHIFT) - 1);
	prop = bf64_set(prop, 32, 7, (uint64_t)c);
	return (bf64_set(prop, 39, 1, crypt));
}

static const ondisk_field_t trad_slot_fields[] = {
    OD_SUBS(ddt_phys_trad_slot_t, ddp_dva, 0, SPA_DVAS_PER_BP, &od_dva),
    OD_FIELD(ddt_phys_trad_slot_t, ddp_refcnt, 48, OD_DEC),
    OD_FIELD(ddt_phys_trad_slot_t, ddp_phys_birth, 56, OD_DEC),
};
static OD_TABLE(od_trad_slot, ddt_phys_trad_slot_t, trad_slot_fields, NULL);

static const ondisk_field_t trad_fields[] = {
    OD_SUBS(ddt_phys_trad_t, ddp_slot, 0, DDT_PHYS_TRAD_SLOTS, &od_trad_slot),
};
OD_TABLE(od_ddt_phys_trad, ddt_phys_trad_t, trad_fields, NULL);

static const ondisk_field_t flat_fields[] = {
    OD_SUBS(ddt_phys_flat_t, ddp_dva, 0, SPA_DVAS_PER_BP, &od_dva),
    OD_FIELD(ddt_phys_flat_t, ddp_refcnt, 48, OD_DEC),
    OD_FIELD(ddt_phys_flat_t, ddp_phys_birth, 56, OD_DEC),
    OD_FIELD(ddt_phys_flat_t, ddp_class_start, 64, OD_TIME),
};
OD_TABLE(od_ddt_phys_flat, ddt_phys_flat_t, flat_fields, NULL);

static const ondisk_field_t ddt_stat_fields[] = {
    OD_FIELD(ddt_stat_t, dds_blocks, 0, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_lsize, 8, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_psize, 16, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_dsize, 24, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_ref_blocks, 32, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_ref_lsize, 40, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_ref_psize, 48, OD_DEC),
    OD_FIELD(ddt_stat_t, dds_ref_dsize, 56, OD_DEC),
};
OD_TABLE(od_ddt_stat, ddt_stat_t, ddt_stat_fields, NULL);

static const ondisk_field_t ddt_log_header_fields[] = {
    OD_FIELD(ddt_log_header_t, dlh_info, 0, OD_HEX),
    OD_FIELD(ddt_log_header_t, dlh_length, 8, OD_DEC),
    OD_FIELD(ddt_log_header_t, dlh_first_txg, 16, OD_DEC),
    OD_SUB(ddt_log_header_t, dlh_checkpoint, 24, &od_ddt_key),
};
OD_TABLE(od_ddt_log_header, ddt_log_header_t, ddt_log_header_fields, NULL);

static const ondisk_field_t ddt_log_record_fields[] = {
    OD_FIELD(ddt_log_record_t, dlr_info, 0, OD_HEX),
    OD_SUB(ddt_log_record_t, dlr_key, 8, &od_ddt_key),
};
OD_TABLE(od_ddt_log_record, ddt_log_record_t, ddt_log_record_fields, NULL);

/* ---- clones ---- */

static const ondisk_field_t brt_vdev_fields[] = {
    OD_FIELD(brt_vdev_phys_t, bvp_mos_entries, 0, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_size, 8, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_byteorder, 16, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_totalcount, 24, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_rangesize, 32, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_usedspace, 40, OD_DEC),
    OD_FIELD(brt_vdev_phys_t, bvp_savedspace, 48, OD_DEC),
};
OD_TABLE(od_brt_vdev, brt_vdev_phys_t, brt_vdev_fields, NULL);

/* ---- cache devices ---- */

static const ondisk_field_t l2arc_log_blkptr_fields[] = {
    OD_FIELD(l2arc_log_blkptr_t, lbp_daddr, 0, OD_HEX),
    OD_FIELD(l2arc_log_blkptr_t, lbp_payload_asize, 8, OD_DEC),
    OD_FIELD(l2arc_log_blkptr_t, lbp_payload_start, 16, OD_HEX),
    OD_FIELD(l2arc_log_blkptr_t, lbp_prop, 24, OD_HEX),
    OD_SUB(l2arc_log_blkptr_t, lbp_cksum, 32, &od_zio_cksum),
};
OD_TABLE(od_l2arc_log_blkptr, l2arc_log_blkptr_t, l2arc_log_blkptr_fields, NULL);

static const ondisk_field_t l2arc_dev_hdr_fields[] = {
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_magic, 0, OD_HEX),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_version, 8, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_spa_guid, 16, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_vdev_guid, 24, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_log_entries, 32, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_evict, 40, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_flags, 48, OD_HEX),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_start, 56, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_end, 64, OD_DEC),
    OD_SUBS(l2arc_dev_hdr_phys_t, dh_start_lbps, 72, 2, &od_l2arc_log_blkptr),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_lb_asize, 200, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_lb_count, 208, OD_DEC),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_trim_action_time, 216, OD_TIME),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_trim_state, 224, OD_DEC),
    OD_ARRAY(l2arc_dev_hdr_phys_t, dh_pad, 232, 30, OD_PAD),
    OD_FIELD(l2arc_dev_hdr_phys_t, dh_eck_magic, 472, OD_HEX),
    OD_SUB(l2arc_dev_hdr_phys_t, dh_eck_cksum, 480, &od_zio_cksum),
};
OD_TABLE(od_l2arc_dev_hdr, l2arc_dev_hdr_phys_t, l2arc_dev_hdr_fields, NULL);

static const ondisk_field_t l2arc_log_ent_fields[] = {
    OD_SUB(l2arc_log_ent_phys_t, le_dva, 0, &od_dva),
    OD_FIELD(l2arc_log_ent_phys_t, le_birth, 16, OD_DEC),
    OD_FIELD(l2arc_log_ent_phys_t, le_prop, 24, OD_HEX),
    OD_FIELD(l2arc_log_ent_phys_t, le_daddr, 32, OD_HEX),
    OD_FIELD(l2arc_log_ent_phys_t, le_complevel, 40, OD_DEC),
    OD_ARRAY(l2arc_log_ent_phys_t, le_pad, 48, 2, OD_PAD),
};
OD_TABLE(od_l2arc_log_ent, l2arc_log_ent_phys_t, l2arc_log_ent_fields, NULL);

static const ondisk_field_t l2arc_log_blk_fields[] = {
    OD_FIELD(l2arc_log_blk_phys_t, lb_magic, 0, OD_HEX),
    OD_SUB(l2arc_log_blk_phys_t, lb_prev_lbp, 8, &od_l2arc_log_blkptr),
    OD_ARRAY(l2arc_log_blk_phys_t, lb_pad, 72, 7, OD_PAD),
};
OD_TABLE(od_l2arc_log_blk, l2arc_log_blk_phys_t, l2arc_log_blk_fields, NULL);

/* ---- bonus buffers ---- */

int
ondisk_bonus_get(
    const ondisk_table_t *t, const void *bonus, size_t len, size_t minlen, void *rec)
{
	return (ondisk_decode_short(t, bonus, len, minlen, false, rec) == 0 ? 0 : EIO);
}

void
ondisk_bonus_put(const ondisk_table_t *t, const void *rec, void *bonus, size_t len)
{
	memcpy(bonus, rec, MIN(len, t->ot_size));
}

void *
ondisk_array_at(void *block, size_t size, uint64_t idx, size_t elsize)
{
	if (idx >= size / elsize)
		return (NULL);
	return ((uint8_t *)block + idx * elsize);
}
