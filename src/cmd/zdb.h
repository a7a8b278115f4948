/*
 * zdb: looks at everything a pool consists of and never changes it.
 *
 * The problem. When something is wrong with a pool, people do not want an opinion but the
 * structures themselves: labels, uberblocks, dnodes, block pointers, space maps; and one answer that
 * nothing else gives: is every allocated byte referenced exactly once?
 *
 * The idea. Open the pool read-only in this process, with the same rooms that serve it, and print
 * what they find in the layout of OpenZFS's zdb, which scripts and support engineers read. The rooms
 * check what they load; zdb looks beneath them where they would hide something (zdb_block.c reads
 * committed blocks through the ARC and not through dbufs).
 *
 *      zdb.c           options, opening the pool, order of the reports
 *      zdb_text.c      numbers, histograms, hex dumps
 *      zdb_label.c     -l: labels and uberblock rings of a device, also a damaged one
 *      zdb_config.c    -C -u -h
 *      zdb_metaslab.c  -m -M: metaslabs, space maps, log space maps
 *      zdb_block.c     committed dnodes and pointers, without dbufs
 *      zdb_dataset.c   -d: data sets, deadlists, features
 *      zdb_object.c    -dd…: objects; zdb_zap.c, zdb_znode.c, zdb_bonus.c: their contents
 *      zdb_traverse.c  -b -c: everything reachable; zdb_stats.c: its tables
 *      zdb_space.c     ownership of space: each range claimed once, nothing left over
 *      zdb_shared.c    blocks that may have several references: dedup and clone tables
 *      zdb_read.c      -R -E: blocks by address
 *
 * Nothing is written: the import is read-only, so the leaves are opened O_RDONLY, there are no
 * sync threads, and a read that finds a bad copy must not repair it. A pool in use by its daemon may be
 * looked at, too; what changes meanwhile may then look damaged, as with any zdb.
 *
 * Everything comes from a disk and may be hostile: loops are bounded by sizes that were checked, and
 * an error ends the part that it concerns with a sentence.
 *
 * Threads: one; checksums of -c are verified in callbacks (zdb_traverse.c).
 *
 * Exit status: 0 all is well, 1 wrong usage or no such pool, 2 errors were found (zdb -l: labels are missing),
 * 3 blocks could not be read or are wrong.
 */
#ifndef TARN_ZDB_H
#define TARN_ZDB_H

#include "cmd/cmd.h"

#define ZDB_NUMBUF 32

typedef struct zdb_range {
	uint64_t zr_start, zr_end; /* object numbers, both included */
} zdb_range_t;

typedef struct zdb {
	uint8_t z_opt[128];  /* how often each letter was given; what is not asked for is 0 */
	uint64_t z_verbose;  /* -v */
	bool z_parseable;    /* -P */
	bool z_exported;     /* -e */
	bool z_skip_leaks;   /* -L */
	bool z_quiet_labels; /* -q */
	uint64_t z_txg;	     /* -t; 0: newest */
	const char *z_cachefile;
	const char **z_paths;
	size_t z_npaths;

	nvlist_t *z_config; /* found by searching, with -e */
	spa_t *z_spa;
	zdb_range_t *z_ranges; /* objects asked for */
	size_t z_nranges;
	int z_error; /* worst exit status so far */
} zdb_t;

/* ---- text ---------------------------------------------------------------------------------------- */

