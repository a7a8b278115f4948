/*
 * The feature flags of OpenZFS 2.3: names, guids, the descriptions that pools store, flags and
 * dependencies (format/02 §4.2), and how far this program goes with each.
 *
 * What decides fi_support: a feature is CREATE only if everything it promises other software
 * is maintained by our writer; WRITE if a pool with it active stays right although we never
 * make the objects it is about; READ if its structures are understood but would have to be
 * changed along with ordinary writes. Being too cautious costs a read-only import, being too
 * bold costs a pool.
 */
#include "spa/zfeature.h"

#define F_R ZFEATURE_FLAG_READONLY_COMPAT
#define F_M ZFEATURE_FLAG_MOS
#define F_A ZFEATURE_FLAG_ACTIVATE_ON_ENABLE
#define F_D ZFEATURE_FLAG_PER_DATASET

static const spa_feature_t deps_none[] = {SPA_FEATURE_NONE};
static const spa_feature_t deps_enabled_txg[] = {
    SPA_FEATURE_ENABLED_TXG, SPA_FEATURE_NONE};
static const spa_feature_t deps_ed[] = {
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_NONE};
static const spa_feature_t deps_ed_bm2[] = {
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_BOOKMARK_V2, SPA_FEATURE_NONE};
static const spa_feature_t deps_ed_device_removal[] = {
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_DEVICE_REMOVAL, SPA_FEATURE_NONE};
static const spa_feature_t deps_ed_bm[] = {
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_BOOKMARKS, SPA_FEATURE_NONE};
static const spa_feature_t deps_bm2_ed_bm[] = {SPA_FEATURE_BOOKMARK_V2,
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_BOOKMARKS, SPA_FEATURE_NONE};
static const spa_feature_t deps_spacemap_v2[] = {
    SPA_FEATURE_SPACEMAP_V2, SPA_FEATURE_NONE};
static const spa_feature_t deps_redaction_bookmarks[] = {
    SPA_FEATURE_REDACTION_BOOKMARKS, SPA_FEATURE_NONE};
static const spa_feature_t deps_ed_large_blocks[] = {
    SPA_FEATURE_EXTENSIBLE_DATASET, SPA_FEATURE_LARGE_BLOCKS, SPA_FEATURE_NONE};

