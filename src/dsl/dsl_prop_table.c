/*
 * The native dataset properties that are stored in the props ZAP (format/03 §3.2):
 * type, default, inheritance, where they are valid, and the words for index values.
 * In the order of `zfs get all`'s storage table; the commands have their own order.
 */
#include "dsl/dsl.h"

#define FS ZFS_TYPE_FILESYSTEM
#define VOL ZFS_TYPE_VOLUME
#define SNAP ZFS_TYPE_SNAPSHOT

static const zprop_index_t boolean_index[] = { { "off", 0 }, { "on", 1 }, { NULL, 0 } };
static const zprop_index_t aclinherit_index[] = { { "discard", 0 }, { "noallow", 1 },
	{ "restricted", 4 }, { "passthrough", 3 }, { "passthrough-x", 5 }, { "secure", 4 },
	{ NULL, 0 } };
static const zprop_index_t aclmode_index[] = { { "discard", 0 }, { "groupmask", 2 },
	{ "passthrough", 3 }, { "restricted", 4 }, { NULL, 0 } };
static const zprop_index_t acltype_index[] = { { "off", 0 }, { "posix", 1 }, { "nfsv4", 2 },
	{ "disabled", 0 }, { "noacl", 0 }, { "posixacl", 1 }, { NULL, 0 } };
static const zprop_index_t canmount_index[] = { { "off", 0 }, { "on", 1 }, { "noauto", 2 },
	{ NULL, 0 } };
static const zprop_index_t checksum_index[] = { { "on", 1 }, { "off", 2 }, { "fletcher2", 6 },
	{ "fletcher4", 7 }, { "sha256", 8 }, { "noparity", 10 }, { "sha512", 11 },
	{ "skein", 12 }, { "edonr", 13 }, { "blake3", 14 }, { NULL, 0 } };
#define ZSTD(l) (16 | (l) << 7)
static const zprop_index_t compression_index[] = { { "on", 1 }, { "off", 2 }, { "lzjb", 3 },
	{ "gzip", 10 }, { "gzip-1", 5 }, { "gzip-2", 6 }, { "gzip-3", 7 }, { "gzip-4", 8 },
	{ "gzip-5", 9 }, { "gzip-6", 10 }, { "gzip-7", 11 }, { "gzip-8", 12 }, { "gzip-9", 13 },
	{ "zle", 14 }, { "lz4", 15 }, { "zstd", ZSTD(0) }, { "zstd-fast", ZSTD(103) },
	{ "zstd-1", ZSTD(1) }, { "zstd-2", ZSTD(2) }, { "zstd-3", ZSTD(3) }, { "zstd-4", ZSTD(4) },
	{ "zstd-5", ZSTD(5) }, { "zstd-6", ZSTD(6) }, { "zstd-7", ZSTD(7) }, { "zstd-8", ZSTD(8) },
	{ "zstd-9", ZSTD(9) }, { "zstd-10", ZSTD(10) }, { "zstd-11", ZSTD(11) },
	{ "zstd-12", ZSTD(12) }, { "zstd-13", ZSTD(13) }, { "zstd-14", ZSTD(14) },
	{ "zstd-15", ZSTD(15) }, { "zstd-16", ZSTD(16) }, { "zstd-17", ZSTD(17) },
	{ "zstd-18", ZSTD(18) }, { "zstd-19", ZSTD(19) }, { "zstd-fast-1", ZSTD(103) },
	{ "zstd-fast-2", ZSTD(104) }, { "zstd-fast-3", ZSTD(105) }, { "zstd-fast-4", ZSTD(106) },
	{ "zstd-fast-5", ZSTD(107) }, { "zstd-fast-6", ZSTD(108) }, { "zstd-fast-7", ZSTD(109) },
	{ "zstd-fast-8", ZSTD(110) }, { "zstd-fast-9", ZSTD(111) }, { "zstd-fast-10", ZSTD(112) },
	{ "zstd-fast-20", ZSTD(113) }, { "zstd-fast-30", ZSTD(114) }, { "zstd-fast-40", ZSTD(115) },
	{ "zstd-fast-50", ZSTD(116) }, { "zstd-fast-60", ZSTD(117) }, { "zstd-fast-70", ZSTD(118) },
	{ "zstd-fast-80", ZSTD(119) }, { "zstd-fast-90", ZSTD(120) }, { "zstd-fast-100", ZSTD(121) },
	{ "zstd-fast-500", ZSTD(122) }, { "zstd-fast-1000", ZSTD(123) }, { NULL, 0 } };
