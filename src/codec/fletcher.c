/*
 * fletcher2 and fletcher4 (format/01 §8.3): running sums, sums of the sums, and so
 * on. The checksum of most blocks of most pools.
 *
 * The definition is a chain of dependent additions, one word per cycle at best. To do
 * better, deal the words like cards to L lanes of a vector, let every lane compute
 * the sums of its own words, and combine the lanes at the end. (Lanes of ordinary
 * registers gain nothing: four additions per word already fill them.)
 *
 * Word number j of N contributes to the sums with binomial weights of its distance
 * x = N - j from the end:   a: 1   b: x   c: x(x+1)/2   d: x(x+1)(x+2)/6.
 * Lane i holds the words j = kL + i; with t = (words per lane) - k, the lane's own
 * distance, x = Lt - i. Writing the weights of x in the weights of t gives each sum
 * as a combination of the lane's sums with small integer coefficients (lane_fold
 * below). All of it is arithmetic modulo 2^64, so overflow needs no care and the
 * result is equal to the definition's, always.
 *
 * The lane loops are in fletcher_lanes.h, written with the compiler's vectors and
 * compiled once per instruction set. Which one runs is decided once per process.
 */
#include <pthread.h>
#include "codec/checksum_impl.h"
#include "spl/debug.h"

#if defined(__x86_64__)
#define FLETCHER_X86 1
#elif defined(__aarch64__)
#define FLETCHER_NEON 1
#endif

/*
 * Data is summed in pieces of this size, which keeps the products of lengths in
 * fletcher_4_append() below 2^64. A multiple of all strides.
 */
#define FLETCHER_PIECE (256 * 1024)

/* ------------------------------------------------------------- the definition */

static inline uint64_t
word64(const uint8_t *p, bool swap)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (swap ? BSWAP_64(v) : v);
}

static inline uint32_t
word32(const uint8_t *p, bool swap)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (swap ? BSWAP_32(v) : v);
}

static inline __attribute__((always_inline)) void
scalar_2(const uint8_t *p, size_t strides, bool swap, zio_cksum_t *out)
{
	uint64_t a0 = 0, a1 = 0, b0 = 0, b1 = 0;

	for (const uint8_t *const end = p + strides * 16; p < end; p += 16) {
		a0 += word64(p, swap);
		a1 += word64(p + 8, swap);
		b0 += a0;
		b1 += a1;
	}
	*out = (zio_cksum_t){{a0, a1, b0, b1}};
}

static inline __attribute__((always_inline)) void
scalar_4(const uint8_t *p, size_t strides, bool swap, zio_cksum_t *out)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;

	for (const uint8_t *const end = p + strides * 4; p < end; p += 4) {
		a += word32(p, swap);
		b += a;
		c += b;
		d += c;
	}
	*out = (zio_cksum_t){{a, b, c, d}};
}

static void
fletcher_2_native_scalar(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	scalar_2(p, strides, false, out);
}

static void
fletcher_2_swap_scalar(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	scalar_2(p, strides, true, out);
}

static void
fletcher_4_native_scalar(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	scalar_4(p, strides, false, out);
}

static void
fletcher_4_swap_scalar(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	scalar_4(p, strides, true, out);
}

/* --------------------------------------------------------------------- lanes */

/*
 * Add lane i of n to the sums of a whole piece. lane = {a, b, c, d} of the words
 * i, n + i, 2n + i ... With C = t(t+1)/2, D = t(t+1)(t+2)/6 and x = nt - i:
 *   x            = n t - i
 *   x(x+1)/2     = n^2 C - (n(n-1)/2 + n i) t + i(i-1)/2
 *   x(x+1)(x+2)/6 = n^3 D - n^2 (n - 1 + i) C
 *                 + (n^3 + 3n^2(i-1) + 3n i^2 - 6n i + 2n)/6 t - i(i-1)(i-2)/6
 */
