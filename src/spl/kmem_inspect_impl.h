/* The inside of the inspection, shared by its files. */
#ifndef TARN_SPL_KMEM_INSPECT_IMPL_H
#define TARN_SPL_KMEM_INSPECT_IMPL_H

#include "spl/kmem_impl.h"
#include "spl/kmem_inspect.h"

/* A piece of the target's address space. */
typedef struct ki_map {
	uintptr_t km_start, km_end;
	uint64_t km_offset;  /* in the file it maps */
	uint64_t km_data;    /* core: where its bytes are in the core; 0: not there */
	uint64_t km_datalen;
	bool km_write;
	char km_path[256];   /* "" if anonymous */
} ki_map_t;

struct kmem_inspect {
	pid_t ki_pid;      /* 0: a core */
	int ki_fd;         /* core */
	ki_map_t *ki_maps;
	size_t ki_nmaps, ki_maps_size;
	pid_t *ki_threads; /* stopped */
	size_t ki_nthreads;
	uintptr_t *ki_regs; /* words of all threads' registers */
	size_t ki_nregs, ki_regs_size;
	uintptr_t ki_root_addr;
	kmem_root_t ki_root;
};

/* One buffer of the target. */
typedef struct ki_buf {
	uintptr_t kb_addr;
	size_t kb_size;
	uintptr_t kb_bufctl; /* 0: none */
	uint32_t kb_cache;   /* index */
	bool kb_free;        /* in the slab layer, or in a magazine */
	bool kb_marked;
} ki_buf_t;

const ki_map_t *ki_map_at(const kmem_inspect_t *ki, uintptr_t addr);
int ki_read_cache(kmem_inspect_t *ki, uintptr_t addr, kmem_cache_t *cp);
/* Find a cache by name; 0 if there is none. */
uintptr_t ki_find_cache(kmem_inspect_t *ki, const char *name, kmem_cache_t *cp);
/* Words of a stack as "0x... <function+offset> (module)" lines. */
void ki_print_pc(kmem_inspect_t *ki, FILE *out, uintptr_t pc);
bool ki_pc_in(kmem_inspect_t *ki, uintptr_t pc, const char *function);
/* All buffers, sorted by address; free with ki_bufs_free(). cache 0: of all caches. */
int ki_bufs(kmem_inspect_t *ki, uint32_t cache, ki_buf_t **bufs, size_t *count);
void ki_bufs_free(ki_buf_t *bufs, size_t count);
uint64_t ki_pagemap(kmem_inspect_t *ki, uintptr_t addr);
int ki_findleaks(kmem_inspect_t *ki, FILE *out);
int ki_cache_rounds(kmem_inspect_t *ki, const kmem_cache_t *cp,
    void (*func)(void *arg, uintptr_t obj), void *arg, uint64_t *pops);

#endif
