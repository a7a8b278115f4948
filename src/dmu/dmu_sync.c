/*
 * Writing one object set's changes of one txg: the graph.
 *
 * A block can be written when the pointers in it are final, that is when everything
 * below it has been allocated. So the dirty part of the tree is built top down as a
 * graph of sync nodes, each with a zio below that of its parent:
 *
 *   header ── meta-dnode ── indirects ── dnode block ── dnode ── indirects ── data
 *   SN_OBJSET  SN_DNODE     SN_BLOCK     SN_BLOCK     SN_DNODE   SN_BLOCK     leaf
 *
 * Data blocks start at once. When a block is ready its pointer goes into the content of
 * its parent, and the parent's count falls; at zero the parent's content is final (fill
 * count, an indirect block of holes becomes zeros) and its own zio, which waited for
 * its children to be ready, runs. Nothing waits for anything to be *written*, except
 * the pio that all of it hangs below.
 *
 * The sync thread holds a count of its own on each node until it has added all
 * children, and drops these in reverse order of creation: children before parents.
 *
 * Content of indirect and dnode blocks is changed here only, under the db_mtx of
 * their dbuf; readers of pointers take that lock too. While the zios run, nobody
 * changes anything of this txg in this object set.
 *
 * Old pointers die when the new ones are ready; the dsl hears of deaths in
 * dmu_objset_sync_done, in the sync thread, because freeing a gang block reads.
 */
#include "dmu/dmu_impl.h"

static void sync_node_drop(sync_node_t *sn);

/* ---- the pointers of a dnode --------------------------------------------- */

void
sync_bp_get(dnode_t *dn, int level, uint64_t blkid, blkptr_t *bp)
{
	const int epbs = dn_epbs(dn);

	if (blkid == DMU_SPILL_BLKID) {
		mutex_enter(&dn->dn_mtx);
		*bp = *dnode_phys_spill_place(dn->dn_phys);
		if (!(dn->dn_phys->dn_flags & DNODE_FLAG_SPILL_BLKPTR))
			BP_ZERO(bp);
		mutex_exit(&dn->dn_mtx);
	} else if (level == dn->dn_phys->dn_nlevels - 1) {
		mutex_enter(&dn->dn_mtx);
		*bp = dn->dn_phys->dn_blkptr[blkid];
		mutex_exit(&dn->dn_mtx);
	} else {
		dbuf_t *db = dbuf_find(dn, level + 1, blkid >> epbs);
		mutex_enter(&db->db_mtx);
		*bp = *indirect_block_bp(
		    db->db.db_data, db->db.db_size, blkid & ((1ULL << epbs) - 1));
		mutex_exit(&db->db_mtx);
		dbuf_rele(db);
	}
}

void
sync_bp_put(dnode_t *dn, int level, uint64_t blkid, const blkptr_t *bp)
{
	const int epbs = dn_epbs(dn);

	if (blkid == DMU_SPILL_BLKID || level == dn->dn_phys->dn_nlevels - 1) {
		mutex_enter(&dn->dn_mtx);
		if (blkid == DMU_SPILL_BLKID)
			*dnode_phys_spill_place(dn->dn_phys) = *bp;
		else
			dn->dn_phys->dn_blkptr[blkid] = *bp;
		mutex_exit(&dn->dn_mtx);
	} else {
		dbuf_t *db = dbuf_find(dn, level + 1, blkid >> epbs);
		mutex_enter(&db->db_mtx);
		ASSERT(db->db_arc == NULL);
		*indirect_block_bp(
		    db->db.db_data, db->db.db_size, blkid & ((1ULL << epbs) - 1)) = *bp;
		mutex_exit(&db->db_mtx);
		dbuf_rele(db);
	}
}

/* ---- births and deaths --------------------------------------------------- */

void
dmu_feature_seen(objset_t *os, spa_feature_t f)
{
	const uint64_t bit = 1ULL << f;

	if ((__atomic_load_n(&os->os_features, __ATOMIC_RELAXED) & bit) == 0)
		(void)__atomic_or_fetch(&os->os_features, bit, __ATOMIC_RELAXED);
}

