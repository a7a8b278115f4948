#include <stdio.h>
#include "toy/toy_dmu.h"

#define TOY_BONUS (~0ULL)
#define TOY_SPILL (~1ULL)
#define TOY_BONUS_MAX 320

typedef struct toy_buf {
	dmu_buf_t tb_db; /* first */
	struct toy_obj *tb_obj;
	uint64_t tb_blkid;
	uint64_t tb_holds;
	uint64_t tb_dirty_txg;
	size_t tb_alloc;
	dmu_buf_user_t *tb_user;
	avl_node_t tb_node;
	bool tb_hole; /* never written */
} toy_buf_t;

typedef struct toy_obj {
	objset_t *to_os;
	uint64_t to_object;
	dmu_object_type_t to_type, to_bonustype;
	uint32_t to_blksz;
	int to_bonuslen, to_dnodesize, to_ibs;
	uint64_t to_maxblkid, to_used;
	avl_tree_t to_bufs; /* data, bonus, spill */
	uint64_t to_holds;  /* of all buffers */
	bool to_dead;
	avl_node_t to_node;
} toy_obj_t;

struct objset {
	kmutex_t os_lock;
	avl_tree_t os_objs;
	list_t os_dead;
	uint64_t os_next, os_txg, os_txcount, os_txg_length;
	uint64_t os_fail_reads, os_fail_reads_count;
	int os_fail_reads_err;
	uint64_t os_fail_assign;
	int os_fail_assign_err;
	uint64_t os_rng;
	bool os_readonly;
	void *os_user;
	objset_props_t os_props;
	spa_t *os_spa; /* only what the rooms above look at */
};

/* What was announced: as strict as the real one. */
enum toy_hold_type { TH_WRITE, TH_FREE, TH_ZAP, TH_BONUS, TH_SPILL };
typedef struct toy_hold {
	enum toy_hold_type th_type;
	uint64_t th_object, th_off, th_len;
} toy_hold_t;

struct dmu_tx {
	objset_t *tx_os;
	toy_hold_t tx_holds[48];
	int tx_nholds;
	uint64_t tx_txg;
	void (*tx_cb)(void *, int);
	void *tx_cb_arg;
};

static int
cmp_u64(uint64_t a, uint64_t b)
{
	return (a < b ? -1 : a > b);
}
static int
obj_cmp(const void *a, const void *b)
{
	return (cmp_u64(
	    ((const toy_obj_t *)a)->to_object, ((const toy_obj_t *)b)->to_object));
}
static int
buf_cmp(const void *a, const void *b)
{
	return (cmp_u64(
	    ((const toy_buf_t *)a)->tb_blkid, ((const toy_buf_t *)b)->tb_blkid));
}

static uint64_t
rnd(objset_t *os)
{
	os->os_rng ^= os->os_rng << 13;
	os->os_rng ^= os->os_rng >> 7;
	os->os_rng ^= os->os_rng << 17;
	return (os->os_rng);
}

/* ---- life of the toy ------------------------------------------------- */

objset_t *
toy_objset_create(uint64_t seed)
{
	objset_t *os = kmem_zalloc(sizeof(*os), KM_SLEEP);
	mutex_init(&os->os_lock);
	avl_create(
	    &os->os_objs, obj_cmp, sizeof(toy_obj_t), offsetof(toy_obj_t, to_node));
	os->os_spa = kmem_zalloc(sizeof(spa_t), KM_SLEEP);
	os->os_next = 2; /* 1 is always claimed */
	os->os_txg = 4;
	os->os_txg_length = 16;
	os->os_rng = seed * 2654435761u + 1;
	os->os_props.op_recordsize = 131072;
	os->os_props.op_dnodesize = 512;
	return (os);
}

static void
drop_user(toy_buf_t *tb)
{
	dmu_buf_user_t *u = tb->tb_user;
	tb->tb_user = NULL;
	if (u != NULL)
		u->dbu_evict(u);
}

static void
buf_free(toy_buf_t *tb)
{
	VERIFY0(tb->tb_holds);
	drop_user(tb);
	kmem_free(tb->tb_db.db_data, tb->tb_alloc);
	kmem_free(tb, sizeof(*tb));
}

static void
obj_free(toy_obj_t *o)
{
	void *cookie = NULL;
	toy_buf_t *tb;
	while ((tb = avl_destroy_nodes(&o->to_bufs, &cookie)) != NULL)
		buf_free(tb);
	avl_destroy(&o->to_bufs);
	kmem_free(o, sizeof(*o));
}

