/*
 * Stories about labels: what real pools have in them, what we write and others accept,
 * and what a power cut leaves.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "vdev_helper.h"
#include "vdev/vdev_label.h"
#include "vdev/vdev_test.h"

#define DEVSIZE (64 * MIB)

/* ------------------------------------------------------------------ real pools -- */

/* Build a tree from the label of one device, with the paths at which it lies now. */
static vdev_t *
open_labelled(const char *dir, int n, const char *const *name)
{
	char path[1024];
	nvlist_t *config, *tree, *root = nvlist_create();
	vdev_t *vd;

	snprintf(path, sizeof(path), "%s/%s", dir, name[0]);
	int labels;
	assert_int_equal(vdev_label_probe(path, &config, &labels), 0);
	assert_int_equal(labels, 4);
	assert_int_equal(nvlist_lookup_nvlist(config, "vdev_tree", &tree), 0);
	uint64_t guid;
	assert_int_equal(nvlist_lookup_uint64(config, "pool_guid", &guid), 0);
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_uint64(root, "guid", guid);
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)&tree, 1);
	assert_int_equal(vdev_alloc(NULL, root, NULL, 0, false, &vd), 0);
	nvlist_free(root);
	nvlist_free(config);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		assert_int_equal(vdev_label_probe(path, &config, NULL), 0);
		assert_int_equal(nvlist_lookup_uint64(config, "guid", &guid), 0);
		nvlist_free(config);
		vdev_t *leaf = vdev_lookup_by_guid(vd, guid);
		assert_non_null(leaf);
		kmem_strfree(leaf->vdev_path);
		leaf->vdev_path = kmem_strdup(path);
	}
	assert_int_equal(vdev_open(vd, false), 0);
	return (vd);
}

