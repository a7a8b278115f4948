/*
 * Intent log: header, blocks, records (format/03 §5).
 */
#include "ondisk/zil.h"

#include "ondisk/table_impl.h"
#include "ondisk/zpl.h"

static const ondisk_field_t zil_header_fields[] = {
    OD_FIELD(zil_header_t, zh_claim_txg, 0, OD_DEC),
    OD_FIELD(zil_header_t, zh_replay_seq, 8, OD_DEC),
    OD_SUB(zil_header_t, zh_log, 16, &od_blkptr),
    OD_FIELD(zil_header_t, zh_claim_blk_seq, 144, OD_DEC),
    OD_FIELD(zil_header_t, zh_flags, 152, OD_HEX),
    OD_FIELD(zil_header_t, zh_claim_lr_seq, 160, OD_DEC),
    OD_ARRAY(zil_header_t, zh_pad, 168, 3, OD_PAD),
};
OD_TABLE(od_zil_header, zil_header_t, zil_header_fields, NULL);

static const ondisk_field_t zio_eck_fields[] = {
    OD_FIELD(zio_eck_t, zec_magic, 0, OD_HEX),
    OD_SUB(zio_eck_t, zec_cksum, 8, &od_zio_cksum),
};
OD_TABLE(od_zio_eck, zio_eck_t, zio_eck_fields, NULL);

static const ondisk_field_t zil_chain_fields[] = {
    OD_FIELD(zil_chain_t, zc_pad, 0, OD_PAD),
    OD_SUB(zil_chain_t, zc_next_blk, 8, &od_blkptr),
    OD_FIELD(zil_chain_t, zc_nused, 136, OD_DEC),
    OD_SUB(zil_chain_t, zc_eck, 144, &od_zio_eck),
};
OD_TABLE(od_zil_chain, zil_chain_t, zil_chain_fields, NULL);

/* ---- records: fixed parts (§5.6) ---- */

static const ondisk_field_t lr_fields[] = {
    OD_FIELD(lr_t, lrc_txtype, 0, OD_HEX),
    OD_FIELD(lr_t, lrc_reclen, 8, OD_DEC),
    OD_FIELD(lr_t, lrc_txg, 16, OD_DEC),
    OD_FIELD(lr_t, lrc_seq, 24, OD_DEC),
};
OD_TABLE(od_lr, lr_t, lr_fields, NULL);

static const ondisk_field_t lr_create_fields[] = {
    OD_SUB(lr_create_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_create_t, lr_doid, 32, OD_DEC),
    OD_FIELD(lr_create_t, lr_foid, 40, OD_DEC),
    OD_FIELD(lr_create_t, lr_mode, 48, OD_HEX),
    OD_FIELD(lr_create_t, lr_uid, 56, OD_DEC),
    OD_FIELD(lr_create_t, lr_gid, 64, OD_DEC),
    OD_FIELD(lr_create_t, lr_gen, 72, OD_DEC),
    OD_ARRAY(lr_create_t, lr_crtime, 80, 2, OD_DEC),
    OD_FIELD(lr_create_t, lr_rdev, 96, OD_HEX),
};
OD_TABLE(od_lr_create, lr_create_t, lr_create_fields, NULL);

static const ondisk_field_t lr_acl_create_fields[] = {
    OD_SUB(lr_acl_create_t, lr_create, 0, &od_lr_create),
    OD_FIELD(lr_acl_create_t, lr_aclcnt, 104, OD_DEC),
    OD_FIELD(lr_acl_create_t, lr_domcnt, 112, OD_DEC),
    OD_FIELD(lr_acl_create_t, lr_fuidcnt, 120, OD_DEC),
    OD_FIELD(lr_acl_create_t, lr_acl_bytes, 128, OD_DEC),
    OD_FIELD(lr_acl_create_t, lr_acl_flags, 136, OD_HEX),
};
OD_TABLE(od_lr_acl_create, lr_acl_create_t, lr_acl_create_fields, NULL);

