/*
 * Persistent space maps: logs of allocations and frees in an object of the MOS. Source:
 * format/02 §5.2, §5.3.
 *
 * A space map is only ever appended to, in batches of one kind, until rewriting it is
 * so much shorter that it pays (metaslab_io.c decides). Replaying it from the start
 * gives the space that is allocated now.
 *
 * Everything read from one is hostile: lengths, offsets, runs that overlap or free what
 * is free. Such a map gives EIO, never a panic, and reading it takes time and memory in
 * proportion to its blocks on disk.
 *
 * No locks: the owner of a map serialises (metaslabs: ms_loading and ms_syncing).
 * Writing is for the sync thread.
 */
#ifndef TARN_POOL_SPACE_MAP_H
#define TARN_POOL_SPACE_MAP_H

#include "dmu/dmu.h"
#include "spa/range_tree.h"

#define SPACE_MAP_IBS 14	   /* indirect block shift of new maps */
#define SPACE_MAP_BLKSZ 16384	   /* metaslab maps */
#define SPACE_MAP_BLKSZ_LOG 131072 /* the same in pools with log space maps; log maps  \
				    */
#define SPACE_MAP_BLKSZ_DTL 4096

typedef struct space_map {
	objset_t *sm_os;
	uint64_t sm_object;
	uint64_t sm_start, sm_size; /* what it describes, bytes */
	int sm_shift;		    /* log2 of the unit of entries */
	uint32_t sm_blksz;	    /* data block, bytes */
	bool sm_has_histogram;	    /* header of 320 bytes */
	space_map_phys_t sm_phys;   /* header, host order */
} space_map_t;

/* A new empty map. Counts for feature spacemap_histogram if that is enabled. */
uint64_t space_map_alloc(objset_t *os, uint32_t blksz, dmu_tx_t *tx);
/* Free the object and uncount it. ENOENT, EIO. */
int space_map_free(objset_t *os, uint64_t object, dmu_tx_t *tx);
/*
 * Read the header into *sm (no resources are held, nothing to close). EIO: not a space
 * map or its header is impossible; ENOENT.
 */
int space_map_open(space_map_t *sm, objset_t *os, uint64_t object, uint64_t start,
    uint64_t size, int shift);

/*
 * Call func for each range in order, offset in units. length: bytes of entries to read
 * (UINT64_MAX: all). An error of func ends it and is returned. EIO.
 */
int space_map_iterate(const space_map_t *sm, uint64_t length,
    int (*func)(void *arg, const space_map_entry_t *sme), void *arg);
/*
 * Put into rt (empty) what the map has as kind: SM_FREE: its free space, SM_ALLOC: what
 * is allocated. After an error rt is empty.
 */
int space_map_load_length(
    const space_map_t *sm, uint64_t length, range_tree_t *rt, maptype_t kind);
/* The whole map in one call. */
int space_map_load(objset_t *os, uint64_t object, uint64_t start, uint64_t size,
    int shift, range_tree_t *rt, maptype_t kind);

/*
 * Append rt's segments (bytes) as one batch and update the header. vdev: top-level id
 * that goes into every entry (log maps) or SM_NO_VDEV. An empty rt writes nothing.
 * After an error (reading the last block) the map is as before and the call may be
 * repeated.
 */
int space_map_write(space_map_t *sm, range_tree_t *rt, maptype_t kind, uint32_t vdev,
    int pass, dmu_tx_t *tx);
/* Replace the header's histogram, if it has one. */
int space_map_set_histogram(
    space_map_t *sm, const uint64_t hist[SPACE_MAP_HISTOGRAM_SIZE], dmu_tx_t *tx);
/* Forget all entries; the map is empty then. */
int space_map_truncate(space_map_t *sm, dmu_tx_t *tx);

#endif
