/*
 * ACLs as every object carries them: the trivial one of a mode, inheritance at
 * creation, chmod, and what mode an ACL amounts to (format/04 §4.1–4.5).
 */
#include "zpl/zpl_impl.h"

#define ACE_ALLOW 0
#define ACE_DENY 1
#define ACE_TYPE_MAX 16

#define ACE_FILE_INHERIT 0x0001
#define ACE_DIR_INHERIT 0x0002
#define ACE_NO_PROPAGATE 0x0004
#define ACE_INHERIT_ONLY 0x0008
#define ACE_INHERITED 0x0080
#define ACE_INHERIT_FLAGS 0x000f
#define ACE_OWNING_GROUP (ACE_GROUP | ACE_IDENTIFIER_GROUP)

#define ACE_READ 0x1u
#define ACE_WRITE 0x6u
#define ACE_DELETE_CHILD 0x40u
#define ACE_EXECUTE 0x20u
#define ACE_WRITE_NAMED 0x10u
#define ACE_WRITE_ATTR 0x100u
#define ACE_READ_ATTR 0x80u
#define ACE_DELETE 0x10000u
#define ACE_READ_ACL 0x20000u
#define ACE_WRITE_ACL 0x40000u
#define ACE_WRITE_OWNER 0x80000u
#define ACE_OWNER_ALWAYS 0x1E0198u
#define ACE_OTHERS_ALWAYS 0x120088u

void
zpl_acl_init(zpl_acl_t *acl)
{
	memset(acl, 0, sizeof(*acl));
}

void
zpl_acl_fini(zpl_acl_t *acl)
{
	kmem_free(acl->a_aces, acl->a_alloc * sizeof(zfs_ace_t));
	zpl_acl_init(acl);
}

static void
append(zpl_acl_t *acl, const zfs_ace_t *ace)
{
	if (acl->a_n == acl->a_alloc) {
		const uint32_t n = MAX(8, acl->a_alloc * 2);
		zfs_ace_t *a = kmem_alloc(n * sizeof(*a), KM_SLEEP);
		if (acl->a_n > 0)
			memcpy(a, acl->a_aces, acl->a_n * sizeof(*a));
		kmem_free(acl->a_aces, acl->a_alloc * sizeof(*a));
		acl->a_aces = a;
		acl->a_alloc = n;
	}
	acl->a_aces[acl->a_n++] = *ace;
}

static void
append_simple(zpl_acl_t *acl, uint16_t who, uint16_t type, uint32_t mask)
{
	const zfs_ace_t ace = {.z_type = type, .z_flags = who, .z_access_mask = mask};
	append(acl, &ace);
}

/* ---- trivial --------------------------------------------------------- */

typedef struct trivial {
	uint32_t allow0, deny1, deny2, owner, group, everyone;
} trivial_t;

static void
trivial_masks(uint64_t mode, trivial_t *t)
{
	const uint32_t masks[3] = {
	    ACE_READ, ACE_WRITE | (S_ISDIR(mode) ? ACE_DELETE_CHILD : 0), ACE_EXECUTE};

	*t = (trivial_t){.owner = ACE_OWNER_ALWAYS,
	    .group = ACE_OTHERS_ALWAYS,
	    .everyone = ACE_OTHERS_ALWAYS};
	for (int i = 0; i < 3; i++) {
		const unsigned bit = 4u >> i;
		const bool u = (mode >> 6 & bit) != 0, g = (mode >> 3 & bit) != 0,
			   o = (mode & bit) != 0;
		t->owner |= u ? masks[i] : 0;
		t->group |= g ? masks[i] : 0;
		t->everyone |= o ? masks[i] : 0;
		t->allow0 |= u && !g && o ? masks[i] : 0;
		t->deny1 |= !u && (g || o) ? masks[i] : 0;
		t->deny2 |= !g && o ? masks[i] : 0;
	}
}

