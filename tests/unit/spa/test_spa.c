/*
 * The spa object: configurations equal those of real pools byte for byte, features follow their rules, the
 * config lock excludes without deadlock, suspension holds writes back.
 */
#include <unistd.h>

#include "spa_fake.h"
#include "vdev/vdev_helper.h"
#include "vdev/vdev_label.h"

static void
no_sync(spa_t *spa, uint64_t txg)
{
}

static uint64_t events;

static void
count_event(spa_t *spa, nvlist_t *nvl)
{
	events++;
	assert_true(nvlist_exists(nvl, "class"));
	nvlist_free(nvl);
}

static const spa_upper_ops_t quiet_ops = {
    .suo_sync = no_sync, .suo_event = count_event};

/* ---- configurations ----------------------------------------------------------------------- */

static uint64_t
u64(const nvlist_t *nv, const char *key)
{
	uint64_t v = 0;

	(void)nvlist_lookup_uint64(nv, key, &v);
	return (v);
}

static void
enable_listed(spa_t *spa, const nvlist_t *features)
{
	for (nvpair_t *p = nvlist_next_nvpair(features, NULL); p != NULL;
	     p = nvlist_next_nvpair(features, p)) {
		spa_feature_t f;
		assert_int_equal(zfeature_lookup_guid(nvpair_name(p), &f), 0);
		spa->spa_features.sf_refcount[f] = 1;
	}
}

/* A spa that knows what a label says. */
static spa_t *
spa_of_label(const nvlist_t *label)
{
	spa_t *spa = spa_alloc("x", &quiet_ops);
	nvlist_t *root = nvlist_create(), *top, *features;
	const char *s;

	kmem_strfree(spa->spa_name);
	assert_int_equal(nvlist_lookup_string(label, "name", &s), 0);
	spa->spa_name = kmem_strdup(s);
	spa->spa_version = u64(label, "version");
	spa->spa_state = (pool_state_t)u64(label, "state");
	spa->spa_guid = u64(label, "pool_guid");
	spa->spa_errata = u64(label, "errata");
	spa->spa_hostid = u64(label, "hostid");
	assert_int_equal(nvlist_lookup_string(label, "hostname", &s), 0);
	snprintf(spa->spa_hostname, sizeof(spa->spa_hostname), "%s", s);
	if (nvlist_lookup_string(label, "comment", &s) == 0)
		spa->spa_comment = kmem_strdup(s);
	if (nvlist_lookup_string(label, "compatibility", &s) == 0)
		spa->spa_compatibility = kmem_strdup(s);
	if (nvlist_lookup_nvlist(label, "features_for_read", &features) == 0)
		enable_listed(spa, features);

	fnvlist_add_string(root, "type", "root");
	fnvlist_add_uint64(root, "id", 0);
	fnvlist_add_uint64(root, "guid", spa->spa_guid);
	assert_int_equal(nvlist_lookup_nvlist(label, "vdev_tree", &top), 0);
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)&top, 1);
	assert_int_equal(vdev_alloc(spa, root, NULL, 0, false, &spa->spa_root_vdev), 0);
	nvlist_free(root);
	return (spa);
}

static void
assert_equal_packed(const nvlist_t *want, const nvlist_t *have)
{
	uint8_t *a, *b;
	size_t na, nb;

	nvlist_pack(want, NV_ENCODE_XDR, &a, &na);
	nvlist_pack(have, NV_ENCODE_XDR, &b, &nb);
	if (na != nb || memcmp(a, b, na) != 0) {
		fprintf(stderr, "want:\n");
		nvlist_print_zdb(stderr, want, 4);
		fprintf(stderr, "have:\n");
		nvlist_print_zdb(stderr, have, 4);
		fail_msg("configurations differ");
	}
	kmem_free(a, na);
	kmem_free(b, nb);
}

