/* Attributes: modes and ACLs, owners, times, flags, projects, quotas, old versions. */
#include "zpl_test.h"

static void
set(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr, int expect)
{
	assert_int_equal(zpl_setattr(zp, za, cr, NULL), expect);
}

static zpl_acl_t
acl_of(znode_t *zp)
{
	zpl_acl_t acl;
	rw_enter(&zp->z_lock, RW_READER);
	VERIFY0(zpl_acl_get(zp, &acl));
	rw_exit(&zp->z_lock);
	return (acl);
}

static void
every_mode_has_its_trivial_acl(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f"), *d = mkdirz(fs.root, "d");
	for (unsigned mode = 0; mode < 01000; mode++) {
		const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = mode};
		znode_t *both[2] = {f, d};
		for (int i = 0; i < 2; i++) {
			bool noexec;
			set(both[i], &za, &zpl_root_cred, 0);
			assert_int_equal(attr(both[i]).za_mode & 07777, mode);
			zpl_acl_t acl = acl_of(both[i]);
			/* the ACL says exactly what the mode says, and is known to */
			assert_int_equal(zpl_acl_mode(&acl, 0, 0, 0, &noexec), mode);
			assert_true(zpl_acl_is_trivial(&acl));
			assert_int_equal(noexec, (mode & 0111) == 0111);
			assert_true(attr(both[i]).za_flags & ZPL_F_ACL_TRIVIAL);
			assert_int_equal(
			    (attr(both[i]).za_flags & ZPL_F_NO_EXECS_DENIED) != 0,
			    noexec);
			zpl_acl_fini(&acl);
		}
	}
	/* the examples of format/04 §4.4 */
	const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 0604};
	set(f, &za, &zpl_root_cred, 0);
	zpl_acl_t acl = acl_of(f);
	static const struct {
		uint16_t flags, type;
		uint32_t mask;
	} want[] = {{0x1000, 0, 0x1}, {0x2040, 1, 0x1}, {0x1000, 0, 0x1e019f},
	    {0x2040, 0, 0x120088}, {0x4000, 0, 0x120089}};
	assert_int_equal(acl.a_n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(acl.a_aces[i].z_flags, want[i].flags);
		assert_int_equal(acl.a_aces[i].z_type, want[i].type);
		assert_int_equal(acl.a_aces[i].z_access_mask, want[i].mask);
	}
	zpl_acl_fini(&acl);
	zpl_rele(f);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
inheritable_aces_reach_the_children(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	znode_t *d = mkdirz(fs.root, "d");
	/* user 1001 may read and write everything below: file and directory inherit */
	zpl_acl_t acl = acl_of(d);
	zfs_ace_t aces[8];
	aces[0] = (zfs_ace_t){
	    .z_type = 0, .z_flags = 0x3, .z_access_mask = 0xC0003, .z_fuid = 1001};
	memcpy(&aces[1], acl.a_aces, acl.a_n * sizeof(aces[0]));
	zpl_acl_t with = {.a_aces = aces, .a_n = acl.a_n + 1, .a_alloc = 8};
	void *packed;
	uint32_t len;
	const uint64_t count = with.a_n;
	zpl_acl_pack(&with, &packed, &len);
	zpl_acl_fini(&acl);
	dmu_tx_t *tx = dmu_tx_create(fs.os);
	zpl_tx_hold_znode(tx, d, true);
	VERIFY0(zpl_tx_assign(tx));
	const sa_change_t sc[] = {
	    {SA_DACL_COUNT, &count, 8}, {SA_DACL_ACES, packed, len}};
	rw_enter(&d->z_lock, RW_WRITER);
	VERIFY0(sa_update(&d->z_sa, sc, 2, tx));
	d->z_flags |= ZPL_F_INHERIT_ACE;
	VERIFY0(znode_store(d, ZM(SA_FLAGS), tx));
	rw_exit(&d->z_lock);
	dmu_tx_commit(tx);
	kmem_free(packed, len);

	assert_int_equal(zpl_create(d, "f", 0640, true, &alice, &zp, NULL), 0);
	acl = acl_of(zp);
	assert_int_equal(acl.a_n, 4);
	assert_int_equal(acl.a_aces[0].z_fuid, 1001);
	assert_int_equal(
	    acl.a_aces[0].z_flags, 0x80); /* inherited, no more than that */
	assert_int_equal(
	    acl.a_aces[0].z_access_mask, 0x3); /* restricted: not write ACL/owner */
	assert_false(attr(zp).za_flags & ZPL_F_ACL_TRIVIAL);
	assert_int_equal(attr(zp).za_mode & 0777, 0640);
	zpl_acl_fini(&acl);
	zpl_rele(zp);
	assert_int_equal(zpl_mkdir(d, "sub", 0755, &alice, &zp), 0);
	acl = acl_of(zp);
	assert_int_equal(acl.a_aces[0].z_flags, 0x83);
	assert_true(attr(zp).za_flags & ZPL_F_INHERIT_ACE);
	zpl_acl_fini(&acl);
	/* chmod with aclmode=discard leaves only the mode */
	const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 0700};
	set(zp, &za, &alice, 0);
	acl = acl_of(zp);
	assert_true(zpl_acl_is_trivial(&acl));
	assert_false(attr(zp).za_flags & ZPL_F_INHERIT_ACE);
	zpl_acl_fini(&acl);
	zpl_rele(zp);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
