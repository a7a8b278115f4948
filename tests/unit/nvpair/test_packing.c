/*
 * Both encodings: real bytes come back unchanged, all types survive, hostile bytes are
 * refused. Samples in tests/data/nvpair were written by OpenZFS 2.3.2.
 */
#include "nvpair_test.h"

#include <glob.h>
#include <time.h>

/* The worked example of format/01 §4.3. */
static void
the_specifications_example_is_reproduced(void **state)
{
	static const uint8_t want[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
	    0x24, 0, 0, 0, 0x20, 0, 0, 0, 7, 'v', 'e', 'r', 's', 'i', 'o', 'n', 0, 0, 0,
	    0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x13, 0x88, 0, 0, 0, 0x24, 0, 0, 0,
	    0x20, 0, 0, 0, 4, 'n', 'a', 'm', 'e', 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 5,
	    'z', 't', 'e', 's', 't', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	nvlist_t *nvl = nvlist_create();

	fnvlist_add_uint64(nvl, "version", 5000);
	fnvlist_add_string(nvl, "name", "ztest");
	test_packs_to(nvl, NV_ENCODE_XDR, want, sizeof(want));
	nvlist_free(nvl);
}

static void
real_configurations_come_back_byte_for_byte(void **state)
{
	static const struct {
		const char *name;
		int encoding;
		const char *must_have;
	} samples[] = {
	    {"label.xdr", NV_ENCODE_XDR, "vdev_tree"},
	    {"mos_config.xdr", NV_ENCODE_XDR, "hostname"},
	    {"zpool.cache", NV_ENCODE_NATIVE, "ztest"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t size, used = 0;
		uint8_t *buf = test_sample(samples[i].name, &size);
		nvlist_t *nvl, *copy;

		assert_int_equal(nvlist_unpack(buf, size, &nvl, &used), 0);
		assert_int_equal(used, size);
		assert_true(nvlist_exists(nvl, samples[i].must_have));
		copy = nvlist_dup(nvl);
		nvlist_free(nvl);
		test_packs_to(copy, samples[i].encoding, buf, size);
		nvlist_free(copy);
		free(buf);
	}
}

/* Pool history: a length, then a native list, again and again (format/02 §9.5). */
static void
real_history_records_come_back_byte_for_byte(void **state)
{
	size_t size, records = 0;
	uint8_t *buf = test_sample("history.native", &size);

	for (size_t at = 0; at < size; records++) {
		uint64_t len, when;
		nvlist_t *nvl;

		memcpy(&len, buf + at, 8);
		assert_true(len <= size - at - 8);
		nvl = test_unpack(buf + at + 8, len);
		assert_int_equal(nvlist_lookup_uint64(nvl, "history time", &when), 0);
		test_packs_to(nvl, NV_ENCODE_NATIVE, buf + at + 8, len);
		nvlist_free(nvl);
		at += 8 + len;
	}
	assert_int_equal(records, 4);
	free(buf);
}

static void
every_type_survives_both_encodings_and_their_exchange(void **state)
{
	nvlist_t *nvl = test_every_type();
	uint8_t *xdr, *native;
	size_t nxdr, nnative;
	nvlist_t *back;

	nvlist_pack(nvl, NV_ENCODE_XDR, &xdr, &nxdr);
	nvlist_pack(nvl, NV_ENCODE_NATIVE, &native, &nnative);
	assert_int_equal(nxdr % 4, 0);
	back = test_unpack(xdr, nxdr);
	test_packs_to(back, NV_ENCODE_NATIVE, native, nnative);
	nvlist_free(back);
	back = test_unpack(native, nnative);
	test_packs_to(back, NV_ENCODE_XDR, xdr, nxdr);
	nvlist_free(back);
	kmem_free(xdr, nxdr);
	kmem_free(native, nnative);
	nvlist_free(nvl);
}

/* Sizes verified in real labels (format/01 §4.3): encoded, decoded. */
static void
pair_sizes_are_those_openzfs_computes(void **state)
{
	static const struct {
		const char *name;
		uint32_t encoded, decoded;
	} want[] = {{"vdev_children", 44, 40}, {"features_for_read", 200, 64}};
	nvlist_t *nvl = nvlist_create(), *f = nvlist_create();
	uint8_t *buf;
	size_t size, at = 12;

	fnvlist_add_uint64(nvl, "vdev_children", 1);
	fnvlist_add_boolean(f, "com.delphix:hole_birth");
	fnvlist_add_boolean(f, "com.delphix:embedded_data");
	fnvlist_add_boolean(f, "com.klarasystems:vdev_zaps_v2");
	fnvlist_add_nvlist(nvl, "features_for_read", f);
	nvlist_pack(nvl, NV_ENCODE_XDR, &buf, &size);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const uint32_t encoded = (uint32_t)buf[at + 2] << 8 | buf[at + 3];
		const uint32_t decoded = (uint32_t)buf[at + 6] << 8 | buf[at + 7];
		assert_int_equal(encoded, want[i].encoded);
		assert_int_equal(decoded, want[i].decoded);
		at += encoded;
	}
	kmem_free(buf, size);
	nvlist_free(nvl);
	nvlist_free(f);
}

static void
trailing_bytes_are_ignored_and_counted(void **state)
{
	uint8_t region[4096] = {0};
	nvlist_t *nvl = test_every_type(), *back;
	uint8_t *buf;
	size_t size, used;

	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		nvlist_pack(nvl, e, &buf, &size);
		assert_true(size + 100 < sizeof(region));
		memset(region, 0xa5, sizeof(region));
		memcpy(region, buf, size);
		assert_int_equal(
		    nvlist_unpack(region, sizeof(region), &back, &used), 0);
		assert_int_equal(used, size);
		nvlist_free(back);
		kmem_free(buf, size);
	}
	nvlist_free(nvl);
}

