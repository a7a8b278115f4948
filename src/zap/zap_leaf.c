/* The leaf block: see zap_leaf.h; layout format/02 §2.5. */
#include "zap/zap_leaf.h"
#include "spl/spl.h"
#include "ondisk/ondisk.h"

#define ZLEAF_MAX_PREFIX 48 /* no hash has more bits */

static inline size_t
block_size(const zleaf_t *zl)
{
	return ((size_t)1 << zl->zl_shift);
}
/* The block is known to be a leaf or about to become one. */
static inline zap_leaf_phys_t *
header(const zleaf_t *zl)
{
	return ((zap_leaf_phys_t *)(void *)zl->zl_data);
}
static inline uint32_t
nbuckets(const zleaf_t *zl)
{
	return (1u << (zl->zl_shift - 5));
}
static inline uint16_t *
bucket(const zleaf_t *zl, uint32_t i)
{
	return (zap_leaf_hash(zl->zl_data, block_size(zl), i));
}
static inline zap_leaf_chunk_t *
chunk(const zleaf_t *zl, uint32_t c)
{
	zap_leaf_chunk_t *p = zap_leaf_chunk(zl->zl_data, block_size(zl), c);
	ASSERT(p != NULL);
	return (p);
}
static inline zap_leaf_entry_t *
entry(const zleaf_t *zl, uint32_t c)
{
	return (&chunk(zl, c)->l_entry);
}
static inline zap_leaf_array_t *
array(const zleaf_t *zl, uint32_t c)
{
	return (&chunk(zl, c)->l_array);
}

uint32_t
zleaf_nchunks(int shift)
{
	return (zap_leaf_numchunks((size_t)1 << shift));
}

/* (h >> (64 - (s-5) - prefix_len)) mod 2^(s-5); long prefixes leave fewer bits. */
static uint32_t
bucket_of(const zleaf_t *zl, uint64_t hash)
{
	const int shift = 64 - (zl->zl_shift - 5) - header(zl)->l_prefix_len;
	const uint64_t h = shift >= 0 ? hash >> shift : hash << -shift;
	return ((uint32_t)(h & (nbuckets(zl) - 1)));
}

void
zleaf_get_header(const zleaf_t *zl, zleaf_header_t *h)
{
	const zap_leaf_phys_t *l = header(zl);
	*h = (zleaf_header_t){
	    l->l_prefix, l->l_nfree, l->l_nentries, l->l_prefix_len, l->l_flags};
}

void
zleaf_set_prefix(zleaf_t *zl, uint64_t prefix, uint16_t len)
{
	header(zl)->l_prefix = prefix;
	header(zl)->l_prefix_len = len;
}

void
zleaf_init(zleaf_t *zl, bool sorted)
{
	zap_leaf_format(zl->zl_data, block_size(zl), sorted);
}

/* ---- checking -------------------------------------------------------- */

typedef struct leaf_walk {
	const zleaf_t *lw_zl;
	uint8_t *lw_seen; /* bit per chunk */
	uint32_t lw_nchunks, lw_used;
} leaf_walk_t;

/* Visit a chunk for the first time, of the right kind. */
static bool
walk_chunk(leaf_walk_t *lw, uint32_t c, uint8_t kind)
{
	if (c >= lw->lw_nchunks || (lw->lw_seen[c / 8] & (1u << (c % 8))) != 0)
		return (false);
	lw->lw_seen[c / 8] |= (uint8_t)(1u << (c % 8));
	lw->lw_used++;
	return (chunk(lw->lw_zl, c)->l_type == kind);
}

static bool
walk_array(leaf_walk_t *lw, uint32_t first, uint64_t bytes)
{
	uint64_t n = howmany(bytes, ZAP_LEAF_ARRAY_BYTES);
	for (; n > 0; n--) {
		if (!walk_chunk(lw, first, ZAP_CHUNK_ARRAY))
			return (false);
		first = array(lw->lw_zl, first)->la_next;
	}
	return (first == ZLEAF_CHAIN_END);
}

