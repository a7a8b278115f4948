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
	int fd = open(path, O_RDWR | O_CLOEXEC), err = errno;
	bool locked = false;

	kmem_strfree(path);
	/* Somebody else's daemon: not ours to judge. */
	if (fd < 0)
		return (err != ENOENT);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		locked = true;
	(void)close(fd);
	return (locked);
}

/* \ooo in place: blanks and the like are escaped in /proc. */
static void
unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		unsigned c;
		if (s[0] == '\\' && sscanf(s + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/*
 * Is this file system of ours mounted there? What stat(2) says does not count: the kernel
 * answers from its cache for a dead mount, too. Somebody may have mounted something else there.
 */
static bool
is_mounted(const char *name, const char *point)
{
	FILE *fp = fopen("/proc/self/mounts", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (fp != NULL && !found && getline(&line, &size, fp) > 0) {
		char *save, *src = strtok_r(line, " ", &save);
		char *dir = strtok_r(NULL, " ", &save), *type = strtok_r(NULL, " ", &save);
		if (src == NULL || dir == NULL || type == NULL)
			continue;
		unescape(src);
		unescape(dir);
		found = strcmp(type, "fuse.zfs") == 0 && strcmp(src, name) == 0 &&
		    strcmp(dir, point) == 0;
	}
	free(line);
	if (fp != NULL)
		(void)fclose(fp);
	return (found);
}

static void
unmount_dead(const char *name, const char *point)
{
	if (!is_mounted(name, point))
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
		const char *names[4096], *points[4096];
		size_t n = 0;
		ssize_t got = read(fd, buf, size);
		/* Pairs of dataset name and mountpoint, each ended by NUL. */
		for (char *p = buf; got > 0 && p < buf + got && n < ARRAY_SIZE(points);) {
			names[n] = p;
			p += strlen(p) + 1;
			if (p >= buf + got)
				break;
			points[n++] = p;
			p += strlen(p) + 1;
		}
		for (; n > 0; n--)
			unmount_dead(names[n - 1], points[n - 1]);
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
