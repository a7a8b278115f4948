/*
 * Inside of the zpl.
 *
 * How an operation runs
 *	zpl_enter            not while suspended or after unmount
 *	name locks           of the directories and names it is about, range locks of a
 *file lookups, checks tx = create, holds   all that may change; zpl_tx_hold_znode for
 *attributes dmu_tx_assign        may sleep; no z_lock held changes              each
 *under the z_lock of the znode changed dmu_tx_commit        then unlock, release
 *znodes, zpl_exit
 *
 * Locks, first to last
 *	zv_rename_lock   renames between directories: the tree does not change shape
 *while they look for cycles z_xattr_lock     extended attributes of one file as a set
 *	name locks       (directory, hash of the prepared name), shared for lookup;
 *several in order of (object, hash). Whoever adds or removes an entry has its name
 *exclusively. range locks      parts of one file z_lock           attributes and the
 *bonus buffer of one znode; two at once: in order of object numbers. Never across
 *dmu_tx_assign. zv_load          first load of a znode; zv_bucket: the cache of znodes
 *	sa, zap, dmu
 *
 * Creating in a directory that is being removed: an add announces itself under the
 *directory's z_lock (z_adding) before it touches the ZAP; rmdir decides under the same
 *lock that there are neither entries nor announcements, and from then on (z_unlinked)
 *adds fail with ENOENT.
 *
 * Life of a znode. Held by callers; found by number in the cache. When the last hold
 *goes, a file without names is reaped: data freed, taken off the unlinked set, object
 *freed. A crash before that leaves it in the set, which the next mount works off.
 */
#ifndef TARN_ZPL_IMPL_H
#define TARN_ZPL_IMPL_H

#include <sys/stat.h>
#include "zpl/zpl.h"
#include "zpl/sa.h"
#include "zpl/zpl_rangelock.h"
#include "zap/zap.h"
#include "ondisk/ondisk.h"

#define ZPL_MASTER_NODE 1
#define ZPL_VERSION_MAX 5
#define ZPL_VERSION_FUID 3
#define ZPL_VERSION_USERSPACE 4
#define ZPL_VERSION_SA 5
#define ZPL_LINK_MAX 0x7fffffffULL
#define ZPL_SYMLINK_MAX 4095

/* Flags not in zpl.h (format/04 §2.2). */
#define ZPL_F_XATTR 0x1ULL
#define ZPL_F_INHERIT_ACE 0x2ULL
#define ZPL_F_ACL_TRIVIAL 0x4ULL
#define ZPL_F_ACL_OBJ_ACE 0x8ULL
#define ZPL_F_ACL_PROTECTED 0x10ULL
#define ZPL_F_ACL_DEFAULTED 0x20ULL
#define ZPL_F_ACL_AUTO_INHERIT 0x40ULL
#define ZPL_F_BONUS_SCANSTAMP 0x80ULL
#define ZPL_F_NO_EXECS_DENIED 0x100ULL
#define ZPL_F_ACL_ALL 0x17eULL /* what an ACL decides */
#define ZPL_F_PROJID 0x800000000000ULL

#define ZPL_BUCKETS 1024
#define ZPL_LOAD_LOCKS 64

typedef struct zpl_bucket {
	kmutex_t zb_lock;
	avl_tree_t zb_tree; /* znode by object */
} zpl_bucket_t;

struct zfsvfs {
	objset_t *zv_os;
	uint64_t zv_opts; /* packed, atomic: zpl_opts_now */
	zpl_dataset_ops_t zv_ops;
	void *zv_ops_arg;

	/* the gate: operations inside, and whether more may come */
	kmutex_t zv_gate_lock;
	kcondvar_t zv_gate_cv;
	uint64_t zv_active; /* atomic */
	bool zv_closed;	    /* atomic; suspended */
	bool zv_dead;	    /* unmounted by force, or resume failed: EIO */
	bool zv_unmounted;  /* atomic; by force: the last znode frees it */

