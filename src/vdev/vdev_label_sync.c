/*
 * Writing labels and uberblocks (format/01 §2.3, §2.6). The idea is in vdev_label.h.
 *
 * A commit has five steps with a flush between them. Within a step all requests to all
 * leaves are under way together (label_batch): a step costs one device latency, not one
 * for each label.
 */
#include <fcntl.h>
#include <unistd.h>
#include "vdev/vdev_impl.h"
#include "vdev/vdev_label.h"

/* --------------------------------------------------------------------- batches -- */

typedef struct label_batch {
	kmutex_t lb_lock;
	kcondvar_t lb_cv;
	uint32_t lb_pending;
	list_t lb_ios;
} label_batch_t;

typedef struct label_io {
	list_node_t li_node;
	vdev_io_t li_vio;
	void *li_buf; /* owned; li_vio.vio_size bytes */
} label_io_t;

static void
label_batch_init(label_batch_t *lb)
{
	mutex_init(&lb->lb_lock);
	cv_init(&lb->lb_cv);
	lb->lb_pending = 0;
	list_create(&lb->lb_ios, sizeof(label_io_t), offsetof(label_io_t, li_node));
}

static void
label_io_done(vdev_io_t *vio)
{
	label_batch_t *lb = vio->vio_private;

	mutex_enter(&lb->lb_lock);
	if (--lb->lb_pending == 0)
		cv_signal(&lb->lb_cv);
	mutex_exit(&lb->lb_lock);
}

/* Write buf (taken over) to a place in a label. */
static void
label_batch_write(label_batch_t *lb, vdev_t *leaf, int label, uint64_t offset,
    void *buf, uint64_t size)
{
	label_io_t *li = kmem_zalloc(sizeof(*li), KM_SLEEP);

	li->li_buf = buf;
	vdev_io_init(&li->li_vio, leaf, VIO_WRITE,
	    vdev_label_offset(leaf->vdev_psize, label, offset), buf, size,
	    ZIO_PRIORITY_SYNC_WRITE, VIO_FLAG_PHYSICAL | VIO_FLAG_CANFAIL);
	li->li_vio.vio_private = lb;
	li->li_vio.vio_done = label_io_done;
	list_insert_tail(&lb->lb_ios, li);
	mutex_enter(&lb->lb_lock);
	lb->lb_pending++;
	mutex_exit(&lb->lb_lock);
	vdev_io(&li->li_vio);
}

static void
label_batch_wait(label_batch_t *lb)
{
	mutex_enter(&lb->lb_lock);
	while (lb->lb_pending > 0)
		cv_wait(&lb->lb_cv, &lb->lb_lock);
	mutex_exit(&lb->lb_lock);
}

/* Successful writes below `top` (NULL: anywhere) whose leaf still takes writes. */
static unsigned
label_batch_good(label_batch_t *lb, const vdev_t *top)
{
	unsigned good = 0;

	for (label_io_t *li = list_head(&lb->lb_ios); li != NULL;
	     li = list_next(&lb->lb_ios, li)) {
		const vdev_t *leaf = li->li_vio.vio_vd;
		if (li->li_vio.vio_error == 0 && vdev_writeable(leaf) &&
		    (top == NULL || leaf->vdev_top == top))
			good++;
	}
	return (good);
}

static void
label_batch_fini(label_batch_t *lb)
{
	label_io_t *li;

	while ((li = list_remove_head(&lb->lb_ios)) != NULL) {
		kmem_free(li->li_buf, li->li_vio.vio_size);
		kmem_free(li, sizeof(*li));
	}
	list_destroy(&lb->lb_ios);
	cv_destroy(&lb->lb_cv);
	mutex_destroy(&lb->lb_lock);
}

/*
 * Flush several top-levels at a time; error[t] tells how it went with each. Dead ones
 * fail with ENXIO.
 */
