/*
 * What the files of the zap room share: the open ZAP, names, the leaf block. The essay
 * is in zap.c.
 */
#ifndef TARN_ZAP_IMPL_H
#define TARN_ZAP_IMPL_H

#include "zap/zap.h"
#include "zap/zap_leaf.h"

#define MZAP_MAX_CD 65535u

#define FZAP_DEFAULT_SHIFT 14
#define FZAP_MIN_SHIFT 9
#define FZAP_MAX_SHIFT 20

#define ZAP_UINT64_KEYLEN 256 /* bytes */

/* Index entry of a microzap: the top 28 bits of the hash, cd, chunk. Sorted by (hash,
 * cd). */
typedef struct mzap_ent {
	uint32_t mze_hash;
	uint16_t mze_cd;
	uint16_t mze_chunk;
} mzap_ent_t;

/*
 * An open ZAP, hung on the dbuf of block 0. z_rwlock protects all but the count;
 * z_count_lock the count and the header block's data.
 */
typedef struct zap {
	dmu_buf_user_t z_dbu;
	objset_t *z_objset;
	uint64_t z_object;
	dmu_object_type_t z_type;
	krwlock_t z_rwlock;
	uint8_t z_micro; /* atomic: a hint without the lock */
	uint64_t z_salt, z_normflags;
	uint32_t z_flags;

	/* micro */
	mzap_ent_t *z_ent;
	uint32_t z_nents, z_ents_alloc;
	uint32_t z_nchunks, z_rotor;

	/* fat: mirror of the header */
	int z_shift; /* log2 of the block size */
	zap_table_phys_t z_tbl;
	uint64_t *z_embedded; /* pointer table while it is in the header */
	uint64_t z_freeblk, z_num_leafs;
	kmutex_t z_count_lock;
	uint64_t z_num_entries;
} zap_t;

/* A held, locked ZAP. Lives on the stack of each operation. */
typedef struct zap_hold {
	zap_t *zh_zap;
	dmu_buf_t *zh_db; /* block 0 */
	krw_t zh_how;
} zap_hold_t;

static inline int
zap_hashbits(const zap_t *z)
{
	return ((z->z_flags & ZAP_FLAG_HASH64) ? 48 : 28);
}
/* Collision differentiators stay below this. */
static inline uint32_t
zap_maxcd(const zap_t *z)
{
	return ((z->z_flags & ZAP_FLAG_HASH64) ? 65535u : UINT32_MAX);
}
static inline size_t
zap_maxnamelen(const zap_t *z)
{
	return (z->z_type == DMU_OT_DIRECTORY_CONTENTS ? ZAP_MAXNAMELEN_NEW
						       : ZAP_MAXNAMELEN);
}

/* ---- zap.c: open and lock -------------------------------------------- */

enum zap_access { ZAP_READ, ZAP_MODIFY, ZAP_EXCLUSIVE };
/*
 * Hold and lock: READ shared; MODIFY exclusive for a microzap, shared for a fat one
 * (leaf locks do the rest); EXCLUSIVE.
 */
int zap_lock(objset_t *os, uint64_t obj, enum zap_access how, zap_hold_t *zh);
void zap_unlock(zap_hold_t *zh);
/* Shared -> exclusive, with a gap in between: look at everything again. */
void zap_relock_exclusive(zap_hold_t *zh);
/* Turn the exclusively held microzap into a fat one. */
int mzap_upgrade(zap_hold_t *zh, uint32_t flags, int shift, dmu_tx_t *tx);
/*
 * Serialises the first look at a block of an object (content is parsed once, then an
 * object is hung on the dbuf): taken for memory work only, below all other locks of the
 * room.
 */
kmutex_t *zap_open_lock(uint64_t object, uint64_t blkid);
int zap_value_check(uint64_t integer_size, uint64_t num_integers);

/* ---- zap_name.c: keys, hashes, normalisation ------------------------- */

