/*
 * Records of pool-wide objects: scan, history, removal, dedup and clone tables, gang
 * headers, cache devices. Source: format/02 §7–§9, format/01 §7, §11.1.
 */
#ifndef TARN_ONDISK_POOLOBJ_H
#define TARN_ONDISK_POOLOBJ_H

#include "ondisk/blkptr.h"

/* ---- gang header, classic form (format/01 §7.2) ---- */

#define SPA_GANGBLOCKSIZE 512
#define SPA_GBH_NBLKPTRS 3
typedef struct zio_gbh_phys {
	blkptr_t zg_blkptr[SPA_GBH_NBLKPTRS];
	uint64_t zg_filler[11];
	uint64_t zg_eck_magic;
	zio_cksum_t zg_eck_cksum;
} zio_gbh_phys_t;
_Static_assert(sizeof(zio_gbh_phys_t) == SPA_GANGBLOCKSIZE, "zio_gbh_phys_t");
extern const ondisk_table_t od_zio_gbh;

/* ---- scan state (format/02 §9.1–9.3) ---- */

typedef struct dsl_scan_phys {
	uint64_t scn_func;
	uint64_t scn_state;
	uint64_t scn_queue_obj;
	uint64_t scn_min_txg;
	uint64_t scn_max_txg;
	uint64_t scn_cur_min_txg;
	uint64_t scn_cur_max_txg;
	uint64_t scn_start_time;
	uint64_t scn_end_time;
	uint64_t scn_to_examine;
	uint64_t scn_examined;
	uint64_t scn_skipped;
	uint64_t scn_processed;
	uint64_t scn_errors;
	uint64_t scn_ddt_class_max;
	uint64_t scn_ddt_bookmark[4]; /* class, type, checksum, cursor */
	zbookmark_phys_t scn_bookmark;
	uint64_t scn_flags;
} dsl_scan_phys_t;
_Static_assert(sizeof(dsl_scan_phys_t) == 24 * 8, "dsl_scan_phys_t");
extern const ondisk_table_t od_dsl_scan;
#define SCAN_PHYS_NUMINTS 24
enum pool_scan_func {
	POOL_SCAN_NONE,
	POOL_SCAN_SCRUB,
	POOL_SCAN_RESILVER,
	POOL_SCAN_ERRORSCRUB
};
enum dsl_scan_state {
	DSS_NONE,
	DSS_SCANNING,
	DSS_FINISHED,
	DSS_CANCELED,
	DSS_ERRORSCRUBBING
};
#define DSF_VISIT_DS_AGAIN 0x1ULL
#define DSF_SCRUB_PAUSED 0x2ULL
#define DSF_SCRUB_THOROUGH 0x4ULL

typedef struct dsl_errorscrub_phys {
	uint64_t dep_func;
	uint64_t dep_state;
	uint64_t dep_cursor;
	uint64_t dep_start_time;
	uint64_t dep_end_time;
	uint64_t dep_to_examine;
	uint64_t dep_examined;
	uint64_t dep_errors;
	uint64_t dep_paused_flags;
} dsl_errorscrub_phys_t;
extern const ondisk_table_t od_dsl_errorscrub;

typedef struct vdev_rebuild_phys {
	uint64_t vrp_rebuild_state;
	uint64_t vrp_last_offset;
	uint64_t vrp_min_txg;
	uint64_t vrp_max_txg;
	uint64_t vrp_start_time;
	uint64_t vrp_end_time;
	uint64_t vrp_scan_time_ms;
	uint64_t vrp_bytes_scanned;
	uint64_t vrp_bytes_issued;
	uint64_t vrp_bytes_rebuilt;
	uint64_t vrp_bytes_est;
	uint64_t vrp_errors;
} vdev_rebuild_phys_t;
extern const ondisk_table_t od_vdev_rebuild;

/* ---- history (§9.5) ---- */

typedef struct spa_history_phys {
	uint64_t sh_pool_create_len;
	uint64_t sh_phys_max_off;
	uint64_t sh_bof;
	uint64_t sh_eof;
	uint64_t sh_records_lost;
} spa_history_phys_t;
_Static_assert(sizeof(spa_history_phys_t) == 40, "spa_history_phys_t");
extern const ondisk_table_t od_spa_history;
/* Physical offset in the object of a logical one (the part behind pool_create_len is a
 * ring). */
uint64_t spa_history_log_to_phys(const spa_history_phys_t *sh, uint64_t log_off);

/* ---- device removal (§8.1, §8.2) ---- */