static void
flush_tops(vdev_t **top, uint64_t n, int *error)
{
	label_batch_t lb;
	uint64_t t = 0;

	label_batch_init(&lb);
	for (t = 0; t < n; t++) {
		label_io_t *li = kmem_zalloc(sizeof(*li), KM_SLEEP);

		vdev_io_init(
		    &li->li_vio, top[t], VIO_FLUSH, 0, NULL, 0, ZIO_PRIORITY_NOW, 0);
		li->li_vio.vio_private = &lb;
		li->li_vio.vio_done = label_io_done;
		list_insert_tail(&lb.lb_ios, li);
		mutex_enter(&lb.lb_lock);
		lb.lb_pending++;
		mutex_exit(&lb.lb_lock);
		vdev_io(&li->li_vio);
	}
	label_batch_wait(&lb);
	t = 0;
	for (label_io_t *li = list_head(&lb.lb_ios); li != NULL;
	     li = list_next(&lb.lb_ios, li))
		error[t++] = li->li_vio.vio_error;
	label_batch_fini(&lb);
}

/* --------------------------------------------------------------------- contents -- */

/* The nvlist area for one place: packed config, zeros, trailer. E2BIG: does not fit. */
static int
label_area_make(const nvlist_t *config, uint64_t dev_offset, void **areap)
{
	uint8_t *packed;
	size_t size;

	if (nvlist_size(config, NV_ENCODE_XDR) > VDEV_PHYS_NVLIST_SIZE)
		return (E2BIG);
	nvlist_pack(config, NV_ENCODE_XDR, &packed, &size);
	uint8_t *area = kmem_zalloc(VDEV_PHYS_SIZE, KM_SLEEP);
	memcpy(area, packed, size);
	kmem_free(packed, size);
	label_region_seal(area, VDEV_PHYS_SIZE, dev_offset);
	*areap = area;
	return (0);
}

static int
leaf_write_config(label_batch_t *lb, vdev_t *leaf, int label, const nvlist_t *config)
{
	void *area;
	const int error = label_area_make(config,
	    vdev_label_offset(leaf->vdev_psize, label, VDEV_PHYS_OFFSET), &area);

	if (error == 0)
		label_batch_write(
		    lb, leaf, label, VDEV_PHYS_OFFSET, area, VDEV_PHYS_SIZE);
	return (error);
}

/* A ring slot holds the uberblock, zeros and a trailer for its place. */
static void
leaf_write_uberblock(
    label_batch_t *lb, vdev_t *leaf, int label, unsigned slot, const uberblock_t *ub)
{
	const uint64_t ashift = leaf->vdev_top->vdev_ashift;
	const uint64_t size = vdev_uberblock_size(ashift);
	const uint64_t offset = vdev_uberblock_offset(ashift, slot);
	void *buf = kmem_zalloc(size, KM_SLEEP);

	uberblock_encode(
	    ub, buf, size, vdev_label_offset(leaf->vdev_psize, label, offset));
	label_batch_write(lb, leaf, label, offset, buf, size);
}

/* ----------------------------------------------------------------- initialising -- */

typedef struct label_init {
	label_batch_t li_lb;
	const uberblock_t *li_ub;
	nvlist_t *(*li_mkconfig)(void *, vdev_t *);
	void *li_arg;
	int li_error;
} label_init_t;

static void
leaf_label_init(vdev_t *leaf, void *arg)
{
	label_init_t *li = arg;

	if (!vdev_writeable(leaf)) {
		li->li_error = li->li_error != 0 ? li->li_error : ENXIO;
		return;
	}
	nvlist_t *config = li->li_mkconfig(li->li_arg, leaf);
	for (int l = 0; l < VDEV_LABELS; l++) {
		const uint64_t psize = leaf->vdev_psize;
		const int error = leaf_write_config(&li->li_lb, leaf, l, config);
		if (error != 0) {
			li->li_error = error;
			break;
		}
		label_batch_write(&li->li_lb, leaf, l, VDEV_PAD_OFFSET,
		    kmem_zalloc(VDEV_PAD_SIZE, KM_SLEEP), VDEV_PAD_SIZE);
		void *bootenv = kmem_zalloc(VDEV_BOOTENV_SIZE, KM_SLEEP);
		VERIFY0(bootenv_encode(VB_RAW, NULL, 0, bootenv,
		    vdev_label_offset(psize, l, VDEV_BOOTENV_OFFSET)));
		label_batch_write(&li->li_lb, leaf, l, VDEV_BOOTENV_OFFSET, bootenv,
		    VDEV_BOOTENV_SIZE);
		void *ring = kmem_zalloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
		uberblock_ring_init(li->li_ub, ring,
		    vdev_label_offset(psize, l, VDEV_UBERBLOCK_RING_OFFSET));
		label_batch_write(&li->li_lb, leaf, l, VDEV_UBERBLOCK_RING_OFFSET, ring,
		    VDEV_UBERBLOCK_RING_SIZE);
	}
	nvlist_free(config);
}

