/*
 * A block pointer as text, in the words of zdb.
 */
#include "ondisk/blkptr.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct text {
	char *t_buf;
	size_t t_size;
	size_t t_len; /* what it would be without the limit */
} text_t;

__attribute__((format(printf, 2, 3))) static void
append(text_t *t, const char *fmt, ...)
{
	const bool room = (t->t_len < t->t_size);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? t->t_buf + t->t_len : NULL,
	    room ? t->t_size - t->t_len : 0, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->t_len += (size_t)n;
}

static const char *
compress_name(enum zio_compress c)
{
	if (c == ZIO_COMPRESS_OFF)
		return ("uncompressed");
	if (c >= ZIO_COMPRESS_FUNCTIONS || zio_compress_name[c] == NULL)
		return ("unknown");
	return (zio_compress_name[c]);
}

static const char *
checksum_name(enum zio_checksum c)
{
	if (c >= ZIO_CHECKSUM_FUNCTIONS || zio_checksum_table[c].ci_name == NULL)
		return ("unknown");
	return (zio_checksum_table[c].ci_name);
}

static const char *
crypt_name(const blkptr_t *bp)
{
	if (BP_IS_ENCRYPTED(bp))
		return ("encrypted");
	if (BP_IS_AUTHENTICATED(bp))
		return ("authenticated");
	if (BP_HAS_INDIRECT_MAC_CKSUM(bp))
		return ("indirect-MAC");
	return ("unencrypted");
}

/* "[L0 DMU objset]"; self-describing types as "bswap metadata zap". */
static void
append_type(text_t *t, const blkptr_t *bp)
{
	const uint64_t ot = BP_GET_TYPE(bp);
	const char *kind = "";

	if ((ot & DMU_OT_NEWTYPE) && DMU_OT_IS_VALID(ot))
		kind = (DMU_OT_IS_METADATA(ot) ? "bswap metadata " : "bswap data ");
	append(t, "[L%d %s%s]", BP_GET_LEVEL(bp), kind, dmu_ot_name(ot));
}

static void
append_block(text_t *t, const blkptr_t *bp)
{
	static const char *const copies[] = {"zero", "single", "double", "triple"};
	const zio_cksum_t *zc = &bp->blk_cksum;

	for (int d = 0; d < BP_GET_NDVAS(bp); d++) {
		const dva_t *dva = &bp->blk_dva[d];
		append(t, "DVA[%d]=<%" PRIu64 ":%" PRIx64 ":%" PRIx64 "> ", d,
		    DVA_GET_VDEV(dva), DVA_GET_OFFSET(dva), DVA_GET_ASIZE(dva));
	}
	if (BP_IS_ENCRYPTED(bp))
		append(t, "salt=%" PRIx64 " iv=%" PRIx64 ":%" PRIx32 " ",
		    bp->blk_dva[2].dva_word[0], bp->blk_dva[2].dva_word[1],
		    BP_GET_IV2(bp));
	append_type(t, bp);
	append(t, " %s %s %s %s %s %s %s", checksum_name(BP_GET_CHECKSUM(bp)),
	    compress_name(BP_GET_COMPRESS(bp)), crypt_name(bp),
	    BP_GET_BYTEORDER(bp) ? "LE" : "BE", BP_IS_GANG(bp) ? "gang" : "contiguous",
	    BP_GET_DEDUP(bp) ? "dedup" : "unique", copies[BP_GET_NDVAS(bp)]);
	append(t, " size=%" PRIx64 "L/%" PRIx64 "P birth=%" PRIu64 "L/%" PRIu64 "P",
	    BP_GET_LSIZE(bp), BP_GET_PSIZE(bp), BP_GET_LOGICAL_BIRTH(bp),
	    BP_GET_PHYSICAL_BIRTH(bp));
	append(t, " fill=%" PRIu64, BP_GET_FILL(bp));
	append(t, " cksum=%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64,
	    zc->zc_word[0], zc->zc_word[1], zc->zc_word[2], zc->zc_word[3]);
}

int
snprintf_blkptr(char *buf, size_t len, const blkptr_t *bp)
{
	text_t t = {buf, len, 0};

	if (bp == NULL) {
		append(&t, "<NULL>");
	} else if (BP_IS_REDACTED(bp)) {
		append(&t, "REDACTED ");
		append_type(&t, bp);
		append(&t, " size=%" PRIx64 "L birth=%" PRIu64 "L", BP_GET_LSIZE(bp),
		    BP_GET_LOGICAL_BIRTH(bp));
	} else if (BP_IS_EMBEDDED(bp)) {
		append(&t, "EMBEDDED ");
		append_type(&t, bp);
		append(&t,
		    " et=%" PRIu64 " %s size=%" PRIx64 "L/%" PRIx64 "P birth=%" PRIu64
		    "L",
		    BPE_GET_ETYPE(bp), compress_name(BP_GET_COMPRESS(bp)),
		    BPE_GET_LSIZE(bp), BPE_GET_PSIZE(bp), BP_GET_LOGICAL_BIRTH(bp));
	} else if (BP_IS_HOLE(bp)) {
		append(&t, "HOLE ");
		append_type(&t, bp);
		append(&t, " size=%" PRIx64 "L birth=%" PRIu64 "L", BP_GET_LSIZE(bp),
		    BP_GET_LOGICAL_BIRTH(bp));
	} else {
		append_block(&t, bp);
	}
	return ((int)t.t_len);
}
