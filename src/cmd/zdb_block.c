/*
 * Committed dnodes and block pointers, read through the ARC: what stands on disk, not what a dnode in
 * memory makes of it.
 *
 * A dnode is found through the tree of the meta-dnode, which stands in the object set's header; the
 * special objects of user accounting stand there themselves.
 */
#include <stdarg.h>
#include "cmd/zdb.h"

int
zdb_bp_read(spa_t *spa, const blkptr_t *bp, const zbookmark_phys_t *zb, arc_buf_t **bufp)
{
	if (zio_blkptr_verify(spa, bp) != 0)
		return (ECKSUM);
	return (arc_read_wait(
	    spa, bp, ZIO_PRIORITY_SYNC_READ, ZIO_FLAG_CANFAIL, 0, zb, bufp));
}

/* Does the pointer fit where it stands in the tree? */
static bool
bp_fits(const dnode_phys_t *dnp, const blkptr_t *bp, int level)
{
	if (BP_IS_EMBEDDED(bp) || BP_IS_HOLE(bp))
		return (true);
	return (BP_GET_LEVEL(bp) == level &&
	    (level == 0 || BP_GET_LSIZE(bp) == 1ULL << dnp->dn_indblkshift));
}

/* ---- dnodes --------------------------------------------------------------------------------------- */

/* The pointer to L0 block blkid of a tree. ENOENT: hole. */
static int
bp_of_block(objset_t *os, uint64_t object, const dnode_phys_t *dnp, uint64_t blkid, blkptr_t *out)
{
	spa_t *spa = dmu_objset_spa(os);
	const int epbs = dnode_phys_epbs(dnp);
	int level = dnp->dn_nlevels - 1, error;
	zbookmark_phys_t zb;

	if (level * epbs < 64 && blkid >> (level * epbs) >= dnp->dn_nblkptr)
		return (ENOENT);
	blkptr_t bp = dnp->dn_blkptr[level * epbs < 64 ? blkid >> (level * epbs) : 0];
	for (; level > 0; level--) {
		const blkptr_t *child;
		arc_buf_t *buf;

		if (BP_IS_HOLE(&bp))
			return (ENOENT);
		if (!bp_fits(dnp, &bp, level))
			return (ECKSUM);
		const int shift = level * epbs;
		SET_BOOKMARK(&zb, dmu_objset_id(os), object, level, shift < 64 ? blkid >> shift : 0);
		if ((error = zdb_bp_read(spa, &bp, &zb, &buf)) != 0)
			return (error);
		const uint64_t id = shift - epbs < 64 ? blkid >> (shift - epbs) : 0;
		child = indirect_block_bp_const(buf->b_data, buf->b_size, id & ((1ULL << epbs) - 1));
		if (child != NULL)
			bp = *child;
		arc_buf_rele(buf);
		if (child == NULL)
			return (EIO);
	}
	if (BP_IS_HOLE(&bp))
		return (ENOENT);
	*out = bp;
	return (bp_fits(dnp, &bp, 0) ? 0 : ECKSUM);
}

static dnode_phys_t *
dnode_copy(const dnode_phys_t *dnp)
{
	/* Room for the largest, so that nobody needs to know the size to free it. */
	dnode_phys_t *copy = kmem_zalloc(DNODE_MAX_SIZE, KM_SLEEP);

	memcpy(copy, dnp, MIN(dnode_phys_size(dnp), DNODE_MAX_SIZE));
	return (copy);
}

void
zdb_dnode_free(dnode_phys_t *dnp)
{
	kmem_free(dnp, DNODE_MAX_SIZE);
}

int
zdb_dnode_get(objset_t *os, uint64_t object, dnode_phys_t **dnpp)
{
	const objset_phys_t *osp = dmu_objset_phys(os);
	const dnode_phys_t *dnp = NULL;
	zbookmark_phys_t zb;
	arc_buf_t *buf;
	blkptr_t bp;

	switch (object) {
	case DMU_META_DNODE_OBJECT: dnp = &osp->os_meta_dnode; break;
	case DMU_USERUSED_OBJECT: dnp = &osp->os_userused_dnode; break;
	case DMU_GROUPUSED_OBJECT: dnp = &osp->os_groupused_dnode; break;
	case DMU_PROJECTUSED_OBJECT: dnp = &osp->os_projectused_dnode; break;
	default: break;
	}
	if (dnp != NULL) {
		if (dnp->dn_type == DMU_OT_NONE)
			return (ENOENT);
		if (dnode_phys_verify(dnp) != 0)
			return (EIO);
		*dnpp = dnode_copy(dnp);
		return (0);
	}
	if (object >= DN_MAX_OBJECT || osp->os_meta_dnode.dn_type != DMU_OT_DNODE)
		return (ENOENT);
	const uint64_t blkid = object >> DNODES_PER_BLOCK_SHIFT;
	int error =
	    bp_of_block(os, DMU_META_DNODE_OBJECT, &osp->os_meta_dnode, blkid, &bp);
	SET_BOOKMARK(&zb, dmu_objset_id(os), DMU_META_DNODE_OBJECT, 0, blkid);
	if (error == 0)
		error = zdb_bp_read(dmu_objset_spa(os), &bp, &zb, &buf);
	if (error != 0)
		return (error);
	const unsigned slot = (unsigned)(object & (DNODES_PER_BLOCK - 1));
	dnp = dnode_block_slot_const(buf->b_data, buf->b_size, slot);
	if (dnp == NULL || dnp->dn_type == DMU_OT_NONE ||
	    dnode_block_is_interior(buf->b_data, buf->b_size, slot))
		error = ENOENT;
	else if (dnode_phys_verify(dnp) != 0)
		error = EIO;
	else
		*dnpp = dnode_copy(dnp);
	arc_buf_rele(buf);
	return (error);
}

