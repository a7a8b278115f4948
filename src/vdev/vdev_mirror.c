/*
 * Mirrors, and what behaves like one: `replacing` and `spare`. Every child holds
 * the same bytes at the same offset (format/01 §10).
 *
 * Reading: one child is asked, the one with the least to do, preferring one whose
 * last request ended here; children that are known to lack the txg (DTL) come last.
 * A child that fails or whose bytes do not verify is remembered, the next is asked
 * straight into the same buffer. When one is right, the remembered ones get its
 * bytes; only then is the request finished, so that nothing is under way that the
 * owner of the tree does not know of. A scrub asks all children at once.
 *
 * Writing: to all children. One success is enough; the leaves below the others note
 * the txg in their DTL, also those that are dead and were not even asked. With no
 * success at all the request fails and no DTL is needed: the block does not exist.
 *
 * A child may itself be such a node. It tries and repairs its own children, and
 * fails only when none of them has the bytes.
 *
 * mm_pending counts children under way; who brings it to zero goes on, alone, so
 * the map needs no lock.
 */
#include "vdev/vdev_impl.h"

typedef struct mirror_child {
	vdev_io_t mc_vio;
	vdev_t *mc_vd;
	void *mc_buf; /* scrub: its own copy; NULL: the caller's buffer */
	int mc_error;
	bool mc_asked, mc_good;
} mirror_child_t;

typedef struct mirror_map {
	vdev_t *mm_vd;
	vdev_io_t *mm_vio;
	uint32_t mm_children;
	uint32_t mm_pending; /* atomic */
	bool mm_inside;	     /* still below the caller's vdev_io(): finish elsewhere */
	mirror_child_t mm_child[];
} mirror_map_t;

static size_t
mirror_map_size(uint64_t children)
{
	return (sizeof(mirror_map_t) + children * sizeof(mirror_child_t));
}

static mirror_map_t *
mirror_map_alloc(vdev_t *vd, vdev_io_t *vio)
{
	mirror_map_t *mm = kmem_zalloc(mirror_map_size(vd->vdev_children), KM_PUSHPAGE);

	mm->mm_vd = vd;
	mm->mm_vio = vio;
	mm->mm_children = (uint32_t)vd->vdev_children;
	for (uint32_t c = 0; c < mm->mm_children; c++)
		mm->mm_child[c].mc_vd = vd->vdev_child[c];
	return (mm);
}

/* The most telling of the children's errors. */
static int
mirror_worst_error(const mirror_map_t *mm)
{
	int worst = ENXIO;

	for (uint32_t c = 0; c < mm->mm_children; c++) {
		const int error = mm->mm_child[c].mc_error;
		if (error == ECKSUM)
			return (ECKSUM);
		if (error != 0 && error != ENXIO)
			worst = error;
	}
	return (worst);
}

static void
mirror_finish(mirror_map_t *mm, int error)
{
	vdev_io_t *vio = mm->mm_vio;
	vdev_t *vd = mm->mm_vd;

	const bool inside = mm->mm_inside;

	for (uint32_t c = 0; c < mm->mm_children; c++) {
		if (mm->mm_child[c].mc_buf != NULL)
			kmem_free(mm->mm_child[c].mc_buf, vio->vio_size);
	}
	kmem_free(mm, mirror_map_size(mm->mm_children));
	if (error == 0)
		vdev_stat_io(vd, vio);
	else if (vio->vio_type <= VIO_WRITE)
		vdev_stat_error(vd, vio, error);
	if (inside)
		vdev_io_complete_async(vio, error);
	else
		vdev_io_complete(vio, error);
}

static void
mirror_child_issue(mirror_map_t *mm, mirror_child_t *mc, vio_type_t type, void *data,
    uint32_t flags, void (*done)(vdev_io_t *))
{
	const vdev_io_t *vio = mm->mm_vio;
	vdev_io_t *cio = &mc->mc_vio;

	vdev_io_init(cio, mc->mc_vd, type, vio->vio_offset, data, vio->vio_size,
	    vio->vio_priority, vio->vio_flags | flags);
	cio->vio_txg = vio->vio_txg;
	if (type == VIO_READ) {
		cio->vio_verify = vio->vio_verify;
		cio->vio_verify_arg = vio->vio_verify_arg;
	}
	cio->vio_private = mm;
	cio->vio_done = done;
	mc->mc_asked = true;
	vdev_io_child(mc->mc_vd, cio);
}

