/*
 * Gang blocks (format/01 §7): blocks that found no contiguous space and lie in pieces,
 * with a header of up to three pointers where the block should be. Pieces may be gangs
 * themselves.
 *
 * Writing. The leader allocates the header, cuts its bytes in three and writes each
 * piece through an ordinary write whose parent it is. When all pieces' pointers are
 * final, the header is built, the leader is ready, and the header goes out while the
 * pieces may still be on their way. A piece that finds no space fails; then the leader
 * waits for the others, gives everything back and fails with ENOSPC as a whole. To be
 * able to do that it keeps the tree of pointers (gang_node_t); a nested leader hands
 * its own up.
 *
 * Reading. The header is verified by its own checksum (it is seeded with its place and
 * birth, so no header can stand in for another), the pieces by theirs, the whole by the
 * leader's. Only classic headers of 512 bytes exist in pools we open.
 *
 * Trees on disk are hostile: a piece is smaller than the block it is a piece of, pieces
 * together are exactly the block, depth is bounded.
 */
#include "zio/zio_impl.h"

void
zio_gang_free_tree(gang_node_t *gn)
{
	if (gn == NULL)
		return;
	for (int g = 0; g < GANG_NBLKPTRS; g++)
		zio_gang_free_tree(gn->gn_child[g]);
	kmem_free(gn, sizeof(*gn));
}

/* format/01 §7.3 */
static void
gang_verifier(const blkptr_t *bp, zio_cksum_t *zc)
{
	zc->zc_word[0] = DVA_GET_VDEV(&bp->blk_dva[0]);
	zc->zc_word[1] = DVA_GET_OFFSET(&bp->blk_dva[0]);
	zc->zc_word[2] = BP_GET_PHYSICAL_BIRTH(bp);
	zc->zc_word[3] = 0;
}

static bool
gang_is_folded(const blkptr_t *bp)
{
	return (BP_USES_CRYPT(bp) && BP_GET_TYPE(bp) != DMU_OT_OBJSET);
}

static int
gang_header_verify(const blkptr_t *bp, const void *header, bool *swapped)
{
	zio_cksum_t verifier;

	gang_verifier(bp, &verifier);
	return (gang_is_folded(bp) ? zio_checksum_trailer_verify_folded(
					 header, GANG_SIZE, &verifier, swapped)
				   : zio_checksum_trailer_verify(
					 header, GANG_SIZE, &verifier, swapped));
}

/* --------------------------------------------------------------------------- reading
 * -- */

static int
gang_read_verify(void *arg, const void *data)
{
	const zio_impl_t *zi = arg;

	return (gang_header_verify(&zi->zi_bp, data, NULL) == 0 ? 0 : ECKSUM);
}

/* May this be piece of a block of psize bytes of which `rest` are still to come? */
static int
gang_member_check(const blkptr_t *leader, const blkptr_t *bp, uint64_t rest)
{
	if (blkptr_verify_static(bp, NULL) != 0 || BP_IS_EMBEDDED(bp) ||
	    BP_GET_COMPRESS(bp) != ZIO_COMPRESS_OFF)
		return (ECKSUM);
	if (BP_GET_PSIZE(bp) > rest || BP_GET_PSIZE(bp) >= BP_GET_PSIZE(leader))
		return (ECKSUM);
	return (0);
}

/*
 * Take the verified header apart: pointers in host order, holes for unused ones.
 * ECKSUM if they cannot be the pieces of this block.
 */
static int
gang_header_decode(
    const blkptr_t *leader, uint8_t *header, blkptr_t member[GANG_NBLKPTRS])
{
	uint64_t rest = BP_GET_PSIZE(leader);
	bool swapped;

	if (gang_header_verify(leader, header, &swapped) != 0)
		return (ECKSUM);
	for (int g = 0; g < GANG_NBLKPTRS; g++) {
		VERIFY0(ondisk_decode(&od_blkptr, header + g * sizeof(blkptr_t),
		    sizeof(blkptr_t), swapped, &member[g]));
		if (BP_IS_HOLE(&member[g]))
			continue;
		if (gang_member_check(leader, &member[g], rest) != 0)
			return (ECKSUM);
		rest -= BP_GET_PSIZE(&member[g]);
	}
	return (rest == 0 ? 0 : ECKSUM);
}

static void
gang_read_assembled(zio_impl_t *zi)
{
	int error = zio_child_error(zi);

	if (error == 0)
		error =
		    zio_checksum_verify(zi->zi_pub.io_spa, &zi->zi_bp, zi->zi_pdata);
	if (error != 0)
		zio_read_fail(zi, error);
	else
		zio_read_finish(zi);
}

