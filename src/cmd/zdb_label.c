/*
 * -l: what stands in the labels of a device (format/01 §2), also if nothing else of the pool can
 * be opened. The device is read directly, without vdevs: each of the four labels and each slot of
 * their rings is judged by itself. What several labels agree on is printed once.
 */
#include <limits.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd/zdb.h"
#include "vdev/vdev.h"

typedef struct label {
	nvlist_t *lb_config; /* NULL: cannot be decoded */
	uint8_t *lb_packed;  /* the same in one encoding, to compare */
	size_t lb_packed_size;
	size_t lb_used; /* bytes that the list takes in the label */
	bool lb_read, lb_sealed;
	uint64_t lb_ashift;
	uint8_t *lb_ring;
} label_t;

static void
label_read(int fd, uint64_t psize, int l, label_t *lb)
{
	const uint64_t at = vdev_label_offset(psize, l, VDEV_PHYS_OFFSET);
	const uint64_t ring_at = vdev_label_offset(psize, l, VDEV_UBERBLOCK_RING_OFFSET);
	uint8_t *area = kmem_alloc(VDEV_PHYS_SIZE, KM_SLEEP);
	nvlist_t *tree;

	lb->lb_ring = kmem_zalloc(VDEV_UBERBLOCK_RING_SIZE, KM_SLEEP);
	lb->lb_read = psize >= VDEV_LABELS * VDEV_LABEL_SIZE &&
	    pread(fd, area, VDEV_PHYS_SIZE, (off_t)at) == (ssize_t)VDEV_PHYS_SIZE &&
	    pread(fd, lb->lb_ring, VDEV_UBERBLOCK_RING_SIZE, (off_t)ring_at) ==
		(ssize_t)VDEV_UBERBLOCK_RING_SIZE;
	if (lb->lb_read) {
		lb->lb_sealed = label_region_verify(area, VDEV_PHYS_SIZE, at) == 0;
		if (nvlist_unpack(area, VDEV_PHYS_NVLIST_SIZE, &lb->lb_config, &lb->lb_used) != 0)
			lb->lb_config = NULL;
	}
	kmem_free(area, VDEV_PHYS_SIZE);
	if (lb->lb_config == NULL)
		return;
	nvlist_pack(lb->lb_config, NV_ENCODE_XDR, &lb->lb_packed, &lb->lb_packed_size);
	if (nvlist_lookup_nvlist(lb->lb_config, "vdev_tree", &tree) != 0 ||
	    nvlist_lookup_uint64(tree, "ashift", &lb->lb_ashift) != 0 ||
	    lb->lb_ashift > ASHIFT_MAX)
		lb->lb_ashift = 0;
}

static void
label_free(label_t *lb)
{
	nvlist_free(lb->lb_config);
	if (lb->lb_packed != NULL)
		kmem_free(lb->lb_packed, lb->lb_packed_size);
	kmem_free(lb->lb_ring, VDEV_UBERBLOCK_RING_SIZE);
}

static bool
label_same(const label_t *a, const label_t *b)
{
	return (a->lb_config != NULL && b->lb_config != NULL &&
	    a->lb_sealed == b->lb_sealed && a->lb_packed_size == b->lb_packed_size &&
	    memcmp(a->lb_packed, b->lb_packed, a->lb_packed_size) == 0);
}

/* ---- -ll: what the list is made of ------------------------------------------------------------ */

typedef struct nv_count {
	uint64_t nc_n, nc_bytes;
} nv_count_t;

typedef struct nv_stats {
	nv_count_t ns_int, ns_string, ns_boolean, ns_nvlist, ns_leaf;
	uint64_t ns_leaf_max;
} nv_stats_t;

/* Bytes that one pair takes in the XDR form (format/01 §4.3), without what it contains. */
static uint64_t
pair_size(const nvpair_t *nvp)
{
	nvlist_t *one = nvlist_create();
	const uint64_t empty = nvlist_size(one, NV_ENCODE_XDR);

	(void)nvlist_add_nvpair(one, nvp);
	const uint64_t size = nvlist_size(one, NV_ENCODE_XDR) - empty;
	nvlist_free(one);
	return (size);
}

static void
count(nv_count_t *nc, uint64_t bytes)
{
	nc->nc_n++;
	nc->nc_bytes += bytes;
}

static void collect(nv_stats_t *ns, const nvlist_t *nvl);

