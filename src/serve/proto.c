/* Messages and where the sockets are. See proto.h. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "serve/proto.h"
#include "spl/spl.h"

static int
write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (n < 0 ? errno : EPIPE);
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

static int
read_all(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = read(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (n < 0 ? errno : ECONNRESET);
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

int
proto_send(int fd, const nvlist_t *msg)
{
	uint8_t *buf, head[4];
	size_t size;
	int err;

	nvlist_pack(msg, NV_ENCODE_NATIVE, &buf, &size);
	for (int i = 0; i < 4; i++)
		head[i] = (uint8_t)(size >> (8 * i));
	err = size > PROTO_MAX_MESSAGE ? E2BIG : write_all(fd, head, sizeof (head));
	if (err == 0)
		err = write_all(fd, buf, size);
	kmem_free(buf, size);
	return (err);
}

int
proto_recv(int fd, nvlist_t **msgp)
{
	uint8_t head[4];
	int err = read_all(fd, head, sizeof (head));

	if (err != 0)
		return (err);
	size_t size = head[0] | head[1] << 8 | head[2] << 16 | (size_t)head[3] << 24;
	if (size == 0 || size > PROTO_MAX_MESSAGE)
		return (EPROTO);
	uint8_t *buf = kmem_alloc(size, KM_SLEEP);
	err = read_all(fd, buf, size);
	if (err == 0 && nvlist_unpack(buf, size, msgp, NULL) != 0)
		err = EPROTO;
	kmem_free(buf, size);
	return (err);
}

/* ---- directories -------------------------------------------------------------------------- */

static const char *
instance_dir(char *buf, size_t size, const char *env, const char *xdg, const char *xdg_fallback,
    const char *system)
{
	const char *v = getenv(env);

	if (buf[0] != '\0')
		return (buf);
	if (v != NULL && v[0] != '\0') {
		(void)snprintf(buf, size, "%s", v);
	} else if (geteuid() == 0) {
		(void)snprintf(buf, size, "%s", system);
	} else if ((v = getenv(xdg)) != NULL && v[0] != '\0') {
		(void)snprintf(buf, size, "%s/tarn", v);
	} else {
		const char *home = getenv("HOME");
		(void)snprintf(buf, size, "%s/%s", home != NULL ? home : "/tmp", xdg_fallback);
	}
	return (buf);
}

const char *
proto_run_dir(void)
{
	static char buf[PATH_MAX];

	return (instance_dir(buf, sizeof (buf), "TARN_RUN_DIR", "XDG_RUNTIME_DIR",
	    ".local/run/tarn", "/run/tarn"));
}

const char *
proto_state_dir(void)
{
	static char buf[PATH_MAX];

	return (instance_dir(buf, sizeof (buf), "TARN_STATE_DIR", "XDG_STATE_HOME",
	    ".local/state/tarn", "/var/lib/tarn"));
}

static int
make_path(const char *path)
{
	char *copy = kmem_strdup(path);
	int err = 0;

	for (char *p = copy + 1; err == 0; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char c = *p;
		*p = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			err = errno;
		*p = c;
		if (c == '\0')
			break;
	}
	kmem_strfree(copy);
	return (err);
}

int
proto_make_dirs(void)
{
	int err = make_path(proto_run_dir());

	return (err != 0 ? err : make_path(proto_state_dir()));
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int
connect_pool(const char *pool, int *fdp)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n = snprintf(
	    sun.sun_path, sizeof (sun.sun_path), "%s/%s.sock", proto_run_dir(), pool);

	if (n < 0 || (size_t)n >= sizeof (sun.sun_path))
		return (ENAMETOOLONG);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (errno);
	if (connect(fd, (struct sockaddr *)&sun, sizeof (sun)) != 0) {
		int err = errno;
		(void)close(fd);
		/* A socket without a listener is what a dead daemon leaves. */
		return (err == ECONNREFUSED ? ENOENT : err);
	}
	*fdp = fd;
	return (0);
}

int
proto_call(const char *pool, const nvlist_t *request, nvlist_t **reply)
{
	int fd, err = connect_pool(pool, &fd);

	if (err != 0)
		return (err);
	if ((err = proto_send(fd, request)) == 0)
		err = proto_recv(fd, reply);
	(void)close(fd);
	return (err);
}

static int
name_compare(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

int
proto_pools(char ***namesp, size_t *np)
{
	DIR *dir = opendir(proto_run_dir());
	char **names = NULL;
	size_t n = 0;
	struct dirent *de;

	*namesp = NULL;
	*np = 0;
	if (dir == NULL)
		return (errno == ENOENT ? 0 : errno);
	while ((de = readdir(dir)) != NULL) {
		size_t len = strlen(de->d_name);
		int fd;

		if (len <= 5 || strcmp(de->d_name + len - 5, ".sock") != 0)
			continue;
		char *name = kmem_asprintf("%.*s", (int)(len - 5), de->d_name);
		if (connect_pool(name, &fd) != 0) {
			kmem_strfree(name);
			continue;
		}
		(void)close(fd);
		char **more = kmem_alloc((n + 1) * sizeof (*names), KM_SLEEP);
		if (n > 0)
			memcpy(more, names, n * sizeof (*names));
		kmem_free(names, n * sizeof (*names));
		names = more;
		names[n++] = name;
	}
	(void)closedir(dir);
	if (n > 1)
		qsort(names, n, sizeof (*names), name_compare);
	*namesp = names;
	*np = n;
	return (0);
}

void
proto_free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		kmem_strfree(names[i]);
	kmem_free(names, n * sizeof (*names));
}
