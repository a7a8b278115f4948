/*
 * Dnodes and object set headers (format/02 §1).
 */
#include "ondisk/dnode.h"

#include "ondisk/table_impl.h"

static const ondisk_field_t dnode_fields[] = {
    OD_FIELD(dnode_phys_t, dn_type, 0, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_indblkshift, 1, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_nlevels, 2, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_nblkptr, 3, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_bonustype, 4, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_checksum, 5, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_compress, 6, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_flags, 7, OD_HEX),
    OD_FIELD(dnode_phys_t, dn_datablkszsec, 8, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_bonuslen, 10, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_extra_slots, 12, OD_DEC),
    OD_ARRAY(dnode_phys_t, dn_pad2, 13, 3, OD_PAD),
    OD_FIELD(dnode_phys_t, dn_maxblkid, 16, OD_DEC),
    OD_FIELD(dnode_phys_t, dn_used, 24, OD_DEC),
    OD_ARRAY(dnode_phys_t, dn_pad3, 32, 4, OD_PAD),
    OD_SUBS(dnode_phys_t, dn_blkptr, 64, DNODE_MAX_NBLKPTR, &od_blkptr),
    OD_RAW(dnode_phys_t, dn_tail, 448, OD_BYTES),
};
OD_TABLE(od_dnode, dnode_phys_t, dnode_fields, NULL);

static const ondisk_field_t objset_fields[] = {
    OD_SUB(objset_phys_t, os_meta_dnode, 0, &od_dnode),
    OD_SUB(objset_phys_t, os_zil_header, 512, &od_zil_header),
    OD_FIELD(objset_phys_t, os_type, 704, OD_DEC),
    OD_FIELD(objset_phys_t, os_flags, 712, OD_HEX),
    OD_RAW(objset_phys_t, os_portable_mac, 720, OD_BYTES),
    OD_RAW(objset_phys_t, os_local_mac, 752, OD_BYTES),
    OD_RAW(objset_phys_t, os_pad0, 784, OD_PAD),
    OD_SUB(objset_phys_t, os_userused_dnode, 1024, &od_dnode),
    OD_SUB(objset_phys_t, os_groupused_dnode, 1536, &od_dnode),
    OD_SUB(objset_phys_t, os_projectused_dnode, 2048, &od_dnode),
    OD_RAW(objset_phys_t, os_pad1, 2560, OD_PAD),
};
OD_TABLE(od_objset, objset_phys_t, objset_fields, NULL);

/* ---- slots of a block ---- */

dnode_phys_t *
dnode_block_slot(void *block, size_t size, unsigned slot)
{
	const size_t nslots = size >> DNODE_SHIFT;
	dnode_phys_t *dnp;

	if (slot >= nslots)
		return (NULL);
	dnp = (dnode_phys_t *)block + slot;
	if (dnp->dn_type != DMU_OT_NONE && dnode_phys_slots(dnp) > nslots - slot)
		return (NULL);
	return (dnp);
}

const dnode_phys_t *
dnode_block_slot_const(const void *block, size_t size, unsigned slot)
{
	/* Same walk; the block is not changed by it. */
	return (dnode_block_slot((void *)(uintptr_t)block, size, slot));
}

static unsigned
slots_of(const dnode_phys_t *dnp)
{
	return (dnp->dn_type == DMU_OT_NONE ? 1 : dnode_phys_slots(dnp));
}

dnode_phys_t *
dnode_block_next(void *block, size_t size, unsigned *slotp)
{
	const unsigned want = *slotp;
	unsigned slot = 0;
	dnode_phys_t *dnp;

	while ((dnp = dnode_block_slot(block, size, slot)) != NULL) {
		const unsigned next = slot + slots_of(dnp);
		if (slot >= want) {
			*slotp = next;
			return (dnp);
		}
		slot = next;
	}
	return (NULL);
}

bool
dnode_block_is_interior(const void *block, size_t size, unsigned want)
{
	unsigned slot = 0;

	while (slot < want) {
		const dnode_phys_t *dnp = dnode_block_slot_const(block, size, slot);
		if (dnp == NULL)
			return (false);
		slot += slots_of(dnp);
	}
	return (slot != want);
}

