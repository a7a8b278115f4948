/*
 * dnodes in memory: holding, allocating, freeing, changing the header.
 *
 * A dnode_t exists while somebody holds it: a user, one of its dbufs, a txg in which it
 * is dirty. It is found through its dnode block, a level-0 dbuf of the meta-dnode, that
 * carries a table of its 32 slots (dnode_block_t); the dnode_t in turn holds that dbuf.
 * The four dnodes in the object set header have no block and live as long as the object
 * set.
 *
 * Two views. dn_type, dn_bonuslen … are the state as of the newest change. dn_phys is a
 * private copy of the 512-byte slots as of the last synced txg; the sync thread applies
 * dn_next[txg] to it and copies it into the dnode block. Nobody writes to the block
 * directly.
 *
 * An object freed in a txg keeps its slot until that txg is synced: so a number is
 * never given out twice in one txg (format/02 §1.8). Old holders then keep a dead
 * dnode_t.
 *
 * Locks: dnb_lock (slots of one block, 0→1 of dn_holds) > db_mtx of the block's dbuf.
 */
#include "dmu/dmu_impl.h"

/* ---- life of a dnode_t --------------------------------------------------- */

static int
dbuf_avl_compare(const void *x, const void *y)
{
	const dbuf_t *a = x, *b = y;

	if (a->db_level != b->db_level)
		return (a->db_level < b->db_level ? -1 : 1);
	if (a->db_blkid != b->db_blkid)
		return (a->db_blkid < b->db_blkid ? -1 : 1);
	/* A search key (no dnode) comes before all of its number. */
	if ((a->db_dn == NULL) != (b->db_dn == NULL))
		return (a->db_dn == NULL ? -1 : 1);
	/* One about to be destroyed may still be in the tree beside its successor. */
	return (a < b ? -1 : a > b);
}

static int
sync_node_compare(const void *x, const void *y)
{
	const sync_node_t *a = x, *b = y;

	if (a->sn_level != b->sn_level)
		return (a->sn_level < b->sn_level ? -1 : 1);
	return (a->sn_blkid < b->sn_blkid ? -1 : a->sn_blkid > b->sn_blkid);
}

static void
dnode_set_datablksz(dnode_t *dn, uint64_t size)
{
	dn->dn_datablksz = (uint32_t)size;
	dn->dn_datablkshift = ISP2(size) ? (uint8_t)(highbit64(size) - 1) : 0;
}

/* The open view from what is on disk. */
static void
dnode_from_phys(dnode_t *dn)
{
	dnode_phys_t *dnp = dn->dn_phys;

	dn->dn_type = dnp->dn_type;
	dn->dn_bonustype = dnp->dn_bonustype;
	dn->dn_bonuslen = dnp->dn_bonuslen;
	dn->dn_checksum = dnp->dn_checksum;
	dn->dn_compress = dnp->dn_compress;
	dn->dn_nblkptr = dnp->dn_nblkptr;
	dn->dn_indblkshift = dnp->dn_indblkshift;
	dn->dn_maxblkid = dnp->dn_maxblkid;
	dn->dn_have_spill = (dnp->dn_flags & DNODE_FLAG_SPILL_BLKPTR) != 0;
	dnode_set_datablksz(dn, dnode_phys_datablksz(dnp));
}

static dnode_t *
dnode_create(objset_t *os, uint64_t object, int slots, dbuf_t *blkdb)
{
	dnode_t *dn = kmem_zalloc(sizeof(*dn), KM_SLEEP);

	dn->dn_os = os;
	dn->dn_object = object;
	dn->dn_slots = slots;
	dn->dn_blkdb = blkdb;
	dn->dn_holds = 1;
	dn->dn_phys = kmem_zalloc((size_t)slots << DNODE_SHIFT, KM_SLEEP);
	rw_init(&dn->dn_struct_rwlock);
	mutex_init(&dn->dn_mtx);
	mutex_init(&dn->dn_dbufs_mtx);
	avl_create(
	    &dn->dn_dbufs, dbuf_avl_compare, sizeof(dbuf_t), offsetof(dbuf_t, db_avl));
	avl_create(&dn->dn_sync_nodes, sync_node_compare, sizeof(sync_node_t),
	    offsetof(sync_node_t, sn_node));
	for (int t = 0; t < TXG_SIZE; t++)
		list_create(&dn->dn_dirty[t], sizeof(dbuf_dirty_t),
		    offsetof(dbuf_dirty_t, dr_node));
	mutex_enter(&os->os_lock);
	list_insert_tail(&os->os_dnodes, dn);
	mutex_exit(&os->os_lock);
	return (dn);
}

