/*
 * kmem: the one door through which everything in tarn allocates memory.
 *
 * Interfaces as in the manual pages kmem_alloc(9F) and kmem_cache_create(9F).
 * The caller gives the size back on free: it always knows it, and the check of
 * that knowledge finds bugs.
 */
#ifndef TARN_SPL_KMEM_H
#define TARN_SPL_KMEM_H

#include "spl/types.h"

#define KM_SLEEP 0x0000    /* wait for memory; never returns NULL */
#define KM_NOSLEEP 0x0001  /* may return NULL */
#define KM_PUSHPAGE 0x0004 /* like KM_SLEEP, may use reserves: for writing data out */

/* `size` bytes, aligned for any type (and to 4096 if size >= 4096). 0 gives NULL. */
void *kmem_alloc(size_t size, int kmflags);
void *kmem_zalloc(size_t size, int kmflags);
/* Memory from kmem_alloc/zalloc of exactly this size. NULL with size 0 is fine. */
void kmem_free(void *buf, size_t size);

char *kmem_strdup(const char *s);
/* printf into fresh memory; free with kmem_strfree(). */
char *kmem_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Frees a string of kmem_strdup/asprintf; NULL is fine. */
void kmem_strfree(char *s);

typedef struct kmem_cache kmem_cache_t;
typedef enum kmem_cbrc {
	KMEM_CBRC_YES,
	KMEM_CBRC_NO,
	KMEM_CBRC_LATER,
	KMEM_CBRC_DONT_NEED,
	KMEM_CBRC_DONT_KNOW
} kmem_cbrc_t;

/*
 * A cache of constructed objects. `align` 0 means 8. The constructor returns 0
 * or -1; objects come back to kmem_cache_free in constructed state. `reclaim`
 * (may be NULL) is asked to free objects when memory is short.
 */
kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t align,
    int (*constructor)(void *buf, void *arg, int kmflags),
    void (*destructor)(void *buf, void *arg), void (*reclaim)(void *arg), void *arg,
    void *vmem_source, int cflags);
void kmem_cache_destroy(kmem_cache_t *cp);
void *kmem_cache_alloc(kmem_cache_t *cp, int kmflags);
void kmem_cache_free(kmem_cache_t *cp, void *buf);
void kmem_cache_set_move(kmem_cache_t *cp,
    kmem_cbrc_t (*move)(void *oldbuf, void *newbuf, size_t size, void *arg));
void kmem_cache_reap_now(kmem_cache_t *cp);
void kmem_reap(void);

/* Bytes handed out by kmem and not yet freed. */
uint64_t kmem_used(void);

#endif
