/*
 * Making and upgrading file systems: the master node (format/04 §1.1, §1.2).
 */
#include "zpl/zpl_impl.h"

static uint64_t
prop_or(const nvlist_t *props, const char *name, uint64_t dflt)
{
	uint64_t v;
	if (props == NULL || nvlist_lookup_uint64(props, name, &v) != 0)
		return (dflt);
	return (v);
}

static int
master_add(objset_t *os, const char *name, uint64_t v, dmu_tx_t *tx)
{
	return (zap_update(os, ZPL_MASTER_NODE, name, 8, 1, &v, tx));
}

/* The order of insertion is the reference's (§1.1). */
static int
make_master(zfsvfs_t *zv, uint64_t norm, uint64_t *sa_master, dmu_tx_t *tx)
{
	objset_t *os = zv->zv_os;
	int err = zap_create_claim_norm(
	    os, ZPL_MASTER_NODE, 0, DMU_OT_MASTER_NODE, DMU_OT_NONE, 0, tx);
	if (err == 0 && zv->zv_version >= ZPL_VERSION_FUID) {
		err = master_add(os, "normalization", norm, tx);
		if (err == 0)
			err = master_add(os, "utf8only", zv->zv_utf8only, tx);
		if (err == 0)
			err = master_add(os, "casesensitivity", zv->zv_case, tx);
	}
	if (err == 0)
		err = master_add(os, "VERSION", zv->zv_version, tx);
	*sa_master = 0;
	if (err == 0 && zv->zv_version >= ZPL_VERSION_SA) {
		*sa_master = zap_create(os, DMU_OT_SA_MASTER_NODE, DMU_OT_NONE, 0, tx);
		err = master_add(os, "SA_ATTRS", *sa_master, tx);
	}
	if (err == 0) {
		zv->zv_unlinked =
		    zap_create(os, DMU_OT_UNLINKED_SET, DMU_OT_NONE, 0, tx);
		err = master_add(os, "DELETE_QUEUE", zv->zv_unlinked, tx);
	}
	return (err);
}

int
zpl_create_fs(
    objset_t *os, const nvlist_t *zplprops, uint32_t uid, uint32_t gid, dmu_tx_t *tx)
{
	const uint64_t norm = prop_or(zplprops, "normalization", 0);
	const uint64_t cs = prop_or(zplprops, "casesensitivity", ZPL_CASE_SENSITIVE);
	const uint64_t version = prop_or(zplprops, "version", ZPL_VERSION_MAX);
	uint64_t sa_master;
	bool project = zpl_has_project_quota(os);

	if (version < 1 || version > ZPL_VERSION_MAX || cs > ZPL_CASE_MIXED)
		return (EINVAL);
	if (version < ZPL_VERSION_FUID && (norm != 0 || cs != 0))
		return (ENOTSUP);
	if (norm != 0 && norm != 0x10 && norm != 0x20 && norm != 0x50 && norm != 0x60)
		return (EINVAL);
	if (zplprops != NULL)
		(void)nvlist_lookup_boolean_value(zplprops, "project_quota", &project);

	zfsvfs_t *zv = zfsvfs_alloc(os);
	zpl_opts_t opts;
	zpl_opts_default(&opts);
	zpl_opts_store(zv, &opts);
	zv->zv_version = version;
	zv->zv_case = (zpl_case_t)cs;
	zv->zv_utf8only = norm != 0 ? 1 : prop_or(zplprops, "utf8only", 0);
	zv->zv_norm = norm | (cs != ZPL_CASE_SENSITIVE ? ZAP_NORM_TOUPPER : 0);
	zv->zv_project = project && version >= ZPL_VERSION_SA;
	int err = make_master(zv, norm, &sa_master, tx);
	if (err == 0)
		err = sa_os_open(os, sa_master, &zv->zv_sa);
	if (err == 0) {
		const zpl_newattr_t na = {.na_mode = S_IFDIR | 0755,
		    .na_uid = uid,
		    .na_gid = gid,
		    .na_project = zv->zv_project};
		znode_t *root;
		err = zpl_make(zv, NULL, &na, tx, &root);
		if (err == 0) {
			err = master_add(os, "ROOT", root->z_id, tx);
			znode_rele(root);
		}
	}
	zfsvfs_free(zv);
	return (err);
}

