/*
 * How much memory the ARC may take: what the machine and the control groups above this
 * process allow, and whether they are short of it right now.
 *
 * Pressure is read from where the kernel tells it: MemAvailable of the machine, and
 * memory.current against memory.high and memory.max of the control group. When little
 * is left the aim shrinks by what is missing, otherwise it grows back step by step.
 * Nothing here fails: what cannot be read does not limit.
 */
#include <stdio.h>
#include <unistd.h>

#include "spl/spl.h"
#include "arc/arc_impl.h"

#define NO_LIMIT UINT64_MAX

static uint64_t
read_number(const char *path)
{
	FILE *fp = fopen(path, "re");
	uint64_t v = NO_LIMIT;

	if (fp == NULL)
		return (NO_LIMIT);
	if (fscanf(fp, "%" SCNu64, &v) != 1)
		v = NO_LIMIT;
	(void)fclose(fp);
	return (v);
}

/* The control group (version 2) of this process, "" for none or the root. */
static void
cgroup_dir(char *buf, size_t size)
{
	char line[256];
	FILE *fp = fopen("/proc/self/cgroup", "re");

	buf[0] = '\0';
	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0 && line[4] != '\0')
			(void)snprintf(buf, size, "%s", line + 3);
	}
	if (fp != NULL)
		(void)fclose(fp);
}

/*
 * Walk the groups from the process's own to the root; *limit is the smallest limit met,
 * *left the smallest room below one.
 */
static void
cgroup_limits(uint64_t *limit, uint64_t *left)
{
	char group[256], path[320];

	*limit = *left = NO_LIMIT;
	cgroup_dir(group, sizeof(group));
	for (;;) {
		(void)snprintf(
		    path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
		uint64_t max = read_number(path);
		(void)snprintf(
		    path, sizeof(path), "/sys/fs/cgroup%s/memory.high", group);
		max = MIN(max, read_number(path));
		if (max != NO_LIMIT) {
			(void)snprintf(path, sizeof(path),
			    "/sys/fs/cgroup%s/memory.current", group);
			const uint64_t current = read_number(path);
			*limit = MIN(*limit, max);
			if (current != NO_LIMIT)
				*left = MIN(*left, max > current ? max - current : 0);
		}
		char *slash = strrchr(group, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
	}
}

static uint64_t
machine_memory(void)
{
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	return (pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 1ULL << 30);
}

static uint64_t
machine_available(void)
{
	FILE *fp = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib = NO_LIMIT;

	if (fp == NULL)
		return (NO_LIMIT);
	while (fgets(line, sizeof(line), fp) != NULL) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	}
	(void)fclose(fp);
	return (kib == NO_LIMIT ? NO_LIMIT : kib << 10);
}

uint64_t
arc_default_max(void)
{
	uint64_t limit, left;

	cgroup_limits(&limit, &left);
	return (MAX(MIN(limit, machine_memory()) / 2, 32ULL << 20));
}

uint64_t
arc_memory_target(uint64_t c, uint64_t c_min, uint64_t c_max)
{
	uint64_t limit, left;

	cgroup_limits(&limit, &left);
	const uint64_t total = MIN(limit, machine_memory());
	left = MIN(left, machine_available());
	const uint64_t reserve = total / 32;
	if (left < reserve) {
		const uint64_t missing = reserve - left;
		c = c > missing ? c - missing : 0;
	} else if (left > 2 * reserve) {
		c += c_max / 64;
	}
	return (MAX(c_min, MIN(c_max, c)));
}
