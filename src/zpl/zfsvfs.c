/*
 * A mounted file system: opening its master node and tables, the gate through which all
 * operations pass, options, waiting for the disk (format/04 §1.1, §1.2, §6.8).
 */
#include "zpl/zpl_impl.h"
#include "spa/txg.h"

const zpl_cred_t zpl_root_cred = {.privileged = true};

/* ---- the gate -------------------------------------------------------- */

/*
 * Entering costs one atomic increment. Whoever closes the gate sets zv_closed first and
 * then looks at zv_active; whoever enters increments first and then looks at zv_closed;
 * so one of them sees the other. Leaving is a decrement and nothing else, since the
 * mount may be freed right after it; so the closer, who comes seldom, polls.
 */
#define GATE_POLL (SEC2NSEC(1) / 5000)

static void
gate_leave(zfsvfs_t *zv)
{
	__atomic_sub_fetch(&zv->zv_active, 1, __ATOMIC_SEQ_CST);
}

static void
gate_enter(zfsvfs_t *zv)
{
	for (;;) {
		__atomic_add_fetch(&zv->zv_active, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&zv->zv_closed, __ATOMIC_SEQ_CST))
			return;
		gate_leave(zv);
		mutex_enter(&zv->zv_gate_lock);
		while (__atomic_load_n(&zv->zv_closed, __ATOMIC_SEQ_CST))
			cv_wait(&zv->zv_gate_cv, &zv->zv_gate_lock);
		mutex_exit(&zv->zv_gate_lock);
	}
}

static void
gate_close(zfsvfs_t *zv)
{
	__atomic_store_n(&zv->zv_closed, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&zv->zv_active, __ATOMIC_SEQ_CST) != 0)
		spl_delay(GATE_POLL);
}

static void
gate_open(zfsvfs_t *zv)
{
	mutex_enter(&zv->zv_gate_lock);
	__atomic_store_n(&zv->zv_closed, false, __ATOMIC_SEQ_CST);
	cv_broadcast(&zv->zv_gate_cv);
	mutex_exit(&zv->zv_gate_lock);
}

int
zpl_enter(zfsvfs_t *zv, znode_t *zp)
{
	gate_enter(zv);
	/* both change only while the gate is closed */
	const int err = zv->zv_dead ? EIO : zp != NULL && zp->z_stale ? ESTALE : 0;
	if (err != 0)
		gate_leave(zv);
	return (err);
}

int
zpl_enter_write(zfsvfs_t *zv, znode_t *zp)
{
	int err = zpl_enter(zv, zp);
	if (err == 0 && zpl_readonly(zv)) {
		zpl_exit(zv);
		err = EROFS;
	}
	return (err);
}

void
zpl_exit(zfsvfs_t *zv)
{
	gate_leave(zv);
}

/* ---- options --------------------------------------------------------- */

void
zpl_opts_default(zpl_opts_t *zo)
{
	*zo = (zpl_opts_t){.zo_atime = true,
	    .zo_relatime = true,
	    .zo_xattr = ZPL_XATTR_SA,
	    .zo_aclmode = ZPL_ACLM_DISCARD,
	    .zo_aclinherit = ZPL_ACLI_RESTRICTED};
}

/*
 * Every operation looks at the options, hardly any changes them: they are kept packed
 * in one word, read and written at once without a lock.
 */
static uint64_t
pack_opts(const zpl_opts_t *zo)
{
	const bool bits[] = {zo->zo_readonly, zo->zo_atime, zo->zo_relatime,
	    zo->zo_longname, zo->zo_ctldir, zo->zo_ctldir_visible, zo->zo_sync_always,
	    zo->zo_sync_disabled};
	uint64_t w = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		w |= (uint64_t)bits[i] << i;
	return (w | (uint64_t)zo->zo_xattr << 8 | (uint64_t)zo->zo_acltype << 16 |
		(uint64_t)zo->zo_aclmode << 24 | (uint64_t)zo->zo_aclinherit << 32);
}

