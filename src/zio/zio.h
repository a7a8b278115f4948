/*
 * zio: the I/O pipeline between block pointers and devices.
 *
 * The problem. A logical block is compressed, checksummed, stored one to three times,
 * at places that are only known when it is written, perhaps in pieces; a block that
 * points to others cannot be written before their places are known. Thousands of such
 * operations are under way at a time, and nobody may wait for a disk with a CPU in
 * hand.
 *
 * The idea. An operation is a zio, a small state machine that runs on task queues
 * whenever it can go on.
 *   Write: wait for the children's pointers -> compress -> checksum -> allocate (or
 *   gang) -> ready: the pointer is final -> issue to the vdevs of every DVA -> done.
 *   Read: one copy after the other until one verifies -> repair the wrong ones ->
 *   decompress -> done.
 * zios form a graph. A parent is done only when all its children are; a write whose
 * data depends on its children's block pointers (indirect blocks) starts when they are
 * all *ready* (pointer final), not when they are done.
 *
 *      zio.c           the graph: creating, waiting, notifying, freeing
 *      zio_read.c      reading, self-healing, holes, embedded data
 *      zio_write.c     compressing, allocating, issuing, suspending
 *      zio_gang.c      gang blocks: reading, writing, freeing
 *      zio_verify.c    is a pointer possible, are bytes what a pointer says
 *
 * Threads. Callbacks run on task queues with no lock held and may issue further zios,
 * but never wait for one. zio_nowait() never calls back into its caller; zio_wait() may
 * run callbacks on the waiting thread. Compression and checksums of writes run on
 * z_wr_iss (it may also wait for space maps inside of zso_alloc), starts of reads out
 * of callbacks on z_rd_iss, everything behind a device on vdev_int.
 *
 * Locks. One for each zio (counts of children), held for a few instructions; a parent's
 * and a child's are never held together. A zio holds the pool's configuration
 * (zso_config_enter) only while its own device requests are under way, never while it
 * waits for other zios.
 *
 * Invariants.
 *  - `ready` is called at most once and before `done`; not at all if the write fails
 * before its pointer is final (then *bp is what it was). `done` is called exactly once.
 *  - When `done` of a write runs without error, at least one DVA (of every piece) is on
 * its device's way: written as the device said, not yet flushed.
 *  - Data goes from the caller's buffer to the device and back without being copied,
 * unless it is compressed, or misaligned for O_DIRECT.
 *
 * What can fail. Reads: ECKSUM, EIO, ENXIO after all copies of all DVAs were tried.
 * Writes: with CANFAIL the error goes to the caller; else the pool suspends and the
 * write is retried until it succeeds. Pointers are hostile: zio_blkptr_verify() stands
 * before every use.
 */
#ifndef TARN_ZIO_H
#define TARN_ZIO_H

#include "spl/spl.h"
#include "ondisk/ondisk.h"
#include "codec/checksum.h"
#include "codec/compress.h"
#include "vdev/vdev.h"

typedef struct spa spa_t;
typedef struct zio zio_t;
typedef void zio_done_func_t(zio_t *zio);

#define ZIO_FLAG_CANFAIL                                                               \
	0x0001 /* errors go to the caller (else: the pool suspends)                    \
		*/
#define ZIO_FLAG_SPECULATIVE 0x0002 /* prefetch; errors are not reported */
#define ZIO_FLAG_SCRUB 0x0004	    /* read all copies of all DVAs */
#define ZIO_FLAG_RAW 0x0008	    /* data is PSIZE bytes as stored */
#define ZIO_FLAG_REWRITE 0x0010
#define ZIO_FLAG_DONT_REPAIR 0x0020
#define ZIO_FLAG_METADATA_MUST 0x0040
/* Errors of this zio stay with it: its parents do not inherit them. */
#define ZIO_FLAG_DONT_PROPAGATE 0x0080