int
vdev_label_init(vdev_t *vd, const uberblock_t *ub,
    nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg)
{
	label_init_t li = {.li_ub = ub, .li_mkconfig = mkconfig, .li_arg = arg};

	label_batch_init(&li.li_lb);
	vdev_foreach_leaf(vd, leaf_label_init, &li);
	label_batch_wait(&li.li_lb);
	for (label_io_t *io = list_head(&li.li_lb.lb_ios);
	     io != NULL && li.li_error == 0; io = list_next(&li.li_lb.lb_ios, io))
		li.li_error = io->li_vio.vio_error;
	label_batch_fini(&li.li_lb);
	if (li.li_error == 0)
		li.li_error = vdev_flush(vd);
	return (li.li_error);
}

/* -------------------------------------------------------------------- committing -- */

typedef struct config_sync {
	label_batch_t cs_lb;
	nvlist_t *(*cs_mkconfig)(void *, vdev_t *);
	void *cs_arg;
	const uberblock_t *cs_ub;
	int cs_first_label; /* labels first, first + 2 */
	bool cs_multihost;
	int cs_error;
} config_sync_t;

static void
leaf_sync_labels(vdev_t *leaf, void *arg)
{
	config_sync_t *cs = arg;

	if (!vdev_writeable(leaf))
		return;
	nvlist_t *config = cs->cs_mkconfig(cs->cs_arg, leaf);
	for (int l = cs->cs_first_label; l < VDEV_LABELS; l += 2) {
		const int error = leaf_write_config(&cs->cs_lb, leaf, l, config);
		if (error != 0)
			cs->cs_error = error;
	}
	nvlist_free(config);
}

/* Steps 3 and 5: one half of the labels of every dirty top-level, then a flush. */
static int
config_sync_labels(vdev_t *root, config_sync_t *cs, const bool *dirty, int first)
{
	int error = 0;

	label_batch_init(&cs->cs_lb);
	cs->cs_first_label = first;
	for (uint64_t t = 0; t < root->vdev_children; t++) {
		if (dirty[t])
			vdev_foreach_leaf(root->vdev_child[t], leaf_sync_labels, cs);
	}
	label_batch_wait(&cs->cs_lb);
	int *flushed = kmem_zalloc(root->vdev_children * sizeof(int), KM_SLEEP);
	flush_tops(root->vdev_child, root->vdev_children, flushed);
	for (uint64_t t = 0; t < root->vdev_children; t++) {
		const vdev_t *top = root->vdev_child[t];

		if (dirty[t] && !top->vdev_islog &&
		    (flushed[t] != 0 || label_batch_good(&cs->cs_lb, top) == 0))
			error = EIO;
	}
	kmem_free(flushed, root->vdev_children * sizeof(int));
	label_batch_fini(&cs->cs_lb);
	return (cs->cs_error != 0 ? cs->cs_error : error);
}

static void
leaf_sync_uberblock(vdev_t *leaf, void *arg)
{
	config_sync_t *cs = arg;

	if (!vdev_writeable(leaf))
		return;
	const unsigned slot =
	    uberblock_slot(cs->cs_ub, leaf->vdev_top->vdev_ashift, cs->cs_multihost);
	for (int l = 0; l < VDEV_LABELS; l++)
		leaf_write_uberblock(&cs->cs_lb, leaf, l, slot, cs->cs_ub);
}

