/*
 * Leaves: what files and disks have in common. Opening and locking a device,
 * deciding whether a request may run, and judging what came back.
 *
 * Descriptors. A device is opened twice: with O_DIRECT, which serves everything
 * that is aligned (memory that is not gets a bounce buffer), because the ARC and the
 * page cache of the files above already hold the data; and through the page cache
 * for ranges O_DIRECT cannot do. The kernel keeps the two coherent. There is no
 * O_EXCL: tools may look at a device in use. Instead, a leaf opened for writing
 * holds a lock of the open file description (F_OFD_SETLK), so two owners of one
 * device are impossible and a crash releases it.
 *
 * Flushes. vl_writes_done counts writes that ended; a flush covers those it found
 * when it started. A flush that has nothing to cover is not sent. One is under way at a
 * time; those asked for meanwhile wait and are answered together by the next (an error
 * of the page cache is told to one of two concurrent callers only). A flush that fails
 * means that some writes it should have covered may be lost although they were
 * reported as done, and that no later success will say so: their txgs go to the DTL as
 * if they had failed, the leaf is FAULTED if others can do without it, and its flushes
 * fail until it is reopened.
 *
 * Failures. An error that is not ECKSUM starts a probe of the label areas (one at a
 * time, vl_probing). A device that cannot do even that is FAULTED; the requests
 * that failed meanwhile have long been answered.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"
#include "vdev/vdev_test.h"

vdev_serd_t vdev_serd = {.io_n = 0, .io_t = 600, .checksum_n = 0, .checksum_t = 600};

/* ------------------------------------------------------------------ opening -- */

#define LOCK_TRIES 100
#define LOCK_PAUSE MSEC2NSEC(20)

/* Become the only writer. EBUSY: there is one. */
static int
leaf_lock(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	/* The kernel lets go of a killed process's rings, and of the files in them, a
	 * little after the process is gone: its successor must not be told that it is
	 * in use. */
	for (int i = 0;; i++) {
		if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
			return (0);
		if ((errno != EAGAIN && errno != EACCES) || i == LOCK_TRIES)
			break;
		spl_delay(LOCK_PAUSE);
	}
	return (errno == EAGAIN || errno == EACCES ? EBUSY : errno);
}