static const ondisk_field_t lr_remove_fields[] = {
    OD_SUB(lr_remove_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_remove_t, lr_doid, 32, OD_DEC),
};
OD_TABLE(od_lr_remove, lr_remove_t, lr_remove_fields, NULL);

static const ondisk_field_t lr_link_fields[] = {
    OD_SUB(lr_link_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_link_t, lr_doid, 32, OD_DEC),
    OD_FIELD(lr_link_t, lr_link_obj, 40, OD_DEC),
};
OD_TABLE(od_lr_link, lr_link_t, lr_link_fields, NULL);

static const ondisk_field_t lr_rename_fields[] = {
    OD_SUB(lr_rename_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_rename_t, lr_sdoid, 32, OD_DEC),
    OD_FIELD(lr_rename_t, lr_tdoid, 40, OD_DEC),
};
OD_TABLE(od_lr_rename, lr_rename_t, lr_rename_fields, NULL);

static const ondisk_field_t lr_rename_whiteout_fields[] = {
    OD_SUB(lr_rename_whiteout_t, lr_rename, 0, &od_lr_rename),
    OD_FIELD(lr_rename_whiteout_t, lr_wfoid, 48, OD_DEC),
    OD_FIELD(lr_rename_whiteout_t, lr_wmode, 56, OD_HEX),
    OD_FIELD(lr_rename_whiteout_t, lr_wuid, 64, OD_DEC),
    OD_FIELD(lr_rename_whiteout_t, lr_wgid, 72, OD_DEC),
    OD_FIELD(lr_rename_whiteout_t, lr_wgen, 80, OD_DEC),
    OD_ARRAY(lr_rename_whiteout_t, lr_wcrtime, 88, 2, OD_DEC),
    OD_FIELD(lr_rename_whiteout_t, lr_wrdev, 104, OD_HEX),
};
OD_TABLE(od_lr_rename_whiteout, lr_rename_whiteout_t, lr_rename_whiteout_fields, NULL);

static const ondisk_field_t lr_write_fields[] = {
    OD_SUB(lr_write_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_write_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_write_t, lr_offset, 40, OD_HEX),
    OD_FIELD(lr_write_t, lr_length, 48, OD_HEX),
    OD_FIELD(lr_write_t, lr_blkoff, 56, OD_PAD),
    OD_SUB(lr_write_t, lr_blkptr, 64, &od_blkptr),
};
OD_TABLE(od_lr_write, lr_write_t, lr_write_fields, NULL);

static const ondisk_field_t lr_truncate_fields[] = {
    OD_SUB(lr_truncate_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_truncate_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_truncate_t, lr_offset, 40, OD_HEX),
    OD_FIELD(lr_truncate_t, lr_length, 48, OD_HEX),
};
OD_TABLE(od_lr_truncate, lr_truncate_t, lr_truncate_fields, NULL);

static const ondisk_field_t lr_setattr_fields[] = {
    OD_SUB(lr_setattr_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_setattr_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_setattr_t, lr_mask, 40, OD_HEX),
    OD_FIELD(lr_setattr_t, lr_mode, 48, OD_HEX),
    OD_FIELD(lr_setattr_t, lr_uid, 56, OD_DEC),
    OD_FIELD(lr_setattr_t, lr_gid, 64, OD_DEC),
    OD_FIELD(lr_setattr_t, lr_size, 72, OD_DEC),
    OD_ARRAY(lr_setattr_t, lr_atime, 80, 2, OD_DEC),
    OD_ARRAY(lr_setattr_t, lr_mtime, 96, 2, OD_DEC),
};
OD_TABLE(od_lr_setattr, lr_setattr_t, lr_setattr_fields, NULL);

static const ondisk_field_t lr_acl_v0_fields[] = {
    OD_SUB(lr_acl_v0_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_acl_v0_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_acl_v0_t, lr_aclcnt, 40, OD_DEC),
};
OD_TABLE(od_lr_acl_v0, lr_acl_v0_t, lr_acl_v0_fields, NULL);

