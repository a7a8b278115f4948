/*
 * Writing (format/01 §9.2). The essay is in zio.h.
 *
 *      write_start     children's pointers are final, so the data is
 *        hole?         all zero and compressing: no block at all
 *        compress      must save an eighth; tiny results live in the pointer
 *        checksum      over what is stored, zero padding included
 *        allocate      or keep the place it already has in this txg, or gang
 *      publish         ready: the pointer goes to the caller and the parents
 *      issue           to all DVAs at once; one success is a success
 *
 * A write that fails on all DVAs and may not fail waits in a list of its pool. One
 * thread for each pool that has such a list calls zso_suspend, which returns when
 * someone has done something about the devices; then all of the list are tried again.
 */
#include "zio/zio_impl.h"

/* format/01 §9.2 point 5, and the in-place rule of zio.h. */
#define SYNC_PASS_REWRITE 2
#define SYNC_PASS_DONT_COMPRESS 8

/* -------------------------------------------------------------------- suspension -- */

typedef struct suspended_pool {
	list_node_t sp_node;
	spa_t *sp_spa;
	list_t sp_zios;
} suspended_pool_t;

#define SUSPEND_THREADS 8 /* pools of one process that can be suspended at a time */

static kmutex_t suspend_lock;
static list_t suspended_pools;
static taskq_t *suspend_taskq;

void
zio_suspend_init(void)
{
	mutex_init(&suspend_lock);
	list_create(&suspended_pools, sizeof(suspended_pool_t),
	    offsetof(suspended_pool_t, sp_node));
	suspend_taskq = taskq_create("z_suspend", SUSPEND_THREADS);
}

void
zio_suspend_fini(void)
{
	taskq_destroy(suspend_taskq);
	list_destroy(&suspended_pools);
	mutex_destroy(&suspend_lock);
}

static void
suspend_task(void *arg)
{
	suspended_pool_t *sp = arg;
	zio_impl_t *zi;

	mutex_enter(&suspend_lock);
	zi = list_head(&sp->sp_zios);
	mutex_exit(&suspend_lock);
	zio_t *first = &zi->zi_pub;
	zio_ops->zso_suspend(sp->sp_spa, first);
	const bool give_up = first->io_flags & ZIO_FLAG_CANFAIL;

	/* What fails from now on starts a suspension of its own. */
	mutex_enter(&suspend_lock);
	list_remove(&suspended_pools, sp);
	mutex_exit(&suspend_lock);
	while ((zi = list_remove_head(&sp->sp_zios)) != NULL) {
		if (give_up)
			zi->zi_pub.io_flags |= ZIO_FLAG_CANFAIL;
		zio_dispatch(zi, zio_write_taskq, zi->zi_retry);
	}
	list_destroy(&sp->sp_zios);
	kmem_free(sp, sizeof(*sp));
}

/* Run `retry` when the pool has been resumed. */
static void
write_suspend(zio_impl_t *zi, zio_stage_t *retry)
{
	spa_t *spa = zi->zi_pub.io_spa;
	suspended_pool_t *sp;
	bool news = false;

	zi->zi_retry = retry;
	mutex_enter(&suspend_lock);
	for (sp = list_head(&suspended_pools); sp != NULL;
	     sp = list_next(&suspended_pools, sp)) {
		if (sp->sp_spa == spa)
			break;
	}
	if (sp == NULL) {
		sp = kmem_zalloc(sizeof(*sp), KM_SLEEP);
		sp->sp_spa = spa;
		list_create(&sp->sp_zios, sizeof(zio_impl_t),
		    offsetof(zio_impl_t, zi_suspend_node));
		list_insert_tail(&suspended_pools, sp);
		news = true;
	}
	list_insert_tail(&sp->sp_zios, zi);
	mutex_exit(&suspend_lock);
	if (news)
		taskq_dispatch(suspend_taskq, suspend_task, sp);
}

/* ------------------------------------------------------------------------- issuing --
 */

static void write_issue(zio_impl_t *zi);

