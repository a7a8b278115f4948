/*
 * The graph of zios: creating, starting, waiting, notifying parents, freeing. The essay
 * is in zio.h.
 *
 * A zio that has to wait for its children leaves a function (zi_next); the last of them
 * calls it. A child knows its parents, a parent only counts: so a child of many parents
 * costs one small link each, and nobody ever walks down.
 *
 * Life. zio_create -> (zio_add_child) -> zio_nowait or zio_wait -> stages -> zio_finish
 * -> zio_end. A zio belongs to whoever runs its current stage; there is always exactly
 * one. It is freed at its end, by zio_wait or, without a waiter, by itself.
 */
#include "zio/zio_impl.h"

const zio_spa_ops_t *zio_ops;
taskq_t *zio_read_taskq, *zio_write_taskq;
zio_stats_t zio_counters;

static kmem_cache_t *zio_cache;

/* ------------------------------------------------------------------------ buffers --
 */

void *
zio_buf_alloc(size_t size)
{
	return (kmem_alloc(size, KM_PUSHPAGE));
}

void
zio_buf_free(void *buf, size_t size)
{
	if (buf != NULL)
		kmem_free(buf, size);
}

/* ------------------------------------------------------------------------- creating --
 */

static int
zio_construct(void *buf, void *arg, int kmflags)
{
	zio_impl_t *zi = buf;

	(void)arg;
	(void)kmflags;
	mutex_init(&zi->zi_lock);
	cv_init(&zi->zi_cv);
	list_create(&zi->zi_parents, sizeof(zio_link_t), offsetof(zio_link_t, zl_node));
	return (0);
}

static void
zio_destruct(void *buf, void *arg)
{
	zio_impl_t *zi = buf;

	(void)arg;
	list_destroy(&zi->zi_parents);
	cv_destroy(&zi->zi_cv);
	mutex_destroy(&zi->zi_lock);
}

/* Everything but what the constructor made, the device requests and the pointer. */
static void
zio_reset(zio_impl_t *zi)
{
	memset(&zi->zi_pub, 0, sizeof(zi->zi_pub));
	zi->zi_children[ZIO_WAIT_READY] = zi->zi_children[ZIO_WAIT_DONE] = 0;
	zi->zi_child_error = 0;
	zi->zi_next = NULL;
	zi->zi_waiter = zi->zi_started = zi->zi_readied = zi->zi_finished = false;
	zi->zi_first_parent.zl_parent = NULL;
	zi->zi_config_held = false;
	zi->zi_pdata = zi->zi_scratch = NULL;
	zi->zi_psize = zi->zi_scratch_size = 0;
	zi->zi_rd_spare_buf = NULL;
	zi->zi_retry = NULL;
	zi->zi_gang_header = NULL;
	zi->zi_gang = NULL;
	zi->zi_gang_up = NULL;
	zi->zi_gang_depth = 0;
	zi->zi_header_only = false;
}

static void
zio_destroy(zio_impl_t *zi)
{
	ASSERT(!zi->zi_config_held && zi->zi_scratch == NULL);
	ASSERT(zi->zi_gang_header == NULL && zi->zi_gang == NULL);
	kmem_cache_free(zio_cache, zi);
}

zio_impl_t *
zio_create(zio_t *pio, spa_t *spa, zio_kind_t kind, uint64_t txg, zio_done_func_t *done,
    void *private, zio_priority_t priority, uint32_t flags, const zbookmark_phys_t *zb)
{
	zio_impl_t *zi = kmem_cache_alloc(zio_cache, KM_PUSHPAGE);
	zio_t *zio = &zi->zi_pub;

	zio_reset(zi);
	zi->zi_kind = kind;
	zio->io_impl = zi;
	zio->io_spa = spa;
	zio->io_txg = txg;
	zio->io_done = done;
	zio->io_private = private;
	zio->io_priority = priority;
	zio->io_flags = flags;
	if (zb != NULL)
		zio->io_bookmark = *zb;
	if (pio != NULL)
		zio_add_child(pio, zio);
	return (zi);
}

void
zio_add_child(zio_t *pio, zio_t *cio)
{
	zio_impl_t *parent = zio_impl(pio), *child = zio_impl(cio);
	zio_link_t *zl = &child->zi_first_parent;

	ASSERT(!child->zi_started);
	if (zl->zl_parent != NULL)
		zl = kmem_alloc(sizeof(*zl), KM_PUSHPAGE);
	zl->zl_parent = parent;
	list_insert_tail(&child->zi_parents, zl);
	mutex_enter(&parent->zi_lock);
	ASSERT(!parent->zi_finished);
	parent->zi_children[ZIO_WAIT_READY]++;
	parent->zi_children[ZIO_WAIT_DONE]++;
	mutex_exit(&parent->zi_lock);
}

