/*
 * Bonus and spill: the two places for an object's small metadata (format/02 §1.6).
 */
#include "dmu/dmu_impl.h"

/* ---- bonus --------------------------------------------------------------- */

int
dmu_bonus_hold(objset_t *os, uint64_t object, const void *tag, dmu_buf_t **dbp)
{
	dnode_t *dn;
	int error;

	(void)tag;
	if ((error = dnode_hold(os, object, &dn)) != 0)
		return (error);
	dbuf_t *db = dbuf_hold(dn, 0, DMU_BONUS_BLKID);
	dnode_rele(dn);
	if ((error = dbuf_read(db, 0)) != 0) {
		dbuf_rele(db);
		return (error);
	}
	*dbp = &db->db;
	return (0);
}

int
dmu_bonus_max(dmu_buf_t *bonus)
{
	const dnode_t *dn = dbuf_of(bonus)->db_dn;

	return ((int)DN_BONUS_SIZE((uint32_t)dn->dn_slots << DNODE_SHIFT));
}

int
dmu_set_bonus(dmu_buf_t *bonus, int newsize, dmu_tx_t *tx)
{
	dbuf_t *db = dbuf_of(bonus);
	dnode_t *dn = db->db_dn;
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];

	if (newsize < 0 || newsize > dnode_bonus_capacity(dn))
		return (EINVAL);
	dbuf_will_dirty(db, tx);
	mutex_enter(&db->db_mtx);
	if ((uint64_t)newsize < bonus->db_size)
		memset((char *)bonus->db_data + newsize, 0,
		    bonus->db_size - (uint64_t)newsize);
	bonus->db_size = (uint64_t)newsize;
	mutex_enter(&dn->dn_mtx);
	nx->nx_bonuslen = dn->dn_bonuslen = (uint16_t)newsize;
	nx->nx_mask |= DNX_BONUSLEN;
	mutex_exit(&dn->dn_mtx);
	mutex_exit(&db->db_mtx);
	return (0);
}

int
dmu_set_bonustype(dmu_buf_t *bonus, dmu_object_type_t type, dmu_tx_t *tx)
{
	dbuf_t *db = dbuf_of(bonus);
	dnode_t *dn = db->db_dn;
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];

	if (!DMU_OT_IS_VALID(type))
		return (EINVAL);
	dnode_setdirty(dn, tx);
	mutex_enter(&dn->dn_mtx);
	nx->nx_bonustype = dn->dn_bonustype = (uint8_t)type;
	nx->nx_mask |= DNX_BONUSTYPE;
	mutex_exit(&dn->dn_mtx);
	return (0);
}

dmu_object_type_t
dmu_get_bonustype(dmu_buf_t *bonus)
{
	dnode_t *dn = dbuf_of(bonus)->db_dn;

	mutex_enter(&dn->dn_mtx);
	const dmu_object_type_t type = (dmu_object_type_t)dn->dn_bonustype;
	mutex_exit(&dn->dn_mtx);
	return (type);
}

/* ---- spill --------------------------------------------------------------- */

static bool
dnode_has_spill(dnode_t *dn)
{
	mutex_enter(&dn->dn_mtx);
	const bool has = dn->dn_have_spill;
	mutex_exit(&dn->dn_mtx);
	return (has);
}

int
dmu_spill_hold(dmu_buf_t *bonus, const void *tag, dmu_buf_t **dbp)
{
	dnode_t *dn = dbuf_of(bonus)->db_dn;
	int error;

	(void)tag;
	if (!dnode_has_spill(dn))
		return (ENOENT);
	dbuf_t *db = dbuf_hold(dn, 0, DMU_SPILL_BLKID);
	if ((error = dbuf_read(db, 0)) != 0) {
		dbuf_rele(db);
		return (error);
	}
	*dbp = &db->db;
	return (0);
}

/* The first spill block of an object: zeros, dirty. */
static void
spill_create(dbuf_t *db, uint64_t size, dmu_tx_t *tx)
{
	mutex_enter(&db->db_mtx);
	ASSERT(db->db_dirty == NULL || db->db.db_data == NULL);
	dbuf_drop_data(db);
	db->db.db_size = size;
	db->db.db_data = zio_buf_alloc(size);
	memset(db->db.db_data, 0, size);
	db->db_state = DB_CACHED;
	db->db_bp_valid = false;
	mutex_exit(&db->db_mtx);
	dbuf_will_dirty(db, tx);
}

int
dmu_spill_hold_create(
    dmu_buf_t *bonus, uint64_t size, const void *tag, dmu_tx_t *tx, dmu_buf_t **dbp)
{
	dnode_t *dn = dbuf_of(bonus)->db_dn;
	int error;

	(void)tag;
	size = P2ROUNDUP(MAX(size, SPA_MINBLOCKSIZE), SPA_MINBLOCKSIZE);
	if (size > SPA_OLD_MAXBLOCKSIZE)
		return (E2BIG);
	dbuf_t *db = dbuf_hold(dn, 0, DMU_SPILL_BLKID);
	if (!dnode_has_spill(dn)) {
		spill_create(db, size, tx);
	} else {
		if ((error = dbuf_read(db, 0)) != 0) {
			dbuf_rele(db);
			return (error);
		}
		if (db->db.db_size != size)
			dbuf_new_size(db, size, tx);
		else
			dbuf_will_dirty(db, tx);
	}
	*dbp = &db->db;
	return (0);
}

int
dmu_spill_remove(dmu_buf_t *bonus, dmu_tx_t *tx)
{
	dnode_t *dn = dbuf_of(bonus)->db_dn;
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];

	if (!dnode_has_spill(dn))
		return (ENOENT);
	dnode_setdirty(dn, tx);
	dbuf_t *db = dbuf_hold(dn, 0, DMU_SPILL_BLKID);
	mutex_enter(&dn->dn_mtx);
	dn->dn_have_spill = false;
	nx->nx_mask |= DNX_RMSPILL;
	mutex_exit(&dn->dn_mtx);
	dbuf_spill_removed(db, tx);
	dbuf_rele(db);
	return (0);
}
