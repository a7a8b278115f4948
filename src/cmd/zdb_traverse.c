/*
 * -b and -c: everything that can be reached from the uberblock (format/02 §12, format/03 §8.2):
 *
 *      the MOS
 *      each object set (heads and snapshots), of it the blocks born after its previous snapshot
 *      blocks of intent logs that are part of the committed state
 *      lists of blocks that wait to be freed: sync_bplist, free_bpobj, bptree, livelists of
 *      deleted clones
 *
 * Each block is counted (zdb_stats.c), its space claimed (zdb_space.c), and with -c (metadata) or -cc
 * (everything) all its copies are read and verified. Blocks on deadlists are still part of a snapshot
 * and are met there.
 *
 * -c issues reads and goes on; callbacks on zio threads count errors. zt_lock protects what they share:
 * reads under way and the error counts. At most MAX_BYTES and MAX_READS are under way.
 */
#include "cmd/zdb_stats.h"

#define MAX_BYTES (16ULL << 20)
#define MAX_READS 200
#define MAX_ERRNO 256
#define DELETED_CLONES "com.delphix:deleted_clones"

typedef struct zdb_trav {
	zdb_t *zt_zdb;
	spa_t *zt_spa;
	zdb_space_t *zt_space;	 /* NULL with -L */
	zdb_shared_t *zt_shared;
	zdb_stats_t *zt_stats;
	const blkptr_t *zt_claiming; /* whose ranges are being claimed */

	kmutex_t zt_lock;
	kcondvar_t zt_cv;
	uint64_t zt_bytes, zt_reads; /* under way */
	uint64_t zt_errors[MAX_ERRNO];
	uint64_t zt_nerrors;
} zdb_trav_t;

/* ---- verifying --------------------------------------------------------------------------------------- */

static void
report_error(zdb_trav_t *zt, const blkptr_t *bp, const zbookmark_phys_t *zb, int error)
{
	char words[BP_SPRINTF_LEN];

	mutex_enter(&zt->zt_lock);
	zt->zt_errors[MIN(error, MAX_ERRNO - 1)]++;
	zt->zt_nerrors++;
	mutex_exit(&zt->zt_lock);
	(void)snprintf_blkptr(words, sizeof(words), bp);
	(void)fprintf(stderr,
	    "zdb_blkptr_cb: Got error %d reading <%" PRIu64 ", %" PRIu64 ", %" PRId64 ", %" PRIx64
	    "> %s -- skipping\n",
	    error, zb->zb_objset, zb->zb_object, zb->zb_level, zb->zb_blkid, words);
}

static void
verify_done(zio_t *zio)
{
	zdb_trav_t *zt = zio->io_private;

	if (zio->io_error != 0)
		report_error(zt, &zio->io_bp_copy, &zio->io_bookmark, zio->io_error);
	const uint64_t size = zio->io_size;
	zio_buf_free(zio->io_data, size);
	mutex_enter(&zt->zt_lock);
	zt->zt_bytes -= size;
	zt->zt_reads--;
	cv_broadcast(&zt->zt_cv);
	mutex_exit(&zt->zt_lock);
}

/* Read all copies as they are stored; the answer comes later. */
static void
verify(zdb_trav_t *zt, const blkptr_t *bp, const zbookmark_phys_t *zb)
{
	const uint64_t psize = BP_GET_PSIZE(bp);
	int error = zio_blkptr_verify(zt->zt_spa, bp);

	if (error != 0) {
		report_error(zt, bp, zb, error);
		return;
	}
	mutex_enter(&zt->zt_lock);
	while (zt->zt_reads > 0 &&
	    (zt->zt_bytes + psize > MAX_BYTES || zt->zt_reads >= MAX_READS))
		cv_wait(&zt->zt_cv, &zt->zt_lock);
	zt->zt_bytes += psize;
	zt->zt_reads++;
	mutex_exit(&zt->zt_lock);
	zio_nowait(zio_read(NULL, zt->zt_spa, bp, zio_buf_alloc(psize), psize, verify_done, zt,
	    ZIO_PRIORITY_ASYNC_READ,
	    ZIO_FLAG_CANFAIL | ZIO_FLAG_SCRUB | ZIO_FLAG_RAW | ZIO_FLAG_DONT_REPAIR, zb));
}

