/*
 * Compression: vectors of format/01 §9, real blocks, round trips over data of many
 * kinds, and streams that lie. Buffers are allocated at their exact size, so that a
 * byte read or written outside is found by the sanitizers; where that is not on,
 * fences of known bytes around the destination are checked.
 */
#include "codec_test.h"
#include "codec/compress_impl.h"
#include "spl/debug.h"
#include "spl/thread.h"

#define FENCE 64
#define FENCE_BYTE 0xc5

static const enum zio_compress all_functions[] = {ZIO_COMPRESS_LZJB,
    ZIO_COMPRESS_GZIP_1, ZIO_COMPRESS_GZIP_6, ZIO_COMPRESS_GZIP_9, ZIO_COMPRESS_ZLE,
    ZIO_COMPRESS_LZ4, ZIO_COMPRESS_ZSTD};

/* Decompress into a fenced buffer from a source that is exactly slen bytes. */
static int
fenced_decompress(enum zio_compress c, const uint8_t *src, uint8_t *dst, size_t slen,
    size_t dlen, uint8_t *level)
{
	uint8_t *const s = malloc(slen > 0 ? slen : 1);
	uint8_t *const d = malloc(dlen + 2 * FENCE);

	if (slen > 0)
		memcpy(s, src, slen);
	memset(d, FENCE_BYTE, dlen + 2 * FENCE);
	const int error = zio_decompress_data(c, s, d + FENCE, slen, dlen, level);
	for (size_t i = 0; i < FENCE; i++) {
		assert_int_equal(d[i], FENCE_BYTE);
		assert_int_equal(d[FENCE + dlen + i], FENCE_BYTE);
	}
	if (dst != NULL)
		memcpy(dst, d + FENCE, dlen);
	free(s);
	free(d);
	return (error);
}

static void
assert_decodes(enum zio_compress c, const char *hex, const uint8_t *want, size_t dlen)
{
	uint8_t src[256] = {0}, got[1024];
	const size_t slen = test_unhex(hex, src, sizeof(src));

	assert_int_equal(fenced_decompress(c, src, got, slen, dlen, NULL), 0);
	assert_memory_equal(got, want, dlen);
	/* The same inside a sector: bytes behind the stream do not matter. */
	memset(src + slen, 0, sizeof(src) - slen);
	assert_int_equal(fenced_decompress(c, src, got, sizeof(src), dlen, NULL), 0);
	assert_memory_equal(got, want, dlen);
}

static void
assert_refused(enum zio_compress c, const char *hex, size_t dlen)
{
	uint8_t src[256] = {0}, level = 77;
	const size_t slen = test_unhex(hex, src, sizeof(src));

	assert_int_equal(fenced_decompress(c, src, NULL, slen, dlen, &level), EIO);
	assert_int_equal(level, 77);
}

/* ---------------------------------------------------------------- the spec's vectors
 */

static void
spec_vectors(void **state)
{
	uint8_t want[512] = "abcabcabc",
		lz4[512] = {3, 0, 0, 0, 0, 0, 0, 0x80, 0x39, 0, 1};

	assert_decodes(ZIO_COMPRESS_LZJB, "28 61 62 63 0c 03 00 fc 01", want, 76);
	memset(want, 0, sizeof(want));
	memcpy(want, "abc", 3);
	assert_decodes(ZIO_COMPRESS_ZLE, "02 61 62 63 50", want, 20);
	assert_decodes(ZIO_COMPRESS_LZ4,
	    "00 00 00 17 21 03 00 01 00 41 80 39 00 01 09 00 0f 02 00 ff d9 50 00 00 "
	    "00 00"
	    "00",
	    lz4, 512);
}

static void
encoders_reproduce_the_vectors(void **state)
{
	uint8_t src[76] = "abcabcabc", dst[76], want[16];
	size_t n;

	n = zio_compress_data(
	    ZIO_COMPRESS_ZLE, "abc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", dst, 20, 20, 0);
	assert_int_equal(n, test_unhex("02 61 62 63 50", want, 16));
	assert_memory_equal(dst, want, n);
	/* A single zero is a literal, also at the end. */
	n = zio_compress_data(ZIO_COMPRESS_ZLE, "a\0b\0\0c\0", dst, 7, 76, 0);
	assert_int_equal(n, 7); /* does not shrink */
	assert_int_equal(zle_compress((const uint8_t *)"a\0b\0\0c\0", dst, 7, 76), 8);
	test_unhex("02 61 00 62 41 01 63 00", want, sizeof(want));
	assert_memory_equal(dst, want, 8);
	/* lzjb wants room for a whole group and one byte before it starts it. */
	assert_int_equal(zio_compress_data(ZIO_COMPRESS_LZJB, src, dst, 76, 18, 0),
	    test_unhex("28 61 62 63 0c 03 00 fc 01", want, 16));
	assert_memory_equal(dst, want, 9);
	assert_int_equal(zio_compress_data(ZIO_COMPRESS_LZJB, src, dst, 76, 17, 0), 76);
}

