/* Renames, spellings, long names: everything about names that is not plain. */
#include "zpl_test.h"

#define NOREPLACE 1u
#define EXCHANGE 2u
#define WHITEOUT 4u

static int
ren(znode_t *sd, const char *s, znode_t *td, const char *t, uint32_t flags)
{
	return (zpl_rename(sd, s, td, t, flags, &zpl_root_cred));
}

static void
rename_moves_and_replaces(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	znode_t *a = mkdirz(fs.root, "a"), *b = mkdirz(fs.root, "b");
	znode_t *f = mkfile(a, "f"), *g = mkfile(b, "g");
	const uint64_t before = fs_objects(&fs);
	assert_int_equal(ren(a, "f", a, "f2", 0), 0);
	assert_int_equal(ren(a, "nope", a, "x", 0), ENOENT);
	assert_int_equal(ren(a, "f2", b, "g", NOREPLACE), EEXIST);
	assert_int_equal(ren(a, "f2", b, "g", 0), 0);
	assert_int_equal(attr(g).za_nlink, 0);
	zpl_rele(g);
	assert_int_equal(fs_objects(&fs), before - 1);
	assert_false(there(a, "f2"));
	g = walk(&fs, "b/g");
	assert_ptr_equal(f, g);
	zpl_rele(g);
	/* two names of one object: nothing happens */
	assert_int_equal(zpl_link(a, f, "twin", &zpl_root_cred), 0);
	assert_int_equal(ren(a, "twin", b, "g", 0), 0);
	assert_true(there(a, "twin"));
	assert_true(there(b, "g"));
	zpl_rele(f);
	zpl_rele(a);
	zpl_rele(b);
	fs_destroy(&fs);
}

static void
rename_of_directories_keeps_the_tree_a_tree(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	znode_t *a = mkdirz(fs.root, "a"), *b = mkdirz(a, "b"), *c = mkdirz(b, "c");
	znode_t *d = mkdirz(fs.root, "d"), *f = mkfile(fs.root, "file");
	assert_int_equal(ren(fs.root, "a", c, "loop", 0), EINVAL);
	assert_int_equal(ren(fs.root, "a", a, "self", 0), EINVAL);
	assert_int_equal(ren(fs.root, "a", fs.root, "file", 0), ENOTDIR);
	assert_int_equal(ren(fs.root, "file", fs.root, "d", 0), EISDIR);
	assert_int_equal(ren(fs.root, "d", fs.root, "a", 0), ENOTEMPTY);
	assert_int_equal(ren(b, "c", fs.root, "a", 0), ENOTEMPTY);
	assert_int_equal(ren(fs.root, ".", fs.root, "x", 0), EINVAL);
	assert_int_equal(ren(fs.root, "a", fs.root, "..", 0), EINVAL);
	assert_int_equal(ren(a, "b", fs.root, "d", 0), 0);
	assert_int_equal(attr(a).za_nlink, 2);
	assert_int_equal(attr(d).za_nlink, 0);
	znode_t *up;
	assert_int_equal(zpl_lookup(b, "..", &zpl_root_cred, &up, NULL, 0), 0);
	assert_ptr_equal(up, fs.root);
	zpl_rele(up);
	/* exchange a file deep down with a directory */
	assert_int_equal(ren(fs.root, "file", b, "c", EXCHANGE), 0);
	assert_int_equal(attr(b).za_nlink, 2);
	assert_int_equal(attr(fs.root).za_nlink, 5);
	assert_int_equal(ren(fs.root, "file", b, "none", EXCHANGE), ENOENT);
	assert_int_equal(ren(fs.root, "a", fs.root, "d", EXCHANGE | NOREPLACE), EINVAL);
	/* an ancestor cannot change places with what is in it */
	assert_int_equal(ren(b, "c", fs.root, "d", EXCHANGE), EINVAL);
	zpl_rele(a);
	zpl_rele(b);
	zpl_rele(c);
	zpl_rele(d);
	zpl_rele(f);
	fs_destroy(&fs);
}