static void
verify_wait(zdb_trav_t *zt)
{
	mutex_enter(&zt->zt_lock);
	while (zt->zt_reads > 0)
		cv_wait(&zt->zt_cv, &zt->zt_lock);
	mutex_exit(&zt->zt_lock);
}

/* ---- counting and claiming ------------------------------------------------------------------------------ */

static void
claim_range(void *arg, const dva_t *dva)
{
	zdb_trav_t *zt = arg;

	zdb_space_claim(zt->zt_space, zt->zt_claiming, dva);
}

static void
claim(zdb_trav_t *zt, const blkptr_t *bp, const zbookmark_phys_t *zb, bool first_shared)
{
	const dva_t *all = first_shared ? zdb_shared_dvas(zt->zt_shared, bp) : NULL;
	blkptr_t whole = *bp;

	if (zt->zt_space == NULL)
		return;
	zt->zt_claiming = bp;
	for (int d = 0; all != NULL && d < BP_MAX_DVAS(bp); d++)
		whole.blk_dva[d] = all[d];
	const int error = zio_foreach_dva(zt->zt_spa, &whole, claim_range, zt);
	if (error != 0)
		report_error(zt, bp, zb, error);
}

/* One block of the given type: statistics, space; true if this is the reference that owns it. */
static bool
count_block(zdb_trav_t *zt, const blkptr_t *bp, const zbookmark_phys_t *zb, uint64_t type)
{
	zdb_stats_t *st = zt->zt_stats;

	zdb_stats_add(st, zt->zt_spa, bp, type);
	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return (false);
	const zdb_reference_t ref = zdb_shared_claim(zt->zt_shared, bp);
	switch (ref) {
	case ZDB_REF_DEDUP:
		st->zs_dedup_asize += BP_GET_ASIZE(bp);
		st->zs_dedup_refs++;
		return (false);
	case ZDB_REF_CLONE:
		st->zs_clone_asize += BP_GET_ASIZE(bp);
		st->zs_clone_refs++;
		return (false);
	default:
		claim(zt, bp, zb, ref == ZDB_REF_FIRST);
		return (true);
	}
}

/* Metadata that the walk itself could not read comes without its content. */
static bool
is_unread(const blkptr_t *bp, const void *data)
{
	return (data == NULL &&
	    (BP_GET_LEVEL(bp) > 0 || BP_GET_TYPE(bp) == DMU_OT_DNODE ||
		BP_GET_TYPE(bp) == DMU_OT_OBJSET));
}

static int
visit(void *arg, spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const dnode_phys_t *dnp, const void *data)
{
	zdb_trav_t *zt = arg;
	const int check = zt->zt_zdb->z_opt['c'];

	(void)spa;
	(void)dnp;
	if (BP_IS_HOLE(bp) || BP_IS_REDACTED(bp))
		return (0);
	(void)count_block(zt, bp, zb, BP_GET_TYPE(bp));
	if (BP_IS_EMBEDDED(bp))
		return (0);
	if (check > 1 || (check > 0 && BP_IS_METADATA(bp)) || is_unread(bp, data))
		verify(zt, bp, zb);
	return (0);
}

static void
walk_objset(zdb_trav_t *zt, uint64_t dsobj, const blkptr_t *root, uint64_t mintxg)
{
	const int error = traverse_objset_bp(zt->zt_spa, dsobj, root, mintxg, NULL,
	    TRAVERSE_PRE | TRAVERSE_PREFETCH | TRAVERSE_HARD | TRAVERSE_NO_HOLES, visit, zt);

	if (error != 0)
		zdb_damage(zt->zt_zdb, "traversal of object set %" PRIu64 ": error %d\n", dsobj, error);
}

