/*
 * BLAKE3 in keyed mode with 32 bytes of output (BLAKE3 specification, 2020;
 * format/01 §8.3).
 *
 * The message is cut into chunks of 1024 bytes. A chunk is a chain of up to 16
 * compressions of 64 bytes and gives a chaining value (CV) of 32 bytes; CVs are
 * joined in pairs by a compression each, in the binary tree whose left subtrees
 * hold the largest power of two of chunks that leaves the right one non-empty.
 *
 * All chunks are independent, and so are all nodes of one level of the tree; that
 * is the point of the design. blake3_lanes.h computes 4 or 8 of them side by side,
 * one per lane of a vector; what is left over goes one by one. Joining neighbours
 * level by level, an odd last one moving up unchanged, gives exactly the tree
 * wanted. Subtrees of 128 chunks are done like this on the stack (4 KiB of CVs),
 * larger ones by recursion over halves, at most 54 deep.
 *
 * Only the last compression differs (flag ROOT): subtrees are computed up to the pair
 * below their top, and the top by whoever knows what it is.
 */
#include <pthread.h>
#include "codec/checksum_impl.h"
#include "spl/debug.h"

#define B3_BLOCK 64
#define B3_CHUNK 1024
#define B3_WIDE 128 /* chunks of a subtree that is done level by level */

#define B3_CHUNK_START 0x01
#define B3_CHUNK_END 0x02
#define B3_PARENT 0x04
#define B3_ROOT 0x08
#define B3_KEYED 0x10

/* SIMD reads message words straight from memory, which holds them little-endian. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && defined(__x86_64__)
#define B3_X86 1
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && defined(__aarch64__)
#define B3_NEON 1
#endif

typedef struct b3_cv {
	uint32_t w[8];
} b3_cv_t;

static const uint32_t b3_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Which message word goes where in each of the seven rounds. */
static const uint8_t b3_schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

/* ------------------------------------------------------------- one at a time */

static inline __attribute__((always_inline)) void
b3_mix(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t x, uint32_t y)
{
	*a += *b + x;
	*d = rotr32(*d ^ *a, 16);
	*c += *d;
	*b = rotr32(*b ^ *c, 12);
	*a += *b + y;
	*d = rotr32(*d ^ *a, 8);
	*c += *d;
	*b = rotr32(*b ^ *c, 7);
}

/* cv = compress(cv, block of `len` bytes padded to 64 with zeros). */
static void
b3_compress(
    b3_cv_t *cv, const uint32_t m[16], uint64_t counter, uint32_t len, uint32_t flags)
{
	uint32_t v[16];

	memcpy(v, cv->w, 32);
	memcpy(v + 8, b3_iv, 16);
	v[12] = (uint32_t)counter;
	v[13] = (uint32_t)(counter >> 32);
	v[14] = len;
	v[15] = flags;
#pragma GCC unroll 7
	for (int r = 0; r < 7; r++) {
		const uint8_t *const s = b3_schedule[r];
		b3_mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
		b3_mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
		b3_mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
		b3_mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
		b3_mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
		b3_mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
		b3_mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
		b3_mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
	}
	for (int i = 0; i < 8; i++)
		cv->w[i] = v[i] ^ v[i + 8];
}

/* The CV of one chunk of 0..1024 bytes; `root` is B3_ROOT or 0. */
static void
b3_chunk(const uint8_t *data, size_t size, const b3_cv_t *key, uint64_t counter,
    uint32_t root, b3_cv_t *out)
{
	uint32_t flags = B3_KEYED | B3_CHUNK_START;
	b3_cv_t cv = *key;

	do {
		uint8_t block[B3_BLOCK] = {0};
		uint32_t m[16];
		const size_t len = MIN(size, (size_t)B3_BLOCK);

		if (len > 0)
			memcpy(block, data, len);
		for (int i = 0; i < 16; i++)
			m[i] = load32_le(block + 4 * i);
		if (len == size)
			flags |= B3_CHUNK_END | root;
		b3_compress(&cv, m, counter, (uint32_t)len, flags);
		flags = B3_KEYED;
		data += len;
		size -= len;
	} while (size > 0);
	*out = cv;
}

/* The node above two neighbours. */
static void
b3_parent(const b3_cv_t pair[2], const b3_cv_t *key, uint32_t root, b3_cv_t *out)
{
	uint32_t m[16];
	b3_cv_t cv = *key;

	memcpy(m, pair, sizeof(m));
	b3_compress(&cv, m, 0, B3_BLOCK, B3_KEYED | B3_PARENT | root);
	*out = cv;
}

/* ------------------------------------------------------------- many at a time */

#define LANES_PASTE_(a, b) a##b
#define LANES_PASTE(a, b) LANES_PASTE_(a, b)
#define LANES_FN(name) LANES_PASTE(name##_, LANES_NAME)

#if defined(B3_X86)
#define LANES_NAME x4
#define LANES_N 4
#define LANES_TARGET __attribute__((target("ssse3,sse4.1")))
#include "codec/blake3_lanes.h"

#define LANES_NAME x8
#define LANES_N 8
#define LANES_TARGET __attribute__((target("avx2")))
#include "codec/blake3_lanes.h"
#elif defined(B3_NEON)
#define LANES_NAME x4
#define LANES_N 4
#define LANES_TARGET
#include "codec/blake3_lanes.h"
#endif

