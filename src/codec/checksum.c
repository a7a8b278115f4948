/*
 * Dispatch by checksum id, and the two things that the format puts around the
 * functions: in which byte order a digest becomes four words (format/01 §8.2), and
 * checksums that live inside the region they protect (trailers, §2.3, §7.3, §8.6).
 *
 * A trailer is computed with a verifier in its own place. The verifier says where
 * the region belongs (offset, or who points to it), so that a region which is
 * intact but stands in the wrong place does not verify. Verification never writes
 * into the region: other threads may be reading the same buffer.
 */
#include "codec/checksum_impl.h"
#include "spl/debug.h"

#define ZEC_WORDS_SIZE 32 /* the checksum part of a trailer */

/* ZIL blocks, format/03 §5.2. */
#define ZIL_HDR_SIZE 184
#define ZIL_NUSED_OFF 136
#define ZIL_MAGIC_OFF 144
#define ZIL_WORDS_OFF 152
#define ZIL_SLIM_UNIT 4096

const zio_checksum_info_t zio_checksum_table[ZIO_CHECKSUM_FUNCTIONS] = {
    [ZIO_CHECKSUM_INHERIT] = {"inherit", 0, NULL},
    [ZIO_CHECKSUM_ON] = {"on", 0, NULL},
    [ZIO_CHECKSUM_OFF] = {"off", 0, NULL},
    [ZIO_CHECKSUM_LABEL] = {"label", ZCHECKSUM_METADATA | ZCHECKSUM_EMBEDDED, NULL},
    [ZIO_CHECKSUM_GANG_HEADER] = {"gang_header",
	ZCHECKSUM_METADATA | ZCHECKSUM_EMBEDDED, NULL},
    [ZIO_CHECKSUM_ZILOG] = {"zilog", ZCHECKSUM_EMBEDDED, NULL},
    [ZIO_CHECKSUM_FLETCHER_2] = {"fletcher2", 0, NULL},
    [ZIO_CHECKSUM_FLETCHER_4] = {"fletcher4", ZCHECKSUM_METADATA, NULL},
    [ZIO_CHECKSUM_SHA256] = {"sha256",
	ZCHECKSUM_METADATA | ZCHECKSUM_DEDUP | ZCHECKSUM_NOPWRITE, NULL},
    [ZIO_CHECKSUM_ZILOG2] = {"zilog2", ZCHECKSUM_EMBEDDED, NULL},
    [ZIO_CHECKSUM_NOPARITY] = {"noparity", 0, NULL},
    [ZIO_CHECKSUM_SHA512] = {"sha512",
	ZCHECKSUM_METADATA | ZCHECKSUM_DEDUP | ZCHECKSUM_NOPWRITE,
	"org.illumos:sha512"},
    [ZIO_CHECKSUM_SKEIN] = {"skein",
	ZCHECKSUM_METADATA | ZCHECKSUM_DEDUP | ZCHECKSUM_SALTED | ZCHECKSUM_NOPWRITE,
	"org.illumos:skein"},
    [ZIO_CHECKSUM_EDONR] = {"edonr",
	ZCHECKSUM_METADATA | ZCHECKSUM_SALTED | ZCHECKSUM_NOPWRITE,
	"org.illumos:edonr"},
    [ZIO_CHECKSUM_BLAKE3] = {"blake3",
	ZCHECKSUM_METADATA | ZCHECKSUM_DEDUP | ZCHECKSUM_SALTED | ZCHECKSUM_NOPWRITE,
	"org.openzfs:blake3"},
};

/* SHA-256 digests are four big-endian numbers whoever wrote the block. */
static void
words_from_be(const uint8_t digest[32], zio_cksum_t *out)
{
	for (int i = 0; i < 4; i++)
		out->zc_word[i] = load64_be(digest + 8 * i);
}

