/*
 * Range trees. Every segment hangs in a tree ordered by address; in a `sized` tree
 * (free space of a metaslab) also in one ordered by (size, address), so that both
 * "what follows this address" and "what is the smallest that fits" take O(log n).
 *
 * The cost that matters is the allocator's: it nibbles at the front of one segment
 * thousands of times. So shrinking and growing happen in place, and the size tree is
 * touched only if the new size changes the segment's rank among its neighbours there:
 * the largest segment of a metaslab can be eaten up without a single rebalance.
 *
 * The functions for trusted callers panic on a contradiction, because going on would
 * give the same space out twice; the try_ variants look first and change nothing.
 */
#include "spa/range_tree.h"

#include <pthread.h>

static kmem_cache_t *range_seg_cache;

static void
range_tree_once(void)
{
	range_seg_cache = kmem_cache_create(
	    "range_seg", sizeof(range_seg_t), 0, NULL, NULL, NULL, NULL, NULL, 0);
}

static range_seg_t *
seg_alloc(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, range_tree_once);
	return (kmem_cache_alloc(range_seg_cache, KM_SLEEP));
}

/*
 * Overlapping segments compare equal: a search for [a, b) finds any segment that
 * touches it. No two segments of a tree overlap, so the order is strict among them.
 */
static int
seg_compare(const void *x, const void *y)
{
	const range_seg_t *a = x, *b = y;

	if (a->rs_end <= b->rs_start)
		return (-1);
	return (a->rs_start >= b->rs_end);
}

static int
seg_compare_size(const void *x, const void *y)
{
	const range_seg_t *a = x, *b = y;
	const uint64_t as = a->rs_end - a->rs_start, bs = b->rs_end - b->rs_start;

	if (as != bs)
		return (as < bs ? -1 : 1);
	if (a->rs_start == b->rs_start)
		return (0);
	return (a->rs_start < b->rs_start ? -1 : 1);
}

static void
stat_incr(range_tree_t *rt, const range_seg_t *rs)
{
	const uint64_t size = rs->rs_end - rs->rs_start;

	rt->rt_space += size;
	rt->rt_histogram[highbit64(size) - 1]++;
}

static void
stat_decr(range_tree_t *rt, const range_seg_t *rs)
{
	const uint64_t size = rs->rs_end - rs->rs_start;

	ASSERT3U(rt->rt_space, >=, size);
	rt->rt_space -= size;
	ASSERT(rt->rt_histogram[highbit64(size) - 1] > 0);
	rt->rt_histogram[highbit64(size) - 1]--;
}

range_tree_t *
range_tree_create(bool by_size)
{
	range_tree_t *rt = kmem_zalloc(sizeof(*rt), KM_SLEEP);

	avl_create(&rt->rt_root, seg_compare, sizeof(range_seg_t),
	    offsetof(range_seg_t, rs_node));
	avl_create(&rt->rt_by_size, seg_compare_size, sizeof(range_seg_t),
	    offsetof(range_seg_t, rs_pp_node));
	rt->rt_sized = by_size;
	return (rt);
}

void
range_tree_destroy(range_tree_t *rt)
{
	VERIFY(avl_is_empty(&rt->rt_root));
	ASSERT0(rt->rt_space);
	avl_destroy(&rt->rt_root);
	avl_destroy(&rt->rt_by_size);
	kmem_free(rt, sizeof(*rt));
}

/* ---- changing one segment ------------------------------------------------------------- */

static void
seg_insert(range_tree_t *rt, uint64_t start, uint64_t end, avl_index_t *where)
{
	range_seg_t *rs = seg_alloc();

	memset(rs, 0, sizeof(*rs));
	rs->rs_start = start;
	rs->rs_end = end;
	if (where != NULL)
		avl_insert(&rt->rt_root, rs, *where);
	else
		avl_add(&rt->rt_root, rs);
	if (rt->rt_sized)
		avl_add(&rt->rt_by_size, rs);
	stat_incr(rt, rs);
}

static void
seg_delete(range_tree_t *rt, range_seg_t *rs)
{
	stat_decr(rt, rs);
	avl_remove(&rt->rt_root, rs);
	if (rt->rt_sized)
		avl_remove(&rt->rt_by_size, rs);
	kmem_cache_free(range_seg_cache, rs);
}

/* Is rs, after its bounds changed, still between its neighbours in the size tree? */
static bool
seg_keeps_rank(range_tree_t *rt, range_seg_t *rs)
{
	range_seg_t *prev = avl_prev(&rt->rt_by_size, rs);

	if (prev != NULL && seg_compare_size(prev, rs) >= 0)
		return (false);
	range_seg_t *next = avl_next(&rt->rt_by_size, rs);
	return (next == NULL || seg_compare_size(rs, next) < 0);
}

