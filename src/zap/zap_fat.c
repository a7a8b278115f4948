/*
 * Entries of a fat ZAP: find the leaf, work in it, split and merge leaves (format/02
 * §2.3–2.5).
 *
 * Lookups, adds and removes take the ZAP's lock shared and one leaf's lock, so threads
 * that work in different leaves do not meet. What changes the table (split, growth,
 * merge) starts anew under the exclusive lock; leaves need no lock then.
 */
#include "zap/zap_impl.h"

static const char zap_leaf_tag[] = "zap leaf";
#define ZAP_LEAF_LOW 20 /* free chunks; below: grow the table ahead of the split */

/* ---- leaves ---------------------------------------------------------- */

static void
leaf_evict(dmu_buf_user_t *dbu)
{
	zap_leaf_t *l = container_of(dbu, zap_leaf_t, l_dbu);
	rw_destroy(&l->l_rwlock);
	kmem_free(l, sizeof(*l));
}

/* The leaf object of a held dbuf, made and checked if this is the first use. */
static int
leaf_attach(zap_t *z, uint64_t blkid, dmu_buf_t *db, bool fresh, zap_leaf_t **lp)
{
	dmu_buf_user_t *u = dmu_buf_get_user(db);

	if (u == NULL) {
		zap_leaf_t *l = kmem_zalloc(sizeof(*l), KM_SLEEP);
		kmutex_t *m = zap_open_lock(z->z_object, blkid);
		rw_init(&l->l_rwlock);
		l->l_dbu.dbu_evict = leaf_evict;
		l->l_blkid = blkid;
		/*
		 * nobody may change the block before it is checked: see zap_open_lock
		 */
		mutex_enter(m);
		u = dmu_buf_get_user(db);
		int err = 0;
		if (u == NULL && !fresh) {
			const zleaf_t view = {db->db_data, z->z_shift};
			err = zleaf_check(&view, false);
		}
		if (err == 0 && u == NULL)
			u = dmu_buf_set_user(db, &l->l_dbu);
		mutex_exit(m);
		if (err != 0 || u != NULL)
			leaf_evict(&l->l_dbu);
		if (err != 0)
			return (err);
		if (u == NULL)
			u = &l->l_dbu;
	}
	*lp = container_of(u, zap_leaf_t, l_dbu);
	return (0);
}

static int
leaf_hold(zap_t *z, uint64_t blkid, bool fresh, zap_leaf_hold_t *lh)
{
	int err = dmu_buf_hold(z->z_objset, z->z_object, blkid << z->z_shift,
	    zap_leaf_tag, &lh->lh_db, DMU_READ_NO_PREFETCH);
	if (err != 0)
		return (err);
	if (lh->lh_db->db_size != 1ULL << z->z_shift)
		err = EIO;
	else
		err = leaf_attach(z, blkid, lh->lh_db, fresh, &lh->lh_leaf);
	if (err != 0)
		dmu_buf_rele(lh->lh_db, zap_leaf_tag);
	return (err);
}

void
zap_put_leaf(zap_leaf_hold_t *lh)
{
	rw_exit(&lh->lh_leaf->l_rwlock);
	dmu_buf_rele(lh->lh_db, zap_leaf_tag);
}

void
zap_leaf_dirty(zap_leaf_hold_t *lh, dmu_tx_t *tx)
{
	ASSERT(rw_write_held(&lh->lh_leaf->l_rwlock));
	dmu_buf_will_dirty(lh->lh_db, tx);
	lh->lh_view.zl_data = lh->lh_db->db_data;
}

int
zap_new_leaf(zap_t *z, uint64_t blkid, zap_leaf_hold_t *lh, dmu_tx_t *tx)
{
	const int err = leaf_hold(z, blkid, true, lh);
	if (err != 0)
		return (err);
	rw_enter(&lh->lh_leaf->l_rwlock, RW_WRITER);
	lh->lh_view.zl_shift = z->z_shift;
	zap_leaf_dirty(lh, tx);
	zleaf_init(&lh->lh_view, z->z_normflags != 0);
	return (0);
}

static uint64_t
table_index(const zap_t *z, uint64_t hash)
{
	return (z->z_tbl.zt_shift == 0 ? 0 : hash >> (64 - z->z_tbl.zt_shift));
}