static inline __attribute__((always_inline)) void
lane_fold(zio_cksum_t *zc, uint64_t n, uint64_t i, const uint64_t lane[4])
{
	const uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
	/* i = 0 makes intermediate terms negative, never the results: signed here. */
	const int64_t sn = (int64_t)n, si = (int64_t)i;
	const uint64_t c_b = (uint64_t)(sn * (sn - 1) / 2 + sn * si);
	const uint64_t c_a = (uint64_t)(si * (si - 1) / 2);
	const uint64_t d_c = (uint64_t)(sn * sn * (sn - 1 + si));
	const uint64_t d_b = (uint64_t)((sn * sn * sn + 3 * sn * sn * (si - 1) +
					    3 * sn * si * si - 6 * sn * si + 2 * sn) /
					6);
	const uint64_t d_a = (uint64_t)(si * (si - 1) * (si - 2) / 6);

	zc->zc_word[0] += a;
	zc->zc_word[1] += n * b - i * a;
	zc->zc_word[2] += n * n * c - c_b * b + c_a * a;
	zc->zc_word[3] += n * n * n * d - d_c * c + d_b * b - d_a * a;
}

#define LANES_PASTE_(a, b) a##b
#define LANES_PASTE(a, b) LANES_PASTE_(a, b)
#define LANES_FN(name) LANES_PASTE(name##_, LANES_NAME)

#if defined(FLETCHER_X86)
#define LANES_NAME ssse3
#define LANES_TARGET __attribute__((target("ssse3,sse4.1")))
#define LANES_BYTES 16
#include "codec/fletcher_lanes.h"

#define LANES_NAME avx2
#define LANES_TARGET __attribute__((target("avx2")))
#define LANES_BYTES 32
#include "codec/fletcher_lanes.h"

#define LANES_NAME avx512
#define LANES_TARGET __attribute__((target("avx512f,avx512bw")))
#define LANES_BYTES 64
#include "codec/fletcher_lanes.h"

