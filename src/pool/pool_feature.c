/*
 * Feature flags on disk: three ZAPs in the MOS (format/02 §4.1). The counts are kept by
 * the spa room; here they are read at open and written when they have changed.
 */
#include "pool/pool_impl.h"

static uint64_t
feature_zap_create(spa_t *spa, const char *entry, dmu_tx_t *tx)
{
	uint64_t obj =
	    zap_create(spa->spa_meta_objset, DMU_OTN_ZAP_METADATA, DMU_OT_NONE, 0, tx);

	pool_dir_set(spa, entry, obj, tx);
	return (obj);
}

void
pool_features_create(spa_t *spa, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);

	pl->pl_features_read_obj = feature_zap_create(spa, DMU_POOL_FEATURES_FOR_READ, tx);
	pl->pl_features_write_obj = feature_zap_create(spa, DMU_POOL_FEATURES_FOR_WRITE, tx);
	pl->pl_features_desc_obj = feature_zap_create(spa, DMU_POOL_FEATURE_DESCRIPTIONS, tx);
}

/* The description of a feature that we do not know, for the message. */
static void
unknown_feature(spa_t *spa, const char *guid, nvlist_t *out)
{
	char *text = kmem_zalloc(1024, KM_SLEEP);

	if (zap_lookup(spa->spa_meta_objset, pool_of(spa)->pl_features_desc_obj, guid, 1, 1023,
		text) != 0)
		text[0] = '\0';
	(void)nvlist_add_string(out, guid, text);
	kmem_free(text, 1024);
}

static int
load_zap(spa_t *spa, uint64_t obj, nvlist_t *unknown)
{
	spa_features_t *sf = &spa->spa_features;
	zap_attribute_t *za = kmem_alloc(sizeof (*za), KM_SLEEP);
	zap_cursor_t zc;
	int err;

	zap_cursor_init(&zc, spa->spa_meta_objset, obj);
	while ((err = zap_cursor_retrieve(&zc, za)) == 0) {
		spa_feature_t f;
		if (za->za_integer_length != 8 || za->za_num_integers != 1)
			err = EIO;
		else if (zfeature_lookup_guid(za->za_name, &f) == 0)
			sf->sf_refcount[f] = za->za_first_integer;
		else if (za->za_first_integer != 0)
			unknown_feature(spa, za->za_name, unknown);
		if (err != 0)
			break;
		zap_cursor_advance(&zc);
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof (*za));
	return (err == ENOENT ? 0 : err);
}

int
pool_features_load(spa_t *spa)
{
	pool_t *pl = pool_of(spa);
	spa_features_t *sf = &spa->spa_features;
	int err;

	if (spa->spa_version < SPA_VERSION_FEATURES)
		return (0);
	if ((err = pool_dir_lookup(
		 spa, DMU_POOL_FEATURES_FOR_READ, &pl->pl_features_read_obj)) != 0 ||
	    (err = pool_dir_lookup(
		 spa, DMU_POOL_FEATURES_FOR_WRITE, &pl->pl_features_write_obj)) != 0 ||
	    (err = pool_dir_lookup(
		 spa, DMU_POOL_FEATURE_DESCRIPTIONS, &pl->pl_features_desc_obj)) != 0)
		return (err == ENOENT ? EIO : err);
	if ((err = load_zap(spa, pl->pl_features_read_obj, sf->sf_unknown_read)) != 0 ||
	    (err = load_zap(spa, pl->pl_features_write_obj, sf->sf_unknown_write)) != 0)
		return (err);
	err = pool_dir_lookup(spa, DMU_POOL_FEATURE_ENABLED_TXG, &pl->pl_features_txg_obj);
	if (err != 0)
		return (err == ENOENT ? 0 : err);
	for (int f = 0; f < SPA_FEATURES; f++)
		(void)zap_lookup(spa->spa_meta_objset, pl->pl_features_txg_obj,
		    spa_feature_table[f].fi_guid, 8, 1, &sf->sf_enabled_txg[f]);
	return (0);
}

static void
feature_write(spa_t *spa, spa_feature_t f, uint64_t count, uint64_t enabled_txg, dmu_tx_t *tx)
{
	pool_t *pl = pool_of(spa);
	objset_t *mos = spa->spa_meta_objset;
	const zfeature_info_t *fi = &spa_feature_table[f];
	uint64_t obj = (fi->fi_flags & ZFEATURE_FLAG_READONLY_COMPAT) ?
	    pl->pl_features_write_obj :
	    pl->pl_features_read_obj;

	/* The first entry is what enables it. */
	if (zap_contains(mos, obj, fi->fi_guid) == ENOENT) {
		VERIFY0(zap_update(mos, pl->pl_features_desc_obj, fi->fi_guid, 1,
		    strlen(fi->fi_desc) + 1, fi->fi_desc, tx));
		if (enabled_txg != 0) {
			if (pl->pl_features_txg_obj == 0)
				pl->pl_features_txg_obj =
				    feature_zap_create(spa, DMU_POOL_FEATURE_ENABLED_TXG, tx);
			VERIFY0(zap_update(mos, pl->pl_features_txg_obj, fi->fi_guid, 8, 1,
			    &enabled_txg, tx));
		}
	}
	VERIFY0(zap_update(mos, obj, fi->fi_guid, 8, 1, &count, tx));
}

void
pool_features_sync(spa_t *spa, dmu_tx_t *tx)
{
	spa_features_t *sf = &spa->spa_features;

	for (int f = 0; f < SPA_FEATURES; f++) {
		mutex_enter(&sf->sf_lock);
		bool dirty = sf->sf_dirty[f];
		uint64_t count = sf->sf_refcount[f], enabled_txg = sf->sf_enabled_txg[f];
		sf->sf_dirty[f] = false;
		mutex_exit(&sf->sf_lock);
		if (dirty && count != SPA_FEATURE_DISABLED)
			feature_write(spa, f, count, enabled_txg, tx);
	}
}
