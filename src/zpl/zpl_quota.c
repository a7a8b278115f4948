/*
 * Use and limits of users, groups and projects (format/04 §5). The counting is done
 * below (dmu, dsl) when a txg is written; here it is looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include "zpl/zpl_impl.h"

/* Index: 2 * kind + (objects ? 1 : 0). */
static const char *const quota_keys[6] = {"userquota@", "userobjquota@", "groupquota@",
    "groupobjquota@", "projectquota@", "projectobjquota@"};
static const char *const default_keys[6] = {"defaultuserquota", "defaultuserobjquota",
    "defaultgroupquota", "defaultgroupobjquota", "defaultprojectquota",
    "defaultprojectobjquota"};
static const uint64_t used_objects[3] = {
    DMU_USERUSED_OBJECT, DMU_GROUPUSED_OBJECT, DMU_PROJECTUSED_OBJECT};
#define OBJ_PREFIX "obj-"

static void
id_name(char buf[32], uint64_t id, bool objects)
{
	(void)snprintf(buf, 32, "%s%" PRIx64, objects ? OBJ_PREFIX : "", id);
}

int
zpl_quota_load(zfsvfs_t *zv)
{
	for (int i = 0; i < 6; i++) {
		uint64_t v;
		int err =
		    zap_lookup(zv->zv_os, ZPL_MASTER_NODE, quota_keys[i], 8, 1, &v);
		if (err == 0)
			atomic_store_64(&zv->zv_quota_obj[i], v);
		else if (err != ENOENT)
			return (err);
		err = zap_lookup(zv->zv_os, ZPL_MASTER_NODE, default_keys[i], 8, 1, &v);
		if (err == 0)
			zv->zv_quota_default[i] = v;
		else if (err != ENOENT)
			return (err);
	}
	return (0);
}

static int
limit_of(zfsvfs_t *zv, int i, uint64_t id, uint64_t *limit)
{
	const uint64_t obj = atomic_load_64(&zv->zv_quota_obj[i]);
	char name[32];
	int err = ENOENT;

	id_name(name, id, false);
	if (obj != 0)
		err = zap_lookup(zv->zv_os, obj, name, 8, 1, limit);
	if (err == ENOENT) {
		*limit = zv->zv_quota_default[i];
		err = 0;
	}
	return (err);
}

static bool
is_over(zfsvfs_t *zv, enum zpl_quota_kind kind, bool objects, uint64_t id)
{
	const int i = 2 * (int)kind + objects;
	uint64_t limit, used;
	char name[32];

	if (atomic_load_64(&zv->zv_quota_obj[i]) == 0 && zv->zv_quota_default[i] == 0)
		return (false);
	if (limit_of(zv, i, id, &limit) != 0 || limit == 0)
		return (false);
	id_name(name, id, objects);
	return (zap_lookup(zv->zv_os, used_objects[kind], name, 8, 1, &used) == 0 &&
		used >= limit);
}

int
zpl_quota_check(
    zfsvfs_t *zv, uint64_t uid, uint64_t gid, uint64_t projid, bool space, bool objects)
{
	const uint64_t ids[3] = {uid, gid, projid};

	for (int k = ZQ_USER; k <= ZQ_PROJECT; k++) {
		if (ids[k] == UINT64_MAX || (k == ZQ_PROJECT && ids[k] == 0))
			continue;
		if ((space && is_over(zv, (enum zpl_quota_kind)k, false, ids[k])) ||
		    (objects && is_over(zv, (enum zpl_quota_kind)k, true, ids[k])))
			return (EDQUOT);
	}
	return (0);
}

int
zpl_project_statfs(zfsvfs_t *zv, znode_t *dzp, zpl_statfs_t *zs)
{
	uint64_t limit, used;
	char name[32];

	rw_enter(&dzp->z_lock, RW_READER);
	const uint64_t id = (dzp->z_flags & ZPL_F_PROJINHERIT) ? dzp->z_projid : 0;
	rw_exit(&dzp->z_lock);
	if (id == 0)
		return (0);
	for (int objects = 0; objects < 2; objects++) {
		if (limit_of(zv, 2 * ZQ_PROJECT + objects, id, &limit) != 0 ||
		    limit == 0)
			continue;
		id_name(name, id, objects);
		used = 0;
		(void)zap_lookup(zv->zv_os, DMU_PROJECTUSED_OBJECT, name, 8, 1, &used);
		const uint64_t left = used < limit ? limit - used : 0;
		if (objects) {
			zs->zs_files = limit;
			zs->zs_ffree = left;
		} else {
			zs->zs_blocks = limit / zs->zs_bsize;
			zs->zs_bfree = left / zs->zs_bsize;
		}
	}
	return (0);
}

/* ---- for `zfs userspace` and `zfs set userquota@` -------------------- */

typedef struct prop_place {
	enum zpl_quota_kind kind;
	bool objects, quota;
} prop_place_t;

