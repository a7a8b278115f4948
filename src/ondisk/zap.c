/*
 * Blocks of ZAP objects (format/02 §2).
 */
#include "ondisk/zap.h"

#include "ondisk/table_impl.h"
#include "spl/debug.h"

static const ondisk_field_t mzap_fields[] = {
    OD_FIELD(mzap_phys_t, mz_block_type, 0, OD_HEX),
    OD_FIELD(mzap_phys_t, mz_salt, 8, OD_HEX),
    OD_FIELD(mzap_phys_t, mz_normflags, 16, OD_HEX),
    OD_ARRAY(mzap_phys_t, mz_pad, 24, 5, OD_PAD),
};
OD_TABLE(od_mzap, mzap_phys_t, mzap_fields, NULL);

static const ondisk_field_t mzap_ent_fields[] = {
    OD_FIELD(mzap_ent_phys_t, mze_value, 0, OD_DEC),
    OD_FIELD(mzap_ent_phys_t, mze_cd, 8, OD_DEC),
    OD_FIELD(mzap_ent_phys_t, mze_pad, 12, OD_PAD),
    OD_RAW(mzap_ent_phys_t, mze_name, 14, OD_STRING),
};
OD_TABLE(od_mzap_ent, mzap_ent_phys_t, mzap_ent_fields, NULL);

static const ondisk_field_t zap_table_phys_fields[] = {
    OD_FIELD(zap_table_phys_t, zt_blk, 0, OD_DEC),
    OD_FIELD(zap_table_phys_t, zt_numblks, 8, OD_DEC),
    OD_FIELD(zap_table_phys_t, zt_shift, 16, OD_DEC),
    OD_FIELD(zap_table_phys_t, zt_nextblk, 24, OD_DEC),
    OD_FIELD(zap_table_phys_t, zt_blks_copied, 32, OD_DEC),
};
OD_TABLE(od_zap_table_phys, zap_table_phys_t, zap_table_phys_fields, NULL);

static const ondisk_field_t zap_fields[] = {
    OD_FIELD(zap_phys_t, zap_block_type, 0, OD_HEX),
    OD_FIELD(zap_phys_t, zap_magic, 8, OD_HEX),
    OD_SUB(zap_phys_t, zap_ptrtbl, 16, &od_zap_table_phys),
    OD_FIELD(zap_phys_t, zap_freeblk, 56, OD_DEC),
    OD_FIELD(zap_phys_t, zap_num_leafs, 64, OD_DEC),
    OD_FIELD(zap_phys_t, zap_num_entries, 72, OD_DEC),
    OD_FIELD(zap_phys_t, zap_salt, 80, OD_HEX),
    OD_FIELD(zap_phys_t, zap_normflags, 88, OD_HEX),
    OD_FIELD(zap_phys_t, zap_flags, 96, OD_HEX),
};
OD_TABLE(od_zap, zap_phys_t, zap_fields, NULL);

static const ondisk_field_t zap_leaf_fields[] = {
    OD_FIELD(zap_leaf_phys_t, l_block_type, 0, OD_HEX),
    OD_FIELD(zap_leaf_phys_t, l_pad1, 8, OD_PAD),
    OD_FIELD(zap_leaf_phys_t, l_prefix, 16, OD_HEX),
    OD_FIELD(zap_leaf_phys_t, l_magic, 24, OD_HEX),
    OD_FIELD(zap_leaf_phys_t, l_nfree, 28, OD_DEC),
    OD_FIELD(zap_leaf_phys_t, l_nentries, 30, OD_DEC),
    OD_FIELD(zap_leaf_phys_t, l_prefix_len, 32, OD_DEC),
    OD_FIELD(zap_leaf_phys_t, l_freelist, 34, OD_DEC),
    OD_FIELD(zap_leaf_phys_t, l_flags, 36, OD_HEX),
    OD_RAW(zap_leaf_phys_t, l_pad2, 37, OD_PAD),
};
OD_TABLE(od_zap_leaf, zap_leaf_phys_t, zap_leaf_fields, NULL);