/* The numbers were read from the images by an independent program. */
static void
a_real_pool_of_one_file(void **state)
{
	(void)state;
	static const char *const names[] = {"basic0"};
	const char *dir = helper_fixture("basic-file");
	uberblock_t ub;
	nvlist_t *config;
	const char *name;
	uint64_t v;

	if (dir == NULL)
		skip();
	vdev_t *root = open_labelled(dir, 1, names);
	assert_int_equal(root->vdev_guid, 0x05bb79affc4b9e10);
	assert_int_equal(root->vdev_child[0]->vdev_guid, 0x5b4a86204c139e00);
	assert_int_equal(root->vdev_child[0]->vdev_ashift, 9);
	assert_int_equal(root->vdev_child[0]->vdev_asize, 0x7b80000);
	assert_int_equal(vdev_uberblock_load(root, UINT64_MAX, &ub, &config), 0);
	assert_int_equal(ub.ub_txg, 59);
	assert_int_equal(ub.ub_timestamp, 1795170780);
	assert_int_equal(ub.ub_guid_sum, vdev_guid_sum(root));
	assert_int_equal(DVA_GET_OFFSET(&ub.ub_rootbp.blk_dva[0]), 0x300f400);
	assert_int_equal(BP_GET_FILL(&ub.ub_rootbp), 60);
	assert_int_equal(nvlist_lookup_string(config, "name", &name), 0);
	assert_string_equal(name, "basic");
	assert_int_equal(nvlist_lookup_uint64(config, "txg", &v), 0);
	assert_int_equal(v, 59);
	nvlist_free(config);
	/* A rewind finds the older one; there are none from before txg 4. */
	assert_int_equal(vdev_uberblock_load(root, 58, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 50);
	assert_int_equal(vdev_uberblock_load(root, 3, &ub, NULL), ENXIO);
	uint8_t env[VDEV_BOOTENV_PAYLOAD_SIZE];
	assert_int_equal(vdev_bootenv_read(root, &v, env), 0);
	assert_int_equal(v, VB_RAW);
	assert_int_equal(env[0], 0);
	vdev_free(root);
}

static void
a_real_mirror(void **state)
{
	(void)state;
	static const char *const names[] = {"m0", "m1"};
	const char *dir = helper_fixture("mirror2");
	uberblock_t ub;

	if (dir == NULL)
		skip();
	vdev_t *root = open_labelled(dir, 2, names);
	assert_int_equal(root->vdev_child[0]->vdev_ashift, 12);
	assert_int_equal(root->vdev_child[0]->vdev_asize, 0x3b80000);
	assert_int_equal(
	    root->vdev_child[0]->vdev_child[1]->vdev_guid, 0x2b78cfc6d2ee7af6);
	assert_int_equal(vdev_uberblock_load(root, UINT64_MAX, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 92);
	assert_int_equal(ub.ub_guid_sum, vdev_guid_sum(root));
	assert_int_equal(DVA_GET_OFFSET(&ub.ub_rootbp.blk_dva[2]), 0x2032000);
	vdev_free(root);
}

/* ------------------------------------------------------------------ our own pools --
 */

typedef struct toy_pool {
	vdev_t *root;
	uint64_t txg;
} toy_pool_t;

/* A label as format/01 §3.1 wants it. */
static nvlist_t *
toy_config(void *arg, vdev_t *leaf)
{
	const toy_pool_t *pool = arg;
	nvlist_t *nv = nvlist_create(), *tree, *features = nvlist_create();

	fnvlist_add_uint64(nv, "version", SPA_VERSION);
	fnvlist_add_string(nv, "name", "toy");
	fnvlist_add_uint64(nv, "state", 0);
	fnvlist_add_uint64(nv, "txg", pool->txg);
	fnvlist_add_uint64(nv, "pool_guid", pool->root->vdev_guid);
	fnvlist_add_uint64(nv, "errata", 0);
	fnvlist_add_string(nv, "hostname", "nowhere");
	fnvlist_add_uint64(nv, "top_guid", leaf->vdev_top->vdev_guid);
	fnvlist_add_uint64(nv, "guid", leaf->vdev_guid);
	fnvlist_add_uint64(nv, "vdev_children", pool->root->vdev_children);
	tree = vdev_config_generate(leaf->vdev_top, false);
	fnvlist_add_nvlist(nv, "vdev_tree", tree);
	fnvlist_add_nvlist(nv, "features_for_read", features);
	nvlist_free(tree);
	nvlist_free(features);
	return (nv);
}

static uberblock_t
toy_uberblock(const toy_pool_t *pool)
{
	uberblock_t ub = {.ub_magic = UBERBLOCK_MAGIC,
	    .ub_version = SPA_VERSION,
	    .ub_txg = pool->txg,
	    .ub_guid_sum = vdev_guid_sum(pool->root),
	    .ub_timestamp = 1700000000 + pool->txg,
	    .ub_software_version = SPA_VERSION,
	    .ub_mmp_magic = MMP_MAGIC};

	return (ub);
}

static int
toy_commit(toy_pool_t *pool, uint64_t txg, bool dirty)
{
	pool->txg = txg;
	const uberblock_t ub = toy_uberblock(pool);
	for (uint64_t t = 0; t < pool->root->vdev_children; t++)
		pool->root->vdev_child[t]->vdev_config_dirty = dirty;
	return (vdev_config_sync(pool->root, pool->root->vdev_child,
	    (int)pool->root->vdev_children, &ub, false, toy_config, pool));
}

static void
toy_create(toy_pool_t *pool, int ntops, const char *const *path, uint64_t ashift)
{
	nvlist_t *root = helper_node_nv("root", 0), *child[8];

	for (int i = 0; i < ntops; i++) {
		child[i] = helper_file_nv(path[i]);
		fnvlist_add_uint64(child[i], "ashift", ashift);
	}
	fnvlist_add_nvlist_array(
	    root, "children", (const nvlist_t *const *)child, (size_t)ntops);
	for (int i = 0; i < ntops; i++)
		nvlist_free(child[i]);
	pool->root = helper_open(root, true);
	pool->txg = 0;
	for (int i = 0; i < ntops; i++)
		pool->root->vdev_child[i]->vdev_ms_shift = 24;
	const uberblock_t ub = toy_uberblock(pool);
	assert_int_equal(vdev_label_init(pool->root, &ub, toy_config, pool), 0);
}

/* Run a command; its output goes to `out`. */
static int
run(const char *cmd, char *out, size_t size)
{
	FILE *fp = popen(cmd, "r");

	assert_non_null(fp);
	const size_t n = fread(out, 1, size - 1, fp);
	out[n] = '\0';
	return (pclose(fp));
}

static unsigned
count(const char *text, const char *word)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
		n++;
	return (n);
}

/* OpenZFS's own zdb, if it is there. */
static const char *
judge(void)
{
	static char path[1024];
	const char *src = getenv("TARN_SRC");

	snprintf(
	    path, sizeof(path), "%s/build/openzfs/bin/zdb", src != NULL ? src : ".");
	return (access(path, X_OK) == 0 ? path : NULL);
}

static void
zdb_reads_our_labels(void **state)
{
	(void)state;
	static char out[1 << 20];
	char cmd[2048];
	toy_pool_t pool;

	if (judge() == NULL)
		skip();
	for (uint64_t ashift = 9; ashift <= 13; ashift += 2) {
		const char *path = helper_device("disk", DEVSIZE);
		toy_create(&pool, 1, &path, ashift);
		/* Not yet part of a pool: zdb shows the template, which has txg 0. */
		snprintf(cmd, sizeof(cmd), "%s -lu %s 2>&1", judge(), path);
		assert_int_equal(run(cmd, out, sizeof(out)), 0);
		assert_int_equal(count(out, "    name: 'toy'"), 1);
		assert_int_equal(count(out, "labels = 0 1 2 3"), 2);
		assert_int_equal(count(out, "Uberblock["), 1);
		assert_non_null(strstr(out, "txg = 0\n"));

		for (uint64_t txg = 4; txg < 8; txg++)
			assert_int_equal(toy_commit(&pool, txg, txg == 4), 0);
		vdev_free(pool.root);
		assert_int_equal(run(cmd, out, sizeof(out)), 0);
		assert_int_equal(count(out, "labels = 0 1 2 3"), 6);
		assert_int_equal(count(out, "Uberblock["), 5);
		assert_non_null(strstr(out, "txg = 7"));
		assert_non_null(strstr(out, "    txg: 4"));
		assert_null(strstr(out, "failed to"));
		assert_null(strstr(out, "Bad"));
	}
}

static void
what_we_write_we_find(void **state)
{
	(void)state;
	const char *path[2] = {
	    helper_device("d0", DEVSIZE), helper_device("d1", 80 * MIB)};
	toy_pool_t pool;
	uberblock_t ub;
	nvlist_t *config;
	uint64_t v;
	int labels;

	toy_create(&pool, 2, path, 12);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, NULL), ENXIO);
	/* The label of a device that never joined has txg 0 and is taken as it is. */
	assert_int_equal(
	    vdev_label_read_config(pool.root->vdev_child[0], 3, &config), 0);
	assert_int_equal(nvlist_lookup_uint64(config, "txg", &v), 0);
	assert_int_equal(v, 0);
	nvlist_free(config);

	assert_int_equal(toy_commit(&pool, 4, true), 0);
	/* The ring comes round: 32 slots of 4 KiB. */
	for (uint64_t txg = 5; txg < 50; txg++)
		assert_int_equal(toy_commit(&pool, txg, false), 0);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, &config), 0);
	assert_int_equal(ub.ub_txg, 49);
	assert_int_equal(nvlist_lookup_uint64(config, "txg", &v), 0);
	assert_int_equal(v, 4);
	nvlist_free(config);
	assert_int_equal(vdev_uberblock_load(pool.root, 18, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 18);
	assert_int_equal(vdev_uberblock_load(pool.root, 17, &ub, NULL), ENXIO);

	/* A heartbeat in the last slot wins a tie by its sequence number. */
	ub = toy_uberblock(&pool);
	ub.ub_mmp_delay = 1;
	ub.ub_mmp_config = mmp_config_make(1000, 3, 10);
	assert_int_equal(vdev_mmp_write(pool.root->vdev_child[1], 2, &ub), 0);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, NULL), 0);
	assert_int_equal(MMP_SEQ(&ub), 3);

	/* The boot environment is independent of txgs. */
	uint8_t env[VDEV_BOOTENV_PAYLOAD_SIZE];
	assert_int_equal(vdev_bootenv_write(pool.root, VB_RAW, "next=1", 7), 0);
	assert_int_equal(vdev_bootenv_read(pool.root, &v, env), 0);
	assert_string_equal((char *)env, "next=1");
	vdev_free(pool.root);

	/* Clearing: refused while a pool owns the device, complete when forced. */
	assert_int_equal(vdev_label_clear(path[0], false), EBUSY);
	assert_int_equal(vdev_label_probe(path[0], &config, &labels), 0);
	assert_int_equal(labels, 4);
	nvlist_free(config);
	assert_int_equal(vdev_label_clear(path[0], true), 0);
	assert_int_equal(vdev_label_probe(path[0], &config, NULL), ENOENT);
	assert_int_equal(vdev_label_clear(path[0], false), 0);
}