static const ondisk_field_t lr_acl_fields[] = {
    OD_SUB(lr_acl_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_acl_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_acl_t, lr_aclcnt, 40, OD_DEC),
    OD_FIELD(lr_acl_t, lr_domcnt, 48, OD_DEC),
    OD_FIELD(lr_acl_t, lr_fuidcnt, 56, OD_DEC),
    OD_FIELD(lr_acl_t, lr_acl_bytes, 64, OD_DEC),
    OD_FIELD(lr_acl_t, lr_acl_flags, 72, OD_HEX),
};
OD_TABLE(od_lr_acl, lr_acl_t, lr_acl_fields, NULL);

static const ondisk_field_t lr_setsaxattr_fields[] = {
    OD_SUB(lr_setsaxattr_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_setsaxattr_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_setsaxattr_t, lr_size, 40, OD_DEC),
};
OD_TABLE(od_lr_setsaxattr, lr_setsaxattr_t, lr_setsaxattr_fields, NULL);

static const ondisk_field_t lr_clone_range_fields[] = {
    OD_SUB(lr_clone_range_t, lr_common, 0, &od_lr),
    OD_FIELD(lr_clone_range_t, lr_foid, 32, OD_DEC),
    OD_FIELD(lr_clone_range_t, lr_offset, 40, OD_HEX),
    OD_FIELD(lr_clone_range_t, lr_length, 48, OD_HEX),
    OD_FIELD(lr_clone_range_t, lr_blksz, 56, OD_HEX),
    OD_FIELD(lr_clone_range_t, lr_nbps, 64, OD_DEC),
};
OD_TABLE(od_lr_clone_range, lr_clone_range_t, lr_clone_range_fields, NULL);

static const ondisk_field_t lr_xvattr_fields[] = {
    OD_FIELD(lr_xvattr_t, lr_attr_masksize, 0, OD_DEC),
    OD_ARRAY(lr_xvattr_t, lr_attr_bitmap, 4, LR_XVAT_MAPSIZE, OD_HEX),
    OD_FIELD(lr_xvattr_t, lr_attr_attrs, 16, OD_HEX),
    OD_ARRAY(lr_xvattr_t, lr_attr_crtime, 24, 2, OD_DEC),
    OD_RAW(lr_xvattr_t, lr_attr_scanstamp, 40, OD_BYTES),
};
OD_TABLE(od_lr_xvattr, lr_xvattr_t, lr_xvattr_fields, NULL);

static const struct {
	const char *lt_name;
	const ondisk_table_t *lt_table;
} lr_types[TX_MAX_TYPE] = {
    [TX_CREATE] = {"TX_CREATE", &od_lr_create},
    [TX_MKDIR] = {"TX_MKDIR", &od_lr_create},
    [TX_MKXATTR] = {"TX_MKXATTR", &od_lr_create},
    [TX_SYMLINK] = {"TX_SYMLINK", &od_lr_create},
    [TX_REMOVE] = {"TX_REMOVE", &od_lr_remove},
    [TX_RMDIR] = {"TX_RMDIR", &od_lr_remove},
    [TX_LINK] = {"TX_LINK", &od_lr_link},
    [TX_RENAME] = {"TX_RENAME", &od_lr_rename},
    [TX_WRITE] = {"TX_WRITE", &od_lr_write},
    [TX_TRUNCATE] = {"TX_TRUNCATE", &od_lr_truncate},
    [TX_SETATTR] = {"TX_SETATTR", &od_lr_setattr},
    [TX_ACL_V0] = {"TX_ACL_V0", &od_lr_acl_v0},
    [TX_ACL] = {"TX_ACL", &od_lr_acl},
    [TX_CREATE_ACL] = {"TX_CREATE_ACL", &od_lr_acl_create},
    [TX_CREATE_ATTR] = {"TX_CREATE_ATTR", &od_lr_create},
    [TX_CREATE_ACL_ATTR] = {"TX_CREATE_ACL_ATTR", &od_lr_acl_create},
    [TX_MKDIR_ACL] = {"TX_MKDIR_ACL", &od_lr_acl_create},
    [TX_MKDIR_ATTR] = {"TX_MKDIR_ATTR", &od_lr_create},
    [TX_MKDIR_ACL_ATTR] = {"TX_MKDIR_ACL_ATTR", &od_lr_acl_create},
    [TX_WRITE2] = {"TX_WRITE2", &od_lr_write},
    [TX_SETSAXATTR] = {"TX_SETSAXATTR", &od_lr_setsaxattr},
    [TX_RENAME_EXCHANGE] = {"TX_RENAME_EXCHANGE", &od_lr_rename},
    [TX_RENAME_WHITEOUT] = {"TX_RENAME_WHITEOUT", &od_lr_rename_whiteout},
    [TX_CLONE_RANGE] = {"TX_CLONE_RANGE", &od_lr_clone_range},
};