static bool
walk_entry(leaf_walk_t *lw, uint32_t c, bool strict, uint32_t b)
{
	if (!walk_chunk(lw, c, ZAP_CHUNK_ENTRY))
		return (false);
	const zap_leaf_entry_t *p = entry(lw->lw_zl, c);
	const uint32_t intlen = p->le_value_intlen, namelen = p->le_name_numints;
	if (intlen > 8 || !ISP2(intlen) || intlen == 0 || namelen == 0)
		return (false);
	if (strict && bucket_of(lw->lw_zl, p->le_hash) != b)
		return (false);
	/*
	 * The block does not say whether a name is bytes or words: walk the chain
	 * itself. It must be long enough for bytes; words are bounded by the readers.
	 */
	uint32_t name = p->le_name_chunk, n = 0;
	for (; name != ZLEAF_CHAIN_END; n++) {
		if (!walk_chunk(lw, name, ZAP_CHUNK_ARRAY))
			return (false);
		name = array(lw->lw_zl, name)->la_next;
	}
	if (n != howmany(namelen, ZAP_LEAF_ARRAY_BYTES) &&
	    n != howmany(8 * namelen, ZAP_LEAF_ARRAY_BYTES))
		return (false);
	return (
	    walk_array(lw, p->le_value_chunk, (uint64_t)intlen * p->le_value_numints));
}

static int
check_chains(leaf_walk_t *lw, bool strict)
{
	const zleaf_t *zl = lw->lw_zl;
	uint32_t entries = 0;

	for (uint32_t b = 0; b < nbuckets(zl); b++) {
		uint32_t c = *bucket(zl, b), lastcd = 0;
		for (; c != ZLEAF_CHAIN_END; c = entry(zl, c)->le_next) {
			if (!walk_entry(lw, c, strict, b))
				return (EIO);
			const uint32_t cd = entry(zl, c)->le_cd;
			if (strict && (header(zl)->l_flags & ZLF_ENTRIES_CDSORTED) &&
			    cd < lastcd)
				return (EIO);
			lastcd = cd;
			entries++;
		}
	}
	const uint32_t nfree = header(zl)->l_nfree;
	uint32_t c = header(zl)->l_freelist, n = 0;
	for (; c != ZLEAF_CHAIN_END; n++) {
		if (!walk_chunk(lw, c, ZAP_CHUNK_FREE))
			return (EIO);
		c = array(zl, c)->la_next;
	}
	if (n != nfree || entries != header(zl)->l_nentries)
		return (EIO);
	return (strict && lw->lw_used != lw->lw_nchunks ? EIO : 0);
}

bool
zleaf_is_leaf(const zleaf_t *zl)
{
	return (zap_leaf_header(zl->zl_data, block_size(zl)) != NULL);
}

int
zleaf_check(const zleaf_t *zl, bool strict)
{
	const zap_leaf_phys_t *l = zap_leaf_header(zl->zl_data, block_size(zl));
	if (l == NULL || l->l_prefix_len > ZLEAF_MAX_PREFIX ||
	    l->l_prefix >> l->l_prefix_len != 0)
		return (EIO);

	leaf_walk_t lw = {.lw_zl = zl, .lw_nchunks = zleaf_nchunks(zl->zl_shift)};
	const size_t bits = howmany(lw.lw_nchunks, 8);
	lw.lw_seen = kmem_zalloc(bits, KM_SLEEP);
	const int err = check_chains(&lw, strict);
	kmem_free(lw.lw_seen, bits);
	return (err);
}

/* ---- arrays ---------------------------------------------------------- */

static uint32_t
chunk_alloc(zleaf_t *zl, uint8_t kind)
{
	zap_leaf_phys_t *l = header(zl);
	const uint32_t c = l->l_freelist;
	zap_leaf_chunk_t *p = chunk(zl, c);

	ASSERT3U(p->l_type, ==, ZAP_CHUNK_FREE);
	l->l_freelist = p->l_free.lf_next;
	l->l_nfree--;
	memset(p, 0, sizeof(*p));
	p->l_type = kind;
	return (c);
}

static void
chunk_free(zleaf_t *zl, uint32_t c)
{
	zap_leaf_phys_t *l = header(zl);
	zap_leaf_chunk_t *p = chunk(zl, c);

	memset(p, 0, sizeof(*p));
	p->l_type = ZAP_CHUNK_FREE;
	p->l_free.lf_next = l->l_freelist;
	l->l_freelist = (uint16_t)c;
	l->l_nfree++;
}