static const ondisk_field_t zap_leaf_entry_fields[] = {
    OD_FIELD(zap_leaf_entry_t, le_type, 0, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_value_intlen, 1, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_next, 2, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_name_chunk, 4, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_name_numints, 6, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_value_chunk, 8, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_value_numints, 10, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_cd, 12, OD_DEC),
    OD_FIELD(zap_leaf_entry_t, le_hash, 16, OD_HEX),
};
OD_TABLE(od_zap_leaf_entry, zap_leaf_entry_t, zap_leaf_entry_fields, NULL);

static const ondisk_field_t zap_leaf_array_fields[] = {
    OD_FIELD(zap_leaf_array_t, la_type, 0, OD_DEC),
    OD_RAW(zap_leaf_array_t, la_array, 1, OD_BYTES),
    OD_FIELD(zap_leaf_array_t, la_next, 22, OD_DEC),
};
OD_TABLE(od_zap_leaf_array, zap_leaf_array_t, zap_leaf_array_fields, NULL);

static const ondisk_field_t zap_leaf_free_fields[] = {
    OD_FIELD(zap_leaf_free_t, lf_type, 0, OD_DEC),
    OD_RAW(zap_leaf_free_t, lf_pad, 1, OD_PAD),
    OD_FIELD(zap_leaf_free_t, lf_next, 22, OD_DEC),
};
OD_TABLE(od_zap_leaf_free, zap_leaf_free_t, zap_leaf_free_fields, NULL);

#define ZAP_MAX_BLOCK (1ULL << 20)

static bool
fat_size_ok(size_t size)
{
	return (size >= 512 && size <= ZAP_MAX_BLOCK && ISP2(size));
}

uint64_t
zap_block_type(const void *block, size_t size)
{
	return (size < 8 ? 0 : ondisk_get64(block, false));
}

/* ---- microzap ---- */

mzap_phys_t *
mzap_header(void *block, size_t size)
{
	if (size < MZAP_ENT_LEN || zap_block_type(block, size) != ZBT_MICRO)
		return (NULL);
	return (block);
}

mzap_ent_phys_t *
mzap_chunk(void *block, size_t size, size_t idx)
{
	if (idx >= mzap_nchunks(size))
		return (NULL);
	return ((mzap_ent_phys_t *)block + 1 + idx);
}

bool
mzap_ent_valid(const mzap_ent_phys_t *mze)
{
	return (memchr(mze->mze_name, '\0', sizeof(mze->mze_name)) != NULL);
}

void
mzap_init(void *block, size_t size, uint64_t salt, uint64_t normflags)
{
	mzap_phys_t *mz = block;

	VERIFY(size >= sizeof(*mz));
	memset(block, 0, size);
	mz->mz_block_type = ZBT_MICRO;
	mz->mz_salt = salt;
	mz->mz_normflags = normflags;
}

/* ---- fatzap header ---- */

zap_phys_t *
zap_header(void *block, size_t size)
{
	zap_phys_t *zap = block;

	if (!fat_size_ok(size) || zap->zap_block_type != ZBT_HEADER ||
	    zap->zap_magic != ZAP_MAGIC)
		return (NULL);
	return (zap);
}

int
zap_embedded_ptrtbl_shift(size_t size)
{
	return (highbit64(size) - 1 - 4);
}

uint64_t *
zap_embedded_ptr(void *block, size_t size, uint64_t idx)
{
	const size_t n = size / 16;

	if (!fat_size_ok(size) || idx >= n)
		return (NULL);
	return ((uint64_t *)block + n + idx);
}

/* ---- fatzap leaf ---- */

zap_leaf_phys_t *
zap_leaf_header(void *block, size_t size)
{
	zap_leaf_phys_t *l = block;

	if (!fat_size_ok(size) || l->l_block_type != ZBT_LEAF ||
	    l->l_magic != ZAP_LEAF_MAGIC)
		return (NULL);
	return (l);
}

