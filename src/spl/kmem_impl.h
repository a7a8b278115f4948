/*
 * The inside of kmem, shared by its files.
 *
 *   kmem.c          the story; size classes, public allocation and free
 *   kmem_cache.c    creation, destruction, registry, start
 *   kmem_percpu.h   per-CPU magazines (restartable sequences)
 *   kmem_magazine.c magazines and the depot
 *   kmem_slab.c     slabs
 *   kmem_debug.c    the checks of the diagnostic mode
 *   kmem_report.c   errors told with their history
 *   kmem_guard.c    allocations on guarded pages: firewall and sampling
 *   kmem_env.c      UMEM_DEBUG and its relatives
 *   kmem_reap.c     giving memory back: reaper, pressure, consolidation
 *   kmem_stat.c     tables
 *   pagemap.c       which slab a page belongs to
 */
#ifndef TARN_SPL_KMEM_IMPL_H
#define TARN_SPL_KMEM_IMPL_H

#include <pthread.h>
#include "spl/kmem.h"
#include "spl/kmem_debug.h"
#include "spl/list.h"
#include "spl/sync.h"
#include "spl/vmem.h"

#define KMEM_PAGE 4096
#define KMEM_NAMELEN 40
#define KMEM_MAXBUF (128 * 1024) /* larger ones come from vmem directly */
#define KMEM_MAXCACHES 4096
#define KMEM_STACK 20 /* frames kept per transaction, at most */

/* cflags of kmem_cache_create() for use inside the room. */
#define KMC_QCACHE 0x01     /* a vmem quantum cache */
#define KMC_NOTOUCH 0x02    /* buffers are not memory: never write into them */
#define KMC_NOMAGAZINE 0x04
#define KMC_INTERNAL 0x08   /* metadata of kmem itself: no debugging, own arena */
#define KMC_ALLOC 0x10      /* one of the kmem_alloc_N */

/*
 * A magazine: a stack of free constructed objects. The low 16 bits of mag_word
 * count them, the bits above count the pops since the count was last collected:
 * one store changes both, which is what a restartable sequence can do, so exact
 * allocation counts cost nothing.
 */
typedef struct kmem_magazine {
	struct kmem_magazine *mag_next;
	uint64_t mag_word;
	uint32_t mag_size; /* how many it can hold */
	uint32_t mag_type;
	void *mag_round[];
} kmem_magazine_t;
#define MAG_ROUNDS(word) ((uint32_t)((word)&0xffff))
#define MAG_POPS(word) ((word) >> 16)

/* One CPU's part of a cache; a cache line of its own. */
typedef struct kmem_cpu {
	kmem_magazine_t *cc_loaded;
	kmem_magazine_t *cc_prev;
	uint32_t cc_frozen; /* somebody else works here: exchanges must wait */
	uint32_t cc_pad;
	pthread_mutex_t cc_lock; /* only without restartable sequences */
} __attribute__((aligned(64))) kmem_cpu_t;

typedef struct kmem_maglist {
	kmem_magazine_t *ml_list;
	uint64_t ml_total;
	uint64_t ml_min;       /* least total of this interval: what was not needed */
	uint64_t ml_reaplimit; /* the same of the last interval */
	uint64_t ml_alloc;     /* magazines taken */
} kmem_maglist_t;

/* What is known about the last transactions of a buffer (audit). */
typedef struct kmem_audit {
	hrtime_t ka_time;
	int32_t ka_thread;
	uint16_t ka_depth;
	uint16_t ka_kind; /* KMEM_TX_* */
	uintptr_t ka_stack[KMEM_STACK];
} kmem_audit_t;
enum { KMEM_TX_NONE, KMEM_TX_ALLOC, KMEM_TX_FREE };

