/*
 * vmem arenas.
 *
 * The problem. Allocators of ranges in the textbook way search: first fit walks a
 * list, best fit a tree, and both slow down as an arena ages. The slab allocator
 * above asks for few sizes, but for any number of pieces, so the cost must not
 * depend on their number.
 *
 * The idea (Bonwick & Adams 2001, section 4). Every segment, allocated or free,
 * has a boundary tag outside of the resource itself (it may be mere numbers). All
 * tags of an arena form one list by address, so a freed segment finds its
 * neighbours and coalesces in constant time. Free segments also sit in one of 64
 * lists, list n holding the sizes [2^n, 2^(n+1)). A request of size s is certain to
 * fit any segment of list ceil(log2(s)) or above: "instant fit" takes the head of
 * the first non-empty one, found in a bitmap. Allocated segments sit in a hash by
 * address that doubles with its load, so free finds the tag in constant time and
 * checks the size the caller claims.
 *
 * Spans. An arena with a source imports spans of at least vm_import_min (512 KiB:
 * the system's page allocator is easily overwhelmed by small requests) and releases
 * one when it is all free. Spans do not coalesce with each other: a span marker
 * stands between them in the list.
 *
 * Memory arenas (VMC_MEMORY) remember which free segments may have pages behind
 * them (vs_age > 0); vmem_purge() discards these, so that the resident size of the
 * process tells the truth even if a span cannot be released as a whole.
 *
 * Invariants, under vm_lock:
 *  - segments of a span follow their marker by address without gap and end where
 *    it ends; no two neighbours are both free;
 *  - a segment is in exactly one of freelist and hash, according to vs_type;
 *  - vm_freemap tells which lists have something.
 *
 * Locks: vm_lock of an arena, then nothing but the tag pool's lock. The source is
 * called without it (an import can race with another; both add their span).
 *
 * What can fail: the source, the system's memory for tags. Both give NULL.
 */
#include <stdio.h>
#include <string.h>

#include "spl/vmem_impl.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/debug.h"
#include "spl/kmem.h"
#include "spl/kmem_impl.h"

#define SEG_POOL_BYTES (64 * 1024)
#define SEG_POOL_MAX (4 * 1024 * 1024)
#define VMEM_SLEEP_NS (100 * 1000000LL)

/* Boundary tags come from pages of their own and are never given back. */
static kmutex_t seg_pool_lock = MUTEX_INITIALIZER;
static vmem_seg_t *seg_pool;

static kmutex_t vmem_list_lock = MUTEX_INITIALIZER;
static vmem_t *vmem_list;

static vmem_seg_t *
seg_get(void)
{
	vmem_seg_t *vsp;

	mutex_enter(&seg_pool_lock);
	if (seg_pool == NULL) {
		static size_t bytes = SEG_POOL_BYTES;
		vmem_seg_t *more = kmem_own_map(bytes);
		if (more == NULL) {
			mutex_exit(&seg_pool_lock);
			return (NULL);
		}
		for (size_t i = 0; i < bytes / sizeof(*more); i++) {
			more[i].vs_knext = seg_pool;
			seg_pool = &more[i];
		}
		/* Fewer and larger pieces as the need grows. */
		if (bytes < SEG_POOL_MAX)
			bytes *= 2;
	}
	vsp = seg_pool;
	seg_pool = vsp->vs_knext;
	mutex_exit(&seg_pool_lock);
	return (vsp);
}

static void
seg_put(vmem_seg_t *vsp)
{
	if (vsp == NULL)
		return;
	mutex_enter(&seg_pool_lock);
	vsp->vs_knext = seg_pool;
	seg_pool = vsp;
	mutex_exit(&seg_pool_lock);
}

static inline size_t
seg_size(const vmem_seg_t *vsp)
{
	return (vsp->vs_end - vsp->vs_start);
}

/* ---- the two orders: by address, and by kind ---- */

static void
seg_link_after(vmem_seg_t *at, vmem_seg_t *vsp)
{
	vsp->vs_aprev = at;
	vsp->vs_anext = at->vs_anext;
	at->vs_anext->vs_aprev = vsp;
	at->vs_anext = vsp;
}

static void
seg_unlink(vmem_seg_t *vsp)
{
	vsp->vs_aprev->vs_anext = vsp->vs_anext;
	vsp->vs_anext->vs_aprev = vsp->vs_aprev;
}