static void
gang_read_members(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	blkptr_t member[GANG_NBLKPTRS];
	zio_impl_t *child[GANG_NBLKPTRS];
	uint8_t *at = zi->zi_pdata;
	int n = 0;

	int error = zi->zi_rd_error;
	if (error == 0)
		error = gang_header_decode(&zi->zi_bp, zi->zi_gang_header, member);
	if (error == 0 && zi->zi_gang_depth >= GANG_MAX_DEPTH)
		error = ECKSUM;
	if (error != 0) {
		zio_read_fail(zi, error);
		return;
	}
	for (int g = 0; g < GANG_NBLKPTRS; g++) {
		if (BP_IS_HOLE(&member[g]))
			continue;
		const uint64_t psize = BP_GET_PSIZE(&member[g]);
		child[n] = zio_impl(zio_read(zio, zio->io_spa, &member[g], at, psize,
		    NULL, NULL, zio->io_priority,
		    (zio->io_flags & (ZIO_FLAG_SCRUB | ZIO_FLAG_DONT_REPAIR)) |
			ZIO_FLAG_RAW,
		    &zio->io_bookmark));
		child[n]->zi_gang_depth = zi->zi_gang_depth + 1;
		at += psize;
		n++;
	}
	for (int g = 0; g < n; g++)
		zio_nowait(&child[g]->zi_pub);
	zio_when(zi, ZIO_WAIT_DONE, gang_read_assembled);
}

static void
gang_header_read_done(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;

	if (zi->zi_rd_error == 0)
		memcpy(zio->io_data, zi->zi_gang_header, GANG_SIZE);
	zio_finish(zi, zi->zi_rd_error);
}

/* With the configuration held. */
void
zio_gang_read(zio_impl_t *zi)
{
	zi->zi_gang_header = zio_buf_alloc(GANG_SIZE);
	zio_read_copies(zi, zi->zi_gang_header, GANG_SIZE, gang_read_verify,
	    zi->zi_header_only ? gang_header_read_done : gang_read_members);
}

/* --------------------------------------------------------------------------- writing
 * -- */

typedef void dva_func_t(spa_t *spa, const dva_t *dva, uint64_t txg);

static uint64_t
gang_header_asize(spa_t *spa, const dva_t *dva)
{
	vdev_t *top = zio_ops->zso_top(spa, DVA_GET_VDEV(dva));

	return (top == NULL ? 0 : vdev_psize_to_asize(top, GANG_SIZE));
}

/* Call func for what each DVA of bp itself occupies: of a gang, the header alone. */
static void
gang_each_dva(spa_t *spa, const blkptr_t *bp, uint64_t txg, dva_func_t *func)
{
	for (int d = 0; d < BP_GET_NDVAS(bp); d++) {
		dva_t dva = bp->blk_dva[d];

		if (BP_IS_GANG(bp)) {
			DVA_SET_ASIZE(&dva, gang_header_asize(spa, &dva));
			DVA_SET_GANG(&dva, false);
		}
		func(spa, &dva, txg);
	}
}

/* Call func for everything bp (and the tree below it, which is freed) occupies. */
static void
gang_walk(
    spa_t *spa, uint64_t txg, const blkptr_t *bp, gang_node_t *gn, dva_func_t *func)
{
	for (int g = 0; gn != NULL && g < GANG_NBLKPTRS; g++) {
		if (!BP_IS_HOLE(&gn->gn_bp[g]))
			gang_walk(spa, txg, &gn->gn_bp[g], gn->gn_child[g], func);
	}
	if (gn != NULL)
		kmem_free(gn, sizeof(*gn));
	gang_each_dva(spa, bp, txg, func);
}

static void
gang_write_undo(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;

	gang_walk(
	    zio->io_spa, zio->io_txg, &zi->zi_bp, zi->zi_gang, zio_ops->zso_unalloc);
	zi->zi_gang = NULL;
	memset(zi->zi_bp.blk_dva, 0, sizeof(zi->zi_bp.blk_dva));
	zio_buf_free(zi->zi_gang_header, GANG_SIZE);
	zi->zi_gang_header = NULL;
	/* The pieces' failure has been dealt with; a retry starts clean. */
	mutex_enter(&zi->zi_lock);
	const int error = zi->zi_child_error;
	zi->zi_child_error = 0;
	mutex_exit(&zi->zi_lock);
	zio_write_no_place(zi, error);
}