static void
labels_of_real_pools_are_generated_byte_for_byte(void **state)
{
	static const struct {
		const char *fixture, *image;
	} labels[] = {
	    {"basic-file", "basic0"},
	    {"mirror2", "m0"},
	    {"mirror2", "m1"},
	    {"compat-grub2", "co-grub2"}, /* with the property compatibility */
	    {"old-v28", "ov28"},
	    {"nofeatures", "nf0"},
	    {"old-v1", "ov1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		const char *dir = helper_fixture(labels[i].fixture);
		char path[1024];
		nvlist_t *label;
		int n;
		if (dir == NULL)
			skip();
		snprintf(path, sizeof(path), "%s/%s", dir, labels[i].image);
		if (access(path, R_OK) != 0) {
			print_message("no %s\n", path);
			continue;
		}
		assert_int_equal(vdev_label_probe(path, &label, &n), 0);
		if (u64(label, "vdev_children") != 1) {
			print_message("%s has several top-levels\n", path);
			nvlist_free(label);
			continue;
		}
		spa_t *spa = spa_of_label(label);
		vdev_t *leaf =
		    vdev_lookup_by_guid(spa->spa_root_vdev, u64(label, "guid"));
		assert_non_null(leaf);
		nvlist_t *have = spa_config_generate(spa, leaf, u64(label, "txg"));
		assert_equal_packed(label, have);
		print_message("%s: %zu bytes equal\n", labels[i].image,
		    nvlist_size(have, NV_ENCODE_XDR));
		nvlist_free(have);
		nvlist_free(label);
		spa_free(spa);
	}
}

static void
keys_come_only_where_they_belong(void **state)
{
	spa_t *spa = spa_alloc("keys", &quiet_ops);
	nvlist_t *root = nvlist_create(), *kids[2] = {nvlist_create(), nvlist_create()};
	uint64_t *holes;
	size_t n;

	fnvlist_add_string(kids[0], "type", "file");
	fnvlist_add_string(kids[0], "path", "/nowhere");
	fnvlist_add_uint64(kids[0], "is_log", 1);
	fnvlist_add_uint64(kids[0], "create_txg", 7);
	fnvlist_add_string(kids[1], "type", "hole");
	fnvlist_add_string(root, "type", "root");
	fnvlist_add_nvlist_array(root, "children", (const nvlist_t *const *)kids, 2);
	assert_int_equal(vdev_alloc(spa, root, NULL, 0, true, &spa->spa_root_vdev), 0);
	spa->spa_hostid = 0;
	spa->spa_has_vdev_zaps = true;

	nvlist_t *mos = spa_config_generate(spa, NULL, 9);
	assert_false(nvlist_exists(mos, "hostid"));
	assert_false(nvlist_exists(mos, "guid"));
	assert_true(nvlist_exists(mos, "com.delphix:has_per_vdev_zaps"));
	assert_int_equal(nvlist_lookup_uint64_array(
			     mos, "hole_array", (const uint64_t **)&holes, &n),
	    0);
	assert_int_equal(n, 1);
	assert_int_equal(holes[0], 1);
	nvlist_free(mos);

	nvlist_t *label =
	    spa_config_generate(spa, spa->spa_root_vdev->vdev_child[0], 0);
	assert_int_equal(u64(label, "is_log"), 1);
	assert_int_equal(u64(label, "create_txg"), 7); /* a label with txg 0 */
	assert_int_equal(u64(label, "vdev_children"), 2);
	assert_false(nvlist_exists(label, "com.delphix:has_per_vdev_zaps"));
	assert_true(nvlist_exists(label, "features_for_read"));
	nvlist_free(label);
	nvlist_free(root);
	nvlist_free(kids[0]);
	nvlist_free(kids[1]);
	spa_free(spa);
}

/* ---- features ----------------------------------------------------------------------------- */

static void
the_table_is_that_of_a_real_pool(void **state)
{
	const char *dir = helper_fixture("basic-file");
	char path[1024], line[1024], name[128];
	int next = 0;

	if (dir == NULL)
		skip();
	snprintf(path, sizeof(path), "%s/status.txt", dir);
	FILE *fp = fopen(path, "r");
	assert_non_null(fp);
	while (fgets(line, sizeof(line), fp) != NULL && next < SPA_FEATURES) {
		if (sscanf(line, "%*s feature@%127s", name) != 1)
			continue;
		assert_string_equal(name, spa_feature_table[next].fi_uname);
		next++;
	}
	(void)fclose(fp);
	assert_int_equal(next, SPA_FEATURES);
	for (int f = 0; f < SPA_FEATURES; f++) {
		const zfeature_info_t *fi = &spa_feature_table[f];
		spa_feature_t found;
		assert_int_equal(fi->fi_feature, f);
		assert_int_equal(zfeature_lookup_name(fi->fi_uname, &found), 0);
		assert_int_equal(found, f);
		assert_int_equal(zfeature_lookup_guid(fi->fi_guid, &found), 0);
		assert_int_equal(found, f);
		assert_string_equal(strchr(fi->fi_guid, ':') + 1, fi->fi_uname);
		assert_false(zfeature_depends_on(f, f));
		/* What is enabled on new pools must not drag in what is not. */
		for (const spa_feature_t *d = fi->fi_depends; *d != SPA_FEATURE_NONE;
		     d++)
			assert_true(
			    fi->fi_support != ZFEATURE_CREATE ||
			    spa_feature_table[*d].fi_support == ZFEATURE_CREATE);
	}
	assert_int_equal(zfeature_lookup_name("no_such", &(spa_feature_t){0}), ENOENT);
}

static void
enabling_brings_dependencies_and_records_the_txg(void **state)
{
	spa_t *spa = spa_alloc("feat", &quiet_ops);
	spa_features_t *sf = &spa->spa_features;
	int with_txg = 0;

	spa_feature_enable(spa, SPA_FEATURE_ENCRYPTION, 4);
	assert_true(spa_feature_is_enabled(spa, SPA_FEATURE_BOOKMARK_V2));
	assert_true(spa_feature_is_enabled(spa, SPA_FEATURE_EXTENSIBLE_DATASET));
	assert_false(spa_feature_is_active(spa, SPA_FEATURE_ENCRYPTION));
	assert_int_equal(sf->sf_enabled_txg[SPA_FEATURE_ENCRYPTION], 0);
	spa_free(spa);

	/* All of them in order, as `zpool create` does: counts as in a real pool. */
	spa = spa_alloc("feat", &quiet_ops);
	sf = &spa->spa_features;
	for (int f = 0; f < SPA_FEATURES; f++)
		spa_feature_enable(spa, (spa_feature_t)f, 4);
	for (int f = 0; f < SPA_FEATURES; f++)
		with_txg += sf->sf_enabled_txg[f] == 4;
	assert_int_equal(with_txg, 39);
	assert_int_equal(spa_feature_refcount(spa, SPA_FEATURE_ENABLED_TXG), 39);
	assert_int_equal(spa_feature_refcount(spa, SPA_FEATURE_HEAD_ERRLOG), 1);
	assert_int_equal(spa_feature_refcount(spa, SPA_FEATURE_LOG_SPACEMAP), 0);
	spa_free(spa);
}

static void
a_feature_the_mos_needs_dirties_the_labels(void **state)
{
	spa_t *spa = spa_alloc("feat", &quiet_ops);

	spa_feature_enable(spa, SPA_FEATURE_DRAID, 4);
	spa_feature_enable(spa, SPA_FEATURE_LARGE_BLOCKS, 4);
	assert_false(spa->spa_config_dirty);
	spa_feature_incr(spa, SPA_FEATURE_LARGE_BLOCKS, 4);
	assert_false(spa->spa_config_dirty);
	spa_feature_incr(spa, SPA_FEATURE_DRAID, 4);
	assert_true(spa->spa_config_dirty);
	nvlist_t *nvl = spa_features_for_label(spa);
	assert_int_equal(nvlist_lookup_boolean(nvl, "org.openzfs:draid"), 0);
	assert_false(nvlist_exists(nvl, "org.open-zfs:large_blocks"));
	nvlist_free(nvl);

	spa->spa_config_dirty = false;
	spa_feature_incr(spa, SPA_FEATURE_DRAID, 5);
	spa_feature_decr(spa, SPA_FEATURE_DRAID, 5);
	assert_false(spa->spa_config_dirty);
	spa_feature_decr(spa, SPA_FEATURE_DRAID, 6);
	assert_true(spa->spa_config_dirty);
	assert_int_equal(spa_maxblocksize(spa), SPA_MAXBLOCKSIZE);
	assert_int_equal(spa_maxdnodesize(spa), 512);
	assert_true(PANICS(spa_feature_decr(spa, SPA_FEATURE_DRAID, 6)));
}

static void
active_features_decide_how_a_pool_opens(void **state)
{
	spa_t *spa = spa_alloc("feat", &quiet_ops);
	nvlist_t *why;

	for (int f = 0; f < SPA_FEATURES; f++)
		spa_feature_enable(spa, (spa_feature_t)f, 4);
	assert_int_equal(spa_features_support(spa, NULL), ZFEATURE_WRITE);
	fnvlist_add_string(
	    spa->spa_features.sf_unknown_write, "com.example:new", "New.");
	assert_int_equal(spa_features_support(spa, &why), ZFEATURE_READ);
	assert_true(nvlist_exists(why, "com.example:new"));
	nvlist_free(why);
	fnvlist_add_string(
	    spa->spa_features.sf_unknown_read, "com.example:alien", "Alien.");
	assert_int_equal(spa_features_support(spa, NULL), ZFEATURE_UNSUPPORTED);
	spa_free(spa);
}

/* ---- the config lock ---------------------------------------------------------------------- */

static struct {
	spa_t *spa;
	uint64_t readers, writers, rounds;
	bool writer_done;
} cl;

static void
config_worker(void *arg)
{
	const bool writer = arg != NULL;

	for (int i = 0; i < 300; i++) {
		spa_config_enter(cl.spa, writer ? RW_WRITER : RW_READER);
		if (writer) {
			assert_int_equal(atomic_inc_64(&cl.writers), 1);
			assert_int_equal(atomic_load_64(&cl.readers), 0);
			atomic_dec_64(&cl.writers);
		} else {
			atomic_inc_64(&cl.readers);
			assert_int_equal(atomic_load_64(&cl.writers), 0);
			atomic_dec_64(&cl.readers);
		}
		atomic_inc_64(&cl.rounds);
		spa_config_exit(cl.spa, writer ? RW_WRITER : RW_READER);
	}
}

static void
writers_exclude_everybody(void **state)
{
	kthread_t *t[6];

	memset(&cl, 0, sizeof(cl));
	cl.spa = spa_alloc("lock", &quiet_ops);
	for (int i = 0; i < 6; i++)
		t[i] = thread_create("config", config_worker, i < 2 ? &cl : NULL);
	for (int i = 0; i < 6; i++)
		thread_join(t[i]);
	assert_int_equal(cl.rounds, 6 * 300);
	spa_free(cl.spa);
}

static void
one_writer(void *arg)
{
	spa_config_enter(cl.spa, RW_WRITER);
	__atomic_store_n(&cl.writer_done, true, __ATOMIC_RELEASE);
	spa_config_exit(cl.spa, RW_WRITER);
}

static void
a_reader_may_enter_again_although_a_writer_waits(void **state)
{
	memset(&cl, 0, sizeof(cl));
	cl.spa = spa_alloc("lock", &quiet_ops);
	spa_config_enter(cl.spa, RW_READER);
	kthread_t *t = thread_create("writer", one_writer, NULL);
	for (uint64_t waiting = 0; waiting == 0;) {
		mutex_enter(&cl.spa->spa_config_lock.scl_lock);
		waiting = cl.spa->spa_config_lock.scl_writers_waiting;
		mutex_exit(&cl.spa->spa_config_lock.scl_lock);
	}
	spa_config_enter(
	    cl.spa, RW_READER); /* would wait for the writer that waits for us */
	assert_false(__atomic_load_n(&cl.writer_done, __ATOMIC_ACQUIRE));
	spa_config_exit(cl.spa, RW_READER);
	spa_config_exit(cl.spa, RW_READER);
	thread_join(t);
	assert_true(cl.writer_done);
	spa_free(cl.spa);
}

/* ---- suspension --------------------------------------------------------------------------- */

static void
failing_write(void *arg)
{
	const uint64_t times = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < times; i++) {
		spa_suspend_wait(cl.spa, "no devices");
		atomic_inc_64(&cl.rounds);
	}
}

