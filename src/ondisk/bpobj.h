/*
 * Block lists: bpobj, bptree, deadlist, and the lists of redacted ranges.
 * Source: format/02 §6, format/03 §1.8.
 */
#ifndef TARN_ONDISK_BPOBJ_H
#define TARN_ONDISK_BPOBJ_H

#include "ondisk/blkptr.h"

/* Bonus of a bpobj. Older ones are shorter: the bonus length tells (§6.1). */
typedef struct bpobj_phys {
	uint64_t bpo_num_blkptrs;
	uint64_t bpo_bytes;
	uint64_t bpo_comp;
	uint64_t bpo_uncomp;
	uint64_t bpo_subobjs;
	uint64_t bpo_num_subobjs;
	uint64_t bpo_num_freed;
} bpobj_phys_t;
_Static_assert(sizeof(bpobj_phys_t) == 56, "bpobj_phys_t");
extern const ondisk_table_t od_bpobj;
#define BPOBJ_SIZE_V0 16
#define BPOBJ_SIZE_V1 32
#define BPOBJ_SIZE_V2 48
#define BPOBJ_SIZE_V3 56

/* The fill word of an entry: bit 0 marks a FREE record of a livelist. */
#define BPOBJ_ENTRY_FREE 0x1ULL
static inline bool
bpobj_entry_freed(const blkptr_t *bp)
{
	return (!BP_IS_EMBEDDED(bp) && (bp->blk_fill & BPOBJ_ENTRY_FREE));
}
/* The form in which a pointer is stored in a bpobj (§6.1). */
void bpobj_entry_make(blkptr_t *dst, const blkptr_t *bp, bool freed);

typedef struct bptree_phys {
	uint64_t bt_begin;
	uint64_t bt_end;
	uint64_t bt_bytes;
	uint64_t bt_comp;
	uint64_t bt_uncomp;
} bptree_phys_t;
_Static_assert(sizeof(bptree_phys_t) == 40, "bptree_phys_t");
extern const ondisk_table_t od_bptree;

typedef struct bptree_entry_phys {
	blkptr_t be_bp;
	uint64_t be_birth_txg;
	zbookmark_phys_t be_zb;
} bptree_entry_phys_t;
_Static_assert(sizeof(bptree_entry_phys_t) == 168, "bptree_entry_phys_t");
extern const ondisk_table_t od_bptree_entry;

/* Bonus of a deadlist or livelist ZAP. */
typedef struct dsl_deadlist_phys {
	uint64_t dl_used;
	uint64_t dl_comp;
	uint64_t dl_uncomp;
	uint64_t dl_pad[37];
} dsl_deadlist_phys_t;
_Static_assert(sizeof(dsl_deadlist_phys_t) == 320, "dsl_deadlist_phys_t");
extern const ondisk_table_t od_dsl_deadlist;

/* Redaction list (format/03 §1.8): head of the bonus or spill, then rlp_num_snaps
 * guids. */
typedef struct redaction_list_phys {
	uint64_t rlp_last_object;
	uint64_t rlp_last_blkid;
	uint64_t rlp_num_entries;
	uint64_t rlp_num_snaps;
} redaction_list_phys_t;
extern const ondisk_table_t od_redaction_list;
typedef struct redact_block_phys {
	uint64_t rbp_object;
	uint64_t rbp_blkid;
	uint64_t rbp_size_count;
	uint64_t rbp_padding;
} redact_block_phys_t;
extern const ondisk_table_t od_redact_block;
static inline uint64_t /* bytes */
redact_block_get_size(const redact_block_phys_t *rbp)
{
	return (bf64_get(rbp->rbp_size_count, 48, 16) << SPA_MINBLOCKSHIFT);
}
static inline uint64_t
redact_block_get_count(const redact_block_phys_t *rbp)
{
	return (bf64_get(rbp->rbp_size_count, 0, 48) + 1);
}

/*
 * A bonus buffer in host order as one of these records: NULL if it is too short. An old
 * bpobj's header ends early (BPOBJ_SIZE_*): members behind `len` must not be touched.
 */
static inline bpobj_phys_t *
bpobj_phys_of(void *bonus, size_t len)
{
	return (len < BPOBJ_SIZE_V0 ? NULL : (bpobj_phys_t *)bonus);
}
static inline bptree_phys_t *
bptree_phys_of(void *bonus, size_t len)
{
	return (len < sizeof(bptree_phys_t) ? NULL : (bptree_phys_t *)bonus);
}
static inline dsl_deadlist_phys_t *
dsl_deadlist_phys_of(void *bonus, size_t len)
{
	return (
	    len < sizeof(dsl_deadlist_phys_t) ? NULL : (dsl_deadlist_phys_t *)bonus);
}

#endif
