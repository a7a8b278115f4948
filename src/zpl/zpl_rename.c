/*
 * Rename in all its forms (format/04 §6.2).
 *
 * Two names are locked, in order of (directory, hash). Renames between directories also
 * take zv_rename_lock for their whole time: only they change who is whose parent, so
 * under it the walk to the root that excludes cycles sees a tree that stands still.
 */
#include "zpl/zpl_impl.h"

#define RENAME_NOREPLACE_FLAG 1u
#define RENAME_EXCHANGE_FLAG 2u
#define RENAME_WHITEOUT_FLAG 4u

typedef struct rename_op {
	znode_t *sdzp, *tdzp;
	const char *sname, *tname;
	uint32_t flags;
	const zpl_cred_t *cr;
	znode_t *szp, *tzp;		/* tzp NULL: the target is free */
	bool case_change;		/* another spelling of the same name */
	char sreal[ZAP_MAXNAMELEN_NEW]; /* the source's name as stored */
	zpl_namelock_t nl[2];
	int nlocks;
} rename_op_t;

static void
lock_names(rename_op_t *op)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	znode_t *a = op->sdzp, *b = op->tdzp;
	uint64_t ha = zpl_name_hash(zv, op->sname), hb = zpl_name_hash(zv, op->tname);

	if (a == b && ha == hb) {
		zpl_name_lock(&op->nl[op->nlocks++], a, ha, true);
		return;
	}
	if (b->z_id < a->z_id || (a == b && hb < ha)) {
		znode_t *t = a;
		const uint64_t h = ha;
		a = b;
		ha = hb;
		b = t;
		hb = h;
	}
	zpl_name_lock(&op->nl[op->nlocks++], a, ha, true);
	zpl_name_lock(&op->nl[op->nlocks++], b, hb, true);
}

/* Is anc the directory zp or above it? */
static int
is_ancestor(const znode_t *anc, znode_t *zp, bool *yes)
{
	zfsvfs_t *zv = zp->z_zfsvfs;
	int err = 0;

	znode_hold(zp);
	*yes = false;
	/* a damaged tree may be a ring */
	for (int depth = 0; depth < 100000; depth++) {
		if (zp == anc)
			*yes = true;
		if (*yes || zp->z_id == zv->zv_root)
			break;
		rw_enter(&zp->z_lock, RW_READER);
		const uint64_t parent = zp->z_parent;
		rw_exit(&zp->z_lock);
		znode_t *up;
		err = znode_get(zv, parent, &up);
		if (err != 0)
			break;
		znode_rele(zp);
		zp = up;
	}
	znode_rele(zp);
	return (err);
}

/* The source's project must be the target directory's, if that hands its own down
 * (§5.4). */
static int
check_project(znode_t *zp, znode_t *dzp)
{
	int err = 0;
	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t dflags = dzp->z_flags, dproj = dzp->z_projid;
	rw_exit(&dzp->z_lock);
	rw_enter(&zp->z_lock, RW_READER);
	if ((dflags & ZPL_F_PROJINHERIT) && zp->z_projid != dproj)
		err = EXDEV;
	else if (zp->z_flags & ZPL_F_AV_QUARANTINED)
		err = EACCES;
	rw_exit(&zp->z_lock);
	return (err);
}

static int
check_target(rename_op_t *op)
{
	znode_t *szp = op->szp, *tzp = op->tzp;
	int err;

	if (tzp == NULL)
		return ((op->flags & RENAME_EXCHANGE_FLAG) ? ENOENT
							   : zpl_check_add(op->tdzp));
	if (op->flags & RENAME_NOREPLACE_FLAG)
		return (EEXIST);
	err = zpl_check_remove(op->tdzp, tzp, op->cr);
	if (err != 0)
		return (err);
	if (op->flags & RENAME_EXCHANGE_FLAG)
		return (check_project(tzp, op->sdzp));
	if (z_isdir(szp) && !z_isdir(tzp))
		return (ENOTDIR);
	if (!z_isdir(szp) && z_isdir(tzp))
		return (EISDIR);
	if (z_isdir(tzp)) {
		/* early, so that nothing has been changed yet; decided in
		 * zpl_link_destroy */
		uint64_t n;
		err = zap_count(tzp->z_zfsvfs->zv_os, tzp->z_id, &n);
		if (err == 0 && n != 0)
			err = ENOTEMPTY;
	}
	return (err);
}

