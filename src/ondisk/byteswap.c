/*
 * Foreign blocks into host order, by class (format/01 §6.7).
 */
#include "ondisk/ondisk.h"

static void
objset_byteswap(void *buf, size_t size)
{
	/* V1 and V2 headers end at boundaries between fields (format/02 §1.9). */
	objset_phys_t *osp = buf;

	if (size < OBJSET_PHYS_SIZE_V1)
		return;
	dnode_byteswap(&osp->os_meta_dnode, DNODE_MIN_SIZE);
	ondisk_byteswap(&od_zil_header, &osp->os_zil_header);
	osp->os_type = BSWAP_64(osp->os_type);
	osp->os_flags = BSWAP_64(osp->os_flags);
	if (size < OBJSET_PHYS_SIZE_V2)
		return;
	dnode_byteswap(&osp->os_userused_dnode, DNODE_MIN_SIZE);
	dnode_byteswap(&osp->os_groupused_dnode, DNODE_MIN_SIZE);
	if (size < OBJSET_PHYS_SIZE_V3)
		return;
	dnode_byteswap(&osp->os_projectused_dnode, DNODE_MIN_SIZE);
}

void
ondisk_byteswap_block(dmu_object_byteswap_t cls, void *buf, size_t size)
{
	switch (cls) {
	case DMU_BSWAP_UINT16:
		ondisk_byteswap_u16(buf, size);
		break;
	case DMU_BSWAP_UINT32:
		ondisk_byteswap_u32(buf, size);
		break;
	case DMU_BSWAP_UINT64:
		ondisk_byteswap_u64(buf, size);
		break;
	case DMU_BSWAP_ZAP:
		zap_byteswap(buf, size);
		break;
	case DMU_BSWAP_DNODE:
		dnode_buf_byteswap(buf, size);
		break;
	case DMU_BSWAP_OBJSET:
		objset_byteswap(buf, size);
		break;
	case DMU_BSWAP_ZNODE:
		znode_byteswap(buf, size);
		break;
	case DMU_BSWAP_OLDACL:
		zfs_oldace_byteswap(buf, size);
		break;
	case DMU_BSWAP_ACL:
		zfs_ace_byteswap(buf, size);
		break;
	case DMU_BSWAP_UINT8:
	case DMU_BSWAP_NUMFUNCS:
		break;
	}
}
