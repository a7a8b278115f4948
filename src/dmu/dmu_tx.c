/*
 * Transactions: what will be touched is said first (holds), so that everything that can
 * fail fails before anything is changed: reading what must be modified, finding the
 * space, being allowed to use it. After dmu_tx_assign nothing fails any more.
 *
 * Each hold estimates the worst case: every block it may dirty, at full size, with its
 * indirect blocks and dnode; spa_get_worst_case_asize turns that into bytes on
 * devices. The estimate is reserved with the dsl until commit.
 */
#include "dmu/dmu_impl.h"

#define TX_ZAP_BLOCKS                                                                  \
	6 /* a split: leaf, new leaf, header, pointer table and its copy */
#define TX_ZAP_BLKSZ (SPA_OLD_MAXBLOCKSIZE / 8) /* leaves of 16 KiB */
/*
 * Indirect blocks are shared by many writes of a txg and compress well: one write is
 * not charged with all of them, else a small pool could promise only a handful of
 * writes at a time.
 */
#define TX_UPPER_LEVELS 3
#define TX_INDIRECT_RATIO 8

/* ---- creation ------------------------------------------------------------ */

static dmu_tx_t *
tx_alloc(objset_t *os, spa_t *spa)
{
	dmu_tx_t *tx = kmem_zalloc(sizeof(*tx), KM_SLEEP);

	tx->tx_os = os;
	tx->tx_spa = spa;
	list_create(
	    &tx->tx_holds, sizeof(dmu_tx_hold_t), offsetof(dmu_tx_hold_t, txh_node));
	list_create(&tx->tx_callbacks, sizeof(dmu_tx_callback_t),
	    offsetof(dmu_tx_callback_t, dcb_node));
	return (tx);
}

dmu_tx_t *
dmu_tx_create(objset_t *os)
{
	return (tx_alloc(os, os->os_spa));
}

dmu_tx_t *
dmu_tx_create_assigned(spa_t *spa, uint64_t txg)
{
	dmu_tx_t *tx = tx_alloc(NULL, spa);

	tx->tx_txg = txg;
	tx->tx_syncing = true;
	return (tx);
}

static void
tx_free(dmu_tx_t *tx)
{
	dmu_tx_hold_t *txh;

	while ((txh = list_remove_head(&tx->tx_holds)) != NULL) {
		for (size_t i = 0; i < ARRAY_SIZE(txh->txh_pin); i++) {
			if (txh->txh_pin[i] != NULL)
				dbuf_rele(txh->txh_pin[i]);
		}
		kmem_free(txh, sizeof(*txh));
	}
	list_destroy(&tx->tx_holds);
	list_destroy(&tx->tx_callbacks);
	kmem_free(tx, sizeof(*tx));
}

/* ---- holds --------------------------------------------------------------- */

static dmu_tx_hold_t *
tx_hold_add(
    dmu_tx_t *tx, dmu_tx_hold_type_t type, uint64_t object, uint64_t off, uint64_t len)
{
	dmu_tx_hold_t *txh = kmem_zalloc(sizeof(*txh), KM_SLEEP);

	ASSERT3U(tx->tx_txg, ==, 0);
	txh->txh_type = type;
	txh->txh_object = object;
	txh->txh_off = off;
	txh->txh_len = len;
	list_insert_tail(&tx->tx_holds, txh);
	return (txh);
}

static void
tx_error(dmu_tx_t *tx, int error)
{
	if (tx->tx_err == 0)
		tx->tx_err = error;
}

/* The dnode itself, its block, and the meta-dnode's path to it. */
static void
tx_count_dnode(dmu_tx_t *tx)
{
	tx->tx_space += DNODE_BLOCK_SIZE + SPA_OLD_MAXBLOCKSIZE / TX_INDIRECT_RATIO;
}

/*
 * Level-0 block that will be changed in part: must be readable. Stays cached only as
 * long as the cache likes, but the pinned L1 makes reading it again the devices' affair
 * alone.
 */