	uint64_t zv_version, zv_root, zv_unlinked,
	    zv_norm; /* norm incl. the case bit */
	uint64_t zv_utf8only;
	zpl_case_t zv_case;
	bool zv_project; /* new files and directories have a PROJID */
	sa_os_t *zv_sa;
	uint64_t zv_quota_obj[6]; /* atomic; 2 * kind + objects; 0: none */
	uint64_t zv_quota_default[6];

	kmutex_t zv_rename_lock;
	zpl_bucket_t zv_buckets[ZPL_BUCKETS];
	kmutex_t zv_load[ZPL_LOAD_LOCKS];
	uint64_t zv_nznodes; /* atomic */
	taskq_t *zv_drain_tq;
	bool zv_drain_stop; /* atomic */
};

enum { ZT_ATIME, ZT_MTIME, ZT_CTIME, ZT_CRTIME, ZT_TIMES };

struct znode {
	zfsvfs_t *z_zfsvfs;
	uint64_t z_id, z_gen;
	uint32_t z_type;
	bool z_attrspace;  /* an xattr directory or a value in one; never changes */
	avl_node_t z_node; /* bucket */
	uint64_t z_refs;   /* bucket lock */
	bool z_reaping;	   /* bucket lock */

	krwlock_t z_lock; /* all below, down to z_adding */
	sa_handle_t z_sa;
	uint64_t z_mode, z_size, z_uid, z_gid, z_parent, z_flags, z_links, z_projid,
	    z_rdev;
	uint64_t z_xattr; /* xattr directory, 0: none */
	uint64_t z_time[ZT_TIMES][2];
	uint64_t z_dirty_txg; /* atomic: last txg that changed it */
	bool z_unlinked;      /* no name; in the unlinked set (or about to be) */
	bool z_linkable;      /* made without a name: may get one */
	bool z_atime_dirty;
	bool z_stale;	   /* gone with a rollback: ESTALE */
	uint32_t z_adding; /* directory: entries being added */

	kmutex_t z_names_lock;
	kcondvar_t z_names_cv;
	list_t z_names;
	zpl_rangelock_t z_range;
	krwlock_t z_xattr_lock;
	nvlist_t *z_xattr_sa; /* parsed DXATTR; z_xattr_lock */
	bool z_xattr_loaded;
};

static inline bool
z_isdir(const znode_t *zp)
{
	return (zp->z_type == S_IFDIR);
}
/* In attribute space: an xattr directory or a value in one. */
static inline bool
z_isxattr(const znode_t *zp)
{
	return (zp->z_attrspace);
}

/* ---- zfsvfs.c -------------------------------------------------------- */

/* Begin and end of an operation. EIO after forced unmount; ESTALE if zp (may be NULL)
 * is gone. */
int zpl_enter(zfsvfs_t *zv, znode_t *zp);
void zpl_exit(zfsvfs_t *zv);
/* The same for one that changes something: also EROFS. */
int zpl_enter_write(zfsvfs_t *zv, znode_t *zp);
bool zpl_readonly(zfsvfs_t *zv);
/* A consistent copy of the options; setting them all at once. */
zpl_opts_t zpl_opts_now(zfsvfs_t *zv);
void zpl_opts_store(zfsvfs_t *zv, const zpl_opts_t *opts);
/* After an operation of this txg: sync=always. */
void zpl_maybe_wait(zfsvfs_t *zv, uint64_t txg);
void zpl_wait_txg(zfsvfs_t *zv, uint64_t txg);

bool zpl_has_project_quota(objset_t *os);
/* The bare frame, for zpl_create_fs as well. */
zfsvfs_t *zfsvfs_alloc(objset_t *os);
void zfsvfs_free(zfsvfs_t *zv);

/* ---- znode.c --------------------------------------------------------- */

