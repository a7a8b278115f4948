/*
 * How a block is written: checksum, compression, copies, by what it is and what the
 * dataset wants. Sources: format/01 §8.1 (metadata rule), §9.1, §10 (copies).
 */
#include "dmu/dmu_impl.h"

#define SYNC_PASS_DONT_COMPRESS 8 /* sizes must settle: format/02 §10.2 */

/* Without these nothing else in the object set can be understood. */
static bool
type_is_critical(dmu_object_type_t type)
{
	switch (type) {
	case DMU_OT_OBJSET:
	case DMU_OT_DNODE:
	case DMU_OT_MASTER_NODE:
	case DMU_OT_SA_MASTER_NODE:
	case DMU_OT_SA_ATTR_REGISTRATION:
	case DMU_OT_SA_ATTR_LAYOUTS:
		return (true);
	default:
		return (false);
	}
}

static uint8_t
policy_copies(const objset_t *os, dmu_object_type_t type, int level, bool md)
{
	uint8_t copies = __atomic_load_n(&os->os_props.op_copies, __ATOMIC_RELAXED);
	bool extra;

	if (dmu_objset_is_mos((objset_t *)os))
		return (3);
	copies = MIN(MAX(copies, 1), 3);
	if (!md)
		return (copies);
	switch (
	    __atomic_load_n(&os->os_props.op_redundant_metadata, __ATOMIC_RELAXED)) {
	case 0: /* all */
		extra = true;
		break;
	case 1: /* most */
		extra = level >= 2 || DMU_OT_IS_METADATA(type);
		break;
	case 2: /* some */
		extra = type_is_critical(type);
		break;
	default:
		extra = false;
	}
	return ((uint8_t)MIN(copies + extra, 3));
}

static enum zio_checksum
policy_checksum(const objset_t *os, const dnode_t *dn, bool md)
{
	uint8_t c = __atomic_load_n(&os->os_props.op_checksum, __ATOMIC_RELAXED);

	if (dmu_objset_is_mos((objset_t *)os))
		return (ZIO_CHECKSUM_FLETCHER_4);
	if (!md && dn != NULL && dn->dn_phys->dn_checksum != ZIO_CHECKSUM_INHERIT)
		c = dn->dn_phys->dn_checksum;
	if (c == ZIO_CHECKSUM_INHERIT || c == ZIO_CHECKSUM_ON ||
	    c >= ZIO_CHECKSUM_FUNCTIONS)
		return (ZIO_CHECKSUM_FLETCHER_4);
	const uint32_t flags = zio_checksum_table[c].ci_flags;
	if ((flags & ZCHECKSUM_EMBEDDED) || (md && !(flags & ZCHECKSUM_METADATA)))
		return (ZIO_CHECKSUM_FLETCHER_4);
	return ((enum zio_checksum)c);
}

static enum zio_compress
policy_compress(const objset_t *os, const dnode_t *dn, int level, bool md)
{
	spa_t *spa = os->os_spa;
	uint8_t c = md ? ZIO_COMPRESS_ON
		       : __atomic_load_n(&os->os_props.op_compress, __ATOMIC_RELAXED);

	if (level == 0 && dn != NULL &&
	    dn->dn_phys->dn_compress != ZIO_COMPRESS_INHERIT &&
	    dn->dn_phys->dn_compress < ZIO_COMPRESS_FUNCTIONS)
		c = dn->dn_phys->dn_compress;
	if (c == ZIO_COMPRESS_INHERIT || c >= ZIO_COMPRESS_FUNCTIONS)
		c = ZIO_COMPRESS_ON;
	if (c == ZIO_COMPRESS_ON)
		c = spa_feature_is_active(spa, SPA_FEATURE_LZ4_COMPRESS)
			? ZIO_COMPRESS_LZ4
			: ZIO_COMPRESS_LZJB;
	if (c != ZIO_COMPRESS_OFF && spa->spa_sync_pass >= SYNC_PASS_DONT_COMPRESS)
		c = ZIO_COMPRESS_EMPTY;
	return ((enum zio_compress)c);
}

void
dmu_write_policy(objset_t *os, dnode_t *dn, dmu_object_type_t type, int level,
    bool spill, uint64_t lsize, zio_prop_t *zp)
{
	const bool md = level > 0 || spill || DMU_OT_IS_METADATA(type);

	memset(zp, 0, sizeof(*zp));
	zp->zp_checksum = policy_checksum(os, dn, md);
	zp->zp_compress = policy_compress(os, spill ? NULL : dn, level, md);
	zp->zp_complevel =
	    md ? 0 : __atomic_load_n(&os->os_props.op_complevel, __ATOMIC_RELAXED);
	zp->zp_type = type;
	zp->zp_level = (uint8_t)level;
	zp->zp_copies = policy_copies(os, type, level, md);
	zp->zp_gang_copies = (uint8_t)MIN(zp->zp_copies + 1, 3);
	zp->zp_blksz = (uint32_t)lsize;
	/* format/01 §8.1: a strong checksum that has not changed means equal content.
	 */
	zp->zp_nopwrite =
	    !md && zp->zp_compress != ZIO_COMPRESS_OFF &&
	    (zio_checksum_table[zp->zp_checksum].ci_flags & ZCHECKSUM_NOPWRITE) != 0;
}
