/*
 * Opening, closing and the states of vdevs.
 *
 * A state is decided at a leaf (opened, gone, faulted) and travels up: each interior
 * node looks at its children and asks its ops what it follows from so many faulted
 * and so many degraded ones. Propagation may run in several threads at a time, since
 * requests fail where they like. It is correct without a lock for the whole tree
 * because every node is decided under its own vdev_stat_lock by reading the
 * children's states then: the last to decide sees everything that happened before.
 */
#include "vdev/vdev_impl.h"

void (*vdev_ereport)(vdev_t *vd, const char *cls, const vdev_io_t *vio, int error);

/* ------------------------------------------------------------------ asking -- */

vdev_state_t
vdev_get_state(const vdev_t *vd, vdev_aux_t *auxp)
{
	if (auxp != NULL)
		*auxp = __atomic_load_n(&vd->vdev_aux, __ATOMIC_RELAXED);
	return (__atomic_load_n(&vd->vdev_state, __ATOMIC_RELAXED));
}

bool
vdev_is_dead(const vdev_t *vd)
{
	return (vdev_get_state(vd, NULL) < VDEV_STATE_DEGRADED ||
		vd->vdev_ops == &vdev_hole_ops || vd->vdev_ops == &vdev_missing_ops);
}

bool
vdev_readable(const vdev_t *vd)
{
	return (!vdev_is_dead(vd) &&
		!__atomic_load_n(&vd->vdev_cant_read, __ATOMIC_RELAXED));
}

bool
vdev_writeable(const vdev_t *vd)
{
	return (!vdev_is_dead(vd) && !vd->vdev_readonly &&
		!__atomic_load_n(&vd->vdev_cant_write, __ATOMIC_RELAXED));
}

const char *
vdev_state_name(vdev_state_t state, vdev_aux_t aux)
{
	switch (state) {
	case VDEV_STATE_CLOSED:
	case VDEV_STATE_OFFLINE:
		return ("OFFLINE");
	case VDEV_STATE_REMOVED:
		return ("REMOVED");
	case VDEV_STATE_CANT_OPEN:
		if (aux == VDEV_AUX_CORRUPT_DATA || aux == VDEV_AUX_BAD_LOG)
			return ("FAULTED");
		if (aux == VDEV_AUX_SPLIT_POOL)
			return ("SPLIT");
		return ("UNAVAIL");
	case VDEV_STATE_FAULTED:
		return ("FAULTED");
	case VDEV_STATE_DEGRADED:
		return ("DEGRADED");
	case VDEV_STATE_HEALTHY:
		return ("ONLINE");
	default:
		return ("UNKNOWN");
	}
}

/* -------------------------------------------------------------- propagation -- */

static void
vdev_store_state(vdev_t *vd, vdev_state_t state, vdev_aux_t aux)
{
	__atomic_store_n(&vd->vdev_prevstate, vd->vdev_state, __ATOMIC_RELAXED);
	__atomic_store_n(&vd->vdev_state, state, __ATOMIC_RELAXED);
	__atomic_store_n(&vd->vdev_aux, aux, __ATOMIC_RELAXED);
}

/* Decide an interior node from its children, once. */
static void
vdev_decide_state(vdev_t *vd)
{
	int faulted = 0, degraded = 0;

	mutex_enter(&vd->vdev_stat_lock);
	if (vd->vdev_state == VDEV_STATE_CANT_OPEN &&
	    vd->vdev_aux != VDEV_AUX_NO_REPLICAS && vd->vdev_aux != VDEV_AUX_NONE) {
		/* Its own geometry is impossible: children cannot heal that. */
		mutex_exit(&vd->vdev_stat_lock);
		return;
	}
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		vdev_t *child = vd->vdev_child[c];

		if (child->vdev_ops == &vdev_hole_ops)
			continue;
		mutex_enter(&child->vdev_stat_lock);
		const vdev_state_t state = child->vdev_state;
		mutex_exit(&child->vdev_stat_lock);
		if (state < VDEV_STATE_DEGRADED ||
		    child->vdev_ops == &vdev_missing_ops) {
			/* A pool can do without its log; not without its data. */
			if (child->vdev_top == child && child->vdev_islog)
				degraded++;
			else
				faulted++;
		} else if (state == VDEV_STATE_DEGRADED) {
			degraded++;
		}
	}
	vd->vdev_ops->vop_state_change(vd, faulted, degraded);
	mutex_exit(&vd->vdev_stat_lock);
}