static void
tx_check_block(dmu_tx_t *tx, dnode_t *dn, uint64_t blkid)
{
	dbuf_t *db = dbuf_hold(dn, 0, blkid);

	tx_error(tx, dbuf_read(db, 0));
	dbuf_rele(db);
}

/* The L1 above blkid is read and stays in memory until the transaction ends. */
static void
tx_pin_l1(dmu_tx_t *tx, dmu_tx_hold_t *txh, dnode_t *dn, uint64_t blkid, int i)
{
	const int epbs = dn_epbs(dn);

	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	const int nlevels = dn->dn_phys->dn_nlevels;
	const bool inside =
	    nlevels > 1 &&
	    blkid < dnode_capacity(dn->dn_phys->dn_nblkptr, epbs, nlevels);
	rw_exit(&dn->dn_struct_rwlock);
	if (!inside)
		return;
	dbuf_t *db = dbuf_hold(dn, 1, blkid >> epbs);
	const int error = dbuf_read(db, 0);
	if (error != 0) {
		tx_error(tx, error);
		dbuf_rele(db);
		return;
	}
	if (txh->txh_pin[i] != NULL)
		dbuf_rele(txh->txh_pin[i]);
	txh->txh_pin[i] = db;
}

/* Every L1 between two blocks must be readable. */
static void
tx_check_l1s(
    dmu_tx_t *tx, dmu_tx_hold_t *txh, dnode_t *dn, uint64_t first, uint64_t last)
{
	const int epbs = dn_epbs(dn);
	uint64_t b = ((first >> epbs) + 1) << epbs;
	int error = 0;

	tx_pin_l1(tx, txh, dn, first, 0);
	/* From L1 to L1: searching reads them, and skips large holes. */
	while (b < last && (error = dnode_next_block(dn, 0, &b, 0, 0)) == 0)
		b = ((b >> epbs) + 1) << epbs;
	if (error != ESRCH)
		tx_error(tx, error);
	tx_pin_l1(tx, txh, dn, last, 1);
}

/* Find the object; NULL: new or missing (then an error is noted). */
static dnode_t *
tx_hold_dnode(dmu_tx_t *tx, uint64_t object)
{
	dnode_t *dn = NULL;

	tx_count_dnode(tx);
	if (object == DMU_NEW_OBJECT)
		return (NULL);
	const int error = dnode_hold(tx->tx_os, object, &dn);
	if (error != 0)
		tx_error(tx, error);
	return (dn);
}

void
dmu_tx_hold_write(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len)
{
	dmu_tx_hold_t *txh = tx_hold_add(tx, THT_WRITE, object, off, len);

	if (object == DMU_NEW_OBJECT) {
		/* Of unknown block size: the largest that is usual. */
		tx_count_dnode(tx);
		tx->tx_space +=
		    P2ROUNDUP(len, SPA_OLD_MAXBLOCKSIZE) + SPA_OLD_MAXBLOCKSIZE;
		return;
	}
	dnode_t *dn = tx_hold_dnode(tx, object);
	if (dn == NULL)
		return;
	if (len != 0) {
		const uint64_t blksz = dn->dn_datablksz;
		const uint64_t first = off / blksz, last = (off + len - 1) / blksz;
		const uint64_t maxblkid = dn_maxblkid_get(dn);
		/* One L1 for each run of blocks, and the levels above once. */
		const uint64_t l1s = (last >> dn_epbs(dn)) - (first >> dn_epbs(dn)) + 1;

		tx->tx_space += (last - first + 1) * blksz +
				(l1s + TX_UPPER_LEVELS) * (1ULL << dn->dn_indblkshift) /
				    TX_INDIRECT_RATIO;
		/* A single block may be about to grow to the record size. */
		if (maxblkid == 0)
			tx->tx_space += tx->tx_os->os_props.op_recordsize;
		tx_check_l1s(tx, txh, dn, first, last);
		if (off % blksz != 0 || (first == last && len < blksz))
			tx_check_block(tx, dn, first);
		if (last != first && (off + len) % blksz != 0 && last <= maxblkid)
			tx_check_block(tx, dn, last);
	}
	dnode_rele(dn);
}

