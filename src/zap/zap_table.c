/*
 * Header and pointer table of a fat ZAP (format/02 §2.3, §2.4).
 *
 * The table maps the top zt_shift bits of a hash to a leaf block. It lives in the
 * second half of the header block until it outgrows it, then in blocks of its own;
 * from then on doubling is spread over many adds, a block at a time (the finished part
 * is kept up to date), so that no single transaction has to copy megabytes.
 *
 * In memory the header is mirrored in zap_t. The mirror is what everybody reads; the
 * block is only written, under z_count_lock, so that counting an entry (shared lock)
 * and reading the table do not disturb each other. The table changes under the
 * exclusive lock only.
 */
#include "zap/zap_impl.h"

#define ZAP_MAX_FREEBLK (1ULL << 40)
#define ZAP_MAX_POINTERS_PER_LEAF 4096ULL

static uint32_t
embedded_count(const zap_t *z)
{
	return (1u << (z->z_shift - 4));
}

static void
put_embedded(zap_hold_t *zh, uint64_t idx, uint64_t blk)
{
	*zap_embedded_ptr(zh->zh_db->db_data, zh->zh_db->db_size, idx) = blk;
}

/* Is what the header says about tables possible at all? */
static bool
table_plausible(const zap_t *z)
{
	const zap_table_phys_t *t = &z->z_tbl;
	const int per_block = z->z_shift - 3;

	if (z->z_freeblk < 2 || z->z_freeblk > ZAP_MAX_FREEBLK)
		return (false);
	if (t->zt_numblks == 0)
		return (t->zt_shift == (uint64_t)z->z_shift - 4 && t->zt_nextblk == 0);
	if (t->zt_shift >= (uint64_t)zap_hashbits(z) ||
	    t->zt_shift < (uint64_t)per_block ||
	    t->zt_numblks != 1ULL << (t->zt_shift - (uint64_t)per_block) ||
	    t->zt_blk == 0 || t->zt_blk >= z->z_freeblk ||
	    t->zt_numblks > z->z_freeblk - t->zt_blk)
		return (false);
	return (t->zt_nextblk == 0 ||
		(t->zt_nextblk < z->z_freeblk &&
		    2 * t->zt_numblks <= z->z_freeblk - t->zt_nextblk &&
		    t->zt_blks_copied < t->zt_numblks));
}

int
fzap_open(zap_t *z, void *data, uint64_t size)
{
	const zap_phys_t *zp = zap_header(data, size);

	if (zp == NULL || size > (1u << FZAP_MAX_SHIFT))
		return (EIO);
	z->z_shift = highbit64(size) - 1;
	z->z_tbl = zp->zap_ptrtbl;
	z->z_freeblk = zp->zap_freeblk;
	z->z_num_leafs = zp->zap_num_leafs;
	z->z_num_entries = zp->zap_num_entries;
	z->z_salt = zp->zap_salt;
	z->z_normflags = zp->zap_normflags;
	z->z_flags = (uint32_t)zp->zap_flags;
	if ((z->z_flags & ~7u) != 0 || !table_plausible(z))
		return (EIO);
	if (z->z_tbl.zt_numblks == 0) {
		const size_t bytes = 8 * (size_t)embedded_count(z);
		z->z_embedded = kmem_alloc(bytes, KM_SLEEP);
		memcpy(z->z_embedded, zap_embedded_ptr(data, size, 0), bytes);
	}
	return (0);
}

/* Copy the mirror into the block. Exclusive lock, or shared with z_count_lock held. */
static void
put_header(zap_hold_t *zh, dmu_tx_t *tx)
{
	const zap_t *z = zh->zh_zap;
	dmu_buf_will_dirty(zh->zh_db, tx);
	zap_phys_t *zp = zh->zh_db->db_data;

	*zp = (zap_phys_t){.zap_block_type = ZBT_HEADER,
	    .zap_magic = ZAP_MAGIC,
	    .zap_ptrtbl = z->z_tbl,
	    .zap_freeblk = z->z_freeblk,
	    .zap_num_leafs = z->z_num_leafs,
	    .zap_num_entries = z->z_num_entries,
	    .zap_salt = z->z_salt,
	    .zap_normflags = z->z_normflags,
	    .zap_flags = z->z_flags};
}