static bool
have_ssse3(void)
{
	return (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1"));
}

static bool
have_avx2(void)
{
	return (__builtin_cpu_supports("avx2"));
}

static bool
have_avx512(void)
{
	return (
	    __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"));
}
#endif

#if defined(FLETCHER_NEON)
#define LANES_NAME neon
#define LANES_TARGET
#define LANES_BYTES 16
#include "codec/fletcher_lanes.h"
#endif

static bool
have_always(void)
{
	return (true);
}

#define OPS(name, stride2, stride4, have)                                              \
	{                                                                              \
#name, stride2, stride4, fletcher_2_native_##name,                     \
		    fletcher_2_swap_##name, fletcher_4_native_##name,                  \
		    fletcher_4_swap_##name, have                                       \
	}

const fletcher_ops_t fletcher_all_ops[] = {
    OPS(scalar, 16, 4, have_always),
#if defined(FLETCHER_X86)
    OPS(ssse3, 16, 8, have_ssse3),
    OPS(avx2, 32, 16, have_avx2),
    OPS(avx512, 64, 32, have_avx512),
#elif defined(FLETCHER_NEON)
    OPS(neon, 16, 8, have_always),
#endif
    {NULL, 0, 0, NULL, NULL, NULL, NULL, NULL},
};

static pthread_once_t fletcher_once = PTHREAD_ONCE_INIT;
static const fletcher_ops_t *fletcher_best;

static void
fletcher_choose(void)
{
#if defined(FLETCHER_X86)
	__builtin_cpu_init();
#endif
	for (const fletcher_ops_t *ops = fletcher_all_ops; ops->fo_name != NULL; ops++)
		if (ops->fo_supported())
			fletcher_best = ops;
}

static const fletcher_ops_t *
fletcher_ops(void)
{
	pthread_once(&fletcher_once, fletcher_choose);
	return (fletcher_best);
}

/* ---------------------------------------------------------- pieces, in a row */

/* Let the piece `add` of n pairs follow what zc has summed so far. */
static void
fletcher_2_append(zio_cksum_t *zc, const zio_cksum_t *add, uint64_t n)
{
	zc->zc_word[2] += n * zc->zc_word[0] + add->zc_word[2];
	zc->zc_word[3] += n * zc->zc_word[1] + add->zc_word[3];
	zc->zc_word[0] += add->zc_word[0];
	zc->zc_word[1] += add->zc_word[1];
}

/* The same for n words of fletcher4; n^3 must stay below 2^64. */
static void
fletcher_4_append(zio_cksum_t *zc, const zio_cksum_t *add, uint64_t n)
{
	const uint64_t n2 = n * (n + 1) / 2;
	const uint64_t n3 = n * (n + 1) * (n + 2) / 6;
	const zio_cksum_t o = *zc;

	zc->zc_word[0] += add->zc_word[0];
	zc->zc_word[1] += add->zc_word[1] + n * o.zc_word[0];
	zc->zc_word[2] += add->zc_word[2] + n * o.zc_word[1] + n2 * o.zc_word[0];
	zc->zc_word[3] +=
	    add->zc_word[3] + n * o.zc_word[2] + n2 * o.zc_word[1] + n3 * o.zc_word[0];
}

void
fletcher_2_with(const fletcher_ops_t *ops, const void *data, size_t size, bool byteswap,
    zio_cksum_t *zc)
{
	fletcher_func_t *const func = byteswap ? ops->fo_2_swap : ops->fo_2_native;
	const uint8_t *p = data;
	zio_cksum_t part;

	ASSERT0(size % 16);
	for (size_t len; size > 0; p += len, size -= len) {
		len = MIN(size, (size_t)FLETCHER_PIECE);
		len -= len % ops->fo_stride_2;
		if (len == 0)
			break;
		func(p, len / ops->fo_stride_2, &part);
		fletcher_2_append(zc, &part, len / 16);
	}
	if (size > 0) {
		scalar_2(p, size / 16, byteswap, &part);
		fletcher_2_append(zc, &part, size / 16);
	}
}

void
fletcher_4_with(const fletcher_ops_t *ops, const void *data, size_t size, bool byteswap,
    zio_cksum_t *zc)
{
	fletcher_func_t *const func = byteswap ? ops->fo_4_swap : ops->fo_4_native;
	const uint8_t *p = data;
	zio_cksum_t part;

	ASSERT0(size % 4);
	for (size_t len; size > 0; p += len, size -= len) {
		len = MIN(size, (size_t)FLETCHER_PIECE);
		len -= len % ops->fo_stride_4;
		if (len == 0)
			break;
		func(p, len / ops->fo_stride_4, &part);
		fletcher_4_append(zc, &part, len / 4);
	}
	if (size > 0) {
		scalar_4(p, size / 4, byteswap, &part);
		fletcher_4_append(zc, &part, size / 4);
	}
}

/* -------------------------------------------------------------------- public */

void
fletcher_2_incremental(const void *data, size_t size, bool byteswap, zio_cksum_t *zc)
{
	fletcher_2_with(fletcher_ops(), data, size, byteswap, zc);
}

void
fletcher_4_incremental(const void *data, size_t size, bool byteswap, zio_cksum_t *zc)
{
	fletcher_4_with(fletcher_ops(), data, size, byteswap, zc);
}

void
fletcher_2(const void *data, size_t size, bool byteswap, zio_cksum_t *out)
{
	memset(out, 0, sizeof(*out));
	fletcher_2_with(fletcher_ops(), data, size, byteswap, out);
}

void
fletcher_4(const void *data, size_t size, bool byteswap, zio_cksum_t *out)
{
	memset(out, 0, sizeof(*out));
	fletcher_4_with(fletcher_ops(), data, size, byteswap, out);
}

const char *
fletcher_4_impl(void)
{
	return (fletcher_ops()->fo_name);
}
