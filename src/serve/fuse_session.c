/*
 * The session: threads that fetch requests from the kernel and hand them to libfuse, which
 * decodes them and calls fuse_ops.
 *
 * Threads. A thread is added whenever the last idle one has got something to do, so there are as
 * many as requests ever were in work at once. Each has a clone of the connection
 * (replies go back where the request came from) and a buffer for the largest request.
 *
 * The ear of libfuse. Replies pass through session_writev(), the only place where the bytes
 * libfuse 3.14 makes are still ours. Three things are added there, because libfuse has no
 * words for them: INIT flags, flags of open files, and (by answering them before libfuse
 * sees them) requests younger than it. Newer versions that know these get the same bits twice.
 *
 * The end. The kernel ends the connection when the last mount of the file system has gone: read() gives
 * ENODEV. The first thread to notice calls `gone`, without locks. If we want the end but the
 * kernel does not (a lazy unmount with files still open, a copy of the mount in another
 * namespace), the threads are woken by a signal until all have left; closing the last
 * descriptor then cuts the connection, and whoever still uses a file gets an error.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "serve/fuse_impl.h"

/* Ignored unless there is a handler, so it does no harm to anyone else. */
#define WAKE_SIGNAL SIGURG

_Thread_local fuse_worker_t *fuse_this_worker;

static void worker_add(fuse_fs_t *ff);

/* ---- raw requests ----------------------------------------------------------------------- */

static const struct fuse_in_header *
current_request(void)
{
	return ((const struct fuse_in_header *)(const void *)fuse_this_worker->fw_buf);
}

const void *
fuse_raw_args(size_t size)
{
	const fuse_worker_t *fw = fuse_this_worker;

	if (fw->fw_len < sizeof (struct fuse_in_header) + size)
		return (NULL);
	return (fw->fw_buf + sizeof (struct fuse_in_header));
}

int
fuse_raw_reply(const struct fuse_in_header *in, int err, const void *data, size_t size)
{
	struct fuse_out_header out = { .error = -err, .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof (out) }, { (void *)(uintptr_t)data, size } };
	int n = err == 0 && size > 0 ? 2 : 1;

	out.len = (uint32_t)(sizeof (out) + (n == 2 ? size : 0));
	return (writev(fuse_this_worker->fw_fd, iov, n) < 0 ? errno : 0);
}

int
fuse_notify_epoch(fuse_fs_t *ff)
{
	/* A notification is a reply to nobody; `error` carries its code. */
	struct fuse_out_header out = { sizeof (out), FW_NOTIFY_INC_EPOCH, 0 };

	if (!ff->ff_has_epoch)
		return (ENOTSUP);
	return (write(ff->ff_fd, &out, sizeof (out)) == sizeof (out) ? 0 : errno);
}

/*
 * Operations are not interrupted: tell the kernel not to ask again. It listens only where the
 * request in question is in work, which may be any of us, or nobody any more.
 */
static void
refuse_interrupts(fuse_fs_t *ff, const struct fuse_in_header *in)
{
	struct fuse_out_header out = { sizeof (out), -ENOSYS, in->unique };
	ssize_t n = -1;

	mutex_enter(&ff->ff_lock);
	for (fuse_worker_t *fw = list_head(&ff->ff_workers); fw != NULL && n < 0;
	     fw = list_next(&ff->ff_workers, fw))
		if (fw->fw_running && !fw->fw_exited)
			n = write(fw->fw_fd, &out, sizeof (out));
	mutex_exit(&ff->ff_lock);
}

/* Requests answered here; the others are libfuse's. */
static bool
handle_raw(fuse_fs_t *ff, const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_INTERRUPT:
		refuse_interrupts(ff, in);
		return (true);
	case FUSE_SYNCFS:
		fuse_raw_reply(in, zpl_sync(ff->ff_zfsvfs, true), NULL, 0);
		return (true);
	case FW_TMPFILE:
		fuse_raw_tmpfile(ff, in);
		return (true);
	case FW_STATX:
		fuse_raw_statx(ff, in);
		return (true);
	case FW_COPY_FILE_RANGE_64:
		fuse_raw_copy_file_range(ff, in);
		return (true);
	default:
		return (false);
	}
}