static void
trivial_head(zpl_acl_t *acl, const trivial_t *t)
{
	if (t->allow0 != 0)
		append_simple(acl, ACE_OWNER, ACE_ALLOW, t->allow0);
	if (t->deny1 != 0)
		append_simple(acl, ACE_OWNER, ACE_DENY, t->deny1);
	if (t->deny2 != 0)
		append_simple(acl, ACE_OWNING_GROUP, ACE_DENY, t->deny2);
}

static void
trivial_tail(zpl_acl_t *acl, const trivial_t *t)
{
	append_simple(acl, ACE_OWNER, ACE_ALLOW, t->owner);
	append_simple(acl, ACE_OWNING_GROUP, ACE_ALLOW, t->group);
	append_simple(acl, ACE_EVERYONE, ACE_ALLOW, t->everyone);
}

static bool
is_abstract(const zfs_ace_t *ace)
{
	const uint16_t who = ace->z_flags & ACE_TYPE_FLAGS;
	return (who == ACE_OWNER || who == ACE_OWNING_GROUP || who == ACE_EVERYONE);
}

bool
zpl_acl_is_trivial(const zpl_acl_t *acl)
{
	for (uint32_t i = 0; i < acl->a_n; i++) {
		const zfs_ace_t *a = &acl->a_aces[i];
		const uint32_t m = a->z_access_mask;
		if (!is_abstract(a) || (a->z_flags & ACE_INHERIT_FLAGS) != 0 ||
		    (a->z_type == ACE_DENY &&
			(m & (ACE_READ_ACL | ACE_READ_ATTR)) != 0) ||
		    (m & ACE_DELETE) != 0 ||
		    ((m & ACE_DELETE_CHILD) != 0 && (m & 0x2) == 0))
			return (false);
		if (a->z_type == ACE_ALLOW &&
		    (a->z_flags & ACE_TYPE_FLAGS) != ACE_OWNER &&
		    (m & (ACE_WRITE_OWNER | ACE_WRITE_ACL | ACE_WRITE_ATTR |
			     ACE_WRITE_NAMED)) != 0)
			return (false);
	}
	return (true);
}

/* ---- mode ------------------------------------------------------------ */

/* Which of the classes u (4), g (2), o (1) an ACE speaks of; *other: somebody else. */
static unsigned
classes(const zfs_ace_t *ace, uint64_t uid, uint64_t gid, bool *other)
{
	*other = false;
	switch (ace->z_flags & ACE_TYPE_FLAGS) {
	case ACE_OWNER:
		return (4);
	case ACE_OWNING_GROUP:
		return (2);
	case ACE_EVERYONE:
		return (7);
	case 0:
		*other = ace->z_fuid != uid;
		return (*other ? 0 : 4);
	case ACE_IDENTIFIER_GROUP:
		*other = ace->z_fuid != gid;
		return (*other ? 0 : 2);
	default:
		return (0);
	}
}

uint64_t
zpl_acl_mode(const zpl_acl_t *acl, uint64_t mode, uint64_t uid, uint64_t gid,
    bool *no_execs_denied)
{
	static const uint32_t bits[3] = {0x1, 0x2, ACE_EXECUTE};
	uint64_t seen = 0, set = 0;
	bool denied = false;

	for (uint32_t i = 0; i < acl->a_n; i++) {
		const zfs_ace_t *a = &acl->a_aces[i];
		bool other;
		if ((a->z_flags & ACE_INHERIT_ONLY) || a->z_type > ACE_DENY)
			continue;
		const unsigned cl = classes(a, uid, gid, &other);
		if (other && a->z_type == ACE_DENY && (a->z_access_mask & ACE_EXECUTE))
			denied = true;
		for (int b = 0; b < 3; b++) {
			if (!(a->z_access_mask & bits[b]))
				continue;
			for (int c = 0; c < 3; c++) {
				const uint64_t m = (uint64_t)(4u >> b) << (6 - 3 * c);
				if (!(cl & (4u >> c)) || (seen & m))
					continue;
				seen |= m;
				if (a->z_type == ACE_ALLOW)
					set |= m;
			}
		}
	}
	if ((set & 0111) != 0111)
		denied = true;
	if (no_execs_denied != NULL)
		*no_execs_denied = !denied;
	return ((mode & ~0777ULL) | set);
}