static void
freelist_insert(vmem_t *vmp, vmem_seg_t *vsp)
{
	const int i = highbit64(seg_size(vsp)) - 1;
	vmem_seg_t *head = &vmp->vm_freelist[i];

	vsp->vs_type = VS_FREE;
	vsp->vs_kprev = head;
	vsp->vs_knext = head->vs_knext;
	head->vs_knext->vs_kprev = vsp;
	head->vs_knext = vsp;
	vmp->vm_freemap |= 1ULL << i;
}

static void
freelist_remove(vmem_t *vmp, vmem_seg_t *vsp)
{
	const int i = highbit64(seg_size(vsp)) - 1;
	vmem_seg_t *head = &vmp->vm_freelist[i];

	vsp->vs_kprev->vs_knext = vsp->vs_knext;
	vsp->vs_knext->vs_kprev = vsp->vs_kprev;
	if (head->vs_knext == head)
		vmp->vm_freemap &= ~(1ULL << i);
}

static inline size_t
hash_slot(const vmem_t *vmp, uintptr_t addr)
{
	return (((addr >> vmp->vm_qshift) * 0x9e3779b97f4a7c15ULL >> 20) &
	    (vmp->vm_hash_size - 1));
}

/* Double the hash; without memory for it the chains just grow. */
static void
hash_grow(vmem_t *vmp)
{
	const size_t oldsize = vmp->vm_hash_size;
	vmem_seg_t **old = vmp->vm_hash;
	vmem_seg_t **fresh = kmem_own_map(oldsize * 4 * sizeof(*fresh));

	if (fresh == NULL)
		return;
	vmp->vm_hash = fresh;
	vmp->vm_hash_size = oldsize * 4;
	for (size_t i = 0; i < oldsize; i++) {
		vmem_seg_t *next;
		for (vmem_seg_t *vsp = old[i]; vsp != NULL; vsp = next) {
			const size_t slot = hash_slot(vmp, vsp->vs_start);
			next = vsp->vs_knext;
			vsp->vs_knext = fresh[slot];
			fresh[slot] = vsp;
		}
	}
	kmem_own_unmap(old, MAX(oldsize * sizeof(*old), KMEM_PAGE));
}

static void
hash_insert(vmem_t *vmp, vmem_seg_t *vsp)
{
	if (vmp->vm_nalloc++ >= 2 * vmp->vm_hash_size)
		hash_grow(vmp);
	const size_t slot = hash_slot(vmp, vsp->vs_start);
	vsp->vs_type = VS_ALLOC;
	vsp->vs_knext = vmp->vm_hash[slot];
	vmp->vm_hash[slot] = vsp;
	vmp->vm_stat.vk_alloc++;
	vmp->vm_stat.vk_inuse += seg_size(vsp);
}

static vmem_seg_t *
hash_remove(vmem_t *vmp, uintptr_t addr, size_t size)
{
	vmem_seg_t **link = &vmp->vm_hash[hash_slot(vmp, addr)];

	while (*link != NULL && (*link)->vs_start != addr)
		link = &(*link)->vs_knext;
	vmem_seg_t *vsp = *link;
	if (vsp == NULL)
		panic("vmem_free(%s, %p, %zu): bad free: nothing is allocated there",
		    vmp->vm_name, (void *)addr, size);
	if (seg_size(vsp) != size)
		panic("vmem_free(%s, %p, %zu): wrong size (expect %zu)", vmp->vm_name,
		    (void *)addr, size, seg_size(vsp));
	*link = vsp->vs_knext;
	vmp->vm_nalloc--;
	vmp->vm_stat.vk_free++;
	vmp->vm_stat.vk_inuse -= size;
	return (vsp);
}

/* ---- spans ---- */

/*
 * Where to link a span. Spans added by hand are kept in order of address and must
 * not overlap (NULL if so). Imported ones are disjoint by contract with the source
 * and never coalesce, so they go to the end in constant time.
 */
static vmem_seg_t *
span_place(vmem_t *vmp, uintptr_t addr, size_t size)
{
	vmem_seg_t *place = &vmp->vm_seg0;

	for (vmem_seg_t *vsp = vmp->vm_seg0.vs_anext; vsp != &vmp->vm_seg0;
	    vsp = vsp->vs_anext) {
		if (vsp->vs_start < addr + size && vsp->vs_end > addr)
			return (NULL);
		if (vsp->vs_end <= addr)
			place = vsp;
	}
	return (place);
}

