/*
 * Block pointers. Source: format/01 §6.
 *
 * A blkptr_t is sixteen 64-bit words in host order. The accessors carry the names
 * of the field; they are functions, so arguments are evaluated once and typed. All
 * of them accept hostile pointers: any bit pattern gives a number, never a trap.
 * Sizes are in bytes unless the name says otherwise.
 */
#ifndef TARN_ONDISK_BLKPTR_H
#define TARN_ONDISK_BLKPTR_H

#include "spl/types.h"
#include "spl/bits.h"
#include "codec/checksum.h"
#include "codec/compress.h"
#include "ondisk/field.h"
#include "ondisk/objtype.h"

#define SPA_MINBLOCKSHIFT 9
#define SPA_MINBLOCKSIZE (1ULL << SPA_MINBLOCKSHIFT)
#define SPA_OLD_MAXBLOCKSHIFT 17
#define SPA_OLD_MAXBLOCKSIZE (1ULL << SPA_OLD_MAXBLOCKSHIFT)
#define SPA_MAXBLOCKSHIFT 24
#define SPA_MAXBLOCKSIZE (1ULL << SPA_MAXBLOCKSHIFT)
#define SPA_DVAS_PER_BP 3
#define SPA_BLKPTRSHIFT 7
#define BPE_NUM_WORDS 14
#define BPE_PAYLOAD_SIZE (BPE_NUM_WORDS * 8)

typedef struct dva {
	uint64_t dva_word[2];
} dva_t;

typedef struct blkptr {
	dva_t blk_dva[SPA_DVAS_PER_BP];
	uint64_t blk_prop;
	uint64_t blk_prop2; /* bit 63: rewritten; rest 0 */
	uint64_t blk_pad;
	uint64_t blk_phys_birth; /* 0: equal to blk_birth */
	uint64_t blk_birth;	 /* logical */
	uint64_t blk_fill;
	zio_cksum_t blk_cksum;
} blkptr_t;
_Static_assert(sizeof(blkptr_t) == 128, "blkptr_t");
extern const ondisk_table_t od_dva, od_zio_cksum, od_blkptr;

/* Which block of which object of which dataset: the address of a read or an error. */
typedef struct zbookmark_phys {
	uint64_t zb_objset;
	uint64_t zb_object;
	int64_t zb_level;
	uint64_t zb_blkid;
} zbookmark_phys_t;
extern const ondisk_table_t od_zbookmark;

#define ZB_ZIL_LEVEL (-2LL)  /* a log block */
#define ZB_ROOT_LEVEL (-1LL) /* the objset block */
#define SET_BOOKMARK(zb, os, ob, l, b)                                                 \
	((zb)->zb_objset = (os), (zb)->zb_object = (ob), (zb)->zb_level = (l),         \
	    (zb)->zb_blkid = (b))

enum bp_embedded_type {
	BP_EMBEDDED_TYPE_DATA = 0,
	BP_EMBEDDED_TYPE_RESERVED,
	BP_EMBEDDED_TYPE_REDACTED,
	NUM_BP_EMBEDDED_TYPES
};

/* ---- DVA ---- */

static inline uint64_t
DVA_GET_ASIZE(const dva_t *dva)
{
	return (bf64_get(dva->dva_word[0], 0, 24) << SPA_MINBLOCKSHIFT);
}

static inline void
DVA_SET_ASIZE(dva_t *dva, uint64_t asize)
{
	dva->dva_word[0] =
	    bf64_set(dva->dva_word[0], 0, 24, asize >> SPA_MINBLOCKSHIFT);
}

static inline uint64_t
DVA_GET_VDEV(const dva_t *dva)
{
	return (bf64_get(dva->dva_word[0], 32, 24));
}

static inline void
DVA_SET_VDEV(dva_t *dva, uint64_t vdev)
{
	dva->dva_word[0] = bf64_set(dva->dva_word[0], 32, 24, vdev);
}

/* Bytes from the start of the top-level's allocatable area. */
static inline uint64_t
DVA_GET_OFFSET(const dva_t *dva)
{
	return (bf64_get(dva->dva_word[1], 0, 63) << SPA_MINBLOCKSHIFT);
}

static inline void
DVA_SET_OFFSET(dva_t *dva, uint64_t offset)
{
	dva->dva_word[1] =
	    bf64_set(dva->dva_word[1], 0, 63, offset >> SPA_MINBLOCKSHIFT);
}

static inline bool
DVA_GET_GANG(const dva_t *dva)
{
	return (dva->dva_word[1] >> 63);
}