void
fzap_write_header(zap_hold_t *zh, dmu_tx_t *tx)
{
	mutex_enter(&zh->zh_zap->z_count_lock);
	put_header(zh, tx);
	mutex_exit(&zh->zh_zap->z_count_lock);
}

void
fzap_count(zap_hold_t *zh, int64_t delta, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	mutex_enter(&z->z_count_lock);
	z->z_num_entries += (uint64_t)delta;
	put_header(zh, tx);
	mutex_exit(&z->z_count_lock);
}

int
fzap_init(zap_hold_t *zh, int shift, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	zap_leaf_hold_t lh;

	ASSERT3U(zh->zh_db->db_size, ==, 1ULL << shift);
	z->z_shift = shift;
	z->z_tbl = (zap_table_phys_t){.zt_shift = (uint64_t)shift - 4};
	z->z_freeblk = 2;
	z->z_num_leafs = 1;
	z->z_num_entries = 0;
	z->z_embedded = kmem_alloc(8 * (size_t)embedded_count(z), KM_SLEEP);
	dmu_buf_will_dirty(zh->zh_db, tx);
	memset(zh->zh_db->db_data, 0, (size_t)1 << shift);
	for (uint32_t i = 0; i < embedded_count(z); i++) {
		z->z_embedded[i] = 1;
	}
	fzap_write_header(zh, tx);
	for (uint32_t i = 0; i < embedded_count(z); i++)
		put_embedded(zh, i, 1);
	const int err = zap_new_leaf(z, 1, &lh, tx);
	if (err == 0)
		zap_put_leaf(&lh);
	return (err);
}

/* ---- table entries --------------------------------------------------- */

static int
table_block_hold(zap_t *z, uint64_t first, uint64_t idx, dmu_buf_t **dbp)
{
	const uint64_t blk = first + (idx >> (z->z_shift - 3));
	int err = dmu_buf_hold(
	    z->z_objset, z->z_object, blk << z->z_shift, z, dbp, DMU_READ_NO_PREFETCH);
	if (err == 0 && (*dbp)->db_size != 1ULL << z->z_shift) {
		dmu_buf_rele(*dbp, z);
		err = EIO;
	}
	return (err);
}

/* The entry inside its block: these blocks are nothing but arrays of u64. */
static uint64_t *
table_slot(const zap_t *z, dmu_buf_t *db, uint64_t idx)
{
	return ((uint64_t *)db->db_data + (idx & ((1ULL << (z->z_shift - 3)) - 1)));
}

int
fzap_table_load(zap_t *z, uint64_t idx, uint64_t *blkp)
{
	uint64_t blk;
	if (z->z_tbl.zt_numblks == 0) {
		blk = z->z_embedded[idx];
	} else {
		dmu_buf_t *db;
		const int err = table_block_hold(z, z->z_tbl.zt_blk, idx, &db);
		if (err != 0)
			return (err);
		blk = *table_slot(z, db, idx);
		dmu_buf_rele(db, z);
	}
	if (blk == 0 || blk >= z->z_freeblk)
		return (EIO);
	*blkp = blk;
	return (0);
}

static int
store_external(
    zap_t *z, uint64_t first, uint64_t idx, int n, uint64_t blk, dmu_tx_t *tx)
{
	dmu_buf_t *db;
	const int err = table_block_hold(z, first, idx, &db);
	if (err != 0)
		return (err);
	dmu_buf_will_dirty(db, tx);
	for (int i = 0; i < n; i++)
		*table_slot(z, db, idx + (uint64_t)i) = blk;
	dmu_buf_rele(db, z);
	return (0);
}

