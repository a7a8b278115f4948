/*
 * The fake. One lock for names and attributes, one per file for its data. Pages are kept in
 * a tree, missing ones are holes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fake_zpl.h"

#define PAGE 4096U
#define PIN_IOVS 4096
#define DIR_BUCKETS 1024

typedef struct page {
	avl_node_t pg_node;
	uint64_t pg_no;
	uint8_t pg_data[PAGE];
} page_t;

typedef struct entry {
	struct entry *en_next; /* bucket */
	list_node_t en_node;   /* in order of cookies */
	uint64_t en_cookie;
	znode_t *en_zp;
	char en_name[256];
} entry_t;

typedef struct xattr {
	list_node_t xa_node;
	char xa_name[256];
	size_t xa_len;
	uint8_t xa_value[];
} xattr_t;

struct znode {
	zfsvfs_t *z_zv;
	list_node_t z_node;
	uint64_t z_refs; /* holders; a file lives while it has names or holders */
	zpl_attr_t z_attr;
	krwlock_t z_data_lock;
	avl_tree_t z_pages;
	list_t z_entries, z_xattrs;
	entry_t **z_buckets; /* DIR_BUCKETS of a directory */
	uint64_t z_cookie;
	znode_t *z_parent;
	char *z_target;
};

struct zfsvfs {
	kmutex_t zv_lock;
	list_t zv_znodes;
	znode_t *zv_root;
	uint64_t zv_next, zv_held;
	uint32_t zv_grain;
	bool zv_settled;
	uint64_t zv_blocks;
	zpl_case_t zv_case;
	int zv_fail_writes;
	kmutex_t zv_gate_lock;
	kcondvar_t zv_gate_cv;
	bool zv_gate_closed;
	uint32_t zv_gate_waiting;
};

struct zpl_pin {
	znode_t *pn_zp;
};

const zpl_cred_t zpl_root_cred = { .privileged = true };
static const uint8_t zeros[PAGE];

static int
page_cmp(const void *a, const void *b)
{
	uint64_t x = ((const page_t *)a)->pg_no, y = ((const page_t *)b)->pg_no;

	return (x < y ? -1 : x > y);
}

static struct timespec
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (t);
}

/* ---- life ----------------------------------------------------------------------------------- */

static znode_t *
znode_new(zfsvfs_t *zv, znode_t *parent, uint32_t mode, const zpl_cred_t *cr)
{
	znode_t *zp = kmem_zalloc(sizeof (*zp), KM_SLEEP);
	zpl_attr_t *za = &zp->z_attr;

	zp->z_zv = zv;
	zp->z_parent = parent != NULL ? parent : zp;
	za->za_object = zv->zv_next++;
	za->za_gen = za->za_object + 1000;
	za->za_mode = S_ISLNK(mode) ? mode : mode & ~cr->umask;
	za->za_uid = cr->uid;
	za->za_gid = cr->gid;
	za->za_blksize = 131072;
	za->za_atime = za->za_mtime = za->za_ctime = za->za_btime = now();
	rw_init(&zp->z_data_lock);
	avl_create(&zp->z_pages, page_cmp, sizeof (page_t), offsetof(page_t, pg_node));
	list_create(&zp->z_entries, sizeof (entry_t), offsetof(entry_t, en_node));
	list_create(&zp->z_xattrs, sizeof (xattr_t), offsetof(xattr_t, xa_node));
	zp->z_cookie = 3;
	if (S_ISDIR(mode))
		zp->z_buckets = kmem_zalloc(DIR_BUCKETS * sizeof (entry_t *), KM_SLEEP);
	list_insert_tail(&zv->zv_znodes, zp);
	return (zp);
}

static void
znode_destroy(znode_t *zp)
{
	void *cookie = NULL;
	page_t *pg;
	entry_t *en;
	xattr_t *xa;

	while ((pg = avl_destroy_nodes(&zp->z_pages, &cookie)) != NULL)
		kmem_free(pg, sizeof (*pg));
	avl_destroy(&zp->z_pages);
	while ((en = list_remove_head(&zp->z_entries)) != NULL)
		kmem_free(en, sizeof (*en));
	while ((xa = list_remove_head(&zp->z_xattrs)) != NULL)
		kmem_free(xa, sizeof (*xa) + xa->xa_len);
	list_remove(&zp->z_zv->zv_znodes, zp);
	rw_destroy(&zp->z_data_lock);
	kmem_strfree(zp->z_target);
	if (zp->z_buckets != NULL)
		kmem_free(zp->z_buckets, DIR_BUCKETS * sizeof (entry_t *));
	kmem_free(zp, sizeof (*zp));
}