/* -------------------------------------------------------------- blocks of real pools
 */

static void
check_real_block(const test_block_t *b, const zio_cksum_salt_t *salt, void *arg)
{
	uint8_t *const logical = malloc(b->lsize);
	uint32_t *const seen = arg;
	uint8_t hash[32], level = 99;

	assert_int_equal(fenced_decompress((enum zio_compress)b->compress, b->data,
			     logical, b->psize, b->lsize, &level),
	    0);
	sha256_digest(logical, b->lsize, hash);
	assert_memory_equal(hash, b->lhash, 32);
	if (b->compress == ZIO_COMPRESS_ZSTD)
		assert_true(zio_zstd_level_valid(level));
	else
		assert_int_equal(level, 0);
	if (strcmp(b->name, "codecs/comp/zstd-19") == 0)
		assert_int_equal(level, 19);
	if (strcmp(b->name, "codecs/comp/zstd-fast-10") == 0 && b->compress == 16)
		assert_int_equal(level, 112);
	*seen |= 1U << b->compress;

	/* What we make of the same bytes decodes to them. */
	if (b->compress != ZIO_COMPRESS_OFF) {
		uint8_t *const again = malloc(b->lsize), *const back = malloc(b->lsize);
		const size_t n = zio_compress_data((enum zio_compress)b->compress,
		    logical, again, b->lsize, b->lsize - b->lsize / 8, level);
		assert_true(n < b->lsize);
		assert_int_equal(fenced_decompress((enum zio_compress)b->compress,
				     again, back, n, b->lsize, NULL),
		    0);
		assert_memory_equal(logical, back, b->lsize);
		/* Written here from a description: the same choices, not just legal
		 * ones. */
		if (b->compress == ZIO_COMPRESS_LZJB || b->compress == ZIO_COMPRESS_ZLE)
			assert_memory_equal(again, b->data, n);
		free(again);
		free(back);
	}
	free(logical);
}

static void
blocks_written_by_openzfs_decompress(void **state)
{
	uint32_t seen = 0;

	assert_true(test_blocks(check_real_block, &seen) > 40);
	/* off, lzjb, gzip-1, -6, -9, zle, lz4, zstd */
	assert_int_equal(seen, 1U << 2 | 1U << 3 | 1U << 5 | 1U << 10 | 1U << 13 |
				   1U << 14 | 1U << 15 | 1U << 16);
}

/* --------------------------------------------------------------------- round trips */

/* Data with more or less to find in it. */
static void
make_data(uint64_t *rnd, int kind, uint8_t *p, size_t size)
{
	switch (kind) {
	case 0: /* nothing to gain */
		test_fill(rnd, p, size);
		break;
	case 1:
		memset(p, 0, size);
		break;
	case 2: /* few symbols */
		for (size_t i = 0; i < size; i++)
			p[i] = "etaoin \n"[test_rand(rnd) % 8];
		break;
	case 3: /* runs of zeros and of bytes */
		for (size_t i = 0; i < size;) {
			const uint64_t r = test_rand(rnd);
			size_t n = MIN(1 + r % 400, size - i);
			const bool zeros = (r >> 32) % 2;
			for (; n > 0; n--, i++)
				p[i] = zeros ? 0 : (uint8_t)test_rand(rnd);
		}
		break;
	default: /* repetitions at all distances */
		for (size_t i = 0; i < size; i++)
			p[i] = (i < 16 || test_rand(rnd) % 20 == 0)
				   ? (uint8_t)test_rand(rnd)
				   : p[i - 1 - test_rand(rnd) % 16];
		break;
	}
}

