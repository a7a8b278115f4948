/*
 * Dnodes and object set headers. Source: format/02 §1.
 *
 * Dnode blocks are large and hot, so they are not copied: a block that was verified,
 * decompressed and (if foreign) byteswapped by ondisk_byteswap_block() is looked at in
 * place through dnode_phys_t, whose members stand at the on-disk offsets. The functions
 * below are the only way from a block to such a view, and check the bounds.
 */
#ifndef TARN_ONDISK_DNODE_H
#define TARN_ONDISK_DNODE_H

#include "ondisk/blkptr.h"
#include "ondisk/zil.h"

#define DNODE_SHIFT 9
#define DNODE_MIN_SIZE (1U << DNODE_SHIFT)
#define DNODE_MAX_SIZE 16384U
#define DNODE_BLOCK_SHIFT 14
#define DNODE_BLOCK_SIZE (1U << DNODE_BLOCK_SHIFT)
#define DNODES_PER_BLOCK_SHIFT 5
#define DNODES_PER_BLOCK (1U << DNODES_PER_BLOCK_SHIFT)
#define DNODE_CORE_SIZE 64
#define DNODE_MAX_NBLKPTR 3
#define DN_MIN_INDBLKSHIFT 12
#define DN_MAX_INDBLKSHIFT 17
#define DN_DEFAULT_INDBLKSHIFT 17
#define DN_MAX_OBJECT_SHIFT 48
#define DN_MAX_OBJECT (1ULL << DN_MAX_OBJECT_SHIFT)
#define DN_MAX_LEVELS 12
/* Bonus capacity of a 512-byte dnode with one block pointer. */
#define DN_OLD_MAX_BONUSLEN 320U
#define DN_BONUS_SIZE(dnsize) ((dnsize)-192U)

#define DNODE_FLAG_USED_BYTES 0x1
#define DNODE_FLAG_USERUSED_ACCOUNTED 0x2
#define DNODE_FLAG_SPILL_BLKPTR 0x4
#define DNODE_FLAG_USEROBJUSED_ACCOUNTED 0x8
#define DNODE_CRYPT_PORTABLE_FLAGS_MASK DNODE_FLAG_SPILL_BLKPTR

/*
 * The first slot of a dnode. Only dn_nblkptr of the pointers exist, the bonus follows
 * the last of them: use dnode_phys_bonus() and dnode_phys_spill().
 */
typedef struct dnode_phys {
	uint8_t dn_type; /* dmu_object_type_t; 0: free slot */
	uint8_t dn_indblkshift;
	uint8_t dn_nlevels;
	uint8_t dn_nblkptr;
	uint8_t dn_bonustype;
	uint8_t dn_checksum;
	uint8_t dn_compress;
	uint8_t dn_flags;
	uint16_t dn_datablkszsec; /* data block size / 512 */
	uint16_t dn_bonuslen;	  /* bytes */
	uint8_t dn_extra_slots;	  /* slots - 1 */
	uint8_t dn_pad2[3];
	uint64_t dn_maxblkid;
	uint64_t dn_used; /* bytes with DNODE_FLAG_USED_BYTES, else sectors */
	uint64_t dn_pad3[4];
	blkptr_t dn_blkptr[DNODE_MAX_NBLKPTR];
	uint8_t dn_tail[64];
} dnode_phys_t;
_Static_assert(sizeof(dnode_phys_t) == DNODE_MIN_SIZE, "dnode_phys_t");
/* Fixed part and pointers; the rest as bytes. */
extern const ondisk_table_t od_dnode;

static inline uint32_t
dnode_phys_slots(const dnode_phys_t *dnp)
{
	return ((uint32_t)dnp->dn_extra_slots + 1);
}

static inline uint32_t
dnode_phys_size(const dnode_phys_t *dnp)
{
	return (dnode_phys_slots(dnp) << DNODE_SHIFT);
}

static inline uint32_t
dnode_phys_datablksz(const dnode_phys_t *dnp)
{
	return ((uint32_t)dnp->dn_datablkszsec << SPA_MINBLOCKSHIFT);
}

/* Space used in bytes, whatever the flag says. */
static inline uint64_t
dnode_phys_used(const dnode_phys_t *dnp)
{
	return (dnp->dn_flags & DNODE_FLAG_USED_BYTES
		    ? dnp->dn_used
		    : dnp->dn_used << SPA_MINBLOCKSHIFT);
}

/*
 * The dnode whose first slot is number `slot` of a dnode block in host order. NULL if
 * slot is outside of the block or the dnode would reach beyond its end. The slot may be
 * free (dn_type 0) or, if the caller did not come from its start, the inside of a large
 * dnode.
 */