/* Step 4: the uberblock to all labels of the chosen top-levels, then a flush. */
static int
config_sync_uberblock(vdev_t **tops, int ntops, config_sync_t *cs)
{
	bool any_established = false;
	unsigned good = 0;

	label_batch_init(&cs->cs_lb);
	for (int t = 0; t < ntops; t++) {
		any_established |= tops[t]->vdev_ms_array != 0;
		vdev_foreach_leaf(tops[t], leaf_sync_uberblock, cs);
	}
	label_batch_wait(&cs->cs_lb);
	int *flushed = kmem_zalloc((size_t)ntops * sizeof(int), KM_SLEEP);
	flush_tops(tops, (uint64_t)ntops, flushed);
	for (int t = 0; t < ntops; t++) {
		if (flushed[t] == 0 &&
		    (!any_established || tops[t]->vdev_ms_array != 0))
			good += label_batch_good(&cs->cs_lb, tops[t]);
	}
	kmem_free(flushed, (size_t)ntops * sizeof(int));
	label_batch_fini(&cs->cs_lb);
	return (good > 0 ? 0 : EIO);
}

/* Step 2. A log device that fails takes no data of the pool with it. */
static int
config_sync_flush(vdev_t *root)
{
	const uint64_t n = root->vdev_children;
	int *flushed = kmem_zalloc(n * sizeof(int), KM_SLEEP);
	int error = 0;

	flush_tops(root->vdev_child, n, flushed);
	for (uint64_t t = 0; t < n; t++) {
		const vdev_t *top = root->vdev_child[t];

		/* A slot without a device holds no data; a dead one has lost some. */
		if (flushed[t] != 0 && !top->vdev_islog &&
		    top->vdev_ops != &vdev_hole_ops &&
		    top->vdev_ops != &vdev_missing_ops)
			error = flushed[t];
	}
	kmem_free(flushed, n * sizeof(int));
	return (error);
}

int
vdev_config_sync(vdev_t *root, vdev_t **tops, int ntops, const uberblock_t *ub,
    bool multihost, nvlist_t *(*mkconfig)(void *, vdev_t *), void *arg)
{
	config_sync_t cs = {.cs_mkconfig = mkconfig,
	    .cs_arg = arg,
	    .cs_ub = ub,
	    .cs_multihost = multihost};
	const uint64_t n = root->vdev_children;
	bool *dirty = kmem_zalloc(n * sizeof(bool), KM_SLEEP);
	bool any = false;

	for (uint64_t t = 0; t < n; t++) {
		const vdev_t *top = root->vdev_child[t];
		dirty[t] = top->vdev_config_dirty && !vdev_is_dead(top);
		any |= dirty[t];
	}
	int error = config_sync_flush(root);
	if (error == 0 && any)
		error = config_sync_labels(root, &cs, dirty, 0);
	if (error == 0)
		error = config_sync_uberblock(tops, ntops, &cs);
	if (error == 0 && any)
		error = config_sync_labels(root, &cs, dirty, 1);
	kmem_free(dirty, n * sizeof(bool));
	return (error);
}

int
vdev_mmp_write(vdev_t *leaf, int label, const uberblock_t *ub)
{
	label_batch_t lb;

	if (label < 0 || label >= VDEV_LABELS)
		return (EINVAL);
	if (!vdev_writeable(leaf))
		return (ENXIO);
	label_batch_init(&lb);
	leaf_write_uberblock(&lb, leaf, label,
	    vdev_uberblock_count(leaf->vdev_top->vdev_ashift) - 1, ub);
	label_batch_wait(&lb);
	const bool ok = label_batch_good(&lb, NULL) > 0;
	label_batch_fini(&lb);
	return (ok ? 0 : EIO);
}

/* -------------------------------------------------------------------- maintenance --
 */

typedef struct bootenv_write {
	label_batch_t bw_lb;
	uint64_t bw_version;
	const void *bw_payload;
	size_t bw_len;
} bootenv_write_t;

static void
leaf_bootenv_write(vdev_t *leaf, void *arg)
{
	bootenv_write_t *bw = arg;

	if (!vdev_writeable(leaf))
		return;
	for (int l = 0; l < VDEV_LABELS; l++) {
		void *region = kmem_zalloc(VDEV_BOOTENV_SIZE, KM_SLEEP);
		VERIFY0(
		    bootenv_encode(bw->bw_version, bw->bw_payload, bw->bw_len, region,
			vdev_label_offset(leaf->vdev_psize, l, VDEV_BOOTENV_OFFSET)));
		label_batch_write(&bw->bw_lb, leaf, l, VDEV_BOOTENV_OFFSET, region,
		    VDEV_BOOTENV_SIZE);
	}
}

