/*
 * Feature flags (format/02 §4): what a pool may contain, with reference counts.
 * Kept in memory here; the pool room reads them at open and writes the dirty ones
 * to the three feature ZAPs in each txg.
 */
#ifndef TARN_ZFEATURE_H
#define TARN_ZFEATURE_H

#include "spl/spl.h"
#include "nvpair/nvpair.h"

typedef struct spa spa_t;

/* In the order in which `zpool get all` and `zpool upgrade -v` of 2.3 list them. */
typedef enum spa_feature {
	SPA_FEATURE_NONE = -1,
	SPA_FEATURE_ASYNC_DESTROY,
	SPA_FEATURE_EMPTY_BPOBJ,
	SPA_FEATURE_LZ4_COMPRESS,
	SPA_FEATURE_MULTI_VDEV_CRASH_DUMP,
	SPA_FEATURE_SPACEMAP_HISTOGRAM,
	SPA_FEATURE_ENABLED_TXG,
	SPA_FEATURE_HOLE_BIRTH,
	SPA_FEATURE_EXTENSIBLE_DATASET,
	SPA_FEATURE_EMBEDDED_DATA,
	SPA_FEATURE_BOOKMARKS,
	SPA_FEATURE_FS_SS_LIMIT,
	SPA_FEATURE_LARGE_BLOCKS,
	SPA_FEATURE_LARGE_DNODE,
	SPA_FEATURE_SHA512,
	SPA_FEATURE_SKEIN,
	SPA_FEATURE_EDONR,
	SPA_FEATURE_USEROBJ_ACCOUNTING,
	SPA_FEATURE_ENCRYPTION,
	SPA_FEATURE_PROJECT_QUOTA,
	SPA_FEATURE_DEVICE_REMOVAL,
	SPA_FEATURE_OBSOLETE_COUNTS,
	SPA_FEATURE_POOL_CHECKPOINT,
	SPA_FEATURE_SPACEMAP_V2,
	SPA_FEATURE_ALLOCATION_CLASSES,
	SPA_FEATURE_RESILVER_DEFER,
	SPA_FEATURE_BOOKMARK_V2,
	SPA_FEATURE_REDACTION_BOOKMARKS,
	SPA_FEATURE_REDACTED_DATASETS,
	SPA_FEATURE_BOOKMARK_WRITTEN,
	SPA_FEATURE_LOG_SPACEMAP,
	SPA_FEATURE_LIVELIST,
	SPA_FEATURE_DEVICE_REBUILD,
	SPA_FEATURE_ZSTD_COMPRESS,
	SPA_FEATURE_DRAID,
	SPA_FEATURE_ZILSAXATTR,
	SPA_FEATURE_HEAD_ERRLOG,
	SPA_FEATURE_BLAKE3,
	SPA_FEATURE_BLOCK_CLONING,
	SPA_FEATURE_AVZ_V2,
	SPA_FEATURE_REDACTION_LIST_SPILL,
	SPA_FEATURE_RAIDZ_EXPANSION,
	SPA_FEATURE_FAST_DEDUP,
	SPA_FEATURE_LONGNAME,
	SPA_FEATURE_LARGE_MICROZAP,
	SPA_FEATURES
} spa_feature_t;

#define ZFEATURE_FLAG_READONLY_COMPAT 0x1
#define ZFEATURE_FLAG_MOS 0x2 /* must be in the labels */
#define ZFEATURE_FLAG_ACTIVATE_ON_ENABLE 0x4
#define ZFEATURE_FLAG_PER_DATASET 0x8

/* How far tarn goes. */
typedef enum zfeature_support {
	ZFEATURE_UNSUPPORTED, /* an active one cannot be opened */
	ZFEATURE_READ,        /* pools with it active open read-only */
	ZFEATURE_WRITE,       /* imported and maintained, but not enabled on new pools */
	ZFEATURE_CREATE       /* enabled on new pools */
} zfeature_support_t;

typedef struct zfeature_info {
	spa_feature_t fi_feature;
	const char *fi_uname; /* "lz4_compress" */
	const char *fi_guid;  /* "org.illumos:lz4_compress" */
	const char *fi_desc;  /* as stored in feature_descriptions */
	uint32_t fi_flags;
	zfeature_support_t fi_support;
	const spa_feature_t *fi_depends; /* ends with NONE */
} zfeature_info_t;
extern const zfeature_info_t spa_feature_table[SPA_FEATURES];

#define SPA_FEATURE_DISABLED UINT64_MAX
typedef struct spa_features {
	kmutex_t sf_lock;
	uint64_t sf_refcount[SPA_FEATURES]; /* or DISABLED */
	uint64_t sf_enabled_txg[SPA_FEATURES];
	bool sf_dirty[SPA_FEATURES];
	/* active features of the pool that we do not know: guids */
	nvlist_t *sf_unknown_read, *sf_unknown_write;
} spa_features_t;

bool spa_feature_is_enabled(spa_t *spa, spa_feature_t f);
bool spa_feature_is_active(spa_t *spa, spa_feature_t f);
uint64_t spa_feature_refcount(spa_t *spa, spa_feature_t f);
/* Syncing context. Marks it dirty; an MOS feature that changes state dirties the config. */
void spa_feature_incr(spa_t *spa, spa_feature_t f, uint64_t txg);
void spa_feature_decr(spa_t *spa, spa_feature_t f, uint64_t txg);
/* Enable (with dependencies) in syncing context; no-op if enabled. */
void spa_feature_enable(spa_t *spa, spa_feature_t f, uint64_t txg);
int zfeature_lookup_name(const char *uname, spa_feature_t *f);
int zfeature_lookup_guid(const char *guid, spa_feature_t *f);
/* Does f need dep, directly or through others? */
bool zfeature_depends_on(spa_feature_t f, spa_feature_t dep);
void spa_features_init(spa_t *spa); /* all disabled; by spa_alloc */
void spa_features_fini(spa_t *spa);
/* The nvlist `features_for_read` of labels and MOS config (format/01 §3.6); caller frees. */
nvlist_t *spa_features_for_label(spa_t *spa);
/*
 * How far the pool's active features let us go: ZFEATURE_UNSUPPORTED, _READ or _WRITE. *reasons
 * (may be NULL; caller frees): guid → description of what is in the way of writing.
 */
zfeature_support_t spa_features_support(spa_t *spa, nvlist_t **reasons);

#endif