uint64_t
zpl_acl_flags(const zpl_acl_t *acl, uint64_t mode, uint64_t uid, uint64_t gid)
{
	uint64_t flags = acl->a_hints;
	bool ok;

	(void)zpl_acl_mode(acl, mode, uid, gid, &ok);
	if (ok)
		flags |= ZPL_F_NO_EXECS_DENIED;
	if (zpl_acl_is_trivial(acl))
		flags |= ZPL_F_ACL_TRIVIAL;
	return (flags);
}

/* ---- stored form ----------------------------------------------------- */

void
zpl_acl_pack(const zpl_acl_t *acl, void **bufp, uint32_t *lenp)
{
	uint32_t len = 0, pos = 0;
	for (uint32_t i = 0; i < acl->a_n; i++)
		len += (uint32_t)zfs_ace_size(
		    acl->a_aces[i].z_type, acl->a_aces[i].z_flags);
	uint8_t *b = kmem_zalloc(len, KM_SLEEP);
	for (uint32_t i = 0; i < acl->a_n; i++)
		pos += (uint32_t)zfs_ace_encode(1, &acl->a_aces[i], b + pos, len - pos);
	ASSERT3U(pos, ==, len);
	*bufp = b;
	*lenp = len;
}

int
zpl_acl_pack_legacy(const zpl_acl_t *acl, uint64_t version, zfs_acl_phys_t *za)
{
	const int av = version >= ZPL_VERSION_FUID ? 1 : 0;
	size_t pos = 0;

	memset(za, 0, sizeof(*za));
	for (uint32_t i = 0; i < acl->a_n; i++) {
		const size_t n = zfs_ace_encode(av, &acl->a_aces[i],
		    za->z_ace_data + pos, sizeof(za->z_ace_data) - pos);
		if (n == 0)
			return (ENOSPC);
		pos += n;
	}
	za->z_acl_version = (uint16_t)av;
	za->z_acl_size = av == 1 ? (uint32_t)pos : acl->a_n;
	za->z_acl_count = av == 1 ? (uint16_t)acl->a_n : 0;
	return (0);
}

static int
unpack(zpl_acl_t *acl, int version, const uint8_t *buf, size_t len, uint64_t count)
{
	size_t pos = 0;
	for (uint64_t i = 0; i < count; i++) {
		zfs_ace_t ace;
		const size_t n = zfs_ace_decode(version, buf + pos, len - pos, &ace);
		if (n == 0 || i == ZPL_ACL_MAX_ENTRIES)
			return (EIO);
		append(acl, &ace);
		pos += n;
	}
	return (0);
}

static int
get_legacy(znode_t *zp, zpl_acl_t *acl)
{
	zfs_acl_phys_t za;
	int err = sa_lookup(&zp->z_sa, SA_ZNODE_ACL, &za, sizeof(za));
	if (err != 0)
		return (err);
	const int av = za.z_acl_version == 0 ? 0 : 1;
	const uint64_t count = av == 0 ? za.z_acl_size : za.z_acl_count;
	const size_t bytes = av == 0 ? count * sizeof(zfs_oldace_t) : za.z_acl_size;
	if (za.z_acl_extern_obj == 0)
		return (
		    unpack(acl, av, za.z_ace_data, MIN(bytes, ZFS_ACE_SPACE), count));
	if (count > ZPL_ACL_MAX_ENTRIES || bytes > ZPL_ACL_MAX_ENTRIES * 48)
		return (EIO);
	uint8_t *buf = kmem_alloc(bytes, KM_SLEEP);
	err = dmu_read(zp->z_zfsvfs->zv_os, za.z_acl_extern_obj, 0, bytes, buf,
	    DMU_READ_NO_PREFETCH);
	if (err == 0)
		err = unpack(acl, av, buf, bytes, count);
	kmem_free(buf, bytes);
	return (err);
}

