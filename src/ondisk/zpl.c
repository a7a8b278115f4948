/*
 * System attributes, ACLs, legacy znodes (format/04 §1.4–1.9, §4).
 */
#include "ondisk/zpl.h"

#include "ondisk/table_impl.h"

static const ondisk_field_t sa_hdr_fields[] = {
    OD_FIELD(sa_hdr_phys_t, sa_magic, 0, OD_HEX),
    OD_FIELD(sa_hdr_phys_t, sa_layout_info, 4, OD_HEX),
    OD_ARRAY(sa_hdr_phys_t, sa_lengths, 6, 1, OD_DEC),
};
OD_TABLE(od_sa_hdr, sa_hdr_phys_t, sa_hdr_fields, NULL);

static const ondisk_field_t zfs_oldace_fields[] = {
    OD_FIELD(zfs_oldace_t, z_fuid, 0, OD_DEC),
    OD_FIELD(zfs_oldace_t, z_access_mask, 4, OD_HEX),
    OD_FIELD(zfs_oldace_t, z_flags, 8, OD_HEX),
    OD_FIELD(zfs_oldace_t, z_type, 10, OD_DEC),
};
OD_TABLE(od_zfs_oldace, zfs_oldace_t, zfs_oldace_fields, NULL);

static const ondisk_field_t zfs_ace_hdr_fields[] = {
    OD_FIELD(zfs_ace_hdr_t, z_type, 0, OD_DEC),
    OD_FIELD(zfs_ace_hdr_t, z_flags, 2, OD_HEX),
    OD_FIELD(zfs_ace_hdr_t, z_access_mask, 4, OD_HEX),
};
OD_TABLE(od_zfs_ace_hdr, zfs_ace_hdr_t, zfs_ace_hdr_fields, NULL);

static const ondisk_field_t zfs_acl_fields[] = {
    OD_FIELD(zfs_acl_phys_t, z_acl_extern_obj, 0, OD_DEC),
    OD_FIELD(zfs_acl_phys_t, z_acl_size, 8, OD_DEC),
    OD_FIELD(zfs_acl_phys_t, z_acl_version, 12, OD_DEC),
    OD_FIELD(zfs_acl_phys_t, z_acl_count, 14, OD_DEC),
    OD_RAW(zfs_acl_phys_t, z_ace_data, 16, OD_BYTES),
};
OD_TABLE(od_zfs_acl, zfs_acl_phys_t, zfs_acl_fields, NULL);

static const ondisk_field_t znode_fields[] = {
    OD_ARRAY(znode_phys_t, zp_atime, 0, 2, OD_DEC),
    OD_ARRAY(znode_phys_t, zp_mtime, 16, 2, OD_DEC),
    OD_ARRAY(znode_phys_t, zp_ctime, 32, 2, OD_DEC),
    OD_ARRAY(znode_phys_t, zp_crtime, 48, 2, OD_DEC),
    OD_FIELD(znode_phys_t, zp_gen, 64, OD_DEC),
    OD_FIELD(znode_phys_t, zp_mode, 72, OD_HEX),
    OD_FIELD(znode_phys_t, zp_size, 80, OD_DEC),
    OD_FIELD(znode_phys_t, zp_parent, 88, OD_DEC),
    OD_FIELD(znode_phys_t, zp_links, 96, OD_DEC),
    OD_FIELD(znode_phys_t, zp_xattr, 104, OD_DEC),
    OD_FIELD(znode_phys_t, zp_rdev, 112, OD_HEX),
    OD_FIELD(znode_phys_t, zp_flags, 120, OD_HEX),
    OD_FIELD(znode_phys_t, zp_uid, 128, OD_DEC),
    OD_FIELD(znode_phys_t, zp_gid, 136, OD_DEC),
    OD_FIELD(znode_phys_t, zp_zap, 144, OD_PAD),
    OD_ARRAY(znode_phys_t, zp_pad, 152, 3, OD_PAD),
    OD_SUB(znode_phys_t, zp_acl, 176, &od_zfs_acl),
};
OD_TABLE(od_znode, znode_phys_t, znode_fields, NULL);

/* ---- system attributes ---- */

