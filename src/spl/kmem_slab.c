/*
 * The slab layer (Bonwick 1994): pages cut into equal buffers.
 *
 * A slab is the unit in which a cache grows and shrinks. It counts the buffers it
 * has handed out, so that giving memory back needs no search: a slab with count 0
 * is free as a whole.
 *
 * Small slabs (buffers up to KMEM_PAGE/8, no debugging): one page or two; the
 * kmem_slab_t sits at the end of it, free buffers are linked through themselves.
 * Large slabs: kmem_slab_t and an array of bufctls are kept in kmem's metadata
 * arena, so big buffers fill their pages without a remainder, and what a wild
 * write into buffers cannot reach stays truthful: that is why diagnostic mode and
 * arenas of numbers (KMC_NOTOUCH) use them for every size.
 *
 * Colouring: the unused rest of a slab is put before the first buffer in varying
 * amounts, so that the same member of different objects does not always fall into
 * the same cache lines.
 *
 * From an address to its slab: the page map; for arenas of numbers, a hash of the
 * slab's address (such slabs are powers of two in size and aligned to it).
 *
 * Allocation prefers partly used slabs over empty ones, and among them those that
 * were fuller when something was last freed into them, so the nearly empty ones
 * get a chance to become free.
 *
 * Lock: kc_lock. It is dropped around the calls of the arena.
 */
#include <stdio.h>

#include "spl/kmem_impl.h"
#include "spl/bits.h"
#include "spl/clock.h"
#include "spl/debug.h"

#define SLAB_SMALL_MAX (KMEM_PAGE / 8)
#define SLAB_MAX_PAGES 16
#define SLAB_PATIENCE 300 /* tries of a sleeping allocation, 10 ms each */

static bool
slab_is_small(const kmem_cache_t *cp)
{
	return (cp->kc_bufctl_size == 0);
}

static inline bool
uses_hash(const kmem_cache_t *cp)
{
	return ((cp->kc_cflags & KMC_NOTOUCH) != 0);
}

/*
 * The slab size of large buffers: the fewest pages that waste at most a sixteenth,
 * or else those which waste least.
 */
static size_t
slab_size_large(size_t chunk)
{
	size_t best = 0, best_waste = SIZE_MAX;

	for (size_t n = 1; n <= 16; n++) {
		const size_t size = P2ROUNDUP(n * chunk, KMEM_PAGE);
		const size_t waste = (size - n * chunk) * 1000 / size;
		if (waste < best_waste) {
			best = size;
			best_waste = waste;
		}
		if (best_waste <= 62 || size >= SLAB_MAX_PAGES * KMEM_PAGE)
			break;
	}
	return (best);
}

void
kmem_slab_init(kmem_cache_t *cp)
{
	const size_t chunk = cp->kc_chunksize;
	size_t usable;

	mutex_init(&cp->kc_lock);
	list_create(&cp->kc_partial, sizeof(kmem_slab_t), offsetof(kmem_slab_t, slab_link));
	list_create(&cp->kc_full, sizeof(kmem_slab_t), offsetof(kmem_slab_t, slab_link));
	list_create(&cp->kc_empty, sizeof(kmem_slab_t), offsetof(kmem_slab_t, slab_link));
	if (uses_hash(cp)) {
		/* Several of the largest piece of the arena: see qcache_create(). */
		cp->kc_slabsize = 1ULL << highbit64(16 * chunk - 1);
		cp->kc_bufctl_size = offsetof(kmem_bufctl_t, bc_contents);
		usable = cp->kc_slabsize;
	} else if (chunk <= SLAB_SMALL_MAX && !(cp->kc_flags & KMF_CHECKED)) {
		cp->kc_slabsize = chunk <= SLAB_SMALL_MAX / 2 ? KMEM_PAGE : 2 * KMEM_PAGE;
		cp->kc_bufctl_size = 0;
		usable = cp->kc_slabsize - sizeof(kmem_slab_t);
	} else {
		cp->kc_slabsize = slab_size_large(chunk);
		cp->kc_bufctl_size = cp->kc_flags & KMF_CHECKED ?
		    sizeof(kmem_bufctl_t) : offsetof(kmem_bufctl_t, bc_contents);
		usable = cp->kc_slabsize;
	}
	cp->kc_maxchunks = (uint32_t)(usable / chunk);
	/* A colour stays within the first page: slab_destroy() finds the start. */
	cp->kc_maxcolor = uses_hash(cp) ? 0 :
	    P2ALIGN(MIN(usable - cp->kc_maxchunks * chunk, KMEM_PAGE - 1), cp->kc_align);
}