/* Control of one buffer, away from it. The audit part exists with KMF_AUDIT. */
typedef struct kmem_bufctl {
	struct kmem_bufctl *bc_next; /* free list */
	void *bc_addr;
	struct kmem_slab *bc_slab;
	uint32_t bc_state; /* BC_FREE or BC_ALLOC */
	uint32_t bc_check; /* hash of address and slab: still what we wrote? */
	size_t bc_size;    /* asked for (debugging) */
	void *bc_contents; /* saved contents (contents) */
	kmem_audit_t bc_audit;
	kmem_audit_t bc_prev; /* the transaction before */
} kmem_bufctl_t;
#define BC_FREE 0xf4eef4eeU
#define BC_ALLOC 0xa110c8edU

typedef struct kmem_slab {
	struct kmem_cache *slab_cache;
	char *slab_base;   /* first byte */
	list_node_t slab_link;
	void *slab_free;   /* buffers linked through themselves, or bufctls */
	uint32_t slab_refcnt;
	uint32_t slab_chunks;
	kmem_bufctl_t *slab_bufctls; /* array, or NULL: a small slab */
	struct kmem_slab *slab_hnext;
} kmem_slab_t;

/* A ring of transactions: of one cache, or of all. */
typedef struct kmem_zrecord {
	uint64_t zr_seq;  /* 1 + its number; 0: being written */
	const void *zr_buf;
	struct kmem_cache *zr_cache;
	kmem_audit_t zr_audit;
} kmem_zrecord_t;
typedef struct kmem_zlog {
	uint64_t zl_next; /* records ever begun (atomic) */
	uint64_t zl_size; /* records in the ring */
	kmem_zrecord_t zl_ring[];
} kmem_zlog_t;

struct kmem_cache {
	kmem_cpu_t *kc_cpu;      /* what the fast path looks at */
	kmem_cpu_t *kc_cpu_real; /* where the magazines are (same, if rseq) */
	uint32_t kc_flags;       /* KMF_* */
	uint32_t kc_cflags;      /* KMC_* */
	uint32_t kc_index;
	uint32_t kc_magtype;
	size_t kc_bufsize;
	size_t kc_align;
	size_t kc_chunksize;
	size_t kc_prefix;        /* debugging: guard bytes before the buffer */
	size_t kc_tag;           /* debugging: offset of the boundary tag in a chunk */
	size_t kc_slabsize;
	size_t kc_maxcolor;
	size_t kc_bufctl_size;   /* 0: small slabs */
	uint32_t kc_maxchunks;
	bool kc_rseq_ok;
	bool kc_guardable;       /* sampling may take its objects */

	int (*kc_constructor)(void *, void *, int);
	void (*kc_destructor)(void *, void *);
	void (*kc_reclaim)(void *);
	kmem_cbrc_t (*kc_move)(void *, void *, size_t, void *);
	void *kc_arg;
	vmem_t *kc_arena;

	kmutex_t kc_lock; /* slab layer; everything from here to kc_depot_lock */
	size_t kc_color;
	list_t kc_partial, kc_full, kc_empty;
	uint64_t kc_slab_create, kc_slab_destroy, kc_slab_alloc, kc_slab_free;
	uint64_t kc_slab_count, kc_empty_count;
	uint64_t kc_buftotal, kc_buftotal_max;
	uint64_t kc_slab_inuse; /* buffers out of the slab layer */
	kmem_slab_t **kc_hash;  /* slabs by address, for arenas outside the pagemap */
	size_t kc_hash_size;

	kmutex_t kc_depot_lock; /* the depot */
	kmem_maglist_t kc_fullmags, kc_emptymags;
	uint64_t kc_contention, kc_contention_prev;

	uint64_t kc_pops;       /* allocations from magazines, collected (atomic) */
	uint64_t kc_direct;     /* allocations past the magazines (atomic) */
	uint64_t kc_guarded;    /* objects on guarded pages (atomic) */
	uint64_t kc_fail;       /* failed allocations (atomic) */
	uint64_t kc_move_calls, kc_move_yes, kc_move_slabs;
	uint32_t kc_log_want;   /* set from outside: log this cache's transactions */
	kmem_zlog_t *kc_log;
	uint64_t kc_mtbf_count;

