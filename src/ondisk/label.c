/*
 * Labels: geometry, uberblocks, checksummed regions (format/01 §2, §5).
 */
#include "ondisk/label.h"

#include <stdio.h>
#include <time.h>

#include "ondisk/table_impl.h"
#include "spl/debug.h"

static const ondisk_field_t uberblock_fields[] = {
    OD_FIELD(uberblock_t, ub_magic, 0, OD_HEX),
    OD_FIELD(uberblock_t, ub_version, 8, OD_DEC),
    OD_FIELD(uberblock_t, ub_txg, 16, OD_DEC),
    OD_FIELD(uberblock_t, ub_guid_sum, 24, OD_DEC),
    OD_FIELD(uberblock_t, ub_timestamp, 32, OD_TIME),
    OD_SUB(uberblock_t, ub_rootbp, 40, &od_blkptr),
    OD_FIELD(uberblock_t, ub_software_version, 168, OD_DEC),
    OD_FIELD(uberblock_t, ub_mmp_magic, 176, OD_HEX),
    OD_FIELD(uberblock_t, ub_mmp_delay, 184, OD_DEC),
    OD_FIELD(uberblock_t, ub_mmp_config, 192, OD_HEX),
    OD_FIELD(uberblock_t, ub_checkpoint_txg, 200, OD_DEC),
    OD_FIELD(uberblock_t, ub_raidz_reflow_info, 208, OD_HEX),
};
OD_TABLE(od_uberblock, uberblock_t, uberblock_fields, NULL);

/* ---- geometry ---- */

uint64_t
vdev_label_offset(uint64_t psize, int l, uint64_t offset)
{
	const uint64_t start = (uint64_t)l * VDEV_LABEL_SIZE;

	ASSERT(l >= 0 && l < VDEV_LABELS);
	ASSERT3U(offset, <, VDEV_LABEL_SIZE);
	if (l < VDEV_LABELS / 2)
		return (start + offset);
	return (
	    vdev_label_psize(psize) - VDEV_LABELS * VDEV_LABEL_SIZE + start + offset);
}

int
vdev_label_number(uint64_t psize, uint64_t offset)
{
	for (int l = 0; l < VDEV_LABELS; l++) {
		const uint64_t start = vdev_label_offset(psize, l, 0);
		if (offset >= start && offset - start < VDEV_LABEL_SIZE)
			return (l);
	}
	return (-1);
}

uint64_t
vdev_leaf_asize(uint64_t psize)
{
	const uint64_t labels = VDEV_LABEL_START_SIZE + VDEV_LABEL_END_SIZE;

	psize = vdev_label_psize(psize);
	return (psize <= labels ? 0 : psize - labels);
}

/* ---- checksummed regions ---- */

static zio_cksum_t
region_verifier(uint64_t dev_offset)
{
	return ((zio_cksum_t){{dev_offset, 0, 0, 0}});
}

void
label_region_seal(void *region, size_t size, uint64_t dev_offset)
{
	const zio_cksum_t verifier = region_verifier(dev_offset);

	VERIFY(size >= ZEC_SIZE);
	zio_checksum_trailer_put(region, size, &verifier);
}

static int
region_verify(const void *region, size_t size, uint64_t dev_offset, bool *swapped)
{
	const zio_cksum_t verifier = region_verifier(dev_offset);

	if (size < ZEC_SIZE)
		return (ECKSUM);
	return (zio_checksum_trailer_verify(region, size, &verifier, swapped));
}

int
label_region_verify(const void *region, size_t size, uint64_t dev_offset)
{
	return (region_verify(region, size, dev_offset, NULL));
}

/* ---- uberblocks ---- */

int
uberblock_decode(
    const void *slot, size_t size, uint64_t dev_offset, uberblock_t *ub, bool *swapped)
{
	uberblock_t u;
	uint64_t magic;
	bool swap;

	if (size < (1U << MIN_UBERBLOCK_SHIFT))
		return (EINVAL);
	if (region_verify(slot, size, dev_offset, NULL) != 0)
		return (ECKSUM);
	/* The uberblock's own magic decides, not the trailer's: they could differ. */
	magic = ondisk_get64(slot, false);
	swap = (magic == BSWAP_64(UBERBLOCK_MAGIC));
	if (!swap && magic != UBERBLOCK_MAGIC)
		return (EINVAL);
	(void)ondisk_decode(&od_uberblock, slot, size, swap, &u);
	*ub = u;
	if (swapped != NULL)
		*swapped = swap;
	return (0);
}

void
uberblock_encode(const uberblock_t *ub, void *slot, size_t size, uint64_t dev_offset)
{
	VERIFY(size >= sizeof(*ub) + ZEC_SIZE);
	memset(slot, 0, size);
	VERIFY0(ondisk_encode(&od_uberblock, ub, slot, size, false));
	label_region_seal(slot, size, dev_offset);
}

void
uberblock_ring_init(const uberblock_t *ub, void *ring, uint64_t dev_offset)
{
	uberblock_t u = *ub;

	u.ub_txg = 0;
	uberblock_encode(&u, ring, VDEV_UBERBLOCK_RING_SIZE, dev_offset);
}

static int
compare64(uint64_t a, uint64_t b)
{
	return (a < b ? -1 : a > b);
}