typedef struct zap_name {
	zap_t *zn_zap;
	zap_leaf_key_t zn_key; /* as it will be stored */
	uint64_t zn_hash;
	uint32_t
	    zn_matchflags; /* normalisation under which names are compared; 0: bytes */
	char *zn_norm;	   /* prepared with zn_matchflags */
	size_t zn_norm_len, zn_norm_alloc;
} zap_name_t;
int zap_name_init(zap_name_t *zn, zap_t *z, const char *name, uint32_t mt);
int zap_name_init_uint64(zap_name_t *zn, zap_t *z, const uint64_t *key, int numints);
void zap_name_fini(zap_name_t *zn);
/* Does the stored name match? */
bool zap_name_match(const zap_name_t *zn, const char *stored);
/* Hash of a stored string name, for the microzap index. */
int zap_hash_string(zap_t *z, const char *name, uint64_t *hashp);

/* ---- zap_micro.c ----------------------------------------------------- */

int mzap_open(zap_t *z, void *data, uint64_t size);
void mzap_close(zap_t *z);
mzap_ent_phys_t *mzap_slot(dmu_buf_t *db, uint32_t chunk);
/* Index of the first entry >= (hash, cd). */
uint32_t mzap_search(const zap_t *z, uint64_t hash, uint32_t cd);
/* UINT32_MAX: none. */
uint32_t mzap_find(zap_hold_t *zh, const zap_name_t *zn);
bool mzap_normalization_conflict(zap_hold_t *zh, const zap_name_t *zn, uint32_t idx);
/* Must the ZAP become fat before this entry can be added? */
bool mzap_must_upgrade(
    zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size, uint64_t num_integers);
int mzap_add(zap_hold_t *zh, const zap_name_t *zn, uint64_t value, dmu_tx_t *tx);
void mzap_remove(zap_hold_t *zh, uint32_t idx, dmu_tx_t *tx);

/* ---- zap_table.c: header and pointer table of a fat ZAP -------------- */

int fzap_open(zap_t *z, void *data, uint64_t size);
/* Make the block 0 buffer a fresh fat header with one empty leaf. */
int fzap_init(zap_hold_t *zh, int shift, dmu_tx_t *tx);
void fzap_write_header(zap_hold_t *zh, dmu_tx_t *tx);
/* Entries came or went. Shared or exclusive lock. */
void fzap_count(zap_hold_t *zh, int64_t delta, dmu_tx_t *tx);
int fzap_table_load(zap_t *z, uint64_t idx, uint64_t *blkp);
int fzap_table_store(zap_hold_t *zh, uint64_t idx, uint64_t blk, dmu_tx_t *tx);
/* One step towards a table twice as large; *donep when it is in use. */
int fzap_table_grow(zap_hold_t *zh, bool *donep, dmu_tx_t *tx);
/* Is a larger table being filled? */
static inline bool
fzap_table_growing(const zap_t *z)
{
	return (z->z_tbl.zt_nextblk != 0);
}

/* ---- zap_fat.c: entries ---------------------------------------------- */

/* A leaf block in memory, hung on its dbuf. */
typedef struct zap_leaf {
	dmu_buf_user_t l_dbu;
	krwlock_t l_rwlock;
	uint64_t l_blkid;
	dmu_buf_t *l_db;
} zap_leaf_t;
typedef struct zap_leaf_hold {
	zap_leaf_t *lh_leaf;
	dmu_buf_t *lh_db;
	zleaf_t lh_view;
} zap_leaf_hold_t;
int zap_get_leaf(zap_t *z, uint64_t hash, krw_t how, zap_leaf_hold_t *lh);
void zap_put_leaf(zap_leaf_hold_t *lh);
/* Before changing a leaf held as writer. */
void zap_leaf_dirty(zap_leaf_hold_t *lh, dmu_tx_t *tx);
int zap_new_leaf(zap_t *z, uint64_t blkid, zap_leaf_hold_t *lh, dmu_tx_t *tx);

int fzap_lookup(zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, void *buf, char *realname, size_t rn_len, bool *conflict);
int fzap_length(zap_hold_t *zh, const zap_name_t *zn, uint64_t *isize, uint64_t *nints);
/*
 * cd UINT32_MAX: lowest free one. update: replace an existing entry instead of EEXIST.
 */
int fzap_add(zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, const void *val, uint32_t cd, bool update, dmu_tx_t *tx);
int fzap_remove(zap_hold_t *zh, const zap_name_t *zn, dmu_tx_t *tx);
/* Merge the empty leaf of `hash` with its empty sibling, as often as possible. */
int fzap_shrink(zap_hold_t *zh, uint64_t hash, dmu_tx_t *tx);

#endif