	char kc_name[KMEM_NAMELEN];
	struct kmem_cache *kc_next, *kc_prev; /* registry, kmem_caches_lock */
	size_t kc_struct_size;
};

/* The boundary tag after a buffer in diagnostic mode. */
typedef struct kmem_buftag {
	uint32_t bt_redzone;  /* KMEM_REDZONE */
	uint32_t bt_size;     /* 251 * size + 1: a size that cannot look like filler */
	uintptr_t bt_bufctl;
	uintptr_t bt_bxstat;  /* bt_bufctl ^ state */
} kmem_buftag_t;
#define KMEM_REDZONE 0xfeedfaceU
#define KMEM_REDZONE_BYTE 0xbb
#define KMEM_FREE_PATTERN 0xdeadbeefdeadbeefULL
#define KMEM_UNINIT_PATTERN 0xbaddcafebaddcafeULL
#define KMEM_PREFIX_PATTERN 0xfeedfacebefa11edULL
#define KMEM_SIZE_ENCODE(n) ((uint32_t)(251 * (n) + 1))

/* Process-wide state, in one place so that another process can read it. */
#define KMEM_ROOT_MAGIC 0x6b6d656d726f6f74ULL /* "kmemroot" */
#define KMEM_ROOT_VERSION 1
typedef struct kmem_root {
	uint64_t kr_magic;
	uint32_t kr_version;
	uint32_t kr_ncpus;     /* CPU numbers are below this */
	size_t kr_cache_size;  /* sizeof(struct kmem_cache): same layout? */
	struct kmem_cache *kr_caches; /* first of the registry */
	uint64_t **kr_pagemap;
	kmem_zlog_t *kr_log;   /* transaction log of everything */
	uint64_t kr_oversize;  /* bytes allocated past the classes (atomic) */
	uint64_t kr_oversize_allocs;
	uint32_t kr_flags;     /* KMF_* of new caches */
	uint32_t kr_frames;
	uint32_t kr_rseq;      /* restartable sequences in use */
	uint32_t kr_panic;     /* stop at an error */
	uint32_t kr_delegate;  /* everything goes to malloc */
	uint32_t kr_verbose;
	uint32_t kr_checknull;
	uint32_t kr_noreap;    /* no reaper thread of its own accord */
	uint32_t kr_contents;  /* bytes of contents saved */
	uint64_t kr_mtbf;
	uint64_t kr_firewall;
	struct vmem **kr_arenas; /* head of the arenas' registry */
	struct {
		uintptr_t start;
		size_t size;
	} kr_meta[512];        /* mapped for kmem's own use outside of any arena */
	char kr_mtbf_func[64];
	char kr_only[256];     /* caches to debug; empty: all */
} kmem_root_t;
extern kmem_root_t kmem_root;

extern vmem_t *kmem_default_arena, *kmem_meta_arena, *kmem_metapage_arena;
extern kmem_cache_t *kmem_by_index[KMEM_MAXCACHES];
extern kmem_cpu_t *kmem_cpu_by_index[KMEM_MAXCACHES]; /* their kc_cpu: free() is in a hurry */
extern kmutex_t kmem_caches_lock;
extern kmem_magazine_t kmem_no_magazine; /* holds 0 of 0: every fast path fails */
extern uintptr_t kmem_sample_base, kmem_sample_size;

void kmem_init(void);
void kmem_env_read(void);
void kmem_env_apply(void);
void kmem_classes_init(void);
void kmem_oversize_free(void *buf, size_t size);

extern kmem_cache_t *kmem_small_classes[KMEM_PAGE / 8];
extern kmem_cache_t *kmem_page_classes[KMEM_MAXBUF / KMEM_PAGE];
/* The cache for this size; NULL: size 0, oversize, or kmem has not started. */
static inline kmem_cache_t *
kmem_class_of(size_t size)
{
	if (__builtin_expect(size - 1 < KMEM_PAGE, 1))
		return (kmem_small_classes[(size - 1) >> 3]);
	if (size - 1 < KMEM_MAXBUF)
		return (kmem_page_classes[(size - 1) >> 12]);
	return (NULL);
}
kmem_cache_t *kmem_cache_create_impl(const char *name, size_t size, size_t align,
    int (*constructor)(void *, void *, int), void (*destructor)(void *, void *),
    void (*reclaim)(void *), void *arg, vmem_t *source, int cflags);
