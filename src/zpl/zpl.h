/*
 * zpl: files and directories with POSIX semantics inside an object set of type ZFS.
 * Source: format/04 Part A.
 *
 * What this room knows: names, inodes ("znodes"), attributes, data, extended
 * attributes, ACL records, quotas. What it does not know: FUSE, paths, mounts. The
 * server above translates requests, the rooms below store objects.
 *
 * zfsvfs_t  one mounted file system (head or snapshot)
 * znode_t   one file in memory; at most one per object, found by object number
 *
 * Caveats first:
 *
 * - Permission bits are NOT checked here: the server's kernel side does it
 *   (default_permissions). Checked here is what only a file system can know: sticky
 *   directories, set-id rules, ownership for setattr, immutable/append-only/nounlink
 *   flags, quotas, read-only mounts.
 * - Every znode handed out is held and must be given back with zpl_rele(). The last
 *   rele of an unlinked file frees its data, so it may take long and must not be called
 *   with locks held that another zpl call needs.
 * - A changing operation is one transaction and is on disk when its txg is, or when
 *   zpl_fsync() on the file (or zpl_sync()) has returned. Operations may sleep for a
 *   txg (throttling).
 * - Nothing of the kernel's caches is invalidated here: the server does it after calls.
 *
 * All functions may be called from any thread, return 0 or a positive errno, and leave
 * outputs untouched on error. Names are NUL-terminated, one path component. A `cr` is
 * never NULL.
 *
 * Lock order (first to last; details in zpl_impl.h):
 *   rename lock (directory renames) > xattr lock of a file > name locks of a directory,
 * by (object, name hash) > range lock > znode z_lock (parent before child, then by
 * object number) > hash bucket of the znode cache > dmu locks. dmu_tx_assign() is
 * called with name, xattr and range locks held (the sync thread never needs them),
 * never with z_lock.
 */
#ifndef TARN_ZPL_H
#define TARN_ZPL_H

#include <sys/uio.h>
#include <time.h>
#include "spl/spl.h"
#include "nvpair/nvpair.h"
#include "dmu/dmu.h"

typedef struct zfsvfs zfsvfs_t;
typedef struct znode znode_t;

/* On whose behalf; groups need not contain gid. `privileged`: may do what root may. */
typedef struct zpl_cred {
	uint32_t uid, gid;
	uint32_t ngroups;
	const uint32_t *groups;
	uint32_t umask; /* taken off the modes of new files without a default ACL */
	bool privileged;
} zpl_cred_t;
extern const zpl_cred_t zpl_root_cred; /* uid 0, umask 0, privileged */

/* ---- mounting -------------------------------------------------------- */

typedef enum zpl_xattr_mode {
	ZPL_XATTR_OFF,
	ZPL_XATTR_DIR,
	ZPL_XATTR_SA
} zpl_xattr_mode_t;
typedef enum zpl_acltype { ZPL_ACL_OFF, ZPL_ACL_POSIX, ZPL_ACL_NFSV4 } zpl_acltype_t;
typedef enum zpl_case {
	ZPL_CASE_SENSITIVE,
	ZPL_CASE_INSENSITIVE,
	ZPL_CASE_MIXED
} zpl_case_t;

/* Values of the properties aclinherit and aclmode as stored (format/04 §4.5). */
enum {
	ZPL_ACLI_DISCARD = 0,
	ZPL_ACLI_NOALLOW = 1,
	ZPL_ACLI_PASSTHROUGH = 3,
	ZPL_ACLI_RESTRICTED = 4,
	ZPL_ACLI_PASSTHROUGH_X = 5
};
enum {
	ZPL_ACLM_DISCARD = 0,
	ZPL_ACLM_GROUPMASK = 2,
	ZPL_ACLM_PASSTHROUGH = 3,
	ZPL_ACLM_RESTRICTED = 4
};

/*
 * What the mount owes to dataset properties; may change while mounted (zpl_set_opts).
 */
