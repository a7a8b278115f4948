/* Powers of two, rounding, byte swapping. Pure arithmetic. */
#ifndef TARN_SPL_BITS_H
#define TARN_SPL_BITS_H

#include "spl/types.h"

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) < (b) ? (b) : (a))
#endif
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define ISP2(x) (((x) & ((x)-1)) == 0)                /* also true for 0 */
#define P2ALIGN(x, a) ((x) & -(uint64_t)(a))          /* round down, a = 2^n */
#define P2ROUNDUP(x, a) (-(-(uint64_t)(x) & -(uint64_t)(a)))
#define P2PHASE(x, a) ((x) & ((uint64_t)(a)-1))       /* x mod a */
#define IS_P2ALIGNED(x, a) ((((uint64_t)(x)) & ((uint64_t)(a)-1)) == 0)
#define howmany(x, y) (((x) + ((y)-1)) / (y))
#define roundup(x, y) (howmany(x, y) * (y))

/* Number of the highest set bit, counted from 1; 0 for 0. highbit64(1)=1, (512)=10. */
static inline int
highbit64(uint64_t x)
{
	return (x == 0 ? 0 : 64 - __builtin_clzll(x));
}

/* Number of the lowest set bit, counted from 1; 0 for 0. */
static inline int
lowbit64(uint64_t x)
{
	return (__builtin_ffsll((long long)x));
}

#define BSWAP_16(x) __builtin_bswap16(x)
#define BSWAP_32(x) __builtin_bswap32(x)
#define BSWAP_64(x) __builtin_bswap64(x)

/* Bit fields of a 64-bit word: `len` bits from bit `low`. */
static inline uint64_t
bf64_get(uint64_t x, int low, int len)
{
	return ((x >> low) & (len == 64 ? ~0ULL : (1ULL << len) - 1));
}

static inline uint64_t
bf64_set(uint64_t x, int low, int len, uint64_t v)
{
	const uint64_t mask = (len == 64 ? ~0ULL : (1ULL << len) - 1) << low;
	return ((x & ~mask) | ((v << low) & mask));
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ZFS_HOST_BYTEORDER 1 /* value of a block pointer's byte order bit */
#else
#define ZFS_HOST_BYTEORDER 0
#endif

#endif