/* ---- intent logs (format/03 §5.4, §5.5) -------------------------------------------------------------------- */

/* Blocks that a claimed log refers to belong to it until it is replayed. */
static void
log_records(zdb_trav_t *zt, const zil_header_t *zh, uint64_t dsobj, void *block, size_t size,
    bool slim)
{
	zbookmark_phys_t zb;
	size_t at, end;

	if (zh->zh_claim_txg == 0 || !zil_block_bounds(block, size, slim, &at, &end))
		return;
	for (const lr_t *lr; at < end && (lr = zil_block_lr(block, end, at)) != NULL;
	     at += lr->lrc_reclen) {
		const lr_write_t *w = (const lr_write_t *)lr;

		if ((lr->lrc_txtype & ~TX_CI) != TX_WRITE || lr->lrc_seq > zh->zh_claim_lr_seq ||
		    BP_IS_HOLE(&w->lr_blkptr) || BP_GET_LOGICAL_BIRTH(&w->lr_blkptr) < zh->zh_claim_txg ||
		    blkptr_verify_static(&w->lr_blkptr, NULL) != 0)
			continue;
		SET_BOOKMARK(&zb, dsobj, w->lr_foid, ZB_ZIL_LEVEL, w->lr_offset);
		(void)count_block(zt, &w->lr_blkptr, &zb, DMU_OT_INTENT_LOG);
	}
}

/* Read one block of the chain; false: the chain ends here. *next: the pointer in it. */
static bool
log_block(zdb_trav_t *zt, const zil_header_t *zh, uint64_t dsobj, const blkptr_t *bp,
    const zbookmark_phys_t *zb, blkptr_t *next)
{
	const bool slim = BP_GET_CHECKSUM(bp) == ZIO_CHECKSUM_ZILOG2;
	const uint64_t size = BP_GET_LSIZE(bp);
	zil_chain_t *zc = NULL;

	if (BP_USES_CRYPT(bp))
		return (false);
	void *block = zio_buf_alloc(size);
	bool ok = zio_wait(zio_read(NULL, zt->zt_spa, bp, block, size, NULL, NULL,
		      ZIO_PRIORITY_SYNC_READ, ZIO_FLAG_CANFAIL | ZIO_FLAG_SPECULATIVE, zb)) == 0;
	if (ok && BP_SHOULD_BYTESWAP(bp))
		ok = zil_block_byteswap(block, size, slim) == 0;
	if (ok)
		zc = zil_block_chain(block, size, slim);
	if (zc != NULL) {
		*next = zc->zc_next_blk;
		log_records(zt, zh, dsobj, block, size, slim);
	}
	zio_buf_free(block, size);
	return (zc != NULL);
}

static void
walk_log(zdb_trav_t *zt, uint64_t dsobj, const zil_header_t *zh)
{
	blkptr_t bp = zh->zh_log, next;
	uint64_t seq, last = 0;

	/* Sequence numbers rise by one, so a chain that runs in a circle ends. */
	while (!BP_IS_HOLE(&bp) && blkptr_verify_static(&bp, NULL) == 0 &&
	    zio_blkptr_verify(zt->zt_spa, &bp) == 0) {
		zbookmark_phys_t zb;

		seq = bp.blk_cksum.zc_word[ZIL_ZC_SEQ];
		if (BP_GET_LOGICAL_BIRTH(&bp) > zt->zt_spa->spa_ubsync.ub_txg ||
		    (last != 0 && seq != last + 1) ||
		    (zh->zh_claim_txg != 0 && seq > zh->zh_claim_blk_seq))
			return;
		SET_BOOKMARK(&zb, dsobj, 0, ZB_ZIL_LEVEL, seq);
		(void)count_block(zt, &bp, &zb, DMU_OT_INTENT_LOG);
		if (!log_block(zt, zh, dsobj, &bp, &zb, &next))
			return;
		bp = next;
		last = seq;
	}
}

