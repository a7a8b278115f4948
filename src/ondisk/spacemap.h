/*
 * Space maps: header (bonus) and entries. Source: format/02 §5.2, §5.3.
 */
#ifndef TARN_ONDISK_SPACEMAP_H
#define TARN_ONDISK_SPACEMAP_H

#include "ondisk/field.h"

#define SPACE_MAP_HISTOGRAM_SIZE 32
#define SPACE_MAP_SIZE_V0 24 /* bonus length without histogram */

typedef struct space_map_phys {
	uint64_t smp_object;
	uint64_t smp_length; /* bytes of entries */
	int64_t smp_alloc;   /* bytes */
	uint64_t smp_pad[5];
	uint64_t smp_histogram[SPACE_MAP_HISTOGRAM_SIZE];
} space_map_phys_t;
_Static_assert(sizeof(space_map_phys_t) == 320, "space_map_phys_t");
extern const ondisk_table_t od_space_map;

typedef enum maptype { SM_ALLOC = 0, SM_FREE = 1 } maptype_t;

typedef enum sm_entry_kind {
	SM_ENTRY_RANGE,
	SM_ENTRY_DEBUG, /* action in sme_type, sme_pass, sme_txg */
	SM_ENTRY_PAD	/* debug word of txg 0 */
} sm_entry_kind_t;

typedef struct space_map_entry {
	sm_entry_kind_t sme_kind;
	maptype_t sme_type;
	uint64_t sme_offset; /* units, from the map's start */
	uint64_t sme_run;    /* units, >= 1 */
	uint32_t sme_vdev;   /* SM_NO_VDEV in one-word entries */
	uint32_t sme_pass;
	uint64_t sme_txg;
} space_map_entry_t;
#define SM_NO_VDEV ((1U << 24) - 1)

#define SM_OFFSET_MAX1 (1ULL << 47)
#define SM_RUN_MAX1 (1ULL << 15)
#define SM_OFFSET_MAX2 (1ULL << 63)
#define SM_RUN_MAX2 (1ULL << 36)

/*
 * Decode the entry at words[0] of n words. Returns the words it takes (1 or 2), 0 if it
 * is cut off (two-word entries never straddle a block: pass the rest of the block).
 */
unsigned sm_entry_decode(const uint64_t *words, size_t n, space_map_entry_t *sme);
/*
 * Encode one entry into words[2]; returns the words used. A range gets the one-word
 * form when it fits and sme_vdev is SM_NO_VDEV. Offset and run must be below the
 * maxima.
 */
unsigned sm_entry_encode(const space_map_entry_t *sme, uint64_t words[2]);
/* May this range be written in the one-word form? */
bool sm_entry_fits_one(const space_map_entry_t *sme);
#define SM_PADDING_WORD 0x8000000000000000ULL

#endif