static void *
span_add(vmem_t *vmp, uintptr_t addr, size_t size, bool import)
{
	vmem_seg_t *at =
	    import ? vmp->vm_seg0.vs_aprev : span_place(vmp, addr, size);
	vmem_seg_t *span, *body;

	if (at == NULL || (span = seg_get()) == NULL)
		return (NULL);
	if ((body = seg_get()) == NULL) {
		seg_put(span);
		return (NULL);
	}
	*span = (vmem_seg_t){ .vs_start = addr, .vs_end = addr + size,
		.vs_type = VS_SPAN, .vs_import = import };
	*body = (vmem_seg_t){ .vs_start = addr, .vs_end = addr + size };
	seg_link_after(at, span);
	seg_link_after(span, body);
	freelist_insert(vmp, body);
	vmem_stat_t *vk = &vmp->vm_stat;
	vk->vk_total += size;
	vk->vk_spans++;
	vk->vk_spans_max = MAX(vk->vk_spans_max, vk->vk_spans);
	if (import) {
		vk->vk_import += size;
		vk->vk_spans_in++;
		vmp->vm_kept += size;
	}
	cv_broadcast(&vmp->vm_cv);
	return ((void *)addr);
}

/* A free segment that is all of an imported span. */
static bool
seg_is_idle_import(const vmem_seg_t *vsp)
{
	const vmem_seg_t *span = vsp->vs_aprev;

	return (vsp->vs_type == VS_FREE && span->vs_type == VS_SPAN && span->vs_import &&
	    span->vs_end == vsp->vs_end);
}

/* Take a wholly free imported span out of the arena; the caller releases it. */
static void
span_detach(vmem_t *vmp, vmem_seg_t *body)
{
	vmem_seg_t *span = body->vs_aprev;
	const size_t size = seg_size(body);

	freelist_remove(vmp, body);
	seg_unlink(body);
	seg_unlink(span);
	seg_put(body);
	seg_put(span);
	vmp->vm_kept -= size;
	vmp->vm_stat.vk_total -= size;
	vmp->vm_stat.vk_import -= size;
	vmp->vm_stat.vk_spans--;
	vmp->vm_stat.vk_spans_out++;
}

/* ---- allocation from the arena's own segments ---- */

typedef struct vmem_want {
	size_t size; /* in quanta */
	size_t align, phase, nocross;
	uintptr_t min, max; /* [min, max) */
} vmem_want_t;

/* Lowest address in [start, end) that suits, or 0. */
static uintptr_t
want_fit(const vmem_want_t *w, uintptr_t start, uintptr_t end)
{
	if (start < w->min)
		start = w->min;
	if (end > w->max)
		end = w->max;
	if (start >= end)
		return (0);
	/* First address >= start that is `phase` past a multiple of align. */
	uintptr_t at = P2ROUNDUP(start - w->phase, w->align) + w->phase;
	if (w->nocross != 0 && ((at ^ (at + w->size - 1)) & -(uintptr_t)w->nocross) != 0)
		at = P2ROUNDUP(P2ROUNDUP(at, w->nocross) - w->phase, w->align) + w->phase;
	if (at < start || at >= end || end - at < w->size ||
	    (w->nocross != 0 && ((at ^ (at + w->size - 1)) & -(uintptr_t)w->nocross) != 0))
		return (0);
	return (at);
}

/* Cut [addr, addr+size) out of a free segment and make it allocated. */
static bool
seg_carve(vmem_t *vmp, vmem_seg_t *vsp, uintptr_t addr, size_t size)
{
	vmem_seg_t *before = NULL, *after = NULL;

	if ((addr > vsp->vs_start && (before = seg_get()) == NULL) ||
	    (addr + size < vsp->vs_end && (after = seg_get()) == NULL)) {
		seg_put(before);
		return (false);
	}
	if (seg_is_idle_import(vsp))
		vmp->vm_kept -= seg_size(vsp);
	freelist_remove(vmp, vsp);
	if (before != NULL) {
		*before = (vmem_seg_t){ .vs_start = vsp->vs_start, .vs_end = addr,
			.vs_age = vsp->vs_age };
		seg_link_after(vsp->vs_aprev, before);
		freelist_insert(vmp, before);
	}
	if (after != NULL) {
		*after = (vmem_seg_t){ .vs_start = addr + size, .vs_end = vsp->vs_end,
			.vs_age = vsp->vs_age };
		seg_link_after(vsp, after);
		freelist_insert(vmp, after);
	}
	vsp->vs_start = addr;
	vsp->vs_end = addr + size;
	hash_insert(vmp, vsp);
	return (true);
}