typedef struct spa_removing_phys {
	uint64_t sr_state;
	uint64_t sr_removing_vdev;
	uint64_t sr_prev_indirect_vdev;
	uint64_t sr_start_time;
	uint64_t sr_end_time;
	uint64_t sr_to_copy;
	uint64_t sr_copied;
} spa_removing_phys_t;
extern const ondisk_table_t od_spa_removing;
typedef struct spa_condensing_indirect_phys {
	uint64_t scip_vdev;
	uint64_t scip_prev_obsolete_sm_object;
	uint64_t scip_next_mapping_object;
} spa_condensing_indirect_phys_t;
extern const ondisk_table_t od_spa_condensing_indirect;
typedef struct vdev_indirect_mapping_phys {
	uint64_t vimp_max_offset;
	uint64_t vimp_bytes_mapped;
	uint64_t vimp_num_entries;
	uint64_t vimp_counts_object; /* absent in 24-byte bonuses */
} vdev_indirect_mapping_phys_t;
extern const ondisk_table_t od_vdev_indirect_mapping;
#define VDEV_INDIRECT_MAPPING_SIZE_V0 24
typedef struct vdev_indirect_mapping_entry_phys {
	uint64_t vimep_src;
	dva_t vimep_dst;
} vdev_indirect_mapping_entry_phys_t;
extern const ondisk_table_t od_vdev_indirect_mapping_entry;
static inline uint64_t /* bytes */
DVA_MAPPING_GET_SRC_OFFSET(const vdev_indirect_mapping_entry_phys_t *e)
{
	return (bf64_get(e->vimep_src, 0, 63) << SPA_MINBLOCKSHIFT);
}
static inline void
DVA_MAPPING_SET_SRC_OFFSET(vdev_indirect_mapping_entry_phys_t *e, uint64_t offset)
{
	e->vimep_src = bf64_set(e->vimep_src, 0, 63, offset >> SPA_MINBLOCKSHIFT);
}
typedef struct vdev_indirect_birth_phys {
	uint64_t vib_count;
} vdev_indirect_birth_phys_t;
extern const ondisk_table_t od_vdev_indirect_birth;
typedef struct vdev_indirect_birth_entry_phys {
	uint64_t vibe_offset;
	uint64_t vibe_phys_birth_txg;
} vdev_indirect_birth_entry_phys_t;
extern const ondisk_table_t od_vdev_indirect_birth_entry;

/* ---- dedup tables (§7.2, §7.4, §7.6) ---- */

typedef struct ddt_key {
	zio_cksum_t ddk_cksum;
	uint64_t ddk_prop;
} ddt_key_t;
_Static_assert(sizeof(ddt_key_t) == 40, "ddt_key_t");
extern const ondisk_table_t od_ddt_key;
uint64_t ddt_key_prop_make(
    uint64_t lsize, uint64_t psize, enum zio_compress c, bool crypt);
static inline uint64_t
DDK_GET_LSIZE(const ddt_key_t *k)
{
	return ((bf64_get(k->ddk_prop, 0, 16) + 1) << SPA_MINBLOCKSHIFT);
}
static inline uint64_t
DDK_GET_PSIZE(const ddt_key_t *k)
{
	return ((bf64_get(k->ddk_prop, 16, 16) + 1) << SPA_MINBLOCKSHIFT);
}
static inline enum zio_compress
DDK_GET_COMPRESS(const ddt_key_t *k)
{
	return ((enum zio_compress)bf64_get(k->ddk_prop, 32, 7));
}
static inline bool
DDK_GET_CRYPT(const ddt_key_t *k)
{
	return ((k->ddk_prop >> 39) & 1);
}

typedef struct ddt_phys_trad_slot {
	dva_t ddp_dva[SPA_DVAS_PER_BP];
	uint64_t ddp_refcnt;
	uint64_t ddp_phys_birth; /* 0: slot unused */
} ddt_phys_trad_slot_t;
#define DDT_PHYS_TRAD_SLOTS 4
typedef struct ddt_phys_trad {
	ddt_phys_trad_slot_t ddp_slot[DDT_PHYS_TRAD_SLOTS];
} ddt_phys_trad_t;
_Static_assert(sizeof(ddt_phys_trad_t) == 256, "ddt_phys_trad_t");
extern const ondisk_table_t od_ddt_phys_trad;
typedef struct ddt_phys_flat {
	dva_t ddp_dva[SPA_DVAS_PER_BP];
	uint64_t ddp_refcnt;
	uint64_t ddp_phys_birth;
	uint64_t ddp_class_start; /* seconds since 1970 */
} ddt_phys_flat_t;
_Static_assert(sizeof(ddt_phys_flat_t) == 72, "ddt_phys_flat_t");
extern const ondisk_table_t od_ddt_phys_flat;
/* One bucket of DDT-statistics. */
typedef struct ddt_stat {
	uint64_t dds_blocks;
	uint64_t dds_lsize;
	uint64_t dds_psize;
	uint64_t dds_dsize;
	uint64_t dds_ref_blocks;
	uint64_t dds_ref_lsize;
	uint64_t dds_ref_psize;
	uint64_t dds_ref_dsize;
} ddt_stat_t;
extern const ondisk_table_t od_ddt_stat;
#define DDT_HISTOGRAM_BUCKETS 64