static void
whiteout_stays_under_the_old_name(void **state)
{
	fs_t fs;
	fs_make(&fs, NULL);
	zpl_rele(mkfile(fs.root, "f"));
	zpl_rele(mkfile(fs.root, "old"));
	assert_int_equal(ren(fs.root, "f", fs.root, "old", WHITEOUT), 0);
	znode_t *w = walk(&fs, "f");
	const zpl_attr_t za = attr(w);
	assert_int_equal(za.za_mode, S_IFCHR);
	assert_int_equal(za.za_rdev_major, 0);
	assert_int_equal(za.za_rdev_minor, 0);
	zpl_rele(w);
	fs_destroy(&fs);
}

static void
sticky_directories_protect_the_files_of_others(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	znode_t *tmp = mkdirz(fs.root, "tmp");
	zpl_attr_t za = {.za_mask = ZPL_AT_MODE, .za_mode = 01777};
	assert_int_equal(zpl_setattr(tmp, &za, &zpl_root_cred, NULL), 0);
	assert_int_equal(zpl_create(tmp, "hers", 0644, true, &alice, &zp, NULL), 0);
	zpl_rele(zp);
	assert_int_equal(zpl_unlink(tmp, "hers", &bob), EPERM);
	assert_int_equal(zpl_rename(tmp, "hers", tmp, "his", 0, &bob), EPERM);
	assert_int_equal(zpl_create(tmp, "bobs", 0644, true, &bob, &zp, NULL), 0);
	zpl_rele(zp);
	assert_int_equal(zpl_rename(tmp, "bobs", tmp, "hers", 0, &bob), EPERM);
	assert_int_equal(zpl_unlink(tmp, "hers", &alice), 0);
	zpl_rele(tmp);
	fs_destroy(&fs);
}

static void
fs_with(fs_t *fs, const char *prop, uint64_t v, const char *prop2, uint64_t v2)
{
	nvlist_t *p = nvlist_create();
	fnvlist_add_uint64(p, prop, v);
	if (prop2 != NULL)
		fnvlist_add_uint64(p, prop2, v2);
	fs_make(fs, p);
	nvlist_free(p);
}

static void
insensitive_names_match_in_any_case(void **state)
{
	fs_t fs;
	char real[64];
	znode_t *zp;
	fs_with(&fs, "casesensitivity", ZPL_CASE_INSENSITIVE, NULL, 0);
	assert_int_equal(zpl_case(fs.zv), ZPL_CASE_INSENSITIVE);
	zpl_rele(mkfile(fs.root, "Readme"));
	assert_int_equal(
	    zpl_lookup(fs.root, "README", &zpl_root_cred, &zp, real, sizeof(real)), 0);
	assert_string_equal(real, "Readme");
	zpl_rele(zp);
	assert_int_equal(
	    zpl_create(fs.root, "README", 0644, true, &zpl_root_cred, &zp, NULL),
	    EEXIST);
	/* the same name in another spelling */
	assert_int_equal(ren(fs.root, "readme", fs.root, "ReadMe", 0), 0);
	assert_int_equal(
	    zpl_lookup(fs.root, "readme", &zpl_root_cred, &zp, real, sizeof(real)), 0);
	assert_string_equal(real, "ReadMe");
	zpl_rele(zp);
	assert_int_equal(attr(fs.root).za_size, 3);
	zpl_rele(mkfile(fs.root, "other"));
	assert_int_equal(ren(fs.root, "OTHER", fs.root, "rEADmE", 0), 0);
	assert_int_equal(attr(fs.root).za_size, 3);
	fs_remount(&fs);
	assert_int_equal(zpl_unlink(fs.root, "README", &zpl_root_cred), 0);
	fs_destroy(&fs);
}