static znode_t *
hold_locked(znode_t *zp)
{
	zp->z_refs++;
	zp->z_zv->zv_held++;
	return (zp);
}

void
zpl_hold(znode_t *zp)
{
	mutex_enter(&zp->z_zv->zv_lock);
	VERIFY(zp->z_refs > 0);
	(void)hold_locked(zp);
	mutex_exit(&zp->z_zv->zv_lock);
}

void
zpl_rele(znode_t *zp)
{
	zfsvfs_t *zv = zp->z_zv;

	mutex_enter(&zv->zv_lock);
	VERIFY(zp->z_refs > 0);
	zv->zv_held--;
	if (--zp->z_refs == 0 && zp->z_attr.za_nlink == 0)
		znode_destroy(zp);
	mutex_exit(&zv->zv_lock);
}

zfsvfs_t *
fake_zpl_new(void)
{
	zfsvfs_t *zv = kmem_zalloc(sizeof (*zv), KM_SLEEP);

	mutex_init(&zv->zv_lock);
	mutex_init(&zv->zv_gate_lock);
	cv_init(&zv->zv_gate_cv);
	list_create(&zv->zv_znodes, sizeof (znode_t), offsetof(znode_t, z_node));
	zv->zv_next = 34;
	zv->zv_grain = PAGE;
	zv->zv_settled = true;
	zv->zv_root = znode_new(zv, NULL, S_IFDIR | 0755, &zpl_root_cred);
	zv->zv_root->z_attr.za_nlink = 2;
	return (zv);
}

void
fake_zpl_destroy(zfsvfs_t *zv)
{
	znode_t *zp;

	VERIFY0(zv->zv_held);
	while ((zp = list_head(&zv->zv_znodes)) != NULL)
		znode_destroy(zp);
	list_destroy(&zv->zv_znodes);
	cv_destroy(&zv->zv_gate_cv);
	mutex_destroy(&zv->zv_gate_lock);
	mutex_destroy(&zv->zv_lock);
	kmem_free(zv, sizeof (*zv));
}

uint64_t
fake_zpl_held(zfsvfs_t *zv)
{
	mutex_enter(&zv->zv_lock);
	uint64_t n = zv->zv_held;
	mutex_exit(&zv->zv_lock);
	return (n);
}

void
fake_zpl_set_grain(zfsvfs_t *zv, uint32_t bytes)
{
	__atomic_store_n(&zv->zv_grain, bytes, __ATOMIC_RELAXED);
}

void
fake_zpl_set_settled(zfsvfs_t *zv, bool settled)
{
	__atomic_store_n(&zv->zv_settled, settled, __ATOMIC_RELAXED);
}

void
fake_zpl_set_blocks(zfsvfs_t *zv, uint64_t blocks)
{
	atomic_store_64(&zv->zv_blocks, blocks);
}

void
fake_zpl_set_case(zfsvfs_t *zv, zpl_case_t how)
{
	zv->zv_case = how;
}

void
fake_zpl_fail_writes(zfsvfs_t *zv, int err)
{
	__atomic_store_n(&zv->zv_fail_writes, err, __ATOMIC_RELAXED);
}

void
fake_zpl_block_reads(zfsvfs_t *zv, bool block)
{
	mutex_enter(&zv->zv_gate_lock);
	zv->zv_gate_closed = block;
	cv_broadcast(&zv->zv_gate_cv);
	mutex_exit(&zv->zv_gate_lock);
}

uint32_t
fake_zpl_blocked(zfsvfs_t *zv)
{
	mutex_enter(&zv->zv_gate_lock);
	uint32_t n = zv->zv_gate_waiting;
	mutex_exit(&zv->zv_gate_lock);
	return (n);
}

static void
pass_gate(zfsvfs_t *zv)
{
	mutex_enter(&zv->zv_gate_lock);
	zv->zv_gate_waiting++;
	while (zv->zv_gate_closed)
		cv_wait(&zv->zv_gate_cv, &zv->zv_gate_lock);
	zv->zv_gate_waiting--;
	mutex_exit(&zv->zv_gate_lock);
}

