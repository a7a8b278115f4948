/*
 * vdev: virtual devices. A tree whose leaves are files and disks and whose
 * interior nodes (mirror, replacing, spare; later raidz, draid) spread, verify
 * and repair. Sources: format/01 §1.2, §2, §3, §10.
 *
 * The problem. Devices are slow, lie, forget, fill their caches and go away; the
 * room above wants to name a byte range once and get either the right bytes or an
 * honest error, and wants many thousand ranges under way at a time.
 *
 * The idea. A request (vdev_io_t) enters at a top-level vdev. Interior nodes turn
 * it into requests for their children; a leaf puts it into its queue; the queue
 * gives a bounded number of requests of each class to the I/O engine, neighbours
 * joined into one. A vdev knows nothing of block pointers: a read carries a
 * `verify` callback that says whether the bytes are what the caller wrote; with it
 * a mirror tries its children until one is right and rewrites the wrong ones.
 *
 *      caller -> vdev_io (vdev_io.c)      bounds, padding to the sector size
 *             -> vop_io  (vdev_mirror.c)  fan out, choose, repair
 *             -> vdev_leaf.c              may it run? faults, verify, account
 *             -> vdev_queue.c             classes, order, aggregation
 *             -> vdev_engine.c            io_uring, or threads with preadv/pwritev
 *      and back: reaper -> queue -> vdev_int (a task queue, one thread a CPU),
 *      where bytes are verified and every vio_done runs.
 *
 * Neighbours: vdev_config.c (configuration nodes <-> tree), vdev_state.c (open,
 * close, states), vdev_dtl.c (missed txgs), vdev_label*.c (labels and uberblocks),
 * vdev_test.h (faults, delays, recording of writes: composed onto any leaf).
 *
 * Invariants.
 *  - vio_done is called exactly once, never from within vdev_io() itself.
 *  - A request has at least one right copy on a device that counted it as written,
 *    or it has an error. A mirror side that missed a write has its txg in the DTL.
 *  - A leaf opened without `writable` never sees a write, a flush or a discard.
 *  - Nothing is acknowledged by a flush that was under way when it was asked.
 *
 * Locks. The shape of a tree (parents, children, ops) changes only while the owner
 * (spa) holds its config lock as writer; I/O holds it as reader. Below that, in this
 * order: vdev_stat_lock of a parent, of its child; the lock of a leaf (vl_lock), of
 * a DTL, of a queue, of the engine. All are leaves of the lock order of the program:
 * no callback runs under any of them.
 *
 * What can fail. Everything; see vdev_io_t for what a request can return. A leaf
 * that fails is probed; if it does not answer it is FAULTED and its states go up.
 */
#ifndef TARN_VDEV_H
#define TARN_VDEV_H

#include "spl/spl.h"
#include "nvpair/nvpair.h"
#include "ondisk/ondisk.h"

typedef struct vdev vdev_t;
typedef struct vdev_io vdev_io_t;
typedef struct vdev_ops vdev_ops_t;

typedef enum vio_type {
	VIO_READ,
	VIO_WRITE,
	VIO_FLUSH,
	VIO_TRIM,
	VIO_TYPES
} vio_type_t;

/* I/O classes, most urgent first; the vdev queue serves them with a minimum and a
 * maximum of active requests each. */
typedef enum zio_priority {
	ZIO_PRIORITY_SYNC_READ,
	ZIO_PRIORITY_SYNC_WRITE,
	ZIO_PRIORITY_ASYNC_READ, /* prefetch */
	ZIO_PRIORITY_ASYNC_WRITE,
	ZIO_PRIORITY_SCRUB,
	ZIO_PRIORITY_TRIM,
	ZIO_PRIORITY_NUM_QUEUEABLE,
	ZIO_PRIORITY_NOW
} zio_priority_t;

#define VIO_FLAG_CANFAIL 0x01	  /* an error is expected: no event */
#define VIO_FLAG_SCRUB 0x02	  /* read and verify every copy, repair wrong ones */
#define VIO_FLAG_REPAIR 0x04	  /* rewrite of a damaged copy */
#define VIO_FLAG_SPECULATIVE 0x08 /* prefetch: an error counts for nobody */
#define VIO_FLAG_DONT_REPAIR 0x10 /* read only pool or inspection */
#define VIO_FLAG_PHYSICAL                                                              \
	0x20		    /* offset counts from the device's first byte (labels)     \
			     */
#define VIO_FLAG_PROBE 0x40 /* is the device there? goes to a faulted one too */
#define VIO_FLAG_DONT_AGGREGATE 0x80