static void
mixed_is_sensitive_for_us(void **state)
{
	fs_t fs;
	fs_with(&fs, "casesensitivity", ZPL_CASE_MIXED, NULL, 0);
	zpl_rele(mkfile(fs.root, "a"));
	zpl_rele(mkfile(fs.root, "A"));
	assert_int_equal(zpl_unlink(fs.root, "a", &zpl_root_cred), 0);
	assert_true(there(fs.root, "A"));
	fs_destroy(&fs);
}

static void
composed_and_decomposed_names_are_one(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_with(&fs, "normalization", 0x10, NULL, 0);
	zpl_rele(mkfile(fs.root, "caf\xc3\xa9"));
	assert_true(there(fs.root, "cafe\xcc\x81"));
	assert_int_equal(
	    zpl_create(fs.root, "cafe\xcc\x81", 0644, true, &zpl_root_cred, &zp, NULL),
	    EEXIST);
	assert_int_equal(ren(fs.root, "caf\xc3\xa9", fs.root, "cafe\xcc\x81", 0), 0);
	assert_int_equal(
	    zpl_create(fs.root, "bad\xff", 0644, true, &zpl_root_cred, &zp, NULL),
	    EILSEQ);
	assert_int_equal(
	    zpl_lookup(fs.root, "bad\xff", &zpl_root_cred, &zp, NULL, 0), EILSEQ);
	fs_destroy(&fs);
}

static void
long_names_need_the_property(void **state)
{
	fs_t fs;
	char name[1100];
	znode_t *zp;
	fs_make(&fs, NULL);
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	zpl_rele(mkfile(fs.root, name));
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(
	    zpl_create(fs.root, name, 0644, true, &zpl_root_cred, &zp, NULL),
	    ENAMETOOLONG);
	fs.opts.zo_longname = true;
	zpl_set_opts(fs.zv, &fs.opts);
	zpl_rele(mkfile(fs.root, name));
	name[256] = 'n';
	name[1023] = '\0';
	zpl_rele(mkfile(fs.root, name));
	name[1023] = 'n';
	name[1024] = '\0';
	assert_int_equal(
	    zpl_create(fs.root, name, 0644, true, &zpl_root_cred, &zp, NULL),
	    ENAMETOOLONG);
	/* off again: what is there stays usable */
	fs.opts.zo_longname = false;
	zpl_set_opts(fs.zv, &fs.opts);
	name[1023] = '\0';
	assert_true(there(fs.root, name));
	assert_int_equal(zpl_unlink(fs.root, name, &zpl_root_cred), 0);
	name[256] = '\0';
	assert_int_equal(ren(fs.root, name, fs.root, "short", 0), 0);
	fs_destroy(&fs);
}

static void
control_directory_name_is_taken_in_the_root(void **state)
{
	fs_t fs;
	znode_t *zp;
	fs_make(&fs, NULL);
	fs.opts.zo_ctldir = fs.opts.zo_ctldir_visible = true;
	zpl_set_opts(fs.zv, &fs.opts);
	assert_int_equal(zpl_mkdir(fs.root, ".zfs", 0755, &zpl_root_cred, &zp), EEXIST);
	assert_int_equal(attr(fs.root).za_nlink, 3);
	znode_t *d = mkdirz(fs.root, "d");
	zpl_rele(mkdirz(d, ".zfs"));
	assert_int_equal(ren(d, ".zfs", fs.root, ".zfs", 0), EEXIST);
	assert_int_equal(zpl_mkdir(fs.root, "..", 0755, &zpl_root_cred, &zp), EEXIST);
	assert_int_equal(zpl_rmdir(fs.root, ".", &zpl_root_cred), EINVAL);
	fs.opts.zo_ctldir = false;
	zpl_set_opts(fs.zv, &fs.opts);
	zpl_rele(d);
	fs_destroy(&fs);
}