/* ---- the small ones ---------------------------------------------------------------------------- */

int
zpl_get_zplprop(objset_t *os, const char *name, uint64_t *value)
{
	*value = 0;
	return (0);
}

objset_t *
zpl_objset(zfsvfs_t *zv)
{
	return (NULL);
}

zpl_case_t
zpl_case(zfsvfs_t *zv)
{
	return (zv->zv_case);
}

void
zpl_get_opts(zfsvfs_t *zv, zpl_opts_t *zo)
{
	memset(zo, 0, sizeof (*zo));
	zo->zo_ctldir = true;
}

void
zpl_set_opts(zfsvfs_t *zv, const zpl_opts_t *zo)
{
}

int
zpl_root(zfsvfs_t *zv, znode_t **zpp)
{
	mutex_enter(&zv->zv_lock);
	*zpp = hold_locked(zv->zv_root);
	mutex_exit(&zv->zv_lock);
	return (0);
}

int
zpl_get(zfsvfs_t *zv, uint64_t object, uint32_t gen, znode_t **zpp)
{
	znode_t *zp;

	mutex_enter(&zv->zv_lock);
	for (zp = list_head(&zv->zv_znodes); zp; zp = list_next(&zv->zv_znodes, zp))
		if (zp->z_attr.za_object == object)
			break;
	if (zp != NULL)
		*zpp = hold_locked(zp);
	mutex_exit(&zv->zv_lock);
	return (zp != NULL ? 0 : ENOENT);
}

uint64_t
zpl_object(const znode_t *zp)
{
	return (zp->z_attr.za_object);
}

uint32_t
zpl_gen(const znode_t *zp)
{
	return ((uint32_t)zp->z_attr.za_gen);
}

uint32_t
zpl_type(const znode_t *zp)
{
	return (zp->z_attr.za_mode & S_IFMT);
}

bool
zpl_settled(const znode_t *zp)
{
	return (__atomic_load_n(&zp->z_zv->zv_settled, __ATOMIC_RELAXED));
}

bool
zpl_accessed(znode_t *zp)
{
	mutex_enter(&zp->z_zv->zv_lock);
	zp->z_attr.za_atime = now();
	mutex_exit(&zp->z_zv->zv_lock);
	return (true);
}

int
zpl_statfs(zfsvfs_t *zv, znode_t *dzp, zpl_statfs_t *zs)
{
	*zs = (zpl_statfs_t){ .zs_bsize = 131072, .zs_blocks = 1000, .zs_bfree = 400,
		.zs_files = 77, .zs_ffree = 55, .zs_namelen = 255 };
	return (0);
}

/* ---- attributes ------------------------------------------------------------------------------------ */

int
zpl_getattr(znode_t *zp, zpl_attr_t *za)
{
	rw_enter(&zp->z_data_lock, RW_READER);
	mutex_enter(&zp->z_zv->zv_lock);
	*za = zp->z_attr;
	za->za_blocks = avl_numnodes(&zp->z_pages) * (PAGE / 512);
	if (atomic_load_64(&zp->z_zv->zv_blocks) != 0)
		za->za_blocks = atomic_load_64(&zp->z_zv->zv_blocks);
	mutex_exit(&zp->z_zv->zv_lock);
	rw_exit(&zp->z_data_lock);
	return (0);
}

/* data lock held as writer */
static void
drop_pages(znode_t *zp, uint64_t from, uint64_t to)
{
	for (page_t *pg = avl_first(&zp->z_pages), *next; pg != NULL; pg = next) {
		uint64_t start = pg->pg_no * PAGE, a = MAX(from, start), b = MIN(to, start + PAGE);
		next = avl_next(&zp->z_pages, pg);
		if (a >= b)
			continue;
		memset(pg->pg_data + (a - start), 0, b - a);
		if (b - a == PAGE) {
			avl_remove(&zp->z_pages, pg);
			kmem_free(pg, sizeof (*pg));
		}
	}
}

