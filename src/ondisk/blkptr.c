/*
 * Block pointers (format/01 §6): tables, sums, holes, embedded data, limits.
 */
#include "ondisk/blkptr.h"

#include "ondisk/table_impl.h"
#include "spl/debug.h"

static const ondisk_field_t dva_fields[] = {
    OD_ARRAY(dva_t, dva_word, 0, 2, OD_HEX),
};
OD_TABLE(od_dva, dva_t, dva_fields, NULL);

static const ondisk_field_t cksum_fields[] = {
    OD_ARRAY(zio_cksum_t, zc_word, 0, 4, OD_HEX),
};
OD_TABLE(od_zio_cksum, zio_cksum_t, cksum_fields, NULL);

static int
print_bp(char *buf, size_t len, const void *host)
{
	blkptr_t bp;

	memcpy(&bp, host, sizeof(bp));
	return (snprintf_blkptr(buf, len, &bp));
}

static const ondisk_field_t blkptr_fields[] = {
    OD_SUBS(blkptr_t, blk_dva, 0, SPA_DVAS_PER_BP, &od_dva),
    OD_FIELD(blkptr_t, blk_prop, 48, OD_HEX),
    OD_FIELD(blkptr_t, blk_prop2, 56, OD_HEX),
    OD_FIELD(blkptr_t, blk_pad, 64, OD_PAD),
    OD_FIELD(blkptr_t, blk_phys_birth, 72, OD_DEC),
    OD_FIELD(blkptr_t, blk_birth, 80, OD_DEC),
    OD_FIELD(blkptr_t, blk_fill, 88, OD_DEC),
    OD_SUB(blkptr_t, blk_cksum, 96, &od_zio_cksum),
};
OD_TABLE(od_blkptr, blkptr_t, blkptr_fields, print_bp);

static const ondisk_field_t zbookmark_fields[] = {
    OD_FIELD(zbookmark_phys_t, zb_objset, 0, OD_DEC),
    OD_FIELD(zbookmark_phys_t, zb_object, 8, OD_DEC),
    OD_FIELD(zbookmark_phys_t, zb_level, 16, OD_SDEC),
    OD_FIELD(zbookmark_phys_t, zb_blkid, 24, OD_DEC),
};
OD_TABLE(od_zbookmark, zbookmark_phys_t, zbookmark_fields, NULL);

/* ---- counts and sums ---- */

int
BP_GET_NDVAS(const blkptr_t *bp)
{
	int n = 0;

	for (int d = 0; d < BP_MAX_DVAS(bp); d++)
		n += DVA_IS_VALID(&bp->blk_dva[d]);
	return (n);
}

int
BP_COUNT_GANG(const blkptr_t *bp)
{
	int n = 0;

	for (int d = 0; d < BP_MAX_DVAS(bp); d++)
		n += DVA_GET_GANG(&bp->blk_dva[d]);
	return (n);
}

uint64_t
BP_GET_ASIZE(const blkptr_t *bp)
{
	uint64_t sum = 0;

	for (int d = 0; d < BP_MAX_DVAS(bp); d++)
		sum += DVA_GET_ASIZE(&bp->blk_dva[d]);
	return (sum);
}

uint64_t
BP_GET_UCSIZE(const blkptr_t *bp)
{
	return (BP_IS_METADATA(bp) ? BP_GET_PSIZE(bp) : BP_GET_LSIZE(bp));
}

bool
BP_EQUAL(const blkptr_t *a, const blkptr_t *b)
{
	return (a->blk_birth == b->blk_birth &&
		BP_GET_PHYSICAL_BIRTH(a) == BP_GET_PHYSICAL_BIRTH(b) &&
		DVA_EQUAL(&a->blk_dva[0], &b->blk_dva[0]) &&
		DVA_EQUAL(&a->blk_dva[1], &b->blk_dva[1]) &&
		DVA_EQUAL(&a->blk_dva[2], &b->blk_dva[2]));
}

/* ---- pointers without a block ---- */

void
BP_SET_HOLE(blkptr_t *bp, uint64_t lsize, uint64_t type, int level, uint64_t txg)
{
	BP_ZERO(bp);
	if (txg == 0)
		return;
	BP_SET_LSIZE(bp, lsize);
	BP_SET_TYPE(bp, type);
	BP_SET_LEVEL(bp, level);
	BP_SET_BIRTH(bp, txg, 0);
}