void
vdev_propagate_state(vdev_t *vd)
{
	for (; vd != NULL; vd = vd->vdev_parent) {
		if (!vd->vdev_ops->vop_leaf)
			vdev_decide_state(vd);
	}
}

/*
 * Called by interior ops with the lock of vd (they decide), by everyone else without
 * (the change then travels up).
 */
void
vdev_set_state(vdev_t *vd, vdev_state_t state, vdev_aux_t aux)
{
	if (MUTEX_HELD(&vd->vdev_stat_lock)) {
		vdev_store_state(vd, state, aux);
		return;
	}
	mutex_enter(&vd->vdev_stat_lock);
	vdev_store_state(vd, state, aux);
	mutex_exit(&vd->vdev_stat_lock);
	vdev_propagate_state(vd->vdev_parent);
}

/* Could the tree still be read if this leaf were gone? */
bool
vdev_required(vdev_t *leaf)
{
	for (vdev_t *vd = leaf; vd->vdev_parent != NULL; vd = vd->vdev_parent) {
		const vdev_t *pvd = vd->vdev_parent;

		if (pvd->vdev_ops == &vdev_root_ops)
			return (!vd->vdev_islog);
		for (uint64_t c = 0; c < pvd->vdev_children; c++) {
			vdev_t *other = pvd->vdev_child[c];
			if (other != vd && vdev_readable(other) &&
			    vdev_dtl_empty(other))
				return (false);
		}
	}
	return (true);
}

void
vdev_fault(vdev_t *leaf, vdev_state_t state, vdev_aux_t aux)
{
	mutex_enter(&leaf->vdev_stat_lock);
	const bool news = leaf->vdev_state > state;
	if (news)
		vdev_store_state(leaf, state, aux);
	mutex_exit(&leaf->vdev_stat_lock);
	if (!news)
		return;
	vdev_propagate_state(leaf->vdev_parent);
	if (vdev_ereport != NULL)
		vdev_ereport(leaf, "statechange", NULL, 0);
	if (vdev_dtl_changed != NULL)
		vdev_dtl_changed(leaf);
}

/* ---------------------------------------------------------------------- opening -- */

static vdev_aux_t
vdev_open_aux(const vdev_t *vd, int error)
{
	if (vd->vdev_aux != VDEV_AUX_NONE)
		return (vd->vdev_aux);
	return (error == EBUSY ? VDEV_AUX_ACTIVE : VDEV_AUX_OPEN_FAILED);
}

/*
 * Sizes of a top-level: from the devices when it is new, else from the
 * configuration, which the devices must be able to hold (format/01 §12 rows 7, 8).
 */
static int
vdev_top_geometry(vdev_t *vd)
{
	if (vd->vdev_ashift == 0)
		vd->vdev_ashift = MAX(vd->vdev_logical_ashift,
		    MIN(vd->vdev_physical_ashift, ASHIFT_AUTO_MAX));
	if (vd->vdev_ashift < vd->vdev_logical_ashift) {
		vd->vdev_aux = VDEV_AUX_BAD_ASHIFT;
		return (EDOM);
	}
	if (vd->vdev_ashift < ASHIFT_MIN || vd->vdev_ashift > ASHIFT_MAX) {
		vd->vdev_aux = VDEV_AUX_BAD_ASHIFT;
		return (EDOM);
	}
	const uint64_t usable = P2ALIGN(vd->vdev_max_asize, 1ULL << vd->vdev_ashift);
	if (vd->vdev_asize == 0)
		vd->vdev_asize = usable;
	if (usable < MAX(vd->vdev_asize, vd->vdev_min_asize)) {
		vd->vdev_aux = VDEV_AUX_BAD_LABEL;
		return (EINVAL);
	}
	return (0);
}

/*
 * Can this leaf serve the top-level it is in? If not, the leaf is at fault, not its
 * siblings: a device may have been swapped for another one.
 */
