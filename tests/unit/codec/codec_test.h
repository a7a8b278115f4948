/* What the tests of this room share: hex, pseudo-random data, real blocks. */
#ifndef CODEC_TEST_H
#define CODEC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "codec/checksum_impl.h"
#include "spl/types.h"

/* A seed for this run, printed; TEST_SEED=n repeats a run. */
static inline uint64_t
test_seed(void)
{
	const char *const env = getenv("TEST_SEED");
	const uint64_t seed =
	    env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	printf("TEST_SEED=%" PRIu64 "\n", seed);
	return (seed);
}

/* splitmix64: small, and the same everywhere. */
static inline uint64_t
test_rand(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31);
}

static inline void
test_fill(uint64_t *state, uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)test_rand(state);
}

/* Hex digits to bytes (blanks are skipped); returns the number of bytes. */
static inline size_t
test_unhex(const char *hex, uint8_t *out, size_t max)
{
	size_t n = 0;

	for (unsigned v; *hex != '\0'; hex += 2, n++) {
		while (*hex == ' ')
			hex++;
		assert_true(n < max);
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		out[n] = (uint8_t)v;
	}
	return (n);
}

static inline void
assert_hex(const uint8_t *got, const char *hex)
{
	uint8_t want[256];
	const size_t n = test_unhex(hex, want, sizeof(want));

	assert_memory_equal(got, want, n);
}

/* A block out of a real pool, tests/data/codec/blocks.txt. */
typedef struct test_block {
	char name[64];
	int checksum; /* -1: embedded in a pointer */
	zio_cksum_t words;
	int compress;
	size_t lsize, psize;
	uint8_t lhash[32]; /* SHA-256 of the logical bytes */
	uint8_t *data;	   /* psize bytes, from malloc */
} test_block_t;

/* Call func for every block of the file; *salt is the salt of their pool. */
static inline int
test_blocks(
    void (*func)(const test_block_t *b, const zio_cksum_salt_t *salt, void *arg),
    void *arg)
{
	static char line[200000];
	const char *const src = getenv("TARN_SRC");
	char path[4096];
	zio_cksum_salt_t salt = {{0}};
	int n = 0;

	snprintf(path, sizeof(path), "%s/tests/data/codec/blocks.txt",
	    src != NULL ? src : ".");
	FILE *const f = fopen(path, "r");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		test_block_t b;
		char cksum[8], lhash[65];
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (strncmp(line, "salt ", 5) == 0) {
			assert_int_equal(test_unhex(line + 5, salt.zcs_bytes, 32), 32);
			continue;
		}
		assert_int_equal(
		    sscanf(line,
			"%63s %7s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
			" %d %zu %zu %64s %n",
			b.name, cksum, &b.words.zc_word[0], &b.words.zc_word[1],
			&b.words.zc_word[2], &b.words.zc_word[3], &b.compress, &b.lsize,
			&b.psize, lhash, &at),
		    10);
		b.checksum = strcmp(cksum, "-") == 0 ? -1 : atoi(cksum);
		test_unhex(lhash, b.lhash, sizeof(b.lhash));
		b.data = calloc(1, b.psize);
		test_unhex(line + at, b.data, b.psize);
		func(&b, &salt, arg);
		free(b.data);
		n++;
	}
	fclose(f);
	return (n);
}

#endif
