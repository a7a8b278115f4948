/*
 * Requests: the door through which they come in, and the one through which their
 * results go out.
 *
 * Going in, the range is checked against the top-level vdev and sizes that are no
 * multiple of its sector are padded (format/01 §10: zeros when writing, excess
 * ignored when reading). Coming out, everything runs on vdev_int, a task queue with
 * one thread for each processor: completions arrive on the engine's one reaper,
 * which must not spend its time on checksums.
 */
#include "vdev/vdev_impl.h"

taskq_t *vdev_int_taskq, *vdev_discard_taskq;

void
vdev_io_init(vdev_io_t *vio, vdev_t *vd, vio_type_t type, uint64_t offset, void *data,
    uint64_t size, zio_priority_t priority, uint32_t flags)
{
	memset(vio, 0, sizeof(*vio));
	vio->vio_vd = vd;
	vio->vio_type = type;
	vio->vio_offset = offset;
	vio->vio_data = data;
	vio->vio_size = size;
	vio->vio_priority = priority;
	vio->vio_flags = flags;
}

void
vdev_io_complete(vdev_io_t *vio, int error)
{
	vio->vio_error = error;
	vio->vio_done(vio);
}

static void
vdev_io_complete_task(void *arg)
{
	vdev_io_t *vio = arg;

	vio->vio_done(vio);
}

void
vdev_io_complete_async(vdev_io_t *vio, int error)
{
	vio->vio_error = error;
	taskq_dispatch_ent(vdev_int_taskq, vdev_io_complete_task, vio, &vio->vio_tqent);
}

void
vdev_io_child(vdev_t *vd, vdev_io_t *vio)
{
	ASSERT(vio->vio_done != NULL);
	vio->vio_leaf = vd;
	vio->vio_error = 0;
	vio->vio_repaired = false;
	vio->vio_bounce = NULL;
	vio->vio_impl = NULL;
	vio->vio_fault = 0;
	vio->vio_dev_offset = 0;
	vd->vdev_ops->vop_io(vd, vio);
}

/* ------------------------------------------------------------------ padding -- */

/* A request whose size is no multiple of the sector, and its aligned stand-in. */
typedef struct vdev_pad {
	vdev_io_t vp_vio;
	vdev_io_t *vp_orig;
} vdev_pad_t;

static void
vdev_pad_done(vdev_io_t *vio)
{
	vdev_pad_t *vp = container_of(vio, vdev_pad_t, vp_vio);
	vdev_io_t *orig = vp->vp_orig;
	const int error = vio->vio_error;

	if (vio->vio_type == VIO_READ && error == 0)
		memcpy(orig->vio_data, vio->vio_data, orig->vio_size);
	orig->vio_repaired = vio->vio_repaired;
	kmem_free(vio->vio_data, vio->vio_size);
	kmem_free(vp, sizeof(*vp));
	vdev_io_complete(orig, error);
}

static void
vdev_io_padded(vdev_t *vd, vdev_io_t *orig, uint64_t size)
{
	vdev_pad_t *vp = kmem_alloc(sizeof(*vp), KM_PUSHPAGE);
	vdev_io_t *vio = &vp->vp_vio;

	vp->vp_orig = orig;
	vdev_io_init(vio, vd, orig->vio_type, orig->vio_offset,
	    kmem_alloc(size, KM_PUSHPAGE), size, orig->vio_priority, orig->vio_flags);
	vio->vio_txg = orig->vio_txg;
	vio->vio_verify = orig->vio_verify;
	vio->vio_verify_arg = orig->vio_verify_arg;
	vio->vio_done = vdev_pad_done;
	if (vio->vio_type == VIO_WRITE) {
		memcpy(vio->vio_data, orig->vio_data, orig->vio_size);
		memset(
		    (char *)vio->vio_data + orig->vio_size, 0, size - orig->vio_size);
	}
	vdev_io_child(vd, vio);
}

/* ------------------------------------------------------------------- entries -- */

/*
 * May the range be touched at all? Pointers are checked above; this is the wall.
 * `size` is the padded size: no padding reaches into a label.
 */
static int
vdev_io_check(const vdev_t *vd, const vdev_io_t *vio, uint64_t size)
{
	const bool physical = vio->vio_flags & VIO_FLAG_PHYSICAL;
	const uint64_t limit = physical ? vd->vdev_psize : vd->vdev_asize;

	if (vio->vio_type == VIO_FLUSH)
		return (0);
	if (physical && !vd->vdev_ops->vop_leaf)
		return (EINVAL);
	if (size == 0 || !IS_P2ALIGNED(vio->vio_offset | vio->vio_size, 512))
		return (EINVAL);
	if (size > limit || vio->vio_offset > limit - size)
		return (ENXIO);
	return (0);
}

