/* Properties: what may be set to what, what values look like, what the usage says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "cmd/zfs.h"
#include "cmd/zpool.h"
#include "spa/zfeature.h"

#define COMPRESSIONS \
	"on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | zstd-fast | " \
	"zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]"

static void
dataset_values_are_checked(void **state)
{
	static const struct {
		const char *name, *value;
		int type;
		const char *why; /* NULL: fine, then v */
		uint64_t v;
	} cases[] = { { "compression", "zstd-5", TYPE_FS, NULL, 16 | 5 << 7 },
		{ "compress", "lz4", TYPE_FS, NULL, 15 },
		{ "compression", "foo", TYPE_FS, "'compression' must be one of '" COMPRESSIONS "'", 0 },
		{ "atime", "off", TYPE_FS, NULL, 0 },
		{ "atime", "maybe", TYPE_FS, "'atime' must be one of 'on | off'", 0 },
		{ "recordsize", "16k", TYPE_FS, NULL, 16384 },
		{ "recordsize", "1000", TYPE_FS, "'recordsize' must be power of 2 from 512B to 16M", 0 },
		{ "recordsize", "32M", TYPE_FS, "'recordsize' must be power of 2 from 512B to 16M", 0 },
		{ "recordsize", "8k", TYPE_VOL,
		    "'recordsize' does not apply to datasets of this type", 0 },
		{ "quota", "1.5M", TYPE_FS, NULL, 1572864 }, { "quota", "none", TYPE_FS, NULL, 0 },
		{ "quota", "0", TYPE_FS, "use 'none' to disable quota/refquota", 0 },
		{ "quota", "-1", TYPE_FS, "bad numeric value '-1'", 0 },
		{ "refreservation", "auto", TYPE_FS,
		    "'refreservation=auto' only allowed on volumes", 0 },
		{ "filesystem_limit", "none", TYPE_FS, NULL, UINT64_MAX },
		{ "used", "1", TYPE_FS, "'used' is readonly", 0 },
		{ "casesensitivity", "mixed", TYPE_FS, "'casesensitivity' is readonly", 0 },
		{ "nosuch", "1", TYPE_FS, "invalid property 'nosuch'", 0 },
		{ "COM.Upper:x", "1", TYPE_FS, "invalid property 'COM.Upper:x'", 0 },
		{ "compression", "on", TYPE_SNAP,
		    "this property can not be modified for snapshots", 0 },
		{ "mountpoint", "rel", TYPE_FS,
		    "'mountpoint' must be an absolute path, 'none', or 'legacy'", 0 },
		{ "dedup", "edonr", TYPE_FS,
		    "'dedup' must be one of 'on | off | verify | sha256[,verify] | sha512[,verify] | "
		    "skein[,verify] | edonr,verify | blake3[,verify]'", 0 } };
	static char why[ZFS_VALUE_MAX + 512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nvlist_t *props = nvlist_create();
		uint64_t v = 77;
		int err = zfs_prop_parse(cases[i].name, cases[i].value, cases[i].type, false, props,
		    why, sizeof (why));
		if (cases[i].why != NULL) {
			assert_int_equal(err, EINVAL);
			assert_string_equal(why, cases[i].why);
			assert_true(nvlist_empty(props));
		} else {
			assert_int_equal(err, 0);
			(void)nvpair_value_uint64(nvlist_next_nvpair(props, NULL), &v);
			assert_true(v == cases[i].v);
		}
		nvlist_free(props);
	}
}

static void
user_properties_have_a_colon(void **state)
{
	static char why[ZFS_VALUE_MAX + 512], big[8193];
	nvlist_t *props = nvlist_create();

	(void)state;
	assert_int_equal(zfs_prop_parse("com.example:a", "two words", TYPE_SNAP, false, props, why,
			     sizeof (why)), 0);
	assert_string_equal(cmd_str(props, "com.example:a"), "two words");
	memset(big, 'v', 8192);
	assert_int_equal(
	    zfs_prop_parse("com.example:b", big, TYPE_FS, false, props, why, sizeof (why)), EINVAL);
	assert_string_equal(why, "property value too long");
	big[8191] = '\0';
	assert_int_equal(
	    zfs_prop_parse("com.example:b", big, TYPE_FS, false, props, why, sizeof (why)), 0);
	nvlist_free(props);
}

static void
pool_values_are_checked(void **state)
{
	static const struct {
		const char *name, *value;
		bool create;
		const char *why;
	} cases[] = { { "ashift", "12", false, NULL },
		{ "ashift", "20", false,
		    "property 'ashift' number 20 is invalid, only values between 9 and 16 are allowed." },
		{ "size", "1", false, "'size' is readonly" },
		{ "autoexpand", "maybe", false, "'autoexpand' must be one of 'on | off'" },
		{ "failmode", "explode", false,
		    "'failmode' must be one of 'wait | continue | panic'" },
		{ "comment", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false,
		    "comment must not exceed 32 characters" },
		{ "cachefile", "relative", false,
		    "property 'cachefile' must be empty, an absolute path, or 'none'" },
		{ "readonly", "on", false, "property 'readonly' can only be set at import time" },
		{ "readonly", "on", true, NULL },
		{ "altroot", "/x", false,
		    "property 'altroot' can only be set during pool creation or import" },
		{ "nosuch", "1", false, "invalid property 'nosuch'" },
		{ "feature@nosuch", "enabled", false, "feature 'nosuch' unsupported by kernel" },
		{ "feature@lz4_compress", "active", true,
		    "property 'feature@lz4_compress' can only be set to 'enabled' or 'disabled'" },
		{ "feature@lz4_compress", "disabled", false,
		    "property 'feature@lz4_compress' can only be set to 'disabled' at creation time" },
		{ "org.example:owner", "me", false, NULL } };
	char why[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nvlist_t *props = nvlist_create();
		int err = zpool_prop_parse(
		    cases[i].name, cases[i].value, cases[i].create, props, why, sizeof (why));
		assert_int_equal(err, cases[i].why == NULL ? 0 : EINVAL);
		if (cases[i].why != NULL)
			assert_string_equal(why, cases[i].why);
		nvlist_free(props);
	}
}