/* A segment sure to fit: the head of the first list whose every size does. */
static vmem_seg_t *
instant_fit(vmem_t *vmp, size_t size)
{
	const int i = highbit64(size - 1);
	const uint64_t map = i < 64 ? vmp->vm_freemap & (~0ULL << i) : 0;

	return (map == 0 ? NULL : vmp->vm_freelist[lowbit64(map) - 1].vs_knext);
}

/*
 * Search the lists that may hold a fit, from small to large. Best fit: the
 * smallest of the first list that has one; otherwise whichever comes first.
 */
static vmem_seg_t *
search_freelists(vmem_t *vmp, const vmem_want_t *w, bool best, uintptr_t *addr)
{
	vmem_seg_t *found = NULL;

	for (int i = highbit64(w->size) - 1; i < VMEM_FREELISTS && found == NULL; i++) {
		vmem_seg_t *head = &vmp->vm_freelist[i];
		for (vmem_seg_t *vsp = head->vs_knext; vsp != head; vsp = vsp->vs_knext) {
			const uintptr_t at = want_fit(w, vsp->vs_start, vsp->vs_end);
			if (at == 0 || (found != NULL && seg_size(vsp) >= seg_size(found)))
				continue;
			found = vsp;
			*addr = at;
			if (!best)
				break;
		}
	}
	return (found);
}

/* By address from `from` on, going round once. */
static vmem_seg_t *
search_addresses(vmem_t *vmp, const vmem_want_t *w, uintptr_t from, uintptr_t *addr)
{
	for (int round = 0; round < 2; round++) {
		for (vmem_seg_t *vsp = vmp->vm_seg0.vs_anext; vsp != &vmp->vm_seg0;
		    vsp = vsp->vs_anext) {
			if (vsp->vs_type != VS_FREE || vsp->vs_end <= from)
				continue;
			uintptr_t at = want_fit(w, MAX(vsp->vs_start, from), vsp->vs_end);
			if (at != 0) {
				*addr = at;
				return (vsp);
			}
		}
		if (from == 0)
			break;
		from = 0;
	}
	return (NULL);
}

static void *
arena_alloc(vmem_t *vmp, const vmem_want_t *w, bool plain, int vmflag)
{
	uintptr_t addr = 0;
	vmem_seg_t *vsp = NULL;

	if (vmflag & (VM_NEXTFIT | VM_FIRSTFIT)) {
		vsp = search_addresses(
		    vmp, w, vmflag & VM_NEXTFIT ? vmp->vm_rotor : 0, &addr);
	} else if (plain && !(vmflag & VM_BESTFIT)) {
		vsp = instant_fit(vmp, w->size);
		if (vsp != NULL)
			addr = vsp->vs_start;
	}
	/* Instant fit overlooks large enough segments of the list below. */
	if (vsp == NULL && !(vmflag & (VM_NEXTFIT | VM_FIRSTFIT)))
		vsp = search_freelists(vmp, w, (vmflag & VM_BESTFIT) != 0, &addr);
	if (vsp == NULL || !seg_carve(vmp, vsp, addr, w->size))
		return (NULL);
	if (vmflag & VM_NEXTFIT)
		vmp->vm_rotor = addr + w->size;
	return ((void *)addr);
}

/*
 * Get a span that can hold the request. Called and returns with vm_lock held, but
 * drops it. Returns false if the source has nothing.
 */
static bool
arena_import(vmem_t *vmp, const vmem_want_t *w, int vmflag)
{
	size_t asize = w->size;

	if (vmp->vm_afunc == NULL || w->min != 0 || w->max != UINTPTR_MAX)
		return (false);
	/* Room to move the start to an aligned place, wherever the span comes to lie. */
	if (w->align > vmp->vm_quantum || w->nocross != 0)
		asize += MAX(w->align, vmp->vm_quantum) + w->nocross;
	asize = P2ROUNDUP(asize, vmp->vm_import_min);
	if (asize < w->size)
		return (false);
	mutex_exit(&vmp->vm_lock);
	void *span = vmp->vm_afunc(vmp->vm_source, asize,
	    vmflag & (VM_SLEEP | VM_NOSLEEP | VM_PUSHPAGE));
	mutex_enter(&vmp->vm_lock);
	if (span == NULL)
		return (false);
	if (span_add(vmp, (uintptr_t)span, asize, true) != NULL)
		return (true);
	mutex_exit(&vmp->vm_lock);
	if (vmp->vm_ffunc != NULL)
		vmp->vm_ffunc(vmp->vm_source, span, asize);
	mutex_enter(&vmp->vm_lock);
	return (false);
}