void
vdev_io(vdev_io_t *vio)
{
	vdev_t *vd = vio->vio_vd;
	uint64_t size = vio->vio_size;
	int error;

	/* A dead tree has no sizes to check against; its error is a better one. */
	if (vdev_is_dead(vd) && !(vio->vio_flags & VIO_FLAG_PROBE)) {
		vdev_io_complete_async(vio, ENXIO);
		return;
	}
	if (!(vio->vio_flags & VIO_FLAG_PHYSICAL) && vio->vio_type <= VIO_WRITE) {
		const vdev_t *top = vd->vdev_top != NULL ? vd->vdev_top : vd;
		size = P2ROUNDUP(size, 1ULL << top->vdev_ashift);
	}
	if ((error = vdev_io_check(vd, vio, size)) != 0)
		vdev_io_complete_async(vio, error);
	else if (size != vio->vio_size)
		vdev_io_padded(vd, vio, size);
	else
		vdev_io_child(vd, vio);
}

/* Someone who waits for one or several requests. */
typedef struct vdev_waiter {
	kmutex_t vw_lock;
	kcondvar_t vw_cv;
	bool vw_done;
} vdev_waiter_t;

static void
vdev_io_wake(vdev_io_t *vio)
{
	vdev_waiter_t *vw = vio->vio_private;

	mutex_enter(&vw->vw_lock);
	vw->vw_done = true;
	cv_signal(&vw->vw_cv);
	mutex_exit(&vw->vw_lock);
}

int
vdev_io_wait(vdev_io_t *vio)
{
	vdev_waiter_t vw = {.vw_done = false};

	ASSERT(!taskq_member(vdev_int_taskq));
	mutex_init(&vw.vw_lock);
	cv_init(&vw.vw_cv);
	vio->vio_private = &vw;
	vio->vio_done = vdev_io_wake;
	vdev_io(vio);
	mutex_enter(&vw.vw_lock);
	while (!vw.vw_done)
		cv_wait(&vw.vw_cv, &vw.vw_lock);
	mutex_exit(&vw.vw_lock);
	cv_destroy(&vw.vw_cv);
	mutex_destroy(&vw.vw_lock);
	return (vio->vio_error);
}

void
vdev_io_drain(void)
{
	taskq_wait(vdev_int_taskq);
}

int
vdev_flush(vdev_t *vd)
{
	vdev_io_t vio;

	vdev_io_init(&vio, vd, VIO_FLUSH, 0, NULL, 0, ZIO_PRIORITY_NOW, 0);
	return (vdev_io_wait(&vio));
}

/* --------------------------------------------------------------- statistics -- */

void
vdev_stat_io(vdev_t *vd, const vdev_io_t *vio)
{
	vdev_stat_t *vs = &vd->vdev_stat;

	if (vio->vio_flags & VIO_FLAG_PROBE)
		return;
	atomic_inc_64(&vs->vs_ops[vio->vio_type]);
	atomic_add_64(&vs->vs_bytes[vio->vio_type], vio->vio_size);
	if (vio->vio_flags & VIO_FLAG_REPAIR)
		atomic_add_64(&vs->vs_self_healed, vio->vio_size);
}

void
vdev_stat_error(vdev_t *vd, const vdev_io_t *vio, int error)
{
	vdev_stat_t *vs = &vd->vdev_stat;

	if (vio->vio_flags & (VIO_FLAG_SPECULATIVE | VIO_FLAG_PROBE))
		return;
	if (error == ECKSUM)
		atomic_inc_64(&vs->vs_checksum_errors);
	else if (vio->vio_type == VIO_READ)
		atomic_inc_64(&vs->vs_read_errors);
	else
		atomic_inc_64(&vs->vs_write_errors);
}

void
vdev_get_stats(vdev_t *vd, vdev_stat_t *vs)
{
	const uint64_t *from = (const uint64_t *)(const void *)&vd->vdev_stat;
	uint64_t *to = (uint64_t *)(void *)vs;

	_Static_assert(sizeof(*vs) % sizeof(uint64_t) == 0, "counters only");
	for (size_t i = 0; i < sizeof(*vs) / sizeof(uint64_t); i++)
		to[i] = atomic_load_64(&from[i]);
}

void
vdev_clear_stats(vdev_t *vd)
{
	/* The error counters are what `zpool clear` clears; traffic goes on counting.
	 */
	atomic_store_64(&vd->vdev_stat.vs_read_errors, 0);
	atomic_store_64(&vd->vdev_stat.vs_write_errors, 0);
	atomic_store_64(&vd->vdev_stat.vs_checksum_errors, 0);
	for (uint64_t c = 0; c < vd->vdev_children; c++)
		vdev_clear_stats(vd->vdev_child[c]);
}

void
vdev_init(void)
{
	vdev_queue_room_init();
	vdev_int_taskq = taskq_create("vdev_int", 0);
	vdev_discard_taskq = taskq_create("vdev_discard", 2);
	vdev_engine_init();
}

void
vdev_fini(void)
{
	vdev_engine_fini();
	taskq_destroy(vdev_discard_taskq);
	taskq_destroy(vdev_int_taskq);
	vdev_int_taskq = vdev_discard_taskq = NULL;
	vdev_queue_room_fini();
}