/* Integers in host order -> chain of big-endian bytes. */
static uint32_t
array_create(zleaf_t *zl, const void *data, uint32_t intsize, uint64_t nints)
{
	uint32_t first = ZLEAF_CHAIN_END, last = 0, fill = ZAP_LEAF_ARRAY_BYTES;
	const uint8_t *src = data;

	for (uint64_t i = 0; i < nints * intsize; i++) {
		if (fill == ZAP_LEAF_ARRAY_BYTES) {
			const uint32_t c = chunk_alloc(zl, ZAP_CHUNK_ARRAY);
			array(zl, c)->la_next = (uint16_t)ZLEAF_CHAIN_END;
			if (first == ZLEAF_CHAIN_END)
				first = c;
			else
				array(zl, last)->la_next = (uint16_t)c;
			last = c;
			fill = 0;
		}
		/* the index of the byte that is i-th when its integer is big endian */
		const uint64_t in = i & (intsize - 1u);
		const uint64_t j =
		    ZFS_HOST_BYTEORDER ? i - in + (intsize - 1u - in) : i;
		array(zl, last)->la_array[fill++] = src[j];
	}
	return (first);
}

static void
array_free(zleaf_t *zl, uint32_t c)
{
	while (c != ZLEAF_CHAIN_END) {
		const uint32_t next = array(zl, c)->la_next;
		chunk_free(zl, c);
		c = next;
	}
}

/* A reader of consecutive integers of a chain; behind its end there are zeros. */
typedef struct array_cursor {
	const zleaf_t *ac_zl;
	uint32_t ac_chunk, ac_pos;
} array_cursor_t;

static uint8_t
array_byte(array_cursor_t *ac)
{
	if (ac->ac_pos == ZAP_LEAF_ARRAY_BYTES) {
		ac->ac_chunk = array(ac->ac_zl, ac->ac_chunk)->la_next;
		ac->ac_pos = 0;
	}
	if (ac->ac_chunk == ZLEAF_CHAIN_END) {
		ac->ac_pos = 0;
		return (0);
	}
	return (array(ac->ac_zl, ac->ac_chunk)->la_array[ac->ac_pos++]);
}

static uint64_t
array_int(array_cursor_t *ac, uint32_t size)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < size; i++)
		v = v << 8 | array_byte(ac);
	return (v);
}

static void
put_int(void *buf, uint64_t idx, uint64_t intsize, uint64_t v)
{
	uint8_t *p = (uint8_t *)buf + idx * intsize;
	const uint32_t w = (uint32_t)v;
	const uint16_t h = (uint16_t)v;
	switch (intsize) {
	case 1:
		*p = (uint8_t)v;
		break;
	case 2:
		memcpy(p, &h, 2);
		break;
	case 4:
		memcpy(p, &w, 4);
		break;
	default:
		memcpy(p, &v, 8);
	}
}

/* ---- entries --------------------------------------------------------- */

static void
load_entry(const zleaf_t *zl, uint32_t c, zleaf_entry_t *e)
{
	const zap_leaf_entry_t *p = entry(zl, c);
	e->zle_chunk = (uint16_t)c;
	e->zle_intlen = p->le_value_intlen;
	e->zle_numints = p->le_value_numints;
	e->zle_namelen = p->le_name_numints;
	e->zle_cd = p->le_cd;
	e->zle_hash = p->le_hash;
}

int
zleaf_find(
    const zleaf_t *zl, uint64_t hash, zleaf_match_t *match, void *arg, zleaf_entry_t *e)
{
	uint32_t c = *bucket(zl, bucket_of(zl, hash));
	for (; c != ZLEAF_CHAIN_END; c = entry(zl, c)->le_next) {
		if (entry(zl, c)->le_hash != hash)
			continue;
		zleaf_entry_t tmp;
		load_entry(zl, c, &tmp);
		if (match(arg, zl, &tmp)) {
			*e = tmp;
			return (0);
		}
	}
	return (ENOENT);
}

int
zleaf_find_closest(const zleaf_t *zl, uint64_t hash, uint32_t cd, zleaf_entry_t *e)
{
	/* Buckets are in order of the hash, so the first bucket that has one has the
	 * best. */
	for (uint32_t b = bucket_of(zl, hash); b < nbuckets(zl); b++) {
		uint32_t best = ZLEAF_CHAIN_END, bestcd = 0;
		uint64_t besth = 0;
		uint32_t c = *bucket(zl, b);
		for (; c != ZLEAF_CHAIN_END; c = entry(zl, c)->le_next) {
			const uint64_t h = entry(zl, c)->le_hash;
			const uint32_t d = entry(zl, c)->le_cd;
			if (h < hash || (h == hash && d < cd))
				continue;
			if (best == ZLEAF_CHAIN_END || h < besth ||
			    (h == besth && d < bestcd)) {
				best = c;
				besth = h;
				bestcd = d;
			}
		}
		if (best != ZLEAF_CHAIN_END) {
			load_entry(zl, best, e);
			return (0);
		}
	}
	return (ENOENT);
}