/* From the cache or from disk, held. Unlinked ones too. ENOENT, EIO. */
int znode_get(zfsvfs_t *zv, uint64_t object, znode_t **zpp);
void znode_hold(znode_t *zp);
/* Inside of an operation (zpl_rele is outside). No locks held, no transaction open. */
void znode_rele(znode_t *zp);
/* Where a new one comes from: attributes filled in by the caller. */
znode_t *znode_alloc(zfsvfs_t *zv, uint64_t object);
void znode_free(znode_t *zp);
void znode_insert(znode_t *zp);
void znode_remove(znode_t *zp);
/* Read all cached attributes from the buffer. */
int znode_load(znode_t *zp);
/* Give the buffer back (gate closed); take it again, refreshing everything. ESTALE:
 * another file now. */
void znode_detach(znode_t *zp);
int znode_reattach(znode_t *zp);
kmutex_t *znode_load_lock(zfsvfs_t *zv, uint64_t object);
/*
 * Write cached attributes back, those of mask (1 << zpl_sa_t; times and so on). z_lock
 * as writer, bonus held in tx.
 */
#define ZM(attr) (1u << (attr))
int znode_store(znode_t *zp, uint32_t mask, dmu_tx_t *tx);
/* Set times to now (ZM(SA_MTIME) …); returns what to store. z_lock as writer. */
uint32_t znode_touch(znode_t *zp, uint32_t times);
/* Make a legacy object an SA one if the file system wants that. z_lock as writer. */
int znode_upgrade(znode_t *zp, dmu_tx_t *tx);
/*
 * Hold a znode's attributes for a change; grow: attributes may come or change length.
 */
void zpl_tx_hold_znode(dmu_tx_t *tx, znode_t *zp, bool grow);
/* Assign with patience; aborts tx on error. */
int zpl_tx_assign(dmu_tx_t *tx);
void zpl_now(uint64_t t[2]);
/* Two z_locks as writer, in order. Either may be NULL or both the same. */
void znode_lock2(znode_t *a, znode_t *b);
void znode_unlock2(znode_t *a, znode_t *b);

/* ---- zpl_reap.c ------------------------------------------------------ */

/* Free a nameless file; consumes it. */
void znode_reap(znode_t *zp);
void zpl_drain_start(zfsvfs_t *zv);
int zpl_unlinked_add(znode_t *zp, dmu_tx_t *tx);
int zpl_unlinked_remove(znode_t *zp, dmu_tx_t *tx);

/* ---- zpl_dir.c ------------------------------------------------------- */

typedef struct zpl_namelock {
	list_node_t nl_node;
	znode_t *nl_dir;
	uint64_t nl_hash;
	bool nl_excl, nl_held;
} zpl_namelock_t;
/* Is this a name that can exist here? ENAMETOOLONG, EILSEQ. create: the stricter rules
 * of new names. */
int zpl_name_check(zfsvfs_t *zv, const char *name, bool create);
/* "." or ".." */
static inline bool
zpl_name_isdot(const char *n)
{
	return (n[0] == '.' && (n[1] == '\0' || (n[1] == '.' && n[2] == '\0')));
}
uint64_t zpl_name_hash(zfsvfs_t *zv, const char *name);
void zpl_name_lock(zpl_namelock_t *nl, znode_t *dzp, uint64_t hash, bool excl);
void zpl_name_unlock(zpl_namelock_t *nl);

/* How entries are matched. EXACT: the case counts even if the file system folds it. */
#define ZD_EXACT 0x1
#define ZD_RENAMING 0x2 /* the object keeps its links and goes on living */
#define ZD_NEW 0x4	/* just made, with parent and links as they will be */
/* The entry's value (format/04 §3.1). realname may be NULL. */
int zpl_dirent_get(znode_t *dzp, const char *name, int flags, uint64_t *valuep,
    char *realname, size_t rn_len);
/* znode of an entry. */
int zpl_dirent_lookup(znode_t *dzp, const char *name, int flags, znode_t **zpp,
    char *realname, size_t rn_len);
/* Give zp a name: entry, directory's size/links/times, zp's links/parent/ctime. */
int zpl_link_create(
    znode_t *dzp, const char *name, znode_t *zp, int flags, dmu_tx_t *tx);
/* Take it away; the last one puts zp on the unlinked set. */
int zpl_link_destroy(
    znode_t *dzp, const char *name, znode_t *zp, int flags, dmu_tx_t *tx);