/* A second descriptor of the same inode, with O_DIRECT; -1 if that is not to be had. */
static int
leaf_open_direct(const vdev_t *vd, int fd, int oflags, uint32_t *mem, uint32_t *off)
{
	struct stat a, b;

	if (!vdev_tunables.vdev_direct || vdev_os_dio_align(fd, mem, off) != 0)
		return (-1);
	const int direct = open(vd->vdev_path, oflags | O_DIRECT);
	if (direct < 0)
		return (-1);
	if (fstat(fd, &a) == 0 && fstat(direct, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return (direct);
	close(direct);
	return (-1);
}

int
vdev_leaf_open(vdev_t *vd, bool writable, bool isblk)
{
	const int oflags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	int error = 0;

	if (vd->vdev_path == NULL || vd->vdev_path[0] != '/')
		return (EINVAL);
	if (vdev_test_opening != NULL)
		vdev_test_opening(vd);
	const int fd = open(vd->vdev_path, oflags);
	if (fd < 0)
		return (errno);
	if (fstat(fd, &st) != 0)
		error = errno;
	else if (isblk ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode))
		error = isblk ? ENOTBLK : EINVAL;
	else if (writable)
		error = leaf_lock(fd);
	if (error != 0) {
		close(fd);
		return (error);
	}

	vdev_leaf_t *vl = kmem_zalloc(sizeof(*vl), KM_SLEEP);
	vl->vl_fd_cached = fd;
	vl->vl_dio_mem = vl->vl_dio_off = 1;
	vl->vl_fd = leaf_open_direct(vd, fd, oflags, &vl->vl_dio_mem, &vl->vl_dio_off);
	if (vl->vl_fd < 0) {
		vl->vl_fd = fd;
		vl->vl_no_direct = true;
	}
	vl->vl_writable = writable;
	vl->vl_isblk = isblk;
	vl->vl_unflushed_min = UINT64_MAX;
	mutex_init(&vl->vl_lock);
	cv_init(&vl->vl_probe_cv);
	list_create(
	    &vl->vl_flush_waiting, sizeof(vdev_io_t), offsetof(vdev_io_t, vio_node));
	vd->vdev_leaf = vl;
	vdev_queue_init(vd);
	return (0);
}

void
vdev_leaf_close(vdev_t *vd)
{
	vdev_leaf_t *vl = vd->vdev_leaf;

	if (vl == NULL)
		return;
	mutex_enter(&vl->vl_lock);
	while (vl->vl_probing)
		cv_wait(&vl->vl_probe_cv, &vl->vl_lock);
	mutex_exit(&vl->vl_lock);
	vdev_queue_fini(vd);
	if (vl->vl_fd != vl->vl_fd_cached)
		close(vl->vl_fd);
	close(vl->vl_fd_cached); /* and with it the lock */
	list_destroy(&vl->vl_flush_waiting);
	cv_destroy(&vl->vl_probe_cv);
	mutex_destroy(&vl->vl_lock);
	kmem_free(vl, sizeof(*vl));
	vd->vdev_leaf = NULL;
}

int
vdev_leaf_geometry(vdev_t *vd, uint64_t size, uint64_t logical, uint64_t physical)
{
	const uint64_t psize = vdev_label_psize(size);

	if (psize < SPA_MINDEVSIZE) {
		vd->vdev_aux = VDEV_AUX_TOO_SMALL;
		return (EOVERFLOW);
	}
	vd->vdev_psize = psize;
	vd->vdev_max_asize = vdev_leaf_asize(psize);
	vd->vdev_logical_ashift = MAX(highbit64(logical) - 1, ASHIFT_MIN);
	vd->vdev_physical_ashift =
	    MAX(highbit64(physical) - 1, (int)vd->vdev_logical_ashift);
	return (0);
}

uint64_t
vdev_leaf_psize_to_asize(vdev_t *vd, uint64_t psize)
{
	const vdev_t *top = vd->vdev_top != NULL ? vd->vdev_top : vd;

	return (P2ROUNDUP(psize, 1ULL << top->vdev_ashift));
}

int
vdev_leaf_fd(const vdev_leaf_t *vl, uint64_t dev_offset, uint64_t size)
{
	if (__atomic_load_n(&vl->vl_no_direct, __ATOMIC_RELAXED) ||
	    !IS_P2ALIGNED(dev_offset | size, vl->vl_dio_off))
		return (vl->vl_fd_cached);
	return (vl->vl_fd);
}

/* ------------------------------------------------------------------- probing -- */

/* format/01 §12 row 9: the boot environment blocks of L1 … L3. */
#define PROBE_LABELS 3

typedef struct vdev_probe_io {
	vdev_t *vp_vd;
	vdev_io_t vp_vio[PROBE_LABELS];
	void *vp_buf[PROBE_LABELS];
	uint32_t vp_pending; /* atomic */
	bool vp_writing;
	bool vp_readable, vp_writeable; /* atomic */
	void (*vp_done)(vdev_t *vd, int error, void *arg);
	void *vp_arg;
} vdev_probe_io_t;

static void vdev_probe_step_done(vdev_io_t *vio);

static void
vdev_probe_step(vdev_probe_io_t *vp)
{
	vdev_t *vd = vp->vp_vd;

	vp->vp_pending = PROBE_LABELS;
	for (int i = 0; i < PROBE_LABELS; i++) {
		vdev_io_t *vio = &vp->vp_vio[i];
		const int readerr = vio->vio_error;

		vdev_io_init(vio, vd, vp->vp_writing ? VIO_WRITE : VIO_READ,
		    vdev_label_offset(vd->vdev_psize, i + 1, VDEV_BOOTENV_OFFSET),
		    vp->vp_buf[i], VDEV_BOOTENV_SIZE, ZIO_PRIORITY_NOW,
		    VIO_FLAG_PROBE | VIO_FLAG_PHYSICAL | VIO_FLAG_DONT_AGGREGATE);
		vio->vio_done = vdev_probe_step_done;
		vio->vio_private = vp;
		/* Never write back what could not be read. */
		if (vp->vp_writing && readerr != 0)
			vdev_io_complete_async(vio, readerr);
		else
			vdev_io(vio);
	}
}

static void
vdev_probe_step_done(vdev_io_t *vio)
{
	vdev_probe_io_t *vp = vio->vio_private;
	vdev_t *vd = vp->vp_vd;
	vdev_leaf_t *vl = vd->vdev_leaf;

	if (vio->vio_error == 0)
		__atomic_store_n(vp->vp_writing ? &vp->vp_writeable : &vp->vp_readable,
		    true, __ATOMIC_RELAXED);
	if (__atomic_sub_fetch(&vp->vp_pending, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (!vp->vp_writing && vp->vp_readable && vl->vl_writable) {
		vp->vp_writing = true;
		vdev_probe_step(vp);
		return;
	}
	const bool ok = vp->vp_readable && (vp->vp_writeable || !vl->vl_writable);
	for (int i = 0; i < PROBE_LABELS; i++)
		kmem_free(vp->vp_buf[i], VDEV_BOOTENV_SIZE);
	void (*done)(vdev_t *, int, void *) = vp->vp_done;
	void *arg = vp->vp_arg;
	kmem_free(vp, sizeof(*vp));
	done(vd, ok ? 0 : ENXIO, arg);
}

static void
vdev_probe_start(vdev_t *vd, void (*done)(vdev_t *, int, void *), void *arg)
{
	vdev_probe_io_t *vp = kmem_zalloc(sizeof(*vp), KM_SLEEP);

	vp->vp_vd = vd;
	vp->vp_done = done;
	vp->vp_arg = arg;
	for (int i = 0; i < PROBE_LABELS; i++)
		vp->vp_buf[i] = kmem_alloc(VDEV_BOOTENV_SIZE, KM_SLEEP);
	vdev_probe_step(vp);
}

static void
vdev_probe_end(vdev_leaf_t *vl)
{
	mutex_enter(&vl->vl_lock);
	vl->vl_probing = false;
	cv_broadcast(&vl->vl_probe_cv);
	mutex_exit(&vl->vl_lock);
}

/* One probe at a time. False: one is under way. */
static bool
vdev_probe_begin(vdev_leaf_t *vl)
{
	mutex_enter(&vl->vl_lock);
	const bool mine = !vl->vl_probing;
	vl->vl_probing = true;
	mutex_exit(&vl->vl_lock);
	return (mine);
}

static void
vdev_probe_after_error(vdev_t *vd, int error, void *arg)
{
	(void)arg;
	if (error != 0) {
		spl_log(LOG_WARNING, "vdev %s does not answer: faulted", vd->vdev_path);
		vdev_fault(vd, VDEV_STATE_FAULTED, VDEV_AUX_ERR_EXCEEDED);
	}
	vdev_probe_end(vd->vdev_leaf);
}

typedef struct vdev_probe_waiter {
	kmutex_t pw_lock;
	kcondvar_t pw_cv;
	bool pw_done;
	int pw_error;
} vdev_probe_waiter_t;

static void
vdev_probe_wake(vdev_t *vd, int error, void *arg)
{
	vdev_probe_waiter_t *pw = arg;

	(void)vd;
	mutex_enter(&pw->pw_lock);
	pw->pw_error = error;
	pw->pw_done = true;
	cv_signal(&pw->pw_cv);
	mutex_exit(&pw->pw_lock);
}

int
vdev_probe(vdev_t *vd)
{
	vdev_probe_waiter_t pw = {.pw_done = false};

	if (vd->vdev_leaf == NULL)
		return (ENXIO);
	mutex_init(&pw.pw_lock);
	cv_init(&pw.pw_cv);
	vdev_probe_start(vd, vdev_probe_wake, &pw);
	mutex_enter(&pw.pw_lock);
	while (!pw.pw_done)
		cv_wait(&pw.pw_cv, &pw.pw_lock);
	mutex_exit(&pw.pw_lock);
	cv_destroy(&pw.pw_cv);
	mutex_destroy(&pw.pw_lock);
	return (pw.pw_error);
}

/* ------------------------------------------------------------------- judging -- */

/* Record an event; true if n of them lie within the last t seconds. */
static bool
serd_record(serd_ring_t *sr, uint64_t n, uint64_t t)
{
	if (n == 0)
		return (false);
	n = MIN(n, SERD_MAX);
	const hrtime_t now = gethrtime();
	sr->sr_time[sr->sr_next % SERD_MAX] = now;
	const uint32_t last = sr->sr_next++;
	if (last + 1 < n)
		return (false);
	const hrtime_t oldest = sr->sr_time[(last + 1 - n) % SERD_MAX];
	return (now - oldest <= SEC2NSEC((hrtime_t)MIN(t, 1U << 30)));
}

static void
leaf_diagnose(vdev_t *vd, int error)
{
	vdev_leaf_t *vl = vd->vdev_leaf;
	const bool cksum = error == ECKSUM;

	mutex_enter(&vl->vl_lock);
	const bool exceeded =
	    cksum ? serd_record(
			&vl->vl_cksum_serd, vdev_serd.checksum_n, vdev_serd.checksum_t)
		  : serd_record(&vl->vl_io_serd, vdev_serd.io_n, vdev_serd.io_t);
	mutex_exit(&vl->vl_lock);
	if (exceeded)
		vdev_fault(vd,
		    cksum || vdev_required(vd) ? VDEV_STATE_DEGRADED
					       : VDEV_STATE_FAULTED,
		    VDEV_AUX_ERR_EXCEEDED);
}

static void
leaf_failed(vdev_t *vd, vdev_io_t *vio, int error)
{
	if (vio->vio_flags & (VIO_FLAG_PROBE | VIO_FLAG_SPECULATIVE))
		return;
	if (error == ECKSUM) {
		/* A copy known to be missing is no fault of the device. */
		if (vio->vio_txg != 0 && vdev_dtl_contains(vd, vio->vio_txg, 1))
			return;
	} else if (vdev_probe_begin(vd->vdev_leaf)) {
		vdev_probe_start(vd, vdev_probe_after_error, NULL);
	}
	vdev_stat_error(vd, vio, error);
	leaf_diagnose(vd, error);
	if (vdev_ereport != NULL && !(vio->vio_flags & VIO_FLAG_CANFAIL))
		vdev_ereport(vd, error == ECKSUM ? "checksum" : "io", vio, error);
}

/* The errors that leave this room; ENOSPC of a backing filesystem is no ENOSPC of ours.
 */
static int
leaf_errno(int error)
{
	switch (error) {
	case 0:
	case ECKSUM:
	case EROFS:
	case ENOTSUP:
		return (error);
	case ENXIO:
	case ENODEV:
		return (ENXIO);
	default:
		return (EIO);
	}
}

static void
leaf_write_done(vdev_t *vd, const vdev_io_t *vio)
{
	vdev_leaf_t *vl = vd->vdev_leaf;

	mutex_enter(&vl->vl_lock);
	vl->vl_writes_done++;
	if (vio->vio_txg != 0) {
		vl->vl_unflushed_min = MIN(vl->vl_unflushed_min, vio->vio_txg);
		vl->vl_unflushed_max = MAX(vl->vl_unflushed_max, vio->vio_txg);
	}
	mutex_exit(&vl->vl_lock);
	vdev_test_write_done(vd, vio);
}

/* With vl_lock: what the end of the flush under way means for those that waited. */
static vdev_io_t *
leaf_flush_answer(vdev_leaf_t *vl, int error, list_t *answered)
{
	vdev_io_t *vio, *next, *leader = NULL;

	for (vio = list_head(&vl->vl_flush_waiting); vio != NULL; vio = next) {
		next = list_next(&vl->vl_flush_waiting, vio);
		if (error == 0 && vio->vio_dev_offset > vl->vl_writes_flushed)
			continue;
		list_remove(&vl->vl_flush_waiting, vio);
		list_insert_tail(answered, vio);
	}
	if ((leader = list_remove_head(&vl->vl_flush_waiting)) != NULL)
		leader->vio_dev_offset =
		    vl->vl_writes_done; /* and so covers the rest */
	vl->vl_flushing = leader != NULL;
	return (leader);
}

static void leaf_flush_send(vdev_io_t *vio);

static void
leaf_flush_lost(vdev_t *vd, uint64_t first, uint64_t last)
{
	if (vdev_required(vd))
		return;
	if (first <= last)
		vdev_dtl_dirty(vd, first, last - first + 1);
	vdev_fault(vd, VDEV_STATE_FAULTED, VDEV_AUX_ERR_EXCEEDED);
}

static int
leaf_flush_done(vdev_t *vd, vdev_io_t *vio, int error)
{
	vdev_leaf_t *vl = vd->vdev_leaf;
	vdev_io_t *leader = NULL, *answer;
	list_t answered;

	if (error == EINVAL || error == ENOTSUP || error == EROFS) {
		/* There is no cache to flush. */
		__atomic_store_n(&vl->vl_no_flush, true, __ATOMIC_RELAXED);
		error = 0;
	}
	list_create(&answered, sizeof(vdev_io_t), offsetof(vdev_io_t, vio_node));
	mutex_enter(&vl->vl_lock);
	const uint64_t first = vl->vl_unflushed_min, last = vl->vl_unflushed_max;
	if (error != 0)
		vl->vl_flush_failed = true;
	else
		vl->vl_writes_flushed = MAX(vl->vl_writes_flushed, vio->vio_dev_offset);
	if (error != 0 || vl->vl_writes_flushed == vl->vl_writes_done) {
		vl->vl_unflushed_min = UINT64_MAX;
		vl->vl_unflushed_max = 0;
	}
	if (vio->vio_fault & VFAULT_FLUSH_SENT)
		leader = leaf_flush_answer(vl, error, &answered);
	mutex_exit(&vl->vl_lock);

	if (error == 0)
		vdev_test_flush_done(vd, vio, (uintptr_t)vio->vio_impl);
	else
		leaf_flush_lost(vd, first, last);
	if (leader != NULL)
		leaf_flush_send(leader);
	while ((answer = list_remove_head(&answered)) != NULL)
		vdev_io_complete_async(answer, error == 0 ? 0 : EIO);
	list_destroy(&answered);
	return (error);
}

static void
vdev_leaf_interrupt(void *arg)
{
	vdev_io_t *vio = arg;
	vdev_t *vd = vio->vio_leaf;
	int error = vio->vio_error;

	if (vio->vio_bounce != NULL) {
		if (vio->vio_type == VIO_READ && error == 0)
			memcpy(vio->vio_data, vio->vio_bounce, vio->vio_size);
		kmem_free(vio->vio_bounce, P2ROUNDUP(vio->vio_size, 4096));
		vio->vio_bounce = NULL;
	}
	error = vdev_test_done(vd, vio, error);
	if (vio->vio_type == VIO_FLUSH)
		error = leaf_flush_done(vd, vio, error);
	error = leaf_errno(error);
	if (vio->vio_type == VIO_READ && error == 0 && vio->vio_verify != NULL)
		error = vio->vio_verify(vio->vio_verify_arg, vio->vio_data);
	if (error == 0 || error == ECKSUM)
		vdev_stat_io(vd, vio);
	if (error == 0 && vio->vio_type == VIO_WRITE)
		leaf_write_done(vd, vio);
	if (error != 0 && error != ENOTSUP)
		leaf_failed(vd, vio, error);
	vdev_io_complete(vio, error);
}

void
vdev_leaf_io_done(vdev_io_t *vio)
{
	taskq_dispatch_ent(vdev_int_taskq, vdev_leaf_interrupt, vio, &vio->vio_tqent);
}

/* ------------------------------------------------------------------ starting -- */

/* May it run at all? These refusals are no errors of the device. */
static int
leaf_refuses(vdev_t *vd, const vdev_io_t *vio)
{
	const vdev_leaf_t *vl = vd->vdev_leaf;

	if (vl == NULL)
		return (ENXIO);
	if (vio->vio_type != VIO_READ && !vl->vl_writable)
		return (EROFS);
	if (vio->vio_flags & VIO_FLAG_PROBE)
		return (0);
	if (vio->vio_type == VIO_READ)
		return (vdev_readable(vd) ? 0 : ENXIO);
	return (vdev_writeable(vd) ? 0 : ENXIO);
}

static void
leaf_flush_send(vdev_io_t *vio)
{
	vdev_t *vd = vio->vio_leaf;

	vio->vio_fault |= VFAULT_FLUSH_SENT;
	vio->vio_impl = (void *)(uintptr_t)vdev_test_flush_start(vd);
	vdev_queue_flush(vd, vio);
}

static void
leaf_start_flush(vdev_t *vd, vdev_io_t *vio)
{
	vdev_leaf_t *vl = vd->vdev_leaf;
	bool send = false, wait = false;

	mutex_enter(&vl->vl_lock);
	/* A flush has no offset: the field says what it has to cover. */
	vio->vio_dev_offset = vl->vl_writes_done;
	const int error = vl->vl_flush_failed ? EIO : 0;
	if (error == 0 && vl->vl_writes_flushed < vl->vl_writes_done &&
	    !__atomic_load_n(&vl->vl_no_flush, __ATOMIC_RELAXED)) {
		wait = vl->vl_flushing;
		send = !wait;
		vl->vl_flushing = true;
	}
	if (wait)
		list_insert_tail(&vl->vl_flush_waiting, vio);
	mutex_exit(&vl->vl_lock);
	if (send)
		leaf_flush_send(vio);
	else if (!wait)
		vdev_io_complete_async(vio, error);
}

static void
leaf_discard_task(void *arg)
{
	vdev_io_t *vio = arg;
	vdev_leaf_t *vl = vio->vio_leaf->vdev_leaf;

	int error = __atomic_load_n(&vl->vl_no_discard, __ATOMIC_RELAXED)
			? ENOTSUP
			: vdev_os_discard(vl->vl_fd_cached, vl->vl_isblk,
			      vio->vio_dev_offset, vio->vio_size);
	if (error == EOPNOTSUPP || error == ENOTTY) {
		__atomic_store_n(&vl->vl_no_discard, true, __ATOMIC_RELAXED);
		error = ENOTSUP;
	}
	vio->vio_error = error;
	vdev_leaf_io_done(vio);
}

static void
leaf_start(vdev_io_t *vio)
{
	vdev_t *vd = vio->vio_leaf;
	const vdev_leaf_t *vl = vd->vdev_leaf;

	vio->vio_dev_offset =
	    vio->vio_offset +
	    (vio->vio_flags & VIO_FLAG_PHYSICAL ? 0 : VDEV_LABEL_START_SIZE);
	vio->vio_timestamp = gethrtime();
	switch (vio->vio_type) {
	case VIO_FLUSH:
		leaf_start_flush(vd, vio);
		return;
	case VIO_TRIM:
		taskq_dispatch_ent(
		    vdev_discard_taskq, leaf_discard_task, vio, &vio->vio_tqent);
		return;
	default:
		break;
	}
	/* A fault may have put a stand-in there already. */
	if (vio->vio_bounce == NULL &&
	    !IS_P2ALIGNED((uintptr_t)vio->vio_data, vl->vl_dio_mem) &&
	    vdev_leaf_fd(vl, vio->vio_dev_offset, vio->vio_size) != vl->vl_fd_cached) {
		vio->vio_bounce =
		    kmem_alloc(P2ROUNDUP(vio->vio_size, 4096), KM_PUSHPAGE);
		if (vio->vio_type == VIO_WRITE)
			memcpy(vio->vio_bounce, vio->vio_data, vio->vio_size);
	}
	vdev_queue_io(vd, vio);
}

void
vdev_leaf_io(vdev_t *vd, vdev_io_t *vio)
{
	hrtime_t delay = 0;
	int error = leaf_refuses(vd, vio);

	if (error != 0) {
		vdev_io_complete_async(vio, error);
		return;
	}
	const bool stop = vdev_test_start(vd, vio, &error, &delay);
	vio->vio_error = error;
	if (delay != 0)
		vdev_test_delay(vio, delay, stop ? vdev_leaf_io_done : leaf_start);
	else if (stop)
		vdev_leaf_io_done(vio);
	else
		leaf_start(vio);
}