/* Does a WRITE carry the bytes that it announces? libfuse takes its word for it. */
static bool
write_is_whole(const fuse_worker_t *fw)
{
	const struct fuse_write_in *wi = fuse_raw_args(sizeof (*wi));

	return (wi != NULL && fw->fw_len - sizeof (struct fuse_in_header) - sizeof (*wi) >= wi->size);
}

static void
handle_request(fuse_worker_t *fw)
{
	fuse_fs_t *ff = fw->fw_ff;
	const struct fuse_in_header *in = current_request();
	struct fuse_buf buf = { .size = fw->fw_len, .mem = fw->fw_buf };

	atomic_inc_64(&ff->ff_requests[in->opcode < FUSE_OPCODES ? in->opcode : 0]);
	if (in->opcode == FUSE_WRITE && !write_is_whole(fw))
		fuse_raw_reply(in, EINVAL, NULL, 0);
	else if (!handle_raw(ff, in))
		fuse_session_process_buf(ff->ff_session, &buf);
	if (in->opcode == FUSE_INIT) {
		mutex_enter(&ff->ff_lock);
		if (fuse_session_exited(ff->ff_session))
			ff->ff_lost = true; /* a kernel that we cannot talk to */
		else
			ff->ff_inited = true;
		cv_broadcast(&ff->ff_cv);
		mutex_exit(&ff->ff_lock);
	}
}

/* ---- what libfuse sends --------------------------------------------------------------------- */

static void
patch_init(fuse_fs_t *ff, struct iovec *iov)
{
	const struct fuse_init_in *in = fuse_raw_args(offsetof(struct fuse_init_in, flags2));
	const struct fuse_init_in *ext = fuse_raw_args(sizeof (*ext));
	struct fuse_init_out *out = iov->iov_base;

	if (in == NULL || iov->iov_len < sizeof (*out))
		return;
	uint64_t offered = in->flags;
	if (ext != NULL && (offered & FW_INIT_EXT) != 0)
		offered |= (uint64_t)ext->flags2 << 32;
	uint64_t want = FW_INIT_HANDLE_KILLPRIV_V2;
	/* The kernel then checks ids by itself and tells us only the creator's. */
	if (geteuid() == 0)
		want |= FW_INIT_ALLOW_IDMAP;
	want &= offered;
	if (want >> 32 != 0)
		want |= FW_INIT_EXT;
	out->flags |= (uint32_t)want;
	out->flags2 |= (uint32_t)(want >> 32);
	ff->ff_killpriv = (want & FW_INIT_HANDLE_KILLPRIV_V2) != 0;
	/* Names stay cached for ever only if there is a way to make the kernel doubt them. */
	ff->ff_has_epoch = in->major > 7 || in->minor >= FW_MINOR_INC_EPOCH;
	if (!ff->ff_has_epoch && ff->ff_entry_timeout > 1.0)
		ff->ff_entry_timeout = 1.0;
}

static void
patch_open(struct iovec *iov)
{
	/* At the end of replies to OPEN and CREATE alike. */
	if (iov->iov_len < sizeof (struct fuse_open_out))
		return;
	char *end = (char *)iov->iov_base + iov->iov_len;
	struct fuse_open_out *oo = (void *)(end - sizeof (*oo));
	oo->open_flags |= FW_OPEN_NOFLUSH | FW_OPEN_PARALLEL_DIRECT_WRITES;
}

static ssize_t
session_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	fuse_worker_t *fw = fuse_this_worker;
	const struct fuse_out_header *out = iov[0].iov_base;

	/* Notifications may come from anywhere, and belong to no request. */
	if (fw == NULL || fw->fw_ff != userdata || out->unique == 0)
		return (writev(fd, iov, count));
	const struct fuse_in_header *in = current_request();
	if (out->unique == in->unique && out->error == 0 && count > 1) {
		if (in->opcode == FUSE_INIT)
			patch_init(userdata, &iov[1]);
		else if (in->opcode == FUSE_OPEN || in->opcode == FUSE_CREATE)
			patch_open(&iov[1]);
	}
	return (writev(fw->fw_fd, iov, count));
}