static void
round_trips(void **state)
{
	static const uint8_t levels[] = {0, 1, 3, 7, 103, 113, 123};
	const size_t max = 300000;
	uint8_t *const src = malloc(max), *const back = malloc(max);
	uint64_t rnd = test_seed();

	for (int i = 0; i < 400; i++) {
		const size_t size = 1 + test_rand(&rnd) % (i % 20 == 0 ? max : 9000);
		make_data(&rnd, i % 5, src, size);
		for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
			const enum zio_compress c = all_functions[f];
			/* Exactly as large as the limit: writing beyond is seen. */
			const size_t limit = 1 + test_rand(&rnd) % size;
			uint8_t *const dst = malloc(limit);
			const uint8_t code =
			    levels[test_rand(&rnd) % ARRAY_SIZE(levels)];
			const size_t n =
			    zio_compress_data(c, src, dst, size, limit, code);
			uint8_t level = 55;

			assert_true(n <= limit || n == size);
			if (n < size) {
				memset(back, 0xaa, size);
				assert_int_equal(
				    zio_decompress_data(c, dst, back, n, size, &level),
				    0);
				assert_memory_equal(src, back, size);
				assert_int_equal(level, c != ZIO_COMPRESS_ZSTD ? 0
							: code == 0	       ? 3
									       : code);
			}
			free(dst);
		}
	}
	free(src);
	free(back);
}

static void
the_largest_block(void **state)
{
	const size_t size = 16 << 20;
	uint8_t *const src = malloc(size), *const dst = malloc(size),
		       *const back = malloc(size);
	uint64_t rnd = 3;

	make_data(&rnd, 3, src, size);
	memset(src, 0, size / 2);
	for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
		const enum zio_compress c = all_functions[f];
		if (c == ZIO_COMPRESS_GZIP_9)
			continue;
		const size_t n =
		    zio_compress_data(c, src, dst, size, size - size / 8, 12);
		assert_true(n < size);
		assert_int_equal(zio_decompress_data(c, dst, back, n, size, NULL), 0);
		assert_memory_equal(src, back, size);
	}
	free(src);
	free(dst);
	free(back);
}

static void
gzip_headers_are_those_of_the_kernel(void **state)
{
	static const uint8_t second[9] = {
	    1, 0x5e, 0x5e, 0x5e, 0x5e, 0x9c, 0xda, 0xda, 0xda};
	uint8_t src[4096] = "some text", dst[4096];

	for (int n = 1; n <= 9; n++) {
		const enum zio_compress c =
		    (enum zio_compress)(ZIO_COMPRESS_GZIP_1 + n - 1);
		assert_true(zio_compress_data(c, src, dst, 4096, 3584, 0) < 4096);
		assert_int_equal(dst[0], 0x78);
		assert_int_equal(dst[1], second[n - 1]);
	}
}

/* -------------------------------------------------------------------- zstd's prefix */

static void
zstd_level_codes(void **state)
{
	for (int code = 0; code < 256; code++) {
		const bool valid =
		    (code >= 1 && code <= 19) || (code >= 103 && code <= 123);
		assert_int_equal(zio_zstd_level_valid((uint8_t)code), valid);
	}
}

static void
zstd_prefix_of_either_writer(void **state)
{
	uint8_t src[4096] = "text text text text text text", dst[4096], back[4096];
	uint8_t level, v[4];
	const size_t n =
	    zio_compress_data(ZIO_COMPRESS_ZSTD, src, dst, 4096, 3584, 114);

	/* Level, then the version: 0, 1.5.x. */
	assert_true(n < 4096);
	assert_int_equal(dst[4], 114);
	assert_int_equal(dst[5], 0);
	memcpy(v, dst + 4, 4);
	/* Magicless: the frame header descriptor has no size, no checksum, no
	 * dictionary. */
	assert_int_equal(dst[8] & 0xe7, 0);

	/* Historic big-endian: version first, level last. */
	dst[4] = v[1];
	dst[5] = v[2];
	dst[6] = v[3];
	dst[7] = v[0];
	assert_int_not_equal(dst[6], 0);
	assert_int_equal(
	    zio_decompress_data(ZIO_COMPRESS_ZSTD, dst, back, n, 4096, &level), 0);
	/* Byte 5 (0x28 of 10504) and 6 are not zero, byte 4 is: level = byte 7. */
	assert_int_equal(level, 114);
	assert_memory_equal(src, back, 4096);

	/* Levels that only a property may have, and none at all. */
	static const uint8_t bad[] = {0, 20, 101, 102, 124, 251, 255};
	memcpy(dst + 4, v, 4);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		dst[4] = bad[i];
		assert_int_equal(
		    zio_decompress_data(ZIO_COMPRESS_ZSTD, dst, back, n, 4096, NULL),
		    EIO);
	}
	memset(dst + 4, 5, 4);
	assert_int_equal(
	    zio_decompress_data(ZIO_COMPRESS_ZSTD, dst, back, n, 4096, NULL), EIO);
}

/* ------------------------------------------------------------------- hostile streams
 */