static inline kmem_bufctl_t *
bufctl_at(const kmem_slab_t *sp, size_t i)
{
	return ((kmem_bufctl_t *)(void *)((char *)sp->slab_bufctls +
	    i * sp->slab_cache->kc_bufctl_size));
}

static uint32_t
bufctl_check(const kmem_bufctl_t *bcp)
{
	const uint64_t x = ((uintptr_t)bcp->bc_addr ^ ((uintptr_t)bcp->bc_slab << 7)) *
	    0x9e3779b97f4a7c15ULL;
	return ((uint32_t)(x >> 32));
}

/* ---- slabs by address, for arenas outside the page map ---- */

static inline size_t
slab_hash(const kmem_cache_t *cp, const void *addr)
{
	const uint64_t key = P2ALIGN((uintptr_t)addr, cp->kc_slabsize);
	return ((key * 0x9e3779b97f4a7c15ULL >> 32) & (cp->kc_hash_size - 1));
}

static bool
slab_hash_insert(kmem_cache_t *cp, kmem_slab_t *sp)
{
	if (cp->kc_slab_count >= 2 * cp->kc_hash_size) {
		const size_t oldsize = cp->kc_hash_size;
		const size_t newsize = oldsize == 0 ? 64 : oldsize * 4;
		kmem_slab_t **old = cp->kc_hash;
		kmem_slab_t **fresh = kmem_meta_alloc(newsize * sizeof(*fresh));
		if (fresh == NULL && old == NULL)
			return (false);
		if (fresh != NULL) {
			cp->kc_hash = fresh;
			cp->kc_hash_size = newsize;
			for (size_t i = 0; i < oldsize; i++) {
				kmem_slab_t *next;
				for (kmem_slab_t *s = old[i]; s != NULL; s = next) {
					const size_t slot = slab_hash(cp, s->slab_base);
					next = s->slab_hnext;
					s->slab_hnext = fresh[slot];
					fresh[slot] = s;
				}
			}
			if (old != NULL)
				kmem_meta_free(old, oldsize * sizeof(*old));
		}
	}
	const size_t slot = slab_hash(cp, sp->slab_base);
	sp->slab_hnext = cp->kc_hash[slot];
	cp->kc_hash[slot] = sp;
	return (true);
}

static void
slab_hash_remove(kmem_cache_t *cp, kmem_slab_t *sp)
{
	kmem_slab_t **link = &cp->kc_hash[slab_hash(cp, sp->slab_base)];

	while (*link != sp)
		link = &(*link)->slab_hnext;
	*link = sp->slab_hnext;
}

/* ---- creation and destruction; without kc_lock ---- */

/* Off-slab control: the kmem_slab_t and behind it its bufctls. */
static size_t
slab_meta_size(const kmem_cache_t *cp)
{
	return (sizeof(kmem_slab_t) + cp->kc_maxchunks * cp->kc_bufctl_size);
}

static void
slab_meta_free(kmem_cache_t *cp, kmem_slab_t *sp)
{
	if (!slab_is_small(cp))
		kmem_meta_free(sp, slab_meta_size(cp));
}

static void
slab_cut_small(kmem_slab_t *sp, char *chunk, size_t chunksize)
{
	void *next = NULL;

	/* Last buffer first, so that the list runs upwards in memory. */
	for (size_t i = sp->slab_chunks; i-- > 0;) {
		void **buf = (void **)(void *)(chunk + i * chunksize);
		*buf = next;
		next = buf;
	}
	sp->slab_free = next;
}

