/*
 * The configuration of the pool in the MOS (format/01 §3.1, format/02 §3): one packed
 * nvlist in an object of 16 KiB blocks, rewritten with every change of the vdev tree or
 * of what labels say. And the small helpers for entries of the object directory.
 */
#include "pool/pool_impl.h"

#define CONFIG_BLOCKSIZE 16384

int
pool_dir_lookup(spa_t *spa, const char *name, uint64_t *v)
{
	return (zap_lookup(spa->spa_meta_objset, DMU_POOL_DIRECTORY_OBJECT, name,
	    sizeof (uint64_t), 1, v));
}

void
pool_dir_set(spa_t *spa, const char *name, uint64_t v, dmu_tx_t *tx)
{
	VERIFY0(zap_update(spa->spa_meta_objset, DMU_POOL_DIRECTORY_OBJECT, name,
	    sizeof (uint64_t), 1, &v, tx));
}

void
pool_config_create(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	pl->pl_config_obj = dmu_object_alloc(spa->spa_meta_objset, DMU_OT_PACKED_NVLIST,
	    CONFIG_BLOCKSIZE, DMU_OT_PACKED_NVLIST_SIZE, sizeof (uint64_t), tx);
	pool_dir_set(spa, DMU_POOL_CONFIG, pl->pl_config_obj, tx);
}

/* The label of one leaf as of the txg that is being committed. */
nvlist_t *
pool_label_config(void *arg, vdev_t *leaf)
{
	spa_t *spa = arg;

	return (spa_config_generate(spa, leaf, spa->spa_syncing_txg));
}

/* An object's 8-byte bonus: the exact length of the nvlist in it. */
static int
packed_size(spa_t *spa, uint64_t obj, uint64_t set, dmu_tx_t *tx, uint64_t *sizep)
{
	dmu_buf_t *db;
	int err = dmu_bonus_hold(spa->spa_meta_objset, obj, spa, &db);

	if (err != 0)
		return (err);
	if (db->db_size < sizeof (uint64_t)) {
		err = EIO;
	} else if (tx != NULL) {
		dmu_buf_will_dirty(db, tx);
		memcpy(db->db_data, &set, sizeof (set));
	} else {
		memcpy(sizep, db->db_data, sizeof (*sizep));
	}
	dmu_buf_rele(db, spa);
	return (err);
}

void
pool_config_sync(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	objset_t *mos = spa->spa_meta_objset;
	uint8_t *packed;
	size_t size;

	spa->spa_config_dirty = false;
	nvlist_t *config = spa_config_generate(spa, NULL, dmu_tx_get_txg(tx));
	nvlist_pack(config, NV_ENCODE_XDR, &packed, &size);
	size_t padded = P2ROUNDUP(size, CONFIG_BLOCKSIZE);
	uint8_t *buf = kmem_zalloc(padded, KM_SLEEP);
	memcpy(buf, packed, size);
	kmem_free(packed, size);
	VERIFY0(dmu_write(mos, pl->pl_config_obj, 0, padded, buf, tx));
	VERIFY0(dmu_free_range(mos, pl->pl_config_obj, padded, DMU_OBJECT_END, tx));
	VERIFY0(packed_size(spa, pl->pl_config_obj, size, tx, NULL));
	kmem_free(buf, padded);

	mutex_enter(&spa->spa_props_lock);
	nvlist_free(spa->spa_config);
	spa->spa_config = config;
	mutex_exit(&spa->spa_props_lock);
	/* Every label tells the same story. */
	for (uint64_t i = 0; i < spa->spa_root_vdev->vdev_children; i++)
		spa->spa_root_vdev->vdev_child[i]->vdev_config_dirty = true;
}

int
pool_config_read(spa_t *spa, nvlist_t **configp)
{
	pool_t *pl = pool_of(spa);
	uint64_t size = 0;
	int err;

	if ((err = pool_dir_lookup(spa, DMU_POOL_CONFIG, &pl->pl_config_obj)) != 0 ||
	    (err = packed_size(spa, pl->pl_config_obj, 0, NULL, &size)) != 0)
		return (err == ENOENT ? EIO : err);
	if (size == 0 || size > (64ULL << 20))
		return (EIO);
	uint8_t *buf = kmem_alloc(size, KM_SLEEP);
	err = dmu_read(
	    spa->spa_meta_objset, pl->pl_config_obj, 0, size, buf, DMU_READ_PREFETCH);
	if (err == 0 && nvlist_unpack(buf, size, configp, NULL) != 0)
		err = EIO;
	kmem_free(buf, size);
	return (err);
}
