/* See fake_spa.h. */
#include "fake_spa.h"

typedef struct range {
	avl_node_t node;
	uint64_t vdev, offset, size;
} range_t;

static int
range_compare(const void *a, const void *b)
{
	const range_t *x = a, *y = b;

	if (x->vdev != y->vdev)
		return (x->vdev < y->vdev ? -1 : 1);
	return (x->offset < y->offset ? -1 : x->offset > y->offset);
}

/* With spa->lock. */
static bool
alloc_one(spa_t *spa, uint64_t t, uint64_t psize, dva_t *dva)
{
	vdev_t *top = spa->root->vdev_child[t];
	const uint64_t asize = vdev_psize_to_asize(top, psize);

	if (spa->next[t] + asize > top->vdev_asize)
		return (false);
	range_t *r = kmem_zalloc(sizeof(*r), KM_SLEEP);
	r->vdev = t;
	r->offset = spa->next[t];
	r->size = asize;
	spa->next[t] += asize;
	spa->allocated += asize;
	avl_add(&spa->ranges, r);
	DVA_SET_VDEV(dva, t);
	DVA_SET_OFFSET(dva, r->offset);
	DVA_SET_ASIZE(dva, asize);
	return (true);
}

static void
fake_release(spa_t *spa, const dva_t *dva)
{
	const range_t key = {.vdev = DVA_GET_VDEV(dva), .offset = DVA_GET_OFFSET(dva)};

	range_t *r = avl_find(&spa->ranges, &key, NULL);
	assert_non_null(r); /* freed twice, or never allocated */
	assert_int_equal(r->size, DVA_GET_ASIZE(dva));
	assert_false(DVA_GET_GANG(dva));
	avl_remove(&spa->ranges, r);
	spa->allocated -= r->size;
	kmem_free(r, sizeof(*r));
}

static int
fake_alloc(spa_t *spa, uint64_t psize, blkptr_t *bp, int ndvas, uint64_t txg,
    const blkptr_t *hint, uint32_t flags, const zio_prop_t *zp)
{
	int error = 0;

	mutex_enter(&spa->lock);
	if (psize > spa->max_alloc || spa->fail_after == 0)
		error = ENOSPC;
	else if (spa->fail_after > 0)
		spa->fail_after--;
	for (int d = 0; d < ndvas && error == 0; d++) {
		const uint64_t t = (uint64_t)d % spa->root->vdev_children;
		if (alloc_one(spa, t, psize, &bp->blk_dva[d]))
			continue;
		error = ENOSPC;
		for (int u = 0; u < d; u++)
			fake_release(spa, &bp->blk_dva[u]);
		memset(bp->blk_dva, 0, sizeof(bp->blk_dva));
	}
	mutex_exit(&spa->lock);
	return (error);
}

static void
fake_free_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	mutex_enter(&spa->lock);
	fake_release(spa, dva);
	mutex_exit(&spa->lock);
}

static int
fake_claim_dva(spa_t *spa, const dva_t *dva, uint64_t txg)
{
	mutex_enter(&spa->lock);
	range_t *r = kmem_zalloc(sizeof(*r), KM_SLEEP);
	r->vdev = DVA_GET_VDEV(dva);
	r->offset = DVA_GET_OFFSET(dva);
	r->size = DVA_GET_ASIZE(dva);
	spa->allocated += r->size;
	avl_add(&spa->ranges, r);
	mutex_exit(&spa->lock);
	return (0);
}

static vdev_t *
fake_top(spa_t *spa, uint64_t id)
{
	return (id < spa->root->vdev_children ? spa->root->vdev_child[id] : NULL);
}

static void
fake_config_enter(spa_t *spa)
{
	mutex_enter(&spa->lock);
	spa->config_holds++;
	spa->config_entries++;
	mutex_exit(&spa->lock);
}

/* Now and then someone else has it. */
static bool
fake_config_tryenter(spa_t *spa)
{
	mutex_enter(&spa->lock);
	const bool free = ++spa->config_entries % 3 != 0;
	spa->config_holds += free;
	mutex_exit(&spa->lock);
	return (free);
}

static void
fake_config_exit(spa_t *spa)
{
	mutex_enter(&spa->lock);
	assert_true(spa->config_holds > 0);
	spa->config_holds--;
	mutex_exit(&spa->lock);
}

static const zio_cksum_salt_t *
fake_salt(spa_t *spa)
{
	return (&spa->salt);
}

static bool
fake_writeable(spa_t *spa)
{
	return (spa->writeable);
}

static uint64_t
fake_min_alloc(spa_t *spa)
{
	return (spa->min_alloc);
}

static bool
fake_embedded_ok(spa_t *spa)
{
	return (spa->embedded);
}

static bool
fake_hole_birth(spa_t *spa)
{
	return (spa->hole_birth);
}

