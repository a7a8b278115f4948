/*
 * Properties of pools for the commands: the table, what a value looks like, what may be set.
 */
#include <ctype.h>
#include <limits.h>
#include <strings.h>
#include "cmd/zpool.h"
#include "spa/zfeature.h"

#define RO ZP_RO
#define R ZP_RIGHT

/* In the order of `zpool get all`. */
static const zprop_t table[] = {
	{ "name", "NAME", RO | ZP_HIDDEN | ZP_VARIABLE, 0, 0, "<pool>" },
	{ "size", "SIZE", RO | R, 0, 5, "<size>" },
	{ "capacity", "CAP", RO | R, 0, 5, "<percent>" },
	{ "altroot", "ALTROOT", ZP_VARIABLE, 0, 0, "<path>" },
	{ "health", "HEALTH", RO | R, 0, 8, "<state>" },
	{ "guid", "GUID", RO | R, 0, 5, "<guid>" },
	{ "version", "VERSION", R, 0, 5, "<version>" },
	{ "bootfs", "BOOTFS", ZP_VARIABLE, 0, 0, "<filesystem>" },
	{ "delegation", "DELEGATION", 0, 0, 3, "on | off" },
	{ "autoreplace", "REPLACE", 0, 0, 3, "on | off" },
	{ "cachefile", "CACHEFILE", ZP_VARIABLE, 0, 0, "<file> | none" },
	{ "failmode", "FAILMODE", 0, 0, 8, "wait | continue | panic" },
	{ "listsnapshots", "LISTSNAPS", 0, 0, 3, "on | off" },
	{ "autoexpand", "EXPAND", 0, 0, 3, "on | off" },
	{ "dedupratio", "DEDUP", RO | R, 0, 5, "<1.00x or higher if deduped>" },
	{ "free", "FREE", RO | R, 0, 5, "<size>" },
	{ "allocated", "ALLOC", RO | R, 0, 5, "<size>" },
	{ "readonly", "RDONLY", 0, 0, 3, "on | off" },
	{ "ashift", "ASHIFT", R, 0, 5, "<ashift, 9-16, or 0=default>" },
	{ "comment", "COMMENT", ZP_VARIABLE, 0, 0, "<comment-string>" },
	{ "expandsize", "EXPANDSZ", RO | R, 0, 5, "<size>" },
	{ "freeing", "FREEING", RO | R, 0, 5, "<size>" },
	{ "fragmentation", "FRAG", RO | R, 0, 5, "<percent>" },
	{ "leaked", "LEAKED", RO | R, 0, 5, "<size>" },
	{ "multihost", "MULTIHOST", 0, 0, 3, "on | off" },
	{ "checkpoint", "CKPOINT", RO | R, 0, 5, "<size>" },
	{ "load_guid", "LOAD_GUID", RO | R, 0, 5, "<load_guid>" },
	{ "autotrim", "AUTOTRIM", 0, 0, 3, "on | off" },
	{ "compatibility", "COMPATIBILITY", ZP_VARIABLE, 0, 0, "<file[,file...]> | off | legacy" },
	{ "bcloneused", "BCLONE_USED", RO | R, 0, 5, "<size>" },
	{ "bclonesaved", "BCLONE_SAVED", RO | R, 0, 5, "<size>" },
	{ "bcloneratio", "BCLONE_RATIO", RO | R, 0, 5, "<1.00x or higher if cloned>" },
	{ "dedup_table_size", "DDTSIZE", RO | R, 0, 5, "<size>" },
	{ "dedup_table_quota", "DDTQUOTA", R, 0, 5, "<size>" },
	{ "last_scrubbed_txg", "LAST_SCRUBBED_TXG", RO | R, 0, 5, "<txg>" },
};

/* By name or, as in the heading of a list, by column. */
const zprop_t *
zpool_prop_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(name, table[i].zp_name) == 0)
			return (&table[i]);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcasecmp(name, table[i].zp_column) == 0)
			return (&table[i]);
	return (NULL);
}

