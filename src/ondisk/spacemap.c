/*
 * Space map header and entries (format/02 §5.2, §5.3).
 */
#include "ondisk/spacemap.h"

#include "ondisk/table_impl.h"
#include "spl/debug.h"

static const ondisk_field_t space_map_fields[] = {
    OD_FIELD(space_map_phys_t, smp_object, 0, OD_DEC),
    OD_FIELD(space_map_phys_t, smp_length, 8, OD_DEC),
    OD_FIELD(space_map_phys_t, smp_alloc, 16, OD_SDEC),
    OD_ARRAY(space_map_phys_t, smp_pad, 24, 5, OD_PAD),
    OD_ARRAY(space_map_phys_t, smp_histogram, 64, SPACE_MAP_HISTOGRAM_SIZE, OD_DEC),
};
OD_TABLE(od_space_map, space_map_phys_t, space_map_fields, NULL);

/* Bits 63–62 (63 alone for the one-word form). */
#define SM_PREFIX_DEBUG 2
#define SM_PREFIX_TWO_WORDS 3

unsigned
sm_entry_decode(const uint64_t *words, size_t n, space_map_entry_t *sme)
{
	space_map_entry_t e = {.sme_vdev = SM_NO_VDEV};
	unsigned used = 1;

	if (n == 0)
		return (0);
	switch (bf64_get(words[0], 62, 2)) {
	case SM_PREFIX_DEBUG:
		e.sme_txg = bf64_get(words[0], 0, 50);
		e.sme_pass = (uint32_t)bf64_get(words[0], 50, 10);
		e.sme_type = (bf64_get(words[0], 60, 2) == 0 ? SM_ALLOC : SM_FREE);
		e.sme_kind = (e.sme_txg == 0 ? SM_ENTRY_PAD : SM_ENTRY_DEBUG);
		break;
	case SM_PREFIX_TWO_WORDS:
		if (n < 2)
			return (0);
		e.sme_kind = SM_ENTRY_RANGE;
		e.sme_run = bf64_get(words[0], 24, 36) + 1;
		e.sme_vdev = (uint32_t)bf64_get(words[0], 0, 24);
		e.sme_type = (words[1] >> 63 ? SM_FREE : SM_ALLOC);
		e.sme_offset = bf64_get(words[1], 0, 63);
		used = 2;
		break;
	default:
		e.sme_kind = SM_ENTRY_RANGE;
		e.sme_offset = bf64_get(words[0], 16, 47);
		e.sme_type = (bf64_get(words[0], 15, 1) ? SM_FREE : SM_ALLOC);
		e.sme_run = bf64_get(words[0], 0, 15) + 1;
		break;
	}
	*sme = e;
	return (used);
}

bool
sm_entry_fits_one(const space_map_entry_t *sme)
{
	return (sme->sme_vdev == SM_NO_VDEV && sme->sme_offset < SM_OFFSET_MAX1 &&
		sme->sme_run <= SM_RUN_MAX1);
}

unsigned
sm_entry_encode(const space_map_entry_t *sme, uint64_t words[2])
{
	const uint64_t type = (sme->sme_type == SM_FREE);
	uint64_t w;

	switch (sme->sme_kind) {
	case SM_ENTRY_PAD:
		words[0] = SM_PADDING_WORD;
		return (1);
	case SM_ENTRY_DEBUG:
		w = bf64_set(0, 62, 2, SM_PREFIX_DEBUG);
		w = bf64_set(w, 60, 2, type);
		w = bf64_set(w, 50, 10, sme->sme_pass);
		words[0] = bf64_set(w, 0, 50, sme->sme_txg);
		return (1);
	case SM_ENTRY_RANGE:
		break;
	}
	VERIFY(sme->sme_run >= 1 && sme->sme_run <= SM_RUN_MAX2);
	VERIFY(sme->sme_offset < SM_OFFSET_MAX2);
	if (sm_entry_fits_one(sme)) {
		words[0] = (sme->sme_offset << 16) | (type << 15) | (sme->sme_run - 1);
		return (1);
	}
	w = bf64_set(0, 62, 2, SM_PREFIX_TWO_WORDS);
	w = bf64_set(w, 24, 36, sme->sme_run - 1);
	words[0] = bf64_set(w, 0, 24, sme->sme_vdev == SM_NO_VDEV ? 0 : sme->sme_vdev);
	words[1] = (type << 63) | sme->sme_offset;
	return (2);
}
