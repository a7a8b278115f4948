/*
 * Reading ahead. Each object remembers a few streams: places where reading went on last
 * time. A read that begins where a stream ended continues it, and each continuation
 * doubles how far ahead of it blocks are fetched into the ARC. Random reads start
 * streams that nobody continues; they cost nothing but a slot, and the oldest slot goes
 * first.
 *
 * Never waits: a block whose pointer is not in memory is left out, and its L1 is
 * fetched.
 *
 * Locks: zf_lock, nothing below it but the ARC's.
 */
#include "dmu/dmu_impl.h"

#define ZFETCH_STREAMS 8
#define ZFETCH_MAX_BYTES (8ULL << 20)
#define ZFETCH_MIN_BLOCKS 4

typedef struct zstream {
	uint64_t zs_next;     /* where the next read is expected */
	uint64_t zs_ahead;    /* fetched up to here */
	uint64_t zs_distance; /* blocks */
	uint64_t zs_stamp;
} zstream_t;

struct zfetch {
	kmutex_t zf_lock;
	uint64_t zf_stamp;
	zstream_t zf_stream[ZFETCH_STREAMS];
};

/* ---- one block ----------------------------------------------------------- */

/* Pointer of a block if that is known without I/O. */
static bool
bp_in_memory(dnode_t *dn, int level, uint64_t blkid, blkptr_t *bp)
{
	const int epbs = dn_epbs(dn);
	bool known = false;

	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	mutex_enter(&dn->dn_mtx);
	const int nlevels = dn->dn_phys->dn_nlevels;
	const bool inside =
	    level < nlevels &&
	    blkid < dnode_capacity(dn->dn_phys->dn_nblkptr, epbs, nlevels - level);
	if (inside && level == nlevels - 1) {
		*bp = dn->dn_phys->dn_blkptr[blkid];
		known = true;
	}
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	if (!inside || known)
		return (known);
	dbuf_t *db = dbuf_find(dn, level + 1, blkid >> epbs);
	if (db != NULL) {
		mutex_enter(&db->db_mtx);
		if (db->db_state == DB_CACHED) {
			*bp = *indirect_block_bp(db->db.db_data, db->db.db_size,
			    blkid & ((1ULL << epbs) - 1));
			known = true;
		}
		mutex_exit(&db->db_mtx);
		dbuf_rele(db);
	}
	if (!known)
		dbuf_prefetch(dn, level + 1, blkid >> epbs);
	return (known);
}

void
dbuf_prefetch(dnode_t *dn, int level, uint64_t blkid)
{
	objset_t *os = dn->dn_os;
	zbookmark_phys_t zb;
	blkptr_t bp;

	dbuf_t *db = dbuf_find(dn, level, blkid);
	if (db != NULL) {
		dbuf_rele(db);
		return;
	}
	if (!bp_in_memory(dn, level, blkid, &bp) || BP_IS_HOLE(&bp) ||
	    BP_IS_EMBEDDED(&bp))
		return;
	SET_BOOKMARK(&zb, os->os_dsobj, dn->dn_object, level, blkid);
	arc_read(NULL, os->os_spa, &bp, NULL, NULL, ZIO_PRIORITY_ASYNC_READ,
	    ZIO_FLAG_CANFAIL | ZIO_FLAG_SPECULATIVE, ARC_FLAG_PREFETCH, &zb);
}

/* ---- streams ------------------------------------------------------------- */

static zfetch_t *
zfetch_get(dnode_t *dn)
{
	mutex_enter(&dn->dn_mtx);
	if (dn->dn_zfetch == NULL) {
		dn->dn_zfetch = kmem_zalloc(sizeof(zfetch_t), KM_SLEEP);
		mutex_init(&dn->dn_zfetch->zf_lock);
	}
	zfetch_t *zf = dn->dn_zfetch;
	mutex_exit(&dn->dn_mtx);
	return (zf);
}

void
zfetch_destroy(dnode_t *dn)
{
	if (dn->dn_zfetch == NULL)
		return;
	mutex_destroy(&dn->dn_zfetch->zf_lock);
	kmem_free(dn->dn_zfetch, sizeof(zfetch_t));
}

/*
 * Note the read of nblks blocks from blkid; *from, *to: what to fetch. Reads that lag a
 * little behind the expected place (several threads on one file) continue the stream
 * too.
 */
static void
zfetch_note(zfetch_t *zf, uint64_t blkid, uint64_t nblks, uint64_t maxdist,
    uint64_t *from, uint64_t *to)
{
	zstream_t *oldest = &zf->zf_stream[0], *zs = NULL;

	*from = *to = 0;
	mutex_enter(&zf->zf_lock);
	for (int i = 0; i < ZFETCH_STREAMS; i++) {
		zstream_t *s = &zf->zf_stream[i];
		if (s->zs_stamp != 0 && blkid <= s->zs_next &&
		    blkid + nblks + ZFETCH_MIN_BLOCKS >= s->zs_next && s->zs_next > 0)
			zs = s;
		if (s->zs_stamp < oldest->zs_stamp)
			oldest = s;
	}
	if (zs == NULL) {
		oldest->zs_next = oldest->zs_ahead = blkid + nblks;
		oldest->zs_distance = ZFETCH_MIN_BLOCKS;
		oldest->zs_stamp = ++zf->zf_stamp;
	} else if (blkid + nblks > zs->zs_next) {
		zs->zs_next = blkid + nblks;
		zs->zs_stamp = ++zf->zf_stamp;
		zs->zs_distance = MIN(maxdist, zs->zs_distance * 2);
		*from = MAX(zs->zs_ahead, zs->zs_next);
		*to = zs->zs_next + zs->zs_distance;
		if (*to > *from)
			zs->zs_ahead = *to;
	}
	mutex_exit(&zf->zf_lock);
}

void
zfetch_read(dnode_t *dn, uint64_t blkid, uint64_t nblks)
{
	uint64_t from, to;
	const uint64_t maxblkid = dn_maxblkid_get(dn);

	if (maxblkid < ZFETCH_MIN_BLOCKS || blkid > maxblkid ||
	    dn->dn_object == DMU_META_DNODE_OBJECT)
		return;
	const uint64_t maxdist =
	    MAX(ZFETCH_MIN_BLOCKS, ZFETCH_MAX_BYTES / dn->dn_datablksz);
	zfetch_note(zfetch_get(dn), blkid, nblks, maxdist, &from, &to);
	for (; from < to && from <= maxblkid; from++)
		dbuf_prefetch(dn, 0, from);
}

/* ---- on request ---------------------------------------------------------- */

void
dmu_prefetch(objset_t *os, uint64_t object, uint64_t offset, uint64_t len)
{
	dnode_t *dn;

	if (len == 0 || dnode_hold(os, object, &dn) != 0)
		return;
	const uint64_t first = offset / dn->dn_datablksz;
	uint64_t last =
	    (offset + MIN(len, 8 * ZFETCH_MAX_BYTES) - 1) / dn->dn_datablksz;
	last = MIN(last, dn_maxblkid_get(dn));
	for (uint64_t b = first; b <= last; b++)
		dbuf_prefetch(dn, 0, b);
	dnode_rele(dn);
}

void
dmu_prefetch_dnode(objset_t *os, uint64_t object)
{
	if (object != 0 && object < DN_MAX_OBJECT)
		dbuf_prefetch(os->os_mdn, 0, object >> DNODES_PER_BLOCK_SHIFT);
}