static pthread_once_t b3_once = PTHREAD_ONCE_INIT;
static int b3_best;

static void
b3_choose(void)
{
	b3_best = 1;
#if defined(B3_X86)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1"))
		b3_best = 4;
	if (__builtin_cpu_supports("avx2"))
		b3_best = 8;
#elif defined(B3_NEON)
	b3_best = 4;
#endif
}

static int
b3_lanes(void)
{
	pthread_once(&b3_once, b3_choose);
	return (b3_best);
}

/* CVs of n whole chunks, the first having number `counter`. */
static void
b3_chunks(const uint8_t *data, size_t n, const b3_cv_t *key, uint64_t counter,
    int lanes, b3_cv_t *out)
{
	size_t i = 0;

#if defined(B3_X86)
	for (; lanes >= 8 && n - i >= 8; i += 8)
		b3_chunks_x8(data + i * B3_CHUNK, key, counter + i, out + i);
#endif
#if defined(B3_X86) || defined(B3_NEON)
	for (; lanes >= 4 && n - i >= 4; i += 4)
		b3_chunks_x4(data + i * B3_CHUNK, key, counter + i, out + i);
#endif
	for (; i < n; i++)
		b3_chunk(data + i * B3_CHUNK, B3_CHUNK, key, counter + i, 0, out + i);
}

/* Replace 2n CVs by the n nodes above them. */
static void
b3_parents(b3_cv_t *cvs, size_t n, const b3_cv_t *key, int lanes)
{
	size_t i = 0;

#if defined(B3_X86)
	for (; lanes >= 8 && n - i >= 8; i += 8)
		b3_parents_x8(cvs + 2 * i, key, cvs + i);
#endif
#if defined(B3_X86) || defined(B3_NEON)
	for (; lanes >= 4 && n - i >= 4; i += 4)
		b3_parents_x4(cvs + 2 * i, key, cvs + i);
#endif
	for (; i < n; i++)
		b3_parent(cvs + 2 * i, key, 0, cvs + i);
}

/* How many of `size` bytes belong to the left subtree; size > one chunk. */
static size_t
b3_left(size_t size)
{
	const uint64_t chunks =
	    (size - 1) / B3_CHUNK; /* whole ones before the last byte */

	return ((size_t)(1ULL << (highbit64(chunks) - 1)) * B3_CHUNK);
}

/* The two CVs below the top of a subtree of 2..B3_WIDE chunks, level by level. */
static __attribute__((noinline)) void
b3_wide(const uint8_t *data, size_t size, const b3_cv_t *key, uint64_t counter,
    int lanes, b3_cv_t pair[2])
{
	b3_cv_t cvs[B3_WIDE];
	size_t n = size / B3_CHUNK;

	b3_chunks(data, n, key, counter, lanes, cvs);
	if (size % B3_CHUNK != 0) {
		b3_chunk(
		    data + n * B3_CHUNK, size % B3_CHUNK, key, counter + n, 0, &cvs[n]);
		n++;
	}
	while (n > 2) {
		b3_parents(cvs, n / 2, key, lanes);
		if (n % 2 != 0)
			cvs[n / 2] = cvs[n - 1];
		n = (n + 1) / 2;
	}
	memcpy(pair, cvs, 2 * sizeof(*pair));
}

/*
 * The two CVs below the top of a subtree of more than one chunk, the first of them
 * having number `counter`. The top itself is made by the caller, who knows whether
 * it is the root.
 */
static void
b3_subtree(const uint8_t *data, size_t size, const b3_cv_t *key, uint64_t counter,
    int lanes, b3_cv_t pair[2])
{
	b3_cv_t below[2];

	if (size <= B3_WIDE * B3_CHUNK) {
		b3_wide(data, size, key, counter, lanes, pair);
		return;
	}
	/* The left half is larger than a chunk; the right one may be anything. */
	const size_t left = b3_left(size);
	b3_subtree(data, left, key, counter, lanes, below);
	b3_parent(below, key, 0, &pair[0]);
	data += left;
	size -= left;
	counter += left / B3_CHUNK;
	if (size <= B3_CHUNK) {
		b3_chunk(data, size, key, counter, 0, &pair[1]);
	} else {
		b3_subtree(data, size, key, counter, lanes, below);
		b3_parent(below, key, 0, &pair[1]);
	}
}

void
blake3_keyed_lanes(
    const void *data, size_t size, const uint8_t key[32], int lanes, uint8_t out[32])
{
	b3_cv_t keyw, pair[2], root;

	for (int i = 0; i < 8; i++)
		keyw.w[i] = load32_le(key + 4 * i);
	lanes = MIN(lanes, b3_lanes());
	if (size <= B3_CHUNK) {
		b3_chunk(data, size, &keyw, 0, B3_ROOT, &root);
	} else {
		b3_subtree(data, size, &keyw, 0, lanes, pair);
		b3_parent(pair, &keyw, B3_ROOT, &root);
	}
	for (int i = 0; i < 8; i++)
		store32_le(out + 4 * i, root.w[i]);
}

void
blake3_keyed(const void *data, size_t size, const uint8_t key[32], uint8_t out[32])
{
	blake3_keyed_lanes(data, size, key, b3_lanes(), out);
}