/* ---- usage ------------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const zprop_t *pa = *(const zprop_t *const *)a, *pb = *(const zprop_t *const *)b;
	int ra = (pa->zp_flags & RO) != 0, rb = (pb->zp_flags & RO) != 0;

	return (ra != rb ? rb - ra : strcmp(pa->zp_name, pb->zp_name));
}

void
zpool_prop_usage(FILE *fp)
{
	const zprop_t *sorted[ARRAY_SIZE(table)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!(table[i].zp_flags & ZP_HIDDEN))
			sorted[n++] = &table[i];
	qsort(sorted, n, sizeof (sorted[0]), by_name);
	(void)fprintf(fp, "\nthe following properties are supported:\n\n"
			  "\tPROPERTY             EDIT   VALUES\n\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(fp, "\t%-19s  %s   %s\n", sorted[i]->zp_name,
		    sorted[i]->zp_flags & RO ? "  NO" : " YES", sorted[i]->zp_values);
	(void)fprintf(fp, "\tfeature@...           YES   disabled | enabled | active\n\n"
			  "The feature@ properties must be appended with a feature name.\n"
			  "See zpool-features(7).\n");
}

/* ---- which ones -------------------------------------------------------------------------- */

static bool
is_feature(const char *name)
{
	spa_feature_t f;

	return (strncmp(name, "feature@", 8) == 0 && zfeature_lookup_name(name + 8, &f) == 0);
}

int
zpool_prop_wants(const char *spec, zprop_wants_t *zws)
{
	char name[512];

	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		(void)snprintf(name, sizeof (name), "%.*s", (int)len, p);
		const zprop_t *zp = zpool_prop_find(name);
		if (zp == NULL && !is_feature(name) && strchr(name, ':') == NULL &&
		    strncmp(name, "unsupported@", 12) != 0)
			return (cmd_usage("bad property list: invalid property '%s'", name));
		(void)zprop_wants_add(zws, zp, name);
		p += len + (p[len] == ',');
	}
	if (list_is_empty(&zws->zws_list))
		return (cmd_usage("bad property list: empty list"));
	return (0);
}

void
zpool_prop_wants_all(zprop_wants_t *zws, const nvlist_t *status)
{
	const nvlist_t *props = cmd_list(status, "props");

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!(table[i].zp_flags & ZP_HIDDEN))
			(void)zprop_wants_add(zws, &table[i], NULL);
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp))
		if (strchr(nvpair_name(nvp), '@') != NULL)
			(void)zprop_wants_add(zws, NULL, nvpair_name(nvp));
	for (nvpair_t *nvp = nvlist_next_nvpair(props, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(props, nvp))
		if (strchr(nvpair_name(nvp), ':') != NULL)
			(void)zprop_wants_add(zws, NULL, nvpair_name(nvp));
}

/* ---- values ------------------------------------------------------------------------------ */

typedef enum show_kind {
	SHOW_SIZE,	    /* bytes */
	SHOW_SIZE_OR_DASH,  /* none of it: "-" */
	SHOW_PERCENT,
	SHOW_NUMBER,
	SHOW_BOOL,
	SHOW_RATIO,
	SHOW_STRING,
	SHOW_VERSION,
	SHOW_FAILMODE,
	SHOW_QUOTA,
	SHOW_HEALTH,
} show_kind_t;

static const struct {
	const char *name;
	show_kind_t kind;
} kinds[] = { { "size", SHOW_SIZE }, { "free", SHOW_SIZE }, { "allocated", SHOW_SIZE },
	{ "freeing", SHOW_SIZE }, { "leaked", SHOW_SIZE }, { "bcloneused", SHOW_SIZE },
	{ "bclonesaved", SHOW_SIZE }, { "dedup_table_size", SHOW_SIZE },
	{ "expandsize", SHOW_SIZE_OR_DASH }, { "checkpoint", SHOW_SIZE_OR_DASH },
	{ "capacity", SHOW_PERCENT }, { "fragmentation", SHOW_PERCENT }, { "guid", SHOW_NUMBER },
	{ "load_guid", SHOW_NUMBER }, { "ashift", SHOW_NUMBER },
	{ "last_scrubbed_txg", SHOW_NUMBER }, { "delegation", SHOW_BOOL },
	{ "autoreplace", SHOW_BOOL }, { "listsnapshots", SHOW_BOOL }, { "autoexpand", SHOW_BOOL },
	{ "readonly", SHOW_BOOL }, { "multihost", SHOW_BOOL }, { "autotrim", SHOW_BOOL },
	{ "dedupratio", SHOW_RATIO }, { "bcloneratio", SHOW_RATIO }, { "version", SHOW_VERSION },
	{ "failmode", SHOW_FAILMODE }, { "dedup_table_quota", SHOW_QUOTA },
	{ "health", SHOW_HEALTH } };

