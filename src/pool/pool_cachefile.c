/*
 * The cache file (format/01 §3.9): one native nvlist, pool name -> configuration, of the
 * pools to open when the system starts. Written to a temporary file that then takes its
 * place, under a lock, since several daemons share it.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pool/pool_impl.h"

#define CACHEFILE_MAX (64 << 20)

int
pool_cachefile_read(const char *path, nvlist_t **poolsp)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return (errno);
	if (fstat(fd, &st) != 0)
		err = errno;
	else if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > CACHEFILE_MAX)
		err = EINVAL;
	if (err != 0) {
		(void)close(fd);
		return (err);
	}
	size_t size = (size_t)st.st_size, done = 0;
	uint8_t *buf = kmem_alloc(size, KM_SLEEP);
	while (done < size && err == 0) {
		ssize_t n = read(fd, buf + done, size - done);
		if (n <= 0)
			err = n < 0 ? errno : EINVAL;
		else
			done += (size_t)n;
	}
	if (err == 0)
		err = nvlist_unpack(buf, size, poolsp, NULL);
	kmem_free(buf, size);
	(void)close(fd);
	return (err);
}

static int
cachefile_write(const char *path, const nvlist_t *pools)
{
	char *tmp = kmem_asprintf("%s.tmp", path);
	uint8_t *buf;
	size_t size, done = 0;
	int err = 0;

	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		err = errno;
		kmem_strfree(tmp);
		return (err);
	}
	nvlist_pack(pools, NV_ENCODE_NATIVE, &buf, &size);
	while (done < size && err == 0) {
		ssize_t n = write(fd, buf + done, size - done);
		if (n < 0)
			err = errno;
		else
			done += (size_t)n;
	}
	kmem_free(buf, size);
	if (err == 0 && fsync(fd) != 0)
		err = errno;
	if (close(fd) != 0 && err == 0)
		err = errno;
	if (err == 0 && rename(tmp, path) != 0)
		err = errno;
	if (err != 0)
		(void)unlink(tmp);
	kmem_strfree(tmp);
	return (err);
}

int
pool_cachefile_update(const char *path, const char *name, const nvlist_t *config)
{
	char *lockpath = kmem_asprintf("%s.lock", path);
	nvlist_t *pools = NULL;
	int err = 0;

	int lock = open(lockpath, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock < 0) {
		err = errno;
		kmem_strfree(lockpath);
		return (err);
	}
	if (flock(lock, LOCK_EX) != 0)
		err = errno;
	/* A damaged file is replaced: it is only a cache. */
	if (err == 0 && pool_cachefile_read(path, &pools) != 0)
		pools = nvlist_create();
	if (err == 0) {
		(void)nvlist_remove_all(pools, name);
		if (config != NULL)
			err = nvlist_add_nvlist(pools, name, config);
	}
	if (err == 0) {
		if (nvlist_empty(pools))
			err = unlink(path) == 0 || errno == ENOENT ? 0 : errno;
		else
			err = cachefile_write(path, pools);
	}
	nvlist_free(pools);
	(void)close(lock);
	kmem_strfree(lockpath);
	return (err);
}