static void
a_suspended_pool_holds_writes_until_cleared(void **state)
{
	memset(&cl, 0, sizeof(cl));
	cl.spa = spa_alloc("susp", &quiet_ops);
	txg_init(cl.spa, 4);
	txg_sync_start(cl.spa); /* resume watches whether txgs go on */
	events = 0;
	kthread_t *t = thread_create("write", failing_write, (void *)2);
	while (!spa_is_suspended(cl.spa))
		spl_delay(1000);
	assert_int_equal(spa_resume(cl.spa), EIO); /* the write failed again */
	assert_int_equal(atomic_load_64(&cl.rounds), 1);
	assert_true(spa_is_suspended(cl.spa));
	assert_int_equal(spa_resume(cl.spa), 0);
	thread_join(t);
	assert_int_equal(cl.rounds, 2);
	assert_int_equal(events, 2);
	txg_sync_stop(cl.spa);
	spa_free(cl.spa);
}

/* ---- frees, host id ------------------------------------------------------------------------- */

static void
frees_of_late_passes_wait_for_the_next_txg(void **state)
{
	fake_pool_t *fp = fake_pool_create(1, 4, 20, 12);
	spa_t *spa = fp->fp_spa;
	blkptr_t bp = {0}, hole = {0};

	vdev_fini(); /* spa_init starts it */
	spa_init();
	assert_int_equal(metaslab_alloc(spa, spa->spa_normal_class, 4096, &bp, 2,
			     fp->fp_txg, NULL, 0),
	    0);
	fake_sync(fp);
	spa->spa_syncing_txg = fp->fp_txg;
	spa->spa_sync_pass = 2;
	spa_free_block(spa, fp->fp_txg, &hole);
	assert_true(list_is_empty(&spa->spa_defer_list));
	spa_free_block(spa, fp->fp_txg, &bp);
	assert_true(txg_list_empty(spa_dirty_metaslabs(spa), fp->fp_txg));
	spa_defer_free_t *sdf = list_head(&spa->spa_defer_list);
	assert_non_null(sdf);
	assert_true(DVA_EQUAL(&sdf->sdf_bp.blk_dva[0], &bp.blk_dva[0]));
	spa->spa_sync_pass = 1;
	spa_free_block(spa, fp->fp_txg, &bp);
	assert_false(txg_list_empty(spa_dirty_metaslabs(spa), fp->fp_txg));
	fake_sync(fp);
	assert_int_equal(fake_free_on_disk(fp), 4 << 20);
	spa_fini();
	vdev_init();
	fake_pool_destroy(fp);
}