static void
streams_that_lie(void **state)
{
	/* lzjb: distance before the start, distance 0, cut short in three places */
	assert_refused(ZIO_COMPRESS_LZJB, "02 61 00 02", 512);
	assert_refused(ZIO_COMPRESS_LZJB, "02 61 00 00", 512);
	assert_refused(ZIO_COMPRESS_LZJB, "", 512);
	assert_refused(ZIO_COMPRESS_LZJB, "02 61 00", 512);
	assert_refused(ZIO_COMPRESS_LZJB, "00 61 61", 512);
	/* zle: literals beyond the input, beyond the block; zeros beyond the block */
	assert_refused(ZIO_COMPRESS_ZLE, "05 61 61", 512);
	assert_refused(ZIO_COMPRESS_ZLE, "03 61 61 61 61", 3);
	assert_refused(ZIO_COMPRESS_ZLE, "45", 5);
	assert_refused(ZIO_COMPRESS_ZLE, "45", 7);
	/* lz4: no prefix, length beyond the block on disk, too short and too long a
	 * result */
	assert_refused(ZIO_COMPRESS_LZ4, "00 00 00", 512);
	assert_refused(ZIO_COMPRESS_LZ4, "ff ff ff ff 10 61", 1);
	assert_refused(ZIO_COMPRESS_LZ4, "00 00 00 03 10 61", 1);
	assert_refused(ZIO_COMPRESS_LZ4, "00 00 00 02 10 61", 2);
	assert_refused(ZIO_COMPRESS_LZ4, "00 00 00 03 20 61 62", 1);
	assert_refused(ZIO_COMPRESS_LZ4, "00 00 00 00", 512);
	/* gzip: preset dictionary, bad header, nothing */
	assert_refused(ZIO_COMPRESS_GZIP_6, "78 bb 00 00 00 01 00", 512);
	assert_refused(ZIO_COMPRESS_GZIP_6, "1f 8b 08 00 00 00", 512);
	assert_refused(ZIO_COMPRESS_GZIP_6, "", 512);
	/* zstd: nothing, too short a prefix, an empty frame, magic where none belongs
	 */
	assert_refused(ZIO_COMPRESS_ZSTD, "00 00 00", 512);
	assert_refused(ZIO_COMPRESS_ZSTD, "00 00 00 00 03 00 28 a5", 512);
	assert_refused(
	    ZIO_COMPRESS_ZSTD, "00 00 00 0d 03 00 28 a5 28 b5 2f fd 00 00", 512);
	/* A frame that claims a content of 2^62 bytes. */
	assert_refused(ZIO_COMPRESS_ZSTD,
	    "00 00 00 0d 03 00 28 a5 e0 00 00 00 00 00 00 00 40 01 00 00 00", 512);
	assert_refused(ZIO_COMPRESS_OFF, "01 02 03", 4);
}

static void
unknown_functions(void **state)
{
	uint8_t a[16] = {0}, b[16] = {0};
	static const int ids[] = {ZIO_COMPRESS_INHERIT, ZIO_COMPRESS_ON, 17, 127, 255};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(
		    zio_decompress_data((enum zio_compress)ids[i], a, b, 16, 16, NULL),
		    ENOTSUP);
	assert_int_equal(zio_decompress_data(ZIO_COMPRESS_OFF, a, b, 16, 0, NULL), 0);
	for (int i = 0; i < ZIO_COMPRESS_FUNCTIONS; i++)
		assert_non_null(zio_compress_name[i]);
	assert_string_equal(zio_compress_name[10], "gzip-6");
	assert_string_equal(zio_compress_name[16], "zstd");
}

/*
 * Cut, flip and mix real streams. The decoder may succeed (a literal byte changed)
 * or refuse, it may not touch anything else.
 */
static void
damaged_streams(void **state)
{
	uint64_t rnd = test_seed();
	const size_t size = 4096;
	uint8_t *const src = malloc(size), *const dst = malloc(size);

	for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
		const enum zio_compress c = all_functions[f];
		for (int i = 0; i < 1500; i++) {
			make_data(&rnd, 1 + i % 4, src, size);
			size_t n = zio_compress_data(c, src, dst, size, size, 1);
			if (n == size)
				continue;
			for (uint64_t k = test_rand(&rnd) % 8; k > 0; k--)
				dst[test_rand(&rnd) % n] ^=
				    (uint8_t)(1U << test_rand(&rnd) % 8);
			if (i % 3 == 0)
				n = test_rand(&rnd) % (n + 1);
			const size_t want =
			    i % 5 == 0 ? test_rand(&rnd) % (2 * size) : size;
			const int error =
			    fenced_decompress(c, dst, NULL, n, want, NULL);
			assert_true(error == 0 || error == EIO);
		}
	}
	free(src);
	free(dst);
}