void
toy_objset_destroy(objset_t *os)
{
	void *cookie = NULL;
	toy_obj_t *o;
	while ((o = avl_destroy_nodes(&os->os_objs, &cookie)) != NULL)
		obj_free(o);
	avl_destroy(&os->os_objs);
	mutex_destroy(&os->os_lock);
	kmem_free(os->os_spa, sizeof(spa_t));
	kmem_free(os, sizeof(*os));
}

void
toy_fail_reads(objset_t *os, uint64_t n, int err)
{
	os->os_fail_reads = n;
	os->os_fail_reads_count = 0;
	os->os_fail_reads_err = err;
}

void
toy_fail_assign(objset_t *os, uint64_t n, int err)
{
	os->os_fail_assign = n;
	os->os_fail_assign_err = err;
}

void
toy_txg_length(objset_t *os, uint64_t n)
{
	os->os_txg_length = n;
}

void
toy_evict(objset_t *os)
{
	mutex_enter(&os->os_lock);
	for (toy_obj_t *o = avl_first(&os->os_objs); o != NULL;
	     o = avl_next(&os->os_objs, o))
		for (toy_buf_t *tb = avl_first(&o->to_bufs); tb != NULL;
		     tb = avl_next(&o->to_bufs, tb))
			if (tb->tb_holds == 0)
				drop_user(tb);
	mutex_exit(&os->os_lock);
}

uint64_t
toy_held(objset_t *os)
{
	uint64_t n = 0;
	mutex_enter(&os->os_lock);
	for (toy_obj_t *o = avl_first(&os->os_objs); o != NULL;
	     o = avl_next(&os->os_objs, o))
		n += o->to_holds;
	mutex_exit(&os->os_lock);
	return (n);
}

uint64_t
toy_objects(objset_t *os)
{
	return (avl_numnodes(&os->os_objs));
}

/* ---- objset ---------------------------------------------------------- */

spa_t *
dmu_objset_spa(objset_t *os)
{
	return (os->os_spa);
}
uint64_t
dmu_objset_phys_size(objset_t *os)
{
	return (4096);
}
static bool toy_features;
void
toy_enable_features(bool on)
{
	toy_features = on;
}
bool
spa_feature_is_enabled(spa_t *spa, spa_feature_t f)
{
	return (toy_features);
}
void *
dmu_objset_private(objset_t *os)
{
	return (NULL);
}
uint64_t
dmu_objset_id(objset_t *os)
{
	return (54);
}
dmu_objset_type_t
dmu_objset_type(objset_t *os)
{
	return (DMU_OST_ZFS);
}
objset_props_t *
dmu_objset_props(objset_t *os)
{
	return (&os->os_props);
}
void
dmu_objset_set_readonly(objset_t *os, bool ro)
{
	os->os_readonly = ro;
}
void
dmu_objset_set_user(objset_t *os, void *ptr)
{
	os->os_user = ptr;
}
void *
dmu_objset_get_user(objset_t *os)
{
	return (os->os_user);
}
uint64_t
dmu_objset_fill(objset_t *os)
{
	return (avl_numnodes(&os->os_objs));
}

/* ---- transactions ---------------------------------------------------- */

