/*
 * kmem over the system's malloc: for sanitizers and valgrind, which know malloc and
 * watch each of its buffers, but nothing of slabs.
 *
 * The size is kept behind the buffer, in the last bytes that malloc gave
 * (malloc_usable_size), so that page-sized buffers keep their alignment. Under
 * AddressSanitizer these bytes are poisoned, so that an overrun into them is
 * reported where it happens.
 */
#include <malloc.h>
#include <stdlib.h>

#include "spl/kmem_impl.h"
#include "spl/bits.h"
#include "spl/debug.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define KMEM_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define KMEM_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define KMEM_POISON(p, n) ((void)(p), (void)(n))
#define KMEM_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define SIZE_MAGIC 0xfeedfacecafe0000ULL

static uint64_t delegate_bytes;

void *
kmem_delegate_alloc(size_t size, size_t align, int kmflags)
{
	void *buf = NULL;

	align = MAX(align, 16);
	if (size > PTRDIFF_MAX - 2 * align - sizeof(uint64_t)) {
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("kmem_alloc: absurd size %zu", size);
	}
	const size_t total = P2ROUNDUP(size + sizeof(uint64_t), align);
	if (posix_memalign(&buf, align, total) != 0) {
		if (kmflags & KM_NOSLEEP)
			return (NULL);
		panic("out of memory: cannot allocate %zu bytes", size);
	}
	const size_t usable = malloc_usable_size(buf);
	const uint64_t word = size ^ SIZE_MAGIC;
	memcpy((char *)buf + usable - sizeof(word), &word, sizeof(word));
	KMEM_POISON((char *)buf + size, usable - size);
	(void)atomic_add_64(&delegate_bytes, size);
	return (buf);
}

void
kmem_delegate_free(void *buf, size_t size)
{
	uint64_t word;

	const size_t usable = malloc_usable_size(buf);
	KMEM_UNPOISON(buf, usable);
	memcpy(&word, (char *)buf + usable - sizeof(word), sizeof(word));
	word ^= SIZE_MAGIC;
	if (word > usable)
		panic("redzone violation: write past end of buffer %p", buf);
	if (word != size)
		panic("bad free: free size (%zu) != alloc size (%zu)", size, (size_t)word);
	(void)atomic_add_64(&delegate_bytes, -size);
	free(buf);
}

uint64_t
kmem_delegate_used(void)
{
	return (atomic_load_64(&delegate_bytes));
}
