/*
 * Values of dataset properties as text. The daemon's answer has numbers, what is stored or inherited in
 * props, and what is fixed at creation; defaults and words are found here.
 */
#include "cmd/zfs.h"

/* Which member of a ds entry (proto.h) has the number, and how it is shown. */
typedef enum number_kind {
	NK_BYTES, /* 0B */
	NK_SIZE,  /* 0 */
	NK_PLAIN,
	NK_RATIO,
} number_kind_t;

static const struct {
	const char *prop, *member;
	number_kind_t kind;
} numbers[] = { { "used", "used", NK_BYTES }, { "available", "available", NK_BYTES },
	{ "referenced", "referenced", NK_BYTES }, { "usedbysnapshots", "usedbysnapshots", NK_BYTES },
	{ "usedbydataset", "usedbydataset", NK_BYTES },
	{ "usedbychildren", "usedbychildren", NK_BYTES },
	{ "usedbyrefreservation", "usedbyrefreservation", NK_BYTES },
	{ "written", "written", NK_SIZE }, { "logicalused", "logicalused", NK_SIZE },
	{ "logicalreferenced", "logicalreferenced", NK_SIZE },
	{ "createtxg", "creation_txg", NK_PLAIN }, { "guid", "guid", NK_PLAIN },
	{ "objsetid", "object", NK_PLAIN }, { "userrefs", "userrefs", NK_PLAIN },
	{ "compressratio", "compressratio", NK_RATIO },
	{ "refcompressratio", "refcompressratio", NK_RATIO } };

static void
show_number(uint64_t v, number_kind_t kind, bool literal, char *buf, size_t size)
{
	if (kind == NK_RATIO)
		(void)snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 "%s", v / 100, v % 100,
		    literal ? "" : "x");
	else if (literal || kind == NK_PLAIN)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else if (kind == NK_BYTES)
		(void)cmd_nicebytes(v, buf, size);
	else
		(void)cmd_nicenum(v, buf, size);
}

/* Snapshots of volumes have fewer properties than those of file systems. */
static bool
valid_for(const dataset_t *d, const zprop_t *zp)
{
	if (!(zp->zp_types & d->d_type))
		return (false);
	if (d->d_type != TYPE_SNAP || !(zp->zp_types & (TYPE_FS | TYPE_VOL)))
		return (true);
	int of = cmd_u64(d->d_entry, "type") == DMU_OST_ZVOL ? TYPE_VOL : TYPE_FS;
	return ((zp->zp_types & of) != 0);
}

/* ---- stored properties ------------------------------------------------------------------- */

/* Is `name` the dataset itself (or the file system a snapshot is of)? */
static bool
is_self(const dataset_t *d, const char *name)
{
	return (strcmp(name, d->d_name) == 0);
}

static const nvlist_t *
stored(const dataset_t *d, const char *prop, zprop_source_t *src, char *where)
{
	const nvlist_t *entry = cmd_list(cmd_list(d->d_entry, "props"), prop);
	const char *source = cmd_str(entry, "source");

	*src = ZPROP_SRC_DEFAULT;
	if (entry == NULL || source == NULL || source[0] == '\0')
		return (entry);
	if (strcmp(source, "$recvd") == 0) {
		*src = ZPROP_SRC_RECEIVED;
	} else if (is_self(d, source)) {
		*src = ZPROP_SRC_LOCAL;
	} else {
		*src = ZPROP_SRC_INHERITED;
		(void)snprintf(where, ZFS_MAX_DATASET_NAME_LEN, "%s", source);
	}
	return (entry);
}

static const char *
index_word(const zprop_index_t *pi, uint64_t v)
{
	for (; pi != NULL && pi->pi_name != NULL; pi++)
		if (pi->pi_value == v)
			return (pi->pi_name);
	return (NULL);
}

static bool
none_if_zero(const char *prop)
{
	static const char *const props[] = { "quota", "reservation", "refquota",
		"refreservation" };

	for (size_t i = 0; i < ARRAY_SIZE(props); i++)
		if (strcmp(prop, props[i]) == 0)
			return (true);
	return (false);
}

