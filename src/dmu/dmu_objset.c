/*
 * Object sets in memory: opening, creating, closing, user accounting.
 */
#include "dmu/dmu_impl.h"

/* ---- life ---------------------------------------------------------------- */

static objset_t *
objset_alloc(spa_t *spa, uint64_t dsobj, const objset_ops_t *ops, void *dsl_private)
{
	objset_t *os = kmem_zalloc(sizeof(*os), KM_SLEEP);

	os->os_spa = spa;
	os->os_dsobj = dsobj;
	os->os_ops = ops;
	os->os_private = dsl_private;
	os->os_phys = kmem_zalloc(sizeof(objset_phys_t), KM_SLEEP);
	os->os_props.op_copies = 1;
	os->os_props.op_checksum = ZIO_CHECKSUM_ON;
	os->os_props.op_compress = ZIO_COMPRESS_ON;
	os->os_props.op_primarycache = ZFS_CACHE_ALL;
	os->os_props.op_recordsize = SPA_OLD_MAXBLOCKSIZE;
	os->os_props.op_dnodesize = DNODE_MIN_SIZE;
	mutex_init(&os->os_lock);
	mutex_init(&os->os_obj_lock);
	mutex_init(&os->os_kill_lock);
	list_create(&os->os_dnodes, sizeof(dnode_t), offsetof(dnode_t, dn_link));
	for (int t = 0; t < TXG_SIZE; t++)
		list_create(&os->os_dirty_dnodes[t], sizeof(dnode_t),
		    offsetof(dnode_t, dn_dirty_link) + t * sizeof(list_node_t));
	os->os_nchunks = spl_ncpus();
	os->os_chunk =
	    kmem_zalloc((size_t)os->os_nchunks * sizeof(os_alloc_chunk_t), KM_SLEEP);
	for (int i = 0; i < os->os_nchunks; i++)
		mutex_init(&os->os_chunk[i].oc_lock);
	return (os);
}

static void
objset_free(objset_t *os)
{
	for (int i = 0; i < os->os_nchunks; i++)
		mutex_destroy(&os->os_chunk[i].oc_lock);
	kmem_free(os->os_chunk, (size_t)os->os_nchunks * sizeof(os_alloc_chunk_t));
	for (int t = 0; t < TXG_SIZE; t++)
		list_destroy(&os->os_dirty_dnodes[t]);
	list_destroy(&os->os_dnodes);
	mutex_destroy(&os->os_kill_lock);
	mutex_destroy(&os->os_obj_lock);
	mutex_destroy(&os->os_lock);
	kmem_free(os->os_phys, sizeof(objset_phys_t));
	kmem_free(os, sizeof(*os));
}

/* The header's dnodes are hostile until looked at: absent (type 0) or sane. */
static int
objset_check_phys(objset_phys_t *osp)
{
	const dnode_phys_t *mdn = &osp->os_meta_dnode;
	const dnode_phys_t *acct[3] = {&osp->os_userused_dnode,
	    &osp->os_groupused_dnode, &osp->os_projectused_dnode};

	if (mdn->dn_type != DMU_OT_DNODE || dnode_phys_verify(mdn) != 0 ||
	    dnode_phys_datablksz(mdn) != DNODE_BLOCK_SIZE || mdn->dn_extra_slots != 0)
		return (EINVAL);
	for (int i = 0; i < 3; i++) {
		if (acct[i]->dn_type != DMU_OT_NONE &&
		    (dnode_phys_verify(acct[i]) != 0 || acct[i]->dn_extra_slots != 0))
			return (EINVAL);
	}
	return (0);
}

static void
objset_specials_create(objset_t *os)
{
	objset_phys_t *osp = os->os_phys;

	os->os_mdn =
	    dnode_special_create(os, DMU_META_DNODE_OBJECT, &osp->os_meta_dnode);
	os->os_acct[0] =
	    dnode_special_create(os, DMU_USERUSED_OBJECT, &osp->os_userused_dnode);
	os->os_acct[1] =
	    dnode_special_create(os, DMU_GROUPUSED_OBJECT, &osp->os_groupused_dnode);
	os->os_acct[2] = dnode_special_create(
	    os, DMU_PROJECTUSED_OBJECT, &osp->os_projectused_dnode);
}

