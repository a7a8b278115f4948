/*
 * A pool that is no pool: file devices, and an allocator that knows only how to go
 * forward. It remembers every range it gave out, so that a test can ask whether
 * something was allocated twice, freed twice or forgotten.
 */
#ifndef TARN_TEST_FAKE_SPA_H
#define TARN_TEST_FAKE_SPA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "vdev_helper.h"
#include "zio/zio.h"

struct spa {
	vdev_t *root;
	kmutex_t lock;
	kcondvar_t cv;
	avl_tree_t ranges;  /* allocated */
	uint64_t next[8];   /* next free offset of each top-level */
	uint64_t allocated; /* bytes, all top-levels */
	uint64_t max_alloc; /* larger requests: ENOSPC */
	int fail_after;	    /* so many allocations succeed, then ENOSPC; -1: never */
	uint64_t config_holds;
	bool writeable, embedded, hole_birth;
	uint64_t min_alloc;
	int pass;
	zio_cksum_salt_t salt;
	/* what happened */
	int data_errors, suspensions, config_entries;
	bool resume; /* zso_suspend waits for it; stays until a test takes it back */
	bool give_up;
	zbookmark_phys_t last_error;
};

extern const zio_spa_ops_t fake_spa_ops;

/* nv (taken over) is the root node. */
spa_t *fake_spa_open(nvlist_t *nv, bool writable);
/* Over an open tree; it is freed with the pool. */
spa_t *fake_spa_adopt(vdev_t *root, bool writable);
/* Asserts that all configuration holds are gone. Leaves devices alone. */
void fake_spa_close(spa_t *spa);
/* For zso_suspend: let the writes go on. */
void fake_spa_resume(spa_t *spa);
/* Wait until a write has suspended the pool n times in all. */
void fake_spa_wait_suspended(spa_t *spa, int n);

zio_prop_t fake_prop(enum zio_compress c, enum zio_checksum sum, int copies);
/* Write and wait; asserts success. */
void fake_write(spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data, uint64_t size,
    const zio_prop_t *zp);
int fake_read(
    spa_t *spa, const blkptr_t *bp, void *data, uint64_t size, uint32_t flags);

int fake_group_setup(void **state);
int fake_group_teardown(void **state);

#endif