/* Would the request fit if everything were free? */
static bool
arena_could_fit(vmem_t *vmp, const vmem_want_t *w)
{
	for (vmem_seg_t *vsp = vmp->vm_seg0.vs_anext; vsp != &vmp->vm_seg0;
	    vsp = vsp->vs_anext) {
		if (vsp->vs_type == VS_SPAN &&
		    want_fit(w, vsp->vs_start, vsp->vs_end) != 0)
			return (true);
	}
	return (vmp->vm_afunc != NULL && w->min == 0 && w->max == UINTPTR_MAX);
}

static void *
arena_xalloc(vmem_t *vmp, const vmem_want_t *w, bool plain, int vmflag)
{
	void *addr;
	bool imported = true;

	mutex_enter(&vmp->vm_lock);
	for (;;) {
		addr = arena_alloc(vmp, w, plain, vmflag);
		if (addr != NULL || !imported)
			break;
		imported = arena_import(vmp, w, vmflag);
		if (imported || vmflag & VM_NOSLEEP)
			continue;
		/* The import dropped the lock: somebody may have freed meanwhile. */
		addr = arena_alloc(vmp, w, plain, vmflag);
		if (addr != NULL || vmp->vm_memory || !arena_could_fit(vmp, w))
			break;
		vmp->vm_stat.vk_wait++;
		(void)cv_reltimedwait(&vmp->vm_cv, &vmp->vm_lock, VMEM_SLEEP_NS);
		imported = true;
	}
	if (addr == NULL)
		vmp->vm_stat.vk_fail++;
	mutex_exit(&vmp->vm_lock);
	if (addr == NULL && vmflag & VM_PANIC)
		panic("vmem_alloc(%s, %zu): arena exhausted", vmp->vm_name, w->size);
	return (addr);
}

/* ---- public entry points ---- */

void *
vmem_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
    void *minaddr, void *maxaddr, int vmflag)
{
	const size_t q = vmp->vm_quantum;
	vmem_want_t w = { .size = P2ROUNDUP(size, q), .align = align == 0 ? q : align,
		.phase = phase, .nocross = nocross, .min = (uintptr_t)minaddr,
		.max = maxaddr == NULL ? UINTPTR_MAX : (uintptr_t)maxaddr };

	if (size == 0 || w.size < size || !ISP2(w.align) || !ISP2(nocross) ||
	    phase >= w.align || !IS_P2ALIGNED(phase, q) || w.min >= w.max ||
	    (nocross != 0 && (nocross < w.size || nocross < w.align)))
		return (NULL);
	if (w.align < q)
		w.align = q;
	return (arena_xalloc(vmp, &w, false, vmflag));
}

void *
vmem_alloc(vmem_t *vmp, size_t size, int vmflag)
{
	const vmem_want_t w = { .size = P2ROUNDUP(size, vmp->vm_quantum),
		.align = vmp->vm_quantum, .max = UINTPTR_MAX };

	if (size == 0 || w.size < size)
		return (NULL);
	if (w.size <= vmp->vm_qcache_max) {
		void *addr = kmem_cache_alloc(
		    vmp->vm_qcache[(w.size - 1) >> vmp->vm_qshift], KM_NOSLEEP);
		if (addr != NULL)
			return (addr);
		/* No room for a slab of pieces; a single piece may still be had. */
		(void)atomic_inc_64(&vmp->vm_qbypass);
	}
	return (arena_xalloc(vmp, &w, true, vmflag));
}