/*
 * Change a segment's bounds. The caller guarantees that it still overlaps no other:
 * its place in the address tree therefore stays.
 */
static void
seg_resize(range_tree_t *rt, range_seg_t *rs, uint64_t start, uint64_t end)
{
	const uint64_t old_start = rs->rs_start, old_end = rs->rs_end;

	stat_decr(rt, rs);
	rs->rs_start = start;
	rs->rs_end = end;
	if (rt->rt_sized && !seg_keeps_rank(rt, rs)) {
		rs->rs_start = old_start;
		rs->rs_end = old_end;
		avl_remove(&rt->rt_by_size, rs);
		rs->rs_start = start;
		rs->rs_end = end;
		avl_add(&rt->rt_by_size, rs);
	}
	stat_incr(rt, rs);
}

/* Any segment that overlaps the range. */
static range_seg_t *
seg_find(range_tree_t *rt, uint64_t start, uint64_t end, avl_index_t *where)
{
	const range_seg_t key = {.rs_start = start, .rs_end = end};

	return (avl_find(&rt->rt_root, &key, where));
}

static bool
range_is_sane(uint64_t start, uint64_t size)
{
	return (size != 0 && start + size > start);
}

/* Cut [start, end), which lies within rs, out of it. */
static void
seg_cut(range_tree_t *rt, range_seg_t *rs, uint64_t start, uint64_t end)
{
	const uint64_t seg_start = rs->rs_start, seg_end = rs->rs_end;

	if (seg_start == start && seg_end == end) {
		seg_delete(rt, rs);
	} else if (seg_start == start) {
		seg_resize(rt, rs, end, seg_end);
	} else if (seg_end == end) {
		seg_resize(rt, rs, seg_start, start);
	} else {
		seg_resize(rt, rs, seg_start, start);
		seg_insert(rt, end, seg_end, NULL);
	}
}

/* ---- adding and removing -------------------------------------------------------------- */

int
range_tree_try_add(range_tree_t *rt, uint64_t start, uint64_t size)
{
	const uint64_t end = start + size;
	avl_index_t where;

	if (!range_is_sane(start, size) || seg_find(rt, start, end, &where) != NULL)
		return (EINVAL);
	range_seg_t *before = avl_nearest(&rt->rt_root, where, AVL_BEFORE);
	range_seg_t *after = avl_nearest(&rt->rt_root, where, AVL_AFTER);
	const bool merge_before = before != NULL && before->rs_end == start;
	const bool merge_after = after != NULL && after->rs_start == end;

	if (merge_before && merge_after) {
		const uint64_t new_end = after->rs_end;
		seg_delete(rt, after);
		seg_resize(rt, before, before->rs_start, new_end);
	} else if (merge_before) {
		seg_resize(rt, before, before->rs_start, end);
	} else if (merge_after) {
		seg_resize(rt, after, start, after->rs_end);
	} else {
		seg_insert(rt, start, end, &where);
	}
	return (0);
}

int
range_tree_try_remove(range_tree_t *rt, uint64_t start, uint64_t size)
{
	const uint64_t end = start + size;

	if (!range_is_sane(start, size))
		return (EINVAL);
	range_seg_t *rs = seg_find(rt, start, end, NULL);
	if (rs == NULL || rs->rs_start > start || rs->rs_end < end)
		return (EINVAL);
	seg_cut(rt, rs, start, end);
	return (0);
}

void
range_tree_add(range_tree_t *rt, uint64_t start, uint64_t size)
{
	if (range_tree_try_add(rt, start, size) != 0)
		panic("range %" PRIx64 "+%" PRIx64 " added twice", start, size);
}

void
range_tree_remove(range_tree_t *rt, uint64_t start, uint64_t size)
{
	if (range_tree_try_remove(rt, start, size) != 0)
		panic(
		    "range %" PRIx64 "+%" PRIx64 " removed but not there", start, size);
}

void
range_tree_clear(range_tree_t *rt, uint64_t start, uint64_t size)
{
	const uint64_t end = start + size;
	range_seg_t *rs;

	if (!range_is_sane(start, size))
		return;
	while ((rs = seg_find(rt, start, end, NULL)) != NULL)
		seg_cut(rt, rs, MAX(start, rs->rs_start), MIN(end, rs->rs_end));
}

/* ---- asking --------------------------------------------------------------------------- */