static int
vdev_leaf_fits(vdev_t *vd)
{
	const vdev_t *top = vd->vdev_top;
	const vdev_t *up;

	if (top == NULL || vd->vdev_leaf == NULL)
		return (0);
	if (top->vdev_ashift != 0 && vd->vdev_logical_ashift > top->vdev_ashift) {
		vd->vdev_aux = VDEV_AUX_BAD_ASHIFT;
		return (EDOM);
	}
	for (up = vd; up != top && up->vdev_parent != NULL; up = up->vdev_parent) {
		if (up->vdev_parent->vdev_ops->vop_open != vdev_mirror_ops.vop_open)
			return (0); /* shares the data: its parent knows its minimum */
	}
	if (vd->vdev_max_asize < top->vdev_asize) {
		vd->vdev_aux = VDEV_AUX_BAD_LABEL;
		return (EINVAL);
	}
	return (0);
}

static int
vdev_open_one(vdev_t *vd, bool writable)
{
	int error;

	vd->vdev_aux = VDEV_AUX_NONE;
	vd->vdev_cant_read = vd->vdev_cant_write = false;
	vd->vdev_readonly = !writable;
	if ((error = vd->vdev_ops->vop_open(vd, writable)) != 0)
		return (error);
	if ((error = vdev_leaf_fits(vd)) != 0)
		return (error);
	if (vd->vdev_top == vd && (error = vdev_top_geometry(vd)) != 0)
		return (error);
	/* Leaves know no asize of their own: what lies in their top-level's does in
	 * them. */
	if (vd->vdev_top != vd)
		vd->vdev_asize = vd->vdev_max_asize;
	if (vd->vdev_ops->vop_leaf && vd->vdev_leaf != NULL && vdev_probe(vd) != 0) {
		vd->vdev_aux = VDEV_AUX_ERR_EXCEEDED;
		return (EIO);
	}
	return (0);
}

/* States a leaf is in by decision, whatever the device says. */
static bool
vdev_stays_closed(vdev_t *vd)
{
	if (vd->vdev_offline) {
		vdev_set_state(vd, VDEV_STATE_OFFLINE, VDEV_AUX_NONE);
	} else if (vd->vdev_removed) {
		vdev_set_state(vd, VDEV_STATE_REMOVED, VDEV_AUX_NONE);
	} else if (vd->vdev_faulted) {
		vdev_set_state(vd, VDEV_STATE_FAULTED, vd->vdev_label_aux);
	} else {
		return (false);
	}
	return (true);
}

static void
vdev_open_tree(vdev_t *vd, bool writable)
{
	if (vd->vdev_ops == &vdev_hole_ops) {
		vdev_set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
		return;
	}
	for (uint64_t c = 0; c < vd->vdev_children; c++)
		vdev_open_tree(vd->vdev_child[c], writable);
	if (vd->vdev_ops->vop_leaf && (vd->vdev_leaf != NULL || vdev_stays_closed(vd)))
		return;
	const int error = vdev_open_one(vd, writable);
	if (error != 0) {
		const vdev_aux_t aux = vdev_open_aux(vd, error);
		vd->vdev_ops->vop_close(vd);
		vdev_set_state(vd,
		    aux == VDEV_AUX_ERR_EXCEEDED ? VDEV_STATE_FAULTED
						 : VDEV_STATE_CANT_OPEN,
		    aux);
	} else if (!vd->vdev_ops->vop_leaf) {
		vdev_set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
		vdev_decide_state(vd);
	} else if (vd->vdev_degraded) {
		vdev_set_state(vd, VDEV_STATE_DEGRADED, vd->vdev_label_aux);
	} else {
		vdev_set_state(vd, VDEV_STATE_HEALTHY, VDEV_AUX_NONE);
	}
}

int
vdev_open(vdev_t *vd, bool writable)
{
	vdev_open_tree(vd, writable);
	vdev_propagate_state(vd->vdev_parent);
	return (vdev_is_dead(vd) && vd->vdev_ops != &vdev_hole_ops ? ENXIO : 0);
}

void
vdev_close(vdev_t *vd)
{
	/* A tree that could not be built to its end has holes where children should be.
	 */
	for (uint64_t c = 0; c < vd->vdev_children; c++) {
		if (vd->vdev_child[c] != NULL)
			vdev_close(vd->vdev_child[c]);
	}
	if (vd->vdev_ops->vop_close != NULL)
		vd->vdev_ops->vop_close(vd);
	mutex_enter(&vd->vdev_stat_lock);
	vdev_store_state(vd, vd->vdev_offline ? VDEV_STATE_OFFLINE : VDEV_STATE_CLOSED,
	    VDEV_AUX_NONE);
	mutex_exit(&vd->vdev_stat_lock);
}
