/* See vdev_helper.h. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vdev_helper.h"

static char dir[256];

const char *
helper_dir(void)
{
	if (dir[0] == '\0') {
		const char *tmp = getenv("TMPDIR");
		snprintf(dir, sizeof(dir), "%s/tarn-vdev-XXXXXX",
		    tmp != NULL ? tmp : "/tmp");
		assert_non_null(mkdtemp(dir));
	}
	return (dir);
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return (remove(path));
}

void
helper_cleanup(void)
{
	if (dir[0] != '\0')
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	dir[0] = '\0';
}

const char *
helper_device(const char *name, uint64_t size)
{
	static char paths[32][512];
	static int next;
	char *path = paths[next++ % 32];

	snprintf(path, sizeof(paths[0]), "%s/%s", helper_dir(), name);
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	return (path);
}

static void
poke(const char *path, uint64_t offset, const void *buf, uint64_t size)
{
	const int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, size, (off_t)offset), (ssize_t)size);
	close(fd);
}

void
helper_fill(const char *path, uint64_t offset, uint64_t size, uint8_t byte)
{
	void *buf = kmem_alloc(size, KM_SLEEP);

	memset(buf, byte, size);
	poke(path, offset, buf, size);
	kmem_free(buf, size);
}

void
helper_pattern(void *buf, size_t size, uint64_t seed)
{
	uint8_t *p = buf;
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;

	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)(x >> 32);
	}
}

void
helper_noise(const char *path, uint64_t offset, uint64_t size, uint64_t seed)
{
	void *buf = kmem_alloc(size, KM_SLEEP);

	helper_pattern(buf, size, ~seed);
	poke(path, offset, buf, size);
	kmem_free(buf, size);
}

void
helper_peek(const char *path, uint64_t offset, void *buf, uint64_t size)
{
	const int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, size, (off_t)offset), (ssize_t)size);
	close(fd);
}

nvlist_t *
helper_file_nv(const char *path)
{
	nvlist_t *nv = nvlist_create();

	fnvlist_add_string(nv, "type", "file");
	fnvlist_add_string(nv, "path", path);
	return (nv);
}

nvlist_t *
helper_node_nv(const char *type, int n, ...)
{
	nvlist_t *nv = nvlist_create(), *child[16];
	va_list ap;

	assert_true(n <= 16);
	fnvlist_add_string(nv, "type", type);
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		child[i] = va_arg(ap, nvlist_t *);
	va_end(ap);
	fnvlist_add_nvlist_array(
	    nv, "children", (const nvlist_t *const *)child, (size_t)n);
	for (int i = 0; i < n; i++)
		nvlist_free(child[i]);
	return (nv);
}

vdev_t *
helper_open(nvlist_t *nv, bool writable)
{
	vdev_t *vd;

	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, true, &vd), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(vd, writable), 0);
	return (vd);
}

const char *
helper_fixture(const char *name)
{
	static char out[512];
	char cmd[4096];
	const char *shared = getenv("TARN_SHARED"), *src = getenv("TARN_SRC");
	char fallback[1024];

	if (shared == NULL) {
		snprintf(fallback, sizeof(fallback), "%s/../shared",
		    src != NULL ? src : ".");
		shared = fallback;
	}
	snprintf(cmd, sizeof(cmd), "%s/pools/%s/SHA256SUMS", shared, name);
	if (access(cmd, R_OK) != 0) {
		print_message("pool images not found at %s: skipped\n", cmd);
		return (NULL);
	}
	snprintf(out, sizeof(out), "%s/%s", helper_dir(), name);
	snprintf(cmd, sizeof(cmd), "%s/pools/unpack.sh %s/pools/%s %s >/dev/null",
	    shared, shared, name, out);
	assert_int_equal(system(cmd), 0);
	return (out);
}

int
helper_group_setup(void **state)
{
	(void)state;
	spl_init();
	vdev_init();
	const char *want = getenv("TARN_IO_ENGINE");
	if (want != NULL)
		assert_string_equal(vdev_io_engine(), want);
	print_message("I/O engine: %s\n", vdev_io_engine());
	return (0);
}

int
helper_group_teardown(void **state)
{
	(void)state;
	vdev_fini();
	helper_cleanup();
	return (0);
}
