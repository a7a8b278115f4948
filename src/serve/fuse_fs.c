/*
 * Mounts over FUSE.
 *
 * The problem. The kernel asks in its language (node numbers, requests on a descriptor, caches that
 * must be told when they are wrong), zpl answers in its own (znodes, names). A request costs two
 * switches between processes, some ten microseconds, more than most answers take to
 * make. So everything here is about not being asked: names and attributes stay valid in the
 * kernel for ever, data stays in its page cache, also across opens; requests are as large as they can be;
 * and what the kernel would ask in vain it is told not to ask again (FLUSH, INTERRUPT, and
 * where there are no access times OPEN, OPENDIR, RELEASE).
 *
 * That is sound because every change comes through the kernel, which drops what a change makes wrong. The
 * exceptions: st_blocks (fuse_settle.c), set-id bits dropped by a write and access times noted
 * at open (fuse_data.c), names that are spelled in several ways (not cached at all), and
 * rollback or receive into a mounted file system, after which fuse_fs_invalidate_all() must be called.
 *
 * Permissions are the kernel's business (default_permissions), also who owns what and may
 * change it; locks of files are as well.
 *
 * The parts
 *	fuse_session.c   threads, connection, what libfuse cannot say
 *	fuse_mount.c     mount(2), umount(2), fusermount3, mountinfo
 *	fuse_inode.c     node numbers and the znodes behind them
 *	fuse_settle.c    attributes that change by themselves
 *	fuse_ops.c       the table of operations; names
 *	fuse_attr.c, fuse_data.c, fuse_dir.c, fuse_xattr.c, fuse_ioctl.c   operations
 *	fuse_wire.h      the protocol beyond libfuse 3.14
 *
 * Locks. ff_lock: threads and the state of the session; a leaf, except that workers are created
 * under it. fs_lock of a shard of the inode table: a leaf above zpl_hold(). ff_settle_pass >
 * ff_settle_lock (fuse_settle.c). None but ff_settle_pass is held while calling anything else of
 * zpl, libfuse or the callback.
 *
 * What can go wrong. The kernel may end the mount at any time (`gone`). A worker may wait
 * in zpl as long as the pool is suspended; an unmount waits for it. Threads that mount or unmount
 * must not be workers: the kernel asks questions meanwhile.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "serve/fuse_impl.h"

/* How long a forced unmount lets the kernel write out what processes have in mappings. */
#define FLUSH_PATIENCE (5 * 1000)

static fuse_fs_t *
fs_alloc(zfsvfs_t *zfsvfs, const fuse_fs_opts_t *opts)
{
	fuse_fs_t *ff = kmem_zalloc(sizeof (*ff), KM_SLEEP);
	uint64_t norm = 0;

	ff->ff_zfsvfs = zfsvfs;
	ff->ff_fd = -1;
	ff->ff_source = kmem_strdup(opts->ffo_source);
	ff->ff_posix_acl = opts->ffo_posix_acl;
	ff->ff_no_open = !opts->ffo_atime || opts->ffo_readonly;
	/* Where one entry answers to several names, the kernel would remember too many. */
	(void)zpl_get_zplprop(zpl_objset(zfsvfs), "normalization", &norm);
	ff->ff_entry_timeout =
	    zpl_case(zfsvfs) == ZPL_CASE_SENSITIVE && norm == 0 ? FUSE_FOREVER : 0;
	mutex_init(&ff->ff_lock);
	cv_init(&ff->ff_cv);
	list_create(&ff->ff_workers, sizeof (fuse_worker_t), offsetof(fuse_worker_t, fw_node));
	fuse_itable_init(ff);
	fuse_settle_init(ff);
	return (ff);
}

static void
fs_free(fuse_fs_t *ff)
{
	fuse_settle_fini(ff);
	fuse_itable_fini(ff);
	list_destroy(&ff->ff_workers);
	cv_destroy(&ff->ff_cv);
	mutex_destroy(&ff->ff_lock);
	kmem_strfree(ff->ff_source);
	kmem_free(ff, sizeof (*ff));
}