struct vdev_io {
	/* set by the caller */
	vdev_t *vio_vd; /* top-level vdev, or a leaf for labels */
	vio_type_t vio_type;
	zio_priority_t vio_priority;
	uint32_t vio_flags;
	uint64_t vio_offset; /* bytes from the start of the allocatable area */
	uint64_t vio_size;   /* bytes, multiple of 512 */
	void *vio_data; /* owned by the caller; 4096-aligned for O_DIRECT without a copy
			 */
	uint64_t
	    vio_txg; /* physical birth of the data: which copies can have it (DTL) */
	int (*vio_verify)(void *arg, const void *data); /* 0 or ECKSUM; NULL: accept */
	void *vio_verify_arg;
	void (*vio_done)(
	    vdev_io_t *vio); /* called once, from any thread, without locks */
	void *vio_private;
	/* result */
	int vio_error; /* 0, EIO, ECKSUM (no copy verified), ENXIO (no device) */
	bool vio_repaired;
	/* inside of the room; need not be initialised by the caller */
	vdev_t *vio_leaf; /* where it is now */
	void *vio_impl;
	void *vio_bounce;	 /* aligned stand-in for vio_data */
	uint64_t vio_dev_offset; /* bytes from the device's first */
	uint32_t vio_fault;	 /* what the fault filter wants done to the result */
	list_node_t vio_node;
	avl_node_t vio_offset_node;
	taskq_ent_t vio_tqent;
	hrtime_t vio_timestamp;
};

/* Prepare a request: everything zero but these. */
void vdev_io_init(vdev_io_t *vio, vdev_t *vd, vio_type_t type, uint64_t offset,
    void *data, uint64_t size, zio_priority_t priority, uint32_t flags);

/* States and reasons, as shown by `zpool status`. */
typedef enum vdev_state {
	VDEV_STATE_UNKNOWN = 0,
	VDEV_STATE_CLOSED,
	VDEV_STATE_OFFLINE,
	VDEV_STATE_REMOVED,
	VDEV_STATE_CANT_OPEN,
	VDEV_STATE_FAULTED,
	VDEV_STATE_DEGRADED,
	VDEV_STATE_HEALTHY
} vdev_state_t;
typedef enum vdev_aux {
	VDEV_AUX_NONE,
	VDEV_AUX_OPEN_FAILED,
	VDEV_AUX_CORRUPT_DATA,
	VDEV_AUX_NO_REPLICAS,
	VDEV_AUX_BAD_GUID_SUM,
	VDEV_AUX_TOO_SMALL,
	VDEV_AUX_BAD_LABEL,
	VDEV_AUX_VERSION_NEWER,
	VDEV_AUX_VERSION_OLDER,
	VDEV_AUX_UNSUP_FEAT,
	VDEV_AUX_SPARED,
	VDEV_AUX_ERR_EXCEEDED,
	VDEV_AUX_IO_FAILURE,
	VDEV_AUX_BAD_LOG,
	VDEV_AUX_EXTERNAL,
	VDEV_AUX_SPLIT_POOL,
	VDEV_AUX_BAD_ASHIFT,
	VDEV_AUX_EXTERNAL_PERSIST,
	VDEV_AUX_ACTIVE,
	VDEV_AUX_CHILDREN_OFFLINE,
	VDEV_AUX_ASHIFT_TOO_BIG
} vdev_aux_t;

typedef struct vdev_stat {
	uint64_t vs_ops[VIO_TYPES];
	uint64_t vs_bytes[VIO_TYPES];
	uint64_t vs_read_errors, vs_write_errors, vs_checksum_errors;
	uint64_t vs_self_healed; /* bytes */
	uint64_t vs_scan_processed;
} vdev_stat_t;

struct vdev {
	uint64_t vdev_id;   /* index in the parent; DVA vdev id for a top-level */
	uint64_t vdev_guid; /* 0 only for holes */
	const vdev_ops_t *vdev_ops;
	vdev_t *vdev_parent, *vdev_top; /* vdev_top NULL for the root */
	vdev_t **vdev_child;
	uint64_t vdev_children;
	void *vdev_owner; /* the spa */

