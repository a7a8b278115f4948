/*
 * Walking everything stored below the root pointer of an object set: scrub, zdb,
 * destroy, send. Works on committed blocks through the ARC, without dnodes and dbufs,
 * so it is good for snapshots, datasets that are not open, and damaged pools.
 *
 * The order is that of object numbers: a dnode block is followed by the trees of its
 * dnodes. Subtrees born at or before mintxg are skipped as a whole.
 *
 * A walk can be left and resumed: the bookmark of the pointer at which func stopped
 * says where. Resuming skips what lies before it; the blocks above it are read again,
 * but func does not hear of them twice.
 */
#include "dmu/dmu_impl.h"

typedef struct traverse {
	spa_t *td_spa;
	uint64_t td_dsobj, td_mintxg;
	zbookmark_phys_t *td_resume;
	bool td_skipping; /* the resume point is not reached yet */
	int td_flags;
	blkptr_cb_t *td_func;
	void *td_arg;
} traverse_t;

/* A tree being walked. */
typedef struct traverse_tree {
	uint64_t tt_object;
	const dnode_phys_t *tt_dnp;
} traverse_tree_t;

static int traverse_bp(traverse_t *td, const traverse_tree_t *tt, const blkptr_t *bp,
    const zbookmark_phys_t *zb);

/* ---- resuming ------------------------------------------------------------ */

typedef enum place { PLACE_BEFORE, PLACE_ABOVE, PLACE_AT } place_t;

static int
shift_of(const traverse_tree_t *tt, int64_t level)
{
	const int64_t shift = dnode_phys_epbs(tt->tt_dnp) * level;

	return ((int)MIN(shift, 58));
}

/* First L0 block and first after it of a subtree; saturating. */
static void
subtree_range(const traverse_tree_t *tt, int64_t level, uint64_t blkid, uint64_t *first,
    uint64_t *end)
{
	const int s = shift_of(tt, level);

	*first = blkid > (UINT64_MAX >> 1) >> s ? UINT64_MAX >> 1 : blkid << s;
	*end = *first + (1ULL << s);
}

/* Where is a block, compared with the resume point? */
static place_t
traverse_place(
    const traverse_t *td, const traverse_tree_t *tt, const zbookmark_phys_t *zb)
{
	const zbookmark_phys_t *r = td->td_resume;
	uint64_t first, end, pos;

	if (zb->zb_object == r->zb_object && zb->zb_level == r->zb_level &&
	    zb->zb_blkid == r->zb_blkid)
		return (PLACE_AT);
	if (zb->zb_level == ZB_ROOT_LEVEL)
		return (PLACE_ABOVE);
	if (zb->zb_blkid == DMU_SPILL_BLKID) /* last of its object */
		return (zb->zb_object > r->zb_object ? PLACE_AT : PLACE_BEFORE);
	subtree_range(tt, zb->zb_level, zb->zb_blkid, &first, &end);
	if (zb->zb_object == r->zb_object) {
		if (r->zb_blkid == DMU_SPILL_BLKID)
			return (PLACE_BEFORE);
		subtree_range(tt, r->zb_level, r->zb_blkid, &pos, &(uint64_t){0});
		if (end <= pos)
			return (PLACE_BEFORE);
		return (zb->zb_level > r->zb_level && first <= pos ? PLACE_ABOVE
								   : PLACE_AT);
	}
	if (zb->zb_object != DMU_META_DNODE_OBJECT)
		return (zb->zb_object < r->zb_object ? PLACE_BEFORE : PLACE_AT);
	/* A part of the meta-dnode, and the point is in an object. */
	pos = r->zb_object >> DNODES_PER_BLOCK_SHIFT;
	if (end <= pos)
		return (PLACE_BEFORE);
	return (first <= pos ? PLACE_ABOVE : PLACE_AT);
}

/* ---- calling out --------------------------------------------------------- */

static int
traverse_call(traverse_t *td, const traverse_tree_t *tt, const blkptr_t *bp,
    const zbookmark_phys_t *zb, const void *data)
{
	const int error = td->td_func(
	    td->td_arg, td->td_spa, bp, zb, tt != NULL ? tt->tt_dnp : NULL, data);

	if (error != 0 && error != TRAVERSE_VISIT_SKIP && td->td_resume != NULL)
		*td->td_resume = *zb;
	return (error);
}

/* Does the walk need the content to go on below? */
static bool
bp_has_children(const blkptr_t *bp)
{
	return (!BP_IS_HOLE(bp) && !BP_IS_REDACTED(bp) &&
		(BP_GET_LEVEL(bp) > 0 || BP_GET_TYPE(bp) == DMU_OT_DNODE ||
		    BP_GET_TYPE(bp) == DMU_OT_OBJSET));
}