static void
objset_specials_destroy(objset_t *os)
{
	for (int i = 0; i < 3; i++)
		dnode_special_destroy(os->os_acct[i]);
	dnode_special_destroy(os->os_mdn);
}

/* Read and check the header block. */
static int
objset_read_phys(objset_t *os)
{
	zbookmark_phys_t zb;
	arc_buf_t *buf;
	int error;

	if (BP_GET_TYPE(&os->os_rootbp) != DMU_OT_OBJSET ||
	    BP_GET_LEVEL(&os->os_rootbp) != 0)
		return (EINVAL);
	SET_BOOKMARK(&zb, os->os_dsobj, DMU_META_DNODE_OBJECT, ZB_ROOT_LEVEL, 0);
	error = arc_read_wait(os->os_spa, &os->os_rootbp, ZIO_PRIORITY_SYNC_READ,
	    ZIO_FLAG_CANFAIL, 0, &zb, &buf);
	if (error != 0)
		return (error);
	error = objset_phys_decode(buf->b_data, buf->b_size, os->os_phys);
	if (error == 0)
		error = objset_check_phys(os->os_phys);
	os->os_phys_size = MIN(buf->b_size, (uint64_t)OBJSET_PHYS_SIZE_V3);
	arc_buf_rele(buf);
	return (error == 0 ? 0 : EINVAL);
}

int
dmu_objset_open_impl(spa_t *spa, uint64_t dsobj, const blkptr_t *bp,
    const objset_ops_t *ops, void *dsl_private, objset_t **osp)
{
	objset_t *os = objset_alloc(spa, dsobj, ops, dsl_private);
	int error;

	if (bp != NULL && !BP_IS_HOLE(bp)) {
		os->os_rootbp = *bp;
		if ((error = objset_read_phys(os)) != 0) {
			objset_free(os);
			return (error);
		}
	}
	objset_specials_create(os);
	*osp = os;
	return (0);
}

void
dmu_objset_create_impl(objset_t *os, dmu_objset_type_t type, dmu_tx_t *tx)
{
	dnode_phys_t *mdn = &os->os_phys->os_meta_dnode;

	objset_specials_destroy(os);
	memset(os->os_phys, 0, sizeof(*os->os_phys));
	os->os_phys->os_type = type;
	os->os_phys_size =
	    os->os_spa->spa_version >= 15 ? OBJSET_PHYS_SIZE_V3 : OBJSET_PHYS_SIZE_V1;
	mdn->dn_type = DMU_OT_DNODE;
	mdn->dn_indblkshift = DN_DEFAULT_INDBLKSHIFT;
	mdn->dn_nlevels = 1;
	mdn->dn_nblkptr = DNODE_MAX_NBLKPTR;
	mdn->dn_datablkszsec = DNODE_BLOCK_SIZE >> SPA_MINBLOCKSHIFT;
	/*
	 * All levels it can ever need, so that its shape never changes (format/02
	 * §1.8). The MOS stays small and starts flat.
	 */
	while (!dmu_objset_is_mos(os) &&
	       dnode_capacity(mdn->dn_nblkptr, dnode_phys_epbs(mdn), mdn->dn_nlevels) <
		   DN_MAX_OBJECT >> DNODES_PER_BLOCK_SHIFT)
		mdn->dn_nlevels++;
	objset_specials_create(os);
	os->os_obj_next = 0;
	for (int i = 0; i < os->os_nchunks; i++)
		os->os_chunk[i].oc_next = os->os_chunk[i].oc_end = 0;
	dnode_setdirty(os->os_mdn, tx);
}

#define CLOSE_TRIES 10000 /* of 1 ms */

int
dmu_objset_evict(objset_t *os)
{
	bool busy = false;

	dbuf_evict_objset(os);
	mutex_enter(&os->os_lock);
	for (dnode_t *dn = list_head(&os->os_dnodes); dn != NULL;
	     dn = list_next(&os->os_dnodes, dn)) {
		mutex_enter(&dn->dn_dbufs_mtx);
		busy |= !dn_is_special(dn) || !avl_is_empty(&dn->dn_dbufs);
		mutex_exit(&dn->dn_dbufs_mtx);
	}
	mutex_exit(&os->os_lock);
	return (busy ? EBUSY : 0);
}