int
zpl_setattr(znode_t *zp, const zpl_attr_t *za, const zpl_cred_t *cr, zpl_attr_t *after)
{
	zfsvfs_t *zv = zp->z_zv;
	zpl_attr_t *to = &zp->z_attr;
	int err = 0;

	rw_enter(&zp->z_data_lock, RW_WRITER);
	mutex_enter(&zv->zv_lock);
	if (!cr->privileged && cr->uid != to->za_uid &&
	    (za->za_mask & (ZPL_AT_MODE | ZPL_AT_UID | ZPL_AT_GID)) != 0)
		err = EPERM;
	if (err == 0 && (za->za_mask & ZPL_AT_MODE) != 0)
		to->za_mode = (to->za_mode & S_IFMT) | za->za_mode;
	if (err == 0 && (za->za_mask & ZPL_AT_UID) != 0)
		to->za_uid = za->za_uid;
	if (err == 0 && (za->za_mask & ZPL_AT_GID) != 0)
		to->za_gid = za->za_gid;
	if (err == 0 && (za->za_mask & ZPL_AT_SIZE) != 0) {
		if (za->za_size < to->za_size)
			drop_pages(zp, za->za_size, UINT64_MAX);
		to->za_size = za->za_size;
		to->za_mtime = now();
		if ((za->za_mask & ZPL_AT_KILL_SUID) != 0)
			to->za_mode &= ~(uint32_t)S_ISUID;
	}
	if (err == 0 && (za->za_mask & ZPL_AT_ATIME) != 0)
		to->za_atime = za->za_atime;
	if (err == 0 && (za->za_mask & ZPL_AT_MTIME) != 0)
		to->za_mtime = za->za_mtime;
	if (err == 0 && (za->za_mask & ZPL_AT_ATIME_NOW) != 0)
		to->za_atime = now();
	if (err == 0 && (za->za_mask & ZPL_AT_MTIME_NOW) != 0)
		to->za_mtime = now();
	if (err == 0 && (za->za_mask & ZPL_AT_FLAGS) != 0)
		to->za_flags = (to->za_flags & ~za->za_flags_mask) | za->za_flags;
	if (err == 0 && (za->za_mask & ZPL_AT_PROJID) != 0)
		to->za_projid = za->za_projid;
	if (err == 0)
		to->za_ctime = now();
	mutex_exit(&zv->zv_lock);
	rw_exit(&zp->z_data_lock);
	return (err != 0 || after == NULL ? err : zpl_getattr(zp, after));
}

/* ---- names ------------------------------------------------------------------------------------------ */

static entry_t **
bucket(znode_t *dzp, const char *name)
{
	uint32_t h = 5381;

	for (; *name != '\0'; name++)
		h = h * 33 + (uint8_t)*name;
	return (&dzp->z_buckets[h % DIR_BUCKETS]);
}

static entry_t *
find(znode_t *dzp, const char *name)
{
	entry_t *en;

	for (en = *bucket(dzp, name); en != NULL; en = en->en_next)
		if (strcmp(en->en_name, name) == 0)
			break;
	return (en);
}

static void
touch(znode_t *dzp)
{
	dzp->z_attr.za_mtime = dzp->z_attr.za_ctime = now();
}

static void
add(znode_t *dzp, const char *name, znode_t *zp)
{
	entry_t *en = kmem_zalloc(sizeof (*en), KM_SLEEP), **b = bucket(dzp, name);

	(void)snprintf(en->en_name, sizeof (en->en_name), "%s", name);
	en->en_zp = zp;
	en->en_cookie = dzp->z_cookie++;
	en->en_next = *b;
	*b = en;
	list_insert_tail(&dzp->z_entries, en);
	dzp->z_attr.za_size++;
	zp->z_attr.za_nlink++;
	if (S_ISDIR(zp->z_attr.za_mode)) {
		zp->z_parent = dzp;
		dzp->z_attr.za_nlink++;
	}
	touch(dzp);
	zp->z_attr.za_ctime = now();
}

static void
del(znode_t *dzp, entry_t *en)
{
	znode_t *zp = en->en_zp;
	entry_t **b = bucket(dzp, en->en_name);

	while (*b != en)
		b = &(*b)->en_next;
	*b = en->en_next;
	list_remove(&dzp->z_entries, en);
	kmem_free(en, sizeof (*en));
	dzp->z_attr.za_size--;
	zp->z_attr.za_nlink--;
	zp->z_attr.za_ctime = now();
	if (S_ISDIR(zp->z_attr.za_mode))
		dzp->z_attr.za_nlink--;
	touch(dzp);
	if (zp->z_attr.za_nlink == 0 && zp->z_refs == 0)
		znode_destroy(zp);
}

