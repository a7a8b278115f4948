/*
 * The queue of a leaf: which request goes to the device next.
 *
 * A device that is given everything at once decides alone, and a scrub with ten
 * thousand reads then makes every fsync wait. So each class of requests (sync
 * reads, sync writes, prefetch, background writes, scrub, trim) has a minimum and a
 * maximum number under way, as zfs(4) describes: first every class gets its minimum
 * in order of urgency, then classes may grow to their maximum.
 *
 * Within a class someone waits for, requests go in order of arrival; in background
 * classes in order of offset, going round like an elevator. Whatever is picked
 * takes its neighbours along: adjacent requests of the same kind become one
 * vectored system call, without copying. If such a call fails, its members go
 * again one by one, since only one of them may be to blame.
 *
 * vq_lock protects everything here; it is never held over a submission.
 */
#include "vdev/vdev_impl.h"

typedef struct vdev_queue_class {
	avl_tree_t vqc_offsets; /* all waiting, by device offset */
	list_t vqc_fifo;	/* the same, by arrival */
	uint32_t vqc_active;
} vdev_queue_class_t;

typedef struct vdev_queue {
	vdev_t *vq_vd;
	kmutex_t vq_lock;
	vdev_queue_class_t vq_class[ZIO_PRIORITY_NUM_QUEUEABLE];
	uint32_t vq_active;
	uint32_t vq_load; /* waiting and active; atomic for readers without the lock */
	uint64_t
	    vq_last_offset; /* device offset behind the last request sent; atomic */
} vdev_queue_t;

vdev_tunables_t vdev_tunables = {
    /* sync read, sync write, async read, async write, scrub, trim */
    .min_active = {10, 10, 1, 2, 1, 1},
    .max_active = {10, 10, 3, 10, 3, 2},
    .vdev_max_active = 1000,
    .vdev_aggregation_limit = 1U << 20,
    .vdev_direct = true,
};

static kmem_cache_t *vdev_req_cache;

static int
vdev_queue_offset_compare(const void *a, const void *b)
{
	const vdev_io_t *x = a, *y = b;

	if (x->vio_dev_offset != y->vio_dev_offset)
		return (x->vio_dev_offset < y->vio_dev_offset ? -1 : 1);
	return (x == y ? 0 : ((uintptr_t)x < (uintptr_t)y ? -1 : 1));
}

static bool
class_is_background(zio_priority_t p)
{
	return (p != ZIO_PRIORITY_SYNC_READ && p != ZIO_PRIORITY_SYNC_WRITE);
}

static void
class_add(vdev_queue_class_t *vqc, vdev_io_t *vio)
{
	avl_add(&vqc->vqc_offsets, vio);
	list_insert_tail(&vqc->vqc_fifo, vio);
}

static void
class_remove(vdev_queue_class_t *vqc, vdev_io_t *vio)
{
	avl_remove(&vqc->vqc_offsets, vio);
	list_remove(&vqc->vqc_fifo, vio);
}

/* The most urgent class that has work and may have more of it under way. */
static zio_priority_t
vdev_queue_class_to_issue(const vdev_queue_t *vq)
{
	const vdev_tunables_t *vt = &vdev_tunables;
	zio_priority_t p;

	if (vq->vq_active >= vt->vdev_max_active)
		return (ZIO_PRIORITY_NUM_QUEUEABLE);
	for (p = 0; p < ZIO_PRIORITY_NUM_QUEUEABLE; p++) {
		if (!list_is_empty(&vq->vq_class[p].vqc_fifo) &&
		    vq->vq_class[p].vqc_active < vt->min_active[p])
			return (p);
	}
	for (p = 0; p < ZIO_PRIORITY_NUM_QUEUEABLE; p++) {
		if (!list_is_empty(&vq->vq_class[p].vqc_fifo) &&
		    vq->vq_class[p].vqc_active < vt->max_active[p])
			return (p);
	}
	return (ZIO_PRIORITY_NUM_QUEUEABLE);
}

static vdev_io_t *
vdev_queue_pick(vdev_queue_t *vq, zio_priority_t p)
{
	vdev_queue_class_t *vqc = &vq->vq_class[p];

	if (!class_is_background(p))
		return (list_head(&vqc->vqc_fifo));
	const vdev_io_t key = {.vio_dev_offset = atomic_load_64(&vq->vq_last_offset)};
	avl_index_t where;
	vdev_io_t *vio = avl_find(&vqc->vqc_offsets, &key, &where);
	if (vio == NULL)
		vio = avl_nearest(&vqc->vqc_offsets, where, AVL_AFTER);
	return (vio != NULL ? vio : avl_first(&vqc->vqc_offsets));
}

/* May b follow a in one system call? */
static bool
vdev_queue_adjacent(const vdev_io_t *a, const vdev_io_t *b)
{
	return (a->vio_type == b->vio_type && b->vio_type <= VIO_WRITE &&
		((a->vio_flags | b->vio_flags) & VIO_FLAG_DONT_AGGREGATE) == 0 &&
		a->vio_dev_offset + a->vio_size == b->vio_dev_offset);
}