/* Features that the first such block of a dataset activates (format/03 §1.9). */
static void
sync_features(objset_t *os, const blkptr_t *bp)
{
	if (BP_GET_LSIZE(bp) > SPA_OLD_MAXBLOCKSIZE)
		dmu_feature_seen(os, SPA_FEATURE_LARGE_BLOCKS);
	if (BP_GET_COMPRESS(bp) == ZIO_COMPRESS_ZSTD)
		dmu_feature_seen(os, SPA_FEATURE_ZSTD_COMPRESS);
	switch (BP_GET_CHECKSUM(bp)) {
	case ZIO_CHECKSUM_SHA512:
		dmu_feature_seen(os, SPA_FEATURE_SHA512);
		break;
	case ZIO_CHECKSUM_SKEIN:
		dmu_feature_seen(os, SPA_FEATURE_SKEIN);
		break;
	case ZIO_CHECKSUM_EDONR:
		dmu_feature_seen(os, SPA_FEATURE_EDONR);
		break;
	case ZIO_CHECKSUM_BLAKE3:
		dmu_feature_seen(os, SPA_FEATURE_BLAKE3);
		break;
	default:
		break;
	}
}

static void
sync_kill_now(objset_sync_t *ss, const blkptr_t *bp)
{
	objset_t *os = ss->ss_os;

	arc_freed(ss->ss_spa, bp);
	if (os->os_ops != NULL && os->os_ops->oso_block_kill != NULL)
		os->os_ops->oso_block_kill(os, bp, ss->ss_tx);
	else
		spa_free_block(ss->ss_spa, ss->ss_txg, bp);
}

static void
sync_kill_later(objset_t *os, const blkptr_t *bp)
{
	mutex_enter(&os->os_kill_lock);
	if (os->os_kills == NULL ||
	    os->os_kills->ok_count == ARRAY_SIZE(os->os_kills->ok_bp)) {
		os_kill_t *ok = kmem_alloc(sizeof(*ok), KM_SLEEP);
		ok->ok_count = 0;
		ok->ok_next = os->os_kills;
		os->os_kills = ok;
	}
	os->os_kills->ok_bp[os->os_kills->ok_count++] = *bp;
	mutex_exit(&os->os_kill_lock);
}

static void
sync_kills_run(objset_sync_t *ss)
{
	objset_t *os = ss->ss_os;
	os_kill_t *ok;

	while ((ok = os->os_kills) != NULL) {
		os->os_kills = ok->ok_next;
		for (uint32_t i = 0; i < ok->ok_count; i++)
			sync_kill_now(ss, &ok->ok_bp[i]);
		kmem_free(ok, sizeof(*ok));
	}
}

static void
sync_used_add(dnode_t *dn, int64_t delta)
{
	mutex_enter(&dn->dn_mtx);
	dnode_phys_t *dnp = dn->dn_phys;
	uint64_t used = dnode_phys_used(dnp);
	if (delta < 0 && used < (uint64_t)-delta) {
		/* Only a pool that was wrong before can say so. */
		spl_log(LOG_WARNING, "object %" PRIu64 ": used space below zero",
		    dn->dn_object);
		used = 0;
	} else {
		used += (uint64_t)delta;
	}
	dnp->dn_used = used;
	dnp->dn_flags |= DNODE_FLAG_USED_BYTES;
	mutex_exit(&dn->dn_mtx);
}