static int
find_or(znode_t *dzp, const char *name, znode_t **zpp)
{
	entry_t *en;

	if (!S_ISDIR(dzp->z_attr.za_mode))
		return (ENOTDIR);
	if (strlen(name) > 255)
		return (ENAMETOOLONG);
	if (strcmp(name, ".") == 0)
		*zpp = dzp;
	else if (strcmp(name, "..") == 0)
		*zpp = dzp->z_parent;
	else if ((en = find(dzp, name)) != NULL)
		*zpp = en->en_zp;
	else
		return (ENOENT);
	return (0);
}

int
zpl_lookup(znode_t *dzp, const char *name, const zpl_cred_t *cr, znode_t **zpp,
    char *realname, size_t rn_len)
{
	znode_t *zp;

	mutex_enter(&dzp->z_zv->zv_lock);
	int err = find_or(dzp, name, &zp);
	if (err == 0)
		*zpp = hold_locked(zp);
	mutex_exit(&dzp->z_zv->zv_lock);
	return (err);
}

static int
make(znode_t *dzp, const char *name, uint32_t mode, bool excl, const zpl_cred_t *cr,
    znode_t **zpp, bool *created)
{
	znode_t *zp;

	mutex_enter(&dzp->z_zv->zv_lock);
	int err = find_or(dzp, name, &zp);
	if (err == ENOENT) {
		zp = znode_new(dzp->z_zv, dzp, mode, cr);
		if (S_ISDIR(mode))
			zp->z_attr.za_nlink = 1;
		add(dzp, name, zp);
		*created = true;
		err = 0;
	} else if (err == 0) {
		err = excl ? EEXIST : S_ISDIR(zp->z_attr.za_mode) ? EISDIR : 0;
		*created = false;
	}
	if (err == 0)
		*zpp = hold_locked(zp);
	mutex_exit(&dzp->z_zv->zv_lock);
	return (err);
}

int
zpl_create(znode_t *dzp, const char *name, uint32_t mode, bool excl, const zpl_cred_t *cr,
    znode_t **zpp, bool *created)
{
	return (make(dzp, name, S_IFREG | mode, excl, cr, zpp, created));
}

int
zpl_mkdir(znode_t *dzp, const char *name, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp)
{
	bool created;

	return (make(dzp, name, S_IFDIR | mode, true, cr, zpp, &created));
}

int
zpl_mknod(znode_t *dzp, const char *name, uint32_t mode, uint32_t major, uint32_t minor,
    const zpl_cred_t *cr, znode_t **zpp)
{
	bool created;
	int err = make(dzp, name, mode, true, cr, zpp, &created);

	if (err == 0) {
		(*zpp)->z_attr.za_rdev_major = major;
		(*zpp)->z_attr.za_rdev_minor = minor;
	}
	return (err);
}

int
zpl_symlink(znode_t *dzp, const char *name, const char *target, const zpl_cred_t *cr,
    znode_t **zpp)
{
	bool created;
	int err = make(dzp, name, S_IFLNK | 0777, true, cr, zpp, &created);

	if (err == 0) {
		(*zpp)->z_target = kmem_strdup(target);
		(*zpp)->z_attr.za_size = strlen(target);
	}
	return (err);
}

int
zpl_readlink(znode_t *zp, char *buf, size_t size, size_t *lenp)
{
	if (zp->z_target == NULL)
		return (EINVAL);
	*lenp = strlen(zp->z_target);
	memcpy(buf, zp->z_target, MIN(size, *lenp));
	return (0);
}

int
zpl_link(znode_t *dzp, znode_t *zp, const char *name, const zpl_cred_t *cr)
{
	znode_t *old;

	mutex_enter(&dzp->z_zv->zv_lock);
	int err = find_or(dzp, name, &old);
	if (err == ENOENT)
		add(dzp, name, zp);
	mutex_exit(&dzp->z_zv->zv_lock);
	return (err == ENOENT ? 0 : err == 0 ? EEXIST : err);
}

static int
remove_name(znode_t *dzp, const char *name, bool dir)
{
	znode_t *zp;

	mutex_enter(&dzp->z_zv->zv_lock);
	int err = find_or(dzp, name, &zp);
	if (err == 0 && dir && !S_ISDIR(zp->z_attr.za_mode))
		err = ENOTDIR;
	else if (err == 0 && !dir && S_ISDIR(zp->z_attr.za_mode))
		err = EISDIR;
	else if (err == 0 && dir && !list_is_empty(&zp->z_entries))
		err = ENOTEMPTY;
	if (err == 0) {
		if (dir)
			zp->z_attr.za_nlink = 1;
		del(dzp, find(dzp, name));
	}
	mutex_exit(&dzp->z_zv->zv_lock);
	return (err);
}

