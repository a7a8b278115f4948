/*
 * Real pools, read from the uberblock down: every block of every dataset and snapshot,
 * all copies of each, must be what its pointer says. The images were written by the
 * Linux kernel module.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fake_spa.h"
#include "vdev/vdev_label.h"

/* ---- a tree from the labels of a directory of images (format/01 §3.2) ---------- */

#define MAX_IMAGES 16

typedef struct image {
	char path[1024];
	uint64_t guid;
	nvlist_t *config;
} image_t;

static int
find_images(const char *dir, image_t *image)
{
	int n = 0;
	DIR *d = opendir(dir);
	struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL && n < MAX_IMAGES) {
		struct stat st;
		image_t *im = &image[n];
		snprintf(im->path, sizeof(im->path), "%s/%s", dir, de->d_name);
		if (stat(im->path, &st) != 0 || !S_ISREG(st.st_mode) ||
		    (uint64_t)st.st_size < 64 * MIB ||
		    vdev_label_probe(im->path, &im->config, NULL) != 0)
			continue;
		uint64_t txg = 0;
		if (nvlist_lookup_uint64(im->config, "guid", &im->guid) != 0 ||
		    nvlist_lookup_uint64(im->config, "txg", &txg) != 0 || txg == 0 ||
		    !nvlist_exists(im->config, "vdev_tree")) {
			nvlist_free(im->config); /* spare, cache, removed device */
			continue;
		}
		n++;
	}
	closedir(d);
	return (n);
}

static void
set_path(vdev_t *leaf, void *arg)
{
	const image_t *image = arg;

	for (int i = 0; i < MAX_IMAGES && image[i].guid != 0; i++) {
		if (image[i].guid != leaf->vdev_guid)
			continue;
		kmem_strfree(leaf->vdev_path);
		leaf->vdev_path = kmem_strdup(image[i].path);
	}
}

/* The root node of the pool, or an error if it has vdevs of types we cannot open. */
static int
assemble(image_t *image, int n, vdev_t **rootp)
{
	uint64_t tops, guid, id, best[32] = {0}, txg;
	nvlist_t *child[32] = {NULL}, *tree, *root = nvlist_create();

	assert_true(n > 0);
	assert_int_equal(
	    nvlist_lookup_uint64(image[0].config, "vdev_children", &tops), 0);
	assert_int_equal(nvlist_lookup_uint64(image[0].config, "pool_guid", &guid), 0);
	assert_true(tops <= 32);
	for (int i = 0; i < n; i++) {
		assert_int_equal(
		    nvlist_lookup_nvlist(image[i].config, "vdev_tree", &tree), 0);
		assert_int_equal(nvlist_lookup_uint64(tree, "id", &id), 0);
		assert_int_equal(nvlist_lookup_uint64(image[i].config, "txg", &txg), 0);
		if (id < tops && txg > best[id]) {
			best[id] = txg;
			child[id] = tree;
		}
	}
	nvlist_t *missing[32] = {NULL};
	for (uint64_t t = 0; t < tops; t++) {
		if (child[t] != NULL)
			continue;
		missing[t] = child[t] = nvlist_create();
		fnvlist_add_string(child[t], "type", "missing");
		fnvlist_add_uint64(child[t], "id", t);
		fnvlist_add_uint64(child[t], "guid", 0);
	}
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_uint64(root, "guid", guid);
	fnvlist_add_nvlist_array(
	    root, "children", (const nvlist_t *const *)child, (size_t)tops);
	const int error = vdev_alloc(NULL, root, NULL, 0, false, rootp);
	nvlist_free(root);
	for (uint64_t t = 0; t < tops; t++)
		nvlist_free(missing[t]);
	if (error != 0)
		return (error);
	vdev_foreach_leaf(*rootp, set_path, image);
	(void)vdev_open(*rootp, false);
	return (0);
}

/* ---- the walk ---------------------------------------------------------------------
 */

typedef struct seen {
	avl_node_t node;
	dva_t dva;
	uint64_t birth;
} seen_t;

static int
seen_compare(const void *a, const void *b)
{
	const seen_t *x = a, *y = b;
	const int c = memcmp(&x->dva, &y->dva, sizeof(dva_t));

	if (c != 0)
		return (c < 0 ? -1 : 1);
	return (x->birth < y->birth ? -1 : x->birth > y->birth);
}

typedef struct walk {
	spa_t *spa;
	avl_tree_t seen;
	bool mos;
	uint64_t blocks, gangs, embedded, holes, encrypted, objsets, asize;
} walk_t;

static void walk_objset(walk_t *w, const blkptr_t *bp);
static void walk_bp(walk_t *w, const blkptr_t *bp);