void
sync_block_changed(objset_sync_t *ss, dnode_t *dn, const blkptr_t *old,
    const blkptr_t *new, bool defer)
{
	objset_t *os = ss->ss_os;
	const bool born = !BP_IS_HOLE(new), died = !BP_IS_HOLE(old);

	if (!born && !died)
		return;
	/* Rewritten in place in a later pass, or not written because nothing changed.
	 */
	if (born && died && !BP_IS_EMBEDDED(new) && !BP_IS_EMBEDDED(old) &&
	    DVA_EQUAL(&new->blk_dva[0], &old->blk_dva[0]) &&
	    BP_GET_PHYSICAL_BIRTH(new) == BP_GET_PHYSICAL_BIRTH(old)) {
		arc_freed(ss->ss_spa, old);
		return;
	}
	if (dn != NULL)
		sync_used_add(
		    dn, (int64_t)(born ? bp_get_dsize(ss->ss_spa, new) : 0) -
			    (int64_t)(died ? bp_get_dsize(ss->ss_spa, old) : 0));
	if (born) {
		sync_features(os, new);
		if (os->os_ops != NULL && os->os_ops->oso_block_born != NULL)
			os->os_ops->oso_block_born(os, new, ss->ss_tx);
	}
	if (died && defer)
		sync_kill_later(os, old);
	else if (died)
		sync_kill_now(ss, old);
}

void
sync_hole_bp(objset_sync_t *ss, const blkptr_t *old, dmu_object_type_t type, int level,
    uint64_t lsize, blkptr_t *bp)
{
	const bool birth = spa_feature_is_active(ss->ss_spa, SPA_FEATURE_HOLE_BIRTH) &&
			   BP_GET_LOGICAL_BIRTH(old) != 0;

	BP_SET_HOLE(bp, lsize, type, level, birth ? ss->ss_txg : 0);
}

/* ---- nodes --------------------------------------------------------------- */

/* Fill of an indirect block, or the number of dnodes in a dnode block. */
static uint64_t
sync_node_fill(sync_node_t *sn)
{
	dbuf_t *db = sn->sn_db;
	uint64_t fill = 0;

	ASSERT(MUTEX_HELD(&db->db_mtx));
	if (sn->sn_level > 0) {
		for (uint64_t i = 0; i < db->db.db_size / sizeof(blkptr_t); i++) {
			const blkptr_t *bp =
			    indirect_block_bp(db->db.db_data, db->db.db_size, i);
			if (!BP_IS_HOLE(bp))
				fill += BP_GET_FILL(bp);
		}
	} else {
		unsigned slot = 0;
		const dnode_phys_t *dnp;
		while ((dnp = dnode_block_next(
			    db->db.db_data, db->db.db_size, &slot)) != NULL)
			fill += dnp->dn_type != DMU_OT_NONE;
	}
	return (fill);
}

/* All holes? Then its parent shall have a hole: zeros become one when written. */
static void
sync_node_collapse(sync_node_t *sn)
{
	dbuf_t *db = sn->sn_db;
	const uint64_t n = db->db.db_size / sizeof(blkptr_t);
	uint64_t i;

	for (i = 0; i < n; i++) {
		if (!BP_IS_HOLE(indirect_block_bp(db->db.db_data, db->db.db_size, i)))
			return;
	}
	memset(db->db.db_data, 0, db->db.db_size);
}

/* The finished dnode goes to its place. */
static void
sync_dnode_store(sync_node_t *sn)
{
	dnode_t *dn = sn->sn_dn;
	objset_phys_t *osp = dn->dn_os->os_phys;
	const size_t size = (size_t)dn->dn_slots << DNODE_SHIFT;

	mutex_enter(&dn->dn_mtx);
	/* Space is known only now; the change records are read when everything is
	 * written. */
	switch (dn->dn_object) {
	case DMU_META_DNODE_OBJECT:
		osp->os_meta_dnode = *dn->dn_phys;
		break;
	case DMU_USERUSED_OBJECT:
		osp->os_userused_dnode = *dn->dn_phys;
		break;
	case DMU_GROUPUSED_OBJECT:
		osp->os_groupused_dnode = *dn->dn_phys;
		break;
	case DMU_PROJECTUSED_OBJECT:
		osp->os_projectused_dnode = *dn->dn_phys;
		break;
	default: {
		dbuf_t *db = dn->dn_blkdb;
		/* dn_phys is not changed any more: out of dn_mtx, to keep the order. */
		mutex_exit(&dn->dn_mtx);
		mutex_enter(&db->db_mtx);
		memcpy((char *)db->db.db_data +
			   ((dn->dn_object & (DNODES_PER_BLOCK - 1)) << DNODE_SHIFT),
		    dn->dn_phys, size);
		mutex_exit(&db->db_mtx);
		return;
	}
	}
	mutex_exit(&dn->dn_mtx);
}