bool
range_tree_contains(range_tree_t *rt, uint64_t start, uint64_t size)
{
	if (!range_is_sane(start, size))
		return (false);
	const range_seg_t *rs = seg_find(rt, start, start + size, NULL);
	return (rs != NULL && rs->rs_start <= start && rs->rs_end >= start + size);
}

bool
range_tree_overlaps(range_tree_t *rt, uint64_t start, uint64_t size)
{
	return (range_is_sane(start, size) &&
		seg_find(rt, start, start + size, NULL) != NULL);
}

range_seg_t *
range_tree_find(range_tree_t *rt, uint64_t start, uint64_t size)
{
	avl_index_t where;

	if (!range_is_sane(start, size))
		return (NULL);
	range_seg_t *rs = seg_find(rt, start, start + 1, &where);
	if (rs == NULL)
		rs = avl_nearest(&rt->rt_root, where, AVL_AFTER);
	return (rs != NULL && rs->rs_start < start + size ? rs : NULL);
}

uint64_t
range_tree_space(const range_tree_t *rt)
{
	return (rt->rt_space);
}

uint64_t
range_tree_numsegs(range_tree_t *rt)
{
	return (avl_numnodes(&rt->rt_root));
}

bool
range_tree_is_empty(range_tree_t *rt)
{
	return (avl_is_empty(&rt->rt_root));
}

range_seg_t *
range_tree_first(range_tree_t *rt)
{
	return (avl_first(&rt->rt_root));
}

range_seg_t *
range_tree_next(range_tree_t *rt, range_seg_t *rs)
{
	return (avl_next(&rt->rt_root, rs));
}

range_seg_t *
range_tree_find_fit(range_tree_t *rt, uint64_t size)
{
	const range_seg_t key = {.rs_start = 0, .rs_end = size};
	avl_index_t where;

	ASSERT(rt->rt_sized);
	range_seg_t *rs = avl_find(&rt->rt_by_size, &key, &where);
	return (rs != NULL ? rs : avl_nearest(&rt->rt_by_size, where, AVL_AFTER));
}

bool
range_tree_find_from(range_tree_t *rt, uint64_t from, uint64_t size,
    uint64_t max_visits, uint64_t *startp)
{
	avl_index_t where;
	range_seg_t *rs = seg_find(rt, from, from + 1, &where);

	if (rs == NULL)
		rs = avl_nearest(&rt->rt_root, where, AVL_AFTER);
	for (; rs != NULL && max_visits > 0;
	     rs = avl_next(&rt->rt_root, rs), max_visits--) {
		const uint64_t start = MAX(rs->rs_start, from);
		if (rs->rs_end - start >= size) {
			*startp = start;
			return (true);
		}
	}
	return (false);
}

uint64_t
range_tree_max(range_tree_t *rt)
{
	ASSERT(rt->rt_sized);
	const range_seg_t *rs = avl_last(&rt->rt_by_size);
	return (rs == NULL ? 0 : rs->rs_end - rs->rs_start);
}

/* ---- whole trees ---------------------------------------------------------------------- */

void
range_tree_walk(
    range_tree_t *rt, void (*func)(void *arg, uint64_t start, uint64_t size), void *arg)
{
	for (range_seg_t *rs = avl_first(&rt->rt_root); rs != NULL;
	     rs = avl_next(&rt->rt_root, rs))
		func(arg, rs->rs_start, rs->rs_end - rs->rs_start);
}

void
range_tree_vacate(
    range_tree_t *rt, void (*func)(void *arg, uint64_t start, uint64_t size), void *arg)
{
	void *cookie = NULL;
	range_seg_t *rs;

	if (rt->rt_sized)
		while (avl_destroy_nodes(&rt->rt_by_size, &cookie) != NULL)
			continue;
	cookie = NULL;
	while ((rs = avl_destroy_nodes(&rt->rt_root, &cookie)) != NULL) {
		if (func != NULL)
			func(arg, rs->rs_start, rs->rs_end - rs->rs_start);
		kmem_cache_free(range_seg_cache, rs);
	}
	rt->rt_space = 0;
	memset(rt->rt_histogram, 0, sizeof(rt->rt_histogram));
}

void
range_tree_swap(range_tree_t **a, range_tree_t **b)
{
	range_tree_t *t = *a;

	*a = *b;
	*b = t;
}

void
range_tree_remove_all(range_tree_t *rt, range_tree_t *what)
{
	for (range_seg_t *rs = avl_first(&what->rt_root); rs != NULL;
	     rs = avl_next(&what->rt_root, rs))
		range_tree_clear(rt, rs->rs_start, rs->rs_end - rs->rs_start);
}
