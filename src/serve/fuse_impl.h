/*
 * What the fuse_*.c files share; nobody else includes it. The essay is in fuse_fs.c.
 */
#ifndef TARN_SERVE_FUSE_IMPL_H
#define TARN_SERVE_FUSE_IMPL_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include "serve/fuse_fs.h"
#include "serve/fuse_wire.h"

/* Largest data of one request: what kernels allow without a changed sysctl. */
#define FUSE_MAX_DATA (1U << 20)
/* Header and arguments of a request lie before its data; a page is plenty. */
#define FUSE_ARGS_ROOM 4096U
#define FUSE_BUF_SIZE (FUSE_ARGS_ROOM + FUSE_MAX_DATA)
/* Threads of one mount: started when all others are busy. */
#define FUSE_MAX_WORKERS 64
#define FUSE_OPCODES 64
/* Seconds: all changes come through us, so what the kernel knows stays true. */
#define FUSE_FOREVER (365 * 86400.0)

/* ---- inodes: fuse_inode.c ------------------------------------------------------------- */

#define FUSE_SHARDS 64
/* What the kernel knows of: one reference of ours to the znode as long as it does. */
typedef struct fuse_inode {
	struct fuse_inode *fi_next;
	uint64_t fi_object;
	uint64_t fi_nlookup; /* how often the kernel was told; FORGET takes it back */
	znode_t *fi_zp;
} fuse_inode_t;

typedef struct fuse_shard {
	kmutex_t fs_lock;
	fuse_inode_t **fs_heads;
	uint32_t fs_size, fs_count; /* heads: a power of 2, or 0 */
} fuse_shard_t;

/* ---- attributes told too early: fuse_settle.c ------------------------------------------ */

typedef struct fuse_note {
	fuse_ino_t no_ino;
	uint64_t no_blocks; /* as told */
} fuse_note_t;

typedef struct fuse_notes {
	fuse_note_t *fn_notes;
	size_t fn_n, fn_room;
} fuse_notes_t;

/* ---- session: fuse_session.c ---------------------------------------------------------- */

typedef struct fuse_worker {
	list_node_t fw_node;
	fuse_fs_t *fw_ff;
	kthread_t *fw_thread;
	pthread_t fw_tid;
	bool fw_running, fw_exited; /* ff_lock */
	bool fw_waiting;            /* atomic: in read(), where a signal does no harm */
	int fw_fd;                  /* its own, cloned; or the session's */
	uint8_t *fw_buf;            /* FUSE_BUF_SIZE: a request, free space behind small ones */
	size_t fw_len;              /* bytes of the request */
} fuse_worker_t;

struct fuse_fs {
	zfsvfs_t *ff_zfsvfs;
	uint64_t ff_root; /* object that the kernel calls FUSE_ROOT_ID */
	struct fuse_session *ff_session;
	int ff_fd; /* connection; closed with the session */
	char *ff_point, *ff_source;
	uint32_t ff_major, ff_minor; /* st_dev of the mount */
	bool ff_by_helper;           /* mounted through fusermount3 */
	void (*ff_gone)(void *arg);
	void *ff_gone_arg;

	/* decided while mounting, then constant */
	bool ff_posix_acl;
	bool ff_no_open;  /* OPEN and RELEASE are not needed */
	bool ff_killpriv; /* the kernel says which writes take set-id bits away */
	bool ff_has_epoch;
	double ff_entry_timeout;

	kmutex_t ff_lock; /* all below */
	kcondvar_t ff_cv;
	list_t ff_workers;
	uint32_t ff_nworkers;
	bool ff_inited;     /* INIT was answered */
	bool ff_lost;       /* the connection has ended */
	bool ff_unmounting; /* by us: nobody needs to be told */
	bool ff_told;       /* gone was called */
	bool ff_stop;       /* atomic; workers leave */
	uint32_t ff_idle;   /* atomic: workers waiting for a request */
	uint64_t ff_requests[FUSE_OPCODES]; /* atomic; by opcode, [0] those beyond */

	fuse_shard_t ff_shards[FUSE_SHARDS];

	kmutex_t ff_settle_pass;
	kmutex_t ff_settle_lock; /* all below */
	kcondvar_t ff_settle_cv;
	fuse_notes_t ff_settle_new, ff_settle_old; /* of this tick, of earlier ones */
	kthread_t *ff_settler;
	bool ff_settler_runs, ff_settle_stop;
};

static inline fuse_fs_t *
fuse_req_fs(fuse_req_t req)
{
	return (fuse_req_userdata(req));
}

/* The calling thread's, NULL outside of a session. */
extern _Thread_local fuse_worker_t *fuse_this_worker;

/* Arguments of the request in hand, as they came from the kernel; NULL if shorter than size. */
const void *fuse_raw_args(size_t size);
/* Scratch space while handling a request that carries no bulk data: FUSE_MAX_DATA bytes. */
static inline uint8_t *
fuse_scratch(void)
{
	return (fuse_this_worker->fw_buf + FUSE_ARGS_ROOM);
}
/* Answer a request that libfuse does not know. Fails if nobody waits for it any more. */
int fuse_raw_reply(const struct fuse_in_header *in, int err, const void *data, size_t size);

int fuse_session_start(fuse_fs_t *ff);
/* Make all threads leave and join them; ends the connection if the kernel has not. */
void fuse_session_stop(fuse_fs_t *ff);
/* Has the kernel ended the connection? */
bool fuse_session_dead(fuse_fs_t *ff);
/* Nothing queued and nothing in work? */
bool fuse_session_quiet(fuse_fs_t *ff);
/* Names the kernel knows are in doubt. ENOTSUP. */
int fuse_notify_epoch(fuse_fs_t *ff);