static void
fake_data_error(spa_t *spa, const zbookmark_phys_t *zb, const blkptr_t *bp, int error)
{
	mutex_enter(&spa->lock);
	spa->data_errors++;
	spa->last_error = *zb;
	mutex_exit(&spa->lock);
}

static void
fake_suspend(spa_t *spa, zio_t *zio)
{
	mutex_enter(&spa->lock);
	spa->suspensions++;
	cv_broadcast(&spa->cv);
	while (!spa->resume)
		cv_wait(&spa->cv, &spa->lock);
	if (spa->give_up)
		zio->io_flags |= ZIO_FLAG_CANFAIL;
	mutex_exit(&spa->lock);
}

static int
fake_sync_pass(spa_t *spa)
{
	return (spa->pass);
}

const zio_spa_ops_t fake_spa_ops = {
    .zso_alloc = fake_alloc,
    .zso_unalloc = fake_free_dva,
    .zso_free_dva = fake_free_dva,
    .zso_claim_dva = fake_claim_dva,
    .zso_top = fake_top,
    .zso_config_enter = fake_config_enter,
    .zso_config_exit = fake_config_exit,
    .zso_config_tryenter = fake_config_tryenter,
    .zso_salt = fake_salt,
    .zso_writeable = fake_writeable,
    .zso_min_alloc = fake_min_alloc,
    .zso_embedded_ok = fake_embedded_ok,
    .zso_hole_birth = fake_hole_birth,
    .zso_data_error = fake_data_error,
    .zso_suspend = fake_suspend,
    .zso_sync_pass = fake_sync_pass,
};

spa_t *
fake_spa_adopt(vdev_t *root, bool writable)
{
	spa_t *spa = kmem_zalloc(sizeof(*spa), KM_SLEEP);

	mutex_init(&spa->lock);
	cv_init(&spa->cv);
	avl_create(
	    &spa->ranges, range_compare, sizeof(range_t), offsetof(range_t, node));
	spa->root = root;
	spa->writeable = writable;
	spa->embedded = spa->hole_birth = true;
	spa->max_alloc = UINT64_MAX;
	spa->fail_after = -1;
	spa->min_alloc = 512;
	spa->pass = 1;
	for (size_t i = 0; i < sizeof(spa->salt); i++)
		spa->salt.zcs_bytes[i] = (uint8_t)i;
	return (spa);
}

spa_t *
fake_spa_open(nvlist_t *nv, bool writable)
{
	return (fake_spa_adopt(helper_open(nv, writable), writable));
}

void
fake_spa_close(spa_t *spa)
{
	range_t *r;
	void *cookie = NULL;

	mutex_enter(&spa->lock);
	assert_int_equal(spa->config_holds, 0);
	while ((r = avl_destroy_nodes(&spa->ranges, &cookie)) != NULL)
		kmem_free(r, sizeof(*r));
	mutex_exit(&spa->lock);
	avl_destroy(&spa->ranges);
	vdev_free(spa->root);
	cv_destroy(&spa->cv);
	mutex_destroy(&spa->lock);
	kmem_free(spa, sizeof(*spa));
}

void
fake_spa_resume(spa_t *spa)
{
	mutex_enter(&spa->lock);
	spa->resume = true;
	cv_broadcast(&spa->cv);
	mutex_exit(&spa->lock);
}

void
fake_spa_wait_suspended(spa_t *spa, int n)
{
	mutex_enter(&spa->lock);
	while (spa->suspensions < n)
		cv_wait(&spa->cv, &spa->lock);
	mutex_exit(&spa->lock);
}

zio_prop_t
fake_prop(enum zio_compress c, enum zio_checksum sum, int copies)
{
	return ((zio_prop_t){.zp_checksum = sum,
	    .zp_compress = c,
	    .zp_type = DMU_OT_PLAIN_FILE_CONTENTS,
	    .zp_level = 0,
	    .zp_copies = (uint8_t)copies,
	    .zp_gang_copies = (uint8_t)MIN(copies + 1, 3)});
}

void
fake_write(spa_t *spa, uint64_t txg, blkptr_t *bp, const void *data, uint64_t size,
    const zio_prop_t *zp)
{
	assert_int_equal(zio_wait(zio_write(NULL, spa, txg, bp, data, size, zp, NULL,
			     NULL, NULL, ZIO_PRIORITY_ASYNC_WRITE, 0, NULL)),
	    0);
}

int
fake_read(spa_t *spa, const blkptr_t *bp, void *data, uint64_t size, uint32_t flags)
{
	const zbookmark_phys_t zb = {1, 2, 0, 3};

	return (zio_wait(zio_read(NULL, spa, bp, data, size, NULL, NULL,
	    ZIO_PRIORITY_SYNC_READ, flags | ZIO_FLAG_CANFAIL, &zb)));
}

int
fake_group_setup(void **state)
{
	helper_group_setup(state);
	zio_init(&fake_spa_ops);
	return (0);
}

int
fake_group_teardown(void **state)
{
	zio_fini();
	return (helper_group_teardown(state));
}
