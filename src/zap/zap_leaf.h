/*
 * One leaf block of a fat ZAP (format/02 §2.5), as pure functions over a buffer: no
 * locks, no I/O, nothing but the bytes. A leaf is a small hash table: buckets, each a
 * chain of entries; an entry is one chunk that points to the chains of chunks with its
 * name and its value; unused chunks form a list.
 *
 * zleaf_check() walks everything once. All other functions rely on it: after it, every
 * chain is known to end, to stay inside the block and to share no chunk with another
 * one.
 */
#ifndef TARN_ZAP_LEAF_H
#define TARN_ZAP_LEAF_H

#include "spl/types.h"

#define ZLEAF_CHAIN_END 0xFFFFu

typedef struct zleaf {
	uint8_t *zl_data;
	int zl_shift; /* log2 of the block size */
} zleaf_t;

/* A key: string (len bytes with NUL) or array of words. */
typedef struct zap_leaf_key {
	const void *zk_data;
	uint32_t zk_len;    /* bytes or words */
	uint8_t zk_intsize; /* 1 or 8 */
} zap_leaf_key_t;

typedef struct zleaf_header {
	uint64_t zlh_prefix;
	uint16_t zlh_nfree, zlh_nentries, zlh_prefix_len;
	uint8_t zlh_flags;
} zleaf_header_t;

/* An entry as found; zle_chunk is its place. */
typedef struct zleaf_entry {
	uint16_t zle_chunk;
	uint8_t zle_intlen;
	uint16_t zle_numints, zle_namelen; /* value integers; name bytes or words */
	uint32_t zle_cd;
	uint64_t zle_hash;
} zleaf_entry_t;

uint32_t zleaf_nchunks(int shift);
/* Make the block an empty leaf. sorted: chains ordered by cd (normalised names). */
void zleaf_init(zleaf_t *zl, bool sorted);
void zleaf_get_header(const zleaf_t *zl, zleaf_header_t *h);
void zleaf_set_prefix(zleaf_t *zl, uint64_t prefix, uint16_t len);
/*
 * Is the block a leaf that can be walked without surprise? EIO. strict: also what costs
 * only lost entries (leaked chunks, entries in a wrong bucket, wrong counts, order).
 */
bool zleaf_is_leaf(const zleaf_t *zl); /* type and magic only */
int zleaf_check(const zleaf_t *zl, bool strict);

/*
 * The first entry with this hash for which match() is true, in chain order. match sees
 * the stored key of `e`. ENOENT.
 */
typedef bool zleaf_match_t(void *arg, const zleaf_t *zl, const zleaf_entry_t *e);
int zleaf_find(const zleaf_t *zl, uint64_t hash, zleaf_match_t *match, void *arg,
    zleaf_entry_t *e);
/* The first entry >= (hash, cd) in order of (hash, cd). ENOENT. */
int zleaf_find_closest(const zleaf_t *zl, uint64_t hash, uint32_t cd, zleaf_entry_t *e);

bool zleaf_key_equal(
    const zleaf_t *zl, const zleaf_entry_t *e, const zap_leaf_key_t *key);
/* Name bytes (or words in host order) into buf; at most max bytes/words. */
void zleaf_read_name(
    const zleaf_t *zl, const zleaf_entry_t *e, int intsize, void *buf, uint32_t max);
/* EINVAL stored wider than intsize; EOVERFLOW more than max (what fits is copied). */
int zleaf_read_value(const zleaf_t *zl, const zleaf_entry_t *e, uint64_t intsize,
    uint64_t max, void *buf);

/* Chunks an entry takes. */
uint32_t zleaf_chunks_for(const zap_leaf_key_t *key, uint64_t intsize, uint64_t nints);
/*
 * Add; the caller knows the key is new. cd UINT32_MAX: lowest unused. E2BIG: never
 * fits; EAGAIN: does not fit now, split; ENOSPC: cds of this hash used up (maxcd).
 */
int zleaf_insert(zleaf_t *zl, const zap_leaf_key_t *key, uint64_t hash, uint32_t cd,
    uint32_t maxcd, uint64_t intsize, uint64_t nints, const void *val);
/* Replace the value. E2BIG, EAGAIN. */
int zleaf_update(zleaf_t *zl, const zleaf_entry_t *e, uint64_t intsize, uint64_t nints,
    const void *val);
void zleaf_remove(zleaf_t *zl, const zleaf_entry_t *e);
/*
 * Split: give `from` (prefix p, length n) the prefix 2p, the empty leaf `to` 2p+1, both
 * length n+1, and move what belongs there.
 */
void zleaf_split(zleaf_t *from, zleaf_t *to);

#endif
