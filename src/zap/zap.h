/*
 * zap: attribute tables inside one object; small ones as one block (microzap), big ones
 * as an extendible hash (fatzap). Source: format/02 §2.
 *
 * Keys are strings (or arrays of uint64), values arrays of 1-, 2-, 4- or 8-byte
 * integers. Locks: each open ZAP has a reader/writer lock, fat leaves have their own;
 * order: zap lock > leaf lock > dmu locks. All functions may be called from any thread.
 */
#ifndef TARN_ZAP_H
#define TARN_ZAP_H

#include "dmu/dmu.h"

#define ZAP_MAXNAMELEN 256	/* with NUL */
#define ZAP_MAXNAMELEN_NEW 1024 /* directories with longname */
#define ZAP_MAXVALUELEN 8192

/* matchtype bits */
#define MT_NORMALIZE 0x1  /* compare under the table's normalisation */
#define MT_MATCH_CASE 0x2 /* … but keep case */
#define ZAP_FLAG_HASH64 0x1
#define ZAP_FLAG_UINT64_KEY 0x2
#define ZAP_FLAG_PRE_HASHED_KEY 0x4

uint64_t zap_create(objset_t *os, dmu_object_type_t ot, dmu_object_type_t bonustype,
    int bonuslen, dmu_tx_t *tx);
uint64_t zap_create_norm(objset_t *os, int normflags, dmu_object_type_t ot,
    dmu_object_type_t bonustype, int bonuslen, int dnodesize, dmu_tx_t *tx);
/* Fat from the start (flags, own block shifts). */
uint64_t zap_create_flags(objset_t *os, int normflags, uint32_t flags,
    dmu_object_type_t ot, int leaf_blockshift, int indirect_blockshift,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx);
int zap_create_claim_norm(objset_t *os, uint64_t obj, int normflags,
    dmu_object_type_t ot, dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx);
int zap_destroy(objset_t *os, uint64_t zapobj, dmu_tx_t *tx);
/* Write an empty microzap into block 0 of an existing object (zapify). */
void mzap_create_impl(
    objset_t *os, uint64_t obj, int normflags, uint32_t flags, dmu_tx_t *tx);

/*
 * ENOENT; EINVAL value has wider integers than integer_size; EOVERFLOW more than
 * num_integers (what fits is copied); ENOTSUP name cannot be normalised; EIO/ECKSUM.
 */
int zap_lookup(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, void *buf);
/*
 * realname (may be NULL): the name as stored; *conflict: another entry matches as well.
 */
int zap_lookup_norm(objset_t *os, uint64_t zapobj, const char *name,
    uint64_t integer_size, uint64_t num_integers, void *buf, uint32_t mt,
    char *realname, size_t rn_len, bool *conflict);
int zap_length(objset_t *os, uint64_t zapobj, const char *name, uint64_t *integer_size,
    uint64_t *num_integers);
int zap_contains(objset_t *os, uint64_t zapobj, const char *name);
/* EEXIST; E2BIG; ENAMETOOLONG; ENOSPC hash chains full. */
int zap_add(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, const void *val, dmu_tx_t *tx);
int zap_update(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, const void *val, dmu_tx_t *tx);
int zap_remove(objset_t *os, uint64_t zapobj, const char *name, dmu_tx_t *tx);
int zap_remove_norm(
    objset_t *os, uint64_t zapobj, const char *name, uint32_t mt, dmu_tx_t *tx);
int zap_count(objset_t *os, uint64_t zapobj, uint64_t *count);

int zap_lookup_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key,
    int key_numints, uint64_t integer_size, uint64_t num_integers, void *buf);
int zap_update_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key,
    int key_numints, uint64_t integer_size, uint64_t num_integers, const void *val,
    dmu_tx_t *tx);
int zap_remove_uint64(
    objset_t *os, uint64_t zapobj, const uint64_t *key, int key_numints, dmu_tx_t *tx);
int zap_length_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key,
    int key_numints, uint64_t *integer_size, uint64_t *num_integers);

/* Integer-named entries (format/02 §2.7). */
int zap_add_int(objset_t *os, uint64_t obj, uint64_t value, dmu_tx_t *tx);
int zap_remove_int(objset_t *os, uint64_t obj, uint64_t value, dmu_tx_t *tx);
int zap_lookup_int(objset_t *os, uint64_t obj, uint64_t value);
int zap_add_int_key(
    objset_t *os, uint64_t obj, uint64_t key, uint64_t value, dmu_tx_t *tx);
int zap_update_int_key(
    objset_t *os, uint64_t obj, uint64_t key, uint64_t value, dmu_tx_t *tx);
int zap_lookup_int_key(objset_t *os, uint64_t obj, uint64_t key, uint64_t *valuep);
int zap_increment_int(
    objset_t *os, uint64_t obj, uint64_t key, int64_t delta, dmu_tx_t *tx);
int zap_increment(
    objset_t *os, uint64_t obj, const char *name, int64_t delta, dmu_tx_t *tx);

typedef struct zap_attribute {
	int za_integer_length;
	bool za_normalization_conflict;
	uint64_t za_num_integers;
	uint64_t za_first_integer; /* if 8-byte integers (or a narrower single one,
				      widened) */
	char za_name[ZAP_MAXNAMELEN_NEW]; /* uint64 keys: the key words as bytes */
	uint32_t za_name_len;		  /* incl. NUL; or number of key words */
} zap_attribute_t;
typedef struct zap_cursor {
	objset_t *zc_objset;
	uint64_t zc_zapobj, zc_hash;
	uint32_t zc_cd;
	uint64_t zc_serialized;
	bool zc_prefetch;
	void *zc_zap, *zc_leaf; /* inside of the room */
} zap_cursor_t;
void zap_cursor_init(zap_cursor_t *zc, objset_t *os, uint64_t zapobj);
void zap_cursor_init_serialized(
    zap_cursor_t *zc, objset_t *os, uint64_t zapobj, uint64_t serialized);
void zap_cursor_fini(zap_cursor_t *zc);
/* Entry at (or after) the cursor. ENOENT: the end. Other errors: damaged. */
int zap_cursor_retrieve(zap_cursor_t *zc, zap_attribute_t *za);
void zap_cursor_advance(zap_cursor_t *zc);
uint64_t zap_cursor_serialize(zap_cursor_t *zc);

typedef struct zap_stats {
	uint64_t zs_blocksize, zs_num_blocks, zs_num_entries, zs_num_leafs,
	    zs_ptrtbl_len, zs_salt;
	bool zs_micro;
} zap_stats_t;
int zap_get_stats(objset_t *os, uint64_t zapobj, zap_stats_t *zs);
/*
 * Check all invariants of format/02 §2.5; reads every block. EIO: something is wrong.
 */
int zap_verify(objset_t *os, uint64_t zapobj);

#endif
