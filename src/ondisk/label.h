/*
 * Labels of a leaf device: where they are, uberblocks, boot environment.
 * Source: format/01 §2, §5, §11.3.
 */
#ifndef TARN_ONDISK_LABEL_H
#define TARN_ONDISK_LABEL_H

#include "ondisk/blkptr.h"

/* ---- geometry (§2.1, §2.2); all in bytes ---- */

#define VDEV_LABELS 4
#define VDEV_LABEL_SIZE 0x40000ULL
#define VDEV_LABEL_START_SIZE 0x400000ULL /* two labels and the boot region */
#define VDEV_LABEL_END_SIZE 0x80000ULL	  /* two labels */
#define VDEV_BOOT_OFFSET 0x80000ULL
#define VDEV_BOOT_SIZE 0x380000ULL
#define SPA_MINDEVSIZE (64ULL << 20)
#define ASHIFT_MIN 9
#define ASHIFT_MAX 16

#define VDEV_PAD_OFFSET 0x0ULL
#define VDEV_PAD_SIZE 0x2000ULL
#define VDEV_BOOTENV_OFFSET 0x2000ULL
#define VDEV_BOOTENV_SIZE 0x2000ULL
#define VDEV_PHYS_OFFSET 0x4000ULL /* the nvlist area */
#define VDEV_PHYS_SIZE 0x1c000ULL
#define VDEV_PHYS_NVLIST_SIZE (VDEV_PHYS_SIZE - ZEC_SIZE)
#define VDEV_UBERBLOCK_RING_OFFSET 0x20000ULL
#define VDEV_UBERBLOCK_RING_SIZE 0x20000ULL

/* Device size rounded down to whole labels. */
static inline uint64_t
vdev_label_psize(uint64_t psize)
{
	return (P2ALIGN(psize, VDEV_LABEL_SIZE));
}

/* Device offset of byte `offset` of label l (0..3) of a device of psize bytes. */
uint64_t vdev_label_offset(uint64_t psize, int l, uint64_t offset);
/* Which label a device offset lies in; -1 none. */
int vdev_label_number(uint64_t psize, uint64_t offset);
/* Allocatable bytes of a leaf; 0 if it is too small. */
uint64_t vdev_leaf_asize(uint64_t psize);

/* ---- ring (§2.5) ---- */

#define MIN_UBERBLOCK_SHIFT 10
#define MAX_UBERBLOCK_SHIFT 13
/* ashift is that of the top-level. */
static inline int
vdev_uberblock_shift(uint64_t ashift)
{
	return ((int)MIN(MAX(ashift, MIN_UBERBLOCK_SHIFT), MAX_UBERBLOCK_SHIFT));
}

static inline uint64_t
vdev_uberblock_size(uint64_t ashift)
{
	return (1ULL << vdev_uberblock_shift(ashift));
}

static inline unsigned
vdev_uberblock_count(uint64_t ashift)
{
	return ((unsigned)(VDEV_UBERBLOCK_RING_SIZE >> vdev_uberblock_shift(ashift)));
}

/* Offset of slot n inside a label. */
static inline uint64_t
vdev_uberblock_offset(uint64_t ashift, unsigned n)
{
	return (
	    VDEV_UBERBLOCK_RING_OFFSET + ((uint64_t)n << vdev_uberblock_shift(ashift)));
}

/* ---- uberblock (§5) ---- */

#define UBERBLOCK_MAGIC 0x00bab10cULL
#define UBERBLOCK_PHYS_SIZE 216
#define MMP_MAGIC 0xa11cea11ULL
#define SPA_VERSION 5000ULL
#define SPA_VERSION_FEATURES 5000ULL
#define SPA_VERSION_BEFORE_FEATURES 28ULL
#define TXG_INITIAL 4ULL

static inline bool
SPA_VERSION_IS_SUPPORTED(uint64_t v)
{
	return (
	    (v >= 1 && v <= SPA_VERSION_BEFORE_FEATURES) || v == SPA_VERSION_FEATURES);
}

typedef struct uberblock {
	uint64_t ub_magic;
	uint64_t ub_version;
	uint64_t ub_txg;
	uint64_t ub_guid_sum;
	uint64_t ub_timestamp; /* seconds since 1970 */
	blkptr_t ub_rootbp;
	uint64_t ub_software_version;
	uint64_t ub_mmp_magic;
	uint64_t ub_mmp_delay; /* ns; 0: multihost off */
	uint64_t ub_mmp_config;
	uint64_t ub_checkpoint_txg;
	uint64_t ub_raidz_reflow_info;
} uberblock_t;
_Static_assert(sizeof(uberblock_t) == UBERBLOCK_PHYS_SIZE, "uberblock_t");
extern const ondisk_table_t od_uberblock;

/*
 * Decode one ring slot of `size` bytes that lies at `dev_offset` on its device. ECKSUM:
 * trailer does not verify; EINVAL: magic wrong or size impossible. *swapped (may be
 * NULL): written by a host of the other byte order.
 */