static void
sync_node_final(sync_node_t *sn)
{
	objset_sync_t *ss = sn->sn_sync;
	dbuf_t *db = sn->sn_db;

	switch (sn->sn_kind) {
	case SN_DNODE:
		sync_dnode_store(sn);
		sync_node_drop(sn->sn_parent);
		break;
	case SN_BLOCK:
		mutex_enter(&db->db_mtx);
		sn->sn_fill = sync_node_fill(sn);
		if (sn->sn_level > 0)
			sync_node_collapse(sn);
		mutex_exit(&db->db_mtx);
		break;
	case SN_OBJSET:
		objset_phys_encode(ss->ss_os->os_phys, ss->ss_buf, ss->ss_bufsize);
		break;
	}
}

static void
sync_node_drop(sync_node_t *sn)
{
	if (__atomic_sub_fetch(&sn->sn_pending, 1, __ATOMIC_ACQ_REL) == 0)
		sync_node_final(sn);
}

static sync_node_t *
sync_node_create(objset_sync_t *ss, sync_kind_t kind, sync_node_t *parent)
{
	sync_node_t *sn = kmem_zalloc(sizeof(*sn), KM_SLEEP);

	sn->sn_kind = kind;
	sn->sn_sync = ss;
	sn->sn_parent = parent;
	sn->sn_pending = 1;
	list_insert_tail(&ss->ss_nodes, sn);
	if (parent != NULL)
		(void)__atomic_add_fetch(&parent->sn_pending, 1, __ATOMIC_RELAXED);
	return (sn);
}

sync_node_t *
sync_node_dnode(objset_sync_t *ss, dnode_t *dn, sync_node_t *parent)
{
	sync_node_t *sn = sync_node_create(ss, SN_DNODE, parent);

	sn->sn_dn = dn;
	sn->sn_zio = parent->sn_zio;
	dn->dn_sync_node = sn;
	return (sn);
}

static void
sync_block_ready(zio_t *zio)
{
	sync_node_t *sn = zio->io_private;
	blkptr_t *bp = zio->io_bp;

	if (!BP_IS_HOLE(bp))
		BP_SET_FILL(bp, sn->sn_fill);
	sync_block_changed(sn->sn_sync, sn->sn_dn, &zio->io_bp_orig, bp, true);
	sync_bp_put(sn->sn_dn, sn->sn_level, sn->sn_blkid, bp);
	sync_node_drop(sn->sn_parent);
}

static void
sync_block_done(zio_t *zio)
{
	sync_node_t *sn = zio->io_private;
	dbuf_t *db = sn->sn_db;

	VERIFY0(zio->io_error);
	mutex_enter(&db->db_mtx);
	if (BP_IS_HOLE(&sn->sn_bp) && sn->sn_level > 0) {
		/* What a reader of this hole would see (format/02 §1.7). */
		dbuf_fill_holes(sn->sn_dn, sn->sn_level, db->db.db_data, db->db.db_size,
		    BP_GET_LOGICAL_BIRTH(&sn->sn_bp));
	}
	db->db_bp = sn->sn_bp;
	db->db_bp_valid = true;
	mutex_exit(&db->db_mtx);
}

