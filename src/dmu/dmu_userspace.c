/*
 * Who owns how much: for every object written in a txg, what it counted for before and
 * what it counts for now (format/02 §1.10, format/04 §5). The object's side is here:
 * flags, space, the owner in the bonus. Keeping the tables is the dsl's (oso_account),
 * in a second write of the object set in the same txg.
 *
 * Before the dnode is changed its old owner and space are noted in dn_acct; its new
 * space is known only when all its blocks are allocated, so the record is completed
 * afterwards.
 */
#include "dmu/dmu_impl.h"

bool
dmu_objset_accounting(objset_t *os)
{
	return (os->os_ops != NULL && os->os_ops->oso_owner != NULL &&
		os->os_ops->oso_account != NULL &&
		os->os_phys->os_type == DMU_OST_ZFS && os->os_spa->spa_version >= 15 &&
		os->os_phys_size >= OBJSET_PHYS_SIZE_V2);
}

/* Content of the spill block that dn_phys points to: from memory or disk. NULL: none.
 */
static void *
acct_spill(objset_sync_t *ss, dnode_t *dn, uint64_t *sizep)
{
	objset_t *os = dn->dn_os;
	zbookmark_phys_t zb;
	arc_buf_t *buf;
	void *copy = NULL;
	const blkptr_t *bp = dnode_phys_spill(dn->dn_phys);

	if (bp == NULL || BP_IS_HOLE(bp) || BP_GET_LSIZE(bp) > SPA_OLD_MAXBLOCKSIZE)
		return (NULL);
	SET_BOOKMARK(&zb, os->os_dsobj, dn->dn_object, 0, DMU_SPILL_BLKID);
	if (arc_read_wait(ss->ss_spa, bp, ZIO_PRIORITY_SYNC_READ, ZIO_FLAG_CANFAIL, 0,
		&zb, &buf) != 0)
		return (NULL);
	*sizep = buf->b_size;
	copy = kmem_alloc(*sizep, KM_SLEEP);
	memcpy(copy, buf->b_data, *sizep);
	arc_buf_rele(buf);
	return (copy);
}

static bool
acct_owner(
    objset_sync_t *ss, dnode_t *dn, uint64_t *uid, uint64_t *gid, uint64_t *projid)
{
	objset_t *os = ss->ss_os;
	const dnode_phys_t *dnp = dn->dn_phys;
	uint32_t max;
	uint64_t size;

	if (dnp->dn_type == DMU_OT_NONE ||
	    (dnp->dn_bonustype != DMU_OT_SA && dnp->dn_bonustype != DMU_OT_ZNODE))
		return (false);
	if (dnp->dn_bonuslen != 0) {
		const void *bonus = dnode_phys_bonus_const(dnp, &max);
		return (os->os_ops->oso_owner(os, (dmu_object_type_t)dnp->dn_bonustype,
		    bonus, MIN(dnp->dn_bonuslen, max), uid, gid, projid));
	}
	void *spill = acct_spill(ss, dn, &size);
	if (spill == NULL)
		return (false);
	const bool ok = os->os_ops->oso_owner(
	    os, (dmu_object_type_t)dnp->dn_bonustype, spill, size, uid, gid, projid);
	kmem_free(spill, size);
	return (ok);
}

void
sync_acct_before(objset_sync_t *ss, dnode_t *dn)
{
	dmu_acct_change_t *c = &dn->dn_acct;

	dn->dn_acct_taken = !dn_is_special(dn);
	if (!dn->dn_acct_taken)
		return;
	memset(c, 0, sizeof(*c));
	c->object = dn->dn_object;
	if (dn->dn_phys->dn_flags & DNODE_FLAG_USERUSED_ACCOUNTED) {
		c->old_counted =
		    acct_owner(ss, dn, &c->old_uid, &c->old_gid, &c->old_projid);
		c->old_obj_counted =
		    c->old_counted &&
		    (dn->dn_phys->dn_flags & DNODE_FLAG_USEROBJUSED_ACCOUNTED) != 0;
	}
	c->old_used = dnode_phys_used(dn->dn_phys);
}

/* Set the flags that say "counted"; before the dnode goes to its block. */
void
sync_acct_flags(objset_sync_t *ss, dnode_t *dn)
{
	if (dn_is_special(dn) || dn->dn_phys->dn_type == DMU_OT_NONE)
		return;
	mutex_enter(&dn->dn_mtx);
	dn->dn_phys->dn_flags |= DNODE_FLAG_USERUSED_ACCOUNTED;
	if (spa_feature_is_enabled(ss->ss_spa, SPA_FEATURE_USEROBJ_ACCOUNTING))
		dn->dn_phys->dn_flags |= DNODE_FLAG_USEROBJUSED_ACCOUNTED;
	mutex_exit(&dn->dn_mtx);
}

static void
acct_append(objset_t *os, const dmu_acct_change_t *c)
{
	if (os->os_nchanges == os->os_changes_max) {
		const size_t max = MAX(os->os_changes_max * 2, 64);
		dmu_acct_change_t *n = kmem_alloc(max * sizeof(*n), KM_SLEEP);
		if (os->os_nchanges > 0)
			memcpy(n, os->os_changes, os->os_nchanges * sizeof(*n));
		kmem_free(os->os_changes, os->os_changes_max * sizeof(*n));
		os->os_changes = n;
		os->os_changes_max = max;
	}
	os->os_changes[os->os_nchanges++] = *c;
}

void
sync_acct_after(objset_sync_t *ss, dnode_t *dn)
{
	dmu_acct_change_t *c = &dn->dn_acct;

	if (!dn->dn_acct_taken)
		return;
	dn->dn_acct_taken = false;
	c->new_counted = acct_owner(ss, dn, &c->new_uid, &c->new_gid, &c->new_projid);
	c->new_obj_counted =
	    c->new_counted &&
	    (dn->dn_phys->dn_flags & DNODE_FLAG_USEROBJUSED_ACCOUNTED) != 0;
	c->new_used = dnode_phys_used(dn->dn_phys);
	if (c->old_counted || c->new_counted)
		acct_append(ss->ss_os, c);
}

bool
dmu_objset_do_userquota(objset_t *os, dmu_tx_t *tx)
{
	/* The first write is over: its changes are complete now. */
	dmu_objset_sync_done(os, tx);
	if (os->os_nchanges == 0)
		return (false);
	const size_t n = os->os_nchanges;
	os->os_nchanges = 0;
	os->os_ops->oso_account(os, os->os_changes, n, tx);
	return (dmu_objset_is_dirty(os, tx->tx_txg));
}
