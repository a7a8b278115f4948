/*
 * vmem: a general allocator of resources, as in vmem(9) and Bonwick & Adams,
 * "Magazines and Vmem" (USENIX 2001).
 *
 * An arena hands out pieces of integer ranges ("spans"): addresses of memory, or
 * mere numbers such as process ids. It may import spans from another arena and
 * give them back when they are wholly free.
 *
 * Caveats first:
 *  - The number 0 cannot be handed out (NULL means failure), so no span may
 *    contain it.
 *  - Sizes are rounded up to the arena's quantum.
 *  - VM_SLEEP waits until somebody frees enough, but a request that no free could
 *    ever satisfy (larger than all spans of an arena that cannot import) returns
 *    NULL at once instead of waiting for ever.
 */
#ifndef TARN_SPL_VMEM_H
#define TARN_SPL_VMEM_H

#include "spl/types.h"

typedef struct vmem vmem_t;
typedef void *vmem_alloc_t(vmem_t *source, size_t size, int vmflag);
typedef void vmem_free_t(vmem_t *source, void *addr, size_t size);

#define VM_SLEEP 0x0000
#define VM_NOSLEEP 0x0001
#define VM_PANIC 0x0002      /* panic instead of returning NULL */
#define VM_PUSHPAGE 0x0004   /* may use reserves */
#define VM_BESTFIT 0x0100    /* the smallest free segment that fits */
#define VM_FIRSTFIT 0x0200   /* the lowest address that fits */
#define VM_NEXTFIT 0x0400    /* after the previous allocation, round the arena */
/* none of the three: instant fit, a segment sure to fit, in constant time */

/* vmem_create only: spans are memory, whose free pages vmem_purge() may discard. */
#define VMC_MEMORY 0x10000

/* For vmem_walk() and vmem_size(). */
#define VMEM_ALLOC 0x01
#define VMEM_FREE 0x02
#define VMEM_SPAN 0x04

/*
 * Create an arena with first span [base, base+size) (size 0: none). `quantum` is
 * a power of two. With `source`, spans are imported by afunc(source, ...) and
 * released by ffunc (NULL: never). Allocations up to `qcache_max` bytes (at most
 * 16 quanta) are served by caches of constant-size pieces, one for each multiple
 * of the quantum. Returns NULL if the arguments make no sense (base 0, overflow).
 */
vmem_t *vmem_create(const char *name, void *base, size_t size, size_t quantum,
    vmem_alloc_t *afunc, vmem_free_t *ffunc, vmem_t *source, size_t qcache_max,
    int vmflag);
/* Everything must have been freed; what has not is logged as a leak. */
void vmem_destroy(vmem_t *vmp);

/* NULL if it cannot be had (size 0, overflow, exhausted with VM_NOSLEEP). */
void *vmem_alloc(vmem_t *vmp, size_t size, int vmflag);
void vmem_free(vmem_t *vmp, void *addr, size_t size);

/*
 * Constrained allocation: the address is `phase` past a multiple of `align`
 * (power of two, 0: quantum), the piece crosses no multiple of `nocross` (power of
 * two, 0: may), and lies in [minaddr, maxaddr) (NULL: no limit). Impossible
 * constraints give NULL. Free it with vmem_xfree().
 */
void *vmem_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
    void *minaddr, void *maxaddr, int vmflag);
void vmem_xfree(vmem_t *vmp, void *addr, size_t size);

/* Add a span. Returns addr, or NULL if it overlaps one, wraps or contains 0. */
void *vmem_add(vmem_t *vmp, void *addr, size_t size, int vmflag);
/* Does the arena own all of [addr, addr+size), allocated or not? */
bool vmem_contains(vmem_t *vmp, void *addr, size_t size);
/* Call func for each segment of the kinds in typemask; func must not use vmp. */
void vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *arg, void *addr, size_t size),
    void *arg);
/* Bytes allocated (VMEM_ALLOC), free (VMEM_FREE), or both. */
size_t vmem_size(vmem_t *vmp, int typemask);

/*
 * Import in multiples of `bytes` (a power of two; default VMEM_IMPORT_DEFAULT).
 * Larger means fewer calls of the source, smaller means memory goes back in
 * smaller pieces.
 */
#define VMEM_IMPORT_DEFAULT (512 * 1024)
void vmem_set_import(vmem_t *vmp, size_t bytes);
/* Keep up to `bytes` of wholly free imported spans instead of releasing at once. */
void vmem_set_keep(vmem_t *vmp, size_t bytes);
/*
 * Give idle resources back: release wholly free imported spans, and (VMC_MEMORY)
 * discard the pages of free segments. With `aged`, only what was already free at
 * the previous call. Returns the bytes given back.
 */
size_t vmem_purge(vmem_t *vmp, bool aged);

typedef struct vmem_stat {
	char vk_name[32];
	uint64_t vk_inuse;       /* bytes allocated */
	uint64_t vk_import;      /* bytes imported */
	uint64_t vk_total;       /* bytes of all spans */
	uint64_t vk_spans;       /* spans now */
	uint64_t vk_spans_max;   /* most spans ever */
	uint64_t vk_alloc;       /* allocations */
	uint64_t vk_free;        /* frees */
	uint64_t vk_fail;        /* failed allocations */
	uint64_t vk_wait;        /* waits of VM_SLEEP */
	uint64_t vk_spans_in;    /* spans imported ever */
	uint64_t vk_spans_out;   /* spans released ever */
	uint64_t vk_purged;      /* bytes of pages discarded */
} vmem_stat_t;
void vmem_stats(vmem_t *vmp, vmem_stat_t *vk);
/* Call func for every arena in order of creation; func must not create or destroy. */
void vmem_walk_arenas(void (*func)(void *arg, vmem_t *vmp), void *arg);
const char *vmem_name(const vmem_t *vmp);

#endif