	/* geometry of a top-level (and, while opening, of each node) */
	uint64_t vdev_ashift;
	uint64_t vdev_logical_ashift,
	    vdev_physical_ashift; /* what the device asks for */
	uint64_t vdev_psize;	  /* leaf: whole device, bytes */
	uint64_t vdev_asize;	  /* allocatable bytes */
	uint64_t vdev_min_asize;  /* smallest acceptable, from the config */
	uint64_t vdev_max_asize;  /* what the devices would allow */
	uint64_t vdev_ms_array;	  /* MOS object; 0: not yet */
	uint64_t vdev_ms_shift;
	uint64_t vdev_deflate_ratio;
	uint64_t vdev_create_txg;
	uint64_t vdev_top_zap, vdev_leaf_zap; /* MOS objects or 0 */
	bool vdev_islog, vdev_nonrot, vdev_isspare;
	bool vdev_noalloc;
	void *vdev_mg; /* metaslab group; the spa room's */

	/* leaf */
	char *vdev_path, *vdev_devid, *vdev_physpath;
	uint64_t vdev_wholedisk; /* 0, 1 or -1ULL: unknown */
	bool vdev_offline, vdev_not_present;
	bool vdev_faulted, vdev_degraded, vdev_removed; /* persistent, by decision */
	vdev_aux_t vdev_label_aux; /* why: EXTERNAL or ERR_EXCEEDED (key "aux_state") */
	bool vdev_unspare;
	uint64_t vdev_resilver_txg; /* a resilver up to this txg is under way, or 0 */
	bool vdev_readonly;
	bool vdev_cant_read, vdev_cant_write;
	uint64_t vdev_dtl_object;
	void *vdev_dtl;	 /* missing txg ranges; inside of the room */
	void *vdev_leaf; /* open device; inside of the room */
	void *vdev_queue;
	void *vdev_test; /* faults and delays, vdev_test.h */

	kmutex_t vdev_stat_lock;
	vdev_stat_t vdev_stat;
	vdev_state_t vdev_state, vdev_prevstate;
	vdev_aux_t vdev_aux;
	bool vdev_config_dirty; /* top-level: labels must be rewritten this txg */
	nvlist_t *vdev_extra; /* keys of the config that we do not interpret but keep */
};

struct vdev_ops {
	const char *vop_type; /* "mirror" … as in configurations */
	bool vop_leaf;
	/*
	 * Fill psize, asize and the ashifts from the device or the (open) children.
	 * An error leaves the reason in vdev_aux.
	 */
	int (*vop_open)(vdev_t *vd, bool writable);
	void (*vop_close)(vdev_t *vd);
	/* Allocated bytes for psize bytes of data. */
	uint64_t (*vop_psize_to_asize)(vdev_t *vd, uint64_t psize);
	void (*vop_io)(vdev_t *vd, vdev_io_t *vio);
	void (*vop_state_change)(vdev_t *vd, int faulted, int degraded);
};
extern const vdev_ops_t vdev_root_ops, vdev_mirror_ops, vdev_replacing_ops,
    vdev_spare_ops, vdev_file_ops, vdev_disk_ops, vdev_missing_ops, vdev_hole_ops;

void vdev_init(void); /* I/O engine; io_uring or threads */
void vdev_fini(void);
const char *vdev_io_engine(void); /* "io_uring" or "threads" */

/*
 * Build a tree from a configuration node ("type", "id", "guid" …, format/01 §3.3).
 * New vdevs (creation) have no guid: one is drawn. EINVAL malformed, ENOTSUP type not
 * supported.
 */
int vdev_alloc(void *owner, const nvlist_t *nv, vdev_t *parent, uint64_t id,
    bool create, vdev_t **vdp);
void vdev_free(vdev_t *vd); /* closes; frees the subtree */
/* Config node of vd and below. `mos`: with the keys that only the MOS config has. */
nvlist_t *vdev_config_generate(vdev_t *vd, bool mos);
/*
 * Status node for commands: config plus, on every vdev, an nvlist "vdev_stats" with
 * uint64 "state" (vdev_state_t), "aux" (vdev_aux_t), "space" (asize), "rsize" (psize),
 * "esize" (bytes it could grow), "read_ops", "write_ops", "read_bytes", "write_bytes",
 * "read_errors", "write_errors", "checksum_errors", "self_healed", "scan_processed",
 * "active_ops" (requests queued or under way at a leaf), "physical_ashift".
 */
nvlist_t *vdev_status_generate(vdev_t *vd);

/*
 * Open devices bottom up and propagate states. writable=false opens O_RDONLY, and every
 * write to a leaf is refused with EROFS. Returns 0 even if some devices fail, as long
 * as the tree as a whole is usable; ENXIO otherwise.
 */
/*
 * A leaf another process (or tree) holds open for writing: CANT_OPEN, aux ACTIVE
 * (EBUSY). So one tree must be closed before another over the same devices is opened.
 */