/* The header's bytes, and the leader's DVAs with the sizes of all that hangs on them.
 */
static void
gang_write_header(zio_impl_t *zi)
{
	blkptr_t *bp = &zi->zi_bp;
	zio_cksum_t verifier;

	if (zio_child_error(zi) != 0) {
		zio_when(zi, ZIO_WAIT_DONE, gang_write_undo);
		return;
	}
	memset(zi->zi_gang_header, 0, GANG_SIZE);
	for (int g = 0; g < GANG_NBLKPTRS; g++) {
		const blkptr_t *mbp = &zi->zi_gang->gn_bp[g];

		VERIFY0(ondisk_encode(&od_blkptr, mbp,
		    zi->zi_gang_header + (size_t)g * sizeof(blkptr_t), sizeof(blkptr_t),
		    false));
		for (int d = 0; d < BP_GET_NDVAS(mbp); d++)
			DVA_SET_ASIZE(
			    &bp->blk_dva[d], DVA_GET_ASIZE(&bp->blk_dva[d]) +
						 DVA_GET_ASIZE(&mbp->blk_dva[d]));
	}
	gang_verifier(bp, &verifier);
	if (gang_is_folded(bp))
		zio_checksum_trailer_put_folded(
		    zi->zi_gang_header, GANG_SIZE, &verifier);
	else
		zio_checksum_trailer_put(zi->zi_gang_header, GANG_SIZE, &verifier);
	/* From here on the tree can only succeed, and belongs to the root of it. */
	if (zi->zi_gang_up != NULL) {
		*zi->zi_gang_up = zi->zi_gang;
		zi->zi_gang = NULL;
	}
	zio_write_publish(zi);
}

static void
gang_write_member(zio_impl_t *zi, int g, uint8_t *data, uint64_t size)
{
	zio_t *zio = &zi->zi_pub;
	const zio_prop_t zp = {
	    .zp_checksum = zio->io_prop.zp_checksum,
	    .zp_compress = ZIO_COMPRESS_OFF,
	    .zp_type = DMU_OT_NONE,
	    .zp_copies = (uint8_t)MIN(zio->io_prop.zp_copies, BP_GET_NDVAS(&zi->zi_bp)),
	    .zp_gang_copies = (uint8_t)BP_GET_NDVAS(&zi->zi_bp),
	};
	zio_impl_t *child = zio_impl(zio_write(zio, zio->io_spa, zio->io_txg,
	    &zi->zi_gang->gn_bp[g], data, size, &zp, NULL, NULL, NULL, zio->io_priority,
	    zio->io_flags & ZIO_FLAG_CANFAIL, &zio->io_bookmark));

	child->zi_gang_depth = zi->zi_gang_depth + 1;
	child->zi_gang_up = &zi->zi_gang->gn_child[g];
	zio_nowait(&child->zi_pub);
}

/* No run of zi_psize bytes is free. The pointer is complete but for its DVAs. */
void
zio_gang_write(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const zio_prop_t *zp = &zio->io_prop;
	uint8_t *data = zi->zi_pdata;
	uint64_t rest = zi->zi_psize;

	/* A lost header loses all pieces: it has a copy more than they, if possible. */
	const int copies = MAX(zp->zp_copies, MIN(zp->zp_gang_copies, SPA_DVAS_PER_BP));
	int error = zio_ops->zso_alloc(zio->io_spa, GANG_SIZE, &zi->zi_bp, copies,
	    zio->io_txg, NULL, ZIO_ALLOC_GANG_HEADER, zp);
	if (error == ENOSPC && copies > zp->zp_copies)
		error = zio_ops->zso_alloc(zio->io_spa, GANG_SIZE, &zi->zi_bp,
		    zp->zp_copies, zio->io_txg, NULL, ZIO_ALLOC_GANG_HEADER, zp);
	if (error != 0) {
		zio_write_no_place(zi, error);
		return;
	}
	atomic_inc_64(&zio_counters.zs_gangs);
	for (int d = 0; d < BP_GET_NDVAS(&zi->zi_bp); d++)
		DVA_SET_GANG(&zi->zi_bp.blk_dva[d], true);
	zi->zi_gang_header = zio_buf_alloc(GANG_SIZE);
	zi->zi_gang = kmem_zalloc(sizeof(gang_node_t), KM_PUSHPAGE);
	for (int g = 0; g < GANG_NBLKPTRS && rest > 0; g++) {
		const uint64_t size = roundup(
		    howmany(rest, (uint64_t)(GANG_NBLKPTRS - g)), SPA_MINBLOCKSIZE);
		gang_write_member(zi, g, data, size);
		data += size;
		rest -= size;
	}
	zio_when(zi, ZIO_WAIT_READY, gang_write_header);
}