void
dmu_tx_hold_free(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len)
{
	dmu_tx_hold_t *txh = tx_hold_add(tx, THT_FREE, object, off, len);
	dnode_t *dn = tx_hold_dnode(tx, object);

	if (dn == NULL)
		return;
	const uint64_t blksz = dn->dn_datablksz, maxblkid = dn_maxblkid_get(dn);
	const uint64_t size = (maxblkid + 1) * blksz;
	if (off < size && len != 0) {
		if (len > size - off)
			len = size - off;
		const uint64_t first = off / blksz, last = (off + len - 1) / blksz;
		tx->tx_space +=
		    2 * blksz + 4 * (1ULL << dn->dn_indblkshift) / TX_INDIRECT_RATIO;
		if (off % blksz != 0 || len < blksz)
			tx_check_block(tx, dn, first);
		if ((off + len) % blksz != 0 && off + len < size)
			tx_check_block(tx, dn, last);
		tx_check_l1s(tx, txh, dn, first, last);
	}
	dnode_rele(dn);
}

void
dmu_tx_hold_zap(dmu_tx_t *tx, uint64_t object, bool add, const char *name)
{
	(void)name;
	(void)tx_hold_add(tx, THT_ZAP, object, 0, UINT64_MAX);
	tx->tx_space += (add ? TX_ZAP_BLOCKS : 2) * TX_ZAP_BLKSZ;
	dnode_t *dn = tx_hold_dnode(tx, object);
	if (dn == NULL)
		return;
	tx_check_block(tx, dn, 0);
	dnode_rele(dn);
}

void
dmu_tx_hold_bonus(dmu_tx_t *tx, uint64_t object)
{
	(void)tx_hold_add(tx, THT_BONUS, object, 0, 0);
	dnode_t *dn = tx_hold_dnode(tx, object);
	if (dn != NULL)
		dnode_rele(dn);
}

void
dmu_tx_hold_spill(dmu_tx_t *tx, uint64_t object)
{
	(void)tx_hold_add(tx, THT_SPILL, object, 0, 0);
	tx->tx_space += SPA_OLD_MAXBLOCKSIZE;
	dnode_t *dn = tx_hold_dnode(tx, object);
	if (dn != NULL)
		dnode_rele(dn);
}

void
dmu_tx_hold_space(dmu_tx_t *tx, uint64_t bytes)
{
	(void)tx_hold_add(tx, THT_SPACE, DMU_NEW_OBJECT, 0, bytes);
	tx->tx_space += bytes;
}

void
dmu_tx_mark_netfree(dmu_tx_t *tx)
{
	tx->tx_netfree = true;
}

/* ---- checking ------------------------------------------------------------ */

#ifndef NDEBUG
static bool
txh_covers(const dmu_tx_hold_t *txh, const dbuf_t *db)
{
	const uint64_t object = db->db.db_object;

	if (txh->txh_object == DMU_NEW_OBJECT)
		return (txh->txh_type != THT_SPACE);
	if (txh->txh_object != object)
		return (false);
	if (db->db_blkid == DMU_BONUS_BLKID)
		return (true); /* every hold counts the dnode */
	switch (txh->txh_type) {
	case THT_WRITE:
	case THT_FREE:
		return (db->db_blkid == DMU_SPILL_BLKID ||
			db->db_blkid == 0 || /* may be resized */
			(db->db.db_offset + db->db.db_size > txh->txh_off &&
			    (txh->txh_len >= UINT64_MAX - txh->txh_off ||
				db->db.db_offset < txh->txh_off + txh->txh_len)));
	case THT_ZAP:
		return (true);
	case THT_SPILL:
		return (db->db_blkid == DMU_SPILL_BLKID);
	default:
		return (false);
	}
}

