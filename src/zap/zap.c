/*
 * zap: attribute tables (format/02 §2).
 *
 * The problem. Directories, properties, feature lists, dedup tables: everything in a
 * pool that has names is a ZAP. Most have a handful of entries, some have a hundred
 * million. Small ones must cost one block, large ones must find, add and remove in a
 * few block accesses, and a reader of a directory that changes meanwhile must see every
 * lasting entry once.
 *
 * The idea. Small: one block of slots, a microzap (zap_micro.c). When that does not do
 * any more (names too long, values that are not one integer, block full) it becomes a
 * fat ZAP: an extendible hash. A table of 2^k pointers, indexed by the top k bits of a
 * name's hash, leads to leaf blocks; a full leaf splits in two by one more bit of the
 * hash; when a leaf already uses all k bits, the table doubles (zap_table.c, zap_fat.c,
 * and the leaf block itself in zap_leaf.c). Entries are iterated in order of (hash,
 * cd), where cd tells entries of equal hash apart; that position means the same before
 * and after splits, growth and conversion, and is what a cursor is (zap_cursor.c).
 *
 * Open ZAPs. A zap_t hangs on the dbuf of block 0 for as long as that is in memory. It
 * holds the lock and what was parsed: the sorted index of a microzap, the mirror of a
 * fat header. Leaves have a small object with a lock on their dbufs. Nothing else is
 * cached.
 *
 * Invariants. zap_verify() checks those of format/02 §2.5: each leaf is reached by
 * exactly the pointers with its prefix, counts agree, chunks are either in a chain or
 * free, blocks in use lie below freeblk. Names are unique as bytes. cds of one hash are
 * unique.
 *
 * Locks. z_rwlock, then (fat, shared) one leaf's lock, then z_count_lock, then dmu
 * locks. microzap: readers share, changes exclude. fat: lookups and changes share; the
 * leaf's lock protects the leaf, z_count_lock the header block; table changes exclude
 * (then leaf locks are taken without need, for uniformity). Going from shared to
 * exclusive leaves a gap, after which everything is looked at again
 * (zap_relock_exclusive). zap_open_lock is taken with none of them held or below
 * z_rwlock, for memory work only.
 *
 * What can fail. Every block is checked when it comes into memory: header plausibility,
 * complete walk of a leaf's chains, terminated names. Damage is EIO, never a crash or
 * an endless loop. A failing operation in the middle of a split leaves the table as it
 * was except for unused blocks.
 */
#include "zap/zap_impl.h"

static const char zap_tag[] = "zap";

/* ---- opening --------------------------------------------------------- */

#define ZAP_OPEN_LOCKS 64

kmutex_t *
zap_open_lock(uint64_t object, uint64_t blkid)
{
	static kmutex_t locks[ZAP_OPEN_LOCKS] = {
	    [0 ... ZAP_OPEN_LOCKS - 1] = MUTEX_INITIALIZER};
	return (&locks[(object * 31 + blkid) % ZAP_OPEN_LOCKS]);
}

static void
zap_evict(dmu_buf_user_t *dbu)
{
	zap_t *z = container_of(dbu, zap_t, z_dbu);
	mzap_close(z);
	if (z->z_embedded != NULL)
		kmem_free(z->z_embedded, (size_t)1 << (z->z_shift - 1));
	rw_destroy(&z->z_rwlock);
	mutex_destroy(&z->z_count_lock);
	kmem_free(z, sizeof(*z));
}

/* Parse block 0. */
static int
zap_open(objset_t *os, uint64_t obj, dmu_buf_t *db, zap_t **zp)
{
	dmu_object_info_t doi;
	int err = dmu_object_info(os, obj, &doi);
	if (err != 0)
		return (err);

	zap_t *z = kmem_zalloc(sizeof(*z), KM_SLEEP);
	rw_init(&z->z_rwlock);
	mutex_init(&z->z_count_lock);
	z->z_dbu.dbu_evict = zap_evict;
	z->z_objset = os;
	z->z_object = obj;
	z->z_type = doi.doi_type;
	z->z_micro = zap_block_type(db->db_data, db->db_size) == ZBT_MICRO;
	if (z->z_micro)
		err = mzap_open(z, db->db_data, db->db_size);
	else
		err = fzap_open(z, db->db_data, db->db_size);
	if (err != 0) {
		zap_evict(&z->z_dbu);
		return (err);
	}
	*zp = z;
	return (0);
}