zpl_opts_t
zpl_opts_now(zfsvfs_t *zv)
{
	const uint64_t w = __atomic_load_n(&zv->zv_opts, __ATOMIC_ACQUIRE);
	return ((zpl_opts_t){.zo_readonly = w & 1,
	    .zo_atime = w >> 1 & 1,
	    .zo_relatime = w >> 2 & 1,
	    .zo_longname = w >> 3 & 1,
	    .zo_ctldir = w >> 4 & 1,
	    .zo_ctldir_visible = w >> 5 & 1,
	    .zo_sync_always = w >> 6 & 1,
	    .zo_sync_disabled = w >> 7 & 1,
	    .zo_xattr = (zpl_xattr_mode_t)(w >> 8 & 0xff),
	    .zo_acltype = (zpl_acltype_t)(w >> 16 & 0xff),
	    .zo_aclmode = (uint8_t)(w >> 24),
	    .zo_aclinherit = (uint8_t)(w >> 32)});
}

void
zpl_opts_store(zfsvfs_t *zv, const zpl_opts_t *opts)
{
	__atomic_store_n(&zv->zv_opts, pack_opts(opts), __ATOMIC_RELEASE);
}

void
zpl_set_opts(zfsvfs_t *zv, const zpl_opts_t *opts)
{
	const bool was_readonly = zpl_readonly(zv);
	zpl_opts_store(zv, opts);
	if (was_readonly && !opts->zo_readonly)
		zpl_drain_start(zv);
}

void
zpl_get_opts(zfsvfs_t *zv, zpl_opts_t *opts)
{
	*opts = zpl_opts_now(zv);
}

bool
zpl_readonly(zfsvfs_t *zv)
{
	return (zpl_opts_now(zv).zo_readonly);
}

objset_t *
zpl_objset(zfsvfs_t *zv)
{
	return (zv->zv_os);
}

uint64_t
zpl_version(zfsvfs_t *zv)
{
	return (zv->zv_version);
}

zpl_case_t
zpl_case(zfsvfs_t *zv)
{
	return (zv->zv_case);
}

uint64_t
zpl_znode_count(zfsvfs_t *zv)
{
	return (atomic_load_64(&zv->zv_nznodes));
}

/* ---- waiting for the disk -------------------------------------------- */

void
zpl_wait_txg(zfsvfs_t *zv, uint64_t txg)
{
	spa_t *spa = dmu_objset_spa(zv->zv_os);

	if (zv->zv_ops.zdo_wait_synced != NULL)
		zv->zv_ops.zdo_wait_synced(zv->zv_ops_arg, txg);
	else if (spa != NULL && (txg == 0 || spa_last_synced_txg(spa) < txg))
		txg_wait_synced(spa, txg);
}

void
zpl_maybe_wait(zfsvfs_t *zv, uint64_t txg)
{
	const zpl_opts_t zo = zpl_opts_now(zv);
	if (zo.zo_sync_always && !zo.zo_sync_disabled)
		zpl_wait_txg(zv, txg);
}

bool
zpl_settled(const znode_t *zp)
{
	return (__atomic_load_n(&zp->z_dirty_txg, __ATOMIC_RELAXED) <=
		spa_last_synced_txg(dmu_objset_spa(zp->z_zfsvfs->zv_os)));
}

int
zpl_fsync(znode_t *zp, bool datasync)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	const int err = zpl_enter(zv, zp);
	if (err != 0)
		return (err);
	const uint64_t txg = __atomic_load_n(&zp->z_dirty_txg, __ATOMIC_RELAXED);
	if (txg != 0 && !zpl_opts_now(zv).zo_sync_disabled)
		zpl_wait_txg(zv, txg);
	zpl_exit(zv);
	return (0);
}

int
zpl_sync(zfsvfs_t *zv, bool wait)
{
	const int err = zpl_enter(zv, NULL);
	if (err != 0)
		return (err);
	if (wait && !zpl_readonly(zv) && !zpl_opts_now(zv).zo_sync_disabled)
		zpl_wait_txg(zv, 0);
	zpl_exit(zv);
	return (0);
}

/* ---- opening --------------------------------------------------------- */

static int
master_get(objset_t *os, const char *name, uint64_t dflt, uint64_t *value)
{
	const int err = zap_lookup(os, ZPL_MASTER_NODE, name, 8, 1, value);
	if (err == ENOENT && dflt != UINT64_MAX) {
		*value = dflt;
		return (0);
	}
	return (err);
}

