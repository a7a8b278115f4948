/* Extended attributes in both stores, and POSIX ACLs. */
#include "zpl_test.h"

static int
xset(znode_t *zp, const char *name, const void *v, size_t len, int flags)
{
	return (zpl_xattr_set(zp, name, v, len, flags, &zpl_root_cred));
}

static void
expect(znode_t *zp, const char *name, const void *v, size_t len)
{
	static uint8_t buf[70000];
	size_t got = 0;
	assert_int_equal(
	    zpl_xattr_get(zp, name, buf, sizeof(buf), &got, &zpl_root_cred), 0);
	assert_int_equal(got, len);
	assert_memory_equal(buf, v, len);
}

static void
gone(znode_t *zp, const char *name)
{
	size_t len;
	assert_int_equal(
	    zpl_xattr_get(zp, name, NULL, 0, &len, &zpl_root_cred), ENODATA);
}

static void
set_get_list_remove(void **state)
{
	for (int store = ZPL_XATTR_DIR; store <= ZPL_XATTR_SA; store++) {
		fs_t fs;
		char list[256];
		size_t len;
		fs_make(&fs, NULL);
		fs.opts.zo_xattr = (zpl_xattr_mode_t)store;
		zpl_set_opts(fs.zv, &fs.opts);
		znode_t *f = mkfile(fs.root, "f");
		gone(f, "user.none");
		assert_int_equal(xset(f, "user.a", "alpha", 5, 0), 0);
		assert_int_equal(xset(f, "user.a", "alpha", 5, 1), EEXIST);
		assert_int_equal(xset(f, "user.b", "b", 1, 2), ENODATA);
		assert_int_equal(xset(f, "user.b", "", 0, 1), 0);
		assert_int_equal(xset(f, "security.selinux", "ctx", 3, 0), 0);
		assert_int_equal(xset(f, "trusted.t", "t", 1, 0), 0);
		assert_int_equal(xset(f, "nonsense", "t", 1, 0), EOPNOTSUPP);
		assert_int_equal(
		    xset(f, "system.posix_acl_access", "t", 1, 0), EOPNOTSUPP);
		assert_int_equal(
		    zpl_xattr_set(f, "trusted.u", "t", 1, 0, &alice), EPERM);
		zpl_rele(f);
		fs_remount(&fs);
		f = walk(&fs, "f");
		expect(f, "user.a", "alpha", 5);
		expect(f, "user.b", "", 0);
		expect(f, "trusted.t", "t", 1);
		assert_int_equal(zpl_xattr_list(f, NULL, 0, &len, &zpl_root_cred), 0);
		assert_int_equal(len, 7 + 7 + 17 + 10);
		assert_int_equal(
		    zpl_xattr_list(f, list, 10, &len, &zpl_root_cred), ERANGE);
		assert_int_equal(
		    zpl_xattr_list(f, list, sizeof(list), &len, &alice), 0);
		assert_int_equal(len, 7 + 7 + 17);
		char c;
		assert_int_equal(
		    zpl_xattr_get(f, "user.a", &c, 1, &len, &alice), ERANGE);
		assert_int_equal(xset(f, "user.a", "longer than before", 18, 2), 0);
		expect(f, "user.a", "longer than before", 18);
		assert_int_equal(zpl_xattr_remove(f, "user.a", &zpl_root_cred), 0);
		assert_int_equal(
		    zpl_xattr_remove(f, "user.a", &zpl_root_cred), ENODATA);
		gone(f, "user.a");
		zpl_rele(f);
		const uint64_t before = fs_objects(&fs);
		assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), 0);
		if (store == ZPL_XATTR_DIR)
			assert_true(fs_objects(&fs) <= before - 4);
		else
			assert_int_equal(fs_objects(&fs), before - 1);
		fs_destroy(&fs);
	}
}

static void
packed_form_is_the_reference_s(void **state)
{
	/* format/04 §2.7: "user.d" = "dir value", 60 bytes */
	static const uint8_t want[60] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
	    0x28, 0, 0, 0, 0x28, 0, 0, 0, 6, 'u', 's', 'e', 'r', '.', 'd', 0, 0, 0, 0,
	    0, 0xa, 0, 0, 0, 9, 'd', 'i', 'r', ' ', 'v', 'a', 'l', 'u', 'e'};
	fs_t fs;
	void *buf;
	uint32_t len;
	fs_make(&fs, NULL);
	znode_t *d = mkdirz(fs.root, "d");
	assert_int_equal(xset(d, "user.d", "dir value", 9, 0), 0);
	VERIFY0(sa_lookup_alloc(&d->z_sa, SA_DXATTR, &buf, &len));
	assert_int_equal(len, 60);
	assert_memory_equal(buf, want, 60);
	kmem_free(buf, len);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
