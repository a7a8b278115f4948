/*
 * Dirty time logs on disk (format/02 §5.7): which txgs' writes a leaf has missed.
 * Without them a device that was away would be trusted again after the next import.
 *
 * Each leaf that ever missed something has a space map over txg numbers, rewritten as a
 * whole when the log in memory (vdev_dtl.c) differs from it. The vdev room calls
 * vdev_dtl_changed whenever a log changes or a leaf is faulted; that only sets a flag
 * of the spa, and the next sync pass looks at all leaves.
 */
#ifndef TARN_POOL_DTL_IO_H
#define TARN_POOL_DTL_IO_H

#include "dmu/dmu.h"
#include "spa/spa.h"

/* Read the logs of all leaves (pool open). A log that cannot be read counts as "missed
 * everything". */
void pool_dtls_open(spa_t *spa);
/* One sync pass: write the logs that changed; dirties the config if a leaf was faulted.
 */
void pool_dtls_sync(spa_t *spa, dmu_tx_t *tx);
/* Free the log of a leaf that leaves the pool. Syncing context. */
void pool_dtl_destroy(spa_t *spa, vdev_t *leaf, dmu_tx_t *tx);

#endif