/* ---- object sets ---------------------------------------------------------------------------------------------- */

static void
walk_dataset(zdb_trav_t *zt, uint64_t dsobj, const dsl_dataset_phys_t *ds)
{
	zbookmark_phys_t zb;
	objset_phys_t *osp;
	arc_buf_t *buf;

	if (BP_IS_HOLE(&ds->ds_bp))
		return;
	walk_objset(zt, dsobj, &ds->ds_bp, ds->ds_prev_snap_txg);
	if (ds->ds_num_children != 0)
		return; /* snapshots have no log */
	SET_BOOKMARK(&zb, dsobj, 0, ZB_ROOT_LEVEL, 0);
	if (zdb_bp_read(zt->zt_spa, &ds->ds_bp, &zb, &buf) != 0)
		return; /* was reported by the walk */
	osp = kmem_alloc(sizeof(*osp), KM_SLEEP);
	if (objset_phys_decode(buf->b_data, buf->b_size, osp) == 0)
		walk_log(zt, dsobj, &osp->os_zil_header);
	kmem_free(osp, sizeof(*osp));
	arc_buf_rele(buf);
}

static void
walk_datasets(zdb_trav_t *zt)
{
	objset_t *mos = zt->zt_spa->spa_meta_objset;
	uint64_t obj = 0;
	int error;

	while ((error = dmu_object_next(mos, &obj, false, 0)) == 0) {
		dmu_object_info_t doi;
		dsl_dataset_phys_t ds, *p;
		dmu_buf_t *db;

		if (dmu_object_info(mos, obj, &doi) != 0 ||
		    doi.doi_bonus_type != DMU_OT_DSL_DATASET ||
		    dmu_bonus_hold(mos, obj, zt, &db) != 0)
			continue;
		if ((p = dsl_dataset_phys_of(db->db_data, db->db_size)) != NULL)
			ds = *p;
		dmu_buf_rele(db, zt);
		if (p != NULL)
			walk_dataset(zt, obj, &ds);
	}
	if (error != ESRCH)
		zdb_damage(zt->zt_zdb, "the objects of the MOS cannot be listed: %s\n", strerror(error));
}

/* ---- blocks on their way to be free ------------------------------------------------------------------------------ */

static int
count_waiting(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	static const zbookmark_phys_t none;

	(void)bp_freed;
	(void)tx;
	(void)count_block(arg, bp, &none, ZDB_OT_DEFERRED);
	return (0);
}

static int
count_queued(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	static const zbookmark_phys_t none;

	(void)bp_freed;
	(void)tx;
	(void)count_block(arg, bp, &none, BP_GET_TYPE(bp));
	return (0);
}

static void
walk_bpobj(zdb_trav_t *zt, const char *name, bpobj_itor_t *func)
{
	objset_t *mos = zt->zt_spa->spa_meta_objset;
	uint64_t object;
	bpobj_t bpo;

	int error = zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT, name, 8, 1, &object);
	if (error == ENOENT)
		return;
	if (error == 0 && (error = bpobj_open(&bpo, mos, object)) == 0) {
		error = bpobj_iterate_nofree(&bpo, func, zt);
		bpobj_close(&bpo);
	}
	if (error != 0)
		zdb_damage(zt->zt_zdb, "%s: %s\n", name, strerror(error));
}

