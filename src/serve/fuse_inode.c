/*
 * Inodes: what the kernel calls by number, and how often it was told.
 *
 * The number is the object number (the root is FUSE_ROOT_ID), not an address: NFS file
 * handles keep it for years, and a number that we do not know yet is simply looked up. Each entry
 * holds its znode, so an object whose number the kernel still uses is not freed and its
 * number cannot be given to another file.
 *
 * After a rollback a number may stand for another file: the znode at hand is stale then and
 * a lookup brings a new one. The entry takes it over; the kernel sees the other generation
 * and drops its old inode, whose lookups it takes back from the same count.
 *
 * Locks: fs_lock of one shard; below it only zpl_hold(). Nothing is released under it,
 * because the last zpl_rele() of an unlinked file frees its data.
 */
#include "serve/fuse_impl.h"

static uint64_t
object_hash(uint64_t object)
{
	return (object * 0x9e3779b97f4a7c15ULL);
}

static fuse_shard_t *
shard_of(fuse_fs_t *ff, uint64_t object)
{
	return (&ff->ff_shards[object_hash(object) >> 58]);
}

static uint32_t
head_of(const fuse_shard_t *fs, uint64_t object)
{
	return ((uint32_t)(object_hash(object) >> 26) & (fs->fs_size - 1));
}

static uint64_t
ino_to_object(const fuse_fs_t *ff, fuse_ino_t ino)
{
	return (ino == FUSE_ROOT_ID ? ff->ff_root : ino);
}

static fuse_ino_t
object_to_ino(const fuse_fs_t *ff, uint64_t object)
{
	return (object == ff->ff_root ? FUSE_ROOT_ID : object);
}

static fuse_inode_t *
shard_find(fuse_shard_t *fs, uint64_t object)
{
	fuse_inode_t *fi;

	ASSERT(MUTEX_HELD(&fs->fs_lock));
	if (fs->fs_size == 0)
		return (NULL);
	for (fi = fs->fs_heads[head_of(fs, object)]; fi != NULL; fi = fi->fi_next)
		if (fi->fi_object == object)
			break;
	return (fi);
}

/* Twice as many heads when there is more than one entry for each. */
static void
shard_grow(fuse_shard_t *fs)
{
	uint32_t oldsize = fs->fs_size;
	fuse_inode_t **old = fs->fs_heads;

	fs->fs_size = oldsize == 0 ? 16 : oldsize * 2;
	fs->fs_heads = kmem_zalloc(fs->fs_size * sizeof (*old), KM_SLEEP);
	for (uint32_t i = 0; i < oldsize; i++) {
		fuse_inode_t *next;
		for (fuse_inode_t *fi = old[i]; fi != NULL; fi = next) {
			uint32_t h = head_of(fs, fi->fi_object);
			next = fi->fi_next;
			fi->fi_next = fs->fs_heads[h];
			fs->fs_heads[h] = fi;
		}
	}
	kmem_free(old, oldsize * sizeof (*old));
}

static void
shard_insert(fuse_shard_t *fs, fuse_inode_t *fi)
{
	if (fs->fs_count >= fs->fs_size)
		shard_grow(fs);
	uint32_t h = head_of(fs, fi->fi_object);
	fi->fi_next = fs->fs_heads[h];
	fs->fs_heads[h] = fi;
	fs->fs_count++;
}

static void
shard_remove(fuse_shard_t *fs, fuse_inode_t *fi)
{
	fuse_inode_t **pp = &fs->fs_heads[head_of(fs, fi->fi_object)];

	while (*pp != fi)
		pp = &(*pp)->fi_next;
	*pp = fi->fi_next;
	fs->fs_count--;
}

bool
fuse_inode_find(fuse_fs_t *ff, fuse_ino_t ino, znode_t **zpp)
{
	uint64_t object = ino_to_object(ff, ino);
	fuse_shard_t *fs = shard_of(ff, object);

	mutex_enter(&fs->fs_lock);
	fuse_inode_t *fi = shard_find(fs, object);
	if (fi != NULL) {
		zpl_hold(fi->fi_zp);
		*zpp = fi->fi_zp;
	}
	mutex_exit(&fs->fs_lock);
	return (fi != NULL);
}

