/*
 * Keys of a ZAP: how they are hashed and when two are the same (format/02 §2.2, §2.6,
 * format/04 §3.3).
 *
 * The hash is always taken over the name prepared with all the ZAP's normalisation
 * flags, so that all spellings land in one chain. Comparison is by bytes, or over
 * names prepared with the flags of the match (MT_MATCH_CASE leaves out case folding).
 */
#include "zap/zap_impl.h"
#include "zap/zap_prep.h"
#include "codec/crc64.h"

static uint64_t
cut_hash(const zap_t *z, uint64_t h)
{
	return (h & (~0ULL << (64 - zap_hashbits(z))));
}

int
zap_hash_string(zap_t *z, const char *name, uint64_t *hashp)
{
	const size_t len = strlen(name);

	if (z->z_normflags == 0) {
		*hashp = cut_hash(z, crc64(z->z_salt, name, len));
		return (0);
	}
	char buf[ZAP_MAXNAMELEN_NEW];
	size_t out;
	const int err = zap_prep(name, len, (uint32_t)z->z_normflags, buf,
	    len < ZAP_MAXNAMELEN ? ZAP_MAXNAMELEN : sizeof(buf), &out);
	if (err == 0)
		*hashp = cut_hash(z, crc64(z->z_salt, buf, out));
	return (err);
}

int
zap_name_init(zap_name_t *zn, zap_t *z, const char *name, uint32_t mt)
{
	const size_t len = strnlen(name, ZAP_MAXNAMELEN_NEW);

	memset(zn, 0, sizeof(*zn));
	if (z->z_flags & ZAP_FLAG_UINT64_KEY)
		return (ENOTSUP);
	if (len >= zap_maxnamelen(z))
		return (ENAMETOOLONG);
	zn->zn_zap = z;
	zn->zn_key = (zap_leaf_key_t){name, (uint32_t)len + 1, 1};
	int err = zap_hash_string(z, name, &zn->zn_hash);
	if (err != 0)
		return (err);

	if (mt & MT_NORMALIZE)
		zn->zn_matchflags = (uint32_t)z->z_normflags;
	if (mt & MT_MATCH_CASE)
		zn->zn_matchflags &= ~(uint32_t)ZAP_NORM_TOUPPER;
	if (zn->zn_matchflags != 0) {
		zn->zn_norm_alloc =
		    len < ZAP_MAXNAMELEN ? ZAP_MAXNAMELEN : ZAP_MAXNAMELEN_NEW;
		zn->zn_norm = kmem_alloc(zn->zn_norm_alloc, KM_SLEEP);
		err = zap_prep(name, len, zn->zn_matchflags, zn->zn_norm,
		    zn->zn_norm_alloc, &zn->zn_norm_len);
		if (err != 0)
			zap_name_fini(zn);
	}
	return (err);
}

int
zap_name_init_uint64(zap_name_t *zn, zap_t *z, const uint64_t *key, int numints)
{
	memset(zn, 0, sizeof(*zn));
	if (!(z->z_flags & ZAP_FLAG_UINT64_KEY))
		return (ENOTSUP);
	if (numints < 1 || numints > ZAP_UINT64_KEYLEN / 8)
		return (ENAMETOOLONG);
	zn->zn_zap = z;
	zn->zn_key = (zap_leaf_key_t){key, (uint32_t)numints, 8};
	uint64_t h = z->z_salt;
	if (z->z_flags & ZAP_FLAG_PRE_HASHED_KEY) {
		h = key[0];
	} else {
		for (int i = 0; i < numints; i++)
			h = crc64_word(h, key[i]);
	}
	zn->zn_hash = cut_hash(z, h);
	return (0);
}

void
zap_name_fini(zap_name_t *zn)
{
	kmem_free(zn->zn_norm, zn->zn_norm_alloc);
	zn->zn_norm = NULL;
	zn->zn_norm_alloc = 0;
}

bool
zap_name_match(const zap_name_t *zn, const char *stored)
{
	if (zn->zn_matchflags == 0)
		return (strcmp(zn->zn_key.zk_data, stored) == 0);
	char buf[ZAP_MAXNAMELEN_NEW];
	size_t out;
	const size_t len = strlen(stored);
	if (zap_prep(stored, len, zn->zn_matchflags, buf,
		len < ZAP_MAXNAMELEN ? ZAP_MAXNAMELEN : sizeof(buf), &out) != 0)
		return (false);
	return (out == zn->zn_norm_len && memcmp(buf, zn->zn_norm, out) == 0);
}