void
vmem_xfree(vmem_t *vmp, void *addr, size_t size)
{
	size = P2ROUNDUP(size, vmp->vm_quantum);
	mutex_enter(&vmp->vm_lock);
	vmem_seg_t *vsp = hash_remove(vmp, (uintptr_t)addr, size);
	vsp->vs_age = 1;
	vmem_seg_t *next = vsp->vs_anext, *prev = vsp->vs_aprev;
	if (next != &vmp->vm_seg0 && next->vs_type == VS_FREE) {
		freelist_remove(vmp, next);
		seg_unlink(next);
		vsp->vs_end = next->vs_end;
		seg_put(next);
	}
	if (prev->vs_type == VS_FREE) {
		freelist_remove(vmp, prev);
		seg_unlink(prev);
		vsp->vs_start = prev->vs_start;
		seg_put(prev);
	}
	freelist_insert(vmp, vsp);
	void *release = NULL;
	size_t release_size = 0;
	if (seg_is_idle_import(vsp)) {
		vmp->vm_kept += seg_size(vsp);
		if (vmp->vm_ffunc != NULL && vmp->vm_kept > vmp->vm_keep_max) {
			release = (void *)vsp->vs_start;
			release_size = seg_size(vsp);
			span_detach(vmp, vsp);
		}
	}
	cv_broadcast(&vmp->vm_cv);
	mutex_exit(&vmp->vm_lock);
	if (release != NULL)
		vmp->vm_ffunc(vmp->vm_source, release, release_size);
}

void
vmem_free(vmem_t *vmp, void *addr, size_t size)
{
	const size_t rsize = P2ROUNDUP(size, vmp->vm_quantum);
	struct kmem_cache *qc = rsize <= vmp->vm_qcache_max ?
	    vmp->vm_qcache[(rsize - 1) >> vmp->vm_qshift] : NULL;

	if (qc != NULL &&
	    (atomic_load_64(&vmp->vm_qbypass) == 0 || kmem_slab_owns(qc, addr)))
		kmem_cache_free(qc, addr);
	else
		vmem_xfree(vmp, addr, size);
}

void *
vmem_add(vmem_t *vmp, void *addr, size_t size, int vmflag)
{
	const uintptr_t start = (uintptr_t)addr;

	if (start == 0 || size == 0 || start + size < start ||
	    !IS_P2ALIGNED(start | size, vmp->vm_quantum))
		return (NULL);
	mutex_enter(&vmp->vm_lock);
	void *added = span_add(vmp, start, size, false);
	mutex_exit(&vmp->vm_lock);
	return (added);
}

bool
vmem_contains(vmem_t *vmp, void *addr, size_t size)
{
	const uintptr_t start = (uintptr_t)addr;
	bool found = false;

	mutex_enter(&vmp->vm_lock);
	vmem_seg_t *vsp = vmp->vm_seg0.vs_anext;
	for (; vsp != &vmp->vm_seg0 && !found; vsp = vsp->vs_anext)
		found = vsp->vs_type == VS_SPAN && start >= vsp->vs_start &&
		    start < vsp->vs_end && vsp->vs_end - start >= size;
	mutex_exit(&vmp->vm_lock);
	return (found);
}

void
vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *arg, void *addr, size_t size),
    void *arg)
{
	static const int mask_of[] = { [VS_SPAN] = VMEM_SPAN, [VS_ALLOC] = VMEM_ALLOC,
		[VS_FREE] = VMEM_FREE };

	mutex_enter(&vmp->vm_lock);
	for (vmem_seg_t *vsp = vmp->vm_seg0.vs_anext; vsp != &vmp->vm_seg0;
	    vsp = vsp->vs_anext) {
		if (mask_of[vsp->vs_type] & typemask)
			func(arg, (void *)vsp->vs_start, seg_size(vsp));
	}
	mutex_exit(&vmp->vm_lock);
}

size_t
vmem_size(vmem_t *vmp, int typemask)
{
	size_t size = 0;

	mutex_enter(&vmp->vm_lock);
	if (typemask & VMEM_ALLOC)
		size += vmp->vm_stat.vk_inuse;
	if (typemask & VMEM_FREE)
		size += vmp->vm_stat.vk_total - vmp->vm_stat.vk_inuse;
	mutex_exit(&vmp->vm_lock);
	return (size);
}

void
vmem_set_import(vmem_t *vmp, size_t bytes)
{
	VERIFY(bytes > 0 && ISP2(bytes));
	mutex_enter(&vmp->vm_lock);
	vmp->vm_import_min = MAX(bytes, vmp->vm_quantum);
	mutex_exit(&vmp->vm_lock);
}

void
vmem_set_keep(vmem_t *vmp, size_t bytes)
{
	mutex_enter(&vmp->vm_lock);
	vmp->vm_keep_max = bytes;
	mutex_exit(&vmp->vm_lock);
}