/* ---- mounts of the kernel: fuse_mount.c ------------------------------------------------- */

/*
 * Mount at point (absolute, no symlinks). *fdp: the connection. *by_helper: through
 * fusermount3, so that unmounting goes the same way.
 */
int fuse_mount_new(const char *source, const char *point, const fuse_fs_opts_t *opts, int *fdp,
    bool *by_helper);
/* st_dev of the topmost mount at point. ENOENT: none. */
int fuse_mount_dev(const char *point, uint32_t *majorp, uint32_t *minorp);
/*
 * Where a mount is now (mounts can be moved). ENOENT: nowhere we can see; EBUSY: there, but something
 * else is mounted over it.
 */
int fuse_mount_find(uint32_t major, uint32_t minor, char *point, size_t size);
/* lazy: also when in use, cutting the connection. EBUSY, EINVAL, EPERM. */
int fuse_mount_umount(const char *point, bool lazy, bool by_helper);
int fuse_mount_remount(const char *point, const fuse_fs_opts_t *opts);
/* Let the kernel read ahead as much as one request can carry; privileged, best effort. */
void fuse_mount_tune(uint32_t major, uint32_t minor);

void fuse_itable_init(fuse_fs_t *ff);
/* Drops all references. */
void fuse_itable_fini(fuse_fs_t *ff);
/* The znode of a number given by the kernel, held. ESTALE. */
int fuse_inode_hold(fuse_fs_t *ff, fuse_ino_t ino, znode_t **zpp);
/* The same if the kernel knows it; false if not. */
bool fuse_inode_find(fuse_fs_t *ff, fuse_ino_t ino, znode_t **zpp);
/* The kernel is about to be told of zp once more; consumes the caller's hold. */
fuse_ino_t fuse_inode_told(fuse_fs_t *ff, znode_t *zp);
void fuse_inode_forget(fuse_fs_t *ff, fuse_ino_t ino, uint64_t nlookup);
/* Numbers known to the kernel; *np of them, kmem_free(*inosp, *np * sizeof). */
void fuse_inode_all(fuse_fs_t *ff, fuse_ino_t **inosp, size_t *np);

void fuse_settle_init(fuse_fs_t *ff);
/* These attributes have been told while the file's last change was not on disk yet. */
void fuse_settle_later(fuse_fs_t *ff, const zpl_attr_t *za);
void fuse_settle_stop(fuse_fs_t *ff);
void fuse_settle_fini(fuse_fs_t *ff);

/* ---- requests ------------------------------------------------------------------------------- */

extern const struct fuse_lowlevel_ops fuse_ops; /* fuse_ops.c */

/* On whose behalf. */
zpl_cred_t fuse_cred(fuse_req_t req);
/* The same with supplementary groups, kept in the scratch space: only where zpl asks for them. */
zpl_cred_t fuse_cred_groups(fuse_req_t req);
/* Those who may see trusted.* are told apart even if the kernel names nobody. */
zpl_cred_t fuse_cred_list(fuse_req_t req);
/* Answer with a new entry; consumes the hold on zp. fi: answer to CREATE. */
void fuse_reply_znode(fuse_req_t req, znode_t *zp, struct fuse_file_info *fi);
/* Fill in an entry and count it as told; consumes the hold also on error. */
int fuse_entry_fill(fuse_fs_t *ff, znode_t *zp, struct fuse_entry_param *e);
void fuse_raw_tmpfile(fuse_fs_t *ff, const struct fuse_in_header *in);
/* Is this name kept for `.zfs`? */
bool fuse_name_reserved(fuse_fs_t *ff, fuse_ino_t parent, const char *name);

/* fuse_attr.c */
void fuse_attr_to_stat(const zpl_attr_t *za, struct stat *st);
void fuse_entry_to_wire(const struct fuse_entry_param *e, struct fuse_entry_out *eo);
/* For the kernel, which will remember them. */
int fuse_attr_get(fuse_fs_t *ff, znode_t *zp, zpl_attr_t *za);
void fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_op_setattr(
    fuse_req_t req, fuse_ino_t ino, struct stat *st, int valid, struct fuse_file_info *fi);
void fuse_op_statfs(fuse_req_t req, fuse_ino_t ino);
void fuse_raw_statx(fuse_fs_t *ff, const struct fuse_in_header *in);

/* fuse_data.c */
void fuse_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* The file was opened for reading, which cached reads do not tell. */
void fuse_note_access(fuse_fs_t *ff, fuse_ino_t ino, znode_t *zp);
void fuse_op_read(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fuse_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
    struct fuse_file_info *fi);
void fuse_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void fuse_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
    struct fuse_file_info *fi);
void fuse_op_lseek(
    fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void fuse_op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
    struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
    struct fuse_file_info *fi_out, size_t len, int flags);
void fuse_raw_copy_file_range(fuse_fs_t *ff, const struct fuse_in_header *in);

/* fuse_dir.c */
void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_op_readdir(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fuse_op_readdirplus(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);

/* fuse_xattr.c */
void fuse_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
    size_t size, int flags);
void fuse_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fuse_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fuse_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* fuse_ioctl.c */
void fuse_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
    struct fuse_file_info *fi, unsigned flags, const void *in, size_t insize, size_t outsize);

/* The kernel knows no word for a wrong checksum: it is an I/O error. */
static inline void
reply_error(fuse_req_t req, int err)
{
	(void)fuse_reply_err(req, err == ECKSUM ? EIO : err);
}

#endif
