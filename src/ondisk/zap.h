/*
 * Blocks of ZAP objects. Source: format/02 §2. All accessors take a block in host order
 * and return NULL for what is not inside it.
 */
#ifndef TARN_ONDISK_ZAP_H
#define TARN_ONDISK_ZAP_H

#include "ondisk/field.h"

#define ZBT_LEAF (1ULL << 63)
#define ZBT_HEADER ((1ULL << 63) + 1)
#define ZBT_MICRO ((1ULL << 63) + 3)
#define ZAP_MAGIC 0x2f52ab2abULL
#define ZAP_LEAF_MAGIC 0x2ab1eafU

/* Normalisation bits (§2.6). */
#define ZAP_NORM_TOUPPER 0x02ULL

/* First word of a block. 0 if the block is shorter. */
uint64_t zap_block_type(const void *block, size_t size);

/* ---- microzap (§2.1) ---- */

#define MZAP_ENT_LEN 64
#define MZAP_NAME_LEN 50
#define MZAP_MAX_BLKSZ (128ULL << 10)

typedef struct mzap_phys {
	uint64_t mz_block_type;
	uint64_t mz_salt;
	uint64_t mz_normflags;
	uint64_t mz_pad[5];
} mzap_phys_t;
_Static_assert(sizeof(mzap_phys_t) == 64, "mzap_phys_t");
extern const ondisk_table_t od_mzap;

typedef struct mzap_ent_phys {
	uint64_t mze_value;
	uint32_t mze_cd;
	uint16_t mze_pad;
	char mze_name[MZAP_NAME_LEN]; /* first byte 0: free */
} mzap_ent_phys_t;
_Static_assert(sizeof(mzap_ent_phys_t) == MZAP_ENT_LEN, "mzap_ent_phys_t");
extern const ondisk_table_t od_mzap_ent;

/* The header, NULL if the block is no microzap. */
mzap_phys_t *mzap_header(void *block, size_t size);
/* Number of chunks of a block of this size. */
static inline size_t
mzap_nchunks(size_t size)
{
	return (size < 2 * MZAP_ENT_LEN ? 0 : size / MZAP_ENT_LEN - 1);
}
mzap_ent_phys_t *mzap_chunk(void *block, size_t size, size_t idx);
/* Is the name of a used chunk NUL-terminated? */
bool mzap_ent_valid(const mzap_ent_phys_t *mze);
/* Format an empty microzap. */
void mzap_init(void *block, size_t size, uint64_t salt, uint64_t normflags);

/* ---- fatzap header (§2.3) ---- */

typedef struct zap_table_phys {
	uint64_t zt_blk;
	uint64_t zt_numblks;
	uint64_t zt_shift;
	uint64_t zt_nextblk;
	uint64_t zt_blks_copied;
} zap_table_phys_t;

typedef struct zap_phys {
	uint64_t zap_block_type;
	uint64_t zap_magic;
	zap_table_phys_t zap_ptrtbl;
	uint64_t zap_freeblk;
	uint64_t zap_num_leafs;
	uint64_t zap_num_entries;
	uint64_t zap_salt;
	uint64_t zap_normflags;
	uint64_t zap_flags;
} zap_phys_t;
_Static_assert(sizeof(zap_phys_t) == 104, "zap_phys_t");
extern const ondisk_table_t od_zap_table_phys;
extern const ondisk_table_t od_zap;

/* NULL if the block is no fatzap header (type, magic, size a power of two >= 512). */
zap_phys_t *zap_header(void *block, size_t size);
/* log2 of the number of pointers embedded in a header block. */
int zap_embedded_ptrtbl_shift(size_t size);
/* Entry of the embedded pointer table. */
uint64_t *zap_embedded_ptr(void *block, size_t size, uint64_t idx);

/* ---- fatzap leaf (§2.5) ---- */

#define ZAP_LEAF_CHUNKSIZE 24
#define ZAP_LEAF_ARRAY_BYTES 21
#define ZAP_LEAF_EOL 0xffffU
#define ZAP_CHUNK_ENTRY 252
#define ZAP_CHUNK_ARRAY 251
#define ZAP_CHUNK_FREE 253
#define ZLF_ENTRIES_CDSORTED 0x1

typedef struct zap_leaf_phys {
	uint64_t l_block_type;
	uint64_t l_pad1;
	uint64_t l_prefix;
	uint32_t l_magic;
	uint16_t l_nfree;
	uint16_t l_nentries;
	uint16_t l_prefix_len;
	uint16_t l_freelist;
	uint8_t l_flags;
	uint8_t l_pad2[11];
} zap_leaf_phys_t;
_Static_assert(sizeof(zap_leaf_phys_t) == 48, "zap_leaf_phys_t");
extern const ondisk_table_t od_zap_leaf;

typedef struct zap_leaf_entry {
	uint8_t le_type; /* ZAP_CHUNK_ENTRY */
	uint8_t le_value_intlen;
	uint16_t le_next;
	uint16_t le_name_chunk;
	uint16_t le_name_numints;
	uint16_t le_value_chunk;
	uint16_t le_value_numints;
	uint32_t le_cd;
	uint64_t le_hash;
} zap_leaf_entry_t;
typedef struct zap_leaf_array {
	uint8_t la_type; /* ZAP_CHUNK_ARRAY */
	uint8_t la_array[ZAP_LEAF_ARRAY_BYTES];
	uint16_t la_next;
} zap_leaf_array_t;
typedef struct zap_leaf_free {
	uint8_t lf_type; /* ZAP_CHUNK_FREE */
	uint8_t lf_pad[ZAP_LEAF_ARRAY_BYTES];
	uint16_t lf_next;
} zap_leaf_free_t;
typedef union zap_leaf_chunk {
	uint8_t l_type;
	zap_leaf_entry_t l_entry;
	zap_leaf_array_t l_array;
	zap_leaf_free_t l_free;
} zap_leaf_chunk_t;
_Static_assert(sizeof(zap_leaf_chunk_t) == ZAP_LEAF_CHUNKSIZE, "zap_leaf_chunk_t");
extern const ondisk_table_t od_zap_leaf_entry, od_zap_leaf_array, od_zap_leaf_free;

/* NULL if the block is no leaf (type, magic, size a power of two in 512..1 MiB). */
zap_leaf_phys_t *zap_leaf_header(void *block, size_t size);
/* Number of hash buckets, log2 of it, number of chunks, of a block of this size. */
static inline uint32_t
zap_leaf_hash_numentries(size_t size)
{
	return ((uint32_t)(size / 32));
}
static inline int
zap_leaf_hash_shift(size_t size)
{
	return (highbit64(size) - 1 - 5);
}
static inline uint32_t
zap_leaf_numchunks(size_t size)
{
	return ((uint32_t)((size - size / 16) / ZAP_LEAF_CHUNKSIZE - 2));
}
uint16_t *zap_leaf_hash(void *block, size_t size, uint32_t bucket);
zap_leaf_chunk_t *zap_leaf_chunk(void *block, size_t size, uint32_t idx);
/* The chunk if it is an entry chunk / an array chunk. */
zap_leaf_entry_t *zap_leaf_entry(void *block, size_t size, uint32_t idx);
zap_leaf_array_t *zap_leaf_array(void *block, size_t size, uint32_t idx);
/* Format an empty leaf with prefix 0 of length 0 (§2.5 "New leaf"). */
void zap_leaf_format(void *block, size_t size, bool sorted);

/* Swap a block of a ZAP object, told by its first word. */
void zap_byteswap(void *block, size_t size);

#endif
