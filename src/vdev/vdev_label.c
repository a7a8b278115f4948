/*
 * Reading labels and uberblocks (format/01 §2.8). The idea is in vdev_label.h.
 *
 * Devices are hostile: every region is verified before it is decoded, sizes come
 * from the device, never from the label, and a leaf that cannot be read is just a
 * leaf without labels.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"
#include "vdev/vdev_label.h"

int
vdev_label_io(
    vdev_t *leaf, vio_type_t type, int label, uint64_t offset, void *buf, uint64_t size)
{
	vdev_io_t vio;

	vdev_io_init(&vio, leaf, type,
	    vdev_label_offset(leaf->vdev_psize, label, offset), buf, size,
	    type == VIO_READ ? ZIO_PRIORITY_SYNC_READ : ZIO_PRIORITY_SYNC_WRITE,
	    VIO_FLAG_PHYSICAL | VIO_FLAG_CANFAIL);
	return (vdev_io_wait(&vio));
}

/* ------------------------------------------------------------------ label config -- */

/* A candidate among the four; keeps the best by the rule of §2.8. */
typedef struct label_choice {
	uint64_t lc_limit;
	nvlist_t *lc_best;
	uint64_t lc_best_txg;
	bool lc_final; /* one without txg was first: taken at once */
	int lc_decoded;
} label_choice_t;

/* Consider a verified or unverified area that lies at dev_offset; the buffer may
 * change. */
static void
label_consider(label_choice_t *lc, void *area, uint64_t dev_offset)
{
	nvlist_t *nv;
	uint64_t txg = 0;

	if (label_region_verify(area, VDEV_PHYS_SIZE, dev_offset) != 0 ||
	    nvlist_unpack(area, VDEV_PHYS_NVLIST_SIZE, &nv, NULL) != 0)
		return;
	lc->lc_decoded++;
	(void)nvlist_lookup_uint64(nv, "txg", &txg);
	if (!lc->lc_final && txg == 0 && lc->lc_best == NULL) {
		lc->lc_best = nv;
		lc->lc_final = true;
	} else if (!lc->lc_final && txg != 0 && txg <= lc->lc_limit &&
		   (lc->lc_best == NULL || txg > lc->lc_best_txg)) {
		nvlist_free(lc->lc_best);
		lc->lc_best = nv;
		lc->lc_best_txg = txg;
	} else {
		nvlist_free(nv);
	}
}

int
vdev_label_read_config(vdev_t *leaf, uint64_t txg, nvlist_t **configp)
{
	label_choice_t lc = {.lc_limit = txg};

	if (!vdev_readable(leaf))
		return (ENXIO);
	void *area = kmem_alloc(VDEV_PHYS_SIZE, KM_SLEEP);
	for (int l = 0; l < VDEV_LABELS; l++) {
		if (vdev_label_io(
			leaf, VIO_READ, l, VDEV_PHYS_OFFSET, area, VDEV_PHYS_SIZE) == 0)
			label_consider(&lc, area,
			    vdev_label_offset(leaf->vdev_psize, l, VDEV_PHYS_OFFSET));
	}
	kmem_free(area, VDEV_PHYS_SIZE);
	if (lc.lc_best == NULL)
		return (ENOENT);
	*configp = lc.lc_best;
	return (0);
}

int
vdev_fd_size(int fd, uint64_t *size)
{
	struct stat st;
	uint64_t logical, physical;
	bool nonrot;

	if (fstat(fd, &st) != 0)
		return (errno);
	if (S_ISBLK(st.st_mode))
		return (vdev_os_disk_info(fd, size, &logical, &physical, &nonrot));
	if (!S_ISREG(st.st_mode))
		return (EINVAL);
	*size = (uint64_t)st.st_size;
	return (0);
}

int
vdev_label_probe(const char *path, nvlist_t **configp, int *nlabels)
{
	label_choice_t lc = {.lc_limit = UINT64_MAX};
	uint64_t psize;

	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return (errno);
	int error = vdev_fd_size(fd, &psize);
	if (error == 0 && psize < SPA_MINDEVSIZE)
		error = ENOENT;
	if (error == 0) {
		void *area = kmem_alloc(VDEV_PHYS_SIZE, KM_SLEEP);
		for (int l = 0; l < VDEV_LABELS; l++) {
			const uint64_t at =
			    vdev_label_offset(psize, l, VDEV_PHYS_OFFSET);
			if (pread(fd, area, VDEV_PHYS_SIZE, (off_t)at) ==
			    (ssize_t)VDEV_PHYS_SIZE)
				label_consider(&lc, area, at);
		}
		kmem_free(area, VDEV_PHYS_SIZE);
		if (lc.lc_best == NULL)
			error = ENOENT;
	}
	close(fd);
	if (error != 0)
		return (error);
	if (nlabels != NULL)
		*nlabels = lc.lc_decoded;
	*configp = lc.lc_best;
	return (0);
}

/* --------------------------------------------------------------------- uberblocks --
 */

typedef void ub_func_t(
    void *arg, vdev_t *leaf, int label, int slot, const uberblock_t *ub);

typedef struct ub_walk {
	ub_func_t *uw_func;
	void *uw_arg;
} ub_walk_t;

