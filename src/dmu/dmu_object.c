/*
 * Objects: allocating numbers, freeing, header changes, information.
 *
 * Numbers. Threads that create at the same time must not fight for one dnode block, so
 * each takes a chunk of four blocks for itself and fills it (os_chunk). Chunks come
 * from os_obj_next, which moves up through the object set, skipping what fill counts
 * say is full; once a txg, if enough was freed, it starts again at the bottom.
 */
#include "dmu/dmu_impl.h"

#define ALLOC_CHUNK (4 * DNODES_PER_BLOCK)
#define ALLOC_RESTART_FREED (2 * DNODES_PER_BLOCK)

/* ---- allocation ---------------------------------------------------------- */

/* Threads get numbers, so that each keeps to one chunk. */
static int
alloc_thread_index(const objset_t *os)
{
	static uint64_t next;
	static _Thread_local uint64_t mine;

	if (mine == 0)
		mine = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
	return ((int)(mine % (uint64_t)os->os_nchunks));
}

static void
alloc_new_chunk(objset_t *os, os_alloc_chunk_t *oc, dmu_tx_t *tx)
{
	mutex_enter(&os->os_obj_lock);
	if (os->os_obj_restart_txg != tx->tx_txg &&
	    atomic_load_64(&os->os_obj_freed) >= ALLOC_RESTART_FREED) {
		os->os_obj_restart_txg = tx->tx_txg;
		atomic_store_64(&os->os_obj_freed, 0);
		os->os_obj_next = 0;
	}
	uint64_t blkid = os->os_obj_next >> DNODES_PER_BLOCK_SHIFT;
	/* An unreadable part is skipped block by block. */
	if (dnode_next_block(os->os_mdn, DNN_NOTFULL, &blkid, 0, 0) != 0)
		blkid++;
	oc->oc_next = MAX(blkid << DNODES_PER_BLOCK_SHIFT, os->os_obj_next);
	oc->oc_end = P2ALIGN(oc->oc_next + ALLOC_CHUNK, ALLOC_CHUNK);
	os->os_obj_next = oc->oc_end;
	mutex_exit(&os->os_obj_lock);
}

/* Claim slots in the chunk's current block; ENOSPC: the block has no room, go on to the
 * next. */
static int
alloc_in_block(objset_t *os, os_alloc_chunk_t *oc, int slots, dnode_t **dnp)
{
	const uint64_t base = P2ALIGN(oc->oc_next, DNODES_PER_BLOCK);
	dbuf_t *db;
	int error;

	/* Number 0 is the meta-dnode; its slot stays free (format/02 §1.8). */
	if (oc->oc_next == 0)
		oc->oc_next = 1;
	if ((error = dnode_block_hold(os, oc->oc_next, &db)) != 0) {
		oc->oc_next = base + DNODES_PER_BLOCK;
		return (ENOSPC);
	}
	for (;;) {
		const unsigned slot =
		    dnode_block_free_run(db, (unsigned)(oc->oc_next - base), slots);
		if (slot == DNODES_PER_BLOCK) {
			oc->oc_next = base + DNODES_PER_BLOCK;
			error = ENOSPC;
			break;
		}
		error = dnode_claim_slots(os, base + slot, slots, dnp);
		oc->oc_next = base + slot + (error == 0 ? (unsigned)slots : 1);
		if (error == 0 || oc->oc_next == base + DNODES_PER_BLOCK)
			break;
	}
	dbuf_rele(db);
	return (error == 0 ? 0 : ENOSPC);
}

static int
alloc_slots(objset_t *os, int dnodesize)
{
	const int max =
	    dmu_objset_is_mos(os) ? (int)DNODE_MIN_SIZE : spa_maxdnodesize(os->os_spa);

	if (dnodesize == 0)
		dnodesize = (int)os->os_props.op_dnodesize;
	return (MAX(MIN(dnodesize, max), (int)DNODE_MIN_SIZE) >> DNODE_SHIFT);
}

uint64_t
dmu_object_alloc_dnsize(objset_t *os, dmu_object_type_t type, int blocksize,
    int indirect_blockshift, dmu_object_type_t bonustype, int bonuslen, int dnodesize,
    dmu_tx_t *tx)
{
	os_alloc_chunk_t *oc = &os->os_chunk[alloc_thread_index(os)];
	const int slots = alloc_slots(os, dnodesize);
	dnode_t *dn;

	mutex_enter(&oc->oc_lock);
	for (;;) {
		if (oc->oc_next >= oc->oc_end)
			alloc_new_chunk(os, oc, tx);
		if (alloc_in_block(os, oc, slots, &dn) == 0)
			break;
	}
	mutex_exit(&oc->oc_lock);
	dnode_allocate(
	    dn, type, blocksize, indirect_blockshift, bonustype, bonuslen, tx);
	const uint64_t object = dn->dn_object;
	dnode_rele(dn);
	return (object);
}