dmu_tx_t *
dmu_tx_create(objset_t *os)
{
	dmu_tx_t *tx = kmem_zalloc(sizeof(*tx), KM_SLEEP);
	tx->tx_os = os;
	return (tx);
}
static void
tx_hold(
    dmu_tx_t *tx, enum toy_hold_type type, uint64_t object, uint64_t off, uint64_t len)
{
	VERIFY(tx->tx_txg == 0 && tx->tx_nholds < (int)ARRAY_SIZE(tx->tx_holds));
	tx->tx_holds[tx->tx_nholds++] = (toy_hold_t){type, object, off, len};
}
void
dmu_tx_hold_write(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len)
{
	tx_hold(tx, TH_WRITE, object, off, len);
}
void
dmu_tx_hold_free(dmu_tx_t *tx, uint64_t object, uint64_t off, uint64_t len)
{
	tx_hold(tx, TH_FREE, object, off, len);
}
void
dmu_tx_hold_zap(dmu_tx_t *tx, uint64_t object, bool add, const char *name)
{
	tx_hold(tx, TH_ZAP, object, 0, UINT64_MAX);
}
void
dmu_tx_hold_bonus(dmu_tx_t *tx, uint64_t object)
{
	tx_hold(tx, TH_BONUS, object, 0, 0);
}
void
dmu_tx_hold_spill(dmu_tx_t *tx, uint64_t object)
{
	tx_hold(tx, TH_SPILL, object, 0, 0);
}
void
dmu_tx_hold_space(dmu_tx_t *tx, uint64_t bytes)
{
}
void
dmu_tx_mark_netfree(dmu_tx_t *tx)
{
}
int
dmu_tx_assign(dmu_tx_t *tx, uint32_t flags)
{
	objset_t *os = tx->tx_os;
	int err = 0;
	mutex_enter(&os->os_lock);
	if (os->os_readonly) {
		err = EROFS;
	} else if (os->os_fail_assign > 0 && --os->os_fail_assign == 0) {
		err = os->os_fail_assign_err;
	} else {
		if (++os->os_txcount % os->os_txg_length == 0)
			os->os_txg++;
		tx->tx_txg = os->os_txg;
	}
	mutex_exit(&os->os_lock);
	return (err);
}
void
dmu_tx_wait(dmu_tx_t *tx)
{
}
void
dmu_tx_commit(dmu_tx_t *tx)
{
	VERIFY(tx->tx_txg != 0);
	if (tx->tx_cb != NULL)
		tx->tx_cb(tx->tx_cb_arg, 0);
	kmem_free(tx, sizeof(*tx));
}
void
dmu_tx_abort(dmu_tx_t *tx)
{
	VERIFY(tx->tx_txg == 0);
	kmem_free(tx, sizeof(*tx));
}
uint64_t
dmu_tx_get_txg(dmu_tx_t *tx)
{
	return (tx->tx_txg);
}
bool
dmu_tx_is_syncing(dmu_tx_t *tx)
{
	return (false);
}
void
dmu_tx_callback_register(dmu_tx_t *tx, void (*func)(void *, int), void *arg)
{
	tx->tx_cb = func;
	tx->tx_cb_arg = arg;
}

static void
tx_check(dmu_tx_t *tx, uint64_t object, uint64_t blkid, uint64_t start, uint64_t end)
{
	/* transactions without any hold are those of tests that do not care */
	if (tx->tx_nholds == 0)
		return;
	for (int i = 0; i < tx->tx_nholds; i++) {
		const toy_hold_t *th = &tx->tx_holds[i];
		if (th->th_object == DMU_NEW_OBJECT)
			return;
		if (th->th_object != object)
			continue;
		if (blkid == TOY_BONUS || th->th_type == TH_ZAP)
			return;
		if (th->th_type == TH_SPILL && blkid == TOY_SPILL)
			return;
		if (th->th_type > TH_FREE)
			continue;
		if (blkid == TOY_SPILL || blkid == 0 ||
		    (end > th->th_off && (th->th_len >= UINT64_MAX - th->th_off ||
					     start < th->th_off + th->th_len)))
			return;
	}
	panic("object %" PRIu64 " block %" PRId64 " changed without a hold", object,
	    (int64_t)blkid);
}

/* ---- objects --------------------------------------------------------- */

static toy_obj_t *
obj_find(objset_t *os, uint64_t object)
{
	toy_obj_t key = {.to_object = object};
	return (avl_find(&os->os_objs, &key, NULL));
}

static void
set_hole(toy_buf_t *tb, bool hole)
{
	if (tb->tb_hole != hole && tb->tb_blkid < TOY_SPILL)
		tb->tb_obj->to_used += hole ? -tb->tb_db.db_size : tb->tb_db.db_size;
	tb->tb_hole = hole;
}

static toy_buf_t *
buf_get(toy_obj_t *o, uint64_t blkid, bool create)
{
	toy_buf_t key = {.tb_blkid = blkid};
	toy_buf_t *tb = avl_find(&o->to_bufs, &key, NULL);
	if (tb == NULL && create) {
		const uint64_t size =
		    blkid == TOY_BONUS ? (uint64_t)o->to_bonuslen : o->to_blksz;
		tb = kmem_zalloc(sizeof(*tb), KM_SLEEP);
		tb->tb_obj = o;
		tb->tb_blkid = blkid;
		tb->tb_alloc =
		    blkid == TOY_BONUS ? (size_t)o->to_dnodesize - 192 : size;
		tb->tb_db.db_object = o->to_object;
		tb->tb_db.db_offset = blkid < TOY_SPILL ? blkid * o->to_blksz : 0;
		tb->tb_db.db_size = size;
		tb->tb_db.db_data = kmem_zalloc(tb->tb_alloc, KM_SLEEP);
		tb->tb_hole = true;
		avl_add(&o->to_bufs, tb);
	}
	return (tb);
}