static const zprop_index_t copies_index[] = { { "1", 1 }, { "2", 2 }, { "3", 3 }, { NULL, 0 } };
static const zprop_index_t dedup_index[] = { { "on", 1 }, { "off", 2 }, { "verify", 257 },
	{ "sha256", 8 }, { "sha256,verify", 264 }, { "sha512", 11 }, { "sha512,verify", 267 },
	{ "skein", 12 }, { "skein,verify", 268 }, { "edonr,verify", 269 }, { "blake3", 14 },
	{ "blake3,verify", 270 }, { NULL, 0 } };
static const zprop_index_t direct_index[] = { { "disabled", 0 }, { "standard", 1 },
	{ "always", 2 }, { NULL, 0 } };
static const zprop_index_t dnodesize_index[] = { { "legacy", 0 }, { "auto", 1 }, { "1k", 1024 },
	{ "2k", 2048 }, { "4k", 4096 }, { "8k", 8192 }, { "16k", 16384 }, { NULL, 0 } };
static const zprop_index_t logbias_index[] = { { "latency", 0 }, { "throughput", 1 }, { NULL, 0 } };
static const zprop_index_t cache_index[] = { { "none", 0 }, { "metadata", 1 }, { "all", 2 },
	{ NULL, 0 } };
static const zprop_index_t redundant_index[] = { { "all", 0 }, { "most", 1 }, { "some", 2 },
	{ "none", 3 }, { NULL, 0 } };
static const zprop_index_t snapdir_index[] = { { "hidden", 0 }, { "visible", 1 },
	{ "disabled", 2 }, { NULL, 0 } };
static const zprop_index_t snapdev_index[] = { { "hidden", 0 }, { "visible", 1 }, { NULL, 0 } };
static const zprop_index_t sync_index[] = { { "standard", 0 }, { "always", 1 }, { "disabled", 2 },
	{ NULL, 0 } };
static const zprop_index_t volmode_index[] = { { "default", 0 }, { "full", 1 }, { "geom", 1 },
	{ "dev", 2 }, { "none", 3 }, { NULL, 0 } };
/* 2 is shown as "on"; `sa` is another word for it (format/03 §3.2). */
static const zprop_index_t xattr_index[] = { { "off", 0 }, { "on", 2 }, { "sa", 2 }, { "dir", 1 },
	{ NULL, 0 } };

#define NUM PROP_TYPE_NUMBER
#define STR PROP_TYPE_STRING
#define IDX PROP_TYPE_INDEX

