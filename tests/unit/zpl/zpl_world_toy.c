/* Where the stories play: on the toy dmu. The real one: zpl_world_pool.c. */
#include "zpl_test.h"
#include "toy/toy_dmu.h"

const bool fs_is_toy = true;

void
world_start(void)
{
}

void
world_stop(void)
{
}

void
fs_mount(fs_t *fs)
{
	VERIFY0(zpl_mount(fs->os, &fs->opts, NULL, NULL, &fs->zv));
	VERIFY0(zpl_root(fs->zv, &fs->root));
}

void
fs_make(fs_t *fs, const nvlist_t *props)
{
	memset(fs, 0, sizeof(*fs));
	fs->os = toy_objset_create(test_seed);
	zpl_opts_default(&fs->opts);
	dmu_tx_t *tx = dmu_tx_create(fs->os);
	VERIFY0(dmu_tx_assign(tx, DMU_TX_WAIT));
	VERIFY0(zpl_create_fs(fs->os, props, 0, 0, tx));
	dmu_tx_commit(tx);
	fs_mount(fs);
}

void
fs_unmount(fs_t *fs)
{
	zpl_rele(fs->root);
	zpl_wait_unlinked(fs->zv);
	assert_int_equal(zpl_znode_count(fs->zv), 0);
	assert_int_equal(zpl_unmount(fs->zv, false), 0);
	assert_int_equal(toy_held(fs->os), 0);
}

void
fs_remount(fs_t *fs)
{
	fs_unmount(fs);
	toy_evict(fs->os);
	fs_mount(fs);
	zpl_wait_unlinked(fs->zv);
}

void
fs_destroy(fs_t *fs)
{
	check_fs(fs);
	fs_unmount(fs);
	toy_objset_destroy(fs->os);
}

void
fs_fail_assign(fs_t *fs, uint64_t n, int err)
{
	toy_fail_assign(fs->os, n, err);
}

void
fs_features(bool on)
{
	toy_enable_features(on);
}