bool
zleaf_key_equal(const zleaf_t *zl, const zleaf_entry_t *e, const zap_leaf_key_t *key)
{
	if (e->zle_namelen != key->zk_len)
		return (false);
	uint32_t c = entry(zl, e->zle_chunk)->le_name_chunk;
	if (key->zk_intsize == 1) {
		const uint8_t *s = key->zk_data;
		for (uint32_t left = key->zk_len; left > 0;) {
			const uint32_t n = MIN(left, ZAP_LEAF_ARRAY_BYTES);
			if (c == ZLEAF_CHAIN_END ||
			    memcmp(array(zl, c)->la_array, s, n) != 0)
				return (false);
			s += n;
			left -= n;
			c = array(zl, c)->la_next;
		}
		return (true);
	}
	array_cursor_t ac = {zl, c, 0};
	for (uint32_t i = 0; i < key->zk_len; i++) {
		uint64_t w;
		memcpy(&w, (const uint8_t *)key->zk_data + 8 * (size_t)i, 8);
		if (array_int(&ac, 8) != w)
			return (false);
	}
	return (true);
}

void
zleaf_read_name(
    const zleaf_t *zl, const zleaf_entry_t *e, int intsize, void *buf, uint32_t max)
{
	array_cursor_t ac = {zl, entry(zl, e->zle_chunk)->le_name_chunk, 0};
	for (uint32_t i = 0; i < MIN(max, e->zle_namelen); i++)
		put_int(buf, i, (uint64_t)intsize, array_int(&ac, (uint32_t)intsize));
}

int
zleaf_read_value(const zleaf_t *zl, const zleaf_entry_t *e, uint64_t intsize,
    uint64_t max, void *buf)
{
	if (e->zle_intlen > intsize)
		return (EINVAL);
	array_cursor_t ac = {zl, entry(zl, e->zle_chunk)->le_value_chunk, 0};
	for (uint64_t i = 0; i < MIN(max, e->zle_numints); i++)
		put_int(buf, i, intsize, array_int(&ac, e->zle_intlen));
	return (e->zle_numints > max ? EOVERFLOW : 0);
}

uint32_t
zleaf_chunks_for(const zap_leaf_key_t *key, uint64_t intsize, uint64_t nints)
{
	return (1 +
		(uint32_t)howmany(
		    (uint64_t)key->zk_len * key->zk_intsize, ZAP_LEAF_ARRAY_BYTES) +
		(uint32_t)howmany(intsize * nints, ZAP_LEAF_ARRAY_BYTES));
}

/* Put an entry into its bucket before the first one with a larger cd. */
static void
link_entry(zleaf_t *zl, uint32_t c)
{
	zap_leaf_entry_t *p = entry(zl, c);
	uint16_t *where = bucket(zl, bucket_of(zl, p->le_hash));

	while (*where != ZLEAF_CHAIN_END && entry(zl, *where)->le_cd <= p->le_cd)
		where = &entry(zl, *where)->le_next;
	p->le_next = *where;
	*where = (uint16_t)c;
}

static bool
cd_in_use(const zleaf_t *zl, uint64_t hash, uint32_t cd)
{
	uint32_t c = *bucket(zl, bucket_of(zl, hash));
	for (; c != ZLEAF_CHAIN_END; c = entry(zl, c)->le_next)
		if (entry(zl, c)->le_hash == hash && entry(zl, c)->le_cd == cd)
			return (true);
	return (false);
}

int
zleaf_insert(zleaf_t *zl, const zap_leaf_key_t *key, uint64_t hash, uint32_t cd,
    uint32_t maxcd, uint64_t intsize, uint64_t nints, const void *val)
{
	const uint32_t need = zleaf_chunks_for(key, intsize, nints);
	if (need > zleaf_nchunks(zl->zl_shift))
		return (E2BIG);
	if (cd == UINT32_MAX) {
		/* ends: a leaf has fewer entries than there are cds */
		for (cd = 0; cd_in_use(zl, hash, cd); cd++)
			;
		if (cd >= maxcd)
			return (ENOSPC);
	}
	if (need > header(zl)->l_nfree)
		return (EAGAIN);

	const uint32_t c = chunk_alloc(zl, ZAP_CHUNK_ENTRY);
	zap_leaf_entry_t *p = entry(zl, c);
	p->le_value_intlen = (uint8_t)intsize;
	p->le_name_numints = (uint16_t)key->zk_len;
	p->le_value_numints = (uint16_t)(uint32_t)nints;
	p->le_cd = (uint32_t)cd;
	p->le_hash = (uint64_t)hash;
	p->le_name_chunk =
	    (uint16_t)array_create(zl, key->zk_data, key->zk_intsize, key->zk_len);
	p->le_value_chunk = (uint16_t)array_create(zl, val, (uint32_t)intsize, nints);
	link_entry(zl, c);
	header(zl)->l_nentries++;
	return (0);
}