static bool
stored_value(const dataset_t *d, const zfs_prop_info_t *info, bool literal, char *buf,
    size_t size, zprop_source_t *src, char *where)
{
	const nvlist_t *entry = stored(d, info->pd_name, src, where);
	const char *str = cmd_str(entry, "value");
	uint64_t v = info->pd_numdefault;

	(void)nvlist_lookup_uint64(entry, "value", &v);
	if (info->pd_type == PROP_TYPE_STRING) {
		(void)snprintf(buf, size, "%s", str != NULL ? str :
			info->pd_strdefault != NULL	    ? info->pd_strdefault :
							      "");
	} else if (info->pd_type == PROP_TYPE_INDEX) {
		const char *word = index_word(info->pd_index, v);
		if (word != NULL)
			(void)snprintf(buf, size, "%s", word);
		else
			(void)snprintf(buf, size, "%" PRIu64, v);
	} else if (strstr(info->pd_name, "_limit") != NULL) {
		if (v == UINT64_MAX && !literal)
			(void)snprintf(buf, size, "none");
		else
			(void)snprintf(buf, size, "%" PRIu64, v);
	} else if (v == 0 && none_if_zero(info->pd_name)) {
		(void)snprintf(buf, size, "%s", literal ? "0" : "none");
	} else {
		show_number(v, NK_SIZE, literal, buf, size);
	}
	return (true);
}

/* The path it would be mounted at; the daemon knows about alternate roots. */
static bool
mountpoint_value(const dataset_t *d, char *buf, size_t size, zprop_source_t *src, char *where)
{
	const char *wanted = cmd_str(d->d_entry, "mountpoint_wanted");

	(void)stored(d, "mountpoint", src, where);
	(void)snprintf(buf, size, "%s", wanted != NULL ? wanted : "-");
	return (true);
}

/* ---- computed and one-time properties ---------------------------------------------------- */

static bool
zpl_value(const dataset_t *d, const char *prop, char *buf, size_t size)
{
	static const char *const cases[] = { "sensitive", "insensitive", "mixed" };
	uint64_t v = 0;

	if (nvlist_lookup_uint64(cmd_list(d->d_entry, "zplprops"), prop, &v) != 0)
		return (false);
	if (strcmp(prop, "version") == 0)
		(void)snprintf(buf, size, "%" PRIu64, v);
	else if (strcmp(prop, "utf8only") == 0)
		(void)snprintf(buf, size, "%s", v != 0 ? "on" : "off");
	else if (strcmp(prop, "casesensitivity") == 0)
		(void)snprintf(buf, size, "%s", cases[MIN(v, 2)]);
	else
		(void)snprintf(buf, size, "%s",
		    v == 0x10	  ? "formD" :
			v == 0x20 ? "formKD" :
			v == 0x50 ? "formC" :
			v == 0x60 ? "formKC" :
				    "none");
	return (true);
}

static bool
date_value(uint64_t t, bool seconds, bool literal, char *buf, size_t size)
{
	if (literal)
		(void)snprintf(buf, size, "%" PRIu64, t);
	else
		(void)cmd_date(t, seconds, buf, size);
	return (true);
}

