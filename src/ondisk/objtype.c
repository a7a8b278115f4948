/*
 * The table of object types (format/01 §6.7). Names are those zdb prints.
 */
#include "ondisk/objtype.h"

#include "spl/bits.h"

#define META true
#define DATA false
#define CACHED true
#define PLAIN false /* neither cached nor encrypted */
#define ENC true

const dmu_object_type_info_t dmu_ot[DMU_OT_NUMTYPES] = {
    {"unallocated", DMU_BSWAP_UINT8, META, PLAIN, PLAIN},
    {"object directory", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"object array", DMU_BSWAP_UINT64, META, CACHED, PLAIN},
    {"packed nvlist", DMU_BSWAP_UINT8, META, PLAIN, PLAIN},
    {"packed nvlist size", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"bpobj", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"bpobj header", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"SPA space map header", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"SPA space map", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"ZIL intent log", DMU_BSWAP_UINT64, META, PLAIN, ENC},
    {"DMU dnode", DMU_BSWAP_DNODE, META, PLAIN, ENC},
    {"DMU objset", DMU_BSWAP_OBJSET, META, CACHED, PLAIN},
    {"DSL directory", DMU_BSWAP_UINT64, META, CACHED, PLAIN},
    {"DSL directory child map", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DSL dataset snap map", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DSL props", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DSL dataset", DMU_BSWAP_UINT64, META, CACHED, PLAIN},
    {"ZFS znode", DMU_BSWAP_ZNODE, META, PLAIN, PLAIN},
    {"ZFS V0 ACL", DMU_BSWAP_OLDACL, META, PLAIN, ENC},
    {"ZFS plain file", DMU_BSWAP_UINT8, DATA, PLAIN, ENC},
    {"ZFS directory", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"ZFS master node", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"ZFS delete queue", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"zvol object", DMU_BSWAP_UINT8, DATA, PLAIN, ENC},
    {"zvol prop", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"other uint8[]", DMU_BSWAP_UINT8, DATA, PLAIN, ENC},
    {"other uint64[]", DMU_BSWAP_UINT64, DATA, PLAIN, ENC},
    {"other ZAP", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"persistent error log", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"SPA history", DMU_BSWAP_UINT8, META, PLAIN, PLAIN},
    {"SPA history offsets", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"Pool properties", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DSL permissions", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"ZFS ACL", DMU_BSWAP_ACL, META, PLAIN, ENC},
    {"ZFS SYSACL", DMU_BSWAP_UINT8, META, PLAIN, ENC},
    {"FUID table", DMU_BSWAP_UINT8, META, PLAIN, ENC},
    {"FUID table size", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
    {"DSL dataset next clones", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"scan work queue", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"ZFS user/group/project used", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"ZFS user/group/project quota", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"snapshot refcount tags", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DDT ZAP algorithm", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"DDT statistics", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"System attributes", DMU_BSWAP_UINT8, META, PLAIN, ENC},
    {"SA master node", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"SA attr registration", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"SA attr layouts", DMU_BSWAP_ZAP, META, PLAIN, ENC},
    {"scan translations", DMU_BSWAP_ZAP, META, PLAIN, PLAIN},
    {"deduplicated block", DMU_BSWAP_UINT8, DATA, PLAIN, ENC},
    {"DSL deadlist map", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"DSL deadlist map hdr", DMU_BSWAP_UINT64, META, CACHED, PLAIN},
    {"DSL dir clones", DMU_BSWAP_ZAP, META, CACHED, PLAIN},
    {"bpobj subobj", DMU_BSWAP_UINT64, META, PLAIN, PLAIN},
};

static const char *const bswap_name[DMU_BSWAP_NUMFUNCS] = {"uint8", "uint16", "uint32",
    "uint64", "zap", "dnode", "objset", "znode", "oldacl", "acl"};

bool
DMU_OT_IS_VALID(uint64_t ot)
{
	if (ot > UINT8_MAX)
		return (false);
	if (ot & DMU_OT_NEWTYPE)
		return ((ot & DMU_OT_BYTESWAP_MASK) < DMU_BSWAP_NUMFUNCS);
	return (ot < DMU_OT_NUMTYPES);
}

bool
DMU_OT_IS_METADATA(uint64_t ot)
{
	if (!DMU_OT_IS_VALID(ot))
		return (true);
	if (ot & DMU_OT_NEWTYPE)
		return ((ot & DMU_OT_METADATA) != 0);
	return (dmu_ot[ot].ot_metadata);
}

bool
DMU_OT_IS_METADATA_CACHED(uint64_t ot)
{
	return (ot < DMU_OT_NUMTYPES && dmu_ot[ot].ot_dbuf_metadata_cache);
}

bool
DMU_OT_IS_ENCRYPTED(uint64_t ot)
{
	if (!DMU_OT_IS_VALID(ot))
		return (false);
	if (ot & DMU_OT_NEWTYPE)
		return ((ot & DMU_OT_ENCRYPTED) != 0);
	return (dmu_ot[ot].ot_encrypt);
}

bool
DMU_OT_IS_DDT(uint64_t ot)
{
	return (ot == DMU_OT_DDT_ZAP || ot == DMU_OT_DDT_STATS);
}

dmu_object_byteswap_t
DMU_OT_BYTESWAP(uint64_t ot)
{
	if (!DMU_OT_IS_VALID(ot))
		return (DMU_BSWAP_UINT8);
	if (ot & DMU_OT_NEWTYPE)
		return ((dmu_object_byteswap_t)(ot & DMU_OT_BYTESWAP_MASK));
	return ((dmu_object_byteswap_t)dmu_ot[ot].ot_byteswap);
}

const char *
dmu_ot_name(uint64_t ot)
{
	if (!DMU_OT_IS_VALID(ot))
		return ("unknown");
	if (ot & DMU_OT_NEWTYPE)
		return (bswap_name[ot & DMU_OT_BYTESWAP_MASK]);
	return (dmu_ot[ot].ot_name);
}
