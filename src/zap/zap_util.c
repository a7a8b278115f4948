/* Idioms over plain ZAP operations: integer names, counters, statistics (format/02
 * §2.7). */
#include <stdio.h>
#include "zap/zap_impl.h"

/* Integers as names: lower-case hex without padding. */
typedef struct hexname {
	char h[17];
} hexname_t;

static hexname_t
hexname(uint64_t v)
{
	hexname_t n;
	(void)snprintf(n.h, sizeof(n.h), "%" PRIx64, v);
	return (n);
}

int
zap_add_int(objset_t *os, uint64_t obj, uint64_t value, dmu_tx_t *tx)
{
	return (zap_add(os, obj, hexname(value).h, 8, 1, &value, tx));
}

int
zap_remove_int(objset_t *os, uint64_t obj, uint64_t value, dmu_tx_t *tx)
{
	return (zap_remove(os, obj, hexname(value).h, tx));
}

int
zap_lookup_int(objset_t *os, uint64_t obj, uint64_t value)
{
	return (zap_lookup(os, obj, hexname(value).h, 8, 1, &value));
}

int
zap_add_int_key(objset_t *os, uint64_t obj, uint64_t key, uint64_t value, dmu_tx_t *tx)
{
	return (zap_add(os, obj, hexname(key).h, 8, 1, &value, tx));
}

int
zap_update_int_key(
    objset_t *os, uint64_t obj, uint64_t key, uint64_t value, dmu_tx_t *tx)
{
	return (zap_update(os, obj, hexname(key).h, 8, 1, &value, tx));
}

int
zap_lookup_int_key(objset_t *os, uint64_t obj, uint64_t key, uint64_t *valuep)
{
	return (zap_lookup(os, obj, hexname(key).h, 8, 1, valuep));
}

int
zap_increment(objset_t *os, uint64_t obj, const char *name, int64_t delta, dmu_tx_t *tx)
{
	uint64_t value = 0;

	if (delta == 0)
		return (0);
	const int err = zap_lookup(os, obj, name, 8, 1, &value);
	if (err != 0 && err != ENOENT)
		return (err);
	value += (uint64_t)delta;
	if (value != 0)
		return (zap_update(os, obj, name, 8, 1, &value, tx));
	return (err == ENOENT ? 0 : zap_remove(os, obj, name, tx));
}

int
zap_increment_int(objset_t *os, uint64_t obj, uint64_t key, int64_t delta, dmu_tx_t *tx)
{
	return (zap_increment(os, obj, hexname(key).h, delta, tx));
}

int
zap_get_stats(objset_t *os, uint64_t zapobj, zap_stats_t *zs)
{
	zap_hold_t zh;
	const int err = zap_lock(os, zapobj, ZAP_READ, &zh);
	if (err != 0)
		return (err);
	zap_t *z = zh.zh_zap;
	*zs = (zap_stats_t){.zs_blocksize = zh.zh_db->db_size,
	    .zs_num_blocks = 1,
	    .zs_num_entries = z->z_nents,
	    .zs_salt = z->z_salt,
	    .zs_micro = z->z_micro};
	if (!z->z_micro) {
		mutex_enter(&z->z_count_lock);
		zs->zs_num_entries = z->z_num_entries;
		mutex_exit(&z->z_count_lock);
		zs->zs_num_blocks = z->z_freeblk;
		zs->zs_num_leafs = z->z_num_leafs;
		zs->zs_ptrtbl_len = 1ULL << z->z_tbl.zt_shift;
	}
	zap_unlock(&zh);
	return (0);
}
