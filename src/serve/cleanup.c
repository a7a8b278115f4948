/*
 * What a killed daemon leaves behind: dead FUSE mounts (every access gives ENOTCONN), its
 * socket and its list of mounts. Whoever runs the next command removes them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/serve_impl.h"

#define MOUNTS_MAX (16 << 20)

/* Is a daemon of this name alive? It holds the lock as long as it lives. */
static bool
name_locked(const char *name)
{
	char *path = kmem_asprintf("%s/%s.lock", proto_run_dir(), name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool locked = false;

	kmem_strfree(path);
	if (fd < 0)
		return (false);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		locked = true;
	(void)close(fd);
	return (locked);
}

static void
unmount_dead(const char *point)
{
	struct stat st;

	/* Only what is dead: somebody may have mounted something else there since. */
	if (stat(point, &st) == 0 || errno != ENOTCONN)
		return;
	if (umount2(point, MNT_DETACH) == 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		(void)execlp("fusermount3", "fusermount3", "-q", "-u", "-z", "--", point,
		    (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void
clean_mounts(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < MOUNTS_MAX) {
		size_t size = (size_t)st.st_size;
		char *buf = kmem_zalloc(size + 1, KM_SLEEP);
		const char *points[4096];
		size_t n = 0;
		ssize_t got = read(fd, buf, size);
		/* Pairs of dataset name and mountpoint, each ended by NUL. */
		for (char *p = buf; got > 0 && p < buf + got && n < ARRAY_SIZE(points);) {
			p += strlen(p) + 1;
			if (p >= buf + got)
				break;
			points[n++] = p;
			p += strlen(p) + 1;
		}
		while (n > 0)
			unmount_dead(points[--n]);
		kmem_free(buf, size + 1);
	}
	(void)close(fd);
	(void)unlink(path);
}

void
serve_cleanup_dead(void)
{
	DIR *dir = opendir(proto_run_dir());
	struct dirent *de;

	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL) {
		size_t len = strlen(de->d_name);
		if (len <= 7 || strcmp(de->d_name + len - 7, ".mounts") != 0)
			continue;
		char *name = kmem_asprintf("%.*s", (int)(len - 7), de->d_name);
		if (!name_locked(name)) {
			char *path = kmem_asprintf("%s/%s", proto_run_dir(), de->d_name);
			char *sock = kmem_asprintf("%s/%s.sock", proto_run_dir(), name);
			clean_mounts(path);
			(void)unlink(sock);
			kmem_strfree(sock);
			kmem_strfree(path);
		}
		kmem_strfree(name);
	}
	(void)closedir(dir);
}
