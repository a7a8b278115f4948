/*
 * Memory pressure on Linux.
 *
 * Limits: MemAvailable of /proc/meminfo; the control group of this process and its
 * ancestors, version 2 (memory.max, memory.high, memory.current) or version 1
 * (memory.limit_in_bytes, memory.usage_in_bytes). File pages that the kernel would
 * drop first (inactive_file) count as available.
 *
 * Events: a PSI trigger on memory.pressure of the group or /proc/pressure/memory,
 * memory.events of version 2 (which changes when memory.high is hit), and an
 * eventfd on memory.pressure_level of version 1. Each is optional: in a container
 * some are read-only or absent, and then the clock and the limits have to do.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spl/os_pressure.h"
#include "spl/bits.h"

#define PATH_LEN 640

typedef struct group {
	char path[PATH_LEN];  /* directory of this process's group; "" if none */
	size_t root_len;      /* length of the mount point in it */
	bool v2;
} group_t;

static group_t group;
static char group_text[4096]; /* /proc/self/cgroup when the group was found */
static pthread_mutex_t group_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pollfd sources[4];
static int source_kind[4], nsources;
static int wake_fd = -1, level_fd = -1;

static bool
read_file(const char *path, char *buf, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return (false);
	const ssize_t n = read(fd, buf, size - 1);
	(void)close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return (n > 0);
}

/* A file of one number; "max" and anything else is UINT64_MAX. */
static uint64_t
read_number(const char *dir, const char *name)
{
	char path[PATH_LEN + 64], text[64];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!read_file(path, text, sizeof(text)) || text[0] < '0' || text[0] > '9')
		return (UINT64_MAX);
	return (strtoull(text, NULL, 10));
}

/* The value behind `key` at the start of a line of "key value" lines. */
static uint64_t
find_value(const char *text, const char *key, uint64_t none)
{
	const size_t len = strlen(key);

	for (const char *p = text; p != NULL && *p != '\0';) {
		if (strncmp(p, key, len) == 0)
			return (strtoull(p + len, NULL, 10));
		p = strchr(p, '\n');
		if (p != NULL)
			p++;
	}
	return (none);
}

/* ---- which group ---- */

/* The path behind "0::" (version 2) or ":memory:" (version 1) of /proc/self/cgroup. */
static bool
group_name(const char *text, bool v2, char *name, size_t size)
{
	const char *p = v2 ? strstr(text, "0::") : NULL;

	if (v2 && p != NULL)
		p += 3;
	for (const char *line = text; !v2 && line != NULL && *line != '\0';) {
		const char *colon = strchr(line, ':');
		const char *end = strchr(line, '\n');
		const char *second = colon != NULL ? strchr(colon + 1, ':') : NULL;
		if (second == NULL)
			break;
		char list[128];
		(void)snprintf(list, sizeof(list), ",%.*s,", (int)(second - colon - 1),
		    colon + 1);
		if (strstr(list, ",memory,") != NULL) {
			p = second + 1;
			break;
		}
		line = end != NULL ? end + 1 : NULL;
	}
	if (p == NULL)
		return (false);
	(void)snprintf(name, size, "%.*s", (int)strcspn(p, "\n"), p);
	return (true);
}

static bool
has_memory_files(const char *dir, bool v2)
{
	return (read_number(dir, v2 ? "memory.current" : "memory.usage_in_bytes") !=
	    UINT64_MAX);
}

static void
group_find(void)
{
	static const struct {
		const char *mount;
		bool v2;
	} places[] = { { "/sys/fs/cgroup", true }, { "/sys/fs/cgroup/unified", true },
		{ "/sys/fs/cgroup/memory", false } };
	static char text[sizeof(group_text)];
	char name[512];

	/* Processes are moved; to see it costs one small file. */
	if (!read_file("/proc/self/cgroup", text, sizeof(text)) ||
	    strcmp(text, group_text) == 0)
		return;
	memcpy(group_text, text, sizeof(group_text));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!group_name(text, places[i].v2, name, sizeof(name)))
			continue;
		/* In a container the name may be that outside; then the mount is ours. */
		(void)snprintf(
		    group.path, sizeof(group.path), "%s%s", places[i].mount, name);
		if (!has_memory_files(group.path, places[i].v2))
			(void)snprintf(
			    group.path, sizeof(group.path), "%s", places[i].mount);
		if (has_memory_files(group.path, places[i].v2)) {
			group.root_len = strlen(places[i].mount);
			group.v2 = places[i].v2;
			return;
		}
	}
	group.path[0] = '\0';
}

/* ---- numbers ---- */

static void
group_level_read(const char *dir, os_memory_t *om)
{
	char path[PATH_LEN + 64], text[4096];
	uint64_t limit = read_number(dir, group.v2 ? "memory.max" : "memory.limit_in_bytes");

	if (group.v2)
		limit = MIN(limit, read_number(dir, "memory.high"));
	/* Version 1 says "no limit" as a number larger than any machine. */
	if (limit >= om->om_physical)
		return;
	uint64_t usage =
	    read_number(dir, group.v2 ? "memory.current" : "memory.usage_in_bytes");
	(void)snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (usage == UINT64_MAX || !read_file(path, text, sizeof(text)))
		return;
	const uint64_t file =
	    find_value(text, group.v2 ? "inactive_file " : "total_inactive_file ", 0);
	usage -= MIN(usage, file);
	om->om_limit = MIN(om->om_limit, limit);
	om->om_group_available =
	    MIN(om->om_group_available, limit > usage ? limit - usage : 0);
}

