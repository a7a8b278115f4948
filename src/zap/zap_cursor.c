/*
 * Iteration in order of (hash, cd) (format/02 §2.8). A cursor is just that position;
 * between calls nothing is locked, so the ZAP may change freely: an entry that is there
 * all the time is seen exactly once.
 *
 * Two dbuf holds (block 0 and the current leaf) are kept from call to call, only to
 * keep the blocks and what hangs on them in memory.
 */
#include "zap/zap_impl.h"

static const char cursor_tag[] = "zap cursor";
#define CURSOR_END (~0ULL)

void
zap_cursor_init_serialized(
    zap_cursor_t *zc, objset_t *os, uint64_t zapobj, uint64_t serialized)
{
	memset(zc, 0, sizeof(*zc));
	zc->zc_objset = os;
	zc->zc_zapobj = zapobj;
	zc->zc_serialized = serialized;
	/* decoded when the ZAP is at hand: how depends on its number of hash bits */
	zc->zc_hash = 0;
	zc->zc_prefetch = true;
}

void
zap_cursor_init(zap_cursor_t *zc, objset_t *os, uint64_t zapobj)
{
	zap_cursor_init_serialized(zc, os, zapobj, 0);
}

static void
swap_hold(void **slot, dmu_buf_t *db)
{
	if (*slot == db)
		return;
	if (db != NULL)
		dmu_buf_add_ref(db, cursor_tag);
	if (*slot != NULL)
		dmu_buf_rele(*slot, cursor_tag);
	*slot = db;
}

void
zap_cursor_fini(zap_cursor_t *zc)
{
	swap_hold(&zc->zc_leaf, NULL);
	swap_hold(&zc->zc_zap, NULL);
	zc->zc_objset = NULL;
}

/* Position <-> number; the number is made when asked for, so remember the bits. */
static void
decode_position(zap_cursor_t *zc, const zap_t *z)
{
	const int bits = zap_hashbits(z);
	if (zc->zc_serialized == 0 || zc->zc_serialized == CURSOR_END)
		return;
	zc->zc_hash = zc->zc_serialized << (64 - bits);
	zc->zc_cd = (uint32_t)(zc->zc_serialized >> bits);
	if (zc->zc_cd >= zap_maxcd(z))
		zc->zc_cd = 0;
	zc->zc_serialized = 0;
}

static void
micro_attribute(zap_hold_t *zh, zap_cursor_t *zc, uint32_t i, zap_attribute_t *za)
{
	const zap_t *z = zh->zh_zap;
	const mzap_ent_t *e = &z->z_ent[i];
	const mzap_ent_phys_t *mze = mzap_slot(zh->zh_db, e->mze_chunk);

	zc->zc_hash = (uint64_t)e->mze_hash << 36;
	zc->zc_cd = e->mze_cd;
	za->za_integer_length = 8;
	za->za_num_integers = 1;
	za->za_first_integer = mze->mze_value;
	za->za_name_len = (uint32_t)strlen(mze->mze_name) + 1;
	memcpy(za->za_name, mze->mze_name, za->za_name_len);
	za->za_normalization_conflict = false;
	if (z->z_normflags != 0) {
		zap_name_t zn;
		if (zap_name_init(&zn, zh->zh_zap, za->za_name, MT_NORMALIZE) == 0) {
			za->za_normalization_conflict =
			    mzap_normalization_conflict(zh, &zn, i);
			zap_name_fini(&zn);
		}
	}
}

static void
fat_attribute(
    zap_hold_t *zh, const zleaf_t *zl, const zleaf_entry_t *e, zap_attribute_t *za)
{
	za->za_normalization_conflict = false;
	za->za_integer_length = e->zle_intlen;
	za->za_num_integers = e->zle_numints;
	za->za_first_integer = 0;
	if (e->zle_numints > 0 && (e->zle_intlen == 8 || e->zle_numints == 1))
		(void)zleaf_read_value(zl, e, 8, 1, &za->za_first_integer);
	if (zh->zh_zap->z_flags & ZAP_FLAG_UINT64_KEY) {
		za->za_name_len = MIN(e->zle_namelen, sizeof(za->za_name) / 8);
		zleaf_read_name(zl, e, 8, za->za_name, za->za_name_len);
	} else {
		za->za_name_len = MIN(e->zle_namelen, sizeof(za->za_name));
		zleaf_read_name(zl, e, 1, za->za_name, za->za_name_len);
		za->za_name[za->za_name_len - 1] = '\0';
	}
}

static int
fat_retrieve(zap_hold_t *zh, zap_cursor_t *zc, zap_attribute_t *za)
{
	zap_t *z = zh->zh_zap;

	for (;;) {
		zap_leaf_hold_t lh;
		zleaf_entry_t e;
		zleaf_header_t h;
		int err = zap_get_leaf(z, zc->zc_hash, RW_READER, &lh);
		if (err != 0)
			return (err);
		swap_hold(&zc->zc_leaf, lh.lh_db);
		err = zleaf_find_closest(&lh.lh_view, zc->zc_hash, zc->zc_cd, &e);
		zleaf_get_header(&lh.lh_view, &h);
		if (err == 0 && e.zle_hash < zc->zc_hash)
			err = EIO;
		if (err == 0) {
			zc->zc_hash = e.zle_hash;
			zc->zc_cd = e.zle_cd;
			fat_attribute(zh, &lh.lh_view, &e, za);
		}
		zap_put_leaf(&lh);
		if (err != ENOENT)
			return (err);
		/* on to the leaf of the next prefix; behind the last one is the end */
		const int plen = h.zlh_prefix_len;
		if (plen == 0 || (h.zlh_prefix + 1) >> plen != 0)
			return (ENOENT);
		zc->zc_hash = (h.zlh_prefix + 1) << (64 - plen);
		zc->zc_cd = 0;
	}
}

int
zap_cursor_retrieve(zap_cursor_t *zc, zap_attribute_t *za)
{
	zap_hold_t zh;

	if (zc->zc_serialized == CURSOR_END)
		return (ENOENT);
	int err = zap_lock(zc->zc_objset, zc->zc_zapobj, ZAP_READ, &zh);
	if (err != 0)
		return (err);
	swap_hold(&zc->zc_zap, zh.zh_db);
	decode_position(zc, zh.zh_zap);
	if (zh.zh_zap->z_micro) {
		const uint32_t i = mzap_search(zh.zh_zap, zc->zc_hash, zc->zc_cd);
		if (i >= zh.zh_zap->z_nents)
			err = ENOENT;
		else
			micro_attribute(&zh, zc, i, za);
	} else {
		err = fat_retrieve(&zh, zc, za);
	}
	zap_unlock(&zh);
	if (err == ENOENT)
		zc->zc_serialized = CURSOR_END;
	return (err);
}

void
zap_cursor_advance(zap_cursor_t *zc)
{
	if (zc->zc_serialized != CURSOR_END)
		zc->zc_cd++;
}

uint64_t
zap_cursor_serialize(zap_cursor_t *zc)
{
	zap_hold_t zh;

	if (zc->zc_serialized != 0)
		return (zc->zc_serialized);
	if (zc->zc_hash == 0 && zc->zc_cd == 0)
		return (0);
	if (zap_lock(zc->zc_objset, zc->zc_zapobj, ZAP_READ, &zh) != 0)
		return (CURSOR_END);
	const int bits = zap_hashbits(zh.zh_zap);
	zap_unlock(&zh);
	return (zc->zc_hash >> (64 - bits) | (uint64_t)zc->zc_cd << bits);
}