int
zap_get_leaf(zap_t *z, uint64_t hash, krw_t how, zap_leaf_hold_t *lh)
{
	uint64_t blkid;
	zleaf_header_t h;
	int err = fzap_table_load(z, table_index(z, hash), &blkid);
	if (err == 0)
		err = leaf_hold(z, blkid, false, lh);
	if (err != 0)
		return (err);
	rw_enter(&lh->lh_leaf->l_rwlock, how);
	lh->lh_view = (zleaf_t){lh->lh_db->db_data, z->z_shift};
	/* a pointer to a foreign block: do not walk in circles over it */
	zleaf_get_header(&lh->lh_view, &h);
	if (!zleaf_is_leaf(&lh->lh_view) || h.zlh_prefix_len > z->z_tbl.zt_shift ||
	    (h.zlh_prefix_len > 0 && hash >> (64 - h.zlh_prefix_len) != h.zlh_prefix)) {
		zap_put_leaf(lh);
		return (EIO);
	}
	return (0);
}

/* ---- finding --------------------------------------------------------- */

/* The stored name as a string, cut and terminated whatever is stored. */
static void
stored_string(const zleaf_t *zl, const zleaf_entry_t *e, char buf[ZAP_MAXNAMELEN_NEW])
{
	const uint32_t n = MIN(e->zle_namelen, ZAP_MAXNAMELEN_NEW);
	zleaf_read_name(zl, e, 1, buf, n);
	buf[n - 1] = '\0';
}

static bool
match_name(void *arg, const zleaf_t *zl, const zleaf_entry_t *e)
{
	const zap_name_t *zn = arg;
	if (zn->zn_matchflags == 0)
		return (zleaf_key_equal(zl, e, &zn->zn_key));
	char buf[ZAP_MAXNAMELEN_NEW];
	stored_string(zl, e, buf);
	return (zap_name_match(zn, buf));
}

typedef struct other_match {
	const zap_name_t *om_zn;
	uint16_t om_chunk;
} other_match_t;

static bool
match_other(void *arg, const zleaf_t *zl, const zleaf_entry_t *e)
{
	other_match_t *om = arg;
	return (e->zle_chunk != om->om_chunk && match_name((void *)om->om_zn, zl, e));
}

static int
find(const zap_leaf_hold_t *lh, const zap_name_t *zn, zleaf_entry_t *e)
{
	return (zleaf_find(&lh->lh_view, zn->zn_hash, match_name, (void *)zn, e));
}

int
fzap_lookup(zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, void *buf, char *realname, size_t rn_len, bool *conflict)
{
	zap_leaf_hold_t lh;
	zleaf_entry_t e;
	int err = zap_get_leaf(zh->zh_zap, zn->zn_hash, RW_READER, &lh);
	if (err != 0)
		return (err);
	err = find(&lh, zn, &e);
	if (err == 0 && num_integers > 0)
		err =
		    zleaf_read_value(&lh.lh_view, &e, integer_size, num_integers, buf);
	if (err == 0 && realname != NULL) {
		char name[ZAP_MAXNAMELEN_NEW];
		stored_string(&lh.lh_view, &e, name);
		const size_t n = strlen(name);
		if (n >= rn_len) {
			err = ENAMETOOLONG;
		} else {
			memcpy(realname, name, n + 1);
		}
	}
	if (err == 0 && conflict != NULL) {
		other_match_t om = {zn, e.zle_chunk};
		zleaf_entry_t o;
		*conflict =
		    zn->zn_matchflags != 0 &&
		    zleaf_find(&lh.lh_view, zn->zn_hash, match_other, &om, &o) == 0;
	}
	zap_put_leaf(&lh);
	return (err);
}

int
fzap_length(zap_hold_t *zh, const zap_name_t *zn, uint64_t *isize, uint64_t *nints)
{
	zap_leaf_hold_t lh;
	zleaf_entry_t e;
	int err = zap_get_leaf(zh->zh_zap, zn->zn_hash, RW_READER, &lh);
	if (err != 0)
		return (err);
	err = find(&lh, zn, &e);
	if (err == 0 && isize != NULL)
		*isize = e.zle_intlen;
	if (err == 0 && nints != NULL)
		*nints = e.zle_numints;
	zap_put_leaf(&lh);
	return (err);
}

/* ---- splitting ------------------------------------------------------- */

/* Do the n pointers from idx on all lead to blkid? */
static bool
range_is(zap_t *z, uint64_t idx, uint64_t n, uint64_t blkid)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t b;
		if (fzap_table_load(z, idx + i, &b) != 0 || b != blkid)
			return (false);
	}
	return (true);
}