/*
 * New files get a PROJID: the feature is on and the object set counts projects (§5.1).
 */
bool
zpl_has_project_quota(objset_t *os)
{
	spa_t *spa = dmu_objset_spa(os);
	return (spa != NULL && spa_feature_is_enabled(spa, SPA_FEATURE_PROJECT_QUOTA) &&
		dmu_objset_phys_size(os) >= sizeof(objset_phys_t));
}

static int
read_master(zfsvfs_t *zv)
{
	objset_t *os = zv->zv_os;
	uint64_t norm = 0, cs = 0, sa = 0;
	int err = master_get(os, "VERSION", ZPL_VERSION_MAX, &zv->zv_version);
	if (err == 0 && (zv->zv_version > ZPL_VERSION_MAX || zv->zv_version == 0))
		err = ENOTSUP;
	if (err == 0)
		err = master_get(os, "normalization", 0, &norm);
	if (err == 0)
		err = master_get(os, "utf8only", 0, &zv->zv_utf8only);
	if (err == 0)
		err = master_get(os, "casesensitivity", 0, &cs);
	if (err == 0 && cs > ZPL_CASE_MIXED)
		err = EINVAL;
	if (err == 0)
		err = master_get(os, "ROOT", UINT64_MAX, &zv->zv_root);
	if (err == 0)
		err = master_get(os, "DELETE_QUEUE", UINT64_MAX, &zv->zv_unlinked);
	if (err == 0 && zv->zv_version >= ZPL_VERSION_SA)
		err = master_get(os, "SA_ATTRS", UINT64_MAX, &sa);
	if (err == 0)
		err = sa_os_open(os, sa, &zv->zv_sa);
	if (err != 0)
		return (err);
	zv->zv_case = (zpl_case_t)cs;
	zv->zv_norm = norm | (cs != ZPL_CASE_SENSITIVE ? ZAP_NORM_TOUPPER : 0);
	zv->zv_project = zv->zv_version >= ZPL_VERSION_SA && zpl_has_project_quota(os);
	return (zpl_quota_load(zv));
}

static int
znode_compare(const void *va, const void *vb)
{
	const znode_t *a = va, *b = vb;
	return (a->z_id < b->z_id ? -1 : a->z_id > b->z_id);
}

zfsvfs_t *
zfsvfs_alloc(objset_t *os)
{
	zfsvfs_t *zv = kmem_zalloc(sizeof(*zv), KM_SLEEP);
	zv->zv_os = os;
	mutex_init(&zv->zv_gate_lock);
	cv_init(&zv->zv_gate_cv);
	mutex_init(&zv->zv_rename_lock);
	for (int i = 0; i < ZPL_LOAD_LOCKS; i++)
		mutex_init(&zv->zv_load[i]);
	for (int i = 0; i < ZPL_BUCKETS; i++) {
		mutex_init(&zv->zv_buckets[i].zb_lock);
		avl_create(&zv->zv_buckets[i].zb_tree, znode_compare, sizeof(znode_t),
		    offsetof(znode_t, z_node));
	}
	return (zv);
}

void
zfsvfs_free(zfsvfs_t *zv)
{
	if (zv->zv_drain_tq != NULL)
		taskq_destroy(zv->zv_drain_tq);
	if (zv->zv_sa != NULL)
		sa_os_close(zv->zv_sa);
	for (int i = 0; i < ZPL_BUCKETS; i++) {
		avl_destroy(&zv->zv_buckets[i].zb_tree);
		mutex_destroy(&zv->zv_buckets[i].zb_lock);
	}
	for (int i = 0; i < ZPL_LOAD_LOCKS; i++)
		mutex_destroy(&zv->zv_load[i]);
	mutex_destroy(&zv->zv_rename_lock);
	cv_destroy(&zv->zv_gate_cv);
	mutex_destroy(&zv->zv_gate_lock);
	kmem_free(zv, sizeof(*zv));
}

