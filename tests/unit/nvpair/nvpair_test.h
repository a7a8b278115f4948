/* What the tests of this room share: real samples, packing, hostile copies. */
#ifndef NVPAIR_TEST_H
#define NVPAIR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "nvpair/nvpair.h"
#include "spl/bits.h"
#include "spl/kmem.h"

/* A whole file in malloc memory of exactly its size, so that overruns show. */
static inline uint8_t *
test_slurp(const char *path, size_t *sizep)
{
	FILE *const f = fopen(path, "rb");
	uint8_t *buf;
	long size;

	if (f == NULL)
		return (NULL);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	buf = malloc((size_t)size);
	assert_int_equal(fread(buf, 1, (size_t)size, f), size);
	fclose(f);
	*sizep = (size_t)size;
	return (buf);
}

static inline uint8_t *
test_sample(const char *name, size_t *sizep)
{
	const char *const src = getenv("TARN_SRC");
	char path[4096];
	uint8_t *buf;

	snprintf(path, sizeof(path), "%s/tests/data/nvpair/%s", src != NULL ? src : ".",
	    name);
	buf = test_slurp(path, sizep);
	if (buf == NULL)
		fail_msg("cannot read %s", path);
	return (buf);
}

static inline nvlist_t *
test_unpack(const void *buf, size_t size)
{
	nvlist_t *nvl = NULL;

	assert_int_equal(nvlist_unpack(buf, size, &nvl, NULL), 0);
	assert_non_null(nvl);
	return (nvl);
}

/* Does packing `nvl` give exactly these bytes? */
static inline void
test_packs_to(const nvlist_t *nvl, int encoding, const uint8_t *want, size_t size)
{
	uint8_t *buf;
	size_t n;

	assert_int_equal(nvlist_size(nvl, encoding), size);
	nvlist_pack(nvl, encoding, &buf, &n);
	assert_int_equal(n, size);
	assert_memory_equal(buf, want, size);
	kmem_free(buf, n);
}

/* Whatever this is, it must be refused or understood, and never leak or overrun. */
static inline void
test_try(const uint8_t *data, size_t size)
{
	uint8_t *const copy = malloc(size > 0 ? size : 1);
	nvlist_t *nvl = NULL;
	size_t used = 0;

	if (size > 0)
		memcpy(copy, data, size);
	if (nvlist_unpack(copy, size, &nvl, &used) == 0) {
		assert_true(used <= size);
		nvlist_free(nvl);
	} else {
		assert_null(nvl);
	}
	free(copy);
}

/* An example of every type, the way the tests of both encodings use it. */
nvlist_t *test_every_type(void);

#endif