static void
dnode_destroy(dnode_t *dn)
{
	objset_t *os = dn->dn_os;
	dbuf_t *blkdb = dn->dn_blkdb;

	ASSERT(avl_is_empty(&dn->dn_dbufs));
	zfetch_destroy(dn);
	for (int t = 0; t < TXG_SIZE; t++) {
		list_destroy(&dn->dn_dirty[t]);
		ASSERT(dn->dn_free_ranges[t] == NULL && dn->dn_pin[t] == NULL);
	}
	avl_destroy(&dn->dn_sync_nodes);
	avl_destroy(&dn->dn_dbufs);
	mutex_destroy(&dn->dn_dbufs_mtx);
	mutex_destroy(&dn->dn_mtx);
	rw_destroy(&dn->dn_struct_rwlock);
	kmem_free(dn->dn_phys, (size_t)dn->dn_slots << DNODE_SHIFT);
	mutex_enter(&os->os_lock);
	list_remove(&os->os_dnodes, dn);
	mutex_exit(&os->os_lock);
	kmem_free(dn, sizeof(*dn));
	if (blkdb != NULL)
		dbuf_rele(blkdb);
}

void
dnode_add_ref(dnode_t *dn)
{
	(void)__atomic_add_fetch(&dn->dn_holds, 1, __ATOMIC_RELAXED);
}

/* The slots say what is on disk again. dnb_lock held. */
static void
dnode_slots_release(dnode_t *dn, dnode_block_t *dnb)
{
	const unsigned slot = dn->dn_object & (DNODES_PER_BLOCK - 1);
	const bool allocated = dn->dn_phys->dn_type != DMU_OT_NONE;

	ASSERT(dnb->dnb_dn[slot] == dn);
	dnb->dnb_dn[slot] = NULL;
	for (int i = 0; i < dn->dn_slots; i++)
		dnb->dnb_state[slot + i] = !allocated ? DNS_FREE
					   : i == 0   ? DNS_ALLOCATED
						      : DNS_INTERIOR;
}

