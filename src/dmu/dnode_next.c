/*
 * Searching the synced tree of an object for the next block that is there, or is not,
 * without looking at what the pointers above say is not worth it: a hole above skips
 * all below, and so does a birth or fill count that rules the whole subtree out.
 */
#include "dmu/dmu_impl.h"

typedef struct next_search {
	dnode_t *ns_dn;
	bool ns_hole, ns_notfull;
	uint64_t ns_mintxg;  /* data: only blocks born after it */
	uint64_t ns_maxfill; /* data: only blocks with at most this fill; 0: any */
} next_search_t;

/* Can block (level) be what is looked for, or contain it? */
static bool
next_matches(const next_search_t *ns, const blkptr_t *bp, int level)
{
	const int epbs = dn_epbs(ns->ns_dn);

	if (ns->ns_notfull)
		return (BP_IS_HOLE(bp) || BP_GET_FILL(bp) < (uint64_t)DNODES_PER_BLOCK
								<< (epbs * level));
	if (ns->ns_hole) {
		if (level == 0)
			return (BP_IS_HOLE(bp));
		/* Full below? Only L0 of ordinary objects count one each. */
		return (BP_IS_HOLE(bp) ||
			ns->ns_dn->dn_object == DMU_META_DNODE_OBJECT ||
			BP_GET_FILL(bp) < 1ULL << (epbs * level));
	}
	if (BP_IS_HOLE(bp))
		return (false);
	if (ns->ns_maxfill != 0 && BP_GET_FILL(bp) > ns->ns_maxfill << (epbs * level))
		return (false);
	return (BP_GET_LOGICAL_BIRTH(bp) > ns->ns_mintxg);
}

/*
 * In the subtree of (level, blkid), whose pointer is bp, from L0 block *l0 on. ESRCH:
 * nothing there.
 */
static int
next_in_subtree(
    next_search_t *ns, int level, uint64_t blkid, const blkptr_t *bp, uint64_t *l0)
{
	dnode_t *dn = ns->ns_dn;
	const int epbs = dn_epbs(dn);
	const uint64_t first = blkid << (epbs * level);
	int error = ESRCH;

	/*
	 * A block of pointers in memory may be newer than the pointer to it: while a
	 * txg is written, children are done before their parents are ready.
	 */
	dbuf_t *db = level > 0 ? dbuf_find(dn, level, blkid) : NULL;
	if (db == NULL) {
		if (!next_matches(ns, bp, level))
			return (ESRCH);
		if (level == 0 || BP_IS_HOLE(bp)) {
			*l0 = MAX(*l0, first);
			return (0);
		}
		db = dbuf_hold(dn, level, blkid);
	}
	if ((error = dbuf_read(db, 0)) != 0) {
		dbuf_rele(db);
		return (error);
	}
	error = ESRCH;
	const int shift = epbs * (level - 1);
	uint64_t i = *l0 > first ? (*l0 - first) >> shift : 0;
	for (; i < 1ULL << epbs && error == ESRCH; i++) {
		mutex_enter(&db->db_mtx);
		const blkptr_t child =
		    *indirect_block_bp(db->db.db_data, db->db.db_size, i);
		mutex_exit(&db->db_mtx);
		error = next_in_subtree(ns, level - 1, (blkid << epbs) + i, &child, l0);
	}
	dbuf_rele(db);
	return (error);
}

int
dnode_next_block(
    dnode_t *dn, uint32_t flags, uint64_t *blkid, uint64_t mintxg, uint64_t maxfill)
{
	next_search_t ns = {.ns_dn = dn,
	    .ns_hole = (flags & DNN_HOLE) != 0,
	    .ns_notfull = (flags & DNN_NOTFULL) != 0,
	    .ns_mintxg = mintxg,
	    .ns_maxfill = maxfill};
	const int epbs = dn_epbs(dn);
	blkptr_t top[DNODE_MAX_NBLKPTR];
	int error = ESRCH;

	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	mutex_enter(&dn->dn_mtx);
	const int nlevels = dn->dn_phys->dn_nlevels, nblkptr = dn->dn_phys->dn_nblkptr;
	memcpy(top, dn->dn_phys->dn_blkptr, sizeof(top));
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	const bool hole = ns.ns_hole || ns.ns_notfull;
	if (nlevels == 0)
		return (hole ? 0 : ESRCH);
	const uint64_t span = dnode_capacity(1, epbs, nlevels);
	for (uint64_t i = *blkid / span; i < (uint64_t)nblkptr && error == ESRCH; i++)
		error = next_in_subtree(&ns, nlevels - 1, i, &top[i], blkid);
	if (error == ESRCH && hole) {
		/* Behind the tree all is hole. */
		*blkid = MAX(*blkid, span * (uint64_t)nblkptr);
		return (0);
	}
	return (error);
}
