/*
 * BLAKE3 compressions side by side, a template: blake3.c includes this file once
 * per vector width, having defined LANES_NAME (suffix), LANES_N (4 or 8) and
 * LANES_TARGET (attribute naming the instruction set).
 *
 * Lane l of vector v[i] is state word i of input l. The message arrives input by
 * input and is needed word by word: LANES_N loads of LANES_N words each, transposed.
 * Vectors are passed by address only: by value, they would have a calling
 * convention that depends on the instruction set.
 *
 * Deliberately no include guard.
 */
#define vec_t LANES_FN(vec_t)
#define bvec_t LANES_FN(bvec_t)
typedef uint32_t vec_t __attribute__((vector_size(4 * LANES_N)));
typedef uint8_t bvec_t __attribute__((vector_size(4 * LANES_N)));

#define SHUF __builtin_shufflevector
#define ROT4(b, n)                                                                     \
	(b) + (n) % 4, (b) + ((n) + 1) % 4, (b) + ((n) + 2) % 4, (b) + ((n) + 3) % 4
#if LANES_N == 4
#define ROTBYTES(x, n)                                                                 \
	((vec_t)SHUF((bvec_t)(x), (bvec_t)(x), ROT4(0, n), ROT4(4, n), ROT4(8, n),     \
	    ROT4(12, n)))
#else
#define ROTBYTES(x, n)                                                                 \
	((vec_t)SHUF((bvec_t)(x), (bvec_t)(x), ROT4(0, n), ROT4(4, n), ROT4(8, n),     \
	    ROT4(12, n), ROT4(16, n), ROT4(20, n), ROT4(24, n), ROT4(28, n)))
#endif

LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(mix)(vec_t *a, vec_t *b, vec_t *c, vec_t *d, const vec_t *x, const vec_t *y)
{
	*a += *b + *x;
	*d ^= *a;
	*d = ROTBYTES(*d, 2);
	*c += *d;
	*b ^= *c;
	*b = *b >> 12 | *b << 20;
	*a += *b + *y;
	*d ^= *a;
	*d = ROTBYTES(*d, 1);
	*c += *d;
	*b ^= *c;
	*b = *b >> 7 | *b << 25;
}

/*
 * Transpose a square of words in log2(LANES_N) steps: step s exchanges, in every
 * pair of rows r and r + s, the words whose column has bit s.
 */
