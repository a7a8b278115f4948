/*
 * Is a pointer possible (format/01 §6.8), and are these bytes the ones it means
 * (format/01 §8.2, §8.5)?
 */
#include "zio/zio_impl.h"

static int
dva_verify(spa_t *spa, const blkptr_t *bp, const dva_t *dva)
{
	vdev_t *top = zio_ops->zso_top(spa, DVA_GET_VDEV(dva));

	if (top == NULL || top->vdev_ops == &vdev_hole_ops)
		return (ECKSUM);
	if (top->vdev_ops == &vdev_missing_ops)
		return (0); /* nothing is known of it; reading will say ENXIO */
	const uint64_t offset = DVA_GET_OFFSET(dva);
	const uint64_t asize =
	    BP_IS_GANG(bp) ? vdev_psize_to_asize(top, GANG_SIZE) : DVA_GET_ASIZE(dva);

	if (asize > top->vdev_asize || offset > top->vdev_asize - asize)
		return (ECKSUM);
	return (0);
}

int
zio_blkptr_verify(spa_t *spa, const blkptr_t *bp)
{
	const char *why;

	if (blkptr_verify_static(bp, &why) != 0) {
		spl_log(LOG_WARNING, "block pointer refused: %s", why);
		return (ECKSUM);
	}
	if (BP_IS_EMBEDDED(bp) || BP_IS_HOLE(bp))
		return (0);
	for (int d = 0; d < BP_GET_NDVAS(bp); d++) {
		if (dva_verify(spa, bp, &bp->blk_dva[d]) != 0) {
			spl_log(LOG_WARNING,
			    "block pointer refused: DVA %d out of range", d);
			return (ECKSUM);
		}
	}
	return (0);
}

/* Pointers with X = 1, except of object sets, hold a shortened checksum. */
static bool
bp_cksum_is_folded(const blkptr_t *bp)
{
	return (BP_USES_CRYPT(bp) && BP_GET_TYPE(bp) != DMU_OT_OBJSET);
}

int
zio_checksum_verify(spa_t *spa, const blkptr_t *bp, const void *data)
{
	const enum zio_checksum c = BP_GET_CHECKSUM(bp);
	const uint64_t size = BP_GET_PSIZE(bp);
	const bool folded = bp_cksum_is_folded(bp);
	zio_cksum_t sum;
	int error;

	if (c == ZIO_CHECKSUM_OFF || c == ZIO_CHECKSUM_NOPARITY)
		return (0);
	if (c == ZIO_CHECKSUM_ZILOG || c == ZIO_CHECKSUM_ZILOG2)
		return (folded ? zio_checksum_zil_verify_folded(
				     c, data, size, &bp->blk_cksum, NULL)
			       : zio_checksum_zil_verify(
				     c, data, size, &bp->blk_cksum, NULL));
	error = zio_checksum_compute(
	    c, data, size, BP_SHOULD_BYTESWAP(bp), zio_ops->zso_salt(spa), &sum);
	if (error != 0)
		return (ECKSUM); /* an id that no data block can have */
	if (!folded)
		return (ZIO_CHECKSUM_EQUAL(sum, bp->blk_cksum) ? 0 : ECKSUM);
	zio_checksum_fold(c, &sum);
	return (sum.zc_word[0] == bp->blk_cksum.zc_word[0] &&
			sum.zc_word[1] == bp->blk_cksum.zc_word[1]
		    ? 0
		    : ECKSUM);
}
