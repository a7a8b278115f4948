/*
 * One mounted file system: a FUSE session of its own (libfuse3, low level) that turns
 * kernel requests into zpl calls on several threads. Nothing above knows of libfuse.
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
 * umount(8) by somebody, or the kernel aborted the connection. errno: EBUSY, EPERM, ENOENT, EIO.
 */
int fuse_fs_mount(zfsvfs_t *zfsvfs, const char *mountpoint, const fuse_fs_opts_t *opts,
    void (*gone)(void *arg), void *arg, fuse_fs_t **ffp);
/*
 * Unmount, end the session, drop all references to znodes. force: also when in use (lazily).
 * EBUSY otherwise. On success ff is freed.
 */
int fuse_fs_unmount(fuse_fs_t *ff, bool force);
/* Change what can be changed while mounted (ro, atime, exec …): remount. */
int fuse_fs_remount(fuse_fs_t *ff, const fuse_fs_opts_t *opts);
/* Forget everything that the kernel has cached of this file system. */
void fuse_fs_invalidate_all(fuse_fs_t *ff);

#endif