void zpl_tx_hold_dir(dmu_tx_t *tx, znode_t *dzp, bool add, const char *name);

/* ---- zpl_make.c: new objects ----------------------------------------- */

typedef struct zpl_newattr {
	uint32_t na_mode;  /* with type */
	uint32_t na_umask; /* taken off MODE after the ACL was made (§4.7) */
	void *na_dacl; /* default POSIX ACL of the parent, to be given to the child */
	size_t na_dacl_len;
	uint64_t na_uid, na_gid, na_rdev, na_projid;
	uint64_t na_flags; /* XATTR, PROJINHERIT … */
	const char *na_symlink;
	bool na_tmp;	 /* no name: links 0 */
	bool na_project; /* gets a PROJID slot */
} zpl_newattr_t;
/* Owner, group, mode and project of a new object in dzp; quota (EDQUOT). */
int zpl_newattr_init(
    zpl_newattr_t *na, znode_t *dzp, uint32_t mode, const zpl_cred_t *cr);
void zpl_newattr_fini(zpl_newattr_t *na);
void zpl_tx_hold_new(dmu_tx_t *tx, zfsvfs_t *zv);
/*
 * Make the object and its znode, held and in the cache, not in a directory yet
 * (z_unlinked if na_tmp). Its own parent if dzp is NULL (root).
 */
int zpl_make(
    zfsvfs_t *zv, znode_t *dzp, const zpl_newattr_t *na, dmu_tx_t *tx, znode_t **zpp);
/*
 * No name was to be had for it: make it one of the nameless, which the last rele frees.
 * The unlinked set is held in tx.
 */
void zpl_unmake(znode_t *zp, dmu_tx_t *tx);

/* ---- zpl_acl.c ------------------------------------------------------- */

#define ZPL_ACL_MAX_ENTRIES 1024
typedef struct zpl_acl {
	zfs_ace_t *a_aces;
	uint32_t a_n, a_alloc;
	uint64_t a_hints; /* ZPL_F_ACL_* */
} zpl_acl_t;
void zpl_acl_init(zpl_acl_t *acl);
void zpl_acl_fini(zpl_acl_t *acl);
/* The stored ACL; the trivial one of the mode if there is none. z_lock. */
int zpl_acl_get(znode_t *zp, zpl_acl_t *acl);
/* For a new object. mode may change (inheritance). */
int zpl_acl_create(
    zpl_acl_t *acl, znode_t *dzp, uint64_t *mode, bool attrspace, const zpl_opts_t *zo);
/* chmod: the ACL for the new mode; EPERM with aclmode=restricted. */
int zpl_acl_chmod(zpl_acl_t *acl, const zpl_acl_t *old, uint64_t *mode, uint64_t flags,
    const zpl_opts_t *zo);
/* Mode computed from an ACL (nine bits replaced); *no_execs_denied may be NULL. */
uint64_t zpl_acl_mode(const zpl_acl_t *acl, uint64_t mode, uint64_t uid, uint64_t gid,
    bool *no_execs_denied);
/* Flags that go with the ACL and the mode. */
uint64_t zpl_acl_flags(const zpl_acl_t *acl, uint64_t mode, uint64_t uid, uint64_t gid);
/* Packed as stored; kmem_free(*bufp, *lenp). */
void zpl_acl_pack(const zpl_acl_t *acl, void **bufp, uint32_t *lenp);
/* As the record of a legacy znode; ENOSPC if it needs an external object. */
int zpl_acl_pack_legacy(const zpl_acl_t *acl, uint64_t version, zfs_acl_phys_t *za);
bool zpl_acl_is_trivial(const zpl_acl_t *acl);

/* ---- zpl_perm.c ------------------------------------------------------ */

bool zpl_cred_owns(const zpl_cred_t *cr, const znode_t *zp);
bool zpl_cred_in_group(const zpl_cred_t *cr, uint64_t gid);
/* May the entry zp of dzp be removed or renamed? EPERM. */
int zpl_check_remove(znode_t *dzp, znode_t *zp, const zpl_cred_t *cr);
/* May something be added to dzp? EPERM, ENOENT. */
int zpl_check_add(znode_t *dzp);