int
fuse_fs_mount(zfsvfs_t *zfsvfs, const char *mountpoint, const fuse_fs_opts_t *opts,
    void (*gone)(void *arg), void *arg, fuse_fs_t **ffp)
{
	char *point = kmem_alloc(PATH_MAX, KM_SLEEP);
	fuse_fs_t *ff = NULL;
	znode_t *root;
	int err = 0;

	/* mountinfo knows no symlinks. */
	if (realpath(mountpoint, point) == NULL)
		err = errno;
	if (err == 0 && (err = zpl_root(zfsvfs, &root)) == 0) {
		ff = fs_alloc(zfsvfs, opts);
		ff->ff_gone = gone;
		ff->ff_gone_arg = arg;
		ff->ff_root = zpl_object(root);
		zpl_rele(root);
		err = fuse_mount_new(opts->ffo_source, point, opts, &ff->ff_fd, &ff->ff_by_helper);
	}
	if (err == 0) {
		err = fuse_mount_dev(point, &ff->ff_major, &ff->ff_minor);
		if (err == 0)
			err = fuse_session_start(ff);
		if (err == 0 && geteuid() == 0)
			fuse_mount_tune(ff->ff_major, ff->ff_minor);
		if (err != 0) {
			fuse_settle_stop(ff);
			fuse_session_stop(ff);
			(void)fuse_mount_umount(point, true, ff->ff_by_helper);
		}
	}
	kmem_free(point, PATH_MAX);
	if (err == 0)
		*ffp = ff;
	else if (ff != NULL)
		fs_free(ff);
	return (err);
}

/* ---- unmounting ------------------------------------------------------------------------- */

typedef struct flusher {
	char *fl_point;
	kmutex_t fl_lock;
	kcondvar_t fl_cv;
	int fl_users; /* who is last frees it */
	bool fl_done;
} flusher_t;

static void
flusher_rele(flusher_t *fl)
{
	mutex_enter(&fl->fl_lock);
	bool last = --fl->fl_users == 0;
	cv_broadcast(&fl->fl_cv);
	mutex_exit(&fl->fl_lock);
	if (!last)
		return;
	cv_destroy(&fl->fl_cv);
	mutex_destroy(&fl->fl_lock);
	kmem_strfree(fl->fl_point);
	kmem_free(fl, sizeof (*fl));
}

static void
flusher_main(void *arg)
{
	flusher_t *fl = arg;
	int fd = open(fl->fl_point, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		(void)syncfs(fd);
		(void)close(fd);
	}
	mutex_enter(&fl->fl_lock);
	fl->fl_done = true;
	mutex_exit(&fl->fl_lock);
	flusher_rele(fl);
}

/*
 * Before a mount in use is cut off: have the kernel send what is dirty in mappings. In a thread of its own,
 * for it hangs if the pool does; cutting the connection frees it.
 */
static void
flush_kernel(fuse_fs_t *ff, const char *point)
{
	hrtime_t deadline = gethrtime() + MSEC2NSEC(FLUSH_PATIENCE);
	flusher_t *fl = kmem_zalloc(sizeof (*fl), KM_SLEEP);

	fl->fl_point = kmem_strdup(point);
	fl->fl_users = 2;
	mutex_init(&fl->fl_lock);
	cv_init(&fl->fl_cv);
	thread_create_detached("fuse-flush", flusher_main, fl);
	mutex_enter(&fl->fl_lock);
	while (!fl->fl_done && cv_timedwait_hires(&fl->fl_cv, &fl->fl_lock, deadline))
		continue;
	/* The kernel does not wait for what it has sent us: see that it is worked off. */
	while (!fuse_session_quiet(ff) && gethrtime() < deadline)
		(void)cv_reltimedwait(&fl->fl_cv, &fl->fl_lock, MSEC2NSEC(1));
	mutex_exit(&fl->fl_lock);
	flusher_rele(fl);
}