int
zpl_unlink(znode_t *dzp, const char *name, const zpl_cred_t *cr)
{
	return (remove_name(dzp, name, false));
}

int
zpl_rmdir(znode_t *dzp, const char *name, const zpl_cred_t *cr)
{
	return (remove_name(dzp, name, true));
}

int
zpl_rename(znode_t *sdzp, const char *sname, znode_t *tdzp, const char *tname, uint32_t flags,
    const zpl_cred_t *cr)
{
	znode_t *szp, *tzp = NULL;

	mutex_enter(&sdzp->z_zv->zv_lock);
	int err = find_or(sdzp, sname, &szp);
	int terr = find_or(tdzp, tname, &tzp);
	if (err == 0 && terr == 0 && (flags & 1) != 0)
		err = EEXIST;
	if (err == 0 && terr != 0 && (flags & 2) != 0)
		err = ENOENT;
	if (err == 0 && terr == 0 && !(flags & 2) && !list_is_empty(&tzp->z_entries))
		err = ENOTEMPTY;
	if (err == 0 && szp != tzp) {
		/* Names first, so that nothing loses its last one on the way. */
		hold_locked(szp);
		if (tzp != NULL)
			hold_locked(tzp);
		del(sdzp, find(sdzp, sname));
		if (tzp != NULL) {
			if (S_ISDIR(tzp->z_attr.za_mode) && !(flags & 2))
				tzp->z_attr.za_nlink = 1;
			del(tdzp, find(tdzp, tname));
			if ((flags & 2) != 0)
				add(sdzp, sname, tzp);
			tzp->z_zv->zv_held--;
			if (--tzp->z_refs == 0 && tzp->z_attr.za_nlink == 0)
				znode_destroy(tzp);
		}
		add(tdzp, tname, szp);
		szp->z_refs--;
		szp->z_zv->zv_held--;
	}
	mutex_exit(&sdzp->z_zv->zv_lock);
	return (err);
}

int
zpl_tmpfile(znode_t *dzp, uint32_t mode, const zpl_cred_t *cr, znode_t **zpp)
{
	mutex_enter(&dzp->z_zv->zv_lock);
	*zpp = hold_locked(znode_new(dzp->z_zv, dzp, S_IFREG | mode, cr));
	mutex_exit(&dzp->z_zv->zv_lock);
	return (0);
}

int
zpl_readdir(znode_t *dzp, uint64_t *cookie, zpl_dirent_cb_t *emit, void *arg, bool *eof)
{
	bool more = true;

	if (!S_ISDIR(dzp->z_attr.za_mode))
		return (ENOTDIR);
	mutex_enter(&dzp->z_zv->zv_lock);
	if (*cookie == 0 && (more = emit(arg, ".", 1, dzp->z_attr.za_object, DT_DIR, 1)))
		*cookie = 1;
	if (more && *cookie == 1 &&
	    (more = emit(arg, "..", 2, dzp->z_parent->z_attr.za_object, DT_DIR, 2)))
		*cookie = 2;
	for (entry_t *en = list_head(&dzp->z_entries); more && en != NULL;
	     en = list_next(&dzp->z_entries, en)) {
		if (en->en_cookie < *cookie)
			continue;
		more = emit(arg, en->en_name, strlen(en->en_name), en->en_zp->z_attr.za_object,
		    (uint8_t)IFTODT(en->en_zp->z_attr.za_mode), en->en_cookie + 1);
		if (more)
			*cookie = en->en_cookie + 1;
	}
	if (eof != NULL)
		*eof = more;
	mutex_exit(&dzp->z_zv->zv_lock);
	return (0);
}

/* ---- data ---------------------------------------------------------------------------------------------- */

static page_t *
page_find(znode_t *zp, uint64_t no)
{
	page_t key = { .pg_no = no };

	return (avl_find(&zp->z_pages, &key, NULL));
}