typedef struct zpl_opts {
	bool zo_readonly;
	bool zo_atime, zo_relatime;
	bool zo_longname; /* names up to 1023 bytes */
	bool zo_ctldir;	  /* root has `.zfs` (hidden or visible): the name cannot be
			     created */
	bool zo_ctldir_visible; /* root's link count is one higher */
	bool zo_sync_always;	/* sync=always */
	bool zo_sync_disabled;	/* sync=disabled: fsync returns at once */
	zpl_xattr_mode_t zo_xattr;
	zpl_acltype_t zo_acltype;
	uint8_t zo_aclmode, zo_aclinherit;
} zpl_opts_t;
/* atime, relatime, xattr=sa, acltype=off, aclmode=discard, aclinherit=restricted. */
void zpl_opts_default(zpl_opts_t *zo);

/* What the layer that owns the dataset lends to the mount. Any pointer may be NULL. */
typedef struct zpl_dataset_ops {
	/* Bytes referenced, bytes available, objects used, objects available (format/04
	 * §6.8). */
	void (*zdo_space)(void *arg, uint64_t *refdbytes, uint64_t *availbytes,
	    uint64_t *usedobjs, uint64_t *availobjs);
	/* 56-bit fsid guid. */
	uint64_t (*zdo_fsid)(void *arg);
	/* The dataset starts to use a per-dataset feature (longname, large_dnode …) in
	 * tx. */
	void (*zdo_activate_feature)(void *arg, spa_feature_t f, dmu_tx_t *tx);
	/* Wait until txg is on disk; 0: until all that is open now is. NULL:
	 * txg_wait_synced. */
	void (*zdo_wait_synced)(void *arg, uint64_t txg);
} zpl_dataset_ops_t;

/*
 * Mount: master node, versions, attribute tables, root. A writable mount also works off
 * the unlinked set in the background. `opts` is copied. EINVAL/ENOENT: no file system
 * in there; ENOTSUP: ZPL version too new; EIO, ECKSUM. dmu_objset_set_user(os) points
 * to the result.
 */
int zpl_mount(objset_t *os, const zpl_opts_t *opts, const zpl_dataset_ops_t *ops,
    void *ops_arg, zfsvfs_t **zfsvfsp);
/*
 * EBUSY if znodes are still held and !force. With force they stay valid objects that
 * fail with EIO and must still be released (zfsvfs is freed with the last one). Waits
 * for background work.
 */
int zpl_unmount(zfsvfs_t *zfsvfs, bool force);
void zpl_set_opts(zfsvfs_t *zfsvfs, const zpl_opts_t *opts);
void zpl_get_opts(zfsvfs_t *zfsvfs, zpl_opts_t *opts);
objset_t *zpl_objset(zfsvfs_t *zfsvfs);
uint64_t zpl_version(zfsvfs_t *zfsvfs);
zpl_case_t zpl_case(zfsvfs_t *zfsvfs);
/* Wait for the background work on the unlinked set (tests, unmount, before export). */
void zpl_wait_unlinked(zfsvfs_t *zfsvfs);
/* Number of znodes in memory (diagnosis). */
uint64_t zpl_znode_count(zfsvfs_t *zfsvfs);

/*
 * Temporarily stop all operations (rollback, receive into a mounted file system):
 * suspend returns when none is running, new ones wait. After resume with a new objset
 * contents (may be the same pointer) every znode is looked up again: those that are
 * gone or have another generation give ESTALE from then on. `os` NULL: failed, all
 * operations give EIO.
 */
int zpl_suspend(zfsvfs_t *zfsvfs);
int zpl_resume(zfsvfs_t *zfsvfs, objset_t *os);

/*
 * Make the contents of a new file system in an empty objset (format/04 §1.1). zplprops:
 * uint64 `version`, `normalization`, `utf8only`, `casesensitivity` (missing: 5, 0, 0,
 * 0). `project_quota`: boolean_value, new objects have a PROJID (missing: if the
 * feature is enabled and the objset counts projects). Syncing context or any assigned
 * tx with enough reservation.
 */
int zpl_create_fs(
    objset_t *os, const nvlist_t *zplprops, uint32_t uid, uint32_t gid, dmu_tx_t *tx);
/*
 * A property kept in the master node: "version", "normalization", "utf8only",
 * "casesensitivity", or a default quota. Works on unmounted objsets. ENOENT: unknown
 * name.
 */
int zpl_get_zplprop(objset_t *os, const char *name, uint64_t *value);
/* `zfs upgrade`: raise the version. EINVAL if lower, ENOTSUP if unknown. */
int zpl_set_version(zfsvfs_t *zfsvfs, uint64_t version);