/* All later digests are copied: they are numbers of the block's own byte order. */
static void
words_from_block_order(const uint8_t digest[32], bool byteswap, zio_cksum_t *out)
{
	memcpy(out, digest, sizeof(*out));
	for (int i = 0; byteswap && i < 4; i++)
		out->zc_word[i] = BSWAP_64(out->zc_word[i]);
}

/*
 * Edon-R is not a MAC; the salt goes in as a first block K = H(S) || H(H(S)), and
 * the digest is cut to 32 bytes (format/01 §8.3).
 */
static void
edonr_salted(
    const void *data, size_t size, const zio_cksum_salt_t *salt, uint8_t out[32])
{
	uint8_t prefix[128], full[64];

	edonr512_digest(salt->zcs_bytes, sizeof(salt->zcs_bytes), prefix);
	edonr512_digest(prefix, 64, prefix + 64);
	edonr512_prefixed(prefix, data, size, full);
	memcpy(out, full, 32);
}

int
zio_checksum_compute(enum zio_checksum c, const void *data, size_t size, bool byteswap,
    const zio_cksum_salt_t *salt, zio_cksum_t *out)
{
	uint8_t digest[32];

	switch (c) {
	case ZIO_CHECKSUM_OFF:
	case ZIO_CHECKSUM_NOPARITY:
		memset(out, 0, sizeof(*out));
		return (0);
	case ZIO_CHECKSUM_FLETCHER_2:
		fletcher_2(data, size, byteswap, out);
		return (0);
	case ZIO_CHECKSUM_FLETCHER_4:
		fletcher_4(data, size, byteswap, out);
		return (0);
	case ZIO_CHECKSUM_SHA256:
		sha256_digest(data, size, digest);
		words_from_be(digest, out);
		return (0);
	case ZIO_CHECKSUM_SHA512:
		sha512_256_digest(data, size, digest);
		break;
	case ZIO_CHECKSUM_SKEIN:
		ASSERT(salt != NULL);
		skein512_256_mac(data, size, salt->zcs_bytes, digest);
		break;
	case ZIO_CHECKSUM_EDONR:
		ASSERT(salt != NULL);
		edonr_salted(data, size, salt, digest);
		break;
	case ZIO_CHECKSUM_BLAKE3:
		ASSERT(salt != NULL);
		blake3_keyed(data, size, salt->zcs_bytes, digest);
		break;
	default:
		return (EINVAL);
	}
	words_from_block_order(digest, byteswap, out);
	return (0);
}

void
zio_checksum_fold(enum zio_checksum c, zio_cksum_t *zc)
{
	const bool strong = (unsigned)c < ZIO_CHECKSUM_FUNCTIONS &&
			    (zio_checksum_table[c].ci_flags & ZCHECKSUM_DEDUP) != 0;

	if (!strong) {
		zc->zc_word[0] ^= zc->zc_word[2];
		zc->zc_word[1] ^= zc->zc_word[3];
	}
	zc->zc_word[2] = zc->zc_word[3] = 0;
}

/* A word as it is stored in a region of the given order. */
static uint64_t
region_word(const uint8_t *p, bool swapped)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (swapped ? BSWAP_64(v) : v);
}

/* Which order does the magic announce? false: neither. */
static bool
trailer_order(const uint8_t *magic, bool *swapped)
{
	const uint64_t v = region_word(magic, false);

	*swapped = (v == BSWAP_64(ZEC_MAGIC));
	return (*swapped || v == ZEC_MAGIC);
}

static void
verifier_bytes(const zio_cksum_t *verifier, bool swapped, uint8_t out[ZEC_WORDS_SIZE])
{
	zio_cksum_t v = *verifier;

	for (int i = 0; swapped && i < 4; i++)
		v.zc_word[i] = BSWAP_64(v.zc_word[i]);
	memcpy(out, &v, sizeof(v));
}