owners_and_set_id_bits(void **state)
{
	fs_t fs;
	znode_t *f;
	const struct iovec iov = {(char *)"x", 1};
	size_t done;
	fs_make(&fs, NULL);
	assert_int_equal(zpl_create(fs.root, "f", 0755, true, &alice, &f, NULL), 0);
	zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 06755};
	set(f, &za, &bob, EPERM);
	set(f, &za, &alice, 0);
	assert_int_equal(attr(f).za_mode & 07777, 06755);
	assert_int_equal(zpl_write(f, 0, &iov, 1, 0, &done, NULL, &bob), 0);
	assert_int_equal(attr(f).za_mode & 07777, 0755);
	set(f, &za, &alice, 0);
	assert_int_equal(zpl_write(f, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred), 0);
	assert_int_equal(attr(f).za_mode & 07777, 06755);
	/* a group of hers: yes, and the bits go; others: no */
	za = (zpl_attr_t){.za_mask = ZPL_AT_GID, .za_gid = 2000};
	set(f, &za, &alice, 0);
	assert_int_equal(attr(f).za_gid, 2000);
	assert_int_equal(attr(f).za_mode & 07777, 0755);
	za.za_gid = 3000;
	set(f, &za, &alice, EPERM);
	za = (zpl_attr_t){.za_mask = ZPL_AT_UID, .za_uid = 1001};
	set(f, &za, &alice, EPERM);
	set(f, &za, &zpl_root_cred, 0);
	assert_int_equal(attr(f).za_uid, 1001);
	za = (zpl_attr_t){.za_mask = ZPL_AT_MODE, .za_mode = 02755};
	set(f, &za, &bob, 0); /* not in group 2000: the bit is dropped */
	assert_int_equal(attr(f).za_mode & 07777, 0755);
	zpl_rele(f);
	/* a set-gid directory hands its group down */
	znode_t *d = mkdirz(fs.root, "d"), *zp;
	za = (zpl_attr_t){
	    .za_mask = ZPL_AT_MODE | ZPL_AT_GID, .za_mode = 02777, .za_gid = 555};
	set(d, &za, &zpl_root_cred, 0);
	assert_int_equal(zpl_mkdir(d, "sub", 0777, &alice, &zp), 0);
	assert_int_equal(attr(zp).za_gid, 555);
	assert_int_equal(attr(zp).za_mode & 07777, 02755);
	zpl_rele(zp);
	assert_int_equal(zpl_create(d, "g", 02755, true, &alice, &zp, NULL), 0);
	assert_int_equal(attr(zp).za_mode & 07777, 0755);
	zpl_rele(zp);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