int
zpl_read(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt, size_t *donep,
    const zpl_cred_t *cr)
{
	size_t done = 0;

	pass_gate(zp->z_zv);
	rw_enter(&zp->z_data_lock, RW_READER);
	uint64_t size = zp->z_attr.za_size;
	for (int i = 0; i < iovcnt; i++) {
		for (size_t at = 0; at < iov[i].iov_len && off < size;) {
			uint64_t skip = off % PAGE;
			size_t n = MIN(MIN(PAGE - skip, iov[i].iov_len - at), size - off);
			page_t *pg = page_find(zp, off / PAGE);
			memcpy((char *)iov[i].iov_base + at, pg ? pg->pg_data + skip : zeros, n);
			at += n;
			off += n;
			done += n;
		}
	}
	rw_exit(&zp->z_data_lock);
	*donep = done;
	return (0);
}

int
zpl_read_pin(znode_t *zp, uint64_t off, size_t len, struct iovec *iov, int *iovcnt,
    size_t *donep, zpl_pin_t **pinp)
{
	zpl_pin_t *pin = kmem_alloc(sizeof (*pin), KM_SLEEP);
	uint32_t grain = __atomic_load_n(&zp->z_zv->zv_grain, __ATOMIC_RELAXED);
	size_t done = 0;
	int n = 0;

	pass_gate(zp->z_zv);
	rw_enter(&zp->z_data_lock, RW_READER);
	uint64_t size = zp->z_attr.za_size;
	len = off >= size ? 0 : MIN(len, size - off);
	while (done < len && n < *iovcnt) {
		uint64_t at = off + done, skip = at % PAGE;
		size_t part = MIN(grain - at % grain, len - done);
		page_t *pg = page_find(zp, at / PAGE);
		iov[n].iov_base = pg ? pg->pg_data + skip : (void *)(uintptr_t)zeros;
		iov[n++].iov_len = part;
		done += part;
	}
	pin->pn_zp = zp;
	*iovcnt = n;
	*donep = done;
	*pinp = pin;
	return (0);
}

void
zpl_read_unpin(zpl_pin_t *pin)
{
	rw_exit(&pin->pn_zp->z_data_lock);
	kmem_free(pin, sizeof (*pin));
}

int
zpl_write(znode_t *zp, uint64_t off, const struct iovec *iov, int iovcnt, uint32_t flags,
    size_t *donep, uint64_t *offp, const zpl_cred_t *cr)
{
	int err = __atomic_load_n(&zp->z_zv->zv_fail_writes, __ATOMIC_RELAXED);
	size_t done = 0;

	if (err != 0)
		return (err);
	rw_enter(&zp->z_data_lock, RW_WRITER);
	for (int i = 0; i < iovcnt; i++) {
		for (size_t at = 0; at < iov[i].iov_len;) {
			uint64_t skip = off % PAGE;
			size_t n = MIN(PAGE - skip, iov[i].iov_len - at);
			page_t *pg = page_find(zp, off / PAGE);
			if (pg == NULL) {
				pg = kmem_zalloc(sizeof (*pg), KM_SLEEP);
				pg->pg_no = off / PAGE;
				avl_add(&zp->z_pages, pg);
			}
			memcpy(pg->pg_data + skip, (char *)iov[i].iov_base + at, n);
			at += n;
			off += n;
			done += n;
		}
	}
	mutex_enter(&zp->z_zv->zv_lock);
	zp->z_attr.za_size = MAX(zp->z_attr.za_size, off);
	zp->z_attr.za_mtime = zp->z_attr.za_ctime = now();
	if ((flags & ZPL_WRITE_KEEP_SUID) == 0 && !cr->privileged)
		zp->z_attr.za_mode &= ~(uint32_t)S_ISUID;
	mutex_exit(&zp->z_zv->zv_lock);
	rw_exit(&zp->z_data_lock);
	*donep = done;
	return (0);
}

int
zpl_truncate(znode_t *zp, uint64_t size, const zpl_cred_t *cr)
{
	zpl_attr_t za = { .za_mask = ZPL_AT_SIZE, .za_size = size };

	return (zpl_setattr(zp, &za, cr, NULL));
}

int
zpl_fallocate(znode_t *zp, int mode, uint64_t off, uint64_t len, const zpl_cred_t *cr)
{
	rw_enter(&zp->z_data_lock, RW_WRITER);
	if ((mode & ~1) != 0) /* punch or zero */
		drop_pages(zp, off, off + len);
	if ((mode & 1) == 0)
		zp->z_attr.za_size = MAX(zp->z_attr.za_size, off + len);
	rw_exit(&zp->z_data_lock);
	return (0);
}