/*
 * Move vio and its neighbours from the class to vr, in order of offset. All waiting
 * neighbours of one call must suit the same descriptor.
 */
static void
vdev_queue_gather(
    vdev_queue_t *vq, vdev_queue_class_t *vqc, vdev_io_t *vio, vdev_req_t *vr)
{
	vdev_leaf_t *vl = vq->vq_vd->vdev_leaf;
	const int fd = vdev_leaf_fd(vl, vio->vio_dev_offset, vio->vio_size);
	uint64_t size = vio->vio_size;
	vdev_io_t *first = vio, *last = vio, *near;
	int n = 1;

	while (n < VDEV_REQ_IOVS &&
	       (near = avl_prev(&vqc->vqc_offsets, first)) != NULL &&
	       vdev_queue_adjacent(near, first) &&
	       size + near->vio_size <= vdev_tunables.vdev_aggregation_limit &&
	       vdev_leaf_fd(vl, near->vio_dev_offset, near->vio_size) == fd) {
		first = near;
		size += near->vio_size;
		n++;
	}
	while (n < VDEV_REQ_IOVS &&
	       (near = avl_next(&vqc->vqc_offsets, last)) != NULL &&
	       vdev_queue_adjacent(last, near) &&
	       size + near->vio_size <= vdev_tunables.vdev_aggregation_limit &&
	       vdev_leaf_fd(vl, near->vio_dev_offset, near->vio_size) == fd) {
		last = near;
		size += near->vio_size;
		n++;
	}
	vr->vr_fd = fd;
	vr->vr_type = vio->vio_type;
	vr->vr_offset = first->vio_dev_offset;
	vr->vr_left = size;
	for (int i = 0; i < n; i++) {
		near = avl_next(&vqc->vqc_offsets, first);
		class_remove(vqc, first);
		list_insert_tail(&vr->vr_vios, first);
		vr->vr_iov[i].iov_base =
		    first->vio_bounce != NULL ? first->vio_bounce : first->vio_data;
		vr->vr_iov[i].iov_len = first->vio_size;
		first = near;
	}
	vr->vr_iovcnt = n;
}

static void vdev_queue_io_done(vdev_req_t *vr);

static vdev_req_t *
vdev_req_alloc(vdev_t *vd, zio_priority_t class, void (*done)(vdev_req_t *))
{
	vdev_req_t *vr = kmem_cache_alloc(vdev_req_cache, KM_PUSHPAGE);

	vr->vr_vd = vd;
	vr->vr_class = class;
	vr->vr_iovfirst = vr->vr_retries = vr->vr_error = 0;
	vr->vr_done = done;
	list_create(&vr->vr_vios, sizeof(vdev_io_t), offsetof(vdev_io_t, vio_node));
	return (vr);
}

static void
vdev_req_free(vdev_req_t *vr)
{
	list_destroy(&vr->vr_vios);
	kmem_cache_free(vdev_req_cache, vr);
}

/* Collect all requests that may go now. */
static void
vdev_queue_collect(vdev_queue_t *vq, list_t *reqs)
{
	ASSERT(MUTEX_HELD(&vq->vq_lock));
	for (;;) {
		const zio_priority_t p = vdev_queue_class_to_issue(vq);
		if (p == ZIO_PRIORITY_NUM_QUEUEABLE)
			break;
		vdev_req_t *vr = vdev_req_alloc(vq->vq_vd, p, vdev_queue_io_done);
		vdev_queue_gather(vq, &vq->vq_class[p], vdev_queue_pick(vq, p), vr);
		vq->vq_class[p].vqc_active++;
		vq->vq_active++;
		atomic_store_64(&vq->vq_last_offset, vr->vr_offset + vr->vr_left);
		list_insert_tail(reqs, vr);
	}
}

static void
vdev_queue_kick(vdev_queue_t *vq, vdev_io_t *add, const vdev_req_t *finished)
{
	list_t reqs;

	list_create(&reqs, sizeof(vdev_req_t), offsetof(vdev_req_t, vr_node));
	mutex_enter(&vq->vq_lock);
	if (add != NULL)
		class_add(&vq->vq_class[add->vio_priority], add);
	if (finished != NULL) {
		vq->vq_class[finished->vr_class].vqc_active--;
		vq->vq_active--;
	}
	vdev_queue_collect(vq, &reqs);
	mutex_exit(&vq->vq_lock);
	if (!list_is_empty(&reqs))
		vdev_engine_submit(&reqs);
	list_destroy(&reqs);
}

/*
 * O_DIRECT was promised and refused (EINVAL): some filesystems do. The leaf goes on
 * through the page cache.
 */
static bool
vdev_queue_retry_cached(vdev_req_t *vr)
{
	vdev_leaf_t *vl = vr->vr_vd->vdev_leaf;

	if (vr->vr_error != EINVAL || vr->vr_fd == vl->vl_fd_cached)
		return (false);
	__atomic_store_n(&vl->vl_no_direct, true, __ATOMIC_RELAXED);
	vr->vr_error = 0;
	vr->vr_fd = vl->vl_fd_cached;
	list_t reqs;
	list_create(&reqs, sizeof(vdev_req_t), offsetof(vdev_req_t, vr_node));
	list_insert_tail(&reqs, vr);
	vdev_engine_submit(&reqs);
	list_destroy(&reqs);
	return (true);
}

