/*
 * One mounted file system: a FUSE session of its own (libfuse3, low level) that turns
 * kernel requests into zpl calls on several threads. Nothing above knows of libfuse.
 * How it works: fuse_fs.c.
 */
#ifndef TARN_SERVE_FUSE_FS_H
#define TARN_SERVE_FUSE_FS_H

#include "zpl/zpl.h"

typedef struct fuse_fs fuse_fs_t;

typedef struct fuse_fs_opts {
	const char *ffo_source; /* dataset name: first column of /proc/mounts */
	bool ffo_readonly, ffo_exec, ffo_setuid, ffo_devices;
	bool ffo_atime, ffo_relatime;
	bool ffo_nonempty;    /* may cover a directory that is not empty */
	bool ffo_allow_other; /* root: other users may use it */
	bool ffo_posix_acl;
} fuse_fs_opts_t;

/*
 * Mount zfsvfs at an existing directory and serve it from threads of this process. `gone` is called
 * (once, from a thread of the session) when the mount disappears without fuse_fs_unmount:
 * umount(8) by somebody, or the kernel aborted the connection. No locks are held; it must not call
 * fuse_fs_unmount itself. errno: ENOTEMPTY (without nonempty), EBUSY, EPERM, ENOENT, ENOTDIR, ENODEV
 * (no FUSE here), EIO.
 */
int fuse_fs_mount(zfsvfs_t *zfsvfs, const char *mountpoint, const fuse_fs_opts_t *opts,
    void (*gone)(void *arg), void *arg, fuse_fs_t **ffp);
/*
 * Unmount, end the session, drop all references to znodes. force: also when in use; processes that
 * go on get errors. EBUSY otherwise, or if somebody mounted something over it. On success ff is freed. Not
 * from a thread of the session. Waits for requests that are in work.
 */
int fuse_fs_unmount(fuse_fs_t *ff, bool force);
/* Has the kernel let go of it? True at once after umount(2) has returned, earlier than `gone`. */
bool fuse_fs_is_gone(fuse_fs_t *ff);
/* Change what can be changed while mounted (ro, atime, exec …): remount. */
int fuse_fs_remount(fuse_fs_t *ff, const fuse_fs_opts_t *opts);
/*
 * Forget everything that the kernel has cached of this file system. zpl must be running: the
 * kernel may have to wait for reads in progress.
 */
void fuse_fs_invalidate_all(fuse_fs_t *ff);
/*
 * What was written until now has reached the disk: show the space that files take really. Without it
 * that happens too, some time after a txg.
 */
void fuse_fs_settle(fuse_fs_t *ff);
/* Requests of this kind (FUSE_LOOKUP … of linux/fuse.h; 0: of all kinds) served so far. */
uint64_t fuse_fs_requests(fuse_fs_t *ff, uint32_t opcode);

#endif
