/*
 * The intent log on disk: header, blocks, records. Source: format/03 §5.
 */
#ifndef TARN_ONDISK_ZIL_H
#define TARN_ONDISK_ZIL_H

#include "ondisk/blkptr.h"

/* In the objset block at offset 512 (§5.1). */
typedef struct zil_header {
	uint64_t zh_claim_txg;
	uint64_t zh_replay_seq;
	blkptr_t zh_log;
	uint64_t zh_claim_blk_seq;
	uint64_t zh_flags;
	uint64_t zh_claim_lr_seq;
	uint64_t zh_pad[3];
} zil_header_t;
_Static_assert(sizeof(zil_header_t) == 192, "zil_header_t");
extern const ondisk_table_t od_zil_header;
#define ZIL_REPLAY_NEEDED 0x1
#define ZIL_CLAIM_LR_SEQ_VALID 0x2

typedef struct zio_eck {
	uint64_t zec_magic;
	zio_cksum_t zec_cksum;
} zio_eck_t;
extern const ondisk_table_t od_zio_eck;

/* At the start of a slim block, in the last 184 bytes of an old one (§5.2). */
typedef struct zil_chain {
	uint64_t zc_pad;
	blkptr_t zc_next_blk;
	uint64_t zc_nused;
	zio_eck_t zc_eck;
} zil_chain_t;
_Static_assert(sizeof(zil_chain_t) == 184, "zil_chain_t");
extern const ondisk_table_t od_zil_chain;

/* Words of a log block's checksum field: the verifier (§5.2). */
#define ZIL_ZC_GUID_0 0
#define ZIL_ZC_GUID_1 1
#define ZIL_ZC_OBJSET 2
#define ZIL_ZC_SEQ 3
#define ZIL_MIN_BLKSZ 4096ULL

/* ---- records (§5.6) ---- */

typedef enum zil_txtype {
	TX_CREATE = 1,
	TX_MKDIR,
	TX_MKXATTR,
	TX_SYMLINK,
	TX_REMOVE,
	TX_RMDIR,
	TX_LINK,
	TX_RENAME,
	TX_WRITE,
	TX_TRUNCATE,
	TX_SETATTR,
	TX_ACL_V0,
	TX_ACL,
	TX_CREATE_ACL,
	TX_CREATE_ATTR,
	TX_CREATE_ACL_ATTR,
	TX_MKDIR_ACL,
	TX_MKDIR_ATTR,
	TX_MKDIR_ACL_ATTR,
	TX_WRITE2,
	TX_SETSAXATTR,
	TX_RENAME_EXCHANGE,
	TX_RENAME_WHITEOUT,
	TX_CLONE_RANGE,
	TX_MAX_TYPE
} zil_txtype_t;
#define TX_CI (1ULL << 63) /* names compared without case */

typedef struct lr {
	uint64_t lrc_txtype;
	uint64_t lrc_reclen; /* whole record, multiple of 8 */
	uint64_t lrc_txg;
	uint64_t lrc_seq;
} lr_t;
extern const ondisk_table_t od_lr;

/* Object numbers of create-type records carry the dnode's slots. */
#define LR_FOID_GET_OBJ(x) bf64_get((x), 0, 48)
#define LR_FOID_GET_SLOTS(x) (bf64_get((x), 56, 8) + 1)
#define LR_FOID_MAKE(obj, slots) bf64_set(bf64_set(0, 0, 48, (obj)), 56, 8, (slots)-1)

typedef struct lr_create {
	lr_t lr_common;
	uint64_t lr_doid;
	uint64_t lr_foid;
	uint64_t lr_mode;
	uint64_t lr_uid;
	uint64_t lr_gid;
	uint64_t lr_gen;
	uint64_t lr_crtime[2];
	uint64_t lr_rdev;
	/* [xvattr] [domains] name [target] */
} lr_create_t;
extern const ondisk_table_t od_lr_create;

typedef struct lr_acl_create {
	lr_create_t lr_create;
	uint64_t lr_aclcnt;
	uint64_t lr_domcnt;
	uint64_t lr_fuidcnt;
	uint64_t lr_acl_bytes;
	uint64_t lr_acl_flags;
	/* [xvattr] ACEs fuids domains name */
} lr_acl_create_t;
extern const ondisk_table_t od_lr_acl_create;

typedef struct lr_remove {
	lr_t lr_common;
	uint64_t lr_doid;
	/* name */
} lr_remove_t;
extern const ondisk_table_t od_lr_remove;

typedef struct lr_link {
	lr_t lr_common;
	uint64_t lr_doid;
	uint64_t lr_link_obj;
	/* name */
} lr_link_t;
extern const ondisk_table_t od_lr_link;

typedef struct lr_rename {
	lr_t lr_common;
	uint64_t lr_sdoid;
	uint64_t lr_tdoid;
	/* two names */
} lr_rename_t;
extern const ondisk_table_t od_lr_rename;

typedef struct lr_rename_whiteout {
	lr_rename_t lr_rename;
	uint64_t lr_wfoid;
	uint64_t lr_wmode;
	uint64_t lr_wuid;
	uint64_t lr_wgid;
	uint64_t lr_wgen;
	uint64_t lr_wcrtime[2];
	uint64_t lr_wrdev;
	/* two names */
} lr_rename_whiteout_t;
extern const ondisk_table_t od_lr_rename_whiteout;

