/*
 * Blocks of any content: first byte chooses what the block is said to be, the rest is
 * the block. Nothing may be touched outside of it, whatever it holds.
 */
#include <stdlib.h>
#include "ondisk/ondisk.h"
#include "spl/debug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk_dnodes(void *block, size_t size)
{
	unsigned slot = 0;
	dnode_phys_t *dnp;

	(void)dnode_block_verify(block, size);
	while ((dnp = dnode_block_next(block, size, &slot)) != NULL) {
		uint32_t max = 0;
		uint8_t *bonus = dnode_phys_bonus(dnp, &max);
		uint16_t layout;
		uint32_t hdrsize;

		if (dnp->dn_type == DMU_OT_NONE || dnode_phys_verify(dnp) != 0)
			continue;
		if (sa_hdr_decode(bonus, dnp->dn_bonuslen, &layout, &hdrsize, NULL) ==
		    0)
			VERIFY3U(hdrsize, <=, max);
		if (dnode_phys_spill(dnp) != NULL)
			(void)blkptr_verify_static(dnode_phys_spill(dnp), NULL);
	}
}

static void
walk_pointers(void *block, size_t size)
{
	static uint8_t data[1 << 16];
	char text[BP_SPRINTF_LEN];
	const blkptr_t *bp;

	for (uint64_t i = 0; (bp = indirect_block_bp(block, size, i)) != NULL; i++) {
		VERIFY(snprintf_blkptr(text, sizeof(text), bp) < BP_SPRINTF_LEN);
		if (blkptr_verify_static(bp, NULL) == 0 && BP_IS_EMBEDDED(bp) &&
		    BP_GET_LSIZE(bp) <= sizeof(data))
			(void)decode_embedded_bp(bp, data, BP_GET_LSIZE(bp));
	}
}

static void
walk_zil(void *block, size_t size, bool slim, bool swap)
{
	size_t off, end;
	lr_t *lr;

	if (swap && zil_block_byteswap(block, size, slim) != 0)
		return;
	if (!zil_block_bounds(block, size, slim, &off, &end))
		return;
	for (; (lr = zil_block_lr(block, end, off)) != NULL; off += lr->lrc_reclen)
		VERIFY3U(lr->lrc_reclen, >=, sizeof(*lr));
}

static void
walk_space_map(const uint64_t *words, size_t n)
{
	space_map_entry_t sme;
	uint64_t again[2];

	for (unsigned k; (k = sm_entry_decode(words, n, &sme)) != 0; words += k, n -= k)
		if (sme.sme_kind == SM_ENTRY_RANGE)
			(void)sm_entry_encode(&sme, again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	objset_phys_t os;
	uint64_t *block;
	unsigned what;

	if (size < 9 || size > 65536)
		return (0);
	what = data[0] % 32;
	size = (size - 1) & ~(size_t)7;
	block = malloc(size);
	VERIFY(block != NULL);
	memcpy(block, data + 1, size);
	if (what < DMU_BSWAP_NUMFUNCS) {
		ondisk_byteswap_block((dmu_object_byteswap_t)what, block, size);
		walk_dnodes(block, size);
		(void)objset_phys_decode(block, size, &os);
	} else if (what < 20) {
		walk_zil(block, size, what & 1, what & 2);
	} else if (what < 28) {
		walk_pointers(block, size);
	} else {
		walk_space_map(block, size / 8);
	}
	free(block);
	return (0);
}
