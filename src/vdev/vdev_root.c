/*
 * The root of a tree, and the two kinds of top-level without a device: `hole` (a slot
 * whose log device was removed) and `missing` (a slot an importer could not fill).
 *
 * The only request a root takes is a flush of everything below it.
 */
#include "vdev/vdev_impl.h"

typedef struct root_flush {
	vdev_io_t *rf_vio;
	uint32_t rf_pending; /* atomic */
	uint32_t rf_children;
	vdev_io_t rf_child[];
} root_flush_t;

static void
root_flush_last(root_flush_t *rf, bool inside)
{
	vdev_io_t *vio = rf->rf_vio;
	int error = 0;

	if (__atomic_sub_fetch(&rf->rf_pending, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (uint32_t c = 0; c < rf->rf_children && error == 0; c++)
		error = rf->rf_child[c].vio_error;
	kmem_free(rf, sizeof(*rf) + rf->rf_children * sizeof(vdev_io_t));
	if (inside)
		vdev_io_complete_async(vio, error);
	else
		vdev_io_complete(vio, error);
}

static void
root_flush_done(vdev_io_t *cio)
{
	root_flush_last(cio->vio_private, false);
}

static void
vdev_root_io(vdev_t *vd, vdev_io_t *vio)
{
	if (vio->vio_type != VIO_FLUSH) {
		vdev_io_complete_async(vio, EINVAL);
		return;
	}
	const uint32_t n = (uint32_t)vd->vdev_children;
	root_flush_t *rf =
	    kmem_zalloc(sizeof(*rf) + n * sizeof(vdev_io_t), KM_PUSHPAGE);
	rf->rf_vio = vio;
	rf->rf_children = n;
	rf->rf_pending = 1;
	for (uint32_t c = 0; c < n; c++) {
		vdev_t *top = vd->vdev_child[c];
		vdev_io_t *cio = &rf->rf_child[c];

		/* A slot without a device has nothing to lose; a dead device has lost
		 * it. */
		if (top->vdev_ops == &vdev_hole_ops ||
		    top->vdev_ops == &vdev_missing_ops)
			continue;
		if (!vdev_writeable(top)) {
			cio->vio_error = vdev_is_dead(top) ? ENXIO : EROFS;
			continue;
		}
		vdev_io_init(
		    cio, top, VIO_FLUSH, 0, NULL, 0, vio->vio_priority, vio->vio_flags);
		cio->vio_private = rf;
		cio->vio_done = root_flush_done;
		__atomic_add_fetch(&rf->rf_pending, 1, __ATOMIC_RELAXED);
		vdev_io_child(top, cio);
	}
	root_flush_last(rf, true);
}

static int
vdev_root_open(vdev_t *vd, bool writable)
{
	(void)vd;
	(void)writable;
	return (0);
}

static void
vdev_nothing_close(vdev_t *vd)
{
	(void)vd;
}

static void
vdev_root_state_change(vdev_t *vd, int faulted, int degraded)
{
	if (faulted != 0)
		vdev_set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_NO_REPLICAS);
	else if (degraded != 0)
		vdev_set_state(vd, VDEV_STATE_DEGRADED, VDEV_AUX_NONE);
	else
		vdev_set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
}

const vdev_ops_t vdev_root_ops = {
    .vop_type = "root",
    .vop_open = vdev_root_open,
    .vop_close = vdev_nothing_close,
    .vop_psize_to_asize = vdev_leaf_psize_to_asize,
    .vop_io = vdev_root_io,
    .vop_state_change = vdev_root_state_change,
};

static int
vdev_missing_open(vdev_t *vd, bool writable)
{
	(void)writable;
	vd->vdev_aux = VDEV_AUX_OPEN_FAILED;
	return (ENXIO);
}

static void
vdev_missing_io(vdev_t *vd, vdev_io_t *vio)
{
	(void)vd;
	vdev_io_complete_async(vio, ENXIO);
}

const vdev_ops_t vdev_missing_ops = {
    .vop_type = "missing",
    .vop_leaf = true,
    .vop_open = vdev_missing_open,
    .vop_close = vdev_nothing_close,
    .vop_psize_to_asize = vdev_leaf_psize_to_asize,
    .vop_io = vdev_missing_io,
};

const vdev_ops_t vdev_hole_ops = {
    .vop_type = "hole",
    .vop_leaf = true,
    .vop_open = vdev_missing_open,
    .vop_close = vdev_nothing_close,
    .vop_psize_to_asize = vdev_leaf_psize_to_asize,
    .vop_io = vdev_missing_io,
};