/* We read by ourselves; libfuse only wants to be sure that it could. */
static ssize_t
session_read(int fd, void *buf, size_t len, void *userdata)
{
	return (read(fd, buf, len));
}

/* ---- threads ------------------------------------------------------------------------------------ */

static void
wake_handler(int sig)
{
}

static int
clone_connection(int fd)
{
	uint32_t master = (uint32_t)fd;
	int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (clone >= 0 && ioctl(clone, FUSE_DEV_IOC_CLONE, &master) != 0) {
		(void)close(clone);
		clone = -1;
	}
	return (clone >= 0 ? clone : fd);
}

/* 0: a request is in the buffer. EAGAIN: look again; else the end. */
static int
fetch(fuse_worker_t *fw)
{
	fuse_fs_t *ff = fw->fw_ff;

	__atomic_add_fetch(&ff->ff_idle, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&fw->fw_waiting, true, __ATOMIC_RELEASE);
	ssize_t n = read(fw->fw_fd, fw->fw_buf, FUSE_BUF_SIZE);
	int err = n < 0 ? errno : 0;
	__atomic_store_n(&fw->fw_waiting, false, __ATOMIC_RELEASE);
	uint32_t idle = __atomic_sub_fetch(&ff->ff_idle, 1, __ATOMIC_RELAXED);
	/* ENOENT: the request was given up while it was being read. */
	if (err == EINTR || err == ENOENT || err == EAGAIN)
		return (EAGAIN);
	if (err != 0)
		return (err);
	if ((size_t)n < sizeof (struct fuse_in_header) || current_request()->len != (size_t)n)
		return (EIO);
	fw->fw_len = (size_t)n;
	if (idle == 0)
		worker_add(ff);
	return (0);
}

static void
worker_leave(fuse_worker_t *fw, int err)
{
	fuse_fs_t *ff = fw->fw_ff;
	bool tell = false;

	mutex_enter(&ff->ff_lock);
	if (!__atomic_load_n(&ff->ff_stop, __ATOMIC_ACQUIRE)) {
		if (err != ENODEV)
			spl_log(LOG_WARNING, "%s: connection lost: %s", ff->ff_source, strerror(err));
		ff->ff_lost = true;
		tell = !ff->ff_unmounting && !ff->ff_told && ff->ff_inited;
		ff->ff_told |= tell;
		cv_broadcast(&ff->ff_cv);
	}
	mutex_exit(&ff->ff_lock);
	if (tell)
		ff->ff_gone(ff->ff_gone_arg);
	mutex_enter(&ff->ff_lock);
	if (fw->fw_fd != ff->ff_fd)
		(void)close(fw->fw_fd);
	fw->fw_exited = true;
	cv_broadcast(&ff->ff_cv);
	mutex_exit(&ff->ff_lock);
}

static void
worker_main(void *arg)
{
	fuse_worker_t *fw = arg;
	fuse_fs_t *ff = fw->fw_ff;
	sigset_t set;
	int err = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, WAKE_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	/* Memory the kernel wants to free by writing to us must not be waited for here. */
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	fuse_this_worker = fw;
	int fd = clone_connection(ff->ff_fd);
	mutex_enter(&ff->ff_lock);
	fw->fw_fd = fd;
	fw->fw_tid = pthread_self();
	fw->fw_running = true;
	mutex_exit(&ff->ff_lock);
	while (!__atomic_load_n(&ff->ff_stop, __ATOMIC_ACQUIRE)) {
		err = fetch(fw);
		if (err == 0)
			handle_request(fw);
		else if (err != EAGAIN)
			break;
	}
	worker_leave(fw, err);
}