typedef struct lr_write {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_offset;
	uint64_t lr_length;
	uint64_t lr_blkoff; /* 0 */
	blkptr_t lr_blkptr; /* zero in the immediate form */
			    /* data in the immediate form */
} lr_write_t;
extern const ondisk_table_t od_lr_write;

typedef struct lr_truncate {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_offset;
	uint64_t lr_length;
} lr_truncate_t;
extern const ondisk_table_t od_lr_truncate;

typedef struct lr_setattr {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_mask;
	uint64_t lr_mode;
	uint64_t lr_uid;
	uint64_t lr_gid;
	uint64_t lr_size;
	uint64_t lr_atime[2];
	uint64_t lr_mtime[2];
	/* [xvattr] [domains] */
} lr_setattr_t;
extern const ondisk_table_t od_lr_setattr;
/* Attribute bits of lr_mask as Linux writes them (§5.6). */
#define LR_SETATTR_MODE 0x1ULL
#define LR_SETATTR_UID 0x2ULL
#define LR_SETATTR_GID 0x4ULL
#define LR_SETATTR_SIZE 0x8ULL
#define LR_SETATTR_ATIME 0x10ULL
#define LR_SETATTR_MTIME 0x20ULL
#define LR_SETATTR_CTIME 0x40ULL
#define LR_SETATTR_XVATTR 0x80000000ULL

typedef struct lr_acl_v0 {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_aclcnt;
	/* zfs_oldace_t × aclcnt */
} lr_acl_v0_t;
extern const ondisk_table_t od_lr_acl_v0;

typedef struct lr_acl {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_aclcnt;
	uint64_t lr_domcnt;
	uint64_t lr_fuidcnt;
	uint64_t lr_acl_bytes;
	uint64_t lr_acl_flags;
	/* ACEs fuids domains */
} lr_acl_t;
extern const ondisk_table_t od_lr_acl;

typedef struct lr_setsaxattr {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_size; /* bytes of the value; 0 removes */
			  /* name value */
} lr_setsaxattr_t;
extern const ondisk_table_t od_lr_setsaxattr;

typedef struct lr_clone_range {
	lr_t lr_common;
	uint64_t lr_foid;
	uint64_t lr_offset;
	uint64_t lr_length;
	uint64_t lr_blksz;
	uint64_t lr_nbps;
	/* blkptr_t × nbps */
} lr_clone_range_t;
extern const ondisk_table_t od_lr_clone_range;

/* The xvattr part: present when the record's type or mask says so. */
#define LR_XVAT_MAPSIZE 3
typedef struct lr_xvattr {
	uint32_t lr_attr_masksize; /* 3 */
	uint32_t lr_attr_bitmap[LR_XVAT_MAPSIZE];
	uint64_t lr_attr_attrs;
	uint64_t lr_attr_crtime[2];
	uint8_t lr_attr_scanstamp[32]; /* or the project id in the first 8 bytes */
} lr_xvattr_t;
_Static_assert(sizeof(lr_xvattr_t) == 72, "lr_xvattr_t");
extern const ondisk_table_t od_lr_xvattr;
#define XAT0_CREATETIME 0x1U
#define XAT0_ARCHIVE 0x2U
#define XAT0_SYSTEM 0x4U
#define XAT0_READONLY 0x8U
#define XAT0_HIDDEN 0x10U
#define XAT0_NOUNLINK 0x20U
#define XAT0_IMMUTABLE 0x40U
#define XAT0_APPENDONLY 0x80U
#define XAT0_NODUMP 0x100U
#define XAT0_OPAQUE 0x200U
#define XAT0_AV_QUARANTINED 0x400U
#define XAT0_AV_MODIFIED 0x800U
#define XAT0_AV_SCANSTAMP 0x1000U
#define XAT0_REPARSE 0x2000U
#define XAT0_GEN 0x4000U
#define XAT0_OFFLINE 0x8000U
#define XAT0_SPARSE 0x10000U
#define XAT0_PROJINHERIT 0x20000U
#define XAT0_PROJID 0x40000U

/* Table of the fixed part of a record type (TX_CI ignored), NULL for unknown types. */
const ondisk_table_t *zil_lr_table(uint64_t txtype);
/* "TX_CREATE"; "TX_UNKNOWN". */
const char *zil_txtype_name(uint64_t txtype);

/*
 * The records of a block that is in host order (zil_block_byteswap) and whose checksum
 * was verified. `slim`: checksum function zilog2.
 *
 * _chain: the chain structure, NULL if the block is too small.
 * _first, _end: offsets of the first record and behind the last one, from zc_nused;
 *   false if nused is out of range.
 * _lr: the record at `off`; NULL unless its header is inside `end` and reclen >= 32, a
 *   multiple of 8, inside `end`, and enough for the fixed part of a known type. The
 * fixed part may then be read through the type's structure, and reclen bytes
 * altogether.
 */
zil_chain_t *zil_block_chain(void *block, size_t size, bool slim);
bool zil_block_bounds(void *block, size_t size, bool slim, size_t *first, size_t *end);
lr_t *zil_block_lr(void *block, size_t end, size_t off);
/*
 * Bring a whole block of the other byte order to host order: chain, record headers,
 * fixed parts, xvattrs, ACEs, FUIDs, block pointers of clone records. Strings and data
 * stay. EINVAL: not a block (nothing is promised about its content then).
 */
int zil_block_byteswap(void *block, size_t size, bool slim);

#endif
