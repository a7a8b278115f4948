/*
 * System attributes: the small typed values that make up an inode (format/04 §1.4–1.6,
 * §1.9).
 *
 * The problem. Different objects carry different sets of attributes, some of variable
 * length, and new attributes appear over the years; storing names with each value would
 * cost more than the values.
 *
 * The idea. A registry per object set numbers the attributes; a *layout* is a sequence
 * of numbers, stored once; an object says only "layout 3" and then the bare values.
 * They live in the bonus buffer; what does not fit goes to a spill block, which has a
 * layout of its own.
 *
 * Above this file nobody sees where a value is: sa_lookup, sa_update. Changing a value
 * of the same length is done in place. Everything else lays the whole object out anew.
 *
 * Legacy objects (bonus type 17, the fixed znode) answer to the same calls for
 * attributes 0–15 and SYMLINK; what has no place in them is ENOTSUP until sa_convert().
 *
 * Buffers of the other byte order are read as they are and rewritten in host order at
 * the first change.
 *
 * Locks. A handle belongs to its znode, whose z_lock protects it (shared for reading).
 * sa_os has a reader/writer lock of its own below that, above the zap's.
 *
 * What can fail. A buffer that contradicts its layout: EIO. Too much: EFBIG.
 */
#ifndef TARN_ZPL_SA_H
#define TARN_ZPL_SA_H

#include "dmu/dmu.h"

/* Index into the standard table (format/04 §1.4), not the number on disk. */
typedef enum zpl_sa {
	SA_ATIME,
	SA_MTIME,
	SA_CTIME,
	SA_CRTIME,
	SA_GEN,
	SA_MODE,
	SA_SIZE,
	SA_PARENT,
	SA_LINKS,
	SA_XATTR,
	SA_RDEV,
	SA_FLAGS,
	SA_UID,
	SA_GID,
	SA_PAD,
	SA_ZNODE_ACL,
	SA_DACL_COUNT,
	SA_SYMLINK,
	SA_SCANSTAMP,
	SA_DACL_ACES,
	SA_DXATTR,
	SA_PROJID,
	SA_STD_ATTRS
} zpl_sa_t;

#define SA_TOTAL_MAX 131072 /* all attributes of an object, bytes */

typedef struct sa_os sa_os_t;

/*
 * Tables of an object set. master 0: legacy only (ZPL < 5). Tables that do not exist
 * yet are made by the first sa_create. EIO: damaged tables.
 */
int sa_os_open(objset_t *os, uint64_t master, sa_os_t **sap);
void sa_os_close(sa_os_t *sa);
/* The master node came into being (upgrade to ZPL 5). */
void sa_os_set_master(sa_os_t *sa, uint64_t master);

/* Holds for a transaction that may make new layouts. */
void sa_tx_hold_tables(sa_os_t *sa, dmu_tx_t *tx);

typedef struct sa_handle {
	sa_os_t *sh_os;
	dmu_buf_t *sh_bonus;
	dmu_object_type_t sh_type; /* 44, 17 */
} sa_handle_t;

/* Take over the hold on the bonus buffer. EINVAL: not an SA or znode bonus; EIO. */
int sa_handle_init(sa_handle_t *sh, sa_os_t *sa, dmu_buf_t *bonus, const void *tag);
void sa_handle_fini(sa_handle_t *sh, const void *tag);
static inline bool
sa_is_legacy(const sa_handle_t *sh)
{
	return (sh->sh_type == DMU_OT_ZNODE);
}

/* The value of an attribute of exactly this length. ENOENT; EIO: another length. */
int sa_lookup(sa_handle_t *sh, zpl_sa_t attr, void *buf, uint32_t len);
int sa_length(sa_handle_t *sh, zpl_sa_t attr, uint32_t *len);
/* Of any length; allocated (kmem_free(*bufp, *lenp)). */
int sa_lookup_alloc(sa_handle_t *sh, zpl_sa_t attr, void **bufp, uint32_t *lenp);

/* A change; sc_data NULL: remove the attribute if it is there. */
typedef struct sa_change {
	zpl_sa_t sc_attr;
	const void *sc_data;
	uint32_t sc_len;
} sa_change_t;
/* First attributes of a new object, in this order. */
int sa_create(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx);
/*
 * Change some. The bonus must be held in tx, and tables and spill if a length changes
 * or an attribute comes or goes. On error nothing has changed.
 */
int sa_update(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx);
/* The same, everything in canonical order afterwards (§1.6). */
int sa_update_canonical(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx);
/* Would sa_update work in place? */
bool sa_fits_in_place(sa_handle_t *sh, zpl_sa_t attr, uint32_t len);
/* Make a legacy object an SA object with these attributes. */
int sa_convert(sa_handle_t *sh, const sa_change_t *sc, int n, dmu_tx_t *tx);

#endif
