/*
 * Locks on parts of a file, so that reads and writes of disjoint ranges run side by
 * side and each read sees each write whole or not at all. Fair enough: a waiting writer
 * keeps later readers of its range out.
 */
#ifndef TARN_ZPL_RANGELOCK_H
#define TARN_ZPL_RANGELOCK_H

#include "spl/spl.h"

typedef struct zpl_rangelock {
	kmutex_t rl_lock;
	kcondvar_t rl_cv;
	list_t rl_list; /* held and waiting, in order of arrival */
} zpl_rangelock_t;

typedef struct zpl_range {
	list_node_t r_node;
	uint64_t r_off, r_end; /* end exclusive; UINT64_MAX: to the end of all */
	bool r_write;
} zpl_range_t;

void zpl_rangelock_init(zpl_rangelock_t *rl);
void zpl_rangelock_fini(zpl_rangelock_t *rl);
/* len UINT64_MAX: everything from off. */
void zpl_range_enter(
    zpl_rangelock_t *rl, zpl_range_t *r, uint64_t off, uint64_t len, bool write);
/* Give part of it back: keep only [off, off + len), which lies inside. */
void zpl_range_reduce(zpl_rangelock_t *rl, zpl_range_t *r, uint64_t off, uint64_t len);
void zpl_range_exit(zpl_rangelock_t *rl, zpl_range_t *r);

#endif