/*
 * Owners of an object for accounting, in the form of objset_ops_t.oso_owner: reads the
 * fixed places of SA (type 44) and znode (17) bonus buffers (format/04 §1.6, §5.2).
 */
bool zpl_bonus_owner(objset_t *os, dmu_object_type_t bonustype, const void *bonus,
    uint64_t len, uint64_t *uid, uint64_t *gid, uint64_t *projid);

/* ---- znodes ---------------------------------------------------------- */

/* The root directory, held. */
int zpl_root(zfsvfs_t *zfsvfs, znode_t **zpp);
/*
 * By object number; gen 0: any, else the low 32 bits of the generation must agree (file
 * handles, ESTALE). ENOENT: not a file, or free.
 */
int zpl_get(zfsvfs_t *zfsvfs, uint64_t object, uint32_t gen, znode_t **zpp);
void zpl_hold(znode_t *zp);
void zpl_rele(znode_t *zp);

uint64_t zpl_object(const znode_t *zp); /* inode number */
uint32_t zpl_gen(const znode_t *zp);	/* low 32 bits of GEN */
uint32_t zpl_type(const znode_t *zp);	/* S_IFMT bits of the mode; never change */
zfsvfs_t *zpl_zfsvfs(const znode_t *zp);
/*
 * Has everything done to it so far reached the disk? Before that za_blocks may still
 * change by itself.
 */
bool zpl_settled(const znode_t *zp);
/*
 * Somebody read it through a cache of his own: as zpl_read() would note it. True if the
 * access time has changed.
 */
bool zpl_accessed(znode_t *zp);

/* ---- attributes ------------------------------------------------------ */

#define ZPL_AT_MODE 0x0001 /* permission and set-id bits (07777) */
#define ZPL_AT_UID 0x0002
#define ZPL_AT_GID 0x0004
#define ZPL_AT_SIZE 0x0008
#define ZPL_AT_ATIME 0x0010
#define ZPL_AT_MTIME 0x0020
#define ZPL_AT_CTIME 0x0040 /* else: now, when anything changes */
#define ZPL_AT_BTIME 0x0080
#define ZPL_AT_ATIME_NOW 0x0100
#define ZPL_AT_MTIME_NOW 0x0200
#define ZPL_AT_FLAGS 0x0400 /* za_flags under za_flags_mask */
#define ZPL_AT_PROJID 0x0800
#define ZPL_AT_KILL_SUID                                                               \
	0x1000 /* with SIZE: as after a write without privilege (§6.4) */

/* File flags (format/04 §2.2) that a caller may see and set. */
#define ZPL_F_READONLY 0x0000000100000000ULL
#define ZPL_F_HIDDEN 0x0000000200000000ULL
#define ZPL_F_SYSTEM 0x0000000400000000ULL
#define ZPL_F_ARCHIVE 0x0000000800000000ULL
#define ZPL_F_IMMUTABLE 0x0000001000000000ULL
#define ZPL_F_NOUNLINK 0x0000002000000000ULL
#define ZPL_F_APPENDONLY 0x0000004000000000ULL
#define ZPL_F_NODUMP 0x0000008000000000ULL
#define ZPL_F_OPAQUE 0x0000010000000000ULL
#define ZPL_F_AV_QUARANTINED 0x0000020000000000ULL
#define ZPL_F_AV_MODIFIED 0x0000040000000000ULL
#define ZPL_F_REPARSE 0x0000080000000000ULL
#define ZPL_F_OFFLINE 0x0000100000000000ULL
#define ZPL_F_SPARSE 0x0000200000000000ULL
#define ZPL_F_PROJINHERIT 0x0000400000000000ULL

typedef struct zpl_attr {
	uint32_t za_mask;	    /* setattr: which are given */
	uint64_t za_object, za_gen; /* inode number, full generation */
	uint32_t za_mode;	    /* S_IFMT | 07777 */
	uint64_t za_nlink;
	uint32_t za_uid, za_gid; /* low 32 bits of the FUIDs */
	uint64_t za_size;
	uint32_t za_rdev_major, za_rdev_minor;
	struct timespec za_atime, za_mtime, za_ctime, za_btime;
	uint32_t za_blksize;
	uint64_t za_blocks; /* 512 bytes */
	uint64_t za_flags, za_flags_mask;
	uint64_t za_projid;
} zpl_attr_t;