static void
truncated_streams_are_refused(void **state)
{
	uint64_t rnd = test_seed();
	const size_t size = 2048;
	uint8_t src[2048], dst[2048];

	/* Few symbols: no stream of these functions has a useless end. */
	make_data(&rnd, 2, src, size);
	for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
		const enum zio_compress c = all_functions[f];
		const size_t n = zio_compress_data(c, src, dst, size, size, 1);
		if (n == size)
			continue;
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(
			    fenced_decompress(c, dst, NULL, cut, size, NULL), EIO);
		assert_int_equal(fenced_decompress(c, dst, NULL, n, size, NULL), 0);
	}
}

static void
random_streams(void **state)
{
	uint64_t rnd = test_seed();
	uint8_t src[300];

	for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
		for (int i = 0; i < 5000; i++) {
			const size_t n = test_rand(&rnd) % sizeof(src);
			test_fill(&rnd, src, n);
			/* Get past the prefix. */
			if (n >= 9 && all_functions[f] >= ZIO_COMPRESS_LZ4) {
				memset(src, 0, 4);
				src[3] = (uint8_t)(n - 8);
				src[4] = 3;
				src[5] = 0;
			} else if (n >= 2 && all_functions[f] != ZIO_COMPRESS_LZJB &&
				   all_functions[f] != ZIO_COMPRESS_ZLE) {
				src[0] = 0x78;
				src[1] = 0x9c;
			}
			const int error = fenced_decompress(all_functions[f], src, NULL,
			    n, test_rand(&rnd) % 2000, NULL);
			assert_true(error == 0 || error == EIO);
		}
	}
}

static void
all_zero(void **state)
{
	uint64_t words[40] = {0};

	for (size_t n = 0; n <= 40; n++) {
		assert_true(zio_is_all_zero(words, 8 * n));
		for (size_t i = 0; i < n; i++) {
			words[i] = 1ULL << (i % 64);
			assert_false(zio_is_all_zero(words, 8 * n));
			words[i] = 0;
		}
	}
}

/* ---------------------------------------------------------------------- threads */

#define THREADS 4

/* Everything at once: first use of contexts, pooled contexts, chosen SIMD. */
static void
thread_round_trips(void *arg)
{
	uint64_t rnd = *(const uint64_t *)arg;
	const size_t size = 20000;
	uint8_t *const src = malloc(size), *const dst = malloc(size),
		       *const back = malloc(size);

	for (int i = 0; i < 60; i++) {
		zio_cksum_t before, after;
		make_data(&rnd, 2 + i % 3, src, size);
		for (size_t f = 0; f < ARRAY_SIZE(all_functions); f++) {
			const enum zio_compress c = all_functions[f];
			const enum zio_checksum k =
			    i % 2 ? ZIO_CHECKSUM_SHA512 : ZIO_CHECKSUM_FLETCHER_4;
			const size_t n = zio_compress_data(c, src, dst, size, size, 1);
			if (n == size)
				continue;
			VERIFY0(
			    zio_checksum_compute(k, src, size, false, NULL, &before));
			VERIFY0(zio_decompress_data(c, dst, back, n, size, NULL));
			VERIFY0(
			    zio_checksum_compute(k, back, size, false, NULL, &after));
			VERIFY(ZIO_CHECKSUM_EQUAL(before, after));
		}
	}
	free(src);
	free(dst);
	free(back);
}

static void
threads_do_not_disturb_each_other(void **state)
{
	kthread_t *threads[THREADS];
	uint64_t seeds[THREADS];
	uint64_t rnd = test_seed();

	for (int i = 0; i < THREADS; i++) {
		seeds[i] = test_rand(&rnd);
		threads[i] = thread_create("codec_test", thread_round_trips, &seeds[i]);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    /* First, so that the threads also race for what is set up once. */
	    cmocka_unit_test(threads_do_not_disturb_each_other),
	    cmocka_unit_test(spec_vectors),
	    cmocka_unit_test(encoders_reproduce_the_vectors),
	    cmocka_unit_test(blocks_written_by_openzfs_decompress),
	    cmocka_unit_test(round_trips),
	    cmocka_unit_test(the_largest_block),
	    cmocka_unit_test(gzip_headers_are_those_of_the_kernel),
	    cmocka_unit_test(zstd_level_codes),
	    cmocka_unit_test(zstd_prefix_of_either_writer),
	    cmocka_unit_test(streams_that_lie),
	    cmocka_unit_test(unknown_functions),
	    cmocka_unit_test(damaged_streams),
	    cmocka_unit_test(truncated_streams_are_refused),
	    cmocka_unit_test(random_streams),
	    cmocka_unit_test(all_zero),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