int
sa_hdr_decode(
    const void *buf, size_t len, uint16_t *layoutp, uint32_t *hdrsizep, bool *swapped)
{
	uint32_t magic;
	uint16_t info;
	bool swap;

	if (len < SA_HDR_SIZE_MIN)
		return (len == 0 ? ENOENT : EIO);
	magic = ondisk_get32(buf, false);
	if (magic == 0)
		return (ENOENT);
	swap = (magic == BSWAP_32(SA_MAGIC));
	if (!swap && magic != SA_MAGIC)
		return (EIO);
	info = ondisk_get16((const uint8_t *)buf + 4, swap);
	if (SA_HDR_SIZE(info) < SA_HDR_SIZE_MIN || SA_HDR_SIZE(info) > len)
		return (EIO);
	*layoutp = SA_HDR_LAYOUT_NUM(info);
	*hdrsizep = SA_HDR_SIZE(info);
	if (swapped != NULL)
		*swapped = swap;
	return (0);
}

int
sa_hdr_length(const void *buf, size_t len, unsigned i, uint16_t *lengthp)
{
	uint16_t layout;
	uint32_t hdrsize;
	bool swap;

	if (sa_hdr_decode(buf, len, &layout, &hdrsize, &swap) != 0 || i > UINT16_MAX ||
	    6 + 2 * (i + 1) > hdrsize)
		return (EIO);
	*lengthp = ondisk_get16((const uint8_t *)buf + 6 + 2 * (size_t)i, swap);
	return (0);
}

int
sa_hdr_encode(void *buf, size_t len, uint16_t layout, const uint16_t *lengths,
    unsigned v, uint32_t *hdrsizep)
{
	sa_hdr_phys_t hdr = {.sa_magic = SA_MAGIC};
	uint32_t hdrsize;

	if (layout > 0x3ff || v > 252) /* header size has 6 bits, in units of 8 */
		return (EINVAL);
	hdrsize = sa_hdr_size_for(v);
	if (hdrsize > len)
		return (EINVAL);
	hdr.sa_layout_info = SA_HDR_LAYOUT_INFO(layout, hdrsize);
	memset(buf, 0, hdrsize);
	memcpy(buf, &hdr, sizeof(hdr));
	if (v != 0)
		memcpy((uint8_t *)buf + 6, lengths, 2 * (size_t)v);
	*hdrsizep = hdrsize;
	return (0);
}

void
sa_attr_byteswap(sa_bswap_type_t kind, void *value, size_t len)
{
	switch (kind) {
	case SA_UINT64_ARRAY:
		ondisk_byteswap_u64(value, len);
		break;
	case SA_UINT32_ARRAY:
		ondisk_byteswap_u32(value, len);
		break;
	case SA_UINT16_ARRAY:
		ondisk_byteswap_u16(value, len);
		break;
	case SA_ACL:
		zfs_ace_byteswap(value, len);
		break;
	case SA_UINT8_ARRAY:
	case SA_BSWAP_TYPES:
		break;
	}
}

/* ---- ACLs ---- */

#define ACE_ALLOW 0
#define ACE_DENY 1
#define ACE_FIRST_OBJECT_TYPE 5
#define ACE_LAST_OBJECT_TYPE 8
#define ACE_SIZE_SHORT 8
#define ACE_SIZE_FUID 16
#define ACE_SIZE_OBJECT 48
#define OLDACE_WHO_NONE UINT32_MAX

static bool
ace_is_abstract(uint16_t flags)
{
	const uint16_t who = flags & ACE_TYPE_FLAGS;

	return (who == ACE_OWNER || who == ACE_EVERYONE ||
		who == (ACE_GROUP | ACE_IDENTIFIER_GROUP));
}

size_t
zfs_ace_size(uint16_t type, uint16_t flags)
{
	if (type >= ACE_FIRST_OBJECT_TYPE && type <= ACE_LAST_OBJECT_TYPE)
		return (ACE_SIZE_OBJECT);
	if ((type == ACE_ALLOW || type == ACE_DENY) && ace_is_abstract(flags))
		return (ACE_SIZE_SHORT);
	return (ACE_SIZE_FUID);
}

static size_t
oldace_decode(const void *buf, size_t len, zfs_ace_t *ace)
{
	zfs_oldace_t old;

	if (ondisk_decode(&od_zfs_oldace, buf, len, false, &old) != 0)
		return (0);
	*ace = (zfs_ace_t){.z_type = old.z_type,
	    .z_flags = old.z_flags,
	    .z_access_mask = old.z_access_mask,
	    .z_fuid = ace_is_abstract(old.z_flags) ? 0 : old.z_fuid};
	return (sizeof(old));
}