int zpl_getattr(znode_t *zp, zpl_attr_t *za);
/*
 * EPERM not owner / immutable; EFBIG; EISDIR size of a directory; EDQUOT; ENOTSUP
 * projid without the feature. *after (may be NULL): attributes after the change.
 */
int zpl_setattr(
    znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr, zpl_attr_t *after);

/* ---- names ----------------------------------------------------------- */

/*
 * "." and ".." work. Insensitive file systems: any spelling; realname (may be NULL;
 * rn_len bytes): as stored. ENOENT, ENOTDIR, ENAMETOOLONG, EILSEQ.
 */
int zpl_lookup(znode_t *dzp, const char *name, const zpl_cred_t *cr, znode_t **zpp,
    char *realname, size_t rn_len);
/*
 * A regular file. With !excl an existing regular file is opened instead (*created
 * false; its size is not touched). EEXIST, EISDIR, EDQUOT, ENOSPC, EROFS, EILSEQ,
 * ENAMETOOLONG, EACCES/EPERM.
 */
int zpl_create(znode_t *dzp, const char *name, uint32_t mode, bool excl,
    const zpl_cred_t *cr, znode_t **zpp, bool *created);
int zpl_mkdir(
    znode_t *dzp, const char *name, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp);
/* mode with S_IFMT: fifo, socket, char, block, regular. */
int zpl_mknod(znode_t *dzp, const char *name, uint32_t mode, uint32_t rdev_major,
    uint32_t rdev_minor, const zpl_cred_t *cr, znode_t **zpp);
int zpl_symlink(znode_t *dzp, const char *name, const char *target,
    const zpl_cred_t *cr, znode_t **zpp);
/* buf gets up to size bytes, not terminated; *lenp the whole length. EINVAL: no
 * symlink. */
int zpl_readlink(znode_t *zp, char *buf, size_t size, size_t *lenp);
/* Also gives a name to an O_TMPFILE file. */
int zpl_link(znode_t *dzp, znode_t *zp, const char *name, const zpl_cred_t *cr);
/* EISDIR for directories. */
int zpl_unlink(znode_t *dzp, const char *name, const zpl_cred_t *cr);
int zpl_rmdir(znode_t *dzp, const char *name, const zpl_cred_t *cr);
/* flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4 as renameat2(2). */
int zpl_rename(znode_t *sdzp, const char *sname, znode_t *tdzp, const char *tname,
    uint32_t flags, const zpl_cred_t *cr);
/* A nameless regular file (O_TMPFILE): freed at the last rele unless linked. */
int zpl_tmpfile(znode_t *dzp, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp);

/*
 * Entries from *cookie on (0: from the beginning), with "." and "..". emit gets each
 * entry with the cookie of the one behind it; it returns false when its buffer is full
 * (the entry then does not count). *cookie: where to go on. *eof (may be NULL). d_type:
 * DT_* or 0. Cookies stay valid across changes of the directory and remounts.
 */
typedef bool zpl_dirent_cb_t(void *arg, const char *name, size_t namelen,
    uint64_t object, uint8_t d_type, uint64_t next_cookie);
int zpl_readdir(
    znode_t *dzp, uint64_t *cookie, zpl_dirent_cb_t *emit, void *arg, bool *eof);
/* Path from the file system's root by PARENT and a search (format/04 §6.10). ESTALE,
 * ERANGE. */
int zpl_obj_to_path(zfsvfs_t *zfsvfs, uint64_t object, char *buf, size_t len);

/* ---- data ------------------------------------------------------------ */

/* Reads stop at the end of file. *donep bytes. EISDIR, EIO, ECKSUM (then nothing is
 * said to be done). */
int zpl_read(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt,
    size_t *donep, const zpl_cred_t *cr);
/*
 * ZPL_WRITE_APPEND: `off` is ignored, *offp (may be NULL) tells where it went.
 * ZPL_WRITE_SYNC: on disk at return. A long write is several transactions; after an
 * error *donep may be > 0 with return 0 (short write). EFBIG, ENOSPC, EDQUOT, EPERM
 * (append-only, immutable), EROFS.
 */
#define ZPL_WRITE_APPEND 0x1
#define ZPL_WRITE_SYNC 0x2
#define ZPL_WRITE_KEEP_SUID                                                            \
	0x4 /* caller has CAP_FSETID (else: cr->privileged decides) */