const ondisk_table_t *
zil_lr_table(uint64_t txtype)
{
	txtype &= ~TX_CI;
	return (txtype < TX_MAX_TYPE ? lr_types[txtype].lt_table : NULL);
}

const char *
zil_txtype_name(uint64_t txtype)
{
	txtype &= ~TX_CI;
	if (txtype >= TX_MAX_TYPE || lr_types[txtype].lt_name == NULL)
		return ("TX_UNKNOWN");
	return (lr_types[txtype].lt_name);
}

/* ---- blocks (§5.2) ---- */

zil_chain_t *
zil_block_chain(void *block, size_t size, bool slim)
{
	if (size < sizeof(zil_chain_t) || !IS_P2ALIGNED(size, 8))
		return (NULL);
	if (slim)
		return (block);
	return ((zil_chain_t *)(void *)((uint8_t *)block + size) - 1);
}

static bool
block_bounds(size_t size, uint64_t nused, bool slim, size_t *first, size_t *end)
{
	const size_t lo = (slim ? sizeof(zil_chain_t) : 0);
	const size_t hi = (slim ? size : size - sizeof(zil_chain_t));

	if (nused < lo || nused > hi)
		return (false);
	*first = lo;
	*end = nused;
	return (true);
}

bool
zil_block_bounds(void *block, size_t size, bool slim, size_t *first, size_t *end)
{
	const zil_chain_t *zc = zil_block_chain(block, size, slim);

	return (zc != NULL && block_bounds(size, zc->zc_nused, slim, first, end));
}

/* Is there room at `off` for a record of this type and length? */
static bool
lr_fits(size_t end, size_t off, uint64_t txtype, uint64_t reclen)
{
	const ondisk_table_t *t = zil_lr_table(txtype);

	return (reclen >= sizeof(lr_t) && reclen <= end - off &&
		IS_P2ALIGNED(reclen, 8) && (t == NULL || reclen >= t->ot_size));
}

static bool
lr_header_fits(size_t end, size_t off)
{
	return (IS_P2ALIGNED(off, 8) && off <= end && end - off >= sizeof(lr_t));
}

lr_t *
zil_block_lr(void *block, size_t end, size_t off)
{
	lr_t *lr = (lr_t *)(void *)((uint8_t *)block + off);

	if (!lr_header_fits(end, off) ||
	    !lr_fits(end, off, lr->lrc_txtype, lr->lrc_reclen))
		return (NULL);
	return (lr);
}

/* ---- byte order ---- */

/* What is left of a record behind what was already swapped. */
typedef struct tail {
	uint8_t *t_ptr;
	size_t t_left;
} tail_t;

/* Take n bytes; fewer (NULL, 0) if the record's own numbers promise more than it has.
 */
static uint8_t *
tail_take(tail_t *t, uint64_t n)
{
	uint8_t *p = t->t_ptr;

	if (n > t->t_left)
		return (NULL);
	t->t_ptr += n;
	t->t_left -= n;
	return (p);
}

