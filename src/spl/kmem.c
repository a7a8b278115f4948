/*
 * kmem: allocation of memory and of constructed objects.
 *
 * The problem. An engine like this one allocates a few kinds of objects, millions
 * of times. A general allocator searches, splits and merges for each; the time to
 * set an object up (locks, lists) is often longer than that; and when the machine
 * runs short, nobody knows what could be given back.
 *
 * The idea (Bonwick 1994; Bonwick & Adams 2001), from the top down:
 *
 *   kmem_alloc(n)       picks the cache of the next larger size: kmem_alloc_N
 *   kmem_cache_alloc()  pops a constructed object from this CPU's magazine
 *   depot               exchanges empty magazines for full ones
 *   slab                cuts pages into equal buffers, runs the constructor
 *   vmem kmem_default   hands out pages, imports 512 KiB at a time from the system
 *
 * Each layer is asked only when the one above has run dry, and each gives back
 * downwards what it did not need for a while (kmem_reap.c).
 *
 * Cost: the first two lines are a dozen instructions without lock or atomic
 * operation (kmem_percpu.h). Nothing else is on that path: diagnostic mode,
 * sampling, delegation to malloc and the very first call all work by leaving the
 * magazines empty, so that the fast path fails and the slow path sorts it out.
 *
 * Invariants:
 *  - An object in a magazine is constructed; in a slab it is raw.
 *  - A buffer belongs to one cache for as long as its slab lives, and the page map
 *    tells which. Freeing it elsewhere is found out at the latest by the slab.
 *
 * Lock order: kmem_caches_lock, freeze_lock, cc_lock, kc_depot_lock, kc_lock,
 * vm_lock, tag pool. None is held while constructors, destructors or callbacks run.
 *
 * What can fail: the system has no memory. KM_NOSLEEP returns NULL; KM_SLEEP
 * reclaims and insists for some seconds, then panics.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "spl/kmem_impl.h"
#include "spl/kmem_percpu.h"
#include "spl/bits.h"
#include "spl/debug.h"

/*
 * The sizes. Multiples of 16 (any type fits aligned), steps of at most a quarter,
 * so that rounding up wastes little; from a page on, multiples of pages.
 */
static const size_t class_sizes[] = { 8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224,
	256, 320, 384, 448, 512, 640, 768, 896, 1024, 1152, 1280, 1536, 1792, 2048, 2560,
	3072, 3584, 4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 40960, 49152,
	57344, 65536, 81920, 98304, 114688, KMEM_MAXBUF };

kmem_cache_t *kmem_small_classes[KMEM_PAGE / 8];
kmem_cache_t *kmem_page_classes[KMEM_MAXBUF / KMEM_PAGE];

void
kmem_classes_init(void)
{
	size_t below = 0;

	for (size_t i = 0; i < ARRAY_SIZE(class_sizes); i++) {
		const size_t size = class_sizes[i];
		const size_t align = size >= KMEM_PAGE ? KMEM_PAGE : size == 8 ? 8 : 16;
		char name[KMEM_NAMELEN];
		(void)snprintf(name, sizeof(name), "kmem_alloc_%zu", size);
		kmem_cache_t *cp = kmem_cache_create_impl(
		    name, size, align, NULL, NULL, NULL, NULL, NULL, KMC_ALLOC);
		for (size_t n = below / 8; n < MIN(size, KMEM_PAGE) / 8; n++)
			kmem_small_classes[n] = cp;
		for (size_t n = below / KMEM_PAGE; n < size / KMEM_PAGE; n++)
			kmem_page_classes[n] = cp;
		below = size;
	}
}

/* ---- past the classes: straight from vmem ---- */

