/*
 * A toy in place of the dmu: objects in memory, transactions that always succeed
 * (unless told otherwise). For unit tests of the rooms above that want no pool.
 *
 * It is unkind on purpose: db_data moves on the first dmu_buf_will_dirty of a txg,
 * unheld buffers lose their user objects now and then, uncovered (not held) changes
 * panic.
 */
#ifndef TARN_TOY_DMU_H
#define TARN_TOY_DMU_H

#include "dmu/dmu.h"

objset_t *toy_objset_create(uint64_t seed);
void toy_objset_destroy(objset_t *os); /* checks that nothing is held */

/* From now on every n-th dmu_buf_hold of a data block fails with err; 0: never. */
void toy_fail_reads(objset_t *os, uint64_t n, int err);
/* Fail the n-th assignment from now (1: the next) with err; 0: none. */
void toy_fail_assign(objset_t *os, uint64_t n, int err);
/* Drop every user object of unheld buffers, as if the cache had been emptied. */
void toy_evict(objset_t *os);
/* Every `n` transactions a new txg begins (default 16). */
void toy_txg_length(objset_t *os, uint64_t n);
/* All pool features are on (process wide). */
void toy_enable_features(bool on);
uint64_t toy_held(objset_t *os);    /* outstanding holds */
uint64_t toy_objects(objset_t *os); /* allocated objects */
/* Overwrite bytes of a block (damage). */
void toy_poke(
    objset_t *os, uint64_t object, uint64_t off, const void *data, size_t len);
/* Bytes 0…size of an object from another source (fixtures); claims the object. */
void toy_load_object(objset_t *os, uint64_t object, dmu_object_type_t type,
    int blocksize, const void *data, uint64_t size);

#endif