static void
collect_lists(nv_stats_t *ns, const nvlist_t *owner, const nvpair_t *nvp)
{
	nvlist_t *const *list;
	nvlist_t *one;
	uint64_t inside = 0;
	size_t n = 0;

	if (nvpair_value_nvlist(nvp, &one) == 0) {
		inside = nvlist_size(one, NV_ENCODE_XDR);
		collect(ns, one);
	} else if (nvlist_lookup_nvlist_array(owner, nvpair_name(nvp), &list, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			inside += nvlist_size(list[i], NV_ENCODE_XDR);
			collect(ns, list[i]);
		}
	}
	const uint64_t size = pair_size(nvp);
	count(&ns->ns_nvlist, size > inside ? size - inside : 0);
}

static void
collect(nv_stats_t *ns, const nvlist_t *nvl)
{
	const char *type;

	for (nvpair_t *nvp = nvlist_next_nvpair(nvl, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(nvl, nvp)) {
		switch (nvpair_type(nvp)) {
		case DATA_TYPE_STRING:
			count(&ns->ns_string, pair_size(nvp));
			break;
		case DATA_TYPE_BOOLEAN:
		case DATA_TYPE_BOOLEAN_VALUE:
			count(&ns->ns_boolean, pair_size(nvp));
			break;
		case DATA_TYPE_NVLIST:
		case DATA_TYPE_NVLIST_ARRAY:
			collect_lists(ns, nvl, nvp);
			break;
		default:
			count(&ns->ns_int, pair_size(nvp));
			break;
		}
	}
	if (nvlist_lookup_string(nvl, "type", &type) == 0 &&
	    (strcmp(type, "disk") == 0 || strcmp(type, "file") == 0)) {
		const uint64_t size = nvlist_size(nvl, NV_ENCODE_XDR);
		count(&ns->ns_leaf, size);
		ns->ns_leaf_max = MAX(ns->ns_leaf_max, size);
	}
}

static void
print_count(const char *what, const nv_count_t *nc, uint64_t total)
{
	(void)printf("%12s: %4" PRIu64 " %6" PRIu64 " bytes (%5.2f%%)\n", what, nc->nc_n,
	    nc->nc_bytes, total == 0 ? 0.0 : 100.0 * (double)nc->nc_bytes / (double)total);
}

static void
print_label_stats(const label_t *lb)
{
	const uint64_t room = VDEV_PHYS_NVLIST_SIZE, used = lb->lb_used;
	const uint64_t unused = room > used ? room - used : 0;
	nv_stats_t ns = { 0 };

	collect(&ns, lb->lb_config);
	(void)printf("\n\nZFS Label NVList Config Stats:\n");
	(void)printf("  %" PRIu64 " bytes used, %" PRIu64 " bytes free (using %4.1f%%)\n\n", used,
	    unused, 100.0 * (double)used / (double)room);
	print_count("integers", &ns.ns_int, used);
	print_count("strings", &ns.ns_string, used);
	print_count("booleans", &ns.ns_boolean, used);
	print_count("nvlists", &ns.ns_nvlist, used);
	(void)printf("\n");
	if (ns.ns_leaf.nc_n > 0) {
		const uint64_t average = ns.ns_leaf.nc_bytes / ns.ns_leaf.nc_n;
		(void)printf("%12s: %4" PRIu64 " %6" PRIu64 " bytes average\n", "leaf vdevs",
		    ns.ns_leaf.nc_n, average);
		(void)printf("%24" PRIu64 " bytes largest\n", ns.ns_leaf_max);
		if (average > 0)
			(void)printf("  space for %" PRIu64 " additional leaf vdevs\n",
			    unused / average);
	}
	(void)printf("\n");
}

/* ---- printing --------------------------------------------------------------------------------- */

static void
print_header(int l, const char *note)
{
	(void)printf("------------------------------------\n");
	(void)printf("LABEL %d %s\n", l, note);
	(void)printf("------------------------------------\n");
}

static void
print_config_labels(const label_t *lb, int l, int level)
{
	nvlist_print_zdb(stdout, lb[l].lb_config, 4);
	(void)printf("    labels = ");
	for (int m = 0; m < VDEV_LABELS; m++)
		if (label_same(&lb[l], &lb[m]))
			(void)printf("%d ", m);
	(void)printf("\n");
	if (level >= 2)
		print_label_stats(&lb[l]);
}

typedef struct slot {
	bool sl_valid;
	uberblock_t sl_ub;
} slot_t;

static slot_t
slot_get(const label_t *lb, uint64_t psize, int l, unsigned n, uint64_t ashift)
{
	const uint64_t off = vdev_uberblock_offset(ashift, n);
	slot_t s = { 0 };

	s.sl_valid = lb->lb_read &&
	    uberblock_decode(lb->lb_ring + (off - VDEV_UBERBLOCK_RING_OFFSET),
		vdev_uberblock_size(ashift), vdev_label_offset(psize, l, off), &s.sl_ub,
		NULL) == 0;
	return (s);
}

static bool
slot_same(const slot_t *a, const slot_t *b)
{
	return (a->sl_valid && b->sl_valid &&
	    memcmp(&a->sl_ub, &b->sl_ub, sizeof(uberblock_t)) == 0);
}

/* The ring of label l: what no earlier label has in the same slot. */
static void
print_ring(const label_t *lb, uint64_t psize, int l, uint64_t ashift, int level)
{
	for (unsigned n = 0; n < vdev_uberblock_count(ashift); n++) {
		slot_t s[VDEV_LABELS];
		bool known = false;

		for (int m = 0; m < VDEV_LABELS; m++)
			s[m] = slot_get(&lb[m], psize, m, n, ashift);
		if (!s[l].sl_valid || s[l].sl_ub.ub_txg == 0) {
			if (level >= 2 && lb[l].lb_read)
				(void)printf("    Uberblock[%u] invalid\n", n);
			continue;
		}
		for (int m = 0; m < l; m++)
			known = known || slot_same(&s[m], &s[l]);
		if (known)
			continue;
		(void)printf("    Uberblock[%u]\n", n);
		uberblock_print(stdout, &s[l].sl_ub, "\t");
		(void)printf("        labels = ");
		for (int m = l; m < VDEV_LABELS; m++)
			if (slot_same(&s[m], &s[l]))
				(void)printf("%d ", m);
		(void)printf("\n");
	}
}

static int
print_labels(zdb_t *z, label_t *lb, uint64_t psize)
{
	const int config = z->z_quiet_labels ? 0 : z->z_opt['l'], ring = z->z_opt['u'];
	uint64_t ashift = 0;
	int missing = 0;

	for (int l = 0; l < VDEV_LABELS; l++)
		ashift = MAX(ashift, lb[l].lb_ashift);
	for (int l = 0; l < VDEV_LABELS; l++) {
		bool known = false;

		if (lb[l].lb_config == NULL) {
			missing++;
			if (!z->z_quiet_labels)
				(void)printf(lb[l].lb_read ? "failed to unpack label %d\n"
							   : "failed to read label %d\n",
				    l);
		}
		for (int m = 0; m < l; m++)
			known = known || label_same(&lb[m], &lb[l]);
		if (lb[l].lb_config != NULL && config > 0 && (!known || config >= 3)) {
			print_header(l, lb[l].lb_sealed ? "" : "(Bad label cksum)");
			print_config_labels(lb, l, config);
		}
		if (ring > 0)
			print_ring(lb, psize, l, ashift, ring);
	}
	return (missing == VDEV_LABELS ? 2 : missing > 0);
}

/* A short name is looked for where disks are. */
static int
open_device(const char *device)
{
	char path[PATH_MAX];
	int fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT && device[0] != '/') {
		(void)snprintf(path, sizeof(path), "/dev/%s", device);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			errno = ENOENT;
	}
	return (fd);
}

int
zdb_labels(zdb_t *z, const char *device)
{
	label_t lb[VDEV_LABELS] = { 0 };
	const int fd = open_device(device);

	if (fd < 0) {
		(void)fprintf(stderr, "cannot open '%s': %s\n", device, strerror(errno));
		return (1);
	}
	const off_t end = lseek(fd, 0, SEEK_END);
	const uint64_t psize = end > 0 ? vdev_label_psize((uint64_t)end) : 0;
	for (int l = 0; l < VDEV_LABELS; l++)
		label_read(fd, psize, l, &lb[l]);
	(void)close(fd);
	const int status = print_labels(z, lb, psize);
	for (int l = 0; l < VDEV_LABELS; l++)
		label_free(&lb[l]);
	return (status);
}