static void
tail_swap_xvattr(tail_t *t)
{
	lr_xvattr_t *xv = (lr_xvattr_t *)(void *)t->t_ptr;

	/* Any other size of the map would be another layout; nobody writes one. */
	if (t->t_left < sizeof(*xv) || ondisk_get32(xv, true) != LR_XVAT_MAPSIZE)
		return;
	ondisk_byteswap(&od_lr_xvattr, xv);
	if (xv->lr_attr_bitmap[0] & XAT0_PROJID)
		ondisk_byteswap_u64(xv->lr_attr_scanstamp, 8);
	(void)tail_take(t, sizeof(*xv));
}

static void
tail_swap_acl(tail_t *t, uint64_t acl_bytes, uint64_t fuidcnt)
{
	uint8_t *p;

	if (acl_bytes > t->t_left || fuidcnt > t->t_left / 8)
		return;
	p = tail_take(t, P2ROUNDUP(acl_bytes, 8));
	if (p == NULL)
		return;
	zfs_ace_byteswap(p, acl_bytes);
	p = tail_take(t, fuidcnt * 8);
	if (p != NULL)
		ondisk_byteswap_u64(p, fuidcnt * 8);
}

static void
lr_byteswap_tail(lr_t *lr, tail_t *t)
{
	const uint64_t txtype = lr->lrc_txtype & ~TX_CI;

	switch (txtype) {
	case TX_SETATTR:
		/* The bit of either family of writers (§5.6). */
		if (((lr_setattr_t *)(void *)lr)->lr_mask &
		    (LR_SETATTR_XVATTR | 0x10000))
			tail_swap_xvattr(t);
		break;
	case TX_ACL_V0:
		zfs_oldace_byteswap(t->t_ptr, t->t_left);
		break;
	case TX_ACL:
		tail_swap_acl(t, ((lr_acl_t *)(void *)lr)->lr_acl_bytes,
		    ((lr_acl_t *)(void *)lr)->lr_fuidcnt);
		break;
	case TX_CREATE_ATTR:
	case TX_MKDIR_ATTR:
		tail_swap_xvattr(t);
		break;
	case TX_CREATE_ACL_ATTR:
	case TX_MKDIR_ACL_ATTR:
		tail_swap_xvattr(t);
		/* FALLTHROUGH */
	case TX_CREATE_ACL:
	case TX_MKDIR_ACL:
		tail_swap_acl(t, ((lr_acl_create_t *)(void *)lr)->lr_acl_bytes,
		    ((lr_acl_create_t *)(void *)lr)->lr_fuidcnt);
		break;
	case TX_CLONE_RANGE:
		ondisk_byteswap_u64(t->t_ptr, t->t_left);
		break;
	default:
		break; /* names and data */
	}
}

int
zil_block_byteswap(void *block, size_t size, bool slim)
{
	zil_chain_t *zc = zil_block_chain(block, size, slim);
	size_t off, end;

	if (zc == NULL || !block_bounds(size, BSWAP_64(zc->zc_nused), slim, &off, &end))
		return (EINVAL);
	ondisk_byteswap(&od_zil_chain, zc);
	while (off < end) {
		lr_t *lr = (lr_t *)(void *)((uint8_t *)block + off);
		const ondisk_table_t *t;
		uint64_t reclen;

		if (!lr_header_fits(end, off))
			return (EINVAL);
		reclen = BSWAP_64(lr->lrc_reclen);
		if (!lr_fits(end, off, BSWAP_64(lr->lrc_txtype), reclen))
			return (EINVAL);
		t = zil_lr_table(BSWAP_64(lr->lrc_txtype));
		if (t == NULL) {
			ondisk_byteswap(&od_lr, lr);
		} else {
			tail_t tail = {(uint8_t *)lr + t->ot_size, reclen - t->ot_size};
			ondisk_byteswap(t, lr);
			lr_byteswap_tail(lr, &tail);
		}
		off += reclen;
	}
	return (0);
}
