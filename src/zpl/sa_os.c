/* Registry and layouts of an object set (format/04 §1.4). The essay is in sa.h. */
#include <stdio.h>
#include <stdlib.h>
#include "zpl/sa_impl.h"
#include "zap/zap.h"

const struct sa_std sa_std_attrs[SA_STD_ATTRS] = {
    [SA_ATIME] = {"ZPL_ATIME", 16, SA_UINT64_ARRAY},
    [SA_MTIME] = {"ZPL_MTIME", 16, SA_UINT64_ARRAY},
    [SA_CTIME] = {"ZPL_CTIME", 16, SA_UINT64_ARRAY},
    [SA_CRTIME] = {"ZPL_CRTIME", 16, SA_UINT64_ARRAY},
    [SA_GEN] = {"ZPL_GEN", 8, SA_UINT64_ARRAY},
    [SA_MODE] = {"ZPL_MODE", 8, SA_UINT64_ARRAY},
    [SA_SIZE] = {"ZPL_SIZE", 8, SA_UINT64_ARRAY},
    [SA_PARENT] = {"ZPL_PARENT", 8, SA_UINT64_ARRAY},
    [SA_LINKS] = {"ZPL_LINKS", 8, SA_UINT64_ARRAY},
    [SA_XATTR] = {"ZPL_XATTR", 8, SA_UINT64_ARRAY},
    [SA_RDEV] = {"ZPL_RDEV", 8, SA_UINT64_ARRAY},
    [SA_FLAGS] = {"ZPL_FLAGS", 8, SA_UINT64_ARRAY},
    [SA_UID] = {"ZPL_UID", 8, SA_UINT64_ARRAY},
    [SA_GID] = {"ZPL_GID", 8, SA_UINT64_ARRAY},
    [SA_PAD] = {"ZPL_PAD", 32, SA_UINT64_ARRAY},
    [SA_ZNODE_ACL] = {"ZPL_ZNODE_ACL", 88, SA_UINT8_ARRAY},
    [SA_DACL_COUNT] = {"ZPL_DACL_COUNT", 8, SA_UINT64_ARRAY},
    [SA_SYMLINK] = {"ZPL_SYMLINK", 0, SA_UINT8_ARRAY},
    [SA_SCANSTAMP] = {"ZPL_SCANSTAMP", 32, SA_UINT8_ARRAY},
    [SA_DACL_ACES] = {"ZPL_DACL_ACES", 0, SA_ACL},
    [SA_DXATTR] = {"ZPL_DXATTR", 0, SA_UINT8_ARRAY},
    [SA_PROJID] = {"ZPL_PROJID", 8, SA_UINT64_ARRAY},
};
#define SA_LEGACY_ATTRS 16 /* numbers 0–15 are fixed */

/* ---- reading --------------------------------------------------------- */

static int
std_by_name(const char *name)
{
	for (int i = 0; i < SA_STD_ATTRS; i++)
		if (strcmp(sa_std_attrs[i].name, name) == 0)
			return (i);
	return (-1);
}

static int
load_registry(sa_os_t *sa)
{
	zap_cursor_t zc;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	int err;

	for (zap_cursor_init(&zc, sa->sa_objset, sa->sa_registry);
	     (err = zap_cursor_retrieve(&zc, za)) == 0; zap_cursor_advance(&zc)) {
		const uint64_t v = za->za_first_integer;
		const uint16_t num = SA_ATTR_NUM(v);
		if (za->za_integer_length != 8 || za->za_num_integers != 1 ||
		    num >= SA_MAX_ATTRS || SA_ATTR_BSWAP(v) >= SA_BSWAP_TYPES ||
		    sa->sa_attrs[num].sat_name != NULL) {
			err = EIO;
			break;
		}
		sa->sa_attrs[num] = (sa_attr_t){.sat_name = kmem_strdup(za->za_name),
		    .sat_length = SA_ATTR_LENGTH(v),
		    .sat_bswap = SA_ATTR_BSWAP(v),
		    .sat_stored = true};
		sa->sa_nattrs = MAX(sa->sa_nattrs, num + 1u);
		const int std = std_by_name(za->za_name);
		if (std >= 0) {
			if (sa->sa_attrs[num].sat_length != sa_std_attrs[std].length) {
				err = EIO;
				break;
			}
			sa->sa_num[std] = num;
		}
	}
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (err == ENOENT ? 0 : err);
}

