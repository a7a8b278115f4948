/*
 * The lane loops of fletcher2 and fletcher4, a template: fletcher.c includes this
 * file once per instruction set, having defined
 *   LANES_NAME    suffix of the functions
 *   LANES_TARGET  attribute naming the instruction set, may be empty
 *   LANES_BYTES   width of the vector of 64-bit sums: 16, 32 or 64
 * and gets fletcher_{2,4}_{native,swap}_<name>, one stride being one vector of data
 * words: LANES_BYTES of fletcher2 data, half of that for fletcher4.
 *
 * Deliberately no include guard.
 */
#define LANES_N (LANES_BYTES / 8)
#define sums_t LANES_FN(sums_t)
#define bytes_t LANES_FN(bytes_t)
#define half_t LANES_FN(half_t)
#define half_bytes_t LANES_FN(half_bytes_t)

typedef uint64_t sums_t __attribute__((vector_size(LANES_BYTES)));
typedef uint8_t bytes_t __attribute__((vector_size(LANES_BYTES)));
typedef uint32_t half_t __attribute__((vector_size(LANES_BYTES / 2)));
typedef uint8_t half_bytes_t __attribute__((vector_size(LANES_BYTES / 2)));

/* Reverse every group of 8 or 4 bytes of a vector. */
#define R8(b) b + 7, b + 6, b + 5, b + 4, b + 3, b + 2, b + 1, b
#define R4(b) b + 3, b + 2, b + 1, b
#if LANES_BYTES == 16
#define SWAP8(v) __builtin_shufflevector(v, v, R8(0), R8(8))
#define SWAP4(v) __builtin_shufflevector(v, v, R4(0), R4(4))
#elif LANES_BYTES == 32
#define SWAP8(v) __builtin_shufflevector(v, v, R8(0), R8(8), R8(16), R8(24))
#define SWAP4(v) __builtin_shufflevector(v, v, R4(0), R4(4), R4(8), R4(12))
#else
#define SWAP8(v)                                                                       \
	__builtin_shufflevector(                                                       \
	    v, v, R8(0), R8(8), R8(16), R8(24), R8(32), R8(40), R8(48), R8(56))
#define SWAP4(v)                                                                       \
	__builtin_shufflevector(                                                       \
	    v, v, R4(0), R4(4), R4(8), R4(12), R4(16), R4(20), R4(24), R4(28))
#endif

LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(lanes_2)(const uint8_t *p, size_t strides, bool swap, zio_cksum_t *out)
{
	sums_t a = {0}, b = {0};

	for (const uint8_t *const end = p + strides * LANES_BYTES; p < end;
	     p += LANES_BYTES) {
		bytes_t raw;
		memcpy(&raw, p, sizeof(raw));
		if (swap)
			raw = SWAP8(raw);
		a += (sums_t)raw;
		b += a;
	}
	/* Even lanes hold x, odd ones y; lane pair i of n has the distance n t - i. */
	memset(out, 0, sizeof(*out));
	for (uint64_t k = 0; k < LANES_N; k++) {
		out->zc_word[k % 2] += a[k];
		out->zc_word[2 + k % 2] += LANES_N / 2 * b[k] - k / 2 * a[k];
	}
}

LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(lanes_4)(const uint8_t *p, size_t strides, bool swap, zio_cksum_t *out)
{
	sums_t a = {0}, b = {0}, c = {0}, d = {0};

	for (const uint8_t *const end = p + strides * (LANES_BYTES / 2); p < end;
	     p += LANES_BYTES / 2) {
		half_bytes_t raw;
		memcpy(&raw, p, sizeof(raw));
		if (swap)
			raw = SWAP4(raw);
		a += __builtin_convertvector((half_t)raw, sums_t);
		b += a;
		c += b;
		d += c;
	}
	memset(out, 0, sizeof(*out));
	/* Unrolled, the coefficients are constants. */
#pragma GCC unroll 8
	for (uint64_t i = 0; i < LANES_N; i++) {
		const uint64_t lane[4] = {a[i], b[i], c[i], d[i]};
		lane_fold(out, LANES_N, i, lane);
	}
}

LANES_TARGET static void
LANES_FN(fletcher_2_native)(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	LANES_FN(lanes_2)(p, strides, false, out);
}

LANES_TARGET static void
LANES_FN(fletcher_2_swap)(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	LANES_FN(lanes_2)(p, strides, true, out);
}

LANES_TARGET static void
LANES_FN(fletcher_4_native)(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	LANES_FN(lanes_4)(p, strides, false, out);
}

LANES_TARGET static void
LANES_FN(fletcher_4_swap)(const uint8_t *p, size_t strides, zio_cksum_t *out)
{
	LANES_FN(lanes_4)(p, strides, true, out);
}

#undef R8
#undef R4
#undef SWAP8
#undef SWAP4
#undef LANES_N
#undef sums_t
#undef bytes_t
#undef half_t
#undef half_bytes_t
#undef LANES_NAME
#undef LANES_TARGET
#undef LANES_BYTES
