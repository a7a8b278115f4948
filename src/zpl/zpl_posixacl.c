/*
 * POSIX ACLs as extended attributes (format/04 §4.7): setting one changes the mode,
 * changing the mode changes one, and a directory's default ACL is handed down.
 */
#include "zpl/zpl_impl.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

#define ACL_VERSION 2
#define ACL_USER_OBJ 0x01
#define ACL_USER 0x02
#define ACL_GROUP_OBJ 0x04
#define ACL_GROUP 0x08
#define ACL_MASK 0x10
#define ACL_OTHER 0x20
#define ACL_MAX_BYTES 65536

#define ENTRY_SIZE 8u
#define HEADER_SIZE 4u

bool
zpl_xattr_is_acl(const char *name)
{
	return (strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0);
}

/* ---- the format: little endian u32 version, then {u16 tag, u16 perm, u32 id} ---- */

static unsigned
get_tag(const uint8_t *acl, size_t i)
{
	const uint8_t *p = acl + HEADER_SIZE + ENTRY_SIZE * i;
	return (p[0] | (unsigned)p[1] << 8);
}
static unsigned
get_perm(const uint8_t *acl, size_t i)
{
	const uint8_t *p = acl + HEADER_SIZE + ENTRY_SIZE * i + 2;
	return (p[0] | (unsigned)p[1] << 8);
}
static void
set_perm(uint8_t *acl, size_t i, unsigned perm)
{
	acl[HEADER_SIZE + ENTRY_SIZE * i + 2] = (uint8_t)perm;
	acl[HEADER_SIZE + ENTRY_SIZE * i + 3] = 0;
}
static size_t
entries(size_t len)
{
	return ((len - HEADER_SIZE) / ENTRY_SIZE);
}

/* Is it a valid ACL? Entries in order of tags, the three basic ones once, a mask if
 * needed. */
static int
check_acl(const uint8_t *acl, size_t len)
{
	unsigned seen = 0, last = 0;

	if (len < HEADER_SIZE || (len - HEADER_SIZE) % ENTRY_SIZE != 0 ||
	    len > ACL_MAX_BYTES)
		return (EINVAL);
	if (acl[0] != ACL_VERSION || acl[1] != 0 || acl[2] != 0 || acl[3] != 0)
		return (EOPNOTSUPP);
	for (size_t i = 0; i < entries(len); i++) {
		const unsigned tag = get_tag(acl, i);
		if (get_perm(acl, i) > 7 || tag < last)
			return (EINVAL);
		switch (tag) {
		case ACL_USER:
		case ACL_GROUP:
			break;
		case ACL_USER_OBJ:
		case ACL_GROUP_OBJ:
		case ACL_MASK:
		case ACL_OTHER:
			if (seen & tag)
				return (EINVAL);
			break;
		default:
			return (EINVAL);
		}
		seen |= tag;
		last = tag;
	}
	const unsigned basic = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;
	if ((seen & basic) != basic)
		return (EINVAL);
	if ((seen & (ACL_USER | ACL_GROUP)) != 0 && (seen & ACL_MASK) == 0)
		return (EINVAL);
	return (0);
}

/* The nine bits an ACL amounts to; *extended: it says more than they do. */
static unsigned
mode_of(const uint8_t *acl, size_t len, bool *extended)
{
	unsigned u = 0, g = 0, o = 0, mask = 8;
	*extended = false;
	for (size_t i = 0; i < entries(len); i++) {
		const unsigned perm = get_perm(acl, i);
		switch (get_tag(acl, i)) {
		case ACL_USER_OBJ:
			u = perm;
			break;
		case ACL_GROUP_OBJ:
			g = perm;
			break;
		case ACL_OTHER:
			o = perm;
			break;
		case ACL_MASK:
			mask = perm;
			*extended = true;
			break;
		default:
			*extended = true;
		}
	}
	return (u << 6 | (mask < 8 ? mask : g) << 3 | o);
}

/* Make the entries that show in the mode agree with it; and: only take away. */
static void
apply_mode(uint8_t *acl, size_t len, unsigned mode, bool and)
{
	bool has_mask = false;
	for (size_t i = 0; i < entries(len); i++)
		has_mask |= get_tag(acl, i) == ACL_MASK;
	for (size_t i = 0; i < entries(len); i++) {
		const unsigned tag = get_tag(acl, i);
		unsigned bits;
		if (tag == ACL_USER_OBJ)
			bits = mode >> 6 & 7;
		else if (tag == (has_mask ? ACL_MASK : ACL_GROUP_OBJ))
			bits = mode >> 3 & 7;
		else if (tag == ACL_OTHER)
			bits = mode & 7;
		else
			continue;
		set_perm(acl, i, and? get_perm(acl, i) & bits : bits);
	}
}

/* ---- changing -------------------------------------------------------- */