static int
zap_attach(objset_t *os, uint64_t obj, dmu_buf_t *db, zap_t **zp)
{
	dmu_buf_user_t *u = dmu_buf_get_user(db);

	if (u == NULL) {
		/* parsed by one thread, so that no other changes the block meanwhile */
		kmutex_t *m = zap_open_lock(obj, 0);
		mutex_enter(m);
		u = dmu_buf_get_user(db);
		if (u == NULL) {
			zap_t *z;
			const int err = zap_open(os, obj, db, &z);
			if (err != 0) {
				mutex_exit(m);
				return (err);
			}
			u = dmu_buf_set_user(db, &z->z_dbu);
			if (u == NULL)
				u = &z->z_dbu;
			else
				zap_evict(&z->z_dbu);
		}
		mutex_exit(m);
	}
	*zp = container_of(u, zap_t, z_dbu);
	return (0);
}

static bool
is_micro(zap_t *z)
{
	return (__atomic_load_n(&z->z_micro, __ATOMIC_RELAXED) != 0);
}

int
zap_lock(objset_t *os, uint64_t obj, enum zap_access how, zap_hold_t *zh)
{
	int err = dmu_buf_hold(os, obj, 0, zap_tag, &zh->zh_db, DMU_READ_NO_PREFETCH);
	if (err != 0)
		return (err);
	err = zap_attach(os, obj, zh->zh_db, &zh->zh_zap);
	if (err != 0) {
		dmu_buf_rele(zh->zh_db, zap_tag);
		return (err);
	}
	zap_t *z = zh->zh_zap;
	for (;;) {
		zh->zh_how = how == ZAP_EXCLUSIVE || (how == ZAP_MODIFY && is_micro(z))
				 ? RW_WRITER
				 : RW_READER;
		rw_enter(&z->z_rwlock, zh->zh_how);
		/*
		 * never back from fat to micro, so a writer may find a fat one at most
		 */
		if (how != ZAP_MODIFY || zh->zh_how == RW_WRITER || !is_micro(z))
			return (0);
		rw_exit(&z->z_rwlock);
	}
}

void
zap_unlock(zap_hold_t *zh)
{
	rw_exit(&zh->zh_zap->z_rwlock);
	dmu_buf_rele(zh->zh_db, zap_tag);
}

void
zap_relock_exclusive(zap_hold_t *zh)
{
	if (zh->zh_how == RW_WRITER)
		return;
	rw_exit(&zh->zh_zap->z_rwlock);
	rw_enter(&zh->zh_zap->z_rwlock, RW_WRITER);
	zh->zh_how = RW_WRITER;
}

/* ---- conversion ------------------------------------------------------ */

int
mzap_upgrade(zap_hold_t *zh, uint32_t flags, int shift, dmu_tx_t *tx)
{
	zap_t *z = zh->zh_zap;
	const uint64_t size = zh->zh_db->db_size;

	ASSERT(rw_write_held(&z->z_rwlock) && is_micro(z));
	uint8_t *old = kmem_alloc(size, KM_SLEEP);
	memcpy(old, zh->zh_db->db_data, size);
	int err = 0;
	if (size != 1ULL << shift)
		err = dmu_object_set_blocksize(
		    z->z_objset, z->z_object, 1ULL << shift, 0, tx);
	if (err != 0) {
		kmem_free(old, size);
		return (err);
	}
	z->z_flags = flags;
	mzap_close(z);
	err = fzap_init(zh, shift, tx);
	__atomic_store_n(&z->z_micro, 0, __ATOMIC_RELAXED);
	for (uint32_t i = 0; err == 0 && i < mzap_nchunks(size); i++) {
		const mzap_ent_phys_t *mze = mzap_chunk(old, size, i);
		zap_name_t zn;
		if (mze->mze_name[0] == '\0')
			continue;
		err = zap_name_init(&zn, z, mze->mze_name, 0);
		if (err == 0) {
			err = fzap_add(
			    zh, &zn, 8, 1, &mze->mze_value, mze->mze_cd, false, tx);
			zap_name_fini(&zn);
		} else if (err == ENOTSUP) {
			err = 0; /* cannot be prepared: nobody can ask for it */
		}
	}
	kmem_free(old, size);
	return (err);
}