int
vdev_bootenv_write(vdev_t *vd, uint64_t version, const void *payload, size_t len)
{
	bootenv_write_t bw = {
	    .bw_version = version, .bw_payload = payload, .bw_len = len};

	if (len > VDEV_BOOTENV_PAYLOAD_SIZE)
		return (E2BIG);
	label_batch_init(&bw.bw_lb);
	vdev_foreach_leaf(vd, leaf_bootenv_write, &bw);
	label_batch_wait(&bw.bw_lb);
	const bool ok = label_batch_good(&bw.bw_lb, NULL) > 0;
	label_batch_fini(&bw.bw_lb);
	return (ok ? vdev_flush(vd) : EIO);
}

/* The ring of L0 as it has to stand in label l: valid slots resealed, others zero. */
static void *
ring_move(const uint8_t *ring0, const vdev_t *leaf, int l)
{
	const uint64_t ashift = leaf->vdev_top->vdev_ashift;
	const uint64_t size = vdev_uberblock_size(ashift);
	uint8_t *ring = kmem_zalloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
	uberblock_t ub;

	for (unsigned n = 0; n < vdev_uberblock_count(ashift); n++) {
		const uint64_t offset = vdev_uberblock_offset(ashift, n);
		if (uberblock_decode(ring0 + n * size, size,
			vdev_label_offset(leaf->vdev_psize, 0, offset), &ub, NULL) == 0)
			uberblock_encode(&ub, ring + n * size, size,
			    vdev_label_offset(leaf->vdev_psize, l, offset));
	}
	return (ring);
}

int
vdev_label_expand(vdev_t *leaf)
{
	label_batch_t lb;
	nvlist_t *config;
	int error;

	if (!vdev_writeable(leaf))
		return (ENXIO);
	if ((error = vdev_label_read_config(leaf, UINT64_MAX, &config)) != 0)
		return (error);
	uint8_t *ring0 = kmem_alloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
	error = vdev_label_io(leaf, VIO_READ, 0, VDEV_UBERBLOCK_RING_OFFSET, ring0,
	    VDEV_UBERBLOCK_RING_SIZE);
	label_batch_init(&lb);
	for (int l = 2; l < VDEV_LABELS && error == 0; l++) {
		label_batch_write(&lb, leaf, l, VDEV_UBERBLOCK_RING_OFFSET,
		    ring_move(ring0, leaf, l), VDEV_UBERBLOCK_RING_SIZE);
		error = leaf_write_config(&lb, leaf, l, config);
	}
	label_batch_wait(&lb);
	if (error == 0 && label_batch_good(&lb, NULL) < 4)
		error = EIO;
	label_batch_fini(&lb);
	kmem_free(ring0, VDEV_UBERBLOCK_RING_SIZE);
	nvlist_free(config);
	return (error != 0 ? error : vdev_flush(leaf));
}

static bool
config_in_use(const nvlist_t *config)
{
	uint64_t state;

	/* format/01 §3.7: 2 is destroyed; a label without state is not from a pool. */
	return (nvlist_lookup_uint64(config, "state", &state) == 0 && state != 2);
}

int
vdev_label_clear(const char *path, bool force)
{
	nvlist_t *config;
	uint64_t psize;

	int error = vdev_label_probe(path, &config, NULL);
	if (error == 0) {
		const bool busy = config_in_use(config) && !force;
		nvlist_free(config);
		if (busy)
			return (EBUSY);
	} else if (error != ENOENT) {
		return (error);
	}
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return (errno);
	error = vdev_fd_size(fd, &psize);
	uint8_t *zero = kmem_zalloc(VDEV_LABEL_SIZE, KM_SLEEP);
	for (int l = 0; l < VDEV_LABELS && error == 0; l++) {
		/* A device too small for four labels has none to clear. */
		if (psize < SPA_MINDEVSIZE)
			error = EOVERFLOW;
		else if (pwrite(fd, zero, VDEV_LABEL_SIZE,
			     (off_t)vdev_label_offset(psize, l, 0)) !=
			 (ssize_t)VDEV_LABEL_SIZE)
			error = errno != 0 ? errno : EIO;
	}
	if (error == 0 && fdatasync(fd) != 0)
		error = errno;
	kmem_free(zero, VDEV_LABEL_SIZE);
	close(fd);
	return (error);
}
