/* The inside of a vmem arena; for vmem.c, its tests and the inspection of processes. */
#ifndef TARN_SPL_VMEM_IMPL_H
#define TARN_SPL_VMEM_IMPL_H

#include "spl/vmem.h"
#include "spl/sync.h"

#define VMEM_NAMELEN 32
#define VMEM_FREELISTS 64
#define VMEM_HASH_INITIAL 16
#define VMEM_NQCACHE 16

struct kmem_cache;

typedef enum vmem_segtype {
	VS_SPAN,
	VS_ALLOC,
	VS_FREE
} vmem_segtype_t;

/* A boundary tag: one segment of an arena, linked in two ways. */
typedef struct vmem_seg {
	uintptr_t vs_start;
	uintptr_t vs_end;
	struct vmem_seg *vs_anext, *vs_aprev; /* all segments, by address */
	struct vmem_seg *vs_knext, *vs_kprev; /* of its kind: freelist, or hash chain */
	uint8_t vs_type;
	bool vs_import;  /* span: came from the source */
	uint8_t vs_age;  /* free: 0 discarded pages, else 1 + purges survived */
} vmem_seg_t;

struct vmem {
	char vm_name[VMEM_NAMELEN];
	kmutex_t vm_lock;
	kcondvar_t vm_cv; /* something was freed or added */
	size_t vm_quantum;
	int vm_qshift;
	bool vm_memory;
	vmem_alloc_t *vm_afunc;
	vmem_free_t *vm_ffunc;
	vmem_t *vm_source;
	size_t vm_import_min;
	size_t vm_keep_max;
	size_t vm_kept;         /* bytes of imported spans that are wholly free */
	size_t vm_qcache_max;
	struct kmem_cache *vm_qcache[VMEM_NQCACHE];
	uint64_t vm_qbypass;    /* small pieces ever allocated past the qcaches (atomic) */
	vmem_seg_t vm_seg0;     /* head of the address list; sorts before everything */
	vmem_seg_t vm_freelist[VMEM_FREELISTS]; /* [i]: sizes 2^i .. 2^(i+1)-1 */
	uint64_t vm_freemap;    /* bit i: freelist i is not empty */
	uintptr_t vm_rotor;     /* where the next VM_NEXTFIT search begins */
	vmem_seg_t **vm_hash;   /* allocated segments by address */
	size_t vm_hash_size;
	size_t vm_nalloc;       /* segments in the hash */
	vmem_stat_t vm_stat;
	struct vmem *vm_next;   /* registry */
};

/* Raw pages of the system; NULL if there are none. For metadata. */
void *vmem_os_map(size_t size);
void vmem_os_unmap(void *addr, size_t size);
/* Forget the contents of pages, giving the memory to the system; they read as 0. */
void vmem_os_discard(void *addr, size_t size);

/* The head of the list of arenas, for inspection. */
vmem_t **vmem_registry(void);
/* Take/release every lock of the room around fork(). */
void vmem_fork_prepare(void);
void vmem_fork_done(void);

#endif
