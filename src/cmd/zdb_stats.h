/* Counting of blocks by type and level, and the tables of -b. */
#ifndef TARN_ZDB_STATS_H
#define TARN_ZDB_STATS_H

#include "cmd/zdb.h"

/* Rows of the table behind the object types: what has no type of its own. */
enum zdb_block_type {
	ZDB_OT_DEFERRED = DMU_OT_NUMTYPES, /* waits for the next txg */
	ZDB_OT_DITTO,
	ZDB_OT_OTHER, /* types that describe themselves */
	ZDB_OT_TOTAL,
	ZDB_OT_TYPES
};

#define ZDB_LEVELS (DN_MAX_LEVELS + 1) /* the last: all of them */
#define ZDB_PSIZES 257		       /* sectors; the last: 128 KiB and more */
#define ZDB_SIZES 16		       /* 512 bytes to 16 MiB */

typedef struct zdb_blocks {
	uint64_t zb_count, zb_lsize, zb_psize, zb_asize, zb_gangs;
	uint64_t zb_psizes[ZDB_PSIZES];
} zdb_blocks_t;

typedef struct zdb_stats {
	zdb_blocks_t zs_type[ZDB_LEVELS][ZDB_OT_TYPES];
	zdb_blocks_t zs_metadata[DMU_OT_NUMTYPES];
	uint64_t zs_embedded[NUM_BP_EMBEDDED_TYPES];
	uint64_t zs_embedded_sizes[NUM_BP_EMBEDDED_TYPES][BPE_PAYLOAD_SIZE + 1];
	uint64_t zs_size_count[3][ZDB_SIZES], zs_size_bytes[3][ZDB_SIZES]; /* psize, lsize, asize */
	uint64_t zs_ditto_same_vdev, zs_ditto_same_ms;
	uint64_t zs_dedup_asize, zs_dedup_refs, zs_clone_asize, zs_clone_refs;
} zdb_stats_t;

/* Count a block (embedded ones and holes too) as type and level. */
void zdb_stats_add(zdb_stats_t *st, spa_t *spa, const blkptr_t *bp, uint64_t type);
void zdb_stats_print(zdb_t *z, const zdb_stats_t *st);

#endif