static void
slab_cut_large(kmem_cache_t *cp, kmem_slab_t *sp, char *chunk)
{
	kmem_bufctl_t *next = NULL;

	for (size_t i = sp->slab_chunks; i-- > 0;) {
		kmem_bufctl_t *bcp = bufctl_at(sp, i);
		bcp->bc_addr = chunk + i * cp->kc_chunksize + cp->kc_prefix;
		bcp->bc_slab = sp;
		bcp->bc_state = BC_FREE;
		bcp->bc_check = bufctl_check(bcp);
		bcp->bc_size = 0;
		bcp->bc_next = next;
		if (cp->kc_bufctl_size == sizeof(*bcp)) {
			bcp->bc_contents = NULL;
			bcp->bc_audit.ka_kind = bcp->bc_prev.ka_kind = KMEM_TX_NONE;
		}
		next = bcp;
	}
	sp->slab_free = next;
}

static kmem_slab_t *
slab_create(kmem_cache_t *cp, size_t color, int kmflags)
{
	kmem_slab_t *sp;
	char *base;

	base = uses_hash(cp) ?
	    vmem_xalloc(cp->kc_arena, cp->kc_slabsize, cp->kc_slabsize, 0, 0, NULL, NULL,
		kmflags & (KM_NOSLEEP | KM_PUSHPAGE)) :
	    cp->kc_align > KMEM_PAGE ?
	    vmem_xalloc(cp->kc_arena, cp->kc_slabsize, cp->kc_align, 0, 0, NULL, NULL,
		kmflags & (KM_NOSLEEP | KM_PUSHPAGE)) :
	    vmem_alloc(cp->kc_arena, cp->kc_slabsize, kmflags & (KM_NOSLEEP | KM_PUSHPAGE));
	if (base == NULL)
		return (NULL);
	if (slab_is_small(cp)) {
		sp = (kmem_slab_t *)(void *)(base + cp->kc_slabsize - sizeof(*sp));
		sp->slab_bufctls = NULL;
	} else {
		sp = kmem_meta_alloc(slab_meta_size(cp));
		if (sp != NULL)
			sp->slab_bufctls = (kmem_bufctl_t *)(void *)(sp + 1);
	}
	if (sp == NULL) {
		vmem_xfree(cp->kc_arena, base, cp->kc_slabsize);
		return (NULL);
	}
	sp->slab_cache = cp;
	sp->slab_base = base + color;
	sp->slab_refcnt = 0;
	sp->slab_chunks = cp->kc_maxchunks;
	sp->slab_hnext = NULL;
	if (slab_is_small(cp))
		slab_cut_small(sp, sp->slab_base, cp->kc_chunksize);
	else
		slab_cut_large(cp, sp, sp->slab_base);
	if (cp->kc_flags & KMF_CHECKED && !uses_hash(cp))
		kmem_debug_slab_init(sp);
	const uint64_t word = (uint64_t)cp->kc_index << 48 | (uintptr_t)sp;
	if (!uses_hash(cp) && !pagemap_set(base, cp->kc_slabsize, word)) {
		slab_meta_free(cp, sp);
		vmem_xfree(cp->kc_arena, base, cp->kc_slabsize);
		return (NULL);
	}
	return (sp);
}

static void
slab_destroy(kmem_cache_t *cp, kmem_slab_t *sp)
{
	char *base = (char *)P2ALIGN((uintptr_t)sp->slab_base, KMEM_PAGE);

	if (uses_hash(cp))
		base = sp->slab_base;
	else
		(void)pagemap_set(base, cp->kc_slabsize, 0);
	slab_meta_free(cp, sp);
	vmem_xfree(cp->kc_arena, base, cp->kc_slabsize);
}

/* ---- finding ---- */

void *
kmem_slab_chunk(const kmem_slab_t *sp, const void *addr)
{
	const kmem_cache_t *cp = sp->slab_cache;
	const char *chunk = sp->slab_base;

	if ((const char *)addr < chunk)
		return (NULL);
	const size_t i = (size_t)((const char *)addr - chunk) / cp->kc_chunksize;
	if (i >= sp->slab_chunks)
		return (NULL);
	return ((char *)(uintptr_t)chunk + i * cp->kc_chunksize + cp->kc_prefix);
}

