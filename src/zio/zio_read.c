/*
 * Reading: holes, embedded data, and copies on devices. The essay is in zio.h.
 *
 * Copies are tried in the order of the DVAs; within one, a mirror tries its own
 * children. When one is right, the DVAs that were wrong get its bytes. A scrub reads
 * every DVA (and every side of it), keeps the first right one, repairs the rest. The
 * bytes of a block that is not compressed arrive in the caller's buffer and stay there;
 * those of a compressed one arrive in a scratch buffer and are decompressed from it.
 */
#include "zio/zio_impl.h"

/* -------------------------------------------------------------------------- copies --
 */

static void
copies_finish(zio_impl_t *zi, int error)
{
	zio_buf_free(zi->zi_rd_spare_buf, zi->zi_rd_size);
	zi->zi_rd_spare_buf = NULL;
	zi->zi_rd_error = error;
	zio_config_exit(zi);
	zi->zi_rd_next(zi);
}

static void
copies_repair_last(zio_impl_t *zi)
{
	if (__atomic_sub_fetch(&zi->zi_vios_pending, 1, __ATOMIC_ACQ_REL) == 0)
		copies_finish(zi, 0);
}

static void
copies_repair_done(vdev_io_t *vio)
{
	if (vio->vio_error == 0)
		atomic_inc_64(&zio_counters.zs_repairs);
	copies_repair_last(vio->vio_private);
}

static vdev_t *
copies_top(zio_impl_t *zi, int d)
{
	return (
	    zio_ops->zso_top(zi->zi_pub.io_spa, DVA_GET_VDEV(&zi->zi_bp.blk_dva[d])));
}

static bool
copies_may_repair(const zio_impl_t *zi)
{
	return (zi->zi_rd_bad != 0 && !(zi->zi_pub.io_flags & ZIO_FLAG_DONT_REPAIR) &&
		zio_ops->zso_writeable(zi->zi_pub.io_spa));
}

/* zi_rd_buf is right: write it over the DVAs that were not. */
static void
copies_repair(zio_impl_t *zi)
{
	zi->zi_vios_pending = 1;
	for (int d = 0; d < SPA_DVAS_PER_BP && copies_may_repair(zi); d++) {
		vdev_t *top;

		if ((zi->zi_rd_bad & (1U << d)) == 0 ||
		    (top = copies_top(zi, d)) == NULL || !vdev_writeable(top))
			continue;
		vdev_io_t *vio = &zi->zi_vio[d];
		vdev_io_init(vio, top, VIO_WRITE, DVA_GET_OFFSET(&zi->zi_bp.blk_dva[d]),
		    zi->zi_rd_buf, zi->zi_rd_size, ZIO_PRIORITY_ASYNC_WRITE,
		    VIO_FLAG_REPAIR | VIO_FLAG_CANFAIL);
		vio->vio_txg = BP_GET_PHYSICAL_BIRTH(&zi->zi_bp);
		vio->vio_done = copies_repair_done;
		vio->vio_private = zi;
		__atomic_add_fetch(&zi->zi_vios_pending, 1, __ATOMIC_RELAXED);
		vdev_io(vio);
	}
	copies_repair_last(zi);
}

static void copies_next(zio_impl_t *zi, int d);

static void
copies_vio_done(vdev_io_t *vio)
{
	zio_impl_t *zi = vio->vio_private;
	const int d = zi->zi_rd_dva;
	const bool scrub = zi->zi_pub.io_flags & ZIO_FLAG_SCRUB;

	if (vio->vio_repaired)
		atomic_inc_64(&zio_counters.zs_repairs);
	if (vio->vio_error != 0) {
		if (vio->vio_error == ECKSUM)
			atomic_inc_64(&zio_counters.zs_cksum_errors);
		zi->zi_rd_bad |= 1U << d;
		zi->zi_rd_error = zio_worst_error(zi->zi_rd_error, vio->vio_error);
		copies_next(zi, d + 1);
		return;
	}
	if (zi->zi_rd_good < 0)
		zi->zi_rd_good = d;
	if (scrub)
		copies_next(zi, d + 1);
	else
		copies_repair(zi);
}