typedef struct ddt_log_header {
	uint64_t dlh_info; /* 0–7 version, 8–15 flags */
	uint64_t dlh_length;
	uint64_t dlh_first_txg;
	ddt_key_t dlh_checkpoint;
} ddt_log_header_t;
_Static_assert(sizeof(ddt_log_header_t) == 64, "ddt_log_header_t");
extern const ondisk_table_t od_ddt_log_header;
#define DLH_GET_VERSION(i) bf64_get((i), 0, 8)
#define DLH_GET_FLAGS(i) bf64_get((i), 8, 8)
#define DDL_FLAG_FLUSHING 0x1
#define DDL_FLAG_CHECKPOINT 0x2
/* Head of a log record; the value (72 or 256 bytes) follows the key. */
typedef struct ddt_log_record {
	uint64_t dlr_info;
	ddt_key_t dlr_key;
} ddt_log_record_t;
extern const ondisk_table_t od_ddt_log_record;
#define DLR_GET_TYPE(i) bf64_get((i), 0, 8)
#define DLR_GET_RECLEN(i) bf64_get((i), 8, 16)
#define DLR_GET_ENTRY_TYPE(i) bf64_get((i), 48, 8)
#define DLR_GET_ENTRY_CLASS(i) bf64_get((i), 56, 8)
#define DLR_INVALID 0
#define DLR_ENTRY 1

/* ---- clone tables (§7.7) ---- */

typedef struct brt_vdev_phys {
	uint64_t bvp_mos_entries;
	uint64_t bvp_size;
	uint64_t bvp_byteorder;
	uint64_t bvp_totalcount;
	uint64_t bvp_rangesize;
	uint64_t bvp_usedspace;
	uint64_t bvp_savedspace;
} brt_vdev_phys_t;
_Static_assert(sizeof(brt_vdev_phys_t) == 56, "brt_vdev_phys_t");
extern const ondisk_table_t od_brt_vdev;
#define BRT_RANGESIZE (16ULL << 20)

/* ---- cache devices (format/01 §11.1) ---- */

#define L2ARC_DEV_HDR_MAGIC 0x5a46534341434845ULL
#define L2ARC_LOG_BLK_MAGIC 0x4c4f47424c4b4844ULL
#define L2ARC_PERSISTENT_VERSION 1ULL
typedef struct l2arc_log_blkptr {
	uint64_t lbp_daddr;
	uint64_t lbp_payload_asize;
	uint64_t lbp_payload_start;
	uint64_t lbp_prop;
	zio_cksum_t lbp_cksum;
} l2arc_log_blkptr_t;
_Static_assert(sizeof(l2arc_log_blkptr_t) == 64, "l2arc_log_blkptr_t");
extern const ondisk_table_t od_l2arc_log_blkptr;
typedef struct l2arc_dev_hdr_phys {
	uint64_t dh_magic;
	uint64_t dh_version;
	uint64_t dh_spa_guid;
	uint64_t dh_vdev_guid;
	uint64_t dh_log_entries;
	uint64_t dh_evict;
	uint64_t dh_flags;
	uint64_t dh_start;
	uint64_t dh_end;
	l2arc_log_blkptr_t dh_start_lbps[2];
	uint64_t dh_lb_asize;
	uint64_t dh_lb_count;
	uint64_t dh_trim_action_time;
	uint64_t dh_trim_state;
	uint64_t dh_pad[30];
	uint64_t dh_eck_magic;
	zio_cksum_t dh_eck_cksum;
} l2arc_dev_hdr_phys_t;
_Static_assert(sizeof(l2arc_dev_hdr_phys_t) == 512, "l2arc_dev_hdr_phys_t");
extern const ondisk_table_t od_l2arc_dev_hdr;
typedef struct l2arc_log_ent_phys {
	dva_t le_dva;
	uint64_t le_birth;
	uint64_t le_prop;
	uint64_t le_daddr;
	uint64_t le_complevel;
	uint64_t le_pad[2];
} l2arc_log_ent_phys_t;
_Static_assert(sizeof(l2arc_log_ent_phys_t) == 64, "l2arc_log_ent_phys_t");
extern const ondisk_table_t od_l2arc_log_ent;
#define L2ARC_LOG_BLK_MAX_ENTRIES 1022
#define L2ARC_LOG_BLK_SIZE 65536
/* Head of a log block; the entries follow. */
typedef struct l2arc_log_blk_phys {
	uint64_t lb_magic;
	l2arc_log_blkptr_t lb_prev_lbp;
	uint64_t lb_pad[7];
} l2arc_log_blk_phys_t;
_Static_assert(sizeof(l2arc_log_blk_phys_t) == 128, "l2arc_log_blk_phys_t");
extern const ondisk_table_t od_l2arc_log_blk;

/* ---- bonus buffers ---- */

/*
 * A bonus buffer in host order as a record: a copy, zero-filled where older bonuses are
 * shorter. EIO if even shorter than minlen. The way back writes at most `len` bytes.
 */
int ondisk_bonus_get(
    const ondisk_table_t *t, const void *bonus, size_t len, size_t minlen, void *rec);
void ondisk_bonus_put(
    const ondisk_table_t *t, const void *rec, void *bonus, size_t len);

/*
 * Element idx of a block that is an array of records in host order, NULL beyond its
 * end: mapping entries, births, redaction records.
 */
#define ONDISK_ARRAY_AT(type, block, size, idx)                                        \
	((type *)ondisk_array_at((block), (size), (idx), sizeof(type)))
void *ondisk_array_at(void *block, size_t size, uint64_t idx, size_t elsize);

#endif