static void
obj_make(objset_t *os, uint64_t object, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, int dnodesize)
{
	toy_obj_t *o = kmem_zalloc(sizeof(*o), KM_SLEEP);
	o->to_os = os;
	o->to_object = object;
	o->to_type = type;
	o->to_bonustype = bonustype;
	o->to_bonuslen = bonuslen;
	o->to_blksz =
	    blocksize == 0 ? 512 : (uint32_t)P2ROUNDUP((uint64_t)blocksize, 512);
	o->to_dnodesize = dnodesize == 0 ? 512 : dnodesize;
	avl_create(
	    &o->to_bufs, buf_cmp, sizeof(toy_buf_t), offsetof(toy_buf_t, tb_node));
	avl_add(&os->os_objs, o);
}

uint64_t
dmu_object_alloc_dnsize(objset_t *os, dmu_object_type_t type, int blocksize,
    int indirect_blockshift, dmu_object_type_t bonustype, int bonuslen, int dnodesize,
    dmu_tx_t *tx)
{
	VERIFY(tx->tx_txg != 0);
	mutex_enter(&os->os_lock);
	while (obj_find(os, os->os_next) != NULL)
		os->os_next++;
	const uint64_t object = os->os_next++;
	obj_make(os, object, type, blocksize, bonustype, bonuslen, dnodesize);
	mutex_exit(&os->os_lock);
	return (object);
}

uint64_t
dmu_object_alloc(objset_t *os, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, dmu_tx_t *tx)
{
	return (dmu_object_alloc_dnsize(
	    os, type, blocksize, 0, bonustype, bonuslen, 0, tx));
}

int
dmu_object_claim(objset_t *os, uint64_t object, dmu_object_type_t type, int blocksize,
    dmu_object_type_t bonustype, int bonuslen, int dnodesize, dmu_tx_t *tx)
{
	int err = 0;
	mutex_enter(&os->os_lock);
	if (obj_find(os, object) != NULL)
		err = EEXIST;
	else
		obj_make(os, object, type, blocksize, bonustype, bonuslen, dnodesize);
	mutex_exit(&os->os_lock);
	return (err);
}

int
dmu_object_free(objset_t *os, uint64_t object, dmu_tx_t *tx)
{
	VERIFY(tx->tx_txg != 0);
	tx_check(tx, object, TOY_BONUS, 0, 0);
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o != NULL) {
		avl_remove(&os->os_objs, o);
		o->to_dead = true;
		if (o->to_holds == 0)
			obj_free(o);
	}
	mutex_exit(&os->os_lock);
	return (o == NULL ? ENOENT : 0);
}

int
dmu_object_next(objset_t *os, uint64_t *objectp, bool hole, uint64_t txg)
{
	int err = ESRCH;
	mutex_enter(&os->os_lock);
	for (toy_obj_t *o = avl_first(&os->os_objs); o != NULL;
	     o = avl_next(&os->os_objs, o))
		if (o->to_object > *objectp) {
			*objectp = o->to_object;
			err = 0;
			break;
		}
	mutex_exit(&os->os_lock);
	return (err);
}

int
dmu_object_set_blocksize(
    objset_t *os, uint64_t object, uint64_t size, int ibs, dmu_tx_t *tx)
{
	int err = 0;
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o == NULL) {
		err = ENOENT;
	} else if (o->to_maxblkid > 0) {
		err = ENOTSUP;
	} else if (size != o->to_blksz) {
		toy_buf_t *tb = buf_get(o, 0, true);
		void *n = kmem_zalloc(size, KM_SLEEP);
		memcpy(n, tb->tb_db.db_data, MIN(size, tb->tb_db.db_size));
		kmem_free(tb->tb_db.db_data, tb->tb_alloc);
		tb->tb_db.db_data = n;
		tb->tb_db.db_size = tb->tb_alloc = size;
		if (!tb->tb_hole)
			o->to_used += size - o->to_blksz;
		o->to_blksz = (uint32_t)size;
		VERIFY(IS_P2ALIGNED(size, 512));
	}
	mutex_exit(&os->os_lock);
	return (err);
}