kmem_bufctl_t *
kmem_slab_bufctl(const kmem_slab_t *sp, const void *buf)
{
	if (sp->slab_bufctls == NULL)
		return (NULL);
	return (bufctl_at(sp,
	    (size_t)((const char *)buf - sp->slab_base) / sp->slab_cache->kc_chunksize));
}

kmem_slab_t *
kmem_slab_find(kmem_cache_t *cp, const void *addr)
{
	if (cp == NULL || !uses_hash(cp)) {
		const uint64_t word = pagemap_get(addr);
		return (PM_INDEX(word) == 0 || PM_INDEX(word) >= KMEM_MAXCACHES ? NULL :
		    (kmem_slab_t *)(uintptr_t)PM_VALUE(word));
	}
	if (cp->kc_hash == NULL)
		return (NULL);
	const uintptr_t base = P2ALIGN((uintptr_t)addr, cp->kc_slabsize);
	kmem_slab_t *sp = cp->kc_hash[slab_hash(cp, addr)];
	while (sp != NULL && (uintptr_t)sp->slab_base != base)
		sp = sp->slab_hnext;
	return (sp);
}

/* ---- allocation and free ---- */

static void *
slab_take(kmem_cache_t *cp, kmem_slab_t *sp)
{
	void *buf;

	if (sp->slab_bufctls == NULL) {
		buf = sp->slab_free;
		sp->slab_free = *(void **)buf;
	} else {
		kmem_bufctl_t *bcp = sp->slab_free;
		sp->slab_free = bcp->bc_next;
		bcp->bc_state = BC_ALLOC;
		buf = bcp->bc_addr;
	}
	if (sp->slab_refcnt++ == 0 && list_link_active(&sp->slab_link)) {
		list_remove(&cp->kc_empty, sp);
		cp->kc_empty_count--;
		list_insert_head(&cp->kc_partial, sp);
	}
	if (sp->slab_refcnt == sp->slab_chunks) {
		list_remove(&cp->kc_partial, sp);
		list_insert_tail(&cp->kc_full, sp);
	}
	cp->kc_slab_alloc++;
	cp->kc_slab_inuse++;
	return (buf);
}

/* A slab with something free; creates one if need be. Holds kc_lock throughout. */
static kmem_slab_t *
slab_usable(kmem_cache_t *cp, int kmflags)
{
	kmem_slab_t *sp = list_head(&cp->kc_partial);

	if (sp == NULL)
		sp = list_head(&cp->kc_empty);
	if (sp != NULL)
		return (sp);
	const size_t color = cp->kc_color;
	cp->kc_color = color + cp->kc_align > cp->kc_maxcolor ? 0 : color + cp->kc_align;
	mutex_exit(&cp->kc_lock);
	sp = slab_create(cp, color, kmflags);
	mutex_enter(&cp->kc_lock);
	if (sp == NULL)
		return (NULL);
	if (uses_hash(cp) && !slab_hash_insert(cp, sp)) {
		slab_destroy(cp, sp);
		return (NULL);
	}
	cp->kc_slab_create++;
	cp->kc_slab_count++;
	cp->kc_buftotal += sp->slab_chunks;
	cp->kc_buftotal_max = MAX(cp->kc_buftotal_max, cp->kc_buftotal);
	list_insert_head(&cp->kc_empty, sp);
	cp->kc_empty_count++;
	return (sp);
}

static size_t
slab_alloc_try(kmem_cache_t *cp, void **bufs, size_t n, int kmflags)
{
	size_t got = 0;

	mutex_enter(&cp->kc_lock);
	while (got < n) {
		/* The first must be had; for the rest no slab is created. */
		if (got > 0 && list_is_empty(&cp->kc_partial))
			break;
		kmem_slab_t *sp = slab_usable(cp, kmflags);
		if (sp == NULL)
			break;
		do
			bufs[got++] = slab_take(cp, sp);
		while (got < n && sp->slab_refcnt < sp->slab_chunks);
	}
	mutex_exit(&cp->kc_lock);
	return (got);
}