/* 1.50K, or all digits with -P. */
char *zdb_num(const zdb_t *z, uint64_t n, char buf[ZDB_NUMBUF]);
/* The lines of a histogram from the first to the last that is not 0; `shift` is added to the index. */
void zdb_histogram(const uint64_t *hist, int n, int shift);
void zdb_time_line(const char *name, uint64_t seconds);
void zdb_hexdump(const void *data, size_t size);
/* Name of a data set for a sentence. */
const char *zdb_objset_type_name(dmu_objset_type_t type);
/* A damaged place: on stderr, and the exit status becomes 2. */
void zdb_damage(zdb_t *z, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- parts of the report --------------------------------------------------------------------------- */

int zdb_labels(zdb_t *z, const char *device);
void zdb_print_config(zdb_t *z);
int zdb_print_cachefile(zdb_t *z);
void zdb_print_uberblock(zdb_t *z);
void zdb_print_history(zdb_t *z);
/* argv: vdev [metaslab …], or nothing. */
void zdb_metaslabs(zdb_t *z, int argc, char **argv);
void zdb_metaslab_groups(zdb_t *z);
void zdb_log_space_maps(zdb_t *z);
void zdb_space_map(zdb_t *z, uint64_t object, uint64_t start, uint64_t size, int shift);
void zdb_datasets(zdb_t *z);
/* One data set by name or "pool/number". */
int zdb_dataset(zdb_t *z, const char *name);
void zdb_ddt(zdb_t *z);
void zdb_brt(zdb_t *z);
void zdb_traverse(zdb_t *z);
int zdb_read_block(zdb_t *z, const char *where);
int zdb_embedded(const char *words);

/* ---- committed blocks (zdb_block.c) ------------------------------------------------------------------ */

#define ZDB_SPILL_BLKID UINT64_MAX

/*
 * The content of a block of metadata, host order; release with arc_buf_rele. Errors of arc_read_wait.
 */
int zdb_bp_read(spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb, arc_buf_t **bufp);
/* A dnode: `dn_buf` receives all its slots (kmem, free with zdb_dnode_free). ENOENT, EIO. */
int zdb_dnode_get(objset_t *os, uint64_t object, dnode_phys_t **dnpp);
void zdb_dnode_free(dnode_phys_t *dnp);
/*
 * Visit the pointers of an object top-down in order, holes with a birth too. func returns an errno to
 * stop. An indirect block that cannot be read is reported to `bad` and skipped.
 */
typedef struct zdb_walk {
	void (*zw_func)(void *arg, const blkptr_t *bp, const zbookmark_phys_t *zb);
	void (*zw_bad)(void *arg, const blkptr_t *bp, const zbookmark_phys_t *zb, int error);
	void *zw_arg;
} zdb_walk_t;
void zdb_walk(objset_t *os, uint64_t object, const dnode_phys_t *dnp, const zdb_walk_t *zw);
/* The pointer in the short form of block listings. dvas: how many. */
void zdb_blkptr_compact(const blkptr_t *bp, int dvas, bool bp_freed, char *buf, size_t size);

/* ---- objects ------------------------------------------------------------------------------------------- */

/* All objects of an object set, or those asked for. level: how much to say of each. */
void zdb_objects(zdb_t *z, objset_t *os, const char *name, int level);
void zdb_bonus(zdb_t *z, objset_t *os, uint64_t object, const dmu_object_info_t *doi);
void zdb_content(zdb_t *z, objset_t *os, uint64_t object, const dmu_object_info_t *doi);
void zdb_zap(zdb_t *z, objset_t *os, uint64_t object, const dmu_object_info_t *doi);
void zdb_znode(zdb_t *z, objset_t *os, uint64_t object, const dmu_object_info_t *doi, int level);
/* Forget what zdb_znode keeps of the object set that was printed last. */
void zdb_znode_done(void);
/* "name: object N, n blkptrs, …" and, verbosely, the pointers. */
void zdb_bpobj(zdb_t *z, uint64_t object, const char *name, int indent, int level);

/* ---- ownership of space (zdb_space.c) -------------------------------------------------------------------- */

typedef struct zdb_space zdb_space_t;

/* What the space maps say is allocated; NULL: they cannot be loaded (reported). */
zdb_space_t *zdb_space_load(zdb_t *z);
void zdb_space_free(zdb_space_t *zs);
/* Somebody owns this range; errors are counted and printed with the block's words. */
void zdb_space_claim(zdb_space_t *zs, const blkptr_t *bp, const dva_t *dva);
/* Everything was claimed: what is left is leaked. False if anything is. `found`: bytes claimed. */
bool zdb_space_finish(zdb_space_t *zs, uint64_t *found, uint64_t *alloc);
/* Bytes allocated by the space maps, and size, of a class. */
typedef enum zdb_class { ZDB_NORMAL, ZDB_LOG, ZDB_SPECIAL, ZDB_DEDUP, ZDB_CLASSES } zdb_class_t;
zdb_class_t zdb_vdev_class(spa_t *spa, vdev_t *top);
void zdb_class_space(spa_t *spa, zdb_class_t c, uint64_t *alloc, uint64_t *space);

/* ---- blocks with several references (zdb_shared.c) ---------------------------------------------------------- */

typedef struct zdb_shared zdb_shared_t;
typedef enum zdb_reference {
	ZDB_REF_ONLY,  /* an ordinary block */
	ZDB_REF_FIRST, /* the first reference to a shared one */
	ZDB_REF_DEDUP, /* one more: the dedup table knows */
	ZDB_REF_CLONE, /* one more: the clone table knows */
} zdb_reference_t;
zdb_shared_t *zdb_shared_load(zdb_t *z);
void zdb_shared_free(zdb_shared_t *sh);
/* Which reference to its block is this? */
zdb_reference_t zdb_shared_claim(zdb_shared_t *sh, const blkptr_t *bp);
/* All copies of a dedup block, SPA_DVAS_PER_BP of them (its pointers may name fewer); NULL: not of a table. */
const dva_t *zdb_shared_dvas(zdb_shared_t *sh, const blkptr_t *bp);
/* Space of entries that nothing refers to any more, but which are not removed yet. */
void zdb_shared_orphans(
    zdb_shared_t *sh, void (*func)(void *arg, const dva_t *dva), void *arg);
/* After the last claim: entries that count more or fewer references than were found; reported. */
uint64_t zdb_shared_unmatched(zdb_t *z, zdb_shared_t *sh);

#endif