large_ones_move_to_the_directory(void **state)
{
	static uint8_t v[65536];
	fs_t fs;
	char name[32];
	fs_make(&fs, NULL);
	for (size_t i = 0; i < sizeof(v); i++)
		v[i] = (uint8_t)(i * 31);
	znode_t *f = mkfile(fs.root, "f");
	assert_int_equal(xset(f, "user.big", v, 100, 0), 0);
	assert_int_equal(f->z_xattr, 0);
	assert_int_equal(xset(f, "user.big", v, 32769, 0), 0);
	assert_true(f->z_xattr != 0);
	expect(f, "user.big", v, 32769);
	assert_int_equal(xset(f, "user.big", v, 65536, 0), 0);
	expect(f, "user.big", v, 65536);
	assert_int_equal(xset(f, "user.big", v, 65537, 0), E2BIG);
	/* and back; in one store only */
	assert_int_equal(xset(f, "user.big", v, 10, 0), 0);
	expect(f, "user.big", v, 10);
	size_t len;
	assert_int_equal(zpl_xattr_list(f, NULL, 0, &len, &zpl_root_cred), 0);
	assert_int_equal(len, 9);
	/* many small ones fill the list, then overflow into the directory */
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.n%d", i);
		assert_int_equal(xset(f, name, v + i, 1000, 0), 0);
	}
	zpl_rele(f);
	fs_remount(&fs);
	f = walk(&fs, "f");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.n%d", i);
		expect(f, name, v + i, 1000);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.n%d", i);
		assert_int_equal(zpl_xattr_remove(f, name, &zpl_root_cred), 0);
	}
	/* the spill block is gone again */
	dmu_buf_t *db;
	assert_int_equal(dmu_spill_hold(f->z_sa.sh_bonus, NULL, &db), ENOENT);
	expect(f, "user.big", v, 10);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
names_of_other_platforms(void **state)
{
	fs_t fs;
	char list[64];
	size_t len;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	/* as FreeBSD or macOS write it */
	assert_int_equal(
	    zpl_xattr_store(f, "com.apple.x", "mac", 3, 0, &zpl_root_cred), 0);
	assert_int_equal(
	    zpl_xattr_store(f, "freebsd:system:y", "b", 1, 0, &zpl_root_cred), 0);
	expect(f, "user.com.apple.x", "mac", 3);
	assert_int_equal(
	    zpl_xattr_list(f, list, sizeof(list), &len, &zpl_root_cred), 0);
	assert_string_equal(list, "user.com.apple.x");
	assert_int_equal(len, 17);
	assert_int_equal(xset(f, "user.com.apple.x", "lin", 3, 2), 0);
	assert_int_equal(
	    zpl_xattr_list(f, list, sizeof(list), &len, &zpl_root_cred), 0);
	assert_int_equal(len, 17);
	expect(f, "user.com.apple.x", "lin", 3);
	gone(f, "user.freebsd:system:y");
	/* xattr=off hides them */
	fs.opts.zo_xattr = ZPL_XATTR_OFF;
	zpl_set_opts(fs.zv, &fs.opts);
	assert_int_equal(
	    zpl_xattr_get(f, "user.com.apple.x", NULL, 0, &len, &zpl_root_cred),
	    EOPNOTSUPP);
	assert_int_equal(
	    zpl_xattr_list(f, list, sizeof(list), &len, &zpl_root_cred), 0);
	assert_int_equal(len, 0);
	zpl_rele(f);
	fs_destroy(&fs);
}

static size_t
make_acl(uint8_t *b, int n, const uint16_t (*e)[2], const uint32_t *ids)
{
	memset(b, 0, 4);
	b[0] = 2;
	for (int i = 0; i < n; i++) {
		uint8_t *p = b + 4 + 8 * i;
		p[0] = (uint8_t)e[i][0];
		p[1] = 0;
		p[2] = (uint8_t)e[i][1];
		p[3] = 0;
		memcpy(p + 4, &ids[i], 4);
	}
	return (4 + 8 * (size_t)n);
}