/* ---- creating -------------------------------------------------------- */

void
mzap_create_impl(
    objset_t *os, uint64_t obj, int normflags, uint32_t flags, dmu_tx_t *tx)
{
	dmu_buf_t *db;

	/* a new object's block 0 cannot fail to be there */
	VERIFY0(dmu_buf_hold(os, obj, 0, zap_tag, &db, DMU_READ_NO_PREFETCH));
	dmu_buf_will_dirty(db, tx);
	mzap_init(db->db_data, db->db_size, random_guid() | 1, (uint64_t)normflags);
	dmu_buf_rele(db, zap_tag);
	if (flags != 0) {
		zap_hold_t zh;
		VERIFY0(zap_lock(os, obj, ZAP_EXCLUSIVE, &zh));
		VERIFY0(mzap_upgrade(&zh, flags, highbit64(zh.zh_db->db_size) - 1, tx));
		zap_unlock(&zh);
	}
}

uint64_t
zap_create(objset_t *os, dmu_object_type_t ot, dmu_object_type_t bonustype,
    int bonuslen, dmu_tx_t *tx)
{
	return (zap_create_norm(os, 0, ot, bonustype, bonuslen, 0, tx));
}

uint64_t
zap_create_norm(objset_t *os, int normflags, dmu_object_type_t ot,
    dmu_object_type_t bonustype, int bonuslen, int dnodesize, dmu_tx_t *tx)
{
	const uint64_t obj =
	    dmu_object_alloc_dnsize(os, ot, 0, 0, bonustype, bonuslen, dnodesize, tx);
	mzap_create_impl(os, obj, normflags, 0, tx);
	return (obj);
}

uint64_t
zap_create_flags(objset_t *os, int normflags, uint32_t flags, dmu_object_type_t ot,
    int leaf_blockshift, int indirect_blockshift, dmu_object_type_t bonustype,
    int bonuslen, dmu_tx_t *tx)
{
	zap_hold_t zh;

	ASSERT(leaf_blockshift >= FZAP_MIN_SHIFT && leaf_blockshift <= FZAP_MAX_SHIFT);
	const uint64_t obj = dmu_object_alloc_dnsize(os, ot, 1 << leaf_blockshift,
	    indirect_blockshift, bonustype, bonuslen, 0, tx);
	mzap_create_impl(os, obj, normflags, 0, tx);
	VERIFY0(zap_lock(os, obj, ZAP_EXCLUSIVE, &zh));
	VERIFY0(mzap_upgrade(&zh, flags, leaf_blockshift, tx));
	zap_unlock(&zh);
	return (obj);
}

int
zap_create_claim_norm(objset_t *os, uint64_t obj, int normflags, dmu_object_type_t ot,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx)
{
	const int err = dmu_object_claim(os, obj, ot, 0, bonustype, bonuslen, 0, tx);
	if (err == 0)
		mzap_create_impl(os, obj, normflags, 0, tx);
	return (err);
}

int
zap_destroy(objset_t *os, uint64_t zapobj, dmu_tx_t *tx)
{
	return (dmu_object_free(os, zapobj, tx));
}

/* ---- the operations -------------------------------------------------- */

int
zap_value_check(uint64_t integer_size, uint64_t num_integers)
{
	switch (integer_size) {
	case 1:
	case 2:
	case 4:
	case 8:
		return (num_integers > ZAP_MAXVALUELEN / integer_size ? E2BIG : 0);
	default:
		return (EINVAL);
	}
}

/* Lock and make the key; either string or words. */
typedef struct zap_key {
	const char *zk_name;
	uint32_t zk_mt;
	const uint64_t *zk_words;
	int zk_nwords;
} zap_key_t;

static int
op_start(objset_t *os, uint64_t obj, enum zap_access how, const zap_key_t *k,
    zap_hold_t *zh, zap_name_t *zn)
{
	int err = zap_lock(os, obj, how, zh);
	if (err != 0)
		return (err);
	if (k->zk_name != NULL)
		err = zap_name_init(zn, zh->zh_zap, k->zk_name, k->zk_mt);
	else
		err = zap_name_init_uint64(zn, zh->zh_zap, k->zk_words, k->zk_nwords);
	if (err != 0)
		zap_unlock(zh);
	return (err);
}