static int
place_of(zpl_userquota_prop_t prop, prop_place_t *pp)
{
	static const prop_place_t places[ZPL_USERQUOTA_PROPS] = {
	    [ZPL_USERUSED] = {ZQ_USER, false, false},
	    [ZPL_USERQUOTA] = {ZQ_USER, false, true},
	    [ZPL_GROUPUSED] = {ZQ_GROUP, false, false},
	    [ZPL_GROUPQUOTA] = {ZQ_GROUP, false, true},
	    [ZPL_USEROBJUSED] = {ZQ_USER, true, false},
	    [ZPL_USEROBJQUOTA] = {ZQ_USER, true, true},
	    [ZPL_GROUPOBJUSED] = {ZQ_GROUP, true, false},
	    [ZPL_GROUPOBJQUOTA] = {ZQ_GROUP, true, true},
	    [ZPL_PROJECTUSED] = {ZQ_PROJECT, false, false},
	    [ZPL_PROJECTQUOTA] = {ZQ_PROJECT, false, true},
	    [ZPL_PROJECTOBJUSED] = {ZQ_PROJECT, true, false},
	    [ZPL_PROJECTOBJQUOTA] = {ZQ_PROJECT, true, true},
	};
	if ((unsigned)prop >= ZPL_USERQUOTA_PROPS)
		return (EINVAL);
	*pp = places[prop];
	return (0);
}

/* The ZAP; ENOENT: nothing there yet. */
static int
table_of(objset_t *os, const prop_place_t *pp, uint64_t *objp)
{
	if (!pp->quota) {
		*objp = used_objects[pp->kind];
		return (0);
	}
	return (zap_lookup(os, ZPL_MASTER_NODE,
	    quota_keys[2 * (int)pp->kind + pp->objects], 8, 1, objp));
}

int
zpl_userspace_one(objset_t *os, zpl_userquota_prop_t prop, uint64_t id, uint64_t *value)
{
	prop_place_t pp;
	char name[32];
	uint64_t obj, v = 0;
	int err = place_of(prop, &pp);
	if (err != 0)
		return (err);
	err = table_of(os, &pp, &obj);
	if (err == 0) {
		id_name(name, id, pp.objects && !pp.quota);
		err = zap_lookup(os, obj, name, 8, 1, &v);
	}
	if (err != 0 && err != ENOENT)
		return (err);
	*value = v;
	return (0);
}

int
zpl_userspace_many(objset_t *os, zpl_userquota_prop_t prop,
    int (*cb)(void *arg, uint64_t id, uint64_t value), void *arg)
{
	const size_t prefix = strlen(OBJ_PREFIX);
	prop_place_t pp;
	zap_cursor_t zc;
	uint64_t obj;
	int err = place_of(prop, &pp);
	if (err == 0)
		err = table_of(os, &pp, &obj);
	if (err != 0)
		return (err == ENOENT ? 0 : err);

	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	for (zap_cursor_init(&zc, os, obj); (err = zap_cursor_retrieve(&zc, za)) == 0;
	     zap_cursor_advance(&zc)) {
		const bool is_obj = strncmp(za->za_name, OBJ_PREFIX, prefix) == 0;
		if (!pp.quota && is_obj != pp.objects)
			continue;
		char *end;
		const char *s = za->za_name + (is_obj ? prefix : 0);
		const uint64_t id = strtoull(s, &end, 16);
		if (*s == '\0' || *end != '\0')
			continue;
		err = cb(arg, id, za->za_first_integer);
		if (err != 0)
			break;
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (err == ENOENT ? 0 : err);
}

int
zpl_set_userquota(objset_t *os, zpl_userquota_prop_t prop, uint64_t id, uint64_t value)
{
	prop_place_t pp;
	char name[32];
	uint64_t obj = 0;
	int err = place_of(prop, &pp);
	if (err == 0 && !pp.quota)
		err = EINVAL;
	if (err != 0)
		return (err);
	const int i = 2 * (int)pp.kind + pp.objects;
	err = table_of(os, &pp, &obj);
	if (err != 0 && err != ENOENT)
		return (err);
	id_name(name, id, false);

	dmu_tx_t *tx = dmu_tx_create(os);
	dmu_tx_hold_zap(tx, obj != 0 ? obj : DMU_NEW_OBJECT, true, name);
	dmu_tx_hold_zap(tx, ZPL_MASTER_NODE, true, quota_keys[i]);
	err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	if (obj == 0) {
		obj = zap_create(os, DMU_OT_USERGROUP_QUOTA, DMU_OT_NONE, 0, tx);
		err = zap_add(os, ZPL_MASTER_NODE, quota_keys[i], 8, 1, &obj, tx);
	}
	if (err == 0 && value != 0) {
		err = zap_update(os, obj, name, 8, 1, &value, tx);
	} else if (err == 0) {
		err = zap_remove(os, obj, name, tx);
		if (err == ENOENT)
			err = 0;
	}
	dmu_tx_commit(tx);
	/* a mounted file system checks against it from now on */
	zfsvfs_t *zv = dmu_objset_get_user(os);
	if (err == 0 && zv != NULL)
		atomic_store_64(&zv->zv_quota_obj[i], obj);
	return (err);
}
