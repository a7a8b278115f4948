/*
 * kmem's diagnostic mode, as in umem_debug(3MALLOC), and what it costs: nothing
 * while it is off; with it, caches lose their magazines and every allocation and
 * free is checked and recorded.
 *
 * Chosen by the environment at the first allocation:
 *
 *   UMEM_DEBUG    audit[=frames], contents[=bytes], guards, default (audit,
 *                 contents, guards), verbose, firewall=SIZE, checknull,
 *                 mtbf=N[:function], sample[=N] (one allocation in N is guarded)
 *   UMEM_LOGGING  transaction[=size], contents[=size], fail[=size]
 *   UMEM_OPTIONS  log=FILE, noreap, reap, caches=NAME[:NAME...] (debug only these)
 *   KMEM_PANIC    1 stop at an error (default), 0 report it and go on
 *   TARN_KMEM     own: this allocator; malloc: everything to the system's malloc
 *                 (the default when built with a sanitizer)
 */
#ifndef TARN_SPL_KMEM_DEBUG_H
#define TARN_SPL_KMEM_DEBUG_H

#include <stdio.h>
#include "spl/types.h"

#define KMF_AUDIT 0x01    /* thread, time, stack of the last transactions */
#define KMF_DEADBEEF 0x02 /* free memory is 0xdeadbeef and checked */
#define KMF_REDZONE 0x04  /* guard words around buffers */
#define KMF_CONTENTS 0x08 /* keep contents of freed buffers */
#define KMF_FIREWALL 0x10 /* large buffers end at an unmapped page */
#define KMF_MTBF 0x20     /* inject failures */
#define KMF_LOG 0x40      /* transactions go to the log */
#define KMF_CHECKED (KMF_AUDIT | KMF_DEADBEEF | KMF_REDZONE)

/* Flags for caches created from now on; those that exist keep theirs. */
void kmem_debug_set(uint32_t flags, unsigned frames);
/* Stop (true) or go on (false) after an error has been reported. */
void kmem_panic_set(bool stop);
/* Guard one allocation in n (0: off). */
void kmem_sample_set(uint64_t n);

typedef struct kmem_cache_stat {
	char ks_name[40];
	uint64_t ks_bufsize;
	uint64_t ks_inuse;   /* buffers */
	uint64_t ks_total;   /* buffers, free ones too */
	uint64_t ks_max;     /* most buffers ever */
	uint64_t ks_memory;  /* bytes of slabs */
	uint64_t ks_alloc;   /* successful allocations */
	uint64_t ks_free;
	uint64_t ks_fail;
	uint64_t ks_slabs;
	uint64_t ks_magsize;
	uint64_t ks_depot;   /* magazines in the depot */
} kmem_cache_stat_t;
/* One call for each cache, in order of creation. */
void kmem_stat_walk(void (*func)(void *arg, const kmem_cache_stat_t *ks), void *arg);
/* The table of ::kmastat: caches, then arenas. */
void kmem_stat_print(FILE *fp);

#endif
