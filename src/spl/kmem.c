/*
 * kmem over the system's malloc, with the two checks that find most bugs: the
 * size given to kmem_free() must be the one allocated, and what was allocated
 * is counted.
 *
 * The size is kept behind the buffer, in the last bytes that malloc gave
 * (malloc_usable_size), so that page-sized buffers keep their alignment. Under
 * AddressSanitizer these bytes are poisoned, so that an overrun into them is
 * reported where it happens.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "spl/kmem.h"
#include "spl/bits.h"
#include "spl/debug.h"
#include "spl/sync.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define KMEM_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define KMEM_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define KMEM_POISON(p, n) ((void)(p), (void)(n))
#define KMEM_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define KMEM_PAGE 4096
#define KMEM_SIZE_MAGIC 0xfeedfacecafe0000ULL

static uint64_t kmem_bytes;

struct kmem_cache {
	char kc_name[32];
	size_t kc_size;
	size_t kc_align;
	int (*kc_constructor)(void *buf, void *arg, int kmflags);
	void (*kc_destructor)(void *buf, void *arg);
	void *kc_arg;
	uint64_t kc_inuse; /* objects allocated and not freed */
};

static void *
buf_alloc(size_t size, size_t align, int kmflags)
{
	void *buf = NULL;

	if (size > PTRDIFF_MAX - 2 * align - sizeof(uint64_t)) {
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("kmem_alloc: absurd size %zu", size);
	}
	const size_t total = P2ROUNDUP(size + sizeof(uint64_t), MAX(align, 16));
	if (posix_memalign(&buf, MAX(align, 16), total) != 0) {
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("out of memory: cannot allocate %zu bytes", size);
	}
	const size_t usable = malloc_usable_size(buf);
	const uint64_t word = size ^ KMEM_SIZE_MAGIC;
	memcpy((char *)buf + usable - sizeof(word), &word, sizeof(word));
	KMEM_POISON((char *)buf + size, usable - size);
	(void)atomic_add_64(&kmem_bytes, size);
	return (buf);
}

static void
buf_free(void *buf, size_t size)
{
	uint64_t word;

	const size_t usable = malloc_usable_size(buf);
	KMEM_UNPOISON(buf, usable);
	memcpy(&word, (char *)buf + usable - sizeof(word), sizeof(word));
	word ^= KMEM_SIZE_MAGIC;
	if (word > usable)
		panic("redzone violation: write past end of buffer %p", buf);
	if (word != size)
		panic("bad free: free size (%zu) != alloc size (%zu)", size,
		    (size_t)word);
	(void)atomic_add_64(&kmem_bytes, -size);
	free(buf);
}

void *
kmem_alloc(size_t size, int kmflags)
{
	if (size == 0)
		return (NULL);
	return (buf_alloc(size, size >= KMEM_PAGE ? KMEM_PAGE : 16, kmflags));
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
	if (buf == NULL && size == 0)
		return;
	VERIFY(buf != NULL && size != 0);
	buf_free(buf, size);
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

kmem_cache_t *
kmem_cache_create(const char *name, size_t size, size_t align,
    int (*constructor)(void *buf, void *arg, int kmflags),
    void (*destructor)(void *buf, void *arg), void (*reclaim)(void *arg), void *arg,
    void *vmem_source, int cflags)
{
	kmem_cache_t *cp = kmem_zalloc(sizeof(*cp), KM_SLEEP);

	VERIFY(size > 0 && ISP2(align));
	(void)snprintf(cp->kc_name, sizeof(cp->kc_name), "%s", name);
	cp->kc_size = size;
	cp->kc_align = align == 0 ? 8 : align;
	cp->kc_constructor = constructor;
	cp->kc_destructor = destructor;
	cp->kc_arg = arg;
	return (cp);
}

void
kmem_cache_destroy(kmem_cache_t *cp)
{
	if (atomic_load_64(&cp->kc_inuse) != 0)
		panic("kmem_cache_destroy: '%s' (%p) not empty: %" PRIu64 " objects",
		    cp->kc_name, (void *)cp, cp->kc_inuse);
	kmem_free(cp, sizeof(*cp));
}

void *
kmem_cache_alloc(kmem_cache_t *cp, int kmflags)
{
	void *buf = buf_alloc(cp->kc_size, cp->kc_align, kmflags);

	if (buf == NULL)
		return (NULL);
	if (cp->kc_constructor != NULL && cp->kc_constructor(buf, cp->kc_arg, kmflags) != 0) {
		buf_free(buf, cp->kc_size);
		return (NULL);
	}
	(void)atomic_inc_64(&cp->kc_inuse);
	return (buf);
}

void
kmem_cache_free(kmem_cache_t *cp, void *buf)
{
	if (cp->kc_destructor != NULL)
		cp->kc_destructor(buf, cp->kc_arg);
	(void)atomic_dec_64(&cp->kc_inuse);
	buf_free(buf, cp->kc_size);
}

/* Without slabs there is no fragmentation to mend and nothing kept to give back. */
void
kmem_cache_set_move(kmem_cache_t *cp,
    kmem_cbrc_t (*move)(void *oldbuf, void *newbuf, size_t size, void *arg))
{
}

void
kmem_cache_reap_now(kmem_cache_t *cp)
{
}

void
kmem_reap(void)
{
}

uint64_t
kmem_used(void)
{
	return (atomic_load_64(&kmem_bytes));
}