/* Release idle spans (old enough), in batches as the lock must not be held. */
static size_t
purge_spans(vmem_t *vmp, uint8_t min_age)
{
	struct {
		void *addr;
		size_t size;
	} batch[64];
	size_t n, given = 0;

	do {
		vmem_seg_t *vsp, *next;
		n = 0;
		mutex_enter(&vmp->vm_lock);
		for (vsp = vmp->vm_seg0.vs_anext; vmp->vm_kept > 0 &&
		    n < ARRAY_SIZE(batch) && vsp != &vmp->vm_seg0; vsp = next) {
			next = vsp->vs_anext;
			if (!seg_is_idle_import(vsp) ||
			    (vsp->vs_age != 0 && vsp->vs_age < min_age))
				continue;
			batch[n].addr = (void *)vsp->vs_start;
			batch[n++].size = seg_size(vsp);
			span_detach(vmp, vsp);
		}
		mutex_exit(&vmp->vm_lock);
		for (size_t i = 0; i < n; i++) {
			vmp->vm_ffunc(vmp->vm_source, batch[i].addr, batch[i].size);
			given += batch[i].size;
		}
	} while (n == ARRAY_SIZE(batch));
	return (given);
}

size_t
vmem_purge(vmem_t *vmp, bool aged)
{
	const uint8_t min_age = aged ? 2 : 1;
	size_t given = 0;

	if (vmp->vm_ffunc != NULL)
		given += purge_spans(vmp, min_age);
	mutex_enter(&vmp->vm_lock);
	for (vmem_seg_t *vsp = vmp->vm_seg0.vs_anext; vsp != &vmp->vm_seg0;
	    vsp = vsp->vs_anext) {
		if (vsp->vs_type != VS_FREE || vsp->vs_age == 0)
			continue;
		if (vsp->vs_age < min_age || !vmp->vm_memory) {
			vsp->vs_age = MIN(vsp->vs_age + 1, 2);
			continue;
		}
		/* Whole pages only, where the quantum is smaller. */
		const uintptr_t from = P2ROUNDUP(vsp->vs_start, KMEM_PAGE);
		const uintptr_t to = P2ALIGN(vsp->vs_end, KMEM_PAGE);
		vsp->vs_age = 0;
		if (from >= to)
			continue;
		vmem_os_discard((void *)from, to - from);
		given += to - from;
		vmp->vm_stat.vk_purged += to - from;
	}
	mutex_exit(&vmp->vm_lock);
	return (given);
}

void
vmem_stats(vmem_t *vmp, vmem_stat_t *vk)
{
	mutex_enter(&vmp->vm_lock);
	*vk = vmp->vm_stat;
	mutex_exit(&vmp->vm_lock);
	memcpy(vk->vk_name, vmp->vm_name, sizeof(vk->vk_name));
}

const char *
vmem_name(const vmem_t *vmp)
{
	return (vmp->vm_name);
}

void
vmem_walk_arenas(void (*func)(void *arg, vmem_t *vmp), void *arg)
{
	mutex_enter(&vmem_list_lock);
	for (vmem_t *vmp = vmem_list; vmp != NULL; vmp = vmp->vm_next)
		func(arg, vmp);
	mutex_exit(&vmem_list_lock);
}

/*
 * One cache for each multiple of the quantum. Its slabs hold several of the
 * largest pieces, so that all sizes draw equal chunks from the arena and it does
 * not fragment.
 */
static void
qcache_create(vmem_t *vmp, size_t qcache_max)
{
	const size_t count = MIN(qcache_max / vmp->vm_quantum, VMEM_NQCACHE);

	for (size_t i = 0; i < count; i++) {
		char name[VMEM_NAMELEN + 24];
		const size_t size = (i + 1) * vmp->vm_quantum;
		(void)snprintf(name, sizeof(name), "%s_%zu", vmp->vm_name, size);
		vmp->vm_qcache[i] = kmem_cache_create(name, size, vmp->vm_quantum, NULL,
		    NULL, NULL, NULL, vmp, KMC_QCACHE | KMC_NOTOUCH);
	}
	vmp->vm_qcache_max = count * vmp->vm_quantum;
}

