/* zgenhostid: writes /etc/hostid, by which pools know the host that uses them. */
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/cmd.h"

static int
usage(FILE *fp)
{
	(void)fprintf(fp, "usage: zgenhostid [-fh] [-o path] [value]\n\n"
			  "  -f\t\t force hostid file write\n"
			  "  -h\t\t print this usage and exit\n"
			  "  -o <filename>\t write hostid to this file\n\n"
			  "If hostid file is not present, store a hostid in it.\n"
			  "The optional value should be an 8-digit hex number between 1 and 2^32-1.\n"
			  "If the value is 0 or no value is provided, a random one is generated.\n"
			  "The value must be unique among your systems.\n");
	return (fp == stdout ? 0 : 1);
}

int
zgenhostid_main(int argc, char **argv)
{
	const char *path = "/etc/hostid";
	uint32_t hostid = 0;
	bool force = false;
	struct stat st;
	char *end;
	int c;

	while ((c = getopt(argc, argv, "fho:")) != -1) {
		switch (c) {
		case 'f':
			force = true;
			break;
		case 'h':
			return (usage(stdout));
		case 'o':
			path = optarg;
			break;
		default:
			return (usage(stderr));
		}
	}
	if (optind < argc) {
		uint64_t v = strtoull(argv[optind], &end, 16);
		if (*end != '\0' || v > UINT32_MAX)
			return (usage(stderr));
		hostid = (uint32_t)v;
	}
	if (!force && stat(path, &st) == 0 && st.st_size != 0) {
		(void)fprintf(stderr, "%s: File exists\n", path);
		return (1);
	}
	while (hostid == 0)
		random_get_bytes(&hostid, sizeof (hostid));
	const uint8_t raw[4] = { (uint8_t)hostid, (uint8_t)(hostid >> 8), (uint8_t)(hostid >> 16),
		(uint8_t)(hostid >> 24) };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, raw, sizeof (raw)) == sizeof (raw);
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return (ok ? 0 : 1);
}