int
zpl_get_zplprop(objset_t *os, const char *name, uint64_t *value)
{
	static const struct {
		const char *prop, *key;
		uint64_t dflt;
	} props[] = {
	    {"version", "VERSION", ZPL_VERSION_MAX},
	    {"normalization", "normalization", 0},
	    {"utf8only", "utf8only", 0},
	    {"casesensitivity", "casesensitivity", 0},
	    {"defaultuserquota", "defaultuserquota", 0},
	    {"defaultgroupquota", "defaultgroupquota", 0},
	    {"defaultprojectquota", "defaultprojectquota", 0},
	    {"defaultuserobjquota", "defaultuserobjquota", 0},
	    {"defaultgroupobjquota", "defaultgroupobjquota", 0},
	    {"defaultprojectobjquota", "defaultprojectobjquota", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(props); i++) {
		if (strcmp(props[i].prop, name) != 0)
			continue;
		uint64_t v;
		const int err = zap_lookup(os, ZPL_MASTER_NODE, props[i].key, 8, 1, &v);
		if (err != 0 && err != ENOENT)
			return (err);
		*value = err == ENOENT ? props[i].dflt : v;
		return (0);
	}
	return (ENOENT);
}

int
zpl_set_version(zfsvfs_t *zv, uint64_t version)
{
	int err;

	if (version > ZPL_VERSION_MAX)
		return (ENOTSUP);
	err = zpl_enter_write(zv, NULL);
	if (err != 0)
		return (err);
	if (version < zv->zv_version) {
		zpl_exit(zv);
		return (EINVAL);
	}
	dmu_tx_t *tx = dmu_tx_create(zv->zv_os);
	dmu_tx_hold_zap(tx, ZPL_MASTER_NODE, true, "SA_ATTRS");
	dmu_tx_hold_zap(tx, DMU_NEW_OBJECT, true, NULL);
	err = zpl_tx_assign(tx);
	if (err == 0) {
		const bool sa =
		    zv->zv_version < ZPL_VERSION_SA && version >= ZPL_VERSION_SA;
		uint64_t master = 0;
		err = master_add(zv->zv_os, "VERSION", version, tx);
		if (err == 0 && sa) {
			master = zap_create(
			    zv->zv_os, DMU_OT_SA_MASTER_NODE, DMU_OT_NONE, 0, tx);
			err = master_add(zv->zv_os, "SA_ATTRS", master, tx);
		}
		dmu_tx_commit(tx);
		if (err == 0 && sa)
			sa_os_set_master(zv->zv_sa, master);
		if (err == 0) {
			__atomic_store_n(&zv->zv_version, version, __ATOMIC_RELEASE);
			zv->zv_project = version >= ZPL_VERSION_SA &&
					 zpl_has_project_quota(zv->zv_os);
		}
	}
	zpl_exit(zv);
	return (err);
}

bool
zpl_bonus_owner(objset_t *os, dmu_object_type_t bonustype, const void *bonus,
    uint64_t len, uint64_t *uid, uint64_t *gid, uint64_t *projid)
{
	const uint8_t *b = bonus;
	uint16_t layout;
	uint32_t hdr;
	bool swap;

	*uid = *gid = *projid = 0;
	if (bonustype == DMU_OT_ZNODE) {
		if (len < sizeof(znode_phys_t))
			return (false);
		*uid = ondisk_get64(b + offsetof(znode_phys_t, zp_uid), false);
		*gid = ondisk_get64(b + offsetof(znode_phys_t, zp_gid), false);
		return (true);
	}
	if (bonustype != DMU_OT_SA)
		return (false);
	const int err = sa_hdr_decode(bonus, len, &layout, &hdr, &swap);
	if (err == ENOENT)
		return (true); /* about to be made: nobody's (§5.2) */
	if (err != 0 || hdr + SA_FLAGS_OFFSET + 8 > len)
		return (false);
	b += hdr;
	*uid = ondisk_get64(b + SA_UID_OFFSET, swap);
	*gid = ondisk_get64(b + SA_GID_OFFSET, swap);
	if ((ondisk_get64(b + SA_FLAGS_OFFSET, swap) & ZPL_F_PROJID) &&
	    hdr + SA_PROJID_OFFSET + 8 <= len)
		*projid = ondisk_get64(b + SA_PROJID_OFFSET, swap);
	return (true);
}