void
dnode_rele(dnode_t *dn)
{
	uint64_t n = __atomic_load_n(&dn->dn_holds, __ATOMIC_RELAXED);

	ASSERT3U(n, >, 0);
	while (n > 1) {
		if (__atomic_compare_exchange_n(&dn->dn_holds, &n, n - 1, false,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	}
	if (dn_is_special(dn)) {
		/* The object set has a hold of its own: this cannot be the last one. */
		(void)__atomic_sub_fetch(&dn->dn_holds, 1, __ATOMIC_ACQ_REL);
		return;
	}
	dnode_block_t *dnb = dn->dn_blkdb->db_dnblk;
	mutex_enter(&dnb->dnb_lock);
	const bool last = __atomic_sub_fetch(&dn->dn_holds, 1, __ATOMIC_ACQ_REL) == 0;
	if (last && !dn->dn_dead)
		dnode_slots_release(dn, dnb);
	mutex_exit(&dnb->dnb_lock);
	if (last)
		dnode_destroy(dn);
}

dnode_t *
dnode_special_create(objset_t *os, uint64_t object, const dnode_phys_t *dnp)
{
	dnode_t *dn = dnode_create(os, object, 1, NULL);

	*dn->dn_phys = *dnp;
	if (dnp->dn_type != DMU_OT_NONE)
		dnode_from_phys(dn);
	return (dn);
}

void
dnode_special_destroy(dnode_t *dn)
{
	(void)dbuf_evict_dnode(dn);
	VERIFY3U(dn->dn_holds, ==, 1);
	dnode_destroy(dn);
}

/* ---- slots --------------------------------------------------------------- */

/* Make the slot table of a dnode block that has just been read; EIO in db is the
 * caller's. */
static dnode_block_t *
dnode_block_get(dbuf_t *db)
{
	mutex_enter(&db->db_mtx);
	if (db->db_dnblk == NULL) {
		dnode_block_t *dnb = kmem_zalloc(sizeof(*dnb), KM_SLEEP);
		unsigned slot = 0;

		mutex_init(&dnb->dnb_lock);
		while (slot < DNODES_PER_BLOCK) {
			const dnode_phys_t *dnp = dnode_block_slot_const(
			    db->db.db_data, db->db.db_size, slot);
			if (dnp == NULL) {
				/* Reaches beyond the block: damaged, not to be used. */
				memset(dnb->dnb_state + slot, DNS_INTERIOR,
				    DNODES_PER_BLOCK - slot);
				break;
			}
			if (dnp->dn_type == DMU_OT_NONE) {
				slot++;
				continue;
			}
			dnb->dnb_state[slot++] = DNS_ALLOCATED;
			for (unsigned i = 0; i < dnp->dn_extra_slots; i++)
				dnb->dnb_state[slot++] = DNS_INTERIOR;
		}
		db->db_dnblk = dnb;
	}
	mutex_exit(&db->db_mtx);
	return (db->db_dnblk);
}

void
dnode_block_destroy(dbuf_t *db)
{
	dnode_block_t *dnb = db->db_dnblk;

	mutex_destroy(&dnb->dnb_lock);
	kmem_free(dnb, sizeof(*dnb));
	db->db_dnblk = NULL;
}

/* The dnode block of an object, read and held. */
int
dnode_block_hold(objset_t *os, uint64_t object, dbuf_t **dbp)
{
	dbuf_t *db = dbuf_hold(os->os_mdn, 0, object >> DNODES_PER_BLOCK_SHIFT);
	const int error = dbuf_read(db, 0);

	if (error != 0) {
		dbuf_rele(db);
		return (error);
	}
	*dbp = db;
	return (0);
}

/* Copy an allocated dnode out of its block. dnb_lock held; takes over the hold on db.
 */
static int
dnode_load(objset_t *os, dbuf_t *db, dnode_block_t *dnb, unsigned slot, dnode_t **dnp)
{
	int error;

	mutex_enter(&db->db_mtx);
	const dnode_phys_t *phys =
	    dnode_block_slot_const(db->db.db_data, db->db.db_size, slot);
	if (phys == NULL || (error = dnode_phys_verify(phys)) != 0) {
		mutex_exit(&db->db_mtx);
		return (EIO);
	}
	const uint64_t object = (db->db_blkid << DNODES_PER_BLOCK_SHIFT) + slot;
	dnode_t *dn = dnode_create(os, object, (int)dnode_phys_slots(phys), db);
	memcpy(dn->dn_phys, phys, dnode_phys_size(phys));
	mutex_exit(&db->db_mtx);
	dnode_from_phys(dn);
	dnb->dnb_dn[slot] = dn;
	dnb->dnb_state[slot] = DNS_INCORE;
	*dnp = dn;
	return (0);
}

static int
dnode_hold_special(objset_t *os, uint64_t object, uint32_t flags, dnode_t **dnp)
{
	dnode_t *dn =
	    object == DMU_META_DNODE_OBJECT ? os->os_mdn : os->os_acct[~object];

	mutex_enter(&dn->dn_mtx);
	const bool there = dn->dn_type != DMU_OT_NONE;
	mutex_exit(&dn->dn_mtx);
	if (!there && !(flags & DNH_ANY))
		return (ENOENT);
	dnode_add_ref(dn);
	*dnp = dn;
	return (0);
}

int
dnode_hold_flags(objset_t *os, uint64_t object, uint32_t flags, dnode_t **dnp)
{
	dbuf_t *db;
	dnode_t *dn = NULL;
	int error;

	if (object == DMU_META_DNODE_OBJECT || object >= DMU_PROJECTUSED_OBJECT)
		return (dnode_hold_special(os, object, flags, dnp));
	if (object >= DN_MAX_OBJECT)
		return (ENOENT);
	if ((error = dnode_block_hold(os, object, &db)) != 0)
		return (error);
	dnode_block_t *dnb = dnode_block_get(db);
	const unsigned slot = object & (DNODES_PER_BLOCK - 1);
	mutex_enter(&dnb->dnb_lock);
	switch (dnb->dnb_state[slot]) {
	case DNS_INCORE:
		dn = dnb->dnb_dn[slot];
		dnode_add_ref(dn);
		break;
	case DNS_ALLOCATED:
		error = dnode_load(os, db, dnb, slot, &dn);
		if (error == 0)
			db = NULL;
		break;
	default:
		error = ENOENT;
	}
	mutex_exit(&dnb->dnb_lock);
	if (db != NULL)
		dbuf_rele(db);
	if (error != 0)
		return (error);
	mutex_enter(&dn->dn_mtx);
	const bool there = dn->dn_type != DMU_OT_NONE && dn->dn_free_txg == 0;
	mutex_exit(&dn->dn_mtx);
	if (!there && !(flags & DNH_ANY)) {
		dnode_rele(dn);
		return (ENOENT);
	}
	*dnp = dn;
	return (0);
}

int
dnode_hold(objset_t *os, uint64_t object, dnode_t **dnp)
{
	return (dnode_hold_flags(os, object, 0, dnp));
}

int
dnode_claim_slots(objset_t *os, uint64_t object, int slots, dnode_t **dnp)
{
	const unsigned slot = object & (DNODES_PER_BLOCK - 1);
	dbuf_t *db;
	int error;

	if (object >= DMU_PROJECTUSED_OBJECT) {
		error = dnode_hold_special(os, object, DNH_ANY, dnp);
		if (error == 0 && (*dnp)->dn_type != DMU_OT_NONE) {
			dnode_rele(*dnp);
			error = EEXIST;
		}
		return (error);
	}
	if (object == 0 || object >= DN_MAX_OBJECT || slot + slots > DNODES_PER_BLOCK)
		return (EINVAL);
	if ((error = dnode_block_hold(os, object, &db)) != 0)
		return (error);
	dnode_block_t *dnb = dnode_block_get(db);
	mutex_enter(&dnb->dnb_lock);
	for (int i = 0; i < slots; i++) {
		if (dnb->dnb_state[slot + i] != DNS_FREE)
			error = EEXIST;
	}
	if (error == 0) {
		*dnp = dnode_create(os, object, slots, db);
		dnb->dnb_dn[slot] = *dnp;
		dnb->dnb_state[slot] = DNS_INCORE;
		for (int i = 1; i < slots; i++)
			dnb->dnb_state[slot + i] = DNS_INTERIOR;
	}
	mutex_exit(&dnb->dnb_lock);
	if (error != 0)
		dbuf_rele(db);
	return (error);
}

void
dnode_retire(dnode_t *dn)
{
	if (dn_is_special(dn))
		return;
	dnode_block_t *dnb = dn->dn_blkdb->db_dnblk;
	mutex_enter(&dnb->dnb_lock);
	dnode_slots_release(dn, dnb);
	__atomic_store_n(&dn->dn_dead, true, __ATOMIC_RELEASE);
	mutex_exit(&dnb->dnb_lock);
	(void)dbuf_evict_dnode(dn);
}

unsigned
dnode_block_free_run(dbuf_t *db, unsigned slot, int slots)
{
	dnode_block_t *dnb = dnode_block_get(db);
	int run = 0;

	mutex_enter(&dnb->dnb_lock);
	for (; slot < DNODES_PER_BLOCK && run < slots; slot++)
		run = dnb->dnb_state[slot] == DNS_FREE ? run + 1 : 0;
	mutex_exit(&dnb->dnb_lock);
	return (run == slots ? slot - (unsigned)slots : DNODES_PER_BLOCK);
}

bool
dnode_block_find(dbuf_t *db, unsigned *slotp, bool hole)
{
	dnode_block_t *dnb = dnode_block_get(db);
	bool found = false;
	unsigned slot;

	mutex_enter(&dnb->dnb_lock);
	for (slot = *slotp; slot < DNODES_PER_BLOCK && !found; slot++) {
		const dnode_t *dn = dnb->dnb_dn[slot];
		bool used = dnb->dnb_state[slot] == DNS_ALLOCATED;
		bool free = dnb->dnb_state[slot] == DNS_FREE;
		if (dnb->dnb_state[slot] == DNS_INCORE) {
			used = __atomic_load_n(&dn->dn_type, __ATOMIC_RELAXED) !=
				   DMU_OT_NONE &&
			       __atomic_load_n(&dn->dn_free_txg, __ATOMIC_RELAXED) == 0;
			free = false;
		}
		found = hole ? free : used;
		if (found)
			*slotp = slot;
	}
	mutex_exit(&dnb->dnb_lock);
	return (found);
}

/* ---- dirty --------------------------------------------------------------- */

void
dnode_setdirty(dnode_t *dn, dmu_tx_t *tx)
{
	objset_t *os = dn->dn_os;
	const int t = tx->tx_txg & TXG_MASK;

	ASSERT3U(tx->tx_txg, !=, 0);
	if (__atomic_load_n(&dn->dn_is_dirty[t], __ATOMIC_ACQUIRE))
		return;
	dbuf_t *pin = dn->dn_blkdb != NULL ? dbuf_pin_parent(dn->dn_blkdb) : NULL;
	mutex_enter(&os->os_lock);
	const bool first = !dn->dn_is_dirty[t];
	if (first) {
		dnode_add_ref(dn);
		dn->dn_pin[t] = pin;
		list_insert_tail(&os->os_dirty_dnodes[t], dn);
		__atomic_store_n(&dn->dn_is_dirty[t], true, __ATOMIC_RELEASE);
	}
	mutex_exit(&os->os_lock);
	if (!first && pin != NULL)
		dbuf_rele(pin);
	dmu_objset_setdirty(os, tx);
}

bool
dnode_is_dirty(dnode_t *dn)
{
	bool dirty = false;

	for (int t = 0; t < TXG_SIZE; t++)
		dirty |= __atomic_load_n(&dn->dn_is_dirty[t], __ATOMIC_ACQUIRE);
	return (dirty);
}

int
dnode_bonus_capacity(const dnode_t *dn)
{
	return ((dn->dn_slots << DNODE_SHIFT) - DNODE_CORE_SIZE -
		(int)sizeof(blkptr_t) * MAX(dn->dn_nblkptr, 1));
}

void
dnode_allocate(dnode_t *dn, dmu_object_type_t ot, int blocksize, int ibs,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx)
{
	spa_t *spa = dn->dn_os->os_spa;
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];
	const uint32_t dnodesize = (uint32_t)dn->dn_slots << DNODE_SHIFT;

	if (blocksize == 0)
		blocksize = SPA_MINBLOCKSIZE;
	blocksize = (int)MIN(
	    P2ROUNDUP((uint64_t)blocksize, SPA_MINBLOCKSIZE), spa_maxblocksize(spa));
	if (ibs == 0)
		ibs = DN_DEFAULT_INDBLKSHIFT;
	ibs = MIN(MAX(ibs, DN_MIN_INDBLKSHIFT), DN_MAX_INDBLKSHIFT);
	ASSERT(DMU_OT_IS_VALID(ot) && ot != DMU_OT_NONE);
	ASSERT3S(bonuslen, <=, (int)DN_BONUS_SIZE(dnodesize));

	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	dnode_set_datablksz(dn, (uint64_t)blocksize);
	dn->dn_indblkshift = (uint8_t)ibs;
	dn->dn_maxblkid = 0;
	mutex_enter(&dn->dn_mtx);
	dn->dn_nblkptr =
	    dnode_default_nblkptr(dnodesize, bonustype, (uint32_t)bonuslen);
	dn->dn_bonustype = (uint8_t)bonustype;
	dn->dn_bonuslen = (uint16_t)bonuslen;
	dn->dn_checksum = ZIO_CHECKSUM_INHERIT;
	dn->dn_compress = ZIO_COMPRESS_INHERIT;
	dn->dn_have_spill = false;
	dn->dn_alloc_txg = tx->tx_txg;
	dn->dn_free_txg = 0;
	memset(nx, 0, sizeof(*nx));
	nx->nx_mask = DNX_ALLOC | DNX_TYPE | DNX_BONUSTYPE | DNX_BONUSLEN | DNX_BLKSZ |
		      DNX_IBS | DNX_CHECKSUM | DNX_COMPRESS;
	nx->nx_type = (uint8_t)ot;
	nx->nx_bonustype = dn->dn_bonustype;
	nx->nx_bonuslen = dn->dn_bonuslen;
	nx->nx_blksz = dn->dn_datablksz;
	nx->nx_ibs = dn->dn_indblkshift;
	__atomic_store_n(&dn->dn_type, (uint8_t)ot, __ATOMIC_RELAXED);
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	if (dn->dn_slots > 1)
		dmu_feature_seen(dn->dn_os, SPA_FEATURE_LARGE_DNODE);
	dnode_setdirty(dn, tx);
}

void
dnode_free(dnode_t *dn, dmu_tx_t *tx)
{
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];
	dbuf_t *db;

	mutex_enter(&dn->dn_mtx);
	ASSERT3U(dn->dn_free_txg, ==, 0);
	__atomic_store_n(&dn->dn_free_txg, tx->tx_txg, __ATOMIC_RELAXED);
	nx->nx_mask |= DNX_FREE;
	mutex_exit(&dn->dn_mtx);
	dnode_setdirty(dn, tx);
	/* What was changed in this txg need not be written any more. */
	dbuf_free_range(dn, 0, DMU_SPILL_BLKID, tx);
	for (uint64_t blkid = DMU_SPILL_BLKID; blkid != 0; blkid++) {
		if ((db = dbuf_find(dn, 0, blkid)) != NULL) {
			dbuf_undirty(db, tx->tx_txg);
			dbuf_rele(db);
		}
	}
	mutex_enter(&dn->dn_mtx);
	dn->dn_have_spill = false;
	mutex_exit(&dn->dn_mtx);
}

