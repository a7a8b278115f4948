/*
 * The microzap: one block of 64-byte slots, each a name of at most 49 bytes and one
 * integer (format/02 §2.1).
 *
 * Searching a block of up to 2047 slots for each lookup would be slow, so an open
 * microzap has an index in memory: (hash, cd, slot), 8 bytes each, sorted. Binary
 * search finds; inserting moves at most 16 KiB of memory, which costs less than the
 * pointers of a tree.
 */
#include <stdlib.h>
#include "zap/zap_impl.h"

#define MZAP_LARGEST (1u << 20) /* large_microzap */

static uint32_t
hash28(uint64_t hash)
{
	return ((uint32_t)(hash >> 36));
}

static int
ent_compare(const void *va, const void *vb)
{
	const mzap_ent_t *a = va, *b = vb;
	if (a->mze_hash != b->mze_hash)
		return (a->mze_hash < b->mze_hash ? -1 : 1);
	if (a->mze_cd != b->mze_cd)
		return (a->mze_cd < b->mze_cd ? -1 : 1);
	return (0);
}

mzap_ent_phys_t *
mzap_slot(dmu_buf_t *db, uint32_t slot)
{
	return (mzap_chunk(db->db_data, db->db_size, slot));
}

int
mzap_open(zap_t *z, void *data, uint64_t size)
{
	const mzap_phys_t *mz = mzap_header(data, size);
	if (mz == NULL || size < 2 * MZAP_ENT_LEN || size > MZAP_LARGEST)
		return (EIO);
	z->z_salt = mz->mz_salt;
	z->z_normflags = mz->mz_normflags;
	z->z_nchunks = (uint32_t)mzap_nchunks(size);

	uint32_t used = 0;
	for (uint32_t i = 0; i < z->z_nchunks; i++) {
		const mzap_ent_phys_t *p = mzap_chunk(data, size, i);
		if (p->mze_name[0] == '\0')
			continue;
		if (!mzap_ent_valid(p) || p->mze_cd > MZAP_MAX_CD)
			return (EIO);
		used++;
	}
	z->z_ents_alloc = MAX(used + used / 4, 8);
	z->z_ent = kmem_alloc(z->z_ents_alloc * sizeof(mzap_ent_t), KM_SLEEP);
	for (uint32_t i = 0; i < z->z_nchunks; i++) {
		const mzap_ent_phys_t *p = mzap_chunk(data, size, i);
		uint64_t hash = 0;
		if (p->mze_name[0] == '\0')
			continue;
		/* a name that is no text cannot be looked up, only listed: hash 0 will
		 * do */
		(void)zap_hash_string(z, p->mze_name, &hash);
		z->z_ent[z->z_nents++] =
		    (mzap_ent_t){hash28(hash), (uint16_t)p->mze_cd, (uint16_t)i};
	}
	qsort(z->z_ent, z->z_nents, sizeof(mzap_ent_t), ent_compare);
	return (0);
}

void
mzap_close(zap_t *z)
{
	kmem_free(z->z_ent, z->z_ents_alloc * sizeof(mzap_ent_t));
	z->z_ent = NULL;
	z->z_nents = z->z_ents_alloc = 0;
}