#if LANES_N == 4
#define LO1 0, 4, 2, 6
#define HI1 1, 5, 3, 7
#define LO2 0, 1, 4, 5
#define HI2 2, 3, 6, 7
#else
#define LO1 0, 8, 2, 10, 4, 12, 6, 14
#define HI1 1, 9, 3, 11, 5, 13, 7, 15
#define LO2 0, 1, 8, 9, 4, 5, 12, 13
#define HI2 2, 3, 10, 11, 6, 7, 14, 15
#define LO4 0, 1, 2, 3, 8, 9, 10, 11
#define HI4 4, 5, 6, 7, 12, 13, 14, 15
#endif
#define EXCHANGE(r, s)                                                                 \
	do {                                                                           \
		const vec_t lo = SHUF(m[r], m[(r) + (s)], LO##s);                      \
		m[(r) + (s)] = SHUF(m[r], m[(r) + (s)], HI##s);                        \
		m[r] = lo;                                                             \
	} while (0)

LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(transpose)(vec_t m[LANES_N])
{
#if LANES_N == 4
	EXCHANGE(0, 1);
	EXCHANGE(2, 1);
	EXCHANGE(0, 2);
	EXCHANGE(1, 2);
#else
	EXCHANGE(0, 1);
	EXCHANGE(2, 1);
	EXCHANGE(4, 1);
	EXCHANGE(6, 1);
	EXCHANGE(0, 2);
	EXCHANGE(1, 2);
	EXCHANGE(4, 2);
	EXCHANGE(5, 2);
	EXCHANGE(0, 4);
	EXCHANGE(1, 4);
	EXCHANGE(2, 4);
	EXCHANGE(3, 4);
#endif
}

/* The 16 message words of LANES_N blocks that lie `stride` bytes apart. */
LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(load)(const uint8_t *p, size_t stride, vec_t m[16])
{
	for (int q = 0; q < 16; q += LANES_N) {
		for (int l = 0; l < LANES_N; l++)
			memcpy(&m[q + l], p + (size_t)l * stride + 4 * (size_t)q,
			    sizeof(vec_t));
		LANES_FN(transpose)(m + q);
	}
}

/* cv = compress(cv, m), every block being full. */
LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(compress)(vec_t cv[8], const vec_t m[16], const vec_t *counter_lo,
    const vec_t *counter_hi, uint32_t flags)
{
	const vec_t zero = {0};
	vec_t v[16];

	for (int i = 0; i < 8; i++)
		v[i] = cv[i];
	for (int i = 0; i < 4; i++)
		v[8 + i] = zero + b3_iv[i];
	v[12] = *counter_lo;
	v[13] = *counter_hi;
	v[14] = zero + B3_BLOCK;
	v[15] = zero + flags;
#pragma GCC unroll 7
	for (int r = 0; r < 7; r++) {
		const uint8_t *const s = b3_schedule[r];
		LANES_FN(mix)(&v[0], &v[4], &v[8], &v[12], &m[s[0]], &m[s[1]]);
		LANES_FN(mix)(&v[1], &v[5], &v[9], &v[13], &m[s[2]], &m[s[3]]);
		LANES_FN(mix)(&v[2], &v[6], &v[10], &v[14], &m[s[4]], &m[s[5]]);
		LANES_FN(mix)(&v[3], &v[7], &v[11], &v[15], &m[s[6]], &m[s[7]]);
		LANES_FN(mix)(&v[0], &v[5], &v[10], &v[15], &m[s[8]], &m[s[9]]);
		LANES_FN(mix)(&v[1], &v[6], &v[11], &v[12], &m[s[10]], &m[s[11]]);
		LANES_FN(mix)(&v[2], &v[7], &v[8], &v[13], &m[s[12]], &m[s[13]]);
		LANES_FN(mix)(&v[3], &v[4], &v[9], &v[14], &m[s[14]], &m[s[15]]);
	}
	for (int i = 0; i < 8; i++)
		cv[i] = v[i] ^ v[i + 8];
}

LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(broadcast)(const b3_cv_t *key, vec_t cv[8])
{
	const vec_t zero = {0};

	for (int i = 0; i < 8; i++)
		cv[i] = zero + key->w[i];
}

/* Turn LANES_N CVs back from word by word to one after the other. */
LANES_TARGET static inline __attribute__((always_inline)) void
LANES_FN(store)(vec_t cv[8], b3_cv_t *out)
{
	for (int q = 0; q < 8; q += LANES_N) {
		LANES_FN(transpose)(cv + q);
		for (int l = 0; l < LANES_N; l++)
			memcpy(&out[l].w[q], &cv[q + l], sizeof(vec_t));
	}
}

/* LANES_N successive whole chunks. */
LANES_TARGET static void
LANES_FN(b3_chunks)(
    const uint8_t *data, const b3_cv_t *key, uint64_t counter, b3_cv_t *out)
{
	vec_t cv[8], m[16], lo, hi;

	for (int l = 0; l < LANES_N; l++) {
		lo[l] = (uint32_t)(counter + (uint64_t)l);
		hi[l] = (uint32_t)((counter + (uint64_t)l) >> 32);
	}
	LANES_FN(broadcast)(key, cv);
	for (size_t pos = 0; pos < B3_CHUNK; pos += B3_BLOCK) {
		uint32_t flags = B3_KEYED;
		if (pos == 0)
			flags |= B3_CHUNK_START;
		if (pos == B3_CHUNK - B3_BLOCK)
			flags |= B3_CHUNK_END;
		LANES_FN(load)(data + pos, B3_CHUNK, m);
		LANES_FN(compress)(cv, m, &lo, &hi, flags);
	}
	LANES_FN(store)(cv, out);
}

/* LANES_N nodes above 2 * LANES_N successive ones; out may be where the input is. */
LANES_TARGET static void
LANES_FN(b3_parents)(const b3_cv_t *cvs, const b3_cv_t *key, b3_cv_t *out)
{
	const vec_t zero = {0};
	vec_t cv[8], m[16];

	LANES_FN(broadcast)(key, cv);
	LANES_FN(load)((const uint8_t *)cvs, B3_BLOCK, m);
	LANES_FN(compress)(cv, m, &zero, &zero, B3_KEYED | B3_PARENT);
	LANES_FN(store)(cv, out);
}

#undef vec_t
#undef bvec_t
#undef SHUF
#undef ROT4
#undef ROTBYTES
#undef LO1
#undef HI1
#undef LO2
#undef HI2
#undef LO4
#undef HI4
#undef EXCHANGE
#undef LANES_N
#undef LANES_NAME
#undef LANES_TARGET