times_are_kept_to_the_nanosecond(void **state)
{
	fs_t fs;
	char c;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	put(f, 0, "x", 1);
	zpl_attr_t za = {.za_mask = ZPL_AT_ATIME | ZPL_AT_MTIME | ZPL_AT_BTIME,
	    .za_atime = {-5, 999999999},
	    .za_mtime = {4102444800, 1},
	    .za_btime = {1, 2}};
	set(f, &za, &zpl_root_cred, 0);
	zpl_rele(f);
	fs_remount(&fs);
	f = walk(&fs, "f");
	zpl_attr_t now = attr(f);
	assert_int_equal(now.za_atime.tv_sec, -5);
	assert_int_equal(now.za_atime.tv_nsec, 999999999);
	assert_int_equal(now.za_mtime.tv_sec, 4102444800);
	assert_int_equal(now.za_btime.tv_nsec, 2);
	/* reading: relatime sees an old access time, notes it, and writes it when all
	 * is quiet */
	const struct timespec ctime = now.za_ctime;
	get(f, 0, &c, 1);
	assert_true(attr(f).za_atime.tv_sec > 1000);
	assert_int_equal(attr(f).za_ctime.tv_sec, ctime.tv_sec);
	assert_int_equal(attr(f).za_ctime.tv_nsec, ctime.tv_nsec);
	const struct timespec at = attr(f).za_atime;
	zpl_rele(f);
	fs_remount(&fs);
	f = walk(&fs, "f");
	assert_int_equal(attr(f).za_atime.tv_sec, at.tv_sec);
	assert_int_equal(attr(f).za_atime.tv_nsec, at.tv_nsec);
	/* atime=off */
	fs.opts.zo_atime = false;
	zpl_set_opts(fs.zv, &fs.opts);
	za = (zpl_attr_t){.za_mask = ZPL_AT_ATIME, .za_atime = {7, 0}};
	set(f, &za, &zpl_root_cred, 0);
	get(f, 0, &c, 1);
	assert_int_equal(attr(f).za_atime.tv_sec, 7);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
flags_protect_files(void **state)
{
	fs_t fs;
	const struct iovec iov = {(char *)"x", 1};
	size_t done;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	put(f, 0, "abc", 3);
	zpl_attr_t za = {.za_mask = ZPL_AT_FLAGS,
	    .za_flags = ZPL_F_IMMUTABLE,
	    .za_flags_mask = ZPL_F_IMMUTABLE};
	set(f, &za, &bob, EPERM);
	set(f, &za, &zpl_root_cred, 0);
	assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), EPERM);
	assert_int_equal(
	    zpl_rename(fs.root, "f", fs.root, "g", 0, &zpl_root_cred), EPERM);
	assert_int_equal(
	    zpl_write(f, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred), EPERM);
	assert_int_equal(zpl_truncate(f, 0, &zpl_root_cred), EPERM);
	assert_int_equal(zpl_xattr_set(f, "user.a", "1", 1, 0, &zpl_root_cred), EPERM);
	assert_int_equal(zpl_link(fs.root, f, "g", &zpl_root_cred), EPERM);
	za.za_flags = ZPL_F_APPENDONLY;
	za.za_flags_mask |= ZPL_F_APPENDONLY;
	set(f, &za, &zpl_root_cred, 0);
	assert_int_equal(
	    zpl_write(f, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred), EPERM);
	assert_int_equal(zpl_write(f, 3, &iov, 1, 0, &done, NULL, &zpl_root_cred), 0);
	assert_int_equal(zpl_truncate(f, 0, &zpl_root_cred), EPERM);
	za.za_flags = 0;
	set(f, &za, &zpl_root_cred, 0);
	za = (zpl_attr_t){.za_mask = ZPL_AT_FLAGS,
	    .za_flags = ZPL_F_REPARSE,
	    .za_flags_mask = ZPL_F_REPARSE};
	set(f, &za, &zpl_root_cred, EPERM);
	assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), 0);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
