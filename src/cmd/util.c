/* What all commands share: numbers, dates, requests. See cmd.h. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>
#include "cmd/cmd.h"

static char *history;

void
cmd_history_set(int argc, char **argv)
{
	size_t len = 1;

	for (int i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	kmem_strfree(history);
	char *buf = kmem_zalloc(len, KM_SLEEP);
	for (int i = 0; i < argc; i++) {
		if (i > 0)
			(void)strcat(buf, " ");
		(void)strcat(buf, argv[i]);
	}
	history = kmem_strdup(buf);
	kmem_free(buf, len);
}

const char *
cmd_history(void)
{
	return (history);
}

/* ---- text -------------------------------------------------------------------------------- */

char *
cmd_nicenum(uint64_t num, char *buf, size_t size)
{
	static const char units[] = " KMGTPE";
	uint64_t n = num;
	int index = 0;

	while (n >= 1024 && units[index + 1] != '\0') {
		n /= 1024;
		index++;
	}
	if (index == 0 || (num & ((1ULL << (10 * index)) - 1)) == 0) {
		/* An exact multiple needs no fraction. */
		if (index == 0)
			(void)snprintf(buf, size, "%" PRIu64, n);
		else
			(void)snprintf(buf, size, "%" PRIu64 "%c", n, units[index]);
		return (buf);
	}
	/* As many digits as fit into four characters, rounded to nearest. */
	double val = (double)num / (double)(1ULL << (10 * index));
	for (int prec = 2; prec >= 0; prec--) {
		/* Truncated, not rounded up to the next unit. */
		if (snprintf(buf, size, "%.*f%c", prec, val, units[index]) <= 5)
			break;
	}
	return (buf);
}

char *
cmd_ratio(uint64_t hundredths, char *buf, size_t size)
{
	(void)snprintf(
	    buf, size, "%" PRIu64 ".%02" PRIu64 "x", hundredths / 100, hundredths % 100);
	return (buf);
}

char *
cmd_nicebytes(uint64_t num, char *buf, size_t size)
{
	if (num < 1024)
		(void)snprintf(buf, size, "%" PRIu64 "B", num);
	else
		(void)cmd_nicenum(num, buf, size);
	return (buf);
}

char *
cmd_nicetime(uint64_t ns, char *buf, size_t size)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	size_t u = 0;

	while (ns >= 1000 && u + 1 < ARRAY_SIZE(units)) {
		ns /= 1000;
		u++;
	}
	(void)snprintf(buf, size, "%" PRIu64 "%s", ns, units[u]);
	return (buf);
}

int
cmd_parse_size(const char *s, uint64_t *v)
{
	static const char units[] = "BKMGTPEZ";
	char *end;

	if (!isdigit((unsigned char)s[0]) && s[0] != '.')
		return (EINVAL);
	errno = 0;
	uint64_t whole = strtoull(s, &end, 10);
	if (errno != 0)
		return (ERANGE);
	bool fraction = *end == '.';
	double d = fraction ? strtod(s, &end) : (double)whole;
	int shift = 0;
	if (*end != '\0') {
		const char *u = strchr(units, toupper((unsigned char)*end));
		if (u == NULL || *u == '\0')
			return (ENOEXEC);
		shift = (int)(u - units) * 10;
		end++;
		/* K, KB and KiB are the same. */
		if (shift > 0 && strcasecmp(end, "iB") == 0)
			end += 2;
		else if (shift > 0 && strcasecmp(end, "B") == 0)
			end++;
		if (*end != '\0')
			return (ENOEXEC);
	}
	if (fraction) {
		d = ldexp(d, shift);
		if (d >= 18446744073709551615.0)
			return (ERANGE);
		*v = (uint64_t)d;
		return (0);
	}
	if (shift >= 64 || (shift > 0 && whole > UINT64_MAX >> shift))
		return (ERANGE);
	*v = whole << shift;
	return (0);
}