/* Random operations against a model of names: what is where, with how many links. */
#define NDIRS 6
#define NNAMES 12
static void
random_renames_match_the_model(void **state)
{
	fs_t fs;
	znode_t *dir[NDIRS];
	uint64_t where[NDIRS][NNAMES] = {{0}};
	uint64_t r = test_seed | 1;
	char n1[16], n2[16];
	fs_make(&fs, NULL);
	for (int i = 0; i < NDIRS; i++) {
		snprintf(n1, sizeof(n1), "d%d", i);
		dir[i] = mkdirz(i < 3 ? fs.root : dir[i - 3], n1);
	}
	for (int step = 0; step < 6000; step++) {
		r = r * 6364136223846793005ULL + 1442695040888963407ULL;
		const int a = (int)(r >> 33) % NDIRS, b = (int)(r >> 40) % NDIRS;
		const int i = (int)(r >> 45) % NNAMES, j = (int)(r >> 50) % NNAMES;
		snprintf(n1, sizeof(n1), "n%d", i);
		snprintf(n2, sizeof(n2), "n%d", j);
		uint64_t *s = &where[a][i], *t = &where[b][j];
		znode_t *zp;
		int err;
		switch ((r >> 56) % 5) {
		case 0:
			err = zpl_create(
			    dir[a], n1, 0644, true, &zpl_root_cred, &zp, NULL);
			assert_int_equal(err, *s != 0 ? EEXIST : 0);
			if (err == 0) {
				*s = zpl_object(zp);
				zpl_rele(zp);
			}
			break;
		case 1:
			err = zpl_unlink(dir[a], n1, &zpl_root_cred);
			assert_int_equal(err, *s != 0 ? 0 : ENOENT);
			*s = 0;
			break;
		case 2:
			if (*s == 0)
				break;
			zp = NULL;
			VERIFY0(zpl_get(fs.zv, *s, 0, &zp));
			err = zpl_link(dir[b], zp, n2, &zpl_root_cred);
			assert_int_equal(err, *t != 0 ? EEXIST : 0);
			*t = *t != 0 ? *t : *s;
			zpl_rele(zp);
			break;
		case 3:
			err = ren(dir[a], n1, dir[b], n2, 0);
			assert_int_equal(err, *s != 0 ? 0 : ENOENT);
			if (err == 0 && *s != *t) {
				*t = *s;
				*s = 0;
			}
			break;
		default:
			err = ren(dir[a], n1, dir[b], n2, EXCHANGE);
			assert_int_equal(err, *s != 0 && *t != 0 ? 0 : ENOENT);
			if (err == 0) {
				const uint64_t x = *s;
				*s = *t;
				*t = x;
			}
		}
	}
	for (int a = 0; a < NDIRS; a++)
		for (int i = 0; i < NNAMES; i++) {
			znode_t *zp;
			snprintf(n1, sizeof(n1), "n%d", i);
			const int err =
			    zpl_lookup(dir[a], n1, &zpl_root_cred, &zp, NULL, 0);
			assert_int_equal(err, where[a][i] != 0 ? 0 : ENOENT);
			if (err == 0) {
				assert_int_equal(zpl_object(zp), where[a][i]);
				zpl_rele(zp);
			}
		}
	for (int i = 0; i < NDIRS; i++)
		zpl_rele(dir[i]);
	fs_destroy(&fs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rename_moves_and_replaces),
    cmocka_unit_test(rename_of_directories_keeps_the_tree_a_tree),
    cmocka_unit_test(whiteout_stays_under_the_old_name),
    cmocka_unit_test(sticky_directories_protect_the_files_of_others),
    cmocka_unit_test(insensitive_names_match_in_any_case),
    cmocka_unit_test(mixed_is_sensitive_for_us),
    cmocka_unit_test(composed_and_decomposed_names_are_one),
    cmocka_unit_test(long_names_need_the_property),
    cmocka_unit_test(control_directory_name_is_taken_in_the_root),
    cmocka_unit_test(random_renames_match_the_model),
};
ZPL_TEST_MAIN(tests)