static inline void
DVA_SET_GANG(dva_t *dva, bool gang)
{
	dva->dva_word[1] = bf64_set(dva->dva_word[1], 63, 1, gang);
}

static inline bool
DVA_IS_VALID(const dva_t *dva)
{
	return (DVA_GET_ASIZE(dva) != 0);
}

static inline bool
DVA_IS_EMPTY(const dva_t *dva)
{
	return (dva->dva_word[0] == 0 && dva->dva_word[1] == 0);
}

static inline bool
DVA_EQUAL(const dva_t *a, const dva_t *b)
{
	return (a->dva_word[0] == b->dva_word[0] && a->dva_word[1] == b->dva_word[1]);
}

/* ---- the property word ---- */

static inline bool
BP_IS_EMBEDDED(const blkptr_t *bp)
{
	return ((bp->blk_prop >> 39) & 1);
}

static inline void
BP_SET_EMBEDDED(blkptr_t *bp, bool embedded)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 39, 1, embedded);
}

static inline uint64_t
BPE_GET_ETYPE(const blkptr_t *bp)
{
	return (bf64_get(bp->blk_prop, 40, 8));
}

static inline void
BPE_SET_ETYPE(blkptr_t *bp, uint64_t etype)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 40, 8, etype);
}

static inline uint64_t
BPE_GET_LSIZE(const blkptr_t *bp)
{
	return (bf64_get(bp->blk_prop, 0, 25) + 1);
}

static inline void
BPE_SET_LSIZE(blkptr_t *bp, uint64_t lsize)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 0, 25, lsize - 1);
}

static inline uint64_t
BPE_GET_PSIZE(const blkptr_t *bp)
{
	return (bf64_get(bp->blk_prop, 25, 7) + 1);
}

static inline void
BPE_SET_PSIZE(blkptr_t *bp, uint64_t psize)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 25, 7, psize - 1);
}

/* Logical size; of embedded and redacted pointers too. An all-zero hole says 512. */
static inline uint64_t
BP_GET_LSIZE(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (BPE_GET_LSIZE(bp));
	return ((bf64_get(bp->blk_prop, 0, 16) + 1) << SPA_MINBLOCKSHIFT);
}

static inline void
BP_SET_LSIZE(blkptr_t *bp, uint64_t lsize)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 0, 16, (lsize >> SPA_MINBLOCKSHIFT) - 1);
}

/* Bytes on the devices; 0 for embedded pointers. */
static inline uint64_t
BP_GET_PSIZE(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (0);
	return ((bf64_get(bp->blk_prop, 16, 16) + 1) << SPA_MINBLOCKSHIFT);
}

static inline void
BP_SET_PSIZE(blkptr_t *bp, uint64_t psize)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 16, 16, (psize >> SPA_MINBLOCKSHIFT) - 1);
}

static inline enum zio_compress
BP_GET_COMPRESS(const blkptr_t *bp)
{
	return ((enum zio_compress)bf64_get(bp->blk_prop, 32, 7));
}

static inline void
BP_SET_COMPRESS(blkptr_t *bp, enum zio_compress c)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 32, 7, (uint64_t)c);
}

static inline enum zio_checksum
BP_GET_CHECKSUM(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (ZIO_CHECKSUM_OFF);
	return ((enum zio_checksum)bf64_get(bp->blk_prop, 40, 8));
}

static inline void
BP_SET_CHECKSUM(blkptr_t *bp, enum zio_checksum c)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 40, 8, (uint64_t)c);
}

static inline dmu_object_type_t
BP_GET_TYPE(const blkptr_t *bp)
{
	return ((dmu_object_type_t)bf64_get(bp->blk_prop, 48, 8));
}

static inline void
BP_SET_TYPE(blkptr_t *bp, uint64_t type)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 48, 8, type);
}

static inline int
BP_GET_LEVEL(const blkptr_t *bp)
{
	return ((int)bf64_get(bp->blk_prop, 56, 5));
}

static inline void
BP_SET_LEVEL(blkptr_t *bp, int level)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 56, 5, (uint64_t)level);
}

/* X: some form of encryption or authentication applies. */
static inline bool
BP_USES_CRYPT(const blkptr_t *bp)
{
	return ((bp->blk_prop >> 61) & 1);
}

static inline void
BP_SET_CRYPT(blkptr_t *bp, bool x)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 61, 1, x);
}

static inline bool
BP_GET_DEDUP(const blkptr_t *bp)
{
	return ((bp->blk_prop >> 62) & 1);
}

