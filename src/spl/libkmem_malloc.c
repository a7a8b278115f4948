/*
 * malloc and its family over kmem, for LD_PRELOAD=libkmem.so under any program.
 *
 * Buffers are those of kmem_alloc_N; free() gets no size and finds the cache of a
 * page in the page map, so there are no headers. Alignments above 16 have caches of
 * powers of two up to 2048 (kmem_memalign_N), then the page-aligned classes, then
 * vmem.
 *
 * No thread is started here: malloc may be called where a thread cannot be created
 * (inside the dynamic linker, before a program enters its sandbox). Idle memory is
 * given back by the clock from the slow paths instead; UMEM_OPTIONS=reap asks for
 * the reaper thread. checknull (UMEM_DEBUG) reports free(NULL).
 */
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "spl/kmem_impl.h"
#include "spl/kmem_percpu.h"
#include "spl/kmem_pressure.h"
#include "spl/bits.h"

#define EXPORT __attribute__((visibility("default")))
#define ALIGN_MIN 16
#define ALIGNED_CLASSES 6 /* 64 .. 2048 */

static kmem_cache_t *aligned_cache[ALIGNED_CLASSES];
static kmutex_t aligned_lock = MUTEX_INITIALIZER;

static kmem_cache_t *
aligned_class(size_t need)
{
	static const char *const names[ALIGNED_CLASSES] = { "kmem_memalign_64",
		"kmem_memalign_128", "kmem_memalign_256", "kmem_memalign_512",
		"kmem_memalign_1024", "kmem_memalign_2048" };
	const int i = need <= 64 ? 0 : highbit64(need - 1) - 6;
	kmem_cache_t *cp = __atomic_load_n(&aligned_cache[i], __ATOMIC_ACQUIRE);

	if (cp != NULL)
		return (cp);
	mutex_enter(&aligned_lock);
	cp = aligned_cache[i];
	if (cp == NULL) {
		cp = kmem_cache_create(names[i], 64UL << i, 64UL << i, NULL, NULL, NULL,
		    NULL, NULL, 0);
		__atomic_store_n(&aligned_cache[i], cp, __ATOMIC_RELEASE);
	}
	mutex_exit(&aligned_lock);
	return (cp);
}

/* More alignment than a page: oversize by hand. */
static void *
huge_align(size_t align, size_t size)
{
	const size_t rsize = P2ROUNDUP(size, KMEM_PAGE);

	if (rsize < size || rsize > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 2)
		return (NULL);
	void *p = vmem_xalloc(
	    kmem_default_arena, rsize, align, 0, 0, NULL, NULL, VM_NOSLEEP);
	if (p == NULL || !pagemap_set(p, 1, (uint64_t)PM_LARGE << 48 | size))
		return (NULL);
	(void)atomic_add_64(&kmem_root.kr_oversize, rsize);
	return (p);
}

static void *
aligned(size_t align, size_t size)
{
	void *p;

	if (size == 0)
		size = 1;
	if (align <= ALIGN_MIN)
		p = kmem_alloc(MAX(size, align), KM_NOSLEEP);
	else if (MAX(align, size) <= 2048)
		p = kmem_cache_alloc(aligned_class(MAX(align, size)), KM_NOSLEEP);
	else if (align <= KMEM_PAGE)
		p = kmem_alloc(MAX(size, KMEM_PAGE), KM_NOSLEEP);
	else {
		kmem_init();
		p = huge_align(align, size);
	}
	if (p == NULL)
		errno = ENOMEM;
	return (p);
}

static void __attribute__((noinline))
free_slow(void *p)
{
	if (p == NULL) {
		if (kmem_root.kr_checknull)
			kmem_error(&(kmem_err_t){ .e_kind = KMERR_BADADDR });
		return;
	}
	const uint64_t word = pagemap_get(p);
	const uint32_t index = PM_INDEX(word);
	const int saved_errno = errno;

	if (index == PM_GUARD)
		kmem_guard_free(NULL, p, 0, false);
	else if (index == PM_LARGE && IS_P2ALIGNED((uintptr_t)p, KMEM_PAGE))
		kmem_oversize_free(p, PM_VALUE(word));
	else if (index == 0 || index >= KMEM_MAXCACHES || kmem_by_index[index] == NULL)
		kmem_error(&(kmem_err_t){ .e_kind = KMERR_BADADDR, .e_buf = p });
	else
		kmem_cache_free(kmem_by_index[index], p);
	errno = saved_errno;
}