int
zpl_mount(objset_t *os, const zpl_opts_t *opts, const zpl_dataset_ops_t *ops,
    void *ops_arg, zfsvfs_t **zfsvfsp)
{
	if (dmu_objset_type(os) != DMU_OST_ZFS)
		return (EINVAL);
	zfsvfs_t *zv = zfsvfs_alloc(os);
	zpl_opts_store(zv, opts);
	if (ops != NULL)
		zv->zv_ops = *ops;
	zv->zv_ops_arg = ops_arg;

	znode_t *root;
	int err = read_master(zv);
	if (err == 0)
		err = znode_get(zv, zv->zv_root, &root);
	if (err == 0) {
		if (!z_isdir(root))
			err = EIO;
		znode_rele(root);
	}
	if (err != 0) {
		zfsvfs_free(zv);
		return (err);
	}
	zv->zv_drain_tq = taskq_create("zpl_unlinked", 1);
	dmu_objset_set_user(os, zv);
	if (!opts->zo_readonly)
		zpl_drain_start(zv);
	*zfsvfsp = zv;
	return (0);
}

/* The buffers of all znodes still in memory go back to the dmu; they are of no use any
 * more. */
static void
detach_znodes(zfsvfs_t *zv)
{
	for (int i = 0; i < ZPL_BUCKETS; i++) {
		zpl_bucket_t *b = &zv->zv_buckets[i];
		mutex_enter(&b->zb_lock);
		for (znode_t *zp = avl_first(&b->zb_tree); zp != NULL;
		     zp = avl_next(&b->zb_tree, zp)) {
			znode_detach(zp);
			zp->z_stale = true;
		}
		mutex_exit(&b->zb_lock);
	}
}

int
zpl_unmount(zfsvfs_t *zv, bool force)
{
	__atomic_store_n(&zv->zv_drain_stop, true, __ATOMIC_RELAXED);
	taskq_wait(zv->zv_drain_tq);
	gate_close(zv);
	if (atomic_load_64(&zv->zv_nznodes) != 0 && !force) {
		__atomic_store_n(&zv->zv_drain_stop, false, __ATOMIC_RELAXED);
		gate_open(zv);
		return (EBUSY);
	}
	dmu_objset_set_user(zv->zv_os, NULL);
	detach_znodes(zv);
	zv->zv_dead = true;
	__atomic_store_n(&zv->zv_unmounted, true, __ATOMIC_SEQ_CST);
	if (atomic_load_64(&zv->zv_nznodes) == 0)
		zfsvfs_free(zv);
	else
		gate_open(zv);
	return (0);
}

/*
 * After a forced unmount the last znode takes the mount along. The lock is not inside
 * of it, so that nobody is left standing in freed memory.
 */
static void
rele_unmounted(zfsvfs_t *zv, znode_t *zp)
{
	static kmutex_t lock = MUTEX_INITIALIZER;

	mutex_enter(&lock);
	znode_rele(zp);
	const bool last = atomic_load_64(&zv->zv_nznodes) == 0;
	mutex_exit(&lock);
	if (last)
		zfsvfs_free(zv);
}

/* A hold given back from outside of an operation. */
void
zpl_rele(znode_t *zp)
{
	zfsvfs_t *zv = zp->z_zfsvfs;

	gate_enter(zv);
	if (!__atomic_load_n(&zv->zv_unmounted, __ATOMIC_SEQ_CST)) {
		znode_rele(zp);
		gate_leave(zv);
	} else {
		gate_leave(zv); /* our hold keeps zv */
		rele_unmounted(zv, zp);
	}
}

int
zpl_suspend(zfsvfs_t *zv)
{
	__atomic_store_n(&zv->zv_drain_stop, true, __ATOMIC_RELAXED);
	taskq_wait(zv->zv_drain_tq);
	gate_close(zv);
	/* no buffer may be held while the object set changes under us */
	for (int i = 0; i < ZPL_BUCKETS; i++) {
		zpl_bucket_t *b = &zv->zv_buckets[i];
		for (znode_t *zp = avl_first(&b->zb_tree); zp != NULL;
		     zp = avl_next(&b->zb_tree, zp))
			znode_detach(zp);
	}
	return (0);
}