static int
check_cycle(rename_op_t *op)
{
	bool yes;
	int err;

	if (op->sdzp == op->tdzp)
		return (0);
	if (z_isdir(op->szp)) {
		err = is_ancestor(op->szp, op->tdzp, &yes);
		if (err != 0 || yes)
			return (err != 0 ? err : EINVAL);
	}
	if (op->tzp != NULL && z_isdir(op->tzp) && (op->flags & RENAME_EXCHANGE_FLAG)) {
		err = is_ancestor(op->tzp, op->sdzp, &yes);
		if (err != 0 || yes)
			return (err != 0 ? err : EINVAL);
	}
	/* the source inside of the target: that is not empty */
	if (op->tzp != NULL && op->tzp == op->sdzp)
		return (ENOTEMPTY);
	return (0);
}

/*
 * Find both ends. 0 with szp == tzp: nothing to do. In an insensitive file system
 * another spelling of the source's own name is looked for exactly, so that it counts as
 * free (§3.3).
 */
static int
look_up(rename_op_t *op)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	int err = zpl_dirent_lookup(
	    op->sdzp, op->sname, 0, &op->szp, op->sreal, sizeof(op->sreal));
	if (err != 0)
		return (err);
	if (op->sdzp == op->tdzp && zv->zv_case == ZPL_CASE_INSENSITIVE &&
	    strcmp(op->sname, op->tname) != 0 &&
	    zpl_name_hash(zv, op->sname) == zpl_name_hash(zv, op->tname))
		op->case_change = true;
	err = zpl_dirent_lookup(
	    op->tdzp, op->tname, op->case_change ? ZD_EXACT : 0, &op->tzp, NULL, 0);
	if (err == ENOENT) {
		op->tzp = NULL;
		err = 0;
	}
	return (err);
}

/* ---- doing it -------------------------------------------------------- */

static void
hold_tx(rename_op_t *op, dmu_tx_t *tx)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	zpl_tx_hold_znode(tx, op->szp, false);
	zpl_tx_hold_dir(tx, op->sdzp, true, op->sname);
	if (op->tdzp != op->sdzp)
		zpl_tx_hold_znode(tx, op->tdzp, false);
	dmu_tx_hold_zap(tx, op->tdzp->z_id, true, op->tname);
	if (op->tzp != NULL)
		zpl_tx_hold_znode(tx, op->tzp, false);
	dmu_tx_hold_zap(tx, zv->zv_unlinked, true, NULL);
	if (op->flags & RENAME_WHITEOUT_FLAG)
		zpl_tx_hold_new(tx, zv);
}

/* The moved object inherits the habit of handing its project down (§5.4). */
static int
inherit_projinherit(znode_t *zp, znode_t *dzp, dmu_tx_t *tx)
{
	int err = 0;
	rw_enter(&dzp->z_lock, RW_READER);
	const bool has = (dzp->z_flags & ZPL_F_PROJINHERIT) != 0;
	rw_exit(&dzp->z_lock);
	if (!has || (zp->z_type != S_IFREG && !z_isdir(zp)))
		return (0);
	rw_enter(&zp->z_lock, RW_WRITER);
	if (!(zp->z_flags & ZPL_F_PROJINHERIT)) {
		zp->z_flags |= ZPL_F_PROJINHERIT;
		err = znode_store(zp, ZM(SA_FLAGS), tx);
	}
	rw_exit(&zp->z_lock);
	return (err);
}

static int
do_exchange(rename_op_t *op, dmu_tx_t *tx)
{
	int err = zpl_link_destroy(op->tdzp, op->tname, op->tzp, ZD_RENAMING, tx);
	if (err == 0)
		err = zpl_link_destroy(op->sdzp, op->sname, op->szp, ZD_RENAMING, tx);
	if (err == 0)
		err = zpl_link_create(op->tdzp, op->tname, op->szp, ZD_RENAMING, tx);
	if (err == 0)
		err = zpl_link_create(op->sdzp, op->sname, op->tzp, ZD_RENAMING, tx);
	return (err);
}

static int
do_whiteout(rename_op_t *op, dmu_tx_t *tx)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	const zpl_newattr_t na = {
	    .na_mode = S_IFCHR, .na_uid = op->cr->uid, .na_gid = op->cr->gid};
	znode_t *wzp;
	int err = zpl_make(zv, op->sdzp, &na, tx, &wzp);
	if (err != 0)
		return (err);
	err = zpl_link_create(op->sdzp, op->sname, wzp, ZD_NEW, tx);
	if (err != 0)
		zpl_unmake(wzp, tx);
	/* given back by the caller: not inside of a transaction */
	op->tzp = wzp;
	return (err);
}