static bool
special_value(const dataset_t *d, const char *prop, bool literal, char *buf, size_t size,
    zprop_source_t *src)
{
	static const struct {
		const char *prop, *value;
	} fixed[] = { { "filesystem_count", "none" }, { "snapshot_count", "none" },
		{ "encryption", "off" }, { "keyformat", "none" }, { "pbkdf2iters", "0" } };
	const char *str;
	uint64_t v;

	*src = ZPROP_SRC_NONE;
	if (strcmp(prop, "name") == 0)
		(void)snprintf(buf, size, "%s", d->d_name);
	else if (strcmp(prop, "type") == 0)
		(void)snprintf(buf, size, "%s", zfs_type_word(d->d_type));
	else if (strcmp(prop, "creation") == 0)
		return (date_value(
		    cmd_u64(d->d_entry, "creation_time"), false, literal, buf, size));
	else if (strcmp(prop, "snapshots_changed") == 0) {
		if ((v = cmd_u64(d->d_entry, "snapshots_changed")) == 0)
			return (false);
		return (date_value(v, true, literal, buf, size));
	} else if (strcmp(prop, "mounted") == 0)
		(void)snprintf(
		    buf, size, "%s", cmd_u64(d->d_entry, "mounted") != 0 ? "yes" : "no");
	else if (strcmp(prop, "defer_destroy") == 0)
		(void)snprintf(
		    buf, size, "%s", cmd_u64(d->d_entry, "defer_destroy") != 0 ? "on" : "off");
	else if (strcmp(prop, "origin") == 0 || strcmp(prop, "clones") == 0) {
		if ((str = cmd_str(d->d_entry, prop)) == NULL)
			return (false);
		(void)snprintf(buf, size, "%s", str);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
			if (strcmp(prop, fixed[i].prop) != 0)
				continue;
			(void)snprintf(buf, size, "%s",
			    literal && strcmp(fixed[i].value, "none") == 0 &&
				    strstr(prop, "_count") != NULL ?
				"18446744073709551615" :
				fixed[i].value);
			*src = ZPROP_SRC_DEFAULT;
			return (true);
		}
		return (zpl_value(d, prop, buf, size));
	}
	return (true);
}

/* ---- public ------------------------------------------------------------------------------ */

bool
zfs_value(const dataset_t *d, const zprop_want_t *zw, bool literal, char *buf, size_t size,
    zprop_source_t *src, char *where)
{
	const char *prop = zw->zw_name;
	const zfs_prop_info_t *info = zw->zw_prop != NULL ? zfs_prop_lookup(prop) : NULL;

	*src = ZPROP_SRC_NONE;
	where[0] = '\0';
	if (zw->zw_prop == NULL) {
		const nvlist_t *entry = stored(d, prop, src, where);
		const char *value = cmd_str(entry, "value");
		if (value == NULL || d->d_type == TYPE_BOOK) {
			*src = ZPROP_SRC_NONE;
			return (false);
		}
		(void)snprintf(buf, size, "%s", value);
		return (true);
	}
	if (!valid_for(d, zw->zw_prop))
		return (false);
	if (strcmp(prop, "mountpoint") == 0)
		return (mountpoint_value(d, buf, size, src, where));
	if (info != NULL && strcmp(prop, "version") != 0)
		return (stored_value(d, info, literal, buf, size, src, where));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(prop, numbers[i].prop) != 0)
			continue;
		show_number(cmd_u64(d->d_entry, numbers[i].member), numbers[i].kind, literal, buf,
		    size);
		return (true);
	}
	return (special_value(d, prop, literal, buf, size, src));
}

void
zfs_value_received(const dataset_t *d, const zprop_want_t *zw, char *buf, size_t size)
{
	const nvlist_t *entry = cmd_list(cmd_list(d->d_entry, "props"), zw->zw_name);
	const zfs_prop_info_t *info = zfs_prop_lookup(zw->zw_name);
	const char *str = cmd_str(entry, "received"), *word;
	uint64_t v;

	(void)snprintf(buf, size, "-");
	if (str != NULL) {
		(void)snprintf(buf, size, "%s", str);
	} else if (nvlist_lookup_uint64(entry, "received", &v) == 0) {
		word = info != NULL ? index_word(info->pd_index, v) : NULL;
		if (word != NULL)
			(void)snprintf(buf, size, "%s", word);
		else
			show_number(v, NK_SIZE, false, buf, size);
	}
}

bool
zfs_value_number(const dataset_t *d, const zprop_want_t *zw, uint64_t *v)
{
	char buf[ZFS_VALUE_MAX], where[ZFS_MAX_DATASET_NAME_LEN], *end;
	zprop_source_t src;

	if (zw->zw_prop == NULL || !(zw->zw_prop->zp_flags & ZP_RIGHT) ||
	    !zfs_value(d, zw, true, buf, sizeof (buf), &src, where))
		return (false);
	*v = strtoull(buf, &end, 10);
	/* 1.50 as a ratio */
	if (*end == '.')
		*v = *v * 100 + strtoull(end + 1, NULL, 10);
	return (end != buf);
}
