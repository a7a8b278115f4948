/*
 * Object types and their byte swapping. Source: format/01 §6.7, format/02 §1.9.
 */
#ifndef TARN_ONDISK_OBJTYPE_H
#define TARN_ONDISK_OBJTYPE_H

#include "spl/types.h"

/* How the content of a block is swapped (format/01 §6.7). */
typedef enum dmu_object_byteswap {
	DMU_BSWAP_UINT8,
	DMU_BSWAP_UINT16,
	DMU_BSWAP_UINT32,
	DMU_BSWAP_UINT64,
	DMU_BSWAP_ZAP,
	DMU_BSWAP_DNODE,
	DMU_BSWAP_OBJSET,
	DMU_BSWAP_ZNODE,
	DMU_BSWAP_OLDACL,
	DMU_BSWAP_ACL,
	DMU_BSWAP_NUMFUNCS
} dmu_object_byteswap_t;

/* Types from 128 on describe themselves. */
#define DMU_OT_NEWTYPE 0x80
#define DMU_OT_METADATA 0x40
#define DMU_OT_ENCRYPTED 0x20
#define DMU_OT_BYTESWAP_MASK 0x1f
#define DMU_OT(byteswap, metadata, encrypted)                                          \
	(DMU_OT_NEWTYPE | ((metadata) ? DMU_OT_METADATA : 0) |                         \
	    ((encrypted) ? DMU_OT_ENCRYPTED : 0) | ((byteswap)&DMU_OT_BYTESWAP_MASK))

typedef enum dmu_object_type {
	DMU_OT_NONE = 0,
	DMU_OT_OBJECT_DIRECTORY,
	DMU_OT_OBJECT_ARRAY,
	DMU_OT_PACKED_NVLIST,
	DMU_OT_PACKED_NVLIST_SIZE,
	DMU_OT_BPOBJ,
	DMU_OT_BPOBJ_HDR,
	DMU_OT_SPACE_MAP_HEADER,
	DMU_OT_SPACE_MAP,
	DMU_OT_INTENT_LOG,
	DMU_OT_DNODE,
	DMU_OT_OBJSET,
	DMU_OT_DSL_DIR,
	DMU_OT_DSL_DIR_CHILD_MAP,
	DMU_OT_DSL_DS_SNAP_MAP,
	DMU_OT_DSL_PROPS,
	DMU_OT_DSL_DATASET,
	DMU_OT_ZNODE,
	DMU_OT_OLDACL,
	DMU_OT_PLAIN_FILE_CONTENTS,
	DMU_OT_DIRECTORY_CONTENTS,
	DMU_OT_MASTER_NODE,
	DMU_OT_UNLINKED_SET,
	DMU_OT_ZVOL,
	DMU_OT_ZVOL_PROP,
	DMU_OT_PLAIN_OTHER,
	DMU_OT_UINT64_OTHER,
	DMU_OT_ZAP_OTHER,
	DMU_OT_ERROR_LOG,
	DMU_OT_SPA_HISTORY,
	DMU_OT_SPA_HISTORY_OFFSETS,
	DMU_OT_POOL_PROPS,
	DMU_OT_DSL_PERMS,
	DMU_OT_ACL,
	DMU_OT_SYSACL,
	DMU_OT_FUID,
	DMU_OT_FUID_SIZE,
	DMU_OT_NEXT_CLONES,
	DMU_OT_SCAN_QUEUE,
	DMU_OT_USERGROUP_USED,
	DMU_OT_USERGROUP_QUOTA,
	DMU_OT_USERREFS,
	DMU_OT_DDT_ZAP,
	DMU_OT_DDT_STATS,
	DMU_OT_SA,
	DMU_OT_SA_MASTER_NODE,
	DMU_OT_SA_ATTR_REGISTRATION,
	DMU_OT_SA_ATTR_LAYOUTS,
	DMU_OT_SCAN_XLATE,
	DMU_OT_DEDUP,
	DMU_OT_DEADLIST,
	DMU_OT_DEADLIST_HDR,
	DMU_OT_DSL_CLONES,
	DMU_OT_BPOBJ_SUBOBJ,
	DMU_OT_NUMTYPES,

	DMU_OTN_UINT8_DATA = DMU_OT(DMU_BSWAP_UINT8, 0, 0),
	DMU_OTN_UINT8_METADATA = DMU_OT(DMU_BSWAP_UINT8, 1, 0),
	DMU_OTN_UINT16_DATA = DMU_OT(DMU_BSWAP_UINT16, 0, 0),
	DMU_OTN_UINT16_METADATA = DMU_OT(DMU_BSWAP_UINT16, 1, 0),
	DMU_OTN_UINT32_DATA = DMU_OT(DMU_BSWAP_UINT32, 0, 0),
	DMU_OTN_UINT32_METADATA = DMU_OT(DMU_BSWAP_UINT32, 1, 0),
	DMU_OTN_UINT64_DATA = DMU_OT(DMU_BSWAP_UINT64, 0, 0),
	DMU_OTN_UINT64_METADATA = DMU_OT(DMU_BSWAP_UINT64, 1, 0),
	DMU_OTN_ZAP_DATA = DMU_OT(DMU_BSWAP_ZAP, 0, 0),
	DMU_OTN_ZAP_METADATA = DMU_OT(DMU_BSWAP_ZAP, 1, 0),
	DMU_OTN_UINT8_ENC_DATA = DMU_OT(DMU_BSWAP_UINT8, 0, 1),
	DMU_OTN_UINT8_ENC_METADATA = DMU_OT(DMU_BSWAP_UINT8, 1, 1),
	DMU_OTN_UINT16_ENC_DATA = DMU_OT(DMU_BSWAP_UINT16, 0, 1),
	DMU_OTN_UINT16_ENC_METADATA = DMU_OT(DMU_BSWAP_UINT16, 1, 1),
	DMU_OTN_UINT32_ENC_DATA = DMU_OT(DMU_BSWAP_UINT32, 0, 1),
	DMU_OTN_UINT32_ENC_METADATA = DMU_OT(DMU_BSWAP_UINT32, 1, 1),
	DMU_OTN_UINT64_ENC_DATA = DMU_OT(DMU_BSWAP_UINT64, 0, 1),
	DMU_OTN_UINT64_ENC_METADATA = DMU_OT(DMU_BSWAP_UINT64, 1, 1),
	DMU_OTN_ZAP_ENC_DATA = DMU_OT(DMU_BSWAP_ZAP, 0, 1),
	DMU_OTN_ZAP_ENC_METADATA = DMU_OT(DMU_BSWAP_ZAP, 1, 1)
} dmu_object_type_t;

