/*
 * Metaslabs on disk: metaslab arrays, space maps, log space maps, and what a sync pass
 * writes to them. Source: format/02 §5.1–§5.5.
 *
 * For each top-level vdev the MOS has an array of space map objects, one for each
 * metaslab. A pass of the sync thread appends its allocations and frees to the maps of
 * the metaslabs concerned.
 *
 * Pools that other software wrote may also have log space maps: changes of all
 * metaslabs of a txg in one log, not yet in the metaslabs' own maps. They are read once
 * at open into ms_unflushed[], which every load takes into account; the first txg we
 * write merges them into the maps and removes the logs (log_spacemap_retire). We never
 * write logs ourselves.
 *
 * Locks: see metaslab.h. ms_unflushed[] changes only between metaslab_io_begin and _end
 * or before the metaslab is in use. Failing reads in syncing context suspend the pool
 * and are repeated.
 */
#ifndef TARN_POOL_METASLAB_IO_H
#define TARN_POOL_METASLAB_IO_H

#include "dmu/dmu.h"
#include "spa/spa.h"

/* suo_metaslab_load. EIO: the map is damaged; errors of reading. */
int pool_metaslab_load(spa_t *spa, metaslab_t *ms);
/*
 * After spa_metaslabs_init: read arrays, headers and log space maps of all groups, and
 * the dirty time logs of all leaves. EIO. A pool opened read-only is opened in spite of
 * damaged maps.
 */
int pool_metaslabs_open(spa_t *spa);
/* One sync pass: write what the dirty metaslabs (and dirty time logs) have; call until
 * nothing is dirty. */
void pool_metaslabs_sync(spa_t *spa, dmu_tx_t *tx);
/* After the uberblock of txg (also of a txg that wrote nothing). */
void pool_metaslabs_sync_done(spa_t *spa, uint64_t txg);
/*
 * Merge all log space maps into the metaslabs' maps and free them (format/02 §5.5,
 * choice b). First pass, before pool_metaslabs_sync. 0.
 */
int log_spacemap_retire(spa_t *spa, dmu_tx_t *tx);

/* space_map_log.c, for metaslab_io.c. Fill ms_unflushed[] of all metaslabs. EIO. */
int log_spacemap_open(spa_t *spa);

/* Block size for the maps of this pool's metaslabs. */
uint32_t metaslab_map_blksz(spa_t *spa);
/* The metaslab's space map object, made and entered into the array (which is made) if
 * need be. */
uint64_t metaslab_map_object(metaslab_t *ms, dmu_tx_t *tx);

/*
 * Repeat `expr` (an errno) until it is 0; each failure suspends the pool until it is
 * resumed.
 */
#define POOL_MUST(spa, expr)                                                           \
	do {                                                                           \
		int must_error_;                                                       \
		while ((must_error_ = (expr)) != 0)                                    \
			spa_suspend_wait(spa, strerror(must_error_));                  \
	} while (0)

#endif