static show_kind_t
kind_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(name, kinds[i].name) == 0)
			return (kinds[i].kind);
	return (SHOW_STRING);
}

static void
show_size(uint64_t v, bool literal, char *buf, size_t size)
{
	if (literal)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else
		(void)cmd_nicenum(v, buf, size);
}

static void
show_number(show_kind_t kind, uint64_t v, bool literal, char *buf, size_t size)
{
	static const char *const failmodes[] = { "wait", "continue", "panic" };

	switch (kind) {
	case SHOW_SIZE:
		show_size(v, literal, buf, size);
		break;
	case SHOW_SIZE_OR_DASH:
		if (v == 0)
			(void)snprintf(buf, size, "-");
		else
			show_size(v, literal, buf, size);
		break;
	case SHOW_PERCENT:
		if (v == UINT64_MAX)
			(void)snprintf(buf, size, "-");
		else
			(void)snprintf(buf, size, literal ? "%" PRIu64 : "%" PRIu64 "%%", v);
		break;
	case SHOW_BOOL:
		(void)snprintf(buf, size, "%s", v != 0 ? "on" : "off");
		break;
	case SHOW_RATIO:
		(void)snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "%s", v / 100, v % 100,
		    literal ? "" : "x");
		break;
	case SHOW_VERSION:
		if (v >= 5000)
			(void)snprintf(buf, size, "-");
		else
			(void)snprintf(buf, size, "%" PRIu64, v);
		break;
	case SHOW_FAILMODE:
		(void)snprintf(buf, size, "%s", failmodes[MIN(v, 2)]);
		break;
	case SHOW_QUOTA:
		if (v == 0)
			(void)snprintf(buf, size, "%s", "none");
		else if (v == UINT64_MAX)
			(void)snprintf(buf, size, "%s", "auto");
		else
			show_size(v, literal, buf, size);
		break;
	default:
		(void)snprintf(buf, size, "%" PRIu64, v);
		break;
	}
}

void
zpool_prop_value(const nvlist_t *status, const zprop_want_t *zw, bool literal, char *buf,
    size_t size, const char **source)
{
	const nvlist_t *entry = cmd_list(cmd_list(status, "props"), zw->zw_name);
	show_kind_t kind = kind_of(zw->zw_name);
	const char *str = cmd_str(entry, "value");
	uint64_t v = 0;

	*source = cmd_str(entry, "source");
	if (*source == NULL)
		*source = zw->zw_prop != NULL && !(zw->zw_prop->zp_flags & RO) ? "default" : "-";
	if (strcmp(zw->zw_name, "name") == 0) {
		(void)snprintf(buf, size, "%s", cmd_str(status, "name"));
	} else if (kind == SHOW_HEALTH) {
		(void)snprintf(buf, size, "%s", zpool_health(status));
	} else if (str != NULL) {
		(void)snprintf(buf, size, "%s", str);
	} else if (nvlist_lookup_uint64(entry, "value", &v) == 0) {
		show_number(kind, v, literal, buf, size);
	} else if (kind == SHOW_RATIO) {
		show_number(kind, 100, literal, buf, size);
	} else if (kind == SHOW_STRING || kind == SHOW_VERSION) {
		(void)snprintf(buf, size, "-");
	} else {
		show_number(kind, 0, literal, buf, size);
	}
	if (kind == SHOW_VERSION)
		*source = strcmp(buf, "-") == 0 ? "default" : "local";
}

/* ---- setting ----------------------------------------------------------------------------- */

static int __attribute__((format(printf, 3, 4)))
bad(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return (EINVAL);
}

/* One of the words in "a | b | c": its number, or -1. */
static int
word_index(const char *words, const char *word)
{
	size_t n = strlen(word);
	int i = 0;

	for (const char *p = words; *p != '\0'; i++) {
		size_t len = strcspn(p, " ");
		if (len == n && strncmp(p, word, n) == 0)
			return (i);
		p += len;
		p += strspn(p, " |");
	}
	return (-1);
}