/* ---- shape --------------------------------------------------------------- */

uint64_t
dnode_capacity(int nblkptr, int epbs, int nlevels)
{
	const int shift = epbs * (nlevels - 1);

	if (shift >= 62)
		return (UINT64_MAX >> 2);
	return ((uint64_t)nblkptr << shift);
}

void
dnode_new_blkid(dnode_t *dn, uint64_t blkid)
{
	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	if (blkid > dn->dn_maxblkid)
		__atomic_store_n(&dn->dn_maxblkid, blkid, __ATOMIC_RELAXED);
	rw_exit(&dn->dn_struct_rwlock);
}

/*
 * Are there blocks (in memory, even holes nobody holds: they have the old size) other
 * than number 0? Struct lock held as writer.
 */
static bool
dnode_has_more_blocks(dnode_t *dn)
{
	dbuf_t key = {.db_level = 0, .db_blkid = 1};
	avl_index_t where;

	mutex_enter(&dn->dn_dbufs_mtx);
	dbuf_t *db = avl_find(&dn->dn_dbufs, &key, &where);
	if (db == NULL)
		db = avl_nearest(&dn->dn_dbufs, where, AVL_AFTER);
	while (db != NULL && db->db_blkid >= DMU_SPILL_BLKID && db->db_level == 0)
		db = avl_next(&dn->dn_dbufs, db);
	const bool more = db != NULL;
	mutex_exit(&dn->dn_dbufs_mtx);
	return (more);
}