/* --------------------------------------------------------------------------- waiting
 * -- */

/* Which error tells most: ours over the device's, the device's over its absence. */
int
zio_worst_error(int a, int b)
{
	static const int order[] = {ECKSUM, EIO, ENXIO};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (a == order[i] || b == order[i])
			return (order[i]);
	}
	return (a != 0 ? a : b);
}

int
zio_child_error(zio_impl_t *zi)
{
	mutex_enter(&zi->zi_lock);
	const int error = zi->zi_child_error;
	mutex_exit(&zi->zi_lock);
	return (error);
}

void
zio_when(zio_impl_t *zi, zio_wait_type_t what, zio_stage_t *stage)
{
	mutex_enter(&zi->zi_lock);
	const bool now = zi->zi_children[what] == 0;
	if (!now) {
		zi->zi_waiting = what;
		zi->zi_next = stage;
	}
	mutex_exit(&zi->zi_lock);
	if (now)
		stage(zi);
}

/* A child got that far. */
static void
zio_notify(zio_impl_t *parent, zio_wait_type_t what, int error)
{
	zio_stage_t *stage = NULL;

	mutex_enter(&parent->zi_lock);
	if (error != 0)
		parent->zi_child_error = zio_worst_error(parent->zi_child_error, error);
	ASSERT3U(parent->zi_children[what], >, 0);
	if (--parent->zi_children[what] == 0 && parent->zi_next != NULL &&
	    parent->zi_waiting == what) {
		stage = parent->zi_next;
		parent->zi_next = NULL;
	}
	mutex_exit(&parent->zi_lock);
	if (stage != NULL)
		stage(parent);
}

static void
zio_stage_task(void *arg)
{
	zio_impl_t *zi = arg;

	zi->zi_next(zi);
}

void
zio_dispatch(zio_impl_t *zi, taskq_t *tq, zio_stage_t *stage)
{
	/* Nobody else looks at zi_next now: the zio is not waiting for children. */
	mutex_enter(&zi->zi_lock);
	zi->zi_waiting = ZIO_WAIT_TYPES;
	zi->zi_next = stage;
	mutex_exit(&zi->zi_lock);
	taskq_dispatch_ent(tq, zio_stage_task, zi, &zi->zi_tqent);
}

void
zio_config_enter(zio_impl_t *zi)
{
	ASSERT(!zi->zi_config_held);
	zio_ops->zso_config_enter(zi->zi_pub.io_spa);
	zi->zi_config_held = true;
}

bool
zio_config_tryenter(zio_impl_t *zi)
{
	ASSERT(!zi->zi_config_held);
	zi->zi_config_held = zio_ops->zso_config_tryenter != NULL &&
			     zio_ops->zso_config_tryenter(zi->zi_pub.io_spa);
	return (zi->zi_config_held);
}

void
zio_config_exit(zio_impl_t *zi)
{
	ASSERT(zi->zi_config_held);
	zi->zi_config_held = false;
	zio_ops->zso_config_exit(zi->zi_pub.io_spa);
}

/* ---------------------------------------------------------------------- ready and done
 * -- */

static void
zio_tell_parents_ready(zio_impl_t *zi)
{
	zi->zi_readied = true;
	for (zio_link_t *zl = list_head(&zi->zi_parents); zl != NULL;
	     zl = list_next(&zi->zi_parents, zl))
		zio_notify(zl->zl_parent, ZIO_WAIT_READY, 0);
}

void
zio_ready(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;

	ASSERT(!zi->zi_readied);
	if (zio->io_ready != NULL)
		zio->io_ready(zio);
	zio_tell_parents_ready(zi);
}

