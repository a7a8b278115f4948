/*
 * Syncing one dnode: the changes of its header, growth of the tree, frees, then what is
 * dirty. The order matters: frees come before the writes of the same txg, because a
 * block freed and written again in one txg keeps what was written.
 *
 * Everything here runs in the sync thread and only builds the graph (dmu_sync.c).
 */
#include <stdlib.h>

#include "dmu/dmu_impl.h"

#define KILL_AHEAD 16 /* indirect blocks read ahead while a large object is freed */

/* ---- growth -------------------------------------------------------------- */

/*
 * One level more (format/02 §1.4): a new block of pointers gets those of the dnode, and
 * the dnode one pointer to it. The indirect blocks that were on top get a parent.
 * Returned held, because its content exists nowhere else until it is a node.
 */
static dbuf_t *
sync_add_level(dnode_t *dn)
{
	dnode_phys_t *dnp = dn->dn_phys;
	const int level = dnp->dn_nlevels;
	dbuf_t *db = dbuf_hold(dn, level, 0);

	VERIFY0(dbuf_read(db, DBR_SYNC));
	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	mutex_enter(&db->db_mtx);
	dbuf_make_private(db);
	mutex_enter(&dn->dn_mtx);
	const size_t size = dnp->dn_nblkptr * sizeof(blkptr_t);
	memcpy(db->db.db_data, dnp->dn_blkptr, size);
	memset(dnp->dn_blkptr, 0, size);
	dnp->dn_nlevels++;
	mutex_exit(&dn->dn_mtx);
	mutex_exit(&db->db_mtx);
	for (uint64_t i = 0; level > 1 && i < dnp->dn_nblkptr; i++) {
		dbuf_t *child = dbuf_find(dn, level - 1, i);
		if (child == NULL)
			continue;
		ASSERT(child->db_parent == NULL);
		dbuf_add_ref(db);
		child->db_parent = db;
		dbuf_rele(child);
	}
	rw_exit(&dn->dn_struct_rwlock);
	return (db);
}

void
sync_grow(objset_sync_t *ss, dnode_t *dn, uint64_t maxblkid)
{
	dnode_phys_t *dnp = dn->dn_phys;
	const int epbs = dn_epbs(dn), old = dnp->dn_nlevels;
	dbuf_t *added[DN_MAX_LEVELS];

	ASSERT(dn->dn_sync_node != NULL);
	while (dnode_capacity(dnp->dn_nblkptr, epbs, dnp->dn_nlevels) <= maxblkid) {
		VERIFY3S(dnp->dn_nlevels, <, DN_MAX_LEVELS);
		dbuf_t *db = sync_add_level(dn);
		added[dnp->dn_nlevels - 1 - old] = db;
	}
	if (dnp->dn_nlevels > old)
		(void)sync_node_block(ss, dn, old, 0); /* and all above it */
	for (int i = old; i < dnp->dn_nlevels; i++)
		dbuf_rele(added[i - old]);
	if (maxblkid > dnp->dn_maxblkid) {
		mutex_enter(&dn->dn_mtx);
		dnp->dn_maxblkid = maxblkid;
		mutex_exit(&dn->dn_mtx);
		if (dn->dn_object == DMU_META_DNODE_OBJECT)
			dnode_new_blkid(dn, maxblkid);
	}
}

/* ---- frees --------------------------------------------------------------- */

static uint64_t
block_lsize(const dnode_t *dn, int level)
{
	return (level > 0 ? 1ULL << dn->dn_phys->dn_indblkshift
			  : dnode_phys_datablksz(dn->dn_phys));
}

/* The block itself dies; its parent must be a node already. */
static void
sync_free_block(
    objset_sync_t *ss, dnode_t *dn, int level, uint64_t blkid, const blkptr_t *bp)
{
	blkptr_t hole;

	sync_hole_bp(ss, bp, (dmu_object_type_t)dn->dn_phys->dn_type, level,
	    block_lsize(dn, level), &hole);
	sync_block_changed(ss, dn, bp, &hole, false);
	sync_bp_put(dn, level, blkid, &hole);
}

/*
 * Everything below an indirect block dies. Its content in memory becomes what a reader
 * of the hole in its place would see.
 */