/* ---- one dnode ---- */

/* Bytes from the start of the dnode to its bonus. */
static uint32_t
bonus_start(const dnode_phys_t *dnp)
{
	return ((uint32_t)(DNODE_CORE_SIZE + dnp->dn_nblkptr * sizeof(blkptr_t)));
}

uint32_t
dnode_phys_bonus_max(const dnode_phys_t *dnp)
{
	uint32_t used = bonus_start(dnp);

	if (dnp->dn_nblkptr == 0 || dnp->dn_nblkptr > DNODE_MAX_NBLKPTR)
		return (0);
	if (dnp->dn_flags & DNODE_FLAG_SPILL_BLKPTR)
		used += (uint32_t)sizeof(blkptr_t);
	return (used >= dnode_phys_size(dnp) ? 0 : dnode_phys_size(dnp) - used);
}

void *
dnode_phys_bonus(dnode_phys_t *dnp, uint32_t *maxp)
{
	if (dnp->dn_nblkptr == 0 || dnp->dn_nblkptr > DNODE_MAX_NBLKPTR)
		return (NULL);
	if (maxp != NULL)
		*maxp = dnode_phys_bonus_max(dnp);
	return ((uint8_t *)dnp + bonus_start(dnp));
}

const void *
dnode_phys_bonus_const(const dnode_phys_t *dnp, uint32_t *maxp)
{
	return (dnode_phys_bonus((dnode_phys_t *)(uintptr_t)dnp, maxp));
}

blkptr_t *
dnode_phys_spill_place(dnode_phys_t *dnp)
{
	return ((blkptr_t *)((uint8_t *)dnp + dnode_phys_size(dnp)) - 1);
}

blkptr_t *
dnode_phys_spill(dnode_phys_t *dnp)
{
	if (!(dnp->dn_flags & DNODE_FLAG_SPILL_BLKPTR) ||
	    bonus_start(dnp) + sizeof(blkptr_t) > dnode_phys_size(dnp))
		return (NULL);
	return (dnode_phys_spill_place(dnp));
}

uint8_t
dnode_default_nblkptr(uint32_t dnodesize, uint64_t bonustype, uint32_t bonuslen)
{
	const uint32_t room = DN_BONUS_SIZE(dnodesize);

	if (bonustype == DMU_OT_SA || bonuslen > room)
		return (1);
	return (
	    (uint8_t)MIN(DNODE_MAX_NBLKPTR, 1 + (room - bonuslen) / sizeof(blkptr_t)));
}

/* Can the tree hold this block number (format/02 §1.4)? */
static bool
maxblkid_fits(const dnode_phys_t *dnp)
{
	const int shift = dnode_phys_epbs(dnp) * (dnp->dn_nlevels - 1);

	return (shift >= 64 || (dnp->dn_maxblkid >> shift) < dnp->dn_nblkptr);
}

int
dnode_phys_verify(const dnode_phys_t *dnp)
{
	if (!DMU_OT_IS_VALID(dnp->dn_type) || !DMU_OT_IS_VALID(dnp->dn_bonustype))
		return (EIO);
	if (dnp->dn_nblkptr == 0 || dnp->dn_nblkptr > DNODE_MAX_NBLKPTR)
		return (EIO);
	if (dnp->dn_nlevels == 0 || dnp->dn_nlevels > DN_MAX_LEVELS)
		return (EIO);
	/* Smaller than the writers' 12: a single-level dnode may hold what it likes. */
	if (dnp->dn_indblkshift > DN_MAX_INDBLKSHIFT ||
	    (dnp->dn_nlevels > 1 && dnp->dn_indblkshift < SPA_BLKPTRSHIFT + 2))
		return (EIO);
	if (dnp->dn_checksum >= ZIO_CHECKSUM_FUNCTIONS ||
	    dnp->dn_compress >= ZIO_COMPRESS_FUNCTIONS)
		return (EIO);
	if (dnp->dn_datablkszsec == 0 || dnode_phys_datablksz(dnp) > SPA_MAXBLOCKSIZE)
		return (EIO);
	if (dnp->dn_maxblkid > 0 && !ISP2(dnp->dn_datablkszsec))
		return (EIO);
	if (!maxblkid_fits(dnp))
		return (EIO);
	if (dnp->dn_extra_slots >= DNODES_PER_BLOCK)
		return (EIO);
	return (dnp->dn_bonuslen > dnode_phys_bonus_max(dnp) ? EIO : 0);
}