/*
 * The connection has ended. If it was cut (and not unmounted) its mount is still there, dead. Device
 * numbers are used again: what answers is somebody else's.
 */
static void
detach_dead(fuse_fs_t *ff, char *point)
{
	struct statvfs sv; /* never answered out of a cache */

	if (fuse_mount_find(ff->ff_major, ff->ff_minor, point, PATH_MAX) == 0 &&
	    statvfs(point, &sv) != 0 && errno == ENOTCONN)
		(void)fuse_mount_umount(point, true, ff->ff_by_helper);
}

static int
unmount_kernel(fuse_fs_t *ff, bool force)
{
	char *point = kmem_alloc(PATH_MAX, KM_SLEEP);
	bool dead = fuse_session_dead(ff);
	int err = 0;

	if (dead)
		detach_dead(ff, point);
	else
		err = fuse_mount_find(ff->ff_major, ff->ff_minor, point, PATH_MAX);
	if (err == ENOENT) {
		/* Lazily unmounted by somebody, files are still in use. */
		err = force ? 0 : EBUSY;
	} else if (err == 0 && !dead) {
		err = fuse_mount_umount(point, false, ff->ff_by_helper);
		if (err == EBUSY && force) {
			flush_kernel(ff, point);
			err = fuse_mount_umount(point, true, ff->ff_by_helper);
		}
	}
	kmem_free(point, PATH_MAX);
	return (fuse_session_dead(ff) ? 0 : err);
}

int
fuse_fs_unmount(fuse_fs_t *ff, bool force)
{
	int err;

	mutex_enter(&ff->ff_lock);
	ff->ff_unmounting = true;
	mutex_exit(&ff->ff_lock);
	if ((err = unmount_kernel(ff, force)) != 0) {
		mutex_enter(&ff->ff_lock);
		ff->ff_unmounting = false;
		/* The end may have come just now, unheard by anybody but us. */
		if (ff->ff_lost && !ff->ff_told)
			err = 0;
		mutex_exit(&ff->ff_lock);
		if (err != 0)
			return (err);
	}
	fuse_settle_stop(ff);
	fuse_session_stop(ff);
	fs_free(ff);
	return (0);
}

bool
fuse_fs_is_gone(fuse_fs_t *ff)
{
	return (fuse_session_dead(ff));
}

/* ---- changes while mounted ---------------------------------------------------------------- */

int
fuse_fs_remount(fuse_fs_t *ff, const fuse_fs_opts_t *opts)
{
	char *point;
	int err;

	if (ff->ff_by_helper)
		return (EPERM);
	point = kmem_alloc(PATH_MAX, KM_SLEEP);
	err = fuse_mount_find(ff->ff_major, ff->ff_minor, point, PATH_MAX);
	if (err == 0)
		err = fuse_mount_remount(point, opts);
	kmem_free(point, PATH_MAX);
	return (err);
}

void
fuse_fs_invalidate_all(fuse_fs_t *ff)
{
	fuse_ino_t *inos;
	size_t n;

	/* Names first: whoever looks one up from now on gets what is there now. */
	(void)fuse_notify_epoch(ff);
	fuse_inode_all(ff, &inos, &n);
	for (size_t i = 0; i < n; i++)
		(void)fuse_lowlevel_notify_inval_inode(ff->ff_session, inos[i], 0, 0);
	(void)fuse_lowlevel_notify_inval_inode(ff->ff_session, FUSE_ROOT_ID, 0, 0);
	kmem_free(inos, n * sizeof (*inos));
}

uint64_t
fuse_fs_requests(fuse_fs_t *ff, uint32_t opcode)
{
	uint64_t n = 0;

	if (opcode != 0)
		return (opcode < FUSE_OPCODES ? atomic_load_64(&ff->ff_requests[opcode]) : 0);
	for (uint32_t i = 0; i < FUSE_OPCODES; i++)
		n += atomic_load_64(&ff->ff_requests[i]);
	return (n);
}