int
dmu_object_set_type(objset_t *os, uint64_t object, dmu_object_type_t type, dmu_tx_t *tx)
{
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o != NULL)
		o->to_type = type;
	mutex_exit(&os->os_lock);
	return (o == NULL ? ENOENT : 0);
}

static void
obj_info(toy_obj_t *o, dmu_object_info_t *doi)
{
	const uint64_t used = o->to_used;
	*doi = (dmu_object_info_t){.doi_data_block_size = o->to_blksz,
	    .doi_type = o->to_type,
	    .doi_bonus_type = o->to_bonustype,
	    .doi_bonus_size = (uint64_t)o->to_bonuslen,
	    .doi_dnodesize = (uint64_t)o->to_dnodesize,
	    .doi_indirection = 1,
	    .doi_nblkptr = 1,
	    .doi_physical_blocks_512 =
		(used + 256) / 512 + (uint64_t)o->to_dnodesize / 512,
	    .doi_max_offset = (o->to_maxblkid + 1) * o->to_blksz,
	    .doi_used_bytes = used,
	    .doi_maxblkid = o->to_maxblkid};
}

int
dmu_object_info(objset_t *os, uint64_t object, dmu_object_info_t *doi)
{
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o != NULL)
		obj_info(o, doi);
	mutex_exit(&os->os_lock);
	return (o == NULL ? ENOENT : 0);
}

void
dmu_object_info_from_db(dmu_buf_t *db, dmu_object_info_t *doi)
{
	toy_obj_t *o = ((toy_buf_t *)(void *)db)->tb_obj;
	mutex_enter(&o->to_os->os_lock);
	obj_info(o, doi);
	mutex_exit(&o->to_os->os_lock);
}

void
dmu_object_size_from_db(dmu_buf_t *db, uint32_t *blksize, uint64_t *nblk512)
{
	dmu_object_info_t doi;
	dmu_object_info_from_db(db, &doi);
	*blksize = doi.doi_data_block_size;
	*nblk512 = doi.doi_physical_blocks_512;
}

/* ---- buffers --------------------------------------------------------- */

static void
hold_locked(toy_buf_t *tb)
{
	tb->tb_holds++;
	tb->tb_obj->to_holds++;
}

/* Only what would have to be read can fail: no holes, nothing changed in this txg. */
static bool
must_fail(objset_t *os, const toy_buf_t *tb)
{
	return (os->os_fail_reads > 0 && tb->tb_blkid < TOY_SPILL && !tb->tb_hole &&
		tb->tb_dirty_txg != os->os_txg &&
		++os->os_fail_reads_count % os->os_fail_reads == 0);
}

static int
hold(objset_t *os, uint64_t object, uint64_t blkid_or_off, bool special, bool create,
    dmu_buf_t **dbp)
{
	int err = ENOENT;
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o != NULL) {
		const uint64_t blkid =
		    special ? blkid_or_off : blkid_or_off / o->to_blksz;
		toy_buf_t *tb = buf_get(o, blkid, create);
		if (tb == NULL) {
			err = ENOENT;
		} else if (must_fail(os, tb)) {
			err = os->os_fail_reads_err;
		} else {
			hold_locked(tb);
			*dbp = &tb->tb_db;
			err = 0;
		}
	}
	mutex_exit(&os->os_lock);
	return (err);
}

int
dmu_buf_hold(objset_t *os, uint64_t object, uint64_t offset, const void *tag,
    dmu_buf_t **dbp, int flags)
{
	return (hold(os, object, offset, false, true, dbp));
}

int
dmu_bonus_hold(objset_t *os, uint64_t object, const void *tag, dmu_buf_t **dbp)
{
	return (hold(os, object, TOY_BONUS, true, true, dbp));
}

int
dmu_spill_hold(dmu_buf_t *bonus, const void *tag, dmu_buf_t **dbp)
{
	objset_t *os = dmu_buf_get_objset(bonus);
	return (hold(os, bonus->db_object, TOY_SPILL, true, false, dbp));
}