static void
zio_end(zio_impl_t *zi)
{
	zio_t *zio = &zi->zi_pub;
	const bool quiet =
	    zio->io_flags & (ZIO_FLAG_SPECULATIVE | ZIO_FLAG_DONT_PROPAGATE);
	zio_link_t *zl;

	zio->io_error = zio_worst_error(zio->io_error, zio_child_error(zi));
	/* Not earlier: pieces of a gang are written out of their leader's buffer. */
	zio_buf_free(zi->zi_scratch, zi->zi_scratch_size);
	zi->zi_scratch = NULL;
	zio_buf_free(zi->zi_gang_header, GANG_SIZE);
	zi->zi_gang_header = NULL;
	if (zi->zi_gang_depth == 0)
		zio_gang_free_tree(zi->zi_gang);
	zi->zi_gang = NULL;
	if (zio->io_done != NULL)
		zio->io_done(zio);
	const int error = quiet ? 0 : zio->io_error;
	const bool readied = zi->zi_readied;
	const bool waiter = zi->zi_waiter;

	while ((zl = list_remove_head(&zi->zi_parents)) != NULL) {
		zio_impl_t *parent = zl->zl_parent;
		if (zl != &zi->zi_first_parent)
			kmem_free(zl, sizeof(*zl));
		/*
		 * The error must be there before either count lets the parent go on,
		 * and the parent may be gone once the last count fell.
		 */
		if (!readied)
			zio_notify(parent, ZIO_WAIT_READY, error);
		zio_notify(parent, ZIO_WAIT_DONE, error);
	}
	if (!waiter) {
		zio_destroy(zi);
		return;
	}
	mutex_enter(&zi->zi_lock);
	zi->zi_finished = true;
	cv_signal(&zi->zi_cv);
	mutex_exit(&zi->zi_lock);
}

void
zio_finish(zio_impl_t *zi, int error)
{
	ASSERT(!zi->zi_config_held);
	zi->zi_pub.io_error = error;
	zio_when(zi, ZIO_WAIT_DONE, zio_end);
}

/* --------------------------------------------------------------------------- starting
 * -- */

static void
zio_null_ready(zio_impl_t *zi)
{
	zio_ready(zi);
	zio_finish(zi, 0);
}

static void
zio_null_start(zio_impl_t *zi)
{
	zio_when(zi, ZIO_WAIT_READY, zio_null_ready);
}

static void
zio_write_start_task(zio_impl_t *zi)
{
	zio_dispatch(zi, zio_write_taskq, zio_write_start);
}

/*
 * `caller_waits`: callbacks may run on this thread. Otherwise it may hold locks that
 * they want, and what can end at once is sent to a task queue.
 */
static void
zio_start(zio_impl_t *zi, bool caller_waits)
{
	ASSERT(!zi->zi_started);
	zi->zi_started = true;
	switch (zi->zi_kind) {
	case ZIO_KIND_NULL:
		if (caller_waits)
			zio_null_start(zi);
		else
			zio_dispatch(zi, zio_read_taskq, zio_null_start);
		break;
	case ZIO_KIND_READ:
		/*
		 * Starting may wait for the configuration, which vdev_int must not:
		 * what releases it runs there.
		 */
		if (caller_waits)
			zio_read_start(zi);
		else if (!zio_read_try_start(zi))
			zio_dispatch(zi, zio_read_taskq, zio_read_start);
		break;
	case ZIO_KIND_WRITE:
		zio_when(zi, ZIO_WAIT_READY, zio_write_start_task);
		break;
	case ZIO_KIND_REWRITE:
		if (caller_waits || zio_config_tryenter(zi))
			zio_rewrite_start(zi);
		else
			zio_dispatch(zi, zio_write_taskq, zio_rewrite_start);
		break;
	case ZIO_KIND_FLUSH:
		if (caller_waits || zio_config_tryenter(zi))
			zio_flush_start(zi);
		else
			zio_dispatch(zi, zio_write_taskq, zio_flush_start);
		break;
	}
}

void
zio_nowait(zio_t *zio)
{
	zio_start(zio_impl(zio), false);
}

int
zio_wait(zio_t *zio)
{
	zio_impl_t *zi = zio_impl(zio);

	ASSERT(!taskq_member(zio_read_taskq));
	zi->zi_waiter = true;
	zio_start(zi, true);
	mutex_enter(&zi->zi_lock);
	while (!zi->zi_finished)
		cv_wait(&zi->zi_cv, &zi->zi_lock);
	mutex_exit(&zi->zi_lock);
	const int error = zio->io_error;
	zio_destroy(zi);
	return (error);
}

/* -------------------------------------------------------------------- entry points --
 */

zio_t *
zio_null(zio_t *pio, spa_t *spa, zio_done_func_t *done, void *private, uint32_t flags)
{
	return (&zio_create(
	    pio, spa, ZIO_KIND_NULL, 0, done, private, ZIO_PRIORITY_NOW, flags, NULL)
		     ->zi_pub);
}

zio_t *
zio_root(spa_t *spa, zio_done_func_t *done, void *private, uint32_t flags)
{
	return (zio_null(NULL, spa, done, private, flags));
}