dnode_phys_t *dnode_block_slot(void *block, size_t size, unsigned slot);
const dnode_phys_t *dnode_block_slot_const(
    const void *block, size_t size, unsigned slot);
/*
 * Walk from the first slot: the first dnode (free slots are dnodes of type 0) at or
 * after *slotp that starts there; *slotp becomes the slot after it. NULL at the end or
 * at damage.
 */
dnode_phys_t *dnode_block_next(void *block, size_t size, unsigned *slotp);
/* Is `slot` the inside of a large dnode? Walks from the start of the block. */
bool dnode_block_is_interior(const void *block, size_t size, unsigned slot);

/*
 * Does an allocated dnode keep the rules of format/02 §1.1–§1.4 that need nothing else?
 * Types valid, 1..3 pointers, shift 9..17, 1..12 levels, block size within limits and a
 * power of two if there is more than one block, bonus (and spill) inside the dnode,
 * maxblkid inside the tree. 0 or EIO. Everything below that takes a dnode expects this.
 */
int dnode_phys_verify(const dnode_phys_t *dnp);
/* Every dnode of a block, and that large ones do not cross its end. 0 or EIO. */
int dnode_block_verify(const void *block, size_t size);

/* Bytes available for the bonus (less with a spill pointer); 0 if nblkptr is damaged.
 */
uint32_t dnode_phys_bonus_max(const dnode_phys_t *dnp);
/* Start of the bonus; *maxp (may be NULL) as above. NULL if nblkptr is damaged. */
void *dnode_phys_bonus(dnode_phys_t *dnp, uint32_t *maxp);
const void *dnode_phys_bonus_const(const dnode_phys_t *dnp, uint32_t *maxp);
/* The spill pointer in the last 128 bytes; NULL unless the flag is set and it has room.
 */
blkptr_t *dnode_phys_spill(dnode_phys_t *dnp);
/* Where the spill pointer is or will be, whatever the flag says. */
blkptr_t *dnode_phys_spill_place(dnode_phys_t *dnp);

/* Shape of the block tree (format/02 §1.4). */
static inline int
dnode_phys_epbs(const dnode_phys_t *dnp)
{
	return ((int)dnp->dn_indblkshift - SPA_BLKPTRSHIFT);
}

/* Number of block pointers to reserve in a new dnode (format/02 §1.3). */
uint8_t dnode_default_nblkptr(
    uint32_t dnodesize, uint64_t bonustype, uint32_t bonuslen);

/* Swap all dnodes of a block (what ondisk_byteswap_block does for DMU_BSWAP_DNODE). */
void dnode_buf_byteswap(void *block, size_t size);
/* Swap one dnode of `slots` slots given in the other order. */
void dnode_byteswap(void *dnode, size_t size);

/* ---- object sets (format/02 §1.9) ---- */

#define OBJSET_PHYS_SIZE_V1 1024
#define OBJSET_PHYS_SIZE_V2 2048
#define OBJSET_PHYS_SIZE_V3 4096
#define OBJSET_FLAG_USERACCOUNTING_COMPLETE 0x1ULL
#define OBJSET_FLAG_USEROBJACCOUNTING_COMPLETE 0x2ULL
#define OBJSET_FLAG_PROJECTQUOTA_COMPLETE 0x4ULL
#define OBJSET_CRYPT_PORTABLE_FLAGS_MASK 0ULL
#define ZIO_OBJSET_MAC_LEN 32

typedef struct objset_phys {
	dnode_phys_t os_meta_dnode;
	zil_header_t os_zil_header;
	uint64_t os_type; /* dmu_objset_type_t */
	uint64_t os_flags;
	uint8_t os_portable_mac[ZIO_OBJSET_MAC_LEN];
	uint8_t os_local_mac[ZIO_OBJSET_MAC_LEN];
	uint8_t os_pad0[240];
	dnode_phys_t os_userused_dnode;
	dnode_phys_t os_groupused_dnode;
	dnode_phys_t os_projectused_dnode;
	uint8_t os_pad1[1536];
} objset_phys_t;
_Static_assert(sizeof(objset_phys_t) == OBJSET_PHYS_SIZE_V3, "objset_phys_t");
extern const ondisk_table_t od_objset;

/*
 * Copy an objset block (host order already, LSIZE `size`) and check it: size 1024, 2048
 * or 4096 (larger: the rest ignored), type 1..4, meta-dnode sane. Missing parts become
 * zero. EIO.
 */
int objset_phys_decode(const void *block, size_t size, objset_phys_t *osp);
/* Write the first `size` bytes (1024, 2048, 4096). */
void objset_phys_encode(const objset_phys_t *osp, void *block, size_t size);

#endif
