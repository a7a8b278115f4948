/* Numbers, histograms, hex dumps in zdb's manner. */
#include <ctype.h>
#include <stdarg.h>
#include "cmd/zdb.h"

char *
zdb_num(const zdb_t *z, uint64_t n, char buf[ZDB_NUMBUF])
{
	if (z->z_parseable)
		(void)snprintf(buf, ZDB_NUMBUF, "%" PRIu64, n);
	else
		(void)cmd_nicenum(n, buf, ZDB_NUMBUF);
	return (buf);
}

#define HISTOGRAM_WIDTH 40

void
zdb_histogram(const uint64_t *hist, int n, int shift)
{
	uint64_t max = 0;
	int first = n, last = -1;

	for (int i = 0; i < n; i++) {
		if (hist[i] == 0)
			continue;
		first = MIN(first, i);
		last = i;
		max = MAX(max, hist[i]);
	}
	max = MAX(max, HISTOGRAM_WIDTH);
	for (int i = first; i <= last; i++) {
		/* A bar of at least one star for whatever is not nothing. */
		const double share = (double)hist[i] * HISTOGRAM_WIDTH / (double)max;
		int stars = (int)share + (share > (int)share);
		(void)printf("\t\t\t%3d: %6" PRIu64 " %.*s\n", i + shift, hist[i], stars,
		    "****************************************");
	}
}

void
zdb_time_line(const char *name, uint64_t seconds)
{
	char buf[64];

	(void)printf("%s%s\n", name, cmd_date(seconds, true, buf, sizeof(buf)));
}

void
zdb_hexdump(const void *data, size_t size)
{
	const uint8_t *p = data;

	(void)printf("          0 1 2 3 4 5 6 7   8 9 a b c d e f  0123456789abcdef\n");
	for (size_t at = 0; at < size; at += 16) {
		(void)printf("%06zx:", at);
		for (size_t i = at; i < at + 16; i++) {
			if (i % 8 == 0)
				(void)printf("  ");
			if (i < size)
				(void)printf("%02x", p[i]);
			else
				(void)printf("  ");
		}
		(void)printf("  ");
		for (size_t i = at; i < MIN(at + 16, size); i++)
			(void)putchar(p[i] < 0x80 && isprint(p[i]) ? p[i] : '.');
		(void)putchar('\n');
	}
}

const char *
zdb_objset_type_name(dmu_objset_type_t type)
{
	static const char *const names[DMU_OST_NUMTYPES] = { "NONE", "META", "ZPL", "ZVOL", "OTHER",
		"ANY" };

	return (type < DMU_OST_NUMTYPES ? names[type] : "?");
}

void
zdb_damage(zdb_t *z, const char *fmt, ...)
{
	va_list ap;

	(void)fflush(stdout);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	z->z_error = MAX(z->z_error, 2);
}
