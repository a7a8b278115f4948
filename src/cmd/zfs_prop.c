/*
 * Properties of datasets for the commands: the table, which are wanted, what may be set to what.
 * How they are stored is dsl_prop's business (dsl_prop_table.c); what is shown is zfs_value.c's.
 */
#include <ctype.h>
#include <strings.h>
#include "cmd/zfs.h"

#define RO ZP_RO
#define R ZP_RIGHT
#define INH ZP_INHERIT
#define VAR ZP_VARIABLE
#define FS TYPE_FS
#define VOL TYPE_VOL
#define SNAP TYPE_SNAP
#define DS TYPE_DATASET
#define ALL TYPE_ALL

/* In the order of `zfs get all`. */
static const zprop_t table[] = {
	{ "name", "NAME", ZP_HIDDEN | RO | VAR, ALL, 0, "<dataset>" },
	{ "type", "TYPE", RO, ALL, 10, "filesystem | volume | snapshot | bookmark" },
	{ "creation", "CREATION", RO | R | VAR, ALL, 0, "<date>" },
	{ "used", "USED", RO | R, DS, 5, "<size>" },
	{ "available", "AVAIL", RO | R, FS | VOL, 5, "<size>" },
	{ "referenced", "REFER", RO | R, ALL, 5, "<size>" },
	{ "compressratio", "RATIO", RO | R, DS, 5, "<1.00x or higher if compressed>" },
	{ "mounted", "MOUNTED", RO, FS, 3, "yes | no" },
	{ "origin", "ORIGIN", RO | VAR, FS | VOL, 0, "<snapshot>" },
	{ "quota", "QUOTA", R, FS, 5, "<size> | none" },
	{ "reservation", "RESERV", R, FS | VOL, 5, "<size> | none" },
	{ "volsize", "VOLSIZE", R, VOL | SNAP, 5, "<size>" },
	{ "volblocksize", "VOLBLOCK", ZP_ONETIME | INH | R, VOL, 5,
	    "512 to 128k, power of 2" },
	{ "recordsize", "RECSIZE", INH | R, FS, 5, "512 to 1M, power of 2" },
	{ "mountpoint", "MOUNTPOINT", INH | VAR, FS, 0, "<path> | legacy | none" },
	{ "sharenfs", "SHARENFS", INH | VAR, FS, 0, "on | off | NFS share options" },
	{ "checksum", "CHECKSUM", INH, FS | VOL, 9,
	    "on | off | fletcher2 | fletcher4 | sha256 | sha512 | skein | edonr | blake3" },
	{ "compression", "COMPRESS", INH, FS | VOL, 14,
	    "on | off | lzjb | gzip | gzip-[1-9] | zle | lz4 | zstd | zstd-[1-19] | "
	    "zstd-fast | zstd-fast-[1-10,20,30,40,50,60,70,80,90,100,500,1000]" },
	{ "atime", "ATIME", INH, FS, 3, "on | off" },
	{ "devices", "DEVICES", INH, FS | SNAP, 3, "on | off" },
	{ "exec", "EXEC", INH, FS | SNAP, 3, "on | off" },
	{ "setuid", "SETUID", INH, FS | SNAP, 3, "on | off" },
	{ "readonly", "RDONLY", INH, FS | VOL, 3, "on | off" },
	{ "zoned", "ZONED", INH, FS, 3, "on | off" },
	{ "snapdir", "SNAPDIR", INH, FS, 8, "disabled | hidden | visible" },
	{ "aclmode", "ACLMODE", INH, FS, 11,
	    "discard | groupmask | passthrough | restricted" },
	{ "aclinherit", "ACLINHERIT", INH, FS, 13,
	    "discard | noallow | restricted | passthrough | passthrough-x" },
	{ "createtxg", "CREATETXG", RO | R, ALL, 5, "<uint64>" },
	{ "canmount", "CANMOUNT", 0, FS, 6, "on | off | noauto" },
	{ "xattr", "XATTR", INH, FS | SNAP, 3, "on | off | dir | sa" },
	{ "copies", "COPIES", INH, FS | VOL, 1, "1 | 2 | 3" },
	{ "version", "VERSION", R, FS | SNAP, 5, "1 | 2 | 3 | 4 | 5 | current" },
	{ "utf8only", "UTF8ONLY", ZP_ONETIME | INH, FS | SNAP, 3, "on | off" },
	{ "normalization", "NORMALIZATION", ZP_ONETIME | INH, FS | SNAP, 6,
	    "none | formC | formD | formKC | formKD" },
	{ "casesensitivity", "CASE", ZP_ONETIME | INH, FS | SNAP, 11,
	    "sensitive | insensitive | mixed" },
	{ "vscan", "VSCAN", INH, FS, 3, "on | off" },
	{ "nbmand", "NBMAND", INH, FS | SNAP, 3, "on | off" },
	{ "sharesmb", "SHARESMB", INH | VAR, FS, 0, "on | off | SMB share options" },
	{ "refquota", "REFQUOTA", R, FS, 5, "<size> | none" },
	{ "refreservation", "REFRESERV", R, FS | VOL, 5, "<size> | none" },
	{ "guid", "GUID", RO | R, ALL, 5, "<uint64>" },
	{ "primarycache", "PRIMARYCACHE", INH, DS, 8, "all | none | metadata" },
	{ "secondarycache", "SECONDARYCACHE", INH, DS, 8, "all | none | metadata" },
	{ "usedbysnapshots", "USEDSNAP", RO | R, FS | VOL, 5, "<size>" },
	{ "usedbydataset", "USEDDS", RO | R, FS | VOL, 5, "<size>" },
	{ "usedbychildren", "USEDCHILD", RO | R, FS | VOL, 5, "<size>" },
	{ "usedbyrefreservation", "USEDREFRESERV", RO | R, FS | VOL, 5, "<size>" },
	{ "defer_destroy", "DEFER_DESTROY", RO, SNAP, 3, "yes | no" },
	{ "userrefs", "USERREFS", RO | R, SNAP, 5, "<count>" },
	{ "logbias", "LOGBIAS", INH, FS | VOL, 10, "latency | throughput" },
	{ "objsetid", "OBJSETID", RO | R, DS, 5, "<uint64>" },
	{ "dedup", "DEDUP", INH, FS | VOL, 13,
	    "on | off | verify | sha256[,verify] | sha512[,verify] | skein[,verify] | "
	    "edonr,verify | blake3[,verify]" },
	{ "mlslabel", "MLSLABEL", INH | VAR, DS, 0, "<sensitivity label>" },
	{ "sync", "SYNC", INH, FS | VOL, 8, "standard | always | disabled" },
	{ "dnodesize", "DNSIZE", INH, FS, 6, "legacy | auto | 1k | 2k | 4k | 8k | 16k" },
	{ "refcompressratio", "REFRATIO", RO | R, DS, 5,
	    "<1.00x or higher if compressed>" },
	{ "written", "WRITTEN", RO | R, DS, 5, "<size>" },
	{ "clones", "CLONES", RO | VAR, SNAP, 0, "<dataset>[,...]" },
	{ "logicalused", "LUSED", RO | R, FS | VOL, 5, "<size>" },
	{ "logicalreferenced", "LREFER", RO | R, ALL, 5, "<size>" },
	{ "volmode", "VOLMODE", INH, FS | VOL, 7, "default | full | geom | dev | none" },
	{ "filesystem_limit", "FSLIMIT", R, FS, 5, "<count> | none" },
	{ "snapshot_limit", "SSLIMIT", R, FS | VOL, 5, "<count> | none" },
	{ "filesystem_count", "FSCOUNT", RO | R, FS, 5, "<count>" },
	{ "snapshot_count", "SSCOUNT", RO | R, FS | VOL, 5, "<count>" },
	{ "snapdev", "SNAPDEV", INH, FS | VOL, 7, "hidden | visible" },
	{ "acltype", "ACLTYPE", INH, FS | SNAP, 5, "off | nfsv4 | posix" },
	{ "context", "CONTEXT", VAR, DS, 0, "<selinux context>" },
	{ "fscontext", "FSCONTEXT", VAR, DS, 0, "<selinux fscontext>" },
	{ "defcontext", "DEFCONTEXT", VAR, DS, 0, "<selinux defcontext>" },
	{ "rootcontext", "ROOTCONTEXT", VAR, DS, 0, "<selinux rootcontext>" },
	{ "relatime", "RELATIME", INH, FS, 3, "on | off" },
	{ "redundant_metadata", "REDUNDANT_MD", INH, FS | VOL, 4,
	    "all | most | some | none" },
	{ "overlay", "OVERLAY", INH, FS, 3, "on | off" },
	{ "receive_resume_token", "RESUMETOK", RO | VAR, FS | VOL, 0, "<string token>" },
	{ "encryption", "ENCRYPTION", ZP_ONETIME | INH, DS, 11,
	    "on | off | aes-128-ccm | aes-192-ccm | aes-256-ccm | aes-128-gcm | aes-192-gcm | aes-256-gcm" },
	{ "keylocation", "KEYLOCATION", VAR, FS | VOL, 0,
	    "prompt | <file URI> | <https URL> | <http URL>" },
	{ "keyformat", "KEYFORMAT", ZP_ONETIME, FS | VOL, 10,
	    "none | raw | hex | passphrase" },
	{ "pbkdf2iters", "PBKDF2ITERS", ZP_ONETIME | R, FS | VOL, 5, "<iters>" },
	{ "encryptionroot", "ENCROOT", RO | VAR, DS, 0, "<filesystem | volume>" },
	{ "keystatus", "KEYSTATUS", RO, DS, 11, "none | unavailable | available" },
	{ "special_small_blocks", "SPECIAL_SMALL_BLOCKS", INH | R, FS, 5,
	    "zero or 512 to 1M, power of 2" },
	{ "redact_snaps", "REDACT_SNAPS", RO | VAR, ALL, 0, "<snapshot>[,...]" },
	{ "snapshots_changed", "SNAPSHOTS_CHANGED", RO | VAR, FS | VOL, 0, "<date>" },
	{ "prefetch", "PREFETCH", INH, DS, 8, "none | metadata | all" },
	{ "direct", "DIRECT", INH, FS, 8, "disabled | standard | always" },
	{ "longname", "LONGNAME", INH, FS, 3, "on | off" },
	{ "volthreading", "VOLTHREADING", 0, VOL, 3, "on | off" },
};