static void *
oversize_alloc(size_t size, int kmflags)
{
	const size_t rsize = P2ROUNDUP(size, KMEM_PAGE);
	void *buf = NULL;

	if (size > PTRDIFF_MAX / 2) {
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("kmem_alloc: absurd size %zu", size);
	}
	for (int attempt = 0; buf == NULL; attempt++) {
		buf = vmem_alloc(
		    kmem_default_arena, rsize, kmflags & (KM_NOSLEEP | KM_PUSHPAGE));
		if (buf != NULL)
			break;
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		if (attempt == 3)
			panic("out of memory: cannot allocate %zu bytes", size);
		kmem_reap_inline();
	}
	if (!pagemap_set(buf, 1, (uint64_t)PM_LARGE << 48 | size)) {
		vmem_free(kmem_default_arena, buf, rsize);
		return (NULL);
	}
	(void)atomic_add_64(&kmem_root.kr_oversize, rsize);
	(void)atomic_inc_64(&kmem_root.kr_oversize_allocs);
	return (buf);
}

void
kmem_oversize_free(void *buf, size_t size)
{
	const uint64_t word = pagemap_get(buf);

	if (PM_INDEX(word) != PM_LARGE || !IS_P2ALIGNED((uintptr_t)buf, KMEM_PAGE)) {
		kmem_error(&(kmem_err_t){ .e_kind = KMERR_BADADDR, .e_buf = buf });
		return;
	}
	if (PM_VALUE(word) != size)
		kmem_error(&(kmem_err_t){ .e_kind = KMERR_BADSIZE, .e_buf = buf,
		    .e_a = size, .e_b = PM_VALUE(word) });
	const size_t rsize = P2ROUNDUP(PM_VALUE(word), KMEM_PAGE);
	(void)pagemap_set(buf, 1, 0);
	(void)atomic_add_64(&kmem_root.kr_oversize, -rsize);
	vmem_free(kmem_default_arena, buf, rsize);
}

/* ---- what the fast paths leave over ---- */

#define KMF_SLOW (KMF_CHECKED | KMF_MTBF | KMF_FIREWALL)

static void *
cache_alloc_slow(kmem_cache_t *cp, size_t size, int kmflags)
{
	void *buf;

	if (kmem_root.kr_delegate && !(cp->kc_cflags & KMC_NOTOUCH)) {
		buf = kmem_delegate_alloc(size, size >= KMEM_PAGE && cp->kc_cflags & KMC_ALLOC ?
		    KMEM_PAGE : cp->kc_align, kmflags);
		if (buf == NULL)
			return (NULL);
		(void)atomic_inc_64(&cp->kc_slab_inuse);
		if (cp->kc_constructor == NULL ||
		    cp->kc_constructor(buf, cp->kc_arg, kmflags) == 0)
			return (buf);
		(void)atomic_dec_64(&cp->kc_slab_inuse);
		kmem_delegate_free(buf, size);
		return (NULL);
	}
	if (cp->kc_flags & KMF_SLOW)
		buf = kmem_debug_alloc(cp, size, kmflags);
	else if (cp->kc_cflags & KMC_NOMAGAZINE)
		return (kmem_slab_alloc(cp, &buf, 1, kmflags) == 1 ? buf : NULL);
	else
		buf = kmem_magazine_alloc_slow(cp, kmflags);
	if (buf == NULL)
		(void)atomic_inc_64(&cp->kc_fail);
	else if (cp->kc_flags & KMF_LOG)
		kmem_log_note(cp, buf, KMEM_TX_ALLOC);
	return (buf);
}

static void
cache_free_slow(kmem_cache_t *cp, void *buf, size_t size, bool sized)
{
	if (kmem_root.kr_delegate && !(cp->kc_cflags & KMC_NOTOUCH)) {
		if (cp->kc_destructor != NULL)
			cp->kc_destructor(buf, cp->kc_arg);
		(void)atomic_dec_64(&cp->kc_slab_inuse);
		kmem_delegate_free(buf, size);
		return;
	}
	if (cp->kc_flags & KMF_LOG)
		kmem_log_note(cp, buf, KMEM_TX_FREE);
	if (!(cp->kc_cflags & KMC_NOTOUCH) && PM_INDEX(pagemap_get(buf)) == PM_GUARD)
		kmem_guard_free(cp, buf, size, sized);
	else if (cp->kc_flags & KMF_SLOW)
		kmem_debug_free(cp, buf, size, sized);
	else if (cp->kc_cflags & KMC_NOMAGAZINE)
		kmem_slab_free(cp, buf);
	else
		kmem_magazine_free_slow(cp, buf);
}