uint32_t
mzap_search(const zap_t *z, uint64_t hash, uint32_t cd)
{
	uint32_t lo = 0, hi = z->z_nents;
	while (lo < hi) {
		const uint32_t mid = (lo + hi) / 2;
		const mzap_ent_t *e = &z->z_ent[mid];
		if (e->mze_hash < hash28(hash) ||
		    (e->mze_hash == hash28(hash) && e->mze_cd < cd))
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

static bool
same_hash(const zap_t *z, uint32_t idx, uint64_t hash)
{
	return (idx < z->z_nents && z->z_ent[idx].mze_hash == hash28(hash));
}

static const char *
ent_name(zap_hold_t *zh, uint32_t idx)
{
	return (mzap_slot(zh->zh_db, zh->zh_zap->z_ent[idx].mze_chunk)->mze_name);
}

uint32_t
mzap_find(zap_hold_t *zh, const zap_name_t *zn)
{
	const zap_t *z = zh->zh_zap;
	for (uint32_t i = mzap_search(z, zn->zn_hash, 0); same_hash(z, i, zn->zn_hash);
	     i++)
		if (zap_name_match(zn, ent_name(zh, i)))
			return (i);
	return (UINT32_MAX);
}

bool
mzap_normalization_conflict(zap_hold_t *zh, const zap_name_t *zn, uint32_t idx)
{
	const zap_t *z = zh->zh_zap;
	if (zn->zn_matchflags == 0)
		return (false);
	for (uint32_t i = mzap_search(z, zn->zn_hash, 0); same_hash(z, i, zn->zn_hash);
	     i++)
		if (i != idx && zap_name_match(zn, ent_name(zh, i)))
			return (true);
	return (false);
}

bool
mzap_must_upgrade(
    zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size, uint64_t num_integers)
{
	const zap_t *z = zh->zh_zap;
	if (integer_size != 8 || num_integers != 1 || zn->zn_key.zk_len > MZAP_NAME_LEN)
		return (true);
	if (z->z_nents == z->z_nchunks &&
	    zh->zh_db->db_size + 512 > MAX(MZAP_MAX_BLKSZ, zh->zh_db->db_size))
		return (true);
	/* As many equal hashes must still fit into one leaf, 4 chunks each. */
	uint32_t k = 0;
	for (uint32_t i = mzap_search(z, zn->zn_hash, 0); same_hash(z, i, zn->zn_hash);
	     i++)
		k++;
	return (4 * (k + 1) >= zleaf_nchunks(FZAP_DEFAULT_SHIFT));
}

static void
index_insert(zap_t *z, uint32_t at, mzap_ent_t e)
{
	if (z->z_nents == z->z_ents_alloc) {
		const uint32_t n = z->z_ents_alloc * 2;
		mzap_ent_t *a = kmem_alloc(n * sizeof(mzap_ent_t), KM_SLEEP);
		memcpy(a, z->z_ent, z->z_nents * sizeof(mzap_ent_t));
		kmem_free(z->z_ent, z->z_ents_alloc * sizeof(mzap_ent_t));
		z->z_ent = a;
		z->z_ents_alloc = n;
	}
	memmove(
	    &z->z_ent[at + 1], &z->z_ent[at], (z->z_nents - at) * sizeof(mzap_ent_t));
	z->z_ent[at] = e;
	z->z_nents++;
}

static int
grow_block(zap_hold_t *zh, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	const uint64_t size = zh->zh_db->db_size;
	const int err =
	    dmu_object_set_blocksize(z->z_objset, z->z_object, size + 512, 0, tx);
	if (err != 0)
		return (err);
	ASSERT3U(zh->zh_db->db_size, ==, size + 512);
	dmu_buf_will_dirty(zh->zh_db, tx);
	memset((uint8_t *)zh->zh_db->db_data + size, 0, 512);
	z->z_rotor = z->z_nchunks;
	z->z_nchunks += 512 / MZAP_ENT_LEN;
	return (0);
}

/* The caller has made sure that it fits (mzap_must_upgrade) and is new. */
int
mzap_add(zap_hold_t *zh, const zap_name_t *zn, uint64_t value, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;

	if (z->z_nents == z->z_nchunks) {
		const int err = grow_block(zh, tx);
		if (err != 0)
			return (err);
	}
	/* lowest unused cd: the entries of this hash are in order of theirs */
	uint32_t at = mzap_search(z, zn->zn_hash, 0), cd = 0;
	for (; same_hash(z, at, zn->zn_hash) && z->z_ent[at].mze_cd <= cd; at++)
		cd = z->z_ent[at].mze_cd + 1u;
	if (cd > MZAP_MAX_CD)
		return (ENOSPC);

	dmu_buf_will_dirty(zh->zh_db, tx);
	uint32_t c = z->z_rotor;
	for (uint32_t n = 0;; n++, c++) {
		VERIFY3U(n, <, z->z_nchunks);
		if (c >= z->z_nchunks)
			c = 0;
		if (mzap_slot(zh->zh_db, c)->mze_name[0] == '\0')
			break;
	}
	z->z_rotor = c + 1;
	mzap_ent_phys_t *p = mzap_slot(zh->zh_db, c);
	memset(p, 0, sizeof(*p));
	p->mze_value = value;
	p->mze_cd = cd;
	memcpy(p->mze_name, zn->zn_key.zk_data, zn->zn_key.zk_len);
	index_insert(
	    z, at, (mzap_ent_t){hash28(zn->zn_hash), (uint16_t)cd, (uint16_t)c});
	return (0);
}

void
mzap_remove(zap_hold_t *zh, uint32_t idx, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;

	dmu_buf_will_dirty(zh->zh_db, tx);
	memset(mzap_slot(zh->zh_db, z->z_ent[idx].mze_chunk), 0, MZAP_ENT_LEN);
	z->z_nents--;
	memmove(&z->z_ent[idx], &z->z_ent[idx + 1],
	    (z->z_nents - idx) * sizeof(mzap_ent_t));
}