int uberblock_decode(
    const void *slot, size_t size, uint64_t dev_offset, uberblock_t *ub, bool *swapped);
/* Fill a slot: uberblock, zeros, trailer for dev_offset. */
void uberblock_encode(
    const uberblock_t *ub, void *slot, size_t size, uint64_t dev_offset);
/* The template ring of a device that never saw a commit: ub with txg 0 (§2.3). */
void uberblock_ring_init(const uberblock_t *ub, void *ring, uint64_t dev_offset);

/* < 0, 0, > 0 in the order of §2.8: txg, timestamp, MMP sequence. */
int uberblock_compare(const uberblock_t *a, const uberblock_t *b);

/* Slot a committed uberblock goes to. multihost leaves the last slot to heartbeats. */
unsigned uberblock_slot(const uberblock_t *ub, uint64_t ashift, bool multihost);

/* mmp_config (§5.3). The three numbers count only with a right magic and their valid
 * bit. */
#define MMP_INTERVAL_VALID 0x1ULL
#define MMP_SEQ_VALID 0x2ULL
#define MMP_FAIL_INT_VALID 0x4ULL
static inline bool
MMP_VALID(const uberblock_t *ub)
{
	return (ub->ub_magic == UBERBLOCK_MAGIC && ub->ub_mmp_magic == MMP_MAGIC);
}

static inline bool
MMP_BIT(const uberblock_t *ub, uint64_t bit)
{
	return (MMP_VALID(ub) && (ub->ub_mmp_config & bit) != 0);
}

static inline uint64_t /* milliseconds */
MMP_INTERVAL(const uberblock_t *ub)
{
	return (
	    MMP_BIT(ub, MMP_INTERVAL_VALID) ? bf64_get(ub->ub_mmp_config, 8, 24) : 0);
}

static inline uint64_t
MMP_SEQ(const uberblock_t *ub)
{
	return (MMP_BIT(ub, MMP_SEQ_VALID) ? bf64_get(ub->ub_mmp_config, 32, 16) : 0);
}

static inline uint64_t
MMP_FAIL_INT(const uberblock_t *ub)
{
	return (
	    MMP_BIT(ub, MMP_FAIL_INT_VALID) ? bf64_get(ub->ub_mmp_config, 48, 16) : 0);
}

uint64_t mmp_config_make(uint64_t interval_ms, uint64_t seq, uint64_t fail_intervals);

/* raidz_reflow_info (§5.4). */
typedef enum raidz_reflow_scratch_state {
	RRSS_SCRATCH_NOT_IN_USE = 0,
	RRSS_SCRATCH_VALID,
	RRSS_SCRATCH_INVALID_SYNCED,
	RRSS_SCRATCH_INVALID_SYNCED_ON_IMPORT,
	RRSS_SCRATCH_INVALID_SYNCED_REFLOW
} raidz_reflow_scratch_state_t;
static inline uint64_t /* bytes */
RRSS_GET_OFFSET(const uberblock_t *ub)
{
	return (bf64_get(ub->ub_raidz_reflow_info, 0, 55) << SPA_MINBLOCKSHIFT);
}

static inline uint64_t
RRSS_GET_STATE(const uberblock_t *ub)
{
	return (bf64_get(ub->ub_raidz_reflow_info, 55, 9));
}

static inline void
RRSS_SET(uberblock_t *ub, uint64_t offset, uint64_t state)
{
	ub->ub_raidz_reflow_info =
	    bf64_set(bf64_set(0, 0, 55, offset >> SPA_MINBLOCKSHIFT), 55, 9, state);
}

/* The uberblock as 27 native words and back (checkpoint entry, §11.2; few words: rest
 * 0). */
#define UBERBLOCK_WORDS (UBERBLOCK_PHYS_SIZE / 8)
void uberblock_to_words(const uberblock_t *ub, uint64_t words[UBERBLOCK_WORDS]);
int uberblock_from_words(const uint64_t *words, size_t n, uberblock_t *ub);

/* Several lines in zdb's form. */
void uberblock_print(struct _IO_FILE *fp, const uberblock_t *ub, const char *indent);

/* ---- checksummed regions (§2.3) ---- */

/* Put the trailer into a region of `size` bytes that will stand at dev_offset. */
void label_region_seal(void *region, size_t size, uint64_t dev_offset);
/* 0 or ECKSUM. */
int label_region_verify(const void *region, size_t size, uint64_t dev_offset);

/* ---- boot environment (§2.4) ---- */

#define VDEV_BOOTENV_PAYLOAD_OFFSET 8
#define VDEV_BOOTENV_PAYLOAD_SIZE 8144
#define VB_RAW 0ULL
#define VB_NVLIST 1ULL
/*
 * Split a verified bootenv block: version and payload (inside `region`). EINVAL: size.
 */
int bootenv_decode(
    const void *region, size_t size, uint64_t *version, const uint8_t **payload);
/* Fill a block with version, payload (len <= 8144) and trailer. E2BIG. */
int bootenv_encode(uint64_t version, const void *payload, size_t len, void *region,
    uint64_t dev_offset);

#endif