static void
posix_acls_and_modes_follow_each_other(void **state)
{
	fs_t fs;
	uint8_t acl[64], back[64];
	size_t len, got;
	fs_make(&fs, NULL);
	fs.opts.zo_acltype = ZPL_ACL_POSIX;
	zpl_set_opts(fs.zv, &fs.opts);
	znode_t *f;
	assert_int_equal(zpl_create(fs.root, "f", 0666, true, &alice, &f, NULL), 0);
	assert_int_equal(attr(f).za_mode & 0777, 0644);
	static const uint16_t ext[5][2] = {
	    {1, 6}, {2, 7}, {4, 4}, {0x10, 5}, {0x20, 0}};
	static const uint32_t ids[5] = {~0u, 1001, ~0u, ~0u, ~0u};
	len = make_acl(acl, 5, ext, ids);
	assert_int_equal(
	    zpl_xattr_set(f, "system.posix_acl_access", acl, len, 0, &bob), EPERM);
	assert_int_equal(
	    zpl_xattr_set(f, "system.posix_acl_access", acl, len - 8, 0, &alice),
	    EINVAL);
	assert_int_equal(
	    zpl_xattr_set(f, "system.posix_acl_access", acl, len, 0, &alice), 0);
	assert_int_equal(attr(f).za_mode & 0777, 0650);
	const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 0604};
	assert_int_equal(zpl_setattr(f, &za, &alice, NULL), 0);
	assert_int_equal(
	    zpl_xattr_get(f, "system.posix_acl_access", back, 64, &got, &alice), 0);
	assert_int_equal(got, len);
	assert_int_equal(back[4 + 8 * 3 + 2], 0); /* mask */
	assert_int_equal(back[4 + 8 * 4 + 2], 4); /* other */
	/* one that says no more than a mode is not kept */
	static const uint16_t plain[3][2] = {{1, 7}, {4, 5}, {0x20, 1}};
	static const uint32_t none[3] = {~0u, ~0u, ~0u};
	len = make_acl(acl, 3, plain, none);
	assert_int_equal(
	    zpl_xattr_set(f, "system.posix_acl_access", acl, len, 0, &alice), 0);
	assert_int_equal(attr(f).za_mode & 0777, 0751);
	gone(f, "system.posix_acl_access");
	assert_int_equal(
	    zpl_xattr_set(f, "system.posix_acl_default", acl, len, 0, &alice), EACCES);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
default_acls_replace_the_umask(void **state)
{
	fs_t fs;
	uint8_t acl[64], back[64];
	size_t got;
	znode_t *zp;
	fs_make(&fs, NULL);
	fs.opts.zo_acltype = ZPL_ACL_POSIX;
	zpl_set_opts(fs.zv, &fs.opts);
	znode_t *d = mkdirz(fs.root, "d");
	static const uint16_t ext[5][2] = {
	    {1, 7}, {2, 6}, {4, 7}, {0x10, 7}, {0x20, 5}};
	static const uint32_t ids[5] = {~0u, 1001, ~0u, ~0u, ~0u};
	const size_t len = make_acl(acl, 5, ext, ids);
	assert_int_equal(xset(d, "system.posix_acl_default", acl, len, 0), 0);
	assert_int_equal(zpl_create(d, "f", 0666, true, &alice, &zp, NULL), 0);
	/* format/04 §4.7: MODE 0664 (the group shows the mask), ACL of 0666 */
	assert_int_equal(attr(zp).za_mode & 0777, 0664);
	assert_true(attr(zp).za_flags & ZPL_F_ACL_TRIVIAL);
	zpl_acl_t nacl;
	VERIFY0(zpl_acl_get(zp, &nacl));
	assert_int_equal(zpl_acl_mode(&nacl, 0, 0, 0, NULL), 0666);
	zpl_acl_fini(&nacl);
	assert_int_equal(
	    zpl_xattr_get(zp, "system.posix_acl_access", back, 64, &got, &alice), 0);
	assert_int_equal(got, len);
	zpl_rele(zp);
	assert_int_equal(zpl_mkdir(d, "sub", 0777, &alice, &zp), 0);
	assert_int_equal(attr(zp).za_mode & 0777, 0775);
	expect(zp, "system.posix_acl_default", acl, len);
	zpl_rele(zp);
	zpl_rele(d);
	fs_destroy(&fs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(set_get_list_remove),
    cmocka_unit_test(packed_form_is_the_reference_s),
    cmocka_unit_test(large_ones_move_to_the_directory),
    cmocka_unit_test(names_of_other_platforms),
    cmocka_unit_test(posix_acls_and_modes_follow_each_other),
    cmocka_unit_test(default_acls_replace_the_umask),
};
ZPL_TEST_MAIN(tests)