/* Split the leaf of `hash` once (growing the table before if need be). */
static int
split_leaf(zap_hold_t *zh, uint64_t hash, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	zap_leaf_hold_t lh, nlh;
	zleaf_header_t h;
	int err = zap_get_leaf(z, hash, RW_WRITER, &lh);
	if (err != 0)
		return (err);
	zleaf_get_header(&lh.lh_view, &h);

	while (h.zlh_prefix_len == z->z_tbl.zt_shift) {
		bool done;
		err = fzap_table_grow(zh, &done, tx);
		if (err != 0)
			goto out;
	}
	const uint64_t n = 1ULL << (z->z_tbl.zt_shift - h.zlh_prefix_len - 1);
	const uint64_t first = (2 * h.zlh_prefix + 1) * n;
	if (!range_is(z, first, n, lh.lh_leaf->l_blkid)) {
		err = EIO;
		goto out;
	}
	const uint64_t blkid = z->z_freeblk;
	err = zap_new_leaf(z, blkid, &nlh, tx);
	if (err != 0)
		goto out;
	z->z_freeblk++;
	z->z_num_leafs++;
	zap_leaf_dirty(&lh, tx);
	zleaf_split(&lh.lh_view, &nlh.lh_view);
	zap_put_leaf(&nlh);
	for (uint64_t i = 0; i < n && err == 0; i++)
		err = fzap_table_store(zh, first + i, blkid, tx);
	fzap_write_header(zh, tx);
out:
	zap_put_leaf(&lh);
	return (err);
}

/* The leaf just written is nearly full and cannot split without a larger table. */
static bool
wants_growth(const zap_t *z, const zap_leaf_hold_t *lh)
{
	zleaf_header_t h;
	zleaf_get_header(&lh->lh_view, &h);
	return (h.zlh_prefix_len == z->z_tbl.zt_shift && h.zlh_nfree < ZAP_LEAF_LOW);
}

static int
add_to_leaf(zap_leaf_hold_t *lh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, const void *val, uint32_t cd, bool update, bool *added,
    dmu_tx_t *tx)
{
	zleaf_entry_t e;

	*added = false;
	int err = find(lh, zn, &e);
	if (err == 0) {
		if (!update)
			return (EEXIST);
		zap_leaf_dirty(lh, tx);
		return (
		    zleaf_update(&lh->lh_view, &e, integer_size, num_integers, val));
	}
	zap_leaf_dirty(lh, tx);
	err = zleaf_insert(&lh->lh_view, &zn->zn_key, zn->zn_hash, cd,
	    zap_maxcd(zn->zn_zap), integer_size, num_integers, val);
	*added = err == 0;
	return (err);
}

int
fzap_add(zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, const void *val, uint32_t cd, bool update, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	zap_leaf_hold_t lh;

	for (;;) {
		bool added;
		int err = zap_get_leaf(z, zn->zn_hash, RW_WRITER, &lh);
		if (err != 0)
			return (err);
		err = add_to_leaf(
		    &lh, zn, integer_size, num_integers, val, cd, update, &added, tx);
		const bool grow = err == 0 && wants_growth(z, &lh);
		zap_put_leaf(&lh);
		if (added)
			fzap_count(zh, 1, tx);
		if (err == 0 && grow) {
			/* only a head start: when it fails, the split will tell */
			bool done;
			const uint64_t shift = z->z_tbl.zt_shift;
			zap_relock_exclusive(zh);
			if (z->z_tbl.zt_shift == shift)
				(void)fzap_table_grow(zh, &done, tx);
		}
		if (err != EAGAIN)
			return (err);
		zap_relock_exclusive(zh);
		err = split_leaf(zh, zn->zn_hash, tx);
		if (err != 0)
			return (err);
	}
}

/* ---- removing, merging ----------------------------------------------- */

int
fzap_remove(zap_hold_t *zh, const zap_name_t *zn, dmu_tx_t *tx)
{
	zap_leaf_hold_t lh;
	zleaf_header_t h;
	zleaf_entry_t e;
	int err = zap_get_leaf(zh->zh_zap, zn->zn_hash, RW_WRITER, &lh);
	if (err != 0)
		return (err);
	err = find(&lh, zn, &e);
	if (err == 0) {
		zap_leaf_dirty(&lh, tx);
		zleaf_remove(&lh.lh_view, &e);
	}
	zleaf_get_header(&lh.lh_view, &h);
	zap_put_leaf(&lh);
	if (err != 0)
		return (err);
	fzap_count(zh, -1, tx);
	if (h.zlh_nentries == 0 && h.zlh_prefix_len > 0) {
		zap_relock_exclusive(zh);
		/*
		 * an empty leaf is allowed; failing to merge it is no failure to remove
		 */
		(void)fzap_shrink(zh, zn->zn_hash, tx);
	}
	return (0);
}