void
dmu_tx_check(dmu_tx_t *tx, dbuf_t *db)
{
	if (tx->tx_syncing)
		return;
	VERIFY(tx->tx_os == db->db_dn->dn_os);
	for (dmu_tx_hold_t *txh = list_head(&tx->tx_holds); txh != NULL;
	     txh = list_next(&tx->tx_holds, txh)) {
		if (txh_covers(txh, db))
			return;
	}
	dmu_tx_hold_t *last = list_tail(&tx->tx_holds);
	panic("transaction changes object %" PRIu64 " block %" PRId64 " (%" PRIu64 "+%" PRIu64
	      ") without a hold on it; the last is of type %d, object %" PRIu64 ", %" PRIu64
	      "+%" PRIu64,
	    db->db.db_object, (int64_t)db->db_blkid, db->db.db_offset, db->db.db_size,
	    last != NULL ? (int)last->txh_type : -1, last != NULL ? last->txh_object : 0,
	    last != NULL ? last->txh_off : 0, last != NULL ? last->txh_len : 0);
}
#else
void
dmu_tx_check(dmu_tx_t *tx, dbuf_t *db)
{
	(void)tx;
	(void)db;
}
#endif

/* ---- assign -------------------------------------------------------------- */

static int
tx_try_assign(dmu_tx_t *tx)
{
	objset_t *os = tx->tx_os;
	const objset_ops_t *ops = os->os_ops;
	int error;

	if (tx->tx_err != 0)
		return (tx->tx_err);
	if (!spa_writeable(tx->tx_spa) ||
	    __atomic_load_n(&os->os_readonly, __ATOMIC_RELAXED))
		return (EROFS);
	if (spa_is_suspended(tx->tx_spa) &&
	    tx->tx_spa->spa_failmode == ZIO_FAILURE_MODE_CONTINUE)
		return (EIO);
	tx->tx_txg = txg_hold_open(tx->tx_spa, &tx->tx_th);
	if (ops != NULL && ops->oso_tempreserve != NULL) {
		error = ops->oso_tempreserve(os,
		    spa_get_worst_case_asize(tx->tx_spa, tx->tx_space), tx->tx_netfree,
		    tx, &tx->tx_cookie);
		if (error != 0) {
			tx->tx_wait_txg = tx->tx_txg;
			txg_rele_to_quiesce(&tx->tx_th);
			txg_rele_to_sync(&tx->tx_th);
			tx->tx_txg = 0;
			return (error);
		}
		tx->tx_reserved = true;
	}
	txg_rele_to_quiesce(&tx->tx_th);
	return (0);
}

/* Is so much dirty that a newcomer without patience should come back later? */
static bool
tx_throttled(dmu_tx_t *tx, uint32_t flags)
{
	tx_state_t *txs = &tx->tx_spa->spa_tx;

	if (flags & DMU_TX_NOTHROTTLE)
		return (false);
	if (flags & DMU_TX_WAIT) {
		txg_dirty_throttle(tx->tx_spa);
		return (false);
	}
	mutex_enter(&txs->tx_dirty_lock);
	const bool full = txs->tx_dirty_total >= txs->tx_dirty_max;
	mutex_exit(&txs->tx_dirty_lock);
	return (full);
}

int
dmu_tx_assign(dmu_tx_t *tx, uint32_t flags)
{
	int error;

	ASSERT(tx->tx_txg == 0 && !tx->tx_syncing);
	for (;;) {
		if (tx->tx_err == 0 && tx_throttled(tx, flags)) {
			tx->tx_throttle = true;
			return (ERESTART);
		}
		error = tx_try_assign(tx);
		if (error != ERESTART || !(flags & DMU_TX_WAIT))
			return (error);
		dmu_tx_wait(tx);
	}
}

void
dmu_tx_wait(dmu_tx_t *tx)
{
	ASSERT3U(tx->tx_txg, ==, 0);
	if (tx->tx_throttle) {
		tx->tx_throttle = false;
		txg_dirty_throttle(tx->tx_spa);
	} else if (tx->tx_wait_txg != 0) {
		/* Frees of the txgs in flight may make the room that was missing. */
		txg_wait_open(tx->tx_spa, tx->tx_wait_txg + 1, true);
		tx->tx_wait_txg = 0;
	}
}

/* ---- callbacks ----------------------------------------------------------- */

