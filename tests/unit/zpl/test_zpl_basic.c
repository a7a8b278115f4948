/* Files and directories: the everyday life of a file system. */
#include "zpl_test.h"

static void
create_write_read_remove(void **state)
{
	fs_t fs;
	char buf[64];
	fs_make(&fs, NULL);
	znode_t *zp = mkfile(fs.root, "hello");
	put(zp, 0, "Hello, tarn", 11);
	assert_int_equal(get(zp, 0, buf, sizeof(buf)), 11);
	assert_memory_equal(buf, "Hello, tarn", 11);
	assert_int_equal(get(zp, 7, buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "tarn", 4);
	assert_int_equal(get(zp, 11, buf, sizeof(buf)), 0);
	zpl_attr_t za = attr(zp);
	assert_int_equal(za.za_mode, S_IFREG | 0644);
	assert_int_equal(za.za_size, 11);
	assert_int_equal(za.za_nlink, 1);
	zpl_rele(zp);

	fs_remount(&fs);
	zp = walk(&fs, "hello");
	assert_int_equal(get(zp, 0, buf, sizeof(buf)), 11);
	zpl_rele(zp);
	assert_int_equal(
	    zpl_create(fs.root, "hello", 0644, true, &zpl_root_cred, &zp, NULL),
	    EEXIST);
	bool created = true;
	assert_int_equal(
	    zpl_create(fs.root, "hello", 0644, false, &zpl_root_cred, &zp, &created),
	    0);
	assert_false(created);
	zpl_rele(zp);
	const uint64_t before = fs_objects(&fs);
	assert_int_equal(zpl_unlink(fs.root, "hello", &zpl_root_cred), 0);
	assert_false(there(fs.root, "hello"));
	assert_int_equal(fs_objects(&fs), before - 1);
	assert_int_equal(zpl_unlink(fs.root, "hello", &zpl_root_cred), ENOENT);
	fs_destroy(&fs);
}

static void
directories_count_their_children(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	znode_t *a = mkdirz(fs.root, "a"), *b = mkdirz(a, "b"), *f = mkfile(a, "f");
	assert_int_equal(attr(fs.root).za_nlink, 3);
	assert_int_equal(attr(a).za_nlink, 3);
	assert_int_equal(attr(a).za_size, 4);
	assert_int_equal(zpl_rmdir(fs.root, "a", &zpl_root_cred), ENOTEMPTY);
	assert_int_equal(zpl_rmdir(a, "f", &zpl_root_cred), ENOTDIR);
	assert_int_equal(zpl_unlink(a, "b", &zpl_root_cred), EISDIR);
	assert_int_equal(zpl_rmdir(a, "b", &zpl_root_cred), 0);
	/* a removed directory that is still in use takes nothing in */
	znode_t *zp;
	assert_int_equal(zpl_mkdir(b, "late", 0755, &zpl_root_cred, &zp), ENOENT);
	assert_int_equal(zpl_lookup(b, "..", &zpl_root_cred, &zp, NULL, 0), ENOENT);
	assert_int_equal(zpl_unlink(a, "f", &zpl_root_cred), 0);
	assert_int_equal(zpl_rmdir(fs.root, "a", &zpl_root_cred), 0);
	assert_int_equal(attr(fs.root).za_nlink, 2);
	zpl_rele(f);
	zpl_rele(b);
	zpl_rele(a);
	fs_destroy(&fs);
}

static void
hard_links_share_one_file(void **state)
{
	fs_t fs;
	char buf[8];
	fs_make(&fs, NULL);
	znode_t *d = mkdirz(fs.root, "d"), *f = mkfile(fs.root, "one");
	assert_int_equal(zpl_link(d, f, "two", &zpl_root_cred), 0);
	assert_int_equal(zpl_link(d, f, "two", &zpl_root_cred), EEXIST);
	assert_int_equal(zpl_link(fs.root, d, "dirlink", &zpl_root_cred), EPERM);
	assert_int_equal(attr(f).za_nlink, 2);
	put(f, 0, "x", 1);
	zpl_rele(f);
	assert_int_equal(zpl_unlink(fs.root, "one", &zpl_root_cred), 0);
	f = walk(&fs, "d/two");
	assert_int_equal(attr(f).za_nlink, 1);
	assert_int_equal(get(f, 0, buf, 8), 1);
	/* unlinked but open: data stay, a new name is refused */
	assert_int_equal(zpl_unlink(d, "two", &zpl_root_cred), 0);
	assert_int_equal(attr(f).za_nlink, 0);
	assert_int_equal(get(f, 0, buf, 8), 1);
	assert_int_equal(zpl_link(d, f, "three", &zpl_root_cred), ENOENT);
	zpl_rele(f);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
symlinks_of_all_lengths(void **state)
{
	fs_t fs;
	static char target[5000], back[5000];
	fs_make(&fs, NULL);
	static const size_t lens[] = {1, 7, 40, 100, 160, 200, 1000, 4095};
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		char name[16];
		znode_t *zp;
		size_t len = 0;
		memset(target, 'a' + (int)i, lens[i]);
		target[lens[i]] = '\0';
		snprintf(name, sizeof(name), "l%zu", i);
		assert_int_equal(
		    zpl_symlink(fs.root, name, target, &zpl_root_cred, &zp), 0);
		zpl_rele(zp);
		fs_remount(&fs);
		zp = walk(&fs, name);
		assert_int_equal(attr(zp).za_size, lens[i]);
		assert_int_equal(attr(zp).za_mode, S_IFLNK | 0777);
		assert_int_equal(zpl_readlink(zp, back, sizeof(back), &len), 0);
		assert_int_equal(len, lens[i]);
		assert_memory_equal(back, target, len);
		/* attributes in the bonus still change with a spill block around */
		zpl_attr_t za = {.za_mask = ZPL_AT_UID, .za_uid = 77};
		assert_int_equal(zpl_setattr(zp, &za, &zpl_root_cred, NULL), 0);
		assert_int_equal(attr(zp).za_uid, 77);
		assert_int_equal(zpl_readlink(zp, back, sizeof(back), &len), 0);
		assert_memory_equal(back, target, len);
		zpl_rele(zp);
	}
	memset(target, 'x', 4096);
	target[4096] = '\0';
	znode_t *zp;
	assert_int_equal(
	    zpl_symlink(fs.root, "long", target, &zpl_root_cred, &zp), ENAMETOOLONG);
	fs_destroy(&fs);
}

static void
devices_and_fifos(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	assert_int_equal(
	    zpl_mknod(fs.root, "null", S_IFCHR | 0666, 1, 3, &zpl_root_cred, &zp), 0);
	zpl_rele(zp);
	assert_int_equal(
	    zpl_mknod(fs.root, "pipe", S_IFIFO | 0600, 0, 0, &zpl_root_cred, &zp), 0);
	zpl_rele(zp);
	fs_remount(&fs);
	zp = walk(&fs, "null");
	zpl_attr_t za = attr(zp);
	assert_int_equal(za.za_mode, S_IFCHR | 0666);
	assert_int_equal(za.za_rdev_major, 1);
	assert_int_equal(za.za_rdev_minor, 3);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
first_bytes_stand_where_the_format_says(void **state)
{
	fs_t fs;
	dmu_buf_t *db;
	uint64_t uid, gid, proj, v;
	uint16_t layout[32];
	TOY_ONLY(); /* a real pool has projects */
	fs_make(&fs, NULL);
	znode_t *zp;
	assert_int_equal(zpl_create(fs.root, "f", 0644, true, &alice, &zp, NULL), 0);
	VERIFY0(dmu_bonus_hold(fs.os, zpl_object(zp), NULL, &db));
	const uint8_t *b = db->db_data;
	/* no PROJID here: header 8, 120 + 8 of fixed ones, count, 24 of ACEs */
	assert_int_equal(db->db_size, 8 + 128 + 8 + 24);
	assert_int_equal(ondisk_get32(b, false), SA_MAGIC);
	assert_int_equal(ondisk_get16(b + 4, false), 0x0402);
	assert_int_equal(ondisk_get16(b + 6, false), 24);
	assert_int_equal(ondisk_get64(b + 8, false), 0100644);
	assert_int_equal(ondisk_get64(b + 8 + 24, false), 1000);
	assert_int_equal(ondisk_get64(b + 8 + 40, false), zpl_object(fs.root));
	assert_int_equal(ondisk_get64(b + 8 + 48, false), 0x40800000004ULL);
	/* 0644 of a file: §4.4 */
	static const uint8_t aces[24] = {0, 0, 0, 0x10, 0x9f, 1, 0x1e, 0, 0, 0, 0x40,
	    0x20, 0x89, 0, 0x12, 0, 0, 0, 0, 0x40, 0x89, 0, 0x12, 0};
	assert_memory_equal(b + 8 + 136, aces, 24);
	assert_true(
	    zpl_bonus_owner(fs.os, DMU_OT_SA, b, db->db_size, &uid, &gid, &proj));
	assert_int_equal(uid, 1000);
	assert_int_equal(gid, 1000);
	dmu_buf_rele(db, NULL);
	VERIFY0(zap_lookup(fs.os, 1, "SA_ATTRS", 8, 1, &v));
	VERIFY0(zap_lookup(fs.os, v, "LAYOUTS", 8, 1, &v));
	VERIFY0(zap_lookup(fs.os, v, "2", 2, 14, layout));
	static const uint16_t base[] = {5, 6, 4, 12, 13, 7, 11, 0, 1, 2, 3, 8, 16, 19};
	assert_memory_equal(layout, base, sizeof(base));
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
block_size_follows_the_growth_rule(void **state)
{
	fs_t fs;
	static uint8_t data[300000];
	fs_make(&fs, NULL);
	memset(data, 7, sizeof(data));
	static const struct {
		size_t len;
		uint32_t blksz;
	} t[] = {{1, 512}, {512, 512}, {700, 1024}, {1536, 1536}, {100000, 100352},
	    {131072, 131072}, {300000, 131072}};
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%zu", i);
		znode_t *zp = mkfile(fs.root, name);
		put(zp, 0, data, t[i].len);
		assert_int_equal(attr(zp).za_blksize, t[i].blksz);
		zpl_rele(zp);
	}
	/* step by step: 1 block of any size until it must be two */
	znode_t *zp = mkfile(fs.root, "grow");
	put(zp, 0, data, 700);
	assert_int_equal(attr(zp).za_blksize, 1024);
	put(zp, 700, data, 5000);
	assert_int_equal(attr(zp).za_blksize, 6144);
	put(zp, 200000, data, 1);
	assert_int_equal(attr(zp).za_blksize, 131072);
	assert_int_equal(attr(zp).za_size, 200001);
	uint8_t b[8];
	assert_int_equal(get(zp, 5696, b, 8), 8);
	assert_int_equal(b[3], 7);
	assert_int_equal(b[4], 0);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
truncate_cuts_and_extends_with_zeros(void **state)
{
	fs_t fs;
	static uint8_t data[400000], back[400000];
	fs_make(&fs, NULL);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1) | 1;
	znode_t *zp = mkfile(fs.root, "f");
	put(zp, 0, data, sizeof(data));
	assert_int_equal(zpl_truncate(zp, 200001, &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_size, 200001);
	assert_int_equal(zpl_truncate(zp, 300000, &zpl_root_cred), 0);
	assert_int_equal(get(zp, 0, back, sizeof(back)), 300000);
	assert_memory_equal(back, data, 200001);
	for (size_t i = 200001; i < 300000; i++)
		assert_int_equal(back[i], 0);
	assert_int_equal(zpl_truncate(zp, 0, &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_size, 0);
	assert_int_equal(zpl_truncate(fs.root, 0, &zpl_root_cred), EISDIR);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
holes_are_punched_and_found(void **state)
{
	fs_t fs;
	static uint8_t data[1 << 20], back[1 << 20];
	uint64_t pos;
	fs_make(&fs, NULL);
	memset(data, 0xab, sizeof(data));
	znode_t *zp = mkfile(fs.root, "f");
	put(zp, 0, data, sizeof(data));
	assert_int_equal(zpl_lseek(zp, 0, SEEK_HOLE, &pos), 0);
	assert_int_equal(pos, 1 << 20);
	assert_int_equal(zpl_fallocate(zp, 3, 200000, 400000, &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_size, 1 << 20);
	assert_int_equal(zpl_lseek(zp, 0, SEEK_HOLE, &pos), 0);
	assert_int_equal(pos, 262144);
	assert_int_equal(zpl_lseek(zp, pos, SEEK_DATA, &pos), 0);
	assert_int_equal(pos, 524288);
	assert_int_equal(zpl_lseek(zp, 1 << 20, SEEK_DATA, &pos), ENXIO);
	get(zp, 0, back, sizeof(back));
	for (size_t i = 0; i < sizeof(back); i++)
		assert_int_equal(back[i], i >= 200000 && i < 600000 ? 0 : 0xab);
	/* zero range beyond the end extends */
	assert_int_equal(zpl_fallocate(zp, 0x10, 1 << 20, 100, &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_size, (1 << 20) + 100);
	assert_int_equal(zpl_fallocate(zp, 0x8, 0, 512, &zpl_root_cred), EOPNOTSUPP);
	assert_int_equal(zpl_fallocate(zp, 0, 0, 2 << 20, &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_size, 2 << 20);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
append_goes_to_the_end(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	znode_t *zp = mkfile(fs.root, "log");
	for (int i = 0; i < 100; i++) {
		struct iovec iov[2] = {{(char *)"line ", 5}, {(char *)"1\n", 2}};
		size_t done;
		uint64_t off;
		assert_int_equal(zpl_write(zp, 0, iov, 2, ZPL_WRITE_APPEND, &done, &off,
				     &zpl_root_cred),
		    0);
		assert_int_equal(off, 7 * i);
	}
	assert_int_equal(attr(zp).za_size, 700);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static void
pinned_reads_see_the_same_bytes(void **state)
{
	fs_t fs;
	static uint8_t data[500000];
	struct iovec iov[8];
	int n = 8;
	size_t done, off = 0;
	zpl_pin_t *pin;
	fs_make(&fs, NULL);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i >> 3);
	znode_t *zp = mkfile(fs.root, "f");
	put(zp, 0, data, sizeof(data));
	assert_int_equal(zpl_read_pin(zp, 1000, 400000, iov, &n, &done, &pin), 0);
	assert_int_equal(done, 400000);
	for (int i = 0; i < n; i++) {
		assert_memory_equal(iov[i].iov_base, data + 1000 + off, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	assert_int_equal(off, 400000);
	zpl_read_unpin(pin);
	n = 2; /* too few: less comes */
	assert_int_equal(zpl_read_pin(zp, 0, 500000, iov, &n, &done, &pin), 0);
	assert_int_equal(done, 262144);
	zpl_read_unpin(pin);
	zpl_rele(zp);
	fs_destroy(&fs);
}

static bool
emit_some(void *arg, const char *name, size_t len, uint64_t object, uint8_t type,
    uint64_t next)
{
	int *left = arg;
	return ((*left)-- > 0);
}

static bool
mark_seen(void *arg, const char *name, size_t len, uint64_t object, uint8_t type,
    uint64_t next)
{
	uint8_t *seen = arg;
	int i;
	if (sscanf(name, "file%d", &i) == 1)
		seen[i]++;
	return (true);
}

static void
listing_goes_on_where_it_stopped(void **state)
{
	fs_t fs;
	char name[32];
	fs_make(&fs, NULL);
	znode_t *d = mkdirz(fs.root, "d");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		zpl_rele(mkfile(d, name));
	}
	/* in bites of seven, with the file system mounted anew in between */
	static uint8_t seen[3000];
	uint64_t cookie = 0;
	bool eof = false;
	int total = 0, rounds = 0;
	while (!eof) {
		int left = 7;
		assert_int_equal(zpl_readdir(d, &cookie, emit_some, &left, &eof), 0);
		total += 7 - MAX(left, 0);
		if (++rounds == 100) {
			zpl_rele(d);
			fs_remount(&fs);
			d = walk(&fs, "d");
		}
	}
	assert_int_equal(total, 3002);
	cookie = 0;
	assert_int_equal(zpl_readdir(d, &cookie, mark_seen, seen, &eof), 0);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(seen[i], 1);
	char path[64];
	znode_t *zp = walk(&fs, "d/file1234");
	assert_int_equal(zpl_obj_to_path(fs.zv, zpl_object(zp), path, sizeof(path)), 0);
	assert_string_equal(path, "/d/file1234");
	assert_int_equal(zpl_obj_to_path(fs.zv, zpl_object(zp), path, 5), ERANGE);
	zpl_rele(zp);
	zpl_rele(d);
	fs_destroy(&fs);
}

static void
tmpfile_lives_without_a_name(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	const uint64_t before = fs_objects(&fs);
	assert_int_equal(zpl_tmpfile(fs.root, 0600, &zpl_root_cred, &zp), 0);
	put(zp, 0, "scratch", 7);
	check_fs(&fs);
	zpl_rele(zp);
	assert_int_equal(fs_objects(&fs), before);
	assert_int_equal(zpl_tmpfile(fs.root, 0600, &zpl_root_cred, &zp), 0);
	assert_int_equal(zpl_link(fs.root, zp, "named", &zpl_root_cred), 0);
	assert_int_equal(attr(zp).za_nlink, 1);
	zpl_rele(zp);
	assert_true(there(fs.root, "named"));
	fs_destroy(&fs);
}

static void
crash_with_open_unlinked_files_is_cleaned_at_mount(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	const uint64_t before = fs_objects(&fs);
	znode_t *zp = mkfile(fs.root, "f"), *d = mkdirz(fs.root, "d");
	put(zp, 0, "data", 4);
	assert_int_equal(zpl_xattr_set(zp, "user.small", "", 1, 0, &zpl_root_cred), 0);
	fs.opts.zo_xattr = ZPL_XATTR_DIR;
	zpl_set_opts(fs.zv, &fs.opts);
	assert_int_equal(
	    zpl_xattr_set(zp, "user.dir", "value", 5, 0, &zpl_root_cred), 0);
	assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), 0);
	assert_int_equal(zpl_rmdir(fs.root, "d", &zpl_root_cred), 0);
	/* the power fails: the server never lets go of them */
	assert_int_equal(zpl_unmount(fs.zv, false), EBUSY);
	assert_int_equal(zpl_unmount(fs.zv, true), 0);
	zpl_attr_t za;
	assert_int_equal(zpl_getattr(zp, &za), EIO);
	zpl_rele(zp);
	zpl_rele(d);
	zpl_rele(fs.root);
	assert_true(fs_objects(&fs) > before);
	fs_mount(&fs);
	zpl_wait_unlinked(fs.zv);
	fs_remount(&fs);
	assert_int_equal(fs_objects(&fs), before);
	fs_destroy(&fs);
}

static void
read_only_refuses_changes(void **state)
{
	fs_t fs;
	znode_t *zp;
	char c = 0;
	const struct iovec iov = {&c, 1};
	size_t done;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	fs.opts.zo_readonly = true;
	zpl_set_opts(fs.zv, &fs.opts);
	assert_int_equal(
	    zpl_create(fs.root, "g", 0644, true, &zpl_root_cred, &zp, NULL), EROFS);
	assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), EROFS);
	assert_int_equal(
	    zpl_write(f, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred), EROFS);
	assert_int_equal(zpl_truncate(f, 5, &zpl_root_cred), EROFS);
	assert_int_equal(zpl_xattr_set(f, "user.a", "", 0, 0, &zpl_root_cred), EROFS);
	fs.opts.zo_readonly = false;
	zpl_set_opts(fs.zv, &fs.opts);
	assert_int_equal(zpl_unlink(fs.root, "f", &zpl_root_cred), 0);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
no_space_leaves_everything_as_it_was(void **state)
{
	fs_t fs;
	znode_t *zp;
	TOY_ONLY();
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	put(f, 0, "abc", 3);
	for (int op = 0; op < 6; op++) {
		fs_fail_assign(&fs, 1, ENOSPC);
		const struct iovec iov = {(char *)"xyz", 3};
		size_t done;
		const zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 0};
		int err = 0;
		switch (op) {
		case 0:
			err = zpl_create(
			    fs.root, "g", 0644, true, &zpl_root_cred, &zp, NULL);
			break;
		case 1:
			err = zpl_write(f, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred);
			break;
		case 2:
			err = zpl_rename(fs.root, "f", fs.root, "h", 0, &zpl_root_cred);
			break;
		case 3:
			err = zpl_link(fs.root, f, "h", &zpl_root_cred);
			break;
		case 4:
			err = zpl_xattr_set(f, "user.x", "1", 1, 0, &zpl_root_cred);
			break;
		case 5:
			err = zpl_setattr(f, &za, &zpl_root_cred, NULL);
			break;
		}
		assert_int_equal(err, ENOSPC);
	}
	char buf[4];
	assert_int_equal(get(f, 0, buf, 4), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(attr(f).za_mode, S_IFREG | 0644);
	assert_false(there(fs.root, "h"));
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
handles_name_generations(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	znode_t *f = mkfile(fs.root, "f");
	const uint64_t obj = zpl_object(f);
	const uint32_t gen = zpl_gen(f);
	zpl_rele(f);
	assert_int_equal(zpl_get(fs.zv, obj, gen, &zp), 0);
	zpl_rele(zp);
	assert_int_equal(zpl_get(fs.zv, obj, gen + 1, &zp), ESTALE);
	assert_int_equal(
	    zpl_get(fs.zv, 1, 0, &zp), ENOENT); /* the master node is no file */
	assert_int_equal(zpl_get(fs.zv, 12345678, gen, &zp), ESTALE);
	VERIFY0(zpl_unlink(fs.root, "f", &zpl_root_cred));
	assert_int_equal(zpl_get(fs.zv, obj, gen, &zp), ESTALE);
	fs_destroy(&fs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(create_write_read_remove),
    cmocka_unit_test(directories_count_their_children),
    cmocka_unit_test(hard_links_share_one_file),
    cmocka_unit_test(symlinks_of_all_lengths),
    cmocka_unit_test(devices_and_fifos),
    cmocka_unit_test(first_bytes_stand_where_the_format_says),
    cmocka_unit_test(block_size_follows_the_growth_rule),
    cmocka_unit_test(truncate_cuts_and_extends_with_zeros),
    cmocka_unit_test(holes_are_punched_and_found),
    cmocka_unit_test(append_goes_to_the_end),
    cmocka_unit_test(pinned_reads_see_the_same_bytes),
    cmocka_unit_test(listing_goes_on_where_it_stopped),
    cmocka_unit_test(tmpfile_lives_without_a_name),
    cmocka_unit_test(crash_with_open_unlinked_files_is_cleaned_at_mount),
    cmocka_unit_test(read_only_refuses_changes),
    cmocka_unit_test(no_space_leaves_everything_as_it_was),
    cmocka_unit_test(handles_name_generations),
};
ZPL_TEST_MAIN(tests)
