/*
 * Block lists (format/02 §6; redaction lists format/03 §1.8).
 */
#include "ondisk/bpobj.h"

#include "ondisk/table_impl.h"

static const ondisk_field_t bpobj_fields[] = {
    OD_FIELD(bpobj_phys_t, bpo_num_blkptrs, 0, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_bytes, 8, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_comp, 16, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_uncomp, 24, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_subobjs, 32, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_num_subobjs, 40, OD_DEC),
    OD_FIELD(bpobj_phys_t, bpo_num_freed, 48, OD_DEC),
};
OD_TABLE(od_bpobj, bpobj_phys_t, bpobj_fields, NULL);

static const ondisk_field_t bptree_fields[] = {
    OD_FIELD(bptree_phys_t, bt_begin, 0, OD_DEC),
    OD_FIELD(bptree_phys_t, bt_end, 8, OD_DEC),
    OD_FIELD(bptree_phys_t, bt_bytes, 16, OD_DEC),
    OD_FIELD(bptree_phys_t, bt_comp, 24, OD_DEC),
    OD_FIELD(bptree_phys_t, bt_uncomp, 32, OD_DEC),
};
OD_TABLE(od_bptree, bptree_phys_t, bptree_fields, NULL);

static const ondisk_field_t bptree_entry_fields[] = {
    OD_SUB(bptree_entry_phys_t, be_bp, 0, &od_blkptr),
    OD_FIELD(bptree_entry_phys_t, be_birth_txg, 128, OD_DEC),
    OD_SUB(bptree_entry_phys_t, be_zb, 136, &od_zbookmark),
};
OD_TABLE(od_bptree_entry, bptree_entry_phys_t, bptree_entry_fields, NULL);

static const ondisk_field_t dsl_deadlist_fields[] = {
    OD_FIELD(dsl_deadlist_phys_t, dl_used, 0, OD_DEC),
    OD_FIELD(dsl_deadlist_phys_t, dl_comp, 8, OD_DEC),
    OD_FIELD(dsl_deadlist_phys_t, dl_uncomp, 16, OD_DEC),
    OD_ARRAY(dsl_deadlist_phys_t, dl_pad, 24, 37, OD_PAD),
};
OD_TABLE(od_dsl_deadlist, dsl_deadlist_phys_t, dsl_deadlist_fields, NULL);

static const ondisk_field_t redaction_list_fields[] = {
    OD_FIELD(redaction_list_phys_t, rlp_last_object, 0, OD_DEC),
    OD_FIELD(redaction_list_phys_t, rlp_last_blkid, 8, OD_DEC),
    OD_FIELD(redaction_list_phys_t, rlp_num_entries, 16, OD_DEC),
    OD_FIELD(redaction_list_phys_t, rlp_num_snaps, 24, OD_DEC),
};
OD_TABLE(od_redaction_list, redaction_list_phys_t, redaction_list_fields, NULL);

static const ondisk_field_t redact_block_fields[] = {
    OD_FIELD(redact_block_phys_t, rbp_object, 0, OD_DEC),
    OD_FIELD(redact_block_phys_t, rbp_blkid, 8, OD_DEC),
    OD_FIELD(redact_block_phys_t, rbp_size_count, 16, OD_HEX),
    OD_FIELD(redact_block_phys_t, rbp_padding, 24, OD_PAD),
};
OD_TABLE(od_redact_block, redact_block_phys_t, redact_block_fields, NULL);

void
bpobj_entry_make(blkptr_t *dst, const blkptr_t *bp, bool freed)
{
	if (BP_IS_EMBEDDED(bp)) {
		/* Only its sizes and birth matter: it has no space to give back. */
		const uint64_t prop = bp->blk_prop, birth = bp->blk_birth;
		BP_ZERO(dst);
		dst->blk_prop = prop;
		dst->blk_birth = birth;
		return;
	}
	*dst = *bp;
	dst->blk_fill = (freed ? BPOBJ_ENTRY_FREE : 0);
	/* A dedup block is found by its checksum when it is freed. */
	if (!BP_GET_DEDUP(bp))
		memset(&dst->blk_cksum, 0, sizeof(dst->blk_cksum));
}