/* Engine thread: a system call has ended. */
static void
vdev_queue_io_done(vdev_req_t *vr)
{
	vdev_queue_t *vq = vr->vr_vd->vdev_queue;
	const int error = vr->vr_error;
	vdev_io_t *vio;

	if (vdev_queue_retry_cached(vr))
		return;
	/* First let the device go on; then look after what it has done. */
	vdev_queue_kick(vq, NULL, vr);
	const bool joined = list_head(&vr->vr_vios) != list_tail(&vr->vr_vios);
	while ((vio = list_remove_head(&vr->vr_vios)) != NULL) {
		if (error != 0 && joined) {
			vio->vio_flags |= VIO_FLAG_DONT_AGGREGATE;
			vdev_queue_kick(vq, vio, NULL);
			continue;
		}
		vio->vio_error = error;
		__atomic_sub_fetch(&vq->vq_load, 1, __ATOMIC_RELAXED);
		vdev_leaf_io_done(vio);
	}
	vdev_req_free(vr);
}

static void
vdev_queue_flush_done(vdev_req_t *vr)
{
	vdev_io_t *vio = list_remove_head(&vr->vr_vios);

	vio->vio_error = vr->vr_error;
	vdev_req_free(vr);
	vdev_leaf_io_done(vio);
}

/*
 * A flush concerns writes that have ended, so it need not wait in line with those
 * that have not even started.
 */
void
vdev_queue_flush(vdev_t *vd, vdev_io_t *vio)
{
	const vdev_leaf_t *vl = vd->vdev_leaf;
	vdev_req_t *vr = vdev_req_alloc(vd, ZIO_PRIORITY_NOW, vdev_queue_flush_done);
	list_t reqs;

	vr->vr_type = VIO_FLUSH;
	vr->vr_fd = vl->vl_fd_cached;
	list_insert_tail(&vr->vr_vios, vio);
	list_create(&reqs, sizeof(vdev_req_t), offsetof(vdev_req_t, vr_node));
	list_insert_tail(&reqs, vr);
	vdev_engine_submit(&reqs);
	list_destroy(&reqs);
}

void
vdev_queue_io(vdev_t *vd, vdev_io_t *vio)
{
	vdev_queue_t *vq = vd->vdev_queue;

	if (vio->vio_priority >= ZIO_PRIORITY_NUM_QUEUEABLE)
		vio->vio_priority = vio->vio_type == VIO_READ ? ZIO_PRIORITY_SYNC_READ
							      : ZIO_PRIORITY_SYNC_WRITE;
	__atomic_add_fetch(&vq->vq_load, 1, __ATOMIC_RELAXED);
	vdev_queue_kick(vq, vio, NULL);
}

uint32_t
vdev_queue_load(const vdev_t *vd)
{
	const vdev_queue_t *vq = vd->vdev_queue;
	return (vq == NULL ? 0 : __atomic_load_n(&vq->vq_load, __ATOMIC_RELAXED));
}

uint64_t
vdev_queue_last_offset(const vdev_t *vd)
{
	const vdev_queue_t *vq = vd->vdev_queue;
	return (vq == NULL ? 0 : atomic_load_64(&vq->vq_last_offset));
}

void
vdev_queue_init(vdev_t *vd)
{
	vdev_queue_t *vq = kmem_zalloc(sizeof(*vq), KM_SLEEP);

	vq->vq_vd = vd;
	mutex_init(&vq->vq_lock);
	for (int p = 0; p < ZIO_PRIORITY_NUM_QUEUEABLE; p++) {
		vdev_queue_class_t *vqc = &vq->vq_class[p];
		avl_create(&vqc->vqc_offsets, vdev_queue_offset_compare,
		    sizeof(vdev_io_t), offsetof(vdev_io_t, vio_offset_node));
		list_create(
		    &vqc->vqc_fifo, sizeof(vdev_io_t), offsetof(vdev_io_t, vio_node));
	}
	vd->vdev_queue = vq;
}

void
vdev_queue_fini(vdev_t *vd)
{
	vdev_queue_t *vq = vd->vdev_queue;

	if (vq == NULL)
		return;
	VERIFY3U(vq->vq_active, ==, 0);
	for (int p = 0; p < ZIO_PRIORITY_NUM_QUEUEABLE; p++) {
		avl_destroy(&vq->vq_class[p].vqc_offsets);
		list_destroy(&vq->vq_class[p].vqc_fifo);
	}
	mutex_destroy(&vq->vq_lock);
	kmem_free(vq, sizeof(*vq));
	vd->vdev_queue = NULL;
}

void
vdev_queue_room_init(void)
{
	vdev_req_cache = kmem_cache_create(
	    "vdev_req", sizeof(vdev_req_t), 0, NULL, NULL, NULL, NULL, NULL, 0);
}

void
vdev_queue_room_fini(void)
{
	kmem_cache_destroy(vdev_req_cache);
	vdev_req_cache = NULL;
}
