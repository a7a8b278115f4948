/*
 * Structures of the POSIX layer: system attributes, ACLs, directory entries, the
 * legacy znode. Source: format/04 §1.4–1.9, §3.1, §4.
 */
#ifndef TARN_ONDISK_ZPL_H
#define TARN_ONDISK_ZPL_H

#include "ondisk/field.h"

/* ---- system attributes (§1.5) ---- */

#define SA_MAGIC 0x2f505aU
#define SA_HDR_SIZE_MIN 8

typedef struct sa_hdr_phys {
	uint32_t sa_magic;
	uint16_t sa_layout_info;
	uint16_t
	    sa_lengths[1]; /* as many as the layout has variable attributes, >= 1 */
} sa_hdr_phys_t;
_Static_assert(sizeof(sa_hdr_phys_t) == 8, "sa_hdr_phys_t");
extern const ondisk_table_t od_sa_hdr;

static inline uint16_t
SA_HDR_LAYOUT_NUM(uint16_t info)
{
	return (info & 0x3ff);
}
static inline uint32_t /* bytes */
SA_HDR_SIZE(uint16_t info)
{
	return ((uint32_t)(info >> 10) << 3);
}
static inline uint16_t
SA_HDR_LAYOUT_INFO(uint32_t layout, uint32_t hdrsize)
{
	return ((uint16_t)((layout & 0x3ff) | ((hdrsize >> 3) << 10)));
}
/* Header size for a layout with v variable-length attributes. */
static inline uint32_t
sa_hdr_size_for(uint32_t v)
{
	return (v <= 1 ? 8 : (uint32_t)P2ROUNDUP(8 + 2 * (v - 1), 8));
}

/*
 * Look at an SA buffer (bonus or spill). 0; ENOENT: magic 0 (no attributes); EIO: magic
 * wrong or header outside of the buffer. *swapped: written in the other byte order;
 * layout, header size and lengths below are right all the same.
 */
int sa_hdr_decode(
    const void *buf, size_t len, uint16_t *layoutp, uint32_t *hdrsizep, bool *swapped);
/* The i-th length word; EIO if it is not inside the header. */
int sa_hdr_length(const void *buf, size_t len, unsigned i, uint16_t *lengthp);
/* Write a header with `v` lengths (v = 0 writes one zero); returns its size. EINVAL:
 * len. */
int sa_hdr_encode(void *buf, size_t len, uint16_t layout, const uint16_t *lengths,
    unsigned v, uint32_t *hdrsizep);

/* Byteswap kinds of attributes (§1.4). */
typedef enum sa_bswap_type {
	SA_UINT64_ARRAY,
	SA_UINT32_ARRAY,
	SA_UINT16_ARRAY,
	SA_UINT8_ARRAY,
	SA_ACL,
	SA_BSWAP_TYPES
} sa_bswap_type_t;
/* Swap one attribute's value in place. */
void sa_attr_byteswap(sa_bswap_type_t kind, void *value, size_t len);

/* Registry value. */
static inline uint16_t
SA_ATTR_NUM(uint64_t v)
{
	return ((uint16_t)bf64_get(v, 0, 16));
}
static inline uint8_t
SA_ATTR_BSWAP(uint64_t v)
{
	return ((uint8_t)bf64_get(v, 16, 8));
}
static inline uint16_t /* bytes; 0: variable */
SA_ATTR_LENGTH(uint64_t v)
{
	return ((uint16_t)bf64_get(v, 24, 16));
}
static inline uint64_t
SA_ATTR_ENCODE(uint64_t num, uint64_t bswap, uint64_t length)
{
	return (
	    bf64_set(bf64_set(bf64_set(0, 0, 16, num), 16, 8, bswap), 24, 16, length));
}

/* Offsets behind the header that never move (§1.6). */
#define SA_MODE_OFFSET 0
#define SA_SIZE_OFFSET 8
#define SA_GEN_OFFSET 16
#define SA_UID_OFFSET 24
#define SA_GID_OFFSET 32
#define SA_PARENT_OFFSET 40
#define SA_FLAGS_OFFSET 48
#define SA_PROJID_OFFSET 128

/* ---- directory entries (§3.1) ---- */