static bool
mirror_last(mirror_map_t *mm)
{
	return (__atomic_sub_fetch(&mm->mm_pending, 1, __ATOMIC_ACQ_REL) == 0);
}

/* ------------------------------------------------------------------- repair -- */

static void
mirror_repair_done(vdev_io_t *cio)
{
	mirror_map_t *mm = cio->vio_private;

	if (cio->vio_error == 0)
		__atomic_store_n(&mm->mm_vio->vio_repaired, true, __ATOMIC_RELAXED);
	if (mirror_last(mm))
		mirror_finish(mm, 0);
}

static bool
mirror_wants_repair(const mirror_map_t *mm, const mirror_child_t *mc)
{
	return (mc->mc_asked && !mc->mc_good && vdev_writeable(mc->mc_vd) &&
		(mc->mc_error == ECKSUM || mc->mc_error == EIO) &&
		mm->mm_vio->vio_verify != NULL &&
		(mm->mm_vio->vio_flags & VIO_FLAG_DONT_REPAIR) == 0);
}

/* The caller's buffer holds verified bytes: give them to every child that had not. */
static void
mirror_repair(mirror_map_t *mm)
{
	const bool inside = mm->mm_inside;

	mm->mm_pending = 1;
	mm->mm_inside = false;
	for (uint32_t c = 0; c < mm->mm_children; c++) {
		mirror_child_t *mc = &mm->mm_child[c];
		if (!mirror_wants_repair(mm, mc))
			continue;
		__atomic_add_fetch(&mm->mm_pending, 1, __ATOMIC_RELAXED);
		mirror_child_issue(mm, mc, VIO_WRITE, mm->mm_vio->vio_data,
		    VIO_FLAG_REPAIR | VIO_FLAG_CANFAIL, mirror_repair_done);
	}
	if (mirror_last(mm)) {
		mm->mm_inside = inside;
		mirror_finish(mm, 0);
	}
}

/* ------------------------------------------------------------------ reading -- */

static uint32_t
mirror_load(const vdev_t *vd)
{
	if (vd->vdev_ops->vop_leaf)
		return (vdev_queue_load(vd));
	uint32_t best = UINT32_MAX;
	for (uint64_t c = 0; c < vd->vdev_children; c++)
		best = MIN(best, mirror_load(vd->vdev_child[c]));
	return (best);
}

/* Cost of asking this child; lower is better, UINT64_MAX impossible. */
static uint64_t
mirror_cost(const mirror_map_t *mm, const mirror_child_t *mc)
{
	const vdev_io_t *vio = mm->mm_vio;
	vdev_t *vd = mc->mc_vd;

	if (mc->mc_asked || !vdev_readable(vd))
		return (UINT64_MAX);
	uint64_t cost = 8ULL * mirror_load(vd);
	if (vd->vdev_ops->vop_leaf && !vd->vdev_nonrot &&
	    vdev_queue_last_offset(vd) != vio->vio_offset + VDEV_LABEL_START_SIZE)
		cost += 8; /* a seek is as good as a request ahead of us */
	if (vdev_dtl_stale(vd, vio->vio_txg))
		cost += 1ULL << 40;
	return (cost);
}

static mirror_child_t *
mirror_choose(mirror_map_t *mm)
{
	/* Among equals, a region of 1 MiB sticks to one child. */
	const uint64_t start = mm->mm_vio->vio_offset >> 20;
	mirror_child_t *best = NULL;
	uint64_t bestcost = UINT64_MAX;

	for (uint32_t i = 0; i < mm->mm_children; i++) {
		mirror_child_t *mc = &mm->mm_child[(start + i) % mm->mm_children];
		const uint64_t cost = mirror_cost(mm, mc);
		if (cost < bestcost) {
			best = mc;
			bestcost = cost;
		}
	}
	return (best);
}