int
fuse_inode_hold(fuse_fs_t *ff, fuse_ino_t ino, znode_t **zpp)
{
	if (fuse_inode_find(ff, ino, zpp))
		return (0);
	/* The root, or a file handle of NFS whose inode the kernel has forgotten. */
	int err = zpl_get(ff->ff_zfsvfs, ino_to_object(ff, ino), 0, zpp);
	return (err == ENOENT ? ESTALE : err);
}

fuse_ino_t
fuse_inode_told(fuse_fs_t *ff, znode_t *zp)
{
	uint64_t object = zpl_object(zp);
	fuse_shard_t *fs = shard_of(ff, object);
	znode_t *drop = zp;

	mutex_enter(&fs->fs_lock);
	fuse_inode_t *fi = shard_find(fs, object);
	if (fi == NULL) {
		fi = kmem_zalloc(sizeof (*fi), KM_SLEEP);
		fi->fi_object = object;
		shard_insert(fs, fi);
	}
	if (fi->fi_zp != zp) {
		drop = fi->fi_zp;
		fi->fi_zp = zp;
	}
	fi->fi_nlookup++;
	mutex_exit(&fs->fs_lock);
	if (drop != NULL)
		zpl_rele(drop);
	return (object_to_ino(ff, object));
}

void
fuse_inode_forget(fuse_fs_t *ff, fuse_ino_t ino, uint64_t nlookup)
{
	uint64_t object = ino_to_object(ff, ino);
	fuse_shard_t *fs = shard_of(ff, object);

	mutex_enter(&fs->fs_lock);
	fuse_inode_t *fi = shard_find(fs, object);
	if (fi != NULL) {
		fi->fi_nlookup -= MIN(fi->fi_nlookup, nlookup);
		if (fi->fi_nlookup == 0)
			shard_remove(fs, fi);
		else
			fi = NULL;
	}
	mutex_exit(&fs->fs_lock);
	if (fi != NULL) {
		zpl_rele(fi->fi_zp);
		kmem_free(fi, sizeof (*fi));
	}
}

void
fuse_inode_all(fuse_fs_t *ff, fuse_ino_t **inosp, size_t *np)
{
	size_t n = 0, room = 0;
	fuse_ino_t *inos = NULL;

	for (uint32_t s = 0; s < FUSE_SHARDS; s++) {
		fuse_shard_t *fs = &ff->ff_shards[s];
		mutex_enter(&fs->fs_lock);
		if (n + fs->fs_count > room) {
			size_t more = (n + fs->fs_count) * 2;
			fuse_ino_t *bigger = kmem_alloc(more * sizeof (*inos), KM_SLEEP);
			if (n > 0)
				memcpy(bigger, inos, n * sizeof (*inos));
			kmem_free(inos, room * sizeof (*inos));
			inos = bigger;
			room = more;
		}
		for (uint32_t h = 0; h < fs->fs_size; h++)
			for (fuse_inode_t *fi = fs->fs_heads[h]; fi; fi = fi->fi_next)
				inos[n++] = object_to_ino(ff, fi->fi_object);
		mutex_exit(&fs->fs_lock);
	}
	*inosp = kmem_alloc(n * sizeof (*inos), KM_SLEEP);
	if (n > 0)
		memcpy(*inosp, inos, n * sizeof (*inos));
	kmem_free(inos, room * sizeof (*inos));
	*np = n;
}

void
fuse_itable_init(fuse_fs_t *ff)
{
	for (uint32_t s = 0; s < FUSE_SHARDS; s++)
		mutex_init(&ff->ff_shards[s].fs_lock);
}

void
fuse_itable_fini(fuse_fs_t *ff)
{
	for (uint32_t s = 0; s < FUSE_SHARDS; s++) {
		fuse_shard_t *fs = &ff->ff_shards[s];
		for (uint32_t h = 0; h < fs->fs_size; h++) {
			fuse_inode_t *next;
			for (fuse_inode_t *fi = fs->fs_heads[h]; fi != NULL; fi = next) {
				next = fi->fi_next;
				zpl_rele(fi->fi_zp);
				kmem_free(fi, sizeof (*fi));
			}
		}
		kmem_free(fs->fs_heads, fs->fs_size * sizeof (*fs->fs_heads));
		mutex_destroy(&fs->fs_lock);
	}
}