int
zleaf_update(zleaf_t *zl, const zleaf_entry_t *e, uint64_t intsize, uint64_t nints,
    const void *val)
{
	const uint32_t have = (uint32_t)howmany(
	    (uint64_t)e->zle_intlen * e->zle_numints, ZAP_LEAF_ARRAY_BYTES);
	const uint32_t need = (uint32_t)howmany(intsize * nints, ZAP_LEAF_ARRAY_BYTES);
	zap_leaf_entry_t *p = entry(zl, e->zle_chunk);

	if (need + 1 > zleaf_nchunks(zl->zl_shift))
		return (E2BIG);
	if (need > have + header(zl)->l_nfree)
		return (EAGAIN);
	array_free(zl, p->le_value_chunk);
	p->le_value_intlen = (uint8_t)intsize;
	p->le_value_numints = (uint16_t)(uint32_t)nints;
	p->le_value_chunk = (uint16_t)array_create(zl, val, (uint32_t)intsize, nints);
	return (0);
}

void
zleaf_remove(zleaf_t *zl, const zleaf_entry_t *e)
{
	zap_leaf_entry_t *p = entry(zl, e->zle_chunk);
	uint16_t *where = bucket(zl, bucket_of(zl, e->zle_hash));

	while (*where != e->zle_chunk)
		where = &entry(zl, *where)->le_next;
	*where = p->le_next;
	array_free(zl, p->le_name_chunk);
	array_free(zl, p->le_value_chunk);
	chunk_free(zl, e->zle_chunk);
	header(zl)->l_nentries--;
}

/* ---- split ----------------------------------------------------------- */

static uint32_t
move_array(zleaf_t *from, uint32_t c, zleaf_t *to)
{
	uint32_t first = ZLEAF_CHAIN_END, last = ZLEAF_CHAIN_END;
	while (c != ZLEAF_CHAIN_END) {
		const uint32_t next = array(from, c)->la_next;
		const uint32_t n = chunk_alloc(to, ZAP_CHUNK_ARRAY);
		memcpy(array(to, n)->la_array, array(from, c)->la_array,
		    ZAP_LEAF_ARRAY_BYTES);
		array(to, n)->la_next = (uint16_t)ZLEAF_CHAIN_END;
		if (last == ZLEAF_CHAIN_END)
			first = n;
		else
			array(to, last)->la_next = (uint16_t)n;
		last = n;
		chunk_free(from, c);
		c = next;
	}
	return (first);
}

static void
move_entry(zleaf_t *from, uint32_t c, zleaf_t *to)
{
	const uint32_t n = chunk_alloc(to, ZAP_CHUNK_ENTRY);
	zap_leaf_entry_t *src = entry(from, c), *dst = entry(to, n);

	*dst = *src;
	dst->le_name_chunk = (uint16_t)move_array(from, src->le_name_chunk, to);
	dst->le_value_chunk = (uint16_t)move_array(from, src->le_value_chunk, to);
	link_entry(to, n);
	chunk_free(from, c);
	header(from)->l_nentries--;
	header(to)->l_nentries++;
}

void
zleaf_split(zleaf_t *from, zleaf_t *to)
{
	const uint64_t prefix = header(from)->l_prefix;
	const uint16_t len = header(from)->l_prefix_len;
	const size_t hsize = 2 * (size_t)nbuckets(from);
	uint16_t *old = kmem_alloc(hsize, KM_SLEEP);

	/* the bucket function depends on the prefix length: hang everything up anew */
	memcpy(old, bucket(from, 0), hsize);
	memset(bucket(from, 0), 0xff, hsize);
	zleaf_set_prefix(from, prefix << 1, (uint16_t)(len + 1));
	zleaf_set_prefix(to, prefix << 1 | 1, (uint16_t)(len + 1));
	for (uint32_t b = 0; b < nbuckets(from); b++) {
		for (uint32_t c = old[b], next; c != ZLEAF_CHAIN_END; c = next) {
			next = entry(from, c)->le_next;
			if (entry(from, c)->le_hash >> (63 - len) & 1)
				move_entry(from, c, to);
			else
				link_entry(from, c);
		}
	}
	kmem_free(old, hsize);
}