int vdev_open(vdev_t *vd, bool writable);
void vdev_close(vdev_t *vd);
/* Recompute states upward after a change. */
void vdev_propagate_state(vdev_t *vd);
void vdev_set_state(vdev_t *vd, vdev_state_t state, vdev_aux_t aux);
bool vdev_is_dead(const vdev_t *vd);
bool vdev_readable(const vdev_t *vd);
bool vdev_writeable(const vdev_t *vd);
vdev_t *vdev_lookup_by_guid(vdev_t *vd, uint64_t guid);
/* By path, base name or decimal guid, as users name devices. */
vdev_t *vdev_lookup_by_name(vdev_t *vd, const char *name);
uint64_t vdev_guid_sum(const vdev_t *vd);
/* Call func for every leaf below vd. */
void vdev_foreach_leaf(vdev_t *vd, void (*func)(vdev_t *leaf, void *arg), void *arg);
uint64_t vdev_psize_to_asize(vdev_t *top, uint64_t psize);
/* Default metaslab shift of a new top-level of this asize (format/02 §5.1). */
uint64_t vdev_default_ms_shift(uint64_t asize);
void vdev_clear_stats(vdev_t *vd); /* and below */
/* A consistent enough copy of vd's own counters. */
void vdev_get_stats(vdev_t *vd, vdev_stat_t *vs);
/* State and reason, readable while I/O may change them. */
vdev_state_t vdev_get_state(const vdev_t *vd, vdev_aux_t *auxp);
/* Words as `zpool status` prints them ("ONLINE", "CANT_OPEN" is "UNAVAIL"). */
const char *vdev_state_name(vdev_state_t state, vdev_aux_t aux);

/*
 * Diagnosis: when a leaf collects n errors within t seconds it is FAULTED (I/O) or
 * DEGRADED (checksum), aux ERR_EXCEEDED; a leaf its pool cannot do without is only
 * DEGRADED. n = 0 (the default) leaves judgement to others: the engine then acts only
 * on devices that do not answer a probe.
 */
typedef struct vdev_serd {
	uint64_t io_n, io_t, checksum_n, checksum_t;
} vdev_serd_t;
extern vdev_serd_t vdev_serd;

/* I/O counts and sizes that may be tuned (zfs(4) names without the zfs_ prefix). */
typedef struct vdev_tunables {
	uint32_t min_active[ZIO_PRIORITY_NUM_QUEUEABLE],
	    max_active[ZIO_PRIORITY_NUM_QUEUEABLE];
	uint32_t vdev_max_active;	 /* all classes of a leaf together */
	uint32_t vdev_aggregation_limit; /* bytes */
	bool vdev_direct;		 /* O_DIRECT where it works */
} vdev_tunables_t;
extern vdev_tunables_t vdev_tunables;

/* Until every completion delivered so far has returned from its vio_done. */
void vdev_io_drain(void);
/* Start the request; it completes through vio_done. Never blocks on I/O. */
void vdev_io(vdev_io_t *vio);
/* Start and wait. Returns vio_error. */
int vdev_io_wait(vdev_io_t *vio);
/*
 * Flush the write caches of all leaves below vd. 0 or the first error. Of a mirror one
 * side suffices. A leaf whose flush failed may have lost writes it reported as done:
 * its flushes go on failing until it is closed and opened again.
 */
int vdev_flush(vdev_t *vd);
/* Is the leaf alive? Reads (and rewrites) its label areas, waits. 0 or the error. */
int vdev_probe(vdev_t *leaf);

/*
 * Dirty time logs: txgs whose writes a leaf missed (format/02 §5.7).
 */
void vdev_dtl_dirty(vdev_t *leaf, uint64_t txg, uint64_t count);
/* Any of them? */
bool vdev_dtl_contains(vdev_t *leaf, uint64_t txg, uint64_t count);
/* These have been made good (a resilver up to some txg has ended). */
void vdev_dtl_excise(vdev_t *leaf, uint64_t txg, uint64_t count);
bool vdev_dtl_empty(vdev_t *leaf);
void vdev_dtl_clear(vdev_t *leaf);
/* Call func(arg, first txg, number) for each range in order. */
void vdev_dtl_walk(vdev_t *leaf, void (*func)(void *, uint64_t, uint64_t), void *arg);
/* Set by the upper room: a leaf's DTL changed or a device failed and must be persisted.
 */
extern void (*vdev_dtl_changed)(vdev_t *leaf);
/* Events ("checksum", "io", "data" …): set by the upper room, may be NULL. */
extern void (*vdev_ereport)(
    vdev_t *vd, const char *cls, const vdev_io_t *vio, int error);

#endif