static void
sync_kill_children(objset_sync_t *ss, dnode_t *dn, int level, uint64_t blkid)
{
	const int epbs = dn_epbs(dn);
	dbuf_t *db = dbuf_hold(dn, level, blkid);

	if (dbuf_read(db, 0) != 0) {
		/*
		 * The pointers are lost, and with them the knowledge which space is
		 * free now. Leaking it is the only thing that endangers nobody.
		 */
		spl_log(LOG_WARNING,
		    "object %" PRIu64 ": level %d block %" PRIu64
		    " cannot be read: space below it is leaked",
		    dn->dn_object, level, blkid);
		dbuf_rele(db);
		return;
	}
	for (uint64_t i = 0; i < (1ULL << epbs); i++) {
		blkptr_t hole;
		if (level > 1 && i + KILL_AHEAD < (1ULL << epbs))
			dbuf_prefetch(dn, level - 1, (blkid << epbs) + i + KILL_AHEAD);
		const blkptr_t bp =
		    *indirect_block_bp(db->db.db_data, db->db.db_size, i);
		if (BP_IS_HOLE(&bp))
			continue;
		if (level > 1)
			sync_kill_children(ss, dn, level - 1, (blkid << epbs) + i);
		BP_ZERO(&hole);
		sync_block_changed(ss, dn, &bp, &hole, false);
	}
	mutex_enter(&db->db_mtx);
	dbuf_make_private(db);
	db->db_bp_valid = false;
	dbuf_fill_holes(dn, level, db->db.db_data, db->db.db_size,
	    spa_feature_is_active(ss->ss_spa, SPA_FEATURE_HOLE_BIRTH) ? ss->ss_txg : 0);
	mutex_exit(&db->db_mtx);
	dbuf_rele(db);
}

/* Free the part of [start, end) below block (level, blkid), whose parent is a node. */
static void
sync_free_subtree(objset_sync_t *ss, dnode_t *dn, int level, uint64_t blkid,
    uint64_t start, uint64_t end)
{
	const int epbs = dn_epbs(dn), shift = epbs * level;
	const uint64_t first = blkid << shift, last = first + ((1ULL << shift) - 1);
	blkptr_t bp;

	sync_bp_get(dn, level, blkid, &bp);
	if (BP_IS_HOLE(&bp))
		return;
	const sync_node_t key = {.sn_level = level, .sn_blkid = blkid};
	const bool is_node =
	    level > 0 && avl_find(&dn->dn_sync_nodes, &key, NULL) != NULL;
	if (start <= first && last < end && !is_node) {
		if (level > 0)
			sync_kill_children(ss, dn, level, blkid);
		sync_free_block(ss, dn, level, blkid, &bp);
		return;
	}
	(void)sync_node_block(ss, dn, level, blkid);
	const uint64_t lo = MAX(start, first) >> (shift - epbs);
	const uint64_t hi = MIN(end - 1, last) >> (shift - epbs);
	for (uint64_t b = lo; b <= hi; b++)
		sync_free_subtree(ss, dn, level - 1, b, start, end);
}

static void
sync_free_range(objset_sync_t *ss, dnode_t *dn, uint64_t start, uint64_t end)
{
	const int epbs = dn_epbs(dn), top = dn->dn_phys->dn_nlevels - 1;
	const uint64_t span = dnode_capacity(1, epbs, top + 1);

	if (top < 0 || start >= end)
		return;
	for (uint64_t i = 0; i < dn->dn_phys->dn_nblkptr; i++) {
		if (start < (i + 1) * span && i * span < end)
			sync_free_subtree(ss, dn, top, i, start, end);
	}
}

/*
 * The ranges freed in this txg. They are forgotten after the pointers have changed, so
 * that a reader that looks at ranges first and pointers second never sees old data.
 */
static void
sync_free_ranges(objset_sync_t *ss, dnode_t *dn)
{
	const int t = ss->ss_txg & TXG_MASK;
	range_tree_t *rt = dn->dn_free_ranges[t];
	range_seg_t *rs;

	if (rt == NULL)
		return;
	while ((rs = range_tree_first(rt)) != NULL) {
		const uint64_t start = rs->rs_start, end = rs->rs_end;
		sync_free_range(ss, dn, start, end);
		mutex_enter(&dn->dn_mtx);
		range_tree_remove(rt, start, end - start);
		mutex_exit(&dn->dn_mtx);
	}
	mutex_enter(&dn->dn_mtx);
	dn->dn_free_ranges[t] = NULL;
	mutex_exit(&dn->dn_mtx);
	range_tree_destroy(rt);
}

static void
sync_free_spill(objset_sync_t *ss, dnode_t *dn)
{
	blkptr_t bp, hole;

	sync_bp_get(dn, 0, DMU_SPILL_BLKID, &bp);
	BP_ZERO(&hole);
	sync_block_changed(ss, dn, &bp, &hole, false);
	mutex_enter(&dn->dn_mtx);
	*dnode_phys_spill_place(dn->dn_phys) = hole;
	dn->dn_phys->dn_flags &= (uint8_t)~DNODE_FLAG_SPILL_BLKPTR;
	mutex_exit(&dn->dn_mtx);
}