/* Compare the first `nwords` words with those stored at p. */
static int
words_compare(const zio_cksum_t *zc, const uint8_t *p, bool swapped, int nwords)
{
	for (int i = 0; i < nwords; i++)
		if (region_word(p + 8 * i, swapped) != zc->zc_word[i])
			return (ECKSUM);
	return (0);
}

/* SHA-256 over the region with the verifier where the stored words are. */
static void
trailer_compute(const uint8_t *region, size_t size, const zio_cksum_t *verifier,
    bool swapped, zio_cksum_t *out)
{
	uint8_t vbytes[ZEC_WORDS_SIZE], digest[32];

	verifier_bytes(verifier, swapped, vbytes);
	sha256_digest2(region, size - ZEC_WORDS_SIZE, vbytes, sizeof(vbytes), digest);
	words_from_be(digest, out);
}

static void
trailer_put(void *region, size_t size, const zio_cksum_t *verifier, bool fold)
{
	uint8_t *const trailer = (uint8_t *)region + size - ZEC_SIZE;
	const uint64_t magic = ZEC_MAGIC;
	zio_cksum_t zc;

	ASSERT3U(size, >=, ZEC_SIZE);
	memcpy(trailer, &magic, sizeof(magic));
	trailer_compute(region, size, verifier, false, &zc);
	if (fold)
		zio_checksum_fold(ZIO_CHECKSUM_GANG_HEADER, &zc);
	memcpy(trailer + 8, &zc, sizeof(zc));
}

static int
trailer_verify(const void *region, size_t size, const zio_cksum_t *verifier,
    bool *swappedp, bool fold)
{
	const uint8_t *const trailer = (const uint8_t *)region + size - ZEC_SIZE;
	zio_cksum_t zc;
	bool swapped;

	if (size < ZEC_SIZE || !trailer_order(trailer, &swapped))
		return (ECKSUM);
	trailer_compute(region, size, verifier, swapped, &zc);
	if (fold)
		zio_checksum_fold(ZIO_CHECKSUM_GANG_HEADER, &zc);
	if (words_compare(&zc, trailer + 8, swapped, fold ? 2 : 4) != 0)
		return (ECKSUM);
	if (swappedp != NULL)
		*swappedp = swapped;
	return (0);
}

void
zio_checksum_trailer_put(void *region, size_t size, const zio_cksum_t *verifier)
{
	trailer_put(region, size, verifier, false);
}

int
zio_checksum_trailer_verify(
    const void *region, size_t size, const zio_cksum_t *verifier, bool *swapped)
{
	return (trailer_verify(region, size, verifier, swapped, false));
}

void
zio_checksum_trailer_put_folded(void *region, size_t size, const zio_cksum_t *verifier)
{
	trailer_put(region, size, verifier, true);
}

int
zio_checksum_trailer_verify_folded(
    const void *region, size_t size, const zio_cksum_t *verifier, bool *swapped)
{
	return (trailer_verify(region, size, verifier, swapped, true));
}

/*
 * Where the chain structure stands in a ZIL block, and how many bytes from the
 * start of the block are summed: zilog (old) has it at the end and sums all,
 * zilog2 (slim) has it at the start and sums what is used, in units of 4096.
 */
static int
zil_geometry(enum zio_checksum c, const uint8_t *block, size_t size, bool swapped,
    size_t *hdr, size_t *summed)
{
	if (size < ZIL_HDR_SIZE || size % 16 != 0)
		return (EINVAL);
	if (c == ZIO_CHECKSUM_ZILOG) {
		*hdr = size - ZIL_HDR_SIZE;
		*summed = size;
		return (0);
	}
	if (c != ZIO_CHECKSUM_ZILOG2)
		return (EINVAL);
	const uint64_t nused = region_word(block + ZIL_NUSED_OFF, swapped);
	if (nused < ZIL_HDR_SIZE || nused > size)
		return (EINVAL);
	const uint64_t n = P2ROUNDUP(nused, ZIL_SLIM_UNIT);
	if (n > size)
		return (EINVAL);
	*hdr = 0;
	*summed = (size_t)n;
	return (0);
}