void
dmu_objset_close_impl(objset_t *os)
{
	/* Reads ahead of anybody's need may still be under way: they hold what they
	 * fill. */
	for (int i = 0; i < CLOSE_TRIES && dmu_objset_evict(os) != 0; i++)
		spl_delay(MSEC2NSEC(1));
	VERIFY0(dmu_objset_evict(os));
	objset_specials_destroy(os);
	if (os->os_changes != NULL)
		kmem_free(
		    os->os_changes, os->os_changes_max * sizeof(dmu_acct_change_t));
	objset_free(os);
}

/* ---- accessors ----------------------------------------------------------- */

spa_t *
dmu_objset_spa(objset_t *os)
{
	return (os->os_spa);
}

void *
dmu_objset_private(objset_t *os)
{
	return (os->os_private);
}

uint64_t
dmu_objset_id(objset_t *os)
{
	return (os->os_dsobj);
}

dmu_objset_type_t
dmu_objset_type(objset_t *os)
{
	return ((dmu_objset_type_t)os->os_phys->os_type);
}

objset_props_t *
dmu_objset_props(objset_t *os)
{
	return (&os->os_props);
}

bool
dmu_objset_is_mos(objset_t *os)
{
	return (os->os_dsobj == 0);
}

void
dmu_objset_set_readonly(objset_t *os, bool ro)
{
	__atomic_store_n(&os->os_readonly, ro, __ATOMIC_RELAXED);
}

void
dmu_objset_set_user(objset_t *os, void *ptr)
{
	__atomic_store_n(&os->os_user, ptr, __ATOMIC_RELEASE);
}

void *
dmu_objset_get_user(objset_t *os)
{
	return (__atomic_load_n(&os->os_user, __ATOMIC_ACQUIRE));
}

const blkptr_t *
dmu_objset_rootbp(objset_t *os)
{
	return (&os->os_rootbp);
}

objset_phys_t *
dmu_objset_phys(objset_t *os)
{
	return (os->os_phys);
}

uint64_t
dmu_objset_phys_size(objset_t *os)
{
	return (os->os_phys_size);
}

uint64_t
dmu_objset_fill(objset_t *os)
{
	return (BP_IS_HOLE(&os->os_rootbp) ? 0 : BP_GET_FILL(&os->os_rootbp));
}

uint64_t
dmu_objset_features_seen(objset_t *os)
{
	return (__atomic_load_n(&os->os_features, __ATOMIC_RELAXED));
}

uint64_t
objset_phys_size(objset_t *os)
{
	spa_t *spa = os->os_spa;

	if (spa->spa_version < 15)
		return (OBJSET_PHYS_SIZE_V1);
	return (spa_feature_is_enabled(spa, SPA_FEATURE_PROJECT_QUOTA)
		    ? OBJSET_PHYS_SIZE_V3
		    : OBJSET_PHYS_SIZE_V2);
}

/* ---- dirty --------------------------------------------------------------- */

void
dmu_objset_setdirty(objset_t *os, dmu_tx_t *tx)
{
	const int t = tx->tx_txg & TXG_MASK;

	if (__atomic_load_n(&os->os_dirty[t], __ATOMIC_ACQUIRE))
		return;
	mutex_enter(&os->os_lock);
	const bool first = !os->os_dirty[t];
	__atomic_store_n(&os->os_dirty[t], true, __ATOMIC_RELEASE);
	mutex_exit(&os->os_lock);
	if (first && os->os_ops != NULL && os->os_ops->oso_dirty != NULL)
		os->os_ops->oso_dirty(os, tx);
}

void
dmu_objset_dirty(objset_t *os, dmu_tx_t *tx)
{
	dmu_objset_setdirty(os, tx);
}

bool
dmu_objset_is_dirty(objset_t *os, uint64_t txg)
{
	return (__atomic_load_n(&os->os_dirty[txg & TXG_MASK], __ATOMIC_ACQUIRE));
}