static int
do_rename(rename_op_t *op, dmu_tx_t *tx)
{
	int err = 0;

	if (op->flags & RENAME_EXCHANGE_FLAG)
		return (do_exchange(op, tx));
	if (op->tzp != NULL)
		err = zpl_link_destroy(op->tdzp, op->tname, op->tzp, 0, tx);
	if (err != 0)
		return (err);
	/*
	 * For a moment there are two names, which nobody sees as both are locked. If a
	 * target was removed its place in the ZAP is free, so this add cannot fail for
	 * want of one.
	 */
	err = zpl_link_create(op->tdzp, op->tname, op->szp, ZD_RENAMING, tx);
	if (err != 0)
		return (err);
	err = zpl_link_destroy(op->sdzp, op->sreal, op->szp,
	    ZD_RENAMING | (op->case_change ? ZD_EXACT : 0), tx);
	if (err == 0)
		err = inherit_projinherit(op->szp, op->tdzp, tx);
	return (err);
}

static int
run(rename_op_t *op, uint64_t *txgp)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	int err = look_up(op);
	/* two names of one object, or the same name under the form: nothing to do
	 * (§3.3) */
	if (err != 0)
		return (err);
	if (op->szp == op->tzp)
		return ((op->flags & RENAME_NOREPLACE_FLAG) ? EEXIST : 0);
	err = zpl_check_remove(op->sdzp, op->szp, op->cr);
	if (err == 0 && z_isxattr(op->sdzp) != z_isxattr(op->tdzp))
		err = EINVAL;
	if (err == 0)
		err = check_cycle(op);
	if (err == 0)
		err = check_project(op->szp, op->tdzp);
	if (err == 0)
		err = check_target(op);
	if (err != 0)
		return (err);

	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	hold_tx(op, tx);
	err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	*txgp = dmu_tx_get_txg(tx);
	err = do_rename(op, tx);
	znode_t *old = op->tzp;
	if (err == 0 && (op->flags & RENAME_WHITEOUT_FLAG)) {
		err = do_whiteout(op, tx);
		dmu_tx_commit(tx);
		if (old != NULL && old != op->tzp)
			znode_rele(old);
		return (err);
	}
	dmu_tx_commit(tx);
	return (err);
}

static int
check_names(rename_op_t *op)
{
	zfsvfs_t *zv = op->sdzp->z_zfsvfs;
	const zpl_opts_t zo = zpl_opts_now(zv);

	if (op->tdzp->z_zfsvfs != zv)
		return (EXDEV);
	if (!z_isdir(op->sdzp) || !z_isdir(op->tdzp))
		return (ENOTDIR);
	if (op->flags &
	    ~(RENAME_NOREPLACE_FLAG | RENAME_EXCHANGE_FLAG | RENAME_WHITEOUT_FLAG))
		return (EINVAL);
	if ((op->flags & RENAME_EXCHANGE_FLAG) && op->flags != RENAME_EXCHANGE_FLAG)
		return (EINVAL);
	if (zpl_name_isdot(op->sname) || zpl_name_isdot(op->tname))
		return (EINVAL);
	if (zo.zo_ctldir && op->tdzp->z_id == zv->zv_root &&
	    strcmp(op->tname, ".zfs") == 0)
		return (EEXIST);
	const int err = zpl_name_check(zv, op->sname, false);
	return (err != 0 ? err : zpl_name_check(zv, op->tname, true));
}

int
zpl_rename(znode_t *sdzp, const char *sname, znode_t *tdzp, const char *tname,
    uint32_t flags, const zpl_cred_t *cr)
{
	zfsvfs_t *zv = sdzp->z_zfsvfs;
	rename_op_t op = {.sdzp = sdzp,
	    .tdzp = tdzp,
	    .sname = sname,
	    .tname = tname,
	    .flags = flags,
	    .cr = cr};
	uint64_t txg = 0;
	int err = zpl_enter_write(zv, sdzp);
	if (err != 0)
		return (err);
	err = tdzp->z_stale ? ESTALE : check_names(&op);
	if (err != 0) {
		zpl_exit(zv);
		return (err);
	}
	if (sdzp != tdzp)
		mutex_enter(&zv->zv_rename_lock);
	lock_names(&op);
	err = run(&op, &txg);
	while (op.nlocks > 0)
		zpl_name_unlock(&op.nl[--op.nlocks]);
	if (sdzp != tdzp)
		mutex_exit(&zv->zv_rename_lock);
	if (op.szp != NULL)
		znode_rele(op.szp);
	if (op.tzp != NULL)
		znode_rele(op.tzp);
	if (err == 0 && txg != 0)
		zpl_maybe_wait(zv, txg);
	zpl_exit(zv);
	return (err);
}
