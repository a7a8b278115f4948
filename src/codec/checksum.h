/*
 * Block checksums. Pure functions: no I/O, no locks. Source: format/01 §8.
 * The room's essay is in codec/codec.h.
 */
#ifndef TARN_CODEC_CHECKSUM_H
#define TARN_CODEC_CHECKSUM_H

#include "spl/types.h"

/* Ids as stored in block pointers and properties (format/01 §8.1). */
enum zio_checksum {
	ZIO_CHECKSUM_INHERIT = 0,
	ZIO_CHECKSUM_ON,
	ZIO_CHECKSUM_OFF,
	ZIO_CHECKSUM_LABEL,
	ZIO_CHECKSUM_GANG_HEADER,
	ZIO_CHECKSUM_ZILOG,
	ZIO_CHECKSUM_FLETCHER_2,
	ZIO_CHECKSUM_FLETCHER_4,
	ZIO_CHECKSUM_SHA256,
	ZIO_CHECKSUM_ZILOG2,
	ZIO_CHECKSUM_NOPARITY,
	ZIO_CHECKSUM_SHA512,
	ZIO_CHECKSUM_SKEIN,
	ZIO_CHECKSUM_EDONR,
	ZIO_CHECKSUM_BLAKE3,
	ZIO_CHECKSUM_FUNCTIONS
};

typedef struct zio_cksum {
	uint64_t zc_word[4];
} zio_cksum_t;
#define ZIO_CHECKSUM_EQUAL(a, b)                                                       \
	(0 == (((a).zc_word[0] ^ (b).zc_word[0]) | ((a).zc_word[1] ^ (b).zc_word[1]) | \
		  ((a).zc_word[2] ^ (b).zc_word[2]) |                                  \
		  ((a).zc_word[3] ^ (b).zc_word[3])))

typedef struct zio_cksum_salt {
	uint8_t zcs_bytes[32];
} zio_cksum_salt_t;

#define ZCHECKSUM_METADATA 0x1 /* good enough for metadata */
#define ZCHECKSUM_EMBEDDED 0x2 /* lives in a trailer inside the block */
#define ZCHECKSUM_DEDUP 0x4
#define ZCHECKSUM_SALTED 0x8
#define ZCHECKSUM_NOPWRITE 0x10
typedef struct zio_checksum_info {
	const char *ci_name; /* as the property value: "fletcher4" */
	uint32_t ci_flags;
	const char *ci_feature; /* feature guid needed, or NULL */
} zio_checksum_info_t;
extern const zio_checksum_info_t zio_checksum_table[ZIO_CHECKSUM_FUNCTIONS];

/*
 * Compute the pointer form checksum of `size` bytes (multiple of 4; fletcher2:
 * of 16). byteswap = the block was written in the other byte order (words of
 * fletcher and digest words are read in the block's order, format/01 §8.2).
 * salt is needed for skein, edonr and blake3 only. OFF and NOPARITY give zero.
 * Returns EINVAL for ids that are no pointer form function (0, 1, trailers).
 */
int zio_checksum_compute(enum zio_checksum c, const void *data, size_t size,
    bool byteswap, const zio_cksum_salt_t *salt, zio_cksum_t *out);

/*
 * Trailer form (labels, gang headers, format/01 §2.3 and §7.3): SHA-256 over the
 * region with `verifier` in the place of the checksum; the trailer is its last 40
 * bytes. _put completes the trailer in place, in host order. _verify accepts both
 * orders, *swapped (may be NULL) tells that the region is of the other order; ECKSUM if
 * wrong. The region is unchanged after _verify.
 */
#define ZEC_MAGIC 0x0210da7ab10c7a11ULL
#define ZEC_SIZE 40
void zio_checksum_trailer_put(void *region, size_t size, const zio_cksum_t *verifier);
int zio_checksum_trailer_verify(
    const void *region, size_t size, const zio_cksum_t *verifier, bool *swapped);
/*
 * The same for gang headers of encrypted data (pointer with X = 1, not an object
 * set): words 0, 1 are stored folded, words 2, 3 zero and not compared (§7.3).
 */
void zio_checksum_trailer_put_folded(
    void *region, size_t size, const zio_cksum_t *verifier);
int zio_checksum_trailer_verify_folded(
    const void *region, size_t size, const zio_cksum_t *verifier, bool *swapped);

/*
 * Shorten a checksum as pointers with X = 1 (not of object sets) hold it: dedup-ok
 * functions keep words 0, 1, all others fold words 2, 3 into them (§8.5). Words
 * 2, 3 become 0; the caller puts the MAC there or compares only 0 and 1.
 */
void zio_checksum_fold(enum zio_checksum c, zio_cksum_t *zc);

/*
 * ZIL blocks (format/01 §8.6, format/03 §5.2): c is ZILOG (fletcher2, chain structure
 * in the last 184 bytes) or ZILOG2 (fletcher4, chain structure at the start, its
 * nused, 184..size, must be set; only nused rounded up to 4096 is summed). `size` is
 * the block's psize; verifier = the checksum words of the pointer to the block. _put
 * writes magic and words in host order. EINVAL: c, size or nused impossible. _verify
 * accepts both orders, never writes; ECKSUM for anything wrong in the block (which is
 * how a chain ends), EINVAL only for a wrong c.
 */
int zio_checksum_zil_put(
    enum zio_checksum c, void *block, size_t size, const zio_cksum_t *verifier);
int zio_checksum_zil_verify(enum zio_checksum c, const void *block, size_t size,
    const zio_cksum_t *verifier, bool *swapped);
/*
 * Encrypted ZIL blocks: the sum (over the ciphertext, all four verifier words in
 * place) is stored folded in words 0, 1 and the 16 bytes of `mac` in words 2, 3.
 */
int zio_checksum_zil_put_mac(enum zio_checksum c, void *block, size_t size,
    const zio_cksum_t *verifier, const uint8_t mac[16]);
int zio_checksum_zil_verify_folded(enum zio_checksum c, const void *block, size_t size,
    const zio_cksum_t *verifier, bool *swapped);

/* The single functions, for streams, salts and tests. */
void fletcher_2(const void *data, size_t size, bool byteswap, zio_cksum_t *out);
void fletcher_4(const void *data, size_t size, bool byteswap, zio_cksum_t *out);
/* Continue a running fletcher4 (send streams); start with zero words. */
void fletcher_4_incremental(
    const void *data, size_t size, bool byteswap, zio_cksum_t *zc);
void sha256_digest(const void *data, size_t size, uint8_t out[32]);
void sha512_256_digest(const void *data, size_t size, uint8_t out[32]);
void skein512_256_mac(
    const void *data, size_t size, const uint8_t key[32], uint8_t out[32]);
void edonr512_digest(const void *data, size_t size, uint8_t out[64]);
void blake3_keyed(
    const void *data, size_t size, const uint8_t key[32], uint8_t out[32]);

/* Which fletcher4 implementation is in use ("scalar", "sse2", "avx2" ...); chosen at
 * run time. */
const char *fletcher_4_impl(void);

#endif