void *kmem_meta_alloc(size_t size);
void kmem_meta_free(void *p, size_t size);
/* Pages for kmem's own use, known as such to whoever looks for leaks. */
void *kmem_own_map(size_t size);
void kmem_own_unmap(void *p, size_t size);

/* kmem_slab.c */
void kmem_slab_init(kmem_cache_t *cp);
/* Up to n raw buffers; returns how many (0: no memory). */
size_t kmem_slab_alloc(kmem_cache_t *cp, void **bufs, size_t n, int kmflags);
/* Is this number from one of the cache's slabs (and not from the arena directly)? */
bool kmem_slab_owns(kmem_cache_t *cp, const void *buf);
void kmem_slab_free(kmem_cache_t *cp, void *buf);
/* The slab and start of the buffer that contains addr; NULL if none of ours. */
kmem_slab_t *kmem_slab_find(kmem_cache_t *cp, const void *addr);
void *kmem_slab_chunk(const kmem_slab_t *sp, const void *addr);
kmem_bufctl_t *kmem_slab_bufctl(const kmem_slab_t *sp, const void *buf);
/* Give wholly free slabs back to the arena, all but `keep`. */
void kmem_slab_reap(kmem_cache_t *cp, uint64_t keep);
/*
 * The emptiest of the partly used slabs, kept from going away, and a bitmap of its
 * free buffers; NULL if its objects would not fit into the others.
 */
kmem_slab_t *kmem_slab_hold_victim(kmem_cache_t *cp, uint64_t *free_map);
void kmem_slab_rele_victim(kmem_cache_t *cp, kmem_slab_t *sp);

/* kmem_magazine.c */
void kmem_magazine_init(void);
void kmem_magazine_enable(kmem_cache_t *cp);
void kmem_magazine_fast(kmem_cache_t *cp, bool on);
void *kmem_magazine_alloc_slow(kmem_cache_t *cp, int kmflags);
void kmem_magazine_free_slow(kmem_cache_t *cp, void *buf);
/* Empty all magazines of the cache, on all CPUs and in the depot. */
void kmem_magazine_purge(kmem_cache_t *cp);
/* Give back what the depot did not need in the last interval; new interval. */
void kmem_depot_ws_update(kmem_cache_t *cp);
void kmem_depot_reap(kmem_cache_t *cp);
void kmem_magazine_resize(kmem_cache_t *cp);
uint32_t kmem_magtype_rounds(uint32_t type);
uint64_t kmem_magazine_rounds(kmem_cache_t *cp, uint64_t *pops);
void kmem_magazine_fork_prepare(void);
void kmem_magazine_fork_done(bool child);
void kmem_magazine_fork_free(void);

/* kmem_debug.c */
void kmem_debug_layout(kmem_cache_t *cp);
void kmem_debug_slab_init(kmem_slab_t *sp);
bool kmem_debug_slab_check(kmem_slab_t *sp);
void *kmem_debug_alloc(kmem_cache_t *cp, size_t size, int kmflags);
void kmem_debug_free(kmem_cache_t *cp, void *buf, size_t size, bool sized);
void kmem_debug_leaks(kmem_cache_t *cp);
size_t kmem_debug_size(const void *buf); /* size asked for */
void kmem_audit_note(kmem_audit_t *ka, int kind);
bool kmem_inject_failure(kmem_cache_t *cp, int kmflags);
/* Is a function of this name on the stack? */
bool kmem_stack_has(const char *function);