static void
damaged_labels_are_outvoted(void **state)
{
	(void)state;
	const char *path = helper_device("disk", DEVSIZE);
	toy_pool_t pool;
	nvlist_t *config;
	int labels;

	toy_create(&pool, 1, &path, 9);
	assert_int_equal(toy_commit(&pool, 4, true), 0);
	vdev_free(pool.root);
	helper_noise(path, 0, 600 << 10, 1);			 /* L0, L1 */
	helper_noise(path, DEVSIZE - (512 << 10), 256 << 10, 2); /* L2 */
	assert_int_equal(vdev_label_probe(path, &config, &labels), 0);
	assert_int_equal(labels, 1);
	nvlist_free(config);
	/* A bit in the last one, and nothing is left. */
	helper_noise(path, DEVSIZE - (256 << 10) + 0x4000 + 100, 1, 3);
	assert_int_equal(vdev_label_probe(path, &config, NULL), ENOENT);
	assert_int_equal(vdev_label_probe("/nonexistent", &config, NULL), ENOENT);
	assert_int_equal(vdev_label_probe("/dev/null", &config, NULL), EINVAL);
}

static void
a_device_that_grew_gets_new_labels_at_its_end(void **state)
{
	(void)state;
	const char *path = helper_device("disk", DEVSIZE);
	toy_pool_t pool;
	nvlist_t *config, *nv;
	uberblock_t ub;
	int labels;

	toy_create(&pool, 1, &path, 12);
	assert_int_equal(toy_commit(&pool, 4, true), 0);
	assert_int_equal(toy_commit(&pool, 5, false), 0);
	nv = vdev_config_generate(pool.root, true);
	vdev_free(pool.root);
	assert_int_equal(truncate(path, (off_t)(100 * MIB)), 0);
	assert_int_equal(vdev_alloc(NULL, nv, NULL, 0, false, &pool.root), 0);
	nvlist_free(nv);
	assert_int_equal(vdev_open(pool.root, true), 0);
	vdev_t *top = pool.root->vdev_child[0];
	/* It grows only when told to. */
	assert_int_equal(top->vdev_asize, DEVSIZE - 0x480000);
	assert_int_equal(top->vdev_max_asize, 100 * MIB - 0x480000);
	assert_int_equal(vdev_label_expand(top), 0);
	vdev_free(pool.root);
	assert_int_equal(vdev_label_probe(path, &config, &labels), 0);
	assert_int_equal(labels, 4);
	assert_int_equal(nvlist_lookup_nvlist(config, "vdev_tree", &nv), 0);
	helper_noise(path, 0, 512 << 10, 1);
	pool.root = helper_open(helper_node_nv("root", 1, nvlist_dup(nv)), false);
	nvlist_free(config);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 5);
	vdev_free(pool.root);
}

