/*
 * What the files of the vdev room share. The essay is in vdev.h.
 */
#ifndef TARN_VDEV_IMPL_H
#define TARN_VDEV_IMPL_H

#include <sys/uio.h>
#include "vdev/vdev.h"

#define ASHIFT_AUTO_MAX 14 /* a physical sector larger than this is not believed */
/* Nesting of a configuration; real ones need four (root, mirror, spare, replacing). */
#define VDEV_MAX_DEPTH 10

/* --- engine: vdev_engine.c ------------------------------------------------------ */

#define VDEV_REQ_IOVS 32

/* One system call to be: a run of adjacent requests of one leaf. */
typedef struct vdev_req vdev_req_t;
struct vdev_req {
	list_node_t vr_node;
	vdev_t *vr_vd;
	vio_type_t vr_type; /* READ, WRITE or FLUSH */
	int vr_fd;
	uint64_t vr_offset, vr_left; /* bytes: where to go on, how much is to do */
	struct iovec vr_iov[VDEV_REQ_IOVS];
	int vr_iovfirst, vr_iovcnt; /* the part of vr_iov still to do */
	int vr_retries;
	int vr_error;
	void (*vr_done)(vdev_req_t *vr); /* from an engine thread */
	/* the queue's */
	list_t vr_vios;
	zio_priority_t vr_class;
	taskq_ent_t vr_tqent;
};

typedef struct vdev_engine {
	const char *ve_name;
	int (*ve_start)(void);		 /* errno: not to be had here */
	void (*ve_stop)(void);		 /* nothing is under way */
	void (*ve_submit)(list_t *reqs); /* takes all; never blocks on I/O */
} vdev_engine_t;
extern const vdev_engine_t vdev_engine_threads;
#ifdef HAVE_LIBURING
extern const vdev_engine_t vdev_engine_uring;
#endif

void vdev_engine_init(void);
void vdev_engine_fini(void);
void vdev_engine_submit(list_t *reqs);
/*
 * Account for the result of one system call (bytes, or negative errno). True: the
 * request is finished, vr_error says how; false: submit it again as it stands now.
 */
bool vdev_req_advance(vdev_req_t *vr, ssize_t res);

/* --- leaf: vdev_leaf.c, vdev_file.c, vdev_disk_linux.c -------------------------- */

#define SERD_MAX 32
typedef struct serd_ring {
	hrtime_t sr_time[SERD_MAX];
	uint32_t sr_next;
} serd_ring_t;

typedef struct vdev_leaf {
	int vl_fd;	  /* the usual one, O_DIRECT if vl_dio_mem > 1 */
	int vl_fd_cached; /* through the page cache: for what O_DIRECT refuses */
	uint32_t vl_dio_mem, vl_dio_off; /* alignment O_DIRECT needs; 1: none */
	bool vl_no_direct;		 /* it lied; atomic */
	bool vl_writable, vl_isblk;
	bool vl_no_flush, vl_no_discard; /* device has no such thing; atomic */

	kmutex_t vl_lock;
	/* Writes completed, and how many of them a finished flush covers. */
	uint64_t vl_writes_done, vl_writes_flushed;
	bool vl_flushing, vl_flush_failed;
	list_t vl_flush_waiting; /* vio_dev_offset: how many writes it must cover */
	/* txgs among the writes no flush has covered yet; empty: min > max */
	uint64_t vl_unflushed_min, vl_unflushed_max;
	bool vl_probing;
	kcondvar_t vl_probe_cv;
	serd_ring_t vl_io_serd, vl_cksum_serd;
} vdev_leaf_t;

/*
 * Open `vd->vdev_path`, lock it, choose O_DIRECT. On success vd->vdev_leaf is set.
 * EBUSY: another one writes to it. `isblk`: what it must be, else ENOTBLK/EINVAL.
 */
int vdev_leaf_open(vdev_t *vd, bool writable, bool isblk);
void vdev_leaf_close(vdev_t *vd);
void vdev_leaf_io(vdev_t *vd, vdev_io_t *vio);
uint64_t vdev_leaf_psize_to_asize(vdev_t *vd, uint64_t psize);
/* The queue hands a finished request back (vio_error set), from an engine thread. */
void vdev_leaf_io_done(vdev_io_t *vio);
/* Which descriptor serves this range. */
int vdev_leaf_fd(const vdev_leaf_t *vl, uint64_t dev_offset, uint64_t size);
/* Operating system (vdev_disk_linux.c). Alignment for O_DIRECT; ENOTSUP: none. */
int vdev_os_dio_align(int fd, uint32_t *mem, uint32_t *off);
/* Size in bytes, logical and physical sector (bytes), rotating or not. */
int vdev_os_disk_info(
    int fd, uint64_t *size, uint64_t *logical, uint64_t *physical, bool *nonrot);