/* The sum over block[0..summed) with the verifier in the place of the words. */
static void
zil_compute(enum zio_checksum c, const uint8_t *block, size_t hdr, size_t summed,
    const zio_cksum_t *verifier, bool swapped, zio_cksum_t *zc)
{
	const size_t words = hdr + ZIL_WORDS_OFF;
	const size_t after = words + ZEC_WORDS_SIZE;
	uint8_t vbytes[ZEC_WORDS_SIZE];
	void (*const sum)(const void *, size_t, bool, zio_cksum_t *) =
	    (c == ZIO_CHECKSUM_ZILOG ? fletcher_2_incremental : fletcher_4_incremental);

	verifier_bytes(verifier, swapped, vbytes);
	memset(zc, 0, sizeof(*zc));
	sum(block, words, swapped, zc);
	sum(vbytes, sizeof(vbytes), swapped, zc);
	sum(block + after, summed - after, swapped, zc);
}

static int
zil_put(enum zio_checksum c, void *block, size_t size, const zio_cksum_t *verifier,
    const uint8_t *mac)
{
	const uint64_t magic = ZEC_MAGIC;
	uint8_t *const p = block;
	size_t hdr, summed;
	zio_cksum_t zc;

	const int error = zil_geometry(c, p, size, false, &hdr, &summed);
	if (error != 0)
		return (error);
	memcpy(p + hdr + ZIL_MAGIC_OFF, &magic, sizeof(magic));
	zil_compute(c, p, hdr, summed, verifier, false, &zc);
	if (mac != NULL) {
		zio_checksum_fold(c, &zc);
		memcpy(&zc.zc_word[2], mac, 16);
	}
	memcpy(p + hdr + ZIL_WORDS_OFF, &zc, sizeof(zc));
	return (0);
}

static int
zil_verify(enum zio_checksum c, const void *block, size_t size,
    const zio_cksum_t *verifier, bool *swappedp, bool fold)
{
	const uint8_t *const p = block;
	size_t hdr, summed;
	bool swapped;
	zio_cksum_t zc;

	if (c != ZIO_CHECKSUM_ZILOG && c != ZIO_CHECKSUM_ZILOG2)
		return (EINVAL);
	if (size < ZIL_HDR_SIZE)
		return (ECKSUM);
	hdr = (c == ZIO_CHECKSUM_ZILOG ? size - ZIL_HDR_SIZE : 0);
	if (!trailer_order(p + hdr + ZIL_MAGIC_OFF, &swapped) ||
	    zil_geometry(c, p, size, swapped, &hdr, &summed) != 0)
		return (ECKSUM);
	zil_compute(c, p, hdr, summed, verifier, swapped, &zc);
	if (fold)
		zio_checksum_fold(c, &zc);
	if (words_compare(&zc, p + hdr + ZIL_WORDS_OFF, swapped, fold ? 2 : 4) != 0)
		return (ECKSUM);
	if (swappedp != NULL)
		*swappedp = swapped;
	return (0);
}

int
zio_checksum_zil_put(
    enum zio_checksum c, void *block, size_t size, const zio_cksum_t *verifier)
{
	return (zil_put(c, block, size, verifier, NULL));
}

int
zio_checksum_zil_verify(enum zio_checksum c, const void *block, size_t size,
    const zio_cksum_t *verifier, bool *swapped)
{
	return (zil_verify(c, block, size, verifier, swapped, false));
}

int
zio_checksum_zil_put_mac(enum zio_checksum c, void *block, size_t size,
    const zio_cksum_t *verifier, const uint8_t mac[16])
{
	return (zil_put(c, block, size, verifier, mac));
}

int
zio_checksum_zil_verify_folded(enum zio_checksum c, const void *block, size_t size,
    const zio_cksum_t *verifier, bool *swapped)
{
	return (zil_verify(c, block, size, verifier, swapped, true));
}