int
dnode_set_blksz(dnode_t *dn, uint64_t size, int ibs, dmu_tx_t *tx)
{
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];
	const uint64_t maxsize = spa_maxblocksize(dn->dn_os->os_spa);
	int error = 0;

	size = size == 0 ? SPA_MINBLOCKSIZE
			 : MIN(P2ROUNDUP(size, SPA_MINBLOCKSIZE), maxsize);
	if (ibs == dn->dn_indblkshift)
		ibs = 0;
	if (size == dn->dn_datablksz && ibs == 0)
		return (0);
	if (ibs != 0 && (ibs < DN_MIN_INDBLKSHIFT || ibs > DN_MAX_INDBLKSHIFT))
		return (EINVAL);

	/* Block 0, if there is one, is rewritten at the new size (format/02 §1.4). */
	dbuf_t *db = dbuf_hold(dn, 0, 0);
	if ((error = dbuf_read(db, 0)) != 0) {
		dbuf_rele(db);
		return (error);
	}
	dnode_setdirty(dn, tx);
	/* Holes looked at behind block 0 are cached at the old block size. */
	(void)dbuf_evict_dnode(dn);
	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	if (dn->dn_maxblkid != 0 || dnode_has_more_blocks(dn) ||
	    (ibs != 0 && dn->dn_phys->dn_nlevels > 1)) {
		rw_exit(&dn->dn_struct_rwlock);
		dbuf_rele(db);
		return (ENOTSUP);
	}
	dnode_set_datablksz(dn, size);
	if (ibs != 0)
		dn->dn_indblkshift = (uint8_t)ibs;
	mutex_enter(&dn->dn_mtx);
	nx->nx_blksz = (uint32_t)size;
	nx->nx_mask |= DNX_BLKSZ;
	if (ibs != 0) {
		nx->nx_ibs = (uint8_t)ibs;
		nx->nx_mask |= DNX_IBS;
	}
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	if (size != db->db.db_size)
		dbuf_new_size(db, size, tx);
	dbuf_rele(db);
	return (0);
}

