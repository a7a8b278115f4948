/*
 * Check a whole ZAP against the invariants of format/02 §2.5 (tests, zdb, suspicion).
 * Exclusive lock for the whole walk.
 */
#include "zap/zap_impl.h"

static int
verify_micro(zap_hold_t *zh)
{
	const zap_t *z = zh->zh_zap;
	for (uint32_t i = 0; i < z->z_nents; i++) {
		const mzap_ent_t *e = &z->z_ent[i];
		const mzap_ent_phys_t *mze = mzap_slot(zh->zh_db, e->mze_chunk);
		if (!mzap_ent_valid(mze) || mze->mze_name[0] == '\0' ||
		    mze->mze_cd != e->mze_cd)
			return (EIO);
		/* no two entries of one hash with one cd */
		if (i > 0 && e[-1].mze_hash == e->mze_hash && e[-1].mze_cd == e->mze_cd)
			return (EIO);
	}
	return (0);
}

/* All entries of a leaf belong to its prefix. */
static int
verify_leaf_entries(const zleaf_t *zl, const zleaf_header_t *h)
{
	uint64_t hash =
	    h->zlh_prefix_len == 0 ? 0 : h->zlh_prefix << (64 - h->zlh_prefix_len);
	uint32_t cd = 0, n = 0;
	zleaf_entry_t e;

	while (n <= h->zlh_nentries && zleaf_find_closest(zl, hash, cd, &e) == 0) {
		if (h->zlh_prefix_len > 0 &&
		    e.zle_hash >> (64 - h->zlh_prefix_len) != h->zlh_prefix)
			return (EIO);
		hash = e.zle_hash;
		cd = e.zle_cd + 1;
		n++;
	}
	return (n == h->zlh_nentries ? 0 : EIO);
}

static int
verify_fat(zap_hold_t *zh)
{
	zap_t *z = zh->zh_zap;
	const uint64_t len = 1ULL << z->z_tbl.zt_shift;
	uint64_t leafs = 0, entries = 0;

	for (uint64_t i = 0; i < len;) {
		zap_leaf_hold_t lh;
		zleaf_header_t h;
		int err = zap_get_leaf(z,
		    z->z_tbl.zt_shift == 0 ? 0 : i << (64 - z->z_tbl.zt_shift),
		    RW_READER, &lh);
		if (err != 0)
			return (err);
		zleaf_get_header(&lh.lh_view, &h);
		const uint64_t n = len >> h.zlh_prefix_len, blkid = lh.lh_leaf->l_blkid;
		err = zleaf_check(&lh.lh_view, true);
		if (err == 0)
			err = verify_leaf_entries(&lh.lh_view, &h);
		if (((h.zlh_flags & ZLF_ENTRIES_CDSORTED) != 0) !=
		    (z->z_normflags != 0))
			err = EIO;
		zap_put_leaf(&lh);
		/* exactly the pointers with this prefix */
		if (i != h.zlh_prefix * n)
			err = EIO;
		for (uint64_t k = 0; k < n && err == 0; k++) {
			uint64_t b;
			err = fzap_table_load(z, i + k, &b);
			if (err == 0 && b != blkid)
				err = EIO;
		}
		if (err != 0)
			return (err);
		leafs++;
		entries += h.zlh_nentries;
		i += n;
	}
	return (leafs == z->z_num_leafs && entries == z->z_num_entries ? 0 : EIO);
}

int
zap_verify(objset_t *os, uint64_t zapobj)
{
	zap_hold_t zh;
	int err = zap_lock(os, zapobj, ZAP_EXCLUSIVE, &zh);
	if (err != 0)
		return (err);
	err = zh.zh_zap->z_micro ? verify_micro(&zh) : verify_fat(&zh);
	zap_unlock(&zh);
	return (err);
}