/* ---- zpl_quota.c ----------------------------------------------------- */

enum zpl_quota_kind { ZQ_USER, ZQ_GROUP, ZQ_PROJECT };
/* EDQUOT if this owner may not have more bytes / objects. */
int zpl_quota_check(zfsvfs_t *zv, uint64_t uid, uint64_t gid, uint64_t projid,
    bool space, bool objects);
int zpl_quota_load(zfsvfs_t *zv);
int zpl_project_statfs(zfsvfs_t *zv, znode_t *dzp, zpl_statfs_t *zs);

/* ---- zpl_trunc.c ----------------------------------------------------- */

/* Block size after a write up to `end` (§2.6); 0: stays. Decided with the file
 * range-locked. */
uint64_t zpl_new_blksz(znode_t *zp, uint64_t end);
uint32_t zpl_blksz(znode_t *zp);
/* Set the size; data beyond is freed. Takes the range lock. */
int zpl_set_size(znode_t *zp, uint64_t size);

/* ---- zpl_xattr*.c ---------------------------------------------------- */

int zpl_xattr_sa_get(
    znode_t *zp, const char *name, const uint8_t **valuep, size_t *lenp);
/* value NULL: remove (ENODATA). EFBIG: use the directory. */
int zpl_xattr_sa_set(znode_t *zp, const char *name, const void *value, size_t len);
int zpl_xattr_sa_load(znode_t *zp);
int zpl_xattr_dir_get(
    znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp);
int zpl_xattr_dir_set(
    znode_t *zp, const char *name, const void *value, size_t len, const zpl_cred_t *cr);
/* The xattr directory, held. ENOENT; create: make it. */
int zpl_xattr_dir(znode_t *zp, bool create, const zpl_cred_t *cr, znode_t **xdpp);

/* ---- zpl_posixacl.c -------------------------------------------------- */

bool zpl_xattr_is_acl(const char *name);
/* Default ACL of a directory, allocated. ENOENT. */
int zpl_posix_acl_default(znode_t *dzp, void **bufp, size_t *lenp);
/* After creation: what the child gets from its parent's default ACL (na_dacl). */
int zpl_posix_acl_inherit(znode_t *zp, const zpl_newattr_t *na);
/* setxattr of an ACL. EINVAL, EPERM, EOPNOTSUPP. value NULL: remove. */
int zpl_posix_acl_set(
    znode_t *zp, const char *name, const void *value, size_t len, const zpl_cred_t *cr);
/* chmod of a file with an access ACL: its entries follow. */
int zpl_posix_acl_chmod(znode_t *zp, uint32_t mode);
/* Any xattr, by store rules (§2.7). value NULL: remove. Takes z_xattr_lock. */
int zpl_xattr_store(znode_t *zp, const char *name, const void *value, size_t len,
    int flags, const zpl_cred_t *cr);
int zpl_xattr_fetch(
    znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp);

/* ---- inner forms of public operations (gate passed) ------------------ */

int zpl_setattr_impl(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr);
int zpl_unlink_impl(znode_t *dzp, const char *name, bool rmdir, const zpl_cred_t *cr);
int zpl_create_impl(
    znode_t *dzp, const char *name, const zpl_newattr_t *na, int flags, znode_t **zpp);
int zpl_write_impl(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt,
    uint32_t flags, size_t *donep, uint64_t *offp, const zpl_cred_t *cr);

/*
 * A change in this txg. Of two threads the one in the older txg may come last: fsync
 * must wait for the newest.
 */
static inline void
znode_dirtied(znode_t *zp, uint64_t txg)
{
	uint64_t old = __atomic_load_n(&zp->z_dirty_txg, __ATOMIC_RELAXED);

	while (old < txg && !__atomic_compare_exchange_n(&zp->z_dirty_txg, &old, txg,
				true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
}

#endif
