#include "zpl_test.h"

uint64_t test_seed;
static const uint32_t alice_groups[] = {1000, 2000};
const zpl_cred_t alice = {
    .uid = 1000, .gid = 1000, .ngroups = 2, .groups = alice_groups, .umask = 022};
const zpl_cred_t bob = {.uid = 1001, .gid = 1001, .umask = 022};

uint64_t
fs_objects(fs_t *fs)
{
	uint64_t obj = 0, n = 0;
	while (dmu_object_next(fs->os, &obj, false, 0) == 0)
		n++;
	return (n);
}

znode_t *
walk(fs_t *fs, const char *path)
{
	char buf[4096], *save = NULL;
	znode_t *zp = fs->root;

	zpl_hold(zp);
	snprintf(buf, sizeof(buf), "%s", path);
	for (char *p = strtok_r(buf, "/", &save); p != NULL;
	     p = strtok_r(NULL, "/", &save)) {
		znode_t *next;
		const int err = zpl_lookup(zp, p, &zpl_root_cred, &next, NULL, 0);
		if (err != 0)
			panic("no %s in %s: error %d", p, path, err);
		zpl_rele(zp);
		zp = next;
	}
	return (zp);
}

bool
there(znode_t *dzp, const char *name)
{
	znode_t *zp;
	const int err = zpl_lookup(dzp, name, &zpl_root_cred, &zp, NULL, 0);
	if (err == 0)
		zpl_rele(zp);
	else
		assert_int_equal(err, ENOENT);
	return (err == 0);
}

znode_t *
mkfile(znode_t *dzp, const char *name)
{
	znode_t *zp;
	assert_int_equal(
	    zpl_create(dzp, name, 0644, true, &zpl_root_cred, &zp, NULL), 0);
	return (zp);
}

znode_t *
mkdirz(znode_t *dzp, const char *name)
{
	znode_t *zp;
	assert_int_equal(zpl_mkdir(dzp, name, 0755, &zpl_root_cred, &zp), 0);
	return (zp);
}

void
put(znode_t *zp, uint64_t off, const void *data, size_t len)
{
	const struct iovec iov = {(void *)(uintptr_t)data, len};
	size_t done = 0;
	assert_int_equal(
	    zpl_write(zp, off, &iov, 1, 0, &done, NULL, &zpl_root_cred), 0);
	assert_int_equal(done, len);
}

size_t
get(znode_t *zp, uint64_t off, void *data, size_t len)
{
	const struct iovec iov = {data, len};
	size_t done = 0;
	assert_int_equal(zpl_read(zp, off, &iov, 1, &done, &zpl_root_cred), 0);
	return (done);
}

zpl_attr_t
attr(znode_t *zp)
{
	zpl_attr_t za;
	assert_int_equal(zpl_getattr(zp, &za), 0);
	return (za);
}

/* ---- checking everything --------------------------------------------- */

typedef struct census {
	fs_t *fs;
	uint8_t *names; /* by object: times named */
	uint64_t max;
} census_t;

typedef struct listing {
	char names[4096][64];
	uint64_t objects[4096];
	int n;
	uint64_t dirs;
} listing_t;

static bool
collect(void *arg, const char *name, size_t len, uint64_t object, uint8_t type,
    uint64_t next)
{
	listing_t *l = arg;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return (true);
	VERIFY(l->n < 4096);
	snprintf(l->names[l->n], sizeof(l->names[0]), "%s", name);
	l->objects[l->n++] = object;
	l->dirs += type == 4;
	return (true);
}

static void
census_dir(census_t *c, znode_t *dzp)
{
	listing_t *l = calloc(1, sizeof(*l));
	uint64_t cookie = 0;
	bool eof = false;

	assert_int_equal(zap_verify(c->fs->os, zpl_object(dzp)), 0);
	assert_int_equal(zpl_readdir(dzp, &cookie, collect, l, &eof), 0);
	assert_true(eof);
	const zpl_attr_t za = attr(dzp);
	assert_int_equal(za.za_size, 2 + (uint64_t)l->n);
	assert_int_equal(za.za_nlink, 2 + l->dirs);
	for (int i = 0; i < l->n; i++) {
		znode_t *zp;
		VERIFY(l->objects[i] < c->max);
		c->names[l->objects[i]]++;
		assert_int_equal(zpl_get(c->fs->zv, l->objects[i], 0, &zp), 0);
		if (zpl_type(zp) == S_IFDIR) {
			znode_t *up;
			VERIFY0(zpl_lookup(zp, "..", &zpl_root_cred, &up, NULL, 0));
			assert_ptr_equal(up, dzp);
			zpl_rele(up);
			census_dir(c, zp);
		}
		zpl_rele(zp);
	}
	free(l);
}

void
check_fs(fs_t *fs)
{
	census_t c = {fs, NULL, 1 << 20};
	uint64_t obj = 0, nunlinked, nameless = 0;

	c.names = calloc(c.max, 1);
	census_dir(&c, fs->root);
	while (dmu_object_next(fs->os, &obj, false, 0) == 0) {
		znode_t *zp;
		if (znode_get(fs->zv, obj, &zp) != 0)
			continue;
		if (!(zp->z_flags & ZPL_F_XATTR) && obj != fs->zv->zv_root) {
			if (zp->z_type == S_IFDIR)
				assert_int_equal(
				    c.names[obj], zp->z_links == 0 ? 0 : 1);
			else
				assert_int_equal(c.names[obj], zp->z_links);
		}
		if (zp->z_links == 0)
			nameless++;
		zpl_rele(zp);
	}
	VERIFY0(zap_count(fs->os, fs->zv->zv_unlinked, &nunlinked));
	assert_int_equal(nunlinked, nameless);
	free(c.names);
}

int
zpl_test_main(const struct CMUnitTest *tests, size_t n)
{
	const char *s = getenv("TARN_SEED");
	test_seed = s != NULL ? strtoull(s, NULL, 0) : 4711;
	printf("seed %" PRIu64 " (TARN_SEED)\n", test_seed);
	spl_init();
	world_start();
	const int rc = _cmocka_run_group_tests("zpl", tests, n, NULL, NULL);
	world_stop();
	spl_fini();
	return (rc);
}