/* Known attributes that the registry lacks get the next free numbers (§1.4 rule 2). */
static int
complete_registry(sa_os_t *sa)
{
	for (int i = 0; i < SA_STD_ATTRS; i++) {
		if (sa->sa_num[i] != UINT16_MAX)
			continue;
		uint32_t num = sa->sa_nattrs;
		if (i < SA_LEGACY_ATTRS && sa->sa_attrs[i].sat_name == NULL)
			num = (uint32_t)i;
		if (num >= SA_MAX_ATTRS)
			return (EIO);
		sa->sa_attrs[num] =
		    (sa_attr_t){.sat_name = kmem_strdup(sa_std_attrs[i].name),
			.sat_length = sa_std_attrs[i].length,
			.sat_bswap = sa_std_attrs[i].bswap};
		sa->sa_nattrs = MAX(sa->sa_nattrs, num + 1);
		sa->sa_num[i] = (uint16_t)num;
		sa->sa_unregistered = true;
	}
	return (0);
}

static void
add_layout(sa_os_t *sa, uint16_t num, const uint16_t *attrs, uint16_t n)
{
	sa_layout_t *sl = kmem_alloc(sizeof(*sl) + 2 * (size_t)n, KM_SLEEP);
	sl->sl_num = num;
	sl->sl_count = n;
	memcpy(sl->sl_attrs, attrs, 2 * (size_t)n);
	__atomic_store_n(&sa->sa_layouts[num], sl, __ATOMIC_RELEASE);
}

static int
load_layout(sa_os_t *sa, const zap_attribute_t *za)
{
	uint16_t attrs[SA_MAX_ATTRS];
	char *end;
	const unsigned long num = strtoul(za->za_name, &end, 10);

	if (*end != '\0' || num < 2 || num >= SA_MAX_LAYOUTS ||
	    za->za_integer_length != 2 || za->za_num_integers > SA_MAX_ATTRS ||
	    sa->sa_layouts[num] != NULL)
		return (EIO);
	const uint16_t n = (uint16_t)za->za_num_integers;
	const int err = zap_lookup(
	    sa->sa_objset, sa->sa_layouts_obj, za->za_name, 2, SA_MAX_ATTRS, attrs);
	if (err != 0)
		return (err);
	for (uint16_t i = 0; i < n; i++)
		if (attrs[i] >= sa->sa_nattrs ||
		    sa->sa_attrs[attrs[i]].sat_name == NULL)
			return (EIO);
	add_layout(sa, (uint16_t)num, attrs, n);
	sa->sa_nlayouts++;
	return (0);
}

static int
load_layouts(sa_os_t *sa)
{
	zap_cursor_t zc;
	zap_attribute_t *za = kmem_alloc(sizeof(*za), KM_SLEEP);
	int err;

	for (zap_cursor_init(&zc, sa->sa_objset, sa->sa_layouts_obj);
	     (err = zap_cursor_retrieve(&zc, za)) == 0; zap_cursor_advance(&zc))
		if ((err = load_layout(sa, za)) != 0)
			break;
	zap_cursor_fini(&zc);
	kmem_free(za, sizeof(*za));
	return (err == ENOENT ? 0 : err);
}

int
sa_os_open(objset_t *os, uint64_t master, sa_os_t **sap)
{
	sa_os_t *sa = kmem_zalloc(sizeof(*sa), KM_SLEEP);
	int err = 0;

	rw_init(&sa->sa_lock);
	sa->sa_objset = os;
	sa->sa_master = master;
	memset(sa->sa_num, 0xff, sizeof(sa->sa_num));
	if (master != 0) {
		err = zap_lookup(os, master, "REGISTRY", 8, 1, &sa->sa_registry);
		if (err == 0)
			err = load_registry(sa);
		if (err == 0)
			err = zap_lookup(
			    os, master, "LAYOUTS", 8, 1, &sa->sa_layouts_obj);
		/* a file system that has just been upgraded has neither */
		if (err == ENOENT && sa->sa_layouts_obj == 0)
			err = 0;
	}
	if (err == 0)
		err = complete_registry(sa);
	if (err == 0 && sa->sa_layouts_obj != 0)
		err = load_layouts(sa);
	if (err != 0)
		sa_os_close(sa);
	else
		*sap = sa;
	return (err);
}

void
sa_os_close(sa_os_t *sa)
{
	for (uint32_t i = 0; i < SA_MAX_ATTRS; i++)
		kmem_strfree(sa->sa_attrs[i].sat_name);
	for (uint32_t i = 0; i < SA_MAX_LAYOUTS; i++)
		if (sa->sa_layouts[i] != NULL)
			kmem_free(sa->sa_layouts[i],
			    sizeof(sa_layout_t) +
				2 * (size_t)sa->sa_layouts[i]->sl_count);
	rw_destroy(&sa->sa_lock);
	kmem_free(sa, sizeof(*sa));
}

void
sa_os_set_master(sa_os_t *sa, uint64_t master)
{
	rw_enter(&sa->sa_lock, RW_WRITER);
	sa->sa_master = master;
	rw_exit(&sa->sa_lock);
}

