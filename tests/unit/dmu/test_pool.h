/*
 * A pool as the dmu sees one: the real rooms below (zio, metaslabs, txg threads) over
 * one file device, but no MOS. The test keeps root pointers and space maps in memory,
 * and plays the part of the pool's sync function.
 */
#ifndef TARN_TEST_POOL_H
#define TARN_TEST_POOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dmu/dmu_impl.h"

#define TP_MAX_OBJSETS 4
#define TP_MAX_MS 512

typedef struct test_pool test_pool_t;
typedef struct tp_objset {
	test_pool_t *to_tp;
	objset_t *to_os;
	uint64_t to_dsobj;
	blkptr_t to_root;  /* as of the last commit */
	uint64_t to_space; /* Σ asize born − killed */
} tp_objset_t;

struct test_pool {
	spa_t *tp_spa;
	range_tree_t *tp_map[TP_MAX_MS]; /* free space "on disk" */
	tp_objset_t tp_os[TP_MAX_OBJSETS];
	int tp_nos;
	const objset_ops_t *tp_ops;
	/* called after each pass of a sync; may dirty object sets in tx */
	void (*tp_after_pass)(test_pool_t *tp, dmu_tx_t *tx, int pass);
	void *tp_arg;
	uint64_t tp_passes; /* most in one txg */
	uint64_t tp_txgs;
};

int tp_group_setup(void **state);
int tp_group_teardown(void **state);
test_pool_t *tp_create(void);
void tp_destroy(test_pool_t *tp);
/* dsobj 0 makes it an MOS. Synced. */
objset_t *tp_objset_create(test_pool_t *tp, uint64_t dsobj, dmu_objset_type_t type);
objset_t *tp_objset(test_pool_t *tp, int i);
/* All that was committed so far is on disk. */
void tp_sync(test_pool_t *tp);
/* Forget everything in memory and open all object sets again. */
void tp_reopen(test_pool_t *tp);
/*
 * Walk everything stored: used space of every object, fill counts, levels, that what
 * was born and not killed is what is reachable, and that nothing else is allocated. The
 * pool must be quiet.
 */
void tp_verify(test_pool_t *tp);
/* The walk of one object set: used space, fill counts; returns Σ asize. */
uint64_t tp_walk(spa_t *spa, uint64_t dsobj, const blkptr_t *root);
/* Make the device fail reads with `error` (0: work again), after `skip` more. */
void tp_fail_reads(test_pool_t *tp, int error, uint64_t skip);

/* One transaction that may touch anything of object. */
dmu_tx_t *tp_tx(objset_t *os, uint64_t object);
uint64_t tp_alloc(objset_t *os, int blksz);
void tp_write(objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed);
/* Does the range hold what tp_write wrote with this seed? */
void tp_expect(
    objset_t *os, uint64_t object, uint64_t off, uint64_t len, uint64_t seed);
void tp_expect_zero(objset_t *os, uint64_t object, uint64_t off, uint64_t len);
void tp_pattern(void *buf, uint64_t off, uint64_t len, uint64_t seed);
uint64_t tp_seed(void); /* TARN_SEED or random; printed */

#endif