static inline uint64_t
ZFS_DIRENT_OBJ(uint64_t de)
{
	return (bf64_get(de, 0, 48));
}
static inline unsigned
ZFS_DIRENT_TYPE(uint64_t de)
{
	return ((unsigned)bf64_get(de, 60, 4));
}
static inline uint64_t
ZFS_DIRENT_MAKE(unsigned type, uint64_t obj)
{
	return (((uint64_t)type << 60) | obj);
}

/* ---- ACLs (§4) ---- */

/* Version 0, 12 bytes. */
typedef struct zfs_oldace {
	uint32_t z_fuid;
	uint32_t z_access_mask;
	uint16_t z_flags;
	uint16_t z_type;
} zfs_oldace_t;
_Static_assert(sizeof(zfs_oldace_t) == 12, "zfs_oldace_t");
extern const ondisk_table_t od_zfs_oldace;

/* Version 1: the head that every ACE has; 8, 16 or 48 bytes altogether. */
typedef struct zfs_ace_hdr {
	uint16_t z_type;
	uint16_t z_flags;
	uint32_t z_access_mask;
} zfs_ace_hdr_t;
extern const ondisk_table_t od_zfs_ace_hdr;
/* An ACE decoded: both versions end up here. */
typedef struct zfs_ace {
	uint16_t z_type;
	uint16_t z_flags;
	uint32_t z_access_mask;
	uint64_t z_fuid; /* 0 where the form has none */
	uint8_t z_object_type[16], z_inherit_type[16];
} zfs_ace_t;

#define ACE_OWNER 0x1000
#define ACE_GROUP 0x2000
#define ACE_IDENTIFIER_GROUP 0x0040
#define ACE_EVERYONE 0x4000
#define ACE_TYPE_FLAGS 0x7040

/* Bytes of a version 1 ACE with this type and these flags. */
size_t zfs_ace_size(uint16_t type, uint16_t flags);
/*
 * Decode / encode one ACE at buf; returns its size, 0 if `len` is too short. version 0
 * or 1.
 */
size_t zfs_ace_decode(int version, const void *buf, size_t len, zfs_ace_t *ace);
size_t zfs_ace_encode(int version, const zfs_ace_t *ace, void *buf, size_t len);
/* Swap packed ACEs in place. */
void zfs_ace_byteswap(void *buf, size_t size);
void zfs_oldace_byteswap(void *buf, size_t size);

#define ACE_SLOT_CNT 6
#define ZFS_ACE_SPACE 72
/* In a legacy znode at offset 176, and the attribute ZPL_ZNODE_ACL (§4.3). */
typedef struct zfs_acl_phys {
	uint64_t z_acl_extern_obj;
	uint32_t z_acl_size; /* version 1: bytes; version 0: number of ACEs */
	uint16_t z_acl_version;
	uint16_t z_acl_count; /* version 1: number of ACEs */
	uint8_t z_ace_data[ZFS_ACE_SPACE];
} zfs_acl_phys_t;
_Static_assert(sizeof(zfs_acl_phys_t) == 88, "zfs_acl_phys_t");
extern const ondisk_table_t od_zfs_acl;

/* ---- legacy znode (§1.9) ---- */

typedef struct znode_phys {
	uint64_t zp_atime[2];
	uint64_t zp_mtime[2];
	uint64_t zp_ctime[2];
	uint64_t zp_crtime[2];
	uint64_t zp_gen;
	uint64_t zp_mode;
	uint64_t zp_size;
	uint64_t zp_parent;
	uint64_t zp_links;
	uint64_t zp_xattr;
	uint64_t zp_rdev;
	uint64_t zp_flags;
	uint64_t zp_uid;
	uint64_t zp_gid;
	uint64_t zp_zap;
	uint64_t zp_pad[3];
	zfs_acl_phys_t zp_acl;
} znode_phys_t;
_Static_assert(sizeof(znode_phys_t) == 264, "znode_phys_t");
extern const ondisk_table_t od_znode;
/* A bonus in host order as a znode, NULL if shorter than 264 bytes. */
znode_phys_t *znode_phys_of(void *bonus, size_t len);
void znode_byteswap(void *buf, size_t size);

#endif
