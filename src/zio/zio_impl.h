/*
 * What the files of the zio room share. The essay is in zio.h.
 */
#ifndef TARN_ZIO_IMPL_H
#define TARN_ZIO_IMPL_H

#include "zio/zio.h"

typedef struct zio_impl zio_impl_t;
typedef void zio_stage_t(zio_impl_t *zi);

typedef enum zio_kind {
	ZIO_KIND_NULL,
	ZIO_KIND_READ,
	ZIO_KIND_WRITE,
	ZIO_KIND_REWRITE,
	ZIO_KIND_FLUSH
} zio_kind_t;

/* What a parent can wait for in its children. */
typedef enum zio_wait_type {
	ZIO_WAIT_READY, /* pointers final */
	ZIO_WAIT_DONE,
	ZIO_WAIT_TYPES
} zio_wait_type_t;

typedef struct zio_link {
	list_node_t zl_node; /* in the child's zi_parents */
	zio_impl_t *zl_parent;
} zio_link_t;

/* Classic gang header (format/01 §7.2). */
#define GANG_SIZE 512
#define GANG_NBLKPTRS 3
/* Deeper than any tree that splits each time (3^10 pieces of 512 make 16 MiB). */
#define GANG_MAX_DEPTH 64

typedef struct gang_node gang_node_t;
struct gang_node {
	blkptr_t gn_bp[GANG_NBLKPTRS];
	gang_node_t *gn_child[GANG_NBLKPTRS]; /* of members that are gangs themselves */
};

struct zio_impl {
	zio_t zi_pub; /* first: a zio_t is a zio_impl_t */

	/* the graph */
	kmutex_t zi_lock; /* these: */
	kcondvar_t zi_cv;
	uint64_t zi_children[ZIO_WAIT_TYPES];
	int zi_child_error;
	zio_stage_t
	    *zi_next; /* to run when zi_children[zi_waiting] becomes 0, or NULL */
	zio_wait_type_t zi_waiting;
	bool zi_finished; /* for the waiter */
	/* set before the start, constant afterwards */
	zio_kind_t zi_kind;
	bool zi_waiter; /* zio_wait: do not free */
	bool zi_started;
	bool zi_readied; /* parents know */
	zio_link_t zi_first_parent;
	list_t zi_parents;
	taskq_ent_t zi_tqent;

	/* device requests, one for each DVA */
	vdev_io_t zi_vio[SPA_DVAS_PER_BP];
	uint32_t zi_vios_pending; /* atomic */
	bool zi_config_held;
	blkptr_t zi_bp; /* what is read; what is being made */
	void *zi_pdata; /* zi_psize bytes as stored */
	uint64_t zi_psize;
	void *zi_scratch; /* owned: zi_pdata if that is not the caller's */
	uint64_t zi_scratch_size;

	/* reading copies (zio_read.c) */
	void *zi_rd_buf;
	uint64_t zi_rd_size;
	int (*zi_rd_verify)(void *zi, const void *data);
	zio_stage_t *zi_rd_next; /* with zi_rd_error */
	int zi_rd_error;
	int zi_rd_dva;	       /* under way */
	uint32_t zi_rd_bad;    /* bit mask of DVAs that gave wrong bytes or none */
	int zi_rd_good;	       /* first DVA that was right, -1 */
	void *zi_rd_spare_buf; /* scrub: copies after the first good one */

	/* writing */
	zio_stage_t *zi_retry; /* after suspension */
	list_node_t zi_suspend_node;

	/* gangs */
	uint8_t *zi_gang_header;  /* GANG_SIZE */
	gang_node_t *zi_gang;	  /* writing: own tree */
	gang_node_t **zi_gang_up; /* member: where its tree goes */
	int zi_gang_depth;	  /* > 0: a member */
	bool zi_header_only;	  /* reading: the header is all that is wanted */
};

static inline zio_impl_t *
zio_impl(zio_t *zio)
{
	return ((zio_impl_t *)(void *)zio);
}

extern const zio_spa_ops_t *zio_ops;
extern taskq_t *zio_read_taskq, *zio_write_taskq;
extern zio_stats_t zio_counters;

/* zio.c */
zio_impl_t *zio_create(zio_t *pio, spa_t *spa, zio_kind_t kind, uint64_t txg,
    zio_done_func_t *done, void *private, zio_priority_t priority, uint32_t flags,
    const zbookmark_phys_t *zb);
/* Run `stage` when all children are that far: now, or on the thread of the last one. */
void zio_when(zio_impl_t *zi, zio_wait_type_t what, zio_stage_t *stage);
/* Run `stage` on a task queue. */
void zio_dispatch(zio_impl_t *zi, taskq_t *tq, zio_stage_t *stage);
/* The pointer is final: `ready`, and parents may use it. */
void zio_ready(zio_impl_t *zi);
/* This zio's own work has ended with `error`; it is done when its children are. */
void zio_finish(zio_impl_t *zi, int error);
int zio_worst_error(int a, int b);
int zio_child_error(zio_impl_t *zi);
void zio_config_enter(zio_impl_t *zi);
void zio_config_exit(zio_impl_t *zi);
bool zio_config_tryenter(zio_impl_t *zi);

/* zio_read.c */
void zio_read_start(zio_impl_t *zi);
/*
 * Start here and now if that neither waits nor ends the zio (whose callbacks must not
 * run below zio_nowait). False: nothing has happened.
 */
bool zio_read_try_start(zio_impl_t *zi);
/*
 * Read `size` bytes of some copy of zi_bp into buf (all copies with SCRUB), verify,
 * repair; then `next` with zi_rd_error. Holds the configuration until then.
 */
void zio_read_copies(zio_impl_t *zi, void *buf, uint64_t size,
    int (*verify)(void *zi, const void *data), zio_stage_t *next);
/* zi_pdata is right: decompress and finish. */
void zio_read_finish(zio_impl_t *zi);
/* It cannot be had. */
void zio_read_fail(zio_impl_t *zi, int error);

/* zio_write.c */
void zio_write_start(zio_impl_t *zi);
void zio_rewrite_start(zio_impl_t *zi);
void zio_flush_start(zio_impl_t *zi);
/* The pointer in zi_bp is complete: publish it, write zi_pdata to its DVAs, finish. */
void zio_write_publish(zio_impl_t *zi);
void zio_write_no_place(zio_impl_t *zi, int error);
void zio_suspend_init(void);
void zio_suspend_fini(void);

/* zio_gang.c */
void zio_gang_read(zio_impl_t *zi);
void zio_gang_write(zio_impl_t *zi);
void zio_gang_free_tree(gang_node_t *gn);

/* zio_verify.c: do `data` (PSIZE bytes) match the checksum of bp? 0 or ECKSUM. */
int zio_checksum_verify(spa_t *spa, const blkptr_t *bp, const void *data);

#endif