projects_are_inherited_and_checked(void **state)
{
	fs_t fs;
	znode_t *zp;
	dmu_buf_t *db;
	uint64_t u, g, p;
	fs_features(true);
	nvlist_t *props = nvlist_create();
	fnvlist_add_boolean_value(props, "project_quota", true);
	fs_make(&fs, props);
	nvlist_free(props);
	znode_t *d = mkdirz(fs.root, "d");
	zpl_attr_t za = {.za_mask = ZPL_AT_PROJID | ZPL_AT_FLAGS,
	    .za_projid = 42,
	    .za_flags = ZPL_F_PROJINHERIT,
	    .za_flags_mask = ZPL_F_PROJINHERIT};
	set(d, &za, &zpl_root_cred, 0);
	znode_t *f = mkfile(d, "f"), *o = mkfile(fs.root, "outside");
	assert_int_equal(attr(f).za_projid, 42);
	assert_true(attr(f).za_flags & ZPL_F_PROJINHERIT);
	VERIFY0(dmu_bonus_hold(fs.os, zpl_object(f), NULL, &db));
	assert_int_equal(ondisk_get64((uint8_t *)db->db_data + 8 + 128, false), 42);
	assert_true(
	    zpl_bonus_owner(fs.os, DMU_OT_SA, db->db_data, db->db_size, &u, &g, &p));
	assert_int_equal(p, 42);
	dmu_buf_rele(db, NULL);
	assert_int_equal(zpl_link(d, o, "o", &zpl_root_cred), EXDEV);
	assert_int_equal(
	    zpl_rename(fs.root, "outside", d, "o", 0, &zpl_root_cred), EXDEV);
	/* a symlink has no slot */
	assert_int_equal(zpl_symlink(d, "l", "x", &zpl_root_cred, &zp), 0);
	assert_int_equal(attr(zp).za_projid, 0);
	set(zp, &(zpl_attr_t){.za_mask = ZPL_AT_PROJID, .za_projid = 1}, &zpl_root_cred,
	    ENOTSUP);
	zpl_rele(zp);
	zpl_rele(f);
	zpl_rele(o);
	zpl_rele(d);
	fs_destroy(&fs);
	fs_features(false);
}

static void
a_file_without_project_gets_its_slot(void **state)
{
	fs_t fs;
	dmu_buf_t *db;
	TOY_ONLY();
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	VERIFY0(zpl_xattr_set(f, "user.a", "value", 5, 0, &zpl_root_cred));
	zpl_rele(f);
	fs_unmount(&fs);
	fs_features(true);
	fs_mount(&fs);
	f = walk(&fs, "f");
	const zpl_attr_t za = {.za_mask = ZPL_AT_PROJID, .za_projid = 99};
	set(f, &za, &zpl_root_cred, 0);
	VERIFY0(dmu_bonus_hold(fs.os, zpl_object(f), NULL, &db));
	uint16_t layout;
	uint32_t hdr;
	bool swap;
	VERIFY0(sa_hdr_decode(db->db_data, db->db_size, &layout, &hdr, &swap));
	assert_int_equal(ondisk_get64((uint8_t *)db->db_data + hdr + 128, false), 99);
	dmu_buf_rele(db, NULL);
	char buf[8];
	size_t len;
	assert_int_equal(zpl_xattr_get(f, "user.a", buf, 8, &len, &zpl_root_cred), 0);
	assert_int_equal(len, 5);
	zpl_rele(f);
	fs_destroy(&fs);
	fs_features(false);
}