static void
worker_add(fuse_fs_t *ff)
{
	mutex_enter(&ff->ff_lock);
	if (ff->ff_nworkers < FUSE_MAX_WORKERS && !ff->ff_lost &&
	    !__atomic_load_n(&ff->ff_stop, __ATOMIC_ACQUIRE)) {
		fuse_worker_t *fw = kmem_zalloc(sizeof (*fw), KM_SLEEP);
		fw->fw_ff = ff;
		fw->fw_buf = kmem_alloc(FUSE_BUF_SIZE, KM_SLEEP);
		list_insert_tail(&ff->ff_workers, fw);
		ff->ff_nworkers++;
		fw->fw_thread = thread_create("fuse", worker_main, fw);
	}
	mutex_exit(&ff->ff_lock);
}

bool
fuse_session_dead(fuse_fs_t *ff)
{
	struct pollfd pfd = { .fd = ff->ff_fd };

	return (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLERR) != 0);
}

bool
fuse_session_quiet(fuse_fs_t *ff)
{
	struct pollfd pfd = { .fd = ff->ff_fd, .events = POLLIN };

	if (poll(&pfd, 1, 0) != 0)
		return (false);
	mutex_enter(&ff->ff_lock);
	bool quiet = __atomic_load_n(&ff->ff_idle, __ATOMIC_ACQUIRE) == ff->ff_nworkers;
	mutex_exit(&ff->ff_lock);
	return (quiet);
}

/* ---- beginning and end ------------------------------------------------------------------------------ */

static void
session_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[256];

	(void)vsnprintf(line, sizeof (line), fmt, ap);
	spl_log(level <= FUSE_LOG_WARNING ? LOG_WARNING : LOG_DEBUG_L, "libfuse: %s", line);
}

int
fuse_session_start(fuse_fs_t *ff)
{
	static const struct fuse_custom_io io = { .writev = session_writev, .read = session_read };
	struct sigaction sa = { .sa_handler = wake_handler };
	char name[] = "tarnd";
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	fuse_set_log_func(session_log);
	(void)sigaction(WAKE_SIGNAL, &sa, NULL);
	ff->ff_session = fuse_session_new(&args, &fuse_ops, sizeof (fuse_ops), ff);
	fuse_opt_free_args(&args);
	if (ff->ff_session == NULL)
		return (ENOMEM);
	if (fuse_session_custom_io(ff->ff_session, &io, ff->ff_fd) != 0) {
		fuse_session_destroy(ff->ff_session);
		ff->ff_session = NULL;
		return (ENOMEM);
	}
	worker_add(ff);
	mutex_enter(&ff->ff_lock);
	while (!ff->ff_inited && !ff->ff_lost)
		cv_wait(&ff->ff_cv, &ff->ff_lock);
	bool ok = ff->ff_inited;
	mutex_exit(&ff->ff_lock);
	return (ok ? 0 : EIO);
}

void
fuse_session_stop(fuse_fs_t *ff)
{
	fuse_worker_t *fw;

	__atomic_store_n(&ff->ff_stop, true, __ATOMIC_RELEASE);
	mutex_enter(&ff->ff_lock);
	while ((fw = list_head(&ff->ff_workers)) != NULL) {
		/* Once is not enough: the signal may come before the read. */
		while (!fw->fw_exited) {
			if (__atomic_load_n(&fw->fw_waiting, __ATOMIC_ACQUIRE))
				(void)pthread_kill(fw->fw_tid, WAKE_SIGNAL);
			(void)cv_reltimedwait(&ff->ff_cv, &ff->ff_lock, MSEC2NSEC(2));
		}
		list_remove(&ff->ff_workers, fw);
		ff->ff_nworkers--;
		mutex_exit(&ff->ff_lock);
		thread_join(fw->fw_thread);
		kmem_free(fw->fw_buf, FUSE_BUF_SIZE);
		kmem_free(fw, sizeof (*fw));
		mutex_enter(&ff->ff_lock);
	}
	mutex_exit(&ff->ff_lock);
	if (ff->ff_session != NULL)
		fuse_session_destroy(ff->ff_session);
	else if (ff->ff_fd >= 0)
		(void)close(ff->ff_fd);
	ff->ff_session = NULL;
	ff->ff_fd = -1;
}