const zfs_prop_info_t zfs_prop_table[] = {
	{ "aclinherit", IDX, true, FS, 4, NULL, aclinherit_index },
	{ "aclmode", IDX, true, FS, 0, NULL, aclmode_index },
	{ "acltype", IDX, true, FS | SNAP, 0, NULL, acltype_index },
	{ "atime", IDX, true, FS, 1, NULL, boolean_index },
	{ "canmount", IDX, false, FS, 1, NULL, canmount_index },
	{ "checksum", IDX, true, FS | VOL, 1, NULL, checksum_index },
	{ "compression", IDX, true, FS | VOL, 1, NULL, compression_index },
	{ "context", STR, false, FS | VOL | SNAP, 0, "none", NULL },
	{ "copies", IDX, true, FS | VOL, 1, NULL, copies_index },
	{ "dedup", IDX, true, FS | VOL, 2, NULL, dedup_index },
	{ "defcontext", STR, false, FS | VOL | SNAP, 0, "none", NULL },
	{ "devices", IDX, true, FS | SNAP, 1, NULL, boolean_index },
	{ "direct", IDX, true, FS, 1, NULL, direct_index },
	{ "dnodesize", IDX, true, FS, 0, NULL, dnodesize_index },
	{ "exec", IDX, true, FS | SNAP, 1, NULL, boolean_index },
	{ "filesystem_limit", NUM, false, FS, UINT64_MAX, NULL, NULL },
	{ "fscontext", STR, false, FS | VOL | SNAP, 0, "none", NULL },
	{ "keylocation", STR, false, FS | VOL, 0, "none", NULL },
	{ "logbias", IDX, true, FS | VOL, 0, NULL, logbias_index },
	{ "longname", IDX, true, FS, 0, NULL, boolean_index },
	{ "mlslabel", STR, true, FS | VOL | SNAP, 0, "none", NULL },
	{ "mountpoint", STR, true, FS, 0, "/", NULL },
	{ "nbmand", IDX, true, FS | SNAP, 0, NULL, boolean_index },
	{ "overlay", IDX, true, FS, 1, NULL, boolean_index },
	{ "prefetch", IDX, true, FS | VOL | SNAP, 2, NULL, cache_index },
	{ "primarycache", IDX, true, FS | VOL | SNAP, 2, NULL, cache_index },
	{ "quota", NUM, false, FS, 0, NULL, NULL },
	{ "readonly", IDX, true, FS | VOL, 0, NULL, boolean_index },
	{ "recordsize", NUM, true, FS, 131072, NULL, NULL },
	{ "redundant_metadata", IDX, true, FS | VOL, 0, NULL, redundant_index },
	{ "refquota", NUM, false, FS, 0, NULL, NULL },
	{ "refreservation", NUM, false, FS | VOL, 0, NULL, NULL },
	{ "relatime", IDX, true, FS, 1, NULL, boolean_index },
	{ "reservation", NUM, false, FS | VOL, 0, NULL, NULL },
	{ "rootcontext", STR, false, FS | VOL | SNAP, 0, "none", NULL },
	{ "secondarycache", IDX, true, FS | VOL | SNAP, 2, NULL, cache_index },
	{ "setuid", IDX, true, FS | SNAP, 1, NULL, boolean_index },
	{ "sharenfs", STR, true, FS, 0, "off", NULL },
	{ "sharesmb", STR, true, FS, 0, "off", NULL },
	{ "snapdev", IDX, true, FS | VOL, 0, NULL, snapdev_index },
	{ "snapdir", IDX, true, FS, 0, NULL, snapdir_index },
	{ "snapshot_limit", NUM, false, FS | VOL, UINT64_MAX, NULL, NULL },
	{ "special_small_blocks", NUM, true, FS, 0, NULL, NULL },
	{ "sync", IDX, true, FS | VOL, 0, NULL, sync_index },
	{ "volmode", IDX, true, FS | VOL, 0, NULL, volmode_index },
	{ "volthreading", IDX, false, VOL, 1, NULL, boolean_index },
	{ "vscan", IDX, true, FS, 0, NULL, boolean_index },
	{ "xattr", IDX, true, FS | SNAP, 2, NULL, xattr_index },
	{ "zoned", IDX, true, FS, 0, NULL, boolean_index },
};
const size_t zfs_prop_count = ARRAY_SIZE(zfs_prop_table);

/* Short names (zfsprops(7)). */
static const struct {
	const char *alias, *name;
} zfs_prop_alias[] = { { "compress", "compression" }, { "recsize", "recordsize" },
	{ "rdonly", "readonly" }, { "dnsize", "dnodesize" }, { "refreserv", "refreservation" },
	{ "reserv", "reservation" }, { "jailed", "zoned" } };

const zfs_prop_info_t *
zfs_prop_lookup(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(zfs_prop_alias); i++)
		if (strcmp(name, zfs_prop_alias[i].alias) == 0)
			name = zfs_prop_alias[i].name;
	for (size_t i = 0; i < zfs_prop_count; i++)
		if (strcmp(name, zfs_prop_table[i].pd_name) == 0)
			return (&zfs_prop_table[i]);
	return (NULL);
}