int
fzap_table_store(zap_hold_t *zh, uint64_t idx, uint64_t blk, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;

	ASSERT(rw_write_held(&z->z_rwlock));
	if (z->z_tbl.zt_numblks == 0) {
		dmu_buf_will_dirty(zh->zh_db, tx);
		z->z_embedded[idx] = blk;
		put_embedded(zh, idx, blk);
		return (0);
	}
	/* a larger table that is being filled gets every change, too */
	int err = 0;
	if (z->z_tbl.zt_nextblk != 0)
		err = store_external(z, z->z_tbl.zt_nextblk, 2 * idx, 2, blk, tx);
	if (err == 0)
		err = store_external(z, z->z_tbl.zt_blk, idx, 1, blk, tx);
	return (err);
}

/* ---- growth ---------------------------------------------------------- */

/* The table leaves the header for a block of its own, twice as large. */
static int
grow_embedded(zap_hold_t *zh, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	const uint32_t n = embedded_count(z);
	dmu_buf_t *db;

	const int err = table_block_hold(z, z->z_freeblk, 0, &db);
	if (err != 0)
		return (err);
	dmu_buf_will_dirty(db, tx);
	for (uint32_t i = 0; i < n; i++) {
		*table_slot(z, db, 2 * i) = z->z_embedded[i];
		*table_slot(z, db, 2 * i + 1) = z->z_embedded[i];
	}
	dmu_buf_rele(db, z);
	kmem_free(z->z_embedded, 8 * (size_t)n);
	z->z_embedded = NULL;
	z->z_tbl.zt_blk = z->z_freeblk++;
	z->z_tbl.zt_numblks = 1;
	z->z_tbl.zt_shift++;
	fzap_write_header(zh, tx);
	return (0);
}

/* Each pointer of source block b twice into the blocks 2b and 2b+1 of the new table. */
static int
copy_block(zap_t *z, uint64_t b, dmu_tx_t *tx)
{
	const uint64_t per = 1ULL << (z->z_shift - 3);
	dmu_buf_t *src, *dst;
	int err = table_block_hold(z, z->z_tbl.zt_blk, b * per, &src);
	if (err != 0)
		return (err);
	for (uint64_t half = 0; half < 2 && err == 0; half++) {
		err = table_block_hold(
		    z, z->z_tbl.zt_nextblk, (2 * b + half) * per, &dst);
		if (err != 0)
			break;
		dmu_buf_will_dirty(dst, tx);
		for (uint64_t i = 0; i < per / 2; i++) {
			const uint64_t p = *table_slot(z, src, half * per / 2 + i);
			*table_slot(z, dst, 2 * i) = p;
			*table_slot(z, dst, 2 * i + 1) = p;
		}
		dmu_buf_rele(dst, z);
	}
	dmu_buf_rele(src, z);
	return (err);
}

int
fzap_table_grow(zap_hold_t *zh, bool *donep, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	zap_table_phys_t *t = &z->z_tbl;

	ASSERT(rw_write_held(&z->z_rwlock));
	/*
	 * Hashes spread evenly give some pointers per leaf. A table of thousands per
	 * leaf comes from keys chosen to collide; doubling it on and on would fill the
	 * pool.
	 */
	if (t->zt_shift >= (uint64_t)zap_hashbits(z) - 2 ||
	    1ULL << t->zt_shift > ZAP_MAX_POINTERS_PER_LEAF * z->z_num_leafs)
		return (ENOSPC);
	*donep = true;
	if (t->zt_numblks == 0)
		return (grow_embedded(zh, tx));

	if (t->zt_nextblk == 0) {
		t->zt_nextblk = z->z_freeblk;
		z->z_freeblk += 2 * t->zt_numblks;
		t->zt_blks_copied = 0;
	}
	int err = copy_block(z, t->zt_blks_copied, tx);
	if (err == 0 && ++t->zt_blks_copied == t->zt_numblks) {
		err = dmu_free_range(z->z_objset, z->z_object, t->zt_blk << z->z_shift,
		    t->zt_numblks << z->z_shift, tx);
		t->zt_blk = t->zt_nextblk;
		t->zt_numblks *= 2;
		t->zt_shift++;
		t->zt_nextblk = t->zt_blks_copied = 0;
	} else {
		*donep = false;
	}
	fzap_write_header(zh, tx);
	return (err);
}
