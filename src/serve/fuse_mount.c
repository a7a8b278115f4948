/*
 * Mounting and unmounting as the kernel sees it: mount(2) for the privileged, the set-uid
 * helper fusermount3 for everybody else, /proc/self/mountinfo for the truth.
 *
 * A mount is known by its device number (st_dev), which is its own as long as it lives. Its place may
 * change (mount --move, a renamed parent), and somebody may cover it with another mount:
 * so before unmounting we look where it is, and leave alone what is not ours.
 *
 * The helper: it opens /dev/fuse for us, mounts, and sends the descriptor over a socket whose
 * number it finds in _FUSE_COMMFD (the protocol of fusermount3(1), as old as FUSE itself).
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/fuse_impl.h"

#define HELPER "fusermount3"
#define HELPER_FD 3 /* its end of the socket */

/* ---- what is mounted where ------------------------------------------------------------- */

typedef struct mountinfo {
	uint32_t mi_major, mi_minor;
	char *mi_point;
} mountinfo_t;

/* \ooo in place: blanks and the like are escaped. */
static void
unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mnt/point rw,noatime …" */
static bool
parse_mountinfo(char *line, mountinfo_t *mi)
{
	char *save, *p = line;
	char *field[5];

	for (int i = 0; i < 5; i++, p = NULL)
		if ((field[i] = strtok_r(p, " ", &save)) == NULL)
			return (false);
	if (sscanf(field[2], "%" SCNu32 ":%" SCNu32, &mi->mi_major, &mi->mi_minor) != 2)
		return (false);
	unescape(field[4]);
	mi->mi_point = field[4];
	return (true);
}

/* Call func for every mount, in the order they were made; stops when it returns false. */
static int
for_each_mount(bool (*func)(const mountinfo_t *mi, void *arg), void *arg)
{
	const size_t room = 4 * PATH_MAX * 3; /* two paths, every byte escaped, and the rest */
	FILE *fp = fopen("/proc/self/mountinfo", "re");
	mountinfo_t mi;

	if (fp == NULL)
		return (errno);
	char *line = kmem_alloc(room, KM_SLEEP);
	while (fgets(line, (int)room, fp) != NULL)
		if (parse_mountinfo(line, &mi) && !func(&mi, arg))
			break;
	kmem_free(line, room);
	(void)fclose(fp);
	return (0);
}

typedef struct mount_search {
	const char *ms_at;           /* looking for the top one here, or */
	uint32_t ms_major, ms_minor; /* for this one (out: what is on top) */
	char *ms_point;              /* PATH_MAX */
	bool ms_found;
} mount_search_t;

static bool
search_point(const mountinfo_t *mi, void *arg)
{
	mount_search_t *ms = arg;

	if (strcmp(mi->mi_point, ms->ms_at) == 0) {
		ms->ms_major = mi->mi_major;
		ms->ms_minor = mi->mi_minor;
		ms->ms_found = true;
	}
	return (true);
}

static bool
search_dev(const mountinfo_t *mi, void *arg)
{
	mount_search_t *ms = arg;

	if (mi->mi_major == ms->ms_major && mi->mi_minor == ms->ms_minor) {
		(void)snprintf(ms->ms_point, PATH_MAX, "%s", mi->mi_point);
		ms->ms_found = true;
	}
	return (true);
}

int
fuse_mount_dev(const char *point, uint32_t *majorp, uint32_t *minorp)
{
	mount_search_t ms = { .ms_at = point };
	int err = for_each_mount(search_point, &ms);

	if (err != 0 || !ms.ms_found)
		return (err != 0 ? err : ENOENT);
	*majorp = ms.ms_major;
	*minorp = ms.ms_minor;
	return (0);
}

int
fuse_mount_find(uint32_t major, uint32_t minor, char *point, size_t size)
{
	char *buf = kmem_alloc(PATH_MAX, KM_SLEEP);
	mount_search_t ms = { .ms_major = major, .ms_minor = minor, .ms_point = buf };
	uint32_t top_major = 0, top_minor = 0;
	int err = for_each_mount(search_dev, &ms);

	if (err == 0 && !ms.ms_found)
		err = ENOENT;
	if (err == 0)
		err = fuse_mount_dev(buf, &top_major, &top_minor);
	if (err == 0 && (top_major != major || top_minor != minor))
		err = EBUSY;
	if (err == 0 && (size_t)snprintf(point, size, "%s", buf) >= size)
		err = ENAMETOOLONG;
	kmem_free(buf, PATH_MAX);
	return (err);
}

/* ---- the helper ------------------------------------------------------------------------------ */

/* Run it; comm < 0: without a socket. Its exit status, or -1. */
static int
run_helper(char *const argv[], int comm, pid_t *pidp)
{
	posix_spawn_file_actions_t actions;
	size_t n = 0;
	pid_t pid;

	while (environ[n] != NULL)
		n++;
	char **env = kmem_zalloc((n + 2) * sizeof (char *), KM_SLEEP);
	if (n > 0)
		memcpy(env, environ, n * sizeof (char *));
	char commfd[] = "_FUSE_COMMFD=3";
	CTASSERT(HELPER_FD == 3);
	env[n] = commfd;
	(void)posix_spawn_file_actions_init(&actions);
	if (comm >= 0)
		(void)posix_spawn_file_actions_adddup2(&actions, comm, HELPER_FD);
	int err = posix_spawnp(&pid, HELPER, &actions, NULL, argv, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	kmem_free(env, (n + 2) * sizeof (char *));
	if (err == 0)
		*pidp = pid;
	return (err);
}

/* Did it end well? */
static bool
reap_helper(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return (false);
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The descriptor it sends, or -1 if it ends without one. */
static int
receive_fd(int sock)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof (int))];
	} ctl;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
		.msg_controllen = sizeof (ctl.buf) };
	ssize_t n;
	int fd = -1;

	while ((n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		continue;
	struct cmsghdr *cm = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof (int)))
		memcpy(&fd, CMSG_DATA(cm), sizeof (fd));
	return (fd);
}