static void
traverse_prefetch(traverse_t *td, const blkptr_t *bp, const zbookmark_phys_t *zb)
{
	if (!(td->td_flags & TRAVERSE_PREFETCH) || !bp_has_children(bp) ||
	    BP_GET_LOGICAL_BIRTH(bp) <= td->td_mintxg || BP_IS_EMBEDDED(bp))
		return;
	arc_read(NULL, td->td_spa, bp, NULL, NULL, ZIO_PRIORITY_ASYNC_READ,
	    ZIO_FLAG_CANFAIL | ZIO_FLAG_SPECULATIVE, ARC_FLAG_PREFETCH, zb);
}

/* ---- descending ---------------------------------------------------------- */

#define TRAVERSE_AHEAD 8

static int
traverse_indirect(traverse_t *td, const traverse_tree_t *tt, const zbookmark_phys_t *zb,
    const arc_buf_t *buf)
{
	const uint64_t n = buf->b_size / sizeof(blkptr_t);
	zbookmark_phys_t czb, pzb;
	int error = 0;

	for (uint64_t i = 0; i < n && error == 0; i++) {
		const blkptr_t *bp =
		    indirect_block_bp_const(buf->b_data, buf->b_size, i);
		SET_BOOKMARK(&czb, td->td_dsobj, zb->zb_object, zb->zb_level - 1,
		    zb->zb_blkid * n + i);
		if (i + TRAVERSE_AHEAD < n && !td->td_skipping) {
			pzb = czb;
			pzb.zb_blkid += TRAVERSE_AHEAD;
			traverse_prefetch(td, bp + TRAVERSE_AHEAD, &pzb);
		}
		error = traverse_bp(td, tt, bp, &czb);
	}
	return (error);
}

static int
traverse_dnode(traverse_t *td, uint64_t object, const dnode_phys_t *dnp)
{
	const traverse_tree_t tt = {object, dnp};
	zbookmark_phys_t zb;
	int error = 0;

	if (dnp->dn_type == DMU_OT_NONE)
		return (0);
	if (dnode_phys_verify(dnp) != 0)
		return (td->td_flags & TRAVERSE_HARD ? 0 : EIO);
	for (int i = 0; i < dnp->dn_nblkptr && error == 0; i++) {
		SET_BOOKMARK(
		    &zb, td->td_dsobj, object, dnp->dn_nlevels - 1, (uint64_t)i);
		error = traverse_bp(td, &tt, &dnp->dn_blkptr[i], &zb);
	}
	const blkptr_t *spill = dnode_phys_spill((dnode_phys_t *)(uintptr_t)dnp);
	if (error == 0 && spill != NULL) {
		SET_BOOKMARK(&zb, td->td_dsobj, object, 0, DMU_SPILL_BLKID);
		error = traverse_bp(td, &tt, spill, &zb);
	}
	return (error);
}

static int
traverse_dnode_block(traverse_t *td, const zbookmark_phys_t *zb, const arc_buf_t *buf)
{
	unsigned slot = 0;
	int error = 0;

	while (slot < buf->b_size >> DNODE_SHIFT && error == 0) {
		const unsigned at = slot;
		const dnode_phys_t *dnp =
		    dnode_block_slot_const(buf->b_data, buf->b_size, slot);
		if (dnp == NULL)
			return (td->td_flags & TRAVERSE_HARD ? 0 : EIO);
		slot += dnp->dn_type == DMU_OT_NONE ? 1 : dnode_phys_slots(dnp);
		error = traverse_dnode(
		    td, (zb->zb_blkid << DNODES_PER_BLOCK_SHIFT) + at, dnp);
	}
	return (error);
}

static int
traverse_objset(traverse_t *td, const arc_buf_t *buf)
{
	objset_phys_t *osp = kmem_alloc(sizeof(*osp), KM_SLEEP);
	int error = objset_phys_decode(buf->b_data, buf->b_size, osp);

	if (error == 0)
		error = traverse_dnode(td, DMU_META_DNODE_OBJECT, &osp->os_meta_dnode);
	if (error == 0)
		error = traverse_dnode(
		    td, DMU_PROJECTUSED_OBJECT, &osp->os_projectused_dnode);
	if (error == 0)
		error =
		    traverse_dnode(td, DMU_GROUPUSED_OBJECT, &osp->os_groupused_dnode);
	if (error == 0)
		error =
		    traverse_dnode(td, DMU_USERUSED_OBJECT, &osp->os_userused_dnode);
	kmem_free(osp, sizeof(*osp));
	return (error);
}