int
zpl_acl_get(znode_t *zp, zpl_acl_t *acl)
{
	uint64_t count;
	void *buf;
	uint32_t len;
	int err;

	zpl_acl_init(acl);
	if (sa_is_legacy(&zp->z_sa)) {
		err = get_legacy(zp, acl);
	} else {
		err = sa_lookup(&zp->z_sa, SA_DACL_COUNT, &count, sizeof(count));
		if (err == 0)
			err = sa_lookup_alloc(&zp->z_sa, SA_DACL_ACES, &buf, &len);
		if (err == 0) {
			err = unpack(acl, 1, buf, len, count);
			kmem_free(buf, len);
		}
	}
	if (err == ENOENT || (err == 0 && acl->a_n == 0)) {
		/* others write objects without one: trivial, by mode */
		trivial_t t;
		trivial_masks(zp->z_mode, &t);
		trivial_head(acl, &t);
		trivial_tail(acl, &t);
		err = 0;
	}
	if (err != 0)
		zpl_acl_fini(acl);
	else
		acl->a_hints =
		    zp->z_flags &
		    (ZPL_F_INHERIT_ACE | ZPL_F_ACL_PROTECTED | ZPL_F_ACL_DEFAULTED |
			ZPL_F_ACL_AUTO_INHERIT | ZPL_F_ACL_OBJ_ACE);
	return (err);
}

/* ---- creation -------------------------------------------------------- */

static bool
is_passthrough(unsigned aclinherit)
{
	return (
	    aclinherit == ZPL_ACLI_PASSTHROUGH || aclinherit == ZPL_ACLI_PASSTHROUGH_X);
}

/* One ACE of the parent as the child gets it; false: not at all. */
static bool
inherit_ace(
    const zfs_ace_t *p, uint64_t mode, unsigned how, zfs_ace_t *ace, uint64_t *hints)
{
	const bool dir = S_ISDIR(mode);

	if (p->z_type > ACE_TYPE_MAX ||
	    (how == ZPL_ACLI_NOALLOW && p->z_type == ACE_ALLOW))
		return (false);
	if (!(dir && (p->z_flags & ACE_DIR_INHERIT)) &&
	    !((p->z_flags & ACE_FILE_INHERIT) &&
		!(dir && (p->z_flags & ACE_NO_PROPAGATE))))
		return (false);
	*ace = *p;
	if (ace->z_type == ACE_ALLOW) {
		if (how == ZPL_ACLI_RESTRICTED)
			ace->z_access_mask &= ~(ACE_WRITE_ACL | ACE_WRITE_OWNER);
		if (how == ZPL_ACLI_PASSTHROUGH_X && !dir && (mode & 0111) == 0)
			ace->z_access_mask &= ~ACE_EXECUTE;
	}
	ace->z_flags |= ACE_INHERITED;
	if (!dir || (p->z_flags & ACE_NO_PROPAGATE)) {
		ace->z_flags &= (uint16_t)~ACE_INHERIT_FLAGS;
	} else {
		if ((p->z_flags & (ACE_FILE_INHERIT | ACE_DIR_INHERIT)) ==
		    ACE_FILE_INHERIT)
			ace->z_flags |= ACE_INHERIT_ONLY;
		else
			ace->z_flags &= (uint16_t)~ACE_INHERIT_ONLY;
		*hints |= ZPL_F_INHERIT_ACE;
	}
	return (true);
}

static int
inherit(
    zpl_acl_t *a, znode_t *dzp, uint64_t mode, const zpl_opts_t *zo, bool *need_chmod)
{
	zpl_acl_t parent;

	if (zo->zo_aclinherit == ZPL_ACLI_DISCARD || S_ISLNK(mode))
		return (0);
	rw_enter(&dzp->z_lock, RW_READER);
	const int err = zpl_acl_get(dzp, &parent);
	rw_exit(&dzp->z_lock);
	if (err != 0)
		return (err);
	for (uint32_t i = 0; i < parent.a_n; i++) {
		const zfs_ace_t *p = &parent.a_aces[i];
		zfs_ace_t ace;
		if (!inherit_ace(p, mode, zo->zo_aclinherit, &ace, &a->a_hints))
			continue;
		append(a, &ace);
		if (is_passthrough(zo->zo_aclinherit) && is_abstract(p) &&
		    (!S_ISDIR(mode) || (p->z_flags & ACE_DIR_INHERIT)))
			*need_chmod = false;
		if (zo->zo_aclmode == ZPL_ACLM_RESTRICTED)
			*need_chmod = false;
	}
	zpl_acl_fini(&parent);
	return (0);
}