static int
parse_feature(const char *name, const char *value, bool create, nvlist_t *props, char *why,
    size_t size)
{
	spa_feature_t f;

	if (zfeature_lookup_name(name + 8, &f) != 0)
		return (bad(why, size, "feature '%s' unsupported by kernel", name + 8));
	if (strcmp(value, "enabled") != 0 && strcmp(value, "disabled") != 0)
		return (bad(why, size,
		    "property '%s' can only be set to 'enabled' or 'disabled'", name));
	if (!create && strcmp(value, "disabled") == 0)
		return (bad(why, size,
		    "property '%s' can only be set to 'disabled' at creation time", name));
	fnvlist_add_string(props, name, value);
	return (0);
}

static int
parse_special_number(
    const char *name, const char *value, uint64_t *v, char *why, size_t size)
{
	if (strcmp(name, "dedup_table_quota") == 0 &&
	    (strcmp(value, "auto") == 0 || strcmp(value, "none") == 0)) {
		*v = value[0] == 'a' ? UINT64_MAX : 0;
		return (0);
	}
	if (cmd_parse_size_why(value, v, why, size) != 0)
		return (EINVAL);
	if (strcmp(name, "ashift") == 0 && *v != 0 && (*v < 9 || *v > 16))
		return (bad(why, size,
		    "property 'ashift' number %" PRIu64
		    " is invalid, only values between 9 and 16 are allowed.", *v));
	if (strcmp(name, "version") == 0 && *v != 5000 && (*v < 1 || *v > 28))
		return (bad(why, size, "property 'version' number %" PRIu64 " is invalid.", *v));
	return (0);
}

static int
parse_string(const char *name, const char *value, bool create, char *why, size_t size)
{
	if (strcmp(name, "comment") == 0) {
		for (const char *p = value; *p != '\0'; p++)
			if (!isprint((unsigned char)*p))
				return (bad(why, size,
				    "comment may only have printable characters"));
		if (strlen(value) > 32)
			return (bad(why, size, "comment must not exceed 32 characters"));
	} else if (strcmp(name, "altroot") == 0) {
		if (!create)
			return (bad(why, size,
			    "property 'altroot' can only be set during pool creation or import"));
		if (value[0] != '/')
			return (bad(why, size, "bad alternate root '%s'", value));
	} else if (strcmp(name, "cachefile") == 0) {
		if (value[0] != '\0' && strcmp(value, "none") != 0 && value[0] != '/')
			return (bad(why, size,
			    "property 'cachefile' must be empty, an absolute path, or 'none'"));
	}
	return (0);
}

int
zpool_prop_parse(const char *name, const char *value, bool create, nvlist_t *props, char *why,
    size_t size)
{
	const zprop_t *zp = zpool_prop_find(name);
	show_kind_t kind;
	uint64_t v = 0;

	if (strncmp(name, "feature@", 8) == 0)
		return (parse_feature(name, value, create, props, why, size));
	if (zp == NULL && strchr(name, ':') != NULL) {
		if (strlen(name) >= 256)
			return (bad(why, size, "property name '%s' is too long", name));
		if (strlen(value) >= 8192)
			return (bad(why, size, "property value '%s' is too long", value));
		fnvlist_add_string(props, name, value);
		return (0);
	}
	if (zp == NULL)
		return (bad(why, size, "invalid property '%s'", name));
	name = zp->zp_name;
	if (zp->zp_flags & RO)
		return (bad(why, size, "'%s' is readonly", name));
	kind = kind_of(name);
	if (kind == SHOW_BOOL || kind == SHOW_FAILMODE) {
		/* The words stand in the table; off is 0. */
		int i = word_index(zp->zp_values, value);
		if (i < 0)
			return (bad(why, size, "'%s' must be one of '%s'", name, zp->zp_values));
		v = kind == SHOW_BOOL ? (uint64_t)!i : (uint64_t)i;
		if (strcmp(name, "readonly") == 0 && !create)
			return (bad(why, size,
			    "property 'readonly' can only be set at import time"));
		fnvlist_add_uint64(props, name, v);
		return (0);
	}
	if (kind == SHOW_STRING) {
		int err = parse_string(name, value, create, why, size);
		if (err == 0)
			fnvlist_add_string(props, name, value);
		return (err);
	}
	int err = parse_special_number(name, value, &v, why, size);
	if (err == 0)
		fnvlist_add_uint64(props, name, v);
	return (err);
}