/* ---- header -------------------------------------------------------------- */

static void
sync_dnode_init(dnode_t *dn)
{
	dnode_phys_t *dnp = dn->dn_phys;
	const bool mdn = dn->dn_object == DMU_META_DNODE_OBJECT;

	ASSERT(!mdn && dnp->dn_type == DMU_OT_NONE);
	memset(dnp, 0, (size_t)dn->dn_slots << DNODE_SHIFT);
	dnp->dn_nlevels = 1;
	dnp->dn_nblkptr = dn->dn_nblkptr;
	dnp->dn_extra_slots = (uint8_t)(dn->dn_slots - 1);
}

static void
sync_dnode_header(dnode_t *dn, const dnode_next_t *nx)
{
	dnode_phys_t *dnp = dn->dn_phys;

	if (nx->nx_mask & DNX_ALLOC)
		sync_dnode_init(dn);
	if (nx->nx_mask & DNX_TYPE)
		dnp->dn_type = nx->nx_type;
	if (nx->nx_mask & DNX_BONUSTYPE)
		dnp->dn_bonustype = nx->nx_bonustype;
	if (nx->nx_mask & DNX_BONUSLEN) {
		uint32_t max;
		uint8_t *bonus = dnode_phys_bonus(dnp, &max);
		/* Bytes beyond the bonus are zero (format/02 §1.6). */
		if (nx->nx_bonuslen < dnp->dn_bonuslen && dnp->dn_bonuslen <= max)
			memset(bonus + nx->nx_bonuslen, 0,
			    dnp->dn_bonuslen - nx->nx_bonuslen);
		dnp->dn_bonuslen = nx->nx_bonuslen;
	}
	if (nx->nx_mask & DNX_BLKSZ)
		dnp->dn_datablkszsec = (uint16_t)(nx->nx_blksz >> SPA_MINBLOCKSHIFT);
	if (nx->nx_mask & DNX_IBS)
		dnp->dn_indblkshift = nx->nx_ibs;
	if (nx->nx_mask & DNX_CHECKSUM)
		dnp->dn_checksum = nx->nx_checksum;
	if (nx->nx_mask & DNX_COMPRESS)
		dnp->dn_compress = nx->nx_compress;
}

/* ---- the dnode ----------------------------------------------------------- */

static int
dirty_compare(const void *x, const void *y)
{
	const dbuf_dirty_t *a = *(dbuf_dirty_t *const *)x,
			   *b = *(dbuf_dirty_t *const *)y;

	return (a->dr_db->db_blkid < b->dr_db->db_blkid
		    ? -1
		    : a->dr_db->db_blkid > b->dr_db->db_blkid);
}

/* Take this txg's records off the dnode, in order of block ids. */
static dbuf_dirty_t **
sync_take_records(objset_sync_t *ss, dnode_t *dn, size_t *np)
{
	list_t *list = &dn->dn_dirty[ss->ss_txg & TXG_MASK];
	dbuf_dirty_t **drs = NULL, *dr;
	size_t n = 0, i = 0;

	mutex_enter(&dn->dn_mtx);
	for (dr = list_head(list); dr != NULL; dr = list_next(list, dr))
		n++;
	if (n > 0)
		drs = kmem_alloc(n * sizeof(dbuf_dirty_t *), KM_SLEEP);
	while ((dr = list_remove_head(list)) != NULL)
		drs[i++] = dr;
	mutex_exit(&dn->dn_mtx);
	if (n > 1)
		qsort(drs, n, sizeof(dbuf_dirty_t *), dirty_compare);
	*np = n;
	return (drs);
}

static void
sync_bonus(dbuf_dirty_t *dr)
{
	dnode_t *dn = dr->dr_db->db_dn;
	uint32_t max;

	mutex_enter(&dr->dr_db->db_mtx);
	mutex_enter(&dn->dn_mtx);
	void *bonus = dnode_phys_bonus(dn->dn_phys, &max);
	const uint64_t len = MIN(dn->dn_phys->dn_bonuslen, (uint64_t)max);
	memcpy(bonus, dr->dr_data, MIN(len, dr->dr_size));
	mutex_exit(&dn->dn_mtx);
	mutex_exit(&dr->dr_db->db_mtx);
	dbuf_dirty_done(dr);
}