static void
quotas_say_no(void **state)
{
	fs_t fs;
	znode_t *zp;
	const struct iovec iov = {(char *)"x", 1};
	size_t done;
	uint64_t v;
	TOY_ONLY(); /* accounting by hand */
	fs_make(&fs, NULL);
	assert_int_equal(zpl_create(fs.root, "f", 0644, true, &alice, &zp, NULL), 0);
	assert_int_equal(zpl_set_userquota(fs.os, ZPL_USERQUOTA, 1000, 5000), 0);
	assert_int_equal(zpl_set_userquota(fs.os, ZPL_USERUSED, 1000, 5000), EINVAL);
	assert_int_equal(zpl_userspace_one(fs.os, ZPL_USERQUOTA, 1000, &v), 0);
	assert_int_equal(v, 5000);
	/* the accounting of the layers below, by hand */
	dmu_tx_t *tx = dmu_tx_create(fs.os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	VERIFY0(zap_create_claim_norm(
	    fs.os, DMU_USERUSED_OBJECT, 0, DMU_OT_USERGROUP_USED, 0, 0, tx));
	VERIFY0(zap_increment_int(fs.os, DMU_USERUSED_OBJECT, 1000, 4999, tx));
	dmu_tx_commit(tx);
	assert_int_equal(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &alice), 0);
	tx = dmu_tx_create(fs.os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	VERIFY0(zap_increment_int(fs.os, DMU_USERUSED_OBJECT, 1000, 1, tx));
	dmu_tx_commit(tx);
	assert_int_equal(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &alice), EDQUOT);
	znode_t *zp2;
	assert_int_equal(
	    zpl_create(fs.root, "g", 0644, true, &alice, &zp2, NULL), EDQUOT);
	assert_int_equal(zpl_create(fs.root, "g", 0644, true, &bob, &zp2, NULL), 0);
	const zpl_attr_t za = {.za_mask = ZPL_AT_UID, .za_uid = 1000};
	set(zp2, &za, &zpl_root_cred, EDQUOT);
	zpl_rele(zp2);
	assert_int_equal(zpl_set_userquota(fs.os, ZPL_USERQUOTA, 1000, 0), 0);
	assert_int_equal(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &alice), 0);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
old_versions_live_and_are_upgraded(void **state)
{
	for (uint64_t version = 1; version <= 4; version++) {
		fs_t fs;
		char buf[600], target[400];
		size_t len;
		dmu_buf_t *db;
		znode_t *zp;
		nvlist_t *props = nvlist_create();
		fnvlist_add_uint64(props, "version", version);
		fs_make(&fs, props);
		nvlist_free(props);
		znode_t *f = mkfile(fs.root, "f");
		put(f, 0, "old", 3);
		VERIFY0(dmu_bonus_hold(fs.os, zpl_object(f), NULL, &db));
		assert_int_equal(dmu_get_bonustype(db), DMU_OT_ZNODE);
		assert_int_equal(db->db_size, 264);
		dmu_buf_rele(db, NULL);
		memset(target, 't', sizeof(target));
		target[30] = '\0';
		VERIFY0(zpl_symlink(fs.root, "short", target, &zpl_root_cred, &zp));
		zpl_rele(zp);
		target[30] = 't';
		target[399] = '\0';
		VERIFY0(zpl_symlink(fs.root, "long", target, &zpl_root_cred, &zp));
		zpl_rele(zp);
		const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 0751};
		set(f, &za, &zpl_root_cred, 0);
		VERIFY0(zpl_xattr_set(
		    f, "user.x", "in a directory", 14, 0, &zpl_root_cred));
		zpl_rele(f);
		fs_remount(&fs);
		assert_int_equal(zpl_version(fs.zv), version);
		f = walk(&fs, "f");
		assert_int_equal(attr(f).za_mode, S_IFREG | 0751);
		assert_int_equal(get(f, 0, buf, 8), 3);
		assert_int_equal(
		    zpl_xattr_get(f, "user.x", buf, 20, &len, &zpl_root_cred), 0);
		assert_int_equal(len, 14);
		zp = walk(&fs, "long");
		assert_int_equal(zpl_readlink(zp, buf, sizeof(buf), &len), 0);
		assert_int_equal(len, 399);
		assert_memory_equal(buf, target, len);
		zpl_rele(zp);
		check_fs(&fs);

		/* upgraded: objects change their form when they are next changed */
		assert_int_equal(zpl_set_version(fs.zv, 6), ENOTSUP);
		assert_int_equal(zpl_set_version(fs.zv, 5), 0);
		assert_int_equal(zpl_set_version(fs.zv, 4), EINVAL);
		put(f, 3, "+new", 4);
		VERIFY0(dmu_bonus_hold(fs.os, zpl_object(f), NULL, &db));
		assert_int_equal(dmu_get_bonustype(db), DMU_OT_SA);
		dmu_buf_rele(db, NULL);
		VERIFY0(
		    zpl_xattr_set(f, "user.y", "in the object", 13, 0, &zpl_root_cred));
		zpl_rele(f);
		fs_remount(&fs);
		f = walk(&fs, "f");
		assert_int_equal(attr(f).za_mode, S_IFREG | 0751);
		assert_int_equal(get(f, 0, buf, 8), 7);
		assert_memory_equal(buf, "old+new", 7);
		assert_int_equal(
		    zpl_xattr_get(f, "user.x", buf, 20, &len, &zpl_root_cred), 0);
		assert_int_equal(
		    zpl_xattr_get(f, "user.y", buf, 20, &len, &zpl_root_cred), 0);
		zpl_acl_t acl = acl_of(f);
		assert_int_equal(zpl_acl_mode(&acl, 0, 0, 0, NULL), 0751);
		zpl_acl_fini(&acl);
		zpl_rele(f);
		zp = walk(&fs, "short");
		assert_int_equal(zpl_readlink(zp, buf, sizeof(buf), &len), 0);
		assert_int_equal(len, 30);
		zpl_rele(zp);
		fs_destroy(&fs);
	}
}