static int
traverse_children(traverse_t *td, const traverse_tree_t *tt, const zbookmark_phys_t *zb,
    const blkptr_t *bp, const arc_buf_t *buf)
{
	if (BP_GET_LEVEL(bp) > 0)
		return (traverse_indirect(td, tt, zb, buf));
	if (BP_GET_TYPE(bp) == DMU_OT_DNODE)
		return (traverse_dnode_block(td, zb, buf));
	return (traverse_objset(td, buf));
}

/* What a damaged or hostile pointer could do to the walk. */
static bool
traverse_bp_sane(
    const traverse_tree_t *tt, const blkptr_t *bp, const zbookmark_phys_t *zb)
{
	if (blkptr_verify_static(bp, NULL) != 0)
		return (false);
	if (tt == NULL)
		return (BP_GET_TYPE(bp) == DMU_OT_OBJSET && BP_GET_LEVEL(bp) == 0);
	if (BP_GET_LEVEL(bp) != zb->zb_level)
		return (false);
	if (BP_GET_LEVEL(bp) > 0)
		return (BP_GET_LSIZE(bp) == 1ULL << tt->tt_dnp->dn_indblkshift);
	/* Only the meta-dnode has dnodes below it, and nobody has object sets. */
	return ((BP_GET_TYPE(bp) == DMU_OT_DNODE) ==
		    (zb->zb_object == DMU_META_DNODE_OBJECT) &&
		BP_GET_TYPE(bp) != DMU_OT_OBJSET);
}

static int
traverse_bp(traverse_t *td, const traverse_tree_t *tt, const blkptr_t *bp,
    const zbookmark_phys_t *zb)
{
	arc_buf_t *buf = NULL;
	int error = 0;

	if (BP_GET_LOGICAL_BIRTH(bp) <= td->td_mintxg)
		return (0);
	bool call = true;
	if (td->td_skipping) {
		switch (traverse_place(td, tt, zb)) {
		case PLACE_BEFORE:
			return (0);
		case PLACE_ABOVE:
			call = false;
			break;
		case PLACE_AT:
			td->td_skipping = false;
			break;
		}
	}
	if (BP_IS_HOLE(bp)) {
		if (!call || (td->td_flags & TRAVERSE_NO_HOLES))
			return (0);
		error = traverse_call(td, tt, bp, zb, NULL);
		return (error == TRAVERSE_VISIT_SKIP ? 0 : error);
	}
	const bool children = bp_has_children(bp);
	if (!traverse_bp_sane(tt, bp, zb))
		error = ECKSUM;
	else if (children)
		error = arc_read_wait(td->td_spa, bp, ZIO_PRIORITY_ASYNC_READ,
		    ZIO_FLAG_CANFAIL, 0, zb, &buf);
	if (error != 0 && !(td->td_flags & TRAVERSE_HARD)) {
		if (td->td_resume != NULL)
			*td->td_resume = *zb;
		return (error);
	}
	error = 0;
	if (call && (!(td->td_flags & TRAVERSE_POST) || !children ||
			(td->td_flags & TRAVERSE_PRE)))
		error = traverse_call(td, tt, bp, zb, buf != NULL ? buf->b_data : NULL);
	if (error == 0 && buf != NULL)
		error = traverse_children(td, tt, zb, bp, buf);
	else if (error == TRAVERSE_VISIT_SKIP)
		error = 0;
	if (error == 0 && call && children && (td->td_flags & TRAVERSE_POST)) {
		error = traverse_call(td, tt, bp, zb, buf != NULL ? buf->b_data : NULL);
		if (error == TRAVERSE_VISIT_SKIP)
			error = 0;
	}
	if (buf != NULL)
		arc_buf_rele(buf);
	return (error);
}

int
traverse_objset_bp(spa_t *spa, uint64_t dsobj, const blkptr_t *root, uint64_t mintxg,
    zbookmark_phys_t *resume, int flags, blkptr_cb_t *func, void *arg)
{
	traverse_t td = {.td_spa = spa,
	    .td_dsobj = dsobj,
	    .td_mintxg = mintxg,
	    .td_resume = resume,
	    .td_flags = flags,
	    .td_func = func,
	    .td_arg = arg};
	zbookmark_phys_t zb;

	if (BP_IS_HOLE(root))
		return (0);
	/* All zero: from the beginning. In an MOS that is also its first dnode block:
	 * near enough. */
	td.td_skipping =
	    resume != NULL && (resume->zb_objset != 0 || resume->zb_object != 0 ||
				  resume->zb_level != 0 || resume->zb_blkid != 0);
	SET_BOOKMARK(&zb, dsobj, DMU_META_DNODE_OBJECT, ZB_ROOT_LEVEL, 0);
	return (traverse_bp(&td, NULL, root, &zb));
}