/* The object is gone at the end of this txg. */
static void
sync_dnode_freed(objset_sync_t *ss, dnode_t *dn)
{
	const int t = ss->ss_txg & TXG_MASK;

	if (dn->dn_phys->dn_type != DMU_OT_NONE) {
		sync_free_range(ss, dn, 0, DMU_SPILL_BLKID);
		if (dn->dn_phys->dn_flags & DNODE_FLAG_SPILL_BLKPTR)
			sync_free_spill(ss, dn);
		const uint64_t left = dnode_phys_used(dn->dn_phys);
		if (left != 0)
			spl_log(LOG_WARNING,
			    "object %" PRIu64 ": %" PRIu64
			    " bytes still used when freed",
			    dn->dn_object, left);
	}
	mutex_enter(&dn->dn_mtx);
	memset(dn->dn_phys, 0, (size_t)dn->dn_slots << DNODE_SHIFT);
	range_tree_t *rt = dn->dn_free_ranges[t];
	dn->dn_free_ranges[t] = NULL;
	mutex_exit(&dn->dn_mtx);
	if (rt != NULL) {
		range_tree_vacate(rt, NULL, NULL);
		range_tree_destroy(rt);
	}
}

static dnode_next_t
sync_take_next(objset_sync_t *ss, dnode_t *dn)
{
	dnode_next_t *nxp = &dn->dn_next[ss->ss_txg & TXG_MASK], nx;

	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	mutex_enter(&dn->dn_mtx);
	nx = *nxp;
	memset(nxp, 0, sizeof(*nxp));
	/* Allocated and freed in one txg: it never was (format/02 §1.8). */
	if ((nx.nx_mask & (DNX_ALLOC | DNX_FREE)) != (DNX_ALLOC | DNX_FREE))
		sync_dnode_header(dn, &nx);
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	return (nx);
}

void
sync_dnode(objset_sync_t *ss, dnode_t *dn)
{
	objset_t *os = ss->ss_os;
	sync_node_t *parent = ss->ss_root;
	uint64_t maxblkid;
	size_t n;

	if (dn->dn_object == DMU_META_DNODE_OBJECT)
		return; /* its node exists, its blocks are dirtied by their dnodes */
	if (!dn_is_special(dn))
		parent = sync_node_block(
		    ss, os->os_mdn, 0, dn->dn_object >> DNODES_PER_BLOCK_SHIFT);
	(void)sync_node_dnode(ss, dn, parent);
	if (ss->ss_acct)
		sync_acct_before(ss, dn);

	const dnode_next_t nx = sync_take_next(ss, dn);
	dbuf_dirty_t **drs = sync_take_records(ss, dn, &n);
	if (nx.nx_mask & DNX_FREE) {
		ASSERT0(n);
		sync_dnode_freed(ss, dn);
		return;
	}
	if (ss->ss_acct)
		sync_acct_flags(ss, dn);
	dnode_phys_t *dnp = dn->dn_phys;
	maxblkid = nx.nx_mask & DNX_TRUNC ? MIN(dnp->dn_maxblkid, nx.nx_maxblkid)
					  : dnp->dn_maxblkid;
	if ((nx.nx_mask & DNX_RMSPILL) && (dnp->dn_flags & DNODE_FLAG_SPILL_BLKPTR))
		sync_free_spill(ss, dn);
	sync_free_ranges(ss, dn);
	for (size_t i = 0; i < n; i++) {
		const uint64_t blkid = drs[i]->dr_db->db_blkid;
		if (blkid < DMU_SPILL_BLKID)
			maxblkid = MAX(maxblkid, blkid);
	}
	sync_grow(ss, dn, maxblkid);
	mutex_enter(&dn->dn_mtx);
	dnp->dn_maxblkid = maxblkid;
	mutex_exit(&dn->dn_mtx);
	for (size_t i = 0; i < n; i++) {
		if (drs[i]->dr_db->db_blkid == DMU_BONUS_BLKID) {
			sync_bonus(drs[i]);
			continue;
		}
		if (drs[i]->dr_db->db_blkid == DMU_SPILL_BLKID) {
			mutex_enter(&dn->dn_mtx);
			if (!(dnp->dn_flags & DNODE_FLAG_SPILL_BLKPTR))
				memset(
				    dnode_phys_spill_place(dnp), 0, sizeof(blkptr_t));
			dnp->dn_flags |= DNODE_FLAG_SPILL_BLKPTR;
			mutex_exit(&dn->dn_mtx);
		}
		sync_leaf(ss, drs[i]);
	}
	if (n > 0)
		kmem_free(drs, n * sizeof(dbuf_dirty_t *));
}