/* What a write wants (chosen by the dmu's write policy, format/01 §9.2, §10). */
typedef struct zio_prop {
	enum zio_checksum zp_checksum; /* a real function, not ON/INHERIT */
	enum zio_compress zp_compress; /* a real function or OFF or EMPTY */
	uint8_t zp_complevel;
	dmu_object_type_t zp_type;
	uint8_t zp_level;
	uint8_t zp_copies;	/* 1..3 */
	uint8_t zp_gang_copies; /* >= copies */
	bool zp_dedup, zp_nopwrite;
	uint32_t zp_blksz; /* lsize for holes */
} zio_prop_t;

struct zio {
	/* readable in callbacks */
	spa_t *io_spa;
	blkptr_t *io_bp; /* write: filled before `ready`; read: points to io_bp_copy */
	blkptr_t io_bp_copy;
	blkptr_t io_bp_orig; /* write: the old pointer's content on entry */
	void *io_data;
	uint64_t io_size, io_lsize;
	uint64_t io_txg;
	zbookmark_phys_t io_bookmark;
	void *io_private;
	zio_done_func_t *io_ready, *io_done;
	int io_error;
	uint32_t io_flags;
	zio_priority_t io_priority;
	zio_prop_t io_prop;
	void *io_impl; /* inside of the room */
};

/*
 * What the pool gives to the pipeline; the spa room registers it once with zio_init.
 */
typedef struct zio_spa_ops {
	/*
	 * Allocate ndvas copies of asize-for-psize bytes into bp's DVAs (ENOSPC:
	 * nothing allocated). `hint`: old or neighbouring pointer, or NULL. flags:
	 * ZIO_ALLOC_*.
	 */
	int (*zso_alloc)(spa_t *spa, uint64_t psize, blkptr_t *bp, int ndvas,
	    uint64_t txg, const blkptr_t *hint, uint32_t flags, const zio_prop_t *zp);
	/* Undo in the same txg. */
	void (*zso_unalloc)(spa_t *spa, const dva_t *dva, uint64_t txg);
	/* Free one DVA's range in txg. */
	void (*zso_free_dva)(spa_t *spa, const dva_t *dva, uint64_t txg);
	int (*zso_claim_dva)(spa_t *spa, const dva_t *dva, uint64_t txg);
	/* Top-level vdev by id, NULL if there is none (damaged pointer). */
	vdev_t *(*zso_top)(spa_t *spa, uint64_t id);
	/* Held (as reader) around device I/O of one zio. */
	void (*zso_config_enter)(spa_t *spa);
	void (*zso_config_exit)(spa_t *spa);
	/*
	 * The same without waiting; false: not now. May be NULL. With it reads start on
	 * the thread that asks instead of on a task queue.
	 */
	bool (*zso_config_tryenter)(spa_t *spa);
	const zio_cksum_salt_t *(*zso_salt)(spa_t *spa);
	bool (*zso_writeable)(spa_t *spa);
	uint64_t (*zso_min_alloc)(
	    spa_t *spa); /* 2^(smallest ashift): rounding of PSIZE */
	bool (*zso_embedded_ok)(spa_t *spa); /* feature embedded_data */
	bool (*zso_hole_birth)(spa_t *spa);  /* feature hole_birth active */
	/* Permanent data error of bp at zb (error log, events). */
	void (*zso_data_error)(
	    spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp, int error);
	/*
	 * A write without CANFAIL failed on all copies (or found no space): suspend;
	 * returns when to retry. Called from a thread of its own, once for all writes
	 * that fail until it returns. To give up instead (the pool goes away by force),
	 * set ZIO_FLAG_CANFAIL in zio->io_flags.
	 */
	void (*zso_suspend)(spa_t *spa, zio_t *zio);
	/*
	 * The sync pass under way, from 1. From the second on a block already written
	 * in this txg is rewritten in place, from the eighth on it is no longer
	 * compressed (format/01 §9.2).
	 */
	int (*zso_sync_pass)(spa_t *spa);
} zio_spa_ops_t;
#define ZIO_ALLOC_GANG_HEADER 0x1
#define ZIO_ALLOC_GANG_CHILD 0x2

void zio_init(const zio_spa_ops_t *ops);
void zio_fini(void);