static void
buffers_of_the_other_byte_order_are_read_and_rewritten(void **state)
{
	fs_t fs;
	dmu_buf_t *db;
	char buf[16];
	size_t len;
	TOY_ONLY(); /* pokes into buffers */
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	VERIFY0(zpl_xattr_set(f, "user.k", "v", 1, 0, &zpl_root_cred));
	const zpl_attr_t za = {
	    .za_mask = ZPL_AT_MODE | ZPL_AT_UID, .za_mode = 0751, .za_uid = 7};
	set(f, &za, &zpl_root_cred, 0);
	const uint64_t obj = zpl_object(f);
	zpl_rele(f);
	fs_unmount(&fs);
	/* swap what is stored, value by value: fixed ones are u64, then ACEs, then
	 * bytes */
	VERIFY0(dmu_bonus_hold(fs.os, obj, NULL, &db));
	uint8_t *b = db->db_data;
	uint16_t layout, acelen;
	uint32_t hdr;
	bool swap;
	VERIFY0(sa_hdr_decode(b, db->db_size, &layout, &hdr, &swap));
	VERIFY0(sa_hdr_length(b, db->db_size, 0, &acelen));
	ondisk_byteswap_u64(b + hdr, 136);
	for (uint8_t *a = b + hdr + 136; a < b + hdr + 136 + acelen; a += 8) {
		ondisk_byteswap_u16(a, 4);
		ondisk_byteswap_u32(a + 4, 4);
	}
	ondisk_byteswap_u32(b, 4);
	ondisk_byteswap_u16(b + 4, hdr - 4);
	dmu_buf_rele(db, NULL);
	fs_mount(&fs);
	f = walk(&fs, "f");
	assert_int_equal(attr(f).za_mode, S_IFREG | 0751);
	assert_int_equal(attr(f).za_uid, 7);
	zpl_acl_t acl = acl_of(f);
	assert_int_equal(zpl_acl_mode(&acl, 0, 7, 0, NULL), 0751);
	zpl_acl_fini(&acl);
	assert_int_equal(zpl_xattr_get(f, "user.k", buf, 16, &len, &zpl_root_cred), 0);
	put(f, 0, "x", 1);
	zpl_rele(f);
	fs_remount(&fs);
	f = walk(&fs, "f");
	assert_int_equal(attr(f).za_mode, S_IFREG | 0751);
	assert_int_equal(zpl_xattr_get(f, "user.k", buf, 16, &len, &zpl_root_cred), 0);
	zpl_rele(f);
	fs_destroy(&fs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_mode_has_its_trivial_acl),
    cmocka_unit_test(inheritable_aces_reach_the_children),
    cmocka_unit_test(owners_and_set_id_bits),
    cmocka_unit_test(times_are_kept_to_the_nanosecond),
    cmocka_unit_test(flags_protect_files),
    cmocka_unit_test(projects_are_inherited_and_checked),
    cmocka_unit_test(a_file_without_project_gets_its_slot),
    cmocka_unit_test(quotas_say_no),
    cmocka_unit_test(old_versions_live_and_are_upgraded),
    cmocka_unit_test(buffers_of_the_other_byte_order_are_read_and_rewritten),
};
ZPL_TEST_MAIN(tests)