int
zpl_lseek(znode_t *zp, uint64_t off, int whence, uint64_t *resultp)
{
	rw_enter(&zp->z_data_lock, RW_READER);
	uint64_t size = zp->z_attr.za_size;
	int err = off >= size ? ENXIO : 0;
	while (err == 0 && off < size && (page_find(zp, off / PAGE) != NULL) != (whence == SEEK_DATA))
		off = P2ALIGN(off + PAGE, PAGE);
	if (err == 0 && off >= size && whence == SEEK_DATA)
		err = ENXIO;
	rw_exit(&zp->z_data_lock);
	if (err == 0)
		*resultp = MIN(off, size);
	return (err);
}

int
zpl_sync(zfsvfs_t *zv, bool wait)
{
	return (0);
}

int
zpl_fsync(znode_t *zp, bool datasync)
{
	return (0);
}

/* ---- extended attributes ---------------------------------------------------------------------------------- */

static xattr_t *
xattr_find(znode_t *zp, const char *name)
{
	xattr_t *xa;

	for (xa = list_head(&zp->z_xattrs); xa != NULL; xa = list_next(&zp->z_xattrs, xa))
		if (strcmp(xa->xa_name, name) == 0)
			break;
	return (xa);
}

int
zpl_xattr_get(znode_t *zp, const char *name, void *buf, size_t size, size_t *lenp,
    const zpl_cred_t *cr)
{
	int err = 0;

	mutex_enter(&zp->z_zv->zv_lock);
	xattr_t *xa = xattr_find(zp, name);
	if (xa == NULL)
		err = ENODATA;
	else if (size > 0 && size < xa->xa_len)
		err = ERANGE;
	if (err == 0) {
		*lenp = xa->xa_len;
		memcpy(buf, xa->xa_value, MIN(size, xa->xa_len));
	}
	mutex_exit(&zp->z_zv->zv_lock);
	return (err);
}

int
zpl_xattr_set(znode_t *zp, const char *name, const void *value, size_t size, int flags,
    const zpl_cred_t *cr)
{
	int err = 0;

	mutex_enter(&zp->z_zv->zv_lock);
	xattr_t *xa = xattr_find(zp, name);
	if (xa != NULL && (flags & 1) != 0)
		err = EEXIST;
	else if (xa == NULL && (flags & 2) != 0)
		err = ENODATA;
	if (err == 0) {
		xattr_t *fresh = kmem_zalloc(sizeof (*fresh) + size, KM_SLEEP);
		(void)snprintf(fresh->xa_name, sizeof (fresh->xa_name), "%s", name);
		fresh->xa_len = size;
		if (size > 0)
			memcpy(fresh->xa_value, value, size);
		if (xa != NULL) {
			list_remove(&zp->z_xattrs, xa);
			kmem_free(xa, sizeof (*xa) + xa->xa_len);
		}
		list_insert_tail(&zp->z_xattrs, fresh);
	}
	mutex_exit(&zp->z_zv->zv_lock);
	return (err);
}

int
zpl_xattr_remove(znode_t *zp, const char *name, const zpl_cred_t *cr)
{
	mutex_enter(&zp->z_zv->zv_lock);
	xattr_t *xa = xattr_find(zp, name);
	if (xa != NULL) {
		list_remove(&zp->z_xattrs, xa);
		kmem_free(xa, sizeof (*xa) + xa->xa_len);
	}
	mutex_exit(&zp->z_zv->zv_lock);
	return (xa != NULL ? 0 : ENODATA);
}

int
zpl_xattr_list(znode_t *zp, char *buf, size_t size, size_t *lenp, const zpl_cred_t *cr)
{
	size_t len = 0;

	mutex_enter(&zp->z_zv->zv_lock);
	for (xattr_t *xa = list_head(&zp->z_xattrs); xa; xa = list_next(&zp->z_xattrs, xa)) {
		size_t n = strlen(xa->xa_name) + 1;
		if (strncmp(xa->xa_name, "trusted.", 8) == 0 && !cr->privileged)
			continue;
		if (len + n <= size)
			memcpy(buf + len, xa->xa_name, n);
		len += n;
	}
	mutex_exit(&zp->z_zv->zv_lock);
	*lenp = len;
	return (size > 0 && len > size ? ERANGE : 0);
}
