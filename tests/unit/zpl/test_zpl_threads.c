/*
 * Many threads in one file system: nothing is lost, no lock order is wrong (run under
 * ThreadSanitizer), every count is right in the end.
 */
#include "zpl_test.h"

#define NTHREADS 6
#define STEPS 1500
#define NDIRS 4

typedef struct worker {
	fs_t *fs;
	znode_t **dirs;
	uint64_t rng;
	uint64_t appended; /* bytes this one appended to the shared log */
	znode_t *log;
	bool stop;
} worker_t;

static uint64_t
rnd(worker_t *w)
{
	w->rng = w->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->rng >> 33);
}

static bool
ignore_entry(
    void *arg, const char *name, size_t len, uint64_t obj, uint8_t type, uint64_t next)
{
	uint64_t *n = arg;
	return ((*n)++ < 50);
}

/* Every byte of a file is the same at any time: writes are whole or not there. */
static void
write_and_read(worker_t *w, znode_t *zp)
{
	uint8_t buf[3000];
	const struct iovec iov = {buf, sizeof(buf)};
	size_t done = 0;

	memset(buf, (int)rnd(w), sizeof(buf));
	VERIFY0(zpl_write(zp, 0, &iov, 1, 0, &done, NULL, &zpl_root_cred));
	VERIFY0(zpl_read(zp, 0, &iov, 1, &done, &zpl_root_cred));
	for (size_t i = 1; i < done; i++)
		VERIFY3U(buf[i], ==, buf[0]);
}

static void
one_step(worker_t *w)
{
	znode_t *d = w->dirs[rnd(w) % NDIRS], *d2 = w->dirs[rnd(w) % NDIRS], *zp;
	char n1[16], n2[16];
	uint64_t cookie = 0, count = 0;
	size_t len;
	int err;

	snprintf(n1, sizeof(n1), "n%u", (unsigned)(rnd(w) % 20));
	snprintf(n2, sizeof(n2), "n%u", (unsigned)(rnd(w) % 20));
	switch (rnd(w) % 12) {
	case 0:
	case 1:
		if (zpl_create(d, n1, 0644, false, &zpl_root_cred, &zp, NULL) == 0) {
			if (zpl_type(zp) == S_IFREG)
				write_and_read(w, zp);
			zpl_rele(zp);
		}
		break;
	case 2:
		err = zpl_unlink(d, n1, &zpl_root_cred);
		VERIFY(err == 0 || err == ENOENT || err == EISDIR);
		break;
	case 3:
	case 4:
		err = zpl_rename(d, n1, d2, n2, rnd(w) % 2 ? 0 : 2, &zpl_root_cred);
		VERIFY(err == 0 || err == ENOENT || err == EISDIR || err == ENOTDIR ||
		       err == ENOTEMPTY || err == EINVAL);
		break;
	case 5:
		if (zpl_lookup(d, n1, &zpl_root_cred, &zp, NULL, 0) == 0) {
			err = zpl_link(d2, zp, n2, &zpl_root_cred);
			VERIFY(
			    err == 0 || err == EEXIST || err == ENOENT || err == EPERM);
			zpl_rele(zp);
		}
		break;
	case 6:
		if (zpl_lookup(d, n1, &zpl_root_cred, &zp, NULL, 0) == 0) {
			err = zpl_xattr_set(
			    zp, "user.a", n1, 3 + rnd(w) % 10, 0, &zpl_root_cred);
			VERIFY(err == 0);
			err =
			    zpl_xattr_get(zp, "user.a", NULL, 0, &len, &zpl_root_cred);
			VERIFY(err == 0);
			zpl_rele(zp);
		}
		break;
	case 7:
		if (zpl_mkdir(d, n1, 0755, &zpl_root_cred, &zp) == 0) {
			znode_t *in;
			if (zpl_create(
				zp, "x", 0644, true, &zpl_root_cred, &in, NULL) == 0)
				zpl_rele(in);
			err = zpl_unlink(zp, "x", &zpl_root_cred);
			VERIFY(err == 0 || err == ENOENT);
			zpl_rele(zp);
		}
		break;
	case 8:
		err = zpl_rmdir(d, n1, &zpl_root_cred);
		VERIFY(err == 0 || err == ENOENT || err == ENOTDIR || err == ENOTEMPTY);
		break;
	case 9:
		VERIFY0(zpl_readdir(d, &cookie, ignore_entry, &count, NULL));
		break;
	case 10:
		if (zpl_lookup(d, n1, &zpl_root_cred, &zp, NULL, 0) == 0) {
			zpl_attr_t za = {.za_mask = ZPL_AT_MODE | ZPL_AT_MTIME_NOW,
			    .za_mode = (uint32_t)rnd(w) & 0777};
			VERIFY0(zpl_setattr(zp, &za, &zpl_root_cred, &za));
			if (zpl_type(zp) == S_IFREG)
				VERIFY0(
				    zpl_truncate(zp, rnd(w) % 9000, &zpl_root_cred));
			VERIFY0(zpl_getattr(zp, &za));
			zpl_rele(zp);
		}
		break;
	default: {
		char line[10];
		const struct iovec iov = {line, sizeof(line)};
		memset(line, 'a' + (int)(rnd(w) % 26), sizeof(line));
		size_t done;
		VERIFY0(zpl_write(
		    w->log, 0, &iov, 1, ZPL_WRITE_APPEND, &done, NULL, &zpl_root_cred));
		w->appended += done;
	}
	}
}

static void
work(void *arg)
{
	worker_t *w = arg;
	for (int i = 0; i < STEPS; i++)
		one_step(w);
}

static void
suspender(void *arg)
{
	worker_t *w = arg;
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		VERIFY0(zpl_suspend(w->fs->zv));
		VERIFY0(zpl_resume(w->fs->zv, w->fs->os));
		spl_delay(SEC2NSEC(1) / 50);
	}
}

static void
run(bool with_suspend)
{
	fs_t fs;
	znode_t *dirs[NDIRS];
	worker_t w[NTHREADS + 1];
	kthread_t *t[NTHREADS + 1];
	uint64_t appended = 0;
	fs_make(&fs, NULL);
	for (int i = 0; i < NDIRS; i++) {
		char n[16];
		snprintf(n, sizeof(n), "dir%d", i);
		dirs[i] = mkdirz(i == 0 ? fs.root : dirs[i - 1], n);
	}
	znode_t *log = mkfile(fs.root, "log");
	for (int i = 0; i <= NTHREADS; i++)
		w[i] = (worker_t){.fs = &fs,
		    .dirs = dirs,
		    .rng = test_seed * 31 + (uint64_t)i,
		    .log = log};
	for (int i = 0; i < NTHREADS; i++)
		t[i] = thread_create("worker", work, &w[i]);
	if (with_suspend)
		t[NTHREADS] = thread_create("suspender", suspender, &w[NTHREADS]);
	for (int i = 0; i < NTHREADS; i++) {
		thread_join(t[i]);
		appended += w[i].appended;
	}
	if (with_suspend) {
		__atomic_store_n(&w[NTHREADS].stop, true, __ATOMIC_RELAXED);
		thread_join(t[NTHREADS]);
	}
	assert_int_equal(attr(log).za_size, appended);
	zpl_rele(log);
	for (int i = 0; i < NDIRS; i++)
		zpl_rele(dirs[i]);
	fs_destroy(&fs);
}

static void
threads_share_a_file_system(void **state)
{
	run(false);
}

static void
suspend_and_resume_under_load(void **state)
{
	run(true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(threads_share_a_file_system),
    cmocka_unit_test(suspend_and_resume_under_load),
};
ZPL_TEST_MAIN(tests)