/* kmem_report.c */
typedef enum kmem_errkind {
	KMERR_MODIFIED,
	KMERR_REDZONE,
	KMERR_BUFTAG,
	KMERR_BADADDR,
	KMERR_DUPFREE,
	KMERR_BADCACHE,
	KMERR_BADSIZE,
	KMERR_BADBASE,
	KMERR_BUFCTL,
	KMERR_LEAK,
} kmem_errkind_t;
typedef struct kmem_err {
	kmem_errkind_t e_kind;
	kmem_cache_t *e_cache;      /* where the caller thinks it belongs */
	kmem_cache_t *e_realcache;  /* where it came from */
	void *e_buf;
	kmem_slab_t *e_slab;
	kmem_bufctl_t *e_bufctl;
	size_t e_offset;            /* of the modification */
	uint64_t e_expect, e_found;
	uint64_t e_a, e_b;          /* the two numbers of a bad free */
} kmem_err_t;
void kmem_error(const kmem_err_t *e);
void kmem_report_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kmem_report_stack(const uintptr_t *pcs, int depth);
void kmem_report_open(const char *path);
void kmem_report_fork_child(void);
void kmem_report_lock(void);
void kmem_report_unlock(void);

/* kmem_log.c */
void kmem_log_init(size_t bytes);
void kmem_log_note(kmem_cache_t *cp, const void *buf, int kind);
int kmem_log_cache(kmem_cache_t *cp, bool on);

/* kmem_guard.c */
void *kmem_guard_alloc(kmem_cache_t *cp, size_t size, int kmflags);
void kmem_guard_free(kmem_cache_t *cp, void *buf, size_t size, bool sized);
size_t kmem_guard_size(const void *buf);
void kmem_guard_fork_prepare(void);
void kmem_guard_fork_done(void);
void *kmem_sample_alloc(kmem_cache_t *cp);
bool kmem_sample_due(kmem_cache_t *cp);
static inline bool
kmem_is_sample(const void *buf)
{
	return (__builtin_expect((uintptr_t)buf - kmem_sample_base < kmem_sample_size, 0));
}

/* kmem_reap.c */
void kmem_reap_enter(void); /* no round of reaping runs meanwhile */
void kmem_reap_exit(void);
bool kmem_reap_owned(void);
/* Memory ran out in an allocation: give back what can be had without callbacks. */
void kmem_reap_inline(void);
/* For processes without a reaper: a round by the clock, now and then. */
void kmem_reaper_poll(void);
/* Wake the reaper, start it if need be. */
void kmem_reaper_kick(void);
void kmem_reaper_fork_child(void);
/* The heap grows: a large process gets a reaper, a process short of memory waits. */
void kmem_reaper_note_growth(size_t mapped, bool may_wait);

/* kmem_delegate.c */
void *kmem_delegate_alloc(size_t size, size_t align, int kmflags);
void kmem_delegate_free(void *buf, size_t size);
uint64_t kmem_delegate_used(void);

/* pagemap.c: what a page of ours is used for. */
#define PM_INDEX(word) ((uint32_t)((word) >> 48))
#define PM_VALUE(word) ((word)&0xffffffffffffULL)
#define PM_LARGE 0xffff  /* start of an oversize allocation; value: size */
#define PM_GUARD 0xfffe  /* guarded allocation; value: its record */
#define PM_LEAFSHIFT 18
#define PM_ROOTS (1 << 17)
extern uint64_t *pagemap_root[PM_ROOTS];
/* Returns false if there is no memory for the map. */
bool pagemap_set(const void *addr, size_t size, uint64_t word);
void pagemap_fork_prepare(void);
void pagemap_fork_done(void);
static inline uint64_t
pagemap_get(const void *addr)
{
	const uintptr_t page = (uintptr_t)addr >> 12;

	if (__builtin_expect(page >> (17 + PM_LEAFSHIFT) != 0, 0))
		return (0);
	const uint64_t *leaf =
	    __atomic_load_n(&pagemap_root[page >> PM_LEAFSHIFT], __ATOMIC_ACQUIRE);
	return (leaf == NULL ? 0 : __atomic_load_n(
	    &leaf[page & ((1 << PM_LEAFSHIFT) - 1)], __ATOMIC_RELAXED));
}

#endif