const sa_layout_t *
sa_layout_by_num(sa_os_t *sa, uint16_t num)
{
	static const sa_layout_t none = {.sl_num = 1};
	if (num == 1)
		return (&none);
	return (num < SA_MAX_LAYOUTS
		    ? __atomic_load_n(&sa->sa_layouts[num], __ATOMIC_ACQUIRE)
		    : NULL);
}

/* ---- writing --------------------------------------------------------- */

void
sa_tx_hold_tables(sa_os_t *sa, dmu_tx_t *tx)
{
	rw_enter(&sa->sa_lock, RW_READER);
	dmu_tx_hold_zap(tx,
	    sa->sa_layouts_obj != 0 ? sa->sa_layouts_obj : DMU_NEW_OBJECT, true, NULL);
	if (sa->sa_unregistered)
		dmu_tx_hold_zap(tx,
		    sa->sa_registry != 0 ? sa->sa_registry : DMU_NEW_OBJECT, true,
		    NULL);
	if (sa->sa_master != 0 && (sa->sa_registry == 0 || sa->sa_layouts_obj == 0))
		dmu_tx_hold_zap(tx, sa->sa_master, true, "REGISTRY");
	rw_exit(&sa->sa_lock);
}

static int
make_table(
    sa_os_t *sa, dmu_object_type_t type, const char *name, uint64_t *objp, dmu_tx_t *tx)
{
	if (*objp != 0)
		return (0);
	const uint64_t obj = zap_create(sa->sa_objset, type, DMU_OT_NONE, 0, tx);
	const int err = zap_add(sa->sa_objset, sa->sa_master, name, 8, 1, &obj, tx);
	if (err == 0)
		*objp = obj;
	return (err);
}

/* Enter what is not registered yet, all of it in one go (§1.4 rule 1). */
static int
register_attrs(sa_os_t *sa, dmu_tx_t *tx)
{
	int err = make_table(
	    sa, DMU_OT_SA_ATTR_REGISTRATION, "REGISTRY", &sa->sa_registry, tx);
	for (uint32_t i = 0; i < sa->sa_nattrs && err == 0; i++) {
		sa_attr_t *a = &sa->sa_attrs[i];
		if (a->sat_name == NULL || a->sat_stored)
			continue;
		const uint64_t v = SA_ATTR_ENCODE(i, a->sat_bswap, a->sat_length);
		err = zap_update(
		    sa->sa_objset, sa->sa_registry, a->sat_name, 8, 1, &v, tx);
		a->sat_stored = err == 0;
	}
	if (err == 0)
		sa->sa_unregistered = false;
	return (err);
}

static bool
find_layout(sa_os_t *sa, const uint16_t *attrs, uint16_t n, uint16_t *nump)
{
	for (uint16_t i = 2; i < SA_MAX_LAYOUTS; i++) {
		const sa_layout_t *sl = sa->sa_layouts[i];
		if (sl == NULL)
			continue;
		if (sl->sl_count == n &&
		    memcmp(sl->sl_attrs, attrs, 2 * (size_t)n) == 0) {
			*nump = i;
			return (true);
		}
		if (i >= sa->sa_nlayouts + 2)
			break;
	}
	return (false);
}

int
sa_layout_find(
    sa_os_t *sa, const uint16_t *attrs, uint16_t n, dmu_tx_t *tx, uint16_t *nump)
{
	char name[16];
	int err = 0;

	if (n == 0) {
		*nump = 1;
		return (0);
	}
	rw_enter(&sa->sa_lock, RW_READER);
	bool found = !sa->sa_unregistered && find_layout(sa, attrs, n, nump);
	rw_exit(&sa->sa_lock);
	if (found)
		return (0);

	rw_enter(&sa->sa_lock, RW_WRITER);
	if (sa->sa_master == 0)
		err = ENOTSUP;
	if (err == 0 && sa->sa_unregistered)
		err = register_attrs(sa, tx);
	if (err == 0 && !find_layout(sa, attrs, n, nump)) {
		const uint32_t num = sa->sa_nlayouts + 2;
		if (num >= SA_MAX_LAYOUTS || sa->sa_layouts[num] != NULL)
			err = ENOSPC;
		if (err == 0)
			err = make_table(sa, DMU_OT_SA_ATTR_LAYOUTS, "LAYOUTS",
			    &sa->sa_layouts_obj, tx);
		(void)snprintf(name, sizeof(name), "%u", num);
		if (err == 0)
			err = zap_add(
			    sa->sa_objset, sa->sa_layouts_obj, name, 2, n, attrs, tx);
		if (err == 0) {
			add_layout(sa, (uint16_t)num, attrs, n);
			sa->sa_nlayouts++;
			*nump = (uint16_t)num;
		}
	}
	rw_exit(&sa->sa_lock);
	return (err);
}