zio_t *
zio_read(zio_t *pio, spa_t *spa, const blkptr_t *bp, void *data, uint64_t size,
    zio_done_func_t *done, void *private, zio_priority_t priority, uint32_t flags,
    const zbookmark_phys_t *zb)
{
	zio_impl_t *zi = zio_create(pio, spa, ZIO_KIND_READ, BP_GET_BIRTH(bp), done,
	    private, priority, flags, zb);
	zio_t *zio = &zi->zi_pub;

	zi->zi_bp = *bp;
	zio->io_bp_copy = *bp;
	zio->io_bp = &zio->io_bp_copy;
	zio->io_data = data;
	zio->io_size = size;
	zio->io_lsize = BP_GET_LSIZE(bp);
	return (zio);
}

zio_t *
zio_write(zio_t *pio, spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data,
    uint64_t lsize, const zio_prop_t *zp, zio_done_func_t *ready, zio_done_func_t *done,
    void *private, zio_priority_t priority, uint32_t flags, const zbookmark_phys_t *zb)
{
	zio_impl_t *zi = zio_create(
	    pio, spa, ZIO_KIND_WRITE, txg, done, private, priority, flags, zb);
	zio_t *zio = &zi->zi_pub;

	ASSERT(lsize > 0 && lsize <= SPA_MAXBLOCKSIZE && IS_P2ALIGNED(lsize, 512));
	ASSERT(zp->zp_copies >= 1 && zp->zp_copies <= SPA_DVAS_PER_BP);
	zio->io_bp = bp;
	zio->io_bp_orig = *bp;
	zio->io_data = (void *)(uintptr_t)data;
	zio->io_size = zio->io_lsize = lsize;
	zio->io_prop = *zp;
	zio->io_ready = ready;
	return (zio);
}

zio_t *
zio_rewrite(zio_t *pio, spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data,
    uint64_t size, zio_done_func_t *done, void *private, zio_priority_t priority,
    uint32_t flags, const zbookmark_phys_t *zb)
{
	zio_impl_t *zi = zio_create(
	    pio, spa, ZIO_KIND_REWRITE, txg, done, private, priority, flags, zb);
	zio_t *zio = &zi->zi_pub;

	zi->zi_bp = *bp;
	zio->io_bp = bp;
	zio->io_bp_orig = *bp;
	zio->io_data = (void *)(uintptr_t)data;
	zio->io_size = zio->io_lsize = size;
	return (zio);
}

zio_t *
zio_flush(zio_t *pio, spa_t *spa, uint64_t vdev_id, zio_done_func_t *done,
    void *private, uint32_t flags)
{
	zio_impl_t *zi = zio_create(
	    pio, spa, ZIO_KIND_FLUSH, 0, done, private, ZIO_PRIORITY_NOW, flags, NULL);

	BP_ZERO(&zi->zi_bp);
	DVA_SET_VDEV(&zi->zi_bp.blk_dva[0], vdev_id);
	return (&zi->zi_pub);
}

void
zio_stats(zio_stats_t *zs)
{
	zs->zs_reads = atomic_load_64(&zio_counters.zs_reads);
	zs->zs_writes = atomic_load_64(&zio_counters.zs_writes);
	zs->zs_gangs = atomic_load_64(&zio_counters.zs_gangs);
	zs->zs_repairs = atomic_load_64(&zio_counters.zs_repairs);
	zs->zs_cksum_errors = atomic_load_64(&zio_counters.zs_cksum_errors);
}

void
zio_init(const zio_spa_ops_t *ops)
{
	zio_ops = ops;
	memset(&zio_counters, 0, sizeof(zio_counters));
	zio_cache = kmem_cache_create("zio", sizeof(zio_impl_t), 0, zio_construct,
	    zio_destruct, NULL, NULL, NULL, 0);
	zio_read_taskq = taskq_create("z_rd_iss", 0);
	zio_write_taskq = taskq_create("z_wr_iss", 0);
	zio_suspend_init();
}

void
zio_fini(void)
{
	/* A zio frees itself after it has told its parents, whose waiter may be here.
	 */
	vdev_io_drain();
	zio_suspend_fini();
	taskq_destroy(zio_write_taskq);
	taskq_destroy(zio_read_taskq);
	zio_read_taskq = zio_write_taskq = NULL;
	kmem_cache_destroy(zio_cache);
	zio_cache = NULL;
	zio_ops = NULL;
}