bool
dnode_block_freed(dnode_t *dn, uint64_t blkid)
{
	bool freed;

	if (blkid >= DMU_SPILL_BLKID)
		return (false);
	mutex_enter(&dn->dn_mtx);
	freed = dn->dn_free_txg != 0;
	for (int t = 0; t < TXG_SIZE && !freed; t++)
		freed = dn->dn_free_ranges[t] != NULL &&
			range_tree_contains(dn->dn_free_ranges[t], blkid, 1);
	mutex_exit(&dn->dn_mtx);
	return (freed);
}

bool
dnode_has_frees(dnode_t *dn)
{
	bool any;

	mutex_enter(&dn->dn_mtx);
	any = dn->dn_free_txg != 0;
	for (int t = 0; t < TXG_SIZE; t++)
		any |= dn->dn_free_ranges[t] != NULL;
	mutex_exit(&dn->dn_mtx);
	return (any);
}

/* ---- pointers ------------------------------------------------------------ */

int
dnode_bp_lookup(
    dnode_t *dn, int level, uint64_t blkid, blkptr_t *bp, uint32_t dbr_flags)
{
	const int epbs = dn_epbs(dn);
	int error;

	if (blkid == DMU_SPILL_BLKID) {
		mutex_enter(&dn->dn_mtx);
		const blkptr_t *spill = dnode_phys_spill(dn->dn_phys);
		if (spill != NULL)
			*bp = *spill;
		else
			BP_ZERO(bp);
		mutex_exit(&dn->dn_mtx);
		return (0);
	}
	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	mutex_enter(&dn->dn_mtx);
	const dnode_phys_t *dnp = dn->dn_phys;
	const int nlevels = dnp->dn_nlevels;
	BP_ZERO(bp);
	/* dn_nlevels 0: allocated, but not yet synced. */
	bool done = level >= nlevels ||
		    blkid >= dnode_capacity(dnp->dn_nblkptr, epbs, nlevels - level);
	if (!done && level == nlevels - 1) {
		*bp = dnp->dn_blkptr[blkid];
		done = true;
	}
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	if (done)
		return (0);

	/* Growth only adds levels on top: the block above us stays the same one. */
	dbuf_t *db = dbuf_find(dn, level + 1, blkid >> epbs);
	if (db == NULL) {
		/* No memory for blocks of pointers that are all holes. */
		error = dnode_bp_lookup(dn, level + 1, blkid >> epbs, bp, dbr_flags);
		if (error != 0)
			return (error);
		if (BP_IS_HOLE(bp)) {
			const uint64_t birth = BP_GET_LOGICAL_BIRTH(bp);
			if (birth != 0)
				BP_SET_HOLE(bp,
				    level == 0 ? dn->dn_datablksz
					       : 1ULL << dn->dn_indblkshift,
				    dn->dn_type, level, birth);
			return (0);
		}
		db = dbuf_hold(dn, level + 1, blkid >> epbs);
	}
	error = dbuf_read(db, dbr_flags & DBR_SYNC);
	if (error == 0) {
		mutex_enter(&db->db_mtx);
		*bp = *indirect_block_bp(
		    db->db.db_data, db->db.db_size, blkid & ((1ULL << epbs) - 1));
		mutex_exit(&db->db_mtx);
	}
	dbuf_rele(db);
	return (error);
}