vmem_t *
vmem_create(const char *name, void *base, size_t size, size_t quantum,
    vmem_alloc_t *afunc, vmem_free_t *ffunc, vmem_t *source, size_t qcache_max, int vmflag)
{
	if (quantum == 0 || !ISP2(quantum))
		return (NULL);
	const size_t bytes = P2ROUNDUP(sizeof(vmem_t), KMEM_PAGE);
	vmem_t *vmp = kmem_own_map(bytes);
	if (vmp == NULL)
		return (NULL);
	(void)snprintf(vmp->vm_name, sizeof(vmp->vm_name), "%s", name);
	mutex_init(&vmp->vm_lock);
	cv_init(&vmp->vm_cv);
	vmp->vm_quantum = quantum;
	vmp->vm_qshift = lowbit64(quantum) - 1;
	vmp->vm_memory = (vmflag & VMC_MEMORY) != 0;
	vmp->vm_afunc = afunc;
	vmp->vm_ffunc = ffunc;
	vmp->vm_source = source;
	vmp->vm_import_min = MAX(quantum, VMEM_IMPORT_DEFAULT);
	vmp->vm_seg0.vs_anext = vmp->vm_seg0.vs_aprev = &vmp->vm_seg0;
	vmp->vm_seg0.vs_type = VS_SPAN;
	for (int i = 0; i < VMEM_FREELISTS; i++)
		vmp->vm_freelist[i].vs_knext = vmp->vm_freelist[i].vs_kprev =
		    &vmp->vm_freelist[i];
	vmp->vm_hash_size = VMEM_HASH_INITIAL;
	vmp->vm_hash = kmem_own_map(KMEM_PAGE);
	if (vmp->vm_hash == NULL ||
	    (size != 0 && vmem_add(vmp, base, size, vmflag) == NULL)) {
		if (vmp->vm_hash != NULL)
			kmem_own_unmap(vmp->vm_hash, KMEM_PAGE);
		kmem_own_unmap(vmp, bytes);
		return (NULL);
	}
	mutex_enter(&vmem_list_lock);
	vmem_t **link = &vmem_list;
	while (*link != NULL)
		link = &(*link)->vm_next;
	*link = vmp;
	mutex_exit(&vmem_list_lock);
	if (qcache_max >= quantum)
		qcache_create(vmp, qcache_max);
	return (vmp);
}

void
vmem_destroy(vmem_t *vmp)
{
	for (int i = 0; i < VMEM_NQCACHE; i++) {
		if (vmp->vm_qcache[i] != NULL)
			kmem_cache_destroy(vmp->vm_qcache[i]);
	}
	if (vmp->vm_stat.vk_inuse != 0)
		spl_log(LOG_WARNING, "vmem_destroy('%s'): leaked %" PRIu64 " bytes",
		    vmp->vm_name, vmp->vm_stat.vk_inuse);
	mutex_enter(&vmem_list_lock);
	vmem_t **link = &vmem_list;
	while (*link != vmp)
		link = &(*link)->vm_next;
	*link = vmp->vm_next;
	mutex_exit(&vmem_list_lock);
	if (vmp->vm_ffunc != NULL)
		(void)purge_spans(vmp, 1);
	while (vmp->vm_seg0.vs_anext != &vmp->vm_seg0) {
		vmem_seg_t *vsp = vmp->vm_seg0.vs_anext;
		seg_unlink(vsp);
		seg_put(vsp);
	}
	kmem_own_unmap(
	    vmp->vm_hash, MAX(vmp->vm_hash_size * sizeof(*vmp->vm_hash), KMEM_PAGE));
	cv_destroy(&vmp->vm_cv);
	mutex_destroy(&vmp->vm_lock);
	kmem_own_unmap(vmp, P2ROUNDUP(sizeof(*vmp), KMEM_PAGE));
}

vmem_t **
vmem_registry(void)
{
	return (&vmem_list);
}

void
vmem_fork_prepare(void)
{
	mutex_enter(&vmem_list_lock);
	/* No thread holds two arenas' locks, so any order will do. */
	for (vmem_t *vmp = vmem_list; vmp != NULL; vmp = vmp->vm_next)
		mutex_enter(&vmp->vm_lock);
	mutex_enter(&seg_pool_lock);
}

void
vmem_fork_done(void)
{
	mutex_exit(&seg_pool_lock);
	for (vmem_t *vmp = vmem_list; vmp != NULL; vmp = vmp->vm_next)
		mutex_exit(&vmp->vm_lock);
	mutex_exit(&vmem_list_lock);
}