/* Families of names, for the usage text. */
static const struct {
	const char *name, *edit, *values;
} families[] = { { "userused@...", "NO", "<size>" }, { "groupused@...", "NO", "<size>" },
	{ "projectused@...", "NO", "<size>" }, { "userobjused@...", "NO", "<size>" },
	{ "groupobjused@...", "NO", "<size>" }, { "projectobjused@...", "NO", "<size>" },
	{ "userquota@...", "YES", "<size> | none" }, { "groupquota@...", "YES", "<size> | none" },
	{ "projectquota@...", "YES", "<size> | none" },
	{ "userobjquota@...", "YES", "<size> | none" },
	{ "groupobjquota@...", "YES", "<size> | none" },
	{ "projectobjquota@...", "YES", "<size> | none" }, { "written@<snap>", "NO", "<size>" },
	{ "written#<bookmark>", "NO", "<size>" } };

/* By name or, as in the heading of a list, by column. */
const zprop_t *
zfs_prop_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(name, table[i].zp_name) == 0)
			return (&table[i]);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcasecmp(name, table[i].zp_column) == 0)
			return (&table[i]);
	return (NULL);
}

const zprop_t *
zfs_prop_at(size_t i)
{
	return (i < ARRAY_SIZE(table) ? &table[i] : NULL);
}

