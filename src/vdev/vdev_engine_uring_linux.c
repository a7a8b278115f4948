/*
 * The io_uring engine: one ring, one reaper thread.
 *
 * Submitters do not queue up behind a lock held over a system call: whoever finds
 * nobody submitting becomes the submitter and sends in one call all that others
 * bring meanwhile. So batching grows by itself with the load, and a lone request
 * pays no waiting.
 *
 * ur_lock protects the list of waiting requests, the count under way and the right
 * to touch the submission ring (ur_submitting). The reaper owns the completion
 * ring. It passes through ur_lock between taking a completion and finishing its
 * request: that orders it after everything the submitter did, also for tools that
 * cannot see an ordering made by the kernel.
 *
 * The count under way never exceeds the ring: completions cannot overflow.
 */
#include <liburing.h>
#include "vdev/vdev_impl.h"

#define URING_DEPTH 512
#define URING_REAP 64

static struct uring_engine {
	struct io_uring ur_ring;
	kthread_t *ur_reaper;
	kmutex_t ur_lock;
	list_t ur_waiting;
	uint32_t ur_inflight;
	bool ur_submitting;
} ur;

static void
uring_prepare(struct io_uring_sqe *sqe, vdev_req_t *vr)
{
	const struct iovec *iov = &vr->vr_iov[vr->vr_iovfirst];
	const unsigned n = (unsigned)vr->vr_iovcnt;

	switch (vr->vr_type) {
	case VIO_READ:
		if (n == 1)
			io_uring_prep_read(sqe, vr->vr_fd, iov->iov_base,
			    (unsigned)iov->iov_len, vr->vr_offset);
		else
			io_uring_prep_readv(sqe, vr->vr_fd, iov, n, vr->vr_offset);
		break;
	case VIO_WRITE:
		if (n == 1)
			io_uring_prep_write(sqe, vr->vr_fd, iov->iov_base,
			    (unsigned)iov->iov_len, vr->vr_offset);
		else
			io_uring_prep_writev(sqe, vr->vr_fd, iov, n, vr->vr_offset);
		break;
	default:
		ASSERT3U(vr->vr_type, ==, VIO_FLUSH);
		io_uring_prep_fsync(sqe, vr->vr_fd, IORING_FSYNC_DATASYNC);
		break;
	}
	io_uring_sqe_set_data(sqe, vr);
}

/*
 * Send what waits, as far as the ring has room; the rest goes when the reaper has
 * made some. Called with ur_lock, which is dropped around the system call.
 */
static void
uring_push(void)
{
	ASSERT(MUTEX_HELD(&ur.ur_lock));
	if (ur.ur_submitting)
		return;
	ur.ur_submitting = true;
	while (!list_is_empty(&ur.ur_waiting) && ur.ur_inflight < URING_DEPTH) {
		while (!list_is_empty(&ur.ur_waiting) && ur.ur_inflight < URING_DEPTH) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ur.ur_ring);
			if (sqe == NULL)
				break;
			uring_prepare(sqe, list_remove_head(&ur.ur_waiting));
			ur.ur_inflight++;
		}
		mutex_exit(&ur.ur_lock);
		/*
		 * EAGAIN, EBUSY, EINTR: the kernel is short of something; entries not
		 * taken stay in the ring, and submitting again offers them again.
		 */
		while (io_uring_sq_ready(&ur.ur_ring) > 0) {
			const int n = io_uring_submit(&ur.ur_ring);
			if (n < 0 && n != -EAGAIN && n != -EBUSY && n != -EINTR)
				panic("io_uring_submit: %s", strerror(-n));
			if (n <= 0)
				spl_delay(MSEC2NSEC(1));
		}
		mutex_enter(&ur.ur_lock);
	}
	ur.ur_submitting = false;
}

static void
uring_submit(list_t *reqs)
{
	mutex_enter(&ur.ur_lock);
	list_move_tail(&ur.ur_waiting, reqs);
	uring_push();
	mutex_exit(&ur.ur_lock);
}

/* Take a batch of completions out of the ring. False: the engine stops. */
static bool
uring_reap(void)
{
	struct io_uring_cqe *cqe;
	vdev_req_t *done[URING_REAP];
	ssize_t result[URING_REAP];
	uint32_t n = 0;
	bool stop = false;

	const int error = io_uring_wait_cqe(&ur.ur_ring, &cqe);
	if (error == -EINTR || error == -EAGAIN)
		return (true);
	if (error != 0)
		panic("io_uring_wait_cqe: %s", strerror(-error));
	do {
		vdev_req_t *vr = io_uring_cqe_get_data(cqe);
		if (vr == NULL) {
			stop = true;
		} else {
			done[n] = vr;
			result[n++] = cqe->res;
		}
		io_uring_cqe_seen(&ur.ur_ring, cqe);
	} while (n < URING_REAP && io_uring_peek_cqe(&ur.ur_ring, &cqe) == 0);

	mutex_enter(&ur.ur_lock);
	ur.ur_inflight -= n;
	for (uint32_t i = 0; i < n; i++) {
		if (!vdev_req_advance(done[i], result[i])) {
			list_insert_tail(&ur.ur_waiting, done[i]);
			done[i] = NULL;
		}
	}
	uring_push();
	mutex_exit(&ur.ur_lock);
	for (uint32_t i = 0; i < n; i++) {
		if (done[i] != NULL)
			done[i]->vr_done(done[i]);
	}
	return (!stop);
}

static void
uring_reaper(void *arg)
{
	(void)arg;
	while (uring_reap())
		;
}

static int
uring_start(void)
{
	const int error = io_uring_queue_init(URING_DEPTH, &ur.ur_ring, 0);
	if (error != 0)
		return (-error);
	/* Kernels before 5.6 have rings without plain read and write. */
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ur.ur_ring);
	const bool ok = probe != NULL &&
			io_uring_opcode_supported(probe, IORING_OP_READ) &&
			io_uring_opcode_supported(probe, IORING_OP_WRITE);
	if (probe != NULL)
		io_uring_free_probe(probe);
	if (!ok) {
		io_uring_queue_exit(&ur.ur_ring);
		return (ENOSYS);
	}
	mutex_init(&ur.ur_lock);
	list_create(&ur.ur_waiting, sizeof(vdev_req_t), offsetof(vdev_req_t, vr_node));
	ur.ur_inflight = 0;
	ur.ur_submitting = false;
	ur.ur_reaper = thread_create("vdev_uring", uring_reaper, NULL);
	return (0);
}

static void
uring_stop(void)
{
	mutex_enter(&ur.ur_lock);
	VERIFY(ur.ur_inflight == 0 && !ur.ur_submitting);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ur.ur_ring);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, NULL);
	while (io_uring_sq_ready(&ur.ur_ring) > 0)
		(void)io_uring_submit(&ur.ur_ring);
	mutex_exit(&ur.ur_lock);
	thread_join(ur.ur_reaper);
	io_uring_queue_exit(&ur.ur_ring);
	list_destroy(&ur.ur_waiting);
	mutex_destroy(&ur.ur_lock);
}

const vdev_engine_t vdev_engine_uring = {
    .ve_name = "io_uring",
    .ve_start = uring_start,
    .ve_stop = uring_stop,
    .ve_submit = uring_submit,
};