static void
columns_name_properties(void **state)
{
	(void)state;
	assert_string_equal(zfs_prop_find("avail")->zp_name, "available");
	assert_string_equal(zfs_prop_find("REFER")->zp_name, "referenced");
	assert_null(zfs_prop_find("nosuch"));
	assert_string_equal(zpool_prop_find("cap")->zp_name, "capacity");
	assert_string_equal(zpool_prop_find("alloc")->zp_name, "allocated");
	/* The widest word makes the VALUE column of `zfs get compression`. */
	assert_int_equal(zprop_width(zfs_prop_find("compression"), NULL), 14);
	assert_int_equal(zprop_width(zfs_prop_find("atime"), NULL), 5);
	assert_int_equal(zprop_width(NULL, "com.example:a"), 13);
}

static void
values_know_their_source(void **state)
{
	nvlist_t *entry = nvlist_create(), *props = nvlist_create(), *one = nvlist_create();
	dataset_t d = { .d_name = "tank/home/alice", .d_type = TYPE_FS, .d_entry = entry };
	zprop_want_t zw = { .zw_prop = zfs_prop_find("compression"), .zw_name = "compression" };
	char buf[256], where[ZFS_MAX_DATASET_NAME_LEN];
	zprop_source_t src;

	(void)state;
	assert_true(zfs_value(&d, &zw, false, buf, sizeof (buf), &src, where));
	assert_string_equal(buf, "on");
	assert_int_equal(src, ZPROP_SRC_DEFAULT);
	fnvlist_add_uint64(one, "value", 15);
	fnvlist_add_string(one, "source", "tank/home");
	fnvlist_add_nvlist(props, "compression", one);
	fnvlist_add_nvlist(entry, "props", props);
	assert_true(zfs_value(&d, &zw, false, buf, sizeof (buf), &src, where));
	assert_string_equal(buf, "lz4");
	assert_int_equal(src, ZPROP_SRC_INHERITED);
	assert_string_equal(where, "tank/home");
	/* A snapshot has no compression. */
	dataset_t snap = { .d_name = "tank/home@s", .d_type = TYPE_SNAP, .d_entry = entry };
	assert_false(zfs_value(&snap, &zw, false, buf, sizeof (buf), &src, where));
	nvlist_free(one);
	nvlist_free(props);
	nvlist_free(entry);
}

static void
numbers_show_what_they_are(void **state)
{
	static const struct {
		const char *prop, *member;
		uint64_t v;
		const char *nice, *literal;
	} cases[] = { { "used", "used", 0, "0B", "0" }, { "written", "written", 0, "0", "0" },
		{ "used", "used", 24576, "24K", "24576" },
		{ "compressratio", "compressratio", 105, "1.05x", "1.05" },
		{ "guid", "guid", UINT64_MAX, "18446744073709551615", "18446744073709551615" } };
	char buf[256], where[ZFS_MAX_DATASET_NAME_LEN];
	zprop_source_t src;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nvlist_t *entry = nvlist_create();
		dataset_t d = { .d_name = "tank", .d_type = TYPE_FS, .d_entry = entry };
		zprop_want_t zw = { .zw_prop = zfs_prop_find(cases[i].prop),
			.zw_name = (char *)cases[i].prop };
		fnvlist_add_uint64(entry, cases[i].member, cases[i].v);
		assert_true(zfs_value(&d, &zw, false, buf, sizeof (buf), &src, where));
		assert_string_equal(buf, cases[i].nice);
		assert_true(zfs_value(&d, &zw, true, buf, sizeof (buf), &src, where));
		assert_string_equal(buf, cases[i].literal);
		assert_int_equal(src, ZPROP_SRC_NONE);
		nvlist_free(entry);
	}
}

static void
compatibility_sets_intersect(void **state)
{
	uint64_t all, v20, both, none;
	char why[512];

	(void)state;
	assert_int_equal(zpool_compat_features("off", &all, why, sizeof (why)), 0);
	assert_int_equal(zpool_compat_features("legacy", &none, why, sizeof (why)), 0);
	assert_int_equal(none, 0);
	assert_int_equal(zpool_compat_features("openzfs-2.0-linux", &v20, why, sizeof (why)), 0);
	assert_true(v20 >> SPA_FEATURE_ZSTD_COMPRESS & 1);
	assert_false(v20 >> SPA_FEATURE_DRAID & 1);
	assert_int_equal(
	    zpool_compat_features("openzfs-2.0-linux,grub2", &both, why, sizeof (why)), 0);
	assert_true((both & v20) == both && both != v20);
	assert_int_equal(zpool_compat_features("nosuchfile", &both, why, sizeof (why)), EINVAL);
	assert_string_equal(why, "nosuchfile ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dataset_values_are_checked),
		cmocka_unit_test(user_properties_have_a_colon),
		cmocka_unit_test(pool_values_are_checked),
		cmocka_unit_test(columns_name_properties),
		cmocka_unit_test(values_know_their_source),
		cmocka_unit_test(numbers_show_what_they_are),
		cmocka_unit_test(compatibility_sets_intersect),
	};

	spl_init();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
