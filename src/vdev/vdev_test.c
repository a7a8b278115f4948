/* Faults on leaves. The idea is in vdev_test.h; recording is in vdev_record.c. */
#include "vdev/vdev_impl.h"
#include "vdev/vdev_test.h"
#include "vdev/vdev_test_impl.h"

void (*vdev_test_opening)(vdev_t *leaf);

typedef struct fault_node {
	list_node_t fn_node;
	uint64_t fn_id;
	uint64_t fn_seen, fn_hits;
	vdev_fault_t fn_fault;
} fault_node_t;

/* vio_fault */
#define VFAULT_SCRAMBLE 0x1U
#define VFAULT_FAIL 0x2U

/* The leaf's state of this file; made at first need, lives as long as the vdev. */
vdev_test_t *
vdev_test_attach(vdev_t *leaf)
{
	vdev_test_t *vt = __atomic_load_n(&leaf->vdev_test, __ATOMIC_ACQUIRE);

	ASSERT(leaf->vdev_ops->vop_leaf);
	if (vt != NULL)
		return (vt);
	vt = kmem_zalloc(sizeof(*vt), KM_SLEEP);
	mutex_init(&vt->vt_lock);
	list_create(
	    &vt->vt_faults, sizeof(fault_node_t), offsetof(fault_node_t, fn_node));
	__atomic_store_n(&leaf->vdev_test, (void *)vt, __ATOMIC_RELEASE);
	return (vt);
}

void
vdev_test_detach(vdev_t *vd)
{
	vdev_test_t *vt = vd->vdev_test;

	if (vt == NULL)
		return;
	vdev_fault_clear(vd);
	list_destroy(&vt->vt_faults);
	mutex_destroy(&vt->vt_lock);
	kmem_free(vt, sizeof(*vt));
	vd->vdev_test = NULL;
}

uint64_t
vdev_fault_add(vdev_t *leaf, const vdev_fault_t *vf)
{
	vdev_test_t *vt = vdev_test_attach(leaf);
	fault_node_t *fn = kmem_zalloc(sizeof(*fn), KM_SLEEP);

	fn->fn_fault = *vf;
	mutex_enter(&vt->vt_lock);
	fn->fn_id = ++vt->vt_next_id;
	const uint64_t id = fn->fn_id;
	list_insert_tail(&vt->vt_faults, fn);
	mutex_exit(&vt->vt_lock);
	return (id);
}

static fault_node_t *
fault_find(vdev_test_t *vt, uint64_t id)
{
	fault_node_t *fn;

	for (fn = list_head(&vt->vt_faults); fn != NULL;
	     fn = list_next(&vt->vt_faults, fn)) {
		if (fn->fn_id == id)
			break;
	}
	return (fn);
}

int
vdev_fault_remove(vdev_t *leaf, uint64_t id)
{
	vdev_test_t *vt = vdev_test_attach(leaf);

	mutex_enter(&vt->vt_lock);
	fault_node_t *fn = fault_find(vt, id);
	if (fn != NULL)
		list_remove(&vt->vt_faults, fn);
	mutex_exit(&vt->vt_lock);
	if (fn == NULL)
		return (ENOENT);
	kmem_free(fn, sizeof(*fn));
	return (0);
}

void
vdev_fault_clear(vdev_t *leaf)
{
	vdev_test_t *vt = vdev_test_attach(leaf);
	fault_node_t *fn;

	mutex_enter(&vt->vt_lock);
	while ((fn = list_remove_head(&vt->vt_faults)) != NULL)
		kmem_free(fn, sizeof(*fn));
	mutex_exit(&vt->vt_lock);
}

uint64_t
vdev_fault_hits(vdev_t *leaf, uint64_t id)
{
	vdev_test_t *vt = vdev_test_attach(leaf);

	mutex_enter(&vt->vt_lock);
	const fault_node_t *fn = fault_find(vt, id);
	const uint64_t hits = fn == NULL ? 0 : fn->fn_hits;
	mutex_exit(&vt->vt_lock);
	return (hits);
}