int
dmu_spill_hold_create(
    dmu_buf_t *bonus, uint64_t size, const void *tag, dmu_tx_t *tx, dmu_buf_t **dbp)
{
	toy_obj_t *o = ((toy_buf_t *)(void *)bonus)->tb_obj;
	objset_t *os = o->to_os;
	VERIFY(size >= 512 && IS_P2ALIGNED(size, 512) && size <= 131072);
	mutex_enter(&os->os_lock);
	toy_buf_t *tb = buf_get(o, TOY_SPILL, true);
	if (tb->tb_db.db_size < size || tb->tb_hole) {
		void *n = kmem_zalloc(size, KM_SLEEP);
		memcpy(n, tb->tb_db.db_data, MIN(size, tb->tb_db.db_size));
		kmem_free(tb->tb_db.db_data, tb->tb_alloc);
		tb->tb_db.db_data = n;
		tb->tb_db.db_size = tb->tb_alloc = size;
		tb->tb_hole = false;
	}
	hold_locked(tb);
	mutex_exit(&os->os_lock);
	*dbp = &tb->tb_db;
	return (0);
}

int
dmu_spill_remove(dmu_buf_t *bonus, dmu_tx_t *tx)
{
	toy_obj_t *o = ((toy_buf_t *)(void *)bonus)->tb_obj;
	mutex_enter(&o->to_os->os_lock);
	toy_buf_t *tb = buf_get(o, TOY_SPILL, false);
	if (tb != NULL) {
		VERIFY0(tb->tb_holds);
		avl_remove(&o->to_bufs, tb);
		buf_free(tb);
	}
	mutex_exit(&o->to_os->os_lock);
	return (tb == NULL ? ENOENT : 0);
}

int
dmu_set_bonus(dmu_buf_t *bonus, int newsize, dmu_tx_t *tx)
{
	toy_obj_t *o = ((toy_buf_t *)(void *)bonus)->tb_obj;
	if (newsize < 0 || newsize > o->to_dnodesize - 192)
		return (EINVAL);
	dmu_buf_will_dirty(bonus, tx);
	if ((uint64_t)newsize < bonus->db_size)
		memset((char *)bonus->db_data + newsize, 0,
		    bonus->db_size - (uint64_t)newsize);
	bonus->db_size = (uint64_t)newsize;
	o->to_bonuslen = newsize;
	return (0);
}

int
dmu_set_bonustype(dmu_buf_t *bonus, dmu_object_type_t type, dmu_tx_t *tx)
{
	((toy_buf_t *)(void *)bonus)->tb_obj->to_bonustype = type;
	return (0);
}

dmu_object_type_t
dmu_get_bonustype(dmu_buf_t *bonus)
{
	return (((toy_buf_t *)(void *)bonus)->tb_obj->to_bonustype);
}

int
dmu_bonus_max(dmu_buf_t *bonus)
{
	return (((toy_buf_t *)(void *)bonus)->tb_obj->to_dnodesize - 192);
}

int
dmu_buf_hold_array(objset_t *os, uint64_t object, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp)
{
	dmu_object_info_t doi;
	int err = dmu_object_info(os, object, &doi);
	if (err != 0)
		return (err);
	const uint64_t bs = doi.doi_data_block_size, first = offset / bs;
	const int n = (int)((offset + length + bs - 1) / bs - first);
	dmu_buf_t **a = kmem_zalloc((size_t)n * sizeof(*a), KM_SLEEP);
	for (int i = 0; i < n && err == 0; i++)
		err =
		    dmu_buf_hold(os, object, (first + (uint64_t)i) * bs, tag, &a[i], 0);
	if (err != 0) {
		dmu_buf_rele_array(a, n, tag);
		return (err);
	}
	*numbufsp = n;
	*dbpp = a;
	return (0);
}

int
dmu_buf_hold_array_by_bonus(dmu_buf_t *bonus, uint64_t offset, uint64_t length,
    bool read, const void *tag, int *numbufsp, dmu_buf_t ***dbpp)
{
	return (dmu_buf_hold_array(dmu_buf_get_objset(bonus), bonus->db_object, offset,
	    length, read, tag, numbufsp, dbpp));
}

void
dmu_buf_rele_array(dmu_buf_t **dbp, int numbufs, const void *tag)
{
	for (int i = 0; i < numbufs; i++)
		if (dbp[i] != NULL)
			dmu_buf_rele(dbp[i], tag);
	kmem_free(dbp, (size_t)numbufs * sizeof(*dbp));
}

void
dmu_buf_add_ref(dmu_buf_t *db, const void *tag)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	mutex_enter(&tb->tb_obj->to_os->os_lock);
	VERIFY(tb->tb_holds > 0);
	hold_locked(tb);
	mutex_exit(&tb->tb_obj->to_os->os_lock);
}

