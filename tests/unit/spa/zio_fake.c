/* The pipeline, as far as the spa room calls it, for tests without one: frees go straight through. */
#include "spa/spa.h"

static const zio_spa_ops_t *fake_zio_ops;

void
zio_init(const zio_spa_ops_t *ops)
{
	fake_zio_ops = ops;
}

void
zio_fini(void)
{
	fake_zio_ops = NULL;
}

int
zio_free(spa_t *spa, uint64_t txg, const blkptr_t *bp)
{
	for (int d = 0; d < BP_GET_NDVAS(bp); d++)
		fake_zio_ops->zso_free_dva(spa, &bp->blk_dva[d], txg);
	return (0);
}