bool
zfs_prop_is_user(const char *name)
{
	if (strchr(name, ':') == NULL)
		return (false);
	for (const char *p = name; *p != '\0'; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) &&
		    strchr(":-_.+ ", *p) == NULL)
			return (false);
	return (true);
}

bool
zfs_prop_is_userquota(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		size_t n = strcspn(families[i].name, "@#") + 1;
		if (families[i].name[n] == '.' && strncmp(name, families[i].name, n) == 0)
			return (true);
	}
	return (false);
}

bool
zfs_prop_is_written(const char *name)
{
	return (strncmp(name, "written@", 8) == 0 || strncmp(name, "written#", 8) == 0);
}

bool
zfs_prop_valid_for(const zprop_t *zp, int type)
{
	return ((zp->zp_types & type) != 0);
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
zfs_prop_usage(FILE *fp)
{
	const zprop_t *sorted[ARRAY_SIZE(table)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!(table[i].zp_flags & ZP_HIDDEN))
			sorted[n++] = &table[i];
	qsort(sorted, n, sizeof (sorted[0]), by_name);
	(void)fprintf(fp, "\nThe following properties are supported:\n\n"
			  "\tPROPERTY              EDIT  INHERIT   VALUES\n\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(fp, "\t%-22s %3s      %3s   %s\n", sorted[i]->zp_name,
		    sorted[i]->zp_flags & (RO | ZP_ONETIME) ? "NO" : "YES",
		    sorted[i]->zp_flags & INH ? "YES" : "NO", sorted[i]->zp_values);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		(void)fprintf(fp, "\t%-22s %3s       NO   %s\n", families[i].name,
		    families[i].edit, families[i].values);
	(void)fprintf(fp,
	    "\nSizes are specified in bytes with standard units such as K, M, G, etc.\n\n"
	    "User-defined properties can be specified by using a name containing a colon (:).\n\n"
	    "The {user|group|project}[obj]{used|quota}@ properties must be appended with\n"
	    "a user|group|project specifier of one of these forms:\n"
	    "    POSIX name      (eg: \"matt\")\n"
	    "    POSIX id        (eg: \"126829\")\n"
	    "    SMB name@domain (eg: \"matt@sun\")\n"
	    "    SMB SID         (eg: \"S-1-234-567-89\")\n");
}

/* ---- which ones -------------------------------------------------------------------------- */

static bool
add_word(const char *word, zprop_wants_t *zws, bool list)
{
	static const char *const space[] = { "name", "available", "used", "usedbysnapshots",
		"usedbydataset", "usedbyrefreservation", "usedbychildren" };
	const zprop_t *zp = zfs_prop_find(word);

	if (list && strcmp(word, "space") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(space); i++)
			(void)zprop_wants_add(zws, zfs_prop_find(space[i]), NULL);
		return (true);
	}
	if (zp == NULL && !zfs_prop_is_user(word) && !zfs_prop_is_userquota(word) &&
	    !zfs_prop_is_written(word))
		return (false);
	(void)zprop_wants_add(zws, zp, word);
	return (true);
}