uint64_t
dmu_object_alloc(objset_t *os, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx)
{
	return (dmu_object_alloc_dnsize(
	    os, type, blocksize, 0, bonustype, bonuslen, 0, tx));
}

int
dmu_object_claim_ibs(objset_t *os, uint64_t object, dmu_object_type_t type,
    int blocksize, int indirect_blockshift, dmu_object_type_t bonustype, int bonuslen,
    int dnodesize, dmu_tx_t *tx)
{
	dnode_t *dn;

	const int error =
	    dnode_claim_slots(os, object, alloc_slots(os, dnodesize), &dn);
	if (error != 0)
		return (error);
	dnode_allocate(
	    dn, type, blocksize, indirect_blockshift, bonustype, bonuslen, tx);
	dnode_rele(dn);
	return (0);
}

int
dmu_object_claim(objset_t *os, uint64_t object, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, int dnodesize, dmu_tx_t *tx)
{
	return (dmu_object_claim_ibs(
	    os, object, type, blocksize, 0, bonustype, bonuslen, dnodesize, tx));
}

int
dmu_object_free(objset_t *os, uint64_t object, dmu_tx_t *tx)
{
	dnode_t *dn;

	const int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	dnode_free(dn, tx);
	atomic_inc_64(&os->os_obj_freed);
	dnode_rele(dn);
	return (0);
}

/* ---- walking ------------------------------------------------------------- */

/* The next dnode block that may be of interest, from *blkid on: on disk or in memory.
 */
static int
next_dnode_block(objset_t *os, uint64_t *blkid, bool hole, uint64_t txg)
{
	uint64_t stored = *blkid;
	dbuf_t *db;

	const int error =
	    dnode_next_block(os->os_mdn, hole ? DNN_NOTFULL : 0, &stored, txg, 0);
	if (error != 0 && error != ESRCH)
		return (error);
	db = txg == 0 ? dbuf_next_held(os->os_mdn, *blkid) : NULL;
	if (db == NULL) {
		*blkid = stored;
		return (error);
	}
	*blkid = error == 0 ? MIN(stored, db->db_blkid) : db->db_blkid;
	dbuf_rele(db);
	return (0);
}

int
dmu_object_next(objset_t *os, uint64_t *objectp, bool hole, uint64_t txg)
{
	uint64_t object = *objectp + 1;
	dbuf_t *db;
	int error;

	for (;;) {
		uint64_t blkid = object >> DNODES_PER_BLOCK_SHIFT;
		if ((error = next_dnode_block(os, &blkid, hole, txg)) != 0)
			return (error);
		object = MAX(object, blkid << DNODES_PER_BLOCK_SHIFT);
		if (object >= DN_MAX_OBJECT)
			return (ESRCH);
		if ((error = dnode_block_hold(os, object, &db)) != 0)
			return (error);
		unsigned slot = object & (DNODES_PER_BLOCK - 1);
		const bool found = dnode_block_find(db, &slot, hole);
		dbuf_rele(db);
		if (found) {
			*objectp = (blkid << DNODES_PER_BLOCK_SHIFT) + slot;
			return (0);
		}
		object = (blkid + 1) << DNODES_PER_BLOCK_SHIFT;
	}
}

/* ---- header -------------------------------------------------------------- */

int
dmu_object_set_blocksize(
    objset_t *os, uint64_t object, uint64_t size, int ibs, dmu_tx_t *tx)
{
	dnode_t *dn;
	int error;

	if ((error = dnode_hold(os, object, &dn)) != 0)
		return (error);
	error = dnode_set_blksz(dn, size, ibs, tx);
	dnode_rele(dn);
	return (error);
}

/* Change one byte of the header; `field` is its DNX_ bit. */
static int
object_set_byte(
    objset_t *os, uint64_t object, uint32_t field, uint8_t value, dmu_tx_t *tx)
{
	dnode_t *dn;

	const int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	dnode_next_t *nx = &dn->dn_next[tx->tx_txg & TXG_MASK];
	dnode_setdirty(dn, tx);
	mutex_enter(&dn->dn_mtx);
	nx->nx_mask |= field;
	switch (field) {
	case DNX_CHECKSUM:
		nx->nx_checksum = dn->dn_checksum = value;
		break;
	case DNX_COMPRESS:
		nx->nx_compress = dn->dn_compress = value;
		break;
	default:
		nx->nx_type = value;
		__atomic_store_n(&dn->dn_type, value, __ATOMIC_RELAXED);
	}
	mutex_exit(&dn->dn_mtx);
	dnode_rele(dn);
	return (0);
}