static inline void
BP_SET_DEDUP(blkptr_t *bp, bool d)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 62, 1, d);
}

/* Byte order of the *data*: 1 little endian, 0 big. */
static inline int
BP_GET_BYTEORDER(const blkptr_t *bp)
{
	return ((int)(bp->blk_prop >> 63));
}

static inline void
BP_SET_BYTEORDER(blkptr_t *bp, int order)
{
	bp->blk_prop = bf64_set(bp->blk_prop, 63, 1, (uint64_t)order);
}

static inline bool
BP_SHOULD_BYTESWAP(const blkptr_t *bp)
{
	return (BP_GET_BYTEORDER(bp) != ZFS_HOST_BYTEORDER);
}

/* Re-allocated at the physical birth txg without a change of content. */
static inline bool
BP_GET_REWRITE(const blkptr_t *bp)
{
	return (!BP_IS_EMBEDDED(bp) && (bp->blk_prop2 >> 63));
}

/* ---- what kind of pointer ---- */

static inline bool
BP_IS_HOLE(const blkptr_t *bp)
{
	return (!BP_IS_EMBEDDED(bp) && DVA_IS_EMPTY(&bp->blk_dva[0]));
}

static inline bool
BP_IS_GANG(const blkptr_t *bp)
{
	return (!BP_IS_EMBEDDED(bp) && DVA_GET_GANG(&bp->blk_dva[0]));
}

static inline bool
BP_IS_REDACTED(const blkptr_t *bp)
{
	return (BP_IS_EMBEDDED(bp) && BPE_GET_ETYPE(bp) == BP_EMBEDDED_TYPE_REDACTED);
}

/* Salt and IV stand in words 4, 5 and the upper fill; at most two DVAs (§6.4). */
static inline bool
BP_IS_ENCRYPTED(const blkptr_t *bp)
{
	return (BP_USES_CRYPT(bp) && BP_GET_LEVEL(bp) <= 0 &&
		DMU_OT_IS_ENCRYPTED(BP_GET_TYPE(bp)) && !BP_IS_EMBEDDED(bp));
}

static inline bool
BP_IS_AUTHENTICATED(const blkptr_t *bp)
{
	return (BP_USES_CRYPT(bp) && BP_GET_LEVEL(bp) <= 0 &&
		!DMU_OT_IS_ENCRYPTED(BP_GET_TYPE(bp)) && !BP_IS_EMBEDDED(bp));
}

static inline bool
BP_HAS_INDIRECT_MAC_CKSUM(const blkptr_t *bp)
{
	return (BP_USES_CRYPT(bp) && BP_GET_LEVEL(bp) > 0 && !BP_IS_EMBEDDED(bp));
}

static inline bool
BP_IS_METADATA(const blkptr_t *bp)
{
	return (BP_GET_LEVEL(bp) > 0 || DMU_OT_IS_METADATA(BP_GET_TYPE(bp)));
}

/* ---- births ---- */

static inline uint64_t
BP_GET_LOGICAL_BIRTH(const blkptr_t *bp)
{
	return (bp->blk_birth);
}

/* Effective: the logical one where none is stored. 0 for embedded pointers. */
static inline uint64_t
BP_GET_PHYSICAL_BIRTH(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (0);
	return (bp->blk_phys_birth != 0 ? bp->blk_phys_birth : bp->blk_birth);
}

/* As deadlists and snapshots order blocks (format/03, conventions: "birth(bp)"). */
static inline uint64_t
BP_GET_BIRTH(const blkptr_t *bp)
{
	return (BP_GET_REWRITE(bp) ? BP_GET_PHYSICAL_BIRTH(bp) : bp->blk_birth);
}

/* Embedded pointers have payload where the physical birth would be: it stays. */
static inline void
BP_SET_BIRTH(blkptr_t *bp, uint64_t logical, uint64_t physical)
{
	bp->blk_birth = logical;
	if (!BP_IS_EMBEDDED(bp))
		bp->blk_phys_birth = (logical == physical ? 0 : physical);
}

static inline void
BP_SET_LOGICAL_BIRTH(blkptr_t *bp, uint64_t logical)
{
	bp->blk_birth = logical;
}

/* ---- counts and sums ---- */

static inline uint64_t
BP_GET_FILL(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (1);
	return (BP_IS_ENCRYPTED(bp) ? bf64_get(bp->blk_fill, 0, 32) : bp->blk_fill);
}

/* Keeps the IV bits of encrypted pointers (set type and X first) and embedded payload.
 */