/* Commas and backslashes of an option's value are escaped with a backslash. */
static void
escape_option(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0' && n + 2 < size; from++) {
		if (*from == ',' || *from == '\\')
			to[n++] = '\\';
		to[n++] = *from;
	}
	to[n] = '\0';
}

static int
mount_by_helper(const char *source, const char *point, const fuse_fs_opts_t *o, int *fdp)
{
	char name[1024], *opts; /* dataset names have 255 bytes */
	int sock[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) != 0)
		return (errno);
	escape_option(name, sizeof (name), source);
	/* The helper forces nosuid and nodev on ordinary users and knows no relatime. */
	opts = kmem_asprintf("fsname=%s,subtype=zfs,default_permissions%s%s%s%s", name,
	    o->ffo_allow_other ? ",allow_other" : "", o->ffo_readonly ? ",ro" : "",
	    o->ffo_exec ? "" : ",noexec", o->ffo_atime ? "" : ",noatime");
	char helper[] = HELPER, dash_o[] = "-o", dashes[] = "--";
	char *where = kmem_strdup(point);
	char *argv[] = { helper, dash_o, opts, dashes, where, NULL };
	err = run_helper(argv, sock[1], &pid);
	(void)close(sock[1]);
	if (err == 0) {
		int fd = receive_fd(sock[0]);
		bool ok = reap_helper(pid);
		if (fd < 0)
			err = ok ? EIO : EPERM;
		else
			*fdp = fd;
	}
	(void)close(sock[0]);
	kmem_strfree(where);
	kmem_strfree(opts);
	return (err);
}

/* ---- mounting -------------------------------------------------------------------------------- */

static unsigned long
mount_flags(const fuse_fs_opts_t *o)
{
	unsigned long f = 0;

	if (o->ffo_readonly)
		f |= MS_RDONLY;
	if (!o->ffo_exec)
		f |= MS_NOEXEC;
	if (!o->ffo_setuid)
		f |= MS_NOSUID;
	if (!o->ffo_devices)
		f |= MS_NODEV;
	if (!o->ffo_atime)
		f |= MS_NOATIME;
	else
		f |= o->ffo_relatime ? MS_RELATIME : MS_STRICTATIME;
	return (f);
}

static int
mount_directly(const char *source, const char *point, const fuse_fs_opts_t *o, int *fdp)
{
	char data[160];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return (errno == ENOENT ? ENODEV : errno);
	(void)snprintf(data, sizeof (data),
	    "fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions%s", fd, S_IFDIR,
	    getuid(), getgid(), o->ffo_allow_other ? ",allow_other" : "");
	if (mount(source, point, "fuse.zfs", mount_flags(o), data) != 0) {
		int err = errno;
		(void)close(fd);
		return (err);
	}
	*fdp = fd;
	return (0);
}

static int
check_mountpoint(const char *point, bool nonempty)
{
	struct dirent *de;
	int err = 0;
	DIR *dir = opendir(point);

	if (dir == NULL)
		return (errno);
	while (!nonempty && err == 0 && (de = readdir(dir)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			err = ENOTEMPTY;
	(void)closedir(dir);
	return (err);
}

int
fuse_mount_new(const char *source, const char *point, const fuse_fs_opts_t *opts, int *fdp,
    bool *by_helper)
{
	int err = check_mountpoint(point, opts->ffo_nonempty);

	if (err != 0)
		return (err);
	*by_helper = false;
	err = mount_directly(source, point, opts, fdp);
	if (geteuid() == 0 || (err != EPERM && err != EACCES))
		return (err);
	*by_helper = true;
	return (mount_by_helper(source, point, opts, fdp));
}

int
fuse_mount_umount(const char *point, bool lazy, bool by_helper)
{
	char helper[] = HELPER, dash_u[] = "-u", dash_z[] = "-z", quiet[] = "-q", end[] = "--";
	pid_t pid;

	if (!by_helper) {
		int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_FORCE | MNT_DETACH : 0);
		return (umount2(point, flags) == 0 ? 0 : errno);
	}
	char *where = kmem_strdup(point);
	char *firm[] = { helper, quiet, dash_u, end, where, NULL };
	char *soft[] = { helper, quiet, dash_u, dash_z, end, where, NULL };
	int err = run_helper(lazy ? soft : firm, -1, &pid);
	if (err == 0 && !reap_helper(pid))
		err = EBUSY;
	kmem_strfree(where);
	return (err);
}

int
fuse_mount_remount(const char *point, const fuse_fs_opts_t *opts)
{
	if (mount(NULL, point, NULL, MS_REMOUNT | mount_flags(opts), NULL) != 0)
		return (errno);
	return (0);
}

void
fuse_mount_tune(uint32_t major, uint32_t minor)
{
	char path[80], value[16];

	/* The kernel reads ahead 128 KiB unless told otherwise here. */
	(void)snprintf(path, sizeof (path),
	    "/sys/class/bdi/%" PRIu32 ":%" PRIu32 "/read_ahead_kb", major, minor);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	int len = snprintf(value, sizeof (value), "%u", FUSE_MAX_DATA / 1024);
	if (write(fd, value, (size_t)len) < 0)
		dprintf_l("%s: %s", path, strerror(errno));
	(void)close(fd);
}