static void
group_read(os_memory_t *om)
{
	char dir[PATH_LEN];

	(void)pthread_mutex_lock(&group_lock);
	group_find();
	if (group.path[0] == '\0') {
		(void)pthread_mutex_unlock(&group_lock);
		return;
	}
	(void)snprintf(dir, sizeof(dir), "%s", group.path);
	for (;;) {
		group_level_read(dir, om);
		char *slash = strrchr(dir, '/');
		if (strlen(dir) <= group.root_len || slash == NULL)
			break;
		*slash = '\0';
		if (strlen(dir) < group.root_len)
			break;
	}
	(void)pthread_mutex_unlock(&group_lock);
}

void
os_memory_read(os_memory_t *om)
{
	char text[4096];

	*om = (os_memory_t){ .om_limit = UINT64_MAX, .om_group_available = UINT64_MAX,
		.om_available = UINT64_MAX };
	om->om_physical =
	    (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (read_file("/proc/meminfo", text, sizeof(text))) {
		const uint64_t kb = find_value(text, "MemAvailable:", UINT64_MAX / 1024);
		om->om_available = kb * 1024;
	}
	group_read(om);
}

/* ---- events ---- */

static void
source_add(int fd, short events, int kind)
{
	sources[nsources].fd = fd;
	sources[nsources].events = events;
	source_kind[nsources++] = kind;
}

static bool
psi_open(const char *path)
{
	/* 200 ms of stalls in 2 s; 2 s windows are the ones users without rights get. */
	static const char trigger[] = "some 200000 2000000";
	const int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return (false);
	if (write(fd, trigger, sizeof(trigger)) < 0) {
		(void)close(fd);
		return (false);
	}
	source_add(fd, POLLPRI, OS_PRESSURE_PSI);
	return (true);
}

static void
v1_open(void)
{
	char path[PATH_LEN + 64], text[64];

	(void)snprintf(path, sizeof(path), "%s/memory.pressure_level", group.path);
	level_fd = open(path, O_RDONLY | O_CLOEXEC);
	const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/cgroup.event_control", group.path);
	const int control = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = false;
	if (level_fd >= 0 && event >= 0 && control >= 0) {
		const int n = snprintf(text, sizeof(text), "%d %d low", event, level_fd);
		ok = write(control, text, (size_t)n) == n;
	}
	if (control >= 0)
		(void)close(control);
	if (ok) {
		source_add(event, POLLIN, OS_PRESSURE_V1);
		return;
	}
	if (event >= 0)
		(void)close(event);
	if (level_fd >= 0)
		(void)close(level_fd);
	level_fd = -1;
}

int
os_pressure_open(void)
{
	char path[PATH_LEN + 64];
	int mask = 0;

	(void)pthread_mutex_lock(&group_lock);
	group_find();
	(void)pthread_mutex_unlock(&group_lock);
	nsources = 0;
	if (wake_fd < 0)
		wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/memory.pressure", group.path);
	if (group.path[0] == '\0' || !group.v2 || !psi_open(path))
		(void)psi_open("/proc/pressure/memory");
	if (group.path[0] != '\0' && group.v2) {
		(void)snprintf(path, sizeof(path), "%s/memory.events", group.path);
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			source_add(fd, POLLPRI, OS_PRESSURE_V2);
	} else if (group.path[0] != '\0') {
		v1_open();
	}
	for (int i = 0; i < nsources; i++)
		mask |= source_kind[i];
	source_add(wake_fd, POLLIN, 0);
	return (mask);
}

/* After fork(), for the child: another thread may have been reading. */
void
os_pressure_fork_child(void)
{
	static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;

	memcpy(&group_lock, &fresh, sizeof(fresh));
	group_text[0] = '\0';
	os_pressure_close();
	/* The parent listens on it too. */
	if (wake_fd >= 0)
		(void)close(wake_fd);
	wake_fd = -1;
}

void
os_pressure_close(void)
{
	for (int i = 0; i < nsources; i++) {
		if (sources[i].fd != wake_fd)
			(void)close(sources[i].fd);
	}
	nsources = 0;
	if (level_fd >= 0)
		(void)close(level_fd);
	level_fd = -1;
}

int
os_pressure_wait(int timeout_ms)
{
	char drain[256];
	int mask = 0;

	if (poll(sources, (nfds_t)nsources, timeout_ms) <= 0)
		return (0);
	for (int i = 0; i < nsources; i++) {
		if (sources[i].revents == 0)
			continue;
		mask |= source_kind[i];
		/* An error here would come back at once for ever: drop the source. */
		if (sources[i].revents & (POLLERR | POLLNVAL) &&
		    source_kind[i] != OS_PRESSURE_V2 && !(sources[i].revents & POLLPRI))
			sources[i].fd = -1;
		if (source_kind[i] == OS_PRESSURE_V2)
			(void)lseek(sources[i].fd, 0, SEEK_SET);
		if (source_kind[i] != OS_PRESSURE_PSI && sources[i].fd >= 0 &&
		    read(sources[i].fd, drain, sizeof(drain)) < 0)
			continue;
	}
	return (mask);
}

void
os_pressure_wake(void)
{
	const uint64_t one = 1;

	if (wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) < 0)
		return;
}