static void *__attribute__((noinline))
malloc_slow(size_t size)
{
	void *p = kmem_alloc(size == 0 ? 1 : size, KM_NOSLEEP);

	if (p == NULL)
		errno = ENOMEM;
	return (p);
}

EXPORT void *
malloc(size_t size)
{
	kmem_cache_t *cp = kmem_class_of(size);
	void *p;

	if (__builtin_expect(cp != NULL && (p = percpu_pop(cp->kc_cpu)) != NULL, 1))
		return (p);
	return (malloc_slow(size));
}

EXPORT void
free(void *p)
{
	/* NULL has no entry in the page map and falls through to the slow path. */
	const uint32_t index = PM_INDEX(pagemap_get(p));
	/* Index 0 has no cache; the special kinds are beyond the table. */
	if (__builtin_expect(index - 1 < KMEM_MAXCACHES - 1 &&
		percpu_push(kmem_cpu_by_index[index], p), 1))
		return;
	free_slow(p);
}

EXPORT void *
calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return (NULL);
	}
	void *p = kmem_zalloc(total == 0 ? 1 : total, KM_NOSLEEP);
	if (p == NULL)
		errno = ENOMEM;
	return (p);
}

EXPORT size_t
malloc_usable_size(void *p)
{
	if (p == NULL)
		return (0);
	const uint64_t word = pagemap_get(p);
	if (PM_INDEX(word) == PM_LARGE)
		return (PM_VALUE(word));
	if (PM_INDEX(word) == PM_GUARD)
		return (kmem_guard_size(p));
	return (kmem_debug_size(p));
}

EXPORT void *
realloc(void *p, size_t size)
{
	if (p == NULL)
		return (malloc(size));
	if (size == 0) {
		free(p);
		return (NULL);
	}
	const size_t old = malloc_usable_size(p);
	const uint64_t word = pagemap_get(p);
	/* Stay if it fits and is not much too large; with checks the size is exact. */
	if (size <= old && size >= old / 2 && PM_INDEX(word) < KMEM_MAXCACHES &&
	    PM_INDEX(word) != 0 && !(kmem_by_index[PM_INDEX(word)]->kc_flags & KMF_CHECKED))
		return (p);
	void *fresh = malloc(size);
	if (fresh == NULL)
		return (NULL);
	memcpy(fresh, p, MIN(old, size));
	free(p);
	return (fresh);
}

EXPORT void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return (NULL);
	}
	return (realloc(p, total));
}

EXPORT void *
memalign(size_t align, size_t size)
{
	if (align == 0 || !ISP2(align)) {
		errno = EINVAL;
		return (NULL);
	}
	return (aligned(align, size));
}

EXPORT void *
aligned_alloc(size_t align, size_t size)
{
	return (memalign(align, size));
}

EXPORT int
posix_memalign(void **out, size_t align, size_t size)
{
	const int saved_errno = errno;

	if (align < sizeof(void *) || !ISP2(align))
		return (EINVAL);
	void *p = aligned(align, size);
	errno = saved_errno;
	if (p == NULL)
		return (ENOMEM);
	*out = p;
	return (0);
}

EXPORT void *
valloc(size_t size)
{
	return (memalign(KMEM_PAGE, size));
}

EXPORT void *
pvalloc(size_t size)
{
	return (memalign(KMEM_PAGE, P2ROUNDUP(size, KMEM_PAGE)));
}

static void __attribute__((constructor))
libkmem_start(void)
{
	kmem_init();
	if (!kmem_root.kr_noreap)
		kmem_pressure_start();
}