/* Head, the given ones, tail. */
static void
surround(zpl_acl_t *out, const zpl_acl_t *mid, uint64_t mode, bool groupmask)
{
	trivial_t t;
	trivial_masks(mode, &t);
	trivial_head(out, &t);
	for (uint32_t i = 0; i < mid->a_n; i++) {
		zfs_ace_t ace = mid->a_aces[i];
		if (groupmask && ace.z_type == ACE_ALLOW &&
		    zfs_ace_size(ace.z_type, ace.z_flags) <= 16)
			ace.z_access_mask &= t.group;
		append(out, &ace);
	}
	trivial_tail(out, &t);
}

int
zpl_acl_create(
    zpl_acl_t *acl, znode_t *dzp, uint64_t *mode, bool attrspace, const zpl_opts_t *zo)
{
	zpl_acl_t a;
	bool need_chmod = true;
	int err = 0;

	zpl_acl_init(acl);
	zpl_acl_init(&a);
	if (dzp != NULL && !attrspace) {
		rw_enter(&dzp->z_lock, RW_READER);
		const bool has = (dzp->z_flags & ZPL_F_INHERIT_ACE) != 0;
		rw_exit(&dzp->z_lock);
		if (has)
			err = inherit(&a, dzp, *mode, zo, &need_chmod);
	}
	if (err != 0)
		return (err);
	acl->a_hints = a.a_hints;
	if (need_chmod) {
		if (S_ISDIR(*mode))
			acl->a_hints |= ZPL_F_ACL_AUTO_INHERIT;
		surround(acl, &a, *mode,
		    zo->zo_aclmode == ZPL_ACLM_GROUPMASK &&
			!is_passthrough(zo->zo_aclinherit));
	} else {
		for (uint32_t i = 0; i < a.a_n; i++)
			append(acl, &a.a_aces[i]);
	}
	/* owner and group of a new object are named by owner@ and group@ alone */
	if (a.a_n > 0)
		*mode = zpl_acl_mode(acl, *mode, UINT64_MAX, UINT64_MAX, NULL);
	zpl_acl_fini(&a);
	return (0);
}

int
zpl_acl_chmod(zpl_acl_t *acl, const zpl_acl_t *old, uint64_t *mode, uint64_t flags,
    const zpl_opts_t *zo)
{
	zpl_acl_t keep;

	zpl_acl_init(acl);
	zpl_acl_init(&keep);
	if (zo->zo_aclmode == ZPL_ACLM_RESTRICTED && !zpl_acl_is_trivial(old))
		return (EPERM);
	if (zo->zo_aclmode != ZPL_ACLM_DISCARD) {
		for (uint32_t i = 0; i < old->a_n; i++) {
			zfs_ace_t ace = old->a_aces[i];
			const bool inherits =
			    S_ISDIR(*mode) &&
			    (ace.z_flags & (ACE_FILE_INHERIT | ACE_DIR_INHERIT)) != 0;
			if (is_abstract(&ace) && !inherits)
				continue;
			if (is_abstract(&ace))
				ace.z_flags |= ACE_INHERIT_ONLY;
			append(&keep, &ace);
		}
	}
	acl->a_hints = flags & (ZPL_F_ACL_PROTECTED | ZPL_F_ACL_DEFAULTED |
				   ZPL_F_ACL_AUTO_INHERIT);
	surround(acl, &keep, *mode, zo->zo_aclmode == ZPL_ACLM_GROUPMASK);
	for (uint32_t i = 0; i < acl->a_n; i++)
		if (acl->a_aces[i].z_flags & (ACE_FILE_INHERIT | ACE_DIR_INHERIT))
			acl->a_hints |= ZPL_F_INHERIT_ACE;
	zpl_acl_fini(&keep);
	return (0);
}