int
dnode_block_verify(const void *block, size_t size)
{
	const size_t nslots = size >> DNODE_SHIFT;

	for (unsigned slot = 0; slot < nslots;) {
		const dnode_phys_t *dnp = dnode_block_slot_const(block, size, slot);
		if (dnp == NULL)
			return (EIO);
		if (dnp->dn_type != DMU_OT_NONE && dnode_phys_verify(dnp) != 0)
			return (EIO);
		slot += slots_of(dnp);
	}
	return (0);
}

/* ---- byte order ---- */

void
dnode_byteswap(void *buf, size_t size)
{
	dnode_phys_t *dnp = buf;
	uint32_t max;
	blkptr_t *spill;
	void *bonus;

	if (size < DNODE_MIN_SIZE || dnp->dn_type == DMU_OT_NONE ||
	    dnode_phys_size(dnp) > size)
		return;
	dnp->dn_datablkszsec = BSWAP_16(dnp->dn_datablkszsec);
	dnp->dn_bonuslen = BSWAP_16(dnp->dn_bonuslen);
	dnp->dn_maxblkid = BSWAP_64(dnp->dn_maxblkid);
	dnp->dn_used = BSWAP_64(dnp->dn_used);

	bonus = dnode_phys_bonus(dnp, &max);
	if (bonus == NULL)
		return;
	for (int i = 0; i < dnp->dn_nblkptr; i++)
		ondisk_byteswap(&od_blkptr, &dnp->dn_blkptr[i]);
	/*
	 * The bonus up to its capacity, not just to bonuslen: what lies behind is zero,
	 * and a length that has shrunk hides nothing. dnode and objset classes cannot
	 * be there.
	 */
	if (dnp->dn_bonuslen != 0 && dnp->dn_bonuslen <= max &&
	    DMU_OT_BYTESWAP(dnp->dn_bonustype) != DMU_BSWAP_DNODE &&
	    DMU_OT_BYTESWAP(dnp->dn_bonustype) != DMU_BSWAP_OBJSET)
		ondisk_byteswap_block(DMU_OT_BYTESWAP(dnp->dn_bonustype), bonus, max);
	spill = dnode_phys_spill(dnp);
	if (spill != NULL)
		ondisk_byteswap(&od_blkptr, spill);
}

void
dnode_buf_byteswap(void *block, size_t size)
{
	const size_t nslots = size >> DNODE_SHIFT;

	for (unsigned slot = 0; slot < nslots;) {
		dnode_phys_t *dnp = (dnode_phys_t *)block + slot;
		dnode_byteswap(dnp, (nslots - slot) << DNODE_SHIFT);
		slot += slots_of(dnp);
	}
}

/* ---- object set header ---- */

int
objset_phys_decode(const void *block, size_t size, objset_phys_t *osp)
{
	objset_phys_t os;

	if (size > OBJSET_PHYS_SIZE_V3)
		size = OBJSET_PHYS_SIZE_V3;
	if (size != OBJSET_PHYS_SIZE_V1 && size != OBJSET_PHYS_SIZE_V2 &&
	    size != OBJSET_PHYS_SIZE_V3)
		return (EIO);
	memset(&os, 0, sizeof(os));
	memcpy(&os, block, size);
	if (os.os_type <= DMU_OST_NONE || os.os_type > DMU_OST_OTHER)
		return (EIO);
	if (os.os_meta_dnode.dn_type != DMU_OT_DNODE ||
	    os.os_meta_dnode.dn_extra_slots != 0 ||
	    dnode_phys_verify(&os.os_meta_dnode))
		return (EIO);
	*osp = os;
	return (0);
}

void
objset_phys_encode(const objset_phys_t *osp, void *block, size_t size)
{
	memcpy(block, osp, MIN(size, sizeof(*osp)));
}