void
dmu_object_set_checksum(objset_t *os, uint64_t object, uint8_t checksum, dmu_tx_t *tx)
{
	(void)object_set_byte(os, object, DNX_CHECKSUM, checksum, tx);
}

void
dmu_object_set_compress(objset_t *os, uint64_t object, uint8_t compress, dmu_tx_t *tx)
{
	(void)object_set_byte(os, object, DNX_COMPRESS, compress, tx);
}

int
dmu_object_set_type(objset_t *os, uint64_t object, dmu_object_type_t type, dmu_tx_t *tx)
{
	if (type == DMU_OT_NONE || !DMU_OT_IS_VALID(type))
		return (EINVAL);
	return (object_set_byte(os, object, DNX_TYPE, (uint8_t)type, tx));
}

/* ---- information --------------------------------------------------------- */

/* As st_blocks: format/04 §2.6. */
static uint64_t
dnode_blocks512(uint64_t used, int slots)
{
	return ((used + 256) / 512 + (uint64_t)slots);
}

static void
dnode_info(dnode_t *dn, dmu_object_info_t *doi)
{
	memset(doi, 0, sizeof(*doi));
	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	mutex_enter(&dn->dn_mtx);
	const dnode_phys_t *dnp = dn->dn_phys;
	doi->doi_data_block_size = dn->dn_datablksz;
	doi->doi_metadata_block_size =
	    dn->dn_indblkshift != 0 ? 1U << dn->dn_indblkshift : 0;
	doi->doi_type = (dmu_object_type_t)dn->dn_type;
	doi->doi_bonus_type = (dmu_object_type_t)dn->dn_bonustype;
	doi->doi_bonus_size = dn->dn_bonuslen;
	doi->doi_dnodesize = (uint64_t)dn->dn_slots << DNODE_SHIFT;
	doi->doi_indirection = MAX(dnp->dn_nlevels, 1);
	doi->doi_checksum = dn->dn_checksum;
	doi->doi_compress = dn->dn_compress;
	doi->doi_nblkptr = dn->dn_nblkptr;
	doi->doi_flags = dnp->dn_flags;
	doi->doi_used_bytes = dnode_phys_used(dnp);
	doi->doi_physical_blocks_512 =
	    dnode_blocks512(doi->doi_used_bytes, dn->dn_slots);
	doi->doi_maxblkid = dn->dn_maxblkid;
	doi->doi_max_offset = (dn->dn_maxblkid + 1) * dn->dn_datablksz;
	for (int i = 0; i < dnp->dn_nblkptr; i++) {
		if (!BP_IS_HOLE(&dnp->dn_blkptr[i]))
			doi->doi_fill_count += BP_GET_FILL(&dnp->dn_blkptr[i]);
	}
	mutex_exit(&dn->dn_mtx);
	rw_exit(&dn->dn_struct_rwlock);
}

int
dmu_object_info(objset_t *os, uint64_t object, dmu_object_info_t *doi)
{
	dnode_t *dn;

	const int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	dnode_info(dn, doi);
	dnode_rele(dn);
	return (0);
}

void
dmu_object_info_from_db(dmu_buf_t *db, dmu_object_info_t *doi)
{
	dnode_info(dbuf_of(db)->db_dn, doi);
}

void
dmu_object_size_from_db(dmu_buf_t *db, uint32_t *blksize, uint64_t *nblk512)
{
	dnode_t *dn = dbuf_of(db)->db_dn;

	rw_enter(&dn->dn_struct_rwlock, RW_READER);
	*blksize = dn->dn_datablksz;
	rw_exit(&dn->dn_struct_rwlock);
	mutex_enter(&dn->dn_mtx);
	*nblk512 = dnode_blocks512(dnode_phys_used(dn->dn_phys), dn->dn_slots);
	mutex_exit(&dn->dn_mtx);
}

int
dmu_object_phys(objset_t *os, uint64_t object, dnode_phys_t *dnp)
{
	dnode_t *dn;

	const int error = dnode_hold(os, object, &dn);
	if (error != 0)
		return (error);
	mutex_enter(&dn->dn_mtx);
	memcpy(dnp, dn->dn_phys, sizeof(*dnp));
	mutex_exit(&dn->dn_mtx);
	dnode_rele(dn);
	return (0);
}