/* ---- freeing ranges ------------------------------------------------------ */

/* Zero part of one block, unless it is a hole anyway. */
static void
dnode_zero_part(dnode_t *dn, uint64_t blkid, uint64_t off, uint64_t len, dmu_tx_t *tx)
{
	dbuf_t *db = dbuf_hold(dn, 0, blkid);
	blkptr_t bp;

	mutex_enter(&db->db_mtx);
	const bool dirty = db->db_dirty != NULL;
	mutex_exit(&db->db_mtx);
	/* The transaction's hold has read edge blocks, an error here was reported
	 * there. */
	if (dirty ||
	    (!dnode_block_freed(dn, blkid) &&
		dnode_bp_lookup(dn, 0, blkid, &bp, 0) == 0 && !BP_IS_HOLE(&bp))) {
		if (dbuf_read(db, 0) == 0)
			dbuf_write_part(db, off, len, NULL, tx);
	}
	dbuf_rele(db);
}

static void
dnode_free_blocks(
    dnode_t *dn, uint64_t start, uint64_t nblks, bool to_end, dmu_tx_t *tx)
{
	const int t = tx->tx_txg & TXG_MASK;
	const uint64_t end = to_end ? DMU_SPILL_BLKID : start + nblks;

	dnode_setdirty(dn, tx);
	rw_enter(&dn->dn_struct_rwlock, RW_WRITER);
	mutex_enter(&dn->dn_mtx);
	if (dn->dn_free_ranges[t] == NULL)
		dn->dn_free_ranges[t] = range_tree_create(false);
	range_tree_clear(dn->dn_free_ranges[t], start, end - start);
	range_tree_add(dn->dn_free_ranges[t], start, end - start);
	if (to_end) {
		/* The object ends earlier now (format/02 §1.4, Shrink). */
		const uint64_t maxblkid = start == 0 ? 0 : start - 1;
		dnode_next_t *nx = &dn->dn_next[t];
		if (maxblkid < dn->dn_maxblkid)
			__atomic_store_n(&dn->dn_maxblkid, maxblkid, __ATOMIC_RELAXED);
		nx->nx_maxblkid =
		    nx->nx_mask & DNX_TRUNC ? MIN(nx->nx_maxblkid, maxblkid) : maxblkid;
		nx->nx_mask |= DNX_TRUNC;
	}
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
	dbuf_free_range(dn, start, end, tx);
}

void
dnode_free_range(dnode_t *dn, uint64_t off, uint64_t len, dmu_tx_t *tx)
{
	const uint64_t blksz = dn->dn_datablksz;
	const uint64_t maxblkid = dn_maxblkid_get(dn);
	const uint64_t size = (maxblkid + 1) * blksz;

	if (off >= size || len == 0)
		return;
	const bool to_end = len >= size - off;
	if (to_end)
		len = size - off;
	const uint64_t first = off / blksz, head = off % blksz;
	const uint64_t last = (off + len) / blksz, tail = (off + len) % blksz;
	if (head != 0 || (first == last)) {
		dnode_zero_part(dn, first, head, MIN(blksz - head, len), tx);
		if (first == last || (last == first + 1 && tail == 0)) {
			if (to_end && first < maxblkid)
				dnode_free_blocks(dn, first + 1, 0, true, tx);
			return;
		}
	}
	const uint64_t start = first + (head != 0);
	if (tail != 0 && !to_end)
		dnode_zero_part(dn, last, 0, tail, tx);
	if (start < last)
		dnode_free_blocks(dn, start, last - start, to_end, tx);
}