/* ---- hostile bytes ---- */

static void
cut_off_anywhere_it_is_damaged(void **state)
{
	nvlist_t *nvl = test_every_type(), *back = NULL;
	uint8_t *buf;
	size_t size;

	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		nvlist_pack(nvl, e, &buf, &size);
		for (size_t n = 0; n < size; n++) {
			uint8_t *const cut = malloc(n > 0 ? n : 1);
			memcpy(cut, buf, n);
			assert_int_equal(nvlist_unpack(cut, n, &back, NULL), EFAULT);
			assert_null(back);
			free(cut);
		}
		kmem_free(buf, size);
	}
	nvlist_free(nvl);
}

static void
any_flipped_bit_is_survived(void **state)
{
	nvlist_t *nvl = test_every_type();
	uint8_t *buf;
	size_t size;

	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		nvlist_pack(nvl, e, &buf, &size);
		for (size_t bit = 0; bit < size * 8; bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			test_try(buf, size);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		kmem_free(buf, size);
	}
	nvlist_free(nvl);
}

static uint64_t
next_random(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	return (z ^ z >> 27);
}

static void
random_damage_is_survived(void **state)
{
	const char *const env = getenv("TEST_SEED");
	uint64_t s = env != NULL ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	nvlist_t *nvl = test_every_type();

	print_message("TEST_SEED=%" PRIu64 "\n", s);
	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		uint8_t *buf, *bad;
		size_t size;

		nvlist_pack(nvl, e, &buf, &size);
		bad = malloc(size);
		for (int i = 0; i < 20000; i++) {
			memcpy(bad, buf, size);
			for (uint64_t k = next_random(&s) % 4 + 1; k > 0; k--) {
				/* Numbers of the format are 32 bits: hit them whole. */
				const size_t at = next_random(&s) % (size / 4) * 4;
				const uint32_t v =
				    (uint32_t)next_random(&s) >> next_random(&s) % 32;
				memcpy(bad + at, &v, 4);
			}
			test_try(bad, size);
		}
		free(bad);
		kmem_free(buf, size);
	}
	nvlist_free(nvl);
}

/* Lists in lists: twenty levels are read, one more is refused (format/01 §4.5). */
static void
nesting_is_bounded(void **state)
{
	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		nvlist_t *nvl = nvlist_create(), *back = NULL;

		for (int depth = 1; depth <= 21; depth++) {
			nvlist_t *outer = nvlist_create();
			uint8_t *buf;
			size_t size;
			int error;

			fnvlist_add_nvlist(outer, "l", nvl);
			nvlist_free(nvl);
			nvl = outer;
			nvlist_pack(nvl, e, &buf, &size);
			error = nvlist_unpack(buf, size, &back, NULL);
			assert_int_equal(error, depth <= 20 ? 0 : EFAULT);
			if (error == 0)
				nvlist_free(back);
			kmem_free(buf, size);
		}
		nvlist_free(nvl);
	}
}

static void
single_rules_are_enforced(void **state)
{
	nvlist_t *nvl, *back = NULL;
	uint8_t *buf;
	size_t size;

	/* Unknown encoding; native of the other byte order. */
	assert_int_equal(nvlist_unpack("\2\1\0\0", 4, &back, NULL), ENOTSUP);
	assert_int_equal(
	    nvlist_unpack("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, &back, NULL),
	    ZFS_HOST_BYTEORDER == 1 ? ENOTSUP : 0);

	nvl = nvlist_create();
	fnvlist_add_boolean_value(nvl, "flag", true);
	nvlist_pack(nvl, NV_ENCODE_XDR, &buf, &size);
	buf[size - 9] = 2; /* a boolean that is neither */
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	buf[size - 9] = 1;
	buf[19] += 8; /* decoded size */
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	buf[19] -= 8;
	buf[15] += 4; /* encoded size */
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	buf[15] -= 4;
	buf[25] = 0; /* NUL inside the name */
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	buf[25] = 'l';
	buf[7] = 1; /* version */
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	buf[7] = 0;
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), 0);
	nvlist_free(back);
	kmem_free(buf, size);
	nvlist_free(nvl);
}