static void mirror_read_done(vdev_io_t *cio);

static void
mirror_read_next(mirror_map_t *mm)
{
	mirror_child_t *mc = mirror_choose(mm);

	if (mc == NULL) {
		mirror_finish(mm, mirror_worst_error(mm));
		return;
	}
	mm->mm_inside = false;
	mirror_child_issue(mm, mc, VIO_READ, mm->mm_vio->vio_data, 0, mirror_read_done);
}

static void
mirror_read_done(vdev_io_t *cio)
{
	mirror_map_t *mm = cio->vio_private;
	mirror_child_t *mc = container_of(cio, mirror_child_t, mc_vio);

	if (cio->vio_repaired)
		mm->mm_vio->vio_repaired = true;
	mc->mc_error = cio->vio_error;
	if (mc->mc_error != 0) {
		mirror_read_next(mm);
		return;
	}
	mc->mc_good = true;
	mirror_repair(mm);
}

/* -------------------------------------------------------------------- scrub -- */

static void
mirror_scrub_finish(mirror_map_t *mm)
{
	mirror_child_t *good = NULL;

	for (uint32_t c = 0; c < mm->mm_children && good == NULL; c++) {
		if (mm->mm_child[c].mc_good)
			good = &mm->mm_child[c];
	}
	if (good == NULL) {
		mirror_finish(mm, mirror_worst_error(mm));
		return;
	}
	if (good->mc_buf != NULL)
		memcpy(mm->mm_vio->vio_data, good->mc_buf, mm->mm_vio->vio_size);
	mirror_repair(mm);
}

static void
mirror_scrub_done(vdev_io_t *cio)
{
	mirror_map_t *mm = cio->vio_private;
	mirror_child_t *mc = container_of(cio, mirror_child_t, mc_vio);

	mc->mc_error = cio->vio_error;
	mc->mc_good = cio->vio_error == 0;
	if (cio->vio_repaired)
		__atomic_store_n(&mm->mm_vio->vio_repaired, true, __ATOMIC_RELAXED);
	if (mirror_last(mm))
		mirror_scrub_finish(mm);
}

static void
mirror_scrub(mirror_map_t *mm)
{
	bool first = true;

	mm->mm_pending = 1;
	for (uint32_t c = 0; c < mm->mm_children; c++) {
		mirror_child_t *mc = &mm->mm_child[c];
		if (!vdev_readable(mc->mc_vd))
			continue;
		if (!first)
			mc->mc_buf = kmem_alloc(mm->mm_vio->vio_size, KM_PUSHPAGE);
		__atomic_add_fetch(&mm->mm_pending, 1, __ATOMIC_RELAXED);
		mirror_child_issue(mm, mc, VIO_READ,
		    first ? mm->mm_vio->vio_data : mc->mc_buf, 0, mirror_scrub_done);
		first = false;
	}
	if (mirror_last(mm)) {
		mm->mm_inside = true;
		mirror_scrub_finish(mm);
	}
}

/* ------------------------------------------- writing, flushing, discarding -- */

static void
mirror_leaf_missed(vdev_t *leaf, void *arg)
{
	vdev_dtl_dirty(leaf, *(const uint64_t *)arg, 1);
}

static void
mirror_all_finish(mirror_map_t *mm)
{
	vdev_io_t *vio = mm->mm_vio;
	bool good = false;

	for (uint32_t c = 0; c < mm->mm_children; c++)
		good |= mm->mm_child[c].mc_good;
	if (!good) {
		mirror_finish(mm, mirror_worst_error(mm));
		return;
	}
	if (vio->vio_type == VIO_WRITE && vio->vio_txg != 0) {
		for (uint32_t c = 0; c < mm->mm_children; c++) {
			if (!mm->mm_child[c].mc_good)
				vdev_foreach_leaf(mm->mm_child[c].mc_vd,
				    mirror_leaf_missed, &vio->vio_txg);
		}
	}
	mirror_finish(mm, 0);
}