uint16_t *
zap_leaf_hash(void *block, size_t size, uint32_t bucket)
{
	if (!fat_size_ok(size) || bucket >= zap_leaf_hash_numentries(size))
		return (NULL);
	return ((uint16_t *)((zap_leaf_phys_t *)block + 1) + bucket);
}

zap_leaf_chunk_t *
zap_leaf_chunk(void *block, size_t size, uint32_t idx)
{
	const size_t first = sizeof(zap_leaf_phys_t) + size / 16;

	if (!fat_size_ok(size) || idx >= zap_leaf_numchunks(size))
		return (NULL);
	return ((zap_leaf_chunk_t *)(void *)((uint8_t *)block + first) + idx);
}

zap_leaf_entry_t *
zap_leaf_entry(void *block, size_t size, uint32_t idx)
{
	zap_leaf_chunk_t *c = zap_leaf_chunk(block, size, idx);

	return (c != NULL && c->l_type == ZAP_CHUNK_ENTRY ? &c->l_entry : NULL);
}

zap_leaf_array_t *
zap_leaf_array(void *block, size_t size, uint32_t idx)
{
	zap_leaf_chunk_t *c = zap_leaf_chunk(block, size, idx);

	return (c != NULL && c->l_type == ZAP_CHUNK_ARRAY ? &c->l_array : NULL);
}

void
zap_leaf_format(void *block, size_t size, bool sorted)
{
	zap_leaf_phys_t *l = block;
	uint32_t n;

	VERIFY(fat_size_ok(size));
	n = zap_leaf_numchunks(size);
	memset(block, 0, size);
	l->l_block_type = ZBT_LEAF;
	l->l_magic = ZAP_LEAF_MAGIC;
	l->l_nfree = (uint16_t)n;
	l->l_flags = (sorted ? ZLF_ENTRIES_CDSORTED : 0);
	memset(zap_leaf_hash(block, size, 0), 0xff, size / 16);
	for (uint32_t i = 0; i < n; i++) {
		zap_leaf_free_t *lf = &zap_leaf_chunk(block, size, i)->l_free;
		lf->lf_type = ZAP_CHUNK_FREE;
		lf->lf_next = (uint16_t)(i + 1 < n ? i + 1 : ZAP_LEAF_EOL);
	}
}

/* ---- byte order ---- */

static void
mzap_byteswap(void *block, size_t size)
{
	ondisk_byteswap(&od_mzap, block);
	for (size_t i = 0; i < mzap_nchunks(size); i++)
		ondisk_byteswap(&od_mzap_ent, mzap_chunk(block, size, i));
}

static void
zap_leaf_byteswap(void *block, size_t size)
{
	ondisk_byteswap(&od_zap_leaf, block);
	ondisk_byteswap_u16(zap_leaf_hash(block, size, 0), size / 16);
	for (uint32_t i = 0; i < zap_leaf_numchunks(size); i++) {
		zap_leaf_chunk_t *c = zap_leaf_chunk(block, size, i);
		switch (c->l_type) {
		case ZAP_CHUNK_ENTRY:
			ondisk_byteswap(&od_zap_leaf_entry, c);
			break;
		case ZAP_CHUNK_ARRAY:
			ondisk_byteswap(&od_zap_leaf_array, c);
			break;
		case ZAP_CHUNK_FREE:
			ondisk_byteswap(&od_zap_leaf_free, c);
			break;
		default:
			break; /* damaged: whoever uses it will notice */
		}
	}
}

void
zap_byteswap(void *block, size_t size)
{
	const uint64_t type = (size < 8 ? 0 : ondisk_get64(block, true));

	if (type == ZBT_MICRO && size >= MZAP_ENT_LEN)
		mzap_byteswap(block, size);
	else if (type == ZBT_LEAF && fat_size_ok(size))
		zap_leaf_byteswap(block, size);
	else
		ondisk_byteswap_u64(block, size); /* header or pointer table */
}