/* 1 + the highest block that leaf pointers or the table use. */
static int
highest_block(zap_t *z, uint64_t *highp)
{
	uint64_t high = z->z_tbl.zt_blk + z->z_tbl.zt_numblks, blk;
	for (uint64_t i = 0; i < 1ULL << z->z_tbl.zt_shift; i++) {
		const int err = fzap_table_load(z, i, &blk);
		if (err != 0)
			return (err);
		high = MAX(high, blk + 1);
	}
	*highp = high;
	return (0);
}

/* Give back the block of a leaf that no pointer leads to any more. */
static int
free_leaf(zap_hold_t *zh, uint64_t blkid, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	int err = dmu_free_range(
	    z->z_objset, z->z_object, blkid << z->z_shift, 1ULL << z->z_shift, tx);
	z->z_num_leafs--;
	/* looking through a large table for each would cost more than the numbers are
	 * worth */
	if (err == 0 && blkid + 1 == z->z_freeblk) {
		z->z_freeblk--;
		if (z->z_tbl.zt_shift <= 16)
			err = highest_block(z, &z->z_freeblk);
	}
	fzap_write_header(zh, tx);
	return (err);
}

/* Detach the leaf object from its dbuf, as the block will become a hole. */
static void
put_leaf_forget(zap_leaf_hold_t *lh)
{
	rw_exit(&lh->lh_leaf->l_rwlock);
	if (dmu_buf_remove_user(lh->lh_db, &lh->lh_leaf->l_dbu) != NULL)
		leaf_evict(&lh->lh_leaf->l_dbu);
	dmu_buf_rele(lh->lh_db, zap_leaf_tag);
}

/* One merge; ESRCH: nothing to merge here. */
static int
merge_siblings(zap_hold_t *zh, uint64_t hash, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	zap_leaf_hold_t lh, slh;
	zleaf_header_t h, sh;
	int err = zap_get_leaf(z, hash, RW_WRITER, &lh);
	if (err != 0)
		return (err);
	zleaf_get_header(&lh.lh_view, &h);
	if (h.zlh_nentries != 0 || h.zlh_prefix_len == 0) {
		zap_put_leaf(&lh);
		return (ESRCH);
	}
	const int plen = h.zlh_prefix_len;
	const uint64_t n = 1ULL << (z->z_tbl.zt_shift - (uint64_t)plen);
	const uint64_t odd = (h.zlh_prefix | 1) * n, sibling = h.zlh_prefix ^ 1;
	uint64_t sblk;
	err = fzap_table_load(z, sibling * n, &sblk);
	if (err == 0 && sblk == lh.lh_leaf->l_blkid)
		err = EIO;
	if (err == 0)
		err = zap_get_leaf(z, sibling << (64 - plen), RW_WRITER, &slh);
	if (err != 0) {
		zap_put_leaf(&lh);
		return (err);
	}
	zleaf_get_header(&slh.lh_view, &sh);
	zap_leaf_hold_t *even = (h.zlh_prefix & 1) ? &slh : &lh;
	zap_leaf_hold_t *gone = (h.zlh_prefix & 1) ? &lh : &slh;
	const uint64_t evenblk = even->lh_leaf->l_blkid,
		       goneblk = gone->lh_leaf->l_blkid;
	if (sh.zlh_nentries != 0 || sh.zlh_prefix_len != plen ||
	    !range_is(z, odd, n, goneblk) || !range_is(z, odd - n, n, evenblk)) {
		zap_put_leaf(&slh);
		zap_put_leaf(&lh);
		return (ESRCH);
	}
	for (uint64_t i = 0; i < n && err == 0; i++)
		err = fzap_table_store(zh, odd + i, evenblk, tx);
	zap_leaf_dirty(even, tx);
	zleaf_set_prefix(&even->lh_view, h.zlh_prefix >> 1, (uint16_t)(plen - 1));
	zap_put_leaf(even);
	put_leaf_forget(gone);
	const int err2 = free_leaf(zh, goneblk, tx);
	return (err != 0 ? err : err2);
}

int
fzap_shrink(zap_hold_t *zh, uint64_t hash, dmu_tx_t *tx)
{
	int err = 0;
	/* a table that is being copied stays as it is until that is done */
	while (err == 0 && !fzap_table_growing(zh->zh_zap))
		err = merge_siblings(zh, hash, tx);
	return (err == ESRCH ? 0 : err);
}