sync_node_t *
sync_node_block(objset_sync_t *ss, dnode_t *dn, int level, uint64_t blkid)
{
	sync_node_t key = {.sn_level = level, .sn_blkid = blkid}, *sn, *parent;
	objset_t *os = ss->ss_os;
	zio_prop_t zp;
	zbookmark_phys_t zb;

	sn = avl_find(&dn->dn_sync_nodes, &key, NULL);
	if (sn != NULL)
		return (sn);
	ASSERT3S(level, <, dn->dn_phys->dn_nlevels);
	parent = level == dn->dn_phys->dn_nlevels - 1
		     ? dn->dn_sync_node
		     : sync_node_block(ss, dn, level + 1, blkid >> dn_epbs(dn));
	sn = sync_node_create(ss, SN_BLOCK, parent);
	sn->sn_dn = dn;
	sn->sn_level = level;
	sn->sn_blkid = blkid;
	sn->sn_db = dbuf_hold(dn, level, blkid);
	/* Pinned in memory by what is dirty below it, or a suspended pool waits here.
	 */
	VERIFY0(dbuf_read(sn->sn_db, DBR_SYNC));
	mutex_enter(&sn->sn_db->db_mtx);
	dbuf_make_private(sn->sn_db);
	sn->sn_db->db_bp_valid = false;
	mutex_exit(&sn->sn_db->db_mtx);
	sync_bp_get(dn, level, blkid, &sn->sn_bp);
	avl_add(&dn->dn_sync_nodes, sn);
	dmu_write_policy(os, dn, (dmu_object_type_t)dn->dn_phys->dn_type, level, false,
	    sn->sn_db->db.db_size, &zp);
	SET_BOOKMARK(&zb, os->os_dsobj, dn->dn_object, level, blkid);
	sn->sn_zio = zio_write(parent->sn_zio, ss->ss_spa, ss->ss_txg, &sn->sn_bp,
	    sn->sn_db->db.db_data, sn->sn_db->db.db_size, &zp, sync_block_ready,
	    sync_block_done, sn, ZIO_PRIORITY_ASYNC_WRITE, 0, &zb);
	return (sn);
}

/* ---- leaves -------------------------------------------------------------- */

static void
sync_leaf_ready(zio_t *zio)
{
	dbuf_dirty_t *dr = zio->io_private;
	dbuf_t *db = dr->dr_db;
	blkptr_t *bp = zio->io_bp;

	if (!BP_IS_HOLE(bp) && !BP_IS_EMBEDDED(bp))
		BP_SET_FILL(bp, 1);
	sync_block_changed(dr->dr_sync, db->db_dn, &zio->io_bp_orig, bp, true);
	sync_bp_put(db->db_dn, 0, db->db_blkid, bp);
	sync_node_drop(dr->dr_parent);
}

static void
sync_leaf_done(zio_t *zio)
{
	VERIFY0(zio->io_error);
	dbuf_dirty_done(zio->io_private);
}

/* Write one record: level 0 data or spill. The node above exists. */
void
sync_leaf(objset_sync_t *ss, dbuf_dirty_t *dr)
{
	dbuf_t *db = dr->dr_db;
	dnode_t *dn = db->db_dn;
	const bool spill = db->db_blkid == DMU_SPILL_BLKID;
	const dmu_object_type_t type =
	    (dmu_object_type_t)(spill ? dn->dn_phys->dn_bonustype
				      : dn->dn_phys->dn_type);
	zio_prop_t zp;
	zbookmark_phys_t zb;

	dr->dr_sync = ss;
	dr->dr_parent = spill || dn->dn_phys->dn_nlevels == 1
			    ? dn->dn_sync_node
			    : sync_node_block(ss, dn, 1, db->db_blkid >> dn_epbs(dn));
	(void)__atomic_add_fetch(&dr->dr_parent->sn_pending, 1, __ATOMIC_RELAXED);
	sync_bp_get(dn, 0, db->db_blkid, &dr->dr_bp);

	mutex_enter(&db->db_mtx);
	if (dr->dr_data == db->db.db_data &&
	    (dr != db->db_dirty || dbuf_held_by_others(db, 0))) {
		/* Someone may go on changing db_data for a later txg: write a copy. */
		void *copy = zio_buf_alloc(dr->dr_size);
		memcpy(copy, dr->dr_data, dr->dr_size);
		dr->dr_data = copy;
	}
	dr->dr_inflight = true;
	mutex_exit(&db->db_mtx);

	dmu_write_policy(ss->ss_os, dn, type, 0, spill, dr->dr_size, &zp);
	/* A hole would lose the size, which only the pointer knows. */
	if (spill && zio_is_all_zero(dr->dr_data, dr->dr_size))
		zp.zp_compress = ZIO_COMPRESS_OFF;
	SET_BOOKMARK(&zb, ss->ss_os->os_dsobj, dn->dn_object, 0, db->db_blkid);
	zio_nowait(zio_write(dr->dr_parent->sn_zio, ss->ss_spa, ss->ss_txg, &dr->dr_bp,
	    dr->dr_data, dr->dr_size, &zp, sync_leaf_ready, sync_leaf_done, dr,
	    ZIO_PRIORITY_ASYNC_WRITE, 0, &zb));
}