void
BP_SET_REDACTED(blkptr_t *bp, uint64_t type, int level, uint64_t lsize, uint64_t txg)
{
	BP_ZERO(bp);
	BP_SET_EMBEDDED(bp, true);
	BPE_SET_ETYPE(bp, BP_EMBEDDED_TYPE_REDACTED);
	BPE_SET_LSIZE(bp, lsize);
	BP_SET_TYPE(bp, type);
	BP_SET_LEVEL(bp, level);
	BP_SET_BIRTH(bp, txg, 0);
}

/* ---- embedded data (§6.5) ---- */

/* The payload is every word but the property word and the logical birth. */
static const uint8_t bpe_word[BPE_NUM_WORDS] = {
    0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15};

size_t
decode_embedded_bp_compressed(const blkptr_t *bp, void *buf)
{
	uint64_t words[sizeof(blkptr_t) / 8];
	uint8_t *dst = buf;
	size_t psize;

	if (!BP_IS_EMBEDDED(bp) || BPE_GET_ETYPE(bp) != BP_EMBEDDED_TYPE_DATA)
		return (0);
	psize = BPE_GET_PSIZE(bp);
	if (psize > BPE_PAYLOAD_SIZE)
		return (0);
	memcpy(words, bp, sizeof(words));
	for (size_t i = 0; i < psize; i++)
		dst[i] = (uint8_t)(words[bpe_word[i / 8]] >> (8 * (i % 8)));
	return (psize);
}

void
encode_embedded_bp_compressed(blkptr_t *bp, const void *data, enum zio_compress comp,
    uint64_t lsize, size_t psize)
{
	uint64_t words[sizeof(blkptr_t) / 8] = {0};
	const uint8_t *src = data;

	VERIFY(psize >= 1 && psize <= BPE_PAYLOAD_SIZE);
	VERIFY(lsize >= 1 && lsize <= SPA_MAXBLOCKSIZE);
	for (size_t i = 0; i < psize; i++)
		words[bpe_word[i / 8]] |= (uint64_t)src[i] << (8 * (i % 8));
	memcpy(bp, words, sizeof(*bp));
	BP_SET_EMBEDDED(bp, true);
	BPE_SET_ETYPE(bp, BP_EMBEDDED_TYPE_DATA);
	BPE_SET_LSIZE(bp, lsize);
	BPE_SET_PSIZE(bp, psize);
	BP_SET_COMPRESS(bp, comp);
	BP_SET_BYTEORDER(bp, ZFS_HOST_BYTEORDER);
}

int
decode_embedded_bp(const blkptr_t *bp, void *buf, uint64_t lsize)
{
	uint8_t payload[BPE_PAYLOAD_SIZE];
	const size_t psize = decode_embedded_bp_compressed(bp, payload);
	const enum zio_compress c = BP_GET_COMPRESS(bp);

	if (psize == 0 || BPE_GET_LSIZE(bp) != lsize)
		return (EIO);
	if (c == ZIO_COMPRESS_OFF) {
		if (psize != lsize)
			return (EIO);
		memcpy(buf, payload, psize);
		return (0);
	}
	if (zio_decompress_data(c, payload, buf, psize, lsize, NULL) != 0)
		return (EIO);
	return (0);
}

/* ---- limits (§6.8) ---- */

static const char *
blkptr_fault(const blkptr_t *bp)
{
	if (!DMU_OT_IS_VALID(BP_GET_TYPE(bp)))
		return ("invalid TYPE");
	if (BP_GET_COMPRESS(bp) >= ZIO_COMPRESS_FUNCTIONS)
		return ("invalid COMPRESS");
	if (BP_GET_LSIZE(bp) > SPA_MAXBLOCKSIZE)
		return ("invalid LSIZE");
	if (BP_IS_EMBEDDED(bp)) {
		if (BPE_GET_ETYPE(bp) >= NUM_BP_EMBEDDED_TYPES)
			return ("invalid ETYPE");
		return (BPE_GET_PSIZE(bp) > BPE_PAYLOAD_SIZE ? "invalid PSIZE" : NULL);
	}
	if (BP_IS_HOLE(bp))
		return (NULL);
	if (!DVA_IS_VALID(&bp->blk_dva[0]))
		return ("invalid DVA 0: no ASIZE");
	if (BP_GET_CHECKSUM(bp) >= ZIO_CHECKSUM_FUNCTIONS)
		return ("invalid CHECKSUM");
	if (BP_GET_PSIZE(bp) > SPA_MAXBLOCKSIZE)
		return ("invalid PSIZE");
	return (NULL);
}

int
blkptr_verify_static(const blkptr_t *bp, const char **why)
{
	const char *fault = blkptr_fault(bp);

	if (why != NULL)
		*why = fault;
	return (fault == NULL ? 0 : ECKSUM);
}