static bool
fault_matches(const vdev_fault_t *vf, const vdev_io_t *vio, uint64_t dev_offset)
{
	if ((vf->vf_types & VF_TYPE(vio->vio_type)) == 0)
		return (false);
	if ((vio->vio_flags & VIO_FLAG_PROBE) && !vf->vf_probes)
		return (false);
	if (vf->vf_size == 0 || vio->vio_type == VIO_FLUSH)
		return (true);
	return (dev_offset < vf->vf_offset + vf->vf_size &&
		vf->vf_offset < dev_offset + vio->vio_size);
}

/* The fault that hits this request, by value; false: none. */
static bool
fault_take(vdev_test_t *vt, const vdev_io_t *vio, vdev_fault_t *vf)
{
	const uint64_t dev_offset =
	    vio->vio_offset +
	    (vio->vio_flags & VIO_FLAG_PHYSICAL ? 0 : VDEV_LABEL_START_SIZE);
	fault_node_t *fn;

	mutex_enter(&vt->vt_lock);
	for (fn = list_head(&vt->vt_faults); fn != NULL;
	     fn = list_next(&vt->vt_faults, fn)) {
		if (!fault_matches(&fn->fn_fault, vio, dev_offset))
			continue;
		if (fn->fn_seen++ < fn->fn_fault.vf_skip)
			continue;
		if (fn->fn_fault.vf_count != 0 && fn->fn_hits >= fn->fn_fault.vf_count)
			continue;
		fn->fn_hits++;
		*vf = fn->fn_fault;
		break;
	}
	mutex_exit(&vt->vt_lock);
	return (fn != NULL);
}

/* Different from what it was for every content, and the same each time. */
static void
scramble(void *data, size_t size)
{
	uint8_t *p = data;

	for (size_t i = 0; i < size; i += 61)
		p[i] ^= (uint8_t)(0xa5 + i);
}

bool
vdev_test_start(vdev_t *vd, vdev_io_t *vio, int *error, hrtime_t *delay)
{
	vdev_test_t *vt = __atomic_load_n(&vd->vdev_test, __ATOMIC_ACQUIRE);
	vdev_fault_t vf;

	if (vt == NULL || !fault_take(vt, vio, &vf))
		return (false);
	*delay = vf.vf_delay;
	if (vf.vf_lose && vio->vio_type != VIO_READ) {
		vio->vio_fault |= VFAULT_LOST;
		*error = 0;
		return (true);
	}
	if (vf.vf_error == ECKSUM && vio->vio_type == VIO_WRITE) {
		/* The caller's bytes stay what they are. */
		vio->vio_bounce =
		    kmem_alloc(P2ROUNDUP(vio->vio_size, 4096), KM_PUSHPAGE);
		memcpy(vio->vio_bounce, vio->vio_data, vio->vio_size);
		scramble(vio->vio_bounce, vio->vio_size);
		return (false);
	}
	if (vf.vf_error == ECKSUM) {
		vio->vio_fault |= VFAULT_SCRAMBLE;
		return (false);
	}
	*error = vf.vf_error;
	return (vf.vf_error != 0);
}

int
vdev_test_done(vdev_t *vd, vdev_io_t *vio, int error)
{
	(void)vd;
	if ((vio->vio_fault & VFAULT_SCRAMBLE) && vio->vio_type == VIO_READ &&
	    error == 0)
		scramble(vio->vio_data, vio->vio_size);
	return (error);
}

/* ------------------------------------------------------------------- delays -- */

typedef struct delayed_io {
	vdev_io_t *di_vio;
	hrtime_t di_until;
	void (*di_start)(vdev_io_t *);
} delayed_io_t;

static void
delayed_io_thread(void *arg)
{
	delayed_io_t *di = arg;
	const hrtime_t now = gethrtime();

	if (di->di_until > now)
		spl_delay(di->di_until - now);
	di->di_start(di->di_vio);
	kmem_free(di, sizeof(*di));
}

void
vdev_test_delay(vdev_io_t *vio, hrtime_t delay, void (*start)(vdev_io_t *))
{
	delayed_io_t *di = kmem_alloc(sizeof(*di), KM_SLEEP);

	di->di_vio = vio;
	di->di_until = gethrtime() + delay;
	di->di_start = start;
	taskq_dispatch(vdev_discard_taskq, delayed_io_thread, di);
}
