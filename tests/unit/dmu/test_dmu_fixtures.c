/*
 * Pools written by the Linux kernel module: every object of the MOS and of every
 * dataset and snapshot is listed and read, and the numbers the format promises (used,
 * fill) are checked.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "test_pool.h"
#include "vdev/vdev_label.h"
#include "vdev_helper.h"
#include "zap/zap.h"

#define MAX_IMAGES 8

static int
no_load(spa_t *spa, metaslab_t *ms)
{
	(void)spa;
	(void)ms;
	return (EROFS);
}
static const spa_upper_ops_t ro_upper = {.suo_metaslab_load = no_load};

/* ---- assembling ---------------------------------------------------------- */

static char paths[MAX_IMAGES][1024];

static void
local_path(vdev_t *leaf, void *arg)
{
	const char *base = strrchr(leaf->vdev_path, '/');

	for (int i = 0; i < *(int *)arg; i++) {
		if (strcmp(strrchr(paths[i], '/'), base) == 0) {
			kmem_strfree(leaf->vdev_path);
			leaf->vdev_path = kmem_strdup(paths[i]);
			return;
		}
	}
}

static int
find_images(const char *dir, nvlist_t **config)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int n = 0;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL && n < MAX_IMAGES) {
		struct stat st;
		nvlist_t *nv;
		(void)snprintf(paths[n], sizeof(paths[n]), "%s/%s", dir, de->d_name);
		if (stat(paths[n], &st) != 0 || !S_ISREG(st.st_mode) ||
		    st.st_size < (64 << 20) ||
		    vdev_label_probe(paths[n], &nv, NULL) != 0)
			continue;
		n++;
		nvlist_free(*config);
		*config = nv;
	}
	(void)closedir(d);
	return (n);
}

/* One top-level vdev: its node stands in every label. */
static spa_t *
open_fixture(const char *name, uberblock_t *ub)
{
	const char *dir = helper_fixture(name);
	nvlist_t *config = NULL, *top, *ubconfig;
	uint64_t guid;

	if (dir == NULL)
		return (NULL);
	int n = find_images(dir, &config);
	assert_true(n > 0);
	assert_int_equal(nvlist_lookup_nvlist(config, "vdev_tree", &top), 0);
	assert_int_equal(nvlist_lookup_uint64(config, "pool_guid", &guid), 0);
	nvlist_t *root = nvlist_create();
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_uint64(root, "guid", guid);
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)&top, 1);
	spa_t *spa = spa_alloc(name, &ro_upper);
	spa->spa_readonly = true;
	assert_int_equal(vdev_alloc(spa, root, NULL, 0, false, &spa->spa_root_vdev), 0);
	nvlist_free(root);
	vdev_foreach_leaf(spa->spa_root_vdev, local_path, &n);
	assert_int_equal(vdev_open(spa->spa_root_vdev, false), 0);
	assert_int_equal(
	    vdev_uberblock_load(spa->spa_root_vdev, UINT64_MAX, ub, &ubconfig), 0);
	nvlist_free(ubconfig);
	nvlist_free(config);
	assert_int_equal(spa_metaslabs_init(spa), 0);
	spa->spa_version = ub->ub_version;
	return (spa);
}

static void
close_fixture(spa_t *spa)
{
	arc_flush(spa);
	spa_free(spa);
}

/* ---- reading ------------------------------------------------------------- */

/* Keyed checksums need the pool's salt, an entry of the object directory. */
static void
load_salt(spa_t *spa, const blkptr_t *mosbp)
{
	objset_t *mos;

	assert_int_equal(dmu_objset_open_impl(spa, 0, mosbp, NULL, NULL, &mos), 0);
	const int error =
	    zap_lookup(mos, DMU_POOL_DIRECTORY_OBJECT, "org.illumos:checksum_salt", 1,
		sizeof(spa->spa_cksum_salt.zcs_bytes), spa->spa_cksum_salt.zcs_bytes);
	assert_true(error == 0 || error == ENOENT);
	dmu_objset_close_impl(mos);
}

