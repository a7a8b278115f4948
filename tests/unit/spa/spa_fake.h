/*
 * A pool without disks for the tests of the spa room: top-level vdevs that exist in memory alone, and
 * space maps that are range trees. fake_sync plays the sync thread's part towards metaslabs.
 */
#ifndef TARN_TEST_SPA_FAKE_H
#define TARN_TEST_SPA_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spa/spa.h"

#define FAKE_TOPS_MAX 8
#define FAKE_MS_MAX 256

typedef struct fake_pool {
	spa_t *fp_spa;
	vdev_t fp_root, fp_top[FAKE_TOPS_MAX];
	vdev_t *fp_children[FAKE_TOPS_MAX];
	/* free space by the space map "on disk" */
	range_tree_t *fp_map[FAKE_TOPS_MAX][FAKE_MS_MAX];
	kmutex_t fp_lock;
	uint64_t fp_txg;   /* the open one */
	uint64_t fp_loads; /* how often metaslabs were loaded */
	int fp_load_error; /* what loads fail with */
} fake_pool_t;

/* ntops vdevs of `ms` metaslabs of 2^ms_shift bytes. */
fake_pool_t *fake_pool_create(int ntops, uint64_t ms, uint64_t ms_shift, uint64_t ashift);
/* The same with other callbacks (real space maps). */
fake_pool_t *fake_pool_create_ops(const spa_upper_ops_t *ops, int ntops, uint64_t ms,
    uint64_t ms_shift, uint64_t ashift);
void fake_pool_destroy(fake_pool_t *fp);
/* One more vdev. */
void fake_pool_add(fake_pool_t *fp, uint64_t ms, uint64_t ms_shift, uint64_t ashift);
/* Commit fp_txg in one pass and open the next. */
void fake_sync(fake_pool_t *fp);
/* The same in steps. */
void fake_sync_pass(fake_pool_t *fp, uint64_t txg);
void fake_sync_done(fake_pool_t *fp, uint64_t txg);
uint64_t fake_free_on_disk(fake_pool_t *fp);

/* Allocate one copy; asserts success. */
dva_t fake_alloc(fake_pool_t *fp, uint64_t size);
void fake_free(fake_pool_t *fp, const dva_t *dva);

uint64_t test_seed(void); /* TARN_SEED or a random one; printed and set */
/* Run the statement; 1 if it panicked. */
extern jmp_buf test_panic_jmp;
void test_panic_leave(const char *msg);
#define PANICS(stmt) \
	(spl_panic_hook(test_panic_leave), \
	    setjmp(test_panic_jmp) == 0 ? ((void)(stmt), spl_panic_hook(NULL), 0) : \
					  (spl_panic_hook(NULL), 1))

#endif