static bool
first_visit(walk_t *w, const blkptr_t *bp)
{
	seen_t key = {.dva = bp->blk_dva[0], .birth = BP_GET_PHYSICAL_BIRTH(bp)};
	avl_index_t where;

	if (avl_find(&w->seen, &key, &where) != NULL)
		return (false);
	seen_t *s = kmem_alloc(sizeof(*s), KM_SLEEP);
	*s = key;
	avl_insert(&w->seen, s, where);
	return (true);
}

/* Read the block as it can be read without keys; NULL if there is nothing to walk in.
 */
static uint8_t *
walk_read(walk_t *w, const blkptr_t *bp, uint64_t *sizep)
{
	const bool raw = BP_IS_ENCRYPTED(bp);
	const uint64_t size = raw ? BP_GET_PSIZE(bp) : BP_GET_LSIZE(bp);
	uint8_t *data = zio_buf_alloc(size);
	char text[BP_SPRINTF_LEN];

	const int error = fake_read(
	    w->spa, bp, data, size, ZIO_FLAG_SCRUB | (raw ? ZIO_FLAG_RAW : 0));
	if (error != 0) {
		snprintf_blkptr(text, sizeof(text), bp);
		fail_msg("error %d reading %s", error, text);
	}
	if (raw) {
		w->encrypted++;
		zio_buf_free(data, size);
		return (NULL);
	}
	*sizep = size;
	return (data);
}

static void
walk_dnode(walk_t *w, dnode_phys_t *dnp)
{
	uint32_t max;

	for (int i = 0; i < dnp->dn_nblkptr; i++)
		walk_bp(w, &dnp->dn_blkptr[i]);
	blkptr_t *spill = dnode_phys_spill(dnp);
	if (spill != NULL)
		walk_bp(w, spill);
	if (!w->mos || dnp->dn_bonustype != DMU_OT_DSL_DATASET)
		return;
	dsl_dataset_phys_t *ds = dsl_dataset_phys_of(dnode_phys_bonus(dnp, &max), max);
	if (ds != NULL && !BP_IS_HOLE(&ds->ds_bp)) {
		w->mos = false;
		walk_objset(w, &ds->ds_bp);
		w->mos = true;
	}
}

/* Salted checksums need 32 bytes from the object directory, which comes before them. */
static void
find_salt(walk_t *w, uint8_t *data, uint64_t size)
{
	static const char name[] = "org.illumos:checksum_salt";
	uint8_t *salt = w->spa->salt.zcs_bytes;
	zap_leaf_array_t *la;

	if (zap_leaf_header(data, size) == NULL)
		return;
	for (uint32_t i = 0; i < zap_leaf_numchunks(size); i++) {
		zap_leaf_entry_t *le = zap_leaf_entry(data, size, i);
		if (le == NULL || le->le_name_numints != sizeof(name) ||
		    le->le_value_numints != 32 || le->le_value_intlen != 1)
			continue;
		la = zap_leaf_array(data, size, le->le_name_chunk);
		if (la == NULL || memcmp(la->la_array, name, ZAP_LEAF_ARRAY_BYTES) != 0)
			continue;
		la = zap_leaf_array(data, size, le->le_value_chunk);
		memcpy(salt, la->la_array, ZAP_LEAF_ARRAY_BYTES);
		la = zap_leaf_array(data, size, la->la_next);
		memcpy(salt + ZAP_LEAF_ARRAY_BYTES, la->la_array,
		    32 - ZAP_LEAF_ARRAY_BYTES);
	}
}

static void
walk_content(walk_t *w, const blkptr_t *bp, uint8_t *data, uint64_t size)
{
	if (BP_GET_LEVEL(bp) > 0) {
		if (BP_SHOULD_BYTESWAP(bp))
			ondisk_byteswap_u64(data, size);
		for (uint64_t i = 0; i < size / sizeof(blkptr_t); i++)
			walk_bp(w, indirect_block_bp(data, size, i));
	} else if (BP_GET_TYPE(bp) == DMU_OT_OBJECT_DIRECTORY && w->mos) {
		find_salt(w, data, size);
	} else if (BP_GET_TYPE(bp) == DMU_OT_DNODE) {
		dnode_phys_t *dnp;
		unsigned slot = 0;
		if (BP_SHOULD_BYTESWAP(bp))
			dnode_buf_byteswap(data, size);
		while ((dnp = dnode_block_next(data, size, &slot)) != NULL)
			walk_dnode(w, dnp);
	}
}