/* Trees of destroyed object sets that are still being freed (format/02 §6.3). */
static void
walk_bptree(zdb_trav_t *zt)
{
	objset_t *mos = zt->zt_spa->spa_meta_objset;
	bptree_phys_t bt, *p;
	uint64_t object;
	dmu_buf_t *db;

	if (zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT, DMU_POOL_BPTREE_OBJ, 8, 1, &object) != 0 ||
	    dmu_bonus_hold(mos, object, zt, &db) != 0)
		return;
	if ((p = bptree_phys_of(db->db_data, db->db_size)) != NULL)
		bt = *p;
	dmu_buf_rele(db, zt);
	for (uint64_t i = p != NULL ? bt.bt_begin : 0; p != NULL && i < bt.bt_end; i++) {
		bptree_entry_phys_t be;
		zbookmark_phys_t resume;

		const int error = dmu_read(mos, object, i * sizeof(be), sizeof(be), &be, 0);
		if (error != 0) {
			zdb_damage(zt->zt_zdb, "bptree: %s\n", strerror(error));
			return;
		}
		if (be.be_birth_txg == UINT64_MAX)
			continue;
		resume = be.be_zb;
		(void)traverse_objset_bp(zt->zt_spa, UINT64_MAX, &be.be_bp, be.be_birth_txg, &resume,
		    TRAVERSE_PRE | TRAVERSE_HARD | TRAVERSE_NO_HOLES, visit, zt);
	}
}

/*
 * Livelists of deleted clones (format/02 §6.5): an allocation that has no later free is a block
 * still there. Backwards, a free comes before its allocation.
 */
typedef struct live {
	avl_node_t lv_node;
	dva_t lv_dva;
	uint64_t lv_freed;
} live_t;

typedef struct live_arg {
	zdb_trav_t *la_zt;
	avl_tree_t la_tree;
} live_arg_t;

static int
live_compare(const void *a, const void *b)
{
	const dva_t *x = &((const live_t *)a)->lv_dva, *y = &((const live_t *)b)->lv_dva;

	if (DVA_GET_VDEV(x) != DVA_GET_VDEV(y))
		return (DVA_GET_VDEV(x) < DVA_GET_VDEV(y) ? -1 : 1);
	if (DVA_GET_OFFSET(x) != DVA_GET_OFFSET(y))
		return (DVA_GET_OFFSET(x) < DVA_GET_OFFSET(y) ? -1 : 1);
	return (0);
}

static int
count_live(void *arg, const blkptr_t *bp, bool bp_freed, dmu_tx_t *tx)
{
	static const zbookmark_phys_t none;
	live_arg_t *la = arg;
	live_t key = { .lv_dva = bp->blk_dva[0] };
	live_t *lv = avl_find(&la->la_tree, &key, NULL);

	(void)tx;
	if (bp_freed && lv == NULL) {
		lv = kmem_zalloc(sizeof(*lv), KM_SLEEP);
		lv->lv_dva = bp->blk_dva[0];
		avl_add(&la->la_tree, lv);
	}
	if (bp_freed)
		lv->lv_freed++;
	else if (lv != NULL && lv->lv_freed > 0)
		lv->lv_freed--;
	else
		(void)count_block(la->la_zt, bp, &none, BP_GET_TYPE(bp));
	return (0);
}