size_t
kmem_slab_alloc(kmem_cache_t *cp, void **bufs, size_t n, int kmflags)
{
	for (int attempt = 0;; attempt++) {
		const size_t got = slab_alloc_try(cp, bufs, n, kmflags);
		if (got > 0)
			return (got);
		/* The caller of vmem decides there; here KM_SLEEP means to insist. */
		if (kmflags & KM_NOSLEEP || cp->kc_cflags & KMC_QCACHE)
			return (0);
		if (attempt == SLAB_PATIENCE)
			panic("out of memory: cannot allocate %zu bytes for cache %s",
			    cp->kc_bufsize, cp->kc_name);
		kmem_reap_inline();
		kmem_reaper_kick();
		spl_delay(MSEC2NSEC(10));
	}
}

bool
kmem_slab_owns(kmem_cache_t *cp, const void *buf)
{
	mutex_enter(&cp->kc_lock);
	const bool owns = kmem_slab_find(cp, buf) != NULL;
	mutex_exit(&cp->kc_lock);
	return (owns);
}

static void
bad_free(kmem_cache_t *cp, kmem_slab_t *sp, void *buf, void *start)
{
	kmem_err_t e = { .e_cache = cp, .e_buf = buf, .e_slab = sp };

	if (sp == NULL || start == NULL) {
		e.e_kind = KMERR_BADADDR;
	} else if (sp->slab_cache != cp) {
		e.e_kind = KMERR_BADCACHE;
		e.e_realcache = sp->slab_cache;
	} else {
		e.e_kind = KMERR_BADBASE;
		e.e_a = (uintptr_t)buf;
		e.e_b = (uintptr_t)start;
	}
	kmem_error(&e);
}

/* How many empty slabs a cache keeps for the next need: hysteresis. */
static uint64_t
empties_kept(const kmem_cache_t *cp)
{
	if (cp->kc_flags & KMF_CHECKED)
		return (16); /* they hold evidence: freed memory that must not change */
	return (1);
}

void
kmem_slab_free(kmem_cache_t *cp, void *buf)
{
	kmem_slab_t *idle = NULL;

	mutex_enter(&cp->kc_lock);
	kmem_slab_t *sp = kmem_slab_find(cp, buf);
	void *start = sp != NULL ? kmem_slab_chunk(sp, buf) : NULL;
	if (sp == NULL || sp->slab_cache != cp || start != buf) {
		mutex_exit(&cp->kc_lock);
		bad_free(cp, sp, buf, start);
		return;
	}
	if (sp->slab_bufctls == NULL) {
		*(void **)buf = sp->slab_free;
		sp->slab_free = buf;
	} else {
		kmem_bufctl_t *bcp = kmem_slab_bufctl(sp, buf);
		bcp->bc_state = BC_FREE;
		bcp->bc_next = sp->slab_free;
		sp->slab_free = bcp;
	}
	const bool was_full = sp->slab_refcnt-- == sp->slab_chunks;
	cp->kc_slab_free++;
	cp->kc_slab_inuse--;
	if (was_full) {
		list_remove(&cp->kc_full, sp);
		list_insert_head(&cp->kc_partial, sp);
	}
	if (sp->slab_refcnt == 0) {
		list_remove(&cp->kc_partial, sp);
		list_insert_head(&cp->kc_empty, sp);
		if (++cp->kc_empty_count > empties_kept(cp)) {
			idle = list_remove_tail(&cp->kc_empty);
			cp->kc_empty_count--;
			cp->kc_slab_count--;
			cp->kc_slab_destroy++;
			cp->kc_buftotal -= idle->slab_chunks;
			if (uses_hash(cp))
				slab_hash_remove(cp, idle);
		}
	} else if (sp->slab_refcnt == sp->slab_chunks / 4) {
		/* Nearly empty: last choice for the next allocation. */
		list_remove(&cp->kc_partial, sp);
		list_insert_tail(&cp->kc_partial, sp);
	}
	mutex_exit(&cp->kc_lock);
	if (idle != NULL) {
		if (cp->kc_flags & KMF_CHECKED)
			(void)kmem_debug_slab_check(idle);
		slab_destroy(cp, idle);
	}
}