static int
copies_verify(void *arg, const void *data)
{
	zio_impl_t *zi = arg;

	return (zi->zi_rd_verify(zi, data));
}

static uint32_t
copies_vio_flags(uint32_t zio_flags)
{
	uint32_t flags = 0;

	if (zio_flags & ZIO_FLAG_SPECULATIVE)
		flags |= VIO_FLAG_SPECULATIVE;
	if (zio_flags & ZIO_FLAG_SCRUB)
		flags |= VIO_FLAG_SCRUB;
	if (zio_flags & ZIO_FLAG_DONT_REPAIR)
		flags |= VIO_FLAG_DONT_REPAIR;
	return (flags);
}

/* Read the next copy from DVA d on, or draw the conclusion when there is none. */
static void
copies_next(zio_impl_t *zi, int d)
{
	const zio_t *zio = &zi->zi_pub;
	vdev_t *top = NULL;

	for (; d < BP_GET_NDVAS(&zi->zi_bp); d++) {
		if ((top = copies_top(zi, d)) != NULL)
			break;
	}
	if (top == NULL && zi->zi_rd_good >= 0) {
		copies_repair(zi);
		return;
	}
	if (top == NULL) {
		copies_finish(zi, zi->zi_rd_error != 0 ? zi->zi_rd_error : ENXIO);
		return;
	}
	void *buf = zi->zi_rd_buf;
	if (zi->zi_rd_good >= 0) {
		if (zi->zi_rd_spare_buf == NULL)
			zi->zi_rd_spare_buf = zio_buf_alloc(zi->zi_rd_size);
		buf = zi->zi_rd_spare_buf;
	}
	vdev_io_t *vio = &zi->zi_vio[d];
	zi->zi_rd_dva = d;
	vdev_io_init(vio, top, VIO_READ, DVA_GET_OFFSET(&zi->zi_bp.blk_dva[d]), buf,
	    zi->zi_rd_size, zio->io_priority, copies_vio_flags(zio->io_flags));
	vio->vio_txg = BP_GET_PHYSICAL_BIRTH(&zi->zi_bp);
	vio->vio_verify = copies_verify;
	vio->vio_verify_arg = zi;
	vio->vio_done = copies_vio_done;
	vio->vio_private = zi;
	vdev_io(vio);
}

void
zio_read_copies(zio_impl_t *zi, void *buf, uint64_t size,
    int (*verify)(void *zi, const void *data), zio_stage_t *next)
{
	zi->zi_rd_buf = buf;
	zi->zi_rd_size = size;
	zi->zi_rd_verify = verify;
	zi->zi_rd_next = next;
	zi->zi_rd_error = 0;
	zi->zi_rd_bad = 0;
	zi->zi_rd_good = -1;
	copies_next(zi, 0);
}

/* ----------------------------------------------------------------------- the story --
 */

void
zio_read_fail(zio_impl_t *zi, int error)
{
	zio_t *zio = &zi->zi_pub;

	/* A piece of a gang block is no block of its own: its leader reports. */
	if (!(zio->io_flags & ZIO_FLAG_SPECULATIVE) && zi->zi_gang_depth == 0)
		zio_ops->zso_data_error(
		    zio->io_spa, &zio->io_bookmark, &zi->zi_bp, error);
	zio_finish(zi, error);
}

void
zio_read_finish(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	int error = 0;

	if (zi->zi_pdata != zio->io_data)
		error = zio_decompress_data(BP_GET_COMPRESS(&zi->zi_bp), zi->zi_pdata,
		    zio->io_data, zi->zi_psize, zio->io_size, NULL);
	if (error != 0) {
		zio_read_fail(zi, EIO);
		return;
	}
	zio_finish(zi, 0);
}

static int
read_verify(void *arg, const void *data)
{
	zio_impl_t *zi = arg;

	return (zio_checksum_verify(zi->zi_pub.io_spa, &zi->zi_bp, data));
}

static void
read_copies_done(zio_impl_t *zi)
{
	if (zi->zi_rd_error != 0)
		zio_read_fail(zi, zi->zi_rd_error);
	else
		zio_read_finish(zi);
}