void
dmu_buf_rele(dmu_buf_t *db, const void *tag)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	toy_obj_t *o = tb->tb_obj;
	objset_t *os = o->to_os;
	mutex_enter(&os->os_lock);
	VERIFY(tb->tb_holds > 0);
	o->to_holds--;
	if (--tb->tb_holds == 0 && rnd(os) % 64 == 0)
		drop_user(tb);
	if (o->to_dead && o->to_holds == 0)
		obj_free(o);
	mutex_exit(&os->os_lock);
}

void
dmu_buf_will_dirty(dmu_buf_t *db, dmu_tx_t *tx)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	objset_t *os = tb->tb_obj->to_os;
	mutex_enter(&os->os_lock);
	VERIFY(tx->tx_txg != 0 && tb->tb_holds > 0);
	if (!tb->tb_obj->to_dead)
		tx_check(tx, db->db_object, tb->tb_blkid, db->db_offset,
		    db->db_offset + db->db_size);
	if (tb->tb_dirty_txg != tx->tx_txg) {
		/* the old version belongs to the txg that is being written */
		void *n = kmem_alloc(tb->tb_alloc, KM_SLEEP);
		memcpy(n, db->db_data, tb->tb_alloc);
		memset(db->db_data, 0xd1, tb->tb_alloc);
		kmem_free(db->db_data, tb->tb_alloc);
		db->db_data = n;
		tb->tb_dirty_txg = tx->tx_txg;
	}
	set_hole(tb, false);
	if (tb->tb_blkid < TOY_SPILL)
		tb->tb_obj->to_maxblkid = MAX(tb->tb_obj->to_maxblkid, tb->tb_blkid);
	mutex_exit(&os->os_lock);
}

void
dmu_buf_will_fill(dmu_buf_t *db, dmu_tx_t *tx)
{
	dmu_buf_will_dirty(db, tx);
}
void
dmu_buf_fill_done(dmu_buf_t *db, dmu_tx_t *tx)
{
}

dmu_buf_user_t *
dmu_buf_set_user(dmu_buf_t *db, dmu_buf_user_t *user)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	mutex_enter(&tb->tb_obj->to_os->os_lock);
	dmu_buf_user_t *old = tb->tb_user;
	if (old == NULL)
		tb->tb_user = user;
	mutex_exit(&tb->tb_obj->to_os->os_lock);
	return (old);
}

dmu_buf_user_t *
dmu_buf_get_user(dmu_buf_t *db)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	mutex_enter(&tb->tb_obj->to_os->os_lock);
	dmu_buf_user_t *u = tb->tb_user;
	mutex_exit(&tb->tb_obj->to_os->os_lock);
	return (u);
}

dmu_buf_user_t *
dmu_buf_remove_user(dmu_buf_t *db, dmu_buf_user_t *user)
{
	toy_buf_t *tb = (toy_buf_t *)(void *)db;
	mutex_enter(&tb->tb_obj->to_os->os_lock);
	dmu_buf_user_t *u = tb->tb_user;
	if (u == user)
		tb->tb_user = NULL;
	mutex_exit(&tb->tb_obj->to_os->os_lock);
	return (u == user ? u : NULL);
}

objset_t *
dmu_buf_get_objset(dmu_buf_t *db)
{
	return (((toy_buf_t *)(void *)db)->tb_obj->to_os);
}

/* ---- data ------------------------------------------------------------ */

int
dmu_read(
    objset_t *os, uint64_t object, uint64_t offset, uint64_t size, void *buf, int flags)
{
	while (size > 0) {
		dmu_buf_t *db;
		int err = dmu_buf_hold(os, object, offset, NULL, &db, flags);
		if (err != 0)
			return (err);
		const uint64_t in = offset % db->db_size,
			       n = MIN(size, db->db_size - in);
		memcpy(buf, (char *)db->db_data + in, n);
		dmu_buf_rele(db, NULL);
		buf = (char *)buf + n;
		offset += n;
		size -= n;
	}
	return (0);
}

int
dmu_read_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, void *buf, int flags)
{
	return (dmu_read(
	    dmu_buf_get_objset(bonus), bonus->db_object, offset, size, buf, flags));
}