/* ---- the object set ------------------------------------------------------ */

static void
sync_root_ready(zio_t *zio)
{
	objset_sync_t *ss = zio->io_private;
	const dnode_phys_t *mdn = &ss->ss_os->os_phys->os_meta_dnode;
	uint64_t fill = 0;

	for (int i = 0; i < mdn->dn_nblkptr; i++) {
		if (!BP_IS_HOLE(&mdn->dn_blkptr[i]))
			fill += BP_GET_FILL(&mdn->dn_blkptr[i]);
	}
	BP_SET_FILL(zio->io_bp, fill);
	sync_block_changed(ss, NULL, &zio->io_bp_orig, zio->io_bp, true);
}

static void
sync_root_done(zio_t *zio)
{
	VERIFY0(zio->io_error);
}

static void
sync_root_create(objset_sync_t *ss, zio_t *pio)
{
	objset_t *os = ss->ss_os;
	zio_prop_t zp;
	zbookmark_phys_t zb;

	/* Headers grow to what the pool's features ask for, never shrink (format/02
	 * §1.9). */
	ss->ss_bufsize = MAX(os->os_phys_size, objset_phys_size(os));
	os->os_phys_size = ss->ss_bufsize;
	ss->ss_buf = zio_buf_alloc(ss->ss_bufsize);
	ss->ss_root = sync_node_create(ss, SN_OBJSET, NULL);
	dmu_write_policy(os, NULL, DMU_OT_OBJSET, 0, false, ss->ss_bufsize, &zp);
	SET_BOOKMARK(&zb, os->os_dsobj, DMU_META_DNODE_OBJECT, ZB_ROOT_LEVEL, 0);
	ss->ss_root->sn_zio = zio_write(pio, ss->ss_spa, ss->ss_txg, &os->os_rootbp,
	    ss->ss_buf, ss->ss_bufsize, &zp, sync_root_ready, sync_root_done, ss,
	    ZIO_PRIORITY_ASYNC_WRITE, 0, &zb);
}

/* Take the dirty dnodes of this txg; returns the last dnode block among them. */
static uint64_t
sync_take_dnodes(objset_sync_t *ss)
{
	objset_t *os = ss->ss_os;
	const int t = ss->ss_txg & TXG_MASK;
	uint64_t maxblk = 0;
	dnode_t *dn;

	mutex_enter(&os->os_lock);
	os->os_dirty[t] = false;
	list_move_tail(&ss->ss_dnodes, &os->os_dirty_dnodes[t]);
	for (dn = list_head(&ss->ss_dnodes); dn != NULL;
	     dn = list_next(&ss->ss_dnodes, dn)) {
		if (!dn_is_special(dn))
			maxblk = MAX(maxblk, dn->dn_object >> DNODES_PER_BLOCK_SHIFT);
	}
	mutex_exit(&os->os_lock);
	return (maxblk);
}