static void *
alloc_slow(size_t size, int kmflags)
{
	if (size == 0)
		return (NULL);
	kmem_init();
	kmem_cache_t *cp = kmem_class_of(size);
	if (cp != NULL)
		return (cache_alloc_slow(cp, size, kmflags));
	if (kmem_root.kr_delegate)
		return (kmem_delegate_alloc(size, KMEM_PAGE, kmflags));
	if (kmem_root.kr_flags & KMF_MTBF && kmem_inject_failure(NULL, kmflags))
		return (NULL);
	if (kmem_root.kr_flags & KMF_FIREWALL && size >= kmem_root.kr_firewall)
		return (kmem_guard_alloc(NULL, size, kmflags));
	return (oversize_alloc(size, kmflags));
}

static void
free_slow(void *buf, size_t size)
{
	if (buf == NULL && size == 0)
		return;
	VERIFY(buf != NULL && size != 0);
	kmem_init();
	kmem_cache_t *cp = kmem_class_of(size);
	if (cp != NULL)
		cache_free_slow(cp, buf, size, true);
	else if (kmem_root.kr_delegate)
		kmem_delegate_free(buf, size);
	else if (PM_INDEX(pagemap_get(buf)) == PM_GUARD)
		kmem_guard_free(NULL, buf, size, true);
	else
		kmem_oversize_free(buf, size);
}

/* ---- public entry points ---- */

void *
kmem_cache_alloc(kmem_cache_t *cp, int kmflags)
{
	void *buf = percpu_pop(cp->kc_cpu);

	if (__builtin_expect(buf != NULL, 1))
		return (buf);
	return (cache_alloc_slow(cp, cp->kc_bufsize, kmflags));
}

void
kmem_cache_free(kmem_cache_t *cp, void *buf)
{
	if (__builtin_expect(!kmem_is_sample(buf) && percpu_push(cp->kc_cpu, buf), 1))
		return;
	cache_free_slow(cp, buf, cp->kc_bufsize, false);
}

void *
kmem_alloc(size_t size, int kmflags)
{
	kmem_cache_t *cp = kmem_class_of(size);
	void *buf;

	if (__builtin_expect(cp != NULL && (buf = percpu_pop(cp->kc_cpu)) != NULL, 1))
		return (buf);
	return (alloc_slow(size, kmflags));
}

void *
kmem_zalloc(size_t size, int kmflags)
{
	void *buf = kmem_alloc(size, kmflags);

	if (buf != NULL)
		memset(buf, 0, size);
	return (buf);
}

void
kmem_free(void *buf, size_t size)
{
	kmem_cache_t *cp = kmem_class_of(size);

	if (__builtin_expect(
		cp != NULL && !kmem_is_sample(buf) && percpu_push(cp->kc_cpu, buf), 1))
		return;
	free_slow(buf, size);
}

char *
kmem_strdup(const char *s)
{
	const size_t size = strlen(s) + 1;

	return (memcpy(kmem_alloc(size, KM_SLEEP), s, size));
}

char *
kmem_asprintf(const char *fmt, ...)
{
	va_list ap, again;

	VERIFY(fmt != NULL);
	va_start(ap, fmt);
	va_copy(again, ap);
	const int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	VERIFY3S(len, >=, 0);
	char *s = kmem_alloc((size_t)len + 1, KM_SLEEP);
	(void)vsnprintf(s, (size_t)len + 1, fmt, again);
	va_end(again);
	return (s);
}

void
kmem_strfree(char *s)
{
	if (s != NULL)
		kmem_free(s, strlen(s) + 1);
}