/*
 * Rarely used, so one list for the process, in order of txgs within a pool, is enough.
 */
typedef struct tx_done {
	list_node_t td_node;
	spa_t *td_spa;
	uint64_t td_txg;
	list_t td_callbacks;
} tx_done_t;
static kmutex_t tx_done_lock = MUTEX_INITIALIZER;
static list_t tx_done_list;
static bool tx_done_ready;

void
dmu_tx_callback_register(dmu_tx_t *tx, void (*func)(void *, int), void *arg)
{
	dmu_tx_callback_t *dcb = kmem_zalloc(sizeof(*dcb), KM_SLEEP);

	dcb->dcb_func = func;
	dcb->dcb_arg = arg;
	list_insert_tail(&tx->tx_callbacks, dcb);
}

static void
tx_callbacks_call(list_t *callbacks, int error)
{
	dmu_tx_callback_t *dcb;

	while ((dcb = list_remove_head(callbacks)) != NULL) {
		dcb->dcb_func(dcb->dcb_arg, error);
		kmem_free(dcb, sizeof(*dcb));
	}
}

static void
tx_callbacks_commit(dmu_tx_t *tx)
{
	if (list_is_empty(&tx->tx_callbacks))
		return;
	tx_done_t *td = kmem_zalloc(sizeof(*td), KM_SLEEP);
	td->td_spa = tx->tx_spa;
	td->td_txg = tx->tx_txg;
	list_create(&td->td_callbacks, sizeof(dmu_tx_callback_t),
	    offsetof(dmu_tx_callback_t, dcb_node));
	list_move_tail(&td->td_callbacks, &tx->tx_callbacks);
	mutex_enter(&tx_done_lock);
	if (!tx_done_ready) {
		list_create(
		    &tx_done_list, sizeof(tx_done_t), offsetof(tx_done_t, td_node));
		tx_done_ready = true;
	}
	list_insert_tail(&tx_done_list, td);
	mutex_exit(&tx_done_lock);
}

void
dmu_tx_callbacks_run(spa_t *spa, uint64_t txg, int error)
{
	tx_done_t *td, *next;
	list_t run;

	list_create(&run, sizeof(tx_done_t), offsetof(tx_done_t, td_node));
	mutex_enter(&tx_done_lock);
	for (td = tx_done_ready ? list_head(&tx_done_list) : NULL; td != NULL;
	     td = next) {
		next = list_next(&tx_done_list, td);
		if (td->td_spa == spa && td->td_txg <= txg) {
			list_remove(&tx_done_list, td);
			list_insert_tail(&run, td);
		}
	}
	mutex_exit(&tx_done_lock);
	while ((td = list_remove_head(&run)) != NULL) {
		tx_callbacks_call(&td->td_callbacks, error);
		list_destroy(&td->td_callbacks);
		kmem_free(td, sizeof(*td));
	}
	list_destroy(&run);
}

/* ---- end ----------------------------------------------------------------- */

void
dmu_tx_commit(dmu_tx_t *tx)
{
	ASSERT3U(tx->tx_txg, !=, 0);
	if (tx->tx_reserved && tx->tx_os->os_ops->oso_tempreserve_clear != NULL)
		tx->tx_os->os_ops->oso_tempreserve_clear(tx->tx_os, tx->tx_cookie, tx);
	tx_callbacks_commit(tx);
	if (!tx->tx_syncing)
		txg_rele_to_sync(&tx->tx_th);
	tx_free(tx);
}

void
dmu_tx_abort(dmu_tx_t *tx)
{
	ASSERT(tx->tx_txg == 0);
	tx_callbacks_call(&tx->tx_callbacks, ECANCELED);
	tx_free(tx);
}

uint64_t
dmu_tx_get_txg(dmu_tx_t *tx)
{
	return (tx->tx_txg);
}

spa_t *
dmu_tx_spa(dmu_tx_t *tx)
{
	return (tx->tx_spa);
}

bool
dmu_tx_is_syncing(dmu_tx_t *tx)
{
	return (tx->tx_syncing);
}