int
uberblock_compare(const uberblock_t *a, const uberblock_t *b)
{
	int cmp = compare64(a->ub_txg, b->ub_txg);

	if (cmp == 0)
		cmp = compare64(a->ub_timestamp, b->ub_timestamp);
	if (cmp == 0)
		cmp = compare64(MMP_SEQ(a), MMP_SEQ(b));
	return (cmp);
}

unsigned
uberblock_slot(const uberblock_t *ub, uint64_t ashift, bool multihost)
{
	const uint64_t slots = vdev_uberblock_count(ashift) - (multihost ? 1U : 0U);
	uint64_t txg = ub->ub_txg;

	/* §2.5: the state with scratch data must not replace the one without. */
	if (RRSS_GET_STATE(ub) == RRSS_SCRATCH_VALID)
		txg--;
	return ((unsigned)(txg % slots));
}

uint64_t
mmp_config_make(uint64_t interval_ms, uint64_t seq, uint64_t fail_intervals)
{
	uint64_t c = MMP_INTERVAL_VALID | MMP_SEQ_VALID | MMP_FAIL_INT_VALID;

	c = bf64_set(c, 8, 24, interval_ms);
	c = bf64_set(c, 32, 16, seq);
	return (bf64_set(c, 48, 16, fail_intervals));
}

void
uberblock_to_words(const uberblock_t *ub, uint64_t words[UBERBLOCK_WORDS])
{
	memcpy(words, ub, sizeof(*ub));
}

int
uberblock_from_words(const uint64_t *words, size_t n, uberblock_t *ub)
{
	uberblock_t u;

	/* Old software stored fewer; without the root pointer it would be no uberblock.
	 */
	if (ondisk_decode_short(&od_uberblock, words, n * 8, 21 * 8, false, &u) != 0 ||
	    u.ub_magic != UBERBLOCK_MAGIC)
		return (EIO);
	*ub = u;
	return (0);
}

static void
print_mmp(FILE *fp, const uberblock_t *ub, const char *indent)
{
	if (ub->ub_mmp_magic != MMP_MAGIC)
		return;
	fprintf(fp, "%smmp_magic = %016" PRIx64 "\n", indent, ub->ub_mmp_magic);
	fprintf(fp, "%smmp_delay = %" PRIu64 "\n", indent, ub->ub_mmp_delay);
	if (MMP_BIT(ub, MMP_SEQ_VALID))
		fprintf(fp, "%smmp_seq = %" PRIu64 "\n", indent, MMP_SEQ(ub));
	if (MMP_BIT(ub, MMP_FAIL_INT_VALID))
		fprintf(fp, "%smmp_fail = %" PRIu64 "\n", indent, MMP_FAIL_INT(ub));
	if (MMP_BIT(ub, MMP_INTERVAL_VALID))
		fprintf(fp, "%smmp_write = %" PRIu64 "\n", indent, MMP_INTERVAL(ub));
	fprintf(fp, "%smmp_valid = %" PRIx64 "\n", indent, ub->ub_mmp_config & 0xff);
}

void
uberblock_print(FILE *fp, const uberblock_t *ub, const char *indent)
{
	const time_t when = (time_t)ub->ub_timestamp;
	char text[64] = "?", bp[BP_SPRINTF_LEN];
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	(void)snprintf_blkptr(bp, sizeof(bp), &ub->ub_rootbp);
	fprintf(fp, "%smagic = %016" PRIx64 "\n", indent, ub->ub_magic);
	fprintf(fp, "%sversion = %" PRIu64 "\n", indent, ub->ub_version);
	fprintf(fp, "%stxg = %" PRIu64 "\n", indent, ub->ub_txg);
	fprintf(fp, "%sguid_sum = %" PRIu64 "\n", indent, ub->ub_guid_sum);
	fprintf(
	    fp, "%stimestamp = %" PRIu64 " UTC = %s\n", indent, ub->ub_timestamp, text);
	fprintf(fp, "%sbp = %s\n", indent, bp);
	print_mmp(fp, ub, indent);
	fprintf(fp, "%scheckpoint_txg = %" PRIu64 "\n", indent, ub->ub_checkpoint_txg);
	fprintf(fp, "%sraidz_reflow state=%" PRIu64 " off=%" PRIu64 "\n", indent,
	    RRSS_GET_STATE(ub), RRSS_GET_OFFSET(ub));
}

/* ---- boot environment ---- */

int
bootenv_decode(
    const void *region, size_t size, uint64_t *version, const uint8_t **payload)
{
	if (size != VDEV_BOOTENV_SIZE)
		return (EINVAL);
	*version = ondisk_get64_be(region);
	*payload = (const uint8_t *)region + VDEV_BOOTENV_PAYLOAD_OFFSET;
	return (0);
}

int
bootenv_encode(uint64_t version, const void *payload, size_t len, void *region,
    uint64_t dev_offset)
{
	if (len > VDEV_BOOTENV_PAYLOAD_SIZE)
		return (E2BIG);
	memset(region, 0, VDEV_BOOTENV_SIZE);
	ondisk_put64_be(region, version);
	if (len != 0)
		memcpy((uint8_t *)region + VDEV_BOOTENV_PAYLOAD_OFFSET, payload, len);
	label_region_seal(region, VDEV_BOOTENV_SIZE, dev_offset);
	return (0);
}