/* ---------------------------------------------------------------------------- freeing
 * -- */

static void
claim_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	const int error = zio_ops->zso_claim_dva(spa, dva, txg);

	if (error != 0)
		spl_log(LOG_WARNING, "claim of %" PRIu64 ":%" PRIx64 " failed: %s",
		    DVA_GET_VDEV(dva), DVA_GET_OFFSET(dva), strerror(error));
}

static int
gang_header_read(spa_t *spa, const blkptr_t *bp, uint8_t *header)
{
	zio_t *zio = zio_read(NULL, spa, bp, header, GANG_SIZE, NULL, NULL,
	    ZIO_PRIORITY_SYNC_READ, ZIO_FLAG_CANFAIL, NULL);

	zio_impl(zio)->zi_header_only = true;
	return (zio_wait(zio));
}

/*
 * Read the tree below a gang pointer before any of it is given away: it is all or
 * nothing, and nobody can read headers in freed space.
 */
static int
gang_tree_load(spa_t *spa, const blkptr_t *bp, int depth, gang_node_t **gnp)
{
	int error;

	if (depth > GANG_MAX_DEPTH)
		return (ECKSUM);
	uint8_t *header = zio_buf_alloc(GANG_SIZE);
	gang_node_t *gn = kmem_zalloc(sizeof(*gn), KM_SLEEP);
	if ((error = gang_header_read(spa, bp, header)) == 0)
		error = gang_header_decode(bp, header, gn->gn_bp);
	zio_buf_free(header, GANG_SIZE);
	for (int g = 0; g < GANG_NBLKPTRS && error == 0; g++) {
		const blkptr_t *mbp = &gn->gn_bp[g];
		if (!BP_IS_HOLE(mbp))
			error = zio_blkptr_verify(spa, mbp);
		if (error == 0 && BP_IS_GANG(mbp))
			error = gang_tree_load(spa, mbp, depth + 1, &gn->gn_child[g]);
	}
	if (error != 0) {
		zio_gang_free_tree(gn);
		return (error);
	}
	*gnp = gn;
	return (0);
}

static int
walk_block(spa_t *spa, uint64_t txg, const blkptr_t *bp, dva_func_t *func)
{
	gang_node_t *gn = NULL;
	int error;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return (0);
	if ((error = zio_blkptr_verify(spa, bp)) != 0)
		return (error);
	if (BP_IS_GANG(bp) && (error = gang_tree_load(spa, bp, 0, &gn)) != 0)
		return (error);
	gang_walk(spa, txg, bp, gn, func);
	return (0);
}

int
zio_free(spa_t *spa, uint64_t txg, const blkptr_t *bp)
{
	return (walk_block(spa, txg, bp, zio_ops->zso_free_dva));
}

int
zio_claim(spa_t *spa, uint64_t txg, const blkptr_t *bp)
{
	return (walk_block(spa, txg, bp, claim_dva));
}

/* ------------------------------------------------------------------------ inspecting
 * -- */

static void
gang_show(spa_t *spa, const blkptr_t *bp, const gang_node_t *gn,
    void (*func)(void *arg, const dva_t *dva), void *arg)
{
	for (int g = 0; gn != NULL && g < GANG_NBLKPTRS; g++) {
		if (!BP_IS_HOLE(&gn->gn_bp[g]))
			gang_show(spa, &gn->gn_bp[g], gn->gn_child[g], func, arg);
	}
	for (int d = 0; d < BP_GET_NDVAS(bp); d++) {
		dva_t dva = bp->blk_dva[d];

		if (BP_IS_GANG(bp)) {
			DVA_SET_ASIZE(&dva, gang_header_asize(spa, &dva));
			DVA_SET_GANG(&dva, false);
		}
		func(arg, &dva);
	}
}

int
zio_foreach_dva(spa_t *spa, const blkptr_t *bp,
    void (*func)(void *arg, const dva_t *dva), void *arg)
{
	gang_node_t *gn = NULL;
	int error;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp))
		return (0);
	if ((error = zio_blkptr_verify(spa, bp)) != 0)
		return (error);
	if (BP_IS_GANG(bp) && (error = gang_tree_load(spa, bp, 0, &gn)) != 0)
		return (error);
	gang_show(spa, bp, gn, func, arg);
	zio_gang_free_tree(gn);
	return (0);
}