typedef struct dmu_object_type_info {
	const char *ot_name; /* as zdb prints it */
	uint8_t ot_byteswap; /* dmu_object_byteswap_t */
	bool ot_metadata;
	bool ot_dbuf_metadata_cache; /* worth keeping in the metadata dbuf cache */
	bool ot_encrypt;	     /* content encrypted in encrypted datasets */
} dmu_object_type_info_t;
extern const dmu_object_type_info_t dmu_ot[DMU_OT_NUMTYPES];

/* All of these accept any number; invalid types count as metadata and are not swapped.
 */
bool DMU_OT_IS_VALID(uint64_t ot);
bool DMU_OT_IS_METADATA(uint64_t ot);
bool DMU_OT_IS_METADATA_CACHED(uint64_t ot);
bool DMU_OT_IS_ENCRYPTED(uint64_t ot);
bool DMU_OT_IS_DDT(uint64_t ot);
dmu_object_byteswap_t DMU_OT_BYTESWAP(uint64_t ot);
/* Never NULL: of new types the byteswap class ("zap"), "unknown" of invalid ones. */
const char *dmu_ot_name(uint64_t ot);

typedef enum dmu_objset_type {
	DMU_OST_NONE,
	DMU_OST_META,
	DMU_OST_ZFS,
	DMU_OST_ZVOL,
	DMU_OST_OTHER,
	DMU_OST_ANY, /* not on disk: "any of these" */
	DMU_OST_NUMTYPES
} dmu_objset_type_t;

/*
 * Bring a whole level-0 block of the other byte order into host order, in place.
 * buf is 8-byte aligned, size a multiple of 8 (what does not fill an element at the
 * end stays as it is). Hostile content is fine: out-of-range counts and lengths
 * inside the block are not followed. Indirect blocks (level > 0) are always
 * DMU_BSWAP_UINT64.
 */
void ondisk_byteswap_block(dmu_object_byteswap_t cls, void *buf, size_t size);

#endif