static int
read_object(objset_t *os, uint64_t object)
{
	dmu_object_info_t doi;
	dmu_buf_t *db, *spill;
	const uint64_t chunk = 1 << 20;
	uint8_t *buf = kmem_alloc(chunk, KM_SLEEP);
	int error = dmu_object_info(os, object, &doi);
	uint64_t off = 0;

	assert_int_equal(error, 0);
	assert_true(DMU_OT_IS_VALID(doi.doi_type));
	/* Sparse files are large: go from data to data. */
	while (error == 0 && off < doi.doi_max_offset &&
	       (error = dmu_offset_next(os, object, false, &off)) == 0) {
		const uint64_t len = MIN(chunk, doi.doi_max_offset - off);
		error = dmu_read(os, object, off, len, buf, DMU_READ_PREFETCH);
		off += len;
	}
	kmem_free(buf, chunk);
	if (error != 0 && error != ESRCH)
		return (error);
	error = dmu_bonus_hold(os, object, NULL, &db);
	assert_int_equal(error, 0);
	assert_int_equal(db->db_size, doi.doi_bonus_size);
	error = dmu_spill_hold(db, NULL, &spill);
	assert_int_equal(error, doi.doi_flags & DNODE_FLAG_SPILL_BLKPTR ? 0 : ENOENT);
	if (error == 0)
		dmu_buf_rele(spill, NULL);
	dmu_buf_rele(db, NULL);
	return (0);
}

typedef struct totals {
	uint64_t objects, objsets;
} totals_t;

/* Read all objects of one object set; in the MOS, also the datasets it lists. */
static void
read_objset(spa_t *spa, uint64_t dsobj, const blkptr_t *bp, totals_t *t)
{
	objset_t *os;
	uint64_t object = 0, n = 0;

	if (BP_IS_HOLE(bp))
		return;
	assert_int_equal(dmu_objset_open_impl(spa, dsobj, bp, NULL, NULL, &os), 0);
	t->objsets++;
	while (dmu_object_next(os, &object, false, 0) == 0) {
		assert_int_equal(read_object(os, object), 0);
		n++;
		dmu_object_info_t doi;
		assert_int_equal(dmu_object_info(os, object, &doi), 0);
		if (dsobj != 0 || doi.doi_bonus_type != DMU_OT_DSL_DATASET)
			continue;
		dmu_buf_t *db;
		dsl_dataset_phys_t ds;
		assert_int_equal(dmu_bonus_hold(os, object, NULL, &db), 0);
		assert_int_equal(ondisk_decode(&od_dsl_dataset, db->db_data,
				     db->db_size, false, &ds),
		    0);
		dmu_buf_rele(db, NULL);
		read_objset(spa, object, &ds.ds_bp, t);
	}
	t->objects += n;
	/* Objects found = fill of the root pointer (format/02 §1.5). */
	assert_int_equal(n, dmu_objset_fill(os));
	(void)tp_walk(spa, dsobj, bp);
	dmu_objset_close_impl(os);
}

static void
read_pool(const char *name, uint64_t min_objects, uint64_t min_objsets)
{
	uberblock_t ub;
	totals_t t = {0};
	spa_t *spa = open_fixture(name, &ub);

	if (spa == NULL)
		skip();
	load_salt(spa, &ub.ub_rootbp);
	read_objset(spa, 0, &ub.ub_rootbp, &t);
	print_message("%s: %" PRIu64 " objects in %" PRIu64 " object sets\n", name,
	    t.objects, t.objsets);
	assert_true(t.objects >= min_objects && t.objsets >= min_objsets);
	close_fixture(spa);
}

static void
basic_file(void **state)
{
	(void)state;
	read_pool("basic-file", 100, 2);
}

static void
mirror(void **state)
{
	(void)state;
	read_pool("mirror2", 100, 2);
}

static void
codecs(void **state)
{
	(void)state;
	read_pool("codecs", 100, 5);
}

static void
snapshots(void **state)
{
	(void)state;
	read_pool("snapshots", 100, 5);
}

static void
without_features(void **state)
{
	(void)state;
	read_pool("nofeatures", 50, 2);
}

static void
very_old(void **state)
{
	(void)state;
	read_pool("old-v1", 20, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(basic_file),
	    cmocka_unit_test(mirror),
	    cmocka_unit_test(codecs),
	    cmocka_unit_test(snapshots),
	    cmocka_unit_test(without_features),
	    cmocka_unit_test(very_old),
	};
	return (cmocka_run_group_tests(tests, tp_group_setup, tp_group_teardown));
}