static void
mirror_all_done(vdev_io_t *cio)
{
	mirror_map_t *mm = cio->vio_private;
	mirror_child_t *mc = container_of(cio, mirror_child_t, mc_vio);

	mc->mc_error = cio->vio_error;
	mc->mc_good = cio->vio_error == 0;
	if (mirror_last(mm))
		mirror_all_finish(mm);
}

static void
mirror_all(mirror_map_t *mm)
{
	const vdev_io_t *vio = mm->mm_vio;

	mm->mm_pending = 1;
	for (uint32_t c = 0; c < mm->mm_children; c++) {
		mirror_child_t *mc = &mm->mm_child[c];
		mc->mc_error = ENXIO;
		if (!vdev_writeable(mc->mc_vd))
			continue;
		__atomic_add_fetch(&mm->mm_pending, 1, __ATOMIC_RELAXED);
		mirror_child_issue(
		    mm, mc, vio->vio_type, vio->vio_data, 0, mirror_all_done);
	}
	if (mirror_last(mm)) {
		mm->mm_inside = true;
		mirror_all_finish(mm);
	}
}

static void
vdev_mirror_io(vdev_t *vd, vdev_io_t *vio)
{
	mirror_map_t *mm = mirror_map_alloc(vd, vio);

	if (vio->vio_type != VIO_READ)
		mirror_all(mm);
	else if (vio->vio_flags & VIO_FLAG_SCRUB)
		mirror_scrub(mm);
	else {
		mm->mm_inside = true;
		mirror_read_next(mm);
	}
}

/* --------------------------------------------------------------------- shape -- */

static int
vdev_mirror_open(vdev_t *vd, bool writable)
{
	uint64_t asize = UINT64_MAX;
	bool any = false;

	(void)writable;
	vd->vdev_logical_ashift = vd->vdev_physical_ashift = 0;
	vd->vdev_nonrot = true;
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		const vdev_t *cvd = vd->vdev_child[c];
		if (vdev_is_dead(cvd))
			continue;
		any = true;
		asize = MIN(asize, cvd->vdev_max_asize);
		vd->vdev_logical_ashift =
		    MAX(vd->vdev_logical_ashift, cvd->vdev_logical_ashift);
		vd->vdev_physical_ashift =
		    MAX(vd->vdev_physical_ashift, cvd->vdev_physical_ashift);
		vd->vdev_nonrot &= cvd->vdev_nonrot;
	}
	if (!any) {
		vd->vdev_aux = VDEV_AUX_NO_REPLICAS;
		return (ENXIO);
	}
	vd->vdev_max_asize = asize;
	vd->vdev_psize = asize + VDEV_LABEL_START_SIZE + VDEV_LABEL_END_SIZE;
	return (0);
}

static void
vdev_mirror_close(vdev_t *vd)
{
	(void)vd; /* children are closed by the walk over the tree */
}

static void
vdev_mirror_state_change(vdev_t *vd, int faulted, int degraded)
{
	if ((uint64_t)faulted == vd->vdev_children)
		vdev_set_state(vd, VDEV_STATE_CANT_OPEN, VDEV_AUX_NO_REPLICAS);
	else if (faulted + degraded != 0)
		vdev_set_state(vd, VDEV_STATE_DEGRADED, VDEV_AUX_NONE);
	else
		vdev_set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
}

#define MIRROR_OPS(name, type)                                                         \
	const vdev_ops_t name = {                                                      \
	    .vop_type = type,                                                          \
	    .vop_open = vdev_mirror_open,                                              \
	    .vop_close = vdev_mirror_close,                                            \
	    .vop_psize_to_asize = vdev_leaf_psize_to_asize,                            \
	    .vop_io = vdev_mirror_io,                                                  \
	    .vop_state_change = vdev_mirror_state_change,                              \
	}

MIRROR_OPS(vdev_mirror_ops, "mirror");
MIRROR_OPS(vdev_replacing_ops, "replacing");
MIRROR_OPS(vdev_spare_ops, "spare");