/* Try all slots of a ring under one slot size; number of valid ones. */
static unsigned
ring_walk(const uint8_t *ring, uint64_t dev_offset, uint64_t ashift, vdev_t *leaf,
    int label, const ub_walk_t *uw)
{
	const uint64_t size = vdev_uberblock_size(ashift);
	unsigned valid = 0;
	uberblock_t ub;

	for (unsigned n = 0; n < vdev_uberblock_count(ashift); n++) {
		if (uberblock_decode(
			ring + n * size, size, dev_offset + n * size, &ub, NULL) != 0)
			continue;
		valid++;
		uw->uw_func(uw->uw_arg, leaf, label, (int)n, &ub);
	}
	return (valid);
}

static void
leaf_uberblock_walk(vdev_t *leaf, void *arg)
{
	const ub_walk_t *uw = arg;
	const uint64_t known = leaf->vdev_top != NULL ? leaf->vdev_top->vdev_ashift : 0;

	if (!vdev_readable(leaf))
		return;
	uint8_t *ring = kmem_alloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
	for (int l = 0; l < VDEV_LABELS; l++) {
		if (vdev_label_io(leaf, VIO_READ, l, VDEV_UBERBLOCK_RING_OFFSET, ring,
			VDEV_UBERBLOCK_RING_SIZE) != 0)
			continue;
		const uint64_t at =
		    vdev_label_offset(leaf->vdev_psize, l, VDEV_UBERBLOCK_RING_OFFSET);
		if (known != 0 && ring_walk(ring, at, known, leaf, l, uw) > 0)
			continue;
		/* The size of a slot enters its checksum: a wrong guess finds nothing.
		 */
		for (uint64_t shift = MIN_UBERBLOCK_SHIFT; shift <= MAX_UBERBLOCK_SHIFT;
		     shift++) {
			if (ring_walk(ring, at, shift, leaf, l, uw) > 0)
				break;
		}
	}
	kmem_free(ring, VDEV_UBERBLOCK_RING_SIZE);
}

void
vdev_uberblock_walk(vdev_t *root, ub_func_t *func, void *arg)
{
	ub_walk_t uw = {.uw_func = func, .uw_arg = arg};

	vdev_foreach_leaf(root, leaf_uberblock_walk, &uw);
}

typedef struct ub_best {
	uint64_t best_limit;
	uberblock_t best_ub;
	vdev_t *best_leaf;
	uberblock_t best_any; /* without the limit */
} ub_best_t;

static void
uberblock_consider(void *arg, vdev_t *leaf, int label, int slot, const uberblock_t *ub)
{
	ub_best_t *best = arg;

	(void)label;
	(void)slot;
	if (ub->ub_txg == 0)
		return;
	if (uberblock_compare(ub, &best->best_any) > 0)
		best->best_any = *ub;
	if (ub->ub_txg > best->best_limit)
		return;
	if (best->best_leaf == NULL || uberblock_compare(ub, &best->best_ub) > 0) {
		best->best_ub = *ub;
		best->best_leaf = leaf;
	}
}

int
vdev_uberblock_load(vdev_t *root, uint64_t limit, uberblock_t *ub, nvlist_t **configp)
{
	ub_best_t best = {.best_limit = limit};
	nvlist_t *config;

	vdev_uberblock_walk(root, uberblock_consider, &best);
	if (best.best_leaf == NULL)
		return (ENXIO);
	/* Data that a raidz expansion has moved since is not where an older root says.
	 */
	if (best.best_any.ub_raidz_reflow_info != best.best_ub.ub_raidz_reflow_info)
		return (ENXIO);
	if (configp != NULL) {
		if (vdev_label_read_config(
			best.best_leaf, best.best_ub.ub_txg, &config) != 0)
			return (ENXIO);
		*configp = config;
	}
	*ub = best.best_ub;
	return (0);
}

/* ----------------------------------------------------------------- boot environment --
 */

typedef struct bootenv_search {
	bool bs_found;
	uint64_t *bs_version;
	void *bs_payload;
} bootenv_search_t;

static void
leaf_bootenv_read(vdev_t *leaf, void *arg)
{
	bootenv_search_t *bs = arg;
	uint8_t *region;
	const uint8_t *payload;

	if (bs->bs_found || !vdev_readable(leaf))
		return;
	region = kmem_alloc(VDEV_BOOTENV_SIZE, KM_SLEEP);
	for (int l = 0; l < VDEV_LABELS && !bs->bs_found; l++) {
		if (vdev_label_io(leaf, VIO_READ, l, VDEV_BOOTENV_OFFSET, region,
			VDEV_BOOTENV_SIZE) != 0 ||
		    label_region_verify(region, VDEV_BOOTENV_SIZE,
			vdev_label_offset(leaf->vdev_psize, l, VDEV_BOOTENV_OFFSET)) !=
			0 ||
		    bootenv_decode(
			region, VDEV_BOOTENV_SIZE, bs->bs_version, &payload) != 0)
			continue;
		memcpy(bs->bs_payload, payload, VDEV_BOOTENV_PAYLOAD_SIZE);
		bs->bs_found = true;
	}
	kmem_free(region, VDEV_BOOTENV_SIZE);
}

int
vdev_bootenv_read(vdev_t *vd, uint64_t *version, void *payload)
{
	bootenv_search_t bs = {.bs_version = version, .bs_payload = payload};

	vdev_foreach_leaf(vd, leaf_bootenv_read, &bs);
	return (bs.bs_found ? 0 : ENOENT);
}