static void
write_vio_last(zio_impl_t *zi)
{
	int error = 0;
	bool good = false;

	if (__atomic_sub_fetch(&zi->zi_vios_pending, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (int d = 0; d < BP_GET_NDVAS(&zi->zi_bp); d++) {
		const int e = zi->zi_vio[d].vio_error;
		good |= e == 0;
		error = zio_worst_error(error, e);
	}
	zio_config_exit(zi);
	if (good)
		zio_finish(zi, 0);
	else if (zi->zi_pub.io_flags & ZIO_FLAG_CANFAIL)
		zio_finish(zi, error);
	else
		write_suspend(zi, write_issue);
}

static void
write_vio_done(vdev_io_t *vio)
{
	write_vio_last(vio->vio_private);
}

/* Send zi_pdata to every DVA of zi_bp (of a gang: the header). */
static void
write_issue(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const blkptr_t *bp = &zi->zi_bp;
	const bool gang = BP_IS_GANG(bp);
	void *data = gang ? zi->zi_gang_header : zi->zi_pdata;
	const uint64_t size = gang ? GANG_SIZE : zi->zi_psize;
	const int ndvas = BP_GET_NDVAS(bp);

	if (!zi->zi_config_held)
		zio_config_enter(zi);
	zi->zi_vios_pending = 1;
	for (int d = 0; d < ndvas; d++) {
		vdev_io_t *vio = &zi->zi_vio[d];
		vdev_t *top =
		    zio_ops->zso_top(zio->io_spa, DVA_GET_VDEV(&bp->blk_dva[d]));

		vdev_io_init(vio, top, VIO_WRITE, DVA_GET_OFFSET(&bp->blk_dva[d]), data,
		    size, zio->io_priority, 0);
		vio->vio_txg = zio->io_txg;
		vio->vio_done = write_vio_done;
		vio->vio_private = zi;
		if (top == NULL) {
			vio->vio_error = ENXIO;
			continue;
		}
		__atomic_add_fetch(&zi->zi_vios_pending, 1, __ATOMIC_RELAXED);
		vdev_io(vio);
	}
	write_vio_last(zi);
}

void
zio_write_publish(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;

	*zio->io_bp = zi->zi_bp;
	zio_ready(zi);
	/* `ready` may have completed the pointer (fill count): it is the one that
	 * counts. */
	zi->zi_bp = *zio->io_bp;
	if (BP_IS_HOLE(&zi->zi_bp) || BP_IS_EMBEDDED(&zi->zi_bp))
		zio_finish(zi, 0);
	else
		write_issue(zi);
}

/* ---------------------------------------------------------------------- allocating --
 */

static void write_allocate(zio_impl_t *zi);

/*
 * Nothing could be allocated. A member of a gang tells its leader, which undoes the
 * whole.
 */
void
zio_write_no_place(zio_impl_t *zi, int error)
{
	if ((zi->zi_pub.io_flags & ZIO_FLAG_CANFAIL) || zi->zi_gang_depth > 0)
		zio_finish(zi, error);
	else
		write_suspend(zi, write_allocate);
}

/* Is there a place of this txg that can take the new content (zio_write in zio.h)? */
static bool
write_in_place(const zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const blkptr_t *old = &zio->io_bp_orig;

	return (!BP_IS_HOLE(old) && !BP_IS_EMBEDDED(old) && !BP_IS_GANG(old) &&
		!BP_GET_DEDUP(old) && BP_GET_PHYSICAL_BIRTH(old) == zio->io_txg &&
		BP_GET_LOGICAL_BIRTH(old) == zio->io_txg &&
		BP_GET_PSIZE(old) == zi->zi_psize &&
		BP_GET_NDVAS(old) == zio->io_prop.zp_copies &&
		zio_ops->zso_sync_pass(zio->io_spa) >= SYNC_PASS_REWRITE);
}

static void
write_allocate(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const zio_prop_t *zp = &zio->io_prop;
	const blkptr_t *old = &zio->io_bp_orig;
	blkptr_t *bp = &zi->zi_bp;

	memset(bp->blk_dva, 0, sizeof(bp->blk_dva));
	if (write_in_place(zi)) {
		memcpy(bp->blk_dva, old->blk_dva, sizeof(bp->blk_dva));
		zio_write_publish(zi);
		return;
	}
	const bool has_place = !BP_IS_HOLE(old) && !BP_IS_EMBEDDED(old);
	const int error = zio_ops->zso_alloc(zio->io_spa, zi->zi_psize, bp,
	    zp->zp_copies, zio->io_txg, has_place ? old : NULL,
	    zi->zi_gang_depth > 0 ? ZIO_ALLOC_GANG_CHILD : 0, zp);
	if (error == 0)
		zio_write_publish(zi);
	else if (error == ENOSPC && zi->zi_psize > SPA_MINBLOCKSIZE &&
		 zi->zi_gang_depth < GANG_MAX_DEPTH)
		zio_gang_write(zi);
	else
		zio_write_no_place(zi, error);
}

/* ------------------------------------------------------------ content to pointer -- */

/* A pointer without a place: hole or embedded data. */
static void
write_set_hole(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	const zio_prop_t *zp = &zio->io_prop;
	const bool birth =
	    zio->io_bp_orig.blk_birth != 0 && zio_ops->zso_hole_birth(zio->io_spa);

	BP_ZERO(&zi->zi_bp);
	if (birth)
		BP_SET_HOLE(&zi->zi_bp,
		    zp->zp_blksz != 0 ? zp->zp_blksz : zio->io_lsize, zp->zp_type,
		    zp->zp_level, zio->io_txg);
}

static bool
write_may_embed(const zio_t *zio, size_t csize)
{
	const zio_prop_t *zp = &zio->io_prop;

	return (csize <= BPE_PAYLOAD_SIZE && zp->zp_level == 0 &&
		zp->zp_type != DMU_OT_DNODE && zp->zp_type != DMU_OT_OBJSET &&
		zio_ops->zso_embedded_ok(zio->io_spa));
}

static void
write_set_embedded(zio_impl_t *zi, enum zio_compress c, const void *data, size_t csize)
{
	const zio_t *zio = &zi->zi_pub;

	encode_embedded_bp_compressed(&zi->zi_bp, data, c, zio->io_lsize, csize);
	BP_SET_TYPE(&zi->zi_bp, zio->io_prop.zp_type);
	BP_SET_LEVEL(&zi->zi_bp, zio->io_prop.zp_level);
	BP_SET_LOGICAL_BIRTH(&zi->zi_bp, zio->io_txg);
}

/* Everything but the place. */
static void
write_set_pointer(zio_impl_t *zi, enum zio_compress c)
{
	zio_t *zio = &zi->zi_pub;
	const zio_prop_t *zp = &zio->io_prop;
	blkptr_t *bp = &zi->zi_bp;

	BP_ZERO(bp);
	BP_SET_LSIZE(bp, zio->io_lsize);
	BP_SET_PSIZE(bp, zi->zi_psize);
	BP_SET_COMPRESS(bp, c);
	BP_SET_CHECKSUM(bp, zp->zp_checksum);
	BP_SET_TYPE(bp, zp->zp_type);
	BP_SET_LEVEL(bp, zp->zp_level);
	BP_SET_BYTEORDER(bp, ZFS_HOST_BYTEORDER);
	BP_SET_BIRTH(bp, zio->io_txg, zio->io_txg);
	/* Data counts itself (format/01 §6.1); callers count in `ready` where it is a
	 * sum. */
	bp->blk_fill = zp->zp_level == 0 && zi->zi_gang_depth == 0 ? 1 : 0;
	VERIFY0(zio_checksum_compute(zp->zp_checksum, zi->zi_pdata, zi->zi_psize, false,
	    zio_ops->zso_salt(zio->io_spa), &bp->blk_cksum));
	zio->io_size = zi->zi_psize;
}

/* Room a compressed block may take (format/01 §9.2 point 2). */
static size_t
write_compress_limit(enum zio_compress c, uint64_t lsize, uint64_t unit)
{
	uint64_t limit = lsize - (lsize >> 3);

	if (c == ZIO_COMPRESS_ZLE)
		return (limit);
	limit -= limit % unit;
	return (limit < unit ? BPE_PAYLOAD_SIZE : limit);
}

/*
 * Try to make it smaller. Leaves the result in zi_pdata/zi_psize, or makes an embedded
 * pointer (returns true). *cp becomes OFF if compression does not pay.
 */
static bool
write_compress(zio_impl_t *zi, enum zio_compress *cp)
{
	const zio_t *zio = &zi->zi_pub;
	const uint64_t lsize = zio->io_lsize;
	const uint64_t unit = zio_ops->zso_min_alloc(zio->io_spa);
	const size_t limit = write_compress_limit(*cp, lsize, unit);

	void *buf = zio_buf_alloc(lsize);
	const size_t csize = zio_compress_data(
	    *cp, zio->io_data, buf, lsize, limit, zio->io_prop.zp_complevel);
	if (csize > 0 && csize <= limit && csize < lsize &&
	    write_may_embed(zio, csize)) {
		write_set_embedded(zi, *cp, buf, csize);
		zio_buf_free(buf, lsize);
		return (true);
	}
	const uint64_t psize = roundup(MAX(csize, 1), unit);
	if (csize > limit || psize >= lsize) {
		zio_buf_free(buf, lsize);
		*cp = ZIO_COMPRESS_OFF;
		return (false);
	}
	memset((char *)buf + csize, 0, psize - csize);
	zi->zi_scratch = zi->zi_pdata = buf;
	zi->zi_scratch_size = lsize;
	zi->zi_psize = psize;
	return (false);
}

void
zio_write_start(zio_impl_t *zi)
{
	const zio_t *zio = &zi->zi_pub;
	enum zio_compress c = zio->io_prop.zp_compress;
	const int error = zio_child_error(zi);

	/* Its data holds pointers that never came to be. */
	if (error != 0) {
		zio_finish(zi, error);
		return;
	}
	if (zi->zi_gang_depth == 0)
		atomic_inc_64(&zio_counters.zs_writes);
	zi->zi_pdata = zio->io_data;
	zi->zi_psize = zio->io_lsize;
	if (zio->io_bp_orig.blk_birth == zio->io_txg && zi->zi_gang_depth == 0 &&
	    zio_ops->zso_sync_pass(zio->io_spa) >= SYNC_PASS_DONT_COMPRESS)
		c = ZIO_COMPRESS_OFF;
	if (c != ZIO_COMPRESS_OFF && zio_is_all_zero(zio->io_data, zio->io_lsize)) {
		write_set_hole(zi);
		zio_write_publish(zi);
		return;
	}
	if (c == ZIO_COMPRESS_EMPTY)
		c = ZIO_COMPRESS_OFF;
	if (c != ZIO_COMPRESS_OFF && write_compress(zi, &c)) {
		zio_write_publish(zi);
		return;
	}
	write_set_pointer(zi, c);
	write_allocate(zi);
}

void
zio_rewrite_start(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	const blkptr_t *bp = &zi->zi_bp;

	if (BP_IS_HOLE(bp) || BP_IS_EMBEDDED(bp) || BP_IS_GANG(bp) ||
	    BP_GET_PSIZE(bp) != zio->io_size) {
		if (zi->zi_config_held)
			zio_config_exit(zi);
		zio_finish(zi, BP_IS_GANG(bp) ? ENOTSUP : EINVAL);
		return;
	}
	atomic_inc_64(&zio_counters.zs_writes);
	zi->zi_pdata = zio->io_data;
	zi->zi_psize = zio->io_size;
	zio_ready(zi);
	write_issue(zi);
}

/* ------------------------------------------------------------------------ flushing --
 */

static void
flush_vio_done(vdev_io_t *vio)
{
	zio_impl_t *zi = vio->vio_private;

	zio_config_exit(zi);
	zio_finish(zi, vio->vio_error);
}

static void
flush_no_vdev(zio_impl_t *zi)
{
	zio_finish(zi, ENXIO);
}

void
zio_flush_start(zio_impl_t *zi)
{
	vdev_io_t *vio = &zi->zi_vio[0];

	if (!zi->zi_config_held)
		zio_config_enter(zi);
	vdev_t *top =
	    zio_ops->zso_top(zi->zi_pub.io_spa, DVA_GET_VDEV(&zi->zi_bp.blk_dva[0]));
	if (top == NULL) {
		zio_config_exit(zi);
		zio_dispatch(zi, zio_write_taskq, flush_no_vdev);
		return;
	}
	vdev_io_init(vio, top, VIO_FLUSH, 0, NULL, 0, ZIO_PRIORITY_NOW, 0);
	vio->vio_done = flush_vio_done;
	vio->vio_private = zi;
	vdev_io(vio);
}
