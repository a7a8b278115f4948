/*
 * The I/O engine: where requests become system calls.
 *
 * Two ways to have many calls under way at a time: io_uring, one ring for the
 * process, where a batch of requests costs one system call; and a pool of threads
 * that block in preadv/pwritev, for kernels and sandboxes that refuse io_uring.
 * Which one is decided when the room starts. TARN_IO_ENGINE=threads in the
 * environment forces the second (tests run with both).
 *
 * What they share is here: a short transfer goes on where it stopped, an
 * interrupted call is repeated, the end of a device is EIO.
 */
#include <stdlib.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"

/* A call that moves nothing this often in a row will never move anything. */
#define ENGINE_RETRIES 1000

static const vdev_engine_t *vdev_engine;

bool
vdev_req_advance(vdev_req_t *vr, ssize_t res)
{
	if (res == -EINTR || res == -EAGAIN) {
		if (++vr->vr_retries < ENGINE_RETRIES)
			return (false);
		res = -EIO;
	}
	if (res < 0) {
		vr->vr_error = (int)-res;
		return (true);
	}
	if (vr->vr_type == VIO_FLUSH)
		return (true);
	if (res == 0 || (uint64_t)res > vr->vr_left) {
		vr->vr_error = EIO; /* behind the end: the device shrank */
		return (true);
	}
	vr->vr_retries = 0;
	vr->vr_offset += (uint64_t)res;
	vr->vr_left -= (uint64_t)res;
	for (size_t n = (size_t)res; n > 0;) {
		struct iovec *iov = &vr->vr_iov[vr->vr_iovfirst];
		const size_t step = MIN(n, iov->iov_len);

		iov->iov_base = (char *)iov->iov_base + step;
		iov->iov_len -= step;
		n -= step;
		if (iov->iov_len == 0) {
			vr->vr_iovfirst++;
			vr->vr_iovcnt--;
		}
	}
	return (vr->vr_left == 0);
}

/* ------------------------------------------------------------------ threads -- */

#define ENGINE_THREADS 16

static taskq_t *engine_taskq;

static void
engine_thread_io(void *arg)
{
	vdev_req_t *vr = arg;
	ssize_t res;

	do {
		const struct iovec *iov = &vr->vr_iov[vr->vr_iovfirst];

		switch (vr->vr_type) {
		case VIO_READ:
			res =
			    preadv(vr->vr_fd, iov, vr->vr_iovcnt, (off_t)vr->vr_offset);
			break;
		case VIO_WRITE:
			res = pwritev(
			    vr->vr_fd, iov, vr->vr_iovcnt, (off_t)vr->vr_offset);
			break;
		default:
			ASSERT3U(vr->vr_type, ==, VIO_FLUSH);
			res = fdatasync(vr->vr_fd);
			break;
		}
		if (res < 0)
			res = -errno;
	} while (!vdev_req_advance(vr, res));
	vr->vr_done(vr);
}

static int
engine_threads_start(void)
{
	engine_taskq = taskq_create("vdev_io", ENGINE_THREADS);
	return (0);
}

static void
engine_threads_stop(void)
{
	taskq_destroy(engine_taskq);
	engine_taskq = NULL;
}

static void
engine_threads_submit(list_t *reqs)
{
	for (vdev_req_t *vr; (vr = list_remove_head(reqs)) != NULL;)
		taskq_dispatch_ent(engine_taskq, engine_thread_io, vr, &vr->vr_tqent);
}

const vdev_engine_t vdev_engine_threads = {
    .ve_name = "threads",
    .ve_start = engine_threads_start,
    .ve_stop = engine_threads_stop,
    .ve_submit = engine_threads_submit,
};

/* ------------------------------------------------------------------- choice -- */

void
vdev_engine_init(void)
{
	ASSERT(vdev_engine == NULL);
#ifdef HAVE_LIBURING
	const char *want = getenv("TARN_IO_ENGINE");
	if (want == NULL || strcmp(want, vdev_engine_threads.ve_name) != 0) {
		const int error = vdev_engine_uring.ve_start();
		if (error == 0) {
			vdev_engine = &vdev_engine_uring;
			return;
		}
		spl_log(
		    LOG_NOTE, "io_uring refused (%s): using threads", strerror(error));
	}
#endif
	VERIFY0(vdev_engine_threads.ve_start());
	vdev_engine = &vdev_engine_threads;
}

void
vdev_engine_fini(void)
{
	vdev_engine->ve_stop();
	vdev_engine = NULL;
}

void
vdev_engine_submit(list_t *reqs)
{
	vdev_engine->ve_submit(reqs);
}

const char *
vdev_io_engine(void)
{
	return (vdev_engine == NULL ? "none" : vdev_engine->ve_name);
}