/* ---- walking ----------------------------------------------------------------------------------------- */

static void
walk_bp(objset_t *os, const dnode_phys_t *dnp, const blkptr_t *bp, const zbookmark_phys_t *zb,
    const zdb_walk_t *zw)
{
	zbookmark_phys_t czb;
	arc_buf_t *buf;

	if (BP_GET_LOGICAL_BIRTH(bp) == 0)
		return;
	zw->zw_func(zw->zw_arg, bp, zb);
	if (zb->zb_level <= 0 || BP_IS_HOLE(bp) || BP_IS_REDACTED(bp))
		return;
	int error = bp_fits(dnp, bp, (int)zb->zb_level) ? 0 : ECKSUM;
	if (error == 0)
		error = zdb_bp_read(dmu_objset_spa(os), bp, zb, &buf);
	if (error != 0) {
		zw->zw_bad(zw->zw_arg, bp, zb, error);
		return;
	}
	const uint64_t n = buf->b_size / sizeof(blkptr_t);
	for (uint64_t i = 0; i < n; i++) {
		SET_BOOKMARK(&czb, zb->zb_objset, zb->zb_object, zb->zb_level - 1,
		    zb->zb_blkid * n + i);
		walk_bp(os, dnp, indirect_block_bp_const(buf->b_data, buf->b_size, i), &czb, zw);
	}
	arc_buf_rele(buf);
}

void
zdb_walk(objset_t *os, uint64_t object, const dnode_phys_t *dnp, const zdb_walk_t *zw)
{
	zbookmark_phys_t zb;

	for (unsigned i = 0; i < dnp->dn_nblkptr; i++) {
		SET_BOOKMARK(&zb, dmu_objset_id(os), object, dnp->dn_nlevels - 1, i);
		walk_bp(os, dnp, &dnp->dn_blkptr[i], &zb, zw);
	}
}

/* ---- the short form -------------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 4, 5)))
append(char *buf, size_t size, size_t *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const int n = vsnprintf(buf + *at, size - *at, fmt, ap);
	va_end(ap);
	if (n > 0)
		*at = MIN(*at + (size_t)n, size - 1);
}

void
zdb_blkptr_compact(const blkptr_t *bp, int dvas, bool bp_freed, char *buf, size_t size)
{
	const zio_cksum_t *c = &bp->blk_cksum;
	size_t at = 0;

	buf[0] = '\0';
	if (BP_IS_EMBEDDED(bp)) {
		append(buf, size, &at, "EMBEDDED et=%" PRIu64 " %" PRIx64 "L/%" PRIx64 "P B=%" PRIu64,
		    BPE_GET_ETYPE(bp), BPE_GET_LSIZE(bp), BPE_GET_PSIZE(bp),
		    BP_GET_LOGICAL_BIRTH(bp));
		return;
	}
	if (BP_IS_HOLE(bp))
		dvas = 1;
	for (int d = 0; d < dvas; d++) {
		const dva_t *dva = &bp->blk_dva[d];
		if (d < BP_GET_NDVAS(bp) || BP_IS_HOLE(bp))
			append(buf, size, &at, "%" PRIu64 ":%" PRIx64 ":%" PRIx64 " ",
			    DVA_GET_VDEV(dva), DVA_GET_OFFSET(dva), DVA_GET_ASIZE(dva));
	}
	if (BP_IS_HOLE(bp)) {
		append(buf, size, &at, "%" PRIx64 "L B=%" PRIu64, BP_GET_LSIZE(bp),
		    BP_GET_LOGICAL_BIRTH(bp));
		return;
	}
	append(buf, size, &at, "%" PRIx64 "L/%" PRIx64 "P F=%" PRIu64 " B=%" PRIu64 "/%" PRIu64,
	    BP_GET_LSIZE(bp), BP_GET_PSIZE(bp), BP_GET_FILL(bp), BP_GET_LOGICAL_BIRTH(bp),
	    BP_GET_PHYSICAL_BIRTH(bp));
	if (bp_freed)
		append(buf, size, &at, " FREE");
	append(buf, size, &at, " cksum=%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64,
	    c->zc_word[0], c->zc_word[1], c->zc_word[2], c->zc_word[3]);
}
