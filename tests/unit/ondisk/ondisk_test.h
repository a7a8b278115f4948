/* What the tests of this room share: real samples, printing to memory. */
#ifndef ONDISK_TEST_H
#define ONDISK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ondisk/ondisk.h"

/*
 * A file of tests/data/ondisk (blocks of pools written by OpenZFS 2.3.2, decompressed)
 * in malloc memory of exactly its size.
 */
static inline uint8_t *
test_sample(const char *name, size_t *sizep)
{
	const char *const src = getenv("TARN_SRC");
	char path[4096];
	uint8_t *buf;
	FILE *f;
	long size;

	snprintf(path, sizeof(path), "%s/tests/data/ondisk/%s", src != NULL ? src : ".",
	    name);
	f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("cannot read %s", path);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	buf = malloc((size_t)size);
	assert_int_equal(fread(buf, 1, (size_t)size, f), size);
	fclose(f);
	*sizep = (size_t)size;
	return (buf);
}

static inline uint64_t
test_seed(void)
{
	const char *const env = getenv("TEST_SEED");
	const uint64_t seed =
	    env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);

	print_message("TEST_SEED=%" PRIu64 "\n", seed);
	return (seed);
}

static inline uint64_t
test_random(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31);
}

static inline void
test_fill(void *buf, size_t size, uint64_t *s)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)test_random(s);
}

#endif