static void
device_errors_become_events(void **state)
{
	fake_pool_t *fp = fake_pool_create_ops(&quiet_ops, 1, 4, 20, 12);
	vdev_io_t vio = {.vio_offset = 8192, .vio_size = 4096};

	events = 0;
	spa_vdev_ereport(&fp->fp_top[0], "checksum", &vio, ECKSUM);
	spa_vdev_ereport(&fp->fp_top[0], "statechange", NULL, 0);
	assert_int_equal(events, 2);
	fp->fp_top[0].vdev_owner = NULL; /* a tree of a discovery */
	spa_vdev_ereport(&fp->fp_top[0], "io", &vio, EIO);
	assert_int_equal(events, 2);
	fake_pool_destroy(fp);
}

static void
the_host_id_can_be_given(void **state)
{
	assert_int_equal(setenv("TARN_HOSTID", "0x00c0ffee", 1), 0);
	assert_int_equal(spa_get_hostid(), 0xc0ffee);
	assert_int_equal(setenv("TARN_HOSTID", "0x1234567890", 1), 0);
	assert_int_equal(spa_get_hostid(), 0x34567890); /* 32 bits */
	assert_int_equal(unsetenv("TARN_HOSTID"), 0);
	assert_true(spa_get_hostid() <= UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_of_real_pools_are_generated_byte_for_byte),
	    cmocka_unit_test(keys_come_only_where_they_belong),
	    cmocka_unit_test(the_table_is_that_of_a_real_pool),
	    cmocka_unit_test(enabling_brings_dependencies_and_records_the_txg),
	    cmocka_unit_test(active_features_decide_how_a_pool_opens),
	    cmocka_unit_test(writers_exclude_everybody),
	    cmocka_unit_test(a_reader_may_enter_again_although_a_writer_waits),
	    cmocka_unit_test(a_suspended_pool_holds_writes_until_cleared),
	    cmocka_unit_test(frees_of_late_passes_wait_for_the_next_txg),
	    cmocka_unit_test(device_errors_become_events),
	    cmocka_unit_test(the_host_id_can_be_given),
	    cmocka_unit_test(a_feature_the_mos_needs_dirties_the_labels),
	};

	return (
	    cmocka_run_group_tests(tests, helper_group_setup, helper_group_teardown));
}