/* ------------------------------------------------------------------ power cuts -- */

/*
 * Commit with a change of configuration, recorded; then cut the power behind every
 * single write and lose a random half of what was not flushed. Whatever is left must
 * open: a best uberblock, and on its device a label that is not newer.
 */
static void
every_power_cut_of_a_commit_leaves_an_openable_pool(void **state)
{
	(void)state;
	const uint64_t seed = random_guid();
	const char *path = helper_device("disk", DEVSIZE), *image;
	char log[512];
	toy_pool_t pool;
	vdev_recorder_t *rec;
	vdev_record_log_t *rl;
	uint64_t old = 0, new = 0;

	print_message("seed %" PRIu64 "\n", seed);
	snprintf(log, sizeof(log), "%s/log", helper_dir());
	assert_int_equal(vdev_recorder_create(log, &rec), 0);
	toy_create(&pool, 1, &path, 9);
	vdev_recorder_attach(rec, pool.root->vdev_child[0], 0);
	/* Everything from the labels of a fresh device on is in the record. */
	pool.txg = 0;
	const uberblock_t ub0 = toy_uberblock(&pool);
	assert_int_equal(vdev_label_init(pool.root, &ub0, toy_config, &pool), 0);
	assert_int_equal(toy_commit(&pool, 4, true), 0);
	vdev_recorder_mark(rec, 4);
	const uint64_t base = vdev_recorder_count(rec);
	assert_int_equal(toy_commit(&pool, 5, true), 0);
	vdev_recorder_mark(rec, 5);
	const uint64_t end = vdev_recorder_count(rec);
	vdev_free(pool.root);
	assert_int_equal(vdev_recorder_close(rec), 0);
	assert_int_equal(vdev_record_open(log, &rl), 0);

	for (uint64_t cut = base; cut <= end; cut++) {
		for (uint64_t try = 0; try < 6; try++) {
			nvlist_t *config, *tree;
			uberblock_t ub;
			uint64_t txg;

			image = helper_device("image", DEVSIZE);
			const int fd = open(image, O_RDWR);
			assert_int_equal(
			    vdev_record_replay_crash(
				rl, cut, try == 0 ? 0 : seed + cut * 7 + try, &fd, 1),
			    0);
			close(fd);
			assert_int_equal(vdev_label_probe(image, &config, NULL), 0);
			assert_int_equal(
			    nvlist_lookup_nvlist(config, "vdev_tree", &tree), 0);
			fnvlist_add_string(tree, "path", image);
			vdev_t *root = helper_open(
			    helper_node_nv("root", 1, nvlist_dup(tree)), false);
			nvlist_free(config);
			assert_int_equal(
			    vdev_uberblock_load(root, UINT64_MAX, &ub, &config), 0);
			assert_true(ub.ub_txg == 4 || ub.ub_txg == 5);
			assert_int_equal(nvlist_lookup_uint64(config, "txg", &txg), 0);
			assert_true(txg <= ub.ub_txg);
			/* What was acknowledged is there. */
			if (cut == end)
				assert_int_equal(ub.ub_txg, 5);
			old += ub.ub_txg == 4;
			new += ub.ub_txg == 5;
			nvlist_free(config);
			vdev_free(root);
		}
	}
	assert_true(old > 0 && new > 0);
	vdev_record_close(rl);
}