int
zfs_prop_wants(const char *spec, zprop_wants_t *zws, bool list)
{
	char word[512];

	for (const char *p = spec; *p != '\0';) {
		size_t len = strcspn(p, ",");
		(void)snprintf(word, sizeof (word), "%.*s", (int)len, p);
		if (!add_word(word, zws, list))
			return (cmd_usage("bad property list: invalid property '%s'", word));
		p += len + (p[len] == ',');
	}
	if (list_is_empty(&zws->zws_list))
		return (cmd_usage("bad property list: invalid property ''"));
	return (0);
}

void
zfs_prop_wants_all(zprop_wants_t *zws)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!(table[i].zp_flags & ZP_HIDDEN))
			zprop_wants_add(zws, &table[i], NULL)->zw_all = true;
	zws->zws_all = true;
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

static bool
power_of_2_between(uint64_t v, uint64_t min, uint64_t max)
{
	return (v >= min && v <= max && ISP2(v));
}

static bool
is_size_or_none(const char *name)
{
	static const char *const names[] = { "quota", "reservation", "refquota", "refreservation",
		"filesystem_limit", "snapshot_limit" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (true);
	return (false);
}

static int
parse_number(const char *name, const char *value, int type, nvlist_t *props, char *why, size_t size)
{
	bool limit = strstr(name, "_limit") != NULL;
	bool refresv = strcmp(name, "refreservation") == 0;
	uint64_t v = 0;

	if (refresv && strcmp(value, "auto") == 0 && type != TYPE_VOL)
		return (bad(why, size, "'refreservation=auto' only allowed on volumes"));
	if (refresv && strcmp(value, "auto") == 0) {
		v = UINT64_MAX;
	} else if (strcmp(value, "none") == 0) {
		if (!is_size_or_none(name))
			return (bad(why, size, "bad numeric value '%s'", value));
		v = limit ? UINT64_MAX : 0;
	} else if (cmd_parse_size_why(value, &v, why, size) != 0) {
		return (EINVAL);
	} else if (v == 0 && (strcmp(name, "quota") == 0 || strcmp(name, "refquota") == 0)) {
		return (bad(why, size, "use 'none' to disable quota/refquota"));
	}
	if ((strcmp(name, "recordsize") == 0 || strcmp(name, "volblocksize") == 0) &&
	    !power_of_2_between(v, 512, 16 << 20))
		return (bad(why, size, "'%s' must be power of 2 from 512B to 16M", name));
	if (strcmp(name, "special_small_blocks") == 0 && v != 0 &&
	    !power_of_2_between(v, 512, 16 << 20))
		return (bad(why, size,
		    "invalid 'special_small_blocks=%" PRIu64
		    "' property: must be zero or a power of 2 from 512B to 16M", v));
	if (strcmp(name, "volsize") == 0 && v == 0)
		return (bad(why, size, "'volsize' cannot be zero"));
	fnvlist_add_uint64(props, name, v);
	return (0);
}

static int
parse_string(const char *name, const char *value, nvlist_t *props, char *why, size_t size)
{
	if (strcmp(name, "mountpoint") == 0 && value[0] != '/' && strcmp(value, "none") != 0 &&
	    strcmp(value, "legacy") != 0)
		return (bad(why, size,
		    "'mountpoint' must be an absolute path, 'none', or 'legacy'"));
	if (strcmp(name, "mlslabel") == 0 && strcmp(value, "none") != 0)
		return (bad(why, size, "mlslabels are unsupported"));
	if (strcmp(name, "keylocation") == 0 && strcmp(value, "none") != 0)
		return (bad(why, size, "keylocation must be 'none' for unencrypted datasets"));
	if (strlen(value) >= 4096)
		return (bad(why, size, "'%s' is too long", name));
	fnvlist_add_string(props, name, value);
	return (0);
}

/* Words for index properties that the props ZAP does not know: fixed at creation. */
static const zprop_index_t *
onetime_index(const char *name)
{
	static const zprop_index_t utf8only[] = { { "off", 0 }, { "on", 1 }, { NULL, 0 } };
	static const zprop_index_t normalization[] = { { "none", 0 }, { "formD", 0x10 },
		{ "formKC", 0x60 }, { "formC", 0x50 }, { "formKD", 0x20 }, { NULL, 0 } };
	static const zprop_index_t casesensitivity[] = { { "sensitive", 0 }, { "insensitive", 1 },
		{ "mixed", 2 }, { NULL, 0 } };
	static const zprop_index_t version[] = { { "1", 1 }, { "2", 2 }, { "3", 3 }, { "4", 4 },
		{ "5", 5 }, { "current", 5 }, { NULL, 0 } };
	static const zprop_index_t encryption[] = { { "off", 0 }, { NULL, 0 } };

	return (strcmp(name, "utf8only") == 0	     ? utf8only :
		strcmp(name, "normalization") == 0   ? normalization :
		strcmp(name, "casesensitivity") == 0 ? casesensitivity :
		strcmp(name, "version") == 0	     ? version :
		strcmp(name, "encryption") == 0	     ? encryption :
						       NULL);
}

static int
parse_index(const zprop_t *zp, const zprop_index_t *pi, const char *value, nvlist_t *props,
    char *why, size_t size)
{
	for (; pi->pi_name != NULL; pi++) {
		if (strcmp(pi->pi_name, value) == 0) {
			fnvlist_add_uint64(props, zp->zp_name, pi->pi_value);
			return (0);
		}
	}
	return (bad(why, size, "'%s' must be one of '%s'", zp->zp_name, zp->zp_values));
}

static int
parse_user(const char *name, const char *value, nvlist_t *props, char *why, size_t size)
{
	if (strlen(name) >= 256)
		return (bad(why, size, "property name '%s' is too long", name));
	if (strlen(value) >= 8192)
		return (bad(why, size, "property value too long"));
	fnvlist_add_string(props, name, value);
	return (0);
}

int
zfs_prop_parse(const char *name, const char *value, int type, bool create, nvlist_t *props,
    char *why, size_t size)
{
	const zprop_t *zp = zfs_prop_find(name);
	const zfs_prop_info_t *info = zfs_prop_lookup(name);
	const zprop_index_t *onetime;

	if (zp == NULL && zfs_prop_is_user(name))
		return (parse_user(name, value, props, why, size));
	if (zp == NULL && zfs_prop_is_userquota(name))
		return (strstr(name, "used@") != NULL ?
			bad(why, size, "'%s' is readonly", name) :
			bad(why, size, "user quotas are not supported yet"));
	if (zp == NULL || (zp->zp_flags & ZP_HIDDEN))
		return (bad(why, size, "invalid property '%s'", name));
	name = zp->zp_name;
	if (type == TYPE_SNAP)
		return (bad(why, size, "this property can not be modified for snapshots"));
	if ((zp->zp_flags & RO) || ((zp->zp_flags & ZP_ONETIME) && !create))
		return (bad(why, size, "'%s' is readonly", name));
	if (!zfs_prop_valid_for(zp, type))
		return (bad(why, size, "'%s' does not apply to datasets of this type", name));
	if ((onetime = onetime_index(name)) != NULL)
		return (parse_index(zp, onetime, value, props, why, size));
	if (info == NULL && strcmp(name, "volsize") != 0 && strcmp(name, "volblocksize") != 0) {
		if ((strcmp(name, "keyformat") == 0 && strcmp(value, "none") == 0) ||
		    (strcmp(name, "pbkdf2iters") == 0 && strcmp(value, "0") == 0))
			return (0);
		return (bad(why, size, "encryption is not supported yet"));
	}
	if (info != NULL && info->pd_type == PROP_TYPE_INDEX)
		return (parse_index(zp, info->pd_index, value, props, why, size));
	if (info != NULL && info->pd_type == PROP_TYPE_STRING)
		return (parse_string(name, value, props, why, size));
	return (parse_number(name, value, type, props, why, size));
}
