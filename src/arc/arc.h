/*
 * ARC: the adaptive replacement cache of blocks, below the dbufs (Megiddo & Modha
 * 2003). Keyed by identity on disk (pool, DVA 0, physical birth): content never
 * changes under a key, so a hit is always right.
 *
 * Data blocks are kept as on disk (compressed), metadata decompressed and in host
 * byte order. Users get immutable buffers with a reference.
 *
 * Locks: hash bucket locks, then a list lock. Nothing of the ARC is held across
 * I/O or callbacks.
 */
#ifndef TARN_ARC_H
#define TARN_ARC_H

#include "spl/spl.h"
#include "zio/zio.h"
#include "spa/spa.h"

typedef struct arc_buf {
	void *b_data; /* LSIZE bytes, host byte order for everything but file data;
			 never written */
	uint64_t b_size;
	void *b_hdr; /* inside of the room */
} arc_buf_t;

typedef void arc_read_done_func_t(
    void *private, const blkptr_t *bp, arc_buf_t *buf, int error);

#define ARC_FLAG_PREFETCH                                                              \
	0x1 /* nobody waits: done may be NULL, the block is just cached */
#define ARC_FLAG_UNCACHED 0x2	   /* drop it when the last reference goes */
#define ARC_FLAG_METADATA_ONLY 0x4 /* keep only metadata (primarycache=metadata) */
#define ARC_FLAG_NOWAIT 0x8	   /* arc_read_wait: EWOULDBLOCK instead of I/O */

/*
 * Read bp (not a hole). On a hit done is called at once, in the caller's thread; else
 * when the zio ends. buf is the callee's (arc_buf_rele); NULL with an error. pio may be
 * NULL: the read is issued at once; otherwise it is a child of pio.
 */
void arc_read(zio_t *pio, spa_t *spa, const blkptr_t *bp, arc_read_done_func_t *done,
    void *private, zio_priority_t priority, uint32_t zio_flags, uint32_t arc_flags,
    const zbookmark_phys_t *zb);
int arc_read_wait(spa_t *spa, const blkptr_t *bp, zio_priority_t priority,
    uint32_t zio_flags, uint32_t arc_flags, const zbookmark_phys_t *zb,
    arc_buf_t **bufp);
void arc_buf_hold(arc_buf_t *buf);
void arc_buf_rele(arc_buf_t *buf);
/*
 * Take the data over if nobody else can see it (it was decompressed for this buffer):
 * b_size bytes of zio_buf_alloc, now the caller's to change and free; buf is gone.
 * NULL: shared, nothing happened.
 */
void *arc_buf_steal(arc_buf_t *buf);

/*
 * A block was just written: cache `data` (copied, or taken over with `take`: allocated
 * with zio_buf_alloc(size), freed by the arc).
 */
void arc_insert(spa_t *spa, const blkptr_t *bp, void *data, uint64_t size, bool take);
/* bp was freed: forget it. */
void arc_freed(spa_t *spa, const blkptr_t *bp);
/* Forget everything of a pool, and wait for reads (ahead) under way (export). */
void arc_flush(spa_t *spa);
bool arc_cached(spa_t *spa, const blkptr_t *bp);

void arc_init(uint64_t max_bytes); /* 0: default (half of memory, cgroup-aware) */
void arc_fini(void);
/* Give back about `bytes`; returns what was freed. */
uint64_t arc_reduce(uint64_t bytes);
typedef struct arc_stats {
	uint64_t as_hits, as_misses, as_size, as_c, as_c_max, as_mru_size, as_mfu_size,
	    as_ghost_hits, as_evicted;
} arc_stats_t;
void arc_stats(arc_stats_t *as);

#endif