static size_t
oldace_encode(const zfs_ace_t *ace, void *buf, size_t len)
{
	const zfs_oldace_t old = {.z_type = ace->z_type,
	    .z_flags = ace->z_flags,
	    .z_access_mask = ace->z_access_mask,
	    .z_fuid = ace_is_abstract(ace->z_flags) ? OLDACE_WHO_NONE
						    : (uint32_t)ace->z_fuid};

	if (ondisk_encode(&od_zfs_oldace, &old, buf, len, false) != 0)
		return (0);
	return (sizeof(old));
}

size_t
zfs_ace_decode(int version, const void *buf, size_t len, zfs_ace_t *ace)
{
	const uint8_t *p = buf;
	zfs_ace_hdr_t hdr;
	zfs_ace_t a = {0};
	size_t size;

	if (version == 0)
		return (oldace_decode(buf, len, ace));
	if (ondisk_decode(&od_zfs_ace_hdr, buf, len, false, &hdr) != 0)
		return (0);
	size = zfs_ace_size(hdr.z_type, hdr.z_flags);
	if (size > len)
		return (0);
	a.z_type = hdr.z_type;
	a.z_flags = hdr.z_flags;
	a.z_access_mask = hdr.z_access_mask;
	if (size >= ACE_SIZE_FUID)
		a.z_fuid = ondisk_get64(p + 8, false);
	if (size == ACE_SIZE_OBJECT) {
		memcpy(a.z_object_type, p + 16, sizeof(a.z_object_type));
		memcpy(a.z_inherit_type, p + 32, sizeof(a.z_inherit_type));
	}
	*ace = a;
	return (size);
}

size_t
zfs_ace_encode(int version, const zfs_ace_t *ace, void *buf, size_t len)
{
	const zfs_ace_hdr_t hdr = {ace->z_type, ace->z_flags, ace->z_access_mask};
	const size_t size = zfs_ace_size(ace->z_type, ace->z_flags);
	uint8_t *p = buf;

	if (version == 0)
		return (oldace_encode(ace, buf, len));
	if (size > len)
		return (0);
	memcpy(p, &hdr, sizeof(hdr));
	if (size >= ACE_SIZE_FUID)
		memcpy(p + 8, &ace->z_fuid, 8);
	if (size == ACE_SIZE_OBJECT) {
		memcpy(p + 16, ace->z_object_type, sizeof(ace->z_object_type));
		memcpy(p + 32, ace->z_inherit_type, sizeof(ace->z_inherit_type));
	}
	return (size);
}

void
zfs_ace_byteswap(void *buf, size_t size)
{
	uint8_t *p = buf;

	for (size_t off = 0; off + sizeof(zfs_ace_hdr_t) <= size;) {
		size_t n;

		ondisk_byteswap(&od_zfs_ace_hdr, p + off);
		n = zfs_ace_size(
		    ondisk_get16(p + off, false), ondisk_get16(p + off + 2, false));
		if (n >= ACE_SIZE_FUID && off + ACE_SIZE_FUID <= size)
			ondisk_byteswap_u64(p + off + 8, 8);
		off += n;
	}
}

void
zfs_oldace_byteswap(void *buf, size_t size)
{
	uint8_t *p = buf;

	for (size_t off = 0; off + sizeof(zfs_oldace_t) <= size;
	     off += sizeof(zfs_oldace_t))
		ondisk_byteswap(&od_zfs_oldace, p + off);
}

/* ---- legacy znode ---- */

znode_phys_t *
znode_phys_of(void *bonus, size_t len)
{
	return (len < sizeof(znode_phys_t) ? NULL : bonus);
}

void
znode_byteswap(void *buf, size_t size)
{
	znode_phys_t *zp = znode_phys_of(buf, size);
	zfs_acl_phys_t *acl;

	if (zp == NULL)
		return;
	ondisk_byteswap(&od_znode, zp);
	/* The inline ACEs, unless they are elsewhere; their version tells their form.
	 */
	acl = &zp->zp_acl;
	if (acl->z_acl_extern_obj != 0)
		return;
	if (acl->z_acl_version == 0)
		zfs_oldace_byteswap(acl->z_ace_data, sizeof(acl->z_ace_data));
	else
		zfs_ace_byteswap(acl->z_ace_data, sizeof(acl->z_ace_data));
}