static void
walk_livelist(zdb_trav_t *zt, uint64_t livelist)
{
	objset_t *mos = zt->zt_spa->spa_meta_objset;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	zap_cursor_t zc;
	int error;

	zap_cursor_init(&zc, mos, livelist);
	while ((error = zap_cursor_retrieve(&zc, za)) == 0) {
		live_arg_t la = { .la_zt = zt };
		void *cookie = NULL;
		bpobj_t bpo;
		live_t *lv;

		if ((error = bpobj_open(&bpo, mos, za->za_first_integer)) != 0)
			break;
		avl_create(&la.la_tree, live_compare, sizeof(live_t), offsetof(live_t, lv_node));
		error = bpobj_iterate_nofree(&bpo, count_live, &la);
		while ((lv = avl_destroy_nodes(&la.la_tree, &cookie)) != NULL)
			kmem_free(lv, sizeof(*lv));
		avl_destroy(&la.la_tree);
		bpobj_close(&bpo);
		if (error != 0)
			break;
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	if (error != ENOENT)
		zdb_damage(zt->zt_zdb, "livelist %" PRIu64 ": %s\n", livelist, strerror(error));
}

static void
walk_deleted_clones(zdb_trav_t *zt)
{
	objset_t *mos = zt->zt_spa->spa_meta_objset;
	zap_attribute_t *za;
	zap_cursor_t zc;
	uint64_t object;

	if (zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT, DELETED_CLONES, 8, 1, &object) != 0)
		return;
	za = kmem_alloc(sizeof(*za), KM_SLEEP);
	for (zap_cursor_init(&zc, mos, object); zap_cursor_retrieve(&zc, za) == 0;
	     zap_cursor_advance(&zc))
		walk_livelist(zt, za->za_first_integer);
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static void
print_intro(zdb_t *z)
{
	const int check = z->z_opt['c'];
	const bool leaks = !z->z_skip_leaks;

	(void)printf("\nTraversing all blocks %s%s%s%s%s...\n", check || leaks ? "to verify " : "",
	    check == 1 ? "metadata " : "", check ? "checksums " : "", check && leaks ? "and " : "",
	    leaks ? (check ? "verify nothing leaked " : "nothing leaked ") : "");
	(void)fflush(stdout);
}

static void
print_errors(const zdb_trav_t *zt)
{
	if (zt->zt_nerrors == 0)
		return;
	(void)printf("\nError counts:\n\n\t%5s  %s\n", "errno", "count");
	for (int e = 0; e < MAX_ERRNO; e++)
		if (zt->zt_errors[e] != 0)
			(void)printf("\t%5d  %" PRIu64 "\n", e, zt->zt_errors[e]);
}

static void
print_space(zdb_trav_t *zt)
{
	uint64_t found, alloc;

	if (zt->zt_space == NULL)
		return;
	zdb_shared_orphans(zt->zt_shared, claim_range, zt);
	const bool ok = zdb_space_finish(zt->zt_space, &found, &alloc);
	if (found == alloc && ok)
		(void)printf("\n\tNo leaks (block sum matches space maps exactly)\n");
	else
		(void)printf("block traversal size %" PRIu64 " != alloc %" PRIu64 " (%s %" PRId64 ")\n",
		    found, alloc, found < alloc ? "leaked" : "unreachable", (int64_t)(alloc - found));
	(void)zdb_shared_unmatched(zt->zt_zdb, zt->zt_shared);
}

void
zdb_traverse(zdb_t *z)
{
	static blkptr_t none;
	zdb_trav_t zt = { .zt_zdb = z, .zt_spa = z->z_spa, .zt_claiming = &none };

	print_intro(z);
	if (!z->z_skip_leaks && (zt.zt_space = zdb_space_load(z)) == NULL)
		zdb_damage(z, "leaks cannot be looked for\n");
	zt.zt_shared = zdb_shared_load(z);
	zt.zt_stats = kmem_zalloc(sizeof(*zt.zt_stats), KM_SLEEP);
	mutex_init(&zt.zt_lock);
	cv_init(&zt.zt_cv);

	walk_bpobj(&zt, DMU_POOL_SYNC_BPOBJ, count_waiting);
	walk_bpobj(&zt, DMU_POOL_FREE_BPOBJ, count_queued);
	walk_bptree(&zt);
	walk_deleted_clones(&zt);
	walk_objset(&zt, 0, &z->z_spa->spa_ubsync.ub_rootbp, 0);
	walk_datasets(&zt);
	verify_wait(&zt);

	print_errors(&zt);
	(void)printf("\n");
	zt.zt_claiming = &none;
	print_space(&zt);
	zdb_stats_print(z, zt.zt_stats);
	if (zt.zt_nerrors > 0)
		z->z_error = 3;

	cv_destroy(&zt.zt_cv);
	mutex_destroy(&zt.zt_lock);
	kmem_free(zt.zt_stats, sizeof(*zt.zt_stats));
	zdb_shared_free(zt.zt_shared);
	if (zt.zt_space != NULL)
		zdb_space_free(zt.zt_space);
}
