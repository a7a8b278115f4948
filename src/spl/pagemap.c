/*
 * The page map: for each page that kmem uses, the slab or allocation on it.
 *
 * It answers "whose is this address" in two loads without a lock: for free() of
 * the preload library, which gets no size; for the checks of every free; for
 * inspection. Two levels: 2^17 pointers (1 GiB of addresses each) to leaves of 2^18
 * words. Leaves are mapped on demand and never freed; untouched pages of them
 * cost nothing, the rest 8 bytes per page mapped, 0.2 %.
 *
 * A word is a cache's index in the high 16 bits and its slab's address below, or
 * one of the special kinds (PM_LARGE, PM_GUARD), or 0. Words are written by
 * whoever owns the pages and read atomically by anybody.
 */
#include "spl/kmem_impl.h"
#include "spl/vmem_impl.h"

uint64_t *pagemap_root[PM_ROOTS];
static kmutex_t pagemap_lock = MUTEX_INITIALIZER;

static uint64_t *
pagemap_leaf(uintptr_t page)
{
	uint64_t **slot = &pagemap_root[page >> PM_LEAFSHIFT];
	uint64_t *leaf = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

	if (leaf != NULL)
		return (leaf);
	mutex_enter(&pagemap_lock);
	leaf = *slot;
	if (leaf == NULL) {
		leaf = kmem_own_map(sizeof(uint64_t) << PM_LEAFSHIFT);
		__atomic_store_n(slot, leaf, __ATOMIC_RELEASE);
	}
	mutex_exit(&pagemap_lock);
	return (leaf);
}

bool
pagemap_set(const void *addr, size_t size, uint64_t word)
{
	const uintptr_t first = (uintptr_t)addr >> 12;
	const uintptr_t last = ((uintptr_t)addr + size - 1) >> 12;

	for (uintptr_t page = first; page <= last; page++) {
		uint64_t *leaf = pagemap_leaf(page);
		if (leaf == NULL)
			return (false);
		__atomic_store_n(
		    &leaf[page & ((1 << PM_LEAFSHIFT) - 1)], word, __ATOMIC_RELEASE);
	}
	return (true);
}

void
pagemap_fork_prepare(void)
{
	mutex_enter(&pagemap_lock);
}

void
pagemap_fork_done(void)
{
	mutex_exit(&pagemap_lock);
}
