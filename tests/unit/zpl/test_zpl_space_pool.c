/* What only a real pool can show: accounting of owners, quotas that bite, statfs, a
 * large directory. */
#include "zpl_test.h"

typedef struct sums {
	uint64_t bytes[3], objects[3]; /* uid 0, 1000, 1001 */
} sums_t;

static int
slot(uint64_t uid)
{
	return (uid == 0 ? 0 : uid == 1000 ? 1 : 2);
}

/* By looking at every file. */
static void
count_files(fs_t *fs, sums_t *s)
{
	uint64_t obj = 0;
	memset(s, 0, sizeof(*s));
	while (dmu_object_next(fs->os, &obj, false, 0) == 0) {
		dmu_object_info_t doi;
		znode_t *zp;
		if (znode_get(fs->zv, obj, &zp) != 0)
			continue;
		VERIFY0(dmu_object_info(fs->os, obj, &doi));
		s->bytes[slot(zp->z_uid)] += doi.doi_used_bytes + 512;
		s->objects[slot(zp->z_uid)]++;
		zpl_rele(zp);
	}
}

static int
one_user(void *arg, uint64_t id, uint64_t value)
{
	((sums_t *)arg)->bytes[slot(id)] += value;
	return (0);
}

static void
owners_are_charged_exactly(void **state)
{
	fs_t fs;
	static uint8_t data[300000];
	sums_t want, got = {{0}};
	uint64_t v;
	znode_t *zp;
	fs_make(&fs, NULL);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	for (int i = 0; i < 60; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(zpl_create(fs.root, name, 0644, true,
				     i % 2 ? &alice : &bob, &zp, NULL),
		    0);
		put(zp, 0, data, (size_t)i * 5000);
		if (i % 7 == 0)
			VERIFY0(
			    zpl_xattr_set(zp, "user.x", data, 3000, 0, &zpl_root_cred));
		zpl_rele(zp);
	}
	fs_remount(&fs);
	for (int i = 0; i < 60; i += 3) {
		char name[16];
		snprintf(name, sizeof(name), "f%d", i);
		if (i % 2 == 0) {
			VERIFY0(zpl_unlink(fs.root, name, &zpl_root_cred));
			continue;
		}
		zp = walk(&fs, name);
		const zpl_attr_t za = {.za_mask = ZPL_AT_UID | ZPL_AT_SIZE,
		    .za_uid = 1001,
		    .za_size = 100};
		VERIFY0(zpl_setattr(zp, &za, &zpl_root_cred, NULL));
		zpl_rele(zp);
	}
	fs_remount(&fs);
	count_files(&fs, &want);
	VERIFY0(zpl_userspace_many(fs.os, ZPL_USERUSED, one_user, &got));
	for (int i = 0; i < 3; i++)
		assert_int_equal(got.bytes[i], want.bytes[i]);
	VERIFY0(zpl_userspace_one(fs.os, ZPL_USERUSED, 1000, &v));
	assert_int_equal(v, want.bytes[1]);
	VERIFY0(zpl_userspace_one(fs.os, ZPL_USEROBJUSED, 1001, &v));
	assert_int_equal(v, want.objects[2]);
	VERIFY0(zpl_userspace_one(fs.os, ZPL_GROUPUSED, 1000, &v));
	assert_true(v > 0);

	/* a limit below that, and alice gets no further */
	VERIFY0(zpl_set_userquota(fs.os, ZPL_USERQUOTA, 1000, want.bytes[1]));
	zp = walk(&fs, "f1");
	const struct iovec iov = {data, 10};
	size_t done;
	assert_int_equal(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &alice), EDQUOT);
	VERIFY0(
	    zpl_set_userquota(fs.os, ZPL_USERQUOTA, 1000, want.bytes[1] + (1 << 20)));
	assert_int_equal(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &alice), 0);
	zpl_rele(zp);
	VERIFY0(zpl_set_userquota(fs.os, ZPL_USEROBJQUOTA, 1001, want.objects[2]));
	assert_int_equal(
	    zpl_create(fs.root, "more", 0644, true, &bob, &zp, NULL), EDQUOT);
	fs_destroy(&fs);
}

static bool
count_entries(
    void *arg, const char *name, size_t len, uint64_t obj, uint8_t type, uint64_t next)
{
	++*(uint64_t *)arg;
	return (true);
}

static void
a_large_directory(void **state)
{
	enum { N = 30000 };
	fs_t fs;
	char name[32];
	uint64_t n = 0, cookie = 0;
	fs_make(&fs, NULL);
	znode_t *d = mkdirz(fs.root, "d");
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "a file with number %d", i);
		zpl_rele(mkfile(d, name));
	}
	assert_int_equal(attr(d).za_size, N + 2);
	zpl_rele(d);
	fs_remount(&fs);
	d = walk(&fs, "d");
	assert_int_equal(zap_verify(fs.os, zpl_object(d)), 0);
	assert_int_equal(zpl_readdir(d, &cookie, count_entries, &n, NULL), 0);
	assert_int_equal(n, N + 2);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "a file with number %d", (i * 7919) % N);
		assert_int_equal(zpl_unlink(d, name, &zpl_root_cred), 0);
	}
	assert_int_equal(attr(d).za_size, 2);
	zpl_rele(d);
	assert_int_equal(zpl_rmdir(fs.root, "d", &zpl_root_cred), 0);
	fs_destroy(&fs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(owners_are_charged_exactly),
    cmocka_unit_test(a_large_directory),
};
ZPL_TEST_MAIN(tests)