static void
op_end(zap_hold_t *zh, zap_name_t *zn)
{
	zap_name_fini(zn);
	zap_unlock(zh);
}

static int
micro_lookup(zap_hold_t *zh, const zap_name_t *zn, uint64_t integer_size,
    uint64_t num_integers, void *buf, char *realname, size_t rn_len, bool *conflict)
{
	const uint32_t i = mzap_find(zh, zn);
	if (i == UINT32_MAX)
		return (ENOENT);
	const mzap_ent_phys_t *mze =
	    mzap_slot(zh->zh_db, zh->zh_zap->z_ent[i].mze_chunk);
	if (num_integers > 0) {
		if (integer_size != 8)
			return (EINVAL);
		memcpy(buf, &mze->mze_value, 8);
	}
	if (realname != NULL) {
		const size_t n = strlen(mze->mze_name);
		if (n >= rn_len)
			return (ENAMETOOLONG);
		memcpy(realname, mze->mze_name, n + 1);
	}
	if (conflict != NULL)
		*conflict = mzap_normalization_conflict(zh, zn, i);
	return (0);
}

static int
do_lookup(objset_t *os, uint64_t obj, const zap_key_t *k, uint64_t integer_size,
    uint64_t num_integers, void *buf, char *realname, size_t rn_len, bool *conflict)
{
	zap_hold_t zh;
	zap_name_t zn;
	int err = op_start(os, obj, ZAP_READ, k, &zh, &zn);
	if (err != 0)
		return (err);
	if (is_micro(zh.zh_zap))
		err = micro_lookup(&zh, &zn, integer_size, num_integers, buf, realname,
		    rn_len, conflict);
	else
		err = fzap_lookup(&zh, &zn, integer_size, num_integers, buf, realname,
		    rn_len, conflict);
	op_end(&zh, &zn);
	return (err);
}

static int
do_length(
    objset_t *os, uint64_t obj, const zap_key_t *k, uint64_t *isize, uint64_t *nints)
{
	zap_hold_t zh;
	zap_name_t zn;
	int err = op_start(os, obj, ZAP_READ, k, &zh, &zn);
	if (err != 0)
		return (err);
	if (!is_micro(zh.zh_zap)) {
		err = fzap_length(&zh, &zn, isize, nints);
	} else if (mzap_find(&zh, &zn) == UINT32_MAX) {
		err = ENOENT;
	} else {
		if (isize != NULL)
			*isize = 8;
		if (nints != NULL)
			*nints = 1;
	}
	op_end(&zh, &zn);
	return (err);
}

static int
do_add(objset_t *os, uint64_t obj, const zap_key_t *k, uint64_t integer_size,
    uint64_t num_integers, const void *val, bool update, dmu_tx_t *tx)
{
	zap_hold_t zh;
	zap_name_t zn;
	int err = zap_value_check(integer_size, num_integers);
	if (err == 0)
		err = op_start(os, obj, ZAP_MODIFY, k, &zh, &zn);
	if (err != 0)
		return (err);
	if (is_micro(zh.zh_zap)) {
		const uint32_t i = mzap_find(&zh, &zn);
		if (i != UINT32_MAX && !update) {
			err = EEXIST;
		} else if (i != UINT32_MAX && integer_size == 8 && num_integers == 1) {
			dmu_buf_will_dirty(zh.zh_db, tx);
			memcpy(&mzap_slot(zh.zh_db, zh.zh_zap->z_ent[i].mze_chunk)
				    ->mze_value,
			    val, 8);
		} else if (mzap_must_upgrade(&zh, &zn, integer_size, num_integers)) {
			err = mzap_upgrade(&zh, 0, FZAP_DEFAULT_SHIFT, tx);
		} else {
			uint64_t v;
			memcpy(&v, val, 8);
			err = mzap_add(&zh, &zn, v, tx);
		}
		if (err != 0 || is_micro(zh.zh_zap)) {
			op_end(&zh, &zn);
			return (err);
		}
	}
	err =
	    fzap_add(&zh, &zn, integer_size, num_integers, val, UINT32_MAX, update, tx);
	op_end(&zh, &zn);
	return (err);
}