/* 4096-aligned (if >= 4096) data buffers. Freeing NULL is fine. */
void *zio_buf_alloc(size_t size);
void zio_buf_free(void *buf, size_t size);

/* A zio without I/O that collects others; zio_root has no parent. */
zio_t *zio_root(spa_t *spa, zio_done_func_t *done, void *private, uint32_t flags);
zio_t *zio_null(
    zio_t *pio, spa_t *spa, zio_done_func_t *done, void *private, uint32_t flags);

/*
 * Read bp into data: LSIZE bytes (or PSIZE with RAW) of the caller's buffer. Holes give
 * zeros; embedded pointers are decoded. The byte order of the data is that of the block
 * (BP_GET_BYTEORDER); callers swap by object type. pio may be NULL.
 * Errors: ECKSUM, EIO, ENXIO.
 */
zio_t *zio_read(zio_t *pio, spa_t *spa, const blkptr_t *bp, void *data, uint64_t size,
    zio_done_func_t *done, void *private, zio_priority_t priority, uint32_t flags,
    const zbookmark_phys_t *zb);

/*
 * Write lsize bytes as a new block of txg. *bp holds the old pointer on entry (never
 * freed here: that is the caller's business in `ready`/`done`, see io_bp_orig) and the
 * new one from `ready` on. If bp was already written in this txg at the same PSIZE and
 * the sync pass is > 1, it is rewritten in place. data and bp must stay valid until
 * done. An all-zero block becomes a hole (format/01 §6.3). ENOSPC from allocation
 * suspends the pool unless CANFAIL: callers reserve before.
 */
zio_t *zio_write(zio_t *pio, spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data,
    uint64_t lsize, const zio_prop_t *zp, zio_done_func_t *ready, zio_done_func_t *done,
    void *private, zio_priority_t priority, uint32_t flags, const zbookmark_phys_t *zb);

/* Write over an allocated block (ZIL, labels of caches): bp is final, data has PSIZE
 * bytes. */
zio_t *zio_rewrite(zio_t *pio, spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data,
    uint64_t size, zio_done_func_t *done, void *private, zio_priority_t priority,
    uint32_t flags, const zbookmark_phys_t *zb);

/*
 * Flush the write caches of one top-level (by id): what was written to it before is
 * durable when it is done. An intent log asks this of those its blocks went to. Its
 * error is always the caller's.
 */
zio_t *zio_flush(zio_t *pio, spa_t *spa, uint64_t vdev_id, zio_done_func_t *done,
    void *private, uint32_t flags);

/*
 * Free all space of bp in txg: every DVA, gang headers and members (read when needed).
 * Holes and embedded pointers: nothing. May read (gang): may wait, so not from
 * callbacks for gang pointers.
 */
int zio_free(spa_t *spa, uint64_t txg, const blkptr_t *bp);
/* The same walk, for blocks of an intent log found at import: zso_claim_dva. */
int zio_claim(spa_t *spa, uint64_t txg, const blkptr_t *bp);

/*
 * Call func for every range that bp occupies: its DVAs; of a gang, headers and pieces. The tree is
 * read before the first call. Changes nothing; waits. ECKSUM: an impossible pointer or tree.
 */
int zio_foreach_dva(spa_t *spa, const blkptr_t *bp,
    void (*func)(void *arg, const dva_t *dva), void *arg);

/* Start; wait for the end. wait frees the zio and returns its error (own or a child's).
 */
void zio_nowait(zio_t *zio);
int zio_wait(zio_t *zio);
/* Add cio (not yet started) below another parent too. */
void zio_add_child(zio_t *pio, zio_t *cio);

/* Verify the limits of format/01 §6.8 that need the configuration. 0 or ECKSUM. */
int zio_blkptr_verify(spa_t *spa, const blkptr_t *bp);

/* Statistics. */
typedef struct zio_stats {
	uint64_t zs_reads, zs_writes, zs_gangs, zs_repairs, zs_cksum_errors;
} zio_stats_t;
void zio_stats(zio_stats_t *zs);

#endif