static void
commits_survive_what_errors_leave(void **state)
{
	(void)state;
	const char *path[2] = {
	    helper_device("d0", DEVSIZE), helper_device("d1", DEVSIZE)};
	toy_pool_t pool;
	uberblock_t ub;
	const vdev_fault_t bad = {.vf_types = VF_TYPE(VIO_WRITE), .vf_error = EIO};
	const vdev_fault_t noflush = {
	    .vf_types = VF_TYPE(VIO_FLUSH), .vf_error = EIO, .vf_count = 1};

	toy_create(&pool, 2, path, 9);
	assert_int_equal(toy_commit(&pool, 4, true), 0);
	/* A device refuses its labels: the commit fails before any uberblock names it.
	 */
	vdev_fault_add(pool.root->vdev_child[1], &bad);
	assert_int_equal(toy_commit(&pool, 5, true), EIO);
	vdev_fault_clear(pool.root->vdev_child[1]);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 4);
	/* Uberblocks need one good device only. */
	pool.root->vdev_child[0]->vdev_ms_array =
	    pool.root->vdev_child[1]->vdev_ms_array = 9;
	vdev_fault_add(pool.root->vdev_child[1], &bad);
	assert_int_equal(toy_commit(&pool, 5, false), 0);
	vdev_fault_clear(pool.root->vdev_child[1]);
	/* Data that could not be flushed must not be named. */
	uint8_t block[512] = {1};
	vdev_io_t vio;
	vdev_io_init(&vio, pool.root->vdev_child[0], VIO_WRITE, 0, block, 512,
	    ZIO_PRIORITY_SYNC_WRITE, 0);
	assert_int_equal(vdev_io_wait(&vio), 0);
	vdev_fault_add(pool.root->vdev_child[0], &noflush);
	assert_int_equal(toy_commit(&pool, 6, false), EIO);
	assert_int_equal(vdev_uberblock_load(pool.root, UINT64_MAX, &ub, NULL), 0);
	assert_int_equal(ub.ub_txg, 5);
	vdev_free(pool.root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_real_pool_of_one_file),
	    cmocka_unit_test(a_real_mirror),
	    cmocka_unit_test(zdb_reads_our_labels),
	    cmocka_unit_test(what_we_write_we_find),
	    cmocka_unit_test(damaged_labels_are_outvoted),
	    cmocka_unit_test(a_device_that_grew_gets_new_labels_at_its_end),
	    cmocka_unit_test(every_power_cut_of_a_commit_leaves_an_openable_pool),
	    cmocka_unit_test(commits_survive_what_errors_leave),
	};

	return (
	    cmocka_run_group_tests(tests, helper_group_setup, helper_group_teardown));
}