static int
do_remove(objset_t *os, uint64_t obj, const zap_key_t *k, dmu_tx_t *tx)
{
	zap_hold_t zh;
	zap_name_t zn;
	int err = op_start(os, obj, ZAP_MODIFY, k, &zh, &zn);
	if (err != 0)
		return (err);
	if (is_micro(zh.zh_zap)) {
		const uint32_t i = mzap_find(&zh, &zn);
		if (i == UINT32_MAX)
			err = ENOENT;
		else
			mzap_remove(&zh, i, tx);
	} else {
		err = fzap_remove(&zh, &zn, tx);
	}
	op_end(&zh, &zn);
	return (err);
}

int
zap_lookup(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, void *buf)
{
	const zap_key_t k = {.zk_name = name};
	return (
	    do_lookup(os, zapobj, &k, integer_size, num_integers, buf, NULL, 0, NULL));
}

int
zap_lookup_norm(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, void *buf, uint32_t mt, char *realname, size_t rn_len,
    bool *conflict)
{
	const zap_key_t k = {.zk_name = name, .zk_mt = mt};
	return (do_lookup(os, zapobj, &k, integer_size, num_integers, buf, realname,
	    rn_len, conflict));
}

int
zap_length(objset_t *os, uint64_t zapobj, const char *name, uint64_t *integer_size,
    uint64_t *num_integers)
{
	const zap_key_t k = {.zk_name = name};
	return (do_length(os, zapobj, &k, integer_size, num_integers));
}

int
zap_contains(objset_t *os, uint64_t zapobj, const char *name)
{
	return (zap_length(os, zapobj, name, NULL, NULL));
}

int
zap_add(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, const void *val, dmu_tx_t *tx)
{
	const zap_key_t k = {.zk_name = name};
	return (do_add(os, zapobj, &k, integer_size, num_integers, val, false, tx));
}

int
zap_update(objset_t *os, uint64_t zapobj, const char *name, uint64_t integer_size,
    uint64_t num_integers, const void *val, dmu_tx_t *tx)
{
	const zap_key_t k = {.zk_name = name};
	return (do_add(os, zapobj, &k, integer_size, num_integers, val, true, tx));
}

int
zap_remove(objset_t *os, uint64_t zapobj, const char *name, dmu_tx_t *tx)
{
	return (zap_remove_norm(os, zapobj, name, 0, tx));
}

int
zap_remove_norm(
    objset_t *os, uint64_t zapobj, const char *name, uint32_t mt, dmu_tx_t *tx)
{
	const zap_key_t k = {.zk_name = name, .zk_mt = mt};
	return (do_remove(os, zapobj, &k, tx));
}

int
zap_lookup_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key, int key_numints,
    uint64_t integer_size, uint64_t num_integers, void *buf)
{
	const zap_key_t k = {.zk_words = key, .zk_nwords = key_numints};
	return (
	    do_lookup(os, zapobj, &k, integer_size, num_integers, buf, NULL, 0, NULL));
}

int
zap_update_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key, int key_numints,
    uint64_t integer_size, uint64_t num_integers, const void *val, dmu_tx_t *tx)
{
	const zap_key_t k = {.zk_words = key, .zk_nwords = key_numints};
	return (do_add(os, zapobj, &k, integer_size, num_integers, val, true, tx));
}

int
zap_remove_uint64(
    objset_t *os, uint64_t zapobj, const uint64_t *key, int key_numints, dmu_tx_t *tx)
{
	const zap_key_t k = {.zk_words = key, .zk_nwords = key_numints};
	return (do_remove(os, zapobj, &k, tx));
}

int
zap_length_uint64(objset_t *os, uint64_t zapobj, const uint64_t *key, int key_numints,
    uint64_t *integer_size, uint64_t *num_integers)
{
	const zap_key_t k = {.zk_words = key, .zk_nwords = key_numints};
	return (do_length(os, zapobj, &k, integer_size, num_integers));
}

int
zap_count(objset_t *os, uint64_t zapobj, uint64_t *count)
{
	zap_hold_t zh;
	const int err = zap_lock(os, zapobj, ZAP_READ, &zh);
	if (err != 0)
		return (err);
	if (is_micro(zh.zh_zap)) {
		*count = zh.zh_zap->z_nents;
	} else {
		mutex_enter(&zh.zh_zap->z_count_lock);
		*count = zh.zh_zap->z_num_entries;
		mutex_exit(&zh.zh_zap->z_count_lock);
	}
	zap_unlock(&zh);
	return (0);
}