static void
walk_bp(walk_t *w, const blkptr_t *bp)
{
	uint64_t size;

	if (BP_IS_HOLE(bp)) {
		w->holes++;
		return;
	}
	if (BP_IS_REDACTED(bp))
		return;
	if (!BP_IS_EMBEDDED(bp) && !first_visit(w, bp))
		return;
	w->embedded += BP_IS_EMBEDDED(bp);
	w->gangs += BP_IS_GANG(bp);
	w->blocks++;
	w->asize += BP_GET_ASIZE(bp);
	assert_int_equal(zio_claim(w->spa, 1, bp), 0);
	uint8_t *data = walk_read(w, bp, &size);
	if (data == NULL)
		return;
	walk_content(w, bp, data, size);
	zio_buf_free(data, size);
}

static void
walk_objset(walk_t *w, const blkptr_t *bp)
{
	objset_phys_t *os = kmem_alloc(sizeof(*os), KM_SLEEP);
	uint64_t size;

	/* Clones and their origins, snapshots without changes: the same object set. */
	if (!first_visit(w, bp)) {
		kmem_free(os, sizeof(*os));
		return;
	}
	w->blocks++;
	w->objsets++;
	w->gangs += BP_IS_GANG(bp);
	w->asize += BP_GET_ASIZE(bp);
	assert_int_equal(zio_claim(w->spa, 1, bp), 0);
	uint8_t *data = walk_read(w, bp, &size);
	assert_non_null(data);
	/* Written by the machines we test on: no swapping of object sets here. */
	assert_false(BP_SHOULD_BYTESWAP(bp));
	assert_int_equal(objset_phys_decode(data, size, os), 0);
	walk_dnode(w, &os->os_meta_dnode);
	if (os->os_userused_dnode.dn_type != DMU_OT_NONE) {
		walk_dnode(w, &os->os_userused_dnode);
		walk_dnode(w, &os->os_groupused_dnode);
	}
	if (os->os_projectused_dnode.dn_type != DMU_OT_NONE)
		walk_dnode(w, &os->os_projectused_dnode);
	zio_buf_free(data, size);
	kmem_free(os, sizeof(*os));
}

/* Returns false if the images are not there or of a type we do not open. */
static bool
walk_pool(const char *name, walk_t *w)
{
	static image_t image[MAX_IMAGES];
	const char *dir = helper_fixture(name);
	uberblock_t ub;
	vdev_t *root;
	seen_t *s;
	void *cookie = NULL;

	if (dir == NULL)
		return (false);
	memset(image, 0, sizeof(image));
	memset(w, 0, sizeof(*w));
	const int n = find_images(dir, image);
	const int error = assemble(image, n, &root);
	for (int i = 0; i < n; i++)
		nvlist_free(image[i].config);
	if (error == ENOTSUP)
		return (false);
	assert_int_equal(error, 0);
	spa_t *spa = fake_spa_adopt(root, false);
	assert_int_equal(vdev_uberblock_load(root, UINT64_MAX, &ub, NULL), 0);
	w->spa = spa;
	w->mos = true;
	avl_create(&w->seen, seen_compare, sizeof(seen_t), offsetof(seen_t, node));
	walk_objset(w, &ub.ub_rootbp);
	while ((s = avl_destroy_nodes(&w->seen, &cookie)) != NULL)
		kmem_free(s, sizeof(*s));
	avl_destroy(&w->seen);
	/* Pointers say what they occupy, gang trees included. */
	assert_int_equal(spa->allocated, w->asize);
	assert_int_equal(spa->data_errors, 0);
	print_message("%-16s %6" PRIu64 " blocks, %5" PRIu64 " gangs, %5" PRIu64
		      " embedded, %5" PRIu64 " encrypted, %3" PRIu64
		      " object sets, %9" PRIu64 " bytes\n",
	    name, w->blocks, w->gangs, w->embedded, w->encrypted, w->objsets, w->asize);
	fake_spa_close(spa);
	return (true);
}

static void
every_block_of_every_pool(void **state)
{
	static const char *const pools[] = {"basic-file", "mirror2", "gang", "codecs",
	    "names", "snapshots", "encrypted", "dedup-fast", "dedup-legacy",
	    "blockclone", "longname", "replaced", "upgraded", "checkpoint",
	    "nofeatures", "old-v1", "old-v15", "old-v28", "compat-grub2",
	    "compat-openzfs-2.1-linux"};
	walk_t w;
	int walked = 0;

	if (helper_fixture("basic-file") == NULL)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		helper_cleanup();
		if (!walk_pool(pools[i], &w))
			continue;
		walked++;
		assert_true(w.blocks > 50);
		if (strcmp(pools[i], "gang") == 0)
			assert_true(w.gangs > 50 && w.encrypted > 0);
		if (strcmp(pools[i], "basic-file") == 0)
			assert_true(w.embedded > 0);
	}
	assert_int_equal(walked, ARRAY_SIZE(pools));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_block_of_every_pool),
	};

	return (cmocka_run_group_tests(tests, fake_group_setup, fake_group_teardown));
}