/* Embedded data; holes. Neither needs a device. */
static void
read_inline(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	const blkptr_t *bp = &zi->zi_bp;
	int error = 0;

	if (!BP_IS_EMBEDDED(bp)) {
		memset(zio->io_data, 0, zio->io_size);
	} else if (BP_IS_REDACTED(bp)) {
		error = EIO;
	} else if (zio->io_flags & ZIO_FLAG_RAW) {
		uint8_t payload[BPE_PAYLOAD_SIZE];
		const size_t n = decode_embedded_bp_compressed(bp, payload);
		if (n != 0 && n == zio->io_size)
			memcpy(zio->io_data, payload, n);
		else
			error = ECKSUM;
	} else {
		error = decode_embedded_bp(bp, zio->io_data, zio->io_size);
	}
	if (error != 0)
		zio_read_fail(zi, error);
	else
		zio_finish(zi, 0);
}

/* Do pointer, buffer and flags fit together? */
static int
read_check(const zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const blkptr_t *bp = &zi->zi_bp;
	const bool raw = zio->io_flags & ZIO_FLAG_RAW;

	/*
	 * Only as stored: the key is with someone else. Of dnode blocks just the bonus
	 * buffers are ciphertext, the rest anybody may read (format/04 §9.2).
	 */
	if (BP_IS_ENCRYPTED(bp) && !raw && BP_GET_TYPE(bp) != DMU_OT_DNODE)
		return (EACCES);
	if (zio->io_size != (raw ? BP_GET_PSIZE(bp) : BP_GET_LSIZE(bp)))
		return (
		    ECKSUM); /* the pointer is not of the block the caller expects */
	if (!raw && BP_GET_COMPRESS(bp) == ZIO_COMPRESS_OFF &&
	    BP_GET_LSIZE(bp) != BP_GET_PSIZE(bp))
		return (ECKSUM);
	return (0);
}

/* The pointer names something on devices, and may be followed. Holds the configuration.
 */
static void
read_devices(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	const blkptr_t *bp = &zi->zi_bp;

	if (zi->zi_gang_depth == 0)
		atomic_inc_64(&zio_counters.zs_reads);
	if (zi->zi_header_only) {
		zio_gang_read(zi);
		return;
	}
	zi->zi_psize = BP_GET_PSIZE(bp);
	zi->zi_pdata = zio->io_data;
	if (!(zio->io_flags & ZIO_FLAG_RAW) &&
	    BP_GET_COMPRESS(bp) != ZIO_COMPRESS_OFF) {
		zi->zi_scratch_size = zi->zi_psize;
		zi->zi_pdata = zi->zi_scratch = zio_buf_alloc(zi->zi_psize);
	}
	if (BP_IS_GANG(bp))
		zio_gang_read(zi);
	else
		zio_read_copies(
		    zi, zi->zi_pdata, zi->zi_psize, read_verify, read_copies_done);
}

static bool
read_needs_device(const zio_impl_t *zi)
{
	return (!BP_IS_HOLE(&zi->zi_bp) && !BP_IS_EMBEDDED(&zi->zi_bp));
}

void
zio_read_start(zio_impl_t *zi)
{
	int error;

	zio_config_enter(zi);
	error = zio_blkptr_verify(zi->zi_pub.io_spa, &zi->zi_bp);
	if (error == 0 && read_needs_device(zi) && !zi->zi_header_only)
		error = read_check(zi);
	if (error == 0 && read_needs_device(zi)) {
		read_devices(zi);
		return;
	}
	zio_config_exit(zi);
	if (error != 0)
		zio_read_fail(zi, error);
	else
		read_inline(zi);
}

bool
zio_read_try_start(zio_impl_t *zi)
{
	if (!read_needs_device(zi) || read_check(zi) != 0 || !zio_config_tryenter(zi))
		return (false);
	if (zio_blkptr_verify(zi->zi_pub.io_spa, &zi->zi_bp) != 0) {
		zio_config_exit(zi);
		return (false); /* fails where it may */
	}
	read_devices(zi);
	return (true);
}