int
dmu_write(objset_t *os, uint64_t object, uint64_t offset, uint64_t size,
    const void *buf, dmu_tx_t *tx)
{
	while (size > 0) {
		dmu_buf_t *db;
		int err = dmu_buf_hold(os, object, offset, NULL, &db, 0);
		if (err != 0)
			return (err);
		const uint64_t in = offset % db->db_size,
			       n = MIN(size, db->db_size - in);
		dmu_buf_will_dirty(db, tx);
		memcpy((char *)db->db_data + in, buf, n);
		dmu_buf_rele(db, NULL);
		buf = (const char *)buf + n;
		offset += n;
		size -= n;
	}
	return (0);
}

int
dmu_write_by_bonus(
    dmu_buf_t *bonus, uint64_t offset, uint64_t size, const void *buf, dmu_tx_t *tx)
{
	return (dmu_write(
	    dmu_buf_get_objset(bonus), bonus->db_object, offset, size, buf, tx));
}

int
dmu_free_range(
    objset_t *os, uint64_t object, uint64_t offset, uint64_t size, dmu_tx_t *tx)
{
	VERIFY(tx == NULL || tx->tx_txg != 0);
	if (tx != NULL)
		tx_check(tx, object, TOY_BONUS, 0, 0);
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	if (o == NULL) {
		mutex_exit(&os->os_lock);
		return (ENOENT);
	}
	const uint64_t end =
	    size > DMU_OBJECT_END - offset ? DMU_OBJECT_END : offset + size;
	toy_buf_t *next;
	for (toy_buf_t *tb = avl_first(&o->to_bufs); tb != NULL; tb = next) {
		next = avl_next(&o->to_bufs, tb);
		if (tb->tb_blkid >= TOY_SPILL)
			continue;
		const uint64_t bs = tb->tb_blkid * o->to_blksz, be = bs + o->to_blksz;
		const uint64_t s = MAX(bs, offset), e = MIN(be, end);
		if (s >= e)
			continue;
		memset((char *)tb->tb_db.db_data + (s - bs), 0, e - s);
		if (s == bs && e == be)
			set_hole(tb, true);
	}
	mutex_exit(&os->os_lock);
	return (0);
}

int
dmu_free_long_range(objset_t *os, uint64_t object, uint64_t offset, uint64_t size)
{
	return (dmu_free_range(os, object, offset, size, NULL));
}

void
dmu_prefetch(objset_t *os, uint64_t object, uint64_t offset, uint64_t len)
{
}
void
dmu_prefetch_dnode(objset_t *os, uint64_t object)
{
}

int
dmu_offset_next(objset_t *os, uint64_t object, bool hole, uint64_t *off)
{
	int err = ESRCH;
	mutex_enter(&os->os_lock);
	toy_obj_t *o = obj_find(os, object);
	for (uint64_t b = *off / o->to_blksz; b <= o->to_maxblkid; b++) {
		toy_buf_t *tb = buf_get(o, b, false);
		const bool is_hole = tb == NULL || tb->tb_hole;
		if (is_hole == hole) {
			*off = MAX(*off, b * o->to_blksz);
			err = 0;
			break;
		}
	}
	mutex_exit(&os->os_lock);
	return (err);
}

/* ---- for tests ------------------------------------------------------- */

void
toy_poke(objset_t *os, uint64_t object, uint64_t off, const void *data, size_t len)
{
	dmu_buf_t *db;
	VERIFY0(dmu_buf_hold(os, object, off, NULL, &db, 0));
	memcpy((char *)db->db_data + off % db->db_size, data, len);
	dmu_buf_rele(db, NULL);
}

void
toy_load_object(objset_t *os, uint64_t object, dmu_object_type_t type, int blocksize,
    const void *data, uint64_t size)
{
	mutex_enter(&os->os_lock);
	VERIFY(obj_find(os, object) == NULL);
	obj_make(os, object, type, blocksize, 0, 0, 0);
	toy_obj_t *o = obj_find(os, object);
	for (uint64_t off = 0; off < size; off += (uint64_t)blocksize) {
		toy_buf_t *tb = buf_get(o, off / (uint64_t)blocksize, true);
		memcpy(tb->tb_db.db_data, (const char *)data + off,
		    MIN((uint64_t)blocksize, size - off));
		set_hole(tb, false);
		o->to_maxblkid = MAX(o->to_maxblkid, tb->tb_blkid);
	}
	mutex_exit(&os->os_lock);
}

/* Everything is on disk at once. */
void
txg_wait_synced(spa_t *spa, uint64_t txg)
{
}
