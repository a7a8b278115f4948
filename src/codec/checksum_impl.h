/* Insides shared by the files of the checksum functions and by their tests. */
#ifndef TARN_CODEC_CHECKSUM_IMPL_H
#define TARN_CODEC_CHECKSUM_IMPL_H

#include "codec/checksum.h"
#include "spl/bits.h"

/* Unaligned loads and stores of one byte order; compilers make one instruction of it.
 */
static inline uint64_t
load64_le(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = BSWAP_64(v);
#endif
	return (v);
}

static inline uint64_t
load64_be(const void *p)
{
	return (BSWAP_64(load64_le(p)));
}

static inline uint32_t
load32_le(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = BSWAP_32(v);
#endif
	return (v);
}

static inline void
store64_le(void *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = BSWAP_64(v);
#endif
	memcpy(p, &v, sizeof(v));
}

static inline void
store32_le(void *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = BSWAP_32(v);
#endif
	memcpy(p, &v, sizeof(v));
}

static inline uint64_t
rotl64(uint64_t x, int n)
{
	return (x << n | x >> (-n & 63));
}

static inline uint32_t
rotr32(uint32_t x, int n)
{
	return (x >> n | x << (-n & 31));
}

/* Edon-R-512 of the 128 bytes of `prefix` followed by the data (edonr.c). */
void edonr512_prefixed(
    const uint8_t prefix[128], const void *data, size_t size, uint8_t out[64]);

/* SHA-256 of two pieces of memory, one after the other (dep_crypto.c). */
void sha256_digest2(
    const void *a, size_t alen, const void *b, size_t blen, uint8_t out[32]);

/* Continue a running fletcher2; start with zero words. */
void fletcher_2_incremental(
    const void *data, size_t size, bool byteswap, zio_cksum_t *zc);

/*
 * One way of computing the Fletcher sums. The functions handle whole strides and
 * return the sums of that piece alone, as if nothing had come before it.
 */
typedef void fletcher_func_t(const uint8_t *data, size_t strides, zio_cksum_t *out);
typedef struct fletcher_ops {
	const char *fo_name;
	size_t fo_stride_2; /* bytes per stride of fletcher2 */
	size_t fo_stride_4; /* bytes per stride of fletcher4 */
	fletcher_func_t *fo_2_native;
	fletcher_func_t *fo_2_swap;
	fletcher_func_t *fo_4_native;
	fletcher_func_t *fo_4_swap;
	bool (*fo_supported)(void);
} fletcher_ops_t;

/* All implementations, slowest (the definition) first, ending with a NULL name. */
extern const fletcher_ops_t fletcher_all_ops[];
void fletcher_2_with(const fletcher_ops_t *ops, const void *data, size_t size,
    bool byteswap, zio_cksum_t *zc);
void fletcher_4_with(const fletcher_ops_t *ops, const void *data, size_t size,
    bool byteswap, zio_cksum_t *zc);

/*
 * BLAKE3 with at most `lanes` (1, 4, 8) chunks side by side; more lanes than the
 * processor can do are reduced to what it can.
 */
void blake3_keyed_lanes(
    const void *data, size_t size, const uint8_t key[32], int lanes, uint8_t out[32]);

#endif