int vdev_os_discard(int fd, bool isblk, uint64_t offset, uint64_t size);
/* Sizes common to both kinds: fill psize, asize, ashifts. */
int vdev_leaf_geometry(vdev_t *vd, uint64_t size, uint64_t logical, uint64_t physical);

/* --- queue: vdev_queue.c --------------------------------------------------------- */

void vdev_queue_init(vdev_t *vd);
void vdev_queue_fini(vdev_t *vd);
void vdev_queue_io(vdev_t *vd, vdev_io_t *vio);
void vdev_queue_flush(vdev_t *vd, vdev_io_t *vio);
void vdev_queue_room_init(void);
void vdev_queue_room_fini(void);
/* Requests waiting or under way; and where the last one ended. */
uint32_t vdev_queue_load(const vdev_t *vd);
uint64_t vdev_queue_last_offset(const vdev_t *vd);

/* vio_fault: this flush is the leaf's one under way (vdev_test.h has the other bits).
 */
#define VFAULT_FLUSH_SENT 0x100U

/* --- requests: vdev_io.c -----------------------------------------------------------
 */

extern taskq_t *vdev_int_taskq;
extern taskq_t *vdev_discard_taskq; /* discards have no asynchronous system call */
/* Hand vio down to `vd` (a child): as vdev_io, but without bounds and padding. */
void vdev_io_child(vdev_t *vd, vdev_io_t *vio);
/* Finish: vio_done on this thread, which is one of vdev_int. */
void vdev_io_complete(vdev_io_t *vio, int error);
/* Finish from anywhere: vio_done will run on vdev_int. */
void vdev_io_complete_async(vdev_io_t *vio, int error);
void vdev_stat_io(vdev_t *vd, const vdev_io_t *vio);
void vdev_stat_error(vdev_t *vd, const vdev_io_t *vio, int error);

/* --- states: vdev_state.c ----------------------------------------------------------
 */

/* After a probe that failed: FAULTED unless that happened already. */
void vdev_fault(vdev_t *leaf, vdev_state_t state, vdev_aux_t aux);
/* Would the tree be unusable without this leaf? */
bool vdev_required(vdev_t *leaf);

/* --- labels: vdev_label.c ----------------------------------------------------------
 */

/* One transfer in label `label`, and wait. */
int vdev_label_io(vdev_t *leaf, vio_type_t type, int label, uint64_t offset, void *buf,
    uint64_t size);
/* Bytes of a regular file or block device. */
int vdev_fd_size(int fd, uint64_t *size);

/* --- DTL: vdev_dtl.c -----------------------------------------------------------------
 */

void vdev_dtl_init(vdev_t *vd);
void vdev_dtl_fini(vdev_t *vd);
/* vd or any leaf below it misses txg: its copy may be stale. */
bool vdev_dtl_stale(vdev_t *vd, uint64_t txg);

/* --- tests: vdev_test.c
 * ---------------------------------------------------------------- */

/*
 * Fault filter, on the way down. True: the request ends here, with *error (maybe 0).
 * *delay (ns) is to pass before either.
 */
bool vdev_test_start(vdev_t *vd, vdev_io_t *vio, int *error, hrtime_t *delay);
/* Call `start` after the delay, from another thread. */
void vdev_test_delay(vdev_io_t *vio, hrtime_t delay, void (*start)(vdev_io_t *));
/* On the way up, after the device answered. May change data and error. */
int vdev_test_done(vdev_t *vd, vdev_io_t *vio, int error);
void vdev_test_write_done(vdev_t *vd, const vdev_io_t *vio);
/* A flush starts; the value goes to _flush_done. */
uint64_t vdev_test_flush_start(vdev_t *vd);
void vdev_test_flush_done(vdev_t *vd, const vdev_io_t *vio, uint64_t cookie);
void vdev_test_detach(vdev_t *vd);

#endif