int
zpl_resume(zfsvfs_t *zv, objset_t *os)
{
	int err = os == NULL ? EIO : 0;

	if (zv->zv_sa != NULL)
		sa_os_close(zv->zv_sa);
	zv->zv_sa = NULL;
	if (err == 0) {
		zv->zv_os = os;
		dmu_objset_set_user(os, zv);
		err = read_master(zv);
	}
	for (int i = 0; i < ZPL_BUCKETS; i++) {
		zpl_bucket_t *b = &zv->zv_buckets[i];
		for (znode_t *zp = avl_first(&b->zb_tree); zp != NULL;
		     zp = avl_next(&b->zb_tree, zp))
			if (err != 0 || znode_reattach(zp) != 0)
				zp->z_stale = true;
	}
	zv->zv_dead = err != 0;
	__atomic_store_n(&zv->zv_drain_stop, false, __ATOMIC_RELAXED);
	gate_open(zv);
	if (err == 0 && !zpl_readonly(zv))
		zpl_drain_start(zv);
	return (err);
}

/* ---- znodes ---------------------------------------------------------- */

int
zpl_root(zfsvfs_t *zv, znode_t **zpp)
{
	int err = zpl_enter(zv, NULL);
	if (err == 0) {
		err = znode_get(zv, zv->zv_root, zpp);
		zpl_exit(zv);
	}
	return (err);
}

int
zpl_get(zfsvfs_t *zv, uint64_t object, uint32_t gen, znode_t **zpp)
{
	znode_t *zp;
	int err = zpl_enter(zv, NULL);
	if (err != 0)
		return (err);
	err = znode_get(zv, object, &zp);
	if (err == 0) {
		rw_enter(&zp->z_lock, RW_READER);
		/* a handle whose generation would be 0 carries 1 (§6.9) */
		const uint32_t g = MAX((uint32_t)zp->z_gen, 1);
		if (zp->z_unlinked || z_isxattr(zp) || zp->z_stale)
			err = ENOENT;
		else if (gen != 0 && gen != g)
			err = ESTALE;
		rw_exit(&zp->z_lock);
		if (err == 0)
			*zpp = zp;
		else
			znode_rele(zp);
	}
	zpl_exit(zv);
	return (err == ENOENT && gen != 0 ? ESTALE : err);
}

void
zpl_hold(znode_t *zp)
{
	znode_hold(zp);
}

uint64_t
zpl_object(const znode_t *zp)
{
	return (zp->z_id);
}

uint32_t
zpl_gen(const znode_t *zp)
{
	return ((uint32_t)zp->z_gen);
}

uint32_t
zpl_type(const znode_t *zp)
{
	return (zp->z_type);
}

zfsvfs_t *
zpl_zfsvfs(const znode_t *zp)
{
	return (zp->z_zfsvfs);
}

/* ---- space ----------------------------------------------------------- */

int
zpl_statfs(zfsvfs_t *zv, znode_t *dzp, zpl_statfs_t *zs)
{
	uint64_t refd = 0, avail = 0, usedobjs = 0, availobjs = 0;
	int err = zpl_enter(zv, dzp);
	if (err != 0)
		return (err);
	const uint64_t r = MAX(dmu_objset_props(zv->zv_os)->op_recordsize, 512);
	if (zv->zv_ops.zdo_space != NULL)
		zv->zv_ops.zdo_space(
		    zv->zv_ops_arg, &refd, &avail, &usedobjs, &availobjs);
	else
		usedobjs = dmu_objset_fill(zv->zv_os);
	/* §6.8 */
	*zs = (zpl_statfs_t){.zs_bsize = (uint32_t)r,
	    .zs_blocks = (P2ROUNDUP(refd, r) + avail) / r,
	    .zs_bfree = avail / r,
	    .zs_ffree =
		MIN(availobjs != 0 ? availobjs : (1ULL << 48) - usedobjs, avail / 512),
	    .zs_namelen = zpl_opts_now(zv).zo_longname ? 1023 : 255};
	zs->zs_files = zs->zs_ffree + usedobjs;
	if (zv->zv_ops.zdo_fsid != NULL)
		zs->zs_fsid = zv->zv_ops.zdo_fsid(zv->zv_ops_arg);
	if (dzp != NULL)
		err = zpl_project_statfs(zv, dzp, zs);
	zpl_exit(zv);
	return (err);
}