void
dmu_objset_sync(objset_t *os, zio_t *pio, dmu_tx_t *tx)
{
	objset_sync_t *ss = kmem_zalloc(sizeof(*ss), KM_SLEEP);
	sync_node_t *sn;
	dnode_t *dn;

	/* The second write of a txg (accounting) ends the first. */
	dmu_objset_sync_done(os, tx);
	os->os_sync = ss;
	ss->ss_os = os;
	ss->ss_spa = os->os_spa;
	ss->ss_tx = tx;
	ss->ss_txg = tx->tx_txg;
	ss->ss_acct = dmu_objset_accounting(os);
	list_create(&ss->ss_nodes, sizeof(sync_node_t), offsetof(sync_node_t, sn_link));
	list_create(&ss->ss_dnodes, sizeof(dnode_t),
	    offsetof(dnode_t, dn_dirty_link) +
		(ss->ss_txg & TXG_MASK) * sizeof(list_node_t));

	sync_root_create(ss, pio);
	const uint64_t maxblk = sync_take_dnodes(ss);
	(void)sync_node_dnode(ss, os->os_mdn, ss->ss_root);
	sync_grow(ss, os->os_mdn, maxblk);
	for (dn = list_head(&ss->ss_dnodes); dn != NULL;
	     dn = list_next(&ss->ss_dnodes, dn))
		sync_dnode(ss, dn);

	/* Children before parents: each node may now become final. */
	for (sn = list_tail(&ss->ss_nodes); sn != NULL;
	     sn = list_prev(&ss->ss_nodes, sn)) {
		sync_node_drop(sn);
		if (sn->sn_kind != SN_DNODE)
			zio_nowait(sn->sn_zio);
	}
}

/* A dnode's part of this txg is on its way to disk: let go of it. */
static void
sync_dnode_done(objset_sync_t *ss, dnode_t *dn)
{
	objset_t *os = ss->ss_os;
	const int t = ss->ss_txg & TXG_MASK;

	mutex_enter(&os->os_lock);
	dbuf_t *pin = dn->dn_pin[t];
	dn->dn_pin[t] = NULL;
	__atomic_store_n(&dn->dn_is_dirty[t], false, __ATOMIC_RELEASE);
	mutex_exit(&os->os_lock);
	if (pin != NULL)
		dbuf_rele(pin);
	mutex_enter(&dn->dn_mtx);
	const bool freed = dn->dn_free_txg == ss->ss_txg;
	mutex_exit(&dn->dn_mtx);
	if (freed)
		dnode_retire(dn);
	dnode_rele(dn);
}

uint64_t
dmu_objset_dirty_bytes(objset_t *os, uint64_t txg)
{
	return (atomic_load_64(&os->os_dirty_bytes[txg & TXG_MASK]));
}

void
dmu_objset_sync_done(objset_t *os, dmu_tx_t *tx)
{
	atomic_store_64(&os->os_dirty_bytes[dmu_tx_get_txg(tx) & TXG_MASK], 0);
	objset_sync_t *ss = os->os_sync;
	sync_node_t *sn;
	dnode_t *dn;

	if (ss == NULL)
		return;
	ASSERT3U(ss->ss_txg, ==, tx->tx_txg);
	while ((sn = list_remove_tail(&ss->ss_nodes)) != NULL) {
		ASSERT0(sn->sn_pending);
		if (sn->sn_kind == SN_BLOCK) {
			avl_remove(&sn->sn_dn->dn_sync_nodes, sn);
			dbuf_rele(sn->sn_db);
		} else if (sn->sn_kind == SN_DNODE) {
			sn->sn_dn->dn_sync_node = NULL;
			if (ss->ss_acct)
				sync_acct_after(ss, sn->sn_dn);
		}
		kmem_free(sn, sizeof(*sn));
	}
	sync_kills_run(ss);
	while ((dn = list_remove_head(&ss->ss_dnodes)) != NULL)
		sync_dnode_done(ss, dn);
	zio_buf_free(ss->ss_buf, ss->ss_bufsize);
	list_destroy(&ss->ss_nodes);
	list_destroy(&ss->ss_dnodes);
	os->os_sync = NULL;
	kmem_free(ss, sizeof(*ss));
}