static inline void
BP_SET_FILL(blkptr_t *bp, uint64_t fill)
{
	if (BP_IS_EMBEDDED(bp))
		return;
	bp->blk_fill =
	    (BP_IS_ENCRYPTED(bp) ? bf64_set(bp->blk_fill, 0, 32, fill) : fill);
}

/* The last 32 bits of the IV of an encrypted pointer. */
static inline uint32_t
BP_GET_IV2(const blkptr_t *bp)
{
	return ((uint32_t)(bp->blk_fill >> 32));
}

static inline void
BP_SET_IV2(blkptr_t *bp, uint32_t iv2)
{
	bp->blk_fill = bf64_set(bp->blk_fill, 32, 32, iv2);
}

/* DVAs that may be looked at: 0 embedded, at most 2 encrypted. */
static inline int
BP_MAX_DVAS(const blkptr_t *bp)
{
	if (BP_IS_EMBEDDED(bp))
		return (0);
	return (BP_IS_ENCRYPTED(bp) ? 2 : SPA_DVAS_PER_BP);
}

/* Number of valid DVAs = copies. Valid ones come first. */
int BP_GET_NDVAS(const blkptr_t *bp);
/* Number of gang DVAs. */
int BP_COUNT_GANG(const blkptr_t *bp);
/* Sum of the DVAs' allocated sizes. */
uint64_t BP_GET_ASIZE(const blkptr_t *bp);
/* Uncompressed size as accounted: PSIZE of metadata, else LSIZE (format/02 §6.1). */
uint64_t BP_GET_UCSIZE(const blkptr_t *bp);

static inline void
BP_ZERO(blkptr_t *bp)
{
	memset(bp, 0, sizeof(*bp));
}

/* The same block at the same place, written once: DVAs and births. */
bool BP_EQUAL(const blkptr_t *a, const blkptr_t *b);

/*
 * Make bp a hole with birth `txg` (format/01 §6.3); txg 0: the plain, all-zero hole.
 * lsize, type and level describe the range that became zero.
 */
void BP_SET_HOLE(blkptr_t *bp, uint64_t lsize, uint64_t type, int level, uint64_t txg);

/* Make bp a redacted pointer (format/01 §6.6). */
void BP_SET_REDACTED(
    blkptr_t *bp, uint64_t type, int level, uint64_t lsize, uint64_t txg);

/* ---- embedded data (format/01 §6.5) ---- */

/*
 * Copy the payload, as stored (compressed), to buf: BPE_GET_PSIZE(bp) bytes, at most
 * BPE_PAYLOAD_SIZE. Returns that number; 0 if bp is no embedded data pointer or its
 * PSIZE is impossible.
 */
size_t decode_embedded_bp_compressed(const blkptr_t *bp, void *buf);
/*
 * Make bp an embedded data pointer of these psize (1..112) bytes; everything else in
 * it is cleared: set type, level and logical birth afterwards. Host byte order.
 */
void encode_embedded_bp_compressed(blkptr_t *bp, const void *data,
    enum zio_compress comp, uint64_t lsize, size_t psize);
/*
 * Payload decompressed: buf receives exactly lsize bytes. EIO if the pointer is not
 * embedded data, has another LSIZE, or its stream is damaged.
 */
int decode_embedded_bp(const blkptr_t *bp, void *buf, uint64_t lsize);

/* ---- checks and printing ---- */

/*
 * The limits of format/01 §6.8 that need no pool configuration. 0 or ECKSUM; *why (may
 * be NULL) then says what is wrong, as a constant string ("invalid TYPE").
 */
int blkptr_verify_static(const blkptr_t *bp, const char **why);

/*
 * The whole pointer in zdb's words. Returns the length as snprintf does. BP_SPRINTF_LEN
 * bytes always suffice. bp NULL gives "<NULL>".
 */
#define BP_SPRINTF_LEN 400
int snprintf_blkptr(char *buf, size_t len, const blkptr_t *bp);

/* The pointer number idx of a block that is an array of pointers, NULL beyond its end.
 */
static inline blkptr_t *
indirect_block_bp(void *block, size_t size, uint64_t idx)
{
	if (idx >= size / sizeof(blkptr_t))
		return (NULL);
	return ((blkptr_t *)block + idx);
}

static inline const blkptr_t *
indirect_block_bp_const(const void *block, size_t size, uint64_t idx)
{
	if (idx >= size / sizeof(blkptr_t))
		return (NULL);
	return ((const blkptr_t *)block + idx);
}

#endif