int
cmd_parse_size_why(const char *s, uint64_t *v, char *why, size_t size)
{
	int err = cmd_parse_size(s, v);

	if (err == EINVAL)
		(void)snprintf(why, size, "bad numeric value '%s'", s);
	else if (err == ENOEXEC)
		(void)snprintf(why, size, "invalid numeric suffix '%s'", s + strspn(s, "0123456789."));
	else if (err != 0)
		(void)snprintf(why, size, "numeric value is too large");
	return (err == 0 ? 0 : EINVAL);
}

char *
cmd_date(uint64_t t, bool seconds, char *buf, size_t size)
{
	time_t clock = (time_t)t;
	struct tm tm;

	if (localtime_r(&clock, &tm) == NULL ||
	    strftime(buf, size, seconds ? "%a %b %e %H:%M:%S %Y" : "%a %b %e %H:%M %Y", &tm) == 0)
		(void)snprintf(buf, size, "%" PRIu64, t);
	return (buf);
}

void
cmd_timestamp(int fmt)
{
	char buf[64];
	uint64_t now = (uint64_t)time(NULL);

	if (fmt == 'u')
		(void)printf("%" PRIu64 "\n", now);
	else if (fmt == 'd')
		(void)printf("%s\n", cmd_date(now, true, buf, sizeof (buf)));
}

static bool
whole_number(const char *s, double *v)
{
	char *end;

	errno = 0;
	*v = strtod(s, &end);
	return (s[0] != '\0' && *end == '\0' && errno == 0 && isdigit((unsigned char)s[0]));
}

int
cmd_interval(int *argcp, char **argv, double *interval, unsigned long *count)
{
	double last, before;
	int argc = *argcp;

	*interval = 0;
	*count = 0;
	if (argc == 0 || !whole_number(argv[argc - 1], &last))
		return (0);
	argc--;
	if (argc > 0 && whole_number(argv[argc - 1], &before)) {
		argc--;
		*count = (unsigned long)last;
		last = before;
		if (*count == 0)
			return (cmd_usage("interval cannot be zero"));
	}
	if (last == 0)
		return (cmd_usage("interval cannot be zero"));
	*interval = last;
	*argcp = argc;
	return (0);
}

void
strbuf_addf(strbuf_t *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	size_t n = (size_t)vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (sb->sb_len + n + 1 > sb->sb_size) {
		size_t size = MAX(64, 2 * (sb->sb_len + n + 1));
		char *more = kmem_zalloc(size, KM_SLEEP);
		if (sb->sb_s != NULL) {
			memcpy(more, sb->sb_s, sb->sb_len);
			kmem_free(sb->sb_s, sb->sb_size);
		}
		sb->sb_s = more;
		sb->sb_size = size;
	}
	va_start(ap, fmt);
	(void)vsnprintf(sb->sb_s + sb->sb_len, n + 1, fmt, ap);
	va_end(ap);
	sb->sb_len += n;
}

void
strbuf_fini(strbuf_t *sb)
{
	if (sb->sb_s != NULL)
		kmem_free(sb->sb_s, sb->sb_size);
	memset(sb, 0, sizeof (*sb));
}

/* ---- asking ------------------------------------------------------------------------------ */

nvlist_t *
cmd_request(const char *cmd)
{
	nvlist_t *req = nvlist_create();

	fnvlist_add_string(req, "cmd", cmd);
	if (history != NULL)
		fnvlist_add_string(req, "history", history);
	return (req);
}