int zpl_write(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt,
    uint32_t flags, size_t *donep, uint64_t *offp, const zpl_cred_t *cr);
/*
 * Read without copying: pointers into cached blocks, stable until unpin (which also
 * ends the range lock). iov has room for *iovcnt entries (in: room, out: used), short
 * if that is too few. Holes point to a shared page of zeros.
 */
typedef struct zpl_pin zpl_pin_t;
int zpl_read_pin(znode_t *zp, uint64_t off, size_t len, struct iovec *iov, int *iovcnt,
    size_t *donep, zpl_pin_t **pinp);
void zpl_read_unpin(zpl_pin_t *pin);

/* Like ftruncate. */
int zpl_truncate(znode_t *zp, uint64_t size, const zpl_cred_t *cr);
/* mode as fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE].
 * else EOPNOTSUPP */
int zpl_fallocate(
    znode_t *zp, int mode, uint64_t off, uint64_t len, const zpl_cred_t *cr);
/* SEEK_DATA / SEEK_HOLE. ENXIO. */
int zpl_lseek(znode_t *zp, uint64_t off, int whence, uint64_t *resultp);
/* Everything done to this file so far is on stable storage at return. datasync is a
 * hint. */
int zpl_fsync(znode_t *zp, bool datasync);
/* The whole file system. wait false: only start. */
int zpl_sync(zfsvfs_t *zfsvfs, bool wait);

/* ---- extended attributes --------------------------------------------- */

/*
 * Linux names with namespace ("user.x"). size 0: only *lenp. ENODATA, ERANGE,
 * EOPNOTSUPP. POSIX ACLs are system.posix_acl_access/default here (format/04 §4.7).
 */
int zpl_xattr_get(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp,
    const zpl_cred_t *cr);
/* flags: XATTR_CREATE 1 (EEXIST), XATTR_REPLACE 2 (ENODATA). E2BIG, ENOSPC, EDQUOT,
 * EPERM. */
int zpl_xattr_set(znode_t *zp, const char *name, const void *value, size_t size,
    int flags, const zpl_cred_t *cr);
int zpl_xattr_remove(znode_t *zp, const char *name, const zpl_cred_t *cr);
/* Names, each with NUL; trusted.* only for the privileged. size 0: only *lenp. */
int zpl_xattr_list(
    znode_t *zp, char *buf, size_t size, size_t *lenp, const zpl_cred_t *cr);

/* ---- space, quotas --------------------------------------------------- */

typedef struct zpl_statfs {
	uint32_t zs_bsize;
	uint64_t zs_blocks, zs_bfree, zs_files, zs_ffree, zs_fsid;
	uint32_t zs_namelen;
} zpl_statfs_t;
/* dzp may be NULL; a directory with project inheritance shows its project's quota. */
int zpl_statfs(zfsvfs_t *zfsvfs, znode_t *dzp, zpl_statfs_t *zs);

typedef enum zpl_userquota_prop {
	ZPL_USERUSED,
	ZPL_USERQUOTA,
	ZPL_GROUPUSED,
	ZPL_GROUPQUOTA,
	ZPL_USEROBJUSED,
	ZPL_USEROBJQUOTA,
	ZPL_GROUPOBJUSED,
	ZPL_GROUPOBJQUOTA,
	ZPL_PROJECTUSED,
	ZPL_PROJECTQUOTA,
	ZPL_PROJECTOBJUSED,
	ZPL_PROJECTOBJQUOTA,
	ZPL_USERQUOTA_PROPS
} zpl_userquota_prop_t;
/* One id's use or limit (0: none). ENOTSUP: accounting incomplete. Unmounted objsets
 * too. */
int zpl_userspace_one(
    objset_t *os, zpl_userquota_prop_t prop, uint64_t id, uint64_t *value);
/* All; callback with FUID and value; nonzero stops and is returned. */
int zpl_userspace_many(objset_t *os, zpl_userquota_prop_t prop,
    int (*cb)(void *arg, uint64_t id, uint64_t value), void *arg);
/* Set (0: remove) a limit. EINVAL for the *USED ones. */
int zpl_set_userquota(
    objset_t *os, zpl_userquota_prop_t prop, uint64_t id, uint64_t value);

#endif