/* MODE alone: the NFSv4 ACL stays as it was made (§4.7). */
static int
set_mode_only(znode_t *zp, uint64_t bits, bool drop_setgid)
{
	dmu_tx_t *tx = dmu_tx_create(zp->z_zfsvfs->zv_os);
	zpl_tx_hold_znode(tx, zp, false);
	int err = zpl_tx_assign(tx);
	if (err != 0)
		return (err);
	rw_enter(&zp->z_lock, RW_WRITER);
	err = znode_upgrade(zp, tx);
	zp->z_mode = (zp->z_mode & ~0777ULL) | bits;
	if (drop_setgid)
		zp->z_mode &= ~(uint64_t)S_ISGID;
	if (err == 0)
		err = znode_store(zp, znode_touch(zp, ZM(SA_CTIME)) | ZM(SA_MODE), tx);
	rw_exit(&zp->z_lock);
	dmu_tx_commit(tx);
	return (err);
}

static int
remove_quietly(znode_t *zp, const char *name)
{
	const int err = zpl_xattr_store(zp, name, NULL, 0, 0, &zpl_root_cred);
	return (err == ENODATA ? 0 : err);
}

int
zpl_posix_acl_set(
    znode_t *zp, const char *name, const void *value, size_t len, const zpl_cred_t *cr)
{
	const bool access = strcmp(name, ACL_ACCESS) == 0;
	bool extended;

	if (zp->z_type == S_IFLNK)
		return (EOPNOTSUPP);
	if (!zpl_cred_owns(cr, zp))
		return (EPERM);
	/* nothing, or a header alone, means: remove it */
	if (value == NULL || len <= HEADER_SIZE)
		return (remove_quietly(zp, name));
	int err = check_acl(value, len);
	if (err != 0)
		return (err);
	if (!access) {
		if (!z_isdir(zp))
			return (EACCES);
		return (zpl_xattr_store(zp, name, value, len, 0, cr));
	}
	const unsigned bits = mode_of(value, len, &extended);
	if (extended)
		err = zpl_xattr_store(zp, name, value, len, 0, cr);
	else
		err = remove_quietly(zp, name);
	if (err == 0)
		err = set_mode_only(
		    zp, bits, !cr->privileged && !zpl_cred_in_group(cr, zp->z_gid));
	return (err);
}

static int
fetch_alloc(znode_t *zp, const char *name, uint8_t **bufp, size_t *lenp)
{
	size_t len, got;
	int err = zpl_xattr_fetch(zp, name, NULL, 0, &len);
	if (err != 0)
		return (err == ENODATA ? ENOENT : err);
	if (len < HEADER_SIZE || len > ACL_MAX_BYTES)
		return (EIO);
	uint8_t *buf = kmem_alloc(len, KM_SLEEP);
	err = zpl_xattr_fetch(zp, name, buf, len, &got);
	/* changed in between, or stored by somebody who did not check */
	if (err == 0 && (got != len || check_acl(buf, len) != 0))
		err = EIO;
	if (err != 0) {
		kmem_free(buf, len);
		return (err == ENODATA ? ENOENT : err);
	}
	*bufp = buf;
	*lenp = len;
	return (0);
}

int
zpl_posix_acl_default(znode_t *dzp, void **bufp, size_t *lenp)
{
	uint8_t *buf;
	const int err = fetch_alloc(dzp, ACL_DEFAULT, &buf, lenp);
	if (err == 0)
		*bufp = buf;
	return (err);
}

int
zpl_posix_acl_inherit(znode_t *zp, const zpl_newattr_t *na)
{
	bool extended;
	int err = 0;

	if (z_isdir(zp))
		err = zpl_xattr_store(
		    zp, ACL_DEFAULT, na->na_dacl, na->na_dacl_len, 0, &zpl_root_cred);
	if (err != 0)
		return (err);
	uint8_t *acl = kmem_alloc(na->na_dacl_len, KM_SLEEP);
	memcpy(acl, na->na_dacl, na->na_dacl_len);
	apply_mode(acl, na->na_dacl_len, na->na_mode & 0777, true);
	const unsigned bits = mode_of(acl, na->na_dacl_len, &extended);
	if (extended)
		err = zpl_xattr_store(
		    zp, ACL_ACCESS, acl, na->na_dacl_len, 0, &zpl_root_cred);
	if (err == 0)
		err = set_mode_only(zp, bits, false);
	kmem_free(acl, na->na_dacl_len);
	return (err);
}

int
zpl_posix_acl_chmod(znode_t *zp, uint32_t mode)
{
	uint8_t *acl;
	size_t len;

	if (zp->z_type == S_IFLNK)
		return (0);
	int err = fetch_alloc(zp, ACL_ACCESS, &acl, &len);
	if (err != 0)
		return (err == ENOENT ? 0 : err);
	apply_mode(acl, len, mode & 0777, false);
	err = zpl_xattr_store(zp, ACL_ACCESS, acl, len, 0, &zpl_root_cred);
	kmem_free(acl, len);
	return (err);
}