#define FEATURE(id, vendor, uname, flags, support, deps, ...)                          \
	[SPA_FEATURE_##id] = {SPA_FEATURE_##id, uname, vendor ":" uname, __VA_ARGS__,  \
	    flags, ZFEATURE_##support, deps}

const zfeature_info_t spa_feature_table[SPA_FEATURES] = {
    FEATURE(ASYNC_DESTROY, "com.delphix", "async_destroy", F_R, CREATE, deps_none,
	"Destroy filesystems asynchronously."),
    FEATURE(EMPTY_BPOBJ, "com.delphix", "empty_bpobj", F_R, CREATE, deps_none,
	"Snapshots use less space."),
    FEATURE(LZ4_COMPRESS, "org.illumos", "lz4_compress", F_A, CREATE, deps_none,
	"LZ4 compression algorithm support."),
    FEATURE(MULTI_VDEV_CRASH_DUMP, "com.joyent", "multi_vdev_crash_dump", 0, CREATE,
	deps_none, "Crash dumps to multiple vdev pools."),
    FEATURE(SPACEMAP_HISTOGRAM, "com.delphix", "spacemap_histogram", F_R, CREATE,
	deps_none, "Spacemaps maintain space histograms."),
    FEATURE(ENABLED_TXG, "com.delphix", "enabled_txg", F_R, CREATE, deps_none,
	"Record txg at which a feature is enabled"),
    FEATURE(HOLE_BIRTH, "com.delphix", "hole_birth", F_M | F_A, CREATE,
	deps_enabled_txg, "Retain hole birth txg for more precise zfs send"),
    FEATURE(EXTENSIBLE_DATASET, "com.delphix", "extensible_dataset", 0, CREATE,
	deps_none, "Enhanced dataset functionality, used by other features."),
    FEATURE(EMBEDDED_DATA, "com.delphix", "embedded_data", F_M | F_A, CREATE, deps_none,
	"Blocks which compress very well use even less space."),
    FEATURE(BOOKMARKS, "com.delphix", "bookmarks", F_R, CREATE, deps_ed,
	"\"zfs bookmark\" command"),
    FEATURE(FS_SS_LIMIT, "com.joyent", "filesystem_limits", F_R, CREATE, deps_ed,
	"Filesystem and snapshot limits."),
    FEATURE(LARGE_BLOCKS, "org.open-zfs", "large_blocks", F_D, CREATE, deps_ed,
	"Support for blocks larger than 128KB."),
    FEATURE(LARGE_DNODE, "org.zfsonlinux", "large_dnode", F_D, CREATE, deps_ed,
	"Variable on-disk size of dnodes."),
    FEATURE(SHA512, "org.illumos", "sha512", F_D, CREATE, deps_ed,
	"SHA-512/256 hash algorithm."),
    FEATURE(
	SKEIN, "org.illumos", "skein", F_D, CREATE, deps_ed, "Skein hash algorithm."),
    FEATURE(
	EDONR, "org.illumos", "edonr", F_D, CREATE, deps_ed, "Edon-R hash algorithm."),
    FEATURE(USEROBJ_ACCOUNTING, "org.zfsonlinux", "userobj_accounting", F_R | F_D,
	CREATE, deps_ed, "User/Group object accounting."),
    FEATURE(ENCRYPTION, "com.datto", "encryption", F_D, READ, deps_ed_bm2,
	"Support for dataset level encryption"),
    FEATURE(PROJECT_QUOTA, "org.zfsonlinux", "project_quota", F_R | F_D, CREATE,
	deps_ed, "space/object accounting based on project ID."),
    FEATURE(DEVICE_REMOVAL, "com.delphix", "device_removal", F_M, READ, deps_none,
	"Top-level vdevs can be removed, reducing logical pool size."),
    FEATURE(OBSOLETE_COUNTS, "com.delphix", "obsolete_counts", F_R, READ,
	deps_ed_device_removal,
	"Reduce memory used by removed devices when their blocks are "
	"freed or remapped."),
    FEATURE(POOL_CHECKPOINT, "com.delphix", "zpool_checkpoint", F_R, READ, deps_none,
	"Pool state can be checkpointed, allowing rewind later."),
    FEATURE(SPACEMAP_V2, "com.delphix", "spacemap_v2", F_R | F_A, CREATE, deps_none,
	"Space maps representing large segments are more efficient."),
    FEATURE(ALLOCATION_CLASSES, "org.zfsonlinux", "allocation_classes", F_R, READ,
	deps_none, "Support for separate allocation classes."),
    FEATURE(RESILVER_DEFER, "com.datto", "resilver_defer", F_R, READ, deps_none,
	"Support for deferring new resilvers when one is already "
	"running."),
    FEATURE(BOOKMARK_V2, "com.datto", "bookmark_v2", 0, READ, deps_ed_bm,
	"Support for larger bookmarks"),
    FEATURE(REDACTION_BOOKMARKS, "com.delphix", "redaction_bookmarks", 0, READ,
	deps_bm2_ed_bm,
	"Support for bookmarks which store redaction lists for zfs "
	"redacted send/recv."),
    FEATURE(REDACTED_DATASETS, "com.delphix", "redacted_datasets", F_D, READ, deps_ed,
	"Support for redacted datasets, produced by receiving a "
	"redacted zfs send stream."),
    FEATURE(BOOKMARK_WRITTEN, "com.delphix", "bookmark_written", 0, READ,
	deps_bm2_ed_bm,
	"Additional accounting, enabling the written#<bookmark> "
	"property (space written since a bookmark), and estimates of "
	"send stream sizes for incrementals from bookmarks."),
    FEATURE(LOG_SPACEMAP, "com.delphix", "log_spacemap", F_R, WRITE, deps_spacemap_v2,
	"Log metaslab changes on a single spacemap and flush them "
	"periodically."),
    FEATURE(LIVELIST, "com.delphix", "livelist", F_R, READ, deps_ed,
	"Improved clone deletion performance."),
    FEATURE(DEVICE_REBUILD, "org.openzfs", "device_rebuild", F_R, READ, deps_none,
	"Support for sequential mirror/dRAID device rebuilds"),
    FEATURE(ZSTD_COMPRESS, "org.freebsd", "zstd_compress", F_D, CREATE, deps_ed,
	"zstd compression algorithm support."),
    FEATURE(DRAID, "org.openzfs", "draid", F_M, READ, deps_none,
	"Support for distributed spare RAID"),
    FEATURE(ZILSAXATTR, "org.openzfs", "zilsaxattr", F_R | F_D, WRITE, deps_ed,
	"Support for xattr=sa extended attribute logging in ZIL."),
    FEATURE(HEAD_ERRLOG, "com.delphix", "head_errlog", F_A, CREATE, deps_none,
	"Support for per-dataset on-disk error logs."),
    FEATURE(BLAKE3, "org.openzfs", "blake3", F_D, CREATE, deps_ed,
	"BLAKE3 hash algorithm."),
    FEATURE(BLOCK_CLONING, "com.fudosecurity", "block_cloning", F_R, READ, deps_none,
	"Support for block cloning via Block Reference Table."),
    FEATURE(AVZ_V2, "com.klarasystems", "vdev_zaps_v2", F_M, WRITE, deps_none,
	"Support for root vdev ZAP."),
    FEATURE(REDACTION_LIST_SPILL, "com.delphix", "redaction_list_spill", 0, READ,
	deps_redaction_bookmarks,
	"Support for increased number of redaction_snapshot arguments "
	"in zfs redact."),
    FEATURE(RAIDZ_EXPANSION, "org.openzfs", "raidz_expansion", F_M, READ, deps_none,
	"Support for raidz expansion"),
    FEATURE(FAST_DEDUP, "com.klarasystems", "fast_dedup", F_R, READ, deps_none,
	"Support for advanced deduplication"),
    FEATURE(LONGNAME, "org.zfsonlinux", "longname", F_D, READ, deps_ed,
	"support filename up to 1024 bytes"),
    FEATURE(LARGE_MICROZAP, "com.klarasystems", "large_microzap", F_R | F_D, READ,
	deps_ed_large_blocks, "Support for microzaps larger than 128KB."),
};