int
cmd_call(const char *pool, nvlist_t *req, nvlist_t **outp, char **whyp)
{
	nvlist_t *reply = NULL, *out;
	const char *why;
	int64_t e = 0;
	int err = proto_call(pool, req, &reply);

	nvlist_free(req);
	if (outp != NULL)
		*outp = NULL;
	if (whyp != NULL)
		*whyp = NULL;
	if (err != 0)
		return (err == ECONNRESET ? EIO : err);
	(void)nvlist_lookup_int64(reply, "errno", &e);
	if (outp != NULL && nvlist_lookup_nvlist(reply, "out", &out) == 0)
		*outp = nvlist_dup(out);
	if (whyp != NULL && nvlist_lookup_string(reply, "why", &why) == 0)
		*whyp = kmem_strdup(why);
	nvlist_free(reply);
	return ((int)e);
}

char *
cmd_pool_of(const char *dataset, char *buf)
{
	(void)snprintf(buf, 256, "%.*s", (int)strcspn(dataset, "/@#"), dataset);
	return (buf);
}

uint64_t
cmd_u64(const nvlist_t *nvl, const char *name)
{
	uint64_t v = 0;

	(void)nvlist_lookup_uint64(nvl, name, &v);
	return (v);
}

const char *
cmd_str(const nvlist_t *nvl, const char *name)
{
	const char *v = NULL;

	(void)nvlist_lookup_string(nvl, name, &v);
	return (v);
}

nvlist_t *
cmd_list(const nvlist_t *nvl, const char *name)
{
	nvlist_t *v = NULL;

	(void)nvlist_lookup_nvlist(nvl, name, &v);
	return (v);
}

bool
cmd_bool(const nvlist_t *nvl, const char *name)
{
	bool v = false;

	(void)nvlist_lookup_boolean_value(nvl, name, &v);
	return (v);
}

nvlist_t *const *
cmd_children(const nvlist_t *nvl, const char *name, size_t *np)
{
	nvlist_t *const *v = NULL;

	*np = 0;
	(void)nvlist_lookup_nvlist_array(nvl, name, &v, np);
	return (v);
}

/* ---- pools ------------------------------------------------------------------------------- */

/* The test suite of OpenZFS hides the pools of the machine it runs on. */
bool
cmd_pool_hidden(const char *name)
{
	const char *list = getenv("__ZFS_POOL_EXCLUDE");
	size_t n = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, " ");
		if (len == n && strncmp(list, name, n) == 0)
			return (true);
		list += len + (list[len] == ' ');
	}
	return (false);
}

void
cmd_pools(char ***namesp, size_t *np)
{
	size_t n = 0;

	if (proto_pools(namesp, np) != 0) {
		*namesp = NULL;
		*np = 0;
	}
	char **names = *namesp;
	char **visible = kmem_zalloc(*np * sizeof (char *), KM_SLEEP);
	for (size_t i = 0; i < *np; i++)
		if (!cmd_pool_hidden(names[i]))
			visible[n++] = kmem_strdup(names[i]);
	proto_free_names(names, *np);
	names = kmem_zalloc(n * sizeof (char *), KM_SLEEP);
	if (n > 0)
		memcpy(names, visible, n * sizeof (char *));
	kmem_free(visible, *np * sizeof (char *));
	*namesp = names;
	*np = n;
}

const char *
cmd_strerror(int err)
{
	static const struct {
		int err;
		const char *text;
	} words[] = { { EPERM, "permission denied" }, { EACCES, "permission denied" },
		{ EIO, "I/O error" }, { ENOENT, "no such pool or dataset" },
		{ ENOSPC, "out of space" }, { EEXIST, "dataset already exists" },
		{ EBUSY, "pool or dataset is busy" }, { EROFS, "pool is read-only" },
		{ ENAMETOOLONG, "name is too long" }, { EDQUOT, "quota exceeded" },
		{ ENODEV, "no such device in pool" },
		{ ENXIO, "one or more devices is currently unavailable" },
		{ EAGAIN, "pool I/O is currently suspended" },
		{ ENOTSUP, "operation not supported on this type of pool or dataset" },
		{ EINVAL, "invalid argument for this pool operation" } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].err == err)
			return (words[i].text);
	return (strerror(err));
}