/* The same name twice, where the list says that names are unique. */
static void
duplicates_are_refused_in_unique_lists_only(void **state)
{
	nvlist_t *nvl, *back = NULL;

	assert_int_equal(nvlist_alloc(&nvl, 0, KM_SLEEP), 0);
	fnvlist_add_uint64(nvl, "a", 1);
	fnvlist_add_uint64(nvl, "a", 2);
	for (int e = NV_ENCODE_NATIVE; e <= NV_ENCODE_XDR; e++) {
		uint8_t *buf;
		size_t size;

		nvlist_pack(nvl, e, &buf, &size);
		back = test_unpack(buf, size);
		test_packs_to(back, e, buf, size);
		nvlist_free(back);
		back = NULL;
		buf[e == NV_ENCODE_XDR ? 11 : ZFS_HOST_BYTEORDER ? 8 : 11] = 1;
		assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
		assert_null(back);
		kmem_free(buf, size);
	}
	nvlist_free(nvl);
}

/* An array that claims 2^31-1 elements in a few bytes must not be allocated. */
static void
claims_beyond_the_input_allocate_nothing(void **state)
{
	nvlist_t *nvl = nvlist_create(), *back = NULL;
	const uint64_t before = kmem_used();
	uint8_t *buf;
	size_t size;

	fnvlist_add_uint64_array(nvl, "a", (uint64_t[]){1, 2}, 2);
	nvlist_pack(nvl, NV_ENCODE_XDR, &buf, &size);
	/* nelem at 12 + 12 + 4 + 4, count after it */
	memcpy(buf + 32, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
	assert_int_equal(nvlist_unpack(buf, size, &back, NULL), EFAULT);
	kmem_free(buf, size);
	nvlist_free(nvl);
	assert_true(kmem_used() <= before);
}

/* ---- all fixtures ---- */

#define LABEL_START (0x4000 + 114688)

/* Compressed pool image: the configuration of L0, if it is one. */
static void
check_image(const char *path, int *found)
{
	static uint8_t head[LABEL_START];
	const uint8_t *const area = head + 0x4000;
	char command[4200];
	uint8_t *again;
	nvlist_t *nvl;
	size_t used, size, got;
	FILE *p;

	snprintf(
	    command, sizeof(command), "zstd -dqc --long=27 '%s' 2>/dev/null", path);
	p = popen(command, "r");
	assert_non_null(p);
	got = fread(head, 1, sizeof(head), p);
	(void)pclose(p); /* it does not like that we stop listening */
	if (got < sizeof(head) || memcmp(area, "\1\1\0\0", 4) != 0)
		return;
	assert_int_equal(nvlist_unpack(area, 114688 - 40, &nvl, &used), 0);
	nvlist_pack(nvl, NV_ENCODE_XDR, &again, &size);
	assert_int_equal(size, used);
	assert_memory_equal(again, area, size);
	kmem_free(again, size);
	nvlist_free(nvl);
	(*found)++;
}

static void
labels_of_all_kernel_made_pools_come_back_byte_for_byte(void **state)
{
	const char *const shared = getenv("TARN_SHARED"), *const src =
							      getenv("TARN_SRC");
	char pattern[4096];
	glob_t g = {0};
	int found = 0;

	snprintf(pattern, sizeof(pattern), "%s%s/pools/*/*.zst",
	    shared != NULL ? shared
	    : src != NULL  ? src
			   : ".",
	    shared != NULL ? "" : "/../shared");
	if (glob(pattern, 0, NULL, &g) != 0) {
		print_message("skipped: no pools match %s\n", pattern);
		skip();
	}
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_image(g.gl_pathv[i], &found);
	globfree(&g);
	print_message("%d labels\n", found);
	assert_true(found > 0);
}

static int
nothing_leaks(void **state)
{
	return (kmem_used() == *(uint64_t *)*state ? 0 : -1);
}

static int
remember(void **state)
{
	static uint64_t before;

	before = kmem_used();
	*state = &before;
	return (0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, remember, nothing_leaks)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(the_specifications_example_is_reproduced),
	    STORY(real_configurations_come_back_byte_for_byte),
	    STORY(real_history_records_come_back_byte_for_byte),
	    STORY(every_type_survives_both_encodings_and_their_exchange),
	    STORY(pair_sizes_are_those_openzfs_computes),
	    STORY(trailing_bytes_are_ignored_and_counted),
	    STORY(cut_off_anywhere_it_is_damaged),
	    STORY(any_flipped_bit_is_survived),
	    STORY(random_damage_is_survived),
	    STORY(nesting_is_bounded),
	    STORY(single_rules_are_enforced),
	    STORY(duplicates_are_refused_in_unique_lists_only),
	    STORY(claims_beyond_the_input_allocate_nothing),
	    STORY(labels_of_all_kernel_made_pools_come_back_byte_for_byte),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