void
kmem_slab_reap(kmem_cache_t *cp, uint64_t keep)
{
	mutex_enter(&cp->kc_lock);
	while (cp->kc_empty_count > keep) {
		kmem_slab_t *sp = list_remove_tail(&cp->kc_empty);
		cp->kc_empty_count--;
		cp->kc_slab_count--;
		cp->kc_slab_destroy++;
		cp->kc_buftotal -= sp->slab_chunks;
		if (uses_hash(cp))
			slab_hash_remove(cp, sp);
		mutex_exit(&cp->kc_lock);
		if (cp->kc_flags & KMF_CHECKED)
			(void)kmem_debug_slab_check(sp);
		slab_destroy(cp, sp);
		mutex_enter(&cp->kc_lock);
	}
	mutex_exit(&cp->kc_lock);
}

/* ---- for the consolidator ---- */

/* Mark the free buffers of a slab in a bitmap of slab_chunks bits. With kc_lock. */
static void
slab_free_bitmap(const kmem_slab_t *sp, uint64_t *map)
{
	const kmem_cache_t *cp = sp->slab_cache;

	memset(map, 0, (sp->slab_chunks + 63) / 64 * sizeof(*map));
	for (void *p = sp->slab_free; p != NULL;) {
		const char *buf = p;
		void *next;
		if (sp->slab_bufctls != NULL) {
			buf = ((kmem_bufctl_t *)p)->bc_addr;
			next = ((kmem_bufctl_t *)p)->bc_next;
		} else {
			next = *(void **)p;
		}
		const size_t i = (size_t)(buf - sp->slab_base) / cp->kc_chunksize;
		map[i / 64] |= 1ULL << (i % 64);
		p = next;
	}
}

#define VICTIM_SEARCH 64 /* slabs looked at, from the emptier end */

kmem_slab_t *
kmem_slab_hold_victim(kmem_cache_t *cp, uint64_t *free_map)
{
	kmem_slab_t *victim = NULL;
	int looked = 0;

	mutex_enter(&cp->kc_lock);
	for (kmem_slab_t *sp = list_tail(&cp->kc_partial); sp != NULL &&
	    looked++ < VICTIM_SEARCH; sp = list_prev(&cp->kc_partial, sp)) {
		if (victim == NULL || sp->slab_refcnt < victim->slab_refcnt)
			victim = sp;
	}
	const uint64_t unused = cp->kc_buftotal - cp->kc_slab_inuse;
	if (victim != NULL && unused >= victim->slab_chunks &&
	    unused - (victim->slab_chunks - victim->slab_refcnt) >= victim->slab_refcnt &&
	    list_head(&cp->kc_partial) != list_tail(&cp->kc_partial)) {
		slab_free_bitmap(victim, free_map);
		/* Last to allocate from; and one reference more, so that it stays. */
		list_remove(&cp->kc_partial, victim);
		victim->slab_refcnt++;
		list_insert_tail(victim->slab_refcnt == victim->slab_chunks ? &cp->kc_full :
		    &cp->kc_partial, victim);
	} else {
		victim = NULL;
	}
	mutex_exit(&cp->kc_lock);
	return (victim);
}

void
kmem_slab_rele_victim(kmem_cache_t *cp, kmem_slab_t *sp)
{
	mutex_enter(&cp->kc_lock);
	const bool was_full = sp->slab_refcnt-- == sp->slab_chunks;
	list_remove(was_full ? &cp->kc_full : &cp->kc_partial, sp);
	if (sp->slab_refcnt == 0) {
		list_insert_head(&cp->kc_empty, sp);
		cp->kc_empty_count++;
	} else {
		list_insert_tail(&cp->kc_partial, sp);
	}
	mutex_exit(&cp->kc_lock);
	kmem_slab_reap(cp, 0);
}
