/*
 * Range trees: sets of disjoint segments [start, end), adjacent ones merged.
 * Locking is the owner's.
 */
#ifndef TARN_RANGE_TREE_H
#define TARN_RANGE_TREE_H

#include "spl/spl.h"

typedef struct range_seg {
	avl_node_t rs_node;    /* by start */
	avl_node_t rs_pp_node; /* by size, then start (only with by_size) */
	uint64_t rs_start, rs_end;
} range_seg_t;

typedef struct range_tree {
	avl_tree_t rt_root;
	avl_tree_t rt_by_size;
	bool rt_sized;
	uint64_t rt_space; /* Σ bytes */
	uint64_t rt_histogram[64];
} range_tree_t;

range_tree_t *range_tree_create(bool by_size);
void range_tree_destroy(range_tree_t *rt); /* must be empty: vacate first */
/* add: panics if any part is there; remove: panics if any part is missing. */
void range_tree_add(range_tree_t *rt, uint64_t start, uint64_t size);
void range_tree_remove(range_tree_t *rt, uint64_t start, uint64_t size);
/* The same for hostile input: EINVAL instead of panic, nothing changed. */
int range_tree_try_add(range_tree_t *rt, uint64_t start, uint64_t size);
int range_tree_try_remove(range_tree_t *rt, uint64_t start, uint64_t size);
/* Remove whatever part of the range is there. */
void range_tree_clear(range_tree_t *rt, uint64_t start, uint64_t size);
bool range_tree_contains(range_tree_t *rt, uint64_t start, uint64_t size);
bool range_tree_overlaps(range_tree_t *rt, uint64_t start, uint64_t size);
uint64_t range_tree_space(const range_tree_t *rt);
uint64_t range_tree_numsegs(range_tree_t *rt);
bool range_tree_is_empty(range_tree_t *rt);
range_seg_t *range_tree_first(range_tree_t *rt);
/* The lowest segment that overlaps the range; NULL. */
range_seg_t *range_tree_find(range_tree_t *rt, uint64_t start, uint64_t size);
range_seg_t *range_tree_next(range_tree_t *rt, range_seg_t *rs);
void range_tree_walk(
    range_tree_t *rt, void (*func)(void *arg, uint64_t start, uint64_t size), void *arg);
/* Empty the tree, calling func (may be NULL) for each segment. */
void range_tree_vacate(
    range_tree_t *rt, void (*func)(void *arg, uint64_t start, uint64_t size), void *arg);
void range_tree_swap(range_tree_t **a, range_tree_t **b);
/* Smallest segment >= size, aligned start; NULL. Needs by_size. */
range_seg_t *range_tree_find_fit(range_tree_t *rt, uint64_t size);
/*
 * First fit: the lowest start >= from with `size` bytes free behind it, looking at no more
 * than max_visits segments. False: none among those.
 */
bool range_tree_find_from(range_tree_t *rt, uint64_t from, uint64_t size,
    uint64_t max_visits, uint64_t *startp);
uint64_t range_tree_max(range_tree_t *rt); /* largest segment (by_size), bytes */
/* Remove from rt whatever it shares with `what`. */
void range_tree_remove_all(range_tree_t *rt, range_tree_t *what);

#endif
